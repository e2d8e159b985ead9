"""`cardswitch type`: card types and their versions, states and fees."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from cyclopts import App

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AllowedList,
    AutoRecharge,
    CardTypeFlag,
    FeeKind,
    Function,
    Medium,
    PutAllowedRequest,
    PutCardTypeRequest,
    Relation,
    SetTypeStateRequest,
    TypeState,
)
from switch.protocol.records import CardTypeRecord, MarkKind, MarkRecord, RecordKind, TypeStateRecord
from terminals.till_calls import RecordsNotListedError

from .card_view import type_in_force
from .desk import DEFAULT, Desk, Switch, at_desk
from .form import bits_of, name_of, names_of
from .output import CommandError, insist
from .type_file import LISTS, TEMPLATE, CardTypeFile, fees_of, read_card_type
from .units import format_count_limit, format_date, format_decimal, format_limit

MARK_SHIFT = 56
LIST_SHIFT = 8

app = App(
    name="type",
    help="""Card types: what the cards of a type may do, from a date on.

A type is written as a TOML file, checked as a whole, and put; another person approves it before cards are made of it.

For example:
    cardswitch type template > gold.toml
    cardswitch type put gold.toml""",
    help_format="plaintext",
)


@app.command
def template() -> int:
    """Print a file with every field, its unit and its default, to begin from.

    For example:
        cardswitch type template > gold.toml

    Next: edit it; `cardswitch type put --check gold.toml` says what is wrong
    with it.
    """
    print(TEMPLATE, end="")
    return 0


@app.command
def put(file: Path, /, *, check: bool = False, switch: Switch = DEFAULT) -> int:
    """Create a card type from a file, or a new version of one that exists.

    For example:
        cardswitch type put gold.toml --operator 7

    The whole file is checked first; every problem is named with its field, and
    nothing is sent. A version replaces the one with the same from_date. A type
    with cards takes only versions from a date to come.
    Next: `type state CODE submit`, and another person `type state CODE
    approve`; or at once with state = "approved".

    Parameters
    ----------
    file
        TOML file (`cardswitch type template` prints one).
    check
        Only check the file; no switch is asked.
    """
    wanted = read_card_type(file)
    out = switch.output
    for remark in wanted.remarks:
        out.note(f"{file}: {remark}")
    if check:
        out.say(f"{file}: card type {wanted.code} is well formed", code=wanted.code, checked=True)
        return 0
    return at_desk(switch, lambda desk: _put(desk, wanted))


async def _put(desk: Desk, wanted: CardTypeFile) -> int:
    known = await desk.record(RecordKind.TYPE_STATE, TypeStateRecord, wanted.code)
    fields = wanted.fields
    fields["operator_id"] = desk.operator_id
    if known is not None:
        fields["state"] = 0
    outcome = await desk.client.put_card_type(wanted.code, **fields)
    insist(outcome, f"card type {wanted.code}", PutCardTypeRequest)
    changed_count = await _put_lists(desk, wanted)
    state = TypeState(known.state if known else fields["state"])
    since = format_date(fields["from_date"]) or "the beginning"
    desk.out.say(
        f"card type {wanted.code}: put, from {since} on; state {state.name}"
        + (f"; {changed_count} list entries changed" if changed_count else "")
        + (f". Next: cardswitch type state {wanted.code} submit" if state is TypeState.DRAFT else ""),
        code=wanted.code,
        from_date=format_date(fields["from_date"]),
        state=state.name,
        new=known is None,
        list_changes=changed_count,
    )
    return 0


async def _put_lists(desk: Desk, wanted: CardTypeFile) -> int:
    """Make the switch's lists of a type those of the file; how many entries changed."""
    changed_count = 0
    for kind, numbers in wanted.allowed.items():
        there = await _allowed(desk, wanted.code, kind)
        if there is None:  # not listed: putting what is there already changes nothing
            there = set()
        for number in sorted({*numbers} ^ there):
            outcome = await desk.client.put_allowed(wanted.code, kind, number, allowed=number in numbers)
            insist(outcome, f"card type {wanted.code}, list, {number}", PutAllowedRequest)
            changed_count += 1
    return changed_count


