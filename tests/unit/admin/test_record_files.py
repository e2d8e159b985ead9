"""Purchases, churn and suggestions from files; good rows without the others; an import of members taken back."""

import os
import signal
import subprocess
import sys

import msgspec
import pytest
from sqlalchemy import func, select

from admin.members import taking
from admin.members.sheets import read_sheet
from admin.models.audit import AuditRow
from admin.models.consumption import Consumption
from admin.models.members import ChurnRecord, ContactEntry, Member, MemberContact, MemberImport, member_keys
from admin.settings import SETTINGS_FILE_VARIABLE, write_settings
from tests.support.admin_members import ZHANG_ID, add, found, hold, send
from tests.support.admin_office import NORTH, SOUTH_STORE

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def clerk(office):
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    with office.browser("hana") as browser:
        yield browser


def send_file(browser, kind, *rows, name="rows.csv"):
    """Upload a file; the answer."""
    return browser.client.post(
        "/member-import",
        data={"_csrf_token": browser.token("/member-import"), "kind": kind},
        files={"file": (name, "\r\n".join(rows).encode())},
        follow_redirects=False,
    )


def take(office, browser, page):
    assert send(browser, f"{page}/take", page).status_code == 303
    work(office)


def work(office):
    taker = taking.Taker(office.service, office.app.state.references)
    while taker.work():
        pass


def rows_of(office, model):
    with office.database.read() as session:
        rows = session.scalars(select(model).order_by(model.id)).all()
        session.expunge_all()
    return rows


@pytest.mark.feature("K3-043")
def test_purchases_come_from_a_file_with_a_dry_run_faults_per_row_and_once(office, clerk):
    zhang = add(clerk, "张伟", mobile="13812345678", id_number=ZHANG_ID)
    south = add(clerk, "南方人", organisation_id=str(SOUTH_STORE))
    heading = "会员编号,手机号,日期,商品名称,数量,金额,Service"
    rows = (
        f"{zhang},,2025-12-24,茶叶,1.5,128.00,",
        ",138 1234 5678,2025年12月25日,洗车,2,,30",
        ",13999999999,2025-12-24,茶叶,1,5,",
        f"{zhang},,2027-01-01,茶叶,1,5,",
        f"{zhang},,2025-12-26,茶叶,viele,5,",
        f"{zhang},,2025-12-24,茶叶,1.5,128.00,",
        f"{zhang},,2025-12-27,茶叶,,,",
    )
    assert "kind=consumption" in clerk.get("/member-import").text
    template = read_sheet(clerk.get("/member-import/template?form=csv&kind=consumption").content + b"\r\nx")[0]
    assert template[:4] == ["Member number", "Own number", "Mobile phone", "ID number"] and "Quantity" in template
    page = send_file(clerk, "consumption", heading, *rows).headers["location"]
    text = clerk.get(page).text
    for row, column, value, message in (
        (4, "会员编号", "", ""),
        (4, "手机号", "13999999999", "There is no such member"),
        (5, "日期", "2027-01-01", "At most 2026-01-01"),
        (6, "数量", "viele", "A quantity such as 1.5"),
        (7, "会员编号", str(zhang), "The same record stands in row 2"),
        (8, "Goods", "", "at least one of the four"),
    ):
        if message:
            line = f'<tr><td class="number">{row}</td><td>{column}</td><td>{value}</td><td>'
            assert line in text and message in text.partition(line)[2][:120], (row, column)
    take(office, clerk, page)
    assert "faults: mend them" in clerk.get(page).text and rows_of(office, Consumption) == []  # all or nothing
    choices = {"duplicates": "refuse", "organisation_id": "0", "is_good_only": "on"}
    columns = ["member", "mobile", "business_date", "product", "quantity", "goods_minor", "service_minor"]
    assert send(clerk, f"{page}/choices", page, **choices, column=columns).status_code == 303
    assert "Take 2 rows over" in clerk.get(page).text
    take(office, clerk, page)
    done = clerk.get(page).text
    assert "2 new, 0 changed" in done and "5 rows could not be taken over" in done
    first, second = rows_of(office, Consumption)
    assert (first.member_id, first.product, first.quantity_milli, first.amount_minor) == (zhang, "茶叶", 1500, 128_00)
    assert (second.member_id, second.quantity_milli, second.service_minor) == (zhang, 2000, 30_00)
    assert "茶叶" in clerk.get("/member-consumption?from_date=2025-12-01&to_date=2025-12-31").text
    again = send_file(clerk, "consumption", heading, *rows)
    assert again.status_code == 409 and "taken over already" in again.text
    # Another file with the same purchase: what is noted already is a fault, or left out, or wanted twice.
    page = send_file(clerk, "consumption", heading, rows[0], f"{zhang},,2025-12-28,茶叶,1,9,").headers["location"]
    assert "There is such a record already" in clerk.get(page).text
    for duplicates, count in (("skip", 1), ("add", 2)):
        send(clerk, f"{page}/choices", page, duplicates=duplicates, organisation_id="0", column=columns)
        assert f"Take {count} row" in clerk.get(page).text
    send(clerk, f"{page}/choices", page, duplicates="skip", organisation_id="0", column=columns)
    take(office, clerk, page)
    assert len(rows_of(office, Consumption)) == 3
    office.add_user("nora", "card-desk", organisation_id=NORTH)
    with office.browser("nora") as nora:
        page = send_file(nora, "consumption", heading, f"{south},,2025-12-28,茶叶,1,9,").headers["location"]
        assert "another part of the organisation" in nora.get(page).text


