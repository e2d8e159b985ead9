"""Forms: a msgspec Struct is the fields of a page, the body of an API request and the rows of an import.

A field says with `entry(...)` what it is called, what a person types and which
bounds hold; the same annotation gives OpenAPI its schema.  `bind` reads what a
browser sent and finds all faults at once, in the visitor's language;
`fields_of` is what the macro in `templates/_form.html` draws.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta
from sqlalchemy.orm import Session

from .access import Visitor
from .i18n import FIRST_DATE, HUNDREDTH_DIGITS, MINOR_DIGITS, translate
from .references import References

F = TypeVar("F", bound=msgspec.Struct)
Key = int | str
Choices = Mapping[Key, str] | Callable[["FormContext"], Mapping[Key, str]]
"""Value and English label; labels of a mapping that is made per request are shown as they are."""

CARD_DIGITS = re.compile(r"\d{8,19}")
TEXT_LENGTH_MAX = 200
AREA_LENGTH_MAX = 200_000
"""A list of 10,000 cards, one per line."""
MINUTES_PER_DAY = 1440
BASIS_POINT_DIGITS = 2
DATE_MIN, DATE_MAX = (date.min - FIRST_DATE).days, (date.max - FIRST_DATE).days
"""Days that a calendar has: 0001-01-01 to 9999-12-31."""


class Kind(enum.StrEnum):
    """What a person types, and how it is read."""

    TEXT = "text"
    AREA = "area"
    INTEGER = "integer"
    MONEY = "money"
    """An amount such as 12.50, kept in minor units."""
    POINTS = "points"
    """Points such as 12.50, kept in hundredths."""
    PERCENT = "percent"
    """A percentage such as 5.25, kept in basis points."""
    DATE = "date"
    """A day, kept as days since 1970-01-01; 0: none."""
    MINUTE = "minute"
    """A time of day such as 09:30, kept as minutes since midnight."""
    CHOICE = "choice"
    FLAGS = "flags"
    """Ticked boxes, kept as the sum of their values."""
    CHECK = "check"
    CARD = "card"
    """A card by its whole number or by its reference, kept as its number."""
    CARDS = "cards"
    """Cards, a number, a reference or a range (first - last) per line, kept as text."""
    CARD_ROWS = "card_rows"
    """Lines that begin with a card, a number or a reference, and values behind it; kept as text."""
    SECRET = "secret"
    """A PIN or another thing that is never shown again."""


AREAS = (Kind.AREA, Kind.CARDS, Kind.CARD_ROWS)


@dataclass(frozen=True, slots=True)
class Entry:
    """How a field is entered."""

    kind: Kind
    choices: Choices | None = None
    section: str = ""


def entry(
    label: str,
    kind: Kind | str = Kind.TEXT,
    *,
    hint: str = "",
    choices: Choices | None = None,
    section: str = "",
    **bounds: Any,
) -> Meta:
    """Annotation of a field: `amount_minor: Annotated[int, entry(_("Amount"), "money", ge=1)]`.

    `bounds` are those of `msgspec.Meta`: ge, le, min_length, max_length, pattern.  A `section` is a heading above the
    field, for forms that are longer than a screen.
    """
    return Meta(title=label, description=hint or None, extra={"entry": Entry(Kind(kind), choices, section)}, **bounds)


@dataclass(frozen=True, slots=True)
class FormContext:
    """What reading and drawing a form needs to know."""

    session: Session
    visitor: Visitor
    references: References


@dataclass(frozen=True, slots=True)
class Field:
    """A field as the template draws it; texts are English, the template translates."""

    name: str
    kind: str
    label: str
    hint: str
    is_required: bool
    values: Sequence[str]
    """What was typed, or the default."""
    choices: Sequence[tuple[str, str, bool]]
    """(value, label, whether it is chosen)"""
    known_cards: Sequence[tuple[str, str]]
    """(reference, number as the visitor may see it) of cards that were given by reference"""
    error: str
    length_max: int | None
    section: str = ""
    """Heading above the field."""


@dataclass(slots=True)
class Bound(Generic[F]):
    """What came of reading a form: the struct, or errors by field, translated."""

    value: F | None
    errors: dict[str, str] = field(default_factory=dict)
    typed: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether there is a struct to go on with."""
        return self.value is not None


@dataclass(frozen=True, slots=True)
class _Declared:
    name: str
    type: Any
    meta: Meta
    entry: Entry
    is_required: bool
    default: Any


