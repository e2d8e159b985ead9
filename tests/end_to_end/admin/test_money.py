"""Money from the desk: recharged, refunded, taken back, moved, ordered by a company, and what the till sees of it."""

import csv
import io
import re

import pytest
import xlsxwriter
from sqlalchemy import func, select

from admin.documents.terminals import terminal_id_of
from admin.models.documents import Document
from admin.models.journal import entries
from admin.models.mirror import accounts, cards
from switch.protocol.messages import BillLine, CardStatus, MessageType
from tests.support.admin_business import (
    BLANKS,
    CARD_MINOR,
    CARDS,
    ONE_TIME_CARD,
    ORDER_TYPE,
    STORE_NODE_ID,
    Counter,
    is_conserved,
    make_business,
)
from tests.support.admin_orders import approve, field, order, preview
from tests.support.desk import STORE_ID
from tests.support.switch_process import SwitchProcess

both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
CASH_HQ, BANK_CARD, LIANHUA, TELECOM = "2", "3", "4", "5"


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


@pytest.fixture(scope="module")
def blanks():
    """Made cards of the type for orders, three at a time."""
    return iter((BLANKS[:3], BLANKS[3:6]))


@pytest.fixture
def team(shop):
    """A clerk at headquarters, finance and a supervisor; a till beside them; and money is conserved in the end."""
    shop.add_user("maria", "hq-supervisor", totp=True)
    shop.add_user("finn", "finance", totp=True)
    counter = Counter(shop)
    with shop.browser("maria") as maria, shop.browser("finn") as finn:
        yield maria, finn, counter
    counter.close()
    shop.settle()
    assert is_conserved(shop)


def balance(shop, card):
    with shop.database.read() as session:
        return session.scalar(select(accounts.c.balance_minor).where(accounts.c.account_number == card))


