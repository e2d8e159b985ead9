"""The customer stands at the centre: from a transaction to whoever made it, and from a customer to all that is his."""

import csv
import io
import re
from datetime import date

import pytest

from admin.documents.card_actions import GROUPS
from admin.documents.registry import KINDS
from admin.members.totals import catch_up
from switch.protocol.card_terms import CardStatus
from switch.protocol.messages import RuleAction, RuleLayer
from switch.protocol.records import AccountRecord, CardRecord, GiftRecord, SwitchRecord, TerminalRecord
from tests.support.admin_members import TILL, add, buy, found, hold, save_group, send
from tests.support.admin_office import NORTH_CARD, NORTH_STORE, SOUTH_CARD, SOUTH_STORE
from tests.support.admin_trade import DAY, put_trade

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PHONE = "13812345678"


@pytest.fixture
def shop(office):
    """Two regions that have traded; Zhang Wei holds the northern card, Li Na the southern one."""
    put_trade(office)
    office.put(SwitchRecord(mode=0, partition=0, business_date=DAY + 72, timezone=b"UTC".ljust(32, b"\0")))
    office.add_user("kim", "finance")
    with office.browser("hugo") as browser:
        office.member = add(browser, "张伟", mobile=PHONE, needs="红酒", organisation_id=str(NORTH_STORE))
        office.other = add(browser, "李娜", needs="红酒与奶酪", organisation_id=str(SOUTH_STORE))
    hold(office, office.member, balance_minor=12_34)
    hold(office, office.other, SOUTH_CARD)
    office.put(TerminalRecord(terminal_id=TILL, store_id=NORTH_STORE, status=1, rights=1, wrapped_key=bytes(48)))
    buy(office, 9, 5_00, points=500)
    return office


def table(browser, address):
    """Rows of a file, by heading."""
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text[:200]
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


@pytest.mark.feature("EF-004")
def test_every_list_of_transactions_leads_to_the_customer(shop):
    link = f'<a href="/members/{shop.member}">张伟</a>'
    with shop.browser("hugo") as hugo:
        for address in ("/entries", "/points", f"/terminals/{TILL}"):
            assert link in hugo.get(address).text, address
        item = hugo.client.get("/api/v1/entries", headers={"authorization": f"Bearer {shop.token('hugo')}"}).json()
    named = {row["member_name"] for row in item["rows"] if row["member"] == shop.member}
    assert named == {"张伟"}


@on_sqlite
def test_who_may_not_see_members_is_told_none(shop):
    with shop.browser("kim") as kim:
        page = kim.get("/entries").text
    assert "/cards/" in page and "张伟" not in page and "/members/" not in page


@pytest.mark.feature("EF-089")
@on_sqlite
def test_from_the_customer_every_business_with_him_is_reached(shop):
    """Whatever the desk can do to a card that is in use is one page behind the record of whoever holds it."""
    with shop.browser("hugo") as hugo:
        page = hugo.get(f"/members/{shop.member}").text
        record = {"edit", "merge", "consumption/new", "whole"}
        assert {f"/members/{shop.member}/{one}" for one in record} <= set(re.findall(r'href="([^"]+)"', page))
        assert f"/documents/new/link-cards?member={shop.member}" in page
        (card,) = set(re.findall(r'href="(/cards/\w+)"', page))
        shown = hugo.get(card).text
        offered = set(re.findall(r"/documents/new/([a-z-]+)\?card", shown))
        for name in offered:
            assert hugo.get(f"/documents/new/{name}?card={card.rpartition('/')[2]}").status_code in (200, 303), name
    money = {name for label, names in GROUPS if label == "Money and points" for name in names}
    wanted = {"report-loss", "freeze-cards", "replace-card", "return-cards", "renew-cards", "reset-pin"} | money
    assert wanted <= {name for name in offered if name in KINDS}


