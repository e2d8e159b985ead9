"""The switch's numbers as words for programs: the names of the protocol in small letters, the same in each language."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from litestar.exceptions import ValidationException

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import AlarmKind, AlarmState, CardOperation, CardStatus, MessageType, OrganisationNode


def words_of(enumeration: type[enum.IntEnum]) -> dict[int, str]:
    """Members of an enumeration as programs read them: small letters, parted by hyphens."""
    return {int(member): member.name.lower().replace("_", "-") for member in enumeration}


TYPE_WORDS = words_of(MessageType)
CODE_WORDS = words_of(ResponseCode)
STATUS_WORDS = words_of(CardStatus)
OPERATION_WORDS = words_of(CardOperation)
ALARM_WORDS = words_of(AlarmKind)
ALARM_STATE_WORDS = words_of(AlarmState)
NODE_WORDS = words_of(OrganisationNode)


def code_word(code: int) -> str:
    """A response code; its number when this version does not know it."""
    return CODE_WORDS.get(code, str(code))


def number_of(words: Mapping[int, str], word: str, field: str) -> int | None:
    """The number of a word that a program sent as a filter; None for an empty one."""
    if not word:
        return None
    for number, known in words.items():
        if known == word:
            return number
    raise ValidationException(
        extra=[{"key": field, "message": f"Expected one of {', '.join(words.values())}, got {word[:40]!r}"}]
    )
