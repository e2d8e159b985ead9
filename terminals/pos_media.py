"""Cards as a till holds them during one sale: who they say they are, their proof, and what is written back to them.

Calls that go to a device block their own thread, not the till: each is a coroutine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hsm.bar_code import BarCode
from switch.protocol.messages import Evidence, IssuerAnswer, MediumKind

from .chip.card import generate_cryptogram, give_issuer_answer, read_card_number, select_applet
from .chip.errors import ChipError
from .chip.reader import ChipReader
from .device_errors import DeviceError
from .evidence import chip_data, chip_evidence, code_evidence, issuer_answer_bytes, renewed_stripe, stripe_evidence
from .stripe_card import Written, renew_stripe
from .stripe_encoder import StripeEncoder
from .swipe import StripeRead


class EntryMode:
    """Where a card number came from, for the record."""

    KEYED, BAR_CODE, STRIPE, CHIP, CONTACTLESS, PHONE = range(6)


@dataclass(frozen=True, slots=True)
class Payment:
    """What a proof is about."""

    challenge: bytes
    amount_minor: int
    stamp_ms: int
    terminal_id: int
    currency: int


class Medium(Protocol):
    """One card at the counter."""

    kind: MediumKind
    entry_mode: int
    card_number: int
    """0 when only the switch can tell: of a code."""
    is_spent: bool
    """Whether its proof was used up, and the customer must show another."""

    def quote_evidence(self) -> Evidence | None:
        """Evidence for a quote; only of media that cannot be named without."""
        ...

    async def evidence(self, payment: Payment) -> Evidence | None:
        """Proof for one debit; `ChipError` when the card does not give it."""
        ...

    async def write_back(self, answer: IssuerAnswer) -> Written:
        """Give the card what the switch has answered; never raises for a card that is gone."""
        ...


class ChipMedium:
    """A chip in a reader, with power."""

    kind = MediumKind.CHIP
    is_spent = False

    def __init__(self, reader: ChipReader, uid: bytes, card_number: int, *, is_contactless: bool) -> None:
        self._reader, self._uid = reader, uid
        self.card_number = card_number
        self._is_contactless = is_contactless
        self.entry_mode = EntryMode.CONTACTLESS if is_contactless else EntryMode.CHIP

    @classmethod
    async def read(cls, reader: ChipReader, *, is_contactless: bool) -> ChipMedium:
        """The card in a reader; `ChipError` when it cannot be read."""

        def read() -> tuple[bytes, int]:
            selected = select_applet(reader)
            return selected.uid, read_card_number(reader)

        uid, card_number = await asyncio.to_thread(read)
        return cls(reader, uid, card_number, is_contactless=is_contactless)

    def quote_evidence(self) -> Evidence | None:
        """None: its number names it."""
        return None

    async def evidence(self, payment: Payment) -> Evidence | None:
        """A cryptogram; each is for one debit, and uses up a value of the card's counter."""
        asked = chip_data(
            payment.challenge, payment.amount_minor, payment.currency, payment.stamp_ms, payment.terminal_id
        )
        answer = await asyncio.to_thread(generate_cryptogram, self._reader, asked)
        return chip_evidence(self._uid, asked, answer, is_contactless=self._is_contactless)

    async def write_back(self, answer: IssuerAnswer) -> Written:
        """The next chain value; a card that is gone keeps the one before, which the switch takes once more."""
        try:
            await asyncio.to_thread(give_issuer_answer, self._reader, issuer_answer_bytes(answer))
        except ChipError:
            return Written.UNKNOWN
        return Written.NEW


class StripeMedium:
    """A swiped stripe, and the encoder that rewrites it, when there is one."""

    kind = MediumKind.STRIPE
    entry_mode = EntryMode.STRIPE
    is_spent = False

    def __init__(
        self, read: StripeRead, open_encoder: Callable[[], StripeEncoder] | None, *, is_fallback: bool
    ) -> None:
        self._read, self._open_encoder, self._is_fallback = read, open_encoder, is_fallback
        self.card_number = int(read.card_number)

    def quote_evidence(self) -> Evidence | None:
        """None: its number names it."""
        return None

    async def evidence(self, payment: Payment) -> Evidence | None:
        """What the stripe says; good until it is rewritten."""
        return stripe_evidence(self._read, can_write=self._open_encoder is not None, is_fallback=self._is_fallback)

    async def write_back(self, answer: IssuerAnswer) -> Written:
        """The next ticket, written and read back; the switch takes both until it hears that it holds."""
        if self._open_encoder is None:
            return Written.OLD
        open_encoder, old, new = self._open_encoder, self._read, renewed_stripe(self._read, answer)

        def write() -> Written:
            try:
                with open_encoder() as encoder:
                    return renew_stripe(encoder, old, new.track_2()).written
            except DeviceError:  # before anything was written
                return Written.OLD

        written = await asyncio.to_thread(write)
        if written is Written.NEW:
            self._read = new
        return written


class CodeMedium:
    """A dynamic code: the switch finds the card, and takes it once."""

    kind = MediumKind.CODE
    entry_mode = EntryMode.PHONE
    card_number = 0

    def __init__(self, shown: BarCode) -> None:
        self._shown = shown
        self.is_spent = False

    @property
    def token(self) -> str:
        """Of the device that shows it."""
        return self._shown.token

    def quote_evidence(self) -> Evidence | None:
        """The code; a quote does not use it up."""
        return code_evidence(self._shown)

    async def evidence(self, payment: Payment) -> Evidence | None:
        """The code, which is spent with it."""
        self.is_spent = True
        return code_evidence(self._shown)

    async def write_back(self, answer: IssuerAnswer) -> Written:
        """Nothing is written to a phone."""
        return Written.OLD


class NumberMedium:
    """A typed number, or a printed code: it names the card and proves nothing."""

    kind = MediumKind.NUMBER
    is_spent = False

    def __init__(self, card_number: int, entry_mode: int = EntryMode.KEYED) -> None:
        self.card_number, self.entry_mode = card_number, entry_mode

    def quote_evidence(self) -> Evidence | None:
        """None."""
        return None

    async def evidence(self, payment: Payment) -> Evidence | None:
        """None."""
        return None

    async def write_back(self, answer: IssuerAnswer) -> Written:
        """Nothing to write to."""
        return Written.OLD
