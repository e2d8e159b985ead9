import pytest

from terminals.device_errors import DeviceAnswerError, VerifyError
from terminals.stripe_encoder import (
    BadSwipeError,
    EncoderRefusedError,
    MediumError,
    StripeTracks,
    read_block,
    verify,
    write_block,
)
from tests.support.counter import TRACK_2

EXAMPLE = StripeTracks("%ABC123?", ";12345?", ";12345?")
EXAMPLE_BLOCK = bytes.fromhex("1b73 1b01 414243313233 1b02 3132333435 1b03 3132333435 3f1c")
READ = b"\x1bs\x1b\x01%ABC123?\x1b\x02;12345?\x1b\x03;12345?"


def test_a_block_has_the_bytes_of_the_manual():
    assert write_block(EXAMPLE) == EXAMPLE_BLOCK


@pytest.mark.parametrize("end", [b"?\x1c\x1b0", b"\x1c\x1b0"])
def test_models_end_a_block_in_two_ways(end):
    assert read_block(READ + end) == EXAMPLE


@pytest.mark.parametrize(
    "answer",
    [
        b"\x1bs\x1b\x01\x1b+\x1b\x02" + TRACK_2.encode() + b"\x1b\x03\x1b+?\x1c\x1b0",
        b"\x1bs\x1b\x01\x1b\x02" + TRACK_2.encode() + b"\x1b\x03?\x1c\x1b0",
        b"\x1bs\x1b\x01\x1b\x02" + TRACK_2.encode() + b"\x1c\x1b0",
    ],
)
def test_empty_tracks_are_none(answer):
    assert read_block(answer) == StripeTracks(track_2=TRACK_2)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"\x1bs\x1b\x01\x1b*\x1b\x02\x1b*\x1b\x03?\x1c\x1b1", MediumError),
        (b"\x1bs\x1b\x01\x1b\x02\x1b*\x1b\x03?\x1c\x1b0", MediumError),
        (READ + b"?\x1c\x1b9", BadSwipeError),
        (READ + b"?\x1c\x1b2", EncoderRefusedError),
        (READ + b"?\x1c\x1bz", DeviceAnswerError),
        (READ + b"?\x1c", DeviceAnswerError),
        (b"", DeviceAnswerError),
    ],
)
def test_an_answer_that_is_no_reading_is_named(answer, error):
    with pytest.raises(error):
        read_block(answer)


@pytest.mark.parametrize(
    "tracks",
    [
        StripeTracks(track_2="12345"),
        StripeTracks(track_2=";12a45?"),
        StripeTracks(track_2=";12?45?"),
        StripeTracks(track_2=";" + "1" * 38 + "?"),
        StripeTracks(track_1=";ABC?"),
        StripeTracks(track_1="%A\x1bB?"),
    ],
)
def test_what_the_track_cannot_hold_is_not_sent(tracks):
    with pytest.raises(ValueError, match="track"):
        write_block(tracks)


def test_reading_back_compares_what_was_written():
    verify(StripeTracks(track_2=TRACK_2), StripeTracks("%OTHER?", TRACK_2))
    with pytest.raises(VerifyError, match="track 1, 3"):
        verify(EXAMPLE, StripeTracks(None, ";12345?", ";1234?"))


def test_tracks_are_not_in_a_repr():
    assert "1234" not in repr(StripeTracks(track_2=TRACK_2))
