"""Faces of visual cards: the list with its promotions, the editor with a preview, approval."""

from __future__ import annotations

from typing import Any

import msgspec
from anyio import to_thread
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from markupsafe import Markup

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.faces.design import ALIGNS, ITEMS_MAX, KINDS, STARTING_ITEMS, FaceItem
from admin.faces.drawing import svg_of
from admin.faces.keeping import (
    PROMOTIONS_MAX,
    PromotionForm,
    approve_face,
    document_of,
    face_of,
    faces_page,
    in_force,
    items_of,
    promotions_page,
    save_face,
    save_promotion,
    stop_promotion,
    visual_types,
)
from admin.figures import newest_date
from admin.forms import Bound, FormContext, bind, fields_of
from admin.i18n import translate
from admin.models.faces import FaceState
from admin.models.members import MemberGroup
from admin.rights import Action

from .common import PAGE_ROWS, go, number_in, page, refusal_text, with_query
from .handlers import get

BLANK_ROWS = 2
"""Empty lines of the editor, for further items."""
TENTHS = 10
LENGTHS = ("left", "top", "width", "size")
_ = str
STATES: dict[str, str] = {FaceState.DRAFT: _("Draft"), FaceState.APPROVED: _("Approved")}


@get("/card-faces", guards=[needs("card-types")])
def list_faces(request: Request[Visitor, Any, Any], before: FromQuery[str] = "") -> Template:
    """Versions of designs, newest first, and the promotions on cards."""
    return _list(request, before, None, "")


