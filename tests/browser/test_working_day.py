"""The working day of a card business, from an empty database on, in a real browser and by everybody's own hands."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest

from tests.support.company import Company
from tests.support.person import FIRST_PASSWORD, Person

LANGUAGE = os.environ.get("CARDSWITCH_DAY_LANGUAGE", "zh")
"""Language of the whole day; the second person reads the other one."""
OTHER_LANGUAGE = {"zh": "en", "en": "zh"}[LANGUAGE]
STAFF = {
    "wang": ("王芳", "Headquarters supervisor", LANGUAGE),
    "li": ("李娜", "Card desk", LANGUAGE),
}


@dataclass
class Day:
    """The company, and who has come to work."""

    browser: object
    company: Company
    people: dict[str, Person] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    def comes(self, name: str, full_name: str, language: str) -> Person:
        """Somebody sits down at a browser."""
        self.people[name] = Person(self.browser, self.company, name, full_name, language)  # type: ignore[arg-type]
        return self.people[name]


@pytest.fixture(scope="module")
def day(chromium, tmp_path_factory):
    """The day, hour by hour: the tests of this file are its steps and build upon each other."""
    with Company(tmp_path_factory.mktemp("company")) as company:
        day = Day(chromium, company)
        yield day
        for person in day.people.values():
            person.context.close()
        faults = [fault for person in day.people.values() for fault in person.faults]
        assert faults == []


def test_the_first_administrator_sets_up_from_empty_and_employs_people(day):
    boss = day.comes("boss", "张伟", LANGUAGE)
    boss.set_up(day.company.setup_token)
    for name, (full_name, role, language) in STAFF.items():
        boss.employ(name, full_name, role)
        day.comes(name, full_name, language).sign_on(FIRST_PASSWORD)


@pytest.mark.skipif("LOOK" not in os.environ, reason="tmp")
def test_temp_pictures(day):
    boss = day["boss"]
    from pathlib import Path
    for theme in ("light", "dark"):
        boss.page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        for width in (1280, 390):
            boss.page.set_viewport_size({"width": width, "height": 900})
            for address in ("/", "/users/new", "/documents/new", "/documents/new/freeze-cards", "/cards", "/documents", "/organisation", "/roles", "/audit", "/nothing", "/account"):
                boss.page.goto(address)
                if width == 390 and address == "/cards":
                    boss.page.get_by_role("button", name=boss.say("Menu")).click()
                boss.picture(Path(f"build/look/{theme}-{width}-{address.strip('/').replace('/','-') or 'dashboard'}"))