class _WrongError(ValueError):
    """What is wrong with one field, translated."""


@cache
def declared(form_type: type[msgspec.Struct]) -> tuple[_Declared, ...]:
    """Fields of a form in order; `TypeError` for one without `entry(...)`."""
    hints = get_type_hints(form_type, include_extras=True)
    found = []
    for one in msgspec.structs.fields(form_type):
        hint = hints[one.name]
        # An optional field is Annotated[int, entry(...)] | None: msgspec has bounds on the number only.
        hint = next((part for part in get_args(hint) if hasattr(part, "__metadata__")), hint)
        metas = [meta for meta in getattr(hint, "__metadata__", ()) if isinstance(meta, Meta)]
        if not metas or not metas[-1].extra or "entry" not in metas[-1].extra:
            raise TypeError(f"{form_type.__name__}.{one.name}: expected entry(...) in its annotation, got none")
        default = one.default if one.default is not msgspec.NODEFAULT else None
        if one.default_factory is not msgspec.NODEFAULT:
            default = one.default_factory()
        inner = get_args(hint)[0]
        found.append(_Declared(one.name, inner, metas[-1], metas[-1].extra["entry"], one.required, default))
    return tuple(found)


def bind(form_type: type[F], sent: Mapping[str, Sequence[str]], context: FormContext) -> Bound[F]:
    """Read a form; a method `problems(self)` of the struct may yield (field, translated text) on what spans fields."""
    values: dict[str, Any] = {}
    bound: Bound[F] = Bound(None, typed={name: list(texts) for name, texts in sent.items()})
    for one in declared(form_type):
        texts = [text.strip() if one.entry.kind is not Kind.SECRET else text for text in sent.get(one.name, ())]
        try:
            values[one.name] = _read(one, [text for text in texts if text], context)
        except _WrongError as wrong:
            bound.errors[one.name] = str(wrong)
    if not bound.errors:
        made = form_type(**values)
        for name, text in getattr(made, "problems", tuple)():
            bound.errors.setdefault(name, text)
        if not bound.errors:
            bound.value = made
    return bound


def check(form: F, context: FormContext) -> Bound[F]:
    """Faults of a form that came as a struct (from the API): bounds are msgspec's, choices and `problems` are ours."""
    bound: Bound[F] = Bound(form)
    for one in declared(type(form)):
        value = getattr(form, one.name)
        if one.entry.kind is Kind.DATE and isinstance(value, int) and not DATE_MIN <= value <= DATE_MAX:
            bound.errors[one.name] = translate("A date such as 2026-01-31 is expected.")
        if one.entry.kind is not Kind.CHOICE or (value == one.default and not one.is_required):
            continue
        if str(value) not in {str(key) for key in choices_of(one, context)}:
            bound.errors[one.name] = translate("Choose one of the list.")
    for name, text in getattr(form, "problems", tuple)():
        bound.errors.setdefault(name, text)
    if bound.errors:
        bound.value = None
    return bound


def fields_of(
    form_type: type[msgspec.Struct],
    context: FormContext,
    bound: Bound[Any] | None = None,
    filled: msgspec.Struct | None = None,
) -> list[Field]:
    """Fields to draw: with what was typed, or filled from a struct, or with the defaults."""
    return [_field(one, context, bound, filled) for one in declared(form_type)]


def texts_of(form: msgspec.Struct, context: FormContext) -> dict[str, list[str]]:
    """A struct as a browser would send it; secrets are left out."""
    return {one.name: _shown(one, getattr(form, one.name), context) for one in declared(type(form))}


def shown_of(form: msgspec.Struct, context: FormContext) -> list[tuple[str, str]]:
    """(English label, text) of the fields that say something, for reading; card numbers masked, no secrets."""
    shown = []
    for one in declared(type(form)):
        value = getattr(form, one.name)
        if one.entry.kind is Kind.SECRET or value is None or (not one.is_required and value == one.default):
            continue
        parting = "\n" if one.entry.kind in AREAS else ", "
        shown.append((one.meta.title or one.name, parting.join(_read_out(one, value, context))))
    return shown


def choices_of(one: _Declared, context: FormContext) -> Mapping[Key, str]:
    """What may be chosen, with labels."""
    if one.entry.choices is None:
        return {}
    return one.entry.choices(context) if callable(one.entry.choices) else one.entry.choices


# ------------------------------------------------------------------------- reading


