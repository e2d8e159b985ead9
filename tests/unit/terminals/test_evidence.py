"""What a till makes of a card's proof, against the issuer's own code; the switch's examination is tested elsewhere."""

import struct

from hsm.bar_code import make_bar_code, parse_bar_code
from hsm.cards import generate_ac, issuer_answer
from hsm.stripe import make_track2
from switch.protocol.messages import EvidenceFlag, IssuerAnswer, MediumKind
from terminals.chip.sun_message import SunMessage
from terminals.evidence import (
    chip_data,
    chip_evidence,
    code_evidence,
    issuer_answer_bytes,
    renewed_stripe,
    stripe_evidence,
    tag_evidence,
)
from terminals.swipe import parse_track_2
from tests.unit.terminals.chip import KEY, UID

CARD = "6221260012345674"
CVK, JITTER = bytes(range(16)), b"j" * 16


def track(ticket):
    return make_track2(CVK, JITTER, 11, CARD, "2912", "201", 3, ticket)


def test_a_chip_is_asked_about_the_request_and_its_answer_goes_on_whole():
    asked = chip_data(b"challeng", 12_345, 156, 1_795_000_000_999, 0xABCDEF)
    answer = generate_ac(KEY, 7, 42, UID, asked.pack(), b"\xde\xad\xbe\xef", 0x0102)
    evidence = chip_evidence(UID, asked, answer, is_contactless=True)

    assert (asked.time_s, asked.terminal, asked.transaction_type) == (1_795_000_000, b"00ABCDEF", 0)
    assert (evidence.medium, evidence.key_version, evidence.counter) == (MediumKind.CHIP, 7, 42)
    assert (evidence.chain, evidence.chip_flags, evidence.currency) == (0xDEADBEEF, 0x0102, 156)
    assert (evidence.medium_id, evidence.challenge) == (int.from_bytes(UID, "big"), b"challeng")
    assert evidence.proof == answer.cryptogram + bytes(8)
    assert evidence.flags == EvidenceFlag.CONTACTLESS


def test_the_answer_for_a_chip_is_the_one_that_its_issuer_would_make():
    asked = chip_data(b"challeng", 1, 156, 0, 1)
    cryptogram = generate_ac(KEY, 1, 42, UID, asked.pack(), bytes(4))
    made = issuer_answer(KEY, UID, cryptogram, b"\x0a\x0b\x0c\x0d", 0x0102)

    answer = IssuerAnswer(medium=MediumKind.CHIP, next=0x0A0B0C0D, command=0x0102, mac=made[8:])
    assert issuer_answer_bytes(answer) == made


def test_a_code_shows_token_digits_and_last_figures():
    shown = parse_bar_code(make_bar_code(KEY, 12, "00000000042", 598_333_307))
    evidence = code_evidence(shown)

    assert (evidence.medium, evidence.medium_id, evidence.key_version, evidence.counter) == (MediumKind.CODE, 42, 2, 7)
    assert struct.unpack_from("<I", evidence.proof)[0] == int(shown.code) and evidence.proof[4:] == bytes(12)


def test_a_stripe_shows_its_figures_and_is_renewed_with_the_answer():
    read = parse_track_2(track(1_042))
    evidence = stripe_evidence(read, can_write=True, is_fallback=True)

    assert (evidence.key_version, evidence.issue, evidence.counter) == (1, 3, 42)
    assert evidence.flags == EvidenceFlag.CAN_WRITE | EvidenceFlag.FALLBACK
    assert struct.unpack_from("<IHHH", evidence.proof) == (int(read.ticket_mac), int(read.cvv), 201, 2912)
    assert stripe_evidence(read, can_write=False).flags == 0

    digits = int(parse_track_2(track(1_043)).ticket_mac)
    answer = IssuerAnswer(medium=MediumKind.STRIPE, next=1_043, mac=struct.pack("<I", digits) + bytes(4))
    assert renewed_stripe(read, answer).track_2() == track(1_043)


def test_digits_with_zeros_before_keep_them():
    read = parse_track_2(track(7))
    renewed = renewed_stripe(read, IssuerAnswer(medium=MediumKind.STRIPE, next=2_005, mac=struct.pack("<Q", 42)))

    assert (renewed.ticket_shown, renewed.ticket_mac) == (5, "00042")
    assert renewed.track_2().endswith("00500042?")


def test_a_tag_shows_what_it_wrote_into_its_address():
    evidence = tag_evidence(SunMessage(b"p" * 16, b"m" * 8), key_version=2)

    assert (evidence.medium, evidence.key_version) == (MediumKind.TAG, 2)
    assert (evidence.proof, evidence.tag_mac) == (b"p" * 16, b"m" * 8)
