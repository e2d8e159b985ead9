"""Suggestions and complaints: written down, handled step by step, answered, closed; files, slips, late ones."""

import io
import re

import pytest
from sqlalchemy import func, select, update
from xlsxwriter import Workbook

from admin.care.opinions import MOVES, STATES
from admin.models.audit import AuditRow
from admin.models.care import Opinion
from admin.models.mirror import switches
from switch.protocol.records import SwitchRecord
from tests.support.admin_members import add
from tests.support.admin_office import NORTH, SOUTH_STORE

DAY = 20_454
"""2026-01-01."""


@pytest.fixture
def desk(office):
    """A supervisor who heads a department, an agent, one of the north; it is 1 January 2026."""
    office.put_two_regions()
    office.put(SwitchRecord(mode=0, partition=0, business_date=DAY, timezone=b"UTC".ljust(32, b"\0")))
    office.hana = office.add_user("hana", "hq-supervisor")
    office.add_user("ada", "service-agent")
    office.add_user("nora", "service-agent", organisation_id=NORTH)
    with office.browser("hana") as browser:
        browser.post("/departments", {"name": "生鲜部", "organisation_id": "0"}, page="/organisation")
        assert browser.post("/care/heads", {"department_id": "1", "user_id": str(office.hana)}).status_code == 303
    return office


def write(browser, **fields):
    """Write an opinion down; the address of its page."""
    answer = browser.post("/opinions/new", {"kind": "complaint", "area": "2", "content": "太贵", **fields})
    assert answer.status_code == 303, re.findall(r'class="(?:error|problem)"[^>]*>([^<]*)', answer.text)
    return answer.headers["location"]


def step(browser, address, act, text="", **fields):
    """Go on with an opinion."""
    return browser.post(f"{address}/steps", {"act": act, "text": text, **fields}, page=address)


def listed(browser, query=""):
    """Numbers of the opinions that the list shows."""
    return [int(number) for number in re.findall(r'href="/opinions/(\d+)">', browser.get(f"/opinions?{query}").text)]


@pytest.mark.feature("K3-059", "K3-060", "K3-061", "K3-063", "K3-064", "K3-065", "K3-066", "K3-068", "EF-039")
def test_a_complaint_goes_its_way_and_is_closed_only_when_effect_and_answer_are_written(desk):
    with desk.browser("ada") as browser:
        address = write(browser, phone="13800138000", name="王女士")
        assert "138****8000" in browser.get(address).text and "13800138000" not in browser.get(address).text
        for act in ("handle", "effect", "feed-back", "close"):
            refused = step(browser, address, act, "x")
            assert refused.status_code == 409, act
        nobody = step(browser, address, "assign")
        assert nobody.status_code == 409 and "Choose who handles it" in nobody.text
        assert step(browser, address, "assign", department_id="1").status_code == 303
        assert "Hana" in browser.get(address).text
        assert step(browser, address, "handle", "").status_code == 409  # a step says what was done
        assert step(browser, address, "handle", "问了采购").status_code == 303
        assert step(browser, address, "handle", "供应商降价").status_code == 303
        assert "when its effect is written" in step(browser, address, "close").text
        assert step(browser, address, "effect", "价格已降").status_code == 303
        assert "when its effect is written" in step(browser, address, "close").text  # the customer was not told
        assert step(browser, address, "feed-back", "电话告知，满意").status_code == 303
        page = browser.get(address).text
        for text in ("问了采购", "供应商降价", "价格已降", "电话告知，满意", "Customer told"):
            assert text in page, text
        assert step(browser, address, "close").status_code == 303
        assert ">Closed</span>" in browser.get(address).text and f"{address}/change" not in browser.get(address).text
        assert step(browser, address, "reopen", "x").status_code == 409
        changed = browser.post(f"{address}/change", {"area": "1", "content": "x"}, page=f"{address}/slip")
        assert changed.status_code in (404, 409)
    with desk.database.read() as session:
        row = session.scalars(select(Opinion)).one()
        assert row.answered_at is not None and row.closed_date == DAY and b"13800138000" not in row.phone_sealed
    assert {to for _from, to in MOVES.values()} == STATES.keys() - {"new"}


