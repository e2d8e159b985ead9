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
from admin.exports.jobs import UNDER_WAY, is_for_a_job, last_of_kind, plan_soon, run_soon
from admin.exports.kinds import LEVELS, Moves
from admin.forms import Bound, FormContext, bind, fields_of
from admin.members.level_form import LevelForm
from admin.members.levels import levels, preview, put_level, run
from admin.members.today import today_of
from admin.members.totals import catch_up
from admin.models.exports import JobState
from admin.models.members import Member, MemberLevel
from admin.rights import Action

from .common import go, is_part_wanted, page, refusal_text
from .export_pages import STATES, TONES
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
    """Whom the job would move today; with many members, what the last dry run came to."""
    service = request.app.state.service
    with service.database.read() as session:
        today, is_large = today_of(session, service), is_for_a_job(session)
        job = last_of_kind(session, request.user, LEVELS) if is_large else None
        session.expunge_all()
    found = None
    if job is not None and job.state == JobState.DONE:
        found = msgspec.json.decode(job.result, type=Moves)
    elif not is_large:
        catch_up(service.database)
        with service.database.read() as session:
            counts, first = preview(session, today)
        ordered_counts = sorted(((old, new, n) for (old, new), n in counts.items()), key=lambda one: -one[2])
        found = Moves(today.isoformat(), ordered_counts, first)
    moves = found.first if found else []
    with service.database.read() as session:
        names = {level.id: level.name for level in levels(session)}
        numbers = [move.member_id for move in moves]
        people = {
            row.id: row.name for row in session.execute(select(Member.id, Member.name).where(Member.id.in_(numbers)))
        }
    return page(
        request,
        "_member_level_run.html" if is_part_wanted(request) else "member_level_run.html",
        found=found,
        total=sum(count for _old, _new, count in found.counts) if found else 0,
        moves=moves,
        names=names,
        people=people,
        today=found.date if found else today.isoformat(),
        is_large=is_large,
        job=job,
        is_under_way=job is not None and job.state in UNDER_WAY,
        states=STATES,
        tones=TONES,
    )


@async_post("/member-levels/plan", guards=[needs("member-settings", Action.CHANGE)], status_code=200)
async def do_plan(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Let a process find out whom the job would move."""
    return await acted(request, lambda: plan_soon(request.app.state.service, request.user), "/member-levels/run")


@async_post("/member-levels/run", guards=[needs("member-settings", Action.CHANGE)], status_code=200)
async def do_run(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Move members; with many of them, a process does."""
    service = request.app.state.service

    def act() -> str:
        with service.database.read() as session:
            today, is_large = today_of(session, service), is_for_a_job(session)
        if is_large:
            return f"/exports/{run_soon(service, request.user)}"
        run(service, request.user, today)
        return "/member-levels"

    return go(request, await to_thread.run_sync(act))


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
    do_plan,
    do_run,
]
