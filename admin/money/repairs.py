"""One repair tool per error."""

from __future__ import annotations

from dataclasses import dataclass

_ = str


@dataclass(frozen=True, slots=True)
class Repair:
    """An error and what mends it."""

    error: str
    tool: str
    """Kind of document, or an address."""
    hint: str = ""


REPAIRS: tuple[Repair, ...] = (
    Repair(_("A recharge went to the wrong card"), "move-recharge"),
    Repair(_("A recharge, a gift or visits were booked by mistake"), "reverse-document"),
    Repair(_("A sale was wrong, or the goods came back"), "refund-sale"),
    Repair(_("Money is on the wrong card, and the day has passed"), "transfer-value"),
    Repair(_("A sale gave no points"), "backfill-points"),
    Repair(_("Points are wrong"), "adjust-points"),
    Repair(_("Points of many cards are wrong or stolen"), "void-points"),
    Repair(_("Points are on the wrong card"), "transfer-points"),
    Repair(
        _("A till's debit was not confirmed"),
        "/entries",
        _("The till itself sends its reversal until it is answered. What is left shows at its day close: refund it."),
    ),
    Repair(
        _("A balance is doubted"),
        "/cards",
        _("The card's page shows every entry with the balance after it; the dashboard shows whether all agree."),
    ),
)
"""One tool per error."""
