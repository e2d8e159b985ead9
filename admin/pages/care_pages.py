"""My day in customer care: tasks, visits and their slips; and all that concerns one member."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.care import dates, tasks
from admin.care.activities import attended_by
from admin.care.calls import calls_page
from admin.care.contacts import CHANNELS, CONTACT_KINDS, SATISFACTION_MAX, contacts_page
from admin.care.contacts import Wanted as ContactsWanted
from admin.care.kinds import STATE_TONES, STATES, TASK_KINDS, VISITS
from admin.care.opinions import STATES as OPINION_STATES
from admin.care.opinions import Wanted as OpinionsWanted
from admin.care.opinions import opinions_page
from admin.forms import Bound, FormContext, fields_of
from admin.members.definitions import codes_of
from admin.members.records import member_seen
from admin.members.seals import Vault
from admin.members.today import today_of
from admin.members.totals import business_date
from admin.models.care import CareTask, Opinion
from admin.models.members import Member
from admin.models.people import Department, User
from admin.rights import Action

from .common import go, is_part_wanted, number_in, page, page_rows, with_query
from .form_flow import bound_of, form_page, saved
from .handlers import get
from .member_common import acted, first, member_rows, sent_texts
from .member_common import number_in as number_of_form

_ = str
CHANGES = needs("care", Action.CHANGE)
ROWS_OF_MEMBER = 50
SKIPPED_AT_ONCE_MAX = 200
WHOSE: dict[str, str] = {"": _("Mine and nobody's"), "all": _("Everybody's")}
DUE: dict[str, str] = {"": _("Now"), "all": _("Also planned for later")}


@get("/care", guards=[needs("care")])
def show_day(
    request: Request[Visitor, Any, Any],
    kind: FromQuery[str] = "",
    stage: FromQuery[str] = "open",
    whose: FromQuery[str] = "",
    due: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    """What there is to do today, oldest first."""
    service, visitor = request.app.state.service, request.user
    limit = page_rows(request)
    filters = {"kind": kind, "stage": stage, "whose": whose, "due": due}
    with service.database.read() as session:
        today = business_date(today_of(session, service))
        user_id = 0 if whose == "all" else visitor.user_id
        wanted = tasks.Wanted(kind, stage, user_id, 0 if due == "all" else today)
        found = tasks.tasks_page(session, visitor, wanted, cursor(after), limit)
        counts = tasks.counts_of(session, visitor, user_id, today)
        full = [run for run in dates.runs_of(session, today).values() if run.is_full]
        session.expunge_all()
    rows = found[:limit]
    last = rows[-1][0] if len(found) > limit else None
    more = {**filters, "after": f"{last.due_date}.{last.id}"} if last else None
    return page(
        request,
        "_task_rows.html" if is_part_wanted(request) else "care.html",
        rows=rows,
        counts=counts,
        counted_max=tasks.COUNTED_MAX,
        full=full,
        filters=filters,
        whose=WHOSE,
        dues=DUE,
        today=today,
        is_first=not after,
        next_address=with_query("/care", more) if more else None,
        **_words(),
    )


def cursor(text: str) -> tuple[int, int] | None:
    """(due date, number) of the last task of the page before."""
    due, _dot, number = text.partition(".")
    parts = number_in(due), number_in(number)
    return None if parts[0] is None or parts[1] is None else (parts[0], parts[1])


def _words() -> dict[str, Any]:
    return {"kinds": TASK_KINDS, "states": STATES, "tones": STATE_TONES}


@async_post("/care/tasks/skip", guards=[CHANGES], status_code=200)
async def do_skip(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Skip the tasks that were ticked, with a reason."""
    texts = await sent_texts(request)
    numbers = sorted({number for text in texts.get("task", ()) if (number := number_in(text)) is not None})
    service, reason = request.app.state.service, first(texts, "reason")
    back = "/care" if len(numbers) != 1 else f"/care/tasks/{numbers[0]}"
    return await acted(request, lambda: tasks.skip(service, request.user, numbers[:SKIPPED_AT_ONCE_MAX], reason), back)


