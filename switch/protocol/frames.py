"""Frames: two bytes of length, big-endian, and that many bytes.

    00 3c  43 53 57 50 …          a frame of 60 bytes
    ^^^^^  ^^^^^^^^^^^^^
    length payload

The length counts the payload only.  It is judged the moment its second byte
is there: a length of zero, or one above the bound, ends the connection before
any of the body is stored.  So a `FrameCutter` never holds more than one
unfinished frame, whatever the peer sends.
"""

from __future__ import annotations

from .errors import LocalProtocolError, PeerError
from .limits import FRAME_LENGTH_BYTES


class FrameError(PeerError):
    """A length that no frame may have; says what was expected and what came.

    `received` holds the payloads that were whole before it.  There is no way
    to find the next frame after a wrong length, so the cutter stays broken.
    """

    def __init__(self, got: int, frame_bytes_max: int, received: tuple[bytes, ...] = ()) -> None:
        super().__init__(f"frame length: expected 1 to {frame_bytes_max} bytes, got {got}")
        self.got, self.expected, self.received = got, frame_bytes_max, received


def frame(payload: bytes) -> bytes:
    """The payload with its length in front."""
    if not 0 < len(payload) < 1 << 8 * FRAME_LENGTH_BYTES:
        raise LocalProtocolError(f"frame: expected 1 to {(1 << 8 * FRAME_LENGTH_BYTES) - 1} bytes, got {len(payload)}")
    return len(payload).to_bytes(FRAME_LENGTH_BYTES, "big") + payload


class FrameCutter:
    """Cuts a stream of bytes, however it was split on its way, into the payloads of its frames."""

    __slots__ = ("_buffer", "_fault", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        """Longest payload; the peer was told it, or it is in the document."""
        self._buffer = bytearray()
        self._fault: int | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes of the unfinished frame; above 0, the clock of FRAME_TIMEOUT_MS runs."""
        return len(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Payloads that `data` completes, in order; `FrameError` at the first wrong length."""
        if self._fault is not None:
            raise FrameError(self._fault, self.frame_bytes_max)
        buffer = self._buffer
        buffer += data
        payloads: list[bytes] = []
        start = 0
        while len(buffer) - start >= FRAME_LENGTH_BYTES:
            body = start + FRAME_LENGTH_BYTES
            length = int.from_bytes(buffer[start:body], "big")
            if not 0 < length <= self.frame_bytes_max:
                self._fault = length
                buffer.clear()
                raise FrameError(length, self.frame_bytes_max, tuple(payloads))
            if len(buffer) - body < length:
                break
            payloads.append(bytes(buffer[body : body + length]))
            start = body + length
        del buffer[:start]
        return payloads
