"""Members in and out by files: upload, columns, dry run with an answer for each row, taking over; export."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.exports.kinds import AT_ONCE_ROWS_MAX, MembersAsked
from admin.exports.kinds import MEMBERS as MEMBERS_KIND
from admin.i18n import translate
from admin.members.examined import Examined
from admin.members.files import FILE_TYPES, FileMade, exported, faults_file
from admin.members.importing import (
    FAULTS_SHOWN_MAX,
    FILE_KINDS,
    MEMBERS,
    examine,
    import_of,
    labels_in,
    set_choices,
    upload,
)
from admin.members.sheets import FILE_BYTES_MAX
from admin.members.taking import begin, drop, stop
from admin.members.withdrawing import begin_withdrawal, withdrawal_of
from admin.models.members import ImportStage, MemberImport, MemberImportFault
from admin.rights import Action

from .handlers import Done, Limit, Number, Option, Page, SmallNumber, api_get, api_post, filled, page_of
from .member_api import MemberFilters
from .tables import sent_or_ordered

TAG = "Files of members"
NO_ZERO = r"^[^\x00]*$"
IMPORTS = [needs("data-exchange", Action.ADD)]
EXPORTS = [needs("members", Action.EXPORT)]
COLUMNS_MAX = 200
FileKindName = FromQuery[Annotated[str, msgspec.Meta(max_length=12)]]


class ImportFile(msgspec.Struct, forbid_unknown_fields=True):
    """A spreadsheet or a CSV file of members."""

    content: Annotated[bytes, msgspec.Meta(max_length=FILE_BYTES_MAX, description="Base64.")]
    name: Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)] = "file"
    kind: Annotated[str, msgspec.Meta(max_length=12, pattern="^[a-z]+$")] = MEMBERS
    """What the rows are: members, consumption, churn or contacts."""


class ImportItem(msgspec.Struct):
    """A file that was sent."""

    id: int
    file_name: str
    stage: str
    """open, running, stopped, done, dropped, undoing or undone"""
    kind: str
    """members, consumption, churn or contacts"""
    problem: str
    """Why it was stopped; empty: nothing is wrong."""
    duplicates: str
    organisation_id: int
    row_count: int
    """0 until it is begun."""
    taken_count: int
    """Rows that are dealt with."""
    added_count: int
    changed_count: int
    skipped_count: int
    fault_count: int
    """Of these, how many could not be taken over after all."""
    withdrawn_count: int
    """Members whom it added and who were withdrawn since."""
    created_ms: int
    done_ms: int | None


class WithdrawalItem(msgspec.Struct):
    """What taking an import back would do."""

    unused_count: int
    used_count: int


class CellFault(msgspec.Struct):
    """What is wrong with one cell."""

    row: int
    """As the spreadsheet numbers it: the heading is row 1."""
    column: str
    value: str
    message: str


class ImportDetails(msgspec.Struct):
    """What taking a file over would do; of one that has ended only what came of it."""

    item: ImportItem
    heading: list[str]
    mapping: list[str]
    """The field that each column holds; empty: none."""
    row_count: int
    added_count: int
    changed_count: int
    skipped_count: int
    fault_count: int
    faults: list[CellFault]
    """The first of them; GET …/rows has those of every row. Of one that was begun: rows that were left out."""


class ImportRow(msgspec.Struct):
    """What would become of one row."""

    row: int
    outcome: str
    """added, changed, skipped or rejected"""
    member_id: int
    """Of the member that it would change; 0: none."""
    faults: list[CellFault]


class ImportChoices(msgspec.Struct, forbid_unknown_fields=True):
    """What columns hold, what is done with people who are there already, and whose members they become."""

    mapping: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=40, pattern=NO_ZERO)]], msgspec.Meta(max_length=COLUMNS_MAX)
    ]
    duplicates: Annotated[str, msgspec.Meta(max_length=10, description="refuse, skip, update, add")] = "refuse"
    organisation_id: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 0
    is_good_only: bool = False
    """Leave rows with faults out; without it, a file with a fault is not taken over at all."""


class ImportFields(msgspec.Struct):
    """Fields that columns may hold, with the headings under which they are known, and what to do with duplicates."""

    fields: list[Option]
    duplicates: list[Option]


class ExportAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Which members: words as they are typed, and filters."""

    text: Annotated[str, msgspec.Meta(max_length=200, pattern=NO_ZERO)] = ""
    filters: MemberFilters = msgspec.field(default_factory=MemberFilters)
    is_whole: bool = False
    """Numbers and addresses whole: for those with the right to see them; masked for others."""


