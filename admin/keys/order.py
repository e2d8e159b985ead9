"""What the key desk asks the service for, and what it says: agreed documents step by step, facts of the keyring."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.documents.bodies import decode_form
from admin.documents.key_kinds import KEY_DESK
from admin.documents.registry import KINDS
from admin.documents.sending import finish
from admin.models.documents import Document, DocumentState, DocumentStep, StepState
from admin.models.people import User
from admin.service import Service
from switch.protocol.messages import REQUESTS, KeyPurpose, MessageType
from switch.protocol.records import RecordKind

from .facts import NOTE_LENGTH_MAX

PERSON_CHARACTERS_MAX = 64
"""Of a name in the key log."""
NAME_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """One step that two persons have agreed to."""

    document_id: int
    number: int
    type: MessageType
    purpose: int
    version: int
    state: int
    """KeyState to go to; of a REWRAP_KEY nothing."""
    stops: int | None
    """Media that may stop; None: nothing was said of it."""
    author_id: int
    author: str
    approver_id: int
    approver: str


def next_order(service: Service, waiting: Collection[int] = ()) -> KeyOrder | None:
    """The first step that waits for the key desk, but not of these documents; None when nothing does."""
    mine = [kind.name for kind in KINDS.values() if kind.worker == KEY_DESK]
    with service.database.read() as session:
        found = session.execute(
            select(Document, DocumentStep)
            .join(DocumentStep, DocumentStep.document_id == Document.id)
            .where(
                Document.state == DocumentState.RUNNING,
                Document.kind.in_(mine),
                Document.id.not_in(waiting),
                DocumentStep.state == StepState.PLANNED,
            )
            .order_by(Document.id, DocumentStep.number)
            .limit(1)
        ).first()
        return order_of(session, *found) if found is not None else None


def order_of(session: Session, document: Document, step: DocumentStep) -> KeyOrder:
    """A step with what the form says of it and who ordered and agreed."""
    stops = getattr(decode_form(KINDS[document.kind], document), "stops", None)
    type_ = MessageType(step.type)
    request: Any = REQUESTS[type_].decode(step.body)
    names = {user.id: user for user in session.scalars(select(User).where(User.id.in_(_people(document))))}
    is_put = type_ is MessageType.PUT_KEY
    return KeyOrder(
        document_id=document.id,
        number=step.number,
        type=type_,
        purpose=request.purpose if is_put else _rewrapped(request.kind),
        version=request.key_version if is_put else request.storage_version,
        state=request.state if is_put else 0,
        stops=stops,
        author_id=document.maker_id,
        author=_name(names[document.maker_id]),
        approver_id=document.checker_id,
        approver=_name(names[document.checker_id]),
    )


def _rewrapped(kind: int) -> int:
    """Whose wrappings are made anew: cards have PINs, all others keys."""
    return KeyPurpose.PIN if kind == RecordKind.CARD else KeyPurpose.STORAGE


def _people(document: Document) -> Sequence[int]:
    return (document.maker_id, document.checker_id)


def _name(user: User) -> str:
    """As the key log keeps it: the user name tells two people of one name apart."""
    return f"{user.full_name[:NAME_CHARACTERS]} ({user.name})"[:PERSON_CHARACTERS_MAX]


def note_order(service: Service, order: KeyOrder, *, note: str, is_done: bool) -> None:
    """What became of a step; a refusal ends the document."""
    with service.database.write() as session:
        document = session.get_one(Document, order.document_id, with_for_update=True)
        step = session.get_one(DocumentStep, (order.document_id, order.number))
        if step.state != StepState.PLANNED or document.state != DocumentState.RUNNING:
            return  # somebody else has noted it
        step.state = StepState.DONE if is_done else StepState.REFUSED
        step.note = note[:NOTE_LENGTH_MAX]
        step.done_count = step.item_count if is_done else 0
        document.done_count += step.done_count
        document.refused_count += 0 if is_done else step.item_count
        session.flush()
        finish(service, session, document)
