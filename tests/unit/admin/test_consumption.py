"""Purchases of members: those of the tills and those noted by hand, together, by what one asks for."""

import csv
import io
import re

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import String, func, insert, select

from admin.models.audit import AuditRow
from admin.models.consumption import Consumption
from admin.models.journal import entries
from admin.models.sales import baskets, bill_lines, goods_names
from tests.support.admin_members import add, buy, hold, send
from tests.support.admin_office import NORTH_CARD, NORTH_STORE, SOUTH, SOUTH_CARD

TEA, RICE = 7, 1
DAY = 20_454
PURCHASE = {"business_date": "2026-01-01", "product": "Tea set", "product_kind": str(TEA), "quantity_milli": "2000"}
EVIL = "=HYPERLINK(1)"


def sell(office, sequence, amount_minor, number, *, department, business_date=DAY, back_for=0):
    """A sale of a till, or what it takes back, as the follower writes it."""
    buy(office, sequence, amount_minor, number=number, business_date=business_date, type_=0x11 if back_for else 0x10)
    rows = {
        baskets: {
            "sequence": sequence,
            "original_sequence": back_for,
            "account_number": number,
            "card_number": number,
            "amount_minor": -amount_minor if back_for else amount_minor,
            "business_date": business_date,
            "store_id": NORTH_STORE,
            "line_count": 1,
            "visits": -1 if back_for else 1,
        },
        bill_lines: {"id": sequence << 8, "department": department, "amount_minor": amount_minor},
    }
    with office.database.writer.begin() as connection:
        for table, row in rows.items():
            nothing = {column.name: "" if isinstance(column.type, String) else 0 for column in table.columns}
            connection.execute(insert(table).values(nothing | row))


@pytest.fixture
def clerk(office):
    """A browser of headquarters' supervisor; two members, one of whom holds a card that has bought."""
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    with office.database.writer.begin() as connection:
        connection.execute(insert(goods_names).values(kind="department", number=TEA, name="Tea"))
    with office.browser("hana") as browser:
        yield browser


def rows_of(browser, query=""):
    """Rows of the file, by heading; without the sums."""
    text = browser.get(f"/member-consumption/csv{query}").content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))[:-1]


