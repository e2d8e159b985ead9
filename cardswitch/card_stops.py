"""`cardswitch card`: what stops a card, lets it go on, or ends it."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Group, Parameter

from switch.protocol.messages import CardOperation, OperationFlag

from .card import Document, DryRun, Fee, Reason, app, operate
from .card_numbers import DEFAULT as ALL_NAMED
from .card_numbers import Selection
from .desk import DEFAULT, Switch
from .output import CommandError
from .units import CardNumber, Date

STOPS = Group("Stop and go on", sort_key=21)
ENDS = Group("End and replace", sort_key=22)
Approver = Annotated[
    int, Parameter(show_default=False, help="Number of a second person, who approves it; not yourself.")
]

_NUMBERS = """

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    """


def _insist_on_two(name: str, operator: int, approver: int) -> None:
    if not operator or not approver:
        raise CommandError(
            f"card {name}: expected two persons, got operator {operator or 'nobody'} and approver"
            f" {approver or 'nobody'}; name yourself with --operator and somebody else with --approver"
        )


def _add(name: str, operation: CardOperation, group: Group, help_text: str, *, with_fee: bool, person: bool) -> None:
    """A command that needs nothing beside the cards, a reason, a document, and for some a fee."""

    def plain(
        *numbers: CardNumber,
        reason: Reason = 0,
        document: Document = 0,
        dry_run: DryRun = False,
        selection: Selection = ALL_NAMED,
        switch: Switch = DEFAULT,
    ) -> int:
        return operate(
            operation,
            numbers,
            selection,
            switch,
            dry_run=dry_run,
            needs_person=person,
            reason=reason,
            document=document,
        )

    def charged(
        *numbers: CardNumber,
        fee: Fee = "waived",
        reason: Reason = 0,
        document: Document = 0,
        dry_run: DryRun = False,
        selection: Selection = ALL_NAMED,
        switch: Switch = DEFAULT,
    ) -> int:
        return operate(
            operation, numbers, selection, switch, dry_run=dry_run, fee=fee, reason=reason, document=document
        )

    command = charged if with_fee else plain
    command.__doc__ = help_text + _NUMBERS
    command.__name__ = name.replace("-", "_")
    app.command(command, name=name, group=group)


def _add_approved(name: str, operation: CardOperation, group: Group, help_text: str, *, pairs: bool = False) -> None:
    """A command that needs two persons, and the cards, or pairs of an old number and a new one."""

    def approved(
        *numbers: CardNumber,
        approver: Approver = 0,
        reason: Reason = 0,
        document: Document = 0,
        dry_run: DryRun = False,
        selection: Selection = ALL_NAMED,
        switch: Switch = DEFAULT,
    ) -> int:
        _insist_on_two(name, switch.operator, approver)
        fields: dict[str, Any] = {"approver_id": approver, "reason": reason, "document": document}
        return operate(operation, numbers, selection, switch, dry_run=dry_run, pairs=pairs, needs_person=True, **fields)

    approved.__doc__ = help_text
    approved.__name__ = name
    app.command(approved, name=name, group=group)


_add(
    "report-loss",
    CardOperation.REPORT_LOSS,
    STOPS,
    """Report cards as lost: the next debit anywhere is refused. The value is kept.

    For example:
        cardswitch card report-loss 6200000000000001 --fee cash

    Next: `card restore` when it is found, or `card replace`. A fee that
    cannot be taken is noted as due and stops nothing.""",
    with_fee=True,
    person=False,
)
_add(
    "restore",
    CardOperation.RESTORE,
    STOPS,
    """Take a loss report back: the card is what it was before.

    For example:
        cardswitch card restore 6200000000000001 --fee cash

    Next: nothing; a card past its last date becomes EXPIRED (`card renew`).""",
    with_fee=True,
    person=False,
)
_add(
    "freeze",
    CardOperation.FREEZE,
    STOPS,
    """Stop cards: no debit, redemption or recharge; the value is kept. Needs --operator.

    For example:
        cardswitch card freeze 6200000000000001 --operator 7 --reason 3

    Next: another person than the one who froze it runs `card unfreeze`.""",
    with_fee=False,
    person=True,
)
_add(
    "unfreeze",
    CardOperation.UNFREEZE,
    STOPS,
    """Let frozen cards be used again. Needs --operator: another person than who froze them.

    For example:
        cardswitch card unfreeze 6200000000000001 --operator 8

    Next: the card can be used from the next request on.""",
    with_fee=False,
    person=True,
)
_add(
    "expire",
    CardOperation.EXPIRE,
    STOPS,
    """Mark cards as expired whose last date has passed (they are refused without it too).

    For example:
        cardswitch card expire --file past.txt --dry-run

    Next: `card renew`, `card return` or `card replace`.""",
    with_fee=False,
    person=False,
)


@app.command(group=STOPS)
def renew(
    *numbers: CardNumber,
    ending_by: Date | None = None,
    fee: Fee = "waived",
    reason: Reason = 0,
    document: Document = 0,
    dry_run: DryRun = False,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Extend cards by the type's validity, from today or from their last date, whichever is later.

    For example:
        cardswitch card renew 6200000000000001 --fee balance
        cardswitch card renew --file ending.txt --ending-by 2026-12-31 --fee cash

    A card may be renewed again and again. With --ending-by the command can be
    repeated after an interruption: what it has renewed already ends later, and
    is left as done before, without a second fee.
    Next: the card is active; `card show` has its new last date.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    ending_by
        Only cards whose last date is this one or earlier.
    """
    return operate(
        CardOperation.RENEW,
        numbers,
        selection,
        switch,
        dry_run=dry_run,
        fee=fee,
        ending_by=ending_by,
        reason=reason,
        document=document,
    )


