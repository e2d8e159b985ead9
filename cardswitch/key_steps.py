"""Steps in the life of a key, each taken on both sides, the keyring and the switch; what is done already is skipped."""

from __future__ import annotations

import time
from collections.abc import Callable

from hsm.backend import KeyUse
from hsm.key_states import KeyEntry, KeyState, Purpose
from hsm.keyring import Keyring
from hsm.keyring_errors import KeyringBusyError, KeyringChangedError
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import KeyState as SwitchKeyState
from switch.protocol.messages import PutKeyRequest
from switch.protocol.records import KeyRecord, RecordKind

from .desk import Desk
from .key_house import KeyHouse
from .key_officers import Officers
from .key_plan import ENDED, IN_USE, KEYRING_ONLY, NAMES, Act, Version, merged
from .output import CommandError, insist

CHANGE_TRIES = 20
"""The running switch does not change a keyring, so only another officer's command can be in the way."""
CHANGE_WAIT_S = 0.1
CHECK_VALUE_BYTES = 5
MUST_ISSUE = (Purpose.STORAGE, Purpose.PIN)
"""Without an active version no terminal could be put, and no PIN be set."""


def kek_version(house: KeyHouse) -> int:
    """The KEK that new keys are wrapped under: the highest."""
    return max(resident_versions(house, KeyUse.KEK))


def resident_versions(house: KeyHouse, use: KeyUse) -> list[int]:
    """Versions of a key that the backend keeps."""
    resident = house.backend.keys()
    return [facts.version for facts in resident if facts.use is use]


def change_ring(keyring: Keyring, act: Callable[[], object]) -> None:
    """Change the keyring; when somebody else has just done so, look again and try again."""
    for _ in range(CHANGE_TRIES):
        keyring.reload()
        try:
            act()
            return
        except (KeyringChangedError, KeyringBusyError):
            time.sleep(CHANGE_WAIT_S)
    raise CommandError("keyring: expected it to be free, got it busy; look who else changes keys, and try again")


