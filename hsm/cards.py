"""Keys and cryptograms of our own cards, seen from the issuer: what the switch checks and a card supplier implements.

Each card has its own keys, one per purpose, derived from an issuer master key with what is unique to the medium
(AN10922, `diversification_input`); a key read out of one card opens no other. An IC derives a session key from each
value of its counter (ATC), and authenticates with it what the terminal asks (`cryptogram`); the issuer's answer
carries a new chain value that the next cryptogram must show, so that of a chip and its copy only one stays in step.

The stripe is in `stripe`, the bar code in `bar_code`. All formats with examples: docs/card-formats.md.
Derived keys are returned as bytes in ordinary memory. Where they live long, copy them into a slot and drop them.
"""

from dataclasses import dataclass
from enum import IntEnum
from hmac import compare_digest
from typing import Self

from hsm._primitives import Buffer, aes_cmac, digits, field, number
from hsm.an10922 import diversify
from hsm.data_errors import CardDataError, WrongFieldError

APPLICATION_ID = bytes.fromhex("F0524554414C3031")  # proprietary (F), "RETAL01"
APPLICATION_VERSION = 0x0001
UID_BYTES = 7  # ISO 14443-3 double-size UID
CARD_NUMBER_BCD_BYTES = 8  # 16 digits; a stripe has no room for more
KEY_VERSION_MAX = 255
ATC_MAX = 0xFFFFFF  # the card refuses for ever after: 16 million payments outlast any chip
AC_DATA_BYTES = 32
AC_ANSWER_BYTES = 20
ISSUER_ANSWER_BYTES = 16
CRYPTOGRAM_BYTES = 8  # guess chance 2^-64
CHAIN_BYTES = 4
TERMINAL_BYTES = 8
AMOUNT_MINOR_MAX = 10**12 - 1  # 12 BCD digits

_DIVERSIFICATION_APPLICATION = bytes.fromhex("F05254")
_DIVERSIFICATION_SYSTEM = b"SW001"
_U32 = range(1 << 32)

STATUS_OK = bytes.fromhex("9000")


class CardPurpose(IntEnum):
    """What a card's key is for; goes into its derivation, so that no key serves two purposes."""

    AC = 0x01
    """IC: application cryptograms and issuer answers. Unique is the chip's UID."""
    CODE = 0x11
    """One-time codes of dynamic bar codes. Unique is the token of the enrolled device."""
    JITTER = 0x21
    """Rolling ticket of a stripe. Unique is the card number."""
    TAG = 0x31
    """SDMFileReadKey of an NTAG 424 DNA tag. Unique is the chip's UID."""
    TAG_META = 0x32
    """SDMMetaReadKey, one for all tags of a key version: unique is 7 zero bytes. Only hides who a tag is."""


def card_number_unique(card_number: str) -> bytes:
    """What is unique to a stripe: its number as 16 BCD digits (8 bytes), shorter ones with zeros before."""
    digits(card_number, range(8, 17), "a card number")
    return bytes.fromhex(card_number.rjust(16, "0"))


def diversification_input(purpose: CardPurpose, key_version: int, unique: bytes) -> bytes:
    """The M of AN10922: unique | F05254 | purpose (1 byte) | key version (1 byte) | "SW001".

    `unique` has 6 bytes (CODE: `bar_code.token_unique`), 7 (AC, TAG: UID) or 8 (JITTER: `card_number_unique`), so M has
    16 to 18 bytes: at this length the note equals plain AES-CMAC of 01 | M.
    """
    expected = {CardPurpose.CODE: 6, CardPurpose.JITTER: CARD_NUMBER_BCD_BYTES}.get(purpose, UID_BYTES)
    field(unique, expected, f"what is unique to a {purpose.name} key")
    number(key_version, range(1, KEY_VERSION_MAX + 1), "a key version")
    return unique + _DIVERSIFICATION_APPLICATION + bytes([purpose, key_version]) + _DIVERSIFICATION_SYSTEM


def card_key(master_key: Buffer, purpose: CardPurpose, key_version: int, unique: bytes) -> bytes:
    """CK: the card's key for one purpose, as long as the issuer master key (AES-128: 16 bytes)."""
    return diversify(master_key, diversification_input(purpose, key_version, unique))


