"""What points are and what they buy: categories and gifts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from sqlalchemy import Row

from admin.documents.kind import Kind, Planning
from admin.forms import entry
from admin.i18n import translate
from admin.rights import Action
from switch.protocol.messages import MessageType, PointsCategoryFlag
from switch.protocol.terms import NO_COUNT_LIMIT

from .purses import all_categories

CATEGORY_MAX = 63
CATEGORY_NAME_BYTES, GIFT_NAME_BYTES = 24, 32
RATE_MAX = 10**6
GIFT_DEDUCTS = 1
_ = str


def _name_problem(name: str, bytes_max: int) -> Iterator[tuple[str, str]]:
    if len(name.encode()) > bytes_max:
        yield (
            "name",
            translate("The name is too long: {count} letters, or a third of that in Chinese.").format(count=bytes_max),
        )


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """A currency of points."""

    category: Annotated[int, entry(_("No."), "integer", ge=0, le=CATEGORY_MAX)]
    name: Annotated[str, entry(_("Name"))]
    is_enabled: Annotated[
        bool, entry(_("May be earned and used"), "check", hint=_("Without it balances stay as they are."))
    ] = True
    tender_rate: Annotated[
        int, entry(_("Points that pay 1.00 at a till"), "integer", ge=0, le=RATE_MAX, hint=_("0: they pay nothing."))
    ] = 0
    tender_cap_bp: Annotated[
        int, entry(_("Part of a bill that they may pay"), "percent", ge=0, le=10_000, hint=_("In percent."))
    ] = 10_000
    convert_rate: Annotated[
        int, entry(_("Points that become 1.00 of money"), "integer", ge=0, le=RATE_MAX, hint=_("0: never."))
    ] = 0
    convert_lot_minor: Annotated[
        int, entry(_("Smallest lot of money"), "money", ge=1, le=10**12, hint=_("Conversions give multiples of it."))
    ] = 1

    def problems(self) -> Iterator[tuple[str, str]]:
        """The name fits its place."""
        return _name_problem(self.name, CATEGORY_NAME_BYTES)


class Gift(msgspec.Struct, frozen=True, kw_only=True):
    """What points may be redeemed for."""

    gift_id: Annotated[int, entry(_("No."), "integer", ge=1, le=2**32 - 1)]
    name: Annotated[str, entry(_("Name"))]
    category: Annotated[int, entry(_("Points category"), "choice", choices=all_categories)] = 0
    price_hundredths: Annotated[int, entry(_("Price in points"), "points", ge=0, le=10**15)]
    deducts: Annotated[
        bool, entry(_("Takes the points"), "check", hint=_("Without it the points are only needed, not taken."))
    ] = True
    level_min: Annotated[int, entry(_("Lowest level"), "integer", ge=0, le=255)] = 0
    from_date: Annotated[int, entry(_("First day"), "date", ge=0)] = 0
    until_date: Annotated[int, entry(_("Last day"), "date", ge=0)] = 0
    account_max: (
        Annotated[int, entry(_("Pieces per account"), "integer", hint=_("Empty: no limit."), ge=1, le=2**32 - 2)] | None
    ) = None
    stock: (
        Annotated[int, entry(_("Pieces in stock"), "integer", hint=_("Empty: not counted."), ge=0, le=2**32 - 2)] | None
    ) = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """The name fits, and the days are in order."""
        yield from _name_problem(self.name, GIFT_NAME_BYTES)
        if self.until_date and self.until_date < self.from_date:
            yield "until_date", translate("The last day is before the first.")


def category_form(row: Row[Any]) -> Category:
    """The form of a category that there is."""
    return Category(
        category=row.category,
        name=row.name or "0",
        is_enabled=bool(row.flags & PointsCategoryFlag.ENABLED),
        tender_rate=row.tender_rate,
        tender_cap_bp=row.tender_cap_bp,
        convert_rate=row.convert_rate,
        convert_lot_minor=row.convert_lot_minor,
    )


def gift_form(row: Row[Any]) -> Gift:
    """The form of a gift that there is."""
    return Gift(
        gift_id=row.gift_id,
        name=row.name or str(row.gift_id),
        category=row.category,
        price_hundredths=row.price_hundredths,
        deducts=bool(row.flags & GIFT_DEDUCTS),
        level_min=row.level_min,
        from_date=row.from_date,
        until_date=row.until_date,
        account_max=None if row.account_max == NO_COUNT_LIMIT else row.account_max,
        stock=None if row.stock == NO_COUNT_LIMIT else row.stock,
    )


def _plan_category(planning: Planning, form: Category) -> None:
    planning.add(
        MessageType.PUT_POINTS_CATEGORY,
        subject=f"{form.category} {form.name}",
        category=form.category,
        flags=PointsCategoryFlag.ENABLED if form.is_enabled else 0,
        tender_cap_bp=form.tender_cap_bp,
        tender_rate=form.tender_rate,
        convert_rate=form.convert_rate,
        convert_lot_minor=form.convert_lot_minor,
        name=form.name.encode().ljust(CATEGORY_NAME_BYTES, b"\0"),
    )


def _plan_gift(planning: Planning, form: Gift) -> None:
    planning.add(
        MessageType.PUT_GIFT,
        subject=f"{form.gift_id} {form.name}",
        gift_id=form.gift_id,
        flags=GIFT_DEDUCTS if form.deducts else 0,
        level_min=form.level_min,
        category=form.category,
        price_hundredths=form.price_hundredths,
        from_date=form.from_date,
        until_date=form.until_date,
        account_max=NO_COUNT_LIMIT if form.account_max is None else form.account_max,
        stock=NO_COUNT_LIMIT if form.stock is None else form.stock,
        name=form.name.encode().ljust(GIFT_NAME_BYTES, b"\0"),
    )


KINDS: list[Kind[Any]] = [
    Kind(
        name="put-points-category",
        label=_("Make or change a points category"),
        hint=_("Rates hold from the next request on. A category with points can be disabled, not removed."),
        function="points",
        action=Action.CHANGE,
        form=Category,
        plan=_plan_category,
    ),
    Kind(
        name="put-gift",
        label=_("Make or change a gift"),
        hint=_("Price, conditions and stock hold from the next request on."),
        function="gifts",
        action=Action.CHANGE,
        form=Gift,
        plan=_plan_gift,
    ),
]
