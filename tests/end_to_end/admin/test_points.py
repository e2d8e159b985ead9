"""Points and rules from the desk: gifts, adjusting, backfilling, voiding; rules in words, tried, activated."""

import re
from html import unescape

import pytest
from sqlalchemy import func, select

from admin.models.mirror import gifts, prices, rules
from switch.protocol.messages import BillLine
from tests.support.admin_business import (
    CARDS,
    ONE_TIME_CARD,
    STORE_NODE_ID,
    Counter,
    is_conserved,
    make_business,
    points_of,
)
from tests.support.admin_members import add
from tests.support.admin_orders import approve, order, preview
from tests.support.desk import STORE_ID, TILL_ID
from tests.support.switch_process import SwitchProcess

both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
WHY = {"remark": "asked for by the holder"}
DISCOUNT_LAYER, ITEM_LAYER, BRAND_LAYER, PERIOD_LAYER, CAMPAIGN_LAYER, RECHARGE_LAYER = "123456"
MULTIPLY, EXCLUDE = "1", "0"


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("business")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        with SwitchProcess(make_business(folder / "data")) as process:
            yield process


@pytest.fixture(scope="module")
def card_numbers():
    return iter(CARDS)


@pytest.fixture
def team(shop):
    """Two supervisors and the till; points are conserved in the end."""
    for name in ("maria", "chen"):
        shop.add_user(name, "hq-supervisor", totp=True)
    counter = Counter(shop)
    with shop.browser("maria") as maria, shop.browser("chen") as chen:
        yield maria, chen, counter
    counter.close()
    shop.settle()
    assert is_conserved(shop)


@pytest.mark.feature(
    "HD-123", "HD-134", "HD-062", "HD-109", "GJ-049", "GJ-050", "GJ-099", "VC-109", "VC-110", "VC-112", "GJ-046"
)
def test_points_are_adjusted_and_moved_and_the_history_says_why(shop, team, card_numbers):
    maria, chen, counter = team
    card, other = next(card_numbers), next(card_numbers)
    assert counter.sell(card, 30_00).points_hundredths == 30_00
    shop.settle()
    assert "Say why" in preview(maria, "adjust-points", card=str(card), points_hundredths="5").text
    assert "Done" in maria.get(order(maria, "adjust-points", card=str(card), points_hundredths="-12.50", **WHY)).text
    assert points_of(shop, card) == 17_50
    rows = f"{card} 2.5\n{other} 4\n{other} 5\n{card}x 1"
    shown = preview(maria, "adjust-points-list", rows=rows, **WHY).text
    assert "6.50" in shown and "This card stands in the list twice." in shown
    order(maria, "adjust-points-list", rows=rows, **WHY)
    assert (points_of(shop, card), points_of(shop, other)) == (20_00, 4_00)
    much = order(maria, "adjust-points", card=str(card), points_hundredths="10000.01", **WHY)
    assert "Waits for a second person" in maria.get(much).text
    assert chen.post(f"{much}/reject", {"answer": "too much"}, page=much).status_code == 303
    poor = preview(maria, "transfer-points", card=str(card), to_card=str(other), points_hundredths="20.01", **WHY)
    assert "The card has fewer points than that." in poor.text
    moved = order(maria, "transfer-points", card=str(card), to_card=str(other), points_hundredths="20", **WHY)
    assert "Waits for a second person" in maria.get(moved).text  # nobody knows that both are one person's
    approve(chen, moved)
    assert (points_of(shop, card), points_of(shop, other)) == (0, 24_00)
    ledger = maria.get("/points").text
    for kind in ("Debit", "Points adjustment", "Points transfer"):
        assert kind in ledger
    assert "asked for by the holder" in maria.get("/audit").text or "asked for by the holder" in maria.get(moved).text


@pytest.mark.feature("HD-063", "HD-122", "HD-137")
def test_a_receipt_without_points_is_backfilled_once(shop, team, card_numbers):
    maria, _chen, counter = team
    card, other = next(card_numbers), next(card_numbers)
    day = f"{_date(counter.today - 1)}"
    bill = {
        "store": str(STORE_ID),
        "receipt": "4711",
        "sale_date": day,
        "lines": "690123 0 12 0 2 30.00\n690124 0 0 0 1 9.90 x",
    }
    place = order(maria, "backfill-points", card=str(card), **bill, **WHY)
    assert "30.00" in maria.get(place).text and points_of(shop, card) == 30_00
    again = maria.get(order(maria, "backfill-points", card=str(other), **bill, **WHY)).text
    assert "Refused in part" in again and points_of(shop, other) == 0
    old = {**bill, "receipt": "4712", "sale_date": str(_date(counter.today - 93))}
    assert (
        "The sale must be of the last 92 days." in preview(maria, "backfill-points", card=str(card), **old, **WHY).text
    )
    wrong = preview(maria, "backfill-points", card=str(card), **{**bill, "lines": "hello"}, **WHY).text
    assert "got: hello" in wrong


