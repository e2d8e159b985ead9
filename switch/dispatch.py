"""Cold messages: sign-on, sign-off, echo, messages with keys, followers, statistics, inquiries of all kinds.

Owns what the fast path leaves to Python.  Never touches a balance.  Invariant:
a terminal's key is in clear only here and at the key desk, between its wrapped
form in the ledger and the handshake that uses it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from switch._fastpath import Engine
from switch._link import Link
from switch.inquiries import DayBook, read_records
from switch.journal import LocalJournal
from switch.key_desk import KeyDesk, KeyUnavailableError
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import LayoutError, Packed, layout_of
from switch.protocol.limits import (
    FOLLOW_BYTES_MAX,
    FRAME_BYTES_MAX,
    FULL_RETRY_AFTER_MS,
    IDLE_TIMEOUT_MS,
    IN_FLIGHT_MAX,
)
from switch.protocol.messages import (
    REPLY_BIT,
    RIGHT_NEEDED,
    ChangeKeyRequest,
    DayDigestsRequest,
    DayListRequest,
    DayReply,
    EchoReply,
    EchoRequest,
    ErrorReply,
    FollowReply,
    FollowRequest,
    Header,
    MessageType,
    PutKeyRequest,
    PutMediumRequest,
    PutTerminalRequest,
    ReadRecordsReply,
    ReadRecordsRequest,
    Reply,
    RewrapKeyRequest,
    SignedOnReply,
    SignedOnRequest,
    SignOffRequest,
    SignOnTerms,
    StatisticsRequest,
    SwitchMode,
    TerminalStatus,
)
from switch.protocol.noise import DH_BYTES
from switch.protocol.records import RecordKind, TerminalRecord
from switch.protocol.session import (
    CHALLENGE_BYTES,
    SignOnError,
    SignOnSuccess,
    answer_sign_on,
    parse_sign_on,
    refuse_sign_on,
)
from switch.sign_on_guard import SignOnGuard

HEADER_BYTES = Header.width_bytes()
KNOWN = frozenset(int(known) for known in MessageType)
COLD_BODIES: dict[int, type[Packed]] = {
    MessageType.SIGN_OFF: SignOffRequest,
    MessageType.ECHO: EchoRequest,
    MessageType.PUT_TERMINAL: PutTerminalRequest,
    MessageType.PUT_MEDIUM: PutMediumRequest,
    MessageType.PUT_KEY: PutKeyRequest,
    MessageType.REWRAP_KEY: RewrapKeyRequest,
    MessageType.CHANGE_KEY: ChangeKeyRequest,
    MessageType.FOLLOW: FollowRequest,
    MessageType.STATISTICS: StatisticsRequest,
    MessageType.READ_RECORDS: ReadRecordsRequest,
    MessageType.SIGNED_ON: SignedOnRequest,
    MessageType.DAY_DIGESTS: DayDigestsRequest,
    MessageType.DAY_LIST: DayListRequest,
}


WITH_KEYS: dict[int, dict[str, int]] = {
    MessageType.PUT_TERMINAL: {"storage_version": 0, "key": 32},
    MessageType.PUT_MEDIUM: {"storage_version": 0, "key": 16},
    MessageType.PUT_KEY: {},
    MessageType.REWRAP_KEY: {"wrapped": 0},
    MessageType.CHANGE_KEY: {"storage_version": 0, "key": 32},
}
"""Messages that the key desk prepares; fields that it fills in, and how many bytes of each may come filled."""


class Dispatched(enum.Enum):
    """What became of a message."""

    ANSWERED = "answered"
    LAST = "answered, and the connection ends after it"
    NO_ROOM = "not answered: the batch has no room; ask again with the next one"


class Dispatcher:
    """Answers cold messages of all links."""

    def __init__(
        self,
        engine: Engine,
        journal: LocalJournal,
        partition: int,
        mode: SwitchMode,
        key_desk: KeyDesk,
        now_ms: Callable[[], int],
        random_key: Callable[[], bytes],
    ) -> None:
        self.engine = engine
        self._day_book = DayBook(engine.answers, engine.commit)
        self._journal, self._partition, self._mode = journal, partition, mode
        self._key_desk, self._now_ms, self._random_key = key_desk, now_ms, random_key
        self._challenges: dict[int, bytes] = {}
        self.guard = SignOnGuard()
        self.sign_on_count = self.sign_on_refused_count = 0
        self.handshake_count = 0
        """Handshakes begun: at most two for a sign-on that is looked at, none for the others."""
        self.connection_figures: Callable[[], dict[str, int]] = dict
        self.signed_on: Callable[[SignedOnRequest], SignedOnReply] = lambda _request: SignedOnReply()
        """Who is signed on: only who reads the links can tell."""

    # -- sign-on

    def sign_on(
        self, payload: bytes, address: str = "", at_ms: int = 0
    ) -> tuple[bytes, tuple[int, bytes, bytes, bytes, bytes, int, int] | None]:
        """Answer the first frame: (frame to send, None when refused or what a link needs).

        That is terminal id, receive key, send key, the challenges of this session and of the one before, the version
        of the terminal's key and that of its software. `address` is the sender's, `at_ms` monotonic: who fails too
        often hears BUSY.
        """
        try:
            header, noise_message = parse_sign_on(payload)
        except SignOnError as error:  # costs less than to remember who it was
            self.sign_on_refused_count += 1
            return refuse_sign_on(error.code), None
        if not self.guard.admits(address, at_ms):
            return refuse_sign_on(ResponseCode.BUSY, FULL_RETRY_AFTER_MS), None
        ephemeral = noise_message[:DH_BYTES]
        try:
            if self.guard.was_accepted(ephemeral):
                raise SignOnError(ResponseCode.SIGN_ON_REFUSED, "recorded and sent again")
            terminal = self._terminal(header.terminal_id)
            success, key_version = self._shake_hands(terminal, payload[: -len(noise_message)], noise_message)
        except SignOnError as error:
            self.sign_on_refused_count += 1
            self.guard.failed(address, at_ms)
            return refuse_sign_on(error.code), None
        except KeyUnavailableError:
            self.sign_on_refused_count += 1
            return refuse_sign_on(ResponseCode.SIGN_ON_REFUSED), None
        self.sign_on_count += 1
        self.guard.succeeded(address, ephemeral, at_ms)
        challenge = success.handshake_hash[:CHALLENGE_BYTES]
        previous = self._challenges.get(header.terminal_id, challenge)
        self._challenges[header.terminal_id] = challenge
        keys = success.receive_key, success.send_key
        link = (header.terminal_id, *keys, challenge, previous, key_version, header.software_version)
        return success.frame, link

    def _terminal(self, terminal_id: int) -> TerminalRecord:
        record = self.engine.tables.get(RecordKind.TERMINAL, terminal_id)
        if record is None:
            raise SignOnError(ResponseCode.SIGN_ON_REFUSED, "terminal unknown")
        terminal = TerminalRecord.decode(record)
        if terminal.status == TerminalStatus.BLOCKED:
            raise SignOnError(ResponseCode.SIGN_ON_REFUSED, "terminal blocked")
        return terminal

    def _shake_hands(
        self, terminal: TerminalRecord, header_bytes: bytes, noise_message: bytes
    ) -> tuple[SignOnSuccess, int]:
        """With the terminal's key or, while it is going over to another one, with that; and the key's version."""
        keys = [(terminal.wrapped_key, terminal.key_version)]
        if any(terminal.wrapped_next):
            keys.append((terminal.wrapped_next, (terminal.key_version + 1) & 0xFFFF))
        for wrapped, key_version in keys:
            self.handshake_count += 1
            key = self._key_desk.unwrap(wrapped, terminal.storage_version)
            try:
                terms = self._terms(terminal)
                return answer_sign_on(header_bytes, noise_message, key, terms, self._random_key()), key_version
            except SignOnError as error:
                refusal = error
        raise refusal

    def _terms(self, terminal: TerminalRecord) -> SignOnTerms:
        now_ms = self._now_ms()
        return SignOnTerms(
            time_ms=now_ms,
            business_date=self._business_date(now_ms),
            partition=self._partition,
            frame_bytes_max=FRAME_BYTES_MAX,
            idle_timeout_ms=IDLE_TIMEOUT_MS,
            in_flight_max=IN_FLIGHT_MAX,
            mode=self._mode,
            flags=terminal.flags,
            rights=terminal.rights,
        )

    def _business_date(self, now_ms: int) -> int:
        # A replay's date is the last that its stamps have reached, whatever the wall clock says.
        return self.engine.answers.today if self._mode == SwitchMode.REPLAY else self.engine.date_of(now_ms)

    # -- messages

    def dispatch(self, link: Link, message: bytes) -> Dispatched:
        """Answer one plain message."""
        header = Header.decode(message[:HEADER_BYTES])
        error = self._fault(header, message)
        if error is not None:
            return self._answer(link, header, MessageType.ERROR, error.encode(), error.code)
        body = message[HEADER_BYTES:]
        if header.type in WITH_KEYS:
            return self._with_keys(link, header, message)
        if header.type == MessageType.SIGN_OFF:
            answered = self._answer(link, header, MessageType.SIGN_OFF, b"")
            return Dispatched.LAST if answered == Dispatched.ANSWERED else answered
        if header.type == MessageType.ECHO:
            now_ms = self._now_ms()
            stamp_ms = EchoRequest.decode(body).stamp_ms
            reply = EchoReply(stamp_ms=stamp_ms, time_ms=now_ms, business_date=self._business_date(now_ms))
            return self._answer(link, header, MessageType.ECHO, reply.encode())
        if not self._rights(link) & RIGHT_NEEDED[MessageType(header.type)]:
            refusal = Reply(
                code=ResponseCode.NOT_PERMITTED,
                business_date=self._business_date(self._now_ms()),
            )
            return self._answer(link, header, header.type, refusal.encode(), ResponseCode.NOT_PERMITTED)
        if header.type == MessageType.STATISTICS:
            return self._answer(link, header, MessageType.STATISTICS, msgspec.json.encode(self.figures()))
        found = self._inquire(link.terminal_id, header.type, body)
        return self._answer(link, header, header.type, found.encode(), found.code)

    def _with_keys(self, link: Link, header: Header, message: bytes) -> Dispatched:
        needed = RIGHT_NEEDED[MessageType(header.type)]
        body = message[HEADER_BYTES:]
        trace_number, business_date = int.from_bytes(body[:4], "little"), int.from_bytes(body[4:8], "little")
        answered = self.engine.answered(link.terminal_id, business_date, trace_number)
        before = answered[1] if answered is not None and answered[0] == header.type else None
        try:
            if header.type == MessageType.CHANGE_KEY:
                prepared = message[:HEADER_BYTES] + self._key_desk.change_key(body, link.terminal_id, before)
            elif self._rights(link) & needed:
                prepared = self._key_desk.prepare(message, before)
            else:
                prepared = message  # the decision refuses it before it looks at the key
        except KeyUnavailableError:
            refusal = Reply(
                code=ResponseCode.KEY_MATERIAL,
                trace_number=trace_number,
                business_date=self._business_date(self._now_ms()),
            )
            return self._answer(link, header, header.type, refusal.encode(), ResponseCode.KEY_MATERIAL)
        if not link.decide(prepared, self._now_ms()):
            return Dispatched.NO_ROOM
        if header.type == MessageType.PUT_KEY:
            self._key_desk.settle()
        return Dispatched.ANSWERED

    def _inquire(
        self, terminal_id: int, type_: int, body: bytes
    ) -> FollowReply | DayReply | ReadRecordsReply | SignedOnReply:
        if type_ == MessageType.FOLLOW:
            return self._follow(FollowRequest.decode(body))
        if type_ == MessageType.READ_RECORDS:
            return read_records(self.engine.tables, ReadRecordsRequest.decode(body))
        if type_ == MessageType.SIGNED_ON:
            return self.signed_on(SignedOnRequest.decode(body))
        today = self._business_date(self._now_ms())
        if type_ == MessageType.DAY_DIGESTS:
            return self._day_book.digests(terminal_id, DayDigestsRequest.decode(body), today)
        return self._day_book.rows(terminal_id, DayListRequest.decode(body), today)

    def _fault(self, header: Header, message: bytes) -> ErrorReply | None:
        """Checks 1 to 4 of docs/decision.md for the types that are answered here."""

        def error(code: ResponseCode, expected: int, got: int, offset: int = 0) -> ErrorReply:
            return ErrorReply(code=code, type=header.type, offset=offset, expected=expected, got=got)

        if header.version != 1:
            return error(ResponseCode.VERSION, 1, header.version)
        if header.flags:
            return error(ResponseCode.RESERVED_NOT_ZERO, 0, header.flags)
        body_class = COLD_BODIES.get(header.type)
        if body_class is None:
            return error(ResponseCode.TYPE_UNKNOWN, 0, header.type)
        if len(message) - HEADER_BYTES != body_class.width_bytes():
            return error(ResponseCode.LENGTH, body_class.width_bytes(), len(message) - HEADER_BYTES)
        try:
            body_class.decode(message[HEADER_BYTES:])
        except LayoutError as reserved:
            return error(ResponseCode.RESERVED_NOT_ZERO, reserved.expected, reserved.got, reserved.offset)
        for field in layout_of(body_class).fields:
            clear_bytes = WITH_KEYS.get(header.type, {}).get(field.name, field.wire.width_bytes)
            filled = message[HEADER_BYTES + field.offset :][clear_bytes : field.wire.width_bytes]
            if any(filled):
                return error(
                    ResponseCode.RESERVED_NOT_ZERO, 0, int.from_bytes(filled[:4], "little"), field.offset + clear_bytes
                )
        return None

    def _rights(self, link: Link) -> int:
        record = self.engine.tables.get(RecordKind.TERMINAL, link.terminal_id)
        return 0 if record is None else TerminalRecord.decode(record).rights

    def _answer(self, link: Link, header: Header, reply_type: int, body: bytes, code: int = 0) -> Dispatched:
        reply = Header(type=reply_type | REPLY_BIT, sequence=header.sequence).encode() + body
        if not link.answer(reply):
            return Dispatched.NO_ROOM
        self.engine.count(header.type, code)
        if reply_type == MessageType.ERROR:
            link.count_error()
        return Dispatched.ANSWERED

    def _follow(self, request: FollowRequest) -> FollowReply:
        durable_position = self.engine.commit.durable_position
        bytes_max = max(1, min(request.bytes_max, FOLLOW_BYTES_MAX))
        if request.partition != self._partition or request.position > durable_position:
            return FollowReply(
                code=ResponseCode.POSITION_UNKNOWN,
                partition=request.partition,
                position=request.position,
                next_position=request.position,
                durable_position=durable_position,
            )
        position, content = self._journal.read(request.position, bytes_max, durable_position)
        return FollowReply(
            partition=request.partition,
            position=position,
            next_position=position + len(content),
            durable_position=durable_position,
            journal_bytes=content,
        )

    def figures(self) -> dict[str, int]:
        """The switch's counters by name."""
        engine = self.engine.figures()
        named = {
            f"type_{MessageType(number).name.lower()}": count
            for number, count in engine["types"].items()
            if number in KNOWN
        }
        codes = {f"code_{ResponseCode(number).name.lower()}": count for number, count in engine["codes"].items()}
        return {
            **self.connection_figures(),
            "sign_ons": self.sign_on_count,
            "sign_ons_refused": self.sign_on_refused_count,
            "sign_ons_held_back": self.guard.held_back_count,
            "handshakes": self.handshake_count,
            **named,
            **codes,
            "repeats": engine["repeats"],
            "answers_kept": engine["answers"],
            **self.engine.tables.counts(),
            **self.engine.commit.figures(),
            "segments_spare": self._journal.spare_count,
            "disk_full": int(self._journal.disk_full),
        }
