"""The next step of a key's life, read off both sides alone; what the options of officers accept."""

import itertools

import pytest

from cardswitch.key_officers import read_officers
from cardswitch.key_plan import KEYRING_ONLY, Act, Step, Version, half_done, merged, next_step, read_purpose
from cardswitch.output import CommandError
from hsm.key_states import TRANSITIONS, KeyAct, KeyState, Purpose
from switch.protocol.security_terms import KeyPurpose

NEW, ACTIVE, VERIFY_ONLY, RETIRED, DESTROYED = KeyState
CHECK = b"12345"


def both(*states):
    """Versions 1, 2, …, the same on both sides."""
    return [Version(number, state, state, CHECK, CHECK) for number, state in enumerate(states, 1)]


def sides(ring, switch, number=2):
    return Version(number, ring, switch, CHECK if ring else b"", CHECK if switch else b"")


@pytest.mark.parametrize(
    ("purpose", "versions", "resting", "target", "expected"),
    [
        (Purpose.CHIP, [], {}, None, Step(Act.ADD, 1)),
        (Purpose.CHIP, both(ACTIVE), {}, None, Step(Act.ADD, 2)),
        (Purpose.CHIP, both(ACTIVE), {}, 1, Step(Act.NONE, 1)),
        (Purpose.CHIP, both(ACTIVE), {}, 2, Step(Act.ADD, 2)),
        (Purpose.CHIP, both(ACTIVE, NEW), {}, None, Step(Act.ACTIVATE, 2)),
        (Purpose.CHIP, both(VERIFY_ONLY, ACTIVE), {1: 3, 2: 9}, None, Step(Act.WAIT, 1)),
        (Purpose.CHIP, both(VERIFY_ONLY, ACTIVE), {2: 9}, None, Step(Act.RETIRE, 1)),
        (Purpose.CHIP, both(RETIRED, ACTIVE), {2: 9}, 2, Step(Act.NONE, 2)),
        (Purpose.CHIP, both(DESTROYED, ACTIVE), {2: 9}, None, Step(Act.ADD, 3)),
        (Purpose.CHIP, both(ACTIVE, VERIFY_ONLY), {1: 9}, None, Step(Act.WAIT, 2)),
        (Purpose.CHIP, both(ACTIVE, VERIFY_ONLY), {1: 9}, 2, Step(Act.ACTIVATE, 2)),
        (Purpose.RECEIPT, both(VERIFY_ONLY, ACTIVE), None, 2, Step(Act.WAIT, 1)),
        (Purpose.STORAGE, both(VERIFY_ONLY, ACTIVE), {1: 1}, 2, Step(Act.WAIT, 1)),
        (Purpose.PIN, both(VERIFY_ONLY, ACTIVE), {1: 1}, None, Step(Act.WAIT, 1)),
    ],
)
def test_the_next_step(purpose, versions, resting, target, expected):
    found = next_step(purpose, versions, resting, target)
    assert (found.act, found.version) == (expected.act, expected.version)


@pytest.mark.parametrize(("target", "versions"), [(3, both(ACTIVE)), (1, both(RETIRED, ACTIVE))])
def test_targets_that_cannot_be(target, versions):
    with pytest.raises(CommandError, match="expected"):
        next_step(Purpose.CHIP, versions, {}, target)


