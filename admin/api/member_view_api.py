"""Everything about one member: record, cards, figures, family, what happened; whole numbers for those who may."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.database import from_ms, to_ms
from admin.lists.entries import entry_row
from admin.members.care import Event, timeline
from admin.members.definitions import custom_fields, values_of
from admin.members.drafts import COLUMNS, DAYS, FIRST_FURTHER_PLACE, PLACES, MemberForm, form_texts
from admin.members.groups import groups_of_member
from admin.members.holdings import accounts_of, cards_of
from admin.members.identity import age_at, mask_id_number, show_day
from admin.members.levels import history_of
from admin.members.records import TRANSITIONS, mask, member_seen
from admin.members.relations import secondaries_of
from admin.members.seals import Vault
from admin.members.today import today_of
from admin.members.totals import SOON_COUNTED, Totals, catch_up, date_before, totals_of
from admin.models.members import (
    ChurnRecord,
    Member,
    MemberContact,
    MemberLevelChange,
    MemberMerge,
    MemberRelative,
    MemberTag,
)
from admin.pages.member_common import member_rows, service_references
from admin.rights import Action

from .entry_api import Entry, entry_item
from .handlers import Limit, Number, Page, api_get, filled
from .member_api import MemberItem, item
from .records import MemberRecord
from .words import STATUS_WORDS

TAG = "Members"
YEAR_DAYS = 365
_PLACE_NAMES = {place: name for name, (place, _kind) in PLACES.items()}


class Sealed(msgspec.Struct):
    """What is kept sealed: masked, or whole where the address says so; empty: not known."""

    id_number: str = ""
    mobile: str = ""
    phone: str = ""
    email: str = ""


class FurtherContact(msgspec.Struct):
    """A further telephone or address."""

    place: int
    kind: str
    value: str
    is_preferred: bool
    note: str


class HeldCard(msgspec.Struct):
    """A card of a member."""

    card: str
    card_reference: str
    type_code: int
    status: str
    balance_minor: int | None
    points_hundredths: int | None
    expiry_date: int


class MemberFigures(msgspec.Struct):
    """What a member did."""

    spent_minor: int
    visit_count: int
    average_minor: int
    points_hundredths: int
    recharged_minor: int
    last_date: int
    """Business date of the last purchase; 0: none."""


class NamedThing(msgspec.Struct):
    """Something by its number and name."""

    id: int
    name: str


class LevelChange(msgspec.Struct):
    """A change of the level."""

    time_ms: int
    old_level_id: int | None
    new_level_id: int | None
    is_automatic: bool
    user_id: int
    reason: str
    held_until: int


class Relative(msgspec.Struct):
    """A person of the household who is no member."""

    id: int
    name: str
    relation: int
    birth_date: str


class Churn(msgspec.Struct):
    """A record of churn."""

    id: int
    member_id: int
    stage: str
    kind: int
    product: str
    reason: str
    action: str
    result: str
    created_ms: int


class Merge(msgspec.Struct):
    """A record that was merged into this one."""

    id: int
    merged_id: int
    reason: str
    created_ms: int
    undone_ms: int | None


class MemberDetails(msgspec.Struct):
    """Everything about one member."""

    id: int
    version: int
    """Goes along with a change of the record."""
    state: str
    next_states: list[str]
    age: int | None
    record: MemberRecord
    """As PUT takes it: sealed fields are empty, which leaves them as they are."""
    sealed: Sealed
    own_fields: dict[str, str]
    further_contacts: list[FurtherContact]
    level_id: int | None
    level_held_until: int
    primary: NamedThing | None
    secondaries: list[NamedThing]
    relatives: list[Relative]
    tags: list[str]
    groups: list[NamedThing]
    cards: list[HeldCard]
    figures: MemberFigures
    figures_of_year: MemberFigures
    levels: list[LevelChange]
    churn: list[Churn]
    merges: list[Merge]


class Contact(msgspec.Struct):
    """A talk with a member."""

    id: int
    member_id: int
    time_ms: int
    kind: str
    channel: str
    is_incoming: bool
    content: str
    result: str
    satisfaction: int
    is_open: bool
    next_date: int
    """Business date of the next contact; 0: none."""
    user_id: int


class RecordChange(msgspec.Struct):
    """A change of the record, as the audit log has it."""

    action: str
    user: str


class MemberEvent(msgspec.Struct):
    """Something that happened with a member: one of the four is there, as `kind` says."""

    time_ms: int
    kind: str
    """entry, contact, level or change"""
    entry: Entry | None = None
    contact: Contact | None = None
    level: LevelChange | None = None
    change: RecordChange | None = None


class ServedMember(msgspec.Struct):
    """A member of another part of the organisation, to be served: nothing can be changed."""

    member: MemberItem
    points_hundredths: int | None
    preferences: str
    """Habits and what to mind."""
    cards: list[HeldCard]


@api_get("/api/v1/members/{member_id:int}", guards=[needs("members")], tag=TAG)
def get_member(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> MemberDetails:
    """Everything about one member; numbers and addresses masked."""
    return _details(request, member_id, is_whole=False)


@api_get("/api/v1/members/{member_id:int}/whole", guards=[needs("members", Action.SEE_UNMASKED)], tag=TAG)
def get_whole_member(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> MemberDetails:
    """The same with ID number, telephones and addresses whole; the look is noted."""
    return _details(request, member_id, is_whole=True)


@api_get("/api/v1/members/{member_id:int}/timeline", guards=[needs("members")], tag=TAG)
def list_events(
    request: Request[Visitor, Any, Any], member_id: FromPath[int], before: Number = None, limit: Limit = 50
) -> Page[MemberEvent]:
    """What happened with a member, newest first; `before` is a moment."""
    service = request.app.state.service
    until = from_ms(min(before, 2**47)) if before is not None else None
    with service.database.read() as session:
        member = _member(session, request.user, member_id)
        events = timeline(session, member, accounts_of(session, member.id), until, limit)
        rows = [_event(request, event) for event in events[:limit]]
    return Page(rows, str(rows[-1].time_ms) if len(events) > limit else None)


@api_get("/api/v1/members/served/{reference:str}", guards=[needs("members")], tag=TAG)
def get_served(request: Request[Visitor, Any, Any], reference: FromPath[str]) -> ServedMember:
    """A member of another part of the organisation, by the reference that a search told; the look is noted."""
    service, visitor = request.app.state.service, request.user
    member_id = service_references(request).read(reference)
    with service.database.read() as session:
        member = session.get(Member, member_id) if member_id else None
        if member is None:
            raise NotFoundException(detail="There is no such member.")
        cards = _cards(request, session, member)
        row = member_rows(session, Vault(service), [member])[0]
        preferences = member.preferences
    service.audit.looked(visitor, "members", f"member {member_id}")
    points = sum(card.points_hundredths or 0 for card in cards)
    return ServedMember(item(row), visitor.held(points), preferences, cards)


def _member(session: Session, visitor: Visitor, member_id: int) -> Member:
    member = member_seen(session, visitor, member_id)
    if member is None:
        raise NotFoundException(detail="There is no such member.")
    return member


def _details(request: Request[Visitor, Any, Any], member_id: int, *, is_whole: bool) -> MemberDetails:
    service, visitor = request.app.state.service, request.user
    catch_up(service.database, entries_max=SOON_COUNTED)
    with service.database.read() as session:
        member = _member(session, visitor, member_id)
        today = today_of(session, service)
        vault = Vault(service)
        numbers = accounts_of(session, member.id)
        fields = custom_fields(session)
        sealed, further, preferred = _contacts(session, vault, member, is_whole=is_whole)
        form = MemberForm(**form_texts({name: getattr(member, name) for name in (*COLUMNS, *DAYS.values())}))
        primary = session.get(Member, member.primary_id) if member.primary_id else None
        details = filled(
            MemberDetails,
            member,
            next_states=[str(state) for state in TRANSITIONS[member.state]],
            age=age_at(member.birth_date, today),
            record=filled(MemberRecord, form, preferred=preferred or form.preferred),
            sealed=sealed,
            own_fields=values_of(session, [member.id], fields).get(member.id, {}),
            further_contacts=further,
            primary=NamedThing(primary.id, primary.name) if primary else None,
            secondaries=[NamedThing(one.id, one.name) for one in secondaries_of(session, member.id)],
            relatives=[
                filled(Relative, one, birth_date=show_day(one.birth_date))
                for one in _of(session, MemberRelative, member)
            ],
            tags=sorted(session.scalars(select(MemberTag.tag).where(MemberTag.member_id == member.id))),
            groups=[NamedThing(one.id, one.name) for one in groups_of_member(session, visitor, member.id, today)],
            cards=_cards(request, session, member),
            figures=_figures(totals_of(session, numbers)),
            figures_of_year=_figures(totals_of(session, numbers, from_date=date_before(today, YEAR_DAYS))),
            levels=[level_change(one) for one in history_of(session, member.id)],
            churn=[filled(Churn, one) for one in _of(session, ChurnRecord, member)],
            merges=[
                filled(Merge, one)
                for one in session.scalars(select(MemberMerge).where(MemberMerge.survivor_id == member.id))
            ],
        )
    if is_whole:
        service.audit.looked(visitor, "members", f"member {member_id}")
    return details


def _of(session: Session, model: Any, member: Member) -> Any:
    return session.scalars(select(model).where(model.member_id == member.id).order_by(model.id))


def _contacts(
    session: Session, vault: Vault, member: Member, *, is_whole: bool
) -> tuple[Sealed, list[FurtherContact], str]:
    """What is sealed, further contacts, and the name of the field by which the member is best reached."""
    sealed, further, preferred = Sealed(), [], ""
    if member.id_sealed:
        number = vault.id_number(member.id, member.id_sealed)
        sealed.id_number = number if is_whole else mask_id_number(number)
    rows = session.scalars(select(MemberContact).where(MemberContact.member_id == member.id))
    for row in sorted(rows, key=lambda row: row.place):
        value = vault.contact(member.id, row.place, row.value_sealed)
        value = value if is_whole else mask(row.kind, value)
        if row.place >= FIRST_FURTHER_PLACE:
            further.append(filled(FurtherContact, row, value=value))
        else:
            setattr(sealed, _PLACE_NAMES[row.place], value)
            preferred = _PLACE_NAMES[row.place] if row.is_preferred else preferred
    return sealed, further, preferred


def _cards(request: Request[Visitor, Any, Any], session: Session, member: Member) -> list[HeldCard]:
    visitor, references = request.user, request.app.state.references
    return [
        filled(
            HeldCard,
            row,
            card=visitor.card_number(row.card_number),
            card_reference=references.make(row.card_number),
            type_code=row.card_type,
            status=STATUS_WORDS.get(row.status, str(row.status)),
            balance_minor=visitor.held(row.balance_minor),
            points_hundredths=visitor.held(row.points_hundredths),
        )
        for row in cards_of(session, accounts_of(session, member.id))
    ]


def _figures(totals: Totals) -> MemberFigures:
    return filled(MemberFigures, totals)


def level_change(row: MemberLevelChange) -> LevelChange:
    """A change of a level."""
    return filled(LevelChange, row, time_ms=to_ms(row.time))


def contact_item(row: Any) -> Contact:
    """A talk."""
    return filled(Contact, row, time_ms=to_ms(row.time))


def _event(request: Request[Visitor, Any, Any], event: Event) -> MemberEvent:
    shown = MemberEvent(to_ms(event.time), event.kind)
    if event.kind == "entry":
        shown.entry = entry_item(entry_row(event.row, request.user, request.app.state.references))
    elif event.kind == "contact":
        shown.contact = contact_item(event.row)
    elif event.kind == "level":
        shown.level = level_change(event.row)
    else:
        shown.change = RecordChange(event.row.action, event.row.user_name)
    return shown


HANDLERS = [get_member, get_whole_member, list_events, get_served]
