"""Keys of the issuer as documents: two persons agree, the key desk does it at the key house."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from admin.errors import RefusedError
from admin.forms import entry
from admin.i18n import translate
from admin.models.journal import card_counts, medium_counts
from admin.models.mirror import issuer_keys
from admin.reports.report import total
from admin.rights import Action
from switch.protocol.messages import KeyPurpose, KeyState, MediumFlag, MediumKind, MediumState, MessageType
from switch.protocol.records import RecordKind

from .kind import Kind, Planning, always, subject

_ = str
KEY_DESK = "key desk"
"""`cardswitch keys follow-plan`, which has the key house open; the web service has not."""
VERSION_MAX = 255
PURPOSES: dict[int, str] = {
    KeyPurpose.STORAGE: _("Storage (wraps terminals' and cards' keys)"),
    KeyPurpose.PIN: _("PINs"),
    KeyPurpose.RECEIPT: _("Receipt codes"),
    KeyPurpose.CHIP: _("Chip cards"),
    KeyPurpose.CODE: _("Dynamic codes"),
    KeyPurpose.JITTER: _("Stripe counters"),
    KeyPurpose.STRIPE: _("Stripe check values"),
    KeyPurpose.TAG: _("NFC tags"),
}
ALWAYS_NEEDED = (KeyPurpose.STORAGE, KeyPurpose.PIN)
"""Without an active version no terminal could be put, and no PIN be set."""
STATES: dict[int, str] = {
    KeyState.NEW: _("New"),
    KeyState.ACTIVE: _("In force"),
    KeyState.VERIFY_ONLY: _("Verifies only"),
    KeyState.RETIRED: _("Retired"),
    KeyState.DESTROYED: _("Destroyed"),
}
MEDIUM_OF: dict[int, MediumKind] = {
    KeyPurpose.CHIP: MediumKind.CHIP,
    KeyPurpose.CODE: MediumKind.CODE,
    KeyPurpose.JITTER: MediumKind.STRIPE,
    KeyPurpose.STRIPE: MediumKind.STRIPE,
    KeyPurpose.TAG: MediumKind.TAG,
}
"""Whose media rest on a master key."""
STEPS: dict[int, str] = {
    KeyState.NEW: _("Draw and load: {purpose} {version}"),
    KeyState.ACTIVE: _("Make active: {purpose} {version}"),
    KeyState.VERIFY_ONLY: _("Withdraw: {purpose} {version}"),
    KeyState.RETIRED: _("Retire: {purpose} {version}"),
    KeyState.DESTROYED: _("Destroy: {purpose} {version}"),
}
PURPOSE = Annotated[int, entry(_("Purpose"), "choice", choices=PURPOSES)]
VERSION = Annotated[int, entry(_("Key version"), "integer", ge=1, le=VERSION_MAX)]


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """A key that gets its next version."""

    purpose: PURPOSE
    only_load: Annotated[
        bool,
        entry(
            _("Only draw and load it; make it active later"),
            "check",
            hint=_("So that card suppliers and standby switches have it before the first card is made with it."),
        ),
    ] = False


class KeyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a key."""

    purpose: PURPOSE
    version: VERSION


class Retirement(msgspec.Struct, frozen=True, kw_only=True):
    """A version whose media stop."""

    purpose: PURPOSE
    version: VERSION
    stops: Annotated[
        int,
        entry(
            _("Media that stop"), "integer", ge=0, hint=_("As the key's page counts them; another number is refused.")
        ),
    ] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if self.stops and self.purpose not in MEDIUM_OF and self.purpose != KeyPurpose.PIN:
            yield "stops", translate("No media rest on such a key.")


def versions_of(session: Session, purpose: int) -> dict[int, Row[Any]]:
    """Versions that the switch knows."""
    query = select(issuer_keys).where(issuer_keys.c.purpose == purpose).order_by(issuer_keys.c.key_version)
    return {row.key_version: row for row in session.execute(query)}


def media_on(session: Session, purpose: int) -> dict[int, int]:
    """Active media with derived keys by the key version that they were last seen with."""
    kind = MEDIUM_OF.get(purpose)
    if kind is None:
        return {}
    query = (
        select(medium_counts.c.key_version, total(medium_counts.c.medium_count))
        .where(
            medium_counts.c.medium == kind,
            medium_counts.c.state == MediumState.ACTIVE,
            medium_counts.c.flags.op("&")(int(MediumFlag.STORED_KEY)) == 0,
            medium_counts.c.medium_count > 0,
        )
        .group_by(medium_counts.c.key_version)
    )
    return {version: count for version, count in session.execute(query)}  # noqa: C416  rows are no pairs to mypy


def resting_on(session: Session, purpose: int) -> dict[int, int]:
    """What would stop if a version were retired, by version: active media; of the PIN key the cards with a PIN."""
    if purpose != KeyPurpose.PIN:
        return media_on(session, purpose)
    version, count = card_counts.c.pin_key_version, card_counts.c.card_count
    query = select(version, total(count)).where(version > 0, count > 0).group_by(version)
    return {version: count for version, count in session.execute(query)}  # noqa: C416  rows are no pairs to mypy


def _put(planning: Planning, purpose: int, version: int, state: KeyState) -> None:
    planning.add(
        MessageType.PUT_KEY,
        subject=subject(STEPS[state], purpose=PURPOSES[purpose], version=version),
        purpose=purpose,
        key_version=version,
        state=state,
        check_value=bytes(8),
    )


