"""What a member is found by: rows of `member_keys`, made from the record and nothing else.

One table serves every kind of search with a walk along one index: the key
begins with a byte for its kind.  Names are there from each character on, so
that a part of a name is the beginning of a key; SQLite's and PostgreSQL's own
text search finds no two Chinese characters.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from admin.models.members import KEY_BYTES_MAX, ContactKind

from .identity import LAST_DIGITS
from .seals import Vault

os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")  # a sixth of the start, and names are no phrases
from pypinyin import Style, pinyin

NAME, INITIALS, PINYIN, CODE = b"n", b"p", b"y", b"c"
PHONE, PHONE_LAST, ID_NUMBER, ID_LAST, EMAIL = b"t", b"l", b"i", b"j", b"e"
PARTS_MAX = 12
"""Beginnings of a name that are indexed: a company of more words is found by its first ones."""
READINGS_MAX = 4
"""Of a surname; 单, 仇 or 曾 have two."""
_ASCII_WORD = re.compile(r"[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Findable:
    """What keys are made of."""

    name: str
    code: str = ""
    id_number: str = ""
    contacts: tuple[tuple[str, str], ...] = ()
    """(kind, value) of each."""


def keys_of(vault: Vault, found: Findable) -> set[bytes]:
    """All keys of a member."""
    keys = {NAME + part for part in name_parts(found.name)}
    initials, syllables = readings(found.name)
    keys |= {_cut(INITIALS + one.encode()) for one in initials} | {_cut(PINYIN + one.encode()) for one in syllables}
    if found.code:
        keys.add(_cut(CODE + folded(found.code).encode()))
    if found.id_number:
        keys.add(ID_NUMBER + vault.blind(ID_NUMBER, found.id_number))
        keys.add(ID_LAST + vault.blind(ID_LAST, found.id_number[-LAST_DIGITS:]))
    for kind, value in found.contacts:
        if kind == ContactKind.EMAIL:
            keys.add(EMAIL + vault.blind(EMAIL, value))
        else:
            keys.add(PHONE + vault.blind(PHONE, value))
            keys.add(PHONE_LAST + vault.blind(PHONE_LAST, value[-LAST_DIGITS:]))
    return keys


def folded(text: str) -> str:
    """A text as it is compared: full width, capitals and blanks make no difference."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def name_parts(name: str) -> set[bytes]:
    """The name from each of its characters on; of Latin words from each word on."""
    text = unicodedata.normalize("NFKC", name).casefold()
    starts = [n for n in range(len(text)) if not text[n].isspace() and not _is_within_word(text, n)]
    return {_cut(NAME + folded(text[start:]).encode())[len(NAME) :] for start in islice(starts, PARTS_MAX)}


def _is_within_word(text: str, n: int) -> bool:
    return n > 0 and _ASCII_WORD.match(text[n]) is not None and _ASCII_WORD.match(text[n - 1]) is not None


def readings(name: str) -> tuple[set[str], set[str]]:
    """(initials, whole pinyin) of a name with Chinese characters, for each reading of its surname; else nothing."""
    characters = [one for one in folded(name) if "㐀" <= one <= "鿿"]
    if not characters:
        return set(), set()
    first, rest = _syllables(characters[0]), [_syllables(one)[0] for one in islice(characters[1:], PARTS_MAX)]
    wholes = {"".join([one, *rest]) for one in first}
    return {"".join(part[0] for part in [one, *rest]) for one in first}, wholes


@lru_cache(maxsize=16_384)  # nearly all characters of names
def _syllables(character: str) -> tuple[str, ...]:
    found = pinyin(character, style=Style.NORMAL, heteronym=True)[0]
    return tuple(dict.fromkeys(one.replace("ü", "v") for one in islice(found, READINGS_MAX)))


def _cut(key: bytes) -> bytes:
    """A key no longer than the column, cut between characters."""
    return key[:KEY_BYTES_MAX].decode("utf-8", "ignore").encode()


def beginning(kind: bytes, text: str) -> tuple[bytes, bytes]:
    """(first, behind) of the keys of a kind that begin with a text."""
    first = _cut(kind + text.encode())
    return first, _behind(first)


def _behind(prefix: bytes) -> bytes:
    """The least bytes that are above all that begin with some; the kind byte is below 255, so there are some."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1])


def rows_of(member_id: int, keys: Iterable[bytes]) -> Iterator[dict[str, object]]:
    """Rows of `member_keys`."""
    for key in sorted(keys):
        yield {"key": key, "member_id": member_id}
