"""Reports: each with its parameters, as a table, as Excel or CSV; handed in and reviewed."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qs

import msgspec
from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.exports.kinds import AT_ONCE_ROWS_MAX, REPORT
from admin.exports.kinds import ReportAsked as ExportAsked
from admin.forms import FormContext, bind, shown_of
from admin.i18n import translate
from admin.models.submissions import REMARK_CHARACTERS_MAX, ReportSubmission
from admin.reports.asking import FILE_TYPES, query_of, report_file, run_report
from admin.reports.registry import REPORTS
from admin.reports.report import Parameters, Report
from admin.reports.running import ROWS_SHOWN_MAX
from admin.reports.submitting import find, outcome_of, review, submissions_seen, submit
from admin.rights import Action

from .bodies import body_of, checked, invalid, takes
from .handlers import Done, Limit, Number, Page, SmallNumber, api_get, api_post, filled, page_of
from .tables import ReportDetails, ReportItem, ReportTable, Rows, details_of, item_of, sent_or_ordered, table_of

TAG = "Reports"
NO_ZERO = r"^[^\x00]*$"
BODIES: dict[type[Parameters], type[msgspec.Struct]] = {}


class ReportAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Parameters of a report: those of the body of POST /api/v1/reports/NAME."""

    parameters: dict[str, Any] = {}


class ReportHandedIn(ReportAsked, forbid_unknown_fields=True):
    """A report to be handed in, with a word for its reader."""

    remark: Annotated[str, msgspec.Meta(max_length=REMARK_CHARACTERS_MAX, pattern=NO_ZERO)] = ""


class SubmissionItem(msgspec.Struct):
    """A report that was handed in."""

    id: int
    report: str
    remark: str
    organisation_id: int
    submitted_by: int
    submitted_ms: int
    reviewed_by: int
    """0: nobody yet."""
    reviewed_ms: int | None
    decision: str


class SubmittedParameter(msgspec.Struct):
    """A parameter, in words."""

    name: str
    value: str


class SubmissionDetails(msgspec.Struct):
    """A report as it was issued, and what was decided about it."""

    submission: SubmissionItem
    parameters: list[SubmittedParameter]
    table: ReportTable


class Decision(msgspec.Struct, forbid_unknown_fields=True):
    """What was decided."""

    decision: Annotated[str, msgspec.Meta(min_length=1, max_length=REMARK_CHARACTERS_MAX, pattern=NO_ZERO)]


@api_get("/api/v1/reports", guards=[needs("reports")], tag=TAG)
def list_reports(request: Request[Visitor, Any, Any]) -> list[ReportItem]:
    """All reports."""
    return [item_of(report) for report in REPORTS.values() if report.is_open_to(request.user)]


def make_handlers(report: Report) -> list[Any]:
    """The handlers that describe a report and answer it."""
    address, name = f"/api/v1/reports/{report.name}", report.name.replace("-", "_")

    def describe(request: Request[Visitor, Any, Any]) -> ReportDetails:
        return details_of(request, report)

    describe.__name__, describe.__doc__ = f"describe_{name}", f"{report.label}: parameters and columns"

    def answer(request: Request[Visitor, Any, Any], data: Any, limit: Rows = ROWS_SHOWN_MAX) -> ReportTable:
        state = request.app.state
        parameters = checked(request, report.parameters, data)
        outcome = run_report(state.service, state.reports, request.user, report, parameters, limit)
        return table_of(request, report, outcome)

    answer.__name__, answer.__doc__ = f"answer_{name}", f"{report.label}.\n\n{report.description}"
    guards = [needs("reports")]
    return [
        api_get(address, guards=guards, tag=TAG, pages=("GET /reports/{name}",))(describe),
        takes(api_post(address, guards=guards, tag=TAG, status=200), answer, _body(report)),
    ]


@api_post(
    "/api/v1/reports/{name:str}/excel",
    guards=[needs("reports", Action.EXPORT)],
    tag=TAG,
    pages=("GET /reports/{name}/excel",),
    status=200,
    media_type=FILE_TYPES["xlsx"],
)
def export_excel(
    request: Request[Visitor, Any, Any], name: FromPath[str], data: JSONBody[ReportAsked]
) -> Response[bytes]:
    """The whole table as a workbook. With many rows it is ordered: 202, and the number of the export."""
    return _export(request, name, data, "xlsx")


@api_post(
    "/api/v1/reports/{name:str}/csv",
    guards=[needs("reports", Action.EXPORT)],
    tag=TAG,
    pages=("GET /reports/{name}/csv",),
    status=200,
    media_type=FILE_TYPES["csv"],
)
def export_csv(
    request: Request[Visitor, Any, Any], name: FromPath[str], data: JSONBody[ReportAsked]
) -> Response[bytes]:
    """The whole table as CSV. With many rows it is ordered: 202, and the number of the export."""
    return _export(request, name, data, "csv")


