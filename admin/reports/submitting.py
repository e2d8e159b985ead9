"""Reports go to the level above: handed in as they were issued, reviewed by somebody else, with a decision."""

from __future__ import annotations

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.submissions import REMARK_CHARACTERS_MAX, ReportSubmission
from admin.service import Service

from .report import Report
from .running import Outcome


class Content(msgspec.Struct, frozen=True):
    """What of an outcome is kept."""

    columns: list[str]
    rows: list[list[int | str | None]]
    totals: list[int | None]
    row_count: int


def submissions_seen(visitor: Visitor) -> Select[ReportSubmission]:
    """Those of the visitor's part of the organisation."""
    query = select(ReportSubmission)
    if visitor.sees_everything:
        return query
    return query.where(ReportSubmission.organisation_id.in_(visitor.organisation_ids))


def submit(
    service: Service, visitor: Visitor, report: Report, query: str, remark: str, outcome: Outcome
) -> ReportSubmission:
    """Keep a report as it stands; its number is in the audit log."""
    content = Content(
        [column.name for column in report.columns],
        [[value if isinstance(value, str | None) else int(value) for value in row] for row in outcome.rows],
        outcome.totals,
        outcome.row_count,
    )
    with service.database.write() as session:
        made = ReportSubmission(
            report=report.name,
            query=query,
            content=msgspec.json.encode(content).decode(),
            remark=_within(remark),
            organisation_id=visitor.organisation_id,
            submitted_by=visitor.user_id,
            submitted_at=service.now(),
        )
        session.add(made)
        session.flush()
        service.audit.append(session, visitor, "reports", "submit", f"submission {made.id}", report=report.name)
        session.expunge(made)
    return made


def review(service: Service, visitor: Visitor, number: int, decision: str) -> None:
    """Note what was decided; `RefusedError` for one's own, a second time, and without a word."""
    with service.database.write() as session:
        found = find(session, visitor, number)
        if found.submitted_by == visitor.user_id:
            raise RefusedError("Nobody reviews what he has handed in himself.")
        if found.reviewed_by:
            raise RefusedError("This has been reviewed already.")
        if not (decision := _within(decision)):
            raise RefusedError("Say what was decided.")
        found.reviewed_by, found.reviewed_at, found.decision = visitor.user_id, service.now(), decision
        service.audit.append(session, visitor, "reports", "review", f"submission {number}", decision=decision)


def find(session: Session, visitor: Visitor, number: int) -> ReportSubmission:
    """One of those that the visitor sees."""
    found = session.scalar(submissions_seen(visitor).where(ReportSubmission.id == number))
    if found is None:
        raise RefusedError("There is no such report.")
    return found


def outcome_of(report: Report, submission: ReportSubmission) -> Outcome:
    """What was kept, in the order of the report's columns; a column that came later is empty."""
    content = msgspec.json.decode(submission.content, type=Content)
    places = {name: place for place, name in enumerate(content.columns)}
    order = [places.get(column.name) for column in report.columns]
    return Outcome(
        [tuple(None if place is None else row[place] for place in order) for row in content.rows],
        [None if place is None else content.totals[place] for place in order],
        content.row_count,
    )


def _within(text: str) -> str:
    text = text.strip()
    if len(text) > REMARK_CHARACTERS_MAX or "\0" in text:
        raise RefusedError("At most {length} characters.", length=REMARK_CHARACTERS_MAX)
    return text
