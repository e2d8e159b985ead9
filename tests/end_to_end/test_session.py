"""A session begins with a sign-on and ends by a sign-off, a fault or a block, and what it was asked is answered."""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.limits import FRAME_BYTES_MAX, IDLE_TIMEOUT_MS, IN_FLIGHT_MAX
from switch.protocol.messages import REPLY_BIT, EchoReply, MessageType, Right, SwitchMode, TerminalStatus
from terminals.credentials import Credentials
from tests.fuzz.peer import Peer, message
from tests.fuzz.running import CARD, EVERY_RIGHT, OTHER_CARD, Watch, running_switch


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with running_switch(tmp_path_factory.mktemp("switch")) as switch:
        yield switch


@pytest.fixture(autouse=True)
def _the_neighbour_keeps_working(switch):
    yield
    switch.neighbour.check()


def debit_body(peer, amount=1, **fields):
    return peer.request(MessageType.DEBIT, card_number=CARD, amount_minor=amount, **fields).encode()


# --------------------------------------------------------------------------- terms, echo, sign-off


def test_the_terms_say_what_holds_for_the_session(switch):
    with switch.signed_on(switch.new_terminal(Right.PAY | Right.FOLLOW)) as peer:
        terms = peer.terms

        assert (terms.frame_bytes_max, terms.idle_timeout_ms) == (FRAME_BYTES_MAX, IDLE_TIMEOUT_MS)
        assert (terms.in_flight_max, terms.mode) == (IN_FLIGHT_MAX, SwitchMode.PRODUCTION)
        assert (terms.rights, terms.partition) == (9, 0)
        assert terms.business_date == terms.time_ms // 86_400_000  # its time zone is UTC


@pytest.mark.parametrize("stamp_ms", [0, 1, -1, 2**63 - 1, -(2**63)])
@pytest.mark.feature("EF-056")
def test_an_echo_repeats_the_stamp_and_tells_time_and_date(switch, stamp_ms):
    with switch.signed_on(switch.new_terminal(0)) as peer:
        answer = peer.ask(MessageType.ECHO, peer.request(MessageType.ECHO, stamp_ms=stamp_ms))

        reply = EchoReply.decode(answer.body)
        assert reply.stamp_ms == stamp_ms
        assert peer.terms.time_ms <= reply.time_ms < peer.terms.time_ms + 60_000
        assert reply.business_date == reply.time_ms // 86_400_000


def test_a_sign_off_is_answered_with_nothing_and_then_the_switch_closes(switch):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer:
        sequence = peer.send_message(MessageType.SIGN_OFF)
        answer = peer.receive()
        peer.wait_closed()

    assert (answer.header.type, answer.header.sequence, answer.body) == (
        MessageType.SIGN_OFF | REPLY_BIT,
        sequence,
        b"",
    )
    assert [name for name in watch.moved() if name.startswith("closed")] == []


def test_requests_before_a_sign_off_in_the_same_segment_are_answered_before_it(switch):
    with switch.signed_on() as peer:
        debits = [peer.seal(message(MessageType.DEBIT, debit_body(peer), sequence)) for sequence in range(40)]
        echo = peer.seal(message(MessageType.ECHO, bytes(8), 40))
        peer.send(b"".join(debits) + echo + peer.seal(message(MessageType.SIGN_OFF, b"", 41)))

        answers = list(peer.answers_until_closed())

    assert sorted(answer.header.sequence for answer in answers) == list(range(42))
    assert answers[-1].header.type == MessageType.SIGN_OFF | REPLY_BIT


def test_a_request_behind_a_sign_off_is_not_applied(switch):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer:
        sign_off = peer.seal(message(MessageType.SIGN_OFF))
        peer.send(sign_off + peer.seal(message(MessageType.DEBIT, debit_body(peer))))
        list(peer.answers_until_closed())

    assert watch.entries() == []


def test_a_session_can_be_followed_by_another_of_the_same_terminal(switch):
    credentials = switch.new_terminal()
    dates = set()
    for _ in range(20):
        with switch.signed_on(credentials) as peer:
            dates.add(peer.terms.business_date)
            assert peer.ask(MessageType.SIGN_OFF).body == b""
            peer.wait_closed()

    assert len(dates) <= 2


# --------------------------------------------------------------------------- blocked, changed


@pytest.mark.parametrize("type_", [MessageType.DEBIT, MessageType.ECHO, MessageType.SIGN_OFF, 0x33])
def test_a_terminal_that_is_blocked_is_cut_off_at_its_next_frame(switch, type_):
    credentials = switch.new_terminal()
    with switch.signed_on(credentials) as peer:
        body = debit_body(peer)
        assert peer.ask(MessageType.DEBIT, body).code == ResponseCode.APPROVED
        switch.put_terminal(credentials, EVERY_RIGHT, TerminalStatus.BLOCKED)
        watch = Watch(switch)

        peer.send(peer.seal(message(type_, body if type_ == MessageType.DEBIT else bytes(8))))
        peer.wait_closed()

    assert watch.moved()["closed: terminal is blocked"] == 1
    assert watch.entries() == []


