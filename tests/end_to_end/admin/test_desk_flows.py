"""Whole flows of the desk before a real switch: sales and swaps of store and headquarters, limits, what is noted."""

import pytest
from sqlalchemy import select

from admin.models.audit import AuditRow
from admin.models.journal import entries
from admin.models.members import Member
from admin.models.people import User
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import CardFlag, CardOperation, CardStatus, FeeKind, MessageType
from tests.support.admin_business import STORE_NODE_ID, Counter, make_business
from tests.support.admin_card_desk import (
    account_of,
    authorise,
    card_of,
    document_of,
    make_type,
    numbers,
    order,
    preview,
    steps_of,
    words,
)
from tests.support.admin_members import add
from tests.support.desk import STORE_ID
from tests.support.switch_process import SwitchProcess

CONTACT_CHIP, STRIPE = "3", "2"
TERMS = {
    "fee_issue_minor": "5", "fee_swap_minor": "8", "fee_replace_minor": "10", "card_flags": ["1024"],
    "points_percent": "100",
}  # fmt: skip


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        with SwitchProcess(make_business(folder / "data")) as process:
            yield process


@pytest.fixture
def crew(shop):
    """Maria and Chen at headquarters, Nora at the store's desk, and the store's till."""
    shop.add_user("maria", "hq-supervisor", totp=True)
    shop.add_user("chen", "hq-supervisor", totp=True)
    nora = shop.add_user("nora", "card-desk", organisation_id=STORE_NODE_ID, totp=True)
    till = Counter(shop)
    with shop.browser("maria") as maria, shop.browser("chen") as chen, shop.browser("nora") as desk:
        yield maria, chen, desk, nora, till
    till.close()


def drawn(shop, crew, code, first, count=4, **terms):
    """Cards of a new type in the store's stock."""
    maria, chen, _desk, nora, _till = crew
    make_type(maria, chen, code, **{**TERMS, **terms})
    with shop.database.read() as session:
        maria_id = session.scalars(select(User.id).where(User.name == "maria")).one()
    authorise(shop, "chen", maria_id, code)
    authorise(shop, "chen", nora, code)
    batch = numbers(first, count)
    order(maria, "make-cards", card_type=code, first=batch[0], count=count, with_check_digit="on")
    order(maria, "draw-cards", cards=f"{batch[0]} - {batch[-1]}", store_id=STORE_ID)
    return batch


@pytest.mark.feature("EF-050")
def test_a_store_sells_from_its_own_stock_and_the_shift_report_counts_what_the_switch_has_issued(shop, crew):
    maria, _chen, desk, _nora, till = crew
    batch = drawn(shop, crew, 50, 622250000000001)
    elsewhere = numbers(622250000900001, 1)[0]
    order(maria, "make-cards", card_type=50, first=elsewhere)
    fields = {"value_minor": "50", "tender": "1"}
    assert "no such card" in words(preview(desk, "issue-cards", cards=str(elsewhere), **fields))  # not of her stock
    sold = [order(desk, "issue-cards", cards=str(number), **fields) for number in batch[:2]]
    assert till.sell(batch[0], 1_00).code == ResponseCode.CARD_STATUS  # paid, not yet activated
    order(desk, "activate-cards", cards="\n".join(map(str, batch[:2])))
    assert till.sell(batch[0], 20_00).code == ResponseCode.APPROVED

    slip = words(desk.get(f"{sold[0]}/slip").text)
    assert "Issue cards" in slip and "Nora" in slip and f"Store {STORE_ID}" in slip
    assert str(batch[0])[:6] + "******" + str(batch[0])[-4:] in slip and str(batch[0]) not in slip
    assert "Value CN¥50.00 Fees · Paid at the desk CN¥5.00 Paid at the desk CN¥55.00" in slip.replace("\xa0", "")
    shop.settle()
    shown = words(maria.get("/reports/desk-shifts").text).replace("\xa0", "")
    with shop.database.read() as session:
        issued = entries.c.operation == CardOperation.ISSUE
        query = select(entries.c.sequence).where(issued, entries.c.store_id == STORE_ID, entries.c.code == 0)
        assert len(set(session.scalars(query))) == 2
    assert f"{STORE_ID} Nora 2 100.00 0 0 0.00 0 0.00 10.00" in shown
    with shop.program(shop.token("nora")) as program:
        told = program.get(f"/api/v1{sold[1]}/slip").json()
        assert (told["cash_minor"], told["card_count"], told["lines"][0]["value_minor"]) == (55_00, 1, 50_00)
        assert program.get("/api/v1/documents/999999/slip").status_code == 404


