"""Receipt printers of the ESC/POS family, through python-escpos: documents, the printer's state, whether it printed.

The text is sent in the printers' Chinese mode (FS &, GB18030) and encoded
here: python-escpos switches to it only for lines that hold one of the more
common ideographs. What was sent is printed only once the printer has said so:
GS r is answered after everything before it, DLE EOT at once, even without
paper (Epson ESC/POS command reference).
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import serial
from escpos.escpos import Escpos
from escpos.exceptions import DeviceNotFoundError
from escpos.printer import Dummy, File, Network, Serial

from ._clock import SYSTEM, Surroundings
from .columns import ENCODING, printable, width
from .device_errors import DeviceError, PortUnavailableError
from .serial_port import PORT_ERRORS, READ_TIMEOUT_MS, WRITE_TIMEOUT_MS, PortSettings, open_port

ANSWER_TIMEOUT_MS = 1000
"""For a status that is answered at once."""
PRINT_TIMEOUT_MS = 15_000
"""For the end of a receipt: 100 lines take a slow printer about ten seconds."""
NETWORK_PORT = 9100
BAR_CODE_DIGITS_MAX = 24
"""A dynamic code; more does not fit on 58 mm."""
COLUMNS_80_MM, COLUMNS_58_MM = 48, 32
"""Columns of the usual paper widths."""

_CHINESE_ON = b"\x1c&"
_SIZE_NORMAL, _SIZE_DOUBLE = b"\x1b!\x00\x1c!\x00", b"\x1b!\x30\x1c!\x0c"
_BOLD = {False: b"\x1bE\x00", True: b"\x1bE\x01"}
_ALIGN = {"left": b"\x1ba\x00", "center": b"\x1ba\x01"}
_ASK_PAPER_IN_ORDER = b"\x1dr\x01"
_FIXED_MASK, _FIXED_BITS = 0b1001_0011, 0b0001_0010
"""Bits 0, 1, 4 and 7 of an answer to DLE EOT are always so; other bytes are no answers."""


class PrinterState(enum.Enum):
    """What a printer says of itself, the worst first."""

    SILENT = "silent"
    """No answer: off, unplugged, or the wrong speed."""
    COVER_OPEN = "cover open"
    PAPER_OUT = "paper out"
    CUTTER_STUCK = "cutter stuck"
    FAULT = "fault"
    """An error that the printer does not explain."""
    OFFLINE = "offline"
    """Paused at the printer, the feed button held, for example."""
    PAPER_LOW = "paper low"
    """Prints; the roll is nearly at its end."""
    READY = "ready"

    @property
    def prints(self) -> bool:
        """Whether a receipt may be sent."""
        return self in (PrinterState.READY, PrinterState.PAPER_LOW)


class PrinterNotReadyError(DeviceError):
    """Nothing was sent; `state` says why."""

    def __init__(self, state: PrinterState) -> None:
        super().__init__(f"expected a printer that is ready, got one that is {state.value}; see to it and print again")
        self.state = state


class PrintInterruptedError(DeviceError):
    """Sent, and not confirmed: part of it may be on paper; print again as a copy. `state` is what stopped it."""

    def __init__(self, state: PrinterState) -> None:
        super().__init__(
            f"expected the printer to end the receipt, it stopped and is {state.value};"
            " see to it, throw the torn piece away and print a copy"
        )
        self.state = state


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line; text that is too wide is cut off by nobody: lay it out before (`columns`)."""

    text: str
    is_bold: bool = False
    is_double: bool = False
    """Twice as wide and high: it takes two columns for each."""
    is_centred: bool = False


@dataclass(frozen=True, slots=True)
class QrCode:
    """A QR code, drawn by the printer."""

    content: str
    size: int = 6
    """Dots of a module, 1 to 16."""


@dataclass(frozen=True, slots=True)
class BarCode:
    """Digits as Code 128, drawn by the printer, with the digits below; an even number of them takes half the width."""

    digits: str
    height_dots: int = 80

    def __post_init__(self) -> None:
        if not (self.digits.isascii() and self.digits.isdigit() and len(self.digits) <= BAR_CODE_DIGITS_MAX):
            raise ValueError(f"digits: expected 1 to {BAR_CODE_DIGITS_MAX} digits, got {len(self.digits)} characters")


