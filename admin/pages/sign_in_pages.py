"""Signing on and off, the first administrator, the language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.params import FromPath, FromQuery, URLEncodedBody

from admin.access import Visitor
from admin.errors import RefusedError
from admin.i18n import LOCALES, translate
from admin.people.sign_in import SignIn, is_set_up, make_first_administrator, sign_in, sign_out

from .common import GUESSING, go, page, refusal_text, safe_address
from .handlers import get, post

LANGUAGE_COOKIE = "language"
LANGUAGE_COOKIE_S = 365 * 86_400


@dataclass
class SignInForm:
    """What the sign-on page sends."""

    name: str = ""
    password: str = ""
    code: str = ""
    next: str = "/"


@dataclass
class SetupForm:
    """What the set-up page sends."""

    token: str = ""
    name: str = ""
    full_name: str = ""
    password: str = ""


@get("/login", opt={"public": True})
def show_sign_in(request: Request[Any, Any, Any], next: FromQuery[str] = "/") -> Response[Any]:
    """The form; the set-up page while there is nobody."""
    if not is_set_up(request.app.state.service):
        return go(request, "/setup")
    return page(request, "login.html", form=SignInForm(next=safe_address(next)), problem="")


@post("/login", middleware=[GUESSING], opt={"public": True})
def do_sign_in(request: Request[Any, Any, Any], data: URLEncodedBody[SignInForm]) -> Response[Any]:
    """A session, under a token that no browser had before."""
    service = request.app.state.service
    address = request.client.host if request.client else ""
    attempt = sign_in(service, data.name, data.password, data.code, address)
    if attempt.outcome == SignIn.DONE:
        response = go(request, safe_address(data.next))
        response.set_cookie(session_cookie(request, attempt.token))
        return response
    problems = {
        SignIn.WRONG: translate("The name or the password is wrong."),
        SignIn.LOCKED: translate("Too many wrong attempts: try again in {minutes} minutes.").format(
            minutes=attempt.locked_minutes
        ),
        SignIn.CODE_NEEDED: translate("Type your dynamic password as well."),
        SignIn.CODE_WRONG: translate("The code is wrong or was used already; wait for the next one."),
    }
    return page(
        request,
        "login.html",
        http_status=403,
        form=SignInForm(name=data.name, next=safe_address(data.next)),
        problem=problems[attempt.outcome],
    )


@post("/logout", opt={"before_password_change": True})
def do_sign_out(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """End the session."""
    sign_out(request.app.state.service, request.user)
    response = go(request, "/login")
    response.delete_cookie(cookie_name(request))
    return response


@get("/setup", opt={"public": True})
def show_setup(request: Request[Any, Any, Any], token: FromQuery[str] = "") -> Response[Any]:
    """The form for the first administrator, as long as there is nobody."""
    if is_set_up(request.app.state.service):
        return go(request, "/login")
    return page(request, "setup.html", form=SetupForm(token=token), problem="")


@post("/setup", middleware=[GUESSING], opt={"public": True})
def do_setup(request: Request[Any, Any, Any], data: URLEncodedBody[SetupForm]) -> Response[Any]:
    """Make the first administrator."""
    try:
        make_first_administrator(request.app.state.service, data.token, data.name, data.full_name, data.password)
    except RefusedError as error:
        data.password = ""
        return page(request, "setup.html", http_status=409, form=data, problem=refusal_text(error))
    return go(request, "/login")


@get("/language/{code:str}", opt={"public": True}, sync_to_thread=False)
def choose_language(request: Request[Any, Any, Any], code: FromPath[str], back: FromQuery[str] = "/") -> Response[Any]:
    """Remember a language in the browser."""
    response = go(request, safe_address(back))
    if code in LOCALES:
        response.set_cookie(
            Cookie(LANGUAGE_COOKIE, value=code, max_age=LANGUAGE_COOKIE_S, httponly=True, samesite="lax", path="/")
        )
    return response


def cookie_name(request: Request[Any, Any, Any]) -> str:
    """Name of the session's cookie; with HTTPS a prefix that other hosts cannot set."""
    return "__Host-session" if request.app.state.service.settings.is_https else "session"


def session_cookie(request: Request[Any, Any, Any], token: str) -> Cookie:
    """The session's cookie; it goes when the browser is closed, the server ends it earlier."""
    is_https = request.app.state.service.settings.is_https
    return Cookie(cookie_name(request), value=token, httponly=True, secure=is_https, samesite="lax", path="/")


HANDLERS: list[Any] = [
    show_sign_in,
    do_sign_in,
    do_sign_out,
    show_setup,
    do_setup,
    choose_language,
]
