"""Keys in components: nobody alone, nothing twice, and every slip of the pen is found where it is made."""

import re

import pytest

from hsm._cipher import check_value, equal, random_into
from hsm.components import Assembly, Split, read_component
from hsm.keyring_errors import (
    ComponentCheckError,
    ComponentCountError,
    ComponentFormError,
    FormTakenError,
    PersonNameError,
    SamePersonError,
)
from hsm.people import TwoPeople

PEOPLE = ["Li Wei", "Zhang Min", "Wang Fang"]


@pytest.fixture
def key(page):
    slot = page.take(32)
    random_into(slot)
    return slot


def typed(form):
    """What a custodian types from a form: component and check value, and the whole key's."""
    parts = form.split("\n\n")
    own, whole = re.findall(r":  ([0-9A-F ]+)$", parts[2], re.M)
    return parts[1], own, whole


@pytest.mark.parametrize("count", [2, 3])
def test_components_make_the_key_again(page, key, count):
    with Split(page, key, PEOPLE[:count], "CHIP version 3") as split:
        forms = {name: split.take_form(name) for name in PEOPLE[:count]}
    with Assembly(page, 32, count) as assembly:
        for name, form in reversed(forms.items()):
            component, own, whole = typed(form)
            assembly.enter(name, component.lower(), own)
        combined = assembly.finish(whole)
    assert equal(combined, key)
    assert forms["Li Wei"].startswith(f"KEY COMPONENT 1 OF {count}\nKey:        CHIP version 3\nCustodian:  Li Wei\n")
    combined.wipe()
    key.wipe()
    assert page.taken_count == 0


def test_no_component_is_the_key_and_no_split_repeats(page, key):
    seen = set()
    for _ in range(3):
        with Split(page, key, PEOPLE, "k") as split:
            seen |= {typed(split.take_form(name))[0].replace(" ", "").replace("\n", "") for name in PEOPLE}
    assert len(seen) == 9
    assert bytes(key).hex().upper() not in seen


def test_a_form_is_given_out_once(page, key):
    with Split(page, key, PEOPLE, "k") as split:
        split.take_form("Li Wei")
        for name in ("Li Wei", "Somebody Else"):
            with pytest.raises(FormTakenError, match=name):
                split.take_form(name)
    with pytest.raises(FormTakenError):
        split.take_form("Zhang Min")
    assert page.taken_count == 1, "what was not given out is wiped"


def test_the_same_person_twice_is_refused_by_name(page, key):
    with pytest.raises(SamePersonError, match=r"li wei twice"):
        Split(page, key, ["Li Wei", "Zhang Min", " li  wei "], "k")
    with Split(page, key, PEOPLE[:2], "k") as split, Assembly(page, 32, 2) as assembly:
        component, own, whole = typed(split.take_form("Li Wei"))
        assembly.enter("Li Wei", component, own)
        other, other_own, _ = typed(split.take_form("Zhang Min"))
        with pytest.raises(SamePersonError, match="LI WEI"):
            assembly.enter("LI WEI", other, other_own)
        with pytest.raises(SamePersonError, match="again: Zhang Min holds"):
            assembly.enter("Zhang Min", component, own)
        assembly.enter("Zhang Min", other, other_own)
        assert [name for name, _ in assembly.entered] == ["Li Wei", "Zhang Min"]
        assembly.finish(whole).wipe()


def test_too_few_or_too_many_components(page, key):
    for count in (0, 1, 10):
        with pytest.raises(ComponentCountError):
            Split(page, key, [f"Person {n}" for n in range(count)], "k")
        with pytest.raises(ComponentCountError):
            Assembly(page, 32, count)
    with Split(page, key, PEOPLE, "k") as split, Assembly(page, 32, 3) as assembly:
        for name in PEOPLE[:2]:
            component, own, whole = typed(split.take_form(name))
            assembly.enter(name, component, own)
        with pytest.raises(ComponentCountError, match="expected 3 components, got 2"):
            assembly.finish(whole)
        assembly.enter(PEOPLE[2], *typed(split.take_form(PEOPLE[2]))[:2])
        with pytest.raises(ComponentCountError, match="one more"):
            assembly.enter("A Fourth", component, own)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda text: text[:-1], ComponentFormError, "expected 64 digits, got 63"),
        (lambda text: text + "0", ComponentFormError, "expected 64 digits, got 65"),
        (lambda text: text[:6] + "G" + text[7:], ComponentFormError, "group 2"),
        (lambda text: text[:6] + "４" + text[7:], ComponentFormError, "group 2"),
        (lambda text: "", ComponentFormError, "got 0"),
        (lambda text: ("1" if text[0] == "0" else "0") + text[1:], ComponentCheckError, "group by group"),
    ],
)
def test_a_slip_of_the_pen_is_named_not_repeated_and_changes_nothing(page, key, change, error, words):
    with Split(page, key, PEOPLE[:2], "k") as split, Assembly(page, 32, 2) as assembly:
        component, own, whole = typed(split.take_form("Li Wei"))
        with pytest.raises(error, match=words) as refusal:
            assembly.enter("Li Wei", change(component), own)
        for group in component.split():
            assert group not in str(refusal.value).split("expected check value")[0]
        assembly.enter("Li Wei", component, own)
        assembly.enter("Zhang Min", *typed(split.take_form("Zhang Min"))[:2])
        combined = assembly.finish(whole)
        assert equal(combined, key)


def test_a_slot_holds_zeros_after_a_refused_component(page):
    slot = page.take(16)
    with pytest.raises(ComponentCheckError):
        read_component("11" * 16, "00" * 5, slot)
    assert bytes(slot) == bytes(16)


def test_another_key_than_on_the_forms_is_wiped(page, key):
    with Split(page, key, PEOPLE[:2], "k") as split, Assembly(page, 32, 2) as assembly:
        for name in PEOPLE[:2]:
            assembly.enter(name, *typed(split.take_form(name))[:2])
        taken = page.taken_count
        with pytest.raises(ComponentCheckError, match="the whole key"):
            assembly.finish("00" * 5)
        assert page.taken_count == taken - 1
        with pytest.raises(ComponentCountError):
            assembly.finish(check_value(key).hex())


def test_two_people_are_two():
    assert TwoPeople(" Li  Wei", "Zhang Min", 5).author == "Li Wei"
    with pytest.raises(SamePersonError):
        TwoPeople("Li Wei", "ＬＩ wei", 5)
    for wrong in (
        lambda: TwoPeople("", "B", 5),
        lambda: TwoPeople("A", "B" * 65, 5),
        lambda: TwoPeople("A", "B", 10**18),
    ):
        with pytest.raises(PersonNameError):
            wrong()
