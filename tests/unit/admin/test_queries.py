"""Queries that people put together, and reports that a timer runs: what comes out, who sees it, and once."""

import csv
import io
import json
import re
from datetime import date
from urllib.parse import parse_qs

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import delete, func, select, update

from admin.members.conditions import Term
from admin.models.audit import AuditRow
from admin.models.journal import daily_totals, entries
from admin.models.mirror import switches
from admin.models.people import User
from admin.models.queries import ReportRun, ReportSchedule, SavedQuery
from admin.queries.building import built
from admin.queries.definition import Definition, address_of, definition_of
from admin.queries.fields import QueryContext
from admin.queries.registry import SUBJECTS
from admin.reports.keeping import digest_of
from admin.reports.report import Parameters
from admin.reports.running import outcome, scope_of
from admin.reports.schedules import RETRY_AFTER, Timer, period_before, periods_due, retry_at
from switch.protocol.messages import MessageType
from switch.protocol.records import SwitchRecord, TerminalRecord
from tests.support.admin_members import add, hold
from tests.support.admin_office import NORTH, NORTH_CARD, NORTH_STORE, SOUTH_CARD, SOUTH_STORE
from tests.support.admin_trade import DAY, EVIL, put_trade

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def shop(office):
    """Two regions that have traded, and members who hold the cards; it is the 73rd business day."""
    put_trade(office)
    office.put(SwitchRecord(mode=0, partition=0, business_date=DAY + 72, timezone=b"UTC".ljust(32, b"\0")))
    office.world.now_ms += 72 * 86_400_000
    office.add_user("gus", "auditor")
    office.add_user("mark", "marketing", organisation_id=NORTH)
    with office.browser("hugo") as browser:
        number = add(browser, "张伟", member_class="2", region="110000")
        add(browser, EVIL, member_class="1", organisation_id=str(SOUTH_STORE))
    hold(office, number, balance_minor=12_34)
    return office


def table(browser, definition, expected=200):
    """Rows of a query's file, by heading; the sums are the last one."""
    answer = browser.get(f"/queries/ask/csv?{address_of(definition)}")
    assert answer.status_code == expected, answer.text[:200]
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


