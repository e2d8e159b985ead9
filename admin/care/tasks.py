"""Tasks of care: what is to be done for members, doing it or saying why not, and visits with their slips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import DATE_MAX, FormContext, entry
from admin.i18n import translate
from admin.members.definitions import codes_of
from admin.members.records import member_to_change
from admin.members.today import today_of
from admin.members.totals import business_date
from admin.models.care import CareTask, TaskState
from admin.models.members import NOTE_LENGTH_MAX, Member
from admin.models.people import Department, User
from admin.service import Service

from .contacts import CHANNELS, SATISFACTION_MAX, put_contact_row
from .kinds import TASK_KINDS, VISITS

_ = str
MODULE = "care"
PLANNED = tuple(kind.name for kind in TASK_KINDS.values() if not kind.is_reminder)
COUNTED_MAX = 1_000
"""A count beyond it is shown as "more than": nobody works through more, and counting all would read them all."""
REASON_LENGTH_MAX = 200
REFERENCE_BYTES = 7
"""Of a task that is made by hand: 56 random bits, for no two of a member are the same."""
SCORES: dict[int | str, str] = {
    5: _("5: very satisfied"),
    4: _("4: satisfied"),
    3: _("3: neither"),
    2: _("2: not satisfied"),
    1: _("1: not at all"),
}
OPINION_KINDS: dict[int | str, str] = {
    "suggestion": _("Suggestion"),
    "complaint": _("Complaint"),
    "enquiry": _("Enquiry"),
}


def area_choices(context: FormContext) -> Mapping[int | str, str]:
    """What opinions are about; the list can be made longer on the page of code tables."""
    return {code: name for code, name in codes_of(context.session, "opinion", offered_only=True).items()}  # noqa: C416


def department_choices(context: FormContext) -> Mapping[int | str, str]:
    """Departments of the visitor's part, and those of the whole group."""
    query = select(Department.id, Department.name).order_by(Department.name, Department.id)
    if not context.visitor.sees_everything:
        query = query.where(Department.organisation_id.in_([0, *context.visitor.organisation_ids]))
    return {row.id: row.name for row in context.session.execute(query)}


def staff_choices(context: FormContext) -> Mapping[int | str, str]:
    """People of the visitor's part who may sign on."""
    query: Any = select(User.id, User.full_name).where(User.is_enabled).order_by(User.full_name, User.id)
    return {row.id: row.full_name for row in context.session.execute(context.visitor.users_seen(query))}


class VisitForm(msgspec.Struct, kw_only=True, frozen=True):
    """A visit that is to be made."""

    member_id: Annotated[int, entry(_("Member number"), "integer", ge=1, le=2**53 - 1)]
    due_date: Annotated[int, entry(_("Day"), "date", ge=1, le=DATE_MAX)]
    subject: Annotated[str, entry(_("What is to be done"), min_length=1, max_length=120)]
    assigned_to: Annotated[int, entry(_("Who is to do it"), "choice", choices=staff_choices)] = 0


class TaskResult(msgspec.Struct, kw_only=True, frozen=True):
    """What came of a task. A visit needs a result and a score; what the customer has to say needs a form of its own."""

    channel: Annotated[str, entry(_("Channel"), "choice", choices={**CHANNELS})] = "telephone"
    result: Annotated[str, entry(_("What came of it"), "area", max_length=NOTE_LENGTH_MAX)] = ""
    satisfaction: Annotated[int, entry(_("Satisfaction"), "choice", choices=SCORES)] = 0
    next_date: Annotated[int, entry(_("Next contact"), "date", ge=0, le=DATE_MAX)] = 0
    has_opinion: Annotated[
        bool, entry(_("The customer has a comment, a suggestion or a complaint"), "check", section=_("Comment form"))
    ] = False
    opinion_kind: Annotated[str, entry(_("Kind"), "choice", choices=OPINION_KINDS)] = "suggestion"
    opinion_area: Annotated[int, entry(_("What about"), "choice", choices=area_choices)] = 0
    opinion_text: Annotated[str, entry(_("In the customer's words"), "area", max_length=NOTE_LENGTH_MAX)] = ""
    opinion_department: Annotated[
        int,
        entry(_("Department"), "choice", choices=department_choices, hint=_("Its head gets the slip.")),
    ] = 0


