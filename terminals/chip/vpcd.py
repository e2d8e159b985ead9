"""How a training card gets into pcscd: over vpcd, the driver of a reader that is not there (package vsmartcard-vpcd).

vpcd listens on 127.0.0.1 (one port a slot) and the card dials. A frame is its length (2 bytes, big-endian) and its
content: of one byte a control (power off, power on, reset, ask for the ATR), longer a command. A closed connection is
a card pulled out.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

from .errors import ChipError
from .faults import Fault
from .virtual_card import CardGone, VirtualCard

FIRST_PORT = 35_963
"""Of slot 0 of the reader that the package sets up; slot 1 has the next."""
LENGTH_BYTES = 2
POWER_OFF, POWER_ON, RESET, ASK_ATR = 0, 1, 2, 4
HISTORICAL = b"RETAILSW01"
DIAL_PAUSE_MS = 50


class VpcdError(ChipError):
    """vpcd is not there."""


def make_atr(historical: bytes = HISTORICAL) -> bytes:
    """Answer to reset (ISO 7816-3, 8.2): T=0 and T=1 are offered, so a check byte ends it; pcscd takes T=1."""
    body = bytes([0x80 | len(historical), 0x80, 0x01]) + historical
    check = 0
    for value in body:
        check ^= value
    return b"\x3b" + body + bytes([check])


ATR = make_atr()


class VpcdSlot:
    """A training card in one slot of vpcd, from being put in until it is out again."""

    def __init__(self, card: VirtualCard, port: int, *, host: str = "127.0.0.1") -> None:
        self._card = card
        self._address = (host, port)
        self._socket: socket.socket | None = None

    def insert(self, pause_ms: Callable[[int], None], tries: int = 100) -> None:
        """Put the card in, as soon as vpcd is there; `VpcdError` after so many tries with pauses between."""
        for left in reversed(range(tries)):
            try:
                connection = socket.create_connection(self._address)
            except OSError as error:
                if not left:
                    host, port = self._address
                    raise VpcdError(
                        f"vpcd at {host}:{port}: expected it to take a card, got {error.strerror};"
                        " start pcscd, with the package vsmartcard-vpcd installed"
                    ) from None
                pause_ms(DIAL_PAUSE_MS)
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = connection
            self._card.power_on()
            return

    def serve(self, collect: Callable[[], str], pause_ms: Callable[[int], None]) -> Fault | None:
        """Answer until the card is out: the fault that took it out, or None where somebody else closed the connection.

        `collect` is asked before each frame for more faults, as text.
        """
        assert self._socket is not None, "insert the card first"
        try:
            while True:
                frame = self._receive()
                self._card.faults.add(collect())
                if fault := self._card.faults.now():
                    return fault
                if len(frame) > 1:
                    self._send(self._card.answer(frame))
                elif frame and frame[0] == ASK_ATR:
                    self._send(ATR)
                else:
                    self._card.power_on()
        except CardGone as gone:
            if gone.after_ms:
                pause_ms(gone.after_ms)
            return gone.fault
        except (EOFError, OSError):
            return None
        finally:
            self.remove()

    def remove(self) -> None:
        """Pull the card out; from another thread too, `serve` then ends."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
            connection.close()

    def _receive(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(LENGTH_BYTES), "big"))

    def _exactly(self, count: int) -> bytes:
        content = b""
        while len(content) < count:
            connection = self._socket
            if connection is None:
                raise EOFError
            # vpcd sends length and content apart, so that the second waits for our acknowledgement of the first:
            # 44 ms for each command unless it goes out at once. Linux forgets the wish, hence every time.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            piece = connection.recv(count - len(content))
            if not piece:
                raise EOFError
            content += piece
        return content

    def _send(self, content: bytes) -> None:
        if self._socket is None:
            raise EOFError
        self._socket.sendall(len(content).to_bytes(LENGTH_BYTES, "big") + content)
