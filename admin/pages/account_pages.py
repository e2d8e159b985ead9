"""One's own page: password, dynamic password; and the step up that some modules ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import segno
from litestar import Request, Response
from litestar.params import FromQuery, URLEncodedBody

from admin.access import Visitor
from admin.errors import RefusedError
from admin.i18n import translate
from admin.keys.proofs import fingerprint
from admin.people.passkeys import passkeys_of, site_of
from admin.people.passwords import PASSWORD_LENGTH_MIN, TOTP_SET_UP_PURPOSE, seal_totp, totp_address, unseal_totp
from admin.people.sign_in import begin_totp, change_password, confirm_totp, step_up
from admin.service import Service

from .common import GUESSING, go, page, refusal_text, safe_address, with_query
from .handlers import get, post

NONCE_BYTES = 12


@dataclass
class PasswordForm:
    """Old and new."""

    old: str = ""
    new: str = ""
    again: str = ""


@dataclass
class CodeForm:
    """A dynamic password; `sealed` holds a secret that is being set up."""

    code: str = ""
    sealed: str = ""
    next: str = "/"


@get("/account", opt={"before_password_change": True})
def show_account(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Who one is, and what one may change about it."""
    return account_page(request, "")


@post("/account/password", opt={"before_password_change": True})
def do_change_password(request: Request[Visitor, Any, Any], data: URLEncodedBody[PasswordForm]) -> Response[Any]:
    """Change one's own password."""
    try:
        if data.new != data.again:
            raise RefusedError("The two new passwords differ.")
        change_password(request.app.state.service, request.user, data.old, data.new)
    except RefusedError as error:
        return account_page(request, refusal_text(error))
    return go(request, "/")


@get("/account/dynamic-password")
def show_totp(request: Request[Visitor, Any, Any], next: FromQuery[str] = "/account") -> Response[Any]:
    """A QR code for an authenticator app, and a field for its first code."""
    if request.user.has_totp:
        return go(request, "/account")
    service: Service = request.app.state.service
    return _totp_page(request, begin_totp(service), safe_address(next), "")


@post("/account/dynamic-password")
def do_totp(request: Request[Visitor, Any, Any], data: URLEncodedBody[CodeForm]) -> Response[Any]:
    """Keep the secret when its first code is right."""
    service: Service = request.app.state.service
    try:
        secret = unseal_totp(service, TOTP_SET_UP_PURPOSE, _from_hex(data.sealed), request.user.user_id)
    except RefusedError:
        return go(request, "/account/dynamic-password")
    try:
        confirm_totp(service, request.user, secret, data.code)
    except RefusedError as error:
        return _totp_page(request, secret, safe_address(data.next), refusal_text(error))
    return go(request, safe_address(data.next))


@get("/step-up")
def show_step_up(request: Request[Visitor, Any, Any], next: FromQuery[str] = "/") -> Response[Any]:
    """Ask for a fresh dynamic password."""
    if not request.user.has_totp and not request.user.has_passkey:
        return go(request, with_query("/account/dynamic-password", {"next": safe_address(next)}))
    return page(request, "step_up.html", problem="", next=safe_address(next))


@post("/step-up", middleware=[GUESSING])
def do_step_up(request: Request[Visitor, Any, Any], data: URLEncodedBody[CodeForm]) -> Response[Any]:
    """Take it, and go on to where it was asked for."""
    next_ = safe_address(data.next)
    try:
        problem = (
            ""
            if step_up(request.app.state.service, request.user, data.code)
            else translate("The code is wrong or was used already; wait for the next one.")
        )
    except RefusedError as error:
        problem = refusal_text(error)
    if problem:
        return page(request, "step_up.html", http_status=403, problem=problem, next=next_)
    return go(request, next_)


def account_page(request: Request[Visitor, Any, Any], problem: str) -> Response[Any]:
    """One's own page."""
    service: Service = request.app.state.service
    with service.database.read() as session:
        passkeys = passkeys_of(session, request.user.user_id)
        session.expunge_all()
    return page(
        request,
        "account.html",
        http_status=409 if problem else 200,
        problem=problem,
        least=PASSWORD_LENGTH_MIN,
        passkeys=passkeys,
        fingerprint=fingerprint,
        site=site_of(service.settings),
    )


def _totp_page(request: Request[Visitor, Any, Any], secret: str, next_: str, problem: str) -> Response[Any]:
    service: Service = request.app.state.service
    return page(
        request,
        "dynamic_password.html",
        http_status=409 if problem else 200,
        problem=problem,
        next=next_,
        secret=secret,
        sealed=seal_totp(service, TOTP_SET_UP_PURPOSE, secret, request.user.user_id).hex(),
        qr=segno.make(totp_address(secret, request.user.name), micro=False).svg_data_uri(scale=5),
    )


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


HANDLERS = [show_account, do_change_password, show_totp, do_totp, show_step_up, do_step_up]
