"""The applet on our chip cards, contact and contactless alike: bytes of its commands and answers, no input or output.

Short APDUs (ISO 7816-4). Numbers are big-endian.

| command       | bytes                                                                | answer (then 9000)                       |
|---------------|----------------------------------------------------------------------|------------------------------------------|
| SELECT        | `00 A4 04 00 08` AID `00`                                            | FCI: AID, key version, UID, state, kind  |
| READ_STATE    | `80 CA 00 C0 00`                                                     | state, kv, counter(3), chain(4), UID(7)  |
| READ_NUMBER   | `00 B2 01 04 00`                                                     | card number, BCD, filled with F (10)     |
| GENERATE_AC   | `80 AE 80 00 20` UN(8) amount(6) currency(2) type time(4) terminal(8) 000000 `00` | kv, counter(3), flags(2), chain(4), 0000, AC(8) |
| ISSUER_ANSWER | `80 82 00 00 10` chain(4) command(2) 0000 MAC(8)                     | nothing                                  |
| PERSONALISE   | `80 DA 00 C0 20` kv key(16) chain(4) number(10) 00                   | nothing; blank cards only, all or nothing |

The counter (ATC) is stored before the MAC over it is made, and never goes back, not even when a card is cleared: the
same key and counter never make two cryptograms. The chain value comes from the issuer and goes back to it in the next
cryptogram, so that of a card and its copy one shows an old value. An issuer answer fits the last cryptogram since the
card got power, and may be tried once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TypeVar

from .errors import CardAnswerError, StatusWord, WrongCommandError, status_error

AID = bytes.fromhex("F0524554414C3031")
"""Unregistered category F (ISO 7816-5): F0, then RETAL01."""
UID_BYTES = 7
KEY_BYTES = 16
UNPREDICTABLE_BYTES = 8
TERMINAL_BYTES = 8
CHAIN_BYTES = 4
CRYPTOGRAM_BYTES = 8
NUMBER_BYTES = 10
TRANSACTION_BYTES = 32
CRYPTOGRAM_ANSWER_BYTES = 20
ISSUER_ANSWER_BYTES = 16
STATE_BYTES = 16
PERSONAL_BYTES = 32
COUNTER_MAX = 0xFFFFFF
"""Three bytes; a card that has used them up makes no cryptogram any more."""
AMOUNT_MAX = 10**12 - 1
"""Six bytes of BCD, minor units."""
CURRENCY_MAX = 999
"""ISO 4217 numeric code."""
DATA_BYTES_MAX = 255
"""Of a short APDU."""
CARD_DIGITS_MIN, CARD_DIGITS_MAX = 8, 19

FCI_TEMPLATE, FCI_AID, FCI_KEY_VERSION, FCI_UID, FCI_STATE, FCI_KIND = 0x6F, 0x84, 0xC1, 0xC2, 0xC3, 0xC5


E = TypeVar("E", bound=IntEnum)


class Instruction(Enum):
    """The commands, by CLA, INS, P1 and P2."""

    SELECT = bytes.fromhex("00A40400")
    READ_STATE = bytes.fromhex("80CA00C0")
    READ_NUMBER = bytes.fromhex("00B20104")
    GENERATE_AC = bytes.fromhex("80AE8000")
    ISSUER_ANSWER = bytes.fromhex("80820000")
    PERSONALISE = bytes.fromhex("80DA00C0")


class CardState(IntEnum):
    """Where a card is in its life."""

    BLANK = 0
    """No key; only PERSONALISE is possible."""
    ISSUED = 1
    BLOCKED = 2
    """By its issuer, for good: no more cryptograms."""


class CardKind(IntEnum):
    """What a card says about itself; believed only where it asks for less trust."""

    LIVE = 0
    TRAINING = 1
    """A program that plays a card: its key is in a file, so no live key may get there."""


class IssuerCommand(IntEnum):
    """What an issuer may have a card do beside taking the chain value."""

    NONE = 0
    BLOCK = 1
    CLEAR = 2
    """Key, card number and chain value are erased; the counter stays."""


@dataclass(frozen=True, slots=True)
class Apdu:
    """A command: header, data, and the length that is expected of the answer (256 where it says 00)."""

    header: bytes
    data: bytes = b""
    expected_bytes: int | None = None

    @property
    def instruction(self) -> Instruction | None:
        """Which of ours it is."""
        return next((known for known in Instruction if known.value == self.header), None)

    def encode(self) -> bytes:
        """The bytes of it."""
        body = bytes([len(self.data)]) + self.data if self.data else b""
        return self.header + body + (b"" if self.expected_bytes is None else bytes([self.expected_bytes % 256]))

    @classmethod
    def decode(cls, content: bytes) -> Apdu:
        """`WrongCommandError` where lengths do not fit."""
        header, rest = content[:4], content[4:]
        if len(header) < 4:
            raise WrongCommandError(f"expected a command of 4 bytes or more, got {len(header)}; see ISO 7816-4")
        if len(rest) <= 1:
            return cls(header, b"", (rest[0] or 256) if rest else None)
        length_bytes = rest[0]
        data, tail = rest[1 : 1 + length_bytes], rest[1 + length_bytes :]
        if not length_bytes or len(data) != length_bytes or len(tail) > 1:
            raise WrongCommandError(f"expected {length_bytes} bytes of data, got {len(rest) - 1}; see ISO 7816-4")
        return cls(header, data, (tail[0] or 256) if tail else None)


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a card makes a cryptogram about (the 32 bytes of GENERATE AC)."""

    unpredictable_number: bytes
    """8 bytes, never the same twice; the switch's where it gives one."""
    amount_minor: int
    currency: int
    """ISO 4217 numeric: 156 is the yuan."""
    type: int
    """Kind of transaction, one byte."""
    time_s: int
    """Seconds since 1970 UTC."""
    terminal: bytes
    """Terminal identification, 8 bytes."""

    def encode(self) -> bytes:
        """The 32 bytes; ValueError where a figure does not fit."""
        _fits("unpredictable number bytes", len(self.unpredictable_number), UNPREDICTABLE_BYTES, UNPREDICTABLE_BYTES)
        _fits("terminal bytes", len(self.terminal), TERMINAL_BYTES, TERMINAL_BYTES)
        _fits("amount_minor", self.amount_minor, 0, AMOUNT_MAX)
        _fits("currency", self.currency, 0, CURRENCY_MAX)
        _fits("type", self.type, 0, 255)
        _fits("time_s", self.time_s, 0, 2**32 - 1)
        return (
            self.unpredictable_number
            + bytes.fromhex(f"{self.amount_minor:012d}{self.currency:04d}{self.type:02X}")
            + self.time_s.to_bytes(4, "big")
            + self.terminal
            + bytes(3)
        )

    @classmethod
    def decode(cls, content: bytes) -> Transaction:
        """From 32 bytes; ValueError where amount or currency are no decimal digits."""
        _fits("transaction bytes", len(content), TRANSACTION_BYTES, TRANSACTION_BYTES)
        return cls(
            unpredictable_number=content[:8],
            amount_minor=_decimal(content[8:14]),
            currency=_decimal(content[14:16]),
            type=content[16],
            time_s=int.from_bytes(content[17:21], "big"),
            terminal=content[21:29],
        )