@on_sqlite
@pytest.mark.feature("K3-054", "K3-069")
def test_churn_and_suggestions_come_from_files_and_columns_are_remembered(office, clerk):
    zhang, li = add(clerk, "张伟", mobile="13812345678"), add(clerk, "李雷", mobile="13912345678")
    page = send_file(clerk, "churn", "手机,谁知道,原因", "13812345678,Confirmed,搬家", "13912345678,怀疑,").headers[
        "location"
    ]
    columns = ["mobile", "stage", "reason"]
    send(clerk, f"{page}/choices", page, duplicates="refuse", organisation_id="0", column=columns)
    assert "one of the list" in clerk.get(page).text
    send(clerk, f"{page}/drop", page)
    text = ("手机,谁知道,原因", "13812345678,Confirmed,搬家", "13912345678,candidate,价格")
    page = send_file(clerk, "churn", *text).headers["location"]
    assert "Take 2 rows over" in clerk.get(page).text  # the column that nobody could guess is read as it was before
    take(office, clerk, page)
    first, second = rows_of(office, ChurnRecord)
    assert (first.member_id, first.stage, first.reason) == (zhang, "confirmed", "搬家")
    assert (second.member_id, second.stage) == (li, "candidate")
    assert "搬家" in clerk.get("/member-churn").text
    with office.database.read() as session:
        assert [session.get_one(Member, number).state for number in (zhang, li)] == ["churned", "active"]
    rows = ("手机,日期,建议内容,Channel", "13812345678,2025-12-30,多开一个收银台,Web")
    page = send_file(clerk, "contacts", *rows).headers["location"]
    take(office, clerk, page)
    (talk,) = rows_of(office, ContactEntry)
    assert (talk.member_id, talk.kind, talk.channel) == (zhang, "suggestion", "web")
    assert "多开一个收银台" in clerk.get("/member-contacts?kind=suggestion").text
    with office.database.read() as session:
        noted = session.scalars(select(AuditRow).where(AuditRow.action == "import")).all()
    assert ['"rows":"churn"' in row.detail for row in noted] == [True, False]
    office.add_user("mara", "marketing")
    with office.browser("mara") as mara:
        assert mara.get("/member-import").status_code == 403


