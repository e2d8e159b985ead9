"""A replay must notice a switch that answers wrongly; these are the wrong answers."""

import csv
import json
from pathlib import Path

import pytest

from loadtests.shopping_year.lanes import ReplayError, read_reply
from loadtests.shopping_year.plan import Plan
from loadtests.shopping_year.results import Results
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import Reply
from tests.unit.terminals.test_replay_year import rules, small_year


def reply(code=0, amount=0, balance=0, points=0, points_balance=0, **more):
    return read_reply(
        Reply(
            code=code,
            amount_minor=amount,
            balance_minor=balance,
            points_hundredths=points * 100,
            points_balance_hundredths=points_balance * 100,
            **more,
        ).encode()
    )


def bought(code=0, due=0, balance=0, points=0, points_balance=0, **more):
    """The answer to a debit: an approved one moves what is due."""
    return reply(code, 0 if code else due, balance, points, points_balance, due_minor=due, **more)


@pytest.fixture
def results():
    """Two baskets of one household (7.00, reversed; then 5.00) for two clones."""
    year = small_year((11, 3, "2017-05-01T15:00:00", 700), (12, 3, "2017-05-02T15:00:00", 500))
    return Results(Plan(year, rules(), clones=2))


def play(results: Results) -> None:
    """All right answers."""
    for clone in (0, 1):
        results.note_purchase(clone, 0, bought(0, 700, 9_300, 7, 7))
        results.note_reversal(clone, 0, reply(0, 700, 10_000, -7, 0))
        results.note_purchase(clone, 1, bought(51, 500, 10_000))
    for card in results._plan.cards:
        results.note_balance(card, reply(0, 0, 10_000))
    results.check_clones()


def test_right_answers_make_tables_and_totals(results, tmp_path: Path):
    play(results)

    summary = results.write(tmp_path)

    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert (summary["purchases"], summary["approved_n"], summary["reversed_c"], summary["clones"]) == (4, 2, 1_400, 2)
    assert (summary["closing_balance_c"], summary["points"], summary["declined"]["51"]) == (20_000, 0, 2)
    with (tmp_path / "days.csv").open() as file:
        days = list(csv.DictReader(file))
    assert [(day["local_date"], day["n00"], day["n51"], day["reversed_n"]) for day in days] == [
        ("2017-05-01", "1", "0", "1"),
        ("2017-05-02", "0", "1", "0"),
    ]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (reply(0, 699, 9_301, due_minor=700), "basket 11: expected a reply about 700 cents, got 699"),
        (reply(51, 700), "basket 11: expected a reply about 0 cents, got 700"),
        (reply(14), "basket 11: expected approval, got 14 CARD_UNKNOWN"),
        (reply(60), "basket 11: expected approval, got 60 SINGLE_AMOUNT"),
        (reply(202, business_date=20_000), r"202 BUSINESS_DATE: .* \(The switch's date is 2024-10-04.\)"),
        (reply(999), "basket 11: expected approval, got 999: The switch answered 999"),
    ],
)
def test_a_wrong_answer_to_a_purchase_is_named(results, answer, complaint):
    with pytest.raises(ReplayError, match=complaint):
        results.note_purchase(0, 0, answer)


def test_points_are_whole(results):
    answer = read_reply(Reply(code=0, amount_minor=700, due_minor=700, points_hundredths=750).encode())

    with pytest.raises(ReplayError, match="basket 11: expected whole points, got 750 hundredths"):
        results.note_purchase(0, 0, answer)


@pytest.mark.parametrize(
    "answer",
    [reply(0, 600, 9_900, -7), reply(0, 700, 10_000, -6), reply(0, 0, 9_300), reply(ResponseCode.ORIGINAL_MISMATCH)],
)
def test_a_reversal_gives_back_exactly_what_was_taken(results, answer):
    results.note_purchase(0, 0, bought(0, 700, 9_300, 7, 7))

    with pytest.raises(ReplayError, match="reversal of basket 11: expected"):
        results.note_reversal(0, 0, answer)


def test_a_reversal_of_a_declined_purchase_gives_back_nothing(results):
    results.note_purchase(0, 0, bought(51, 700, 10_000))

    with pytest.raises(ReplayError, match=r"expected 0 cents and 0 points back, got \(700, -7\)"):
        results.note_reversal(0, 0, reply(0, 700, 10_700, -7))


