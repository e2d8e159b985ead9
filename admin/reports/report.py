"""What a report is: a name, parameters, columns of some kind, one question to the database, and a chart."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, func, or_, select, true
from sqlalchemy.orm import Session

from admin.access import Visitor, subtree
from admin.forms import FormContext, entry
from admin.models.journal import daily_totals
from admin.models.mirror import card_types, cards, organisations, stores
from admin.models.sales import LINE_BITS, baskets, bill_lines
from admin.store_names import store_choices

_ = str
BASIS_POINTS = 10_000
LINES_PER_BILL = 1 << LINE_BITS
Query = Select[Any]
LINE_SEQUENCE = bill_lines.c.id // LINES_PER_BILL
"""Of the basket that a line belongs to."""


class ColumnKind(enum.StrEnum):
    """How a value is shown, and written to Excel and CSV."""

    TEXT = "text"
    NUMBER = "number"
    """A number that is a name, such as a store's: no separators, never summed."""
    COUNT = "count"
    MONEY = "money"
    POINTS = "points"
    PERCENT = "percent"
    """Basis points."""
    DATE = "date"
    MOMENT = "moment"
    CARD = "card"
    """A card number, as the visitor may see it; 0: none."""
    STORE = "store"
    """Number of a store; shown with its name."""
    WORD = "word"
    """One of the numbers of the switch; the column's `words` name it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `name` is the label that the question gives it."""

    name: str
    label: str
    kind: ColumnKind = ColumnKind.COUNT
    is_summed: bool = False
    words: Callable[[int], str] | Mapping[Any, str] | None = None
    """English names of a WORD."""

    def word(self, value: Any) -> str:
        """English name of a WORD."""
        if callable(self.words):
            return self.words(value)
        return (self.words or {}).get(value, str(value))


def count(name: str, label: str, *, is_summed: bool = True) -> Column:
    """A column of counts."""
    return Column(name, label, ColumnKind.COUNT, is_summed)


def money(name: str, label: str, *, is_summed: bool = True) -> Column:
    """A column of amounts in minor units."""
    return Column(name, label, ColumnKind.MONEY, is_summed)


def percent(name: str, label: str) -> Column:
    """A column of basis points."""
    return Column(name, label, ColumnKind.PERCENT)


def text(name: str, label: str) -> Column:
    """A column of texts."""
    return Column(name, label, ColumnKind.TEXT)


def number(name: str, label: str) -> Column:
    """A column of numbers that are names."""
    return Column(name, label, ColumnKind.NUMBER)


def store(name: str, label: str = _("Store")) -> Column:
    """A column of stores."""
    return Column(name, label, ColumnKind.STORE)


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of the table's first rows."""

    kind: str
    """line, bar (upright), or rank (lying, longest on top)"""
    labels: str
    """Column of the labels."""
    series: tuple[str, ...]
    is_stacked: bool = False


def organisation_choices(context: FormContext) -> dict[int | str, str]:
    """Nodes of the visitor's part."""
    query = context.visitor.organisations_seen(select(organisations.c.organisation_id, organisations.c.name))
    rows = context.session.execute(query.order_by(organisations.c.organisation_id))
    return {row.organisation_id: f"{row.organisation_id} {row.name}".strip() for row in rows}


def card_type_choices(context: FormContext) -> dict[int | str, str]:
    """Types of cards; they are the group's, everybody may know them."""
    rows = context.session.execute(select(card_types.c.code, card_types.c.name).order_by(card_types.c.code))
    return {row.code: f"{row.code} {row.name}".strip() for row in rows}


class Parameters(msgspec.Struct, kw_only=True, frozen=True):
    """What every report asks: a period, and a part of the organisation."""

    from_date: Annotated[int, entry(_("From"), "date")] = 0
    until_date: Annotated[int, entry(_("Until"), "date")] = 0
    organisation: Annotated[int, entry(_("Organisation"), "choice", choices=organisation_choices)] = 0


