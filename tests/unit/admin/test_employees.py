"""Employees and who belongs to whom: records of staff, what names them, dealers with their own members, passwords."""

import json
import re

import pytest
from sqlalchemy import select

from admin.models.audit import AuditRow
from admin.models.employees import Employee
from admin.models.members import Member
from switch.protocol.messages import OrganisationNode
from switch.protocol.records import OrganisationRecord
from tests.support.admin_members import BASICS, add, found
from tests.support.admin_office import HQ, NORTH, NORTH_CARD, NORTH_STORE, PASSWORD, SOUTH, SOUTH_STORE
from tests.support.admin_orders import order

DEALER, OTHER_DEALER = 41, 42
LI = {
    "number": "E-0815",
    "full_name": "李红",
    "organisation": str(NORTH_STORE),
    "position": "收银员",
    "phone": "13812345678",
    "hired_date": "2025-03-01",
    "user": "0",
}


def record(browser, **fields):
    """Record an employee; the address of the page, or what the form says."""
    answer = browser.post("/employees/new", {**LI, **fields})
    return answer.headers["location"] if answer.status_code == 303 else answer.text


@pytest.mark.feature("VC-079", "K3-140")
def test_employee_data_is_recorded_in_a_module_with_rights_of_its_own(office):
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    office.add_user("gus", "auditor")
    office.add_user("nora", "hq-supervisor", organisation_id=NORTH)
    with office.browser("hana") as hana:
        menu = hana.get("/").text.partition("</nav>")[0]
        assert "Employee management" in menu and 'href="/employees"' in menu
        assert "No employees yet" in hana.get("/employees").text
        place = record(hana)
        page = hana.get(place).text
        assert "李红" in page and "收银员" in page and "13812345678" in page and "2025-03-01" in page
        assert "李红" in hana.get("/employees?q=E-08").text and "李红" not in hana.get("/employees?q=x").text
        assert "staff number already" in record(hana, full_name="another")
        assert "before the first day" in record(hana, number="E-1", left_date="2024-01-01")
        south = record(hana, number="E-2", full_name="王南", organisation=str(SOUTH_STORE))
        changed = hana.post(place, LI | {"position": "店长", "left_date": "2026-01-01"})
        assert changed.status_code == 303
        assert "李红" not in hana.get("/employees").text and "店长" in hana.get("/employees?left=on").text
    with office.browser("gus") as gus:
        assert 'href="/employees"' not in gus.get("/").text and gus.get("/employees").status_code == 403
        assert gus.get(place).status_code == 403
    with office.browser("nora") as nora:
        assert nora.get(place).status_code == 200 and nora.get(south).status_code == 404
        assert "Choose one of the list." in record(nora, number="E-3", organisation=str(SOUTH))
        assert nora.post(south, LI, page=place).status_code in (404, 409)
    with office.database.read() as session:
        row = session.scalars(select(Employee).where(Employee.number == "E-0815")).one()
        rows = session.scalars(select(AuditRow).where(AuditRow.module == "employees")).all()
        told = [json.loads(one.detail or "{}") for one in rows]
    assert row.phone_sealed is not None and b"13812345678" not in row.phone_sealed
    assert any(one.get("after", {}).get("position") == "店长" for one in told)
    assert "13812345678" not in json.dumps(told)


def test_a_telephone_is_masked_and_stays_when_it_comes_back_masked(office):
    office.add_user("hana", "hq-supervisor")
    with office.browser("hana") as hana:
        place = record(hana, organisation="0")
        custom = {"name": "staff", "label": "Staff", "rights": ["employees.view", "employees.change"]}
        with office.program(office.token("hana")) as program:
            program.post("/api/v1/roles", json=custom)
    office.add_user("boss", "administrator", totp=True)
    with office.browser("boss") as boss, office.program(office.token("boss")) as program:
        assert program.post("/api/v1/roles", json=custom).status_code in (200, 201)
        assert boss.get("/employees").status_code == 200
    office.add_user("staff", "staff")
    with office.browser("staff") as staff:
        page = staff.get(place).text
        assert "138****5678" in page and "13812345678" not in page
        kept = LI | {"organisation": "0", "phone": "138****5678", "note": "on leave"}
        assert staff.post(place, kept).status_code == 303
    with office.browser("hana") as hana:
        page = hana.get(place).text
        assert "13812345678" in page and "on leave" in page


