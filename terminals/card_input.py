"""Whatever a customer may pay with, at one counter: chip readers, stripe readers, scanners, the keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Self

from ._clock import SYSTEM, Surroundings
from .chip.errors import ChipError, NoCardError
from .chip.pcsc import list_readers
from .chip.reader import ChipReader, wait_for_any_card
from .luhn import luhn_holds
from .scanner import CodeError, CodeRead, ScannerParser, ScannerReader
from .serial_port import PortEvent
from .stripe_encoder import StripeEncoder
from .swipe import StripeRead, SwipeError, SwipeParser, SwipeReader
from .workstation import Device, Workstation

CHIP_SLICE_MS = 500
"""How long one look for a chip takes; what else happened meanwhile is seen afterwards."""
PORTS_OPEN_TIMEOUT_MS = 2_000
"""Opening a serial port takes milliseconds; a device that is not plugged in is told by its event."""
READER_AWAY_PAUSE_MS = 1_000
"""Before a chip reader that is not there is looked for again."""


@dataclass(frozen=True, slots=True)
class ChipFound:
    """A card of some kind has power in a reader."""

    reader: ChipReader
    is_contactless: bool


@dataclass(frozen=True, slots=True)
class NumberTyped:
    """Somebody typed a card number; its check digit was right."""

    card_number: int


Presented = ChipFound | StripeRead | SwipeError | CodeRead | CodeError | PortEvent | NumberTyped | ChipError
"""What may happen at a counter; errors are values, since the next reading is as good as any."""


class CardInput:
    """The readers of a workstation, open from `async with` on; one waiter at a time."""

    def __init__(self, workstation: Workstation, *, surroundings: Surroundings = SYSTEM) -> None:
        self._workstation = workstation
        self._surroundings = surroundings
        self._stack = ExitStack()
        self._chips: list[tuple[ChipReader, bool]] = []
        self._heard: asyncio.Queue[Presented] = asyncio.Queue()
        self._looking: asyncio.Task[ChipFound | ChipError] | None = None
        encoder = workstation.of_kind("encoder")
        self.open_encoder: Callable[[], StripeEncoder] | None = None if encoder is None else _opener(encoder)
        """Opens the workstation's stripe encoder; nothing when it has none."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()

        def delivery() -> Callable[[StripeRead | SwipeError | CodeRead | CodeError | PortEvent], None]:
            opened = asyncio.Event()
            ports.append(opened)

            def deliver(event: StripeRead | SwipeError | CodeRead | CodeError | PortEvent) -> None:
                if isinstance(event, PortEvent):
                    loop.call_soon_threadsafe(opened.set)
                if event is not PortEvent.PRESENT:
                    loop.call_soon_threadsafe(self._heard.put_nowait, event)

            return deliver

        ports: list[asyncio.Event] = []
        for device in self._workstation.devices:
            if device.kind == "swipe":
                parser = SwipeParser(frozenset(device.lrc_tracks))
                self._stack.enter_context(SwipeReader(device.settings(), parser, delivery()))
            elif device.kind == "scanner":
                self._stack.enter_context(
                    ScannerReader(device.settings(), ScannerParser(device.scanner_rules()), delivery())
                )
            elif device.kind == "chip":
                name = device.port or await asyncio.to_thread(_first_reader)
                reader = self._stack.enter_context(ChipReader(name))
                self._chips.append((reader, device.contactless))
        # What is swiped before a port is open is lost, so nobody is asked for a card before that; a port that cannot be
        # opened keeps the others waiting no longer than this.
        with suppress(TimeoutError):
            async with asyncio.timeout(PORTS_OPEN_TIMEOUT_MS / 1000):
                for opened in ports:
                    await opened.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._settle()
        await asyncio.to_thread(self._stack.close)

    @property
    def has_chip_reader(self) -> bool:
        """Whether a card with a chip can be read by it."""
        return bool(self._chips)

    def type_number(self, text: str) -> None:
        """A card number from the keyboard; `ValueError` when its check digit is wrong. Call it in the event loop."""
        if not (text.isascii() and text.isdecimal() and 8 <= len(text) <= 19 and luhn_holds(text)):
            raise ValueError(f"card number: expected 8 to 19 digits with a check digit, got {len(text)} characters")
        self._heard.put_nowait(NumberTyped(int(text)))

    def forget(self) -> None:
        """Drop what was swiped or scanned before anybody asked for it: it must not pay for the next customer."""
        while not self._heard.empty():
            self._heard.get_nowait()

    async def wait(self, timeout_ms: int, *, with_chip: bool = True) -> Presented | None:
        """The next thing that is presented, or nothing in time."""
        await self._settle()
        deadline_ms = self._surroundings.monotonic_ms() + timeout_ms
        hearing = asyncio.create_task(self._heard.get())
        try:
            while (left_ms := deadline_ms - self._surroundings.monotonic_ms()) > 0:
                waited: set[asyncio.Task[object]] = {hearing}
                if with_chip and self._chips:
                    if self._looking is None:
                        self._looking = asyncio.create_task(self._look())
                    waited.add(self._looking)
                await asyncio.wait(waited, timeout=left_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
                if hearing.done():
                    return hearing.result()
                if self._looking is not None and self._looking.done():
                    found, self._looking = self._looking.result(), None
                    if not isinstance(found, NoCardError):
                        return found
            return None
        finally:
            hearing.cancel()

    async def _look(self) -> ChipFound | ChipError:
        readers: Sequence[ChipReader] = [reader for reader, _ in self._chips]
        try:
            found = await asyncio.to_thread(wait_for_any_card, readers, CHIP_SLICE_MS)
        except NoCardError as error:
            return error
        except ChipError as error:
            await self._surroundings.sleep_ms(READER_AWAY_PAUSE_MS)
            return error
        return ChipFound(found, next(contactless for reader, contactless in self._chips if reader is found))

    async def _settle(self) -> None:
        """A look that is under way has to end before its readers are used; what it found is old."""
        looking, self._looking = self._looking, None
        if looking is not None:
            await looking


def _opener(device: Device) -> Callable[[], StripeEncoder]:
    def open_encoder() -> StripeEncoder:
        return StripeEncoder(device.settings())

    return open_encoder


def _first_reader() -> str:
    """Name of the first reader; one that is not there is looked for under a name that nobody has."""
    try:
        return next(iter(list_readers()), "no reader")
    except ChipError:
        return "no reader"
