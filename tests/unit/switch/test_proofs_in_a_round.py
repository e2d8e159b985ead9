"""Proofs of chips in frames that come together: all are examined before the first is decided, and judged in turn."""

import msgspec
import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    BillLine,
    DebitRequest,
    Evidence,
    EvidenceOutcome,
    Header,
    KeyPurpose,
    MediumFlag,
    MediumKind,
    MessageType,
)
from switch.protocol.records import CardKeyRecord, MediumRecord
from tests.benchmarks import test_decision, test_evidence
from tests.support.keys import Slot, key_of, key_record, wrapped_card_key

NOW_MS, TODAY = test_decision.NOW_MS, test_decision.TODAY


CARDS = 7
OWN_KEY = bytes(range(16))


def new_bench():
    return test_evidence.EvidenceBench(MediumKind.CHIP)


@pytest.fixture
def bench(monkeypatch):
    """A link whose few cards all have a chip."""
    for module in (test_decision, test_evidence):
        monkeypatch.setattr(module, "CARDS", CARDS)
    return new_bench()


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


def give_keys(bench):
    """A second version of the chips' master key, and a key of its own for the chip of card 2."""
    engine, medium_id = bench.switch.engine, test_evidence.FIRST_UID + 2
    for purpose, version in ((KeyPurpose.CHIP, 2), (KeyPurpose.STORAGE, 1)):
        engine.keys.load(purpose, version, Slot(key_of(purpose, version)))
        engine.tables.load([key_record(purpose, version)])
    blob = wrapped_card_key(OWN_KEY)
    key = CardKeyRecord(storage_version=1, medium=MediumKind.CHIP, medium_id=medium_id, key_version=1, wrapped_key=blob)
    medium = MediumRecord(
        state=1,
        flags=MediumFlag.STORED_KEY,
        key_version=1,
        key_version_held=2,
        medium=MediumKind.CHIP,
        medium_id=medium_id,
        card_number=test_decision.FIRST_CARD + 2,
    )
    engine.tables.load([key.encode(), medium.encode()])


def mixed_proofs(bench):
    """(card, proof) of chips whose keys come from two masters, from none that is here, or are their own; one is wrong.

    More of them than are examined side by side, and the last group is not full.
    """
    proofs = [(0, 1), (1, 1), (3, 2), (2, 0), (4, 2), (5, 1), (0, 2), (2, 0), (6, 3), (1, 2), (3, 2), (0, 2), (5, 1)]
    made = [(card, bench.evidence(card, version or 1, None if version else OWN_KEY)) for card, version in proofs]
    made[4] = (4, msgspec.structs.replace(made[4][1], proof=bytes(16)))
    return made


def journaled(bench, count):
    """The evidence of the first traces, as the journal has it."""
    bodies = (bench.switch.engine.answered(7, TODAY, trace) for trace in range(1, count + 1))
    return [DebitRequest.decode(body[1]).evidence for body in bodies]


def test_chips_of_several_masters_and_with_keys_of_their_own_are_examined_side_by_side(bench):
    """What is found of each is what is found when they come one at a time."""
    alone = new_bench()
    for each in (bench, alone):
        give_keys(each)
    debits = [debit(bench, 1 + n, proof, card) for n, (card, proof) in enumerate(mixed_proofs(bench))]

    told = codes_of(bench, *debits)
    for request in debits:
        codes_of(alone, request)

    found = journaled(bench, len(debits))
    assert found == journaled(alone, len(debits))
    outcomes = [EvidenceOutcome(each.outcome) for each in found]
    assert outcomes.count(EvidenceOutcome.GENUINE) == len(debits) - 2
    assert (outcomes[4], outcomes[8]) == (EvidenceOutcome.WRONG, EvidenceOutcome.KEY_MISSING)
    assert len({each.answer for each in found}) == len(debits) - 1  # two without one
    assert told[ResponseCode.APPROVED] == outcomes.count(EvidenceOutcome.GENUINE)
