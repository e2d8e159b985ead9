"""Suggestions, complaints and enquiries: the list, one of them with its steps, its slip, files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.datastructures import UploadFile
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, MultipartBody
from litestar.response import Template

from admin.access import Visitor, mask_phone, needs
from admin.care import opinions
from admin.care.opinion_files import FAULTS_SHOWN_MAX, ROWS_MAX, Fault, headings, import_opinions
from admin.care.tasks import OPINION_KINDS, department_choices, staff_choices
from admin.errors import RefusedError
from admin.forms import Bound, FormContext
from admin.i18n import translate
from admin.members.definitions import codes_of
from admin.members.seals import Vault
from admin.members.sheets import FILE_BYTES_MAX, csv_bytes
from admin.members.today import today_of
from admin.members.totals import business_date
from admin.models.members import Member
from admin.models.people import Department, User
from admin.rights import Action

from .common import go, is_part_wanted, number_in, page, page_rows, refusal_text, with_query
from .form_flow import bound_of, form_page, saved
from .handlers import get
from .member_common import acted, day_in, first, sent_texts

_ = str
CHANGES, ADDS = needs("opinions", Action.CHANGE), needs("opinions", Action.ADD)
BACK = ("/opinions", _("All suggestions and complaints"))
FILTER_STATES: dict[str, str] = {"open": _("All that are open"), "late": _("Past their deadline"), **opinions.STATES}


@dataclass
class FileForm:
    """A file of a browser."""

    file: UploadFile


@get("/opinions", guards=[needs("opinions")])
def list_opinions(
    request: Request[Visitor, Any, Any],
    kind: FromQuery[str] = "",
    area: FromQuery[str] = "",
    stage: FromQuery[str] = "",
    whose: FromQuery[str] = "",
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Opinions, newest first."""
    service, visitor = request.app.state.service, request.user
    filters = {"kind": kind, "area": area, "stage": stage, "whose": whose, "since": since, "until": until}
    limit = page_rows(request)
    with service.database.read() as session:
        today = business_date(today_of(session, service))
        wanted = opinions.Wanted(
            kind=kind,
            area=min(number_in(area) or 0, 2**31 - 1),
            state=stage,
            handler=visitor.user_id if whose == "mine" else 0,
            from_date=day_in(since),
            until_date=day_in(until),
            today=today,
        )
        found = opinions.opinions_page(session, visitor, wanted, number_in(before), limit)
        areas = codes_of(session, "opinion")
        session.expunge_all()
    rows = found[:limit]
    more = {**filters, "before": rows[-1][0].id} if len(found) > limit else None
    return page(
        request,
        "_opinion_rows.html" if is_part_wanted(request) else "opinions.html",
        rows=rows,
        filters=filters,
        is_filtered=any(filters.values()),
        filter_states=FILTER_STATES,
        areas=areas,
        today=today,
        is_first=not before,
        next_address=with_query("/opinions", more) if more else None,
        **_words(),
    )


def _words() -> dict[str, Any]:
    return {
        "kinds": OPINION_KINDS,
        "states": opinions.STATES,
        "tones": opinions.STATE_TONES,
        "acts": opinions.ACTS,
    }


@get("/opinions/new", guards=[ADDS])
def new_opinion(request: Request[Visitor, Any, Any], member: FromQuery[str] = "") -> Template:
    """The form of an opinion."""
    service, number = request.app.state.service, number_in(member)
    with service.database.read() as session:
        areas = codes_of(session, "opinion", offered_only=True)
    filled = opinions.OpinionForm(area=next(iter(areas), 0), content="", member_id=number) if number else None
    return form_page(request, opinions.OpinionForm, title=_("New suggestion or complaint"), back=BACK, filled=filled)


