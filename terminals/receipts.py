"""Receipts, laid out for paper, in Chinese or English.

A receipt is data with its sums; whoever makes it has asked the switch. The
sums are checked here all the same: a paper whose figures do not add up is not
printed. Amounts are in minor units, points in hundredths, quantities in
thousandths.
"""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .columns import pair, width, wrap
from .masking import mask
from .printing import COLUMNS_80_MM, Cut, Document, QrCode, TextLine

RECEIPT_CODE_CHARS = 8
"""Of the code that proves a receipt."""
NAME_CHARS_MAX = 200
"""A name longer than this is no name; the layout breaks shorter ones over lines."""


class Language(enum.Enum):
    """What a receipt is written in; names of goods and stores are as given."""

    CHINESE = "zh"
    ENGLISH = "en"


class ReceiptKind(enum.Enum):
    """What happened."""

    SALE = "sale"
    REFUND = "refund"
    RECHARGE = "recharge"


_WORDS: dict[str, tuple[str, str]] = {
    "sale": ("销售小票", "Receipt"),
    "refund": ("退货小票", "Refund"),
    "recharge": ("充值小票", "Recharge"),
    "copy": ("* 重印副本 第 {} 次 *", "* COPY No. {} *"),
    "store": ("门店", "Store"),
    "terminal": ("终端", "Terminal"),
    "cashier": ("收银员", "Cashier"),
    "time": ("时间", "Time"),
    "sequence": ("流水号", "Sequence"),
    "item": ("商品", "Item"),
    "amount": ("金额", "Amount"),
    "discount": ("优惠", "Discount"),
    "subtotal": ("小计", "Subtotal"),
    "round_off": ("抹零", "Round-off"),
    "total": ("合计", "Total"),
    "change": ("找零", "Change"),
    "card": ("卡号", "Card"),
    "balance": ("卡余额", "Card balance"),
    "points_earned": ("本次积分", "Points earned"),
    "points_balance": ("积分余额", "Points balance"),
    "code": ("验证码", "Receipt code"),
}
_CODE = re.compile(rf"[0-9A-Z]{{{RECEIPT_CODE_CHARS}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One article."""

    name: str
    quantity_thousandths: int
    price_minor: int
    amount_minor: int
    """Quantity times price, rounded as the till does, before the discount."""
    discount_minor: int = 0
    """What this line is cheaper; 0 or more."""


@dataclass(frozen=True, slots=True)
class Tender:
    """One means of payment, or of refund, by the name that the customer knows."""

    name: str
    amount_minor: int
    card_number: str | None = None
    """In full; the paper shows it masked."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is on a receipt; `ValueError` when its sums do not add up or its code is none."""

    kind: ReceiptKind
    store: str
    terminal: str
    cashier: str
    time: datetime.datetime
    """With its zone; printed in that zone."""
    sequence: int
    """Of the entry in the switch's journal."""
    code: str
    lines: tuple[ReceiptLine, ...]
    total_minor: int
    tenders: tuple[Tender, ...]
    discounts: tuple[tuple[str, int], ...] = ()
    """Of the whole bill: name, and how much cheaper."""
    round_off_minor: int = 0
    """What was left off the total; 0 or more."""
    change_minor: int = 0
    card_number: str | None = None
    """Card that earned the points, or was paid with; in full, the paper shows it masked."""
    balance_minor: int | None = None
    points_earned_hundredths: int | None = None
    points_balance_hundredths: int | None = None
    qr: str | None = None
    """Content of the QR code at the end."""
    footer: str = ""
    copy_number: int = 0
    """0 for the first print; copies count from 1 and say so."""

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise ValueError("time: expected a moment with its zone, got one without")
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"code: expected {RECEIPT_CODE_CHARS} of 0-9 and A-Z, got {len(self.code)} characters")
        for name in (line.name for line in self.lines):
            if len(name) > NAME_CHARS_MAX:
                raise ValueError(f"line: expected a name of at most {NAME_CHARS_MAX} characters, got {len(name)}")
        due_minor = self.subtotal_minor - sum(amount for _, amount in self.discounts) - self.round_off_minor
        if due_minor != self.total_minor:
            raise ValueError(f"total: expected {due_minor} from lines, discounts and round-off, got {self.total_minor}")
        paid_minor = sum(tender.amount_minor for tender in self.tenders) - self.change_minor
        if paid_minor != self.total_minor:
            raise ValueError(f"tenders: expected {self.total_minor} in all less change, got {paid_minor}")

    @property
    def subtotal_minor(self) -> int:
        """Lines less their own discounts."""
        return sum(line.amount_minor - line.discount_minor for line in self.lines)

    def copy(self, number: int) -> Receipt:
        """The same receipt, marked as a copy; numbers start at 1."""
        if number < 1:
            raise ValueError(f"copy: expected a number from 1, got {number}")
        return replace(self, copy_number=number)


