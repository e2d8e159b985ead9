"""The tree of the organisation, its stores, dealers and departments."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.lists.organisation import dealers_seen, nodes_seen, stores_of
from admin.people.departments import (
    NAME_LENGTH_MAX,
    add_department,
    delete_department,
    departments_seen,
    rename_department,
)
from admin.rights import Action

from .handlers import Done, Limit, Number, Page, Text, api_delete, api_get, api_post, api_put
from .words import NODE_WORDS

TAG = "Organisation"
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH_MAX, pattern=r"^[^\x00]*$")]


class Node(msgspec.Struct):
    """A node of the tree."""

    organisation_id: int
    parent_id: int
    kind: str
    name: str


class Store(msgspec.Struct):
    """A store and its node."""

    store_id: int
    organisation_id: int
    terminal_count: int


class Department(msgspec.Struct):
    """A department of a node; organisation 0: of the group."""

    id: int
    organisation_id: int
    name: str
    user_count: int


class Organisation(msgspec.Struct):
    """The part of the organisation that is seen."""

    nodes: list[Node]
    stores: list[Store]
    departments: list[Department]


class Dealer(msgspec.Struct):
    """A dealer, and what is below him."""

    organisation_id: int
    name: str
    parent_id: int
    store_count: int
    terminal_count: int
    card_count: int


class NewDepartment(msgspec.Struct, forbid_unknown_fields=True):
    """A department to be made."""

    name: Name
    organisation_id: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 0


class DepartmentName(msgspec.Struct, forbid_unknown_fields=True):
    """Another name."""

    name: Name


@api_get("/api/v1/organisation", guards=[needs("organisation")], tag=TAG)
def get_organisation(request: Request[Visitor, Any, Any]) -> Organisation:
    """Nodes, stores and departments."""
    visitor = request.user
    with request.app.state.service.database.read() as session:
        nodes = nodes_seen(session, visitor)
        return Organisation(
            nodes=[
                Node(row.organisation_id, row.parent_id, NODE_WORDS.get(row.node, str(row.node)), row.name)
                for row in nodes
            ],
            stores=[
                Store(row.store_id, row.organisation_id, row.terminal_count) for row in stores_of(session, visitor)
            ],
            departments=[
                Department(row.id, row.organisation_id, row.name, row.user_count)
                for row in departments_seen(session, visitor)
            ],
        )


@api_get("/api/v1/dealers", guards=[needs("organisation")], tag=TAG)
def list_dealers(
    request: Request[Visitor, Any, Any], q: Text = "", after: Number = None, limit: Limit = 50
) -> Page[Dealer]:
    """Dealers by number."""
    with request.app.state.service.database.read() as session:
        rows, last = dealers_seen(session, request.user, typed=q, after=after, limit=limit)
    return Page(
        [Dealer(r.organisation_id, r.name, r.parent_id, r.store_count, r.terminal_count, r.card_count) for r in rows],
        str(last) if last else None,
    )


@api_post("/api/v1/departments", guards=[needs("organisation", Action.ADD)], tag=TAG)
def make_department(request: Request[Visitor, Any, Any], data: JSONBody[NewDepartment]) -> Done:
    """A new department."""
    return Done(str(add_department(request.app.state.service, request.user, data.name, data.organisation_id)))


@api_put(
    "/api/v1/departments/{department_id:int}",
    guards=[needs("organisation", Action.CHANGE)],
    tag=TAG,
    pages=("POST /departments/{department_id}",),
)
def change_department(
    request: Request[Visitor, Any, Any], department_id: FromPath[int], data: JSONBody[DepartmentName]
) -> Done:
    """Give a department another name."""
    rename_department(request.app.state.service, request.user, department_id, data.name)
    return Done(str(department_id))


@api_delete(
    "/api/v1/departments/{department_id:int}",
    guards=[needs("organisation", Action.DELETE)],
    tag=TAG,
    pages=("POST /departments/{department_id}/delete",),
)
def end_department(request: Request[Visitor, Any, Any], department_id: FromPath[int]) -> None:
    """Delete a department that nobody belongs to."""
    delete_department(request.app.state.service, request.user, department_id)


HANDLERS = [get_organisation, list_dealers, make_department, change_department, end_department]
