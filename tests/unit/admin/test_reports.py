"""Reports as pages and files: every one in both languages on both databases, whose part is seen, what is masked."""

import csv
import html
import io
import json
import re

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import func, literal, select

from admin.errors import RefusedError
from admin.models.audit import AuditRow
from admin.models.sales import goods_names
from admin.people.sign_in import find_visitor
from admin.reports import running
from admin.reports.csv_file import guarded
from admin.reports.facts import load_facts
from admin.reports.registry import GROUPS, REPORTS
from admin.reports.report import Report
from admin.reports.running import outcome, scope_of
from switch.protocol.messages import MessageType
from tests.support.admin_office import NORTH, NORTH_CARD, NORTH_STORE, SOUTH, SOUTH_STORE
from tests.support.admin_trade import DAY, EVIL, GUEST_SPENT, NORTH_SPENT, SOUTH_SPENT, buy, put_trade

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

EMPTY = {
    "care-satisfaction",
    "commission",
    "complaints",
    "desk-shifts",
    "employee-sales",
    "look-alikes",
    "member-prices",
    "pay",
    "satisfaction",
}
"""Reports about what the two regions have not done; tests of their own try them."""


@pytest.fixture
def shop(office):
    """Two regions that have traded."""
    put_trade(office)
    return office


@pytest.mark.feature("K3-111", "K3-112", "K3-119", "K3-141")
def test_every_report_is_a_page_in_both_languages_and_a_file(shop):
    empty = set()
    with shop.browser("hugo") as browser:
        listed = browser.get("/reports").text
        for name, report in REPORTS.items():
            assert f'href="/reports/{name}"' in listed and report.group in GROUPS
            page = browser.get(f"/reports/{name}")
            assert page.status_code == 200 and html.escape(report.label, quote=False) in html.unescape(page.text)
            if "Nothing in this period" in page.text:
                empty.add(name)
            book = CalamineWorkbook.from_filelike(io.BytesIO(browser.get(f"/reports/{name}/excel").content))
            assert [len(book.sheet_names), book.get_sheet_by_index(1).to_python()[0][0]] == [2, "Report"]
            assert browser.get(f"/reports/{name}/csv").content.startswith(b"\xef\xbb\xbf")
        browser.client.headers["accept-language"] = "zh"
        for name, report in REPORTS.items():
            page = browser.get(f"/reports/{name}").text
            assert 'lang="zh-CN"' in page and report.description not in html.unescape(page)
    assert empty == EMPTY


def test_reports_of_a_hundred_years_have_the_months_of_a_hundred_years(shop):
    with shop.browser("hugo") as browser:
        for name in REPORTS:
            for period in ("from_date=1971-01-01&until_date=2070-12-31", "from_date=0001-01-01&until_date=9999-12-31"):
                assert browser.get(f"/reports/{name}?{period}").status_code == 200, (name, period)
        first = browser.get("/reports/cost?from_date=1971-01-01&until_date=2070-12-31").text
        assert "1971-01" in first
        alone = browser.get("/reports/cost").text
        assert "1970-" not in alone and "2026-01" in alone  # the entry of init has no date, and no month is made of it


@pytest.mark.feature("K3-111")
def test_hostile_parameters_are_told_or_ignored(shop):
    with shop.browser("hugo") as browser:
        for query in (
            "from_date=x",
            "until_date=9999-99-99",
            "store=-1",
            "store=99999999999999999999999",
            "organisation=77",
            "card_type=x",
            "from_date=9999-12-31",
            "until_date=0001-01-01",
            "nothing=%00&x=1",
        ):
            for name in REPORTS:
                assert browser.get(f"/reports/{name}?{query}").status_code == 200, (name, query)
        assert "A date such as 2026-01-31 is expected." in browser.get("/reports/stores?from_date=x").text
        assert browser.get("/reports/nothing").status_code == 404
        assert browser.get("/reports/stores/csv?from_date=x").status_code == 404


def sum_of(browser, name, heading, query=""):
    """The sum below a column of a CSV."""
    text = browser.get(f"/reports/{name}/csv{query}").content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    return rows[-1][rows[0].index(heading)]


