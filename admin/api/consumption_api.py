"""Purchases of members: those of the tills and those noted by hand in one table; notes are made, changed, deleted."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from admin.access import Visitor, needs
from admin.exports.kinds import AT_ONCE_ROWS_MAX, CONSUMPTION_KIND, ReportAsked
from admin.members.consumption import (
    ConsumptionForm,
    add_consumption,
    change_consumption,
    consumption_seen,
    delete_consumption,
    form_of,
)
from admin.reports.asking import FILE_TYPES, report_file, run_report
from admin.reports.consumption import CONSUMPTION, ConsumptionParameters
from admin.reports.running import ROWS_SHOWN_MAX
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, api_delete, api_get, api_post, api_put, filled
from .member_api import existing
from .records import ConsumptionRecord
from .report_api import parameters_in_address
from .tables import ReportDetails, ReportTable, Rows, details_of, sent_or_ordered, table_of

TAG = "Noted purchases"
LIST = "/api/v1/member-consumption"
LOOKS, EXPORTS = [needs("members")], [needs("members", Action.EXPORT)]
CHANGES = [needs("members", Action.CHANGE)]
ConsumptionSearch = body_of(ConsumptionParameters, "ConsumptionSearch")
NewConsumption = body_of(ConsumptionForm, "NewConsumption")
ConsumptionChange = body_of(
    ConsumptionForm,
    "ConsumptionChange",
    more=[
        ("version", Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1, description="That of the record as it was read.")])
    ],
)


class ConsumptionDetails(msgspec.Struct):
    """A purchase that was noted by hand."""

    id: int
    member_id: int
    member: str
    amount_minor: int
    """Sum of the four kinds of charges."""
    author: str
    created_ms: int
    changed_ms: int
    version: int
    """Goes back with a change: who has read an older one is told."""
    record: ConsumptionRecord


@api_get(LIST, guards=LOOKS, tag=TAG)
def describe_consumption(request: Request[Visitor, Any, Any]) -> ReportDetails:
    """By what purchases are looked for, and the columns of the table."""
    return details_of(request, CONSUMPTION)


def _search(request: Request[Visitor, Any, Any], data: Any, limit: Rows = ROWS_SHOWN_MAX) -> ReportTable:
    """Purchases of members, newest first, with the sums of all; `record` is the number of a note, 0: a till's sale."""
    state = request.app.state
    parameters = checked(request, ConsumptionParameters, data)
    outcome = run_report(state.service, state.reports, request.user, CONSUMPTION, parameters, limit)
    return table_of(request, CONSUMPTION, outcome)


def _excel(request: Request[Visitor, Any, Any], data: Any) -> Response[bytes]:
    """The whole table as a workbook. With many rows it is ordered: 202, and the number of the export."""
    return _export(request, data, "xlsx")


def _csv(request: Request[Visitor, Any, Any], data: Any) -> Response[bytes]:
    """The whole table as CSV. With many rows it is ordered: 202, and the number of the export."""
    return _export(request, data, "csv")


@api_get(f"{LIST}/{{consumption_id:int}}", guards=CHANGES, tag=TAG)
def get_consumption(request: Request[Visitor, Any, Any], consumption_id: FromPath[int]) -> ConsumptionDetails:
    """A purchase that was noted by hand."""
    return _details(request, consumption_id)


def _details(request: Request[Visitor, Any, Any], consumption_id: int) -> ConsumptionDetails:
    with request.app.state.service.database.read() as session:
        found = consumption_seen(session, request.user, consumption_id)
        if found is None:
            raise NotFoundException(detail="There is no such record.")
        record = filled(ConsumptionRecord, form_of(found.row))
        return filled(ConsumptionDetails, found.row, member=found.member.name, author=found.author, record=record)


def _make(request: Request[Visitor, Any, Any], member_id: FromPath[int], data: Any) -> Done:
    """Note a purchase that no till has seen."""
    existing(request, member_id)
    form = checked(request, ConsumptionForm, data)
    return Done(str(add_consumption(request.app.state.service, request.user, member_id, form)))


def _change(request: Request[Visitor, Any, Any], consumption_id: FromPath[int], data: Any) -> ConsumptionDetails:
    """Change a purchase that was noted by hand; what a till has sold is refunded instead."""
    _details(request, consumption_id)
    form = checked(request, ConsumptionForm, data)
    change_consumption(request.app.state.service, request.user, consumption_id, data.version, form)
    return _details(request, consumption_id)


@api_delete(
    f"{LIST}/{{consumption_id:int}}",
    guards=[needs("members", Action.DELETE)],
    tag=TAG,
    pages=("POST /member-consumption/{consumption_id}/delete",),
)
def end_consumption(request: Request[Visitor, Any, Any], consumption_id: FromPath[int]) -> None:
    """Remove a purchase that was noted by mistake; what it said stays in the audit log."""
    _details(request, consumption_id)
    delete_consumption(request.app.state.service, request.user, consumption_id)


search_consumption = takes(
    api_post(f"{LIST}/search", guards=LOOKS, tag=TAG, status=200, pages=("GET /member-consumption",)),
    _search,
    ConsumptionSearch,
)
export_excel = takes(
    api_post(
        f"{LIST}/excel",
        guards=EXPORTS,
        tag=TAG,
        pages=("GET /member-consumption/excel",),
        status=200,
        media_type=FILE_TYPES["xlsx"],
    ),
    _excel,
    ConsumptionSearch,
)
export_csv = takes(
    api_post(
        f"{LIST}/csv",
        guards=EXPORTS,
        tag=TAG,
        pages=("GET /member-consumption/csv",),
        status=200,
        media_type=FILE_TYPES["csv"],
    ),
    _csv,
    ConsumptionSearch,
)
get_consumption_form = form_handler(
    f"{LIST}/form", ConsumptionForm, guards=CHANGES, tag=TAG, pages=("GET /members/{member_id}/consumption/new",)
)
make_consumption = takes(
    api_post(
        "/api/v1/members/{member_id:int}/consumption",
        guards=CHANGES,
        tag=TAG,
        pages=("POST /members/{member_id}/consumption/new",),
    ),
    _make,
    NewConsumption,
)
put_consumption = takes(
    api_put(
        f"{LIST}/{{consumption_id:int}}",
        guards=CHANGES,
        tag=TAG,
        pages=("POST /member-consumption/{consumption_id}",),
    ),
    _change,
    ConsumptionChange,
)
HANDLERS = [
    describe_consumption,
    search_consumption,
    export_excel,
    export_csv,
    get_consumption_form,
    make_consumption,
    get_consumption,
    put_consumption,
    end_consumption,
]


def _export(request: Request[Visitor, Any, Any], data: Any, suffix: str) -> Response[bytes]:
    state = request.app.state
    parameters = checked(request, ConsumptionParameters, data)
    file = report_file(
        state.service,
        state.reports,
        request.user,
        state.references,
        CONSUMPTION,
        parameters,
        suffix,
        rows_max=AT_ONCE_ROWS_MAX,
    )
    asked = ReportAsked(CONSUMPTION.name, parameters_in_address(request, parameters), suffix)
    return sent_or_ordered(request, file, CONSUMPTION_KIND, CONSUMPTION.label, asked)
