"""Ceremonies: what the key house says of one, what custodians say on pages. Check values come here, no component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.audit import Actor
from admin.documents.bodies import decode_form
from admin.documents.ceremony_kinds import CEREMONY, Ceremony
from admin.documents.registry import KINDS
from admin.documents.sending import finish
from admin.errors import RefusedError
from admin.models.ceremonies import CeremonyPart, CeremonyPhase, KeyCeremony
from admin.models.documents import Document, DocumentState, DocumentStep, StepState
from admin.service import Service

from .order import KeyOrder, order_of

MODULE = "key-custody"
KEY_HOUSE = Actor(0, "(key house)", "")
REASON_LENGTH_MAX = 200
LISTED_MAX = 20
UNDER_WAY = (CeremonyPhase.WAITING, CeremonyPhase.COMPONENTS, CeremonyPhase.WHOLE)


@dataclass(frozen=True, slots=True)
class CeremonyOrder:
    """An agreed ceremony, as the key house holds it."""

    order: KeyOrder
    form: Ceremony
    custodians: tuple[str, ...]
    """Names, in the order in which they enter; the user name tells two of one name apart."""


@dataclass(frozen=True, slots=True)
class LogPlace:
    """A line of the key log: its number, and its MAC in hexadecimal."""

    line: int
    mac: str


# ------------------------------------------------------------------- the key house's side


def agreed_ceremony(service: Service, document_id: int) -> CeremonyOrder:
    """The ceremony of an order; `RefusedError` unless two have agreed and nobody has held or stopped it."""
    with service.database.read() as session:
        document = session.get(Document, document_id)
        if document is None or document.kind not in KINDS or KINDS[document.kind].worker != CEREMONY:
            raise RefusedError("There is no such ceremony.")
        row = session.get_one(KeyCeremony, document_id)
        if document.state != DocumentState.RUNNING or row.phase not in UNDER_WAY:
            raise RefusedError("Two persons must have agreed to a ceremony, and nobody have held or stopped it.")
        step = session.get_one(DocumentStep, (document_id, 1))
        form = decode_form(KINDS[document.kind], document)
        names = tuple(part.name for part in parts_of(session, document_id))
        return CeremonyOrder(order_of(session, document, step), form, names)


def begin_ceremony(service: Service, document_id: int, before: LogPlace) -> None:
    """People have come together at the key house; what an attempt before this one had entered counts no more."""
    with service.database.write() as session:
        row = _under_way(session, document_id)
        row.phase, row.began_at, row.check_value = CeremonyPhase.COMPONENTS, service.now(), ""
        row.log_line_before, row.log_mac_before = before.line, before.mac
        for part in parts_of(session, document_id):
            part.check_value, part.entered_at, part.confirmed_at, part.whole_confirmed_at = "", None, None, None
        service.audit.append(session, KEY_HOUSE, MODULE, "begin", f"document {document_id}")


def note_component(service: Service, document_id: int, number: int, check_value: str) -> None:
    """A component is in: its check value, which its custodian compares on a page."""
    with service.database.write() as session:
        _under_way(session, document_id)
        part = session.get_one(CeremonyPart, (document_id, number))
        part.check_value, part.entered_at = check_value, service.now()
        service.audit.append(
            session, KEY_HOUSE, MODULE, "component", f"document {document_id}", number=number, check_value=check_value
        )


def note_whole(service: Service, document_id: int, check_value: str) -> None:
    """All components are in: the check value of the whole key, which every custodian compares."""
    with service.database.write() as session:
        row = _under_way(session, document_id)
        row.phase, row.check_value = CeremonyPhase.WHOLE, check_value
        service.audit.append(
            session, KEY_HOUSE, MODULE, "whole key", f"document {document_id}", check_value=check_value
        )


def is_component_confirmed(service: Service, document_id: int, number: int) -> bool:
    """Whether a component's custodian has compared; `RefusedError` when the ceremony was stopped."""
    with service.database.read() as session:
        _under_way(session, document_id)
        return session.get_one(CeremonyPart, (document_id, number)).confirmed_at is not None


def is_whole_confirmed(service: Service, document_id: int) -> bool:
    """Whether all custodians have compared the whole key; `RefusedError` when the ceremony was stopped."""
    with service.database.read() as session:
        _under_way(session, document_id)
        return all(part.whole_confirmed_at is not None for part in parts_of(session, document_id))


def end_ceremony(service: Service, document_id: int, note: str, after: LogPlace) -> None:
    """The key is in the keyring and at the switch."""
    with service.database.write() as session:
        row = _under_way(session, document_id)
        row.phase, row.ended_at = CeremonyPhase.DONE, service.now()
        row.log_line_after, row.log_mac_after = after.line, after.mac
        service.audit.append(session, KEY_HOUSE, MODULE, "done", f"document {document_id}")
        _close(service, session, document_id, note, is_done=True)


