"""Cards put in and taken out, readers plugged in and out: told as they happen, from a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Self

from .errors import ChipError
from .pcsc import Context, ReaderState

LOOK_MS = 400
"""How often readers are listed and the end is looked for; pcscd itself looks into a reader as often."""
END_TIMEOUT_MS = 2_000
NEVER_SEEN = ReaderState(raw=0, present=False, mute=False, known=True, atr=b"")


class CardEventKind(Enum):
    """What happened."""

    INSERTED = "inserted"
    REMOVED = "removed"
    READER_ADDED = "reader added"
    READER_REMOVED = "reader removed"
    SERVICE_LOST = "service lost"
    SERVICE_BACK = "service back"


@dataclass(frozen=True, slots=True)
class CardEvent:
    """One event; `reader` is empty for the service, `atr` for all but a card put in."""

    kind: CardEventKind
    reader: str = ""
    atr: bytes = b""


class CardWatch:
    """Calls `on_event` from its thread until `close`; pcscd may come and go meanwhile.

    What is there when it begins is told as added and inserted.
    """

    def __init__(self, on_event: Callable[[CardEvent], None]) -> None:
        self._on_event = on_event
        self._end = threading.Event()
        self._is_there = True
        self._states: dict[str, ReaderState] = {}
        self._thread = threading.Thread(target=self._run, name="card watch", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """No event comes when this has returned, unless the thread hangs in pcscd."""
        self._end.set()
        self._thread.join(END_TIMEOUT_MS / 1000)

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                context = Context()
                try:
                    self._follow(context)
                finally:
                    context.close()
            except ChipError:
                self._lost()
                self._end.wait(LOOK_MS / 1000)

    def _follow(self, context: Context) -> None:
        while not self._end.is_set():
            names = context.readers()
            if not self._is_there:
                self._is_there = True
                self._on_event(CardEvent(CardEventKind.SERVICE_BACK))
            for name in set(self._states) - set(names):
                self._gone(name)
            for name in names:
                if name not in self._states:
                    self._states[name] = NEVER_SEEN
                    self._on_event(CardEvent(CardEventKind.READER_ADDED, name))
            if not names:
                self._end.wait(LOOK_MS / 1000)
                continue
            known = {name: state.raw for name, state in self._states.items()}
            for name, state in (context.wait_for_change(known, LOOK_MS) or {}).items():
                if state.known:
                    self._tell(name, self._states[name], state)
                    self._states[name] = state

    def _tell(self, name: str, before: ReaderState, after: ReaderState) -> None:
        is_another = before.event_count != after.event_count
        if before.present and (not after.present or is_another):
            self._on_event(CardEvent(CardEventKind.REMOVED, name))
        if after.present and (not before.present or is_another):
            self._on_event(CardEvent(CardEventKind.INSERTED, name, after.atr))

    def _gone(self, name: str) -> None:
        if self._states.pop(name).present:
            self._on_event(CardEvent(CardEventKind.REMOVED, name))
        self._on_event(CardEvent(CardEventKind.READER_REMOVED, name))

    def _lost(self) -> None:
        for name in list(self._states):
            self._gone(name)
        if self._is_there:
            self._is_there = False
            self._on_event(CardEvent(CardEventKind.SERVICE_LOST))
