"""The life of a card as data: from which statuses an operation starts, and where it leads.

One table serves the fast path (as C constants, `switch/_layout.pxd`), the
diagram of docs/lifecycle.md and the operators' tools.  What an operation checks and
moves besides is in docs/decision.md.  `None` among the statuses stands for a
number that no card has yet.
"""

from __future__ import annotations

from typing import NamedTuple

from .messages import CardOperation, CardStatus, FeeKind

ENDED: frozenset[CardStatus] = frozenset(
    {
        CardStatus.REPLACED,
        CardStatus.RETURNED,
        CardStatus.VOID,
        CardStatus.CORRECTED,
        CardStatus.CLEARED,
        CardStatus.RELEASED,
    }
)
"""Statuses that a card does not leave, but for clearing its medium or making a released number."""

LIVE: frozenset[CardStatus] = frozenset(
    {
        CardStatus.ISSUED,
        CardStatus.ACTIVE,
        CardStatus.FROZEN,
        CardStatus.LOST,
        CardStatus.EXPIRED,
        CardStatus.BAD,
    }
)
"""Statuses of a card that has an account and has not ended: it, or its successor, may spend again."""

NOT_ENDED: tuple[CardStatus, ...] = tuple(status for status in CardStatus if status not in ENDED)


class Transition(NamedTuple):
    """Where an operation starts and where it leads."""

    froms: tuple[CardStatus | None, ...]
    to: CardStatus | None
    """`None`: the status stays as it is, or is the one that was kept."""
    fee: FeeKind | None = None
    """Fee of the card's type that the operation charges."""


TRANSITIONS: dict[CardOperation, Transition] = {
    CardOperation.RESERVE: Transition((None, CardStatus.RELEASED), CardStatus.RESERVED),
    CardOperation.UNRESERVE: Transition((CardStatus.RESERVED,), CardStatus.RELEASED),
    CardOperation.MAKE: Transition((None, CardStatus.RELEASED, CardStatus.RESERVED), CardStatus.MADE),
    CardOperation.DRAW: Transition((CardStatus.MADE,), CardStatus.DRAWN),
    CardOperation.ISSUE: Transition((CardStatus.MADE, CardStatus.DRAWN), CardStatus.ISSUED, FeeKind.ISSUE),
    CardOperation.MAKE_AND_ISSUE: Transition(
        (None, CardStatus.RELEASED, CardStatus.RESERVED), CardStatus.ISSUED, FeeKind.ISSUE
    ),
    CardOperation.ACTIVATE: Transition((CardStatus.ISSUED,), CardStatus.ACTIVE),
    CardOperation.REPORT_LOSS: Transition(
        (CardStatus.ACTIVE, CardStatus.FROZEN, CardStatus.ISSUED), CardStatus.LOST, FeeKind.REPORT_LOSS
    ),
    CardOperation.RESTORE: Transition((CardStatus.LOST,), None, FeeKind.RESTORE),
    CardOperation.FREEZE: Transition((CardStatus.ACTIVE,), CardStatus.FROZEN),
    CardOperation.UNFREEZE: Transition((CardStatus.FROZEN,), CardStatus.ACTIVE),
    CardOperation.EXPIRE: Transition((CardStatus.ACTIVE,), CardStatus.EXPIRED),
    CardOperation.RENEW: Transition((CardStatus.ACTIVE, CardStatus.EXPIRED), CardStatus.ACTIVE, FeeKind.RENEW),
    CardOperation.MARK_BAD: Transition((CardStatus.ACTIVE, CardStatus.FROZEN), CardStatus.BAD),
    CardOperation.REPLACE: Transition(
        (CardStatus.LOST, CardStatus.BAD, CardStatus.EXPIRED, CardStatus.ACTIVE), CardStatus.REPLACED, FeeKind.REPLACE
    ),
    CardOperation.RETURN: Transition((CardStatus.ACTIVE, CardStatus.EXPIRED), CardStatus.RETURNED, FeeKind.RETURN),
    CardOperation.VOID: Transition(NOT_ENDED, CardStatus.VOID),
    CardOperation.CLEAR: Transition((CardStatus.RETURNED, CardStatus.VOID, CardStatus.MADE), CardStatus.CLEARED),
    CardOperation.CORRECT: Transition(NOT_ENDED, CardStatus.CORRECTED),
    CardOperation.BLACKLIST: Transition(tuple(CardStatus), None),
    CardOperation.UNBLACKLIST: Transition(tuple(CardStatus), None),
    CardOperation.CHARGE_FEE: Transition(tuple(status for status in CardStatus if status in LIVE), None),
}
"""REPLACE of an ACTIVE card is a swap and charges FeeKind.SWAP; CHARGE_FEE charges the fee that its reason names."""

GONE_ON: dict[CardOperation, tuple[CardStatus, ...]] = {
    CardOperation.MAKE: (CardStatus.DRAWN, CardStatus.ISSUED, CardStatus.ACTIVE),
    CardOperation.ISSUE: (CardStatus.ACTIVE,),
    CardOperation.MAKE_AND_ISSUE: (CardStatus.ACTIVE,),
}
"""Statuses beyond its target in which an operation counts as done before: a batch that is run again skips the card."""


def done_mask(operation: CardOperation) -> int:
    """Bit n: in status n the operation has been done before."""
    to = TRANSITIONS[operation].to
    return sum(1 << int(status) for status in (*GONE_ON.get(operation, ()), *(() if to is None else (to,))))


def from_mask(operation: CardOperation) -> int:
    """Bit n: the operation starts from status n; bit 0: from a number that no card has."""
    return sum(1 << (0 if status is None else int(status)) for status in TRANSITIONS[operation].froms)
