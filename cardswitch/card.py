"""`cardswitch card`: the life cycle of cards, one by one, by ranges and by lists.

What is not a step of the life cycle (show, PIN, limits, recharge, points, holds)
is in `card_view`, `card_settings` and `card_value`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from cyclopts import App, Group, Parameter

from switch.protocol.messages import CardOperation, FeeKind, FeeTender, OperationFlag
from terminals.operator_fields import CardOperationFields

from .card_batch import Job, run
from .card_numbers import DEFAULT as ALL_NAMED
from .card_numbers import Selection, select
from .desk import DEFAULT, Desk, Switch, at_desk
from .units import CardNumber, Money

app = App(
    name="card",
    help="""Cards: make, issue, activate, stop, replace, end them; PINs, limits, value, points, holds.

A step of the life cycle takes one number, a range (--count, --to) or a list (--file), previews with --dry-run, and is
repeated safely: a card that is there already is "done before" (but renew and charge-fee are done again).

For example:
    cardswitch card make 6200000000000001 --count 100 --type 1 --dry-run""",
    help_format="plaintext",
)
LIFE = Group("Life cycle", sort_key=20)

Type = Annotated[int, Parameter(name="--type")]
Reason = Annotated[int, Parameter(help="Why, numbered by the group; recorded.")]
Document = Annotated[int, Parameter(help="Number of the document that orders it; recorded.")]
DryRun = Annotated[bool, Parameter(negative="", help="Read the cards and say what would happen; change nothing.")]
Fee = Annotated[
    Literal["waived", "cash", "balance"],
    Parameter(
        help="How the type's fee is paid: waived (if the type allows it), cash at the desk, or from the balance."
    ),
]

FeeName = Literal[
    "issue",
    "joining",
    "replace",
    "report-loss",
    "restore",
    "return",
    "renew",
    "annual",
    "supplementary-annual",
    "service",
    "swap",
    "other",
]
"""Members of `FeeKind`, as the file of a card type names them."""


def operate(
    operation: CardOperation,
    numbers: tuple[int, ...],
    selection: Selection,
    switch: Switch,
    *,
    dry_run: bool,
    pairs: bool = False,
    needs_person: bool = False,
    fee: str = "waived",
    ending_by: int | None = None,
    **fields: Any,
) -> int:
    """Run one operation on the cards of a command."""
    cards = select(numbers, selection, pairs=pairs)

    async def work(desk: Desk) -> int:
        who = desk.person(f"card {operation.name.lower()}") if needs_person else desk.operator_id
        told = cast(CardOperationFields, {"operator_id": who, "fee_tender": FeeTender[fee.upper()], **fields})
        return await run(desk, cards, Job(operation, told, selection.check_digit, ending_by), dry_run=dry_run)

    return at_desk(switch, work)


# --------------------------------------------------------------------------- up to the holder


@app.command(group=LIFE)
def reserve(
    *numbers: CardNumber,
    type: Type,
    dry_run: DryRun = False,
    document: Document = 0,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Reserve numbers, so that batch making skips them.

    For example:
        cardswitch card reserve 6200000000000888 --type 1

    Next: `card make --from-reserved`, or `card unreserve`.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    type
        Code of the card type.
    """
    return operate(
        CardOperation.RESERVE, numbers, selection, switch, dry_run=dry_run, card_type=type, document=document
    )


