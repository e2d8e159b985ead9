"""What can go wrong between a terminal and a chip card.

Status words (ISO 7816-4, 5.6) that callers treat differently have a class each; all others are a `CardStatusError`
with the number in `status`.
"""

from __future__ import annotations

from enum import IntEnum

from terminals.errors import TerminalError


class ChipError(TerminalError):
    """Base: reader, card or their service did not do as asked."""


class CardServiceError(ChipError):
    """The PC/SC service (pcscd) or its Python binding is not there."""


class ReaderNotFoundError(ChipError):
    """No reader of that name, or none at all; unplugged perhaps."""


class ReaderBusyError(ChipError):
    """Another program has the card for itself."""


class ReaderTimeoutError(ChipError):
    """The watchdog gave up on a call; the card in the reader is ignored until it has been taken out."""


class NoCardError(ChipError):
    """No card was presented in time."""


class CardLostError(ChipError):
    """Pulled out, or its answer could not be read; whether the command was carried out is not known."""


class CardAnswerError(ChipError):
    """The card reported success, but with an answer that does not have the form of one."""


class WrongCommandError(ChipError):
    """Bytes that are no command (short APDU of ISO 7816-4)."""


class StatusWord(IntEnum):
    """Status words that the applet gives (ISO 7816-4, tables 5 and 6)."""

    OK = 0x9000
    WRONG_LENGTH = 0x6700
    SECURITY_STATUS = 0x6982
    """A MAC was wrong."""
    BLOCKED = 0x6983
    CONDITIONS = 0x6985
    """Not now: not selected, blank, made already, counter used up, or nothing to answer."""
    WRONG_DATA = 0x6A80
    NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    MEMORY = 0x6581
    """Could not be stored; nothing was changed."""
    WRONG_P1_P2 = 0x6A86
    REFERENCE_NOT_FOUND = 0x6A88
    INSTRUCTION_UNKNOWN = 0x6D00
    CLASS_UNKNOWN = 0x6E00


class CardStatusError(ChipError):
    """The card refused a command with the status word in `status`."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class AppletMissingError(CardStatusError):
    """6A82: no card of ours, or the applet is not on it."""


class CardSecurityError(CardStatusError):
    """6982: the card found a MAC wrong, so the answer was not from its issuer, or for another cryptogram."""


class CardBlockedError(CardStatusError):
    """6983: the issuer has blocked this card for good."""


class CardConditionsError(CardStatusError):
    """6985: not in this state of the card."""


class CardMemoryError(CardStatusError):
    """6581: the card could not store, and has changed nothing."""


_CLASSES: dict[int, tuple[type[CardStatusError], str]] = {
    StatusWord.NOT_FOUND: (AppletMissingError, "take a card of this group"),
    StatusWord.SECURITY_STATUS: (CardSecurityError, "begin a new transaction; after three times have the card checked"),
    StatusWord.BLOCKED: (CardBlockedError, "replace the card"),
    StatusWord.CONDITIONS: (CardConditionsError, "present the card again, or see its state with `device card read`"),
    StatusWord.MEMORY: (CardMemoryError, "present the card again; replace it if that repeats"),
}


def status_error(status: int, command: str) -> CardStatusError:
    """The error for a status word other than 9000 that `command` was answered with."""
    form, advice = _CLASSES.get(status, (CardStatusError, "see the card's documentation for this status"))
    name = next((f" {word.name}" for word in StatusWord if word == status), "")
    return form(f"{command}: expected status 9000, got {status:04X}{name}; {advice}", status)
