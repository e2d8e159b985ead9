"""The cashier's page before a real switch: a quotation becomes a bill, the bill is paid, nothing is typed twice."""

import re

import pytest
from sqlalchemy import select

from admin.models.audit import AuditRow
from admin.models.cashier import CashierBill
from admin.models.journal import entries
from admin.models.mirror import accounts
from admin.models.people import User
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import BillLine, MessageType, RuleAction, RuleLayer
from tests.support.admin_business import CARD_MINOR, CARDS, STORE_NODE_ID, Counter, make_business, points_of
from tests.support.admin_card_desk import authorise, make_type, order, preview, words
from tests.support.admin_members import add, send
from tests.support.desk import STORE_ID
from tests.support.switch_process import SwitchProcess

TEA, CAKE, COFFEE = 700001, 700002, 700003
STAFF, PRICE, DISCOUNT, SPECIFICATION = "1", "2", "4", "8"
CARD, CASH, BOTH = "0", "1", "6"
GOLD = 3


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cashier")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        with SwitchProcess(make_business(folder / "data")) as process:
            yield process


@pytest.fixture(scope="module")
def card_numbers():
    return iter(CARDS)


@pytest.fixture
def counter_team(shop):
    """Maria and Chen at headquarters, Cora at the store's counter, and the store's till."""
    shop.add_user("maria", "hq-supervisor", totp=True)
    shop.add_user("chen", "hq-supervisor", totp=True)
    shop.add_user("cora", "cashier", organisation_id=STORE_NODE_ID)
    till = Counter(shop)
    with shop.browser("maria") as maria, shop.browser("chen") as chen, shop.browser("cora") as cora:
        for item, code, name in ((TEA, "T1", "Tea"), (CAKE, "C1", "Cake"), (COFFEE, "K1", "Coffee")):
            fields = {"item": item, "code": code, "name": name, "specification": "500 g"}
            assert maria.post("/products/new", fields).status_code == 303
        worker = {"number": "S7", "full_name": "Li Si", "organisation": "0", "user": "0"}
        assert maria.post("/employees/new", worker).status_code == 303
        yield maria, chen, cora, till
    till.close()


def quote(browser, card, settlement, *lines, columns=(PRICE,), **fields):
    """Fill a quotation in: product, quantity, price, discount, staff of each line; its address."""
    names = ("product", "quantity", "price", "discount", "staff")
    rows = [(*line, *[""] * (len(names) - len(line))) for line in lines]
    sent = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    head = {"card": str(card), "settlement": settlement, "columns": list(columns)}
    done = browser.post("/cashier/new", {**head, **sent, **fields})
    assert done.status_code == 303, words(done.text)
    return done.headers["location"]


def billed(browser, place):
    """Make the bill of a quotation; its number."""
    assert browser.post(f"{place}/bill", page=place).status_code == 303
    return place.rpartition("/")[2]


def row_of(shop, place):
    with shop.database.read() as session:
        return session.get_one(CashierBill, int(place.rpartition("/")[2]))


