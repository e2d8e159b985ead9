"""Code tables and fields of the installation's own: what may be chosen and what else a record holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.i18n import locale_now
from admin.models.members import NAME_LENGTH_MAX, TEXT_LENGTH_MAX, MemberCode, MemberField, MemberValue
from admin.service import Service

from .identity import read_day, show_day

_ = str
MODULE = "members"
CODE_TABLES: dict[str, str] = {
    "class": _("Member classes"),
    "detail-class": _("Detailed classes"),
    "region": _("Regions"),
    "industry": _("Industries"),
    "occupation": _("Occupations"),
    "education": _("Education"),
    "interest": _("Interests"),
    "relation": _("Relations"),
    "churn": _("Types of churn"),
    "product": _("Types of products"),
    "opinion": _("What opinions are about"),
}
INTERESTS_MAX = 62
"""Bits of a signed number of 64."""
CODE_MAX = 999_999
FIELD_KINDS: dict[str, str] = {
    "text": _("Text"),
    "number": _("Figure"),
    "date": _("Date"),
    "choice": _("Choice"),
}
FIELDS_MAX = 40
"""More would be a table of its own."""
CHOICES_MAX = 100
SOURCES: dict[int, str] = {
    1: _("Store"),
    2: _("Call centre"),
    3: _("Web"),
    4: _("Import"),
}
SEXES: dict[int, str] = {1: _("Male"), 2: _("Female")}
MARITAL: dict[int, str] = {1: _("Single"), 2: _("Married"), 3: _("Widowed"), 4: _("Divorced")}
ID_KINDS: dict[int, str] = {1: _("Resident identity card"), 2: _("Passport"), 3: _("Other papers")}
KINDS: dict[str, str] = {"person": _("Person"), "company": _("Company")}
STATES: dict[str, str] = {
    "pending": _("To be verified"),
    "active": _("Member"),
    "churned": _("Lost to us"),
    "merged": _("Merged away"),
    "closed": _("Closed"),
}
STATE_TONES = {"pending": "warn", "active": "good", "churned": "bad"}


@dataclass(frozen=True, slots=True)
class CustomField:
    """A field of the installation's own."""

    id: int
    name: str
    kind: str
    choices: tuple[str, ...]
    rank: int
    is_offered: bool

    @property
    def key(self) -> str:
        """Its name in forms, conditions and headings of columns."""
        return f"custom_{self.id}"


def codes_of(session: Session, table: str, *, offered_only: bool = False) -> dict[int, str]:
    """Names of a code table in the language of the request, in order of their codes."""
    query = select(MemberCode.code, MemberCode.name_zh, MemberCode.name_en)
    query = query.where(MemberCode.table_name == table).order_by(MemberCode.code)
    if offered_only:
        query = query.where(MemberCode.is_offered)
    is_english = locale_now.get() == "en"
    return {code: english if is_english and english else chinese for code, chinese, english in session.execute(query)}


def name_of(row: MemberCode) -> str:
    """A code's name in the language of the request."""
    return row.name_en if locale_now.get() == "en" and row.name_en else row.name_zh


def put_code(
    service: Service, visitor: Visitor, table: str, code: int, name_zh: str, name_en: str, *, is_offered: bool
) -> None:
    """Add a code to a table, or rename it; codes are withdrawn, never deleted, since records have them."""
    name_zh, name_en = name_zh.strip(), name_en.strip()
    if table not in CODE_TABLES:
        raise RefusedError("There is no such code table.")
    code_max = INTERESTS_MAX if table == "interest" else CODE_MAX
    if not (0 if table == "interest" else 1) <= code <= code_max:
        raise RefusedError("A code of this table is a number up to {most}.", most=code_max)
    if not name_zh or max(len(name_zh), len(name_en)) > NAME_LENGTH_MAX:
        raise RefusedError("A name has 1 to {most} characters.", most=NAME_LENGTH_MAX)
    with service.database.write() as session:
        row = session.get(MemberCode, (table, code))
        before = {"zh": row.name_zh, "en": row.name_en, "offered": row.is_offered} if row else None
        if row is None:
            row = MemberCode(table_name=table, code=code)
            session.add(row)
        row.name_zh, row.name_en, row.is_offered = name_zh, name_en, is_offered
        after = {"zh": name_zh, "en": name_en, "offered": is_offered}
        service.audit.append(session, visitor, MODULE, "put code", f"{table} {code}", before=before, after=after)


