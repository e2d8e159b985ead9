"""Serial ports: opened for one program alone, read by a thread of their own, found again after they were unplugged.

A device that speaks unasked (a swipe reader, a scanner) is a `PortListener`
with a parser that knows no port; one that is asked (an encoder, a printer)
is an `AskedPort`. Both go over pyserial.
"""

from __future__ import annotations

import enum
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import serial

from ._clock import SYSTEM, Surroundings
from .device_errors import DeviceLostError, DeviceTimeoutError, PortUnavailableError

SPEEDS_BAUD = (1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200)
"""What counter devices are set to; USB ones take any of them."""

READ_TIMEOUT_MS = 50
"""How long a read waits for a first byte: also how soon a silence is noticed and a listener can be closed."""

WRITE_TIMEOUT_MS = 10_000
"""A printer without paper stops taking bytes; after this the write is given up."""

RETRY_MS = 500
"""Pause between attempts to open a port that is away: a person plugs it in again, no program is in a hurry."""

READ_BYTES_MAX = 4096
"""Most bytes taken at a time: far more than any frame, so that a babbling device cannot fill the memory."""


PORT_ERRORS = (OSError, termios.error)
"""What pyserial lets through when a device goes away; its own SerialException is an OSError, termios.error is not."""


class Flow(enum.Enum):
    """How a device says that it takes no more bytes for now."""

    NONE = "none"
    """Not at all: right for readers, and for a printer whose buffer holds the longest receipt."""
    XON_XOFF = "xon-xoff"
    """By the characters 13 and 11 (hex); no answer of an ESC/POS printer is either."""
    RTS_CTS = "rts-cts"
    """By a wire, which the cable must have."""


@dataclass(frozen=True, slots=True)
class PortSettings:
    """One serial port, 8 data bits, no parity, 1 stop bit.

    Everything is set when the port is opened: changing a setting of an open
    pseudo-terminal fails on Linux, and no device here needs it.
    """

    port: str
    """Name in the file system, such as /dev/ttyUSB0; by-id names survive a change of socket."""
    speed_baud: int = 9600
    read_timeout_ms: int = READ_TIMEOUT_MS
    write_timeout_ms: int = WRITE_TIMEOUT_MS
    flow: Flow = Flow.NONE

    def __post_init__(self) -> None:
        if self.speed_baud not in SPEEDS_BAUD:
            raise ValueError(f"speed_baud: expected one of {', '.join(map(str, SPEEDS_BAUD))}, got {self.speed_baud}")


def open_port(settings: PortSettings) -> serial.Serial:
    """The port, for this program alone; `PortUnavailableError` when it cannot be had."""
    try:
        return serial.Serial(
            settings.port,
            settings.speed_baud,
            timeout=settings.read_timeout_ms / 1000,
            write_timeout=settings.write_timeout_ms / 1000,
            exclusive=True,
            xonxoff=settings.flow is Flow.XON_XOFF,
            rtscts=settings.flow is Flow.RTS_CTS,
        )
    except (*PORT_ERRORS, ValueError) as error:
        raise PortUnavailableError(
            f"{settings.port}: expected a serial port that is free, got: {error};"
            " check the plug and that no other program has it (`cardswitch device ports` lists what is there)"
        ) from error


class PortEvent(enum.Enum):
    """What happens to a listener's port."""

    PRESENT = "present"
    """Open; what the device sends from now on is heard."""
    LOST = "lost"
    """Unplugged, switched off, or not there at the start; the listener keeps trying."""


Event = TypeVar("Event")


class Parser(Protocol[Event]):
    """Makes events of bytes, without knowing where they come from; moments are monotonic milliseconds."""

    def feed(self, data: bytes, now_ms: int) -> list[Event]:
        """Events that these bytes complete."""

    def idle(self, now_ms: int) -> list[Event]:
        """Events of a silence: a frame that was begun and not ended."""

    def reset(self) -> None:
        """Forget what was begun: the device went away."""


class PortListener(Generic[Event]):
    """Listens to one device on a thread of its own and hands over what its parser makes of the bytes.

    `deliver` is called on that thread. For asyncio pass
    `lambda event: loop.call_soon_threadsafe(queue.put_nowait, event)`.
    """

    def __init__(
        self,
        settings: PortSettings,
        parser: Parser[Event],
        deliver: Callable[[Event | PortEvent], None],
        *,
        surroundings: Surroundings = SYSTEM,
        retry_ms: int = RETRY_MS,
    ) -> None:
        self._settings, self._parser, self._deliver = settings, parser, deliver
        self._surroundings = surroundings
        self._retry_ms = retry_ms
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"listener {settings.port}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and free the port; returns when the thread has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        was_told = False
        while not self._stop.is_set():
            try:
                port = open_port(self._settings)
            except PortUnavailableError:
                if not was_told:
                    self._deliver(PortEvent.LOST)
                    was_told = True
                self._stop.wait(self._retry_ms / 1000)
                continue
            with port:
                self._deliver(PortEvent.PRESENT)
                try:
                    self._listen(port)
                except PORT_ERRORS:
                    self._parser.reset()
                    self._deliver(PortEvent.LOST)
                    was_told = True

    def _listen(self, port: serial.Serial) -> None:
        while not self._stop.is_set():
            data = port.read(1)
            if data:
                data += port.read(min(port.in_waiting, READ_BYTES_MAX))
            now_ms = self._surroundings.monotonic_ms()
            for event in self._parser.feed(data, now_ms) if data else self._parser.idle(now_ms):
                self._deliver(event)


class AskedPort:
    """A port whose device speaks when it is asked; not for two threads at a time."""

    def __init__(self, settings: PortSettings, *, surroundings: Surroundings = SYSTEM) -> None:
        self._name = settings.port
        self._surroundings = surroundings
        self._port = open_port(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the port."""
        self._port.close()

    def forget_unread(self) -> None:
        """Throw away what came unasked, so that an answer is the answer to the next question."""
        try:
            self._port.reset_input_buffer()
        except PORT_ERRORS as error:
            raise self._lost(error) from error

    def write(self, data: bytes) -> None:
        """Send all of it; `DeviceTimeoutError` when the device stops taking bytes."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise DeviceTimeoutError(
                f"{self._name}: expected the device to take {len(data)} bytes, it stopped; look at the device"
            ) from error
        except PORT_ERRORS as error:
            raise self._lost(error) from error

    def read_until(self, is_whole: Callable[[bytes], bool], timeout_ms: int, bytes_max: int = READ_BYTES_MAX) -> bytes:
        """What the device sends until `is_whole` says so; `DeviceTimeoutError` names how much came without that."""
        deadline_ms = self._surroundings.monotonic_ms() + timeout_ms
        got = b""
        while not is_whole(got):
            if self._surroundings.monotonic_ms() >= deadline_ms or len(got) >= bytes_max:
                raise DeviceTimeoutError(
                    f"{self._name}: expected an answer within {timeout_ms} ms, got {len(got)} bytes of one;"
                    " check speed and model, and repeat"
                )
            try:
                got += self._port.read(1)
            except PORT_ERRORS as error:
                raise self._lost(error) from error
        return got

    def _lost(self, error: Exception) -> DeviceLostError:
        return DeviceLostError(f"{self._name}: expected the device to stay, it went away ({error}); check the plug")
