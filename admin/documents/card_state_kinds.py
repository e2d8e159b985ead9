"""Stopping cards and letting them go on: freeze and unfreeze, blacklist and its end."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from admin.forms import entry
from admin.models.documents import Document
from switch.protocol.card_terms import CardOperation, CardStatus
from switch.protocol.lifecycle import TRANSITIONS
from switch.protocol.messages import CardFlag, MessageType

from .kind import Kind, Planning, always

_ = str
CARDS_HINT = _("One number per line, or a range: first - last. A list may be pasted from Excel.")


class Cards(msgspec.Struct, frozen=True, kw_only=True):
    """Cards that an operation is done to."""

    cards: Annotated[str, entry(_("Cards"), "cards", hint=CARDS_HINT)]
    reason: Annotated[int, entry(_("Reason number"), "integer", ge=0, le=255, hint=_("Numbered by the group."))] = 0


def plan_operation(operation: CardOperation, *, by_checker: bool = False) -> Any:
    """A plan that does one operation to each card that may have it done; the others are skipped, and it says why."""
    froms = TRANSITIONS[operation].froms

    def plan(planning: Planning, form: Cards) -> None:
        for card in planning.cards(form.cards):
            number = planning.visitor.card_number(card.card_number)
            is_listed = bool(card.flags & CardFlag.BLACKLISTED)
            if CardStatus(card.status) not in froms:
                planning.skip(number, _("Its state does not allow this."))
            elif is_listed == (operation is CardOperation.BLACKLIST) and operation in _LISTING:
                planning.skip(number, _("It is so already."))
            else:
                planning.add(
                    MessageType.OPERATE_CARD,
                    card_number=card.card_number,
                    by_checker=by_checker,
                    operation=operation,
                    reason=form.reason,
                )

    return plan


_LISTING = (CardOperation.BLACKLIST, CardOperation.UNBLACKLIST)


def undone_by(name: str) -> Any:
    """The same cards, the other way round."""

    def undo(_planning: Planning, _document: Document, form: Cards) -> tuple[str, Cards]:
        return name, form

    return undo


KINDS: list[Kind[Any]] = [
    Kind(
        name="freeze-cards",
        label=_("Freeze cards"),
        hint=_("A frozen card pays nothing until it is unfrozen. It holds from the next request of any till."),
        function="cards",
        form=Cards,
        plan=plan_operation(CardOperation.FREEZE),
        undo=undone_by("unfreeze-cards"),
    ),
    Kind(
        name="unfreeze-cards",
        label=_("Unfreeze cards"),
        hint=_(
            "A frozen card may pay again. A second person must agree, and it must be somebody else than who froze it."
        ),
        function="cards",
        form=Cards,
        plan=plan_operation(CardOperation.UNFREEZE, by_checker=True),
        needs_checker=always,
        undo=undone_by("freeze-cards"),
    ),
    Kind(
        name="blacklist-cards",
        label=_("Blacklist cards"),
        hint=_("A blacklisted card is refused everywhere, whatever its state."),
        function="cards",
        form=Cards,
        plan=plan_operation(CardOperation.BLACKLIST),
        undo=undone_by("unblacklist-cards"),
    ),
    Kind(
        name="unblacklist-cards",
        label=_("Take cards off the blacklist"),
        hint=_("Its state alone decides again what the card may do."),
        function="cards",
        form=Cards,
        plan=plan_operation(CardOperation.UNBLACKLIST),
        needs_checker=always,
        undo=undone_by("blacklist-cards"),
    ),
]
