"""Points by hand: adjusting one card or a list, moving, turning into money, handing out gifts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from sqlalchemy import select

from admin.documents.kind import Kind, Planning
from admin.errors import RefusedError
from admin.forms import entry
from admin.i18n import translate
from admin.models.mirror import accounts, gifts, points_categories
from admin.money.kinds import reversed_by_desk
from admin.money.limits import points_bounds
from admin.money.rows import card_rows, plain, scaled, usable_card
from admin.rights import Action
from switch.protocol.messages import MessageType
from switch.protocol.terms import AMOUNT_MINOR_MAX

from .purses import all_categories, enabled_categories, gift_choices, must_have

POINTS_HUNDREDTHS_MAX = 10**15
PIECES_MAX = 10_000
_ = str


class Adjust(msgspec.Struct, frozen=True, kw_only=True):
    """Points of one card, up or down."""

    card: Annotated[int, entry(_("Card"), "card")]
    points_hundredths: Annotated[
        int,
        entry(
            _("Points"),
            "points",
            ge=-POINTS_HUNDREDTHS_MAX,
            le=POINTS_HUNDREDTHS_MAX,
            hint=_("With a minus they are taken away."),
        ),
    ]
    category: Annotated[int, entry(_("Points category"), "choice", choices=all_categories)] = 0
    reason: Annotated[int, entry(_("Reason number"), "integer", ge=0, le=255, hint=_("Numbered by the group."))] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """Nothing is no adjustment."""
        if not self.points_hundredths:
            yield "points_hundredths", translate("Points up or down are expected, not none.")


class AdjustList(msgspec.Struct, frozen=True, kw_only=True):
    """Points of many cards."""

    rows: Annotated[
        str,
        entry(
            _("Cards and points"),
            "card_rows",
            hint=_("One card per line: number, points (a minus takes away). A list may be pasted from Excel."),
        ),
    ]
    category: Annotated[int, entry(_("Points category"), "choice", choices=all_categories)] = 0
    reason: Annotated[int, entry(_("Reason number"), "integer", ge=0, le=255, hint=_("Numbered by the group."))] = 0


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Points from one card to another."""

    card: Annotated[int, entry(_("Card that gives"), "card")]
    to_card: Annotated[int, entry(_("Card that gets"), "card")]
    points_hundredths: Annotated[int, entry(_("Points"), "points", ge=1, le=POINTS_HUNDREDTHS_MAX)]
    category: Annotated[int, entry(_("Points category"), "choice", choices=enabled_categories)] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """A card does not give to itself."""
        if self.card == self.to_card:
            yield "to_card", translate("This is the same card.")


class Convert(msgspec.Struct, frozen=True, kw_only=True):
    """Points into money."""

    card: Annotated[int, entry(_("Card"), "card")]
    amount_minor: Annotated[int, entry(_("Money wanted"), "money", ge=1, le=AMOUNT_MINOR_MAX)]
    category: Annotated[int, entry(_("Points category"), "choice", choices=enabled_categories)] = 0


class Redeem(msgspec.Struct, frozen=True, kw_only=True):
    """A gift for points."""

    card: Annotated[int, entry(_("Card"), "card")]
    gift: Annotated[int, entry(_("Gift"), "choice", choices=gift_choices)]
    pieces: Annotated[int, entry(_("Pieces"), "integer", ge=1, le=PIECES_MAX)] = 1


def _plan_adjust(planning: Planning, form: Adjust) -> None:
    card = planning.card(form.card)
    planning.add(
        MessageType.ADJUST_POINTS,
        card_number=card.card_number,
        points_hundredths=form.points_hundredths,
        category=form.category,
        reason=form.reason,
    )


def _plan_adjust_list(planning: Planning, form: AdjustList) -> None:
    for card, values in card_rows(planning, form.rows):
        points = scaled(values[0]) if values else None
        if not points or abs(points) > POINTS_HUNDREDTHS_MAX:
            planning.skip(planning.visitor.card_number(card.card_number), _("The points cannot be read."))
            continue
        planning.add(
            MessageType.ADJUST_POINTS,
            card_number=card.card_number,
            points_hundredths=points,
            category=form.category,
            reason=form.reason,
        )


