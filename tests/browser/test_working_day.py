"""The working day of a card business, from an empty database on, in a real browser and by everybody's own hands.

The tests of this file are the hours of one day and build upon each other.  What people read and press comes from the
service's catalogs.  Everybody works in one language first and in the other one later, so that each role is at home in
both; with `CARDSWITCH_DAY_LANGUAGE=en` the day begins in English.  `CARDSWITCH_PICTURES=folder` keeps a picture of each
page.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from switch.protocol.card_terms import CardStatus, CardTypeFlag, Function
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import KeyPurpose, OrganisationNode, RechargeChannel, Right
from tests.support.company import Company
from tests.support.day_till import DayTill
from tests.support.person import FIRST_PASSWORD, Person

LANGUAGE = os.environ.get("CARDSWITCH_DAY_LANGUAGE", "zh")
OTHER_LANGUAGE = {"zh": "en", "en": "zh"}[LANGUAGE]
NAMES = {
    "zh": {
        "boss": "张伟",
        "wang": "王芳",
        "chen": "陈杰",
        "li": "李娜",
        "qian": "钱进",
        "zhao": "赵敏",
        "sun": "孙丽",
        "wu": "吴刚",
        "group": "华联集团",
        "north": "华北大区",
        "shop": "朝阳店",
        "other_shop": "海淀店",
        "type": "购物卡",
        "faulty": "商品有瑕疵",
        "called": "客户来电",
        "called back": "已电话核实",
        "stolen": "收银机被盗",
        "met": "与赵敏当面核对",
        "member": "周雨",
        "twice": "办了两次",
        "campaign": "国庆促销",
    },
    "en": {
        "boss": "Zhang Wei",
        "wang": "Wang Fang",
        "chen": "Chen Jie",
        "li": "Li Na",
        "qian": "Qian Jin",
        "zhao": "Zhao Min",
        "sun": "Sun Li",
        "wu": "Wu Gang",
        "group": "Hualian Group",
        "north": "North China",
        "shop": "Chaoyang",
        "other_shop": "Haidian",
        "type": "Shopping card",
        "faulty": "It was faulty",
        "called": "The customer called",
        "called back": "I called her back",
        "stolen": "The till was stolen",
        "met": "Checked with Zhao Min",
        "member": "Zhou Yu",
        "twice": "Enrolled twice",
        "campaign": "Golden week",
    },
}[LANGUAGE]
"""What people type."""
STAFF = {
    "wang": ("Headquarters supervisor", LANGUAGE),
    "chen": ("Administrator", OTHER_LANGUAGE),
    "li": ("Card desk", LANGUAGE),
    "qian": ("Finance", LANGUAGE),
    "zhao": ("Security officer", LANGUAGE),
}
GROUP, NORTH, SHOP, OTHER_SHOP = 1, 10, 100, 200
STORE, OTHER_STORE = 1, 2
TILL, STOLEN_TILL = 7, 8
TYPE = 1
FIRST, COUNT, GIVEN = 6_222_020_100_000_001, 20, 12
"""Cards are made by the range; the first ones of it are drawn to a store and given out."""
FACE, PRICE, RECHARGED, GIVEN_BACK = 200_00, 35_50, 50_00, 5_50
REPORT_FEE, REPLACE_FEE = 5_00, 10_00
WRONG_CODES = 20
"""From which on the switch stops a terminal."""


@dataclass
class Day:
    """The company, who has come to work, and what they know of each other."""

    browser: Browser
    company: Company
    folder: Path
    people: dict[str, Person] = field(default_factory=dict)
    tills: dict[int, DayTill] = field(default_factory=dict)
    sale: int = 0
    """Entry of the first sale."""

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    def comes(self, name: str, full_name: str, language: str) -> Person:
        """Somebody sits down at a browser."""
        self.people[name] = Person(self.browser, self.company, name, full_name, language)
        return self.people[name]

    def till(self, terminal_id: int) -> DayTill:
        """A till with the key file that was carried to it."""
        if terminal_id not in self.tills:
            self.tills[terminal_id] = DayTill(self.company.switch_address, self.key_file(terminal_id))
        return self.tills[terminal_id]

    def key_file(self, terminal_id: int) -> Path:
        """Where a terminal's key file lies once it was fetched."""
        return self.folder / f"terminal-{terminal_id}.key"


