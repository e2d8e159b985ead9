"""What of money and points needs no switch: who sees which order, which rules are for a line, lists from files."""

import io
import random
from types import SimpleNamespace

import pytest
import xlsxwriter

from admin.errors import RefusedError
from admin.money.files import rows_of_file
from admin.money.rows import plain, rows_of, scaled
from admin.points.void_kinds import bill_lines
from admin.pricing.rule_kinds import segment_bits
from admin.pricing.rules import Bill, best_first, matches, specificity
from admin.pricing.wording import segments_of
from switch.protocol.messages import BillLine, RuleAction, RuleLayer
from switch.protocol.records import RuleRecord
from tests.support.admin_office import NORTH_STORE, SOUTH_STORE

FRIDAY = 1
"""1970-01-02."""


def rule(**fields):
    """A rule as the mirror has it."""
    return SimpleNamespace(
        **{
            name: getattr(RuleRecord(ruleset=1, rule=1, layer=RuleLayer.POINTS_ITEM, **fields), name)
            for name in RuleRecord.__struct_fields__
        }
    )


def bill(**fields):
    """A bill of 10.00 at noon on a Friday."""
    common = {"card_type": 1, "level": 2, "segments": 4, "store_id": 3, "terminal_id": 7, "settlement": 0}
    return Bill(**{**common, "business_date": FRIDAY, "minute": 720, "bill_minor": 10_00, **fields})


LINE = BillLine(item=5, amount_minor=10_00, department=2, category=12, brand=9)


@pytest.mark.parametrize(
    ("fields", "is_for"),
    [
        ({}, True),
        ({"card_type": 1, "level": 2, "item": 5, "category": 12, "department": 2, "brand": 9}, True),
        ({"card_type": 2}, False),
        ({"category": 13}, False),
        ({"weekdays": 16}, True),
        ({"weekdays": 8 | 32}, False),
        ({"from_date": 1, "until_date": 1}, True),
        ({"from_date": 2}, False),
        ({"from_minute": 720, "until_minute": 721}, True),
        ({"from_minute": 0, "until_minute": 720}, False),
        ({"settlements": 2}, False),
        ({"settlements": 1}, True),
        ({"segments": 6}, True),
        ({"segments": 3}, False),
        ({"bill_minor_min": 10_00}, True),
        ({"bill_minor_min": 10_01}, False),
    ],
)
def test_a_rule_is_for_a_line_when_all_that_it_asks_for_fits(fields, is_for):
    assert matches(rule(**fields), LINE, bill()) is is_for


def test_the_more_specific_rule_comes_first_and_an_exclusion_before_all():
    rules = [
        rule(action=RuleAction.MULTIPLY, rate=300),
        rule(action=RuleAction.MULTIPLY, rate=100, level=2),
        rule(action=RuleAction.MULTIPLY, rate=100, card_type=1, weekdays=16),
        rule(action=RuleAction.MULTIPLY, rate=100, card_type=1, item=5),
        rule(action=RuleAction.EXCLUDE),
    ]
    shuffled = random.Random(7).sample(rules, len(rules))
    assert best_first(shuffled) == rules[::-1]
    assert [specificity(one) for one in rules] == [0, 32, 65, 80, 0]


def test_pasted_rows_are_parted_by_tabs_commas_or_blanks():
    assert [parts for _, parts in rows_of("1\t2,000.50\n\n3, 4\n5 6\n7；8")] == [
        ["1", "2,000.50"],
        ["3", "4"],
        ["5", "6"],
        ["7", "8"],
    ]
    assert scaled("2,000.50") == 200_050 and scaled("1.005") is None and scaled("NaN") is None and scaled("x") is None
    assert plain(-5) == "-0.05" and plain(200_050) == "2000.50"
    with pytest.raises(RefusedError, match="at most 10000 lines"):
        list(rows_of("1 1\n" * 10_001))


def test_lines_of_a_bill_are_read_and_wrong_ones_named():
    lines = bill_lines("690123 1 12 9 2.5 10.00\n0 0 0 0 1 -3 x")
    assert [(line.item, line.brand, line.quantity_milli, line.amount_minor, line.flags) for line in lines] == [
        (690123, 9, 2_500, 10_00, 0),
        (0, 0, 1_000, -3_00, 2),
    ]
    for wrong in ("1 2 3", "1 0 0 0 1 1.005", "1 70000 0 0 1 1", "1 0 0 0 1 1 y", "a 0 0 0 1 1"):
        with pytest.raises(RefusedError):
            bill_lines(wrong)


