"""Looking after members: family, further contacts, levels by hand, talks, churn, birthdays, merging two records."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.params import FromPath, JSONBody, QueryParameter

from admin.access import Visitor, needs
from admin.care import contacts
from admin.errors import RefusedError
from admin.members import care
from admin.members.further import put_contact
from admin.members.identity import read_day
from admin.members.levels import held_until_of, set_level
from admin.members.merging import Moved, merge, pair, planned, undo
from admin.members.relations import move_secondaries, put_relative, set_primary
from admin.members.seals import Vault
from admin.members.today import today_of
from admin.models.members import NAME_LENGTH_MAX, NOTE_LENGTH_MAX
from admin.pages.member_common import member_rows
from admin.rights import Action

from .handlers import Done, Limit, Number, Page, SmallNumber, Text, api_delete, api_get, api_post, filled, page_of
from .member_api import MemberItem, catch_up_figures, existing, item, today
from .member_view_api import Churn, Contact, contact_item

TAG = "Care of members"
NO_ZERO = r"^[^\x00]*$"
CHANGES = [needs("members", Action.CHANGE)]
DAYS_AHEAD_MAX = 62
Word = Annotated[str, msgspec.Meta(max_length=20, pattern=NO_ZERO)]
Short = Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)]
Long = Annotated[str, msgspec.Meta(max_length=NOTE_LENGTH_MAX, pattern=NO_ZERO)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Code = Annotated[int, msgspec.Meta(ge=0, le=999_999)]
Day = Annotated[str, msgspec.Meta(max_length=11, pattern=NO_ZERO, description="Such as 2026-01-31; empty: none.")]
Days = Annotated[int, QueryParameter(ge=1, le=DAYS_AHEAD_MAX)]


class PrimaryChange(msgspec.Struct, forbid_unknown_fields=True):
    """Whom a member belongs to."""

    primary: Count
    """0: to nobody."""
    relation: Code = 0


class SecondariesMove(msgspec.Struct, forbid_unknown_fields=True):
    """Whom all secondaries of a member belong to from now on."""

    primary: Count


class RelativeChange(msgspec.Struct, forbid_unknown_fields=True):
    """A person of the household; without a name one that is there goes."""

    relative: Count = 0
    """0: a new one."""
    name: Annotated[str, msgspec.Meta(max_length=NAME_LENGTH_MAX, pattern=NO_ZERO)] = ""
    relation: Code = 0
    birth_date: Day = ""


class ContactPoint(msgspec.Struct, forbid_unknown_fields=True):
    """A further telephone or address; a place without a value takes the one there away."""

    place: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    """0: a new one."""
    kind: Word = ""
    """mobile, phone, email"""
    value: Short = ""
    note: Short = ""


class LevelByHand(msgspec.Struct, forbid_unknown_fields=True):
    """A level, and until when the rules leave it alone."""

    reason: Short
    level: Count = 0
    """0: none."""
    held_until: Day = ""


class NewContact(msgspec.Struct, forbid_unknown_fields=True):
    """A talk with a member."""

    kind: Word
    """talk, complaint, suggestion, visit, need, survey, gift"""
    channel: Word
    """store, telephone, message, web, letter"""
    content: Long
    result: Long = ""
    is_incoming: bool = True
    satisfaction: Annotated[int, msgspec.Meta(ge=0, le=5)] = 0
    """0: not asked."""
    is_open: bool = False
    next_date: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    """Business date of the next contact, which becomes a task; 0: none."""


class ContactResult(msgspec.Struct, forbid_unknown_fields=True):
    """What came of a talk."""

    result: Long


class ContactOfMember(msgspec.Struct):
    """A talk, and whom with."""

    contact: Contact
    member: str


class ChurnChange(msgspec.Struct, forbid_unknown_fields=True):
    """That a member stays away, or what became of it."""

    stage: Word
    """candidate, confirmed, win-back, recovered, lost"""
    churn: Count = 0
    """0: a new record."""
    kind: Code = 0
    product: Annotated[str, msgspec.Meta(max_length=80, pattern=NO_ZERO)] = ""
    reason: Short = ""
    action: Long = ""
    result: Long = ""


class ChurnOfMember(msgspec.Struct):
    """A record of churn, and whose."""

    churn: Churn
    member: str
    region: int


class Silence(msgspec.Struct, forbid_unknown_fields=True):
    """For how long somebody did not buy."""

    days: Annotated[int, msgspec.Meta(ge=1, le=3_660)]


class DayToRemember(msgspec.Struct):
    """A birthday or an anniversary."""

    day: str
    what: str
    """birthday, anniversary, relative"""
    name: str
    """Who has it: the member or a relative."""
    years: int
    member_id: int
    member: str
    phone: str
    """Masked."""


class MergeAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Another record of the same person: it ends, and this one takes what it has."""

    other: Count
    reason: Short = ""