def session_key(ac_key: Buffer, atc: int, uid: bytes) -> bytes:
    """SK = CMAC(CK, 01 | "AC" | 00 | ATC (3) | UID (7) | 0080): SP 800-108 in counter mode, just one block of input."""
    field(uid, UID_BYTES, "a UID")
    return aes_cmac(ac_key, b"\x01AC\x00" + _atc(atc) + uid + b"\x00\x80")


@dataclass(frozen=True, slots=True)
class AcData:
    """What a terminal asks an IC to authenticate.

    `unpredictable_number`: 8 bytes, given by the switch or drawn by the terminal; `currency`: ISO 4217 number;
    `transaction_type`: one byte of the switch's choosing; `time_s`: Unix time; `terminal`: 8 bytes.
    """

    unpredictable_number: bytes
    amount_minor: int
    currency: int
    transaction_type: int
    time_s: int
    terminal: bytes

    def pack(self) -> bytes:
        """UN (8) | amount BCD (6) | currency BCD (2) | type (1) | time (4) | terminal (8) | 000000, 32 bytes."""
        return (
            field(self.unpredictable_number, 8, "an unpredictable number")
            + _bcd(self.amount_minor, 6, "an amount in minor units")
            + _bcd(number(self.currency, range(1000), "a currency"), 2, "a currency")
            + bytes([number(self.transaction_type, range(256), "a transaction type")])
            + number(self.time_s, _U32, "a time in seconds").to_bytes(4, "big")
            + field(self.terminal, TERMINAL_BYTES, "a terminal")
            + bytes(3)
        )

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Undoes `pack`. `CardDataError` for another length, digits that are none, or a tail that is not zero."""
        if len(data) != AC_DATA_BYTES or data[29:] != bytes(3):
            raise CardDataError(f"expected {AC_DATA_BYTES} bytes that end in three zeros, got {len(data)} bytes")
        amount, currency = data[8:14].hex(), data[14:16].hex()
        if not (amount + currency).isdigit() or currency[0] != "0":
            raise CardDataError("expected an amount and a currency in BCD digits, got letters: ask the card again")
        return cls(data[:8], int(amount), int(currency), data[16], int.from_bytes(data[17:21], "big"), data[21:29])


@dataclass(frozen=True, slots=True)
class AcAnswer:
    """What an IC answers to GENERATE AC, without the status word."""

    key_version: int
    atc: int
    flags: int
    chain: bytes
    cryptogram: bytes

    def pack(self) -> bytes:
        """Key version (1) | ATC (3) | flags (2) | chain (4) | 0000 | AC (8), 20 bytes."""
        return self._head() + bytes(2) + field(self.cryptogram, CRYPTOGRAM_BYTES, "a cryptogram")

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Undoes `pack`. `CardDataError` for another length or filler; the cryptogram is not checked here."""
        if len(data) != AC_ANSWER_BYTES or data[10:12] != bytes(2):
            raise CardDataError(f"expected {AC_ANSWER_BYTES} bytes with zeros at 10 and 11, got {len(data)} bytes")
        return cls(data[0], int.from_bytes(data[1:4], "big"), int.from_bytes(data[4:6], "big"), data[6:10], data[12:])

    def _head(self) -> bytes:
        return (
            bytes([number(self.key_version, range(1, KEY_VERSION_MAX + 1), "a key version")])
            + _atc(self.atc)
            + number(self.flags, range(1 << 16), "card flags").to_bytes(2, "big")
            + field(self.chain, CHAIN_BYTES, "a chain value")
        )

    def authenticated(self, ac_data: bytes) -> bytes:
        """What AC covers: data (32) | key version | ATC | flags | chain | six zeros, 48 bytes."""
        return field(ac_data, AC_DATA_BYTES, "GENERATE AC data") + self._head() + bytes(6)


def generate_ac(
    ac_key: Buffer, key_version: int, atc: int, uid: bytes, ac_data: bytes, chain: bytes, flags: int = 0
) -> AcAnswer:
    """What a genuine card answers: AC = CMAC(SK, `authenticated`) cut to 8 bytes. The card stores its ATC first."""
    unsigned = AcAnswer(key_version, atc, flags, chain, bytes(CRYPTOGRAM_BYTES))
    mac = aes_cmac(session_key(ac_key, atc, uid), unsigned.authenticated(ac_data))
    return AcAnswer(key_version, atc, flags, chain, mac[:CRYPTOGRAM_BYTES])