def test_segments_are_numbers_from_1_to_64():
    assert segment_bits("1, 3，64") == 1 | 4 | 1 << 63 and segment_bits("") == 0
    assert segment_bits("65") is None and segment_bits("0") is None and segment_bits("x") is None
    assert segments_of(1 | 4 | 1 << 63) == "1, 3, 64"


def test_lists_come_from_spreadsheets_and_from_csv_of_either_encoding():
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    book.add_worksheet().write_row(0, 0, ("卡号", "金额"))
    book.worksheets()[0].write_row(1, 0, ("6222020110000001", 12.5))
    book.worksheets()[0].write_row(2, 0, (690123, 3))
    book.close()
    assert rows_of_file("a.xlsx", file.getvalue()) == "6222020110000001\t12.5\n690123\t3"
    assert rows_of_file("a.csv", "卡号,金额\n1,2\n".encode("gb18030")) == "1\t2"
    assert rows_of_file("a.csv", "\ufeff1,2\n\n3,4".encode()) == "1\t2\n3\t4"
    for wrong in (b"", b"PK\x03\x04 no archive", b"\xff\xff\xff"):
        with pytest.raises(RefusedError):
            rows_of_file("a.xlsx", wrong)


def test_orders_and_campaigns_of_another_part_are_not_there(office):
    office.put_two_regions()
    office.add_user("nora", "card-desk", organisation_id=NORTH_STORE)
    office.add_user("suki", "card-desk", "hq-supervisor", organisation_id=SOUTH_STORE, totp=True)
    office.add_user("norman", "hq-supervisor", organisation_id=NORTH_STORE, totp=True)
    with office.browser("nora") as nora, office.browser("suki") as suki, office.browser("norman") as norman:
        place = nora.post("/orders/new", {"buyer": "Harbour", "recharges": "6222020110000001 5"}).headers["location"]
        assert "Harbour" in nora.get(place).text and "6222020110000001" not in nora.get(place).text
        assert suki.get(place).status_code == 404 and "Harbour" not in suki.get("/orders").text
        assert suki.post(f"{place}/approve", page="/orders/new").status_code == 409
        assert nora.post(f"{place}/approve", page=place).status_code == 403
        assert norman.post(f"{place}/approve", page=place).status_code == 303
        assert norman.post(f"{place}/cancel", page=place).status_code == 303
        assert norman.post(f"{place}/cancel", page=place).status_code == 409
        day = {"from_date": "2026-01-01", "until_date": "2026-01-02"}
        other = norman.post("/campaigns/new", {"name": "Winter", "store_ids": str(SOUTH_STORE), **day})
        assert "There is no such store in your part of the organisation." in other.text
        mine = norman.post("/campaigns/new", {"name": "Winter", **day}).headers["location"]
        assert norman.get(mine).status_code == 200 and suki.get(mine).status_code == 404
        assert suki.post(f"{mine}/stop", page="/orders/new").status_code == 409


def test_an_order_takes_cards_or_recharges_and_says_which_line_is_wrong(office):
    office.add_user("maria", "hq-supervisor", totp=True)
    with office.browser("maria") as maria:
        both = maria.post("/orders/new", {"buyer": "Harbour", "lines": "1 1 1", "recharges": "6222020110000001 5"})
        assert "Fill in either cards or recharges." in both.text
        assert "There is no card type 1." in maria.post("/orders/new", {"buyer": "Harbour", "lines": "1 1 1"}).text
        assert "got: 1 x" in maria.post("/orders/new", {"buyer": "Harbour", "lines": "1 x"}).text
        assert "Expected a card and an amount" in maria.post("/orders/new", {"buyer": "Harbour", "recharges": "1"}).text


def test_every_page_of_money_and_points_teaches_when_there_is_nothing(office):
    office.add_user("maria", "hq-supervisor", totp=True)
    with office.browser("maria") as maria:
        for address, said in (
            ("/money", "Nothing yet."),
            ("/money?type=19&since=2026-01-01&until=x", "Take a filter away."),
            ("/orders", "No company has ordered yet."),
            ("/orders?stage=paid&before=999999999999999999999", "No such order."),
            ("/points", "Nothing yet."),
            ("/points/categories", "Ordinary points"),
            ("/gifts", "There are no gifts yet."),
            ("/rules", "There are no rules yet"),
            ("/prices", "There is no price list yet"),
            ("/prices?item=1&after=x", "No such price."),
            ("/campaigns", "No campaign yet."),
            ("/repairs", "Recharge went to the wrong card"),
            ("/money/limits", "5,000.00"),
        ):
            page = maria.get(address)
            assert page.status_code == 200 and said in page.text, (address, page.text)
        for address in ("/orders/9", "/gifts/9", "/rules/9", "/campaigns/9"):
            assert maria.get(address).status_code == 404
