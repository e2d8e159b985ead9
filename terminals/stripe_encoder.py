"""Stripe encoders that speak the MSR605 command set, as many models do.

Commands and answers as its programmer's manual describes them (revision B,
2009); ESC is 1B, FS is 1C:

    ESC a            back to the beginning; no answer
    ESC e            communication test; ESC y
    ESC t            model; ESC, one digit, S
    ESC x / ESC y    write high / low coercivity from now on; ESC 0
    ESC r            read at the next swipe; ESC s block ? FS ESC status
    ESC w ESC s block ? FS   write at the next swipe; ESC status
    ESC c bits       erase tracks (1, 2, 4; 0 alone is track 1) at the next swipe; ESC 0, or ESC A

A block is `ESC 1 string ESC 2 string ESC 3 string`, the numbers as bytes 01
to 03. What is written has no sentinels, what is read has; the encoder makes
and checks the check character. A track without a string is left as it is.
"""

from __future__ import annotations

import enum
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from ._clock import SYSTEM, Surroundings
from .device_errors import DeviceAnswerError, DeviceError, VerifyError
from .serial_port import AskedPort, PortSettings

ESC, FS = b"\x1b", b"\x1c"
ANSWER_TIMEOUT_MS = 2000
"""For commands that need no card."""
SWIPE_TIMEOUT_MS = 30_000
"""How long a person may take to swipe the card after the encoder's lamp went on."""

_BLOCK = re.compile(
    rb"\x1bs(?:\x1b\x01(?P<one>.*?))?(?:\x1b\x02(?P<two>.*?))?(?:\x1b\x03(?P<three>.*?))?\x1c\x1b(?P<status>.)",
    re.DOTALL,
)
_EMPTY, _UNREAD = b"\x1b+", b"\x1b*"
_STARTS = ("%", ";", ";")
_ALLOWED = (re.compile(r"[ -~]{0,76}"), re.compile(r"[0-9:<=>]{0,37}"), re.compile(r"[0-9:<=>]{0,104}"))


class EncoderError(DeviceError):
    """The encoder says that it could not."""


class MediumError(EncoderError):
    """The stripe could not be read or written: empty, worn, low coercivity, or the card was held askew."""


class BadSwipeError(EncoderError):
    """The card was moved wrongly while it was written: what is on it now is unknown."""


class EncoderRefusedError(EncoderError):
    """The encoder does not know the command, or not in this form."""


class Coercivity(enum.Enum):
    """How hard a stripe is to write, and to wipe out by accident."""

    HIGH = b"x"
    """2750 oersted or more: right for cards that are rewritten at the till."""
    LOW = b"y"


@dataclass(frozen=True, slots=True)
class StripeTracks:
    """Contents of a stripe, sentinels included; `None` for a track that is empty (read) or left alone (write)."""

    track_1: str | None = field(default=None, repr=False)
    track_2: str | None = field(default=None, repr=False)
    track_3: str | None = field(default=None, repr=False)

    def strings(self) -> tuple[str | None, str | None, str | None]:
        """The three, in order."""
        return self.track_1, self.track_2, self.track_3


def write_block(tracks: StripeTracks) -> bytes:
    """The data block that writes these tracks; `ValueError` names the track that cannot be written."""
    block = ESC + b"s"
    for number, (track, start, allowed) in enumerate(zip(tracks.strings(), _STARTS, _ALLOWED, strict=True), 1):
        block += ESC + bytes([number])
        if track is None:
            continue
        body = track[1:-1]
        if not (track.startswith(start) and track.endswith("?") and allowed.fullmatch(body) and "?" not in body):
            raise ValueError(
                f"track {number}: expected {start}, characters of that track (at most {allowed.pattern[6:-1]}) and ?,"
                f" got {len(track)} characters of another shape"
            )
        block += body.encode("ascii")
    return block + b"?" + FS


def read_block(answer: bytes) -> StripeTracks:
    """Tracks of the answer to a read; `MediumError` for a track that is there and could not be read."""
    found = _BLOCK.fullmatch(answer)
    if found is None:
        raise DeviceAnswerError(f"expected a data block and a status, got {len(answer)} bytes of another shape")
    _raise_for(found["status"], is_read=True)
    tracks: list[str | None] = []
    parts = (found["one"], found["two"], found["three"])
    for number, (part, start) in enumerate(zip(parts, _STARTS, strict=True), 1):
        # Some models end the last track's string and the block by one and the same question mark.
        body = (part or b"").rstrip(b"?")
        if body == _UNREAD:
            raise MediumError(f"track {number}: the encoder could not read it; swipe again, evenly")
        if body in (b"", _EMPTY):
            tracks.append(None)
            continue
        text = body.decode("ascii", "replace")
        tracks.append(start + text.lstrip("%;+") + "?")
    return StripeTracks(*tracks)


