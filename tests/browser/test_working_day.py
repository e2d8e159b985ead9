"""The working day of a card business, from an empty database on, in a real browser and by everybody's own hands.

The tests of this file are the hours of one day and build upon each other.  What people read and press comes from the
service's catalogs: `CARDSWITCH_DAY_LANGUAGE=en` runs the whole day in English; the second person reads the other
language in any case.  `CARDSWITCH_PICTURES=folder` keeps a picture of each page.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from admin.documents.registry import KINDS
from switch.protocol.card_terms import CardTypeFlag, Function
from switch.protocol.messages import OrganisationNode, Right
from tests.support.company import Company
from tests.support.day_till import DayTill
from tests.support.person import FIRST_PASSWORD, Person

LANGUAGE = os.environ.get("CARDSWITCH_DAY_LANGUAGE", "zh")
OTHER_LANGUAGE = {"zh": "en", "en": "zh"}[LANGUAGE]
STAFF = {
    "wang": ("王芳", "Headquarters supervisor", LANGUAGE),
    "chen": ("陈杰", "Headquarters supervisor", OTHER_LANGUAGE),
    "li": ("李娜", "Card desk", LANGUAGE),
    "qian": ("钱进", "Finance", LANGUAGE),
    "zhao": ("赵敏", "Security officer", LANGUAGE),
}
GROUP, NORTH, SHOP, OTHER_SHOP = 1, 10, 100, 200
STORE, OTHER_STORE = 1, 2
TILL, STOLEN_TILL = 7, 8
TYPE = 1
FIRST, COUNT, GIVEN = 6_222_020_100_000_001, 20, 12
"""Cards are made by the range; the first ones of it are drawn to a store and given out."""
FACE, PRICE = 200_00, 35_50
WRONG_CODES = 20
"""From which on the switch stops a terminal."""


@dataclass
class Day:
    """The company, who has come to work, and what they know of each other."""

    browser: Browser
    company: Company
    folder: Path
    people: dict[str, Person] = field(default_factory=dict)
    sale: int = 0
    """Entry of the sale."""

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    def comes(self, name: str, full_name: str, language: str) -> Person:
        """Somebody sits down at a browser."""
        self.people[name] = Person(self.browser, self.company, name, full_name, language)
        return self.people[name]

    def till(self, terminal_id: int) -> DayTill:
        """A till with the key file that was carried to it."""
        return DayTill(self.company.switch_address, self.folder / f"terminal-{terminal_id}.key")


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


def shown(person: Person, number: int) -> str:
    """A card's number as a person may see it."""
    text = str(number)
    return text if person.sees_numbers else f"{text[:6]}{'*' * (len(text) - 10)}{text[-4:]}"


def test_the_first_administrator_sets_up_from_empty_and_employs_people(day):
    boss = day.comes("boss", "张伟", LANGUAGE)
    boss.sees_numbers = True
    boss.set_up(day.company.setup_token)
    boss.look("empty-dashboard")
    for name, (full_name, role, language) in STAFF.items():
        boss.employ(name, full_name, role)
        day.comes(name, full_name, language).sign_on(FIRST_PASSWORD)
    for name in ("wang", "chen", "zhao"):
        day[name].sees_numbers = True


