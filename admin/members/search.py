"""Finding members while typing, and listing them: walks along indexes, paged by key.

What was typed says by its form what it can be: digits are a member number, a
telephone (whole or its last four), an ID number or a card; Latin letters are
pinyin or a Latin name; anything else is part of a name.  Each of these is a
way, asked one after the other.  Keys are read in portions and members by
their numbers, so that no planner can choose to read the whole table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, false, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.card_search import DIGITS_MAX, DIGITS_MIN
from admin.models.members import Member, MemberGroup, MemberState, MemberTag, member_keys
from admin.models.mirror import cards
from admin.service import Service

from .groups import group_seen, members_of_group
from .holdings import member_of, owners
from .identity import LAST_DIGITS, RESIDENT, read_email, read_id_number, read_phone
from .keys import (
    CODE,
    EMAIL,
    ID_LAST,
    ID_NUMBER,
    INITIALS,
    NAME,
    PHONE,
    PHONE_LAST,
    PINYIN,
    beginning,
    folded,
    name_parts,
)
from .seals import Vault

PORTION_FIRST, PORTION_MAX = 100, 2_000
SCANNED_MAX = 20_000
"""Keys read for one page; a page may then be short, and goes on behind the last one."""
TYPED_LENGTH_MAX = 60
NAMED_MAX = 100
"""Members whose cards a search for cards shows; more of a name are told apart by typing more."""
PHONE_DIGITS_MIN = 5
_LATIN = re.compile(r"[a-z0-9][a-z0-9 .&'\-]*")
FILTER_COLUMNS: dict[str, Any] = {
    "state": Member.state,
    "level": Member.level_id,
    "class": Member.member_class,
    "region": Member.region,
    "industry": Member.industry,
    "source": Member.source,
    "organisation": Member.organisation_id,
}
FILTERS = (*FILTER_COLUMNS, "tag", "group")


@dataclass(frozen=True, slots=True)
class Way:
    """One way of finding: keys in a range, or a member whose number is known."""

    first: bytes = b""
    behind: bytes = b""
    """Empty: `first` and no other."""
    number: int = 0
    is_exact: bool = False
    """Whether a whole number was given: it finds members of other stores too, for service."""


@dataclass(slots=True)
class Found:
    """A page of members."""

    members: list[Member] = field(default_factory=list)
    cursor: str = ""
    """Where the next page begins; empty: this is the last."""


def ways_of(session: Session, vault: Vault, text: str) -> list[Way]:
    """What was typed, as ways; none: nothing can be found."""
    typed = folded(text)[:TYPED_LENGTH_MAX]
    if not typed:
        return []
    ways: list[Way] = []
    digits = re.sub(r"[\s\-+()]", "", typed)
    if digits.isascii() and digits.isdecimal():
        if len(digits) <= 15:
            ways.append(Way(number=int(digits), is_exact=True))
        if len(digits) == LAST_DIGITS:
            ways.append(Way(PHONE_LAST + vault.blind(PHONE_LAST, digits)))
            ways.append(Way(ID_LAST + vault.blind(ID_LAST, digits)))
        if len(digits) >= PHONE_DIGITS_MIN and (phone := read_phone(typed)):
            ways.append(Way(PHONE + vault.blind(PHONE, phone), is_exact=True))
        if DIGITS_MIN <= len(digits) <= DIGITS_MAX and (holder := _holder(session, int(digits))):
            ways.append(Way(number=holder, is_exact=True))
        ways.append(Way(*beginning(CODE, digits)))
    for kind in (RESIDENT, 0):
        if len(typed) >= 6 and (number := read_id_number(kind, typed)):
            ways.append(Way(ID_NUMBER + vault.blind(ID_NUMBER, number), is_exact=True))
            break
    if address := read_email(text):
        ways.append(Way(EMAIL + vault.blind(EMAIL, address), is_exact=True))
    elif _LATIN.fullmatch(typed) and not digits.isdecimal():
        ways += [Way(*beginning(kind, typed)) for kind in (INITIALS, PINYIN, NAME, CODE)]
    elif not digits.isdecimal():
        ways.append(Way(*beginning(NAME, typed)))
    return ways


def _holder(session: Session, card_number: int) -> int:
    account = session.scalar(select(cards.c.account_number).where(cards.c.card_number == card_number))
    return member_of(session, account) if account else 0


def conditions_of(
    session: Session, visitor: Visitor, filters: Mapping[str, str], today: date
) -> list[ColumnElement[bool]]:
    """Conditions for the filters of a list; one that cannot hold for anything finds nothing."""
    found: list[ColumnElement[bool]] = []
    for name, column in FILTER_COLUMNS.items():
        if text := filters.get(name):
            is_number = text.isascii() and text.isdecimal() and len(text) <= 15
            if name == "state":
                found.append(column == text[:10])
            else:
                found.append(column == int(text) if is_number else column == -1)
    if not filters.get("state"):
        found.append(Member.state != MemberState.MERGED)
    if tag := filters.get("tag"):
        found.append(select(MemberTag.tag).where(MemberTag.member_id == Member.id, MemberTag.tag == tag).exists())
    if group := filters.get("group"):
        row: MemberGroup | None = (
            group_seen(session, visitor, int(group)) if group.isdecimal() and len(group) <= 15 else None
        )
        found.append(members_of_group(session, row, today) if row is not None else false())
    return found


def list_members(
    session: Session,
    vault: Vault,
    visitor: Visitor,
    text: str,
    conditions: Sequence[ColumnElement[bool]],
    cursor: str,
    rows_max: int,
) -> Found:
    """One page: what was typed, or everybody in the order of numbers (for a part of the organisation: by owner)."""
    if text.strip():
        return _searched(session, vault, visitor, text, conditions, cursor, rows_max)
    return _listed(session, visitor, conditions, cursor, rows_max)


def served_elsewhere(session: Session, vault: Vault, visitor: Visitor, text: str) -> list[Member]:
    """Members of other stores that a whole number names: to be served, not to be changed."""
    if visitor.sees_everything:
        return []
    numbers: list[int] = []
    for way in ways_of(session, vault, text):
        if way.is_exact and way.number and len(folded(text)) >= DIGITS_MIN:
            numbers.append(way.number)  # the holder of a card that is at hand; short numbers could be tried out
        elif way.is_exact and way.first:
            numbers += session.scalars(select(member_keys.c.member_id).where(member_keys.c.key == way.first).limit(5))
    query = select(Member).where(Member.id.in_(numbers), Member.organisation_id.not_in(visitor.organisation_ids))
    return list(session.scalars(query.where(Member.state != MemberState.MERGED)))


def held_by_named(session: Session, service: Service, visitor: Visitor, text: str) -> list[int]:
    """Accounts of members of the visitor's part whom a text names, at most those of `NAMED_MAX` members."""
    found = list_members(session, Vault(service), visitor, text, [], "", NAMED_MAX)
    held = owners([member.id for member in found.members])
    return list(session.scalars(select(held.c.account_number))) if found.members else []


