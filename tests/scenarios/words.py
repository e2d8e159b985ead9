"""What the words of a table stand for: messages, cards, dates, names of numbers, rows behind a fixed part."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Callable
from typing import Any

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    AlarmState,
    AllowedList,
    AutoRecharge,
    BillLine,
    CardFlag,
    CardOperation,
    CardStatus,
    CardTypeFlag,
    DayTotal,
    DebitFlag,
    FeeKind,
    FeeTender,
    Function,
    KeyPurpose,
    KeyState,
    LineFlag,
    Medium,
    MediumFlag,
    MediumKind,
    MediumState,
    MessageType,
    OperationFlag,
    OrganisationNode,
    PinMode,
    PolicyFlag,
    RechargeChannel,
    RefundLine,
    Relation,
    Right,
    RuleAction,
    RuleLayer,
    Settlement,
    Tender,
    TenderKind,
    TerminalFlag,
    TypeState,
)
from switch.protocol.records import RecordKind

from .table import number

MESSAGES = {
    "debit": MessageType.DEBIT,
    "reversal": MessageType.REVERSAL,
    "balance": MessageType.BALANCE,
    "credit": MessageType.CREDIT,
    "hold": MessageType.HOLD,
    "capture": MessageType.CAPTURE,
    "release": MessageType.RELEASE,
    "refund": MessageType.REFUND,
    "quote": MessageType.QUOTE,
    "query": MessageType.CARD_QUERY,
    "transfer": MessageType.TRANSFER,
    "redeem": MessageType.REDEEM,
    "convert": MessageType.CONVERT,
    "adjust": MessageType.ADJUST_POINTS,
    "move_points": MessageType.TRANSFER_POINTS,
    "totals": MessageType.DAY_TOTALS,
    "digests": MessageType.DAY_DIGESTS,
    "list": MessageType.DAY_LIST,
    "backfill": MessageType.BACKFILL,
    "visits": MessageType.LOAD_VISITS,
    "put_type": MessageType.PUT_CARD_TYPE,
    "put_store": MessageType.PUT_STORE,
    "put_terminal": MessageType.PUT_TERMINAL,
    "open": MessageType.OPEN_CARD,
    "operate": MessageType.OPERATE_CARD,
    "set_pin": MessageType.SET_PIN,
    "set_card": MessageType.SET_CARD,
    "type_state": MessageType.SET_TYPE_STATE,
    "put_organisation": MessageType.PUT_ORGANISATION,
    "put_category": MessageType.PUT_POINTS_CATEGORY,
    "put_gift": MessageType.PUT_GIFT,
    "put_rule": MessageType.PUT_RULE,
    "activate_rules": MessageType.ACTIVATE_RULES,
    "put_price": MessageType.PUT_PRICE,
    "allow": MessageType.PUT_ALLOWED,
    "cut_over": MessageType.CUT_OVER,
    "put_switch": MessageType.PUT_SWITCH,
    "confirm_write": MessageType.CONFIRM_WRITE,
    "put_medium": MessageType.PUT_MEDIUM,
    "put_policy": MessageType.PUT_MEDIUM_POLICY,
    "put_key": MessageType.PUT_KEY,
    "put_travel": MessageType.PUT_TRAVEL,
    "handle_alarm": MessageType.HANDLE_ALARM,
    "rewrap": MessageType.REWRAP_KEY,
    "change_key": MessageType.CHANGE_KEY,
}
"""Messages by their word in a table."""

OPERATIONS = {operation.name.lower(): operation for operation in CardOperation}
"""`freeze`, `report_loss`, …: an operate-card message with that operation."""

DEFAULTS: dict[MessageType, dict[str, Any]] = {
    MessageType.PUT_CARD_TYPE: {"code": 1},
    MessageType.PUT_STORE: {"store_id": 1},
    MessageType.PUT_TERMINAL: {"terminal_id": 50, "store_id": 0, "rights": 1, "key": bytes(range(40))},
    MessageType.OPEN_CARD: {"card_type": 1},
    MessageType.OPERATE_CARD: {"operation": 0, "operator_id": 7},
    MessageType.SET_PIN: {"old_pin": bytes(16), "new_pin": bytes(16), "mode": PinMode.CHANGE},
    MessageType.SET_CARD: {"sets": 0},
    MessageType.CREDIT: {"channel": RechargeChannel.CASH_STORE},
    MessageType.LOAD_VISITS: {"service": 7, "count": 1},
    MessageType.SET_TYPE_STATE: {"code": 1, "operator_id": 7},
    MessageType.PUT_ORGANISATION: {"organisation_id": 1, "node": OrganisationNode.HQ},
    MessageType.PUT_POINTS_CATEGORY: {"category": 1},
    MessageType.PUT_GIFT: {"gift_id": 1, "price_hundredths": 100},
    MessageType.PUT_RULE: {
        "ruleset": 1,
        "rule": 1,
        "layer": RuleLayer.POINTS_ITEM,
        "action": RuleAction.MULTIPLY,
    },
    MessageType.ACTIVATE_RULES: {"ruleset": 1, "from_date": 0, "rule_count": 0},
    MessageType.PUT_PRICE: {"item": 1, "unit_price_minor": 100},
    MessageType.PUT_ALLOWED: {"code": 1, "list": AllowedList.STORES, "number": 1},
    MessageType.BACKFILL: {"receipt": 1, "store_id": 1, "operator_id": 7},
    MessageType.DAY_DIGESTS: {"first_trace": 0, "last_trace": 2**32 - 1, "part_count": 1},
    MessageType.DAY_LIST: {"first_trace": 0, "last_trace": 2**32 - 1},
    MessageType.CONFIRM_WRITE: {"counter": 1},
    MessageType.PUT_MEDIUM: {"medium": MediumKind.CHIP, "medium_id": 901, "operator_id": 7},
    MessageType.PUT_MEDIUM_POLICY: {"code": 1, "operator_id": 7, "approver_id": 8},
    MessageType.PUT_KEY: {
        "purpose": KeyPurpose.CHIP,
        "key_version": 1,
        "state": KeyState.NEW,
        "check_value": bytes(8),
        "operator_id": 7,
        "approver_id": 8,
    },
    MessageType.PUT_TRAVEL: {"store_id": 1, "other_store_id": 2, "minutes": 30},
    MessageType.HANDLE_ALARM: {"alarm": 0, "operator_id": 7},
    MessageType.REWRAP_KEY: {"kind": RecordKind.TERMINAL, "storage_version": 1, "key_a": 0},
    MessageType.CHANGE_KEY: {"confirm": 0, "key": bytes(40)},
    MessageType.PUT_SWITCH: {"partition": 0, "mode": 0, "timezone": b"UTC".ljust(32, b"\0")},
}
"""Fields that a row need not name."""

SHORT = {
    "operator": "operator_id",
    "approver": "approver_id",
    "related": "related_number",
    "to": "to_card_number",
    "store": "store_id",
    "other_store": "other_store_id",
    "held": "key_version_held",
    "account": "account_number",
}
"""Short words for fields."""

_FLAGS: dict[MessageType, type[enum.IntEnum | enum.IntFlag]] = {
    MessageType.PUT_CARD_TYPE: CardTypeFlag,
    MessageType.OPERATE_CARD: OperationFlag,
    MessageType.DEBIT: DebitFlag,
    MessageType.QUOTE: DebitFlag,
    MessageType.PUT_TERMINAL: TerminalFlag,
    MessageType.PUT_MEDIUM: MediumFlag,
    MessageType.PUT_MEDIUM_POLICY: PolicyFlag,
}
_STATES: dict[int, type[enum.IntEnum]] = {
    MessageType.PUT_KEY: KeyState,
    MessageType.PUT_MEDIUM: MediumState,
    MessageType.HANDLE_ALARM: AlarmState,
}
_KEYS = {"key": 40, "wrapped": 80, "check_value": 8}
"""Fields of bytes that stand for a key, and how many they are."""
_NAMES: dict[str, type[enum.IntEnum | enum.IntFlag]] = {
    "status": CardStatus,
    "kept_status": CardStatus,
    "operation": CardOperation,
    "fee_tender": FeeTender,
    "reason": FeeKind,
    "functions": Function,
    "medium": Medium,
    "relation": Relation,
    "auto_mode": AutoRecharge,
    "channel": RechargeChannel,
    "settlement": Settlement,
    "layer": RuleLayer,
    "action": RuleAction,
    "list": AllowedList,
    "node": OrganisationNode,
    "mode": PinMode,
    "rights": Right,
    "state": TypeState,
    "flags": CardFlag,
    "purpose": KeyPurpose,
    "kind": RecordKind,
}
_BITS_OF_FEES = ("fees_from_balance", "fees_waivable")
_PINS = ("pin", "old_pin", "new_pin")
_TEXTS = {"name": 32, "reference": 16}
_NAME_BYTES = {MessageType.PUT_ORGANISATION: 40, MessageType.PUT_POINTS_CATEGORY: 24}


def card_number(text: str) -> int:
    """Number of a card: a letter names one (letters in a row are numbers in a row), digits are the number itself."""
    return 60_000_000 + ord(text) if re.fullmatch("[A-Z]", text) else number(text)


def hashed_pin(text: str) -> bytes:
    """What a decider sees of a PIN: 16 bytes that the switch has made of it; `none` is no PIN."""
    return bytes(16) if text == "none" else hashlib.sha256(text.encode()).digest()[:16]


def value(name: str, text: str, message_type: int | None, day: Callable[[str], int]) -> Any:
    """Value of a field or of an expectation, written as the tables write it."""
    name = SHORT.get(name, name)
    if name in _PINS:
        return hashed_pin(text)
    if name in _KEYS:
        width = 24 if message_type == MessageType.PUT_MEDIUM else _KEYS[name]
        return b"".join(
            number(part).to_bytes(1, "little") * (width // len(text.split(":"))) for part in text.split(":")
        )
    if name == "media" and re.match("[A-Z]", text):
        return sum(1 << MediumKind[kind] for kind in text.split("|"))
    if name in _TEXTS:
        width = _NAME_BYTES.get(MessageType(message_type or 0x40), _TEXTS[name])
        return text.encode().ljust(width, b"\0")
    if name == "fees_minor":
        return fees(text)
    if name in _BITS_OF_FEES:
        return sum(1 << FeeKind[kind] for kind in text.split("|"))
    if re.fullmatch("[A-Z]", text):
        return card_number(text)
    if found := re.fullmatch(r"d([+-]?\d+)", text):
        return day(found.group(1))
    if re.match("[A-Z]", text):
        names: type[enum.IntEnum | enum.IntFlag] = _NAMES[name]
        if name == "flags" and message_type:
            names = _FLAGS.get(MessageType(message_type), CardFlag)
        elif name == "state":
            names = _STATES.get(message_type or 0, TypeState)
        elif name == "medium" and message_type == MessageType.PUT_MEDIUM:
            names = MediumKind
        return sum(int(names[part]) for part in text.split("|"))
    return number(text)


def fees(text: str) -> bytes:
    """Twelve amounts, from `ISSUE:500,RENEW:300`."""
    amounts = dict.fromkeys(range(12), 0)
    for part in text.split(","):
        kind, _, amount = part.partition(":")
        amounts[FeeKind[kind]] = number(amount)
    return b"".join(amount.to_bytes(4, "little") for amount in amounts.values())


# --------------------------------------------------------------------------- rows behind a fixed part


def bill_lines(text: str) -> list[Packed]:
    """Bill lines, from `500,-20/item=5/NO_POINTS`."""
    lines: list[Packed] = []
    for part in filter(None, text.split(",")):
        amount, *facts = part.split("/")
        fields: dict[str, int] = {"amount_minor": number(amount)}
        for fact in facts:
            name, equals, content = fact.partition("=")
            if equals:
                fields["quantity_milli" if name == "quantity" else name] = number(content)
            else:
                fields["flags"] = fields.get("flags", 0) | LineFlag[name]
        lines.append(BillLine(**fields))
    return lines


def tenders(text: str) -> list[Packed]:
    """Tenders, from `CARD:500,CASH:1000,POINTS:200:3,VISITS:100:7:2` (kind, amount, purse, count)."""
    rows: list[Packed] = []
    for part in filter(None, text.split(",")):
        kind, amount, purse, count, *_ = [*part.split(":"), "0", "0"]
        code = TenderKind[kind] if kind in TenderKind.__members__ else number(kind)
        rows.append(Tender(kind=code, amount_minor=number(amount), purse=number(purse), count=number(count)))
    return rows


def refund_lines(text: str) -> list[Packed]:
    """Lines of a refund, from `0:300,2:100`."""
    pairs = [part.split(":") for part in filter(None, text.split(","))]
    return [RefundLine(line=number(line), amount_minor=number(amount)) for line, amount in pairs]


def day_totals(text: str) -> list[Packed]:
    """Totals of a day close, from `debit:2:300,reversal:1:100` (type, count, sum)."""
    rows: list[Packed] = []
    for part in filter(None, text.split(",")):
        word, count, amount = part.split(":")
        code = MESSAGES[word] if word in MESSAGES else number(word)
        rows.append(DayTotal(type=code, count=number(count), amount_minor=number(amount)))
    return rows


ROWS: dict[MessageType, list[tuple[str, str, Callable[[str], list[Packed]]]]] = {
    MessageType.DEBIT: [("lines", "line_count", bill_lines), ("tenders", "tender_count", tenders)],
    MessageType.QUOTE: [("lines", "line_count", bill_lines), ("tenders", "tender_count", tenders)],
    MessageType.BACKFILL: [("lines", "line_count", bill_lines)],
    MessageType.REFUND: [("lines", "line_count", refund_lines)],
    MessageType.DAY_TOTALS: [("totals", "total_count", day_totals)],
}
"""Option, count field and reader of the rows that follow a message's fixed part, in order."""
