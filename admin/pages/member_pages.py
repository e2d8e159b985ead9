"""Members: the list while typing, and the form of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.forms import Bound, Field, FormContext, bind, fields_of, texts_of
from admin.i18n import translate
from admin.members import definitions
from admin.members.definitions import STATES, CustomField, codes_of, custom_fields, read_value, values_of
from admin.members.drafts import COLUMNS, DAYS, SEALED, SECTIONS, MemberForm, draft_of, form_texts
from admin.members.identity import mask_id_number
from admin.members.levels import levels
from admin.members.records import (
    TwinError,
    add_member,
    change_member,
    delete_member,
    mask,
    member_seen,
    set_state,
    set_tags,
)
from admin.members.seals import Vault
from admin.members.search import FILTERS, conditions_of, list_members, served_elsewhere
from admin.members.today import today_of
from admin.models.members import (
    TAG_LENGTH_MAX,
    Member,
    MemberContact,
    MemberGroup,
    MemberState,
    MemberTag,
    MemberValue,
)
from admin.rights import Action

from .common import PAGE_ROWS, go, is_part_wanted, page, refusal_text, with_query
from .handlers import get
from .member_common import acted, first, member_rows, number_in, place_names, sent_texts, service_references

_ = str
TAG_CHOICES_MAX = 50


@get("/members", guards=[needs("members")])
def list_all(request: Request[Visitor, Any, Any], q: FromQuery[str] = "", after: FromQuery[str] = "") -> Template:
    """Members by number, name, pinyin, telephone, ID number or card; filters stand in the address."""
    service, visitor = request.app.state.service, request.user
    filters = {name: request.query_params.get(name, "") for name in FILTERS}
    with service.database.read() as session:
        today = today_of(session, service)
        vault = Vault(service)
        problem = ""
        try:
            conditions = conditions_of(session, visitor, filters, today)
            found = list_members(session, vault, visitor, q, conditions, after, PAGE_ROWS)
        except RefusedError as error:  # a group whose condition no longer fits
            problem, found = refusal_text(error), None
        rows = member_rows(session, vault, found.members if found else [])
        elsewhere = served_elsewhere(session, vault, visitor, q) if q and not after else []
        references = service_references(request)
        foreign = [replace(row, reference=references.make(row.id)) for row in member_rows(session, vault, elsewhere)]
        choices = filter_choices(session, visitor) if not is_part_wanted(request) else {}
    cursor = found.cursor if found else ""
    return page(
        request,
        "_member_rows.html" if is_part_wanted(request) else "members.html",
        rows=rows,
        foreign=foreign,
        q=q,
        filters=filters,
        filter_choices=choices,
        problem=problem,
        tones=definitions.STATE_TONES,
        states=STATES,
        is_first=not after,
        is_filtered=bool(q or any(filters.values())),
        export_address=with_query("/member-export", {"q": q, **filters}),
        next_address=with_query("/members", {"q": q, **filters, "after": cursor}) if cursor else None,
    )


def filter_choices(session: Session, visitor: Visitor) -> dict[str, tuple[str, Mapping[str, str]]]:
    """(label, value and shown name) of each filter of the list."""
    places = {str(number): name for number, name in place_names(session).items() if visitor.may_place_in(number)}
    groups = select(MemberGroup.id, MemberGroup.name).order_by(MemberGroup.name).limit(200)
    if not visitor.sees_everything:
        groups = groups.where(MemberGroup.organisation_id.in_([*visitor.organisation_ids, 0]))
    tags = select(MemberTag.tag).distinct().order_by(MemberTag.tag).limit(TAG_CHOICES_MAX)
    coded = {
        name: (label, {str(code): text for code, text in codes_of(session, table).items()})
        for name, label, table in (
            ("class", _("Class"), "class"),
            ("region", _("Home region"), "region"),
            ("industry", _("Industry"), "industry"),
        )
    }
    return {
        "state": (_("State"), {key: translate(name) for key, name in STATES.items()}),
        "level": (_("Level"), {str(level.id): level.name for level in levels(session)}),
        **coded,
        "organisation": (_("Owner"), places),
        "source": (_("Captured by"), {str(key): translate(name) for key, name in definitions.SOURCES.items()}),
        "group": (_("Group"), {str(number): name for number, name in session.execute(groups)}),
        "tag": (_("Tag"), {tag: tag for tag in session.scalars(tags)}),
    }


# ------------------------------------------------------------------------- the record


@get("/members/new", guards=[needs("members", Action.ADD)])
def new_member(request: Request[Visitor, Any, Any]) -> Template:
    """Form for a new member."""
    return _form(request, None, None, {}, "")


@async_post("/members/new", guards=[needs("members", Action.ADD)], status_code=200)
async def do_add(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Make a member."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save, request, None, texts)


@get("/members/{member_id:int}/edit", guards=[needs("members", Action.CHANGE)])
def edit_member(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Template:
    """Form of a record."""
    return _form(request, member_id, None, {}, "")


@async_post("/members/{member_id:int}/edit", guards=[needs("members", Action.CHANGE)], status_code=200)
async def do_change(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Change a record."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save, request, member_id, texts)


def _save(request: Request[Visitor, Any, Any], member_id: int | None, texts: dict[str, list[str]]) -> Response[Any]:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        if member_id is not None and member_seen(session, visitor, member_id) is None:
            raise NotFoundException(detail="There is no such member.")
        bound = bind(MemberForm, texts, FormContext(session, visitor, request.app.state.references))
        values, faults = _custom_values(custom_fields(session, offered_only=True), texts)
    if bound.value is None or faults:
        return _form(request, member_id, bound, faults, translate("Nothing was saved: correct the marked fields."))
    draft = draft_of(bound.value, values)
    accepts = bool(first(texts, "accepts_phone"))
    try:
        if member_id is None:
            member_id = add_member(
                service,
                visitor,
                draft,
                number=number_in(texts, "member_number"),
                state=MemberState.PENDING if first(texts, "is_pending") else MemberState.ACTIVE,
                accepts_phone=accepts,
            )
        else:
            version = number_in(texts, "version")
            change_member(service, visitor, member_id, draft, version=version, accepts_phone=accepts)
    except RefusedError as error:
        twin = error.member_id if isinstance(error, TwinError) else None
        return _form(request, member_id, bound, faults, refusal_text(error), twin)
    return go(request, f"/members/{member_id}")


def _custom_values(
    fields: Sequence[CustomField], texts: Mapping[str, Sequence[str]]
) -> tuple[list[MemberValue], dict[str, str]]:
    values, faults = [], {}
    for field in fields:
        text = first(texts, field.key)
        if not text.strip():
            continue
        try:
            values.append(read_value(field, text))
        except RefusedError as error:
            faults[field.key] = refusal_text(error)
    return values, faults


def _form(
    request: Request[Visitor, Any, Any],
    member_id: int | None,
    bound: Bound[MemberForm] | None,
    faults: Mapping[str, str],
    problem: str,
    twin: int | None = None,
) -> Template:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        context = FormContext(session, visitor, request.app.state.references)
        member = member_seen(session, visitor, member_id) if member_id is not None else None
        if member_id is not None and member is None:
            raise NotFoundException(detail="There is no such member.")
        customs = custom_fields(session, offered_only=True)
        typed = {key: list(value) for key, value in bound.typed.items()} if bound else {}
        hints: dict[str, str] = {}
        if member is not None:
            hints = _sealed_hints(session, Vault(service), member)
            own = values_of(session, [member.id], customs).get(member.id, {})
            if bound is None:
                filled = MemberForm(**form_texts({name: getattr(member, name) for name in (*COLUMNS, *DAYS.values())}))
                bound = Bound(None, typed=texts_of(filled, context) | _preferred(session, member))
        else:
            own = {}
            if bound is None:
                start = texts_of(MemberForm(name="", organisation_id=visitor.organisation_id), context)
                bound = Bound(None, typed=start)
        drawn = {
            field.name: replace(field, hint=hints.get(field.name, field.hint))
            for field in fields_of(MemberForm, context, bound)
        }
        custom_drawn = [_custom_field(field, typed.get(field.key), own, faults) for field in customs]
        version = member.version if member else 0
    sections = [(label, [drawn[name] for name in names]) for label, names in SECTIONS]
    if custom_drawn:
        sections.append((_("Own fields"), custom_drawn))
    return page(
        request,
        "member_form.html",
        http_status=409 if problem else 200,
        member_id=member_id,
        version=first(typed, "version") or version,
        sections=sections,
        problem=problem,
        twin=twin,
        may_share=twin is not None,
    )


def _preferred(session: Session, member: Member) -> dict[str, list[str]]:
    query = select(MemberContact.kind).where(MemberContact.member_id == member.id, MemberContact.is_preferred)
    found = session.scalar(query.limit(1))
    return {"preferred": [found]} if found else {}


def _sealed_hints(session: Session, vault: Vault, member: Member) -> dict[str, str]:
    """What sealed fields hold now, masked; what is not typed anew stays."""
    held = {"id_number": mask_id_number(vault.id_number(member.id, member.id_sealed))} if member.id_sealed else {}
    for row in session.scalars(select(MemberContact).where(MemberContact.member_id == member.id)):
        name = {1: "mobile", 2: "phone", 3: "email"}.get(row.place)
        if name:
            held[name] = mask(row.kind, vault.contact(member.id, row.place, row.value_sealed))
    text = translate("Now {value}. Leave empty to keep it; - removes it.")
    return {name: text.format(value=held[name]) for name in SEALED if name in held}


def _custom_field(
    field: CustomField, typed: Sequence[str] | None, own: Mapping[str, str], faults: Mapping[str, str]
) -> Field:
    value = first({"x": typed}, "x") if typed is not None else own.get(field.key, "")
    kind = {"choice": "choice", "date": "date"}.get(field.kind, "text")
    return Field(
        name=field.key,
        kind=kind,
        label=field.name,
        hint="",
        is_required=False,
        values=[value] if value else [],
        choices=[(text, text, text == value) for text in field.choices],
        known_cards=[],
        error=faults.get(field.key, ""),
        length_max=200,
    )


# ------------------------------------------------------------------------- acts on the record


@async_post("/members/{member_id:int}/state", guards=[needs("members", Action.CHANGE)], status_code=200)
async def do_state(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Verify, lose, win back or close."""
    texts = await sent_texts(request)

    def act() -> None:
        set_state(
            request.app.state.service, request.user, member_id, first(texts, "state"), first(texts, "reason")[:200]
        )

    return await acted(request, act, f"/members/{member_id}")


@async_post("/members/{member_id:int}/tags", guards=[needs("members", Action.CHANGE)], status_code=200)
async def do_tags(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Put tags on a member."""
    texts = await sent_texts(request)
    tags = first(texts, "tags").replace("，", ",").replace("、", ",").split(",")

    def act() -> None:
        set_tags(request.app.state.service, request.user, member_id, tags[:50], length_max=TAG_LENGTH_MAX)

    return await acted(request, act, f"/members/{member_id}")


@async_post("/members/{member_id:int}/delete", guards=[needs("members", Action.DELETE)], status_code=200)
async def do_delete(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Response[Any]:
    """Delete a record that has no cards."""
    return await acted(request, lambda: delete_member(request.app.state.service, request.user, member_id), "/members")


HANDLERS: list[Any] = [
    list_all,
    new_member,
    do_add,
    edit_member,
    do_change,
    do_state,
    do_tags,
    do_delete,
]