@pytest.mark.feature("GJ-047", "HD-081", "VC-051")
def test_each_sees_what_its_part_has_issued_or_sold_and_nothing_else(shop):
    shop.add_user("nadia", "auditor", organisation_id=NORTH)
    shop.add_user("sofia", "auditor", organisation_id=SOUTH)
    shop.add_user("gus", "auditor")
    sums = {
        "nadia": NORTH_SPENT + GUEST_SPENT,  # a guest's purchase is in its store
        "sofia": SOUTH_SPENT + GUEST_SPENT,  # and its card abroad
        "gus": NORTH_SPENT + SOUTH_SPENT + GUEST_SPENT,
    }
    for name, expected in sums.items():
        with shop.browser(name) as browser:
            for report, heading in (
                ("stores", "Spend"),
                ("dates", "Spend"),
                ("purchases", "Amount"),
                ("bill-lines", "Amount paid"),
                ("goods", "Amount paid"),
                ("customer-ranking", "Spend"),
                ("monthly-spend", "Spend"),
                ("composition", "Spend"),
                ("cross", "Spend"),
                ("prepaid", "Redeemed"),
                ("summary", "Spent"),
            ):
                assert sum_of(browser, report, heading) == f"{expected / 100:.2f}", (name, report)
            moved = sum_of(browser, "card-log", "Moved")
            assert moved == f"{-expected / 100:.2f}"
    with shop.browser("nadia") as browser:
        assert sum_of(browser, "stores", "Spend", f"?organisation={NORTH_STORE}") == "100.55"
        assert "Choose one of the list." in browser.get(f"/reports/stores?organisation={SOUTH}").text
        assert sum_of(browser, "stores", "Spend", "?from_date=2026-02-01") == "0.55"
        assert sum_of(browser, "bill-lines", "Amount paid", "?from_date=2026-02-01") == "0.55"
        assert sum_of(browser, "goods", "Amount paid", "?until_date=2026-01-31") == "100.00"
    with shop.browser("nora") as browser:
        assert "100.55" in browser.get("/reports/stores").text
        assert browser.get("/reports/stores/csv").status_code == 403


@pytest.mark.feature("GJ-098", "GJ-047")
def test_card_numbers_in_files_are_text_and_as_the_visitor_may_see_them(shop):
    number, masked = str(NORTH_CARD), f"{str(NORTH_CARD)[:6]}******{str(NORTH_CARD)[-4:]}"
    for user, expected, hidden in (("finn", masked, number), ("hugo", number, masked)):
        with shop.browser(user) as browser:
            for name in ("card-log", "purchases", "customer-ranking", "rfm", "churn", "change", "bill-lines"):
                page = browser.get(f"/reports/{name}").text
                table = browser.get(f"/reports/{name}/csv").text
                book = CalamineWorkbook.from_filelike(io.BytesIO(browser.get(f"/reports/{name}/excel").content))
                cells = [cell for row in book.get_sheet_by_index(0).to_python() for cell in row]
                assert expected in page and expected in table and expected in cells, (user, name)
                assert hidden not in page and hidden not in table and hidden not in cells, (user, name)
    with shop.database.read() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.module == "reports")).all()
        told = " ".join(f"{row.object} {row.detail}" for row in session.scalars(select(AuditRow)))
    assert {row.user_name for row in rows if row.action == "looked"} == {"hugo"}
    assert {row.user_name for row in rows if row.action == "export"} == {"finn", "hugo"}
    assert number not in told


@on_sqlite
@pytest.mark.feature("HD-081")
def test_a_card_that_is_typed_goes_on_as_a_reference(shop):
    reference = shop.app.state.references.make(NORTH_CARD)
    with shop.browser("finn") as browser:
        answer = browser.get(f"/reports/card-log?card={NORTH_CARD}&store={NORTH_STORE}")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/reports/card-log?store={NORTH_STORE}&card={reference}"
        page = browser.get(answer.headers["location"]).text
        assert str(NORTH_CARD) not in page and "1 row" in page and f"card={reference}" in page
        assert "-100.00" in page
        terminal = f"/reports/card-log?card={reference}&terminal={NORTH_STORE * 1000}&type={int(MessageType.DEBIT)}"
        assert "1 row" in browser.get(f"{terminal}&from_date=2026-01-01&until_date=2026-01-01").text
        for other in (
            terminal.replace(f"terminal={NORTH_STORE}", "terminal=9"),
            terminal.replace(f"type={int(MessageType.DEBIT)}", f"type={int(MessageType.CREDIT)}"),
            f"{terminal}&from_date=2026-01-02",
            f"{terminal}&store={SOUTH_STORE}",
        ):
            assert "Nothing in this period" in browser.get(other).text, other


def test_nothing_in_a_file_is_a_formula(shop):
    assert [guarded(text) for text in ("=1", "+1", "-1", "@a", "\t=1", "\r=1", "a=1", "")] == [
        *("'=1", "'+1", "'-1", "'@a", "'\t=1", "'\r=1", "a=1", "")
    ]
    with shop.browser("finn") as browser:
        table = browser.get("/reports/goods/csv").content.decode("utf-8-sig")
        assert f"'{EVIL}" in table and f",{EVIL}" not in table
        content = browser.get("/reports/goods/excel").content
        assert b"<f>" not in content
        cells = [
            cell
            for row in CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
            for cell in row
        ]
        assert EVIL in cells


