"""The organisation as the switch has it, and its departments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from admin.access import Visitor, needs
from admin.documents.organisation_kinds import NODES
from admin.errors import RefusedError
from admin.lists.organisation import nodes_seen, stores_of
from admin.people.departments import add_department, delete_department, departments_seen, rename_department
from admin.rights import Action

from .common import go, page, refusal_text
from .handlers import get, post


@dataclass
class DepartmentForm:
    """A name, and for a new one its place."""

    name: str = ""
    organisation_id: int = 0


@get("/organisation", guards=[needs("organisation")])
def show_organisation(request: Request[Visitor, Any, Any]) -> Template:
    """The tree, stores and terminals of each node, departments."""
    return _page(request, "")


@post("/departments", guards=[needs("organisation", Action.ADD)])
def do_add(request: Request[Visitor, Any, Any], data: URLEncodedBody[DepartmentForm]) -> Response[Any]:
    """Make a department."""
    return _do(
        request, lambda: add_department(request.app.state.service, request.user, data.name, data.organisation_id)
    )


@post("/departments/{department_id:int}", guards=[needs("organisation", Action.CHANGE)])
def do_rename(
    request: Request[Visitor, Any, Any], department_id: FromPath[int], data: URLEncodedBody[DepartmentForm]
) -> Response[Any]:
    """Rename a department."""
    return _do(request, lambda: rename_department(request.app.state.service, request.user, department_id, data.name))


@post("/departments/{department_id:int}/delete", guards=[needs("organisation", Action.DELETE)])
def do_delete(request: Request[Visitor, Any, Any], department_id: FromPath[int]) -> Response[Any]:
    """Delete a department that has no users."""
    return _do(request, lambda: delete_department(request.app.state.service, request.user, department_id))


def _do(request: Request[Visitor, Any, Any], change: Callable[[], object]) -> Response[Any]:
    try:
        change()
    except RefusedError as error:
        return _page(request, refusal_text(error))
    return go(request, "/organisation")


def _page(request: Request[Visitor, Any, Any], problem: str) -> Template:
    visitor = request.user
    with request.app.state.service.database.read() as session:
        nodes = nodes_seen(session, visitor)
        store_rows = stores_of(session, visitor)
        departments = departments_seen(session, visitor)
    return page(
        request,
        "organisation.html",
        http_status=409 if problem else 200,
        problem=problem,
        nodes=in_tree_order(nodes),
        node_names=NODES,
        stores=[(row, row.terminal_count) for row in store_rows],
        departments=departments,
    )


def in_tree_order(nodes: Any) -> list[tuple[int, Any]]:
    """(depth, node), each node behind the one above it."""
    numbers = {node.organisation_id for node in nodes}
    children: dict[int, list[Any]] = {}
    for node in sorted(nodes, key=lambda node: node.organisation_id):
        children.setdefault(node.parent_id if node.parent_id in numbers else 0, []).append(node)
    ordered: list[tuple[int, Any]] = []
    waiting = [(0, node) for node in reversed(children.get(0, []))]
    while waiting:
        depth, node = waiting.pop()
        ordered.append((depth, node))
        waiting += [(depth + 1, child) for child in reversed(children.get(node.organisation_id, []))]
    return ordered


HANDLERS: list[Any] = [show_organisation, do_add, do_rename, do_delete]
