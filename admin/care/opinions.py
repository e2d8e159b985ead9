"""Suggestions, complaints and enquiries: written down, given to somebody, handled, answered, closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any

import msgspec
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import DATE_MAX, FormContext, entry
from admin.i18n import FIRST_DATE, at_stores, local
from admin.members.records import member_to_change
from admin.members.seals import Vault
from admin.members.today import today_of
from admin.members.totals import business_date
from admin.models.care import DepartmentHead, Opinion, OpinionState, OpinionStep
from admin.models.members import NAME_LENGTH_MAX, NOTE_LENGTH_MAX, Member, MemberCode
from admin.models.people import Department, User
from admin.references import References
from admin.service import Service

from .tasks import OPINION_KINDS, area_choices, department_choices, staff_choices

_ = str
MODULE = "opinions"
DEADLINE_DAYS = 7
"""Until an opinion without a deadline of its own is to be closed."""
PHONE_LENGTH_MAX = 30
STATES: dict[str, str] = {
    OpinionState.NEW: _("New"),
    OpinionState.ASSIGNED: _("Assigned"),
    OpinionState.IN_HANDLING: _("In handling"),
    OpinionState.HANDLED: _("Handled"),
    OpinionState.FED_BACK: _("Customer told"),
    OpinionState.CLOSED: _("Closed"),
}
STATE_TONES = {"new": "bad", "assigned": "warn", "in-handling": "warn", "fed-back": "good", "closed": "good"}
MOVES: dict[str, tuple[tuple[str, ...], str]] = {
    "assign": ((OpinionState.NEW, OpinionState.ASSIGNED, OpinionState.IN_HANDLING), OpinionState.ASSIGNED),
    "handle": ((OpinionState.ASSIGNED, OpinionState.IN_HANDLING), OpinionState.IN_HANDLING),
    "effect": ((OpinionState.IN_HANDLING,), OpinionState.HANDLED),
    "feed-back": ((OpinionState.HANDLED,), OpinionState.FED_BACK),
    "reopen": ((OpinionState.HANDLED, OpinionState.FED_BACK), OpinionState.IN_HANDLING),
    "close": ((OpinionState.FED_BACK,), OpinionState.CLOSED),
}
"""Act: states from which it goes, and the one it leads to."""
ACTS: dict[str, str] = {
    "assign": _("Assign"),
    "handle": _("Note a step of handling"),
    "effect": _("Write the effect: it is handled"),
    "feed-back": _("Note what the customer was told"),
    "reopen": _("Handle it again"),
    "close": _("Close"),
}


class OpinionForm(msgspec.Struct, kw_only=True, frozen=True):
    """What a customer has to say."""

    kind: Annotated[str, entry(_("Kind"), "choice", choices=OPINION_KINDS)] = "suggestion"
    area: Annotated[int, entry(_("What about"), "choice", choices=area_choices)]
    content: Annotated[str, entry(_("In the customer's words"), "area", min_length=1, max_length=NOTE_LENGTH_MAX)]
    occurred_date: Annotated[int, entry(_("Day"), "date", ge=0, le=DATE_MAX, hint=_("Empty: today."))] = 0
    occurred_minute: Annotated[int, entry(_("Time of day"), "minute", ge=0, le=1439)] = 0
    member_id: Annotated[
        int, entry(_("Member number"), "integer", ge=0, le=2**53 - 1, hint=_("Empty: not a member, or not known."))
    ] = 0
    name: Annotated[str, entry(_("Full name"), max_length=NAME_LENGTH_MAX)] = ""
    phone: Annotated[str, entry(_("Telephone"), max_length=PHONE_LENGTH_MAX, pattern=r"^[0-9+() /-]*$")] = ""
    department_id: Annotated[
        int, entry(_("Department"), "choice", choices=department_choices, hint=_("Its head handles it."))
    ] = 0
    deadline: Annotated[
        int, entry(_("To be closed by"), "date", ge=0, le=DATE_MAX, hint=_("Empty: within a week."))
    ] = 0


class OpinionMove(msgspec.Struct, kw_only=True, frozen=True):
    """A step of handling."""

    text: Annotated[str, entry(_("What was done, said or found"), "area", max_length=NOTE_LENGTH_MAX)] = ""
    department_id: Annotated[int, entry(_("Department"), "choice", choices=department_choices)] = 0
    handler_id: Annotated[
        int, entry(_("Who handles it"), "choice", choices=staff_choices, hint=_("Empty: the head of the department."))
    ] = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of opinions is filtered by."""

    kind: str = ""
    area: int = 0
    state: str = ""
    """One of the states; `open`: all but closed; `late`: open beyond the deadline."""
    handler: int = 0
    member: int = 0
    from_date: int = 0
    until_date: int = 0
    today: int = 0


