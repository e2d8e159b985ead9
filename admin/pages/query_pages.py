"""Queries that people put together: the form, its table and chart, files, and keeping them under a name."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.api.tables import sent_as
from admin.errors import RefusedError
from admin.exports.kinds import AT_ONCE_ROWS_MAX, QUERY, QueryAsked
from admin.members.conditions import MODES, Term
from admin.models.people import User
from admin.models.queries import SavedQuery
from admin.queries.asking import Asker
from admin.queries.building import ROWS_LABEL, in_words, subject_of, without_card_numbers
from admin.queries.definition import BY_MAX, ROWS_MEASURE, TERMS_MAX, Definition, address_of, definition_of
from admin.queries.fields import NUMBER_OPERATORS, TEXT_OPERATORS, seen_fields
from admin.queries.keeping import (
    definition_in,
    delete_query,
    query_seen,
    save_query,
    share_choices,
)
from admin.queries.keeping import list_queries as kept_queries
from admin.queries.registry import SUBJECTS
from admin.reports.running import ROWS_SHOWN_MAX, scope_of
from admin.reports.schedules import PERIODS
from admin.rights import Action

from .common import go, page, refusal_text
from .handlers import get
from .member_common import first, number_in, sent_texts
from .report_pages import ordered, table_context

_ = str
ASK = "/queries/ask"
ANY_OPERATORS = TEXT_OPERATORS | NUMBER_OPERATORS
"""What a line offers before its field is chosen."""


@get("/queries", guards=[needs("reports")])
def list_queries(request: Request[Visitor, Any, Any]) -> Template:
    """Queries that are kept, and the kinds of records that one may ask for."""
    visitor = request.user
    with request.app.state.service.database.read() as session:
        rows = kept_queries(session, visitor)
        names = {row.id: row.full_name for row in session.execute(select(User.id, User.full_name))}
        session.expunge_all()
    return page(
        request,
        "queries.html",
        rows=rows,
        names=names,
        subjects=[one for one in SUBJECTS.values() if visitor.may(one.function)],
        share_names=share_choices(),
    )


@get(ASK, guards=[needs("reports")])
def show_query(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """A query as it stands in the address, with what it comes to."""
    definition = definition_of(_sent(request))
    if (subject := SUBJECTS.get(definition.subject)) is None or not request.user.may(subject.function):
        raise NotFoundException(detail="There are no such records.")
    if not _is_asked(request):
        definition = Definition(subject=definition.subject, columns=list(subject.shown), terms=definition.terms)
    return _ask_page(request, definition, None, is_asked=True)


@get("/queries/conditions", guards=[needs("reports")])
def show_conditions(request: Request[Visitor, Any, Any]) -> Template:
    """The conditions of a form as they stand, each with how its field is compared; htmx asks for them."""
    definition = definition_of(_sent(request))
    service = request.app.state.service
    with service.database.read() as session:
        try:
            context = _asker(request).context(scope_of(session, request.user))
            subject = subject_of(definition, context)
        except RefusedError as error:
            raise NotFoundException(detail="There are no such records.") from error
        fields = seen_fields(subject.source(context), request.user)
    return page(request, "_query_conditions.html", fields=fields, lines=_lines(definition), **_CONDITIONS)


@get("/queries/{query_id:int}", guards=[needs("reports")])
def show_saved(request: Request[Visitor, Any, Any], query_id: FromPath[int]) -> Response[Any]:
    """A query that is kept."""
    with request.app.state.service.database.read() as session:
        row = query_seen(session, request.user, query_id)
        if row is None:
            raise NotFoundException(detail="There is no such query.")
        session.expunge(row)
    return _ask_page(request, definition_in(row), row, is_asked=True)


@get(f"{ASK}/excel", guards=[needs("reports", Action.EXPORT)])
def export_query_excel(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """The whole table as a workbook."""
    return _export(request, "xlsx")


@get(f"{ASK}/csv", guards=[needs("reports", Action.EXPORT)])
def export_query_csv(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """The whole table as CSV."""
    return _export(request, "csv")


def _export(request: Request[Visitor, Any, Any], suffix: str) -> Response[Any]:
    asker, definition = _asker(request), definition_of(_sent(request))
    file = asker.file(definition, suffix, rows_max=AT_ONCE_ROWS_MAX)
    if file is not None:
        return sent_as(file)
    definition = asker.checked(definition)  # in what is kept, cards are references
    return go(request, ordered(request, QUERY, _("Query"), QueryAsked(address_of(definition), suffix)))


@async_post("/queries/save", guards=[needs("reports")], status_code=200)
async def do_save_query(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Keep a query under a name."""
    texts = await sent_texts(request)

    def act() -> int:
        definition = definition_of(parse_qs(first(texts, "query"), keep_blank_values=True))
        definition = _asker(request).checked(definition)
        return save_query(
            request.app.state.service,
            request.user,
            number_in(texts, "saved"),
            name=first(texts, "name"),
            shared_right=first(texts, "shared_right"),
            definition=definition,
        )

    return go(request, f"/queries/{await to_thread.run_sync(act)}")


