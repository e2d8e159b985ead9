"""What docs/manual.md says is so: its pages open for the roles that use them, its documents and commands are there."""

import re
import shlex
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from admin.documents.registry import KINDS
from admin.pages.common import MENU
from admin.pages.help_pages import HELP
from admin.rights import ROLES
from cardswitch.__main__ import add_branches

MANUAL = (Path(__file__).parents[3] / "docs" / "manual.md").read_text(encoding="utf-8")
CHAPTERS = dict(re.findall(r"^## \d+\. ([^\n]+)\n(.*?)(?=^## |\Z)", MANUAL, re.MULTILINE | re.DOTALL))
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PAGE = re.compile(r"`(/[a-z0-9/?=_.-]*)`")
ROLE_OF = {
    "Card desk": "card-desk",
    "Headquarters": "hq-supervisor",
    "Finance": "finance",
    "Security": "security",
    "Administrator": "administrator",
}


def rows(text, columns):
    """Cells of the tables with so many columns, without their headings."""
    for line in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
        cells = [cell.strip() for cell in line.split(" | ")]
        if len(cells) == columns and not set(cells[0]) <= set("-|"):
            yield cells


@pytest.fixture
def people(office):
    office.put_two_regions()
    for role in ROLES:
        office.add_user(role, role, totp=True)
    return office


@on_sqlite
@pytest.mark.feature("GJ-063", "GJ-064", "GJ-066", "EF-035")
def test_each_department_reaches_the_pages_of_its_procedures(people):
    procedures = list(rows(CHAPTERS["Procedures by department"], 5))[1:]
    assert {role for _department, role, *_rest in procedures} == ROLES.keys() - {"custodian"}
    by_role: dict[str, set[str]] = {}
    for _department, role, _task, page, _control in procedures:
        by_role.setdefault(role, set()).update(PAGE.findall(page))
    for role, pages in by_role.items():
        with people.browser(role) as browser:
            assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 200), role


@on_sqlite
def test_every_page_of_the_manual_is_there(people):
    pages = set(PAGE.findall(MANUAL))
    assert len(pages) > 40
    with people.browser("administrator") as browser:
        assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)


@on_sqlite
@pytest.mark.feature("EF-075", "EF-076", "EF-077", "EF-079", "EF-087", "GJ-067", "GJ-111")
def test_every_exercise_of_every_role_shows_what_it_promises(people):
    roles = dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^### |\Z)", CHAPTERS["Training"], re.MULTILINE | re.DOTALL))
    assert roles.keys() == ROLE_OF.keys() | {"Cashier"}
    for name, role in ROLE_OF.items():
        exercises = list(rows(roles[name], 3))[1:]
        assert len(exercises) >= 3
        with people.browser(role) as browser:
            for exercise, page, words in exercises:
                answer = browser.get(page.strip("`"))
                assert answer.status_code == 200 and words in answer.text.partition("<main")[2], (name, exercise)


@on_sqlite
@pytest.mark.feature("GJ-112")
def test_each_page_has_help_about_its_part_of_the_service(people):
    assert {label for label, _items in MENU} == HELP.keys()
    with people.browser("administrator") as browser:
        for label, items in MENU:
            for item in items:
                page = browser.get(item.address).text
                asked = re.search(r'href="/help\?about=([^"]+)"', page)
                assert asked is not None and asked[1] in item.address, item.address
            main = browser.get(f"/help?about={quote(items[0].address)}").text.partition("<main")[2]
            first = re.search(r"<h2>([^<]+)</h2><p>([^<]+)</p>", main)
            assert first is not None and first[1] == (label or "Dashboard"), label
            assert first[2].replace("&#39;", "'") == HELP[label]
    with people.browser("custodian") as browser:
        assert "Members" not in browser.get("/help?about=/members").text.partition("<main")[2]


@on_sqlite
def test_pages_of_a_training_installation_say_that_nothing_is_real(people):
    with people.browser("finance") as browser:
        assert "nothing here is real" not in browser.get("/money").text
        people.service.settings = msgspec.structs.replace(people.settings, is_training=True)
        try:
            for address in ("/", "/money", "/login"):
                assert "nothing here is real" in browser.get(address).text, address
        finally:
            people.service.settings = people.settings


@pytest.mark.feature("EF-097", "GJ-065")
def test_flows_and_repairs_name_documents_that_there_are():
    labels = {kind.label for kind in KINDS.values()}
    flows = CHAPTERS["Ten flows of a card"]
    assert [row[0].partition(".")[0] for row in list(rows(flows, 3))[1:]] == [str(n) for n in range(1, 11)]
    named = set(re.findall(r"\*\*([^*]+)\*\*", flows))
    assert named <= labels, named - labels
    repairs = set(re.findall(r"\*\*([^*]+)\*\*", CHAPTERS["Known problems and what to do"]))
    assert repairs - {"Take it back", "Send again"} <= labels, repairs - labels
    assert len(list(rows(CHAPTERS["Known problems and what to do"], 2))) > 8


@pytest.mark.feature("EF-078", "EF-080", "EF-092", "EF-093", "EF-064", "EF-065")
def test_commands_of_run_book_and_cut_over_are_parsed():
    app = add_branches()
    found = set(re.findall(r"`(cardswitch [^`]+)`", MANUAL))
    found |= set(re.findall(r"^    (?:[A-Z_]+=\w+ )?(cardswitch .*)$", MANUAL, re.M))
    whole = [command for command in found if " " in command.removeprefix("cardswitch ")]
    assert len(whole) >= 8
    for command in whole:
        if command != "cardswitch card freeze":
            app.parse_args(shlex.split(command)[1:], exit_on_error=False, print_error=False)
    for name in ("Run book", "Beginning: plan and cut-over", "Sizing"):
        assert name in CHAPTERS
    assert len(list(rows(CHAPTERS["Run book"], 3))) >= 7  # the daily checklist


@pytest.mark.feature("EF-059", "EF-060", "EF-061", "EF-091")
def test_figures_of_the_sizing_are_those_that_were_measured():
    docs = Path(__file__).parents[3] / "docs"
    measured = (docs / "performance.md").read_text(encoding="utf-8") + (docs / "architecture.md").read_text(
        encoding="utf-8"
    )
    figures = [cell for *_rest, cell in list(rows(CHAPTERS["Sizing"], 3))[1:]]
    for figure in ("466 MB", "37 to 59", "1.37", "3.28", "268,942", "1.29 s"):
        assert any(figure in cell for cell in figures) and figure in measured, figure


def test_links_of_the_manual_lead_somewhere():
    docs = Path(__file__).parents[3] / "docs"
    for target in re.findall(r"\]\(([a-z-]+\.md)(?:#[^)]*)?\)", MANUAL):
        assert (docs / target).exists(), target
    for anchor in re.findall(r"^\d+\. \[[^\]]+\]\(#([^)]+)\)", MANUAL, re.MULTILINE):
        headings = {
            re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^## (.+)$", MANUAL, re.MULTILINE)
        }
        assert anchor in headings, anchor
