"""Carrying corporate orders out once they are paid: issuing the cards, letting them pay, recharging a list."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.documents.kind import Kind, Planning
from admin.errors import RefusedError
from admin.forms import Choices, entry
from admin.models.documents import Document, DocumentState, DocumentStep, StepState
from admin.models.mirror import card_types, cards
from admin.models.money import Order, OrderState
from admin.rights import Action
from switch.protocol.card_terms import CardOperation, CardStatus, CardTypeFlag
from switch.protocol.messages import MessageType, RechargeChannel

from .kinds import add_recharges
from .order_rules import order_choices, order_seen

ISSUED_FROM = (CardStatus.MADE, CardStatus.DRAWN)
_ = str
_PAID: Choices = order_choices(OrderState.PAID)
_ALLOTTED: Choices = order_choices(OrderState.ALLOTTED)


class IssueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Cards for a paid order."""

    order: Annotated[int, entry(_("Order"), "choice", choices=_PAID)]
    cards: Annotated[
        str, entry(_("Cards"), "cards", hint=_("Made cards of the types that the order names: numbers and ranges."))
    ]


class OrderAlone(msgspec.Struct, frozen=True, kw_only=True):
    """A paid order whose list is to be recharged."""

    order: Annotated[int, entry(_("Order"), "choice", choices=_PAID)]


class ActivateOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order whose cards are to be used."""

    order: Annotated[int, entry(_("Order"), "choice", choices=_ALLOTTED)]


def _order(planning: Planning, order_id: int, state: OrderState) -> Order:
    order = order_seen(planning.session, planning.visitor, order_id)
    if order is None:
        raise RefusedError("There is no such order.")
    if order.state != state:
        raise RefusedError("The order must be paid first, and not be carried out yet.")
    return order


def _plan_issue(planning: Planning, form: IssueOrder) -> None:
    order = _order(planning, form.order, OrderState.PAID)
    wanted: dict[int, list[int]] = {}
    for line in order.lines:
        wanted.setdefault(line.card_type, []).extend([line.value_minor] * line.quantity)
    if not wanted:
        raise RefusedError("This order is one of recharges.")
    for card in planning.cards(form.cards):
        values = wanted.get(card.card_type)
        if CardStatus(card.status) not in ISSUED_FROM:
            planning.skip(planning.visitor.card_number(card.card_number), _("Its state does not allow this."))
        elif not values:
            planning.skip(planning.visitor.card_number(card.card_number), _("The order has no place for this card."))
        else:
            planning.add(
                MessageType.OPERATE_CARD,
                card_number=card.card_number,
                amount_minor=values.pop(0),
                subject=f"{order.id} {order.buyer}"[:100],
                operation=CardOperation.ISSUE,
            )
    missing = sum(len(values) for values in wanted.values())
    if missing:
        raise RefusedError("The order needs {count} cards more.", count=missing)


def _claim(session: Session, document: Document, form: IssueOrder | OrderAlone) -> None:
    """An order is carried out by one document; by another only when nothing of the first was done."""
    order = session.get_one(Order, form.order, with_for_update=True)
    if order.issue_document_id is not None:
        first = session.get_one(Document, order.issue_document_id)
        if first.state != DocumentState.PARTLY or first.done_count:
            raise RefusedError("Document {number} carries this order out already.", number=first.id)
    order.issue_document_id = document.id


def _issued(session: Session, document: Document, form: IssueOrder) -> None:
    order = session.get_one(Order, form.order)
    if document.state != DocumentState.DONE or order.state != OrderState.PAID:
        return
    codes = {line.card_type for line in order.lines}
    flags = session.scalars(select(card_types.c.flags).where(card_types.c.code.in_(codes)))
    needs_activation = any(flag & CardTypeFlag.ACTIVATION_REQUIRED for flag in flags)
    order.state = OrderState.ALLOTTED if needs_activation else OrderState.ACTIVATED


def _plan_activate(planning: Planning, form: ActivateOrder) -> None:
    order = _order(planning, form.order, OrderState.ALLOTTED)
    query = (
        select(cards.c.card_number, cards.c.status)
        .join(DocumentStep, DocumentStep.card_number == cards.c.card_number)
        .where(DocumentStep.document_id == order.issue_document_id, DocumentStep.state == StepState.DONE)
        .order_by(DocumentStep.number)
    )
    for card in planning.session.execute(query):
        if card.status == CardStatus.ISSUED:
            planning.add(MessageType.OPERATE_CARD, card_number=card.card_number, operation=CardOperation.ACTIVATE)
        else:
            planning.skip(planning.visitor.card_number(card.card_number), _("Its state does not allow this."))


def _activated(session: Session, document: Document, form: ActivateOrder) -> None:
    order = session.get_one(Order, form.order)
    if document.state == DocumentState.DONE and order.state == OrderState.ALLOTTED:
        order.state = OrderState.ACTIVATED


def _plan_recharge(planning: Planning, form: OrderAlone) -> None:
    order = _order(planning, form.order, OrderState.PAID)
    if not order.recharge_rows:
        raise RefusedError("This order is one of new cards.")
    add_recharges(planning, order.recharge_rows, int(RechargeChannel.BATCH_FILE))
    if planning.skipped_count or planning.amount_minor != order.value_minor:
        raise RefusedError("Not every line of the order can be recharged. Look at its cards.")


def _recharged(session: Session, document: Document, form: OrderAlone) -> None:
    order = session.get_one(Order, form.order)
    if document.state == DocumentState.DONE and order.state == OrderState.PAID:
        order.state = OrderState.ACTIVATED


KINDS: list[Kind[Any]] = [
    Kind(
        name="issue-order",
        label=_("Issue the cards of an order"),
        hint=_("Of an order that is paid. They carry their value, and cannot pay before they are activated."),
        function="orders",
        action=Action.ADD,
        form=IssueOrder,
        plan=_plan_issue,
        begun=_claim,
        settled=_issued,
    ),
    Kind(
        name="activate-order",
        label=_("Activate the cards of an order"),
        hint=_("When the buyer has them."),
        function="orders",
        action=Action.ADD,
        form=ActivateOrder,
        plan=_plan_activate,
        settled=_activated,
    ),
    Kind(
        name="recharge-order",
        label=_("Recharge the list of an order"),
        hint=_("Of an order that is paid; each line once."),
        function="orders",
        action=Action.ADD,
        form=OrderAlone,
        plan=_plan_recharge,
        begun=_claim,
        settled=_recharged,
    ),
]
