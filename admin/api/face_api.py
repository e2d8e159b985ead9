"""Faces of visual cards: designs in versions, promotions, and the document that tills fetch."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.faces.design import ITEMS_MAX, FaceItem, checked_items
from admin.faces.drawing import svg_of
from admin.faces.keeping import (
    PROMOTIONS_MAX,
    FaceDocument,
    PromotionForm,
    approve_face,
    document_of,
    face_of,
    faces_page,
    items_of,
    promotions_page,
    save_face,
    save_promotion,
    stop_promotion,
)
from admin.models.faces import CardFace
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Limit, Number, Page, api_get, api_post, filled, page_of
from .order_api import Nothing

TAG = "Card faces"
PROMOTES = [needs("campaigns", Action.CHANGE)]
NO_ZERO = r"^[^\x00]*$"


class FaceRecord(msgspec.Struct):
    """A version of a design; lengths in tenths of a millimetre."""

    id: int
    card_type: int
    version: int
    state: str
    """draft or approved: the newest approved one of a type is on the next card that is printed."""
    author_id: int
    made_ms: int
    checker_id: int
    items: list[FaceItem]


class FaceBody(msgspec.Struct, forbid_unknown_fields=True):
    """A new version, or a draft anew (its card type stays)."""

    items: Annotated[list[FaceItem], msgspec.Meta(max_length=ITEMS_MAX)]
    card_type: Annotated[int, msgspec.Meta(ge=0, le=1023)] = 0


class PreviewBody(msgspec.Struct, forbid_unknown_fields=True):
    """Items to look at."""

    items: Annotated[list[FaceItem], msgspec.Meta(max_length=ITEMS_MAX)]
    promotion: Annotated[str, msgspec.Meta(max_length=60, pattern=NO_ZERO)] = ""


class Preview(msgspec.Struct):
    """A picture of the card."""

    svg: str


class PromotionRecord(msgspec.Struct):
    """A text on cards; 0 stands for all, and for no end."""

    id: int
    text: str
    group_id: int
    level: int
    card_type: int
    from_date: int
    until_date: int
    maker_id: int
    made_ms: int


@api_get("/api/v1/card-faces", guards=[needs("card-types")], tag=TAG)
def list_faces(request: Request[Visitor, Any, Any], before: Number = None, limit: Limit = 50) -> Page[FaceRecord]:
    """Versions of designs, newest first."""
    with request.app.state.service.database.read() as session:
        return page_of(faces_page(session, before, limit), limit, _record, lambda row: row.id)


@api_get("/api/v1/card-faces/promotions", guards=[needs("card-types")], tag=TAG)
def list_promotions(request: Request[Visitor, Any, Any]) -> list[PromotionRecord]:
    """Texts on cards, newest first; those that have ended, too."""
    with request.app.state.service.database.read() as session:
        return [filled(PromotionRecord, row) for row in promotions_page(session, PROMOTIONS_MAX)]


@api_get("/api/v1/card-faces/document", guards=[needs("card-types")], tag=TAG)
def get_document(request: Request[Visitor, Any, Any]) -> FaceDocument:
    """What tills print: all approved designs, and the texts that go on (`cardswitch device faces fetch`)."""
    service = request.app.state.service
    with service.database.read() as session:
        return document_of(session, request.user, service)


@api_get(
    "/api/v1/card-faces/{face_id:int}", guards=[needs("card-types")], tag=TAG, pages=("GET /card-faces/{face_id}",)
)
def get_face(request: Request[Visitor, Any, Any], face_id: FromPath[int]) -> FaceRecord:
    """One version."""
    with request.app.state.service.database.read() as session:
        face = face_of(session, face_id)
        if face is None:
            raise NotFoundException(detail="There is no such design.")
        return _record(face)


@api_post(
    "/api/v1/card-faces",
    guards=[needs("card-types", Action.ADD)],
    tag=TAG,
    pages=("POST /card-faces/new", "GET /card-faces/new"),
)
def make_face(request: Request[Visitor, Any, Any], data: JSONBody[FaceBody]) -> Done:
    """Keep a new version as a draft."""
    return Done(str(save_face(request.app.state.service, request.user, data.card_type, data.items)))


@api_post("/api/v1/card-faces/preview", guards=[needs("card-types")], tag=TAG, status=200)
def preview_face(request: Request[Visitor, Any, Any], data: JSONBody[PreviewBody]) -> Preview:
    """The card as it would look, as SVG; nothing is kept."""
    return Preview(svg_of(checked_items(data.items), data.promotion))


@api_post("/api/v1/card-faces/{face_id:int}", guards=[needs("card-types", Action.CHANGE)], tag=TAG, status=200)
def change_face(request: Request[Visitor, Any, Any], face_id: FromPath[int], data: JSONBody[FaceBody]) -> Done:
    """Change a draft."""
    _existing(request, face_id)
    return Done(str(save_face(request.app.state.service, request.user, 0, data.items, face_id)))


@api_post("/api/v1/card-faces/{face_id:int}/approve", guards=[needs("card-types", Action.APPROVE)], tag=TAG, status=200)
def do_approve(request: Request[Visitor, Any, Any], face_id: FromPath[int], data: JSONBody[Nothing]) -> Done:
    """Agree as the second person: tills print it from now on."""
    _existing(request, face_id)
    approve_face(request.app.state.service, request.user, face_id)
    return Done(str(face_id))


def _add_promotion(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Add a text: on the cards that are printed from now on."""
    return Done(str(save_promotion(request.app.state.service, request.user, checked(request, PromotionForm, data))))


add_promotion = takes(
    api_post("/api/v1/card-faces/promotions", guards=PROMOTES, tag=TAG),
    _add_promotion,
    body_of(PromotionForm, "NewCardPromotion"),
)
get_promotion_form = form_handler(
    "/api/v1/card-faces/promotions/form", PromotionForm, guards=PROMOTES, tag=TAG, pages=()
)


@api_post("/api/v1/card-faces/promotions/{promotion_id:int}/stop", guards=PROMOTES, tag=TAG, status=200)
def do_stop(request: Request[Visitor, Any, Any], promotion_id: FromPath[int], data: JSONBody[Nothing]) -> Done:
    """End a text."""
    stop_promotion(request.app.state.service, request.user, promotion_id)
    return Done(str(promotion_id))


HANDLERS = [
    list_faces,
    list_promotions,
    get_document,
    get_face,
    make_face,
    preview_face,
    change_face,
    do_approve,
    add_promotion,
    get_promotion_form,
    do_stop,
]


def _existing(request: Request[Visitor, Any, Any], face_id: int) -> None:
    with request.app.state.service.database.read() as session:
        if face_of(session, face_id) is None:
            raise NotFoundException(detail="There is no such design.")


def _record(face: CardFace) -> FaceRecord:
    return filled(FaceRecord, face, items=list(items_of(face)))
