"""Members and records about them by files: template, upload, columns, dry run, faults, taking over, undo; export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.datastructures import UploadFile
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, MultipartBody
from litestar.response import Stream, Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.exports.kinds import AT_ONCE_ROWS_MAX, MembersAsked
from admin.exports.kinds import MEMBERS as MEMBERS_KIND
from admin.forms import FormContext
from admin.i18n import translate
from admin.members.drafts import places_of
from admin.members.examined import Examined
from admin.members.files import FileMade, csv_file, exported, faults_file, workbook
from admin.members.importing import (
    FAULTS_SHOWN_MAX,
    FILE_KINDS,
    MEMBERS,
    examine,
    import_of,
    labels_in,
    may_take,
    set_choices,
    upload,
)
from admin.members.search import FILTERS
from admin.members.sheets import FILE_BYTES_MAX, ROWS_MAX, csv_bytes, write_xlsx
from admin.members.taking import begin, drop, stop
from admin.members.withdrawing import begin_withdrawal, withdrawal_of
from admin.models.members import ImportStage, MemberImport, MemberImportFault
from admin.rights import Action
from admin.service import Service

from .common import go, is_part_wanted, page, refusal_text
from .handlers import get
from .member_common import acted, first, number_in, sent_texts
from .report_pages import ordered

_ = str
IMPORTS = needs("data-exchange", Action.ADD)
IMPORTS_SHOWN_MAX = 50


@dataclass
class FileForm:
    """A file that a browser sends."""

    file: UploadFile
    kind: str = MEMBERS


@get("/member-import", guards=[IMPORTS])
def list_imports(request: Request[Visitor, Any, Any]) -> Template:
    """The visitor's imports, newest first, and where a new one begins."""
    return _list(request, "")


def _list(request: Request[Visitor, Any, Any], problem: str) -> Template:
    query = select(MemberImport).where(MemberImport.created_by == request.user.user_id)
    with request.app.state.service.database.read() as session:
        rows = list(session.scalars(query.order_by(MemberImport.id.desc()).limit(IMPORTS_SHOWN_MAX)))
        session.expunge_all()
    return page(
        request,
        "member_imports.html",
        http_status=409 if problem else 200,
        rows=rows,
        kinds={name: kind.label for name, kind in FILE_KINDS.items() if may_take(request.user, name)},
        labels={name: kind.label for name, kind in FILE_KINDS.items()},
        problem=problem,
        rows_max=ROWS_MAX,
        megabytes_max=FILE_BYTES_MAX >> 20,
    )


@get("/member-import/template", guards=[IMPORTS])
def download_template(
    request: Request[Visitor, Any, Any], form: FromQuery[str] = "xlsx", kind: FromQuery[str] = MEMBERS
) -> Response[Any]:
    """A file with the headings that an import knows, in the visitor's language."""
    if kind not in FILE_KINDS:
        raise NotFoundException(detail="There is no such kind of file.")
    with request.app.state.service.database.read() as session:
        heading = [translate(label) for label in labels_in(session, kind).values()]
    if form == "csv":
        return _sent(csv_file(f"{kind}.csv", csv_bytes([heading])))
    return _sent(workbook(f"{kind}.xlsx", lambda path: write_xlsx(path, heading, [])))


@async_post("/member-import", guards=[IMPORTS], status_code=200, request_max_body_size=FILE_BYTES_MAX + (1 << 20))
async def do_upload(request: Request[Visitor, Any, Any], data: MultipartBody[FileForm]) -> Response[Any]:
    """Take a file and show what it would do."""
    content = await data.file.read()
    name = data.file.filename or "file"
    try:
        import_id = await to_thread.run_sync(upload, request.app.state.service, request.user, content, name, data.kind)
    except RefusedError as error:
        return await to_thread.run_sync(_list, request, refusal_text(error))
    return go(request, f"/member-import/{import_id}")