@pytest.fixture(scope="module")
def day(chromium, tmp_path_factory):
    """The day, with everybody's browser."""
    folder = tmp_path_factory.mktemp("company")
    with Company(folder) as company:
        day = Day(chromium, company, folder)
        yield day
        for person in day.people.values():
            person.leave()
        faults = [fault for person in day.people.values() for fault in person.faults]
        assert faults == []


def card_page(person: Person, number: int) -> None:
    """Find a card as people do: "/", its number, Enter, the link."""
    person.go("/cards")
    person.page.locator("body").press("/")
    person.page.keyboard.type(str(number))
    person.page.keyboard.press("Enter")
    person.page.wait_for_url(re.compile(rf"q={number}"))
    person.follow(shown(person, number))


def decimal(amount_minor: int) -> str:
    """An amount as people type it."""
    return f"{amount_minor / 100:.2f}"


def shown(person: Person, number: int) -> str:
    """A card's number as a person may see it."""
    text = str(number)
    return text if person.sees_numbers else f"{text[:6]}{'*' * (len(text) - 10)}{text[-4:]}"


@pytest.mark.feature("K3-001", "K3-002", "VC-161", "VC-162", "VC-165", "VC-166", "HD-145")
def test_the_first_administrator_sets_up_from_empty_and_employs_people(day):
    boss = day.comes("boss", NAMES["boss"], LANGUAGE)
    boss.sees_numbers = True
    boss.set_up(day.company.setup_token)
    boss.look("empty-dashboard")
    for name, (role, language) in STAFF.items():
        boss.employ(name, NAMES[name], role)
        day.comes(name, NAMES[name], language).sign_on(FIRST_PASSWORD)
    for name in ("wang", "chen", "zhao"):
        day[name].sees_numbers = True


def test_a_supervisor_makes_the_organisation_its_stores_and_tills(day):
    wang, chen = day["wang"], day["chen"]
    for number, node, parent, name in (
        (GROUP, OrganisationNode.HQ, 0, NAMES["group"]),
        (NORTH, OrganisationNode.REGION, GROUP, NAMES["north"]),
        (SHOP, OrganisationNode.STORE, NORTH, NAMES["shop"]),
        (OTHER_SHOP, OrganisationNode.STORE, NORTH, NAMES["other_shop"]),
    ):
        wang.order("add-node", organisation=number, node=node, parent=parent, name=name)
    wang.order("add-store", store=STORE, organisation=SHOP, round_off_minor="0.10")
    wang.order("add-store", store=OTHER_STORE, organisation=OTHER_SHOP)
    for number, store in ((TILL, STORE), (STOLEN_TILL, OTHER_STORE)):
        wang.order("add-terminal", terminal=number, store=store, rights=Right.PAY)
        wang.go(f"/terminals/{number}")
        wang.show("till")
        with wang.page.expect_download() as fetched:
            wang.page.get_by_role("button", name=wang.say("Fetch the key file")).click()
        fetched.value.save_as(day.key_file(number))
        day.key_file(number).chmod(0o600)
        wang.go(f"/terminals/{number}")
        assert not wang.page.get_by_role("button", name=wang.say("Fetch the key file")).count()
    chen.go("/organisation")
    chen.see(NAMES["shop"])
    chen.go("/terminals")


