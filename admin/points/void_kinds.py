"""Points that somebody missed, and points that are taken from many cards: backfill and voiding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, func, select

from admin.documents.kind import CARDS_MAX, Kind, Planning, always, never
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.mirror import accounts, card_types, cards, purses
from admin.money.rows import NOT_ACTIVE, THOUSANDTHS, rows_of, scaled, usable_card, whole
from admin.rights import Action
from admin.store_names import store_choices
from switch.protocol.card_terms import CardStatus
from switch.protocol.messages import BillLine, LineFlag, MessageType, Settlement
from switch.protocol.terms import AMOUNT_MINOR_MAX, LINE_COUNT_MAX

from .purses import DEFAULT_CATEGORY, POINTS_PURSE, all_categories

BACKFILL_DATES = 92
QUANTITY_ONE_MILLI = 1000
U16_MAX = 65_535
ENDED = (CardStatus.REPLACED, CardStatus.RETURNED, CardStatus.VOID, CardStatus.CORRECTED, CardStatus.CLEARED)
_ = str
SETTLEMENTS: dict[int | str, str] = {
    Settlement.CARD: _("Stored value"),
    Settlement.CASH: _("Cash"),
    Settlement.BANK: _("Bank"),
    Settlement.POINTS: _("Points"),
    Settlement.VISITS: _("Visits"),
    Settlement.OTHER: _("Other means"),
    Settlement.MIXED: _("Mixed"),
}
LINES_HINT = _(
    "One line each: article, department, class, brand, quantity, amount; then x when it earns nothing. Leave a part"
    " that you do not know as 0."
)


def type_choices(context: FormContext) -> Mapping[int | str, str]:
    """Number and name of each card type."""
    query = select(card_types.c.code, card_types.c.name).order_by(card_types.c.code, card_types.c.from_date)
    return {row.code: f"{row.code} {row.name}".strip() for row in context.session.execute(query)}


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """A sale whose points are missing."""

    card: Annotated[int, entry(_("Card"), "card")]
    store: Annotated[int, entry(_("Store of the sale"), "choice", choices=store_choices)]
    receipt: Annotated[int, entry(_("Number of the receipt"), "integer", ge=1)]
    sale_date: Annotated[int, entry(_("Day of the sale"), "date", ge=1)]
    sale_minute: Annotated[int, entry(_("Time of the sale"), "minute", ge=0, le=1439)] = 0
    settlement: Annotated[int, entry(_("Paid by"), "choice", choices=SETTLEMENTS)] = int(Settlement.CASH)
    amount_minor: (
        Annotated[
            int,
            entry(
                _("Amount of the bill"), "money", hint=_("Empty: what the lines come to."), ge=1, le=AMOUNT_MINOR_MAX
            ),
        ]
        | None
    ) = None
    lines: Annotated[str, entry(_("Lines of the bill"), "area", hint=LINES_HINT)] = ""

    def problems(self) -> Iterator[tuple[str, str]]:
        """An amount, or lines that have one."""
        if self.amount_minor is None and not self.lines.strip():
            yield "amount_minor", translate("Fill in the amount or the lines.")


class Void(msgspec.Struct, frozen=True, kw_only=True):
    """Cards whose points are taken away: those of a list, or all that fit."""

    category: Annotated[int, entry(_("Points category"), "choice", choices=all_categories)] = 0
    cards: Annotated[
        str,
        entry(_("Cards"), "cards", hint=_("One number or range per line. Empty: all cards to which the rest applies.")),
    ] = ""
    card_type: Annotated[int, entry(_("Card type"), "choice", choices=type_choices)] = 0
    unused_since: Annotated[
        int, entry(_("Not used since"), "date", ge=0, hint=_("Neither a payment nor a recharge on or after this day."))
    ] = 0
    expired_before: Annotated[
        int, entry(_("Expired before"), "date", ge=0, hint=_("The card's last day was before this day."))
    ] = 0
    reason: Annotated[int, entry(_("Reason number"), "integer", ge=0, le=255, hint=_("Numbered by the group."))] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """All points of all cards are not voided by leaving everything empty."""
        if not (self.cards.strip() or self.card_type or self.unused_since or self.expired_before):
            yield "cards", translate("Name cards, or say which: type, last use or end.")


def bill_lines(text: str) -> tuple[BillLine, ...]:
    """Lines of a bill as people type them; `RefusedError` for one that cannot be read."""
    lines = []
    for line, parts in rows_of(text):
        numbers = [whole(part or "0") for part in parts[:4]]
        quantity = scaled(parts[4] or "1", THOUSANDTHS) if len(parts) > 4 else None
        amount = scaled(parts[5] or "0") if len(parts) > 5 else None
        marks = [part for part in parts[6:] if part]
        if None in numbers or quantity is None or amount is None or any(mark.lower() != "x" for mark in marks):
            raise RefusedError(
                "Expected article, department, class, brand, quantity and amount, got: {line}", line=line
            )
        item, department, category, brand = (number or 0 for number in numbers)
        if max(department, category, brand) > U16_MAX or abs(amount) > AMOUNT_MINOR_MAX or abs(quantity) >= 2**31:
            raise RefusedError("A number of this line is too high: {line}", line=line)
        lines.append(
            BillLine(
                item=item,
                department=department,
                category=category,
                brand=brand,
                quantity_milli=quantity,
                amount_minor=amount,
                flags=LineFlag.NO_POINTS if marks else 0,
            )
        )
    if len(lines) > LINE_COUNT_MAX:
        raise RefusedError("A bill has at most {count} lines.", count=LINE_COUNT_MAX)
    return tuple(lines)


def _plan_backfill(planning: Planning, form: Backfill) -> None:
    card = usable_card(planning, form.card, is_presented=True)
    lines = bill_lines(form.lines)
    amount_minor = sum(line.amount_minor for line in lines)
    if form.amount_minor is not None and lines and form.amount_minor != amount_minor:
        raise RefusedError("The lines do not add up to the amount.")
    if planning.today and not planning.today - BACKFILL_DATES <= form.sale_date <= planning.today:
        raise RefusedError("The sale must be of the last {days} days.", days=BACKFILL_DATES)
    planning.add(
        MessageType.BACKFILL,
        card_number=card.card_number,
        subject=f"{form.store} · {form.receipt}",
        amount_minor=amount_minor or form.amount_minor or 0,
        moved_minor=0,
        receipt=form.receipt,
        store_id=form.store,
        sale_date=form.sale_date,
        sale_minute=form.sale_minute,
        settlement=form.settlement,
        lines=lines,
    )


def _plan_void(planning: Planning, form: Void) -> None:
    done: set[int] = set()
    for row in _cards_to_void(planning, form):
        if row.account_number in done or row.points <= 0:
            continue
        if row.status in ENDED:
            planning.skip(planning.visitor.card_number(row.card_number), NOT_ACTIVE)
            continue
        done.add(row.account_number)
        planning.add(
            MessageType.ADJUST_POINTS,
            card_number=row.card_number,
            moved_hundredths=-row.points,
            category=form.category,
            reason=form.reason,
            void_all=1,
            if_sequence=row.last_sequence,
        )


def _cards_to_void(planning: Planning, form: Void) -> Iterator[Row[Any]]:
    points = accounts.c.points_hundredths
    source = cards.join(accounts, accounts.c.account_number == cards.c.account_number)
    if form.category != DEFAULT_CATEGORY:
        source = source.join(
            purses,
            (purses.c.account_number == cards.c.account_number) & (purses.c.purse == POINTS_PURSE | form.category),
        )
        points = purses.c.amount
    query = planning.visitor.cards_seen(
        select(
            cards.c.card_number,
            cards.c.account_number,
            cards.c.status,
            points.label("points"),
            accounts.c.last_sequence,
        ).select_from(source)
    ).where(points > 0)
    if form.card_type:
        query = query.where(cards.c.card_type == form.card_type)
    if form.unused_since:
        query = query.where(accounts.c.business_date < form.unused_since)
    if form.expired_before:
        query = query.where(cards.c.expiry_date > 0, cards.c.expiry_date < form.expired_before)
    if not form.cards.strip():
        count = planning.session.scalar(select(func.count()).select_from(query.subquery())) or 0
        if count > CARDS_MAX:
            raise RefusedError("This would be more than {count} cards. Make several documents.", count=CARDS_MAX)
        yield from planning.session.execute(query.order_by(cards.c.card_number))
        return
    for card in planning.cards(form.cards):
        found = planning.session.execute(query.where(cards.c.card_number == card.card_number)).first()
        if found is None:
            planning.skip(planning.visitor.card_number(card.card_number), _("It has no such points, or is in use."))
        else:
            yield found


KINDS: list[Kind[Any]] = [
    Kind(
        name="backfill-points",
        label=_("Points for a sale that missed them"),
        hint=_("Once per receipt, on whichever card, by the rules of the day of the sale."),
        function="points",
        action=Action.ADD,
        form=Backfill,
        plan=_plan_backfill,
        needs_checker=never,
        asks_why=True,
    ),
    Kind(
        name="void-points",
        label=_("Void points of many cards"),
        hint=_("Shows which cards and how many points. A card that was used after that is left alone."),
        function="points",
        action=Action.CHANGE,
        form=Void,
        plan=_plan_void,
        needs_checker=always,
        asks_why=True,
    ),
]