@pytest.mark.feature("EF-026", "HD-084", "GJ-079", "GJ-106", "GJ-109", "GJ-072", "GJ-076")
def test_money_between_organisations_fees_campaigns_and_usefulness(shop):
    with shop.browser("finn") as browser:

        def table(name, query=""):
            text = browser.get(f"/reports/{name}/csv{query}").content.decode("utf-8-sig")
            return list(csv.DictReader(io.StringIO(text)))

        pairs = table("settlement", "?form=pair")
        assert [(row["Organisation"], row["Issuer"], row["To receive, net"]) for row in pairs] == [
            (str(NORTH_STORE), str(SOUTH_STORE), "0.55"),
            ("", "", "0.55"),
        ]
        net = table("settlement")
        assert [(row["Organisation"], row["To receive, net"]) for row in net] == [
            (str(NORTH_STORE), "0.55"),
            (str(SOUTH_STORE), "-0.55"),
            ("", "0.00"),
        ]
        assert [(row["Kind"], row["Paid in"], row["Fees"]) for row in table("fees")[:-1]] == [
            ("Report of loss", "Cash", "0.30")
        ]
        (campaign, _) = table("campaigns")
        assert (campaign["Addressed"], campaign["Spend"], campaign["More"], campaign["Cost"], campaign["Result"]) == (
            *("1", "100.00", "100.00", "1.00", "99.00"),
        )
        (used, _) = table("usefulness")
        assert (used["Cards"], used["Used"], used["Visits"], used["Spend"]) == ("2", "2", "3", "107.55")
        last = table("prepaid")[-2]
        assert (last["Redeemed"], last["Outstanding"]) == ("0.55", "-107.55")
        (january, *_) = table("cost", "?point_minor=0.05&card_minor=2.50")
        assert (january["Points"], january["Cost of points"], january["Cost"]) == ("3.00", "0.15", "0.15")
        period = "?from_date=2026-03-01&until_date=2026-03-31&before_from=2026-01-01&before_until=2026-01-31"
        near = table("look-alikes", f"{period}&level_minor=7.00&near_bp=50")
        assert [(row["State"], row["Before"], row["Now"], row["Missing"]) for row in near[:-1]] == [
            ("Moved up", "0.00", "7.55", "-0.55")
        ]
        near = table("look-alikes", f"{period}&level_minor=8.00&near_bp=10")
        assert [(row["State"], row["Now"], row["Missing"]) for row in near[:-1]] == [("Just below", "7.55", "0.45")]
        months = table("summary")
        assert [row["Month"] for row in months[:-1]] == ["2026-01", "2026-02", "2026-03"]


@pytest.mark.feature("GJ-116")
def test_a_bill_leads_to_its_lines_and_its_entry(shop):
    with shop.browser("finn") as browser:
        page = browser.get("/reports/purchases").text
        address = re.search(r'href="(/reports/bill-lines\?bill=1)"', page)
        assert address is not None
        lines = browser.get(address[1]).text
        assert "100.00" in lines and "1 row" in lines and html.escape(EVIL) in lines


@pytest.mark.feature("K3-112")
def test_the_chart_is_data_beside_the_table(shop):
    with shop.browser("finn") as browser:
        page = browser.get("/reports/stores").text
    (found,) = re.findall(r'<script type="application/json">(.*?)</script>', page)
    data = json.loads(found)
    assert data["labels"] == [str(NORTH_STORE), str(SOUTH_STORE)]
    assert data["series"][0]["values"] == [100.55, 7.0]


def visitor(office, name):
    with office.browser(name) as browser:
        return find_visitor(office.service, browser.client.cookies["session"], "test")


def test_sums_are_of_all_rows_also_of_those_that_are_not_shown(shop):
    finn = visitor(shop, "finn")
    with shop.database.read() as session:
        scope = scope_of(session, finn)
        for report in REPORTS.values():
            whole = outcome(scope, report, report.parameters(), 1000)
            cut = outcome(scope, report, report.parameters(), 1)
            assert cut.totals == whole.totals and cut.row_count == whole.row_count, report.name
            assert len(cut.rows) <= 1 and cut.is_cut == (whole.row_count > 1)


def test_a_report_that_takes_too_long_is_ended(shop, monkeypatch):
    finn = visitor(shop, "finn")
    monkeypatch.setattr(running, "STEPS_BETWEEN_LOOKS", 1)
    if shop.database.is_sqlite:
        clock = iter(range(0, 1_000_000_000, 1000))
        runner = running.Runner(shop.database, lambda: next(clock), time_max_ms=1)
        report = REPORTS["stores"]
    else:

        def sleep(scope, parameters):
            return select(literal(1).label("visits"), func.pg_sleep(5).label("x"))

        runner = running.Runner(shop.database, lambda: 0, time_max_ms=1)
        report = Report("slow", "sales", "", "", REPORTS["dates"].columns[1:2], sleep)
    with pytest.raises(RefusedError, match="takes too long"):
        runner.run(finn, report, report.parameters(), 10)
    # The connection is as good as before.
    monkeypatch.undo()
    again = running.Runner(shop.database, lambda: 0)
    assert again.run(finn, REPORTS["stores"], REPORTS["stores"].parameters(), 10).row_count == 2


