"""Users and their roles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Template
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.lists.people import UserRow, find_users, user_row
from admin.models.mirror import organisations
from admin.people.departments import departments_seen
from admin.people.users import add_user, change_user, reset_password, user_seen
from admin.rights import Action
from admin.roles import roles_now

from .common import go, is_part_wanted, page, page_rows, refusal_text, with_query
from .handlers import get, post


@dataclass
class UserForm:
    """What the page of a user sends; `roles` has one value per ticked box."""

    name: str = ""
    full_name: str = ""
    organisation_id: int = 0
    department_id: int = 0
    """0: none."""
    roles: list[str] | str = field(default_factory=list)
    is_enabled: str = ""
    password: str = ""

    @property
    def role_names(self) -> list[str]:
        """The roles; a form with one ticked box sends a text, not a list."""
        return [self.roles] if isinstance(self.roles, str) else self.roles


@dataclass
class ResetForm:
    """A password to begin with."""

    password: str = ""


@get("/users", guards=[needs("users")])
def list_users(request: Request[Visitor, Any, Any], q: FromQuery[str] = "", after: FromQuery[str] = "") -> Template:
    """Users of the visitor's part of the organisation, by name."""
    with request.app.state.service.database.read() as session:
        rows, last = find_users(session, request.user, typed=q, after=after, limit=page_rows(request))
        places = _places(session, request.user)
        roles = roles_now(session)
    return page(
        request,
        "_user_rows.html" if is_part_wanted(request) else "users.html",
        rows=rows,
        q=q,
        places=dict(places),
        roles=roles,
        now=request.app.state.service.now(),
        is_first=not after,
        next_address=with_query("/users", {"q": q, "after": last}) if last else None,
    )


@get("/users/new", guards=[needs("users", Action.ADD)])
def new_user(request: Request[Visitor, Any, Any]) -> Template:
    """Form for a new user."""
    return _form(request, None, UserForm(is_enabled="on", organisation_id=request.user.organisation_id), "")


@post("/users/new", guards=[needs("users", Action.ADD)])
def do_add_user(request: Request[Visitor, Any, Any], data: URLEncodedBody[UserForm]) -> Response[Any]:
    """Make a user."""
    try:
        user_id = add_user(
            request.app.state.service,
            request.user,
            name=data.name,
            full_name=data.full_name,
            organisation_id=data.organisation_id,
            department_id=data.department_id or None,
            roles=data.role_names,
            password=data.password,
        )
    except RefusedError as error:
        return _form(request, None, data, refusal_text(error))
    return go(request, f"/users/{user_id}")


@get("/users/{user_id:int}", guards=[needs("users")])
def show_user(request: Request[Visitor, Any, Any], user_id: FromPath[int]) -> Template:
    """A user and its roles."""
    with request.app.state.service.database.read() as session:
        user = user_seen(session, request.user, user_id)
        if user is None:
            raise NotFoundException(detail="There is no such user.")
        shown = user_row(user)
    form = UserForm(
        name=shown.name,
        full_name=shown.full_name,
        organisation_id=shown.organisation_id,
        department_id=shown.department_id or 0,
        roles=shown.roles,
        is_enabled="on" if shown.is_enabled else "",
    )
    return _form(request, shown, form, "")


@post("/users/{user_id:int}", guards=[needs("users", Action.CHANGE)])
def do_change_user(
    request: Request[Visitor, Any, Any], user_id: FromPath[int], data: URLEncodedBody[UserForm]
) -> Response[Any]:
    """Change a user."""
    return _changed(
        request,
        user_id,
        data,
        lambda: change_user(
            request.app.state.service,
            request.user,
            user_id,
            full_name=data.full_name,
            organisation_id=data.organisation_id,
            department_id=data.department_id or None,
            roles=data.role_names,
            is_enabled=bool(data.is_enabled),
        ),
    )


@post("/users/{user_id:int}/password", guards=[needs("users", Action.CHANGE)])
def do_reset_password(
    request: Request[Visitor, Any, Any], user_id: FromPath[int], data: URLEncodedBody[ResetForm]
) -> Response[Any]:
    """Give a user a password to begin with."""
    return _changed(
        request,
        user_id,
        UserForm(),
        lambda: reset_password(request.app.state.service, request.user, user_id, data.password),
    )


def _changed(request: Request[Visitor, Any, Any], user_id: int, form: UserForm, change: Any) -> Response[Any]:
    with request.app.state.service.database.read() as session:
        user = user_seen(session, request.user, user_id)
        if user is None:
            raise NotFoundException(detail="There is no such user.")
        shown = user_row(user)
    try:
        change()
    except RefusedError as error:
        form.name = shown.name
        if not form.full_name:
            form.full_name, form.organisation_id, form.roles = (
                shown.full_name,
                shown.organisation_id,
                shown.roles,
            )
            form.is_enabled = "on" if shown.is_enabled else ""
        return _form(request, shown, form, refusal_text(error))
    return go(request, f"/users/{user_id}")


def _form(request: Request[Visitor, Any, Any], user: UserRow | None, form: UserForm, problem: str) -> Template:
    visitor = request.user
    with request.app.state.service.database.read() as session:
        places = _places(session, visitor)
        departments = departments_seen(session, visitor)
        roles = roles_now(session)
    return page(
        request,
        "user.html",
        departments=departments,
        http_status=409 if problem else 200,
        user=user,
        form=form,
        problem=problem,
        places=places,
        roles=roles,
        grantable={role.name for role in roles.values() if role.rights <= visitor.rights},
        is_self=user is not None and user.id == visitor.user_id,
    )


def _places(session: Session, visitor: Visitor) -> list[tuple[int, str]]:
    """(number, name) of the nodes that the visitor may put somebody at."""
    rows = session.execute(
        select(organisations.c.organisation_id, organisations.c.name).order_by(organisations.c.organisation_id)
    )
    return [(number, name or str(number)) for number, name in rows if visitor.may_place_in(number)]


HANDLERS: list[Any] = [list_users, new_user, do_add_user, show_user, do_change_user, do_reset_password]