def _listed(
    session: Session, visitor: Visitor, conditions: Sequence[ColumnElement[bool]], cursor: str, rows_max: int
) -> Found:
    """By number; one walk along an index for each owner, for a part of the organisation."""
    owner_behind, number_behind = _numbers(cursor, 2)
    query = select(Member).where(*conditions).order_by(Member.id)
    if visitor.sees_everything:
        rows = session.scalars(query.where(Member.id > number_behind).limit(rows_max + 1)).all()
        return _page(rows, rows_max)
    found: list[Member] = []
    for owner in sorted(visitor.organisation_ids):
        if owner < owner_behind or len(found) > rows_max:
            continue
        behind = number_behind if owner == owner_behind else 0
        walk = query.where(Member.organisation_id == owner, Member.id > behind)
        found += session.scalars(walk.limit(rows_max + 1 - len(found)))
    return _page(found, rows_max)


def _page(rows: Sequence[Member], rows_max: int) -> Found:
    shown = list(rows[:rows_max])
    return Found(shown, f"{shown[-1].organisation_id}.{shown[-1].id}" if len(rows) > rows_max else "")


def _searched(
    session: Session,
    vault: Vault,
    visitor: Visitor,
    text: str,
    conditions: Sequence[ColumnElement[bool]],
    cursor: str,
    rows_max: int,
) -> Found:
    ways = ways_of(session, vault, text)
    part = NAME + folded(text)[:TYPED_LENGTH_MAX].encode()
    found = Found()
    shown: set[int] = set()
    scanned = 0
    for place, key, member_id in _hits(session, ways, *_key_cursor(cursor)):
        members = {member.id: member for member in session.scalars(_seen(visitor, member_id, conditions))}
        for one_key, one_id in zip(key, member_id, strict=True):
            scanned += 1
            member = members.get(one_id)
            if member is None or one_id in shown or not _is_first_part(member, one_key, part):
                continue
            if len(found.members) == rows_max:
                return found
            found.members.append(member)
            shown.add(one_id)
            found.cursor = f"{place}.{one_key.hex()}.{one_id}"
        if scanned >= SCANNED_MAX:
            found.cursor = f"{place}.{key[-1].hex()}.{member_id[-1]}"
            return found
    found.cursor = ""
    return found


