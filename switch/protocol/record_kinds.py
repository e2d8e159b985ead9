"""Kinds of records and their keys.

Every record begins with its kind and version and ends with `last_sequence`.
Its key is the u64 at offset 8, or for kinds from `FIRST_WIDE_KEY_KIND` on the
three u64 at offset 8.  A record with a wide key whose third byte is `GONE` has
ended: it is removed.
"""

from __future__ import annotations

import enum

GONE = 255
"""Third byte (`state`) of the last image of a record with a wide key that has ended."""
RECORD_BYTES_MAX = 256
"""Longest record: a card type."""


class RecordKind(enum.IntEnum):
    """First byte of a record; also the LMDB database that holds it."""

    ACCOUNT = 1
    CARD = 2
    CARD_TYPE = 3
    STORE = 4
    TERMINAL = 5
    SWITCH = 6
    ORGANISATION = 7
    TYPE_STATE = 8
    POINTS_CATEGORY = 9
    GIFT = 10
    RULESET = 11
    MEDIUM_POLICY = 12
    # Kinds with a wide key
    CARD_LIMIT = 16
    PURSE = 17
    HOLD = 18
    PENDING_POINTS = 19
    MARK = 20
    RULE = 21
    PRICE = 22
    DAY_CLOSE = 23
    MEDIUM = 24
    KEY = 25
    TRAVEL = 26
    ALARM = 27
    CARD_KEY = 28


FIRST_WIDE_KEY_KIND = 16
"""Kinds from this number on have a key of three u64."""


class MarkKind(enum.IntEnum):
    """What a mark remembers: the upper byte of its third key."""

    REFERENCE = 1
    """An external reference was credited. Keys: the reference's two halves; channel below the kind."""
    RECEIPT = 2
    """A receipt earned its points. Keys: store, receipt number; date of sale below the kind."""
    REFUND = 3
    """What was refunded of an original. Keys: its sequence, the line (2^32-1: the whole bill)."""
    ALLOWED = 4
    """Something that a card type's list allows. Keys: code << 8 | list, the number allowed."""
    GIFT = 5
    """How often an account took a gift. Keys: account, gift."""