def missing_in(form: TaskResult, *, is_visit: bool) -> dict[str, str]:
    """What a task lacks to be closed, by field, in English."""
    found: dict[str, str] = {}
    if is_visit and not form.result.strip():
        found["result"] = _("A visit is closed with its result: write what came of it.")
    if is_visit and not form.satisfaction:
        found["satisfaction"] = _("A visit is closed with a score: ask how satisfied the customer is.")
    if form.has_opinion:
        if not form.opinion_text.strip():
            found["opinion_text"] = _("The customer has something to say: write it into the comment form.")
        if not form.opinion_area:
            found["opinion_area"] = _("Say what it is about.")
        if not form.opinion_department:
            found["opinion_department"] = _("Choose the department that it is for.")
    elif form.opinion_text.strip():
        found["has_opinion"] = _("Tick this, or leave the comment form empty.")
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of tasks is filtered by."""

    kind: str = ""
    state: str = "open"
    """open, done, skipped; empty: all."""
    user_id: int = 0
    """Tasks of this user and of nobody; 0: everybody's."""
    until_date: int = 0
    """Reminders, and what was planned until this date; 0: also what is planned for later."""
    member: int = 0


def tasks_seen(visitor: Visitor, query: Select[Any] | None = None) -> Select[Any]:
    """Tasks of the visitor's part of the organisation, and those that are his own."""
    query = select(CareTask) if query is None else query
    if visitor.sees_everything:
        return query
    mine = CareTask.organisation_id.in_(visitor.organisation_ids)
    return query.where(or_(mine, CareTask.assigned_to == visitor.user_id))


def _filtered(query: Select[Any], wanted: Wanted) -> Select[Any]:
    if wanted.kind:
        query = query.where(CareTask.kind == wanted.kind[:20])
    if wanted.state in ("open", "done", "skipped"):
        query = query.where(CareTask.state == wanted.state)
    if wanted.user_id:
        query = query.where(CareTask.assigned_to.in_((0, wanted.user_id)))
    if wanted.until_date:  # a reminder is there because it is time for it, also days ahead
        query = query.where(or_(CareTask.due_date <= wanted.until_date, CareTask.kind.not_in(PLANNED)))
    if wanted.member:
        query = query.where(CareTask.member_id == wanted.member)
    return query


def tasks_page(
    session: Session, visitor: Visitor, wanted: Wanted, after: tuple[int, int] | None, limit: int
) -> Sequence[Any]:
    """(task, member's name or None, name of who is to do it or None) by due date; one more than `limit` if more."""
    query: Any = (
        select(CareTask, Member.name, User.full_name)
        .outerjoin(Member, Member.id == CareTask.member_id)
        .outerjoin(User, User.id == CareTask.assigned_to)
    )
    query = _filtered(tasks_seen(visitor, query), wanted)
    if after is not None:
        due, number = after
        query = query.where(or_(CareTask.due_date > due, (CareTask.due_date == due) & (CareTask.id > number)))
    rows: Sequence[Any] = session.execute(query.order_by(CareTask.due_date, CareTask.id).limit(limit + 1)).all()
    return rows


def counts_of(session: Session, visitor: Visitor, user_id: int, today: int) -> dict[str, int]:
    """Open tasks by kind that it is time for, at most `COUNTED_MAX + 1` of each; kinds without any are left out."""
    found = {}
    for kind in TASK_KINDS:
        wanted = Wanted(kind, TaskState.OPEN, user_id, today)
        some = _filtered(tasks_seen(visitor, select(CareTask.id)), wanted).limit(COUNTED_MAX + 1).subquery()
        if count := session.scalar(select(func.count()).select_from(some)) or 0:
            found[kind] = count
    return found


def task_seen(session: Session, visitor: Visitor, task_id: int) -> CareTask | None:
    """A task that the visitor may see."""
    found: CareTask | None = session.scalar(tasks_seen(visitor).where(CareTask.id == task_id))
    return found


def add_visit(service: Service, visitor: Visitor, form: VisitForm) -> int:
    """A visit that somebody wants made; its number."""
    with service.database.write() as session:
        member = member_to_change(session, visitor, form.member_id)
        _check_staff(session, visitor, form.assigned_to)
        task = CareTask(
            kind="visit",
            state=TaskState.OPEN,
            member_id=member.id,
            reference=int.from_bytes(service.surroundings.random_bytes(REFERENCE_BYTES), "big"),
            organisation_id=member.organisation_id,
            subject=form.subject.strip(),
            due_date=form.due_date,
            made_at=service.now(),
            made_by=visitor.user_id,
            assigned_to=form.assigned_to or member.manager_id or 0,
        )
        session.add(task)
        session.flush()
        service.audit.append(session, visitor, MODULE, "add", f"task {task.id}", member=member.id, due=task.due_date)
        return task.id


