"""What every page has at hand: settings, database, audit log, clock, secrets."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from pathlib import Path

from ._clock import SYSTEM, Surroundings
from .audit import Audit
from .database import Database, from_ms
from .errors import SettingsError
from .parameters import Parameters
from .settings import Settings
from .store_names import StoreNames
from .time_zone import StoreZone

SECRET_BYTES = 32


class Service:
    """One admin service, for as long as its process runs."""

    def __init__(self, settings: Settings, database: Database, surroundings: Surroundings = SYSTEM) -> None:
        self.settings = settings
        self.database = database
        self.surroundings = surroundings
        self.audit = Audit(database, self.now)
        self.parameters = Parameters(settings, database)
        self.store_names = StoreNames(database, surroundings.now_ms)
        self.zone = StoreZone(database, surroundings.now_ms)
        self._secret = read_secret(settings.secret_path, surroundings)

    def now(self) -> datetime:
        """This moment, to the millisecond."""
        return from_ms(self.surroundings.now_ms())

    def secret_for(self, purpose: str) -> bytes:
        """A secret of 32 bytes for one purpose; knowing one tells nothing about another."""
        return hashlib.blake2b(purpose.encode(), key=self._secret, digest_size=SECRET_BYTES).digest()

    def __repr__(self) -> str:
        return "Service()"


def read_secret(path: Path, surroundings: Surroundings) -> bytes:
    """The installation's secret; made at the first start, readable by its owner alone."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        secret = path.read_bytes()
        if len(secret) != SECRET_BYTES:
            raise SettingsError(f"{path}: expected {SECRET_BYTES} bytes, got {len(secret)}; restore it") from None
        return secret
    with os.fdopen(descriptor, "wb") as file:
        secret = surroundings.random_bytes(SECRET_BYTES)
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    return secret
