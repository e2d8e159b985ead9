"""Levels of members: what each takes, the job that moves members, changes by hand, and the history of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.audit import Actor
from admin.errors import RefusedError
from admin.i18n import FIRST_DATE
from admin.models.members import TEXT_LENGTH_MAX, Member, MemberLevel, MemberLevelChange, MemberState
from admin.service import Service

from .records import member_to_change
from .totals import Totals, business_date, catch_up, date_before, member_sums

MODULE = "members"
CHUNK_MEMBERS = 1_000
"""Changes of one transaction; a job that is killed goes on where it was, since moved members need no move."""
LEVELS_MAX = 50
SWITCH_LEVEL_MAX = 255
HELD_DAYS_MAX = 3_660


@dataclass(frozen=True, slots=True)
class Move:
    """One member's change of level."""

    member_id: int
    old_level_id: int | None
    new_level_id: int | None
    reason: str


def levels(session: Session) -> list[MemberLevel]:
    """All levels, the lowest first."""
    return list(session.scalars(select(MemberLevel).order_by(MemberLevel.rank)))


def put_level(service: Service, visitor: Visitor, level_id: int | None, **values: Any) -> int:
    """Define a level or change it; its members are moved by the next run of the job."""
    name = values["name"] = values["name"].strip()
    if not name or len(name) > 40:
        raise RefusedError("A name has 1 to {most} characters.", most=40)
    if not 0 <= values["switch_level"] <= SWITCH_LEVEL_MAX:
        raise RefusedError("The switch has levels 0 to {most}.", most=SWITCH_LEVEL_MAX)
    if not 1 <= values["period_days"] <= 3_660:
        raise RefusedError("A period has 1 to {most} days.", most=3_660)
    with service.database.write() as session:
        others = [one for one in levels(session) if one.id != level_id]
        if any(one.name == name for one in others):
            raise RefusedError("There is a level with this name already.")
        if any(one.rank == values["rank"] for one in others):
            raise RefusedError("There is a level with this rank already: each has its own place in the order.")
        if len(others) >= LEVELS_MAX:
            raise RefusedError("There are {most} levels already.", most=LEVELS_MAX)
        row = session.get(MemberLevel, level_id) if level_id else MemberLevel()
        if row is None:
            raise RefusedError("There is no such level.")
        before = {key: getattr(row, key) for key in values} if level_id else None
        for key, value in values.items():
            setattr(row, key, value)
        session.add(row)
        session.flush()
        service.audit.append(session, visitor, MODULE, "put level", f"level {row.id}", before=before, after=values)
        return row.id


def set_level(
    service: Service, visitor: Visitor, member_id: int, level_id: int | None, *, reason: str, held_until: int
) -> None:
    """Give a level by hand, with a reason; until `held_until` (business date; 0: not at all) the job leaves it."""
    reason = reason.strip()
    if not reason or len(reason) > TEXT_LENGTH_MAX:
        raise RefusedError("A reason has 1 to {most} characters.", most=TEXT_LENGTH_MAX)
    with service.database.write() as session:
        member = member_to_change(session, visitor, member_id)
        if level_id is not None and session.get(MemberLevel, level_id) is None:
            raise RefusedError("There is no such level.")
        if member.level_id == level_id and member.level_held_until == held_until:
            raise RefusedError("The member has this level already.")
        session.add(
            MemberLevelChange(
                member_id=member_id,
                time=service.now(),
                old_level_id=member.level_id,
                new_level_id=level_id,
                is_automatic=False,
                user_id=visitor.user_id,
                reason=reason,
                held_until=held_until,
            )
        )
        before = {"level": member.level_id, "held_until": member.level_held_until}
        member.level_id, member.level_held_until = level_id, held_until
        member.version += 1
        after = {"level": level_id, "held_until": held_until}
        service.audit.append(
            session, visitor, MODULE, "set level", f"member {member_id}", before=before, after=after, reason=reason
        )


def plan(session: Session, today: date) -> Iterator[Move]:
    """What the job would change today, member by member; nothing is written."""
    ladder = levels(session)
    by_rule = [level for level in ladder if _bounds(level)]
    if not by_rule:
        return
    sums = {days: _sums(session, date_before(today, days)) for days in {level.period_days for level in by_rule}}
    keeps = {level.id for level in ladder if not level.moves_down}
    ranks: dict[int | None, int] = {level.id: level.rank for level in ladder} | {None: -(2**31)}
    names = {level.id: level.name for level in ladder}
    reached = {member_id for found in sums.values() for member_id in found}
    for member_id, old in _movable(session, today):
        best = None
        for level in reversed(by_rule):
            if reaches(level, sums[level.period_days].get(member_id, Totals())) if member_id in reached else False:
                best = level.id
                break
        if ranks[best] > ranks[old]:
            yield Move(member_id, old, best, _why(names, best, "reached"))
        elif ranks[best] < ranks[old] and old not in keeps:
            yield Move(member_id, old, best, _why(names, old, "missed"))


