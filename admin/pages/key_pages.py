"""Keys of the issuer: versions on both sides, rotations step by step, what the key desk says. Never a key."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template

from admin.access import Visitor, needs
from admin.documents.desk import Desk
from admin.documents.house_kinds import HOUSE_KEYS
from admin.documents.key_kinds import ALWAYS_NEEDED, PURPOSES, STATES, next_version
from admin.documents.reading import names_of
from admin.documents.registry import KINDS
from admin.keys.facts import desk_state
from admin.keys.overview import is_waiting, key_groups, key_orders, steps_of, stored_key_count, terminal_keys
from admin.rights import Action
from switch.protocol.messages import KeyPurpose, KeyState

from . import document_pages
from .common import page
from .handlers import get

DESK_SILENT_MS = 90_000
"""Longer without a word, the key desk counts as not there; it tells every half minute."""
STATE_TONES: dict[int, str] = {KeyState.ACTIVE: "good", KeyState.NEW: "warn", KeyState.RETIRED: "bad"}


@get("/keys", guards=[needs("keys")])
def list_keys(request: Request[Visitor, Any, Any]) -> Template:
    """All keys, the orders about them, terminals' own keys."""
    return _page(request, "keys.html", None)


@get("/keys/{purpose:int}", guards=[needs("keys")])
def show_key(request: Request[Visitor, Any, Any], purpose: FromPath[int]) -> Template:
    """One key: its versions, what rests on each, and what comes next."""
    if purpose not in PURPOSES:
        raise NotFoundException(detail="There is no such key.")
    return _page(request, "key.html", purpose)


HANDLERS: list[Any] = [list_keys, show_key]


def _page(request: Request[Visitor, Any, Any], template: str, purpose: int | None) -> Template:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        state, facts = desk_state(session, service.settings.partition)
        groups = key_groups(session, facts, purpose)
        orders = key_orders(session, visitor)
        steps = steps_of(session, [order.id for order in orders])
        people = {row.operator_id for group in groups for row in group.rows}
        people |= {row.approver_id for group in groups for row in group.rows}
        names = names_of(session, [*people, *(o.maker_id for o in orders), *(o.checker_id for o in orders)])
        own_keys = terminal_keys(session)
        stored = stored_key_count(session)
        following = next_version(session, purpose) if purpose is not None else 0
    desk = Desk(service, request.app.state.references, visitor)
    heard_ms = state.heard_ms if state is not None else 0
    return page(
        request,
        template,
        groups=groups,
        group=groups[0],
        facts=facts,
        heard_ms=heard_ms,
        problem=state.problem if state is not None else "",
        is_desk_there=service.surroundings.now_ms() - heard_ms < DESK_SILENT_MS,
        orders=orders,
        steps=steps,
        kinds=KINDS,
        names=names,
        own_keys=own_keys,
        stored_count=stored,
        next_version=following,
        is_waiting=is_waiting(orders),
        may_check={order.id for order in orders if desk.may_check(order)},
        may_rotate=visitor.may("keys", Action.ADD),
        may_change=visitor.may("keys", Action.CHANGE),
        always_needed=ALWAYS_NEEDED,
        house_keys=HOUSE_KEYS,
        purposes=PURPOSES,
        key_states=STATES,
        key_tones=STATE_TONES,
        KeyState=KeyState,
        KeyPurpose=KeyPurpose,
        states=document_pages.STATES,
        tones=document_pages.TONES,
        step_states=document_pages.STEP_STATES,
        step_tones=document_pages.STEP_TONES,
    )