@pytest.mark.feature("K3-067", "K3-062", "K3-071", "K3-072", "K3-070", "EF-039")
def test_opinions_are_queried_by_kind_and_time_corrected_printed_and_deleted_with_a_reason(desk):
    with desk.browser("hana") as browser:
        codes = browser.get("/member-codes/opinion").text
        assert "企业形象及文化" in codes and "价格标准" in codes
        new_area = {"code": "9", "name_zh": "停车", "name_en": "Parking"}
        browser.post("/member-codes/opinion", {**new_area, "is_offered": "on"})
        first = write(browser, kind="suggestion", area="9", occurred_date="2025-12-01", content="多些车位")
        second = write(browser, area="2", occurred_date="2025-12-20", occurred_minute="10:30")
        third = write(browser, kind="enquiry", area="2")
        assert listed(browser) == [3, 2, 1]
        assert listed(browser, "kind=suggestion") == [1] and listed(browser, "area=2") == [3, 2]
        assert listed(browser, "since=2025-12-10&until=2025-12-31") == [2]
        assert "2025-12-20 10:30" in browser.get(second).text and "data-print" in browser.get("/opinions").text
        assert "多些车位" in browser.get(f"{first}/slip").text
        form = browser.get(f"{first}/change").text
        version = re.findall(r'name="version" value="(\d+)"', form)[0]
        values = {"kind": "suggestion", "area": "9", "content": "多些车位和充电桩", "version": version}
        assert browser.post(f"{first}/change", values).status_code == 303
        assert "充电桩" in browser.get(first).text
        stale = browser.post(f"{first}/change", values)
        assert stale.status_code == 409 and "load it again" in stale.text
        late = {"kind": "complaint", "area": "2", "content": "x", "occurred_date": "2027-01-01"}
        assert "later than now" in browser.post("/opinions/new", late).text
        refused = browser.post(f"{third}/delete", {"reason": ""}, page=third)
        assert refused.status_code == 409
        assert browser.post(f"{third}/delete", {"reason": "entered twice"}, page=third).status_code == 303
        assert browser.get(third).status_code == 404 and listed(browser) == [2, 1]
        with desk.database.writer.begin() as connection:
            connection.execute(update(switches).values(business_date=DAY + 8))
        assert listed(browser, "stage=late") == [2, 1]
        with desk.browser("ada") as ada:
            assert ada.post(f"{first}/delete", {"reason": "x"}, page=first).status_code == 403
    with desk.database.read() as session:
        deleted = select(AuditRow).where(AuditRow.module == "opinions", AuditRow.action == "delete")
        gone = session.scalars(deleted.where(AuditRow.outcome == "done")).one()
        assert "entered twice" in gone.detail and "太贵" in gone.detail


def workbook(*rows):
    """Bytes of an xlsx file."""
    target = io.BytesIO()
    with Workbook(target) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return target.getvalue()


def upload(browser, content, name="opinions.xlsx"):
    """Send a file."""
    files = {"file": (name, content)}
    fields = {"_csrf_token": browser.token("/opinions/import")}
    return browser.client.post("/opinions/import", data=fields, files=files, follow_redirects=False)


@pytest.mark.feature("K3-069")
def test_a_file_is_taken_over_whole_or_not_at_all(desk):
    heading = ("Kind", "What about", "In the customer's words", "Day", "Telephone", "Department")
    good = ("Complaint", "Price standard", "太贵", "2025-12-03", "13800138000", "生鲜部")
    with desk.browser("ada") as browser:
        wrong = upload(browser, workbook(heading, good, ("Complaint", "Weather", "", "soon", "", "")))
        assert wrong.status_code == 409 and "3 cells are wrong" in wrong.text and "Choose one of the list" in wrong.text
        assert listed(browser) == []
        assert upload(browser, workbook(heading, good, ("Enquiry", "3", "几点开门", "", "", ""))).status_code == 303
        assert listed(browser) == [2, 1]
        assert "Hana" in browser.get("/opinions/1").text  # the head of its department
        chinese = ("种类", "内容方面", "客户原话")
        template = browser.get("/opinions/import/template").content.decode("utf-8-sig")
        assert template.startswith("Kind,What about,In the customer's words") and len(chinese) == 3
        nothing = upload(browser, workbook(("Colour",), ("red",)))
        assert nothing.status_code == 409 and "has no column" in nothing.text
        later = ("Complaint", "2", "x", "2030-01-01", "", "")
        assert "later than now" in upload(browser, workbook(heading, good, later)).text
        assert listed(browser) == [2, 1]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_stores_see_their_own_and_what_they_handle(desk):
    with desk.browser("hana") as browser:
        south = add(browser, "赵敏", organisation_id=str(SOUTH_STORE))
        address = write(browser, member_id=str(south))
        with desk.browser("nora") as nora:
            assert listed(nora) == [] and nora.get(address).status_code == 404
            assert step(nora, "/opinions/1", "assign", department_id="1").status_code in (404, 409)
            mine = write(nora)
            assert listed(nora) == [2] and nora.get(mine).status_code == 200
    with desk.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Opinion)) == 2


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_programs_handle_opinions_too(desk):
    with desk.program(desk.token("hana")) as program:
        body = {"kind": "complaint", "area": 2, "content": "太贵", "phone": "13800138000", "department_id": 1}
        number = program.post("/api/v1/opinions", json=body).json()["id"]
        one = program.get(f"/api/v1/opinions/{number}").json()
        assert (one["opinion"]["state"], one["phone"]) == ("assigned", "138****8000")
        path = f"/api/v1/opinions/{number}/steps"
        assert program.post(path, json={"act": "close"}).status_code == 409
        for act in ("handle", "effect", "feed-back"):
            assert program.post(path, json={"act": act, "text": "x"}).status_code == 200
        assert program.post(path, json={"act": "close"}).json()["opinion"]["state"] == "closed"
        assert program.post(f"/api/v1/opinions/{number}/delete", json={"reason": ""}).status_code == 409
        listed_ = program.get("/api/v1/opinions?stage=open").json()
        assert listed_ == {"rows": [], "next": None}
