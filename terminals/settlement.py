"""From a stored request to its outcome, whatever the line does in between.

One table says what each end of an exchange means; *uncertain* is a request of
which some copy may have reached the switch without an answer.

| what comes                     | request is certain             | request is uncertain                       |
|--------------------------------|--------------------------------|--------------------------------------------|
| an answer of class final or 0  | that is the outcome            | that is the outcome (a repeat hears it)    |
| BUSY, DISK_FULL, WINDOW_FULL   | wait as told, same bytes again | the same                                   |
| BUSINESS_DATE                  | nothing recorded: declined     | debit: reverse it; others: stuck           |
| NOT_PERMITTED, QUARANTINED     | nothing recorded: declined     | debit: reverse it; others: unknown         |
| no answer                      | becomes uncertain              | same bytes again; debit: at last reverse it|
| deadline                       | never sent: declined           | unknown, stays open                        |
"""

from __future__ import annotations

import msgspec

from switch.protocol.codes import CodeClass, ResponseCode, code_class
from switch.protocol.errors import PeerError, ProtocolError
from switch.protocol.messages import DebitRequest, ErrorReply, MessageType, Reply, ReversalRequest
from switch.protocol.session import AnyReply, parse_reply

from ._clock import Surroundings
from .errors import LinkLostError, RequestTimeoutError, SwitchUnreachableError
from .outcome import Outcome, Verdict, meaning_of, name_code
from .policy import Policy
from .reconnect import KeptLink
from .trace import Heard, OpenRequest, TraceStore

REASON_UNKNOWN_OUTCOME = 0

_NEVER_APPLIED = frozenset({ResponseCode.ORIGINAL_MISMATCH, ResponseCode.ORIGINAL_NOT_REVERSIBLE})
"""Answers to a reversal which say that the original's number belongs to another request: ours was refused as
TRACE_REUSED and will always be."""

_BEFORE_THE_KEY = (ResponseCode.BUSINESS_DATE, ResponseCode.NOT_PERMITTED, ResponseCode.QUARANTINED)
"""Answers that the switch gives without looking whether it knows the request."""


def heard_of(request: OpenRequest, reply: Reply | None) -> Heard | None:
    """What the book has of an answer; nothing when the switch has no entry of it, or does not count it."""
    if reply is None or request.type == MessageType.DAY_TOTALS:
        return None
    if code_class(reply.code) not in (CodeClass.APPROVED, CodeClass.FINAL):
        return None
    return Heard(code=reply.code, amount_minor=reply.amount_minor, journal_sequence=reply.journal_sequence)


