"""Self-tests of a workstation's devices, and what there is to plug them into."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serial.tools import list_ports

from .device_errors import DeviceError, DeviceTimeoutError, PortUnavailableError
from .errors import TerminalError
from .face_writer import FaceWriter
from .printing import Cut, PrinterNotReadyError, ReceiptPrinter, TextLine
from .scanner import ScannerParser
from .serial_port import PortEvent, PortListener, PortSettings, open_port
from .stripe_encoder import StripeEncoder
from .swipe import SwipeParser
from .workstation import Device


@dataclass(frozen=True, slots=True)
class TestResult:
    """How a device's test ended, in words for the person before it."""

    __test__ = False  # pytest takes any class called Test... for one of its own

    device: Device
    is_good: bool
    finding: str


@dataclass(frozen=True, slots=True)
class FoundPort:
    """Something that a device can be set up on."""

    kind: str
    """`serial`, or `chip` for a reader of the PC/SC service."""
    port: str
    description: str


def serial_ports() -> list[FoundPort]:
    """Serial ports of this machine; pseudo-terminals are not among them, and can be named all the same."""
    return [FoundPort("serial", found.device, found.description) for found in sorted(list_ports.comports())]


def chip_readers() -> list[FoundPort]:
    """Readers of the PC/SC service; `DeviceError` when the service cannot be asked."""
    try:
        from smartcard.Exceptions import SmartcardException
        from smartcard.pcsc.PCSCExceptions import BaseSCardException
        from smartcard.System import readers
    except ImportError as error:
        raise PortUnavailableError(f"expected pyscard, got: {error}; install cardswitch[devices]") from error
    try:
        return [FoundPort("chip", str(reader), "PC/SC reader") for reader in readers()]
    except (SmartcardException, BaseSCardException, OSError) as error:
        raise PortUnavailableError(f"expected a running PC/SC service (pcscd), got: {error}; start it") from error


def test_device(device: Device, wait_ms: int) -> TestResult:
    """Try one device; `wait_ms` is how long to wait for a swipe or a scan, 0 for only opening the port."""
    try:
        return TestResult(device, True, _TESTS[device.kind](device, wait_ms))
    except TerminalError as error:
        return TestResult(device, False, str(error))


test_device.__test__ = False  # type: ignore[attr-defined]  # as above


def _hear(settings: PortSettings, parser: Any, wait_ms: int, what: str) -> str:
    if not wait_ms:
        open_port(settings).close()
        return "the port opens; whether a device speaks on it was not tried"
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with PortListener(settings, parser, events.put, retry_ms=wait_ms):
        first = events.get()
        if first is PortEvent.LOST:
            open_port(settings).close()  # says why it does not open
        try:
            event = events.get(timeout=wait_ms / 1000)
        except queue.Empty:
            raise DeviceTimeoutError(
                f"{settings.port}: expected {what} within {wait_ms} ms, got nothing; check the plug, the port's name,"
                " and that the device sends a line for each"
            ) from None
    if isinstance(event, DeviceError):
        raise event
    if isinstance(event, PortEvent):
        raise PortUnavailableError(f"{settings.port}: expected the device to stay, it went away; check the plug")
    return f"read {event!r}"


def _swipe(device: Device, wait_ms: int) -> str:
    return _hear(device.settings(), SwipeParser(frozenset(device.lrc_tracks)), wait_ms, "a swipe")


def _scanner(device: Device, wait_ms: int) -> str:
    return _hear(device.settings(), ScannerParser(device.scanner_rules()), wait_ms, "a scan")


def open_printer(device: Device) -> ReceiptPrinter:
    """A workstation's printer."""
    if device.model == "escpos-network":
        return ReceiptPrinter.on_network(*device.host_port(), device.columns)
    if device.model == "escpos-file":
        return ReceiptPrinter.to_file(Path(device.port), device.columns)
    return ReceiptPrinter.on_serial(device.settings(), device.columns)


def _printer(device: Device, wait_ms: int) -> str:
    with open_printer(device) as printer:
        state = printer.state()
        if not state.prints:
            raise PrinterNotReadyError(state)
        if wait_ms:
            ruler = ("0123456789" * 5)[: device.columns]  # shows whether the columns are the paper's
            state = printer.print([TextLine("打印测试 print test", is_centred=True), TextLine(ruler), Cut()])
            return f"{state.value}; a test page is printed"
    return state.value


def _encoder(device: Device, wait_ms: int) -> str:
    with StripeEncoder(device.settings()) as encoder:
        return f"an encoder answers, model {encoder.test()}"


def _visual(device: Device, wait_ms: int) -> str:
    with FaceWriter(device.settings()) as writer:
        writer.test()
    return "a writer answers, with a card in it"


def _chip(device: Device, wait_ms: int) -> str:
    names = [reader.port for reader in chip_readers()]
    if not names or (device.port and device.port not in names):
        raise PortUnavailableError(
            f"expected a reader called {device.port or 'anything'}, got {', '.join(names) or 'none'}; check the plug"
        )
    return f"the PC/SC service has {device.port or names[0]}"


_TESTS: dict[str, Callable[[Device, int], str]] = {
    "swipe": _swipe,
    "scanner": _scanner,
    "printer": _printer,
    "encoder": _encoder,
    "visual": _visual,
    "chip": _chip,
}
