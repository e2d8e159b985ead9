"""What one person may do alone: per document and per day, at its edges, shown before anything is submitted."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from admin.cards.authorisations import grant
from admin.models.documents import AloneUse, Document, DocumentState
from admin.parameters import set_parameter
from switch.protocol.card_terms import CardStatus
from switch.protocol.records import AccountRecord, CardRecord, CardTypeRecord
from tests.support.admin_office import NORTH_CARD, SOUTH_CARD
from tests.support.admin_orders import order, preview

DAY_MS = 86_400_000
WAITS, ALONE = "submitted", "running"


@pytest.fixture
def desk(office):
    """Two cards; Maria recharges, Finn sets limits."""
    office.put_two_regions()
    office.put(CardTypeRecord(code=1, key=1, face_minor_max=1))
    office.put(*(AccountRecord(account_number=number, balance_minor=200_00) for number in (NORTH_CARD, SOUTH_CARD)))
    office.add_user("maria", "hq-supervisor", totp=True)
    office.add_user("finn", "finance", totp=True)
    return office


def state(office, place):
    with office.database.read() as session:
        return session.scalars(select(Document.state).where(Document.id == int(place.rpartition("/")[2]))).one()


def test_money_is_bounded_per_document_and_per_day_and_what_is_equal_goes_alone(desk):
    with desk.browser("finn") as finn:
        sent = {"user_name": "maria", "money_minor_max": "10", "points_hundredths_max": "9"}
        wrong = finn.post("/money/limits", sent | {"money_minor_day_max": "9.99"})
        assert "A day takes at least as much as one document." in wrong.text
        assert finn.post("/money/limits", sent | {"money_minor_day_max": "25"}).status_code == 303
        assert "25.00" in finn.get("/money/limits").text

    with desk.browser("maria") as maria:

        def recharge(amount):
            return order(maria, "recharge-card", card=str(NORTH_CARD), amount_minor=amount, channel="2")

        def shown(amount):
            return preview(maria, "recharge-card", card=str(NORTH_CARD), amount_minor=amount, channel="2").text

        # Of one document: 10.00 goes, 10.01 waits, and what waits takes nothing of the day.
        assert state(desk, recharge("10.01")) == WAITS
        first = recharge("10")
        assert state(desk, first) == ALONE and state(desk, recharge("10.00")) == ALONE
        # Of the day: 5.00 are left, and he is told before he submits.
        assert "needs a second person" in shown("5.01") and "needs a second person" not in shown("5")
        assert "CN¥20.00" in shown("5") and "You have used CN¥20.00" in maria.get("/money/limits").text
        assert state(desk, recharge("5.01")) == WAITS
        assert state(desk, recharge("5")) == ALONE
        assert state(desk, recharge("0.01")) == WAITS
        # Of which nothing was done in the end, that counts nothing.
        with desk.database.write() as session:
            ended = {"state": DocumentState.PARTLY, "ended_at": desk.service.now(), "done_count": 0}
            session.execute(update(Document).where(Document.id == int(first.rpartition("/")[2])).values(**ended))
        assert state(desk, recharge("10")) == ALONE
        assert state(desk, recharge("0.01")) == WAITS
        # The next day begins at nothing.
        desk.world.now_ms += DAY_MS
        maria.sign_in("maria", code=desk.code("maria"))
        assert state(desk, recharge("10")) == ALONE
        with desk.database.read() as session:
            uses = sorted(tuple(row) for row in session.execute(select(AloneUse.day, AloneUse.amount)))
        assert uses == [(20_454, 5_00), *[(20_454, 10_00)] * 3, (20_455, 10_00)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_bounds_for_the_second_person_are_parameters_that_previews_show(desk):
    boss = desk.visitor("maria")
    made = [CardRecord(card_number=6222_0201_0009_0000 + n, card_type=1, status=CardStatus.MADE) for n in range(3)]
    desk.put(*made)
    with desk.browser("maria") as maria:
        for amount, most, waits in (("200", None, False), ("200", "199", True), ("200", "200", False)):
            if most is not None:
                set_parameter(desk.service, boss, "payout_alone_amount", most)
            shown = preview(maria, "return-cards", cards=str(NORTH_CARD)).text
            assert "Cash paid out by one document" in shown and f"CN¥{most or amount}.00" in shown
            assert ("needs a second person" in shown) is waits
    now, nora = desk.service.now(), desk.add_user("nora", "card-desk")
    wanted = {"card_type": 1, "tasks": 3, "from_at": now, "until_at": now + timedelta(hours=1), "cards_max": 10}
    grant(desk.service, boss, user_id=nora, remark="", **wanted)
    with desk.browser("nora") as browser:
        for most, waits in (("3", False), ("2", True)):
            set_parameter(desk.service, boss, "issue_alone_cards", most)
            numbers = f"{made[0].card_number} - {made[-1].card_number}"
            shown = preview(browser, "issue-cards", cards=numbers, tender="1").text
            assert "Cards of one document" in shown and ("needs a second person" in shown) is waits
