"""The audit log: append-only rows, each with the hash of the one before.

Written in the same transaction as what it tells of; refusals and looks at
sensitive data, which change nothing else, get one of their own, and on SQLite
need not wait for a turn to write: they are on the disk in a file of their own
(`audit_spool.py`) before the answer goes out, and at most moments later in the
log.  There is no switch to turn it off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Lock, Thread
from typing import Any

import msgspec
import structlog
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from .access import Visitor
from .audit_spool import RENEW_BYTES, BrokenSpoolError, Place, Spool
from .database import Database, to_ms
from .errors import WaitedTooLongError
from .models.audit import AuditRow, AuditSpool

FIRST_HASH = bytes(32)
LOCK_NUMBER = 0x61756469
"""PostgreSQL's advisory lock: rows are chained one after the other.  SQLite has one writer anyway."""
VERIFY_ROWS = 5_000
OBJECT_LENGTH_MAX = 80
SPOOL_OBJECT = "looks that waited"
SETTLE_PAUSE_S = 0.2
"""Before what waits is taken over: many looks then take one turn."""
TRIES = 30
"""Each as long as one waits for a turn: some minutes."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a visitor, or nobody yet, or the command line."""

    user_id: int
    name: str
    address: str


COMMAND_LINE = Actor(0, "(command line)", "")


class Act(msgspec.Struct, frozen=True, array_like=True):
    """What a row of the log tells."""

    time: datetime
    actor: Actor
    module: str
    action: str
    object: str
    outcome: str
    detail: str
    """JSON, or nothing."""


def actor_of(visitor: Visitor) -> Actor:
    """The visitor as the log names it."""
    return Actor(visitor.user_id, visitor.name, visitor.address)