@both
@pytest.mark.feature("HD-135", "HD-136")
def test_points_are_voided_after_a_look_and_what_changed_is_left_alone(shop, team, card_numbers):
    maria, chen, counter = team
    cards = [next(card_numbers) for _ in range(3)]
    for card in cards:
        assert counter.sell(card, 10_00).code == 0
    shop.settle()
    listed = "\n".join(map(str, cards))
    assert "Name cards, or say which" in preview(maria, "void-points", **WHY).text
    shown = preview(maria, "void-points", cards=listed, **WHY).text
    assert "-30.00" in shown and "Items</dt><dd>3<" in shown
    place = order(maria, "void-points", cards=listed, **WHY)
    assert counter.sell(cards[1], 5_00).code == 0
    approve(chen, place)
    assert [points_of(shop, card) for card in cards] == [0, 15_00, 0]
    assert "Refused in part" in maria.get(place).text
    today = str(_date(counter.today))
    assert "There is nothing to do" in preview(maria, "void-points", cards=listed, unused_since=today, **WHY).text


@pytest.mark.feature(
    "HD-088",
    "HD-110",
    "HD-112",
    "HD-113",
    "HD-114",
    "HD-121",
    "HD-124",
    "HD-125",
    "HD-130",
    "HD-132",
    "HD-133",
    "K3-091",
    "GJ-051",
    "GJ-099",
    "VC-028",
    "VC-111",
    "VC-118",
    "VC-119",
    "VC-120",
    "VC-121",
    "VC-122",
    "VC-123",
    "VC-124",
    "VC-125",
    "VC-126",
    "VC-127",
    "VC-128",
)
def test_categories_and_gifts_are_kept_and_points_become_gifts_or_money(shop, team, card_numbers):
    maria, _chen, counter = team
    card, poor = next(card_numbers), next(card_numbers)
    assert "Ordinary points" in maria.get("/points/categories").text  # a fresh installation has one
    assert counter.sell(card, 50_00).points_hundredths == 50_00
    kept = {"name": "普通积分", "is_enabled": "on", "tender_rate": "100", "tender_cap_bp": "50"}
    order(maria, "put-points-category", category="0", convert_rate="10", convert_lot_minor="1", **kept)
    order(maria, "put-points-category", category="3", name="Promotion", is_enabled="on")
    page = maria.get("/points/categories").text
    assert "普通积分" in page and "Promotion" in page and "50.00 %" in page
    odd = preview(maria, "convert-points", card=str(card), amount_minor="1.50")
    assert "The money must be a multiple of 1.00." in odd.text
    assert "Done" in maria.get(order(maria, "convert-points", card=str(card), amount_minor="2")).text
    assert points_of(shop, card) == 30_00 and counter.balance_minor(card) == 52_00

    order(
        maria, "put-gift", gift_id="7", name="Umbrella", price_hundredths="10", deducts="on", stock="3", account_max="2"
    )
    order(maria, "put-gift", gift_id="8", name="Calendar", price_hundredths="25")
    listed = maria.get("/gifts").text
    assert "Umbrella" in listed and "only needed" in listed
    who = maria.get("/gifts/7").text
    assert str(card) in who and str(poor) not in who
    assert "The card has fewer points than that." in preview(maria, "redeem-gift", card=str(poor), gift="7").text
    shown = preview(maria, "redeem-gift", card=str(card), gift="7", pieces="2").text
    assert "-20.00" in shown
    handed = order(maria, "redeem-gift", card=str(card), gift="7", pieces="2")
    assert points_of(shop, card) == 10_00 and _stock(shop, 7) == 1
    order(maria, "adjust-points", card=str(card), points_hundredths="15", **WHY)
    assert "Done" in maria.get(order(maria, "redeem-gift", card=str(card), gift="8")).text
    assert points_of(shop, card) == 25_00  # it is only needed, not taken
    shop.add_user("nora", "card-desk", organisation_id=STORE_NODE_ID, totp=True)
    with shop.browser("nora") as nora:  # any store hands it out, whoever issued the card
        again = order(nora, "redeem-gift", card=str(card), gift="8")
        assert "Done" in nora.get(again).text and points_of(shop, card) == 25_00
    third = maria.get(order(maria, "redeem-gift", card=str(card), gift="7")).text
    assert "Refused in part" in third  # two pieces per account
    handed_out = maria.get("/points?type=28").text
    assert "Umbrella × 2" in handed_out and "-20.00" in handed_out
    assert maria.post(f"{handed}/undo", page=handed).status_code == 303
    assert points_of(shop, card) == 45_00 and _stock(shop, 7) == 3

    order(maria, "put-points-category", category="3", name="Promotion")
    page = maria.get("/points/categories").text
    assert "Disabled" in page
    kept = maria.get(link(r'href="(/documents/new/put-points-category\?category=3[^"]*)"', page)).text
    assert 'name="is_enabled" id="is_enabled" checked' not in kept and 'value="Promotion"' in kept


