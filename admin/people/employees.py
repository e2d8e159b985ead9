"""Employees: recording and changing them within the visitor's part, and the records that name one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor, mask_phone
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.members.seals import Vault
from admin.models.audit import AuditRow
from admin.models.documents import Document
from admin.models.employees import NUMBER_LENGTH_MAX, Employee
from admin.models.mirror import organisations
from admin.models.people import WHOLE_GROUP, Department, User
from admin.rights import Action
from admin.service import Service

_ = str
MODULE = "employees"
RECORDS_SHOWN = 20
NOBODY = 0


def _places(context: FormContext) -> Mapping[int | str, str]:
    query = context.visitor.organisations_seen(select(organisations.c.organisation_id, organisations.c.name))
    rows = context.session.execute(query.order_by(organisations.c.organisation_id))
    found: dict[int | str, str] = {row.organisation_id: f"{row.organisation_id} {row.name}".strip() for row in rows}
    return {WHOLE_GROUP: translate(_("Whole group")), **found} if context.visitor.sees_everything else found


def _departments(context: FormContext) -> Mapping[int | str, str]:
    query = context.visitor.departments_seen(select(Department)).order_by(Department.name)
    return {NOBODY: translate(_("None")), **{row.id: row.name for row in context.session.scalars(query)}}


def _accounts(context: FormContext) -> Mapping[int | str, str]:
    query = context.visitor.users_seen(select(User)).order_by(User.name)
    found = {row.id: f"{row.full_name} ({row.name})" for row in context.session.scalars(query)}
    return {NOBODY: translate(_("He does not sign on here")), **found}


class EmployeeForm(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded of an employee."""

    number: Annotated[str, entry(_("Staff number"), min_length=1, max_length=NUMBER_LENGTH_MAX)]
    full_name: Annotated[str, entry(_("Full name"), min_length=1, max_length=80)]
    organisation: Annotated[int, entry(_("Place"), "choice", choices=_places)]
    department: Annotated[int, entry(_("Department"), "choice", choices=_departments)] = NOBODY
    position: Annotated[str, entry(_("Position"), max_length=60)] = ""
    phone: Annotated[str, entry(_("Telephone"), max_length=40)] = ""
    hired_date: Annotated[int, entry(_("Works here since"), "date")] = 0
    left_date: Annotated[int, entry(_("Has left on"), "date", hint=_("Empty: he works here."))] = 0
    user: Annotated[int, entry(_("Account"), "choice", choices=_accounts)] = NOBODY
    note: Annotated[str, entry(_("Remark"), max_length=200)] = ""

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if self.left_date and self.hired_date and self.left_date < self.hired_date:
            yield "left_date", translate("This is before the first day.")


@dataclass(frozen=True, slots=True)
class Records:
    """What names an employee: documents that he made or agreed to, and rows of the audit log."""

    documents: Sequence[Document]
    audit: Sequence[AuditRow]


def employees_seen(visitor: Visitor, query: Select[Any]) -> Select[Any]:
    """A question about `employees`: of the visitor's part of the organisation."""
    if visitor.sees_everything:
        return query
    return query.where(Employee.organisation_id.in_(visitor.organisation_ids))


def find_employees(
    session: Session, visitor: Visitor, *, typed: str = "", after: str = "", has_left: bool = False, limit: int = 50
) -> tuple[list[Employee], str | None]:
    """Employees by staff number, and the number that the next page begins behind."""
    query = employees_seen(visitor, select(Employee)).order_by(Employee.number).limit(limit + 1)
    query = query.where(Employee.left_date != 0 if has_left else Employee.left_date == 0)
    if typed := typed.strip():
        found = (column.contains(typed, autoescape=True) for column in (Employee.number, Employee.full_name))
        query = query.where(or_(*found))
    if after:
        query = query.where(Employee.number > after)
    rows = list(session.scalars(query))
    return rows[:limit], rows[limit - 1].number if len(rows) > limit else None


