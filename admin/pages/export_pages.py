"""Exports that were ordered since they are long: one's own, their progress, and the file once it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template

from admin.access import Visitor, needs
from admin.exports.jobs import KEPT, UNDER_WAY, drop, fetch, job_of, jobs_of, resume, stop
from admin.models.exports import JobState
from admin.service import Service

from .common import go, is_part_wanted, page
from .handlers import get

_ = str
OWN = needs("dashboard")
"""One's own exports; each asks for the right of what it exports besides."""
STATES: dict[str, str] = {
    JobState.WAITING: _("Waits for its turn"),
    JobState.RUNNING: _("Is being made"),
    JobState.STOPPED: _("Stopped"),
    JobState.DONE: _("Ready"),
    JobState.FAILED: _("Failed"),
    JobState.GONE: _("Removed"),
}
TONES: dict[str, str] = {
    JobState.WAITING: "warn",
    JobState.RUNNING: "warn",
    JobState.STOPPED: "warn",
    JobState.DONE: "good",
    JobState.FAILED: "bad",
    JobState.GONE: "",
}
HOURS_KEPT = int(KEPT.total_seconds()) // 3600


@get("/exports", guards=[OWN])
def list_exports(request: Request[Visitor, Any, Any]) -> Template:
    """The visitor's exports, newest first."""
    with request.app.state.service.database.read() as session:
        rows = jobs_of(session, request.user)
        session.expunge_all()
    return page(request, "exports.html", rows=rows, states=STATES, tones=TONES, hours_kept=HOURS_KEPT)


@get("/exports/{export_id:int}", guards=[OWN])
def show_export(request: Request[Visitor, Any, Any], export_id: FromPath[int]) -> Template:
    """How far an export has come."""
    with request.app.state.service.database.read() as session:
        row = job_of(session, request.user, export_id)
        if row is None:
            raise NotFoundException(detail="There is no such export.")
        session.expunge(row)
    return page(
        request,
        "_export.html" if is_part_wanted(request) else "export.html",
        row=row,
        states=STATES,
        tones=TONES,
        is_under_way=row.state in UNDER_WAY,
        hours_kept=HOURS_KEPT,
    )


@get("/exports/{export_id:int}/file", guards=[OWN])
def download_export(request: Request[Visitor, Any, Any], export_id: FromPath[int]) -> Response[bytes]:
    """The file, for who ordered it and still may."""
    job, content = fetch(request.app.state.service, request.user, export_id)
    headers = {"Content-Disposition": f'attachment; filename="{job.file_name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=job.media_type, headers=headers)


@async_post("/exports/{export_id:int}/stop", guards=[OWN], status_code=200)
async def do_stop_export(request: Request[Visitor, Any, Any], export_id: FromPath[int]) -> Response[Any]:
    """Make no more of it."""
    return await _acted(request, stop, export_id)


@async_post("/exports/{export_id:int}/resume", guards=[OWN], status_code=200)
async def do_resume_export(request: Request[Visitor, Any, Any], export_id: FromPath[int]) -> Response[Any]:
    """Begin it again."""
    return await _acted(request, resume, export_id)


@async_post("/exports/{export_id:int}/drop", guards=[OWN], status_code=200)
async def do_drop_export(request: Request[Visitor, Any, Any], export_id: FromPath[int]) -> Response[Any]:
    """Remove the file before its time."""
    return await _acted(request, drop, export_id)


async def _acted(
    request: Request[Visitor, Any, Any], act: Callable[[Service, Visitor, int], None], export_id: int
) -> Response[Any]:
    await to_thread.run_sync(act, request.app.state.service, request.user, export_id)
    return go(request, f"/exports/{export_id}")


HANDLERS: list[Any] = [
    list_exports,
    show_export,
    download_export,
    do_stop_export,
    do_resume_export,
    do_drop_export,
]
