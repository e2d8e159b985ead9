"""What became of the cards of one request of a document, for its page and for the interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.models.documents import Document, DocumentStep
from admin.references import References
from switch.protocol.codes import CodeClass, ResponseCode, code_class

from .card_planning import card_results
from .kind import STEPS_MAX, Kind
from .reading import document_seen
from .refusals import answer_text


class CardAnswer(msgspec.Struct, frozen=True):
    """What the switch said of one card."""

    card: str
    """As the visitor may see it; empty: the request is about no card."""
    card_reference: str
    answer: str
    """In the language of the request; empty: there is no answer yet."""
    is_good: bool


def step_seen(
    session: Session, visitor: Visitor, document_id: int, number: int
) -> tuple[Document, DocumentStep] | None:
    """A request of a document that the visitor sees; None when there is none."""
    document = document_seen(session, visitor, document_id)
    if document is None or number > STEPS_MAX:
        return None
    step = session.get(DocumentStep, (document_id, number))
    return (document, step) if step is not None else None


def answers_of(step: DocumentStep, kind: Kind[Any], visitor: Visitor, references: References) -> Iterator[CardAnswer]:
    """The answer for each card, in order."""
    for card, code, detail in card_results(step):
        yield CardAnswer(
            card=visitor.card_number(card) if card else "",
            card_reference=references.make(card) if card else "",
            answer=answer_text(step.type, code, detail, kind.form) if step.journal_sequence or code else "",
            is_good=code_class(code) is CodeClass.APPROVED or code == ResponseCode.DONE_BEFORE,
        )