async def _allowed(desk: Desk, code: int, kind: int) -> set[int] | None:
    """Numbers on a list of a type; nothing when the switch has too many marks to list them."""
    owner = code << LIST_SHIFT | kind
    try:
        marks = await desk.records(RecordKind.MARK, MarkRecord, owner, owner=owner)
    except RecordsNotListedError:
        return None
    return {mark.key_b for mark in marks if mark.key_c == MarkKind.ALLOWED << MARK_SHIFT}


@app.command(name="list")
def list_types(*, switch: Switch = DEFAULT) -> int:
    """List card types with their states, and the version that is in force.

    For example:
        cardswitch type list
    """

    async def work(desk: Desk) -> int:
        today = await desk.today()
        states = {row.code: row for row in await desk.records(RecordKind.TYPE_STATE, TypeStateRecord)}
        versions: dict[int, list[CardTypeRecord]] = {}
        for version in await desk.records(RecordKind.CARD_TYPE, CardTypeRecord):
            versions.setdefault(version.code, []).append(version)
        rows = []
        for code, rows_of_code in sorted(versions.items()):
            in_force = [version for version in rows_of_code if version.from_date <= today]
            shown = in_force[-1] if in_force else rows_of_code[0]
            rows.append(
                {
                    "code": code,
                    "name": shown.name.rstrip(b"\0").decode("utf-8", "replace"),
                    "state": TypeState(states[code].state).name if code in states else "",
                    "functions": ", ".join(bits_of(Function, shown.functions)),
                    "since": (format_date(shown.from_date) or "the beginning")
                    if in_force
                    else f"to come {format_date(shown.from_date)}",
                    "versions": len(rows_of_code),
                }
            )
        desk.out.rows(rows, nothing="no card types; `cardswitch type template` begins one")
        return 0

    return at_desk(switch, work)


@app.command
def show(code: int, /, *, switch: Switch = DEFAULT) -> int:
    """Show a card type: its state and all its versions.

    For example:
        cardswitch type show 1

    Parameters
    ----------
    code
        Code of the type.
    """

    async def work(desk: Desk) -> int:
        state = await desk.record(RecordKind.TYPE_STATE, TypeStateRecord, code)
        versions = [v for v in await desk.records(RecordKind.CARD_TYPE, CardTypeRecord, code << 32) if v.code == code]
        if not versions:
            raise CommandError(f"card type {code}: expected a type, got none; `cardswitch type list` shows them")
        in_force = await type_in_force(desk, code, await desk.today())
        lists = {name: await _allowed(desk, code, kind) for name, kind in LISTS.items()}
        found = []
        for version in versions:
            facts: dict[str, Any] = {
                "code": code,
                "state": TypeState(state.state).name if state else "",
                "author": state.author if state else 0,
                "in_force": in_force is not None and version.from_date == in_force.from_date,
            }
            facts |= describe(version)
            facts |= {f"list_{name}": sorted(numbers) for name, numbers in lists.items() if numbers}
            found.append(facts)
        desk.out.several(found)
        return 0

    return at_desk(switch, work)


def describe(version: CardTypeRecord) -> dict[str, Any]:
    """A version of a type in words."""
    return {
        "from_date": format_date(version.from_date) or "the beginning",
        "name": version.name.rstrip(b"\0").decode("utf-8", "replace"),
        "functions": bits_of(Function, version.functions),
        "flags": bits_of(CardTypeFlag, version.flags),
        "medium": name_of(Medium, version.medium),
        "relation": name_of(Relation, version.relation),
        "level": version.level,
        "validity_days": version.validity_days,
        "discount_percent": format_decimal(version.discount_bp),
        "points_percent": version.points_percent,
        "points_per_unit": version.points_per_unit,
        "price_class": version.price_class,
        "organisation": version.organisation_id,
        "stores_under": version.stores_organisation_id,
        "single": format_limit(version.single_minor_max),
        "daily": format_limit(version.daily_minor_max),
        "daily_count": format_count_limit(version.daily_count_max),
        "daily_points": format_limit(version.daily_points_max_hundredths),
        "recharge_day": format_limit(version.recharge_day_minor_max),
        "recharge_count": format_count_limit(version.recharge_count_max),
        "ceiling": format_limit(version.ceiling_minor),
        "face_min": format_decimal(version.face_minor_min),
        "face_max": format_limit(version.face_minor_max),
        "number": f"{version.number_digits or 'any'} digits, prefix {version.number_prefix or 'any'}",
        "pin_tries_max": version.pin_tries_max,
        "hold_days_max": version.hold_s_max // 86_400 or 7,
        "auto_recharge": name_of(AutoRecharge, version.auto_mode),
        "auto_below": format_decimal(version.auto_below_minor),
        "auto_add": format_decimal(version.auto_add_minor),
        "auto_count_per_day": version.auto_count_max,
        "card_cost": format_decimal(version.card_cost_minor),
        "last_entry": version.last_sequence,
    }


