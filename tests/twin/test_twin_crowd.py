"""Honest cards never look like copies, however much is lost; and copies of chips come no further than was reckoned."""

import random

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import AlarmKind, MediumKind
from switch.protocol.records import AlarmRecord, MediumRecord, RecordKind

from .crowd import ANSWER_LOST, Crowd
from .model import Twin

TAPS = {"engine": 100_000, "twin": 5_000}
RUNS = 400
MOST_USES = 40


class TwinDecider:
    """The twin, asked like an engine."""

    def __init__(self):
        self.twin = Twin(timezone="UTC", replay=False)

    def decide(self, *asked):
        outcome = self.twin.decide(*asked)
        return outcome.reply, outcome.written

    def medium(self, kind, medium_id):
        return self.twin.tables.find(RecordKind.MEDIUM, kind, medium_id)

    def alarms(self):
        return self.twin.tables.all(RecordKind.ALARM)


class EngineDecider:
    """The fast path."""

    def __init__(self):
        from tests.support.engine import InProcessEngine

        self.engine = InProcessEngine(timezone="UTC", replay=False, cards_max=2000)

    def decide(self, *asked):
        return self.engine.decide(*asked)

    def medium(self, kind, medium_id):
        image = self.engine.tables.get(RecordKind.MEDIUM, (kind, medium_id, 0))
        assert image is not None
        return MediumRecord.decode(image)

    def alarms(self):
        return [AlarmRecord.decode(image) for image in self.engine.tables.records(RecordKind.ALARM)]


DECIDERS: dict[str, type[EngineDecider | TwinDecider]] = {"engine": EngineDecider, "twin": TwinDecider}


def crowd_of(decider, *, seed, size):
    return Crowd(decider, seed, size, lambda card: decider.medium(MediumKind.STRIPE, card).pending_counter)


@pytest.mark.feature("HD-139")
@pytest.mark.parametrize("name", DECIDERS)
def test_no_honest_card_is_taken_for_a_copy(name):
    decider = DECIDERS[name]()
    crowd = crowd_of(decider, seed=1, size=400)

    for _ in range(TAPS[name]):
        crowd.tap()

    told = crowd.told
    refused = {code: count for code, count in told.items() if code != ResponseCode.APPROVED}
    assert decider.alarms() == []
    assert set(refused) <= {ResponseCode.CODE_STALE, ResponseCode.REVERSED_BEFORE}, refused
    assert told[ResponseCode.CODE_STALE] < TAPS[name] / 50
    assert told[ResponseCode.APPROVED] > TAPS[name] * 0.9


def use(crowd, chip, rng):
    """One payment; whether it passed. The answer is torn off now and then."""
    told = crowd.send(crowd.debit(chip, chip.tap(rng), 1), 1)
    if told.issuer_answer is not None and rng.random() >= ANSWER_LOST:
        chip.chain = told.issuer_answer.next
    return told.code == ResponseCode.APPROVED


def thefts(decider, *, ahead, genuine_taps):
    """What the copies' payments come to until somebody is caught, over many cards, each copied once."""
    crowd, rng = crowd_of(decider, seed=2, size=0), random.Random(f"thief {ahead} {genuine_taps}")
    passed = []
    for number in range(RUNS):
        chip = crowd.customer(20_000_000 + number, 0)
        for _ in range(3):
            use(crowd, chip, rng)
        copy, count = chip.copy(ahead), 0
        for _ in range(genuine_taps):
            assert use(crowd, chip, rng)
        for _ in range(MOST_USES):
            is_copy = rng.random() < 0.5
            if not use(crowd, copy if is_copy else chip, rng):
                break
            count += is_copy
        else:
            pytest.fail(f"card {number} was never caught")
        passed.append(count)
    assert len(decider.alarms()) == RUNS
    assert {alarm.alarm for alarm in decider.alarms()} == {AlarmKind.CLONE}
    return sum(passed) / RUNS, passed.count(0) / RUNS


@pytest.mark.feature("HD-139")
@pytest.mark.parametrize("name", DECIDERS)
@pytest.mark.parametrize(
    ("ahead", "genuine_taps", "mean", "none"),
    [
        # A plain copy: whoever comes second is caught, and the thief is first half of the time.
        (0, 0, 1.0, 0.5),
        # Set ahead, and the genuine chip was used since: the chain that it shows is an old one.
        (50, 3, 0.0, 1.0),
        # Set ahead and used at once: it passes as long as it is not the genuine chip's turn, or had two turns before.
        (50, 0, 1.5, 0.25),
    ],
)
def test_a_copied_chip_comes_no_further_than_was_reckoned(name, ahead, genuine_taps, mean, none):
    found_mean, found_none = thefts(DECIDERS[name](), ahead=ahead, genuine_taps=genuine_taps)

    assert found_mean == pytest.approx(mean, abs=0.25)
    assert found_none == pytest.approx(none, abs=0.08)
