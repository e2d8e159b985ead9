"""Members in and out by files: template, upload, columns, dry run, faults, taking over; export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from admin.forms import FormContext
from admin.i18n import translate
from admin.members.definitions import custom_fields
from admin.members.drafts import places_of
from admin.members.files import FileMade, csv_file, exported, faults_file, workbook
from admin.members.importing import (
    DUPLICATES,
    FAULTS_SHOWN_MAX,
    Examined,
    examine,
    import_of,
    labels_of_fields,
    set_choices,
    upload,
)
from admin.members.search import FILTERS
from admin.members.sheets import FILE_BYTES_MAX, ROWS_MAX, csv_bytes, write_xlsx
from admin.members.taking import begin, drop, stop
from admin.models.members import ImportStage, MemberImport, MemberImportFault
from admin.rights import Action
from admin.service import Service

from .common import go, is_part_wanted, page, refusal_text
from .handlers import get
from .member_common import acted, first, number_in, sent_texts

_ = str
IMPORTS = needs("data-exchange", Action.ADD)
IMPORTS_SHOWN_MAX = 50


@dataclass
class FileForm:
    """A file that a browser sends."""

    file: UploadFile


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
        problem=problem,
        rows_max=ROWS_MAX,
        megabytes_max=FILE_BYTES_MAX >> 20,
    )


@get("/member-import/template", guards=[IMPORTS])
def download_template(request: Request[Visitor, Any, Any], form: FromQuery[str] = "xlsx") -> Response[Any]:
    """A file with the headings that an import knows, in the visitor's language."""
    with request.app.state.service.database.read() as session:
        heading = [translate(label) for label in labels_of_fields(custom_fields(session)).values()]
    if form == "csv":
        return _sent(csv_file("members.csv", csv_bytes([heading])))
    return _sent(workbook("members.xlsx", lambda path: write_xlsx(path, heading, [])))


@async_post("/member-import", guards=[IMPORTS], status_code=200, request_max_body_size=FILE_BYTES_MAX + (1 << 20))
async def do_upload(request: Request[Visitor, Any, Any], data: MultipartBody[FileForm]) -> Response[Any]:
    """Take a file and show what it would do."""
    content = await data.file.read()
    name = data.file.filename or "file"
    try:
        import_id = await to_thread.run_sync(upload, request.app.state.service, request.user, content, name)
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
        labels = labels_of_fields(custom_fields(session))
        session.expunge_all()
    return page(
        request,
        "_member_import.html" if is_part_wanted(request) else "member_import.html",
        http_status=409 if problem else 200,
        row=row,
        examined=examined,
        is_running=row.stage == ImportStage.RUNNING,
        faults=examined.faults[:FAULTS_SHOWN_MAX] if examined else [],
        late=late,
        labels=labels,
        duplicates=DUPLICATES,
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
            set_choices,
            request.app.state.service,
            request.user,
            import_id,
            texts.get("column", []),
            first(texts, "duplicates"),
            number_in(texts, "organisation_id"),
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
    """The members of a list as a file; whole numbers only with the right to see them."""
    filters = {name: request.query_params.get(name, "") for name in FILTERS}
    kind = "csv" if form == "csv" else "xlsx"
    return _sent(exported(request.app.state.service, request.user, q, filters, kind, is_whole=bool(whole)))


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
    download_faults,
    export,
]
