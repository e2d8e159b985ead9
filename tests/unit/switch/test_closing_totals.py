"""Day totals as the switch decides them: rows, code, and how the close stands afterwards."""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    DayCloseState,
    DayTotal,
    DayTotalsRequest,
    DebitRequest,
    MessageType,
    ReversalRequest,
)
from switch.protocol.records import DayCloseRecord, RecordKind
from tests.support.desk import CARD, TILL_ID, Desk, bring_up_store, make_shop
from tests.support.switch_process import run_cardswitch

DAY_MS = 86_400_000
OTHER_TILL_ID = 99


@pytest.fixture
def desk(tmp_path):
    """Its till has sold nothing yet: what furnished the shop came under other trace numbers of the same terminal."""
    return Desk(make_shop(tmp_path / "data", day_closes_max=2))


def ask_for_totals(desk, totals=(), *, days=0, terminal_id=TILL_ID):
    request = DayTotalsRequest(**desk.key(), closed_date=desk.today + days, totals=tuple(totals))
    return desk.ask(MessageType.DAY_TOTALS, request, terminal_id)


def record_of(desk, days=0):
    found = desk.engine.tables.get(RecordKind.DAY_CLOSE, (TILL_ID, desk.today + days, 0))
    return None if found is None else DayCloseRecord.decode(found)


def total_of(totals, type_):
    return next(((total.count, total.amount_minor) for total in totals if total.type == type_), (0, 0))


def sell(desk):
    """Three approved debits, one of them reversed, and one that is refused."""
    for amount_minor in (100, 250):
        assert desk.debit(amount_minor).code == 0
    assert desk.debit(10**11).code == ResponseCode.FUNDS
    assert desk.reverse(desk.debit(70), 70).code == 0


def test_totals_are_of_approved_requests_by_type(desk):
    before = ask_for_totals(desk).totals
    sell(desk)

    reply = ask_for_totals(desk)

    assert reply.code == ResponseCode.TOTALS_DIFFER
    assert total_of(reply.totals, MessageType.DEBIT) == (3, 420)
    assert total_of(reply.totals, MessageType.REVERSAL) == (1, 70)
    assert total_of(reply.totals, MessageType.CREDIT) == total_of(before, MessageType.CREDIT)
    assert [total.type for total in reply.totals] == sorted(total.type for total in reply.totals)


def test_the_same_totals_close_the_date_and_the_record_says_so(desk):
    sell(desk)
    first = ask_for_totals(desk)
    differs = record_of(desk)

    closing = ask_for_totals(desk, first.totals)
    closed = record_of(desk)

    assert (closing.code, closing.totals) == (ResponseCode.APPROVED, first.totals)
    assert (differs.state, differs.attempts) == (DayCloseState.DIFFERS, 1)
    assert (closed.state, closed.attempts) == (DayCloseState.CLOSED, 2)
    assert closed.last_sequence == closing.journal_sequence
    assert closed.approved_minor == sum(total.amount_minor for total in first.totals)
    assert closed.message_count == differs.message_count
    desk.debit(1)
    assert ask_for_totals(desk, first.totals).code == ResponseCode.TOTALS_DIFFER
    assert record_of(desk).state == DayCloseState.DIFFERS
    assert record_of(desk).message_count == closed.message_count + 1


def test_refused_requests_count_as_messages_and_requests_for_totals_do_not(desk):
    ask_for_totals(desk)
    before = record_of(desk).message_count

    sell(desk)
    ask_for_totals(desk)

    assert record_of(desk).message_count == before + 5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda totals: totals[:-1],
        lambda totals: (*totals, DayTotal(type=0x70, count=1, amount_minor=0)),
        lambda totals: tuple(
            DayTotal(type=total.type, count=total.count + 1, amount_minor=total.amount_minor) for total in totals
        ),
        lambda totals: tuple(
            DayTotal(type=total.type, count=total.count, amount_minor=total.amount_minor + 1) for total in totals
        ),
    ],
    ids=["a row is missing", "one too many", "counts", "amounts"],
)
def test_other_totals_differ(desk, spoil):
    sell(desk)
    totals = ask_for_totals(desk).totals

    assert ask_for_totals(desk, spoil(totals)).code == ResponseCode.TOTALS_DIFFER


