"""Proofs of chips in frames that come together: all are examined before the first is decided, and judged in turn."""

import msgspec
import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import BillLine, DebitRequest, Evidence, Header, MediumKind, MessageType
from tests.benchmarks import test_decision, test_evidence

NOW_MS, TODAY = test_decision.NOW_MS, test_decision.TODAY


@pytest.fixture
def bench(monkeypatch):
    """A link whose few cards all have a chip."""
    for module in (test_decision, test_evidence):
        monkeypatch.setattr(module, "CARDS", 4)
    return test_evidence.EvidenceBench(MediumKind.CHIP)


def debit(bench, trace, evidence, card=0):
    """A debit as `EvidenceBench` proves it: 600 minor units."""
    lines = tuple(BillLine(item=i, amount_minor=100 * i) for i in (1, 2, 3))
    key = {"trace_number": trace, "business_date": TODAY, "stamp_ms": NOW_MS}
    number = test_decision.FIRST_CARD + card
    return DebitRequest(**key, card_number=number, amount_minor=600, lines=lines, evidence=evidence)


def codes_of(bench, *debits):
    """How often each code was answered to frames that came in one receive."""
    stream = b""
    for request in debits:
        plain = Header(type=MessageType.DEBIT, sequence=request.trace_number).encode() + request.encode()
        sealed = bench._seal.encrypt(bytes(4) + bench._sealed_count.to_bytes(8, "big"), plain, None)
        bench._sealed_count += 1
        stream += len(sealed).to_bytes(2, "big") + sealed
    before = bench.switch.engine.figures()["codes"]
    bench.buffer[: len(stream)] = stream
    bench.link.receive(bench.buffer, len(stream), NOW_MS)
    assert bench.link.fault is None
    after = bench.switch.engine.figures()["codes"]
    return {ResponseCode(code): n - before.get(code, 0) for code, n in after.items() if n != before.get(code, 0)}


def test_two_debits_of_one_chip_and_a_repeat_of_the_first_may_come_together(bench):
    first, second = bench.evidence(0), bench.evidence(0)

    told = codes_of(bench, debit(bench, 1, first), debit(bench, 2, second), debit(bench, 1, first))

    assert told == {ResponseCode.APPROVED: 2}
    assert bench.switch.engine.figures()["repeats"] == 1


def test_a_copy_is_told_from_its_original_in_the_same_receive(bench):
    proof = bench.evidence(0)

    assert codes_of(bench, debit(bench, 1, proof), debit(bench, 2, proof)) == {
        ResponseCode.APPROVED: 1,
        ResponseCode.CLONE: 1,
    }


def test_each_frame_of_a_receive_is_judged_by_its_own_proof(bench):
    """Right, forged, of a chip that nobody knows, with a field that the switch fills in, and right again."""
    forged = msgspec.structs.replace(bench.evidence(1), proof=bytes(16))
    unknown = msgspec.structs.replace(bench.evidence(2), medium_id=7)
    filled = msgspec.structs.replace(bench.evidence(3), answer=b"\1" * 8)

    told = codes_of(
        bench,
        debit(bench, 1, bench.evidence(0)),
        debit(bench, 2, forged, 1),
        debit(bench, 3, unknown, 2),
        debit(bench, 4, filled, 3),
        debit(bench, 5, bench.evidence(0)),
        debit(bench, 6, Evidence(medium=MediumKind.STRIPE)),
    )

    assert told == {
        ResponseCode.APPROVED: 2,
        ResponseCode.PROOF_WRONG: 1,
        ResponseCode.MEDIUM_UNKNOWN: 2,
        ResponseCode.RESERVED_NOT_ZERO: 1,
    }
