"""Virtual serial devices: a pseudo-terminal whose far end is a device of ours, for trying out, training and tests.

`VirtualPort` is the plug, `VirtualSpeaker` a swipe reader or scanner; the
printer and the encoders are in modules of their own. All can be told to
fail as the real ones do.
"""

from __future__ import annotations

import enum
import errno
import fcntl
import os
import select
import struct
import termios
import threading
import tty
from pathlib import Path
from typing import Self

from .serial_port import SPEEDS_BAUD

PIECE_BYTES = 7
"""Readers hand over a swipe in pieces of any size; seven divides no track."""
SLOW_PAUSE_MS = 20
"""Pause between pieces of a slow device: less than a gap that ends a frame."""
POLL_MS = 20
"""How soon a device notices that somebody opened its port, or that it is to stop."""
SEND_TIMEOUT_S = 1
"""A host that does not read for so long has hung: a device drops what it cannot send."""
SETTLED_POLLS = 15
"""A host that opens without flushing is taken as listening after this many polls."""
GARBAGE = bytes([0xFF, 0x00, 0x7E, 0x80, 0x3F, 0x1B])
"""What a wrong speed looks like, a stray end sentinel among it."""


WRONG_SPEED_MASK = 0xAA
"""What a host at another speed makes of bytes: none of ASCII stays ASCII."""


class Fault(enum.Enum):
    """What a virtual device can be told to do wrong."""

    PARTIAL = "partial"
    """Half of the frame, and then nothing."""
    GARBAGE = "garbage"
    """Bytes of no frame before the frame."""
    SLOW = "slow"
    """The whole frame, with pauses."""
    UNPLUGGED = "unplugged"
    """Half of the frame, then the device is gone until it is plugged in again."""
    WRITE_CUT = "write-cut"
    """An encoder whose card is pulled out half-way: the stripe holds a beginning."""
    WRITE_LOST = "write-lost"
    """An encoder that says written and has not."""
    SILENT = "silent"
    """No answer."""


