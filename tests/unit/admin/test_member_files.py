"""Members in and out by files: headings, faults, once and whole (also when killed), masking, formulas, rights."""

import io
import os
import re
import signal
import subprocess
import sys

import msgspec
import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import func, select

from admin.errors import RefusedError
from admin.members.seals import Vault
from admin.members.sheets import csv_bytes, read_sheet
from admin.members.taking import ROWS_AT_ONCE, Taker, begin, stop
from admin.models.audit import AuditRow
from admin.models.members import Member, MemberContact, MemberImport, member_keys
from admin.models.people import User
from admin.people.sign_in import find_visitor
from admin.settings import SETTINGS_FILE_VARIABLE, write_settings
from tests.support.admin_members import ZHANG_ID, add, buy, found, hold, send
from tests.support.admin_office import NORTH, SOUTH_STORE

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HEADING = "姓名,性别,手机号,身份证号码,生日,兴趣爱好,地区,门店,没见过的列"
GOOD = [
    "张伟,男,13812345678,,1990年5月3日,美食、旅游,上海,21,x",
    f"单明明,女,+86 139 1234 5678,{ZHANG_ID},,,310000,31,",
]


@pytest.fixture
def clerk(office):
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    with office.browser("hana") as browser:
        yield browser


def send_file(browser, content, name="members.csv"):
    """Upload a file; the answer."""
    token = browser.token("/member-import")
    return browser.client.post(
        "/member-import", data={"_csrf_token": token}, files={"file": (name, content)}, follow_redirects=False
    )


def take(office, browser, page):
    """Press the button, and let the importer work until nothing is left."""
    assert send(browser, f"{page}/take", page).status_code == 303
    assert "hx-trigger" in browser.get(page).text  # the page looks again by itself
    work(office)


def work(office):
    taker = Taker(office.service, office.app.state.references)
    while taker.work():
        pass


def text_of(*rows):
    return "\r\n".join([HEADING, *rows]).encode("gb18030")


@pytest.mark.feature("GJ-004")
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig"])
def test_a_file_is_looked_at_taken_over_whole_and_never_again(office, clerk, encoding):
    content = text_of(*GOOD).decode("gb18030").encode(encoding)
    shown = send_file(clerk, content)
    assert shown.status_code == 303
    page = shown.headers["location"]
    text = clerk.get(page).text
    assert "Take 2 rows over" in text, re.findall(r"<tr><td class=.number.>.*", text)
    assert "没见过的列" in text
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Member)) == 0
        kept = session.scalars(select(MemberImport)).one()
        assert "张伟".encode(encoding) not in bytes(kept.content_sealed)
    take(office, clerk, page)
    assert "2 new, 0 changed" in clerk.get(page).text
    zhang, shan = found(clerk, "")
    assert found(clerk, "zw") == [zhang] and found(clerk, ZHANG_ID) == [shan] and found(clerk, "13912345678") == [shan]
    assert found(clerk, "", organisation=str(SOUTH_STORE)) == [shan]
    record = clerk.get(f"/members/{zhang}").text
    for text in ("1990-05-03", "Food, Travel", "310000 Shanghai", "Male"):
        assert text in record, text
    again = send_file(clerk, content)
    assert again.status_code == 409 and "taken over already" in again.text
    assert send(clerk, f"{page}/take", "/member-import").status_code == 409
    with office.database.read() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.action == "import")).all()
        assert len(rows) == 1 and '"added":2' in rows[0].detail
        assert session.scalars(select(MemberImport.content_sealed)).all() == [None]


