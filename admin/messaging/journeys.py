"""Journeys as people define them: what begins one, and a table of steps that wait, ask, write and stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, delete, func, select, true
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.members.groups import group_seen
from admin.members.today import today_of
from admin.members.totals import business_date
from admin.models.journal import entries
from admin.models.journeys import NAME_LENGTH_MAX, Journey, JourneyRun, JourneyStep
from admin.service import Service

from .merging import fields_in
from .templates import template_seen

_ = str
MODULE = "journeys"
STEPS_MAX = 20
DAYS_MAX = 366
JOURNEYS_MAX = 100
"""Each looks for members every minute."""
WAIT, BRANCH, MESSAGE, STOP = "wait", "branch", "message", "stop"
KINDS: dict[str, str] = {
    MESSAGE: _("Send a message"),
    WAIT: _("Wait"),
    BRANCH: _("Ask"),
    STOP: _("Stop"),
}
TRIGGERS: dict[str, str] = {
    "joined": _("A member has joined"),
    "purchase": _("A member has bought something"),
    "birthday": _("A member has its birthday"),
    "silent": _("A member has not bought for some days"),
    "group": _("A member is in a group"),
}
CONDITIONS: dict[str, str] = {
    "bought": _("Has the member bought since it entered?"),
    "delivered": _("Was its last message delivered?"),
    "willing": _("May the member be written to?"),
    "group": _("Is the member in the group?"),
}


class StepDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step as it is typed; its number is its place in the table, from 1."""

    kind: Annotated[str, msgspec.Meta(max_length=10)]
    """message, wait, branch or stop."""
    days: Annotated[int, msgspec.Meta(ge=0, le=DAYS_MAX)] = 0
    template: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    condition: Annotated[str, msgspec.Meta(max_length=10)] = ""
    """bought, delivered, willing or group."""
    group: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    then_number: Annotated[int, msgspec.Meta(ge=0, le=STEPS_MAX)] = 0
    """0: the next one of the table, or the end."""
    else_number: Annotated[int, msgspec.Meta(ge=0, le=STEPS_MAX)] = 0
    """0: the end."""


class JourneyDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A journey as it is typed."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH_MAX, pattern=r"^[^\x00]*$")]
    trigger: Annotated[str, msgspec.Meta(max_length=10)]
    """joined, purchase, birthday, silent or group."""
    steps: Annotated[list[StepDraft], msgspec.Meta(min_length=1, max_length=STEPS_MAX)]
    trigger_value: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    """Days without a purchase; number of the group."""


def is_journey_seen(visitor: Visitor) -> ColumnElement[bool]:
    """Condition on journeys: those of the visitor's part."""
    return true() if visitor.sees_everything else Journey.organisation_id.in_(visitor.organisation_ids)


def journeys_seen(session: Session, visitor: Visitor) -> Sequence[Journey]:
    """Journeys of the visitor's part, newest first."""
    query = select(Journey).where(is_journey_seen(visitor)).order_by(Journey.id.desc())
    return session.scalars(query.limit(JOURNEYS_MAX)).all()


def journey_seen(session: Session, visitor: Visitor, journey_id: int) -> Journey | None:
    """A journey of the visitor's part."""
    found: Journey | None = session.scalar(select(Journey).where(Journey.id == journey_id, is_journey_seen(visitor)))
    return found


def steps_of(session: Session, journey_id: int) -> dict[int, JourneyStep]:
    """Steps of a journey by number, in their order."""
    query = select(JourneyStep).where(JourneyStep.journey_id == journey_id).order_by(JourneyStep.number)
    return {step.number: step for step in session.scalars(query)}


def draft_of(session: Session, journey: Journey) -> JourneyDraft:
    """A journey as it was typed."""
    steps = [
        StepDraft(
            kind=step.kind,
            days=step.days,
            template=step.template_id or 0,
            condition=step.condition,
            group=step.group_id or 0,
            then_number=step.then_number,
            else_number=step.else_number,
        )
        for step in steps_of(session, journey.id).values()
    ]
    return JourneyDraft(journey.name, journey.trigger, steps, journey.trigger_value)


def save_journey(service: Service, visitor: Visitor, draft: JourneyDraft, journey_id: int = 0) -> int:
    """Make a journey, or change one that nobody has entered; its number."""
    with service.database.write() as session:
        rows = _checked(session, visitor, draft)
        if journey_id:
            journey = _to_change(session, visitor, journey_id)
            if has_runs(session, journey_id):
                raise RefusedError("Members have entered this journey: copy it, and change the copy.")
            if journey.is_on:
                raise RefusedError("Switch this journey off first.")
        else:
            if (session.scalar(select(func.count()).select_from(Journey)) or 0) >= JOURNEYS_MAX:
                raise RefusedError("{count} journeys are enough; change those that are not used.", count=JOURNEYS_MAX)
            journey = Journey(organisation_id=visitor.organisation_id, is_on=False, position=0, problem="")
        journey.name, journey.trigger, journey.trigger_value = draft.name.strip(), draft.trigger, draft.trigger_value
        journey.maker_id, journey.changed_at = visitor.user_id, service.now()
        session.add(journey)
        session.flush()
        session.execute(delete(JourneyStep).where(JourneyStep.journey_id == journey.id))
        for row in rows:
            row.journey_id = journey.id
            session.add(row)
        service.audit.append(
            session, visitor, MODULE, "save journey", f"journey {journey.id}", after=msgspec.to_builtins(draft)
        )
        return journey.id


