"""Reports about cards: the log of a card, how useful cards are, alarms."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import func, or_, select

from admin.forms import entry
from admin.models.journal import entries
from admin.models.mirror import alarms, card_types, cards
from admin.models.sales import baskets
from admin.words import ALARM_KINDS, ALARM_STATES, TYPES, code_name
from switch.protocol.lifecycle import LIVE

from .money import StoreParameters
from .report import (
    Chart,
    Column,
    ColumnKind,
    Parameters,
    Query,
    Report,
    SalesParameters,
    Scope,
    count,
    money,
    number,
    percent,
    share_bp,
    store,
    text,
    total,
)

_ = str
DAY_MS = 86_400_000


class LogParameters(StoreParameters, kw_only=True, frozen=True):
    """Which card and which entries."""

    card: Annotated[int, entry(_("Card"), "card")] = 0
    terminal: Annotated[int, entry(_("Terminal"), "integer", ge=0)] = 0
    type: Annotated[int, entry(_("Kind"), "choice", choices={int(key): name for key, name in TYPES.items()})] = 0


def _log(scope: Scope, parameters: LogParameters) -> Query:
    query = select(entries).where(*scope.part(entries, parameters), *scope.period(entries.c.business_date, parameters))
    for column, value in (
        (entries.c.card_number, parameters.card),
        (entries.c.store_id, parameters.store),
        (entries.c.terminal_id, parameters.terminal),
        (entries.c.type, parameters.type),
    ):
        if value:
            query = query.where(column == value)
    return query.order_by(entries.c.id.desc())


def _usefulness(scope: Scope, parameters: SalesParameters) -> Query:
    bought = (
        select(
            baskets.c.card_number,
            total(baskets.c.visits).label("visits"),
            total(baskets.c.amount_minor).label("spend_minor"),
        )
        .where(scope.purchases(parameters))
        .group_by(baskets.c.card_number)
        .cte("bought")
    )
    all_cards, active = func.count(), func.count(bought.c.card_number)
    visits, spend = total(bought.c.visits), total(bought.c.spend_minor)
    is_live = cards.c.status.in_([int(status) for status in LIVE])
    query = select(
        cards.c.card_type,
        func.coalesce(func.max(card_types.c.name), "").label("name"),
        all_cards.label("cards"),
        func.count().filter(is_live).label("live"),
        active.label("active"),
        share_bp(active, all_cards).label("active_bp"),
        visits.label("visits"),
        spend.label("spend_minor"),
        (spend // all_cards).label("mean_minor"),
    )
    query = query.select_from(cards).outerjoin(bought, bought.c.card_number == cards.c.card_number)
    query = query.outerjoin(card_types, card_types.c.code == cards.c.card_type)
    if parameters.card_type:
        query = query.where(cards.c.card_type == parameters.card_type)
    return scope.visitor.cards_seen(query).group_by(cards.c.card_type).order_by(cards.c.card_type)


def _alarms(scope: Scope, parameters: Parameters) -> Query:
    date = alarms.c.second_ms // DAY_MS
    keys = (date, alarms.c.alarm, alarms.c.state)
    query = select(
        date.label("date"),
        alarms.c.alarm,
        alarms.c.state,
        func.count().label("count"),
        func.count(alarms.c.card_number.distinct()).label("cards"),
    ).where(*scope.period(date, parameters))
    if parameters.organisation:
        own = scope.stores_of(parameters.organisation)
        query = query.where(or_(alarms.c.first_store_id.in_(own), alarms.c.second_store_id.in_(own)))
    return scope.visitor.alarms_seen(query).group_by(*keys).order_by(*keys)


REPORTS = (
    Report(
        "card-log",
        "cards",
        _("Card transaction log"),
        _("All entries of a card, newest first, with its balance after each; refused ones too."),
        (
            number("sequence", _("Sequence")),
            Column("time_ms", _("Time"), ColumnKind.MOMENT),
            Column("business_date", _("Business date"), ColumnKind.DATE),
            Column("type", _("Kind"), ColumnKind.WORD, words=TYPES),
            Column("code", _("Answer"), ColumnKind.WORD, words=code_name),
            Column("card_number", _("Card"), ColumnKind.CARD),
            store("store_id"),
            number("terminal_id", _("Terminal")),
            money("amount_minor", _("Amount"), is_summed=False),
            money("value_minor", _("Moved")),
            money("balance_minor", _("Balance"), is_summed=False),
            Column("points_hundredths", _("Points"), ColumnKind.POINTS, is_summed=True),
        ),
        _log,
        LogParameters,
        links={"sequence": "/reports/bill-lines?bill={value}"},
        function="balances",
    ),
    Report(
        "usefulness",
        "cards",
        _("How useful the cards are"),
        _("Cards by type: how many are in use, how many were used in the period, and what they brought."),
        (
            number("card_type", _("Card type")),
            text("name", _("Name")),
            count("cards", _("Cards")),
            count("live", _("In use")),
            count("active", _("Used")),
            percent("active_bp", _("Share")),
            count("visits", _("Visits")),
            money("spend_minor", _("Spend")),
            money("mean_minor", _("Spend of each"), is_summed=False),
        ),
        _usefulness,
        chart=Chart("bar", "card_type", ("cards", "active")),
    ),
    Report(
        "alarms",
        "cards",
        _("Alarms"),
        _("Alarms by the date (UTC) of the second sighting, their kind, and what became of them."),
        (
            Column("date", _("Date"), ColumnKind.DATE),
            Column("alarm", _("Kind"), ColumnKind.WORD, words=ALARM_KINDS),
            Column("state", _("State"), ColumnKind.WORD, words=ALARM_STATES),
            count("count", _("Alarms")),
            count("cards", _("Cards"), is_summed=False),
        ),
        _alarms,
        Parameters,
        Chart("bar", "date", ("count",)),
    ),
)