@pytest.mark.feature("K3-087", "VC-100", "HD-024")
def test_a_card_type_is_written_by_one_and_approved_by_another(day):
    wang, chen = day["wang"], day["chen"]
    wang.order(
        "write-card-type",
        code=TYPE,
        name=NAMES["type"],
        functions=Function.IDENTIFY | Function.PAY | Function.POINTS,
        card_flags=CardTypeFlag.ACTIVATION_REQUIRED,
        validity_days=1095,
        face_minor_max="1000.00",
        single_minor_max="500.00",
        points_percent=100,
        fee_report_loss_minor=decimal(REPORT_FEE),
        fee_replace_minor=decimal(REPLACE_FEE),
        picture="card-type",
    )
    wang.order("submit-card-type", code=TYPE)
    refused = wang.refused("approve-card-type", code=TYPE)
    assert wang.say("A second person must agree: nobody approves a type that he wrote himself.") in refused
    chen.order("approve-card-type", code=TYPE)
    chen.go(f"/card-types/{TYPE}")
    chen.see("Approved")


@pytest.mark.feature("HD-048", "HD-050", "HD-074", "HD-082")
def test_the_card_desk_makes_draws_issues_and_activates_a_batch(day):
    li, chen = day["li"], day["chen"]
    # Nobody makes cards of a type without being authorised for it.
    today = datetime.now(UTC).date()
    refused = li.refused("make-cards", card_type=TYPE, first=FIRST, count=COUNT)
    assert refused
    chen.speak(LANGUAGE)
    chen.go("/authorisations/new")
    from admin.cards.authorisation_form import Authorisation

    chen.fill(
        Authorisation,
        {
            "card_type": TYPE,
            "user_id": chen.number_of("li"),
            "tasks": 3,
            "from_date": today - timedelta(days=1),
            "until_date": today + timedelta(days=7),
            "cards_max": 100,
        },
    )
    chen.press("Authorise")
    li.order("make-cards", card_type=TYPE, first=FIRST, count=COUNT)
    batch = f"{FIRST} - {FIRST + GIVEN - 1}"
    li.order("draw-cards", cards=batch, store_id=STORE)
    li.order("issue-cards", cards=batch, value_minor=decimal(FACE), picture="batch")
    li.go("/card-stock")
    # An issued card is worth nothing before it is activated.
    assert day.till(TILL).sell(FIRST, 1_00).code == ResponseCode.CARD_STATUS
    li.order("activate-cards", cards=batch)
    card_page(li, FIRST)
    li.see("Active")
    assert str(FIRST) not in li.page.content()


@pytest.mark.feature("HD-022")
def test_a_till_sells_and_the_desk_sees_it(day):
    outcome = day.till(TILL).sell(FIRST, PRICE)
    assert outcome.approved
    day.sale = outcome.reply.journal_sequence
    li = day["li"]
    li.eventually(lambda: card_page(li, FIRST), li.money(FACE - PRICE))
    li.show("card")
    li.follow("Explain this balance")


@pytest.mark.feature("HD-052", "HD-097", "K3-093")
def test_finance_recharges_and_gives_a_purchase_back(day):
    qian = day["qian"]
    qian.order("recharge-card", card=FIRST, amount_minor=decimal(RECHARGED), channel=RechargeChannel.CASH_STORE)
    qian.order("refund-sale", remark=NAMES["faulty"], original=day.sale, amount_minor=decimal(GIVEN_BACK))
    qian.eventually(lambda: card_page(qian, FIRST), qian.money(FACE - PRICE + RECHARGED + GIVEN_BACK))


@pytest.mark.feature("HD-054", "HD-059", "HD-038", "HD-039", "K3-092", "K3-095", "GJ-024", "GJ-088")
def test_a_lost_card_is_stopped_and_replaced(day):
    li, lost, new = day["li"], FIRST + 1, FIRST + GIVEN
    li.speak(OTHER_LANGUAGE)
    card_page(li, lost)
    li.follow("Report loss")
    li.finish("report-loss")
    li.see(li.money(REPORT_FEE))
    stopped = day.till(TILL).sell(lost, 1_00)
    assert (stopped.code, CardStatus(stopped.reply.detail)) == (ResponseCode.CARD_STATUS, CardStatus.LOST)
    li.order("replace-card", card=lost, new_card=new)
    li.see(li.money(REPLACE_FEE))
    card_page(li, new)
    li.see(li.money(FACE))
    outcome = day.till(TILL).sell(new, 1_00)
    assert outcome.approved and outcome.balance_minor == FACE - 1_00
    assert not day.till(TILL).sell(lost, 1_00).approved