@pytest.mark.feature(
    "HD-052",
    "HD-097",
    "HD-100",
    "HD-086",
    "GJ-034",
    "GJ-037",
    "GJ-038",
    "GJ-039",
    "GJ-043",
    "GJ-096",
    "GJ-040",
    "GJ-041",
    "VC-103",
    "VC-104",
)
def test_a_recharge_is_in_the_next_sale_and_in_the_ledger(shop, team, card_numbers):
    maria, _finn, counter = team
    card = next(card_numbers)
    paid = {"card": str(card), "amount_minor": "50", "channel": BANK_CARD, "reference": "BANK-7781"}
    shown = preview(maria, "recharge-card", **paid)
    assert "50.00" in shown.text and balance(shop, card) == CARD_MINOR
    place = order(maria, "recharge-card", **paid)
    assert "Done" in maria.get(place).text
    assert counter.sell(card, CARD_MINOR + 40_00).code == 0
    ledger = maria.get("/money?type=19").text
    assert "BANK-7781" in ledger and "Bank card" in ledger

    again = maria.get(order(maria, "recharge-card", **paid)).text
    assert "Refused in part" in again and "Credited before" in again  # the same payment credits once
    for channel in (LIANHUA, TELECOM):  # the same number of another way of paying is another payment
        assert "Done" in maria.get(order(maria, "recharge-card", **{**paid, "channel": channel})).text
    # The holder's own recharge on the internet comes from a program, by the JSON interface; it credits once, too.
    token = shop.token("maria")
    with shop.program(token) as website:
        body = {"card": str(card), "amount_minor": 5_00, "channel": 7, "reference": "WEB-1"}
        sent = [website.post("/api/v1/documents/recharge-card", json=body) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [201, 201]
    shop.settle()
    one_time = order(maria, "recharge-card", card=str(ONE_TIME_CARD), amount_minor="1", channel=CASH_HQ)
    assert "Refused in part" in maria.get(one_time).text
    shop.settle()
    assert balance(shop, card) == 10_00 + 2 * 50_00 + 5_00


@pytest.mark.feature("GJ-044", "GJ-096", "HD-087", "K3-106", "K3-107", "VC-054", "VC-081")
def test_a_list_is_recharged_with_a_result_per_card_and_taken_back(shop, team, card_numbers):
    maria, finn, counter = team
    first, second = next(card_numbers), next(card_numbers)
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    for n, row in enumerate(
        (("card", "amount"), (str(first), 4000), (str(second), 2000.5), ("nonsense", 1), (str(first), 2))
    ):
        book.get_worksheet_by_name("Sheet1") or book.add_worksheet("Sheet1")
        book.get_worksheet_by_name("Sheet1").write_row(n, 0, row)
    book.close()
    token = finn.token("/documents/new/recharge-cards")
    filled = finn.client.post(
        "/documents/new/recharge-cards/file",
        data={"_csrf_token": token},
        files={"file": ("list.xlsx", file.getvalue())},
    )
    assert filled.status_code == 200 and f"{second}\t2000.5" in filled.text, filled.text
    rows = f"{first}\t4000\n{second}\t2000.5\nnonsense\t1\n{first}\t2"
    shown = preview(finn, "recharge-cards", rows=rows, channel="8")
    assert "6,000.50" in shown.text and "This card stands in the list twice." in shown.text
    place = order(finn, "recharge-cards", rows=rows, channel="8")  # above what one may do alone
    page = finn.get(place).text
    assert "Waits for a second person" in page and balance(shop, first) == CARD_MINOR
    assert str(first) not in page  # finance sees masked numbers, also in lists
    approve(maria, place)
    assert (balance(shop, first), balance(shop, second)) == (CARD_MINOR + 4000_00, CARD_MINOR + 2000_50)

    assert counter.sell(second, 2050_00).code == 0
    undone = finn.post(f"{place}/undo", page=place).headers["location"]
    approve(maria, undone)
    assert "Refused in part" in maria.get(undone).text  # what was spent meanwhile cannot be taken back
    assert (balance(shop, first), balance(shop, second)) == (CARD_MINOR, CARD_MINOR + 2000_50 - 2050_00)

    # What was not taken back is the sale of the one who made the document; it brings his commission and his pay.
    shop.add_user("paula", "finance", totp=True)
    own = {"user_id": str(shop.visitor("finn").user_id), "from_date": "2020-01-01", "base_minor": "5000"}
    own |= {"card_bp": "1.5", "noted_bp": "10"}
    refused = finn.post("/pay", own)
    assert refused.status_code == 409 and "Nobody sets his own pay" in refused.text
    with shop.browser("paula") as paula:
        assert paula.post("/pay", own).status_code == 303

        def table(name):
            text = paula.get(f"/reports/{name}/csv").content.decode("utf-8-sig")
            return list(csv.DictReader(io.StringIO(text)))

        sold = table("employee-sales")[0]
        assert (sold["Employee"], sold["Sales"], sold["Value sold"]) == ("Finn", "1", "2000.50")
        one, sums = table("commission")
        assert (one["Employee"], one["Rate"], one["Commission"]) == ("Finn", "1.50", "30.00")
        with shop.database.read() as session:  # the ledger's, less what was taken back in it
            credited = select(entries.c.value_minor).where(
                entries.c.account_number == second, entries.c.type == int(MessageType.CREDIT)
            )
            assert session.scalars(credited.order_by(entries.c.id.desc())).first() == 2000_50
        assert sums["Amount"] == "2000.50"
        pay = table("pay")[0]
        assert (pay["Employee"], pay["Base pay"], pay["Commission on it"], pay["Wages"]) == (
            *("Finn", "5000.00"),
            *("30.00", "5030.00"),
        )
    assert maria.get("/reports/pay").status_code == 200


def test_a_sale_is_refunded_from_the_cards_page_never_beyond_it(shop, team, card_numbers):
    maria, finn, counter = team
    card = next(card_numbers)
    lines = (BillLine(item=1, amount_minor=30_00), BillLine(item=2, amount_minor=20_00))
    sale = counter.sell(card, 50_00, lines=lines)
    shop.settle()
    found = maria.get(f"/cards?q={card}").text
    reference = found.partition('href="/cards/')[2].partition('"')[0]
    page = maria.get(f"/cards/{reference}").text
    bill = f"/sales/{sale.journal_sequence}/refund"
    assert bill in page and f"/documents/new/refund-sale?original={sale.journal_sequence}" in maria.get(bill).text
    why = {"remark": "goods came back"}
    silent = preview(maria, "refund-sale", original=str(sale.journal_sequence)).text
    assert "Say why" in silent
    beyond = preview(maria, "refund-sale", original=str(sale.journal_sequence), amount_minor="50.01", **why).text
    assert "The card paid less than that." in beyond
    # The lines of the bill are offered; what is ticked fills the document's form in.
    assert "Tick the lines that come back." in maria.get(f"{bill}?what=lines").text
    assert "Line 2: an amount up to 20.00 is expected." in maria.get(f"{bill}?what=lines&line=2&amount_2=20.01").text
    place = maria.get(f"{bill}?what=lines&line=2&amount_1=30.00&amount_2=15").headers["location"]
    assert f'value="{sale.journal_sequence}"' in maria.get(place).text and ">2 15</textarea>" in maria.get(place).text
    refund = order(maria, "refund-sale", original=str(sale.journal_sequence), lines="2 15.00", **why)
    assert "Done" in maria.get(refund).text
    shown = re.sub(r"<[^>]+>|\s+", " ", maria.get(bill).text)
    assert re.search(r"Line 2 +2 +.*CN¥20.00 +CN¥15.00", shown) and 'value="5.00"' in maria.get(bill).text
    assert "Refund the bill as a whole" not in shown
    assert balance(shop, card) == CARD_MINOR - 50_00 + 15_00
    rest = order(maria, "refund-sale", original=str(sale.journal_sequence), lines="2 5.01", **why)
    assert "Refused in part" in maria.get(rest).text  # together more than the line cost
    assert maria.get("/sales/999999/refund").status_code == 404
    # What headquarters gave back stands under its name, and the sums are those of the ledger.
    report = finn.get("/reports/stores/csv").content.decode("utf-8-sig")
    rows = {row["Store"]: row for row in csv.DictReader(io.StringIO(report))}
    assert rows["Headquarters"]["Spend"] == "-15.00"
    with shop.database.read() as session:
        approved = select(func.sum(entries.c.amount_minor)).where(entries.c.code == 0)
        sums = {
            type_: session.scalar(approved.where(entries.c.type == type_))
            for type_ in (MessageType.DEBIT, MessageType.REFUND)
        }
    assert rows[""]["Spend"] == f"{(sums[MessageType.DEBIT] - sums[MessageType.REFUND]) / 100:.2f}"
    unknown = preview(finn, "refund-sale", original="999999", **why).text
    assert "There is no sale under this number" in unknown


@both
def test_a_recharge_of_the_wrong_card_is_moved_and_transfers_are_undone(shop, team, card_numbers):
    maria, _finn, _counter = team
    wrong, right = next(card_numbers), next(card_numbers)
    paid = {"card": str(wrong), "amount_minor": "20", "channel": CASH_HQ, "reference": f"SLIP {wrong % 1000}"}
    place = order(maria, "recharge-card", **paid)
    number = place.rpartition("/")[2]
    why = {"remark": "keyed the wrong card"}
    moved = order(maria, "move-recharge", document=number, step="1", card=str(right), **why)
    assert "Done" in maria.get(moved).text
    assert (balance(shop, wrong), balance(shop, right)) == (CARD_MINOR, CARD_MINOR + 20_00)
    again = maria.get(order(maria, "move-recharge", document=number, step="1", card=str(right), **why)).text
    assert "Refused in part" in again and balance(shop, right) == CARD_MINOR + 20_00

    shifted = order(maria, "transfer-value", card=str(right), to_card=str(wrong), amount_minor="120", **why)
    assert (balance(shop, wrong), balance(shop, right)) == (CARD_MINOR + 120_00, 0)
    assert maria.post(f"{shifted}/undo", page=shifted).status_code == 303
    assert (balance(shop, wrong), balance(shop, right)) == (CARD_MINOR, CARD_MINOR + 20_00)
    poor = preview(maria, "transfer-value", card=str(right), to_card=str(wrong), amount_minor="120.01", **why)
    assert "The card has less than that." in poor.text
    assert "Done" in maria.get(order(maria, "load-visits", card=str(right), service="5", count="10")).text
    assert "Recharge went to the wrong card" in maria.get("/repairs").text


@both
@pytest.mark.feature("HD-085", "EF-049")
def test_a_company_orders_cards_pays_and_only_then_they_are_issued(shop, team, blanks):
    maria, finn, counter = team
    made_cards = next(blanks)
    shop.add_user("chen", "hq-supervisor", totp=True)
    made = maria.post(
        "/orders/new",
        {
            "buyer": "Harbour Ltd",
            "lines": f"{ORDER_TYPE} 2 300\n{ORDER_TYPE} 1 500",
            "discount_bp": "2",
            "invoice_note": "Harbour Ltd, tax 9131",
        },
    )
    place = made.headers["location"]
    assert "1,078.00" in maria.get(place).text  # 1,100.00 less 2 %
    assert maria.post(f"{place}/approve", page=place).status_code == 409
    with shop.browser("chen") as chen:
        assert chen.post(f"{place}/approve", page=place).status_code == 303
    number = place.rpartition("/")[2]
    numbers = f"{made_cards[0]}-{made_cards[2]}"
    early = preview(maria, "issue-order", order=number, cards=numbers)
    assert "Choose one of the list." in early.text  # an order that is not paid cannot be chosen
    assert "Choose one of the list." in preview(maria, "activate-order", order=number).text
    assert "Harbour Ltd, tax 9131" in maria.get(place).text
    paying = {"channel": BANK_CARD, "reference": "TT 4711"}
    short = finn.post(f"{place}/pay", {"received_minor": "1000", **paying}, page=place)
    assert "Expected exactly what is due" in short.text
    assert maria.post(f"{place}/pay", {"received_minor": "1078", **paying}, page=place).status_code == 403
    assert finn.post(f"{place}/pay", {"received_minor": "1078", **paying}, page=place).status_code == 303

    few = preview(maria, "issue-order", order=number, cards=str(made_cards[0]))
    assert "The order needs 2 cards more." in few.text
    other = preview(maria, "issue-order", order=number, cards=numbers)
    issued = order(maria, "issue-order", order=number, cards=numbers)
    assert "Done" in maria.get(issued).text
    late = maria.post(
        "/documents/new/issue-order",
        {
            "what": "send",
            "request_key": field(other.text, "request_key"),
            "digest": field(other.text, "digest"),
            "order": number,
            "cards": f"{BLANKS[5]}-{BLANKS[7]}",
        },
    )
    assert late.status_code == 200  # an order is carried out once
    assert counter.sell(made_cards[0], 1_00).code == 62
    assert "Cards issued" in maria.get(place).text
    assert "Done" in maria.get(order(maria, "activate-order", order=number)).text
    assert [balance(shop, number) for number in made_cards] == [300_00, 300_00, 500_00]
    assert counter.sell(made_cards[2], 1_00).code == 0
    assert maria.post(f"{place}/close", page=place).status_code == 303
    assert "Closed" in maria.get("/orders?stage=closed").text
    with shop.database.read() as session:
        statuses = session.scalars(select(cards.c.status).where(cards.c.card_number.in_(made_cards))).all()
        assert set(statuses) == {CardStatus.ACTIVE}


def test_two_documents_do_not_carry_out_one_order(shop, team, card_numbers, monkeypatch):
    maria, finn, _counter = team
    card = next(card_numbers)
    shop.add_user("chen", "hq-supervisor", totp=True)
    place = maria.post("/orders/new", {"buyer": "Harbour Ltd", "recharges": f"{card} 12.50"}).headers["location"]
    number = place.rpartition("/")[2]
    with shop.browser("chen") as chen:
        chen.post(f"{place}/approve", page=place)
    assert finn.post(f"{place}/pay", {"received_minor": "12.50", "channel": BANK_CARD}, page=place).status_code == 303
    settle = shop.settle
    monkeypatch.setattr(shop, "settle", lambda: None)  # nothing is sent yet: the order still counts as paid
    order(maria, "recharge-order", order=number)
    shown = preview(maria, "recharge-order", order=number)
    late = maria.post(
        "/documents/new/recharge-order",
        {
            "what": "send",
            "request_key": field(shown.text, "request_key"),
            "digest": field(shown.text, "digest"),
            "order": number,
        },
    )
    assert "carries this order out already" in late.text
    monkeypatch.setattr(shop, "settle", settle)
    shop.settle()
    assert balance(shop, card) == CARD_MINOR + 12_50
    assert "Ready to use" in maria.get(place).text
    with shop.database.read() as session:
        assert len(session.scalars(select(Document).where(Document.kind == "recharge-order")).all()) == 1


@pytest.mark.feature("HD-098", "GJ-095", "VC-025", "VC-085")
def test_a_store_serves_whoever_stands_at_its_desk_through_its_own_terminal(shop, team, card_numbers):
    maria, _finn, counter = team
    card, other = next(card_numbers), next(card_numbers)
    shop.add_user("nora", "card-desk", organisation_id=STORE_NODE_ID, totp=True)
    with shop.browser("nora") as nora:
        assert "No such card" in nora.get(f"/cards?q={card}").text  # headquarters issued it
        place = order(nora, "recharge-card", card=str(card), amount_minor="7", channel="1")
        assert "Done" in nora.get(place).text and counter.balance_minor(card) == CARD_MINOR + 7_00
        strange = preview(nora, "recharge-cards", rows=f"{card} 5", channel="1").text
        assert "There is no such card in your part of the organisation." in strange  # lists are no holders
        # headquarters takes back what that desk did, through that desk's terminal
        undone = maria.post(f"{place}/undo", page=place).headers["location"]
        assert "Done" in maria.get(undone).text and counter.balance_minor(card) == CARD_MINOR
        assert nora.get(undone).status_code == 404  # made by headquarters
    with shop.database.read() as session:
        query = select(entries.c.store_id, entries.c.terminal_id).where(
            entries.c.card_number == card, entries.c.type.in_((MessageType.CREDIT, MessageType.REVERSAL))
        )
        rows = session.execute(query.order_by(entries.c.id.desc()).limit(2)).all()
    assert rows == [(STORE_ID, terminal_id_of(STORE_ID))] * 2
    with shop.database.read() as session:  # every movement says who issued the card and who accepted it
        tags = select(entries.c.issuing_organisation_id, entries.c.accepting_organisation_id)
        assert set(session.execute(tags.where(entries.c.card_number == card, entries.c.store_id == STORE_ID))) == {
            (0, STORE_NODE_ID)
        }
    tried = maria.post(
        "/rules/try",
        {"card": str(other), "store": str(STORE_ID), "lines": "1 0 0 0 1 9.97", "settlement": "1", "cash_minor": "10"},
    ).text
    assert "CN¥0.07" in tried and "CN¥0.10" in tried  # the store rounds to tenths: 9.90, and 0.10 goes back


def test_limits_decide_what_needs_a_second_person_and_nobody_sets_his_own(shop, team, card_numbers):
    maria, finn, _counter = team
    card = next(card_numbers)
    own = maria.post("/money/limits", {"user_name": "maria", "money_minor_max": "9", "points_hundredths_max": "9"})
    assert "Nobody changes his own limits." in own.text
    sent = {"user_name": "maria", "money_minor_max": "10", "points_hundredths_max": "9"}
    assert finn.post("/money/limits", sent).status_code == 303
    assert "10.00" in finn.get("/money/limits").text
    alone = order(maria, "recharge-card", card=str(card), amount_minor="10", channel=CASH_HQ)
    assert "Done" in maria.get(alone).text
    above = order(maria, "recharge-card", card=str(card), amount_minor="10.01", channel=CASH_HQ)
    assert "Waits for a second person" in maria.get(above).text
    approve(finn, above)
    assert balance(shop, card) == CARD_MINOR + 20_01
