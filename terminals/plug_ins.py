"""Custom rules for points: follow the journal, ask each plug-in about each sale, credit what it grants.

A plug-in is a callable `points(bill, card, clock)` that returns pairs of
points category and points in hundredths (docs/plug-ins.md).  It is asked after
the sale, in a process of its own: a plug-in that fails, or is slow, costs the
sale nothing and is skipped.  Each credit carries a reference made of the
plug-in's name and the sale's sequence, and the switch takes a reference once;
so nothing that is repeated, here or after a restart, credits twice.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from switch.protocol.codes import CodeClass, ResponseCode, code_class
from switch.protocol.messages import (
    AdjustPointsRequest,
    FollowReply,
    MessageType,
    ReadRecordsReply,
    ReadRecordsRequest,
)
from switch.protocol.records import CardRecord, RecordKind, SwitchRecord

from ._clock import SYSTEM, Surroundings
from .bills import Sale, card_number_of, is_sale, sale_of
from .errors import SwitchUnreachableError, TerminalError
from .journal_feed import Entry, JournalFeed
from .masking import mask
from .outcome import name_code
from .plug_in_process import TIME_LIMIT_MS, PlugInFailedError, PlugInOverranError, PlugInProcess
from .plug_in_state import Counts, State, StateFile

if TYPE_CHECKING:
    from .client import Client

REFERENCE_BYTES = 16
POLL_MS = 500
"""Pause after the journal's end was reached."""
RETRY_MS = 2_000
"""Pause after the switch could not be reached."""

Report = Callable[[str], None]
T = TypeVar("T")


class PlugInsError(TerminalError):
    """The plug-ins cannot go on: the switch refuses what they live on."""


class Credit(enum.Enum):
    """What became of an adjustment."""

    CREDITED = "credited"
    REPEATED = "credited before"
    REFUSED = "refused"


class Switch(Protocol):
    """What the runner asks of the switch; `SwitchUnreachableError` when the answer is not known now."""

    async def follow(self, position: int, *, bytes_max: int = ...) -> FollowReply:
        """Journal bytes from a position on."""

    async def card(self, card_number: int) -> CardRecord:
        """A card's record as it is now."""

    async def time_zone(self) -> str:
        """The switch's time zone."""

    async def credit(
        self, card_number: int, category: int, points_hundredths: int, reference: bytes
    ) -> tuple[Credit, str]:
        """Adjust points once per reference; what became of it, and why."""


class ClientSwitch:
    """The switch behind a `Client` whose terminal has the rights FOLLOW and CARDS."""

    def __init__(self, client: Client, *, partition: int = 0, operator_id: int = 0, reason: int = 0) -> None:
        self._client = client
        self._partition = partition
        self._operator_id = operator_id
        self._reason = reason

    async def follow(self, position: int, *, bytes_max: int = 0xFFFF) -> FollowReply:
        """Journal bytes from a position on."""
        reply = await self._client.follow(position, partition=self._partition, bytes_max=bytes_max)
        if reply.code != ResponseCode.APPROVED:
            raise PlugInsError(
                f"journal: expected bytes of partition {self._partition} from position {position} on,"
                f" got {name_code(reply.code)}; check the partition, or move the state file away to begin at the end"
            )
        return reply

    async def card(self, card_number: int) -> CardRecord:
        """A card's record as it is now."""
        record = await self._record(RecordKind.CARD, card_number)
        card = CardRecord.decode(record) if record else None
        if card is None or card.card_number != card_number:
            raise PlugInsError(f"card {mask(card_number)}: expected the card of a sale, got no record of it")
        return card

    async def time_zone(self) -> str:
        """The switch's time zone."""
        record = await self._record(RecordKind.SWITCH, self._partition)
        if not record:
            raise PlugInsError(f"switch: expected the record of partition {self._partition}, got none")
        return SwitchRecord.decode(record).timezone.rstrip(b"\0").decode("ascii")

    async def credit(
        self, card_number: int, category: int, points_hundredths: int, reference: bytes
    ) -> tuple[Credit, str]:
        """Adjust points once per reference; what became of it, and why."""
        if self._client.unsettled:
            await self._client.settle()  # the reference keeps what is sent again below from counting twice
        outcome = await self._client._keyed(
            MessageType.ADJUST_POINTS,
            lambda trace_number, business_date, stamp_ms: AdjustPointsRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=stamp_ms,
                card_number=card_number,
                points_hundredths=points_hundredths,
                category=category,
                reason=self._reason,
                operator_id=self._operator_id,
                reference=reference,
            ),
        )
        if outcome.code is None or code_class(outcome.code) is CodeClass.RETRY:
            raise SwitchUnreachableError(outcome.meaning)
        if outcome.approved:
            return Credit.CREDITED, outcome.meaning
        if outcome.code == ResponseCode.CREDITED_BEFORE:
            return Credit.REPEATED, outcome.meaning
        if code_class(outcome.code) is CodeClass.ERROR:
            raise PlugInsError(f"adjust points: expected to be heard, got {name_code(outcome.code)}: {outcome.meaning}")
        return Credit.REFUSED, f"{name_code(outcome.code)}: {outcome.meaning}"

    async def _record(self, kind: RecordKind, key: int) -> bytes:
        request = ReadRecordsRequest(kind=kind, count_max=1, key_a=key)
        reply = await self._client._ask(MessageType.READ_RECORDS, request.encode())
        assert isinstance(reply, ReadRecordsReply)
        if reply.code != ResponseCode.APPROVED:
            raise PlugInsError(f"read records: expected {kind.name} records, got {name_code(reply.code)}")
        return reply.records


