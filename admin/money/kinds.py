"""Putting money on cards: one card, a list, from one card to another, and visits of a service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from sqlalchemy import Row, select

from admin.cards.terms import Terms
from admin.documents.card_planning import FEES_LABEL
from admin.documents.kind import Kind, Planning, subject
from admin.errors import RefusedError
from admin.forms import entry
from admin.i18n import translate
from admin.models.documents import Document
from admin.models.mirror import accounts
from admin.rights import Action
from switch.protocol.card_terms import CardOperation, FeeKind, FeeTender
from switch.protocol.messages import MessageType, RechargeChannel
from switch.protocol.terms import AMOUNT_MINOR_MAX

from .limits import money_bounds
from .mending_kinds import ReverseForm
from .rows import NOT_AN_AMOUNT, card_rows, scaled, usable_card

REFERENCE_BYTES = 16
PRINTABLE = r"^[ -~]*$"
VISITS_MAX = 1_000_000
_ = str
CHANNELS: dict[int | str, str] = {
    RechargeChannel.CASH_STORE: _("Cash in a store"),
    RechargeChannel.CASH_HQ: _("Cash at headquarters"),
    RechargeChannel.BANK_CARD: _("Bank card"),
    RechargeChannel.RETAILER_CARD: _("Another retailer's card"),
    RechargeChannel.TELECOM_CARD: _("Telecom card"),
    RechargeChannel.TERMINAL: _("Store terminal"),
    RechargeChannel.INTERNET: _("Internet"),
    RechargeChannel.BATCH_FILE: _("Company's list"),
}
"""Ways in which money for a recharge comes in; vouchers and opening balances have messages of their own."""


class Recharge(msgspec.Struct, frozen=True, kw_only=True):
    """Money on one card."""

    card: Annotated[int, entry(_("Card"), "card")]
    amount_minor: Annotated[int, entry(_("Amount credited"), "money", ge=1, le=AMOUNT_MINOR_MAX)]
    received_minor: (
        Annotated[
            int,
            entry(_("Amount received"), "money", hint=_("Empty: as much as is credited."), ge=0, le=AMOUNT_MINOR_MAX),
        ]
        | None
    ) = None
    channel: Annotated[int, entry(_("Paid by"), "choice", choices=CHANNELS)]
    reference: Annotated[
        str,
        entry(
            _("Reference of the payment"),
            max_length=REFERENCE_BYTES,
            pattern=PRINTABLE,
            hint=_("As the bank or the other card says, letters and digits: each is credited once per way of paying."),
        ),
    ] = ""


class RechargeList(msgspec.Struct, frozen=True, kw_only=True):
    """Money on many cards."""

    rows: Annotated[
        str,
        entry(
            _("Cards and amounts"),
            "card_rows",
            hint=_("One card per line: number, amount. A list may be pasted from Excel."),
        ),
    ]
    channel: Annotated[int, entry(_("Paid by"), "choice", choices=CHANNELS)] = int(RechargeChannel.BATCH_FILE)


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """Money from one card to another."""

    card: Annotated[int, entry(_("Card that gives"), "card")]
    to_card: Annotated[int, entry(_("Card that gets"), "card")]
    amount_minor: Annotated[int, entry(_("Amount"), "money", ge=1, le=AMOUNT_MINOR_MAX)]

    def problems(self) -> Iterator[tuple[str, str]]:
        """A card does not give to itself."""
        if self.card == self.to_card:
            yield "to_card", translate("This is the same card.")


class Visits(msgspec.Struct, frozen=True, kw_only=True):
    """Visits of a service on one card."""

    card: Annotated[int, entry(_("Card"), "card")]
    service: Annotated[int, entry(_("Service"), "integer", ge=1, le=255, hint=_("Numbered by the group."))]
    count: Annotated[int, entry(_("Visits"), "integer", ge=1, le=VISITS_MAX)]
    received_minor: Annotated[int, entry(_("Price paid"), "money", ge=0, le=AMOUNT_MINOR_MAX)] = 0
    expiry_date: Annotated[
        int, entry(_("Last day of use"), "date", ge=0, hint=_("Of all visits of this service. Empty: no end."))
    ] = 0


def reference_of(text: str) -> bytes:
    """A reference as the switch keeps it; zero: the sender fills in the document's own."""
    return text.encode("ascii").ljust(REFERENCE_BYTES, b"\0")


def _plan_recharge(planning: Planning, form: Recharge) -> None:
    card = usable_card(planning, form.card, is_presented=True)
    planning.add(
        MessageType.CREDIT,
        card_number=card.card_number,
        amount_minor=form.amount_minor,
        subject=CHANNELS[form.channel],
        channel=form.channel,
        received_minor=form.amount_minor if form.received_minor is None else form.received_minor,
        reference=reference_of(form.reference),
    )
    if form.channel == RechargeChannel.BANK_CARD:
        _add_service_fee(planning, card)