def _found(planning: Planning, form: Any, *states: KeyState) -> Row[Any]:
    found = versions_of(planning.session, form.purpose).get(form.version)
    if found is None:
        raise RefusedError("The switch has no version {version} of this key.", version=form.version)
    if found.state not in states:
        raise RefusedError("The state of this version does not allow this.")
    return found


def next_version(session: Session, purpose: int) -> int:
    """The version that a rotation goes to: one that is loaded and newer than the active one, else the next number."""
    versions = versions_of(session, purpose)
    active = max((number for number, row in versions.items() if row.state == KeyState.ACTIVE), default=0)
    waiting = [number for number, row in versions.items() if row.state == KeyState.NEW and number > active]
    return max(waiting, default=max(versions, default=0) + 1)


def _rotate(planning: Planning, form: Rotation) -> None:
    purposes = [form.purpose]
    version = next_version(planning.session, form.purpose)
    if form.purpose == KeyPurpose.STRIPE:  # a stripe rests on two keys of one version
        pair = versions_of(planning.session, KeyPurpose.JITTER).get(version)
        if pair is None:
            if next_version(planning.session, KeyPurpose.JITTER) != version:
                raise RefusedError("Stripe counters have another version. Rotate them to version {version} first.",
                                   version=version)  # fmt: skip
            purposes.insert(0, KeyPurpose.JITTER)
    for purpose in purposes:
        known = versions_of(planning.session, purpose).get(version)
        if known is None:
            _put(planning, purpose, version, KeyState.NEW)
        if not form.only_load:
            _put(planning, purpose, version, KeyState.ACTIVE)
    if form.purpose in ALWAYS_NEEDED and not form.only_load:
        _rewrap_step(planning, form.purpose, version)
    if not planning.orders:
        raise RefusedError("It is so already.")


def _rewrap_step(planning: Planning, purpose: int, version: int) -> None:
    is_pin = purpose == KeyPurpose.PIN
    text = _("Seal PINs anew under version {version}") if is_pin else _("Wrap stored keys anew under version {version}")
    planning.add(
        MessageType.REWRAP_KEY,
        subject=subject(text, version=version),
        kind=RecordKind.CARD if is_pin else 0,
        storage_version=version,
        key_a=0,
    )


def _rewrap(planning: Planning, form: Any) -> None:
    for purpose in ALWAYS_NEEDED:
        active = [
            number for number, row in versions_of(planning.session, purpose).items() if row.state == KeyState.ACTIVE
        ]
        _rewrap_step(planning, purpose, active[0] if active else 1)


def _activate(planning: Planning, form: KeyVersion) -> None:
    _found(planning, form, KeyState.NEW, KeyState.VERIFY_ONLY)
    _put(planning, form.purpose, form.version, KeyState.ACTIVE)


def _withdraw(planning: Planning, form: KeyVersion) -> None:
    _found(planning, form, KeyState.ACTIVE)
    if form.purpose == KeyPurpose.STORAGE:
        raise RefusedError("Without an active storage key no terminal could be made. Rotate it instead.")
    if form.purpose == KeyPurpose.PIN:
        raise RefusedError("Without an active PIN key no PIN could be set. Rotate it instead.")
    _put(planning, form.purpose, form.version, KeyState.VERIFY_ONLY)


def _retire(planning: Planning, form: Retirement) -> None:
    _found(planning, form, KeyState.NEW, KeyState.VERIFY_ONLY)
    count = resting_on(planning.session, form.purpose).get(form.version, 0)
    if count != form.stops:
        raise RefusedError(
            "{count} media would stop, and the form says {stops}. Replace them first, or say so.",
            count=count,
            stops=form.stops,
        )
    _put(planning, form.purpose, form.version, KeyState.RETIRED)


def _destroy(planning: Planning, form: KeyVersion) -> None:
    _found(planning, form, KeyState.RETIRED)
    _put(planning, form.purpose, form.version, KeyState.DESTROYED)


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to fill in."""


def key_kind(
    name: str,
    label: str,
    hint: str,
    form: Any,
    plan: Any,
    action: Action = Action.CHANGE,
    *,
    asks_why: bool = False,
) -> Kind[Any]:
    """A kind of document that two people agree to and the key desk carries out."""
    return Kind(
        name=name,
        label=label,
        hint=hint,
        function="keys",
        action=action,
        form=form,
        plan=plan,
        needs_checker=always,
        asks_why=asks_why,
        stops_at_refusal=True,
        is_central=True,
        worker=KEY_DESK,
    )


KINDS: list[Kind[Any]] = [
    key_kind(
        "rotate-key",
        _("Rotate a key"),
        _("The next version is drawn, loaded and made active. What the version before made goes on working."),
        Rotation,
        _rotate,
        Action.ADD,
    ),
    key_kind(
        "activate-key",
        _("Make a version active"),
        _("Forward, or back to an older version that is still accepted. The other one only verifies from then on."),
        KeyVersion,
        _activate,
    ),
    key_kind(
        "withdraw-key",
        _("Withdraw a version"),
        _("Nothing new is made with the key for now; what was made goes on working."),
        KeyVersion,
        _withdraw,
    ),
    key_kind(
        "retire-key",
        _("Retire a version"),
        _("What was made with it is refused, for good. Its media stop: their number must be said."),
        Retirement,
        _retire,
    ),
    key_kind(
        "destroy-key",
        _("Destroy a version"),
        _("The key is gone for good. Copies of the key house still hold it until their KEK is destroyed."),
        KeyVersion,
        _destroy,
    ),
    key_kind(
        "rewrap-keys",
        _("Wrap stored keys anew"),
        _("Stored keys go over to the active storage key, PINs to the active PIN key. It can be repeated at any time."),
        Nothing,
        _rewrap,
    ),
]