@pytest.mark.feature("K3-096", "K3-098", "K3-139", "GJ-130")
def test_a_quotation_becomes_a_bill_and_is_paid_in_cash_by_card_and_by_both_without_typing_it_again(
    shop, counter_team, card_numbers
):
    maria, _chen, cora, till = counter_team
    card = next(card_numbers)
    member = add(maria, "Li Na", organisation_id="0")
    order(maria, "link-cards", cards=str(card), member=str(member))
    assert "Consumption and cashier" in cora.get("/cashier").text
    shop.add_user("gus", "marketing")
    with shop.browser("gus") as gus:  # a menu group with rights of its own
        assert "/cashier" not in gus.get("/").text and gus.get("/cashier").status_code == 403
    few, many = (cora.get(f"/cashier/new{query}").text for query in ("", "?columns=1&columns=2&columns=4"))
    assert not any(f'name="{name}"' in few for name in ("price", "discount", "staff"))
    assert all(f'name="{name}"' in many for name in ("product", "quantity", "price", "discount", "staff"))

    lines = (("T1 Tea", "2", "9.96", "", "S7"), ("Cake", "1", "5", "0.50", ""))
    place = quote(cora, card, CASH, *lines, columns=(STAFF, PRICE, DISCOUNT, SPECIFICATION), remark="table 4")
    shown = words(cora.get(place).text).replace("\xa0", "")
    assert "Quotation 1" in shown and "Li Na" in shown and "Li Si" in shown and "500 g" in shown
    assert "Tea 700001" in shown and "CN¥19.92" in shown and "Due CN¥24.42" in shown and "table 4" in shown
    assert till.balance_minor(card) == CARD_MINOR  # nothing is taken
    number = billed(cora, place)
    assert cora.get(f"{place}/change").status_code == 404  # what was agreed to stays
    assert "nothing from the card" in words(preview(cora, "settle-bill", bill=number, card_minor="10"))
    paid = order(cora, "settle-bill", bill=number, cash_minor="25")
    assert "Done" in cora.get(paid).text
    bill = row_of(shop, place)
    assert (bill.state, bill.card_minor, bill.member_id) == ("paid", 0, member)
    shown = words(cora.get(place).text).replace("\xa0", "")
    # the store rounds to tenths: 24.40 is to be paid
    assert "Cash CN¥25.00" in shown and "Round-off CN¥0.02" in shown and "Change CN¥0.60" in shown
    assert till.balance_minor(card) == CARD_MINOR and points_of(shop, card) == bill.points_hundredths == 24_40
    with shop.database.read() as session:
        booked = session.execute(select(entries).where(entries.c.sequence == bill.journal_sequence)).first()
    assert (booked.type, booked.amount_minor, booked.due_minor) == (MessageType.DEBIT, 0, 24_42)
    assert booked.store_id == STORE_ID

    by_card = quote(cora, card, CARD, ("Tea", "1", "30"))
    order(cora, "settle-bill", bill=billed(cora, by_card))
    assert row_of(shop, by_card).state == "paid" and till.balance_minor(card) == CARD_MINOR - 30_00
    by_both = quote(cora, card, BOTH, ("Tea", "1", "30"))
    order(cora, "settle-bill", bill=billed(cora, by_both), card_minor="20", cash_minor="10")
    assert till.balance_minor(card) == CARD_MINOR - 50_00

    too_much = quote(cora, card, CARD, ("Tea", "1", "500"))  # the card has less: the offer stands, the payment does not
    refused = order(cora, "settle-bill", bill=billed(cora, too_much))
    assert "Refused" in cora.get(refused).text and row_of(shop, too_much).state == "bill"
    assert cora.post(f"{too_much}/cancel", page=too_much).status_code == 303
    assert row_of(shop, too_much).state == "cancelled"
    with shop.program(shop.token("cora")) as program:
        body = {"card": str(card), "lines": [{"product": "Tea", "price_minor": 5_00}], "settlement": 1}
        made = program.post("/api/v1/cashier", json=body).json()["id"]
        assert program.post(f"/api/v1/cashier/{made}/bill", json={}).status_code == 200
        told = program.get(f"/api/v1/cashier/{made}").json()
        assert (told["bill"]["state"], told["figures"]["due_minor"]) == ("bill", 5_00)
        wrong = program.post("/api/v1/cashier", json={**body, "lines": [{"product": "Rocket", "price_minor": 1}]})
        assert wrong.status_code == 409 and "no such product on sale" in wrong.text
    with shop.database.read() as session:
        acts = session.scalars(select(AuditRow.action).where(AuditRow.module == "cashier")).all()
    assert {"add-quotation", "make-bill", "cancel-bill"} <= set(acts)


def put_rules(shop, team):
    """Ten percent for gold, twenty on cakes, five from 100.00 on; in force."""
    maria, chen, _cora, till = team
    common = {"ruleset": 1, "layer": RuleLayer.DISCOUNT, "action": RuleAction.MULTIPLY}
    till.put_rule(rule=1, rate=1_000, level=GOLD, **common)
    till.put_rule(rule=2, rate=2_000, item=CAKE, **common)
    till.put_rule(rule=3, rate=500, bill_minor_min=100_00, **common)
    shop.settle()
    place = order(maria, "activate-rules", ruleset="1", remark="opening")
    assert chen.post(f"{place}/approve", page=place).status_code == 303
    shop.settle()


@pytest.mark.feature("K3-089", "GJ-131", "GJ-132")
def test_promotions_about_the_goods_and_one_offer_more_are_told_and_a_new_level_holds_at_the_next_sale(
    shop, counter_team, card_numbers
):
    maria, _chen, cora, till = counter_team
    put_rules(shop, counter_team)
    card = next(card_numbers)
    member = add(maria, "Zhang Wei", organisation_id="0")
    order(maria, "link-cards", cards=str(card), member=str(member))
    for _visit in range(2):
        line = BillLine(item=COFFEE, amount_minor=6_00, quantity_milli=1000)
        assert till.sell(card, 6_00, lines=(line,)).discount_minor == 0
    shop.settle()
    place = quote(cora, card, CARD, ("Tea", "1", "20"), ("Cake", "1", "10"))
    shown = words(cora.get(place).text).replace("\xa0", "")
    assert "Promotion Cake: 20.00% off" in shown and "Discount CN¥2.00" in shown
    assert "CN¥70.00 more on the bill: 5.00% off" in shown
    assert "Usually buys Coffee (2 times): it is not on this bill." in shown
    assert "10.00% off" not in shown  # not his level
    with_coffee = quote(cora, card, CARD, ("Coffee", "1", "6"), ("Tea", "20", "5"))
    shown = words(cora.get(with_coffee).text)
    assert "Usually buys" not in shown and "more on the bill" not in shown and "5.00% off" in shown

    gold = {"name": "Gold", "rank": "2", "switch_level": str(GOLD), "spent_minor_min": "10"}
    assert send(maria, "/member-levels/new", "/member-levels/new", **gold).status_code == 303
    assert send(maria, "/member-levels/run", "/member-levels/run").status_code == 303  # the timer's run
    order(maria, "member-levels", member="0")
    with shop.database.read() as session:
        assert session.scalar(select(accounts.c.level).where(accounts.c.account_number == card)) == GOLD
    sold = till.sell(card, 20_00)
    assert (sold.code, sold.discount_minor, sold.due_minor) == (ResponseCode.APPROVED, 2_00, 18_00)
    again = quote(cora, card, CARD, ("Tea", "1", "20"))
    shown = words(cora.get(again).text).replace("\xa0", "")
    assert "Promotion Tea: 10.00% off" in shown and "Due CN¥18.00" in shown


