"""Forms: what is typed becomes a struct, or every fault at its field."""

from typing import Annotated

import msgspec
import pytest

from admin import i18n
from admin.forms import FormContext, bind, check, entry, fields_of, shown_of, texts_of
from admin.references import References
from tests.support.admin_office import NORTH_CARD


class Recharge(msgspec.Struct, kw_only=True, frozen=True):
    """A form with a field of each kind."""

    card: Annotated[int, entry("Card", "card")]
    amount_minor: Annotated[int, entry("Amount", "money", ge=1, le=500_00)]
    channel: Annotated[int, entry("Channel", "choice", choices={1: "Cash", 2: "Transfer"})]
    days: Annotated[int, entry("Days", "flags", choices={1: "Monday", 2: "Tuesday", 4: "Wednesday"})] = 0
    discount_bp: Annotated[int, entry("Discount", "percent", ge=0)] = 0
    from_date: Annotated[int, entry("From", "date")] = 0
    from_minute: Annotated[int, entry("Opens", "minute")] = 0
    is_urgent: Annotated[bool, entry("Urgent", "check")] = False
    pin: Annotated[str, entry("PIN", "secret", pattern=r"^\d{4}$")] = ""
    remark: Annotated[str, entry("Remark", max_length=10)] = ""

    def problems(self):
        if self.is_urgent and not self.remark:
            yield "remark", "Say why."


class Visitor:
    def card_number(self, number: int) -> str:
        return f"***{number % 10_000}"


@pytest.fixture
def context():
    i18n.locale_now.set("en")
    return FormContext(None, Visitor(), References(bytes(32)))  # type: ignore[arg-type]


GOOD = {
    "card": [str(NORTH_CARD)],
    "amount_minor": ["12.5"],
    "channel": ["2"],
    "days": ["1", "4"],
    "discount_bp": ["5.25%"],
    "from_date": ["2026-01-31"],
    "from_minute": ["09:30"],
    "is_urgent": ["on"],
    "pin": ["1234"],
    "remark": [" now "],
}


def test_what_is_typed_becomes_a_struct_and_back(context):
    bound = bind(Recharge, GOOD, context)
    assert bound.errors == {}
    form = bound.value
    assert form is not None and form == Recharge(
        card=NORTH_CARD,
        amount_minor=1250,
        channel=2,
        days=5,
        discount_bp=525,
        from_date=20_484,
        from_minute=570,
        is_urgent=True,
        pin="1234",
        remark="now",
    )
    again = texts_of(form, context)
    assert again["pin"] == [] and again["card"] == [context.references.make(NORTH_CARD)]
    assert bind(Recharge, {**again, "pin": ["1234"]}, context).value == form
    assert dict(shown_of(form, context)) == {
        "Card": "***4533",
        "Amount": "12.50",
        "Channel": "Transfer",
        "Days": "Monday, Wednesday",
        "Discount": "5.25",
        "From": "2026-01-31",
        "Opens": "09:30",
        "Urgent": "Yes",
        "Remark": "now",
    }


@pytest.mark.parametrize(
    ("name", "typed", "error"),
    [
        ("card", "123", "whole card number"),
        ("card", "", "Fill this in"),
        ("amount_minor", "0", "At least 0.01"),
        ("amount_minor", "500.01", "At most 500.00"),
        ("amount_minor", "1.005", "such as 12.50"),
        ("amount_minor", "1e400", "such as 12.50"),
        ("amount_minor", "NaN", "such as 12.50"),
        ("channel", "3", "one of the list"),
        ("days", "8", "one of the list"),
        ("from_date", "31.1.2026", "A date such as"),
        ("from_minute", "24:30", "A time such as"),
        ("pin", "12x4", "expected form"),
        ("remark", "x" * 11, "At most 10 characters"),
        ("remark", "a\0b", "cannot be printed"),
    ],
)
def test_every_fault_stands_at_its_field(context, name, typed, error):
    bound = bind(Recharge, {**GOOD, name: [typed]}, context)
    assert bound.value is None and list(bound.errors) == [name] and error in bound.errors[name]


def test_all_faults_are_found_at_once_and_what_was_typed_stays(context):
    bound = bind(Recharge, {"amount_minor": ["x"], "pin": ["9999"], "card": ["ä"]}, context)
    assert set(bound.errors) == {"card", "amount_minor", "channel"}
    drawn = {field.name: field for field in fields_of(Recharge, context, bound)}
    assert drawn["amount_minor"].values == ["x"] and drawn["amount_minor"].error
    assert drawn["pin"].values == []
    spanning = bind(Recharge, {**GOOD, "remark": [""]}, context)
    assert spanning.errors == {"remark": "Say why."}


def test_a_card_that_came_by_reference_is_drawn_masked(context):
    reference = context.references.make(NORTH_CARD)
    bound = bind(Recharge, {"card": [reference]}, context)
    drawn = fields_of(Recharge, context, bound)[0]
    assert drawn.known_cards == [(reference, "***4533")] and str(NORTH_CARD) not in repr(drawn)


def test_choices_of_a_struct_from_the_api_are_checked(context):
    form = bind(Recharge, GOOD, context).value
    assert form is not None
    assert check(form, context).is_good
    assert check(msgspec.structs.replace(form, channel=9), context).errors == {"channel": "Choose one of the list."}
