"""Keys that never leave the keystore or token: KEK, LOG and SIGN. Their next version, the way back, and their end.

What is in use says how far a rotation is (the keyring's wrappings, its seal, the statements beside the heads), so each
step is found again after a crash. Two people do it, and every act is a line of the key log before it happens.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from hsm.backend import KeyUse
from hsm.key_states import KeyAct
from switch._directory import open_directory
from switch._key_chain import KeyChain, hand_over

from .key_agreements import OfficerBook
from .key_background import Throttle
from .key_house import KeyHouse
from .key_officers import Officers
from .key_steps import change_ring, kek_version, resident_versions
from .output import CommandError

KEYRING_PER_SECOND = 5
"""Keys of the keyring a second: each writes the file and the log anew, on the disk of the journal."""
USES = {"kek": KeyUse.KEK, "log": KeyUse.LOG, "sign": KeyUse.SIGN}
_GENERATE = {
    KeyUse.KEK: KeyAct.GENERATE_KEK,
    KeyUse.LOG: KeyAct.GENERATE_LOG,
    KeyUse.SIGN: KeyAct.GENERATE_SIGN,
}
_DESTROY = {KeyUse.KEK: KeyAct.DESTROY_KEK, KeyUse.LOG: KeyAct.DESTROY_LOG, KeyUse.SIGN: KeyAct.DESTROY_SIGN}


class Residents:
    """The resident keys of one switch, opened to be changed."""

    def __init__(self, house: KeyHouse, data: Path, officers: Officers) -> None:
        self._house, self._officers = house, officers
        self._chain = KeyChain(open_directory(data).journal)

    def in_use(self, use: KeyUse) -> int:
        """The version that new things are made with."""
        return in_use(self._house, self._chain, use)

    def rotate(self, use: KeyUse, target: int | None, per_second: float) -> tuple[str, bool]:
        """The next step: what was done, and whether it was the last."""
        newest = max(resident_versions(self._house, use))
        now = self.in_use(use)
        if use is KeyUse.KEK:
            return self._rotate_kek(target, per_second)
        goal = target or (newest if newest > now or self._olds(use) else newest + 1)
        if goal not in (*resident_versions(self._house, use), newest + 1):
            raise CommandError(f"--to: expected {use.value} version {now} or the next one, {newest + 1}, got {goal}")
        if goal > newest:
            self._generate(use, goal)
            return f"{use.value} {goal} was made", False
        if goal != now:
            return self._go_over(use, goal), not self._olds(use)
        if olds := self._olds(use):
            name = use.value.lower()
            return f"{use.value} {now} is in use; keys retire {name} {olds[0]} ends the one before", True
        return f"{use.value} {now} is the only one", True

    def roll_back(self, use: KeyUse, version: int, per_second: float) -> str:
        """Use an older version again, while it is still there."""
        if version not in resident_versions(self._house, use) or version > self.in_use(use):
            raise CommandError(
                f"{use.value}: expected an older version that is still there, got {version}; see cardswitch keys show"
            )
        if use is KeyUse.KEK:
            return self._rewrap(version, per_second)
        return self._go_over(use, version)

    def retire(self, use: KeyUse, version: int) -> str:
        """Destroy a version that nothing new is made with. What it made is still vouched for, or refused: see docs."""
        if use is KeyUse.KEK:
            raise CommandError("kek: expected log or sign, got kek: keys rotate kek ends the old one itself")
        if version == self.in_use(use):
            raise CommandError(f"{use.value} {version}: expected a version that makes nothing, got the one in use")
        if version not in resident_versions(self._house, use):
            return f"{use.value} {version} is DESTROYED"
        self._house.keyring.verify_log()
        if use is KeyUse.SIGN and self._chain.public_key(version) is None:
            raise CommandError(f"sign {version}: expected that it has handed over to another, got no statement of it")
        OfficerBook(self._house).reseal()  # should a crash have left it under the old LOG key
        self._note(_DESTROY[use], version)
        self._house.backend.destroy(use, version)
        return f"{use.value} {version} is DESTROYED; copies of the keystore from before still hold it: destroy them"

    def _olds(self, use: KeyUse) -> list[int]:
        now = self.in_use(use)
        return sorted(version for version in resident_versions(self._house, use) if version != now)

    def _note(self, act: KeyAct, version: int) -> None:
        people = self._officers.people
        change_ring(self._house.keyring, lambda: self._house.keyring.note(people, act, version))

    def _generate(self, use: KeyUse, version: int) -> None:
        self._note(_GENERATE[use], version)
        self._house.backend.generate(use, version, self._officers.people.time_ms)

    def _go_over(self, use: KeyUse, version: int) -> str:
        house, people = self._house, self._officers.people
        if use is KeyUse.LOG:
            change_ring(house.keyring, lambda: house.keyring.activate_log_key(version, people))
            OfficerBook(house).reseal()
            return f"keyring and key log are sealed by LOG {version}"
        now = self.in_use(use)
        self._note(KeyAct.ACTIVATE_SIGN, version)
        sign, public_key = house.backend.sign, house.backend.public_key
        self._chain.append(hand_over(now, version, people.time_ms, sign, public_key))
        return f"SIGN {now} has signed that SIGN {version} follows; the switch signs with it from now on"

    # -- KEK

    def _rotate_kek(self, target: int | None, per_second: float) -> tuple[str, bool]:
        """A new KEK; every key under it; and, when the files have proved to open without it, the end of the old one."""
        counts = kek_counts(self._house)
        newest = kek_version(self._house)
        if target not in (None, *counts, newest + 1):
            raise CommandError(f"--to: expected KEK version {newest} or the next one, {newest + 1}, got {target}")
        goal = newest if target is None else target
        olds = sorted(version for version in counts if version != goal)
        if target == newest + 1 or (target is None and not olds):
            if len(counts) > 1:
                raise CommandError(f"--to: expected the rotation to version {newest} to end first, got {newest + 1}")
            self._generate(KeyUse.KEK, newest + 1)
            return f"KEK {newest + 1} was made", False
        if sum(counts[version] for version in olds):
            return self._rewrap(goal, per_second), False
        if not olds:
            return f"KEK {goal} is the only one", True
        checked_count = self._house.check_restore()
        self._note(KeyAct.DESTROY_KEK, olds[0])
        self._house.backend.destroy(KeyUse.KEK, olds[0])
        return (
            f"{checked_count} keys opened from the files as they are now; KEK {olds[0]} was destroyed. Copies of the"
            " keystore from before still hold it: destroy them",
            len(olds) == 1,
        )

    def _rewrap(self, version: int, per_second: float) -> str:
        keyring, throttle = self._house.keyring, Throttle(per_second)
        left = sum(count for kek, count in kek_counts(self._house).items() if kek != version)
        people = self._officers.people
        change_ring(keyring, lambda: keyring.rewrap(version, people, lambda: time.sleep(throttle.wait_s())))
        return f"{left} keys were wrapped anew under KEK {version}"


def in_use(house: KeyHouse, chain: KeyChain, use: KeyUse) -> int:
    """The version of a resident key that new things are made with."""
    if use is KeyUse.KEK:
        return kek_version(house)
    if use is KeyUse.LOG:
        return house.keyring.log_key_version
    return chain.version(min(resident_versions(house, use)))


def kek_counts(house: KeyHouse) -> dict[int, int]:
    """Keys of the keyring by KEK version, for every KEK that there is."""
    counts = dict.fromkeys(resident_versions(house, KeyUse.KEK), 0)
    return counts | house.keyring.progress().keys_by_kek_version


def resident_facts(house: KeyHouse, data: Path) -> dict[str, Any]:
    """How far rotations of resident keys are."""
    chain = KeyChain(open_directory(data).journal)
    lines = Counter(line.log_key_version for line in house.keyring.verify_log())
    return {
        "keys by KEK version": {str(version): count for version, count in sorted(kek_counts(house).items())},
        "LOG keys": resident_versions(house, KeyUse.LOG),
        "LOG key in use": in_use(house, chain, KeyUse.LOG),
        "key log lines by LOG version": {str(version): count for version, count in sorted(lines.items())},
        "SIGN keys": resident_versions(house, KeyUse.SIGN),
        "SIGN key in use": in_use(house, chain, KeyUse.SIGN),
    }
