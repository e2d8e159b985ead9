"""A crowd of honest cards, phones and tags in a world where much gets lost; and thieves with copies of their chips.

The media keep their own counters, as real ones do, and know nothing of the switch's.  Evidence is filled in as it
looks examined, for cryptograms are tested elsewhere: here it is about counters, chains and clocks.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    ConfirmWriteRequest,
    CreditRequest,
    DebitRequest,
    Evidence,
    EvidenceFlag,
    EvidenceOutcome,
    Header,
    KeyPurpose,
    KeyState,
    MediumKind,
    OpenCardRequest,
    PutCardTypeRequest,
    PutKeyRequest,
    PutMediumRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Reply,
    ReversalRequest,
)

from .sender import TYPE_OF
from .wire import HEADER_BYTES
from .world import EVERY_RIGHT

START_MS = 1_795_000_000_000
DAY_MS = 86_400_000
STORES, TILLS, OPERATOR = 4, range(1, 13), 99
CLOCK_ERROR_S = 50
PAUSE_MS = 20_000
"""Longest time between two taps of the crowd."""
BROKEN, REQUEST_LOST, ANSWER_LOST, CUT_OFF = 0.05, 0.03, 0.03, 0.02
"""Shares of taps that send nothing, whose request or answer is lost, and that a till must keep for later."""


class Decider(Protocol):
    """The twin or the engine."""

    def decide(self, terminal_id: int, rights: int, message: bytes, now_ms: int) -> tuple[bytes, bytes | None]:
        """Whole reply and entries."""


@dataclass(slots=True)
class Chip:
    """Counter and chain are the chip's own; the switch has its own idea of both."""

    card_number: int
    uid: int
    counter: int = 0
    chain: int = 0

    def tap(self, rng: random.Random, flags: int = 0) -> Evidence:
        """A cryptogram; the counter has gone up, whatever becomes of it."""
        self.counter += 1
        return Evidence(
            medium=MediumKind.CHIP,
            key_version=1,
            flags=flags,
            counter=self.counter,
            medium_id=self.uid,
            chain=self.chain,
            found_counter=self.counter,
            found_medium_id=self.uid,
            found_key_version=1,
            outcome=EvidenceOutcome.GENUINE,
            next=rng.randrange(2**32),
        )

    def copy(self, ahead: int = 0) -> Chip:
        """Another chip with the same keys, set ahead."""
        return Chip(self.card_number, self.uid, self.counter + ahead, self.chain)


