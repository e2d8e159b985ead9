"""One sale at a till: from the card at the counter to its end. `pos.py` is the till around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import IssuerAnswer, MediumKind, Reply

from .card_input import ChipFound, NumberTyped
from .chip.errors import CardBlockedError, ChipError
from .device_errors import DeviceError
from .errors import RefusedBySwitchError, SwitchUnreachableError
from .outcome import Outcome, Verdict
from .pos_bill import SaleBill
from .pos_cashier import Cashier, Sale, SaleResult
from .pos_media import ChipMedium, CodeMedium, EntryMode, Medium, NumberMedium, Payment, StripeMedium
from .pos_words import Notice, Words, advice
from .sale_journal import SaleRecord, SaleStep
from .scanner import CodeKind, CodeRead
from .serial_port import PortEvent
from .stripe_card import Written
from .swipe import StripeRead

if TYPE_CHECKING:
    from .pos import Pos

CARD_WAIT_MS = 120_000
"""For a customer to find the card; then the sale is cancelled."""
CHIP_FAILURES_MAX = 2
"""After so many the stripe may be swiped."""
ATTEMPTS_MAX = 8
"""Debits of one sale, PINs and cards read again together; who needs more begins anew."""

_PIN_CODES = (ResponseCode.REFER, ResponseCode.PIN_REQUIRED, ResponseCode.PIN_WRONG)
_READ_AGAIN_CODES = (ResponseCode.CHALLENGE_STALE, ResponseCode.CODE_STALE, ResponseCode.CODE_USED)
_PROOF_MAY_HELP = (ResponseCode.MEDIUM_REQUIRED, ResponseCode.MEDIUM_FORBIDDEN, ResponseCode.MEDIUM_AMOUNT)
"""Refusals of a quote by number alone, which the card's proof may do away with."""


