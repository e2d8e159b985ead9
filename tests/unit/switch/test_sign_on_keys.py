"""Which key a terminal may sign on with, which sessions go on, and what a refusal costs."""

import dataclasses
import os
from collections import Counter
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from switch.protocol import noise
from switch.protocol.codes import ResponseCode
from switch.protocol.frames import FrameCutter
from switch.protocol.limits import SIGN_ON_FAILURES_MAX, SIGN_ON_FRAME_BYTES_MAX
from switch.protocol.messages import (
    BalanceRequest,
    ChangeKeyRequest,
    KeyPurpose,
    MessageType,
    PutTerminalRequest,
    SignOnAnswer,
    TerminalFlag,
    TerminalStatus,
)
from switch.protocol.records import RecordKind, TerminalRecord
from switch.protocol.session import SignedOn, TerminalSession
from tests.fuzz.inprocess import CARD, EVERY_RIGHT, NOW_MS, OPERATOR_ID, TERMINAL_ID, TODAY, Bench, Session
from tests.fuzz.peer import message, new_trace
from tests.support.keys import key_of

OLD, NEW, NEWER = b"1" * 32, b"2" * 32, b"3" * 32
THIEF, STORE = "192.0.2.1", "198.51.100.1"


@dataclasses.dataclass
class Till:
    """A signed-on terminal."""

    session: Session
    terms: object

    def ask(self, type_, body):
        """Code of the answer; nothing when it was cut off."""
        self.session.feed(self.session.seal(message(type_, body.encode())))
        if self.session.link.fault is not None:
            return None
        [answer] = self.session.answers()
        return answer.code

    def balance(self):
        return self.ask(MessageType.BALANCE, BalanceRequest(stamp_ms=NOW_MS, card_number=CARD))

    def change_key(self, key=b"", confirm=0):
        keyed: dict[str, Any] = {"trace_number": new_trace(), "business_date": TODAY, "stamp_ms": NOW_MS}
        return self.ask(MessageType.CHANGE_KEY, ChangeKeyRequest(**keyed, confirm=confirm, key=key.ljust(40, b"\0")))


class Desk(Bench):
    """A switch whose terminals sign on as they do over TCP."""

    stack: ExitStack

    def put(self, key=b"", **fields):
        with self.session(OPERATOR_ID) as session:
            request = {"trace_number": new_trace(), "business_date": TODAY, "stamp_ms": NOW_MS}
            request |= {"terminal_id": TERMINAL_ID, "store_id": 0, "rights": EVERY_RIGHT}
            body = PutTerminalRequest(**request | fields, key=key.ljust(40, b"\0")).encode()
            session.feed(session.seal(message(MessageType.PUT_TERMINAL, body)))
            [answer] = session.answers()
            assert answer.code == 0

    def sign_on(self, key, *, address=STORE, at_ms=0, terminal_id=TERMINAL_ID, first=None):
        """A till, or the code of the refusal."""
        client = TerminalSession(terminal_id, key, os.urandom(32))
        first = first or client.start()
        [payload] = FrameCutter(SIGN_ON_FRAME_BYTES_MAX).feed(first)
        frame, keys = self.dispatcher.sign_on(payload, address, at_ms)
        if keys is None:
            return ResponseCode(SignOnAnswer.decode(frame[2:]).code)
        [event] = client.receive(frame)
        assert isinstance(event, SignedOn)
        return Till(self.stack.enter_context(Session(self, terminal_id, keys)), event.terms)


def wrapped_under(storage_version, key):
    """A terminal's key under another storage key."""
    return aes_key_wrap(key_of(KeyPurpose.STORAGE, storage_version), key)


@pytest.fixture
def desk():
    with ExitStack() as stack:
        made = Desk()
        made.stack = stack
        made.put(OLD)
        yield made


def test_both_keys_sign_on_while_a_terminal_goes_over_and_one_before_and_after(desk):
    old = desk.sign_on(OLD)
    assert desk.sign_on(NEW) == ResponseCode.SIGN_ON_REFUSED
    assert old.change_key(NEW) == 0

    new = desk.sign_on(NEW)
    assert desk.sign_on(OLD).balance() == 0
    assert (old.balance(), new.balance()) == (0, 0)
    assert new.session.link.key_version == old.session.link.key_version + 1
    assert new.change_key(confirm=1) == 0

    assert desk.sign_on(OLD) == ResponseCode.SIGN_ON_REFUSED
    assert desk.sign_on(NEW).balance() == 0


def test_a_confirmed_change_ends_the_sessions_of_the_old_key_and_no_other(desk):
    old = desk.sign_on(OLD)
    old.change_key(NEW)
    new = desk.sign_on(NEW)
    new.change_key(confirm=1)

    assert old.balance() is None
    assert old.session.link.fault == "terminal's key was replaced"
    assert new.balance() == 0


def test_another_key_from_the_operator_ends_every_session(desk):
    old = desk.sign_on(OLD)
    old.change_key(NEW)
    new = desk.sign_on(NEW)

    desk.put(NEWER)

    assert (old.balance(), new.balance()) == (None, None)
    assert desk.sign_on(NEW) == desk.sign_on(OLD) == ResponseCode.SIGN_ON_REFUSED
    assert desk.sign_on(NEWER).balance() == 0


def test_a_next_key_that_was_given_up_ends_the_sessions_made_with_it(desk):
    old = desk.sign_on(OLD)
    old.change_key(NEW)
    given_up = desk.sign_on(NEW)
    old.change_key(NEWER)

    assert given_up.balance() is None
    assert desk.sign_on(NEW) == ResponseCode.SIGN_ON_REFUSED
    newer = desk.sign_on(NEWER)
    newer.change_key(confirm=1)
    assert newer.balance() == 0


