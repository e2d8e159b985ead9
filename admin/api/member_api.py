"""Members: found, looked at, added, changed; one by one or many with an answer for each."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import FromPath, JSONBody, QueryParameter

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.i18n import translate
from admin.members.definitions import custom_fields, read_value
from admin.members.drafts import MemberForm, draft_of
from admin.members.records import (
    NUMBER_MAX,
    add_member,
    change_member,
    delete_member,
    member_seen,
    set_state,
    set_tags,
)
from admin.members.seals import Vault
from admin.members.search import conditions_of, list_members, served_elsewhere
from admin.members.today import today_of
from admin.members.totals import SOON_COUNTED, catch_up
from admin.models.members import TAG_LENGTH_MAX, Member, MemberState, MemberValue
from admin.pages.member_common import MemberRow, member_rows, service_references
from admin.references import References
from admin.rights import Action
from admin.service import Service

from .bodies import body_of, checked, form_handler, invalid, takes
from .handlers import Done, Key, Limit, Text, api_delete, api_get, api_post, api_put, filled
from .problems import Fault

TAG = "Members"
NO_ZERO = r"^[^\x00]*$"
BATCH_MAX = 500
"""Members of one request; a file has more."""
CHANGES = [needs("members", Action.CHANGE)]
Word = Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)]
ClassCode = Annotated[str, QueryParameter(name="class", max_length=200, pattern=NO_ZERO)]
OwnFields = dict[str, Annotated[str, msgspec.Meta(max_length=2_000, pattern=NO_ZERO)]]
"""Values of the installation's own fields by their key (see GET /api/v1/member-fields)."""
Reason = Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)]


class MemberItem(msgspec.Struct):
    """A member as the list shows it."""

    id: int
    name: str
    state: str
    """pending, active, churned, merged or closed"""
    level: str
    phone: str
    """Masked."""
    owner: str
    card_count: int
    birthday: str
    reference: str
    """Only of a member of another part of the organisation: GET /api/v1/members/served/REFERENCE."""


class MembersFound(msgspec.Struct):
    """A page of members, and those of other parts of the organisation whom a whole number names."""

    rows: list[MemberItem]
    next: str | None
    elsewhere: list[MemberItem]


class MemberFilters(msgspec.Struct, forbid_unknown_fields=True, rename={"class_": "class"}):
    """What members have in common; codes and numbers as texts, empty: any."""

    state: Word = ""
    level: Word = ""
    class_: Word = ""
    region: Word = ""
    industry: Word = ""
    source: Word = ""
    organisation: Word = ""
    tag: Word = ""
    group: Word = ""

    def as_texts(self) -> dict[str, str]:
        """By the names that conditions know."""
        return {name.rstrip("_"): text for name, text in msgspec.structs.asdict(self).items()}


class MemberSearch(msgspec.Struct, forbid_unknown_fields=True):
    """Words as they are typed; they are in the body, for addresses are logged."""

    text: Annotated[
        str,
        msgspec.Meta(
            max_length=200,
            pattern=NO_ZERO,
            description="A name or its beginning, pinyin or its initials, a member number, a telephone or its last"
            " four digits, an ID number, a card number.",
        ),
    ] = ""
    filters: MemberFilters = msgspec.field(default_factory=MemberFilters)
    after: Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """Members to be added; each is taken or refused for itself."""

    rows: Annotated[
        list[dict[str, Any]],
        msgspec.Meta(min_length=1, max_length=BATCH_MAX, description="Each as the body of POST /api/v1/members."),
    ]


class BatchRow(msgspec.Struct):
    """What became of one row."""

    row: int
    """Place in the request; the first is 1."""
    is_accepted: bool
    member_id: int
    """Number of the new member; 0: refused."""
    faults: list[Fault]
    """What is wrong with which field."""
    detail: str
    """Why it was refused as a whole; empty otherwise."""


class BatchAnswer(msgspec.Struct):
    """What became of each row."""

    accepted_count: int
    rejected_count: int
    rows: list[BatchRow]


class StateChange(msgspec.Struct, forbid_unknown_fields=True):
    """Another state: active verifies a pending one, churned and closed end, active brings back."""

    state: Annotated[str, msgspec.Meta(max_length=20, pattern=NO_ZERO)]
    reason: Reason = ""


