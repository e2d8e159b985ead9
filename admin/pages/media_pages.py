"""Media: what those of each card type may do, ways between stores, and the media of one card."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.documents.medium_kinds import ENDED_BITS, LIMITED, MEDIA, MEDIA_BITS, policy_of
from admin.documents.reading import names_of
from admin.forms import FormContext, texts_of
from admin.lists.cards import card_of, media_of
from admin.models.mirror import card_types, medium_policies, travel_times
from admin.rights import Action
from switch.protocol.messages import MediumFlag, MediumState

from .common import page
from .handlers import get

_ = str
STATES: dict[int, str] = {MediumState.ACTIVE: _("In use"), MediumState.REVOKED: _("Ended")}
WAYS_SHOWN_MAX = 1_000


@get("/media", guards=[needs("media")])
def show_media(request: Request[Visitor, Any, Any]) -> Template:
    """Policies by card type, and ways between stores."""
    visitor = request.user
    with request.app.state.service.database.read() as session:
        context = FormContext(session, visitor, request.app.state.references)
        types = {row.code: row.name for row in session.execute(select(card_types.c.code, card_types.c.name))}
        rows = session.execute(select(medium_policies).order_by(medium_policies.c.code)).all()
        policies = [
            {
                "row": row,
                "policy": (policy := policy_of(row)),
                "query": urlencode({k: v for k, v in texts_of(policy, context).items() if v}, doseq=True),
            }
            for row in rows
        ]
        ways = session.execute(select(travel_times).limit(WAYS_SHOWN_MAX)).all()
        names = names_of(session, [row.operator_id for row in rows] + [row.approver_id for row in rows])
    return page(
        request,
        "media.html",
        policies=policies,
        without=[(code, name) for code, name in sorted(types.items()) if code not in {row.code for row in rows}],
        types=types,
        ways=ways,
        names=names,
        limited=LIMITED,
        media_bits=MEDIA_BITS,
        may_change=visitor.may("media", Action.CHANGE),
    )


@get("/cards/{reference:str}/media", guards=[needs("media")])
def show_card_media(request: Request[Visitor, Any, Any], reference: FromPath[str]) -> Template:
    """The media of one card: state, key version, counter, last use; to be ended."""
    visitor, references = request.user, request.app.state.references
    with request.app.state.service.database.read() as session:
        card = card_of(session, visitor, references, reference)
        if card is None:
            raise NotFoundException(detail="There is no such card.")
        rows = media_of(session, card)
    return page(
        request,
        "card_media.html",
        reference=reference,
        shown_number=visitor.card_number(card.card_number),
        rows=rows,
        medium_names=MEDIA,
        ended_bits=ENDED_BITS,
        states=STATES,
        stored_key=int(MediumFlag.STORED_KEY),
        active=int(MediumState.ACTIVE),
        may_change=visitor.may("media", Action.CHANGE),
    )


HANDLERS: list[Any] = [show_media, show_card_media]