def test_a_key_that_is_wrapped_anew_ends_no_session(desk):
    old = desk.sign_on(OLD)
    old.change_key(NEW)
    new = desk.sign_on(NEW)

    before = TerminalRecord.decode(desk.engine.tables.get(RecordKind.TERMINAL, TERMINAL_ID))
    wrapped_key, wrapped_next = wrapped_under(2, OLD), wrapped_under(2, NEW)
    fields = {"wrapped_key": wrapped_key, "wrapped_next": wrapped_next, "storage_version": 2}
    record = msgspec.structs.replace(before, **fields)
    desk.engine.tables.load([record.encode()])

    assert (old.balance(), new.balance()) == (0, 0)
    desk.put(OLD)
    assert (old.balance(), new.balance()) == (None, None)


def test_an_operator_who_keeps_the_keys_ends_no_session(desk):
    till = desk.sign_on(OLD)

    desk.put(flags=TerminalFlag.RENEW_KEY)

    assert till.balance() == 0


def test_a_terminal_is_told_to_renew_its_key_until_it_has(desk):
    assert desk.sign_on(OLD).terms.flags == 0
    desk.put(flags=TerminalFlag.RENEW_KEY)

    till = desk.sign_on(OLD)
    assert till.terms.flags == TerminalFlag.RENEW_KEY
    till.change_key(NEW)
    assert desk.sign_on(NEW).terms.flags == TerminalFlag.RENEW_KEY
    till.change_key(confirm=1)

    assert desk.sign_on(NEW).terms.flags == 0


def test_a_blocked_terminal_is_cut_off_and_does_not_sign_on(desk):
    till = desk.sign_on(OLD)
    desk.put(status=2)

    assert till.balance() is None
    assert till.session.link.fault == "terminal is blocked"
    assert desk.sign_on(OLD) == ResponseCode.SIGN_ON_REFUSED


def test_a_terminal_in_quarantine_signs_on_and_is_answered(desk):
    till = desk.sign_on(OLD)
    record = bytearray(desk.engine.tables.get(RecordKind.TERMINAL, TERMINAL_ID))
    record[2] = TerminalStatus.QUARANTINED
    desk.engine.tables.load([bytes(record)])

    assert till.balance() is not None and till.session.link.fault is None
    assert desk.sign_on(OLD).balance() is not None


# --------------------------------------------------------------------------- what a refusal costs


def test_a_flood_from_one_address_is_answered_busy_without_a_handshake_and_others_do_not_notice(desk):
    till = desk.sign_on(OLD)
    before = desk.dispatcher.handshake_count

    codes = [desk.sign_on(NEW, address=THIEF) for _ in range(3 * SIGN_ON_FAILURES_MAX)]

    assert Counter(codes[:SIGN_ON_FAILURES_MAX]) == {ResponseCode.SIGN_ON_REFUSED: SIGN_ON_FAILURES_MAX}
    assert Counter(codes[SIGN_ON_FAILURES_MAX:]) == {ResponseCode.BUSY: 2 * SIGN_ON_FAILURES_MAX}
    assert desk.dispatcher.handshake_count - before == SIGN_ON_FAILURES_MAX
    assert till.balance() == 0
    assert desk.sign_on(OLD).balance() == 0
    assert desk.sign_on(OLD, address=THIEF) == ResponseCode.BUSY
    assert desk.sign_on(OLD, address=THIEF, at_ms=1_000).balance() == 0


@pytest.mark.parametrize(
    ("fields", "first"),
    [({"terminal_id": 77_777}, None), ({}, b"\0\x3c" + b"x" * 60), ({}, b"\0\x3cCSWP\x02" + bytes(55))],
    ids=["unknown terminal", "garbage", "another version"],
)
def test_who_names_no_terminal_costs_no_handshake(desk, fields, first):
    before = desk.dispatcher.handshake_count

    for _ in range(10):
        assert desk.sign_on(NEW, address=THIEF, first=first, **fields) in (
            ResponseCode.SIGN_ON_REFUSED,
            ResponseCode.VERSION,
        )

    assert desk.dispatcher.handshake_count == before


def test_unknown_terminals_are_held_back_like_known_ones_so_that_nobody_can_tell_them_apart(desk):
    unknown = [desk.sign_on(NEW, address=THIEF, terminal_id=77_777) for _ in range(SIGN_ON_FAILURES_MAX + 5)]
    known = [desk.sign_on(NEW, address=STORE) for _ in range(SIGN_ON_FAILURES_MAX + 5)]

    assert Counter(unknown) == Counter(known) and len(Counter(known)) == 2


def test_a_copy_of_an_accepted_sign_on_costs_no_handshake(desk):
    client = TerminalSession(TERMINAL_ID, OLD, os.urandom(32))
    first = client.start()
    _, keys = desk.dispatcher.sign_on(first[2:], STORE, 0)
    assert keys is not None
    before = desk.dispatcher.handshake_count

    assert desk.sign_on(OLD, first=first, address=THIEF) == ResponseCode.SIGN_ON_REFUSED

    assert desk.dispatcher.handshake_count == before


def test_a_stranger_is_refused_before_the_switch_makes_a_key_of_its_own(desk, monkeypatch):
    made: list[int] = []
    monkeypatch.setattr(noise, "X25519PrivateKey", Counting(made, X25519PrivateKey))
    client = TerminalSession(TERMINAL_ID, NEW, os.urandom(32)).start()
    made.clear()

    assert desk.sign_on(NEW, first=client) == ResponseCode.SIGN_ON_REFUSED

    assert made == []


class Counting:
    """Notes each private key that is made."""

    def __init__(self, made, real):
        self._made, self._real = made, real

    def from_private_bytes(self, data):
        self._made.append(len(data))
        return self._real.from_private_bytes(data)
