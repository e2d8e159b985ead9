"""A stranger learns nothing and gets nothing: a sign-on that does not prove the key is refused alike, and counted."""

import socket

import msgspec
import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType, SignOnAnswer, SignOnHeader, TerminalStatus
from terminals.credentials import Credentials
from tests.fuzz.peer import Peer, framed, message
from tests.fuzz.running import CARD, EVERY_RIGHT, Watch, running_switch
from tests.support.switch_process import SwitchProcess

REFUSED = SignOnAnswer(code=ResponseCode.SIGN_ON_REFUSED).encode()
OTHER_VERSION = SignOnAnswer(code=ResponseCode.VERSION).encode()


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with running_switch(tmp_path_factory.mktemp("switch")) as switch:
        yield switch


@pytest.fixture(autouse=True)
def _the_neighbour_keeps_working(switch):
    yield
    switch.neighbour.check()


def header_of(credentials):
    return SignOnHeader(terminal_id=credentials.terminal_id).encode()


def answer_to(switch, first_bytes):
    """Payload that the switch answers before it closes."""
    with switch.connect() as peer:
        peer.send(first_bytes)
        answer = peer.read_frame()
        peer.wait_closed()
    return answer


# --------------------------------------------------------------------------- one kind of refusal


def unknown_terminal(switch, peer):
    return peer.sign_on_frame(header=SignOnHeader(terminal_id=88_888).encode())


def terminal_zero(switch, peer):
    return peer.sign_on_frame(header=SignOnHeader(terminal_id=0).encode())


def blocked_terminal(switch, peer):
    switch.put_terminal(peer.credentials, EVERY_RIGHT, TerminalStatus.BLOCKED)
    return peer.sign_on_frame()


def wrong_key(switch, peer):
    return peer.sign_on_frame(key=b"w" * 32)


def key_of_another_terminal(switch, peer):
    return peer.sign_on_frame(key=switch.new_terminal().key)


def altered_prologue(switch, peer):
    """Sealed under one terminal's number, sent under another's: the header is part of the seal."""
    other = switch.new_terminal()
    switch.put_terminal(Credentials(other.terminal_id, peer.credentials.key), EVERY_RIGHT)
    frame = bytearray(peer.sign_on_frame())
    frame[2 + 8 : 2 + 12] = other.terminal_id.to_bytes(4, "little")
    return bytes(frame)


def wrong_magic(switch, peer):
    return peer.sign_on_frame(header=b"CSWQ" + header_of(peer.credentials)[4:])


def reserved_set(switch, peer):
    header = bytearray(header_of(peer.credentials))
    header[5] = 1
    return peer.sign_on_frame(header=bytes(header))


def one_byte_short(switch, peer):
    return framed(peer.sign_on_frame()[2:-1])


def header_alone(switch, peer):
    return framed(header_of(peer.credentials))


def one_byte(switch, peer):
    return framed(b"C")


def flipped_tag(switch, peer):
    frame = peer.sign_on_frame()
    return frame[:-1] + bytes([frame[-1] ^ 1])


def small_order_point(switch, peer):
    """An ephemeral key that would make the shared secret zero."""
    frame = peer.sign_on_frame()
    return frame[:14] + bytes(32) + frame[46:]


@pytest.mark.parametrize(
    "frame_of",
    [
        unknown_terminal,
        terminal_zero,
        blocked_terminal,
        wrong_key,
        key_of_another_terminal,
        altered_prologue,
        wrong_magic,
        reserved_set,
        one_byte_short,
        header_alone,
        one_byte,
        flipped_tag,
        small_order_point,
    ],
)
@pytest.mark.feature("EF-055")
def test_all_refusals_of_a_sign_on_are_the_same_bytes_and_are_counted(switch, frame_of):
    with switch.connect(switch.new_terminal()) as peer:
        frame = frame_of(switch, peer)
    watch = Watch(switch)

    answer = answer_to(switch, frame)

    assert answer == REFUSED
    moved = watch.moved()
    assert (moved["sign_ons_refused"], moved.get("sign_ons")) == (1, None)
    assert watch.entries() == []


def test_a_flipped_bit_at_any_byte_of_the_sign_on_is_refused(switch):
    with switch.connect(switch.new_terminal()) as peer:
        frame = peer.sign_on_frame()
    watch = Watch(switch)
    at_version = 2 + 4

    answers = []
    for at in range(2, len(frame)):
        altered = bytearray(frame)
        altered[at] ^= 1 << at % 8
        answers.append(answer_to(switch, bytes(altered)))

    assert answers == [OTHER_VERSION if at == at_version else REFUSED for at in range(2, len(frame))]
    assert watch.moved()["sign_ons_refused"] == len(frame) - 2


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_hears_which_one_the_switch_speaks_whatever_else_it_sends(switch, version):
    credentials = switch.new_terminal()
    header = header_of(credentials)
    other = header[:4] + bytes([version]) + header[5:]

    with switch.connect(credentials) as peer:
        whole = peer.sign_on_frame(header=other)

    assert answer_to(switch, whole) == OTHER_VERSION
    assert answer_to(switch, framed(other[:5])) == OTHER_VERSION


