"""System parameters: what holds now, with its bounds; changing one; what it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.database import to_ms
from admin.errors import RefusedError
from admin.i18n import at_stores
from admin.models.people import User
from admin.parameters import ChoiceParameter, LineParameter, TextParameter, history_of, set_parameter
from admin.rights import Action
from admin.service import Service

from .common import go, page, page_rows, refusal_text
from .handlers import get, post


@dataclass
class ParameterForm:
    """A value, and from when it holds; empty: from now on."""

    value: str = ""
    begins: str = ""
    reason: str = ""


@get("/parameters", guards=[needs("parameters")])
def list_parameters(request: Request[Visitor, Any, Any]) -> Template:
    """All parameters with the values that hold now."""
    service: Service = request.app.state.service
    now = service.now()
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in service.parameters.all.values():
        text = service.parameters.text(one.name, now)
        groups.setdefault(one.group, []).append(
            {
                "parameter": one,
                "text": one.choices[text] if isinstance(one, ChoiceParameter) else text,
                "is_choice": isinstance(one, ChoiceParameter),
                "is_text": isinstance(one, TextParameter | LineParameter),
                "is_default": text == str(one.default),
            }
        )
    return page(request, "parameters.html", groups=groups)


@get("/parameters/{name:str}", guards=[needs("parameters")])
def show_parameter(request: Request[Visitor, Any, Any], name: FromPath[str]) -> Template:
    """One parameter, and what it was."""
    service: Service = request.app.state.service
    if name not in service.parameters.all:
        raise NotFoundException(detail="There is no such parameter.")
    return _page(request, name, ParameterForm(service.parameters.text(name, service.now())), "")


@post("/parameters/{name:str}", guards=[needs("parameters", Action.CHANGE)])
def do_set_parameter(
    request: Request[Visitor, Any, Any], name: FromPath[str], data: URLEncodedBody[ParameterForm]
) -> Response[Any]:
    """Give a parameter another value."""
    service: Service = request.app.state.service
    if name not in service.parameters.all:
        raise NotFoundException(detail="There is no such parameter.")
    try:
        set_parameter(service, request.user, name, data.value, from_ms_utc=_moment_ms(data.begins), reason=data.reason)
    except RefusedError as error:
        return _page(request, name, data, refusal_text(error))
    return go(request, f"/parameters/{name}")


def _page(request: Request[Visitor, Any, Any], name: str, form: ParameterForm, problem: str) -> Template:
    service: Service = request.app.state.service
    one, now = service.parameters.all[name], service.now()
    with service.database.read() as session:
        rows = history_of(session, name, page_rows(request))
        numbers = {row.set_by for row in rows}
        names = {row.id: row.name for row in session.execute(select(User.id, User.name).where(User.id.in_(numbers)))}
        session.expunge_all()
    return page(
        request,
        "parameter.html",
        http_status=409 if problem else 200,
        parameter=one,
        is_choice=isinstance(one, ChoiceParameter),
        is_text=isinstance(one, TextParameter | LineParameter),
        form=form,
        problem=problem,
        rows=rows,
        names=names,
        now=now,
    )


def _moment_ms(text: str) -> int:
    """Milliseconds of a moment that a browser's field sent, on the stores' clocks; 0 for none."""
    if not text.strip():
        return 0
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RefusedError("A moment looks like 2026-01-31T08:00.") from None
    return to_ms(at_stores(moment))


HANDLERS: list[Any] = [list_parameters, show_parameter, do_set_parameter]
