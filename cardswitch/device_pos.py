"""`cardswitch device pos`: a till in a shell, for training and trying out; it sells with real cards and real money."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Group, Parameter

from .desk import Switch
from .device import app
from .output import Output
from .units import Money, plain_decimal

if TYPE_CHECKING:
    from switch.protocol.messages import Reply
    from terminals.pos import Pos
    from terminals.pos_cashier import Sale
    from terminals.pos_words import Notice, Words

WAIT_SECONDS = 120
"""For a person to find the card."""
PIN_DIGITS_MIN, PIN_DIGITS_MAX = 4, 12

TILL = Group("Till and output", sort_key=90)
pos_app = App(
    name="pos",
    help="""A till in a shell: sell from a card, give back, put in order what a crash has left.

For example:
    cardswitch device pos sell till-12.toml bill.json --key-file till.key --folder till-12""",
    help_format="plaintext",
)
app.command(pos_app)


@Parameter(name="*")
@dataclass(frozen=True)
class Till:
    """Options of every command here."""

    key_file: Annotated[Path, Parameter(group=TILL)]
    """Key file of the till's terminal (`cardswitch terminal put`)."""
    folder: Annotated[Path, Parameter(group=TILL)]
    """Where the till keeps what it must not forget: always the same for a till, and no other till's."""
    connect: Annotated[str, Parameter(env_var="CARDSWITCH_CONNECT", group=TILL)] = "127.0.0.1:7464"
    """HOST:PORT of the switch."""
    cashier: Annotated[str, Parameter(group=TILL)] = ""
    """Name on receipts."""
    language: Annotated[Literal["zh", "en"], Parameter(group=TILL)] = "zh"
    """Language of receipts and notices."""
    json: Annotated[bool, Parameter(negative="", group=TILL)] = False
    """Print JSON lines for programs; then everything is agreed to, and no PIN is asked for."""

    @property
    def which(self) -> int:
        """Place of the language in a pair of words."""
        return 0 if self.language == "zh" else 1


