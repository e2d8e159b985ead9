"""A till and a small switch in memory, for closing days without a network."""

from __future__ import annotations

import asyncio
import hashlib
from typing import cast

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    REPLY_BIT,
    DayDigest,
    DayDigestsRequest,
    DayListRequest,
    DayReply,
    DayRow,
    DayTotal,
    DayTotalsRequest,
    DebitRequest,
    Header,
    MessageType,
    Reply,
    ReversalRequest,
)
from terminals._clock import Surroundings
from terminals.day_close import DayCloser
from terminals.day_close_report import ClosePolicy
from terminals.errors import LinkLostError, RequestTimeoutError
from terminals.policy import Policy
from terminals.reconnect import KeptLink
from terminals.settlement import Settler
from terminals.trace import MemoryTrace

TODAY, CARD = 20_000, 9999_0100_0001_4533
DEBIT = MessageType.DEBIT


class FakeSwitch:
    """Approves debits up to `funds_minor`, remembers its answers, answers day closes; also the link to itself."""

    def __init__(self) -> None:
        self.business_date = TODAY
        self.funds_minor = 10**12
        self.answers: dict[tuple[int, int], tuple[int, bytes, Reply]] = {}
        self.asked: list[int] = []
        self.deaf_to: set[int] = set()
        """Types whose answers are lost on the way."""
        self.busy_count = 0
        self._sequence = 0

    # -- as a link that is always there

    async def get(self, deadline_ms: int) -> FakeSwitch:
        return self

    def drop(self, link: object) -> None:
        pass

    def note_answer(self) -> None:
        pass

    async def request(self, type_: int, body: bytes, timeout_ms: int) -> tuple[Header, bytes]:
        self.asked.append(type_)
        reply = self.answer(type_, body)
        if type_ in self.deaf_to:
            raise RequestTimeoutError("lost on the way")
        return Header(type=type_ | REPLY_BIT, sequence=0), reply.encode()

    # -- as a switch

    def answer(self, type_: int, body: bytes) -> Reply | DayReply:
        if type_ in (MessageType.DAY_DIGESTS, MessageType.DAY_LIST):
            if self.busy_count:
                self.busy_count -= 1
                return DayReply(code=ResponseCode.BUSY)
            if type_ == MessageType.DAY_DIGESTS:
                return self._digests(DayDigestsRequest.decode(body))
            return self._list(DayListRequest.decode(body))
        trace, date = (int.from_bytes(body[at : at + 4], "little") for at in (0, 4))
        if date not in (self.business_date - 1, self.business_date):
            return Reply(code=ResponseCode.BUSINESS_DATE, business_date=self.business_date)
        known = self.answers.get((date, trace))
        if known is not None:
            if known[:2] == (type_, body):
                return known[2]
            return Reply(code=ResponseCode.TRACE_REUSED, business_date=self.business_date)
        self._sequence += 1
        code, amount, more = ResponseCode.APPROVED, 0, b""
        if type_ == DEBIT:
            amount = DebitRequest.decode(body).amount_minor
            if amount > self.funds_minor:
                code, amount = ResponseCode.FUNDS, 0
        elif type_ == MessageType.REVERSAL:
            request = ReversalRequest.decode(body)
            original = self.answers.get((request.original_business_date, request.original_trace_number))
            amount = original[2].amount_minor if original else 0
        else:
            code, more = self._totals(DayTotalsRequest.decode(body))
        reply = Reply(
            code=code,
            trace_number=trace,
            business_date=self.business_date,
            amount_minor=amount,
            journal_sequence=self._sequence,
            more=more,
        )
        self.answers[date, trace] = type_, body, reply
        return reply

    def rows(self, date: int, first: int, last: int) -> list[DayRow]:
        return [
            DayRow(
                trace_number=trace,
                type=type_,
                code=reply.code,
                amount_minor=reply.amount_minor,
                journal_sequence=reply.journal_sequence,
            )
            for (of_date, trace), (type_, _, reply) in sorted(self.answers.items())
            if of_date == date and first <= trace <= last and type_ != MessageType.DAY_TOTALS
        ]

    def _totals(self, request: DayTotalsRequest) -> tuple[ResponseCode, bytes]:
        approved = [row for row in self.rows(request.closed_date, 0, 2**32 - 1) if row.code in (0, 10)]
        totals = [
            DayTotal(
                type=type_,
                count=sum(row.type == type_ for row in approved),
                amount_minor=sum(row.amount_minor for row in approved if row.type == type_),
            )
            for type_ in sorted({row.type for row in approved})
        ]
        same = [total for total in request.totals if total.count] == totals
        code = ResponseCode.APPROVED if same else ResponseCode.TOTALS_DIFFER
        return code, b"".join(total.encode() for total in totals)

    def _digests(self, request: DayDigestsRequest) -> DayReply:
        length = request.last_trace - request.first_trace + 1
        part_length = (length + request.part_count - 1) // request.part_count
        more = b""
        for part in range(request.part_count):
            first = request.first_trace + part * part_length
            rows = self.rows(request.closed_date, first, min(request.last_trace, first + part_length - 1))
            digest = hashlib.sha256(b"".join(row.encode() for row in rows)).digest()[:16]
            more += DayDigest(row_count=len(rows), digest=digest).encode()
        return DayReply(row_count=request.part_count, more=more)

    def _list(self, request: DayListRequest) -> DayReply:
        rows = self.rows(request.closed_date, request.first_trace, request.last_trace)
        more = b"".join(row.encode() for row in rows[:1024])
        next_trace = rows[1024].trace_number if len(rows) > 1024 else 0
        return DayReply(row_count=min(len(rows), 1024), next_trace=next_trace, more=more)


