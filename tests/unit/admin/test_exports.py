"""Long exports are ordered, made beside other work with the rights of that moment, and fetched by who ordered them."""

import csv
import io
import re
import threading
from datetime import timedelta

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from admin.api import consumption_api, member_file_api, query_api, report_api
from admin.exports import exporter, jobs, kinds
from admin.exports.exporter import Exporter
from admin.models.audit import AuditRow
from admin.models.exports import ExportJob, JobState
from admin.models.people import RoleAssignment
from admin.pages import member_file_pages, query_pages, report_pages
from tests.support.admin_members import add, hold

FEW = 2


@pytest.fixture
def worker(office, monkeypatch):
    """What does the jobs, and a bound that small tests pass."""
    for module in (report_pages, query_pages, member_file_pages, report_api, query_api, member_file_api):
        monkeypatch.setattr(module, "AT_ONCE_ROWS_MAX", FEW)
    monkeypatch.setattr(consumption_api, "AT_ONCE_ROWS_MAX", FEW)
    monkeypatch.setattr(exporter, "TELL_EVERY_MS", 0)
    monkeypatch.setattr(exporter, "PURGE_EVERY_MS", 0)
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    return Exporter(office.service, threading.Event())


def put_members(browser, count=3):
    return [add(browser, name) for name in ("张伟", "单明明", "王芳", "李娜")[:count]]


def job_in(office, number):
    with office.database.read() as session:
        job = session.get_one(ExportJob, number)
        session.expunge(job)
    return job


def acts_on(office, object_):
    with office.database.read() as session:
        return list(session.scalars(select(AuditRow.action).where(AuditRow.object == object_).order_by(AuditRow.id)))


def work_all(worker):
    while worker.work():
        pass


