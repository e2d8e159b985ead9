import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.protocol.codes import ResponseCode
from switch.protocol.errors import LocalProtocolError, PeerError
from switch.protocol.frames import FrameCutter, frame
from switch.protocol.messages import (
    REPLY_BIT,
    DebitRequest,
    EchoReply,
    EchoRequest,
    Header,
    MessageType,
    Reply,
    SignOnAnswer,
    SignOnHeader,
)
from switch.protocol.session import (
    TRANSITIONS,
    Message,
    Refused,
    SignedOn,
    SignOnError,
    State,
    Step,
    SwitchSession,
    after,
    answer_sign_on,
    parse_reply,
    parse_sign_on,
    refuse_sign_on,
)
from tests.unit.protocol.pair import KEY, TERMS, answer, open_pair, terminal

ECHO, DEBIT, SIGN_OFF = MessageType.ECHO, MessageType.DEBIT, MessageType.SIGN_OFF

# --------------------------------------------------------------------------- the table of transitions

EXPECTED = """
             sign-on     accepted  refused  request  reply        sign-off     signed off  fault
new          signing on  -         -        -        -            -            -           failed
signing on   -           open      closed   -        -            -            -           failed
open         -           -         -        open     open         signing off  -           failed
signing off  -           -         -        -        signing off  -            closed      failed
closed       -           -         -        -        -            -            -           failed
failed       -           -         -        -        -            -            -           failed
"""


def expected_transitions():
    """(state, step, following state or None) of every cell of the table above."""
    head, *rows = EXPECTED.strip("\n").splitlines()
    starts = [head.index(step.value) for step in Step]
    ends = [*starts[1:], None]
    for row in rows:
        for step, start, end in zip(Step, starts, ends, strict=True):
            cell = row[start:end].strip()
            yield State(row[: starts[0]].strip()), step, None if cell == "-" else State(cell)


@pytest.mark.parametrize(("state", "step", "following"), list(expected_transitions()))
def test_every_step_in_every_state_leads_where_the_table_says_or_is_refused(state, step, following):
    if following is None:
        with pytest.raises(LocalProtocolError, match=f"^{step.value} while {state.value}"):
            after(state, step)
    else:
        assert after(state, step) is following


def test_the_table_knows_every_state():
    assert [state for state, _, _ in expected_transitions()][:: len(Step)] == list(State) == list(TRANSITIONS)


# --------------------------------------------------------------------------- a terminal in each state

REPLY_TO = {
    "reply": (ECHO | REPLY_BIT, EchoReply(stamp_ms=1, time_ms=2, business_date=3).encode()),
    "signed off": (SIGN_OFF | REPLY_BIT, b""),
    "request": (ECHO, EchoRequest(stamp_ms=1).encode()),
}


def terminal_in(state):
    """A terminal's session in a state, and the switch's side of it where there is one."""
    client, switch = terminal(), None
    if state in (State.SIGNING_ON, State.CLOSED):
        client.start()
    if state is State.CLOSED:
        client.receive(refuse_sign_on(ResponseCode.BUSY, 100))
    if state in (State.OPEN, State.SIGNING_OFF):
        client, switch = open_pair()
    if state is State.SIGNING_OFF:
        client.seal(SIGN_OFF, 1)
    if state is State.FAILED:
        with pytest.raises(PeerError):
            client.receive(bytes(2))
    assert client.state is state
    return client, switch


def sealed_by(switch, what):
    """A frame of the switch, even one that its own state would not allow."""
    type_, body = REPLY_TO[what]
    switch = switch or SwitchSession(KEY, KEY)
    return frame(switch._send.encrypt(Header(type=type_, sequence=1).encode() + body))


TERMINAL = """
             start       seal echo  seal sign-off  receive reply  receive signed off  receive request  receive refusal
new          signing on  -          -              !              !                   !                !
signing on   -           -          -              !              !                   !                closed
open         -           open       signing off    open           !                   !                !
signing off  -           -          -              signing off    closed              !                !
closed       -           -          -              !              !                   !                !
failed       -           -          -              !              !                   !                !
"""
"""Following state; `-`: our own mistake, nothing changes; `!`: the peer's fault, the session has failed."""


def terminal_cases():
    """(state, action, outcome) of every cell of the table above."""
    head, *rows = TERMINAL.strip("\n").splitlines()
    names = [name for name in head.split("  ") if name.strip()]
    for row in rows:
        cells = [cell.strip() for cell in row.split("  ") if cell.strip()]
        for name, outcome in zip(names, cells[1:], strict=True):
            yield State(cells[0]), name.strip(), outcome