def opinions_seen(visitor: Visitor, query: Select[Any] | None = None) -> Select[Any]:
    """Opinions of the visitor's part of the organisation, and those that he handles."""
    query = select(Opinion) if query is None else query
    if visitor.sees_everything:
        return query
    mine = Opinion.organisation_id.in_(visitor.organisation_ids)
    return query.where(or_(mine, Opinion.handler_id == visitor.user_id))


def opinions_page(session: Session, visitor: Visitor, wanted: Wanted, before: int | None, limit: int) -> Sequence[Any]:
    """(opinion, member's name, department, handler's name), newest first; one more than `limit` if more."""
    query: Any = (
        select(Opinion, Member.name, Department.name, User.full_name)
        .outerjoin(Member, Member.id == Opinion.member_id)
        .outerjoin(Department, Department.id == Opinion.department_id)
        .outerjoin(User, User.id == Opinion.handler_id)
    )
    query = opinions_seen(visitor, query).order_by(Opinion.id.desc()).limit(limit + 1)
    for column, value in (
        (Opinion.kind, wanted.kind[:20]),
        (Opinion.area, wanted.area),
        (Opinion.handler_id, wanted.handler),
        (Opinion.member_id, wanted.member),
    ):
        if value:
            query = query.where(column == value)
    if wanted.state in ("open", "late"):
        query = query.where(Opinion.state != OpinionState.CLOSED)
        if wanted.state == "late":
            query = query.where(Opinion.deadline > 0, Opinion.deadline < wanted.today)
    elif wanted.state in STATES:
        query = query.where(Opinion.state == wanted.state)
    if wanted.from_date:
        query = query.where(Opinion.occurred_date >= wanted.from_date)
    if wanted.until_date:
        query = query.where(Opinion.occurred_date <= wanted.until_date)
    if before is not None:
        query = query.where(Opinion.id < before)
    rows: Sequence[Any] = session.execute(query).all()
    return rows


def opinion_seen(session: Session, visitor: Visitor, opinion_id: int) -> Opinion | None:
    """An opinion that the visitor may see."""
    found: Opinion | None = session.scalar(opinions_seen(visitor).where(Opinion.id == opinion_id))
    return found


def steps_of(session: Session, opinion_id: int) -> Sequence[Any]:
    """(step, user's name) of an opinion, in order."""
    query = select(OpinionStep, User.full_name).outerjoin(User, User.id == OpinionStep.user_id)
    return session.execute(query.where(OpinionStep.opinion_id == opinion_id).order_by(OpinionStep.id)).all()


def head_of(session: Session, department_id: int) -> int:
    """Who heads a department; 0: nobody was named."""
    found = session.get(DepartmentHead, department_id)
    return found.user_id if found is not None else 0


def phone_of(vault: Vault, row: Opinion) -> str:
    """The whole telephone number; empty without one."""
    return vault.open("care_opinions", "phone_sealed", str(row.id), row.phone_sealed) if row.phone_sealed else ""


def acts_on(row: Opinion) -> list[str]:
    """What can be done with an opinion as it is."""
    return [act for act, (states, _to) in MOVES.items() if row.state in states]


def add_opinion(service: Service, visitor: Visitor, form: OpinionForm) -> int:
    """Write an opinion down; its number. With a department it goes to its head at once."""
    with service.database.write() as session:
        row = put_form(service, session, visitor, form)
        service.audit.append(session, visitor, MODULE, "add", f"opinion {row.id}", kind=row.kind, area=row.area)
        return row.id


