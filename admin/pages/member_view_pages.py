"""The page with everything about one member: record, cards, figures, family, timeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.care.contacts import CHANNELS, CONTACT_KINDS, SATISFACTION_MAX
from admin.database import from_ms
from admin.documents.card_actions import member_actions_for
from admin.i18n import translate
from admin.lists.entries import entry_row
from admin.members import definitions
from admin.members.care import CHURN_STAGES, Event, timeline
from admin.members.definitions import STATES, codes_of, custom_fields, values_of
from admin.members.drafts import COLUMNS, DAYS, SECTIONS, labels_of
from admin.members.groups import groups_of_member
from admin.members.holdings import accounts_of, cards_of
from admin.members.identity import age_at, mask_id_number, show_day
from admin.members.levels import history_of, levels
from admin.members.records import (
    TRANSITIONS,
    mask,
    member_seen,
)
from admin.members.relations import secondaries_of
from admin.members.seals import Vault
from admin.members.today import today_of
from admin.members.totals import SOON_COUNTED, catch_up, date_before, totals_of
from admin.messaging.wishes import CHANNELS as WISH_CHANNELS
from admin.messaging.wishes import WILLING, wishes_of
from admin.models.members import (
    ChurnRecord,
    ContactKind,
    Member,
    MemberContact,
    MemberMerge,
    MemberRelative,
    MemberTag,
)
from admin.models.people import User
from admin.rights import Action
from admin.words import STATUS_TONES, STATUSES

from .common import PAGE_ROWS, is_part_wanted, page, with_query
from .consumption_pages import bought_by
from .handlers import get
from .member_common import member_rows, place_names, service_references

_ = str
YEAR_DAYS = 365
MOMENT_DIGITS_MAX = 15


@get("/members/{member_id:int}", guards=[needs("members")])
def show_member(request: Request[Visitor, Any, Any], member_id: FromPath[int], before: FromQuery[str] = "") -> Template:
    """The page with everything about one member."""
    return _whole_page(request, member_id, before, is_whole=False)


@get("/members/{member_id:int}/whole", guards=[needs("members", Action.SEE_UNMASKED)])
def show_whole(request: Request[Visitor, Any, Any], member_id: FromPath[int], before: FromQuery[str] = "") -> Template:
    """The same, with ID number, telephones and addresses whole; the look is noted."""
    return _whole_page(request, member_id, before, is_whole=True)


def _whole_page(request: Request[Visitor, Any, Any], member_id: int, before: str, *, is_whole: bool) -> Template:
    service, visitor = request.app.state.service, request.user
    catch_up(service.database, entries_max=SOON_COUNTED)
    is_moment = before.isascii() and before.isdecimal() and len(before) <= MOMENT_DIGITS_MAX
    until = from_ms(int(before)) if is_moment else None
    with service.database.read() as session:
        member = member_seen(session, visitor, member_id)
        if member is None:
            raise NotFoundException(detail="There is no such member.")
        today = today_of(session, service)
        numbers = accounts_of(session, member.id)
        events = timeline(session, member, numbers, until, PAGE_ROWS)
        more = len(events) > PAGE_ROWS
        shown_events = [_event(request, session, event) for event in events[:PAGE_ROWS]]
        address = f"/members/{member_id}/whole" if is_whole else f"/members/{member_id}"
        last_ms = int(events[PAGE_ROWS - 1].time.timestamp() * 1000) if more else 0
        listing: dict[str, Any] = {
            "events": shown_events,
            "contact_kinds_all": CONTACT_KINDS,
            "channels_all": CHANNELS,
            "all_level_names": {level.id: level.name for level in levels(session)},
            "is_first": not before,
            "next_address": with_query(address, {"before": last_ms}) if more else None,
        }
        if is_part_wanted(request):
            return page(request, "_member_events.html", **listing)
        context = _member_context(request, session, member, numbers, today, is_whole=is_whole)
        context["bought"] = bought_by(request, session, member.id)
        session.expunge_all()
    if is_whole:
        service.audit.looked(visitor, "members", f"member {member_id}")
    return page(request, "member.html", **context, **listing)


def _member_context(
    request: Request[Visitor, Any, Any],
    session: Session,
    member: Member,
    numbers: Sequence[int],
    today: date,
    *,
    is_whole: bool,
) -> dict[str, Any]:
    state, visitor = request.app.state, request.user
    vault = Vault(state.service)
    found = cards_of(session, numbers)
    deeds: dict[str, list[tuple[str, str]]] = {}
    if visitor.may("cards", Action.CHANGE):
        for row in found:
            reference = state.references.make(row.card_number)
            deeds[reference] = member_actions_for(visitor, row, reference, member.id)
    cards = [
        {
            "reference": state.references.make(row.card_number),
            "number": visitor.card_number(row.card_number),
            "type": row.type_name or row.card_type,
            "status": row.status,
            "balance_minor": visitor.held(row.balance_minor),
            "points_hundredths": visitor.held(row.points_hundredths),
            "expiry_date": row.expiry_date,
        }
        for row in found
    ]
    churn = session.scalars(select(ChurnRecord).where(ChurnRecord.member_id == member.id)).all()
    merges = session.scalars(select(MemberMerge).where(MemberMerge.survivor_id == member.id)).all()
    relatives = session.scalars(select(MemberRelative).where(MemberRelative.member_id == member.id)).all()
    primary = session.get(Member, member.primary_id) if member.primary_id else None
    return {
        "member": member,
        "is_whole": is_whole,
        "age": age_at(member.birth_date, today),
        "level_names": {level.id: level.name for level in levels(session)},
        "sections": shown_sections(session, vault, member, is_whole=is_whole),
        "further_contacts": _contacts(session, vault, member, is_whole=is_whole),
        "wish": wishes_of(session, [member.id]).get(member.id),
        "willing_words": WILLING,
        "wish_channels": WISH_CHANNELS,
        "reach": _reach(session, vault, member) if is_whole else [],
        "cards": cards,
        "card_deeds": deeds if any(deeds.values()) else {},
        "card_references": [card["reference"] for card in cards],
        "statuses": STATUSES,
        "status_tones": STATUS_TONES,
        "totals": totals_of(session, numbers),
        "year": totals_of(session, numbers, from_date=date_before(today, YEAR_DAYS)),
        "tags": sorted(session.scalars(select(MemberTag.tag).where(MemberTag.member_id == member.id))),
        "groups": groups_of_member(session, visitor, member.id, today),
        "history": history_of(session, member.id),
        "levels": levels(session),
        "primary": primary,
        "secondaries": secondaries_of(session, member.id),
        "relations": codes_of(session, "relation"),
        "relatives": [(one, show_day(one.birth_date), age_at(one.birth_date, today)) for one in relatives],
        "churn": churn,
        "churn_kinds": codes_of(session, "churn"),
        "churn_stages": CHURN_STAGES,
        "merges": merges,
        "states": STATES,
        "tones": definitions.STATE_TONES,
        "next_states": [one for one in TRANSITIONS[member.state] if one in STATES],
        "contact_kinds": CONTACT_KINDS,
        "channels": CHANNELS,
        "satisfaction_max": SATISFACTION_MAX,
        "today": today.isoformat(),
    }


def shown_sections(
    session: Session, vault: Vault, member: Member, *, is_whole: bool
) -> list[tuple[str, list[tuple[str, str]]]]:
    """(section, (label, text) of what is filled in) for reading."""
    labels = labels_of()
    texts = _field_texts(session, vault, member, is_whole=is_whole)
    sections = [
        (label, [(labels[name], texts[name]) for name in names if texts.get(name)]) for label, names in SECTIONS
    ]
    fields = custom_fields(session)
    own = values_of(session, [member.id], fields).get(member.id, {})
    sections.append((_("Own fields"), [(field.name, own[field.key]) for field in fields if field.key in own]))
    return [(label, rows) for label, rows in sections if rows]


def _field_texts(session: Session, vault: Vault, member: Member, *, is_whole: bool) -> dict[str, str]:
    texts = {name: str(getattr(member, name) or "") for name in COLUMNS}
    for name in DAYS:
        texts[name] = show_day(getattr(member, name))
    for name, names in (
        ("kind", definitions.KINDS),
        ("sex", definitions.SEXES),
        ("marital", definitions.MARITAL),
        ("id_kind", definitions.ID_KINDS),
        ("source", definitions.SOURCES),
    ):
        texts[name] = translate(names.get(getattr(member, name), ""))
    for name, table in (
        ("education", "education"),
        ("occupation", "occupation"),
        ("industry", "industry"),
        ("region", "region"),
        ("member_class", "class"),
        ("detail_class", "detail-class"),
    ):
        code = getattr(member, name)
        texts[name] = codes_of(session, table).get(code, str(code)) if code else ""
        if name in ("region", "industry") and code:
            texts[name] = f"{code} {texts[name]}"
    interests = codes_of(session, "interest")
    texts["interests"] = ", ".join(text for code, text in interests.items() if member.interests >> code & 1)
    texts["organisation_id"] = place_names(session).get(member.organisation_id, "") or translate("Whole group")
    manager = session.get(User, member.manager_id) if member.manager_id else None
    texts["manager_id"] = manager.full_name if manager else ""
    if member.id_sealed:
        number = vault.id_number(member.id, member.id_sealed)
        texts["id_number"] = number if is_whole else mask_id_number(number)
    for row in session.scalars(select(MemberContact).where(MemberContact.member_id == member.id)):
        field_name = {1: "mobile", 2: "phone", 3: "email"}.get(row.place)
        if field_name:
            value = vault.contact(member.id, row.place, row.value_sealed)
            texts[field_name] = value if is_whole else mask(row.kind, value)
            if row.is_preferred:
                texts["preferred"] = translate(labels_of()[field_name])
    return texts


def _reach(session: Session, vault: Vault, member: Member) -> list[tuple[str, str, str]]:
    """(kind, number or address, address of a link that calls or writes) of all contacts, the preferred first."""
    query = select(MemberContact).where(MemberContact.member_id == member.id)
    found = []
    for row in session.scalars(query.order_by(MemberContact.is_preferred.desc(), MemberContact.place)):
        value = vault.contact(member.id, row.place, row.value_sealed)
        scheme = "mailto" if row.kind == ContactKind.EMAIL else "tel"
        found.append((row.kind, value, f"{scheme}:{quote(value, safe='@+')}"))
    return found


def _contacts(session: Session, vault: Vault, member: Member, *, is_whole: bool) -> list[tuple[MemberContact, str]]:
    query = select(MemberContact).where(MemberContact.member_id == member.id, MemberContact.place > 3)
    found = []
    for row in session.scalars(query.order_by(MemberContact.place)):
        value = vault.contact(member.id, row.place, row.value_sealed)
        found.append((row, value if is_whole else mask(row.kind, value)))
    return found


def _event(request: Request[Visitor, Any, Any], session: Session, event: Event) -> dict[str, Any]:
    """An event of the timeline, ready to show."""
    shown: dict[str, Any] = {"time": event.time, "kind": event.kind, "row": event.row}
    if event.kind == "entry":
        shown["entry"] = entry_row(event.row, request.user, request.app.state.references)
    else:
        user = session.get(User, event.row.user_id) if event.row.user_id else None
        shown["user"] = user.full_name if user else ""
    return shown


@get("/members/served/{reference:str}", guards=[needs("members")])
def show_served(request: Request[Visitor, Any, Any], reference: FromPath[str]) -> Template:
    """A member of another store, to be served: name, level, cards, what to mind; nothing can be changed."""
    service, visitor = request.app.state.service, request.user
    member_id = service_references(request).read(reference)
    with service.database.read() as session:
        member = session.get(Member, member_id) if member_id else None
        if member is None:
            raise NotFoundException(detail="There is no such member.")
        vault = Vault(service)
        numbers = accounts_of(session, member.id)
        row = member_rows(session, vault, [member])[0]
        preferences = member.preferences
        held = [
            (visitor.card_number(card.card_number), card.type_name or card.card_type, card.status, card.balance_minor)
            for card in cards_of(session, numbers)
        ]
        points = sum(card.points_hundredths or 0 for card in cards_of(session, numbers))
        name = member.name
    service.audit.looked(visitor, "members", f"member {member_id}")
    return page(
        request,
        "member_served.html",
        row=row,
        name=name,
        held=held,
        points=points,
        preferences=preferences,
        statuses=STATUSES,
        states=STATES,
        tones=definitions.STATE_TONES,
    )


HANDLERS: list[Any] = [show_member, show_whole, show_served]
