"""What the steps of a journey have done: how many came, were written to and reached, bought then, and for how much."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, func, select, type_coerce
from sqlalchemy.orm import Session

from admin.database import BigInt
from admin.members.holdings import owners
from admin.members.totals import APPROVED, PURCHASES
from admin.models.journal import entries
from admin.models.journeys import JourneyRun, JourneyVisit
from admin.models.messaging import MessageState, ShortMessage
from switch.protocol.messages import MessageType

EFFECT_DAYS = 7
"""What is bought within so many days behind a message counts as its effect; no more is claimed."""
MS_PER_DAY = 86_400_000
_NO = ("no", "skipped")


@dataclass(frozen=True, slots=True)
class StepEffect:
    """Figures of one step."""

    came: int = 0
    """Members for whom it was done."""
    otherwise: int = 0
    """Of a branch: those for whom it did not hold; of a message: those who got none."""
    waiting: int = 0
    """Members who stand before it now."""
    sent: int = 0
    """Messages that the gateway has taken."""
    reached: int = 0
    """Messages that were delivered."""
    acted: int = 0
    """Members who bought within `EFFECT_DAYS` behind the message."""
    value_minor: int = 0
    """What they bought, less what was taken back."""


def effects_of(session: Session, journey_id: int) -> dict[int, StepEffect]:
    """Figures of each step of a journey that somebody has come to."""
    visits = select(
        JourneyVisit.step,
        func.count(),
        func.sum(case((JourneyVisit.outcome.in_(_NO), 1), else_=0)),
    ).where(JourneyVisit.journey_id == journey_id)
    came = {step: (count, no) for step, count, no in session.execute(visits.group_by(JourneyVisit.step))}
    taken = (MessageState.SENT, MessageState.DELIVERED)
    states = (
        select(
            JourneyVisit.step,
            func.sum(case((ShortMessage.state.in_(taken), 1), else_=0)),
            func.sum(case((ShortMessage.state == MessageState.DELIVERED, 1), else_=0)),
        )
        .join(ShortMessage, ShortMessage.source_key == JourneyVisit.message_key)
        .where(JourneyVisit.journey_id == journey_id)
        .group_by(JourneyVisit.step)
    )
    sent = {step: (count, reached) for step, count, reached in session.execute(states)}
    standing = (
        select(JourneyRun.step, func.count())
        .where(JourneyRun.journey_id == journey_id, JourneyRun.is_running)
        .group_by(JourneyRun.step)
    )
    waiting = {step: count for step, count in session.execute(standing)}  # noqa: C416  of rows, not of pairs
    bought = _bought(session, journey_id)
    return {
        step: StepEffect(
            *came.get(step, (0, 0)),
            waiting.get(step, 0),
            *sent.get(step, (0, 0)),
            *bought.get(step, (0, 0)),
        )
        for step in sorted({*came, *waiting})
    }


def _bought(session: Session, journey_id: int) -> dict[int, tuple[int, int]]:
    """(members who bought, for how much) behind the messages of each step."""
    held = owners()
    time_ms = type_coerce(JourneyVisit.time, BigInt)
    is_bought = entries.c.type.in_(PURCHASES)
    query = (
        select(
            JourneyVisit.step,
            func.count(func.distinct(case((is_bought, JourneyRun.member_id)))),
            func.sum(case((is_bought, entries.c.amount_minor), else_=-entries.c.amount_minor)),
        )
        .join(JourneyRun, JourneyRun.id == JourneyVisit.run_id)
        .join(held, held.c.member_id == JourneyRun.member_id)
        .join(entries, entries.c.account_number == held.c.account_number)
        .where(
            JourneyVisit.journey_id == journey_id,
            JourneyVisit.message_key.is_not(None),
            entries.c.part == 0,
            entries.c.code.in_(APPROVED),
            entries.c.type.in_((*PURCHASES, MessageType.REFUND, MessageType.REVERSAL)),
            entries.c.amount_minor > 0,
            entries.c.time_ms >= time_ms,
            entries.c.time_ms < time_ms + EFFECT_DAYS * MS_PER_DAY,
        )
        .group_by(JourneyVisit.step)
    )
    return {step: (int(members), int(value or 0)) for step, members, value in session.execute(query)}