@pytest.mark.parametrize(
    "stranger",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\n\n\n\n",
        b"\xff" * 999,
    ],
    ids=["a browser", "TLS", "newlines", "ones"],
)
def test_other_protocols_are_cut_off(switch, stranger):
    watch = Watch(switch)

    with switch.connect() as peer:
        peer.send(stranger)
        peer.wait_closed()

    assert watch.moved()["closed: frame length out of bounds before sign-on"] == 1


# --------------------------------------------------------------------------- around the sign-on


@pytest.mark.parametrize("behind", [b"", b"\0", b"x" * 70], ids=["twice", "and a byte", "and more"])
def test_two_sign_ons_in_one_segment_end_the_connection(switch, behind):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.connect(credentials) as peer:
        peer.send(peer.sign_on_frame() + peer.sign_on_frame() + behind)
        frames = [peer.read_frame()]
        while frames[-1] is not None:
            frames.append(peer.read_frame())

    assert len(frames) <= 2
    assert watch.entries() == []
    assert watch.moved().get("connections_open") is None


@pytest.mark.parametrize(
    "behind",
    [b"\0", b"\0\x20", framed(bytes(50))[:30], framed(bytes(100)), b"\xff" * 5_000],
    ids=lambda behind: f"{len(behind)} bytes",
)
def test_nothing_that_a_terminal_sends_before_it_has_its_keys_is_passed_over(switch, behind):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.connect(credentials) as peer:
        peer.send(peer.sign_on_frame() + behind)
        answer = peer.read_frame()
        if answer is not None:
            peer.finish_sign_on(answer)
            request = peer.request(MessageType.DEBIT, card_number=CARD, amount_minor=1)
            peer.send(peer.seal(message(MessageType.DEBIT, request.encode())) + bytes(9_000))
        while peer.read_frame() is not None:
            pass

    assert watch.entries() == []


def test_a_sign_on_in_the_middle_of_a_session_ends_it(switch):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer:
        peer.send(peer.sign_on_frame())
        peer.wait_closed()

    assert watch.moved()["closed: frame forged, replayed or out of order"] == 1


def recorded_session(switch):
    """The first two frames of a session, as somebody on the wire has them."""
    with switch.connect(switch.new_terminal()) as peer:
        sign_on = peer.sign_on_frame()
        peer.send(sign_on)
        peer.finish_sign_on(peer.read_frame())
        request = peer.request(MessageType.DEBIT, card_number=CARD, amount_minor=1).encode()
        return sign_on, peer.seal(message(MessageType.DEBIT, request))


def test_a_recorded_sign_on_sent_again_is_refused_without_a_handshake(switch):
    sign_on, _ = recorded_session(switch)
    watch = Watch(switch)

    with switch.connect() as thief:
        thief.send(sign_on)
        assert thief.read_frame() == REFUSED
        thief.wait_closed()

    moved = watch.moved()
    assert moved["sign_ons_refused"] == 1
    assert "handshakes" not in moved


def test_a_recorded_sign_on_that_the_switch_has_forgotten_gives_a_session_that_cannot_be_used(tmp_path):
    with running_switch(tmp_path) as switch:
        sign_on, debit = recorded_session(switch)
    with SwitchProcess(switch.process.data) as restarted:
        with Peer(restarted.address) as thief:
            thief.send(sign_on)
            answer = thief.read_frame()
            thief.send(debit)
            thief.wait_closed()
        with Peer(restarted.address, switch.operator).sign_on() as desk:
            figures = msgspec.json.decode(desk.ask(MessageType.STATISTICS).body)

    assert answer is not None
    assert SignOnAnswer.decode(answer[:8]).code == ResponseCode.APPROVED  # as docs/protocol.md says
    assert figures["closed: frame forged, replayed or out of order"] == 1
    assert "type_debit" not in figures or figures["type_debit"] == 0


def test_a_refused_sign_on_cannot_be_tried_again_on_the_same_connection(switch):
    credentials = switch.new_terminal()

    with switch.connect(credentials) as peer:
        peer.send(peer.sign_on_frame(key=b"w" * 32))
        refusal = peer.read_frame()
        peer.send(peer.sign_on_frame())
        peer.wait_closed()

    assert refusal == REFUSED


def test_a_peer_that_refuses_to_read_its_refusal_is_closed_all_the_same(switch):
    watch = Watch(switch)

    with switch.connect(switch.new_terminal()) as peer:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        peer.send(peer.sign_on_frame(key=b"w" * 32))
        peer.shut_writing()
        assert peer.read_frame() == REFUSED
        peer.wait_closed()

    assert watch.moved().get("connections_open") is None
