"""What the key desk does with keys that the key house keeps itself (KEK, LOG, SIGN), and what it tells of all keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsm.backend import KeyUse
from hsm.key_states import Purpose
from switch._directory import open_directory
from switch._key_chain import KeyChain
from switch.protocol.messages import KeyState

from .desk import Desk
from .key_agreements import OfficerBook
from .key_house import KeyHouse
from .key_officers import Officers
from .key_plan import KEYRING_ONLY, NAMES, half_done
from .key_resident import KEYRING_PER_SECOND, Residents, in_use, kek_counts
from .key_steps import resident_versions, versions_of
from .output import CommandError

if TYPE_CHECKING:
    from admin.keys.order import KeyOrder

USES = {251: KeyUse.KEK, 252: KeyUse.SIGN, 253: KeyUse.LOG}
"""As orders number them (`admin/keys/facts.py`)."""


def take_house_step(keys: KeyHouse, data: Path, officers: Officers, order: KeyOrder) -> str:
    """One step of a key that the key house keeps itself; what is done already is skipped."""
    use, version, state = USES[order.purpose], order.version, KeyState(order.state)
    residents = Residents(keys, data, officers)
    if use is KeyUse.KEK:
        return _take_kek_step(keys, residents, version, state)
    if state is KeyState.DESTROYED:
        return residents.retire(use, version)
    if state is KeyState.ACTIVE:
        if residents.in_use(use) == version:
            return f"{use.value} {version} is in use"
        return residents.roll_back(use, version, KEYRING_PER_SECOND)
    while residents.in_use(use) != version:
        residents.rotate(use, version, KEYRING_PER_SECOND)
    if use is KeyUse.SIGN:
        return f"signing key {version} was made, and the one before has signed it; the switch signs with it from now on"
    return f"LOG {version} was made, and the one before names it; keyring and key log are sealed by it"


def _take_kek_step(keys: KeyHouse, residents: Residents, version: int, state: KeyState) -> str:
    counts = kek_counts(keys)
    if state is KeyState.NEW and version in counts:
        return f"KEK {version} was made"
    if state is not KeyState.NEW and version not in counts:
        raise CommandError(f"KEK {version}: expected it to be made by now, got none; order a new rotation")
    left = sum(count for number, count in counts.items() if number != version)
    if state is KeyState.ACTIVE and not left:
        return f"all keys are wrapped under KEK {version}"
    if state is KeyState.DESTROYED and left:
        raise CommandError(f"KEK {version}: expected all keys under it, got {left} under another; order a new rotation")
    sentence, _is_last = residents.rotate(KeyUse.KEK, version, KEYRING_PER_SECOND)
    return sentence


async def facts_of(keys: KeyHouse, desk: Desk, data: Path) -> Any:
    """What pages may know of the keyring, and what was left half done between it and the switch."""
    from admin.keys.facts import DeskFacts, RingKey

    keys.keyring.reload()
    chain = KeyChain(open_directory(data).journal)
    undone = []
    for purpose in Purpose:
        if purpose in KEYRING_ONLY:
            continue
        step = half_done(await versions_of(keys.keyring, desk, purpose))
        if step is not None:
            undone.append(f"{NAMES[purpose]} {step.version}: {step.why}")
    return DeskFacts(
        revision=keys.keyring.revision,
        keys=tuple(
            RingKey(
                purpose=int(entry.purpose),
                version=entry.version,
                state=entry.state.value,
                check_value=entry.check_value.hex().upper(),
                kek_version=entry.kek_version,
                partner=entry.partner,
            )
            for entry in keys.keyring.entries
        ),
        keks={str(version): count for version, count in sorted(kek_counts(keys).items())},
        officers=tuple(officer.name for officer in OfficerBook(keys).officers),
        signs=tuple(sorted(resident_versions(keys, KeyUse.SIGN))),
        logs=tuple(sorted(resident_versions(keys, KeyUse.LOG))),
        in_use={str(number): in_use(keys, chain, use) for number, use in USES.items()},
        half_done=tuple(undone),
    )
