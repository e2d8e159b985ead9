"""What holds before the first step, made by messages of the day before, so that it takes no room of the first day."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    CardOperation,
    CardStatus,
    KeyPurpose,
    KeyState,
    MessageType,
    PinMode,
)

from .readings import MEDIA, card_or_id
from .table import Given, number
from .words import DEFAULTS, SHORT, card_number, hashed_pin, value

if TYPE_CHECKING:
    from .stage import Stage

OPENED = {"ACTIVE": CardStatus.ACTIVE, "FROZEN": CardStatus.FROZEN}
"""Statuses that a card is opened with."""
MADE_BY = {
    "RESERVED": (CardOperation.RESERVE,),
    "RELEASED": (CardOperation.RESERVE, CardOperation.UNRESERVE),
    "MADE": (CardOperation.MAKE,),
    "DRAWN": (CardOperation.MAKE, CardOperation.DRAW),
    "ISSUED": (CardOperation.MAKE, CardOperation.ISSUE),
    "CLEARED": (CardOperation.MAKE, CardOperation.CLEAR),
}
"""Statuses that a number comes to without being opened."""
REACHED_BY = {
    "LOST": CardOperation.REPORT_LOSS,
    "BAD": CardOperation.MARK_BAD,
    "RETURNED": CardOperation.RETURN,
    "VOID": CardOperation.VOID,
}
"""Statuses that an open card comes to."""
DESK_OPERATOR = 90


class Setting:
    """The givens of one scenario."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.now_ms = stage.moment("12:00", days=-1)
        self.put: dict[str, Callable[[Given], None]] = {
            "organisation": self._numbered(MessageType.PUT_ORGANISATION, "organisation_id"),
            "store": self._numbered(MessageType.PUT_STORE, "store_id"),
            "category": self._numbered(MessageType.PUT_POINTS_CATEGORY, "category"),
            "gift": self._numbered(MessageType.PUT_GIFT, "gift_id"),
            "type": self._numbered(MessageType.PUT_CARD_TYPE, "code"),
            "rule": self._numbered(MessageType.PUT_RULE, "rule"),
            "price": self._numbered(MessageType.PUT_PRICE, "item"),
            "allowed": self._numbered(MessageType.PUT_ALLOWED, "number"),
            "terminal": self._terminal,
            "card": self._card,
            "limits": self._limits,
            "points": self._points,
            "visits": self._visits,
            "pin": self._pin,
            "policy": self._numbered(MessageType.PUT_MEDIUM_POLICY, "code"),
            "travel": self._numbered(MessageType.PUT_TRAVEL, "store_id"),
            "key": self._key,
            **dict.fromkeys(MEDIA, self._medium),
        }

    def make(self) -> None:
        """All that is given, in the order of the table; sets of rules come into force at the end."""
        for given in self.stage.scenario.givens:
            if given.kind in self.put:
                self.put[given.kind](given)
        for ruleset in sorted({number(given.options.get("ruleset", "1")) for given in self.stage.all("rule")}):
            rules = [g for g in self.stage.all("rule") if number(g.options.get("ruleset", "1")) == ruleset]
            dated = [g for g in self.stage.all("ruleset") if number(g.name) == ruleset]
            from_date = self._value("from_date", dated[0].options["from_date"]) if dated else 0
            self._send(MessageType.ACTIVATE_RULES, ruleset=ruleset, from_date=from_date, rule_count=len(rules))

    def _value(self, name: str, text: str, message_type: MessageType | None = None) -> Any:
        return value(name, text, message_type, self.stage.day)

    def _send(self, message_type: MessageType, **fields: Any) -> None:
        self.stage.operate(message_type, self.now_ms, **(DEFAULTS.get(message_type, {}) | fields))

    def _fields(self, given: Given, message_type: MessageType) -> dict[str, Any]:
        return {SHORT.get(name, name): self._value(name, text, message_type) for name, text in given.options.items()}

    def _numbered(self, message_type: MessageType, key: str) -> Callable[[Given], None]:
        """A message whose name is a number."""

        def put(given: Given) -> None:
            self._send(message_type, **({key: number(given.name)} | self._fields(given, message_type)))

        return put

    def _terminal(self, given: Given) -> None:
        """Rights go with each message; the terminal's record only matters for its store."""
        if "store" in given.options:
            self._send(
                MessageType.PUT_TERMINAL, terminal_id=number(given.name), store_id=number(given.options["store"])
            )

    def _key(self, given: Given) -> None:
        """A version of a key, in force unless another state is named."""
        fields = {"purpose": KeyPurpose[given.name], "key_version": number(given.options.get("version", "1"))}
        self._send(MessageType.PUT_KEY, **fields)
        if given.options.get("state", "ACTIVE") == "ACTIVE":
            self._send(MessageType.PUT_KEY, **fields, state=KeyState.ACTIVE)

    def _medium(self, given: Given) -> None:
        """A medium of a card; a stripe's number is the card's."""
        card = card_number(given.options.get("card", given.name))
        fields = {"card_number": card, "medium": MEDIA[given.kind], "medium_id": card_or_id(given.name)}
        for name in given.options.keys() - {"card"}:
            fields[SHORT.get(name, name)] = self._value(name, given.options[name], MessageType.PUT_MEDIUM)
        fields.setdefault("key_version_held", fields.get("key_version", 1))
        self._send(MessageType.PUT_MEDIUM, **fields)

    # ----------------------------------------------------------------------- cards

    def _card(self, given: Given) -> None:
        card, options = card_number(given.name), given.options
        card_type, status = number(options.get("type", "1")), options.get("status", "ACTIVE")
        if status in MADE_BY:
            for operation in MADE_BY[status]:
                self._operate(card, operation, given, card_type)
        else:
            self._send(
                MessageType.OPEN_CARD,
                card_number=card,
                account_number=card_number(options["account"]) if "account" in options else 0,
                card_type=card_type,
                status=CardStatus.ACTIVE,
            )
        self._fill(card, number(options.get("balance", "0")))
        self._describe(card, options)
        if status == "FROZEN":
            self._operate(card, CardOperation.FREEZE, given, card_type)
        elif status in REACHED_BY:
            self._operate(card, REACHED_BY[status], given, card_type)
        if "kept" in options:
            raise AssertionError(f"{given.where}: play the loss of a frozen card as a step")

    def _fill(self, card: int, balance: int) -> None:
        while balance > 0:
            part = min(balance, AMOUNT_MINOR_MAX)
            self._send(MessageType.CREDIT, card_number=card, amount_minor=part, channel=0)
            balance -= part

    def _describe(self, card: int, options: dict[str, str]) -> None:
        """Level, member and segments of the holder."""
        bits = {"level": 2, "member": 4, "segments": 8}
        fields = {name: number(options[name]) for name in bits if name in options}
        if fields:
            self._send(MessageType.SET_CARD, card_number=card, sets=sum(bits[name] for name in fields), **fields)

    def _operate(self, card: int, operation: CardOperation, given: Given, card_type: int) -> None:
        makes = operation in (CardOperation.RESERVE, CardOperation.MAKE)
        fields: dict[str, Any] = {
            "card_number": card,
            "operation": operation,
            "operator_id": DESK_OPERATOR,
            "card_type": card_type if makes else 0,
            "fee_tender": 1,
        }
        if operation == CardOperation.DRAW:
            fields["store_id"] = number(given.options["store"])
        if operation == CardOperation.ISSUE:
            fields |= {"amount_minor": number(given.options.get("value", "0"))}
            fields |= {"member": number(given.options.get("member", "0"))}
        self._send(MessageType.OPERATE_CARD, **fields)

    def _limits(self, given: Given) -> None:
        fields = self._fields(given, MessageType.SET_CARD)
        self._send(MessageType.SET_CARD, card_number=card_number(given.name), sets=1, **fields)

    def _points(self, given: Given) -> None:
        fields = {"card_number": card_number(given.name), "operator_id": DESK_OPERATOR}
        category, points = number(given.options.get("category", "0")), number(given.options["points"])
        while points:
            part = max(-(10**15), min(points, 10**15))
            self._send(MessageType.ADJUST_POINTS, category=category, points_hundredths=part, **fields)
            points -= part

    def _visits(self, given: Given) -> None:
        fields = self._fields(given, MessageType.LOAD_VISITS)
        self._send(MessageType.LOAD_VISITS, card_number=card_number(given.name), **fields)

    def _pin(self, given: Given) -> None:
        pins = {"old_pin": bytes(16), "new_pin": hashed_pin(given.options["is"])}
        self._send(MessageType.SET_PIN, card_number=card_number(given.name), mode=PinMode.RESET, **pins)