def _seen(visitor: Visitor, numbers: Sequence[int], conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    return visitor.members_seen(select(Member).where(Member.id.in_(numbers), *conditions))


def _is_first_part(member: Member, key: bytes, part: bytes) -> bool:
    """Whether a key is the first of the name's parts that match, so that 明明 is not listed twice."""
    if not key.startswith(NAME):
        return True
    wanted = part[: len(key)]
    matching = [NAME + one for one in name_parts(member.name) if (NAME + one).startswith(wanted)]
    return key == min(matching, default=key)


def _hits(
    session: Session, ways: Sequence[Way], from_place: int, key_behind: bytes, number_behind: int
) -> Iterator[tuple[int, list[bytes], list[int]]]:
    """(place of the way, keys, members) in portions that grow."""
    for place, way in enumerate(ways):
        if place < from_place:
            continue
        behind = (key_behind, number_behind) if place == from_place else (b"", 0)
        if way.number:
            if behind[1] < way.number:
                yield place, [b""], [way.number]
            continue
        portion = PORTION_FIRST
        while True:
            rows = _portion(session, way, behind, portion)
            if rows:
                yield place, [bytes(row.key) for row in rows], [row.member_id for row in rows]
            if len(rows) < portion:
                break
            behind = (bytes(rows[-1].key), rows[-1].member_id)
            portion = min(portion * 4, PORTION_MAX)


def _portion(session: Session, way: Way, behind: tuple[bytes, int], rows_max: int) -> Sequence[Any]:
    """Keys behind one; first the rest of the same key, then those above it, each one walk along the index."""
    keys = member_keys.c
    query = select(keys.key, keys.member_id).order_by(keys.key, keys.member_id)
    if not way.behind:
        walk = query.where(keys.key == way.first, keys.member_id > behind[1])
        return session.execute(walk.limit(rows_max)).all()
    rows: list[Any] = []
    above = keys.key >= way.first
    if behind[0]:
        rows += session.execute(query.where(keys.key == behind[0], keys.member_id > behind[1]).limit(rows_max)).all()
        above = keys.key > behind[0]
    if len(rows) < rows_max:
        rows += session.execute(query.where(above, keys.key < way.behind).limit(rows_max - len(rows))).all()
    return rows


def _key_cursor(cursor: str) -> tuple[int, bytes, int]:
    """(place of the way, key, member) that a page goes on behind; the beginning for what is no cursor."""
    place, _, rest = cursor.partition(".")
    key, _, number = rest.partition(".")
    try:
        (member_id,) = _numbers(number, 1)
        return int(place) if len(place) < 3 else 0, bytes.fromhex(key), member_id
    except ValueError:
        return 0, b"", 0


def _numbers(cursor: str, count: int) -> list[int]:
    parts = cursor.split(".") if cursor else []
    if len(parts) != count or not all(part.isascii() and part.isdecimal() and len(part) <= 16 for part in parts):
        return [0] * count
    return [int(part) for part in parts]
