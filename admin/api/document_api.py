"""Documents: making one of each kind, looking at them, agreeing, trying again, undoing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from admin.access import Visitor, demand, needs
from admin.documents.acting import ACTS, act_on
from admin.documents.desk import Desk
from admin.documents.kind import Kind
from admin.documents.reading import DocumentFilter, document_seen, documents_page, steps_page
from admin.documents.registry import KINDS
from admin.documents.results import CardAnswer, answers_of, step_seen
from admin.forms import FormContext
from admin.i18n import translate
from admin.models import documents as tables
from admin.money.files import FILE_BYTES_MAX, rows_of_file
from admin.money.repairs import REPAIRS
from admin.rights import Action

from .bodies import FormFields, body_of, checked, form_fields, takes
from .handlers import Limit, Number, Page, SmallNumber, Text, api_get, api_post, filled
from .words import TYPE_WORDS, code_word

TAG = "Documents"
PREVIEW_ROWS = 200
"""Requests of a plan that a preview names; the counts are of all."""
NO_ZERO = r"^[^\x00]*$"
Remark = Annotated[str, QueryParameter(max_length=200, pattern=NO_ZERO, description="Why: the maker's words.")]
IsDraft = Annotated[bool, QueryParameter(description="Keep it for later instead of submitting it.")]
RequestKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        max_length=64,
        pattern=r"^[!-~]*$",
        description="The same again is the same document: send the same key when no answer came.",
    ),
]


class Document(msgspec.Struct):
    """What somebody wants the switch to do, and how far it is."""

    id: int
    kind: str
    state: str
    remark: str
    answer: str
    organisation_id: int
    maker_id: int
    made_ms: int
    checker_id: int
    ended_ms: int | None
    item_count: int
    done_count: int
    skipped_count: int
    refused_count: int
    amount_minor: int
    undoes_id: int | None


class Step(msgspec.Struct):
    """One request of a document."""

    number: int
    state: str
    type: str
    card: str
    card_reference: str
    subject: str
    item_count: int
    done_count: int
    code: int
    code_name: str
    """Empty: there is no answer yet."""
    amount_minor: int
    balance_minor: int
    points_hundredths: int


class DocumentKind(msgspec.Struct):
    """A kind of document."""

    name: str
    label: str
    hint: str
    needs_right: str
    may_make: bool


class PlannedRequest(msgspec.Struct):
    """One request that a document would send."""

    card: str
    card_reference: str
    subject: str
    item_count: int
    amount_minor: int


class Skipped(msgspec.Struct):
    """What a document would leave out, and why."""

    what: str
    why: str


class Bound(msgspec.Struct):
    """How much somebody may do without a second person: minor units, hundredths of points, or cards."""

    label: str
    measure: str
    most: int
    used_today: int
    wanted: int
    is_exceeded: bool


class Preview(msgspec.Struct):
    """What a document would do."""

    item_count: int
    request_count: int
    amount_minor: int
    needs_second_person: bool
    bounds: list[Bound]
    requests: list[PlannedRequest]
    skipped: list[Skipped]
    skipped_count: int


class StepDetails(msgspec.Struct):
    """One request, and what became of each of its cards."""

    step: Step
    cards: list[CardAnswer]


class RowsFile(msgspec.Struct, forbid_unknown_fields=True):
    """A spreadsheet or a CSV file whose lines go into the field `rows` of a document."""

    content: Annotated[bytes, msgspec.Meta(max_length=FILE_BYTES_MAX * 4 // 3 + 4, description="Base64.")]
    name: Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)] = "file"


class FileRows(msgspec.Struct):
    """Lines as they go into the field `rows`."""

    rows: str


class RepairTool(msgspec.Struct):
    """An error, and what mends it."""

    error: str
    tool: str
    """A kind of document, or the address of a page."""
    label: str
    hint: str
    may_make: bool


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """What is said along with an act; rejecting needs it."""

    answer: Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)] = ""


@api_get("/api/v1/document-kinds", guards=[needs("documents")], tag=TAG, pages=("GET /documents/new",))
def list_kinds(request: Request[Visitor, Any, Any]) -> list[DocumentKind]:
    """All kinds; POST /api/v1/documents/{name} makes one."""
    return [
        DocumentKind(
            kind.name,
            kind.label,
            kind.hint,
            f"{kind.function}.{kind.action.value}",
            request.user.may(kind.function, kind.action),
        )
        for kind in KINDS.values()
    ]


@api_get(
    "/api/v1/document-kinds/{name:str}",
    guards=[needs("documents")],
    tag=TAG,
    pages=("GET /documents/new/{kind_name}",),
)
def get_kind(request: Request[Visitor, Any, Any], name: FromPath[str]) -> FormFields:
    """The fields of a kind's form, with the choices that the visitor has; the right is the kind's."""
    kind = _kind_of(request, name)
    with request.app.state.service.database.read() as session:
        return form_fields(kind.form, FormContext(session, request.user, request.app.state.references))


@api_post(
    "/api/v1/document-kinds/{name:str}/rows",
    guards=[needs("documents")],
    tag=TAG,
    pages=("POST /documents/new/{kind_name}/file",),
    status=200,
    request_max_body_size=FILE_BYTES_MAX * 4 // 3 + 65_536,
)
def read_rows(request: Request[Visitor, Any, Any], name: FromPath[str], data: JSONBody[RowsFile]) -> FileRows:
    """Read a file into lines for a kind that takes a list; nothing is done yet."""
    kind = _kind_of(request, name)
    if "rows" not in kind.form.__struct_fields__:
        raise NotFoundException(detail="This kind of document takes no list.")
    return FileRows(rows_of_file(data.name, data.content))


@api_get("/api/v1/repairs", guards=[needs("documents")], tag=TAG)
def list_repairs(request: Request[Visitor, Any, Any]) -> list[RepairTool]:
    """One tool per error."""
    found = []
    for repair in REPAIRS:
        kind = KINDS.get(repair.tool)
        found.append(
            RepairTool(
                error=translate(repair.error),
                tool=repair.tool,
                label=translate(kind.label) if kind else "",
                hint=translate(repair.hint) if repair.hint else "",
                may_make=kind is not None and request.user.may(kind.function, kind.action),
            )
        )
    return found


@api_get("/api/v1/documents", guards=[needs("documents")], tag=TAG)
def list_documents(
    request: Request[Visitor, Any, Any],
    stage: Text = "",
    kind: Text = "",
    waits_for_me: FromQuery[bool] = False,
    is_mine: FromQuery[bool] = False,
    before: Number = None,
    limit: Limit = 50,
) -> Page[Document]:
    """Documents, newest first; `stage` is a state such as submitted."""
    wanted = DocumentFilter(stage, kind, waits_for_me, is_mine, before)
    with request.app.state.service.database.read() as session:
        rows = [_item(row) for row in documents_page(session, request.user, wanted, limit)]
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)


@api_get("/api/v1/documents/{document_id:int}", guards=[needs("documents")], tag=TAG)
def get_document(request: Request[Visitor, Any, Any], document_id: FromPath[int]) -> Document:
    """One document."""
    return _document(request, document_id)


@api_get("/api/v1/documents/{document_id:int}/steps", guards=[needs("documents")], tag=TAG)
def list_steps(
    request: Request[Visitor, Any, Any],
    document_id: FromPath[int],
    stage: Text = "",
    after: SmallNumber = None,
    limit: Limit = 50,
) -> Page[Step]:
    """The requests of a document in their order, with the switch's answers."""
    _document(request, document_id)
    with request.app.state.service.database.read() as session:
        rows = [_step(request, row) for row in steps_page(session, document_id, stage, after or 0, limit)]
    return Page(rows[:limit], str(rows[limit - 1].number) if len(rows) > limit else None)


