"""What the proof of a medium adds to one debit in process: examined, judged, answered, written with the money.

`pytest tests/benchmarks --benchmark-only -k evidence` prints the rounds with proofs; `make bench` says what they add.
The speed of a machine changes within seconds, so rounds of FRAMES debits with and without proofs take turns, and the
figure is the middle of the differences of neighbours. The cards are random among BENCH_CARDS, so their records are as
cold as a switch's would be.
"""

from __future__ import annotations

import os
import time

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from hsm import bar_code, cards
from switch._link import Link
from switch.protocol.messages import (
    BillLine,
    DebitRequest,
    Evidence,
    Header,
    KeyPurpose,
    MediumKind,
    MessageType,
)
from switch.protocol.records import MediumRecord
from tests.benchmarks.test_decision import CARDS, FIRST_CARD, NOW_MS, RECEIVE_KEY, SEND_KEY, TODAY, Bench
from tests.support.keys import Slot, key_of, key_record

FRAMES = 512
PAIRS, WARM_UP_PAIRS = 60, 3
CHALLENGE = b"challeng"
FIRST_UID = 0x04_00_00_00_00_00_00
FIRST_TOKEN = 10_000_000_000
TOKENS_MS = 30_000
"""A code is used once, and its numbers go on with time: each round is half a minute later."""


class EvidenceBench(Bench):
    """A bench whose cards all have a chip and a code."""

    def __init__(self, medium: MediumKind) -> None:
        super().__init__()
        self.medium, self.now_ms = medium, NOW_MS
        self.last_ns = 0.0  # of the last round, per debit
        engine = self.switch.engine
        for purpose in (KeyPurpose.CHIP, KeyPurpose.CODE):
            engine.keys.load(purpose, 1, Slot(key_of(purpose, 1)))
            self.switch.tables.load([key_record(purpose, 1)])
        first = FIRST_UID if medium == MediumKind.CHIP else FIRST_TOKEN
        if medium != MediumKind.NUMBER:
            self.switch.tables.load(
                MediumRecord(
                    state=1, key_version=1, medium=medium, medium_id=first + n, card_number=FIRST_CARD + n
                ).encode()
                for n in range(CARDS)
            )
        self.link = Link(engine, os.open(os.devnull, os.O_WRONLY), 7, RECEIVE_KEY, SEND_KEY, CHALLENGE, CHALLENGE)
        self._counters: dict[int, int] = {}
        self._chains: dict[int, int] = {}

    def frames(self):
        """Fill the buffer with sealed debits of random cards, three lines each, with evidence."""
        self.switch._make_room()
        self.switch.commit.commit_now()
        self.now_ms += TOKENS_MS
        filled = 0
        chosen = self._random.sample(range(CARDS), FRAMES)
        for number in chosen:
            self._debit_trace += 1
            debit = DebitRequest(
                trace_number=self._debit_trace,
                business_date=TODAY,
                stamp_ms=NOW_MS,
                card_number=FIRST_CARD + number,
                amount_minor=600,
                lines=tuple(BillLine(item=i, amount_minor=100 * i) for i in (1, 2, 3)),
                evidence=self.evidence(number),
            )
            plain = Header(type=MessageType.DEBIT, sequence=self._debit_trace).encode() + debit.encode()
            sealed = self._seal.encrypt(bytes(4) + self._sealed_count.to_bytes(8, "big"), plain, None)
            self._sealed_count += 1
            frame = len(sealed).to_bytes(2, "big") + sealed
            self.buffer[filled : filled + len(frame)] = frame
            filled += len(frame)
        return (self, filled), {}

    def evidence(self, number: int, version: int = 1, key: bytes | None = None) -> Evidence | None:
        """Proof of one card's medium, the next of its kind; a chip's with a key version, or with a key of its own."""
        if self.medium == MediumKind.NUMBER:
            return None
        if self.medium == MediumKind.CODE:
            token = f"{FIRST_TOKEN + number:011d}"
            key = cards.card_key(key_of(KeyPurpose.CODE, 1), cards.CardPurpose.CODE, 1, bar_code.token_unique(token))
            sequence = bar_code.sequence_at(self.now_ms // 1000)
            digits = int(bar_code.one_time_code(key, 1, token, sequence))
            return Evidence(
                medium=MediumKind.CODE,
                key_version=1,
                counter=sequence % 100,
                medium_id=int(token),
                proof=digits.to_bytes(4, "little") + bytes(12),
            )
        uid = (FIRST_UID + number).to_bytes(7, "big")
        if key is None:
            key = cards.card_key(key_of(KeyPurpose.CHIP, version), cards.CardPurpose.AC, version, uid)
        counter = self._counters.get(number, 0) + 1
        chain = self._chains.get(number, 0)
        asked = cards.AcData(CHALLENGE, 600, 156, 0, NOW_MS // 1000, b"00000007").pack()
        answer = cards.generate_ac(key, version, counter, uid, asked, chain.to_bytes(4, "big"))
        whole = CMAC(AES(cards.session_key(key, counter, uid)))
        whole.update(answer.authenticated(asked))
        self._counters[number] = counter
        self._chains[number] = int.from_bytes(whole.finalize()[8:12], "big")
        return Evidence(
            medium=MediumKind.CHIP,
            key_version=version,
            counter=counter,
            medium_id=FIRST_UID + number,
            challenge=CHALLENGE,
            chain=chain,
            currency=156,
            proof=answer.cryptogram + bytes(8),
        )


def receive(bench: EvidenceBench, size: int) -> None:
    """The measured part."""
    started_ns = time.perf_counter_ns()
    bench.link.receive(bench.buffer, size, bench.now_ms)
    bench.last_ns = (time.perf_counter_ns() - started_ns) / FRAMES
    assert bench.link.fault is None


@pytest.mark.filterwarnings("ignore::pytest_benchmark.logger.PytestBenchmarkWarning")
@pytest.mark.parametrize("medium", ["chip", "code"])
def test_debits_with_evidence_are_examined_and_decided(benchmark, medium):
    plain, proved = EvidenceBench(MediumKind.NUMBER), EvidenceBench(MediumKind[medium.upper()])
    added_ns, plain_ns = [], []

    def pair():
        if proved.last_ns:
            added_ns.append(proved.last_ns - plain.last_ns)
        (_, size), _ = plain.frames()
        receive(plain, size)
        plain_ns.append(plain.last_ns)
        return proved.frames()

    benchmark.pedantic(receive, setup=pair, rounds=PAIRS, warmup_rounds=WARM_UP_PAIRS)

    benchmark.extra_info |= {
        "cards": CARDS,
        "debits_per_round": FRAMES,
        "plain_ns": plain_ns[WARM_UP_PAIRS:],
        "added_ns": [*added_ns, proved.last_ns - plain.last_ns][WARM_UP_PAIRS:],
    }
    for bench in (plain, proved):
        codes = bench.switch.engine.figures()["codes"]
        assert codes[0] >= FRAMES
        assert set(codes) == {0}