def _add_service_fee(planning: Planning, card: Row[Any]) -> None:
    """What the bank's settlement costs, as the card's type says: taken from the balance where that may be."""
    terms = Terms(planning.session, planning.today)
    fee_minor = terms.fee_minor(card.card_type, FeeKind.SERVICE)
    if not fee_minor:
        return
    is_from_balance = terms.is_from_balance(card.card_type, FeeKind.SERVICE)
    planning.sums_minor[FEES_LABEL] += fee_minor
    planning.add(
        MessageType.OPERATE_CARD,
        card_number=card.card_number,
        subject=subject(_("Service fee")),
        operation=CardOperation.CHARGE_FEE,
        fee_tender=FeeTender.BALANCE if is_from_balance else FeeTender.CASH,
        reason=FeeKind.SERVICE,
    )


def add_recharges(planning: Planning, text: str, channel: int) -> None:
    """One recharge for each line of a list; what cannot be read is skipped, and it says why."""
    for card, values in card_rows(planning, text):
        amount_minor = scaled(values[0]) if values else None
        if amount_minor is None or not 0 < amount_minor <= AMOUNT_MINOR_MAX:
            planning.skip(planning.visitor.card_number(card.card_number), NOT_AN_AMOUNT)
            continue
        planning.add(
            MessageType.CREDIT,
            card_number=card.card_number,
            amount_minor=amount_minor,
            subject=CHANNELS[channel],
            channel=channel,
            received_minor=amount_minor,
        )


def _plan_list(planning: Planning, form: RechargeList) -> None:
    add_recharges(planning, form.rows, form.channel)


def _plan_transfer(planning: Planning, form: Transfer) -> None:
    giver, getter = usable_card(planning, form.card), usable_card(planning, form.to_card)
    account = planning.session.execute(
        select(accounts).where(accounts.c.account_number == giver.account_number)
    ).first()
    if account is None or account.balance_minor - account.held_minor < form.amount_minor:
        raise RefusedError("The card has less than that.")
    planning.add(
        MessageType.TRANSFER,
        card_number=giver.card_number,
        amount_minor=form.amount_minor,
        subject=planning.visitor.card_number(getter.card_number),
        to_card_number=getter.card_number,
    )


def _plan_visits(planning: Planning, form: Visits) -> None:
    card = usable_card(planning, form.card, is_presented=True)
    planning.add(
        MessageType.LOAD_VISITS,
        card_number=card.card_number,
        amount_minor=form.received_minor,
        service=form.service,
        count=form.count,
        received_minor=form.received_minor,
        expiry_date=form.expiry_date,
    )


def reversed_by_desk(_planning: Planning, document: Document, _form: Any) -> tuple[str, ReverseForm]:
    """The document that takes back what another did, as long as the switch remembers it."""
    return "reverse-document", ReverseForm(document=document.id)


def _moved_back(_planning: Planning, _document: Document, form: Transfer) -> tuple[str, Transfer]:
    return "transfer-value", Transfer(card=form.to_card, to_card=form.card, amount_minor=form.amount_minor)


KINDS: list[Kind[Any]] = [
    Kind(
        name="recharge-card",
        label=_("Recharge a card"),
        hint=_("The next sale may use it. Above your limit a second person must agree."),
        function="money",
        action=Action.ADD,
        form=Recharge,
        plan=_plan_recharge,
        stops_at_refusal=True,
        bounds=money_bounds,
        undo=reversed_by_desk,
    ),
    Kind(
        name="recharge-cards",
        label=_("Recharge a list of cards"),
        hint=_("One recharge per line, with a result for each; the sum counts for your limit."),
        function="money",
        action=Action.ADD,
        form=RechargeList,
        plan=_plan_list,
        bounds=money_bounds,
        undo=reversed_by_desk,
    ),
    Kind(
        name="transfer-value",
        label=_("Move money between cards"),
        hint=_("Both cards must be active; fees and points are not touched."),
        function="money",
        action=Action.ADD,
        form=Transfer,
        plan=_plan_transfer,
        bounds=money_bounds,
        asks_why=True,
        undo=_moved_back,
    ),
    Kind(
        name="load-visits",
        label=_("Sell visits"),
        hint=_("Visits are used one by one at a till, and never become money."),
        function="money",
        action=Action.ADD,
        form=Visits,
        plan=_plan_visits,
        undo=reversed_by_desk,
    ),
]
