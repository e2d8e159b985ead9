"""Tables by noun.  Importing this package puts all of them on `metadata`, which is what migrations look at."""

from . import (
    audit,
    authorisations,
    campaigns,
    consumption,
    documents,
    holdings,
    interfaces,
    journal,
    members,
    mirror,
    money,
    pay,
    people,
    queries,
    sales,
    security,
    submissions,
)
from .base import Base, metadata

__all__ = [
    "Base",
    "audit",
    "authorisations",
    "campaigns",
    "consumption",
    "documents",
    "holdings",
    "interfaces",
    "journal",
    "members",
    "metadata",
    "mirror",
    "money",
    "pay",
    "people",
    "queries",
    "sales",
    "security",
    "submissions",
]
