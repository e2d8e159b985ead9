"""What pages of members share: rows of lists, reading forms, doing and going on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from anyio import to_thread
from litestar import Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.i18n import FIRST_DATE
from admin.members.holdings import card_counts
from admin.members.identity import show_day
from admin.members.levels import levels
from admin.members.records import mask
from admin.members.seals import Vault
from admin.models.members import Member, MemberContact
from admin.models.mirror import organisations
from admin.references import References

from .common import go

NUMBER_DIGITS_MAX = 15
"""Of a number in a form or an address; all such numbers fit 64 bits."""
DAY_LENGTH = 10
"""Of a day such as 2026-01-31."""


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member as a list shows it."""

    id: int
    name: str
    state: str
    level: str
    phone: str
    owner: str
    card_count: int
    birthday: str
    reference: str = ""
    """Of a member of another store, who may be served but not changed."""


def service_references(request: Request[Visitor, Any, Any]) -> References:
    """Addresses of members of other stores: only who was told one can open the page."""
    return References(request.app.state.service.secret_for("members served elsewhere"))


def member_rows(session: Session, vault: Vault, members: Sequence[Member]) -> list[MemberRow]:
    """Members for a list: masked, named, with the number of their cards."""
    numbers = [member.id for member in members]
    phones: dict[int, str] = {}
    contacts = select(MemberContact).where(MemberContact.member_id.in_(numbers), MemberContact.kind != "email")
    for row in session.scalars(contacts.order_by(MemberContact.is_preferred, MemberContact.place.desc())):
        phones[row.member_id] = mask(row.kind, vault.contact(row.member_id, row.place, row.value_sealed))
    counts = card_counts(session, numbers) if numbers else {}
    names = {level.id: level.name for level in levels(session)}
    owners = place_names(session)
    return [
        MemberRow(
            id=member.id,
            name=member.name,
            state=member.state,
            level=names.get(member.level_id or 0, ""),
            phone=phones.get(member.id, ""),
            owner=owners.get(member.organisation_id, str(member.organisation_id or "")),
            card_count=counts.get(member.id, 0),
            birthday=show_day(member.birth_date)[5:],
        )
        for member in members
    ]


def place_names(session: Session) -> dict[int, str]:
    """Names of the nodes of the organisation."""
    rows = session.execute(select(organisations.c.organisation_id, organisations.c.name))
    return {int(number): name or str(number) for number, name in rows}


async def sent_texts(request: Request[Any, Any, Any]) -> dict[str, list[str]]:
    """Fields of a form that was sent, each with all its values."""
    sent = await request.form()
    return {name: [str(text) for text in sent.getall(name)] for name in sent}


def first(texts: Mapping[str, Sequence[str]], name: str) -> str:
    """The first value of a field; empty when there is none."""
    return next(iter(texts.get(name, ())), "")


def number_in(texts: Mapping[str, Sequence[str]], name: str) -> int:
    """A number of a form; 0 for anything else."""
    text = first(texts, name).strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else 0


def day_in(text: str) -> int:
    """A day of an address or a form as days since 1970-01-01; 0 for anything else."""
    try:
        return (date.fromisoformat(text) - FIRST_DATE).days if len(text) == DAY_LENGTH else 0
    except ValueError:
        return 0


async def acted(request: Request[Visitor, Any, Any], act: Callable[[], object], address: str) -> Response[Any]:
    """Do something in a thread and go on to a page; a refusal is shown by the application."""
    await to_thread.run_sync(act)
    return go(request, address)
