"""Levels of members: what each takes, and the job that moves members, with its preview."""

from __future__ import annotations

from typing import Any

import msgspec
from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template
from sqlalchemy import func, select

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, fields_of
from admin.members.level_form import LevelForm
from admin.members.levels import levels, preview, put_level, run
from admin.members.today import today_of
from admin.members.totals import catch_up
from admin.models.members import Member, MemberLevel
from admin.rights import Action

from .common import go, page, refusal_text
from .handlers import get
from .member_common import acted, sent_texts


@get("/member-levels", guards=[needs("members")])
def list_levels(request: Request[Visitor, Any, Any]) -> Template:
    """Levels, the highest first, and how many members have each."""
    with request.app.state.service.database.read() as session:
        ladder = list(reversed(levels(session)))
        session.expunge_all()
        counted: Any = select(Member.level_id, func.count()).group_by(Member.level_id)
        counted = request.user.members_seen(counted)
        counts = {level: int(count) for level, count in session.execute(counted)}
    return page(request, "member_levels.html", levels=ladder, counts=counts)


@get("/member-levels/new", guards=[needs("member-settings", Action.CHANGE)])
def new_level(request: Request[Visitor, Any, Any]) -> Template:
    """Form of a new level."""
    return _form(request, None, None, "")


@async_post("/member-levels/new", guards=[needs("member-settings", Action.CHANGE)], status_code=200)
async def do_new_level(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Define a level."""
    return await to_thread.run_sync(_save, request, None, await sent_texts(request))


@get("/member-levels/{level_id:int}", guards=[needs("member-settings", Action.CHANGE)])
def show_level(request: Request[Visitor, Any, Any], level_id: FromPath[int]) -> Template:
    """Form of a level."""
    return _form(request, level_id, None, "")


@async_post("/member-levels/{level_id:int}", guards=[needs("member-settings", Action.CHANGE)], status_code=200)
async def do_change_level(request: Request[Visitor, Any, Any], level_id: FromPath[int]) -> Response[Any]:
    """Change a level."""
    return await to_thread.run_sync(_save, request, level_id, await sent_texts(request))


@get("/member-levels/run", guards=[needs("member-settings", Action.CHANGE)])
def show_run(request: Request[Visitor, Any, Any]) -> Template:
    """Whom the job would move today."""
    service = request.app.state.service
    catch_up(service.database)
    with service.database.read() as session:
        today = today_of(session, service)
        counts, moves = preview(session, today)
        names = {level.id: level.name for level in levels(session)}
        people = {
            member.id: member.name
            for member in session.scalars(select(Member).where(Member.id.in_([move.member_id for move in moves])))
        }
    return page(
        request,
        "member_level_run.html",
        counts=sorted(counts.items(), key=lambda item: -item[1]),
        total=sum(counts.values()),
        moves=moves,
        names=names,
        people=people,
        today=today.isoformat(),
    )


@async_post("/member-levels/run", guards=[needs("member-settings", Action.CHANGE)], status_code=200)
async def do_run(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Move members."""
    service = request.app.state.service

    def act() -> None:
        with service.database.read() as session:
            today = today_of(session, service)
        run(service, request.user, today)

    return await acted(request, act, "/member-levels")


def _save(request: Request[Visitor, Any, Any], level_id: int | None, texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    with service.database.read() as session:
        bound = bind(LevelForm, texts, FormContext(session, request.user, request.app.state.references))
    if bound.value is None:
        return _form(request, level_id, bound, "")
    try:
        put_level(service, request.user, level_id, **msgspec.structs.asdict(bound.value))
    except RefusedError as error:
        return _form(request, level_id, bound, refusal_text(error))
    return go(request, "/member-levels")


def _form(
    request: Request[Visitor, Any, Any], level_id: int | None, bound: Bound[LevelForm] | None, problem: str
) -> Template:
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        level = session.get(MemberLevel, level_id) if level_id is not None else None
        if level_id is not None and level is None:
            raise NotFoundException(detail="There is no such level.")
        filled = None
        if level is not None:
            filled = LevelForm(**{name: getattr(level, name) for name in LevelForm.__struct_fields__})
        fields = fields_of(LevelForm, context, bound, filled)
    return page(
        request,
        "member_level.html",
        http_status=409 if problem or bound is not None else 200,
        fields=fields,
        problem=problem,
        level_id=level_id,
    )


HANDLERS: list[Any] = [
    list_levels,
    new_level,
    do_new_level,
    show_level,
    do_change_level,
    show_run,
    do_run,
]