_add(
    "mark-bad",
    CardOperation.MARK_BAD,
    STOPS,
    """Mark cards as unreadable: no use; the value is kept.

    For example:
        cardswitch card mark-bad 6200000000000001

    Next: `card replace`.""",
    with_fee=False,
    person=False,
)
_add(
    "blacklist",
    CardOperation.BLACKLIST,
    STOPS,
    """Put cards on the blacklist, whatever their status: only reversals and refunds pass.

    For example:
        cardswitch card blacklist --file stolen.txt --reason 9

    Next: `card unblacklist`, which two persons do.""",
    with_fee=False,
    person=False,
)


_add_approved(
    "unblacklist",
    CardOperation.UNBLACKLIST,
    STOPS,
    """Take cards off the blacklist. Two persons: --operator and --approver.

    For example:
        cardswitch card unblacklist 6200000000000001 --operator 7 --approver 8

    Next: the card's status decides again.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    """,
)


@app.command(group=ENDS)
def replace(
    *numbers: CardNumber,
    fee: Fee = "waived",
    reason: Reason = 0,
    document: Document = 0,
    dry_run: DryRun = False,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Let another card go on with a card's account: value, points, PIN, limits and what was used of them today.

    For example:
        cardswitch card replace 6200000000000001 6200000000000101 --fee cash

    The new card must be made or drawn, and not issued. A list (`--file`) has two numbers a line, old and new.
    Next: hand out the new card; the old one has ended, and refunds of its sales go to the new one.

    Parameters
    ----------
    numbers
        The old card and the new one.
    """
    fields: dict[str, Any] = {"reason": reason, "document": document}
    return operate(CardOperation.REPLACE, numbers, selection, switch, dry_run=dry_run, pairs=True, fee=fee, **fields)


_add_approved(
    "correct",
    CardOperation.CORRECT,
    ENDS,
    """Give a card the number that it should have had; everything else goes on. Two persons: --operator, --approver.

    For example:
        cardswitch card correct 6200000000000001 6200000000000010 --operator 7 --approver 8

    A list (`--file`) has two numbers a line, wrong and right.
    Next: the wrong number can never be used again, and still finds its history.

    Parameters
    ----------
    numbers
        The wrong number and the right one, which no card may have.
    """,
    pairs=True,
)


_add(
    "return",
    CardOperation.RETURN,
    ENDS,
    """Take cards back: the value less the fee is paid out, points and visits end.

    For example:
        cardswitch card return 6200000000000001 --dry-run

    Next: pay out what the answer says. Other cards of the account, and holds, come first.""",
    with_fee=False,
    person=False,
)


@app.command(group=ENDS)
def void(
    *numbers: CardNumber,
    write_off: bool = False,
    document: Document = 0,
    reason: Reason = 0,
    dry_run: DryRun = False,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """End cards without paying out; a void card never comes back.

    For example:
        cardswitch card void 6200000000000001 --write-off --document 20260301

    Next: `card clear` when the medium goes back to blank stock.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    write_off
        The value that is left is written off by the document, which must be named.
    """
    flags = OperationFlag.WRITE_OFF if write_off else 0
    fields: dict[str, Any] = {"flags": flags, "reason": reason, "document": document}
    return operate(CardOperation.VOID, numbers, selection, switch, dry_run=dry_run, **fields)


_add(
    "clear",
    CardOperation.CLEAR,
    ENDS,
    """Note that the medium of returned, void or made cards went back to blank stock; only without value.

    For example:
        cardswitch card clear 6200000000000001 --count 20

    Next: nothing; the number is not used again.""",
    with_fee=False,
    person=False,
)
