"""Closing a business date: till and switch agree on every request of it, or the till says which ones differ.

The till sends its totals.  When the switch has others, digests of ranges of
trace numbers narrow the difference down (256 parts in one message, so one sale
among ten thousand takes two steps), lists name the requests that differ, and
each is repaired; then the totals go again.

| the till's book has            | the switch has          | repair                                                  |
|--------------------------------|-------------------------|---------------------------------------------------------|
| approved                       | nothing                 | sent again, the same bytes                              |
| refused                        | nothing                 | struck from the book                                    |
| refused, or given up           | approved                | reversed, or adopted when the goods are sold (`unheard`)|
| undone by a reversal           | anything                | adopted: the reversal stands beside it                  |
| another amount or entry        | approved                | adopted                                                 |
| approved                       | refused                 | adopted, and shown to a person: goods without money     |
| nothing                        | refused                 | adopted                                                 |
| nothing                        | approved                | left, or adopted (`unrecorded`)                         |
| a request that is still open   | anything                | left: whoever asked settles it                          |
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from switch.protocol.codes import CodeClass, ResponseCode, code_class
from switch.protocol.layout import Packed
from switch.protocol.limits import DAY_DIGEST_PARTS_MAX, DAY_LIST_ROWS_MAX
from switch.protocol.messages import (
    DayDigest,
    DayDigestsRequest,
    DayListRequest,
    DayReply,
    DayRow,
    DayTotal,
    DayTotalsRequest,
    DebitFlag,
    DebitRequest,
    MessageType,
    decode_rows,
)
from switch.protocol.session import AnyReply

from ._clock import Surroundings
from .day_close_report import DEFAULT_CLOSE_POLICY, Choice, ClosePolicy, DayCloseReport, Difference, Repair
from .errors import SwitchUnreachableError
from .outcome import Outcome, meaning_of, name_code
from .settlement import Settler, heard_of
from .trace import BookedRequest, Heard, OpenRequest, TraceStore

Keyed = Callable[[MessageType, Callable[[int, int, int], Packed]], Awaitable[Outcome]]
"""Carries a request that is made from trace number, business date and stamp."""

TRACE_MAX = 2**32 - 1
DIGEST_BYTES = 16
BUSY_PAUSE_MS = 100
BUSY_COUNT_MAX = 50
"""A switch that cannot read its journal for five seconds has other worries than this close."""


@dataclass(slots=True)
class _Progress:
    business_date: int
    settled: list[Outcome]
    round_count: int = 0
    message_count: int = 0
    differences: dict[int, Difference] = field(default_factory=dict)
    totals: tuple[DayTotal, ...] = ()

    def report(self, is_closed: bool, meaning: str) -> DayCloseReport:
        return DayCloseReport(
            self.business_date,
            is_closed,
            self.round_count,
            self.message_count,
            tuple(self.differences.values()),
            tuple(self.settled),
            self.totals,
            meaning,
        )


class _Book:
    """The till's rows of a date, in order of trace number, as they are now."""

    def __init__(self, entries: list[BookedRequest]) -> None:
        self.entries = {entry.request.trace_number: entry for entry in entries}
        self.rows = [row for entry in entries if (row := row_of(entry)) is not None]
        self._trace_numbers = [row.trace_number for row in self.rows]
        self._encoded = [row.encode() for row in self.rows]

    def between(self, first: int, last: int) -> slice:
        return slice(bisect_left(self._trace_numbers, first), bisect_left(self._trace_numbers, last + 1))

    def digest(self, first: int, last: int) -> DayDigest:
        encoded = self._encoded[self.between(first, last)]
        digest = hashlib.sha256(b"".join(encoded)).digest()[:DIGEST_BYTES]
        return DayDigest(row_count=len(encoded), digest=digest)

    def totals(self) -> tuple[DayTotal, ...]:
        sums: dict[int, tuple[int, int]] = {}
        for row in self.rows:
            if code_class(row.code) is CodeClass.APPROVED:
                count, amount_minor = sums.get(row.type, (0, 0))
                sums[row.type] = count + 1, amount_minor + row.amount_minor
        return tuple(DayTotal(type=type_, count=n, amount_minor=sum_) for type_, (n, sum_) in sorted(sums.items()))


