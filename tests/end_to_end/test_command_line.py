"""An operator sets up an empty switch and runs it with nothing but the command line; tills sell beside it."""

import fcntl
import json
import os
import pty
import subprocess
import sys
import termios
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cardswitch.units import plain_decimal
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import BillLine
from tests.support.desk import make_directory
from tests.support.operator import FIRST, RULES, TYPE, Operator, furnish
from tests.support.switch_process import SwitchProcess


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command_line")
    data = make_directory(folder / "data")
    with SwitchProcess(data) as switch:
        operator = Operator(switch, folder)
        furnish(operator)
        yield operator
        assert switch.stop() == 0
    from switch._verify import verify

    assert verify(data) == 0


@pytest.fixture(scope="module")
def cards(operator):
    """Numbers of active cards with 50.00 each; every test takes its own."""
    first = FIRST + 1_000
    operator("card", "make", first, "--count", 40, "--type", 1)
    operator("card", "issue", first, "--count", 40, "--value", "50.00", "--fee", "cash")
    operator("card", "activate", first, "--count", 40)
    return iter(range(first, first + 40))


# --------------------------------------------------------------------------- set-up


def test_what_was_put_is_listed(operator):
    assert [row["organisation"] for row in operator.json("organisation", "list")] == [1, 10]
    assert operator.json("store", "list") == [{"store": 12, "organisation": 10, "round_off": "0.10"}]
    assert [(row["terminal"], row["rights"]) for row in operator.json("terminal", "list")] == [
        (1, "credit, configure, follow, cards, security"),
        (7, "pay, credit"),
        (900, "pay, credit, configure, follow, cards"),
    ]
    key_file = operator.folder / "till.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert operator.json("day", "show")["mode"] == "production"


@pytest.mark.feature("HD-068", "VC-100", "K3-087")
def test_a_card_type_is_created_changed_suspended_and_retired(operator):
    text = TYPE.replace("code = 1\n", "code = 2\n")
    operator("type", "put", operator.write("two.toml", text))
    operator.refused("card", "make", 6300_0000, "--type", 2, code=ResponseCode.TYPE_STATE)
    operator("type", "state", 2, "submit")
    assert "--operator" in operator.refused("type", "state", 2, "approve", code=ResponseCode.SAME_PERSON)
    operator("type", "state", 2, "approve", CARDSWITCH_OPERATOR="8")
    operator("type", "put", operator.write("two.toml", text.replace("discount_percent = 5", "discount_percent = 7.5")))
    assert operator.json("type", "show", 2)["discount_percent"] == "7.50"
    operator("type", "state", 2, "suspend")
    operator.refused("card", "make", FIRST + 900, "--type", 2, code=ResponseCode.TYPE_STATE)
    operator("type", "state", 2, "retire")
    assert {row["code"]: row["state"] for row in operator.json("type", "list")} == {1: "APPROVED", 2: "RETIRED"}
    fees = {row["fee"]: row["amount"] for row in operator.json("type", "fees", 1)}
    assert (fees["issue"], fees["replace"], fees["annual"]) == ("2.00", "5.00", "0.00")


def test_a_wrong_file_is_refused_as_a_whole_with_every_field(operator):
    before = operator.json("type", "list")
    wrong = operator.write("wrong.toml", 'code = 3\nfunctions = ["fly"]\nlevel = 300\n')

    ended = operator.run("type", "put", wrong)

    assert ended.returncode == 1
    assert "functions: expected one of identify" in ended.stderr
    assert "level: expected a whole number from 0 to 255, got 300" in ended.stderr
    assert operator.json("type", "list") == before
    operator("type", "put", "type.toml", "--check", CARDSWITCH_CONNECT="127.0.0.1:1")


# --------------------------------------------------------------------------- batches


