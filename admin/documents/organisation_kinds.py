"""The organisation as documents: nodes of the tree and stores, made and changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, select

from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.mirror import organisations, stores
from admin.rights import Action
from switch.protocol.messages import MessageType, OrganisationNode

from .kind import Kind, Planning, subject

_ = str
NAME_BYTES_MAX = 40
"""Of a node's name in the switch's records, UTF-8."""
NUMBER_MAX = 2**32 - 1
ROUND_OFF_MINOR_MAX = 2**16 - 1
NODES: dict[int, str] = {
    OrganisationNode.HQ: _("Headquarters"),
    OrganisationNode.REGION: _("Region"),
    OrganisationNode.STORE: _("Store"),
    OrganisationNode.DEALER: _("Dealer"),
}


def nodes_seen(context: FormContext) -> dict[int, str]:
    """Nodes of the visitor's part, and the top for those who see everything."""
    query = context.visitor.organisations_seen(select(organisations).order_by(organisations.c.organisation_id))
    found = {row.organisation_id: f"{row.organisation_id} {row.name}".strip() for row in context.session.execute(query)}
    return {0: translate("(the top)"), **found} if context.visitor.sees_everything else found


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the tree."""

    organisation: Annotated[int, entry(_("Number of the node"), "integer", ge=1, le=NUMBER_MAX)]
    node: Annotated[int, entry(_("Kind"), "choice", choices=NODES)]
    parent: Annotated[int, entry(_("Node above"), "choice", choices=nodes_seen)] = 0
    name: Annotated[str, entry(_("Name"), max_length=NAME_BYTES_MAX)]

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if len(self.name.encode()) > NAME_BYTES_MAX:
            yield "name", translate("At most {count} bytes: 13 Chinese characters.").format(count=NAME_BYTES_MAX)
        if self.parent == self.organisation:
            yield "parent", translate("A node cannot be above itself.")


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """A store, in which tills stand."""

    store: Annotated[int, entry(_("Store"), "integer", ge=1, le=NUMBER_MAX)]
    organisation: Annotated[int, entry(_("Number of the node"), "choice", choices=nodes_seen)] = 0
    round_off_minor: Annotated[
        int,
        entry(
            _("Cash is rounded down to"),
            "money",
            ge=0,
            le=ROUND_OFF_MINOR_MAX,
            hint=_("0.10 or 1.00, for instance; 0: to the cent."),
        ),
    ] = 0


def _node(planning: Planning, number: int) -> Row[Any] | None:
    return planning.session.execute(select(organisations).where(organisations.c.organisation_id == number)).first()


def _store(planning: Planning, number: int) -> Row[Any] | None:
    return planning.session.execute(select(stores).where(stores.c.store_id == number)).first()


def _own(planning: Planning, organisation_id: int) -> None:
    if not planning.visitor.may_place_in(organisation_id):
        raise RefusedError("This is not in your part of the organisation.")


def _put_node(planning: Planning, form: Node) -> None:
    planning.add(
        MessageType.PUT_ORGANISATION,
        subject=subject(_("{kind} {number}"), kind=NODES[form.node], number=form.organisation),
        organisation_id=form.organisation,
        parent_id=form.parent,
        node=form.node,
        name=form.name.encode().ljust(NAME_BYTES_MAX, b"\0"),
    )


def _add_node(planning: Planning, form: Node) -> None:
    _own(planning, form.parent)
    if _node(planning, form.organisation) is not None:
        raise RefusedError("There is a node {number} already. Choose another number.", number=form.organisation)
    _put_node(planning, form)


def _change_node(planning: Planning, form: Node) -> None:
    found = _node(planning, form.organisation)
    if found is None:
        raise RefusedError("There is no node {number}.", number=form.organisation)
    _own(planning, form.organisation)
    if form.parent != found.parent_id:
        _own(planning, form.parent)
        _forbid_ring(planning, form)
    if (form.node, form.parent, form.name) == (found.node, found.parent_id, found.name):
        raise RefusedError("It is so already.")
    _put_node(planning, form)


def _forbid_ring(planning: Planning, form: Node) -> None:
    seen, above = {form.organisation}, form.parent
    while above:
        if above in seen:
            raise RefusedError("This would put the node below itself.")
        seen.add(above)
        row = _node(planning, above)
        above = row.parent_id if row is not None else 0


def _put_store(planning: Planning, form: Store) -> None:
    planning.add(
        MessageType.PUT_STORE,
        subject=subject(_("Store {number}"), number=form.store),
        store_id=form.store,
        organisation_id=form.organisation,
        round_off_minor=form.round_off_minor,
    )


def _add_store(planning: Planning, form: Store) -> None:
    _own(planning, form.organisation)
    if _store(planning, form.store) is not None:
        raise RefusedError("There is a store {number} already. Choose another number.", number=form.store)
    _put_store(planning, form)


def _change_store(planning: Planning, form: Store) -> None:
    found = _store(planning, form.store)
    if found is None:
        raise RefusedError("There is no store {number}.", number=form.store)
    _own(planning, found.organisation_id)
    _own(planning, form.organisation)
    if (form.organisation, form.round_off_minor) == (found.organisation_id, found.round_off_minor):
        raise RefusedError("It is so already.")
    _put_store(planning, form)


KINDS: list[Kind[Any]] = [
    Kind(
        name="add-node",
        label=_("Add a node"),
        hint=_("Headquarters, a region, a store or a dealer. Whoever belongs to a node sees it and what is below it."),
        function="organisation",
        action=Action.ADD,
        form=Node,
        plan=_add_node,
        is_central=True,
    ),
    Kind(
        name="change-node",
        label=_("Change a node"),
        hint=_("Its name, its kind or its place. What was booked stays where it was booked."),
        function="organisation",
        form=Node,
        plan=_change_node,
        is_central=True,
    ),
    Kind(
        name="add-store",
        label=_("Add a store"),
        hint=_("A store has the number that tills and entries name. It belongs to a node of the tree."),
        function="organisation",
        action=Action.ADD,
        form=Store,
        plan=_add_store,
        is_central=True,
    ),
    Kind(
        name="change-store",
        label=_("Change a store"),
        hint=_("It holds from the next request of any till."),
        function="organisation",
        form=Store,
        plan=_change_store,
        is_central=True,
    ),
]
