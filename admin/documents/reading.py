"""Looking at documents: lists and the page of one, of the visitor's part of the organisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.models.documents import Document, DocumentState, DocumentStep
from admin.models.people import User
from admin.rights import FUNCTIONS, Action

from .registry import KINDS


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """What a list shows: all filters together."""

    state: str = ""
    kind: str = ""
    waits_for_me: bool = False
    """Waits for a second person, and the visitor could be it."""
    is_mine: bool = False
    before: int | None = None


def documents_page(session: Session, visitor: Visitor, wanted: DocumentFilter, limit: int) -> Sequence[Document]:
    """Documents, newest first; one more than `limit` where there are more."""
    query = visitor.documents_seen(select(Document)).order_by(Document.id.desc()).limit(limit + 1)
    if wanted.state:
        query = query.where(Document.state == wanted.state)
    if wanted.kind:
        query = query.where(Document.kind == wanted.kind)
    if wanted.is_mine:
        query = query.where(Document.maker_id == visitor.user_id)
    if wanted.waits_for_me:
        kinds = [kind.name for kind in KINDS.values() if _may_approve(visitor, kind.function)]
        query = query.where(
            Document.state == DocumentState.SUBMITTED, Document.kind.in_(kinds), Document.maker_id != visitor.user_id
        )
    if wanted.before is not None:
        query = query.where(Document.id < wanted.before)
    return session.scalars(query).all()


def document_seen(session: Session, visitor: Visitor, document_id: int) -> Document | None:
    """A document, when the visitor may see it."""
    found: Document | None = session.scalar(visitor.documents_seen(select(Document).where(Document.id == document_id)))
    return found if found is not None and found.kind in KINDS else None


def steps_page(session: Session, document_id: int, state: str, after: int, limit: int) -> Sequence[DocumentStep]:
    """Requests of a document in their order, those in some state only; one more than `limit` where there are more."""
    query = select(DocumentStep).where(DocumentStep.document_id == document_id, DocumentStep.number > after)
    if state:
        query = query.where(DocumentStep.state == state)
    return session.scalars(query.order_by(DocumentStep.number).limit(limit + 1)).all()


def names_of(session: Session, user_ids: Sequence[int]) -> dict[int, str]:
    """Full names of users by number."""
    found = session.execute(select(User.id, User.full_name).where(User.id.in_(set(user_ids))))
    return {user_id: name for user_id, name in found}  # noqa: C416  rows are no pairs to mypy


def _may_approve(visitor: Visitor, function: str) -> bool:
    return Action.APPROVE in FUNCTIONS[function].actions and visitor.may(function, Action.APPROVE)
