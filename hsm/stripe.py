"""Track 2 of a magnetic stripe: ISO 7813 with our own discretionary data.

    ; number (8 to 16) = expiry YYMM (4) service code (3) key version (1) issue serial (1) CVV (3) ticket (3) MAC (5) ?

The CVV stops invented cards. The rolling ticket (jitter) stops the second copy of a skimmed one: a terminal with an
encoder writes the next ticket at each use, and an old ticket with a right MAC is a copy. With a number of 16 digits
this is 39 characters and the LRC, all that fits on the track (40).
"""

import re
from dataclasses import dataclass
from hmac import compare_digest

from hsm._primitives import Buffer, aes_cmac, digits, number
from hsm.card_values import card_verification_value
from hsm.cards import card_number_unique
from hsm.data_errors import CardDataError

TRACK_CHARACTERS_MAX = 40  # ISO 7811: with both sentinels and the LRC
TICKET_MAX = (1 << 32) - 1  # a u32 with the issuer; the stripe shows the last three digits
TICKET_SHOWN = 1000
_TICKET_MAC_DIGITS = 5  # guess chance 1e-5 a try: the issuer counts failures
_TRACK = re.compile(r";(\d{8,16})=(\d{4})(\d{3})(\d)(\d)(\d{3})(\d{3})(\d{5})\?([0-?])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Track2:
    """What a stripe of ours says, not yet judged. Its repr masks the number."""

    card_number: str
    expiry_yymm: str
    service_code: str
    key_version_digit: int
    issue_digit: int
    cvv: str
    ticket_shown: int
    ticket_mac: str

    def __repr__(self) -> str:
        return f"Track2({self.card_number[:6]}...{self.card_number[-4:]}, ticket ...{self.ticket_shown:03d})"


def ticket_mac(jitter_key: Buffer, key_version: int, card_number: str, expiry_yymm: str, ticket: int) -> str:
    """5 digits: CMAC(K, "J" | key version (1) | number BCD (8) | expiry YYMM BCD (2) | 00 | ticket (4)),

    the first 8 bytes mod 10^5. `jitter_key` is the card's (CardPurpose.JITTER).
    """
    number(key_version, range(1, 256), "a key version")
    number(ticket, range(TICKET_MAX + 1), "a ticket")
    expiry = bytes.fromhex(digits(expiry_yymm, range(4, 5), "an expiry"))
    message = b"J" + bytes([key_version]) + card_number_unique(card_number) + expiry + b"\0" + ticket.to_bytes(4, "big")
    value = int.from_bytes(aes_cmac(jitter_key, message)[:8], "big") % 10**_TICKET_MAC_DIGITS
    return f"{value:0{_TICKET_MAC_DIGITS}d}"


def make_track2(
    cvk: Buffer,
    jitter_key: Buffer,
    key_version: int,
    card_number: str,
    expiry_yymm: str,
    service_code: str,
    issue: int,
    ticket: int,
) -> str:
    """Both sentinels and what is between, without the LRC (`lrc`). Key version and issue show their last digit."""
    cvv = card_verification_value(cvk, card_number, expiry_yymm, service_code)
    mac = ticket_mac(jitter_key, key_version, card_number, expiry_yymm, ticket)
    number(issue, range(1 << 16), "an issue serial")
    own = f"{key_version % 10}{issue % 10}{cvv}{ticket % TICKET_SHOWN:03d}{mac}"
    return f";{card_number}={expiry_yymm}{service_code}{own}?"


def parse_track2(track: str) -> Track2:
    """The fields of a stripe, with or without LRC. `CardDataError` if not of our form or the LRC does not fit."""
    found = _TRACK.fullmatch(track)
    if found is None:
        raise CardDataError(f"expected track 2 of a stripe of ours, got {len(track)} other characters: swipe again")
    if found[9] is not None and found[9] != lrc(track[:-1]):
        raise CardDataError("expected an LRC that fits track 2, got another: swipe again, slower")
    return Track2(found[1], found[2], found[3], int(found[4]), int(found[5]), found[6], int(found[7]), found[8])


def lrc(track: str) -> str:
    """Longitudinal redundancy check of ISO 7811: XOR of the 4-bit characters from `;` to `?`, as a character."""
    value = 0
    for character in track:
        value ^= ord(character) - ord("0")
    return chr(ord("0") + value)


def cvv_fits(cvk: Buffer, track: Track2) -> bool:
    """Whether the issuer made this number, expiry and service code."""
    return compare_digest(
        card_verification_value(cvk, track.card_number, track.expiry_yymm, track.service_code), track.cvv
    )


def ticket_fits(jitter_key: Buffer, key_version: int, track: Track2, ticket: int) -> bool:
    """Whether the stripe carries this whole ticket: shown digits and MAC.

    The issuer tries the current ticket and the one written but not confirmed; an earlier one that fits is a copy.
    """
    genuine = ticket_mac(jitter_key, key_version, track.card_number, track.expiry_yymm, ticket)
    return track.ticket_shown == ticket % TICKET_SHOWN and compare_digest(genuine, track.ticket_mac)
