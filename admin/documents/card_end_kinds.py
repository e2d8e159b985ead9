"""What ends a card or moves it to another one: replace, return, void, clear, correct the number; and single fees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, exists, func, select

from admin.access import mask_number
from admin.cards.terms import Terms
from admin.errors import RefusedError
from admin.forms import entry
from admin.i18n import translate
from admin.models.mirror import cards
from admin.parameters import MINOR_UNITS, PAYOUT_ALONE_AMOUNT
from switch.protocol.card_terms import (
    CardOperation,
    CardStatus,
    CardTypeFlag,
    FeeKind,
    FeeTender,
    Medium,
    OperationFlag,
    Relation,
    TypeState,
)
from switch.protocol.lifecycle import LIVE, TRANSITIONS
from switch.protocol.messages import MessageType

from .bounds import AloneBound, Measure
from .card_planning import (
    FEES,
    FEES_LABEL,
    NOT_SO,
    TENDERS,
    Cards,
    Operation,
    balances_of,
    skip_card,
    why_not_tender,
)
from .kind import Kind, Planning, always

_ = str
PAID_OUT = _("Paid out")
WRITTEN_OFF = _("Written off")
CHIPS = (Medium.CONTACT_CHIP, Medium.CONTACTLESS_CHIP)
"""Media of which a store cannot tell what they did last, once they are unreadable."""


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """A card, and the one that goes on with its account."""

    card: Annotated[int, entry(_("Old card"), "card")]
    new_card: Annotated[int, entry(_("New card"), "card", hint=_("A made card, or one of the store's stock."))]
    tender: Annotated[int, entry(_("Fee"), "choice", choices=TENDERS)] = FeeTender.CASH
    reason: Annotated[int, entry(_("Reason number"), "integer", ge=0, le=255, hint=_("Numbered by the group."))] = 0


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A card whose number is wrong, and the right number."""

    card: Annotated[int, entry(_("Card"), "card")]
    right_number: Annotated[int, entry(_("Right number"), "card", hint=_("A number that no card has."))]
    reason: Annotated[int, entry(_("Reason number"), "integer", ge=0, le=255, hint=_("Numbered by the group."))] = 0


class VoidCards(Cards, frozen=True, kw_only=True):
    """Cards that end without value."""

    write_off: Annotated[bool, entry(_("Write off the value that is left"), "check")] = False


class Fee(msgspec.Struct, frozen=True, kw_only=True):
    """A fee that cards are charged by itself."""

    cards: Annotated[str, entry(_("Cards"), "cards", hint=_("One number per line, or a range: first - last."))]
    fee: Annotated[int, entry(_("Which fee"), "choice", choices=FEES)]
    tender: Annotated[int, entry(_("Fee"), "choice", choices=TENDERS)] = FeeTender.CASH

    @property
    def reason(self) -> int:
        """The switch reads which fee it is in this place."""
        return self.fee

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if self.fee == FeeKind.ISSUE:
            yield "fee", translate("The fee of an issue is charged when the card is issued.")


def _plan_replacement(planning: Planning, form: Replacement) -> None:
    old, new = planning.card(form.card), planning.card(form.new_card)
    terms = Terms(planning.session, planning.today)
    is_swap = old.status == CardStatus.ACTIVE
    kind = FeeKind.SWAP if is_swap else FeeKind.REPLACE
    if CardStatus(old.status) not in TRANSITIONS[CardOperation.REPLACE].froms:
        skip_card(planning, old, NOT_SO)
    elif old.status == CardStatus.LOST and terms.has_flag(old.card_type, CardTypeFlag.NO_RESTORE):
        skip_card(planning, old, _("Cards of its type are not replaced after a loss: nobody can prove whose it is."))
    elif old.status == CardStatus.BAD and _is_chip(terms, old.card_type) and planning.is_at_store:
        skip_card(planning, old, _("An unreadable chip card is swapped by headquarters: send it there."))
    elif new.status not in (CardStatus.MADE, CardStatus.DRAWN):
        skip_card(planning, new, _("The new card must be made and not issued."))
    elif terms.state(new.card_type) in (TypeState.DRAFT, TypeState.SUBMITTED):
        skip_card(planning, new, _("The type of the new card is not approved."))
    elif (why := why_not_tender(terms, old.card_type, kind, form.tender)) is not None:
        skip_card(planning, old, why)
    else:
        if form.tender != FeeTender.WAIVED and (fee_minor := terms.fee_minor(old.card_type, kind)):
            planning.sums_minor[FEES_LABEL] += fee_minor
        planning.add(
            MessageType.OPERATE_CARD,
            card_number=old.card_number,
            subject=f"→ {mask_number(str(new.card_number))}",
            operation=CardOperation.REPLACE,
            related_number=new.card_number,
            fee_tender=form.tender,
            reason=form.reason,
        )


def _is_chip(terms: Terms, card_type: int) -> bool:
    version = terms.in_force(card_type)
    return version is not None and version.medium in CHIPS


