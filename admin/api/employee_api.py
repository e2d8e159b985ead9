"""Employees: who works where, as what, since when."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from admin.access import Visitor, needs
from admin.people.employees import EmployeeForm, employee_seen, find_employees, form_of, save_employee
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Key, Limit, Page, Text, api_get, api_post, api_put, filled

TAG = "Employees"
EmployeeBody = body_of(EmployeeForm, "EmployeeChange")


class EmployeeItem(msgspec.Struct):
    """An employee as a list has him."""

    id: int
    number: str
    full_name: str
    organisation_id: int
    department_id: int | None
    position: str
    hired_date: int
    left_date: int
    """0: he works here."""
    user_id: int | None


class EmployeeDetails(msgspec.Struct):
    """One employee."""

    employee: EmployeeItem
    phone: str
    """Masked, unless one may see it."""
    note: str


@api_get("/api/v1/employees", guards=[needs("employees")], tag=TAG)
def list_employees(
    request: Request[Visitor, Any, Any],
    q: Text = "",
    has_left: FromQuery[bool] = False,
    after: Key = "",
    limit: Limit = 50,
) -> Page[EmployeeItem]:
    """Employees by staff number."""
    with request.app.state.service.database.read() as session:
        rows, last = find_employees(session, request.user, typed=q, after=after, has_left=has_left, limit=limit)
        return Page([filled(EmployeeItem, row) for row in rows], last)


@api_get("/api/v1/employees/{employee_id:int}", guards=[needs("employees")], tag=TAG)
def get_employee(request: Request[Visitor, Any, Any], employee_id: FromPath[int]) -> EmployeeDetails:
    """One employee."""
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        row = employee_seen(session, visitor, employee_id)
        if row is None:
            raise NotFoundException(detail="There is no such employee.")
        item, form = filled(EmployeeItem, row), form_of(service, visitor, row)
    if form.phone and visitor.may("employees", Action.SEE_UNMASKED):
        service.audit.looked(visitor, "employees", f"employee {employee_id}")
    return EmployeeDetails(item, form.phone, form.note)


def _make(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Record an employee."""
    form = checked(request, EmployeeForm, data)
    return Done(str(save_employee(request.app.state.service, request.user, None, form)))


def _change(request: Request[Visitor, Any, Any], employee_id: FromPath[int], data: Any) -> Done:
    """Change an employee; a telephone that comes back masked stays as it is."""
    form = checked(request, EmployeeForm, data)
    return Done(str(save_employee(request.app.state.service, request.user, employee_id, form)))


make_employee = takes(
    api_post("/api/v1/employees", guards=[needs("employees", Action.ADD)], tag=TAG, pages=("POST /employees/new",)),
    _make,
    EmployeeBody,
)
change_employee = takes(
    api_put(
        "/api/v1/employees/{employee_id:int}",
        guards=[needs("employees", Action.CHANGE)],
        tag=TAG,
        pages=("POST /employees/{employee_id}",),
    ),
    _change,
    EmployeeBody,
)
get_employee_form = form_handler(
    "/api/v1/employees/form",
    EmployeeForm,
    guards=[needs("employees", Action.ADD)],
    tag=TAG,
    pages=("GET /employees/new",),
)
HANDLERS = [list_employees, get_employee, make_employee, change_employee, get_employee_form]
