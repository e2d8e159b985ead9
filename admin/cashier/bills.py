"""Bills: quoted by the switch, made of a quotation, cancelled; seen by those who work where they were made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.documents.terminals import HEADQUARTERS, key_path
from admin.errors import RefusedError, SwitchLinkError
from admin.i18n import translate
from admin.members.holdings import member_of
from admin.models.cashier import REMARK_LENGTH_MAX, BillState, CashierBill
from admin.models.mirror import cards, stores
from admin.service import Service
from admin.switch_link import SwitchLink
from admin.words import code_name
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    DebitFlag,
    DebitRequest,
    LineResult,
    MessageType,
    Reply,
    Settlement,
    Tender,
    TenderKind,
)

from .lines import Column, Line, completed, times

MODULE = "cashier"
QUOTE_CASH_MINOR = 4_000_000_000
"""Cash of a quote: more than any bill of a desk, less than the change that the switch can tell (2^32)."""
QUOTED = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
OPEN = (BillState.QUOTATION, BillState.BILL)
_ = str
STATES: dict[str, str] = {
    BillState.QUOTATION: _("Quotation"),
    BillState.BILL: _("Bill"),
    BillState.PAYING: _("Being paid"),
    BillState.PAID: _("Paid"),
    BillState.CANCELLED: _("Cancelled"),
}
WAYS: dict[int | str, str] = {
    int(Settlement.CARD): _("Card"),
    int(Settlement.CASH): _("Cash"),
    int(Settlement.MIXED): _("Card and cash"),
}
Connect = Callable[[int], SwitchLink]


class BillDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What a cashier fills in."""

    card_number: int
    settlement: int
    columns: int
    remark: str
    lines: tuple[Line, ...]


def bills_seen(visitor: Visitor, query: Select[Any]) -> Select[Any]:
    """A question about bills of the visitor's part of the organisation."""
    return query if visitor.sees_everything else query.where(CashierBill.organisation_id.in_(visitor.organisation_ids))


def bills_page(session: Session, visitor: Visitor, state: str, before: int | None, limit: int) -> Sequence[CashierBill]:
    """Bills, newest first; one more than `limit` where there are more."""
    query = bills_seen(visitor, select(CashierBill)).order_by(CashierBill.id.desc()).limit(limit + 1)
    if state:
        query = query.where(CashierBill.state == state)
    return session.scalars(query if before is None else query.where(CashierBill.id < before)).all()


def bill_seen(session: Session, visitor: Visitor, bill_id: int) -> CashierBill | None:
    """A bill, when the visitor may see it."""
    found: CashierBill | None = session.scalar(
        bills_seen(visitor, select(CashierBill).where(CashierBill.id == bill_id))
    )
    return found


def lines_of(bill: CashierBill) -> tuple[Line, ...]:
    """The lines of a bill."""
    return msgspec.json.decode(bill.lines, type=tuple[Line, ...])


def store_of(session: Session, visitor: Visitor) -> int:
    """Store at whose desk the visitor works; 0: headquarters."""
    if visitor.sees_everything:
        return HEADQUARTERS
    place = stores.c.organisation_id == visitor.organisation_id
    found = session.scalars(select(stores.c.store_id).where(place).limit(2)).all()
    return found[0] if len(found) == 1 else HEADQUARTERS


def request_of(
    card_number: int, lines: Sequence[Line], settlement: int, *, is_priced: bool, stamp_ms: int = 0
) -> DebitRequest:
    """The bill as the switch is asked, without tenders."""
    sent = tuple(line.to_send(is_priced=is_priced) for line in lines)
    return DebitRequest(
        trace_number=0,
        business_date=0,
        stamp_ms=stamp_ms,
        card_number=card_number,
        amount_minor=sum(line.amount_minor for line in sent),
        flags=DebitFlag.PRICED if is_priced else 0,
        settlement=settlement,
        lines=sent,
    )


def save_bill(service: Service, visitor: Visitor, connect: Connect, draft: BillDraft, bill_id: int = 0) -> int:
    """Price a quotation and keep it, a new one or one that there is; its number. `RefusedError` says what is wrong."""
    with service.database.read() as session:
        card = session.execute(select(cards).where(cards.c.card_number == draft.card_number)).first()
        if card is None:
            raise RefusedError("There is no such card.")
        lines, is_priced = completed(session, draft.lines)
        member_id = member_of(session, card.account_number) if card.account_number else 0
        store_id = store_of(session, visitor)
    reply = _quoted(service, connect, store_id, draft.card_number, lines, draft.settlement, is_priced=is_priced)
    priced = _with_results(lines, reply, is_priced=is_priced)
    with service.database.write() as session:
        if bill_id:
            bill = _open(session, visitor, bill_id, BillState.QUOTATION)
        else:
            bill = CashierBill(
                state=BillState.QUOTATION,
                organisation_id=visitor.organisation_id,
                store_id=store_id,
                cashier_id=visitor.user_id,
                made_at=service.now(),
            )
            session.add(bill)
        bill.card_number, bill.member_id = draft.card_number, member_id
        bill.settlement, bill.remark = draft.settlement, draft.remark[:REMARK_LENGTH_MAX]
        bill.columns, bill.is_priced = draft.columns & int(~Column(0)), is_priced
        _fill(bill, priced, reply)
        session.flush()
        action = "change-quotation" if bill_id else "add-quotation"
        _note(service, session, visitor, action, bill, due_minor=bill.due_minor, lines=len(priced))
        return bill.id


