"""The service's own terminals at the switch: one for headquarters, one for each store at whose desk somebody works.

A store's operations must go through a terminal of that store: the switch books
the accepting organisation by it, and card types allow recharges by outlet.
The first terminal is made with the operator's key (`cardswitch admin enrol`);
it makes the others itself when they are needed, key file first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from admin.errors import SettingsError, SwitchLinkError
from admin.settings import Settings
from admin.switch_link import SwitchLink, TerminalKey, read_key_file
from switch.protocol.messages import Right, TerminalStatus

TERMINAL_ID_FIRST = 4_000_000_000
"""Terminal of headquarters; a store's is this plus the store's number.  Tills are numbered by people, from below."""
STORE_ID_MAX = 2**32 - 1 - TERMINAL_ID_FIRST
KEY_BYTES = 32
WIRE_KEY_BYTES = 40
HEADQUARTERS = 0
RIGHTS = {
    True: Right.PAY | Right.CREDIT | Right.CONFIGURE | Right.CARDS | Right.FOLLOW | Right.SECURITY,
    False: Right.PAY | Right.CREDIT | Right.CARDS,
}
"""Of headquarters' terminal, and of a store's."""


def terminal_id_of(store_id: int) -> int:
    """Number of the service's terminal in a store; `SettingsError` for a store whose number is too high."""
    if not 0 <= store_id <= STORE_ID_MAX:
        raise SettingsError(f"store {store_id}: expected a number up to {STORE_ID_MAX}, got more; number it anew")
    return TERMINAL_ID_FIRST + store_id


def key_path(settings: Settings, store_id: int) -> Path:
    """Key file of a terminal of the service."""
    return Path(settings.data) / "desk" / f"terminal-{terminal_id_of(store_id)}.key"


def make_key(path: Path, terminal_id: int, random_bytes: Callable[[int], bytes]) -> TerminalKey:
    """A key file with a new key, on disk and readable by its owner alone; the one that there is when there is one."""
    if path.exists():
        return read_key_file(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = TerminalKey(terminal_id, random_bytes(KEY_BYTES).hex())
    waiting = path.with_suffix(".new")
    waiting.unlink(missing_ok=True)
    with os.fdopen(os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(key))
        file.flush()
        os.fsync(file.fileno())
    waiting.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return key


def fields_of_terminal(store_id: int, key: TerminalKey) -> dict[str, object]:
    """Fields of the `PutTerminalRequest` that makes a terminal of the service."""
    return {
        "terminal_id": key.terminal_id,
        "store_id": store_id,
        "rights": RIGHTS[store_id == HEADQUARTERS],
        "status": TerminalStatus.ACTIVE,
        "flags": 0,
        "key": bytes.fromhex(key.key).ljust(WIRE_KEY_BYTES, b"\0"),
    }


def link_of(settings: Settings, store_id: int, random_bytes: Callable[[int], bytes]) -> SwitchLink:
    """A signed-on connection as the service's terminal of a store; `SwitchLinkError` when there is none."""
    path = key_path(settings, store_id)
    if not path.exists():
        raise SwitchLinkError(
            f"{path}: expected the key of the service's own terminal, got no file; run cardswitch admin enrol"
        )
    return SwitchLink(settings.switch_host, settings.switch_port, read_key_file(path), random_bytes)