@api_get(
    "/api/v1/documents/{document_id:int}/steps/{number:int}",
    guards=[needs("documents")],
    tag=TAG,
    pages=("GET /documents/{document_id}/requests/{number}",),
)
def get_step(request: Request[Visitor, Any, Any], document_id: FromPath[int], number: FromPath[int]) -> StepDetails:
    """One request of a document, and what became of each of its cards."""
    state = request.app.state
    with state.service.database.read() as session:
        found = step_seen(session, request.user, document_id, number)
        if found is None:
            raise NotFoundException(detail="There is no such request.")
        document, row = found
        cards = list(answers_of(row, KINDS[document.kind], request.user, state.references))
        shown = StepDetails(_step(request, row), cards)
    if any(card.card for card in cards) and request.user.may("cards", Action.SEE_UNMASKED):
        state.service.audit.looked(request.user, "cards", f"document {document_id}, request {number}")
    return shown


@api_post("/api/v1/documents/{document_id:int}/{act:str}", guards=[needs("documents")], tag=TAG, status=200)
def do_act(
    request: Request[Visitor, Any, Any], document_id: FromPath[int], act: FromPath[str], data: JSONBody[Answer]
) -> Document:
    """submit, withdraw, approve, reject, retry or undo; the right is that of the document's kind."""
    if act not in ACTS:
        raise NotFoundException(detail=f"There is no such act; expected one of {', '.join(ACTS)}.")
    state = request.app.state
    shown = act_on(state.service, state.references, request.user, document_id, act, data.answer, request.scope["path"])
    if shown is None:
        raise NotFoundException(detail="There is no such document.")
    return _document(request, shown)


