"""Journeys: the list, the table of steps, and what each step has done."""

from __future__ import annotations

from typing import Any

import msgspec
from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.i18n import translate
from admin.members.groups import groups_seen
from admin.messaging.journey_effect import EFFECT_DAYS, effects_of
from admin.messaging.journeys import (
    CONDITIONS,
    DAYS_MAX,
    KINDS,
    STEPS_MAX,
    TRIGGERS,
    JourneyDraft,
    StepDraft,
    draft_of,
    has_runs,
    journey_seen,
    journeys_seen,
    names_of,
    save_journey,
    switch_journey,
)
from admin.messaging.templates import templates_seen
from admin.rights import Action

from .common import go, number_in, page, refusal_text
from .handlers import get
from .member_common import acted, first, sent_texts

_ = str
CHANGES = needs("journeys", Action.CHANGE)
EMPTY_LINES = 3
"""Lines for further steps that the table ends with."""


@get("/journeys", guards=[needs("journeys")])
def list_journeys(request: Request[Visitor, Any, Any]) -> Template:
    """Journeys of the visitor's part."""
    with request.app.state.service.database.read() as session:
        rows = list(journeys_seen(session, request.user))
        session.expunge_all()
    return page(request, "journeys.html", rows=rows, triggers=TRIGGERS)


@get("/journeys/new", guards=[CHANGES])
def new_journey(request: Request[Visitor, Any, Any], copy: FromQuery[str] = "") -> Template:
    """The table of a new journey, begun from another one."""
    draft = None
    with request.app.state.service.database.read() as session:
        row = journey_seen(session, request.user, number_in(copy) or 0)
        if row is not None:
            draft = draft_of(session, row)
    return _form(request, 0, draft, "")


@async_post("/journeys/new", guards=[CHANGES], status_code=200)
async def do_new_journey(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Make a journey."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save, request, 0, texts)


@get("/journeys/{journey_id:int}", guards=[needs("journeys")])
def show_journey(request: Request[Visitor, Any, Any], journey_id: FromPath[int]) -> Template:
    """A journey and what its steps have done."""
    with request.app.state.service.database.read() as session:
        row = journey_seen(session, request.user, journey_id)
        if row is None:
            raise NotFoundException(detail="There is no such journey.")
        draft = draft_of(session, row)
        context = {
            "effects": effects_of(session, journey_id),
            "has_runs": has_runs(session, journey_id),
            **names_of(session, request.user, draft),
        }
        session.expunge_all()
    return page(
        request,
        "journey.html",
        row=row,
        draft=draft,
        kinds=KINDS,
        conditions=CONDITIONS,
        triggers=TRIGGERS,
        effect_days=EFFECT_DAYS,
        **context,
    )


@get("/journeys/{journey_id:int}/change", guards=[CHANGES])
def change_journey(request: Request[Visitor, Any, Any], journey_id: FromPath[int]) -> Template:
    """The table of a journey that nobody has entered."""
    with request.app.state.service.database.read() as session:
        row = journey_seen(session, request.user, journey_id)
        if row is None:
            raise NotFoundException(detail="There is no such journey.")
        draft = draft_of(session, row)
    return _form(request, journey_id, draft, "")


@async_post("/journeys/{journey_id:int}/change", guards=[CHANGES], status_code=200)
async def do_change_journey(request: Request[Visitor, Any, Any], journey_id: FromPath[int]) -> Response[Any]:
    """Change a journey that nobody has entered."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save, request, journey_id, texts)


@async_post("/journeys/{journey_id:int}/switch", guards=[CHANGES], status_code=200)
async def do_switch_journey(request: Request[Visitor, Any, Any], journey_id: FromPath[int]) -> Response[Any]:
    """Let members enter from now on, or none any more."""
    texts = await sent_texts(request)
    service, is_on = request.app.state.service, first(texts, "act") == "on"
    return await acted(
        request, lambda: switch_journey(service, request.user, journey_id, is_on=is_on), f"/journeys/{journey_id}"
    )


def _save(request: Request[Visitor, Any, Any], journey_id: int, texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    draft = _typed(texts)
    if first(texts, "what") == "line":
        return _form(request, journey_id, draft, "")
    try:
        msgspec.convert(msgspec.to_builtins(draft), JourneyDraft)  # bounds
        number = save_journey(service, request.user, draft, journey_id)
    except msgspec.ValidationError:
        problem = translate(_("A journey has a name, at least one step, and whole numbers for days and steps."))
        return _form(request, journey_id, draft, problem)
    except RefusedError as error:
        return _form(request, journey_id, draft, refusal_text(error))
    return go(request, f"/journeys/{number}")


def _typed(texts: dict[str, list[str]]) -> JourneyDraft:
    """The table as it was typed; lines without a kind are left out."""
    columns = {name: texts.get(name, []) for name in ("days", "template", "condition", "group", "then", "else")}

    def cell(name: str, n: int) -> str:
        return columns[name][n].strip() if n < len(columns[name]) else ""

    steps = [
        StepDraft(
            kind=kind,
            days=number_in(cell("days", n)) or 0,
            template=number_in(cell("template", n)) or 0,
            condition=cell("condition", n),
            group=number_in(cell("group", n)) or 0,
            then_number=number_in(cell("then", n)) or 0,
            else_number=number_in(cell("else", n)) or 0,
        )
        for n, kind in enumerate(texts.get("kind", []))
        if kind
    ]
    trigger = first(texts, "trigger")
    value = number_in(first(texts, "trigger_group" if trigger == "group" else "trigger_days").strip()) or 0
    return JourneyDraft(first(texts, "name"), trigger, steps, value)


def _form(request: Request[Visitor, Any, Any], journey_id: int, draft: JourneyDraft | None, problem: str) -> Template:
    with request.app.state.service.database.read() as session:
        templates = [(row.id, row.name) for row in session.scalars(templates_seen(request.user, is_offered=True))]
        groups = [(group.id, group.name) for group in session.scalars(groups_seen(request.user).limit(200))]
    draft = draft or JourneyDraft("", "joined", [])
    lines = [*draft.steps, *[StepDraft("")] * EMPTY_LINES][:STEPS_MAX]
    return page(
        request,
        "journey_form.html",
        http_status=409 if problem else 200,
        problem=problem,
        journey_id=journey_id,
        draft=draft,
        lines=lines,
        kinds=KINDS,
        conditions=CONDITIONS,
        triggers=TRIGGERS,
        templates=templates,
        groups=groups,
        days_max=DAYS_MAX,
        steps_max=STEPS_MAX,
    )


HANDLERS: list[Any] = [
    list_journeys,
    new_journey,
    do_new_journey,
    show_journey,
    change_journey,
    do_change_journey,
    do_switch_journey,
]
