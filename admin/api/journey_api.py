"""Journeys: their steps, switching them on and off, and what each step has done."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.i18n import translate
from admin.messaging.journey_effect import StepEffect, effects_of
from admin.messaging.journeys import (
    CONDITIONS,
    KINDS,
    TRIGGERS,
    JourneyDraft,
    draft_of,
    journey_seen,
    journeys_seen,
    save_journey,
    switch_journey,
)
from admin.models.journeys import Journey
from admin.rights import Action

from .handlers import Done, Option, api_get, api_post, api_put, filled

TAG = "Journeys"
CHANGES = [needs("journeys", Action.CHANGE)]


class JourneyItem(msgspec.Struct):
    """A journey."""

    id: int
    organisation_id: int
    name: str
    trigger: str
    trigger_value: int
    is_on: bool
    problem: str
    """Why it was switched off by itself."""


class EffectItem(msgspec.Struct):
    """What a step has done."""

    step: int
    came: int
    otherwise: int
    waiting: int
    sent: int
    reached: int
    acted: int
    """Members who bought within 7 days behind the message."""
    value_minor: int


class JourneyDetails(msgspec.Struct):
    """A journey, its steps as they were typed, and what they have done."""

    item: JourneyItem
    journey: JourneyDraft
    effects: list[EffectItem]


class JourneyWords(msgspec.Struct):
    """Words that steps are made of."""

    kinds: list[Option]
    triggers: list[Option]
    conditions: list[Option]


class JourneySwitch(msgspec.Struct, forbid_unknown_fields=True):
    """Whether members enter from now on."""

    is_on: bool


@api_get("/api/v1/journeys", guards=[needs("journeys")], tag=TAG)
def list_journeys(request: Request[Visitor, Any, Any]) -> list[JourneyItem]:
    """All journeys that are seen, newest first."""
    with request.app.state.service.database.read() as session:
        return [filled(JourneyItem, row) for row in journeys_seen(session, request.user)]


@api_get("/api/v1/journey-words", guards=CHANGES, tag=TAG, pages=("GET /journeys/new",))
def list_words(request: Request[Visitor, Any, Any]) -> JourneyWords:
    """What may begin a journey, what a step may do, and what a branch may ask."""
    del request
    return JourneyWords(*([Option(name, translate(label)) for name, label in words.items()] for words in _WORDS))


@api_get("/api/v1/journeys/{journey_id:int}", guards=[needs("journeys")], tag=TAG)
def get_journey(request: Request[Visitor, Any, Any], journey_id: FromPath[int]) -> JourneyDetails:
    """A journey and what its steps have done."""
    with request.app.state.service.database.read() as session:
        row = _journey(request, session, journey_id)
        effects = [_effect(step, effect) for step, effect in effects_of(session, journey_id).items()]
        return JourneyDetails(filled(JourneyItem, row), draft_of(session, row), effects)


@api_post("/api/v1/journeys", guards=CHANGES, tag=TAG, pages=("POST /journeys/new",))
def make_journey(request: Request[Visitor, Any, Any], data: JSONBody[JourneyDraft]) -> Done:
    """Make a journey, which is off at first."""
    return Done(str(save_journey(request.app.state.service, request.user, data)))


@api_put(
    "/api/v1/journeys/{journey_id:int}",
    guards=CHANGES,
    tag=TAG,
    pages=("GET /journeys/{journey_id}/change", "POST /journeys/{journey_id}/change"),
)
def put_journey(request: Request[Visitor, Any, Any], journey_id: FromPath[int], data: JSONBody[JourneyDraft]) -> Done:
    """Change a journey that nobody has entered."""
    with request.app.state.service.database.read() as session:
        _journey(request, session, journey_id)
    return Done(str(save_journey(request.app.state.service, request.user, data, journey_id)))


@api_post("/api/v1/journeys/{journey_id:int}/switch", guards=CHANGES, tag=TAG, status=200)
def turn_journey(request: Request[Visitor, Any, Any], journey_id: FromPath[int], data: JSONBody[JourneySwitch]) -> Done:
    """Let members enter from now on, or none any more; those who are on it go on to its end."""
    switch_journey(request.app.state.service, request.user, journey_id, is_on=data.is_on)
    return Done(str(journey_id))


_WORDS = (KINDS, TRIGGERS, CONDITIONS)


def _journey(request: Request[Visitor, Any, Any], session: Session, journey_id: int) -> Journey:
    row = journey_seen(session, request.user, journey_id)
    if row is None:
        raise NotFoundException(detail="There is no such journey.")
    return row


def _effect(step: int, effect: StepEffect) -> EffectItem:
    return filled(EffectItem, effect, step=step)


HANDLERS: list[Any] = [
    list_journeys,
    list_words,
    get_journey,
    make_journey,
    put_journey,
    turn_journey,
]
