"""Handling alarms as documents: acknowledged by whoever looks after one, confirmed, or cleared by two."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, select

from admin.errors import RefusedError
from admin.forms import entry
from admin.models.mirror import alarms, cards
from switch.protocol.card_terms import CardOperation, CardStatus
from switch.protocol.messages import AlarmState, CardFlag, MessageType

from .kind import Kind, Planning, always, subject

_ = str
ALARM = Annotated[int, entry(_("Alarm"), "integer", ge=1, hint=_("Its number: the entry that raised it."))]
OPEN = (AlarmState.NEW, AlarmState.ACKNOWLEDGED)


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm that somebody looks after."""

    alarm: ALARM


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm that was fraud."""

    alarm: ALARM
    blacklist: Annotated[bool, entry(_("Put the card on the blacklist"), "check")] = False


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm that was none."""

    alarm: ALARM
    unfreeze: Annotated[
        bool,
        entry(
            _("Unfreeze the card"),
            "check",
            hint=_("Only when it is certain that there is no copy, or after another card was given."),
        ),
    ] = False


def _alarm(planning: Planning, number: int, states: tuple[AlarmState, ...]) -> Row[Any]:
    found = planning.session.execute(
        planning.visitor.alarms_seen(select(alarms).where(alarms.c.sequence == number))
    ).first()
    if found is None:
        raise RefusedError("There is no alarm {number} in your part of the organisation.", number=number)
    if found.state not in states:
        raise RefusedError("Somebody else has handled this alarm. Look at it again.")
    return found


def _handle(planning: Planning, number: int, state: AlarmState, text: str, *, by_checker: bool = False) -> None:
    planning.add(
        MessageType.HANDLE_ALARM,
        subject=subject(text, number=number),
        by_checker=by_checker,
        alarm=number,
        state=state,
    )


def _card(planning: Planning, found: Row[Any]) -> Row[Any] | None:
    return planning.session.execute(select(cards).where(cards.c.card_number == found.card_number)).first()


def _acknowledge(planning: Planning, form: Acknowledged) -> None:
    _alarm(planning, form.alarm, (AlarmState.NEW,))
    _handle(planning, form.alarm, AlarmState.ACKNOWLEDGED, _("Acknowledge alarm {number}"))


def _confirm(planning: Planning, form: Confirmed) -> None:
    found = _alarm(planning, form.alarm, OPEN)
    _handle(planning, form.alarm, AlarmState.CONFIRMED, _("Confirm alarm {number}"))
    card = _card(planning, found)
    if form.blacklist and card is not None and not card.flags & CardFlag.BLACKLISTED:
        planning.add(
            MessageType.OPERATE_CARD,
            card_number=card.card_number,
            subject=subject(_("Blacklist the card")),
            operation=CardOperation.BLACKLIST,
        )


def _clear(planning: Planning, form: Cleared) -> None:
    found = _alarm(planning, form.alarm, OPEN)
    _handle(planning, form.alarm, AlarmState.CLEARED, _("Clear alarm {number}"), by_checker=True)
    card = _card(planning, found)
    if form.unfreeze and card is not None and card.status == CardStatus.FROZEN:
        planning.add(
            MessageType.OPERATE_CARD,
            card_number=card.card_number,
            subject=subject(_("Unfreeze the card")),
            by_checker=True,
            operation=CardOperation.UNFREEZE,
        )


KINDS: list[Kind[Any]] = [
    Kind(
        name="acknowledge-alarm",
        label=_("Acknowledge an alarm"),
        hint=_("Says that you look after it. It stays open."),
        function="alarms",
        form=Acknowledged,
        plan=_acknowledge,
        is_central=True,
    ),
    Kind(
        name="confirm-alarm",
        label=_("Confirm an alarm"),
        hint=_("It was fraud. It stays in the list and cannot be opened again; the card stays frozen."),
        function="alarms",
        form=Confirmed,
        plan=_confirm,
        stops_at_refusal=True,
        is_central=True,
    ),
    Kind(
        name="clear-alarm",
        label=_("Clear an alarm"),
        hint=_("Nobody did wrong. A second person must agree; it cannot be opened again."),
        function="alarms",
        form=Cleared,
        plan=_clear,
        needs_checker=always,
        stops_at_refusal=True,
        is_central=True,
    ),
]
