"""The receipt of a sale, from what was asked and what the switch answered."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from switch.protocol.messages import BillLine, DebitFlag, LineResult, TenderKind
from switch.protocol.receipt_code import format_receipt_code

from .receipts import Language, Receipt, ReceiptKind, ReceiptLine, Tender
from .sale_journal import SaleRecord

MILLI = 1000
_TENDERS = {
    TenderKind.CARD: ("储值卡", "Card"),
    TenderKind.POINTS: ("积分", "Points"),
    TenderKind.VISITS: ("次卡", "Visits"),
    TenderKind.CASH: ("现金", "Cash"),
    TenderKind.OTHER: ("其他", "Other"),
}
_BILL = ("商品", "Goods")
_MEMBER = ("会员", "Member")


@dataclass(frozen=True, slots=True)
class ShopFacts:
    """What a receipt says of the shop."""

    store: str
    terminal: str
    cashier: str = ""
    language: Language = Language.CHINESE
    zone: datetime.tzinfo | None = None
    """Of the times on it; nothing: the machine's."""
    footer: str = ""

    @property
    def which(self) -> int:
        """Place of this language in a pair of words."""
        return 0 if self.language is Language.CHINESE else 1


def receipt_of(sale: SaleRecord, shop: ShopFacts) -> Receipt:
    """The receipt, with the copy's number when it is one; the sale was approved."""
    asked, answer = sale.debit, sale.answer
    which = shop.which
    results = answer.lines[: len(asked.lines)]
    rows: Sequence[BillLine] = asked.lines or (BillLine(amount_minor=asked.amount_minor),)
    given = sale.names or ("",) * len(rows)
    names = tuple(name or str(line.item or _BILL[which]) for name, line in zip(given, rows, strict=True))
    is_priced = bool(asked.flags & DebitFlag.PRICED)
    if len(results) < len(asked.lines):  # none of them has points, a discount or a price of the list
        results = (LineResult(),) * len(rows)
    elif not asked.lines:
        results = (LineResult(),)
    lines = tuple(
        _line(name, row, result, is_priced=is_priced) for name, row, result in zip(names, rows, results, strict=True)
    )
    whole_minor = answer.discount_minor - sum(line.discount_minor for line in lines)
    number = str(asked.card_number) if asked.card_number else None
    return Receipt(
        kind=ReceiptKind.SALE,
        store=shop.store,
        terminal=shop.terminal,
        cashier=shop.cashier,
        time=datetime.datetime.fromtimestamp(asked.stamp_ms / MILLI, datetime.UTC).astimezone(shop.zone),
        sequence=answer.journal_sequence,
        code=format_receipt_code(answer.receipt_code),
        lines=lines,
        total_minor=answer.due_minor - answer.round_off_minor,
        tenders=_tenders(sale, number, which),
        discounts=((_MEMBER[which], whole_minor),) if whole_minor else (),
        round_off_minor=answer.round_off_minor,
        change_minor=answer.change_minor,
        card_number=number,
        balance_minor=answer.balance_minor,
        points_earned_hundredths=answer.points_hundredths,
        points_balance_hundredths=answer.points_balance_hundredths,
        footer=shop.footer,
        copy_number=sale.copy_number,
    )


def _line(name: str, row: BillLine, result: LineResult, *, is_priced: bool) -> ReceiptLine:
    if is_priced:
        price_minor = result.unit_price_minor
        amount_minor = (2 * price_minor * row.quantity_milli + MILLI) // (2 * MILLI)  # half up, as the switch does
    else:
        amount_minor = row.amount_minor
        count_milli = row.quantity_milli or MILLI
        price_minor = (2 * amount_minor * MILLI + count_milli) // (2 * count_milli)
    quantity_milli = row.quantity_milli or MILLI
    return ReceiptLine(name, quantity_milli, price_minor, amount_minor, result.discount_minor)


def _tenders(sale: SaleRecord, number: str | None, which: int) -> tuple[Tender, ...]:
    asked, answer = sale.debit, sale.answer
    if not asked.tenders:
        return (Tender(_TENDERS[TenderKind.CARD][which], answer.amount_minor, number),)
    return tuple(
        Tender(
            _TENDERS[TenderKind(tender.kind)][which],
            tender.amount_minor,
            number if tender.kind == TenderKind.CARD else None,
        )
        for tender in asked.tenders
    )
