"""Sends the requests of documents: each exactly once, whatever is killed in between.

A request first gets its trace number and its final bytes, in a transaction;
then it is sent.  One that was sent and not heard of is sent again, the same
bytes, before anything new: the switch answers it as it did the first time.
A process of its own does this, one per database: a lock sees to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from sqlalchemy import ColumnElement, Row, and_, func, select, update
from sqlalchemy.orm import Session

from admin.audit import Actor
from admin.errors import RefusedError, SwitchLinkError
from admin.models.documents import Document, DocumentState, DocumentStep, SenderState, StepState
from admin.service import Service
from admin.switch_link import SwitchLink
from switch.protocol.codes import CodeClass, ResponseCode, code_class
from switch.protocol.messages import (
    REQUESTS,
    EchoReply,
    EchoRequest,
    ErrorReply,
    MessageType,
    RangeResult,
    Reply,
    decode_rows,
)

from .bodies import decode_form, open_body, seal_body
from .kind import SENDER as SENDER_WORKER
from .registry import KINDS
from .terminals import HEADQUARTERS, fields_of_terminal, key_path, make_key, terminal_id_of

log = structlog.get_logger(__name__)

BATCH_REQUESTS = 32
"""Numbered, sent and noted together: two commits for so many requests; then it is another document's turn."""
TRACE_NUMBER_MAX = 2**32 - 1
NUMBERS_PER_MS = 4
"""A terminal whose state was lost begins at the quarters of a millisecond: ahead of all that it had given out."""
REFERENCE_BYTES = 16
DATE_KEPT_MS = 1_000
"""The switch's business date is asked for anew after this; it takes yesterday's date, too."""
SENDER = Actor(0, "(sender)", "")

Connect = Callable[[int], SwitchLink]
"""A connection as the terminal of a store."""


@dataclass(slots=True)
class _Sent:
    """A request that has its number."""

    step: Any
    body: bytes
    reply: Reply | ErrorReply | None = None