def _plan_move(planning: Planning, form: Move) -> None:
    giver, getter = usable_card(planning, form.card), usable_card(planning, form.to_card)
    must_have(planning, giver.account_number, form.category, form.points_hundredths)
    planning.add(
        MessageType.TRANSFER_POINTS,
        card_number=giver.card_number,
        points_hundredths=form.points_hundredths,
        subject=planning.visitor.card_number(getter.card_number),
        to_card_number=getter.card_number,
        category=form.category,
    )


def _is_between_members(planning: Planning, form: Move) -> bool:
    """Whether points go from one person to another; nobody is nobody's other card, so it asks a second person too."""
    members = []
    for number in (form.card, form.to_card):
        account = planning.card(number).account_number
        members.append(planning.session.scalar(select(accounts.c.member).where(accounts.c.account_number == account)))
    return not members[0] or members[0] != members[1]


def _plan_convert(planning: Planning, form: Convert) -> None:
    card = usable_card(planning, form.card, is_presented=True)
    query = select(points_categories).where(points_categories.c.category == form.category)
    category = planning.session.execute(query).first()
    if category is None or not category.convert_rate:
        raise RefusedError("Points of this category do not become money.")
    if form.amount_minor % category.convert_lot_minor:
        raise RefusedError("The money must be a multiple of {lot}.", lot=plain(category.convert_lot_minor))
    points = form.amount_minor * category.convert_rate
    must_have(planning, card.account_number, form.category, points)
    planning.add(
        MessageType.CONVERT,
        card_number=card.card_number,
        amount_minor=form.amount_minor,
        moved_hundredths=-points,
        category=form.category,
    )


def _plan_redeem(planning: Planning, form: Redeem) -> None:
    card = usable_card(planning, form.card, is_presented=True)
    gift = planning.session.execute(select(gifts).where(gifts.c.gift_id == form.gift)).first()
    if gift is None:
        raise RefusedError("There is no such gift.")
    price = gift.price_hundredths * form.pieces
    must_have(planning, card.account_number, gift.category, price)
    planning.add(
        MessageType.REDEEM,
        card_number=card.card_number,
        subject=f"{gift.name} × {form.pieces}",
        points_hundredths=price,
        moved_hundredths=-price if gift.flags & 1 else 0,
        gift_id=form.gift,
        pieces=form.pieces,
        category=gift.category,
    )


KINDS: list[Kind[Any]] = [
    Kind(
        name="adjust-points",
        label=_("Adjust points"),
        hint=_("Up or down, in one category, with a reason. Above your limit a second person must agree."),
        function="points",
        action=Action.ADD,
        form=Adjust,
        plan=_plan_adjust,
        bounds=points_bounds,
        asks_why=True,
    ),
    Kind(
        name="adjust-points-list",
        label=_("Adjust points of a list"),
        hint=_("One adjustment per line, with a result for each; all of them together count for your limit."),
        function="points",
        action=Action.ADD,
        form=AdjustList,
        plan=_plan_adjust_list,
        bounds=points_bounds,
        asks_why=True,
    ),
    Kind(
        name="transfer-points",
        label=_("Move points between cards"),
        hint=_("From one person to another a second person must agree."),
        function="points",
        action=Action.ADD,
        form=Move,
        plan=_plan_move,
        needs_checker=_is_between_members,
        asks_why=True,
    ),
    Kind(
        name="convert-points",
        label=_("Turn points into money"),
        hint=_("At the rate and in the lots of their category."),
        function="points",
        action=Action.ADD,
        form=Convert,
        plan=_plan_convert,
    ),
    Kind(
        name="redeem-gift",
        label=_("Hand out a gift"),
        hint=_("Conditions, points and stock are checked and taken in one step; it can be taken back the same day."),
        function="gifts",
        action=Action.ADD,
        form=Redeem,
        plan=_plan_redeem,
        undo=reversed_by_desk,
    ),
]
