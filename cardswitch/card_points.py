"""`cardswitch card`: points and visits of a card at the desk: corrected, voided, moved, made up for, used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Group, Parameter

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    AdjustPointsRequest,
    BackfillRequest,
    ConvertRequest,
    LoadVisitsRequest,
    RedeemRequest,
    TransferPointsRequest,
)
from switch.protocol.records import AccountRecord, CardRecord, PurseRecord, RecordKind
from terminals.outcome import Outcome, Verdict

from .bill_file import Bill, read_bill
from .card import Reason, app
from .card_numbers import DEFAULT as ALL_NAMED
from .card_numbers import Selection, select
from .desk import DEFAULT, Desk, Switch, at_desk
from .output import CommandError, explain_outcome, insist
from .units import CardNumber, Date, Minute, Money, Points, format_decimal, plain_decimal

POINTS = Group("Points and visits", sort_key=25)
POINTS_PURSE = 1 << 32
REFERENCE_BYTES = 16
Category = Annotated[int, Parameter(help="Points category, 0 to 63 (`cardswitch points list`).")]


def _tell(desk: Desk, outcome: Outcome, number: int, what: str, form: type[Packed], category: int = 0) -> None:
    """What was done, and the account afterwards; the switch tells the points of category 0 and of no other."""
    reply = insist(outcome, f"card {desk.out.card(number)}", form).reply
    assert reply is not None
    points = reply.points_hundredths if what == "adjusted" else abs(reply.points_hundredths)
    sentence = f"card {desk.out.card(number)}: {what} {format_decimal(points)} points"
    if category:
        sentence += f" of category {category}; balance {format_decimal(reply.balance_minor)}"
    else:
        sentence += f"; category 0 has {format_decimal(reply.points_balance_hundredths)}"
        sentence += f", balance {format_decimal(reply.balance_minor)}"
    desk.out.say(
        f"{sentence} (entry {reply.journal_sequence})",
        card=desk.out.card(number),
        done=what,
        category=category,
        points=plain_decimal(reply.points_hundredths),
        points_balance=None if category else plain_decimal(reply.points_balance_hundredths),
        balance=plain_decimal(reply.balance_minor),
        entry=reply.journal_sequence,
    )


@app.command(group=POINTS)
def adjust_points(
    number: CardNumber,
    points: Points,
    /,
    *,
    category: Category = 0,
    reason: Reason = 0,
    reference: str = "",
    switch: Switch = DEFAULT,
) -> int:
    """Correct points by hand, up or down.

    For example:
        cardswitch card adjust-points 6200000000000001 -25.50 --reason 2

    Below 0 takes points. With a reference the correction counts once.
    Next: the points can be used from the next request on.

    Parameters
    ----------
    number
        Card number.
    points
        Points to add, such as 12.50; below 0 to take.
    reference
        Text of 1 to 16 bytes that is applied once.
    """
    if len(reference.encode()) > REFERENCE_BYTES:
        raise CommandError(f"--reference: expected at most {REFERENCE_BYTES} bytes, got {len(reference.encode())}")

    async def work(desk: Desk) -> int:
        outcome = await desk.client.adjust_points(
            number,
            points,
            category=category,
            reason=reason,
            operator_id=desk.operator_id,
            reference=reference.encode(),
        )
        _tell(desk, outcome, number, "adjusted", AdjustPointsRequest, category)
        return 0

    return at_desk(switch, work, is_repeatable=bool(reference))


class _Voidable(msgspec.Struct):
    """One line of a preview: a card whose points are to be voided, and the entry that they were seen at."""

    card: int
    category: int
    points_hundredths: int
    if_sequence: int


@app.command(group=POINTS)
def void_points(
    *numbers: CardNumber,
    category: Category = 0,
    reason: Reason = 0,
    preview: Path | None = None,
    if_unchanged: Path | None = None,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Take all points of a category from cards: first a preview, then the run, which skips what has changed since.

    For example:
        cardswitch card void-points --file inactive.txt --preview plan.jsonl
        cardswitch card void-points --if-unchanged plan.jsonl --reason 4

    The preview writes the cards that have points, with the account's last
    entry, and changes nothing. The run voids exactly those, each only if its
    account is still as the preview has shown it. A run may be repeated.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    preview
        File to write the preview to; it holds card numbers in full and is readable by you alone.
    if_unchanged
        File of a preview to carry out.
    """
    if (preview is None) == (if_unchanged is None):
        raise CommandError("card void-points: expected --preview FILE, and then --if-unchanged FILE; name one of them")

    async def look(desk: Desk) -> int:
        assert preview is not None
        plan = [
            voidable
            for card in select(numbers, selection)
            if (voidable := await _voidable(desk, card.number, category)) is not None
        ]
        descriptor = os.open(preview, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in plan))
        desk.out.rows([_row(desk, row) for row in plan], nothing="no card has points of the category")
        if not desk.out.as_json:
            total = format_decimal(sum(row.points_hundredths for row in plan))
            print(f"cards: {len(plan):,}; points: {total}; nothing was changed. Next: --if-unchanged {preview}")
        return 0

    async def carry_out(desk: Desk) -> int:
        assert if_unchanged is not None
        rows, failed_count = [], 0
        for row in _read_plan(if_unchanged):
            result = await _void(desk, row, reason)
            failed_count += result not in ("done", "done before")
            rows.append(_row(desk, row) | {"result": result})
        desk.out.rows(rows, nothing="the preview names no cards")
        return 1 if failed_count else 0

    return at_desk(switch, look if preview is not None else carry_out)


