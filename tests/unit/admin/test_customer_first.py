"""The customer stands at the centre: from a transaction to whoever made it, and from a customer to all that is his."""

import pytest

from switch.protocol.records import TerminalRecord
from tests.support.admin_members import TILL, add, buy, hold
from tests.support.admin_office import NORTH_STORE
from tests.support.admin_trade import put_trade


@pytest.fixture
def shop(office):
    """Two regions that have traded; Zhang Wei holds the northern card."""
    put_trade(office)
    office.add_user("kim", "finance")
    with office.browser("hugo") as browser:
        office.member = add(browser, "张伟", mobile="13812345678")
        hold(office, office.member, balance_minor=12_34)
    office.put(TerminalRecord(terminal_id=TILL, store_id=NORTH_STORE, status=1, rights=1, wrapped_key=bytes(48)))
    buy(office, 9, 5_00, points=500)
    return office


@pytest.mark.feature("EF-004")
def test_every_list_of_transactions_leads_to_the_customer(shop):
    link = f'<a href="/members/{shop.member}">张伟</a>'
    with shop.browser("hugo") as hugo:
        for address in ("/entries", "/points", f"/terminals/{TILL}"):
            assert link in hugo.get(address).text, address
        item = hugo.client.get("/api/v1/entries", headers={"authorization": f"Bearer {shop.token('hugo')}"}).json()
    named = {row["member_name"] for row in item["rows"] if row["member"] == shop.member}
    assert named == {"张伟"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_who_may_not_see_members_is_told_none(shop):
    with shop.browser("kim") as kim:
        page = kim.get("/entries").text
    assert "/cards/" in page and "张伟" not in page and "/members/" not in page