@pytest.mark.feature("GJ-135", "EF-027")
@on_sqlite
def test_store_telephone_and_web_find_the_same_customer_with_the_same_account(shop):
    with shop.browser("hugo") as hugo:
        by_card, by_phone, by_name = (found(hugo, text) for text in (str(NORTH_CARD), PHONE, "zw"))
        page = hugo.get(f"/members/{shop.member}").text
        headers = {"authorization": f"Bearer {shop.token('hugo')}"}
        answer = hugo.client.post("/api/v1/members/search", json={"text": PHONE}, headers=headers).json()
        whole = hugo.client.get(f"/api/v1/members/{shop.member}", headers=headers).json()
    assert by_card == by_phone == by_name == [shop.member] == [row["id"] for row in answer["rows"]]
    assert "12.34" in page and [card["balance_minor"] for card in whole["cards"]] == [12_34]


@pytest.mark.feature("GJ-089", "GJ-091")
@on_sqlite
def test_members_come_by_store_call_centre_web_and_file_and_the_record_says_how(shop):
    with shop.browser("hugo") as hugo:
        called = add(hugo, "王芳", source="2", mobile="13700000001")
        headers = {"authorization": f"Bearer {shop.token('hugo')}"}
        sent = {"name": "陈杰", "organisation_id": NORTH_STORE, "source": 3, "is_pending": True}
        made = hugo.client.post("/api/v1/members", json=sent, headers=headers)
        assert made.status_code == 201, made.text
        rows = table(hugo, "/queries/ask/csv?subject=members&column=member_name&column=source&column=state")
    assert {row["Member"]: row["Captured by"] for row in rows if row["Member"]} == {
        "张伟": "Store",
        "李娜": "Store",
        "王芳": "Call centre",
        "陈杰": "Web",
    }
    assert called and next(row["State"] for row in rows if row["Member"] == "陈杰") == "To be verified"


@pytest.mark.feature("EF-001", "EF-005", "EF-025", "GJ-124")
@on_sqlite
def test_an_offer_goes_to_those_who_want_it_and_took_up_the_one_before(shop):
    """Both like wine; Zhang Wei has used an offer of the campaign of May, so the next one is for him."""
    with shop.browser("hugo") as hugo:
        wants = ("needs", "contains", "红酒")
        both = save_group(hugo, "爱酒", [wants])
        takers = save_group(hugo, "爱酒且用过优惠", [wants, ("campaign", "is", "1")])
        others = save_group(hugo, "爱酒未用优惠", [wants, ("campaign", "not", "1")])
        assert sorted(found(hugo, "", group=both)) == sorted([shop.member, shop.other])
        assert found(hugo, "", group=takers) == [shop.member] and found(hugo, "", group=others) == [shop.other]
        sent = {"name": "留住酒友", "from_date": "2026-01-01", "until_date": "2026-03-31", "group": takers}
        sent |= {"audience": "list", "kind": "八折券", "cost_minor": "10"}
        place = hugo.post("/campaigns/new", sent).headers["location"]
        assert "1 account" in hugo.get(place).text
        told = next(row for row in table(hugo, "/reports/campaigns/csv") if row["Name"] == "留住酒友")
    assert (told["Addressed"], told["Of these bought"], told["Spend"], told["Cost"]) == ("1", "1", "100.00", "10.00")


@pytest.mark.feature("EF-028")
@on_sqlite
def test_customers_are_ranked_by_value_and_by_what_they_need(shop):
    columns = "".join(f"&column={one}" for one in ("member_name", "needs", "spent", "visits"))
    with shop.browser("hugo") as hugo:
        ranked = table(hugo, f"/queries/ask/csv?subject=members{columns}&order=spent&down=1")
        needing = table(
            hugo,
            f"/queries/ask/csv?subject=members{columns}&field=needs&operator=contains&value=奶酪&order=spent&down=1",
        )
    spent = [(row["Member"], float(row["Spent"])) for row in ranked if row["Member"]]
    assert [name for name, _amount in spent] == ["张伟", "李娜"] and spent[0][1] > spent[1][1] > 0
    assert [row["Member"] for row in needing if row["Member"]] == ["李娜"]