@pytest.mark.feature("VC-080")
def test_records_name_the_employee_who_made_them(office):
    office.put_two_regions()
    number = office.add_user("li", "hq-supervisor")
    office.add_user("boss", "administrator", totp=True)
    with office.browser("li") as li:
        reference = office.app.state.references.make(NORTH_CARD)
        place = order(li, "freeze-cards", cards=reference, reason="7")
        member = add(li, "张伟", mobile="13812345678")
    with office.browser("boss") as boss:
        page = boss.get(record(boss, user=str(number))).text
        assert place in page and "Freeze cards" in page and f"member {member}" in page
        assert "Li" in boss.get(place).text  # the document itself names who made it
        assert "another employee" in record(boss, number="E-9", user=str(number))


@pytest.mark.feature("VC-083")
def test_a_dealer_manages_its_own_members_and_no_others(office):
    office.put_two_regions()
    office.put(
        OrganisationRecord(organisation_id=DEALER, node=OrganisationNode.DEALER, parent_id=HQ),
        OrganisationRecord(organisation_id=OTHER_DEALER, node=OrganisationNode.DEALER, parent_id=HQ),
    )
    office.add_user("hana", "hq-supervisor")
    office.add_user("wang", "hq-supervisor", organisation_id=DEALER)
    with office.browser("hana") as hana:
        others = [
            add(hana, "甲店会员", organisation_id=str(OTHER_DEALER)),
            add(hana, "北店会员", organisation_id=str(NORTH_STORE)),
        ]
    with office.browser("wang") as wang:
        own = add(wang, "王的会员", organisation_id=str(DEALER), mobile="13912345678")
        assert found(wang, "") == [own]
        page = wang.get(f"/members/{own}").text
        assert "王的会员" in page
        version = re.findall(r'name="version" value="(\d+)"', wang.get(f"/members/{own}/edit").text)[0]
        renamed = BASICS | {"organisation_id": str(DEALER), "name": "王的老会员", "version": version}
        changed = wang.post(f"/members/{own}/edit", renamed)
        assert changed.status_code == 303 and "王的老会员" in wang.get(f"/members/{own}").text
        for other in others:
            for part in ("", "/edit", "/merge"):
                assert wang.get(f"/members/{other}{part}").status_code == 404
            for act in ("state", "tags", "primary", "contacts"):
                token = wang.token(f"/members/{own}")
                answer = wang.client.post(f"/members/{other}/{act}", data={"_csrf_token": token, "state": "closed"})
                assert answer.status_code == 409, act
        moved = wang.post("/members/new", BASICS | {"organisation_id": str(OTHER_DEALER), "name": "x"})
        assert moved.status_code != 303
        with office.program(office.token("wang")) as program:
            rows = program.get("/api/v1/members").json().get("rows")
            assert rows is None or [row["id"] for row in rows] in ([own], [str(own)])
    with office.browser("hana") as hana:
        assert set(found(hana, "")) == {own, *others}
    with office.database.read() as session:
        assert {row.name for row in session.scalars(select(Member))} == {"王的老会员", "甲店会员", "北店会员"}


@pytest.mark.feature("VC-173")
def test_everybody_changes_his_own_password(office):
    office.add_user("nora", "card-desk")
    new = "another horse, another battery"
    with office.browser("nora") as nora, office.browser("nora") as elsewhere:
        assert "Change password" in nora.get("/account").text
        fields = {"old": "wrong", "new": new, "again": new}
        assert "present password is wrong" in nora.post("/account/password", fields, page="/account").text
        fields["old"] = PASSWORD
        assert nora.post("/account/password", fields | {"again": "x"}, page="/account").status_code != 303
        done = nora.post("/account/password", fields, page="/account")
        assert done.status_code == 303, done.text
        assert nora.get("/cards").status_code == 200
        assert elsewhere.get("/cards").headers["location"].startswith("/login")  # other sessions end
    with office.browser() as browser:
        assert browser.sign_in("nora").status_code != 303
        assert browser.sign_in("nora", new).status_code == 303
