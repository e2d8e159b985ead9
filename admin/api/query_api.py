"""Queries that people put together: kinds of records and their fields, answers and files, queries under a name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.exports.kinds import AT_ONCE_ROWS_MAX, QUERY
from admin.exports.kinds import QueryAsked as ExportAsked
from admin.i18n import translate
from admin.members.conditions import Term
from admin.models.queries import NAME_LENGTH_MAX, RIGHT_LENGTH_MAX, SavedQuery
from admin.queries import keeping
from admin.queries.asking import Asker
from admin.queries.definition import BY_MAX, COLUMNS_MAX, ROWS_MEASURE, TERMS_MAX, Definition, address_of
from admin.queries.fields import TEXT_LENGTH_MAX, QueryField, Subject, seen_fields
from admin.queries.registry import SUBJECTS
from admin.reports.asking import FILE_TYPES
from admin.reports.running import ROWS_SHOWN_MAX, scope_of
from admin.reports.timers import owner_names
from admin.rights import Action

from .handlers import Done, Option, api_delete, api_get, api_post, api_put, filled
from .order_api import Nothing
from .tables import ReportTable, Rows, sent_or_ordered, table_of

TAG = "Queries"
QUERIES = "/api/v1/queries"
NO_ZERO = r"^[^\x00]*$"
LOOKS, EXPORTS = [needs("reports")], [needs("reports", Action.EXPORT)]
FieldKey = Annotated[str, msgspec.Meta(max_length=40, pattern=NO_ZERO)]


class QueryTerm(msgspec.Struct, forbid_unknown_fields=True):
    """One comparison of a field with a value."""

    field: FieldKey
    operator: FieldKey
    """One of the field's."""
    value: Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH_MAX, pattern=NO_ZERO)] = ""
    """As a person types it: 12.50, 2026-01-31, -30 for 30 days ago, the value of a choice, a card's reference."""


class QueryAsked(msgspec.Struct, forbid_unknown_fields=True):
    """A question: fields are named by the keys of their kind of records."""

    subject: FieldKey
    columns: Annotated[list[FieldKey], msgspec.Meta(max_length=COLUMNS_MAX)] = []
    """With groups: what is summed."""
    terms: Annotated[list[QueryTerm], msgspec.Meta(max_length=TERMS_MAX)] = []
    mode: Literal["all", "any"] = "all"
    """Whether all conditions hold, or any."""
    order: FieldKey = ""
    is_descending: bool = False
    by: Annotated[list[FieldKey], msgspec.Meta(max_length=BY_MAX)] = []
    """Groups; empty: one row per record."""
    across: FieldKey = ""
    """Field whose values become columns."""
    measure: FieldKey = ROWS_MEASURE
    """What stands in those columns; rows: how many records there are."""

    def read(self) -> Definition:
        """As it is built and kept."""
        return Definition(
            subject=self.subject,
            columns=list(dict.fromkeys(self.columns)),
            terms=[Term(one.field, one.operator, one.value.strip()) for one in self.terms],
            mode=self.mode,
            order=self.order,
            is_descending=self.is_descending,
            by=list(dict.fromkeys(self.by)),
            across=self.across,
            measure=self.measure or ROWS_MEASURE,
        )


