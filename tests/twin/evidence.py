"""Section 18: what a medium's proof is worth, once somebody with keys has examined it.

`judge` is row 6b of section 4.  It answers with a code, or with a `Verdict` that
says whether a PIN is asked for; `Verdict.refuse_pin` is then row 7.  A quote is
judged in the same way and leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AlarmKind,
    AlarmState,
    CardStatus,
    Evidence,
    EvidenceFlag,
    EvidenceOutcome,
    IssuerAnswer,
    KeyPurpose,
    KeyState,
    MediumFlag,
    MediumKind,
    MediumState,
    PolicyFlag,
    ReferReason,
    TerminalStatus,
)
from switch.protocol.records import RecordKind

from .accounts import NO_PIN, refuse_pin, try_pin
from .state import Ask, Decision, Record, State

ANY_AMOUNT = 2**32 - 1
"""A bound of a policy that is none."""
MS_PER_MINUTE = 60_000
MS_PER_TEN_MINUTES, MS_PER_HOUR = 600_000, 3_600_000
WINDOW_BITS, STEP_MAX, JUMP_MAX = 64, 64, 1024
MEDIUM_FAILS_MAX, TERMINAL_FAILS_MAX = 3, 20
U8_MAX, U16_MAX = 255, 65_535

PURPOSE_OF: dict[int, KeyPurpose] = {
    MediumKind.CHIP: KeyPurpose.CHIP,
    MediumKind.CODE: KeyPurpose.CODE,
    MediumKind.STRIPE: KeyPurpose.STRIPE,
    MediumKind.TAG: KeyPurpose.TAG,
}
"""Whose key a medium's key version names."""
PASSING = (KeyState.NEW, KeyState.ACTIVE, KeyState.VERIFY_ONLY)
"""States of a key in which what was made with it passes."""


# --------------------------------------------------------------------------- records


def policy_of(state: State, card: Record) -> Record | None:
    """P: what the media of the card's type may do."""
    return state.tables.find(RecordKind.MEDIUM_POLICY, card.card_type)


def key_passes(state: State, purpose: int, key_version: int) -> bool:
    """Whether what was made with a key version is still good."""
    key = state.tables.find(RecordKind.KEY, purpose, key_version)
    return key is not None and key.state in PASSING


def fails_of_this_hour(record: Record, ask: Ask) -> int:
    """Wrong proofs of a medium or a terminal in the hour of now."""
    return int(record.fails) if record.fail_hour == ask.now_ms // MS_PER_HOUR else 0


def count_fail(record: Record, ask: Ask, largest: int) -> int:
    """One more wrong proof in this hour; how many there are now."""
    record.fails = min(largest, fails_of_this_hour(record, ask) + 1)
    record.fail_hour = ask.now_ms // MS_PER_HOUR
    return int(record.fails)


def raise_alarm(state: State, ask: Ask, decision: Decision, alarm: AlarmKind, **sightings: Any) -> None:
    """Something for security staff; the first of an entry counts, and a full table loses it."""
    if state.tables.find(RecordKind.ALARM, ask.sequence) is None and state.tables.has_room(RecordKind.ALARM):
        fields = {"state": AlarmState.NEW, "alarm": alarm, "sequence": ask.sequence} | sightings
        decision.touch(state.tables.make(RecordKind.ALARM, **fields))


# --------------------------------------------------------------------------- wrong proofs


def count_against_terminal(state: State, ask: Ask, evidence: Evidence, card_number: int, decision: Decision) -> None:
    """(F): who sends many wrong proofs is stopped, and not the cards whose numbers he guesses."""
    terminal = state.tables.find(RecordKind.TERMINAL, ask.terminal_id)
    if terminal is None or ask.terminal_id == 0:
        return
    fails = count_fail(terminal, ask, U16_MAX)
    decision.touch(terminal)
    if fails >= TERMINAL_FAILS_MAX and terminal.status == TerminalStatus.ACTIVE:
        terminal.status = TerminalStatus.QUARANTINED
        raise_alarm(
            state,
            ask,
            decision,
            AlarmKind.ENUMERATION,
            card_number=card_number,
            medium=evidence.medium,
            medium_id=evidence.found_medium_id,
            first_counter=fails,
            second_terminal_id=ask.terminal_id,
            second_store_id=ask.store_id,
            second_ms=ask.now_ms,
            second_counter=evidence.found_counter,
        )