@pytest.mark.feature("EF-012", "VC-011")
@on_sqlite
def test_a_scheme_of_levels_is_run_and_loyalty_is_measured(shop):
    with shop.browser("hugo") as hugo:
        level = {"name": "金卡", "rank": "1", "spent_minor_min": "5", "period_days": "3650"}
        assert send(hugo, "/member-levels/new", "/member-levels/new", **level).status_code == 303
        assert send(hugo, "/member-levels/run", "/member-levels/run").status_code == 303
        assert shop.member in found(hugo, "", level="1")
        months = table(hugo, "/reports/customers-by-month/csv")
        bands = table(hugo, "/reports/visit-frequency/csv")
    kept = next(row for row in months if row["Month"] == "2026-03")
    assert (kept["Customers"], kept["New"], kept["Lapsed"]) == ("1", "1", "0"), kept
    assert sum(int(row["Customers"]) for row in bands if row["Visits"]) == 2


@pytest.mark.feature("VC-018")
def test_profit_is_told_by_group_of_members(shop):
    """Margin of 20 percent less a cent a point: 105 paid with 5 points, and 7.55 without; groups may overlap."""
    with shop.browser("hugo") as hugo:
        save_group(hugo, "甲 爱奶酪", [("needs", "contains", "奶酪")])
        save_group(hugo, "乙 爱酒", [("needs", "contains", "红酒")])
        save_group(hugo, "丙 无人", [("needs", "contains", "啤酒")])
        catch_up(shop.database)
        rows = table(hugo, "/reports/group-profit/csv?margin_bp=20&point_minor=0.01")
        assert "乙 爱酒" in hugo.get("/reports/group-profit").text
    shown = ("Group", "Members", "Bought", "Spend", "Margin", "Cost of the points", "Profit", "Profit per member")
    assert sorted(tuple(row[name] for name in shown) for row in rows if row["Group"]) == [
        ("All members", "2", "2", "112.55", "22.51", "0.05", "22.46", "11.23"),
        ("丙 无人", "0", "0", "0.00", "0.00", "0.00", "0.00", ""),
        ("乙 爱酒", "2", "2", "112.55", "22.51", "0.05", "22.46", "11.23"),
        ("甲 爱奶酪", "1", "1", "7.55", "1.51", "0.00", "1.51", "1.51"),
    ]


@pytest.mark.feature("EF-040", "EF-041")
@on_sqlite
def test_analyses_of_customers_are_run_one_after_the_other_and_each_result_is_kept(shop):
    """Composition, value, basket, loyalty, churn, effect of promotions, change of levels."""
    steps = ("composition", "rfm", "goods", "visit-frequency", "churn", "campaigns", "look-alikes")
    with shop.browser("hugo") as hugo:
        for name in steps:
            assert hugo.get(f"/reports/{name}").status_code == 200, name
            kept = hugo.post(f"/reports/{name}/submit", {"remark": f"step {name}"}, page=f"/reports/{name}")
            assert kept.status_code == 303, name
            assert f"step {name}" in hugo.get(kept.headers["location"]).text
        listed = hugo.get("/report-submissions").text
    assert listed.count("/report-submissions/") >= len(steps)


@pytest.mark.feature("VC-157")
@on_sqlite
def test_churn_goes_by_how_often_somebody_came(shop):
    """Bands by number of visits, each with those who have stayed away for so many days."""
    with shop.browser("hugo") as hugo:
        bands = table(hugo, "/reports/visit-frequency/csv?days=30")
        lost = table(hugo, "/reports/churn/csv?days=30")
        none = table(hugo, "/reports/churn/csv?days=3000")
    named = {row["Visits"]: (row["Customers"], row["Customers lost"]) for row in bands}
    assert named["1"] == ("1", "1") and named["2-5"] == ("1", "0")
    assert [row["Visits"] for row in lost if row["Last purchase"]] == ["1"]
    assert not [row for row in none if row["Last purchase"]]


@pytest.mark.feature("EF-015")
@on_sqlite
def test_what_was_sold_leaves_for_a_supply_chain_by_article_store_and_day(shop):
    with shop.browser("hugo") as hugo:
        rows = [row for row in table(hugo, "/reports/bill-lines/csv") if row["Article"] == "5"]
    assert {row["Store"].split()[0] for row in rows} == {str(NORTH_STORE), str(SOUTH_STORE)}
    assert {row["Business date"] for row in rows} >= {date(2026, 1, 1).isoformat()}
    assert "Quantity (thousandths)" in rows[0] and sum(float(row["Amount paid"]) for row in rows) == pytest.approx(
        107.55
    )


