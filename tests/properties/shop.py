"""The shop that the properties are about, and the real switch behind it: in this process, on a real data directory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    NO_LIMIT,
    REQUESTS,
    ActivateRulesRequest,
    CardQueryRequest,
    CardTypeFlag,
    Function,
    Header,
    MessageType,
    PutCardTypeRequest,
    PutGiftRequest,
    PutPointsCategoryRequest,
    PutRuleRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Relation,
    Reply,
    RuleAction,
    RuleLayer,
    SwitchMode,
)
from switch.protocol.records import RECORDS, RecordKind, record_key
from tests.support.card_desk import EVERY_RIGHT
from tests.support.desk import Desk, bring_up_store, make_directory, make_room

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
OFFSET_MS = 8 * HOUR_MS
"""Of Asia/Shanghai."""
FIRST_DAY = 20_600
FIRST_MS = FIRST_DAY * DAY_MS + 10 * HOUR_MS - OFFSET_MS
TILLS, DESK, SPARE_DESK = (7, 8), 9, 10
STORES = {7: 1, 8: 2, 9: 1, 10: 1}
ROUND_OFF_MINOR = {1: 10, 2: 0}
PLAIN, FURTHER, TOPPED_UP, ONE_TIME, GUARDED = 1, 2, 3, 4, 5
REPLACE_FEE, RETURN_FEE, SWAP_FEE = 50, 30, 20
GIFT, GIFT_PRICE, GIFT_STOCK, GIFT_MAX = 11, 300, 5, 3
LATE_ITEM, EXCLUDED_ITEM = 2, 3
LATE_PERCENT, LATE_CATEGORY, LATE_DAYS = 300, 1, 2
RECHARGE_PERCENT, RECHARGE_CATEGORY, RECHARGE_MINOR_MIN = 10, 2, 1_000
TENDER_RATES = {0: 2, 1: 1}
TENDER_CAP_BP = {0: 5_000, 1: 10_000}
CONVERT = {1: (2, 10)}
"""Rate and lot by category."""
VALUE_KINDS = (
    RecordKind.ACCOUNT,
    RecordKind.CARD,
    RecordKind.CARD_LIMIT,
    RecordKind.PURSE,
    RecordKind.HOLD,
    RecordKind.PENDING_POINTS,
    RecordKind.MARK,
    RecordKind.GIFT,
)
FEES = b"".join(fee.to_bytes(4, "little") for fee in (0, 0, REPLACE_FEE, 0, 0, RETURN_FEE, 0, 0, 0, 0, SWAP_FEE, 0))
_PAY_AND_MORE = Function.PAY | Function.POINTS | Function.VISITS
_KEY: dict[str, Any] = {"trace_number": 0, "business_date": 0, "stamp_ms": 0}
TYPES = {
    facts.code: facts
    for facts in (
        PutCardTypeRequest(
            **_KEY,
            code=PLAIN,
            functions=_PAY_AND_MORE | Function.DISCOUNT,
            discount_bp=500,
            points_percent=100,
            single_minor_max=20_000,
            daily_minor_max=40_000,
            daily_count_max=5,
            recharge_count_max=3,
            recharge_day_minor_max=60_000,
            ceiling_minor=80_000,
            daily_points_max_hundredths=20_000,
            fees_minor=FEES,
            fees_from_balance=0xFFF,
            fees_waivable=0xFFF,
        ),
        PutCardTypeRequest(
            **_KEY,
            code=FURTHER,
            functions=_PAY_AND_MORE,
            flags=CardTypeFlag.FINE_POINTS,
            relation=Relation.SUPPLEMENTARY,
            points_percent=150,
            single_minor_max=15_000,
            ceiling_minor=60_000,
        ),
        PutCardTypeRequest(
            **_KEY,
            code=TOPPED_UP,
            functions=Function.PAY,
            auto_mode=1,
            auto_below_minor=1_000,
            auto_add_minor=3_000,
            auto_count_max=2,
            ceiling_minor=20_000,
        ),
        PutCardTypeRequest(
            **_KEY,
            code=ONE_TIME,
            functions=_PAY_AND_MORE,
            flags=CardTypeFlag.ONE_TIME | CardTypeFlag.NO_RESTORE,
            points_percent=100,
        ),
        PutCardTypeRequest(
            **_KEY,
            code=GUARDED,
            functions=_PAY_AND_MORE,
            flags=CardTypeFlag.PIN_REQUIRED,
            auto_mode=2,
            auto_add_minor=700,
            auto_count_max=3,
            pin_tries_max=2,
            ceiling_minor=9_000,
        ),
    )
}
assert all(facts.ceiling_minor <= NO_LIMIT for facts in TYPES.values())


def date_of(now_ms: int) -> int:
    """Business date of a moment."""
    return (now_ms + OFFSET_MS) // DAY_MS


def type_of(form: Packed) -> MessageType:
    """Message type of a request that only one type has (a quote is asked for by its type)."""
    return next(type_ for type_, request in REQUESTS.items() if request is type(form) and type_ != MessageType.QUOTE)


def build(path: Path) -> Path:
    """A data directory with the shop in it."""
    make_directory(path, "Asia/Shanghai", SwitchMode.REPLAY, cards_max=100, terminals_max=20, stores_max=20)
    switch = Switch(path)
    requests: list[tuple[type[Packed], dict[str, Any]]] = [
        *((PutStoreRequest, {"store_id": n, "round_off_minor": unit}) for n, unit in ROUND_OFF_MINOR.items()),
        *(
            (PutTerminalRequest, {"terminal_id": n, "store_id": store, "rights": EVERY_RIGHT, "key": bytes([n]) * 40})
            for n, store in STORES.items()
        ),
        *((PutPointsCategoryRequest, category_fields(n)) for n in (0, 1, 2)),
        (
            PutGiftRequest,
            {"gift_id": GIFT, "price_hundredths": GIFT_PRICE, "account_max": GIFT_MAX, "stock": GIFT_STOCK},
        ),
        (
            PutRuleRequest,
            {
                "ruleset": 1,
                "rule": 1,
                "layer": RuleLayer.POINTS_ITEM,
                "action": RuleAction.MULTIPLY,
                "item": LATE_ITEM,
                "rate": LATE_PERCENT,
                "points_category": LATE_CATEGORY,
                "booking_days": LATE_DAYS,
            },
        ),
        (
            PutRuleRequest,
            {
                "ruleset": 1,
                "rule": 2,
                "layer": RuleLayer.POINTS_ITEM,
                "action": RuleAction.EXCLUDE,
                "item": EXCLUDED_ITEM,
            },
        ),
        (
            PutRuleRequest,
            {
                "ruleset": 1,
                "rule": 3,
                "layer": RuleLayer.POINTS_RECHARGE,
                "action": RuleAction.MULTIPLY,
                "rate": RECHARGE_PERCENT,
                "points_category": RECHARGE_CATEGORY,
                "bill_minor_min": RECHARGE_MINOR_MIN,
            },
        ),
    ]
    forms = [form(**_KEY, **fields) for form, fields in requests] + list(TYPES.values())
    forms.append(ActivateRulesRequest(**_KEY, ruleset=1, from_date=FIRST_DAY, rule_count=3))
    for trace, form in enumerate(forms, 1):
        form = replace(form, trace_number=trace, business_date=FIRST_DAY, stamp_ms=FIRST_MS)
        reply = Reply.decode(switch.send(DESK, type_of(form), form, FIRST_MS))
        assert reply.code == 0, (form, reply)
    switch.desk.commit()
    return path


def category_fields(category: int) -> dict[str, Any]:
    """What a points category can do."""
    rate, lot = CONVERT.get(category, (0, 1))
    return {
        "category": category,
        "tender_rate": TENDER_RATES.get(category, 0),
        "tender_cap_bp": TENDER_CAP_BP.get(category, 10_000),
        "convert_rate": rate,
        "convert_lot_minor": lot,
    }


class Switch:
    """The product's own recovery, rules and journal; only sockets are missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.desk = Desk(path)

    def send(self, terminal_id: int, type_: MessageType, form: Packed | bytes, now_ms: int) -> bytes:
        """Body of the reply to one message."""
        body = form if isinstance(form, bytes) else form.encode()
        make_room(self.desk.journal)
        message = Header(type=type_, sequence=1).encode() + body
        reply, _ = self.desk.engine.decide(terminal_id, EVERY_RIGHT, message, now_ms)
        return bytes(reply[Header.width_bytes() :])

    def query(self, card_number: int, now_ms: int) -> bytes:
        """What a till is shown of a card."""
        form = CardQueryRequest(stamp_ms=now_ms, card_number=card_number)
        return self.send(TILLS[0], MessageType.CARD_QUERY, form, now_ms)

    def records(self) -> dict[RecordKind, dict[tuple[int, ...], bytes]]:
        """All that has to do with value, as bytes, by kind and key."""
        tables = self.desk.engine.tables
        return {kind: {record_key(record): record for record in tables.records(kind)} for kind in VALUE_KINDS}

    def restart(self, *, bring_up: bool) -> None:
        """Start anew from the disk: from the whole journal, or from the balance store and the journal's tail."""
        self.desk.commit()
        if bring_up:
            bring_up_store(self.path)
        self.desk = Desk(self.path)

    def fork(self, path: Path) -> Switch:
        """Another switch with the same past."""
        self.desk.commit()
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.path, path)
        return Switch(path)


def decoded(records: dict[tuple[int, ...], bytes]) -> list[Any]:
    """Records of one kind, by their fields."""
    return [RECORDS[RecordKind(record[0])].decode(record) for record in records.values()]