@pytest.mark.parametrize(("state", "action", "outcome"), list(terminal_cases()))
def test_a_terminal_accepts_in_each_state_what_the_table_says_and_nothing_else(state, action, outcome):
    client, switch = terminal_in(state)
    actions = {
        "start": client.start,
        "seal echo": lambda: client.seal(ECHO, 1, bytes(8)),
        "seal sign-off": lambda: client.seal(SIGN_OFF, 1),
        "receive reply": lambda: client.receive(sealed_by(switch, "reply")),
        "receive signed off": lambda: client.receive(sealed_by(switch, "signed off")),
        "receive request": lambda: client.receive(sealed_by(switch, "request")),
        "receive refusal": lambda: client.receive(refuse_sign_on(ResponseCode.BUSY)),
    }

    if outcome == "-":
        with pytest.raises(LocalProtocolError):
            actions[action]()
        assert client.state is state
    elif outcome == "!":
        with pytest.raises(PeerError):
            actions[action]()
        assert client.state is State.FAILED
    else:
        actions[action]()
        assert client.state is State(outcome)


def test_an_illegal_step_of_ours_uses_up_no_nonce():
    client, switch = open_pair()
    with pytest.raises(LocalProtocolError):
        client.start()
    with pytest.raises(LocalProtocolError, match="expected a frame of at most 8448"):
        client.seal(DEBIT, 1, bytes(8448))

    [message] = switch.receive(client.seal(ECHO, 2, bytes(8)))

    assert message.header.sequence == 2


# --------------------------------------------------------------------------- sign-on


def test_a_terminal_with_the_right_key_is_signed_on_and_hears_the_terms():
    client = terminal()

    events = client.receive(answer(client.start()).frame)

    assert events == [SignedOn(TERMS)]
    assert client.state is State.OPEN


def test_the_sign_on_frame_has_the_documented_length_and_header():
    start = terminal(terminal_id=0x01020304).start()

    assert start[:14].hex() == "003c435357500100000004030201"
    assert len(start) == 62


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(b"", "SIGN_ON_REFUSED", id="nothing"),
        pytest.param(b"CSW", "SIGN_ON_REFUSED", id="part of the magic"),
        pytest.param(b"CSWP", "SIGN_ON_REFUSED", id="no version"),
        pytest.param(b"GET / HTTP/1.1\r\n".ljust(60), "SIGN_ON_REFUSED", id="another protocol"),
        pytest.param(b"CSWP\x02", "VERSION", id="only a later version"),
        pytest.param(b"CSWP\x02" + bytes(200), "VERSION", id="a later version of another length"),
        pytest.param(b"CSWP\x00" + bytes(55), "VERSION", id="version 0"),
        pytest.param(b"CSWP\x01\0\0\0\7\0\0\0" + bytes(47), "SIGN_ON_REFUSED", id="too short"),
        pytest.param(b"CSWP\x01\0\0\0\7\0\0\0" + bytes(49), "SIGN_ON_REFUSED", id="too long"),
        pytest.param(b"CSWP\x01\1\0\0\7\0\0\0" + bytes(48), "SIGN_ON_REFUSED", id="reserved not zero"),
        pytest.param(b"CSWP\x01\0\0\0\0\0\0\0" + bytes(48), "SIGN_ON_REFUSED", id="terminal 0"),
    ],
)
def test_a_first_frame_that_is_no_sign_on_names_the_code_to_answer(payload, code):
    with pytest.raises(SignOnError) as caught:
        parse_sign_on(payload)

    assert caught.value.code is ResponseCode[code]


def test_a_sign_on_is_parsed_into_header_and_noise_message():
    start = terminal(terminal_id=9).start()

    header, noise_message = parse_sign_on(start[2:])

    assert header == SignOnHeader(terminal_id=9)
    assert header.encode() + noise_message == start[2:]


def test_a_terminal_with_another_key_is_refused():
    start = terminal(key=KEY[::-1]).start()

    with pytest.raises(SignOnError) as caught:
        answer(start)

    assert caught.value.code is ResponseCode.SIGN_ON_REFUSED


