"""What the switch finds in evidence, against the twin's examiner with the reference of the card formats."""

import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    EVIDENCE_BYTES,
    FOUND_BYTES,
    REQUESTS,
    CardOperation,
    CreditRequest,
    EvidenceFlag,
    EvidenceOutcome,
    Header,
    KeyPurpose,
    KeyState,
    MediumKind,
    MessageType,
    OpenCardRequest,
    OperateCardRequest,
    PutCardTypeRequest,
    PutKeyRequest,
    PutMediumRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Reply,
)
from switch.protocol.records import RecordKind

from . import wallet
from .examine import Challenges, examine
from .model import Twin
from .sender import TYPE_OF
from .wire import HEADER_BYTES
from .world import EVERY_RIGHT

START_MS = 1_795_000_000_000
TODAY = START_MS // 86_400_000
OPERATOR, TILL = 1, 0xBEEF
CARD = 6_221_260_012_345_674
LONG_CARD = 10**18 + 7
"""Has more digits than a stripe."""
TYPES = {MessageType.DEBIT: 0, MessageType.QUOTE: 0, MessageType.HOLD: 1, MessageType.REDEEM: 2, MessageType.CONVERT: 3}
CHALLENGES = Challenges(b"\1challng", b"\2earlier")
MEDIA_KEYS = (KeyPurpose.CHIP, KeyPurpose.CODE, KeyPurpose.STRIPE, KeyPurpose.TAG, KeyPurpose.JITTER)
VERSIONS: dict[int, tuple[int, ...]] = dict.fromkeys(MEDIA_KEYS, (1, 2, 12))
VERSIONS |= dict.fromkeys((KeyPurpose.RECEIPT, KeyPurpose.STORAGE, KeyPurpose.PIN), (1,))
NOT_LOADED = 3


def key_of(purpose, version):
    return random.Random(f"key {purpose} {version}").randbytes(32 if purpose in (1, 2) else 16)


KEYS: dict[tuple[int, int], bytes] = {
    (purpose, version): key_of(purpose, version) for purpose, known in VERSIONS.items() for version in known
}


class Pair:
    """The twin and the engine, which get every message alike."""

    def __init__(self):
        from switch._keys import KeyRing
        from tests.support.engine import InProcessEngine

        ring = KeyRing()
        for (purpose, version), key in KEYS.items():
            ring.load(purpose, version, bytearray(key))
        self.twin = Twin(timezone="UTC", replay=False, master_keys=KEYS)
        self.engine = InProcessEngine(timezone="UTC", replay=False, keys=ring)
        self.now_ms = START_MS
        self.trace = 0

    def message(self, message_type, **fields):
        self.trace += 1
        fields = {"trace_number": self.trace, "business_date": TODAY, "stamp_ms": self.now_ms} | fields
        form = REQUESTS[message_type]
        return Header(type=message_type, sequence=self.trace).encode() + form(**fields).encode()

    def operate(self, form, **fields):
        """A message of the setting."""
        reply = self.decide(self.message(TYPE_OF[form], **fields), OPERATOR, EVERY_RIGHT)
        assert reply[8:10] == bytes(2), (form, fields, reply[8:12])

    def decide(self, message, terminal_id, rights):
        """The same reply and entry from both."""
        told = self.twin.decide(terminal_id, rights, message, self.now_ms)
        reply, entry = self.engine.decide(terminal_id, rights, message, self.now_ms)
        assert (reply, entry) == (told.reply, told.written)
        return reply

    def examined(self, message):
        """The same found bytes from both."""
        told = examine(self.twin.state, KEYS, TILL, message, self.now_ms, CHALLENGES)
        prepared = self.engine.engine.prepare(TILL, message, self.now_ms, *CHALLENGES)
        assert prepared == told, (message.hex(), prepared and prepared[-FOUND_BYTES:].hex(), told[-FOUND_BYTES:].hex())
        return told