def refuse_nameless(state: State, ask: Ask, form: Any, decision: Decision, *, is_quote: bool) -> ResponseCode | None:
    """A code or tag that nobody knows names no card: it is refused before a card is looked for."""
    if form.evidence is None or form.card_number != 0:
        return None
    if not is_quote:
        count_against_terminal(state, ask, form.evidence, 0, decision)
    return ResponseCode.MEDIUM_UNKNOWN


# --------------------------------------------------------------------------- the verdict


@dataclass(slots=True)
class Verdict:
    """Evidence, or its absence, that nothing speaks against so far."""

    reason: ReferReason | None = None
    """Why a PIN is asked for."""
    waiting: Reading | None = None
    """Counter that jumped: its proof is accepted when the PIN was right."""

    def refuse_pin(self, card: Record, card_type: Record, pin: bytes, decision: Decision) -> ResponseCode | None:
        """Row 7, with row 11: the PIN that the type or the reason asks for."""
        if self.reason is None:
            return refuse_pin(card, card_type, pin, decision)
        refusal = try_pin(card, card_type, pin or NO_PIN, decision)
        if refusal == ResponseCode.PIN_REQUIRED:
            return self.refer(decision)
        if refusal is None and self.waiting is not None:
            self.waiting.accept()
        return refusal

    def refer(self, decision: Decision) -> ResponseCode:
        """The refusal that asks for a PIN."""
        assert self.reason is not None
        decision.detail = self.reason
        return ResponseCode.REFER


def judge(
    state: State, ask: Ask, form: Any, card: Record, amount: int, decision: Decision, *, is_quote: bool = False
) -> ResponseCode | Verdict:
    """Row 6b for a request of `amount` by a card that may be used."""
    evidence, policy = form.evidence, policy_of(state, card)
    if evidence is None and policy is not None and policy.flags & PolicyFlag.REQUIRED:
        return ResponseCode.MEDIUM_REQUIRED
    medium = MediumKind.NUMBER if evidence is None else evidence.medium
    if policy is not None and not policy.media >> medium & 1:
        return ResponseCode.MEDIUM_FORBIDDEN
    if evidence is None:
        return _within(policy, "number", amount) or Verdict(_reason_of_amount(policy, "number", amount, is_quote))
    return Reading(state, ask, evidence, card, policy, amount, decision, is_quote).judge()


def _within(policy: Record | None, words: str, amount: int) -> ResponseCode | None:
    """Row 10."""
    largest = getattr(policy, f"{words}_minor_max") if policy is not None else ANY_AMOUNT
    return ResponseCode.MEDIUM_AMOUNT if largest != ANY_AMOUNT and amount > largest else None


def _reason_of_amount(policy: Record | None, words: str, amount: int, is_quote: bool) -> ReferReason | None:
    """Row 11's last reason, for which a quote is not refused."""
    largest = getattr(policy, f"{words}_pin_minor") if policy is not None and not is_quote else ANY_AMOUNT
    return ReferReason.AMOUNT if largest != ANY_AMOUNT and amount > largest else None