class QueryChange(msgspec.Struct, forbid_unknown_fields=True):
    """A query under a name."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH_MAX, pattern=NO_ZERO)]
    query: QueryAsked
    shared_right: Annotated[str, msgspec.Meta(max_length=RIGHT_LENGTH_MAX, pattern=NO_ZERO)] = ""
    """Who holds it may use the query, on records of his own part; empty: its owner alone."""


class QueryItem(msgspec.Struct):
    """A query that is kept."""

    id: int
    name: str
    subject: str
    subject_label: str
    shared_right: str
    owner_id: int
    owner: str
    made_ms: int
    changed_ms: int


class QueryDetails(msgspec.Struct):
    """A query that is kept, and what it asks; POST /api/v1/queries/ID/ask answers it."""

    item: QueryItem
    query: QueryAsked
    words: list[str]
    """The conditions, for reading."""


class SubjectItem(msgspec.Struct):
    """A kind of records that may be asked for."""

    name: str
    label: str
    columns: list[str]
    """What a new query begins with."""


class SubjectField(msgspec.Struct):
    """A field of a kind of records."""

    key: str
    label: str
    kind: str
    """text, number, count, money, points, percent, date, moment, card, store, word"""
    operators: list[Option]
    choices: list[Option]
    is_summed: bool
    is_column: bool
    """Whether it may be shown; others are conditions only."""


class SubjectDetails(msgspec.Struct):
    """A kind of records with the fields that the visitor may ask."""

    subject: SubjectItem
    fields: list[SubjectField]


@api_get(QUERIES, guards=LOOKS, tag=TAG)
def list_queries(request: Request[Visitor, Any, Any]) -> list[QueryItem]:
    """One's own queries and those that are shared with one, by name."""
    with request.app.state.service.database.read() as session:
        names = owner_names(session)
        return [_item(row, subject, names) for row, subject in keeping.list_queries(session, request.user)]


@api_get(f"{QUERIES}/subjects", guards=LOOKS, tag=TAG, pages=("GET /queries",))
def list_subjects(request: Request[Visitor, Any, Any]) -> list[SubjectItem]:
    """Kinds of records that may be asked for."""
    return [_subject_item(one) for one in SUBJECTS.values() if request.user.may(one.function)]


@api_get(f"{QUERIES}/subjects/{{name:str}}", guards=LOOKS, tag=TAG, pages=("GET /queries/conditions",))
def get_subject(request: Request[Visitor, Any, Any], name: FromPath[str]) -> SubjectDetails:
    """A kind of records: its fields, and how each is compared."""
    subject = SUBJECTS.get(name)
    if subject is None or not request.user.may(subject.function):
        raise NotFoundException(detail="There are no such records.")
    with request.app.state.service.database.read() as session:
        context = _asker(request).context(scope_of(session, request.user))
        fields = seen_fields(subject.source(context), request.user)
        return SubjectDetails(_subject_item(subject), [_field(one) for one in fields.values()])


@api_post(f"{QUERIES}/ask", guards=LOOKS, tag=TAG, pages=("GET /queries/ask",), status=200)
def ask(request: Request[Visitor, Any, Any], data: JSONBody[QueryAsked], limit: Rows = ROWS_SHOWN_MAX) -> ReportTable:
    """What a query comes to now, on the records of the visitor's part."""
    return table_of(request, *_asker(request).run(data.read(), "", limit))


@api_post(
    f"{QUERIES}/ask/excel",
    guards=EXPORTS,
    tag=TAG,
    pages=("GET /queries/ask/excel",),
    status=200,
    media_type=FILE_TYPES["xlsx"],
)
def export_excel(request: Request[Visitor, Any, Any], data: JSONBody[QueryAsked]) -> Response[bytes]:
    """The whole table as a workbook. With many rows it is ordered: 202, and the number of the export."""
    return _export(request, data, "xlsx")


@api_post(
    f"{QUERIES}/ask/csv",
    guards=EXPORTS,
    tag=TAG,
    pages=("GET /queries/ask/csv",),
    status=200,
    media_type=FILE_TYPES["csv"],
)
def export_csv(request: Request[Visitor, Any, Any], data: JSONBody[QueryAsked]) -> Response[bytes]:
    """The whole table as CSV. With many rows it is ordered: 202, and the number of the export."""
    return _export(request, data, "csv")


def _export(request: Request[Visitor, Any, Any], data: QueryAsked, suffix: str) -> Response[bytes]:
    asker = _asker(request)
    file = asker.file(data.read(), suffix, rows_max=AT_ONCE_ROWS_MAX)
    definition = data.read() if file is not None else asker.checked(data.read())
    return sent_or_ordered(request, file, QUERY, "Query", ExportAsked(address_of(definition), suffix))