def finish(service: Service, visitor: Visitor, task_id: int, form: TaskResult) -> CareTask:
    """Close a task as done; `RefusedError` for a visit without result and score, or without the form of a comment."""
    from .opinions import add_opinion_row  # which needs the choices of this module

    with service.database.write() as session:
        task = _open_task(session, visitor, task_id)
        is_visit = task.kind in VISITS
        for text in missing_in(form, is_visit=is_visit).values():
            raise RefusedError(text)
        if not 0 <= form.satisfaction <= SATISFACTION_MAX:
            raise RefusedError("Satisfaction is a number from 1 to {most}.", most=SATISFACTION_MAX)
        member = member_to_change(session, visitor, task.member_id) if task.member_id else None
        if form.has_opinion:
            row = add_opinion_row(
                service,
                session,
                visitor,
                kind=form.opinion_kind,
                area=form.opinion_area,
                content=form.opinion_text.strip(),
                department_id=form.opinion_department,
                member=member,
                organisation_id=task.organisation_id,
                task_id=task.id,
            )
            task.opinion_id = row.id
        _end(service, session, visitor, task, TaskState.DONE, form.result.strip())
        task.satisfaction = form.satisfaction
        if member is not None and (is_visit or form.result.strip() or form.next_date):
            put_contact_row(
                service,
                session,
                visitor,
                member,
                kind="visit" if is_visit else "talk",
                channel=form.channel,
                is_incoming=False,
                content=translate(TASK_KINDS[task.kind].label),
                result=form.result.strip(),
                satisfaction=form.satisfaction,
                is_open=False,
                next_date=form.next_date,
            )
        detail: dict[str, Any] = {"kind": task.kind, "satisfaction": form.satisfaction, "opinion": task.opinion_id or 0}
        service.audit.append(session, visitor, MODULE, "finish", f"task {task_id}", **detail)
        session.expunge(task)
        return task


def skip(service: Service, visitor: Visitor, task_ids: Sequence[int], reason: str) -> int:
    """Say why tasks are not done; how many. `RefusedError` without a reason, or for one that is closed already."""
    if not 1 <= len(reason.strip()) <= REASON_LENGTH_MAX:
        raise RefusedError("Say why it is skipped, in 1 to {most} characters.", most=REASON_LENGTH_MAX)
    with service.database.write() as session:
        for task_id in task_ids:
            task = _open_task(session, visitor, task_id)
            _end(service, session, visitor, task, TaskState.SKIPPED, reason.strip())
            detail = {"kind": task.kind, "reason": reason.strip()}
            service.audit.append(session, visitor, MODULE, "skip", f"task {task_id}", **detail)
    return len(task_ids)


def assign(service: Service, visitor: Visitor, task_id: int, user_id: int) -> None:
    """Give an open task to somebody, or back to whoever comes first (0)."""
    with service.database.write() as session:
        task = _open_task(session, visitor, task_id)
        _check_staff(session, visitor, user_id)
        before, task.assigned_to = task.assigned_to, user_id
        service.audit.append(session, visitor, MODULE, "assign", f"task {task_id}", before=before, after=user_id)


def _end(service: Service, session: Session, visitor: Visitor, task: CareTask, state: TaskState, result: str) -> None:
    task.state, task.result, task.ended_at, task.ended_by = state, result, service.now(), visitor.user_id
    task.ended_date = business_date(today_of(session, service))
    session.flush()


def _open_task(session: Session, visitor: Visitor, task_id: int) -> CareTask:
    query = tasks_seen(visitor).where(CareTask.id == task_id).with_for_update()
    task: CareTask | None = session.scalar(query)
    if task is None:
        raise RefusedError("There is no such task.")
    if task.state != TaskState.OPEN:
        raise RefusedError("This task is closed already.")
    return task


def _check_staff(session: Session, visitor: Visitor, user_id: int) -> None:
    query: Any = select(User.id).where(User.id == user_id, User.is_enabled)
    if user_id and session.scalar(visitor.users_seen(query)) is None:
        raise RefusedError("There is no such user in your part of the organisation.")
