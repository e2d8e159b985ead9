"""The values in docs/card-formats.md are the code's: a card supplier builds by that page alone."""

import re
from pathlib import Path

from hsm.bar_code import make_bar_code, token_unique
from hsm.card_values import CHIP_SERVICE_CODE, card_verification_value
from hsm.cards import (
    APPLICATION_VERSION,
    AcData,
    CardPurpose,
    Selected,
    card_key,
    card_number_unique,
    diversification_input,
    generate_ac,
    generate_ac_command,
    issuer_answer,
    issuer_answer_command,
    select_command,
    session_key,
)
from hsm.stripe import lrc, make_track2
from hsm.sun import TagReading, decipher_picc_data, session_mac_key, tag_mac

DOCUMENT = Path(__file__).parents[3] / "docs/card-formats.md"

MASTER = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
CVK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
UID = bytes.fromhex("04782E21801D80")
NUMBER, EXPIRY, SERVICE, TOKEN = "6221260012345674", "2912", "201", "12345678901"
SEQUENCE = 598_333_333
OK = "9000"


def code_values():
    """What the page must say, by heading, in the order in which it says it."""
    unique = {
        CardPurpose.AC: UID,
        CardPurpose.CODE: token_unique(TOKEN),
        CardPurpose.JITTER: card_number_unique(NUMBER),
        CardPurpose.TAG: UID,
        CardPurpose.TAG_META: bytes(7),
    }
    keys = {purpose: card_key(MASTER, purpose, 1, unique[purpose]) for purpose in CardPurpose}
    data = AcData(bytes(range(1, 9)), 12345, 156, 0, 1_795_000_000, b"TERM0001").pack()
    answer = generate_ac(keys[CardPurpose.AC], 1, 42, UID, data, bytes.fromhex("DEADBEEF"))
    back = issuer_answer(keys[CardPurpose.AC], UID, answer, bytes.fromhex("0A0B0C0D"))
    given = bytes.fromhex("EA121F0BECB4D680FB6AC96BDC172453")
    tracks = [make_track2(CVK, keys[CardPurpose.JITTER], 1, NUMBER, EXPIRY, SERVICE, 0, n) for n in (42, 43)]
    enciphered = bytes.fromhex("EF963FF7828658A599F3041510671E88")
    reading = decipher_picc_data(bytes(16), enciphered)
    assert reading == TagReading(bytes.fromhex("04DE5F1EACC040"), 61)
    values: dict[str, list[bytes | str]] = {
        "Card formats": [MASTER, CVK, UID, NUMBER, EXPIRY, SERVICE, TOKEN],
        "Keys": [
            x for purpose in CardPurpose for x in (diversification_input(purpose, 1, unique[purpose]), keys[purpose])
        ],
        "SELECT": [select_command(), Selected(APPLICATION_VERSION, 1, UID).pack().hex().upper() + OK],
        "GENERATE AC": [
            generate_ac_command(data),
            session_key(keys[CardPurpose.AC], 42, UID),
            answer.cryptogram,
            answer.pack().hex().upper() + OK,
        ],
        "Issuer answer": [issuer_answer_command(back)],
        "Bar code": [
            given,
            make_bar_code(given, 1, TOKEN, SEQUENCE),
            make_bar_code(keys[CardPurpose.CODE], 1, TOKEN, SEQUENCE),
        ],
        "Stripe": [
            card_verification_value(CVK, NUMBER, EXPIRY, SERVICE),
            card_verification_value(CVK, NUMBER, EXPIRY, CHIP_SERVICE_CODE),
            tracks[0],
            lrc(tracks[0]),
            tracks[1],
        ],
        "NFC tag": [enciphered, reading.uid, session_mac_key(bytes(16), reading), tag_mac(bytes(16), reading)],
    }
    return {name: [x.hex().upper() if isinstance(x, bytes) else x for x in found] for name, found in values.items()}


def document_values():
    """Values in code quotes within tables, by heading."""
    found: dict[str, list[str]] = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"#+ (.*)", line):
            name = {"IC: contact and contactless": ""}.get(heading[1], heading[1])
        elif line.startswith("|"):
            found.setdefault(name, []).extend(re.findall(r"`([^`]+)`", line))
    return found


def test_the_documents_values_are_the_codes():
    assert document_values() == code_values()


def test_the_documents_purposes_are_the_codes():
    rows = re.findall(r"^\| [^|]+\| ([0-9A-F]{2}) \|", DOCUMENT.read_text(encoding="utf-8"), re.M)
    assert [int(row, 16) for row in rows] == list(CardPurpose)
