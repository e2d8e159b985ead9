"""The call centre's software: a call comes, who it is, the agent's screen, the log, recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.members.identity import mask_phone, read_phone
from admin.members.keys import PHONE
from admin.members.records import member_to_change
from admin.members.seals import Vault
from admin.models.calls import Call
from admin.models.care import Opinion
from admin.models.members import NOTE_LENGTH_MAX, Member, MemberContact, MemberState, member_keys
from admin.models.people import User
from admin.parameters import AREA_CODE, RECORDINGS
from admin.service import Service

from .opinions import opinions_seen

_ = str
MODULE = "calls"
LOCAL_DIGITS_MAX = 8
"""A number without an area code has no more."""
SUFFIXES = {".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".m4a": "audio/mp4"}
"""Files that are taken for recordings, and what a browser is told of them."""
RECORDING_BYTES_MAX = 64 << 20
"""An hour of telephone sound as wav has 58 MB."""
RECORDING_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class CallSeen:
    """A call as the log shows it."""

    call: Call
    member: str
    agent: str
    number: str
    """Masked."""


def take_call(
    service: Service,
    visitor: Visitor,
    *,
    number: str,
    agent: str = "",
    is_incoming: bool = True,
    recording: str = "",
    member_id: int = 0,
) -> int:
    """Note a call as it comes in or goes out; its number. `agent`: sign-on name of whose telephone it is, or nobody's.

    The member is found by the number, with and without the area code.
    """
    digits = read_phone(number)
    if digits is None:
        raise RefusedError("A telephone number is expected, got {got}.", got=number[:4] + "…" if number else "-")
    vault = Vault(service)
    _check_recording_name(recording)
    with service.database.write() as session:
        agent_id = _agent(session, visitor, agent) if agent else visitor.user_id
        member = session.get(Member, member_id) if member_id else _member_of(session, service, vault, visitor, digits)
        row = Call(
            time=service.now(),
            is_incoming=is_incoming,
            organisation_id=member.organisation_id if member else visitor.organisation_id,
            number_sealed=b"",
            member_id=member.id if member else 0,
            agent_id=agent_id,
            recording=recording,
        )
        session.add(row)
        session.flush()
        row.number_sealed = vault.seal("calls", "number_sealed", str(row.id), digits)
        session.flush()
        detail: dict[str, Any] = {"member": row.member_id, "agent": agent_id, "incoming": is_incoming}
        service.audit.append(session, visitor, MODULE, "call", f"call {row.id}", **detail)
        return row.id


def dial(service: Service, visitor: Visitor, member_id: int) -> tuple[int, str]:
    """Note a call to a member that a click begins: the number of the call, and the whole telephone number."""
    with service.database.read() as session:
        member_to_change(session, visitor, member_id)
        rows = session.scalars(
            select(MemberContact)
            .where(MemberContact.member_id == member_id, MemberContact.kind != "email")
            .order_by(MemberContact.is_preferred.desc(), MemberContact.place)
            .limit(1)
        ).all()
        if not rows:
            raise RefusedError("No telephone number of this member is known.")
        number = Vault(service).contact(member_id, rows[0].place, rows[0].value_sealed)
    service.audit.looked(visitor, MODULE, f"member {member_id}")
    return take_call(service, visitor, number=number, is_incoming=False, member_id=member_id), number


def calls_seen(visitor: Visitor, query: Select[Any] | None = None) -> Select[Any]:
    """Calls of the visitor's part of the organisation, and his own."""
    query = select(Call) if query is None else query
    if visitor.sees_everything:
        return query
    return query.where(or_(Call.organisation_id.in_(visitor.organisation_ids), Call.agent_id == visitor.user_id))


def calls_page(
    service: Service,
    session: Session,
    visitor: Visitor,
    *,
    member: int = 0,
    whose: str = "",
    before: int | None,
    limit: int,
) -> list[CallSeen]:
    """Calls, newest first; `whose` mine: the visitor's own; one more than `limit` if there are more."""
    query = calls_seen(visitor).order_by(Call.id.desc()).limit(limit + 1)
    if member:
        query = query.where(Call.member_id == member)
    if whose == "mine":
        query = query.where(Call.agent_id == visitor.user_id)
    if before is not None:
        query = query.where(Call.id < before)
    return _seen(service, session, visitor, session.scalars(query).all())


def call_seen(service: Service, session: Session, visitor: Visitor, call_id: int) -> CallSeen | None:
    """A call that the visitor may see."""
    row = session.scalar(calls_seen(visitor).where(Call.id == call_id))
    return _seen(service, session, visitor, [row])[0] if row is not None else None


def last_call(session: Session, visitor: Visitor) -> int:
    """The visitor's newest incoming call; 0 without any."""
    query = select(Call.id).where(Call.agent_id == visitor.user_id, Call.is_incoming)
    return session.scalar(query.order_by(Call.id.desc()).limit(1)) or 0


