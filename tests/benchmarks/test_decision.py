"""What one debit costs the switch in process: frame opened, decided, entry written, reply sealed. No socket, no disk.

`pytest tests/benchmarks --benchmark-only` prints it; `make bench` puts the median per debit into its figures. The
default test run takes each benchmark once, to see that it works; no test asserts a time.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from switch._link import RECEIVE_BYTES, Link
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    BillLine,
    CreditRequest,
    DebitRequest,
    Header,
    MessageType,
    OpenCardRequest,
    PutCardTypeRequest,
    PutTerminalRequest,
    Right,
)
from tests.support.engine import InProcessEngine

CARDS = int(os.environ.get("BENCH_CARDS", "20000"))
FRAMES = 1024
FIRST_CARD = 9_999_000_000_000_000
TODAY = 20_000
NOW_MS = TODAY * 86_400_000 + 43_200_000
RECEIVE_KEY, SEND_KEY = bytes(range(32)), bytes(range(32, 64))
OPERATOR_RIGHTS = int(Right.CONFIGURE | Right.CREDIT)


class Bench:
    """An engine with cards, one link, and a sealer of its terminal's frames."""

    def __init__(self) -> None:
        bounds: dict[str, Any] = {"cards_max": CARDS, "media_max": CARDS, "answers_per_date_max": 100_000_000}
        self.switch = InProcessEngine(timezone="UTC", replay=False, **bounds)
        self._trace = 0
        self._ask(MessageType.PUT_CARD_TYPE, PutCardTypeRequest(**self._key(), code=1, points_percent=100))
        self._ask(
            MessageType.PUT_TERMINAL,
            PutTerminalRequest(**self._key(), terminal_id=7, store_id=0, rights=1, key=bytes(range(40))),
        )
        for number in range(FIRST_CARD, FIRST_CARD + CARDS):
            self._ask(MessageType.OPEN_CARD, OpenCardRequest(**self._key(), card_number=number, card_type=1))
            self._ask(MessageType.CREDIT, CreditRequest(**self._key(), card_number=number, amount_minor=10**11))
        self.link = Link(self.switch.engine, os.open(os.devnull, os.O_WRONLY), 7, RECEIVE_KEY, SEND_KEY)
        self._seal = AESGCM(RECEIVE_KEY)
        self._sealed_count = self._debit_trace = 0
        self._random = random.Random(1)
        self.buffer = bytearray(RECEIVE_BYTES)

    def _key(self) -> dict[str, Any]:
        self._trace += 1
        return {"trace_number": self._trace, "business_date": TODAY, "stamp_ms": NOW_MS}

    def _ask(self, kind: MessageType, request: Packed) -> None:
        reply, _ = self.switch.decide(
            1, OPERATOR_RIGHTS, Header(type=kind, sequence=0).encode() + request.encode(), NOW_MS
        )
        assert reply[8:10] == b"\0\0"

    def frames(self) -> tuple[tuple[Bench, int], dict[str, object]]:
        """Fill the buffer with sealed debits of random cards, three lines each; make room for their entries."""
        self.switch._make_room()
        self.switch.commit.commit_now()
        filled = 0
        for _ in range(FRAMES):
            self._debit_trace += 1
            debit = DebitRequest(
                trace_number=self._debit_trace,
                business_date=TODAY,
                stamp_ms=NOW_MS,
                card_number=FIRST_CARD + self._random.randrange(CARDS),
                amount_minor=600,
                lines=tuple(BillLine(item=i, amount_minor=100 * i) for i in (1, 2, 3)),
            )
            plain = Header(type=MessageType.DEBIT, sequence=self._debit_trace).encode() + debit.encode()
            sealed = self._seal.encrypt(bytes(4) + self._sealed_count.to_bytes(8, "big"), plain, None)
            self._sealed_count += 1
            frame = len(sealed).to_bytes(2, "big") + sealed
            self.buffer[filled : filled + len(frame)] = frame
            filled += len(frame)
        return (self, filled), {}


def receive(bench: Bench, size: int) -> None:
    """The measured part."""
    bench.link.receive(bench.buffer, size, NOW_MS)
    assert bench.link.fault is None


@pytest.mark.filterwarnings("ignore::pytest_benchmark.logger.PytestBenchmarkWarning")
def test_a_thousand_debits_are_opened_decided_and_sealed(benchmark):
    bench = Bench()

    benchmark.extra_info["debits_per_round"] = FRAMES
    benchmark.pedantic(receive, setup=bench.frames, rounds=20, warmup_rounds=2)

    approved = bench.switch.engine.figures()["codes"][0]
    assert approved >= 20 * FRAMES
