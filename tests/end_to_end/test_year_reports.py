"""Reports over a year of shopping that went through a real switch, against figures computed from the raw data."""

import csv
import importlib.util
import json
import subprocess
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

import loadtests.shopping_year
from admin.access import Visitor
from admin.database import Database
from admin.follower import follower_of
from admin.migrating import migrate
from admin.models.journal import daily_totals, entries
from admin.models.sales import baskets, bill_lines
from admin.reports.facts import load_facts
from admin.reports.registry import REPORTS
from admin.reports.running import outcome, scope_of
from admin.settings import Settings
from loadtests.shopping_year.facts import write_facts
from loadtests.shopping_year.plan import Plan
from loadtests.shopping_year.rules import read_rules
from loadtests.shopping_year.year import PACKAGE, data_folder, load_year
from switch.protocol.messages import MessageType
from tests.end_to_end.test_replay_shopping_year import COMMAND, switch
from tests.support.admin_databases import KINDS, fresh_database, postgresql_url  # noqa: F401
from tests.support.postgresql import programs
from tests.support.year_reference import TRAITS, YearReference

RULES = Path(loadtests.shopping_year.__file__).parent / "rules" / "rules_open.toml"
REFERENCE = Path(loadtests.shopping_year.__file__).parent / "reference"
FIRST_DATE = date(1970, 1, 1)
EVERYBODY = Visitor(1, "test", "Test", "en", 0, frozenset(), frozenset(), (), "", b"")
PART = (20, 3)
ALL_ROWS = 10_000_000
LOADED_AT = datetime(2018, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None or importlib.util.find_spec("polars") is None,
    reason="the data package is not installed (pip group 'data')",
)


def days(text: str) -> int:
    return (date.fromisoformat(text) - FIRST_DATE).days


def household(card_number: int) -> int:
    """Nine digits of a card number of the replay: before the check digit."""
    return card_number // 10 % 10**9


class Replayed:
    """The reports' database after a replay, and what the reports say."""

    def __init__(self, folder: Path, mod: int, residue: int, *others: Database) -> None:
        with switch(folder / "data", "replay") as options:
            command = [*COMMAND, "replay", "shopping-year", "--only", f"{mod}:{residue}", "--rules", str(RULES)]
            command += ["--out", str(folder / "out"), "--json", *options]
            replay = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
            assert replay.returncode == 0, replay.stderr
            self.summary = json.loads(replay.stdout)
            host, _, port = options[1].rpartition(":")
            key = str(folder / "data" / "operator.key")
            settings = Settings(data=str(folder), switch_host=host, switch_port=int(port), switch_key=key)
            self.database = Database(settings.url, is_follower=True)
            migrate(self.database)
            self.databases = dict(zip(KINDS, (self.database, *others), strict=False))
            for database in self.databases.values():
                follower_of(settings, database).catch_up()
        data = data_folder()
        write_facts(Plan(load_year(data, mod, residue), read_rules(RULES), 1), data, folder / "facts")
        for database in self.databases.values():
            load_facts(database, folder / "facts", LOADED_AT)

    def rows(self, name: str, **asked: Any) -> list[dict[str, Any]]:
        """Rows of a report as of the last day of the year, by the columns' names."""
        report = REPORTS[name]
        parameters = report.parameters(**({"until_date": days("2017-12-31")} | asked))
        with self.database.read() as session:
            found = outcome(scope_of(session, EVERYBODY), report, parameters, ALL_ROWS)
        return [dict(zip((column.name for column in report.columns), row, strict=True)) for row in found.rows]


@contextmanager
def replayed(folder: Path, mod: int, residue: int, *others: Database):
    made = Replayed(folder, mod, residue, *others)
    try:
        yield made
    finally:
        for database in made.databases.values():
            database.close()


