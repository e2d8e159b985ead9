"""The console of the card desk: read or key a card, a range or a list, and see what can be done to it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from anyio import to_thread
from litestar import Request, Response, post
from litestar.params import FromQuery
from litestar.response import Template
from sqlalchemy import Row, select

from admin.access import Visitor, needs
from admin.card_search import DIGITS_MAX, DIGITS_MIN, digits_of
from admin.documents.card_actions import actions_for, card_field, groups_for, is_possible
from admin.documents.card_planning import CARDS_HINT
from admin.documents.kind import CARDS_MAX, Planning
from admin.errors import RefusedError
from admin.models.mirror import accounts, cards
from admin.rights import Action
from admin.words import STATUS_TONES, STATUSES

from .common import go, page, refusal_text
from .handlers import get

TEXT_LENGTH_MAX = 200_000
"""A list of 10,000 cards, one per line, as in the forms."""


@get("/desk", guards=[needs("cards")])
def show_desk(request: Request[Visitor, Any, Any], card: FromQuery[str] = "") -> Template:
    """The console, with one card on it when the address names one."""
    state, visitor = request.app.state, request.user
    number = state.references.read(card) if card else None
    found: Row[Any] | None = None
    if number is not None:
        with state.service.database.read() as session:
            query = select(cards, accounts.c.balance_minor).outerjoin(
                accounts, accounts.c.account_number == cards.c.account_number
            )
            found = session.execute(visitor.cards_seen(query.where(cards.c.card_number == number))).first()
        if found is not None and visitor.may("cards", Action.SEE_UNMASKED):
            state.service.audit.looked(visitor, "cards", f"card {card}")
    return _page(
        request,
        reference=card if number is not None else "",
        shown_number=visitor.card_number(number) if number is not None else "",
        card=found,
        actions=actions_for(visitor, found, card) if number is not None else [],
    )


@post("/desk", guards=[needs("cards")], status_code=200)
async def do_read(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Read what was keyed or pasted."""
    sent = await request.form()
    return await to_thread.run_sync(_read, request, str(sent.get("cards", ""))[:TEXT_LENGTH_MAX])


def _read(request: Request[Visitor, Any, Any], text: str) -> Response[Any]:
    state, visitor = request.app.state, request.user
    digits = digits_of(text.strip())
    if DIGITS_MIN <= len(digits) <= DIGITS_MAX and "\n" not in text.strip() and "-" not in text:
        return go(request, f"/desk?card={state.references.make(int(digits))}")
    counts: Counter[int] = Counter()
    possible: Counter[str] = Counter()
    with state.service.database.read() as session:
        planning = Planning(session, visitor, state.references, state.service.now(), state.service.parameters)
        names = [kind.name for _label, kinds in groups_for(visitor) for kind in kinds if card_field(kind) == "cards"]
        try:
            for card in planning.cards(text):
                counts[card.status] += 1
                possible.update(name for name in names if is_possible(name, card))
        except RefusedError as error:
            return _page(request, text=text, problem=refusal_text(error))
    return _page(
        request,
        text=text,
        counts=counts,
        possible=possible,
        skipped=planning.skipped,
        skipped_count=planning.skipped_count,
    )


def _page(request: Request[Visitor, Any, Any], **context: Any) -> Template:
    empty: dict[str, Any] = {
        "reference": "",
        "shown_number": "",
        "card": None,
        "actions": [],
        "text": "",
        "counts": {},
        "possible": {},
        "skipped": [],
        "skipped_count": 0,
        "problem": "",
    }
    return page(
        request,
        "desk.html",
        groups=groups_for(request.user),
        hint=CARDS_HINT,
        cards_max=CARDS_MAX,
        statuses=STATUSES,
        tones=STATUS_TONES,
        **{**empty, **context},
    )


HANDLERS: list[Any] = [show_desk, do_read]