def make_bill(service: Service, visitor: Visitor, connect: Connect, bill_id: int) -> None:
    """A quotation becomes the bill, priced anew: what it says is what is paid."""
    with service.database.read() as session:
        bill = _open(session, visitor, bill_id, BillState.QUOTATION)
        lines, card_number, settlement = lines_of(bill), bill.card_number, bill.settlement
        is_priced, store_id = bill.is_priced, bill.store_id
    reply = _quoted(service, connect, store_id, card_number, lines, settlement, is_priced=is_priced)
    with service.database.write() as session:
        bill = _open(session, visitor, bill_id, BillState.QUOTATION)
        before = bill.due_minor
        _fill(bill, _with_results(lines, reply, is_priced=is_priced), reply)
        bill.state = BillState.BILL
        _note(service, session, visitor, "make-bill", bill, quoted_minor=before, due_minor=bill.due_minor)


def cancel_bill(service: Service, visitor: Visitor, bill_id: int) -> None:
    """Nobody pays it; it stays to be read."""
    with service.database.write() as session:
        bill = _open(session, visitor, bill_id, *OPEN)
        bill.state = BillState.CANCELLED
        _note(service, session, visitor, "cancel-bill", bill)


def _open(session: Session, visitor: Visitor, bill_id: int, *states: BillState) -> CashierBill:
    bill = bill_seen(session, visitor, bill_id)
    if bill is None:
        raise RefusedError("There is no such bill.")
    if bill.state not in states:
        raise RefusedError("This bill has gone on: look at it again.")
    return bill


def _note(service: Service, session: Session, visitor: Visitor, action: str, bill: CashierBill, **detail: Any) -> None:
    service.audit.append(session, visitor, MODULE, action, f"cashier bill {bill.id}", **detail)


def _fill(bill: CashierBill, lines: Sequence[Line], reply: Reply) -> None:
    bill.lines = msgspec.json.encode(lines).decode()
    bill.bill_minor = sum(line.amount_minor - line.discount_minor for line in lines)
    bill.discount_minor, bill.due_minor = reply.discount_minor, reply.due_minor
    bill.points_hundredths = reply.points_hundredths


def _with_results(lines: Sequence[Line], reply: Reply, *, is_priced: bool) -> tuple[Line, ...]:
    results = list(reply.lines)[: len(lines)]
    results += [LineResult()] * (len(lines) - len(results))
    return tuple(
        msgspec.structs.replace(
            line,
            amount_minor=times(result.unit_price_minor, line.quantity_milli) if is_priced else line.amount_minor,
            rule_discount_minor=result.discount_minor,
            points_hundredths=result.points_hundredths,
        )
        for line, result in zip(lines, results, strict=True)
    )


def _quoted(
    service: Service,
    connect: Connect,
    store_id: int,
    card_number: int,
    lines: Sequence[Line],
    settlement: int,
    *,
    is_priced: bool,
) -> Reply:
    """What the switch says to the bill; a card that has too little is asked about as if cash were handed over."""
    store = store_id if key_path(service.settings, store_id).exists() else HEADQUARTERS
    request = request_of(card_number, lines, settlement, is_priced=is_priced, stamp_ms=service.surroundings.now_ms())
    cash = (Tender(kind=TenderKind.CASH, amount_minor=QUOTE_CASH_MINOR),)
    refusal = 0
    asked = [request] if settlement == Settlement.CARD else []
    try:
        with connect(store) as link:
            for one in (*asked, msgspec.structs.replace(request, tenders=cash)):
                reply = link.ask(MessageType.QUOTE, one)
                if not isinstance(reply, Reply):
                    raise RefusedError("The switch could not read this bill.")
                if reply.code in QUOTED:
                    return reply
                refusal = reply.code
                if refusal not in (ResponseCode.FUNDS, ResponseCode.TENDER_MISMATCH):
                    break
    except SwitchLinkError:
        raise RefusedError("The switch cannot be reached just now. Try again in a moment.") from None
    raise RefusedError("The switch does not take this bill: {answer}", answer=translate(code_name(refusal)))
