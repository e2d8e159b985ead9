"""`cardswitch card`: value of a card at the desk: balance, recharge, holds, refunds, transfers."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    CaptureRequest,
    CreditRequest,
    HoldRequest,
    RechargeChannel,
    RefundLine,
    RefundRequest,
    ReleaseRequest,
    TransferRequest,
)
from terminals.outcome import Outcome

from .card import app
from .desk import DEFAULT, Desk, Switch, at_desk
from .form import choose, names_of
from .output import CommandError, insist
from .units import CardNumber, Money, format_decimal, parse_decimal, plain_decimal

VALUE = Group("Value", sort_key=24)
REFERENCE_BYTES = 16
LINES_MAX = 255


def tell(desk: Desk, outcome: Outcome, number: int, what: str, form: type[Packed]) -> None:
    """What was done, and the account afterwards."""
    reply = insist(outcome, f"card {desk.out.card(number)}", form).reply
    if reply is None:  # settled by what came before; nothing was heard
        desk.out.say(f"{what}: done", card=desk.out.card(number), done=what)
        return
    sentence = f"card {desk.out.card(number)}: {what} {format_decimal(reply.amount_minor)}"
    if reply.change_minor:
        sentence += f", in cash {format_decimal(reply.change_minor)}"
    sentence += f"; balance {format_decimal(reply.balance_minor)}, available {format_decimal(reply.available_minor)}"
    desk.out.say(
        f"{sentence} (entry {reply.journal_sequence})",
        card=desk.out.card(number),
        done=what,
        amount=plain_decimal(reply.amount_minor),
        cash=plain_decimal(reply.change_minor),
        balance=plain_decimal(reply.balance_minor),
        available=plain_decimal(reply.available_minor),
        points=plain_decimal(reply.points_hundredths),
        entry=reply.journal_sequence,
    )


@app.command(group=VALUE)
def balance(number: CardNumber, /, *, switch: Switch = DEFAULT) -> int:
    """Balance, available value and points of a card. Needs a key that may pay.

    For example:
        cardswitch card balance 6200000000000001

    Parameters
    ----------
    number
        Card number.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.balance(number)
        reply = insist(outcome, f"card {desk.out.card(number)}").reply
        assert reply is not None
        desk.out.facts(
            {
                "card": desk.out.card(number),
                "balance": format_decimal(reply.balance_minor),
                "available": format_decimal(reply.available_minor),
                "points": format_decimal(reply.points_balance_hundredths),
            }
        )
        return 0

    return at_desk(switch, work)


@app.command(group=VALUE)
def recharge(
    number: CardNumber,
    amount: Money,
    /,
    *,
    channel: str = "cash-hq",
    reference: str = "",
    received: Money | None = None,
    switch: Switch = DEFAULT,
) -> int:
    """Put value on a card.

    For example:
        cardswitch card recharge 6200000000000001 100.00 --channel bank-card --reference 83421

    A reference is credited once per channel: repeating the command with it is
    refused, so nothing is credited twice.
    Next: the value can be spent from the next debit on.

    Parameters
    ----------
    number
        Card number.
    amount
        Amount to put on, such as 100.00.
    channel
        Where the money came from: opening, cash-store, cash-hq, bank-card, retailer-card, telecom-card, terminal,
        internet, batch-file, voucher.
    reference
        The channel's own reference, 1 to 16 bytes.
    received
        Amount received, if it is another one; recorded.
    """
    try:
        code = choose(channel, names_of(RechargeChannel))
    except ValueError as error:
        raise CommandError(f"--channel: {error}") from None
    if len(reference.encode()) > REFERENCE_BYTES:
        raise CommandError(f"--reference: expected at most {REFERENCE_BYTES} bytes, got {len(reference.encode())}")

    async def work(desk: Desk) -> int:
        outcome = await desk.client.credit(
            number,
            amount,
            channel=code,
            reference=reference.encode(),
            operator_id=desk.operator_id,
            received_minor=amount if received is None else received,
        )
        tell(desk, outcome, number, "recharged", CreditRequest)
        return 0

    return at_desk(switch, work, is_repeatable=bool(reference))


