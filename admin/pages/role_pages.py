"""Roles: what each may do; roles of one's own made out of rights; and which record each operation leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.people.roles import delete_role, save_role
from admin.rights import FUNCTIONS, ROLES, Action, right
from admin.roles import roles_now
from admin.service import Service

from .common import go, page, refusal_text
from .handlers import get, post


@dataclass
class RoleForm:
    """What the page of a role sends; `rights` has one value per ticked box."""

    name: str = ""
    label: str = ""
    rights: list[str] | str = field(default_factory=list)

    @property
    def right_names(self) -> list[str]:
        """The rights; a form with one ticked box sends a text, not a list."""
        return [self.rights] if isinstance(self.rights, str) else self.rights


@get("/roles", guards=[needs("roles")])
def show_roles(request: Request[Visitor, Any, Any]) -> Template:
    """Which role may do what."""
    service: Service = request.app.state.service
    now = service.now()
    with service.database.read() as session:
        roles = roles_now(session)
    demanding = {
        right(function.name, action)
        for function in FUNCTIONS.values()
        for action in function.actions
        if service.parameters.asks_for_step_up(function.name, action, now)
    }
    return page(
        request,
        "roles.html",
        roles=roles,
        built_in=ROLES,
        functions=FUNCTIONS,
        right=right,
        demanding=demanding,
    )


@get("/controls", guards=[needs("roles")])
def show_controls(request: Request[Visitor, Any, Any]) -> Template:
    """Business control: for each operation who may do it, what it asks for, and which record it leaves."""
    service: Service = request.app.state.service
    now = service.now()
    with service.database.read() as session:
        roles = roles_now(session)
    rows = [
        {
            "function": function,
            "action": action,
            "holders": [role.label for role in roles.values() if right(function.name, action) in role.rights],
            "is_demanding": service.parameters.asks_for_step_up(function.name, action, now),
        }
        for function in FUNCTIONS.values()
        for action in function.actions
    ]
    return page(
        request, "controls.html", rows=rows, leaving_none=(Action.VIEW, Action.PRINT), unmasked=Action.SEE_UNMASKED
    )


@get("/roles/new", guards=[needs("roles", Action.ADD)])
def new_role(request: Request[Visitor, Any, Any]) -> Template:
    """Form for a new role."""
    return _form(request, "", RoleForm(), "")


@post("/roles/new", guards=[needs("roles", Action.ADD)])
def do_add_role(request: Request[Visitor, Any, Any], data: URLEncodedBody[RoleForm]) -> Response[Any]:
    """Make a role."""
    return _do(
        request,
        "",
        data,
        lambda: save_role(
            request.app.state.service, request.user, data.name, label=data.label, rights=data.right_names, is_new=True
        ),
    )


@get("/roles/{name:str}", guards=[needs("roles")])
def show_role(request: Request[Visitor, Any, Any], name: FromPath[str]) -> Template:
    """A role and its rights."""
    with request.app.state.service.database.read() as session:
        role = roles_now(session).get(name)
    if role is None:
        raise NotFoundException(detail="There is no such role.")
    return _form(request, name, RoleForm(name, role.label, sorted(role.rights)), "")


@post("/roles/{name:str}", guards=[needs("roles", Action.CHANGE)])
def do_change_role(
    request: Request[Visitor, Any, Any], name: FromPath[str], data: URLEncodedBody[RoleForm]
) -> Response[Any]:
    """Change a role."""
    return _do(
        request,
        name,
        data,
        lambda: save_role(
            request.app.state.service, request.user, name, label=data.label, rights=data.right_names, is_new=False
        ),
    )


@post("/roles/{name:str}/delete", guards=[needs("roles", Action.DELETE)])
def do_delete_role(request: Request[Visitor, Any, Any], name: FromPath[str]) -> Response[Any]:
    """Delete a role that nobody holds."""
    delete_role(request.app.state.service, request.user, name)
    return go(request, "/roles")


def _do(request: Request[Visitor, Any, Any], name: str, data: RoleForm, change: Callable[[], None]) -> Response[Any]:
    try:
        change()
    except RefusedError as error:
        return _form(request, name, data, refusal_text(error))
    return go(request, "/roles")


def _form(request: Request[Visitor, Any, Any], name: str, form: RoleForm, problem: str) -> Template:
    visitor = request.user
    may_save = visitor.sees_everything and visitor.may("roles", Action.CHANGE if name else Action.ADD)
    return page(
        request,
        "role.html",
        http_status=409 if problem else 200,
        name=name,
        form=form,
        problem=problem,
        functions=FUNCTIONS,
        right=right,
        is_built_in=name in ROLES,
        may_save=may_save and name not in ROLES and name not in visitor.roles,
    )


HANDLERS: list[Any] = [
    show_roles,
    show_controls,
    new_role,
    do_add_role,
    show_role,
    do_change_role,
    do_delete_role,
]
