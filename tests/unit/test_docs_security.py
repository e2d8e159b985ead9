"""What docs/security.md and its neighbours state about keys, limits, alarms and files is so."""

import re

import pytest

from hsm._seal import LIVE_COST, PASSPHRASE_BYTES_MIN
from hsm.key_states import KEY_BYTES, KeyState, Purpose
from switch.protocol import limits
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import AlarmKind, AlarmState, MediumKind
from switch.protocol.messages import KeyState as SwitchKeyState
from switch.sign_on_guard import FAMILIAR_MS
from tests.support.pages import PAGES, found, says, source, table_after

PAGE = "docs/security.md"


def ticked(text):
    return re.findall(r"`([^`]+)`", text)


def test_the_limits_are_those_of_the_code_and_all_of_their_section():
    section = source("switch/protocol/limits.py").split("- keys and anti-copy")[1].split("- relations")[0]

    listed = {row[0].strip("`"): int(row[1].replace(",", "")) for row in table_after(PAGE, "## Limits")}

    assert listed == {name: getattr(limits, name) for name in re.findall(r"^([A-Z_]+) = ", section, re.M)}


def test_figures_in_sentences_are_those_of_the_code():
    rows = [row[0] for row in table_after(PAGE, "a crash cannot open a replay")]
    step, refer = limits.COUNTER_STEP_MAX, limits.COUNTER_REFER_MAX

    assert rows == [f"1 to {step}", f"{step + 1} to {refer:,}", "more", "0 or less"]
    assert says(PAGE, f"an offline cryptogram up to {limits.COUNTER_WINDOW_BITS} back")
    assert says(PAGE, f"a terminal with {limits.TERMINAL_FAILS_MAX} wrong proofs within an hour")
    assert says(PAGE, f"changed after every {limits.REKEY_FRAMES:,} frames")
    assert says(PAGE, f"in versions 1 to {limits.KEY_VERSION_MAX}")
    assert says(PAGE, f"Passphrases have at least {PASSPHRASE_BYTES_MIN} bytes")
    assert says("docs/operating.md", f"passphrase of `keys/`, at least {PASSPHRASE_BYTES_MIN} bytes")
    assert says(
        PAGE, f"({LIVE_COST.iterations} passes, {LIVE_COST.memory_kib >> 10} MiB, {LIVE_COST.lanes} lanes; scrypt"
    )
    assert limits.CODE_WINDOW * limits.CODE_STEP_MS // limits.CODE_REFRESHES == 60_000, "one minute either way"
    assert FAMILIAR_MS == 7 * 86_400_000, "a week"


def test_every_medium_has_its_row():
    names = [name for row in table_after(PAGE, "(`MediumKind`):") for name in ticked(row[0])]

    assert sorted(names) == sorted(medium.name for medium in MediumKind)


def test_every_purpose_of_a_key_has_its_row_with_its_length():
    rows = table_after(PAGE, "JITTER   STRIPE   TAG   KBPK")

    assert [row[0] for row in rows] == [purpose.name for purpose in Purpose]
    assert [int(row[2]) for row in rows] == [KEY_BYTES[purpose] for purpose in Purpose]


def test_the_states_of_keys_and_alarms_are_those_of_the_code():
    states = found(r"\*\*States\.\*\* (.*?)\. Both sides", " ".join(PAGES[PAGE].split()))

    assert re.findall(r"\b[A-Z]{3,}(?:_[A-Z]+)?\b", states) == [state.value for state in KeyState]
    assert [state.value for state in KeyState] == [state.name for state in SwitchKeyState]
    assert [row[0] for row in table_after(PAGE, "## Alarms, freezing and quarantine")] == [
        kind.name for kind in AlarmKind
    ]
    for state in AlarmState:
        assert state.name in PAGES[PAGE]


def test_words_in_capitals_that_look_like_codes_are_codes():
    for name in ("COUNTER_JUMP", "KEY_VERSION", "CLONE"):
        assert name in PAGES[PAGE]
        assert name in ResponseCode.__members__


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/security.md", "docs/durability.md"])
def test_the_files_of_the_key_house_are_named_where_they_matter(page):
    names = re.findall(r"^\| ([\w.]+) +\|", source("cardswitch/key_house.py"), re.M)

    assert sorted(names) == ["backend.json", "key.log", "keyring", "keystore"]
    assert [name for name in names if name not in PAGES[page]] == []


@pytest.mark.parametrize("page", ["docs/security.md", "docs/operating.md"])
def test_where_the_passphrase_is_looked_for(page):
    house = source("cardswitch/key_house.py")

    for name in ("CARDSWITCH_PASSPHRASE_FILE", "cardswitch-passphrase", "CARDSWITCH_PASSPHRASE"):
        assert name in house
        assert f"`{name}`" in PAGES[page]


def test_no_page_and_no_text_of_a_command_speaks_of_the_file_that_is_gone():
    assert [page for page in PAGES if "storage.key" in PAGES[page]] == []