def _raise_for(status: bytes, *, is_read: bool = False) -> None:
    verb = "read" if is_read else "write"
    if status == b"0":
        return
    if status == b"1":
        raise MediumError(f"expected to {verb} the stripe, the encoder could not; swipe again, or take another card")
    if status == b"9":
        raise BadSwipeError(f"expected an even swipe to {verb}, got another; swipe again before the card is used")
    if status in (b"2", b"4", b"A"):
        raise EncoderRefusedError(f"expected the encoder to {verb}, it refused with status {status!r}; check its model")
    raise DeviceAnswerError(f"expected a status of the MSR605 set, got {status!r}; check model and speed")


class StripeEncoder:
    """An encoder on a port; each command that needs a card waits for its swipe."""

    def __init__(
        self,
        settings: PortSettings,
        *,
        surroundings: Surroundings = SYSTEM,
        swipe_timeout_ms: int = SWIPE_TIMEOUT_MS,
    ) -> None:
        self._port = AskedPort(settings, surroundings=surroundings)
        self._swipe_timeout_ms = swipe_timeout_ms

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the port."""
        self._port.close()

    def _ask(self, command: bytes, end: re.Pattern[bytes], timeout_ms: int) -> bytes:
        """An answer, from a device that may still be waiting for a swipe that an earlier program wanted."""
        self._port.write(ESC + b"a")
        self._port.forget_unread()
        self._port.write(ESC + command)
        try:
            return self._port.read_until(lambda got: end.fullmatch(got) is not None, timeout_ms)
        except DeviceError:
            with suppress(DeviceError):
                self._port.write(ESC + b"a")  # the lamp goes out: a late swipe must not write anything
            raise

    def test(self) -> str:
        """Whether an encoder is there, and its model; `DeviceError` when not."""
        answer = self._ask(b"e", re.compile(rb"\x1b."), ANSWER_TIMEOUT_MS)
        if answer != ESC + b"y":
            raise DeviceAnswerError(f"expected {ESC + b'y'!r}, got {answer!r}; check model and speed")
        return self._ask(b"t", re.compile(rb"\x1b.S"), ANSWER_TIMEOUT_MS)[1:2].decode("ascii", "replace")

    def set_coercivity(self, coercivity: Coercivity) -> None:
        """What the stripes are that are written from now on."""
        answer = self._ask(coercivity.value, re.compile(rb"\x1b."), ANSWER_TIMEOUT_MS)
        _raise_for(answer[1:])

    def read(self) -> StripeTracks:
        """The next card's tracks."""
        return read_block(self._ask(b"r", re.compile(rb"\x1bs.*\x1c\x1b.", re.DOTALL), self._swipe_timeout_ms))

    def write(self, tracks: StripeTracks) -> None:
        """Write the next card; without reading back nobody knows that it holds (see `rewrite`)."""
        answer = self._ask(b"w" + write_block(tracks), re.compile(rb"\x1b.", re.DOTALL), self._swipe_timeout_ms)
        _raise_for(answer[1:])

    def erase(self, *numbers: int) -> None:
        """Wipe tracks (1 to 3) of the next card."""
        if not numbers or not {*numbers} <= {1, 2, 3}:
            raise ValueError(f"tracks: expected some of 1, 2 and 3, got {numbers}")
        bits = sum(1 << (number - 1) for number in {*numbers})
        answer = self._ask(
            b"c" + bytes([0 if bits == 1 else bits]), re.compile(rb"\x1b.", re.DOTALL), self._swipe_timeout_ms
        )
        _raise_for(answer[1:])

    def rewrite(self, tracks: StripeTracks) -> None:
        """Write the next card, read it back (a second swipe) and compare; `VerifyError` names the tracks that differ.

        After any error but a refusal the card may hold the old stripe, the new
        one, or a part: the switch accepts both values until it hears which.
        """
        self.write(tracks)
        verify(tracks, self.read())


def verify(wanted: StripeTracks, got: StripeTracks) -> None:
    """`VerifyError` unless every track that was to be written is there; others may hold anything."""
    differing = [
        str(number)
        for number, (one, other) in enumerate(zip(wanted.strings(), got.strings(), strict=True), 1)
        if one is not None and one != other
    ]
    if differing:
        raise VerifyError(
            f"expected to read back what was written, got something else on track {', '.join(differing)};"
            " write again, or take another card"
        )
