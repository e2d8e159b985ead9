"""Who did something to a key, and who agreed: always two, and never the same person twice."""

import unicodedata
from dataclasses import dataclass

from hsm.keyring_errors import PersonNameError, SamePersonError

PERSON_CHARACTERS_MAX = 64  # a full name or a staff number with room to spare
TIME_MS_MAX = 253_402_300_799_999  # the end of year 9999: beyond is a unit mistaken, as in nanoseconds


def person(name: str) -> str:
    """A name as it is kept: Unicode composed, single spaces. `PersonNameError` if empty, too long or not printable."""
    kept = " ".join(unicodedata.normalize("NFKC", name).split())
    if not 1 <= len(kept) <= PERSON_CHARACTERS_MAX or not kept.isprintable():
        raise PersonNameError(
            f"expected a name of 1 to {PERSON_CHARACTERS_MAX} printable characters, got {len(kept)}: give the full name"
        )
    return kept


def check_different(names: list[str]) -> None:
    """Raise `SamePersonError`, by name, if one of `names` comes twice; capitals and width make no difference."""
    seen: dict[str, str] = {}
    for name in map(person, names):
        if name.casefold() in seen:
            raise SamePersonError(f"expected different persons, got {name} twice: have somebody else act")
        seen[name.casefold()] = name


@dataclass(frozen=True, slots=True)
class TwoPeople:
    """Author and approver of an act, and when it was, in milliseconds since 1970 UTC. `SamePersonError` if one."""

    author: str
    approver: str
    time_ms: int

    def __post_init__(self) -> None:
        check_different([self.author, self.approver])
        object.__setattr__(self, "author", person(self.author))
        object.__setattr__(self, "approver", person(self.approver))
        if not 0 <= self.time_ms <= TIME_MS_MAX:
            raise PersonNameError(f"expected a time in milliseconds since 1970, got {self.time_ms}: mind the unit")
