"""The first day in docs/operating.md: its pages, its words and its pictures are those of the service."""

from __future__ import annotations

import re

import pytest

from admin.i18n import catalog_files
from tests.support.pages import PAGES, ROOT

pytest.importorskip("litestar")
PICTURE_BYTES_MAX = 150_000
PICTURES_MAX = 12
PICTURES = ROOT / "docs" / "pictures"


@pytest.fixture(scope="module")
def first_day():
    """The chapter about pages."""
    return PAGES["docs/operating.md"].partition("# By commands")[0]


def test_every_page_that_the_first_day_names_exists(first_day, tmp_path):
    from admin.app import create_app
    from admin.database import Database
    from admin.settings import Settings

    addresses = {code.partition("?")[0] for code in re.findall(r"`(/[a-z][^`\s]*)`", first_day)}
    assert len(addresses) >= 8
    database = Database("sqlite://")
    known = {route.path for route in create_app(Settings(data=str(tmp_path)), database).routes}
    database.close()
    assert addresses - known == set()


def test_every_word_to_press_is_a_word_of_the_pages(first_day):
    words = set(re.findall(r"\*\*([^*]+)\*\*", first_day)) - {"bold"}
    assert len(words) >= 20
    texts = {text for path in catalog_files("zh") for text in re.findall(r'^msgid "(.+)"$', path.read_text(), re.M)}
    assert words - texts == set()


@pytest.mark.feature("EF-088")
def test_its_pictures_are_there_and_small_and_no_others(first_day):
    named = set(re.findall(r"!\[[^\]]+\]\(pictures/([\w-]+\.png)\)", first_day))
    assert named == {path.name for path in PICTURES.glob("*")}
    assert len(named) <= PICTURES_MAX
    sizes = {path.name: path.stat().st_size for path in PICTURES.glob("*")}
    assert {name: size for name, size in sizes.items() if size > PICTURE_BYTES_MAX} == {}


def test_the_day_takes_each_of_them():
    files = ("tests/browser/test_working_day.py", "tests/support/person.py")
    sources = "".join((ROOT / path).read_text() for path in files)
    taken = set(re.findall(r'(?:show\(|picture=)"([\w-]+)"', sources))
    assert {f"{name}.png" for name in taken} == {path.name for path in PICTURES.glob("*")}
