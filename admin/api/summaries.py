"""Summaries of operations in both languages: first lines of docstrings, some put together from two of them.

An operation of a kind of documents, of a report or of a form's fields is called "NAME: WHAT IT DOES".  Both halves are
texts of the catalogs, so that a new kind or report needs no further one.
"""

from __future__ import annotations

from collections.abc import Iterator

from admin.documents.registry import KINDS
from admin.i18n import locale_now, translate

COLONS = {"zh": "："}
FORMS, REPORTS = "Fields and choices", "parameters and columns"
"""How `admin/api/bodies.py` begins what it calls a form, and `report_api.py` ends what it calls a report."""


def parts_of(summary: str) -> tuple[str, ...]:
    """The texts that a summary is put together from."""
    if summary.endswith(f": {REPORTS}"):
        return summary.removesuffix(f": {REPORTS}"), REPORTS
    for name in (FORMS, *(kind.label for kind in KINDS.values())):
        if summary.startswith(f"{name}: "):
            return name, summary.removeprefix(f"{name}: ")
    return (summary,)


def summary_text(summary: str) -> str:
    """A summary in the language of the request."""
    return COLONS.get(locale_now.get(), ": ").join(translate(part) for part in parts_of(summary))


def texts() -> Iterator[str]:
    """Every text that summaries and parts of the interface are made of, for the catalogs."""
    from .routes import API_HANDLERS, TAGS  # imports all of them, which ask nothing of this module

    for handler in API_HANDLERS:
        yield from parts_of(handler.summary)
    yield from TAGS
    yield from TAGS.values()