DIE = """
import os, sys
from admin.members import importer, taking
left = 2
plain = taking.Taker._move
def dying(*arguments):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
    plain(*arguments)
taking.Taker._move = dying
from admin.processes import run_process
sys.exit(run_process("importer", importer.run))
"""


@on_sqlite
def test_killed_while_it_takes_purchases_over_each_is_noted_once(office, clerk, tmp_path):
    zhang = add(clerk, "张伟")
    count = 2 * taking.ROWS_AT_ONCE + 7
    rows = (f"{zhang},2025-12-01,茶{n},1" for n in range(count))
    page = send_file(clerk, "consumption", "Member number,日期,商品,金额", *rows).headers["location"]
    assert send(clerk, f"{page}/take", page).status_code == 303
    path = tmp_path / "admin.toml"
    url = office.database.url.render_as_string(hide_password=False)
    write_settings(path, msgspec.structs.replace(office.settings, database_url=url))
    environment = {**os.environ, SETTINGS_FILE_VARIABLE: str(path)}
    killed = subprocess.run([sys.executable, "-c", DIE], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL and len(rows_of(office, Consumption)) == taking.ROWS_AT_ONCE
    work(office)
    assert [row.product for row in rows_of(office, Consumption)] == [f"茶{n}" for n in range(count)]


@pytest.mark.feature("GJ-009")
def test_an_import_of_members_is_taken_back_but_for_those_who_were_used(office, clerk):
    kept = add(clerk, "先来", mobile="13700000000")
    rows = (f"会员{n},139{n:08d},T{n}" for n in range(150))
    page = send_file(clerk, "members", "姓名,手机,原编号", *rows).headers["location"]
    take(office, clerk, page)
    numbers = sorted(set(found(clerk, "会员")) | {row.id for row in rows_of(office, Member)} - {kept})
    numbers = [row.id for row in rows_of(office, Member) if row.id != kept]
    assert len(numbers) == 150
    hold(office, numbers[0], balance_minor=1)
    send(clerk, f"/members/{numbers[1]}/churn", f"/members/{numbers[1]}", stage="candidate", kind="0")
    send(clerk, f"/members/{numbers[2]}/contacts", f"/members/{numbers[2]}", kind="talk", channel="store", content="x")
    with office.database.write() as session:  # as any change of the record does
        session.get_one(Member, numbers[3]).version += 1
    text = clerk.get(page).text
    used = 150 - int(text.partition("Withdraw ")[2].partition(" ")[0])
    assert used == 4 and "146 members whom it added were not used" in text and "4 members stay" in text
    assert send(clerk, f"{page}/withdraw", page).status_code == 303
    assert "Being withdrawn" in clerk.get(page).text
    work(office)
    assert [row.id for row in rows_of(office, Member)] == [kept, *numbers[:4]]
    text = clerk.get(page).text
    assert "146 members withdrawn" in text and "Withdraw 1" not in text
    assert found(clerk, "13900000077") == [] and found(clerk, "13900000001") == [numbers[1]]
    with office.database.read() as session:
        owners = set(session.scalars(select(member_keys.c.member_id)))
        assert owners == {kept, *numbers[:4]}
        assert session.scalar(select(func.count()).select_from(MemberContact)) == 5
        actions = [row.action for row in session.scalars(select(AuditRow).order_by(AuditRow.id))]
        assert actions.index("begin withdrawal") < actions.index("withdraw import")
        row = session.scalars(select(MemberImport)).one()
        assert (row.stage, row.withdrawn_count) == ("undone", 146)
    assert send(clerk, f"{page}/withdraw", page).status_code == 409
    # The file may come again, and finds the three who stayed.
    again = send_file(clerk, "members", "姓名,手机,原编号", *(f"会员{n},139{n:08d},T{n}" for n in range(150)))
    assert again.status_code == 303 and "Member" in clerk.get(again.headers["location"]).text