@dataclass(slots=True)
class Phone:
    """Shows codes by its own clock."""

    card_number: int
    token: int
    clock_error_ms: int = 0
    last: int = 0

    def show(self, now_ms: int) -> Evidence:
        """A fresh code: of this half minute, or the next digit in it."""
        self.last = max(self.last + 1, (now_ms + self.clock_error_ms) // 30_000 * 10)
        middle = now_ms // 30_000 * 10
        is_fresh = abs(self.last - middle) <= 20
        return Evidence(
            medium=MediumKind.CODE,
            key_version=1,
            counter=self.last % 100,
            medium_id=self.token,
            found_medium_id=self.token,
            found_key_version=1,
            found_counter=self.last if is_fresh else 0,
            outcome=EvidenceOutcome.GENUINE if is_fresh else EvidenceOutcome.STALE,
        )


@dataclass(slots=True)
class Stripe:
    """What is written on it, and what the issuer knows by now."""

    card_number: int
    written: int = 100
    is_known: Callable[[int], int] = field(default=lambda card_number: 0)
    """Counter waiting to be confirmed, as the switch has it when the stripe is examined."""

    def swipe(self, flags: int) -> Evidence:
        """The three digits, the whole counter behind them, and what would be written next."""
        waiting = self.is_known(self.card_number)
        return Evidence(
            medium=MediumKind.STRIPE,
            key_version=1,
            flags=flags,
            counter=self.written % 1000,
            found_counter=self.written,
            found_medium_id=self.card_number,
            found_key_version=1,
            outcome=EvidenceOutcome.GENUINE,
            next=waiting if waiting and waiting != self.written else self.written + 1,
        )


@dataclass(slots=True)
class Tag:
    """Counts its readings."""

    card_number: int
    uid: int
    counter: int = 0

    def read(self) -> Evidence:
        """One more."""
        self.counter += 1
        return Evidence(
            medium=MediumKind.TAG,
            key_version=1,
            found_counter=self.counter,
            found_medium_id=self.uid,
            found_key_version=1,
            outcome=EvidenceOutcome.GENUINE,
        )


Medium = Chip | Phone | Stripe | Tag


class Crowd:
    """A shop, its tills, and everybody who pays there."""

    def __init__(self, decider: Decider, seed: int, size: int, pending: Callable[[int], int]) -> None:
        self.decider, self.rng = decider, random.Random(f"crowd {seed}")
        self.now_ms = START_MS
        self.traces: Counter[int] = Counter()
        self.told: Counter[ResponseCode] = Counter()
        """Replies by code."""
        self.kept: list[tuple[int, DebitRequest]] = []
        """What tills that were cut off have kept."""
        self.pending = pending
        self.media: list[Medium] = []
        self._open()
        for number in range(size):
            self.media.append(self.customer(10_000_000 + number, number % 4))

    # ----------------------------------------------------------------------- messages

    def _request(self, form: type[Packed], sender_id: int, /, **fields: Any) -> Any:
        self.traces[sender_id] += 1
        named = {"trace_number": self.traces[sender_id], "business_date": self.now_ms // DAY_MS}
        return form(**{**named, "stamp_ms": self.now_ms, **fields})

    def send(self, request: Packed, terminal_id: int) -> Reply:
        """What the switch says."""
        message = Header(type=TYPE_OF[type(request)], sequence=0).encode() + request.encode()
        reply, _ = self.decider.decide(terminal_id, EVERY_RIGHT, message, self.now_ms)
        told = Reply.decode(reply[HEADER_BYTES:])
        self.told[ResponseCode(told.code)] += 1
        return told

    def operate(self, form: type[Packed], **fields: Any) -> None:
        """A step of the setting."""
        told = self.send(self._request(form, OPERATOR, **fields), OPERATOR)
        assert told.code == ResponseCode.APPROVED, (form, fields, told)

    def debit(self, medium: Medium, evidence: Evidence, terminal_id: int, **fields: Any) -> DebitRequest:
        """A payment, not yet sent."""
        named = {"card_number": medium.card_number, "amount_minor": 1, "evidence": evidence}
        request: DebitRequest = self._request(DebitRequest, terminal_id, **(named | fields))
        return request

    # ----------------------------------------------------------------------- the shop

    def _open(self) -> None:
        self.operate(PutCardTypeRequest, code=1, functions=31)
        for store_id in range(1, STORES + 1):
            self.operate(PutStoreRequest, store_id=store_id, organisation_id=0, round_off_minor=0)
        for terminal_id in TILLS:
            place = {"store_id": terminal_id % STORES + 1, "rights": 1, "key": bytes(range(40))}
            self.operate(PutTerminalRequest, terminal_id=terminal_id, **place)
        named = {"key_version": 1, "check_value": bytes(8), "operator_id": 1, "approver_id": 2}
        for purpose in (KeyPurpose.CHIP, KeyPurpose.CODE, KeyPurpose.STRIPE, KeyPurpose.TAG):
            for state in (KeyState.NEW, KeyState.ACTIVE):
                self.operate(PutKeyRequest, purpose=purpose, state=state, **named)

    def customer(self, card_number: int, kind: int) -> Medium:
        """A new card with one medium: 0 chip, 1 phone, 2 stripe, 3 tag."""
        self.operate(OpenCardRequest, card_number=card_number, account_number=0, card_type=1)
        self.operate(CreditRequest, card_number=card_number, amount_minor=10**9, channel=1)
        error_ms = self.rng.randrange(-CLOCK_ERROR_S, CLOCK_ERROR_S + 1) * 1000
        made: dict[int, Medium] = {
            0: Chip(card_number, card_number),
            1: Phone(card_number, card_number, error_ms),
            2: Stripe(card_number, is_known=self.pending),
            3: Tag(card_number, card_number),
        }
        counter = 100 if kind == 2 else 0
        fields = {"card_number": card_number, "medium": kind + 1, "medium_id": card_number, "operator_id": 1}
        self.operate(PutMediumRequest, counter=counter, **fields)
        return made[kind]

    # ----------------------------------------------------------------------- honest taps

    def tap(self) -> None:
        """One customer pays, or tries to."""
        rng, terminal_id = self.rng, self.rng.choice(TILLS)
        self.now_ms += rng.randrange(PAUSE_MS)
        if self.kept and rng.random() < CUT_OFF * 2:
            self._send_kept()
        medium = rng.choice(self.media)
        evidence = self._read(medium)
        if rng.random() < BROKEN:
            return
        if isinstance(medium, Chip) and rng.random() < CUT_OFF:
            late = type(evidence)(**{**_fields(evidence), "flags": evidence.flags | EvidenceFlag.OFFLINE})
            self.kept.append((terminal_id, self.debit(medium, late, terminal_id)))
            return
        request = self.debit(medium, evidence, terminal_id)
        is_lost = rng.random() < REQUEST_LOST
        told = None if is_lost else self.send(request, terminal_id)
        if told is None or rng.random() < ANSWER_LOST:
            told = self._try_again(request, terminal_id)
        if told is not None and told.issuer_answer is not None and rng.random() >= ANSWER_LOST:
            self._give(medium, told.issuer_answer.next, terminal_id)

    def _read(self, medium: Medium) -> Evidence:
        if isinstance(medium, Chip):
            return medium.tap(self.rng, self.rng.choice([0, EvidenceFlag.CONTACTLESS]))
        if isinstance(medium, Phone):
            return medium.show(self.now_ms)
        if isinstance(medium, Stripe):
            return medium.swipe(self.rng.choice([0, EvidenceFlag.CAN_WRITE]))
        return medium.read()

    def _try_again(self, request: DebitRequest, terminal_id: int) -> Reply | None:
        """The same bytes once more, while the customer waits; or the payment is given up."""
        if self.rng.random() < 0.7:
            return self.send(request, terminal_id)
        named = {"card_number": request.card_number, "amount_minor": request.amount_minor}
        named |= {"original_trace_number": request.trace_number, "original_business_date": request.business_date}
        self.send(self._request(ReversalRequest, terminal_id, **named), terminal_id)
        return None

    def _give(self, medium: Medium, following: int, terminal_id: int) -> None:
        """The issuer's answer comes back to the medium, half-way at times."""
        if isinstance(medium, Chip):
            medium.chain = following
        elif isinstance(medium, Stripe) and self.rng.random() < 0.9:
            medium.written = following
            if self.rng.random() < 0.9:
                fields = {"card_number": medium.card_number, "counter": following}
                self.send(self._request(ConfirmWriteRequest, terminal_id, **fields), terminal_id)

    def _send_kept(self) -> None:
        """A till is back: what it kept, as it was made, under today's key."""
        terminal_id, request = self.kept.pop(self.rng.randrange(len(self.kept)))
        fields = {
            name: value for name, value in _fields(request).items() if name not in ("trace_number", "business_date")
        }
        self.send(self._request(DebitRequest, terminal_id, **fields), terminal_id)


def _fields(form: Packed) -> dict[str, Any]:
    return {name: getattr(form, name) for name in form.__struct_fields__}
