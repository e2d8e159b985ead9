"""A switch that was killed in the middle of the business is the same afterwards, and time that passed has passed.

Held amounts, points to come, rules and versions for tomorrow, PINs, lists: all of it lives in the journal alone.
"""

import shutil

import pytest

from switch._verify import verify
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    KEYED_TYPES,
    CardFlag,
    CardOperation,
    CardStatus,
    CutOverRequest,
    DebitFlag,
    MessageType,
)
from tests.support.desk import TILL_KEY, entries_of
from tests.support.secured import work_with_keys
from tests.support.whole_business import (
    CARD,
    CATEGORY,
    DAY_MS,
    FIRST_DAY,
    FIRST_OF_RANGE,
    NEW_KEY,
    NEW_PIN,
    OTHER_CARD,
    PIN,
    PIN_CARD,
    PIN_TYPE,
    RANGE_COUNT,
    WRONG_PIN,
    Business,
    pin_field,
)

CARDS = [CARD, OTHER_CARD, PIN_CARD, *range(FIRST_OF_RANGE, FIRST_OF_RANGE + RANGE_COUNT)]
MADE_CARD = 6_310_000_000_000_000
POINTS = 1 << 32 | CATEGORY


@pytest.fixture
def business(tmp_path):
    business = Business(tmp_path / "data")
    business.open()
    yield business
    business.kill()


def end_and_start(business, how):
    """The ways in which a switch may come back."""
    if how == "stopped":
        business.stop()
    else:
        business.kill()
    if how == "killed, without its balance store":
        shutil.rmtree(business.path / "ledger", ignore_errors=True)
    business.start()


@pytest.mark.parametrize("how", ["killed", "killed, without its balance store", "stopped"])
@pytest.mark.feature("EF-057", "VC-022")
def test_records_queries_and_every_answer_are_the_same_after_a_restart(business, how, capsys):
    business.plan_tomorrow()
    business.trade()
    business.work_at_the_desk()
    work_with_keys(business)
    business.do(MessageType.CUT_OVER, next_date=business.today + 1)
    records = business.records()
    queries = [business.query(card) for card in CARDS]

    end_and_start(business, how)

    assert business.records() == records
    assert [business.query(card) for card in CARDS] == queries
    assert {asked.type for asked in business.asked} == KEYED_TYPES
    repeats = [business.till.ask(asked.type, asked.body).body for asked in business.asked]
    assert repeats == [asked.answer for asked in business.asked]
    assert business.records() == records

    business.stop()
    assert verify(business.path) == 0
    told = capsys.readouterr().out
    assert "but value written off: 1 entries moved -950 minor units and 0 hundredths, by their images alone" in told
    assert "but points ended by a return: 1 entries moved 0 minor units and -300 hundredths" in told


def test_what_was_due_while_the_switch_was_down_is_due_when_it_is_back(business):
    business.plan_tomorrow()
    bought = business.buy()
    hold = business.hold(2_000, expires_in_s=3_600)
    lasting = business.hold(300, expires_in_s=72 * 3_600)
    before = business.query(CARD)
    assert (bought.points_hundredths, before.facts.pending_hundredths) == (25_00, 20_00)
    assert before.available_minor == before.balance_minor - 2_300

    business.kill()
    business.now_ms += DAY_MS
    business.start()

    # As if settled: the first hold is free, the points are booked, though nobody has asked for anything yet.
    after = business.query(CARD)
    assert after.available_minor == before.balance_minor - 300
    assert after.facts.pending_hundredths == 0
    assert {fact.purse: fact.amount for fact in after.purses}[POINTS] == 20_00
    assert after.facts.day_debit_count == 0
    # Tomorrow's version and rules are today's now: three times the points, booked at once, and no large bill.
    too_much = business.ask(MessageType.DEBIT, card_number=CARD, amount_minor=5_001)
    again = business.buy()
    assert too_much.code == ResponseCode.SINGLE_AMOUNT
    assert (again.points_hundredths, business.query(CARD).facts.pending_hundredths) == (35_00, 0)
    gone = business.ask(MessageType.CAPTURE, card_number=CARD, amount_minor=1, hold_sequence=hold)
    assert gone.code == ResponseCode.HOLD_UNKNOWN
    business.do(MessageType.CAPTURE, card_number=CARD, amount_minor=300, hold_sequence=lasting)

    business.stop()
    assert verify(business.path) == 0


