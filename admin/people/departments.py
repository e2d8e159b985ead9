"""Departments: parts of an organisation that users belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.people import Department, User
from admin.service import Service

MODULE = "organisation"
NAME_LENGTH_MAX = 80


@dataclass(frozen=True, slots=True)
class DepartmentRow:
    """A department, and how many belong to it."""

    id: int
    organisation_id: int
    name: str
    user_count: int


def departments_seen(session: Session, visitor: Visitor) -> Sequence[DepartmentRow]:
    """Departments of the visitor's part of the organisation, by node and name."""
    counts = (
        select(User.department_id, func.count().label("user_count")).group_by(User.department_id).subquery("counts")
    )
    query: Any = select(Department, func.coalesce(counts.c.user_count, 0)).outerjoin(
        counts, counts.c.department_id == Department.id
    )
    query = visitor.departments_seen(query).order_by(Department.organisation_id, Department.name)
    return [DepartmentRow(one.id, one.organisation_id, one.name, count) for one, count in session.execute(query)]


def add_department(service: Service, visitor: Visitor, name: str, organisation_id: int) -> int:
    """A new department of a node; its number."""
    if not visitor.may_place_in(organisation_id):
        raise RefusedError("This is not in your part of the organisation.")
    with service.database.write() as session:
        department = Department(name=_free_name(session, name, organisation_id), organisation_id=organisation_id)
        session.add(department)
        session.flush()
        after = {"name": department.name, "organisation": organisation_id}
        service.audit.append(session, visitor, MODULE, "add", f"department {department.id}", after=after)
        return department.id


def rename_department(service: Service, visitor: Visitor, department_id: int, name: str) -> None:
    """Give a department another name."""
    with service.database.write() as session:
        department = _department(session, visitor, department_id)
        before = department.name
        if name.strip() != before:
            department.name = _free_name(session, name, department.organisation_id)
        detail = {"before": before, "after": department.name}
        service.audit.append(session, visitor, MODULE, "change", f"department {department.id}", **detail)


def delete_department(service: Service, visitor: Visitor, department_id: int) -> None:
    """Delete a department that nobody belongs to."""
    with service.database.write() as session:
        department = _department(session, visitor, department_id)
        count = session.scalar(select(func.count()).where(User.department_id == department.id))
        if count:
            raise RefusedError("{count} users belong to this department; move them first.", count=count)
        session.delete(department)
        service.audit.append(session, visitor, MODULE, "delete", f"department {department.id}", before=department.name)


def _department(session: Session, visitor: Visitor, department_id: int) -> Department:
    found: Department | None = session.scalar(
        visitor.departments_seen(select(Department).where(Department.id == department_id))
    )
    if found is None:
        raise RefusedError("There is no such department.")
    return found


def _free_name(session: Session, name: str, organisation_id: int) -> str:
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise RefusedError("A name has {least} to {most} characters.", least=1, most=NAME_LENGTH_MAX)
    same = select(Department.id).where(Department.organisation_id == organisation_id, Department.name == name)
    if session.scalar(same) is not None:
        raise RefusedError("There is a department with this name already.")
    return name
