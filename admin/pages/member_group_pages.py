"""Groups of members: lists, conditions that are built in a form and counted at once, snapshots."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.i18n import translate
from admin.members.conditions import MODES, TERMS_MAX, Condition, Term, compiled, in_words, query_fields, terms_of
from admin.members.groups import (
    condition_of,
    count_of,
    delete_group,
    freeze_group,
    group_seen,
    groups_seen,
    members_of_group,
    put_in_list,
    save_group,
)
from admin.members.today import today_of
from admin.members.totals import SOON_COUNTED, catch_up
from admin.rights import Action

from .common import go, page, refusal_text
from .handlers import get
from .member_common import acted, first, sent_texts

_ = str
CHANGES = needs("members", Action.CHANGE)
GROUPS_SHOWN_MAX = 200
EMPTY_LINES = 1
"""Lines for further comparisons that a form ends with."""


@get("/member-groups", guards=[needs("members")])
def list_groups(request: Request[Visitor, Any, Any]) -> Template:
    """Groups of the visitor's part, with what they have in common."""
    service = request.app.state.service
    with service.database.read() as session:
        today = today_of(session, service)
        groups = list(session.scalars(groups_seen(request.user).limit(GROUPS_SHOWN_MAX)))
        rows = []
        for group in groups:
            condition = condition_of(group)
            words = in_words(session, condition, today) if condition else []
            rows.append((group, words, translate(MODES[condition.mode]) if condition and len(words) > 1 else ""))
        session.expunge_all()
    return page(request, "member_groups.html", rows=rows)


@get("/member-groups/new", guards=[CHANGES])
def new_group(request: Request[Visitor, Any, Any]) -> Template:
    """Form of a new group: `?kind=list` for a list, else by condition; `?field=…` already asks something."""
    given = {name: request.query_params.getall(name) for name in request.query_params}
    return _form(request, None, {**given, "kind": given.get("kind", ["condition"])}, "")


