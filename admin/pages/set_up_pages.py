"""The set-up checklist: what an installation needs before business begins, and where each of it is made."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.response import Template

from admin.access import Visitor, needs
from admin.checklist import basic_data, whole_checklist

from .common import page
from .handlers import get


@get("/set-up", guards=[needs("basic-data")])
def show_set_up(request: Request[Visitor, Any, Any]) -> Template:
    """Basic data, which business waits for, and what else the visitor could see to."""
    with request.app.state.service.database.read() as session:
        basics = basic_data(session)
        others = [item for item in whole_checklist(session, request.user) if not item.is_basic]
    return page(
        request,
        "set_up.html",
        basics=basics,
        others=others if request.user.sees_everything else [],
        is_ready=all(item.is_done for item in basics),
    )


HANDLERS: list[Any] = [show_set_up]
