"""Traffic for a switch that may die at any moment, and the book of what was asked and what was answered.

The book is kept here, in a process that nobody kills. A request enters it before its first byte is sent; an answer
enters it when it has come whole. What a request became is then read from the journal and held against the book.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from switch.protocol.codes import CodeClass, code_class
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    BalanceRequest,
    BillLine,
    CaptureRequest,
    CardOperation,
    CreditRequest,
    DebitRequest,
    HoldRequest,
    MessageType,
    OpenCardRequest,
    OperateCardRequest,
    PinMode,
    RechargeChannel,
    RefundRequest,
    ReleaseRequest,
    Reply,
    ReversalRequest,
    SetPinRequest,
    TransferRequest,
)
from terminals.credentials import Credentials
from terminals.errors import LinkLostError
from terminals.link import Link
from tests.support.desk import CARD_TYPE

Key = tuple[int, int, int]
"""Terminal, business date, trace number."""

CARDS = [61_000_000 + n for n in range(24)]
FROZEN_CARD, UNKNOWN_CARD = 61_900_000, 61_900_001
WORKERS_PER_TILL = 6
TIMEOUT_MS = 30_000
REVERSAL_FIRST_ODDS, REPEAT_ODDS, LONG_BILL_ODDS, SAME_REFERENCE_ODDS = 0.03, 0.1, 0.03, 0.2
RANGE_STEP = 64
"""Numbers between two ranges: the most cards of one operation."""
REVERSIBLE = (MessageType.DEBIT, MessageType.HOLD, MessageType.CREDIT)


@dataclass(slots=True)
class Asked:
    """One request, and the answer if one came."""

    key: Key
    type: MessageType
    body: bytes
    request: Any
    answer: bytes | None = None


@dataclass(slots=True)
class Book:
    """Everything that was ever asked of one data directory."""

    asked: dict[Key, Asked] = field(default_factory=dict)
    next_trace_number: int = 1
    opened_cards: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)
    """First number and count of ranges of cards that somebody wanted to make."""
    references: list[bytes] = field(default_factory=list)
    pins: list[bytes] = field(default_factory=list)
    """Digits that must not be found in the journal."""

    def take_trace_number(self) -> int:
        self.next_trace_number += 1
        return self.next_trace_number - 1

    def unanswered(self) -> list[Asked]:
        return [asked for asked in self.asked.values() if asked.answer is None]

    def answered(self) -> list[Asked]:
        return [asked for asked in self.asked.values() if asked.answer is not None]

    def note(self, asked: Asked, answer: bytes) -> None:
        """An answer has come; a second one must be the same."""
        if asked.answer is None:
            asked.answer = answer
        assert answer == asked.answer, f"{asked.key}: {Reply.decode(asked.answer)}, later {Reply.decode(answer)}"


class BusyTill:
    """One terminal's connection, with several requests under way until the switch dies."""

    def __init__(self, book: Book, chance: random.Random, terminal_id: int, key: bytes) -> None:
        self.book, self.chance = book, chance
        self.credentials = Credentials(terminal_id, key)
        self.link: Link | None = None
        self.mine: list[Asked] = []

    async def run(self, address: tuple[str, int]) -> None:
        """Send and send; returns when the connection is gone."""
        try:
            self.link = await Link.connect(*address, self.credentials)
            await asyncio.gather(*(self._work() for _ in range(WORKERS_PER_TILL)))
        except LinkLostError:
            pass
        finally:
            if self.link is not None:
                self.link.abort()

    async def _work(self) -> None:
        while True:
            if self.chance.random() < REPEAT_ODDS and self.mine:
                await self.send(self.chance.choice(self.mine))
            elif self.chance.random() < 0.05:
                await self._inquire()
            else:
                await self.send(self.new_request())

    async def send(self, asked: Asked) -> bytes:
        """Send a request of the book, once more perhaps; its answer."""
        assert self.link is not None
        while True:
            _, answer = await self.link.request(asked.type, asked.body, TIMEOUT_MS)
            reply = Reply.decode(answer)
            if code_class(reply.code) != CodeClass.RETRY:
                break
            # A disk that has to keep up with others: nothing was recorded, and the same bytes go out again.
            await asyncio.sleep(reply.retry_after_ms / 1000)
        self.book.note(asked, answer)
        return answer

    async def _inquire(self) -> None:
        assert self.link is not None
        request = BalanceRequest(stamp_ms=0, card_number=self.chance.choice(CARDS))
        await self.link.request(MessageType.BALANCE, request.encode(), TIMEOUT_MS)

    def new_request(self) -> Asked:
        """Something a till may ask, right or wrong; it is in the book from now on."""
        kinds = {
            self._debit: 46,
            self._reversal: 13,
            self._credit: 10,
            self._hold: 8,
            self._capture: 6,
            self._release: 3,
            self._refund: 6,
            self._transfer: 2,
            self._open_card: 2,
            self._operate_range: 2,
            self._set_pin: 2,
        }
        return self.chance.choices([*kinds], [*kinds.values()])[0]()

    def _approved(self, *types: MessageType) -> tuple[Asked, Reply] | None:
        """One of this till's last approved requests of some types, and its answer."""
        fitting = [asked for asked in self.mine[-120:] if asked.type in types and asked.answer is not None]
        replies = [(asked, Reply.decode(asked.answer)) for asked in fitting if asked.answer is not None]
        approved = [(asked, reply) for asked, reply in replies if reply.code == 0]
        return self.chance.choice(approved) if approved else None

    def _begin(self, type_: MessageType, build: Callable[[dict[str, Any]], Packed]) -> Asked:
        assert self.link is not None
        trace_number, date = self.book.take_trace_number(), self.link.business_date
        request = build({"trace_number": trace_number, "business_date": date, "stamp_ms": 0})
        asked = Asked((self.credentials.terminal_id, date, trace_number), type_, request.encode(), request)
        self.book.asked[asked.key] = asked
        self.mine.append(asked)
        return asked

    def _debit(self) -> Asked:
        chance = self.chance
        card = chance.choices([chance.choice(CARDS), FROZEN_CARD, UNKNOWN_CARD], [94, 3, 3])[0]
        amount_minor = chance.choices([chance.randint(1, 5_000), 10**9, 0, -5], [94, 4, 1, 1])[0]
        count = 255 if chance.random() < LONG_BILL_ODDS else chance.randint(0, 6)
        lines = tuple(BillLine(item=n, amount_minor=chance.randint(-100, 900)) for n in range(count))
        return self._begin(
            MessageType.DEBIT,
            lambda key: DebitRequest(**key, card_number=card, amount_minor=amount_minor, lines=lines),
        )

    def _reversal(self) -> Asked:
        """Of what was sent, answered or not, and now and then of a debit that will be sent later."""
        originals = [asked for asked in self.mine[-40:] if asked.type in REVERSIBLE]
        if not originals:
            return self._debit()
        original = self._debit() if self.chance.random() < REVERSAL_FIRST_ODDS else self.chance.choice(originals)
        off = 1 if self.chance.random() < 0.03 else 0
        return self._begin(
            MessageType.REVERSAL,
            lambda key: ReversalRequest(
                **key,
                card_number=original.request.card_number,
                amount_minor=original.request.amount_minor + off,
                original_trace_number=original.key[2],
                original_business_date=original.key[1],
            ),
        )

    def _credit(self) -> Asked:
        """Through a channel with references as a rule; a reference is sent again under another trace number."""
        chance, card, amount_minor = self.chance, self.chance.choice(CARDS), self.chance.randint(1, 9_000)
        channel, reference = RechargeChannel.OPENING, bytes(16)
        if chance.random() < 0.7:
            channel, reference = RechargeChannel.BANK_CARD, chance.randbytes(16)
            if self.book.references and chance.random() < SAME_REFERENCE_ODDS:
                reference = chance.choice(self.book.references[-20:])
            self.book.references.append(reference)
        return self._begin(
            MessageType.CREDIT,
            lambda key: CreditRequest(
                **key, card_number=card, amount_minor=amount_minor, channel=channel, reference=reference
            ),
        )

    def _hold(self) -> Asked:
        """Now and then for a second only: it expires while the switch is down."""
        card, amount_minor = self.chance.choice(CARDS), self.chance.randint(1, 3_000)
        expires_in_s = self.chance.choice([1, 1, 60])
        return self._begin(
            MessageType.HOLD,
            lambda key: HoldRequest(**key, card_number=card, amount_minor=amount_minor, expires_in_s=expires_in_s),
        )

    def _capture(self) -> Asked:
        held = self._approved(MessageType.HOLD)
        if held is None:
            return self._hold()
        asked, reply = held
        amount_minor, keep_rest = self.chance.randint(1, asked.request.amount_minor), self.chance.randint(0, 1)
        return self._begin(
            MessageType.CAPTURE,
            lambda key: CaptureRequest(
                **key,
                card_number=asked.request.card_number,
                amount_minor=amount_minor,
                hold_sequence=reply.journal_sequence,
                keep_rest=keep_rest,
            ),
        )

    def _release(self) -> Asked:
        held = self._approved(MessageType.HOLD)
        if held is None:
            return self._hold()
        asked, reply = held
        return self._begin(
            MessageType.RELEASE,
            lambda key: ReleaseRequest(
                **key, card_number=asked.request.card_number, hold_sequence=reply.journal_sequence
            ),
        )

    def _refund(self) -> Asked:
        """A part of something that was paid; parts of one bill may add up to too much."""
        paid = self._approved(MessageType.DEBIT, MessageType.CAPTURE)
        if paid is None:
            return self._debit()
        asked, reply = paid
        amount_minor = self.chance.randint(1, max(1, reply.amount_minor))
        return self._begin(
            MessageType.REFUND,
            lambda key: RefundRequest(
                **key,
                card_number=asked.request.card_number,
                amount_minor=amount_minor,
                original_sequence=reply.journal_sequence,
            ),
        )

    def _transfer(self) -> Asked:
        giver, getter = self.chance.choice(CARDS), self.chance.choice(CARDS)
        amount_minor = self.chance.randint(1, 500)
        return self._begin(
            MessageType.TRANSFER,
            lambda key: TransferRequest(**key, card_number=giver, amount_minor=amount_minor, to_card_number=getter),
        )

    def _operate_range(self) -> Asked:
        """Cards are made and issued with value, all or some of them again, stopped and let go."""
        chance = self.chance
        operation = chance.choice([CardOperation.MAKE_AND_ISSUE, CardOperation.FREEZE, CardOperation.UNFREEZE])
        if not self.book.ranges or (operation == CardOperation.MAKE_AND_ISSUE and chance.random() < 0.7):
            operation = CardOperation.MAKE_AND_ISSUE
            self.book.ranges.append((63_000_000 + RANGE_STEP * len(self.book.ranges), chance.randint(1, RANGE_STEP)))
        first, count = chance.choice(self.book.ranges)
        making = operation == CardOperation.MAKE_AND_ISSUE
        return self._begin(
            MessageType.OPERATE_CARD,
            lambda key: OperateCardRequest(
                **key,
                card_number=first,
                count=count,
                operation=operation,
                card_type=CARD_TYPE if making else 0,
                amount_minor=250 if making else 0,
                operator_id=71 + self.credentials.terminal_id % 2,
            ),
        )

    def _set_pin(self) -> Asked:
        card, digits = self.chance.choice(CARDS), f"{self.chance.randrange(10**12):012}".encode()
        self.book.pins.append(digits)
        return self._begin(
            MessageType.SET_PIN,
            lambda key: SetPinRequest(
                **key, card_number=card, mode=PinMode.RESET, old_pin=bytes(16), new_pin=digits.ljust(16, b"\0")
            ),
        )

    def _open_card(self) -> Asked:
        self.book.opened_cards += 1
        number = 62_000_000 + self.book.opened_cards
        # An account is named by a card with a lower number: the other way round is tested elsewhere.
        account = self.chance.choice([0, self.chance.choice(CARDS)])
        return self._begin(
            MessageType.OPEN_CARD,
            lambda key: OpenCardRequest(**key, card_number=number, account_number=account, card_type=CARD_TYPE),
        )
