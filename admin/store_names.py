"""Stores as people know them: the number that tills and entries name, and the name of the store's own node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from switch.protocol.messages import OrganisationNode

from .database import Database
from .models.mirror import organisations, stores

if TYPE_CHECKING:
    from .forms import FormContext

KEPT_MS = 5_000
"""So long a new name may take to be seen."""
OWN_NODES = (OrganisationNode.STORE, OrganisationNode.DEALER)
"""Of a store that hangs on a region or on headquarters the name would be another's."""


class StoreNames:
    """Names of all stores, read at most every `KEPT_MS`; everybody may know them."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._kept: Mapping[int, str] = {}
        self._kept_until_ms = 0
        self._lock = Lock()

    def text(self, store_id: int) -> str:
        """Number and name; the number alone of a store without a name."""
        return f"{store_id} {self._names().get(store_id, '')}".strip()

    def _names(self) -> Mapping[int, str]:
        now_ms = self._now_ms()
        with self._lock:
            if not now_ms < self._kept_until_ms <= now_ms + KEPT_MS:
                with self._database.read() as session:
                    self._kept = names_of(session)
                self._kept_until_ms = now_ms + KEPT_MS
            return self._kept


def names_of(session: Session) -> dict[int, str]:
    """Names of the stores that have a node of their own."""
    query = select(stores.c.store_id, organisations.c.name).join(
        organisations, organisations.c.organisation_id == stores.c.organisation_id
    )
    return {row.store_id: row.name for row in session.execute(query.where(organisations.c.node.in_(OWN_NODES)))}


def store_choices(context: FormContext) -> dict[int | str, str]:
    """Stores of the visitor's part, for a form."""
    names = names_of(context.session)
    query = context.visitor.stores_seen(select(stores.c.store_id)).order_by(stores.c.store_id)
    return {store_id: f"{store_id} {names.get(store_id, '')}".strip() for store_id in context.session.scalars(query)}


store_names_now: ContextVar[StoreNames | None] = ContextVar("store_names_now", default=None)
"""Those of the service that answers."""


def store_text(store_id: int | None) -> str:
    """A store in a text or a cell; nothing for none."""
    names = store_names_now.get()
    return (names.text(store_id) if names else str(store_id)) if store_id else ""