@pytest.mark.feature("K3-108", "K3-109", "K3-110", "VC-160")
def test_any_records_are_asked_for_by_any_fields_and_kept_under_a_name(shop):
    with shop.browser("hugo") as browser:
        listed = browser.get("/queries").text
        for name, subject in SUBJECTS.items():
            assert f"/queries/ask?subject={name}" in listed
            page = browser.get(f"/queries/ask?subject={name}")
            assert page.status_code == 200 and "data-chart" not in page.text, name
            with shop.database.read() as session:  # every field of every kind, in both languages and as a condition
                visitor = shop.visitor("hugo")
                scope = scope_of(session, visitor)
                context = QueryContext(session, visitor, shop.app.state.references, scope, date(2026, 3, 14))
                for key, one in subject.source(context).fields.items():
                    value = {"word": next(map(str, one.names), "x"), "card": str(NORTH_CARD)}.get(one.kind.value, "1")
                    value = "2026-01-01" if one.kind.value in ("date", "moment") else value
                    for operator in one.operators:
                        if one.kind.value == "word" and not one.names:
                            continue
                        first = subject.shown[0] if one.holds else key
                        asked = Definition(subject=name, columns=[first], terms=[Term(key, operator, value)])
                        outcome(scope, built(asked, context), Parameters(), 5)
                    if one.holds:
                        continue
                    grouped = Definition(subject=name, by=[key], columns=[], is_descending=True)
                    outcome(scope, built(grouped, context), Parameters(), 5)

        # Customer files and product files.
        important = Definition(
            subject="members",
            columns=["member_name", "class", "region", "balance", "cards"],
            terms=[Term("class", "is", "2"), Term("since", "least", "-3")],
        )
        row, sums = table(browser, important)
        assert list(row.values()) == ["张伟", "Important", "Beijing", "12.34", "1"] and sums["Balance"] == "12.34"
        assert [
            one["Name"]
            for one in table(browser, Definition(subject="products", columns=["name", "lines", "amount"]))[:1]
        ] == [f"'{EVIL}"]
        # Order, and the sum of all rows is the ledger's for the same condition.
        spent = Definition(
            subject="entries",
            columns=["sequence", "store", "amount"],
            terms=[Term("type", "is", str(int(MessageType.DEBIT))), Term("date", "least", "2026-01-02")],
            order="amount",
        )
        *rows, sums = table(browser, spent)
        assert [row["Amount"] for row in rows] == ["0.55", "7.00"]
        with shop.database.read() as session:
            ledger = session.scalar(select(func.sum(entries.c.amount_minor)).where(entries.c.business_date > DAY))
            assert sums["Amount"] == f"{ledger / 100:.2f}"
            whole = session.scalar(select(func.sum(daily_totals.c.amount_minor)))
        *_rows, sums = table(browser, Definition(subject="purchases", columns=["date", "amount"]))
        assert sums["Amount"] == f"{whole / 100:.2f}"
        # Either of two conditions.
        either = Definition(
            subject="purchases",
            columns=["amount"],
            terms=[Term("amount", "most", "1"), Term("amount", "least", "100")],
            mode="any",
        )
        assert [row["Amount"] for row in table(browser, either)[:-1]] == ["0.55", "100.00"]
        # Kept, shared by a right, and asked again; Excel has no formula.
        page = browser.get(f"/queries/ask?{address_of(important)}").text
        assert "data-print" in page and "1 row" in page
        fields = {"query": address_of(important), "name": "Important ones", "shared_right": "members.view"}
        kept = browser.post("/queries/save", fields, page=f"/queries/ask?{address_of(important)}").headers["location"]
        assert "Important ones" in browser.get("/queries").text and "张伟" in browser.get(kept).text
        changed = fields | {"saved": kept.rpartition("/")[2], "name": "VIP", "query": address_of(important)}
        assert browser.post("/queries/save", changed, page=kept).headers["location"] == kept
        assert "VIP" in browser.get(kept).text
        everyone = Definition(subject="members", columns=["member_name", "owner"])
        assert f"'{EVIL}" in browser.get(f"/queries/ask/csv?{address_of(everyone)}").text
        content = browser.get(f"/queries/ask/excel?{address_of(everyone)}").content
        book = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
        assert b"<f>" not in content and [row[0] for row in book][1:] == ["张伟", EVIL]
    with shop.browser("mark") as browser:  # sees the query, and with it the members of his own part only
        assert "VIP" in browser.get("/queries").text and "张伟" in browser.get(kept).text
        assert EVIL not in browser.get(f"/queries/ask?{address_of(everyone)}").text
        assert "Delete the query" not in browser.get(kept).text
        refused = browser.post(f"{kept}/delete", page=kept)
        assert refused.status_code == 409 and "Only who has made a query changes it" in refused.text
        assert browser.get("/queries/ask?subject=entries").status_code == 404  # a right that marketing has not
    with shop.browser("gus") as browser:  # an auditor sees no members
        assert "VIP" not in browser.get("/queries").text and browser.get(kept).status_code == 404
        assert browser.get(f"/queries/ask?{address_of(important)}").status_code == 404
        assert browser.get(f"/queries/ask/csv?{address_of(important)}").status_code == 409
    with shop.browser("hugo") as browser:
        assert browser.post(f"{kept}/delete", page=kept).status_code == 303
        assert browser.get(kept).status_code == 404
    with shop.database.read() as session:
        acts = [row.action for row in session.scalars(select(AuditRow).where(AuditRow.module == "reports"))]
        assert acts.count("save query") == 2 and acts.count("delete query") == 1 and "export" in acts
        assert session.scalar(select(func.count()).select_from(SavedQuery)) == 0


