"""The test vectors are what the code gives, and what implementations give that share nothing with it."""

import binascii
import hashlib
import json
import struct
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from noise.connection import Keypair, NoiseConnection

from switch.protocol.errors import PeerError
from switch.protocol.frames import FrameError
from switch.protocol.messages import REPLY_BIT, REQUESTS, CardTypeFlag, Function, Header, MessageType, SignOnAnswer
from switch.protocol.records import BlockHeader, EntryHeader, images_of
from switch.protocol.session import (
    Message,
    SignOnError,
    State,
    SwitchSession,
    answer_sign_on,
    parse_reply,
    parse_sign_on,
    refuse_sign_on,
)
from tests.support.plain_pricing import Sale
from tests.support.priced import priced
from tests.twin.wire import error_message, form_error, read_header
from tests.vectors import generate
from tests.vectors.example import DEBIT, DEBIT_REPLY, TERMS, fields_of
from tests.vectors.journal import crc32c
from tests.vectors.messages import rows_of

FILES = {name: json.loads((generate.HERE / f"{name}.json").read_text()) for name in generate.NAMES}
STEPS = {step["name"]: bytes.fromhex(step["hex"]) for step in FILES["sign_on"]["steps"]}
CASES = FILES["messages"]["cases"]
ERRORS = FILES["errors"]["cases"]


def names(cases):
    return [case["name"] for case in cases]


def test_the_files_are_what_the_script_writes():
    stored = {path.name: path.read_text(encoding="utf-8") for path in generate.HERE.glob("*.json")}

    assert stored == generate.generated_files(), "run `python -m tests.vectors.generate` if the protocol has changed"


# --------------------------------------------------------------------------- sign-on


def noise(role):
    """The other Noise implementation with the keys of the example."""
    connection = NoiseConnection.from_name(FILES["sign_on"]["noise_protocol"].encode())
    connection.set_psks(STEPS["psk"])
    connection.set_prologue(STEPS["sign-on header = prologue"])
    side = {"initiator": "terminal's", "responder": "switch's"}[role]
    connection.set_keypair_from_private_bytes(Keypair.EPHEMERAL, STEPS[f"{side} ephemeral private key"])
    getattr(connection, f"set_as_{role}")()
    connection.start_handshake()
    return connection


@pytest.mark.filterwarnings("ignore:One of ephemeral keypairs is already set")
def test_another_noise_implementation_sends_the_same_sign_on_and_derives_the_same_keys():
    terminal, switch = noise("initiator"), noise("responder")

    message_1 = bytes(terminal.write_message())
    switch.read_message(message_1)
    message_2 = bytes(switch.write_message(STEPS["sign-on terms"]))
    terms = bytes(terminal.read_message(message_2))

    assert STEPS["frame 1, terminal to switch"] == b"\x00\x3c" + STEPS["sign-on header = prologue"] + message_1
    assert STEPS["frame 2, switch to terminal"] == b"\x00\x58" + b"\x01" + bytes(7) + message_2
    assert terms == STEPS["sign-on terms"]
    for sender, receiver, key in ((terminal, switch, "terminal to switch"), (switch, terminal, "switch to terminal")):
        sealed = bytes(sender.encrypt(b"pay"))
        assert sealed == AESGCM(STEPS[f"key {key}"]).encrypt(bytes(12), b"pay", b"")
        assert bytes(receiver.decrypt(sealed)) == b"pay"


def test_the_terms_of_the_example_have_the_documented_places():
    terms = FILES["sign_on"]["terms"]

    by_hand = struct.pack(
        "<qIIIIHBBI",
        int(terms["time_ms"]),
        terms["business_date"],
        terms["partition"],
        terms["frame_bytes_max"],
        terms["idle_timeout_ms"],
        terms["in_flight_max"],
        terms["mode"],
        0,
        terms["rights"],
    )
    assert by_hand == STEPS["sign-on terms"]


# --------------------------------------------------------------------------- rekey


def test_the_key_of_a_direction_changes_at_the_numbers_that_the_file_shows():
    key, frames = STEPS["key terminal to switch"], FILES["rekey"]["rekey_frames"]
    seen: list[int] = []
    for message in FILES["rekey"]["messages"]:
        while len(seen) < message["nonce"] // frames:
            key = AESGCM(key).encrypt(bytes(4) + b"\xff" * 8, bytes(32), b"")[:32]
            seen.append(message["nonce"])
        sealed = AESGCM(key).encrypt(message["nonce"].to_bytes(12, "big"), bytes.fromhex(message["plaintext"]), b"")
        assert (message["key"], message["sealed"]) == (key.hex(), sealed.hex())

    assert seen == [frames, 2 * frames]