def _why(names: dict[int, str], level_id: int | None, what: str) -> str:
    return f"{names.get(level_id or 0, '')}: {what}"


def reaches(level: MemberLevel, done: Totals) -> bool:
    """Whether what a member did in the level's period is enough."""
    asked = [
        done.spent_minor >= level.spent_minor_min if level.spent_minor_min else None,
        done.points_hundredths >= level.points_hundredths_min if level.points_hundredths_min else None,
        done.visit_count >= level.visits_min if level.visits_min else None,
    ]
    answers = [answer for answer in asked if answer is not None]
    return bool(answers) and (all(answers) if level.needs_all else any(answers))


def _bounds(level: MemberLevel) -> bool:
    return bool(level.spent_minor_min or level.points_hundredths_min or level.visits_min)


def _sums(session: Session, from_date: int) -> dict[int, Totals]:
    found = member_sums(from_date).c
    query = select(found.member_id, found.spent_minor, found.visit_count, found.points_hundredths)
    return {
        int(member_id): Totals(int(spent), int(visits), int(points))
        for member_id, spent, visits, points in session.execute(query)
    }


def _movable(session: Session, today: date) -> Iterator[tuple[int, int | None]]:
    """(member, level) of those that the job may move: members who go on, whose level is not held by hand."""
    query = select(Member.id, Member.level_id).where(
        Member.state.in_((MemberState.ACTIVE, MemberState.CHURNED)),
        or_(Member.level_held_until == 0, Member.level_held_until < business_date(today)),
    )
    rows = session.execute(query.order_by(Member.id).execution_options(yield_per=10_000))
    yield from ((member_id, level_id) for member_id, level_id in rows)


def preview(
    session: Session, today: date, tick: Callable[[int], None] = lambda _done: None
) -> tuple[Counter[tuple[int | None, int | None]], list[Move]]:
    """How many would move from which level to which, and the first moves; `tick` hears of each that would."""
    counts: Counter[tuple[int | None, int | None]] = Counter()
    first: list[Move] = []
    for move in plan(session, today):
        counts[move.old_level_id, move.new_level_id] += 1
        tick(counts.total())
        if len(first) < 50:
            first.append(move)
    return counts, first


def run(
    service: Service,
    actor: Visitor | Actor,
    today: date,
    tick: Callable[[int, int], None] = lambda _done, _all: None,
) -> int:
    """Count what came, move members; how many moved. Killed in the middle, the next run does the rest.

    `tick` hears of each thousand members that were dealt with, and of how many there are.
    """
    catch_up(service.database)
    with service.database.read() as session:
        moves = list(plan(session, today))
    moved = 0
    for start in range(0, len(moves), CHUNK_MEMBERS):
        with service.database.write() as session:
            done = _apply(service, session, moves[start : start + CHUNK_MEMBERS])
            service.audit.append(session, actor, MODULE, "run levels", "", moved=done, date=business_date(today))
            moved += done
        tick(min(start + CHUNK_MEMBERS, len(moves)), len(moves))
    return moved


def _apply(service: Service, session: Session, moves: Sequence[Move]) -> int:
    """Write moves of members whose level is still what the plan saw."""
    history = []
    for move in moves:
        changed: Any = session.execute(
            update(Member)
            .where(Member.id == move.member_id, Member.level_id.is_not_distinct_from(move.old_level_id))
            .values(level_id=move.new_level_id, level_held_until=0, version=Member.version + 1)
            .execution_options(synchronize_session=False)
        )
        if changed.rowcount == 1:
            history.append(
                {
                    "member_id": move.member_id,
                    "time": service.now(),
                    "old_level_id": move.old_level_id,
                    "new_level_id": move.new_level_id,
                    "is_automatic": True,
                    "user_id": 0,
                    "reason": move.reason,
                    "held_until": 0,
                }
            )
    if history:
        session.execute(insert(MemberLevelChange), history)
    return len(history)


def history_of(session: Session, member_id: int) -> list[MemberLevelChange]:
    """Changes of a member's level, newest first."""
    query = select(MemberLevelChange).where(MemberLevelChange.member_id == member_id)
    return list(session.scalars(query.order_by(MemberLevelChange.id.desc()).limit(100)))


def held_until_of(text: str, today: date) -> int:
    """Business date of a day that was typed; 0 for nothing."""
    from .identity import read_day

    if not text.strip():
        return 0
    day = read_day(text)
    if not day:
        raise RefusedError("A date such as 2026-01-31 is expected.")
    until = date(day // 10_000, day // 100 % 100, day % 100)
    if not today <= until <= today + timedelta(days=HELD_DAYS_MAX):
        raise RefusedError("The day lies between today and ten years from now.")
    return (until - FIRST_DATE).days
