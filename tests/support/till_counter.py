"""A counter with a till that sells: a clerk who does as told, a line that can be cut, virtual devices, a switch.

The fixtures of a test module make the parts; `Counter.till()` is one start of the till's program, which ends as if its
plug were pulled when the clerk raises `PlugPulled`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from switch.protocol.messages import MessageType, Reply
from terminals._clock import SYSTEM
from terminals.credentials import Credentials
from terminals.policy import Policy
from terminals.pos import Pos
from terminals.pos_setup import open_pos
from terminals.pos_words import Notice, Words
from terminals.receipts import Language
from terminals.sale_receipt import ShopFacts
from terminals.swipe import check_character
from terminals.virtual_encoder import VirtualEncoder, read_stripe, write_stripe
from terminals.virtual_printer import Paper, VirtualPrinter
from terminals.virtual_serial import VirtualSpeaker
from terminals.workstation import Device, Workstation
from tests.support.desk import TILL_ID, TILL_KEY, entries_of
from tests.support.media_shop import MediaShop
from tests.support.pcsc import CONTACT, CONTACTLESS
from tests.support.switch_process import SwitchProcess

PATIENT = Policy(request_timeout_ms=2_000, settle_deadline_ms=20_000, backoff_first_ms=5, backoff_max_ms=50)
HASTY = Policy(request_timeout_ms=300, settle_deadline_ms=700, backoff_first_ms=5, backoff_max_ms=50)
"""Gives up soon, for a switch that stays away."""
CARD_AT = slice(16, 24)
"""Place of the card number in debits, reversals and refunds."""
TILL = Credentials(TILL_ID, TILL_KEY)

_first_numbers = itertools.count(1, 1_000)


class PlugPulled(BaseException):
    """The till's program ends here."""