@api_post(QUERIES, guards=LOOKS, tag=TAG, pages=("POST /queries/save",))
def make_query(request: Request[Visitor, Any, Any], data: JSONBody[QueryChange]) -> Done:
    """Keep a query under a name."""
    return Done(str(_save(request, 0, data)))


@api_get(f"{QUERIES}/{{query_id:int}}", guards=LOOKS, tag=TAG)
def get_query(request: Request[Visitor, Any, Any], query_id: FromPath[int]) -> QueryDetails:
    """A query that is kept."""
    item, definition = _kept(request, query_id)
    asked = QueryAsked(
        subject=definition.subject,
        columns=definition.columns,
        terms=[QueryTerm(one.field, one.operator, one.value) for one in definition.terms],
        mode="any" if definition.mode == "any" else "all",
        order=definition.order,
        is_descending=definition.is_descending,
        by=definition.by,
        across=definition.across,
        measure=definition.measure,
    )
    return QueryDetails(item, asked, _asker(request).words(definition))


@api_post(f"{QUERIES}/{{query_id:int}}/ask", guards=LOOKS, tag=TAG, pages=("GET /queries/{query_id}",), status=200)
def ask_kept(
    request: Request[Visitor, Any, Any],
    query_id: FromPath[int],
    data: JSONBody[Nothing],
    limit: Rows = ROWS_SHOWN_MAX,
) -> ReportTable:
    """What a query that is kept comes to now."""
    item, definition = _kept(request, query_id)
    return table_of(request, *_asker(request).run(definition, item.name, limit))


@api_put(f"{QUERIES}/{{query_id:int}}", guards=LOOKS, tag=TAG, pages=("POST /queries/save",))
def put_query(request: Request[Visitor, Any, Any], query_id: FromPath[int], data: JSONBody[QueryChange]) -> Done:
    """Change one's own query."""
    _kept(request, query_id)
    return Done(str(_save(request, query_id, data)))


@api_delete(f"{QUERIES}/{{query_id:int}}", guards=LOOKS, tag=TAG, pages=("POST /queries/{query_id}/delete",))
def end_query(request: Request[Visitor, Any, Any], query_id: FromPath[int]) -> None:
    """Remove one's own query; one that a timer runs stays."""
    _kept(request, query_id)
    keeping.delete_query(request.app.state.service, request.user, query_id)


HANDLERS = [
    list_queries,
    list_subjects,
    get_subject,
    ask,
    export_excel,
    export_csv,
    make_query,
    get_query,
    ask_kept,
    put_query,
    end_query,
]


def _asker(request: Request[Visitor, Any, Any]) -> Asker:
    state = request.app.state
    return Asker(state.service, state.reports, state.references, request.user)


def _kept(request: Request[Visitor, Any, Any], number: int) -> tuple[QueryItem, Definition]:
    with request.app.state.service.database.read() as session:
        row = keeping.query_seen(session, request.user, number)
        if row is None:
            raise NotFoundException(detail="There is no such query.")
        definition = keeping.definition_in(row)
        return _item(row, SUBJECTS[definition.subject], owner_names(session)), definition


def _save(request: Request[Visitor, Any, Any], number: int, data: QueryChange) -> int:
    definition = _asker(request).checked(data.query.read())
    return keeping.save_query(
        request.app.state.service,
        request.user,
        number,
        name=data.name,
        shared_right=data.shared_right,
        definition=definition,
    )


def _item(row: SavedQuery, subject: Subject, names: dict[int, str]) -> QueryItem:
    owner = names.get(row.owner_id, "")
    return filled(QueryItem, row, subject=subject.name, subject_label=translate(subject.label), owner=owner)


def _subject_item(subject: Subject) -> SubjectItem:
    return SubjectItem(subject.name, translate(subject.label), list(subject.shown))


def _field(one: QueryField) -> SubjectField:
    return SubjectField(
        key=one.key,
        label=translate(one.label),
        kind=one.kind.value,
        operators=[Option(key, translate(label)) for key, label in one.operators.items()],
        choices=[Option(str(key), translate(label)) for key, label in one.names.items()],
        is_summed=one.is_summed,
        is_column=one.holds is None,
    )
