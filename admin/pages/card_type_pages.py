"""Card types: the list, and one type with its versions, what differs between them, its lists and its documents."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.cards.terms import is_in_use, versions_of
from admin.cards.type_form import FLAGS, FUNCTIONS, LEVELS, MEDIA, form_of
from admin.cards.types import (
    TYPE_STATES,
    TYPE_TONES,
    allowed_of,
    differences,
    documents_about,
    sections_of,
    type_rows,
    version_in_force,
)
from admin.documents.card_type_kinds import LISTS
from admin.documents.reading import names_of
from admin.documents.registry import KINDS
from admin.forms import FormContext, texts_of
from admin.models.journal import daily_totals
from admin.models.mirror import type_states
from switch.protocol.card_terms import TypeState

from .common import is_part_wanted, page
from .document_pages import STATES, TONES
from .handlers import get

ACTS: dict[int, tuple[str, ...]] = {
    TypeState.DRAFT: ("submit-card-type", "retire-card-type"),
    TypeState.SUBMITTED: ("approve-card-type", "return-card-type", "retire-card-type"),
    TypeState.APPROVED: ("suspend-card-type", "retire-card-type"),
    TypeState.SUSPENDED: ("resume-card-type", "retire-card-type"),
}
"""What can be done to a type in each state."""


@get("/card-types", guards=[needs("card-types")])
def list_types(request: Request[Visitor, Any, Any], stage: FromQuery[str] = "") -> Template:
    """All card types."""
    wanted = int(stage) if stage.isdecimal() and len(stage) < 3 else None
    with request.app.state.service.database.read() as session:
        rows = type_rows(session, today_of(session), wanted)
    return page(
        request,
        "_card_type_rows.html" if is_part_wanted(request) else "card_types.html",
        rows=rows,
        stage=stage,
        states=TYPE_STATES,
        tones=TYPE_TONES,
        functions=FUNCTIONS,
        media=MEDIA,
        levels=LEVELS,
        may_write=_may(request, "write-card-type"),
    )


@get("/card-types/{code:int}", guards=[needs("card-types")])
def show_type(
    request: Request[Visitor, Any, Any],
    code: FromPath[int],
    old: FromQuery[str] = "",
    new: FromQuery[str] = "",
) -> Template:
    """One card type: terms of the version in force, all versions, what differs between two of them."""
    visitor, state = request.user, request.app.state
    with state.service.database.read() as session:
        versions = versions_of(session, code)
        if not versions:
            raise NotFoundException(detail="There is no such card type.")
        today = today_of(session)
        context = FormContext(session, visitor, state.references)
        shown = version_in_force(versions, today) or versions[-1]
        by_date = {str(version.from_date): version for version in versions}
        newer = by_date.get(new, versions[0])
        older = by_date.get(old, versions[1] if len(versions) > 1 else newer)
        own = session.execute(select(type_states).where(type_states.c.code == code)).first()
        type_state = own.state if own else 0
        in_use = is_in_use(session, code)
        draft = texts_of(form_of(versions[0]), context)
        if in_use:
            draft |= {"from_date": []}
        documents = documents_about(session, visitor, code)
        names = names_of(session, [one.maker_id for one in documents] + [own.author if own else 0])
        view: dict[str, Any] = {
            "sections": sections_of(shown, context),
            "changes": differences(older, newer, context) if older is not newer else [],
            "allowed": allowed_of(session, code),
            "author": names.get(own.author, "") if own else "",
        }
    acts = [KINDS[name] for name in ACTS.get(type_state, ()) if _may(request, name)]
    return page(
        request,
        "card_type.html",
        code=code,
        version=shown,
        versions=versions,
        older=older,
        newer=newer,
        today=today,
        type_state=type_state,
        in_use=in_use,
        acts=acts,
        edit_query=urlencode(draft, doseq=True) if _may(request, "write-card-type") else "",
        is_changeable=type_state not in (TypeState.SUBMITTED, TypeState.RETIRED),
        may_allow=_may(request, "allow-for-type"),
        flags=FLAGS,
        lists=LISTS,
        states=TYPE_STATES,
        tones=TYPE_TONES,
        documents=documents,
        kinds=KINDS,
        document_states=STATES,
        document_tones=TONES,
        names=names,
        **view,
    )


def today_of(session: Session) -> int:
    """The switch's business date, as far as the follower has heard."""
    return int(session.scalar(select(func.max(daily_totals.c.business_date))) or 0)


def _may(request: Request[Visitor, Any, Any], name: str) -> bool:
    kind = KINDS[name]
    return request.user.may(kind.function, kind.action)


HANDLERS: list[Any] = [list_types, show_type]
