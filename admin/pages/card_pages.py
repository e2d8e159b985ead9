"""Cards: search while typing, and the page of one card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import Row, Select, or_, select, true

from admin.access import Visitor, needs
from admin.card_search import conditions
from admin.members.holdings import member_of
from admin.members.search import held_by_named
from admin.models.journal import entries
from admin.models.members import Member
from admin.models.mirror import accounts, card_limits, card_types, cards, holds, media, pending_points, purses
from admin.rights import Action
from admin.words import STATUS_TONES, STATUSES
from switch.protocol.messages import CardFlag, MediumKind, MediumState
from switch.protocol.terms import NO_COUNT_LIMIT, NO_LIMIT

from .common import PAGE_ROWS, is_part_wanted, page, with_query
from .entry_pages import NUMBER_DIGITS_MAX, entries_page
from .handlers import get

POINTS_PURSE, VISITS_PURSE = 1, 2


@dataclass(frozen=True, slots=True)
class CardRow:
    """A card as a list shows it."""

    reference: str
    number: str
    status: int
    type_name: str
    balance_minor: int | None
    expiry_date: int
    organisation_id: int


@get("/cards", guards=[needs("cards")])
def list_cards(
    request: Request[Visitor, Any, Any],
    q: FromQuery[str] = "",
    status: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    """Cards by the beginning of their number, or by their member; all of them, in order, when nothing is typed."""
    state, visitor = request.app.state, request.user
    sees_unmasked = visitor.may("cards", Action.SEE_UNMASKED)
    query: Select[Any] = select(cards, accounts.c.balance_minor).outerjoin(
        accounts, accounts.c.account_number == cards.c.account_number
    )
    query = visitor.cards_seen(query).order_by(cards.c.card_number)
    spans = conditions(cards.c.card_number, q, sees_unmasked=sees_unmasked) if q else [true()]
    if status.isdecimal() and len(status) <= NUMBER_DIGITS_MAX:
        query = query.where(cards.c.status == int(status))
    if (behind := state.references.read(after)) is not None:
        query = query.where(cards.c.card_number > behind)
    with state.service.database.read() as session:
        names = {row.code: row.name for row in session.execute(select(card_types.c.code, card_types.c.name))}
        found: list[Row[Any]] = []
        for span in spans:
            found += session.execute(query.where(span).limit(PAGE_ROWS + 1 - len(found))).all()
            if len(found) > PAGE_ROWS:
                break
        if q and not found and visitor.may("members") and (held := held_by_named(session, state.service, visitor, q)):
            found += session.execute(query.where(cards.c.account_number.in_(held)).limit(PAGE_ROWS + 1)).all()
    rows = [
        CardRow(
            reference=state.references.make(row.card_number),
            number=visitor.card_number(row.card_number),
            status=row.status,
            type_name=names.get(row.card_type, str(row.card_type)),
            balance_minor=row.balance_minor,
            expiry_date=row.expiry_date,
            organisation_id=row.issuing_organisation_id,
        )
        for row in found[:PAGE_ROWS]
    ]
    has_more = len(found) > PAGE_ROWS
    if q and rows and sees_unmasked:
        state.service.audit.looked(visitor, "cards", f"cards found: {len(rows)}")
    return page(
        request,
        "_card_rows.html" if is_part_wanted(request) else "cards.html",
        rows=rows,
        q=q,
        status=status,
        statuses=STATUSES,
        tones=STATUS_TONES,
        has_more=has_more,
        is_first=not after,
        sees_unmasked=sees_unmasked,
        next_address=with_query("/cards", {"q": q, "status": status, "after": rows[-1].reference if has_more else ""}),
    )


@get("/cards/{reference:str}", guards=[needs("cards")])
def show_card(request: Request[Visitor, Any, Any], reference: FromPath[str], before: FromQuery[str] = "") -> Template:
    """One card: state, purses, limits, media, history.  Not found also when it is not the visitor's to see."""
    state, visitor = request.app.state, request.user
    number = state.references.read(reference)
    with state.service.database.read() as session:
        card = session.execute(visitor.cards_seen(select(cards).where(cards.c.card_number == (number or 0)))).first()
        if card is None:
            raise NotFoundException(detail="There is no such card.")
        account_number = card.account_number
        account = session.execute(select(accounts).where(accounts.c.account_number == account_number)).first()
        type_ = session.execute(
            select(card_types)
            .where(card_types.c.code == card.card_type)
            .order_by(card_types.c.from_date.desc())
            .limit(1)
        ).first()
        parts = session.execute(select(purses).where(purses.c.account_number == account_number)).all()
        context = {
            "limits": session.execute(select(card_limits).where(card_limits.c.card_number == card.card_number)).first(),
            "holds": session.execute(select(holds).where(holds.c.account_number == account_number)).all(),
            "waiting": session.execute(
                select(pending_points).where(pending_points.c.account_number == account_number)
            ).all(),
            "media": session.execute(select(media).where(media.c.card_number == card.card_number)).all(),
            "others": [
                (state.references.make(other), visitor.card_number(other))
                for other in session.scalars(
                    select(cards.c.card_number)
                    .where(cards.c.account_number == account_number, cards.c.card_number != card.card_number)
                    .limit(PAGE_ROWS)
                )
                if account_number
            ],
        }
        holder = session.get(Member, member_of(session, account_number))
        context["holder"] = (holder.id, holder.name) if holder is not None and visitor.may("members") else None
        mine = entries.c.card_number == card.card_number
        history = select(entries).where(
            or_(mine, entries.c.account_number == account_number) if account_number else mine
        )
        start = int(before) if before.isdecimal() and len(before) <= NUMBER_DIGITS_MAX else None
        rows, next_before = entries_page(session, history, visitor, state.references, start)
    address = f"/cards/{reference}"
    if is_part_wanted(request):
        next_address = with_query(address, {"before": next_before}) if next_before else None
        return page(request, "_entry_rows.html", rows=rows, next_address=next_address, is_first=not before)
    if visitor.may("cards", Action.SEE_UNMASKED):
        state.service.audit.looked(visitor, "cards", f"card {reference}")
    return page(
        request,
        "card.html",
        card=card,
        reference=reference,
        shown_number=visitor.card_number(card.card_number),
        account=account,
        type=type_,
        flags=[flag.name for flag in CardFlag if card.flags & flag],
        purses=[(row.purse >> 32, row.purse & 0xFFFF_FFFF, row.amount, row.expiry_date) for row in parts],
        statuses=STATUSES,
        tones=STATUS_TONES,
        medium_kinds={kind: kind.name for kind in MediumKind},
        medium_states={kind: kind.name for kind in MediumState},
        NO_LIMIT=NO_LIMIT,
        NO_COUNT_LIMIT=NO_COUNT_LIMIT,
        rows=rows,
        is_first=not before,
        next_address=with_query(address, {"before": next_before}) if next_before else None,
        **context,
    )


HANDLERS = [list_cards, show_card]