# --------------------------------------------------------------------------- messages


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_each_frame_is_header_and_body_sealed_with_the_nonce_and_key_that_it_names(case):
    plaintext = bytes.fromhex(case["header"] + case["body"])
    nonce = bytes(4) + case["nonce"].to_bytes(8, "big")

    sealed = AESGCM(bytes.fromhex(case["key"])).encrypt(nonce, plaintext, b"")

    assert bytes.fromhex(case["header"]) == struct.pack("<BBHI", 1, case["type"], 0, case["sequence"])
    assert case["nonce_hex"] == nonce.hex()
    assert case["frame"] == (len(sealed).to_bytes(2, "big") + sealed).hex()


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_each_body_decodes_to_the_fields_that_it_names(case):
    body, type_ = bytes.fromhex(case["body"]), case["type"]

    decoded: Any
    if type_ & REPLY_BIT:
        asked = MessageType.DEBIT if type_ == MessageType.ERROR | REPLY_BIT else type_ & ~REPLY_BIT
        decoded = parse_reply(asked, Header(type=type_, sequence=0), body)
    else:
        decoded = REQUESTS[MessageType(type_)].decode(body)

    if isinstance(decoded, dict) or decoded is None:
        assert (decoded or {}) == case["fields"]
    else:
        assert fields_of(decoded) == case["fields"]
        if type_ & REPLY_BIT:
            assert rows_of(type_, decoded) == ({"rows": case["rows"]} if "rows" in case else {})