def cryptogram_fits(ac_key: Buffer, uid: bytes, ac_data: bytes, answer: AcAnswer) -> bool:
    """Whether an answer's cryptogram is this card's over this data. Counter and chain are the caller's to judge."""
    genuine = generate_ac(ac_key, answer.key_version, answer.atc, uid, ac_data, answer.chain, answer.flags)
    return compare_digest(genuine.cryptogram, answer.cryptogram)


def issuer_answer(ac_key: Buffer, uid: bytes, answer: AcAnswer, new_chain: bytes, command: int = 0) -> bytes:
    """What the issuer says back: new chain (4) | command (2) | 0000 | MAC (8), 16 bytes.

    MAC = CMAC(SK, "R" | ATC (3) | AC (8) | new chain (4) | command (2)) cut to 8 bytes. Command 0 does nothing more.
    """
    body = field(new_chain, CHAIN_BYTES, "a chain value") + number(command, range(1 << 16), "a command").to_bytes(
        2, "big"
    )
    mac = aes_cmac(session_key(ac_key, answer.atc, uid), b"R" + _atc(answer.atc) + answer.cryptogram + body)
    return body + bytes(2) + mac[:CRYPTOGRAM_BYTES]


def accept_issuer_answer(ac_key: Buffer, uid: bytes, answer: AcAnswer, data: bytes) -> tuple[bytes, int] | None:
    """What a card reads from the issuer's answer to its own: new chain value and command, None if forged."""
    if len(data) != ISSUER_ANSWER_BYTES or data[6:8] != bytes(2):
        return None
    genuine = issuer_answer(ac_key, uid, answer, data[:4], int.from_bytes(data[4:6], "big"))
    return (data[:4], int.from_bytes(data[4:6], "big")) if compare_digest(genuine, data) else None


# Commands, ISO 7816-4, short form. Answers end in a status word, 9000 when well.


def select_command() -> bytes:
    """SELECT of our application by its AID."""
    return b"\x00\xa4\x04\x00" + bytes([len(APPLICATION_ID)]) + APPLICATION_ID + b"\x00"


def generate_ac_command(ac_data: bytes) -> bytes:
    """GENERATE AC with the data of `AcData.pack`."""
    return b"\x80\xae\x80\x00" + bytes([AC_DATA_BYTES]) + field(ac_data, AC_DATA_BYTES, "GENERATE AC data") + b"\x00"


def issuer_answer_command(data: bytes) -> bytes:
    """EXTERNAL AUTHENTICATE with the issuer's answer; the card answers with a status word only."""
    return b"\x80\x82\x00\x00" + bytes([ISSUER_ANSWER_BYTES]) + field(data, ISSUER_ANSWER_BYTES, "an issuer answer")


@dataclass(frozen=True, slots=True)
class Selected:
    """What an IC tells about itself when its application is selected."""

    application_version: int
    key_version: int
    uid: bytes

    def pack(self) -> bytes:
        """6F len | 84 08 AID | 9F08 02 version | C1 01 key version | C2 07 UID, without the status word."""
        body = (
            b"\x84" + bytes([len(APPLICATION_ID)]) + APPLICATION_ID
            + b"\x9f\x08\x02" + number(self.application_version, range(1 << 16), "a version").to_bytes(2, "big")
            + b"\xc1\x01" + bytes([number(self.key_version, range(1, KEY_VERSION_MAX + 1), "a key version")])
            + b"\xc2\x07" + field(self.uid, UID_BYTES, "a UID")
        )  # fmt: skip
        return b"\x6f" + bytes([len(body)]) + body

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Undoes `pack`. `CardDataError` for anything else: ours is the only card that answers to this AID."""
        try:
            selected = cls(int.from_bytes(data[15:17], "big"), data[19], data[22:])
            if selected.pack() == data:
                return selected
        except (IndexError, WrongFieldError):
            pass
        raise CardDataError(f"expected a card's 29 bytes to SELECT, got {len(data)} others: not a card of ours")


def _atc(atc: int) -> bytes:
    return number(atc, range(ATC_MAX + 1), "an ATC").to_bytes(3, "big")


def _bcd(value: int, length: int, what: str) -> bytes:
    number(value, range(10 ** (2 * length)), what)
    return bytes.fromhex(f"{value:0{2 * length}d}")
