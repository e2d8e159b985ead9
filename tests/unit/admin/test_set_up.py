"""Setting an installation up: business waits for basic data; menu groups of their own; words of another trade."""

import re

import pytest

from switch.protocol.records import CardTypeRecord, StoreRecord
from tests.support.admin_members import add
from tests.support.admin_office import HQ, NORTH_CARD, NORTH_STORE, card

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
GROUP = re.compile(r'<details class="group"[^>]*>\s*<summary>([^<]+)(?:<span.*?)?</summary>(.*?)</details>', re.DOTALL)


def menu(browser):
    """Group of the menu -> its addresses."""
    page = browser.get("/").text.partition("<nav")[2].partition("</nav>")[0]
    return {label: re.findall(r'href="([^"]+)"', items) for label, items in GROUP.findall(page)}


@pytest.mark.feature("VC-066")
def test_business_is_refused_until_the_basic_data_is_there_and_the_checklist_shows_what_is_missing(office):
    office.add_user("hana", "administrator", totp=True)
    office.put(card(NORTH_CARD, NORTH_STORE))
    steps = (
        ("A store", lambda: office.put(StoreRecord(store_id=NORTH_STORE, organisation_id=HQ))),
        ("A card type", lambda: office.put(CardTypeRecord(code=1, key=1))),
        ("A user besides administrators", lambda: office.add_user("dora", "card-desk")),
    )
    forms = {
        "/documents/new/freeze-cards": {"cards": str(NORTH_CARD), "remark": "x", "reason": "0"},
        "/documents/new/recharge-cards": {"rows": f"{NORTH_CARD} 10", "remark": "x"},
        "/documents/new/adjust-points": {"card": str(NORTH_CARD), "points_hundredths": "5", "remark": "x"},
    }
    labels = [label for label, _make in steps]
    with office.browser("hana") as browser:
        assert "Business waits" in browser.get("/set-up").text
        for done, (_label, make) in enumerate(steps):
            missing = ", ".join(labels[done:])
            for address, fields in forms.items():
                page = browser.post(address, {**fields, "what": "preview"}).text
                assert f"Missing: {missing}." in page, (address, missing)
            basics = browser.get("/set-up").text
            assert basics.count("Missing</span>") >= len(steps) - done
            make()
        page = browser.get("/set-up").text
        assert "Business may begin" in page and "Business waits" not in page
        for address, fields in forms.items():
            assert "Business begins when" not in browser.post(address, {**fields, "what": "preview"}).text, address
    office.add_user("agnes", "service-agent")
    with office.browser("agnes") as browser:
        assert browser.get("/set-up").status_code == 403


@on_sqlite
@pytest.mark.feature("VC-174", "K3-142")
def test_basic_data_and_files_are_groups_of_the_menu_with_rights_of_their_own(office):
    office.put_two_regions()
    for name, role in (("boss", "administrator"), ("dora", "card-desk"), ("sam", "store-manager"), ("sue", "security")):
        office.add_user(name, role)
    with office.browser("boss") as browser:
        groups = menu(browser)
        assert {"/set-up", "/card-types", "/products", "/member-fields"} <= set(groups["Basic data"])
        assert "/member-import" in groups["Data import and export"]
        everything = [address for items in groups.values() for address in items]
        assert len(everything) == len(set(everything))  # nothing stands in two groups
        for address in (*groups["Basic data"], *groups["Data import and export"]):
            assert browser.get(address).status_code == 200, address
    with office.browser("dora") as browser:
        assert "/member-import" in menu(browser)["Data import and export"]
    with office.browser("sam") as browser:
        assert "Basic data" in menu(browser) and "Data import and export" not in menu(browser)
        assert browser.get("/member-import").status_code == 403
    with office.browser("sue") as browser:
        groups = menu(browser)
        assert "Basic data" not in groups and "Data import and export" not in groups
        assert browser.get("/set-up").status_code == 403


@pytest.mark.feature("GJ-059", "VC-037")
def test_another_trade_gives_things_its_own_names_in_both_languages(office):
    office.put_two_regions()
    office.add_user("boss", "administrator", totp=True)
    own = {
        "word.member.en": "owner",
        "word.members.en": "owners",
        "word.member.zh": "宠主",
        "word.store.en": "clinic",
        "word.product.zh": "诊疗项目",
        "word.unit.en": "visits",
        "word.unit.zh": "次",
    }
    with office.browser("boss") as browser:
        number = add(browser, "Member Li", mobile="13812345678")
        fields = {"item": "7", "code": "T7", "name": "Vaccination"}
        assert browser.post("/products/new", fields).status_code == 303
        assert "<td>pieces</td>" in browser.get("/products").text
        assert browser.post("/parameters/word.member.en", {"value": " "}).status_code == 409
        for name, word in own.items():
            assert browser.post(f"/parameters/{name}", {"value": word, "reason": "a vet"}).status_code == 303
        assert "Owners" in menu(browser) and "/members" in menu(browser)["Owners"]
        page = browser.get("/members/new").text
        assert "<h1>New owner</h1>" in page and not re.search(r">[^<]*[Mm]ember", page.partition("<main")[2])
        assert "<h1>Member Li" in browser.get(f"/members/{number}").text  # what people typed stays
        assert "A clinic" in browser.get("/set-up").text
        assert "<td>visits</td>" in browser.get("/products").text
        browser.get("/language/zh?back=/")
        page = browser.get("/members/new").text
        assert "宠主" in page and "会员" not in page.partition("<main")[2]
        products = browser.get("/products").text
        assert "诊疗项目" in products and "<td>次</td>" in products and "商品" not in products.partition("<main")[2]
