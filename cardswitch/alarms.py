"""`cardswitch alarm`: what security staff must look at; seen, handled, watched."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from switch.protocol.messages import AlarmKind, AlarmState, CardStatus, HandleAlarmRequest, MediumKind
from switch.protocol.records import AlarmRecord, CardRecord, RecordKind
from terminals.errors import SwitchUnreachableError

from .configure import group_of
from .desk import DEFAULT, Desk, Switch, at_desk
from .medium_ids import format_medium_id
from .output import CommandError, insist, name_in
from .units import format_local

LIST_MAX = 1_000
WATCH_EVERY_S = 1.0
WATCH_EVERY_S_MIN, WATCH_EVERY_S_MAX = 0.1, 3_600.0
"""Often enough for a screen that somebody looks at; less would be a load, more no watch."""

StateName = Literal["new", "acknowledged", "cleared", "confirmed"]
KindName = Literal["clone", "code-replay", "enumeration", "travel"]
Sequence = Annotated[int, Parameter(help="Number of the alarm: journal sequence of the entry that raised it.")]

app = group_of(
    "alarm",
    "Alarms: copies, codes that were shown again, terminals that guess, cards in two stores at once.",
    "alarm list --state new",
)

WHAT_HAPPENED = {
    AlarmKind.CLONE: "two media with one identity: the payment was refused and the card is frozen",
    AlarmKind.CODE_REPLAY: "a code or a tag's message was shown again elsewhere: it was refused, and the card goes on",
    AlarmKind.ENUMERATION: "a terminal sent too many wrong proofs: it is in quarantine; no card is stopped",
    AlarmKind.TRAVEL: "used in another store sooner than anybody travels: the PIN is asked for",
}
WHAT_TO_DO = {
    AlarmKind.CLONE: (
        "ask the holder which sighting was his, and secure video and receipts of the other one",
        "give him another card: `cardswitch card replace`, `medium enrol`, `medium revoke`, then `card unfreeze`",
    ),
    AlarmKind.CODE_REPLAY: ("ask the holder; if he was robbed of his code, `cardswitch medium revoke` and enrol anew",),
    AlarmKind.ENUMERATION: (
        "look at the terminal before it sells again; `cardswitch terminal block` if it is lost",
        "`cardswitch terminal put` with a new key file ends the quarantine",
    ),
    AlarmKind.TRAVEL: ("ask the holder; if one use was not his, `cardswitch card freeze`",),
}


@app.command(name="list")
def list_alarms(
    *,
    state: StateName | None = None,
    kind: KindName | None = None,
    store: int | None = None,
    terminal: int | None = None,
    limit: int = LIST_MAX,
    switch: Switch = DEFAULT,
) -> int:
    """List alarms, the oldest first.

    For example:
        cardswitch alarm list --state new
        cardswitch alarm list --kind clone --store 12

    Next: `cardswitch alarm show` has both sightings of one.

    Parameters
    ----------
    state
        Only alarms in this state.
    kind
        Only alarms of this kind.
    store
        Only alarms with a sighting in this store.
    terminal
        Only alarms with a sighting at this terminal: several point to a skimmer there.
    limit
        Most alarms to list: the newest.
    """
    if limit < 1:
        raise CommandError(f"--limit: expected 1 or more, got {limit}")

    async def work(desk: Desk) -> int:
        zone = await desk.time_zone()
        found = [
            alarm
            for alarm in await desk.records(RecordKind.ALARM, AlarmRecord)
            if fits(alarm, state=state, kind=kind, store=store, terminal=terminal)
        ]
        desk.out.rows([row_of(desk, alarm, zone) for alarm in found[-limit:]], nothing="no alarms")
        if len(found) > limit:
            desk.out.note(f"the newest {limit:,} of {len(found):,}; ask for more with --limit")
        return 0

    return at_desk(switch, work)


@app.command
def show(sequence: Sequence, /, *, switch: Switch = DEFAULT) -> int:
    """Show an alarm with both sightings, and what to do next.

    For example:
        cardswitch alarm show 1204

    One of the two sightings is the thief. `cardswitch alarm acknowledge` says
    that you are at it.
    """

    async def work(desk: Desk) -> int:
        alarms = await desk.records(RecordKind.ALARM, AlarmRecord)
        alarm = next((one for one in alarms if one.sequence == sequence), None)
        if alarm is None:
            raise CommandError(f"alarm {sequence}: expected one that exists; `cardswitch alarm list` shows them")
        card = await desk.record(RecordKind.CARD, CardRecord, alarm.card_number) if alarm.card_number else None
        others = [one.sequence for one in alarms if one is not alarm and _terminals(one) & _terminals(alarm)]
        desk.out.facts(describe(desk, alarm, await desk.time_zone(), card, others))
        return 0

    return at_desk(switch, work)


def _handle(sequence: int, state: AlarmState, switch: Switch) -> int:
    async def work(desk: Desk) -> int:
        person = desk.person(f"alarm {sequence}")
        outcome = await desk.client.handle_alarm(sequence, state, person)
        insist(outcome, f"alarm {sequence}", HandleAlarmRequest)
        desk.out.say(f"alarm {sequence}: {state.name} by {person}", alarm=sequence, state=state.name, by=person)
        return 0

    return at_desk(switch, work)


@app.command
def acknowledge(sequence: Sequence, /, *, switch: Switch = DEFAULT) -> int:
    """Say that you look after an alarm. Needs --operator.

    For example:
        cardswitch alarm acknowledge 1204 --operator 7

    Next: `alarm confirm` or `alarm clear`, when it is known what it was.
    """
    return _handle(sequence, AlarmState.ACKNOWLEDGED, switch)


@app.command
def clear(sequence: Sequence, /, *, switch: Switch = DEFAULT) -> int:
    """Close an alarm: nobody did wrong. Needs --operator; it stays in the list, and cannot be opened again.

    For example:
        cardswitch alarm clear 1204 --operator 7

    Next: release what it has stopped (`card unfreeze`, `terminal put`).
    """
    return _handle(sequence, AlarmState.CLEARED, switch)


@app.command
def confirm(sequence: Sequence, /, *, switch: Switch = DEFAULT) -> int:
    """Close an alarm: it was fraud. Needs --operator; it stays in the list, and cannot be opened again.

    For example:
        cardswitch alarm confirm 1204 --operator 7

    Next: `card refund` gives back what the copy took; `receipt prove` is for the police.
    """
    return _handle(sequence, AlarmState.CONFIRMED, switch)


@app.command
def watch(
    *,
    every: float = WATCH_EVERY_S,
    store: int | None = None,
    kind: KindName | None = None,
    switch: Switch = DEFAULT,
) -> int:
    """Print the alarms that nobody has looked at, then each new one as it comes, until Ctrl-C.

    For example:
        cardswitch alarm watch --store 12

    It may run for days beside other commands, and waits while the switch is
    away. With --json each alarm is one line.

    Parameters
    ----------
    every
        Seconds between two looks.
    store
        Only alarms with a sighting in this store.
    kind
        Only alarms of this kind.
    """
    if not WATCH_EVERY_S_MIN <= every <= WATCH_EVERY_S_MAX:
        raise CommandError(f"--every: expected {WATCH_EVERY_S_MIN} to {WATCH_EVERY_S_MAX:,.0f} seconds, got {every}")

    async def follow(desk: Desk) -> None:
        zone = await desk.time_zone()
        begin, only_new = 0, True
        while True:
            try:
                for alarm in await desk.records(RecordKind.ALARM, AlarmRecord, begin):
                    begin = alarm.sequence + 1
                    is_wanted = alarm.state == AlarmState.NEW or not only_new
                    if is_wanted and fits(alarm, store=store, kind=kind):
                        _print_line(desk, alarm, zone)
                only_new = False
            except SwitchUnreachableError as error:
                desk.out.note(f"alarm watch: {error}; going on when it is back")
            await asyncio.sleep(every)

    async def work(desk: Desk) -> int:
        following = asyncio.ensure_future(follow(desk))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, following.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await following
        return 0

    return at_desk(switch, work, only_reads=True)


# --------------------------------------------------------------------------- in words


def fits(
    alarm: AlarmRecord,
    *,
    state: str | None = None,
    kind: str | None = None,
    store: int | None = None,
    terminal: int | None = None,
) -> bool:
    """Whether an alarm is of those that are asked for; names as on the command line."""
    return (
        (state is None or name_in(AlarmState, alarm.state).lower() == state)
        and (kind is None or name_in(AlarmKind, alarm.alarm).lower().replace("_", "-") == kind)
        and (store is None or store in (alarm.first_store_id, alarm.second_store_id))
        and (terminal is None or terminal in _terminals(alarm))
    )


def row_of(desk: Desk, alarm: AlarmRecord, zone: ZoneInfo) -> dict[str, Any]:
    """An alarm in a list."""
    return {
        "alarm": alarm.sequence,
        "kind": name_in(AlarmKind, alarm.alarm),
        "state": name_in(AlarmState, alarm.state),
        "card": desk.out.card(alarm.card_number),
        "medium": name_in(MediumKind, alarm.medium),
        "time": format_local(alarm.second_ms, zone),
        "terminal": alarm.second_terminal_id,
        "store": alarm.second_store_id,
        "terminal_before": alarm.first_terminal_id or None,
        "store_before": alarm.first_store_id or None,
        "by": alarm.operator_id or None,
    }


def describe(
    desk: Desk, alarm: AlarmRecord, zone: ZoneInfo, card: CardRecord | None, others: list[int]
) -> dict[str, Any]:
    """All of an alarm, ready to be printed; `others` are alarms at the same terminals."""
    is_enumeration = alarm.alarm == AlarmKind.ENUMERATION
    first = None
    if alarm.first_terminal_id:
        first = _sighting(alarm.first_terminal_id, alarm.first_store_id, alarm.first_ms, alarm.first_counter, zone)
    second = _sighting(alarm.second_terminal_id, alarm.second_store_id, alarm.second_ms, alarm.second_counter, zone)
    if is_enumeration:
        del second["counter"]
    return {
        "alarm": alarm.sequence,
        "kind": name_in(AlarmKind, alarm.alarm),
        "state": name_in(AlarmState, alarm.state),
        "by": alarm.operator_id or None,
        "what": next((words for kind, words in WHAT_HAPPENED.items() if kind == alarm.alarm), None),
        "card": desk.out.card(alarm.card_number),
        "card_status": name_in(CardStatus, card.status) if card else None,
        "medium": name_in(MediumKind, alarm.medium),
        "medium_id": format_medium_id(alarm.medium, alarm.medium_id, unmasked=desk.out.unmasked),
        "wrong_proofs": alarm.first_counter if is_enumeration else None,
        "first_sighting": first,
        "second_sighting": second,
        "same_terminals": others,
        "next": [{"to_do": words} for words in next_steps(alarm)],
    }


def next_steps(alarm: AlarmRecord) -> list[str]:
    """What there is to do about an alarm in its state, one after the other."""
    number = alarm.sequence
    if alarm.state not in (AlarmState.NEW, AlarmState.ACKNOWLEDGED):
        return []
    steps = [f"`cardswitch alarm acknowledge {number}`"] if alarm.state == AlarmState.NEW else []
    steps += next((words for kind, words in WHAT_TO_DO.items() if kind == alarm.alarm), ())
    return [*steps, f"`cardswitch alarm confirm {number}` if it was fraud, `cardswitch alarm clear {number}` if not"]


def _sighting(terminal: int, store: int, time_ms: int, counter: int, zone: ZoneInfo) -> dict[str, Any]:
    return {"terminal": terminal, "store": store, "time": format_local(time_ms, zone), "counter": counter}


def _terminals(alarm: AlarmRecord) -> set[int]:
    return {alarm.first_terminal_id, alarm.second_terminal_id} - {0}


def _print_line(desk: Desk, alarm: AlarmRecord, zone: ZoneInfo) -> None:
    row = row_of(desk, alarm, zone)
    if desk.out.as_json:
        desk.out.line(row)
        return
    before = f", before that terminal {row['terminal_before']} store {row['store_before']}"
    print(
        f"{row['time']}  alarm {row['alarm']}  {row['kind']}  card {row['card'] or '(none)'}  {row['medium']}"
        f"  terminal {row['terminal']} store {row['store']}{before if row['terminal_before'] else ''}",
        flush=True,
    )