@dataclass(frozen=True, slots=True)
class Cut:
    """Feed past the knife and cut."""


Document = Sequence[TextLine | QrCode | BarCode | Cut]


def state_of(printer: int, offline: int, error: int, paper: int) -> PrinterState:
    """The state in the four answers to DLE EOT 1 to 4."""
    if offline & 0x04:
        return PrinterState.COVER_OPEN
    if paper & 0x60 or offline & 0x20:
        return PrinterState.PAPER_OUT
    if error & 0x08:
        return PrinterState.CUTTER_STUCK
    if error & 0x60 or offline & 0x40:
        return PrinterState.FAULT
    if printer & 0x08:
        return PrinterState.OFFLINE
    return PrinterState.PAPER_LOW if paper & 0x0C else PrinterState.READY


def render(document: Document, escpos: Escpos, columns: int) -> None:
    """Write a document to any printer of python-escpos; `ValueError` for a line wider than the paper."""
    escpos.hw("INIT")
    escpos._raw(_CHINESE_ON)
    for element in document:
        if isinstance(element, TextLine):
            text = printable(element.text)
            if width(text) * (1 + element.is_double) > columns:
                raise ValueError(f"line: expected at most {columns} columns, got {width(text)}; lay it out narrower")
            escpos._raw(
                _ALIGN["center" if element.is_centred else "left"]
                + _BOLD[element.is_bold]
                + (_SIZE_DOUBLE if element.is_double else _SIZE_NORMAL)
                + text.encode(ENCODING)
                + b"\n"
            )
        elif isinstance(element, QrCode):
            escpos._raw(_ALIGN["center"])
            escpos.qr(element.content, size=element.size, native=True)
            escpos._raw(b"\n")
        elif isinstance(element, BarCode):
            digits = element.digits
            if len(digits) % 2:
                content = b"{B" + digits.encode("ascii")
            else:
                content = b"{C" + bytes(int(digits[place : place + 2]) for place in range(0, len(digits), 2))
            head = b"\x1dh" + bytes([element.height_dots]) + b"\x1dw\x02\x1dH\x02"
            escpos._raw(_ALIGN["center"] + head + b"\x1dk\x49" + bytes([len(content)]) + content + b"\n")
        else:
            escpos.cut()


def document_bytes(document: Document, columns: int) -> bytes:
    """What a printer would be sent."""
    dummy = Dummy()
    render(document, dummy, columns)
    return bytes(dummy.output)


