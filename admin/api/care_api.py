"""Customer care: tasks out of reminders, visits, special days, and how reminders are set."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.care import dates, tasks
from admin.care.contacts import Wanted as ContactsWanted
from admin.care.contacts import contacts_page
from admin.care.engine import rules_of
from admin.care.kinds import REMINDERS, TASK_KINDS, VISITS
from admin.care.opinions import Wanted as OpinionsWanted
from admin.care.opinions import opinions_page
from admin.documents.kind import subject_text
from admin.members.totals import business_date
from admin.pages.care_pages import cursor
from admin.rights import Action

from .bodies import FormFields, body_of, checked, form_fields, form_handler, takes
from .handlers import Done, Key, Limit, Number, Page, Text, api_delete, api_get, api_post, filled, page_of
from .member_api import existing, today
from .member_view_api import Contact, contact_item
from .opinion_api import OpinionItem, opinion_item

TAG = "Customer care"
VIEWS, CHANGES, ADDS = [needs("care")], [needs("care", Action.CHANGE)], [needs("care", Action.ADD)]
SETS = [needs("care-settings", Action.CHANGE)]
ROWS_OF_MEMBER = 50
VisitBody = body_of(tasks.VisitForm, "NewVisit")
ResultBody = body_of(tasks.TaskResult, "CareTaskResult")
DayBody = body_of(dates.MemberDayForm, "NewMemberDay")
RuleBody = body_of(dates.RuleForm, "ReminderChange")
FestivalBody = body_of(dates.FestivalForm, "NewFestival")
HeadBody = body_of(dates.HeadForm, "DepartmentHeadChange")


class CareTaskItem(msgspec.Struct):
    """Something to do for a member, or about the stock of cards."""

    id: int
    kind: str
    state: str
    """open, done or skipped"""
    member_id: int
    """0: about no member."""
    member: str
    subject: str
    due_date: int
    store_id: int
    assigned_to: int
    """0: whoever comes first."""
    ended_ms: int | None
    ended_by: int
    result: str
    """What came of it, or why it was skipped."""
    satisfaction: int
    opinion_id: int | None


class CareDay(msgspec.Struct):
    """What there is to do."""

    business_date: int
    counts: dict[str, int]
    """Open tasks that it is time for, by kind; above 1,000 it says 1,001."""
    full: list[str]
    """Kinds of which there was more today than one day may make."""
    tasks: Page[CareTaskItem]


class TasksSkipped(msgspec.Struct, forbid_unknown_fields=True):
    """Tasks that are not done, and why."""

    tasks: Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]], msgspec.Meta(max_length=200)]
    reason: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00]*$")]


class TaskOwner(msgspec.Struct, forbid_unknown_fields=True):
    """Who is to do a task; 0: whoever comes first."""

    user_id: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class MemberDayItem(msgspec.Struct):
    """A special day of a member; the date is YYYYMMDD."""

    id: int
    name: str
    date: int
    is_yearly: bool
    note: str


class MemberCare(msgspec.Struct):
    """All that concerns one member."""

    member_id: int
    manager_id: int
    """Account manager; 0: none."""
    tasks: list[CareTaskItem]
    talks: list[Contact]
    opinions: list[OpinionItem]
    """Empty without the right to look at them."""
    special_days: list[MemberDayItem]


class ReminderItem(msgspec.Struct):
    """How a reminder is set, and what today's run has made of it."""

    kind: str
    is_on: bool
    days: int
    amount: int
    count_max: int
    made_today: int
    is_full: bool
    has_run: bool


class FestivalItem(msgspec.Struct):
    """A day on which members are greeted; the date is YYYYMMDD."""

    id: int
    name: str
    date: int
    is_yearly: bool
    group_id: int | None


class HeadItem(msgspec.Struct):
    """A department and the name of its head."""

    department_id: int
    department: str
    head: str


class CareSettings(msgspec.Struct):
    """Reminders, festivals, heads of departments."""

    reminders: list[ReminderItem]
    festivals: list[FestivalItem]
    heads: list[HeadItem]


def _item(row: Any, member: str | None) -> CareTaskItem:
    return filled(CareTaskItem, row, member=member or "", subject=subject_text(row.subject))


