"""The same bytes mean the same whatever cuts them: engine, links and dispatcher in this process, on a socket pair.

The clock stands still and keys are chosen, so every byte that leaves can be foretold.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterable
from typing import Any, Self

from switch._intake import Intake
from switch._link import RECEIVE_BYTES, TAIL_BYTES_MAX, Link
from switch.dispatch import Dispatched, Dispatcher
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    CreditRequest,
    Header,
    MessageType,
    OpenCardRequest,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
    SwitchMode,
)
from switch.protocol.noise import CipherState
from tests.support.engine import InProcessEngine
from tests.support.keys import FixedDesk, wrapped
from tests.twin.model import Twin
from tests.twin.world import twin_of

from .peer import HEADER_BYTES, STAMP_MS, Answer, framed, message

NOW_MS = STAMP_MS
TODAY = NOW_MS // 86_400_000
OPERATOR_ID, TERMINAL_ID, LIMITED_ID, EVERY_RIGHT = 1, 7, 8, 63
TERMINAL_KEY = b"t" * 32
CARD, OTHER_CARD, UNKNOWN_CARD = 6_200_000_000_000_001, 6_200_000_000_000_002, 6_200_000_000_000_003
BALANCE_MINOR = 10_000
SETTINGS: dict[str, Any] = {
    "timezone": "UTC",
    "replay": False,
    "cards_max": 40,
    "terminals_max": 40,
    "stores_max": 40,
    "answers_per_date_max": 400,
}


def opening() -> list[tuple[MessageType, Packed]]:
    """Store, card type, terminals and cards: what both the engine and the twin are told first."""
    key: dict[str, Any] = {"business_date": TODAY, "stamp_ms": NOW_MS}
    wrapped_key = wrapped(TERMINAL_KEY)
    numbers = itertools.count(1_000_000)
    terminals = [(TERMINAL_ID, EVERY_RIGHT), (LIMITED_ID, 1), (OPERATOR_ID, EVERY_RIGHT)]
    steps: list[tuple[MessageType, Packed]] = [
        (MessageType.PUT_STORE, PutStoreRequest(**key, trace_number=next(numbers), store_id=1)),
        (
            MessageType.PUT_CARD_TYPE,
            PutCardTypeRequest(
                **key, trace_number=next(numbers), code=1, points_percent=150, daily_count_max=9, flags=4
            ),
        ),
    ]
    for terminal_id, rights in terminals:
        request = PutTerminalRequest(
            **key,
            trace_number=next(numbers),
            terminal_id=terminal_id,
            store_id=1,
            rights=rights,
            storage_version=1,
            key=wrapped_key,
        )
        steps.append((MessageType.PUT_TERMINAL, request))
    for number in (CARD, OTHER_CARD):
        card = OpenCardRequest(**key, trace_number=next(numbers), card_number=number, card_type=1)
        money = CreditRequest(**key, trace_number=next(numbers), card_number=number, amount_minor=BALANCE_MINOR)
        steps += [(MessageType.OPEN_CARD, card), (MessageType.CREDIT, money)]
    return steps


def twin_of_settings(**others: Any) -> Twin:
    """A twin that is constructed like the engine of a `Bench`, but for what is named."""
    return twin_of(**(SETTINGS | others))


# Where PINs stand, written out from docs/protocol.md: length of a body that has them, and their offsets from its start
# (below 0: from its end). A debit has one behind its tenders if its flags say so.
PIN_PLACES: dict[int, tuple[int, tuple[int, ...]]] = {
    MessageType.HOLD: (56, (40,)),
    MessageType.SET_PIN: (64, (32, 48)),
}
DEBIT_BYTES, DEBIT_FLAGS_AT, PIN_FLAG, PIN_BYTES = 40, 35, 4, 16
EVIDENCE_BYTES = 88


def pin_refused(plaintext: bytes) -> tuple[ResponseCode, int] | None:
    """Why a message is refused for its PIN, and where: a field that is none, or a PIN where no PIN key is in force.

    The engine of a `Bench` has no such key; what becomes of PINs that one seals is tried with a key shop.
    """
    type_, body = plaintext[1], plaintext[HEADER_BYTES:]
    size, places = PIN_PLACES.get(type_, (0, ()))
    if type_ in (MessageType.DEBIT, MessageType.QUOTE):
        has_pin = len(body) >= DEBIT_BYTES + PIN_BYTES and body[DEBIT_FLAGS_AT] & PIN_FLAG
        end = len(body)
        if len(body) >= DEBIT_BYTES:
            with_rows = DEBIT_BYTES + 32 * body[32] + 16 * body[34] + PIN_BYTES * bool(has_pin)
            end -= EVIDENCE_BYTES * (len(body) == with_rows + EVIDENCE_BYTES)
        size, places = len(body), (end - PIN_BYTES,) if has_pin else ()
    elif type_ == MessageType.HOLD and len(body) == size + EVIDENCE_BYTES:
        size = len(body)
    if len(body) != size:
        return None
    for at in places:
        digits = body[at : at + PIN_BYTES].rstrip(b"\0")
        if not digits:
            continue
        is_pin = 4 <= len(digits) <= 12 and all(48 <= digit <= 57 for digit in digits)
        return (ResponseCode.KEY_MATERIAL if is_pin else ResponseCode.RESERVED_NOT_ZERO), at
    return None


def open_business(*sides: InProcessEngine | Twin) -> None:
    """Tell every side the opening."""
    for type_, request in opening():
        for side in sides:
            side.decide(OPERATOR_ID, EVERY_RIGHT, message(type_, request.encode()), NOW_MS)


class Bench:
    """One engine with its dispatcher, opened for business."""

    def __init__(self) -> None:
        self.engine = InProcessEngine(**SETTINGS)
        open_business(self.engine)
        self.commit = self.engine.commit
        self.commit.commit_now()
        self.dispatcher = Dispatcher(
            self.engine.engine,
            self.engine.journal,
            0,
            SwitchMode.PRODUCTION,
            FixedDesk(self.engine.engine.keys, self.engine.tables),
            lambda: NOW_MS,
            lambda: bytes(32),
        )
        self.intake = Intake(self.engine.engine)

    def session(self, terminal_id: int = TERMINAL_ID) -> Session:
        """A signed-on terminal with keys of its own."""
        return Session(self, terminal_id)


class Session:
    """Both ends of one connection."""

    _numbers = itertools.count(1)

    def __init__(self, bench: Bench, terminal_id: int, keys: tuple[Any, ...] | None = None) -> None:
        """`keys`: what the dispatcher gives for a link after a sign-on; without them there was none."""
        if keys is None:
            number = next(self._numbers).to_bytes(32, "big")
            keys = terminal_id, number, bytes(reversed(number))
        self.receive_key, self.send_key = keys[1:3]
        self.bench = bench
        ours, theirs = socket.socketpair()
        self.sock = ours
        self.sock.setblocking(False)
        self._theirs = theirs
        self.link = Link(bench.engine.engine, os.dup(theirs.fileno()), *keys)
        self._buffer = bytearray(RECEIVE_BYTES + TAIL_BYTES_MAX)
        self._out, self._in = CipherState(self.receive_key), CipherState(self.send_key)
        self._received = b""
        self.signed_off = False
        self._deferred: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()
        self._theirs.close()

    def seal(self, plaintext: bytes) -> bytes:
        """Frame with the next number."""
        return framed(self._out.encrypt(plaintext))

    def feed(self, piece: bytes) -> None:
        """One receive, as the switch takes it: the pass, then the cold messages."""
        self.dispatch(self.take(piece))

    def take(self, piece: bytes) -> list[bytes]:
        """The pass; what it leaves to the dispatcher."""
        self._buffer[: len(piece)] = piece
        return self.link.receive(self._buffer, len(piece), NOW_MS) or []

    def dispatch(self, messages: list[bytes]) -> None:
        """The cold messages; the first after which the session is to be closed is the last."""
        for place, cold in enumerate(messages):
            outcome = self.bench.dispatcher.dispatch(self.link, cold)
            if outcome == Dispatched.NO_ROOM:
                self._deferred = messages[place:]
            if outcome == Dispatched.LAST:
                self.signed_off = True
            if outcome != Dispatched.ANSWERED:
                return

    def answers(self) -> list[Answer]:
        """Commit, and open what comes out of the socket."""
        self.bench.engine._make_room()
        self.bench.commit.commit_now()
        while self._deferred:  # as the listener does: with the next batch
            deferred, self._deferred = self._deferred, []
            self.dispatch(deferred)
            self.bench.commit.commit_now()
        while True:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                break
            if not data:
                break
            self._received += data
        answers = []
        while len(self._received) >= 2:
            end = 2 + int.from_bytes(self._received[:2], "big")
            if len(self._received) < end:
                break
            plaintext = self._in.decrypt(self._received[2:end])
            answers.append(Answer(Header.decode(plaintext[:HEADER_BYTES]), plaintext[HEADER_BYTES:]))
            self._received = self._received[end:]
        return answers


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The bytes in pieces that end at these places."""
    edges = [0, *sorted({place % (len(data) + 1) for place in places} | {len(data)})]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]
