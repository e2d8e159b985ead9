"""The life of a card, written down once more by hand: where each operation starts, and where it leads.

The product has its own table (`switch/protocol/lifecycle.py`); a test holds the two against each other.
"""

from __future__ import annotations

from switch.protocol.messages import CardOperation, CardStatus

ACTIVE, FROZEN, RESERVED, MADE, DRAWN = (
    CardStatus.ACTIVE,
    CardStatus.FROZEN,
    CardStatus.RESERVED,
    CardStatus.MADE,
    CardStatus.DRAWN,
)
ISSUED, LOST, EXPIRED, BAD = CardStatus.ISSUED, CardStatus.LOST, CardStatus.EXPIRED, CardStatus.BAD
REPLACED, RETURNED, VOID = CardStatus.REPLACED, CardStatus.RETURNED, CardStatus.VOID
CORRECTED, CLEARED, RELEASED = CardStatus.CORRECTED, CardStatus.CLEARED, CardStatus.RELEASED

ENDED = {REPLACED, RETURNED, VOID, CORRECTED, CLEARED, RELEASED}
"""A card with one of these does nothing any more (but its medium may be cleared, its released number made)."""
NOT_ENDED = {ACTIVE, FROZEN, RESERVED, MADE, DRAWN, ISSUED, LOST, EXPIRED, BAD}
LIVE = {ISSUED, ACTIVE, FROZEN, LOST, BAD, EXPIRED}
"""With an account, a card with one of these uses it."""

FROM: dict[CardOperation, set[CardStatus | None]] = {
    CardOperation.RESERVE: {None, RELEASED},
    CardOperation.UNRESERVE: {RESERVED},
    CardOperation.MAKE: {None, RELEASED, RESERVED},
    CardOperation.DRAW: {MADE},
    CardOperation.ISSUE: {MADE, DRAWN},
    CardOperation.MAKE_AND_ISSUE: {None, RELEASED, RESERVED},
    CardOperation.ACTIVATE: {ISSUED},
    CardOperation.REPORT_LOSS: {ACTIVE, FROZEN, ISSUED},
    CardOperation.RESTORE: {LOST},
    CardOperation.FREEZE: {ACTIVE},
    CardOperation.UNFREEZE: {FROZEN},
    CardOperation.EXPIRE: {ACTIVE},
    CardOperation.RENEW: {ACTIVE, EXPIRED},
    CardOperation.MARK_BAD: {ACTIVE, FROZEN},
    CardOperation.REPLACE: {LOST, BAD, EXPIRED, ACTIVE},
    CardOperation.RETURN: {ACTIVE, EXPIRED},
    CardOperation.VOID: {*NOT_ENDED},
    CardOperation.CLEAR: {RETURNED, VOID, MADE},
    CardOperation.CORRECT: {*NOT_ENDED},
    CardOperation.BLACKLIST: {*NOT_ENDED, *ENDED},
    CardOperation.UNBLACKLIST: {*NOT_ENDED, *ENDED},
    CardOperation.CHARGE_FEE: {ISSUED, ACTIVE, FROZEN, LOST, BAD, EXPIRED},
}
"""Statuses that an operation starts from; None is a number that no card has."""

TARGET: dict[CardOperation, CardStatus | None] = {
    CardOperation.RESERVE: RESERVED,
    CardOperation.UNRESERVE: RELEASED,
    CardOperation.MAKE: MADE,
    CardOperation.DRAW: DRAWN,
    CardOperation.ISSUE: ISSUED,
    CardOperation.MAKE_AND_ISSUE: ISSUED,
    CardOperation.ACTIVATE: ACTIVE,
    CardOperation.REPORT_LOSS: LOST,
    CardOperation.RESTORE: None,
    CardOperation.FREEZE: FROZEN,
    CardOperation.UNFREEZE: ACTIVE,
    CardOperation.EXPIRE: EXPIRED,
    CardOperation.RENEW: ACTIVE,
    CardOperation.MARK_BAD: BAD,
    CardOperation.REPLACE: REPLACED,
    CardOperation.RETURN: RETURNED,
    CardOperation.VOID: VOID,
    CardOperation.CLEAR: CLEARED,
    CardOperation.CORRECT: CORRECTED,
    CardOperation.BLACKLIST: None,
    CardOperation.UNBLACKLIST: None,
    CardOperation.CHARGE_FEE: None,
}
"""Where it leads; None: to the kept status, or nowhere."""

DONE_TOO: dict[CardOperation, set[CardStatus]] = {
    CardOperation.MAKE: {DRAWN, ISSUED, ACTIVE},
    CardOperation.ISSUE: {ACTIVE},
    CardOperation.MAKE_AND_ISSUE: {ACTIVE},
}
"""Statuses beyond the target that also say: done before."""

MAKING = {CardOperation.RESERVE, CardOperation.MAKE, CardOperation.MAKE_AND_ISSUE}
"""Operations on a number that has no card yet."""