class PlugInRunner:
    """Takes every approved debit, in the order of the journal, to every plug-in."""

    def __init__(
        self,
        switch: Switch,
        plug_ins: Sequence[PlugInProcess],
        state_file: StateFile,
        report: Report,
        surroundings: Surroundings = SYSTEM,
    ) -> None:
        names = [plug_in.name for plug_in in plug_ins]
        if not names or len({*names}) != len(names):
            raise ValueError(f"plug-ins: expected one or more with names of their own, got {names}")
        self._switch = switch
        self._plug_ins = plug_ins
        self._state_file = state_file
        self._report = report
        self._sleep_ms = surroundings.sleep_ms
        self._feed = JournalFeed()
        self._time_zone = ""
        self.counts: dict[str, Counts] = {}

    async def begin(self, *, from_beginning: bool = False) -> None:
        """Go on where the state file says; without one at the journal's durable end, or at its beginning."""
        state = self._state_file.load()
        if state is None:
            position = 0 if from_beginning else (await self._switch.follow(0, bytes_max=1)).durable_position
            state = State(position, "")
        self._feed = JournalFeed(state.position, bytes.fromhex(state.block_hash))
        self.counts = {**state.counts}
        for plug_in in self._plug_ins:
            self.counts.setdefault(plug_in.name, Counts())
        self._time_zone = await self._switch.time_zone()
        self._save()

    async def catch_up(self) -> int:
        """Take everything that is durable now; the number of sales."""
        sale_count = 0
        while True:
            reply = await self._switch.follow(self._feed.wanted_position)
            if not reply.journal_bytes:
                return sale_count
            position = self._feed.position
            for entries in self._feed.take(reply):
                for entry in entries:
                    if is_sale(entry):
                        sale_count += 1
                        await self._ask_all(entry)
            if self._feed.position != position:
                self._save()

    async def run(self) -> None:
        """Follow until cancelled, whether the switch is there or not."""
        while True:
            try:
                await self.catch_up()
            except SwitchUnreachableError as error:
                self._report(f"following waits: {error}")
                await self._sleep_ms(RETRY_MS)
            await self._sleep_ms(POLL_MS)

    async def _ask_all(self, entry: Entry) -> None:
        card = await self._patiently(lambda: self._switch.card(card_number_of(entry)))
        sale = sale_of(entry, card, self._time_zone)
        for plug_in in self._plug_ins:
            counts = self.counts[plug_in.name]
            counts.sales += 1
            try:
                granted = await plug_in.ask(sale)
            except PlugInFailedError as error:
                overran = isinstance(error, PlugInOverranError)
                counts.overran += overran
                counts.failed += not overran
                self._report(f"sale {entry.header.sequence} was skipped: {error}")
                continue
            for category, points_hundredths in granted.items():
                await self._credit(plug_in.name, sale, category, points_hundredths)

    async def _credit(self, name: str, sale: Sale, category: int, points_hundredths: int) -> None:
        reference = reference_of(name, sale.bill.sequence, category)
        credit, why = await self._patiently(
            lambda: self._switch.credit(sale.card.card_number, category, points_hundredths, reference)
        )
        counts = self.counts[name]
        counts.credited += credit is Credit.CREDITED
        counts.repeated += credit is Credit.REPEATED
        counts.refused += credit is Credit.REFUSED
        if credit is Credit.REFUSED:
            self._report(
                f"plug-in {name}: the switch refused {points_hundredths} hundredths of category {category}"
                f" for sale {sale.bill.sequence}, card {mask(sale.card.card_number)}: {why}"
            )

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer: the next sale comes after this one."""
        while True:
            try:
                return await ask()
            except SwitchUnreachableError as error:
                self._report(f"a sale waits: {error}")
                await self._sleep_ms(RETRY_MS)

    def _save(self) -> None:
        self._state_file.save(State(self._feed.position, self._feed.block_hash.hex(), self.counts))


def reference_of(name: str, sequence: int, category: int) -> bytes:
    """What the switch knows a credit by: the same for the same plug-in, sale and category, whenever it is asked."""
    named = name.encode() + b"\0" + sequence.to_bytes(8, "little") + bytes([category])
    return hashlib.sha256(named).digest()[:REFERENCE_BYTES]


async def run_plug_ins(
    client: Client,
    targets: dict[str, str],
    state_path: Path,
    report: Report,
    *,
    time_limit_ms: int = TIME_LIMIT_MS,
    partition: int = 0,
    operator_id: int = 0,
    from_beginning: bool = False,
    until_end: bool = False,
) -> dict[str, Counts]:
    """Run plug-ins (name to target, see `find_rule`) until cancelled, or with `until_end` up to what is durable now."""
    state_file = StateFile(state_path)
    plug_ins = [PlugInProcess(name, target, time_limit_ms=time_limit_ms) for name, target in targets.items()]
    runner = PlugInRunner(
        ClientSwitch(client, partition=partition, operator_id=operator_id), plug_ins, state_file, report
    )
    try:
        for plug_in in plug_ins:
            await plug_in.start()
        await runner.begin(from_beginning=from_beginning)
        if until_end:
            await runner.catch_up()
        else:
            await runner.run()
    finally:
        for plug_in in plug_ins:
            await plug_in.stop()
        state_file.close()
    return runner.counts
