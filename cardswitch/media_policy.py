"""`cardswitch policy` and `travel`: what media may do, and how fast anybody gets from store to store."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    MediumKind,
    PolicyFlag,
    PutMediumPolicyRequest,
    PutTravelRequest,
)
from switch.protocol.records import MediumPolicyRecord, RecordKind, TravelRecord

from .configure import group_of
from .desk import DEFAULT, Desk, Switch, at_desk
from .form import bits_of_numbers, choose, names_of
from .output import CommandError, insist, name_in
from .units import UNLIMITED, Figure, Money, format_decimal, parse_decimal

LIMITED = ("number", "chip", "contactless", "code", "stripe", "tag")
"""What has limits of its own: the media, and a chip without contact apart from one with it."""
ALL = "all"
ALL_MEDIA = (1 << len(MediumKind)) - 1
COUNT_MAX = (1 << 16) - 1
TRAVEL_MINUTES_MAX = (1 << 16) - 1
Approver = Annotated[int, Parameter(show_default=False, help="Number of a second person, who agrees; not yourself.")]
Pairs = Annotated[tuple[str, ...], Parameter(negative="")]

policy_app = group_of(
    "policy",
    "What the media of a card type may do; without a policy its cards pay by number alone.",
    "policy put 1 --required --operator 7 --approver 8",
)
travel_app = group_of(
    "travel", "Least minutes between two stores: sooner, a medium is asked for its PIN.", "travel put 12 13 25"
)


@policy_app.command(name="put")
def put_policy(
    type: int,
    /,
    *,
    required: bool | None = None,
    media: str = "",
    limit: Pairs = (),
    pin_above: Pairs = (),
    fallback: Money | None = None,
    velocity_10: int | None = None,
    velocity_60: int | None = None,
    travel_minutes: int | None = None,
    approver: Approver = 0,
    switch: Switch = DEFAULT,
) -> int:
    """Say what the media of a card type may do; what is not named stays. Two persons: --operator and --approver.

    For example:
        cardswitch policy put 1 --required --media chip,code --operator 7 --approver 8
        cardswitch policy put 1 --limit code=200.00 --pin-above chip=500 --operator 7 --approver 8

    It holds from the next request on. A type that has no policy yet begins
    with all media, no limits and no fallback.
    Next: `cardswitch policy show` has it as a whole; enrol media before you
    require them.

    Parameters
    ----------
    type
        Card type.
    required
        A number alone does not pay.
    media
        What may pay, with commas between: number, chip, code, stripe, tag; or all.
    limit
        MEDIUM=AMOUNT, the most that a medium pays: number, chip, contactless, code, stripe, tag; or unlimited.
    pin_above
        MEDIUM=AMOUNT, above which a medium needs the PIN; unlimited: never.
    fallback
        Most that the stripe of a card with a chip pays when the chip has failed; 0: nothing.
    velocity_10
        Most payments in 10 minutes without a PIN; 0: any.
    velocity_60
        Most payments in an hour without a PIN; 0: any.
    travel_minutes
        Least minutes between two stores that `cardswitch travel` does not name; 0: any.
    """
    if not switch.operator or not approver:
        raise CommandError(
            f"policy put: expected two persons, got operator {switch.operator or 'nobody'} and approver"
            f" {approver or 'nobody'}; name yourself with --operator and somebody else with --approver"
        )
    changes = limits_of("--limit", limit, "minor_max") | limits_of("--pin-above", pin_above, "pin_minor")
    if media:
        changes["media"] = media_of(media)
    if fallback is not None:
        changes["fallback_minor_max"] = _bounded("--fallback", fallback, NO_COUNT_LIMIT - 1)
    for option, name, value in (
        ("--velocity-10", "velocity_10_minutes_max", velocity_10),
        ("--velocity-60", "velocity_60_minutes_max", velocity_60),
        ("--travel-minutes", "travel_minutes", travel_minutes),
    ):
        if value is not None:
            changes[name] = _bounded(option, value, COUNT_MAX)
    if not changes and required is None:
        raise CommandError("policy put: expected something to put, got nothing; `cardswitch policy put --help` has it")

    async def work(desk: Desk) -> int:
        before = await desk.record(RecordKind.MEDIUM_POLICY, MediumPolicyRecord, type)
        fields = _fields_of(before or MediumPolicyRecord(code=type)) | changes
        if required is not None:
            fields["flags"] = fields["flags"] & ~PolicyFlag.REQUIRED | (PolicyFlag.REQUIRED if required else 0)
        outcome = await desk.client.put_medium_policy(type, desk.operator_id, approver, **fields)
        insist(outcome, f"policy of type {type}", PutMediumPolicyRequest)
        after = await desk.record(RecordKind.MEDIUM_POLICY, MediumPolicyRecord, type)
        assert after is not None
        desk.out.facts(describe_policy(after))
        return 0

    return at_desk(switch, work)


@policy_app.command(name="show")
def show_policy(type: int | None = None, /, *, switch: Switch = DEFAULT) -> int:
    """Show the policy of a card type, or of all that have one.

    For example:
        cardswitch policy show 1

    Parameters
    ----------
    type
        Card type.
    """

    async def work(desk: Desk) -> int:
        if type is None:
            found = await desk.records(RecordKind.MEDIUM_POLICY, MediumPolicyRecord)
        else:
            one = await desk.record(RecordKind.MEDIUM_POLICY, MediumPolicyRecord, type)
            found = [one] if one is not None else []
        if found:
            desk.out.several([describe_policy(record) for record in found])
            return 0
        whose = "no card type has a policy" if type is None else f"type {type} has no policy"
        if desk.out.as_json:
            desk.out.json([] if type is None else None)
        else:
            print(f"{whose}: its cards pay by number alone; `cardswitch policy put` says otherwise")
        return 0

    return at_desk(switch, work)


def limits_of(option: str, pairs: tuple[str, ...], suffix: str) -> dict[str, int]:
    """`("chip=500", "code=unlimited")` as fields of the request; `CommandError` for anything else."""
    found: dict[str, int] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip().lower()
        if not equals or name not in LIMITED:
            raise CommandError(f"{option}: expected MEDIUM=AMOUNT with one of {', '.join(LIMITED)}, got {pair}")
        field = f"{name}_{suffix}"
        if field in found:
            raise CommandError(f"{option}: expected one amount for {name}, got two; leave one out")
        if text.strip() == UNLIMITED:
            found[field] = NO_COUNT_LIMIT
            continue
        try:
            amount_minor = parse_decimal(text)
        except ValueError as error:
            raise CommandError(f"{option} {name}: {error}") from None
        found[field] = _bounded(f"{option} {name}", amount_minor, NO_COUNT_LIMIT - 1)
    return found


def media_of(text: str) -> int:
    """`chip,code` as bits; `CommandError` for what is no medium."""
    if text.strip().lower() == ALL:
        return ALL_MEDIA
    bits = 0
    for name in text.split(","):
        try:
            bits |= 1 << choose(name.strip(), names_of(MediumKind))
        except ValueError as error:
            raise CommandError(f"--media: {error}; or {ALL}") from None
    return bits


def describe_policy(record: MediumPolicyRecord) -> dict[str, Any]:
    """All of a policy, ready to be printed."""
    return {
        "type": record.code,
        "required": bool(record.flags & PolicyFlag.REQUIRED),
        "media": [name_in(MediumKind, bit).lower() for bit in bits_of_numbers(record.media)],
        "fallback": format_decimal(record.fallback_minor_max),
        "velocity_10_minutes": record.velocity_10_minutes_max or "any",
        "velocity_60_minutes": record.velocity_60_minutes_max or "any",
        "travel_minutes": record.travel_minutes or "any",
        "put_by": record.operator_id,
        "approved_by": record.approver_id,
        "last_entry": record.last_sequence,
        "limits": [
            {
                "medium": name,
                "most": _limit(getattr(record, f"{name}_minor_max")),
                "pin_above": _limit(getattr(record, f"{name}_pin_minor")),
            }
            for name in LIMITED
        ],
    }


def _fields_of(record: MediumPolicyRecord) -> dict[str, int]:
    """The fields of the request that puts a policy as it is."""
    names = ["flags", "media", "travel_minutes", "velocity_10_minutes_max", "velocity_60_minutes_max"]
    names += [
        "fallback_minor_max",
        *(f"{name}_minor_max" for name in LIMITED),
        *(f"{name}_pin_minor" for name in LIMITED),
    ]
    return {name: getattr(record, name) for name in names}


def _limit(value: int) -> Figure:
    return Figure(UNLIMITED) if value == NO_COUNT_LIMIT else format_decimal(value)


def _bounded(option: str, value: int, high: int) -> int:
    if not 0 <= value <= high:
        raise CommandError(f"{option}: expected 0 to {high:,}, got {value:,}")
    return value


# --------------------------------------------------------------------------- ways between stores


@travel_app.command(name="put")
def put_travel(store: int, other_store: int, minutes: int, /, *, switch: Switch = DEFAULT) -> int:
    """Say how long anybody takes at least from one store to another, either way.

    For example:
        cardswitch travel put 12 13 25

    A medium that is used in both sooner raises an alarm TRAVEL and is asked for
    the PIN. Pairs that are not named have the minutes of the card type's policy.

    Parameters
    ----------
    store
        One store.
    other_store
        Another store.
    minutes
        Least minutes; 0: not checked between these two.
    """
    if store == other_store:
        raise CommandError(f"travel put: expected two stores, got {store} twice")
    _bounded("travel put: minutes", minutes, TRAVEL_MINUTES_MAX)

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_travel(store, other_store, minutes, desk.operator_id)
        insist(outcome, f"travel {store} {other_store}", PutTravelRequest)
        told = f"{minutes} minutes at least" if minutes else "not checked"
        desk.out.say(f"stores {store} and {other_store}: {told}", store=store, other_store=other_store, minutes=minutes)
        return 0

    return at_desk(switch, work)


@travel_app.command(name="list")
def list_travel(*, switch: Switch = DEFAULT) -> int:
    """List the ways between stores that have minutes of their own.

    For example:
        cardswitch travel list
    """

    async def work(desk: Desk) -> int:
        rows = [
            {"store": row.store_id, "other_store": row.other_store_id, "minutes": row.minutes}
            for row in await desk.records(RecordKind.TRAVEL, TravelRecord)
        ]
        desk.out.rows(
            rows, nothing="no ways; the policy of a card type has the minutes for all (`cardswitch policy show`)"
        )
        return 0

    return at_desk(switch, work)
