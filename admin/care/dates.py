"""What operators set: reminders, festivals, special days of members, heads of departments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import DATE_MAX, FormContext, entry
from admin.i18n import FIRST_DATE
from admin.members.groups import group_seen, groups_seen
from admin.members.records import member_to_change
from admin.members.today import today_of
from admin.members.totals import business_date
from admin.models.care import DepartmentHead, Festival, MemberDay, ReminderRule, ReminderRun
from admin.models.members import NAME_LENGTH_MAX, TEXT_LENGTH_MAX, MemberGroup
from admin.models.people import Department, User
from admin.service import Service

from .engine import ask_again, default_of
from .kinds import COUNT_MAX_MOST, DAYS_MAX, TASK_KINDS, TaskKind, Unit
from .tasks import department_choices, staff_choices

_ = str
MODULE = "care-settings"
FESTIVALS_MAX = 200
DAYS_OF_MEMBER_MAX = 50
AMOUNT_MAX = 10**12


class RuleForm(msgspec.Struct, kw_only=True, frozen=True):
    """How a reminder is set. Amounts are in minor units, hundredths of points or cards."""

    is_on: Annotated[bool, entry(_("On"), "check")] = False
    days: Annotated[int, entry(_("Days"), "integer", ge=0, le=DAYS_MAX)] = 0
    amount: Annotated[int, entry(_("Bound"), "integer", ge=0, le=AMOUNT_MAX)] = 0
    count_max: Annotated[int, entry(_("Tasks of one day at most"), "integer", ge=1, le=COUNT_MAX_MOST)] = 500


@cache
def rule_form_of(kind: TaskKind) -> type[msgspec.Struct]:
    """The form of one reminder: those fields of `RuleForm` that it has, under its own words."""
    fields: list[Any] = [("is_on", Annotated[bool, entry(_("On"), "check")], False)]
    if kind.days_label:
        least = 1 if kind.name == "silent" else 0
        fields.append(("days", Annotated[int, entry(kind.days_label, "integer", ge=least, le=DAYS_MAX)]))
    if kind.unit is not Unit.NONE:
        typed = "integer" if kind.unit is Unit.CARDS else kind.unit.value
        fields.append(("amount", Annotated[int, entry(kind.amount_label, typed, ge=0, le=AMOUNT_MAX)]))
    most = entry(_("Tasks of one day at most"), "integer", ge=1, le=COUNT_MAX_MOST)
    fields.append(("count_max", Annotated[int, most]))
    return msgspec.defstruct(f"Rule of {kind.name}", fields, kw_only=True, frozen=True)


def group_choices(context: FormContext) -> Mapping[int | str, str]:
    """Groups that the visitor sees."""
    return {row.id: row.name for row in context.session.scalars(groups_seen(context.visitor))}


class FestivalForm(msgspec.Struct, kw_only=True, frozen=True):
    """A day on which members are greeted."""

    name: Annotated[str, entry(_("Name"), min_length=1, max_length=NAME_LENGTH_MAX)]
    date: Annotated[int, entry(_("Day"), "date", ge=1, le=DATE_MAX)]
    is_yearly: Annotated[
        bool, entry(_("Every year on this day"), "check", hint=_("Not for festivals of the lunar calendar."))
    ] = False
    group_id: Annotated[
        int,
        entry(_("Group"), "choice", choices=group_choices, hint=_("A task for each member; none: one task for all.")),
    ] = 0


class MemberDayForm(msgspec.Struct, kw_only=True, frozen=True):
    """A date or event of a member."""

    name: Annotated[str, entry(_("Occasion"), min_length=1, max_length=NAME_LENGTH_MAX)]
    date: Annotated[int, entry(_("Day"), "date", ge=1, le=DATE_MAX)]
    is_yearly: Annotated[bool, entry(_("Every year on this day"), "check")] = False
    note: Annotated[str, entry(_("Remark"), max_length=TEXT_LENGTH_MAX)] = ""


class HeadForm(msgspec.Struct, kw_only=True, frozen=True):
    """Who heads a department."""

    department_id: Annotated[int, entry(_("Department"), "choice", choices=department_choices)]
    user_id: Annotated[
        int, entry(_("Head of the department"), "choice", choices=staff_choices, hint=_("Empty: nobody."))
    ] = 0


def save_rule(service: Service, visitor: Visitor, kind: str, form: RuleForm) -> None:
    """Set a reminder; it runs once more today with what is set, and makes nothing twice."""
    task_kind = TASK_KINDS.get(kind)
    if task_kind is None or not task_kind.is_reminder:
        raise RefusedError("There is no such reminder.")
    _check_whole(visitor)
    if task_kind.name == "silent" and not form.days:
        raise RefusedError("At least {bound}.", bound=1)
    with service.database.write() as session:
        row = session.get(ReminderRule, kind)
        old = row if row is not None else default_of(task_kind)
        before = _shown(old)
        if row is None:
            row = old
            session.add(row)
        row.is_on, row.count_max = form.is_on, form.count_max
        row.days = form.days if task_kind.days_label else 0
        row.amount = form.amount if task_kind.unit is not Unit.NONE else 0
        session.flush()
        ask_again(session, kind, business_date(today_of(session, service)))
        service.audit.append(session, visitor, MODULE, "change", f"reminder {kind}", before=before, after=_shown(row))


def _shown(row: ReminderRule) -> dict[str, Any]:
    return {"on": row.is_on, "days": row.days, "amount": row.amount, "most": row.count_max}


def runs_of(session: Session, day: int) -> dict[str, ReminderRun]:
    """What the run of a day has made, by kind."""
    return {row.kind: row for row in session.scalars(select(ReminderRun).where(ReminderRun.business_date == day))}


def festivals_seen(visitor: Visitor) -> Select[Any]:
    """(festival, name of its group) of the visitor's part and of the whole group, by month and day."""
    query: Any = select(Festival, MemberGroup.name).outerjoin(MemberGroup, MemberGroup.id == Festival.group_id)
    if not visitor.sees_everything:
        query = query.where(Festival.organisation_id.in_([0, *visitor.organisation_ids]))
    found: Select[Any] = query.order_by(Festival.date % 10_000, Festival.id)
    return found


