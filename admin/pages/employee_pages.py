"""Employees: the list, one with the records that name him, and the form."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.documents.registry import KINDS
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, fields_of
from admin.models.people import WHOLE_GROUP
from admin.people.employees import (
    EmployeeForm,
    employee_seen,
    find_employees,
    form_of,
    records_of,
    save_employee,
)
from admin.rights import Action

from . import document_pages
from .common import go, is_part_wanted, page, page_rows, refusal_text, with_query
from .handlers import get


@get("/employees", guards=[needs("employees")])
def list_employees(
    request: Request[Visitor, Any, Any], q: FromQuery[str] = "", left: FromQuery[str] = "", after: FromQuery[str] = ""
) -> Template:
    """Employees of the visitor's part by staff number; with `left` those who have gone."""
    with request.app.state.service.database.read() as session:
        rows, last = find_employees(
            session, request.user, typed=q, after=after, has_left=bool(left), limit=page_rows(request)
        )
    return page(
        request,
        "_employee_rows.html" if is_part_wanted(request) else "employees.html",
        rows=rows,
        q=q,
        left=left,
        is_first=not after,
        next_address=with_query("/employees", {"q": q, "left": left, "after": last}) if last else None,
    )


@get("/employees/new", guards=[needs("employees", Action.ADD)])
def new_employee(request: Request[Visitor, Any, Any]) -> Template:
    """Form for a new employee."""
    return _form(request, None, None, "")


@post("/employees/new", guards=[needs("employees", Action.ADD)], status_code=200)
async def do_add_employee(request: Request[Visitor, Any, Any]) -> Template | Response[Any]:
    """Record an employee."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_save, request, None, texts)


@get("/employees/{employee_id:int}", guards=[needs("employees")])
def show_employee(request: Request[Visitor, Any, Any], employee_id: FromPath[int]) -> Template:
    """One employee, and what he has done here."""
    return _form(request, employee_id, None, "")


@post("/employees/{employee_id:int}", guards=[needs("employees", Action.CHANGE)], status_code=200)
async def do_change_employee(
    request: Request[Visitor, Any, Any], employee_id: FromPath[int]
) -> Template | Response[Any]:
    """Change an employee."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_save, request, employee_id, texts)


HANDLERS: list[Any] = [list_employees, new_employee, do_add_employee, show_employee, do_change_employee]


def _save(
    request: Request[Visitor, Any, Any], employee_id: int | None, texts: dict[str, list[str]]
) -> Template | Response[Any]:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        bound = bind(EmployeeForm, texts, FormContext(session, visitor, request.app.state.references))
    if bound.value is None:
        return _form(request, employee_id, bound, "")
    try:
        saved = save_employee(service, visitor, employee_id, bound.value)
    except RefusedError as error:
        return _form(request, employee_id, bound, refusal_text(error))
    return go(request, f"/employees/{saved}")


def _form(
    request: Request[Visitor, Any, Any], employee_id: int | None, bound: Bound[EmployeeForm] | None, problem: str
) -> Template:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        context = FormContext(session, visitor, request.app.state.references)
        row = employee_seen(session, visitor, employee_id) if employee_id is not None else None
        if employee_id is not None and row is None:
            raise NotFoundException(detail="There is no such employee.")
        value = form_of(service, visitor, row) if row is not None else None
        fields = fields_of(EmployeeForm, context, bound, value)
        records = records_of(session, visitor, row) if row is not None else None
        session.expunge_all()
    may_change = visitor.may("employees", Action.CHANGE if row is not None else Action.ADD)
    if row is not None and row.phone_sealed is not None and visitor.may("employees", Action.SEE_UNMASKED):
        service.audit.looked(visitor, "employees", f"employee {row.id}")
    return page(
        request,
        "employee.html",
        row=row,
        fields=fields,
        records=records,
        problem=problem,
        may_change=may_change,
        kinds=KINDS,
        states=document_pages.STATES,
        tones=document_pages.TONES,
        whole_group=WHOLE_GROUP,
    )
