"""Plays the steps of a scenario to a decider and holds each outcome against its row.

What a row does not say is checked all the same: header, trace number and date
of the reply, whether an entry is written and that it tells the same story, the
images, the switch's own cut-over when a date begins, and that an inquiry finds
the balance which the reply told.
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
    WITH_EVIDENCE,
    DayReply,
    DayRow,
    DebitFlag,
    Header,
    MessageType,
    Reply,
    Right,
)

from .check import ERROR_TYPE, HEADER_BYTES, INQUIRIES, Check, Counters
from .day import check_day_reply
from .mirror import Mirror, entries_of, shown
from .readings import evidence_of
from .setting import Setting
from .table import NOT_CHECKED, Given, Scenario, Step, number
from .words import DEFAULTS, MESSAGES, OPERATIONS, ROWS, SHORT, card_number, hashed_pin, value

STAMP_MS_MAX = 4_102_444_800_000
EPOCH = date(1970, 1, 1)
OPERATOR = 999
EVERY_RIGHT = int(Right.PAY | Right.CREDIT | Right.CONFIGURE | Right.FOLLOW | Right.CARDS | Right.SECURITY)


class Decider(Protocol):
    """The twin, or whatever must be equal to it."""

    def decide(self, terminal_id: int, rights: int, message: bytes, now_ms: int) -> tuple[bytes, bytes | None]:
        """Whole reply and journal entries (of a cut-over, of the message) of a whole message."""


MakeDecider = Callable[..., Decider]


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
        settings = {name: number(text) for given in self.all("limit") for name, text in given.options.items()}
        cut_over = self._given("cut_over")
        self.cut_over_minutes = number(cut_over.name) if cut_over else 0
        if cut_over:
            settings["cut_over_minutes"] = self.cut_over_minutes
        self.replay = self._given("replay") is not None
        self.decider = make_decider(timezone=str(self.zone), replay=self.replay, **settings)
        self.rights = {
            int(given.name): sum(Right[name] for name in given.options["rights"].split(",") if name)
            for given in self.all("terminal")
            if "rights" in given.options
        }
        self.header_sequence = 1000
        self.today = 0
        self.last_sequence: int | None = None
        self.asked: dict[tuple[int, int], Asked] = {}
        self.rows: dict[tuple[int, int], dict[int, DayRow]] = {}
        """Answered requests by terminal and business date, then by trace number, totals left out."""
        self.mirror = Mirror()

    def play(self) -> None:
        """All of the scenario."""
        Setting(self).make()
        for step in self.scenario.steps:
            for repetition in range(int(step.options.get("times", "1"))):
                self._step(step, repetition, last=repetition + 1 == int(step.options.get("times", "1")))

    def all(self, kind: str) -> list[Given]:
        """What is given of one kind."""
        return [given for given in self.scenario.givens if given.kind == kind]

    def _given(self, kind: str) -> Given | None:
        return next(iter(self.all(kind)), None)

    def operate(self, message_type: MessageType, now_ms: int, rows: bytes = b"", **fields: Any) -> Reply:
        """A message of the setting; it must be approved."""
        self.header_sequence += 1
        fields |= {"trace_number": self.header_sequence, "business_date": self._date_of(now_ms), "stamp_ms": now_ms}
        header = Header(type=message_type, sequence=self.header_sequence)
        message = header.encode() + Packed.encode(REQUESTS[message_type](**fields)) + rows
        reply, data = self.decider.decide(OPERATOR, EVERY_RIGHT, message, now_ms)
        assert reply[1] != ERROR_TYPE, (self.scenario.where, message_type, fields)
        told = Reply.decode(reply[HEADER_BYTES:])
        code = ResponseCode(told.code)
        assert code == ResponseCode.APPROVED, (self.scenario.where, message_type.name, code.name, told.detail, fields)
        for entry in entries_of(data):
            self.mirror.take(entry)
        assert data is not None
        self.last_sequence = told.journal_sequence
        self.today = max(self.today, self._date_of(now_ms))
        return told

    # ----------------------------------------------------------------------- time

    def moment(self, text: str, days: int = 0) -> int:
        """Milliseconds of `09:00`, `23:59:59.999`, `00:00+1` (a day later) in the zone, or of `06:00Z` in UTC."""
        found = re.fullmatch(r"([\d:.]+)(Z?)([+-]\d+)?", text)
        assert found, text
        clock, utc, later = found.groups()
        days += int(later or 0)
        moment = datetime.fromisoformat(f"{self.first_day + timedelta(days=days)}T{clock}")
        moment = moment.replace(tzinfo=ZoneInfo("UTC") if utc else self.zone)
        return round(moment.timestamp() * 1000)

    def _date_of(self, now_ms: int) -> int:
        seconds = now_ms // 1000 - 60 * self.cut_over_minutes
        return (datetime.fromtimestamp(seconds, self.zone).date() - EPOCH).days

    def day(self, text: str) -> int:
        """Business date of a day of the scenario; day 0 is the first."""
        return (self.first_day - EPOCH).days + int(text)

    # ----------------------------------------------------------------------- steps

    def _step(self, step: Step, repetition: int, *, last: bool) -> None:
        now_ms = self.moment(step.cells["time"])
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
        reply, data = self.decider.decide(terminal_id, rights, asked.message, now_ms)

        check = Check(step, asked.message, reply)
        check.header()
        if check.is_error:
            check.error()
            check.same("entry", data, None)
            return
        check.same("code", check.code.name, step.cells["code"])
        entries = entries_of(data)
        if check.code != ResponseCode.NOT_PERMITTED:
            if today > self.today:
                check.same("a cut-over is written first", bool(entries), True)
                check.same("its date", entries[0].head.business_date, today)
                check.same("its terminal", entries[0].head.terminal_id, 0)
                check.same("its type", entries[0].head.request_type, MessageType.CUT_OVER)
                self._number(check, entries.pop(0).head.sequence)
            self.today = today
        if check.type in (MessageType.DAY_DIGESTS, MessageType.DAY_LIST):
            rows = self.rows.get((terminal_id, self._closed_date(asked)), {})
            check_day_reply(check, DayReply.decode(reply[HEADER_BYTES:]), asked.message, rows)
            return
        if step.cells["message"] == "repeat":
            check.same("a repeat's reply", reply[HEADER_BYTES:], asked.reply_body)
            check.same("a repeat's entries", entries, [])
        else:
            amount = 0 if step.cells["amount"] == NOT_CHECKED else number(step.cells["amount"])
            check.reply_fields(self.day(step.options["date"]) if "date" in step.options else today, amount)
            check.same("number of entries", len(entries), int(check.is_journaled()))
            for entry in entries:
                self._number(check, entry.head.sequence)
                check.entry_tells_the_same(entry, terminal_id=terminal_id, time_ms=decisive_ms)
                self.mirror.take(entry)
                asked.reply_body = check.reply[HEADER_BYTES:]
                self._remember_row(check, terminal_id, trace, asked)
            if check.type == MessageType.CUT_OVER and check.code == ResponseCode.APPROVED:
                self.today += 1
        self.asked.setdefault((terminal_id, trace), asked)
        self._look(check, step, now_ms, decisive_ms, last=last)

    def _number(self, check: Check, sequence: int) -> None:
        """Entries are numbered without gaps."""
        if self.last_sequence is not None:
            check.same("entry sequence", sequence, self.last_sequence + 1)
        self.last_sequence = sequence

    def _remember_row(self, check: Check, terminal_id: int, trace: int, asked: Asked) -> None:
        if check.type == MessageType.DAY_TOTALS:
            return
        business_date = int.from_bytes(asked.message[HEADER_BYTES + 4 : HEADER_BYTES + 8], "little")
        body = check.body
        self.rows.setdefault((terminal_id, business_date), {})[trace] = DayRow(
            trace_number=trace,
            type=check.type,
            code=body.code,
            amount_minor=body.amount_minor,
            journal_sequence=body.journal_sequence,
        )

    def _closed_date(self, asked: Asked) -> int:
        return int.from_bytes(asked.message[HEADER_BYTES + 8 : HEADER_BYTES + 12], "little")

    def _look(self, check: Check, step: Step, now_ms: int, decisive_ms: int, *, last: bool) -> None:
        """What the account and all that the row names are afterwards."""
        if step.cells["card"] != NOT_CHECKED:
            card = card_number(step.cells["card"])
            if check.type not in INQUIRIES and step.cells["message"] != "repeat":
                check.account_image(self.mirror.account_of(card))
            if "counters" in step.options:
                day, minor, count, points = step.options["counters"].split(":")
                expected = Counters(self.day(day), number(minor), number(count), number(points))
                check.counters(self.mirror.account_of(card), expected)
            check.balance(self._inquire(card, now_ms, decisive_ms), last=last)
        for path, text in step.options.items():
            if "." in path and last:
                side = check.body.facts if path.startswith("facts.") else None
                found = getattr(side, path.partition(".")[2]) if side else self.mirror.find(path)
                expected_value = value(path.rpartition(".")[2], text, None, self.day)
                check.same(path, shown(path, found), shown(path, expected_value))
        if "purses" in step.options:
            words = {1: "points", 2: "visits"}
            purses = [f"{words[fact.purse >> 32]}{fact.purse & 0xFFFFFFFF}:{fact.amount}" for fact in check.body.purses]
            check.same("purses", ",".join(purses), step.options["purses"])

    def _stamp(self, step: Step) -> int:
        """The terminal's clock: the step's time, or what the row says."""
        stamp = step.options.get("stamp", step.cells["time"])
        return self.moment(stamp) if ":" in stamp else number(stamp)

    def sequence_of(self, name: str) -> int:
        """Sequence of the entry under a trace number (`3`, or `2/3` at terminal 2), or of a card's account (`A`)."""
        if re.fullmatch("[A-Z]", name):
            account = self.mirror.account_of(card_number(name))
            assert account is not None, name
            return account.last_sequence
        terminal, _, trace = name.rpartition("/")
        reply_body = self.asked[int(terminal or "1"), number(trace)].reply_body
        assert reply_body is not None, name
        return Reply.decode(reply_body).journal_sequence

    # ----------------------------------------------------------------------- messages

    def _message(self, step: Step, trace: int, stamp_ms: int, today: int) -> bytes:
        """Header and body of a row, with all that its options alter."""
        cells, options = step.cells, step.options
        word = cells["message"]
        message_type = MessageType.OPERATE_CARD if word in OPERATIONS else MESSAGES[word]
        names = {field.name for field in layout_of(REQUESTS[message_type]).fields}
        fields: dict[str, Any] = {"trace_number": trace, "business_date": today, "stamp_ms": stamp_ms}
        fields |= {"amount_minor": 0, "points_hundredths": 0, "closed_date": today, "sale_date": today}
        fields |= {
            "next_date": today + 1,
            "operator_id": 0,
            "to_card_number": 0,
            "hold_sequence": 0,
            "original_sequence": 0,
        } | DEFAULTS.get(message_type, {})
        if word in OPERATIONS:
            fields["operation"] = OPERATIONS[word]
        if "day" in options:
            fields["business_date"] = self.day(options["day"])
        if message_type in WITH_EVIDENCE:
            fields["card_number"] = 0
        if cells["card"] != NOT_CHECKED:
            fields["card_number"] = card_number(cells["card"])
        if cells["amount"] != NOT_CHECKED:
            fields["amount_minor" if "amount_minor" in names else "points_hundredths"] = number(cells["amount"])
        if "of" in options and message_type == MessageType.REVERSAL:
            fields["original_trace_number"] = number(options["of"])
            fields["original_business_date"] = self.day(options["of_day"]) if "of_day" in options else today
        elif "of" in options and message_type == MessageType.HANDLE_ALARM:
            fields["alarm"] = self.sequence_of(options["of"])
        elif "of" in options:
            name = "original_sequence" if message_type == MessageType.REFUND else "hold_sequence"
            fields[name] = self.sequence_of(options["of"])
        if "seen" in options:
            fields["if_sequence"] = self.sequence_of(options["seen"])
        for option, text in options.items():
            name = SHORT.get(option, option)
            if name in names and name not in ("detail", "points", "lines"):
                fields[name] = value(name, text, message_type, self.day)
        return self._altered(message_type, self._body(message_type, fields, names, options), options)

    def _body(
        self, message_type: MessageType, fields: dict[str, Any], names: set[str], options: dict[str, str]
    ) -> bytes:
        rows = b""
        for option, count_field, read in ROWS.get(message_type, []):
            found = read(options.get(option, ""))
            fields.setdefault(count_field, len(found))
            rows += b"".join(row.encode() for row in found)
        if "pin" in options and message_type in (MessageType.DEBIT, MessageType.QUOTE):
            fields["flags"] = fields.get("flags", 0) | DebitFlag.PIN
            rows += hashed_pin(options["pin"])
        rows += evidence_of(options) if message_type in WITH_EVIDENCE else b""
        return Packed.encode(REQUESTS[message_type](**{name: fields[name] for name in names & fields.keys()})) + rows

    def _altered(self, message_type: int, body: bytes, options: dict[str, str]) -> bytes:
        """The message, damaged as the options say."""
        self.header_sequence += 1
        header = Header(
            version=number(options.get("version", "1")),
            type=number(options.get("header_type", str(int(message_type)))),
            flags=number(options.get("header_flags", "0")),
            sequence=self.header_sequence,
        )
        altered = bytearray(body)
        for poke in options.get("poke", "").split(","):
            at, _, byte = poke.partition(":")
            if poke:
                altered[number(at)] = number(byte)
        altered += bytes(number(options.get("extend", "0")))
        del altered[len(altered) - number(options.get("cut", "0")) :]
        return header.encode() + bytes(altered)

    def _inquire(self, card: int, now_ms: int, stamp_ms: int) -> Reply:
        """What the account holds now."""
        body = REQUESTS[MessageType.BALANCE](stamp_ms=stamp_ms, card_number=card).encode()
        message = Header(type=MessageType.BALANCE, sequence=0).encode() + body
        reply, data = self.decider.decide(OPERATOR, EVERY_RIGHT, message, now_ms)
        for entry in entries_of(data):
            assert entry.head.request_type == MessageType.CUT_OVER
            self.last_sequence = entry.head.sequence
        self.today = max(
            self.today, self._date_of(stamp_ms if self.replay and 0 <= stamp_ms <= STAMP_MS_MAX else now_ms)
        )
        return Reply.decode(reply[HEADER_BYTES:])
