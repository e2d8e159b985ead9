"""The organisation, terminals and the business date from the pages: what is ordered there holds at a real switch."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from admin.models.security import TerminalKeyFile
from switch._clock import now_ms
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import DayTotal, DayTotalsRequest, DebitRequest, EchoRequest, MessageType, Right
from tests.end_to_end.admin.conftest import CARDS
from tests.support.admin_orders import agree, order, refused
from tests.support.desk import TILL_ID, TILL_KEY
from tests.support.till import HungUpError, RefusedError, Till


def offered(page):
    """The date that the page offers to begin."""
    found = re.search(r"/documents/new/cut-over\?date=([\d-]+)", page)
    assert found is not None, page
    return found[1]


def text_of(page):
    """A page without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("<main")[2]))


@pytest.mark.feature("GJ-061", "VC-082")
def test_a_group_is_made_on_the_pages_and_each_part_works_in_its_own(shop):
    shop.add_user("maria", "hq-supervisor", totp=True)
    with shop.browser("maria") as maria:
        assert "Add headquarters first" in maria.get("/organisation").text
        order(maria, "add-node", organisation=1, node=1, parent=0, name="Group")
        order(maria, "add-node", organisation=10, node=2, parent=1, name="North")
        order(maria, "add-node", organisation=20, node=2, parent=1, name="South")
        order(maria, "add-node", organisation=11, node=4, parent=10, name="Dealer Wang")
        order(maria, "add-store", store=100, organisation=11, round_off_minor="0.10")
        page = maria.get("/organisation").text
        assert "Dealer Wang" in page and "CN¥0.10" in page.replace("\xa0", "")
        assert "There is a node 10 already" in refused(maria, "add-node", organisation=10, node=2, parent=1, name="X")
        assert "below itself" in refused(maria, "change-node", organisation=1, node=1, parent=10, name="Group")
        assert "At most 40" in refused(maria, "add-node", organisation=12, node=2, parent=1, name="北" * 14)
        order(maria, "change-node", organisation=20, node=2, parent=1, name="Deep South")
        order(maria, "change-store", store=100, organisation=10, round_off_minor="1.00")
        assert "Deep South" in maria.get("/organisation").text

        shop.add_user("nora", "hq-supervisor", organisation_id=10, totp=True)
        with shop.browser("nora") as nora:
            page = nora.get("/organisation").text
            assert "Dealer Wang" in page and "Deep South" not in page
            order(nora, "add-node", organisation=13, node=3, parent=11, name="Corner shop")
            theirs = refused(nora, "add-node", organisation=14, node=3, parent=20, name="Theirs")
            assert "Choose one of the list." in theirs  # not hers, and not offered to her
            top = nora.post(
                "/documents/new/add-node", {"what": "preview", "organisation": 14, "node": 3, "name": "Top"}
            )
            assert "not in your part of the organisation" in top.text
            away = nora.post(
                "/documents/new/change-node",
                {"what": "preview", "organisation": 20, "node": 2, "parent": 10, "name": "Mine"},
            )
            assert "not in your part of the organisation" in away.text


def test_a_terminal_is_made_used_moved_blocked_and_comes_back(shop):
    number = 5001
    for name in ("maria", "chen"):
        shop.add_user(name, "security", totp=True)
    with shop.browser("maria") as maria, shop.browser("chen") as chen:
        place = order(maria, "add-terminal", terminal=number, store=3, rights=int(Right.PAY))
        assert "Done" in maria.get(place).text
        page = f"/terminals/{number}"
        assert "Fetch the key file" in maria.get(page).text
        assert "Fetch the key file" not in chen.get(page).text
        assert chen.post(f"{page}/key", page="/documents/new").status_code == 409
        fetched = maria.post(f"{page}/key", page=page)
        assert fetched.headers["content-disposition"] == f'attachment; filename="terminal-{number}.key"'
        file = json.loads(fetched.content)
        again = maria.post(f"{page}/key", page="/documents/new")
        assert again.status_code == 409 and "handed out once" in again.text
        key = bytes.fromhex(file["key"])

        with Till(shop.switch.address, number, key) as till:
            till.ask(MessageType.ECHO, EchoRequest(stamp_ms=0))
            order(maria, "block-terminals", terminals=f"{number}, 77")
            with pytest.raises(HungUpError):  # cut off at its next message
                _echo_twice(till)
        with pytest.raises(RefusedError):
            Till(shop.switch.address, number, key)
        assert "Blocked" in text_of(maria.get(page).text)

        # Back with a new key, which two persons agree to; the old one is worth nothing.
        place = order(maria, "new-terminal-key", terminal=number)
        assert "Fetch the key file" not in maria.get(page).text
        agree(chen, place)
        new_key = bytes.fromhex(json.loads(maria.post(f"{page}/key", page=page).content)["key"])
        with pytest.raises(RefusedError):
            Till(shop.switch.address, number, key)
        with Till(shop.switch.address, number, new_key):
            pass

        # More rights than a till needs take two; a till's do not.
        order(maria, "change-terminal", terminal=number, store=0, rights=[int(Right.PAY), int(Right.CREDIT)])
        assert "(no store: a workplace)" in maria.get(page).text
        place = order(maria, "change-terminal", terminal=number, store=0, rights=[int(Right.PAY), int(Right.SECURITY)])
        assert "Waits for a second person" in maria.get(place).text
        assert maria.post(f"{place}/approve", page=place).status_code == 409
        agree(chen, place)
        assert "Security: keys" in maria.get(page).text

        order(maria, "renew-terminal-keys", terminals=number)
        assert "It renews its key at its next sign-on" in maria.get(page).text
        own = refused(maria, "block-terminals", terminals="4000000000")
        assert "own" in own and "There is nothing to do" in own
        listed = maria.get("/terminals").text
        assert "The service's own" in listed and f"/terminals/{number}" in listed
        assert f"/terminals/{number}" not in maria.get("/terminals?stage=blocked").text
    kept = Path(shop.database.url.database)
    everything = b"".join(path.read_bytes() for path in kept.parent.glob(f"{kept.name}*"))
    assert everything
    with shop.database.read() as session:
        assert session.query(TerminalKeyFile).count() == 0
    assert key not in everything and file["key"].encode() not in everything


