"""Which requests are remembered, for how long, and how many of them."""

from typing import Any

import msgspec
import pytest

from switch._projection import load_answers
from switch.duplicates import AnswerWindow
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import CreditRequest, DebitRequest, MessageType, ReversalRequest
from tests.support.desk import CARD, TILL_ID, Desk, bring_up_store, make_shop

DAY_MS = 86_400_000


@pytest.fixture
def desk(tmp_path):
    return Desk(make_shop(tmp_path / "data"))


def debit_of(desk: Desk, amount_minor: int = 100) -> DebitRequest:
    return DebitRequest(**desk.key(), card_number=CARD, amount_minor=amount_minor)


def reversal_of(desk: Desk, original: DebitRequest) -> ReversalRequest:
    return ReversalRequest(
        **desk.key(),
        card_number=CARD,
        amount_minor=original.amount_minor,
        original_trace_number=original.trace_number,
        original_business_date=original.business_date,
    )


def balance_minor(desk: Desk) -> int:
    return desk.ask(MessageType.BALANCE, bytes(8) + CARD.to_bytes(8, "little")).balance_minor


def recovered(desk: Desk, with_store: bool) -> Desk:
    """The same switch after a restart, a minute later."""
    desk.commit()
    if with_store:
        bring_up_store(desk.directory.path)
    again = Desk(desk.directory.path)
    again.now_ms = desk.now_ms + 60_000
    return again


restarted = pytest.mark.parametrize("restart", ["no restart", "from the journal", "from the balance store"])


def maybe(desk: Desk, restart: str) -> Desk:
    return desk if restart == "no restart" else recovered(desk, restart == "from the balance store")


@restarted
@pytest.mark.parametrize("days", [0, 1])
@pytest.mark.parametrize("amount_minor", [100, 10**11, 0], ids=["approved", "no funds", "amount"])
def test_a_repeat_of_today_or_the_day_before_hears_the_first_answer(desk, restart, days, amount_minor):
    request = debit_of(desk, amount_minor)
    first = desk.ask(MessageType.DEBIT, request)
    desk.debit(1)
    later = maybe(desk, restart)
    later.now_ms += days * DAY_MS
    later.debit(2)

    again = later.ask(MessageType.DEBIT, request)

    assert again.encode() == first.encode()


@restarted
def test_a_request_of_two_days_ago_is_refused_by_name_and_never_applied_again(desk, restart):
    request = debit_of(desk)
    desk.ask(MessageType.DEBIT, request)
    later = maybe(desk, restart)
    later.now_ms += 2 * DAY_MS
    balance = balance_minor(later)

    again = later.ask(MessageType.DEBIT, request)

    assert again.code == ResponseCode.BUSINESS_DATE
    assert balance_minor(later) == balance


@restarted
def test_a_known_trace_number_with_other_content_is_refused_by_name(desk, restart):
    request = debit_of(desk)
    desk.ask(MessageType.DEBIT, request)
    later = maybe(desk, restart)

    other = later.ask(MessageType.DEBIT, msgspec.structs.replace(request, amount_minor=101))
    key: dict[str, Any] = {
        "trace_number": request.trace_number,
        "business_date": request.business_date,
        "stamp_ms": request.stamp_ms,
    }
    other_type = later.ask(MessageType.CREDIT, CreditRequest(**key, card_number=CARD, amount_minor=100))

    assert [other.code, other_type.code] == [ResponseCode.TRACE_REUSED] * 2


@restarted
def test_the_same_trace_number_of_another_terminal_or_date_is_another_request(desk, restart):
    request = debit_of(desk)
    first = desk.ask(MessageType.DEBIT, request)
    later = maybe(desk, restart)
    later.now_ms += DAY_MS

    others = [
        later.ask(MessageType.DEBIT, request, TILL_ID + 1),
        later.ask(MessageType.DEBIT, msgspec.structs.replace(request, business_date=request.business_date + 1)),
    ]

    assert [other.code for other in others] == [0, 0]
    assert len({first.journal_sequence, *(other.journal_sequence for other in others)}) == 3


