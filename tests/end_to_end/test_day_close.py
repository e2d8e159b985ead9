"""Tills close their day with a real switch: what was lost on the way is found, named and repaired."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from switch.protocol.messages import DebitRequest, MessageType, ReadRecordsReply, ReadRecordsRequest, RecordsEnd
from switch.protocol.records import DayCloseRecord, RecordKind
from terminals.client import Client
from terminals.credentials import Credentials
from terminals.day_close_report import Choice, ClosePolicy, DayCloseReport, Repair
from terminals.policy import Policy
from terminals.trace import MemoryTrace, TraceStore
from terminals.trace_file import FileTrace
from tests.support.desk import CARD, OPENING_MINOR, TILL_ID, TILL_KEY, make_shop
from tests.support.switch_process import SwitchProcess
from tests.support.till import Till

CREDENTIALS = Credentials(terminal_id=TILL_ID, key=TILL_KEY)
FIRST_TRACE = 50_000
"""Beyond the numbers that furnishing the shop has used."""
ADOPT = ClosePolicy(unrecorded=Choice.ADOPT)


@pytest.fixture
def switch(tmp_path):
    with SwitchProcess(make_shop(tmp_path / "data")) as switch:
        yield switch


@pytest.fixture
def trace():
    return MemoryTrace("a test", FIRST_TRACE, keeps_book=True)


def at_the_till(switch: SwitchProcess, trace: TraceStore, work: Callable[[Client], Awaitable[object]]) -> object:
    async def run() -> object:
        async with Client(*switch.address, CREDENTIALS, trace, policy=Policy(settle_deadline_ms=20_000)) as client:
            return await work(client)

    return asyncio.run(run())


def sell(switch: SwitchProcess, trace: TraceStore, *amounts_minor: int) -> None:
    async def work(client: Client) -> None:
        for amount_minor in amounts_minor:
            assert (await client.debit(CARD, amount_minor)).approved

    at_the_till(switch, trace, work)


def close(switch: SwitchProcess, trace: TraceStore, policy: ClosePolicy) -> DayCloseReport:
    report = at_the_till(switch, trace, lambda client: client.close_day(policy=policy))
    assert isinstance(report, DayCloseReport)
    return report


def adopt_the_furnishing(switch: SwitchProcess, trace: TraceStore) -> None:
    """The till's key has furnished the shop too; from now on till and switch agree."""
    assert close(switch, trace, ADOPT).is_closed


def send_behind_its_back(switch: SwitchProcess, trace_number: int, amount_minor: int) -> DebitRequest:
    """A debit of the till that its own trace store does not know of."""
    with Till(switch.address, TILL_ID, TILL_KEY) as till:
        request = DebitRequest(
            trace_number=trace_number,
            business_date=till.terms.business_date,
            stamp_ms=0,
            card_number=CARD,
            amount_minor=amount_minor,
        )
        assert till.ask(MessageType.DEBIT, request).reply.code == 0
    return request


def balance_minor(switch: SwitchProcess) -> int:
    with Till(switch.address, TILL_ID, TILL_KEY) as till:
        return till.balance_minor(CARD)


def test_a_day_without_differences_closes_with_one_message(switch, trace):
    adopt_the_furnishing(switch, trace)
    sell(switch, trace, 100, 200)

    report = close(switch, trace, ClosePolicy())

    assert (report.is_closed, report.message_count, report.differences) == (True, 1, ())


def test_a_till_whose_answers_were_lost_gives_the_money_back_and_closes(switch, tmp_path):
    trace = FileTrace(tmp_path / "till.trace", TILL_ID)
    sell(switch, trace, 100)
    adopt_the_furnishing(switch, trace)
    date = trace.booked(_date_of(switch))[0].request.business_date
    for amount_minor in (300, 400):  # on the till's disk, decided by the switch, and nobody heard the answer
        number = trace.next_number
        request = send_behind_its_back(switch, number, amount_minor)
        body = request.encode()
        trace.begin(MessageType.DEBIT, date, lambda _, body=body: body)  # type: ignore[misc]
    trace.shut()

    again = FileTrace(tmp_path / "till.trace", TILL_ID)
    report = close(switch, again, ClosePolicy())

    assert report.is_closed
    assert [outcome.is_reversed for outcome in report.settled] == [True, True]
    assert [d.repair for d in report.differences] == [Repair.ADOPTED, Repair.ADOPTED]
    assert balance_minor(switch) == OPENING_MINOR - 100
    again.shut()