class ShellCashier:
    """A person at a shell; without one everything is agreed to, and no PIN can be asked for."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self._is_there = sys.stdin.isatty() and not till.json
        self.on_present: Callable[[], None] | None = None
        """What to do, once, when a card is asked for: a number that was typed beforehand."""

    def show(self, notice: Notice, words: Words) -> None:
        """Print it."""
        if self._till.json:
            row = {"notice": notice.name.lower(), "chinese": words.chinese, "english": words.english}
            print(json.dumps(row, ensure_ascii=False), flush=True)
        else:
            print(words[self._till.which], flush=True)
        if notice.name == "PRESENT_CARD" and self.on_present is not None:
            act, self.on_present = self.on_present, None
            act()

    async def agree(self, due_minor: int, quote: Reply) -> bool:
        """Ask a person."""
        question = ("应付 {}，确认收款？[Y/n] ", "{} to pay. Take it? [Y/n] ")[self._till.which]
        return await self._ask(question.format(plain_decimal(due_minor))) != "n"

    async def ask_pin(self, words: Words) -> bytes | None:
        """Ask a person, without showing what is typed."""
        if not self._is_there:
            return None
        typed = await asyncio.to_thread(getpass.getpass, f"{words[self._till.which]}: ")
        is_pin = typed.isascii() and typed.isdecimal() and PIN_DIGITS_MIN <= len(typed) <= PIN_DIGITS_MAX
        return typed.encode() if is_pin else None

    async def printer_stopped(self, words: Words) -> bool:
        """Ask a person whether to try again."""
        question = ("处理好后按回车，n 稍后再打：", "Enter when it is seen to, n to print later: ")[self._till.which]
        return self._is_there and await self._ask(question) != "n"

    async def _ask(self, question: str) -> str:
        return (await asyncio.to_thread(input, question)).strip().lower() if self._is_there else ""


@pos_app.command
def sell(
    workstation: Path,
    bill: Path,
    /,
    *,
    till: Till,
    card: str = "",
    faces: Path | None = None,
    receipt: bool = True,
    wait_seconds: int = WAIT_SECONDS,
) -> int:
    """Sell one bill: wait for a card, price, debit, write to the card, print.

    For example:
        cardswitch device pos sell till-12.toml bill.json --key-file till.key --folder till-12

    The status is 0 when the bill was paid and 1 when it was not. What an earlier sale has left is put in order first.

    Parameters
    ----------
    workstation
        The workstation's file (`cardswitch device setup`).
    bill
        The bill, JSON as for `cardswitch rules try`; each line may have a name.
    card
        A typed card number; without it a card is waited for.
    faces
        Designs of visual cards (`cardswitch device faces fetch`): the sale prints the card's face anew.
    receipt
        Whether the customer wants one.
    wait_seconds
        How long to wait for a card.
    """
    from terminals.pos_bill import SaleBill
    from terminals.pos_cashier import SaleResult

    from .bill_file import read_bill

    read = read_bill(bill)
    goods = SaleBill(read.amount_minor, read.lines, read.names, read.tenders, read.flags, read.settlement)
    cashier = ShellCashier(till)

    async def work(pos: Pos) -> int:
        if card:
            cashier.on_present = lambda: pos.card_input.type_number(card)
        sale = await pos.sale(goods, prints=receipt)
        _tell(till, sale)
        return 0 if sale.result is SaleResult.PAID else 1

    return _run(till, workstation, cashier, work, wait_seconds, faces)


@pos_app.command
def identify(workstation: Path, /, *, till: Till, card: str = "", wait_seconds: int = WAIT_SECONDS) -> int:
    """Tell who holds the card that is shown: member, type, level, balance and points; nothing is taken.

    For example:
        cardswitch device pos identify till-12.toml --key-file till.key --folder till-12

    The status is 1 when no card was shown, or one that is not known.

    Parameters
    ----------
    workstation
        The workstation's file.
    card
        A typed card number; without it a card is waited for.
    wait_seconds
        How long to wait for a card.
    """
    from switch.protocol.messages import CardStatus

    cashier = ShellCashier(till)

    async def work(pos: Pos) -> int:
        if card:
            cashier.on_present = lambda: pos.card_input.type_number(card)
        holder = await pos.identify()
        if holder is None:
            Output(as_json=till.json).say(("没有识别到卡", "No card was recognised")[till.which], card=None)
            return 1
        status = CardStatus(holder.status).name.lower()
        Output(as_json=till.json).say(
            f"{holder.card}: member {holder.member or '-'}, type {holder.card_type}, level {holder.level}, {status},"
            f" balance {plain_decimal(holder.balance_minor)}, points {plain_decimal(holder.points_hundredths)}",
            card=holder.card,
            member=holder.member,
            card_type=holder.card_type,
            level=holder.level,
            status=status,
            balance=plain_decimal(holder.balance_minor),
            points=plain_decimal(holder.points_hundredths),
            payments_today=holder.payments_today,
        )
        return 0

    return _run(till, workstation, cashier, work, wait_seconds)


@pos_app.command
def recover(workstation: Path, /, *, till: Till) -> int:
    """Put in order what a crash or a lost line has left: undo what nobody was told, print what is owed.

    For example:
        cardswitch device pos recover till-12.toml --key-file till.key --folder till-12

    The status is 1 while something is still open.

    Parameters
    ----------
    workstation
        The workstation's file.
    """

    async def work(pos: Pos) -> int:
        for sale in await pos.recover():
            _tell(till, sale)
        return 1 if pos.journal.open_sales() else 0

    return _run(till, workstation, ShellCashier(till), work)


@pos_app.command
def copy(workstation: Path, sale: int, /, *, till: Till) -> int:
    """Print a paid sale's receipt once more, marked as a copy.

    For example:
        cardswitch device pos copy till-12.toml 17 --key-file till.key --folder till-12

    Parameters
    ----------
    workstation
        The workstation's file.
    sale
        The sale's number, as `cardswitch device pos sell` has told it.
    """

    async def work(pos: Pos) -> int:
        return 0 if await pos.print_copy(sale) else 1

    return _run(till, workstation, ShellCashier(till), work)


@pos_app.command
def void(workstation: Path, sale: int, /, *, till: Till) -> int:
    """Give a sale of today or yesterday back, all of it.

    For example:
        cardswitch device pos void till-12.toml 17 --key-file till.key --folder till-12

    Parameters
    ----------
    workstation
        The workstation's file.
    sale
        The sale's number.
    """
    from terminals.pos_cashier import SaleResult

    async def work(pos: Pos) -> int:
        ended = await pos.void(sale)
        _tell(till, ended)
        return 0 if ended.result is SaleResult.UNDONE else 1

    return _run(till, workstation, ShellCashier(till), work)


@pos_app.command
def refund(workstation: Path, sale: int, amount: Money, /, *, till: Till) -> int:
    """Give back a part of a sale, or all of it, however old.

    For example:
        cardswitch device pos refund till-12.toml 17 2.50 --key-file till.key --folder till-12

    Parameters
    ----------
    workstation
        The workstation's file.
    sale
        The sale's number.
    amount
        How much, such as 2.50.
    """

    async def work(pos: Pos) -> int:
        outcome = await pos.refund(sale, amount)
        facts = {"sale": sale, "result": outcome.verdict.value, "amount": plain_decimal(outcome.amount_minor)}
        Output(as_json=till.json).say(
            f"{outcome.verdict.value}: {outcome.meaning}", **facts, code=outcome.code, meaning=outcome.meaning
        )
        return 0 if outcome.approved else 1

    return _run(till, workstation, ShellCashier(till), work)


def _tell(till: Till, sale: Sale) -> None:
    sequence = sale.reply.journal_sequence if sale.reply is not None else 0
    Output(as_json=till.json).say(
        f"sale {sale.number}: {sale.result.value}: {sale.words[till.which]}",
        sale=sale.number,
        result=sale.result.value,
        code=sale.code,
        sequence=sequence,
        printed=sale.is_printed,
        written=None if sale.written is None else sale.written.value,
        words=sale.words[till.which],
    )


def _run(
    till: Till,
    file: Path,
    cashier: ShellCashier,
    work: Callable[[Pos], Awaitable[int]],
    wait_seconds: int = WAIT_SECONDS,
    faces: Path | None = None,
) -> int:
    from terminals.credentials import read_credentials
    from terminals.face_design import read_face_book
    from terminals.pos_setup import open_pos
    from terminals.receipts import Language
    from terminals.sale_receipt import ShopFacts
    from terminals.workstation import read_workstation

    workstation, credentials = read_workstation(file), read_credentials(till.key_file)
    address = Switch(connect=till.connect).address
    book = None if faces is None else read_face_book(faces)
    till.folder.mkdir(parents=True, exist_ok=True)
    shop = ShopFacts(
        store=workstation.store or workstation.name,
        terminal=str(credentials.terminal_id),
        cashier=till.cashier,
        language=Language(till.language),
    )

    async def run() -> int:
        async with open_pos(
            address,
            credentials,
            workstation,
            till.folder,
            cashier,
            shop,
            card_wait_ms=wait_seconds * 1000,
            faces=book,
        ) as pos:
            return await work(pos)

    return asyncio.run(run())