def whole_number(service: Service, row: Call) -> str:
    """The telephone number of a call; the caller notes the look."""
    return Vault(service).open("calls", "number_sealed", str(row.id), row.number_sealed)


def note_recording(
    service: Service, visitor: Visitor, call_id: int, *, recording: str, note: str, opinion_id: int = 0
) -> None:
    """Name the recording of a call, note what was found in it, and attach it to a complaint as evidence."""
    _check_recording_name(recording)
    if len(note) > NOTE_LENGTH_MAX:
        raise RefusedError("Write 1 to {most} characters about it.", most=NOTE_LENGTH_MAX)
    with service.database.write() as session:
        row: Call | None = session.scalar(calls_seen(visitor).where(Call.id == call_id).with_for_update())
        if row is None:
            raise RefusedError("There is no such call.")
        row.recording, row.note = recording.strip(), note.strip()
        if opinion_id:
            opinion: Opinion | None = session.scalar(opinions_seen(visitor).where(Opinion.id == opinion_id))
            if opinion is None:
                raise RefusedError("There is no such record.")
            if not row.recording:
                raise RefusedError("Name the recording first.")
            opinion.recording, opinion.recording_note = row.recording, row.note
        detail: dict[str, Any] = {"recording": row.recording, "opinion": opinion_id}
        service.audit.append(session, visitor, MODULE, "note recording", f"call {call_id}", **detail)


def recording_file(service: Service, visitor: Visitor, name: str, about: str) -> tuple[bytes, str]:
    """(content, media type) of a recording below the configured folder; the look is noted."""
    folder = service.parameters.text(RECORDINGS, service.now())
    if not folder:
        raise RefusedError("The folder of recordings is not set: it is a parameter of the call centre.")
    _check_recording_name(name)
    root = Path(folder).resolve()
    path = (root / name).resolve()
    # Also a link within the folder leads nowhere else.
    if not name or not path.is_relative_to(root) or not path.is_file():
        raise RefusedError("There is no such recording in the folder.")
    if path.stat().st_size > RECORDING_BYTES_MAX:
        raise RefusedError("A recording has at most {most} megabytes.", most=RECORDING_BYTES_MAX >> 20)
    service.audit.looked(visitor, MODULE, about)
    return path.read_bytes(), SUFFIXES[path.suffix.lower()]


def _check_recording_name(name: str) -> None:
    """Refuse what is no plain path of a sound file: this is a name, not a way through the machine."""
    if not name:
        return
    parts = Path(name).parts
    is_plain = name.isprintable() and not Path(name).is_absolute() and ".." not in parts and "\\" not in name
    if len(name) > RECORDING_LENGTH_MAX or not is_plain or Path(name).suffix.lower() not in SUFFIXES:
        kinds = ", ".join(SUFFIXES)
        raise RefusedError("A recording is the name of a file in the folder of recordings ({kinds}).", kinds=kinds)


def _member_of(session: Session, service: Service, vault: Vault, visitor: Visitor, digits: str) -> Member | None:
    """The member under a number, the visitor's own first; None for a stranger or a member of another store."""
    area = service.parameters.text(AREA_CODE, service.now())
    wanted = [digits]
    if area and len(digits) <= LOCAL_DIGITS_MAX:
        wanted.append(area + digits)
    elif area and digits.startswith(area):
        wanted.append(digits.removeprefix(area))
    keys = [PHONE + vault.blind(PHONE, one) for one in wanted]
    query: Any = (
        select(Member)
        .join(member_keys, member_keys.c.member_id == Member.id)
        .where(member_keys.c.key.in_(keys), Member.state.not_in((MemberState.MERGED, MemberState.CLOSED)))
        .order_by(Member.id)
        .limit(1)
    )
    found: Member | None = session.scalar(visitor.members_seen(query))
    return found


def _agent(session: Session, visitor: Visitor, name: str) -> int:
    query: Any = select(User.id).where(User.name == name.strip().lower()[:40], User.is_enabled)
    found = session.scalar(visitor.users_seen(query))
    if found is None:
        raise RefusedError("There is no such user in your part of the organisation.")
    return int(found)


def _seen(service: Service, session: Session, visitor: Visitor, rows: Sequence[Call]) -> list[CallSeen]:
    numbers = {row.member_id for row in rows if row.member_id}
    mine: Any = select(Member.id, Member.name).where(Member.id.in_(numbers))
    members = {row.id: row.name for row in session.execute(visitor.members_seen(mine))}
    users = select(User.id, User.full_name).where(User.id.in_({row.agent_id for row in rows}))
    agents = {row.id: row.full_name for row in session.execute(users)}
    return [
        CallSeen(
            row, members.get(row.member_id, ""), agents.get(row.agent_id, ""), mask_phone(whole_number(service, row))
        )
        for row in rows
    ]
