"""Behind a frame that is forged, replayed, reordered or of a wrong length nothing is applied: the connection ends.

What came whole before it stays applied and answered; how TCP cuts the stream changes nothing.
"""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.limits import FRAME_BYTES_MAX, SIGN_ON_FRAME_BYTES_MAX
from switch.protocol.messages import BillLine, MessageType
from tests.fuzz.peer import framed, message
from tests.fuzz.running import CARD, Watch, running_switch

FORGED = "closed: frame forged, replayed or out of order"
OUT_OF_BOUNDS = "closed: frame length out of bounds"
RECEIVE_BYTES = 262_144


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with running_switch(tmp_path_factory.mktemp("switch")) as switch:
        yield switch


@pytest.fixture(autouse=True)
def _the_neighbour_keeps_working(switch):
    yield
    switch.neighbour.check()


def sealed_debit(peer, sequence=0, amount=1, lines=()):
    request = peer.request(MessageType.DEBIT, card_number=CARD, amount_minor=amount, lines=lines)
    return peer.seal(message(MessageType.DEBIT, request.encode(), sequence))


# --------------------------------------------------------------------------- lengths


@pytest.mark.parametrize("length", [0, FRAME_BYTES_MAX + 1, 2**15, 2**16 - 1])
def test_a_length_that_no_frame_may_have_ends_the_connection_at_once(switch, length):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer:
        peer.send(length.to_bytes(2, "big") + sealed_debit(peer))
        peer.wait_closed()

    assert watch.moved()[OUT_OF_BOUNDS] == 1
    assert watch.entries() == []


@pytest.mark.parametrize("length", [0, SIGN_ON_FRAME_BYTES_MAX + 1, 2**15, 2**16 - 1])
def test_a_length_that_no_sign_on_has_ends_the_connection_at_once(switch, length):
    watch = Watch(switch)

    with switch.connect() as peer:
        peer.send(length.to_bytes(2, "big"))
        peer.wait_closed()

    assert watch.moved()["closed: frame length out of bounds before sign-on"] == 1


def test_the_longest_frame_is_read(switch):
    with switch.signed_on() as peer:
        plaintext = message(MessageType.BALANCE, bytes(FRAME_BYTES_MAX - 16 - 8))

        peer.send(peer.seal(plaintext))

        assert peer.receive().error.got == FRAME_BYTES_MAX - 24


def test_a_frame_too_short_for_a_seal_ends_the_connection(switch):
    credentials = switch.new_terminal()
    for size in (1, 15):
        watch = Watch(switch)

        with switch.signed_on(credentials) as peer:
            peer.send(framed(bytes(size)) + sealed_debit(peer))
            peer.wait_closed()

        assert watch.moved()[FORGED] == 1
        assert watch.entries() == []


def test_a_wrong_length_does_not_take_back_what_came_before_it(switch):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer:
        peer.send(sealed_debit(peer, 7) + b"\0\0" + sealed_debit(peer, 8))
        answers = list(peer.answers_until_closed())

    assert [(answer.header.sequence, answer.code) for answer in answers] == [(7, ResponseCode.APPROVED)]
    assert len(watch.entries()) == 1


# --------------------------------------------------------------------------- seals


def test_a_flipped_bit_at_any_byte_of_a_frame_ends_the_connection_and_nothing_behind_it_is_applied(switch):
    credentials = switch.new_terminal()
    watch = Watch(switch)
    frame_bytes = 2 + 8 + 40 + 16

    for at in range(frame_bytes):
        with switch.signed_on(credentials) as peer:
            frame = bytearray(sealed_debit(peer))
            assert len(frame) == frame_bytes
            frame[at] ^= 1 << at % 8
            # A frame whose length was flipped may be longer: what follows fills it up.
            peer.send(bytes(frame) + b"".join(sealed_debit(peer) for _ in range(600 if at < 2 else 1)))
            peer.wait_closed()

    moved = watch.moved()
    assert moved.get(FORGED, 0) + moved.get(OUT_OF_BOUNDS, 0) == frame_bytes
    assert watch.entries() == []


def replayed(peer, other):
    first = sealed_debit(peer, 1)
    return [first, first, sealed_debit(peer, 2)]


def reordered(peer, other):
    first, second = sealed_debit(peer, 1), sealed_debit(peer, 2)
    return [second, first]


def one_lost(peer, other):
    sealed_debit(peer, 1)
    return [sealed_debit(peer, 2), sealed_debit(peer, 3)]


def of_another_session(peer, other):
    return [sealed_debit(other, 1), sealed_debit(peer, 2)]