def _echo_twice(till):
    for _ in range(2):
        till.ask(MessageType.ECHO, EchoRequest(stamp_ms=0))


def test_the_next_business_date_is_begun_once_and_closes_are_shown(shop):
    shop.add_user("maria", "hq-supervisor", totp=True)
    with shop.browser("maria") as maria:
        page = maria.get("/business-day").text
        assert f'<a href="/terminals/{TILL_ID}">' in page and "Not closed" in page
        date = offered(page)
        assert "Only the next business date" in refused(maria, "cut-over", date="2031-01-01")
        order(maria, "cut-over", date=date)
        assert "Only the next business date" in refused(maria, "cut-over", date=date)
        after = offered(maria.get("/business-day").text)
        assert after > date


def test_who_is_signed_on_right_now_is_on_the_pages_and_in_the_interface(shop):
    shop.add_user("maria", "security", totp=True)
    shop.add_user("finn", "finance")
    with shop.browser("maria") as maria:
        assert f"/terminals/{TILL_ID}" not in maria.get("/terminals?stage=signed-on").text
        with Till(shop.switch.address, TILL_ID, TILL_KEY) as till:
            till.ask(MessageType.ECHO, EchoRequest(stamp_ms=0))
            shop.world.now_ms += 3_000  # what is known of it is at most two seconds old
            listed = maria.get("/terminals?stage=signed-on").text
            assert f"/terminals/{TILL_ID}" in listed and "Signed on since" in listed
            assert f"/terminals/{TILL_ID}" not in maria.get("/terminals?stage=signed-off").text
            page = text_of(maria.get(f"/terminals/{TILL_ID}").text)
            assert "Signed on" in page and "127.0.0.1" in page and "protocol 1" in page and "Frames 1" in page
            with shop.program(shop.token("maria")) as program:
                rows = program.get("/api/v1/terminals?presence=signed-on").json()["rows"]
                [mine] = [row for row in rows if row["terminal_id"] == TILL_ID]
                [session] = mine["sessions"]
                assert (mine["presence"], session["key_version"], session["frame_count"]) == ("signed-on", 1, 1)
                assert session["address"] == "127.0.0.1"
                assert program.get("/api/v1/terminals?presence=asleep").status_code == 400
                assert program.get("/api/v1/terminals/77777").status_code == 404
        shop.world.now_ms += 3_000
        assert "It is not signed on" in text_of(maria.get(f"/terminals/{TILL_ID}").text)
        assert f"/terminals/{TILL_ID}" not in maria.get("/terminals?stage=signed-on").text


def test_a_close_whose_totals_differ_shows_what_differs(shop):
    shop.add_user("maria", "security", totp=True)
    with Till(shop.switch.address, TILL_ID, TILL_KEY) as till:
        date = till.terms.business_date
        assert till.ask(MessageType.DEBIT, debit(till, trace_number=9_001)).reply.code == 0
        told = DayTotal(type=MessageType.DEBIT, count=2, amount_minor=5_00)
        asked = DayTotalsRequest(
            trace_number=9_002, business_date=date, stamp_ms=now_ms(), closed_date=date, totals=(told,)
        )
        assert till.ask(MessageType.DAY_TOTALS, asked).reply.code == ResponseCode.TOTALS_DIFFER
        shop.settle()
        with shop.browser("maria") as maria:
            page = text_of(maria.get(f"/terminals/{TILL_ID}").text)
            assert "Totals differ" in page and "what the till had counted, and the switch" in page
            assert re.search(r"Debit 2 CN¥5.00 1 CN¥3.00 1 CN¥2.00", page.replace("\xa0", "")), page
            with shop.program(shop.token("maria")) as program:
                found = program.get(f"/api/v1/terminals/{TILL_ID}").json()
                assert found["terminal"]["close_state"] == "differs"
                [line] = [one for one in found["close_totals"] if one["type"] == "debit"]
                assert (line["till_minor"], line["switch_minor"], line["is_different"]) == (5_00, 3_00, True)
            right = msgspec.structs.replace(told, count=1, amount_minor=3_00)
            again = msgspec.structs.replace(asked, trace_number=9_003, totals=(right,))
            assert till.ask(MessageType.DAY_TOTALS, again).reply.code == 0
            shop.settle()
            page = text_of(maria.get(f"/terminals/{TILL_ID}").text).partition("Last entries")[0]
            assert "Closed 2 1 1 CN¥3.00" in page.replace("\xa0", "")  # two attempts; one request on both sides
            assert "Totals differ" not in page and "Debit 1 CN¥3.00 1 CN¥3.00 none" in page.replace("\xa0", "")


def debit(till, trace_number):
    return DebitRequest(
        trace_number=trace_number,
        business_date=till.terms.business_date,
        stamp_ms=now_ms(),
        card_number=next(iter(CARDS)),
        amount_minor=3_00,
    )
