"""Groups of members, levels, own fields and code tables."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from sqlalchemy import func, select

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.exports.jobs import is_for_a_job
from admin.exports.kinds import AT_ONCE_MEMBERS_MAX
from admin.i18n import translate
from admin.members.conditions import TERMS_MAX, Condition, Term, compiled, in_words, query_fields
from admin.members.definitions import CODE_TABLES, custom_fields, put_code, put_field
from admin.members.groups import (
    condition_of,
    count_of,
    delete_group,
    freeze_group,
    group_seen,
    groups_seen,
    members_of_group,
    put_in_list,
    save_group,
)
from admin.members.level_form import LevelForm
from admin.members.levels import levels, preview, put_level, run
from admin.members.today import today_of
from admin.models.members import NAME_LENGTH_MAX, Member, MemberCode, MemberGroup, MemberLevel
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Option, api_delete, api_get, api_post, api_put, filled
from .member_api import catch_up_figures, today

TAG = "Member settings"
NO_ZERO = r"^[^\x00]*$"
GROUPS_MAX = 200
CHANGES = [needs("members", Action.CHANGE)]
DEFINES = [needs("member-settings", Action.CHANGE)]
Name = Annotated[str, msgspec.Meta(max_length=NAME_LENGTH_MAX, pattern=NO_ZERO)]
Note = Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)]
Code = Annotated[int, msgspec.Meta(ge=0, le=999_999)]
Part = Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)]


class Comparison(msgspec.Struct, forbid_unknown_fields=True):
    """One comparison; GET /api/v1/member-groups/fields says which there are."""

    field: Part
    operator: Part
    value: Part = ""


class GroupCondition(msgspec.Struct, forbid_unknown_fields=True):
    """What members of a group have in common."""

    terms: Annotated[list[Comparison], msgspec.Meta(max_length=TERMS_MAX)]
    mode: Part = "all"
    """all or any"""

    def read(self) -> Condition:
        """As groups keep it."""
        return Condition([Term(one.field, one.operator, one.value) for one in self.terms], self.mode)


class GroupChange(msgspec.Struct, forbid_unknown_fields=True):
    """A group: a list, or a condition that is asked each time."""

    name: Name
    note: Note = ""
    condition: GroupCondition | None = None
    """null: a list."""


class GroupItem(msgspec.Struct):
    """A group."""

    id: int
    name: str
    note: str
    organisation_id: int
    is_list: bool
    words: list[str]
    """The condition in words."""
    frozen_from_id: int | None
    """Group whose members were written down."""


class GroupDetails(msgspec.Struct):
    """A group, and how many members of the visitor's part it has now; GET /api/v1/members?group=ID lists them."""

    group: GroupItem
    condition: GroupCondition | None
    count: int


class MemberCount(msgspec.Struct):
    """How many members a condition finds now."""

    count: int


class QueryFieldItem(msgspec.Struct):
    """A field that conditions may ask."""

    key: str
    label: str
    kind: str
    operators: list[Option]
    choices: list[Option]


class ListChange(msgspec.Struct, forbid_unknown_fields=True):
    """Members to be put on a list or taken off."""

    members: Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]], msgspec.Meta(max_length=10_000)]
    is_member: bool = True


class SnapshotName(msgspec.Struct, forbid_unknown_fields=True):
    """What the list is called that a group is written down as."""

    name: Name


class LevelItem(msgspec.Struct):
    """A level, what it takes, and how many members have it."""

    id: int
    name: str
    rank: int
    period_days: int
    spent_minor_min: int
    points_hundredths_min: int
    visits_min: int
    needs_all: bool
    moves_down: bool
    switch_level: int
    member_count: int


class LevelMoves(msgspec.Struct):
    """How many members would move from one level to another."""

    old_level_id: int | None
    new_level_id: int | None
    count: int


class LevelMove(msgspec.Struct):
    """A member who would move."""

    member_id: int
    old_level_id: int | None
    new_level_id: int | None
    reason: str


class LevelPlan(msgspec.Struct):
    """What the job would do today."""

    total: int
    moves: list[LevelMoves]
    first: list[LevelMove]