class SalesParameters(Parameters, kw_only=True, frozen=True):
    """What reports about purchases ask besides."""

    store: Annotated[int, entry(_("Store"), "choice", choices=store_choices)] = 0
    card_type: Annotated[int, entry(_("Card type"), "choice", choices=card_type_choices)] = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks, and for which part: questions about sums and purchases go through here."""

    session: Session
    visitor: Visitor
    last_date: int
    """Last business date of the journal: where an open period ends."""

    def until(self, parameters: Parameters) -> int:
        """Last date of the period."""
        return parameters.until_date or self.last_date

    def part(self, table: Any, parameters: Parameters) -> list[ColumnElement[bool]]:
        """Conditions of the visitor's part and of the one that he asks for: its stores, or the cards that it issued."""
        found: list[ColumnElement[bool]] = []
        if not self.visitor.sees_everything:
            found.append(_in_part(table, self.visitor.organisation_ids))
        if parameters.organisation:
            found.append(_in_part(table, subtree(self.session, parameters.organisation)))
        return found

    def period(self, column: Any, parameters: Parameters) -> list[ColumnElement[bool]]:
        """Conditions of the period."""
        found = [column >= parameters.from_date] if parameters.from_date else []
        return [*found, column <= parameters.until_date] if parameters.until_date else found

    def totals(self, parameters: Parameters) -> ColumnElement[bool]:
        """Condition for `daily_totals`."""
        conditions = self.part(daily_totals, parameters) + self.period(daily_totals.c.business_date, parameters)
        if store := getattr(parameters, "store", 0):
            conditions.append(daily_totals.c.store_id == store)
        return and_(true(), *conditions)

    def purchases(self, parameters: Parameters, *, is_until_only: bool = False) -> ColumnElement[bool]:
        """Condition for `baskets`; `is_until_only` leaves the beginning of the period open."""
        conditions = self.part(baskets, parameters)
        period = self.period(baskets.c.business_date, parameters)
        conditions += period[-1:] if is_until_only and parameters.until_date else [] if is_until_only else period
        if store := getattr(parameters, "store", 0):
            conditions.append(baskets.c.store_id == store)
        if card_type := getattr(parameters, "card_type", 0):
            of_type = select(cards.c.card_number).where(cards.c.card_type == card_type)
            conditions.append(baskets.c.card_number.in_(of_type))
        return and_(true(), *conditions)

    def nodes_of(self, parameters: Parameters) -> frozenset[int]:
        """Nodes of the part that is asked for."""
        return subtree(self.session, parameters.organisation)

    def stores_of(self, organisation: int) -> Query:
        """Numbers of the stores of a node and below it."""
        return select(stores.c.store_id).where(stores.c.organisation_id.in_(subtree(self.session, organisation)))

    def lines(self, query: Query, parameters: SalesParameters) -> Query:
        """A question about `bill_lines` joined with their baskets; a period reads its part of the table alone."""
        query = query.join_from(bill_lines, baskets, baskets.c.sequence == LINE_SEQUENCE)
        if parameters.from_date:
            first = select(func.min(baskets.c.sequence)).where(baskets.c.business_date >= parameters.from_date)
            query = query.where(bill_lines.c.id >= first.scalar_subquery() * LINES_PER_BILL)
        if parameters.until_date:
            last = select(func.max(baskets.c.sequence) + 1).where(baskets.c.business_date <= parameters.until_date)
            query = query.where(bill_lines.c.id < last.scalar_subquery() * LINES_PER_BILL)
        return query.where(self.purchases(parameters))


def _in_part(table: Any, organisation_ids: frozenset[int]) -> ColumnElement[bool]:
    return or_(
        table.c.accepting_organisation_id.in_(organisation_ids), table.c.issuing_organisation_id.in_(organisation_ids)
    )


def total(column: Any) -> ColumnElement[int]:
    """A sum as a whole number of 64 bits, 0 of nothing: PostgreSQL would make decimals of it."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def total_over(column: Any, **over: Any) -> ColumnElement[int]:
    """`total` as a window function; over all rows, or in the order of `order_by` up to the row."""
    return cast(func.coalesce(func.sum(column).over(**over), 0), BigInteger)


def unless_zero(value: Any) -> ColumnElement[int]:
    """A divisor: None in place of 0."""
    return func.nullif(value, 0, type_=BigInteger)


def share_bp(part: Any, whole: Any) -> ColumnElement[int]:
    """Part of a whole in basis points, rounded down; None of nothing."""
    share: ColumnElement[int] = part * BASIS_POINTS // unless_zero(whole)
    return share


@dataclass(frozen=True, slots=True)
class Report:
    """One report."""

    name: str
    """In its address."""
    group: str
    label: str
    description: str
    """What it counts, for those who compare it with something."""
    columns: tuple[Column, ...]
    query: Callable[[Scope, Any], Query]
    """Rows in order, with the columns' names as labels."""
    parameters: type[Parameters] = SalesParameters
    chart: Chart | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    """By column: address of what a value names, with {value} in it."""
    function: str = ""
    """Whose right to look the report asks for, besides that of reports."""
    preview: Callable[[Scope, Any, int], Query | None] | None = None
    """A question for so many first rows alone, when a page could not wait for all; None: it can."""

    def is_open_to(self, visitor: Visitor) -> bool:
        """Whether a visitor who may look at reports may look at this one."""
        return not self.function or visitor.may(self.function)

    def column(self, name: str) -> Column:
        """One of the columns."""
        return next(column for column in self.columns if column.name == name)