def _row(desk: Desk, row: _Voidable) -> dict[str, Any]:
    return {
        "card": desk.out.card(row.card),
        "category": row.category,
        "points": format_decimal(row.points_hundredths),
        "seen_at": row.if_sequence,
    }


def _read_plan(path: Path) -> list[_Voidable]:
    try:
        return [msgspec.json.decode(line, type=_Voidable) for line in path.read_bytes().splitlines() if line]
    except (OSError, msgspec.DecodeError) as error:
        raise CommandError(f"{path}: expected a file that --preview has written, got {error}") from None


async def _voidable(desk: Desk, number: int, category: int) -> _Voidable | None:
    card = await desk.record(RecordKind.CARD, CardRecord, number)
    account = await desk.record(RecordKind.ACCOUNT, AccountRecord, card.account_number) if card else None
    if account is None:
        return None
    points = account.points_hundredths
    if category:
        purse = await desk.record(RecordKind.PURSE, PurseRecord, account.account_number, POINTS_PURSE | category, 0)
        points = purse.amount if purse else 0
    return _Voidable(number, category, points, account.last_sequence) if points > 0 else None


async def _void(desk: Desk, row: _Voidable, reason: int) -> str:
    outcome = await desk.client.adjust_points(
        row.card,
        0,
        category=row.category,
        reason=reason,
        void_all=True,
        operator_id=desk.operator_id,
        if_sequence=row.if_sequence,
    )
    if outcome.approved:
        return "done"
    if outcome.code == ResponseCode.CHANGED_SINCE and await _voidable(desk, row.card, row.category) is None:
        return "done before"
    return "unknown" if outcome.verdict is Verdict.UNKNOWN else explain_outcome(outcome, AdjustPointsRequest)


