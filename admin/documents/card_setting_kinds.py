"""What is set on one card or its account: PIN, limits of its own, level, member, segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec

from admin.forms import entry
from admin.i18n import translate
from switch.protocol.card_terms import PinMode
from switch.protocol.lifecycle import ENDED
from switch.protocol.messages import MessageType
from switch.protocol.terms import NO_COUNT_LIMIT, NO_LIMIT

from .card_planning import CARDS_HINT, NOT_SO, skip_card
from .kind import Kind, Planning

_ = str
PIN_BYTES = 16
SETS_LIMITS, SETS_LEVEL, SETS_MEMBER, SETS_SEGMENTS = 1, 2, 4, 8
COUNT_MAX = 65_535
"""Largest number of payments or recharges of a day that the switch counts."""
NO_OWN_LIMIT = _("Empty: the limit of its type alone.")
NO_ACCOUNT = _("It has no account yet.")


class NewPin(msgspec.Struct, frozen=True, kw_only=True):
    """A card, and the PIN that it gets."""

    card: Annotated[int, entry(_("Card"), "card")]
    pin: Annotated[
        str,
        entry(_("New PIN"), "secret", pattern=r"^\d{4,12}$", hint=_("4 to 12 digits; empty takes the PIN away.")),
    ] = ""
    again: Annotated[str, entry(_("New PIN again"), "secret")] = ""

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if self.pin != self.again:
            yield "again", translate("The two PINs differ.")


class CardLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of single cards, tighter than those of their type."""

    cards: Annotated[str, entry(_("Cards"), "cards", hint=CARDS_HINT)]
    single_minor_max: Annotated[int, entry(_("One payment"), "money", ge=0, hint=NO_OWN_LIMIT)] | None = None
    daily_minor_max: Annotated[int, entry(_("Payments of a day"), "money", ge=0, hint=NO_OWN_LIMIT)] | None = None
    daily_count_max: (
        Annotated[int, entry(_("Number of payments of a day"), "integer", ge=0, le=COUNT_MAX, hint=NO_OWN_LIMIT)] | None
    ) = None
    recharge_day_minor_max: Annotated[int, entry(_("Recharges of a day"), "money", ge=0, hint=NO_OWN_LIMIT)] | None = (
        None
    )
    recharge_count_max: (
        Annotated[int, entry(_("Number of recharges of a day"), "integer", ge=0, le=COUNT_MAX, hint=NO_OWN_LIMIT)]
        | None
    ) = None
    ceiling_minor: Annotated[int, entry(_("Highest balance"), "money", ge=0, hint=NO_OWN_LIMIT)] | None = None


class CardLevel(msgspec.Struct, frozen=True, kw_only=True):
    """Level of the holders of some cards."""

    cards: Annotated[str, entry(_("Cards"), "cards", hint=CARDS_HINT)]
    level: Annotated[int, entry(_("Level"), "integer", ge=0, le=255, hint=_("0: that of the type."))]


class CardMember(msgspec.Struct, frozen=True, kw_only=True):
    """Member to whom a card belongs."""

    card: Annotated[int, entry(_("Card"), "card")]
    member: Annotated[int, entry(_("Member number"), "integer", ge=0, hint=_("0: nobody is named."))]


class CardSegments(msgspec.Struct, frozen=True, kw_only=True):
    """Segments of the accounts of some cards: rules may ask for them."""

    cards: Annotated[str, entry(_("Cards"), "cards", hint=CARDS_HINT)]
    segments: Annotated[int, entry(_("Segments"), "flags", choices={1 << bit: str(bit + 1) for bit in range(32)})] = 0


def _plan_pin(planning: Planning, form: NewPin) -> None:
    card = planning.card(form.card)
    if not card.account_number:
        skip_card(planning, card, NO_ACCOUNT)
    elif card.status in ENDED:
        skip_card(planning, card, NOT_SO)
    else:
        planning.add(
            MessageType.SET_PIN,
            card_number=card.card_number,
            is_secret=True,
            mode=PinMode.RESET,
            old_pin=bytes(PIN_BYTES),
            new_pin=form.pin.encode().ljust(PIN_BYTES, b"\0"),
        )


def _plan_settings(sets: int, fields: Callable[[Any], dict[str, Any]]) -> Any:
    def plan(planning: Planning, form: Any) -> None:
        found = [planning.card(form.card)] if hasattr(form, "card") else planning.cards(form.cards)
        for card in found:
            if not card.account_number:
                skip_card(planning, card, NO_ACCOUNT)
            elif card.status in ENDED:
                skip_card(planning, card, NOT_SO)
            else:
                planning.add(MessageType.SET_CARD, card_number=card.card_number, sets=sets, **fields(form))

    return plan


def _limits(form: CardLimits) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in CardLimits.__struct_fields__[1:]:
        value = getattr(form, name)
        nothing = NO_COUNT_LIMIT if "count" in name else NO_LIMIT
        found[name] = nothing if value is None else value
    return found


KINDS: list[Kind[Any]] = [
    Kind(
        name="reset-pin",
        label=_("Reset a PIN"),
        hint=_("The holder gets a new PIN, and a locked one opens. Look at a proof of identity first."),
        function="cards",
        form=NewPin,
        plan=_plan_pin,
        has_secrets=True,
    ),
    Kind(
        name="set-card-limits",
        label=_("Set limits of cards"),
        hint=_("Limits of single cards, beside those of their type. The tighter one counts."),
        function="cards",
        form=CardLimits,
        plan=_plan_settings(SETS_LIMITS, _limits),
    ),
    Kind(
        name="set-card-level",
        label=_("Set the level of cards"),
        hint=_("The level belongs to the account: all its cards have it."),
        function="cards",
        form=CardLevel,
        plan=_plan_settings(SETS_LEVEL, lambda form: {"level": form.level}),
    ),
    Kind(
        name="set-card-member",
        label=_("Set the member of a card"),
        hint=_("The member belongs to the account: all its cards are his."),
        function="cards",
        form=CardMember,
        plan=_plan_settings(SETS_MEMBER, lambda form: {"member": form.member}),
    ),
    Kind(
        name="set-card-segments",
        label=_("Set the segments of cards"),
        hint=_("Marks of the account that rules may ask for. What is not ticked is taken off."),
        function="cards",
        form=CardSegments,
        plan=_plan_settings(SETS_SEGMENTS, lambda form: {"segments": form.segments}),
    ),
]
