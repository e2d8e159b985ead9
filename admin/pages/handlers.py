"""`get` and `post` for handlers that talk to the database: they run in a thread, whatever else shares their path.

Litestar registers a handler anew for each other handler on its path, and
then takes the thread's wrapper of the first time for a plain function, whose
result is a coroutine that nobody awaits.  So the wrapper is taken off first.
"""

from __future__ import annotations

from typing import Any

from litestar import Litestar
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.utils.sync import AsyncCallable


class InThread(HTTPRouteHandler):
    """Registers as often as it is asked to."""

    def on_registration(self, app: Litestar) -> None:
        """Take the wrapper of an earlier registration off."""
        if isinstance(self._fn, AsyncCallable):
            self._fn = self._fn.func  # type: ignore[assignment]  # a plain function, before it is wrapped anew
        super().on_registration(app)


def get(path: str, **options: Any) -> InThread:
    """A handler that answers GET, in a thread unless `sync_to_thread` says otherwise."""
    return InThread(path, http_method=HttpMethod.GET, **{"sync_to_thread": True, **options})


def post(path: str, **options: Any) -> InThread:
    """A handler that answers POST; with 200, for it shows pages and makes no resources."""
    return InThread(path, http_method=HttpMethod.POST, **{"sync_to_thread": True, "status_code": 200, **options})
