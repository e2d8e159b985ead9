"""The operator's connection to a running switch: options that all commands share, sign-on, trace numbers, records."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from cyclopts import Group, Parameter

from switch._clock import now_ms
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import Reply
from switch.protocol.records import RecordKind, SwitchRecord
from terminals.client import Client
from terminals.credentials import Credentials, read_credentials
from terminals.errors import LinkLostError, RefusedBySwitchError, SwitchUnreachableError, TraceFileError
from terminals.link import Link
from terminals.policy import Policy
from terminals.terminal_key import TerminalKey
from terminals.till_calls import RecordsNotListedError
from terminals.trace import TRACE_NUMBER_MAX, MemoryTrace
from terminals.trace_file import FileTrace

from .output import CommandError, Output

POLICY = Policy(request_timeout_ms=10_000, settle_deadline_ms=20_000)
"""For a person at a keyboard: nobody waits at a till, but a wrong address should be told within seconds."""
LOCK_WAIT_S = 15
"""Another command of the same terminal is waited for this long."""
LOCK_LOOK_S = 0.05
FINGERPRINT_DIGITS = 12
NUMBERS_PER_MS = 4
"""No terminal settles more requests than this, one after the other."""

SWITCH = Group("Switch and output", sort_key=90)
T = TypeVar("T")


@Parameter(name="*")
@dataclass(frozen=True)
class Switch:
    """Options of every command that talks to a running switch."""

    connect: Annotated[str, Parameter(env_var="CARDSWITCH_CONNECT", group=SWITCH)] = "127.0.0.1:7464"
    """HOST:PORT of the switch."""
    operator_key: Annotated[Path | None, Parameter(env_var="CARDSWITCH_OPERATOR_KEY", group=SWITCH)] = None
    """Key file of the terminal to sign on as: the first one is operator.key in the switch's data directory."""
    operator: Annotated[int, Parameter(env_var="CARDSWITCH_OPERATOR", group=SWITCH)] = 0
    """Your number as a person; the switch records it, and asks for it where two persons are needed."""
    json: Annotated[bool, Parameter(negative="", group=SWITCH)] = False
    """Print JSON for programs; amounts and points are decimal strings."""
    unmasked: Annotated[bool, Parameter(negative="", group=SWITCH)] = False
    """Print card numbers in full."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, colon, port = self.connect.rpartition(":")
        if not colon or not host or not port.isdecimal() or not 0 < int(port) <= 65_535:
            raise CommandError(f"--connect: expected HOST:PORT such as 127.0.0.1:7464, got {self.connect}")
        return host, int(port)

    @property
    def output(self) -> Output:
        """Where results go."""
        return Output(as_json=self.json, unmasked=self.unmasked)

    @property
    def key_path(self) -> Path:
        """The key file."""
        if self.operator_key is None or not self.operator_key.name:
            raise CommandError(
                "no key: expected --operator-key FILE or the environment variable CARDSWITCH_OPERATOR_KEY;"
                " the first operator's key is operator.key in the switch's data directory"
            )
        return self.operator_key

    def credentials(self) -> Credentials:
        """Terminal and key to sign on with."""
        return read_credentials(self.key_path)


DEFAULT = Switch()


class Desk:
    """A signed-on operator: the client, who asks, and where results go."""

    def __init__(self, client: Client, options: Switch) -> None:
        self.client = client
        self.operator_id = options.operator
        self.out = options.output

    def person(self, what: str) -> int:
        """The operator's number as a person, where the switch insists on one."""
        if not self.operator_id:
            raise CommandError(f"{what}: expected who does it, got nobody; add --operator or set CARDSWITCH_OPERATOR")
        return self.operator_id

    async def record(self, kind: RecordKind, form: type[T], *key: int) -> T | None:
        """The record with exactly this key."""
        found = await self.client.record(kind, *key)
        assert found is None or isinstance(found, form)
        return found

    async def records(self, kind: RecordKind, form: type[T], *key: int, owner: int | None = None) -> list[T]:
        """All records of a kind from a key on; with `owner` only those whose first key it is."""
        found: list[T] = []
        async for record in self.client.records(kind, *key):
            assert isinstance(record, form)
            if owner is not None and _first_key(record) != owner:
                break
            found.append(record)
        return found

    async def query(self, card_number: int) -> Reply | None:
        """The card as a till sees it now; nothing when this terminal may not ask (it lacks the right to pay)."""
        try:
            return await self.client.card_query(card_number)
        except RefusedBySwitchError as error:
            if error.code == ResponseCode.NOT_PERMITTED:
                return None
            raise

    async def today(self) -> int:
        """The switch's business date."""
        return (await self.client.echo()).business_date

    async def time_zone(self) -> ZoneInfo:
        """The switch's time zone, in which its stores tell the time."""
        switches = await self.records(RecordKind.SWITCH, SwitchRecord)
        return ZoneInfo(switches[0].timezone.rstrip(b"\0").decode("ascii"))