@dataclass(frozen=True, slots=True)
class Selected:
    """What SELECT tells; nothing of it is proven before a cryptogram has been checked."""

    uid: bytes
    key_version: int
    state: CardState
    kind: CardKind

    def encode(self) -> bytes:
        """The FCI template."""
        body = (
            bytes([FCI_AID, len(AID)])
            + AID
            + bytes([FCI_KEY_VERSION, 1, self.key_version, FCI_UID, UID_BYTES])
            + self.uid
            + bytes([FCI_STATE, 1, self.state, FCI_KIND, 1, self.kind])
        )
        return bytes([FCI_TEMPLATE, len(body)]) + body

    @classmethod
    def decode(cls, content: bytes) -> Selected:
        """`CardAnswerError` where a part is missing."""
        fields = _fields_of(content)
        uid = fields.get(FCI_UID, b"")
        singles = [fields.get(tag, b"") for tag in (FCI_KEY_VERSION, FCI_STATE, FCI_KIND)]
        if fields.get(FCI_AID) != AID or len(uid) != UID_BYTES or any(len(value) != 1 for value in singles):
            raise CardAnswerError(
                f"SELECT: expected AID, key version, UID, state and kind, got {sorted(fields)}; take a card of ours"
            )
        version, state, kind = (value[0] for value in singles)
        return cls(uid, version, _named(CardState, state, "SELECT"), _named(CardKind, kind, "SELECT"))