@pytest.mark.feature("EF-051")
def test_headquarters_swaps_a_card_with_all_it_had_for_a_fee(shop, crew):
    maria, _chen, _desk, _nora, till = crew
    old, new, unreadable, other = drawn(shop, crew, 51, 622251000000001)
    member = add(maria, "Li Na", organisation_id="0", id_number="11010519491231002X")
    order(maria, "issue-cards", cards=str(old), value_minor="80", tender="1", member=str(member))
    order(maria, "activate-cards", cards=str(old))
    order(maria, "set-card-limits", cards=str(old), daily_minor_max="30")
    assert till.sell(old, 20_00).points_hundredths == 20_00
    held = words(maria.get(f"/members/{member}/whole").text)
    assert "11010519491231002X" in held  # the holder's document is compared with this; the look is noted
    shown = words(preview(maria, "replace-card", card=str(old), new_card=str(new), tender="1")).replace("\xa0", "")
    assert "Fees CN¥8.00" in shown
    swap = order(maria, "replace-card", card=str(old), new_card=str(new), tender="1")
    assert steps_of(shop, swap)[0].fee_minor == 8_00
    assert (card_of(shop, old).status, card_of(shop, old).successor_number) == (CardStatus.REPLACED, new)
    account = account_of(shop, card_of(shop, new).account_number)
    assert (account.balance_minor, account.points_hundredths, account.member) == (60_00, 20_00, member)
    assert till.sell(old, 1_00).code == ResponseCode.CARD_STATUS
    assert till.sell(new, 11_00).code == ResponseCode.DAILY_AMOUNT  # today's 20.00 went over with the limit
    assert till.sell(new, 10_00).code == ResponseCode.APPROVED
    slip = words(maria.get(f"{swap}/slip").text)
    assert f"{str(old)[-4:]} → {str(new)[:6]}" in slip
    # A damaged one: nobody can pay with it until the new one goes on with its account.
    order(maria, "issue-cards", cards=str(unreadable), value_minor="10", tender="1")
    order(maria, "activate-cards", cards=str(unreadable))
    order(maria, "mark-bad-cards", cards=str(unreadable), remark="bent")
    assert till.sell(unreadable, 1_00).code == ResponseCode.CARD_STATUS
    bad = order(maria, "replace-card", card=str(unreadable), new_card=str(other), tender="1")
    assert steps_of(shop, bad)[0].fee_minor == 10_00 and till.sell(other, 10_00).code == ResponseCode.APPROVED
    with shop.database.read() as session:
        acts = session.execute(select(AuditRow.module, AuditRow.action).where(AuditRow.object.contains(str(member))))
        assert any("see" in action or "look" in action for _module, action in acts)


@pytest.mark.feature("EF-052")
def test_a_store_swaps_from_its_stock_in_one_step_and_sends_an_unreadable_chip_to_headquarters(shop, crew):
    maria, _chen, desk, _nora, till = crew
    old, new, dead, fresh = drawn(shop, crew, 52, 622252000000001, medium=CONTACT_CHIP)
    for number in (old, dead):
        order(desk, "issue-cards", cards=str(number), value_minor="30", tender="1")
        order(desk, "activate-cards", cards=str(number))
    swap = order(desk, "replace-card", card=str(old), new_card=str(new), tender="1")
    assert len(steps_of(shop, swap)) == 1 and document_of(shop, swap).store_id == STORE_ID
    assert till.sell(new, 30_00).code == ResponseCode.APPROVED
    assert till.sell(old, 1).code == ResponseCode.CARD_STATUS

    order(desk, "mark-bad-cards", cards=str(dead), remark="chip mute")
    refused = words(preview(desk, "replace-card", card=str(dead), new_card=str(fresh), tender="1"))
    assert "An unreadable chip card is swapped by headquarters" in refused
    order(maria, "replace-card", card=str(dead), new_card=str(fresh), tender="1")
    assert till.sell(fresh, 30_00).code == ResponseCode.APPROVED


