"""How a sale ends, and who stands at the till meanwhile."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from switch.protocol.messages import Reply

from .masking import mask
from .pos_words import Notice, Words
from .stripe_card import Written


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a card, as a till may show it; amounts in minor units, points in hundredths."""

    card: str
    """Number, masked."""
    member: int
    """0: nobody is named."""
    card_type: int
    level: int
    status: int
    balance_minor: int
    points_hundredths: int
    payments_today: int


def holder_of(card_number: int, reply: Reply) -> Holder:
    """From the answer to a card query whose code is 0."""
    facts = reply.facts
    return Holder(
        card=mask(str(card_number)),
        member=facts.member,
        card_type=facts.card_type,
        level=facts.level,
        status=facts.status,
        balance_minor=reply.balance_minor,
        points_hundredths=reply.points_balance_hundredths,
        payments_today=facts.day_debit_count,
    )


class Cashier(Protocol):
    """Who stands at the till: told everything, asked a few things."""

    def show(self, notice: Notice, words: Words) -> None:
        """Something happened: `words` say it to people, `notice` says which it is."""
        ...

    async def agree(self, due_minor: int, quote: Reply) -> bool:
        """Whether this is to be paid; `quote` has discount, points and balance too."""
        ...

    async def ask_pin(self, words: Words) -> bytes | None:
        """The customer's PIN, 4 to 12 ASCII digits; nothing ends the sale."""
        ...

    async def printer_stopped(self, words: Words) -> bool:
        """Whether the printer was seen to, and is to be tried again now; else the receipt waits."""
        ...


class SaleResult(enum.Enum):
    """How a sale ends."""

    PAID = "paid"
    """Once. Hand over the goods, receipt or no receipt."""
    DECLINED = "declined"
    """Refused: no money moved."""
    UNDONE = "undone"
    """Reversed, or never sent: no money moved, or it went back."""
    CANCELLED = "cancelled"
    OFFLINE = "offline"
    """Nothing was asked: the switch is away."""
    UNKNOWN = "unknown"
    """Sent, and not answered; `Pos.recover` undoes it. Hand over nothing."""
    STUCK = "stuck"
    """For a person: the switch cannot say what became of it."""


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale's end."""

    result: SaleResult
    words: Words
    number: int = 0
    """In the sale journal; 0 when it never got there."""
    code: int | None = None
    reply: Reply | None = None
    is_printed: bool = False
    written: Written | None = None
    """What the card holds, when something was to be written to it."""