def custom_fields(session: Session, *, offered_only: bool = False) -> list[CustomField]:
    """The installation's own fields, in their order."""
    query = select(MemberField).order_by(MemberField.rank, MemberField.id)
    if offered_only:
        query = query.where(MemberField.is_offered)
    return [
        CustomField(row.id, row.name, row.kind, tuple(row.choices.splitlines()), row.rank, row.is_offered)
        for row in session.scalars(query)
    ]


def put_field(
    service: Service,
    visitor: Visitor,
    field_id: int | None,
    *,
    name: str,
    kind: str,
    choices: Iterable[str],
    rank: int,
    is_offered: bool,
) -> int:
    """Define a field, or change what it is called and what may be chosen; its kind stays what it was."""
    name = name.strip()
    wanted = tuple(dict.fromkeys(text.strip() for text in choices if text.strip()))
    if not name or len(name) > 40:
        raise RefusedError("A name has 1 to {most} characters.", most=40)
    if kind not in FIELD_KINDS:
        raise RefusedError("A field is a text, a number, a date or a choice.")
    if kind == "choice" and not 1 <= len(wanted) <= CHOICES_MAX:
        raise RefusedError("A choice has 1 to {most} values, one per line.", most=CHOICES_MAX)
    if any(len(text) > TEXT_LENGTH_MAX for text in wanted):
        raise RefusedError("A value has at most {most} characters.", most=TEXT_LENGTH_MAX)
    with service.database.write() as session:
        twin = session.scalar(select(MemberField.id).where(MemberField.name == name))
        if twin is not None and twin != field_id:
            raise RefusedError("There is a field with this name already.")
        row = session.get(MemberField, field_id) if field_id else None
        if field_id and row is None:
            raise RefusedError("There is no such field.")
        if row is None:
            if (session.scalar(select(func.count()).select_from(MemberField)) or 0) >= FIELDS_MAX:
                raise RefusedError("There are {most} fields already; withdraw or rename one.", most=FIELDS_MAX)
            row = MemberField(kind=kind)
            session.add(row)
        elif row.kind != kind:
            raise RefusedError("The kind of a field stays: records have values of it. Define another field.")
        row.name, row.choices, row.rank, row.is_offered = name, "\n".join(wanted), rank, is_offered
        session.flush()
        after = {"name": name, "kind": kind, "choices": list(wanted), "offered": is_offered}
        service.audit.append(session, visitor, MODULE, "put field", f"member field {row.id}", after=after)
        return row.id


def read_value(field: CustomField, text: str) -> MemberValue:
    """A value from what was typed; `RefusedError` says what was expected."""
    text = text.strip()
    if field.kind == "number":
        try:
            hundredths = Decimal(text.replace(",", "")).scaleb(2)
            if hundredths == hundredths.to_integral_value() and abs(hundredths) < 2**62:
                return MemberValue(field_id=field.id, number=int(hundredths))
        except ArithmeticError:
            pass
        raise RefusedError("A number with at most two decimals is expected.")
    if field.kind == "date":
        if not (day := read_day(text)):
            raise RefusedError("A date such as 1990-05-31 is expected.")
        return MemberValue(field_id=field.id, number=day)
    if field.kind == "choice" and text not in field.choices:
        raise RefusedError("One of these is expected: {choices}.", choices=", ".join(field.choices[:10]))
    if len(text) > TEXT_LENGTH_MAX:
        raise RefusedError("A value has at most {most} characters.", most=TEXT_LENGTH_MAX)
    return MemberValue(field_id=field.id, text=text)


def show_value(field: CustomField, value: MemberValue) -> str:
    """A value as it is typed."""
    if field.kind == "number":
        return f"{Decimal(value.number).scaleb(-2):f}".removesuffix(".00")
    return show_day(value.number) if field.kind == "date" else value.text


def values_of(session: Session, members: Iterable[int], fields: Iterable[CustomField]) -> dict[int, dict[str, str]]:
    """Texts by member and key of the field."""
    by_id: Mapping[int, CustomField] = {field.id: field for field in fields}
    found: dict[int, dict[str, str]] = {}
    for row in session.scalars(select(MemberValue).where(MemberValue.member_id.in_(list(members)))):
        if (field := by_id.get(row.field_id)) is not None:
            found.setdefault(row.member_id, {})[field.key] = show_value(field, row)
    return found
