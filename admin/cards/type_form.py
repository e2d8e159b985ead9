"""The editor of a card type: every field of the switch's request as a form, and what of it freezes in use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, select

from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.mirror import organisations
from switch.protocol.card_terms import (
    AutoRecharge,
    CardTypeFlag,
    FeeKind,
    Function,
    Medium,
    Relation,
)
from switch.protocol.terms import NO_COUNT_LIMIT, NO_LIMIT

from .terms import FEES

_ = str
NAME_BYTES = 32
FEE_MINOR_MAX = 2**32 - 1
HOLD_S_MAX = 2_592_000
MONEY_MAX = 10**15
COUNT_MAX = 65_535
FUNCTIONS: dict[int, str] = {
    Function.IDENTIFY: _("Identify"),
    Function.PAY: _("Pay"),
    Function.POINTS: _("Points"),
    Function.DISCOUNT: _("Discount"),
    Function.VISITS: _("Visits"),
    Function.VOUCHER: _("Recharge card"),
}
MEDIA: dict[int, str] = {
    Medium.UNKNOWN: _("Not said"),
    Medium.BAR_CODE: _("Bar code"),
    Medium.STRIPE: _("Magnetic stripe"),
    Medium.CONTACT_CHIP: _("Contact chip"),
    Medium.CONTACTLESS_CHIP: _("Contactless chip"),
    Medium.ELECTRONIC: _("Electronic"),
    Medium.VISUAL: _("Rewritable face"),
}
RELATIONS: dict[int, str] = {
    Relation.PERSONAL: _("Personal"),
    Relation.LINKED: _("Linked"),
    Relation.GROUP: _("Group"),
    Relation.SUPPLEMENTARY: _("Supplementary"),
}
AUTOMATIC: dict[int, str] = {
    AutoRecharge.NONE: _("None"),
    AutoRecharge.THRESHOLD: _("Once, when less than a threshold is left"),
    AutoRecharge.SHORTFALL: _("As often as allowed, while less is left than asked for"),
    AutoRecharge.MONTHLY: _("On the first of each month"),
}
LEVELS: dict[int, str] = {1: _("Ordinary"), 2: _("Silver"), 3: _("Gold"), 4: _("VIP")}
"""Names of the first levels; a group may use numbers up to 255."""
CARD_FLAGS: dict[int, str] = {
    CardTypeFlag.NAMED: _("Named: a member when it is issued"),
    CardTypeFlag.ONE_TIME: _("One time: never recharged"),
    CardTypeFlag.ACTIVATION_REQUIRED: _("Must be activated after it is issued"),
    CardTypeFlag.PIN_REQUIRED: _("Payments need the PIN"),
    CardTypeFlag.NO_RESTORE: _("Neither restored nor replaced after a loss"),
}
PAYMENT_FLAGS: dict[int, str] = {
    CardTypeFlag.ZERO_AMOUNT: _("Payments of nothing are approved"),
    CardTypeFlag.STORES_LISTED: _("Only stores of its list accept it"),
    CardTypeFlag.OUTLETS_LISTED: _("Only stores of its list recharge it"),
    CardTypeFlag.OPERATORS_LISTED: _("Only operators of its list recharge it"),
}
POINTS_FLAGS: dict[int, str] = {
    CardTypeFlag.NET_LINES: _("Points: lines below zero count"),
    CardTypeFlag.ROUND_LINES: _("Points: rounded down per line"),
    CardTypeFlag.AFTER_DISCOUNT: _("Points: on what is paid after discount"),
    CardTypeFlag.STACK_MAX: _("Points: the highest rate counts, not the product"),
    CardTypeFlag.FINE_POINTS: _("Points: with hundredths"),
    CardTypeFlag.ROUND_DISCOUNT_LINES: _("Discount: rounded down per line"),
}
FLAGS = CARD_FLAGS | PAYMENT_FLAGS | POINTS_FLAGS
FEE_LABELS: dict[str, tuple[FeeKind, str]] = {
    f"fee_{kind.name.lower()}_minor": (kind, label)
    for kind, label in (
        (FeeKind.ISSUE, _("Issue")),
        (FeeKind.JOINING, _("Joining")),
        (FeeKind.REPLACE, _("Replacement")),
        (FeeKind.SWAP, _("Swap")),
        (FeeKind.REPORT_LOSS, _("Loss report")),
        (FeeKind.RESTORE, _("Restoring")),
        (FeeKind.RETURN, _("Return")),
        (FeeKind.RENEW, _("Renewal")),
        (FeeKind.ANNUAL, _("Annual fee")),
        (FeeKind.SUPPLEMENTARY_ANNUAL, _("Annual fee of a supplementary card")),
        (FeeKind.SERVICE, _("Service")),
        (FeeKind.OTHER, _("Other")),
    )
}
FEE_BITS: dict[int, str] = {1 << kind: label for kind, label in FEE_LABELS.values()}
FROZEN = ("medium", "functions", "relation", "number_prefix", "number_digits")
"""Fields that are as they are once a card was made."""
FROZEN_FLAGS = CardTypeFlag.NAMED | CardTypeFlag.ONE_TIME
FROZEN_HINT = _("Frozen once a card of it was made.")
NO_LIMIT_HINT = _("Empty: no limit.")


def organisation_choices(context: FormContext) -> Mapping[int | str, str]:
    """Nodes of the visitor's part of the organisation, and none."""
    query = context.visitor.organisations_seen(select(organisations)).order_by(organisations.c.organisation_id)
    found = {row.organisation_id: f"{row.organisation_id} {row.name}" for row in context.session.execute(query)}
    return {0: translate("The group"), **found} if context.visitor.sees_everything else found


