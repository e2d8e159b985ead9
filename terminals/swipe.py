"""Magnetic stripes: what a swipe reader sends, and what our track 2 says.

The layout is ISO/IEC 7813 (tracks 1 and 2), the check character ISO/IEC
7811-6: XOR of the characters' values from start sentinel to end sentinel.
Our discretionary data of track 2, in digits:

    ;number=YYMM service 3 | key version 1 | issue 1 | CVV 3 | ticket 3 | its MAC 5 ?

Nothing is ever taken from a track whose end sentinel has not come.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import xor

from .device_errors import DeviceError
from .line_framing import BrokenLine, LineFramer
from .luhn import luhn_holds
from .masking import mask
from .serial_port import PortListener

TRACK_1_CHARS_MAX = 79
"""Sentinels and check character included (ISO/IEC 7811-6)."""
TRACK_2_CHARS_MAX = 40
"""Sentinels and check character included (ISO/IEC 7811-6)."""
FRAME_BYTES_MAX = 256
"""Three tracks are 226 characters; a line longer than this is no swipe."""
FRAME_GAP_MS = 200
"""A swipe of 226 characters takes 240 ms at 9600 baud without a pause; silence in the middle this long is a broken one.
"""

_TRACK_2_BASE = 0x30
_TRACK_1_BASE = 0x20
_TRACK_1 = re.compile(r"%B(\d{8,19})\^([^^?]{2,26})\^(\d{4})(\d{3})([^?]*)\?", re.ASCII)
_TRACK_2 = re.compile(r";(\d{8,19})=(\d{4})(\d{3})(\d*)\?", re.ASCII)
_OURS = re.compile(r"(\d)(\d)(\d{3})(\d{3})(\d{5})", re.ASCII)


class SwipeError(DeviceError):
    """A swipe that says nothing; the person swipes again."""


class TrackTruncatedError(SwipeError):
    """The frame ended, or fell silent, before the end sentinel or its terminator."""


class TrackGarbageError(SwipeError):
    """Bytes that belong to no track."""


class TrackUnreadError(SwipeError):
    """The reader itself says that it could not read the track."""


class TrackCheckError(SwipeError):
    """The check character (LRC) is missing or not that of the characters."""


class TrackFormatError(SwipeError):
    """A whole track whose fields are not those of ISO/IEC 7813."""


class TrackTooLongError(SwipeError):
    """More characters than the track holds."""


class NumberCheckError(SwipeError):
    """The card number's check digit is wrong: misread, or keyed into a blank card by somebody."""


class TracksDisagreeError(SwipeError):
    """Tracks 1 and 2 name different cards or dates: one of them was rewritten."""


class ForeignStripeError(SwipeError):
    """A stripe of somebody else's card: its discretionary data has not our shape."""


@dataclass(frozen=True, slots=True)
class StripeRead:
    """One good swipe of a card of ours; nothing in it is verified but the form (the switch checks CVV and jitter)."""

    card_number: str
    expiry_year: int
    """Two digits as on the stripe, 0 to 99."""
    expiry_month: int
    service_code: str
    key_version_digit: int
    issue_digit: int
    """Of the issue serial, which every replacement raises, so that copies of the old stripe die."""
    cvv: str = field(repr=False)
    ticket_shown: int
    """Last three digits of the rolling ticket, which a terminal with an encoder rewrites."""
    ticket_mac: str = field(repr=False)
    holder: str = ""
    """Name from track 1, when the reader sent it."""

    def __repr__(self) -> str:
        return (
            f"StripeRead({mask(self.card_number)}, {self.expiry_year:02}-{self.expiry_month:02},"
            f" key version {self.key_version_digit}, issue {self.issue_digit}, ticket ...{self.ticket_shown:03})"
        )

    @property
    def has_chip(self) -> bool:
        """Whether the service code says that the card has a chip, which is to be used (2xx, 6xx)."""
        return self.service_code[0] in "26"

    def track_2(self) -> str:
        """The track as on the stripe, sentinels included, check character not."""
        return (
            f";{self.card_number}={self.expiry_year:02}{self.expiry_month:02}{self.service_code}"
            f"{self.key_version_digit}{self.issue_digit}{self.cvv}{self.ticket_shown:03}{self.ticket_mac}?"
        )


def check_character(track: str) -> str:
    """The check character (LRC) that follows a track from `;` or `%` to `?`."""
    base = _TRACK_1_BASE if track.startswith("%") else _TRACK_2_BASE
    return chr(base + reduce(xor, (ord(character) - base for character in track)))


def parse_track_2(track: str) -> StripeRead:
    """Our track 2, from `;` to `?`; a named `SwipeError` for anything else. The message shows no digit of the track."""
    if len(track) + 1 > TRACK_2_CHARS_MAX:
        raise TrackTooLongError(
            f"track 2: expected at most {TRACK_2_CHARS_MAX} characters with the check character,"
            f" got {len(track) + 1}; this is no card of ours"
        )
    found = _TRACK_2.fullmatch(track)
    if found is None:
        raise TrackFormatError(
            f"track 2: expected ;number=YYMM, a service code and digits, then ?, got {len(track)} characters"
            " of another shape; swipe again, evenly and through the whole slot"
        )
    card_number, expiry, service_code, discretionary = found.groups()
    if not luhn_holds(card_number):
        raise NumberCheckError(
            f"track 2: expected a number with its check digit, got {mask(card_number)} without; swipe again"
        )
    year, month = int(expiry[:2]), int(expiry[2:])
    ours = _OURS.fullmatch(discretionary)
    if not 1 <= month <= 12:
        raise TrackFormatError(f"track 2: expected a month of expiry from 01 to 12, got {month:02}; swipe again")
    if ours is None:
        raise ForeignStripeError(
            f"track 2: expected 13 discretionary digits, got {len(discretionary)}; this is a card of another issuer"
        )
    key_version, issue, cvv, ticket_shown, ticket_mac = ours.groups()
    return StripeRead(
        card_number=card_number,
        expiry_year=year,
        expiry_month=month,
        service_code=service_code,
        key_version_digit=int(key_version),
        issue_digit=int(issue),
        cvv=cvv,
        ticket_shown=int(ticket_shown),
        ticket_mac=ticket_mac,
    )


