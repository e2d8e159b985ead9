"""A thread that can be given up: PC/SC has no time-out for a card that never answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class GivenUp(Exception):  # noqa: N818  its catcher makes an error of it that names the reader
    """A job took longer than it may; its thread goes on with it alone and then ends."""


class Worker:
    """One thread that does jobs in order; `at_end` is its last act, also after it was given up."""

    def __init__(self, name: str, at_end: Callable[[], None]) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._at_end = at_end
        # A daemon: a card that never answers must not keep the till's program from ending.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it still works, perhaps on the job that it was given up for."""
        return self._thread.is_alive()

    def do(self, job: Callable[[], T], timeout_ms: int) -> T:
        """What the job returns or raises; `GivenUp` when it takes longer, and nothing may be asked of it any more."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(job())
            except BaseException as error:
                future.set_exception(error)

        self._jobs.put(run)
        try:
            return future.result(timeout_ms / 1000)
        except TimeoutError:
            if future.done():
                return future.result()
            self._jobs.put(None)
            raise GivenUp from None

    def end(self, timeout_ms: int) -> None:
        """Have it finish, and wait for that so long at most."""
        self._jobs.put(None)
        self._thread.join(timeout_ms / 1000)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._at_end()
