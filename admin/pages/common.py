"""What all pages share: rendering, going elsewhere, reading forms, paging by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Request
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.response import Redirect, Response, Template
from litestar.status_codes import HTTP_303_SEE_OTHER
from sqlalchemy.exc import SQLAlchemyError

from admin.access import Visitor
from admin.alarms import open_alarm_count
from admin.errors import RefusedError, WaitedTooLongError
from admin.i18n import LOCALES, locale_now, translate
from admin.rights import Action
from admin.service import Service

PAGE_ROWS = 50
"""Rows of a list, unless the parameter `page_rows` says otherwise."""
NUMBER_DIGITS_MAX = 18
"""Of a number in an address; all such numbers fit 64 bits."""
SIGN_INS_PER_MINUTE = 30
"""From one address: a guess costs 64 MB and a tenth of a second here, so many at once would be an attack by itself."""
GUESSING = RateLimitConfig(rate_limit=("minute", SIGN_INS_PER_MINUTE)).middleware
"""Middleware of handlers that take passwords and codes."""


@dataclass(frozen=True, slots=True)
class MenuItem:
    """An entry of the menu, shown to those who may see its page."""

    address: str
    label: str
    function: str
    action: Action = Action.VIEW


_ = str
MENU: tuple[tuple[str, tuple[MenuItem, ...]], ...] = (
    (
        "",
        (MenuItem("/", _("Dashboard"), "dashboard"),),
    ),
    (
        _("Cards"),
        (
            MenuItem("/desk", _("Card desk"), "cards"),
            MenuItem("/cards", _("Cards"), "cards"),
            MenuItem("/card-stock", _("Stock of cards"), "cards"),
            MenuItem("/entries", _("Entries"), "entries"),
            MenuItem("/documents", _("Documents"), "documents"),
        ),
    ),
    (
        _("Members"),
        (
            MenuItem("/members", _("Members"), "members"),
            MenuItem("/member-groups", _("Groups"), "members"),
            MenuItem("/member-consumption", _("Consumption"), "members"),
            MenuItem("/member-contacts", _("Contact log"), "members"),
            MenuItem("/member-days", _("Birthdays"), "members"),
            MenuItem("/member-churn", _("Lost members"), "members"),
            MenuItem("/member-levels", _("Levels"), "members"),
        ),
    ),
    (
        _("Customer care"),
        (
            MenuItem("/care", _("My day"), "care"),
            MenuItem("/opinions", _("Suggestions and complaints"), "opinions"),
            MenuItem("/calls", _("Calls"), "calls"),
            MenuItem("/activities", _("Activities"), "activities"),
            MenuItem("/care/settings", _("Reminders and festivals"), "care-settings"),
        ),
    ),
    (
        _("Short messages"),
        (
            MenuItem("/messages", _("Outbox"), "messages"),
            MenuItem("/messages/new", _("Write a message"), "messages", Action.ADD),
            MenuItem("/message-inbox", _("Inbox"), "messages"),
            MenuItem("/message-templates", _("Templates of messages"), "messages"),
            MenuItem("/journeys", _("Journeys"), "journeys"),
            MenuItem("/message-gateway", _("Gateway and words"), "message-settings"),
        ),
    ),
    (
        _("Money and points"),
        (
            MenuItem("/money", _("Money"), "money"),
            MenuItem("/orders", _("Orders"), "orders"),
            MenuItem("/points", _("Points"), "points"),
            MenuItem("/gifts", _("Gifts"), "gifts"),
            MenuItem("/rules", _("Rules"), "rules"),
            MenuItem("/prices", _("Prices"), "rules"),
            MenuItem("/campaigns", _("Campaigns"), "campaigns"),
            MenuItem("/repairs", _("Repairs"), "documents"),
        ),
    ),
    (
        _("Consumption and cashier"),
        (
            MenuItem("/cashier", _("Bills of the cashier"), "cashier"),
            MenuItem("/cashier/new", _("New quotation"), "cashier", Action.ADD),
        ),
    ),
    (
        _("Stores"),
        (
            MenuItem("/organisation", _("Organisation"), "organisation"),
            MenuItem("/dealers", _("Dealers"), "organisation"),
            MenuItem("/terminals", _("Terminals"), "terminals"),
            MenuItem("/business-day", _("Business day"), "business-day"),
        ),
    ),
    (
        _("Security management"),
        (
            MenuItem("/alarms", _("Alarms"), "alarms"),
            MenuItem("/abnormal", _("Abnormal transactions"), "abnormal"),
            MenuItem("/losses", _("Losses"), "alarms"),
            MenuItem("/blacklist", _("The blacklist"), "blacklist"),
            MenuItem("/media", _("Media"), "media"),
            MenuItem("/keys", _("Keys"), "keys"),
            MenuItem("/ceremonies", _("Key ceremonies"), "key-custody"),
        ),
    ),
    (
        _("Reports"),
        (
            MenuItem("/reports", _("Reports"), "reports"),
            MenuItem("/queries", _("Queries"), "reports"),
            MenuItem("/report-timers", _("Reports by timer"), "reports"),
            MenuItem("/report-submissions", _("Reports for review"), "reports"),
        ),
    ),
    (
        _("Basic data"),
        (
            MenuItem("/set-up", _("Set-up"), "basic-data"),
            MenuItem("/card-types", _("Card types"), "card-types"),
            MenuItem("/card-faces", _("Faces of cards"), "card-types"),
            MenuItem("/points/categories", _("Points categories"), "points"),
            MenuItem("/products", _("Product file"), "products"),
            MenuItem("/product-classes", _("Product classes"), "products"),
            MenuItem("/member-fields", _("Fields and codes"), "member-settings", Action.CHANGE),
        ),
    ),
    (
        _("Data import and export"),
        (
            MenuItem("/member-import", _("Import"), "data-exchange", Action.ADD),
            MenuItem("/exports", _("Exports"), "data-exchange"),
            MenuItem("/finance", _("Finance interface"), "data-exchange"),
        ),
    ),
    (
        _("Employee management"),
        (MenuItem("/employees", _("Employees"), "employees"),),
    ),
    (
        _("Administration"),
        (
            MenuItem("/users", _("Users"), "users"),
            MenuItem("/roles", _("Roles and rights"), "roles"),
            MenuItem("/pay", _("Wages"), "pay"),
            MenuItem("/parameters", _("Parameters"), "parameters"),
            MenuItem("/tokens", _("Tokens of programs"), "tokens"),
            MenuItem("/interface", _("Interface for programs"), "tokens"),
            MenuItem("/webhooks", _("Webhooks"), "webhooks"),
            MenuItem("/audit", _("Audit log"), "audit"),
            MenuItem("/audit?module=sign-in", _("Sign-on log"), "audit"),
        ),
    ),
)
"""Groups of the menu with their pages; a group of which a visitor may see nothing is left out."""


MENU_OPEN_MAX = 24
"""Entries that are all shown, on one screen; of more only the group that has the page is unfolded."""


def menu_of(visitor: object) -> list[tuple[str, list[MenuItem]]]:
    """The menu as a visitor sees it."""
    if not isinstance(visitor, Visitor):
        return []
    seen = [(label, [item for item in items if visitor.may(item.function, item.action)]) for label, items in MENU]
    return [(label, items) for label, items in seen if items]


def badges_of(visitor: object, service: Service) -> dict[str, int]:
    """Numbers that the menu shows beside its entries: open alarms.  None when the database does not answer."""
    if not isinstance(visitor, Visitor) or not visitor.may("alarms"):
        return {}
    try:
        with service.database.read() as session:
            count = open_alarm_count(session, visitor)
    except SQLAlchemyError:
        return {}  # the page itself says what is wrong
    return {"/alarms": count} if count else {}


def page(request: Request[Any, Any, Any], template: str, *, http_status: int = 200, **context: Any) -> Template:
    """A page in the visitor's language."""
    visitor = request.scope.get("user")
    service: Service = request.app.state.service
    path = request.url.path
    menu = menu_of(visitor)
    current = max((item.address for _, items in menu for item in items if _is_below(path, item.address)), default="")
    return Template(
        template,
        context={
            "visitor": visitor,
            "menu": menu,
            "menu_is_open": sum(len(items) for _, items in menu) <= MENU_OPEN_MAX,
            "badges": badges_of(visitor, service) if not is_part_wanted(request) else {},
            "current": current,
            "path": path,
            "here": f"{path}?{request.url.query}" if request.url.query else path,
            "locale": locale_now.get(),
            "locales": LOCALES,
            "currency": service.settings.currency,
            "is_training": service.settings.is_training,
            "Action": Action,
            **context,
        },
        status_code=http_status,
        headers={"Vary": "HX-Request-Type, Cookie", "Cache-Control": "no-store"},
    )