def test_a_till_whose_goods_are_sold_keeps_the_sales_whose_answers_were_lost(switch, trace):
    adopt_the_furnishing(switch, trace)
    request = send_behind_its_back(switch, trace.next_number, 300)
    trace.begin(MessageType.DEBIT, request.business_date, lambda _: request.encode())

    report = close(switch, trace, ClosePolicy(unheard=Choice.ADOPT))

    assert (report.is_closed, report.differences) == (True, ())
    assert balance_minor(switch) == OPENING_MINOR - 300


def test_an_extra_sale_at_the_switch_is_named_and_left_or_adopted(switch, trace):
    adopt_the_furnishing(switch, trace)
    sell(switch, trace, 100, 200)
    send_behind_its_back(switch, 1_000_000, 77)

    left = close(switch, trace, ClosePolicy())
    adopted = close(switch, trace, ADOPT)

    assert not left.is_closed
    assert [(d.trace_number, d.theirs and d.theirs.amount_minor, d.repair) for d in left.differences] == [
        (1_000_000, 77, Repair.LEFT)
    ]
    assert adopted.is_closed


def test_a_till_that_lost_a_record_finds_it_again(switch, trace):
    adopt_the_furnishing(switch, trace)
    sell(switch, trace, 100, 200, 300)
    lost = next(e for e in trace.booked(_date_of(switch)) if e.heard is not None and e.heard.amount_minor == 200)
    trace.strike(lost)

    report = close(switch, trace, ADOPT)

    assert report.is_closed
    assert [(d.trace_number, d.ours) for d in report.differences] == [(lost.request.trace_number, None)]


def test_a_sale_that_never_reached_the_switch_is_sent_again(switch, trace):
    adopt_the_furnishing(switch, trace)
    sell(switch, trace, 100)
    sold = trace.booked(_date_of(switch))[-1]
    number = trace.next_number
    request = DebitRequest(
        trace_number=number,
        business_date=sold.request.business_date,
        stamp_ms=0,
        card_number=CARD,
        amount_minor=450,
    )
    trace.begin(MessageType.DEBIT, sold.request.business_date, lambda _: request.encode())
    trace.close(number, sold.heard)  # the till is sure that it was approved

    report = close(switch, trace, ClosePolicy())

    assert report.is_closed
    assert [(d.trace_number, d.repair) for d in report.differences] == [(number, Repair.SENT_AGAIN)]
    assert balance_minor(switch) == OPENING_MINOR - 550


def test_one_sale_among_ten_thousand_is_found_in_six_messages(switch, trace):
    adopt_the_furnishing(switch, trace)

    async def sell_many(client: Client) -> None:
        for _ in range(200):
            assert all(
                outcome.approved for outcome in await asyncio.gather(*(client.debit(CARD, 1) for _ in range(50)))
            )

    at_the_till(switch, trace, sell_many)
    sales = [entry for entry in trace.booked(_date_of(switch)) if entry.request.trace_number >= FIRST_TRACE]
    assert len(sales) == 10_000
    trace.strike(sales[6_789])

    report = close(switch, trace, ADOPT)

    assert report.is_closed
    assert [d.trace_number for d in report.differences] == [sales[6_789].request.trace_number]
    assert report.message_count <= 7


def test_the_close_is_on_record_and_survives_a_restart(switch, trace):
    adopt_the_furnishing(switch, trace)
    sell(switch, trace, 100, 200)
    date = _date_of(switch)
    assert close(switch, trace, ClosePolicy()).is_closed
    assert _day_close(switch, date).attempts >= 3

    switch.kill()
    switch.start()

    report = close(switch, trace, ClosePolicy())
    assert (report.is_closed, report.message_count) == (True, 1)
    record = _day_close(switch, date)
    assert (record.state, record.approved_minor) == (2, sum(total.amount_minor for total in report.totals))


def _date_of(switch: SwitchProcess) -> int:
    with Till(switch.address, TILL_ID, TILL_KEY) as till:
        return till.terms.business_date


def _day_close(switch: SwitchProcess, date: int) -> DayCloseRecord:
    with Till(switch.address, TILL_ID, TILL_KEY) as till:
        answer = till.ask(MessageType.READ_RECORDS, ReadRecordsRequest(kind=RecordKind.DAY_CLOSE, key_a=TILL_ID))
    reply = ReadRecordsReply.decode(answer.body)
    assert (reply.code, reply.record_count, reply.is_last) == (0, 1, RecordsEnd.LAST)
    record = DayCloseRecord.decode(reply.records)
    assert (record.terminal_id, record.closed_date) == (TILL_ID, date)
    return record
