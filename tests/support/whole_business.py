"""One switch with everything in it: a message of every type, each approved, at an hour that the test chooses.

A real process in replay mode, so its clock is the stamp of each request; a terminal with every right asks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switch.protocol.messages import (
    REQUESTS,
    AllowedList,
    BillLine,
    CardOperation,
    CardQueryRequest,
    CardTypeFlag,
    DebitFlag,
    FeeKind,
    FeeTender,
    MessageType,
    OperationFlag,
    OrganisationNode,
    PinMode,
    ReadRecordsReply,
    ReadRecordsRequest,
    RecordsEnd,
    RefundLine,
    Reply,
    RuleAction,
    RuleLayer,
    SwitchMode,
    Tender,
    TenderKind,
    TypeState,
)
from switch.protocol.records import RecordKind
from terminals.credentials import read_credentials
from tests.support.desk import ALL_RIGHTS, STORE_ID, TILL_ID, TILL_KEY, make_directory
from tests.support.switch_process import SwitchProcess
from tests.support.till import Till

DAY_MS = 86_400_000
FIRST_DAY = 20_454
"""2026-01-01; the directory's time zone is UTC."""
NOON_MS = FIRST_DAY * DAY_MS + DAY_MS // 2
TYPE, PIN_TYPE, DRAFT_TYPE, FEE_TYPE = 1, 2, 3, 4
CARD, OTHER_CARD, PIN_CARD = 6222_0201_0003_4533, 6222_0201_0005_3228, 6222_0201_0007_1111
FIRST_OF_RANGE, RANGE_COUNT = 6_300_000_000_000_000, 5
SPECIAL_ITEM, CATEGORY, GIFT, SERVICE = 5, 1, 1, 1
NEW_KEY = bytes(range(100, 132))
PIN, NEW_PIN, WRONG_PIN = b"73519428", b"604193857216", b"991177335522"
FEES = {FeeKind.ISSUE: 50, FeeKind.REPORT_LOSS: 30, FeeKind.RETURN: 20}


