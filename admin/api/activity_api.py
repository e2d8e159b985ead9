"""Activities of members: what was done, who took part, who was credited."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.care import activities
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Limit, Number, Page, api_get, api_post, api_put, filled, page_of

TAG = "Activities"
ADDS, CHANGES = [needs("activities", Action.ADD)], [needs("activities", Action.CHANGE)]
ActivityBody = body_of(activities.ActivityForm, "NewActivity")
AttendeesBody = body_of(activities.AttendeesForm, "NewAttendees")


class ActivityItem(msgspec.Struct):
    """Something that members were invited to."""

    id: int
    name: str
    date: int
    place: str
    content: str
    course: str
    points_hundredths: int
    """Each attendee gets so many once; 0: none."""


class AttendeeItem(msgspec.Struct):
    """A member who took part."""

    member_id: int
    member: str
    """Empty: a member of another store."""
    is_credited: bool
    document_id: int
    """Document that credits the points; 0: none."""


class ActivityDetails(msgspec.Struct):
    """One activity and who took part; the document kind credit-activity gives the points."""

    activity: ActivityItem
    attendees: list[AttendeeItem]


class AttendeeName(msgspec.Struct, forbid_unknown_fields=True):
    """A member."""

    member: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]


@api_get("/api/v1/activities", guards=[needs("activities")], tag=TAG)
def list_activities(
    request: Request[Visitor, Any, Any], before: Number = None, limit: Limit = 50
) -> Page[ActivityItem]:
    """Activities, newest first."""
    with request.app.state.service.database.read() as session:
        rows = activities.activities_page(session, request.user, before, limit)
        return page_of(rows, limit, lambda row: filled(ActivityItem, row[0]), lambda row: row[0].id)


def _make(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Add an activity."""
    form = checked(request, activities.ActivityForm, data)
    return Done(str(activities.save_activity(request.app.state.service, request.user, form)))


def _change(request: Request[Visitor, Any, Any], activity_id: FromPath[int], data: Any) -> ActivityDetails:
    """Change an activity."""
    _details(request, activity_id)
    form = checked(request, activities.ActivityForm, data)
    activities.save_activity(request.app.state.service, request.user, form, activity_id)
    return _details(request, activity_id)


def _attend(request: Request[Visitor, Any, Any], activity_id: FromPath[int], data: Any) -> ActivityDetails:
    """Enter who took part; nobody is entered twice."""
    _details(request, activity_id)
    form = checked(request, activities.AttendeesForm, data)
    activities.add_attendees(request.app.state.service, request.user, activity_id, form)
    return _details(request, activity_id)


make_activity = takes(
    api_post("/api/v1/activities", guards=ADDS, tag=TAG, pages=("POST /activities/new",)), _make, ActivityBody
)
get_activity_form = form_handler(
    "/api/v1/activities/form", activities.ActivityForm, guards=ADDS, tag=TAG, pages=("GET /activities/new",)
)
put_activity = takes(
    api_put(
        "/api/v1/activities/{activity_id:int}",
        guards=CHANGES,
        tag=TAG,
        pages=("GET /activities/{activity_id}/change", "POST /activities/{activity_id}/change"),
    ),
    _change,
    ActivityBody,
)
attend = takes(
    api_post("/api/v1/activities/{activity_id:int}/attendees", guards=CHANGES, tag=TAG, status=200),
    _attend,
    AttendeesBody,
)


@api_get("/api/v1/activities/{activity_id:int}", guards=[needs("activities")], tag=TAG)
def get_activity(request: Request[Visitor, Any, Any], activity_id: FromPath[int]) -> ActivityDetails:
    """One activity and who took part."""
    return _details(request, activity_id)


@api_post("/api/v1/activities/{activity_id:int}/attendees/remove", guards=CHANGES, tag=TAG, status=200)
def take_out(
    request: Request[Visitor, Any, Any], activity_id: FromPath[int], data: JSONBody[AttendeeName]
) -> ActivityDetails:
    """Take out somebody who did not take part and was not credited."""
    _details(request, activity_id)
    activities.remove_attendee(request.app.state.service, request.user, activity_id, data.member)
    return _details(request, activity_id)


def _details(request: Request[Visitor, Any, Any], activity_id: int) -> ActivityDetails:
    with request.app.state.service.database.read() as session:
        row = activities.activity_seen(session, request.user, activity_id) if activity_id < 2**63 else None
        if row is None:
            raise NotFoundException(detail="There is no such activity.")
        return ActivityDetails(
            filled(ActivityItem, row),
            [
                AttendeeItem(one.member_id, name or "", activities.is_credited(one, state), one.document_id)
                for one, name, state in activities.attendees_of(session, request.user, activity_id)
            ],
        )


HANDLERS = [
    list_activities,
    make_activity,
    get_activity_form,
    put_activity,
    attend,
    get_activity,
    take_out,
]
