"""A till closes its day by itself, against a small switch in memory."""

import asyncio

import pytest

from switch.protocol.messages import (
    DayRow,
    DayTotal,
    DebitFlag,
    DebitRequest,
    MessageType,
    decode_rows,
)
from terminals.day_close_report import Choice, Repair
from terminals.trace_file import FileTrace
from tests.unit.terminals.day_till import CARD, DEBIT, TODAY, FakeSwitch, Till, lose_record, sell_unheard


@pytest.fixture
def switch():
    return FakeSwitch()


@pytest.fixture
def till(switch):
    return Till(switch)


def test_a_day_without_differences_closes_with_one_message(till):
    till.switch.funds_minor = 500
    till.sell(100, 200, 900, 300)

    report = till.close()

    assert (report.is_closed, report.round_count, report.message_count, report.differences) == (True, 1, 1, ())
    assert report.totals == (DayTotal(type=DEBIT, count=3, amount_minor=600),)


def test_a_day_without_sales_closes(till):
    assert till.close().is_closed


def test_a_day_closes_again_after_it_was_closed(till):
    till.sell(100)
    assert till.close().is_closed
    till.sell(200)
    assert till.close().is_closed


def test_a_sale_whose_answer_was_lost_is_undone_and_the_day_closes(till):
    till.sell(100)
    number = sell_unheard(till, 250)

    report = till.close()

    assert report.is_closed
    assert [outcome.is_reversed for outcome in report.settled] == [True]
    assert [(d.trace_number, d.ours, d.repair, d.needs_person) for d in report.differences] == [
        (number, None, Repair.ADOPTED, False)
    ]
    assert MessageType.REVERSAL in till.switch.asked
    assert report.totals == (
        DayTotal(type=DEBIT, count=2, amount_minor=350),
        DayTotal(type=MessageType.REVERSAL, count=1, amount_minor=250),
    )


def test_goods_that_are_sold_stay_sold(till):
    till.sell(100)
    sell_unheard(till, 250)

    report = till.close(unheard=Choice.ADOPT)

    assert (report.is_closed, report.round_count, report.differences, report.settled) == (True, 1, (), ())
    assert MessageType.REVERSAL not in till.switch.asked


def test_an_approved_sale_that_the_switch_does_not_have_is_sent_again(till):
    _, lost, _ = till.sell(100, 200, 300)
    _, body, _ = till.switch.answers.pop((TODAY, lost.trace_number))

    report = till.close()

    assert report.is_closed
    assert till.switch.answers[TODAY, lost.trace_number][1] == body
    (difference,) = report.differences
    assert (difference.trace_number, difference.theirs, difference.repair) == (
        lost.trace_number,
        None,
        Repair.SENT_AGAIN,
    )
    assert not difference.needs_person


def test_a_sale_that_is_refused_when_it_is_sent_again_needs_a_person(till):
    (sold,) = till.sell(100)
    del till.switch.answers[TODAY, sold.trace_number]
    till.switch.funds_minor = 50

    report = till.close()

    assert report.is_closed
    assert [(d.repair, d.needs_person) for d in report.differences] == [(Repair.SENT_AGAIN, True)]


def test_a_sale_with_a_pin_is_not_kept_so_that_it_could_be_sent_again(till):
    outcome = asyncio.run(till.debit(100, flags=DebitFlag.PIN, pin=b"4711"))
    del till.switch.answers[TODAY, outcome.trace_number]

    report = till.close()

    assert b"4711" not in till.trace.booked(TODAY)[0].request.body
    assert (report.is_closed, [d.repair for d in report.differences]) == (False, [Repair.LEFT])


def test_a_refused_request_that_the_switch_does_not_have_is_struck(till):
    till.switch.funds_minor = 150
    till.sell(100, 200)
    del till.switch.answers[TODAY, 2]
    lose_record(till, 1)  # so that the totals differ at all

    report = till.close(unrecorded=Choice.ADOPT)

    assert report.is_closed
    assert [entry.request.trace_number for entry in till.trace.booked(TODAY)] == [1]


def test_a_sale_of_which_the_till_lost_its_record_is_left_for_a_person(till):
    till.sell(100, 200, 300)
    lose_record(till, 2)

    report = till.close()

    assert (report.is_closed, report.round_count) == (False, 1)
    assert [(d.trace_number, d.theirs.amount_minor, d.repair, d.needs_person) for d in report.differences] == [
        (2, 200, Repair.LEFT, True)
    ]


def test_a_sale_of_which_the_till_lost_its_record_is_adopted_when_the_till_is_told_so(till):
    till.sell(100, 200, 300)
    lose_record(till, 2)

    report = till.close(unrecorded=Choice.ADOPT)

    assert (report.is_closed, report.round_count) == (True, 2)
    assert [entry.heard.amount_minor for entry in till.trace.booked(TODAY)] == [100, 200, 300]


def test_an_extra_sale_at_the_switch_is_found_wherever_its_number_lies(till):
    till.sell(*[100] * 50)
    for number in (0, 60, 2**32 - 1):
        extra = DebitRequest(
            trace_number=number, business_date=TODAY, stamp_ms=5, card_number=CARD, amount_minor=number % 1000 + 1
        )
        till.switch.answer(DEBIT, extra.encode())

    report = till.close()

    assert [d.trace_number for d in report.differences] == [0, 60, 2**32 - 1]
    assert till.close(unrecorded=Choice.ADOPT).is_closed


