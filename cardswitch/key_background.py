"""The long steps of rotations: wrapping anew under a storage key or a KEK, and asking terminals for new keys.

Each goes on where it was when it is called again, and is throttled: sales go first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from hsm.backend import KeyUse
from hsm.key_states import KeyAct
from switch._clock import monotonic_ms
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import PutTerminalRequest, RewrapKeyRequest, TerminalFlag, TerminalStatus
from switch.protocol.records import CardKeyRecord, RecordKind, TerminalRecord

from .desk import Desk
from .key_house import KeyHouse
from .key_officers import Officers
from .key_progress import Records
from .key_steps import change_ring, kek_version, resident_versions
from .output import CommandError, insist

RECORDS_PER_SECOND = 200
"""Requests a second to the switch: well below a hundredth of what it decides."""
KEYRING_PER_SECOND = 5
"""Keys of the keyring a second: each writes the file and the log anew, on the disk of the journal."""
NOTE_EVERY_RECORDS = 1_000
ROUNDS_MAX = 10
"""A balance store shows moments later what was done; ten rounds without an end mean that something else is wrong."""
GONE = (ResponseCode.TERMINAL_UNKNOWN, ResponseCode.MEDIUM_UNKNOWN)


class Throttle:
    """So many acts a second, counted from the first: a slow one is made up for."""

    def __init__(self, per_second: float) -> None:
        if not per_second > 0:
            raise CommandError(f"--per-second: expected more than 0, got {per_second}")
        self._gap_s = 1 / per_second
        self._due_s = monotonic_ms() / 1000

    def wait_s(self) -> float:
        """How long to wait before the next act."""
        now_s = monotonic_ms() / 1000
        self._due_s = max(self._due_s + self._gap_s, now_s - 1)
        return max(0.0, self._due_s - now_s)


async def rewrap_records(desk: Desk, data: Path, version: int, per_second: float) -> int:
    """Wrap every terminal's and medium's stored key under a storage version; how many were done here."""
    throttle, done_count = Throttle(per_second), 0
    for _ in range(ROUNDS_MAX):
        left = await _wrapped_otherwise(desk, data, version)
        round_count = 0
        for record in left:
            outcome = await desk.client.rewrap_key(record, version)
            if outcome.code in GONE or outcome.code == ResponseCode.DONE_BEFORE:
                continue
            insist(outcome, f"wrapping anew under storage key {version}", RewrapKeyRequest)
            round_count += 1
            if (done_count + round_count) % NOTE_EVERY_RECORDS == 0:
                desk.out.note(f"{done_count + round_count:,} wrapped anew, about {len(left) - round_count:,} to do")
            await asyncio.sleep(throttle.wait_s())
        done_count += round_count
        if not round_count:
            return done_count
    raise CommandError(
        f"storage key {version}: expected an end of wrapping anew, got {done_count:,} done and still some left; run it"
        " again"
    )


async def _wrapped_otherwise(desk: Desk, data: Path, version: int) -> list[TerminalRecord | CardKeyRecord]:
    records = Records(desk, data)
    terminals: list[TerminalRecord | CardKeyRecord] = [
        terminal
        async for terminal in records.each(RecordKind.TERMINAL, TerminalRecord)
        if terminal.storage_version != version
    ]
    card_keys = [
        card_key
        async for card_key in records.each(RecordKind.CARD_KEY, CardKeyRecord)
        if card_key.storage_version != version
    ]
    return [*terminals, *card_keys]


# --------------------------------------------------------------------------- terminals


def version_to_reach(terminals: Iterable[TerminalRecord]) -> int:
    """Of terminals' keys: the highest that one has, while others are behind; else the next."""
    versions = {terminal.key_version for terminal in terminals}
    if not versions:
        raise CommandError("terminals: expected active ones, got none; see cardswitch terminal list")
    return max(versions) if len(versions) > 1 else max(versions) + 1


def renewing(terminal: TerminalRecord) -> bool:
    """Whether it is asked to renew its key."""
    return bool(terminal.flags & TerminalFlag.RENEW_KEY)