class Tags(msgspec.Struct, forbid_unknown_fields=True):
    """The words that a member carries, in place of those that are there."""

    tags: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=TAG_LENGTH_MAX, pattern=NO_ZERO)]], msgspec.Meta(max_length=50)
    ]


_OWN: list[tuple[Any, ...]] = [
    ("own_fields", OwnFields, msgspec.field(default_factory=dict)),
    ("accepts_phone", Annotated[bool, msgspec.Meta(description="Two persons share the mobile phone.")], False),
]
NewMember = body_of(
    MemberForm,
    "NewMember",
    "A member; what is left out is empty.",
    more=[
        *_OWN,
        ("member_number", Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX, description="0: the next one.")], 0),
        ("is_pending", Annotated[bool, msgspec.Meta(description="Waits until somebody verifies it.")], False),
    ],
)
MemberChange = body_of(
    MemberForm,
    "MemberChange",
    "All of a record; what stays is sent as it is, but sealed fields that are left empty stay and `-` removes them.",
    more=[
        (
            "version",
            Annotated[
                int,
                msgspec.Meta(ge=0, le=2**31 - 1, description="Of the record as it was read."),
            ],
        ),
        *_OWN,
    ],
)


@api_get("/api/v1/members", guards=[needs("members")], tag=TAG)
def list_all(
    request: Request[Visitor, Any, Any],
    stage: Text = "",
    level: Text = "",
    class_: ClassCode = "",
    region: Text = "",
    industry: Text = "",
    source: Text = "",
    organisation: Text = "",
    tag: Text = "",
    group: Text = "",
    after: Key = "",
    limit: Limit = 50,
) -> MembersFound:
    """Members by number, under filters; `stage` is a state."""
    filters = MemberFilters(stage, level, class_, region, industry, source, organisation, tag, group)
    return _found(request, MemberSearch("", filters, after, limit))


@api_post("/api/v1/members/search", guards=[needs("members")], tag=TAG, status=200)
def search(request: Request[Visitor, Any, Any], data: JSONBody[MemberSearch]) -> MembersFound:
    """Members by number, name, pinyin, telephone, ID number or card, as the page finds them while typing."""
    return _found(request, data)