@pytest.mark.feature(
    "HD-111",
    "HD-115",
    "HD-116",
    "HD-129",
    "GJ-053",
    "GJ-100",
    "VC-062",
    "K3-082",
    "K3-083",
    "HD-117",
    "HD-118",
    "HD-119",
    "HD-126",
    "HD-127",
    "HD-128",
    "GJ-054",
    "VC-061",
    "VC-063",
    "VC-108",
    "VC-113",
    "GJ-055",
)
def test_a_set_of_rules_is_written_read_in_words_checked_activated_and_tried(shop, team, card_numbers):
    maria, chen, counter = team
    card = next(card_numbers)
    common = {"ruleset": "1", "action": MULTIPLY}
    order(maria, "put-rule", layer=ITEM_LAYER, rate_bp="200", card_type="1", category="12", **common)
    order(maria, "put-rule", layer=ITEM_LAYER, ruleset="1", action=EXCLUDE, item="690999")
    order(maria, "put-rule", layer=PERIOD_LAYER, rate_bp="300", card_type="1", weekdays=["16", "32"], **common)
    order(maria, "put-rule", layer=DISCOUNT_LAYER, rate_bp="10", category="12", **common)
    order(maria, "put-rule", layer=ITEM_LAYER, rate_bp="150", card_type="1", **common)
    order(maria, "put-rule", layer=RECHARGE_LAYER, rate_bp="100", card_type="1", **common)
    order(maria, "put-rule", layer=CAMPAIGN_LAYER, rate_bp="200", settlements=["2"], **common)  # bills in cash
    order(maria, "put-rule", layer=BRAND_LAYER, rate_bp="50", terminal_id=str(TILL_ID), **common)
    order(maria, "put-rule", layer=ITEM_LAYER, rate_bp="100", card_type="1", item="690555", booking_days="3", **common)
    order(maria, "put-rule", layer=DISCOUNT_LAYER, rate_bp="20", level="5", **common)
    order(maria, "put-rule", layer=ITEM_LAYER, rate_bp="400", card_type="1", level="5", **common)
    with shop.database.read() as session:
        assert session.scalar(select(func.count()).select_from(rules)) == 11
    page = maria.get("/rules/1").text
    assert "Double points · card type 1 · class 12" in page
    assert "300% of the points · card type 1 · on Fri, Sat" in page and "10.00% off · class 12" in page
    assert page.index("Double points") < page.index("150% of the points")  # the more specific one first
    assert "Draft" in page
    kept = maria.get(link(r'href="([^"]*weekdays=16[^"]*)"', page)).text
    assert kept.count(" checked") == 2 and 'value="300.00"' in kept  # Friday and Saturday
    percent = preview(maria, "put-rule", layer=ITEM_LAYER, rate_bp="150.5", **common).text
    assert "Points know whole percent only." in percent

    counter.put_rule(ruleset=1, rule=99, layer=2, action=1, card_type=99)  # by hand, past the form
    shop.settle()
    silent = preview(maria, "activate-rules", ruleset="1").text
    assert "Say why" in silent
    place = order(maria, "activate-rules", ruleset="1", **WHY)
    assert "Waits for a second person" in maria.get(place).text
    approve(chen, place)
    page = maria.get(place).text
    assert "Refused in part" in page and "Rules invalid (rule 99)" in page  # the switch names the rule
    order(maria, "remove-rules", ruleset="1", rules="99")
    approve(chen, order(maria, "activate-rules", ruleset="1", **WHY))
    assert "In force" in maria.get("/rules").text

    bill = "690001 0 12 0 1 20.00\n690999 0 12 0 1 5.00"
    sent = {"card": str(card), "lines": bill, "settlement": "0"}
    tried = maria.post("/rules/try", sent).text
    assert "Approved" in tried and "Double points" in tried and "No points · article 690999" in tried
    assert "CN¥22.50" in tried  # a tenth off both lines
    lines = (
        BillLine(item=690001, category=12, quantity_milli=1000, amount_minor=20_00),
        BillLine(item=690999, category=12, quantity_milli=1000, amount_minor=5_00),
    )
    times = 3 if counter.today % 7 in (1, 2) else 1  # 1970-01-02 was a Friday
    assert f"{40 * times}.00</dd>" in tried
    assert f"{80 * times}.00</dd>" in maria.post("/rules/try", {**sent, "settlement": "1"}).text  # in cash
    other = maria.post("/rules/try", {**sent, "card": str(ONE_TIME_CARD)}).text
    assert "20.00</dd>" in other  # the same bill on another type
    sale = counter.sell(card, 25_00, lines=lines)
    assert (sale.due_minor, sale.points_hundredths) == (22_50, 20_00 * times)  # half of it at this till
    later = counter.sell(card, 10_00, lines=(BillLine(item=690555, quantity_milli=1000, amount_minor=10_00),))
    shop.settle()
    assert later.points_hundredths == 5_00 * times and points_of(shop, card) == 20_00 * times  # booked in three days
    order(maria, "recharge-card", card=str(card), amount_minor="12.34", channel="2")
    assert points_of(shop, card) == 20_00 * times + 12_34

    counter.set_level(card, 5)
    golden = counter.sell(card, 10_00)  # the next bill: a fifth off, and four times the points
    assert (golden.due_minor, golden.points_hundredths) == (8_00, 20_00 * times)
    shop.settle()

    order(maria, "copy-rules", ruleset="1", into="2")
    assert "Draft" in maria.get("/rules/2").text
    locked = preview(maria, "put-rule", layer=ITEM_LAYER, ruleset="1", rate_bp="100").text
    assert "An active set is never changed." in locked
    order(maria, "remove-rules", ruleset="2", rules="1, 3")
    with shop.database.read() as session:
        assert session.scalars(select(rules.c.rule).where(rules.c.ruleset == 2).order_by(rules.c.rule)).all() == [
            2,
            *range(4, 12),
        ]
    other = maria.post("/rules/try", {**sent, "ruleset": "2"}).text
    assert "not in force: the amounts come from the set in force" in other