def test_a_terminal_that_is_unblocked_signs_on_again_and_hears_its_repeats(switch):
    credentials = switch.new_terminal()
    with switch.signed_on(credentials) as peer:
        body = debit_body(peer)
        first = peer.ask(MessageType.DEBIT, body)
    switch.put_terminal(credentials, EVERY_RIGHT, TerminalStatus.BLOCKED)
    with switch.connect(credentials) as peer:
        peer.send(peer.sign_on_frame())
        refusal = peer.read_frame()
    switch.put_terminal(credentials, EVERY_RIGHT)

    with switch.signed_on(credentials) as peer:
        again = peer.ask(MessageType.DEBIT, body)

    assert int.from_bytes(refusal[2:4], "little") == ResponseCode.SIGN_ON_REFUSED
    assert again.body == first.body


def test_a_new_key_ends_the_sessions_of_the_old_one_which_signs_on_no_more(switch):
    old = switch.new_terminal()
    new = Credentials(old.terminal_id, b"n" * 32)
    with switch.signed_on(old) as peer:
        switch.put_terminal(new, EVERY_RIGHT)
        watch = Watch(switch)

        peer.send(peer.seal(message(MessageType.DEBIT, debit_body(peer))))
        peer.wait_closed()
        with switch.connect(old) as late:
            late.send(late.sign_on_frame())
            refusal = late.read_frame()

    assert watch.moved()["closed: terminal's key was replaced"] == 1
    assert watch.entries() == []
    assert int.from_bytes(refusal[2:4], "little") == ResponseCode.SIGN_ON_REFUSED
    with switch.signed_on(new) as again:
        assert again.do(MessageType.DEBIT, card_number=CARD, amount_minor=1).code == ResponseCode.APPROVED


# --------------------------------------------------------------------------- one terminal, several connections


@pytest.mark.feature("EF-057")
def test_two_connections_of_one_terminal_work_at_once_and_share_their_trace_numbers(switch):
    credentials = switch.new_terminal()
    with switch.signed_on(credentials) as one, switch.signed_on(credentials) as other:
        body = debit_body(one)
        first = one.ask(MessageType.DEBIT, body)
        reused = other.request(MessageType.DEBIT, card_number=OTHER_CARD, amount_minor=1, trace_number=body[0]).encode()

        repeat = other.ask(MessageType.DEBIT, body)
        confused = other.ask(MessageType.DEBIT, body[:4] + reused[4:])
        own = other.do(MessageType.DEBIT, card_number=CARD, amount_minor=1)

        assert first.code == ResponseCode.APPROVED
        assert repeat.body == first.body
        assert confused.code == ResponseCode.TRACE_REUSED
        assert own.balance_minor == first.reply.balance_minor - 1


def test_another_terminal_may_use_the_same_trace_number(switch):
    with switch.signed_on() as one, switch.signed_on() as other:
        body = debit_body(one)

        replies = [one.ask(MessageType.DEBIT, body).reply, other.ask(MessageType.DEBIT, body).reply]

        assert [reply.code for reply in replies] == [ResponseCode.APPROVED] * 2
        assert replies[0].journal_sequence < replies[1].journal_sequence


def test_a_repeat_from_a_second_connection_while_the_first_is_still_in_flight_is_not_a_second_debit(switch):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.signed_on(credentials) as one, switch.signed_on(credentials) as other:
        bodies = [debit_body(one) for _ in range(200)]
        for body in bodies:
            for peer in (one, other):
                peer.send_message(MessageType.DEBIT, body)
        answers = [answers_by_sequence(peer, 200) for peer in (one, other)]

    assert answers[0] == answers[1]
    assert len(watch.entries()) == 200
    assert watch.moved()["repeats"] == 200


def answers_by_sequence(peer: Peer, count):
    received = [peer.receive() for _ in range(count)]
    return {answer.header.sequence: answer.body for answer in received}


def test_one_hundred_connections_of_one_terminal_work_at_once(switch):
    credentials = switch.new_terminal()
    peers = [switch.signed_on(credentials) for _ in range(100)]
    try:
        for peer in peers:
            peer.send_message(MessageType.DEBIT, debit_body(peer))

        codes = [peer.receive().code for peer in peers]
    finally:
        for peer in peers:
            peer.close()

    assert codes == [ResponseCode.APPROVED] * 100
