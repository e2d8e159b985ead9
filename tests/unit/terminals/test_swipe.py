import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.stripe import lrc, make_track2, parse_track2
from terminals.luhn import luhn_holds
from terminals.swipe import (
    FRAME_BYTES_MAX,
    FRAME_GAP_MS,
    ForeignStripeError,
    NumberCheckError,
    StripeRead,
    SwipeError,
    SwipeParser,
    TrackCheckError,
    TrackFormatError,
    TrackGarbageError,
    TracksDisagreeError,
    TrackTooLongError,
    TrackTruncatedError,
    TrackUnreadError,
    check_character,
    parse_frame,
    parse_track_2,
    track_1,
)
from tests.support.counter import CARD, FRAME, TRACK_2


def line(track=TRACK_2, before=""):
    return before + track + check_character(track)


def feed_all(frame, **how):
    return SwipeParser(**how).feed(frame.encode("latin-1"), 0)


def test_a_swipe_gives_the_fields_of_both_tracks():
    (read,) = feed_all(FRAME + "\r\n")

    assert read == StripeRead(CARD, 29, 12, "201", 1, 0, "815", 42, "30114", "CARDHOLDER/TEST")
    assert read.has_chip
    assert read.track_2() == TRACK_2
    assert len(TRACK_2) + 1 == 40


def test_what_the_issuer_writes_is_what_the_reader_reads():
    track = make_track2(bytes(range(16)), b"j" * 16, 3, CARD, "3007", "101", 7, 123_456)
    read = parse_track_2(track)
    issuers = parse_track2(track)

    assert check_character(track) == lrc(track)
    assert read.ticket_shown == issuers.ticket_shown == 456
    assert (read.cvv, read.ticket_mac) == (issuers.cvv, issuers.ticket_mac)
    assert (read.key_version_digit, read.issue_digit, read.service_code) == (3, 7, "101")
    assert not read.has_chip


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(1, 4))
def test_pieces_of_any_size_make_the_same_swipes(sizes, count):
    data = (FRAME + "\r\n").encode() * count
    parser, got, start = SwipeParser(), [], 0
    while start < len(data):
        size = sizes[start % len(sizes)]
        got += parser.feed(data[start : start + size], 5)
        start += size

    assert got == feed_all(FRAME + "\r\n") * count


@given(st.binary(max_size=600), st.lists(st.integers(1, 90), min_size=1))
def test_garbage_is_an_error_or_nothing_and_never_spoils_the_swipe_after_it(garbage, sizes):
    parser, got, start = SwipeParser(), [], 0
    while start < len(garbage):
        size = sizes[start % len(sizes)]
        got += parser.feed(garbage[start : start + size], 0)
        start += size
    got += parser.idle(FRAME_GAP_MS)

    assert all(isinstance(event, SwipeError) for event in got)
    assert parser.feed(f"{FRAME}\r".encode(), FRAME_GAP_MS) == feed_all(FRAME + "\r")


@given(st.integers(1, len(TRACK_2) - 1), st.sampled_from("0123456789:;<=>"))
def test_one_wrong_character_is_never_read(place, wrong):
    frame = line()
    damaged = frame[:place] + wrong + frame[place + 1 :]
    (read,) = feed_all(damaged + "\r")

    assert damaged == frame or isinstance(read, SwipeError)


@given(st.integers(0, len(line()) - 1))
def test_a_beginning_is_never_read_whatever_ends_it(length):
    parser = SwipeParser()
    assert parser.feed(line()[:length].encode(), 0) == []
    assert parser.idle(FRAME_GAP_MS - 1) == []
    silence = parser.idle(FRAME_GAP_MS)
    assert [type(event) for event in silence] == [TrackTruncatedError] * bool(length)

    assert all(isinstance(event, SwipeError) for event in feed_all(line()[:length] + "\r\n"))


def test_a_beginning_is_not_joined_to_a_later_swipe():
    parser = SwipeParser()
    parser.feed(line()[:20].encode(), 0)
    late = parser.feed((line()[20:] + "\r" + line() + "\r").encode(), FRAME_GAP_MS)

    assert [type(event) for event in late] == [TrackTruncatedError, TrackGarbageError, StripeRead]


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (TRACK_2, TrackCheckError),
        (TRACK_2 + "5", TrackCheckError),
        (TRACK_2[:-1], TrackTruncatedError),
        ("%E?" + line(), TrackUnreadError),
        (";E?", TrackUnreadError),
        (line() + "x", TrackGarbageError),
        ("x" + line(), TrackGarbageError),
        ("?" * 40, TrackGarbageError),
        (line(TRACK_2.replace("5674=", "5675=")), NumberCheckError),
        (line(TRACK_2.replace("=2912", "=2913")), TrackFormatError),
        (line(TRACK_2.replace("=", ":")), TrackFormatError),
        (line(";6221260012345674=2912201?"), ForeignStripeError),
        (line(";6221260012345674=2912201108150423011?"), ForeignStripeError),
        (line(TRACK_2[:-1] + "1?"), TrackTooLongError),
        (line(before="%B6221260012345674^A/B^29112010?"), TracksDisagreeError),
        (line(before="%B6221260012345682^A/B^29122010?"), TracksDisagreeError),
        (line(before="%C6221260012345674^A/B^29122010?"), TrackFormatError),
        (line(before="%B6221260012345674^A/B^2912201" + "0" * 60 + "?"), TrackTooLongError),
        ("9" * (FRAME_BYTES_MAX + 1), TrackTooLongError),
        (line().replace("8", "\xb8"), TrackGarbageError),
    ],
)
def test_what_is_no_swipe_of_ours_is_named_and_no_number_is_shown(frame, error):
    (found,) = feed_all(frame + "\r\n")

    assert type(found) is error
    assert "60012345" not in str(found)


def test_a_reader_without_check_characters_is_one_that_is_set_up_so():
    assert parse_frame(TRACK_2, frozenset()).card_number == CARD
    with pytest.raises(TrackGarbageError):
        parse_frame(line(), frozenset())
    first = track_1(CARD, "Li/Na", "2912", "201")
    both = first + check_character(first) + line()
    assert parse_frame(both, frozenset({1, 2})).holder == "LI/NA"
    with pytest.raises(TrackGarbageError):
        parse_frame(both)


def test_a_swipe_shows_neither_number_nor_secrets():
    (read,) = feed_all(FRAME + "\r")
    for shown in (repr(read), str(read)):
        assert CARD not in shown
        assert "815" not in shown
        assert "30114" not in shown


def test_a_holder_whose_name_the_track_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="romanise"):
        track_1(CARD, "张三", "2912", "201")


def test_luhn():
    assert [digit for digit in "0123456789" if luhn_holds("622126001234567" + digit)] == ["4"]
    assert not any(luhn_holds(text) for text in ("", "0", "６２２１２６００１２３４５６７４", "62212600 12345674"))
