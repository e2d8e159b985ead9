"""What marketing and care ask of members: growth, satisfaction, needs, talks by kind, each week by itself."""

import csv
import io
import re
from typing import Any

import pytest
from sqlalchemy import update

from admin.models.journal import daily_totals
from admin.models.mirror import cards, switches
from admin.models.sales import baskets, fees
from admin.queries.definition import Definition, address_of
from admin.reports.schedules import Timer
from switch.protocol.messages import FeeTender
from switch.protocol.records import SwitchRecord
from tests.support.admin_members import add, hold, save_group, send
from tests.support.admin_office import NORTH_CARD, NORTH_STORE, SOUTH_CARD
from tests.support.admin_trade import put, put_trade

DAY = 20_454
"""2026-01-01, a Thursday."""
WEEK_DAYS = 7


@pytest.fixture
def shop(office):
    """Two members of different classes; one came twice, the other once; it is 1 January."""
    office.put_two_regions()
    office.put(SwitchRecord(mode=0, partition=0, business_date=DAY, timezone=b"UTC".ljust(32, b"\0")))
    office.add_user("hana", "hq-supervisor")
    with office.browser("hana") as browser:
        loyal = add(browser, "张伟", member_class="2", needs="停车位", interests=["1"])
        rare = add(browser, "单明明", member_class="1")
    hold(office, loyal)
    hold(office, rare, SOUTH_CARD)
    with office.database.writer.begin() as connection:
        for n, card in enumerate((NORTH_CARD, NORTH_CARD, SOUTH_CARD), 1):
            put(
                connection,
                baskets,
                **{"sequence": n, "business_date": DAY, "store_id": NORTH_STORE, "visits": 1, "amount_minor": n * 100},
                **{"card_number": card, "account_number": card},
            )
    office.members = (loyal, rare)
    return office


def table(browser, address):
    """Rows of a file, by heading."""
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text[:200]
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def talk(browser, member, **values):
    """Note a talk on the page of a member."""
    fields = {"kind": "visit", "channel": "telephone", "direction": "out", "content": "回访", "satisfaction": "0"}
    answer = send(browser, f"/members/{member}/contacts", f"/members/{member}", **fields | values)
    assert answer.status_code == 303


@pytest.mark.feature("EF-002", "K3-117", "VC-015", "VC-017")
def test_classes_of_members_by_satisfaction_repeat_purchase_needs_and_growth(shop):
    loyal, rare = shop.members
    with shop.browser("hana") as browser:
        for member, kind, score in ((loyal, "visit", 5), (loyal, "suggestion", 4), (rare, "visit", 2)):
            talk(browser, member, kind=kind, satisfaction=str(score))
        rows = {row["Class of member"]: row for row in table(browser, "/reports/satisfaction/csv")}
        heads = ("Members", "Scores", "Mean satisfaction (1 to 5)", "Bought", "Bought again", "Share")
        assert [rows["Important"][head] for head in heads] == ["1", "2", "4.50", "1", "1", "100.00"]
        assert [rows["Ordinary"][head] for head in heads] == ["1", "1", "2.00", "1", "0", "0.00"]
        visits = {row["Class of member"]: row for row in table(browser, "/reports/satisfaction/csv?kind=visit")}
        assert visits["Important"]["Mean satisfaction (1 to 5)"] == "5.00"
        later = table(browser, "/reports/satisfaction/csv?from_date=2026-01-02")
        assert later[0]["Scores"] == "0" and later[0]["Bought"] == "0"

        needs = Definition(subject="members", columns=["class", "needs"], order="class", is_descending=True)
        assert list(table(browser, f"/queries/ask/csv?{address_of(needs)}")[0].values()) == ["Important", "停车位"]

        page = f"/members/{rare}"
        send(browser, f"{page}/churn", page, stage="confirmed", kind="1", product="茶", reason="太贵")
        shop.world.now_ms += 31 * 86_400_000
        assert browser.sign_in("hana").status_code == 303
        add(browser, "孙七")
        with shop.database.writer.begin() as connection:
            connection.execute(update(switches).values(business_date=DAY + 31))
        january, february, _sums = table(browser, "/reports/member-growth/csv")
        counted = ("Month", "Joined", "Lost members", "Members")
        assert [january[head] for head in counted] == ["2026-01", "2", "1", "1"]
        assert [february[head] for head in counted] == ["2026-02", "1", "0", "2"]
        assert "data-chart" in browser.get("/reports/member-growth").text
    shop.add_user("nora", "auditor")  # sees reports, and no members
    with shop.browser("nora") as nora:
        assert nora.get("/reports/satisfaction").status_code == 404
        assert "satisfaction" not in nora.get("/reports").text