@pytest.mark.feature("GJ-134", "GJ-001", "GJ-002")
def test_prices_are_set_from_a_list_by_class_and_day_and_tried(shop, team, card_numbers):
    maria, _chen, counter = team
    card = next(card_numbers)
    token = maria.token("/documents/new/put-prices")
    content = "article,price\n700001,9.96\n700002,oops\n".encode("gb18030")
    filled = maria.client.post(
        "/documents/new/put-prices/file", data={"_csrf_token": token}, files={"file": ("prices.csv", content)}
    ).text
    assert "700001\t9.96" in filled and "article" not in filled.partition("<textarea")[2].partition("</textarea>")[0]
    shown = preview(maria, "put-prices", rows="700001\t9.96\n700002\toops").text
    assert "The amount cannot be read." in shown
    order(maria, "put-prices", rows="700001\t9.96\n700003 5")
    order(maria, "put-prices", rows="700001 8", price_class="2")
    order(maria, "put-prices", rows="700001 10", from_date=str(_date(counter.today + 5)))
    page = maria.get("/prices?item=700001").text
    assert "CN¥9.96" in page and "CN¥8.00" in page and "CN¥10.00" in page
    tried = maria.post(
        "/rules/try",
        {"card": str(card), "lines": "700001 0 0 0 2 0", "is_priced": "on", "settlement": "1", "cash_minor": "20"},
    ).text
    assert "CN¥19.92" in tried and "CN¥9.96" in tried
    with shop.database.read() as session:
        assert session.scalar(select(func.count()).select_from(prices)) == 3


