from collections.abc import Sequence
from typing import TypedDict

from switch._keys import KeyRing
from switch._tables import Tables
from switch.duplicates import AnswerWindow
from switch.group_commit import GroupCommit

class _Figures(TypedDict):
    types: dict[int, int]
    codes: dict[int, int]
    repeats: int
    answers: int

class Engine:
    @property
    def tables(self) -> Tables: ...
    @property
    def answers(self) -> AnswerWindow: ...
    @property
    def commit(self) -> GroupCommit: ...
    @property
    def replay_mode(self) -> bool: ...
    @property
    def last_entry_position(self) -> int: ...
    def __init__(
        self,
        tables: Tables,
        answers: AnswerWindow,
        commit: GroupCommit,
        zone: Sequence[tuple[int, int]],
        replay_mode: bool,
        last_now_ms: int = 0,
        keys: KeyRing | None = None,
    ) -> None: ...
    @property
    def keys(self) -> KeyRing: ...
    def keys_changed(self) -> None: ...
    def prepare(
        self,
        terminal_id: int,
        message: bytes | bytearray | memoryview,
        now_ms: int,
        challenge: bytes = ...,
        previous: bytes = ...,
    ) -> bytes | None: ...
    def answered(self, terminal_id: int, business_date: int, trace_number: int) -> tuple[int, bytes] | None: ...
    def decide(
        self, terminal_id: int, rights: int, message: bytes | bytearray | memoryview, now_ms: int
    ) -> tuple[bytes, bytes | None]: ...
    def reexecute(self, entry: bytes | bytearray | memoryview, position: int) -> bytes | None: ...
    def date_of(self, now_ms: int) -> int: ...
    def count(self, request_type: int, code: int) -> None: ...
    def figures(self) -> _Figures: ...
