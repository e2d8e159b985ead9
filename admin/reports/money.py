"""What is held and what moves between organisations: prepaid value, settlement, fees.  All from daily totals."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import ColumnElement, and_, case, func, select, union_all

from admin.forms import entry
from admin.models.journal import daily_totals
from admin.models.mirror import cards, organisations
from admin.models.sales import fees
from admin.store_names import store_choices
from switch.protocol.messages import FeeKind, FeeTender, MessageType

from .customers import first_day, months
from .report import (
    Chart,
    Column,
    ColumnKind,
    Parameters,
    Query,
    Report,
    Scope,
    count,
    money,
    number,
    text,
    total,
    total_over,
)

_ = str
HUNDREDTHS = 100
PURCHASES = (MessageType.DEBIT, MessageType.CAPTURE)
BACK = (MessageType.REVERSAL, MessageType.REFUND)
ISSUED, ACCEPTED = "issuing_organisation_id", "accepting_organisation_id"
FORMS: dict[int | str, str] = {"organisation": _("Each organisation, net"), "pair": _("Each pair of organisations")}


class StoreParameters(Parameters, kw_only=True, frozen=True):
    """One store, if it is given."""

    store: Annotated[int, entry(_("Store"), "choice", choices=store_choices)] = 0


class SettlementParameters(Parameters, kw_only=True, frozen=True):
    """Net or in pairs."""

    form: Annotated[str, entry(_("Shown"), "choice", choices=FORMS)] = "organisation"


def moved(*types: MessageType) -> ColumnElement[int]:
    """By what requests of some types changed balances, without what was recharged by itself."""
    value = daily_totals.c.value_minor - daily_totals.c.recharged_minor
    return total(case((daily_totals.c.type.in_(types), value), else_=0))


def _prepaid(scope: Scope, parameters: StoreParameters) -> Query:
    # Outstanding is the sum of everything before, so the beginning of the period only cuts what is shown.
    all_before = scope.totals(Parameters(until_date=parameters.until_date, organisation=parameters.organisation))
    if parameters.store:
        all_before = and_(all_before, daily_totals.c.store_id == parameters.store)
    named = (MessageType.CREDIT, MessageType.OPERATE_CARD, *PURCHASES, *BACK)
    rest = daily_totals.c.value_minor - daily_totals.c.recharged_minor
    day = (
        select(
            daily_totals.c.business_date,
            moved(MessageType.CREDIT).label("recharged_minor"),
            moved(MessageType.OPERATE_CARD).label("desk_minor"),
            total(daily_totals.c.recharged_minor).label("automatic_minor"),
            (-moved(*PURCHASES)).label("redeemed_minor"),
            moved(*BACK).label("back_minor"),
            total(case((daily_totals.c.type.in_(named), 0), else_=rest)).label("other_minor"),
            total(daily_totals.c.value_minor).label("change_minor"),
        )
        .where(all_before)
        .group_by(daily_totals.c.business_date)
        .cte("day")
    )
    outstanding = total_over(day.c.change_minor, order_by=day.c.business_date)
    told = select(day, outstanding.label("outstanding_minor")).cte("told")
    # Date 0 is that of what the switch did before its first date; it moved nothing.
    first = max(parameters.from_date, 1)
    return select(told).where(told.c.business_date >= first).order_by(told.c.business_date)


def _settlement(scope: Scope, parameters: SettlementParameters) -> Query:
    # Automatic recharges bring the issuer the money, wherever the card is: the acceptor is owed all that was spent.
    purchases = total(
        case(
            (
                daily_totals.c.type.in_((*PURCHASES, *BACK)),
                daily_totals.c.recharged_minor - daily_totals.c.value_minor,
            ),
            else_=0,
        )
    )
    others = (daily_totals.c.type.not_in((*PURCHASES, *BACK)), daily_totals.c.value_minor)
    pair = (
        select(
            daily_totals.c.accepting_organisation_id.label("accepting"),
            daily_totals.c.issuing_organisation_id.label("issuing"),
            total(daily_totals.c.entry_count).label("entries"),
            purchases.label("spent_minor"),
            total(case(others, else_=0)).label("loaded_minor"),
        )
        .where(
            scope.totals(parameters),
            daily_totals.c.issuing_organisation_id != daily_totals.c.accepting_organisation_id,
            daily_totals.c.issuing_organisation_id != 0,
            daily_totals.c.accepting_organisation_id != 0,
        )
        .group_by(daily_totals.c.accepting_organisation_id, daily_totals.c.issuing_organisation_id)
        .having((func.sum(daily_totals.c.value_minor) != 0) | (func.sum(daily_totals.c.recharged_minor) != 0))
        .cte("pair")
    )
    net = pair.c.spent_minor - pair.c.loaded_minor
    if parameters.form == "organisation":
        sides = union_all(
            select(
                pair.c.accepting.label("own"), pair.c.entries, pair.c.spent_minor, pair.c.loaded_minor, net.label("n")
            ),
            select(pair.c.issuing, pair.c.entries * 0, -pair.c.spent_minor, -pair.c.loaded_minor, -net),
        ).cte("sides")
        sums = (
            select(
                sides.c.own.label("accepting"),
                total(sides.c.n * 0).label("issuing"),
                total(sides.c.entries).label("entries"),
                total(sides.c.spent_minor).label("spent_minor"),
                total(sides.c.loaded_minor).label("loaded_minor"),
                total(sides.c.n).label("net_minor"),
            )
            .group_by(sides.c.own)
            .cte("sums")
        )
    else:
        sums = select(pair, net.label("net_minor")).cte("sums")
    here, there = organisations.alias(), organisations.alias()
    return (
        select(
            sums,
            func.coalesce(here.c.name, "").label("accepting_name"),
            func.coalesce(there.c.name, "").label("issuing_name"),
        )
        .outerjoin(here, here.c.organisation_id == sums.c.accepting)
        .outerjoin(there, there.c.organisation_id == sums.c.issuing)
        .order_by(sums.c.accepting, sums.c.issuing)
    )


class CostParameters(StoreParameters, kw_only=True, frozen=True):
    """What a point and a card cost."""

    point_minor: Annotated[int, entry(_("Cost of a point"), "money", ge=0)] = 1
    card_minor: Annotated[int, entry(_("Cost of a card"), "money", ge=0)] = 0


def _cost(scope: Scope, parameters: CostParameters) -> Query:
    first = max(parameters.from_date, first_day(scope) or 1)
    month = months(first, max(scope.until(parameters), first))
    points = case((daily_totals.c.type.in_((*PURCHASES, *BACK)), daily_totals.c.points_hundredths), else_=0)
    sums = (
        select(
            month.c.place,
            total(daily_totals.c.discount_minor).label("discount_minor"),
            total(points).label("points_hundredths"),
        )
        .join_from(daily_totals, month, daily_totals.c.business_date.between(month.c.first_date, month.c.last_date))
        .where(scope.totals(parameters))
        .group_by(month.c.place)
        .cte("sums")
    )
    issued = select(month.c.place, func.count().label("cards")).join_from(
        cards, month, cards.c.issued_date.between(month.c.first_date, month.c.last_date)
    )
    issued = scope.visitor.cards_seen(issued).where(*scope.period(cards.c.issued_date, parameters))
    made = issued.group_by(month.c.place).cte("made")
    waived = (
        select(month.c.place, func.count().label("waived"))
        .join_from(fees, month, fees.c.business_date.between(month.c.first_date, month.c.last_date))
        .where(fees.c.tender == FeeTender.WAIVED, *scope.part(fees, parameters))
        .where(*scope.period(fees.c.business_date, parameters))
        .group_by(month.c.place)
        .cte("waived")
    )
    discount, earned = func.coalesce(sums.c.discount_minor, 0), func.coalesce(sums.c.points_hundredths, 0)
    points_minor = earned * parameters.point_minor // HUNDREDTHS
    card_count = func.coalesce(made.c.cards, 0)
    return (
        select(
            month.c.label.label("month"),
            discount.label("discount_minor"),
            earned.label("points_hundredths"),
            points_minor.label("points_minor"),
            card_count.label("cards"),
            (card_count * parameters.card_minor).label("card_minor"),
            func.coalesce(waived.c.waived, 0).label("waived"),
            (discount + points_minor + card_count * parameters.card_minor).label("cost_minor"),
        )
        .outerjoin(sums, sums.c.place == month.c.place)
        .outerjoin(made, made.c.place == month.c.place)
        .outerjoin(waived, waived.c.place == month.c.place)
        .order_by(month.c.place)
    )


def _fees(scope: Scope, parameters: StoreParameters) -> Query:
    conditions = scope.part(fees, parameters) + scope.period(fees.c.business_date, parameters)
    if parameters.store:
        conditions.append(fees.c.store_id == parameters.store)
    keys = (fees.c.kind, fees.c.tender, fees.c.issuing_organisation_id)
    return (
        select(
            *keys,
            func.count().label("operations"),
            total(fees.c.card_count).label("cards"),
            total(fees.c.fee_minor).label("fee_minor"),
        )
        .where(*conditions)
        .group_by(*keys)
        .order_by(*keys)
    )


FEE_KINDS: dict[int, str] = {
    FeeKind.ISSUE: _("Issue"),
    FeeKind.JOINING: _("Joining"),
    FeeKind.REPLACE: _("Replacement"),
    FeeKind.REPORT_LOSS: _("Report of loss"),
    FeeKind.RESTORE: _("Restoring"),
    FeeKind.RETURN: _("Return"),
    FeeKind.RENEW: _("Renewal"),
    FeeKind.ANNUAL: _("Annual"),
    FeeKind.SUPPLEMENTARY_ANNUAL: _("Annual, supplementary card"),
    FeeKind.SERVICE: _("Service"),
    FeeKind.SWAP: _("Swap"),
    FeeKind.OTHER: _("Other"),
}
FEE_TENDERS: dict[int, str] = {
    FeeTender.WAIVED: _("Waived"),
    FeeTender.CASH: _("Cash"),
    FeeTender.BALANCE: _("From the balance"),
}
REPORTS = (
    Report(
        "prepaid",
        "money",
        _("Prepaid value and liability"),
        _("What came in and was redeemed on each business date, and what all cards held at its end."),
        (
            Column("business_date", _("Business date"), ColumnKind.DATE),
            money("recharged_minor", _("Recharged")),
            money("desk_minor", _("At the card desk")),
            money("automatic_minor", _("Recharged by itself")),
            money("redeemed_minor", _("Redeemed")),
            money("back_minor", _("Taken back")),
            money("other_minor", _("Other")),
            money("change_minor", _("Difference")),
            money("outstanding_minor", _("Outstanding"), is_summed=False),
        ),
        _prepaid,
        StoreParameters,
        Chart("line", "business_date", ("outstanding_minor",)),
    ),
    Report(
        "settlement",
        "money",
        _("Settlement between organisations"),
        _("Cards of one organisation used at another: what was spent there less what was loaded there."),
        (
            number("accepting", _("Organisation")),
            text("accepting_name", _("Name")),
            number("issuing", _("Issuer")),
            text("issuing_name", _("Name")),
            count("entries", _("Entries")),
            money("spent_minor", _("Spent")),
            money("loaded_minor", _("Loaded")),
            money("net_minor", _("To receive, net")),
        ),
        _settlement,
        SettlementParameters,
        Chart("rank", "accepting", ("net_minor",)),
    ),
    Report(
        "fees",
        "money",
        _("Fee income"),
        _("Fees of card operations by kind and way of payment, waived ones too."),
        (
            Column("kind", _("Kind"), ColumnKind.WORD, words=FEE_KINDS),
            Column("tender", _("Paid in"), ColumnKind.WORD, words=FEE_TENDERS),
            number("issuing_organisation_id", _("Issuer")),
            count("operations", _("Operations")),
            count("cards", _("Cards")),
            money("fee_minor", _("Fees")),
        ),
        _fees,
        StoreParameters,
        Chart("rank", "kind", ("fee_minor",)),
    ),
    Report(
        "cost",
        "money",
        _("What the card scheme costs"),
        _("Discounts of the switch, points earned in purchases and cards issued in each month, at the costs given."),
        (
            text("month", _("Month")),
            money("discount_minor", _("Discount")),
            Column("points_hundredths", _("Points"), ColumnKind.POINTS, is_summed=True),
            money("points_minor", _("Cost of points")),
            count("cards", _("Cards issued")),
            money("card_minor", _("Cost of cards")),
            count("waived", _("Fees waived")),
            money("cost_minor", _("Cost")),
        ),
        _cost,
        CostParameters,
        Chart("bar", "month", ("discount_minor", "points_minor", "card_minor"), is_stacked=True),
    ),
)
