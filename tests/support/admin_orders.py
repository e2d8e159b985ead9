"""What tests of pages do with documents: fill a form in, look, do it, let a second person agree."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx

from tests.support.admin_office import Browser


def field(page: str, name: str) -> str:
    """Value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return unescape(found[1])


def preview(browser: Browser, kind: str, **fields: Any) -> httpx.Response:
    """The page that shows what a form would do."""
    address = f"/documents/new/{kind}"
    key = field(browser.get(address).text, "request_key")
    return browser.post(address, {"what": "preview", "request_key": key, **fields})


def order(browser: Browser, kind: str, **fields: Any) -> str:
    """Fill a form in, look at what it would do, and do it; the address of the document."""
    shown = preview(browser, kind, **fields)
    assert shown.status_code == 200 and 'name="digest"' in shown.text, shown.text
    done = browser.post(
        f"/documents/new/{kind}",
        {"what": "send", "request_key": field(shown.text, "request_key"), "digest": field(shown.text, "digest")}
        | fields,
    )
    assert done.status_code == 303, done.text
    return done.headers["location"]


def approve(browser: Browser, place: str) -> None:
    """Agree as the second person."""
    answer = browser.post(f"{place}/approve", {"answer": "yes"}, page=place)
    assert answer.status_code == 303, answer.text


def refused(browser: Browser, kind: str, **fields: Any) -> str:
    """What the page says to a form that cannot be done."""
    page = browser.post(f"/documents/new/{kind}", {"what": "preview", **fields}).text
    assert 'name="digest"' not in page, page
    return page


def agree(browser: Browser, place: str, answer: str = "") -> str:
    """The second person agrees; the document's page afterwards."""
    done = browser.post(f"{place}/approve", {"answer": answer}, page=place)
    assert done.status_code == 303, done.text
    return browser.get(place).text