@pytest.mark.feature("EF-058")
def test_numbers_and_states_are_the_services_work_and_each_act_is_in_the_audit_log(shop, crew):
    _maria, _chen, desk, _nora, _till = crew
    batch = drawn(shop, crew, 53, 622253000000001)
    order(desk, "issue-cards", cards=str(batch[0]), value_minor="0", tender="1")
    order(desk, "activate-cards", cards=str(batch[0]))
    frozen = order(desk, "freeze-cards", cards=str(batch[0]))
    assert all(number % 10 == int(str(number)[-1]) for number in batch) and len(set(batch)) == 4
    with shop.database.read() as session:
        rows = session.execute(select(AuditRow.module, AuditRow.action, AuditRow.object, AuditRow.detail)).all()
    said = " ".join(f"{row.action} {row.object} {row.detail}" for row in rows)
    for kind in ("make-cards", "draw-cards", "issue-cards", "activate-cards", "freeze-cards"):
        assert kind in said
    assert not any(str(number) in said for number in batch)  # the log names documents and references, not numbers
    assert document_of(shop, frozen).done_count == 1 and card_of(shop, batch[0]).status == CardStatus.FROZEN
    shop.add_user("audra", "auditor")
    with shop.browser("audra") as audra:
        assert "freeze-cards" in audra.get("/audit").text


@pytest.mark.feature("HD-069")
def test_a_type_of_stripe_cards_has_limits_of_recharging(shop, crew):
    _maria, _chen, desk, _nora, till = crew
    (card, *_rest) = drawn(
        shop, crew, 54, 622254000000001, medium=STRIPE,
        recharge_day_minor_max="100", recharge_count_max="3", ceiling_minor="120",
    )  # fmt: skip
    order(desk, "issue-cards", cards=str(card), value_minor="0", tender="1")
    order(desk, "activate-cards", cards=str(card))

    def recharge(amount):
        place = order(desk, "recharge-card", card=str(card), amount_minor=amount, channel="1")
        return steps_of(shop, place)[0].code

    amount, count = ResponseCode.RECHARGE_AMOUNT, ResponseCode.RECHARGE_COUNT
    assert [recharge(text) for text in ("101", "60", "50", "30", "10", "1")] == [amount, 0, amount, 0, 0, count]
    assert till.balance_minor(card) == 100_00
    with shop.database.read() as session:
        query = select(entries.c.code).where(entries.c.card_number == card, entries.c.type == MessageType.CREDIT)
        assert sorted(session.scalars(query)) == sorted([0, 0, 0, amount, amount, count])


