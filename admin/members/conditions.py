"""A small language of conditions on members: field, operator, value; all or any of them; built in a form, kept as JSON.

It has no text to parse and no way to name anything but the fields below, so
that nothing that is typed can become SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select
from sqlalchemy.orm import Session

from admin.database import from_ms
from admin.errors import RefusedError
from admin.i18n import FIRST_DATE, translate
from admin.models.campaigns import Campaign, campaign_redemptions
from admin.models.members import Member, MemberLevel, MemberTag, MemberValue
from admin.models.mirror import accounts, card_types, cards, organisations

from .definitions import KINDS, MARITAL, SEXES, SOURCES, STATES, CustomField, codes_of, custom_fields
from .holdings import owners
from .identity import read_day
from .totals import business_date, date_before, member_sums

_ = str
TERMS_MAX = 12
"""More would be two groups."""
CHOICES_MAX = 200
"""Campaigns that a condition may name: the newest ones."""
TEXT_OPERATORS: dict[str, str] = {
    "is": _("is"),
    "contains": _("contains"),
    "filled": _("is filled in"),
    "empty": _("is empty"),
}
CHOICE_OPERATORS: dict[str, str] = {"is": _("is"), "not": _("is not")}
NUMBER_OPERATORS: dict[str, str] = {"least": _("is at least"), "most": _("is at most"), "is": _("is")}
DATE_OPERATORS: dict[str, str] = {"least": _("is from"), "most": _("is until")}
MODES: dict[str, str] = {"all": _("All of these hold"), "any": _("One of these holds")}
MS_PER_DAY = 86_400_000
NEVER = 10**9


class Term(msgspec.Struct, frozen=True):
    """One comparison; the value as it was typed."""

    field: str
    operator: str
    value: str = ""


class Condition(msgspec.Struct, frozen=True):
    """What members of a group have in common."""

    terms: list[Term]
    mode: str = "all"


Build = Callable[[str, Any], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class QueryField:
    """A field that conditions may ask."""

    key: str
    label: str
    """English, or the installation's own name."""
    kind: str
    """text, choice, number, money, date."""
    build: Build
    choices: Mapping[str, str] = field(default_factory=dict)
    """Value and shown name."""

    @property
    def operators(self) -> Mapping[str, str]:
        """What may be asked of it."""
        if self.kind == "text":
            return TEXT_OPERATORS
        if self.kind == "choice":
            return CHOICE_OPERATORS
        return DATE_OPERATORS if self.kind == "date" else NUMBER_OPERATORS


def query_fields(session: Session, today: date) -> dict[str, QueryField]:
    """All fields, with what may be chosen in the language of the request."""
    fields = [*_profile_fields(session), *_day_fields(today), *_figure_fields(today), *_card_fields(session)]
    fields += [_custom(one) for one in custom_fields(session)]
    return {one.key: one for one in fields}


def compiled(session: Session, condition: Condition, today: date) -> ColumnElement[bool]:
    """A condition on `members`; `RefusedError` says which comparison is wrong and what was expected."""
    if not 1 <= len(condition.terms) <= TERMS_MAX:
        raise RefusedError("A condition has 1 to {most} comparisons.", most=TERMS_MAX)
    if condition.mode not in MODES:
        raise RefusedError("Choose whether all comparisons must hold, or one.")
    fields = query_fields(session, today)
    parts = [_term(fields, term) for term in condition.terms]
    return and_(*parts) if condition.mode == "all" else or_(*parts)


def _term(fields: Mapping[str, QueryField], term: Term) -> ColumnElement[bool]:
    asked = fields.get(term.field)
    if asked is None:
        raise RefusedError("There is no field {name}.", name=term.field[:40])
    label = translate(asked.label)
    if term.operator not in asked.operators:
        raise RefusedError("{name}: choose how to compare.", name=label)
    if term.operator in ("filled", "empty"):
        return asked.build(term.operator, "")
    return asked.build(term.operator, read_value(asked, term.value))


