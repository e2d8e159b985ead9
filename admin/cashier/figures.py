"""What a bill came to, as the ledger has it once the follower is there; before, as it was quoted."""

from __future__ import annotations

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.models.cashier import BillState, CashierBill
from admin.models.journal import PART_BITS, entries
from admin.models.mirror import stores
from switch.protocol.messages import Settlement


class BillFigures(msgspec.Struct, frozen=True):
    """Amounts of a bill, in minor units."""

    bill_minor: int
    discount_minor: int
    due_minor: int
    round_off_minor: int
    cash_minor: int
    card_minor: int
    change_minor: int
    is_booked: bool


def figures_of(session: Session, bill: CashierBill) -> BillFigures:
    """The figures; round-off and change are the switch's rule over what it has booked."""
    row = None
    if bill.state == BillState.PAID:
        booked = select(entries.c.due_minor, entries.c.discount_minor)
        row = session.execute(booked.where(entries.c.id == bill.journal_sequence << PART_BITS)).first()
    due_minor = row.due_minor if row is not None else bill.due_minor
    discount_minor = row.discount_minor if row is not None else bill.discount_minor
    round_off_minor = change_minor = 0
    if bill.state == BillState.PAID and bill.settlement != Settlement.CARD:
        unit = session.scalar(select(stores.c.round_off_minor).where(stores.c.store_id == bill.store_id)) or 0
        rest = due_minor - bill.card_minor
        round_off_minor = rest % unit if unit else 0
        change_minor = bill.cash_minor - (rest - round_off_minor)
    return BillFigures(
        bill_minor=due_minor + discount_minor,
        discount_minor=discount_minor,
        due_minor=due_minor,
        round_off_minor=round_off_minor,
        cash_minor=bill.cash_minor,
        card_minor=bill.card_minor,
        change_minor=change_minor,
        is_booked=row is not None,
    )