def of_another_terminal_later(peer, other):
    return [sealed_debit(peer, 1), sealed_debit(other, 2), sealed_debit(peer, 3)]


def not_sealed(peer, other):
    request = peer.request(MessageType.DEBIT, card_number=CARD, amount_minor=1)
    return [framed(message(MessageType.DEBIT, request.encode())), sealed_debit(peer, 2)]


def answered_to_the_sender(peer, other):
    """What the switch has sealed is sent back to it."""
    peer.send(sealed_debit(peer, 1))
    echoed = framed(peer.read_frame())
    return [echoed, sealed_debit(peer, 2)]


@pytest.mark.parametrize(
    ("frames_of", "applied"),
    [
        (replayed, 1),
        (reordered, 0),
        (one_lost, 0),
        (of_another_session, 0),
        (of_another_terminal_later, 1),
        (not_sealed, 0),
        (answered_to_the_sender, 1),
    ],
)
@pytest.mark.parametrize("joined", [True, False], ids=["one segment", "one by one"])
@pytest.mark.feature("EF-055")
def test_a_frame_out_of_its_place_ends_the_connection_and_nothing_from_it_on_is_applied(
    switch, frames_of, applied, joined
):
    credentials, others = switch.new_terminal(), switch.new_terminal()
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer, switch.signed_on(others) as other:
        frames = frames_of(peer, other)
        for piece in [b"".join(frames)] if joined else frames:
            peer.send(piece)
        while peer.read_frame() is not None:
            pass

    assert watch.moved()[FORGED] == 1
    assert [entry.request_type for entry in watch.entries()] == [MessageType.DEBIT] * applied


def test_other_sessions_of_the_same_terminal_go_on_after_a_forged_frame(switch):
    credentials = switch.new_terminal()
    with switch.signed_on(credentials) as forger, switch.signed_on(credentials) as honest:
        forger.send(framed(bytes(64)))
        forger.wait_closed()

        reply = honest.do(MessageType.DEBIT, card_number=CARD, amount_minor=1)

        assert reply.code == ResponseCode.APPROVED


# --------------------------------------------------------------------------- pieces


def test_a_session_that_drips_byte_by_byte_is_served_like_any_other(switch):
    with switch.connect(switch.new_terminal()) as peer:
        for byte in peer.sign_on_frame():
            peer.send(bytes([byte]))
        peer.finish_sign_on(peer.read_frame())

        for byte in sealed_debit(peer, 5, lines=(BillLine(amount_minor=1),)) + sealed_debit(peer, 6):
            peer.send(bytes([byte]))

        answers = [peer.receive(), peer.receive()]
        assert [(answer.header.sequence, answer.code) for answer in answers] == [(5, 0), (6, 0)]


def test_a_frame_in_two_pieces_is_one_frame_wherever_it_is_cut(switch):
    with switch.signed_on() as peer:
        codes = []
        for at in range(1, len(sealed_debit(peer)) - 1):
            peer.close()
            peer = switch.signed_on(peer.credentials)
            frame = sealed_debit(peer)
            peer.send(frame[:at])
            peer.send(frame[at:])
            codes.append(peer.receive().code)
        peer.close()

    assert codes == [ResponseCode.APPROVED] * 64


def test_many_frames_in_one_segment_are_all_answered(switch):
    with switch.signed_on() as peer:
        body = peer.request(MessageType.BALANCE, card_number=CARD).encode()
        frames = [peer.seal(message(MessageType.BALANCE, body, sequence)) for sequence in range(1_000)]

        peer.send(b"".join(frames))
        answers = [peer.receive() for _ in frames]

        assert [answer.header.sequence for answer in answers] == list(range(1_000))
        assert {answer.code for answer in answers} == {ResponseCode.APPROVED}


def test_frames_that_straddle_the_passes_of_the_switch_are_all_applied_in_order(switch):
    with switch.signed_on() as peer:
        before = peer.do(MessageType.BALANCE, card_number=CARD).balance_minor
        lines = tuple(BillLine(amount_minor=1) for _ in range(255))
        # Frames of 8,226, 66 and 98 bytes: no pass of 262,144 bytes ends where a frame does.
        shapes = [lines, (), lines[:1], lines] * 100
        frames = [sealed_debit(peer, sequence, 2, shape) for sequence, shape in enumerate(shapes)]
        assert sum(map(len, frames)) > 6 * RECEIVE_BYTES

        peer.send(b"".join(frames))
        answers = [peer.receive() for _ in frames]

        assert [answer.header.sequence for answer in answers] == list(range(400))
        assert [answer.reply.balance_minor for answer in answers] == [before - 2 * n for n in range(1, 401)]
