"""Chips before a shop's switch: enrolled by an operator, paid with at a till, copied by a thief."""

from __future__ import annotations

import copy
import time

from cardswitch.key_house import KeyHouse, read_passphrase
from hsm.key_states import Purpose
from switch._directory import open_directory
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import DebitRequest, MediumKind, MessageType, PutMediumRequest
from terminals.credentials import read_credentials
from tests.support.admin_shop import Shop
from tests.support.desk import TILL_ID, TILL_KEY
from tests.support.media import Chip
from tests.support.till import Till

PAY_MINOR = 1_00
UID_FIRST = 0x04782E21000000


class Chips:
    """Chips of one shop."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._number = time.time_ns() % 10**9
        self._uid = UID_FIRST + time.time_ns() % 10**6 * 100

    def master(self, purpose: Purpose, version: int) -> bytes:
        """A master key, as a card supplier has it."""
        house = KeyHouse.open(open_directory(self.shop.switch.data).keys, read_passphrase)
        try:
            slot, _ = house.take(purpose, version)
            return bytes(slot)
        finally:
            house.close()

    def make(self, card: int, version: int = 1) -> Chip:
        """A new chip of a card, enrolled."""
        self._uid += 1
        chip = Chip.personalised(self._uid, card, {version: self.master(Purpose.CHIP, version)})
        credentials = read_credentials(self.shop.switch.data / "operator.key")
        with Till(self.shop.switch.address, credentials.terminal_id, credentials.key) as till:
            request = PutMediumRequest(
                trace_number=self.number(),
                business_date=till.terms.business_date,
                stamp_ms=time.time_ns() // 1_000_000,
                card_number=card,
                medium_id=chip.uid,
                medium=MediumKind.CHIP,
                key_version=chip.version,
                key_version_held=chip.held,
                operator_id=1,
            )
            assert till.ask(MessageType.PUT_MEDIUM, request).reply.code == 0
        return chip

    def number(self) -> int:
        """A trace number that was not used."""
        self._number += 1
        return self._number

    def pay(self, chip: Chip, amount_minor: int = PAY_MINOR, terminal_id: int = TILL_ID, key: bytes = TILL_KEY) -> int:
        """A payment with the chip; its code."""
        with Till(self.shop.switch.address, terminal_id, key) as till:
            stamp_ms = time.time_ns() // 1_000_000
            request = DebitRequest(
                trace_number=self.number(),
                business_date=till.terms.business_date,
                stamp_ms=stamp_ms,
                card_number=chip.card_number,
                amount_minor=amount_minor,
                evidence=chip.pay(amount_minor, till.challenge, terminal_id, stamp_ms),
            )
            reply = till.ask(MessageType.DEBIT, request).reply
        if reply.code == ResponseCode.APPROVED and reply.issuer_answer is not None:
            chip.hear(reply.issuer_answer)
        return int(reply.code)

    def sell(self, card: int, amount_minor: int = PAY_MINOR, terminal_id: int = TILL_ID, key: bytes = TILL_KEY) -> int:
        """A payment by the number alone; its code."""
        with Till(self.shop.switch.address, terminal_id, key) as till:
            request = DebitRequest(
                trace_number=self.number(),
                business_date=till.terms.business_date,
                stamp_ms=time.time_ns() // 1_000_000,
                card_number=card,
                amount_minor=amount_minor,
            )
            return int(till.ask(MessageType.DEBIT, request).reply.code)

    def show_a_copy(self, chip: Chip) -> int:
        """A thief's copy is shown after the chip was used twice since: the code of the refusal."""
        assert self.pay(chip) == ResponseCode.APPROVED
        thief = copy.deepcopy(chip)
        assert self.pay(chip) == ResponseCode.APPROVED
        return self.pay(thief)