def _read(one: _Declared, texts: list[str], context: FormContext) -> Any:
    kind = one.entry.kind
    if kind is Kind.CHECK:
        return bool(texts)
    if kind is Kind.FLAGS:
        return _flags(one, texts, context)
    if not texts:
        if one.is_required:
            raise _WrongError(translate("Fill this in."))
        return one.default
    text = "\n".join(texts) if kind in AREAS else texts[0]
    value: Any = _READERS[kind](one, text, context) if kind in _READERS else text
    return _within(one, value)


def _within(one: _Declared, value: Any) -> Any:
    meta = one.meta
    if isinstance(value, str):
        kind_max = AREA_LENGTH_MAX if one.entry.kind in AREAS else TEXT_LENGTH_MAX
        length_max = meta.max_length or kind_max
        if len(value) > length_max:
            raise _WrongError(translate("At most {length} characters.").format(length=length_max))
        if meta.min_length and len(value) < meta.min_length:
            raise _WrongError(translate("At least {length} characters.").format(length=meta.min_length))
        if meta.pattern and not re.search(meta.pattern, value):
            raise _WrongError(translate(meta.description or "This does not have the expected form."))
        if any(ord(character) < 32 and character not in "\r\n\t" for character in value):
            raise _WrongError(translate("This has characters that cannot be printed."))
    if isinstance(value, int):
        if meta.ge is not None and value < meta.ge:
            raise _WrongError(translate("At least {bound}.").format(bound=_plain(one, int(meta.ge))))
        if meta.le is not None and value > meta.le:
            raise _WrongError(translate("At most {bound}.").format(bound=_plain(one, int(meta.le))))
        if not -(2**63) <= value < 2**64:
            raise _WrongError(translate("A whole number is expected."))
    try:
        return msgspec.convert(value, one.type)
    except msgspec.ValidationError as error:
        raise _WrongError(str(error)) from None


def _scaled(digits: int, example: str) -> Callable[[_Declared, str, FormContext], int]:
    def read(_: _Declared, text: str, __: FormContext) -> int:
        try:
            value = Decimal(text.replace(",", "").replace("，", "").lstrip("¥￥").removesuffix("%")).scaleb(digits)
            if value == value.to_integral_value() and abs(value) < 2**63:
                return int(value)
        except ArithmeticError:  # no number, or one with more digits than any amount has
            pass
        raise _WrongError(translate("An amount such as {example} is expected.").format(example=example))

    return read


def _integer(_: _Declared, text: str, __: FormContext) -> int:
    if re.fullmatch(r"-?\d{1,20}", text) is None:
        raise _WrongError(translate("A whole number is expected."))
    return int(text)


def _date(_: _Declared, text: str, __: FormContext) -> int:
    try:
        return (date.fromisoformat(text) - FIRST_DATE).days
    except ValueError:
        raise _WrongError(translate("A date such as 2026-01-31 is expected.")) from None


def _minute(_: _Declared, text: str, __: FormContext) -> int:
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", text)
    if match is None or (minute := int(match[1]) * 60 + int(match[2])) > MINUTES_PER_DAY or int(match[2]) > 59:
        raise _WrongError(translate("A time such as 09:30 is expected."))
    return minute


def _choice(one: _Declared, text: str, context: FormContext) -> Key:
    for key in choices_of(one, context):
        if str(key) == text:
            return key
    raise _WrongError(translate("Choose one of the list."))


def _flags(one: _Declared, texts: list[str], context: FormContext) -> int:
    choices = {str(key): int(key) for key in choices_of(one, context)}
    if not choices.keys() >= set(texts):
        raise _WrongError(translate("Choose one of the list."))
    return sum(choices[text] for text in set(texts))


def _card(_: _Declared, text: str, context: FormContext) -> int:
    return read_card(text, context.references)


def read_card(text: str, references: References) -> int:
    """A card by its whole number or its reference; `ValueError` for anything else, translated."""
    digits = text.replace(" ", "")
    number = int(digits) if CARD_DIGITS.fullmatch(digits) else references.read(text)
    if number is None:
        raise _WrongError(translate("A whole card number of 8 to 19 digits is expected."))
    return number


def read_plain(kind: Kind, text: str) -> int:
    """A number, amount, percentage or date outside of a form; `ValueError` says what was expected, translated."""
    anything: Any = None  # the readers of these kinds look at the text alone
    return int(_READERS[kind](anything, text, anything))