def test_a_sign_on_under_another_terminals_number_is_refused():
    """The header is the prologue: altering it on the way breaks the tag."""
    start = terminal(terminal_id=7).start()
    altered = SignOnHeader(terminal_id=8).encode()

    with pytest.raises(SignOnError):
        answer_sign_on(altered, start[14:], KEY, TERMS, bytes(32))


def test_a_switch_that_does_not_know_the_key_is_found_out():
    client, impostor = terminal(), terminal(key=KEY[::-1])
    client.start()

    with pytest.raises(PeerError, match="wrong tag"):
        client.receive(answer(impostor.start(), key=KEY[::-1]).frame)

    assert client.state is State.FAILED


@pytest.mark.parametrize("code", [ResponseCode.VERSION, ResponseCode.SIGN_ON_REFUSED, ResponseCode.BUSY])
def test_a_refused_terminal_hears_the_code_and_when_to_come_back(code):
    client = terminal()
    client.start()

    events = client.receive(refuse_sign_on(code, 250))

    assert events == [Refused(code, 250)]
    assert client.state is State.CLOSED


def test_a_refusal_of_a_later_version_may_be_longer():
    client = terminal()
    client.start()

    [event] = client.receive(frame(SignOnAnswer(version=2, code=230).encode() + b"more words"))

    assert event == Refused(230, 0)


def test_a_switch_cannot_refuse_with_approval():
    with pytest.raises(LocalProtocolError):
        refuse_sign_on(ResponseCode.APPROVED)


@pytest.mark.parametrize("payload", [b"\x01", SignOnAnswer().encode(), b"\x01\x01" + bytes(6)])
def test_an_answer_that_is_none_fails_the_session(payload):
    client = terminal()
    client.start()

    with pytest.raises(PeerError, match="sign-on"):
        client.receive(frame(payload))

    assert client.state is State.FAILED


def test_a_reply_right_behind_the_answer_is_read_in_the_same_call():
    client = terminal()
    success = answer(client.start())
    switch = SwitchSession(success.receive_key, success.send_key)

    events = client.receive(success.frame + switch.seal(ECHO | REPLY_BIT, 3, bytes(24)))

    assert events == [SignedOn(TERMS), Message(Header(type=0x82, sequence=3), bytes(24))]


def test_a_terminal_obeys_the_frame_length_that_the_switch_told_it():
    client, _ = open_pair(terms=msgspec.structs.replace(TERMS, frame_bytes_max=500))
    just_fits = bytes(500 - 16 - 8)

    client.seal(DEBIT, 1, just_fits)

    with pytest.raises(LocalProtocolError):
        client.seal(DEBIT, 2, just_fits + b"\0")


def test_a_terminal_frames_nothing_that_no_length_can_say_whatever_it_was_told():
    client, switch = open_pair(terms=msgspec.structs.replace(TERMS, frame_bytes_max=2**32 - 1))
    with pytest.raises(LocalProtocolError):
        client.seal(DEBIT, 1, bytes(65_536 - 16 - 8))

    [message] = switch.receive(client.seal(ECHO, 2, bytes(8)))

    assert message.header.sequence == 2


# --------------------------------------------------------------------------- messages


@given(
    messages=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=400)), max_size=6),
    cuts=st.lists(st.integers(0, 3000), max_size=9),
)
def test_messages_arrive_as_they_were_sealed_however_the_stream_is_cut(messages, cuts):
    messages = [message for message in messages if message[0] != SIGN_OFF]
    client, switch = open_pair()
    stream = b"".join(client.seal(*message) for message in messages)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})

    heard = [event for start, end in itertools.pairwise(edges) for event in switch.receive(stream[start:end])]

    assert [(event.header.type, event.header.sequence, event.body) for event in heard] == messages


def test_a_request_and_its_reply_pass():
    client, switch = open_pair()
    request = DebitRequest(trace_number=1, business_date=2, stamp_ms=3, card_number=4, amount_minor=5)
    reply = Reply(code=0, trace_number=1, amount_minor=5)

    [asked] = switch.receive(client.message(DEBIT, 77, request))
    [heard] = client.receive(switch.seal(asked.header.type | REPLY_BIT, asked.header.sequence, reply.encode()))

    assert DebitRequest.decode(asked.body) == request
    assert heard.header.sequence == 77
    assert parse_reply(DEBIT, heard.header, heard.body) == reply


