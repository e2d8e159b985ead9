"""A point of sale: one call sells, from the card at the counter to the receipt, with exactly one effect.

    pos = Pos(client, trace, card_input, open_printer, SaleJournal(path), cashier, shop, terminal_id, currency)
    await pos.recover()                    # what a crash has left
    sale = await pos.sale(SaleBill(12_50))
    if sale.result is SaleResult.PAID: ...  # hand over the goods

A sale is done from the moment its approval is in the sale journal: whatever happens before, it is undone; whatever
happens after, its receipt is printed. docs/pos.md has the table of faults. How one sale goes: `pos_selling.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from switch.protocol.codes import CodeClass, code_class
from switch.protocol.messages import Reply

from ._clock import SYSTEM, Surroundings
from .card_input import CardInput
from .client import Client
from .device_errors import DeviceError, PortUnavailableError
from .errors import RefusedBySwitchError, SwitchUnreachableError
from .face_design import FaceDesignError
from .outcome import Outcome, Verdict
from .pos_bill import SaleBill
from .pos_cashier import Cashier, Holder, Sale, SaleResult, holder_of
from .pos_selling import CARD_WAIT_MS, Selling, ended
from .pos_words import Notice, Words, advice
from .printing import PrinterNotReadyError, ReceiptPrinter
from .receipts import lay_out
from .sale_journal import SaleJournal, SaleRecord, SaleStep
from .sale_receipt import ShopFacts, receipt_of
from .sale_recovery import Found, Remedy, find, remedy
from .trace import TraceStore

WriteFace = Callable[[int, Reply, Reply], bool]
"""Prints the face of a card: its number, the answer to the sale, the answer to a card query; whether it has a face."""
GIVEN_BACK = Words("已撤销，款项已退回", "Undone: the money went back")


class Pos:
    """One till; not for two sales at a time."""

    def __init__(
        self,
        client: Client,
        trace: TraceStore,
        card_input: CardInput,
        open_printer: Callable[[], ReceiptPrinter] | None,
        journal: SaleJournal,
        cashier: Cashier,
        shop: ShopFacts,
        terminal_id: int,
        currency: int,
        *,
        surroundings: Surroundings = SYSTEM,
        card_wait_ms: int = CARD_WAIT_MS,
        write_face: WriteFace | None = None,
    ) -> None:
        """`trace` is the client's own; without a printer no receipt is printed."""
        self.client, self.card_input, self.journal, self.cashier = client, card_input, journal, cashier
        self.terminal_id, self.currency = terminal_id, currency
        self.surroundings, self.card_wait_ms = surroundings, card_wait_ms
        self._write_face = write_face
        self._trace, self._open_printer, self._shop = trace, open_printer, shop

    # ------------------------------------------------------------------- what a till does

    async def sale(self, bill: SaleBill, *, prints: bool = True) -> Sale:
        """Sell: wait for a card, price, debit, write back, print. Never two effects, whatever fails.

        What an earlier sale has left is put in order first; while that cannot be done the till is offline. With
        `prints` off the customer wants no receipt, which changes nothing else.
        """
        await self.recover()
        if any(sale.step is SaleStep.BEGUN for sale in self.journal.open_sales()):
            return ended(self.cashier, SaleResult.OFFLINE, Notice.OFFLINE)
        self.card_input.forget()
        return await Selling(self, bill, prints=prints).run()

    async def identify(self) -> Holder | None:
        """Who stands at the counter, from the next card that is shown; nothing when there is none, or it is not known.

        Changes nothing. A dynamic code names nobody before it pays, so it is answered like no card.
        """
        self.card_input.forget()
        medium = await Selling(self, SaleBill(1), prints=False).next_medium()
        if medium is None or not medium.card_number:
            return None
        reply = await self.client.card_query(medium.card_number)
        return None if reply.code else holder_of(medium.card_number, reply)

    async def recover(self) -> list[Sale]:
        """Put in order what a crash or a lost line has left: undo what nobody was told, print what is owed."""
        before = self._trace.book()  # settling may begin a new date, which strikes the one before the last
        if self.client.unsettled:
            self.cashier.show(Notice.UNDOING, Notice.UNDOING.value)
            await self.client.settle()
        sales = []
        for sale in self.journal.open_sales():
            found = find(sale, self._trace.open_requests(), [*self._trace.book(), *before])
            sales.append(await self._put_in_order(sale, found))
        return sales

    async def void(self, number: int) -> Sale:
        """Give a sale of today or yesterday back, all of it; a second time changes nothing."""
        record = self.journal.sale(number)
        if record.step in (SaleStep.BEGUN, SaleStep.STUCK):
            raise ValueError(
                f"sale {number}: expected one that has its end, got one that is {record.step}; recover first"
            )
        if record.step is SaleStep.UNDONE:
            return Sale(SaleResult.UNDONE, GIVEN_BACK, number)
        return await self._give_back(record, record.trace_number, record.business_date)

    async def refund(self, number: int, amount_minor: int) -> Outcome:
        """Give back a part or all of a sale, however old; `ValueError` for one by code: only a desk knows its card."""
        record = self.journal.sale(number)
        asked = record.debit
        if not asked.card_number or not record.reply:
            raise ValueError(
                f"sale {number}: expected a paid one with a card number, got another; void it, or use the desk"
            )
        return await self.client.refund(asked.card_number, amount_minor, record.answer.journal_sequence)

    async def print_copy(self, number: int) -> bool:
        """Print the receipt of a paid sale once more, marked as a copy: whether it is on paper."""
        record = self.journal.sale(number)
        if not record.reply or record.step is SaleStep.UNDONE:
            raise ValueError(f"sale {number}: expected a paid one, got one that is {record.step}; it has no receipt")
        if record.step is SaleStep.DONE:
            record = self.journal.put(record.to(SaleStep.PRINTING, copy_number=max(1, record.copy_number)))  # disk
        return (await self.print_receipt(record)).step is SaleStep.DONE

    # ------------------------------------------------------------------- recovery

    async def _put_in_order(self, sale: SaleRecord, found: Found) -> Sale:
        what = remedy(sale, found)
        if what is Remedy.FORGET:
            self.journal.put(sale.to(SaleStep.UNDONE))  # disk
            return ended(self.cashier, SaleResult.UNDONE, Notice.UNDONE, sale.number)
        if what is Remedy.SETTLE:
            return ended(self.cashier, SaleResult.UNKNOWN, Notice.UNKNOWN, sale.number)
        if what is Remedy.ASK:
            self.journal.put(sale.to(SaleStep.STUCK))  # disk
            return ended(self.cashier, SaleResult.STUCK, Notice.STUCK, sale.number)
        if what is Remedy.REVERSE:
            assert found.booked is not None
            request = found.booked.request
            return await self._give_back(sale, request.trace_number, request.business_date)
        if what is Remedy.COPY and sale.step is SaleStep.PRINTING:
            sale = self.journal.put(sale.to(SaleStep.DECIDED, copy_number=sale.copy_number + 1))  # disk
        printed = await self.print_receipt(sale)
        is_printed = printed.step is SaleStep.DONE
        return Sale(SaleResult.PAID, Notice.DONE.value, sale.number, 0, sale.answer, is_printed)

    async def _give_back(self, sale: SaleRecord, trace_number: int, business_date: int) -> Sale:
        asked = sale.debit
        outcome = await self.client.reverse(asked.card_number, asked.amount_minor, trace_number, business_date)
        if outcome.approved:
            self.journal.put(sale.to(SaleStep.UNDONE))  # disk
            return Sale(SaleResult.UNDONE, GIVEN_BACK, sale.number, 0, outcome.reply)
        if outcome.verdict is Verdict.UNKNOWN or outcome.code is None:
            return ended(self.cashier, SaleResult.UNKNOWN, Notice.UNKNOWN, sale.number)
        if sale.step is SaleStep.BEGUN and code_class(outcome.code) is CodeClass.FINAL:
            self.journal.put(sale.to(SaleStep.STUCK))  # disk
            return ended(self.cashier, SaleResult.STUCK, Notice.STUCK, sale.number)
        words = advice(outcome.code, outcome.meaning)
        return Sale(SaleResult.DECLINED, words, sale.number, outcome.code, outcome.reply)

    # ------------------------------------------------------------------- paper

    async def print_receipt(self, sale: SaleRecord) -> SaleRecord:
        """Print what is owed, until it is on paper or the cashier puts it off; the sale as it is then."""
        if self._open_printer is None:
            return self.journal.put((sale.to(SaleStep.DONE)) if sale.step is not SaleStep.DONE else sale)
        while True:
            if sale.step is SaleStep.DECIDED:
                sale = self.journal.put(sale.to(SaleStep.PRINTING))  # disk; before anything is on paper
            self.cashier.show(Notice.PRINTING, Notice.PRINTING.value)
            copy_number = sale.copy_number
            try:
                await asyncio.to_thread(self._print, sale)
                return self.journal.put(sale.to(SaleStep.DONE, copy_number=copy_number + 1))  # disk
            except (PrinterNotReadyError, PortUnavailableError) as error:
                fault: Exception = error  # nothing was sent
            except ValueError as error:
                fault = error  # figures that do not add up, a name that does not fit: the sale holds all the same
            except DeviceError as error:
                fault, copy_number = error, copy_number + 1
            sale = self.journal.put(sale.to(SaleStep.DECIDED, copy_number=copy_number))  # disk
            words = Words(Notice.PRINTER_STOPPED.value.chinese, f"{Notice.PRINTER_STOPPED.value.english} ({fault})")
            self.cashier.show(Notice.PRINTER_STOPPED, words)
            if not await self.cashier.printer_stopped(words):
                return sale

    # ------------------------------------------------------------------- visual cards

    async def rewrite_face(self, card_number: int, reply: Reply) -> bool | None:
        """Print what the card shows from now on; nothing for a card without a face, or a till without a writer.

        The sale holds whatever becomes of it: a face that was not printed shows what it showed before.
        """
        if self._write_face is None or not card_number:
            return None
        try:
            known = await self.client.card_query(card_number)
            if known.code:
                return None
            is_written = await asyncio.to_thread(self._write_face, card_number, reply, known)
        except (DeviceError, FaceDesignError, SwitchUnreachableError, RefusedBySwitchError) as error:
            words = Words(Notice.FACE_STAYED_OLD.value.chinese, f"{Notice.FACE_STAYED_OLD.value.english} ({error})")
            self.cashier.show(Notice.FACE_STAYED_OLD, words)
            return False
        if is_written:
            self.cashier.show(Notice.FACE_WRITTEN, Notice.FACE_WRITTEN.value)
        return is_written or None

    def _print(self, sale: SaleRecord) -> None:
        assert self._open_printer is not None
        receipt = receipt_of(sale, self._shop)
        with self._open_printer() as printer:
            printer.print(lay_out(receipt, self._shop.language, printer.columns))
