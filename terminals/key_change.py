"""A terminal changes its key while it works: the next key signs on beside the old one before the old one ends.

| step | what is done                                           | after a crash behind it                              |
|------|--------------------------------------------------------|------------------------------------------------------|
| 1    | the next key is put beside the old one, on disk        | the switch knows the old one: goes on with step 2    |
| 2    | CHANGE_KEY: the switch accepts both                    | the old one signs on: step 2 again, it is harmless   |
| 3    | a second session, made with the next key, takes over   | the same                                             |
| 4    | CHANGE_KEY with `confirm`: the old key ends            | the next one signs on: step 4 hears CHANGED_KEY      |
| 5    | the next key alone is in the file                      | done                                                 |

An answer that is lost is a crash that is noticed: the request is sent again
until it is answered, or stays open in the trace store for `settle`.  Requests
in flight are not disturbed: the old session ends when all of its are answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import ChangeKeyRequest, MessageType, TerminalFlag

from ._clock import Surroundings
from .credentials import KEY_BYTES, Credentials
from .errors import CredentialsError, SwitchUnreachableError, TerminalError
from .link import Link
from .operators import Build
from .outcome import Outcome, Verdict
from .policy import Policy
from .reconnect import KeptLink
from .settlement import Settler
from .terminal_key import TerminalKey
from .trace import TraceStore

WIRE_KEY_BYTES = 40


class KeyChanger:
    """Changes the key of one client, when it is asked to, and by itself when the switch asks for it."""

    def __init__(
        self,
        key: TerminalKey | None,
        kept: KeptLink,
        settler: Settler,
        trace: TraceStore,
        keyed: Callable[[MessageType, Build], Awaitable[Outcome]],
        policy: Policy,
        surroundings: Surroundings,
    ) -> None:
        self._key, self._kept, self._settler, self._trace = key, kept, settler, trace
        self._keyed, self._policy, self._surroundings = keyed, policy, surroundings
        self._changing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._is_asked_for = False
        self.changed_count = 0
        """Keys that were changed from begin to end."""
        kept.on_sign_on = self._signed_on

    async def change(self) -> Outcome:
        """Go over to a new key, or finish a change that was begun; the outcome of the last step.

        APPROVED: the file has the new key alone.  Otherwise it has both, and
        the next call goes on.  `CredentialsError` without a key file.
        """
        if self._key is None:
            raise CredentialsError(
                "change of key: expected a client with a key file that it may write, got one with a fixed key;"
                " make the client with TerminalKey(path)"
            )
        async with self._changing:
            return await self._change_or_tell(self._key)

    async def _change_or_tell(self, key: TerminalKey) -> Outcome:
        try:
            return await self._change(key)
        except SwitchUnreachableError as error:
            return Outcome(Verdict.UNKNOWN, None, 0, 0, f"The key is being changed, and will go on: {error}")

    async def _change(self, key: TerminalKey) -> Outcome:
        deadline_ms = self._settler.deadline_ms()
        for request in self._trace.open_requests():  # of an earlier process: nothing old may arrive in between
            if request.type == MessageType.CHANGE_KEY and request.trace_number not in self._settler.carried:
                await self._settler.carry(request, deadline_ms, is_uncertain=True)
        link = await self._kept.get(deadline_ms)
        if key.next is None or not link.is_of(key.next):
            next_key = key.begin(self._surroundings.random_bytes(KEY_BYTES))  # disk: step 1
            outcome = await self._keyed(MessageType.CHANGE_KEY, _request(next_key))  # step 2
            if outcome.verdict is not Verdict.APPROVED:
                return outcome
            link = await self._kept.go_over(next_key, deadline_ms)  # step 3
        outcome = await self._keyed(MessageType.CHANGE_KEY, _request(None))  # step 4
        link = self._kept.current or link
        is_over = outcome.code == ResponseCode.CHANGED_KEY and key.next is not None and link.is_of(key.next)
        if outcome.verdict is Verdict.APPROVED or is_over:
            key.finish()  # disk: step 5
            self._trace.compact()  # disk: the request with the new key in it was there too
            self.changed_count += 1
            self._is_asked_for = False
            meaning = f"Terminal {key.key.terminal_id} has a new key."
            return Outcome(Verdict.APPROVED, 0, outcome.trace_number, outcome.business_date, meaning, outcome.reply)
        return outcome

    # ------------------------------------------------------------------- by itself

    def stop(self) -> None:
        """Give up waiting for a quiet moment; a change that is under way stays begun, and is finished another time."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _signed_on(self, link: Link) -> None:
        if self._key is None or self._changing.locked() or (self._task is not None and not self._task.done()):
            return
        self._is_asked_for = bool(link.terms.flags & TerminalFlag.RENEW_KEY)
        if self._is_asked_for or self._key.next is not None:
            self._task = asyncio.get_running_loop().create_task(self._renew(self._key))

    async def _renew(self, key: TerminalKey) -> None:
        while True:
            await self._quiet_moment()
            async with self._changing:
                if not self._is_asked_for and key.next is None:
                    return  # somebody has asked this client for it meanwhile
                with suppress(TerminalError):  # a full disk, a file that was changed: the old key goes on working
                    if (await self._change_or_tell(key)).verdict is Verdict.APPROVED:
                        return
            await self._surroundings.sleep_ms(self._policy.renew_retry_ms)

    async def _quiet_moment(self) -> None:
        """Nothing sent and nothing in flight for a while; or it has been waited for long enough."""
        latest_ms = self._surroundings.monotonic_ms() + self._policy.renew_latest_ms
        sent_before = -1
        while self._surroundings.monotonic_ms() < latest_ms:
            await self._surroundings.sleep_ms(self._policy.renew_quiet_ms)
            link = self._kept.current
            if link is not None:
                if link.is_idle and link.sent_count == sent_before:
                    return
                sent_before = link.sent_count


def _request(next_key: Credentials | None) -> Build:
    wire_key = bytes(WIRE_KEY_BYTES) if next_key is None else next_key.key.ljust(WIRE_KEY_BYTES, b"\0")
    return lambda trace_number, business_date, stamp_ms: ChangeKeyRequest(
        trace_number=trace_number,
        business_date=business_date,
        stamp_ms=stamp_ms,
        confirm=int(next_key is None),
        key=wire_key,
    )
