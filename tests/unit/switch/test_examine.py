"""Proofs of media, examined by the fast path, against the issuer's own code in `hsm`."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm import bar_code, cards, stripe, sun
from switch._keys import KeyRing
from switch.protocol.messages import (
    BillLine,
    ConvertRequest,
    DebitFlag,
    DebitRequest,
    Evidence,
    EvidenceOutcome,
    Header,
    HoldRequest,
    KeyPurpose,
    KeyState,
    MediumFlag,
    MediumKind,
    MessageType,
    RedeemRequest,
)
from switch.protocol.records import CardKeyRecord, MediumRecord
from tests.support.engine import InProcessEngine
from tests.support.keys import FixedKeys, Slot, key_of, key_record, wrapped_card_key

NOW_MS = 1_795_000_000_123
TERMINAL_ID = 0x1001
CARD = 6221_2600_1234_5674
UID = bytes.fromhex("04782E21801D80")
TOKEN = 12_345_678_901
CHALLENGE, PREVIOUS = b"challeng", b"previous"
CHIP, CODE, STRIPE, TAG = MediumKind.CHIP, MediumKind.CODE, MediumKind.STRIPE, MediumKind.TAG
IDS = {CHIP: int.from_bytes(UID, "big"), CODE: TOKEN, STRIPE: CARD, TAG: int.from_bytes(UID, "big")}
PURPOSES = [
    (purpose, version)
    for purpose in (KeyPurpose.CHIP, KeyPurpose.CODE, KeyPurpose.JITTER, KeyPurpose.STRIPE, KeyPurpose.TAG)
    for version in (1, 2)
]
KEY: dict[str, Any] = {"trace_number": 1, "business_date": 20_775, "stamp_ms": NOW_MS, "card_number": CARD}


class Bench:
    """An engine with all keys, and one medium of each kind."""

    def __init__(self, **changes):
        self.engine = InProcessEngine(timezone="UTC", replay=False, keys=KeyRing())
        for purpose, version in [(KeyPurpose.STORAGE, 1), (KeyPurpose.PIN, 1), *PURPOSES]:
            self.engine.engine.keys.load(purpose, version, Slot(key_of(purpose, version)))
            self.engine.tables.load([key_record(purpose, version, KeyState.ACTIVE if version == 1 else KeyState.NEW)])
        self.engine.engine.keys_changed()
        for medium, medium_id in IDS.items():
            fields = {"state": 1, "key_version": 1, "card_number": CARD} | changes
            self.engine.tables.load([MediumRecord(medium=medium, medium_id=medium_id, **fields).encode()])

    def examine(self, evidence, type_=MessageType.DEBIT, now_ms=NOW_MS, **fields):
        """The evidence as it would be decided, and the request it came with."""
        forms = {MessageType.HOLD: HoldRequest, MessageType.REDEEM: RedeemRequest, MessageType.CONVERT: ConvertRequest}
        form: Any = forms.get(type_, DebitRequest)
        amounts = {"points_hundredths": 100} if form is RedeemRequest else {"amount_minor": 123_456}
        request = form(**(KEY | amounts | fields), evidence=evidence)
        message = Header(type=type_, sequence=1).encode() + request.encode()
        prepared = self.engine.engine.prepare(TERMINAL_ID, message, now_ms, CHALLENGE, PREVIOUS)
        assert prepared is not None
        found = form.decode(prepared[Header.width_bytes() :])
        return found.evidence, found


@pytest.fixture(scope="module")
def bench():
    return Bench()


def chip(atc=42, *, version=1, amount_minor=123_456, kind=0, challenge=CHALLENGE, key=None, chain=b"\xde\xad\xbe\xef"):
    key = key or cards.card_key(key_of(KeyPurpose.CHIP, version), cards.CardPurpose.AC, version, UID)
    asked = cards.AcData(challenge, amount_minor, 156, kind, NOW_MS // 1000, b"00001001")
    answer = cards.generate_ac(key, version, atc, UID, asked.pack(), chain, 7)
    evidence = Evidence(
        medium=CHIP,
        key_version=version,
        counter=atc,
        medium_id=IDS[CHIP],
        challenge=challenge,
        chain=int.from_bytes(chain, "big"),
        chip_flags=7,
        currency=156,
        proof=answer.cryptogram + bytes(8),
    )
    return evidence, answer, key


def code(sequence, *, version=1, token=TOKEN, key=None):
    text = f"{token:011d}"
    key = key or cards.card_key(
        key_of(KeyPurpose.CODE, version), cards.CardPurpose.CODE, version, bar_code.token_unique(text)
    )
    shown = bar_code.parse_bar_code(bar_code.make_bar_code(key, version, text, sequence))
    return Evidence(
        medium=CODE,
        key_version=shown.key_version_digit,
        counter=shown.sequence_shown,
        medium_id=token,
        proof=int(shown.code).to_bytes(4, "little") + bytes(12),
    )


def swipe(counter, *, version=1, card=CARD, expiry="2912", service="201"):
    unique = cards.card_number_unique(str(card))
    key = cards.card_key(key_of(KeyPurpose.JITTER, version), cards.CardPurpose.JITTER, version, unique)
    track = stripe.parse_track2(
        stripe.make_track2(key_of(KeyPurpose.STRIPE, version), key, version, str(card), expiry, service, 1, counter)
    )
    return Evidence(
        medium=STRIPE,
        key_version=track.key_version_digit,
        counter=track.ticket_shown,
        issue=track.issue_digit,
        proof=int(track.ticket_mac).to_bytes(4, "little")
        + int(track.cvv).to_bytes(2, "little")
        + int(track.service_code).to_bytes(2, "little")
        + int(track.expiry_yymm).to_bytes(2, "little")
        + bytes(6),
    ), key


def outcome(found):
    return EvidenceOutcome(found.outcome)


# --------------------------------------------------------------------------- chip


@pytest.mark.parametrize(
    ("type_", "kind", "amount_minor"),
    [
        (MessageType.DEBIT, 0, 123_456),
        (MessageType.QUOTE, 0, 123_456),
        (MessageType.HOLD, 1, 123_456),
        (MessageType.REDEEM, 2, 0),
        (MessageType.CONVERT, 3, 123_456),
    ],
)
def test_a_chips_cryptogram_is_genuine_and_answered(bench, type_, kind, amount_minor):
    evidence, answer, key = chip(kind=kind, amount_minor=amount_minor)

    found, _ = bench.examine(evidence, type_)

    assert outcome(found) == EvidenceOutcome.GENUINE
    assert (found.found_counter, found.found_medium_id, found.found_key_version) == (42, IDS[CHIP], 1)
    back = found.next.to_bytes(4, "big") + found.command.to_bytes(2, "big") + bytes(2) + found.answer
    assert cards.accept_issuer_answer(key, UID, answer, back) == (found.next.to_bytes(4, "big"), 0)


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 123_457},
        {"stamp_ms": NOW_MS + 1000},
    ],
)
def test_a_chips_cryptogram_is_for_this_amount_and_moment(bench, change):
    found, _ = bench.examine(chip()[0], **change)

    assert outcome(found) == EvidenceOutcome.WRONG


@pytest.mark.parametrize("field", ["counter", "chain", "chip_flags", "currency", "proof", "challenge"])
def test_a_chips_cryptogram_covers_every_field(bench, field):
    evidence = chip()[0]
    value = getattr(evidence, field)
    changed = bytes([value[0] ^ 1]) + value[1:] if isinstance(value, bytes) else value ^ 1

    found, _ = bench.examine(_with(evidence, **{field: changed}))

    assert outcome(found) == EvidenceOutcome.WRONG


def test_a_chip_must_answer_this_terminals_challenge(bench):
    assert outcome(bench.examine(chip(challenge=PREVIOUS)[0])[0]) == EvidenceOutcome.GENUINE
    assert outcome(bench.examine(chip(challenge=b"harveste")[0])[0]) == EvidenceOutcome.CHALLENGE


def test_a_chip_of_another_key_version_or_nobodys(bench):
    assert outcome(bench.examine(chip(version=2)[0])[0]) == EvidenceOutcome.GENUINE
    assert outcome(bench.examine(_with(chip()[0], key_version=3))[0]) == EvidenceOutcome.KEY_MISSING
    assert outcome(bench.examine(_with(chip()[0], medium_id=7))[0]) == EvidenceOutcome.MEDIUM_UNKNOWN


def test_a_chip_that_holds_the_active_keys_successor_is_told_to_go_over():
    bench = Bench(key_version_held=2)
    bench.engine.tables.load([key_record(KeyPurpose.CHIP, 1, KeyState.VERIFY_ONLY), key_record(KeyPurpose.CHIP, 2)])
    evidence, answer, key = chip()

    found, _ = bench.examine(evidence)

    assert found.command == 0x0102
    back = found.next.to_bytes(4, "big") + found.command.to_bytes(2, "big") + bytes(2) + found.answer
    assert cards.accept_issuer_answer(key, UID, answer, back) == (found.next.to_bytes(4, "big"), 0x0102)
    assert bench.examine(chip(version=2)[0])[0].command == 0


@pytest.mark.parametrize("kind", [CHIP, CODE])
def test_a_stored_key_is_opened_by_the_storage_key(kind):
    bench = Bench(flags=MediumFlag.STORED_KEY)
    own = bytes(range(16))
    blob = wrapped_card_key(own)
    record = CardKeyRecord(storage_version=1, medium=kind, medium_id=IDS[kind], key_version=1, wrapped_key=blob)
    evidence = chip(key=own)[0] if kind == CHIP else code(bar_code.sequence_at(NOW_MS // 1000), key=own)
    assert outcome(bench.examine(evidence)[0]) == EvidenceOutcome.KEY_MISSING

    bench.engine.tables.load([record.encode()])
    assert outcome(bench.examine(evidence)[0]) == EvidenceOutcome.GENUINE

    damaged = _with(record, wrapped_key=bytes([blob[0] ^ 1]) + blob[1:])
    bench.engine.tables.load([damaged.encode()])
    assert outcome(bench.examine(evidence)[0]) == EvidenceOutcome.KEY_MISSING


@given(atc=st.integers(1, 0xFFFFFF), amount=st.integers(0, 10**12 - 1), chain=st.binary(min_size=4, max_size=4))
@settings(max_examples=60)
def test_any_cryptogram_of_the_issuers_code_is_genuine(bench, atc, amount, chain):
    found, _ = bench.examine(chip(atc, amount_minor=amount, chain=chain)[0], amount_minor=amount)

    assert outcome(found) == EvidenceOutcome.GENUINE
    assert found.found_counter == atc


# --------------------------------------------------------------------------- code


@pytest.mark.parametrize("off", range(-25, 26, 5))
def test_a_code_is_good_for_a_minute_either_way(bench, off):
    sequence = bar_code.sequence_at(NOW_MS // 1000) + off

    found, request = bench.examine(code(sequence), card_number=0)

    if abs(off) <= bar_code.SEQUENCE_WINDOW:
        assert (outcome(found), found.found_counter) == (EvidenceOutcome.GENUINE, sequence)
    else:
        assert outcome(found) == EvidenceOutcome.STALE
    assert request.card_number == CARD


def test_a_code_of_nobody_or_with_wrong_digits(bench):
    good = code(bar_code.sequence_at(NOW_MS // 1000))
    assert outcome(bench.examine(_with(good, medium_id=TOKEN + 1))[0]) == EvidenceOutcome.MEDIUM_UNKNOWN
    wrong = (int.from_bytes(good.proof[:4], "little") + 1).to_bytes(4, "little") + bytes(12)
    assert outcome(bench.examine(_with(good, proof=wrong))[0]) == EvidenceOutcome.WRONG
    assert outcome(bench.examine(_with(good, key_version=3))[0]) == EvidenceOutcome.KEY_MISSING


def test_a_code_of_the_next_key_version_is_known_by_its_digit(bench):
    found, _ = bench.examine(code(bar_code.sequence_at(NOW_MS // 1000), version=2))

    assert (outcome(found), found.found_key_version) == (EvidenceOutcome.GENUINE, 2)


# --------------------------------------------------------------------------- stripe


@pytest.mark.parametrize(
    ("counter", "pending", "shown", "full"),
    [(42, 0, 42, 42), (42, 43, 43, 43), (42, 0, 41, 41), (1999, 2000, 2000, 2000), (2001, 0, 1999, 1999)],
)
def test_a_stripes_counter_is_made_whole(counter, pending, shown, full):
    bench = Bench(counter=counter, pending_counter=pending)
    evidence, key = swipe(shown)

    found, _ = bench.examine(evidence)

    assert (outcome(found), found.found_counter) == (EvidenceOutcome.GENUINE, full)
    due = pending if pending and full == counter else full + 1
    assert found.next == due
    digits = stripe.ticket_mac(key, 1, str(CARD), "2912", due)
    assert int.from_bytes(found.answer[:4], "little") == int(digits)


def test_a_forged_stripe_is_wrong():
    bench = Bench(counter=42)
    good = swipe(42)[0]
    for at in (0, 4, 6, 8):  # digits, CVV, service code, expiry
        proof = bytearray(good.proof)
        proof[at] ^= 1
        assert outcome(bench.examine(_with(good, proof=bytes(proof)))[0]) == EvidenceOutcome.WRONG
    assert outcome(bench.examine(swipe(43)[0])[0]) == EvidenceOutcome.WRONG  # a counter that was never given
    assert outcome(bench.examine(_with(good, counter=41))[0]) == EvidenceOutcome.WRONG
    assert outcome(bench.examine(good, card_number=CARD + 1)[0]) == EvidenceOutcome.MEDIUM_UNKNOWN


@given(
    card=st.integers(10**7, 10**16 - 1),
    expiry=st.integers(0, 9999),
    service=st.integers(0, 999),
    counter=st.integers(0, 2**31),
)
@settings(max_examples=40)
def test_any_stripe_of_the_issuers_code_is_genuine(bench, card, expiry, service, counter):
    record = MediumRecord(state=1, key_version=1, medium=STRIPE, medium_id=card, card_number=card, counter=counter)
    bench.engine.tables.load([record.encode()])
    evidence, _ = swipe(counter, card=card, expiry=f"{expiry:04d}", service=f"{service:03d}")

    found, _ = bench.examine(evidence, card_number=card)

    assert (outcome(found), found.found_counter) == (EvidenceOutcome.GENUINE, counter)


# --------------------------------------------------------------------------- tag


def tag(counter, *, version=1, uid=UID):
    master = key_of(KeyPurpose.TAG, version)
    meta = cards.card_key(master, cards.CardPurpose.TAG_META, version, bytes(7))
    own = cards.card_key(master, cards.CardPurpose.TAG, version, uid)
    reading = sun.TagReading(uid, counter)
    picc = sun.encipher_picc_data(meta, reading, b"12345")
    return Evidence(medium=TAG, key_version=version, proof=picc, tag_mac=sun.tag_mac(own, reading))


def test_a_tag_says_who_it_is_and_counts(bench):
    found, request = bench.examine(tag(61), card_number=0)

    assert (outcome(found), found.found_counter, found.found_medium_id) == (EvidenceOutcome.GENUINE, 61, IDS[TAG])
    assert request.card_number == CARD


def test_a_forged_tag_is_wrong(bench):
    good = tag(61)
    assert outcome(bench.examine(_with(good, tag_mac=bytes(8)))[0]) == EvidenceOutcome.WRONG
    assert outcome(bench.examine(_with(good, proof=bytes(16)))[0]) == EvidenceOutcome.WRONG
    assert outcome(bench.examine(tag(61, uid=b"another"))[0]) == EvidenceOutcome.MEDIUM_UNKNOWN
    assert outcome(bench.examine(_with(good, key_version=9))[0]) == EvidenceOutcome.KEY_MISSING


# --------------------------------------------------------------------------- form


def test_what_the_switch_fills_in_must_come_as_zeros(bench):
    places = ("found_counter", "found_medium_id", "next", "outcome", "found_key_version", "command", "answer")
    for field, value in zip(places, itertools.cycle([1]), strict=False):
        filled = _with(chip()[0], **{field: bytes([1]) + bytes(7) if field == "answer" else value})
        request = DebitRequest(**KEY, amount_minor=123_456, evidence=filled)
        message = Header(type=MessageType.DEBIT, sequence=1).encode() + request.encode()
        assert bench.engine.engine.prepare(TERMINAL_ID, message, NOW_MS) is None, field


def test_evidence_stands_behind_lines_and_pin(bench):
    lines = tuple(BillLine(item=n, amount_minor=1) for n in range(3))

    found, request = bench.examine(chip()[0], lines=lines, flags=DebitFlag.PIN, pin=b"1234")

    assert outcome(found) == EvidenceOutcome.GENUINE
    assert request.lines == lines
    assert request.pin != b"1234".ljust(16, b"\0")


def test_a_medium_of_no_kind_is_not_checked(bench):
    assert outcome(bench.examine(Evidence(medium=9))[0]) == EvidenceOutcome.NOT_CHECKED


def test_the_fixed_keys_are_those_of_the_source():
    key, value = FixedKeys().take(KeyPurpose.CHIP, 1)
    assert bytes(key) == key_of(KeyPurpose.CHIP, 1)
    assert len(value) == 5


def _with(struct, **fields):
    values = {name: getattr(struct, name) for name in struct.__struct_fields__}
    return type(struct)(**(values | fields))
