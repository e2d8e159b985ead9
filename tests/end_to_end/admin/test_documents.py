"""Documents: shown before they are done, agreed to by a second person, sent exactly once, undone, tried again."""

import re

import pytest
from sqlalchemy import select

from admin.errors import SwitchLinkError
from admin.models.audit import AuditRow
from admin.models.documents import Document, DocumentStep
from admin.models.mirror import cards
from admin.switch_link import SwitchLink
from switch.protocol.messages import CardFlag, CardStatus

both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def field(page, name):
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return found[1]


def order(browser, kind, **fields):
    """Fill a form in, look at what it would do, and do it; the page of the document."""
    address = f"/documents/new/{kind}"
    key = field(browser.get(address).text, "request_key")
    shown = browser.post(address, {"what": "preview", "request_key": key, **fields})
    assert shown.status_code == 200, shown.text
    done = browser.post(address, {"what": "send", "request_key": key, "digest": field(shown.text, "digest"), **fields})
    assert done.status_code == 303, done.text
    return done.headers["location"]


def state_of(shop, number):
    with shop.database.read() as session:
        return session.execute(select(cards.c.status, cards.c.flags).where(cards.c.card_number == number)).one()


@both
@pytest.mark.feature("GJ-026", "GJ-027", "GJ-093")
def test_cards_are_frozen_from_a_list_and_let_go_by_a_second_person(shop, card_numbers):
    card, other = next(card_numbers), next(card_numbers)
    for name in ("maria", "chen"):
        shop.add_user(name, "hq-supervisor", totp=True)
    with shop.browser("maria") as maria, shop.browser("chen") as chen:
        page = maria.get(order(maria, "freeze-cards", cards=f"{card}\n9999999999999999\nhello", reason="7")).text
        assert "Done" in page and "622202******4533" not in page  # a supervisor sees whole numbers
        assert state_of(shop, card).status == CardStatus.FROZEN
        again = maria.post("/documents/new/freeze-cards", {"what": "preview", "cards": str(card)}).text
        assert "There is nothing to do" in again and "Its state does not allow this." in again

        unfreeze = order(maria, "unfreeze-cards", cards=f"{card}-{other}")
        assert "Waits for a second person" in maria.get(unfreeze).text
        assert state_of(shop, card).status == CardStatus.FROZEN
        own = maria.post(f"{unfreeze}/approve", page=unfreeze)
        assert own.status_code == 409 and "A second person must agree" in own.text
        assert unfreeze in chen.get("/documents?whose=waiting").text
        assert unfreeze not in maria.get("/documents?whose=waiting").text
        assert chen.post(f"{unfreeze}/approve", {"answer": "I called her"}, page=unfreeze).status_code == 303
        assert state_of(shop, card).status == CardStatus.ACTIVE
        page = chen.get(unfreeze).text
        assert "I called her" in page and "Done" in page
    with shop.database.read() as session:
        acts = [
            (row.user_name, row.action) for row in session.scalars(select(AuditRow).where(AuditRow.module == "cards"))
        ]
    assert acts == [
        ("maria", "send"),
        ("(sender)", "ended"),
        ("maria", "submit"),
        ("chen", "approve"),
        ("(sender)", "ended"),
    ]


def test_a_document_is_done_once_however_often_it_is_sent(shop, card_numbers):
    other = next(card_numbers)
    shop.add_user("maria", "hq-supervisor", totp=True)
    with shop.browser("maria") as maria:
        address = "/documents/new/blacklist-cards"
        key = field(maria.get(address).text, "request_key")
        fields = {"request_key": key, "cards": str(other)}
        digest = field(maria.post(address, {"what": "preview", **fields}).text, "digest")
        places = {
            maria.post(address, {"what": "send", "digest": digest, **fields}).headers["location"] for _ in range(3)
        }
        assert len(places) == 1
        assert state_of(shop, other).flags & CardFlag.BLACKLISTED
        undone = maria.post(f"{places.pop()}/undo", page=address).headers["location"]
        assert "Waits for a second person" in maria.get(undone).text
        assert maria.post(f"{undone}/withdraw", page=undone).status_code == 303
        assert "Withdrawn" in maria.get(undone).text
    with shop.database.read() as session:
        assert len(session.scalars(select(Document).where(Document.kind == "blacklist-cards")).all()) == 1


