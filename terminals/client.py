"""A terminal as its program sees it: one call per request, one of three outcomes, and no loose ends.

What a client does when an answer stays out, in this order: connect again,
send the same bytes again (a repeat, which the switch answers from memory),
and, for a debit, undo it with a reversal, which the switch honours even when
the debit overtakes it.  Only when the switch stays away beyond the deadline
does a call end in UNKNOWN; then the request stays in the trace store, and
`settle` finishes it later, in this process or the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import Self

from switch.protocol.codes import CodeClass, ResponseCode, code_class
from switch.protocol.messages import (
    BalanceRequest,
    BillLine,
    CreditRequest,
    DebitFlag,
    DebitRequest,
    EchoReply,
    EchoRequest,
    ErrorReply,
    Evidence,
    MessageType,
    RechargeChannel,
    Reply,
    ReversalRequest,
    Tender,
)
from switch.protocol.session import AnyReply

from ._clock import SYSTEM, Surroundings
from .credentials import Credentials
from .day_close import DayCloser
from .day_close_report import DEFAULT_CLOSE_POLICY, ClosePolicy, DayCloseReport
from .errors import LinkLostError, RefusedBySwitchError, SwitchUnreachableError
from .key_change import KeyChanger
from .masking import mask
from .operators import Build, OperatorCalls
from .outcome import Outcome, Verdict, meaning_of, name_code
from .policy import DEFAULT_POLICY, Policy
from .reconnect import KeptLink
from .settlement import Settler
from .terminal_key import TerminalKey
from .till_calls import TillCalls
from .trace import OpenRequest, TraceStore

REASON_CUSTOMER = 1
REFERENCE_BYTES = 16


class Client(OperatorCalls, TillCalls):
    """One terminal: `async with Client(host, port, credentials, FileTrace(path, terminal_id)) as client`."""

    def __init__(
        self,
        host: str,
        port: int,
        credentials: Credentials | TerminalKey,
        trace: TraceStore,
        *,
        policy: Policy = DEFAULT_POLICY,
        surroundings: Surroundings = SYSTEM,
    ) -> None:
        self._kept = KeptLink(host, port, credentials, policy, surroundings)
        self._settler = Settler(self._kept, trace, policy, surroundings)
        self._trace = trace
        self._policy = policy
        self._surroundings = surroundings
        key = credentials if isinstance(credentials, TerminalKey) else None
        self._changer = KeyChanger(key, self._kept, self._settler, trace, self._keyed, policy, surroundings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.sign_off()

    # ------------------------------------------------------------------- money

    async def debit(
        self,
        card_number: int,
        amount_minor: int,
        lines: Iterable[BillLine] = (),
        *,
        entry_mode: int = 0,
        tenders: Iterable[Tender] = (),
        flags: int = 0,
        settlement: int = 0,
        pin: bytes = b"",
        stamp_ms: int | None = None,
        evidence: Evidence | None = None,
    ) -> Outcome:
        """Pay a bill from a card.  APPROVED: hand over the goods.  DECLINED: no money moved, or it was given back.

        `evidence` is what was read from the card's medium (`evidence.py`); a chip's is about `amount_minor` and
        `stamp_ms`, and about one debit only: another one needs another reading.
        """
        bill, parts = tuple(lines), tuple(tenders)
        choices = flags | (DebitFlag.PIN if pin else 0)
        return await self._keyed(
            MessageType.DEBIT,
            lambda trace_number, business_date, now_ms: DebitRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=now_ms if stamp_ms is None else stamp_ms,
                card_number=card_number,
                amount_minor=amount_minor,
                entry_mode=entry_mode,
                flags=choices,
                settlement=settlement,
                lines=bill,
                tenders=parts,
                pin=pin,
                evidence=evidence,
            ),
        )

    async def credit(
        self,
        card_number: int,
        amount_minor: int,
        *,
        channel: int = RechargeChannel.CASH_STORE,
        reference: bytes = b"",
        operator_id: int = 0,
        received_minor: int = 0,
        stamp_ms: int | None = None,
    ) -> Outcome:
        """Put value on a card; a reference of the channel (1 to 16 bytes) is credited once, an empty one always."""
        return await self._keyed(
            MessageType.CREDIT,
            lambda trace_number, business_date, now_ms: CreditRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=now_ms if stamp_ms is None else stamp_ms,
                card_number=card_number,
                amount_minor=amount_minor,
                channel=channel,
                operator_id=operator_id,
                received_minor=received_minor,
                reference=reference.ljust(REFERENCE_BYTES, b"\0"),
            ),
        )

    async def reverse(
        self,
        card_number: int,
        amount_minor: int,
        original_trace_number: int,
        original_business_date: int,
        *,
        reason: int = REASON_CUSTOMER,
    ) -> Outcome:
        """Give back a debit of this terminal; the numbers are those of its outcome."""
        return await self._keyed(
            MessageType.REVERSAL,
            lambda trace_number, business_date, now_ms: ReversalRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=now_ms,
                card_number=card_number,
                amount_minor=amount_minor,
                original_trace_number=original_trace_number,
                original_business_date=original_business_date,
                reason=reason,
            ),
        )

    async def balance(self, card_number: int) -> Outcome:
        """Balance and points of a card; never UNKNOWN, but `SwitchUnreachableError` when nobody answers in time."""
        request = BalanceRequest(stamp_ms=self._surroundings.now_ms(), card_number=card_number)
        reply = await self._ask(MessageType.BALANCE, request.encode())
        assert isinstance(reply, Reply)
        verdict = Verdict.APPROVED if reply.code == ResponseCode.APPROVED else Verdict.DECLINED
        meaning = f"Balance inquiry for {mask(card_number)}: {meaning_of(reply.code)}"
        return Outcome(verdict, reply.code, 0, reply.business_date, meaning, reply)

    async def echo(self) -> EchoReply:
        """The switch's time and business date; `SwitchUnreachableError` when nobody answers by the deadline."""
        reply = await self._ask(MessageType.ECHO, EchoRequest(stamp_ms=self._surroundings.now_ms()).encode())
        assert isinstance(reply, EchoReply)
        self._settler.learn_date(reply.business_date)
        return reply

    async def change_key(self) -> Outcome:
        """Go over to a new key of the terminal's own drawing, or finish a change that was begun; see `key_change.py`.

        APPROVED: the key file has the new key alone.  Otherwise call again.
        Takes a client made with `TerminalKey(path)`; one made so also does it by
        itself at a quiet moment when the switch asks for it.
        """
        return await self._changer.change()

    @property
    def keys_changed(self) -> int:
        """Changes of key that this client has brought to their end."""
        return self._changer.changed_count

    async def challenge(self) -> bytes:
        """What a chip is asked now (8 bytes): the session's, which the switch takes until the session after the next.

        Connects first if there is no link; `SwitchUnreachableError` when there is none by the deadline.
        """
        return (await self._kept.get(self._settler.deadline_ms())).challenge

    async def sign_off(self) -> None:
        """End the session; the next call signs on again."""
        self._changer.stop()
        await self._kept.close()

    def cut(self) -> None:
        """End the connection without a word, as a pulled cable does; open requests stay open."""
        if (link := self._kept.current) is not None:
            link.abort()

    # ------------------------------------------------------------------- loose ends

    @property
    def unsettled(self) -> list[OpenRequest]:
        """Open requests that no running call takes care of: look here after a start, and after each UNKNOWN."""
        return [request for request in self._trace.open_requests() if request.trace_number not in self._settler.carried]

    async def settle(self) -> list[Outcome]:
        """Settle every open request: undo debits, since nobody was told that they were approved; send the rest again.

        One outcome per request, except that a debit and its own reversal have
        one together.  UNKNOWN ones stay open.
        """
        outcomes = []
        settler = self._settler
        debits = {request.trace_number for request in self._trace.open_requests() if request.type == MessageType.DEBIT}
        for request in self.unsettled:
            deadline_ms = settler.deadline_ms()
            if not self._trace.is_open(request.trace_number) or request.trace_number in settler.carried:
                continue  # settled, or taken over by a call, while we were busy with the one before
            if request.stuck_code:
                outcomes.append(settler.stuck(request, request.stuck_code))
            elif request.type == MessageType.DEBIT:
                outcomes.append(await settler.undo(request, deadline_ms))
            elif request.type == MessageType.REVERSAL:
                if settler.original_of(request) not in debits:
                    outcomes.append(await settler.carry(request, deadline_ms, is_uncertain=True))
            else:
                outcomes.append(await settler.carry(request, deadline_ms, is_uncertain=True))
        return outcomes

    def forget(self, trace_number: int) -> None:
        """Drop a stuck request after a person has found out what became of it; others cannot be dropped."""
        for request in self._trace.open_requests():
            if request.trace_number == trace_number and not request.stuck_code:
                raise ValueError(
                    f"trace number {trace_number}: expected a stuck request, got one that settle() can finish"
                )
        self._trace.close(trace_number)  # disk

    def compact_trace(self) -> None:
        """Write the trace file anew without what was answered: after a request that had a key in it."""
        self._trace.compact()  # disk

    # ------------------------------------------------------------------- day close

    async def close_day(
        self, business_date: int | None = None, policy: ClosePolicy = DEFAULT_CLOSE_POLICY
    ) -> DayCloseReport:
        """Agree with the switch on every request of a business date: today (`None`) or the day before.

        Settles open requests first.  The trace store must keep a book: `FileTrace` does.
        """
        if business_date is None:
            business_date = await self._settler.business_date(self._settler.deadline_ms())
        closer = DayCloser(self._trace, self._settler, self._keyed, self._ask, self.settle, self._surroundings, policy)
        return await closer.close(business_date)

    # ------------------------------------------------------------------- inside

    async def _keyed(self, type_: MessageType, build: Build) -> Outcome:
        """Number a request, store it, carry it; once more under another business date when the first was refused."""
        settler = self._settler
        deadline_ms = settler.deadline_ms()
        for renumber_count in range(self._policy.renumber_count_max + 1):
            try:
                business_date = await settler.business_date(deadline_ms)
            except SwitchUnreachableError as error:
                return Outcome(Verdict.DECLINED, None, 0, 0, f"Nothing was sent: {error}")
            body_of = partial(_encode, build, business_date, self._surroundings.now_ms())
            request = self._trace.begin(type_, business_date, body_of)  # disk
            outcome = await settler.carry(request, deadline_ms)
            date_was_refused = outcome.code == ResponseCode.BUSINESS_DATE and outcome.verdict is Verdict.DECLINED
            if not date_was_refused or renumber_count == self._policy.renumber_count_max:
                return outcome
        raise AssertionError("the last round returns")

    async def _ask(self, type_: MessageType, body: bytes) -> AnyReply:
        """Reply to a request without a key; sent again until there is one, because it changes nothing."""
        settler = self._settler
        deadline_ms = settler.deadline_ms()
        while True:
            try:
                reply = await settler.exchange(type_, body, deadline_ms)
            except LinkLostError:
                continue
            if isinstance(reply, ErrorReply) or (isinstance(reply, Reply) and reply.code == ResponseCode.NOT_PERMITTED):
                raise RefusedBySwitchError(
                    f"{type_.name}: expected an answer, got {name_code(reply.code)}: {meaning_of(reply.code)}",
                    reply.code,
                )
            if isinstance(reply, Reply) and code_class(reply.code) is CodeClass.RETRY:
                if not await settler.wait_as_told(reply, deadline_ms):
                    raise SwitchUnreachableError(
                        f"{type_.name}: expected an answer in time, got {name_code(reply.code)}; call again later"
                    )
                continue
            return reply


def _encode(build: Build, business_date: int, stamp_ms: int, trace_number: int) -> bytes:
    return build(trace_number, business_date, stamp_ms).encode()
