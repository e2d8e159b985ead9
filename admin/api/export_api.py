"""Exports that were ordered since they are long: order, progress, the file; the dry run of a change of levels."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from admin.access import Visitor, needs
from admin.exports.jobs import drop, fetch, job_of, jobs_of, plan_soon, resume, stop
from admin.exports.kinds import Moves
from admin.i18n import translate
from admin.rights import Action

from .handlers import Done, api_get, api_post, filled

TAG = "Exports"
OWN = [needs("dashboard")]
EXPORTS = "/api/v1/exports"


class ExportItem(msgspec.Struct):
    """An export that the owner of the token has ordered."""

    id: int
    kind: str
    """report, consumption, query, members, or levels: whom a change of levels would move"""
    title: str
    state: str
    """waiting, running, stopped, done, failed or gone: its file was removed"""
    problem: str
    rows_done: int
    rows_all: int
    """0: not known yet"""
    file_name: str
    file_bytes: int
    created_ms: int
    ended_ms: int | None


class PlannedMove(msgspec.Struct):
    """A member whom a change would move."""

    member_id: int
    old_level_id: int | None
    new_level_id: int | None
    reason: str


class PlannedMoves(msgspec.Struct):
    """How many would move from one level to another."""

    old_level_id: int | None
    new_level_id: int | None
    members: int


class ExportDetails(msgspec.Struct):
    """An export, and what it came to where that is no file."""

    export: ExportItem
    counts: list[PlannedMoves]
    first: list[PlannedMove]


@api_get(EXPORTS, guards=OWN, tag=TAG)
def list_exports(request: Request[Visitor, Any, Any]) -> list[ExportItem]:
    """One's own, newest first."""
    with request.app.state.service.database.read() as session:
        return [_item(row) for row in jobs_of(session, request.user)]


@api_get(f"{EXPORTS}/{{export_id:int}}", guards=OWN, tag=TAG)
def get_export(request: Request[Visitor, Any, Any], export_id: FromPath[int]) -> ExportDetails:
    """How far an export has come."""
    with request.app.state.service.database.read() as session:
        row = job_of(session, request.user, export_id)
        if row is None:
            raise NotFoundException(detail="There is no such export.")
        found = msgspec.json.decode(row.result, type=Moves) if row.result else Moves("", [], [])
        return ExportDetails(
            _item(row),
            [PlannedMoves(*count) for count in found.counts],
            [filled(PlannedMove, move) for move in found.first],
        )


@api_get(f"{EXPORTS}/{{export_id:int}}/file", guards=OWN, tag=TAG, media_type="application/octet-stream")
def get_file(request: Request[Visitor, Any, Any], export_id: FromPath[int]) -> Response[bytes]:
    """The file, for who ordered it and still may."""
    _existing(request, export_id)
    job, content = fetch(request.app.state.service, request.user, export_id)
    headers = {"Content-Disposition": f'attachment; filename="{job.file_name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=job.media_type, headers=headers)


@api_post(f"{EXPORTS}/{{export_id:int}}/stop", guards=OWN, tag=TAG, status=200)
def stop_export(request: Request[Visitor, Any, Any], export_id: FromPath[int]) -> Done:
    """Make no more of it."""
    _existing(request, export_id)
    stop(request.app.state.service, request.user, export_id)
    return Done(str(export_id))


@api_post(f"{EXPORTS}/{{export_id:int}}/resume", guards=OWN, tag=TAG, status=200)
def resume_export(request: Request[Visitor, Any, Any], export_id: FromPath[int]) -> Done:
    """Begin again one that was stopped or failed."""
    _existing(request, export_id)
    resume(request.app.state.service, request.user, export_id)
    return Done(str(export_id))


@api_post(f"{EXPORTS}/{{export_id:int}}/drop", guards=OWN, tag=TAG, status=200)
def drop_export(request: Request[Visitor, Any, Any], export_id: FromPath[int]) -> Done:
    """Remove the file before its time."""
    _existing(request, export_id)
    drop(request.app.state.service, request.user, export_id)
    return Done(str(export_id))


@api_post("/api/v1/member-levels/plan", guards=[needs("member-settings", Action.CHANGE)], tag=TAG)
def plan_levels(request: Request[Visitor, Any, Any]) -> Done:
    """Let a process find out whom a change of levels would move; the number of the export that will say it."""
    return Done(str(plan_soon(request.app.state.service, request.user)))


HANDLERS = [list_exports, get_export, get_file, stop_export, resume_export, drop_export, plan_levels]


def _existing(request: Request[Visitor, Any, Any], export_id: int) -> None:
    with request.app.state.service.database.read() as session:
        if job_of(session, request.user, export_id) is None:
            raise NotFoundException(detail="There is no such export.")


def _item(row: Any) -> ExportItem:
    return filled(ExportItem, row, title=translate(row.title))