def test_a_bill_of_the_price_list_is_priced_by_the_switch_and_bad_lines_say_what_is_wrong(
    shop, counter_team, card_numbers
):
    maria, _chen, cora, till = counter_team
    card = next(card_numbers)
    order(maria, "put-prices", rows=f"{TEA}\t9.96")
    place = quote(cora, card, CASH, ("Tea", "1.5"), columns=())
    assert row_of(shop, place).due_minor == 14_94
    order(cora, "settle-bill", bill=billed(cora, place), cash_minor="20")
    assert row_of(shop, place).state == "paid" and till.balance_minor(card) == CARD_MINOR
    for lines, columns, said in (
        ([("Rocket", "1", "5")], (PRICE,), "no such product on sale: Rocket"),
        ([("Tea", "x", "5")], (PRICE,), "quantities such as 1.5"),
        ([("Tea", "1", "5"), ("Cake", "1", "")], (PRICE,), "of each line, or of none"),
        ([("Tea", "1", "5", "6")], (PRICE, DISCOUNT), "more than the line comes to"),
        ([("Tea", "1", "5", "", "S99")], (PRICE, STAFF), "no employee S99"),
        ([("Cake", "1")], (), "Price unknown"),
        ([], (PRICE,), "1 to 60 lines"),
    ):
        names = ("product", "quantity", "price", "discount", "staff")
        rows = [(*line, *[""] * (len(names) - len(line))) for line in lines]
        sent = {name: [row[at] for row in rows] for at, name in enumerate(names)}
        head = {"card": str(card), "settlement": CARD, "columns": list(columns)}
        page = cora.post("/cashier/new", {**head, **sent}).text
        assert re.search(r'class="problem"', page) and said in words(page), (said, words(page)[:400])


@pytest.mark.feature("EF-016")
def test_an_article_has_a_member_price_that_cards_of_the_class_pay(shop, counter_team, card_numbers):
    maria, chen, cora, till = counter_team
    retail, club = next(card_numbers), 6222_6100_0000_0001
    make_type(maria, chen, 61, price_class="2")
    with shop.database.read() as session:
        authorise(shop, "chen", session.scalars(select(User.id).where(User.name == "maria")).one(), 61)
    order(maria, "make-and-issue", card_type=61, first=club, value_minor="50", tender="1")
    order(maria, "put-prices", rows=f"{COFFEE}\t12")
    order(maria, "put-prices", rows=f"{COFFEE}\t9.50", price_class="2")
    due = []
    for card in (retail, club):
        place = quote(cora, card, CARD, ("Coffee", "1"), columns=())
        order(cora, "settle-bill", bill=billed(cora, place))
        due.append(row_of(shop, place).due_minor)
    assert due == [12_00, 9_50]
    assert (till.balance_minor(retail), till.balance_minor(club)) == (CARD_MINOR - 12_00, 50_00 - 9_50)


@pytest.mark.feature("GJ-133")
def test_sales_at_different_member_prices_are_compared_and_nothing_is_changed(shop, counter_team, card_numbers):
    maria, _chen, _cora, till = counter_team
    card = next(card_numbers)
    for price_minor, quantity in ((12_00, 1), (9_00, 3), (12_00, 2)):
        line = BillLine(item=990001, amount_minor=price_minor * quantity, quantity_milli=quantity * 1000)
        assert till.sell(card, price_minor * quantity, lines=(line,)).code == ResponseCode.APPROVED
    shop.settle()
    shown = words(maria.get("/reports/member-prices").text)
    assert "990001 12.00 0.00 % 2 3 36.00 57.14 % 990001 9.00 25.00 % 1 3 27.00 42.85 %" in shown.replace("\xa0", " ")