class OwnField(msgspec.Struct):
    """A field of the installation's own."""

    id: int
    key: str
    """Its name in `own_fields` of a member."""
    name: str
    kind: str
    """text, number, date, choice"""
    choices: list[str]
    rank: int
    is_offered: bool


class OwnFieldChange(msgspec.Struct, forbid_unknown_fields=True):
    """A field to be defined or changed; its kind stays."""

    name: Name
    kind: Annotated[str, msgspec.Meta(max_length=10, pattern=NO_ZERO)]
    field: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0
    """0: a new one."""
    choices: Annotated[list[Part], msgspec.Meta(max_length=100)] = []
    rank: Code = 0
    is_offered: bool = True


class CodeItem(msgspec.Struct):
    """An entry of a code table."""

    code: int
    name_zh: str
    name_en: str
    is_offered: bool


class CodeChange(msgspec.Struct, forbid_unknown_fields=True):
    """A code to be added, renamed or withdrawn."""

    code: Code
    name_zh: Name
    name_en: Name = ""
    is_offered: bool = True


class OwnFields(msgspec.Struct):
    """Own fields, and the code tables that there are."""

    fields: list[OwnField]
    tables: list[Option]


LevelBody = body_of(LevelForm, "LevelChangeOfRules")


@api_get("/api/v1/member-groups", guards=[needs("members")], tag=TAG)
def list_groups(request: Request[Visitor, Any, Any]) -> list[GroupItem]:
    """Groups of the visitor's part and of the whole group."""
    with request.app.state.service.database.read() as session:
        day = today_of(session, request.app.state.service)
        return [_group(session, row, day) for row in session.scalars(groups_seen(request.user).limit(GROUPS_MAX))]


@api_get("/api/v1/member-groups/fields", guards=CHANGES, tag=TAG, pages=("GET /member-groups/new",))
def list_query_fields(request: Request[Visitor, Any, Any]) -> list[QueryFieldItem]:
    """Fields that conditions may ask, with operators and choices."""
    with request.app.state.service.database.read() as session:
        found = query_fields(session, today_of(session, request.app.state.service))
    return [
        QueryFieldItem(
            one.key,
            translate(one.label),
            one.kind,
            [Option(key, translate(label)) for key, label in one.operators.items()],
            [Option(str(key), label) for key, label in one.choices.items()],
        )
        for one in found.values()
    ]


@api_post(
    "/api/v1/member-groups/count", guards=[needs("members")], tag=TAG, pages=("GET /member-groups/count",), status=200
)
def count_members(request: Request[Visitor, Any, Any], data: JSONBody[GroupCondition]) -> MemberCount:
    """How many members a condition finds now; nothing is kept."""
    catch_up_figures(request)
    with request.app.state.service.database.read() as session:
        day = today_of(session, request.app.state.service)
        return MemberCount(count_of(session, request.user, compiled(session, data.read(), day)))


@api_get("/api/v1/member-groups/{group_id:int}", guards=[needs("members")], tag=TAG)
def get_group(request: Request[Visitor, Any, Any], group_id: FromPath[int]) -> GroupDetails:
    """A group: its condition or list, and how many members it has now."""
    catch_up_figures(request)
    with request.app.state.service.database.read() as session:
        day = today_of(session, request.app.state.service)
        row = _seen(session, request.user, group_id)
        condition = condition_of(row)
        terms = [Comparison(one.field, one.operator, one.value) for one in condition.terms] if condition else []
        return GroupDetails(
            _group(session, row, day),
            GroupCondition(terms, condition.mode) if condition else None,
            count_of(session, request.user, members_of_group(session, row, day)),
        )


@api_post("/api/v1/member-groups", guards=CHANGES, tag=TAG, pages=("POST /member-groups/new",))
def make_group(request: Request[Visitor, Any, Any], data: JSONBody[GroupChange]) -> Done:
    """Make a group."""
    return _save(request, None, data)


