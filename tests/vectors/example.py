"""The example that all test vectors share: one terminal, its sign-on with fixed keys, one debit."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from switch.protocol.codes import ResponseCode
from switch.protocol.frames import frame
from switch.protocol.layout import Packed, layout_of
from switch.protocol.limits import FRAME_BYTES_MAX, IDLE_TIMEOUT_MS, IN_FLIGHT_MAX
from switch.protocol.messages import (
    BillLine,
    DebitRequest,
    LineResult,
    Reply,
    Right,
    SignOnHeader,
    SignOnTerms,
    Tender,
    TenderKind,
)
from switch.protocol.noise import PROTOCOL_NAME, CipherState, hkdf
from switch.protocol.session import SignOnSuccess, TerminalSession, answer_sign_on

TERMINAL_ID = 1001
PSK = bytes(range(0x00, 0x20))
TERMINAL_EPHEMERAL = bytes(range(0x20, 0x40))
SWITCH_EPHEMERAL = bytes(range(0x40, 0x60))
DATE = 20_454  # 2026-01-01
NOW_MS = 1_767_268_800_000  # 2026-01-01 12:00:00 UTC
CARD = 6_200_000_000_000_001
OTHER_CARD = 6_200_000_000_000_002
PIN = b"24680".ljust(16, b"\0")
REFERENCE = sha256(b"receipt 2026-01-01/0000017 of the bank terminal").digest()[:16]  # longer than 16 bytes: hashed
TERMS = SignOnTerms(
    time_ms=NOW_MS,
    business_date=DATE,
    partition=0,
    frame_bytes_max=FRAME_BYTES_MAX,
    idle_timeout_ms=IDLE_TIMEOUT_MS,
    in_flight_max=IN_FLIGHT_MAX,
    mode=0,
    rights=Right.PAY | Right.CREDIT | Right.CONFIGURE | Right.FOLLOW | Right.CARDS | Right.SECURITY,
)
KEY: dict[str, Any] = {"trace_number": 1, "business_date": DATE, "stamp_ms": NOW_MS}


# --------------------------------------------------------------------------- a debit
LINES = (
    BillLine(item=4_006_381_333_931, amount_minor=1_250, quantity_milli=2_000, department=7, category=71, brand=3),
    BillLine(item=2_000_000_000_017, amount_minor=-150, quantity_milli=-1_000, department=7, till_discount_minor=25),
)
DEBIT = DebitRequest(**KEY, card_number=CARD, amount_minor=1_100, line_count=2, entry_mode=1, lines=LINES)
DEBIT_REPLY = Reply(
    code=ResponseCode.APPROVED,
    trace_number=1,
    business_date=DATE,
    amount_minor=1_100,
    balance_minor=48_900,
    points_hundredths=1_100,
    points_balance_hundredths=1_100,
    journal_sequence=7,
    available_minor=48_900,
    due_minor=1_100,
    more=LineResult(points_hundredths=1_300).encode() + LineResult(points_hundredths=-200).encode(),
)
CARD_TENDER = Tender(kind=TenderKind.CARD, amount_minor=500)
CASH = Tender(kind=TenderKind.CASH, amount_minor=1_000)


def fields_of(struct_: Packed) -> dict[str, Any]:
    """Fields as JSON has them: numbers, those of 64 bits as strings of digits, and bytes in hex."""
    wide = {field.name for field in layout_of(type(struct_)).fields if field.wire.type_name in ("u64", "i64")}
    values: dict[str, Any] = {}
    for name in struct_.__struct_fields__:
        value = getattr(struct_, name)
        if name in wide:
            value = str(value)
        elif isinstance(value, bytes):
            value = value.hex()
        elif isinstance(value, Packed):
            value = fields_of(value)
        elif isinstance(value, tuple):
            value = [fields_of(line) for line in value]
        values[name] = value
    return values


# --------------------------------------------------------------------------- sign-on


def sign_on() -> tuple[bytes, SignOnSuccess]:
    """The terminal's first frame and what the switch makes of it."""
    start = TerminalSession(TERMINAL_ID, PSK, TERMINAL_EPHEMERAL).start()
    header, noise_message = start[2:14], start[14:]
    return start, answer_sign_on(header, noise_message, PSK, TERMS, SWITCH_EPHEMERAL)