def read_value(asked: QueryField, text: str) -> Any:
    """A value as its field has it: a key, a number in its smallest unit, a day, a text."""
    text, label = text.strip(), translate(asked.label)
    if asked.kind == "choice":
        for key, name in asked.choices.items():
            if text in (key, name):
                return key
        raise RefusedError("{name}: choose one of the list.", name=label)
    if asked.kind == "date":
        if day := read_day(text):
            return day
        raise RefusedError("{name}: a date such as 2026-01-31 is expected.", name=label)
    if asked.kind == "text":
        if text and len(text) <= 80:
            return text
        raise RefusedError("{name}: a text of 1 to 80 characters is expected.", name=label)
    try:
        value = Decimal(text.replace(",", "")).scaleb(2 if asked.kind == "money" else 0)
        if value == value.to_integral_value() and abs(value) < NEVER * 1000:
            return int(value)
    except ArithmeticError:
        pass
    raise RefusedError("{name}: a number is expected.", name=label)


def in_words(session: Session, condition: Condition, today: date) -> list[str]:
    """Each comparison as a sentence, in the language of the request."""
    fields = query_fields(session, today)
    sentences = []
    for term in condition.terms:
        asked = fields.get(term.field)
        if asked is not None:
            operator = translate(asked.operators.get(term.operator, term.operator))
            sentences.append(f"{translate(asked.label)} {operator} {asked.choices.get(term.value, term.value)}".strip())
    return sentences


# ------------------------------------------------------------------------- fields


def _profile_fields(session: Session) -> list[QueryField]:
    places = {
        str(number): f"{number} {name}".strip()
        for number, name in session.execute(select(organisations.c.organisation_id, organisations.c.name))
    }
    levels = {str(row.id): row.name for row in session.scalars(select(MemberLevel).order_by(MemberLevel.rank))}
    interests = {str(1 << code): name for code, name in codes_of(session, "interest").items()}
    fields = [
        _text("name", _("Full name"), Member.name),
        _text("company", _("Employer"), Member.company),
        _text("needs", _("Needs"), Member.needs),
        _text("vehicle_model", _("Vehicle"), Member.vehicle_model),
        _text("address", _("Home address"), Member.address),
        _choice("state", _("State"), Member.state, _translated(STATES), is_text=True),
        _choice("kind", _("Person or company"), Member.kind, _translated(KINDS), is_text=True),
        _choice("sex", _("Sex"), Member.sex, _translated(SEXES)),
        _choice("marital", _("Marital status"), Member.marital, _translated(MARITAL)),
        _choice("source", _("Captured by"), Member.source, _translated(SOURCES)),
        _choice("level", _("Level"), Member.level_id, levels),
        _choice("organisation", _("Owner"), Member.organisation_id, places),
        QueryField("interest", _("Interests"), "choice", _interest, interests),
        QueryField("tag", _("Tag"), "text", _tag),
        _number("household_size", _("Persons in the household"), Member.household_size),
    ]
    for key, label, column, table in (
        ("class", _("Class"), Member.member_class, "class"),
        ("detail_class", _("Detailed class"), Member.detail_class, "detail-class"),
        ("region", _("Home region"), Member.region, "region"),
        ("industry", _("Industry"), Member.industry, "industry"),
        ("occupation", _("Occupation"), Member.occupation, "occupation"),
        ("education", _("Education"), Member.education, "education"),
    ):
        names = {str(code): name for code, name in codes_of(session, table).items()}
        fields.append(_choice(key, label, column, names))
    return fields