@pytest.mark.feature("GJ-026", "GJ-027", "HD-144")
def test_a_card_is_frozen_by_one_and_unfrozen_by_two(day):
    li, wang = day["li"], day["wang"]
    card = FIRST + 2
    wang.speak(OTHER_LANGUAGE)
    li.order("freeze-cards", cards=card, reason=3, remark=NAMES["called"])
    stopped = day.till(TILL).sell(card, 1_00)
    assert (stopped.code, CardStatus(stopped.reply.detail)) == (ResponseCode.CARD_STATUS, CardStatus.FROZEN)
    place = li.order("unfreeze-cards", cards=card, is_done=False)
    wang.agree(place, NAMES["called back"])
    assert day.till(TILL).sell(card, 1_00).approved


def test_somebody_who_enrolled_twice_becomes_one_member(day):
    from admin.members.drafts import MemberForm

    wang, numbers = day["wang"], []
    for mobile in ("13800000001", "13900000002"):
        wang.go("/members/new")
        wang.fill(MemberForm, {"name": NAMES["member"], "mobile": mobile, "organisation_id": SHOP})
        wang.press("Save")
        numbers.append(wang.number_in_address())
    stays, goes = numbers
    wang.go(f"/members/{stays}/merge")
    wang.field("Number of the record that ends").fill(str(goes))
    wang.press("Preview")
    wang.look("merge-preview")
    wang.field("Reason").fill(NAMES["twice"])
    wang.press("Merge")
    assert wang.number_in_address() == stays
    wang.go(f"/members?q={NAMES['member']}")
    assert wang.page.locator(f"a[href='/members/{stays}']").count()


def test_a_campaign_is_planned_and_called_off_once_whoever_presses_last(day):
    from admin.campaigns import CampaignForm

    wang, today = day["wang"], datetime.now(UTC).date()
    wang.go("/campaigns/new")
    days = {"from_date": today + timedelta(days=2), "until_date": today + timedelta(days=9)}
    wang.fill(CampaignForm, {"name": NAMES["campaign"], **days})
    wang.press("Save")
    number = wang.number_in_address()
    with wang.second_tab() as tab:
        tab.go(f"/campaigns/{number}")
        tab.press("Stop it")
    refused = wang.turned_down("Stop it")
    assert wang.say("This campaign has been stopped already.") in refused


def test_the_till_closes_its_day_and_the_next_date_begins(day):
    wang = day["wang"]
    assert day.till(TILL).close_day().is_closed
    wang.eventually(lambda: wang.go("/business-day"), wang.say("Closed"))
    wang.follow("Begin the next business date")
    wang.finish("cut-over")
    wang.go("/business-day")
    assert day.till(TILL).sell(FIRST, 1_00).approved


@pytest.mark.feature("HD-080")
def test_an_alarm_rings_is_acknowledged_and_cleared_by_two(day):
    zhao, boss = day["zhao"], day["boss"]
    zhao.go("/alarms")
    day.till(STOLEN_TILL).guess_codes(WRONG_CODES)
    zhao.page.locator("#monitor").get_by_text(zhao.say("Proofs tried out")).wait_for()  # nobody has loaded the page
    zhao.go("/alarms")
    zhao.page.locator("a[href^='/alarms/']").first.click()
    zhao.page.wait_for_url(re.compile(r"/alarms/\d+$"))
    alarm = zhao.page.url
    zhao.look("alarm")
    zhao.show("alarm")
    zhao.follow("Acknowledge")
    zhao.finish("acknowledge-alarm")
    zhao.order("block-terminals", terminals=STOLEN_TILL, remark=NAMES["stolen"])
    zhao.go(alarm)
    zhao.see("Acknowledged")
    zhao.follow("Nobody did wrong")
    place = zhao.finish("clear-alarm", is_done=False)
    boss.agree(place)


