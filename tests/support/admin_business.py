"""A shop whose cards can do everything, for tests of money and points: types, cards with money, blanks for orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select

from admin.figures import holdings
from admin.models.mirror import accounts
from switch._clock import now_ms
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    CardOperation,
    CardTypeFlag,
    DebitRequest,
    Function,
    MessageType,
    OrganisationNode,
    PutCardTypeRequest,
    PutOrganisationRequest,
    PutRuleRequest,
    PutStoreRequest,
    Reply,
    SetCardRequest,
)
from tests.support.admin_shop import Shop
from tests.support.desk import STORE_ID, TILL_ID, TILL_KEY, Desk, make_directory
from tests.support.till import Till

TYPE, ORDER_TYPE, ONE_TIME_TYPE = 1, 2, 3
CARDS = range(6222_0201_1000_0001, 6222_0201_1000_0041)
ONE_TIME_CARD = 6222_0203_1000_0001
BLANKS = range(6222_0202_2000_0001, 6222_0202_2000_0009)
CARD_MINOR = 100_00
HQ_ID, STORE_NODE_ID = 1, 31
ROUND_OFF_MINOR = 10
SETS_LEVEL = 2
EVERYTHING = Function.IDENTIFY | Function.PAY | Function.POINTS | Function.DISCOUNT | Function.VISITS


def make_business(path: Path) -> Path:
    """A directory with a store that rounds to tenths, three types, cards with 100.00, and made cards for orders."""
    make_directory(path)
    desk = Desk(path)
    for organisation_id, node, parent_id in (
        (HQ_ID, OrganisationNode.HQ, 0),
        (STORE_NODE_ID, OrganisationNode.STORE, HQ_ID),
    ):
        desk.approve(
            MessageType.PUT_ORGANISATION,
            PutOrganisationRequest(**desk.key(), organisation_id=organisation_id, node=node, parent_id=parent_id),
        )
    desk.approve(
        MessageType.PUT_STORE,
        PutStoreRequest(
            **desk.key(), store_id=STORE_ID, organisation_id=STORE_NODE_ID, round_off_minor=ROUND_OFF_MINOR
        ),
    )
    for code, flags in (
        (TYPE, CardTypeFlag.FINE_POINTS),
        (ORDER_TYPE, CardTypeFlag.ACTIVATION_REQUIRED),
        (ONE_TIME_TYPE, CardTypeFlag.ONE_TIME),
    ):
        desk.approve(
            MessageType.PUT_CARD_TYPE,
            PutCardTypeRequest(**desk.key(), code=code, functions=EVERYTHING, flags=flags, points_percent=100),
        )
    desk.put_till(TILL_ID, TILL_KEY)
    for number in CARDS:
        desk.open_card(number)
        assert desk.credit(CARD_MINOR, card=number).code == 0
    desk.operate(CardOperation.MAKE, ONE_TIME_CARD, card_type=ONE_TIME_TYPE)
    desk.operate(CardOperation.ISSUE, ONE_TIME_CARD, amount_minor=CARD_MINOR)
    for number in BLANKS:
        desk.operate(CardOperation.MAKE, number, card_type=ORDER_TYPE)
    desk.commit()
    return path


class Counter:
    """The shop's till, one bill after the other."""

    def __init__(self, shop: Shop) -> None:
        self._till = Till(shop.switch.address, TILL_ID, TILL_KEY)
        self._trace_number = now_ms() % 2**31

    def sell(self, card: int, amount_minor: int, **fields: Any) -> Reply:
        """Pay a bill from a card."""
        request = DebitRequest(
            **self._key(),
            card_number=card,
            amount_minor=amount_minor,
            **fields,
        )
        return self._till.ask(MessageType.DEBIT, request).reply

    def put_rule(self, **fields: Any) -> None:
        """A rule as a command would put it: this till may do everything."""
        self._put(MessageType.PUT_RULE, PutRuleRequest(**self._key(), **fields))

    def set_level(self, card: int, level: int) -> None:
        """Another level of the holder, as a level job would set it."""
        self._put(MessageType.SET_CARD, SetCardRequest(**self._key(), card_number=card, sets=SETS_LEVEL, level=level))

    def _key(self) -> dict[str, Any]:
        self._trace_number += 1
        return {
            "trace_number": self._trace_number,
            "business_date": self._till.terms.business_date,
            "stamp_ms": now_ms(),
        }

    def _put(self, type_: MessageType, request: Packed) -> None:
        reply = self._till.ask(type_, request).reply
        assert reply.code == 0, reply

    def balance_minor(self, card: int) -> int:
        """What the switch says."""
        return self._till.balance_minor(card)

    @property
    def today(self) -> int:
        """The switch's business date."""
        return self._till.terms.business_date

    def close(self) -> None:
        """Hang up."""
        self._till.__exit__()


def points_of(shop: Shop, card: int) -> int:
    """Points of category 0, as pages know them."""
    with shop.database.read() as session:
        query = select(accounts.c.points_hundredths).where(accounts.c.account_number == card)
        return int(session.scalar(query) or 0)


def is_conserved(shop: Shop) -> bool:
    """Whether balances and points equal the sums of all entries."""
    with shop.database.read() as session:
        return holdings(session).is_conserved
