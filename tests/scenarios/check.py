"""What one outcome must be: by its row, and by what holds for every outcome."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import layout_of
from switch.protocol.messages import (
    KEYED_TYPES,
    REPLY_BIT,
    WITH_EVIDENCE,
    AlarmKind,
    AlarmState,
    CardStatus,
    DebitFlag,
    DebitRequest,
    ErrorReply,
    Header,
    KeyState,
    MessageType,
    OperateCardRequest,
    ReferReason,
    Reply,
)
from switch.protocol.records import RECORDS, AccountRecord, AlarmRecord, RecordKind, record_key
from tests.twin.wire import crc32c

from .mirror import Entry
from .readings import ISSUER_MAC
from .table import NOT_CHECKED, Step, number
from .words import MESSAGES

HEADER_BYTES = Header.width_bytes()
OPERATE_BYTES = OperateCardRequest.width_bytes()
DEBIT_FLAGS_AT = HEADER_BYTES + next(f.offset for f in layout_of(DebitRequest).fields if f.name == "flags")
NOT_JOURNALED_FROM = ResponseCode.NOT_PERMITTED
FIRST_OPERATOR_TYPE = 0x40
ERROR_TYPE = MessageType.ERROR | REPLY_BIT
APPROVALS = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
BILLS = (MessageType.DEBIT, MessageType.QUOTE)
PAYING = (
    *BILLS,
    MessageType.CREDIT,
    MessageType.HOLD,
    MessageType.CAPTURE,
    MessageType.REFUND,
    MessageType.TRANSFER,
    MessageType.CONVERT,
)
SHOWING_IF_APPROVED = (
    MessageType.OPEN_CARD,
    MessageType.OPERATE_CARD,
    MessageType.SET_PIN,
    MessageType.SET_CARD,
    MessageType.PUT_MEDIUM,
)
INQUIRIES = (MessageType.BALANCE, MessageType.CARD_QUERY, MessageType.QUOTE)
IMAGES_OF_APPROVAL = {
    MessageType.DEBIT: "account",
    MessageType.CREDIT: "account",
    MessageType.HOLD: "account,hold",
    MessageType.CAPTURE: "account,hold",
    MessageType.RELEASE: "account,hold",
    MessageType.REFUND: "account,mark",
    MessageType.TRANSFER: "account,account",
    MessageType.PUT_CARD_TYPE: "card_type",
    MessageType.PUT_STORE: "store",
    MessageType.PUT_TERMINAL: "terminal",
    MessageType.OPEN_CARD: "account,card",
    MessageType.OPERATE_CARD: "card",
    MessageType.SET_PIN: "card",
    MessageType.SET_TYPE_STATE: "type_state",
    MessageType.PUT_ORGANISATION: "organisation",
    MessageType.PUT_POINTS_CATEGORY: "points_category",
    MessageType.PUT_GIFT: "gift",
    MessageType.PUT_PRICE: "price",
    MessageType.PUT_MEDIUM: "medium",
    MessageType.PUT_MEDIUM_POLICY: "medium_policy",
    MessageType.PUT_KEY: "key",
    MessageType.PUT_TRAVEL: "travel",
    MessageType.HANDLE_ALARM: "alarm",
    MessageType.REWRAP_KEY: "",
    MessageType.CHANGE_KEY: "terminal",
}
"""Images that an approval has at least, if its row does not name all of them."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Day counters that an account should have."""

    business_date: int
    minor: int
    count: int
    points_hundredths: int