class Till:
    """What a client does, on a link that needs no network."""

    def __init__(self, switch: FakeSwitch, trace=None) -> None:
        self.switch = switch
        self.trace = MemoryTrace("a test", keeps_book=True) if trace is None else trace
        self.clock_ms = 0
        self.surroundings = Surroundings(now_ms=lambda: 5, monotonic_ms=self._monotonic_ms, sleep_ms=self._sleep_ms)
        self.settler = Settler(cast(KeptLink, switch), self.trace, Policy(settle_deadline_ms=5_000), self.surroundings)

    def _monotonic_ms(self) -> int:
        self.clock_ms += 1
        return self.clock_ms

    async def _sleep_ms(self, duration_ms: float) -> None:
        self.clock_ms += int(duration_ms)

    async def keyed(self, type_, build):
        date = self.switch.business_date
        request = self.trace.begin(type_, date, lambda number: build(number, date, 5).encode())
        return await self.settler.carry(request, self.settler.deadline_ms())

    async def ask(self, type_, body):
        while True:
            try:
                return await self.settler.exchange(type_, body, self.settler.deadline_ms())
            except LinkLostError:
                continue

    async def settle(self):
        return [
            await self.settler.undo(request, self.settler.deadline_ms())
            for request in self.trace.open_requests()
            if request.type == DEBIT
        ]

    async def debit(self, amount_minor, **fields):
        return await self.keyed(
            DEBIT,
            lambda trace_number, business_date, stamp_ms: DebitRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=stamp_ms,
                card_number=CARD,
                amount_minor=amount_minor,
                **fields,
            ),
        )

    def sell(self, *amounts_minor):
        async def sell_all():
            return [await self.debit(amount_minor) for amount_minor in amounts_minor]

        return asyncio.run(sell_all())

    def close(self, date: int = TODAY, **policy):
        closer = DayCloser(
            self.trace, self.settler, self.keyed, self.ask, self.settle, self.surroundings, ClosePolicy(**policy)
        )
        return asyncio.run(closer.close(date))


def sell_unheard(till: Till, amount_minor: int) -> int:
    """A debit that the switch approves and whose answer is lost together with the line; its trace number."""
    number = till.trace.next_number
    request = DebitRequest(
        trace_number=number, business_date=TODAY, stamp_ms=5, card_number=CARD, amount_minor=amount_minor
    )
    till.trace.begin(DEBIT, TODAY, lambda _: request.encode())
    till.switch.answer(DEBIT, request.encode())
    return number


def lose_record(till: Till, number: int) -> None:
    till.trace.strike(next(entry for entry in till.trace.booked(TODAY) if entry.request.trace_number == number))