@api_put("/api/v1/member-groups/{group_id:int}", guards=CHANGES, tag=TAG, pages=("POST /member-groups/{group_id}",))
def put_group(request: Request[Visitor, Any, Any], group_id: FromPath[int], data: JSONBody[GroupChange]) -> Done:
    """Change a group; a list stays a list."""
    _existing(request, group_id)
    return _save(request, group_id, data)


@api_post("/api/v1/member-groups/{group_id:int}/members", guards=CHANGES, tag=TAG, status=200)
def change_list(request: Request[Visitor, Any, Any], group_id: FromPath[int], data: JSONBody[ListChange]) -> Done:
    """Put members on a list or take them off; how many it changed."""
    _existing(request, group_id)
    service = request.app.state.service
    return Done(str(put_in_list(service, request.user, group_id, data.members, is_member=data.is_member)))


@api_post("/api/v1/member-groups/{group_id:int}/freeze", guards=CHANGES, tag=TAG)
def freeze(request: Request[Visitor, Any, Any], group_id: FromPath[int], data: JSONBody[SnapshotName]) -> Done:
    """Write down who is in a group now, as a list; its number."""
    _existing(request, group_id)
    catch_up_figures(request)
    return Done(str(freeze_group(request.app.state.service, request.user, group_id, data.name, today(request))))


@api_delete(
    "/api/v1/member-groups/{group_id:int}",
    guards=[needs("members", Action.DELETE)],
    tag=TAG,
    pages=("POST /member-groups/{group_id}/delete",),
)
def end_group(request: Request[Visitor, Any, Any], group_id: FromPath[int]) -> None:
    """Remove a group; its members stay."""
    _existing(request, group_id)
    delete_group(request.app.state.service, request.user, group_id)


@api_get("/api/v1/member-levels", guards=[needs("members")], tag=TAG)
def list_levels(request: Request[Visitor, Any, Any]) -> list[LevelItem]:
    """Levels, the highest first, and how many members of the visitor's part have each."""
    with request.app.state.service.database.read() as session:
        counted: Any = select(Member.level_id, func.count()).group_by(Member.level_id)
        counts = {level: int(n) for level, n in session.execute(request.user.members_seen(counted))}
        return [filled(LevelItem, row, member_count=counts.get(row.id, 0)) for row in reversed(levels(session))]