def test_no_number_of_a_vector_is_wider_than_what_every_json_reader_keeps():
    def numbers(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return [value] if isinstance(value, int) else [number for part in inner for number in numbers(part)]

    assert max(numbers(FILES)) < 2**32


def test_every_request_and_every_kind_of_reply_has_a_vector():
    sent = {case["type"] for case in CASES}

    requests = set(MessageType) - {MessageType.PUT_SWITCH, MessageType.ERROR}  # neither is sent as a request
    assert sent >= requests
    assert sent >= {MessageType.ERROR | REPLY_BIT, MessageType.ECHO | REPLY_BIT, MessageType.STATISTICS | REPLY_BIT}


def test_all_frames_of_a_direction_can_be_opened_in_one_run():
    frames = [case["frame"] for case in CASES if case["direction"] == "terminal to switch"]
    switch = SwitchSession(STEPS["key terminal to switch"], STEPS["key switch to terminal"])

    events: list[Any] = [*switch.receive(bytes.fromhex("".join(frames)))]

    assert [event.header.sequence for event in events] == [100 + number for number in range(len(frames))]


# --------------------------------------------------------------------------- errors


@pytest.mark.parametrize("case", cases := [c for c in ERRORS if c["stage"] == "sign-on"], ids=names(cases))
def test_each_wrong_sign_on_is_refused_with_the_frame_that_it_names(case):
    given = bytes.fromhex(case["given"])
    assert int.from_bytes(given[:2], "big") == len(given) - 2

    with pytest.raises(SignOnError) as caught:
        sign_on(given)

    answer = refuse_sign_on(caught.value.code)
    assert answer.hex() == case["answer"]
    assert fields_of(SignOnAnswer.decode(answer[2:])) == case["reply"]


def sign_on(given):
    """What the switch does with the first frame of a connection."""
    _, noise_message = parse_sign_on(given[2:])
    return answer_sign_on(given[2:14], noise_message, STEPS["psk"], TERMS, bytes(32))


def fresh_switch():
    return SwitchSession(STEPS["key terminal to switch"], STEPS["key switch to terminal"])


@pytest.mark.parametrize("case", cases := [c for c in ERRORS if c["stage"] == "frame"], ids=names(cases))
def test_each_wrong_frame_ends_the_session_at_once(case):
    with pytest.raises(PeerError) as caught:
        fresh_switch().receive(bytes.fromhex(case["given"]))

    assert case["answer"] is None
    assert isinstance(caught.value, FrameError) == case["name"].startswith("length")
    assert len(caught.value.received) == (1 if "twice" in case["name"] else 0)


MESSAGES = [case for case in ERRORS if case["stage"] == "message"]
WHOLE = [case for case in MESSAGES if case["name"] != "shorter than its header"]
"""Messages that reach the rules; a stub is answered before them."""


@pytest.mark.parametrize("case", WHOLE, ids=names(WHOLE))
def test_each_wrong_message_earns_the_error_reply_that_the_twin_gives(case):
    given, answer = bytes.fromhex(case["given"]), bytes.fromhex(case["answer"])
    asked = AESGCM(STEPS["key terminal to switch"]).decrypt(bytes(12), given[2:], b"")
    heard = AESGCM(STEPS["key switch to terminal"]).decrypt(bytes(12), answer[2:], b"")
    header = read_header(asked)

    error = form_error(asked, header)

    assert error is not None
    assert heard == error_message(header, error)
    assert asked.hex() == case["message"]
    assert {"sequence": header.sequence} | fields_of(error) == case["reply"]


def test_a_message_without_a_whole_header_earns_length_and_what_is_missing_counts_as_zero():
    [case] = [case for case in MESSAGES if case not in WHOLE]
    given, answer = bytes.fromhex(case["given"]), bytes.fromhex(case["answer"])

    asked = AESGCM(STEPS["key terminal to switch"]).decrypt(bytes(12), given[2:], b"")
    heard = AESGCM(STEPS["key switch to terminal"]).decrypt(bytes(12), answer[2:], b"")

    assert asked.hex() == case["message"] == "01100000"
    assert heard == struct.pack("<BBHI HBBIII", 1, 0xFF, 0, 0, 221, 0x10, 0, 0, 8, 4)


@pytest.mark.parametrize("case", MESSAGES, ids=names(MESSAGES))
def test_each_wrong_message_leaves_the_session_open(case):
    switch = fresh_switch()

    [event] = switch.receive(bytes.fromhex(case["given"]))

    assert isinstance(event, Message)
    assert switch.state is State.OPEN


# --------------------------------------------------------------------------- journal


def crc32c_by_division(data):
    """CRC-32C as the remainder of a division of polynomials: no table, no reflection of the divisor."""
    bits = "".join(f"{byte:08b}"[::-1] for byte in data) + "0" * 32
    value = int(bits, 2) ^ (0xFFFFFFFF << (len(bits) - 32))
    for shift in range(len(bits) - 33, -1, -1):
        if value >> (shift + 32):
            value ^= 0x11EDC6F41 << shift
    return int(f"{value:032b}"[::-1], 2) ^ 0xFFFFFFFF


def test_the_checksum_has_its_published_check_value():
    assert crc32c(b"123456789") == crc32c_by_division(b"123456789") == 0xE3069283
    assert binascii.crc32(b"123456789") != 0xE3069283, "CRC-32C is not the CRC-32 of zip"
    assert FILES["journal"]["crc32c_of_123456789"] == "e3069283"


def test_the_blocks_can_be_checked_by_the_rules_of_the_document():
    previous_hash, sequence, starts = bytes(32), 0, []
    for number, block in enumerate(map(bytes.fromhex, FILES["journal"]["blocks"])):
        header = BlockHeader.decode(block[:128])
        body = block[128:]
        assert block[:8] == b"CSWB" + bytes([1, 0, 128, 0])
        assert (header.block_number, header.first_sequence, header.body_bytes) == (number, sequence + 1, len(body))
        assert header.previous_hash == previous_hash
        assert header.block_hash == hashlib.sha256(block[:80] + body).digest()

        at = 128
        for _ in range(header.entry_count):
            entry = EntryHeader.decode(block[at : at + 48])
            images_at = at + 48 + -(-entry.request_bytes // 8) * 8 + -(-entry.reply_bytes // 8) * 8
            images = images_of(block[images_at : at + entry.entry_bytes])
            assert (len(images), sum(map(len, images))) == (entry.image_count, at + entry.entry_bytes - images_at)
            assert entry.sequence == sequence + 1
            assert entry.crc32c == crc32c_by_division(block[at + 8 : at + entry.entry_bytes])
            starts.append((number, at, entry.sequence, f"{entry.crc32c:08x}"))
            at += entry.entry_bytes
            sequence += 1
        assert at == len(block)
        previous_hash = header.block_hash

    assert starts == [tuple(entry.values()) for entry in FILES["journal"]["entries"]]
    assert sequence == 3


def test_an_altered_byte_of_a_block_breaks_its_hash():
    block = bytearray(bytes.fromhex(FILES["journal"]["blocks"][0]))
    block[200] ^= 1

    assert hashlib.sha256(block[:80] + block[128:]).digest() != BlockHeader.decode(block[:128]).block_hash


# --------------------------------------------------------------------------- the example


def test_the_reply_of_the_example_says_what_the_switch_makes_of_its_bill():
    sale = Sale(
        functions=Function.IDENTIFY | Function.PAY | Function.POINTS,
        flags=CardTypeFlag.NET_LINES,
        points_percent=100,
        amount_minor=DEBIT.amount_minor,
        lines=DEBIT.lines,
    )

    bill = priced(sale)

    assert bill.code == DEBIT_REPLY.code == 0
    assert bill.bill_minor - bill.discount_minor == DEBIT_REPLY.due_minor == DEBIT_REPLY.amount_minor
    assert bill.points_hundredths == DEBIT_REPLY.points_hundredths
    assert bill.results == DEBIT_REPLY.lines
