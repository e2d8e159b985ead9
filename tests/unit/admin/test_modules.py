"""Modules of an installation: groups of the menu with rights of their own, and switching off what is not wanted."""

import re

import pytest

from tests.support.admin_members import add

GROUPS = re.compile(r'<details class="group"[^>]*>\s*<summary>([^<]+)<')


def menu(browser):
    """Groups of the menu and the addresses below them."""
    page = browser.get("/").text.partition("<nav")[2].partition("</nav>")[0]
    return set(GROUPS.findall(page)), set(re.findall(r'href="([^"]+)"', page))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.feature("VC-179", "EF-009", "EF-036", "EF-037")
def test_each_module_is_a_group_of_the_menu_for_those_who_hold_its_rights(office):
    office.put_two_regions()
    for name, role in (("boss", "administrator"), ("mark", "marketing"), ("cora", "card-desk"), ("gus", "auditor")):
        office.add_user(name, role)
    with office.browser("boss") as browser:
        groups, pages = menu(browser)
        assert {"Cards", "Members", "Money and points", "Stores", "Reports", "Administration"} <= groups
        # Customer management in one part: files of members, levels, types, stock and issue of cards, value, points.
        for page in ("/members", "/member-levels", "/card-types", "/card-stock", "/desk", "/money", "/points"):
            assert page in pages and browser.get(page).status_code == 200, page
        for page in ("/rules", "/campaigns", "/reports", "/queries", "/report-timers"):
            assert page in pages and browser.get(page).status_code == 200, page
    for name, seen, hidden in (
        ("mark", {"/members", "/reports"}, {"/cards", "/money", "/points"}),
        ("cora", {"/members", "/cards", "/money", "/points"}, {"/reports", "/queries"}),
        ("gus", {"/cards", "/reports"}, {"/members", "/money", "/campaigns"}),
    ):
        with office.browser(name) as browser:
            pages = menu(browser)[1]
            assert seen <= pages and not hidden & pages, name
            assert [browser.get(page).status_code for page in sorted(seen)] == [200] * len(seen)
            assert [browser.get(page).status_code for page in sorted(hidden)] == [403] * len(hidden)


@pytest.mark.feature("VC-007", "VC-010")
def test_a_module_is_switched_off_for_an_installation_and_on_again(office):
    office.put_two_regions()
    office.add_user("boss", "administrator", totp=True)
    office.add_user("hana", "hq-supervisor")
    token = office.token("hana")
    with office.browser("boss") as boss, office.browser("hana") as hana:
        number = add(hana, "张伟")
        assert "/members" in menu(hana)[1]
        assert "Modules of this installation" in boss.get("/parameters").text
        wrong = boss.post("/parameters/module.members", {"value": "maybe"})
        assert wrong.status_code == 409
        off = boss.post("/parameters/module.members", {"value": "off", "reason": "a bank has no members"})
        assert off.status_code == 303
        for browser in (hana, boss):
            pages = menu(browser)[1]
            assert "/members" not in pages and "/reports" in pages
            assert browser.get("/members").status_code == 403 and browser.get(f"/members/{number}").status_code == 403
        assert "/queries/ask?subject=members" not in hana.get("/queries").text
        assert hana.get("/reports/satisfaction").status_code == 404
        boss.post("/parameters/module.reports", {"value": "off"})
        assert "Reports" not in menu(hana)[0] and hana.get("/reports").status_code == 403
        with office.program(token) as program:
            assert program.get("/api/v1/cards").status_code == 200
        for name in ("members", "reports"):
            assert boss.post(f"/parameters/module.{name}", {"value": "on"}).status_code == 303
        assert "张伟" in hana.get(f"/members/{number}").text  # what was kept stays
        assert hana.get("/reports").status_code == 200
        assert boss.get("/parameters/module.users").status_code == 404  # nobody could switch anything on again
