"""Which documents can be made about a card in its state, and about a number that no card has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Row

from admin.access import Visitor
from admin.forms import Kind as FieldKind
from admin.forms import declared
from switch.protocol.card_terms import CardOperation, CardStatus
from switch.protocol.lifecycle import ENDED, TRANSITIONS
from switch.protocol.messages import CardFlag

from .kind import Kind
from .registry import KINDS

_ = str
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        _("From number to holder"),
        ("reserve-numbers", "unreserve-numbers", "make-cards", "draw-cards", "issue-cards", "make-and-issue"),
    ),
    (
        _("Stop and go on"),
        (
            "activate-cards",
            "report-loss",
            "restore-cards",
            "freeze-cards",
            "unfreeze-cards",
            "blacklist-cards",
            "unblacklist-cards",
            "renew-cards",
            "mark-bad-cards",
            "expire-cards",
        ),
    ),
    (
        _("Replace and end"),
        ("replace-card", "return-cards", "void-cards", "clear-cards", "correct-number", "charge-fee"),
    ),
    (
        _("Money and points"),
        ("recharge-card", "transfer-value", "load-visits", "adjust-points", "transfer-points", "redeem-gift"),
    ),
    (
        _("Settings"),
        ("reset-pin", "set-card-limits", "set-card-level", "set-card-member", "set-card-segments"),
    ),
)
"""The card desk's kinds of documents, as its console shows them."""
OPERATIONS: Mapping[str, CardOperation] = {
    "reserve-numbers": CardOperation.RESERVE,
    "unreserve-numbers": CardOperation.UNRESERVE,
    "make-cards": CardOperation.MAKE,
    "draw-cards": CardOperation.DRAW,
    "issue-cards": CardOperation.ISSUE,
    "make-and-issue": CardOperation.MAKE_AND_ISSUE,
    "activate-cards": CardOperation.ACTIVATE,
    "report-loss": CardOperation.REPORT_LOSS,
    "restore-cards": CardOperation.RESTORE,
    "freeze-cards": CardOperation.FREEZE,
    "unfreeze-cards": CardOperation.UNFREEZE,
    "blacklist-cards": CardOperation.BLACKLIST,
    "unblacklist-cards": CardOperation.UNBLACKLIST,
    "renew-cards": CardOperation.RENEW,
    "mark-bad-cards": CardOperation.MARK_BAD,
    "expire-cards": CardOperation.EXPIRE,
    "replace-card": CardOperation.REPLACE,
    "return-cards": CardOperation.RETURN,
    "void-cards": CardOperation.VOID,
    "clear-cards": CardOperation.CLEAR,
    "correct-number": CardOperation.CORRECT,
    "charge-fee": CardOperation.CHARGE_FEE,
}
"""The operation that a kind does; the other kinds set something on a card."""


def groups_for(visitor: Visitor) -> list[tuple[str, list[Kind[Any]]]]:
    """All kinds of the card desk that a visitor may make."""
    found = [
        (label, [KINDS[name] for name in names if visitor.may(KINDS[name].function, KINDS[name].action)])
        for label, names in GROUPS
    ]
    return [(label, kinds) for label, kinds in found if kinds]


def is_possible(name: str, card: Row[Any] | None) -> bool:
    """Whether a card's state allows a kind of document; `None`: a number that no card has."""
    operation = OPERATIONS.get(name)
    if operation is None:
        return card is not None and bool(card.account_number) and card.status not in ENDED
    if card is None:
        return None in TRANSITIONS[operation].froms
    if CardStatus(card.status) not in TRANSITIONS[operation].froms:
        return False
    if operation is CardOperation.EXPIRE:
        return bool(card.expiry_date)
    is_listed = bool(card.flags & CardFlag.BLACKLISTED)
    if operation is CardOperation.BLACKLIST:
        return not is_listed
    return is_listed or operation is not CardOperation.UNBLACKLIST


def actions_for(
    visitor: Visitor, card: Row[Any] | None, reference: str
) -> list[tuple[str, list[tuple[Kind[Any], str]]]]:
    """What can be done to a card, by group: (kind, address of its form with the card filled in)."""
    groups = [
        (
            label,
            [
                (kind, f"/documents/new/{kind.name}?{field}={reference}")
                for kind in kinds
                if is_possible(kind.name, card) and (field := card_field(kind)) is not None
            ],
        )
        for label, kinds in groups_for(visitor)
    ]
    return [(label, actions) for label, actions in groups if actions]


FOR_MEMBERS = ("report-loss", "restore-cards", "replace-card")
"""What a member's page offers for each of his cards; the rest is on the card's own page."""
SUPPLEMENTARY = "make-and-issue"


def member_actions_for(visitor: Visitor, card: Row[Any], reference: str, member: int) -> list[tuple[str, str]]:
    """(label, address of a form) of what a member asks for at the desk: loss, replacement, a card beside this one."""
    found = [
        (kind.label, address)
        for _group, actions in actions_for(visitor, card, reference)
        for kind, address in actions
        if kind.name in FOR_MEMBERS
    ]
    kind = KINDS[SUPPLEMENTARY]
    if card.status == CardStatus.ACTIVE and visitor.may(kind.function, kind.action):
        address = f"/documents/new/{kind.name}?main_card={reference}&member={member}"
        found.append((_("Add a supplementary card"), address))
    return found


def card_field(kind: Kind[Any]) -> str | None:
    """The field of a kind's form that takes a card."""
    return next(_card_fields(kind), None)


def _card_fields(kind: Kind[Any]) -> Iterator[str]:
    form: type[msgspec.Struct] = kind.form
    for one in declared(form):
        if one.entry.kind in (FieldKind.CARD, FieldKind.CARDS):
            yield one.name