@async_post("/opinions/new", guards=[ADDS], status_code=200)
async def do_new_opinion(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Write an opinion down."""
    service, form_type = request.app.state.service, opinions.OpinionForm

    def again(bound: Bound[Any], problem: str, _texts: Any) -> Template:
        title = _("New suggestion or complaint")
        return form_page(request, form_type, title=title, back=BACK, bound=bound, problem=problem)

    def save(form: Any, _texts: Any) -> str:
        return f"/opinions/{opinions.add_opinion(service, request.user, form)}"

    return await saved(request, form_type, save, again)


@get("/opinions/{opinion_id:int}", guards=[needs("opinions")])
def show_opinion(request: Request[Visitor, Any, Any], opinion_id: FromPath[int]) -> Template:
    """One opinion with its steps."""
    return _page(request, opinion_id, None, "")


@get("/opinions/{opinion_id:int}/slip", guards=[needs("opinions", Action.PRINT)])
def show_opinion_slip(request: Request[Visitor, Any, Any], opinion_id: FromPath[int]) -> Template:
    """The slip of an opinion, for the head of the department."""
    return page(request, "opinion_slip.html", **_context(request, opinion_id))


def _context(request: Request[Visitor, Any, Any], opinion_id: int) -> dict[str, Any]:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        row = opinions.opinion_seen(session, visitor, opinion_id)
        if row is None:
            raise NotFoundException(detail="There is no such record.")
        member = session.get(Member, row.member_id) if row.member_id else None
        department = session.get(Department, row.department_id) if row.department_id else None
        handler = session.get(User, row.handler_id) if row.handler_id else None
        phone = opinions.phone_of(Vault(service), row)
        context = {
            "opinion": row,
            "member_name": member.name if member else "",
            "department": department.name if department else "",
            "handler": handler.full_name if handler else "",
            "phone": mask_phone(phone),
            "steps": opinions.steps_of(session, opinion_id),
            "areas": codes_of(session, "opinion"),
            "today": business_date(today_of(session, service)),
            **_words(),
        }
        session.expunge_all()
    return context


def _page(request: Request[Visitor, Any, Any], opinion_id: int, bound: Bound[Any] | None, problem: str) -> Template:
    context = _context(request, opinion_id)
    with request.app.state.service.database.read() as session:
        form_context = FormContext(session, request.user, request.app.state.references)
        return page(
            request,
            "opinion.html",
            http_status=409 if problem else 200,
            problem=problem,
            possible=opinions.acts_on(context["opinion"]),
            staff=staff_choices(form_context),
            departments=department_choices(form_context),
            **context,
        )


@get("/opinions/{opinion_id:int}/change", guards=[CHANGES])
def change_opinion(request: Request[Visitor, Any, Any], opinion_id: FromPath[int]) -> Template:
    """The form of an opinion that there is."""
    return _change_page(request, opinion_id, None, "")


def _change_page(
    request: Request[Visitor, Any, Any], opinion_id: int, bound: Bound[Any] | None, problem: str
) -> Template:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        row = opinions.opinion_seen(session, visitor, opinion_id)
        if row is None:
            raise NotFoundException(detail="There is no such record.")
        filled, version = opinions.form_of(row, opinions.phone_of(Vault(service), row)), row.version
    if filled.phone:
        service.audit.looked(visitor, opinions.MODULE, f"opinion {opinion_id}")
    return form_page(
        request,
        opinions.OpinionForm,
        title=_("Change"),
        back=(f"/opinions/{opinion_id}", _("Back to the record")),
        bound=bound,
        filled=filled,
        problem=problem,
        hidden={"version": str(version)},
    )


@async_post("/opinions/{opinion_id:int}/change", guards=[CHANGES], status_code=200)
async def do_change_opinion(request: Request[Visitor, Any, Any], opinion_id: FromPath[int]) -> Response[Any]:
    """Correct an opinion."""
    service = request.app.state.service

    def save(form: Any, texts: dict[str, list[str]]) -> str:
        opinions.change_opinion(service, request.user, opinion_id, form, number_in(first(texts, "version")) or 0)
        return f"/opinions/{opinion_id}"

    return await saved(
        request,
        opinions.OpinionForm,
        save,
        lambda bound, problem, _texts: _change_page(request, opinion_id, bound, problem),
    )


@async_post("/opinions/{opinion_id:int}/steps", guards=[CHANGES], status_code=200)
async def do_step(request: Request[Visitor, Any, Any], opinion_id: FromPath[int]) -> Response[Any]:
    """Go on with an opinion."""
    texts = await sent_texts(request)
    service = request.app.state.service

    def act() -> Response[Any]:
        bound = bound_of(request, opinions.OpinionMove, texts)
        if bound.value is None:
            return _page(request, opinion_id, None, " ".join(bound.errors.values()))
        try:
            opinions.move_opinion(service, request.user, opinion_id, first(texts, "act"), bound.value)
        except RefusedError as error:
            return _page(request, opinion_id, None, refusal_text(error))
        return go(request, f"/opinions/{opinion_id}")

    return await to_thread.run_sync(act)


@async_post("/opinions/{opinion_id:int}/delete", guards=[needs("opinions", Action.DELETE)], status_code=200)
async def do_delete_opinion(request: Request[Visitor, Any, Any], opinion_id: FromPath[int]) -> Response[Any]:
    """Remove an opinion; the reason stays in the audit log."""
    texts = await sent_texts(request)
    service, reason = request.app.state.service, first(texts, "reason")
    return await acted(request, lambda: opinions.delete_opinion(service, request.user, opinion_id, reason), "/opinions")


# ------------------------------------------------------------------------- files


@get("/opinions/import", guards=[ADDS])
def show_import(request: Request[Visitor, Any, Any]) -> Template:
    """Where a file is taken in."""
    return _import_page(request, [], "")


@get("/opinions/import/template", guards=[ADDS])
def download_headings(request: Request[Visitor, Any, Any]) -> Response[bytes]:
    """A file with the headings that an import knows."""
    content = csv_bytes([[translate(label) for label in headings().values()]])
    return Response(
        content,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="opinions.csv"'},
    )


@async_post("/opinions/import", guards=[ADDS], status_code=200, request_max_body_size=FILE_BYTES_MAX + (1 << 20))
async def do_import(request: Request[Visitor, Any, Any], data: MultipartBody[FileForm]) -> Response[Any]:
    """Take a file over: all of it, or nothing and what is wrong."""
    content = await data.file.read()
    name = data.file.filename or "file"

    def act() -> Response[Any]:
        try:
            count, faults = import_opinions(request.app.state.service, request.user, content, name)
        except RefusedError as error:
            return _import_page(request, [], refusal_text(error))
        return _import_page(request, faults, "") if faults or not count else go(request, "/opinions")

    return await to_thread.run_sync(act)


def _import_page(request: Request[Visitor, Any, Any], faults: list[Fault], problem: str) -> Template:
    return page(
        request,
        "opinion_import.html",
        http_status=409 if problem or faults else 200,
        problem=problem,
        faults=faults[:FAULTS_SHOWN_MAX],
        fault_count=len(faults),
        rows_max=ROWS_MAX,
        headings=list(headings().values()),
    )


HANDLERS: list[Any] = [
    list_opinions,
    new_opinion,
    do_new_opinion,
    show_opinion,
    show_opinion_slip,
    change_opinion,
    do_change_opinion,
    do_step,
    do_delete_opinion,
    show_import,
    download_headings,
    do_import,
]