def put_form(service: Service, session: Session, visitor: Visitor, form: OpinionForm) -> Opinion:
    """A new opinion from a form, within a transaction of the caller, who notes it."""
    _check_area(session, form.area)
    member = member_to_change(session, visitor, form.member_id) if form.member_id else None
    return add_opinion_row(
        service,
        session,
        visitor,
        kind=form.kind,
        area=form.area,
        content=form.content.strip(),
        department_id=form.department_id,
        member=member,
        organisation_id=member.organisation_id if member is not None else visitor.organisation_id,
        name=form.name.strip(),
        phone=form.phone.strip(),
        occurred_at=_moment(form),
        deadline=form.deadline,
    )


def add_opinion_row(
    service: Service,
    session: Session,
    visitor: Visitor,
    *,
    kind: str,
    area: int,
    content: str,
    department_id: int,
    member: Member | None,
    organisation_id: int,
    name: str = "",
    phone: str = "",
    occurred_at: datetime | None = None,
    deadline: int = 0,
    task_id: int | None = None,
) -> Opinion:
    """A new opinion within a transaction of the caller, who notes it."""
    now, today = service.now(), business_date(today_of(session, service))
    _check_department(session, visitor, department_id)
    occurred = occurred_at or now
    if occurred > now:
        raise RefusedError("It cannot have been said later than now.")
    handler = head_of(session, department_id) if department_id else 0
    row = Opinion(
        organisation_id=organisation_id,
        kind=kind,
        area=area,
        state=OpinionState.ASSIGNED if handler else OpinionState.NEW,
        occurred_at=occurred,
        occurred_date=business_date(local(occurred).date()),
        member_id=member.id if member is not None else 0,
        name=name or (member.name if member is not None else ""),
        content=content,
        department_id=department_id,
        handler_id=handler,
        deadline=deadline or today + DEADLINE_DAYS,
        task_id=task_id,
        created_at=now,
        created_by=visitor.user_id,
    )
    session.add(row)
    session.flush()
    _seal_phone(service, row, phone)
    _step(service, session, visitor, row, "")
    return row


def change_opinion(service: Service, visitor: Visitor, opinion_id: int, form: OpinionForm, version: int) -> None:
    """Correct what was written down; `RefusedError` when it is closed or somebody else has changed it since."""
    with service.database.write() as session:
        row = _to_change(session, visitor, opinion_id)
        if row.state == OpinionState.CLOSED:
            raise RefusedError("This is closed: it stays as it is.")
        if version != row.version:
            raise RefusedError("Somebody else has changed this record meanwhile; load it again.")
        _check_area(session, form.area)
        _check_department(session, visitor, form.department_id)
        member = member_to_change(session, visitor, form.member_id) if form.member_id else None
        before = {"kind": row.kind, "area": row.area, "content": row.content[:200], "deadline": row.deadline}
        row.kind, row.area, row.content = form.kind, form.area, form.content.strip()
        if (occurred := _moment(form)) is not None:
            row.occurred_at, row.occurred_date = occurred, business_date(local(occurred).date())
        row.member_id, row.name = (member.id if member is not None else 0), form.name.strip()
        row.department_id, row.deadline = form.department_id, form.deadline or row.deadline
        row.version += 1
        _seal_phone(service, row, form.phone.strip())
        after = {"kind": row.kind, "area": row.area, "content": row.content[:200], "deadline": row.deadline}
        service.audit.append(session, visitor, MODULE, "change", f"opinion {opinion_id}", before=before, after=after)