@dataclass(frozen=True, slots=True)
class CardFigures:
    """What READ_STATE tells, for reading back what has become of a card that was pulled away."""

    state: CardState
    key_version: int
    counter: int
    chain: int
    uid: bytes

    def encode(self) -> bytes:
        """The 16 bytes."""
        head = bytes([self.state, self.key_version]) + self.counter.to_bytes(3, "big")
        return head + self.chain.to_bytes(CHAIN_BYTES, "big") + self.uid

    @classmethod
    def decode(cls, content: bytes) -> CardFigures:
        """`CardAnswerError` where it is no state."""
        _answer_bytes("READ_STATE", content, STATE_BYTES)
        state = _named(CardState, content[0], "READ_STATE")
        return cls(
            state, content[1], int.from_bytes(content[2:5], "big"), int.from_bytes(content[5:9], "big"), content[9:]
        )


@dataclass(frozen=True, slots=True)
class Cryptogram:
    """A card's answer to GENERATE AC."""

    key_version: int
    counter: int
    flags: int
    """0; kept for later."""
    chain: int
    mac: bytes
    """The application cryptogram, 8 bytes."""

    def encode(self) -> bytes:
        """The 20 bytes."""
        return self.head() + bytes(2) + self.mac

    def head(self) -> bytes:
        """The part of it that the MAC covers: key version, counter, flags, chain."""
        return (
            bytes([self.key_version])
            + self.counter.to_bytes(3, "big")
            + self.flags.to_bytes(2, "big")
            + self.chain.to_bytes(CHAIN_BYTES, "big")
        )

    @classmethod
    def decode(cls, content: bytes) -> Cryptogram:
        """`CardAnswerError` where it is no cryptogram."""
        _answer_bytes("GENERATE_AC", content, CRYPTOGRAM_ANSWER_BYTES)
        return cls(
            key_version=content[0],
            counter=int.from_bytes(content[1:4], "big"),
            flags=int.from_bytes(content[4:6], "big"),
            chain=int.from_bytes(content[6:10], "big"),
            mac=content[12:],
        )


@dataclass(frozen=True, slots=True)
class IssuerAnswer:
    """What the issuer says to a cryptogram."""

    chain: int
    command: int
    mac: bytes

    def encode(self) -> bytes:
        """The 16 bytes."""
        return self.chain.to_bytes(CHAIN_BYTES, "big") + self.command.to_bytes(2, "big") + bytes(2) + self.mac

    @classmethod
    def decode(cls, content: bytes) -> IssuerAnswer:
        """From 16 bytes; ValueError where they are not as many."""
        _fits("issuer answer bytes", len(content), ISSUER_ANSWER_BYTES, ISSUER_ANSWER_BYTES)
        return cls(int.from_bytes(content[:4], "big"), int.from_bytes(content[4:6], "big"), content[8:])


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What makes a blank card somebody's; the key is left out of `repr`."""

    key_version: int
    key: bytes
    chain: int
    card_number: int

    def __repr__(self) -> str:
        return f"PersonalData(key_version={self.key_version}, key=<hidden>, card_number=<hidden>)"

    def encode(self) -> bytes:
        """The 32 bytes; ValueError where a figure does not fit."""
        _fits("key_version", self.key_version, 1, 255)
        _fits("key bytes", len(self.key), KEY_BYTES, KEY_BYTES)
        number = encode_number(self.card_number)
        return bytes([self.key_version]) + self.key + self.chain.to_bytes(CHAIN_BYTES, "big") + number + bytes(1)

    @classmethod
    def decode(cls, content: bytes) -> PersonalData:
        """From 32 bytes; ValueError where they do not have this form."""
        _fits("personal bytes", len(content), PERSONAL_BYTES, PERSONAL_BYTES)
        _fits("key_version", content[0], 1, 255)
        return cls(content[0], content[1:17], int.from_bytes(content[17:21], "big"), _number(content[21:31]))


