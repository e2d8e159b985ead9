"""Puts the web service together: middleware, guards, error pages, headers, pages."""

from __future__ import annotations

from copy import copy
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from anyio import to_thread
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from litestar import Litestar, Request
from litestar.config.csrf import CSRFConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.logging.config import StructLoggingConfig
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult, DefineMiddleware
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.plugins.prometheus import PrometheusConfig, PrometheusController
from litestar.plugins.structlog import StructlogConfig, StructlogPlugin
from litestar.response import Response
from litestar.static_files import create_static_files_router
from litestar.status_codes import HTTP_400_BAD_REQUEST, HTTP_500_INTERNAL_SERVER_ERROR
from litestar.template.config import TemplateConfig
from sqlalchemy import text

from . import i18n
from ._clock import SYSTEM, Surroundings
from .access import PasswordChangeNeededException, StepUpNeededException, Visitor
from .api.limits import WRONG_TOKENS_PER_MINUTE, RequestCounts, too_many
from .api.problems import NOT_STORABLE, is_api, problem_of
from .api.routes import API_HANDLERS, openapi_config
from .database import Database
from .documents.kind import subject_text
from .errors import RefusedError, WaitedTooLongError
from .figures import HoldingsKept
from .pages import (
    abnormal_pages,
    account_pages,
    activity_pages,
    alarm_live,
    alarm_pages,
    audit_pages,
    authorisation_pages,
    balance_pages,
    blacklist_pages,
    call_pages,
    campaign_pages,
    card_pages,
    card_stock_pages,
    card_type_pages,
    care_pages,
    care_setting_pages,
    cashier_pages,
    ceremony_pages,
    consumption_pages,
    dashboard_pages,
    day_pages,
    dealer_pages,
    desk_pages,
    document_pages,
    employee_pages,
    entry_pages,
    export_pages,
    face_pages,
    finance_pages,
    help_pages,
    interface_pages,
    journey_pages,
    key_pages,
    media_pages,
    member_care_pages,
    member_field_pages,
    member_file_pages,
    member_group_pages,
    member_level_pages,
    member_pages,
    member_view_pages,
    message_pages,
    message_setting_pages,
    money_pages,
    opinion_pages,
    order_pages,
    organisation_pages,
    parameter_pages,
    passkey_pages,
    pay_pages,
    points_pages,
    price_pages,
    product_pages,
    proof_pages,
    query_pages,
    refund_pages,
    report_pages,
    role_pages,
    rule_pages,
    set_up_pages,
    sign_in_pages,
    slip_pages,
    submission_pages,
    terminal_pages,
    timer_pages,
    token_pages,
    user_pages,
    webhook_pages,
)
from .pages.common import go, page, refusal_text, safe_address, with_query
from .pages.handlers import get
from .pages.sign_in_pages import LANGUAGE_COOKIE, cookie_name
from .people.sign_in import find_visitor
from .people.tokens import find_token_visitor
from .points.purses import HeldKept
from .processes import end_with_parent
from .pulse import Pulse
from .references import References
from .reports.running import Runner
from .service import Service
from .settings import Settings, settings_of_process
from .signed_on import SignedOnKept
from .store_names import store_names_now, store_text
from .switch_link import link_of
from .trade import words_now

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
EXPECTED: set[int | type[Exception]] = {
    400,
    401,
    403,
    404,
    405,
    409,
    413,
    422,
    429,
    RefusedError,
    WaitedTooLongError,
    *NOT_STORABLE,
}
"""Answers to visitors' mistakes: logged as requests, without a stack."""


