"""Prices: a list of articles in a price class, at once or from a day on."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from admin.documents.kind import Kind, Planning
from admin.forms import entry
from admin.money.rows import NOT_AN_AMOUNT, plain, rows_of, scaled, whole
from switch.protocol.messages import MessageType

PRICE_MINOR_MAX = 2**32 - 1
CLASS_MAX = 65_535
_ = str


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """Unit prices of articles."""

    rows: Annotated[
        str,
        entry(
            _("Articles and prices"), "area", hint=_("One per line: article, price. A list may be pasted from Excel.")
        ),
    ]
    price_class: Annotated[
        int,
        entry(_("Price class"), "integer", ge=0, le=CLASS_MAX, hint=_("0: retail; others as card types name them.")),
    ] = 0
    from_date: Annotated[int, entry(_("From this day on"), "date", ge=0, hint=_("Empty: at once."))] = 0


def _plan_prices(planning: Planning, form: Prices) -> None:
    seen: set[int] = set()
    for line, parts in rows_of(form.rows):
        item = whole(parts[0])
        price_minor = scaled(parts[1]) if len(parts) > 1 else None
        if not item:
            planning.skip(line, _("This is not an article number."))
        elif item in seen:
            planning.skip(line, _("This article stands in the list twice."))
        elif price_minor is None or not 0 <= price_minor <= PRICE_MINOR_MAX:
            planning.skip(line, NOT_AN_AMOUNT)
        else:
            seen.add(item)
            planning.add(
                MessageType.PUT_PRICE,
                subject=f"{item} · {plain(price_minor)}",
                item=item,
                unit_price_minor=price_minor,
                price_class=form.price_class,
                from_date=form.from_date,
            )


KINDS: list[Kind[Any]] = [
    Kind(
        name="put-prices",
        label=_("Set prices"),
        hint=_("A price class and a day for a whole list; prices that hold stay until that day."),
        function="rules",
        form=Prices,
        plan=_plan_prices,
    ),
]
