"""What somebody has put together: record kind, columns, conditions, order, groups; as JSON and as an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from admin.members.conditions import MODES, Term, terms_of

COLUMNS_MAX = 20
"""More do not fit a sheet of paper, and Excel is for those who want them all."""
TERMS_MAX = 12
BY_MAX = 2
ROWS_MEASURE = "rows"
"""The measure of how many records there are."""


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A query; keys are those of the subject's fields."""

    subject: str
    columns: list[str] = []
    terms: list[Term] = []
    mode: str = "all"
    order: str = ""
    is_descending: bool = False
    by: list[str] = []
    """Groups; empty: one row per record."""
    across: str = ""
    """Field whose values become columns."""
    measure: str = ROWS_MEASURE
    """What stands in those columns."""


def definition_of(texts: Mapping[str, Sequence[str]]) -> Definition:
    """A query from a form or an address; what is none of ours is told when it is built."""

    def first(name: str) -> str:
        return next(iter(texts.get(name, ())), "")[:40]

    terms = terms_of(texts.get("field", ()), texts.get("operator", ()), texts.get("value", ()))
    return Definition(
        subject=first("subject"),
        columns=list(dict.fromkeys(texts.get("column", ())))[: COLUMNS_MAX + 1],
        terms=terms[: TERMS_MAX + 1],
        mode=first("mode") if first("mode") in MODES else "all",
        order=first("order"),
        is_descending=bool(first("down")),
        by=list(dict.fromkeys(text for text in texts.get("by", ()) if text))[: BY_MAX + 1],
        across=first("across"),
        measure=first("measure") or ROWS_MEASURE,
    )


def address_of(definition: Definition) -> str:
    """The part of an address behind the question mark that says the same."""
    one = definition
    pairs = [("subject", one.subject), *(("column", key) for key in one.columns)]
    for term in one.terms:
        pairs += [("field", term.field), ("operator", term.operator), ("value", term.value)]
    pairs += [("mode", one.mode)] if one.mode != "all" else []
    pairs += [("order", one.order)] if one.order else []
    pairs += [("down", "1")] if one.is_descending else []
    pairs += [("by", key) for key in one.by]
    pairs += [("across", one.across)] if one.across else []
    pairs += [("measure", one.measure)] if one.measure != ROWS_MEASURE else []
    return urlencode(pairs)
