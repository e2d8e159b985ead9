"""Stopping cards and letting them go on: freeze, blacklist, report loss, restore, mark unreadable, activate, renew."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from admin.cards.terms import Terms
from switch.protocol.card_terms import CardOperation, CardTypeFlag

from .card_planning import Cards, CardsWithFee, Operation, undone_by
from .kind import Kind, Planning, always

_ = str


def _not_restorable(_planning: Planning, _form: Any, card: Row[Any], terms: Terms) -> str | None:
    if terms.has_flag(card.card_type, CardTypeFlag.NO_RESTORE):
        return _("Cards of its type are not restored after a loss: nobody can prove whose it is.")
    return None


def _not_past(planning: Planning, _form: Any, card: Row[Any], _terms: Terms) -> str | None:
    return None if 0 < card.expiry_date < planning.today else _("Its last date of use has not passed.")


KINDS: list[Kind[Any]] = [
    Kind(
        name="activate-cards",
        label=_("Activate cards"),
        hint=_("An issued card may be used from now on. Its validity begins today."),
        function="cards",
        form=Cards,
        plan=Operation(CardOperation.ACTIVATE),
    ),
    Kind(
        name="report-loss",
        label=_("Report loss"),
        hint=_("A lost card is refused everywhere from this moment on, also when its fee cannot be taken."),
        function="cards",
        form=CardsWithFee,
        plan=Operation(CardOperation.REPORT_LOSS),
        undo=undone_by("restore-cards", CardsWithFee),
    ),
    Kind(
        name="restore-cards",
        label=_("Restore lost cards"),
        hint=_("A lost card goes back to the state that it had before. Look at a proof of identity first."),
        function="cards",
        form=CardsWithFee,
        plan=Operation(CardOperation.RESTORE, why_not=_not_restorable),
        undo=undone_by("report-loss", CardsWithFee),
    ),
    Kind(
        name="freeze-cards",
        label=_("Freeze cards"),
        hint=_("A frozen card pays nothing until it is unfrozen. It holds from the next request of any till."),
        function="cards",
        form=Cards,
        plan=Operation(CardOperation.FREEZE),
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
        plan=Operation(CardOperation.UNFREEZE, by_checker=True),
        needs_checker=always,
        undo=undone_by("freeze-cards"),
    ),
    Kind(
        name="blacklist-cards",
        label=_("Blacklist cards"),
        hint=_("A blacklisted card is refused everywhere, whatever its state."),
        function="blacklist",
        form=Cards,
        plan=Operation(CardOperation.BLACKLIST, one_by_one=True),
        undo=undone_by("unblacklist-cards"),
    ),
    Kind(
        name="unblacklist-cards",
        label=_("Take cards off the blacklist"),
        hint=_("Its state alone decides again what the card may do."),
        function="blacklist",
        form=Cards,
        plan=Operation(CardOperation.UNBLACKLIST, one_by_one=True),
        needs_checker=always,
        undo=undone_by("blacklist-cards"),
    ),
    Kind(
        name="renew-cards",
        label=_("Renew cards"),
        hint=_("The last date of use moves on by the validity of the type, from today or from the old date."),
        function="cards",
        form=CardsWithFee,
        plan=Operation(CardOperation.RENEW),
    ),
    Kind(
        name="mark-bad-cards",
        label=_("Mark cards as unreadable"),
        hint=_("An unreadable card pays nothing. It waits for its replacement."),
        function="cards",
        form=Cards,
        plan=Operation(CardOperation.MARK_BAD),
        asks_why=True,
    ),
    Kind(
        name="expire-cards",
        label=_("Mark cards as expired"),
        hint=_("Cards whose last date of use has passed. They are refused without it, too; lists then show it."),
        function="cards",
        form=Cards,
        plan=Operation(CardOperation.EXPIRE, why_not=_not_past),
    ),
]