@app.command(group=POINTS)
def transfer_points(
    number: CardNumber, to: CardNumber, points: Points, /, *, category: Category = 0, switch: Switch = DEFAULT
) -> int:
    """Move points of one category from one card's account to another's.

    For example:
        cardswitch card transfer-points 6200000000000001 6200000000000002 100

    Parameters
    ----------
    number
        Card that gives.
    to
        Card that gets.
    points
        Points to move.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.transfer_points(number, points, to, category=category)
        _tell(desk, outcome, number, "transferred", TransferPointsRequest, category)
        return 0

    return at_desk(switch, work, is_repeatable=False)


@app.command(group=POINTS)
def backfill(
    number: CardNumber,
    /,
    *,
    store: int,
    receipt: int,
    date: Date,
    amount: Money | None = None,
    bill: Path | None = None,
    time: Minute = 720,
    switch: Switch = DEFAULT,
) -> int:
    """Give points for a sale that missed them: once per receipt, by the rules of the date of sale, up to 92 days back.

    For example:
        cardswitch card backfill 6200000000000001 --store 12 --receipt 88123 --date 2026-03-01 --amount 56.40

    Parameters
    ----------
    number
        Card number.
    store
        Store of the sale.
    receipt
        Number of the receipt.
    date
        Business date of the sale.
    amount
        What the bill came to, where its lines do not matter.
    bill
        JSON file with the bill and its lines (`cardswitch rules template --bill` prints one).
    time
        Local time of the sale, such as 17:30.
    """
    if (amount is None) == (bill is None):
        raise CommandError("card backfill: expected --amount or --bill; name one of them")
    sale = read_bill(bill) if bill is not None else Bill(amount or 0, (), (), 0, 0)

    async def work(desk: Desk) -> int:
        outcome = await desk.client.backfill(
            number,
            sale.amount_minor,
            receipt=receipt,
            store_id=store,
            sale_date=date,
            sale_minute=time,
            settlement=sale.settlement,
            operator_id=desk.operator_id,
            lines=sale.lines,
        )
        _tell(desk, outcome, number, "made up for", BackfillRequest)
        return 0

    return at_desk(switch, work)


@app.command(group=POINTS)
def redeem(
    number: CardNumber,
    /,
    *,
    gift: int = 0,
    pieces: int | None = None,
    points: Points = 0,
    category: Category = 0,
    switch: Switch = DEFAULT,
) -> int:
    """Use points for a gift, or for something that the switch has no price for. Needs a key that may pay.

    For example:
        cardswitch card redeem 6200000000000001 --gift 5 --pieces 1

    Next: hand the gift over; its stock and the points are less by then.

    Parameters
    ----------
    number
        Card number.
    gift
        Number of the gift (`cardswitch gift list`); without it, --points says how many to use.
    pieces
        Pieces of the gift.
    points
        Points to use; with a gift its price for all pieces, or left out.
    """
    if not gift and points <= 0:
        raise CommandError("card redeem: expected --gift NUMBER, or --points above 0; name one of them")
    count = pieces if pieces is not None else (1 if gift else 0)

    async def work(desk: Desk) -> int:
        outcome = await desk.client.redeem(
            number, points_hundredths=points, gift_id=gift, pieces=count, category=category
        )
        _tell(desk, outcome, number, "redeemed", RedeemRequest, category)
        return 0

    return at_desk(switch, work, is_repeatable=False)


@app.command(group=POINTS)
def convert_points(number: CardNumber, amount: Money, /, *, category: Category = 0, switch: Switch = DEFAULT) -> int:
    """Turn points into value at the category's rate. Needs a key that may pay.

    For example:
        cardswitch card convert-points 6200000000000001 10.00

    Parameters
    ----------
    number
        Card number.
    amount
        Value wanted, a multiple of the category's lot.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.convert(number, amount, category=category)
        _tell(desk, outcome, number, "converted", ConvertRequest, category)
        return 0

    return at_desk(switch, work, is_repeatable=False)


@app.command(group=POINTS)
def load_visits(
    number: CardNumber,
    service: int,
    count: int,
    /,
    *,
    last_date: Date = 0,
    received: Money = 0,
    switch: Switch = DEFAULT,
) -> int:
    """Put counted visits of a service on a card.

    For example:
        cardswitch card load-visits 6200000000000001 3 10 --last-date 2026-12-31 --received 200.00

    Parameters
    ----------
    number
        Card number.
    service
        Number of the service, 1 to 255.
    count
        Visits to add.
    last_date
        Last date of use of all visits of the service; without it they never end.
    received
        Price paid; recorded.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.load_visits(
            number, service, count, received_minor=received, expiry_date=last_date, operator_id=desk.operator_id
        )
        insist(outcome, f"card {desk.out.card(number)}", LoadVisitsRequest)
        desk.out.say(
            f"card {desk.out.card(number)}: {count:,} visits of service {service} loaded",
            card=desk.out.card(number),
            service=service,
            loaded=count,
        )
        return 0

    return at_desk(switch, work, is_repeatable=False)
