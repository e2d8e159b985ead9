"""Who may do what: one table of functions and actions, and the roles that hold them.

A right is `function.action`.  Every handler names the right that it needs
(`access.needs`), the menu shows what a visitor may see, and a test walks the
whole table: role by role, right by right.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Action(enum.Enum):
    """What may be done with the things of a function."""

    VIEW = "view"
    ADD = "add"
    CHANGE = "change"
    DELETE = "delete"
    APPROVE = "approve"
    PRINT = "print"
    EXPORT = "export"
    SEE_UNMASKED = "see-unmasked"


_ = str
"""Marks English text for translation where it is declared; pages translate it when they show it."""

V, A, C, D = Action.VIEW, Action.ADD, Action.CHANGE, Action.DELETE
OK, P, X, S = Action.APPROVE, Action.PRINT, Action.EXPORT, Action.SEE_UNMASKED


@dataclass(frozen=True, slots=True)
class Function:
    """A part of the service that has rights of its own."""

    name: str
    label: str
    actions: tuple[Action, ...]
    steps_up: tuple[Action, ...] = ()
    """Actions that need a fresh dynamic password."""


FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function("dashboard", _("Dashboard"), (V,)),
        Function("cards", _("Cards"), (V, A, C, OK, P, X, S), (OK,)),
        Function("balances", _("Balances and points of holders"), (V,)),
        Function("card-types", _("Card types"), (V, A, C, OK), (OK,)),
        Function("documents", _("Documents"), (V,)),
        Function("entries", _("Entries"), (V, P, X)),
        Function("members", _("Members"), (V, A, C, D, P, X, S)),
        Function("member-settings", _("Member settings"), (V, C)),
        Function("messages", _("Short messages"), (V, A, C)),
        Function("journeys", _("Journeys"), (V, C)),
        Function("message-settings", _("Short message settings"), (V, C), (C,)),
        Function("care", _("Customer care"), (V, A, C, P)),
        Function("care-settings", _("Settings of customer care"), (V, C)),
        Function("opinions", _("Suggestions and complaints"), (V, A, C, D, P)),
        Function("activities", _("Activities"), (V, A, C)),
        Function("calls", _("Calls"), (V, A, C)),
        Function("money", _("Money"), (V, A, OK, P, X), (A, OK)),
        Function("cashier", _("Consumption and cashier"), (V, A, C, P)),
        Function("points", _("Points"), (V, A, C, OK, P, X), (A, C, OK)),
        Function("gifts", _("Gifts"), (V, A, C, P, X)),
        Function("rules", _("Rules and prices"), (V, C, OK, P, X), (OK,)),
        Function("orders", _("Orders"), (V, A, C, OK, P, X), (C, OK)),
        Function("campaigns", _("Campaigns"), (V, C, P, X)),
        Function("products", _("Products"), (V, A, C, D, P)),
        Function("basic-data", _("Basic data"), (V,)),
        Function("data-exchange", _("Data import and export"), (V, A, C, X)),
        Function("organisation", _("Organisation"), (V, A, C, D)),
        Function("terminals", _("Terminals"), (V, A, C, OK), (A, OK)),
        Function("business-day", _("Business day"), (V, C), (C,)),
        Function("alarms", _("Alarms"), (V, C, OK), (OK,)),
        Function("abnormal", _("Abnormal transactions"), (V, A, C)),
        Function("blacklist", _("The blacklist"), (V, C, OK), (OK,)),
        Function("media", _("Media"), (V, C, OK), (OK,)),
        Function("keys", _("Keys"), (V, A, C, OK), (A, C, OK)),
        Function("key-custody", _("Key custody"), (V, C), (C,)),
        Function("reports", _("Reports"), (V, A, OK, P, X)),
        Function("pay", _("Wages"), (V, C), (C,)),
        Function("employees", _("Employees"), (V, A, C, S)),
        Function("users", _("Users"), (V, A, C, P), (A, C)),
        Function("roles", _("Roles"), (V, A, C, D), (A, C, D)),
        Function("parameters", _("Parameters"), (V, C), (C,)),
        Function("tokens", _("Tokens of programs"), (V, A, D), (A,)),
        Function("webhooks", _("Webhooks"), (V, A, C, D), (A, C)),
        Function("audit", _("Audit log"), (V, X)),
    )
}


def right(function: str, action: Action) -> str:
    """Name of a right; `ValueError` for one that is not in the table."""
    if action not in FUNCTIONS[function].actions:
        raise ValueError(f"{function}: expected one of its actions, got {action.value}; add it to rights.FUNCTIONS")
    return f"{function}.{action.value}"


def split_right(name: str) -> tuple[str, Action]:
    """Function and action of a right."""
    function, _dot, action = name.rpartition(".")
    return function, Action(action)


ALL_RIGHTS = frozenset(right(function.name, action) for function in FUNCTIONS.values() for action in function.actions)
STEP_UP_RIGHTS = frozenset(
    right(function.name, action) for function in FUNCTIONS.values() for action in function.steps_up
)


@dataclass(frozen=True, slots=True)
class Role:
    """A set of rights with a name."""

    name: str
    label: str
    rights: frozenset[str]


def _role(name: str, label: str, rights: dict[str, Iterable[Action]]) -> Role:
    return Role(
        name, label, frozenset(right(function, action) for function, actions in rights.items() for action in actions)
    )


ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role("administrator", _("Administrator"), ALL_RIGHTS),
        _role(
            "hq-supervisor",
            _("Headquarters supervisor"),
            {
                "dashboard": (V,),
                "basic-data": (V,),
                "data-exchange": (V, A, C, X),
                "employees": (V, A, C, S),
                "cashier": (V, A, C, P),
                "balances": (V,),
                "documents": (V,),
                "cards": (V, A, C, OK, P, X, S),
                "card-types": (V, A, C, OK),
                "entries": (V, P, X),
                "members": (V, A, C, D, P, X, S),
                "member-settings": (V, C),
                "messages": (V, A, C),
                "message-settings": (V, C),
                "journeys": (V, C),
                "care": (V, A, C, P),
                "care-settings": (V, C),
                "opinions": (V, A, C, D, P),
                "activities": (V, A, C),
                "calls": (V, A, C),
                "money": (V, A, OK, P, X),
                "points": (V, A, C, OK, P, X),
                "gifts": (V, A, C, P, X),
                "rules": (V, C, OK, P, X),
                "orders": (V, A, OK, P, X),
                "campaigns": (V, C, P, X),
                "products": (V, A, C, D, P),
                "organisation": (V, A, C, D),
                "terminals": (V, A, C, OK),
                "business-day": (V, C),
                "alarms": (V, C, OK),
                "abnormal": (V, A, C),
                "blacklist": (V, C, OK),
                "media": (V,),
                "reports": (V, A, OK, P, X),
                "pay": (V,),
                "users": (V,),
                "roles": (V,),
                "tokens": (V, A, D),
                "webhooks": (V,),
            },
        ),
        _role(
            "card-desk",
            _("Card desk"),
            {
                "dashboard": (V,),
                "basic-data": (V,),
                "data-exchange": (V, A),
                "cashier": (V, A, C, P),
                "balances": (V,),
                "documents": (V,),
                "cards": (V, A, C, P),
                "card-types": (V,),
                "entries": (V, P),
                "members": (V, A, C, P),
                "messages": (V, A),
                "blacklist": (V,),
                "money": (V, A, P),
                "points": (V, A, P),
                "gifts": (V, A, P),
                "orders": (V, A, P),
            },
        ),
        _role(
            "store-manager",
            _("Store manager"),
            {
                "dashboard": (V,),
                "basic-data": (V,),
                "cashier": (V, A, C, P),
                "balances": (V,),
                "documents": (V,),
                "cards": (V, C, P),
                "entries": (V, P),
                "members": (V, C, P),
                "messages": (V, A, C),
                "care": (V, A, C, P),
                "opinions": (V, A, C, P),
                "activities": (V, A, C),
                "calls": (V, A),
                "money": (V, A, OK, P),
                "points": (V, A, OK, P),
                "gifts": (V, A, P),
                "orders": (V, A, P),
                "campaigns": (V,),
                "products": (V, P),
                "terminals": (V,),
                "business-day": (V,),
                "alarms": (V, C),
                "abnormal": (V,),
                "blacklist": (V,),
                "reports": (V, A, P),
            },
        ),
        _role(
            "cashier",
            _("Cashier"),
            {
                "dashboard": (V,),
                "balances": (V,),
                "documents": (V,),
                "cashier": (V, A, C, P),
                "cards": (V,),
                "products": (V,),
            },
        ),
        _role(
            "marketing",
            _("Marketing"),
            {
                "balances": (V,),
                "dashboard": (V,),
                "members": (V, C, P, X),
                "member-settings": (V, C),
                "messages": (V, A, C),
                "message-settings": (V,),
                "journeys": (V, C),
                "products": (V, A, C, P),
                "reports": (V, P, X),
            },
        ),
        _role(
            "service-agent",
            _("Service agent"),
            {
                "dashboard": (V,),
                "cards": (V,),
                "entries": (V,),
                "members": (V, A, C, P),
                "messages": (V, A, C),
                "care": (V, A, C, P),
                "opinions": (V, A, C, P),
                "activities": (V, A, C),
                "calls": (V, A),
                "data-exchange": (V, A),
            },
        ),
        _role(
            "finance",
            _("Finance"),
            {
                "dashboard": (V,),
                "basic-data": (V,),
                "data-exchange": (V, C, X),
                "balances": (V,),
                "documents": (V,),
                "cards": (V,),
                "entries": (V, P, X),
                "money": (V, A, OK, P, X),
                "points": (V, A, P, X),
                "business-day": (V,),
                "reports": (V, A, P, X),
                "pay": (V, C),
                "gifts": (V, P, X),
                "rules": (V, P, X),
                "orders": (V, C, P, X),
                "campaigns": (V, P, X),
                "products": (V, P),
            },
        ),
        _role(
            "security",
            _("Security officer"),
            {
                "dashboard": (V,),
                "balances": (V,),
                "documents": (V,),
                "cards": (V, S),
                "entries": (V,),
                "terminals": (V, A, C, OK),
                "business-day": (V,),
                "alarms": (V, C, OK),
                "abnormal": (V, A, C),
                "blacklist": (V, C, OK),
                "media": (V, C, OK),
                "keys": (V, A, C, OK),
                "key-custody": (V,),
                "audit": (V, X),
            },
        ),
        _role("custodian", _("Key custodian"), {"key-custody": (V, C)}),
        _role(
            "auditor",
            _("Auditor"),
            {
                "dashboard": (V,),
                "basic-data": (V,),
                "data-exchange": (V,),
                "balances": (V,),
                "documents": (V,),
                "cards": (V,),
                "entries": (V, X),
                "organisation": (V,),
                "terminals": (V,),
                "business-day": (V,),
                "alarms": (V,),
                "abnormal": (V,),
                "blacklist": (V,),
                "media": (V,),
                "reports": (V, X),
                "users": (V,),
                "roles": (V,),
                "parameters": (V,),
                "audit": (V, X),
            },
        ),
    )
}


def rights_of(roles: Iterable[str]) -> frozenset[str]:
    """All rights of some roles; a role that this version does not know gives none."""
    return frozenset().union(*(ROLES[name].rights for name in roles if name in ROLES))