@pytest.mark.feature("VC-023", "VC-155")
def test_any_two_fields_are_crossed_and_the_table_adds_up(shop):
    crossed = Definition(subject="lines", by=["store"], across="month", measure="amount")
    with shop.browser("hugo") as browser:
        rows = table(browser, crossed)
        assert list(rows[0]) == ["Store", "2026-01", "2026-03", "Amount paid"]
        assert [list(row.values()) for row in rows] == [
            [str(NORTH_STORE), "100.00", "0.55", "100.55"],
            [str(SOUTH_STORE), "0.00", "7.00", "7.00"],
            ["", "100.00", "7.55", "107.55"],
        ]
        page = browser.get(f"/queries/ask?{address_of(crossed)}").text
        chart = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', page)[0])
        assert [one["name"] for one in chart["series"]] == ["2026-01", "2026-03"] and chart["isStacked"]
        # Store, time, card type, level, class of goods and class of member: each by each, and each sum is the whole.
        names = ("store", "month", "weekday", "card_type", "level", "department", "class")
        for by in names:
            for across in names:
                if by != across:
                    rows = table(browser, Definition(subject="lines", by=[by], across=across, measure="amount"))
                    assert list(rows[-1].values())[-1] == "107.55", (by, across)
        rows = table(browser, Definition(subject="lines", by=["class"], across="card_type"))
        assert [row["Records"] for row in rows] == ["2", "1", "3"] or [row["Records"] for row in rows] == [
            "1",
            "2",
            "3",
        ]
        # What the revenue of a period is made of: by class of goods, and each article of it.
        january = [Term("date", "least", "2026-01-01"), Term("date", "most", "2026-01-31")]
        items = Definition(subject="lines", by=["department", "item"], columns=["amount"], terms=january)
        assert [list(row.values()) for row in table(browser, items)[:-1]] == [[f"7 {EVIL}", "5", "1", "100.00"]]
        groups = Definition(
            subject="purchases", by=["store", "month"], columns=["visits", "amount"], order="amount", is_descending=True
        )
        assert [row["Amount"] for row in table(browser, groups)] == ["100.00", "7.00", "0.55", "107.55"]
    with shop.browser("nora") as browser:  # what is sold in the north or with its cards
        text = browser.get(f"/queries/ask?{address_of(crossed)}").text
        assert "100.55" in text and ">7.00<" not in text


def test_card_numbers_are_masked_and_never_in_an_address(shop):
    masked = f"{str(NORTH_CARD)[:6]}******{str(NORTH_CARD)[-4:]}"
    asked = Definition(subject="cards", columns=["card", "status"], terms=[Term("card", "is", str(NORTH_CARD))])
    reference = shop.app.state.references.make(NORTH_CARD)
    with shop.browser("finn") as browser:
        answer = browser.get(f"/queries/ask?{address_of(asked)}")
        assert answer.status_code == 303 and str(NORTH_CARD) not in answer.headers["location"]
        page = browser.get(answer.headers["location"]).text
        assert masked in page and str(NORTH_CARD) not in page and reference in page
        fields = {"query": address_of(asked), "name": "One card"}
        kept = browser.post("/queries/save", fields, page=answer.headers["location"])
        assert kept.status_code == 303
        by_number = Definition(subject="cards", columns=["card"], order="card")
        assert "would tell hidden digits" in browser.get(f"/queries/ask?{address_of(by_number)}").text
    with shop.browser("hugo") as browser:
        assert str(NORTH_CARD) in browser.get(answer.headers["location"]).text
    with shop.database.read() as session:
        rows = session.scalars(select(AuditRow)).all()
        assert {row.user_name for row in rows if row.action == "looked" and row.module == "reports"} == {"hugo"}
        assert str(NORTH_CARD) not in " ".join(f"{row.object} {row.detail}" for row in rows)
        assert str(NORTH_CARD) not in session.scalars(select(SavedQuery.definition)).one()


@on_sqlite
@pytest.mark.parametrize(
    "wrong",
    [
        "subject=members",
        "subject=members&column=password_hash",
        "subject=members&column=name;DROP+TABLE+members",
        "subject=members&column=member&field=member&operator=least&value=x",
        "subject=members&column=member&field=member&operator=like&value=1",
        "subject=members&column=member&field=member&operator=is&value=99999999999999999999",
        "subject=members&column=member&field=member_name&operator=is&value=" + "x" * 999,
        "subject=members&column=member&field=class&operator=is&value=77",
        "subject=members&column=member&field=since&operator=least&value=-99999999",
        "subject=members&by=class&across=class",
        "subject=members&by=class&across=sex&measure=age",
        "subject=members&by=class&across=member_name&measure=1",
        "subject=members&column=member&order=x",
        "subject=members&by=class&order=since",
        "subject=members&by=class&by=sex&by=level",
        "subject=lines&column=amount&field=item&operator=is&value=1+OR+1%3D1",
        "subject=members&" + "&".join(f"column={n}" for n in range(30)),
        "subject=members&column=member&" + "&".join("field=member&operator=is&value=1" for _ in range(30)),
    ],
)
def test_what_is_no_query_is_told(shop, wrong):
    with shop.browser("hugo") as browser:
        page = browser.get(f"/queries/ask?{wrong}")
        is_new = wrong == "subject=members"
        assert page.status_code == (200 if is_new else 409), page.text[:300]
        assert is_new or 'class="problem"' in page.text
        assert browser.get("/queries/ask?subject=users").status_code == 404
        assert browser.get(f"/queries/conditions?{wrong}").status_code == 200