class MergePlan(msgspec.Struct):
    """What merging would move to the record that stays."""

    survivor: MemberItem
    merged: MemberItem
    cards: int
    secondaries: int
    talks: int
    relatives: int
    churn: int
    contacts: int
    tags: list[str]
    groups: list[int]
    filled: list[str]
    """Fields that were empty and take the other record's value."""


@api_post("/api/v1/members/{member_id:int}/primary", guards=CHANGES, tag=TAG, status=200)
def put_primary(request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[PrimaryChange]) -> Done:
    """Put a member under a primary one, or on its own."""
    existing(request, member_id)
    set_primary(request.app.state.service, request.user, member_id, data.primary or None, data.relation)
    return Done(str(member_id))


@api_post("/api/v1/members/{member_id:int}/secondaries", guards=CHANGES, tag=TAG, status=200)
def put_secondaries(
    request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[SecondariesMove]
) -> Done:
    """Give all secondaries of a member another primary one."""
    existing(request, member_id)
    move_secondaries(request.app.state.service, request.user, member_id, data.primary)
    return Done(str(member_id))


@api_post("/api/v1/members/{member_id:int}/relatives", guards=CHANGES, tag=TAG, status=200)
def change_relative(
    request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[RelativeChange]
) -> Done:
    """Note a person of the household, change or remove it."""
    existing(request, member_id)
    born = read_day(data.birth_date)
    if data.birth_date.strip() and not born:
        raise RefusedError("A date such as 1990-05-31 is expected.")
    put_relative(
        request.app.state.service,
        request.user,
        member_id,
        data.relative or None,
        name=data.name,
        relation=data.relation,
        birth_date=born,
    )
    return Done(str(member_id))


@api_post("/api/v1/members/{member_id:int}/contact-points", guards=CHANGES, tag=TAG, status=200)
def change_contact_point(
    request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[ContactPoint]
) -> Done:
    """Add a further telephone or address, or remove one."""
    existing(request, member_id)
    put_contact(
        request.app.state.service,
        request.user,
        member_id,
        place=data.place,
        kind=data.kind,
        text=data.value,
        note=data.note,
    )
    return Done(str(member_id))


@api_post("/api/v1/members/{member_id:int}/level", guards=CHANGES, tag=TAG, status=200)
def put_level_by_hand(
    request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[LevelByHand]
) -> Done:
    """Give a level by hand."""
    existing(request, member_id)
    held_until = held_until_of(data.held_until, today(request))
    level = data.level or None
    set_level(request.app.state.service, request.user, member_id, level, reason=data.reason, held_until=held_until)
    return Done(str(member_id))


@api_get("/api/v1/member-contacts", guards=[needs("members")], tag=TAG)
def list_contacts(
    request: Request[Visitor, Any, Any],
    kind: Text = "",
    channel: Text = "",
    stage: Text = "",
    q: Text = "",
    member: Number = None,
    from_date: SmallNumber = None,
    until_date: SmallNumber = None,
    before: Number = None,
    limit: Limit = 50,
) -> Page[ContactOfMember]:
    """Talks with members, newest first; `stage` is open or closed, `q` words of what was said or came of it."""
    wanted = contacts.Wanted(kind, channel, stage, q, member or 0, from_date or 0, until_date or 0)
    with request.app.state.service.database.read() as session:
        rows = contacts.contacts_page(session, request.user, wanted, before=before, limit=limit)
        return page_of(
            rows, limit, lambda row: ContactOfMember(contact_item(row[0]), row[1].name), lambda row: row[0].id
        )


@api_post("/api/v1/members/{member_id:int}/contacts", guards=CHANGES, tag=TAG)
def make_contact(request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[NewContact]) -> Done:
    """Note a talk."""
    existing(request, member_id)
    values = msgspec.structs.asdict(data)
    return Done(str(contacts.add_contact(request.app.state.service, request.user, member_id, **values)))


@api_post("/api/v1/member-contacts/{contact_id:int}/close", guards=CHANGES, tag=TAG, status=200)
def close_contact(
    request: Request[Visitor, Any, Any], contact_id: FromPath[int], data: JSONBody[ContactResult]
) -> Done:
    """Note what came of an open talk."""
    return Done(str(contacts.close_contact(request.app.state.service, request.user, contact_id, data.result)))