class Clerk:
    """Says yes; what else happens at a notice is the test's."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.pins: list[bytes] = []
        self.reprints = 0
        """How many times more the printer is to be tried."""
        self.due_minor = 0
        self._acts: dict[Notice, list[Callable[[], None]]] = {}

    def at(self, notice: Notice, *acts: Callable[[], None]) -> None:
        """Do these, one at each time that the notice comes."""
        self._acts[notice] = [*acts]

    def show(self, notice: Notice, words: Words) -> None:
        assert words.chinese and words.english
        self.notices.append(notice)
        if acts := self._acts.get(notice):
            acts.pop(0)()

    async def agree(self, due_minor: int, quote: Reply) -> bool:
        self.due_minor = due_minor
        return True

    async def ask_pin(self, words: Words) -> bytes | None:
        return self.pins.pop(0) if self.pins else None

    async def printer_stopped(self, words: Words) -> bool:
        self.reprints -= 1
        return self.reprints >= 0


class Line:
    """What is between till and switch: passes bytes on until it is told otherwise."""

    def __init__(self, switch: SwitchProcess) -> None:
        self._switch = switch
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_down = False
        self.at_request: Callable[[], bool] | None = None
        """Called once when a request comes by: whether it may pass."""
        self.at_reply: Callable[[], bool] | None = None
        """Called once when a reply comes by."""

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    @property
    def address(self) -> tuple[str, int]:
        assert self._server is not None
        return self._server.sockets[0].getsockname()[:2]  # type: ignore[no-any-return]

    def cut(self) -> bool:
        """Cut every connection; nothing more passes on them."""
        for writer in self._writers:
            writer.transport.abort()
        return False

    def take_down(self) -> bool:
        """Cut, and let nobody connect."""
        self.is_down = True
        return self.cut()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_down:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._switch.address)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        for task in (
            asyncio.create_task(self._pass_on(reader, far_writer, "at_request")),
            asyncio.create_task(self._pass_on(far_reader, writer, "at_reply")),
        ):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hook: str) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                act = getattr(self, hook)
                setattr(self, hook, None)
                if act is not None and not act():
                    continue
                writer.write(data)
                await writer.drain()
        self._writers.discard(writer)
        writer.transport.abort()


@dataclass(frozen=True)
class Effect:
    """One entry of the journal about a card, as far as money is concerned."""

    type: MessageType
    code: int
    amount_minor: int


@dataclass
class Counter:
    """Devices, files and the switch; they outlive the till's program."""

    shop: MediaShop
    switch: SwitchProcess
    folder: Path
    swipe: VirtualSpeaker
    scanner: VirtualSpeaker
    printer: VirtualPrinter
    encoder: VirtualEncoder
    stripe: Path
    first_number: int
    """Trace number to begin with: the terminal has used others today, with files of other tests."""
    credentials: Credentials = TILL
    with_chips: bool = True
    has_encoder: bool = True
    clerk: Clerk = field(default_factory=Clerk)
    line: Line = field(init=False)

    @property
    def paper(self) -> Paper:
        return self.printer.paper

    def workstation(self) -> Workstation:
        devices = [
            Device("stripe", "swipe", "line", self.swipe.port.name),
            Device("codes", "scanner", "line", self.scanner.port.name),
            Device("paper", "printer", "escpos-serial", self.printer.port.name),
        ]
        if self.has_encoder:
            devices.append(Device("encoder", "encoder", "msr605", self.encoder.port.name))
        if self.with_chips:
            devices.append(Device("slot", "chip", "pcsc", CONTACT))
            devices.append(Device("field", "chip", "pcsc", CONTACTLESS, contactless=True))
        return Workstation("till 7", tuple(devices))

    @asynccontextmanager
    async def till(self, policy: Policy = PATIENT, card_wait_ms: int = 30_000) -> AsyncIterator[Pos]:
        """One start of the till's program; `PlugPulled` ends it without a word, and is swallowed here."""
        self.clerk = Clerk()
        self.line = Line(self.switch)
        await self.line.open()
        try:
            async with open_pos(
                self.line.address,
                self.credentials,
                self.workstation(),
                self.folder,
                self.clerk,
                ShopFacts("宏大超市", "7", "张三", Language.ENGLISH),
                policy=policy,
                card_wait_ms=card_wait_ms,
                first_number=self.first_number,
            ) as pos:
                try:
                    yield pos
                except PlugPulled:
                    pos.client.cut()
        finally:
            await self.line.close()

    def effects(self, card: int) -> list[Effect]:
        """Every entry that moved this card's money, oldest first."""
        return effects_in(self.shop.data, card)

    # ------------------------------------------------------------------- customers

    def show_swipe(self, track_2: str) -> Callable[[], None]:
        """A customer who swipes when asked."""
        return lambda: self._later(self.swipe, track_2 + check_character(track_2))

    def show_code(self, refresh: int, token: int) -> Callable[[], None]:
        """A customer who shows a code of this moment when asked."""
        return lambda: self._later(self.scanner, self.shop.code(token, SYSTEM.now_ms() // 1000, refresh))

    def put_stripe(self, track_2: str) -> None:
        """What is on the card in the encoder."""
        write_stripe(self.stripe, ["", track_2[1:-1], ""])

    def stripe_now(self) -> str:
        return f";{read_stripe(self.stripe)[1]}?"

    def _later(self, speaker: VirtualSpeaker, frame: str) -> None:
        asyncio.get_running_loop().run_in_executor(None, speaker.emit, frame)


@contextmanager
def counter(shop: MediaShop, switch: SwitchProcess, folder: Path) -> Iterator[Counter]:
    """Virtual devices around a running switch."""
    stripe = folder / "stripe.txt"
    with (
        VirtualSpeaker(folder / "swipe") as swipe,
        VirtualSpeaker(folder / "scanner") as scanner,
        VirtualPrinter(folder / "printer") as printer,
        VirtualEncoder(stripe, folder / "encoder") as encoder,
    ):
        yield Counter(shop, switch, folder, swipe, scanner, printer, encoder, stripe, next(_first_numbers))


def effects_in(data: Path, card: int) -> list[Effect]:
    """As `Counter.effects`, from a directory."""
    found = []
    for entry in entries_of(data):
        type_ = entry.header.request_type
        if type_ not in (MessageType.DEBIT, MessageType.REVERSAL, MessageType.REFUND):
            continue
        reply = Reply.decode(entry.reply)
        if int.from_bytes(entry.request[CARD_AT], "little") == card and reply.amount_minor:
            found.append(Effect(MessageType(type_), reply.code, reply.amount_minor))
    return found
