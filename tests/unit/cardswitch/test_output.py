import json
from typing import get_args

import pytest

from cardswitch.card import FeeName
from cardswitch.card_batch import Job, forecast
from cardswitch.desk import Switch, open_trace, state_folder
from cardswitch.form import names_of
from cardswitch.output import HINTS, CommandError, Output, explain
from cardswitch.units import format_decimal, format_limit
from switch.protocol.codes import MEANINGS, ResponseCode
from switch.protocol.layout import layout_of
from switch.protocol.lifecycle import TRANSITIONS, done_mask
from switch.protocol.messages import (
    NO_LIMIT,
    CardOperation,
    CardStatus,
    FeeKind,
    OperateCardRequest,
    PutCardTypeRequest,
)
from switch.protocol.records import CardRecord
from terminals.credentials import Credentials

CARD = 6200_0000_0000_0001


def test_rows_are_an_aligned_table_with_figures_at_the_right(capsys):
    Output().rows([{"name": "a", "held_value": "5.00"}, {"name": "bcd", "held_value": "1,200.00"}])

    assert capsys.readouterr().out.splitlines() == ["name  held value", "a           5.00", "bcd     1,200.00"]


def test_rows_and_facts_are_json_for_programs(capsys):
    Output(as_json=True).rows([{"name": "ä", "limit": None}])
    assert json.loads(capsys.readouterr().out) == [{"name": "ä", "limit": None}]
    Output(as_json=True).facts({"a": 1, "rows": []})
    assert json.loads(capsys.readouterr().out) == {"a": 1, "rows": []}


def test_figures_have_separators_for_people_alone(capsys):
    Output(as_json=True).rows([{"balance": format_decimal(120_000), "limits": {"ceiling": format_limit(500_000)}}])
    assert json.loads(capsys.readouterr().out) == [{"balance": "1200.00", "limits": {"ceiling": "5000.00"}}]


def test_a_column_of_limits_is_set_to_the_right(capsys):
    Output().rows([{"limit": format_limit(120_000)}, {"limit": format_limit(NO_LIMIT)}, {"limit": ""}])

    assert capsys.readouterr().out.splitlines() == ["    limit", " 1,200.00", "unlimited", ""]


def test_several_things_are_one_json_value(capsys):
    for found in ([{"a": 1}], [{"a": 1}, {"a": 2}]):
        Output(as_json=True).several(found)
        assert json.loads(capsys.readouterr().out) == (found if len(found) > 1 else found[0])


def test_what_of_a_type_is_frozen_is_named():
    offsets = {field.name: field.offset for field in layout_of(PutCardTypeRequest).fields}
    told = explain(ResponseCode.TYPE_FROZEN, offsets["medium"], PutCardTypeRequest)
    assert "in use. medium: expected as it is" in told
    assert "`detail`" not in told
    told = explain(ResponseCode.TYPE_FROZEN, offsets["from_date"], PutCardTypeRequest)
    assert "from_date: expected a date to come" in told


def test_facts_for_people_leave_out_what_is_not_there(capsys):
    Output().facts({"status": "ACTIVE", "successor": "", "pin_set": False, "holds": [{"hold": 1, "held": "2.00"}]})

    assert capsys.readouterr().out.splitlines() == [
        "status   ACTIVE",
        "pin set  no",
        "",
        "holds",
        "hold  held",
        "   1  2.00",
    ]


def test_card_numbers_are_masked_unless_asked_for_otherwise():
    assert Output().card(CARD) == "620000******0001"
    assert Output(unmasked=True).card(CARD) == str(CARD)
    assert Output().card(0) == ""


def test_a_refusal_names_field_status_and_what_to_do():
    assert "It is count." in explain(ResponseCode.FIELD_INVALID, 46, OperateCardRequest)
    assert "It is FROZEN." in explain(ResponseCode.CARD_STATUS, CardStatus.FROZEN)
    assert "--approver" in explain(ResponseCode.SAME_PERSON)
    assert "this version does not know" in explain(999)
    for code in MEANINGS:
        assert explain(code).startswith(f"{int(code)} {code.name}: ")
    assert HINTS.keys() <= MEANINGS.keys()


@pytest.mark.parametrize("operation", CardOperation)
@pytest.mark.parametrize("status", [None, *CardStatus])
def test_a_preview_says_what_the_table_of_the_life_cycle_says(operation, status):
    record = None
    if status is not None:
        record = CardRecord(card_type=1, status=status, card_number=CARD, expiry_date=5, kept_status=1)
    is_fine, words = forecast(Job(operation, {"operator_id": 7, "flags": 2, "card_type": 1}), record, today=10)

    moves = status in TRANSITIONS[operation].froms
    done = status is not None and bool(done_mask(operation) >> status & 1)
    assert is_fine == (moves or done)
    if done and not moves:
        assert words == "done before"


def test_a_fee_is_named_as_in_the_file_of_a_card_type():
    assert get_args(FeeName) == tuple(names_of(FeeKind))


def test_options_say_what_is_missing(monkeypatch):
    with pytest.raises(CommandError, match="CARDSWITCH_OPERATOR_KEY"):
        Switch().credentials()
    for wrong in ("7464", "host:", ":7464", "host:0", "host:x"):
        with pytest.raises(CommandError, match="HOST:PORT"):
            _ = Switch(connect=wrong).address
    assert Switch(connect="[::1]:7464").address[1] == 7464
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert str(state_folder()) == "/somewhere/cardswitch"


def test_trace_numbers_go_on_from_run_to_run_and_a_lost_file_begins_ahead(tmp_path):
    def use(folder, key, at_ms, count=3):
        trace = open_trace(Credentials(9, key * 32), at_ms, folder)
        numbers = [trace.begin(1, 20_000, lambda number: b"").trace_number for _ in range(count)]
        for number in numbers:
            trace.close(number)
        trace.shut()
        return numbers

    first, second = use(tmp_path / "a", b"k", 1_000), use(tmp_path / "a", b"k", 2_000)
    lost = use(tmp_path / "b", b"k", 1_001)
    use(tmp_path / "a", b"o", 1_000)

    assert second == [first[-1] + 1, first[-1] + 2, first[-1] + 3]
    assert min(lost) > max(first)
    assert len(list((tmp_path / "a").glob("*.trace"))) == 2
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