def _make_level(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Define a level."""
    values = msgspec.structs.asdict(checked(request, LevelForm, data))
    return Done(str(put_level(request.app.state.service, request.user, None, **values)))


def _change_level(request: Request[Visitor, Any, Any], level_id: FromPath[int], data: Any) -> Done:
    """Change a level; its members are moved by the next run of the job."""
    values = msgspec.structs.asdict(checked(request, LevelForm, data))
    with request.app.state.service.database.read() as session:
        if session.get(MemberLevel, level_id) is None:
            raise NotFoundException(detail="There is no such level.")
    return Done(str(put_level(request.app.state.service, request.user, level_id, **values)))


make_level = takes(
    api_post("/api/v1/member-levels", guards=DEFINES, tag=TAG, pages=("POST /member-levels/new",)),
    _make_level,
    LevelBody,
)
change_level = takes(
    api_put(
        "/api/v1/member-levels/{level_id:int}",
        guards=DEFINES,
        tag=TAG,
        pages=("GET /member-levels/{level_id}", "POST /member-levels/{level_id}"),
    ),
    _change_level,
    LevelBody,
)
get_level_form = form_handler(
    "/api/v1/member-levels/form", LevelForm, guards=DEFINES, tag=TAG, pages=("GET /member-levels/new",)
)


@api_get("/api/v1/member-levels/run", guards=DEFINES, tag=TAG)
def plan_levels(request: Request[Visitor, Any, Any]) -> LevelPlan:
    """Whom the job would move today; with many members it is ordered: POST /api/v1/member-levels/plan."""
    with request.app.state.service.database.read() as session:
        if is_for_a_job(session):
            raise RefusedError(
                "There are more than {most} members: order it by POST /api/v1/member-levels/plan, and read the export.",
                most=AT_ONCE_MEMBERS_MAX,
            )
    catch_up_figures(request)
    with request.app.state.service.database.read() as session:
        counts, moves = preview(session, today_of(session, request.app.state.service))
    return LevelPlan(
        sum(counts.values()),
        [LevelMoves(old, new, n) for (old, new), n in sorted(counts.items(), key=lambda one: -one[1])],
        [filled(LevelMove, move) for move in moves],
    )


@api_post("/api/v1/member-levels/run", guards=DEFINES, tag=TAG, status=200)
def run_levels(request: Request[Visitor, Any, Any]) -> Done:
    """Move members by their levels' rules; how many moved."""
    return Done(str(run(request.app.state.service, request.user, today(request))))


@api_get("/api/v1/member-fields", guards=DEFINES, tag=TAG)
def list_fields(request: Request[Visitor, Any, Any]) -> OwnFields:
    """Own fields, and the code tables."""
    with request.app.state.service.database.read() as session:
        fields = [filled(OwnField, one, choices=list(one.choices)) for one in custom_fields(session)]
    return OwnFields(fields, [Option(name, translate(label)) for name, label in CODE_TABLES.items()])


@api_post("/api/v1/member-fields", guards=DEFINES, tag=TAG, status=200)
def change_field(request: Request[Visitor, Any, Any], data: JSONBody[OwnFieldChange]) -> Done:
    """Define a field or change one."""
    values = msgspec.structs.asdict(data)
    field_id = values.pop("field") or None
    return Done(str(put_field(request.app.state.service, request.user, field_id, **values)))


@api_get("/api/v1/member-codes/{table:str}", guards=DEFINES, tag=TAG)
def list_codes(request: Request[Visitor, Any, Any], table: FromPath[str]) -> list[CodeItem]:
    """One code table."""
    if table not in CODE_TABLES:
        raise NotFoundException(detail=f"There is no such table; expected one of {', '.join(CODE_TABLES)}.")
    with request.app.state.service.database.read() as session:
        query = select(MemberCode).where(MemberCode.table_name == table).order_by(MemberCode.code)
        return [filled(CodeItem, row) for row in session.scalars(query)]


@api_post("/api/v1/member-codes/{table:str}", guards=DEFINES, tag=TAG, status=200)
def change_code(request: Request[Visitor, Any, Any], table: FromPath[str], data: JSONBody[CodeChange]) -> Done:
    """Add a code, or rename or withdraw one."""
    if table not in CODE_TABLES:
        raise NotFoundException(detail=f"There is no such table; expected one of {', '.join(CODE_TABLES)}.")
    names = {"name_zh": data.name_zh, "name_en": data.name_en}
    put_code(request.app.state.service, request.user, table, data.code, **names, is_offered=data.is_offered)
    return Done(str(data.code))


def _save(request: Request[Visitor, Any, Any], group_id: int | None, data: GroupChange) -> Done:
    condition = data.condition.read() if data.condition is not None else None
    saved = save_group(
        request.app.state.service,
        request.user,
        group_id,
        name=data.name,
        note=data.note,
        condition=condition,
        today=today(request),
    )
    return Done(str(saved))


def _existing(request: Request[Visitor, Any, Any], group_id: int) -> None:
    with request.app.state.service.database.read() as session:
        _seen(session, request.user, group_id)


def _seen(session: Any, visitor: Visitor, group_id: int) -> MemberGroup:
    row = group_seen(session, visitor, group_id)
    if row is None:
        raise NotFoundException(detail="There is no such group.")
    return row


def _group(session: Any, row: MemberGroup, day: Any) -> GroupItem:
    condition = condition_of(row)
    try:
        words = in_words(session, condition, day) if condition else []
    except RefusedError:  # a code or a field that was withdrawn since
        words = []
    return filled(GroupItem, row, is_list=condition is None, words=words)


HANDLERS = [
    list_groups,
    list_query_fields,
    count_members,
    get_group,
    make_group,
    put_group,
    change_list,
    freeze,
    end_group,
    list_levels,
    make_level,
    change_level,
    get_level_form,
    plan_levels,
    run_levels,
    list_fields,
    change_field,
    list_codes,
    change_code,
]