class Audit:
    """Appends to the log of one database."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._spool = Spool(database.path) if database.path is not None else None
        self._taken: Place | None = None
        """How far this process knows that the spool is in the log; None: it does not know."""
        self._lock = Lock()
        self._settling: Thread | None = None

    def append(
        self,
        session: Session,
        actor: Actor | Visitor,
        module: str,
        action: str,
        object_: str = "",
        *,
        outcome: str = "done",
        **detail: Any,
    ) -> None:
        """Add a row within a transaction that writes; `detail` is kept as JSON and must hold no secret."""
        actor = actor_of(actor) if isinstance(actor, Visitor) else actor
        self._append(session, Act(self._now(), actor, module, action, object_, outcome, _json(detail)))

    def _append(self, session: Session, act: Act) -> None:
        if not self._database.is_sqlite:
            session.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})"))
        session.flush()
        if self._spool is not None and self._spool.is_beyond(self._taken):
            self._take_over(session, self._spool)
        self._put(session, act)

    def _put(self, session: Session, act: Act) -> None:
        last = session.execute(select(AuditRow.id, AuditRow.row_hash).order_by(AuditRow.id.desc()).limit(1)).first()
        row = AuditRow(
            id=last.id + 1 if last else 1,
            time=act.time,
            user_id=act.actor.user_id,
            user_name=act.actor.name,
            address=act.actor.address,
            module=act.module,
            action=act.action,
            object=act.object[:OBJECT_LENGTH_MAX],
            outcome=act.outcome,
            detail=act.detail,
            previous_hash=last.row_hash if last else FIRST_HASH,
            row_hash=b"",
        )
        row.row_hash = hash_of(row)
        session.add(row)
        session.flush()

    def looked(self, visitor: Visitor, module: str, object_: str) -> None:
        """Note that sensitive data was looked at; the note is on the disk when this comes back."""
        self._note(Act(self._now(), actor_of(visitor), module, "looked", object_, "done", ""))

    def refused(self, actor: Actor | Visitor, module: str, action: str, object_: str, **detail: Any) -> None:
        """Note an attempt that was not allowed, likewise."""
        actor = actor_of(actor) if isinstance(actor, Visitor) else actor
        self._note(Act(self._now(), actor, module, action, object_, "refused", _json(detail)))

    def settle(self) -> None:
        """Take over what waits; before somebody reads the log."""
        if self._spool is None or not self._spool.is_beyond(None):
            return
        with self._database.write() as session:
            place = self._take_over(session, self._spool)
        self._taken = place
        self._spool.renew(place)

    def settle_at_once(self) -> None:
        """The same if nobody writes; otherwise it is taken over in a moment."""
        if self._spool is not None and self._spool.is_beyond(self._taken):
            self._take_or_leave(self._spool)

    def _note(self, act: Act) -> None:
        """Write a row that tells of nothing but itself."""
        if self._spool is None:
            with self._database.write() as session:
                self._append(session, act)
            return
        self._spool.add(msgspec.json.encode(act))
        self._take_or_leave(self._spool)

    def _take_or_leave(self, spool: Spool) -> None:
        with self._database.write_at_once() as session:
            place = self._take_over(session, spool) if session is not None else None
        if place is not None and place.end_bytes < RENEW_BYTES:
            self._taken = place
        else:
            self._settle_soon()

    def _settle_soon(self) -> None:
        """Take over what waits, in a thread of its own, as soon as there is a turn; one at a time."""
        with self._lock:
            if self._settling is not None and self._settling.is_alive():
                return
            self._settling = Thread(target=self._settle_patiently, name="audit", daemon=True)
            self._settling.start()

    def _settle_patiently(self) -> None:
        for _ in range(TRIES):  # a later note, or a later process, begins again
            Event().wait(SETTLE_PAUSE_S)
            try:
                self.settle()
            except (WaitedTooLongError, SQLAlchemyError) as error:
                log.warning("looks wait for their place in the log", reason=str(error).partition("\n")[0])
            else:
                return

    def _take_over(self, session: Session, spool: Spool) -> Place:
        """Write what waits into the log, and how far that was; `session` has the turn to write."""
        row = session.get(AuditSpool, 1)
        before = Place(row.name, row.end_bytes, row.digest) if row is not None else Place()
        try:
            place, lines = spool.read(before)
        except BrokenSpoolError:
            name = spool.put_aside()
            detail = _json({"file": name, "taken_over_bytes": before.end_bytes})
            self._put(session, Act(self._now(), COMMAND_LINE, "audit", "spool", SPOOL_OBJECT, "failed", detail))
            place, lines = Place(), []
        for line in lines:
            self._put(session, msgspec.json.decode(line, type=Act))
        if place != before:
            values = {"name": place.name, "end_bytes": place.end_bytes, "digest": place.digest}
            session.merge(AuditSpool(id=1, **values))
            session.flush()
        return place


def _json(detail: dict[str, Any]) -> str:
    return msgspec.json.encode(detail, order="deterministic").decode() if detail else ""


def hash_of(row: AuditRow) -> bytes:
    """SHA-256 over the row before's hash and all fields of the row, as JSON."""
    fields = [
        row.id,
        to_ms(row.time),
        row.user_id,
        row.user_name,
        row.address,
        row.module,
        row.action,
        row.object,
        row.outcome,
        row.detail,
    ]
    return hashlib.sha256(row.previous_hash + msgspec.json.encode(fields)).digest()


def first_fault(database: Database) -> int | None:
    """Number of the first row that is missing or does not fit the chain; None when the log is whole."""
    expected_id, expected_hash = 1, FIRST_HASH
    while True:
        with database.read() as session:
            rows = session.scalars(
                select(AuditRow).where(AuditRow.id >= expected_id).order_by(AuditRow.id).limit(VERIFY_ROWS)
            ).all()
            for row in rows:
                if row.id != expected_id or row.previous_hash != expected_hash or hash_of(row) != row.row_hash:
                    return expected_id
                expected_id, expected_hash = row.id + 1, row.row_hash
        if len(rows) < VERIFY_ROWS:
            return None
