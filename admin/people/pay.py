"""Pay of employees: what is agreed, from a day on; earlier terms stay, for months that went by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.models.pay import PayTerms
from admin.models.people import User
from admin.service import Service

_ = str
MODULE = "pay"
BASE_MINOR_MAX = 10**9
DATE_DIGITS_MAX = 9
"""Of a day in a list's key."""
COMMISSION_BP_MAX = 5_000
"""Half of a sale: what is more is a typing mistake."""


def employee_choices(context: FormContext) -> dict[int | str, str]:
    """Users of the visitor's part."""
    rows = context.session.scalars(context.visitor.users_seen(select(User)).order_by(User.name))
    return {row.id: f"{row.full_name} ({row.name})" for row in rows}


class PayForm(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Pay of one employee."""

    user_id: Annotated[int, entry(_("Employee"), "choice", choices=employee_choices)]
    from_date: Annotated[int, entry(_("From the day"), "date", ge=1)]
    base_minor: Annotated[int, entry(_("Base pay of a month"), "money", ge=0, le=BASE_MINOR_MAX)] = 0
    card_bp: Annotated[
        int,
        entry(
            _("Commission on value sold"),
            "percent",
            hint=_("Recharges, cards issued with value and orders, less what was taken back."),
            ge=0,
            le=COMMISSION_BP_MAX,
        ),
    ] = 0
    noted_bp: Annotated[
        int, entry(_("Commission on purchases noted by hand"), "percent", ge=0, le=COMMISSION_BP_MAX)
    ] = 0


@dataclass(frozen=True, slots=True)
class PayRow:
    """What was agreed with whom, as lists show it."""

    user_id: int
    name: str
    full_name: str
    from_date: int
    base_minor: int
    card_bp: int
    noted_bp: int
    made_at: datetime
    made_by: int


def pay_page(session: Session, visitor: Visitor, after: str, limit: int) -> tuple[list[PayRow], str | None]:
    """Terms of the visitor's part, by user, newest first, and the key that the next page begins behind."""
    query: Any = select(PayTerms, User).join(User, User.id == PayTerms.user_id)
    query = visitor.users_seen(query).order_by(User.name, PayTerms.from_date.desc()).limit(limit + 1)
    date, _colon, name = after.partition(":")
    if name and date.isascii() and date.isdecimal() and len(date) <= DATE_DIGITS_MAX:
        query = query.where(or_(User.name > name, and_(User.name == name, PayTerms.from_date < int(date))))
    rows = [
        PayRow(
            user_id=user.id,
            name=user.name,
            full_name=user.full_name,
            from_date=terms.from_date,
            base_minor=terms.base_minor,
            card_bp=terms.card_bp,
            noted_bp=terms.noted_bp,
            made_at=terms.made_at,
            made_by=terms.made_by,
        )
        for terms, user in session.execute(query)
    ]
    last = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], f"{last.from_date}:{last.name}" if last is not None else None


def put_terms(service: Service, visitor: Visitor, form: PayForm) -> None:
    """Agree on pay from a day on; the same day again corrects it. Nobody sets his own."""
    if form.user_id == visitor.user_id:
        raise RefusedError("Nobody sets his own pay.")
    with service.database.write() as session:
        if session.scalar(visitor.users_seen(select(User).where(User.id == form.user_id))) is None:
            raise RefusedError("There is no such user.")
        row = session.get(PayTerms, (form.user_id, form.from_date))
        before = {name: getattr(row, name) for name in ("base_minor", "card_bp", "noted_bp")} if row else None
        if row is None:
            row = PayTerms(user_id=form.user_id, from_date=form.from_date)
            session.add(row)
        row.base_minor, row.card_bp, row.noted_bp = form.base_minor, form.card_bp, form.noted_bp
        row.made_at, row.made_by = service.now(), visitor.user_id
        session.flush()
        service.audit.append(
            session, visitor, MODULE, "put pay", f"user {form.user_id}", before=before, after=msgspec.to_builtins(form)
        )