class ReceiptPrinter:
    """One printer; made by `on_serial`, `on_network` or `to_file`. Not for two threads at a time."""

    def __init__(
        self,
        escpos: Escpos,
        columns: int,
        read: Callable[[], bytes] | None,
        forget: Callable[[], None] = lambda: None,
        *,
        surroundings: Surroundings = SYSTEM,
    ) -> None:
        self._escpos, self.columns = escpos, columns
        self._read, self._forget = read, forget
        self._surroundings = surroundings
        self._is_confirmed = False

    @classmethod
    def on_serial(
        cls, settings: PortSettings, columns: int = COLUMNS_80_MM, *, surroundings: Surroundings = SYSTEM
    ) -> ReceiptPrinter:
        """A printer on a serial port, which python-escpos would not open for itself alone."""
        escpos = Serial(devfile=settings.port, baudrate=settings.speed_baud, dsrdtr=False)
        port = open_port(settings)
        escpos.device = port
        return cls(escpos, columns, lambda: bytes(port.read(1)), port.reset_input_buffer, surroundings=surroundings)

    @classmethod
    def on_network(
        cls,
        host: str,
        port: int = NETWORK_PORT,
        columns: int = COLUMNS_80_MM,
        *,
        timeout_ms: int = WRITE_TIMEOUT_MS,
        surroundings: Surroundings = SYSTEM,
    ) -> ReceiptPrinter:
        """A printer with an address of its own."""
        escpos = Network(host, port, timeout=timeout_ms / 1000)
        try:  # python-escpos would leave its socket open when nobody answers
            device = socket.create_connection((host, port), timeout_ms / 1000)
        except OSError as error:
            raise PortUnavailableError(
                f"{host}:{port}: expected a printer, got: {error}; check its address and the cable"
            ) from error
        escpos.device = device

        def read() -> bytes:
            device.settimeout(READ_TIMEOUT_MS / 1000)
            try:
                return bytes(device.recv(1))
            except TimeoutError:
                return b""
            finally:
                device.settimeout(timeout_ms / 1000)

        return cls(escpos, columns, read, surroundings=surroundings)

    @classmethod
    def to_file(cls, path: Path, columns: int = COLUMNS_80_MM) -> ReceiptPrinter:
        """A file, or a device file that only takes (/dev/usb/lp0): nobody answers, nothing is confirmed."""
        escpos = File(str(path), auto_flush=True)
        try:
            escpos.open()
        except DeviceNotFoundError as error:
            raise PortUnavailableError(f"{path}: expected a file to print to, got: {error}") from error
        return cls(escpos, columns, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the port."""
        device, self._escpos._device = self._escpos._device, False
        if device:
            device.close()  # python-escpos would first wait for a printer that has stopped to take the rest

    def state(self) -> PrinterState:
        """What the printer says now; a printer that cannot answer is taken as ready."""
        if self._read is None:
            return PrinterState.READY
        try:
            self._forget()
            return self._ask_state()
        except PORT_ERRORS:
            return PrinterState.SILENT

    def _ask_state(self) -> PrinterState:
        answers = []
        for number in range(1, 5):
            self._escpos._raw(b"\x10\x04" + bytes([number]))
            answer = self._answer(ANSWER_TIMEOUT_MS, lambda byte: byte & _FIXED_MASK == _FIXED_BITS)
            if answer is None:
                return PrinterState.SILENT
            answers.append(answer)
        return state_of(*answers)

    def print(self, document: Document, timeout_ms: int = PRINT_TIMEOUT_MS) -> PrinterState:
        """Print and wait until it is on paper; the state afterwards.

        `PrinterNotReadyError` before anything was sent, `PrintInterruptedError`
        after: then nobody knows how much of it there is.
        """
        before = self.state()
        if not before.prints:
            raise PrinterNotReadyError(before)
        content = document_bytes(document, self.columns)
        try:
            self._escpos._raw(content)
            if self._read is None:
                return before
            self._is_confirmed = False
            self._escpos._raw(_ASK_PAPER_IN_ORDER)
            stopped = self._wait_until_printed(timeout_ms)
        except PORT_ERRORS as error:
            is_full = isinstance(error, serial.SerialTimeoutException | TimeoutError)  # it takes no more: say why
            raise PrintInterruptedError(self.state() if is_full else PrinterState.SILENT) from error
        if stopped is not None:
            raise PrintInterruptedError(stopped)
        return self.state()

    def _wait_until_printed(self, timeout_ms: int) -> PrinterState | None:
        """What stopped the printer before it came to the end; `None` when nothing did."""
        deadline_ms = self._surroundings.monotonic_ms() + timeout_ms
        while True:
            self._answer(ANSWER_TIMEOUT_MS, _is_in_order)
            if self._is_confirmed:
                return None
            state = self._ask_state()
            if self._is_confirmed:
                return None
            if not state.prints or self._surroundings.monotonic_ms() >= deadline_ms:
                return state

    def _answer(self, timeout_ms: int, is_answer: Callable[[int], bool]) -> int | None:
        assert self._read is not None
        deadline_ms = self._surroundings.monotonic_ms() + timeout_ms
        while self._surroundings.monotonic_ms() < deadline_ms:
            if got := self._read():
                self._is_confirmed |= _is_in_order(got[0])
                if is_answer(got[0]):
                    return got[0]
        return None


def _is_in_order(byte: int) -> bool:
    """Whether this answers GS r: there bit 4 is clear, so that no answer to DLE EOT is mistaken for it."""
    return not byte & 0b1001_0000
