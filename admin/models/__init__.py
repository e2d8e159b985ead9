"""Tables by noun.  Importing this package puts all of them on `metadata`, which is what migrations look at."""

from . import audit, documents, journal, mirror, money, people
from .base import Base, metadata

__all__ = ["Base", "audit", "documents", "journal", "metadata", "mirror", "money", "people"]
