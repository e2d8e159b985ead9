"""What people do with documents: make, submit, approve, reject, withdraw, try again, undo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.checklist import refuse_before_set_up
from admin.errors import RefusedError
from admin.models.documents import AloneUse, Document, DocumentState, DocumentStep, StepState
from admin.models.journal import JournalPosition
from admin.models.mirror import stores
from admin.models.people import User
from admin.references import References
from admin.rights import Action
from admin.service import Service

from .bodies import decode_form, encode_form, seal_body
from .bounds import AloneBound, day_of
from .kind import Kind, Order, Planning
from .registry import KINDS

MODULE = "documents"
INSERTED_AT_ONCE = 1_000
WAIT_S, LOOK_S = 3.0, 0.05
"""A document of a few requests is done within this, and the page that comes next shows what it did."""
_ = str
GONE_ON = _("Somebody else has gone on with this document. Look at it again.")


class Desk:
    """Documents for one visitor."""

    def __init__(self, service: Service, references: References, visitor: Visitor) -> None:
        self._service = service
        self._references = references
        self._visitor = visitor

    # ------------------------------------------------------------------- making

    def may_make(self, kind: Kind[Any]) -> bool:
        """Whether the visitor holds the right that making one needs."""
        return self._visitor.may(kind.function, kind.action)

    @contextmanager
    def planning(self, kind: Kind[Any], form: msgspec.Struct) -> Iterator[Planning]:
        """The plan of a form, to be looked at; `RefusedError` when it cannot be done at all."""
        with self._service.database.read() as session:
            refuse_before_set_up(session, kind.function, kind.name)
            planning = self._planning(session)
            kind.plan(planning, form)
            yield planning

    def make(
        self,
        kind: Kind[Any],
        form: msgspec.Struct,
        *,
        remark: str = "",
        request_key: str | None = None,
        digest: bytes | None = None,
        is_draft: bool = False,
        undoes_id: int | None = None,
    ) -> int:
        """A new document; its number.

        It waits for a second person where the kind asks for one, and is sent
        otherwise; a draft does neither.  With `digest`, `RefusedError` when it
        would by now do something else than what was shown.  The same
        `request_key` again gives the document that there is.
        """
        self._must_make(kind)
        must_say_why(kind, remark if undoes_id is None else "undone")
        if is_draft and kind.has_secrets:
            raise RefusedError("A document with a secret in it cannot be kept as a draft.")
        with self._service.database.write() as session:
            if request_key is not None:
                known = session.scalar(select(Document.id).where(Document.request_key == request_key))
                if known is not None:
                    return known
            document = Document(
                kind=kind.name,
                state=DocumentState.DRAFT,
                form=encode_form(form),
                remark=remark[:200],
                organisation_id=self._visitor.organisation_id,
                store_id=0 if kind.is_central else self._store(session),
                maker_id=self._visitor.user_id,
                made_at=self._service.now(),
                digest=b"",
                undoes_id=undoes_id,
                request_key=request_key,
            )
            session.add(document)
            session.flush()
            if is_draft:
                self._note(session, "draft", document)
            else:
                self._submit(session, kind, form, document, digest)
            return document.id

    def submit(self, document_id: int) -> None:
        """Go on with a draft of one's own."""
        with self._service.database.write() as session:
            document = self._own(session, document_id, DocumentState.DRAFT)
            kind = KINDS[document.kind]
            self._must_make(kind)
            self._submit(session, kind, decode_form(kind, document), document, None)

    def withdraw(self, document_id: int) -> None:
        """Take back what nobody has agreed to yet."""
        with self._service.database.write() as session:
            document = self._own(session, document_id, DocumentState.DRAFT, DocumentState.SUBMITTED)
            self._end(session, document, DocumentState.WITHDRAWN)
            self._note(session, "withdraw", document)

    # ------------------------------------------------------------------- agreeing

    def may_check(self, document: Document) -> bool:
        """Whether the visitor may agree to a document that waits: with the right, and not his own."""
        kind = KINDS[document.kind]
        return (
            document.state == DocumentState.SUBMITTED
            and document.maker_id != self._visitor.user_id
            and self._visitor.may(kind.function, Action.APPROVE)
        )

    def approve(self, document_id: int, answer: str = "") -> None:
        """Agree as the second person: from now on it is sent."""
        with self._service.database.write() as session:
            document = self._to_check(session, document_id, answer)
            self._permit_again(session, document)
            document.state = DocumentState.RUNNING
            self._note(session, "approve", document, answer=answer)

    def reject(self, document_id: int, answer: str) -> None:
        """Refuse as the second person; says why."""
        if not answer.strip():
            raise RefusedError("Say why it is rejected.")
        with self._service.database.write() as session:
            document = self._to_check(session, document_id, answer)
            self._end(session, document, DocumentState.REJECTED)
            self._note(session, "reject", document, answer=answer)

    # ------------------------------------------------------------------- afterwards

    def retry(self, document_id: int) -> None:
        """Send what was refused once more; a range passes over the cards that are done."""
        with self._service.database.write() as session:
            document = self._seen(session, document_id)
            kind = KINDS[document.kind]
            self._must_make(kind)
            if document.state != DocumentState.PARTLY or kind.has_secrets:
                raise RefusedError("Only what was refused in part can be tried again.")
            self._permit_again(session, document)
            session.execute(
                update(DocumentStep)
                .where(
                    DocumentStep.document_id == document_id,
                    DocumentStep.state.in_((StepState.REFUSED, StepState.PARTLY, StepState.CANCELLED)),
                )
                .values(
                    state=StepState.PLANNED,
                    trace_number=0,
                    code=0,
                    detail=0,
                    results=b"",
                    done_count=0,
                    skipped_count=0,
                    fee_minor=0,
                )
            )
            done, skipped = session.execute(
                select(func.sum(DocumentStep.done_count), func.sum(DocumentStep.skipped_count)).where(
                    DocumentStep.document_id == document_id
                )
            ).one()
            document.done_count, document.skipped_count, document.refused_count = done or 0, skipped or 0, 0
            document.state, document.ended_at = DocumentState.RUNNING, None
            self._note(session, "retry", document)

    def undo(self, document_id: int) -> int:
        """A new document that undoes a finished one, where its kind knows how; its number."""
        with self._service.database.read() as session:
            document = self._seen(session, document_id)
            kind = KINDS[document.kind]
            if (
                kind.undo is None
                or document.state not in (DocumentState.DONE, DocumentState.PARTLY)
                or not document.done_count
            ):
                raise RefusedError("This document cannot be undone.")
            planning = self._planning(session)
            name, form = kind.undo(planning, document, decode_form(kind, document))
        return self.make(KINDS[name], form, request_key=f"undo {document_id}", undoes_id=document_id)

    def wait(self, document_id: int) -> None:
        """Wait a moment until a small document is done and the follower has seen it; long ones show their progress."""
        surroundings = self._service.surroundings
        for _look in range(int(WAIT_S / LOOK_S)):
            with self._service.database.read() as session:
                row = session.execute(
                    select(Document.state, Document.last_sequence).where(Document.id == document_id)
                ).one()
                reached = session.scalar(
                    select(JournalPosition.sequence).where(
                        JournalPosition.partition == self._service.settings.partition
                    )
                )
            if row.state != DocumentState.RUNNING and row.last_sequence <= (reached or 0):
                return
            surroundings.pause_s(LOOK_S)

    # ------------------------------------------------------------------- within

    def _planning(self, session: Session) -> Planning:
        return Planning(session, self._visitor, self._references, self._service.now(), self._service.parameters)

    def _permit_again(self, session: Session, document: Document) -> None:
        kind = KINDS[document.kind]
        if kind.permits is not None:
            kind.permits(self._planning(session), document, decode_form(kind, document))

    def _submit(
        self, session: Session, kind: Kind[Any], form: msgspec.Struct, document: Document, digest: bytes | None
    ) -> None:
        refuse_before_set_up(session, kind.function, kind.name)
        planning = self._planning(session)
        kind.plan(planning, form)
        if not planning.orders:
            raise RefusedError("There is nothing to do: no card was found that this could be done to.")
        if digest is not None and digest != planning.digest:
            raise RefusedError("Meanwhile something has changed, and this would do something else. Look at it again.")
        if kind.permits is not None:
            kind.permits(planning, document, form)
        document.digest = planning.digest
        if planning.store_id is not None:
            document.store_id = planning.store_id
        document.item_count, document.amount_minor = planning.item_count, planning.amount_minor
        if kind.prepared is not None:
            kind.prepared(session, self._service, document, planning)
        # What one person submits at the same time is counted one after the other: bounds per day hold.
        session.execute(select(User.id).where(User.id == self._visitor.user_id).with_for_update())
        bounds = kind.bounds_of(planning, form)
        waits = kind.waits(planning, form)
        session.add_all(self._uses(session, document, bounds) if not waits else ())
        document.state = DocumentState.SUBMITTED if waits else DocumentState.RUNNING
        rows = [self._step(document.id, number, order) for number, order in enumerate(planning.orders, 1)]
        for start in range(0, len(rows), INSERTED_AT_ONCE):
            session.execute(insert(DocumentStep), rows[start : start + INSERTED_AT_ONCE])
        if kind.begun is not None:
            kind.begun(session, document, form)
        self._note(session, "submit" if waits else "send", document)

    def _uses(self, session: Session, document: Document, bounds: Sequence[AloneBound]) -> Iterator[AloneUse]:
        day = day_of(session, self._service.now())
        for one in bounds:
            if one.is_daily and one.wanted:
                yield AloneUse(
                    document_id=document.id,
                    measure=one.measure,
                    user_id=self._visitor.user_id,
                    day=day,
                    amount=one.wanted,
                )

    def _step(self, document_id: int, number: int, order: Order) -> dict[str, Any]:
        body = order.body
        if order.is_secret:
            body = seal_body(self._service, body, document_id, number)
        return {
            "document_id": document_id,
            "number": number,
            "state": StepState.PLANNED,
            "type": int(order.type),
            "body": body,
            "is_sealed": order.is_secret,
            "by_checker": order.by_checker,
            "card_number": order.card_number,
            "item_count": order.item_count,
            "subject": order.subject[:120],
            "note": "",
        }

    def _must_make(self, kind: Kind[Any]) -> None:
        if not self.may_make(kind):
            raise RefusedError("You lack the right to do this.")

    def _store(self, session: Session) -> int:
        """Store at whose desk the visitor works, when his place in the organisation is one."""
        if self._visitor.sees_everything:
            return 0
        place = stores.c.organisation_id == self._visitor.organisation_id
        found: Sequence[int] = session.scalars(select(stores.c.store_id).where(place).limit(2)).all()
        return found[0] if len(found) == 1 else 0

    def _seen(self, session: Session, document_id: int) -> Document:
        query = self._visitor.documents_seen(select(Document).where(Document.id == document_id))
        document: Document | None = session.scalar(query.with_for_update())
        if document is None or document.kind not in KINDS:
            raise RefusedError("There is no such document.")
        return document

    def _own(self, session: Session, document_id: int, *states: DocumentState) -> Document:
        document = self._seen(session, document_id)
        if document.maker_id != self._visitor.user_id:
            raise RefusedError("Only who made a document goes on with it or takes it back.")
        if document.state not in states:
            raise RefusedError(GONE_ON)
        return document

    def _to_check(self, session: Session, document_id: int, answer: str) -> Document:
        document = self._seen(session, document_id)
        if document.state != DocumentState.SUBMITTED:
            raise RefusedError(GONE_ON)
        if document.maker_id == self._visitor.user_id:
            raise RefusedError("A second person must agree: nobody checks what he made himself.")
        if not self.may_check(document):
            raise RefusedError("You lack the right to do this.")
        document.checker_id, document.checked_at = self._visitor.user_id, self._service.now()
        document.answer = answer[:200]
        return document

    def _end(self, session: Session, document: Document, state: DocumentState) -> None:
        document.state, document.ended_at = state, self._service.now()
        session.execute(
            update(DocumentStep)
            .where(DocumentStep.document_id == document.id)
            .values(state=StepState.CANCELLED, body=b"")
        )

    def _note(self, session: Session, action: str, document: Document, **detail: Any) -> None:
        shown: dict[str, Any] = {"kind": document.kind, "items": document.item_count, **detail}
        if document.amount_minor:
            shown["amount_minor"] = document.amount_minor
        if document.remark:
            shown["remark"] = document.remark
        function = KINDS[document.kind].function
        self._service.audit.append(session, self._visitor, function, action, f"document {document.id}", **shown)


def must_say_why(kind: Kind[Any], remark: str) -> None:
    """`RefusedError` when a kind asks for a reason and none is given."""
    if kind.asks_why and not remark.strip():
        raise RefusedError("Say why: this needs a reason.")
