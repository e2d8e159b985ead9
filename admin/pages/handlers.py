"""`get` and `post` for handlers that talk to the database: they run in a thread, whatever else shares their path.

Litestar registers a handler anew for each other handler on its path, and
then takes the thread's wrapper of the first time for a plain function, whose
result is a coroutine that nobody awaits.  So the wrapper is taken off first.
"""

from __future__ import annotations

from typing import Any

import litestar
from litestar.handlers import HTTPRouteHandler
from litestar.utils.sync import AsyncCallable


class _InThread(HTTPRouteHandler):
    """Registers as often as it is asked to."""

    def on_registration(self, app: litestar.Litestar) -> None:
        """Take the wrapper of an earlier registration off."""
        if isinstance(self._fn, AsyncCallable):
            self._fn = self._fn.func  # type: ignore[assignment]  # a plain function, before it is wrapped anew
        super().on_registration(app)


class get(_InThread, litestar.get):  # noqa: N801  as Litestar's own
    """Answers GET."""

    def __init__(self, path: str, **options: Any) -> None:
        """As Litestar's, in a thread unless `sync_to_thread` says otherwise."""
        super().__init__(path, **{"sync_to_thread": True, **options})


class post(_InThread, litestar.post):  # noqa: N801  as Litestar's own
    """Answers POST."""

    def __init__(self, path: str, **options: Any) -> None:
        """As Litestar's, in a thread; answers 200, for it shows pages and makes no resources."""
        super().__init__(path, **{"sync_to_thread": True, "status_code": 200, **options})
