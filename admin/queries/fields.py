"""What a query may ask of a kind of records: fields of some kind, joined only when they are used, and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, not_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.forms import Kind, read_card, read_plain
from admin.i18n import FIRST_DATE, midnight_ms, translate
from admin.models.mirror import organisations
from admin.references import References
from admin.reports.report import Column, ColumnKind, Scope
from admin.rights import Action

_ = str
TEXT_LENGTH_MAX = 80
DAYS_AGO_MAX = 36_600
NUMBER_MAX = 2**63 - 1
"""What both databases keep."""
TEXT_OPERATORS: dict[str, str] = {
    "is": _("is"),
    "not": _("is not"),
    "contains": _("contains"),
    "filled": _("is filled in"),
    "empty": _("is empty"),
}
WORD_OPERATORS: dict[str, str] = {"is": _("is"), "not": _("is not")}
NUMBER_OPERATORS: dict[str, str] = {
    "is": _("is"),
    "not": _("is not"),
    "least": _("is at least"),
    "most": _("is at most"),
}
DATE_OPERATORS: dict[str, str] = {"least": _("is from"), "most": _("is until")}
CARD_OPERATORS: dict[str, str] = {"is": _("is")}
WITHOUT_VALUE = ("filled", "empty")
READERS = {
    ColumnKind.NUMBER: Kind.INTEGER,
    ColumnKind.COUNT: Kind.INTEGER,
    ColumnKind.MONEY: Kind.MONEY,
    ColumnKind.POINTS: Kind.POINTS,
    ColumnKind.PERCENT: Kind.PERCENT,
}
"""How what is typed is read: as in every other form."""


@dataclass(frozen=True, slots=True)
class QueryContext:
    """Who asks, on which state, in which language."""

    session: Session
    visitor: Visitor
    references: References
    scope: Scope
    today: date

    def organisation_names(self) -> dict[int, str]:
        """Names of the nodes that the visitor sees."""
        query = self.visitor.organisations_seen(select(organisations.c.organisation_id, organisations.c.name))
        rows = self.session.execute(query.order_by(organisations.c.organisation_id))
        return {int(row.organisation_id): f"{row.organisation_id} {row.name}".strip() for row in rows}


@dataclass(frozen=True, slots=True)
class QueryField:
    """One field of a kind of records."""

    key: str
    label: str
    """English, or the installation's own name."""
    kind: ColumnKind
    value: Any
    """In SQL."""
    joins: tuple[str, ...] = ()
    """Tables that must be joined for it."""
    names: Mapping[Any, str] = field(default_factory=dict)
    """Of a WORD: value and what it is called, in English or as somebody has named it."""
    is_summed: bool = False
    function: str = ""
    """Whose right to look the field asks for besides that of its records."""
    holds: Callable[[Any], ColumnElement[bool]] | None = None
    """Whether one of its names holds for a row: such a field is a condition and never a column."""

    @property
    def operators(self) -> Mapping[str, str]:
        """How it may be compared."""
        if self.kind is ColumnKind.TEXT:
            return TEXT_OPERATORS
        if self.kind is ColumnKind.WORD:
            return WORD_OPERATORS
        if self.kind is ColumnKind.CARD:
            return CARD_OPERATORS
        return DATE_OPERATORS if self.kind in (ColumnKind.DATE, ColumnKind.MOMENT) else NUMBER_OPERATORS

    @property
    def column(self) -> Column:
        """The column of a table that it becomes."""
        words = self._word if self.kind is ColumnKind.WORD else None
        return Column(self.key, self.label, self.kind, self.is_summed, words)

    def _word(self, value: Any) -> str:
        return self.names.get(value, str(value) if value else "")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of a query come from: the records of the visitor's part, and what may be joined to them."""

    base: Select[Any]
    fields: Mapping[str, QueryField]
    order: tuple[Any, ...]
    """Newest or first, and always the same for the same rows."""
    joins: Mapping[str, Callable[[Select[Any]], Select[Any]]] = field(default_factory=dict)
    """Each keeps the number of rows."""
    date: QueryField | None = None
    """What a period is about, for queries that a timer asks."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of records."""

    name: str
    label: str
    function: str
    """Who may look at its pages may ask for them."""
    source: Callable[[QueryContext], Source]
    shown: tuple[str, ...]
    """Columns that a new query begins with."""
    needs_sums: bool = False
    """Whether figures of members must be brought up to date first."""


def seen_fields(source: Source, visitor: Visitor) -> dict[str, QueryField]:
    """Fields that the visitor may ask."""
    return {
        key: one for key, one in source.fields.items() if not one.function or visitor.may(one.function, Action.VIEW)
    }


def by_key(*fields: QueryField) -> dict[str, QueryField]:
    """Fields by their keys; `ValueError` for a key that is there twice."""
    found = {one.key: one for one in fields}
    if len(found) != len(fields):
        raise ValueError(f"fields: expected each key once, got {[one.key for one in fields]}; rename one")
    return found


def compared(asked: QueryField, operator: str, text: str, context: QueryContext) -> ColumnElement[bool]:
    """A comparison of a field with what somebody typed; `ValueError` with what was expected, translated."""
    value: Any = asked.value
    if asked.holds is not None:
        found_in = asked.holds(read_value(asked, text, context))
        return found_in if operator == "is" else not_(found_in)
    if operator in WITHOUT_VALUE:
        return value != "" if operator == "filled" else (value == "") | value.is_(None)  # type: ignore[no-any-return]
    wanted = read_value(asked, text, context)
    if asked.kind is ColumnKind.MOMENT:
        if operator == "least":
            return value >= midnight_ms(wanted)  # type: ignore[no-any-return]
        return value < midnight_ms(wanted + 1)  # type: ignore[no-any-return]
    if operator == "contains":
        found: ColumnElement[bool] = value.contains(wanted, autoescape=True)
        return found
    if operator == "not":
        return (value != wanted) | value.is_(None)  # type: ignore[no-any-return]
    if operator == "is":
        return value == wanted  # type: ignore[no-any-return]
    # A date of 0 is none.
    is_dated = (value > 0) if asked.kind is ColumnKind.DATE else True
    return (value >= wanted if operator == "least" else value <= wanted) & is_dated  # type: ignore[no-any-return]


def read_value(asked: QueryField, text: str, context: QueryContext) -> Any:
    """A value as its field has it."""
    if asked.kind is ColumnKind.WORD:
        for key, name in asked.names.items():
            if text in (str(key), name, translate(name)):
                return key
        raise ValueError(translate("Choose one of the list."))
    if asked.kind in (ColumnKind.DATE, ColumnKind.MOMENT):
        return _read_day(text, context.today)
    if asked.kind in READERS:
        value = read_plain(READERS[asked.kind], text)
        if abs(value) > NUMBER_MAX:
            raise ValueError(translate("A whole number is expected."))
        return value
    if asked.kind is ColumnKind.CARD:
        return read_card(text, context.references)
    if not 0 < len(text) <= TEXT_LENGTH_MAX:
        raise ValueError(translate("A text of 1 to {most} characters is expected.").format(most=TEXT_LENGTH_MAX))
    return text


def _read_day(text: str, today: date) -> int:
    """A day, or so many days before today: a query that is kept asks about the last days each time."""
    if text.startswith("-") and text[1:].isascii() and text[1:].isdecimal() and int(text[1:6]) <= DAYS_AGO_MAX:
        return (today - FIRST_DATE).days - int(text[1:6])
    try:
        return int(read_plain(Kind.DATE, text))
    except ValueError:
        raise ValueError(translate("A date such as 2026-01-31 is expected, or -30 for 30 days ago.")) from None
