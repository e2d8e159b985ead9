"""A link that is there when it is needed: one connection, made again with back-off after it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from switch.protocol.codes import ResponseCode

from ._clock import Surroundings
from .credentials import Credentials
from .errors import LinkLostError, SignOnRefusedError, SwitchUnreachableError
from .link import Link
from .policy import Policy
from .terminal_key import TerminalKey

DRAIN_LOOK_MS = 5
"""How often a session that another one has replaced is looked at, whether its last answer has come."""


class KeptLink:
    """Holds the current link of one terminal; all its callers share one attempt to connect."""

    def __init__(
        self, host: str, port: int, key: Credentials | TerminalKey, policy: Policy, surroundings: Surroundings
    ) -> None:
        self._address = (host, port)
        self._key = key
        self._prefers_next = False
        self.on_sign_on: Callable[[Link], None] = lambda link: None
        self._policy = policy
        self._surroundings = surroundings
        self._link: Link | None = None
        self._connecting = asyncio.Lock()
        self._failure_count = 0
        self._retry_after_ms = 0
        self.connect_count = 0
        """Sign-ons that succeeded."""

    @property
    def current(self) -> Link | None:
        """The link, when there is a living one."""
        return self._link if self._link is not None and self._link.alive else None

    async def get(self, deadline_ms: int) -> Link:
        """A living link; `SwitchUnreachableError` when there is none by the deadline (monotonic, milliseconds)."""
        last_error: LinkLostError | None = None
        while True:
            if (link := self.current) is not None:
                return link
            async with self._connecting:
                if (link := self.current) is not None:
                    return link
                last_error = await self._attempt(deadline_ms, last_error)

    async def _attempt(self, deadline_ms: int, last_error: LinkLostError | None) -> LinkLostError | None:
        """One pause and one try; the error of the try, or `None` when there is a link now."""
        if self._link is not None:  # it was there and was lost
            self._failure_count += 1
            self._link = None
        pause_ms = max(
            self._policy.backoff_ms(self._failure_count, self._surroundings.unit_random()), float(self._retry_after_ms)
        )
        left_ms = deadline_ms - self._surroundings.monotonic_ms()
        if left_ms <= 0 or pause_ms > left_ms:
            raise SwitchUnreachableError(
                "expected a connection to the switch before the deadline, got none"
                + (f" (last attempt: {last_error})" if last_error else "")
                + "; check the line, and call again"
            )
        if pause_ms > 0:
            await self._surroundings.sleep_ms(pause_ms)
        try:
            self._link = await self._sign_on(deadline_ms)
        except LinkLostError as error:
            self._failure_count += 1
            asked_ms = error.retry_after_ms if isinstance(error, SignOnRefusedError) else 0
            self._retry_after_ms = min(asked_ms, self._policy.retry_after_ms_max)
            return error
        self._retry_after_ms = 0
        self.connect_count += 1
        self.on_sign_on(self._link)
        return None

    async def _sign_on(self, deadline_ms: int) -> Link:
        """With the key or, while it is being changed, with whichever of the two the switch accepts."""
        key, next_key = (self._key, None) if isinstance(self._key, Credentials) else (self._key.key, self._key.next)
        if next_key is None:
            self._prefers_next = False
            return await self._connect(key, deadline_ms)
        first, second = (next_key, key) if self._prefers_next else (key, next_key)
        try:
            return await self._connect(first, deadline_ms)
        except SignOnRefusedError as error:
            if error.code != ResponseCode.SIGN_ON_REFUSED:
                raise
        link = await self._connect(second, deadline_ms)
        self._prefers_next = not self._prefers_next
        return link

    async def _connect(self, credentials: Credentials, deadline_ms: int) -> Link:
        timeout_ms = max(1, min(self._policy.connect_timeout_ms, deadline_ms - self._surroundings.monotonic_ms()))
        return await Link.connect(*self._address, credentials, self._surroundings, timeout_ms=timeout_ms)

    async def go_over(self, credentials: Credentials, deadline_ms: int) -> Link:
        """A session made with another key takes the place of this one, which ends when all of its are answered.

        `SwitchUnreachableError` when the switch does not take that key by now; this session then goes on.
        """
        async with self._connecting:
            try:
                link = await self._connect(credentials, deadline_ms)
            except LinkLostError as error:
                raise SwitchUnreachableError(f"expected a session with the next key, got none: {error}") from error
            before, self._link = self._link, link
            self._prefers_next = True
            self.connect_count += 1
        if before is not None:
            latest_ms = self._surroundings.monotonic_ms() + self._policy.request_timeout_ms
            while before.alive and not before.is_idle and self._surroundings.monotonic_ms() < latest_ms:
                await self._surroundings.sleep_ms(DRAIN_LOOK_MS)
            await before.close()
        return link

    def note_answer(self) -> None:
        """The switch has answered a request: only now is the line good, and the back-off begins anew."""
        self._failure_count = 0

    def drop(self, link: Link) -> None:
        """Give up a link that does not answer; the next `get` connects again, after a pause."""
        if link is self._link:
            link.abort()

    async def close(self) -> None:
        """Sign off and close."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()
