"""The books: documents of closed dates once each, red letters, missed days, answers, kills, sums of the ledger."""

import csv
import io
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert, select, update

from admin.finance.adapter import Answer
from admin.finance.job import FinanceJob
from admin.models.finance import FinanceDocument, FinanceRun
from admin.models.journal import daily_totals, entries
from admin.models.sales import LINE_BITS, baskets, bill_lines
from admin.settings import SETTINGS_FILE_VARIABLE, write_settings
from switch.protocol.messages import MessageType
from switch.protocol.records import SwitchRecord
from tests.support.admin_office import NORTH_STORE, SOUTH_STORE

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
TODAY = (date(2026, 1, 4) - date(1970, 1, 1)).days
FIRST, SECOND, THIRD = TODAY - 3, TODAY - 2, TODAY - 1
TEA = 4711
ACCOUNTS = {"liability": "2203.01", "revenue": "6001", "cash": "1001", "gift": "6601", "other": "2241"}


def book(office, sequence, day, store, type_, *, amount, value, code=0, lines=(), original=0):
    """An entry as the follower writes it: row, sums of the day, bill."""
    row = dict.fromkeys(entries.columns.keys(), 0) | {
        "id": sequence << 10,
        "sequence": sequence,
        "type": int(type_),
        "business_date": day,
        "store_id": store,
        "amount_minor": amount,
        "value_minor": value,
        "code": code,
    }
    sums = {"business_date": day, "store_id": store, "type": int(type_), "code": code}
    own = [daily_totals.c[name] == kept for name, kept in sums.items()]
    with office.database.writer.begin() as connection:
        connection.execute(insert(entries).values(row))
        added = {"entry_count": 1, "amount_minor": amount, "value_minor": value}
        more = {daily_totals.c[name]: daily_totals.c[name] + value for name, value in added.items()}
        if not connection.execute(update(daily_totals).where(*own).values(more)).rowcount:
            new = dict.fromkeys(daily_totals.columns.keys(), 0) | sums | added
            connection.execute(insert(daily_totals).values(new))
        if lines:
            new = dict.fromkeys(baskets.columns.keys(), 0) | {
                "sequence": sequence,
                "original_sequence": original,
                "business_date": day,
                "store_id": store,
                "type": int(type_),
            }
            connection.execute(insert(baskets).values(new))
            for n, (item, quantity_milli, minor) in enumerate(lines):
                line = dict.fromkeys(bill_lines.columns.keys(), 0) | {
                    "id": sequence << LINE_BITS | n,
                    "item": item,
                    "quantity_milli": quantity_milli,
                    "amount_minor": minor,
                }
                connection.execute(insert(bill_lines).values(line))


def begin(office, day):
    """Let a business date begin."""
    office.put(SwitchRecord(mode=0, partition=0, business_date=day, timezone=b"UTC".ljust(32, b"\0")))


def trade(office):
    """Two dates: a recharge with a gift, sales, a refused one; on the second a sale of the first is taken back."""
    book(office, 1, FIRST, NORTH_STORE, MessageType.CREDIT, amount=100_00, value=110_00)
    book(office, 2, FIRST, NORTH_STORE, MessageType.DEBIT, amount=30_00, value=-30_00, lines=[(TEA, 2000, 30_00)])
    book(office, 3, FIRST, NORTH_STORE, MessageType.DEBIT, amount=0, value=0, code=51)
    book(office, 4, FIRST, SOUTH_STORE, MessageType.DEBIT, amount=5_00, value=-5_00, lines=[(TEA, 500, 5_00)])
    book(office, 5, SECOND, NORTH_STORE, MessageType.DEBIT, amount=8_00, value=-8_00, lines=[(TEA, 1000, 8_00)])
    back = [(TEA, -2000, -30_00)]
    book(office, 6, SECOND, NORTH_STORE, MessageType.REFUND, amount=30_00, value=30_00, lines=back, original=2)


@pytest.fixture
def books(office):
    """The folder of an installation with a finance user who has switched the interface on."""
    office.put_two_regions()
    begin(office, SECOND)
    office.add_user("finn", "finance")
    with office.browser("finn") as browser:
        page = browser.get("/finance").text
        assert "2203" in page and "1001" in page
        wrong = browser.post("/finance", fields(account_cash="10 01"), page="/finance")
        assert wrong.status_code == 409 and "number of an account" in wrong.text
        assert browser.post("/finance", fields(), page="/finance").status_code == 303
    return Path(office.settings.data) / "finance"


def fields(**other):
    kept = {f"account-{name}": number for name, number in ACCOUNTS.items()}
    changed = {name.replace("account_", "account-"): value for name, value in other.items()}
    return {"is_on": "on", "first_date": date.fromordinal(date(1970, 1, 1).toordinal() + FIRST).isoformat()} | (
        kept | changed
    )


