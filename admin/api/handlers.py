"""`api_get` and its like: handlers that say in the OpenAPI document what they answer, also when they fail.

Each says which pages it stands for: the page of its own address (without
`/api/v1`) and method by itself, others by `pages=("GET /users/new", ...)`.  A
test finds the pages that none stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from inspect import cleandoc
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.types import Guard

from admin.database import to_ms
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


class Option(msgspec.Struct):
    """Something that may be chosen."""

    value: str
    label: str


def filled(type_: type[T], row: Any, **given: Any) -> T:
    """A struct from what is given and, for the rest, a row's columns of the same names; `made_ms` is of `made_at`."""
    values = dict(given)
    for name in type_.__struct_fields__:  # type: ignore[attr-defined]  # of every struct
        if name in values:
            continue
        if name.endswith("_ms") and not hasattr(row, name):
            moment: datetime | None = getattr(row, f"{name.removesuffix('_ms')}_at")
            values[name] = None if moment is None else to_ms(moment)
        else:
            values[name] = getattr(row, name)
    return type_(**values)


def page_of(rows: Sequence[Any], limit: int, item: Callable[[Any], T], key: Callable[[Any], object]) -> Page[T]:
    """A page of rows of which one more than `limit` was asked for; `key` of the last goes on behind it."""
    return Page([item(row) for row in rows[:limit]], str(key(rows[limit - 1])) if len(rows) > limit else None)


class ApiHandler(InThread):
    """Its description is its docstring, whose first line is its summary."""

    def __call__(self, fn: Any) -> Any:
        """Take the function."""
        made = super().__call__(fn)
        made.description = cleandoc(fn.__doc__ or "")
        made.summary = made.description.split("\n")[0].rstrip(".")
        return made


def _problems(*statuses: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(Problem, media_type=MEDIA_TYPE, generate_examples=False, description="Problem details")
        for status in statuses
    }


def _handler(
    method: HttpMethod,
    status: int,
    path: str,
    guards: Sequence[Guard],
    tag: str,
    pages: Sequence[str] = (),
    **options: Any,
) -> ApiHandler:
    statuses = [400, 401, 403, 404, 429] if method == HttpMethod.GET else [400, 401, 403, 404, 409, 429]
    needed = [guard.needed for guard in guards if hasattr(guard, "needed")]
    return ApiHandler(
        path,
        http_method=method,
        status_code=status,
        guards=[within_limits, *guards],
        tags=[tag],
        responses=_problems(*statuses),
        raises=(),
        security=[{"token": needed}],
        opt={"pages": tuple(pages)},
        include_in_schema=True,
        sync_to_thread=True,
        **options,
    )


def api_get(path: str, *, guards: Sequence[Guard], tag: str, **options: Any) -> ApiHandler:
    """A question."""
    return _handler(HttpMethod.GET, 200, path, guards, tag, **options)


def api_post(path: str, *, guards: Sequence[Guard], tag: str, status: int = 201, **options: Any) -> ApiHandler:
    """Something new, or with status 200 something that is done."""
    return _handler(HttpMethod.POST, status, path, guards, tag, **options)


def api_put(path: str, *, guards: Sequence[Guard], tag: str, **options: Any) -> ApiHandler:
    """A change."""
    return _handler(HttpMethod.PUT, 200, path, guards, tag, **options)


def api_delete(path: str, *, guards: Sequence[Guard], tag: str, **options: Any) -> ApiHandler:
    """An end; answers with nothing."""
    return _handler(HttpMethod.DELETE, 204, path, guards, tag, **options)