def test_the_balance_inquiry_must_agree_with_the_last_reply(results):
    results.note_purchase(0, 0, bought(0, 700, 9_300, 7, 7))

    with pytest.raises(ReplayError, match=r"balance of card 999901\*{6}0037: expected 9300 cents .* got 9299"):
        results.note_balance(results._plan.cards[0], reply(0, 0, 9_299, 0, 7))


def test_a_clone_that_was_answered_differently_is_named(results):
    results.note_purchase(0, 0, bought(0, 700, 9_300, 7, 7))
    results.note_purchase(1, 0, bought(51, 700, 10_000))

    with pytest.raises(ReplayError, match=r"basket 11: expected .* for clone 1, got"):
        results.check_clones()


def test_points_that_do_not_add_up_are_named(results, tmp_path: Path):
    results.note_purchase(0, 1, bought(0, 500, 9_500, 5, 6))
    results.note_balance(results._plan.cards[0], reply(0, 0, 9_500, 0, 6))

    with pytest.raises(ReplayError, match="expected 5 points, as its replies add up, got 6"):
        results.write(tmp_path)


def with_recharges(mode: str, year=None):
    types = ('recharge = { mode = "none" }', f'recharge = {{ mode = "{mode}", below = 9, add = 400, max_per_day = 2 }}')
    year = year or small_year((11, 3, "2017-05-01T15:00:00", 700), (12, 3, "2017-05-02T15:00:00", 500))
    return Results(Plan(year, rules(types, types)))


def test_what_was_due_taken_off_and_recharged_is_what_the_replies_say(tmp_path: Path):
    results = with_recharges("threshold")
    results.note_purchase(0, 0, bought(0, 650, 9_750, 7, 7, discount_minor=50, recharged_minor=400))
    results.note_purchase(0, 1, bought(51, 480, 10_550, discount_minor=20, recharged_minor=800))
    results.note_reversal(0, 0, reply(0, 650, 11_200, -7, 0))
    results.note_balance(results._plan.cards[0], reply(0, 0, 11_200))

    summary = results.write(tmp_path)

    assert (summary["recharge_n"], summary["recharge_c"], summary["discount_c"]) == (3, 1_200, 50)
    with (tmp_path / "txns.csv").open() as file:
        txns = list(csv.DictReader(file))
    assert [(row["resp"], row["due"], row["discount"], row["balance_after"]) for row in txns] == [
        ("00", "650", "50", "9750"),
        ("51", "480", "20", "10550"),
    ]
    with (tmp_path / "stores.csv").open() as file:
        (store,) = csv.DictReader(file)
    assert (store["discount_c"], store["approved_c"], store["n51"]) == ("50", "650", "1")


def test_recharges_by_the_calendar_may_come_after_the_last_purchase(tmp_path: Path):
    results = with_recharges("monthly")
    results.note_purchase(0, 0, bought(0, 700, 10_900, recharged_minor=1_600))
    results.note_reversal(0, 0, reply(0, 700, 11_600))
    results.note_purchase(0, 1, bought(0, 500, 11_100))
    results.note_balance(results._plan.cards[0], reply(0, 0, 13_900, recharged_minor=2_800))

    summary = results.write(tmp_path)

    assert (summary["recharge_n"], summary["recharge_c"], summary["closing_balance_c"]) == (11, 4_400, 13_900)


def test_a_recharge_of_another_amount_than_the_rules_is_named(tmp_path: Path):
    results = with_recharges("shortfall")
    results.note_purchase(0, 0, bought(0, 700, 9_700, recharged_minor=401))
    results.note_balance(results._plan.cards[0], reply(0, 0, 9_700))

    with pytest.raises(ReplayError, match="expected recharges of 400 cents each, got 401 in all"):
        results.write(tmp_path)


def test_a_clone_that_was_recharged_otherwise_is_named(results):
    play(results)
    results._recharged_minor[3, 1] = 400

    with pytest.raises(ReplayError, match="household 3: expected 0 cents recharged in clone 1, got 400"):
        results.check_clones()