@app.command(group=VALUE)
def hold(number: CardNumber, amount: Money, /, *, expires_in: int = 0, switch: Switch = DEFAULT) -> int:
    """Reserve an amount on a card, as a hotel or a hirer does. Needs a key that may pay.

    For example:
        cardswitch card hold 6200000000000001 200.00 --expires-in 86400

    Next: `card capture` takes it, `card release` gives it back, both by the
    entry number that is printed.

    Parameters
    ----------
    number
        Card number.
    amount
        Amount to hold.
    expires_in
        Seconds until it ends by itself; 0: the longest the type allows.
    """

    async def work(desk: Desk) -> int:
        tell(desk, await desk.client.hold(number, amount, expires_in_s=expires_in), number, "held", HoldRequest)
        return 0

    return at_desk(switch, work, is_repeatable=False)


@app.command(group=VALUE)
def capture(
    number: CardNumber, hold: int, amount: Money, /, *, keep_rest: bool = False, switch: Switch = DEFAULT
) -> int:
    """Take all or a part of what is held. Needs a key that may pay.

    For example:
        cardswitch card capture 6200000000000001 4711 180.00

    Parameters
    ----------
    number
        Card number.
    hold
        Entry number of the hold, as `card hold` and `card show` print it.
    amount
        Amount to take, at most what is held.
    keep_rest
        What is left stays held; without it, it is released.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.capture(number, amount, hold, keep_rest=keep_rest)
        tell(desk, outcome, number, "captured", CaptureRequest)
        return 0

    return at_desk(switch, work, is_repeatable=False)


@app.command(group=VALUE)
def release(number: CardNumber, hold: int, /, *, switch: Switch = DEFAULT) -> int:
    """Give back what is held. Needs a key that may pay.

    For example:
        cardswitch card release 6200000000000001 4711

    Parameters
    ----------
    number
        Card number.
    hold
        Entry number of the hold.
    """

    async def work(desk: Desk) -> int:
        tell(desk, await desk.client.release(number, hold), number, "released", ReleaseRequest)
        return 0

    return at_desk(switch, work, is_repeatable=False)


@app.command(group=VALUE)
def refund(
    number: CardNumber,
    original: int,
    amount: Money,
    /,
    *,
    line: Annotated[list[str] | None, Parameter(negative="", metavar="NUMBER=AMOUNT")] = None,
    switch: Switch = DEFAULT,
) -> int:
    """Give back a part or all of a sale, however old; never more than it took. Needs a key that may pay.

    For example:
        cardswitch card refund 6200000000000001 815 12.50
        cardswitch card refund 6200000000000001 815 12.50 --line 1=10.00 --line 3=2.50

    With --line, points go back as those lines earned them; without, by the
    part of the bill that is refunded.
    In every status of the card: of a replaced one the value goes to its
    successor, of an ended one it is paid in cash.

    Parameters
    ----------
    number
        Card number of the sale, or the card that goes on for it.
    original
        Entry number of the sale (`cardswitch journal show`, or the till's slip).
    amount
        Amount to give back.
    line
        A line of the bill, counted from 1, and what of the amount is for it; once for each line.
    """
    lines = [_refund_line(text) for text in line or ()]
    told_minor = sum(part.amount_minor for part in lines)
    if lines and told_minor != amount:
        raise CommandError(
            f"--line: expected lines that come to {format_decimal(amount)}, got {format_decimal(told_minor)}"
        )

    async def work(desk: Desk) -> int:
        tell(desk, await desk.client.refund(number, amount, original, lines), number, "refunded", RefundRequest)
        return 0

    return at_desk(switch, work, is_repeatable=False)


def _refund_line(text: str) -> RefundLine:
    number, equals, amount = text.partition("=")
    if not equals or not number.isdecimal() or not 1 <= int(number) <= LINES_MAX:
        raise CommandError(f"--line: expected NUMBER=AMOUNT such as 1=10.00, lines counted from 1, got {text!r}")
    return RefundLine(line=int(number) - 1, amount_minor=parse_decimal(amount))


@app.command(group=VALUE)
def transfer(number: CardNumber, to: CardNumber, amount: Money, /, *, switch: Switch = DEFAULT) -> int:
    """Move value from one card's account to another's; both, or neither.

    For example:
        cardswitch card transfer 6200000000000001 6200000000000002 25.00

    Parameters
    ----------
    number
        Card that gives.
    to
        Card that gets.
    amount
        Amount to move.
    """

    async def work(desk: Desk) -> int:
        tell(desk, await desk.client.transfer(number, amount, to), number, "transferred", TransferRequest)
        return 0

    return at_desk(switch, work, is_repeatable=False)