def test_a_date_begins_with_one_entry_of_the_switch_however_often_it_was_killed(business):
    for days in (1, 1, 5):
        business.buy()
        business.kill()
        business.now_ms += days * DAY_MS
        business.start()
        business.query(CARD)
        business.kill()
        business.start()
        business.buy()
    business.do(MessageType.CUT_OVER, next_date=business.today + 1, operator_id=71)
    business.now_ms += DAY_MS
    business.buy()
    business.stop()

    cut_overs = [entry for entry in entries_of(business.path) if entry.header.request_type == MessageType.CUT_OVER]
    begun = [(entry.header.terminal_id, CutOverRequest.decode(entry.request).next_date) for entry in cut_overs]
    dates = [FIRST_DAY, FIRST_DAY + 1, FIRST_DAY + 2, FIRST_DAY + 7]
    assert begun == [*((0, date) for date in dates), (7, FIRST_DAY + 8)]
    assert verify(business.path) == 0


def pay(business, digits):
    sent = {"flags": DebitFlag.PIN, "pin": pin_field(digits)} if digits else {}
    return ResponseCode(business.ask(MessageType.DEBIT, card_number=PIN_CARD, amount_minor=10, **sent).code)


@pytest.mark.feature("HD-144")
def test_a_pin_and_its_wrong_tries_outlast_a_kill_and_no_digit_of_it_is_on_the_disk(business):
    codes = [pay(business, PIN), pay(business, b""), pay(business, WRONG_PIN), pay(business, WRONG_PIN)]
    business.kill()
    business.start()
    codes += [pay(business, WRONG_PIN), pay(business, PIN)]
    business.kill()
    business.start()
    locked = business.query(PIN_CARD).facts
    business.do(
        MessageType.SET_PIN, card_number=PIN_CARD, mode=2, old_pin=bytes(16), new_pin=pin_field(NEW_PIN), operator_id=71
    )
    codes += [pay(business, PIN), pay(business, NEW_PIN)]
    business.put_new_terminal()
    business.stop()

    approved, required, wrong = ResponseCode.APPROVED, ResponseCode.PIN_REQUIRED, ResponseCode.PIN_WRONG
    assert codes == [approved, required, wrong, wrong, wrong, ResponseCode.PIN_LOCKED, wrong, approved]
    assert locked.flags == CardFlag.PIN_LOCKED
    assert locked.status == CardStatus.ACTIVE
    secrets = [PIN, NEW_PIN, WRONG_PIN, TILL_KEY, NEW_KEY]
    files = [file for folder in ("journal", "ledger") for file in (business.path / folder).rglob("*") if file.is_file()]
    assert len(files) > 3
    assert [(file.name, secret) for file in files for secret in secrets if secret in file.read_bytes()] == []
    assert verify(business.path) == 0


def test_a_repeat_with_a_pin_hears_its_first_answer_although_the_card_was_issued_meanwhile(business):
    business.operate(CardOperation.MAKE, MADE_CARD, card_type=PIN_TYPE)
    sent = {"card_number": MADE_CARD, "amount_minor": 10, "flags": DebitFlag.PIN, "pin": pin_field(PIN)}
    declined = business.ask(MessageType.DEBIT, **sent)
    first = business.asked[-1]
    assert declined.code == ResponseCode.CARD_STATUS
    business.operate(CardOperation.ISSUE, MADE_CARD)

    again = business.till.ask(first.type, first.body)

    assert again.body == first.answer
