"""Watches that no request changes the database without a row in the audit log, in the same transaction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from litestar import Litestar
from sqlalchemy import event

from admin.database import Database

CHANGE = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)
WITHOUT_RECORD = frozenset(
    {
        "sessions",
        "api_tokens",
        "passkey_challenges",
        "account_days",
        "account_days_positions",
        "member_imports",
        "member_numbers",
    },
)
"""Noting that a session or a token is used, asking a device for a proof, bringing sums up to date for whoever looks,
keeping a file that is only looked at yet, and reserving numbers are no operations."""
_path: ContextVar[str] = ContextVar("path", default="")


@contextmanager
def watch_records(app: Litestar, database: Database) -> Iterator[list[tuple[str, set[str]]]]:
    """A list that fills with (path, tables) of each transaction of a request that left no record."""
    unrecorded: list[tuple[str, set[str]]] = []
    handler: Any = app.asgi_handler

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        token = _path.set(scope.get("path", ""))
        try:
            await handler(scope, receive, send)
        finally:
            _path.reset(token)

    app.asgi_handler = noted

    @event.listens_for(database.writer, "begin")
    def begin(connection: Any) -> None:
        connection.info["changed"] = set()

    @event.listens_for(database.writer, "before_cursor_execute")
    def execute(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if (found := CHANGE.match(statement)) is not None:
            connection.info.setdefault("changed", set()).add(found[1].lower())

    @event.listens_for(database.writer, "commit")
    def commit(connection: Any) -> None:
        changed = connection.info.get("changed", set()) - WITHOUT_RECORD
        if _path.get() and changed and "audit" not in changed:
            unrecorded.append((_path.get(), changed))

    try:
        yield unrecorded
    finally:
        app.asgi_handler = handler