class Recognise(AbstractAuthenticationMiddleware):
    """Finds the visitor of a request by its session cookie; nobody is not an error here, `signed_on` decides."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """The visitor, or None; and the language of the request."""
        service: Service = connection.app.state.service
        address = connection.client.host if connection.client else ""
        if is_api(connection.scope["path"]):  # cookies open pages only, so that no foreign page can use the interface
            visitor = await self._find_by_token(connection, service, address)
        else:
            token = connection.cookies.get(cookie_name(Request(connection.scope)))
            visitor = await to_thread.run_sync(find_visitor, service, token, address) if token else None
        i18n.locale_now.set(_language_of(connection, visitor.locale if visitor else ""))
        i18n.zone_now.set(service.zone.now)
        store_names_now.set(service.store_names)
        words_now.set(await to_thread.run_sync(service.parameters.words, service.now()))
        return AuthenticationResult(user=visitor, auth=None)

    async def _find_by_token(
        self, connection: ASGIConnection[Any, Any, Any, Any], service: Service, address: str
    ) -> Visitor | None:
        scheme, _space, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        visitor = await to_thread.run_sync(find_token_visitor, service, token.strip(), address)
        if visitor is None:
            now_ms = service.surroundings.now_ms()
            if connection.app.state.request_counts.count(f"address {address}", now_ms) > WRONG_TOKENS_PER_MINUTE:
                raise too_many(WRONG_TOKENS_PER_MINUTE, now_ms)
        return visitor


def _language_of(connection: ASGIConnection[Any, Any, Any, Any], usual: str) -> str:
    """Language of a request: chosen in this browser, else the visitor's usual one, else what the browser accepts."""
    chosen = connection.cookies.get(LANGUAGE_COOKIE) or usual
    accepted = connection.headers.get("accept-language", "")
    return i18n.choose(accepted, chosen, connection.app.state.service.settings.locale)