def run(office, job=None):
    """Rounds of the job until there is nothing to do."""
    job = job or FinanceJob(office.service)
    while job.work():
        pass


def documents(office):
    """State by key."""
    with office.database.read() as session:
        rows = session.scalars(select(FinanceDocument).order_by(*FinanceDocument.__table__.primary_key)).all()
        return {(row.business_date, row.store_id, row.number): row.state for row in rows}


def read(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def answer(books, key, text="", *, ok=True):
    folder = books / "in"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{key}.{'ok' if ok else 'err'}").write_text(text, encoding="utf-8")


@pytest.mark.feature("K3-132", "K3-133", "K3-134")
def test_each_closed_date_goes_to_the_books_once_with_vouchers_goods_and_red_letters(office, books):
    trade(office)
    run(office)
    assert documents(office) == {(FIRST, NORTH_STORE, 1): "sent", (FIRST, SOUTH_STORE, 1): "sent"}  # SECOND still runs
    out = books / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        f"20260101-{store}-1.{part}.csv" for store in (NORTH_STORE, SOUTH_STORE) for part in ("goods", "voucher")
    ]
    lines = [(row["FACCTID"], row["FDEBIT"], row["FCREDIT"]) for row in read(out / "20260101-21-1.voucher.csv")]
    assert lines == [
        ("2203.01", "30.00", "0.00"),
        ("6001", "0.00", "30.00"),
        ("1001", "100.00", "0.00"),
        ("6601", "10.00", "0.00"),
        ("2203.01", "0.00", "110.00"),
    ]
    (goods,) = read(out / "20260101-21-1.goods.csv")
    assert (goods["FITEM"], goods["FQTY"], goods["FAMOUNT"]) == (str(TEA), "2.000", "30.00")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    run(office)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    # The date ends: what was taken back goes in red, as a document of its own.
    begin(office, THIRD)
    run(office)
    assert {key for key in documents(office) if key[0] == SECOND} == {(SECOND, 21, 1), (SECOND, 21, 2)}
    red = [(row["FACCTID"], row["FDEBIT"], row["FCREDIT"]) for row in read(out / "20260102-21-2.voucher.csv")]
    assert red == [("2203.01", "-30.00", "0.00"), ("6001", "0.00", "-30.00")]
    assert read(out / "20260102-21-2.goods.csv")[0]["FQTY"] == "-2.000"
    # A request of the first date that came late: a further document, for it alone.
    book(office, 7, FIRST, NORTH_STORE, MessageType.DEBIT, amount=1_00, value=-1_00, lines=[(TEA, 100, 1_00)])
    with office.browser("finn") as browser:
        assert "Not sent whole" in browser.get("/finance").text
        assert browser.post("/finance/run", page="/finance").status_code == 303
        page = browser.get("/finance").text
        assert "Not sent whole" not in page and page.count("Equal</span>") == 2
        assert "20260101-21-2" in page and "Runs of the job" in page
        shown = browser.get(f"/finance/{SECOND}/21/2").text
        assert "Red letters" in shown and "-¥30.00" in shown.replace("CN¥", "¥").replace("−", "-")
    (late,) = read(out / "20260101-21-2.goods.csv")
    assert late["FAMOUNT"] == "1.00"
    every = [row for path in sorted(out.glob("*.voucher.csv")) for row in read(path) if row["FACCTID"] == "2203.01"]
    booked = sum(round(100 * (float(row["FCREDIT"]) - float(row["FDEBIT"]))) for row in every)
    with office.database.read() as session:
        assert booked == sum(session.scalars(select(daily_totals.c.value_minor))) == 96_00


@pytest.mark.feature("K3-133")
def test_answers_of_the_books_end_a_document_or_send_it_again(office, books):
    trade(office)
    run(office)
    answer(books, "20260101-21-1", ok=False, text="科目 6001 不存在\n")
    answer(books, "20260101-31-1")
    job = FinanceJob(office.service)
    run(office, job)
    assert documents(office) == {(FIRST, 21, 1): "failed", (FIRST, 31, 1): "acknowledged"}
    with office.browser("finn") as browser:
        page = browser.get("/finance").text
        assert "科目 6001 不存在" in page and "Refused by the books" in page
        (books / "out" / "20260101-21-1.voucher.csv").unlink()
        run(office, job)
        assert documents(office)[FIRST, 21, 1] == "failed"  # it waits a while before the next attempt
        assert browser.post(f"/finance/{FIRST}/21/1/again", page="/finance").status_code == 303
        assert browser.post(f"/finance/{FIRST}/31/1/again", page="/finance").status_code == 409
    run(office, job)
    assert documents(office)[FIRST, 21, 1] == "sent" and (books / "out" / "20260101-21-1.voucher.csv").exists()
    (books / "in" / "20260101-21-1.err").unlink()
    answer(books, "20260101-21-1")
    run(office, job)
    assert set(documents(office).values()) == {"acknowledged"}
    with office.database.read() as session:
        runs = session.scalars(select(FinanceRun).order_by(FinanceRun.id)).all()
        assert [(row.made_count, row.sent_count, row.acknowledged_count, row.failed_count) for row in runs] == [
            (2, 2, 0, 0),
            (0, 0, 1, 1),
            (0, 1, 0, 0),
            (0, 0, 1, 0),
        ]


