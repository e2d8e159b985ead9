"""Mending money: refunds bound to their sale, taking back what the desk did, a recharge that went to the wrong card."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, select

from admin.documents.kind import Kind, Planning
from admin.errors import RefusedError
from admin.forms import entry
from admin.models.documents import Document, DocumentStep, StepState
from admin.rights import Action
from switch.protocol.card_terms import CardStatus
from switch.protocol.layout import Packed
from switch.protocol.messages import REQUESTS, CreditRequest, MessageType, RefundLine
from switch.protocol.terms import AMOUNT_MINOR_MAX, LINE_COUNT_MAX

from .limits import money_bounds
from .rows import rows_of, scaled, usable_card, whole
from .sale_lines import sale_entry

_ = str
ENDED_STATUSES = (CardStatus.RETURNED, CardStatus.VOID)
REVERSIBLE = {MessageType.CREDIT, MessageType.REDEEM, MessageType.LOAD_VISITS}
BY_OPERATOR = 2
"""Reason of a reversal that somebody wanted."""
REMEMBERED_DATES = 2
"""The switch knows requests of today and of the day before by their numbers."""


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money back for a sale."""

    original: Annotated[
        int, entry(_("Entry of the sale"), "integer", ge=1, hint=_("Its sequence, on the card's page or the receipt."))
    ]
    amount_minor: (
        Annotated[int, entry(_("Amount"), "money", hint=_("Empty: all that the card paid."), ge=1, le=AMOUNT_MINOR_MAX)]
        | None
    ) = None
    lines: Annotated[
        str,
        entry(
            _("Lines of the bill"),
            "area",
            hint=_("For a refund by lines, as the page of the sale offers them: number of the line and amount."),
        ),
    ] = ""


class ReverseForm(msgspec.Struct, frozen=True, kw_only=True):
    """Taking back what a document did."""

    document: Annotated[int, entry(_("Document"), "integer", ge=1)]
    step: Annotated[
        int, entry(_("Request"), "integer", ge=0, hint=_("Its number in the document. Empty: all of them."))
    ] = 0


class MoveRecharge(msgspec.Struct, frozen=True, kw_only=True):
    """A recharge that went to the wrong card."""

    document: Annotated[int, entry(_("Document of the recharge"), "integer", ge=1)]
    step: Annotated[int, entry(_("Request"), "integer", ge=1, hint=_("Its number in the document."))] = 1
    card: Annotated[int, entry(_("Right card"), "card")]


def sale_of(planning: Planning, sequence: int) -> Row[Any]:
    """An approved sale or capture that the visitor sees; `RefusedError` when there is none under that number."""
    sale = sale_entry(planning.session, planning.visitor, sequence)
    if sale is None:
        raise RefusedError("There is no sale under this number in your part of the organisation.")
    return sale


def _plan_refund(planning: Planning, form: Refund) -> None:
    sale = sale_of(planning, form.original)
    lines = tuple(_refund_lines(form.lines))
    amount_minor = sum(line.amount_minor for line in lines)
    if lines and form.amount_minor not in (None, amount_minor):
        raise RefusedError("The lines do not add up to the amount.")
    if not lines:
        amount_minor = sale.amount_minor if form.amount_minor is None else form.amount_minor
    if amount_minor > sale.amount_minor:
        raise RefusedError("The card paid less than that.")
    card = planning.find_card(sale.card_number)
    has_ended = card is not None and CardStatus(card.status) in ENDED_STATUSES
    planning.add(
        MessageType.REFUND,
        card_number=sale.card_number,
        amount_minor=amount_minor,
        subject=_("The card has ended: pay it out in cash.") if has_ended else f"#{sale.sequence}",
        original_sequence=sale.sequence,
        lines=lines,
    )


def _refund_lines(text: str) -> list[RefundLine]:
    lines = []
    for line, parts in rows_of(text):
        number = whole(parts[0])
        amount_minor = scaled(parts[1]) if len(parts) == 2 else None
        if number is None or not 1 <= number <= LINE_COUNT_MAX or amount_minor is None or amount_minor <= 0:
            raise RefusedError("Expected the number of a line and an amount, got: {line}", line=line)
        lines.append(RefundLine(line=number - 1, amount_minor=amount_minor))
    return lines