def _kind_of(request: Request[Visitor, Any, Any], name: str) -> Kind[Any]:
    kind = KINDS.get(name)
    if kind is None:
        raise NotFoundException(detail="There is no such kind of document.")
    demand(request.app.state.service, request.user, kind.function, kind.action, request.scope["path"])
    return kind


def make_handlers(kind: Kind[Any]) -> list[Any]:
    """The handlers that preview and make documents of a kind."""
    name = "".join(word.capitalize() for word in kind.name.split("-"))
    body_type = body_of(kind.form, name, f"{kind.label}. {kind.hint}".strip())
    guards = [needs(kind.function, kind.action)]

    def preview(request: Request[Visitor, Any, Any], data: Any) -> Preview:
        """What a document would do; nothing is kept or sent."""
        service, references = request.app.state.service, request.app.state.references
        form = checked(request, kind.form, data)
        with Desk(service, references, request.user).planning(kind, form) as planning:
            return Preview(
                item_count=planning.item_count,
                request_count=len(planning.orders),
                amount_minor=planning.amount_minor,
                needs_second_person=kind.waits(planning, form),
                bounds=[
                    Bound(one.label, one.measure, one.most, one.used, one.wanted, one.is_exceeded)
                    for one in kind.bounds_of(planning, form)
                ],
                requests=[
                    PlannedRequest(
                        request.user.card_number(order.card_number) if order.card_number else "",
                        references.make(order.card_number) if order.card_number else "",
                        order.subject,
                        order.item_count,
                        order.amount_minor,
                    )
                    for order in planning.orders[:PREVIEW_ROWS]
                ],
                skipped=[Skipped(what, why) for what, why in planning.skipped],
                skipped_count=planning.skipped_count,
            )

    def make(
        request: Request[Visitor, Any, Any],
        data: Any,
        request_key: RequestKey = "",
        remark: Remark = "",
        is_draft: IsDraft = False,
    ) -> Document:
        """Make a document and submit it: it is sent, or waits for a second person."""
        state = request.app.state
        key = f"{request.user.user_id}/{request_key}"[:64] if request_key else None
        document_id = Desk(state.service, state.references, request.user).make(
            kind, checked(request, kind.form, data), remark=remark, request_key=key, is_draft=is_draft
        )
        return _document(request, document_id)

    address = f"/api/v1/documents/{kind.name}"
    page = ("POST /documents/new/{kind_name}",)
    return [
        takes(api_post(address, guards=guards, tag=TAG, pages=page), _named(make, kind, "make"), body_type),
        takes(
            api_post(f"{address}/preview", guards=guards, tag=TAG, status=200),
            _named(preview, kind, "preview"),
            body_type,
        ),
    ]


def _named(function: Callable[..., Any], kind: Kind[Any], verb: str) -> Callable[..., Any]:
    function.__name__ = f"{verb}_{kind.name.replace('-', '_')}"
    function.__doc__ = f"{kind.label}: {(function.__doc__ or '').strip()}"
    return function


def _document(request: Request[Visitor, Any, Any], document_id: int) -> Document:
    with request.app.state.service.database.read() as session:
        row = document_seen(session, request.user, document_id)
        if row is None:
            raise NotFoundException(detail="There is no such document.")
        return _item(row)


def _step(request: Request[Visitor, Any, Any], row: tables.DocumentStep) -> Step:
    visitor, references = request.user, request.app.state.references
    return filled(
        Step,
        row,
        type=TYPE_WORDS.get(row.type, str(row.type)),
        card=visitor.card_number(row.card_number) if row.card_number else "",
        card_reference=references.make(row.card_number) if row.card_number else "",
        code_name=code_word(row.code) if row.journal_sequence or row.code else "",
    )


def _item(row: tables.Document) -> Document:
    return filled(Document, row)


HANDLERS = [
    list_kinds,
    get_kind,
    read_rows,
    list_repairs,
    list_documents,
    get_document,
    list_steps,
    get_step,
    do_act,
]
for _kind in KINDS.values():
    HANDLERS += make_handlers(_kind)