class CardType(msgspec.Struct, frozen=True, kw_only=True):
    """A card type, or a version of it from a date on."""

    code: Annotated[int, entry(_("Type code"), "integer", ge=1, le=1023, section=_("What it is"))]
    name: Annotated[str, entry(_("Name"), min_length=1, max_length=NAME_BYTES)]
    from_date: Annotated[
        int, entry(_("Holds from"), "date", hint=_("Of a type in use: a day after today. Empty: from the beginning."))
    ] = 0
    functions: Annotated[int, entry(_("Functions"), "flags", choices=FUNCTIONS, hint=FROZEN_HINT)] = 7
    medium: Annotated[int, entry(_("Medium"), "choice", choices=MEDIA, hint=FROZEN_HINT)] = 0
    relation: Annotated[int, entry(_("Relation to the account"), "choice", choices=RELATIONS, hint=FROZEN_HINT)] = 0
    level: Annotated[int, entry(_("Level"), "integer", ge=0, le=255, hint=_("Higher is better."))] = 0
    organisation_id: Annotated[int, entry(_("Owner"), "choice", choices=organisation_choices)] = 0
    card_flags: Annotated[
        int,
        entry(
            _("Rules of the card"),
            "flags",
            choices=CARD_FLAGS,
            hint=_("Named and one time freeze with the first card."),
        ),
    ] = 0
    validity_days: Annotated[
        int,
        entry(_("Days of validity from activation"), "integer", ge=0, le=COUNT_MAX, hint=_("0: no end.")),
    ] = 0
    pin_tries_max: Annotated[int, entry(_("Wrong PINs that lock it"), "integer", ge=1, le=15)] = 3
    card_cost_minor: Annotated[int, entry(_("Cost of a card"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    number_digits: Annotated[
        int,
        entry(
            _("Digits of its numbers"),
            "integer",
            ge=0,
            le=19,
            section=_("Numbers and face value"),
            hint=_("8 to 19; 0: any. Frozen once a card of it was made."),
        ),
    ] = 0
    number_prefix: Annotated[
        int,
        entry(
            _("First digits of its numbers"),
            "integer",
            ge=0,
            le=FEE_MINOR_MAX,
            hint=_("0: any. Frozen once a card of it was made."),
        ),
    ] = 0
    face_minor_min: Annotated[int, entry(_("Least face value"), "money", ge=0, le=MONEY_MAX)] = 0
    face_minor_max: (
        Annotated[int, entry(_("Largest face value"), "money", ge=0, le=MONEY_MAX, hint=NO_LIMIT_HINT)] | None
    ) = None
    payment_flags: Annotated[
        int, entry(_("Where and how"), "flags", choices=PAYMENT_FLAGS, section=_("Payments and limits"))
    ] = 0
    stores_organisation_id: Annotated[
        int, entry(_("Accepted by stores below"), "choice", choices=organisation_choices)
    ] = 0
    single_minor_max: (
        Annotated[int, entry(_("One payment"), "money", ge=0, le=MONEY_MAX, hint=NO_LIMIT_HINT)] | None
    ) = None
    daily_minor_max: (
        Annotated[int, entry(_("Payments of a day"), "money", ge=0, le=MONEY_MAX, hint=NO_LIMIT_HINT)] | None
    ) = None
    daily_count_max: (
        Annotated[int, entry(_("Number of payments of a day"), "integer", ge=0, le=COUNT_MAX, hint=NO_LIMIT_HINT)]
        | None
    ) = None
    recharge_day_minor_max: (
        Annotated[int, entry(_("Recharges of a day"), "money", ge=0, le=MONEY_MAX, hint=NO_LIMIT_HINT)] | None
    ) = None
    recharge_count_max: (
        Annotated[int, entry(_("Number of recharges of a day"), "integer", ge=0, le=COUNT_MAX, hint=NO_LIMIT_HINT)]
        | None
    ) = None
    ceiling_minor: (
        Annotated[int, entry(_("Highest balance"), "money", ge=0, le=MONEY_MAX, hint=NO_LIMIT_HINT)] | None
    ) = None
    hold_s_max: Annotated[
        int, entry(_("Longest hold, seconds"), "integer", ge=0, le=HOLD_S_MAX, hint=_("0: 7 days."))
    ] = 0
    discount_bp: Annotated[
        int,
        entry(
            _("Discount, percent"),
            "percent",
            ge=0,
            le=10_000,
            section=_("Discount and points"),
            hint=_("Read only if the function is on."),
        ),
    ] = 0
    price_class: Annotated[int, entry(_("Price class"), "integer", ge=0, le=COUNT_MAX, hint=_("0: retail."))] = 0
    points_percent: Annotated[
        int, entry(_("Points per main unit, percent"), "integer", ge=0, le=10_000, hint=_("100: one point; 0: none."))
    ] = 0
    points_per_unit: Annotated[int, entry(_("Multiplier of the points"), "integer", ge=1, le=100)] = 1
    daily_points_max_hundredths: (
        Annotated[int, entry(_("Points of a day"), "points", ge=0, le=MONEY_MAX, hint=NO_LIMIT_HINT)] | None
    ) = None
    points_flags: Annotated[int, entry(_("How it is counted"), "flags", choices=POINTS_FLAGS)] = 0
    auto_mode: Annotated[int, entry(_("When"), "choice", choices=AUTOMATIC, section=_("Automatic recharge"))] = (
        AutoRecharge.NONE
    )
    auto_add_minor: Annotated[int, entry(_("Amount that it adds"), "money", ge=0, le=MONEY_MAX)] = 0
    auto_below_minor: Annotated[int, entry(_("Threshold"), "money", ge=0, le=MONEY_MAX)] = 0
    auto_count_max: Annotated[int, entry(_("Times a day"), "integer", ge=0, le=COUNT_MAX)] = 0
    auto_from_date: Annotated[int, entry(_("Monthly: not before"), "date")] = 0
    auto_until_date: Annotated[int, entry(_("Monthly: not after"), "date", hint=_("Empty: no end."))] = 0
    fee_issue_minor: Annotated[int, entry(_("Issue"), "money", ge=0, le=FEE_MINOR_MAX, section=_("Fees"))] = 0
    fee_joining_minor: Annotated[int, entry(_("Joining"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    fee_replace_minor: Annotated[int, entry(_("Replacement"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    fee_swap_minor: Annotated[int, entry(_("Swap"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    fee_report_loss_minor: Annotated[int, entry(_("Loss report"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    fee_restore_minor: Annotated[int, entry(_("Restoring"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    fee_return_minor: Annotated[int, entry(_("Return"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    fee_renew_minor: Annotated[int, entry(_("Renewal"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    fee_annual_minor: Annotated[int, entry(_("Annual fee"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    fee_supplementary_annual_minor: Annotated[
        int, entry(_("Annual fee of a supplementary card"), "money", ge=0, le=FEE_MINOR_MAX)
    ] = 0
    fee_service_minor: Annotated[int, entry(_("Service"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    fee_other_minor: Annotated[int, entry(_("Other"), "money", ge=0, le=FEE_MINOR_MAX)] = 0
    fees_from_balance: Annotated[int, entry(_("May be taken from the balance"), "flags", choices=FEE_BITS)] = 0
    fees_waivable: Annotated[int, entry(_("May be waived"), "flags", choices=FEE_BITS)] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields: the switch would refuse it, too."""
        if not self.functions:
            yield "functions", translate("Choose at least one function.")
        if self.functions & Function.VOUCHER and self.functions != Function.VOUCHER:
            yield "functions", translate("A recharge card has no other function.")
        if len(self.name.encode()) > NAME_BYTES:
            yield "name", translate("At most {length} characters.").format(length=NAME_BYTES // 3)
        if self.face_minor_max is not None and self.face_minor_max < self.face_minor_min:
            yield "face_minor_max", translate("The largest face value is below the least one.")
        if 0 < self.number_digits < 8:
            yield "number_digits", translate("Card numbers have 8 to 19 digits.")
        if self.number_prefix and len(str(self.number_prefix)) >= self.number_digits:
            yield "number_prefix", translate("Fewer digits than its numbers have; fill those in as well.")
        if self.auto_mode and not self.auto_add_minor:
            yield "auto_add_minor", translate("Fill this in.")
        if self.auto_until_date and self.auto_until_date < self.auto_from_date:
            yield "auto_until_date", translate("It must end after it begins.")

    @property
    def flags(self) -> int:
        """All choices together."""
        return self.card_flags | self.payment_flags | self.points_flags


_OWN = {"name", "card_flags", "payment_flags", "points_flags", *FEE_LABELS}
_SAME = tuple(name for name in CardType.__struct_fields__ if name not in _OWN)
_UNLIMITED = {
    "daily_count_max": NO_COUNT_LIMIT,
    "recharge_count_max": NO_COUNT_LIMIT,
    **dict.fromkeys(
        (
            "face_minor_max",
            "single_minor_max",
            "daily_minor_max",
            "recharge_day_minor_max",
            "ceiling_minor",
            "daily_points_max_hundredths",
        ),
        NO_LIMIT,
    ),
}


def request_fields(form: CardType) -> dict[str, Any]:
    """The form as fields of `PutCardTypeRequest`, without its state."""
    fields: dict[str, Any] = {}
    for name in _SAME:
        value = getattr(form, name)
        fields[name] = _UNLIMITED[name] if value is None else value
    amounts = [0] * len(FeeKind)
    for name, (kind, _label) in FEE_LABELS.items():
        amounts[kind] = getattr(form, name)
    return fields | {
        "flags": form.flags,
        "fees_minor": FEES.pack(*amounts),
        "name": form.name.encode().ljust(NAME_BYTES, b"\0"),
    }


def form_of(version: Row[Any]) -> CardType:
    """A version of the switch as a form."""
    values: dict[str, Any] = {}
    for name in _SAME:
        value = getattr(version, name)
        values[name] = None if name in _UNLIMITED and value >= _UNLIMITED[name] else value
    amounts = FEES.unpack(version.fees_minor)
    values |= {name: amounts[kind] for name, (kind, _label) in FEE_LABELS.items()}
    return CardType(
        name=version.name,
        card_flags=version.flags & sum(CARD_FLAGS),
        payment_flags=version.flags & sum(PAYMENT_FLAGS),
        points_flags=version.flags & sum(POINTS_FLAGS),
        **values,
    )


def frozen_changes(form: CardType, version: Row[Any]) -> list[str]:
    """Fields of a form that differ from a version and are frozen in use."""
    old = form_of(version)
    found = [name for name in FROZEN if getattr(form, name) != getattr(old, name)]
    if (form.flags ^ old.flags) & FROZEN_FLAGS:
        found.append("card_flags")
    return found
