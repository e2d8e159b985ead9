"""What operators set of customer care: reminders, festivals, heads of departments."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template

from admin.access import Visitor, needs
from admin.care import dates
from admin.care.engine import rules_of
from admin.care.kinds import REMINDERS, TASK_KINDS
from admin.forms import Bound
from admin.members.today import today_of
from admin.members.totals import business_date
from admin.rights import Action

from .common import go, page
from .form_flow import form_page, saved
from .handlers import get

_ = str
CHANGES = needs("care-settings", Action.CHANGE)
BACK = ("/care/settings", _("Reminders and festivals"))


@get("/care/settings", guards=[needs("care-settings")])
def show_settings(request: Request[Visitor, Any, Any]) -> Template:
    """How each reminder is set, and what today's run has made."""
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        today = business_date(today_of(session, service))
        rules = rules_of(session)
        runs = dates.runs_of(session, today)
        festivals = session.execute(dates.festivals_seen(visitor)).all()
        heads = dates.heads_of(session, visitor)
        session.expunge_all()
    return page(
        request,
        "care_settings.html",
        reminders=[(kind, rules[kind.name], runs.get(kind.name)) for kind in REMINDERS],
        festivals=festivals,
        heads=heads,
        today=today,
    )


@get("/care/settings/{kind:str}", guards=[CHANGES])
def show_rule(request: Request[Visitor, Any, Any], kind: FromPath[str]) -> Template:
    """The form of a reminder."""
    return _rule_page(request, kind, None, "")


@async_post("/care/settings/{kind:str}", guards=[CHANGES], status_code=200)
async def do_rule(request: Request[Visitor, Any, Any], kind: FromPath[str]) -> Response[Any]:
    """Set a reminder."""
    service = request.app.state.service
    form_type = form_type_of(kind)

    def save(form: Any, _texts: Any) -> str:
        dates.save_rule(service, request.user, kind, rule_of(form))
        return "/care/settings"

    return await saved(
        request, form_type, save, lambda bound, problem, _texts: _rule_page(request, kind, bound, problem)
    )


def form_type_of(kind: str) -> type[Any]:
    """The form of a reminder, with those fields alone that it has."""
    if kind not in TASK_KINDS or not TASK_KINDS[kind].is_reminder:
        raise NotFoundException(detail="There is no such reminder.")
    return dates.rule_form_of(TASK_KINDS[kind])


def rule_of(form: Any) -> dates.RuleForm:
    """What a form of fewer fields means."""
    return dates.RuleForm(
        is_on=form.is_on,
        days=getattr(form, "days", 0),
        amount=getattr(form, "amount", 0),
        count_max=form.count_max,
    )


def _rule_page(request: Request[Visitor, Any, Any], kind: str, bound: Bound[Any] | None, problem: str) -> Template:
    form_type = form_type_of(kind)
    with request.app.state.service.database.read() as session:
        rule = rules_of(session)[kind]
    filled = form_type(**{name: getattr(rule, name) for name in form_type.__struct_fields__})
    title = TASK_KINDS[kind].label
    return form_page(request, form_type, title=title, back=BACK, bound=bound, filled=filled, problem=problem)


@get("/care/festivals/new", guards=[CHANGES])
def new_festival(request: Request[Visitor, Any, Any]) -> Template:
    """The form of a festival."""
    return form_page(request, dates.FestivalForm, title=_("New festival"), back=BACK)


@async_post("/care/festivals/new", guards=[CHANGES], status_code=200)
async def do_new_festival(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Keep a festival."""
    service, form_type = request.app.state.service, dates.FestivalForm

    def again(bound: Bound[Any], problem: str, _texts: Any) -> Template:
        return form_page(request, form_type, title=_("New festival"), back=BACK, bound=bound, problem=problem)

    def save(form: Any, _texts: Any) -> str:
        dates.add_festival(service, request.user, form)
        return "/care/settings"

    return await saved(request, form_type, save, again)


@async_post("/care/festivals/{festival_id:int}/delete", guards=[CHANGES], status_code=200)
async def do_delete_festival(request: Request[Visitor, Any, Any], festival_id: FromPath[int]) -> Response[Any]:
    """Forget a festival."""
    await to_thread.run_sync(dates.delete_festival, request.app.state.service, request.user, festival_id)
    return go(request, "/care/settings")


@get("/care/heads", guards=[CHANGES])
def show_heads(request: Request[Visitor, Any, Any]) -> Template:
    """The form of a department's head."""
    return form_page(request, dates.HeadForm, title=_("Head of a department"), back=BACK)


@async_post("/care/heads", guards=[CHANGES], status_code=200)
async def do_head(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Name the head of a department."""
    service, form_type = request.app.state.service, dates.HeadForm

    def again(bound: Bound[Any], problem: str, _texts: Any) -> Template:
        return form_page(request, form_type, title=_("Head of a department"), back=BACK, bound=bound, problem=problem)

    def save(form: Any, _texts: Any) -> str:
        dates.save_head(service, request.user, form)
        return "/care/settings"

    return await saved(request, form_type, save, again)


HANDLERS: list[Any] = [
    show_settings,
    show_rule,
    do_rule,
    new_festival,
    do_new_festival,
    do_delete_festival,
    show_heads,
    do_head,
]
