"""Annual fees of the month: of all cards whose members joined in it, in an earlier year, each once a year."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, and_, exists, or_, select

from admin.cards.numbers import Run
from admin.cards.terms import Terms, approved_types
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import FIRST_DATE, translate
from admin.models.journal import PART_BITS, entries
from admin.models.members import Member
from admin.models.mirror import accounts, cards
from admin.models.sales import fees
from switch.protocol.card_terms import CardOperation, CardStatus, FeeKind, FeeTender

from .card_planning import FEES_LABEL, TENDERS, add_runs, annual_fee_of, skip_card, why_not_tender
from .kind import CARDS_MAX, Kind, Planning, subject

YEARS_BACK = 30
"""Members who joined longer ago than cards are known here."""
OWING = (CardStatus.ACTIVE, CardStatus.FROZEN)
_ = str
MONTH_NAMES: dict[int | str, str] = {
    1: _("January"), 2: _("February"), 3: _("March"), 4: _("April"), 5: _("May"), 6: _("June"),
    7: _("July"), 8: _("August"), 9: _("September"), 10: _("October"), 11: _("November"), 12: _("December"),
}  # fmt: skip


def type_choices(context: FormContext) -> dict[int | str, str]:
    """Types of which cards are made, and all of them."""
    types: dict[int | str, str] = {0: translate("All types")}
    return types | dict(approved_types(context.session))


class AnnualFees(msgspec.Struct, frozen=True, kw_only=True):
    """Which month, and how it is paid."""

    month: Annotated[int, entry(_("Joining month"), "choice", choices=MONTH_NAMES)]
    tender: Annotated[int, entry(_("Fee"), "choice", choices=TENDERS)] = FeeTender.BALANCE
    card_type: Annotated[int, entry(_("Card type"), "choice", choices=type_choices)] = 0


def _months(year: int, month: int) -> Iterator[tuple[datetime, datetime]]:
    """First moment of the month and of the next one, of the years before this one."""
    for past in range(year - YEARS_BACK, year):
        first = datetime(past, month, 1, tzinfo=UTC)
        yield first, (first + timedelta(days=31)).replace(day=1)


def _joined_in(year: int, month: int) -> ColumnElement[bool]:
    """Condition on cards with their account and member: the member's record, else the card, is of that month."""
    spans = list(_months(year, month))
    by_member = or_(*(and_(Member.created_at >= first, Member.created_at < last) for first, last in spans))
    days = [((first.date() - FIRST_DATE).days, (last.date() - FIRST_DATE).days - 1) for first, last in spans]
    by_card = or_(*(cards.c.issued_date.between(*span) for span in days))
    return or_(and_(Member.id.is_not(None), by_member), and_(Member.id.is_(None), by_card))


def _charged_since(first_date: int) -> ColumnElement[bool]:
    """Condition on cards: an annual fee was charged or waived since a date."""
    return exists().where(
        fees.c.kind.in_((int(FeeKind.ANNUAL), int(FeeKind.SUPPLEMENTARY_ANNUAL))),
        fees.c.business_date >= first_date,
        entries.c.id == fees.c.sequence * (1 << PART_BITS),
        entries.c.card_number == cards.c.card_number,
    )


def _plan(planning: Planning, form: AnnualFees) -> None:
    terms = Terms(planning.session, planning.today)
    today = FIRST_DATE + timedelta(days=planning.today)
    owed = {
        code: kind
        for code in approved_types(planning.session)
        if terms.fee_minor(code, kind := annual_fee_of(terms, code)) and form.card_type in (0, code)
    }
    if not owed:
        raise RefusedError("No type has an annual fee.")
    first_date = (today.replace(month=1, day=1) - FIRST_DATE).days
    query = (
        select(cards)
        .outerjoin(accounts, accounts.c.account_number == cards.c.account_number)
        .outerjoin(Member, Member.id == accounts.c.member)
        .where(
            cards.c.card_type.in_(owed),
            cards.c.status.in_([int(status) for status in OWING]),
            _joined_in(today.year, form.month),
            ~_charged_since(first_date),
        )
        .order_by(cards.c.card_number)
        .limit(CARDS_MAX + 1)
    )
    for place, card in enumerate(planning.session.execute(planning.visitor.cards_seen(query))):
        if place >= CARDS_MAX:
            raise RefusedError("This would be more than {count} cards. Make several documents.", count=CARDS_MAX)
        kind = owed[card.card_type]
        if (why := why_not_tender(terms, card.card_type, kind, form.tender)) is not None:
            skip_card(planning, card, why)
            continue
        if form.tender != FeeTender.WAIVED:
            planning.sums_minor[FEES_LABEL] += terms.fee_minor(card.card_type, kind)
        # One by one: an entry names the first card of a range only, and each card owes once a year.
        add_runs(
            planning,
            CardOperation.CHARGE_FEE,
            [Run(card.card_number, 1, False)],
            subject=subject(_("Annual fee")),
            fee_tender=form.tender,
            reason=kind,
        )


KINDS: list[Kind[Any]] = [
    Kind(
        name="annual-fees",
        label=_("Annual fees of a month"),
        hint=_(
            "Of cards whose members joined in this month of an earlier year; each once a year. A card whose fee cannot"
            " be taken is marked as owing it and goes on working."
        ),
        function="cards",
        form=AnnualFees,
        plan=_plan,
    ),
]
