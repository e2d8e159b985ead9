"""Help from every page: what its part of the service is for, how one works there, and what to practise."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template

from admin.access import Visitor

from .common import menu_of, page
from .handlers import get

_ = str
HELP: dict[str, str] = {
    "": _("The dashboard shows the day and whether all balances equal all movements. If they differ: stop and look."),
    "Cards": _(
        "A card's page has its state, its account and its history, and above them what can be done with it. Whatever"
        " changes a card is a document: its preview shows what would be done, and its page what became of it. What one"
        " has made, another approves: documents that wait are under Documents. Practise: find a card by the beginning"
        " of its number, and look at the preview of freezing it."
    ),
    "Members": _(
        "Members are found by name, number, telephone or initials. Numbers are masked for those who need not see them."
        " Talks, complaints and suggestions are noted on the member's page; open ones are a list. Practise: make a"
        " member, note a talk, close it."
    ),
    "Money and points": _(
        "Recharges, refunds and points are documents. Beyond the limits of an operator a second person agrees. What"
        " went wrong is put right by a document under Repairs, never by changing a figure. Practise: try a bill under"
        " Rules without selling anything."
    ),
    "Customer care": _(
        "Tasks that the day brings: whom to call, whom to thank, whom to win back. Who has done one notes what came of"
        " it."
    ),
    "Short messages": _(
        "A text goes out when its preview was seen and, where many get it, a second person has agreed. Who wants no"
        " messages gets none."
    ),
    "Consumption and cashier": _(
        "A quotation becomes a bill, and a bill is paid without typing it again. A wrong bill is cancelled, not"
        " changed."
    ),
    "Stores": _(
        "The tree of the organisation says who sees what: each user acts below his own node. A till's key file is"
        " handed out once. The business day shows which tills have closed, and where their totals differ."
    ),
    "Security management": _(
        "An alarm is acknowledged by who looks after it and closed by a second person; its page says what to do. The"
        " blacklist holds at every till from the next request on. Keys are changed by orders of two officers."
    ),
    "Reports": _(
        "Choose a question and its days; print it or take it to Excel. A query is a question of your own. A report by"
        " timer is made when its days are over, and kept as it was made."
    ),
    "Basic data": _(
        "What business needs before it begins: the page Set-up says what is missing. Types, classes and codes are"
        " changed here; what is in use stays readable."
    ),
    "Data import and export": _(
        "A file is looked at before anything of it is taken over: each row with a fault is told. The same file is taken"
        " once. An import of members can be taken back, but for those who were used since. Closed days go to the books"
        " by themselves."
    ),
    "Employee management": _("Employees are recorded apart from the accounts with which people sign on."),
    "Administration": _(
        "Users get roles; nobody gives a right that he lacks. Parameters hold from a moment on and are never"
        " overwritten. The audit log has every change, and nobody can switch it off."
    ),
}
"""Text for each group of the menu, by its English name; a test finds groups that have none."""


@get("/help")
def show_help(request: Request[Visitor, Any, Any], about: FromQuery[str] = "") -> Template:
    """Help about the part of the service to which a page belongs, first; then about the others that one sees."""
    groups = [(label, items, HELP.get(label, "")) for label, items in menu_of(request.user)]
    mine = [group for group in groups if any(item.address == about for item in group[1])]
    others = [group for group in groups if group not in mine]
    return page(request, "help.html", mine=mine, others=others)


HANDLERS: list[Any] = [show_help]