@on_sqlite
def test_every_fault_is_told_with_its_row_column_and_value_and_nothing_is_taken(office, clerk):
    add(clerk, "旧人", mobile="13800000000")
    content = text_of(
        "张伟,男,12,,1990-02-30,,,21,",
        ",男,13812345678,,,,,99,",
        GOOD[1],
        f"第二,女,,{ZHANG_ID},,,,31,",
        "旧人,,13800000000,,,,,21,",
        "=cmd|' /C calc'!A0,女,13912345670,110105194912310021,,集邮,,21,",
    )
    page = send_file(clerk, content).headers["location"]
    text = clerk.get(page).text
    for row, column, value, message in (
        (2, "手机号", "12", "5 to 20 digits"),
        (2, "生日", "1990-02-30", "A date such as"),
        (3, "Full name", "", "Fill this in"),
        (3, "门店", "99", "one of the list"),
        (5, "身份证号码", ZHANG_ID, "stands in row 4"),
        (6, "手机号", "13800000000", "is there already"),
        (7, "兴趣爱好", "集邮", "one of the list"),
    ):
        line = f'<tr><td class="number">{row}</td><td>{column}</td><td>{value}</td><td>'
        assert line in text and message in text.partition(line)[2][:120], (row, column)
    take(office, clerk, page)
    assert "The file has 7 faults" in clerk.get(page).text and len(found(clerk, "")) == 1
    faults = clerk.get(f"{page}/faults")
    rows = faults.content.decode("utf-8-sig").splitlines()
    assert (
        len(rows) == 6 and rows[0].endswith(",Fault") and rows[-1].startswith("'=cmd") and "5 to 20 digits" in rows[1]
    )
    assert read_sheet(faults.content)[-1][0].startswith("=cmd")  # mended, it can be sent again
    choices = {
        "duplicates": "skip",
        "organisation_id": "21",
        "column": ["name", "sex", "mobile", "", "", "", "", "", ""],
    }
    assert send(clerk, f"{page}/choices", page, **choices).status_code == 303
    assert "Faults" in clerk.get(page).text and "Left out" in clerk.get(page).text
    twice = send(clerk, f"{page}/choices", page, **(choices | {"column": ["name", "name", "", "", "", "", "", "", ""]}))
    assert twice.status_code == 409
    office.add_user("nora", "card-desk", organisation_id=NORTH)
    with office.browser("nora") as nora:
        assert nora.get(page).status_code == 404  # another one's file
    assert send(clerk, f"{page}/drop", page).status_code == 303 and "Thrown away" in clerk.get(page).text


@on_sqlite
def test_people_who_are_there_already_are_changed_where_the_file_says_something(office, clerk):
    number = add(clerk, "张伟", mobile="13812345678", address="长安街", sex="1")
    rows = "手机,姓名,家庭住址,邮编\r\n13812345678,张伟大,,100000\r\n".encode()
    page = send_file(clerk, rows).headers["location"]
    choices = {"duplicates": "update", "organisation_id": "21", "column": ["mobile", "name", "address", "postcode"]}
    send(clerk, f"{page}/choices", page, **choices)
    take(office, clerk, page)
    record = clerk.get(f"/members/{number}").text
    assert "张伟大" in record and "长安街" in record and "100000" in record and "Male" in record
    assert found(clerk, "大") == [number] and found(clerk, "") == [number]
    office.add_user("nora", "card-desk", organisation_id=NORTH)
    add(clerk, "南方人", mobile="13700000000", organisation_id=str(SOUTH_STORE))
    with office.browser("nora") as nora:
        page = send_file(nora, "手机,姓名\r\n13700000000,x\r\n".encode()).headers["location"]
        send(nora, f"{page}/choices", page, duplicates="update", organisation_id="21", column=["mobile", "name"])
        assert "another part" in nora.get(page).text


@on_sqlite
@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x81", b"PK\x03\x04nothing", b"\xd0\xcf\x11\xe0x", b"a", b"\0" * 99, b'"a\n1']
)
def test_what_is_no_table_is_refused_with_a_reason(office, clerk, content):
    assert send_file(clerk, content).status_code in (400, 409)