class Sender:
    """Sends what there is to send; `work` does one batch."""

    def __init__(self, service: Service, connect: Connect) -> None:
        self._service = service
        self._connect = connect
        self._links: dict[int, SwitchLink] = {}
        self._dates: dict[int, tuple[int, int]] = {}
        """Per store: (business date, when it was asked)."""
        self._last_document_id = 0

    def work(self) -> bool:
        """One batch; False when there is nothing to do.  `SwitchLinkError` when the switch cannot be reached."""
        found = self._numbered() or self._number_next()
        if found is None:
            return False
        store_id, batch = found
        self._send(store_id, batch)
        return True

    def close(self) -> None:
        """Give the connections back."""
        for link in self._links.values():
            link.__exit__(None, None, None)
        self._links.clear()

    def tell(self, problem: str) -> None:
        """Note why sending stands still, for pages; empty: it does not."""
        with self._service.database.write() as session:
            self._state(session, HEADQUARTERS).problem = problem[:400]

    # ------------------------------------------------------------------- what to send

    def _numbered(self) -> tuple[int, list[_Sent]] | None:
        """What may have been sent before and was not heard of."""
        with self._service.database.read() as session:
            query = (
                select(DocumentStep, Document.store_id)
                .join(Document, Document.id == DocumentStep.document_id)
                .where(self._is_ours(), DocumentStep.state == StepState.NUMBERED)
                .order_by(DocumentStep.document_id, DocumentStep.number)
                .limit(BATCH_REQUESTS)
            )
            rows = session.execute(query).all()
            if not rows:
                return None
            store_id = rows[0][1]
            return store_id, [self._sent(step) for step, store in rows if store == store_id]

    @staticmethod
    def _is_ours() -> ColumnElement[bool]:
        others = [kind.name for kind in KINDS.values() if kind.worker != SENDER_WORKER]
        return and_(Document.state == DocumentState.RUNNING, Document.kind.not_in(others))

    def _number_next(self) -> tuple[int, list[_Sent]] | None:
        """Numbers for the next requests of the document whose turn it is."""
        with self._service.database.read() as session:
            running = select(Document.id, Document.store_id).where(self._is_ours())
            turn = (
                session.execute(
                    running.where(Document.id > self._last_document_id).order_by(Document.id).limit(1)
                ).first()
                or session.execute(running.order_by(Document.id).limit(1)).first()
            )
        if turn is None:
            return None
        self._last_document_id = turn.id
        date = self._date(turn.store_id)  # before the transaction: it may have to wait for the switch
        with self._service.database.write() as session:
            document = session.get_one(Document, turn.id)
            kind = KINDS.get(document.kind)
            limit = 1 if kind is None or kind.stops_at_refusal else BATCH_REQUESTS
            steps = session.scalars(
                select(DocumentStep)
                .where(DocumentStep.document_id == turn.id, DocumentStep.state == StepState.PLANNED)
                .order_by(DocumentStep.number)
                .limit(limit)
            ).all()
            if not steps:
                finish(self._service, session, document)
                return turn.store_id, []
            state = self._state(session, turn.store_id)
            batch = []
            for step in steps:
                step.terminal_id, step.trace_number = state.terminal_id, state.next_trace_number
                step.business_date, step.state = date, StepState.NUMBERED
                state.next_trace_number = state.next_trace_number % TRACE_NUMBER_MAX + 1
                body = self._final(document, step)
                step.body = self._sealed(step, body) if step.is_sealed else body
                batch.append(_Sent(step, body))
            session.flush()
            session.expunge_all()
            return turn.store_id, batch

    def _final(self, document: Document, step: DocumentStep) -> bytes:
        """The request with its key, its stamp, and the persons whom the plan left out."""
        form = REQUESTS[MessageType(step.type)]
        request = form.decode(self._opened(step))
        actor, other = document.maker_id, document.checker_id
        if step.by_checker:
            actor, other = other, actor
        filled: dict[str, Any] = {
            "trace_number": step.trace_number,
            "business_date": step.business_date,
            "stamp_ms": self._service.surroundings.now_ms(),
        }
        # What tells one order from another is never the same twice, also not when a database was lost and the
        # numbers of documents began anew: the moment at which it was made goes into it.
        name_of_step = f"{document.id}/{step.number}/{document.made_at.timestamp()}"
        reference = hashlib.blake2b(name_of_step.encode(), digest_size=REFERENCE_BYTES).digest()
        for name, value in (
            ("operator_id", actor),
            ("approver_id", other),
            ("document", document.id),
            ("reference", reference),
        ):
            if name in form.__struct_fields__ and not _is_set(getattr(request, name)):
                filled[name] = value
        return msgspec.structs.replace(request, **filled).encode()

    # ------------------------------------------------------------------- sending

    def _send(self, store_id: int, batch: Sequence[_Sent]) -> None:
        try:
            link = self._link(store_id) if batch else None
            for sent in batch:
                assert link is not None
                reply = link.ask(MessageType(sent.step.type), REQUESTS[MessageType(sent.step.type)].decode(sent.body))
                if not isinstance(reply, Reply | ErrorReply):
                    raise SwitchLinkError(f"switch: expected a reply to a request, got {type(reply).__name__}")
                sent.reply = reply
                if isinstance(reply, Reply) and code_class(reply.code) is CodeClass.RETRY:
                    sent.reply = None
                    self._service.surroundings.pause_s(reply.retry_after_ms / 1000)
                    break
        except SwitchLinkError:
            if (broken := self._links.pop(store_id, None)) is not None:
                broken.__exit__(None, None, None)
            raise
        finally:
            answered = [sent for sent in batch if sent.reply is not None]
            if answered:
                self._note(store_id, answered)

    def _note(self, store_id: int, answered: Sequence[_Sent]) -> None:
        with self._service.database.write() as session:
            for sent in answered:
                step = session.get_one(DocumentStep, (sent.step.document_id, sent.step.number))
                if step.state != StepState.NUMBERED or step.trace_number != sent.step.trace_number:
                    continue  # it was answered before, by the one who was here before us
                assert sent.reply is not None
                document = session.get_one(Document, step.document_id)
                if sent.reply.code == ResponseCode.TRACE_REUSED:
                    self._renumber(session, store_id, step)
                else:
                    note_reply(document, step, sent.reply)
            self._state(session, store_id).heard_ms = self._service.surroundings.now_ms()
            session.flush()
            for document_id in dict.fromkeys(sent.step.document_id for sent in answered):
                finish(self._service, session, session.get_one(Document, document_id))

    def _renumber(self, session: Session, store_id: int, step: DocumentStep) -> None:
        """Another request had this number: this one was never taken in, so it may have another."""
        step.state, step.trace_number = StepState.PLANNED, 0
        state = self._state(session, store_id)
        fresh = self._service.surroundings.now_ms() * NUMBERS_PER_MS % TRACE_NUMBER_MAX + 1
        state.next_trace_number = max(state.next_trace_number, fresh)

    # ------------------------------------------------------------------- the switch

    def _link(self, store_id: int) -> SwitchLink:
        if store_id not in self._links:
            if store_id != HEADQUARTERS and not key_path(self._service.settings, store_id).exists():
                self._enrol(store_id)
            self._links[store_id] = self._connect(store_id)
        return self._links[store_id]

    def _enrol(self, store_id: int) -> None:
        """Make the service's terminal of a store.  A key that the switch has not heard of is not kept."""
        path = key_path(self._service.settings, store_id)
        waiting = path.with_suffix(".enrolling")
        key = make_key(waiting, terminal_id_of(store_id), self._service.surroundings.random_bytes)
        with self._service.database.write() as session:
            state = self._state(session, HEADQUARTERS)
            number = state.next_trace_number
            state.next_trace_number = number % TRACE_NUMBER_MAX + 1
        request = REQUESTS[MessageType.PUT_TERMINAL](
            trace_number=number,
            business_date=self._date(HEADQUARTERS),
            stamp_ms=self._service.surroundings.now_ms(),
            **fields_of_terminal(store_id, key),
        )
        reply = self._link(HEADQUARTERS).ask(MessageType.PUT_TERMINAL, request)
        if not isinstance(reply, Reply) or reply.code != ResponseCode.APPROVED:
            code = reply.code if isinstance(reply, Reply | ErrorReply) else type(reply).__name__
            raise SwitchLinkError(f"terminal of store {store_id}: expected to be taken in, got code {code}")
        waiting.rename(path)

    def _date(self, store_id: int) -> int:
        """The switch's business date."""
        now_ms = self._service.surroundings.now_ms()
        date, asked_ms = self._dates.get(store_id, (0, 0))
        if not 0 <= now_ms - asked_ms < DATE_KEPT_MS:
            try:
                reply = self._link(store_id).ask(MessageType.ECHO, EchoRequest(stamp_ms=now_ms))
            except SwitchLinkError:
                self._links.pop(store_id, None)
                raise
            if not isinstance(reply, EchoReply):
                raise SwitchLinkError(f"switch: expected an echo, got {type(reply).__name__}")
            date = reply.business_date
            self._dates[store_id] = (date, now_ms)
        return date

    def _state(self, session: Session, store_id: int) -> SenderState:
        terminal_id = terminal_id_of(store_id)
        state = session.get(SenderState, terminal_id)
        if state is None:
            first = self._service.surroundings.now_ms() * NUMBERS_PER_MS % TRACE_NUMBER_MAX + 1
            state = SenderState(terminal_id=terminal_id, next_trace_number=first, problem="", heard_ms=0)
            session.add(state)
        return state

    # ------------------------------------------------------------------- secrets

    def _sent(self, step: DocumentStep) -> _Sent:
        return _Sent(step, self._opened(step))

    def _opened(self, step: DocumentStep) -> bytes:
        if not step.is_sealed:
            return step.body
        return open_body(self._service, step.body, step.document_id, step.number)

    def _sealed(self, step: DocumentStep, body: bytes) -> bytes:
        return seal_body(self._service, body, step.document_id, step.number)