SELECT = Apdu(Instruction.SELECT.value, AID, 256)
READ_STATE = Apdu(Instruction.READ_STATE.value, b"", 256)
READ_NUMBER = Apdu(Instruction.READ_NUMBER.value, b"", 256)


def generate_ac(transaction: Transaction) -> Apdu:
    """Ask the card for a cryptogram."""
    return Apdu(Instruction.GENERATE_AC.value, transaction.encode(), 256)


def issuer_answer(answer: IssuerAnswer) -> Apdu:
    """Give the card the issuer's answer."""
    return Apdu(Instruction.ISSUER_ANSWER.value, answer.encode())


def personalise(data: PersonalData) -> Apdu:
    """Make a blank card somebody's."""
    return Apdu(Instruction.PERSONALISE.value, data.encode())


def data_of(answer: bytes, command: str) -> bytes:
    """The data of an answer with status 9000; else the status word's error."""
    if len(answer) < 2:
        raise CardAnswerError(f"{command}: expected an answer of 2 bytes or more, got {len(answer)}; repeat")
    status = int.from_bytes(answer[-2:], "big")
    if status != StatusWord.OK:
        raise status_error(status, command)
    return answer[:-2]


def encode_number(card_number: int) -> bytes:
    """A card number as 10 bytes of BCD, filled with F; ValueError where it does not have 8 to 19 digits."""
    text = str(card_number)
    _fits("digits of a card number", len(text), CARD_DIGITS_MIN, CARD_DIGITS_MAX)
    return bytes.fromhex(text.ljust(2 * NUMBER_BYTES, "F"))


def decode_number(content: bytes) -> int:
    """The card number of READ_NUMBER; `CardAnswerError` where it is none."""
    _answer_bytes("READ_NUMBER", content, NUMBER_BYTES)
    try:
        return _number(content)
    except ValueError as error:
        raise CardAnswerError(f"READ_NUMBER: {error}; have the card made anew") from None


def _number(content: bytes) -> int:
    digits = content.hex().rstrip("f")
    if not digits.isdecimal() or not CARD_DIGITS_MIN <= len(digits) <= CARD_DIGITS_MAX or digits[0] == "0":
        raise ValueError(f"expected a card number of {CARD_DIGITS_MIN} to {CARD_DIGITS_MAX} digits, got something else")
    return int(digits)


def _decimal(content: bytes) -> int:
    text = content.hex()
    if not text.isdecimal():
        raise ValueError("expected decimal digits (BCD), got others")
    return int(text)


def _fits(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name}: expected {least} to {most}, got {value}")


def _answer_bytes(command: str, content: bytes, expected_bytes: int) -> None:
    if len(content) != expected_bytes:
        raise CardAnswerError(f"{command}: expected {expected_bytes} bytes, got {len(content)}; present the card again")


def _named(kinds: type[E], value: int, command: str) -> E:
    try:
        return kinds(value)
    except ValueError:
        raise CardAnswerError(f"{command}: expected a {kinds.__name__}, got {value}; a newer card?") from None


def _fields_of(content: bytes) -> dict[int, bytes]:
    """Fields with tags and lengths of one byte inside the FCI template."""
    if len(content) < 2 or content[0] != FCI_TEMPLATE or content[1] != len(content) - 2:
        raise CardAnswerError(f"SELECT: expected an FCI template, got {len(content)} bytes of something else")
    fields, rest = {}, content[2:]
    while rest:
        if len(rest) < 2 or len(rest) < 2 + rest[1]:
            raise CardAnswerError("SELECT: expected whole fields, got a cut one; present the card again")
        fields[rest[0]], rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
    return fields