@on_sqlite
def test_the_template_comes_back_as_it_was_and_numbers_of_excel_are_read_as_texts(office, clerk, tmp_path):
    from xlsxwriter import Workbook

    template = CalamineWorkbook.from_filelike(io.BytesIO(clerk.get("/member-import/template").content))
    heading = template.get_sheet_by_index(0).to_python()[0]
    assert heading[:3] == ["Member number", "Full name", "Person or company"] and "Mobile phone" in heading
    with Workbook(str(tmp_path / "x.xlsx")) as workbook:
        sheet = workbook.add_worksheet()
        for column, (name, value) in enumerate(
            {"Name": "张伟", "Mobile phone": 13812345678.0, "Member number": 77}.items()
        ):
            sheet.write(0, column, name)
            sheet.write(1, column, value)
    page = send_file(clerk, (tmp_path / "x.xlsx").read_bytes(), "x.xlsx").headers["location"]
    take(office, clerk, page)
    assert found(clerk, "13812345678") == [77]
    assert add(clerk, "next") > 77


@pytest.mark.feature("HD-003", "GJ-009", "GJ-090")
def test_a_list_is_exported_as_it_is_filtered_masked_and_without_formulas(office, clerk):
    zhang = add(clerk, "=1+1", mobile="13812345678", id_number=ZHANG_ID, region="110000")
    add(clerk, "另一个", region="120000")
    hold(office, zhang, balance_minor=12_34, points_hundredths=150)
    buy(office, 1, 100_00)
    for address, is_whole in (("/member-export?region=110000", False), ("/member-export?region=110000&whole=1", True)):
        rows = CalamineWorkbook.from_filelike(io.BytesIO(clerk.get(address).content)).get_sheet_by_index(0).to_python()
        cells = dict(zip(rows[0], rows[1], strict=True))
        assert len(rows) == 2 and cells["Full name"] == "=1+1" and cells["Member number"] == zhang
        assert cells["Mobile phone"] == ("13812345678" if is_whole else "138****5678")
        assert (cells["ID number"] == ZHANG_ID) == is_whole
        assert (cells["Spent"], cells["Visits"], cells["Balance"], cells["Points"]) == (100.0, 1.0, 12.34, 1.5)
    text = clerk.get("/member-export?form=csv&q=13812345678").content.decode("utf-8-sig")
    assert "'=1+1" in text and ",=1+1" not in text
    office.add_user("mara", "marketing")
    office.add_user("dora", "card-desk")
    with office.browser("mara") as mara:
        rows = mara.get("/member-export?form=csv&whole=1").content.decode("utf-8-sig")
        assert ZHANG_ID not in rows and "13812345678" not in rows
    with office.browser("dora") as dora:
        assert dora.get("/member-export").status_code == 403
    with office.database.read() as session:
        audited = session.scalars(select(AuditRow).where(AuditRow.action == "export", AuditRow.outcome == "done")).all()
    assert len(audited) == 4 and '"whole":true' in audited[1].detail and '"whole":false' in audited[3].detail


def test_cells_that_begin_like_formulas_are_made_harmless_and_read_back():
    rows = [["a", "b"], ["=1", "+2"], ["-3", "@x"]]
    assert b"'=1,'+2" in csv_bytes(rows) and read_sheet(csv_bytes(rows)) == rows


@on_sqlite
def test_an_import_can_be_stopped_says_how_far_it_came_and_goes_on_behind_that(office, clerk):
    count = 2 * ROWS_AT_ONCE + 1
    page = send_file(clerk, many(count)).headers["location"]
    send(clerk, f"{page}/take", page)
    taker = Taker(office.service, office.app.state.references)
    assert taker.work()
    text = clerk.get(page).text
    assert f"{ROWS_AT_ONCE} of {count} rows are dealt with" in text and "<progress" in text
    assert send(clerk, f"{page}/stop", page).status_code == 303
    assert not taker.work() and len(members(office)) == ROWS_AT_ONCE
    text = clerk.get(page).text
    assert "Stopped" in text and f"Take the other {count - ROWS_AT_ONCE} rows over" in text
    assert f"{ROWS_AT_ONCE} new, 0 changed" in text
    take(office, clerk, page)
    assert f"{count} new, 0 changed" in clerk.get(page).text and members(office) == names(count)
    assert send(clerk, f"{page}/stop", "/member-import").status_code == 409
    page = send_file(clerk, many(count, "140")).headers["location"]
    send(clerk, f"{page}/take", page)
    Taker(office.service, office.app.state.references).work()
    send(clerk, f"{page}/stop", page)
    assert send(clerk, f"{page}/drop", page).status_code == 303
    text = clerk.get(page).text
    assert "Thrown away" in text and f"{ROWS_AT_ONCE} of {count} rows" in text
    assert len(members(office)) == count + ROWS_AT_ONCE