def _done_steps(planning: Planning, document_id: int, step: int) -> tuple[Document, list[DocumentStep]]:
    document = planning.session.scalar(
        planning.visitor.documents_seen(select(Document).where(Document.id == document_id))
    )
    if document is None:
        raise RefusedError("There is no such document.")
    query = select(DocumentStep).where(DocumentStep.document_id == document_id).order_by(DocumentStep.number)
    if step:
        query = query.where(DocumentStep.number == step)
    steps = planning.session.scalars(query).all()
    return document, [one for one in steps if one.type in REVERSIBLE and one.state == StepState.DONE]


def _add_reversal(planning: Planning, step: DocumentStep) -> Packed:
    """The reversal of one request of the desk; gives that request."""
    request = REQUESTS[MessageType(step.type)].decode(step.body)
    amount = getattr(request, _NAMED_AMOUNTS[MessageType(step.type)])
    is_redemption = step.type == MessageType.REDEEM
    planning.add(
        MessageType.REVERSAL,
        card_number=step.card_number,
        subject=f"{step.document_id}/{step.number}",
        amount_minor=amount,
        moved_minor=0 if is_redemption else -amount,
        points_hundredths=-step.points_hundredths,
        original_trace_number=step.trace_number,
        original_business_date=step.business_date,
        reason=BY_OPERATOR,
    )
    return request


_NAMED_AMOUNTS = {
    MessageType.CREDIT: "amount_minor",
    MessageType.REDEEM: "points_hundredths",
    MessageType.LOAD_VISITS: "received_minor",
}
"""What stands where a reversal names the original's amount."""


def _plan_reverse(planning: Planning, form: ReverseForm) -> None:
    document, steps = _done_steps(planning, form.document, form.step)
    planning.store_id = document.store_id
    for step in steps:
        if planning.today - step.business_date >= REMEMBERED_DATES:
            planning.skip(f"{step.document_id}/{step.number}", _("Only what was done today or yesterday."))
        else:
            _add_reversal(planning, step)


def _plan_move(planning: Planning, form: MoveRecharge) -> None:
    document, steps = _done_steps(planning, form.document, form.step)
    planning.store_id = document.store_id
    if not steps or steps[0].type != MessageType.CREDIT:
        raise RefusedError("There is no recharge under this number.")
    if planning.today - steps[0].business_date >= REMEMBERED_DATES:
        raise RefusedError("Only what was done today or yesterday can be taken back. Move the money between the cards.")
    card = usable_card(planning, form.card)
    if card.card_number == steps[0].card_number:
        raise RefusedError("This is the same card.")
    original = _add_reversal(planning, steps[0])
    assert isinstance(original, CreditRequest)
    planning.add(
        MessageType.CREDIT,
        card_number=card.card_number,
        amount_minor=original.amount_minor,
        channel=original.channel,
        received_minor=original.received_minor,
        reference=original.reference,
    )


KINDS: list[Kind[Any]] = [
    Kind(
        name="refund-sale",
        label=_("Refund a sale"),
        hint=_("Back to the card that paid, never more than it paid; points that the sale earned are taken back."),
        function="money",
        action=Action.ADD,
        form=Refund,
        plan=_plan_refund,
        bounds=money_bounds,
        asks_why=True,
    ),
    Kind(
        name="reverse-document",
        label=_("Take back what the desk did"),
        hint=_("Recharges, redemptions and visits of a document, of today or yesterday, as long as nothing was spent."),
        function="money",
        action=Action.ADD,
        form=ReverseForm,
        plan=_plan_reverse,
        bounds=money_bounds,
        asks_why=True,
    ),
    Kind(
        name="move-recharge",
        label=_("Recharge went to the wrong card"),
        hint=_("It is taken back from the wrong card and put on the right one; nothing is done when it was spent."),
        function="money",
        action=Action.ADD,
        form=MoveRecharge,
        plan=_plan_move,
        bounds=money_bounds,
        asks_why=True,
        stops_at_refusal=True,
    ),
]