@app.command(group=LIFE)
def unreserve(
    *numbers: CardNumber,
    dry_run: DryRun = False,
    document: Document = 0,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Put reserved numbers back.

    For example:
        cardswitch card unreserve 6200000000000888

    Next: the number may be made or reserved again.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    """
    return operate(CardOperation.UNRESERVE, numbers, selection, switch, dry_run=dry_run, document=document)


@app.command(group=LIFE)
def make(
    *numbers: CardNumber,
    type: Type,
    from_reserved: bool = False,
    dry_run: DryRun = False,
    document: Document = 0,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Make cards of an approved type: they are in stock at headquarters, without value.

    For example:
        cardswitch card make 6200000000000001 --count 100 --type 1

    Next: `card draw` sends them to a store, `card issue` gives them out.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    type
        Code of the card type, which must be approved.
    from_reserved
        Make reserved numbers too; without it they are refused.
    """
    flags = OperationFlag.FROM_RESERVED if from_reserved else 0
    return operate(
        CardOperation.MAKE, numbers, selection, switch, dry_run=dry_run, card_type=type, flags=flags, document=document
    )


@app.command(group=LIFE)
def draw(
    *numbers: CardNumber,
    store: int,
    dry_run: DryRun = False,
    document: Document = 0,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Give made cards into the custody of a store: of all stores it alone can issue them then.

    For example:
        cardswitch card draw 6200000000000001 --to 6200000000000050 --store 12

    Next: the store, or headquarters, issues them.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    store
        Number of the store.
    """
    return operate(CardOperation.DRAW, numbers, selection, switch, dry_run=dry_run, store_id=store, document=document)


def _issue_fields(
    value: int, member: int, organisation: int, joins: int, document: int, *, joining: bool
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "amount_minor": value,
        "member": member,
        "organisation_id": organisation,
        "document": document,
    }
    return fields | {"related_number": joins, "flags": OperationFlag.JOINING if joining else 0}


@app.command(group=LIFE)
def issue(
    *numbers: CardNumber,
    value: Money = 0,
    member: int = 0,
    joins: CardNumber = 0,
    joining: bool = False,
    organisation: int = 0,
    fee: Fee = "waived",
    dry_run: DryRun = False,
    document: Document = 0,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Give cards out: each gets an account with its first value.

    For example:
        cardswitch card issue 6200000000000001 --count 100 --value 50.00 --fee cash

    Next: `card activate`; types that ask for no activation are active at once.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    value
        Value each card is issued with, such as 50.00; the type has the bounds.
    member
        Number of the member who gets it; named types ask for one.
    joins
        A card whose account it joins (supplementary, linked and group cards); then without value.
    joining
        The member's first card: the joining fee is due too.
    organisation
        Issuing organisation; without it that of the terminal's store.
    """
    fields = _issue_fields(value, member, organisation, joins, document, joining=joining)
    return operate(CardOperation.ISSUE, numbers, selection, switch, dry_run=dry_run, fee=fee, **fields)


@app.command(group=LIFE)
def make_and_issue(
    *numbers: CardNumber,
    type: Type,
    value: Money = 0,
    member: int = 0,
    joins: CardNumber = 0,
    joining: bool = False,
    from_reserved: bool = False,
    organisation: int = 0,
    fee: Fee = "waived",
    dry_run: DryRun = False,
    document: Document = 0,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Make and issue in one step: of each card both are done, or neither.

    For example:
        cardswitch card make-and-issue 6200000000000001 --type 1 --value 20.00 --member 4711

    Next: `card activate`; types that ask for no activation are active at once.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    type
        Code of the card type, which must be approved.
    value
        Value each card is issued with, such as 50.00.
    member
        Number of the member who gets it; named types ask for one.
    joins
        A card whose account it joins; then without value.
    joining
        The member's first card: the joining fee is due too.
    from_reserved
        Take reserved numbers too.
    organisation
        Issuing organisation; without it that of the terminal's store.
    """
    fields = _issue_fields(value, member, organisation, joins, document, joining=joining)
    fields["flags"] |= OperationFlag.FROM_RESERVED if from_reserved else 0
    return operate(
        CardOperation.MAKE_AND_ISSUE, numbers, selection, switch, dry_run=dry_run, fee=fee, card_type=type, **fields
    )


@app.command(group=LIFE)
def activate(
    *numbers: CardNumber,
    dry_run: DryRun = False,
    document: Document = 0,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Make issued cards usable; their validity begins today.

    For example:
        cardswitch card activate --file handed-out.txt

    Next: the card can pay, earn and be recharged, from the next request on.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    """
    return operate(CardOperation.ACTIVATE, numbers, selection, switch, dry_run=dry_run, document=document)


@app.command(group=LIFE)
def charge_fee(
    *numbers: CardNumber,
    kind: FeeName,
    fee: Fee,
    dry_run: DryRun = False,
    document: Document = 0,
    selection: Selection = ALL_NAMED,
    switch: Switch = DEFAULT,
) -> int:
    """Charge cards a fee of their type by itself: an annual fee, a service, one that was left due.

    For example:
        cardswitch card charge-fee --file joined-in-march.txt --kind annual --fee balance

    Next: a fee that cannot be taken stops nothing and is noted as due: `card show` has "fee due" among the flags.
    Run it again with `--fee cash` when it is paid. Each run charges: there is no "done before" for a fee.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    kind
        Which fee; the type has its amount (`cardswitch type show`).
    """
    reason = FeeKind[kind.upper().replace("-", "_")]
    return operate(
        CardOperation.CHARGE_FEE, numbers, selection, switch, dry_run=dry_run, fee=fee, reason=reason, document=document
    )
