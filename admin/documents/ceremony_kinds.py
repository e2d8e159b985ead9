"""Keys that people bring in components, as documents.

A ceremony is ordered and agreed to here and held at the key house (`cardswitch keys attend`), where custodians enter
components; pages follow it and never see one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.ceremonies import CeremonyPart, CeremonyPhase, KeyCeremony
from admin.models.documents import Document
from admin.models.people import RoleAssignment, User
from admin.rights import Action, right
from admin.roles import rights_held
from switch.protocol.messages import KeyState, MessageType

from .key_kinds import PURPOSES, STEPS, next_version
from .kind import Kind, Planning, always, subject

_ = str
CEREMONY = "key ceremony"
"""`cardswitch keys attend`: people in one room, and the key house open."""
ENTER, DRAW = "enter", "draw"
METHODS: dict[str, str] = {
    ENTER: _("Enter components that custodians bring on sealed forms"),
    DRAW: _("Draw the key at the key house and give each custodian a component"),
}
CHECK_DIGITS = 10
NOBODY = "0"


def custodians_among(context: FormContext) -> Mapping[int | str, str]:
    """Users who may bring a component, by number."""
    needed = right("key-custody", Action.CHANGE)
    query = select(User.id, User.full_name, User.name).where(User.is_enabled).order_by(User.full_name)
    held: dict[int, list[str]] = {}
    for user_id, role in context.session.execute(select(RoleAssignment.user_id, RoleAssignment.role)):
        held.setdefault(user_id, []).append(role)
    return {
        str(row.id): f"{row.full_name} ({row.name})"
        for row in context.session.execute(query)
        if needed in rights_held(context.session, held.get(row.id, ()))
    }


def _others_too(context: FormContext) -> Mapping[int | str, str]:
    return {NOBODY: translate(_("nobody")), **custodians_among(context)}


class Ceremony(msgspec.Struct, frozen=True, kw_only=True):
    """A key that comes together out of components."""

    purpose: Annotated[int, entry(_("Purpose"), "choice", choices=PURPOSES)]
    method: Annotated[str, entry(_("Where the components come from"), "choice", choices=METHODS)] = ENTER
    custodian_1: Annotated[str, entry(_("First custodian"), "choice", choices=custodians_among)]
    custodian_2: Annotated[str, entry(_("Second custodian"), "choice", choices=custodians_among)]
    custodian_3: Annotated[str, entry(_("Third custodian"), "choice", choices=_others_too)] = NOBODY
    check: Annotated[
        str,
        entry(
            _("Check value of the whole key"),
            hint=_("10 digits or letters A to F, as every form says; leave it empty when the key is drawn."),
            max_length=20,
        ),
    ] = ""

    @property
    def custodian_ids(self) -> list[int]:
        """In the order in which they enter."""
        chosen = (self.custodian_1, self.custodian_2, self.custodian_3)
        return [int(one) for one in chosen if one != NOBODY and one.isdecimal()]

    @property
    def check_value(self) -> str:
        """In capitals, without spaces."""
        return "".join(self.check.split()).upper()

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if len(set(self.custodian_ids)) != len(self.custodian_ids):
            yield "custodian_2", translate("Each component needs a custodian of its own.")
        is_hexadecimal = all(letter in "0123456789ABCDEF" for letter in self.check_value)
        if self.method == ENTER and (len(self.check_value) != CHECK_DIGITS or not is_hexadecimal):
            yield "check", translate("A check value has 10 digits or letters A to F; it stands on every form.")
        if self.method == DRAW and self.check_value:
            yield "check", translate("A key that is drawn has no check value yet.")


def _plan_ceremony(planning: Planning, form: Ceremony) -> None:
    if planning.visitor.user_id in form.custodian_ids:
        raise RefusedError("Nobody has two offices: who orders a ceremony brings no component.")
    version = next_version(planning.session, form.purpose)
    if version in _loaded(planning.session, form.purpose):
        raise RefusedError("A newer version is loaded already and waits: make it active, or retire it.")
    planning.add(
        MessageType.PUT_KEY,
        subject=subject(STEPS[KeyState.NEW], purpose=PURPOSES[form.purpose], version=version),
        purpose=form.purpose,
        key_version=version,
        state=KeyState.NEW,
        check_value=bytes(8),
    )


def _loaded(session: Session, purpose: int) -> set[int]:
    from .key_kinds import versions_of

    return set(versions_of(session, purpose))


def _permit_ceremony(planning: Planning, document: Document, form: Ceremony) -> None:
    if planning.visitor.user_id in form.custodian_ids:
        raise RefusedError("Nobody has two offices: who orders a ceremony or agrees to it brings no component.")
    known = planning.session.get(KeyCeremony, document.id)
    if known is not None and known.phase == CeremonyPhase.ABORTED:
        raise RefusedError("This ceremony was stopped. Order a new one.")


def _begin_ceremony(session: Session, document: Document, form: Ceremony) -> None:
    session.add(
        KeyCeremony(
            document_id=document.id,
            purpose=form.purpose,
            key_version=next_version(session, form.purpose),
            method=form.method,
            phase=CeremonyPhase.WAITING,
        )
    )
    session.flush()
    names = {row.id: row.full_name for row in session.scalars(select(User).where(User.id.in_(form.custodian_ids)))}
    for number, custodian_id in enumerate(form.custodian_ids, 1):
        session.add(
            CeremonyPart(document_id=document.id, number=number, custodian_id=custodian_id, name=names[custodian_id])
        )


KINDS: list[Kind[Any]] = [
    Kind(
        name="key-ceremony",
        label=_("Hold a key ceremony"),
        hint=_("Custodians bring a key together at the key house, each with a component; pages follow it."),
        function="keys",
        action=Action.ADD,
        form=Ceremony,
        plan=_plan_ceremony,
        permits=_permit_ceremony,
        begun=_begin_ceremony,
        needs_checker=always,
        asks_why=True,
        stops_at_refusal=True,
        is_central=True,
        worker=CEREMONY,
    ),
]