def test_a_definition_and_its_address_say_the_same():
    one = Definition(
        subject="lines",
        columns=["amount"],
        terms=[Term("store", "is", "21"), Term("name", "filled")],
        mode="any",
        order="amount",
        is_descending=True,
        by=["store"],
        across="month",
        measure="amount",
    )
    assert definition_of(parse_qs(address_of(one), keep_blank_values=True)) == one


# ------------------------------------------------------------------------- by timer


def test_periods_are_whole_days_weeks_and_months():
    today = date(2026, 3, 14)  # a Saturday
    assert period_before("day", today) == (date(2026, 3, 13), date(2026, 3, 13))
    assert period_before("week", today) == (date(2026, 3, 2), date(2026, 3, 8))
    assert period_before("week", date(2026, 3, 9)) == (date(2026, 3, 2), date(2026, 3, 8))
    assert period_before("month", today) == (date(2026, 2, 1), date(2026, 2, 28))
    days = periods_due("day", date(2026, 3, 11), today)
    assert [first.day for first, _last in days] == [11, 12, 13]
    assert periods_due("month", date(2026, 1, 31), today) == [
        (date(2026, 1, 1), date(2026, 1, 31)),
        (date(2026, 2, 1), date(2026, 2, 28)),
    ]
    assert len(periods_due("day", date(2000, 1, 1), today)) == 40


@on_sqlite
def test_articles_alarms_terminals_orders_employees_and_findings_are_records_of_ones_own_part(shop):
    shop.put(TerminalRecord(terminal_id=7, store_id=NORTH_STORE, status=1, rights=1, wrapped_key=bytes(48)))
    with shop.browser("hugo") as browser:
        fields = {"number": "E1", "full_name": "Li Na", "organisation": str(SOUTH_STORE), "position": "Cashier"}
        answer = browser.post("/employees/new", fields)
        assert answer.status_code == 303, re.findall(r'class="(?:error|problem)"[^>]*>([^<]*)', answer.text)
        fields = {"item": "5", "name": EVIL, "department": "7"}
        assert browser.post("/products/new", fields).status_code == 303

        def rows(subject, *columns):
            found = [tuple(row.values()) for row in table(browser, Definition(subject=subject, columns=[*columns]))]
            return [row for row in found if row[0] not in ("", "Sum")]

        assert rows("articles", "item", "name", "lines", "amount") == [("5", f"'{EVIL}", "3", "107.55")]
        assert rows("alarms", "sequence", "kind", "state", "store") == [("9", "Copied card", "New", str(SOUTH_STORE))]
        assert rows("terminals", "terminal", "store") == [("7", str(NORTH_STORE))]
        assert rows("employees", "number", "name", "works") == [("E1", "Li Na", "Yes")]
        listed = browser.get("/queries").text
        assert "Product file" in listed and "Product classes" in listed
    with shop.browser("nora") as browser:  # the manager of a store in the north
        assert browser.get("/queries/ask?subject=employees").status_code == 404
        assert str(NORTH_STORE) in browser.get("/queries/ask?subject=terminals").text
    with shop.browser("sam") as browser:
        assert "No records" in browser.get("/queries/ask?subject=terminals").text


def begin_day(shop, business_date):
    """Let the switch's business date be another one."""
    with shop.database.writer.begin() as connection:
        connection.execute(update(switches).values(business_date=business_date))


def runs_of(shop):
    """(schedule, last date, state, rows) of all runs."""
    with shop.database.read() as session:
        query = select(ReportRun).order_by(ReportRun.schedule_id, ReportRun.last_date)
        return [(run.schedule_id, run.last_date, run.state, run.row_count) for run in session.scalars(query)]


