"""Card types as pages show them: the list, one type with all versions, what differs between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.forms import FormContext, declared, shown_of
from admin.models.documents import Document
from admin.models.journal import card_counts
from admin.models.mirror import card_types, marks, type_states
from admin.reports.report import total
from switch.protocol.card_terms import TypeState
from switch.protocol.records import MarkKind

from .type_form import CardType, form_of

_ = str
TYPE_STATES: dict[int, str] = {
    TypeState.DRAFT: _("Draft"),
    TypeState.SUBMITTED: _("Submitted"),
    TypeState.APPROVED: _("Approved"),
    TypeState.SUSPENDED: _("Suspended"),
    TypeState.RETIRED: _("Retired"),
}
TYPE_TONES: dict[int, str] = {
    TypeState.SUBMITTED: "warn",
    TypeState.APPROVED: "good",
    TypeState.SUSPENDED: "bad",
    TypeState.RETIRED: "bad",
}
MARK_SHIFT, LIST_BITS = 56, 8
DOCUMENTS_SHOWN = 20
ABOUT_TYPES = (
    "write-card-type",
    "submit-card-type",
    "return-card-type",
    "approve-card-type",
    "suspend-card-type",
    "resume-card-type",
    "retire-card-type",
    "allow-for-type",
)


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A card type in the list."""

    version: Row[Any]
    """In force today, or the first one to come."""
    state: int
    card_count: int
    version_count: int


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the terms of a version, for reading."""

    title: str
    lines: Sequence[tuple[str, str]]
    """(English label, text)"""


def type_rows(session: Session, today: int, state: int | None = None) -> list[TypeRow]:
    """All types by code, in one state where it is given."""
    versions: dict[int, list[Row[Any]]] = {}
    for row in session.execute(select(card_types).order_by(card_types.c.code, card_types.c.from_date)):
        versions.setdefault(row.code, []).append(row)
    states = {row.code: row.state for row in session.execute(select(type_states.c.code, type_states.c.state))}
    per_type = select(card_counts.c.card_type, total(card_counts.c.card_count).label("n"))
    per_type = per_type.group_by(card_counts.c.card_type)
    counts = {row.card_type: row.n for row in session.execute(per_type)}
    return [
        TypeRow(version_in_force(mine, today) or mine[0], states.get(code, 0), counts.get(code, 0), len(mine))
        for code, mine in versions.items()
        if state is None or states.get(code) == state
    ]


def version_in_force(versions: Sequence[Row[Any]], today: int) -> Row[Any] | None:
    """The version with the latest date that has come."""
    return max((row for row in versions if row.from_date <= today), key=lambda row: int(row.from_date), default=None)


def sections_of(version: Row[Any], context: FormContext) -> list[Section]:
    """The terms of a version, part by part; what is as nobody has set it is left out."""
    shown = dict(shown_of(form_of(version), context))
    sections: list[tuple[str, list[tuple[str, str]]]] = []
    for one in declared(CardType):
        if one.entry.section:
            sections.append((one.entry.section, []))
        label = one.meta.title or one.name
        if shown.get(label):
            sections[-1][1].append((label, shown[label]))
    return [Section(title, lines) for title, lines in sections if lines]


def differences(old: Row[Any], new: Row[Any], context: FormContext) -> list[tuple[str, str, str]]:
    """(English label, before, after) of what differs between two versions."""
    before, after = (dict(shown_of(form_of(version), context)) for version in (old, new))
    labels = [one.meta.title or one.name for one in declared(CardType)]
    return [
        (label, before.get(label, ""), after.get(label, ""))
        for label in labels
        if before.get(label, "") != after.get(label, "")
    ]


def allowed_of(session: Session, code: int) -> dict[int, list[int]]:
    """Numbers on each list of a type, by `AllowedList`."""
    found: dict[int, list[int]] = {}
    query = select(marks.c.key_a, marks.c.key_b).where(
        marks.c.key_a.between(code << LIST_BITS, (code + 1 << LIST_BITS) - 1),
        marks.c.key_c == MarkKind.ALLOWED << MARK_SHIFT,
    )
    for key, number in session.execute(query.order_by(marks.c.key_a, marks.c.key_b)):
        found.setdefault(key & (1 << LIST_BITS) - 1, []).append(number)
    return found


def documents_about(session: Session, visitor: Visitor, code: int) -> Sequence[Document]:
    """Documents about a type, newest first."""
    query = visitor.documents_seen(select(Document)).where(
        Document.kind.in_(ABOUT_TYPES),
        (Document.form.startswith(f'{{"code":{code},') | (Document.form == f'{{"code":{code}}}')),
    )
    return session.scalars(query.order_by(Document.id.desc()).limit(DOCUMENTS_SHOWN)).all()