@on_sqlite
def test_who_comes_while_a_file_is_taken_over_is_a_fault_of_one_row(office, clerk):
    count = ROWS_AT_ONCE + 3
    page = send_file(clerk, many(count)).headers["location"]
    send(clerk, f"{page}/take", page)
    taker = Taker(office.service, office.app.state.references)
    taker.work()
    number = add(clerk, "先来", mobile=f"139{count - 1:08d}")
    while taker.work():
        pass
    text = clerk.get(page).text
    assert f"{count - 1} new" in text and "1 row could not be taken over" in text
    assert f'<tr><td class="number">{count + 1}</td><td>手机</td><td>Member {number} is there already' in text
    assert sorted(members(office)) == sorted([*names(count - 1), "先来"])


@on_sqlite
def test_who_may_no_longer_add_members_takes_nothing_over(office, clerk):
    page = send_file(clerk, many(3)).headers["location"]
    send(clerk, f"{page}/take", page)
    with office.database.write() as session:
        session.scalars(select(User).where(User.name == "hana")).one().is_enabled = False
    work(office)
    with office.database.read() as session:
        row = session.scalars(select(MemberImport)).one()
    assert (row.stage, row.taken_count) == ("open", 0) and row.problem and members(office) == []


def many(count, prefix="139"):
    return "\n".join(["姓名,手机", *(f"会员{n},{prefix}{n:08d}" for n in range(count))]).encode()


def names(count):
    return [f"会员{n}" for n in range(count)]


def members(office):
    """Names in the order of their numbers."""
    with office.database.read() as session:
        return list(session.scalars(select(Member.name).order_by(Member.id)))


TAKE_AND_DIE = """
import os, sys
from admin.members import importer, taking
left = int(sys.argv[1])
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
"""An importer that is killed in its n-th transaction, with members written and the place behind them not."""


def test_killed_in_any_transaction_it_takes_each_row_over_once(office, clerk, tmp_path):
    count = 4 * ROWS_AT_ONCE
    number = int(send_file(clerk, many(count)).headers["location"].rpartition("/")[2])
    visitor = find_visitor(office.service, clerk.client.cookies["session"], "test")
    assert visitor is not None
    begin(office.service, visitor, number)
    path = tmp_path / "admin.toml"
    url = office.database.url.render_as_string(hide_password=False)
    write_settings(path, msgspec.structs.replace(office.settings, database_url=url))
    environment = {**os.environ, SETTINGS_FILE_VARIABLE: str(path)}
    taken = 0
    for transactions in (1, 2, 1):
        process = subprocess.run([sys.executable, "-c", TAKE_AND_DIE, str(transactions)], env=environment, check=False)
        assert process.returncode == -signal.SIGKILL
        taken += (transactions - 1) * ROWS_AT_ONCE
        with office.database.read() as session:
            row = session.get_one(MemberImport, number)
            assert (row.taken_count, row.added_count, row.stage) == (taken, taken, "running")
        assert members(office) == names(taken)
    work(office)
    assert members(office) == names(count)
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(MemberContact)) == count
        assert session.get_one(MemberImport, number).stage == "done"
        vault = Vault(office.service)
        keys = session.scalars(
            select(member_keys.c.member_id).where(member_keys.c.key == b"t" + vault.blind(b"t", "13900000007"))
        )
        assert len(keys.all()) == 1
    for act in (begin, stop):
        with pytest.raises(RefusedError, match="ended already"):
            act(office.service, visitor, number)
