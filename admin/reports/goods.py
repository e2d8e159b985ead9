"""What is bought: goods by class, bills, and their lines."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import Select, and_, func, literal, select

from admin.forms import entry
from admin.models.products import Product
from admin.models.sales import LINE_BITS, baskets, bill_lines, goods_names
from admin.words import TYPES

from .report import (
    LINE_SEQUENCE,
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
    store,
    text,
    total,
    total_over,
)

_ = str
LEVELS: dict[int | str, str] = {"department": _("Department"), "category": _("Category"), "item": _("Article")}
CARD = Column("card_number", _("Card"), ColumnKind.CARD)
DATE = Column("business_date", _("Business date"), ColumnKind.DATE)
MOMENT = Column("time_ms", _("Time"), ColumnKind.MOMENT)
KIND = Column("type", _("Kind"), ColumnKind.WORD, words=TYPES)


class GoodsParameters(SalesParameters, kw_only=True, frozen=True):
    """By which class."""

    level: Annotated[str, entry(_("By"), "choice", choices=LEVELS)] = "department"


class CardParameters(SalesParameters, kw_only=True, frozen=True):
    """One card, if it is given."""

    card: Annotated[int, entry(_("Card"), "card")] = 0


class LineParameters(CardParameters, kw_only=True, frozen=True):
    """One bill, or goods."""

    bill: Annotated[int, entry(_("Bill (sequence)"), "integer", ge=0, le=(1 << 50))] = 0
    item: Annotated[int, entry(_("Article"), "integer", ge=0)] = 0
    department: Annotated[int, entry(_("Department"), "integer", ge=0, le=65_535)] = 0


def _names(query: Select[Any], kind: str, column: Any) -> tuple[Select[Any], Any]:
    names = goods_names.alias()
    return query.outerjoin(names, and_(names.c.kind == kind, names.c.number == column)), func.coalesce(names.c.name, "")


def _item_name(query: Select[Any], column: Any) -> tuple[Select[Any], Any]:
    return query.outerjoin(Product, Product.item == column), func.coalesce(Product.name, "").label("item_name")


def _ranking(scope: Scope, parameters: GoodsParameters) -> Query:
    by = {
        "department": [bill_lines.c.department],
        "category": [bill_lines.c.department, bill_lines.c.category],
        "item": [bill_lines.c.department, bill_lines.c.category, bill_lines.c.item],
    }[parameters.level]
    sums = scope.lines(
        select(
            *by,
            total(bill_lines.c.amount_minor).label("amount_minor"),
            func.count().filter(baskets.c.original_sequence == 0).label("lines"),
            func.count(LINE_SEQUENCE.distinct()).filter(baskets.c.original_sequence == 0).label("bills"),
            func.count(baskets.c.account_number.distinct()).label("customers"),
        ),
        parameters,
    )
    found = sums.group_by(*by).cte("goods")
    numbers = [found.c.get(name, literal(0).label(name)) for name in ("department", "category", "item")]
    place = func.row_number().over(order_by=[found.c.amount_minor.desc(), *(found.c[column.name] for column in by)])
    query: Select[Any] = select(*found.c.values())
    query, department = _names(query, "department", found.c.department)
    query, category = _names(query, "category", numbers[1])
    query, item_name = _item_name(query, numbers[2])
    return query.with_only_columns(
        place.label("place"),
        *numbers,
        item_name,
        department.label("department_name"),
        category.label("category_name"),
        found.c.amount_minor,
        share_bp(found.c.amount_minor, total_over(found.c.amount_minor)).label("share_bp"),
        found.c.lines,
        found.c.bills,
        found.c.customers,
    ).order_by("place")


def _bills(scope: Scope, parameters: CardParameters) -> Query:
    query = select(baskets).where(scope.purchases(parameters))
    if parameters.card:
        query = query.where(baskets.c.card_number == parameters.card)
    return query.order_by(baskets.c.sequence.desc())


def _lines(scope: Scope, parameters: LineParameters) -> Query:
    query = scope.lines(select(bill_lines), parameters)
    for column, value in (
        (baskets.c.card_number, parameters.card),
        (bill_lines.c.item, parameters.item),
        (bill_lines.c.department, parameters.department),
    ):
        if value:
            query = query.where(column == value)
    if parameters.bill:
        first = parameters.bill << LINE_BITS
        query = query.where(bill_lines.c.id.between(first, first + (1 << LINE_BITS) - 1))
    query, department = _names(query, "department", bill_lines.c.department)
    query, category = _names(query, "category", bill_lines.c.category)
    query, item_name = _item_name(query, bill_lines.c.item)
    return query.with_only_columns(
        baskets.c.sequence,
        (bill_lines.c.id % (1 << LINE_BITS) + 1).label("line"),
        baskets.c.business_date,
        baskets.c.store_id,
        baskets.c.card_number,
        bill_lines.c.item,
        item_name,
        bill_lines.c.department,
        department.label("department_name"),
        bill_lines.c.category,
        category.label("category_name"),
        bill_lines.c.quantity_milli,
        bill_lines.c.amount_minor,
    ).order_by(bill_lines.c.id.desc())


REPORTS = (
    Report(
        "goods",
        "sales",
        _("Goods by class"),
        _("What the lines of all bills come to, before discounts of the switch and net of what was taken back."),
        (
            number("place", _("Rank")),
            number("department", _("Department")),
            text("department_name", _("Name")),
            number("category", _("Category")),
            text("category_name", _("Name")),
            number("item", _("Article")),
            text("item_name", _("Name")),
            money("amount_minor", _("Amount paid")),
            percent("share_bp", _("Share")),
            count("lines", _("Lines")),
            count("bills", _("Bills"), is_summed=False),
            count("customers", _("Customers"), is_summed=False),
        ),
        _ranking,
        GoodsParameters,
        Chart("rank", "department_name", ("amount_minor",)),
    ),
    Report(
        "purchases",
        "sales",
        _("Purchase records"),
        _("Bills paid with cards, newest first, and what took them back; the sum is that of the ledger's entries."),
        (
            number("sequence", _("Sequence")),
            MOMENT,
            DATE,
            KIND,
            store("store_id"),
            number("terminal_id", _("Terminal")),
            CARD,
            count("line_count", _("Lines")),
            money("discount_minor", _("Discount")),
            money("amount_minor", _("Amount")),
            number("original_sequence", _("Takes back")),
        ),
        _bills,
        CardParameters,
        links={"sequence": "/reports/bill-lines?bill={value}", "original_sequence": "/reports/bill-lines?bill={value}"},
    ),
    Report(
        "bill-lines",
        "sales",
        _("Lines of bills"),
        _("Every line with its goods, newest first; a bill's number is that of its entry in the ledger."),
        (
            number("sequence", _("Bill")),
            number("line", _("Line")),
            DATE,
            store("store_id"),
            CARD,
            number("item", _("Article")),
            text("item_name", _("Name")),
            number("department", _("Department")),
            text("department_name", _("Name")),
            number("category", _("Category")),
            text("category_name", _("Name")),
            Column("quantity_milli", _("Quantity (thousandths)"), ColumnKind.COUNT),
            money("amount_minor", _("Amount paid")),
        ),
        _lines,
        LineParameters,
    ),
)