def _first_key(record: Packed | Any) -> int:
    return int.from_bytes(record.encode()[8:16], "little")


def at_desk(
    options: Switch,
    work: Callable[[Desk], Awaitable[int]],
    *,
    is_repeatable: bool = True,
    only_reads: bool = False,
    key: TerminalKey | None = None,
) -> int:
    """Sign on, settle what an interrupted command has left open, do the work; the exit status.

    Work that is done twice when it is asked for twice is not repeatable: when
    something was open it may have been this very command, so nothing more is
    done until the operator has seen what became of it.  Work that only reads
    has no trace numbers: it may go on for days beside other commands of the same
    key.  `key` is the key file for work that changes it.
    """
    return asyncio.run(_at_desk(options, work, is_repeatable=is_repeatable, only_reads=only_reads, key=key))


async def _at_desk(
    options: Switch,
    work: Callable[[Desk], Awaitable[int]],
    *,
    is_repeatable: bool,
    only_reads: bool,
    key: TerminalKey | None,
) -> int:
    credentials = options.credentials()
    if key is None or key.next is None:
        await _sign_on_once(options, credentials)
    kept = None if only_reads else open_trace(credentials, now_ms())
    trace = kept or MemoryTrace("nothing is sent that must not be done twice")
    try:
        async with Client(*options.address, key or credentials, trace, policy=POLICY) as client:
            desk = Desk(client, options)
            if await _settle(desk) and not is_repeatable:
                raise CommandError(
                    "an interrupted command was settled first, and nothing else was done; look what it has done"
                    " (`cardswitch card show`), and run this one again if it is still wanted"
                )
            return await work(desk)
    except SwitchUnreachableError as error:
        raise CommandError(f"{options.connect}: {error}; is `cardswitch serve` running there?") from None
    except RefusedBySwitchError as error:
        hint = " Use a key with that right, or give it: `cardswitch terminal put --rights`."
        raise CommandError(f"{error}{hint if error.code == ResponseCode.NOT_PERMITTED else ''}") from None
    except RecordsNotListedError as error:
        raise CommandError(f"{error}; name the one you want by its number") from None
    finally:
        if kept is not None:
            kept.shut()


async def _sign_on_once(options: Switch, credentials: Credentials) -> None:
    """A wrong address or key is told at once; later a lost connection is waited for, because something may be open."""
    try:
        link = await Link.connect(*options.address, credentials)
    except LinkLostError as error:
        raise CommandError(str(error)) from None
    await link.close()


async def _settle(desk: Desk) -> bool:
    """What an earlier command has sent and not heard of is sent again, the same bytes, so it is done once.

    Whether there was anything.
    """
    if not desk.client.unsettled:
        return False
    for outcome in await desk.client.settle():
        desk.out.note(f"from an interrupted command: {outcome.meaning}")
    for request in desk.client.unsettled:
        if request.stuck_code:
            desk.out.note(
                f"request {request.trace_number} of an interrupted command can no longer be settled; look whether it"
                " was done (`cardswitch card show`, `cardswitch journal show`)"
            )
            desk.client.forget(request.trace_number)
    return True


def open_trace(credentials: Credentials, at_ms: int, folder: Path | None = None) -> FileTrace:
    """The trace file of a terminal, after any other command that uses it has ended.

    Two runs never use one trace number: they share this file, whose lock lets
    one of them in at a time, and it counts on from run to run. Where the file
    is new (another machine, a state folder that was cleared) it begins at the
    quarters of a millisecond of now, modulo 2^32, which come again after twelve
    days: ahead of every number that an older file has given out for today or
    yesterday, since each of them took two syncs here, one at the switch, and the
    way there and back. The switch itself refuses a number that comes again with
    other content (TRACE_REUSED), so a clock set back costs a refusal and
    nothing else.
    """
    folder = folder or state_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Named after the key too: the same terminal number on another switch is somebody else.
    fingerprint = hashlib.sha256(b"cardswitch trace" + credentials.key).hexdigest()[:FINGERPRINT_DIGITS]
    path = folder / f"terminal-{credentials.terminal_id}-{fingerprint}.trace"
    first_number = at_ms * NUMBERS_PER_MS % TRACE_NUMBER_MAX + 1
    for _ in range(int(LOCK_WAIT_S / LOCK_LOOK_S)):
        try:
            return FileTrace(path, credentials.terminal_id, first_number=first_number)
        except TraceFileError as error:
            if "another process" not in str(error):
                raise
            time.sleep(LOCK_LOOK_S)
    return FileTrace(path, credentials.terminal_id, first_number=first_number)


def state_folder() -> Path:
    """Where trace files are kept: XDG_STATE_HOME/cardswitch, by default ~/.local/state/cardswitch."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "cardswitch"