@api_get("/api/v1/member-import", guards=IMPORTS, tag=TAG)
def list_imports(request: Request[Visitor, Any, Any], before: Number = None, limit: Limit = 50) -> Page[ImportItem]:
    """One's own imports, newest first."""
    query = select(MemberImport).where(MemberImport.created_by == request.user.user_id)
    if before is not None:
        query = query.where(MemberImport.id < before)
    with request.app.state.service.database.read() as session:
        rows = session.scalars(query.order_by(MemberImport.id.desc()).limit(limit + 1)).all()
        return page_of(rows, limit, lambda row: filled(ImportItem, row), lambda row: row.id)


@api_get("/api/v1/member-import/template", guards=IMPORTS, tag=TAG)
def get_fields(request: Request[Visitor, Any, Any], kind: FileKindName = MEMBERS) -> ImportFields:
    """What a file may hold, instead of the page's empty workbook."""
    if kind not in FILE_KINDS:
        raise NotFoundException(detail="There is no such kind of file.")
    with request.app.state.service.database.read() as session:
        labels = labels_in(session, kind)
    return ImportFields(
        [Option(name, translate(label)) for name, label in labels.items()],
        [Option(name, translate(label)) for name, label in FILE_KINDS[kind].duplicates.items()],
    )


@api_post("/api/v1/member-import", guards=IMPORTS, tag=TAG, request_max_body_size=FILE_BYTES_MAX * 4 // 3 + (1 << 20))
def send_file(request: Request[Visitor, Any, Any], data: JSONBody[ImportFile]) -> Done:
    """Send a file; nothing is taken over yet. Columns are found by their headings."""
    return Done(str(upload(request.app.state.service, request.user, data.content, data.name, data.kind)))


@api_get("/api/v1/member-import/{import_id:int}", guards=IMPORTS, tag=TAG)
def get_import(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> ImportDetails:
    """What taking a file over would do: the dry run."""
    with request.app.state.service.database.read() as session:
        row, found = _examined(request, session, import_id)
        if found is None:
            left_out = select(MemberImportFault).where(MemberImportFault.import_id == import_id)
            late = session.scalars(left_out.order_by(MemberImportFault.row).limit(FAULTS_SHOWN_MAX))
            faults = [filled(CellFault, fault, value="") for fault in late]
            return filled(ImportDetails, row, item=filled(ImportItem, row), heading=[], mapping=[], faults=faults)
        return ImportDetails(
            filled(ImportItem, row),
            found.heading,
            found.mapping,
            len(found.rows),
            len(found.added),
            len(found.changed),
            len(found.skipped),
            len(found.faults),
            [filled(CellFault, fault) for fault in found.faults[:FAULTS_SHOWN_MAX]],
        )


@api_get("/api/v1/member-import/{import_id:int}/rows", guards=IMPORTS, tag=TAG)
def list_rows(
    request: Request[Visitor, Any, Any], import_id: FromPath[int], after: SmallNumber = None, limit: Limit = 50
) -> Page[ImportRow]:
    """What would become of each row, in their order: taken as what, or rejected for which cells."""
    with request.app.state.service.database.read() as session:
        _row, found = _examined(request, session, import_id)
    if found is None:
        raise NotFoundException(detail="This import has ended.")
    added, changed = {line for line, _, _ in found.added}, {line: member for line, _, member in found.changed}
    skipped = set(found.skipped)
    faults: dict[int, list[CellFault]] = {}
    for fault in found.faults:
        faults.setdefault(fault.row, []).append(filled(CellFault, fault))

    def item(line: int) -> ImportRow:
        outcome = "rejected" if line in faults or line not in added | changed.keys() | skipped else "added"
        if outcome == "added" and line not in added:
            outcome = "changed" if line in changed else "skipped"
        return ImportRow(line, outcome, changed.get(line, 0), faults.get(line, []))

    first = max((after or 1) + 1, 2)
    lines = range(first, min(first + limit + 1, len(found.rows) + 2))
    return page_of(lines, limit, item, lambda line: line)


@api_post("/api/v1/member-import/{import_id:int}/choices", guards=IMPORTS, tag=TAG, status=200)
def choose(request: Request[Visitor, Any, Any], import_id: FromPath[int], data: JSONBody[ImportChoices]) -> Done:
    """Say what columns hold and what is done with people who are there already."""
    _existing(request, import_id)
    set_choices(
        request.app.state.service,
        request.user,
        import_id,
        data.mapping,
        data.duplicates,
        data.organisation_id,
        is_good_only=data.is_good_only,
    )
    return Done(str(import_id))


@api_post("/api/v1/member-import/{import_id:int}/take", guards=IMPORTS, tag=TAG, status=200)
def take(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Done:
    """Let the file be taken over, or go on with one that was stopped; a process of its own does it, row by row."""
    _existing(request, import_id)
    begin(request.app.state.service, request.user, import_id)
    return Done(str(import_id))


@api_post("/api/v1/member-import/{import_id:int}/stop", guards=IMPORTS, tag=TAG, status=200)
def take_no_more(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Done:
    """Take over no further rows; those that were taken over stay."""
    _existing(request, import_id)
    stop(request.app.state.service, request.user, import_id)
    return Done(str(import_id))


@api_get("/api/v1/member-import/{import_id:int}/withdrawal", guards=IMPORTS, tag=TAG)
def get_withdrawal(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> WithdrawalItem:
    """How many of the members whom it added would be withdrawn, and how many stay since they were used."""
    with request.app.state.service.database.read() as session:
        row = import_of(session, request.user, import_id)
        if row is None:
            raise NotFoundException(detail="There is no such import.")
        return filled(WithdrawalItem, withdrawal_of(session, row))


@api_post("/api/v1/member-import/{import_id:int}/withdraw", guards=IMPORTS, tag=TAG, status=200)
def withdraw(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Done:
    """Let the members whom it added and nobody has used since be withdrawn; a process of its own does it."""
    _existing(request, import_id)
    begin_withdrawal(request.app.state.service, request.user, import_id)
    return Done(str(import_id))


@api_post("/api/v1/member-import/{import_id:int}/drop", guards=IMPORTS, tag=TAG, status=200)
def throw_away(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Done:
    """Throw a file away."""
    _existing(request, import_id)
    drop(request.app.state.service, request.user, import_id)
    return Done(str(import_id))


@api_get("/api/v1/member-import/{import_id:int}/faults", guards=IMPORTS, tag=TAG, media_type=FILE_TYPES["csv"])
def get_faults(request: Request[Visitor, Any, Any], import_id: FromPath[int]) -> Response[bytes]:
    """The rows with faults as CSV, with what is wrong: mended, they are a file for another import."""
    with request.app.state.service.database.read() as session:
        _row, found = _examined(request, session, import_id)
    if found is None:
        raise NotFoundException(detail="This import has ended.")
    return _sent(faults_file(import_id, found))


@api_post(
    "/api/v1/member-export/excel",
    guards=EXPORTS,
    tag=TAG,
    pages=("GET /member-export",),
    status=200,
    media_type=FILE_TYPES["xlsx"],
)
def export_excel(request: Request[Visitor, Any, Any], data: JSONBody[ExportAsked]) -> Response[bytes]:
    """The members of a list as a workbook. With many rows it is ordered: 202, and the number of the export."""
    return _export(request, data, "xlsx")


@api_post(
    "/api/v1/member-export/csv",
    guards=EXPORTS,
    tag=TAG,
    pages=("GET /member-export",),
    status=200,
    media_type=FILE_TYPES["csv"],
)
def export_csv(request: Request[Visitor, Any, Any], data: JSONBody[ExportAsked]) -> Response[bytes]:
    """The members of a list as CSV. With many rows it is ordered: 202, and the number of the export."""
    return _export(request, data, "csv")


def _export(request: Request[Visitor, Any, Any], data: ExportAsked, form: str) -> Response[bytes]:
    filters = data.filters.as_texts()
    service = request.app.state.service
    is_whole = data.is_whole
    file = exported(service, request.user, data.text, filters, form, is_whole=is_whole, rows_max=AT_ONCE_ROWS_MAX)
    if file is not None:
        return _sent(file)
    return sent_or_ordered(request, None, MEMBERS_KIND, "Members", MembersAsked(data.text, filters, form, is_whole))


def _sent(file: FileMade) -> Response[bytes]:
    return Response(b"".join(file.chunks), media_type=file.media_type, headers=file.headers)


def _existing(request: Request[Visitor, Any, Any], import_id: int) -> None:
    with request.app.state.service.database.read() as session:
        if import_of(session, request.user, import_id) is None:
            raise NotFoundException(detail="There is no such import.")


def _examined(
    request: Request[Visitor, Any, Any], session: Session, import_id: int
) -> tuple[MemberImport, Examined | None]:
    row = import_of(session, request.user, import_id)
    if row is None:
        raise NotFoundException(detail="There is no such import.")
    if row.stage != ImportStage.OPEN:
        return row, None
    state = request.app.state
    return row, examine(state.service, session, request.user, state.references, row)


HANDLERS = [
    list_imports,
    get_fields,
    send_file,
    get_import,
    list_rows,
    choose,
    take,
    take_no_more,
    get_withdrawal,
    withdraw,
    throw_away,
    get_faults,
    export_excel,
    export_csv,
]