def handshake_steps() -> Iterator[tuple[str, bytes]]:
    """Every value of the handshake in the order of docs/protocol.md, computed one line at a time."""

    def public(private: bytes) -> bytes:
        return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    prologue = SignOnHeader(terminal_id=TERMINAL_ID).encode()
    yield from (("psk", PSK), ("sign-on header = prologue", prologue))
    h = ck = PROTOCOL_NAME
    yield ("h = ck = protocol name", h)
    h = sha256(h + prologue).digest()
    yield ("h after the prologue", h)

    ck, temp_h, k = hkdf(ck, PSK, 3)
    yield from (("psk: ck", ck), ("psk: t", temp_h), ("psk: k", k))
    h = sha256(h + temp_h).digest()
    yield ("h after psk", h)
    terminal_public = public(TERMINAL_EPHEMERAL)
    yield from (
        ("terminal's ephemeral private key", TERMINAL_EPHEMERAL),
        ("terminal's ephemeral public key", terminal_public),
    )
    h = sha256(h + terminal_public).digest()
    yield ("h after e of message 1", h)
    ck, k = hkdf(ck, terminal_public, 2)
    yield from (("e of message 1: ck", ck), ("e of message 1: k", k))
    tag = CipherState(k).encrypt(b"", h)
    yield ("tag of the empty payload", tag)
    h = sha256(h + tag).digest()
    yield ("h after message 1", h)
    yield ("frame 1, terminal to switch", frame(prologue + terminal_public + tag))

    switch_public = public(SWITCH_EPHEMERAL)
    yield from (("switch's ephemeral private key", SWITCH_EPHEMERAL), ("switch's ephemeral public key", switch_public))
    h = sha256(h + switch_public).digest()
    yield ("h after e of message 2", h)
    ck, k = hkdf(ck, switch_public, 2)
    yield from (("e of message 2: ck", ck), ("e of message 2: k", k))
    private = X25519PrivateKey.from_private_bytes(SWITCH_EPHEMERAL)
    shared = private.exchange(X25519PublicKey.from_public_bytes(terminal_public))
    yield ("ee: shared secret", shared)
    ck, k = hkdf(ck, shared, 2)
    yield from (("ee: ck", ck), ("ee: k", k))
    yield ("sign-on terms", TERMS.encode())
    sealed = CipherState(k).encrypt(TERMS.encode(), h)
    yield ("sign-on terms, sealed", sealed)
    h = sha256(h + sealed).digest()
    yield ("h after message 2", h)
    yield ("frame 2, switch to terminal", frame(sign_on_answer() + switch_public + sealed))
    to_switch, to_terminal = hkdf(ck, b"", 2)
    yield from (("key terminal to switch", to_switch), ("key switch to terminal", to_terminal))


def sign_on_answer() -> bytes:
    """The clear part of an accepting answer: version 1, code 0."""
    return bytes([1, 0, 0, 0, 0, 0, 0, 0])


def sign_on_file() -> dict[str, Any]:
    """sign_on.json"""
    steps = list(handshake_steps())
    start, success = sign_on()
    named = dict(steps)
    assert named["frame 1, terminal to switch"] == start
    assert named["frame 2, switch to terminal"] == success.frame
    assert named["key terminal to switch"] == success.receive_key
    assert named["key switch to terminal"] == success.send_key
    return {
        "about": "One sign-on with fixed keys, every value in the order of docs/protocol.md, section Sign-on.",
        "noise_protocol": PROTOCOL_NAME.decode(),
        "terminal_id": TERMINAL_ID,
        "terms": fields_of(TERMS),
        "steps": [{"name": name, "hex": value.hex()} for name, value in steps],
    }