@pytest.fixture(scope="module")
def played(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("part")
    others = [fresh_database("postgresql", request, folder)] if programs() else []
    with replayed(folder, *PART, *others) as made:
        yield made, YearReference(data_folder(), *PART)


@pytest.fixture(params=KINDS)
def part(request, played):
    """The part of the year in a database of each kind, and what its reports must say."""
    made, expected = played
    if request.param not in made.databases:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    made.database = made.databases[request.param]
    return made, expected


def reference_rows(name: str) -> list[dict[str, object]]:
    with (REFERENCE / f"{name}.csv").open(newline="") as file:
        return [
            {key: int(text) if text.lstrip("-").isdecimal() else text for key, text in row.items()}
            for row in csv.DictReader(file)
        ]


# --------------------------------------------------------------------------- what reports say, in the reference's words


def by_customer(rows, **names):
    return [
        {key: household(row["card_number"]) if name == "card_number" else row[name] for key, name in names.items()}
        for row in rows
    ]


def iso(rows, *names):
    return [
        row | {name: date.fromordinal(FIRST_DATE.toordinal() + row[name]).isoformat() for name in names} for row in rows
    ]


def said_ranking(made, top):
    names = {"rank": "place", "household_id": "card_number", "spend_c": "spend_minor", "visits": "visits"}
    names |= {"days": "day_count", "stores": "store_count", "first": "first_date", "last": "last_date"}
    return iso(by_customer(made.rows("customer-ranking", top=top), **names, days_since="days_since"), "first", "last")


def said_stores(made, top):
    rows = made.rows("stores")[:top]
    names = {"rank": "place", "store_id": "store_id", "spend_c": "spend_minor", "visits": "visits"}
    return by_customer(rows, **names, members="customers")


def said_goods(made, level):
    names = ("department_name", "category_name") if level == "category" else ("department_name",)
    return {
        tuple(row[name] for name in names): (row["amount_minor"], row["lines"], row["bills"], row["customers"])
        for row in made.rows("goods", level=level)
    }


def said_monthly_spend(made):
    return {
        (household(row["card_number"]), int(row["month"][-2:])): row["spend_minor"]
        for row in made.rows("monthly-spend")
    }


def said_months(made):
    names = {"active": "customers", "new": "new", "retained": "kept", "reactivated": "back", "lapsed": "lapsed"}
    names |= {"up": "up", "down": "down", "spend_c": "spend_minor"}
    return [
        {"month": int(row["month"][-2:]), **{key: row[name] for key, name in names.items()}}
        for row in made.rows("customers-by-month")
    ]


def said_change(made):
    december = {"from_date": days("2017-12-01"), "until_date": days("2017-12-31")}
    rows = made.rows("change", **december, before_from=days("2017-11-01"), before_until=days("2017-11-30"))
    names = {"household_id": "card_number", "nov_c": "before_minor", "dec_c": "now_minor", "change_c": "change_minor"}
    found = by_customer(rows, **names, change_bp="change_bp")
    return sorted(
        (row | {"change_bp": "" if row["change_bp"] is None else row["change_bp"]} for row in found),
        key=lambda row: row["household_id"],
    )


def said_churn(made):
    names = {"household_id": "card_number", "last": "last_date", "days_since": "days_since", "visits": "visits"}
    return iso(by_customer(made.rows("churn"), **names, spend_c="spend_minor"), "last")


def said_frequency(made):
    labels = {"1": "1-1", "105+": "105-9999"}
    return [
        {
            "visits": labels.get(row["band"], row["band"]),
            "members": row["customers"],
            "spend_c": row["spend_minor"],
            "churned60": row["lost"],
        }
        for row in made.rows("visit-frequency")
    ]


def said_rfm(made):
    names = {"household_id": "card_number", "days_since": "days_since", "visits": "visits", "spend_c": "spend_minor"}
    return by_customer(made.rows("rfm"), **names, R="recency", F="frequency", M="money")


def said_concentration(made, percents):
    return [
        {
            "top_percent": row["top_bp"] // 100,
            "members": row["customers"],
            "spend_c": row["spend_minor"],
            "share_bp": row["share_bp"],
        }
        for row in made.rows("concentration")
        if row["top_bp"] // 100 in percents
    ]


def said_composition(made, trait):
    names = {"value": "value", "members": "customers", "spend_c": "spend_minor", "visits": "visits"}
    names |= {"mean_spend_c_floor": "mean_minor", "churned60": "lost"}
    return [
        {"attribute": trait, **{key: row[name] for key, name in names.items()}}
        for row in made.rows("composition", attribute=trait)
    ]


def said_age_by_income(made):
    return {
        (row["first"], row["second"]): row["customers"]
        for row in made.rows("cross", by="age", and_by="income")
        if row["first"] != "NO PROFILE"
    }


def said_campaigns(made):
    names = {"campaign_id": "code", "type": "type", "start": "start_date", "end": "end_date"}
    names |= {"targeted": "targeted", "targeted_active": "active", "visits": "visits", "spend_c": "spend_minor"}
    names |= {"redeemers": "redeemers", "redemptions": "redemptions"}
    rows = [row | {"code": int(row["code"])} for row in made.rows("campaigns")]
    return iso(by_customer(rows, **names), "start", "end")


def said_habits(made):
    names = {"household_id": "card_number", "visits": "visits", "days_between": "days_between", "weekday": "weekday"}
    names |= {"hour": "hour", "store": "store", "department": "department_name"}
    return by_customer(made.rows("habits", top=100_000), **names)


def said_hours(made):
    rows = made.rows("cross", by="hour", and_by="weekday")
    return {(int(row["first"][:2]), int(row["second"][-1]) - 1): row["visits"] for row in rows}


# --------------------------------------------------------------------------- the comparisons


@pytest.mark.feature("K3-114", "K3-118", "VC-008", "GJ-117")
def test_rankings_of_customers_stores_and_goods(part):
    made, expected = part
    assert said_ranking(made, 20) == expected.ranking(20)
    assert said_stores(made, 50) == expected.store_ranking(50)
    assert said_goods(made, "department") == expected.goods(False)
    assert said_goods(made, "category") == expected.goods(True)


@pytest.mark.feature("K3-113", "K3-115", "K3-116", "EF-018", "EF-019", "VC-052")
def test_change_churn_and_loyalty(part):
    made, expected = part
    assert said_months(made) == expected.monthly_summary()
    assert said_monthly_spend(made) == expected.monthly_spend()
    assert said_change(made) == expected.change()
    assert said_churn(made) == expected.churn()
    assert said_frequency(made) == expected.frequency()


@pytest.mark.feature("EF-017", "VC-154", "VC-050", "GJ-104", "GJ-125")
def test_segments_concentration_and_composition(part):
    made, expected = part
    scores = expected.rfm()
    assert said_rfm(made) == scores
    champions = [row for row in scores if min(row["R"], row["F"], row["M"]) >= 4]
    lost = [row for row in scores if row["R"] <= 2 and max(row["F"], row["M"]) <= 3]
    segments = {row["segment"]: (row["customers"], row["spend_minor"]) for row in made.rows("segments")}
    assert segments[1] == (len(champions), sum(row["spend_c"] for row in champions))
    assert segments[6] == (len(lost), sum(row["spend_c"] for row in lost))
    assert sum(count for count, _ in segments.values()) == len(scores)
    concentration = expected.concentration()
    assert said_concentration(made, {row["top_percent"] for row in concentration}) == concentration
    for trait in TRAITS:
        assert said_composition(made, trait) == expected.composition(trait)
    assert said_age_by_income(made) == expected.age_by_income()


@pytest.mark.feature("K3-038", "K3-041", "GJ-103")
def test_habits(part):
    made, expected = part
    assert said_habits(made) == expected.habits()
    assert said_hours(made) == expected.hours()


@pytest.mark.feature("GJ-108")
def test_campaigns(part):
    made, expected = part
    assert said_campaigns(made) == expected.campaigns()


@pytest.mark.feature("GJ-078", "HD-084")
def test_sums_of_reports_are_those_of_the_ledger(part):
    made, expected = part
    paid = sum(basket[3] for basket in expected.baskets)
    first, last = days("2017-03-05"), days("2017-06-20")
    with made.database.read() as session:
        scope = scope_of(session, EVERYBODY)
        for from_date, until_date in ((0, 0), (first, last), (last, last)):
            period = [entries.c.business_date.between(from_date or 0, until_date or 1 << 30)]
            debits = [entries.c.type == MessageType.DEBIT, entries.c.code == 0, *period]
            ledger = session.scalar(select(func.sum(entries.c.amount_minor)).where(*debits))
            totals = session.scalar(
                select(func.sum(daily_totals.c.amount_minor)).where(
                    daily_totals.c.type == MessageType.DEBIT,
                    daily_totals.c.code == 0,
                    daily_totals.c.business_date.between(from_date or 0, until_date or 1 << 30),
                )
            )
            sums = {}
            for name, column in (
                ("stores", "spend_minor"),
                ("dates", "spend_minor"),
                ("purchases", "amount_minor"),
                ("bill-lines", "amount_minor"),
                ("goods", "amount_minor"),
                ("cross", "spend_minor"),
                ("composition", "spend_minor"),
                ("usefulness", "spend_minor"),
                ("prepaid", "redeemed_minor"),
            ):
                report = REPORTS[name]
                parameters = report.parameters(from_date=from_date, until_date=until_date)
                # A bound of ten rows: the database sums what is not shown.
                for rows_max in (10, ALL_ROWS) if name != "bill-lines" else (10,):
                    found = outcome(scope, report, parameters, rows_max)
                    place = [one.name for one in report.columns].index(column)
                    sums[name, rows_max] = found.totals[place]
            assert set(sums.values()) == {ledger} == {totals}, sums
        whole = session.scalar(select(func.sum(baskets.c.amount_minor)))
        lines = session.scalar(select(func.sum(bill_lines.c.amount_minor)))
        balances = session.scalar(select(func.sum(daily_totals.c.value_minor)))
    assert whole == lines == paid == made.summary["approved_c"]
    assert made.rows("prepaid")[-1]["outstanding_minor"] == balances == made.summary["closing_balance_c"]
    assert made.rows("summary")[-1]["outstanding_minor"] == balances


def test_the_independent_figures_of_the_whole_year_are_those_of_the_reference_files(request):
    """From the raw data alone: what the tests above compare with is defined as what was handed over."""
    if not request.config.getoption("--whole-year"):
        pytest.skip("the long form: make year-reports")
    expected = YearReference(data_folder(), 1, 0)
    assert_reference(expected.ranking(20), reference_rows("ranking_top20"))
    assert_reference(expected.monthly_summary(), reference_rows("monthly_summary"))
    assert_reference(expected.rfm(), reference_rows("rfm"))
    assert_reference(expected.campaigns(), reference_rows("campaigns"))


def assert_reference(found, expected):
    assert [{key: str(value) for key, value in row.items()} for row in found] == [
        {key: str(value) for key, value in row.items()} for row in expected
    ]


def test_the_whole_year_equals_the_reference_files(tmp_path, request):
    if not request.config.getoption("--whole-year"):
        pytest.skip("the long form: make year-reports")
    with replayed(tmp_path, 1, 0) as made:
        assert_reference(said_ranking(made, 20), reference_rows("ranking_top20"))
        assert_reference(said_stores(made, 50), reference_rows("ranking_store_top50"))
        assert_reference(said_months(made), reference_rows("monthly_summary"))
        assert_reference(said_change(made), reference_rows("change_nov_dec"))
        assert_reference(said_churn(made), reference_rows("churn60"))
        assert_reference(said_frequency(made), reference_rows("visit_frequency"))
        assert_reference(said_rfm(made), reference_rows("rfm"))
        assert_reference(said_campaigns(made), reference_rows("campaigns"))
        concentration = reference_rows("concentration")
        assert_reference(said_concentration(made, {row["top_percent"] for row in concentration}), concentration)
        figures = ("paid_c", "lines", "baskets", "members")
        for level, name, keys in (
            ("department", "ranking_department", ("department",)),
            ("category", "ranking_category", ("department", "product_category")),
        ):
            expected = {
                tuple(row[key] for key in keys): tuple(row[one] for one in figures) for row in reference_rows(name)
            }
            assert said_goods(made, level) == expected
        monthly = {
            (row["household_id"], month): row[f"m{month:02d}"]
            for row in reference_rows("monthly_spend_by_member")
            for month in range(1, 13)
            if row[f"m{month:02d}"]
        }
        assert said_monthly_spend(made) == monthly
        composition = [row for trait in TRAITS for row in said_composition(made, trait)]
        assert_reference(composition, reference_rows("composition"))
        ages = {
            (row["age"], income): count
            for row in reference_rows("composition_age_income")
            for income, count in row.items()
            if income != "age" and count
        }
        assert said_age_by_income(made) == ages