def _plan_correction(planning: Planning, form: Correction) -> None:
    card = planning.card(form.card)
    if planning.session.scalar(select(exists().where(cards.c.card_number == form.right_number))):
        raise RefusedError("There is a card with the right number already.")
    if CardStatus(card.status) not in TRANSITIONS[CardOperation.CORRECT].froms:
        skip_card(planning, card, NOT_SO)
        return
    planning.add(
        MessageType.OPERATE_CARD,
        card_number=card.card_number,
        subject=f"→ {mask_number(str(form.right_number))}",
        operation=CardOperation.CORRECT,
        related_number=form.right_number,
        reason=form.reason,
    )


# ------------------------------------------------------------------------- return, void, clear


def _why_not_return(planning: Planning, _form: Cards, card: Row[Any], _terms: Terms) -> str | None:
    if CardStatus(card.status) not in TRANSITIONS[CardOperation.RETURN].froms:
        return NOT_SO
    account = balances_of(planning, card)
    if account is None or card.relation == Relation.SUPPLEMENTARY:
        return None
    if account.held_minor:
        return _("Some of its value is held for a payment.")
    if _other_live_cards(planning, card):
        return _("Its account has other live cards: return those first.")
    return None


def _plan_return(planning: Planning, form: Cards) -> None:
    kept: dict[int, int] = {}

    def paid_out(_form: Any, card: Row[Any], _fee: int) -> int:
        account = balances_of(planning, card)
        if account is None or card.relation == Relation.SUPPLEMENTARY:
            return 0
        fee_minor = min(account.balance_minor, terms.fee_minor(card.card_type, FeeKind.RETURN))
        kept[card.card_number] = fee_minor
        return int(account.balance_minor - fee_minor)

    terms = Terms(planning.session, planning.today)
    operation = Operation(
        CardOperation.RETURN, why_not=_why_not_return, fee=lambda _form, _card: None, amount_minor=paid_out
    )
    operation(planning, form)
    if kept:
        planning.sums_minor[PAID_OUT] += planning.amount_minor
    if fees_minor := sum(kept.values()):
        planning.sums_minor[FEES_LABEL] += fees_minor


def _payout_bounds(planning: Planning, _form: Cards) -> list[AloneBound]:
    most_minor = planning.parameter(PAYOUT_ALONE_AMOUNT) * MINOR_UNITS
    return [AloneBound(_("Cash paid out by one document"), Measure.MONEY, planning.amount_minor, most_minor)]


def _value_left(planning: Planning, card: Row[Any]) -> int:
    """Value that would be lost with a card: that of its account, when it is the account's last live card."""
    account = balances_of(planning, card)
    if account is None or _other_live_cards(planning, card):
        return 0
    return int(account.balance_minor)


def _other_live_cards(planning: Planning, card: Row[Any]) -> int:
    mine = (cards.c.account_number == card.account_number) & (cards.c.card_number != card.card_number)
    query = select(func.count()).select_from(cards).where(mine, cards.c.status.in_(LIVE))
    return planning.session.scalar(query) or 0


def _why_not_void(planning: Planning, form: VoidCards, card: Row[Any], _terms: Terms) -> str | None:
    if CardStatus(card.status) not in TRANSITIONS[CardOperation.VOID].froms:
        return NOT_SO
    value_minor = _value_left(planning, card)
    if value_minor and not form.write_off:
        return _("There is value on it: return it, or write the value off.")
    if value_minor:
        planning.sums_minor[WRITTEN_OFF] += value_minor
    return None


def _why_not_clear(planning: Planning, _form: Cards, card: Row[Any], _terms: Terms) -> str | None:
    return _("There is value on it: it cannot be cleared.") if _value_left(planning, card) else None


KINDS: list[Kind[Any]] = [
    Kind(
        name="replace-card",
        label=_("Replace a card"),
        hint=_("Value, points, member, level and used limits go over to the new card. The old one ends."),
        function="cards",
        form=Replacement,
        plan=_plan_replacement,
    ),
    Kind(
        name="return-cards",
        label=_("Return cards"),
        hint=_("The value less the fee is paid out, the points are gone, the card ends."),
        function="cards",
        form=Cards,
        plan=_plan_return,
        bounds=_payout_bounds,
    ),
    Kind(
        name="void-cards",
        label=_("Void cards"),
        hint=_("The card ends without value and never comes back. A second person must agree."),
        function="cards",
        asks_why=True,
        form=VoidCards,
        plan=Operation(
            CardOperation.VOID,
            why_not=_why_not_void,
            fields=lambda _planning, form: {"flags": OperationFlag.WRITE_OFF if form.write_off else 0},
        ),
        needs_checker=always,
    ),
    Kind(
        name="clear-cards",
        label=_("Clear cards"),
        hint=_("The medium goes back to blank stock. Its number is not used again."),
        function="cards",
        asks_why=True,
        form=Cards,
        plan=Operation(CardOperation.CLEAR, why_not=_why_not_clear),
    ),
    Kind(
        name="correct-number",
        label=_("Correct a card's number"),
        hint=_("The right number goes on with everything of the card. A second person must agree."),
        function="cards",
        asks_why=True,
        form=Correction,
        plan=_plan_correction,
        needs_checker=always,
    ),
    Kind(
        name="charge-fee",
        label=_("Charge a fee"),
        hint=_("An annual fee, say. A card whose fee cannot be taken is marked as owing it and goes on working."),
        function="cards",
        form=Fee,
        plan=Operation(
            CardOperation.CHARGE_FEE,
            fee=lambda form, _card: FeeKind(form.fee),
        ),
    ),
]