def enrolled(pair, rng):
    """A shop with one card of every kind of medium, keys derived and stored, of all versions."""
    pair.operate(PutCardTypeRequest, code=1, functions=31)
    pair.operate(PutStoreRequest, store_id=1, organisation_id=0, round_off_minor=0)
    pair.operate(PutTerminalRequest, terminal_id=TILL, store_id=1, rights=1, key=bytes(range(40)))
    named = {"check_value": bytes(8), "operator_id": 1, "approver_id": 2}
    for purpose, versions in VERSIONS.items():
        for version in versions:
            pair.operate(PutKeyRequest, purpose=purpose, key_version=version, state=KeyState.NEW, **named)
        pair.operate(PutKeyRequest, purpose=purpose, key_version=1, state=KeyState.ACTIVE, **named)
    pair.operate(PutKeyRequest, purpose=KeyPurpose.CHIP, key_version=NOT_LOADED, state=KeyState.NEW, **named)
    pair.operate(PutKeyRequest, purpose=KeyPurpose.CHIP, key_version=2, state=KeyState.ACTIVE, **named)
    stored = {}
    for card in (CARD, CARD + 1, CARD + 2, LONG_CARD):
        pair.operate(OpenCardRequest, card_number=card, account_number=0, card_type=1)
        pair.operate(CreditRequest, card_number=card, amount_minor=10**9, channel=1)
    for card, version in ((CARD, 1), (CARD + 1, 2), (CARD + 2, 12)):
        held: dict[str, Any] = {"card_number": card, "key_version": version, "operator_id": 1}
        chip, token, tag = rng.randrange(2**56), rng.randrange(10**11), rng.randrange(2**56)
        pair.operate(PutMediumRequest, medium=1, medium_id=chip, key_version_held=max(2, version), **held, counter=7)
        pair.operate(PutMediumRequest, medium=2, medium_id=token, key_version_held=version, **held)
        pair.operate(PutMediumRequest, medium=3, medium_id=card, key_version_held=version, **held, counter=998)
        pair.operate(PutMediumRequest, medium=4, medium_id=tag, key_version_held=version, **held)
        for medium, end in ((1, 2**56), (2, 10**11)):
            number, key = rng.randrange(end), rng.randbytes(16)
            wrapped = aes_key_wrap(KEYS[KeyPurpose.STORAGE, 1], key)
            held |= {"flags": 1, "key_version_held": version, "storage_version": rng.choice([1, 1, 2]), "key": wrapped}
            pair.operate(PutMediumRequest, medium=medium, medium_id=number, **held)
            stored[medium, number] = key
    stripe = {"card_number": LONG_CARD, "medium": 3, "medium_id": LONG_CARD, "operator_id": 1}
    pair.operate(PutMediumRequest, **stripe)
    return stored


def read(pair, rng, record, stored, purchase):
    """What a genuine medium would say, or nearly."""
    version = rng.choice([record.key_version] * 8 + [1, 2, 12])
    if record.medium == MediumKind.CHIP:
        key = stored.get((1, record.medium_id)) or wallet.chip_key(KEYS, record.medium_id, version)
        counter = max(0, record.counter + rng.choice([1, 1, 1, 1, 2, 0, 70]))
        return wallet.chip(key, record.medium_id, version, counter, record.chain, purchase)
    if record.medium == MediumKind.CODE:
        key = stored.get((2, record.medium_id)) or wallet.code_key(KEYS, record.medium_id, version)
        number = pair.now_ms // 30_000 * 10 + rng.choice([0, 3, 9, 20, 21, -20, -21, -50, 100])
        return wallet.code(key, record.medium_id, version, number)
    if record.medium == MediumKind.STRIPE:
        there = [record.counter, record.pending_counter, record.counter + 1, max(0, record.counter - 1)]
        number = record.card_number if record.card_number < 10**16 else CARD
        return wallet.stripe_track(KEYS, number, version, rng.choice(there))
    return wallet.tag(KEYS, record.medium_id, version, record.counter + rng.choice([0, 1, 1, 5]))


