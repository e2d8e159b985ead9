"""Plays the steps of a scenario to a decider and holds each outcome against its row.

What a row does not say is checked all the same: header, trace number and date
of the reply, whether an entry is written and that it tells the same story, the
images, and that an inquiry finds the balance which the reply told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed, layout_of
from switch.protocol.messages import (
    REQUESTS,
    BillLine,
    CardStatus,
    Header,
    MessageType,
    Reply,
    Right,
)

from .check import HEADER_BYTES, Check, Counters
from .table import NOT_CHECKED, Given, Scenario, Step, number

STAMP_MS_MAX = 4_102_444_800_000
EPOCH = date(1970, 1, 1)
OPERATOR = 999
EVERY_RIGHT = int(Right.PAY | Right.CREDIT | Right.CONFIGURE | Right.FOLLOW)
MESSAGES = {
    "debit": MessageType.DEBIT,
    "reversal": MessageType.REVERSAL,
    "credit": MessageType.CREDIT,
    "balance": MessageType.BALANCE,
    "put_type": MessageType.PUT_CARD_TYPE,
    "put_store": MessageType.PUT_STORE,
    "put_terminal": MessageType.PUT_TERMINAL,
    "open": MessageType.OPEN_CARD,
    "status": MessageType.CHANGE_CARD_STATUS,
    "put_switch": MessageType.PUT_SWITCH,
}
DEFAULTS: dict[MessageType, dict[str, Any]] = {
    MessageType.PUT_CARD_TYPE: {"code": 1},
    MessageType.PUT_STORE: {"store_id": 1},
    MessageType.PUT_TERMINAL: {"terminal_id": 50, "store_id": 0, "rights": 1, "key": bytes(range(40))},
    MessageType.OPEN_CARD: {"card_type": 1},
    MessageType.CHANGE_CARD_STATUS: {"status": CardStatus.BLOCKED},
    MessageType.PUT_SWITCH: {"partition": 0, "mode": 0, "timezone": b"UTC".ljust(32, b"\0")},
}


class Decider(Protocol):
    """The twin, or whatever must be equal to it."""

    def decide(self, terminal_id: int, rights: int, message: bytes, now_ms: int) -> tuple[bytes, bytes | None]:
        """Whole reply and journal entry of a whole message."""


MakeDecider = Callable[..., Decider]


def card_number(text: str) -> int:
    """Number of a card: a letter names one, digits are the number itself."""
    return 60_000_000 + ord(text) if re.fullmatch("[A-Z]", text) else number(text)


@dataclass(slots=True)
class Asked:
    """What was sent, and the first reply that was journaled for it."""

    message: bytes
    reply_body: bytes | None = None


class Stage:
    """One decider, from what is given to the last step."""

    def __init__(self, scenario: Scenario, make_decider: MakeDecider) -> None:
        self.scenario = scenario
        zone = self._given("zone")
        self.zone = ZoneInfo(zone.name if zone else "Europe/Berlin")
        self.first_day = date.fromisoformat(zone.options.get("start", "2026-05-11") if zone else "2026-05-11")
        limits = {name: number(value) for given in self._all("limit") for name, value in given.options.items()}
        self.replay = self._given("replay") is not None
        self.decider = make_decider(timezone=str(self.zone), replay=self.replay, **limits)
        self.rights = {
            int(given.name): sum(Right[name] for name in given.options["rights"].split(",") if name)
            for given in self._all("terminal")
        }
        self.header_sequence = 1000
        self.today = 0
        self.last_sequence: int | None = None
        self.asked: dict[tuple[int, int], Asked] = {}

    def play(self) -> None:
        """All of the scenario."""
        self._set_up()
        for step in self.scenario.steps:
            for repetition in range(int(step.options.get("times", "1"))):
                self._step(step, repetition, last=repetition + 1 == int(step.options.get("times", "1")))

    # ----------------------------------------------------------------------- what is given

    def _all(self, kind: str) -> list[Given]:
        return [given for given in self.scenario.givens if given.kind == kind]

    def _given(self, kind: str) -> Given | None:
        return next(iter(self._all(kind)), None)

    def _set_up(self) -> None:
        """Card types, cards and stores are made the day before, so that they take no room of the first day."""
        now_ms = self._moment("12:00", days=-1)
        for given in self._all("type"):
            fields = {name: number(value) for name, value in given.options.items()}
            self._operate(MessageType.PUT_CARD_TYPE, now_ms, code=int(given.name), **fields)
        for given in self._all("store"):
            self._operate(MessageType.PUT_STORE, now_ms, store_id=int(given.name))
        for given in self._all("card"):
            options, card = dict(given.options), card_number(given.name)
            account = card_number(options["account"]) if "account" in options else 0
            card_type = int(options.get("type", "1"))
            self._operate(MessageType.OPEN_CARD, now_ms, card_number=card, account_number=account, card_type=card_type)
            balance = number(options.get("balance", "0"))
            while balance > 0:
                part = min(balance, 10**12)
                self._operate(MessageType.CREDIT, now_ms, card_number=card, amount_minor=part)
                balance -= part
            if options.get("status") == "blocked":
                self._operate(MessageType.CHANGE_CARD_STATUS, now_ms, card_number=card, status=CardStatus.BLOCKED)

    def _operate(self, message_type: MessageType, now_ms: int, **fields: Any) -> None:
        self.header_sequence += 1
        fields |= {"trace_number": self.header_sequence, "business_date": self._date_of(now_ms), "stamp_ms": now_ms}
        header = Header(type=message_type, sequence=self.header_sequence)
        message = header.encode() + Packed.encode(REQUESTS[message_type](**fields))
        reply, entry = self.decider.decide(OPERATOR, EVERY_RIGHT, message, now_ms)
        assert Reply.decode(reply[HEADER_BYTES:]).code == ResponseCode.APPROVED, (self.scenario.where, fields)
        assert entry is not None
        self.last_sequence = Reply.decode(reply[HEADER_BYTES:]).journal_sequence

    # ----------------------------------------------------------------------- time

    def _moment(self, text: str, days: int = 0) -> int:
        """Milliseconds of `09:00`, `23:59:59.999`, `00:00+1` (a day later) in the zone, or of `06:00Z` in UTC."""
        found = re.fullmatch(r"([\d:.]+)(Z?)([+-]\d+)?", text)
        assert found, text
        clock, utc, later = found.groups()
        days += int(later or 0)
        moment = datetime.fromisoformat(f"{self.first_day + timedelta(days=days)}T{clock}")
        moment = moment.replace(tzinfo=ZoneInfo("UTC") if utc else self.zone)
        return round(moment.timestamp() * 1000)

    def _date_of(self, now_ms: int) -> int:
        return (datetime.fromtimestamp(now_ms // 1000, self.zone).date() - EPOCH).days

    def _day(self, text: str) -> int:
        """Business date of a day of the scenario; day 0 is the first."""
        return (self.first_day - EPOCH).days + int(text)

    # ----------------------------------------------------------------------- steps

    def _step(self, step: Step, repetition: int, *, last: bool) -> None:
        now_ms = self._moment(step.cells["time"])
        stamp_ms = self._stamp(step)
        decisive_ms = stamp_ms if self.replay and 0 <= stamp_ms <= STAMP_MS_MAX else now_ms
        terminal_id = int(step.options.get("terminal", "1"))
        today = max(self.today, self._date_of(decisive_ms))
        trace = number(step.cells["trace"]) + repetition if step.cells["trace"] != NOT_CHECKED else 0
        if step.cells["message"] in ("repeat", "resend"):
            asked = self.asked[terminal_id, trace]
        else:
            asked = Asked(self._message(step, trace, stamp_ms, today))

        rights = self.rights.get(terminal_id, EVERY_RIGHT)
        reply, entry = self.decider.decide(terminal_id, rights, asked.message, now_ms)

        check = Check(step, asked.message, reply, entry)
        check.header()
        if check.is_error:
            check.error()
            return
        check.same("code", ResponseCode(check.body.code).name, step.cells["code"])
        if check.body.code != ResponseCode.NOT_PERMITTED:
            self.today = today
        if step.cells["message"] == "repeat":
            check.same("a repeat's reply", reply[HEADER_BYTES:], asked.reply_body)
            check.same("a repeat's entry", entry, None)
        else:
            amount = 0 if step.cells["amount"] == NOT_CHECKED else number(step.cells["amount"])
            check.reply_fields(self._day(step.options["date"]) if "date" in step.options else today, amount)
            self._journaled(check, asked, terminal_id, decisive_ms)
        self.asked.setdefault((terminal_id, trace), asked)
        if step.cells["card"] != NOT_CHECKED:
            self.today = today
            check.balance(self._inquire(card_number(step.cells["card"]), now_ms, decisive_ms), last=last)

    def _journaled(self, check: Check, asked: Asked, terminal_id: int, time_ms: int) -> None:
        """An entry, with the next sequence, where there should be one; else none."""
        if not check.is_journaled():
            check.same("entry", check.entry, None)
            return
        sequence = None if self.last_sequence is None else self.last_sequence + 1
        check.entry_tells_the_same(terminal_id=terminal_id, time_ms=time_ms, sequence=sequence)
        self.last_sequence = check.body.journal_sequence
        asked.reply_body = check.reply[HEADER_BYTES:]
        if "counters" in check.options:
            day, minor, count, points = check.options["counters"].split(":")
            check.counters(Counters(self._day(day), number(minor), number(count), number(points)))

    def _stamp(self, step: Step) -> int:
        """The terminal's clock: the step's time, or what the row says."""
        stamp = step.options.get("stamp", step.cells["time"])
        return self._moment(stamp) if ":" in stamp else number(stamp)

    def _message(self, step: Step, trace: int, stamp_ms: int, today: int) -> bytes:
        """Header and body of a row, with all that its options alter."""
        cells, options = step.cells, step.options
        message_type = MESSAGES[cells["message"]]
        form = REQUESTS[message_type]
        fields = {"trace_number": trace, "business_date": today, "stamp_ms": stamp_ms}
        fields |= {"business_date": self._day(options["day"])} if "day" in options else {}
        if cells["card"] != NOT_CHECKED:
            fields["card_number"] = card_number(cells["card"])
        if cells["amount"] != NOT_CHECKED:
            fields["amount_minor"] = number(cells["amount"])
        if "of" in options:
            fields["original_trace_number"] = number(options["of"])
            fields["original_business_date"] = self._day(options["of_day"]) if "of_day" in options else today
        names = {field.name for field in layout_of(form).fields}
        fields = DEFAULTS.get(message_type, {}) | fields
        for name in names & options.keys():
            is_card = name == "account_number"
            fields[name] = card_number(options[name]) if is_card else number(options[name])
        lines = [number(amount) for amount in options.get("lines", "").split(",") if amount]
        if message_type == MessageType.DEBIT:
            fields.setdefault("line_count", len(lines))
        body = Packed.encode(form(**{name: value for name, value in fields.items() if name in names}))
        body += b"".join(BillLine(amount_minor=amount).encode() for amount in lines)
        return self._altered(message_type, body, options)

    def _altered(self, message_type: int, body: bytes, options: dict[str, str]) -> bytes:
        """The message, damaged as the options say."""
        self.header_sequence += 1
        header = Header(
            version=number(options.get("version", "1")),
            type=number(options.get("type", str(int(message_type)))),
            flags=number(options.get("header_flags", "0")),
            sequence=self.header_sequence,
        )
        altered = bytearray(body)
        for poke in options.get("poke", "").split(","):
            at, _, value = poke.partition(":")
            if poke:
                altered[number(at)] = number(value)
        altered += bytes(number(options.get("extend", "0")))
        del altered[len(altered) - number(options.get("cut", "0")) :]
        return header.encode() + bytes(altered)

    def _inquire(self, card: int, now_ms: int, stamp_ms: int) -> Reply:
        """What the account holds now."""
        body = REQUESTS[MessageType.BALANCE](stamp_ms=stamp_ms, card_number=card).encode()
        message = Header(type=MessageType.BALANCE, sequence=0).encode() + body
        reply, entry = self.decider.decide(OPERATOR, EVERY_RIGHT, message, now_ms)
        assert entry is None
        return Reply.decode(reply[HEADER_BYTES:])
