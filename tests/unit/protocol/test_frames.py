import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.protocol.errors import LocalProtocolError, PeerError
from switch.protocol.frames import FrameCutter, FrameError, frame

MAX = 300

payload_lists = st.lists(st.binary(min_size=1, max_size=MAX), max_size=8)


def feed_in_pieces(cutter, stream, cuts):
    """All payloads of a stream that arrives in pieces."""
    edges = [0, *sorted(cuts), len(stream)]
    return [payload for start, end in itertools.pairwise(edges) for payload in cutter.feed(stream[start:end])]


@given(payloads=payload_lists, cuts=st.lists(st.integers(0, 2500), max_size=20))
def test_payloads_come_out_the_same_however_the_stream_is_cut(payloads, cuts):
    stream = b"".join(frame(payload) for payload in payloads)

    whole = FrameCutter(MAX).feed(stream)
    in_pieces = feed_in_pieces(FrameCutter(MAX), stream, [cut for cut in cuts if cut <= len(stream)])
    byte_by_byte = feed_in_pieces(FrameCutter(MAX), stream, range(len(stream)))

    assert whole == in_pieces == byte_by_byte == payloads


@given(payloads=payload_lists, end=st.integers(0, 2500))
def test_a_cutter_holds_no_more_than_one_unfinished_frame(payloads, end):
    stream = b"".join(frame(payload) for payload in payloads)[:end]
    cutter = FrameCutter(MAX)

    whole = cutter.feed(stream)

    assert cutter.held_bytes == len(stream) - sum(2 + len(payload) for payload in whole)
    assert cutter.held_bytes < 2 + MAX


def test_the_length_is_two_bytes_big_endian_and_does_not_count_itself():
    assert frame(b"x" * 258) == b"\x01\x02" + b"x" * 258


@pytest.mark.parametrize("length", [0, MAX + 1, 0xFFFF])
def test_a_wrong_length_is_refused_before_any_of_the_body_arrives(length):
    cutter = FrameCutter(MAX)
    assert cutter.feed(length.to_bytes(2, "big")[:1]) == []

    with pytest.raises(FrameError, match=f"expected 1 to {MAX} bytes, got {length}") as caught:
        cutter.feed(length.to_bytes(2, "big")[1:])

    assert (caught.value.expected, caught.value.got, caught.value.received) == (MAX, length, ())
    assert isinstance(caught.value, PeerError)


def test_the_longest_frame_passes():
    assert FrameCutter(MAX).feed(frame(bytes(MAX))) == [bytes(MAX)]


def test_payloads_before_a_wrong_length_are_not_lost():
    with pytest.raises(FrameError) as caught:
        FrameCutter(MAX).feed(frame(b"first") + frame(b"second") + bytes(2) + frame(b"third"))

    assert caught.value.received == (b"first", b"second")


def test_after_a_wrong_length_nothing_is_cut_or_held_any_more():
    cutter = FrameCutter(MAX)
    with pytest.raises(FrameError):
        cutter.feed(bytes(2))

    with pytest.raises(FrameError, match="got 0"):
        cutter.feed(frame(b"after the fault"))

    assert cutter.held_bytes == 0


@pytest.mark.parametrize("length", [0, 65_536])
def test_a_payload_that_no_length_can_say_is_not_framed(length):
    with pytest.raises(LocalProtocolError, match=f"got {length}"):
        frame(bytes(length))
