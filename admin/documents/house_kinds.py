"""Keys that the key house keeps itself (KEK, LOG, SIGN) as documents: their next version, the way back, their end.

Two persons agree and the key desk does it, as with every other key.  Pages know versions only, as the key desk tells
them: which there are and which one is in use.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.errors import RefusedError
from admin.forms import entry
from admin.keys.facts import KEK, LOG, SIGN, facts_in
from admin.models.security import KeyDeskState
from admin.rights import Action
from switch.protocol.messages import KeyState, MessageType

from .key_kinds import VERSION, key_kind
from .kind import Kind, Planning, subject

_ = str
HOUSE_KEYS: dict[int, str] = {
    KEK: _("KEK (wraps all other keys)"),
    SIGN: _("Signing key of the journal"),
    LOG: _("Key of the key log"),
}
ENDED_BY_ORDER: dict[int, str] = {key: HOUSE_KEYS[key] for key in (SIGN, LOG)}
"""The rotation of the KEK ends the old one itself."""
KEK_STEPS: dict[int, str] = {
    KeyState.NEW: _("Make: {purpose} {version}"),
    KeyState.ACTIVE: _("Wrap all keys anew under: {purpose} {version}"),
    KeyState.DESTROYED: _("Prove the copies and destroy what was before: {purpose} {version}"),
}
STEPS: dict[int, str] = {
    KeyState.NEW: _("Make and go over to: {purpose} {version}"),
    KeyState.ACTIVE: _("Go back to: {purpose} {version}"),
    KeyState.DESTROYED: _("Destroy: {purpose} {version}"),
}
KEK_ROTATION = (KeyState.NEW, KeyState.ACTIVE, KeyState.DESTROYED)


class HouseRotation(msgspec.Struct, frozen=True, kw_only=True):
    """The next version of a key that the key house keeps itself."""

    key: Annotated[int, entry(_("Key"), "choice", choices=HOUSE_KEYS)]


class HouseReturn(msgspec.Struct, frozen=True, kw_only=True):
    """An older version of a key that the key house keeps itself, to be used again."""

    key: Annotated[int, entry(_("Key"), "choice", choices=HOUSE_KEYS)]
    version: VERSION


class HouseEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a key that the key house keeps itself, with which nothing new is made."""

    key: Annotated[int, entry(_("Key"), "choice", choices=ENDED_BY_ORDER)]
    version: VERSION


def _known(session: Session, key: int) -> tuple[list[int], int]:
    """(versions that there are, the one in use), as the key desk told; `RefusedError` while it has not."""
    versions: set[int] = set()
    in_use = 0
    for state in session.scalars(select(KeyDeskState)):
        facts = facts_in(state)
        versions |= set(facts.house_versions(key))
        in_use = facts.in_use.get(str(key), in_use)
    if not versions or not in_use:
        raise RefusedError("The key house has not told which versions it has. Start the key desk first.")
    return sorted(versions), in_use


def _put(planning: Planning, key: int, version: int, state: KeyState) -> None:
    steps = KEK_STEPS if key == KEK else STEPS
    planning.add(
        MessageType.PUT_KEY,
        subject=subject(steps[state], purpose=HOUSE_KEYS[key], version=version),
        purpose=key,
        key_version=version,
        state=state,
        check_value=bytes(8),
    )


def _rotate(planning: Planning, form: HouseRotation) -> None:
    versions, in_use = _known(planning.session, form.key)
    # What was interrupted or taken back is gone on with; otherwise the next version begins.
    is_under_way = len(versions) > 1 if form.key == KEK else versions[-1] > in_use
    version = versions[-1] + (0 if is_under_way else 1)
    for state in KEK_ROTATION if form.key == KEK else (KeyState.NEW,):
        _put(planning, form.key, version, state)


def _return(planning: Planning, form: HouseReturn) -> None:
    versions, in_use = _known(planning.session, form.key)
    if form.version not in versions or form.version >= in_use:
        raise RefusedError(
            "{version} is no older version that is still there. There are: {versions}; in use: {in_use}.",
            version=form.version,
            versions=", ".join(map(str, versions)),
            in_use=in_use,
        )
    _put(planning, form.key, form.version, KeyState.ACTIVE)


def _end(planning: Planning, form: HouseEnd) -> None:
    versions, in_use = _known(planning.session, form.key)
    if form.version not in versions:
        raise RefusedError(
            "There is no version {version}. There are: {versions}.",
            version=form.version,
            versions=", ".join(map(str, versions)),
        )
    if form.version == in_use:
        raise RefusedError("Version {version} is in use: rotate first.", version=form.version)
    _put(planning, form.key, form.version, KeyState.DESTROYED)


KINDS: list[Kind[Any]] = [
    key_kind(
        "rotate-house-key",
        _("Rotate the KEK, the signing key or the key of the key log"),
        _(
            "KEK: a new one is made, every key is wrapped under it, and the old one is destroyed once the copies have"
            " proved to open. The others: the new one is in use at once, and the old one vouches for it."
        ),
        HouseRotation,
        _rotate,
        Action.ADD,
        asks_why=True,
    ),
    key_kind(
        "return-house-key",
        _("Go back to an older KEK, signing key or key of the key log"),
        _("While the older version is there. Nothing is lost: what was made under the newer one stays good."),
        HouseReturn,
        _return,
        asks_why=True,
    ),
    key_kind(
        "end-house-key",
        _("Destroy an old signing key or key of the key log"),
        _(
            "For good; copies of the key house from before still hold it: destroy them. What it has signed is checked"
            " as before."
        ),
        HouseEnd,
        _end,
        asks_why=True,
    ),
]
