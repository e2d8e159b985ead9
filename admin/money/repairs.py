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
    Repair(_("A chip differs from the ledger, or behaves like a copy"), "revoke-media"),
    Repair(_("A chip cannot be read any more"), "mark-bad-cards"),
    Repair(_("A wrong number is on the plastic"), "correct-number"),
    Repair(_("The printed number and that of the system are not one"), "void-cards"),
    Repair(_("Data of before is left on a medium"), "clear-cards"),
    Repair(_("A recharge went to the wrong card"), "move-recharge"),
    Repair(_("Money is on the wrong card, and the day has passed"), "transfer-value"),
    Repair(_("A recharge, a gift or visits were booked by mistake, or were never confirmed"), "reverse-document"),
    Repair(_("A sale was wrong, the goods came back, or a till's debit was never confirmed"), "refund-sale"),
    Repair(_("A sale gave no points"), "backfill-points"),
    Repair(_("Points are wrong"), "adjust-points"),
    Repair(_("Points of many cards are wrong or stolen"), "void-points"),
    Repair(_("Points are on the wrong card"), "transfer-points"),
    Repair(
        _("A till and the switch have counted differently"),
        "/business-day",
        _("The till's page shows what differs, type by type. It sends its reversals itself; refund what is left."),
    ),
    Repair(
        _("A balance is doubted"),
        "/cards",
        _("The card's page shows every entry with the balance after it; the dashboard shows whether all agree."),
    ),
)
"""One tool per error; each shows what it would do, asks why, and is in the audit log."""