STEPS = {
    "submit": TypeState.SUBMITTED,
    "approve": TypeState.APPROVED,
    "reject": TypeState.DRAFT,
    "suspend": TypeState.SUSPENDED,
    "resume": TypeState.APPROVED,
    "retire": TypeState.RETIRED,
}


@app.command(name="state")
def set_state(
    code: int,
    step: Literal["submit", "approve", "reject", "suspend", "resume", "retire"],
    /,
    *,
    switch: Switch = DEFAULT,
) -> int:
    """Move a card type on: submit a draft, approve it (another person than its author), suspend, resume, retire.

    For example:
        cardswitch type state 1 approve --operator 8

    Next: cards are made of an approved type only. A suspended one makes none,
    and its cards go on; a retired one has none.

    Parameters
    ----------
    code
        Code of the type.
    step
        Where it goes.
    """

    async def work(desk: Desk) -> int:
        who = desk.person("type state approve") if step == "approve" else desk.operator_id
        outcome = await desk.client.set_type_state(code, STEPS[step], who)
        if outcome.code == ResponseCode.OTHER_CARDS:
            raise CommandError(
                f"card type {code}, {step}: expected no card of it alive, got some; return, void or replace them"
                f" first (`cardswitch card list --type {code}`), or suspend the type"
            )
        insist(outcome, f"card type {code}, {step}", SetTypeStateRequest)
        desk.out.say(f"card type {code}: {STEPS[step].name}", code=code, state=STEPS[step].name)
        return 0

    return at_desk(switch, work)


@app.command
def fees(code: int, /, *, switch: Switch = DEFAULT) -> int:
    """Show the fees of the version of a card type that is in force.

    For example:
        cardswitch type fees 1

    Parameters
    ----------
    code
        Code of the type.
    """

    async def work(desk: Desk) -> int:
        version = await type_in_force(desk, code, await desk.today())
        if version is None:
            raise CommandError(f"card type {code}: expected a version in force, got none; see `cardswitch type list`")
        amounts = fees_of(version.fees_minor)
        rows = [
            {
                "fee": name,
                "amount": format_decimal(amounts[kind]),
                "from_balance": bool(version.fees_from_balance >> kind & 1),
                "waivable": bool(version.fees_waivable >> kind & 1),
            }
            for name, kind in names_of(FeeKind).items()
        ]
        desk.out.rows(rows)
        return 0

    return at_desk(switch, work)


@app.command
def allow(
    code: int,
    allowed_list: Literal["stores", "outlets", "operators"],
    number: int,
    /,
    *,
    remove: bool = False,
    switch: Switch = DEFAULT,
) -> int:
    """Put a store or an operator on a list of a card type, or take it off.

    For example:
        cardswitch type allow 1 outlets 12

    Next: it holds from the next request on, if the type has the flag of the
    list (stores-listed, outlets-listed, …).

    Parameters
    ----------
    code
        Code of the type.
    allowed_list
        stores (accept its cards), outlets (recharge them), operators (recharge them).
    number
        Number of the store or operator.
    remove
        Take it off the list.
    """

    async def work(desk: Desk) -> int:
        kind: AllowedList = LISTS[allowed_list]
        outcome = await desk.client.put_allowed(code, kind, number, allowed=not remove)
        insist(outcome, f"card type {code}, {allowed_list}", PutAllowedRequest)
        words = "off" if remove else "on"
        desk.out.say(f"card type {code}: {number} is {words} the list {allowed_list}", code=code, allowed=not remove)
        return 0

    return at_desk(switch, work)