@pytest.mark.feature("HD-138")
def test_who_may_not_see_it_finds_it_masked_on_pages_in_exports_and_in_the_log(shop, crew):
    maria, _chen, _desk, _nora, till = crew
    card, *_rest = drawn(shop, crew, 55, 622255000000001)
    people = [add(maria, name, organisation_id="0") for name in ("A", "B", "C", "D", "E", "F", "G")]
    papers = {"id_number": "11010519491231002X", "mobile": "13812345678"}
    member = add(maria, "Zhang Wei", organisation_id="0", **papers)
    assert member not in people
    order(maria, "issue-cards", cards=str(card), value_minor="123.45", tender="1", member=str(member))
    order(maria, "activate-cards", cards=str(card))
    assert till.sell(card, 23_00).points_hundredths == 23_00
    shop.settle()
    reference = shop.app.state.references.make(card)
    numbers_of_him = (str(card), "11010519491231002X", "13812345678")
    holdings = ("100.45", "123.45", "23.00 points")
    addresses = (
        f"/members/{member}",
        f"/cards/{reference}",
        "/cards?type=55",
        "/members",
        "/entries",
        f"/desk?card={reference}",
    )
    assert "100.45" in maria.get(f"/cards/{reference}").text  # who serves holders sees what they have
    shop.add_user("agent", "service-agent")
    with shop.browser("agent") as agent:
        pages = {address: agent.get(address) for address in addresses}
        assert {page.status_code for page in pages.values()} == {200}
        for address, page in pages.items():
            for secret in (*numbers_of_him, *holdings):
                assert secret not in page.text, (address, secret)
        assert "138****5678" in pages[addresses[0]].text and "***" in pages[addresses[1]].text
        assert agent.get(f"/members/{member}/whole").status_code == 403
        assert agent.get(f"/cards/{reference}/balance").status_code == 403
    with shop.program(shop.token("agent")) as program:
        told = program.get(f"/api/v1/cards/{reference}").json()
        assert (told["balance_minor"], told["points_hundredths"], told["purses"]) == (None, None, [])
        rows = program.get(f"/api/v1/cards/{reference}/entries").json()["rows"]
        assert {row["balance_minor"] for row in rows} == {None} == {row["points_hundredths"] for row in rows}
        held = program.get(f"/api/v1/members/{member}").json()["cards"]
        assert [one["balance_minor"] for one in held] == [None]
    shop.add_user("boss", "administrator", totp=True)
    with shop.browser("boss") as boss:
        rights = ["members.view", "members.export", "reports.view", "reports.export"]
        made = boss.post("/roles/new", {"name": "exporter", "label": "Exporter", "rights": rights})
        assert made.headers["location"] == "/roles"
    shop.add_user("mia", "exporter")
    with shop.browser("mia") as mia:  # may export, may not see
        assert mia.get("/reports/card-log/csv").status_code in (403, 404)
        exported = mia.get("/member-export?form=csv")
        assert exported.status_code == 200
        text = exported.content.decode("utf-8-sig")
        assert "Zhang Wei" in text and "***" in text
        assert not any(secret in text for secret in (*numbers_of_him, "100.45"))
    with shop.database.read() as session:
        log = " ".join(f"{row.object} {row.detail}" for row in session.scalars(select(AuditRow)))
    assert not any(secret in log for secret in numbers_of_him)


ANNUAL, SUPPLEMENTARY_ANNUAL, SERVICE = (
    str(1 << kind) for kind in (FeeKind.ANNUAL, FeeKind.SUPPLEMENTARY_ANNUAL, FeeKind.SERVICE)
)
"""As the editor of a type ticks them."""
DESK, BALANCE = "1", "2"
BANK_CARD = "3"


def fees_of(shop, place):
    return [step.fee_minor for step in steps_of(shop, place)]


def types_of(shop, crew, terms, *kinds):
    """Types that Maria may issue, of a relation each."""
    maria, chen, _desk, _nora, _till = crew
    with shop.database.read() as session:
        maria_id = session.scalars(select(User.id).where(User.name == "maria")).one()
    for code, relation in kinds:
        make_type(maria, chen, code, relation=relation, **terms)
        authorise(shop, "chen", maria_id, code)


def joined_years_ago(shop, member, years):
    """A member who was taken over from the system before, with the day on which he joined; the month."""
    with shop.database.write() as session:
        record = session.get_one(Member, member)
        record.created_at = record.created_at.replace(year=record.created_at.year - years, day=1)
        return record.created_at.month


