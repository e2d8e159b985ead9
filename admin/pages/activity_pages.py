"""Activities of members: the list, one of them with its attendees, points for them."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.care import activities
from admin.forms import Bound, FormContext, fields_of
from admin.rights import Action

from .common import go, is_part_wanted, number_in, page, page_rows, with_query
from .form_flow import form_page, saved
from .handlers import get
from .member_common import number_in as number_of_form
from .member_common import sent_texts

_ = str
CHANGES, ADDS = needs("activities", Action.CHANGE), needs("activities", Action.ADD)
BACK = ("/activities", _("All activities"))


@get("/activities", guards=[needs("activities")])
def list_activities(request: Request[Visitor, Any, Any], before: FromQuery[str] = "") -> Template:
    """Activities, newest first."""
    limit = page_rows(request)
    with request.app.state.service.database.read() as session:
        found = activities.activities_page(session, request.user, number_in(before), limit)
        session.expunge_all()
    more = {"before": found[limit - 1][0].id} if len(found) > limit else None
    return page(
        request,
        "_activity_rows.html" if is_part_wanted(request) else "activities.html",
        rows=found[:limit],
        is_first=not before,
        next_address=with_query("/activities", more) if more else None,
    )


@get("/activities/new", guards=[ADDS])
def new_activity(request: Request[Visitor, Any, Any]) -> Template:
    """The form of an activity."""
    return form_page(request, activities.ActivityForm, title=_("New activity"), back=BACK)


@async_post("/activities/new", guards=[ADDS], status_code=200)
async def do_new_activity(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Add an activity."""
    return await _save(request, 0)


@get("/activities/{activity_id:int}", guards=[needs("activities")])
def show_activity(request: Request[Visitor, Any, Any], activity_id: FromPath[int]) -> Template:
    """One activity and who took part."""
    return _page(request, activity_id, None, "")


@get("/activities/{activity_id:int}/change", guards=[CHANGES])
def change_activity(request: Request[Visitor, Any, Any], activity_id: FromPath[int]) -> Template:
    """The form of an activity that there is."""
    return _form(request, activity_id, None, "")


@async_post("/activities/{activity_id:int}/change", guards=[CHANGES], status_code=200)
async def do_change_activity(request: Request[Visitor, Any, Any], activity_id: FromPath[int]) -> Response[Any]:
    """Change an activity."""
    return await _save(request, activity_id)


@async_post("/activities/{activity_id:int}/attendees", guards=[CHANGES], status_code=200)
async def do_attendees(request: Request[Visitor, Any, Any], activity_id: FromPath[int]) -> Response[Any]:
    """Enter who took part."""
    service = request.app.state.service

    def save(form: Any, _texts: Any) -> str:
        activities.add_attendees(service, request.user, activity_id, form)
        return f"/activities/{activity_id}"

    return await saved(
        request,
        activities.AttendeesForm,
        save,
        lambda bound, problem, _texts: _page(request, activity_id, bound, problem),
    )


@async_post("/activities/{activity_id:int}/attendees/remove", guards=[CHANGES], status_code=200)
async def do_remove_attendee(request: Request[Visitor, Any, Any], activity_id: FromPath[int]) -> Response[Any]:
    """Take out somebody who did not take part."""
    member = number_of_form(await sent_texts(request), "member")
    await to_thread.run_sync(activities.remove_attendee, request.app.state.service, request.user, activity_id, member)
    return go(request, f"/activities/{activity_id}")


def _page(request: Request[Visitor, Any, Any], activity_id: int, bound: Bound[Any] | None, problem: str) -> Template:
    with request.app.state.service.database.read() as session:
        row = activities.activity_seen(session, request.user, activity_id)
        if row is None:
            raise NotFoundException(detail="There is no such activity.")
        found = activities.attendees_of(session, request.user, activity_id)
        context = FormContext(session, request.user, request.app.state.references)
        fields = fields_of(activities.AttendeesForm, context, bound)
        session.expunge_all()
    rows = [(one, name, activities.is_credited(one, state), state) for one, name, state in found]
    return page(
        request,
        "activity.html",
        http_status=409 if problem else 200,
        activity=row,
        rows=rows,
        waiting=sum(1 for _one, _name, credited, _state in rows if not credited),
        fields=fields,
        problem=problem,
    )


def _form(request: Request[Visitor, Any, Any], activity_id: int, bound: Bound[Any] | None, problem: str) -> Template:
    if not activity_id:
        title = _("New activity")
        return form_page(request, activities.ActivityForm, title=title, back=BACK, bound=bound, problem=problem)
    with request.app.state.service.database.read() as session:
        row = activities.activity_seen(session, request.user, activity_id)
        if row is None:
            raise NotFoundException(detail="There is no such activity.")
        names = activities.ActivityForm.__struct_fields__
        filled = activities.ActivityForm(**{name: getattr(row, name) for name in names})
    back = (f"/activities/{activity_id}", _("Back to the activity"))
    return form_page(
        request, activities.ActivityForm, title=_("Change"), back=back, bound=bound, filled=filled, problem=problem
    )


async def _save(request: Request[Visitor, Any, Any], activity_id: int) -> Response[Any]:
    service = request.app.state.service
    return await saved(
        request,
        activities.ActivityForm,
        lambda form, _texts: f"/activities/{activities.save_activity(service, request.user, form, activity_id)}",
        lambda bound, problem, _texts: _form(request, activity_id, bound, problem),
    )


HANDLERS: list[Any] = [
    list_activities,
    new_activity,
    do_new_activity,
    show_activity,
    change_activity,
    do_change_activity,
    do_attendees,
    do_remove_attendee,
]