def track_1(card_number: str, holder: str, expiry: str, service_code: str, discretionary: str = "") -> str:
    """A track 1 from `%` to `?`; `ValueError` for a holder's name that the track's 64 characters do not have."""
    name = holder.upper()
    if not re.fullmatch(r"[A-Z0-9 /.\-]{2,26}", name):
        raise ValueError(f"holder: expected 2 to 26 of A-Z, 0-9, space, / . -, got {len(holder)} characters; romanise")
    return f"%B{card_number}^{name}^{expiry}{service_code}{discretionary}?"


def parse_frame(frame: str, lrc_tracks: frozenset[int] = frozenset({2})) -> StripeRead:
    """What a reader sent for one swipe, its terminator taken off.

    `lrc_tracks` are the tracks after which this reader sends the check
    character; there it must be right, elsewhere the reader has checked it.
    """
    rest, tracks = frame, dict[int, str]()
    for number, start in ((1, "%"), (2, ";"), (3, "+")):
        if not rest.startswith(start):
            continue
        end = rest.find("?")
        if end < 0:
            raise TrackTruncatedError(
                f"track {number}: expected an end sentinel, the frame ended without; swipe again, to the slot's end"
            )
        track, rest = rest[: end + 1], rest[end + 1 :]
        if track[1:] == "E?":
            raise TrackUnreadError(f"track {number}: the reader could not read it; swipe again, or clean the stripe")
        if number in lrc_tracks:
            if rest[:1] != check_character(track):
                raise TrackCheckError(
                    f"track {number}: expected the check character of {len(track)} characters, got"
                    f" {'another' if rest else 'none'}; swipe again"
                )
            rest = rest[1:]
        tracks[number] = track
    if rest or 2 not in tracks:
        raise TrackGarbageError(
            f"expected tracks of a stripe, track 2 among them, got {len(rest)} characters beside tracks"
            f" {', '.join(map(str, tracks)) or 'none'}; check the reader's speed and settings"
        )
    read = parse_track_2(tracks[2])
    if 1 in tracks:
        return _with_track_1(read, tracks[1])
    return read


def _with_track_1(read: StripeRead, track: str) -> StripeRead:
    if len(track) + 1 > TRACK_1_CHARS_MAX:
        raise TrackTooLongError(f"track 1: expected at most {TRACK_1_CHARS_MAX} characters, got {len(track) + 1}")
    found = _TRACK_1.fullmatch(track)
    if found is None:
        raise TrackFormatError("track 1: expected %Bnumber^NAME^YYMM, service code, got another shape; swipe again")
    card_number, holder, expiry, service_code, _ = found.groups()
    ours = (read.card_number, f"{read.expiry_year:02}{read.expiry_month:02}", read.service_code)
    if (card_number, expiry, service_code) != ours:
        raise TracksDisagreeError(
            f"expected tracks 1 and 2 of one card, got {mask(card_number)} and {mask(read.card_number)}"
            " or other dates; keep the card and call the supervisor"
        )
    return replace(read, holder=holder.strip())


class SwipeParser:
    """Bytes of a swipe reader to swipes; one line is one swipe, ended by carriage return, line feed or both.

    Errors come out as values beside the good swipes, since the next swipe is
    as good as any.
    """

    def __init__(self, lrc_tracks: frozenset[int] = frozenset({2}), *, gap_ms: int = FRAME_GAP_MS) -> None:
        self._lrc_tracks = lrc_tracks
        self._framer = LineFramer(FRAME_BYTES_MAX, gap_ms)

    def feed(self, data: bytes, now_ms: int) -> list[StripeRead | SwipeError]:
        """Swipes and errors that these bytes complete."""
        return [self._parse(line) for line in self._framer.feed(data, now_ms)]

    def idle(self, now_ms: int) -> list[StripeRead | SwipeError]:
        """A frame that fell silent in the middle is given up."""
        return [self._parse(line) for line in self._framer.idle(now_ms)]

    def reset(self) -> None:
        """Forget what was begun."""
        self._framer.reset()

    def _parse(self, line: bytes | BrokenLine) -> StripeRead | SwipeError:
        if isinstance(line, BrokenLine):
            if line.is_overlong:
                return TrackTooLongError(
                    f"expected a swipe of at most {FRAME_BYTES_MAX} bytes, got {line.byte_count};"
                    " check what hangs on the port"
                )
            return TrackTruncatedError(
                f"expected the end of a swipe, got {line.byte_count} bytes and then silence; swipe again,"
                " and if every swipe ends so, check the reader's speed"
            )
        try:
            return parse_frame(line.decode("ascii"), self._lrc_tracks)
        except UnicodeDecodeError:
            return TrackGarbageError(
                f"expected the characters of a stripe, got {len(line)} bytes with others among them;"
                " check the reader's speed and settings"
            )
        except SwipeError as error:
            return error


SwipeReader = PortListener[StripeRead | SwipeError]
"""A swipe reader on a port: `SwipeReader(settings, SwipeParser(), deliver)`."""