def _make(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Add a member; with `is_pending` it waits until somebody verifies it, such as one who registers himself."""
    return Done(str(_add(request, data)))


def _put(request: Request[Visitor, Any, Any], member_id: FromPath[int], data: Any) -> Done:
    """Change a record; a sealed field that is left empty stays, `-` removes it."""
    existing(request, member_id)
    form, values = _read(request, data)
    change_member(
        request.app.state.service,
        request.user,
        member_id,
        draft_of(form, values),
        version=data.version,
        accepts_phone=data.accepts_phone,
    )
    return Done(str(member_id))


make_member = takes(
    api_post("/api/v1/members", guards=[needs("members", Action.ADD)], tag=TAG, pages=("POST /members/new",)),
    _make,
    NewMember,
)
put_member = takes(
    api_put(
        "/api/v1/members/{member_id:int}",
        guards=CHANGES,
        tag=TAG,
        pages=("GET /members/{member_id}/edit", "POST /members/{member_id}/edit"),
    ),
    _put,
    MemberChange,
)
get_member_form = form_handler(
    "/api/v1/members/form", MemberForm, guards=[needs("members", Action.ADD)], tag=TAG, pages=("GET /members/new",)
)


@api_post("/api/v1/members/batch", guards=[needs("members", Action.ADD)], tag=TAG, status=200)
def make_members(request: Request[Visitor, Any, Any], data: JSONBody[Batch]) -> BatchAnswer:
    """Add many members, each for itself: the answer says of every row whether it was taken, and if not, why."""
    rows = [_add_row(request, place, row) for place, row in enumerate(data.rows, 1)]
    accepted = sum(row.is_accepted for row in rows)
    return BatchAnswer(accepted, len(rows) - accepted, rows)


@api_post("/api/v1/members/{member_id:int}/state", guards=CHANGES, tag=TAG, status=200)
def put_state(request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[StateChange]) -> Done:
    """Verify, lose, win back or close a member."""
    existing(request, member_id)
    set_state(request.app.state.service, request.user, member_id, data.state, data.reason)
    return Done(str(member_id))


@api_post("/api/v1/members/{member_id:int}/tags", guards=CHANGES, tag=TAG, status=200)
def put_tags(request: Request[Visitor, Any, Any], member_id: FromPath[int], data: JSONBody[Tags]) -> Done:
    """Put tags on a member."""
    existing(request, member_id)
    set_tags(request.app.state.service, request.user, member_id, data.tags, length_max=TAG_LENGTH_MAX)
    return Done(str(member_id))


@api_delete(
    "/api/v1/members/{member_id:int}",
    guards=[needs("members", Action.DELETE)],
    tag=TAG,
    pages=("POST /members/{member_id}/delete",),
)
def end_member(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> None:
    """Delete a record that has no cards; others are closed."""
    existing(request, member_id)
    delete_member(request.app.state.service, request.user, member_id)


def existing(request: Request[Visitor, Any, Any], member_id: int) -> None:
    """Go on only with a member of the visitor's part of the organisation."""
    with request.app.state.service.database.read() as session:
        if member_seen(session, request.user, member_id) is None:
            raise NotFoundException(detail="There is no such member.")


def today(request: Request[Visitor, Any, Any]) -> Any:
    """The day that members' dates are counted from."""
    service = request.app.state.service
    with service.database.read() as session:
        return today_of(session, service)


def item(row: MemberRow, references: References | None = None) -> MemberItem:
    """A member of a list."""
    return filled(MemberItem, row, reference=references.make(row.id) if references else "")


def _found(request: Request[Visitor, Any, Any], wanted: MemberSearch) -> MembersFound:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        vault = Vault(service)
        conditions = conditions_of(session, visitor, wanted.filters.as_texts(), today_of(session, service))
        found = list_members(session, vault, visitor, wanted.text, conditions, wanted.after, wanted.limit)
        rows = member_rows(session, vault, found.members)
        is_named = bool(wanted.text) and not wanted.after
        elsewhere: list[Member] = served_elsewhere(session, vault, visitor, wanted.text) if is_named else []
        foreign = member_rows(session, vault, elsewhere)
    references = service_references(request)
    return MembersFound([item(row) for row in rows], found.cursor or None, [item(row, references) for row in foreign])


def _read(request: Request[Visitor, Any, Any], data: Any) -> tuple[MemberForm, list[MemberValue]]:
    form = checked(request, MemberForm, data)
    with request.app.state.service.database.read() as session:
        known = {field.key: field for field in custom_fields(session, offered_only=True)}
    values = []
    for key, text in data.own_fields.items():
        if key not in known:
            raise invalid(f"own_fields.{key[:40]}", f"Expected one of {', '.join(known) or 'none'}.")
        if text.strip():
            try:
                values.append(read_value(known[key], text))
            except RefusedError as error:
                raise invalid(f"own_fields.{key}", translate(error.message).format(**error.values)) from None
    return form, values


def _add(request: Request[Visitor, Any, Any], data: Any) -> int:
    form, values = _read(request, data)
    service: Service = request.app.state.service
    return add_member(
        service,
        request.user,
        draft_of(form, values),
        number=data.member_number,
        state=MemberState.PENDING if data.is_pending else MemberState.ACTIVE,
        accepts_phone=data.accepts_phone,
    )


def _add_row(request: Request[Visitor, Any, Any], place: int, row: dict[str, Any]) -> BatchRow:
    faults: list[Fault] = []
    detail = ""
    try:
        return BatchRow(place, True, _add(request, msgspec.convert(row, NewMember)), [], "")
    except msgspec.ValidationError as error:
        detail = str(error)
    except ValidationException as error:
        extra = error.extra if isinstance(error.extra, list) else []
        faults = [Fault(str(one["key"]), str(one["message"])) for one in extra]
    except RefusedError as error:
        detail = translate(error.message).format(**error.values)
    return BatchRow(place, False, 0, faults, detail)


def catch_up_figures(request: Request[Visitor, Any, Any]) -> None:
    """Bring members' figures up to date, before they are shown."""
    catch_up(request.app.state.service.database, entries_max=SOON_COUNTED)


HANDLERS = [
    list_all,
    search,
    make_member,
    put_member,
    get_member_form,
    make_members,
    put_state,
    put_tags,
    end_member,
]
