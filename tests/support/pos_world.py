"""The world of a till's tests: issuer, switch, cards, readers. Fixtures of module scope, as `chip_world` is.

Cards with media pay by their proof only (`PolicyFlag.REQUIRED`), and large amounts need the PIN.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.protocol.messages import BillLine, MediumKind, MessageType, PolicyFlag
from terminals.chip.personalise import Proof, make_card
from terminals.chip.reader import ChipReader
from terminals.client import Client
from terminals.credentials import Credentials, read_credentials
from terminals.pos_bill import SaleBill
from terminals.pos_cashier import Sale
from terminals.trace import MemoryTrace
from tests.support.desk import OPENING_MINOR
from tests.support.media_shop import CARD, CHIP_UID, CODE_TOKEN, MediaDesk, MediaShop, make_media_shop
from tests.support.pcsc import CONTACT, CardProcess, ChipWorld
from tests.support.switch_process import SwitchProcess
from tests.support.till_counter import Counter, Effect, counter

TAP_CARD, STRIPE_CARD, PLAIN_CARD = 6221_2600_1234_5682, 6221_2600_1234_5690, 6221_2600_1234_5708
DAY_CARD = 6221_2600_1234_5716
"""A stripe too."""
DAY_TILL = Credentials(8, b"d" * 32)
"""A till of the same store, for a test that closes its day."""
SHELL_CARD, SHELL_TILL = 6221_2600_1234_5724, Credentials(9, b"s" * 32)
SWIPED_CARD, SWIPED_TILL = 6221_2600_1234_5732, Credentials(10, b"w" * 32)
"""Of a day without an encoder, which closes too."""
TAP_UID = "04782E21801D81"
CHAIN = bytes.fromhex("DEADBEEF")
PIN_ABOVE_MINOR = 50_000
FALLBACK_MAX_MINOR = 10_000
PIN = b"246810"
BILL = SaleBill(
    12_50,
    (BillLine(item=6901028075022, amount_minor=10_00, quantity_milli=2_000), BillLine(item=42, amount_minor=2_50)),
    ("农夫山泉", "Milk"),
)
DEBIT, REVERSAL, REFUND = MessageType.DEBIT, MessageType.REVERSAL, MessageType.REFUND
PAID = [Effect(DEBIT, 0, 12_50)]


@pytest.fixture(scope="module")
def pos_shop(tmp_path_factory: pytest.TempPathFactory) -> MediaShop:
    """Cards, most of them with media that only count with their proof."""
    shop = make_media_shop(tmp_path_factory.mktemp("pos") / "data", chip_versions=2)
    desk = MediaDesk(shop.data)
    desk.put_policy(
        flags=PolicyFlag.REQUIRED,
        chip_pin_minor=PIN_ABOVE_MINOR,
        code_pin_minor=PIN_ABOVE_MINOR,
        stripe_pin_minor=PIN_ABOVE_MINOR,
        fallback_minor_max=FALLBACK_MAX_MINOR,
    )
    for card in (CARD, TAP_CARD, STRIPE_CARD, PLAIN_CARD, DAY_CARD, SHELL_CARD, SWIPED_CARD):
        desk.open_card(card)
        assert desk.credit(OPENING_MINOR, card=card).code == 0
    for till in (DAY_TILL, SHELL_TILL, SWIPED_TILL):
        desk.put_till(till.terminal_id, till.key)
    chain = int.from_bytes(CHAIN, "big")
    desk.enrol(MediumKind.CHIP, int(CHIP_UID, 16), CARD, key_version_held=2, chain=chain)
    desk.enrol(MediumKind.CHIP, int(TAP_UID, 16), TAP_CARD, chain=chain)
    desk.enrol(MediumKind.CODE, CODE_TOKEN, CARD)
    for card in (CARD, STRIPE_CARD, DAY_CARD, SHELL_CARD, SWIPED_CARD):
        desk.enrol(MediumKind.STRIPE, card, card, counter=1)
    desk.commit()
    return shop


@pytest.fixture(scope="module")
def pos_switch(chip_world: ChipWorld, pos_shop: MediaShop) -> Iterator[SwitchProcess]:
    """It runs in the namespace of the chip world."""
    with SwitchProcess(pos_shop.data) as switch:
        asyncio.run(_set_pin(switch))
        yield switch


def operator_of(switch: SwitchProcess) -> Client:
    """The first operator."""
    host, port = switch.address
    return Client(host, port, read_credentials(switch.data / "operator.key"), MemoryTrace("a test"))


async def _set_pin(switch: SwitchProcess) -> None:
    async with operator_of(switch) as operator:
        for card in (CARD, DAY_CARD):
            assert (await operator.reset_pin(card, PIN, 7)).approved


@pytest.fixture(scope="module")
def pos_chip(chip_world: ChipWorld, pos_shop: MediaShop) -> Iterator[CardProcess]:
    """The card in the slot, made with two key versions; it goes over to the second with its first payment."""
    with chip_world.card("slot", CONTACT, uid=CHIP_UID) as card:
        make_in(CONTACT, pos_shop, CARD, later_keys=[pos_shop.issuer_key(2)])
        yield card


@pytest.fixture
def pos_counter(pos_shop: MediaShop, pos_switch: SwitchProcess, tmp_path: Path) -> Iterator[Counter]:
    """Fresh devices and files of a till, in front of the module's switch."""
    with counter(pos_shop, pos_switch, tmp_path) as made:
        yield made


def make_in(reader_name: str, shop: MediaShop, number: int, **options: Any) -> None:
    """Make the blank card in a reader."""
    with ChipReader(reader_name) as reader:
        reader.wait_for_card(30_000)
        make_card(reader, shop.issuer_key(1), number, CHAIN, Proof(bytes(8), 1_795_000_000), **options)


class Before:
    """What there was before a sale."""

    def __init__(self, at: Counter, card: int = CARD) -> None:
        self._counter, self._card = at, card
        self._count = len(at.effects(card))

    @property
    def effects(self) -> list[Effect]:
        """What has moved money since."""
        return self._counter.effects(self._card)[self._count :]


def receipts(at: Counter) -> int:
    """How many receipts came out whole: each ends in a cut."""
    return sum("cut" in line for line in at.paper.lines)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """To its end."""
    return asyncio.run(coroutine)


async def sell_next(at: Counter, bill: SaleBill = BILL) -> Sale:
    """One sale, with the card that lies there; after another, to see that the card is in step."""
    async with at.till() as pos:
        return await pos.sale(bill)