def switch_journey(service: Service, visitor: Visitor, journey_id: int, *, is_on: bool) -> None:
    """Let members enter from now on, or none any more; those who are on it go on to its end."""
    with service.database.write() as session:
        journey = _to_change(session, visitor, journey_id)
        if journey.is_on == is_on:
            raise RefusedError("This journey is so already.")
        journey.is_on, journey.problem = is_on, ""
        if is_on:
            journey.maker_id, journey.started_at = visitor.user_id, service.now()
            newest = int(session.scalar(select(func.max(entries.c.id))) or 0)
            yesterday = business_date(today_of(session, service)) - 1
            journey.position = {"purchase": newest, "joined": 0}.get(journey.trigger, yesterday)
        action = "switch on" if is_on else "switch off"
        service.audit.append(session, visitor, MODULE, action, f"journey {journey_id}")


def has_runs(session: Session, journey_id: int) -> bool:
    """Whether somebody has ever entered."""
    query = select(JourneyRun.id).where(JourneyRun.journey_id == journey_id)
    return session.scalar(query.limit(1)) is not None


def _to_change(session: Session, visitor: Visitor, journey_id: int) -> Journey:
    journey = journey_seen(session, visitor, journey_id)
    if journey is None:
        raise RefusedError("There is no such journey.")
    return journey


def _checked(session: Session, visitor: Visitor, draft: JourneyDraft) -> list[JourneyStep]:
    """Rows of the steps; `RefusedError` says which step is wrong and what was expected."""
    if not draft.name.strip():
        raise RefusedError("A name has 1 to {most} characters.", most=NAME_LENGTH_MAX)
    if draft.trigger not in TRIGGERS:
        raise RefusedError("Choose what begins the journey.")
    if draft.trigger == "silent" and not 1 <= draft.trigger_value <= DAYS_MAX:
        raise RefusedError("Say after how many days without a purchase it begins, 1 to {most}.", most=DAYS_MAX)
    if draft.trigger == "group" and group_seen(session, visitor, draft.trigger_value) is None:
        raise RefusedError("Choose the group whose members enter.")
    count = len(draft.steps)
    if not 1 <= count <= STEPS_MAX:
        raise RefusedError("A journey has 1 to {most} steps.", most=STEPS_MAX)
    return [_step(session, visitor, number, step, count) for number, step in enumerate(draft.steps, 1)]


def _step(session: Session, visitor: Visitor, number: int, step: StepDraft, count: int) -> JourneyStep:
    then = step.then_number or (number + 1 if number < count and step.kind != STOP else 0)
    for target in (then, step.else_number):
        # Only forward: so every journey ends, and no step comes twice.
        if target and not number < target <= count:
            raise RefusedError("Step {number}: what follows is a later step of the table.", number=number)
    if step.kind not in KINDS:
        raise RefusedError("Step {number}: choose what it does.", number=number)
    if step.kind == WAIT and not 1 <= step.days <= DAYS_MAX:
        raise RefusedError("Step {number}: it waits for 1 to {most} days.", number=number, most=DAYS_MAX)
    if step.kind == BRANCH and step.condition not in CONDITIONS:
        raise RefusedError("Step {number}: choose what it asks.", number=number)
    if step.condition == "group" and step.kind == BRANCH and group_seen(session, visitor, step.group) is None:
        raise RefusedError("Step {number}: choose a group.", number=number)
    if step.kind == MESSAGE:
        template = template_seen(session, visitor, step.template)
        if template is None:
            raise RefusedError("Step {number}: choose a template.", number=number)
        if any(field.is_of_purchase for field in fields_in(template.body)):
            raise RefusedError("Step {number}: its template is about a purchase.", number=number)
    return JourneyStep(
        number=number,
        kind=step.kind,
        days=step.days if step.kind == WAIT else 0,
        template_id=step.template if step.kind == MESSAGE else None,
        condition=step.condition if step.kind == BRANCH else "",
        group_id=step.group if step.kind == BRANCH and step.condition == "group" else None,
        then_number=then,
        else_number=step.else_number if step.kind == BRANCH else 0,
    )


def names_of(session: Session, visitor: Visitor, draft: JourneyDraft) -> dict[str, Any]:
    """Names of the templates and groups that a journey names."""
    templates = {step.template: template_seen(session, visitor, step.template) for step in draft.steps if step.template}
    groups = {step.group: group_seen(session, visitor, step.group) for step in draft.steps if step.group}
    if draft.trigger == "group":
        groups[draft.trigger_value] = group_seen(session, visitor, draft.trigger_value)
    return {
        "templates": {number: row.name for number, row in templates.items() if row},
        "groups": {number: row.name for number, row in groups.items() if row},
    }