@api_get("/api/v1/care", guards=VIEWS, tag=TAG)
def get_day(
    request: Request[Visitor, Any, Any],
    kind: Text = "",
    stage: Text = "open",
    whose: Text = "",
    due: Text = "",
    member: Number = None,
    after: Key = "",
    limit: Limit = 50,
) -> CareDay:
    """My day: counts and tasks by due date; `whose` all: everybody's, `due` all: also planned for later."""
    service, visitor = request.app.state.service, request.user
    day = business_date(today(request))
    user_id = 0 if whose == "all" else visitor.user_id
    wanted = tasks.Wanted(kind, stage, user_id, 0 if due == "all" else day, member or 0)
    with service.database.read() as session:
        rows = tasks.tasks_page(session, visitor, wanted, cursor(after), limit)
        return CareDay(
            day,
            tasks.counts_of(session, visitor, user_id, day),
            sorted(run.kind for run in dates.runs_of(session, day).values() if run.is_full),
            page_of(rows, limit, lambda row: _item(row[0], row[1]), lambda row: f"{row[0].due_date}.{row[0].id}"),
        )


def _make(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Plan a visit."""
    return Done(str(tasks.add_visit(request.app.state.service, request.user, checked(request, tasks.VisitForm, data))))


make_visit = takes(
    api_post("/api/v1/care/tasks", guards=ADDS, tag=TAG, pages=("POST /care/tasks/new",)), _make, VisitBody
)
get_visit_form = form_handler(
    "/api/v1/care/tasks/form", tasks.VisitForm, guards=ADDS, tag=TAG, pages=("GET /care/tasks/new",)
)


@api_get("/api/v1/care/tasks/{task_id:int}", guards=VIEWS, tag=TAG)
def get_task(request: Request[Visitor, Any, Any], task_id: FromPath[int]) -> CareTaskItem:
    """One task."""
    return _one(request, task_id)


@api_get(
    "/api/v1/care/tasks/{task_id:int}/slip",
    guards=[needs("care", Action.PRINT)],
    tag=TAG,
)
def get_slip(request: Request[Visitor, Any, Any], task_id: FromPath[int]) -> CareTaskItem:
    """What the slip of a visit says."""
    found = _one(request, task_id)
    if found.kind not in VISITS:
        raise NotFoundException(detail="Only visits have a slip.")
    return found


def _one(request: Request[Visitor, Any, Any], task_id: int) -> CareTaskItem:
    with request.app.state.service.database.read() as session:
        row = tasks.task_seen(session, request.user, task_id) if task_id < 2**63 else None
        if row is None:
            raise NotFoundException(detail="There is no such task.")
        wanted = tasks.Wanted(state="", member=row.member_id)
        named = tasks.tasks_page(session, request.user, wanted, (row.due_date, row.id - 1), 1)
        return _item(row, named[0][1] if named else None)


def _finish(request: Request[Visitor, Any, Any], task_id: FromPath[int], data: Any) -> CareTaskItem:
    """Close a task as done; a visit with its result and score."""
    _one(request, task_id)
    form = checked(request, tasks.TaskResult, data)
    tasks.finish(request.app.state.service, request.user, task_id, form)
    return _one(request, task_id)


finish_task = takes(
    api_post("/api/v1/care/tasks/{task_id:int}/done", guards=CHANGES, tag=TAG, status=200), _finish, ResultBody
)


@api_post("/api/v1/care/tasks/skip", guards=CHANGES, tag=TAG, status=200)
def skip_tasks(request: Request[Visitor, Any, Any], data: JSONBody[TasksSkipped]) -> Done:
    """Say why tasks are not done; how many."""
    return Done(str(tasks.skip(request.app.state.service, request.user, sorted(set(data.tasks)), data.reason)))


@api_post("/api/v1/care/tasks/{task_id:int}/assign", guards=CHANGES, tag=TAG, status=200)
def assign_task(request: Request[Visitor, Any, Any], task_id: FromPath[int], data: JSONBody[TaskOwner]) -> CareTaskItem:
    """Give a task to somebody."""
    _one(request, task_id)
    tasks.assign(request.app.state.service, request.user, task_id, data.user_id)
    return _one(request, task_id)


@api_get("/api/v1/members/{member_id:int}/care", guards=VIEWS, tag=TAG)
def get_member_care(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> MemberCare:
    """All that concerns one member: tasks, the last talks and opinions, special days."""
    existing(request, member_id)
    visitor = request.user
    with request.app.state.service.database.read() as session:
        from admin.models.members import Member

        member = session.get_one(Member, member_id)
        found = tasks.tasks_page(session, visitor, tasks.Wanted(state="", member=member_id), None, 1_000)
        talks = contacts_page(session, visitor, ContactsWanted(member=member_id), before=None, limit=ROWS_OF_MEMBER)
        opinions = (
            opinions_page(session, visitor, OpinionsWanted(member=member_id), None, ROWS_OF_MEMBER)
            if visitor.may("opinions")
            else []
        )
        return MemberCare(
            member_id,
            member.manager_id or 0,
            [_item(task, name) for task, name, _who in found],
            [contact_item(row[0]) for row in talks],
            [opinion_item(row[0]) for row in opinions],
            [filled(MemberDayItem, row) for row in dates.days_of_member(session, member_id)],
        )


def _add_day(request: Request[Visitor, Any, Any], member_id: FromPath[int], data: Any) -> Done:
    """Note a special day of a member."""
    existing(request, member_id)
    form = checked(request, dates.MemberDayForm, data)
    return Done(str(dates.add_member_day(request.app.state.service, request.user, member_id, form)))


add_day = takes(api_post("/api/v1/members/{member_id:int}/care/days", guards=CHANGES, tag=TAG), _add_day, DayBody)


@api_delete(
    "/api/v1/care/member-days/{day_id:int}", guards=CHANGES, tag=TAG, pages=("POST /care/member-days/{day_id}/delete",)
)
def end_day(request: Request[Visitor, Any, Any], day_id: FromPath[int]) -> None:
    """Forget a special day."""
    dates.delete_member_day(request.app.state.service, request.user, day_id)


@api_get("/api/v1/care/settings", guards=[needs("care-settings")], tag=TAG)
def get_settings(request: Request[Visitor, Any, Any]) -> CareSettings:
    """How each reminder is set, festivals, heads of departments."""
    day = business_date(today(request))
    with request.app.state.service.database.read() as session:
        runs = dates.runs_of(session, day)
        festivals = session.execute(dates.festivals_seen(request.user)).all()
        heads = dates.heads_of(session, request.user)
        found = CareSettings(
            [],
            [filled(FestivalItem, row) for row, _name in festivals],
            [HeadItem(department.id, department.name, name or "") for department, name in heads],
        )
        made = {kind: (run.made_count, run.is_full) for kind, run in runs.items()}
        rules = rules_of(session)
    for kind in REMINDERS:
        count, is_full = made.get(kind.name, (0, False))
        found.reminders.append(
            filled(ReminderItem, rules[kind.name], made_today=count, is_full=is_full, has_run=kind.name in made)
        )
    return found


@api_get("/api/v1/care/settings/{kind:str}", guards=SETS, tag=TAG)
def get_rule_form(request: Request[Visitor, Any, Any], kind: FromPath[str]) -> FormFields:
    """What can be set of a reminder."""
    from admin.forms import FormContext

    if kind not in TASK_KINDS or not TASK_KINDS[kind].is_reminder:
        raise NotFoundException(detail="There is no such reminder.")
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        return form_fields(dates.rule_form_of(TASK_KINDS[kind]), context)


def _set_rule(request: Request[Visitor, Any, Any], kind: FromPath[str], data: Any) -> Done:
    """Set a reminder; it runs once more today with what is set."""
    if kind not in TASK_KINDS or not TASK_KINDS[kind].is_reminder:
        raise NotFoundException(detail="There is no such reminder.")
    dates.save_rule(request.app.state.service, request.user, kind, checked(request, dates.RuleForm, data))
    return Done(kind)


set_rule = takes(api_post("/api/v1/care/settings/{kind:str}", guards=SETS, tag=TAG, status=200), _set_rule, RuleBody)


def _add_festival(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Keep a festival."""
    form = checked(request, dates.FestivalForm, data)
    return Done(str(dates.add_festival(request.app.state.service, request.user, form)))


add_festival = takes(
    api_post("/api/v1/care/festivals", guards=SETS, tag=TAG, pages=("POST /care/festivals/new",)),
    _add_festival,
    FestivalBody,
)
get_festival_form = form_handler(
    "/api/v1/care/festivals/form", dates.FestivalForm, guards=SETS, tag=TAG, pages=("GET /care/festivals/new",)
)


@api_delete(
    "/api/v1/care/festivals/{festival_id:int}",
    guards=SETS,
    tag=TAG,
    pages=("POST /care/festivals/{festival_id}/delete",),
)
def end_festival(request: Request[Visitor, Any, Any], festival_id: FromPath[int]) -> None:
    """Forget a festival."""
    dates.delete_festival(request.app.state.service, request.user, festival_id)


def _set_head(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Name the head of a department."""
    form = checked(request, dates.HeadForm, data)
    dates.save_head(request.app.state.service, request.user, form)
    return Done(str(form.department_id))


set_head = takes(api_post("/api/v1/care/heads", guards=SETS, tag=TAG, status=200), _set_head, HeadBody)
get_head_form = form_handler(
    "/api/v1/care/heads/form", dates.HeadForm, guards=SETS, tag=TAG, pages=("GET /care/heads",)
)

HANDLERS = [
    get_day,
    make_visit,
    get_visit_form,
    get_task,
    get_slip,
    finish_task,
    skip_tasks,
    assign_task,
    get_member_care,
    add_day,
    end_day,
    get_settings,
    get_rule_form,
    set_rule,
    add_festival,
    get_festival_form,
    end_festival,
    set_head,
    get_head_form,
]