@get("/care/tasks/new", guards=[needs("care", Action.ADD)])
def new_visit(request: Request[Visitor, Any, Any], member: FromQuery[str] = "") -> Template:
    """The form of a visit."""
    service = request.app.state.service
    with service.database.read() as session:
        today = business_date(today_of(session, service))
    filled = tasks.VisitForm(member_id=number_in(member) or 0, due_date=today, subject="")
    return form_page(request, tasks.VisitForm, title=_("New visit"), back=("/care", _("My day")), filled=filled)


@async_post("/care/tasks/new", guards=[needs("care", Action.ADD)], status_code=200)
async def do_new_visit(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Plan a visit."""
    service, form_type = request.app.state.service, tasks.VisitForm

    def again(bound: Bound[Any], problem: str, _texts: Any) -> Template:
        title, back = _("New visit"), ("/care", _("My day"))
        return form_page(request, form_type, title=title, back=back, bound=bound, problem=problem)

    def save(form: Any, _texts: Any) -> str:
        return f"/care/tasks/{tasks.add_visit(service, request.user, form)}"

    return await saved(request, form_type, save, again)


@get("/care/tasks/{task_id:int}", guards=[needs("care")])
def show_task(request: Request[Visitor, Any, Any], task_id: FromPath[int]) -> Template:
    """One task, and what closes it."""
    return _task_page(request, task_id, None, "")


@async_post("/care/tasks/{task_id:int}/done", guards=[CHANGES], status_code=200)
async def do_finish(request: Request[Visitor, Any, Any], task_id: FromPath[int]) -> Response[Any]:
    """Close a task as done; a visit with its result and score."""
    texts = await sent_texts(request)

    def act() -> Response[Any]:
        from admin.errors import RefusedError

        from .common import refusal_text

        is_visit = _task(request, task_id)[0].kind in VISITS
        bound = bound_of(request, tasks.TaskResult, texts, lambda form: tasks.missing_in(form, is_visit=is_visit))
        if bound.value is None:
            return _task_page(request, task_id, bound, "")
        try:
            task = tasks.finish(request.app.state.service, request.user, task_id, bound.value)
        except RefusedError as error:
            return _task_page(request, task_id, bound, refusal_text(error))
        return go(request, f"/care/tasks/{task_id}" if task.kind in VISITS else "/care")

    return await to_thread.run_sync(act)


@async_post("/care/tasks/{task_id:int}/assign", guards=[CHANGES], status_code=200)
async def do_assign(request: Request[Visitor, Any, Any], task_id: FromPath[int]) -> Response[Any]:
    """Give a task to somebody."""
    texts = await sent_texts(request)
    user_id = number_of_form(texts, "assigned_to")
    service = request.app.state.service
    return await acted(request, lambda: tasks.assign(service, request.user, task_id, user_id), f"/care/tasks/{task_id}")


@get("/care/tasks/{task_id:int}/slip", guards=[needs("care", Action.PRINT)])
def show_slip(request: Request[Visitor, Any, Any], task_id: FromPath[int]) -> Template:
    """The slip of a visit, for print: what came of it, and for whom it is."""
    task, context = _task(request, task_id)
    if task.kind not in VISITS:
        raise NotFoundException(detail="Only visits have a slip.")
    return page(request, "care_slip.html", **context)


def _task(request: Request[Visitor, Any, Any], task_id: int) -> tuple[CareTask, dict[str, Any]]:
    """A task, and what its pages show of it."""
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        task = tasks.task_seen(session, visitor, task_id)
        if task is None:
            raise NotFoundException(detail="There is no such task.")
        member = session.get(Member, task.member_id) if task.member_id else None
        opinion = session.get(Opinion, task.opinion_id) if task.opinion_id else None
        names = {}
        for number in (task.assigned_to, task.ended_by, task.made_by, opinion.handler_id if opinion else 0):
            if number and (user := session.get(User, number)) is not None:
                names[number] = user.full_name
        department = session.get(Department, opinion.department_id) if opinion else None
        context = {
            "task": task,
            "member": member,
            "row": member_rows(session, Vault(service), [member])[0] if member is not None else None,
            "opinion": opinion,
            "areas": codes_of(session, "opinion"),
            "department": department.name if department else "",
            "names": names,
            "opinion_states": OPINION_STATES,
            "opinion_kinds": tasks.OPINION_KINDS,
            "is_visit": task.kind in VISITS,
            "channels": CHANNELS,
            **_words(),
        }
        session.expunge_all()
    return task, context


def _task_page(request: Request[Visitor, Any, Any], task_id: int, bound: Bound[Any] | None, problem: str) -> Template:
    _found, context = _task(request, task_id)
    with request.app.state.service.database.read() as session:
        form_context = FormContext(session, request.user, request.app.state.references)
        fields = fields_of(tasks.TaskResult, form_context, bound)
        staff = tasks.staff_choices(form_context)
    return page(
        request,
        "care_task.html",
        http_status=409 if problem else 200,
        fields=fields,
        staff=staff,
        problem=problem,
        **context,
    )


# ------------------------------------------------------------------------- one member


@get("/members/{member_id:int}/care", guards=[needs("care")])
def show_member_care(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Template:
    """All that concerns one member: what is to be done, talks, opinions, special days."""
    return _member_page(request, member_id, None, "")


@async_post("/members/{member_id:int}/care/days", guards=[CHANGES], status_code=200)
async def do_member_day(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Note a special day of a member."""
    service, address = request.app.state.service, f"/members/{member_id}/care"

    def save(form: Any, _texts: Any) -> str:
        dates.add_member_day(service, request.user, member_id, form)
        return address

    return await saved(
        request,
        dates.MemberDayForm,
        save,
        lambda bound, problem, _texts: _member_page(request, member_id, bound, problem),
    )


@async_post("/care/member-days/{day_id:int}/delete", guards=[CHANGES], status_code=200)
async def do_delete_day(request: Request[Visitor, Any, Any], day_id: FromPath[int]) -> Response[Any]:
    """Forget a special day."""
    member_id = await to_thread.run_sync(dates.delete_member_day, request.app.state.service, request.user, day_id)
    return go(request, f"/members/{member_id}/care")


def _member_page(
    request: Request[Visitor, Any, Any], member_id: int, bound: Bound[Any] | None, problem: str
) -> Template:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        member = member_seen(session, visitor, member_id)
        if member is None:
            raise NotFoundException(detail="There is no such member.")
        today = business_date(today_of(session, service))
        found = tasks.tasks_page(session, visitor, tasks.Wanted(state="", member=member_id), None, 10**4)
        manager = session.get(User, member.manager_id) if member.manager_id else None
        context = FormContext(session, visitor, request.app.state.references)
        shown = {
            "member": member,
            "row": member_rows(session, Vault(service), [member])[0],
            "manager": manager.full_name if manager else "",
            "open_tasks": [one for one in found if one[0].state == "open"],
            "ended_tasks": [one for one in reversed(found) if one[0].state != "open"][:ROWS_OF_MEMBER],
            "talks": contacts_page(
                session, visitor, ContactsWanted(member=member_id), before=None, limit=ROWS_OF_MEMBER
            ),
            "opinions": opinions_page(session, visitor, OpinionsWanted(member=member_id), None, ROWS_OF_MEMBER)
            if visitor.may("opinions")
            else [],
            "calls": calls_page(service, session, visitor, member=member_id, before=None, limit=ROWS_OF_MEMBER)
            if visitor.may("calls")
            else [],
            "attended": attended_by(session, visitor, member_id) if visitor.may("activities") else [],
            "days": dates.days_of_member(session, member_id),
            "fields": fields_of(dates.MemberDayForm, context, bound),
            "areas": codes_of(session, "opinion"),
        }
        session.expunge_all()
    return page(
        request,
        "member_care.html",
        http_status=409 if problem else 200,
        problem=problem,
        today=today,
        contact_kinds=CONTACT_KINDS,
        channels=CHANNELS,
        satisfaction_max=SATISFACTION_MAX,
        opinion_states=OPINION_STATES,
        opinion_kinds=tasks.OPINION_KINDS,
        **shown,
        **_words(),
    )


HANDLERS: list[Any] = [
    show_day,
    do_skip,
    new_visit,
    do_new_visit,
    show_task,
    do_finish,
    do_assign,
    show_slip,
    show_member_care,
    do_member_day,
    do_delete_day,
]
