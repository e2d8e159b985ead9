"""Paying a bill: the document whose request is the debit, so that it is sent exactly once."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.documents.kind import Kind, Planning
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.cashier import BillState, CashierBill
from admin.models.documents import Document, DocumentState, DocumentStep
from admin.rights import Action
from switch.protocol.messages import MessageType, Settlement, Tender, TenderKind
from switch.protocol.terms import AMOUNT_MINOR_MAX

from .bills import WAYS, bill_seen, bills_seen, lines_of, request_of

CHOICES_MAX = 200
_ = str


def bill_choices(context: FormContext) -> dict[int | str, str]:
    """Bills that wait for their payment."""
    query = bills_seen(context.visitor, select(CashierBill).where(CashierBill.state == BillState.BILL))
    found = context.session.scalars(query.order_by(CashierBill.id.desc()).limit(CHOICES_MAX))
    return {bill.id: f"{bill.id} · {translate(WAYS[bill.settlement])}" for bill in found}


class SettleBill(msgspec.Struct, frozen=True, kw_only=True):
    """How a bill is paid."""

    bill: Annotated[int, entry(_("Bill of the desk"), "choice", choices=bill_choices)]
    cash_minor: Annotated[
        int, entry(_("Cash handed over"), "money", ge=0, le=AMOUNT_MINOR_MAX, hint=_("Of a bill that is paid in cash."))
    ] = 0
    card_minor: Annotated[
        int,
        entry(_("Part from the card"), "money", ge=0, le=AMOUNT_MINOR_MAX, hint=_("Of a bill that is paid by both.")),
    ] = 0


def tenders_of(bill: CashierBill, form: SettleBill) -> tuple[Tender, ...]:
    """What pays it; `RefusedError` when it is not what the bill was priced for."""
    card = Tender(kind=TenderKind.CARD, amount_minor=form.card_minor)
    cash = Tender(kind=TenderKind.CASH, amount_minor=form.cash_minor)
    if bill.settlement == Settlement.CARD:
        if form.cash_minor or form.card_minor:
            raise RefusedError("This bill was priced for the card: it pays all of it.")
        return ()
    if bill.settlement == Settlement.CASH:
        if form.card_minor or not form.cash_minor:
            raise RefusedError(
                "This bill was priced for cash: fill in what was handed over, and nothing from the card."
            )
        return (cash,)
    if not (form.card_minor and form.cash_minor):
        raise RefusedError("This bill was priced for card and cash: fill in both.")
    return (card, cash)


def _plan(planning: Planning, form: SettleBill) -> None:
    bill = bill_seen(planning.session, planning.visitor, form.bill)
    if bill is None:
        raise RefusedError("There is no such bill.")
    if bill.state != BillState.BILL:
        raise RefusedError("This bill has gone on: look at it again.")
    planning.presented_card(bill.card_number)
    request = request_of(bill.card_number, lines_of(bill), bill.settlement, is_priced=bill.is_priced)
    planning.store_id = bill.store_id
    planning.add(
        MessageType.DEBIT,
        card_number=bill.card_number,
        amount_minor=bill.due_minor if bill.is_priced else request.amount_minor,
        moved_minor=bill.due_minor,
        subject=translate(WAYS[bill.settlement]),
        flags=request.flags,
        settlement=bill.settlement,
        lines=request.lines,
        tenders=tenders_of(bill, form),
    )


def _begun(session: Session, document: Document, form: SettleBill) -> None:
    bill = session.get(CashierBill, form.bill)
    if bill is None or bill.state != BillState.BILL:
        raise RefusedError("This bill has gone on: look at it again.")
    bill.state, bill.document_id, bill.cash_minor = BillState.PAYING, document.id, form.cash_minor


def _settled(session: Session, document: Document, form: SettleBill) -> None:
    """Paid, or a bill again when the switch has refused it."""
    bill = session.get(CashierBill, form.bill)
    if bill is None or bill.document_id != document.id:
        return
    if document.state != DocumentState.DONE:
        bill.state, bill.cash_minor = BillState.BILL, 0
        return
    step = session.get(DocumentStep, (document.id, 1))
    assert step is not None
    bill.state, bill.paid_at = BillState.PAID, document.ended_at
    bill.card_minor, bill.points_hundredths = step.amount_minor, step.points_hundredths
    bill.journal_sequence, bill.receipt_code = step.journal_sequence, step.receipt_code


KINDS: list[Kind[Any]] = [
    Kind(
        name="settle-bill",
        label=_("Pay a bill"),
        hint=_("The switch books it once: card, cash or both, with the points of its member."),
        function="cashier",
        action=Action.ADD,
        form=SettleBill,
        plan=_plan,
        begun=_begun,
        settled=_settled,
    ),
]
