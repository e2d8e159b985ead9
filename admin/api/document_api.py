"""Documents: making one of each kind, looking at them, agreeing, trying again, undoing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from admin.access import Visitor, needs
from admin.database import to_ms
from admin.documents.acting import ACTS, act_on
from admin.documents.desk import Desk
from admin.documents.kind import Kind
from admin.documents.reading import DocumentFilter, document_seen, documents_page, steps_page
from admin.documents.registry import KINDS
from admin.forms import CARD_DIGITS, FormContext, check, declared
from admin.forms import Kind as FieldKind
from admin.models import documents as tables
from admin.references import References

from .handlers import Limit, Number, Page, SmallNumber, Text, api_get, api_post
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
CardName = Annotated[str, msgspec.Meta(max_length=40, description="A card's reference, or its whole number.")]


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


class Preview(msgspec.Struct):
    """What a document would do."""

    item_count: int
    request_count: int
    amount_minor: int
    needs_second_person: bool
    requests: list[PlannedRequest]
    skipped: list[Skipped]
    skipped_count: int


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """What is said along with an act; rejecting needs it."""

    answer: Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)] = ""


@api_get("/api/v1/document-kinds", guards=[needs("documents")], tag=TAG)
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
    visitor, references = request.user, request.app.state.references
    with request.app.state.service.database.read() as session:
        rows = [
            Step(
                number=row.number,
                state=row.state,
                type=TYPE_WORDS.get(row.type, str(row.type)),
                card=visitor.card_number(row.card_number) if row.card_number else "",
                card_reference=references.make(row.card_number) if row.card_number else "",
                subject=row.subject,
                item_count=row.item_count,
                done_count=row.done_count,
                code=row.code,
                code_name=code_word(row.code) if row.journal_sequence or row.code else "",
                amount_minor=row.amount_minor,
                balance_minor=row.balance_minor,
                points_hundredths=row.points_hundredths,
            )
            for row in steps_page(session, document_id, stage, after or 0, limit)
        ]
    return Page(rows[:limit], str(rows[limit - 1].number) if len(rows) > limit else None)


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


def body_of(kind: Kind[Any]) -> type[msgspec.Struct]:
    """The form of a kind as programs send it: cards by reference, since they see masked numbers."""
    fields: list[Any] = []
    for one in declared(_form_type(kind)):
        type_: Any = CardName if one.entry.kind is FieldKind.CARD else Annotated[one.type, one.meta]
        if one.is_required:
            fields.append((one.name, type_))
        elif one.entry.kind is FieldKind.CARD:
            fields.append((one.name, type_, ""))
        else:
            fields.append((one.name, type_, one.default))
    return msgspec.defstruct(
        "".join(word.capitalize() for word in kind.name.split("-")),
        fields,
        namespace={"__doc__": f"{kind.label}. {kind.hint}".strip()},
        kw_only=True,
        forbid_unknown_fields=True,
    )


def form_of(kind: Kind[Any], body: msgspec.Struct, references: References) -> msgspec.Struct:
    """The form that a body means."""
    values = msgspec.structs.asdict(body)
    for one in declared(_form_type(kind)):
        if one.entry.kind is FieldKind.CARD and isinstance(text := values[one.name], str):
            digits = text.replace(" ", "")
            number = int(digits) if CARD_DIGITS.fullmatch(digits) else references.read(text)
            if number is None and (text or one.is_required):
                raise _invalid(one.name, f"Expected a reference or a whole card number, got {text[:8]!r}…")
            values[one.name] = number or one.default or 0
    try:
        return msgspec.convert(values, _form_type(kind))
    except msgspec.ValidationError as error:
        raise _invalid("body", str(error)) from None


def _form_type(kind: Kind[Any]) -> type[msgspec.Struct]:
    return kind.form


def make_handlers(kind: Kind[Any]) -> list[Any]:
    """The handlers that preview and make documents of a kind."""
    body_type: Any = JSONBody[body_of(kind)]  # type: ignore[misc]  # a type that is made here
    guards = [needs(kind.function, kind.action)]

    def preview(request: Request[Visitor, Any, Any], data: Any) -> Preview:
        """What a document would do; nothing is kept or sent."""
        service, references = request.app.state.service, request.app.state.references
        form = _checked(request, kind, data)
        with Desk(service, references, request.user).planning(kind, form) as planning:
            return Preview(
                item_count=planning.item_count,
                request_count=len(planning.orders),
                amount_minor=planning.amount_minor,
                needs_second_person=kind.needs_checker(planning, form),
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
            kind, _checked(request, kind, data), remark=remark, request_key=key, is_draft=is_draft
        )
        return _document(request, document_id)

    return [
        _finished(make, kind, "make", body_type, api_post(f"/api/v1/documents/{kind.name}", guards=guards, tag=TAG)),
        _finished(
            preview,
            kind,
            "preview",
            body_type,
            api_post(f"/api/v1/documents/{kind.name}/preview", guards=guards, tag=TAG, status=200),
        ),
    ]


def _finished(function: Callable[..., Any], kind: Kind[Any], verb: str, body_type: Any, handler: Any) -> Any:
    function.__annotations__["data"] = body_type
    function.__name__ = f"{verb}_{kind.name.replace('-', '_')}"
    function.__doc__ = f"{kind.label}: {(function.__doc__ or '').strip()}"
    return handler(function)


def _checked(request: Request[Visitor, Any, Any], kind: Kind[Any], data: msgspec.Struct) -> msgspec.Struct:
    form = form_of(kind, data, request.app.state.references)
    with request.app.state.service.database.read() as session:
        bound = check(form, FormContext(session, request.user, request.app.state.references))
    if bound.value is None:
        raise ValidationException(extra=[{"key": name, "message": text} for name, text in bound.errors.items()])
    return form


def _invalid(field: str, message: str) -> ValidationException:
    return ValidationException(extra=[{"key": field, "message": message}])


def _document(request: Request[Visitor, Any, Any], document_id: int) -> Document:
    with request.app.state.service.database.read() as session:
        row = document_seen(session, request.user, document_id)
        if row is None:
            raise NotFoundException(detail="There is no such document.")
        return _item(row)


def _item(row: tables.Document) -> Document:
    return Document(
        id=row.id,
        kind=row.kind,
        state=row.state,
        remark=row.remark,
        answer=row.answer,
        organisation_id=row.organisation_id,
        maker_id=row.maker_id,
        made_ms=to_ms(row.made_at),
        checker_id=row.checker_id,
        ended_ms=to_ms(row.ended_at) if row.ended_at else None,
        item_count=row.item_count,
        done_count=row.done_count,
        skipped_count=row.skipped_count,
        refused_count=row.refused_count,
        amount_minor=row.amount_minor,
        undoes_id=row.undoes_id,
    )


HANDLERS = [list_kinds, list_documents, get_document, list_steps, do_act]
for _kind in KINDS.values():
    HANDLERS += make_handlers(_kind)
