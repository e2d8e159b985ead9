"""Documents: the catalogue of what can be done, the form of each, and what became of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from anyio import to_thread
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, demand, needs
from admin.documents.acting import ACTS, act_on
from admin.documents.bodies import decode_form
from admin.documents.desk import Desk, must_say_why
from admin.documents.kind import Kind, Planning
from admin.documents.reading import DocumentFilter, document_seen, documents_page, names_of, steps_page
from admin.documents.refusals import answer_text
from admin.documents.registry import KINDS
from admin.documents.results import answers_of, step_seen
from admin.documents.sending import results_of
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, declared, fields_of, shown_of
from admin.forms import Kind as FieldKind
from admin.models.documents import Document, DocumentState, DocumentStep, SenderState, StepState
from admin.rights import FUNCTIONS, Action
from admin.sealing import NotOpenedError, seal, unseal
from admin.service import Service
from switch.protocol.codes import CodeClass, ResponseCode, code_class

from .common import PAGE_ROWS, go, is_part_wanted, number_in, page, refusal_text, with_query
from .handlers import get

PREVIEW_ROWS = 20
KEY_BYTES = 16
SEALED, SEALED_PURPOSE = "sealed:", "previews"
DEEDS = ("preview", "draft", "send")
_ = str
STATES: dict[str, str] = {
    DocumentState.DRAFT: _("Draft"),
    DocumentState.SUBMITTED: _("Waits for a second person"),
    DocumentState.RUNNING: _("Running"),
    DocumentState.DONE: _("Done"),
    DocumentState.PARTLY: _("Refused in part"),
    DocumentState.REJECTED: _("Rejected"),
    DocumentState.WITHDRAWN: _("Withdrawn"),
}
TONES: dict[str, str] = {
    DocumentState.SUBMITTED: "warn",
    DocumentState.RUNNING: "warn",
    DocumentState.DONE: "good",
    DocumentState.PARTLY: "bad",
    DocumentState.REJECTED: "bad",
}
STEP_STATES: dict[str, str] = {
    StepState.PLANNED: _("Planned"),
    StepState.NUMBERED: _("Being sent"),
    StepState.DONE: _("Done"),
    StepState.REFUSED: _("Refused"),
    StepState.PARTLY: _("Refused in part"),
    StepState.CANCELLED: _("Not sent"),
}
STEP_TONES: dict[str, str] = {StepState.DONE: "good", StepState.REFUSED: "bad", StepState.PARTLY: "bad"}


@get("/documents", guards=[needs("documents")])
def list_documents(
    request: Request[Visitor, Any, Any],
    stage: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    whose: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Documents, newest first."""
    wanted = DocumentFilter(
        state=stage,
        kind=kind,
        is_mine=whose == "mine",
        waits_for_me=whose == "waiting",
        before=number_in(before),
    )
    with request.app.state.service.database.read() as session:
        found = documents_page(session, request.user, wanted, PAGE_ROWS)
        names = names_of(session, [one.maker_id for one in found] + [one.checker_id for one in found])
    rows = found[:PAGE_ROWS]
    more = {"stage": stage, "kind": kind, "whose": whose, "before": rows[-1].id if len(found) > PAGE_ROWS else ""}
    return page(
        request,
        "_document_rows.html" if is_part_wanted(request) else "documents.html",
        rows=rows,
        names=names,
        kinds=KINDS,
        stage=stage,
        kind=kind,
        whose=whose,
        states=STATES,
        tones=TONES,
        is_first=not before,
        next_address=with_query("/documents", more) if len(found) > PAGE_ROWS else None,
    )


@get("/documents/new", guards=[needs("documents")], sync_to_thread=False)
def show_kinds(request: Request[Visitor, Any, Any]) -> Template:
    """What the visitor may do, by area."""
    groups: dict[str, list[Kind[Any]]] = {}
    for kind in KINDS.values():
        if request.user.may(kind.function, kind.action):
            groups.setdefault(FUNCTIONS[kind.function].label, []).append(kind)
    return page(request, "document_kinds.html", groups=groups)