@api_post("/api/v1/reports/{name:str}/submit", guards=[needs("reports", Action.ADD)], tag=TAG)
def hand_in(request: Request[Visitor, Any, Any], name: FromPath[str], data: JSONBody[ReportHandedIn]) -> Done:
    """Hand a report in as it stands now."""
    report, state, visitor = report_named(name), request.app.state, request.user
    parameters = parameters_sent(request, report, data)
    with state.service.database.read() as session:
        query = query_of(parameters, FormContext(session, visitor, state.references))
    outcome = run_report(state.service, state.reports, visitor, report, parameters, ROWS_SHOWN_MAX)
    return Done(str(submit(state.service, visitor, report, query, data.remark, outcome).id))


@api_get("/api/v1/report-submissions", guards=[needs("reports")], tag=TAG)
def list_submissions(
    request: Request[Visitor, Any, Any], before: Number = None, limit: Limit = 50
) -> Page[SubmissionItem]:
    """Reports that were handed in, newest first."""
    query = submissions_seen(request.user).order_by(ReportSubmission.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(ReportSubmission.id < before)
    with request.app.state.service.database.read() as session:
        rows = session.scalars(query).all()
        return page_of(rows, limit, lambda row: filled(SubmissionItem, row), lambda row: row.id)


@api_get("/api/v1/report-submissions/{submission_id:int}", guards=[needs("reports")], tag=TAG)
def get_submission(request: Request[Visitor, Any, Any], submission_id: FromPath[int]) -> SubmissionDetails:
    """One as it was issued."""
    state = request.app.state
    with state.service.database.read() as session:
        try:
            found = find(session, request.user, submission_id)
        except RefusedError as error:
            raise NotFoundException(detail="There is no such report.") from error
        report = report_named(found.report)
        return SubmissionDetails(
            filled(SubmissionItem, found),
            parameters_in_words(report, found.query, FormContext(session, request.user, state.references)),
            table_of(request, report, outcome_of(report, found)),
        )


@api_post(
    "/api/v1/report-submissions/{submission_id:int}",
    guards=[needs("reports", Action.APPROVE)],
    tag=TAG,
    status=200,
)
def decide(request: Request[Visitor, Any, Any], submission_id: FromPath[int], data: JSONBody[Decision]) -> Done:
    """Note what was decided; not about one's own."""
    review(request.app.state.service, request.user, submission_id, data.decision)
    return Done(str(submission_id))


@api_get("/api/v1/losses", guards=[needs("alarms")], tag=TAG)
def show_losses(
    request: Request[Visitor, Any, Any],
    from_date: SmallNumber = 0,
    until_date: SmallNumber = 0,
    organisation: SmallNumber = 0,
) -> ReportTable:
    """Losses by fraud and credit beside the rules that stopped or missed them, for security staff."""
    report, state = REPORTS["losses"], request.app.state
    # A node outside of the visitor's part has nothing that he sees: the question is held to his part besides.
    parameters = Parameters(from_date=from_date or 0, until_date=until_date or 0, organisation=organisation or 0)
    return table_of(
        request, report, run_report(state.service, state.reports, request.user, report, parameters, ROWS_SHOWN_MAX)
    )


def parameters_in_words(report: Report, query: str, context: FormContext) -> list[SubmittedParameter]:
    """Parameters that are kept as they stand in an address."""
    bound = bind(report.parameters, parse_qs(query), context)
    described = shown_of(bound.value, context) if bound.value is not None else []
    return [SubmittedParameter(translate(name), value) for name, value in described]


def report_named(name: str) -> Report:
    """A report by its name."""
    if (report := REPORTS.get(name)) is None:
        raise NotFoundException(detail="There is no such report.")
    return report


def _body(report: Report) -> type[msgspec.Struct]:
    """The body of a report's parameters; reports that ask the same share it."""
    form = report.parameters
    if form not in BODIES:
        BODIES[form] = body_of(form, f"{form.__name__.removesuffix('Parameters')}ReportParameters")
    return BODIES[form]


def parameters_sent(request: Request[Visitor, Any, Any], report: Report, data: ReportAsked) -> Parameters:
    """Parameters of a report, checked as its page checks them."""
    try:
        body = msgspec.convert(data.parameters, _body(report))
    except msgspec.ValidationError as error:
        raise invalid("parameters", str(error)) from None
    return checked(request, report.parameters, body)


def parameters_in_address(request: Request[Visitor, Any, Any], parameters: Parameters) -> str:
    """Parameters as they stand in the address of a page."""
    with request.app.state.service.database.read() as session:
        return query_of(parameters, FormContext(session, request.user, request.app.state.references))


def _export(request: Request[Visitor, Any, Any], name: str, data: ReportAsked, suffix: str) -> Response[bytes]:
    report, state = report_named(name), request.app.state
    parameters = parameters_sent(request, report, data)
    file = report_file(
        state.service,
        state.reports,
        request.user,
        state.references,
        report,
        parameters,
        suffix,
        rows_max=AT_ONCE_ROWS_MAX,
    )
    asked = ExportAsked(name, parameters_in_address(request, parameters), suffix)
    return sent_or_ordered(request, file, REPORT, report.label, asked)


HANDLERS = [
    list_reports,
    *(handler for report in REPORTS.values() for handler in make_handlers(report)),
    export_excel,
    export_csv,
    hand_in,
    list_submissions,
    get_submission,
    decide,
    show_losses,
]
