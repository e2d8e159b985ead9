"""Tables by noun.  Importing this package puts all of them on `metadata`, which is what migrations look at."""

from . import audit, documents, holdings, journal, members, mirror, people
from .base import Base, metadata

__all__ = ["Base", "audit", "documents", "holdings", "journal", "members", "metadata", "mirror", "people"]