class VirtualPort:
    """One plug: `name` is what a host opens. Unplugging ends the host's port with an error, as USB does.

    With `link` the name stays the same after plugging in again, as a by-id
    name does.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._link = link
        self._lock = threading.Lock()
        self._master: int | None = None
        self._open_polls = 0
        self.host_has_paused = False
        """Whether the host holds back, because it was sent XOFF and has set its port to heed it."""
        self.name = ""
        self.plug()

    def plug(self) -> None:
        """Make the port; nothing when it is there."""
        with self._lock:
            if self._master is not None:
                return
            master, slave = os.openpty()
            try:
                tty.setraw(slave)
                # Packet mode tells when a host has opened and emptied its buffer: what is sent before that is lost.
                fcntl.ioctl(master, termios.TIOCPKT, struct.pack("i", 1))
                os.set_blocking(master, False)
                self.name = os.ttyname(slave)
                if self._link is not None:
                    self._link.unlink(missing_ok=True)
                    self._link.symlink_to(self.name)
                    self.name = str(self._link)
            finally:
                os.close(slave)  # so that the host's closing is seen here
            self._master, self._open_polls = master, 0

    def unplug(self) -> None:
        """Take the port away under the host."""
        with self._lock:
            if self._master is not None:
                os.close(self._master)
                self._master = None
            if self._link is not None:
                self._link.unlink(missing_ok=True)

    close = unplug

    @property
    def is_plugged(self) -> bool:
        """Whether there is a port."""
        return self._master is not None

    @property
    def host_speed_baud(self) -> int | None:
        """The speed that the host has set; `None` for one that no counter device has, or no port."""
        with self._lock:
            if self._master is None:
                return None
            speed = termios.tcgetattr(self._master)[5]
        return next((baud for baud in SPEEDS_BAUD if getattr(termios, f"B{baud}") == speed), None)

    def wait_for_host(self, stop: threading.Event | None = None) -> bool:
        """Wait until a host listens; false when `stop` came first, or the plug was pulled. Drops what the host sent."""
        while self.is_plugged and not (stop is not None and stop.is_set()):
            if self._open_polls >= SETTLED_POLLS:
                return True
            self.read(stop)
        return False

    def wait_for_host_gone(self) -> None:
        """Wait until the host has closed the port: what it has not read is lost when the plug is pulled."""
        while self.is_plugged and self._open_polls:
            self.read()

    def read(self, stop: threading.Event | None = None) -> bytes:
        """What the host sent, after at most one poll; nothing is `b""`."""
        with self._lock:
            master = self._master
        if master is None:
            return b""
        poll = select.poll()
        poll.register(master, select.POLLIN | select.POLLPRI)
        events = poll.poll(POLL_MS)
        if events and events[0][1] & (select.POLLHUP | select.POLLNVAL) and not events[0][1] & select.POLLIN:
            self._open_polls = 0
            (stop or threading.Event()).wait(POLL_MS / 1000)
            return b""
        self._open_polls += 1
        try:
            with self._lock:
                if self._master != master:  # unplugged meanwhile; the number may be another file's by now
                    return b""
                packet = os.read(master, 4096)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EAGAIN, errno.EBADF):
                raise
            return b""
        if packet[0] & (termios.TIOCPKT_STOP | termios.TIOCPKT_START):
            self.host_has_paused = bool(packet[0] & termios.TIOCPKT_STOP)
        if packet[0] & termios.TIOCPKT_FLUSHREAD:
            self._open_polls = SETTLED_POLLS
        return b"" if packet[0] else packet[1:]

    def send(self, data: bytes) -> None:
        """Give bytes to the host; silently nowhere when the port is unplugged, as with a real device."""
        with self._lock:
            if self._master is None:
                return
            left = data
            while left:
                if not select.select([], [self._master], [], SEND_TIMEOUT_S)[1]:
                    return  # the host reads no more
                left = left[os.write(self._master, left) :]


class VirtualSpeaker:
    """A swipe reader or scanner: it sends each frame in pieces, to whoever listens.

    With `speed_baud`, a host that listens at another speed gets garbage, as it would.
    """

    def __init__(
        self, link: Path | None = None, *, piece_bytes: int = PIECE_BYTES, speed_baud: int | None = None
    ) -> None:
        self.port = VirtualPort(link)
        self._speed_baud = speed_baud
        self._piece_bytes = piece_bytes
        self._pause = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.port.close()

    def emit(self, frame: str, fault: Fault | None = None, *, end: str = "\r\n") -> None:
        """Send one frame once a host listens; with a fault, badly."""
        self.port.plug()
        self.port.wait_for_host()
        data = frame.encode() + end.encode()
        if fault is Fault.SILENT:
            return
        if fault in (Fault.PARTIAL, Fault.UNPLUGGED):
            data = data[: len(data) // 2]
        if fault is Fault.GARBAGE:
            data = GARBAGE + data
        if self._speed_baud not in (None, self.port.host_speed_baud):
            data = bytes(byte ^ WRONG_SPEED_MASK for byte in data)
        for start in range(0, len(data), self._piece_bytes):
            self.port.send(data[start : start + self._piece_bytes])
            if fault is Fault.SLOW:
                self._pause.wait(SLOW_PAUSE_MS / 1000)
        if fault is Fault.UNPLUGGED:
            self.port.unplug()


class VirtualAnswerer:
    """A device that is asked: a thread takes what the host sends and answers. Subclasses say what."""

    def __init__(self, link: Path | None = None) -> None:
        self.port = VirtualPort(link)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"device {self.port.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.port.close()

    def take(self, data: bytes) -> bytes:
        """What to answer to these bytes of the host."""
        raise NotImplementedError

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self.port.is_plugged:
                self._stop.wait(POLL_MS / 1000)
            elif (data := self.port.read(self._stop)) and (answer := self.take(data)):
                self.port.send(answer)
