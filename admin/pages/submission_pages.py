"""Reports that were handed in: the list, one as it was issued, and what was decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Response, Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.forms import FormContext, bind, shown_of
from admin.models.people import User
from admin.models.submissions import REMARK_CHARACTERS_MAX, ReportSubmission
from admin.reports.asking import query_of
from admin.reports.registry import REPORTS
from admin.reports.running import ROWS_SHOWN_MAX
from admin.reports.submitting import find, outcome_of, review, submissions_seen, submit
from admin.rights import Action

from .common import NUMBER_DIGITS_MAX, PAGE_ROWS, go, page, refusal_text, with_query
from .handlers import get, post
from .report_pages import report_of, run_report, table_context


@dataclass
class SubmitForm:
    """Parameters as they stand in the address, and a word for the reader."""

    query: str = ""
    remark: str = ""


@dataclass
class ReviewForm:
    """What was decided."""

    decision: str = ""


@post("/reports/{name:str}/submit", guards=[needs("reports", Action.ADD)])
def do_submit(
    request: Request[Visitor, Any, Any], name: FromPath[str], data: URLEncodedBody[SubmitForm]
) -> Response[Any]:
    """Hand a report in as it stands now."""
    report, state, visitor = report_of(request, name), request.app.state, request.user
    with state.service.database.read() as session:
        context = FormContext(session, visitor, state.references)
        bound = bind(report.parameters, parse_qs(data.query), context)
        if bound.value is None:
            raise NotFoundException(detail="The parameters of the report are wrong.")
        query = query_of(bound.value, context)
    outcome = run_report(request, report, bound.value, ROWS_SHOWN_MAX)
    made = submit(state.service, visitor, report, query, data.remark, outcome)
    return go(request, f"/report-submissions/{made.id}")


@get("/report-submissions", guards=[needs("reports")])
def list_submissions(request: Request[Visitor, Any, Any], before: FromQuery[str] = "") -> Template:
    """What was handed in within the visitor's part of the organisation, newest first."""
    query = submissions_seen(request.user).order_by(ReportSubmission.id.desc()).limit(PAGE_ROWS + 1)
    if before.isascii() and before.isdecimal() and len(before) <= NUMBER_DIGITS_MAX:
        query = query.where(ReportSubmission.id < int(before))
    with request.app.state.service.database.read() as session:
        rows = session.scalars(query).all()
        names = {row.id: row.full_name for row in session.execute(select(User.id, User.full_name))}
    last = rows[PAGE_ROWS - 1].id if len(rows) > PAGE_ROWS else None
    return page(
        request,
        "report_submissions.html",
        rows=rows[:PAGE_ROWS],
        names=names,
        reports=REPORTS,
        is_first=not before,
        next_address=with_query("/report-submissions", {"before": last}) if last else None,
    )


@get("/report-submissions/{submission_id:int}", guards=[needs("reports")])
def show_submission(request: Request[Visitor, Any, Any], submission_id: FromPath[int]) -> Template:
    """One as it was issued."""
    return _show(request, submission_id, "")


@post("/report-submissions/{submission_id:int}", guards=[needs("reports", Action.APPROVE)])
def do_review(
    request: Request[Visitor, Any, Any], submission_id: FromPath[int], data: URLEncodedBody[ReviewForm]
) -> Response[Any]:
    """Note what was decided."""
    try:
        review(request.app.state.service, request.user, submission_id, data.decision)
    except RefusedError as error:
        return _show(request, submission_id, refusal_text(error))
    return go(request, f"/report-submissions/{submission_id}")


def _show(request: Request[Visitor, Any, Any], number: int, problem: str) -> Template:
    state, visitor = request.app.state, request.user
    with state.service.database.read() as session:
        try:
            found = find(session, visitor, number)
        except RefusedError as error:
            raise NotFoundException(detail="There is no such report.") from error
        report = report_of(request, found.report)
        context = FormContext(session, visitor, state.references)
        bound = bind(report.parameters, parse_qs(found.query), context)
        described = shown_of(bound.value, context) if bound.value is not None else []
        names = {row.id: row.full_name for row in session.execute(select(User.id, User.full_name))}
        session.expunge(found)
    return page(
        request,
        "report_submission.html",
        http_status=409 if problem else 200,
        problem=problem,
        submission=found,
        described=described,
        names=names,
        may_review=visitor.may("reports", Action.APPROVE)
        and not found.reviewed_by
        and found.submitted_by != visitor.user_id,
        remark_characters_max=REMARK_CHARACTERS_MAX,
        **table_context(request, report, outcome_of(report, found)),
    )


HANDLERS: list[Any] = [do_submit, list_submissions, show_submission, do_review]
