"""The first page: figures that renew themselves."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.response import Template

from admin.access import Visitor, needs
from admin.checklist import checklist
from admin.figures import day_figures, lag
from admin.words import code_name

from .common import is_part_wanted, page
from .handlers import get


@get("/", guards=[needs("dashboard")])
def dashboard(request: Request[Visitor, Any, Any]) -> Template:
    """Figures of the day, holdings of the group for those who see it all, and the follower's state."""
    service, visitor = request.app.state.service, request.user
    now_ms = service.surroundings.now_ms()
    with service.database.read() as session:
        context: dict[str, Any] = {
            "day": day_figures(session, visitor),
            "holdings": request.app.state.holdings.get(session, now_ms) if visitor.sees_everything else None,
            "lag": lag(session, service.settings.partition, now_ms),
        }
        items = checklist(session, visitor)
    context["checklist"] = items if not all(item.is_done for item in items) else []
    template = "_figures.html" if is_part_wanted(request) else "dashboard.html"
    return page(request, template, code_name=code_name, **context)


HANDLERS = [dashboard]
