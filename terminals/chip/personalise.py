"""Making chip cards: key, number and first chain value onto a blank card, read back and proven; and clearing them.

The key of a card is derived from an issuer master key and the UID of its chip, so that it is worth nothing on another.
Made means proven: the card has made a cryptogram with the key that the switch will expect. That uses up one value of
its counter, which the switch allows for (`hsm.cards`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hsm.cards import AcAnswer, AcData, CardPurpose, card_key, cryptogram_fits, issuer_answer

from .applet import CardFigures, CardKind, CardState, IssuerCommand, PersonalData, encode_number
from .card import (
    Exchange,
    generate_cryptogram,
    give_issuer_answer,
    read_card_number,
    read_figures,
    select_applet,
    write_personal_data,
)
from .errors import ChipError

if TYPE_CHECKING:
    from typing_extensions import Buffer

PROOF_TYPE = 0
"""Kind of transaction of a cryptogram that pays nothing."""
PROOF_TERMINAL = bytes(8)
NO_CHAIN = bytes(4)


class CardNotBlankError(ChipError):
    """The card is somebody's already."""


class CardMismatchError(ChipError):
    """What was read back is not what was written, or the card has another key."""


class LiveKeyError(ChipError):
    """A live key may not get onto a training card, whose file anybody may copy."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """An issuer master key for cryptograms (purpose AC), by version; never shown in `repr`.

    `master_key` is any buffer, so that it may stay in a slot of locked memory. `is_live` is whether real cards are
    made with it.
    """

    key_version: int
    master_key: Buffer
    is_live: bool

    def __repr__(self) -> str:
        return f"IssuerKey(key_version={self.key_version}, master_key=<hidden>, is_live={self.is_live})"

    def card_key(self, uid: bytes) -> bytes:
        """The key of the card with this UID."""
        return card_key(self.master_key, CardPurpose.AC, self.key_version, uid)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a cryptogram without payment is made about: fresh chance and the time."""

    unpredictable_number: bytes
    """8 bytes, never the same twice."""
    time_s: int

    def data(self) -> AcData:
        """As the card gets it: amount and currency 0."""
        return AcData(self.unpredictable_number, 0, 0, PROOF_TYPE, self.time_s, PROOF_TERMINAL)


def make_card(
    reader: Exchange,
    issuer_key: IssuerKey,
    card_number: int,
    chain: bytes,
    proof: Proof,
    *,
    later_keys: Sequence[IssuerKey] = (),
    allow_live_key_on_training_card: bool = False,
) -> CardFigures:
    """Make the card in the reader; its figures as read back, for the switch to begin with.

    May be repeated with the same chain value after `CardLostError` or `ReaderTimeoutError`: a card that has all of it
    already is only read back and proven. `later_keys` are issuer keys of later versions, ascending, for the card to go
    over to (the highest is `key_version_held` of its medium record).

    `CardNotBlankError` for another's card, `LiveKeyError`, `CardMismatchError`, ValueError for a number that no card
    can have.
    """
    encode_number(card_number)
    selected = select_applet(reader)
    figures = read_figures(reader)
    has_live_key = any(key.is_live for key in (issuer_key, *later_keys))
    if figures.kind is CardKind.TRAINING and has_live_key and not allow_live_key_on_training_card:
        raise LiveKeyError(
            "training card: expected a training key, got a live one; take a real card, or make the card with a"
            " training key"
        )
    if figures.state is CardState.BLANK:
        key = issuer_key.card_key(selected.uid)
        held = tuple((later.key_version, later.card_key(selected.uid)) for later in later_keys)
        write_personal_data(reader, PersonalData(issuer_key.key_version, key, chain, card_number, held))
    elif figures.state is not CardState.ISSUED or read_card_number(reader) != card_number:
        raise CardNotBlankError(
            f"card: expected a blank one, got one that is {figures.state.name}; clear it, or take another"
        )
    return check_card(reader, issuer_key, card_number, chain, proof)


def check_card(reader: Exchange, issuer_key: IssuerKey, card_number: int, chain: bytes, proof: Proof) -> CardFigures:
    """Read a card back, and have it prove its key: its figures afterwards. `CardMismatchError` names what differs."""
    selected = select_applet(reader)
    figures = read_figures(reader)
    differing = [
        name
        for name, is_same in {
            "state": figures.state is CardState.ISSUED,
            "UID": figures.uid == selected.uid,
            "key version": figures.key_version == selected.key_version == issuer_key.key_version,
            "chain value": figures.chain == chain,
            "card number": figures.state is not CardState.BLANK and read_card_number(reader) == card_number,
        }.items()
        if not is_same
    ]
    if not differing and _proven(reader, issuer_key, selected.uid, proof) is None:
        differing = ["key"]
    if differing:
        raise CardMismatchError(
            f"card: expected what was written, got another {', '.join(differing)}; clear the card and make it again,"
            " and put it aside if that repeats"
        )
    return read_figures(reader)


def clear_card(reader: Exchange, issuer_key: IssuerKey, proof: Proof) -> CardFigures:
    """Make the card in the reader blank again; its figures as read back. A blank card is left as it is.

    Only the issuer can: the card takes the command under the MAC of an answer to its own cryptogram.
    `CardBlockedError` for a blocked card, which stays as it is.
    """
    selected = select_applet(reader)
    figures = read_figures(reader)
    if figures.state is CardState.BLANK:
        return figures
    answer = _proven(reader, issuer_key, selected.uid, proof)
    if answer is None:
        raise CardMismatchError(
            f"card: expected one made with this issuer key, version {issuer_key.key_version}, got one of version"
            f" {selected.key_version} or another key; name the key that it was made with"
        )
    key = issuer_key.card_key(selected.uid)
    give_issuer_answer(reader, issuer_answer(key, selected.uid, answer, NO_CHAIN, IssuerCommand.CLEAR))
    select_applet(reader)
    after = read_figures(reader)
    if after.state is not CardState.BLANK or after.counter < answer.atc:
        raise CardMismatchError(
            f"card: expected it to be blank and its counter to be {answer.atc} or more, got {after.state.name} and"
            f" {after.counter}; destroy the card"
        )
    return after


def _proven(reader: Exchange, issuer_key: IssuerKey, uid: bytes, proof: Proof) -> AcAnswer | None:
    """The card's cryptogram, when it is of the key that it should have."""
    data = proof.data()
    answer = generate_cryptogram(reader, data)
    is_genuine = answer.key_version == issuer_key.key_version and cryptogram_fits(
        issuer_key.card_key(uid), uid, data.pack(), answer
    )
    return answer if is_genuine else None
