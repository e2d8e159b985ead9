"""Purchases of members: looking for them, and those that are typed in by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.exports.kinds import CONSUMPTION_KIND
from admin.forms import Bound, FormContext, bind, fields_of
from admin.members.consumption import (
    ConsumptionForm,
    add_consumption,
    change_consumption,
    consumption_seen,
    delete_consumption,
    form_of,
)
from admin.members.records import member_seen
from admin.members.today import today_of
from admin.members.totals import business_date
from admin.models.members import MemberState
from admin.reports.consumption import CONSUMPTION, LOOKED_THROUGH_MAX, ConsumptionParameters
from admin.reports.report import Report
from admin.reports.running import outcome, scope_of
from admin.rights import Action

from .common import go, page, refusal_text
from .handlers import get
from .member_common import acted, number_in, sent_texts
from .report_pages import export_report, report_page, table_context

LIST = "/member-consumption"
LAST_SHOWN = 10
"""Purchases on the page of a member; the list has all."""
CHANGES = needs("members", Action.CHANGE)


@get(LIST, guards=[needs("members")])
def list_consumption(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Purchases of members by class of member, type of product, amount and day; of this month, until one asks."""
    service = request.app.state.service
    with service.database.read() as session:
        first = today_of(session, service).replace(day=1)
    month = {"from_date": [first.isoformat()]}
    return report_page(
        request,
        _report_for(request.user),
        "member_consumption.html",
        LIST,
        unasked=month,
        looked_through=LOOKED_THROUGH_MAX,
    )


@get(f"{LIST}/excel", guards=[needs("members", Action.EXPORT)])
def export_excel(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """The whole table as a workbook."""
    return export_report(request, CONSUMPTION, "xlsx", CONSUMPTION_KIND)


@get(f"{LIST}/csv", guards=[needs("members", Action.EXPORT)])
def export_csv(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """The whole table as CSV."""
    return export_report(request, CONSUMPTION, "csv", CONSUMPTION_KIND)


@get("/members/{member_id:int}/consumption/new", guards=[CHANGES])
def new_consumption(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Template:
    """The form of a purchase."""
    return _form(request, member_id, 0, None, "")


@async_post("/members/{member_id:int}/consumption/new", guards=[CHANGES], status_code=200)
async def do_new_consumption(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Write a purchase down."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save, request, member_id, 0, texts)


@get(f"{LIST}/{{consumption_id:int}}", guards=[CHANGES])
def show_consumption(request: Request[Visitor, Any, Any], consumption_id: FromPath[int]) -> Template:
    """A record that was noted by hand, to be changed."""
    return _form(request, 0, consumption_id, None, "")


@async_post(f"{LIST}/{{consumption_id:int}}", guards=[CHANGES], status_code=200)
async def do_change_consumption(request: Request[Visitor, Any, Any], consumption_id: FromPath[int]) -> Response[Any]:
    """Change a record."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save, request, 0, consumption_id, texts)


@async_post(f"{LIST}/{{consumption_id:int}}/delete", guards=[needs("members", Action.DELETE)], status_code=200)
async def do_delete_consumption(request: Request[Visitor, Any, Any], consumption_id: FromPath[int]) -> Response[Any]:
    """Remove a record."""
    return await acted(
        request, lambda: delete_consumption(request.app.state.service, request.user, consumption_id), LIST
    )


def bought_by(request: Request[Visitor, Any, Any], session: Session, member_id: int) -> dict[str, Any]:
    """What a member's page shows of its last purchases, with the sums of all."""
    report = _report_for(request.user)
    found = outcome(scope_of(session, request.user), report, ConsumptionParameters(member=member_id), LAST_SHOWN)
    return table_context(request, report, found)


def _report_for(visitor: Visitor) -> Report:
    """The table, with links to what the visitor may open."""
    may_open = {
        "record": visitor.may("members", Action.CHANGE),
        "sequence": visitor.may("reports"),
        "member": True,
    }
    return replace(CONSUMPTION, links={name: address for name, address in CONSUMPTION.links.items() if may_open[name]})


def _form(
    request: Request[Visitor, Any, Any],
    member_id: int,
    consumption_id: int,
    bound: Bound[ConsumptionForm] | None,
    problem: str,
) -> Template:
    state, visitor = request.app.state, request.user
    with state.service.database.read() as session:
        row, author = None, ""
        if consumption_id:
            found = consumption_seen(session, visitor, consumption_id)
            if found is None:
                raise NotFoundException(detail="There is no such record.")
            row, member, author = found.row, found.member, found.author
        elif (one := member_seen(session, visitor, member_id)) is not None and one.state != MemberState.MERGED:
            member = one
        else:
            raise NotFoundException(detail="There is no such member.")
        today = business_date(today_of(session, state.service))
        filled = form_of(row) if row is not None else ConsumptionForm(business_date=today, product="")
        fields = fields_of(ConsumptionForm, FormContext(session, visitor, state.references), bound, filled)
        session.expunge_all()
    return page(
        request,
        "consumption_form.html",
        http_status=409 if problem else 200,
        member=member,
        row=row,
        author=author,
        fields=fields,
        problem=problem,
    )


def _save(
    request: Request[Visitor, Any, Any], member_id: int, consumption_id: int, texts: dict[str, list[str]]
) -> Response[Any]:
    state, visitor = request.app.state, request.user
    with state.service.database.read() as session:
        bound = bind(ConsumptionForm, texts, FormContext(session, visitor, state.references))
    if bound.value is None:
        return _form(request, member_id, consumption_id, bound, "")
    try:
        if consumption_id:
            version = number_in(texts, "version")
            member_id = change_consumption(state.service, visitor, consumption_id, version, bound.value)
        else:
            add_consumption(state.service, visitor, member_id, bound.value)
    except RefusedError as error:
        bound.typed = texts
        return _form(request, member_id, consumption_id, bound, refusal_text(error))
    return go(request, f"/members/{member_id}#consumption")


HANDLERS: list[Any] = [
    list_consumption,
    export_excel,
    export_csv,
    new_consumption,
    do_new_consumption,
    show_consumption,
    do_change_consumption,
    do_delete_consumption,
]