class Reading:
    """One proof of one medium, on its way through rows 3 to 11."""

    def __init__(
        self,
        state: State,
        ask: Ask,
        evidence: Evidence,
        card: Record,
        policy: Record | None,
        amount: int,
        decision: Decision,
        is_quote: bool,
    ) -> None:
        self.state, self.ask, self.evidence, self.card, self.policy = state, ask, evidence, card, policy
        self.amount, self.decision, self.is_quote = amount, decision, is_quote
        self.record = state.tables.find(RecordKind.MEDIUM, evidence.medium, evidence.found_medium_id)
        self.jumped = False
        self.is_late = False
        self.travelled = False

    @property
    def words(self) -> str:
        """Beginning of the names of the policy's amounts."""
        if self.evidence.medium == MediumKind.CHIP:
            return "contactless" if self.evidence.flags & EvidenceFlag.CONTACTLESS else "chip"
        return MediumKind(self.evidence.medium).name.lower()

    def judge(self) -> ResponseCode | Verdict:
        """Rows 3 to 11."""
        refusal = self._refuse_identity() or self._refuse_counter() or (None if self.is_late else self._refuse_stripe())
        if refusal is not None:
            return refusal
        assert self.record is not None
        if self.is_late:
            self._accept_late()
        elif not self.jumped:
            self.accept()
        refusal = _within(self.policy, self.words, self.amount)
        if refusal is not None:
            return refusal
        if self.is_quote or self.is_late:
            return Verdict()
        return Verdict(self._reason(), waiting=self if self.jumped else None)

    # ----------------------------------------------------------------------- rows 3 to 7

    def _refuse_identity(self) -> ResponseCode | None:
        record, outcome = self.record, self.evidence.outcome
        if outcome not in set(EvidenceOutcome):
            outcome = EvidenceOutcome.NOT_CHECKED
        unexamined = (EvidenceOutcome.KEY_MISSING, EvidenceOutcome.NOT_CHECKED)
        needs_record = outcome not in (*unexamined, EvidenceOutcome.WRONG)
        is_another = record is not None and record.card_number != self.card.card_number
        if outcome == EvidenceOutcome.MEDIUM_UNKNOWN or is_another or (record is None and needs_record):
            self._count_wrong()
            return ResponseCode.MEDIUM_UNKNOWN
        if record is not None and record.state == MediumState.REVOKED:
            return ResponseCode.MEDIUM_REVOKED
        if outcome in unexamined or not self._key_version_passes():
            return ResponseCode.KEY_VERSION
        if outcome == EvidenceOutcome.CHALLENGE:
            return ResponseCode.CHALLENGE_STALE
        if outcome == EvidenceOutcome.STALE:
            return ResponseCode.CODE_STALE
        if outcome == EvidenceOutcome.WRONG:
            self._count_wrong()
            if record is not None and not self.is_quote:
                count_fail(record, self.ask, U8_MAX)
                self.decision.touch(record)
            return ResponseCode.PROOF_WRONG
        return None

    def _key_version_passes(self) -> bool:
        """Row 5: not older than one that the medium has shown, and not retired."""
        key_version = self.evidence.found_key_version
        if self.record is not None and key_version < self.record.key_version:
            return False
        if self.record is not None and self.record.flags & MediumFlag.STORED_KEY:
            return True
        purpose = PURPOSE_OF.get(self.evidence.medium)
        return purpose is not None and key_passes(self.state, purpose, key_version)

    def _count_wrong(self) -> None:
        if not self.is_quote:
            number = self.card.card_number
            count_against_terminal(self.state, self.ask, self.evidence, number, self.decision)

    # ----------------------------------------------------------------------- rows 8 and 9

    def _refuse_counter(self) -> ResponseCode | None:
        if self.evidence.medium == MediumKind.CHIP:
            return self._refuse_chip()
        assert self.record is not None
        found, known = self.evidence.found_counter, self.record
        if self.evidence.medium == MediumKind.STRIPE:
            may_be = {known.counter, known.pending_counter} if known.pending_counter else {known.counter}
            return None if found in may_be else self._clone()
        if found > known.counter:
            return None
        if known.last_terminal_id != self.ask.terminal_id:
            self._raise_alarm(AlarmKind.CODE_REPLAY)
        return ResponseCode.CODE_USED

    def _refuse_chip(self) -> ResponseCode | None:
        assert self.record is not None
        step = self.evidence.found_counter - self.record.counter
        if step <= 0:
            is_offline = self.evidence.flags & EvidenceFlag.OFFLINE and -WINDOW_BITS <= step <= -1
            self.is_late = bool(is_offline and not self.record.window >> -step - 1 & 1)
            return None if self.is_late else self._clone()
        if step > JUMP_MAX:
            return ResponseCode.COUNTER_JUMP
        if self.evidence.chain not in (self.record.chain, self.record.chain_previous):
            return self._clone()
        self.jumped = step > STEP_MAX
        return None

    def _refuse_stripe(self) -> ResponseCode | None:
        if self.evidence.medium != MediumKind.STRIPE or not self.card.media >> MediumKind.CHIP & 1:
            return None
        largest = self.policy.fallback_minor_max if self.policy is not None else 0
        may_fall_back = self.evidence.flags & EvidenceFlag.FALLBACK and self.amount <= largest
        return None if may_fall_back else ResponseCode.FALLBACK_FORBIDDEN

    def _clone(self) -> ResponseCode:
        """Two media have this identity: the card stops, and both sightings are kept."""
        if not self.is_quote:
            if self.card.status == CardStatus.ACTIVE:
                self.card.status, self.card.frozen_by = CardStatus.FROZEN, 0
                self.decision.touch(self.card)
            self._raise_alarm(AlarmKind.CLONE)
        return ResponseCode.CLONE

    def _raise_alarm(self, alarm: AlarmKind) -> None:
        record = self.record
        assert record is not None
        if not self.is_quote:
            raise_alarm(
                self.state,
                self.ask,
                self.decision,
                alarm,
                card_number=self.card.card_number,
                medium=record.medium,
                medium_id=record.medium_id,
                first_terminal_id=record.last_terminal_id,
                first_store_id=record.last_store_id,
                first_ms=record.last_ms,
                first_counter=record.counter,
                second_terminal_id=self.ask.terminal_id,
                second_store_id=self.ask.store_id,
                second_ms=self.ask.now_ms,
                second_counter=self.evidence.found_counter,
            )

    # ----------------------------------------------------------------------- acceptance

    def _accept_late(self) -> None:
        """A cryptogram of a till that was cut off: only its place in the window is taken."""
        assert self.record is not None
        if not self.is_quote:
            self.record.window |= 1 << self.record.counter - self.evidence.found_counter - 1
            self.decision.touch(self.record)

    def accept(self) -> None:
        """What the next proof must look like follows from this one."""
        record, evidence, ask = self.record, self.evidence, self.ask
        assert record is not None
        if self.is_quote:
            return
        if self._has_travelled():
            self.travelled = True
            self._raise_alarm(AlarmKind.TRAVEL)
        for name, span_ms in (("count_10_minutes", MS_PER_TEN_MINUTES), ("count_60_minutes", MS_PER_HOUR)):
            is_another_span = record.last_ms // span_ms != ask.now_ms // span_ms
            setattr(record, name, 1 if is_another_span else min(U16_MAX, getattr(record, name) + 1))
        record.last_ms, record.last_terminal_id, record.last_store_id = ask.now_ms, ask.terminal_id, ask.store_id
        record.key_version = evidence.found_key_version
        answers = False
        if evidence.medium == MediumKind.CHIP:
            self._accept_chip(record)
            answers = True
        elif evidence.medium == MediumKind.STRIPE:
            answers = self._accept_stripe(record)
        else:
            record.counter = evidence.found_counter
        self.decision.touch(record)
        if answers:
            answer = IssuerAnswer(
                medium=evidence.medium, command=evidence.command, next=evidence.next, mac=evidence.answer
            )
            self.decision.issuer_answer = answer.encode()

    def _accept_chip(self, record: Record) -> None:
        step = self.evidence.found_counter - record.counter
        moved = (record.window << step | 1 << step - 1) & (1 << WINDOW_BITS) - 1
        record.window = moved if step <= WINDOW_BITS else 0
        record.counter = self.evidence.found_counter
        record.chain_previous, record.chain = self.evidence.chain, self.evidence.next

    def _accept_stripe(self, record: Record) -> bool:
        """Whether the stripe is to be written."""
        record.counter = self.evidence.found_counter
        if record.counter == record.pending_counter:
            record.pending_counter = 0
        is_due = record.written_date != self.ask.today or record.pending_counter != 0
        if not (self.evidence.flags & EvidenceFlag.CAN_WRITE and is_due):
            return False
        record.pending_counter, record.written_date = self.evidence.next, self.ask.today
        return True

    def _has_travelled(self) -> bool:
        """Sooner in another store than anybody can be there."""
        assert self.record is not None
        before, here = self.record.last_store_id, self.ask.store_id
        if 0 in (before, here) or before == here:
            return False
        way = self.state.tables.find(RecordKind.TRAVEL, min(before, here), max(before, here))
        minutes = self.policy.travel_minutes if self.policy is not None else 0
        if way is not None:
            minutes = way.minutes
        return bool(minutes and self.ask.now_ms - self.record.last_ms < MS_PER_MINUTE * minutes)

    # ----------------------------------------------------------------------- row 11

    def _reason(self) -> ReferReason | None:
        record, policy = self.record, self.policy
        assert record is not None
        if fails_of_this_hour(record, self.ask) >= MEDIUM_FAILS_MAX:
            return ReferReason.FAILURES
        if self.jumped:
            return ReferReason.COUNTER
        for name in ("10_minutes", "60_minutes"):
            largest = getattr(policy, f"velocity_{name}_max") if policy is not None else 0
            if largest and getattr(record, f"count_{name}") > largest:
                return ReferReason.VELOCITY
        if self.travelled:
            return ReferReason.TRAVEL
        return _reason_of_amount(policy, self.words, self.amount, self.is_quote)