async def signed_on(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of everything: only what says that it is public is open to those who have not signed on."""
    if handler.opt.get("public"):
        return
    visitor = connection.scope.get("user")
    if not isinstance(visitor, Visitor):
        raise NotAuthorizedException(detail="Sign on first.")
    if visitor.must_change_password and not handler.opt.get("before_password_change"):
        raise PasswordChangeNeededException(detail="Change your password first.")


@get("/health", opt={"public": True})
def health(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Whether the service and its database answer."""
    with request.app.state.service.database.read() as session:
        session.execute(text("SELECT 1"))
    return {"status": "ok"}


class OpenMetrics(PrometheusController):
    """/metrics, for those who have decided to open it."""

    opt = {"public": True}  # noqa: RUF012  Litestar reads it from the class


def show_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A page that says what went wrong and what to do; never what the code looks like inside."""
    if is_api(request.url.path):
        return problem_of(request, error)
    if "user" not in request.scope:  # an address without a page: nobody was recognised, and no language chosen
        i18n.locale_now.set(_language_of(request, ""))
    here = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    back = here if request.method == "GET" else _page_before(request)
    if isinstance(error, NotAuthorizedException):
        return go(request, with_query("/login", {"next": back if back != "/" else ""}))
    if isinstance(error, PasswordChangeNeededException):
        return go(request, "/account")
    if isinstance(error, StepUpNeededException):
        return go(request, with_query("/step-up", {"next": back}))
    before = _page_before(request)
    before = "" if before == here else before  # it would only say the same again
    if isinstance(error, RefusedError):
        return page(request, "error.html", http_status=409, code=409, detail=refusal_text(error), back=before)
    if isinstance(error, WaitedTooLongError):
        return page(request, "error.html", http_status=503, code=503, detail=refusal_text(error), back=before)
    if isinstance(error, NOT_STORABLE):
        status = HTTP_400_BAD_REQUEST
    else:
        status = error.status_code if isinstance(error, HTTPException) else HTTP_500_INTERNAL_SERVER_ERROR
    return page(request, "error.html", http_status=status, code=status, detail="", back=before)


def _page_before(request: Request[Any, Any, Any]) -> str:
    """The page whose form was sent, to come back to; the dashboard when the browser does not say, or names another."""
    before = urlsplit(request.headers.get("referer", ""))
    if before.netloc != request.url.netloc or before.path in ("", "/login", "/step-up"):
        return "/"
    return safe_address(before._replace(scheme="", netloc="", fragment="").geturl())


def create_app(
    settings: Settings | None = None, database: Database | None = None, surroundings: Surroundings = SYSTEM
) -> Litestar:
    """The service; without arguments for a worker, with settings from the file that the environment names."""
    if settings is None:  # a worker of the web server
        end_with_parent()
    settings = settings or settings_of_process()
    service = Service(settings, database or Database(settings.url), surroundings)
    modules = (
        sign_in_pages,
        account_pages,
        dashboard_pages,
        cashier_pages,
        document_pages,
        face_pages,
        slip_pages,
        card_pages,
        balance_pages,
        desk_pages,
        card_stock_pages,
        card_type_pages,
        authorisation_pages,
        entry_pages,
        alarm_pages,
        member_pages,
        member_view_pages,
        member_care_pages,
        care_pages,
        care_setting_pages,
        opinion_pages,
        activity_pages,
        call_pages,
        member_group_pages,
        member_level_pages,
        member_file_pages,
        member_field_pages,
        message_pages,
        message_setting_pages,
        journey_pages,
        consumption_pages,
        export_pages,
        alarm_live,
        abnormal_pages,
        blacklist_pages,
        media_pages,
        key_pages,
        ceremony_pages,
        proof_pages,
        terminal_pages,
        day_pages,
        organisation_pages,
        dealer_pages,
        product_pages,
        refund_pages,
        report_pages,
        submission_pages,
        query_pages,
        timer_pages,
        money_pages,
        order_pages,
        points_pages,
        rule_pages,
        set_up_pages,
        finance_pages,
        help_pages,
        price_pages,
        campaign_pages,
        employee_pages,
        user_pages,
        role_pages,
        pay_pages,
        passkey_pages,
        parameter_pages,
        token_pages,
        interface_pages,
        webhook_pages,
        audit_pages,
    )
    # Copies, for registration changes a handler, and a process may make several services (tests do).
    metrics_pages: list[Any] = [OpenMetrics] if settings.is_metrics_open else []
    pages = chain.from_iterable(m.HANDLERS for m in modules)
    handlers: list[Any] = [copy(handler) for handler in (health, *pages, *API_HANDLERS)]
    statics = create_static_files_router(
        path="/static", directories=[HERE / "static"], opt={"public": True}, include_in_schema=False
    )
    environment = make_environment()
    metrics = PrometheusConfig(app_name="cardswitch_admin", prefix="cardswitch_admin", group_path=True)
    return Litestar(
        route_handlers=[*handlers, *metrics_pages, statics],
        guards=[signed_on],
        include_in_schema=False,  # the interface says so itself
        middleware=[
            metrics.middleware,
            DefineMiddleware(Recognise, exclude="^/static/", exclude_http_methods=[]),
        ],
        csrf_config=CSRFConfig(
            secret=csrf_secret(service),
            cookie_secure=settings.is_https,
            cookie_httponly=True,
            exclude="^/api/",
        ),
        template_config=TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment)),
        exception_handlers={
            HTTPException: show_error,
            RefusedError: show_error,
            WaitedTooLongError: show_error,
            Exception: show_error,
        },
        plugins=[StructlogPlugin(StructlogConfig(_logging(), enable_middleware_logging=False))],
        openapi_config=openapi_config(),
        state=state_of(service, environment),
        response_headers=HEADERS,
        on_shutdown=[_close],
    )


def state_of(service: Service, environment: Environment) -> State:
    """What the handlers of one service share."""
    settings, surroundings = service.settings, service.surroundings
    return State(
        {
            "service": service,
            "references": References(service.secret_for("card references")),
            "holdings": HoldingsKept(),
            "request_counts": RequestCounts(),
            "reports": Runner(service.database, surroundings.now_ms),
            "pulse": Pulse(lambda: link_of(settings, surroundings), surroundings.now_ms),
            "signed_on": SignedOnKept(lambda: link_of(settings, surroundings), surroundings.now_ms),
            "points_held": HeldKept(),
            "monitor": alarm_live.Monitor(),
            "environment": environment,
        }
    )


def csrf_secret(service: Service) -> str:
    """Seals the tokens of forms."""
    return service.secret_for("csrf").hex()


def _close(app: Litestar) -> None:
    app.state.service.database.close()
    app.state.pulse.close()
    app.state.signed_on.close()


def make_environment() -> Environment:
    """Templates with translations and the formats of numbers."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # added by the extension
        i18n.translate, i18n.translate_many, newstyle=True
    )
    environment.globals["zone_name"] = i18n.zone_name
    environment.filters |= {
        "money": i18n.money,
        "translated": i18n.translate,  # of texts that people may have typed: `_` would take their % for a format
        "points": i18n.points,
        "quantity": i18n.quantity,
        "number": i18n.number,
        "unit": i18n.unit,
        "day": i18n.day,
        "moment": i18n.moment,
        "subject": subject_text,
        "store": store_text,
    }
    return environment


def _logging() -> StructLoggingConfig:
    return StructLoggingConfig(log_exceptions="always", disable_stack_trace=EXPECTED, pretty_print_tty=False)
