"""Steady business with chips and codes while keys change: tills that pay, come back after a kill, and count codes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import DebitFlag, DebitRequest, MessageType, Reply
from tests.support.media import Chip, Phone
from tests.support.till import RefusedError, Till

AMOUNT_MINOR = 100
RETRY_S = 0.02
WAIT_S = 30
PAUSE_S = 0.01
"""Between two payments of one till: what is asked is whether any is refused, and two cores are shared with others."""


@dataclass
class Lane:
    """One till and the media that its customers carry; the media are its own, so each is used by one at a time."""

    terminal_id: int
    key: bytes
    chips: list[Chip] = field(default_factory=list)
    phones: list[Phone] = field(default_factory=list)
    pause_s: float = PAUSE_S
    lock: threading.Lock = field(default_factory=threading.Lock)
    codes: Counter[int] = field(default_factory=Counter)
    paid_count: int = 0
    kill_count: int = 0
    """Payments that a kill cut off, and that were made anew."""


class Load:
    """All lanes, each in a thread."""

    def __init__(self, address: Callable[[], tuple[str, int]], lanes: list[Lane], trace_number: int) -> None:
        self._address, self.lanes = address, lanes
        self._trace_number = trace_number
        self._number_lock = threading.Lock()
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(lane,), daemon=True) for lane in lanes]

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Sell from here to the end of the block."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(WAIT_S)
        self.check()

    def check(self) -> None:
        """Nothing but approvals, and what kills cost."""
        if self._failures:
            raise self._failures[0]
        for lane in self.lanes:
            bad = {code: count for code, count in lane.codes.items() if code != ResponseCode.APPROVED}
            assert bad == {}, f"till {lane.terminal_id}: {bad}"

    def sell_on(self, count: int = 5) -> None:
        """Wait until every lane that has media has sold some more."""
        wanted = [(lane, lane.paid_count + count) for lane in self.lanes if lane.chips or lane.phones]
        deadline_s = time.monotonic() + WAIT_S
        while any(lane.paid_count < aim for lane, aim in wanted):
            self.check()
            assert time.monotonic() < deadline_s, [(lane.terminal_id, lane.paid_count) for lane in self.lanes]
            time.sleep(RETRY_S)
        self.check()

    def number(self) -> int:
        """A trace number that nobody has used."""
        with self._number_lock:
            self._trace_number += 1
            return self._trace_number

    def _run(self, lane: Lane) -> None:
        try:
            turn = 0
            while not self._stop.is_set():
                try:
                    with Till(self._address(), lane.terminal_id, lane.key) as till:
                        while not self._stop.is_set():
                            with lane.lock:
                                self._sell(lane, till, turn)
                            turn += 1
                            time.sleep(lane.pause_s)
                except (OSError, RefusedError, TimeoutError) as error:
                    if isinstance(error, RefusedError):
                        raise
                    lane.kill_count += 1
                    time.sleep(RETRY_S)
        except BaseException as error:
            self._failures.append(error)

    def _sell(self, lane: Lane, till: Till, turn: int) -> None:
        media: list[Chip | Phone] = [*lane.chips, *lane.phones]
        if media:
            pay(self, lane, till, media[turn % len(media)])


def pay(load: Load, lane: Lane, till: Till, medium: Chip | Phone, *, version: int = 0) -> Reply | None:
    """One payment; counted in the lane, unless a version is forced (then it is an attack)."""
    stamp_ms = time.time_ns() // 1_000_000
    if isinstance(medium, Chip):
        evidence = medium.pay(AMOUNT_MINOR, till.challenge, lane.terminal_id, stamp_ms, version)
    else:
        shown = medium.show(stamp_ms)
        if shown is None:
            return None
        evidence = shown
    pin = medium.pin if isinstance(medium, Chip) else b""
    request = DebitRequest(
        flags=DebitFlag.PIN if pin else 0,
        pin=pin and pin.ljust(16, b"\0"),
        trace_number=load.number(),
        business_date=till.terms.business_date,
        stamp_ms=stamp_ms,
        card_number=medium.card_number,
        amount_minor=AMOUNT_MINOR,
        evidence=evidence,
    )
    reply = till.ask(MessageType.DEBIT, request).reply
    if isinstance(medium, Chip) and reply.issuer_answer is not None:
        medium.hear(reply.issuer_answer)
    if not version:
        lane.codes[reply.code] += 1
        lane.paid_count += reply.code == ResponseCode.APPROVED
    return reply