@get("/documents/new/{kind_name:str}", guards=[needs("documents")])
def new_document(request: Request[Visitor, Any, Any], kind_name: FromPath[str]) -> Template:
    """The form of a kind, filled with what the address says (`?cards=...`)."""
    kind = _kind(request, kind_name)
    service = request.app.state.service
    with service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        given = {name: request.query_params.getall(name) for name in request.query_params}
        drawn = fields_of(kind.form, context, Bound(None, typed=_with_defaults(kind, given, context)))
    key = service.surroundings.random_bytes(KEY_BYTES).hex()
    return page(request, "document_form.html", kind=kind, fields=drawn, problem="", request_key=key, remark="")


@post("/documents/new/{kind_name:str}", guards=[needs("documents")], status_code=200)
async def do_new_document(request: Request[Visitor, Any, Any], kind_name: FromPath[str]) -> Response[Any]:
    """Show what a form would do; keep it as a draft; or do it, when just that was shown."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_take_form, request, kind_name, texts)


@get("/documents/{document_id:int}", guards=[needs("documents")])
def show_document(
    request: Request[Visitor, Any, Any],
    document_id: FromPath[int],
    stage: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    """One document: what it says, who agreed, how far it is, what became of each request."""
    service, visitor, references = request.app.state.service, request.user, request.app.state.references
    desk = Desk(service, references, visitor)
    with service.database.read() as session:
        document = document_seen(session, visitor, document_id)
        if document is None:
            raise NotFoundException(detail="There is no such document.")
        kind = KINDS[document.kind]
        found = steps_page(session, document_id, stage, number_in(after) or 0, PAGE_ROWS)
        names = names_of(session, [document.maker_id, document.checker_id])
        context = FormContext(session, visitor, references)
        try:
            said = shown_of(decode_form(kind, document), context)
        except RefusedError:
            said = []
        problem = session.query(SenderState.problem).filter(SenderState.problem != "").limit(1).scalar() or ""
        undone_by = session.query(Document.id).filter(Document.undoes_id == document_id).limit(1).scalar()
    steps = [_shown_step(visitor, references, step, kind) for step in found[:PAGE_ROWS]]
    is_own = document.maker_id == visitor.user_id
    has_more = len(found) > PAGE_ROWS
    more = {"stage": stage, "after": found[PAGE_ROWS - 1].number if has_more else ""}
    is_ended = document.state in (DocumentState.DONE, DocumentState.PARTLY)
    return page(
        request,
        "_document.html" if is_part_wanted(request) else "document.html",
        document=document,
        kind=kind,
        said=said,
        names=names,
        steps=steps,
        stage=stage,
        states=STATES,
        tones=TONES,
        step_states=STEP_STATES,
        step_tones=STEP_TONES,
        problem=problem if document.state == DocumentState.RUNNING else "",
        may_check=desk.may_check(document),
        may_submit=is_own and document.state == DocumentState.DRAFT,
        may_withdraw=is_own and document.state in (DocumentState.DRAFT, DocumentState.SUBMITTED),
        may_retry=document.state == DocumentState.PARTLY and desk.may_make(kind) and not kind.has_secrets,
        may_undo=kind.undo is not None
        and is_ended
        and document.done_count > 0
        and not undone_by
        and desk.may_make(kind),
        undone_by=undone_by,
        is_first=not after,
        is_running=document.state == DocumentState.RUNNING,
        next_address=with_query(f"/documents/{document_id}", more) if has_more else None,
    )


@post("/documents/{document_id:int}/{act:str}", guards=[needs("documents")], status_code=200)
async def do_act(request: Request[Visitor, Any, Any], document_id: FromPath[int], act: FromPath[str]) -> Response[Any]:
    """Submit, withdraw, approve, reject, retry or undo."""
    sent = await request.form()
    return await to_thread.run_sync(_act, request, document_id, act, str(sent.get("answer", "")))


def _take_form(request: Request[Visitor, Any, Any], kind_name: str, texts: dict[str, list[str]]) -> Response[Any]:
    kind = _kind(request, kind_name)
    service, references = request.app.state.service, request.app.state.references
    desk = Desk(service, references, request.user)
    what, remark = _first(texts, "what"), _first(texts, "remark")
    texts = _opened(service, kind, _first(texts, "request_key"), texts)
    shown: dict[str, Any] = {
        "kind": kind,
        "request_key": _first(texts, "request_key"),
        "remark": remark,
    }
    with service.database.read() as session:
        context = FormContext(session, request.user, references)
        if what == "fill":  # from the console, which knows the cards
            blank = fields_of(kind.form, context, Bound(None, typed=_with_defaults(kind, texts, context)))
            shown["request_key"] = service.surroundings.random_bytes(KEY_BYTES).hex()
            return page(request, "document_form.html", fields=blank, problem="", **shown)
        bound = bind(kind.form, texts, context)
        drawn = fields_of(kind.form, context, bound)
        if bound.value is None or what not in DEEDS:  # back from what was shown: nothing is done
            return page(request, "document_form.html", fields=drawn, problem="", **shown)
        try:
            if what == "preview":
                must_say_why(kind, remark)
                with desk.planning(kind, bound.value) as planning:
                    return page(
                        request,
                        "document_preview.html",
                        **shown,
                        **_preview(kind, planning, bound.value, _sealed(service, kind, shown["request_key"], texts)),
                    )
            document_id = desk.make(
                kind,
                bound.value,
                remark=remark,
                request_key=shown["request_key"] or None,
                digest=_digest(texts) if what == "send" else None,
                is_draft=what == "draft",
            )
        except RefusedError as error:
            return page(request, "document_form.html", fields=drawn, problem=refusal_text(error), **shown)
    desk.wait(document_id)
    return go(request, f"/documents/{document_id}")


def _preview(kind: Kind[Any], planning: Planning, form: msgspec.Struct, texts: dict[str, list[str]]) -> dict[str, Any]:
    hidden = [(name, text) for name, given in texts.items() if name in kind.form.__struct_fields__ for text in given]
    return {
        "said": shown_of(form, planning.context),
        "hidden": hidden,
        "orders": [_shown_order(planning, order) for order in planning.orders[:PREVIEW_ROWS]],
        "item_count": planning.item_count,
        "order_count": len(planning.orders),
        "amount_minor": planning.amount_minor,
        "points_hundredths": planning.points_hundredths,
        "sums_minor": planning.sums_minor,
        "skipped": planning.skipped,
        "skipped_count": planning.skipped_count,
        "digest": planning.digest.hex(),
        "waits": kind.waits(planning, form),
        "bounds": kind.bounds_of(planning, form),
    }


def _shown_order(planning: Planning, order: Any) -> dict[str, Any]:
    number = order.card_number
    return {
        "card": planning.visitor.card_number(number) if number else "",
        "reference": planning.references.make(number) if number else "",
        "subject": order.subject,
        "item_count": order.item_count,
        "amount_minor": order.amount_minor,
        "points_hundredths": order.points_hundredths,
    }


@get("/documents/{document_id:int}/requests/{number:int}", guards=[needs("documents")])
def show_request(request: Request[Visitor, Any, Any], document_id: FromPath[int], number: FromPath[int]) -> Template:
    """One request of a document: what became of each of its cards."""
    visitor, references = request.user, request.app.state.references
    with request.app.state.service.database.read() as session:
        found = step_seen(session, visitor, document_id, number)
        if found is None:
            raise NotFoundException(detail="There is no such request.")
        document, step = found
        kind = KINDS[document.kind]
        rows = list(answers_of(step, kind, visitor, references))
    if any(row.card for row in rows) and visitor.may("cards", Action.SEE_UNMASKED):
        request.app.state.service.audit.looked(visitor, "cards", f"document {document_id}, request {number}")
    return page(request, "document_request.html", document=document, kind=kind, step=step, rows=rows)


def _shown_step(visitor: Visitor, references: Any, step: DocumentStep, kind: Kind[Any]) -> dict[str, Any]:
    number = step.card_number
    return {
        "step": step,
        "card": visitor.card_number(number) if number else "",
        "reference": references.make(number) if number else "",
        "answer": answer_text(step.type, step.code, step.detail, kind.form)
        if step.code or step.journal_sequence
        else "",
        "is_good": step.state == StepState.DONE,
        "rule": step.detail if step.code == ResponseCode.RULES_INVALID else 0,
        "refusals": Counter(
            answer_text(step.type, result.code, result.detail, kind.form)
            for result in results_of(step)
            if code_class(result.code) is not CodeClass.APPROVED
        ),
    }


def _act(request: Request[Visitor, Any, Any], document_id: int, act: str, answer: str) -> Response[Any]:
    service, references = request.app.state.service, request.app.state.references
    if act not in ACTS:
        raise NotFoundException(detail="There is no such act.")
    shown = act_on(service, references, request.user, document_id, act, answer, request.scope["path"])
    if shown is None:
        raise NotFoundException(detail="There is no such document.")
    if act != "reject":
        Desk(service, references, request.user).wait(shown)
    return go(request, f"/documents/{shown}")


def _kind(request: Request[Visitor, Any, Any], name: str) -> Kind[Any]:
    """A kind that the visitor may make; with a fresh dynamic password where its right asks for one."""
    kind = KINDS.get(name)
    if kind is None:
        raise NotFoundException(detail="There is no such kind of document.")
    demand(request.app.state.service, request.user, kind.function, kind.action, request.scope["path"])
    return kind


def _with_defaults(kind: Kind[Any], given: dict[str, list[str]], context: FormContext) -> dict[str, list[str]]:
    """Defaults of the form, then what the address says; `?is_enabled=` takes a tick away."""
    defaults = {field.name: list(field.values) for field in fields_of(kind.form, context)}
    filled = {name: [text for text in texts if text] for name, texts in given.items() if name in defaults}
    return {**defaults, **filled}


def _secret_names(kind: Kind[Any]) -> list[str]:
    form: type[msgspec.Struct] = kind.form
    return [one.name for one in declared(form) if one.entry.kind is FieldKind.SECRET]


def _sealed(service: Service, kind: Kind[Any], request_key: str, texts: dict[str, list[str]]) -> dict[str, list[str]]:
    """What was typed, with its secrets sealed: the page that shows what it would do carries them along."""
    place, sealed = f"{kind.name}/{request_key}", dict(texts)
    for name in _secret_names(kind):
        sealed[name] = [
            SEALED + seal(service, SEALED_PURPOSE, place, text.encode()).hex() for text in texts.get(name, ())
        ]
    return sealed


def _opened(service: Service, kind: Kind[Any], request_key: str, texts: dict[str, list[str]]) -> dict[str, list[str]]:
    """What was typed, with the secrets that came back sealed; what cannot be opened is as if nothing was typed."""
    place, opened = f"{kind.name}/{request_key}", dict(texts)
    for name in _secret_names(kind):
        for place_in_list, text in enumerate(texts.get(name, ())):
            if not text.startswith(SEALED):
                continue
            try:
                plain = unseal(service, SEALED_PURPOSE, place, bytes.fromhex(text.removeprefix(SEALED))).decode()
            except (ValueError, NotOpenedError):
                plain = ""
            opened[name] = [*opened[name][:place_in_list], plain, *opened[name][place_in_list + 1 :]]
    return opened


def _digest(texts: dict[str, list[str]]) -> bytes:
    """Of what was shown; one that fits nothing when none was."""
    try:
        return bytes.fromhex(_first(texts, "digest"))
    except ValueError:
        return b""


def _first(texts: dict[str, list[str]], name: str) -> str:
    return texts.get(name, [""])[0]


HANDLERS: list[Any] = [
    list_documents,
    show_kinds,
    new_document,
    do_new_document,
    show_document,
    show_request,
    do_act,
]
