"""`api_get` and its like: handlers that say in the OpenAPI document what they answer, also when they fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.types import Guard

from admin.pages.handlers import InThread

from .limits import within_limits
from .problems import MEDIA_TYPE, Problem

T = TypeVar("T")
LIMIT_MAX = 200
"""Rows of one answer."""
NUMBER_MAX = 2**63 - 1
"""What a database keeps."""
TEXT_MAX = 200

Limit = Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="Rows of this answer.")]
Number = Annotated[int | None, QueryParameter(ge=0, le=NUMBER_MAX)]
SmallNumber = Annotated[int | None, QueryParameter(ge=0, le=2**31 - 1)]
"""A number that the database keeps in 32 bits."""
Text = Annotated[str, QueryParameter(max_length=TEXT_MAX, pattern=r"^[^\x00]*$")]
"""A filter.  PostgreSQL keeps no zero in a text."""
Key = Annotated[
    str, QueryParameter(max_length=TEXT_MAX, pattern=r"^[^\x00]*$", description="`next` of the page before.")
]


class Page(msgspec.Struct, Generic[T]):
    """Some rows of a list; `next` goes into the same question to get those behind them, null: there are no more."""

    rows: list[T]
    next: str | None


class Done(msgspec.Struct):
    """What was made or changed."""

    id: str


def _problems(*statuses: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(Problem, media_type=MEDIA_TYPE, generate_examples=False, description="Problem details")
        for status in statuses
    }


def _handler(method: HttpMethod, status: int, path: str, guards: Sequence[Guard], tag: str, **options: Any) -> InThread:
    statuses = [400, 401, 403, 404, 429] if method == HttpMethod.GET else [400, 401, 403, 404, 409, 429]
    return InThread(
        path,
        http_method=method,
        status_code=status,
        guards=[within_limits, *guards],
        tags=[tag],
        responses=_problems(*statuses),
        raises=(),
        security=[{"token": []}],
        include_in_schema=True,
        sync_to_thread=True,
        **options,
    )


def api_get(path: str, *, guards: Sequence[Guard], tag: str, **options: Any) -> InThread:
    """A question."""
    return _handler(HttpMethod.GET, 200, path, guards, tag, **options)


def api_post(path: str, *, guards: Sequence[Guard], tag: str, status: int = 201, **options: Any) -> InThread:
    """Something new, or with status 200 something that is done."""
    return _handler(HttpMethod.POST, status, path, guards, tag, **options)


def api_put(path: str, *, guards: Sequence[Guard], tag: str, **options: Any) -> InThread:
    """A change."""
    return _handler(HttpMethod.PUT, 200, path, guards, tag, **options)


def api_delete(path: str, *, guards: Sequence[Guard], tag: str, **options: Any) -> InThread:
    """An end; answers with nothing."""
    return _handler(HttpMethod.DELETE, 204, path, guards, tag, **options)