@pytest.mark.parametrize("position", [2, 10, -1])
def test_an_altered_message_fails_the_session_and_those_before_it_are_not_lost(position):
    client, switch = open_pair()
    good, bad = client.seal(ECHO, 1, bytes(8)), bytearray(client.seal(ECHO, 2, bytes(8)))
    bad[position] ^= 1

    with pytest.raises(PeerError, match="wrong tag") as caught:
        switch.receive(good + bytes(bad))

    assert [event.header.sequence for event in caught.value.received] == [1]
    assert switch.state is State.FAILED


def test_events_before_a_hostile_length_are_not_lost():
    client, switch = open_pair()

    with pytest.raises(PeerError, match="frame length") as caught:
        switch.receive(client.seal(ECHO, 1, bytes(8)) + b"\xff\xff")

    assert caught.value.received == (Message(Header(type=ECHO, sequence=1), bytes(8)),)


@pytest.mark.parametrize("order", [[0, 0], [1], [1, 0]])
def test_repeated_or_reordered_frames_fail_the_session(order):
    client, switch = open_pair()
    frames = [client.seal(ECHO, number, bytes(8)) for number in range(2)]

    with pytest.raises(PeerError, match="wrong tag"):
        switch.receive(b"".join(frames[index] for index in order))


def test_a_failed_session_stays_failed_even_if_the_right_frame_comes():
    client, switch = open_pair()
    good = client.seal(ECHO, 1, bytes(8))
    with pytest.raises(PeerError):
        switch.receive(good[:-1] + b"?" if good[-1:] != b"?" else good[:-1] + b"!")

    with pytest.raises(PeerError):
        switch.receive(good)

    assert switch.state is State.FAILED


def test_the_switch_returns_a_message_without_a_whole_header_so_that_it_can_be_answered():
    client, switch = open_pair()

    [message] = switch.receive(frame(client._send.encrypt(b"\x01\x10\x00")))

    assert message == Message(Header(type=DEBIT, sequence=0), b"", header_bytes=3)


@pytest.mark.parametrize(
    "plaintext",
    [
        pytest.param(b"\x01\x82\x00", id="no whole header"),
        pytest.param(b"\x02\x82\0\0\0\0\0\0", id="another version"),
        pytest.param(b"\x01\x82\1\0\0\0\0\0", id="flags"),
        pytest.param(b"\x01\x02\0\0\0\0\0\0", id="no reply"),
    ],
)
def test_a_terminal_refuses_replies_with_a_header_it_does_not_know(plaintext):
    client, switch = open_pair()

    with pytest.raises(PeerError, match="header"):
        client.receive(frame(switch._send.encrypt(plaintext)))


def test_signing_off_lets_earlier_replies_through_and_ends_with_its_own():
    client, switch = open_pair()
    switch.receive(client.seal(ECHO, 1, bytes(8)) + client.seal(SIGN_OFF, 2))
    assert [switch.state, client.state] == [State.SIGNING_OFF] * 2

    events = client.receive(switch.seal(ECHO | REPLY_BIT, 1, bytes(24)) + switch.seal(SIGN_OFF | REPLY_BIT, 2))

    assert [event.header.sequence for event in events] == [1, 2]
    assert [switch.state, client.state] == [State.CLOSED] * 2


def test_the_switch_refuses_requests_after_a_sign_off():
    client, switch = open_pair()
    late = [client._send.encrypt(Header(type=type_, sequence=1).encode()) for type_ in (SIGN_OFF, ECHO)]

    with pytest.raises(PeerError, match="request while signing off"):
        switch.receive(b"".join(map(frame, late)))


@pytest.mark.parametrize(
    "plaintext",
    [
        pytest.param(Header(type=SIGN_OFF, sequence=1).encode() + b"x", id="with a body"),
        pytest.param(Header(type=SIGN_OFF, sequence=1, version=2).encode(), id="of another version"),
        pytest.param(Header(type=SIGN_OFF, sequence=1, flags=1).encode(), id="with flags"),
    ],
)
def test_a_sign_off_that_earns_an_error_reply_signs_nobody_off(plaintext):
    client, switch = open_pair()

    switch.receive(frame(client._send.encrypt(plaintext)))

    assert switch.state is State.OPEN


def test_every_sealed_message_is_one_frame_of_its_plaintext_and_a_tag():
    client, _ = open_pair()

    [payload] = FrameCutter(8_448).feed(client.seal(ECHO, 1, bytes(8)))

    assert len(payload) == 8 + 8 + 16