def test_what_has_changed_since_it_was_shown_is_shown_anew(shop, card_numbers):
    card, other = next(card_numbers), next(card_numbers)
    shop.add_user("maria", "hq-supervisor", totp=True)
    with shop.browser("maria") as maria:
        address = "/documents/new/freeze-cards"
        fields = {"request_key": field(maria.get(address).text, "request_key"), "cards": f"{card}\n{other}"}
        digest = field(maria.post(address, {"what": "preview", **fields}).text, "digest")
        order(maria, "freeze-cards", cards=str(other))
        late = maria.post(address, {"what": "send", "digest": digest, **fields})
        assert late.status_code == 200 and "Meanwhile something has changed" in late.text
        assert state_of(shop, card).status == CardStatus.ACTIVE


class Unlucky(SwitchLink):
    """A connection that breaks after the request went out: the answer is lost."""

    breaks_after = 0

    def ask(self, type_, request):
        reply = super().ask(type_, request)
        if Unlucky.breaks_after > 0 and hasattr(request, "trace_number"):
            Unlucky.breaks_after -= 1
            if not Unlucky.breaks_after:
                raise SwitchLinkError("switch: the connection broke: on purpose")
        return reply


def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(shop, card_numbers, monkeypatch):
    other = next(card_numbers)
    shop.add_user("maria", "hq-supervisor", totp=True)
    shop.add_user("chen", "hq-supervisor", totp=True)
    monkeypatch.setattr("admin.documents.terminals.SwitchLink", Unlucky)
    with shop.browser("maria") as maria, shop.browser("chen") as chen:
        order(maria, "freeze-cards", cards=str(other))
        place = order(maria, "unfreeze-cards", cards=str(other))
        shop.sender.close()
        Unlucky.breaks_after = 1
        assert chen.post(f"{place}/approve", page=place).status_code == 500  # here the page itself waits and sends
        document_id = int(place.rpartition("/")[2])
        with shop.database.read() as session:
            before = session.get_one(DocumentStep, (document_id, 1))
            assert before.state == "numbered"
        shop.open()  # a new process, as after a kill
        shop.settle()
        with shop.database.read() as session:
            after = session.get_one(DocumentStep, (document_id, 1))
            document = session.get_one(Document, document_id)
        assert (after.state, after.body, after.trace_number) == ("done", before.body, before.trace_number)
        assert (document.state, document.done_count, document.refused_count) == ("done", 1, 0)
        assert state_of(shop, other).status == CardStatus.ACTIVE


def test_a_range_shows_what_became_of_each_part_and_is_tried_again(shop, card_numbers, monkeypatch):
    card, _, other = next(card_numbers), next(card_numbers), next(card_numbers)  # a gap: no range of one request
    shop.add_user("maria", "hq-supervisor", totp=True)
    with shop.browser("maria") as maria:
        address = "/documents/new/freeze-cards"
        fields = {"request_key": field(maria.get(address).text, "request_key"), "cards": f"{card}\n{other}"}
        digest = field(maria.post(address, {"what": "preview", **fields}).text, "digest")
        settle = shop.settle
        monkeypatch.setattr(shop, "settle", lambda: None)
        place = maria.post(address, {"what": "send", "digest": digest, **fields}).headers["location"]
        with shop.database.write() as session:  # one of them asks for an operation that the switch does not know
            step = session.get_one(DocumentStep, (int(place.rpartition("/")[2]), 2))
            good, step.body = step.body, step.body[:40] + b"\xff" + step.body[41:]
        monkeypatch.setattr(shop, "settle", settle)
        shop.settle()
        page = maria.get(place).text
        assert "Refused in part" in page and page.count("Refused</span>") == 1
        with shop.database.write() as session:
            session.get_one(DocumentStep, (int(place.rpartition("/")[2]), 2)).body = good
        assert maria.post(f"{place}/retry", page=place).status_code == 303
        page = maria.get(place).text
        assert "Try what was refused" not in page and "Done" in page
        assert state_of(shop, other).status == CardStatus.FROZEN


def test_a_document_of_a_kind_takes_the_right_of_its_kind(shop, card_numbers):
    other = next(card_numbers)
    shop.add_user("finn", "finance")
    shop.add_user("nora", "store-manager", totp=True)
    with shop.browser("finn") as finn:
        assert finn.get("/documents/new/freeze-cards").status_code == 403
        assert "freeze-cards" not in finn.get("/documents/new").text
    with shop.browser("nora") as nora:
        assert "freeze-cards" in nora.get("/documents/new").text
        order(nora, "freeze-cards", cards=str(other))
        place = order(nora, "unfreeze-cards", cards=str(other))
        assert nora.post(f"{place}/approve", page=place).status_code == 403
        assert nora.post(f"{place}/reject", {"answer": "no"}, page=place).status_code == 403