@async_post("/member-groups/new", guards=[CHANGES], status_code=200)
async def do_new_group(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Make a group, or draw the form again with another line."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save, request, None, texts)


@get("/member-groups/count", guards=[needs("members")])
def show_count(request: Request[Visitor, Any, Any]) -> Template:
    """The comparisons of a form as they stand, and how many members they find now; htmx asks for it while typing."""
    given = {name: request.query_params.getall(name) for name in request.query_params}
    return _form(request, None, given, "", is_part=True)


@get("/member-groups/{group_id:int}", guards=[needs("members")])
def show_group(request: Request[Visitor, Any, Any], group_id: FromPath[int]) -> Template:
    """A group: its condition or list, and how many members it has now."""
    return _form(request, group_id, None, "")


@async_post("/member-groups/{group_id:int}", guards=[CHANGES], status_code=200)
async def do_save_group(request: Request[Visitor, Any, Any], group_id: FromPath[int]) -> Response[Any]:
    """Change a group."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save, request, group_id, texts)


@async_post("/member-groups/{group_id:int}/members", guards=[CHANGES], status_code=200)
async def do_members(request: Request[Visitor, Any, Any], group_id: FromPath[int]) -> Response[Any]:
    """Put members on a list, or take them off, by their numbers."""
    texts = await sent_texts(request)
    numbers = first(texts, "numbers").replace(",", " ").replace("，", " ").split()

    def act() -> None:
        wrong = [text for text in numbers if not (text.isascii() and text.isdecimal() and len(text) <= 15)]
        if wrong:
            raise RefusedError("{text} is no member number.", text=wrong[0][:20])
        is_member = first(texts, "act") != "remove"
        put_in_list(request.app.state.service, request.user, group_id, map(int, numbers), is_member=is_member)

    return await acted(request, act, f"/member-groups/{group_id}")


@async_post("/member-groups/{group_id:int}/freeze", guards=[CHANGES], status_code=200)
async def do_freeze(request: Request[Visitor, Any, Any], group_id: FromPath[int]) -> Response[Any]:
    """Write down who is in a group now."""
    texts = await sent_texts(request)
    service = request.app.state.service

    def act() -> int:
        catch_up(service.database)
        with service.database.read() as session:
            today = today_of(session, service)
        return freeze_group(service, request.user, group_id, first(texts, "name"), today)

    list_id = await to_thread.run_sync(act)
    return go(request, f"/member-groups/{list_id}")


@async_post("/member-groups/{group_id:int}/delete", guards=[needs("members", Action.DELETE)], status_code=200)
async def do_delete_group(request: Request[Visitor, Any, Any], group_id: FromPath[int]) -> Response[Any]:
    """Remove a group; its members stay."""
    return await acted(
        request, lambda: delete_group(request.app.state.service, request.user, group_id), "/member-groups"
    )


def _condition(texts: dict[str, list[str]]) -> Condition:
    terms = terms_of(texts.get("field", []), texts.get("operator", []), texts.get("value", []))
    return Condition(terms[:TERMS_MAX], first(texts, "mode") or "all")


def _save(request: Request[Visitor, Any, Any], group_id: int | None, texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    if first(texts, "what") == "line":
        return _form(request, group_id, texts, "")
    try:
        with service.database.read() as session:
            today = today_of(session, service)
        saved = save_group(
            service,
            request.user,
            group_id,
            name=first(texts, "name"),
            note=first(texts, "note"),
            condition=_condition(texts) if first(texts, "kind") != "list" else None,
            today=today,
        )
    except RefusedError as error:
        return _form(request, group_id, texts, refusal_text(error))
    return go(request, f"/member-groups/{saved}")


def _form(
    request: Request[Visitor, Any, Any],
    group_id: int | None,
    texts: dict[str, list[str]] | None,
    problem: str,
    *,
    is_part: bool = False,
) -> Template:
    service, visitor = request.app.state.service, request.user
    if group_id is not None or any(first(texts or {}, name) for name in ("field", "value")):  # something is counted
        catch_up(service.database, entries_max=SOON_COUNTED)
    with service.database.read() as session:
        today = today_of(session, service)
        group = group_seen(session, visitor, group_id) if group_id is not None else None
        if group_id is not None and group is None:
            raise NotFoundException(detail="There is no such group.")
        kept = condition_of(group) if group is not None else None
        condition = _condition(texts) if texts is not None else kept or Condition([])
        kind = first(texts or {}, "kind") or ("condition" if kept or group is None else "list")
        count: int | None = None
        counting = ""
        try:
            if kind == "list":
                count = count_of(session, visitor, members_of_group(session, group, today)) if group else 0
            elif condition.terms:
                count = count_of(session, visitor, compiled(session, condition, today))
        except RefusedError as error:
            counting = refusal_text(error)
        fields = query_fields(session, today)
        context = {
            "group_id": group_id,
            "name": first(texts, "name") if texts is not None else group.name if group else "",
            "note": first(texts, "note") if texts is not None else group.note if group else "",
            "may_change": visitor.may("members", Action.CHANGE)
            and (group is None or visitor.may_place_in(group.organisation_id)),
            "frozen_from": group.frozen_from_id if group else None,
        }
        lines = [*condition.terms, *[Term("", "")] * EMPTY_LINES]
    return page(
        request,
        "_group_condition.html" if is_part else "member_group.html",
        http_status=409 if problem else 200,
        problem=problem,
        kind=kind,
        fields=fields,
        modes=MODES,
        mode=condition.mode,
        lines=lines[:TERMS_MAX],
        count=count,
        counting=counting,
        **context,
    )


HANDLERS: list[Any] = [
    list_groups,
    new_group,
    do_new_group,
    show_count,
    show_group,
    do_save_group,
    do_members,
    do_freeze,
    do_delete_group,
]