@pytest.mark.feature("HD-021")
def test_a_campaign_has_its_days_its_rules_and_its_sales(shop, team, card_numbers):
    maria, _chen, counter = team
    assert counter.sell(next(card_numbers), 12_00).code == 0
    shop.settle()
    sent = {
        "name": "Winter",
        "from_date": str(_date(counter.today)),
        "until_date": str(_date(counter.today + 9)),
        "store_ids": f"{STORE_ID}",
        "target": "everybody",
        "message": "Double points this week",
    }
    assert "There is no such set of rules." in maria.post("/campaigns/new", {**sent, "ruleset": "99"}).text
    place = maria.post("/campaigns/new", sent).headers["location"]
    page = maria.get(place).text
    assert "Running now" in page and "Sales in its days" in page and "Double points this week" in page
    assert maria.post(f"{place}/change", {**sent, "name": "Winter 2"}).status_code == 303
    assert maria.post(f"{place}/stop", page=place).status_code == 303
    assert "Stopped" in maria.get("/campaigns").text and "Winter 2" in maria.get("/campaigns").text


@pytest.mark.feature(
    *("HD-150", "HD-151", "HD-156", "HD-159", "HD-160", "HD-161", "HD-162", "HD-163", "HD-164"),
    *("GJ-143", "GJ-144", "VC-099", "VC-177"),
)
def test_each_module_has_its_place_in_the_menu_and_its_own_rights(shop):
    modules = {
        "/money": "/documents/new/recharge-card",
        "/points": "/documents/new/adjust-points",
        "/points/categories": "/documents/new/put-points-category",
        "/gifts": "/documents/new/redeem-gift",
        "/rules": "/documents/new/put-rule",
    }
    entries = (*modules.values(), "/documents/new/backfill-points", "/documents/new/void-points")
    may = {
        "hq-supervisor": (set(modules), set(entries)),
        "card-desk": (
            {"/money", "/points", "/points/categories", "/gifts"},
            set(entries) - {modules["/points/categories"], modules["/rules"], "/documents/new/void-points"},
        ),
        "finance": (
            set(modules),
            {modules["/money"], modules["/points"], "/documents/new/backfill-points"},
        ),
        "auditor": (set(), set()),
    }
    for role, (pages, documents) in may.items():
        shop.add_user(role, role, totp=True)
        with shop.browser(role) as browser:
            menu = browser.get("/").text
            assert {page for page in modules if f'<a href="{page}"' in menu} == pages, role
            assert {page for page in modules if browser.get(page).status_code == 200} == pages, role
            assert {one for one in entries if browser.get(one).status_code == 200} == documents, role


def link(pattern, page):
    """Address of the first link that looks like this."""
    found = re.search(pattern, page)
    assert found is not None, page
    return unescape(found[1])


def _date(business_date):
    from datetime import date, timedelta

    return date(1970, 1, 1) + timedelta(days=business_date)


def _stock(shop, gift):
    with shop.database.read() as session:
        return session.scalar(select(gifts.c.stock).where(gifts.c.gift_id == gift))


@pytest.mark.feature("VC-095")
def test_who_took_part_in_an_activity_is_credited_once(shop, team, card_numbers):
    maria, _chen, _counter = team
    card, other = next(card_numbers), next(card_numbers)
    one, two = add(maria, "张伟", organisation_id="0"), add(maria, "单明明", organisation_id="0")
    for number, member in ((card, one), (other, two)):
        order(maria, "link-cards", cards=str(number), member=str(member))
    fields = {"name": "新春茶会", "date": "2026-01-20", "points_hundredths": "50"}
    address = maria.post("/activities/new", fields).headers["location"]
    activity = address.rpartition("/")[2]
    before = points_of(shop, card), points_of(shop, other)
    maria.post(f"{address}/attendees", {"members": str(one)}, page=address)
    order(maria, "credit-activity", activity=activity, **WHY)
    maria.post(f"{address}/attendees", {"members": f"{one}\n{two}"}, page=address)
    order(maria, "credit-activity", activity=activity, **WHY)
    assert (points_of(shop, card), points_of(shop, other)) == (before[0] + 50_00, before[1] + 50_00)
    assert "nothing to do" in preview(maria, "credit-activity", activity=activity, **WHY).text
    assert maria.get(address).text.count(">Credited</span>") == 2
