"""One form on a page of its own: drawn, read, saved, and drawn again with what was wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from anyio import to_thread
from litestar import Request, Response
from litestar.response import Template

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, fields_of
from admin.i18n import translate

from .common import go, page, refusal_text
from .member_common import sent_texts

Missing = Callable[[Any], Mapping[str, str]]


def form_page(
    request: Request[Visitor, Any, Any],
    form_type: type[msgspec.Struct],
    *,
    title: str,
    back: tuple[str, str],
    bound: Bound[Any] | None = None,
    filled: msgspec.Struct | None = None,
    problem: str = "",
    hidden: Mapping[str, str] | None = None,
) -> Template:
    """The page of a form; `title` and the words of `back` (address, words) are English, `hidden` goes along."""
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        return page(
            request,
            "form_page.html",
            http_status=409 if problem else 200,
            fields=fields_of(form_type, context, bound, filled),
            title=title,
            back=back,
            hidden=hidden or {},
            problem=problem,
        )


def bound_of(
    request: Request[Visitor, Any, Any],
    form_type: type[msgspec.Struct],
    texts: Mapping[str, list[str]],
    missing: Missing | None = None,
) -> Bound[Any]:
    """A form as it was sent; `missing` may name fields (and say in English why) that it lacks."""
    with request.app.state.service.database.read() as session:
        bound: Bound[Any] = bind(form_type, texts, FormContext(session, request.user, request.app.state.references))
    if bound.value is not None and missing is not None:
        bound.errors = {name: translate(text) for name, text in missing(bound.value).items()}
        if bound.errors:
            bound.value = None
    return bound


async def saved(
    request: Request[Visitor, Any, Any],
    form_type: type[msgspec.Struct],
    save: Callable[[Any, dict[str, list[str]]], str],
    again: Callable[[Bound[Any], str, dict[str, list[str]]], Template],
    missing: Missing | None = None,
) -> Response[Any]:
    """Read a form, save it and go where `save` says; or show it `again` with what was wrong."""
    texts = await sent_texts(request)

    def act() -> Response[Any]:
        bound = bound_of(request, form_type, texts, missing)
        if bound.value is None:
            return again(bound, "", texts)
        try:
            return go(request, save(bound.value, texts))
        except RefusedError as error:
            return again(bound, refusal_text(error), texts)

    return await to_thread.run_sync(act)
