"""Errors as problem details (RFC 9457): what was expected, what came, what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, NotAuthorizedException, ValidationException
from sqlalchemy.exc import DataError

from admin.access import PasswordChangeNeededException, StepUpNeededException
from admin.errors import RefusedError, WaitedTooLongError
from admin.i18n import translate

API_PREFIX = "/api/"
MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:cardswitch:problem:"
NOT_STORABLE = (DataError, OverflowError)
"""What a database says to numbers beyond 64 bits and to texts with a zero in them: a visitor's mistake, not ours."""


class Fault(msgspec.Struct):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(msgspec.Struct):
    """Why a request failed."""

    type: str
    """Stays the same for the same kind of failure; a program may decide by it."""
    title: str
    status: int
    detail: str
    """For people: what was expected, what came, what to do."""
    instance: str
    """Path of the request."""
    faults: list[Fault] = []


_TITLES = {
    400: "The request does not fit the description of the interface",
    401: "A token is needed",
    403: "The right to do this is missing",
    404: "There is nothing here",
    405: "This method is not for this address",
    409: "The rules forbid it",
    413: "The request is too large",
    415: "The body is not JSON",
    429: "Too many requests",
    500: "Something broke on our side",
}
_WHAT_TO_DO = {
    400: "Correct the fields that are named; /schema/openapi.json describes them.",
    401: "Send a token that is neither revoked nor past its end: Authorization: Bearer cst_… (see the page /tokens).",
    404: "The address is wrong, or what was here is not yours to see.",
    405: "See /schema/openapi.json for the methods of this address.",
    413: "Send less at a time.",
    415: "Send JSON, with the header Content-Type: application/json.",
    429: "Wait as long as Retry-After says.",
    500: "It was logged. Try again, and tell an administrator if it happens again.",
}


def is_api(path: str) -> bool:
    """Whether a program asks, not a browser."""
    return path.startswith(API_PREFIX)


def problem_of(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The answer to a request that failed; never what the code looks like inside."""
    status, slug, detail, faults = _read(error)
    headers = {"WWW-Authenticate": 'Bearer realm="cardswitch"'} if status == 401 else {}
    if isinstance(error, HTTPException) and error.headers:
        headers |= dict(error.headers)
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    body = Problem(
        type=TYPE_PREFIX + slug,
        title=title,
        status=status,
        detail=detail or _WHAT_TO_DO.get(status, title),
        instance=request.url.path,
        faults=faults,
    )
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store", **headers})


def _read(error: Exception) -> tuple[int, str, str, list[Fault]]:
    if isinstance(error, RefusedError):
        return 409, "refused", translate(error.message).format(**error.values), []
    if isinstance(error, WaitedTooLongError):
        return 503, "waited-too-long", translate(error.message).format(**error.values), []
    if isinstance(error, StepUpNeededException):
        text = f"{error.needed} asks for a fresh dynamic password: make a token for it when you have just given one."
        return 403, "step-up-needed", text, []
    if isinstance(error, PasswordChangeNeededException):
        return 403, "password-change-needed", "The owner of the token must change his password first.", []
    if isinstance(error, NotAuthorizedException):
        return 401, "token-needed", "", []
    if isinstance(error, NOT_STORABLE):
        return 400, "not-storable", "A number is beyond 64 bits, or a text has a zero in it. " + _WHAT_TO_DO[400], []
    if isinstance(error, ValidationException):
        extra = error.extra if isinstance(error.extra, list) else []
        faults = [Fault(str(one.get("key", "")), str(one.get("message", ""))) for one in extra if isinstance(one, dict)]
        named = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        return 400, "invalid", f"{named or error.detail}. {_WHAT_TO_DO[400]}", faults
    if isinstance(error, HTTPException):
        status = error.status_code
        said = error.detail if status in (403, 404, 429) and error.detail != HTTPStatus(status).phrase else ""
        return status, _SLUGS.get(status, "failed"), f"{said} {_WHAT_TO_DO.get(status, '')}".strip(), []
    return 500, "broken", "", []


_SLUGS = {
    400: "invalid",
    403: "right-needed",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "not-json",
    429: "too-many-requests",
}