def add_festival(service: Service, visitor: Visitor, form: FestivalForm) -> int:
    """Keep a festival; its number."""
    with service.database.write() as session:
        if form.group_id and group_seen(session, visitor, form.group_id) is None:
            raise RefusedError("There is no such group.")
        if len(session.scalars(select(Festival.id).limit(FESTIVALS_MAX)).all()) >= FESTIVALS_MAX:
            raise RefusedError("There are {most} festivals already: delete those that are over.", most=FESTIVALS_MAX)
        row = Festival(
            organisation_id=visitor.organisation_id,
            name=form.name.strip(),
            date=day_stamp(form.date),
            is_yearly=form.is_yearly,
            group_id=form.group_id or None,
        )
        session.add(row)
        session.flush()
        ask_again(session, "festival", business_date(today_of(session, service)))
        service.audit.append(session, visitor, MODULE, "add", f"festival {row.id}", name=row.name, date=row.date)
        return row.id


def delete_festival(service: Service, visitor: Visitor, festival_id: int) -> None:
    """Forget a festival; tasks that it has made stay."""
    with service.database.write() as session:
        row = session.get(Festival, festival_id)
        if row is None or not visitor.may_place_in(row.organisation_id):
            raise RefusedError("There is no such festival in your part of the organisation.")
        session.delete(row)
        service.audit.append(session, visitor, MODULE, "delete", f"festival {festival_id}", name=row.name)


def days_of_member(session: Session, member_id: int) -> Sequence[MemberDay]:
    """Special days of a member, by month and day."""
    query = select(MemberDay).where(MemberDay.member_id == member_id)
    return session.scalars(query.order_by(MemberDay.month_day, MemberDay.id)).all()


def add_member_day(service: Service, visitor: Visitor, member_id: int, form: MemberDayForm) -> int:
    """Note a date or event of a member; its number."""
    with service.database.write() as session:
        member_to_change(session, visitor, member_id)
        if len(days_of_member(session, member_id)) >= DAYS_OF_MEMBER_MAX:
            raise RefusedError("There are {most} special days already: delete one.", most=DAYS_OF_MEMBER_MAX)
        stamp = day_stamp(form.date)
        row = MemberDay(
            member_id=member_id,
            name=form.name.strip(),
            date=stamp,
            month_day=stamp % 10_000,
            is_yearly=form.is_yearly,
            note=form.note.strip(),
            created_by=visitor.user_id,
        )
        session.add(row)
        session.flush()
        ask_again(session, "special-day", business_date(today_of(session, service)))
        service.audit.append(session, visitor, "care", "add day", f"member {member_id}", name=row.name, date=stamp)
        return row.id


def delete_member_day(service: Service, visitor: Visitor, day_id: int) -> int:
    """Forget a special day; the member's number."""
    with service.database.write() as session:
        row = session.get(MemberDay, day_id)
        if row is None:
            raise RefusedError("There is no such special day.")
        member_to_change(session, visitor, row.member_id)
        session.delete(row)
        service.audit.append(session, visitor, "care", "delete day", f"member {row.member_id}", name=row.name)
        return row.member_id


def heads_of(session: Session, visitor: Visitor) -> Sequence[Any]:
    """(department, name of its head or None) of the visitor's part and of the whole group."""
    query: Any = (
        select(Department, User.full_name)
        .outerjoin(DepartmentHead, DepartmentHead.department_id == Department.id)
        .outerjoin(User, User.id == DepartmentHead.user_id)
    )
    if not visitor.sees_everything:
        query = query.where(Department.organisation_id.in_([0, *visitor.organisation_ids]))
    rows: Sequence[Any] = session.execute(query.order_by(Department.name, Department.id)).all()
    return rows


def save_head(service: Service, visitor: Visitor, form: HeadForm) -> None:
    """Name the head of a department, or nobody."""
    with service.database.write() as session:
        department = session.get(Department, form.department_id)
        if department is None or not visitor.may_place_in(department.organisation_id):
            raise RefusedError("There is no such department in your part of the organisation.")
        row = session.get(DepartmentHead, form.department_id)
        before = row.user_id if row is not None else 0
        if form.user_id:
            session.merge(DepartmentHead(department_id=form.department_id, user_id=form.user_id))
        elif row is not None:
            session.delete(row)
        name = f"department {form.department_id}"
        service.audit.append(session, visitor, MODULE, "change", name, before=before, after=form.user_id)


def day_stamp(day: int) -> int:
    """YYYYMMDD of days since 1970-01-01."""
    found = FIRST_DATE.fromordinal(FIRST_DATE.toordinal() + day)
    return found.year * 10_000 + found.month * 100 + found.day


def _check_whole(visitor: Visitor) -> None:
    if not visitor.sees_everything:
        raise RefusedError("Reminders are set for the whole group, by somebody who belongs to it.")