@post("/card-faces/promotions", guards=[needs("campaigns", Action.CHANGE)], status_code=200)
async def do_add_promotion(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Add a text for the faces of cards."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_add_promotion, request, texts)


@post("/card-faces/promotions/{promotion_id:int}/stop", guards=[needs("campaigns", Action.CHANGE)], status_code=200)
async def do_stop_promotion(request: Request[Visitor, Any, Any], promotion_id: FromPath[int]) -> Response[Any]:
    """End a text."""
    await to_thread.run_sync(stop_promotion, request.app.state.service, request.user, promotion_id)
    return go(request, "/card-faces")


@get("/card-faces/new", guards=[needs("card-types", Action.ADD)])
def new_face(
    request: Request[Visitor, Any, Any], card_type: FromQuery[str] = "", like: FromQuery[str] = ""
) -> Template:
    """The editor of a new version: of another one, or of the one that holds, or a first proposal."""
    with request.app.state.service.database.read() as session:
        types = visual_types(session)
        chosen = number_in(card_type) or next(iter(types), 0)
        found = face_of(session, number_in(like) or 0) or in_force(session, chosen)
        items = items_of(found) if found is not None else STARTING_ITEMS
    return _editor(request, 0, chosen, items, "", types)


@post("/card-faces/new", guards=[needs("card-types", Action.ADD)], status_code=200)
async def do_new_face(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Keep a new version."""
    return await to_thread.run_sync(_save, request, 0, await _sent(request))


@post("/card-faces/preview", guards=[needs("card-types")], status_code=200)
async def preview_face(request: Request[Visitor, Any, Any]) -> Template:
    """The card as it would look, while somebody types."""
    items, problem = _items_of(await _sent(request))
    return page(request, "_card_face_preview.html", svg=Markup(_svg(items)), problem=problem)


@get("/card-faces/document", guards=[needs("card-types")])
def show_document(request: Request[Visitor, Any, Any]) -> Response[bytes]:
    """The file for tills."""
    service = request.app.state.service
    with service.database.read() as session:
        content = msgspec.json.encode(document_of(session, request.user, service))
    headers = {"Content-Disposition": 'attachment; filename="card-faces.json"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/json", headers=headers)


@get("/card-faces/{face_id:int}", guards=[needs("card-types")])
def show_face(request: Request[Visitor, Any, Any], face_id: FromPath[int]) -> Template:
    """One version: a draft to work on, or an approved one to look at."""
    with request.app.state.service.database.read() as session:
        face = face_of(session, face_id)
        if face is None:
            raise NotFoundException(detail="There is no such design.")
        types = visual_types(session)
    return _editor(request, face_id, face.card_type, items_of(face), "", types, face)


@post("/card-faces/{face_id:int}", guards=[needs("card-types", Action.CHANGE)], status_code=200)
async def do_change_face(request: Request[Visitor, Any, Any], face_id: FromPath[int]) -> Response[Any]:
    """Change a draft."""
    return await to_thread.run_sync(_save, request, face_id, await _sent(request))


@post("/card-faces/{face_id:int}/approve", guards=[needs("card-types", Action.APPROVE)], status_code=200)
async def do_approve_face(request: Request[Visitor, Any, Any], face_id: FromPath[int]) -> Response[Any]:
    """Agree as the second person."""
    await to_thread.run_sync(approve_face, request.app.state.service, request.user, face_id)
    return go(request, f"/card-faces/{face_id}")


HANDLERS: list[Any] = [
    list_faces,
    do_add_promotion,
    do_stop_promotion,
    new_face,
    do_new_face,
    preview_face,
    show_document,
    show_face,
    do_change_face,
    do_approve_face,
]


async def _sent(request: Request[Visitor, Any, Any]) -> dict[str, list[str]]:
    sent = await request.form()
    return {name: [str(text) for text in sent.getall(name)] for name in sent}


def _svg(items: tuple[FaceItem, ...]) -> str:
    return svg_of(items, translate("Your promotion stands here"))


def _items_of(texts: dict[str, list[str]]) -> tuple[tuple[FaceItem, ...], str]:
    """The items that a browser sent, those that can be read; and the first fault."""
    found, problem = [], ""
    for place, kind in enumerate(texts.get("kind", [])[:ITEMS_MAX]):
        if not kind:
            continue
        row: dict[str, Any] = {"kind": kind}
        for name in ("align", "text", *LENGTHS):
            given = texts.get(name, [])
            row[name] = given[place] if place < len(given) else ""
        try:
            lengths = {name: round(float(row[name].replace(",", ".") or 0) * TENTHS) for name in LENGTHS}
            found.append(msgspec.convert({**row, **lengths, "align": row["align"] or "left"}, FaceItem))
        except (ValueError, OverflowError, msgspec.ValidationError):
            expected = translate(
                "Item {place}: expected lengths within the card (85.6 × 54.0 mm) and a line of 1.5 to 20 mm."
            )
            problem = problem or expected.format(place=place + 1)
    return tuple(found), problem


def _editor(
    request: Request[Visitor, Any, Any],
    face_id: int,
    card_type: int,
    items: tuple[FaceItem, ...],
    problem: str,
    types: dict[int, str],
    face: Any = None,
) -> Template:
    visitor = request.user
    is_draft = face is None or face.state == FaceState.DRAFT
    return page(
        request,
        "card_face.html",
        face=face,
        face_id=face_id,
        card_type=card_type,
        types=types,
        rows=[*items, *[None] * min(BLANK_ROWS, ITEMS_MAX - len(items))],
        svg=Markup(_svg(items)),
        kinds=KINDS,
        aligns=ALIGNS,
        states=STATES,
        problem=problem,
        may_save=is_draft and visitor.may("card-types", Action.CHANGE if face_id else Action.ADD),
        may_copy=face is not None and visitor.may("card-types", Action.ADD),
        may_approve=face is not None
        and is_draft
        and face.author_id != visitor.user_id
        and visitor.may("card-types", Action.APPROVE),
    )


def _save(request: Request[Visitor, Any, Any], face_id: int, texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    items, problem = _items_of(texts)
    card_type = number_in(texts.get("card_type", [""])[0]) or 0
    try:
        saved = 0 if problem else save_face(service, request.user, card_type, items, face_id)
    except RefusedError as error:
        problem, saved = refusal_text(error), 0
    if not saved:
        with service.database.read() as session:
            face = face_of(session, face_id)
            types = visual_types(session)
        shown = face.card_type if face is not None else card_type
        return _editor(request, face_id, shown, items, problem, types, face)
    return go(request, f"/card-faces/{saved}")


def _list(request: Request[Visitor, Any, Any], before: str, bound: Bound[Any] | None, problem: str) -> Template:
    with request.app.state.service.database.read() as session:
        found = faces_page(session, number_in(before), PAGE_ROWS)
        rows = found[:PAGE_ROWS]
        types = visual_types(session)
        holding = {face.id for code in types if (face := in_force(session, code)) is not None}
        promotions = promotions_page(session, PROMOTIONS_MAX)
        groups = {group.id: group.name for group in session.query(MemberGroup)}
        context = FormContext(session, request.user, request.app.state.references)
        fields = fields_of(PromotionForm, context, bound)
        today = newest_date(session)
    return page(
        request,
        "card_faces.html",
        rows=rows,
        types=types,
        holding=holding,
        states=STATES,
        promotions=promotions,
        groups=groups,
        today=today,
        fields=fields,
        problem=problem,
        may_add=request.user.may("card-types", Action.ADD),
        may_promote=request.user.may("campaigns", Action.CHANGE),
        next_address=with_query("/card-faces", {"before": rows[-1].id}) if len(found) > PAGE_ROWS else None,
        is_first=not before,
    )


def _add_promotion(request: Request[Visitor, Any, Any], texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    with service.database.read() as session:
        bound = bind(PromotionForm, texts, FormContext(session, request.user, request.app.state.references))
    if bound.value is None:
        return _list(request, "", bound, "")
    try:
        save_promotion(service, request.user, bound.value)
    except RefusedError as error:
        return _list(request, "", bound, refusal_text(error))
    return go(request, "/card-faces")
