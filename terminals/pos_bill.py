"""A bill as a till rings it up: what the switch is asked, and the names that stand on the receipt."""

from __future__ import annotations

from dataclasses import dataclass

from switch.protocol.messages import BillLine, DebitFlag, DebitRequest, Tender

SALE_MINOR_MAX = 10**12 - 1
"""Twelve digits: what a chip's cryptogram has room for."""
FLAGS_ALLOWED = DebitFlag.PRICED
"""Of a bill. A part of a bill needs a second means of payment, so it is tendered as one; a PIN is asked for later."""


@dataclass(frozen=True, slots=True)
class SaleBill:
    """What is to be paid; `ValueError` for a bill that a card cannot pay, or whose lines do not add up."""

    amount_minor: int
    """Before the switch's discount; 0 with PRICED."""
    lines: tuple[BillLine, ...] = ()
    names: tuple[str, ...] = ()
    """Of the lines, in their order; a line without one is printed as its article number."""
    tenders: tuple[Tender, ...] = ()
    flags: int = 0
    settlement: int = 0

    def __post_init__(self) -> None:
        if self.flags & ~FLAGS_ALLOWED:
            raise ValueError(f"flags: expected PRICED or none, got {self.flags}; tender parts of a bill one by one")
        if self.is_priced:
            if self.amount_minor or not self.lines or any(line.amount_minor for line in self.lines):
                raise ValueError("priced: expected lines without amounts and no amount; the switch has the prices")
        elif not 0 < self.amount_minor <= SALE_MINOR_MAX:
            raise ValueError(f"amount_minor: expected 1 to {SALE_MINOR_MAX}, got {self.amount_minor}; refund instead")
        elif self.lines and sum(line.amount_minor for line in self.lines) != self.amount_minor:
            raise ValueError(f"amount_minor: expected the sum of the lines, got {self.amount_minor}; correct the bill")
        if self.names and len(self.names) != len(self.lines):
            raise ValueError(f"names: expected {len(self.lines)}, one for each line, got {len(self.names)}")

    @property
    def is_priced(self) -> bool:
        """Whether the switch's price list says what the lines cost."""
        return bool(self.flags & DebitFlag.PRICED)

    def request(self, card_number: int, amount_minor: int, stamp_ms: int) -> DebitRequest:
        """What is kept of the debit for the receipt: neither number nor date, PIN nor evidence."""
        return DebitRequest(
            trace_number=0,
            business_date=0,
            stamp_ms=stamp_ms,
            card_number=card_number,
            amount_minor=amount_minor,
            flags=self.flags,
            settlement=self.settlement,
            lines=self.lines,
            tenders=self.tenders,
        )