class KeySteps:
    """The keys of one switch, from both sides."""

    def __init__(self, house: KeyHouse, desk: Desk, officers: Officers) -> None:
        self.house, self._desk, self._officers = house, desk, officers
        self.keyring = house.keyring

    async def versions(self, purpose: Purpose) -> list[Version]:
        """All versions of a purpose, as both sides have them now."""
        return await versions_of(self.keyring, self._desk, purpose)

    async def version(self, purpose: Purpose, number: int) -> Version:
        """One version; `CommandError` when neither side has it."""
        for version in await self.versions(purpose):
            if version.number == number:
                return version
        raise CommandError(
            f"{NAMES[purpose]}: expected a version that there is, got {number}; see cardswitch keys show"
        )

    async def take(self, act: Act, purpose: Purpose, number: int) -> None:
        """One step, or what is left of it."""
        steps = {
            Act.ANNOUNCE: self.announce,
            Act.ACTIVATE: self.activate,
            Act.WITHDRAW: self.withdraw,
            Act.RETIRE: self.retire,
            Act.DESTROY: self.destroy,
        }
        if act is Act.ADD:
            self.add(purpose, number)
        else:
            await steps[act](purpose, number)

    def add(self, purpose: Purpose, number: int, partner: str = "", *, exportable: bool = False) -> KeyEntry:
        """A new key, drawn by the backend, in the keyring alone."""
        return add_key(self.house, self._officers, purpose, number, partner, exportable=exportable)

    async def announce(self, purpose: Purpose, number: int) -> None:
        """The switch loads the key, and accepts what is made with it."""
        version = await self.version(purpose, number)
        if purpose in KEYRING_ONLY or version.switch is not None:
            return
        if version.ring not in IN_USE:
            raise CommandError(f"{NAMES[purpose]} {number}: expected it in use in the keyring, got it {version.ring}")
        await self._tell(purpose, version, KeyState.NEW)

    async def activate(self, purpose: Purpose, number: int) -> None:
        """New things are made with it; what was ACTIVE is VERIFY_ONLY from the same moment on."""
        await self.announce(purpose, number)
        version = await self.version(purpose, number)
        if version.ring in ENDED or version.switch in ENDED:
            raise CommandError(
                f"{NAMES[purpose]} {number}: expected it in use, got it {version.ring} in the keyring and"
                f" {version.switch or 'unknown'} at the switch; there is no way back"
            )
        await self._check_pair(purpose, number)
        if version.ring is not KeyState.ACTIVE:
            self._change(lambda: self.keyring.activate(purpose, number, self._officers.people))
        if version.switch is not KeyState.ACTIVE:
            await self._tell(purpose, version, KeyState.ACTIVE)

    async def withdraw(self, purpose: Purpose, number: int) -> None:
        """Nothing new is made with it, nor with another version; what was made goes on working."""
        if purpose in MUST_ISSUE:
            raise CommandError(
                f"{NAMES[purpose]}: expected a purpose that can pause, got one that the switch always needs;"
                " activate another version instead"
            )
        version = await self.version(purpose, number)
        if version.ring is KeyState.ACTIVE:
            self._change(lambda: self.keyring.withdraw(purpose, number, self._officers.people))
        if version.switch is KeyState.ACTIVE:
            await self._tell(purpose, version, KeyState.VERIFY_ONLY)

    async def retire(self, purpose: Purpose, number: int) -> None:
        """What was made with it is refused from now on. First the switch, which needs no key that it does not use."""
        version = await self.version(purpose, number)
        if version.switch is KeyState.ACTIVE and version.ring is not KeyState.ACTIVE:  # an end begun in the keyring
            await self._tell(purpose, version, KeyState.VERIFY_ONLY)
        elif KeyState.ACTIVE in (version.switch, version.ring) and version.switch not in ENDED:
            raise CommandError(
                f"{NAMES[purpose]} {number}: expected a version that issues nothing, got the ACTIVE one; activate"
                " another first, or withdraw it"
            )
        if version.switch in IN_USE:
            await self._tell(purpose, version, KeyState.RETIRED)
        if version.ring is KeyState.ACTIVE:
            self._change(lambda: self.keyring.withdraw(purpose, number, self._officers.people))
        if version.ring in IN_USE:
            self._change(lambda: self.keyring.retire(purpose, number, self._officers.people))

    async def destroy(self, purpose: Purpose, number: int) -> None:
        """The key is gone, for good; its version is never used again."""
        version = await self.version(purpose, number)
        if version.ring in IN_USE or version.switch in IN_USE:
            raise CommandError(f"{NAMES[purpose]} {number}: expected it RETIRED, got it in use; retire it first")
        if version.switch is KeyState.RETIRED:
            await self._tell(purpose, version, KeyState.DESTROYED)
        if version.ring is KeyState.RETIRED:
            self._change(lambda: self.keyring.destroy(purpose, number, self._officers.people))

    async def _check_pair(self, purpose: Purpose, number: int) -> None:
        """A stripe rests on two keys of one version number."""
        if purpose is not Purpose.STRIPE:
            return
        others = await self.versions(Purpose.JITTER)
        if not any(other.number == number and other.switch in IN_USE for other in others):
            raise CommandError(
                f"stripe {number}: expected jitter {number} in use at the switch, got none; stripes need both:"
                f" cardswitch keys rotate jitter --to {number}"
            )

    async def _tell(self, purpose: Purpose, version: Version, state: KeyState) -> None:
        if purpose in KEYRING_ONLY:
            return
        outcome = await self._desk.client.put_key(
            purpose,
            version.number,
            SwitchKeyState[state.name],
            version.ring_check or version.switch_check,
            self._officers.author_id,
            self._officers.approver_id,
        )
        if outcome.code != ResponseCode.DONE_BEFORE:
            insist(outcome, f"{NAMES[purpose]} {version.number} to {state}", PutKeyRequest)

    def _change(self, act: Callable[[], object]) -> None:
        change_ring(self.keyring, act)


async def versions_of(keyring: Keyring, desk: Desk, purpose: Purpose) -> list[Version]:
    """All versions of a purpose, as keyring and switch have them now."""
    keyring.reload()
    ring = [(e.version, e.state, e.check_value) for e in keyring.entries if e.purpose is purpose]
    if purpose in KEYRING_ONLY:
        return merged(ring, ring)
    records = await desk.records(RecordKind.KEY, KeyRecord, purpose, owner=purpose)
    return merged(ring, [_fact(record) for record in records])


def _fact(record: KeyRecord) -> tuple[int, KeyState, bytes]:
    state = KeyState[SwitchKeyState(record.state).name]
    return record.key_version, state, record.check_value[:CHECK_VALUE_BYTES]


def add_key(
    house: KeyHouse, officers: Officers, purpose: Purpose, number: int, partner: str = "", *, exportable: bool = False
) -> KeyEntry:
    """A new key in the keyring, drawn by the backend."""
    kek = kek_version(house)
    change_ring(
        house.keyring,
        lambda: house.keyring.add(purpose, number, kek, officers.people, partner=partner, exportable=exportable),
    )
    return house.keyring.entry(purpose, number)


def next_version(keyring: Keyring, purpose: Purpose) -> int:
    """The number after the highest that ever was."""
    return max((entry.version for entry in keyring.entries if entry.purpose is purpose), default=0) + 1