@get("/member-import/{import_id:int}", guards=[IMPORTS])
def show_import(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Template:
    """What taking the file over would do; how far it has come; or what came of it."""
    return _show(request, import_id, "")


def _show(request: Request[Visitor, Any, Any], import_id: int, problem: str) -> Template:
    with request.app.state.service.database.read() as session:
        row, examined = _examined(request, session, import_id)
        left_out = select(MemberImportFault).where(MemberImportFault.import_id == import_id)
        late = list(session.scalars(left_out.order_by(MemberImportFault.row).limit(FAULTS_SHOWN_MAX)))
        context = FormContext(session, request.user, request.app.state.references)
        places = places_of(context)
        labels = labels_in(session, row.kind)
        is_ended = row.kind == MEMBERS and row.stage in (ImportStage.DONE, ImportStage.DROPPED)
        withdrawal = withdrawal_of(session, row) if is_ended else None
        session.expunge_all()
    return page(
        request,
        "_member_import.html" if is_part_wanted(request) else "member_import.html",
        http_status=409 if problem else 200,
        row=row,
        examined=examined,
        is_running=row.stage in (ImportStage.RUNNING, ImportStage.WITHDRAWING),
        withdrawal=withdrawal,
        is_ready=examined is not None and (examined.is_good_in_part if row.is_good_only else examined.is_good),
        faults=examined.faults[:FAULTS_SHOWN_MAX] if examined else [],
        late=late,
        labels=labels,
        duplicates=FILE_KINDS[row.kind].duplicates,
        kind_label=FILE_KINDS[row.kind].label,
        is_members=row.kind == MEMBERS,
        places=places,
        problem=problem,
    )


def _examined(
    request: Request[Visitor, Any, Any], session: Any, import_id: int
) -> tuple[MemberImport, Examined | None]:
    row = import_of(session, request.user, import_id)
    if row is None:
        raise NotFoundException(detail="There is no such import.")
    if row.stage != ImportStage.OPEN:
        return row, None
    return row, examine(request.app.state.service, session, request.user, request.app.state.references, row)


@async_post("/member-import/{import_id:int}/choices", guards=[IMPORTS], status_code=200)
async def do_choices(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Response[Any]:
    """Say what columns hold and what is done with people who are there already."""
    texts = await sent_texts(request)
    try:
        await to_thread.run_sync(
            partial(
                set_choices,
                request.app.state.service,
                request.user,
                import_id,
                texts.get("column", []),
                first(texts, "duplicates"),
                number_in(texts, "organisation_id"),
                is_good_only=bool(first(texts, "is_good_only")),
            )
        )
    except RefusedError as error:
        return await to_thread.run_sync(_show, request, import_id, refusal_text(error))
    return go(request, f"/member-import/{import_id}")


@async_post("/member-import/{import_id:int}/take", guards=[IMPORTS], status_code=200)
async def do_take(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Response[Any]:
    """Let the file be taken over, or go on with one that was stopped."""
    return await _acted(request, begin, import_id)


@async_post("/member-import/{import_id:int}/stop", guards=[IMPORTS], status_code=200)
async def do_stop(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Response[Any]:
    """Take over no further rows."""
    return await _acted(request, stop, import_id)


async def _acted(
    request: Request[Visitor, Any, Any], act: Callable[[Service, Visitor, int], None], import_id: int
) -> Response[Any]:
    try:
        await to_thread.run_sync(act, request.app.state.service, request.user, import_id)
    except RefusedError as error:
        return await to_thread.run_sync(_show, request, import_id, refusal_text(error))
    return go(request, f"/member-import/{import_id}")


@async_post("/member-import/{import_id:int}/withdraw", guards=[IMPORTS], status_code=200)
async def do_withdraw(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Response[Any]:
    """Let the members whom it added and nobody has used since be withdrawn."""
    return await _acted(request, begin_withdrawal, import_id)


@async_post("/member-import/{import_id:int}/drop", guards=[IMPORTS], status_code=200)
async def do_drop(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Response[Any]:
    """Throw a file away."""
    return await acted(request, lambda: drop(request.app.state.service, request.user, import_id), "/member-import")


@get("/member-import/{import_id:int}/faults", guards=[IMPORTS])
def download_faults(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Response[Any]:
    """The rows with faults and what is wrong with each: mended, they are a file for another import."""
    with request.app.state.service.database.read() as session:
        _row, examined = _examined(request, session, import_id)
    if examined is None:
        raise NotFoundException(detail="This import has ended.")
    return _sent(faults_file(import_id, examined))


# ------------------------------------------------------------------------- out


@get("/member-export", guards=[needs("members", Action.EXPORT)])
def export(
    request: Request[Visitor, Any, Any],
    q: FromQuery[str] = "",
    form: FromQuery[str] = "xlsx",
    whole: FromQuery[str] = "",
) -> Response[Any]:
    """The members of a list as a file, or an order of one; whole numbers only with the right to see them."""
    filters = {name: request.query_params.get(name, "") for name in FILTERS}
    kind = "csv" if form == "csv" else "xlsx"
    service, is_whole = request.app.state.service, bool(whole)
    file = exported(service, request.user, q, filters, kind, is_whole=is_whole, rows_max=AT_ONCE_ROWS_MAX)
    if file is not None:
        return _sent(file)
    return go(request, ordered(request, MEMBERS_KIND, _("Members"), MembersAsked(q, filters, kind, is_whole)))


def _sent(file: FileMade) -> Response[Any]:
    return Stream(file.chunks, media_type=file.media_type, headers=file.headers)


HANDLERS: list[Any] = [
    list_imports,
    download_template,
    do_upload,
    show_import,
    do_choices,
    do_take,
    do_stop,
    do_drop,
    do_withdraw,
    download_faults,
    export,
]