@pytest.mark.feature("HD-047", "HD-048", "HD-049", "HD-050", "HD-082", "HD-072", "HD-037", "HD-036", "HD-077")
def test_a_range_of_a_hundred_is_made_drawn_issued_and_activated(operator):
    first, last = FIRST, FIRST + 99
    previewed = operator.json("card", "make", first, "--count", 100, "--type", 1, "--dry-run")
    assert [row["would"] for row in previewed] == ["become MADE"] * 100
    assert operator.json("card", "list", "--to", last) == []

    *rows, summary = operator.lines("card", "make", first, "--count", 100, "--type", 1)
    assert [row["result"] for row in rows] == ["done"] * 100
    assert (summary["cards"], summary["done"]) == (100, 100)
    *_, summary = operator.lines("card", "draw", first, "--to", first + 9, "--store", 12)
    assert summary["done"] == 10
    assert len(operator.json("card", "list", "--status", "drawn", "--store", 12)) == 10
    held = [row["store"] for row in operator.json("card", "list", "--to", last)]
    assert held == [12] * 10 + [0] * 90

    *_, summary = operator.lines("card", "issue", first, "--to", last, "--value", "30.00", "--fee", "cash")
    assert (summary["done"], summary["fees"]) == (100, "200.00")
    assert operator.sell(first, 100).code == ResponseCode.CARD_STATUS
    text = operator("card", "activate", first, "--count", 100)
    assert "activate: 100 done of 100 cards" in text
    assert str(first) not in text
    assert operator.sell(first, 100).approved


@pytest.mark.feature("HD-048", "HD-050")
def test_a_half_done_batch_is_run_again_and_a_refusal_is_no_success(operator):
    first = FIRST + 200
    operator("card", "make", first, "--count", 30, "--type", 1)

    *rows, summary = operator.lines("card", "make", first, "--count", 70, "--type", 1)
    assert (summary["done"], summary["done_before"]) == (40, 30)
    assert [row["result"] for row in rows] == ["done before"] * 30 + ["done"] * 40

    *rows, summary = operator.lines("card", "activate", first, "--count", 2, status=1)
    assert {row["code"] for row in rows} == {ResponseCode.CARD_STATUS}
    assert "It is MADE." in rows[0]["why"]
    refused = operator.run("card", "activate", first, "--dry-run")
    assert refused.returncode == 1
    assert "be refused: 62 CARD_STATUS" in refused.stdout


def test_a_list_comes_by_a_pipe_and_by_a_file(operator, cards):
    one, two = next(cards), next(cards)
    numbers = f"{one}\n{two}  # the second\n"
    *rows, _ = operator.lines("card", "blacklist", "--file", "-", "--unmasked", stdin=numbers)
    assert [row["card"] for row in rows] == [str(one), str(two)]
    operator.write("list.txt", numbers)
    operator.refused("card", "unblacklist", "--file", "list.txt", "--approver", 7, code=ResponseCode.SAME_PERSON)
    operator("card", "unblacklist", "--file", "list.txt", "--approver", 8)
    assert operator.show(one)["flags"] == ""


def test_commands_side_by_side_never_share_a_trace_number(operator):
    first = FIRST + 400

    def make(index):
        return operator.lines("card", "make", first + 10 * index, "--count", 10, "--type", 1)[-1]["done"]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(make, range(6))) == [10] * 6


# --------------------------------------------------------------------------- one card


@pytest.mark.feature("HD-061", "HD-052", "HD-097", "HD-099")
def test_a_card_is_recharged_sold_from_and_shown(operator, cards):
    card = next(cards)
    assert operator.json("card", "recharge", card, "20.00", "--reference", "r1")["balance"] == "70.00"
    operator.refused("card", "recharge", card, "20.00", "--reference", "r1", code=ResponseCode.CREDITED_BEFORE)
    operator.refused("card", "recharge", card, "431.00", code=ResponseCode.OVER_CEILING)

    sale = operator.sell(card, 1_000)

    assert (sale.amount_minor, sale.points_hundredths) == (950, 1_000)
    shown = operator.show(card)
    assert (shown["status"], shown["balance"], shown["points"]) == ("ACTIVE", "60.50", {"0": "10.00"})
    used = {row["limit"]: row["account_today"] for row in shown["limits"]}
    assert (used["debits per day"], used["recharges per day"]) == ("9.50", "20.00")
    assert shown["card"] == f"620000******{card % 10_000:04}"
    assert operator.json("card", "balance", card)["available"] == "60.50"

    entry = sale.reply.journal_sequence
    operator.refused("card", "refund", card, entry, "9.51", code=ResponseCode.REFUND_EXCEEDS)
    assert operator.json("card", "refund", card, entry, "9.50")["balance"] == "70.00"


