"""An operator is interrupted, repeats, slips: what the command line says and does then."""

import json
from pathlib import Path

import pytest

from cardswitch.desk import open_trace
from cardswitch.units import parse_date
from switch._clock import now_ms
from switch.protocol.messages import BillLine, CreditRequest, LineFlag, MessageType, RechargeChannel
from terminals.credentials import read_credentials
from tests.support.desk import make_directory
from tests.support.operator import FIRST, TYPE, Operator, furnish
from tests.support.switch_process import SwitchProcess


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command_line_again")
    with SwitchProcess(make_directory(folder / "data")) as switch:
        operator = Operator(switch, folder)
        furnish(operator)
        yield operator
        assert switch.stop() == 0


@pytest.fixture(scope="module")
def cards(operator):
    """Numbers of active cards with 50.00 each; every test takes its own."""
    operator("card", "make-and-issue", FIRST, "--count", 10, "--type", 1, "--value", "50.00", "--fee", "cash")
    operator("card", "activate", FIRST, "--count", 10)
    return iter(range(FIRST, FIRST + 10))


def test_money_is_not_moved_again_where_an_interrupted_command_has_moved_it(operator, cards):
    """A recharge was sent, and its command ended before it heard the answer; the operator runs it again."""
    card = next(cards)
    credentials = read_credentials(Path(operator.environment["CARDSWITCH_OPERATOR_KEY"]))
    today = parse_date(operator.json("day", "show")["business_date"])
    trace = open_trace(credentials, now_ms(), operator.folder / "state" / "cardswitch")
    trace.begin(
        MessageType.CREDIT,
        today,
        lambda number: CreditRequest(
            trace_number=number,
            business_date=today,
            stamp_ms=now_ms(),
            card_number=card,
            amount_minor=500,
            channel=RechargeChannel.CASH_HQ,
        ).encode(),
    )
    trace.shut()

    again = operator.run("card", "recharge", card, "5.00")
    assert (again.returncode, "nothing else was done" in again.stderr) == (1, True)
    assert operator.show(card)["balance"] == "55.00"
    operator("card", "recharge", card, "5.00")
    assert operator.show(card)["balance"] == "60.00"


@pytest.mark.feature("HD-057")
def test_renewing_to_a_date_is_done_once(operator, cards):
    card = next(cards)
    ends = operator.show(card)["last_date"]
    words = ("card", "renew", card, "--ending-by", ends, "--fee", "cash")
    assert operator.json(*words, "--dry-run")[0]["would"] == "become ACTIVE"
    for name in ("done", "done_before"):
        assert operator.lines(*words)[-1][name] == 1
    assert operator.show(card)["last_date"] > ends
    assert card not in {row["card"] for row in operator.json("card", "list", "--ending-by", ends, "--unmasked")}


def test_what_a_refusal_leaves_open_is_said(operator, cards):
    card, other = next(cards), next(cards)
    operator("type", "put", operator.write("next.toml", TYPE.replace("code = 1\n", "code = 5\n")))
    operator("type", "state", 5, "submit")
    operator("type", "state", 5, "approve", CARDSWITCH_OPERATOR="8")
    for words, expected in (
        (("card", "replace", card, other, "--fee", "cash"), "That is the new card"),
        (("card", "unblacklist", card), "expected two persons"),
        (("card", "redeem", card), "--gift NUMBER, or --points"),
        (("type", "state", 1, "retire"), "card list --type 1"),
    ):
        ended = operator.run(*words)
        assert ended.returncode == 1
        assert expected in ended.stdout + ended.stderr


def test_a_failure_is_json_too(operator):
    ended = operator.run("type", "show", 77, "--json")
    assert "type list" in json.loads(ended.stdout)["error"]
    assert "type list" in ended.stderr


@pytest.mark.feature("GJ-053")
def test_a_refund_names_lines_of_the_bill(operator, cards):
    card = next(cards)
    lines = [BillLine(item=1, amount_minor=1_000), BillLine(item=2, amount_minor=500, flags=LineFlag.NO_POINTS)]
    entry = operator.sell(card, 1_500, lines=lines).reply.journal_sequence
    points = operator.show(card)["points"]["0"]
    for wrong in ("0=5.00", "2", "x=5.00", "2=4.00"):
        assert "--line" in operator.run("card", "refund", card, entry, "5.00", "--line", wrong).stderr
    operator("card", "refund", card, entry, "4.00", "--line", "2=4.00")
    assert operator.show(card)["points"]["0"] == points
    operator("card", "refund", card, entry, "5.00", "--line", "1=4.90", "--line", "2=0.10")
    assert float(operator.show(card)["points"]["0"]) < float(points)
