"""Passkeys: adding one, signing on and stepping up with one; the browser's part is in `static/own/passkeys.js`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import MediaType, Request, Response
from litestar.params import FromPath, URLEncodedBody

from admin.access import Visitor
from admin.errors import RefusedError
from admin.people.passkeys import (
    begin_registration,
    begin_use,
    finish_registration,
    remove_passkey,
    sign_in_with_passkey,
    step_up_with_passkey,
)

from .account_pages import account_page
from .common import GUESSING, go, page, refusal_text, safe_address
from .handlers import post
from .sign_in_pages import SignInForm, session_cookie


@dataclass
class PasskeyForm:
    """What the browser says that the device has signed (JSON)."""

    credential: str = ""
    name: str = ""
    next: str = "/"


@post("/account/passkeys/options")
def do_begin_registration(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """What the device is asked for a new passkey."""
    return _options(request, lambda: begin_registration(request.app.state.service, request.user))


@post("/account/passkeys")
def do_register(request: Request[Visitor, Any, Any], data: URLEncodedBody[PasskeyForm]) -> Response[Any]:
    """Keep a new passkey."""
    try:
        finish_registration(request.app.state.service, request.user, data.name, data.credential)
    except RefusedError as error:
        return account_page(request, refusal_text(error))
    return go(request, "/account")


@post("/account/passkeys/{passkey_id:int}/remove")
def do_remove(request: Request[Visitor, Any, Any], passkey_id: FromPath[int]) -> Response[Any]:
    """Take a passkey away."""
    try:
        remove_passkey(request.app.state.service, request.user, passkey_id)
    except RefusedError as error:
        return account_page(request, refusal_text(error))
    return go(request, "/account")


@post("/login/passkey/options", middleware=[GUESSING], opt={"public": True})
def do_begin_sign_in(request: Request[Any, Any, Any]) -> Response[Any]:
    """What the device is asked for to sign on."""
    return _options(request, lambda: begin_use(request.app.state.service, None))


@post("/login/passkey", middleware=[GUESSING], opt={"public": True})
def do_sign_in(request: Request[Any, Any, Any], data: URLEncodedBody[PasskeyForm]) -> Response[Any]:
    """A session, under a token that no browser had before."""
    address = request.client.host if request.client else ""
    next_ = safe_address(data.next)
    try:
        token = sign_in_with_passkey(request.app.state.service, data.credential, address)
    except RefusedError as error:
        form = SignInForm(next=next_)
        return page(request, "login.html", http_status=403, form=form, problem=refusal_text(error))
    response = go(request, next_)
    response.set_cookie(session_cookie(request, token))
    return response


@post("/step-up/passkey/options")
def do_begin_step_up(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """What the device is asked for a fresh proof."""
    return _options(request, lambda: begin_use(request.app.state.service, request.user))


@post("/step-up/passkey", middleware=[GUESSING])
def do_step_up(request: Request[Visitor, Any, Any], data: URLEncodedBody[PasskeyForm]) -> Response[Any]:
    """Take it, and go on to where it was asked for."""
    next_ = safe_address(data.next)
    try:
        step_up_with_passkey(request.app.state.service, request.user, data.credential)
    except RefusedError as error:
        return page(request, "step_up.html", http_status=403, problem=refusal_text(error), next=next_)
    return go(request, next_)


def _options(request: Request[Any, Any, Any], begin: Any) -> Response[Any]:
    """JSON for the browser's script; a refusal as text that it shows."""
    try:
        content, status = begin(), 200
    except RefusedError as error:
        return Response(refusal_text(error), status_code=409, media_type=MediaType.TEXT)
    return Response(
        content.encode(), status_code=status, media_type=MediaType.JSON, headers={"Cache-Control": "no-store"}
    )


HANDLERS: list[Any] = [
    do_begin_registration,
    do_register,
    do_remove,
    do_begin_sign_in,
    do_sign_in,
    do_begin_step_up,
    do_step_up,
]