def _places(value: int, count: int) -> str:
    whole, part = divmod(abs(value), 10**count)
    return f"{'-' if value < 0 else ''}{whole:,}.{part:0{count}}"


def money(amount_minor: int) -> str:
    """1250 → `12.50`."""
    return _places(amount_minor, 2)


def _quantity(thousandths: int) -> str:
    return _places(thousandths, 3).rstrip("0").rstrip(".")


def lay_out(receipt: Receipt, language: Language, columns: int = COLUMNS_80_MM) -> Document:
    """The receipt as lines of at most `columns` columns, its QR code, and the cut."""
    which = 0 if language is Language.CHINESE else 1

    def word(name: str) -> str:
        return _WORDS[name][which]

    def figure(name: str, text: str) -> None:
        document.append(TextLine(pair(word(name), text, columns)))

    document: list[TextLine | QrCode | Cut] = []
    document += [TextLine(part, True, True, True) for part in wrap(receipt.store, columns // 2)]
    document.append(TextLine(word(receipt.kind.value), is_centred=True))
    if receipt.copy_number:
        document.append(TextLine(word("copy").format(receipt.copy_number), is_bold=True, is_centred=True))
    rule = TextLine("-" * columns)
    document.append(rule)
    figure("time", f"{receipt.time:%Y-%m-%d %H:%M:%S}")
    figure("terminal", receipt.terminal)
    figure("cashier", receipt.cashier)
    figure("sequence", str(receipt.sequence))
    document += [rule, TextLine(pair(word("item"), word("amount"), columns)), rule]
    for line in receipt.lines:
        document += _article(line, word("discount"), columns)
    document.append(rule)
    figure("subtotal", money(receipt.subtotal_minor))
    for name, amount_minor in receipt.discounts:
        document.append(TextLine(pair(f"{word('discount')} {name}", money(-amount_minor), columns)))
    if receipt.round_off_minor:
        figure("round_off", money(-receipt.round_off_minor))
    document.append(TextLine(pair(word("total"), money(receipt.total_minor), columns // 2), True, True))
    for tender in receipt.tenders:
        document.append(TextLine(pair(tender.name, money(tender.amount_minor), columns)))
        if tender.card_number is not None:
            document.append(TextLine(f"  {mask(tender.card_number)}"))
    if receipt.change_minor:
        figure("change", money(receipt.change_minor))
    document += _card(receipt, word, rule, columns)
    document.append(rule)
    figure("code", receipt.code)
    if receipt.qr:
        document.append(QrCode(receipt.qr))
    document += [TextLine(part, is_centred=True) for part in wrap(receipt.footer, columns) if receipt.footer]
    document.append(Cut())
    return document


def _article(line: ReceiptLine, discount: str, columns: int) -> list[TextLine]:
    """Name and amount on one line when they fit; what was bought how often below, and the discount."""
    amount = money(line.amount_minor)
    names = wrap(line.name, columns)
    lines = [TextLine(name) for name in names[:-1]]
    count = f"{_quantity(line.quantity_thousandths)} x {money(line.price_minor)}"
    if width(names[-1]) + 1 + width(amount) <= columns and line.quantity_thousandths == 1000:
        lines.append(TextLine(pair(names[-1], amount, columns)))
    else:
        lines += [TextLine(names[-1]), TextLine(pair(f"  {count}", amount, columns))]
    if line.discount_minor:
        lines.append(TextLine(pair(f"  {discount}", money(-line.discount_minor), columns)))
    return lines


def _card(receipt: Receipt, word: Callable[[str], str], rule: TextLine, columns: int) -> list[TextLine]:
    rows: Sequence[tuple[str, str | None]] = (
        ("card", None if receipt.card_number is None else mask(receipt.card_number)),
        ("balance", None if receipt.balance_minor is None else money(receipt.balance_minor)),
        ("points_earned", _points(receipt.points_earned_hundredths)),
        ("points_balance", _points(receipt.points_balance_hundredths)),
    )
    lines = [TextLine(pair(word(name), text, columns)) for name, text in rows if text is not None]
    return [rule, *lines] if lines else []


def _points(hundredths: int | None) -> str | None:
    return None if hundredths is None else _places(hundredths, 2)


def plain(document: Document) -> str:
    """A laid-out receipt as text, for a screen or an e-mail."""
    shown = []
    for element in document:
        if isinstance(element, TextLine):
            shown.append(element.text.rstrip())
        elif isinstance(element, QrCode):
            shown.append(f"[QR {element.content}]")
    return "".join(f"{line}\n" for line in shown)
