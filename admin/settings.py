"""Settings of the admin service: a struct, filled from a TOML file, then from the environment.

`admin.toml` has these names; `CARDSWITCH_ADMIN_<NAME IN CAPITALS>` in the
environment overrides the file.  An unknown name in the file is an error, so
that a typing mistake does not pass for a default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from .errors import SettingsError

ENVIRONMENT_PREFIX = "CARDSWITCH_ADMIN_"
SETTINGS_FILE_VARIABLE = "CARDSWITCH_ADMIN_SETTINGS"
"""Names the TOML file for processes that are started without arguments (the web server's workers)."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an installation chooses."""

    data: str
    """Folder of the service: its SQLite file, its secret, its log."""
    database_url: str = ""
    """SQLAlchemy address (`postgresql+psycopg://…`); empty: a SQLite file in `data`."""
    switch_host: str = "127.0.0.1"
    switch_port: int = 7464
    switch_key: str = ""
    """Key file of the operator's terminal that follows the journal (right FOLLOW)."""
    partition: int = 0
    listen_host: str = "127.0.0.1"
    listen_port: int = 7480
    is_https: bool = False
    """Whether browsers come by HTTPS (through a proxy): then cookies are marked Secure."""
    public_address: str = ""
    """Address that browsers come to (`https://cards.example.com`), where it is not `localhost`: passkeys hang on it."""
    finance_folder: str = ""
    """Folder in which the books (Kingdee K3) find documents; empty: `finance` in `data`."""
    is_private_webhook_allowed: bool = False
    """Whether webhooks may go to private networks and by plain HTTP: whoever subscribes reaches what is in there."""
    is_training: bool = False
    """Whether people practise here: each page says so.  A training installation has a data directory of its own."""
    is_metrics_open: bool = False
    """Whether /metrics answers Prometheus without signing on: only behind a proxy that keeps others away from it."""
    currency: str = "CNY"
    locale: str = "zh"
    """Language of a browser that has not chosen: zh or en."""
    session_minutes: int = 60
    """A session that was idle for so long has ended."""
    session_hours_max: int = 12
    """A session ends after so long in any case: one working day."""
    failures_max: int = 5
    """Wrong passwords in a row after which a user is locked out."""
    lockout_minutes: int = 15
    step_up_minutes: int = 5
    """How long a fresh dynamic password opens the modules that demand one."""

    @property
    def url(self) -> str:
        """Address of the database."""
        return self.database_url or f"sqlite:///{Path(self.data) / 'admin.sqlite'}"

    @property
    def secret_path(self) -> Path:
        """File of the secret that signs CSRF tokens and seals TOTP secrets."""
        return Path(self.data) / "secret.key"


def read_settings(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from a file and the environment; `SettingsError` says what is wrong and where."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: expected a settings file in TOML, got: {error}") from error
    for name in Settings.__struct_fields__:
        if (given := environment.get(ENVIRONMENT_PREFIX + name.upper())) is not None:
            values[name] = given
    values.setdefault("data", str(path.parent))
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}; correct it, or its variable {ENVIRONMENT_PREFIX}…") from error


def write_settings(path: Path, settings: Settings) -> None:
    """Write a settings file; only what differs from the defaults, and the folder."""
    defaults = Settings(data=settings.data)
    lines = []
    for name in Settings.__struct_fields__:
        value = getattr(settings, name)
        if name == "data" or value != getattr(defaults, name):
            # JSON's text, number and truth value are TOML's.
            lines.append(f"{name} = {msgspec.json.encode(value).decode()}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def settings_of_process(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings of a process that was told its file by the environment."""
    try:
        path = environment[SETTINGS_FILE_VARIABLE]
    except KeyError:
        raise SettingsError(f"{SETTINGS_FILE_VARIABLE}: expected the path of admin.toml, got nothing; set it") from None
    return read_settings(Path(path), environment)
