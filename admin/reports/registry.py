"""All reports by name.  A further one is a `Report` in a module of its own, and that module in this list."""

from __future__ import annotations

from . import (
    campaign,
    cards,
    care,
    change,
    composition,
    desk,
    employees,
    goods,
    group_profit,
    habits,
    look_alikes,
    losses,
    loyalty,
    membership,
    money,
    prices,
    ranking,
    stores,
    summary,
)
from .report import Report

_ = str
GROUPS: dict[str, str] = {
    "money": _("Money"),
    "sales": _("Sales"),
    "customers": _("About customers"),
    "cards": _("Cards and security"),
    "care": _("Customer care"),
}
MODULES = (
    summary,
    money,
    stores,
    goods,
    prices,
    ranking,
    loyalty,
    change,
    group_profit,
    look_alikes,
    composition,
    habits,
    membership,
    campaign,
    employees,
    cards,
    desk,
    losses,
    care,
)
REPORTS: dict[str, Report] = {report.name: report for module in MODULES for report in module.REPORTS}