def finish(service: Service, session: Session, document: Document) -> None:
    """End a document all of whose requests are answered; stop one after a refusal where its kind wants that."""
    kind = KINDS.get(document.kind)
    own = DocumentStep.document_id == document.id
    if kind is not None and kind.stops_at_refusal and document.refused_count:
        session.execute(
            update(DocumentStep).where(own, DocumentStep.state == StepState.PLANNED).values(state=StepState.CANCELLED)
        )
    counts: dict[str, int] = {
        row[0]: row[1]
        for row in session.execute(select(DocumentStep.state, func.count()).where(own).group_by(DocumentStep.state))
    }
    if counts.keys() & {StepState.PLANNED, StepState.NUMBERED} or document.state != DocumentState.RUNNING:
        return
    refused = counts.keys() & {StepState.REFUSED, StepState.PARTLY, StepState.CANCELLED}
    document.state = DocumentState.PARTLY if refused else DocumentState.DONE
    document.ended_at = service.now()
    if kind is not None and kind.settled is not None:
        try:
            kind.settled(session, document, decode_form(kind, document))
        except RefusedError as error:
            log.error("what follows from a document was not done", document=document.id, reason=str(error))
    service.audit.append(
        session,
        SENDER,
        kind.function if kind is not None else "documents",
        "ended",
        f"document {document.id}",
        outcome="done" if not refused else "failed",
        kind=document.kind,
        done=document.done_count,
        skipped=document.skipped_count,
        refused=document.refused_count,
    )


def note_reply(document: Document, step: DocumentStep, reply: Reply | ErrorReply) -> None:
    """What the switch has answered, in the step and in the counts of its document."""
    step.code = reply.code
    if isinstance(reply, ErrorReply):
        done, skipped = 0, 0
    else:
        step.detail, step.journal_sequence = reply.detail, reply.journal_sequence
        step.amount_minor, step.balance_minor = reply.amount_minor, reply.balance_minor
        step.points_hundredths, step.receipt_code = reply.points_hundredths, reply.receipt_code
        step.fee_minor = reply.change_minor if step.type == MessageType.OPERATE_CARD else 0
        document.last_sequence = max(document.last_sequence, reply.journal_sequence)
        is_range = step.type == MessageType.OPERATE_CARD and bool(reply.more)
        codes: Iterable[int] = [row.code for row in decode_rows(RangeResult, reply.more)] if is_range else [reply.code]
        step.results = reply.more if is_range and step.item_count > 1 else b""
        done = sum(code_class(code) is CodeClass.APPROVED for code in codes)
        skipped = sum(code == ResponseCode.DONE_BEFORE for code in codes)
    refused = step.item_count - done - skipped
    step.state = StepState.DONE if refused <= 0 else StepState.REFUSED if not done + skipped else StepState.PARTLY
    step.done_count, step.skipped_count = done, skipped
    document.done_count += done
    document.skipped_count += skipped
    document.refused_count += max(0, refused)
    if step.is_sealed:
        step.body = b""


def _is_set(value: Any) -> bool:
    return any(value) if isinstance(value, bytes) else bool(value)


def results_of(step: Row[Any] | DocumentStep) -> Sequence[RangeResult]:
    """Results of a range, card by card."""
    return decode_rows(RangeResult, step.results) if step.results else ()
