"""Whatever bytes a message has, engine and twin decide the same: replies, entries and records, byte for byte."""

import random
from itertools import islice
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from switch.protocol.messages import MessageType
from tests.fuzz.inprocess import EVERY_RIGHT, NOW_MS, SETTINGS, TERMINAL_ID, TODAY, open_business, twin_of_settings
from tests.fuzz.mutations import Mutation, bodies, mutated, mutations
from tests.fuzz.peer import HEADER_BYTES, message
from tests.support.engine import InProcessEngine
from tests.twin.traffic import Traffic
from tests.twin.wire import DECIDED_TYPES
from tests.twin.world import world_of

DAY_MS = 86_400_000
LISTINGS = {MessageType.DAY_DIGESTS, MessageType.DAY_LIST}
"""Answered beside the engine."""
MUTATED_PER_EXAMPLE = 60
"""Messages of the seeded runs, for each example that the hypothesis profile asks for."""


@st.composite
def plaintexts(draw):
    """Mostly a message with one or two things wrong."""
    type_ = draw(st.sampled_from(sorted(DECIDED_TYPES - LISTINGS)))
    header = (
        {"version": 1, "flags": 0} if draw(st.integers(0, 9)) else {"version": draw(st.integers(0, 255)), "flags": 1}
    )
    plaintext = message(type_, draw(bodies(type_, TODAY, examined=True)), draw(st.integers(0, 2**32 - 1)), **header)
    plaintext = mutated(plaintext, draw(mutations()) if draw(st.integers(0, 2)) == 0 else [])
    return plaintext.ljust(HEADER_BYTES, b"\0")


steps = st.tuples(
    st.sampled_from([TERMINAL_ID, 9]),
    st.sampled_from([EVERY_RIGHT, EVERY_RIGHT, EVERY_RIGHT, 0, 1, 2, 4, 8, 16, 32]),
    plaintexts(),
    st.sampled_from([0, 0, 0, 1, -1, 1_000, DAY_MS // 2, DAY_MS, 3 * DAY_MS, -DAY_MS]),
)


@given(st.booleans(), st.lists(steps, max_size=25))
def test_engine_and_twin_decide_any_sequence_of_mutated_messages_alike(replay, sequence):
    engine, twin = InProcessEngine(**(SETTINGS | {"replay": replay})), twin_of_settings(replay=replay)
    open_business(engine, twin)
    now_ms = last_ms = NOW_MS

    for terminal_id, rights, plaintext, later_ms in sequence:
        now_ms += later_ms
        last_ms = max(last_ms, now_ms)  # a switch's clock does not go back; the twin is told so
        expected = twin.decide(terminal_id, rights, plaintext, last_ms if not replay else now_ms)
        got = engine.decide(terminal_id, rights, plaintext, last_ms if not replay else now_ms)
        assert got == (expected.reply, expected.written)

    twin.check()
    assert records_of(engine.records()) == records_of(twin.state_records())


def records_of(by_kind):
    """Records by kind and whole key."""
    return {
        kind: {key if isinstance(key, tuple) else (key,): record for key, record in records.items()}
        for kind, records in by_kind.items()
        if records
    }


def test_engine_and_twin_decide_mutated_traffic_of_whole_days_alike():
    for seed in (11, 12):
        world, rng = world_of(seed), random.Random(f"mutated {seed}")
        arguments: dict[str, Any] = world.settings.as_arguments()
        engine, twin = InProcessEngine(**arguments), world.twin()
        count = MUTATED_PER_EXAMPLE * settings().max_examples
        recent = [message(MessageType.BALANCE)]
        for step, (terminal_id, plaintext, now_ms) in enumerate(islice(Traffic(world, twin).messages(), count)):
            if step > 500 and rng.random() < 0.4:
                plaintext = altered(plaintext, rng.choice(recent), rng)
            recent = [*recent[-50:], plaintext]
            if plaintext[1] in LISTINGS:
                continue
            expected = twin.decide(terminal_id, world.rights[terminal_id], plaintext, now_ms)
            got = engine.decide(terminal_id, world.rights[terminal_id], plaintext, now_ms)
            assert got == (expected.reply, expected.written), f"seed {seed}, step {step}: {plaintext.hex()}"

        twin.check()


def altered(plaintext, other, rng):
    """A few bits, or a splice with an earlier message."""
    if rng.random() < 0.2:
        place = rng.randrange(len(plaintext))
        return (plaintext[:place] + other[place:]).ljust(HEADER_BYTES, b"\0")
    changes = [Mutation(rng.randrange(6), rng.randrange(5_000), rng.randrange(5_000)) for _ in range(rng.randint(1, 2))]
    return mutated(plaintext, changes).ljust(HEADER_BYTES, b"\0")
