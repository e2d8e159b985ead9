"""Litestar applications that tests hand on: to put one together costs a third of a second, to use it again nothing.

What makes a service is its state (`admin.app.state_of`), its stores and the
secret of its forms; pages and their handlers are the same for all.
"""

from __future__ import annotations

from litestar import Litestar
from litestar.stores.registry import StoreRegistry

from admin._clock import Surroundings
from admin.app import create_app, csrf_secret, state_of
from admin.database import Database
from admin.service import Service
from admin.settings import Settings

_idle: list[Litestar] = []


def take_app(settings: Settings, database: Database, surroundings: Surroundings) -> Litestar:
    """An application of one's own with this service, as `create_app` makes it; give it back for the next test."""
    if settings.is_https or settings.is_metrics_open or not _idle:
        return create_app(settings, database, surroundings)
    return serve_with(_idle.pop(), settings, database, surroundings)


def serve_with(app: Litestar, settings: Settings, database: Database, surroundings: Surroundings) -> Litestar:
    """The same application with another service."""
    service = Service(settings, database, surroundings)
    app.stores = StoreRegistry()  # who has tried to sign on how often
    app.state = state_of(service, app.state.environment)
    assert app.csrf_config is not None
    app.csrf_config.secret = csrf_secret(service)
    return app


def give_back(app: Litestar) -> None:
    """Nobody uses it any more."""
    if not (app.state.service.settings.is_https or app.state.service.settings.is_metrics_open):
        _idle.append(app)
