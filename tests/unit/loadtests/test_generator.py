from collections.abc import Callable

import pytest

from loadtests._generator import Generator, GeneratorError
from loadtests.plan import (
    LINE_MINOR_MAX,
    CardRange,
    LinkState,
    balance_plan,
    credit_plan,
    debit_plan,
    open_card_plan,
    raw_echo_plan,
)
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import CreditRequest, DebitRequest, OpenCardRequest, Reply

CARDS = CardRange(9_800_000_000_000, 50)
DEBITS = debit_plan(CARDS, business_date=20_000, stamp_ms=1_700_000_000_000)


def replaced(reply, **fields):
    return Reply(**({name: getattr(reply, name) for name in Reply.__struct_fields__} | fields))


def test_every_debit_is_a_message_that_the_protocol_can_read(mini_switch):
    switch = mini_switch(links=3, window=8)

    result = switch.generator.run(DEBITS, duration_s=10, message_count=500)

    bodies = [body for _, _, body in switch.requests]
    assert result.answered == len(bodies) == 500
    assert all(isinstance(body, DebitRequest) for body in bodies)
    assert all(len(body.lines) == 3 for body in bodies)
    assert all(body.amount_minor == sum(line.amount_minor for line in body.lines) for body in bodies)
    amounts = {line.amount_minor for body in bodies for line in body.lines}
    assert min(amounts) >= 1 and max(amounts) <= LINE_MINOR_MAX and len(amounts) > LINE_MINOR_MAX // 2
    assert {body.card_number - CARDS.first for body in bodies} == set(range(CARDS.count))
    assert {(body.business_date, body.stamp_ms) for body in bodies} == {(20_000, 1_700_000_000_000)}


def test_trace_numbers_rise_by_one_on_each_link_and_go_on_in_the_next_run(mini_switch):
    switch = mini_switch(links=3, window=4)

    for _ in range(2):
        switch.generator.run(DEBITS, duration_s=10, message_count=100)

    for link in range(3):
        traces = [body.trace_number for number, _, body in switch.requests if number == link]
        assert traces == list(range(1, len(traces) + 1))


def test_the_window_is_used_and_never_exceeded(mini_switch):
    switch = mini_switch(links=1, window=16)

    switch.generator.run(DEBITS, duration_s=10, message_count=1000)

    assert switch.most_unanswered == 16


def test_counts_and_sums_are_those_of_the_replies(mini_switch):
    def change(reply, request):
        if request.amount_minor % 3 == 0:
            return replaced(reply, code=ResponseCode.FUNDS, amount_minor=0, points_hundredths=0)
        return reply

    switch = mini_switch(change=change)

    result = switch.generator.run(DEBITS, duration_s=10, message_count=400)

    assert result.code_counts == dict(switch.code_counts)
    assert set(result.code_counts) == {0, ResponseCode.FUNDS}
    assert result.approved_minor_sum == switch.approved_minor
    assert result.points_hundredths_sum == 100 * result.approved
    assert result.points_balance_hundredths_sum == 3 * 400
    assert 0 < result.p50_us <= result.p99_us <= result.p999_us <= result.max_us < result.elapsed_s * 1e6


@pytest.mark.parametrize("options", [{"shuffle": True}, {"chunk_bytes": 1}, {"chunk_bytes": 83}], ids=str)
def test_replies_may_come_in_any_order_and_in_any_pieces(mini_switch, options):
    switch = mini_switch(links=2, window=16, **options)

    result = switch.generator.run(DEBITS, duration_s=10, message_count=200)

    assert result.code_counts == {0: 200}
    assert result.approved_minor_sum == switch.approved_minor


def test_a_seed_decides_cards_and_amounts(mini_switch):
    drawn = []
    for seed in (1, 1, 2):
        switch = mini_switch(links=1, window=4)
        switch.generator.run(DEBITS, duration_s=10, message_count=50, seed=seed)
        drawn.append([(body.card_number, body.amount_minor) for _, _, body in switch.requests])

    assert drawn[0] == drawn[1] != drawn[2]


def test_set_up_opens_credits_and_reads_every_card_once(mini_switch):
    switch = mini_switch(links=3, window=8)
    generator = switch.generator

    opened = generator.run(open_card_plan(CARDS, 20_000, 5, card_type=3), duration_s=10, message_count=CARDS.count)
    credited = generator.run(credit_plan(CARDS, 20_000, 5, amount_minor=900), duration_s=10, message_count=CARDS.count)
    read = generator.run(balance_plan(CARDS, 5), duration_s=10, message_count=CARDS.count)

    bodies = [body for _, _, body in switch.requests]
    numbers = list(range(CARDS.first, CARDS.first + CARDS.count))
    assert sorted(body.card_number for body in bodies if isinstance(body, OpenCardRequest)) == numbers
    assert sorted(body.card_number for body in bodies if isinstance(body, CreditRequest)) == numbers
    assert all(body.card_type == 3 and body.status == 1 for body in bodies if isinstance(body, OpenCardRequest))
    assert (opened.approved, credited.approved_minor_sum) == (CARDS.count, 900 * CARDS.count)
    assert read.balance_minor_sum == 7 * CARDS.count


def test_a_run_ends_after_its_duration_with_everything_answered(mini_switch):
    switch = mini_switch()

    result = switch.generator.run(DEBITS, duration_s=0.1)

    assert result.elapsed_s > 0.09
    assert result.answered == len(switch.requests) > 0