@on_sqlite
def test_only_some_reports_run_at_once(shop, monkeypatch):
    monkeypatch.setattr(running, "WAIT_MAX_S", 0.01)
    runner = running.Runner(shop.database, lambda: 0)
    for _ in range(running.AT_ONCE_MAX):
        assert runner._places.acquire()
    finn = visitor(shop, "finn")
    with pytest.raises(RefusedError, match="Other reports are running"):
        runner.run(finn, REPORTS["stores"], REPORTS["stores"].parameters(), 10)


def test_facts_come_whole_or_not_at_all(shop, tmp_path):
    (tmp_path / "goods_names.csv").write_text("kind,number,name\ndepartment,7,Fruit\n")
    (tmp_path / "campaigns.csv").write_text("campaign_id,name,type,start_date,end_date,cost_minor\n2,x,y,soon,2026,0\n")
    with pytest.raises(RefusedError, match=r"campaigns\.csv, line 2"):
        load_facts(shop.database, tmp_path, shop.service.now())
    (tmp_path / "campaigns.csv").write_text("campaign_id,name\n")
    with pytest.raises(RefusedError, match="expected the columns"):
        load_facts(shop.database, tmp_path, shop.service.now())
    with shop.database.read() as session:
        assert session.scalars(select(goods_names.c.name)).all() == [EVIL]
    (tmp_path / "campaigns.csv").unlink()
    assert load_facts(shop.database, tmp_path, shop.service.now()) == {"goods_names.csv": 1}
    with shop.database.read() as session:
        assert session.scalars(select(goods_names.c.name)).all() == ["Fruit"]
    with pytest.raises(RefusedError, match="got none"):
        load_facts(shop.database, tmp_path / "nowhere", shop.service.now())


@on_sqlite
def test_the_wall_says_when_the_switch_does_not_answer_and_shows_it_to_those_who_see_all(shop):
    with shop.browser("finn") as browser:
        page = browser.get("/").text
        assert "Does not answer" in page and "Money in and out" in page
        assert browser.get("/dashboard/pulse").json()["series"][0]["values"] == []
    with shop.browser("nora") as browser:
        assert "Does not answer" not in browser.get("/").text
        assert browser.get("/dashboard/pulse").json() == {}


@pytest.mark.feature("GJ-075", "GJ-077", "GJ-070")
def test_a_report_that_is_handed_in_stays_as_it_was_and_is_decided_by_somebody_above(shop):
    masked = f"{str(NORTH_CARD)[:6]}******{str(NORTH_CARD)[-4:]}"
    shop.add_user("hans", "hq-supervisor", organisation_id=SOUTH)
    with shop.browser("nora") as browser:
        fields = {"query": f"store={NORTH_STORE}", "remark": "Our quarter"}
        answer = browser.post("/reports/purchases/submit", fields, page="/reports/purchases")
        address = answer.headers["location"]
        assert "100.55" in browser.get(address).text and masked in browser.get(address).text
        token = browser.token("/reports/purchases")
        own = browser.client.post(address, data={"_csrf_token": token, "decision": "Good"}, follow_redirects=False)
        assert own.status_code == 403  # a store's manager reviews nothing
    with shop.database.writer.begin() as connection:
        buy(connection, 9, NORTH_CARD, NORTH_STORE, 5, date=DAY + 72)
    with shop.browser("hans") as browser:
        assert browser.get(address).status_code == 404
        assert "Our quarter" not in browser.get("/report-submissions").text
    with shop.browser("hugo") as browser:
        assert "Purchase records" in browser.get("/report-submissions").text
        page = browser.get(address).text
        assert "100.55" in page and "100.60" not in page and "Our quarter" in page and str(NORTH_CARD) in page
        assert browser.post(address, {"decision": " "}).status_code == 409
        assert browser.post(address, {"decision": "Open on Sundays"}).status_code == 303
        assert "Open on Sundays" in browser.get(address).text
        fields = {"query": "", "remark": ""}
        mine = browser.post("/reports/summary/submit", fields, page="/reports/summary").headers["location"]
        refused = browser.post(mine, {"decision": "Fine"}, page="/reports/summary")
        assert refused.status_code == 409 and "Nobody reviews what he has handed in himself" in refused.text
    with shop.browser("nora") as browser:
        assert "Open on Sundays" in browser.get(address).text
    with shop.database.read() as session:
        acts = [row.action for row in session.scalars(select(AuditRow).where(AuditRow.module == "reports"))]
    assert acts.count("submit") == 2 and acts.count("review") == 1