@pytest.mark.feature("HD-054", "HD-056", "HD-059", "K3-092", "K3-095", "GJ-024", "GJ-025", "HD-038", "HD-039", "HD-040")
def test_a_lost_card_is_restored_or_replaced(operator, cards):
    card, new = next(cards), FIRST + 700
    operator("card", "make", new, "--type", 1)
    *_, summary = operator.lines("card", "report-loss", card, "--fee", "cash")
    assert summary["fees"] == "1.00"
    lost = operator.sell(card, 100)
    assert (lost.code, lost.reply.detail) == (ResponseCode.CARD_STATUS, 7)
    assert operator.lines("card", "restore", card, "--fee", "cash")[-1]["fees"] == "1.00"
    assert operator.sell(card, 100).approved
    operator("card", "report-loss", card)

    assert operator.lines("card", "replace", card, new, "--fee", "balance")[-1]["fees"] == "5.00"

    old, fresh = operator.show(card), operator.show(new)
    assert (old["status"], old["successor"]) == ("REPLACED", fresh["card"])
    assert (fresh["status"], fresh["balance"], fresh["account"]) == ("ACTIVE", "44.05", old["account"])
    assert operator.lines("card", "replace", card, new)[-1]["done_before"] == 1
    other = operator.run("card", "replace", card, FIRST + 701)
    assert (other.returncode, "another card goes on for it" in other.stdout) == (1, True)


@pytest.mark.feature("GJ-026", "GJ-027")
def test_a_frozen_card_is_unfrozen_by_another_person(operator, cards):
    card = next(cards)
    nobody = operator.run("card", "freeze", card, CARDSWITCH_OPERATOR="0")
    assert (nobody.returncode, "--operator" in nobody.stderr) == (1, True)
    operator("card", "freeze", card, "--reason", 3)
    assert operator.sell(card, 100).code == ResponseCode.CARD_STATUS
    assert operator.show(card)["frozen_by"] == 7
    operator.refused("card", "unfreeze", card, "--dry-run", code=ResponseCode.SAME_PERSON)
    operator.refused("card", "unfreeze", card, code=ResponseCode.SAME_PERSON)
    operator("card", "unfreeze", card, CARDSWITCH_OPERATOR="8")
    assert operator.sell(card, 100).approved


@pytest.mark.feature("HD-053", "HD-055", "HD-057", "HD-060", "HD-051", "HD-041", "HD-042")
def test_cards_are_renewed_corrected_returned_voided_and_cleared(operator, cards):
    renewed, corrected, returned, voided = (next(cards) for _ in range(4))
    right = FIRST + 750
    assert operator.lines("card", "renew", renewed, "--fee", "cash")[-1]["fees"] == "3.00"
    assert operator.show(renewed)["last_date"] > operator.show(returned)["last_date"]

    operator("card", "correct", corrected, right, "--approver", 8)
    assert operator.show(right)["balance"] == "50.00"
    assert operator.sell(corrected, 100).code == ResponseCode.CARD_STATUS

    assert operator.lines("card", "return", returned)[-1]["paid_out"] == "46.00"
    operator("card", "clear", returned)
    assert operator.show(returned)["status"] == "CLEARED"

    assert "--write-off" in operator.refused("card", "void", voided, code=ResponseCode.VALUE_LEFT)
    operator("card", "void", voided, "--write-off", "--document", 4711)
    operator.refused("card", "renew", voided, code=ResponseCode.CARD_STATUS)

    operator("card", "make-and-issue", FIRST + 760, "--type", 1, "--value", "10.00", "--fee", "cash")
    assert operator.show(FIRST + 760)["status"] == "ISSUED"
    operator("card", "mark-bad", next(cards))


def test_a_fee_is_charged_by_itself_and_is_due_until_it_is_paid(operator, cards):
    card = next(cards)
    asked = ("card", "charge-fee", card, "--kind", "service")
    assert "be charged" in operator.json(*asked, "--fee", "cash", "--dry-run")[0]["would"]

    tried = operator.lines(*asked, "--fee", "balance")[-1]
    due = operator.show(card)
    assert (tried["done"], tried["fees"]) == (1, "0.00")
    assert (due["status"], due["flags"], due["balance"]) == ("ACTIVE", "fee due", "50.00")
    assert operator.sell(card, 100).approved

    assert operator.lines(*asked, "--fee", "cash")[-1]["fees"] == "60.00"
    assert operator.show(card)["flags"] == ""
    for missing in (("--kind", "service"), ("--fee", "cash"), ("--kind", "monthly", "--fee", "cash")):
        assert operator.run("card", "charge-fee", card, *missing).returncode != 0