_READERS: dict[Kind, Callable[[_Declared, str, FormContext], Any]] = {
    Kind.INTEGER: _integer,
    Kind.MONEY: _scaled(MINOR_DIGITS, "12.50"),
    Kind.POINTS: _scaled(HUNDREDTH_DIGITS, "12.50"),
    Kind.PERCENT: _scaled(BASIS_POINT_DIGITS, "5.25"),
    Kind.DATE: _date,
    Kind.MINUTE: _minute,
    Kind.CHOICE: _choice,
    Kind.CARD: _card,
}

# ------------------------------------------------------------------------- showing

_NUMBERS = (Kind.INTEGER, Kind.MONEY, Kind.POINTS, Kind.PERCENT, Kind.MINUTE)
"""An optional one that is 0 by default is drawn empty: a form full of zeros hides what somebody has filled in."""


def _field(one: _Declared, context: FormContext, bound: Bound[Any] | None, filled: msgspec.Struct | None) -> Field:
    if bound is not None:
        values = [] if one.entry.kind is Kind.SECRET else bound.typed.get(one.name, [])
    else:
        value = getattr(filled, one.name) if filled is not None else one.default
        is_nothing = value == 0 and one.default == 0 and one.entry.kind in _NUMBERS
        values = [] if value is None or (is_nothing and not one.is_required) else _shown(one, value, context)
    choices = choices_of(one, context)
    is_translated = not callable(one.entry.choices)
    known: list[tuple[str, str]] = []
    if one.entry.kind in (Kind.CARD, Kind.CARDS):
        lines = [line.strip() for value in values for line in value.splitlines()]
        known = [
            (line, context.visitor.card_number(number))
            for line in lines
            if (number := context.references.read(line)) is not None
        ]
        values = ["\n".join(line for line in lines if line and line not in dict(known))]
    return Field(
        name=one.name,
        kind=one.entry.kind.value,
        label=one.meta.title or one.name,
        hint=one.meta.description or "",
        is_required=one.is_required and one.entry.kind not in (Kind.FLAGS, Kind.CHECK),
        values=values,
        choices=[
            (str(key), translate(label) if is_translated else label, str(key) in values)
            for key, label in choices.items()
        ],
        known_cards=known,
        error=bound.errors.get(one.name, "") if bound else "",
        length_max=one.meta.max_length,
        section=one.entry.section,
    )


def _shown(one: _Declared, value: Any, context: FormContext) -> list[str]:
    kind = one.entry.kind
    if kind is Kind.SECRET or value is None:
        return []
    if kind is Kind.CHECK:
        return ["on"] if value else []
    if kind is Kind.FLAGS:
        return [str(key) for key in choices_of(one, context) if int(key) & int(value or 0)]
    if kind is Kind.CARD:
        return [context.references.make(value)] if value else []
    if kind is Kind.DATE and not value:
        return []
    return [_plain(one, value)]


def _plain(one: _Declared, value: Any) -> str:
    kind = one.entry.kind
    if kind in (Kind.MONEY, Kind.POINTS, Kind.PERCENT):
        return f"{Decimal(value).scaleb(-2):f}"
    if kind is Kind.DATE:
        return (date.fromordinal(FIRST_DATE.toordinal() + int(value))).isoformat()
    if kind is Kind.MINUTE:
        return f"{value // 60:02d}:{value % 60:02d}"
    return str(value)


def _read_out(one: _Declared, value: Any, context: FormContext) -> Iterator[str]:
    kind = one.entry.kind
    if kind is Kind.CHECK:
        yield translate("Yes") if value else translate("No")
    elif kind is Kind.CARD:
        yield context.visitor.card_number(value) if value else ""
    elif kind is Kind.CARDS:
        for line in str(value).splitlines():
            yield " - ".join(_masked(part.strip(), context) for part in line.split("-"))
    elif kind is Kind.CARD_ROWS:
        for line in str(value).splitlines():
            first, *rest = re.split(r"([\s,;，；])", line.strip(), maxsplit=1)
            yield _masked(first, context) + "".join(rest)
    elif kind in (Kind.CHOICE, Kind.FLAGS):
        labels = choices_of(one, context)
        is_translated = not callable(one.entry.choices)
        chosen = _shown(one, value, context)
        for key, label in labels.items():
            if str(key) in chosen:
                yield translate(label) if is_translated else label
    else:
        yield _plain(one, value)


def _masked(text: str, context: FormContext) -> str:
    number = int(text) if CARD_DIGITS.fullmatch(text) else context.references.read(text)
    return text if number is None else context.visitor.card_number(number)
