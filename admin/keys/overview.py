"""How the issuer's keys stand, both sides beside each other, and how far rotations are; for pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.documents.ceremony_kinds import CEREMONY
from admin.documents.key_kinds import KEY_DESK, MEDIUM_OF, PURPOSES, resting_on, versions_of
from admin.documents.registry import KINDS
from admin.models.documents import Document, DocumentState, DocumentStep
from admin.models.journal import medium_counts
from admin.models.mirror import terminals
from admin.reports.report import total
from switch.protocol.messages import KeyPurpose, KeyState, MediumFlag, MediumState, TerminalFlag, TerminalStatus

from .facts import DeskFacts, RingKey

CHECK_VALUE_BYTES = 5
STATE_NAMES: dict[str, int] = {state.name: int(state) for state in KeyState}
ORDERS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One version of one key."""

    purpose: int
    version: int
    switch_state: int
    """KeyState; 0: the switch does not know it."""
    ring_state: int
    """KeyState; 0: the keyring has not got it, or the key desk has not told."""
    check_value: str
    is_same_check: bool
    kek_version: int
    changed_date: int
    operator_id: int
    approver_id: int
    rest_count: int | None
    """Media or stored keys that rest on it; None where nobody can count."""


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """All versions of a purpose."""

    purpose: int
    label: str
    rows: list[KeyRow]
    rest_count: int | None
    """All that rests on any version; None where nobody can count."""
    active: int
    """Active version; 0: none."""

    @property
    def progress(self) -> tuple[int, int] | None:
        """(what rests on the active version, all); None where nobody can count or nothing rests."""
        if not self.rest_count:
            return None
        return next((row.rest_count or 0 for row in self.rows if row.version == self.active), 0), self.rest_count


@dataclass(frozen=True, slots=True)
class TerminalKeys:
    """How terminals' own keys stand."""

    by_version: list[tuple[int, int]] = field(default_factory=list)
    renewing_count: int = 0
    count: int = 0


def key_groups(session: Session, facts: DeskFacts, purpose: int | None = None) -> list[KeyGroup]:
    """Keys by purpose, of all or of one."""
    return [_group(session, facts, one) for one in PURPOSES if purpose in (None, one)]


def _group(session: Session, facts: DeskFacts, purpose: int) -> KeyGroup:
    switch = versions_of(session, purpose)
    ring = {key.version: key for key in facts.keys if key.purpose == purpose}
    resting = _resting(session, purpose)
    rows = [
        _row(purpose, version, switch.get(version), ring.get(version), resting) for version in sorted({*switch, *ring})
    ]
    active = next((row.version for row in rows if row.switch_state == KeyState.ACTIVE), 0)
    return KeyGroup(purpose, PURPOSES[purpose], rows, None if resting is None else sum(resting.values()), active)


def _resting(session: Session, purpose: int) -> dict[int, int] | None:
    if purpose == KeyPurpose.STORAGE:
        query = select(terminals.c.storage_version, func.count()).group_by(terminals.c.storage_version)
        return {version: count for version, count in session.execute(query)}  # noqa: C416
    return resting_on(session, purpose) if purpose in MEDIUM_OF or purpose == KeyPurpose.PIN else None


def _row(purpose: int, version: int, switch: Any, ring: RingKey | None, resting: dict[int, int] | None) -> KeyRow:
    check = switch.check_value[:CHECK_VALUE_BYTES].hex().upper() if switch is not None else ""
    told = ring.check_value if ring is not None else ""
    return KeyRow(
        purpose=purpose,
        version=version,
        switch_state=switch.state if switch is not None else 0,
        ring_state=STATE_NAMES.get(ring.state, 0) if ring is not None else 0,
        check_value=check or told,
        is_same_check=not check or not told or check == told,
        kek_version=ring.kek_version if ring is not None else 0,
        changed_date=switch.changed_date if switch is not None else 0,
        operator_id=switch.operator_id if switch is not None else 0,
        approver_id=switch.approver_id if switch is not None else 0,
        rest_count=None if resting is None else resting.get(version, 0),
    )


def terminal_keys(session: Session) -> TerminalKeys:
    """Active terminals by the version of their own key."""
    active = terminals.c.status == TerminalStatus.ACTIVE
    by_version = session.execute(
        select(terminals.c.key_version, func.count())
        .where(active)
        .group_by(terminals.c.key_version)
        .order_by(terminals.c.key_version)
    ).all()
    renews = terminals.c.flags.op("&")(int(TerminalFlag.RENEW_KEY)) != 0
    renewing = session.scalar(select(func.count()).select_from(terminals).where(active, renews)) or 0
    counts = [(version, count) for version, count in by_version]
    return TerminalKeys(counts, renewing, sum(count for _, count in counts))


def stored_key_count(session: Session) -> int:
    """Active media whose own random key is stored: no master key concerns them."""
    own = medium_counts.c.flags.op("&")(int(MediumFlag.STORED_KEY)) != 0
    query = select(total(medium_counts.c.medium_count)).where(medium_counts.c.state == MediumState.ACTIVE, own)
    return int(session.scalar(query) or 0)


def key_orders(session: Session, visitor: Visitor) -> Sequence[Document]:
    """The last documents about keys that the visitor sees, newest first."""
    mine = [kind.name for kind in KINDS.values() if kind.worker in (KEY_DESK, CEREMONY)]
    query = select(Document).where(Document.kind.in_(mine)).order_by(Document.id.desc()).limit(ORDERS_SHOWN)
    return session.scalars(visitor.documents_seen(query)).all()


def steps_of(session: Session, document_ids: Sequence[int]) -> dict[int, list[DocumentStep]]:
    """Steps by document, in their order."""
    query = select(DocumentStep).where(DocumentStep.document_id.in_(document_ids))
    found: dict[int, list[DocumentStep]] = {}
    for step in session.scalars(query.order_by(DocumentStep.document_id, DocumentStep.number)):
        found.setdefault(step.document_id, []).append(step)
    return found


def is_waiting(documents: Sequence[Document]) -> bool:
    """Whether the key desk has something to do."""
    return any(document.state == DocumentState.RUNNING for document in documents)
