"""Working at the card desk through pages: orders, card types that two people made, and a till that pays."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from admin.cards.authorisations import grant
from admin.cards.numbers import with_digit
from admin.models.documents import Document, DocumentStep
from admin.models.mirror import accounts, cards
from admin.switch_link import SwitchLink, TerminalKey
from switch._clock import now_ms
from switch.protocol.messages import DebitRequest, MessageType, Reply, Tender, TenderKind
from tests.support.admin_office import Browser
from tests.support.admin_shop import Shop
from tests.support.desk import TILL_ID, TILL_KEY


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, f"{name} is not on the page"
    return found[1]


def preview(browser: Browser, kind: str, **fields: Any) -> str:
    """What a form would do, as the page shows it."""
    shown = browser.post(f"/documents/new/{kind}", {"what": "preview", **fields})
    assert shown.status_code == 200, shown.text
    return shown.text


def order(browser: Browser, kind: str, **fields: Any) -> str:
    """Fill a form in, look at what it would do, and do it; the address of the document."""
    address = f"/documents/new/{kind}"
    key = field(browser.get(address).text, "request_key")
    shown = preview(browser, kind, request_key=key, **fields)
    assert 'name="digest"' in shown, words(shown)
    done = browser.post(address, {"what": "send", "request_key": key, "digest": field(shown, "digest"), **fields})
    assert done.status_code == 303, words(done.text)
    return done.headers["location"]


def approve(browser: Browser, place: str) -> None:
    """Agree as the second person."""
    answer = browser.post(f"{place}/approve", page=place)
    assert answer.status_code == 303, words(answer.text)


def words(page: str) -> str:
    """What is to be read on a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page[page.find("<main") :]))


def document_of(shop: Shop, place: str) -> Document:
    with shop.database.read() as session:
        return session.get_one(Document, int(place.rpartition("/")[2]))


def steps_of(shop: Shop, place: str) -> list[DocumentStep]:
    with shop.database.read() as session:
        query = select(DocumentStep).where(DocumentStep.document_id == int(place.rpartition("/")[2]))
        return list(session.scalars(query.order_by(DocumentStep.number)))


def card_of(shop: Shop, number: int) -> Any:
    with shop.database.read() as session:
        return session.execute(select(cards).where(cards.c.card_number == number)).one()


def account_of(shop: Shop, number: int) -> Any:
    with shop.database.read() as session:
        return session.execute(select(accounts).where(accounts.c.account_number == number)).one()


def make_type(author: Browser, checker: Browser, code: int, **terms: Any) -> None:
    """A card type that one person wrote and submitted and another one approved."""
    order(author, "write-card-type", code=code, name=f"Type {code}", functions=["1", "2", "4"], **terms)
    order(author, "submit-card-type", code=code)
    order(checker, "approve-card-type", code=code)


def authorise(shop: Shop, grantor: str, user_id: int, code: int, **fields: Any) -> int:
    """Let somebody make and issue cards of a type for a day."""
    from admin.people.sign_in import find_visitor

    now = shop.service.now()
    wanted: dict[str, Any] = {
        "tasks": 3,
        "from_at": now,
        "until_at": now + timedelta(days=1),
        "cards_max": None,
        "remark": "",
    }
    with shop.browser(grantor) as browser:
        visitor = find_visitor(shop.service, browser.client.cookies["session"], "test")
    assert visitor is not None
    return grant(shop.service, visitor, card_type=code, user_id=user_id, **(wanted | fields))


def numbers(first_payload: int, count: int) -> list[int]:
    """Card numbers with a check digit."""
    return [with_digit(first_payload + n) for n in range(count)]


class Till:
    """The till of the shop: what it is answered."""

    def __init__(self, shop: Shop) -> None:
        host, port = shop.switch.address
        self._link = SwitchLink(host, port, TerminalKey(TILL_ID, TILL_KEY.hex()), os.urandom)
        self._link.__enter__()
        self._number = now_ms() % 1_000_000_000
        self._today = 0

    def pay(self, card: int, amount_minor: int, *, visits: tuple[int, int] | None = None) -> Reply:
        """A debit; `visits` are a service and how many of it pay instead of money."""
        self._number += 1
        kind = {"kind": TenderKind.VISITS, "amount_minor": amount_minor}
        tenders = () if visits is None else (Tender(**kind, purse=visits[0], count=visits[1]),)
        request = DebitRequest(
            trace_number=self._number,
            business_date=now_ms() // 86_400_000,
            stamp_ms=now_ms(),
            card_number=card,
            amount_minor=amount_minor,
            tenders=tenders,
        )
        reply = self._link.ask(MessageType.DEBIT, request)
        assert isinstance(reply, Reply)
        return reply

    def close(self) -> None:
        self._link.__exit__(None, None, None)


@contextmanager
def till_of(shop: Shop) -> Any:
    till = Till(shop)
    try:
        yield till
    finally:
        till.close()