def test_a_supervisor_makes_the_organisation_its_stores_and_tills(day):
    wang, chen = day["wang"], day["chen"]
    if "add-node" not in KINDS:  # TODO remove
        day.company.command("organisation", "put", 1, "hq", "--name", "G")
        day.company.command("organisation", "put", 100, "store", "--under", 1, "--name", "G")
        day.company.command("store", "put", 1, "--organisation", 100)
        for number in (TILL, STOLEN_TILL):
            day.company.command("terminal", "put", number, "--store", 1, "--rights", "pay", "--key-file", day.folder / f"terminal-{number}.key")
        return
    for number, node, parent, name in (
        (GROUP, OrganisationNode.HQ, 0, "华联集团"),
        (NORTH, OrganisationNode.REGION, GROUP, "华北大区"),
        (SHOP, OrganisationNode.STORE, NORTH, "朝阳店"),
        (OTHER_SHOP, OrganisationNode.STORE, NORTH, "海淀店"),
    ):
        wang.order("add-node", organisation=number, node=node, parent=parent, name=name)
    wang.order("add-store", store=STORE, organisation=SHOP, round_off_minor="0.10")
    wang.order("add-store", store=OTHER_STORE, organisation=OTHER_SHOP)
    for number, store in ((TILL, STORE), (STOLEN_TILL, OTHER_STORE)):
        wang.order("add-terminal", terminal=number, store=store, rights=Right.PAY)
        wang.go(f"/terminals/{number}")
        with wang.page.expect_download() as fetched:
            wang.page.get_by_role("button", name=wang.say("Fetch the key file")).click()
        path = day.folder / f"terminal-{number}.key"
        fetched.value.save_as(path)
        path.chmod(0o600)
        wang.go(f"/terminals/{number}")
        assert not wang.page.get_by_role("button", name=wang.say("Fetch the key file")).count()
    chen.go("/organisation")
    chen.see("朝阳店")
    chen.go("/terminals")


def test_a_card_type_is_written_by_one_and_approved_by_another(day):
    wang, chen = day["wang"], day["chen"]
    wang.order(
        "write-card-type",
        code=TYPE,
        name="购物卡",
        functions=Function.IDENTIFY | Function.PAY | Function.POINTS,
        card_flags=CardTypeFlag.ACTIVATION_REQUIRED,
        validity_days=1095,
        face_minor_max="1000.00",
        single_minor_max="500.00",
        points_percent=100,
        fee_report_loss_minor="5.00",
        fee_replace_minor="10.00",
    )
    wang.order("submit-card-type", code=TYPE)
    refused = wang.refused("approve-card-type", code=TYPE)
    assert wang.say("A second person must agree: nobody approves a type that he wrote himself.") in refused
    chen.order("approve-card-type", code=TYPE)
    chen.go(f"/card-types/{TYPE}")
    chen.see("Approved")


def test_the_card_desk_makes_draws_issues_and_activates_a_batch(day):
    li, chen = day["li"], day["chen"]
    # Nobody makes cards of a type without being authorised for it.
    today = datetime.now(UTC).date()
    refused = li.refused("make-cards", card_type=TYPE, first=FIRST, count=COUNT)
    assert refused
    chen.go("/authorisations/new")
    from admin.pages.authorisation_pages import Authorisation

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
    li.order("issue-cards", cards=batch, value_minor=f"{FACE / 100:.2f}")
    li.order("activate-cards", cards=batch)
    li.go("/card-stock")
    card_page(li, FIRST)
    li.see("Active")


def test_a_till_sells_and_the_desk_sees_it(day):
    outcome = day.till(TILL).sell(FIRST, PRICE)
    assert outcome.approved
    day.sale = outcome.reply.journal_sequence
    li = day["li"]
    li.eventually(lambda: card_page(li, FIRST), "¥164.50")
    li.follow("Explain this balance")


def test_finance_recharges_and_refunds(day):
    pass


def test_a_lost_card_is_stopped_and_replaced(day):
    li, lost, new = day["li"], FIRST + 1, FIRST + GIVEN
    card_page(li, lost)
    li.follow("Report loss")
    li.finish("report-loss")
    assert not day.till(TILL).sell(lost, 1_00).approved
    li.order("replace-card", card=lost, new_card=new)
    card_page(li, new)
    outcome = day.till(TILL).sell(new, 1_00)
    assert outcome.approved


def test_a_card_is_frozen_by_one_and_unfrozen_by_two(day):
    li, wang = day["li"], day["wang"]
    card = FIRST + 2
    li.order("freeze-cards", cards=card, reason=3, remark="客户电话挂失")
    assert not day.till(TILL).sell(card, 1_00).approved
    place = li.order("unfreeze-cards", cards=card, is_done=False)
    wang.agree(place, "已电话核实")
    assert day.till(TILL).sell(card, 1_00).approved