def employee_seen(session: Session, visitor: Visitor, employee_id: int) -> Employee | None:
    """One employee, when the visitor may see him."""
    found: Employee | None = session.scalar(employees_seen(visitor, select(Employee).where(Employee.id == employee_id)))
    return found


def form_of(service: Service, visitor: Visitor, row: Employee) -> EmployeeForm:
    """An employee as the form shows him: the telephone masked, unless the visitor may see it."""
    return EmployeeForm(
        number=row.number,
        full_name=row.full_name,
        organisation=row.organisation_id,
        department=row.department_id or NOBODY,
        position=row.position,
        phone=_shown_phone(service, visitor, row),
        hired_date=row.hired_date,
        left_date=row.left_date,
        user=row.user_id or NOBODY,
        note=row.note,
    )


def save_employee(service: Service, visitor: Visitor, employee_id: int | None, form: EmployeeForm) -> int:
    """Record a new employee, or change one; his number among the rows."""
    with service.database.write() as session:
        row = employee_seen(session, visitor, employee_id) if employee_id is not None else None
        if employee_id is not None and row is None:
            raise RefusedError("There is no such employee.")
        if not visitor.may_place_in(form.organisation):
            raise RefusedError("You may only place users in your own part of the organisation.")
        same = select(Employee.id).where(Employee.number == form.number, Employee.id != (employee_id or 0))
        if session.scalar(same) is not None:
            raise RefusedError("There is an employee with this staff number already.")
        taken = select(Employee.id).where(Employee.user_id == form.user, Employee.id != (employee_id or 0))
        if form.user and session.scalar(taken) is not None:
            raise RefusedError("This account is another employee's.")
        is_new = row is None
        if row is None:
            row = Employee(number=form.number, full_name=form.full_name, organisation_id=form.organisation)
            row.changed_at = service.now()
            session.add(row)
            session.flush()
        before = _told(row)
        shown_phone = _shown_phone(service, visitor, row)
        row.number, row.full_name, row.organisation_id = form.number, form.full_name, form.organisation
        row.department_id, row.user_id = form.department or None, form.user or None
        row.position, row.note = form.position, form.note
        row.hired_date, row.left_date, row.changed_at = form.hired_date, form.left_date, service.now()
        is_phone_new = form.phone != shown_phone  # a masked one that comes back stays as it is
        if is_phone_new:
            place = ("employees", "phone", str(row.id))
            row.phone_sealed = Vault(service).seal(*place, form.phone) if form.phone else None
        detail: dict[str, Any] = {"after": _told(row), "phone_changed": is_phone_new}
        if not is_new:
            detail["before"] = before
        service.audit.append(session, visitor, MODULE, "add" if is_new else "change", f"employee {row.id}", **detail)
        return row.id


def records_of(session: Session, visitor: Visitor, row: Employee) -> Records:
    """What an employee has done here, newest first."""
    if row.user_id is None:
        return Records((), ())
    theirs = or_(Document.maker_id == row.user_id, Document.checker_id == row.user_id)
    documents = visitor.documents_seen(select(Document).where(theirs)).order_by(Document.id.desc())
    audit = select(AuditRow).where(AuditRow.user_id == row.user_id).order_by(AuditRow.id.desc())
    is_audit_seen = visitor.may("audit")
    return Records(
        session.scalars(documents.limit(RECORDS_SHOWN)).all(),
        session.scalars(audit.limit(RECORDS_SHOWN)).all() if is_audit_seen else (),
    )


def _shown_phone(service: Service, visitor: Visitor, row: Employee) -> str:
    if row.phone_sealed is None:
        return ""
    phone = Vault(service).open("employees", "phone", str(row.id), row.phone_sealed)
    return phone if visitor.may("employees", Action.SEE_UNMASKED) else mask_phone(phone)


def _told(row: Employee) -> dict[str, Any]:
    """What the audit log keeps: no telephone."""
    return {
        "number": row.number,
        "full_name": row.full_name,
        "organisation": row.organisation_id,
        "department": row.department_id,
        "position": row.position,
        "left": row.left_date,
        "user": row.user_id,
    }