def test_what_was_begun_on_one_side_is_finished_before_anything_else():
    known = {
        (NEW, None): Act.ANNOUNCE,
        (ACTIVE, None): Act.ANNOUNCE,
        (ACTIVE, NEW): Act.ACTIVATE,
        (ACTIVE, VERIFY_ONLY): Act.ACTIVATE,
        (NEW, ACTIVE): Act.ACTIVATE,
        (VERIFY_ONLY, ACTIVE): Act.WITHDRAW,
        (VERIFY_ONLY, RETIRED): Act.RETIRE,
        (NEW, RETIRED): Act.RETIRE,
        (RETIRED, VERIFY_ONLY): Act.RETIRE,
        (RETIRED, DESTROYED): Act.DESTROY,
        (DESTROYED, RETIRED): Act.DESTROY,
        (None, ACTIVE): Act.RESTORE,
        (None, RETIRED): Act.RESTORE,
        (RETIRED, None): None,
        (NEW, VERIFY_ONLY): None,
        (VERIFY_ONLY, NEW): None,
    }
    for (ring, switch), act in known.items():
        found = half_done([sides(ring, switch)])
        assert (found and found.act) == act, (ring, switch)
        if act is not None:
            assert next_step(Purpose.CHIP, [sides(ring, switch)], {}).act is act


def test_an_activation_is_seen_from_the_version_that_becomes_active():
    versions = [sides(VERIFY_ONLY, ACTIVE, 1), sides(ACTIVE, NEW, 2)]  # died between keyring and switch
    assert half_done(versions) == Step(Act.ACTIVATE, 2, "it is ACTIVE in the keyring and NEW at the switch")


def test_a_key_that_keeps_a_switch_from_starting_comes_first():
    versions = [sides(ACTIVE, NEW, 2), sides(RETIRED, VERIFY_ONLY, 3)]
    found = half_done(versions)
    assert found is not None
    assert found.act is Act.RETIRE


def test_another_keyring_is_no_difference_to_mend():
    other = Version(1, ACTIVE, ACTIVE, b"12345", b"54321")
    found = half_done([other])
    assert found is not None
    assert found.act is Act.RESTORE
    assert "check values differ" in found.why


def test_every_pair_of_states_has_an_answer():
    states = [None, *KeyState]
    for ring, switch in itertools.product(states, states):
        if ring or switch:
            next_step(Purpose.CHIP, [sides(ring, switch, 1)], {})


def test_the_switch_moves_keys_as_the_keyring_does():
    from tests.twin.security import NEXT_STATES

    ring = {(before.name, after.name) for (before, act), after in TRANSITIONS.items()}
    switch = {(before.name, after.name) for before, afters in NEXT_STATES.items() for after in afters}
    assert switch == ring
    assert {act for _, act in TRANSITIONS} == {
        KeyAct.ACTIVATE,
        KeyAct.WITHDRAW,
        KeyAct.RETIRE,
        KeyAct.DESTROY,
    }


def test_sides_are_merged_by_number():
    assert merged([(1, ACTIVE, CHECK)], [(1, NEW, CHECK), (2, ACTIVE, CHECK)]) == [
        Version(1, ACTIVE, NEW, CHECK, CHECK),
        Version(2, None, ACTIVE, b"", CHECK),
    ]


def test_purposes_have_one_name_for_the_switch_and_for_the_keyring():
    """`hsm` stands alone, so nothing but this keeps the two lists together."""
    of_keyring = {purpose.name: purpose.value for purpose in Purpose if purpose not in KEYRING_ONLY}
    assert of_keyring == {purpose.name: purpose.value for purpose in KeyPurpose}


def test_a_purpose_is_read_by_its_name():
    assert read_purpose("code") is read_purpose("CODE") is Purpose.CODE
    assert read_purpose("tag") is Purpose.TAG
    with pytest.raises(CommandError, match="expected one of storage, pin, receipt, chip, code"):
        read_purpose("barcode")


def test_officers():
    officers = read_officers(" Li Wei:11, Chen Jie:12", 5)
    assert (officers.people.author, officers.people.approver, officers.people.time_ms) == ("Li Wei", "Chen Jie", 5)
    assert (officers.author_id, officers.approver_id) == (11, 12)


@pytest.mark.parametrize("text", ["", "Li Wei:11", "Li Wei,Chen Jie", "A:1,B:x", "A:1,B:1", "A:0,B:2", "A:1,B:2,C:3"])
def test_officers_that_are_none(text):
    with pytest.raises(CommandError, match="officers: expected"):
        read_officers(text, 0)