def test_rows_with_count_0_are_left_out(desk):
    sell(desk)
    totals = ask_for_totals(desk).totals

    assert ask_for_totals(desk, (DayTotal(type=1, count=0, amount_minor=7), *totals)).code == ResponseCode.APPROVED


def test_another_terminal_has_other_totals(desk):
    sell(desk)

    reply = ask_for_totals(desk, terminal_id=OTHER_TILL_ID)

    assert (reply.code, reply.totals) == (ResponseCode.APPROVED, ())


@pytest.mark.parametrize("days", [-2, 1])
def test_another_date_than_today_or_the_day_before_is_invalid(desk, days):
    reply = ask_for_totals(desk, days=days)

    assert (reply.code, reply.detail, reply.more) == (ResponseCode.FIELD_INVALID, 16, b"")


def test_rows_must_ascend_by_type_and_be_32_at_most(desk):
    for types in [(0x13, 0x10), (0x10, 0x10), tuple(range(0x80, 0x80 + 33))]:
        reply = ask_for_totals(desk, [DayTotal(type=type_, count=1, amount_minor=1) for type_ in types])
        assert (reply.code, reply.detail) == (ResponseCode.FIELD_INVALID, 20)


def test_the_day_before_is_closed_after_midnight(desk):
    sell(desk)
    totals = ask_for_totals(desk).totals
    desk.now_ms += DAY_MS
    desk.debit(5)

    assert ask_for_totals(desk, totals, days=-1).code == ResponseCode.APPROVED
    assert total_of(ask_for_totals(desk).totals, MessageType.DEBIT) == (1, 5)
    assert (record_of(desk, -1).state, record_of(desk).state) == (DayCloseState.CLOSED, DayCloseState.DIFFERS)


def test_a_full_table_refuses_a_new_close_and_goes_on_with_old_ones(desk):
    assert ask_for_totals(desk, terminal_id=50).code == ResponseCode.APPROVED
    assert ask_for_totals(desk, terminal_id=51).code == ResponseCode.APPROVED

    full = ask_for_totals(desk, terminal_id=52)

    assert (full.code, full.more) == (ResponseCode.TABLE_FULL, b"")
    assert ask_for_totals(desk, terminal_id=50).code == ResponseCode.APPROVED


@pytest.mark.parametrize("with_store", [False, True], ids=["from the journal", "from the balance store"])
def test_totals_are_the_same_after_a_restart(desk, with_store):
    sell(desk)
    totals = ask_for_totals(desk).totals
    desk.commit()
    if with_store:
        bring_up_store(desk.directory.path)
    again = Desk(desk.directory.path)
    again.now_ms = desk.now_ms + 60_000

    assert ask_for_totals(again, totals).code == ResponseCode.APPROVED
    assert record_of(again).attempts == 2


def test_a_reversal_before_its_original_counts_when_the_original_is_refused(desk):
    ask_for_totals(desk)
    before = record_of(desk).message_count
    late = DebitRequest(**desk.key(), card_number=CARD, amount_minor=40)
    reversal = ReversalRequest(
        **desk.key(),
        card_number=CARD,
        amount_minor=40,
        original_trace_number=late.trace_number,
        original_business_date=late.business_date,
    )
    assert desk.ask(MessageType.REVERSAL, reversal).code == ResponseCode.APPROVED
    ask_for_totals(desk)
    noted = record_of(desk).message_count

    assert desk.ask(MessageType.DEBIT, late).code == ResponseCode.REVERSED_BEFORE
    ask_for_totals(desk)

    assert (noted, record_of(desk).message_count) == (before + 1, before + 2)


def test_totals_are_decided_the_same_when_the_journal_is_verified(desk):
    sell(desk)
    ask_for_totals(desk, ask_for_totals(desk).totals)
    desk.now_ms += DAY_MS
    ask_for_totals(desk, days=-1)
    desk.commit()

    result = run_cardswitch("verify", "--data", desk.directory.path)

    assert (result.returncode, result.stderr) == (0, "")
