"""What people type of media, policies and alarms, and what they are told."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cardswitch.alarms import WHAT_HAPPENED, WHAT_TO_DO, describe, fits, next_steps, row_of
from cardswitch.desk import Desk, Switch
from cardswitch.media import describe as describe_medium
from cardswitch.media import read_stored_key
from cardswitch.media_policy import LIMITED, describe_policy, limits_of, media_of
from cardswitch.medium_ids import format_medium_id, parse_medium_id
from cardswitch.output import CommandError, explain
from cardswitch.units import format_local
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import layout_of
from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    AlarmKind,
    AlarmState,
    MediumKind,
    MediumState,
    PutMediumPolicyRequest,
)
from switch.protocol.records import AlarmRecord, MediumPolicyRecord, MediumRecord

CARD = 6221_2600_1234_5674
UID, TOKEN = 0x04782E21801D80, 12_345_678_901
ZONE = ZoneInfo("Asia/Shanghai")
MOMENT_MS = 1_795_000_000_000
NOBODY: Any = None
"""Words need no client."""
DESK = Desk(NOBODY, Switch())
OPEN_DESK = Desk(NOBODY, Switch(unmasked=True))


def alarm_of(kind=AlarmKind.CLONE, state=AlarmState.NEW, **fields):
    sightings = {"first_terminal_id": 7, "first_store_id": 3, "first_ms": MOMENT_MS - 60_000, "first_counter": 2}
    sightings |= {"second_terminal_id": 8, "second_store_id": 4, "second_ms": MOMENT_MS, "second_counter": 1}
    who = {"card_number": CARD, "medium": MediumKind.CHIP, "medium_id": UID}
    return AlarmRecord(sequence=1204, alarm=kind, state=state, **(who | sightings | fields))


# --------------------------------------------------------------------------- numbers of media


@pytest.mark.parametrize(
    ("kind", "text", "number"),
    [
        (MediumKind.CHIP, "04782E21801D80", UID),
        (MediumKind.CHIP, "04:78:2e:21:80:1d:80", UID),
        (MediumKind.TAG, "04 78 2E 21 80 1D 80", UID),
        (MediumKind.CODE, "12345678901", TOKEN),
        (MediumKind.CODE, "00000000001", 1),
        (MediumKind.STRIPE, "", CARD),
        (MediumKind.STRIPE, str(CARD), CARD),
    ],
)
def test_numbers_of_media_are_read_as_people_write_them(kind, text, number):
    assert parse_medium_id(kind, text, CARD) == number


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (MediumKind.CHIP, ""),
        (MediumKind.CHIP, "04782E21801D8"),
        (MediumKind.CHIP, "04782E21801D8G"),
        (MediumKind.TAG, "00000000000000"),
        (MediumKind.CODE, "1234567890"),
        (MediumKind.CODE, "1234567890A"),
        (MediumKind.CODE, "00000000000"),
        (MediumKind.CODE, "１２３４５６７８９０１"),  # full-width digits
        (MediumKind.STRIPE, "6221260012345682"),
    ],
)
def test_what_is_no_number_of_a_medium_is_refused_and_not_repeated(kind, text):
    with pytest.raises(CommandError, match="--id: expected") as caught:
        parse_medium_id(kind, text, CARD)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "number", "masked", "whole"),
    [
        (MediumKind.CHIP, UID, "0478******1D80", "04782E21801D80"),
        (MediumKind.TAG, 0x01, "0000******0001", "00000000000001"),
        (MediumKind.CODE, TOKEN, "12*****8901", "12345678901"),
        (MediumKind.STRIPE, CARD, "622126******5674", str(CARD)),
        (MediumKind.CHIP, 0, "", ""),
    ],
)
def test_numbers_of_media_are_masked_unless_asked_for(kind, number, masked, whole):
    assert format_medium_id(kind, number, unmasked=False) == masked
    assert format_medium_id(kind, number, unmasked=True) == whole


@pytest.mark.parametrize("text", ["", "00" * 16, "ab" * 15, "ab" * 17, "zz" * 16])
def test_a_file_without_a_key_is_refused_without_showing_it(tmp_path, text):
    path = tmp_path / "own.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(CommandError, match="32 hexadecimal digits") as caught:
        read_stored_key(path)
    assert not text or text not in str(caught.value)


def test_a_key_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "own.key"
    path.write_text("5a" * 16 + "\n")
    path.chmod(0o640)
    with pytest.raises(CommandError, match="chmod 600"):
        read_stored_key(path)
    path.chmod(0o600)
    assert read_stored_key(path) == b"\x5a" * 16


def test_a_medium_tells_its_last_use_in_the_stores_time():
    record = MediumRecord(
        state=MediumState.ACTIVE,
        key_version=2,
        medium=MediumKind.STRIPE,
        medium_id=CARD,
        card_number=CARD,
        counter=7,
        pending_counter=8,
        last_ms=MOMENT_MS,
        last_terminal_id=7,
        last_store_id=3,
    )
    facts = describe_medium(DESK, record, ZONE)
    assert (facts["card"], facts["id"]) == ("622126******5674",) * 2
    assert (facts["counter"], facts["pending_counter"], facts["key_version_held"]) == (7, 8, None)
    assert facts["last_time"] == format_local(MOMENT_MS, ZONE) == "2026-11-18T19:06:40+08:00"
    assert describe_medium(OPEN_DESK, record, ZONE)["id"] == str(CARD)


# --------------------------------------------------------------------------- policies


def test_limits_and_media_are_read_by_name():
    assert limits_of("--limit", ("chip=500", "CODE=20.50", "tag=unlimited"), "minor_max") == {
        "chip_minor_max": 500_00,
        "code_minor_max": 20_50,
        "tag_minor_max": NO_COUNT_LIMIT,
    }
    assert media_of("chip,code") == 1 << MediumKind.CHIP | 1 << MediumKind.CODE
    assert media_of("number") == 1
    assert media_of("all") == 31 == MediumPolicyRecord(code=1).media


@pytest.mark.parametrize("pair", ["chip", "chips=5", "chip=", "chip=-1", "chip=1.234", "chip=42949672.95"])
def test_a_limit_that_cannot_be_one_is_refused(pair):
    with pytest.raises(CommandError, match="--limit"):
        limits_of("--limit", (pair,), "minor_max")


def test_a_limit_is_named_once_and_media_by_their_names():
    with pytest.raises(CommandError, match="two"):
        limits_of("--limit", ("chip=1", "chip=2"), "minor_max")
    with pytest.raises(CommandError, match="--media"):
        media_of("chip,cheque")


def test_every_limit_of_the_request_can_be_named():
    names = {field.name for field in layout_of(PutMediumPolicyRequest).fields}
    limits = {f"{name}_minor_max" for name in LIMITED} | {f"{name}_pin_minor" for name in LIMITED}
    assert {name for name in names if name.endswith(("_minor_max", "_pin_minor"))} == limits | {"fallback_minor_max"}


def test_a_policy_is_told_as_a_whole():
    facts = describe_policy(MediumPolicyRecord(code=1, flags=1, media=6, chip_minor_max=500_00, operator_id=7))
    assert (facts["required"], facts["media"], facts["travel_minutes"]) == (True, ["chip", "code"], "any")
    assert [row["most"] for row in facts["limits"]] == ["unlimited", "500.00", *["unlimited"] * 4]


# --------------------------------------------------------------------------- alarms


def test_every_kind_of_alarm_has_its_words():
    assert WHAT_HAPPENED.keys() == WHAT_TO_DO.keys() == {*AlarmKind}


def test_an_alarm_is_told_with_both_sightings_and_masked():
    facts = describe(DESK, alarm_of(), ZONE, None, [1190])
    assert facts["first_sighting"] == {"terminal": 7, "store": 3, "time": "2026-11-18T19:05:40+08:00", "counter": 2}
    assert facts["second_sighting"] == {"terminal": 8, "store": 4, "time": "2026-11-18T19:06:40+08:00", "counter": 1}
    assert (facts["card"], facts["medium_id"]) == ("622126******5674", "0478******1D80")
    assert facts["same_terminals"] == [1190]
    row = row_of(DESK, alarm_of(), ZONE)
    assert (row["terminal_before"], row["terminal"], row["kind"]) == (7, 8, "CLONE")


def test_guessing_has_one_sighting_and_a_count():
    nowhere = {"first_terminal_id": 0, "first_store_id": 0, "first_ms": 0, "card_number": 0, "medium_id": 0}
    facts = describe(DESK, alarm_of(AlarmKind.ENUMERATION, first_counter=20, **nowhere), ZONE, None, [])
    assert (facts["wrong_proofs"], facts["first_sighting"], facts["card"]) == (20, None, "")
    assert "counter" not in facts["second_sighting"]


@pytest.mark.parametrize("kind", AlarmKind)
def test_what_to_do_begins_with_what_the_state_allows(kind):
    begin = "`cardswitch alarm acknowledge 1204`"
    steps = next_steps(alarm_of(kind))
    assert steps[0] == begin
    assert next_steps(alarm_of(kind, AlarmState.ACKNOWLEDGED)) == steps[1:]
    assert "`cardswitch alarm confirm 1204`" in steps[-1]
    assert next_steps(alarm_of(kind, AlarmState.CONFIRMED)) == next_steps(alarm_of(kind, AlarmState.CLEARED)) == []


def test_alarms_are_chosen_by_state_kind_and_either_sighting():
    alarm = alarm_of(AlarmKind.CODE_REPLAY)
    assert fits(alarm, state="new", kind="code-replay", store=3, terminal=8)
    assert fits(alarm, store=4, terminal=7)
    for other in ({"state": "cleared"}, {"kind": "clone"}, {"store": 5}, {"terminal": 9}):
        assert not fits(alarm, **other)
    assert not fits(alarm_of(first_terminal_id=0), terminal=0)


def test_a_refusal_names_the_alarms_state():
    assert "It is CLEARED." in explain(ResponseCode.ALARM_STATE, AlarmState.CLEARED)
