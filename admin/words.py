"""Names of the switch's numbers, for people: message types, states, codes.  English here, translated when shown."""

from __future__ import annotations

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import AlarmKind, AlarmState, CardOperation, CardStatus, MessageType, TerminalStatus

_ = str

TYPES: dict[int, str] = {
    MessageType.DEBIT: _("Debit"),
    MessageType.REVERSAL: _("Reversal"),
    MessageType.CREDIT: _("Recharge"),
    MessageType.HOLD: _("Hold"),
    MessageType.CAPTURE: _("Capture"),
    MessageType.RELEASE: _("Release"),
    MessageType.REFUND: _("Refund"),
    MessageType.TRANSFER: _("Transfer"),
    MessageType.REDEEM: _("Redemption"),
    MessageType.CONVERT: _("Points to money"),
    MessageType.ADJUST_POINTS: _("Points adjustment"),
    MessageType.TRANSFER_POINTS: _("Points transfer"),
    MessageType.DAY_TOTALS: _("Day close"),
    MessageType.BACKFILL: _("Points backfill"),
    MessageType.LOAD_VISITS: _("Visits loaded"),
    MessageType.CONFIRM_WRITE: _("Card written"),
    MessageType.PUT_CARD_TYPE: _("Card type changed"),
    MessageType.PUT_STORE: _("Store changed"),
    MessageType.PUT_TERMINAL: _("Terminal changed"),
    MessageType.OPEN_CARD: _("Card opened"),
    MessageType.OPERATE_CARD: _("Card operation"),
    MessageType.SET_PIN: _("PIN set"),
    MessageType.SET_CARD: _("Card settings"),
    MessageType.SET_TYPE_STATE: _("Card type state"),
    MessageType.PUT_ORGANISATION: _("Organisation changed"),
    MessageType.PUT_POINTS_CATEGORY: _("Points category changed"),
    MessageType.PUT_GIFT: _("Gift changed"),
    MessageType.PUT_RULE: _("Rule changed"),
    MessageType.ACTIVATE_RULES: _("Rules activated"),
    MessageType.PUT_PRICE: _("Price changed"),
    MessageType.PUT_ALLOWED: _("Allowed list changed"),
    MessageType.PUT_SWITCH: _("Switch set up"),
    MessageType.CUT_OVER: _("Date begun"),
    MessageType.PUT_MEDIUM: _("Medium enrolled"),
    MessageType.PUT_MEDIUM_POLICY: _("Medium policy changed"),
    MessageType.PUT_KEY: _("Key changed"),
    MessageType.PUT_TRAVEL: _("Travel time changed"),
    MessageType.HANDLE_ALARM: _("Alarm handled"),
    MessageType.REWRAP_KEY: _("Key rewrapped"),
    MessageType.CHANGE_KEY: _("Terminal key changed"),
}
STATUSES: dict[int, str] = {
    CardStatus.ACTIVE: _("Active"),
    CardStatus.FROZEN: _("Frozen"),
    CardStatus.RESERVED: _("Reserved"),
    CardStatus.MADE: _("Made"),
    CardStatus.DRAWN: _("Drawn"),
    CardStatus.ISSUED: _("Issued"),
    CardStatus.LOST: _("Lost"),
    CardStatus.EXPIRED: _("Expired"),
    CardStatus.BAD: _("Unreadable"),
    CardStatus.REPLACED: _("Replaced"),
    CardStatus.RETURNED: _("Returned"),
    CardStatus.VOID: _("Void"),
    CardStatus.CORRECTED: _("Corrected"),
    CardStatus.CLEARED: _("Cleared"),
    CardStatus.RELEASED: _("Released"),
}
ALARM_KINDS: dict[int, str] = {
    AlarmKind.CLONE: _("Copied card"),
    AlarmKind.CODE_REPLAY: _("Code used twice"),
    AlarmKind.ENUMERATION: _("Proofs tried out"),
    AlarmKind.TRAVEL: _("Too fast between stores"),
}
ALARM_STATES: dict[int, str] = {
    AlarmState.NEW: _("New"),
    AlarmState.ACKNOWLEDGED: _("Acknowledged"),
    AlarmState.CLEARED: _("No fraud"),
    AlarmState.CONFIRMED: _("Confirmed"),
}
TERMINAL_STATUSES: dict[int, str] = {
    TerminalStatus.ACTIVE: _("In use"),
    TerminalStatus.BLOCKED: _("Blocked"),
    TerminalStatus.QUARANTINED: _("In quarantine"),
}
STATUS_TONES: dict[int, str] = {
    CardStatus.ACTIVE: "good",
    CardStatus.FROZEN: "bad",
    CardStatus.LOST: "bad",
    CardStatus.BAD: "bad",
    CardStatus.EXPIRED: "warn",
    CardStatus.ISSUED: "warn",
}
"""Colour class of a state; others are neutral."""


def type_name(type_: int, operation: int = 0) -> str:
    """What an entry is about, in English."""
    if operation and type_ == MessageType.OPERATE_CARD:
        return OPERATIONS.get(operation, TYPES[type_])
    return TYPES.get(type_, f"0x{type_:02x}")


def code_name(code: int) -> str:
    """A response code by its name, in English."""
    return CODES.get(code, str(code))


def _in_words(name: str) -> str:
    return name.replace("_", " ").capitalize()


OPERATIONS: dict[int, str] = {operation: _in_words(operation.name) for operation in CardOperation}
CODES: dict[int, str] = {code: _in_words(code.name) for code in ResponseCode}
