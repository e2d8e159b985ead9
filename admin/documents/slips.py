"""The slip of a document: what the customer at the desk takes home of a sale of cards, a swap, a recharge, a return."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor, mask_number
from admin.errors import RefusedError
from admin.models.documents import DocumentState, DocumentStep, StepState
from admin.models.people import User
from admin.store_names import store_text
from switch.protocol.card_terms import CardOperation, FeeTender
from switch.protocol.messages import MessageType, OperateCardRequest

from .card_planning import card_results
from .kind import subject_text
from .reading import document_seen
from .registry import KINDS

CARDS_SHOWN_MAX = 200
"""Cards on a slip; of a larger batch the list is on the document's own page."""
SOLD = (CardOperation.ISSUE, CardOperation.MAKE_AND_ISSUE)


class SlipLine(msgspec.Struct, frozen=True):
    """One card on a slip; numbers are always masked on paper."""

    card: str
    related: str
    """The card that goes on, of a swap; else empty."""
    value_minor: int
    """That it was given (below 0: paid out)."""
    note: str


class Slip(msgspec.Struct, frozen=True):
    """What is printed; amounts in minor units."""

    document: int
    what: str
    """Label of its kind, in English."""
    store: str
    operator: str
    done_at: datetime
    lines: list[SlipLine]
    card_count: int
    value_minor: int
    fee_minor: int
    cash_minor: int
    """What the customer hands over (below 0: gets back) where it was settled in cash at the desk."""
    fee_tender: int


def slip_of(session: Session, visitor: Visitor, document_id: int) -> Slip | None:
    """The slip of a document that the visitor sees; `RefusedError` while it is not done."""
    document = document_seen(session, visitor, document_id)
    if document is None:
        return None
    if document.state not in (DocumentState.DONE, DocumentState.PARTLY) or document.ended_at is None:
        raise RefusedError("There is no slip yet: nothing of this document is done.")
    done = (StepState.DONE, StepState.PARTLY)
    query = select(DocumentStep).where(DocumentStep.document_id == document_id, DocumentStep.state.in_(done))
    lines: list[SlipLine] = []
    value_minor = fee_minor = card_count = cash_minor = 0
    tender = int(FeeTender.CASH)
    for step in session.scalars(query.order_by(DocumentStep.number)):
        each_minor, related, tender = _moved(step)
        cards = [number for number, code, _detail in card_results(step) if code == 0]
        note = subject_text(step.subject) if step.type != MessageType.OPERATE_CARD else ""
        lines += [SlipLine(_masked(card), _masked(related), each_minor, note) for card in cards[:CARDS_SHOWN_MAX]]
        card_count += len(cards)
        value_minor += each_minor * len(cards)
        fee_minor += step.fee_minor
        cash_minor += each_minor * len(cards) + (step.fee_minor if tender == FeeTender.CASH else 0)
    maker = session.get(User, document.maker_id)
    return Slip(
        document=document.id,
        what=KINDS[document.kind].label,
        store=store_text(document.store_id),
        operator=maker.full_name if maker else "",
        done_at=document.ended_at,
        lines=lines[:CARDS_SHOWN_MAX],
        card_count=card_count,
        value_minor=value_minor,
        fee_minor=fee_minor,
        cash_minor=cash_minor,
        fee_tender=tender,
    )


def _moved(step: DocumentStep) -> tuple[int, int, int]:
    """Value of each card, the card that goes on, how the fee was paid."""
    if step.type != MessageType.OPERATE_CARD or not step.body:
        return step.amount_minor, 0, int(FeeTender.CASH)
    request = OperateCardRequest.decode(step.body)
    if request.operation == CardOperation.RETURN:
        return -step.amount_minor // max(1, step.done_count), 0, int(FeeTender.WAIVED)  # kept of what is paid out
    related = request.related_number if request.operation == CardOperation.REPLACE else 0
    return (request.amount_minor if request.operation in SOLD else 0), related, request.fee_tender


def _masked(number: int) -> str:
    return mask_number(str(number)) if number else ""