@pytest.mark.feature("K3-037", "K3-039", "K3-040", "K3-042", "K3-044", "K3-045", "K3-046", "K3-047", "EF-006")
def test_purchases_are_noted_changed_deleted_and_found_beside_those_of_the_tills(office, clerk):
    seller = office.add_user("sal", "card-desk", organisation_id=NORTH_STORE)
    buyer, other = add(clerk, "张伟", member_class="2"), add(clerk, "单明明", member_class="1")
    hold(office, buyer)
    hold(office, other, SOUTH_CARD)
    sell(office, 1, 100_00, NORTH_CARD, department=TEA)
    sell(office, 2, 100_00, NORTH_CARD, department=TEA, back_for=1, business_date=DAY + 1)
    sell(office, 3, 30_00, SOUTH_CARD, department=RICE, business_date=DAY + 2)
    office.world.now_ms += 5 * 86_400_000
    assert clerk.sign_in("hana").status_code == 303
    new = f"/members/{buyer}/consumption/new"
    charges = {"goods_minor": "80.00", "service_minor": "15.50", "delivery_minor": "4.50", "seller_id": str(seller)}
    answer = clerk.post(new, PURCHASE | charges | {"store_id": str(NORTH_STORE), "note": EVIL})
    assert answer.status_code == 303, re.findall(r'class="(?:error|problem)"[^>]*>([^<]*)', answer.text)
    assert "at least one of the four" in clerk.post(new, PURCHASE).text
    late = clerk.post(new, PURCHASE | charges | {"business_date": "2026-02-01"})
    assert late.status_code == 409 and "its day is at most today" in late.text
    assert clerk.post(f"/members/{other}/consumption/new", PURCHASE | {"other_minor": "9"}).status_code == 303

    # The page of the member shows both kinds, with the sum of all.
    page = clerk.get(f"/members/{buyer}").text.partition('id="consumption"')[2].partition("Timeline")[0]
    assert page.count("Sold by a till") == 2 and page.count("Noted by hand") == 1 and "Tea set" in page
    assert '<td class="number">100.00</td>' in page.partition("<tfoot>")[2]

    # What is asked for, one thing at a time and together; the sum of the tills' is the ledger's.
    for query, expected in (
        ("", ["30.00", "-100.00", "9.00", "100.00", "100.00"]),
        ("?member_class=2", ["-100.00", "100.00", "100.00"]),
        (f"?product_kind={TEA}", ["-100.00", "9.00", "100.00", "100.00"]),
        (f"?product_kind={RICE}", ["30.00"]),
        ("?amount_min=30&amount_max=99", ["30.00"]),
        ("?from_date=2026-01-02", ["30.00", "-100.00"]),
        ("?until_date=2026-01-01&origin=switch", ["100.00"]),
        (f"?origin=hand&member={buyer}", ["100.00"]),
        (f"?member_class=2&product_kind={TEA}&origin=hand&amount_min=100&until_date=2026-01-01", ["100.00"]),
    ):
        assert sorted(row["Amount"] for row in rows_of(clerk, query)) == sorted(expected), query
    hand = rows_of(clerk, f"?origin=hand&member={buyer}")[0]
    assert [hand[name] for name in ("Member number", "Class of member", "Type of product", "Product")] == [
        *(str(buyer), "Important", "Tea", "Tea set")
    ]
    assert [hand[name] for name in ("Goods", "Service", "Delivery", "Other charges")] == [
        *("80.00", "15.50", "4.50", "0.00")
    ]
    with office.database.read() as session:
        ledger = session.scalar(
            select(func.sum(baskets.c.amount_minor)).where(
                baskets.c.sequence.in_(select(entries.c.sequence).where(entries.c.account_number != 0))
            )
        )
    tills = rows_of(clerk, "?origin=switch")
    assert sum(round(float(row["Amount"]) * 100) for row in tills) == ledger == 30_00
    shown = clerk.get("/member-consumption?member_class=2").text
    assert "data-print" in shown and "3 rows" in shown
    book = CalamineWorkbook.from_filelike(io.BytesIO(clerk.get("/member-consumption/excel").content))
    assert [row[-1] for row in book.get_sheet_by_index(0).to_python()][-1] == 139.0

    # Each is tied to its customer and its salesperson.
    sales = clerk.get("/reports/employee-sales/csv").content.decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(sales)))["Purchases noted by hand"] == "100.00" and "Sal," in sales

    # Changed by one who has read the newest, deleted by one who may, each with what stood there.
    record = "/member-consumption/1"
    form = clerk.get(record).text
    assert 'value="Tea set"' in form and "Hana" in form
    fields = PURCHASE | charges | {"product": "Tea pot", "version": "1", "goods_minor": "60"}
    assert clerk.post(record, fields).status_code == 303
    stale = clerk.post(record, fields)
    assert stale.status_code == 409 and "Somebody else has changed this record" in stale.text
    assert [row["Amount"] for row in rows_of(clerk, f"?origin=hand&member={buyer}")] == ["80.00"]
    office.add_user("sue", "card-desk", organisation_id=SOUTH)
    with office.browser("sue") as desk:
        assert desk.get(record).status_code == 404  # a member of the north
    office.add_user("dora", "card-desk")
    with office.browser("dora") as desk:
        assert "Delete the record" not in desk.get(record).text
        token = desk.token(record)
        gone = desk.client.post(f"{record}/delete", data={"_csrf_token": token}, follow_redirects=False)
        assert gone.status_code == 403
        assert desk.get("/member-consumption/excel").status_code == 403
    assert send(clerk, f"{record}/delete", record).status_code == 303
    assert rows_of(clerk, f"?origin=hand&member={buyer}") == []
    # A sale of a till has no such page: only a refund or a reversal takes it back.
    sold = clerk.post("/member-consumption/3/delete", page="/member-consumption/2")
    assert sold.status_code == 409 and "refunded, not changed here" in sold.text
    with office.database.read() as session:
        told = {row.action: row.detail for row in session.scalars(select(AuditRow).where(AuditRow.module == "members"))}
        assert session.scalar(select(func.count()).select_from(Consumption)) == 1
    assert '"product":"Tea set"' in told["change consumption"] and '"product":"Tea pot"' in told["change consumption"]
    assert '"goods_minor":6000' in told["delete consumption"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_purchases_stay_with_their_member_when_records_are_merged_and_in_its_part(office, clerk):
    buyer, twin = add(clerk, "张伟"), add(clerk, "张伟")
    assert clerk.post(f"/members/{twin}/consumption/new", PURCHASE | {"goods_minor": "5"}).status_code == 303
    assert send(clerk, f"/members/{buyer}/merge", f"/members/{buyer}/merge", other=str(twin)).status_code == 303
    assert [row["Member number"] for row in rows_of(clerk)] == [str(buyer)]
    assert clerk.get(f"/members/{twin}/consumption/new").status_code == 404
    assert send(clerk, "/member-merges/1/undo", f"/members/{buyer}").status_code == 303
    assert [row["Member number"] for row in rows_of(clerk)] == [str(twin)]
    kept = send(clerk, f"/members/{twin}/delete", f"/members/{twin}")
    assert kept.status_code == 409 and "merged with another one once" in kept.text
    single = add(clerk, "孙七")
    clerk.post(f"/members/{single}/consumption/new", PURCHASE | {"goods_minor": "5"})
    assert len(rows_of(clerk)) == 2
    assert send(clerk, f"/members/{single}/delete", f"/members/{single}").status_code == 303
    assert len(rows_of(clerk)) == 1
    office.add_user("sofia", "hq-supervisor", organisation_id=SOUTH)
    clerk.post(f"/members/{buyer}/consumption/new", PURCHASE | {"goods_minor": "5", "product": EVIL})
    assert f"'{EVIL}" in clerk.get("/member-consumption/csv").text
    with office.browser("sofia") as abroad:
        assert rows_of(abroad) == [] and abroad.get(f"/members/{buyer}/consumption/new").status_code == 404
        for query in ("member=x", "member_class=99", "amount_min=x", "origin=x", "from_date=x", "product_kind=-1"):
            assert abroad.get(f"/member-consumption?{query}").status_code == 200, query
