"""Who spends most: customers by spend, RFM, and what the best of them bring."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import case, func, literal, select, union_all

from admin.forms import entry

from .customers import customers, quintile, rank
from .report import (
    Chart,
    Column,
    ColumnKind,
    Query,
    Report,
    SalesParameters,
    Scope,
    count,
    money,
    number,
    percent,
    share_bp,
    total,
    total_over,
)

_ = str
TOP_PERCENTS = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
CARD = Column("card_number", _("Card"), ColumnKind.CARD)
MEMBER = number("member", _("Member"))
SINCE = count("days_since", _("Days since the last purchase"), is_summed=False)


class TopParameters(SalesParameters, kw_only=True, frozen=True):
    """How many of the best."""

    top: Annotated[int, entry(_("How many"), "integer", ge=1, le=100_000)] = 100


def _ranking(scope: Scope, parameters: TopParameters) -> Query:
    customer = customers(scope, parameters)
    place = rank(customer, customer.c.spend_minor.desc()).label("place")
    share = share_bp(customer.c.spend_minor, total_over(customer.c.spend_minor))
    return select(customer, place, share.label("share_bp")).order_by("place").limit(parameters.top)


def _rfm(scope: Scope, parameters: SalesParameters) -> Query:
    customer = customers(scope, parameters)
    return select(
        customer,
        quintile(customer, customer.c.days_since).label("recency"),
        quintile(customer, customer.c.visits.desc()).label("frequency"),
        quintile(customer, customer.c.spend_minor.desc()).label("money"),
    ).order_by(customer.c.member, customer.c.account_number)


def _segments(scope: Scope, parameters: SalesParameters) -> Query:
    scored = _rfm(scope, parameters).order_by(None).cte("scored")
    good, some = 4, 3
    segment = case(
        ((scored.c.recency >= good) & (scored.c.frequency >= good) & (scored.c.money >= good), 1),
        ((scored.c.recency >= good) & (scored.c.frequency >= some), 2),
        (scored.c.recency >= good, 3),
        ((scored.c.frequency >= good) | (scored.c.money >= good), 4),
        (scored.c.recency >= some, 5),
        else_=6,
    )
    spend = total(scored.c.spend_minor)
    return (
        select(
            segment.label("segment"),
            func.count().label("customers"),
            total(scored.c.visits).label("visits"),
            spend.label("spend_minor"),
            share_bp(spend, total_over(spend)).label("share_bp"),
        )
        .group_by(segment)
        .order_by(segment)
    )


def _concentration(scope: Scope, parameters: SalesParameters) -> Query:
    customer = customers(scope, parameters)
    ranked = select(
        customer.c.spend_minor,
        rank(customer, customer.c.spend_minor.desc()).label("place"),
        func.count().over().label("customers"),
        total_over(customer.c.spend_minor).label("all_minor"),
    ).cte("ranked")
    percents = union_all(*(select(literal(top).label("top")) for top in TOP_PERCENTS)).cte("percents")
    spend = total(ranked.c.spend_minor)
    return (
        select(
            (percents.c.top * 100).label("top_bp"),
            func.count().label("customers"),
            spend.label("spend_minor"),
            share_bp(spend, func.max(ranked.c.all_minor)).label("share_bp"),
        )
        # So many of the best: as many percent of all, rounded up.
        .join_from(percents, ranked, ranked.c.place <= (ranked.c.customers * percents.c.top + 99) // 100)
        .group_by(percents.c.top)
        .order_by(percents.c.top)
    )


SEGMENTS = {
    1: _("Champions: lately, often, much"),
    2: _("Loyal: lately and often"),
    3: _("New or promising: lately, not yet often"),
    4: _("At risk: used to come often or spend much"),
    5: _("Cooling down"),
    6: _("Lost or nearly so"),
}
REPORTS = (
    Report(
        "customer-ranking",
        "customers",
        _("Customers by spend"),
        _("Customers with the highest spend in the period, net of what was taken back."),
        (
            number("place", _("Rank")),
            CARD,
            MEMBER,
            money("spend_minor", _("Spend")),
            percent("share_bp", _("Share")),
            count("visits", _("Visits")),
            count("day_count", _("Days"), is_summed=False),
            count("store_count", _("Stores"), is_summed=False),
            Column("first_date", _("First purchase"), ColumnKind.DATE),
            Column("last_date", _("Last purchase"), ColumnKind.DATE),
            SINCE,
        ),
        _ranking,
        TopParameters,
        Chart("rank", "place", ("spend_minor",)),
    ),
    Report(
        "rfm",
        "customers",
        _("Recency, frequency, money"),
        _("Each customer's fifth by days since the last purchase, by visits and by spend; 5 is the best."),
        (
            CARD,
            MEMBER,
            SINCE,
            count("visits", _("Visits")),
            money("spend_minor", _("Spend")),
            number("recency", _("R")),
            number("frequency", _("F")),
            number("money", _("M")),
        ),
        _rfm,
    ),
    Report(
        "segments",
        "customers",
        _("Segments by recency, frequency, money"),
        _("Customers by their scores, computed anew each time."),
        (
            Column("segment", _("Segment"), ColumnKind.WORD, words=SEGMENTS),
            count("customers", _("Customers")),
            count("visits", _("Visits")),
            money("spend_minor", _("Spend")),
            percent("share_bp", _("Share")),
        ),
        _segments,
        chart=Chart("rank", "segment", ("spend_minor",)),
    ),
    Report(
        "concentration",
        "customers",
        _("20/80: what the best customers bring"),
        _("Share of the spend by the best so many percent of the customers."),
        (
            percent("top_bp", _("Best")),
            count("customers", _("Customers"), is_summed=False),
            money("spend_minor", _("Spend"), is_summed=False),
            percent("share_bp", _("Share")),
        ),
        _concentration,
        chart=Chart("line", "top_bp", ("share_bp",)),
    ),
)