@pytest.mark.feature("HD-152")
def test_a_key_is_rotated_by_two_and_the_key_desk(day):
    zhao, boss = day["zhao"], day["boss"]
    zhao.speak(OTHER_LANGUAGE)
    zhao.go("/keys")
    zhao.go(f"/keys/{int(KeyPurpose.RECEIPT)}")
    zhao.follow("Rotate")
    place = zhao.finish("rotate-key", is_done=False)
    boss.agree(place, NAMES["met"])
    zhao.go(f"/keys/{int(KeyPurpose.RECEIPT)}")
    zhao.see("Verifies only")
    zhao.show("key")


@pytest.mark.feature("GJ-061")
def test_a_store_manager_sees_his_store_and_nothing_else(day):
    boss = day["boss"]
    boss.employ("sun", NAMES["sun"], "Store manager", place=NAMES["shop"])
    sun = day.comes("sun", NAMES["sun"], LANGUAGE)
    sun.sign_on(FIRST_PASSWORD)
    sun.go("/terminals")
    assert sun.page.locator(f"a[href='/terminals/{TILL}']").count()
    assert not sun.page.locator(f"a[href='/terminals/{STOLEN_TILL}']").count()
    sun.speak(OTHER_LANGUAGE)
    sun.denied(f"/terminals/{STOLEN_TILL}", 404)
    sun.denied("/users", 403)
    sun.denied("/documents/new/add-terminal", 403)
    card_page(sun, FIRST)  # in the custody of the store
    sun.order("freeze-cards", cards=FIRST + 3, remark=NAMES["called"])
    assert day.till(TILL).sell(FIRST + 3, 1_00).code == ResponseCode.CARD_STATUS
    sun.go("/cards")
    sun.page.keyboard.press("/")
    sun.page.keyboard.type(str(FIRST + COUNT - 1))  # still at headquarters
    sun.see("No such card in your part of the organisation. Check the digits, or take a filter away.")
    sun.go("/reports")


def test_an_auditor_reads_everything_and_changes_nothing(day):
    boss, wu = day["boss"], day.comes("wu", NAMES["wu"], LANGUAGE)
    boss.employ("wu", NAMES["wu"], "Auditor")
    wu.sign_on(FIRST_PASSWORD)
    for address in ("/audit", "/audit/check", "/documents", "/entries", "/organisation", "/users", "/reports"):
        wu.go(address)
    wu.speak(OTHER_LANGUAGE)
    for address in ("/users/new", "/documents/new/freeze-cards", "/authorisations/new"):
        wu.denied(address, 403)


@pytest.mark.feature("GJ-048")
def test_a_report_says_what_the_day_was(day):
    qian = day["qian"]
    qian.speak(OTHER_LANGUAGE)
    qian.go("/reports")
    qian.follow("Sales by store")
    sold = PRICE - GIVEN_BACK + 3 * 1_00  # the first sale, less what came back; a card each that was replaced, freed
    qian.page.locator("tfoot").get_by_role("cell", name=decimal(sold), exact=True).wait_for()
    qian.show("report")
    with qian.page.expect_download() as fetched:
        qian.page.get_by_role("link", name="Excel").click()
    assert fetched.value.path().read_bytes()[:2] == b"PK"


@pytest.mark.feature("VC-163", "VC-164")
def test_the_dashboard_balances_and_the_log_has_everybody(day):
    boss = day["boss"]
    boss.speak(OTHER_LANGUAGE)
    boss.go("/")
    boss.see("Equal")
    boss.look("dashboard-in-the-evening")
    boss.show("dashboard")
    boss.go("/audit")
    for name in (*STAFF, "sun", "wu"):
        boss.go(f"/audit?user={name}")
        assert boss.page.locator("tbody tr").count(), name
    boss.go("/audit/check")
    assert "audit log: whole" in day.company.command("admin", "check-audit", "--data", day.company.data)