def _is_below(path: str, address: str) -> bool:
    return path == address or (address != "/" and path.startswith(f"{address}/"))


def page_rows(request: Request[Any, Any, Any]) -> int:
    """Rows of a page of a list; the next page goes on behind the last key, however many came meanwhile."""
    service: Service = request.app.state.service
    return service.parameters.number("page_rows", service.now())


def number_in(text: str) -> int | None:
    """A number of an address; None for what is none, or too long to be one of ours."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX
    return int(text) if is_number else None


def is_part_wanted(request: Request[Any, Any, Any]) -> bool:
    """Whether htmx asks for the list only, not for the page around it."""
    return request.headers.get("hx-request-type") == "partial"


def go(request: Request[Any, Any, Any], address: str) -> Response[Any]:
    """Go to another page, also when htmx asks."""
    if request.headers.get("hx-request"):
        return Response(content=b"", status_code=200, headers={"HX-Redirect": address})
    return Redirect(address, status_code=HTTP_303_SEE_OTHER)


def safe_address(address: str | None) -> str:
    """An address of our own to go back to; never one of somebody else."""
    if address and address.startswith("/") and not address.startswith(("//", "/\\")) and "\n" not in address:
        return address
    return "/"


def with_query(path: str, values: Mapping[str, Any]) -> str:
    """An address with those values that are set."""
    kept = {name: value for name, value in values.items() if value not in (None, "", 0)}
    return f"{path}?{urlencode(kept)}" if kept else path


def refusal_text(error: RefusedError | WaitedTooLongError) -> str:
    """Why something was refused, in the visitor's language."""
    return translate(error.message).format(**error.values)