def row_of(entry: BookedRequest) -> DayRow | None:
    """A booked request as the switch lists it; nothing when its answer was never heard."""
    request, heard = entry.request, entry.heard
    if heard is None:
        return None
    return DayRow(
        trace_number=request.trace_number,
        type=request.type,
        code=heard.code,
        amount_minor=heard.amount_minor,
        journal_sequence=heard.journal_sequence,
    )


class DayCloser:
    """Closes dates of one terminal; `keyed`, `ask` and `settle` are the client's."""

    def __init__(
        self,
        trace: TraceStore,
        settler: Settler,
        keyed: Keyed,
        ask: Callable[[MessageType, bytes], Awaitable[AnyReply]],
        settle: Callable[[], Awaitable[list[Outcome]]],
        surroundings: Surroundings,
        policy: ClosePolicy = DEFAULT_CLOSE_POLICY,
    ) -> None:
        self._trace, self._settler, self._policy = trace, settler, policy
        self._keyed, self._ask, self._settle = keyed, ask, settle
        self._surroundings = surroundings

    async def close(self, business_date: int) -> DayCloseReport:
        """Settle what is open, then compare and repair until the totals are the same or nothing more can be done."""
        if self._policy.unheard is Choice.ADOPT:
            await self._ask_again_for_open_debits()
        progress = _Progress(business_date, await self._settle())
        try:
            return await self._close(progress)
        except SwitchUnreachableError as error:
            return progress.report(False, f"Not closed: {error}")

    async def _close(self, progress: _Progress) -> DayCloseReport:
        while progress.round_count < self._policy.rounds_max:
            outcome = await self._send_totals(progress)
            if outcome.reply is not None and outcome.code in (ResponseCode.APPROVED, ResponseCode.TOTALS_DIFFER):
                progress.totals = outcome.reply.totals
            if outcome.code == ResponseCode.APPROVED:
                return progress.report(True, "Closed: till and switch have the same totals.")
            if outcome.code != ResponseCode.TOTALS_DIFFER:
                return progress.report(False, f"Not closed: {outcome.meaning}")
            book = _Book(self._trace.booked(progress.business_date))
            repaired_count = found_count = 0
            for first, last in await self._differing_ranges(progress, book):
                for number, ours, theirs in await self._pairs(progress, book, first, last):
                    difference = await self._repair(progress.business_date, number, ours, theirs)
                    progress.differences[difference.trace_number] = difference
                    found_count += 1
                    repaired_count += difference.repair is not Repair.LEFT
            if found_count and not repaired_count:
                return progress.report(False, f"Not closed: {found_count} requests differ, and a person has to look.")
        return progress.report(False, f"Not closed after {progress.round_count} rounds; close again when sales rest.")

    async def _send_totals(self, progress: _Progress) -> Outcome:
        totals = _Book(self._trace.booked(progress.business_date)).totals()
        progress.round_count += 1
        progress.message_count += 1
        return await self._keyed(
            MessageType.DAY_TOTALS,
            lambda trace_number, business_date, now_ms: DayTotalsRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=now_ms,
                closed_date=progress.business_date,
                totals=totals,
            ),
        )

    async def _ask_again_for_open_debits(self) -> None:
        """The goods are sold: hear the answers to open debits instead of undoing them."""
        for request in self._trace.open_requests():
            if request.type != MessageType.DEBIT or request.stuck_code or request.trace_number in self._settler.carried:
                continue
            reply, _ = await self._settler.until_answered(request, self._settler.deadline_ms())
            heard = heard_of(request, reply)
            if heard is not None:
                self._trace.close(request.trace_number, heard)  # disk

    # ------------------------------------------------------------------- where they differ

    async def _differing_ranges(self, progress: _Progress, book: _Book) -> list[tuple[int, int]]:
        """Ranges of trace numbers to list, in ascending order; neighbours are one."""
        if book.rows:
            low, high = book.rows[0].trace_number, book.rows[-1].trace_number
            waiting = [(0, low - 1, 1), (low, high, DAY_DIGEST_PARTS_MAX), (high + 1, TRACE_MAX, 1)]
        else:
            waiting = [(0, TRACE_MAX, 1)]
        found: list[tuple[int, int]] = []
        while waiting:
            first, last, part_count = waiting.pop(0)
            if first > last:
                continue
            for part_first, part_last, ours, theirs in await self._compare(progress, book, first, last, part_count):
                if ours == theirs:
                    continue
                if part_first < part_last and max(ours.row_count, theirs.row_count) > DAY_LIST_ROWS_MAX:
                    waiting.append((part_first, part_last, DAY_DIGEST_PARTS_MAX))
                else:
                    found.append((part_first, part_last))
        joined: list[tuple[int, int]] = []
        for first, last in sorted(found):
            if joined and joined[-1][1] + 1 == first:
                joined[-1] = joined[-1][0], last
            else:
                joined.append((first, last))
        return joined

    async def _compare(
        self, progress: _Progress, book: _Book, first: int, last: int, part_count: int
    ) -> list[tuple[int, int, DayDigest, DayDigest]]:
        """Parts of a range: first and last trace number, the till's digest, the switch's."""
        part_count = min(part_count, last - first + 1)
        request = DayDigestsRequest(
            stamp_ms=self._surroundings.now_ms(),
            closed_date=progress.business_date,
            first_trace=first,
            last_trace=last,
            part_count=part_count,
        )
        reply = await self._inquire(progress, MessageType.DAY_DIGESTS, request.encode())
        part_length = -(-(last - first + 1) // part_count)
        parts = []
        for number, theirs in enumerate(decode_rows(DayDigest, reply.more)):
            part_first = first + number * part_length
            part_last = min(last, part_first + part_length - 1)
            parts.append((part_first, part_last, book.digest(part_first, part_last), theirs))
        return parts

    async def _pairs(
        self, progress: _Progress, book: _Book, first: int, last: int
    ) -> list[tuple[int, BookedRequest | None, DayRow | None]]:
        """Requests of a range on which both differ: trace number, the till's entry, the switch's row."""
        theirs: dict[int, DayRow] = {}
        next_trace = first
        while True:
            request = DayListRequest(
                stamp_ms=self._surroundings.now_ms(),
                closed_date=progress.business_date,
                first_trace=next_trace,
                last_trace=last,
            )
            reply = await self._inquire(progress, MessageType.DAY_LIST, request.encode())
            theirs |= {row.trace_number: row for row in decode_rows(DayRow, reply.more)}
            if reply.next_trace <= next_trace:
                break
            next_trace = reply.next_trace
        ours = {row.trace_number: row for row in book.rows[book.between(first, last)]}
        return [
            (number, book.entries.get(number), theirs.get(number))
            for number in sorted(ours.keys() | theirs.keys())
            if ours.get(number) != theirs.get(number)
        ]

    async def _inquire(self, progress: _Progress, type_: MessageType, body: bytes) -> DayReply:
        code = ResponseCode.BUSY.value
        for _ in range(BUSY_COUNT_MAX):
            progress.message_count += 1
            reply = await self._ask(type_, body)
            assert isinstance(reply, DayReply)
            if reply.code == ResponseCode.APPROVED:
                return reply
            code = reply.code
            if code_class(code) is not CodeClass.RETRY:
                break
            await self._surroundings.sleep_ms(BUSY_PAUSE_MS)
        raise SwitchUnreachableError(
            f"{type_.name}: expected rows, got {name_code(code)}: {meaning_of(code)} Close again later."
        )

    # ------------------------------------------------------------------- repairs

    async def _repair(
        self, business_date: int, number: int, ours: BookedRequest | None, theirs: DayRow | None
    ) -> Difference:
        heard = ours.heard if ours is not None else None

        def done(repair: Repair, meaning: str, *, needs_person: bool = False) -> Difference:
            type_ = theirs.type if theirs is not None else ours.request.type if ours is not None else 0
            return Difference(number, type_, heard, theirs, repair, meaning, needs_person or repair is Repair.LEFT)

        if self._trace.is_open(number):
            return done(Repair.LEFT, "Being settled; close again afterwards.")
        if theirs is None:
            assert ours is not None and heard is not None
            if not _is_approved(heard.code):
                self._trace.strike(ours)  # disk
                return done(Repair.ADOPTED, "Refused, and not known to the switch: struck from the book.")
            repair, meaning, is_loss = await self._send_again(ours)
            return done(repair, meaning, needs_person=is_loss)
        if ours is None:
            if _is_approved(theirs.code) and self._policy.unrecorded is not Choice.ADOPT:
                return done(Repair.LEFT, "Approved at the switch, and the till has no record of it.")
            self._adopt(_unrecorded(business_date, theirs), theirs)
            return done(Repair.ADOPTED, "The till had no record of it.", needs_person=_is_approved(theirs.code))
        if not _is_approved(theirs.code):
            self._adopt(ours, theirs)
            is_loss = heard is not None and _is_approved(heard.code)
            told = "The till took it for approved" if is_loss else "The till had another answer"
            return done(Repair.ADOPTED, f"{told}; the switch says: {meaning_of(theirs.code)}", needs_person=is_loss)
        if heard is None:
            self._adopt(ours, theirs)
            return done(Repair.ADOPTED, "Applied, then undone by the till's reversal.")
        if not _is_approved(heard.code):
            return done(*await self._resolve_unheard(ours, theirs))
        self._adopt(ours, theirs)
        return done(Repair.ADOPTED, "Approved on both sides, with another amount or another entry.", needs_person=True)

    def _adopt(self, ours: BookedRequest, theirs: DayRow) -> None:
        heard = Heard(code=theirs.code, amount_minor=theirs.amount_minor, journal_sequence=theirs.journal_sequence)
        self._trace.correct(BookedRequest(request=ours.request, heard=heard))  # disk

    async def _resolve_unheard(self, ours: BookedRequest, theirs: DayRow) -> tuple[Repair, str]:
        choice = self._policy.unheard
        if choice is Choice.LEAVE:
            return Repair.LEFT, "Approved at the switch, and the till took it for refused."
        if choice is Choice.REVERSE and theirs.type == MessageType.DEBIT:
            outcome = await self._settler.undo(ours.request, self._settler.deadline_ms())
            if not outcome.is_reversed:
                return Repair.LEFT, f"Could not be reversed: {outcome.meaning}"
            self._adopt(ours, theirs)
            return Repair.REVERSED, "Approved at the switch, and the till took it for refused: given back."
        self._adopt(ours, theirs)
        return Repair.ADOPTED, "Approved at the switch: kept."

    async def _send_again(self, ours: BookedRequest) -> tuple[Repair, str, bool]:
        """What was done, a sentence about it, and whether goods may be gone without money."""
        request = ours.request
        if not _can_be_sent_again(request):
            return Repair.LEFT, "Not known to the switch, and the till has not kept what it would have to send.", True
        reply, hint = await self._settler.until_answered(request, self._settler.deadline_ms())
        heard = heard_of(request, reply)
        if heard is None:
            return Repair.LEFT, f"Not known to the switch, and not taken now: {hint}", True
        self._trace.correct(BookedRequest(request=request, heard=heard))  # disk
        meaning = f"Not known to the switch; sent again: {meaning_of(heard.code)}"
        return Repair.SENT_AGAIN, meaning, not _is_approved(heard.code)


def _is_approved(code: int) -> bool:
    return code_class(code) is CodeClass.APPROVED


def _unrecorded(business_date: int, row: DayRow) -> BookedRequest:
    request = OpenRequest(trace_number=row.trace_number, business_date=business_date, type=row.type, body=b"")
    return BookedRequest(request=request)


def _can_be_sent_again(request: OpenRequest) -> bool:
    """Whether the book has the request's whole body: PINs are not kept."""
    if not request.body:
        return False
    return request.type != MessageType.DEBIT or not DebitRequest.decode(request.body).flags & DebitFlag.PIN