@pytest.mark.feature("GJ-114")
def test_what_runs_short_of_cards_and_gifts_is_seen_where_stock_is_looked_at(shop):
    shop.put(
        *(
            CardRecord(card_number=6222_0201_0009_0000 + n, card_type=1, status=CardStatus.MADE, account_number=0)
            for n in range(3)
        ),
        GiftRecord(gift_id=1, price_hundredths=100, stock=4, name=b"teacup".ljust(32, b"\0")),
        GiftRecord(gift_id=2, price_hundredths=100, stock=5, name=b"fountain".ljust(32, b"\0")),
    )
    shop.add_user("maria", "administrator", totp=True)
    with shop.browser("maria") as maria:
        assert "Short: 3 in stock, at least 20 wanted" in maria.get("/card-stock").text
        gifts = maria.get("/gifts").text
        assert gifts.count(">Short<") == 1 and gifts.index("teacup") < gifts.index(">Short<") < gifts.index("fountain")
        for name in ("stock_cards_least", "stock_gifts_least"):
            maria.post(f"/parameters/{name}", {"value": "3", "reason": "small shop"})
        assert "Short:" not in maria.get("/card-stock").text and ">Short<" not in maria.get("/gifts").text
        headers = {"authorization": f"Bearer {shop.token('maria')}"}
        stock = maria.client.get("/api/v1/card-stock", headers=headers).json()["types"]
    assert [(one["in_stock_count"], one["is_short"]) for one in stock if one["card_type"] == 1] == [(3, False)]


@pytest.mark.feature("GJ-121", "GJ-122")
@on_sqlite
def test_a_program_may_note_what_a_member_did_on_the_web(shop):
    """No tracking of one's own: only the hook through which another program tells of it."""
    headers = {"authorization": f"Bearer {shop.token('hugo')}"}
    told = {"kind": "talk", "channel": "web", "content": "看了三次红酒页面", "satisfaction": 0}
    with shop.browser("hugo") as hugo:
        answer = hugo.client.post(f"/api/v1/members/{shop.member}/contacts", json=told, headers=headers)
        assert answer.status_code == 201, answer.text
        assert "看了三次红酒页面" in hugo.get(f"/members/{shop.member}").text


@pytest.mark.feature("EF-014", "VC-171")
@on_sqlite
def test_a_group_gets_points_of_its_own_and_a_campaign_of_its_own(shop):
    """Rules know groups as segments of cards: one segment earns double, and a campaign addresses those alone."""
    shop.put(AccountRecord(account_number=SOUTH_CARD, member=shop.other, segments=1 << 4))
    with shop.browser("hugo") as hugo:
        rule = {"ruleset": "1", "layer": str(int(RuleLayer.POINTS_ITEM)), "action": str(int(RuleAction.MULTIPLY))}
        shown = hugo.post("/documents/new/put-rule", rule | {"rate_bp": "200", "segments": "5", "what": "preview"}).text
        assert 'name="what" value="send"' in shown and re.search(r"Segments</dt><dd[^>]*>5<", shown)
        digest = re.findall(r'name="digest" value="(\w+)"', shown)[0]
        sent = rule | {"rate_bp": "200", "segments": "5", "what": "send", "digest": digest}
        place = hugo.post("/documents/new/put-rule", sent).headers["location"]
        assert "Write a rule" in hugo.get(place).text
        sent = {"name": "老客双倍", "from_date": "2026-01-01", "until_date": "2026-03-31", "audience": "segment"}
        assert hugo.post("/campaigns/new", sent | {"segment": "5"}).status_code == 303
        told = next(row for row in table(hugo, "/reports/campaigns/csv") if row["Name"] == "老客双倍")
    assert (told["Addressed"], told["Spend"]) == ("1", "7.55")