@restarted
def test_a_late_original_is_refused_because_its_reversal_came_before(desk, restart):
    original = debit_of(desk)
    reversal = reversal_of(desk, original)
    assert desk.ask(MessageType.REVERSAL, reversal).code == 0
    later = maybe(desk, restart)

    late = later.ask(MessageType.DEBIT, original)
    after_both = maybe(later, restart)
    again = after_both.ask(MessageType.DEBIT, original)

    assert late.code == ResponseCode.REVERSED_BEFORE
    assert again.encode() == late.encode()


@restarted
def test_a_debit_is_given_back_only_once_whatever_the_number_of_reversals(desk, restart):
    original = debit_of(desk)
    balance = balance_minor(desk)
    desk.ask(MessageType.DEBIT, original)
    first = desk.ask(MessageType.REVERSAL, reversal_of(desk, original))
    later = maybe(desk, restart)

    second = later.ask(MessageType.REVERSAL, reversal_of(later, original))

    assert [first.amount_minor, second.amount_minor] == [100, 0]
    assert balance_minor(later) == balance


@pytest.mark.parametrize("days", [1, 2, 3, 400])
def test_the_window_holds_two_dates_and_no_more(desk, days):
    for _ in range(10):
        desk.debit()
    desk.now_ms += days * DAY_MS

    for _ in range(5):
        desk.debit()

    of_the_shop, of_init, cut_over = 7, 8, 1
    before = of_init + of_the_shop + 10 if days == 1 else 0
    assert len(desk.engine.answers) == before + cut_over + 5
    assert desk.engine.answers.today == desk.today


@pytest.mark.parametrize("restart", [False, True])
def test_a_full_window_takes_no_new_request_but_still_repeats(tmp_path, restart):
    desk = Desk(make_shop(tmp_path / "data", answers_per_date_max=20))
    requests, replies = [], []
    while len(desk.engine.answers) < 20:
        requests.append(debit_of(desk))
        replies.append(desk.ask(MessageType.DEBIT, requests[-1]))
    balance = balance_minor(desk)
    desk = recovered(desk, True) if restart else desk

    refused = desk.ask(MessageType.DEBIT, debit_of(desk))

    assert (refused.code, refused.retry_after_ms) == (ResponseCode.WINDOW_FULL, 1_000)
    assert balance_minor(desk) == balance
    assert [desk.ask(MessageType.DEBIT, request).encode() for request in requests] == [r.encode() for r in replies]
    assert len(desk.engine.answers) == 20


def test_a_full_window_has_room_again_on_the_next_date(tmp_path):
    desk = Desk(make_shop(tmp_path / "data", answers_per_date_max=20))
    while len(desk.engine.answers) < 20:
        desk.debit()

    desk.now_ms += DAY_MS

    assert desk.debit().code == 0


def test_a_window_that_starts_at_a_date_is_empty():
    window = AnswerWindow(10)

    window.start_at(20_000)

    assert (window.today, len(window), window.answers_per_date_max) == (20_000, 0, 10)


def test_operations_of_another_date_than_the_window_covers_are_left_out():
    window = AnswerWindow(10)
    window.start_at(20_000)
    operation = (77).to_bytes(8, "little") + (128).to_bytes(8, "little")

    for date in (19_998, 19_999, 20_000, 20_001):
        load_answers(window, date, operation)

    assert len(window) == 2


def test_operations_that_are_loaded_twice_count_once():
    window = AnswerWindow(10)
    window.start_at(20_000)
    operations = b"".join(n.to_bytes(8, "little") + (128 * n).to_bytes(8, "little") for n in range(1, 9))

    load_answers(window, 20_000, operations)
    load_answers(window, 20_000, operations)

    assert len(window) == 8