def damaged(rng, message):
    """Some bit of the evidence or of what its cryptogram covers is another; or a field is at its end."""
    bad = bytearray(message)
    start, end = len(message) - EVIDENCE_BYTES, len(message) - FOUND_BYTES
    if rng.random() < 0.5:
        place = rng.randrange(start, end)
        bad[place] ^= 1 << rng.randrange(8)
    elif rng.random() < 0.5:
        bad[rng.randrange(24, 40)] ^= 1 << rng.randrange(8)
    else:
        width = rng.choice([1, 2, 4, 8])
        place = rng.randrange(start, end - width)
        bad[place : place + width] = rng.choice([b"\0", b"\xff"]) * width
    bad[start + 2] &= 15
    return bytes(bad)


@pytest.mark.parametrize("seed", range(3))
def test_the_switch_finds_what_the_twin_finds(seed):
    rng, pair = random.Random(seed), Pair()
    stored = enrolled(pair, rng)
    outcomes, receipts = set(), 0
    for _ in range(700):
        pair.now_ms += rng.randrange(90_000)
        record = rng.choice(pair.twin.tables.all(RecordKind.MEDIUM))
        message_type = rng.choice([MessageType.DEBIT] * 4 + list(TYPES))
        amount = rng.choice([0, 1, 999, 10**12 - 1, 12_345])
        session = rng.choice([*[CHALLENGES.current] * 5, CHALLENGES.previous, b"other   "])
        covered = 0 if message_type == MessageType.REDEEM else amount
        purchase = wallet.Purchase(
            challenge=session,
            amount_minor=covered,
            transaction_type=TYPES[message_type],
            stamp_ms=pair.now_ms,
            terminal_id=TILL,
        )
        evidence = read(pair, rng, record, stored, purchase)
        flags = rng.choice([0, int(EvidenceFlag.CAN_WRITE)])
        fields = {"category": 0, "amount_minor": amount, "pieces": 0, "points_hundredths": 100, "gift_id": 0}
        names = set(REQUESTS[message_type].__struct_fields__)
        by_medium = record.medium in (MediumKind.CODE, MediumKind.TAG) and rng.random() < 0.5
        message = pair.message(
            message_type,
            card_number=0 if by_medium else record.card_number,
            evidence=type(evidence)(**{**as_fields(evidence), "flags": flags}),
            **{name: value for name, value in fields.items() if name in names},
        )
        if rng.random() < 0.4:
            message = damaged(rng, message)

        prepared = pair.examined(message)

        reply = Reply.decode(pair.decide(prepared, TILL, EVERY_RIGHT)[HEADER_BYTES:])
        is_approved = reply.code == ResponseCode.APPROVED and message_type != MessageType.QUOTE
        assert bool(reply.receipt_code) == is_approved
        receipts += is_approved
        if reply.code == ResponseCode.CLONE and message_type != MessageType.QUOTE:
            card = pair.twin.tables.get(RecordKind.MEDIUM, prepared[-EVIDENCE_BYTES], examined_id(prepared)).card_number
            fields = {"operation": CardOperation.UNFREEZE, "operator_id": 1}
            pair.operate(OperateCardRequest, card_number=card, **fields)
        if reply.code == ResponseCode.QUARANTINED:
            pair.operate(PutTerminalRequest, terminal_id=TILL, store_id=1, rights=1, key=bytes(40))
        outcomes.add(prepared[-FOUND_BYTES + 20])
    assert outcomes == set(EvidenceOutcome)
    assert receipts > 50


def examined_id(message):
    """Whose medium the proof is of."""
    return int.from_bytes(message[-FOUND_BYTES + 8 : -FOUND_BYTES + 16], "little")


def as_fields(form):
    return {name: getattr(form, name) for name in form.__struct_fields__}


def test_what_was_found_must_not_come_from_outside():
    pair = Pair()
    enrolled(pair, random.Random(1))
    evidence = wallet.stripe_track(KEYS, CARD, 1, 998)
    message = pair.message(MessageType.DEBIT, card_number=CARD, amount_minor=1, evidence=evidence)
    assert pair.engine.engine.prepare(TILL, message, pair.now_ms) is not None

    for place in range(FOUND_BYTES):
        forged = bytearray(message)
        forged[len(forged) - FOUND_BYTES + place] = 1
        assert pair.engine.engine.prepare(TILL, bytes(forged), pair.now_ms) is None
