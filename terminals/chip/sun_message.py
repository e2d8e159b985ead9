"""Tags of the kind NTAG 424 DNA (NXP): reading the web address that they show, and taking it apart.

The tag enciphers its UID and counter into the address anew at each reading and adds a MAC (SUN, NXP AN12196);
`hsm.sun` checks them. A tag answers no challenge: it identifies a customer, and is no means of payment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from .applet import Apdu, data_of
from .card import Exchange
from .errors import ChipError

PICC_DATA_BYTES = 16
"""One block: UID and counter, enciphered."""
TAG_MAC_BYTES = 8
NDEF_APPLICATION = bytes.fromhex("D2760000850101")
"""NFC Forum, Type 4 Tag, 5.5.2."""
NDEF_FILE = bytes.fromhex("E104")
"""As NTAG 424 has it from the factory."""
READ_BYTES_MAX = 128
MESSAGE_BYTES_MAX = 254
"""The NDEF file of an NTAG 424 has 256 bytes, two of them its length."""
URL_CHARACTERS_MAX = 512
URI_RECORD = bytes.fromhex("D101")
"""One short record of a well-known type whose name has one letter (NFC Forum, NDEF, 3.2)."""
URI_TYPE = b"U"
URI_PREFIXES = ("", "http://www.", "https://www.", "http://", "https://")
"""Abbreviations 0 to 4 (NFC Forum, URI record, table 3)."""
PICC_DATA_NAMES = ("picc_data", "e")
"""What AN12196 calls the parameter, and what its shorter example does."""
MAC_NAMES = ("cmac", "c")


class SunMessageError(ChipError):
    """What the tag shows is not an address of the expected form."""


@dataclass(frozen=True, slots=True)
class SunMessage:
    """What is of use in the address; nothing of it is proven before `hsm.sun` has checked it.

    Other parts of the address are not covered by the MAC: the tag is set up with an empty text to sign.
    """

    picc_data: bytes
    mac: bytes


def parse_sun_url(url: str) -> SunMessage:
    """`https://…?picc_data=32 hex digits&cmac=16 hex digits`, also with `e` and `c`; else `SunMessageError`."""
    if len(url) > URL_CHARACTERS_MAX:
        raise SunMessageError(f"tag: expected at most {URL_CHARACTERS_MAX} characters, got {len(url)}; {_HINT}")
    try:
        query = parse_qs(urlsplit(url).query, keep_blank_values=True, max_num_fields=16)
    except ValueError:
        raise SunMessageError(f"tag: expected a web address, got something else; {_HINT}") from None
    return SunMessage(
        _hex_parameter(query, PICC_DATA_NAMES, PICC_DATA_BYTES), _hex_parameter(query, MAC_NAMES, TAG_MAC_BYTES)
    )


def read_tag_url(reader: Exchange) -> str:
    """The address that a tag in the field shows at this reading; `SunMessageError` where it shows none.

    `AppletMissingError` where it is no tag with an NDEF application.
    """
    data_of(reader.exchange(Apdu(bytes.fromhex("00A40400"), NDEF_APPLICATION, 256).encode()), "SELECT NDEF")
    data_of(reader.exchange(Apdu(bytes.fromhex("00A4000C"), NDEF_FILE).encode()), "SELECT FILE")
    message_bytes = int.from_bytes(_read_binary(reader, 0, 2), "big")
    if not 0 < message_bytes <= MESSAGE_BYTES_MAX:
        raise SunMessageError(
            f"tag: expected a message of 1 to {MESSAGE_BYTES_MAX} bytes, got {message_bytes}; {_HINT}"
        )
    message = b""
    while len(message) < message_bytes:
        message += _read_binary(reader, 2 + len(message), min(READ_BYTES_MAX, message_bytes - len(message)))
    return parse_uri_record(message)


def parse_uri_record(message: bytes) -> str:
    """The address in an NDEF message that is one URI record; else `SunMessageError`."""
    payload = message[4:]
    is_uri = (
        len(payload) > 1
        and message[:2] == URI_RECORD
        and message[2] == len(payload)
        and message[3:4] == URI_TYPE
        and payload[0] < len(URI_PREFIXES)
        and payload[1:].isascii()
    )
    if not is_uri:
        raise SunMessageError(f"tag: expected one URI record, got {len(message)} bytes of something else; {_HINT}")
    return URI_PREFIXES[payload[0]] + payload[1:].decode("ascii")


_HINT = "take a tag of this group, or set this one up again"


def _read_binary(reader: Exchange, offset: int, count: int) -> bytes:
    command = Apdu(b"\x00\xb0" + offset.to_bytes(2, "big"), b"", count)
    content = data_of(reader.exchange(command.encode()), "READ BINARY")
    if len(content) != count:
        raise SunMessageError(f"tag: expected {count} bytes, got {len(content)}; hold it still and read again")
    return content


def _hex_parameter(query: dict[str, list[str]], names: tuple[str, ...], expected_bytes: int) -> bytes:
    values = [value for name in names for value in query.get(name, [])]
    if len(values) != 1 or not re.fullmatch(rf"[0-9A-Fa-f]{{{2 * expected_bytes}}}", values[0]):
        raise SunMessageError(
            f"tag: expected {names[0]} once, with {2 * expected_bytes} hex digits, got {len(values)} of them or another"
            f" length; {_HINT}"
        )
    return bytes.fromhex(values[0])