@async_post("/queries/{query_id:int}/delete", guards=[needs("reports")], status_code=200)
async def do_delete_query(request: Request[Visitor, Any, Any], query_id: FromPath[int]) -> Response[Any]:
    """Remove one's own query."""
    await to_thread.run_sync(delete_query, request.app.state.service, request.user, query_id)
    return go(request, "/queries")


HANDLERS: list[Any] = [
    list_queries,
    show_query,
    show_conditions,
    show_saved,
    export_query_excel,
    export_query_csv,
    do_save_query,
    do_delete_query,
]
_CONDITIONS: dict[str, Any] = {"any_operators": ANY_OPERATORS, "modes": MODES}


def _sent(request: Request[Visitor, Any, Any]) -> dict[str, list[str]]:
    return {key: request.query_params.getall(key) for key in request.query_params}


def _is_asked(request: Request[Visitor, Any, Any]) -> bool:
    """Whether more than the kind of records was chosen."""
    return any(name in request.query_params for name in ("column", "by"))


def _asker(request: Request[Visitor, Any, Any]) -> Asker:
    state = request.app.state
    return Asker(state.service, state.reports, state.references, request.user)


def _lines(definition: Definition) -> list[Term]:
    return [*definition.terms, Term("", "")][:TERMS_MAX]


def _ask_page(
    request: Request[Visitor, Any, Any], definition: Definition, saved: SavedQuery | None, *, is_asked: bool
) -> Response[Any]:
    visitor = request.user
    with request.app.state.service.database.read() as session:
        context = _asker(request).context(scope_of(session, visitor))
        hidden = without_card_numbers(definition, context)
        if hidden != definition:
            # An address does not tell a card's number: what was typed goes on as a reference.
            return go(request, f"{ASK}?{address_of(hidden)}")
        subject = subject_of(definition, context)
        fields = seen_fields(subject.source(context), visitor)
        described = in_words(definition, context)
        numbers = {
            line.value: visitor.card_number(number)
            for line in definition.terms
            if (number := context.references.read(line.value)) is not None
        }
    _asker(request).note_numbers(definition)
    problem, table = "", {}
    try:
        report, outcome = _asker(request).run(definition, saved.name if saved else "", ROWS_SHOWN_MAX)
        table = table_context(request, report, outcome)
    except RefusedError as error:
        problem = refusal_text(error)
    is_own = saved is not None and saved.owner_id == visitor.user_id
    return page(
        request,
        "query.html",
        http_status=409 if problem else 200,
        problem=problem,
        definition=definition,
        subject=subject,
        fields=fields,
        shown_fields={key: one for key, one in fields.items() if one.holds is None},
        lines=_lines(definition),
        summed=[one for one in fields.values() if one.is_summed],
        by=[*definition.by, *[""] * BY_MAX][:BY_MAX],
        rows_label=ROWS_LABEL,
        rows_measure=ROWS_MEASURE,
        query=address_of(definition),
        described=described,
        numbers=numbers,
        saved=saved,
        is_own=is_own,
        shares=share_choices(),
        periods=PERIODS,
        has_rows=bool(table and table["rows"]),
        **_CONDITIONS,
        **table,
    )