@api_get("/api/v1/member-churn", guards=[needs("members")], tag=TAG)
def list_churn(
    request: Request[Visitor, Any, Any],
    stage: Text = "",
    kind: SmallNumber = None,
    region: SmallNumber = None,
    product: Text = "",
    before: Number = None,
    limit: Limit = 50,
) -> Page[ChurnOfMember]:
    """Records of churn, newest first."""
    with request.app.state.service.database.read() as session:
        rows = care.churn_page(
            session,
            request.user,
            stage=stage,
            kind=kind,
            region=region,
            product=product,
            before=before,
            limit=limit,
        )

        def one(row: Any) -> ChurnOfMember:
            return ChurnOfMember(filled(Churn, row[0]), row[1].name, row[1].region)

        return page_of(rows, limit, one, lambda row: row[0].id)


@api_post("/api/v1/members/{member_id:int}/churn", guards=CHANGES, tag=TAG, status=200)
def put_churn(request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[ChurnChange]) -> Done:
    """Note that a member stays away, or what became of it."""
    existing(request, member_id)
    values = msgspec.structs.asdict(data)
    churn_id = values.pop("churn") or None
    return Done(str(care.put_churn(request.app.state.service, request.user, member_id, churn_id, **values)))


@api_delete(
    "/api/v1/member-churn/{churn_id:int}",
    guards=[needs("members", Action.DELETE)],
    tag=TAG,
    pages=("POST /member-churn/{churn_id}/delete",),
)
def end_churn(request: Request[Visitor, Any, Any], churn_id: FromPath[int]) -> None:
    """Remove a record of churn that was a mistake."""
    care.delete_churn(request.app.state.service, request.user, churn_id)


@api_post("/api/v1/member-churn/find", guards=CHANGES, tag=TAG, status=200)
def find_churn(request: Request[Visitor, Any, Any], data: JSONBody[Silence]) -> Done:
    """Suspect all who did not buy for some time; how many are new."""
    catch_up_figures(request)
    found = care.find_churn(request.app.state.service, request.user, today(request), data.days)
    return Done(str(found))


@api_get("/api/v1/member-days", guards=[needs("members")], tag=TAG)
def list_days(request: Request[Visitor, Any, Any], days: Days = 7) -> list[DayToRemember]:
    """Birthdays and anniversaries of the next days."""
    service = request.app.state.service
    with service.database.read() as session:
        found = care.anniversaries(session, request.user, today_of(session, service), days)
        phones = {row.id: row.phone for row in member_rows(session, Vault(service), [one.member for one in found])}
        return [
            DayToRemember(
                one.day.isoformat(),
                one.what,
                one.name,
                one.years,
                one.member.id,
                one.member.name,
                phones.get(one.member.id, ""),
            )
            for one in found
        ]


@api_get("/api/v1/members/{member_id:int}/merge", guards=CHANGES, tag=TAG)
def plan_merge(
    request: Request[Visitor, Any, Any],
    member_id: FromPath[int],
    other: Annotated[int, QueryParameter(ge=1, le=2**53 - 1)],
) -> MergePlan:
    """What merging another record into this one would do."""
    existing(request, member_id)
    service = request.app.state.service
    with service.database.read() as session:
        vault = Vault(service)
        survivor, merged = pair(session, request.user, member_id, other)
        moved: Moved = planned(session, vault, survivor, merged)
        rows = member_rows(session, vault, [survivor, merged])
    return MergePlan(
        survivor=item(rows[0]),
        merged=item(rows[1]),
        cards=len(moved.accounts),
        secondaries=len(moved.secondaries),
        talks=len(moved.contact_entries),
        relatives=len(moved.relatives),
        churn=len(moved.churns),
        contacts=len(moved.contact_places),
        tags=moved.tags,
        groups=moved.groups,
        filled=moved.filled,
    )


@api_post("/api/v1/members/{member_id:int}/merge", guards=CHANGES, tag=TAG, status=200)
def merge_members(request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[MergeAsked]) -> Done:
    """Merge another record into this one; the answer names the merge, to be taken back by."""
    existing(request, member_id)
    return Done(str(merge(request.app.state.service, request.user, member_id, data.other, data.reason)))


@api_post("/api/v1/member-merges/{merge_id:int}/undo", guards=CHANGES, tag=TAG, status=200)
def undo_merge(request: Request[Visitor, Any, Any], merge_id: FromPath[int]) -> Done:
    """Take a merge back; the answer names the record that lives again."""
    return Done(str(undo(request.app.state.service, request.user, merge_id)))


HANDLERS = [
    put_primary,
    put_secondaries,
    change_relative,
    change_contact_point,
    put_level_by_hand,
    list_contacts,
    make_contact,
    close_contact,
    list_churn,
    put_churn,
    end_churn,
    find_churn,
    list_days,
    plan_merge,
    merge_members,
    undo_merge,
]