class Settler:
    """Carries requests of one terminal to their outcome."""

    def __init__(self, kept: KeptLink, trace: TraceStore, policy: Policy, surroundings: Surroundings) -> None:
        self._kept = kept
        self._trace = trace
        self._policy = policy
        self._surroundings = surroundings
        self._told_date = 0
        self.carried: set[int] = set()
        """Trace numbers of open requests that a running call takes care of."""

    def deadline_ms(self) -> int:
        """Deadline of a call that begins now, on the monotonic clock."""
        return self._surroundings.monotonic_ms() + self._policy.settle_deadline_ms

    async def business_date(self, deadline_ms: int) -> int:
        """Latest business date that the switch has told; connects first if there is no link."""
        link = await self._kept.get(deadline_ms)
        self.learn_date(link.business_date)
        return self._told_date

    def learn_date(self, business_date: int) -> None:
        """Note a business date that the switch has told; dates never go back."""
        self._told_date = max(self._told_date, business_date)

    async def exchange(self, type_: int, body: bytes, deadline_ms: int) -> AnyReply:
        """One attempt: a link, the request, its reply.

        `SwitchUnreachableError` when there is no link by the deadline, `LinkLostError`
        when the request got no answer that can be read.
        """
        if self._surroundings.monotonic_ms() >= deadline_ms:
            raise SwitchUnreachableError("expected an answer before the deadline, got none; call settle() later")
        link = await self._kept.get(deadline_ms)
        try:
            header, reply_body = await link.request(type_, body, self._policy.request_timeout_ms)
        except RequestTimeoutError:
            self._kept.drop(link)  # the line may be dead in one direction only; a new one is cheap
            raise
        self._kept.note_answer()
        try:
            reply = parse_reply(type_, header, reply_body)
        except PeerError as error:
            self._kept.drop(link)
            raise LinkLostError(f"expected a reply that can be read, got: {error}; the connection was cut") from error
        if isinstance(reply, Reply):
            self.learn_date(reply.business_date)
        return reply

    async def wait_as_told(self, reply: Reply, deadline_ms: int) -> bool:
        """Wait as long as the switch asks for before the same bytes go again; false when the deadline is nearer."""
        pause_ms = min(max(reply.retry_after_ms, 1), self._policy.retry_after_ms_max)
        if self._surroundings.monotonic_ms() + pause_ms >= deadline_ms:
            return False
        await self._surroundings.sleep_ms(pause_ms)
        return True

    async def carry(self, request: OpenRequest, deadline_ms: int, *, is_uncertain: bool = False) -> Outcome:
        """Send a stored request until it has an outcome; `is_uncertain` when an earlier process may have sent it."""
        self.carried.add(request.trace_number)
        try:
            return await self._carry(request, deadline_ms, is_uncertain)
        finally:
            self.carried.discard(request.trace_number)

    async def _carry(self, request: OpenRequest, deadline_ms: int, is_uncertain: bool) -> Outcome:
        is_debit = request.type == MessageType.DEBIT
        unanswered_count = 0
        code: int | None = None
        while True:
            try:
                reply = await self.exchange(request.type, request.body, deadline_ms)
            except SwitchUnreachableError as error:
                return self._out_of_time(request, is_uncertain, code, str(error))
            except LinkLostError as error:
                is_uncertain |= error.sent
                unanswered_count += error.sent
                if is_debit and unanswered_count > self._policy.resend_count_max:
                    return await self.undo(request, deadline_ms)
                continue
            except ProtocolError as error:  # our own bytes do not fit a frame: they never left
                return self._settled(request, Verdict.DECLINED, None, f"Nothing was sent: {error}")
            if isinstance(reply, ErrorReply):
                meaning = f"{meaning_of(reply.code)} Offset {reply.offset}: expected {reply.expected}, got {reply.got}."
                return self._settled(request, Verdict.DECLINED, reply.code, meaning)
            assert isinstance(reply, Reply)
            code = reply.code
            if code_class(code) is CodeClass.RETRY:
                if not await self.wait_as_told(reply, deadline_ms):
                    return self._out_of_time(request, is_uncertain, code, meaning_of(code))
                continue
            is_late_key = request.type == MessageType.CHANGE_KEY  # the key file knows how to go on, whatever came of it
            if is_uncertain and not is_late_key and code in _BEFORE_THE_KEY:
                # Judged before the key: an earlier copy may have been applied all the same.
                if is_debit:
                    return await self.undo(request, deadline_ms)
                if code == ResponseCode.BUSINESS_DATE:
                    return self.stuck(request, code)
                return self._unknown(request, code, meaning_of(code))
            verdict = Verdict.APPROVED if code == ResponseCode.APPROVED else Verdict.DECLINED
            return self._settled(request, verdict, code, meaning_of(code), reply)

    async def undo(self, request: OpenRequest, deadline_ms: int) -> Outcome:
        """Reverse a debit whose answer never came, until the reversal is answered."""
        debit = DebitRequest.decode(request.body)
        template = ReversalRequest(
            trace_number=0,
            business_date=0,
            stamp_ms=0,
            card_number=debit.card_number,
            amount_minor=debit.amount_minor,
            original_trace_number=request.trace_number,
            original_business_date=request.business_date,
            reason=REASON_UNKNOWN_OUTCOME,
        )
        self.carried.add(request.trace_number)
        try:
            reply, hint = await self.reverse(template, self._open_reversal_of(request), deadline_ms)
        finally:
            self.carried.discard(request.trace_number)
        if reply is None:
            return self._unknown(request, None, hint)
        if reply.code == ResponseCode.APPROVED:
            meaning = "No answer to the debit came in time; it was reversed: no money moved, or it was given back."
            return self._settled(request, Verdict.DECLINED, None, meaning, is_reversed=True)
        if reply.code in _NEVER_APPLIED:
            meaning = f"The debit was never applied: {meaning_of(reply.code)} Check the terminal's trace file."
            return self._settled(request, Verdict.DECLINED, reply.code, meaning)
        if code_class(reply.code) is CodeClass.FINAL:
            return self.stuck(request, reply.code)
        return self._unknown(request, reply.code, meaning_of(reply.code))

    async def reverse(
        self, template: ReversalRequest, request: OpenRequest | None, deadline_ms: int
    ) -> tuple[Reply | None, str]:
        """Send a reversal until it is answered; the answer, or `None` and why there is none.

        `request` is a reversal that was stored before.  Reversing twice does
        what reversing once does, so a reversal that cannot go on under its own
        number or date simply gets another one.
        """
        for _ in range(self._policy.renumber_count_max + 1):
            if request is None:
                try:
                    request = await self._begin_reversal(template, deadline_ms)
                except SwitchUnreachableError as error:
                    return None, str(error)
            self.carried.add(request.trace_number)
            try:
                reply, hint = await self.until_answered(request, deadline_ms)
            finally:
                self.carried.discard(request.trace_number)
            if reply is None:
                return None, hint
            if reply.code == ResponseCode.NOT_PERMITTED:
                return reply, hint  # an operator can put that right; the reversal stays stored
            self._trace.close(request.trace_number, heard_of(request, reply))  # disk
            if reply.code not in (ResponseCode.BUSINESS_DATE, ResponseCode.TRACE_REUSED):
                return reply, hint
            request = None
        return reply, hint

    async def _begin_reversal(self, template: ReversalRequest, deadline_ms: int) -> OpenRequest:
        business_date = await self.business_date(deadline_ms)
        stamp_ms = self._surroundings.now_ms()

        def build(trace_number: int) -> bytes:
            return msgspec.structs.replace(
                template, trace_number=trace_number, business_date=business_date, stamp_ms=stamp_ms
            ).encode()

        return self._trace.begin(MessageType.REVERSAL, business_date, build, urgent=True)  # disk

    async def until_answered(self, request: OpenRequest, deadline_ms: int) -> tuple[Reply | None, str]:
        """Send the same bytes until there is an answer that lasts, without undoing anything; or `None` and why."""
        while True:
            try:
                reply = await self.exchange(request.type, request.body, deadline_ms)
            except SwitchUnreachableError as error:
                return None, str(error)
            except LinkLostError:
                continue
            if not isinstance(reply, Reply):
                return None, f"expected an answer to the request, got {reply}; the switch and this terminal disagree"
            if code_class(reply.code) is not CodeClass.RETRY:
                return reply, meaning_of(reply.code)
            if not await self.wait_as_told(reply, deadline_ms):
                return None, meaning_of(reply.code)

    def _open_reversal_of(self, request: OpenRequest) -> OpenRequest | None:
        for candidate in self._trace.open_requests():
            if candidate.type == MessageType.REVERSAL and self.original_of(candidate) == request.trace_number:
                return candidate
        return None

    def original_of(self, reversal: OpenRequest) -> int:
        """Trace number of the debit that a stored reversal undoes."""
        return ReversalRequest.decode(reversal.body).original_trace_number

    # ------------------------------------------------------------------- the three ends

    def _settled(
        self,
        request: OpenRequest,
        verdict: Verdict,
        code: int | None,
        meaning: str,
        reply: Reply | None = None,
        *,
        is_reversed: bool = False,
    ) -> Outcome:
        heard = heard_of(request, reply)
        self._trace.close(request.trace_number, heard, is_reversed=is_reversed)  # disk; before anybody is told
        return Outcome(verdict, code, request.trace_number, request.business_date, meaning, reply, is_reversed)

    def _unknown(self, request: OpenRequest, code: int | None, why: str) -> Outcome:
        meaning = f"Not known yet ({why}); the request is stored, settle() finishes it later."
        return Outcome(Verdict.UNKNOWN, code, request.trace_number, request.business_date, meaning)

    def _out_of_time(self, request: OpenRequest, is_uncertain: bool, code: int | None, why: str) -> Outcome:
        if is_uncertain:
            return self._unknown(request, code, why)
        return self._settled(request, Verdict.DECLINED, code, f"Nothing was recorded: {why}")

    def stuck(self, request: OpenRequest, code: int) -> Outcome:
        """The switch will never settle this request; it stays stored, marked, for a person to look at."""
        self._trace.mark_stuck(request.trace_number, code)  # disk
        meaning = (
            f"Not known, and the switch cannot say any more ({name_code(code)}: {meaning_of(code)})"
            f" Compare trace number {request.trace_number} with the journal, then forget() it."
        )
        return Outcome(Verdict.UNKNOWN, code, request.trace_number, request.business_date, meaning)