def double(frame):
    return frame + frame


def corrupt(frame):
    return frame[:-1] + bytes([frame[-1] ^ 1])


FAULTS: dict[str, dict[str, Callable[..., object]]] = {
    "tag is invalid": {"spoil": corrupt},
    "tag is invalid: terminal 2": {"spoil": double},  # the same frame again has the wrong nonce
    "unanswered": {"spoil": lambda frame: b""},
    "another trace number": {"change": lambda reply, _: replaced(reply, trace_number=reply.trace_number + 1)},
    "another amount": {"change": lambda reply, _: replaced(reply, amount_minor=reply.amount_minor - 1)},
    "another amount than": {"change": lambda reply, _: replaced(reply, code=51)},
}


@pytest.mark.parametrize("words", FAULTS)
def test_a_wrong_answer_fails_the_run_by_name(mini_switch, words):
    switch = mini_switch(**FAULTS[words])

    with pytest.raises(GeneratorError, match=words.partition(":")[0]):
        switch.generator.run(DEBITS, duration_s=0.05, message_count=8, drain_s=0.1)

    with pytest.raises(GeneratorError, match="sign on anew"):
        switch.generator.run(DEBITS, duration_s=0.05)


@pytest.mark.parametrize(
    ("type_bits", "sequence_step", "body", "words"),
    [
        (0x80, 0, None, "came twice"),
        (0x80, 7, None, "came twice or for nothing"),
        (0x81, 0, None, "type"),
        (0x80, 0, bytes(3), "length"),
        (None, 0, bytes(16), "could not read"),
    ],
)
def test_a_sealed_reply_that_fits_no_request_fails_the_run(mini_switch, type_bits, sequence_step, body, words):
    switch = mini_switch(links=1, window=2)
    plain_seal = switch.sessions[0].seal

    def seal(reply_type, sequence, reply):
        right = plain_seal(reply_type, sequence, reply)
        wrong_type = 0xFF if type_bits is None else reply_type & 0x7F | type_bits
        return right + plain_seal(wrong_type, sequence + sequence_step, reply if body is None else body)

    switch.sessions[0].seal = seal

    with pytest.raises(GeneratorError, match=words):
        switch.generator.run(DEBITS, duration_s=1, message_count=50, drain_s=0.1)


def test_a_connection_that_ends_fails_the_run(mini_switch):
    switch = mini_switch(links=1, window=2)
    switch.ours[0].shutdown(2)

    with pytest.raises(GeneratorError, match=r"closed|socket failed"):
        switch.generator.run(DEBITS, duration_s=1)


def test_a_fixed_rate_sends_exactly_what_it_promised(mini_switch):
    switch = mini_switch(links=4, window=8)

    result = switch.generator.run(DEBITS, duration_s=0.5, rate_per_s=400)

    assert (result.answered, result.unsent) == (200, 0)
    assert result.elapsed_s > 0.45


def test_a_fixed_rate_counts_the_wait_that_a_stalled_peer_causes(mini_switch):
    # After 20 of 200 requests the peer sleeps through 80 intended sends. With one request in flight a closed loop
    # would see a single slow answer; here every late request counts from when it should have left.
    closed = mini_switch(links=1, window=1, stall=(20, 0.2))
    fixed = mini_switch(links=1, window=1, stall=(20, 0.2))

    closed_result = closed.generator.run(DEBITS, duration_s=5, message_count=200)
    fixed_result = fixed.generator.run(DEBITS, duration_s=0.5, rate_per_s=400)

    assert closed_result.p99_us < fixed_result.p99_us
    assert closed_result.max_us > 100_000
    assert fixed_result.p99_us > 150_000


def test_a_fixed_rate_beyond_the_peer_is_reported_not_hidden(mini_switch):
    switch = mini_switch(links=1, window=1, stall=(5, 0.6))

    result = switch.generator.run(DEBITS, duration_s=0.2, rate_per_s=1000, drain_s=0.3)

    assert result.unsent > 0
    assert result.answered + result.unsent == 200


def test_raw_frames_must_come_back_as_they_were(mini_switch):
    switch = mini_switch(links=1, window=1)
    generator = Generator([LinkState(fd=switch.theirs[0].fileno())], 4)
    switch.answer = lambda link, data: switch.ours[link].sendall(data)

    result = generator.run(raw_echo_plan(162), duration_s=10, message_count=100)

    assert result.answered == 100
    switch.answer = lambda link, data: switch.ours[link].sendall(data[:-1] + b"\0")
    with pytest.raises(GeneratorError, match="echo differs"):
        generator.run(raw_echo_plan(162), duration_s=10, message_count=100)


@pytest.mark.parametrize("window", [0, 4097])
def test_a_window_out_of_range_is_refused(window):
    with pytest.raises(ValueError, match="window"):
        Generator([LinkState(fd=0)], window)


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        Generator([LinkState(fd=0, send_key=b"short")], 1)


def test_long_sessions_change_their_keys_in_both_directions(mini_switch):
    switch = mini_switch(links=2, window=4, rekey_frames=7)

    for _ in range(2):
        result = switch.generator.run(DEBITS, duration_s=10, message_count=200)
        assert result.answered == 200

    assert len(switch.requests) == 400
    assert all(session._send.nonce > 10 * 7 for session in switch.sessions)