@pytest.mark.feature("HD-076")
def test_reserved_numbers_are_skipped_and_made_on_request(operator):
    first = FIRST + 800
    operator("card", "reserve", first + 1, "--type", 1)
    *rows, _ = operator.lines("card", "make", first, "--count", 3, "--type", 1, status=1)
    assert [row["code"] for row in rows] == [0, ResponseCode.RESERVED_SKIPPED, 0]
    operator("card", "make", first + 1, "--type", 1, "--from-reserved")
    operator("card", "reserve", first + 5, "--type", 1)
    operator("card", "unreserve", first + 5)


@pytest.mark.feature("K3-094")
def test_a_pin_is_read_from_a_pipe_and_never_from_arguments(operator, cards):
    card = next(cards)
    operator("card", "pin", "reset", card, "--pin-file", "-", stdin="1234\n")
    assert operator.show(card)["pin_set"] is True
    wrong = operator.run("card", "pin", "set", card, "--pin-file", "-", stdin="9999\n5678\n")
    assert (wrong.returncode, "55 PIN_WRONG" in wrong.stderr) == (1, True)
    operator("card", "pin", "set", card, "--pin-file", "-", stdin="1234\n5678\n")
    bad = operator.run("card", "pin", "reset", card, "--pin-file", "-", stdin="12\n")
    assert (bad.returncode, "12" in bad.stderr.replace("4 to 12", "")) == (1, False)
    asked = operator.run("card", "pin", "reset", card)
    assert (asked.returncode, "--pin-file" in asked.stderr) == (1, True)
    assert operator.sell(card, 100, pin=b"5678").approved
    operator("card", "pin", "reset", card, "--take-away")
    assert operator.show(card)["pin_set"] is False