@pytest.mark.parametrize(
    ("choice", "repair", "is_closed"),
    [
        (Choice.REVERSE, Repair.REVERSED, True),
        (Choice.ADOPT, Repair.ADOPTED, True),
        (Choice.LEAVE, Repair.LEFT, False),
    ],
)
def test_a_sale_that_the_till_took_for_refused(till, choice, repair, is_closed):
    till.switch.funds_minor = 50
    till.sell(100)
    type_, body, _ = till.switch.answers.pop((TODAY, 1))
    till.switch.funds_minor = 500
    till.switch.answer(type_, body)

    report = till.close(unheard=choice)

    assert (report.is_closed, [d.repair for d in report.differences]) == (is_closed, [repair])
    assert (MessageType.REVERSAL in till.switch.asked) == (choice is Choice.REVERSE)


def test_a_sale_that_only_the_till_took_for_approved_needs_a_person(till):
    till.sell(100)
    type_, body, _ = till.switch.answers.pop((TODAY, 1))
    till.switch.funds_minor = 50
    till.switch.answer(type_, body)

    report = till.close()

    assert report.is_closed
    assert [(d.repair, d.needs_person) for d in report.differences] == [(Repair.ADOPTED, True)]


def test_a_request_that_is_still_open_is_not_touched(till):
    number = sell_unheard(till, 100)

    async def settle_nothing():
        return []

    till.settle = settle_nothing
    report = till.close()

    assert (report.is_closed, [(d.trace_number, d.repair) for d in report.differences]) == (
        False,
        [(number, Repair.LEFT)],
    )
    assert till.trace.is_open(number)


def test_one_sale_among_ten_thousand_takes_six_messages(till):
    till.sell(*range(1, 10_001))
    lose_record(till, 7_777)
    till.switch.asked.clear()

    report = till.close(unrecorded=Choice.ADOPT)

    assert report.is_closed
    assert [d.trace_number for d in report.differences] == [7_777]
    assert (report.message_count, len(till.switch.asked)) == (6, 6)  # totals, three digests, one list, totals


def test_a_till_that_lost_its_whole_book_finds_everything(till):
    till.sell(*range(1, 3_001))
    for number in range(1, 3_001):
        lose_record(till, number)
    till.switch.asked.clear()

    report = till.close(unrecorded=Choice.ADOPT)

    assert (report.is_closed, len(report.differences)) == (True, 3_000)
    assert len(till.switch.asked) < 20


def test_many_differences_everywhere_are_found(till):
    till.sell(*range(1, 5_001))
    for number in range(3, 5_000, 50):
        lose_record(till, number)
    for number in range(7, 5_000, 70):
        del till.switch.answers[TODAY, number]
    wanted = set(range(3, 5_000, 50)) | set(range(7, 5_000, 70))

    report = till.close(unrecorded=Choice.ADOPT)

    assert report.is_closed
    assert {d.trace_number for d in report.differences} <= wanted
    assert len(report.differences) >= len(wanted) - 20  # where both lost it, nobody misses it


def test_a_switch_that_is_busy_is_asked_again(till):
    till.sell(100, 200)
    lose_record(till, 1)
    till.switch.busy_count = 3

    assert till.close(unrecorded=Choice.ADOPT).is_closed


def test_a_switch_that_stays_busy_ends_the_close(till):
    till.sell(100, 200)
    lose_record(till, 1)
    till.switch.busy_count = 10**6

    report = till.close(unrecorded=Choice.ADOPT)

    assert not report.is_closed
    assert "BUSY" in report.meaning


def test_lost_answers_to_the_close_itself_do_not_matter(till):
    till.sell(100, 200)
    lose_record(till, 1)
    till.switch.deaf_to = {MessageType.DAY_TOTALS}
    assert not till.close(unrecorded=Choice.ADOPT).is_closed

    till.switch.deaf_to = set()

    assert till.close(unrecorded=Choice.ADOPT).is_closed


def test_the_day_before_closes_after_the_date_has_changed(till):
    till.sell(100)
    till.switch.business_date += 1
    till.sell(200)

    assert till.close(TODAY).totals == (DayTotal(type=DEBIT, count=1, amount_minor=100),)
    assert till.close(TODAY + 1).totals == (DayTotal(type=DEBIT, count=1, amount_minor=200),)


def test_the_book_survives_a_restart_and_forgets_old_dates(switch, tmp_path):
    path = tmp_path / "till.trace"
    till = Till(switch, FileTrace(path, 7))
    till.sell(100, 200)
    till.trace.shut()

    again = Till(switch, FileTrace(path, 7))
    assert again.close().is_closed
    switch.business_date += 2
    again.sell(300)
    again.trace.shut()

    later = FileTrace(path, 7)
    assert (later.booked(TODAY), len(later.booked(TODAY + 2))) == ([], 1)
    later.shut()


def test_corrections_of_the_book_survive_a_restart(switch, tmp_path):
    path = tmp_path / "till.trace"
    till = Till(switch, FileTrace(path, 7))
    till.sell(100, 200)
    lose_record(till, 1)
    assert till.close(unrecorded=Choice.ADOPT).is_closed
    before = till.trace.booked(TODAY)
    till.trace.shut()

    again = FileTrace(path, 7)

    assert again.booked(TODAY) == before
    again.shut()


def test_rows_of_the_list_are_decoded_as_they_are_encoded(switch):
    switch.answer(
        DEBIT,
        DebitRequest(trace_number=9, business_date=TODAY, stamp_ms=0, card_number=CARD, amount_minor=70).encode(),
    )
    (row,) = decode_rows(DayRow, switch.rows(TODAY, 0, 9)[0].encode())
    assert (row.trace_number, row.code, row.amount_minor, row.journal_sequence) == (9, 0, 70, 1)
