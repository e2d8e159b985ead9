"""Commands to a card in a reader, each with its answer understood."""

from __future__ import annotations

from typing import Protocol

from hsm.cards import AcAnswer, AcData
from hsm.data_errors import CardDataError

from .applet import (
    READ_NUMBER,
    READ_STATE,
    SELECT,
    Apdu,
    CardFigures,
    PersonalData,
    Selected,
    data_of,
    decode_number,
    generate_ac,
    issuer_answer,
    personalise,
)
from .errors import CardAnswerError


class Exchange(Protocol):
    """Whatever takes commands to a card: a `ChipReader`."""

    def exchange(self, command: bytes) -> bytes:
        """The answer, data and status word."""
        ...


def select_applet(reader: Exchange) -> Selected:
    """Begin with a card; `AppletMissingError` where it is none of ours."""
    return Selected.decode(_ask(reader, SELECT))


def read_figures(reader: Exchange) -> CardFigures:
    """State, counter and chain value as they stand on the card."""
    return CardFigures.decode(_ask(reader, READ_STATE))


def read_card_number(reader: Exchange) -> int:
    """The card number; `CardConditionsError` on a blank card."""
    return decode_number(_ask(reader, READ_NUMBER))


def generate_cryptogram(reader: Exchange, data: AcData) -> AcAnswer:
    """Have the card authenticate a payment; its counter rises whether or not the answer arrives."""
    try:
        return AcAnswer.unpack(_ask(reader, generate_ac(data)))
    except CardDataError as error:
        raise CardAnswerError(f"GENERATE_AC: {error}; present the card again") from None


def give_issuer_answer(reader: Exchange, answer: bytes) -> None:
    """Have the card take the issuer's answer to its last cryptogram; `CardSecurityError` where it is not that."""
    _ask(reader, issuer_answer(answer))


def write_personal_data(reader: Exchange, data: PersonalData) -> None:
    """Make a blank card somebody's; `CardConditionsError` when it is not blank."""
    _ask(reader, personalise(data))


def _ask(reader: Exchange, command: Apdu) -> bytes:
    name = command.instruction.name if command.instruction else command.header.hex()
    return data_of(reader.exchange(command.encode()), name)