async def active_terminals(desk: Desk, data: Path, only: Collection[int] = ()) -> list[TerminalRecord]:
    """Terminals that may work, all or those that are named."""
    each = Records(desk, data).each(RecordKind.TERMINAL, TerminalRecord)
    found = [
        terminal
        async for terminal in each
        if terminal.status == TerminalStatus.ACTIVE and (not only or terminal.terminal_id in only)
    ]
    if missing := set(only) - {terminal.terminal_id for terminal in found}:
        raise CommandError(f"--only: expected active terminals, got {', '.join(map(str, sorted(missing)))}")
    return found


async def renew_terminals(desk: Desk, terminals: Iterable[TerminalRecord], version: int, per_second: float) -> int:
    """Ask every terminal below a key version to renew its key at its next sign-on; how many were asked now."""
    throttle, count = Throttle(per_second), 0
    for terminal in terminals:
        if terminal.key_version >= version or renewing(terminal):
            continue
        outcome = await desk.client.renew_terminal_key(terminal)
        insist(outcome, f"terminal {terminal.terminal_id}", PutTerminalRequest)
        count += 1
        await asyncio.sleep(throttle.wait_s())
    return count


# --------------------------------------------------------------------------- KEK


def kek_counts(house: KeyHouse) -> dict[int, int]:
    """Keys of the keyring by KEK version, for every KEK that there is."""
    counts = dict.fromkeys(resident_versions(house, KeyUse.KEK), 0)
    return counts | house.keyring.progress().keys_by_kek_version


def rotate_kek(house: KeyHouse, officers: Officers, target: int | None, per_second: float) -> tuple[str, bool]:
    """The next step of a KEK's rotation: what was done, and whether that was the last one.

    A new KEK; every key under it; and, when the files have proved to open without it, the end of the old one.
    """
    counts, newest = kek_counts(house), kek_version(house)
    if target not in (None, newest, newest + 1):
        raise CommandError(f"--to: expected KEK version {newest} or the next one, {newest + 1}, got {target}")
    olds = sorted(version for version in counts if version != newest)
    if target == newest + 1 or (target is None and not olds):
        if olds:
            raise CommandError(f"--to: expected the rotation to version {newest} to end first, got {newest + 1}")
        change_ring(house.keyring, lambda: house.keyring.note(officers.people, KeyAct.GENERATE_KEK, newest + 1))
        house.backend.generate(KeyUse.KEK, newest + 1, officers.people.time_ms)
        return f"KEK {newest + 1} was made", False
    if left := sum(counts[version] for version in olds):
        throttle = Throttle(per_second)
        change_ring(
            house.keyring,
            lambda: house.keyring.rewrap(newest, officers.people, lambda: time.sleep(throttle.wait_s())),
        )
        return f"{left} keys were wrapped anew under KEK {newest}", False
    if not olds:
        return f"KEK {newest} is the only one", True
    checked_count = house.check_restore()
    change_ring(house.keyring, lambda: house.keyring.note(officers.people, KeyAct.DESTROY_KEK, olds[0]))
    house.backend.destroy(KeyUse.KEK, olds[0])
    return (
        f"{checked_count} keys opened from the files as they are now; KEK {olds[0]} was destroyed. Copies of the"
        " keystore from before still hold it: destroy them",
        len(olds) == 1,
    )


def next_sign(keys: KeyHouse, officers: Officers, to: int | None) -> tuple[int, bool]:
    """The newest signing key, made if it is not there: its version, and whether it was made now."""
    newest = max(resident_versions(keys, KeyUse.SIGN))
    if to == newest:
        return newest, False
    if to not in (None, newest + 1):
        raise CommandError(f"--to: expected signing key {newest} or the next one, {newest + 1}, got {to}")
    change_ring(keys.keyring, lambda: keys.keyring.note(officers.people, KeyAct.GENERATE_SIGN, newest + 1))
    keys.backend.generate(KeyUse.SIGN, newest + 1, officers.people.time_ms)
    return newest + 1, True