def rows_of(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.feature("EF-006")
def test_a_long_list_is_ordered_made_and_fetched_by_its_owner_alone(office, worker):
    office.add_user("ivy", "hq-supervisor")
    with office.browser("hana") as browser, office.browser("ivy") as other:
        put_members(browser, FEW)
        assert len(rows_of(browser.get("/member-export?form=csv").content)) == FEW  # few come at once
        add(browser, "赵六")
        answer = browser.get("/member-export?form=csv")
        assert answer.status_code == 303 and answer.headers["location"] == "/exports/1"
        assert "Waits for its turn" in browser.get("/exports/1").text
        for address in ("/exports/1", "/exports/2"):
            assert other.get(address).status_code == 404
        assert other.get("/exports/1/file").status_code == 409 and browser.get("/exports/1/file").status_code == 409
        work_all(worker)
        page = browser.get("/exports/1").text
        assert "Ready" in page and "/exports/1/file" in page and "members.csv" in page
        assert "Ready" in browser.get("/exports").text and "/exports/1" not in other.get("/exports").text
        file = browser.get("/exports/1/file")
        assert {row["Full name"] for row in rows_of(file.content)} == {"张伟", "单明明", "赵六"}
        assert file.headers["content-disposition"].endswith('"members.csv"')
        assert other.get("/exports/1/file").status_code == 409
        sealed = jobs.path_of(office.service, 1)
        assert sealed.stat().st_mode & 0o777 == 0o600 and "张伟".encode() not in sealed.read_bytes()
        assert acts_on(office, "export 1") == ["order export", "looked"]
        assert browser.post("/exports/1/drop", page="/exports").status_code == 303 and not sealed.exists()
        assert "Removed" in browser.get("/exports/1").text and browser.get("/exports/1/file").status_code == 409


def test_reports_and_queries_are_ordered_too_and_are_the_same_as_at_once(office, worker, monkeypatch):
    with office.browser("hana") as browser:
        first, *_rest = put_members(browser)
        hold(office, first)
        query = "/queries/ask/csv?subject=members&column=company&column=state"
        answers = [browser.get(query), browser.get("/queries/ask/excel" + query.partition("/csv")[2])]
        assert [answer.headers["location"] for answer in answers] == ["/exports/1", "/exports/2"]
        work_all(worker)
        file = rows_of(browser.get("/exports/1/file").content)
        book = CalamineWorkbook.from_filelike(io.BytesIO(browser.get("/exports/2/file").content))
        assert [row[1] for row in book.get_sheet_by_index(0).to_python()][1:4] == [row["State"] for row in file][:3]
        monkeypatch.setattr(query_pages, "AT_ONCE_ROWS_MAX", 100)
        assert rows_of(browser.get(query).content) == file


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_the_owner_may_see_is_asked_when_the_file_is_made_and_when_it_is_fetched(office, worker):
    with office.browser("hana") as browser:
        put_members(browser)
        for _ in range(2):
            browser.get("/member-export?form=csv")
        assert worker.work()
        with office.database.write() as session:
            roles = session.query(RoleAssignment).filter_by(role="hq-supervisor")
            roles.update({"role": "auditor"})
        work_all(worker)
        assert browser.get("/exports/1/file").status_code == 409  # made, and may not be fetched any more
        assert job_in(office, 2).state == JobState.FAILED and "may not export" in job_in(office, 2).problem
        assert "may not export" in browser.get("/exports/2").text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_job_is_stopped_begun_again_and_survives_the_end_of_its_process(office, worker, monkeypatch):
    with office.browser("hana") as browser:
        put_members(browser)
        browser.get("/member-export?form=csv")
        assert browser.post("/exports/1/stop", page="/exports").status_code == 303
        work_all(worker)
        assert job_in(office, 1).state == JobState.STOPPED
        assert browser.post("/exports/1/stop", page="/exports").status_code == 409
        assert browser.post("/exports/1/resume", page="/exports").status_code == 303

        def stop_within(made, *_arguments):
            made.tick(1, 3)
            assert browser.post("/exports/1/stop", page="/exports").status_code == 303
            made.tick(2, 3)
            raise AssertionError("it went on")

        plain = kinds.KINDS[kinds.MEMBERS]
        with monkeypatch.context() as patch:
            patch.setitem(
                kinds.KINDS, kinds.MEMBERS, kinds.JobKind(plain.asked, plain.function, plain.action, stop_within)
            )
            work_all(worker)
        job = job_in(office, 1)
        assert (job.state, job.rows_done, job.rows_all) == (JobState.STOPPED, 1, 3)
        browser.post("/exports/1/resume", page="/exports")

        # Killed in the middle: the row says that it runs, and nobody does it.
        with office.database.write() as session:
            session.get_one(ExportJob, 1).state = JobState.RUNNING
        jobs.keep_file(office.service, 1, b"half")
        assert "Is being made" in browser.get("/exports/1").text
        work_all(Exporter(office.service, threading.Event()))
        assert len(rows_of(browser.get("/exports/1/file").content)) == 3

        # Whoever ends the process in the middle leaves the job to the next one.
        browser.get("/member-export?form=csv")
        ending = threading.Event()
        ending.set()
        Exporter(office.service, ending).work()
        assert job_in(office, 2).state == JobState.WAITING


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_file_is_removed_when_its_time_is_up_and_nobody_orders_without_end(office, worker):
    with office.browser("hana") as browser:
        put_members(browser)
        browser.get("/member-export?form=csv")
        work_all(worker)
        office.world.now_ms += jobs.KEPT // timedelta(milliseconds=1) - 1
        worker.work()
        assert jobs.path_of(office.service, 1).exists()
        office.world.now_ms += 1
        worker.work()
        assert not jobs.path_of(office.service, 1).exists() and job_in(office, 1).state == JobState.GONE
    with office.browser("hana") as browser:
        for _ in range(jobs.WAITING_MAX):
            assert browser.get("/member-export?form=csv").status_code == 303
        assert "under way" in browser.get("/member-export?form=csv").text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_whom_levels_would_move_is_found_out_beside_when_members_are_many(office, worker, monkeypatch):
    with office.browser("hana") as browser:
        put_members(browser)
        assert "Everybody has the level" in browser.get("/member-levels/run").text  # few: at once
        monkeypatch.setattr(jobs, "AT_ONCE_MEMBERS_MAX", FEW)
        page = browser.get("/member-levels/run").text
        assert "Find out whom it would move" in page and "Everybody" not in page
        assert browser.post("/member-levels/plan", page="/member-levels/run").status_code == 303
        assert "Waits for its turn" in browser.get("/member-levels/run").text
        level = {"name": "Gold", "rank": "1", "period_days": "30", "visits_min": "1"}
        answer = browser.post("/member-levels/new", level)
        assert answer.status_code == 303, re.findall(r'class="(?:error|problem)"[^>]*>([^<]*)', answer.text)
        work_all(worker)
        assert "Everybody has the level" in browser.get("/member-levels/run").text
        moved = browser.post("/member-levels/run", page="/exports")
        assert moved.status_code == 303 and moved.headers["location"] == "/exports/2"
        work_all(worker)
        assert "Members have the levels that the rules give them" in browser.get("/exports/2").text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_program_orders_looks_and_fetches(office, worker):
    token = office.token("hana")
    with office.browser("hana") as browser, office.program(token) as program:
        put_members(browser)
        answer = program.post("/api/v1/member-export/csv", json={})
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/api/v1/exports/{answer.json()['id']}"
        assert program.post("/api/v1/member-levels/plan").status_code == 201
        work_all(worker)
        told = program.get(answer.headers["location"]).json()["export"]
        assert told["state"] == "done" and told["file_name"] == "members.csv" and told["file_bytes"] > 0
        assert len(rows_of(program.get("/api/v1/exports/1/file").content)) == 3
        assert program.get("/api/v1/exports/2").json()["counts"] == []
        assert [one["state"] for one in program.get("/api/v1/exports").json()] == ["done", "done"]
        assert program.get("/api/v1/exports/9").status_code == 404
        assert program.post("/api/v1/exports/1/drop").status_code == 200
        assert program.post("/api/v1/exports/1/stop").status_code == 409
        assert program.get("/api/v1/exports/1/file").status_code == 409