def test_reports_and_queries_run_once_for_each_period_and_stay_as_they_were(shop):
    spent = Definition(subject="purchases", columns=["date", "card", "amount"])
    with shop.browser("hugo") as browser:
        report = {"report": "purchases", "query": f"store={NORTH_STORE}", "name": "North", "period": "day"}
        timer = browser.post("/report-timers", report | {"shared_right": "reports.view"}, page="/reports/purchases")
        assert timer.status_code == 303
        timer = timer.headers["location"]
        fields = {"query": address_of(spent), "name": "All sales"}
        kept = browser.post("/queries/save", fields, page=f"/queries/ask?{address_of(spent)}").headers["location"]
        monthly = {"query_id": kept.rpartition("/")[2], "name": "Sales of the month", "period": "month"}
        assert browser.post("/report-timers", monthly, page=kept).status_code == 303
        weekly = monthly | {"period": "week", "name": "Until Sunday", "is_whole_past": "on"}
        assert browser.post("/report-timers", weekly, page=kept).status_code == 303
        assert "No result yet" in browser.get(timer).text
        for wrong in (
            {"period": "hour"},
            {"query_id": "99"},
            {"report": "purchases"},
            {"shared_right": "x"},
            {"name": ""},
        ):
            answer = browser.post("/report-timers", monthly | wrong, page=kept)
            assert answer.status_code == 409, wrong
        assert browser.post(f"{kept}/delete", page=kept).status_code == 409  # its timers would lose it

    one, two = Timer(shop.service), Timer(shop.service)
    assert [one.work(), two.work(), one.work(), two.work()] == [True, True, True, False]
    assert [(row[0], row[2], row[3]) for row in runs_of(shop)] == [(1, "done", 1), (2, "done", 0), (3, "done", 1)]
    assert runs_of(shop)[0][1] == DAY + 71
    # Three days go by while nobody runs it; then each is made up for, once, whoever runs it.
    begin_day(shop, DAY + 75)
    ran = sum((one if n % 2 else two).work() for n in range(9))
    assert ran == 3 + 1 and not one.work()  # and a week has ended
    with shop.browser("hugo") as browser:
        listed = browser.get("/report-timers").text
        assert "North" in listed and "Sales of the month" in listed and "Until Sunday" in listed
        page = browser.get(timer).text
        assert page.count("/report-runs/") == 4
        run = browser.get("/report-runs/1").text
        assert "0.55" in run and "100.00" not in run and str(SOUTH_CARD) in run and "As it was made" in run
        assert "data-print" in run
        rows = list(csv.DictReader(io.StringIO(browser.get("/report-runs/1/csv").content.decode("utf-8-sig"))))
        assert rows[-1]["Amount"] == "0.55"
        assert browser.get("/report-runs/1/excel").content[:2] == b"PK"
    with shop.database.read() as session:
        kept_run = session.get(ReportRun, 1)
        assert kept_run.digest == digest_of(kept_run.parameters, kept_run.content)
        assert f"store={NORTH_STORE}" in kept_run.parameters and "2026-03-13" in kept_run.parameters
        acts = [row for row in session.scalars(select(AuditRow)) if row.action == "run by timer"]
        assert len(acts) == len(runs_of(shop)) and {row.user_name for row in acts} == {"hugo"}
    # Who may see: only what is shared, by a right that one holds, in one's part, with one's own masking.
    with shop.browser("gus") as browser:
        page = browser.get("/report-timers").text
        assert "North" in page and "Sales of the month" not in page
        run = browser.get("/report-runs/1").text
        assert str(SOUTH_CARD) not in run and f"{str(SOUTH_CARD)[:6]}******" in run
        assert browser.get("/report-runs/2").status_code == 404
        stop = browser.post(f"{timer}/stop", page="/report-timers")
        assert stop.status_code == 409
    with shop.browser("nora") as browser:  # the group's figures are not a region's
        assert "North" not in browser.get("/report-timers").text.partition("<main")[2]
        assert browser.get("/report-runs/1").status_code == 404
    # Changed behind the service's back: it is told.
    with shop.database.write() as session:
        session.get(ReportRun, 1).content = session.get(ReportRun, 1).content.replace("55", "56")
    with shop.browser("hugo") as browser:
        assert "Changed since" in browser.get("/report-runs/1").text
        assert browser.post(f"{timer}/stop", page=timer).status_code == 303
    begin_day(shop, DAY + 76)
    assert not one.work() or all(row[0] != 1 or row[1] < DAY + 75 for row in runs_of(shop))
    # Its owner has lost his rights: the period says so, and is not run in another's name.
    with shop.database.write() as session:
        session.execute(update(User).where(User.name == "hugo").values(is_enabled=False))
        session.execute(update(ReportSchedule).values(is_enabled=True))
    while one.work():
        pass
    with shop.database.read() as session:
        failed = session.scalars(select(ReportRun).where(ReportRun.state == "failed")).all()
        assert failed and {run.problem for run in failed} == {"Its owner is not enabled any more."}


