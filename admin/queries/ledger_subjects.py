"""Queries about what happened at tills and the desk: entries, purchases, lines of bills, cards."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, func, select

from admin.models.journal import entries
from admin.models.mirror import accounts, cards
from admin.models.sales import baskets, bill_lines, goods_names
from admin.reports.report import LINE_SEQUENCE, ColumnKind, Parameters
from admin.words import CODES, STATUSES, TYPES

from .fields import QueryContext, QueryField, Source, Subject, by_key
from .parts import card_fields, holder_fields, time_fields, type_names

_ = str
TEXT, NUMBER, COUNT, MONEY = ColumnKind.TEXT, ColumnKind.NUMBER, ColumnKind.COUNT, ColumnKind.MONEY
POINTS, DATE, MOMENT, WORD, CARD = (
    *(ColumnKind.POINTS, ColumnKind.DATE, ColumnKind.MOMENT),
    *(ColumnKind.WORD, ColumnKind.CARD),
)
EVERYTHING = Parameters()


def _summed(key: str, label: str, kind: ColumnKind, value: Any) -> QueryField:
    return QueryField(key, label, kind, value, is_summed=True)


def _entries(context: QueryContext) -> Source:
    table = entries.c
    times, month = time_fields(context, table.business_date)
    card, by_card = card_fields(context, entries)
    holder, by_holder = holder_fields(context, entries)
    date = QueryField("date", _("Business date"), DATE, table.business_date)
    places = context.organisation_names()
    fields = by_key(
        QueryField("sequence", _("Sequence"), NUMBER, table.sequence),
        date,
        QueryField("time", _("Time"), MOMENT, table.time_ms),
        *times,
        QueryField("type", _("Kind"), WORD, table.type, names={int(key): name for key, name in TYPES.items()}),
        QueryField("code", _("Answer"), WORD, table.code, names={int(key): name for key, name in CODES.items()}),
        QueryField("store", _("Store"), NUMBER, table.store_id),
        QueryField("terminal", _("Terminal"), NUMBER, table.terminal_id),
        QueryField("issuer", _("Issuer"), WORD, table.issuing_organisation_id, names=places),
        QueryField("acceptor", _("Accepted by"), WORD, table.accepting_organisation_id, names=places),
        *card,
        *holder,
        _summed("amount", _("Amount"), MONEY, table.amount_minor),
        _summed("discount", _("Discount"), MONEY, table.discount_minor),
        _summed("recharged", _("Recharged by itself"), MONEY, table.recharged_minor),
        _summed("value", _("Moved"), MONEY, table.value_minor),
        _summed("points", _("Points"), POINTS, table.points_hundredths),
        QueryField("balance", _("Balance"), MONEY, table.balance_minor, function="balances"),
    )
    base = select(table.id).select_from(entries).where(*context.scope.part(entries, EVERYTHING))
    return Source(base, fields, (table.id.desc(),), month | by_card | by_holder, date)


def _purchases(context: QueryContext) -> Source:
    table = baskets.c
    times, month = time_fields(context, table.business_date)
    card, by_card = card_fields(context, baskets)
    holder, by_holder = holder_fields(context, baskets)
    date = QueryField("date", _("Business date"), DATE, table.business_date)
    fields = by_key(
        QueryField("sequence", _("Bill"), NUMBER, table.sequence),
        date,
        QueryField("time", _("Time"), MOMENT, table.time_ms),
        *times,
        QueryField("type", _("Kind"), WORD, table.type, names={int(key): name for key, name in TYPES.items()}),
        QueryField("store", _("Store"), NUMBER, table.store_id),
        QueryField("terminal", _("Terminal"), NUMBER, table.terminal_id),
        *card,
        *holder,
        _summed("visits", _("Visits"), COUNT, table.visits),
        _summed("lines", _("Lines"), COUNT, table.line_count),
        _summed("amount", _("Amount"), MONEY, table.amount_minor),
        _summed("discount", _("Discount"), MONEY, table.discount_minor),
    )
    base = select(table.sequence).select_from(baskets).where(*context.scope.part(baskets, EVERYTHING))
    return Source(base, fields, (table.sequence.desc(),), month | by_card | by_holder, date)


def _lines(context: QueryContext) -> Source:
    times, month = time_fields(context, baskets.c.business_date)
    card, by_card = card_fields(context, baskets)
    holder, by_holder = holder_fields(context, baskets)
    names = {
        kind: {
            int(number): f"{number} {name}".strip()
            for number, name in context.session.execute(
                select(goods_names.c.number, goods_names.c.name).where(goods_names.c.kind == kind)
            )
        }
        for kind in ("department", "category")
    }
    date = QueryField("date", _("Business date"), DATE, baskets.c.business_date)
    fields = by_key(
        QueryField("sequence", _("Bill"), NUMBER, baskets.c.sequence),
        date,
        *times,
        QueryField("store", _("Store"), NUMBER, baskets.c.store_id),
        QueryField("department", _("Department"), WORD, bill_lines.c.department, names=names["department"]),
        QueryField("category", _("Category"), WORD, bill_lines.c.category, names=names["category"]),
        QueryField("item", _("Article"), NUMBER, bill_lines.c.item),
        *card,
        *holder,
        _summed("quantity", _("Quantity (thousandths)"), COUNT, bill_lines.c.quantity_milli),
        _summed("amount", _("Amount paid"), MONEY, bill_lines.c.amount_minor),
    )
    base = select(bill_lines.c.id).join_from(bill_lines, baskets, baskets.c.sequence == LINE_SEQUENCE)
    base = base.where(*context.scope.part(baskets, EVERYTHING))
    return Source(base, fields, (bill_lines.c.id.desc(),), month | by_card | by_holder, date)


def _cards(context: QueryContext) -> Source:
    table, account = cards.c, accounts.alias()
    holder, by_holder = holder_fields(context, cards)
    date = QueryField("issued", _("Issued on"), DATE, table.issued_date)
    fields = by_key(
        QueryField("card", _("Card"), CARD, table.card_number),
        QueryField("type", _("Card type"), WORD, table.card_type, names=type_names(context)),
        QueryField("status", _("State"), WORD, table.status, names={int(key): name for key, name in STATUSES.items()}),
        QueryField("issuer", _("Issuer"), WORD, table.issuing_organisation_id, names=context.organisation_names()),
        QueryField("place", _("Stock of store"), NUMBER, table.custody_store_id),
        date,
        QueryField("activated", _("Activated on"), DATE, table.activated_date),
        QueryField("expiry", _("Last date of use"), DATE, table.expiry_date),
        *holder,
        QueryField(
            "balance", _("Balance"), MONEY, account.c.balance_minor, ("account",), is_summed=True, function="balances"
        ),
        QueryField(
            "points",
            _("Points"),
            POINTS,
            account.c.points_hundredths,
            ("account",),
            is_summed=True,
            function="balances",
        ),
    )
    joins = {"account": lambda query: query.outerjoin(account, account.c.account_number == table.account_number)}
    base = context.visitor.cards_seen(select(table.card_number).select_from(cards))
    return Source(base, fields, (table.card_number,), joins | by_holder, date)


def _products(context: QueryContext) -> Source:
    table = goods_names.c
    sold = (
        select(
            bill_lines.c.department.label("number"),
            func.count().label("lines"),
            func.sum(bill_lines.c.amount_minor).label("amount_minor"),
        )
        .join_from(bill_lines, baskets, baskets.c.sequence == LINE_SEQUENCE)
        .where(*context.scope.part(baskets, EVERYTHING))
        .group_by(bill_lines.c.department)
        .cte("sold")
    )
    fields = by_key(
        QueryField("kind", _("Kind"), WORD, table.kind, names=GOODS_KINDS),
        QueryField("number", _("Number"), NUMBER, table.number),
        QueryField("name", _("Name"), TEXT, table.name),
        QueryField("lines", _("Lines"), COUNT, sold.c.lines, ("sold",), is_summed=True),
        QueryField("amount", _("Amount paid"), MONEY, sold.c.amount_minor, ("sold",), is_summed=True),
    )
    on = and_(table.kind == "department", sold.c.number == table.number)
    joins = {"sold": lambda query: query.outerjoin(sold, on)}
    return Source(select(table.number).select_from(goods_names), fields, (table.kind, table.number), joins)


GOODS_KINDS: dict[str, str] = {"department": _("Department"), "category": _("Category")}
SUBJECTS = (
    Subject("entries", _("Entries"), "entries", _entries, ("date", "time", "type", "code", "card", "store", "amount")),
    Subject("purchases", _("Purchases"), "entries", _purchases, ("date", "store", "card", "lines", "amount")),
    Subject(
        "lines", _("Lines of bills"), "entries", _lines, ("date", "store", "department", "item", "quantity", "amount")
    ),
    Subject("cards", _("Cards"), "cards", _cards, ("card", "type", "status", "issued", "expiry", "balance")),
    Subject("products", _("Product classes"), "reports", _products, ("kind", "number", "name", "lines", "amount")),
)