class Selling:
    """One sale; `run` once."""

    def __init__(self, pos: Pos, bill: SaleBill, *, prints: bool) -> None:
        self._pos, self._bill, self._prints = pos, bill, prints
        self._chip_failures = 0
        self._attempt_count = 0
        self._has_told_away = False
        self._pin = b""
        self._written: Written | None = None

    async def run(self) -> Sale:
        """Until the sale has its end."""
        while True:
            medium = await self.next_medium()
            if medium is None:
                return self._end(SaleResult.CANCELLED, Notice.CANCELLED)
            try:
                sale = await self._sell(medium)
            except CardBlockedError:
                return Sale(SaleResult.DECLINED, advice(ResponseCode.CARD_STATUS))
            except ChipError:
                self._chip_failed()
                continue
            except SwitchUnreachableError:
                return self._end(SaleResult.OFFLINE, Notice.OFFLINE)
            except RefusedBySwitchError as error:
                return Sale(SaleResult.DECLINED, advice(error.code, str(error)), code=error.code)
            if sale is not None:
                return sale

    # ------------------------------------------------------------------- cards

    async def next_medium(self) -> Medium | None:
        """The next card that can be tried; nothing when the customer has none."""
        pos, show = self._pos, self._show
        show(Notice.PRESENT_CARD)
        deadline_ms = pos.surroundings.monotonic_ms() + pos.card_wait_ms
        while True:
            with_chip = self._chip_failures < CHIP_FAILURES_MAX
            left_ms = deadline_ms - pos.surroundings.monotonic_ms()
            found = await pos.card_input.wait(left_ms, with_chip=with_chip)
            if found is None:
                return None
            if isinstance(found, ChipFound):
                show(Notice.READING)
                try:
                    return await ChipMedium.read(found.reader, is_contactless=found.is_contactless)
                except ChipError:
                    self._chip_failed()
            elif isinstance(found, StripeRead):
                if found.has_chip and with_chip and pos.card_input.has_chip_reader:
                    show(Notice.USE_CHIP)
                    continue
                is_fallback = found.has_chip and not with_chip
                return StripeMedium(found, pos.card_input.open_encoder, is_fallback=is_fallback)
            elif isinstance(found, NumberTyped):
                return NumberMedium(found.card_number)
            elif isinstance(found, CodeRead):
                if found.kind is CodeKind.DYNAMIC and found.dynamic is not None:
                    return CodeMedium(found.dynamic)
                if found.kind is CodeKind.PRINTED:
                    return NumberMedium(int(found.text), EntryMode.BAR_CODE)
                show(Notice.NOT_A_CARD)
            elif isinstance(found, PortEvent | ChipError):
                if not self._has_told_away:  # it is looked for again every second
                    show(Notice.READER_AWAY)
                self._has_told_away = True
            elif isinstance(found, DeviceError):
                show(Notice.READ_AGAIN, Words(Notice.READ_AGAIN.value.chinese, str(found)))

    def _chip_failed(self) -> None:
        self._chip_failures += 1
        self._show(Notice.CHIP_FAILED if self._chip_failures < CHIP_FAILURES_MAX else Notice.SWIPE_INSTEAD)

    async def _another_code(self, spent: CodeMedium) -> CodeMedium | None:
        """The next code of the same device; nothing when the customer shows none, or another's."""
        self._show(Notice.NEXT_CODE)
        medium = await self.next_medium()
        return medium if isinstance(medium, CodeMedium) and medium.token == spent.token else None

    # ------------------------------------------------------------------- money

    async def _sell(self, medium: Medium) -> Sale | None:
        """Sell to one card; nothing when a card is to be read again."""
        bill, client = self._bill, self._pos.client
        quote = await client.quote(
            medium.card_number,
            bill.amount_minor,
            bill.lines,
            bill.tenders,
            flags=bill.flags,
            settlement=bill.settlement,
            evidence=medium.quote_evidence(),
        )
        if not self._may_be_paid(quote, medium):
            words = advice(quote.code)
            self._show(Notice.QUOTED, words)
            return None if self._is_to_read_again(quote.code) else self._refused(quote.code, words, quote)
        self._show(Notice.QUOTED)
        if not await self._pos.cashier.agree(quote.due_minor, quote):
            return self._end(SaleResult.CANCELLED, Notice.CANCELLED)
        amount_minor = quote.due_minor if bill.is_priced else bill.amount_minor
        while True:
            record, outcome = await self._debit(medium, amount_minor)
            if outcome.approved:
                return await self._paid(record, outcome, medium)
            if outcome.verdict is Verdict.UNKNOWN:
                return self._end(SaleResult.UNKNOWN, Notice.UNKNOWN, record.number)
            self._pos.journal.put(record.to(SaleStep.UNDONE))  # disk
            if outcome.is_reversed:
                return self._end(SaleResult.UNDONE, Notice.UNDONE, record.number)
            await self._write_back(medium, outcome.reply)
            words = advice(outcome.code, outcome.meaning)
            if outcome.code in _PIN_CODES and self._attempt_count < ATTEMPTS_MAX:
                self._pin = await self._pos.cashier.ask_pin(words) or b""
                if self._pin and isinstance(medium, CodeMedium):
                    fresh = await self._another_code(medium)
                    if fresh is None:
                        return self._end(SaleResult.CANCELLED, Notice.CANCELLED, record.number)
                    medium = fresh
                if self._pin:
                    continue
            elif self._is_to_read_again(outcome.code):
                self._show(Notice.READ_AGAIN, words)
                return None
            return self._refused(outcome.code, words, outcome.reply, record.number)

    def _may_be_paid(self, quote: Reply, medium: Medium) -> bool:
        if quote.code in (ResponseCode.APPROVED, *_PIN_CODES):
            return True
        return quote.code in _PROOF_MAY_HELP and medium.kind in (MediumKind.CHIP, MediumKind.STRIPE)

    def _is_to_read_again(self, code: int | None) -> bool:
        return code in _READ_AGAIN_CODES and self._attempt_count < ATTEMPTS_MAX

    async def _debit(self, medium: Medium, amount_minor: int) -> tuple[SaleRecord, Outcome]:
        """One attempt: proof, journal, debit. `ChipError` before anything was sent."""
        pos, bill = self._pos, self._bill
        self._attempt_count += 1
        stamp_ms = max(pos.surroundings.now_ms(), pos.journal.last_stamp_ms + 1)
        challenge = await pos.client.challenge()
        evidence = await medium.evidence(Payment(challenge, amount_minor, stamp_ms, pos.terminal_id, pos.currency))
        record = pos.journal.put(  # disk; before anything is sent
            SaleRecord(
                number=pos.journal.next_number,
                step=SaleStep.BEGUN,
                request=bill.request(medium.card_number, amount_minor, stamp_ms).encode(),
                names=bill.names,
                medium=medium.kind,
            )
        )
        self._show(Notice.PAYING)
        outcome = await pos.client.debit(
            medium.card_number,
            amount_minor,
            bill.lines,
            entry_mode=medium.entry_mode,
            tenders=bill.tenders,
            flags=bill.flags,
            settlement=bill.settlement,
            pin=self._pin,
            stamp_ms=stamp_ms,
            evidence=evidence,
        )
        return record, outcome

    async def _paid(self, record: SaleRecord, outcome: Outcome, medium: Medium) -> Sale:
        """From the first line on the sale is done."""
        pos, reply = self._pos, outcome.reply
        assert reply is not None
        record = pos.journal.put(  # disk; before anybody is told
            record.to(
                SaleStep.DECIDED,
                reply=reply.encode(),
                trace_number=outcome.trace_number,
                business_date=outcome.business_date,
            )
        )
        self._show(Notice.DECIDED)
        await self._write_back(medium, reply)
        if self._prints:
            record = await pos.print_receipt(record)
        else:
            record = pos.journal.put(record.to(SaleStep.DONE))  # disk
        await pos.rewrite_face(medium.card_number, reply)
        self._show(Notice.DONE)
        is_printed = self._prints and record.step is SaleStep.DONE
        return Sale(SaleResult.PAID, Notice.DONE.value, record.number, 0, reply, is_printed, self._written)

    async def _write_back(self, medium: Medium, reply: Reply | None) -> None:
        """What the switch has for the card; a card that does not take it stays good, the switch sees to that."""
        answer: IssuerAnswer | None = reply.issuer_answer if reply is not None else None
        if answer is None or answer.medium != medium.kind:
            return
        self._show(Notice.WRITING)
        self._written = await medium.write_back(answer)
        if self._written is Written.NEW:
            if medium.kind is MediumKind.STRIPE:
                await self._pos.client.confirm_write(medium.card_number, answer.next)
        elif medium.kind is MediumKind.STRIPE and self._written is Written.UNKNOWN:
            self._show(Notice.STRIPE_UNKNOWN)
        else:
            self._show(Notice.CARD_STAYED_OLD)

    # ------------------------------------------------------------------- ends

    def _show(self, notice: Notice, words: Words | None = None) -> None:
        self._pos.cashier.show(notice, words or notice.value)

    def _end(self, result: SaleResult, notice: Notice, number: int = 0) -> Sale:
        return ended(self._pos.cashier, result, notice, number)

    def _refused(self, code: int | None, words: Words, reply: Reply | None, number: int = 0) -> Sale:
        return Sale(SaleResult.DECLINED, words, number, code, reply, written=self._written)


def ended(cashier: Cashier, result: SaleResult, notice: Notice, number: int = 0) -> Sale:
    """A sale's end that a notice says."""
    cashier.show(notice, notice.value)
    return Sale(result, notice.value, number)
