"""`cardswitch card show` and `card list`: what the switch has of cards, read as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from cyclopts import Parameter

from switch.protocol.messages import CardFacts, CardFlag, CardStatus, Relation
from switch.protocol.records import (
    AccountRecord,
    CardLimitRecord,
    CardRecord,
    CardTypeRecord,
    HoldRecord,
    PendingPointsRecord,
    PurseRecord,
    RecordKind,
)
from terminals.till_calls import RecordsNotListedError

from .card import app
from .card_numbers import DEFAULT as ALL_NAMED
from .card_numbers import SELECTION, Selection, select
from .desk import DEFAULT, Desk, Switch, at_desk
from .output import CommandError, name_in
from .units import CardNumber, Date, format_count_limit, format_date, format_decimal, format_limit, format_moment

POINTS_PURSE, VISITS_PURSE = 1, 2
PURSE_MASK = (1 << 32) - 1
LIST_MAX = 1_000


@app.command(sort_key=1)
def show(*numbers: CardNumber, selection: Selection = ALL_NAMED, switch: Switch = DEFAULT) -> int:
    """Show all that the switch has of a card: status, value, points, limits and what is used of them, holds.

    For example:
        cardswitch card show 6200000000000001

    With a key that may pay, value and points are as a till would see them now;
    without it, as the last entry left them.

    Parameters
    ----------
    numbers
        Card numbers, or the first number of a range.
    """
    cards = select(numbers, selection)

    async def work(desk: Desk) -> int:
        found = [await describe(desk, card.number) for card in cards]
        desk.out.several(found)
        return 0

    return at_desk(switch, work)


@app.command(name="list", sort_key=2)
def list_cards(
    *,
    type: int | None = None,
    status: str | None = None,
    store: int | None = None,
    from_number: CardNumber = 0,
    to: Annotated[CardNumber | None, Parameter(group=SELECTION)] = None,
    ending_by: Date | None = None,
    blacklisted: bool = False,
    limit: int = LIST_MAX,
    switch: Switch = DEFAULT,
) -> int:
    """List cards by type, status, store and number.

    For example:
        cardswitch card list --status drawn --store 12
        cardswitch card list --status active --ending-by 2026-12-31 --unmasked

    A switch with more than 262,144 cards does not list them; then ask for
    single cards with `card show`.

    Parameters
    ----------
    type
        Only this card type.
    status
        Only this status: active, frozen, reserved, made, drawn, issued, lost, …
    store
        Only cards in the custody of this store.
    from_number
        First card number to look at.
    to
        Last card number to look at.
    ending_by
        Only cards whose last date is this one or earlier.
    blacklisted
        Only cards on the blacklist.
    limit
        Most cards to list.
    """
    names = [name.name.lower() for name in CardStatus]
    if status is not None and status.lower() not in names:
        raise CommandError(f"--status: expected one of {', '.join(names)}, got {status}")

    def fits(card: CardRecord) -> bool:
        return (
            (type is None or card.card_type == type)
            and (status is None or CardStatus(card.status).name.lower() == status.lower())
            and (store is None or card.custody_store_id == store)
            and (ending_by is None or 0 < card.expiry_date <= ending_by)
            and (not blacklisted or bool(card.flags & CardFlag.BLACKLISTED))
        )

    async def work(desk: Desk) -> int:
        rows: list[dict[str, Any]] = []
        async for record in desk.client.records(RecordKind.CARD, from_number):
            assert isinstance(record, CardRecord)
            if (to is not None and record.card_number > to) or len(rows) == limit:
                break
            if fits(record):
                rows.append(_row(desk, record))
        desk.out.rows(rows, nothing="no such cards")
        if len(rows) == limit:
            desk.out.note(f"the first {limit:,}; ask for more with --limit, or go on with --from-number")
        return 0

    return at_desk(switch, work)


def _row(desk: Desk, card: CardRecord) -> dict[str, Any]:
    return {
        "card": desk.out.card(card.card_number),
        "type": card.card_type,
        "status": CardStatus(card.status).name,
        "account": desk.out.card(card.account_number),
        "store": card.custody_store_id,
        "issued": format_date(card.issued_date),
        "last_date": format_date(card.expiry_date),
        "flags": _flags(card),
    }


def _flags(card: CardRecord) -> str:
    return ", ".join((flag.name or "").lower().replace("_", " ") for flag in CardFlag if card.flags & flag)


async def describe(desk: Desk, number: int) -> dict[str, Any]:
    """Everything about one card, ready to be printed."""
    card = await desk.record(RecordKind.CARD, CardRecord, number)
    if card is None:
        raise CommandError(f"card {desk.out.card(number)}: expected a card, got none with this number; check it")
    today = await desk.today()
    card_type = await type_in_force(desk, card.card_type, today)
    type_name = card_type.name.rstrip(b"\0").decode("utf-8", "replace") if card_type else ""
    is_past = card.status == CardStatus.ACTIVE and 0 < card.expiry_date < today
    relation = card.relation or (card_type.relation if card_type else 0)
    facts: dict[str, Any] = {
        "card": desk.out.card(card.card_number),
        "status": "EXPIRED" if is_past else CardStatus(card.status).name,
        "type": f"{card.card_type} {type_name}".strip(),
        "flags": _flags(card),
        "relation": name_in(Relation, relation).lower(),
        "made": format_date(card.opened_date),
        "issued": format_date(card.issued_date),
        "activated": format_date(card.activated_date),
        "last_date": format_date(card.expiry_date),
        "issue_serial": card.issue_serial,
        "issuing_organisation": card.issuing_organisation_id,
        "custody_store": card.custody_store_id,
        "frozen_by": card.frozen_by,
        "successor": desk.out.card(card.successor_number),
        "pin_set": any(card.pin_hash),
        "wrong_pins": card.pin_tries,
        "document": card.document,
        "last_entry": card.last_sequence,
    }
    if card.account_number:
        facts |= await _describe_account(desk, card, card_type, today)
    return facts


async def _describe_account(
    desk: Desk, card: CardRecord, card_type: CardTypeRecord | None, today: int
) -> dict[str, Any]:
    account = await desk.record(RecordKind.ACCOUNT, AccountRecord, card.account_number)
    if account is None:
        return {}
    reply = await desk.query(card.card_number)
    seen: CardFacts | None = reply.facts if reply and not reply.code else None
    level = seen.level if seen else account.level or (card_type.level if card_type else 0)
    is_today = account.business_date == today
    purses, visits = await _purses(desk, account, reply.purses if seen and reply else None)
    facts: dict[str, Any] = {
        "account": desk.out.card(account.account_number),
        "member": account.member,
        "level": level,
        "segments": _bits(account.segments),
        "balance": format_decimal(reply.balance_minor if seen and reply else account.balance_minor),
        "available": format_decimal(
            reply.available_minor if seen and reply else account.balance_minor - account.held_minor
        ),
        "points": {str(category): format_decimal(amount) for category, amount in purses.items()},
        "visits": {str(service): count for service, count in visits.items()},
        "account_last_entry": account.last_sequence,
    }
    facts["limits"] = await _limits(desk, card, account, card_type, today, is_today=is_today)
    facts["holds"] = [row async for row in _holds(desk, account)]
    facts["pending_points"] = await _pending(desk, account)
    return facts


async def _purses(desk: Desk, account: AccountRecord, seen: Any) -> tuple[dict[int, int], dict[int, int]]:
    """Points by category in hundredths, and visits by service."""
    points: dict[int, int] = {0: account.points_hundredths}
    visits: dict[int, int] = {}
    if seen is not None:
        pairs: Iterator[tuple[int, int]] = ((fact.purse, fact.amount) for fact in seen)
    else:
        try:
            found = await desk.records(
                RecordKind.PURSE, PurseRecord, account.account_number, owner=account.account_number
            )
        except RecordsNotListedError:
            found = []
            desk.out.note("the switch has too many purses to list them; use a key that may pay")
        pairs = ((purse.purse, purse.amount) for purse in found)
    for purse, amount in pairs:
        (points if purse >> 32 == POINTS_PURSE else visits)[purse & PURSE_MASK] = amount
    return points, visits


async def _limits(
    desk: Desk,
    card: CardRecord,
    account: AccountRecord,
    card_type: CardTypeRecord | None,
    today: int,
    *,
    is_today: bool,
) -> list[dict[str, Any]]:
    """What limits the account by its type and this card by its own, with what is used today."""
    rows: list[dict[str, Any]] = []

    def add(name: str, of_type: str, of_card: str, account_used: str, card_used: str) -> None:
        rows.append(
            {"limit": name, "type": of_type, "account_today": account_used, "card": of_card, "card_today": card_used}
        )

    own = await desk.record(RecordKind.CARD_LIMIT, CardLimitRecord, card.card_number, 0, 0)
    if card_type is None:
        return rows
    used = account if is_today else AccountRecord(account_number=0)
    used_own = own if own and own.business_date == today else CardLimitRecord(card_number=0, key_b=0, key_c=0)
    add(
        "single debit",
        format_limit(card_type.single_minor_max),
        format_limit(own.single_minor_max) if own else "",
        "",
        "",
    )
    for name, limit, spent in (
        ("debits per day", "daily_minor_max", "day_debit_minor"),
        ("recharges per day", "recharge_day_minor_max", "day_recharge_minor"),
    ):
        of_card = format_limit(getattr(own, limit)) if own else ""
        card_used = format_decimal(getattr(used_own, spent)) if own else ""
        add(name, format_limit(getattr(card_type, limit)), of_card, format_decimal(getattr(used, spent)), card_used)
    for name, limit, spent in (
        ("number of debits", "daily_count_max", "day_debit_count"),
        ("number of recharges", "recharge_count_max", "day_recharge_count"),
    ):
        of_card = format_count_limit(getattr(own, limit)) if own else ""
        card_used = str(getattr(used_own, spent)) if own else ""
        add(name, format_count_limit(getattr(card_type, limit)), of_card, str(getattr(used, spent)), card_used)
    add(
        "points per day",
        format_limit(card_type.daily_points_max_hundredths),
        "",
        format_decimal(used.day_points_hundredths),
        "",
    )
    add("balance", format_limit(card_type.ceiling_minor), format_limit(own.ceiling_minor) if own else "", "", "")
    return rows


async def _holds(desk: Desk, account: AccountRecord) -> Any:
    for slot in _bits(account.hold_slots, first=0):
        hold = await desk.record(RecordKind.HOLD, HoldRecord, account.account_number, slot, 0)
        if hold is not None:
            yield {
                "hold": hold.hold_sequence,
                "card": desk.out.card(hold.card_number),
                "held": format_decimal(hold.amount_minor),
                "captured": format_decimal(hold.captured_minor),
                "expires": format_moment(hold.expires_ms),
                "terminal": hold.terminal_id,
            }


async def _pending(desk: Desk, account: AccountRecord) -> list[dict[str, Any]]:
    if not account.pending_count:
        return []
    try:
        found = await desk.records(
            RecordKind.PENDING_POINTS, PendingPointsRecord, account.account_number, owner=account.account_number
        )
    except RecordsNotListedError:
        return []
    return [
        {
            "category": pending.category,
            "booked_on": format_date(pending.booking_date),
            "points": format_decimal(pending.amount_hundredths),
        }
        for pending in found
    ]


async def type_in_force(desk: Desk, code: int, date: int) -> CardTypeRecord | None:
    """The version of a card type that holds on a date."""
    found = None
    for version in await desk.records(RecordKind.CARD_TYPE, CardTypeRecord, code << 32):
        if version.code != code or version.from_date > date:
            break
        found = version
    return found


def _bits(value: int, *, first: int = 0) -> list[int]:
    return [first + bit for bit in range(value.bit_length()) if value >> bit & 1]
