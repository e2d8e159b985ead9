"""Leading members: who enters a journey, and the next step of those who are on one.

A step, what comes of it and the place behind it are one transaction, which
takes effect only from the place where it began; the step of a member is a key.
Killed anywhere, or done by two processes, each step happens once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.database import to_ms
from admin.errors import RefusedError
from admin.members.groups import GONE, group_seen, members_of_group
from admin.members.holdings import accounts_of, owners
from admin.members.seals import Vault
from admin.members.today import today_of
from admin.members.totals import APPROVED, PURCHASES, business_date, catch_up, member_sums
from admin.models.journal import entries
from admin.models.journeys import Journey, JourneyRun, JourneyStep, JourneyVisit
from admin.models.members import Member
from admin.models.messaging import MemberWish, MessageState, MessageTemplate, ShortMessage
from admin.service import Service

from .connecting import gateway_of
from .expanding import maker_of
from .hours import MINUTES_PER_DAY, first_within
from .journeys import BRANCH, MESSAGE, WAIT, steps_of
from .merging import fields_in, merged, values_of
from .outbox import JOURNEY, mobiles_of, new_message
from .text import PARTS_MAX, measured
from .wishes import is_willing, needs_yes, wishes_of
from .writing import birthdays_of, signed

_ = str
ENTER_MAX = 1_000
"""Members who enter a journey in one transaction."""
PORTIONS_MAX = 20
"""Such transactions of one look: the rest enters a minute later."""
STEPS_PER_LOOK = 300
SILENT_WINDOW_DAYS = 7
"""Who has been silent for longer when a journey begins is no news; a group names those."""
JOINED_WINDOW_DAYS = 2
SPAN_IDS = 200_000 << 10
"""Entries that one look reaches over, in their ids."""


@dataclass(frozen=True, slots=True)
class _Entering:
    numbers: list[int]
    occasion: int
    position: int
    """Up to which was looked when all of them have entered."""


def enter_all(service: Service) -> int:
    """Let members enter the journeys that are on; how many did."""
    with service.database.read() as session:
        numbers = list(session.scalars(select(Journey.id).where(Journey.is_on).order_by(Journey.id)))
        has_silent = session.scalar(select(Journey.id).where(Journey.is_on, Journey.trigger == "silent").limit(1))
    if has_silent is not None:
        catch_up(service.database)
    entered = 0
    for number in numbers:
        for _portion in range(PORTIONS_MAX):
            count = _enter(service, number)
            entered += count
            if count < ENTER_MAX:
                break
    return entered


def _enter(service: Service, journey_id: int) -> int:
    with service.database.read() as session:
        journey = session.get(Journey, journey_id)
        if journey is None or not journey.is_on:
            return 0
        before = journey.position
        maker = maker_of(service, session, journey.maker_id)
        problem = "" if maker else _("Who switched it on may not send any more.")
        try:
            found = _entering(service, session, journey, maker) if maker else None
        except RefusedError as error:
            found, problem = None, str(error)
    if found is None:
        if problem:
            with service.database.write() as session:
                session.execute(
                    update(Journey).where(Journey.id == journey_id).values(is_on=False, problem=problem[:200])
                )
        return 0
    if not found.numbers and found.position == before:
        return 0
    with service.database.write() as session:
        row = session.get_one(Journey, journey_id, with_for_update=True)
        if not row.is_on or row.position != before:
            return 0
        known = set(
            session.scalars(
                select(JourneyRun.member_id).where(
                    JourneyRun.journey_id == journey_id,
                    JourneyRun.occasion == found.occasion,
                    JourneyRun.member_id.in_(found.numbers),
                )
            )
        )  # another look may have been here since
        fresh = [number for number in found.numbers if number not in known]
        now = service.now()
        session.add_all(
            JourneyRun(
                journey_id=journey_id,
                member_id=number,
                occasion=found.occasion,
                entered_at=now,
                step=1,
                due_at=now,
                is_running=True,
            )
            for number in fresh
        )
        row.position = found.position
        return len(fresh)


def _entering(service: Service, session: Session, journey: Journey, maker: Visitor) -> _Entering | None:
    """Who enters now; None: nobody can, since it was looked today already."""
    today = today_of(session, service)
    day = business_date(today)
    occasion = today.year if journey.trigger == "birthday" else 0
    if journey.trigger in ("birthday", "silent", "group") and journey.position >= day:
        return None
    end = day
    on = select(JourneyRun.member_id).where(JourneyRun.journey_id == journey.id, JourneyRun.occasion == occasion)
    goes_on = and_(Member.state.not_in(GONE), Member.id.not_in(on))
    query: Any = select(Member.id).where(goes_on)
    started_at = journey.started_at or service.now()
    if journey.trigger == "joined":
        since = max(started_at, service.now() - timedelta(days=JOINED_WINDOW_DAYS))
        query, end = query.where(Member.created_at >= since), 0
    elif journey.trigger == "birthday":
        query = query.where(Member.birth_day.in_(birthdays_of(today, 1)))
    elif journey.trigger == "group":
        group = group_seen(session, maker, journey.trigger_value)
        if group is None:
            raise RefusedError("There is no such group.")
        query = query.where(members_of_group(session, group, today))
    elif journey.trigger == "silent":
        sums, last = member_sums(), day - journey.trigger_value
        silent = select(sums.c.member_id).where(sums.c.last_date > last - SILENT_WINDOW_DAYS, sums.c.last_date <= last)
        query = query.where(Member.id.in_(silent))
    else:
        newest = int(session.scalar(select(func.max(entries.c.id))) or 0)
        end, held = min(newest, journey.position + SPAN_IDS), owners()
        bought = (
            select(held.c.member_id)
            .join(entries, entries.c.account_number == held.c.account_number)
            .where(entries.c.id > journey.position, entries.c.id <= end, *_is_purchase())
        )
        query = query.where(Member.id.in_(bought))
    numbers = list(session.scalars(maker.members_seen(query).order_by(Member.id).limit(ENTER_MAX + 1)))
    # Only when all have entered the place moves on; those who have are left out by the next look.
    return _Entering(numbers[:ENTER_MAX], occasion, journey.position if len(numbers) > ENTER_MAX else end)


def _is_purchase() -> list[Any]:
    return [entries.c.type.in_(PURCHASES), entries.c.part == 0, entries.c.code.in_(APPROVED)]


def step_all(service: Service, vault: Vault) -> int:
    """Do the steps that are due, one for each member; how many."""
    due = (
        select(JourneyRun)
        .where(JourneyRun.is_running, JourneyRun.due_at <= service.now())
        .order_by(JourneyRun.due_at, JourneyRun.id)
        .limit(STEPS_PER_LOOK)
    )
    with service.database.read() as session:
        done = next_steps(service, vault, session, session.scalars(due).all())
    if not done:
        return 0
    with service.database.write() as session:
        return sum(_apply(session, one) for one in done)


@dataclass(frozen=True, slots=True)
class _Look:
    """What the steps of one look share: each table is asked once, not once for each member."""

    service: Service
    vault: Vault
    session: Session
    steps: dict[int, dict[int, JourneyStep]]
    """Of each journey by number."""
    members: dict[int, Member]
    wishes: dict[int, MemberWish]
    phones: dict[int, str]
    templates: dict[int, MessageTemplate]
    signature: str
    is_yes_needed: bool


@dataclass(frozen=True, slots=True)
class _Done:
    """What becomes of one step."""

    run_id: int
    visit: JourneyVisit
    then_number: int
    due_at: datetime
    message: ShortMessage | None


def _apply(session: Session, done: _Done) -> bool:
    moved: Any = session.execute(
        update(JourneyRun)
        .where(JourneyRun.id == done.run_id, JourneyRun.step == done.visit.step, JourneyRun.is_running)
        .values(step=done.then_number, due_at=done.due_at, is_running=done.then_number != 0)
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:
        return False  # another process has done it
    session.add(done.visit)
    if done.message is not None:
        session.add(done.message)
    return True


def next_steps(service: Service, vault: Vault, session: Session, runs: Sequence[JourneyRun]) -> list[_Done]:
    """What the next step of each run comes to; nothing is changed yet."""
    numbers = sorted({run.member_id for run in runs})
    steps = {number: steps_of(session, number) for number in {run.journey_id for run in runs}}
    named = {step.template_id for own in steps.values() for step in own.values() if step.template_id}
    look = _Look(
        service=service,
        vault=vault,
        session=session,
        steps=steps,
        members={row.id: row for row in session.scalars(select(Member).where(Member.id.in_(numbers)))},
        wishes=wishes_of(session, numbers),
        phones=mobiles_of(session, vault, numbers),
        templates={
            row.id: row for row in session.scalars(select(MessageTemplate).where(MessageTemplate.id.in_(named)))
        },
        signature=gateway_of(session).signature,
        is_yes_needed=needs_yes(service),
    )
    return [_next_step(look, run) for run in runs]


def _next_step(look: _Look, run: JourneyRun) -> _Done:
    step, member = look.steps[run.journey_id].get(run.step), look.members.get(run.member_id)
    now = look.service.now()
    outcome, then, due_at, message = "stopped", 0, now, None
    if step is not None and member is not None and member.state not in GONE:
        then = step.then_number
        if step.kind == WAIT:
            outcome, due_at = "waited", now + timedelta(days=step.days)
        elif step.kind == BRANCH:
            outcome, then = ("yes", then) if _holds(look, run, step, member) else ("no", step.else_number)
        elif step.kind == MESSAGE:
            message = _message(look, run, step, member)
            outcome = "sent" if message is not None else "skipped"
    visit = JourneyVisit(
        run_id=run.id,
        step=run.step,
        journey_id=run.journey_id,
        time=now,
        outcome=outcome,
        message_key=message.source_key if message is not None else None,
    )
    return _Done(run.id, visit, then, due_at, message)


def _holds(look: _Look, run: JourneyRun, step: JourneyStep, member: Member) -> bool:
    session = look.session
    if step.condition == "bought":
        return has_bought(session, member.id, run.entered_at)
    if step.condition == "willing":
        return is_willing(look.wishes.get(member.id), needs_yes=look.is_yes_needed)
    if step.condition == "delivered":
        keys = select(JourneyVisit.message_key).where(
            JourneyVisit.run_id == run.id, JourneyVisit.message_key.is_not(None)
        )
        last = session.scalar(keys.order_by(JourneyVisit.step.desc()).limit(1))
        state = session.scalar(select(ShortMessage.state).where(ShortMessage.source_key == last)) if last else None
        return state == MessageState.DELIVERED
    return _is_in_group(look.service, session, run, step, member.id)


def _is_in_group(service: Service, session: Session, run: JourneyRun, step: JourneyStep, member_id: int) -> bool:
    journey = session.get_one(Journey, run.journey_id)
    maker = maker_of(service, session, journey.maker_id)
    group = group_seen(session, maker, step.group_id or 0) if maker else None
    if group is None:
        return False
    today: date = today_of(session, service)
    try:
        holds = members_of_group(session, group, today)
    except RefusedError:  # a code that was withdrawn since
        return False
    return session.scalar(select(Member.id).where(Member.id == member_id, holds)) is not None


def has_bought(session: Session, member_id: int, since: datetime) -> bool:
    """Whether a member has bought something since a moment."""
    numbers = accounts_of(session, member_id)
    query = select(entries.c.id).where(
        entries.c.account_number.in_(numbers), entries.c.time_ms >= to_ms(since), *_is_purchase()
    )
    return bool(numbers) and session.scalar(query.limit(1)) is not None


def _message(look: _Look, run: JourneyRun, step: JourneyStep, member: Member) -> ShortMessage | None:
    """The message of a step; None when the member has no number, wants none, or a field has nothing for it."""
    template, phone = look.templates.get(step.template_id or 0), look.phones.get(member.id)
    wish, service = look.wishes.get(member.id), look.service
    if template is None or phone is None or not is_willing(wish, needs_yes=look.is_yes_needed):
        return None
    try:
        values = values_of(look.session, [member], fields_in(template.body), service.settings.currency)[member.id]
    except RefusedError:  # a field of an older version
        return None
    one = merged(template.body, values)
    text = signed(look.signature, one.text)
    if one.missing or len(measured(text).parts) > PARTS_MAX:
        return None
    zone = service.zone.now()
    hours = (wish.from_minute, wish.until_minute) if wish else (0, MINUTES_PER_DAY)
    return new_message(
        service,
        look.vault,
        zone,
        member,
        phone,
        text,
        source=JOURNEY,
        source_key=f"journey run {run.id} step {step.number}",
        send_at=first_within(service.now(), *hours, zone),
    )
