"""Media as documents: what the media of a type may do, ways between stores, and media that are ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from sqlalchemy import select

from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.mirror import card_types, media, medium_policies, travel_times
from admin.store_names import store_choices
from switch.protocol.messages import NO_COUNT_LIMIT, MediumKind, MediumState, MessageType, PolicyFlag

from .kind import Kind, Planning, always, subject

_ = str
MINUTES_MAX = 2**16 - 1
MINOR_MAX = NO_COUNT_LIMIT - 1
ALL_MEDIA = (1 << len(MediumKind)) - 1
MEDIA: dict[int, str] = {
    MediumKind.NUMBER: _("Number alone"),
    MediumKind.CHIP: _("Chip"),
    MediumKind.CODE: _("Dynamic code"),
    MediumKind.STRIPE: _("Magnetic stripe"),
    MediumKind.TAG: _("NFC tag"),
}
MEDIA_BITS: dict[int, str] = {1 << number: name for number, name in MEDIA.items()}
ENDED_BITS: dict[int, str] = {bit: name for bit, name in MEDIA_BITS.items() if bit > 1}
"""A number is no medium that could be ended."""
LIMITED: dict[str, str] = {
    "number": _("Number alone"),
    "chip": _("Chip with contact"),
    "contactless": _("Chip without contact"),
    "code": _("Dynamic code"),
    "stripe": _("Magnetic stripe"),
    "tag": _("NFC tag"),
}
"""What has limits of its own."""
EMPTY_IS_NONE = _("Empty: no limit.")
EMPTY_IS_NEVER = _("Empty: never.")


def types_known(context: FormContext) -> dict[int, str]:
    """Card types by code, each once."""
    rows = context.session.execute(select(card_types.c.code, card_types.c.name).order_by(card_types.c.code))
    return {row.code: f"{row.code} {row.name}".strip() for row in rows}


def _most(label: str) -> Any:
    return Annotated[int, entry(label, "money", ge=0, le=MINOR_MAX, hint=EMPTY_IS_NONE)] | None


def _above(label: str) -> Any:
    return Annotated[int, entry(label, "money", ge=0, le=MINOR_MAX, hint=EMPTY_IS_NEVER)] | None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the media of a card type may do, as a whole."""

    card_type: Annotated[int, entry(_("Card type"), "choice", choices=types_known)]
    required: Annotated[bool, entry(_("A number alone does not pay"), "check")] = False
    media: Annotated[int, entry(_("Media that may pay"), "flags", choices=MEDIA_BITS)] = 0
    number_most: _most(_("Number alone: at most")) = None  # type: ignore[valid-type]
    number_pin: _above(_("Number alone: PIN above")) = None  # type: ignore[valid-type]
    chip_most: _most(_("Chip with contact: at most")) = None  # type: ignore[valid-type]
    chip_pin: _above(_("Chip with contact: PIN above")) = None  # type: ignore[valid-type]
    contactless_most: _most(_("Chip without contact: at most")) = None  # type: ignore[valid-type]
    contactless_pin: _above(_("Chip without contact: PIN above")) = None  # type: ignore[valid-type]
    code_most: _most(_("Dynamic code: at most")) = None  # type: ignore[valid-type]
    code_pin: _above(_("Dynamic code: PIN above")) = None  # type: ignore[valid-type]
    stripe_most: _most(_("Magnetic stripe: at most")) = None  # type: ignore[valid-type]
    stripe_pin: _above(_("Magnetic stripe: PIN above")) = None  # type: ignore[valid-type]
    tag_most: _most(_("NFC tag: at most")) = None  # type: ignore[valid-type]
    tag_pin: _above(_("NFC tag: PIN above")) = None  # type: ignore[valid-type]
    fallback_minor: Annotated[
        int, entry(_("Stripe of a card whose chip has failed: at most"), "money", ge=0, le=MINOR_MAX)
    ] = 0
    in_10_minutes: Annotated[
        int,
        entry(_("Payments in 10 minutes without PIN"), "integer", ge=0, le=MINUTES_MAX, hint=_("0: any number.")),
    ] = 0
    in_60_minutes: Annotated[
        int,
        entry(_("Payments in an hour without PIN"), "integer", ge=0, le=MINUTES_MAX, hint=_("0: any number.")),
    ] = 0
    travel_minutes: Annotated[
        int,
        entry(
            _("Least minutes between two stores"),
            "integer",
            ge=0,
            le=MINUTES_MAX,
            hint=_("For pairs of stores without a time of their own; 0: not checked."),
        ),
    ] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if not self.media:
            yield "media", translate("Choose at least one.")
        for name in (f"{medium}_{short}" for medium in LIMITED for short in ("most", "pin")):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= MINOR_MAX:
                yield name, translate("An amount from 0 to 42,949,672.94 is expected.")


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """Least minutes between two stores."""

    store: Annotated[int, entry(_("Store"), "choice", choices=store_choices)]
    other_store: Annotated[int, entry(_("Other store"), "choice", choices=store_choices)]
    minutes: Annotated[
        int, entry(_("Least minutes"), "integer", ge=0, le=MINUTES_MAX, hint=_("0: not checked between these two."))
    ]

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if self.store == self.other_store:
            yield "other_store", translate("Choose two different stores.")


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """Media of one card."""

    card: Annotated[int, entry(_("Card"), "card")]
    kinds: Annotated[int, entry(_("Media"), "flags", choices=ENDED_BITS)] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if not self.kinds:
            yield "kinds", translate("Choose at least one.")