def move_opinion(service: Service, visitor: Visitor, opinion_id: int, act: str, form: OpinionMove) -> str:
    """Go on with an opinion; its new state. `RefusedError` where a state was left out or something is missing."""
    if act not in MOVES:
        raise RefusedError("There is no such step.")
    text = form.text.strip()
    with service.database.write() as session:
        row = _to_change(session, visitor, opinion_id)
        if act == "close" and not (row.effect and row.feedback):
            raise RefusedError("It is closed when its effect is written and the customer was told.")
        states, to = MOVES[act]
        if row.state not in states:
            raise RefusedError("This step does not follow from where it is: {state}.", state=row.state)
        if act == "assign":
            _assign(session, visitor, row, form)
        elif act != "close" and not text:
            raise RefusedError("Write 1 to {most} characters about it.", most=NOTE_LENGTH_MAX)
        if act == "handle" and row.answered_at is None:
            row.answered_at = service.now()
        elif act == "effect":
            row.effect = text
        elif act == "feed-back":
            row.feedback = text
        elif act == "reopen":
            row.effect = row.feedback = ""
        elif act == "close":
            row.closed_at, row.closed_date = service.now(), business_date(today_of(session, service))
        before, row.state = row.state, to
        row.version += 1
        _step(service, session, visitor, row, text)
        service.audit.append(session, visitor, MODULE, act, f"opinion {opinion_id}", before=before, after=row.state)
        return row.state


def delete_opinion(service: Service, visitor: Visitor, opinion_id: int, reason: str) -> None:
    """Remove an opinion; why, and what it was, stays in the audit log."""
    if not reason.strip() or len(reason) > 200:
        raise RefusedError("Say why it is deleted, in 1 to {most} characters.", most=200)
    with service.database.write() as session:
        row = _to_change(session, visitor, opinion_id)
        before = {"kind": row.kind, "area": row.area, "state": row.state, "content": row.content[:500]}
        for step, _name in steps_of(session, opinion_id):
            session.delete(step)
        session.flush()
        session.delete(row)
        service.audit.append(
            session, visitor, MODULE, "delete", f"opinion {opinion_id}", before=before, reason=reason.strip()
        )


def form_of(row: Opinion, phone: str) -> OpinionForm:
    """The form of an opinion that there is."""
    return OpinionForm(
        kind=row.kind,
        area=row.area,
        content=row.content,
        occurred_date=row.occurred_date,
        occurred_minute=local(row.occurred_at).hour * 60 + local(row.occurred_at).minute,
        member_id=row.member_id,
        name=row.name,
        phone=phone,
        department_id=row.department_id,
        deadline=row.deadline,
    )


def _moment(form: OpinionForm) -> datetime | None:
    if not form.occurred_date:
        return None
    day = FIRST_DATE + timedelta(days=form.occurred_date)
    return at_stores(datetime.combine(day, time(*divmod(form.occurred_minute, 60)))).astimezone(UTC)


def _assign(session: Session, visitor: Visitor, row: Opinion, form: OpinionMove) -> None:
    department = form.department_id or row.department_id
    _check_department(session, visitor, department)
    handler = form.handler_id or (head_of(session, department) if department else 0)
    if not handler:
        raise RefusedError("Choose who handles it: nobody was named as head of that department.")
    if form.handler_id:
        known: Any = select(User.id).where(User.id == handler, User.is_enabled)
        if session.scalar(visitor.users_seen(known)) is None:
            raise RefusedError("There is no such user in your part of the organisation.")
    row.department_id, row.handler_id = department, handler


def _step(service: Service, session: Session, visitor: Visitor, row: Opinion, text: str) -> None:
    session.add(OpinionStep(opinion_id=row.id, time=service.now(), user_id=visitor.user_id, state=row.state, text=text))
    session.flush()


def _seal_phone(service: Service, row: Opinion, phone: str) -> None:
    sealed = Vault(service).seal("care_opinions", "phone_sealed", str(row.id), phone) if phone else None
    row.phone_sealed = sealed


def _to_change(session: Session, visitor: Visitor, opinion_id: int) -> Opinion:
    query = opinions_seen(visitor).where(Opinion.id == opinion_id).with_for_update()
    row: Opinion | None = session.scalar(query)
    if row is None:
        raise RefusedError("There is no such record.")
    return row


def _check_area(session: Session, area: int) -> None:
    if session.get(MemberCode, ("opinion", area)) is None:
        raise RefusedError("Say what it is about: choose one of the list.")


def _check_department(session: Session, visitor: Visitor, department_id: int) -> None:
    if not department_id:
        return
    context = FormContext(session, visitor, References(bytes(32)))
    if department_id not in department_choices(context):
        raise RefusedError("There is no such department.")