@pytest.mark.feature("VC-058", "VC-097", "VC-158", "VC-159")
def test_talks_are_counted_by_kind_every_week_and_month_by_a_timer(shop):
    loyal, rare = shop.members
    by_kind = Definition(subject="contacts", by=["kind", "channel"], columns=["satisfaction"])
    with shop.browser("hana") as browser:
        talk(browser, loyal)
        talk(browser, rare)
        talk(browser, rare, kind="complaint", channel="store")
        talk(browser, rare, kind="suggestion", channel="web")
        address = f"/queries/ask?{address_of(by_kind)}"
        kept = browser.post("/queries/save", {"query": address_of(by_kind), "name": "Talks"}, page=address)
        number = kept.headers["location"].rpartition("/")[2]
        for period in ("week", "month"):
            asked = {"query_id": number, "name": f"Talks of the {period}", "period": period}
            assert browser.post("/report-timers", asked, page=f"/queries/{number}").status_code == 303
    timer = Timer(shop.service)
    while timer.work():
        pass
    with shop.database.writer.begin() as connection:  # the month and its weeks are over
        connection.execute(update(switches).values(business_date=DAY + 31))
    while timer.work():
        pass
    with shop.browser("hana") as browser:
        found: dict[int, list[Any]] = {}
        for one in (1, 2):
            page = browser.get(f"/report-timers/{one}").text
            for run in re.findall(r"/report-runs/(\d+)", page):
                rows = table(browser, f"/report-runs/{run}/csv")
                found.setdefault(one, []).append({(row["Kind"], row["Channel"]): row["Records"] for row in rows[:-1]})
    talks = {("Complaint", "Store"): "1", ("Suggestion", "Web"): "1", ("Visit", "Telephone"): "2"}
    # Weeks from Monday: the one that ended on 28 December had no talk, that of 1 January had all, the next ones none.
    assert [one for one in found[1] if one] == [talks] and len(found[1]) == 5
    assert found[2] == [talks, {}]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.feature("EF-020", "VC-088")
def test_a_group_is_kept_and_analysed(shop):
    loyal, _rare = shop.members
    with shop.browser("hana") as browser:
        group = save_group(browser, "Regulars", [("class", "is", "2")])
        other = save_group(browser, "Others", [("class", "not", "2")])
        assert "张伟" in browser.get(f"/members?group={group}").text
        own = Definition(subject="members", by=["region"], columns=["cards"], terms=[])
        rows = table(browser, f"/queries/ask/csv?{address_of(own)}&field=group&operator=is&value={group}")
        assert [row["Records"] for row in rows] == ["1", "1"]
        rest = table(browser, f"/queries/ask/csv?{address_of(own)}&field=group&operator=not&value={group}")
        assert [row["Records"] for row in rest] == ["1", "1"]
        bought = Definition(subject="purchases", columns=["amount"])
        spent = table(browser, f"/queries/ask/csv?{address_of(bought)}&field=group&operator=is&value={group}")
        assert spent[-1]["Amount"] == "3.00"
        assert int(group) != int(other) and loyal


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.feature("EF-013", "K3-052", "VC-156", "EF-011")
def test_what_the_card_scheme_costs_and_which_customers_it_loses(office):
    put_trade(office)
    with office.database.writer.begin() as connection:
        put(connection, fees, sequence=5, business_date=DAY, kind=3, tender=int(FeeTender.WAIVED), card_count=1)
        connection.execute(update(cards).where(cards.c.card_number == NORTH_CARD).values(issued_date=DAY))
        connection.execute(update(daily_totals).where(daily_totals.c.business_date == DAY).values(discount_minor=250))
    with office.browser("finn") as browser:
        january = table(browser, "/reports/cost/csv?point_minor=0.10&card_minor=2")[0]
        heads = ("Month", "Discount", "Cost of points", "Cards issued", "Cost of cards", "Fees waived", "Cost")
        assert [january[head] for head in heads] == ["2026-01", "2.50", "0.30", "1", "2.00", "1", "4.80"]
        # Lost by the last date of a period, and by what is known of them: 3.00 points came to 0.30 above.
        assert [row["Spend"] for row in table(browser, "/reports/churn/csv?days=30")][:-1] == ["100.00"]
        assert table(browser, "/reports/churn/csv?days=30&until_date=2026-01-10")[:-1] == []
        by_age = {row["Trait"]: row for row in table(browser, "/reports/composition/csv?attribute=age&days=30")}
        assert by_age["25-34"]["Customers lost"] == "1" and by_age["No profile"]["Customers lost"] == "0"
        listed = browser.get("/reports").text  # segments, value, loyalty, losses and what campaigns brought
        for name in ("composition", "rfm", "visit-frequency", "churn", "change", "campaigns", "cross"):
            assert f'href="/reports/{name}"' in listed and browser.get(f"/reports/{name}").status_code == 200, name
