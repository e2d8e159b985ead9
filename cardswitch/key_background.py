"""The long steps of rotations: wrapping anew under a storage or PIN key, and asking terminals for new keys.

Each goes on where it was when it is called again, and is throttled: sales go first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from pathlib import Path

from hsm.key_states import Purpose
from switch._clock import monotonic_ms
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import KeyState, PutTerminalRequest, RewrapKeyRequest, TerminalFlag, TerminalStatus
from switch.protocol.records import CardKeyRecord, CardRecord, KeyRecord, RecordKind, TerminalRecord

from .desk import Desk
from .key_plan import NAMES
from .key_progress import Pins, Records
from .output import CommandError, insist

RECORDS_PER_SECOND = 200
"""Requests a second to the switch: well below a hundredth of what it decides."""
NOTE_EVERY_RECORDS = 1_000
ROUNDS_MAX = 10
"""A balance store shows moments later what was done; ten rounds without an end mean that something else is wrong."""
GONE = (ResponseCode.TERMINAL_UNKNOWN, ResponseCode.MEDIUM_UNKNOWN, ResponseCode.CARD_UNKNOWN)
SWITCH_IN_USE = (KeyState.NEW, KeyState.ACTIVE, KeyState.VERIFY_ONLY)


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


async def rewrap_records(desk: Desk, data: Path, purpose: Purpose, version: int, per_second: float) -> str:
    """Wrap all that rests on another version of STORAGE or PIN under this one; what was done here, in words."""
    is_pin = purpose is Purpose.PIN
    find = _sealed_otherwise if is_pin else _wrapped_otherwise
    count = await _rewrap(desk, lambda: find(desk, data, version), NAMES[purpose], version, per_second)
    what = "PINs were sealed" if is_pin else "terminals and stored keys were wrapped"
    return f"{count:,} {what} anew under {NAMES[purpose]} {version}"


Wrapped = TerminalRecord | CardKeyRecord | CardRecord


async def _rewrap(
    desk: Desk, find: Callable[[], Awaitable[list[Wrapped]]], name: str, version: int, per_second: float
) -> int:
    throttle, done_count = Throttle(per_second), 0
    for _ in range(ROUNDS_MAX):
        left = await find()
        round_count = 0
        for record in left:
            outcome = await desk.client.rewrap_key(record, version)
            if outcome.code in GONE or outcome.code == ResponseCode.DONE_BEFORE:
                continue
            insist(outcome, f"wrapping anew under {name} key {version}", RewrapKeyRequest)
            round_count += 1
            if (done_count + round_count) % NOTE_EVERY_RECORDS == 0:
                desk.out.note(f"{done_count + round_count:,} wrapped anew, about {len(left) - round_count:,} to do")
            await asyncio.sleep(throttle.wait_s())
        done_count += round_count
        if not round_count:
            return done_count
    raise CommandError(
        f"{name} key {version}: expected an end of wrapping anew, got {done_count:,} done and still some left; run it"
        " again"
    )


async def _sealed_otherwise(desk: Desk, data: Path, version: int) -> list[Wrapped]:
    """Cards whose PIN rests on another version that is in use; those of a retired one have no PIN any more."""
    keys = await desk.records(RecordKind.KEY, KeyRecord, Purpose.PIN, owner=Purpose.PIN)
    in_use = {key.key_version for key in keys if key.state in SWITCH_IN_USE and key.key_version != version}
    pins = Pins(desk, data)
    return [card for number in sorted(in_use) for card in await pins.on(number)]


async def _wrapped_otherwise(desk: Desk, data: Path, version: int) -> list[Wrapped]:
    records = Records(desk, data)
    terminals: list[Wrapped] = [
        terminal
        async for terminal in records.each(RecordKind.TERMINAL, TerminalRecord)
        if terminal.storage_version != version
    ]
    card_keys: list[Wrapped] = [
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
