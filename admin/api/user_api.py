"""Users, their roles, and what roles hold."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.database import to_ms
from admin.i18n import translate
from admin.lists.people import UserRow, find_users, user_row
from admin.people.roles import delete_role, save_role
from admin.people.users import add_user, change_user, reset_password, user_seen
from admin.rights import FUNCTIONS, ROLES, Action, right
from admin.roles import roles_now

from .handlers import Done, Key, Limit, Page, Text, api_delete, api_get, api_post, api_put

TAG = "Users"
NO_ZERO = r"^[^\x00]*$"
Name = Annotated[str, msgspec.Meta(min_length=2, max_length=40, pattern=NO_ZERO)]
FullName = Annotated[str, msgspec.Meta(max_length=80, pattern=NO_ZERO)]
Password = Annotated[str, msgspec.Meta(max_length=200, description="To begin with; it must be changed at once.")]
NodeNumber = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1, description="0: the whole group.")]
DepartmentNumber = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1, description="0: none.")]
RoleNames = Annotated[list[Annotated[str, msgspec.Meta(max_length=40, pattern=NO_ZERO)]], msgspec.Meta(max_length=50)]


class User(msgspec.Struct):
    """A person who may sign on."""

    id: int
    name: str
    full_name: str
    organisation_id: int
    department_id: int | None
    is_enabled: bool
    is_locked: bool
    has_dynamic_password: bool
    last_login_ms: int | None
    roles: list[str]


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """A user to be made."""

    name: Name
    password: Password
    full_name: FullName = ""
    organisation_id: NodeNumber = 0
    department_id: DepartmentNumber = 0
    roles: RoleNames = []


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """All that may be changed about a user; what stays is sent as it is."""

    full_name: FullName
    organisation_id: NodeNumber
    roles: RoleNames
    is_enabled: bool
    department_id: DepartmentNumber = 0


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """A password to begin with."""

    password: Password


class Role(msgspec.Struct):
    """A set of rights with a name."""

    name: str
    label: str
    rights: list[str]
    is_built_in: bool


class Control(msgspec.Struct):
    """One operation of the business: every one leaves a record in the audit log but viewing and printing."""

    right: str
    label: str
    roles: list[str]
    asks_for_dynamic_password: bool


class RoleChange(msgspec.Struct, forbid_unknown_fields=True):
    """What a role is called and holds."""

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=NO_ZERO)]
    rights: Annotated[list[Annotated[str, msgspec.Meta(max_length=60)]], msgspec.Meta(max_length=200)]


class NewRole(RoleChange, forbid_unknown_fields=True, kw_only=True):
    """A role to be made."""

    name: Name


@api_get("/api/v1/users", guards=[needs("users")], tag=TAG)
def list_users(request: Request[Visitor, Any, Any], q: Text = "", after: Key = "", limit: Limit = 50) -> Page[User]:
    """Users by name."""
    service = request.app.state.service
    with service.database.read() as session:
        rows, last = find_users(session, request.user, typed=q, after=after, limit=limit)
    return Page([_item(row, service) for row in rows], last)


@api_get("/api/v1/users/{user_id:int}", guards=[needs("users")], tag=TAG)
def get_user(request: Request[Visitor, Any, Any], user_id: FromPath[int]) -> User:
    """One user."""
    return _user(request, user_id)


@api_post("/api/v1/users", guards=[needs("users", Action.ADD)], tag=TAG, pages=("GET /users/new", "POST /users/new"))
def make_user(request: Request[Visitor, Any, Any], data: JSONBody[NewUser]) -> User:
    """A new user, who changes the password at the first sign-on."""
    user_id = add_user(
        request.app.state.service,
        request.user,
        name=data.name,
        full_name=data.full_name,
        organisation_id=data.organisation_id,
        department_id=data.department_id or None,
        roles=data.roles,
        password=data.password,
    )
    return _user(request, user_id)


@api_put(
    "/api/v1/users/{user_id:int}",
    guards=[needs("users", Action.CHANGE)],
    tag=TAG,
    pages=("POST /users/{user_id}",),
)
def put_user(request: Request[Visitor, Any, Any], user_id: FromPath[int], data: JSONBody[UserChange]) -> User:
    """Change a user."""
    _user(request, user_id)
    change_user(
        request.app.state.service,
        request.user,
        user_id,
        full_name=data.full_name,
        organisation_id=data.organisation_id,
        department_id=data.department_id or None,
        roles=data.roles,
        is_enabled=data.is_enabled,
    )
    return _user(request, user_id)


@api_put(
    "/api/v1/users/{user_id:int}/password",
    guards=[needs("users", Action.CHANGE)],
    tag=TAG,
    pages=("POST /users/{user_id}/password",),
)
def put_password(request: Request[Visitor, Any, Any], user_id: FromPath[int], data: JSONBody[NewPassword]) -> Done:
    """Give a user a password to begin with; opens a lock, ends sessions and tokens."""
    _user(request, user_id)
    reset_password(request.app.state.service, request.user, user_id, data.password)
    return Done(str(user_id))


@api_get("/api/v1/roles", guards=[needs("roles")], tag=TAG)
def list_roles(request: Request[Visitor, Any, Any]) -> list[Role]:
    """All roles and their rights."""
    with request.app.state.service.database.read() as session:
        return [
            Role(role.name, role.label, sorted(role.rights), role.name in ROLES) for role in roles_now(session).values()
        ]


@api_get("/api/v1/roles/{name:str}", guards=[needs("roles")], tag=TAG)
def get_role(request: Request[Visitor, Any, Any], name: FromPath[str]) -> Role:
    """A role and its rights."""
    with request.app.state.service.database.read() as session:
        role = roles_now(session).get(name)
    if role is None:
        raise NotFoundException(detail="There is no such role.")
    return Role(role.name, role.label, sorted(role.rights), role.name in ROLES)


@api_get("/api/v1/controls", guards=[needs("roles")], tag=TAG)
def list_controls(request: Request[Visitor, Any, Any]) -> list[Control]:
    """Business control: for each operation who may do it and what it asks for."""
    service = request.app.state.service
    now = service.now()
    with service.database.read() as session:
        roles = roles_now(session)
    return [
        Control(
            right=right(function.name, action),
            label=translate(function.label),
            roles=[role.name for role in roles.values() if right(function.name, action) in role.rights],
            asks_for_dynamic_password=service.parameters.asks_for_step_up(function.name, action, now),
        )
        for function in FUNCTIONS.values()
        for action in function.actions
    ]


@api_post("/api/v1/roles", guards=[needs("roles", Action.ADD)], tag=TAG, pages=("GET /roles/new", "POST /roles/new"))
def make_role(request: Request[Visitor, Any, Any], data: JSONBody[NewRole]) -> Done:
    """A new role."""
    save_role(request.app.state.service, request.user, data.name, label=data.label, rights=data.rights, is_new=True)
    return Done(data.name.strip().lower())


@api_put("/api/v1/roles/{name:str}", guards=[needs("roles", Action.CHANGE)], tag=TAG, pages=("POST /roles/{name}",))
def put_role(request: Request[Visitor, Any, Any], name: FromPath[str], data: JSONBody[RoleChange]) -> Done:
    """Change a role."""
    save_role(request.app.state.service, request.user, name, label=data.label, rights=data.rights, is_new=False)
    return Done(name)


@api_delete(
    "/api/v1/roles/{name:str}",
    guards=[needs("roles", Action.DELETE)],
    tag=TAG,
    pages=("POST /roles/{name}/delete",),
)
def end_role(request: Request[Visitor, Any, Any], name: FromPath[str]) -> None:
    """Delete a role that nobody holds."""
    delete_role(request.app.state.service, request.user, name)


def _user(request: Request[Visitor, Any, Any], user_id: int) -> User:
    service = request.app.state.service
    with service.database.read() as session:
        user = user_seen(session, request.user, user_id)
        if user is None:
            raise NotFoundException(detail="There is no such user.")
        return _item(user_row(user), service)


def _item(row: UserRow, service: Any) -> User:
    return User(
        id=row.id,
        name=row.name,
        full_name=row.full_name,
        organisation_id=row.organisation_id,
        department_id=row.department_id,
        is_enabled=row.is_enabled,
        is_locked=row.locked_until is not None and row.locked_until > service.now(),
        has_dynamic_password=row.has_totp,
        last_login_ms=to_ms(row.last_login_at) if row.last_login_at else None,
        roles=row.roles,
    )


HANDLERS = [
    list_users,
    get_user,
    make_user,
    put_user,
    put_password,
    list_roles,
    get_role,
    list_controls,
    make_role,
    put_role,
    end_role,
]
