"""Writers of visual cards: erase the face, print rows on it, read back what the card now shows.

The makers keep their command sets to themselves, so this is one of our own,
"VC1", in the shape that they all have; a maker's is an adapter with the same
four methods. A frame is

    STX (02) | command, one letter | data | ETX (03) | check, XOR from command to ETX

and is answered by one with the same letter and, first in its data, a status:
`0` done, `1` no card, `2` could not print, `3` frame not understood.

    S                   status
    E                   erase the face
    R | row 2 | text    keep a row (00 to 11), GB18030; none of its bytes is 02 or 03
    P                   print the rows that are kept
    V | row 2           the row as the card shows it, after the status
    I | width 5 | height 5   begin a picture, in dots
    D | line 5 | dots   keep a line of it: a bit for each dot, the left one highest, in Base64; blank lines are left out
    H                   SHA-256 of the dots as the card shows them, in hexadecimal, after the status
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import reduce
from operator import xor
from typing import Self

from ._clock import SYSTEM, Surroundings
from .card_face import FacePicture
from .columns import ENCODING
from .device_errors import DeviceAnswerError, DeviceError, VerifyError
from .serial_port import AskedPort, PortSettings

STX, ETX = b"\x02", b"\x03"
FRAME_BYTES_MAX = 512
"""A row has at most 40 columns, of two bytes at most each two; a line of dots at 600 dpi is 340 bytes of Base64."""
ANSWER_TIMEOUT_MS = 2000
PRINT_TIMEOUT_MS = 20_000
"""Erasing and printing heat the face row by row."""
MEANINGS = {b"1": "no card is in it", b"2": "it could not print", b"3": "it did not understand the frame"}


class FaceWriterError(DeviceError):
    """The writer says that it could not; `status` is its one-byte reason."""

    def __init__(self, command: str, status: bytes) -> None:
        super().__init__(
            f"expected the writer to carry out {command}, but {MEANINGS[status]}; put the card in straight and repeat"
        )
        self.status = status


def frame(command: bytes, data: bytes = b"") -> bytes:
    """A command or an answer on the line."""
    body = command + data + ETX
    return STX + body + bytes([reduce(xor, body)])


def open_frame(received: bytes) -> tuple[bytes, bytes] | None:
    """Letter and data of a whole frame; `None` when it is not whole, `DeviceAnswerError` when its check is wrong."""
    start = received.find(STX)
    end = received.find(ETX, start)
    if start < 0 or end < 0 or len(received) < end + 2:
        return None
    body = received[start + 1 : end + 1]
    if len(body) < 2 or reduce(xor, body) != received[end + 1]:
        raise DeviceAnswerError(f"expected a frame with its check byte, got {len(received)} bytes; check the speed")
    return body[:1], body[1:-1]


class FaceWriter:
    """A writer of visual cards on a port."""

    def __init__(self, settings: PortSettings, *, surroundings: Surroundings = SYSTEM) -> None:
        self._port = AskedPort(settings, surroundings=surroundings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the port."""
        self._port.close()

    def _ask(self, command: str, data: bytes = b"", timeout_ms: int = ANSWER_TIMEOUT_MS) -> bytes:
        self._port.forget_unread()
        self._port.write(frame(command.encode("ascii"), data))
        answer = open_frame(self._port.read_until(lambda got: open_frame(got) is not None, timeout_ms, FRAME_BYTES_MAX))
        assert answer is not None
        letter, content = answer
        status = content[:1]
        if letter.decode("ascii", "replace") != command or (status != b"0" and status not in MEANINGS):
            raise DeviceAnswerError(f"expected an answer to {command} with a status, got {letter!r}; check the model")
        if status != b"0":
            raise FaceWriterError(command, status)
        return content[1:]

    def test(self) -> None:
        """Whether a writer with a card in it is there; `DeviceError` when not."""
        self._ask("S")

    def erase(self) -> None:
        """Clear the face."""
        self._ask("E", timeout_ms=PRINT_TIMEOUT_MS)

    def write(self, rows: tuple[str, ...]) -> None:
        """Print rows, as `FaceTemplate.fill` makes them, on an erased face."""
        for number, row in enumerate(rows):
            self._ask("R", f"{number:02}".encode("ascii") + row.encode(ENCODING))
        self._ask("P", timeout_ms=PRINT_TIMEOUT_MS)

    def read(self, row_count: int) -> tuple[str, ...]:
        """What the card shows."""
        return tuple(
            self._ask("V", f"{number:02}".encode("ascii")).decode(ENCODING, "replace") for number in range(row_count)
        )

    def draw(self, picture: FacePicture) -> None:
        """Print dots on an erased face."""
        line_bytes = -(-picture.width_dots // 8)
        self._ask("I", f"{picture.width_dots:05}{picture.height_dots:05}".encode("ascii"))
        for number in range(picture.height_dots):
            line = picture.data[number * line_bytes : (number + 1) * line_bytes]
            if any(line):
                self._ask("D", f"{number:05}".encode("ascii") + b64encode(line))
        self._ask("P", timeout_ms=PRINT_TIMEOUT_MS)

    def redraw(self, picture: FacePicture) -> None:
        """Erase, print dots, ask what the card shows and compare; `VerifyError` when it shows something else."""
        self.erase()
        self.draw(picture)
        shown = self._ask("H").decode("ascii", "replace")
        if shown != hashlib.sha256(picture.data).hexdigest():
            raise VerifyError(
                "expected the card to show the picture that was printed, it shows something else;"
                " print again, or take another card"
            )

    def rewrite(self, rows: tuple[str, ...]) -> None:
        """Erase, print, read back and compare; `VerifyError` names the rows that differ."""
        self.erase()
        self.write(rows)
        shown = self.read(len(rows))
        differing = [str(number) for number, (row, seen) in enumerate(zip(rows, shown, strict=True), 1) if row != seen]
        if differing:
            raise VerifyError(
                f"expected the card to show what was printed, row {', '.join(differing)} shows something else;"
                " print again, or take another card"
            )
