"""The audit log: append-only rows, each with the hash of the one before.

Written in the same transaction as what it tells of; refusals and looks at
sensitive data, which change nothing else, get one of their own.  There is no
switch to turn it off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from .access import Visitor
from .database import Database, to_ms
from .models.audit import AuditRow

FIRST_HASH = bytes(32)
LOCK_NUMBER = 0x61756469
"""PostgreSQL's advisory lock: rows are chained one after the other.  SQLite has one writer anyway."""
VERIFY_ROWS = 5_000
OBJECT_LENGTH_MAX = 80


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a visitor, or nobody yet, or the command line."""

    user_id: int
    name: str
    address: str


COMMAND_LINE = Actor(0, "(command line)", "")


def actor_of(visitor: Visitor) -> Actor:
    """The visitor as the log names it."""
    return Actor(visitor.user_id, visitor.name, visitor.address)


class Audit:
    """Appends to the log of one database."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

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
        if not self._database.is_sqlite:
            session.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})"))
        session.flush()
        last = session.execute(select(AuditRow.id, AuditRow.row_hash).order_by(AuditRow.id.desc()).limit(1)).first()
        row = AuditRow(
            id=last.id + 1 if last else 1,
            time=self._now(),
            user_id=actor.user_id,
            user_name=actor.name,
            address=actor.address,
            module=module,
            action=action,
            object=object_[:OBJECT_LENGTH_MAX],
            outcome=outcome,
            detail=msgspec.json.encode(detail, order="deterministic").decode() if detail else "",
            previous_hash=last.row_hash if last else FIRST_HASH,
            row_hash=b"",
        )
        row.row_hash = hash_of(row)
        session.add(row)
        session.flush()

    def looked(self, visitor: Visitor, module: str, object_: str) -> None:
        """Note that sensitive data was looked at."""
        with self._database.write() as session:
            self.append(session, visitor, module, "looked", object_)

    def refused(self, actor: Actor | Visitor, module: str, action: str, object_: str, **detail: Any) -> None:
        """Note an attempt that was not allowed."""
        with self._database.write() as session:
            self.append(session, actor, module, action, object_, outcome="refused", **detail)


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