class Check:
    """One outcome beside its row."""

    def __init__(self, step: Step, message: bytes, reply: bytes) -> None:
        self.step, self.options = step, step.options
        self.message, self.reply = message, reply
        self.type = message[1] if len(message) > 1 else 0
        self.is_error = reply[1] == ERROR_TYPE

    def same(self, what: str, got: object, expected: object) -> None:
        """Assert, with the place in the table."""
        assert got == expected, f"{self.step.where}: {what} is {got}, expected {expected}"

    def header(self) -> None:
        """The reply's header names the request's type and repeats its sequence."""
        sequence = int.from_bytes(self.message[4:HEADER_BYTES].ljust(4, b"\0"), "little")
        reply_type = ERROR_TYPE if self.is_error else self.type | REPLY_BIT
        self.same("reply header", self.reply[:HEADER_BYTES], Header(type=reply_type, sequence=sequence).encode())

    def error(self) -> None:
        """An error reply says what is wrong."""
        error = ErrorReply.decode(self.reply[HEADER_BYTES:])
        self.same("error code", ResponseCode(error.code).name, self.step.cells["code"])
        self.same("type", error.type, self.type)
        for name in ("offset", "expected", "got"):
            self.same(name, getattr(error, name), number(self.options.get(name, "0")))

    @property
    def code(self) -> ResponseCode:
        """The reply's code."""
        return ResponseCode(int.from_bytes(self.reply[HEADER_BYTES : HEADER_BYTES + 2], "little"))

    @property
    def body(self) -> Reply:
        """The reply's body."""
        return Reply.decode(self.reply[HEADER_BYTES:])

    def is_journaled(self) -> bool:
        """Whether the row's code is one that an entry records."""
        return self.type in KEYED_TYPES and self.code < NOT_JOURNALED_FROM

    # ----------------------------------------------------------------------- the reply

    def reply_fields(self, today: int, amount: int) -> None:
        """Every field of a first reply; what the row does not name must be zero, or follow from its amount."""
        body, options = self.body, self.options
        trace = int.from_bytes(self.message[HEADER_BYTES : HEADER_BYTES + 4], "little")
        self.same("trace number", body.trace_number, trace if self.type in KEYED_TYPES else 0)
        self.same("business date", body.business_date, today)
        self.same("retry_after_ms", body.retry_after_ms, 1000 if body.code == ResponseCode.WINDOW_FULL else 0)
        self.same("detail", body.detail, self._detail())
        expected = {
            "amount_minor": ("paid", self._paid(amount)),
            "points_hundredths": ("earned", self._earned(amount)),
            "recharged_minor": ("recharged", 0),
            "round_off_minor": ("round_off", 0),
            "change_minor": ("change", 0),
        }
        if self.type not in BILLS or body.code in APPROVALS:
            priced = self._flags() & DebitFlag.PRICED if self.type in BILLS else 0
            due = amount - number(options.get("discount", "0")) if self.type in BILLS and not priced else 0
            expected |= {"due_minor": ("due", due), "discount_minor": ("discount", 0)}
        for field, (option, usual) in expected.items():
            self.same(field, getattr(body, field), number(options.get(option, str(usual))))
        for field, option in (("available_minor", "available"), ("due_minor", "due"), ("discount_minor", "discount")):
            if option in options:
                self.same(field, getattr(body, field), number(options[option]))
        if body.code >= NOT_JOURNALED_FROM:
            self.same("sequence", body.journal_sequence, 0)
        if self.type in WITH_EVIDENCE:
            answer = body.issuer_answer
            self.same("issuer answer", str(answer.next) if answer else "none", options.get("answer", "none"))
            self.same("its MAC", answer.mac if answer else ISSUER_MAC, ISSUER_MAC)
        self._rows()

    def _detail(self) -> int:
        text = self.options.get("detail", "0")
        names: dict[int, type[enum.IntEnum]] = {
            ResponseCode.REFER: ReferReason,
            ResponseCode.KEY_STATE: KeyState,
            ResponseCode.ALARM_STATE: AlarmState,
        }
        return int(names.get(self.code, CardStatus)[text]) if text[0].isalpha() else number(text)

    def _flags(self) -> int:
        return self.message[DEBIT_FLAGS_AT] if len(self.message) > DEBIT_FLAGS_AT else 0

    def _paid(self, amount: int) -> int:
        """What an approval moves: the whole amount, of a bill what is due."""
        if self.code not in APPROVALS or self.type not in PAYING:
            return 0
        return amount - number(self.options.get("discount", "0")) if self.type in BILLS else amount

    def _earned(self, amount: int) -> int:
        """Points that an approval moves, where the amount is points."""
        if self.code != ResponseCode.APPROVED:
            return 0
        sign = {MessageType.ADJUST_POINTS: 1, MessageType.TRANSFER_POINTS: -1, MessageType.REDEEM: -1}
        return sign.get(MessageType(self.type), 0) * amount

    def _rows(self) -> None:
        """Line results, results of a range, totals: as the row names them; without that none for lines."""
        body, options = self.body, self.options
        if "results" in options:
            rows = [f"{ResponseCode(row.code).name}:{row.detail}" for row in body.results]
            expected = [_result(part) for part in options["results"].split(",") if part]
            self.same("results", rows, expected)
        elif self.type == MessageType.OPERATE_CARD and len(self.message) == HEADER_BYTES + OPERATE_BYTES:
            count = OperateCardRequest.decode(self.message[HEADER_BYTES:]).count
            invalid = self.code in (ResponseCode.FIELD_INVALID, ResponseCode.REVERSED_BEFORE)
            if count == 1 and self.code < NOT_JOURNALED_FROM and not invalid:
                self.same("results", [(row.code, row.detail) for row in body.results], [(body.code, body.detail)])
        if "told" in options:
            rows = [f"{MessageType(row.type).name.lower()}:{row.count}:{row.amount_minor}" for row in body.totals]
            names = {int(code): code.name.lower() for code in MESSAGES.values()}
            parts = [part.partition(":") for part in options["told"].split(",") if part]
            self.same("totals", rows, [f"{names[MESSAGES[word]]}:{rest}" for word, _, rest in parts])
        for option, field in (
            ("line_points", "points_hundredths"),
            ("line_discounts", "discount_minor"),
            ("line_prices", "unit_price_minor"),
            ("line_categories", "points_category"),
            ("line_days", "booking_days"),
        ):
            if option in options:
                found = [getattr(line, field) for line in body.lines]
                self.same(option, found, [number(part) for part in options[option].split(",") if part])

    # ----------------------------------------------------------------------- the entry

    def entry_tells_the_same(self, entry: Entry, *, terminal_id: int, time_ms: int) -> None:
        """The entry holds the request, the reply and the images, and its checksum is right."""
        head, request = entry.head, self.message[HEADER_BYTES:]
        self.same("reply's sequence", self.body.journal_sequence, head.sequence)
        self.same("entry_bytes", head.entry_bytes, len(entry.data))
        self.same("crc32c", head.crc32c, crc32c(entry.data[8:]))
        self.same("time_ms", head.time_ms, time_ms)
        self.same("terminal_id", head.terminal_id, terminal_id)
        self.same("business_date", head.business_date, self.body.business_date)
        self.same("request_type", head.request_type, self.type)
        self.same("request", entry.request, request)
        self.same("reply", entry.reply, self.reply[HEADER_BYTES:])
        self.same("padding", any(entry.request_padding + entry.reply_padding), False)
        self.same("image_count", head.image_count, len(entry.images))
        for option in ("issuing", "accepting"):
            if option in self.options:
                found = getattr(head, f"{option}_organisation_id")
                self.same(f"{option} organisation", found, number(self.options[option]))
        self._images(entry.images, head.sequence)

    def _images(self, images: list[bytes], sequence: int) -> None:
        """The images are those that the row names; else none of a refusal, and the usual ones of an approval."""
        kinds = [RecordKind(image[0]).name.lower() for image in images]
        keys = [(image[0], *record_key(image)) for image in images]
        self.same("order of images", keys, sorted(set(keys)))
        if "images" in self.options:
            self.same("images", ",".join(kinds), self.options["images"].replace("none", ""))
        elif self.body.code not in APPROVALS and not self.body.results and self.type != MessageType.DAY_TOTALS:
            self.same("images", kinds, [])
        elif self.body.code in APPROVALS and len(self.body.results) <= 1:
            usual = IMAGES_OF_APPROVAL.get(MessageType(self.type), "").split(",")
            self.same("usual images missing", [kind for kind in usual if kind and kind not in kinds], [])
        alarms = [AlarmRecord.decode(image) for image in images if image[0] == RecordKind.ALARM]
        raised = [AlarmKind(alarm.alarm).name for alarm in alarms if alarm.sequence == sequence]
        self.same("alarm", ",".join(raised), self.options.get("alarm", ""))
        for image in images:
            record = RECORDS[RecordKind(image[0])].decode(image)
            self.same("image's sequence", getattr(record, "last_sequence", None), sequence)

    def account_image(self, account: AccountRecord | None) -> None:
        """The account that the reply shows is the account of the images."""
        body = self.body
        if account is None or not self.shows():
            return
        self.same("image's balance", account.balance_minor, body.balance_minor)
        self.same("image's available", account.balance_minor - account.held_minor, body.available_minor)
        self.same("image's points", account.points_hundredths, body.points_balance_hundredths)

    def counters(self, account: AccountRecord | None, expected: Counters) -> None:
        """The day counters of an account."""
        assert account is not None, f"{self.step.where}: no account"
        got = Counters(
            account.business_date, account.day_debit_minor, account.day_debit_count, account.day_points_hundredths
        )
        self.same("day counters", got, expected)

    # ----------------------------------------------------------------------- what is shown

    def shows(self) -> bool:
        """Whether the reply shows the account of its card."""
        if self.code >= NOT_JOURNALED_FROM or self.type == MessageType.DAY_TOTALS:
            return False
        if self.type < FIRST_OPERATOR_TYPE:
            return True
        return self.type in SHOWING_IF_APPROVED and self.code == ResponseCode.APPROVED and len(self.body.results) <= 1

    def balance(self, inquiry: Reply, *, last: bool) -> None:
        """An inquiry finds what the reply told and what the row says."""
        body = self.body
        told = (body.balance_minor, body.available_minor, body.points_balance_hundredths)
        found = (inquiry.balance_minor, inquiry.available_minor, inquiry.points_balance_hundredths)
        if self.step.cells["message"] != "repeat" and self.step.options.get("shows") != "before":
            self.same("balance, available and points told", told, found if self.shows() else (0, 0, 0))
        if last and self.step.cells["balance"] != NOT_CHECKED:
            self.same("balance", inquiry.balance_minor, number(self.step.cells["balance"]))
        if last and self.step.cells["points"] != NOT_CHECKED:
            self.same("points", inquiry.points_balance_hundredths, number(self.step.cells["points"]))


def _status(text: str) -> int:
    return int(CardStatus[text])


def _result(text: str) -> str:
    """`APPROVED`, `CARD_STATUS:LOST` or `FIELD_INVALID:16` as code and number."""
    code, _, detail = text.partition(":")
    return f"{code}:{_status(detail) if detail[:1].isalpha() else detail or '0'}"