def policy_of(row: Any) -> Policy:
    """A policy as the form has it, from its row."""
    limits = {
        f"{name}_{short}": None if (value := getattr(row, f"{name}_{long}")) == NO_COUNT_LIMIT else value
        for name in LIMITED
        for short, long in (("most", "minor_max"), ("pin", "pin_minor"))
    }
    return Policy(
        card_type=row.code,
        required=bool(row.flags & PolicyFlag.REQUIRED),
        media=row.media & ALL_MEDIA,
        fallback_minor=row.fallback_minor_max,
        in_10_minutes=row.velocity_10_minutes_max,
        in_60_minutes=row.velocity_60_minutes_max,
        travel_minutes=row.travel_minutes,
        **limits,
    )


def _put_policy(planning: Planning, form: Policy) -> None:
    found = planning.session.execute(select(medium_policies).where(medium_policies.c.code == form.card_type)).first()
    if found is not None and policy_of(found) == form:
        raise RefusedError("It is so already.")
    limits: dict[str, Any] = {
        f"{name}_{long}": NO_COUNT_LIMIT if (value := getattr(form, f"{name}_{short}")) is None else value
        for name in LIMITED
        for short, long in (("most", "minor_max"), ("pin", "pin_minor"))
    }
    planning.add(
        MessageType.PUT_MEDIUM_POLICY,
        subject=subject(_("Media of card type {number}"), number=form.card_type),
        code=form.card_type,
        flags=int(PolicyFlag.REQUIRED) if form.required else 0,
        media=form.media,
        fallback_minor_max=form.fallback_minor,
        velocity_10_minutes_max=form.in_10_minutes,
        velocity_60_minutes_max=form.in_60_minutes,
        travel_minutes=form.travel_minutes,
        **limits,
    )


def _put_way(planning: Planning, form: Way) -> None:
    low, high = sorted((form.store, form.other_store))
    found = planning.session.scalar(
        select(travel_times.c.minutes).where(travel_times.c.store_id == low, travel_times.c.other_store_id == high)
    )
    if found == form.minutes:
        raise RefusedError("It is so already.")
    planning.add(
        MessageType.PUT_TRAVEL,
        subject=subject(_("Stores {first} and {second}"), first=low, second=high),
        store_id=low,
        other_store_id=high,
        minutes=form.minutes,
    )


def _revoke(planning: Planning, form: Media) -> None:
    card = planning.card(form.card)
    rows = planning.session.execute(select(media).where(media.c.card_number == card.card_number)).all()
    for row in rows:
        if row.state != MediumState.ACTIVE or not form.kinds & 1 << row.medium:
            continue
        planning.add(
            MessageType.PUT_MEDIUM,
            card_number=card.card_number,
            subject=subject(_("End medium: {kind}"), kind=MEDIA[row.medium]),
            medium=row.medium,
            medium_id=row.medium_id,
            state=MediumState.REVOKED,
            key_version=row.key_version,
            key_version_held=row.key_version_held,
            flags=row.flags,
            counter=0 if row.medium == MediumKind.CODE else row.counter,
        )
    if not planning.orders:
        raise RefusedError("The card has no such medium in use.")


KINDS: list[Kind[Any]] = [
    Kind(
        name="put-medium-policy",
        label=_("Say what media may do"),
        hint=_("Of the cards of one type. It holds from the next request on. A second person must agree."),
        function="media",
        form=Policy,
        plan=_put_policy,
        needs_checker=always,
        is_central=True,
    ),
    Kind(
        name="put-travel",
        label=_("Least time between two stores"),
        hint=_("A card that is used in both sooner raises an alarm and is asked for its PIN."),
        function="media",
        form=Way,
        plan=_put_way,
        is_central=True,
    ),
    Kind(
        name="revoke-media",
        label=_("End media of a card"),
        hint=_("A medium that was ended never comes back; another one can be enrolled for the card."),
        function="media",
        form=Media,
        plan=_revoke,
        asks_why=True,
        is_central=True,
    ),
]