def test_a_run_that_failed_is_tried_again_by_a_rule_that_its_page_tells(shop):
    """After a quarter of an hour, two hours and a day; what it comes to then takes the place of the failure."""
    with shop.browser("hugo") as browser:
        report = {"report": "stores", "period": "day", "name": "Each day", "shared_right": "reports.view"}
        timer = browser.post("/report-timers", report, page="/reports/stores").headers["location"]

    def is_owner_enabled(*, value):
        with shop.database.write() as session:
            session.execute(update(User).where(User.name == "hugo").values(is_enabled=value))

    def told():
        with shop.browser("gus") as gus:
            shown = gus.get(timer).text
            api = {"authorization": f"Bearer {shop.token('gus')}"}
            return shown, gus.client.get(f"/api/v1{timer}/runs", headers=api).json()["rows"]

    one = Timer(shop.service)
    is_owner_enabled(value=False)
    assert one.work() and not one.work()
    quarter_ms, two_hours_ms = (int(delay.total_seconds()) * 1000 for delay in RETRY_AFTER[:2])
    page, (run,) = told()
    assert "Its owner is not enabled any more." in page and "Attempt 1 of 4; the next one at 2026-" in page
    assert (run["state"], run["attempts"], run["again_ms"]) == ("failed", 1, run["made_ms"] + quarter_ms)
    shop.world.now_ms += quarter_ms - 1
    assert not one.work()
    shop.world.now_ms += 1
    assert one.work() and not one.work()
    page, (run,) = told()
    assert "Attempt 2 of 4" in page and run["again_ms"] == run["made_ms"] + two_hours_ms
    is_owner_enabled(value=True)
    shop.world.now_ms += two_hours_ms
    assert one.work() and not one.work()
    page, (run,) = told()
    assert "Its owner" not in page and (run["state"], run["attempts"], run["again_ms"]) == ("done", 3, None)
    with shop.database.read() as session:
        kept = session.scalars(select(ReportRun)).one()
        assert kept.content and kept.digest == digest_of(kept.parameters, kept.content) and not kept.problem
        acts = [row.detail for row in session.scalars(select(AuditRow)) if row.action == "run by timer"]
        assert len(acts) == 3
    # The last attempt is the last one.
    spent = ReportRun(state="failed", attempts=len(RETRY_AFTER) + 1, made_at=shop.service.now())
    assert retry_at(spent) is None


@on_sqlite
def test_two_who_run_the_same_period_keep_one_result(shop, monkeypatch):
    with shop.browser("hugo") as browser:
        report = {"report": "stores", "query": "", "period": "day"}
        assert browser.post("/report-timers", report, page="/reports/stores").status_code == 303
    one, two = Timer(shop.service), Timer(shop.service)
    keep = one._keep

    def kept_late(*arguments):
        assert two.work()  # the other one is faster
        keep(*arguments)

    monkeypatch.setattr(one, "_keep", kept_late)
    assert one.work() and len(runs_of(shop)) == 1
    with shop.database.read() as session:
        acts = session.scalars(select(AuditRow.action).where(AuditRow.action == "run by timer")).all()
    assert len(acts) == 1
    # Killed before its row was written, it is run again; after, it is not.
    with shop.database.writer.begin() as connection:
        connection.execute(delete(ReportRun))
    monkeypatch.setattr(one, "_keep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        one.work()
    assert runs_of(shop) == [] and two.work() and not two.work() and len(runs_of(shop)) == 1
