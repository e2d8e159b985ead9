"""Ordering documents as a browser does: fill in, look at what it would do, do it; and a second person who agrees."""

from __future__ import annotations

import re
from typing import Any

from tests.support.admin_office import Browser


def field(page: str, name: str) -> str:
    """Value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return found[1]


def order(browser: Browser, kind: str, **fields: Any) -> str:
    """Fill a form in, look at what it would do, and do it; the address of the document."""
    address = f"/documents/new/{kind}"
    key = field(browser.get(address).text, "request_key")
    shown = browser.post(address, {"what": "preview", "request_key": key, **fields})
    assert shown.status_code == 200, shown.text
    digest = field(shown.text, "digest")
    done = browser.post(address, {"what": "send", "request_key": key, "digest": digest, **fields})
    assert done.status_code == 303, done.text
    return done.headers["location"]


def refused(browser: Browser, kind: str, **fields: Any) -> str:
    """What the page says to a form that cannot be done."""
    address = f"/documents/new/{kind}"
    page = browser.post(address, {"what": "preview", **fields}).text
    assert 'name="digest"' not in page, page
    return page


def agree(browser: Browser, place: str, answer: str = "") -> str:
    """The second person agrees; the document's page afterwards."""
    done = browser.post(f"{place}/approve", {"answer": answer}, page=place)
    assert done.status_code == 303, done.text
    return browser.get(place).text