def pin_field(digits: bytes) -> bytes:
    """A PIN as it is sent."""
    return digits.ljust(16, b"\0")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent, and its answer."""

    type: MessageType
    body: bytes
    answer: bytes

    @property
    def reply(self) -> Reply:
        return Reply.decode(self.answer)


class Business:
    """A running switch, the terminal that asks it, and all that was asked."""

    def __init__(self, path: Path, **settings: Any) -> None:
        self.path = make_directory(path, mode=SwitchMode.REPLAY, **settings)
        self.switch = SwitchProcess(self.path)
        self.now_ms = NOON_MS
        self.asked: list[Asked] = []
        self._trace_number = 0
        self._till: Till | None = None

    @property
    def today(self) -> int:
        """Date of the clock."""
        return self.now_ms // DAY_MS

    @property
    def till(self) -> Till:
        """The terminal's connection."""
        if self._till is None:
            self._till = Till(self.switch.address, TILL_ID, TILL_KEY)
        return self._till

    def start(self) -> None:
        """Start, or start again after a kill."""
        self.switch.start()

    def kill(self) -> None:
        """SIGKILL."""
        self._hang_up()
        self.switch.kill()

    def stop(self) -> None:
        """The ordinary end."""
        self._hang_up()
        assert self.switch.stop() == 0

    def _hang_up(self) -> None:
        if self._till is not None:
            self._till.__exit__()
            self._till = None

    def request(self, type_: MessageType, **fields: Any) -> bytes:
        """A keyed request with the next trace number, at the clock's time."""
        self._trace_number += 1
        key = {"trace_number": self._trace_number, "business_date": self.today, "stamp_ms": self.now_ms}
        return REQUESTS[type_](**(key | fields)).encode()

    def ask(self, type_: MessageType, **fields: Any) -> Reply:
        """Ask, whatever the answer."""
        body = self.request(type_, **fields)
        self.asked.append(Asked(type_, body, self.till.ask(type_, body).body))
        return self.asked[-1].reply

    def do(self, type_: MessageType, **fields: Any) -> Reply:
        """Ask; it must be approved, a range of cards to the last."""
        reply = self.ask(type_, **fields)
        results = {result.code for result in reply.results} if type_ == MessageType.OPERATE_CARD else set()
        assert reply.code == 0 and results <= {0}, (type_.name, fields, reply)
        return reply

    def operate(self, operation: CardOperation, card_number: int, **fields: Any) -> Reply:
        """One operation of the card desk; it must be approved."""
        fields = {"operator_id": 71, **fields}
        return self.do(MessageType.OPERATE_CARD, card_number=card_number, operation=operation, **fields)

    def query(self, card_number: int) -> Reply:
        """All that a till shows of a card."""
        request = CardQueryRequest(stamp_ms=self.now_ms, card_number=card_number)
        return self.till.ask(MessageType.CARD_QUERY, request).reply

    def records(self) -> dict[str, bytes]:
        """Every record that the switch has, by kind."""
        found = {}
        for kind in RecordKind:
            reply = ReadRecordsReply.decode(self.till.ask(MessageType.READ_RECORDS, ReadRecordsRequest(kind=kind)).body)
            assert (reply.code, reply.is_last) == (0, RecordsEnd.LAST)
            found[kind.name] = reply.records
        return found

    # ------------------------------------------------------------------- the business

    def open(self) -> None:
        """Store, types, categories, rules, prices, lists, cards: everything that has to be there first."""
        self.start()
        operator = read_credentials(self.path / "operator.key")
        with Till(self.switch.address, operator.terminal_id, operator.key) as desk:
            for type_, fields in (
                (MessageType.PUT_ORGANISATION, {"organisation_id": 1, "node": OrganisationNode.HQ}),
                (MessageType.PUT_STORE, {"store_id": STORE_ID, "organisation_id": 1, "round_off_minor": 10}),
                (
                    MessageType.PUT_TERMINAL,
                    {
                        "terminal_id": TILL_ID,
                        "store_id": STORE_ID,
                        "rights": ALL_RIGHTS,
                        "key": TILL_KEY.ljust(40, b"\0"),
                    },
                ),
            ):
                assert desk.ask(type_, self.request(type_, **fields)).reply.code == 0
        self.do(MessageType.PUT_CARD_TYPE, code=TYPE, functions=31, points_percent=100, level=1)
        self.do(MessageType.PUT_CARD_TYPE, code=PIN_TYPE, points_percent=100, flags=CardTypeFlag.PIN_REQUIRED)
        self.do(MessageType.PUT_CARD_TYPE, code=DRAFT_TYPE, state=TypeState.DRAFT, operator_id=71)
        fees = struct.pack("<12I", *(FEES.get(kind, 0) for kind in FeeKind))
        self.do(MessageType.PUT_CARD_TYPE, code=FEE_TYPE, fees_minor=fees, fees_from_balance=0xFFF)
        self.do(MessageType.PUT_POINTS_CATEGORY, category=CATEGORY, tender_rate=10, convert_rate=10)
        self.do(MessageType.PUT_GIFT, gift_id=GIFT, category=CATEGORY, price_hundredths=1_000, account_max=3, stock=9)
        self._put_rules(1, rate=200, booking_days=1)
        self.do(MessageType.ACTIVATE_RULES, ruleset=1, from_date=self.today, rule_count=1)
        for card, code in ((CARD, TYPE), (OTHER_CARD, TYPE), (PIN_CARD, PIN_TYPE)):
            self.do(MessageType.OPEN_CARD, card_number=card, card_type=code)
            self.do(MessageType.CREDIT, card_number=card, amount_minor=100_000)
        self.do(
            MessageType.SET_PIN, card_number=PIN_CARD, mode=PinMode.RESET, old_pin=bytes(16), new_pin=pin_field(PIN)
        )

    def _put_rules(self, ruleset: int, **fields: int) -> None:
        self.do(
            MessageType.PUT_RULE,
            ruleset=ruleset,
            rule=1,
            layer=RuleLayer.POINTS_ITEM,
            action=RuleAction.MULTIPLY,
            item=SPECIAL_ITEM,
            points_category=CATEGORY,
            **fields,
        )

    def plan_tomorrow(self) -> None:
        """Rules, a version of the type and a price that hold from tomorrow on."""
        self._put_rules(2, rate=300)
        self.do(MessageType.ACTIVATE_RULES, ruleset=2, from_date=self.today + 1, rule_count=1)
        self.do(
            MessageType.PUT_CARD_TYPE,
            code=TYPE,
            functions=31,
            points_percent=100,
            level=1,
            single_minor_max=5_000,
            from_date=self.today + 1,
        )
        self.do(MessageType.PUT_PRICE, item=SPECIAL_ITEM, unit_price_minor=100)
        self.do(MessageType.PUT_PRICE, item=SPECIAL_ITEM, unit_price_minor=130, from_date=self.today + 1)

    def buy(self, card_number: int = CARD, **fields: Any) -> Reply:
        """A bill of two lines; the special article earns points of the category, the other ones of category 0."""
        lines = (BillLine(item=SPECIAL_ITEM, amount_minor=1_000), BillLine(item=6, amount_minor=500))
        return self.do(MessageType.DEBIT, card_number=card_number, amount_minor=1_500, lines=lines, **fields)

    def hold(self, amount_minor: int, expires_in_s: int) -> int:
        """A hold on CARD; its sequence."""
        fields = {"card_number": CARD, "amount_minor": amount_minor, "expires_in_s": expires_in_s}
        return self.do(MessageType.HOLD, **fields).journal_sequence

    def trade(self) -> None:
        """Every till's message."""
        bought = self.buy()
        self.do(
            MessageType.REFUND,
            card_number=CARD,
            amount_minor=400,
            original_sequence=bought.journal_sequence,
            lines=(RefundLine(line=0, amount_minor=400),),
        )
        self.do(
            MessageType.CREDIT, card_number=CARD, amount_minor=700, channel=3, reference=b"bank-0001".ljust(16, b"\0")
        )
        self.do(
            MessageType.CAPTURE,
            card_number=CARD,
            amount_minor=600,
            hold_sequence=self.hold(1_000, 3_600),
            keep_rest=1,
        )
        self.do(MessageType.RELEASE, card_number=CARD, hold_sequence=self.hold(90, 3_600))
        self.do(MessageType.TRANSFER, card_number=CARD, amount_minor=250, to_card_number=OTHER_CARD)
        points = {"card_number": CARD, "category": CATEGORY}
        self.do(MessageType.ADJUST_POINTS, **points, points_hundredths=9_000, operator_id=71)
        self.do(MessageType.TRANSFER_POINTS, **points, points_hundredths=500, to_card_number=OTHER_CARD)
        self.do(MessageType.REDEEM, **points, points_hundredths=0, gift_id=GIFT, pieces=2)
        self.do(MessageType.CONVERT, **points, amount_minor=100)
        self.do(MessageType.LOAD_VISITS, card_number=CARD, service=SERVICE, count=10)
        sale = {"receipt": 77, "store_id": STORE_ID, "sale_date": self.today - 1, "operator_id": 71}
        self.do(MessageType.BACKFILL, card_number=CARD, amount_minor=2_000, **sale)
        self.reverse(self._pay_with_everything())
        self._pay_with_everything()
        self.do(MessageType.DAY_TOTALS, closed_date=self.today - 1)
        paid = {"flags": DebitFlag.PIN, "pin": pin_field(PIN)}
        self.do(MessageType.DEBIT, card_number=PIN_CARD, amount_minor=10, **paid)

    def _pay_with_everything(self) -> Asked:
        tenders = (
            Tender(kind=TenderKind.CARD, amount_minor=600),
            Tender(kind=TenderKind.POINTS, purse=CATEGORY, amount_minor=150),
            Tender(kind=TenderKind.VISITS, purse=SERVICE, count=2, amount_minor=300),
            Tender(kind=TenderKind.CASH, amount_minor=500),
        )
        self.buy(tenders=tenders)
        return self.asked[-1]

    def reverse(self, original: Asked) -> Reply:
        """Undo a debit; it must be approved."""
        request = REQUESTS[original.type].decode(original.body)
        return self.do(
            MessageType.REVERSAL,
            card_number=request.card_number,  # type: ignore[attr-defined]
            amount_minor=request.amount_minor,  # type: ignore[attr-defined]
            original_trace_number=original.reply.trace_number,
            original_business_date=request.business_date,  # type: ignore[attr-defined]
        )

    def put_new_terminal(self) -> None:
        """A terminal with NEW_KEY."""
        key = NEW_KEY.ljust(40, b"\0")
        self.do(MessageType.PUT_TERMINAL, terminal_id=12, store_id=STORE_ID, rights=1, key=key)

    def work_at_the_desk(self) -> None:
        """Every operator's message, the card desk's with fees, values paid out and written off."""
        self.do(MessageType.SET_TYPE_STATE, code=DRAFT_TYPE, state=TypeState.SUBMITTED, operator_id=71)
        self.do(MessageType.PUT_ORGANISATION, organisation_id=2, parent_id=1, node=OrganisationNode.STORE)
        self.do(MessageType.PUT_STORE, store_id=8, organisation_id=2)
        self.do(MessageType.PUT_ALLOWED, code=TYPE, list=AllowedList.OUTLETS, number=STORE_ID)
        self.put_new_terminal()
        self.do(MessageType.SET_CARD, card_number=OTHER_CARD, sets=15, level=2, member=5, segments=3)
        self.do(
            MessageType.SET_PIN,
            card_number=PIN_CARD,
            mode=PinMode.CHANGE,
            old_pin=pin_field(PIN),
            new_pin=pin_field(NEW_PIN),
        )
        self.operate(
            CardOperation.MAKE_AND_ISSUE,
            FIRST_OF_RANGE,
            count=RANGE_COUNT,
            card_type=FEE_TYPE,
            amount_minor=1_000,
            fee_tender=FeeTender.BALANCE,
        )
        self.operate(CardOperation.REPORT_LOSS, FIRST_OF_RANGE, fee_tender=FeeTender.BALANCE)
        self.operate(CardOperation.RESTORE, FIRST_OF_RANGE)
        self.do(MessageType.ADJUST_POINTS, card_number=FIRST_OF_RANGE, points_hundredths=300, operator_id=71)
        self.operate(CardOperation.RETURN, FIRST_OF_RANGE)
        self.operate(CardOperation.FREEZE, FIRST_OF_RANGE + 1, count=RANGE_COUNT - 1)
        self.operate(CardOperation.UNFREEZE, FIRST_OF_RANGE + 1, count=2, operator_id=72)
        self.operate(CardOperation.VOID, FIRST_OF_RANGE + 4, flags=OperationFlag.WRITE_OFF, document=9)