class UnreachableBooks:
    """Books that cannot be reached until somebody mends them; remembers what it was given."""

    def __init__(self):
        self.is_broken = True
        self.keys = []

    def send(self, document):
        if self.is_broken:
            raise OSError(28, "No space left on device")
        self.keys.append(document.key)

    def answer(self, key):
        return Answer(True, "", "1") if key in self.keys else None


@on_sqlite
@pytest.mark.feature("K3-133")
def test_missed_days_are_caught_up_when_the_books_can_be_reached_again(office, books):
    trade(office)
    begin(office, TODAY)  # nobody ran the job for three days
    unreachable = UnreachableBooks()
    job = FinanceJob(office.service, unreachable)
    run(office, job)
    assert set(documents(office).values()) == {"waiting"} and unreachable.keys == []
    unreachable.is_broken = False
    run(office, job)
    assert unreachable.keys == ["20260101-21-1", "20260101-31-1", "20260102-21-1", "20260102-21-2"]
    assert set(documents(office).values()) == {"acknowledged"}


DIE = """
import os, sys
from admin.database import Database
from admin.finance import job
from admin.service import Service
from admin.settings import settings_of_process
where = sys.argv[1]
plain = getattr(job.FinanceJob, where)
def dying(self, *arguments, **names):
    found = plain(self, *arguments, **names) if where == "_make" else None
    os.kill(os.getpid(), 9)
setattr(job.FinanceJob, where, dying)
settings = settings_of_process()
job.FinanceJob(Service(settings, Database(settings.url))).work()
"""
"""A job that is killed behind the making, or between a file on the disk and the note that it was sent."""


@pytest.mark.feature("K3-133")
def test_killed_anywhere_each_document_is_made_and_sent_once(office, books, tmp_path):
    trade(office)
    path = tmp_path / "admin.toml"
    url = office.database.url.render_as_string(hide_password=False)
    write_settings(path, msgspec.structs.replace(office.settings, database_url=url))
    environment = {**os.environ, SETTINGS_FILE_VARIABLE: str(path)}
    found = []
    for where in ("_make", "_move", "_move"):
        killed = subprocess.run([sys.executable, "-c", DIE, where], env=environment, check=False)
        assert killed.returncode == -signal.SIGKILL
        found.append((documents(office), {path.name: path.read_bytes() for path in (books / "out").glob("*")}))
    made = {(FIRST, 21, 1): "waiting", (FIRST, 31, 1): "waiting"}
    assert [states for states, _files in found] == [made] * 3
    assert found[0][1] == {} and len(found[1][1]) == 2 and found[1] == found[2]  # the same file again, not another one
    answer(books, "20260101-21-1")  # the books had taken it before the kill was noticed
    run(office)
    assert documents(office) == {(FIRST, 21, 1): "acknowledged", (FIRST, 31, 1): "sent"}
    assert len(list((books / "out").glob("*.voucher.csv"))) == 2


@on_sqlite
def test_only_who_may_exchange_data_sees_the_books_and_only_finance_sets_them_up(office, books):
    office.add_user("gus", "auditor")
    office.add_user("mara", "marketing")
    with office.browser("gus") as gus:
        assert gus.get("/finance").status_code == 200
        headers = {"x-csrftoken": gus.client.cookies["csrftoken"]}
        assert gus.client.post("/finance/run", headers=headers, follow_redirects=False).status_code == 403
    with office.browser("mara") as mara:
        assert mara.get("/finance").status_code == 403
    with office.browser("finn") as finn:
        trade(office)
        run(office)
        moved = finn.post("/finance", fields(first_date="2026-01-03"), page="/finance")
        assert moved.status_code == 409 and "the first date stays" in moved.text
        off = fields()
        del off["is_on"]
        assert finn.post("/finance", off, page="/finance").status_code == 303
        begin(office, TODAY)
        run(office)
        assert {key[0] for key in documents(office)} == {FIRST}