def stop_at_house(service: Service, document_id: int, reason: str) -> None:
    """Stopped at the key house; nothing was made."""
    with service.database.write() as session:
        row = session.get_one(KeyCeremony, document_id, with_for_update=True)
        if row.phase in UNDER_WAY:
            _stop(service, session, row, KEY_HOUSE, 0, reason)


# ------------------------------------------------------------------- the pages' side


def parts_of(session: Session, document_id: int) -> Sequence[CeremonyPart]:
    """Custodians in the order in which they enter."""
    query = select(CeremonyPart).where(CeremonyPart.document_id == document_id).order_by(CeremonyPart.number)
    return session.scalars(query).all()


def ceremonies_listed(session: Session, visitor: Visitor) -> Sequence[KeyCeremony]:
    """The last ceremonies that the visitor sees, newest first: all for officers, one's own for a custodian."""
    query = select(KeyCeremony).order_by(KeyCeremony.document_id.desc()).limit(LISTED_MAX)
    if not visitor.may("keys"):
        own = select(CeremonyPart.document_id).where(CeremonyPart.custodian_id == visitor.user_id)
        query = query.where(KeyCeremony.document_id.in_(own))
    return session.scalars(query).all()


def ceremony_seen(session: Session, visitor: Visitor, document_id: int) -> KeyCeremony | None:
    """One ceremony, for officers and for its custodians."""
    row = session.get(KeyCeremony, document_id)
    if row is None or not (visitor.may("keys") or _own_part(session, visitor, document_id)):
        return None
    return row


def confirm(service: Service, visitor: Visitor, document_id: int, typed: str) -> None:
    """A custodian has read a check value off his form and typed it: of his component, then of the whole key."""
    value = "".join(typed.split()).upper()
    with service.database.write() as session:
        row = _under_way(session, document_id)
        part = _own_part(session, visitor, document_id)
        if part is None:
            raise RefusedError("Only a custodian of this ceremony compares check values.")
        is_whole = row.phase == CeremonyPhase.WHOLE
        expected = row.check_value if is_whole else part.check_value
        if not expected or (part.whole_confirmed_at if is_whole else part.confirmed_at):
            raise RefusedError("There is nothing to compare just now.")
        if value == expected and is_whole:
            part.whole_confirmed_at = service.now()
        elif value == expected:
            part.confirmed_at = service.now()
        else:
            service.audit.append(
                session, visitor, MODULE, "compare", f"document {document_id}", outcome="refused", typed=value[:20]
            )
        if value == expected:
            what = "whole key" if is_whole else "component"
            service.audit.append(session, visitor, MODULE, "compare", f"document {document_id}", what=what)
    if value != expected:
        raise RefusedError(
            "This is not the check value that the key house has. Compare once more; if it still differs, stop the"
            " ceremony."
        )


def stop(service: Service, visitor: Visitor, document_id: int, reason: str) -> None:
    """Somebody of the ceremony stops it; the key house wipes what was entered."""
    if not reason.strip():
        raise RefusedError("Say why: this needs a reason.")
    with service.database.write() as session:
        row = _under_way(session, document_id)
        document = session.get_one(Document, document_id)
        is_officer = visitor.user_id in (document.maker_id, document.checker_id)
        if not is_officer and _own_part(session, visitor, document_id) is None:
            raise RefusedError("Only who takes part in a ceremony stops it.")
        if document.state != DocumentState.RUNNING:
            raise RefusedError("Nobody has agreed to it yet: take the order back instead.")
        _stop(service, session, row, visitor, visitor.user_id, reason)


def _own_part(session: Session, visitor: Visitor, document_id: int) -> CeremonyPart | None:
    found: CeremonyPart | None = session.scalar(
        select(CeremonyPart).where(
            CeremonyPart.document_id == document_id, CeremonyPart.custodian_id == visitor.user_id
        )
    )
    return found


def _under_way(session: Session, document_id: int) -> KeyCeremony:
    row = session.get(KeyCeremony, document_id, with_for_update=True)
    if row is None:
        raise RefusedError("There is no such ceremony.")
    if row.phase not in UNDER_WAY:
        raise RefusedError("This ceremony has ended.")
    return row


def _stop(
    service: Service, session: Session, row: KeyCeremony, actor: Actor | Visitor, user_id: int, reason: str
) -> None:
    row.phase, row.ended_at, row.ended_by = CeremonyPhase.ABORTED, service.now(), user_id
    row.reason = reason.strip()[:REASON_LENGTH_MAX]
    service.audit.append(session, actor, MODULE, "stop", f"document {row.document_id}", reason=row.reason)
    _close(service, session, row.document_id, row.reason, is_done=False)


def _close(service: Service, session: Session, document_id: int, note: str, *, is_done: bool) -> None:
    document = session.get_one(Document, document_id, with_for_update=True)
    step = session.get_one(DocumentStep, (document_id, 1))
    step.state, step.note = (StepState.DONE if is_done else StepState.REFUSED), note[:REASON_LENGTH_MAX]
    step.done_count = int(is_done)
    document.done_count, document.refused_count = int(is_done), int(not is_done)
    session.flush()
    finish(service, session, document)
