"""The card desk through pages: from number to holder, stopping, replacing, ending; what it costs, who must agree."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from admin.models.audit import AuditRow
from admin.models.documents import Document, DocumentStep
from admin.models.mirror import accounts, card_limits, cards
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import CardFlag, CardStatus
from tests.support.admin_card_desk import (
    account_of,
    approve,
    authorise,
    card_of,
    document_of,
    field,
    make_type,
    numbers,
    order,
    preview,
    steps_of,
    till_of,
    words,
)
from tests.support.admin_members import add
from tests.support.desk import STORE_ID

FEES = {
    "fee_issue_minor": "5", "fee_joining_minor": "1", "fee_replace_minor": "10", "fee_swap_minor": "8",
    "fee_report_loss_minor": "3", "fee_restore_minor": "2", "fee_return_minor": "4", "fee_renew_minor": "6",
    "fee_annual_minor": "20", "fees_waivable": ["1"], "fees_from_balance": ["128", "16"],
}  # fmt: skip


@pytest.fixture
def people(shop):
    """Maria at the desk, Chen who agrees; both supervisors."""
    ids = [shop.add_user(name, "hq-supervisor", totp=True) for name in ("maria", "chen")]
    with shop.browser("maria") as maria, shop.browser("chen") as chen:
        yield maria, chen, ids[0]


def refused(reply):
    """The status for which a payment was declined."""
    assert reply.code == ResponseCode.CARD_STATUS
    return reply.detail


def ready(shop, people, code, **terms):
    """An approved type of which Maria may make and issue cards."""
    maria, chen, user_id = people
    make_type(maria, chen, code, **terms)
    authorise(shop, "chen", user_id, code)
    return maria, chen


@pytest.mark.feature(
    "HD-024",
    "K3-084",
    "HD-035",
    "HD-036",
    "HD-037",
    "HD-042",
    "HD-044",
    "HD-048",
    "HD-049",
    "HD-082",
    "EF-022",
    "GJ-139",
)
def test_a_batch_is_made_drawn_issued_activated_and_pays(shop, people):
    maria, _ = ready(shop, people, 30, card_flags=["1024"], validity_days=30, card_cost_minor="1.50", **FEES)
    batch = numbers(622230000000001, 70)
    first, second = batch[:2]
    made = order(maria, "make-cards", card_type=30, first=first, count=70, with_check_digit="on")
    assert document_of(shop, made).done_count == 70 and len(steps_of(shop, made)) == 2
    results = words(maria.get(f"{made}/requests/2").text)
    assert "6 cards" in results and str(batch[-1]) in results and results.count("Approved") == 6
    order(maria, "draw-cards", cards=f"{first}\n{second}", store_id=STORE_ID)
    assert (card_of(shop, first).status, card_of(shop, first).custody_store_id) == (CardStatus.DRAWN, STORE_ID)
    stock = words(maria.get("/card-stock").text)
    assert "Type 30 68 2" in stock and "105.00" in stock and "68 3 Type 30 2" in stock
    shown = preview(maria, "issue-cards", cards=f"{first}\n{second}", value_minor="50", tender="1")
    assert "Fees ¥10.00" in words(shown).replace("CN¥", "¥") and "100.00" in words(shown)
    issued = order(maria, "issue-cards", cards=f"{first}\n{second}", value_minor="50", tender="1")
    assert sum(step.fee_minor for step in steps_of(shop, issued)) == 10_00
    assert account_of(shop, first).balance_minor == 50_00
    with till_of(shop) as till:
        assert refused(till.pay(first, 1_00)) == CardStatus.ISSUED
        order(maria, "activate-cards", cards=f"{first} - {second}")
        card = card_of(shop, first)
        assert card.expiry_date == card.activated_date + 30
        assert till.pay(first, 1_00).code == ResponseCode.APPROVED
    renewed = order(maria, "renew-cards", cards=str(first), tender="1")
    assert card_of(shop, first).expiry_date == card.expiry_date + 30
    assert steps_of(shop, renewed)[0].fee_minor == 6_00
    again = order(maria, "make-cards", card_type=30, first=first, count=71, with_check_digit="on")
    assert document_of(shop, again).done_count == 1
    assert "There is such a card already." in preview(
        maria, "make-cards", card_type=30, first=first, count=71, with_check_digit="on"
    )


@pytest.mark.feature(
    "HD-054", "HD-056", "HD-059", "HD-038", "HD-039", "HD-040", "HD-061", "K3-092", "GJ-024", "GJ-025", "K3-095",
    "GJ-088", "GJ-093",
)  # fmt: skip
def test_a_lost_card_pays_nothing_comes_back_and_is_replaced_with_all_it_had(shop, people):
    maria, _ = ready(shop, people, 31, **FEES)
    old, new = 6222_3100_0000_0001, 6222_3100_0000_0009
    order(maria, "make-and-issue", card_type=31, first=old, value_minor="100", tender="1", member="77")
    order(maria, "make-cards", card_type=31, first=new)
    page = maria.get(f"/cards/{shop.app.state.references.make(old)}").text
    assert "/documents/new/report-loss?cards=" in page and "/documents/new/restore-cards" not in page
    with till_of(shop) as till:
        lost = order(maria, "report-loss", cards=str(old), tender="1")
        assert refused(till.pay(old, 1_00)) == CardStatus.LOST
        assert steps_of(shop, lost)[0].fee_minor == 3_00
        restored = maria.post(f"{lost}/undo", page=lost).headers["location"]
        assert steps_of(shop, restored)[0].fee_minor == 2_00
        assert till.pay(old, 1_00).code == ResponseCode.APPROVED
        order(maria, "report-loss", cards=str(old), tender="1")
        replaced = order(maria, "replace-card", card=str(old), new_card=str(new), tender="1")
        assert steps_of(shop, replaced)[0].fee_minor == 10_00
        assert card_of(shop, old).status == CardStatus.REPLACED
        assert till.pay(new, 2_00).code == ResponseCode.APPROVED
    shop.settle()
    page = words(maria.get(f"/cards/{shop.app.state.references.make(new)}").text)
    assert f"{old} → {new}" in page and "Member number 77" in page and "97.00" in page
    balance = words(maria.get(f"/cards/{shop.app.state.references.make(new)}/balance").text)
    assert "They agree" in balance and "Make and issue 1" in balance and "Debit 2" in balance
    assert "99.00" in balance and "97.00" in balance


@pytest.mark.feature("HD-041", "HD-055", "HD-057", "HD-060", "GJ-080")
def test_what_ends_a_card_takes_a_second_person_where_money_goes_or_nothing_comes_back(shop, people):
    maria, chen = ready(shop, people, 32, **FEES)
    rich, poor, wrong, right = (6222_3200_0000_0001 + n for n in (0, 2, 4, 6))
    first = order(
        maria, "make-and-issue", card_type=32, first=rich, value_minor="300", tender="1", is_first="on", member="88"
    )
    assert steps_of(shop, first)[0].fee_minor == 6_00  # issue and joining
    again = {"card_type": 32, "first": rich + 100, "tender": "1", "is_first": "on"}
    assert "charged once" in preview(maria, "make-and-issue", **again, member="88")
    assert "fill in the member" in preview(maria, "make-and-issue", **again)
    assert "Only one card" in preview(maria, "make-and-issue", **again, member="89", count="2")
    order(maria, "make-and-issue", card_type=32, first=poor, value_minor="10", tender="0")
    order(maria, "make-and-issue", card_type=32, first=wrong, value_minor="20", tender="0")
    shown = words(preview(maria, "return-cards", cards=str(poor)))
    assert "Paid out" in shown and "6.00" in shown and "4.00" in shown
    done = order(maria, "return-cards", cards=str(poor))
    assert (document_of(shop, done).state, card_of(shop, poor).status) == ("done", CardStatus.RETURNED)
    assert steps_of(shop, done)[0].amount_minor == 6_00
    waits = order(maria, "return-cards", cards=str(rich))
    assert document_of(shop, waits).state == "submitted"
    approve(chen, waits)
    assert card_of(shop, rich).status == CardStatus.RETURNED
    correct = order(maria, "correct-number", card=str(wrong), right_number=str(right), remark="misprint")
    assert card_of(shop, wrong).status == CardStatus.ACTIVE
    approve(chen, correct)
    assert (card_of(shop, wrong).status, card_of(shop, right).account_number) == (CardStatus.CORRECTED, wrong)
    assert "There is value on it" in preview(maria, "void-cards", cards=str(right), remark="spoiled")
    assert "Written off" in preview(maria, "void-cards", cards=str(right), write_off="on", remark="spoiled")
    void = order(maria, "void-cards", cards=str(right), write_off="on", remark="spoiled")
    approve(chen, void)
    assert card_of(shop, right).status == CardStatus.VOID
    with till_of(shop) as till:
        assert refused(till.pay(right, 1_00)) == CardStatus.VOID
    order(maria, "clear-cards", cards=str(right), remark="back to stock")
    assert card_of(shop, right).status == CardStatus.CLEARED


@pytest.mark.feature("GJ-026", "HD-045", "HD-155")
def test_the_console_tells_what_a_card_a_list_and_an_unknown_number_allow(shop, people):
    maria, _ = ready(shop, people, 33, **FEES)
    live, made, nothing = 6222_3300_0000_0001, 6222_3300_0000_0003, 6222_3300_0000_0005
    order(maria, "make-and-issue", card_type=33, first=live, tender="1")
    order(maria, "make-cards", card_type=33, first=made)
    one = maria.post("/desk", {"cards": str(live)}).headers["location"]
    assert str(live) not in one
    page = maria.get(one).text
    shown = page[page.index("<section") : page.index("</section>")]
    assert "freeze-cards?cards=" in shown and "replace-card?card=" in shown and "unfreeze-cards" not in shown
    unknown = maria.get(maria.post("/desk", {"cards": str(nothing)}).headers["location"]).text
    shown = unknown[unknown.index("<section") : unknown.index("</section>")]
    assert "make-cards?first=" in shown and "freeze-cards" not in shown
    listed = maria.post("/desk", {"cards": f"{live} - {made}\nhello"}).text
    assert "Freeze cards (1)" in words(listed) and "Void cards (2)" in words(listed) and "hello" in listed
    form = maria.post("/documents/new/freeze-cards", {"what": "fill", "cards": f"{live} - {made}"}, page="/desk").text
    assert f"{live} - {made}" in form and "Fill this in." not in form
    back = maria.post("/documents/new/freeze-cards", {"what": "back", "cards": str(live), "reason": "0"})
    assert back.status_code == 200 and card_of(shop, live).status == CardStatus.ACTIVE
    order(maria, "freeze-cards", cards=f"{live} - {made}")
    assert card_of(shop, live).status == CardStatus.FROZEN
    with till_of(shop) as till:
        assert refused(till.pay(live, 1)) == CardStatus.FROZEN
    console = words(maria.get("/desk").text)
    for label in (
        "Reserve numbers",
        "Draw cards to a store",
        "Issue cards",
        "Blacklist cards",
        "Activate cards",
        "Set limits of cards",
    ):
        assert label in console
    menu = maria.get("/desk").text
    assert all(f'href="{address}"' in menu for address in ("/card-types", "/alarms", "/entries", "/card-stock"))
    fee = order(maria, "charge-fee", cards=str(live), fee="7", tender="2")
    assert card_of(shop, live).flags & CardFlag.FEE_DUE and steps_of(shop, fee)[0].fee_minor == 0
    paid = order(maria, "charge-fee", cards=str(live), fee="7", tender="1")
    assert not card_of(shop, live).flags & CardFlag.FEE_DUE and steps_of(shop, paid)[0].fee_minor == 20_00


def test_undo_touches_only_what_was_changed(shop, people):
    maria, _ = ready(shop, people, 34)
    first = 6222_3400_0000_0001
    order(maria, "make-and-issue", card_type=34, first=first, count=3, tender="1")
    order(maria, "report-loss", cards=str(first + 1), tender="1")
    lost = order(maria, "report-loss", cards=f"{first} - {first + 2}", tender="1")
    maria.post(f"{lost}/undo", page=lost)
    assert [card_of(shop, first + n).status for n in range(3)] == [1, CardStatus.LOST, 1]


@pytest.mark.feature("HD-074", "HD-075")
def test_nobody_makes_cards_without_an_open_authorisation(shop, people):
    maria, chen, user_id = people
    make_type(maria, chen, 35)
    fields = {"card_type": 35, "first": 6222_3500_0000_0001, "count": 3}
    assert "not authorised" in preview(maria, "make-cards", **fields)
    day = (shop.service.now()).date()
    page = chen.get("/authorisations/new?type=35").text
    assert "Maria" in page and "Chen (chen)" not in page
    chen.post(
        "/authorisations/new",
        {"card_type": 35, "user_id": user_id, "tasks": ["1", "2"], "from_date": day.isoformat(),
         "until_date": (day + timedelta(days=1)).isoformat(), "cards_max": "150", "remark": "opening"},
    )  # fmt: skip
    assert "Open" in chen.get("/authorisations?type=35").text and "opening" in chen.get("/authorisations").text
    order(maria, "make-cards", **fields)
    assert "covers 147 more, this would be 148" in preview(
        maria, "make-cards", **{**fields, "first": 6222_3500_0001_0001, "count": 148}
    )
    assert "not authorised" in preview(chen, "make-cards", **{**fields, "first": 6222_3500_0002_0001})
    many = {**fields, "first": 6222_3500_0003_0001, "count": 120}
    waits = order(maria, "make-and-issue", **many, tender="1")
    assert document_of(shop, waits).state == "submitted"
    revoked = chen.post("/authorisations/1/revoke", page="/authorisations")
    assert revoked.status_code == 303
    late = chen.post(f"{waits}/approve", page=waits)
    assert late.status_code == 409 and "is over" in late.text
    assert "Revoked" in chen.get("/authorisations").text
    with shop.database.read() as session:
        acts = session.scalars(select(AuditRow.action).where(AuditRow.module == "card-types")).all()
    assert acts[-2:] == ["authorise", "revoke"]


def test_a_window_that_is_over_or_not_begun_opens_nothing(shop, people):
    maria, chen, user_id = people
    make_type(maria, chen, 36)
    now = shop.service.now()
    authorise(shop, "chen", user_id, 36, from_at=now + timedelta(hours=5), until_at=now + timedelta(hours=6))
    authorise(shop, "chen", user_id, 36, tasks=2)
    fields = {"card_type": 36, "first": 6222_3600_0000_0001}
    assert "not authorised" in preview(maria, "make-cards", **fields)
    assert "Begins later" in chen.get("/authorisations").text


def test_settings_of_a_card_reach_the_switch(shop, people):
    maria, _ = ready(shop, people, 37)
    number = 6222_3700_0000_0001
    order(maria, "make-and-issue", card_type=37, first=number, value_minor="100", tender="1")
    order(maria, "set-card-limits", cards=str(number), single_minor_max="20", daily_count_max="3")
    order(maria, "set-card-level", cards=str(number), level="3")
    order(maria, "set-card-member", card=str(number), member="4711")
    order(maria, "set-card-segments", cards=str(number), segments=["1", "4"])
    account = account_of(shop, number)
    assert (account.level, account.member, account.segments) == (3, 4711, 5)
    with shop.database.read() as session:
        limits = session.execute(select(card_limits).where(card_limits.c.card_number == number)).one()
    assert (limits.single_minor_max, limits.daily_count_max) == (20_00, 3)
    with till_of(shop) as till:
        assert till.pay(number, 21_00).code == ResponseCode.SINGLE_AMOUNT
    shown = words(maria.get(f"/cards/{shop.app.state.references.make(number)}").text)
    assert "Of this card" in shown and "4711" in shown


def test_a_new_pin_is_nowhere_to_be_read(shop, people):
    maria, _ = ready(shop, people, 38)
    number = 6222_3800_0000_0001
    order(maria, "make-and-issue", card_type=38, first=number, tender="1")
    assert "differ" in preview(maria, "reset-pin", card=str(number), pin="482915", again="482916")
    address = "/documents/new/reset-pin"
    key = field(maria.get(address).text, "request_key")
    typed = {"request_key": key, "card": str(number)}
    shown = maria.post(address, {"what": "preview", **typed, "pin": "482915", "again": "482915"}).text
    assert "482915" not in shown
    carried = {name: field(shown, name) for name in ("digest", "pin", "again")}
    other = maria.post(address, {"what": "send", **typed, **carried, "request_key": "another"})
    assert other.status_code == 200  # sealed for one document: of no use for another
    place = maria.post(address, {"what": "send", **typed, **carried}).headers["location"]
    assert document_of(shop, place).done_count == 1 and "482915" not in maria.get(place).text
    with shop.database.read() as session:
        everything = [*session.scalars(select(Document.form)), *session.scalars(select(AuditRow.detail))]
        bodies = b"".join(session.scalars(select(DocumentStep.body)))
    assert "482915" not in " ".join(everything) and b"482915" not in bodies


@pytest.mark.feature("HD-072")
def test_cards_are_found_by_what_they_are(shop, people):
    maria, _ = ready(shop, people, 39, validity_days=10)
    made, live = 6222_3900_0000_0001, 6222_3900_0000_0003
    order(maria, "make-cards", card_type=39, first=made)
    order(maria, "make-and-issue", card_type=39, first=live, tender="1", member="3900")
    order(maria, "draw-cards", cards=str(made), store_id=STORE_ID)
    for address, found, other in (
        ("/cards?type=39&status=1", live, made),
        ("/cards?type=39&status=5", made, live),
        (f"/cards?type=39&store={STORE_ID}", made, live),
        (f"/cards?q={live}+-+{live + 5}", live, made),
        ("/cards?member=3900", live, made),
        ("/cards?type=39&expires_from=2020-01-01", live, made),
        ("/cards?q=62223900&expires_until=2099-01-01", live, made),
    ):
        page = maria.get(address).text
        assert str(found) in page and str(other) not in page, address


@pytest.mark.feature("HD-050")
def test_reserved_numbers_are_passed_over_and_a_large_issue_takes_a_second_person(shop, people):
    maria, chen = ready(shop, people, 40)
    first = 6222_4000_0000_0001
    reserved = order(maria, "reserve-numbers", card_type=40, first=first + 10, count=5)
    made = order(maria, "make-cards", card_type=40, first=first, count=130)
    assert document_of(shop, made).done_count == 125
    assert card_of(shop, first + 12).status == CardStatus.RESERVED
    maria.post(f"{reserved}/undo", page=reserved)
    assert card_of(shop, first + 12).status == CardStatus.RELEASED
    place = order(maria, "issue-cards", cards=f"{first} - {first + 129}", value_minor="1", tender="1")
    assert document_of(shop, place).state == "submitted"
    approve(chen, place)
    with shop.database.read() as session:
        issued = select(func.count()).where(cards.c.card_type == 40, cards.c.status == CardStatus.ACTIVE)
        assert session.scalar(issued) == document_of(shop, place).done_count == 125
        values = select(func.sum(accounts.c.balance_minor)).where(accounts.c.account_number.between(first, first + 129))
        assert session.scalar(values) == 125_00


@pytest.mark.feature(
    "HD-020", "HD-026", "HD-027", "HD-034", "HD-043", "GJ-018", "GJ-023", "GJ-058", "GJ-140", "GJ-141", "HD-025",
    "GJ-017", "GJ-092", "K3-085", "K3-086",
)  # fmt: skip
def test_what_a_type_says_holds_at_the_till(shop, people):
    maria, chen, user_id = people
    first = 6222_6000_0000_0001
    types: dict[int, dict[str, Any]] = {
        60: {"functions": ["1"]},
        61: {"functions": ["32"]},
        62: {"functions": ["2", "4"], "discount_bp": "10", "points_percent": "100"},
        63: {"functions": ["2", "8"], "discount_bp": "10", "card_flags": ["128"], "relation": "2"},
        64: {"functions": ["2"], "relation": "3"},
        65: {"functions": ["2"], "relation": "1"},
        66: {"functions": ["2", "16"]},
    }
    for code, terms in types.items():
        order(maria, "write-card-type", code=code, name=f"Type {code}", **terms)
        order(maria, "submit-card-type", code=code)
        order(chen, "approve-card-type", code=code)
        authorise(shop, "chen", user_id, code)
    named = {"card_type": 63, "first": first + 63, "value_minor": "50", "tender": "1"}
    assert "fill in the member" in preview(maria, "make-and-issue", **named)
    for code in (60, 61, 62):
        order(maria, "make-and-issue", card_type=code, first=first + code, value_minor="50", tender="1")
    order(maria, "make-and-issue", **named, member="5")
    order(
        maria,
        "make-and-issue",
        **{**named, "first": first + 73, "value_minor": "0"},
        member="5",
        main_card=str(first + 63),
    )
    assert "supplementary" in preview(maria, "make-and-issue", card_type=64, first=first + 64, tender="1")
    order(maria, "make-and-issue", card_type=64, first=first + 64, tender="1", main_card=str(first + 62))
    order(maria, "set-card-limits", cards=str(first + 64), single_minor_max="2")
    linked = {"card_type": 65, "first": first + 65, "tender": "1", "main_card": str(first + 62)}
    order(maria, "make-and-issue", **linked)
    order(maria, "make-and-issue", card_type=66, first=first + 66, tender="1")
    order(maria, "load-visits", card=str(first + 66), service="7", count="2", received_minor="60")
    with till_of(shop) as till:
        visits = [
            till.pay(first + 66, 30_00, visits=(7, 1)) for _ in range(3)
        ]  # one off per visit, and then none is left
        assert [reply.code == ResponseCode.APPROVED for reply in visits] == [True, True, False]
        assert till.pay(first + 60, 1_00).code == ResponseCode.FUNCTION_OFF
        assert till.pay(first + 61, 1_00).code == ResponseCode.FUNCTION_OFF
        points = till.pay(first + 62, 10_00)  # its discount is ignored: the function is off
        assert (points.code, points.discount_minor, points.points_hundredths) == (0, 0, 10_00)
        both = [till.pay(number, 10_00) for number in (first + 63, first + 73)]  # two plastics, one purse
        assert [(reply.discount_minor, reply.balance_minor) for reply in both] == [(1_00, 41_00), (1_00, 32_00)]
        assert till.pay(first + 64, 3_00).code == ResponseCode.SINGLE_AMOUNT
        assert till.pay(first + 64, 2_00).balance_minor == 38_00  # of the main card's purse
        shared = till.pay(first + 65, 1_00)  # the linked card shares the value
        assert (shared.code, shared.balance_minor) == (ResponseCode.APPROVED, 37_00)
    # The points card redeems what it has earned.
    order(maria, "put-gift", gift_id="9", name="Cup", price_hundredths="4", deducts="on")
    order(maria, "redeem-gift", card=str(first + 62), gift="9")
    assert account_of(shop, first + 62).points_hundredths == 6_00


@pytest.mark.feature("VC-076", "VC-077", "VC-078")
def test_from_the_members_page_a_card_is_reported_replaced_and_joined_by_another(shop, people):
    maria, chen, user_id = people
    for code, relation in ((74, "0"), (75, "3")):
        make_type(maria, chen, code, relation=relation)
        authorise(shop, "chen", user_id, code)
    member = add(maria, "Li Na", organisation_id="0")
    old, new, beside = (6222_7400_0000_0001 + n for n in (0, 4, 8))
    order(maria, "make-and-issue", card_type=74, first=old, value_minor="30", tender="1", member=str(member))
    order(maria, "make-cards", card_type=74, first=new)

    def chosen(label):
        """The form behind one of the member's cards: what it is filled with goes along."""
        page = maria.get(f"/members/{member}").text
        found = re.search(rf'<a class="deed" href="/documents/new/([\w-]+)\?([^"]+)">{label}<', page)
        assert found is not None, words(page)
        return found[1], dict(part.split("=") for part in found[2].replace("&amp;", "&").split("&"))

    kind, filled = chosen("Add a supplementary card")
    order(maria, kind, **filled, card_type=75, first=beside, tender="1")
    with till_of(shop) as till:
        assert till.pay(beside, 5_00).balance_minor == 25_00
        kind, filled = chosen("Report loss")
        order(maria, kind, **filled, tender="1")
        assert refused(till.pay(old, 1_00)) == CardStatus.LOST
        kind, filled = chosen("Replace a card")
        order(maria, kind, **filled, new_card=str(new), tender="1")
        assert till.pay(new, 5_00).balance_minor == 20_00
    shop.settle()
    page = words(maria.get(f"/members/{member}").text)
    assert "Replaced" in page and str(new) in page


@pytest.mark.feature("HD-051", "HD-149", "K3-138", "VC-175")
def test_the_card_desk_has_rights_of_its_own_and_making_and_issuing_are_two(shop, people):
    maria, chen, _ = people
    make_type(maria, chen, 70)
    shop.add_user("nobody")
    nora = shop.add_user("nora", "store-manager")
    authorise(shop, "chen", nora, 70)
    with shop.browser("nobody") as browser:
        assert browser.get("/desk").status_code == 403 and "/desk" not in browser.get("/account").text
    with shop.browser("nora") as browser:  # may change cards, not make them
        page = browser.get("/desk").text
        assert "issue-cards" in page and "make-and-issue" not in page and "/authorisations/new" not in page
        assert browser.get("/documents/new/make-cards").status_code == 403
        assert browser.get("/authorisations/new").status_code == 403
    shop.world.now_ms += 6 * 60_000
    assert chen.get("/authorisations/new").headers["location"].startswith("/step-up")
