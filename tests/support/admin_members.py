"""Members for tests: made, found and shopped for as a clerk does it, through pages."""

from __future__ import annotations

import re

from sqlalchemy import insert

from admin.models.journal import entries
from switch.protocol.records import AccountRecord
from tests.support.admin_office import NORTH_CARD, NORTH_STORE

TILL = 21_001
ZHANG_ID = "11010519491231002X"
BASICS = {"kind": "person", "source": "1", "organisation_id": str(NORTH_STORE), "preferred": "mobile"}


def add(browser, name, /, **fields):
    """Make a member through the page; its number."""
    answer = browser.post("/members/new", {**BASICS, "name": name, **fields})
    assert answer.status_code == 303, re.findall(r'class="(?:error|problem)"[^>]*>([^<]*)', answer.text)
    return int(answer.headers["location"].rpartition("/")[2])


def send(browser, address, page, /, **fields):
    """Send one of the forms of a page."""
    return browser.post(address, fields, page=page)


def found(browser, text, **filters):
    """Numbers of members that the list finds."""
    page = browser.client.get("/members", params={"q": text, **filters}).text
    return [int(number) for number in re.findall(r'<td class="number">(\d+)</td><td><a href="/members/\d+"', page)]


def pass_days(office, browser, days):
    """Let days go by; the session ends meanwhile."""
    office.world.now_ms += days * 86_400_000
    assert browser.sign_in("hana").status_code == 303


def hold(office, member, number=NORTH_CARD, balance_minor=0, points_hundredths=0):
    """Let a member hold an account, as the switch says it."""
    office.put(
        AccountRecord(
            account_number=number, member=member, balance_minor=balance_minor, points_hundredths=points_hundredths
        )
    )


def buy(office, sequence, amount_minor, *, number=NORTH_CARD, type_=0x10, business_date=20_454, points=0):
    """An entry of an account."""
    row = dict.fromkeys(entries.columns.keys(), 0) | {
        "id": sequence << 10,
        "sequence": sequence,
        "type": type_,
        "account_number": number,
        "card_number": number,
        "amount_minor": amount_minor,
        "points_hundredths": points,
        "business_date": business_date,
        "time_ms": office.world.now_ms + sequence,
        "store_id": NORTH_STORE,
        "terminal_id": TILL,
        "accepting_organisation_id": NORTH_STORE,
    }
    with office.database.writer.begin() as connection:
        connection.execute(insert(entries).values(row))


def save_group(browser, name, lines, mode="all"):
    """Make a group by condition; its number as text."""
    fields = {
        "name": name,
        "mode": mode,
        "kind": "condition",
        "field": [line[0] for line in lines],
        "operator": [line[1] for line in lines],
        "value": [line[2] for line in lines],
    }
    answer = browser.post("/member-groups/new", fields)
    assert answer.status_code == 303, re.findall(r'class="problem"[^>]*>([^<]*)', answer.text)
    return answer.headers["location"].rpartition("/")[2]