@pytest.mark.feature("GJ-081", "GJ-082", "GJ-083", "GJ-084")
def test_annual_fees_begin_with_the_joining_fee_and_fall_due_in_the_joining_month_once_a_year(shop, crew):
    maria, _chen, _desk, _nora, till = crew
    terms = {
        "fee_issue_minor": "5", "fee_joining_minor": "10", "fee_annual_minor": "20",
        "fee_supplementary_annual_minor": "8", "fees_from_balance": [ANNUAL, SUPPLEMENTARY_ANNUAL],
    }  # fmt: skip
    types_of(shop, crew, terms, (56, "0"), (57, "3"))
    new, main, beside, poor = numbers(622256000000001, 4)
    # The switch is the module's, the members are this test's: the first numbers hold other tests' cards.
    people = [add(maria, name, organisation_id="0") for name in ("A", "B", "C", "Zhao Liu", "Wang Wu", "Sun Qi")]
    newcomer, member, other = people[3:]
    form = {"card_type": 56, "value_minor": "100", "tender": DESK}
    first = {**form, "first": new, "member": newcomer, "is_first": "on"}
    assert "Fees CN¥35.00" in words(preview(maria, "make-and-issue", **first)).replace("\xa0", "")
    assert fees_of(shop, order(maria, "make-and-issue", **first)) == [15_00, 20_00]  # issue and joining; the first year
    order(maria, "make-and-issue", **form, first=main, member=member)
    supplement = {"card_type": 57, "first": beside, "tender": DESK, "member": member, "main_card": str(main)}
    order(maria, "make-and-issue", **supplement)
    order(maria, "make-and-issue", **{**form, "value_minor": "1"}, first=poor, member=other)
    month = joined_years_ago(shop, member, 2)
    joined_years_ago(shop, newcomer, 1)
    joined_years_ago(shop, other, 5)
    other_month = {"month": str(month % 12 + 1), "tender": BALANCE}
    assert "nothing to do" in words(preview(maria, "annual-fees", **other_month))
    place = order(maria, "annual-fees", month=str(month), tender=BALANCE)
    # the newcomer has paid this year's with the joining fee; who has too little owes it and goes on
    assert fees_of(shop, place) == [20_00, 8_00, 0]
    assert till.balance_minor(main) == 72_00 and till.balance_minor(new) == 100_00
    assert card_of(shop, poor).flags & CardFlag.FEE_DUE and card_of(shop, poor).status == CardStatus.ACTIVE
    again = words(preview(maria, "annual-fees", month=str(month), tender=BALANCE))
    assert str(main) not in again and str(beside) not in again and str(poor) in again
    assert fees_of(shop, order(maria, "annual-fees", month=str(month), tender=DESK)) == [20_00]
    assert not card_of(shop, poor).flags & CardFlag.FEE_DUE
    assert "nothing to do" in words(preview(maria, "annual-fees", month=str(month), tender=DESK))


@pytest.mark.feature("GJ-087")
def test_a_recharge_by_bank_card_costs_the_service_fee_of_the_type_and_one_in_cash_does_not(shop, crew):
    maria, _chen, _desk, _nora, till = crew
    types_of(
        shop, crew, {"fee_service_minor": "1.50", "fees_from_balance": [SERVICE], "ceiling_minor": "150"}, (58, "0")
    )
    (card,) = numbers(622258000000001, 1)
    order(maria, "make-and-issue", card_type=58, first=card, value_minor="10", tender=DESK)
    by_bank = {"card": str(card), "amount_minor": "50", "channel": BANK_CARD}
    assert "Fees CN¥1.50" in words(preview(maria, "recharge-card", **by_bank)).replace("\xa0", "")
    assert fees_of(shop, order(maria, "recharge-card", **by_bank)) == [0, 1_50]
    assert till.balance_minor(card) == 58_50
    assert fees_of(shop, order(maria, "recharge-card", **{**by_bank, "channel": DESK})) == [0]
    assert till.balance_minor(card) == 108_50
    refused = order(maria, "recharge-card", **by_bank)  # above the ceiling: nothing is credited, nothing charged
    assert [step.state for step in steps_of(shop, refused)] == ["refused", "cancelled"]
    assert till.balance_minor(card) == 108_50
