"""`cardswitch terminal key`, `keys`, `block`: how terminals' keys stand, and what is done about a lost terminal."""

from __future__ import annotations

import collections
from typing import Any

from cyclopts import App

from switch.protocol.messages import PutTerminalRequest, TerminalFlag, TerminalStatus
from switch.protocol.records import RecordKind, TerminalRecord
from terminals.operators import KEEPS_KEYS
from terminals.outcome import Verdict
from terminals.terminal_key import TerminalKey

from .configure import terminal_app
from .desk import DEFAULT, Desk, Switch, at_desk
from .form import bits_of
from .output import CommandError, insist

ALL = "all"

key_app = App(
    name="key",
    help="Keys of terminals.\n\nFor example:\n    cardswitch terminal key renew 7",
    help_format="plaintext",
)
terminal_app.command(key_app)


async def _put_again(desk: Desk, record: TerminalRecord, *, status: int, flags: int) -> None:
    """The terminal as it is, with its keys, in another state."""
    outcome = await desk.client.put_terminal(
        record.terminal_id, KEEPS_KEYS, store_id=record.store_id, rights=record.rights, status=status, flags=flags
    )
    insist(outcome, f"terminal {record.terminal_id}", PutTerminalRequest)


async def _terminals(desk: Desk, which: tuple[str, ...]) -> list[TerminalRecord]:
    """The terminals with these numbers, or all that are active."""
    if which == (ALL,):
        records = await desk.records(RecordKind.TERMINAL, TerminalRecord)
        return [record for record in records if record.status == TerminalStatus.ACTIVE]
    found = []
    for text in which:
        if not text.isdecimal():
            raise CommandError(f"expected numbers of terminals, or {ALL}, got {text}")
        record = await desk.record(RecordKind.TERMINAL, TerminalRecord, int(text))
        if record is None:
            raise CommandError(f"terminal {text}: expected one that exists; `cardswitch terminal list` shows them")
        found.append(record)
    return found


@key_app.command(name="renew")
def renew_key(*terminals: str, switch: Switch = DEFAULT) -> int:
    """Have terminals change their keys: each does it by itself, at a quiet moment behind its next sign-on.

    For example:
        cardswitch terminal key renew 7 8
        cardswitch terminal key renew all

    Nobody has to carry a file, and nothing is interrupted. Next:
    `cardswitch terminal keys` shows how many are still to come.

    Parameters
    ----------
    terminals
        Numbers of terminals, or the word all (those that are not active are left out).
    """
    if not terminals:
        raise CommandError(f"expected numbers of terminals, or {ALL}, got nothing")

    async def work(desk: Desk) -> int:
        asked = 0
        for record in await _terminals(desk, terminals):
            if record.status != TerminalStatus.ACTIVE:
                raise CommandError(
                    f"terminal {record.terminal_id}: expected an active one, got"
                    f" {TerminalStatus(record.status).name}; put it right with `cardswitch terminal put` first"
                )
            if not record.flags & TerminalFlag.RENEW_KEY:
                await _put_again(desk, record, status=record.status, flags=record.flags | TerminalFlag.RENEW_KEY)
                asked += 1
        desk.out.say(f"{asked} terminals will change their keys", asked=asked)
        return 0

    return at_desk(switch, work)


@key_app.command(name="change")
def change_key(*, switch: Switch = DEFAULT) -> int:
    """Change the key in the file of --operator-key: of the terminal that this command line signs on as.

    For example:
        cardswitch terminal key change --operator-key build/mine/operator.key

    The file has the new key afterwards, and copies of the old one are of no
    more use. When it is interrupted, run it again: the file then has both keys.
    """
    key = TerminalKey(switch.key_path)

    async def work(desk: Desk) -> int:
        outcome = await desk.client.change_key()
        if outcome.verdict is not Verdict.APPROVED:
            raise CommandError(f"terminal {key.key.terminal_id}: {outcome.meaning}; run the command again")
        desk.out.say(outcome.meaning, terminal=key.key.terminal_id, key_file=str(switch.key_path))
        return 0

    return at_desk(switch, work, key=key)


@terminal_app.command(name="keys")
def show_keys(*, switch: Switch = DEFAULT) -> int:
    """Count the terminals by the version of their key, by the storage key that wraps it, and by what is to come.

    For example:
        cardswitch terminal keys
    """

    async def work(desk: Desk) -> int:
        counts: collections.Counter[tuple[int, int, str, bool, str]] = collections.Counter()
        for record in await desk.records(RecordKind.TERMINAL, TerminalRecord):
            counts[
                record.key_version,
                record.storage_version,
                TerminalStatus(record.status).name,
                any(record.wrapped_next),
                ", ".join(bits_of(TerminalFlag, record.flags)),
            ] += 1
        rows: list[dict[str, Any]] = [
            {
                "key_version": version,
                "storage_version": storage_version,
                "status": status,
                "going_over": "yes" if is_going_over else "no",
                "flags": flags,
                "terminals": count,
            }
            for (version, storage_version, status, is_going_over, flags), count in sorted(counts.items())
        ]
        desk.out.rows(rows, nothing="no terminals")
        return 0

    return at_desk(switch, work)


@terminal_app.command(name="block")
def block_terminal(*terminals: str, switch: Switch = DEFAULT) -> int:
    """Shut out terminals that are lost: cut off at their next message, and signed on no more. Their keys stay.

    For example:
        cardswitch terminal block 7

    Found again? `cardswitch terminal put` with a new key file, so that whoever
    had it cannot use the old key.

    Parameters
    ----------
    terminals
        Numbers of terminals.
    """
    if not terminals or ALL in terminals:
        raise CommandError("expected numbers of terminals, one by one")

    async def work(desk: Desk) -> int:
        for record in await _terminals(desk, terminals):
            await _put_again(desk, record, status=TerminalStatus.BLOCKED, flags=record.flags)
            number = record.terminal_id
            desk.out.say(f"terminal {number}: BLOCKED", terminal=number, status=TerminalStatus.BLOCKED.name)
        return 0

    return at_desk(switch, work)
