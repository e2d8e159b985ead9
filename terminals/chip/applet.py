"""The applet on our chip cards, contact and contactless alike: bytes of its commands and answers, no input or output.

Short APDUs (ISO 7816-4). Numbers are big-endian.

| command       | bytes                                             | answer (then 9000)                         |
|---------------|---------------------------------------------------|--------------------------------------------|
| SELECT        | `00 A4 04 00 08` AID `00`                         | FCI: AID, version, key version, UID (29)   |
| READ_STATE    | `80 CA 00 C0 00`                                  | state, kind, kv, counter(3), chain(4), UID |
| READ_NUMBER   | `00 B2 01 04 00`                                  | card number, BCD, filled with F (10)       |
| GENERATE_AC   | `80 AE 80 00 20` what is paid (32) `00`           | `hsm.cards.AcAnswer` (20)                  |
| ISSUER_ANSWER | `80 82 00 00 10` chain(4) command(2) 0000 MAC(8)  | nothing                                    |
| PERSONALISE   | `80 DA 00 C0` Lc kv key(16) chain(4) number(10) 00 | nothing; blank cards only, all or nothing |
|               | and for each later version: kv key(16)            |                                            |

GENERATE_AC and ISSUER_ANSWER are described in `hsm.cards`, which has their cryptography.

The counter (ATC) is stored before the MAC over it is made, and never goes back, not even when a card is cleared: the
same key and counter never make two cryptograms. The chain value comes from the issuer and goes back to it in the next
cryptogram, so that of a card and its copy one shows an old value. An issuer answer fits the last cryptogram since the
card got power, and may be tried once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TypeVar

from hsm.cards import APPLICATION_ID, APPLICATION_VERSION, CHAIN_BYTES, UID_BYTES, AcData

from .errors import CardAnswerError, StatusWord, WrongCommandError, status_error

KEY_BYTES = 16
NUMBER_BYTES = 10
STATE_BYTES = 17
PERSONAL_BYTES = 32
HELD_KEY_BYTES = 17
HELD_KEYS_MAX = 13
"""Keys of later versions that fit a short APDU; one or two are usual."""
DATA_BYTES_MAX = 255
"""Of a short APDU."""
CARD_DIGITS_MIN, CARD_DIGITS_MAX = 8, 19

_FCI_HEAD = (
    bytes.fromhex("6F1B8408")
    + APPLICATION_ID
    + bytes.fromhex("9F0802")
    + APPLICATION_VERSION.to_bytes(2, "big")
    + bytes.fromhex("C101")
)
_FCI_UID = bytes.fromhex("C207")
FCI_BYTES = 29


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
    """Keys, card number and chain value are erased; the counter stays."""


GO_OVER = 0x0100
"""Issuer command, to which a key version is added: use the key of that later version, which the card holds, from now
on. It never goes back."""
KEY_VERSION_MAX = 255


def version_to_go_over_to(command: int) -> int | None:
    """The key version that an issuer command names; nothing for other commands."""
    version = command - GO_OVER
    return version if 0 < version <= KEY_VERSION_MAX else None


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
class Selected:
    """What SELECT tells; nothing of it is proven before a cryptogram has been checked.

    The form is `hsm.cards.Selected`, and beyond it key version 0 for a blank card.
    """

    uid: bytes
    key_version: int

    def encode(self) -> bytes:
        """The FCI template."""
        return _FCI_HEAD + bytes([self.key_version]) + _FCI_UID + self.uid

    @classmethod
    def decode(cls, content: bytes) -> Selected:
        """`CardAnswerError` for anything else: ours is the only card that answers to this AID."""
        selected = cls(content[-UID_BYTES:], content[len(_FCI_HEAD)] if len(content) > len(_FCI_HEAD) else 0)
        if len(content) != FCI_BYTES or selected.encode() != content:
            raise CardAnswerError(f"SELECT: expected {FCI_BYTES} bytes of our form, got others; take a card of ours")
        return selected


@dataclass(frozen=True, slots=True)
class CardFigures:
    """What READ_STATE tells, for reading back what has become of a card that was pulled away. Not proven either."""

    state: CardState
    kind: CardKind
    key_version: int
    counter: int
    chain: bytes
    uid: bytes

    def encode(self) -> bytes:
        """The 17 bytes."""
        head = bytes([self.state, self.kind, self.key_version]) + self.counter.to_bytes(3, "big")
        return head + self.chain + self.uid

    @classmethod
    def decode(cls, content: bytes) -> CardFigures:
        """`CardAnswerError` where it is no state."""
        _answer_bytes("READ_STATE", content, STATE_BYTES)
        return cls(
            state=_named(CardState, content[0], "READ_STATE"),
            kind=_named(CardKind, content[1], "READ_STATE"),
            key_version=content[2],
            counter=int.from_bytes(content[3:6], "big"),
            chain=content[6:10],
            uid=content[10:],
        )


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What makes a blank card somebody's; the key is left out of `repr`."""

    key_version: int
    key: bytes
    chain: bytes
    card_number: int
    held_keys: tuple[tuple[int, bytes], ...] = ()
    """Later versions and their keys, ascending: the card goes over to them when its issuer says so."""

    def __repr__(self) -> str:
        return f"PersonalData(key_version={self.key_version}, key=<hidden>, card_number=<hidden>)"

    def encode(self) -> bytes:
        """The 32 bytes, and 17 for each held key; ValueError where a figure does not fit."""
        _fits("key_version", self.key_version, 1, KEY_VERSION_MAX)
        _fits("key bytes", len(self.key), KEY_BYTES, KEY_BYTES)
        _fits("held keys", len(self.held_keys), 0, HELD_KEYS_MAX)
        before = self.key_version
        for version, key in self.held_keys:
            _fits("version of a held key", version, before + 1, KEY_VERSION_MAX)
            _fits("bytes of a held key", len(key), KEY_BYTES, KEY_BYTES)
            before = version
        _fits("chain bytes", len(self.chain), CHAIN_BYTES, CHAIN_BYTES)
        number = encode_number(self.card_number)
        held = b"".join(bytes([version]) + key for version, key in self.held_keys)
        return bytes([self.key_version]) + self.key + self.chain + number + bytes(1) + held

    @classmethod
    def decode(cls, content: bytes) -> PersonalData:
        """From 32 bytes, and 17 for each held key; ValueError where they do not have this form."""
        held, rest = divmod(len(content) - PERSONAL_BYTES, HELD_KEY_BYTES)
        _fits("personal bytes", len(content), PERSONAL_BYTES, PERSONAL_BYTES + HELD_KEYS_MAX * HELD_KEY_BYTES)
        _fits("bytes behind held keys", rest, 0, 0)
        rows = [content[PERSONAL_BYTES + number * HELD_KEY_BYTES :][:HELD_KEY_BYTES] for number in range(held)]
        keys = tuple((row[0], row[1:]) for row in rows)
        data = cls(content[0], content[1:17], content[17:21], _number(content[21:31]), keys)
        data.encode()  # versions that do not rise
        return data


SELECT = Apdu(Instruction.SELECT.value, APPLICATION_ID, 256)
READ_STATE = Apdu(Instruction.READ_STATE.value, b"", 256)
READ_NUMBER = Apdu(Instruction.READ_NUMBER.value, b"", 256)


def generate_ac(data: AcData) -> Apdu:
    """Ask the card for a cryptogram about a payment."""
    return Apdu(Instruction.GENERATE_AC.value, data.pack(), 256)


def issuer_answer(answer: bytes) -> Apdu:
    """Give the card the issuer's answer (`hsm.cards.issuer_answer`, 16 bytes)."""
    return Apdu(Instruction.ISSUER_ANSWER.value, answer)


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
    _fits("digits of a card number", len(text) if text.isdecimal() else 0, CARD_DIGITS_MIN, CARD_DIGITS_MAX)
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
