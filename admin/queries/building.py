"""From a definition to a report: fields of the registry, bound values, the visitor's part, and no other SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Select, and_, case, cast, func, or_

from admin.errors import RefusedError
from admin.i18n import midnight_ms, translate
from admin.members.conditions import Term
from admin.reports.report import Chart, Column, ColumnKind, Parameters, Query, Report, count, total
from admin.reports.showing import shown

from .definition import BY_MAX, COLUMNS_MAX, ROWS_MEASURE, TERMS_MAX, Definition
from .fields import QueryContext, QueryField, Source, Subject, compared, seen_fields
from .registry import SUBJECTS

_ = str
ACROSS_MAX = 24
"""Values that may become columns: the months of two years, or a dozen of stores and their likes."""
SERIES_MAX = 4
"""Of a chart: as many as there are colours that can be told apart."""
ROWS_LABEL = _("Records")
NAME = "query"


def subject_of(definition: Definition, context: QueryContext) -> Subject:
    """The kind of records that is asked for; `RefusedError` for one that there is not, or not for this visitor."""
    subject = SUBJECTS.get(definition.subject)
    if subject is None or not context.visitor.may(subject.function):
        raise RefusedError("Choose a kind of records of the list.")
    return subject


def built(
    definition: Definition, context: QueryContext, *, label: str = "", period: tuple[int, int] | None = None
) -> Report:
    """The report that a definition asks for; `RefusedError` says which part of it is wrong.

    `period`: first and last date of what a timer asks about.
    """
    subject = subject_of(definition, context)
    source = subject.source(context)
    fields = seen_fields(source, context.visitor)
    query, used = source.base, set[str]()
    conditions = _conditions(definition, fields, context, used)
    if period is not None:
        conditions.append(_within(source, period))
    if definition.by:
        columns, query, chart, used_too = _grouped(definition, fields, context, query, conditions, source)
    else:
        columns, query, chart, used_too = _listed(definition, fields, query, conditions, source)
    query = _joined(query, source, used | used_too)
    return Report(NAME, "", label or subject.label, subject.label, tuple(columns), _answer(query), Parameters, chart)


def _answer(query: Select[Any]) -> Any:
    def answer(_scope: Any, _parameters: Any) -> Query:
        return query

    return answer


def _field(fields: dict[str, QueryField], key: str, *, is_asked: bool = False) -> QueryField:
    if key not in fields or (fields[key].holds is not None and not is_asked):
        raise RefusedError("There is no field {name}.", name=key[:40] or "-")
    return fields[key]


def _joined(query: Select[Any], source: Source, names: set[str]) -> Select[Any]:
    for name, join in source.joins.items():
        if name in names:
            query = join(query)
    return query


def _conditions(
    definition: Definition, fields: dict[str, QueryField], context: QueryContext, used: set[str]
) -> list[Any]:
    if len(definition.terms) > TERMS_MAX:
        raise RefusedError("At most {most} conditions.", most=TERMS_MAX)
    parts = []
    for term in definition.terms:
        asked = _field(fields, term.field, is_asked=True)
        if term.operator not in asked.operators:
            raise RefusedError("{name}: choose how to compare.", name=translate(asked.label))
        try:
            parts.append(compared(asked, term.operator, term.value, context))
        except ValueError as error:
            raise RefusedError("{name}: {why}", name=translate(asked.label), why=str(error)) from error
        used.update(asked.joins)
    if not parts:
        return []
    return [and_(*parts) if definition.mode == "all" else or_(*parts)]


def _within(source: Source, period: tuple[int, int]) -> Any:
    if source.date is None:
        raise RefusedError("These records have no date: a timer can only ask for all of them.")
    first, last = period
    if source.date.kind is ColumnKind.MOMENT:
        return source.date.value.between(midnight_ms(first), midnight_ms(last + 1) - 1)
    return source.date.value.between(first, last)


def _listed(
    definition: Definition, fields: dict[str, QueryField], query: Select[Any], conditions: Sequence[Any], source: Source
) -> tuple[list[Column], Select[Any], Chart | None, set[str]]:
    if not 1 <= len(definition.columns) <= COLUMNS_MAX:
        raise RefusedError("Choose 1 to {most} columns.", most=COLUMNS_MAX)
    wanted = [_field(fields, key) for key in definition.columns]
    order = list(source.order)
    used = {name for one in wanted for name in one.joins}
    if definition.order:
        by = _field(fields, definition.order)
        if by.kind is ColumnKind.CARD:
            raise RefusedError("Rows cannot be put in the order of card numbers: it would tell hidden digits.")
        order.insert(0, by.value.desc() if definition.is_descending else by.value)
        used.update(by.joins)
    values = [_value(one).label(one.key) for one in wanted]
    return (
        [one.column for one in wanted],
        query.with_only_columns(*values).where(*conditions).order_by(*order),
        None,
        used,
    )


def _value(one: QueryField) -> Any:
    """What is summed is never nothing."""
    return cast(func.coalesce(one.value, 0), BigInteger) if one.is_summed else one.value


def _grouped(
    definition: Definition,
    fields: dict[str, QueryField],
    context: QueryContext,
    query: Select[Any],
    conditions: Sequence[Any],
    source: Source,
) -> tuple[list[Column], Select[Any], Chart | None, set[str]]:
    if len(definition.by) > BY_MAX:
        raise RefusedError("At most {most} groups.", most=BY_MAX)
    by = [_field(fields, key) for key in definition.by]
    measures = [one for key in definition.columns if (one := _field(fields, key)).is_summed and one not in by]
    used = {name for one in (*by, *measures) for name in one.joins}
    sums: list[tuple[Column, Any]] = [(count(ROWS_MEASURE, ROWS_LABEL), func.count())]
    sums += [(one.column, total(one.value)) for one in measures]
    if definition.across:
        across = _field(fields, definition.across)
        if across in by:
            raise RefusedError("Choose two different fields for rows and columns.")
        used.update(across.joins)
        measure = _field(fields, definition.measure) if definition.measure != ROWS_MEASURE else None
        if measure is not None:
            if not measure.is_summed:
                raise RefusedError("{name} cannot be added up.", name=translate(measure.label))
            used.update(measure.joins)
        heads = _joined(query, source, used | _condition_joins(definition, fields)).where(*conditions)
        sums = _crossed(across, measure, heads, context)
    values = [one.value.label(one.key) for one in by] + [value.label(column.name) for column, value in sums]
    names = {column.name: value for column, value in sums}
    order: list[Any] = [one.value for one in by]
    if definition.order and definition.order not in definition.by:
        if definition.order not in names:
            raise RefusedError("Groups are put in order by what stands in a column.")
        order.insert(0, names[definition.order].desc() if definition.is_descending else names[definition.order])
    elif definition.is_descending:
        order[0] = order[0].desc()
    grouped = query.with_only_columns(*values).where(*conditions)
    grouped = grouped.group_by(*(one.value for one in by)).order_by(*order)
    columns = [replace(one.column, is_summed=False) for one in by] + [column for column, _value in sums]
    chart = None
    if len(by) == 1:
        series = [column.name for column, _value in sums if column.name != "all"]
        if not definition.across:
            series = series[1:2] or series[:1]
        chart = Chart("bar", by[0].key, tuple(series[:SERIES_MAX]), is_stacked=bool(definition.across))
    return columns, grouped, chart, used


def _condition_joins(definition: Definition, fields: dict[str, QueryField]) -> set[str]:
    return {name for term in definition.terms for name in fields[term.field].joins}


def _crossed(
    across: QueryField, measure: QueryField | None, heads: Select[Any], context: QueryContext
) -> list[tuple[Column, Any]]:
    """A column for each value of a field, and one for all of them."""
    found = context.session.execute(
        heads.with_only_columns(across.value.label("head"))
        .group_by(across.value)
        .order_by(across.value)
        .limit(ACROSS_MAX + 1)
    )
    values = [row.head for row in found]
    if len(values) > ACROSS_MAX:
        raise RefusedError(
            "{name} has more than {most} values: choose another field for the columns, or add a condition.",
            name=translate(across.label),
            most=ACROSS_MAX,
        )
    kind = measure.kind if measure is not None else ColumnKind.COUNT
    amount: Any = func.coalesce(measure.value, 0) if measure is not None else 1
    sums = []
    for place, value in enumerate(values):
        label = shown(across.column, value, context.visitor) or translate("Not known")
        is_it = across.value.is_(None) if value is None else across.value == value
        sums.append((Column(f"x{place}", label, kind, True), total(case((is_it, amount), else_=0))))
    whole = total(amount) if measure is not None else cast(func.count(), BigInteger)
    return [*sums, (Column("all", measure.label if measure is not None else ROWS_LABEL, kind, True), whole)]


def in_words(definition: Definition, context: QueryContext) -> list[tuple[str, str]]:
    """(English label, text) of the conditions, for reading and printing."""
    source = subject_of(definition, context).source(context)
    sentences = []
    for term in definition.terms:
        asked = source.fields.get(term.field)
        if asked is None:
            continue
        value = term.value
        if asked.kind is ColumnKind.WORD:
            value = next((translate(name) for key, name in asked.names.items() if str(key) == value), value)
        if asked.kind is ColumnKind.CARD and (number := context.references.read(value)) is not None:
            value = context.visitor.card_number(number)
        operator = translate(asked.operators.get(term.operator, term.operator))
        sentences.append((asked.label, f"{operator} {value}".strip()))
    return sentences


def without_card_numbers(definition: Definition, context: QueryContext) -> Definition:
    """The same with references in place of card numbers that were typed: addresses and tables do not tell them."""
    source = subject_of(definition, context).source(context)
    terms = []
    for term in definition.terms:
        asked = source.fields.get(term.field)
        digits = term.value.replace(" ", "")
        if asked is not None and asked.kind is ColumnKind.CARD and digits.isascii() and digits.isdecimal():
            number = int(digits[:20])
            term = Term(term.field, term.operator, context.references.make(number) if number < 2**64 else "")
        terms.append(term)
    return msgspec.structs.replace(definition, terms=terms)