def test_a_pin_that_is_typed_is_not_seen(operator, cards):
    card = next(cards)
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "cardswitch", "card", "pin", "reset", str(card)]
    # A terminal of its own: getpass asks the controlling one, and not standard input.
    typing = subprocess.Popen(
        words, cwd=operator.folder, env=operator.environment, stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(slave)
    seen = b""
    try:
        for prompt in (b"New PIN: ", b"New PIN again: "):
            while prompt not in seen:
                seen += os.read(master, 1024)
            os.write(master, b"482913\n")
        while b"PIN set" not in seen:
            seen += os.read(master, 1024)
        assert typing.wait(60) == 0
    finally:
        typing.kill()
        os.close(master)
    assert b"482913" not in seen
    assert operator.sell(card, 100, pin=b"482913").approved
    assert b"482913" not in b"".join(path.read_bytes() for path in operator.folder.rglob("*") if path.is_file())


@pytest.mark.feature("HD-073")
def test_limits_level_member_and_segments_of_a_card(operator, cards):
    card = next(cards)
    operator("card", "limits", card, "--single", "5.00", "--daily-count", 2)
    operator("card", "level", card, 3)
    operator("card", "member", card, 4711)
    operator("card", "segments", card, 3, 17)
    assert operator.sell(card, 1_000).code == ResponseCode.SINGLE_AMOUNT
    shown = operator.show(card)
    assert (shown["level"], shown["member"], shown["segments"]) == (3, 4711, [3, 17])
    assert {row["limit"]: row["card"] for row in shown["limits"]}["single debit"] == "5.00"
    operator("card", "limits", card, "--none")
    assert operator.sell(card, 1_000).approved


def test_holds_are_made_captured_and_released(operator, cards):
    card, other = next(cards), next(cards)
    first = operator.json("card", "hold", card, "20.00")
    second = operator.json("card", "hold", card, "10.00", "--expires-in", 3600)
    assert (first["balance"], second["available"]) == ("50.00", "20.00")
    assert [row["held"] for row in operator.show(card)["holds"]] == ["20.00", "10.00"]
    assert operator.json("card", "capture", card, first["entry"], "15.00")["available"] == "25.00"
    assert operator.json("card", "release", card, second["entry"])["available"] == "35.00"
    operator.refused("card", "release", card, second["entry"], code=ResponseCode.HOLD_UNKNOWN)
    assert operator.json("card", "transfer", card, other, "5.00")["balance"] == "30.00"
    assert operator.show(other)["balance"] == "55.00"


# --------------------------------------------------------------------------- points and rules


@pytest.mark.feature("HD-117", "HD-119", "VC-061")
def test_rules_are_checked_loaded_shown_compared_and_tried(operator, cards):
    card = next(cards)
    bad = operator.run("rules", "check", operator.write("bad.toml", RULES.replace("200", "20000")))
    assert (bad.returncode, "rule[1].percent" in bad.stderr) == (1, True)
    path = operator.write("rules.toml", RULES)
    strange = operator.run(
        "rules", "load", operator.write("strange.toml", RULES.replace("card_type = 1", "card_type = 9"))
    )
    assert (strange.returncode, "rule 10.card_type" in strange.stderr) == (1, True)
    assert operator.json("rules", "show") == []

    draft = operator.json("rules", "load", path, "--draft")
    assert (draft["set"], draft["state"]) == (1, "DRAFT")
    other_path = operator.write("other.toml", RULES.replace("200", "300"))
    assert operator.json("rules", "load", other_path, "--draft")["set"] == 2  # another draft is left alone
    assert operator.json("rules", "load", path)["state"] == "ACTIVE"
    operator.refused("rules", "load", path, "--set", 1, code=ResponseCode.RULESET_STATE)
    assert [row["in_force"] for row in operator.json("rules", "show")] == [True, False]
    assert operator.json("rules", "show", 1)[0]["percent"] == 200
    assert operator.json("rules", "diff", 1, path) == {"equal": True, "changes": []}
    assert operator.run("rules", "diff", 1, 2).returncode == 1
    later = operator.json("rules", "load", other_path)
    assert (later["set"], later["from_date"] > operator.json("day", "show")["business_date"]) == (2, True)

    bill = {"lines": [{"item": 1, "amount": "10.00", "department": 7}, {"item": 2, "amount": "4.00"}]}
    tried = operator.json("rules", "try", "--bill", operator.write("bill.json", json.dumps(bill)), "--card", card)
    assert (tried["discount"], tried["due"], tried["points"]) == ("0.70", "13.30", "24.00")
    assert [(row["costs"], row["points"]) for row in tried["lines"]] == [("9.50", "20.00"), ("3.80", "4.00")]
    bill["lines"][1]["category"] = 71
    words = ("rules", "try", "--bill", operator.write("bill.json", json.dumps(bill)), "--card", card)
    assert "It is line 2." in operator.refused(*words, code=ResponseCode.PRODUCT_FORBIDDEN)
    assert operator.show(card)["balance"] == "50.00"


@pytest.mark.feature("HD-123", "HD-134", "HD-135", "HD-062", "HD-113", "HD-088", "HD-121", "HD-133", "VC-118")
def test_points_are_adjusted_moved_redeemed_converted_and_voided_after_a_preview(operator, cards):
    one, two, three = (next(cards) for _ in range(3))
    operator("points", "put", 1, "--name", "Promotion", "--converts", "1.00", "--lot", "1.00")
    operator("gift", "put", 5, "--name", "Umbrella", "--price", 5, "--stock", 3)
    operator("card", "adjust-points", one, "25.50", "--reason", 2)
    operator("card", "adjust-points", one, "-5.50")
    operator("card", "adjust-points", one, "200", "--category", 1)
    operator("card", "transfer-points", one, two, "4.00")
    assert operator.json("card", "redeem", one, "--gift", 5)["points"] == "-5.00"
    assert operator.json("gift", "list")[0]["stock"] == "2"
    assert operator.json("card", "convert-points", one, "2.00", "--category", 1)["balance"] == "52.00"
    assert operator.show(one)["points"] == {"0": "11.00", "1": "0.00"} or operator.show(one)["points"] == {"0": "11.00"}

    previewed = operator.json("card", "void-points", one, two, three, "--preview", "plan.jsonl")
    assert [row["points"] for row in previewed] == ["11.00", "4.00"]
    assert (operator.folder / "plan.jsonl").stat().st_mode & 0o777 == 0o600
    operator("card", "adjust-points", two, "1.00")
    operator.refused("card", "void-points", "--if-unchanged", "plan.jsonl", code=ResponseCode.CHANGED_SINCE)
    assert (operator.show(one)["points"]["0"], operator.show(two)["points"]["0"]) == ("0.00", "5.00")


@pytest.mark.feature("HD-063", "HD-122", "HD-137")
def test_points_of_a_missed_sale_are_made_up_for_once(operator, cards):
    card = next(cards)
    today = operator.json("day", "show")["business_date"]
    words = ("card", "backfill", card, "--store", 12, "--receipt", 88, "--date", today, "--amount", "30.00")
    assert operator.json(*words)["points"] == "30.00"
    operator.refused(*words, code=ResponseCode.RECEIPT_CREDITED)
    goods = [{"item": 1, "amount": "10.00"}, {"item": 2, "amount": "4.00", "no_points": True}]
    bill = operator.write("missed.json", json.dumps({"lines": goods}))
    words = ("card", "backfill", card, "--store", 12, "--receipt", 89, "--date", today, "--bill", bill)
    assert operator.json(*words)["points"] == "10.00"
    assert operator.show(card)["points"] == {"0": "40.00"}


def test_visits_prices_and_lists(operator, cards):
    card = next(cards)
    operator("card", "load-visits", card, 3, 10, "--last-date", "2099-12-31")
    assert operator.show(card)["visits"] == {"3": 10}
    operator("price", "put", 6901028075022, "12.50")
    operator("price", "put", 6901028075022, "11.00", "--price-class", 2)
    assert [row["price"] for row in operator.json("price", "list", 6901028075022)] == ["12.50", "11.00"]
    operator("type", "allow", 1, "outlets", 12)
    assert operator.json("type", "show", 1)["list_outlets"] == [12]
    operator("type", "allow", 1, "outlets", 12, "--remove")
    assert "list_outlets" not in operator.json("type", "show", 1)


def test_plug_ins_run_beside_the_switch(operator, cards):
    card = next(cards)
    operator("terminal", "put", 77, "--rights", "follow,cards", "--key-file", "plug-ins.key")
    lines = [BillLine(item=1, amount_minor=400), BillLine(item=2, amount_minor=600)]
    sold = operator.sell(card, 1_000, lines=lines).points_balance_hundredths
    rows = operator.json(
        "plug-ins", "run", "one=tests.support.custom_rules:one_more", "--state", "one.state",
        "--from-beginning", "--until-end", CARDSWITCH_OPERATOR_KEY="plug-ins.key",
    )  # fmt: skip
    assert (rows[0]["credited"], rows[0]["failed"]) == (1, 0)
    assert operator.show(card)["points"]["0"] == plain_decimal(sold + 200)


# --------------------------------------------------------------------------- what goes wrong, and the day


def test_what_cannot_be_done_says_what_to_do(operator):
    for words, environment, expected in (
        (("day", "show"), {"CARDSWITCH_CONNECT": "127.0.0.1:1"}, "check the address"),
        (("day", "show"), {"CARDSWITCH_CONNECT": "nowhere"}, "HOST:PORT"),
        (("day", "show"), {"CARDSWITCH_OPERATOR_KEY": "none.key"}, "check the path"),
        (("card", "balance", FIRST), {"CARDSWITCH_OPERATOR_KEY": "plug.key"}, "terminal put --rights"),
        (("card", "show", 9999_9999), {}, "got none with this number"),
        (("card", "freeze"), {}, "got none"),
        (("type", "show", 77), {}, "type list"),
        (("terminal", "put", 8, "--key-file", "till.key"), {}, "name another file"),
    ):
        if "plug.key" in environment.values():
            operator("terminal", "put", 78, "--rights", "follow", "--key-file", "plug.key")
        ended = operator.run(*words, **environment)
        assert ended.returncode == 1, words
        assert expected in ended.stderr, ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_day_is_closed_and_cut_over(tmp_path):
    data = make_directory(tmp_path / "data")
    with SwitchProcess(data) as switch:
        operator = Operator(switch, tmp_path)
        furnish(operator)
        closed = operator.json("day", "close")
        assert (closed["closed"], closed["differences"]) == (True, [])
        assert [row["state"] for row in operator.json("day", "show")["closes"]] == ["closed"]
        before = operator.json("day", "show")["business_date"]
        assert operator.json("day", "cut-over")["business_date"] > before
        assert operator.run("day", "cut-over").returncode == 1


def test_a_command_that_was_killed_leaves_nothing_open(tmp_path):
    """SIGKILL of the switch, and of the command, in the middle of a batch; then the same command again."""
    data = make_directory(tmp_path / "data")
    with SwitchProcess(data) as switch:
        operator = Operator(switch, tmp_path)
        furnish(operator)
        words = [sys.executable, "-m", "cardswitch", "card", "make", str(FIRST), "--count", "9000", "--type", "1"]
        running = subprocess.Popen(
            words, cwd=tmp_path, env=operator.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        trace = next(Path(tmp_path, "state", "cardswitch").glob("terminal-900-*.trace"))
        size = trace.stat().st_size
        while running.poll() is None and trace.stat().st_size <= size + 20_000:
            pass
        running.kill()
        running.wait()
        *_, summary = operator.lines(*words[3:])
        assert summary["done"] + summary["done_before"] == 9_000
        assert summary["done_before"] > 0
        assert switch.stop() == 0
