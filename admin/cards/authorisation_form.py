"""The form of a card-type authorisation: who, which type, when, what, and how many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta
from typing import Annotated

import msgspec
from sqlalchemy import select

from admin.access import Visitor
from admin.forms import FormContext, entry
from admin.i18n import FIRST_DATE, at_stores, translate
from admin.models.authorisations import Task
from admin.models.people import User
from admin.service import Service

from .authorisations import grant
from .terms import type_names

_ = str
TASKS: dict[int, str] = {Task.MAKE: _("Make"), Task.ISSUE: _("Issue")}
CARDS_MAX = 10_000_000


def _users(context: FormContext) -> Mapping[int | str, str]:
    query = context.visitor.users_seen(select(User).where(User.is_enabled)).order_by(User.full_name)
    return {
        user.id: f"{user.full_name} ({user.name})"
        for user in context.session.scalars(query)
        if user.id != context.visitor.user_id
    }


def _types(context: FormContext) -> Mapping[int | str, str]:
    return {code: f"{code} {name}" for code, name in type_names(context.session).items()}


class Authorisation(msgspec.Struct, frozen=True, kw_only=True):
    """What a supervisor fills in."""

    card_type: Annotated[int, entry(_("Card type"), "choice", choices=_types)]
    user_id: Annotated[int, entry(_("Employee"), "choice", choices=_users, hint=_("Nobody authorises himself."))]
    tasks: Annotated[int, entry(_("What"), "flags", choices=TASKS)] = int(Task.MAKE)
    from_date: Annotated[int, entry(_("From"), "date")]
    from_minute: Annotated[int, entry(_("At"), "minute")] = 0
    until_date: Annotated[int, entry(_("Until"), "date")]
    until_minute: Annotated[int, entry(_("At"), "minute")] = 1440
    cards_max: (
        Annotated[int, entry(_("Cards"), "integer", ge=1, le=CARDS_MAX, hint=_("In all. Empty: any number."))] | None
    ) = None
    remark: Annotated[str, entry(_("Why"))] = ""

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if not self.tasks:
            yield "tasks", translate("Fill this in.")
        if self.until_at <= self.from_at:
            yield "until_date", translate("It must end after it begins.")

    @property
    def from_at(self) -> datetime:
        """When it begins."""
        return _moment(self.from_date, self.from_minute)

    @property
    def until_at(self) -> datetime:
        """When it is over."""
        return _moment(self.until_date, self.until_minute)


def _moment(day: int, minute: int) -> datetime:
    """When the stores' clocks show a minute (0 to 1440) of a day."""
    return at_stores(datetime.combine(FIRST_DATE, time()) + timedelta(days=day, minutes=minute))


def authorise(service: Service, visitor: Visitor, form: Authorisation) -> int:
    """Grant what the form says; the number of the authorisation."""
    return grant(
        service,
        visitor,
        card_type=form.card_type,
        user_id=form.user_id,
        tasks=form.tasks,
        from_at=form.from_at,
        until_at=form.until_at,
        cards_max=form.cards_max,
        remark=form.remark,
    )