def _day_fields(today: date) -> list[QueryField]:
    def age(operator: str, years: int) -> ColumnElement[bool]:
        years = max(-1, min(years, 200))
        now = today.year * 10_000 + today.month * 100 + today.day
        at_least, at_most = Member.birth_date <= now - years * 10_000, Member.birth_date > now - (years + 1) * 10_000
        known = Member.birth_date != 0
        return and_(known, {"least": at_least, "most": at_most}.get(operator, and_(at_least, at_most)))

    def month(operator: str, number: int) -> ColumnElement[bool]:
        first, behind = Member.birth_day >= number * 100, Member.birth_day < number * 100 + 100
        known = Member.birth_day != 0
        return and_(known, {"least": first, "most": behind}.get(operator, and_(first, behind)))

    def joined(operator: str, day: int) -> ColumnElement[bool]:
        since = (date(day // 10_000, day // 100 % 100, day % 100) - FIRST_DATE).days * MS_PER_DAY
        if operator == "least":
            return Member.created_at >= from_ms(since)
        return Member.created_at < from_ms(since + MS_PER_DAY)

    return [
        QueryField("age", _("Age"), "number", age),
        QueryField("birth_month", _("Month of birth"), "number", month),
        QueryField("created", _("Member since"), "date", joined),
    ]


def _figure_fields(today: date) -> list[QueryField]:
    fields = []
    for key, label, kind, column, days in (
        ("spent", _("Spent ever"), "money", "spent_minor", 0),
        ("spent_30", _("Spent in 30 days"), "money", "spent_minor", 30),
        ("spent_90", _("Spent in 90 days"), "money", "spent_minor", 90),
        ("spent_365", _("Spent in 365 days"), "money", "spent_minor", 365),
        ("visits", _("Visits ever"), "number", "visit_count", 0),
        ("visits_90", _("Visits in 90 days"), "number", "visit_count", 90),
        ("visits_365", _("Visits in 365 days"), "number", "visit_count", 365),
        ("earned_365", _("Points earned in 365 days"), "money", "points_hundredths", 365),
    ):
        sums = member_sums(date_before(today, days) if days else 0)
        fields.append(QueryField(key, label, kind, _figure(select(sums.c.member_id), sums.c[column])))

    def silent(operator: str, days: int) -> ColumnElement[bool]:
        sums = member_sums()
        last = business_date(today) - days
        bought = select(sums.c.member_id)
        if operator == "least":
            return Member.id.not_in(bought.where(sums.c.last_date > last))
        if operator == "most":
            return Member.id.in_(bought.where(sums.c.last_date >= last))
        return Member.id.in_(bought.where(sums.c.last_date == last))

    return [*fields, QueryField("silent_days", _("Days without a purchase"), "number", silent)]


def _card_fields(session: Session) -> list[QueryField]:
    held = owners()
    by_member = (
        select(
            held.c.member_id,
            func.count().label("card_count"),
            func.sum(accounts.c.balance_minor).label("balance_minor"),
            func.sum(accounts.c.points_hundredths).label("points_hundredths"),
        )
        .join(accounts, accounts.c.account_number == held.c.account_number)
        .group_by(held.c.member_id)
        .subquery()
    )
    types = {str(code): name for code, name in session.execute(select(card_types.c.code, card_types.c.name))}

    def of_type(operator: str, code: str) -> ColumnElement[bool]:
        holders = (
            select(held.c.member_id)
            .join(cards, cards.c.account_number == held.c.account_number)
            .where(cards.c.card_type == int(code))
        )
        return Member.id.in_(holders) if operator == "is" else Member.id.not_in(holders)

    campaigns = {
        str(row.id): row.name
        for row in session.scalars(select(Campaign).order_by(Campaign.id.desc()).limit(CHOICES_MAX))
    }

    def took_up(operator: str, campaign_id: str) -> ColumnElement[bool]:
        takers = (
            select(held.c.member_id)
            .join(campaign_redemptions, campaign_redemptions.c.account_number == held.c.account_number)
            .where(campaign_redemptions.c.campaign_id == int(campaign_id))
        )
        return Member.id.in_(takers) if operator == "is" else Member.id.not_in(takers)

    members = select(by_member.c.member_id)
    return [
        QueryField("campaign", _("Took up an offer of the campaign"), "choice", took_up, campaigns),
        QueryField("card_count", _("Number of cards"), "number", _figure(members, by_member.c.card_count)),
        QueryField("balance", _("Balance"), "money", _figure(members, by_member.c.balance_minor)),
        QueryField("points", _("Points"), "money", _figure(members, by_member.c.points_hundredths)),
        QueryField("card_type", _("Card type"), "choice", of_type, types),
    ]


def _custom(one: CustomField) -> QueryField:
    mine = select(MemberValue.member_id).where(MemberValue.field_id == one.id)
    if one.kind in ("number", "date"):

        def compare(operator: str, value: int) -> ColumnElement[bool]:
            return Member.id.in_(mine.where(_compared(operator, MemberValue.number, value)))

        return QueryField(one.key, one.name, "money" if one.kind == "number" else "date", compare)

    def match(operator: str, value: str) -> ColumnElement[bool]:
        if operator == "contains":
            return Member.id.in_(mine.where(MemberValue.text.contains(value, autoescape=True)))
        if operator == "is":
            return Member.id.in_(mine.where(MemberValue.text == value))
        if operator == "not":
            return Member.id.not_in(mine.where(MemberValue.text == value))
        return Member.id.in_(mine) if operator == "filled" else Member.id.not_in(mine)

    return QueryField(
        one.key, one.name, "choice" if one.kind == "choice" else "text", match, {text: text for text in one.choices}
    )


# ------------------------------------------------------------------------- building


def _translated(names: Mapping[Any, str]) -> dict[str, str]:
    return {str(key): translate(name) for key, name in names.items()}


def _text(key: str, label: str, column: Any) -> QueryField:
    def build(operator: str, value: str) -> ColumnElement[bool]:
        found: ColumnElement[bool] = {
            "is": column == value,
            "contains": column.contains(value, autoescape=True),
            "filled": column != "",
        }.get(operator, column == "")
        return found

    return QueryField(key, label, "text", build)


def _choice(key: str, label: str, column: Any, choices: Mapping[str, str], *, is_text: bool = False) -> QueryField:
    def build(operator: str, value: str) -> ColumnElement[bool]:
        wanted = value if is_text else int(value)
        if operator == "is":
            return column == wanted  # type: ignore[no-any-return]  # the column's type is not known here
        return or_(column != wanted, column.is_(None))

    return QueryField(key, label, "choice", build, choices)


def _number(key: str, label: str, column: Any) -> QueryField:
    return QueryField(key, label, "number", lambda operator, value: _compared(operator, column, value))


def _compared(operator: str, column: Any, value: int) -> ColumnElement[bool]:
    found: ColumnElement[bool] = {"least": column >= value, "most": column <= value}.get(operator, column == value)
    return found


def _figure(members: Select[Any], column: Any) -> Build:
    """A figure that is 0 for members who are not among those that have one."""

    def build(operator: str, value: int) -> ColumnElement[bool]:
        if _holds_for_zero(operator, value):
            return Member.id.not_in(members.where(not_(_compared(operator, column, value))))
        return Member.id.in_(members.where(_compared(operator, column, value)))

    return build


def _holds_for_zero(operator: str, value: int) -> bool:
    return {"least": value <= 0, "most": value >= 0}.get(operator, value == 0)


def _interest(operator: str, value: str) -> ColumnElement[bool]:
    has = Member.interests.bitwise_and(int(value)) != 0
    return has if operator == "is" else not_(has)


def _tag(operator: str, value: str) -> ColumnElement[bool]:
    tagged = select(MemberTag.member_id)
    if operator == "is":
        return Member.id.in_(tagged.where(MemberTag.tag == value))
    if operator == "contains":
        return Member.id.in_(tagged.where(MemberTag.tag.contains(value, autoescape=True)))
    return Member.id.in_(tagged) if operator == "filled" else Member.id.not_in(tagged)


def terms_of(fields: Sequence[str], operators: Sequence[str], values: Sequence[str]) -> list[Term]:
    """Comparisons from the lines of a form; a line without a field is left out."""
    padded = [*values, *([""] * len(fields))]
    return [
        Term(name, operator, value.strip())
        for name, operator, value in zip(fields, [*operators, *([""] * len(fields))], padded, strict=False)
        if name
    ]
