"""The price of a bill as the switch has it, for a `Sale` and everything that it needs in the tables."""

from __future__ import annotations

from typing import Any

from switch._pricing_tool import price
from switch._rules import Rules
from switch._tables import Tables
from switch.protocol.messages import BillLine, LineResult, RuleAction, RuleLayer, RulesetState
from switch.protocol.records import (
    AccountRecord,
    CardTypeRecord,
    PendingPointsRecord,
    PurseRecord,
    RuleRecord,
    RulesetRecord,
)

from .plain_pricing import Priced, Sale

ACCOUNT = 77


def rule(number: int, layer: RuleLayer, action: RuleAction = RuleAction.MULTIPLY, **fields: Any) -> RuleRecord:
    """A rule of set 1."""
    return RuleRecord(ruleset=1, rule=number, layer=layer, action=action, **fields)


def line(amount_minor: int = 0, **fields: int) -> BillLine:
    """A bill line."""
    return BillLine(amount_minor=amount_minor, **fields)


def type_of(sale: Sale) -> bytes:
    """Record of the sale's card type."""
    names = ("functions", "flags", "discount_bp", "points_percent", "points_per_unit", "daily_points_max_hundredths")
    chosen = {name: getattr(sale, name) for name in (*names, "price_class")}
    return CardTypeRecord(code=sale.type_code, key=sale.type_code << 32, **chosen).encode()


def account_of(sale: Sale) -> bytes:
    """Record of the sale's account."""
    categories = {category for category, _ in sale.pending}
    return AccountRecord(
        account_number=ACCOUNT,
        points_hundredths=sale.points_hundredths,
        pending_categories=sum(1 << category for category in categories),
        pending_from_date=min((date for _, date in sale.pending), default=0),
    ).encode()


def world_of(sale: Sale) -> tuple[Tables, Rules]:
    """Tables with what the sale needs, and the rules compiled from them."""
    tables = Tables(10, 10, 10, hash_key=bytes(16))
    active = RulesetRecord(state=RulesetState.ACTIVE, ruleset=1, rule_count=len(sale.rules))
    tables.load(record.encode() for record in (active, *sale.rules, *sale.categories, *sale.prices))
    tables.load(
        PurseRecord(account_number=ACCOUNT, purse=1 << 32 | category, amount=amount).encode()
        for category, amount in sale.purses.items()
    )
    tables.load(
        PendingPointsRecord(
            account_number=ACCOUNT, category=category, booking_date=date, amount_hundredths=amount
        ).encode()
        for (category, date), amount in sale.pending.items()
    )
    rules = Rules(tables)
    rules.compile_all()
    return tables, rules


def circumstances(sale: Sale) -> dict[str, Any]:
    """What rules ask for, as `price` wants it."""
    names = ("date", "minute", "level", "segments", "store_id", "terminal_id", "settlement")
    return {name: getattr(sale, name) for name in names}


def priced(sale: Sale) -> Priced:
    """Price a bill."""
    tables, rules = world_of(sale)
    code, bill, discount, is_forbidden, points, results = price(
        tables,
        rules,
        type_of(sale),
        account_of(sale),
        sale.amount_minor,
        b"".join(line.encode() for line in sale.lines),
        discounts=sale.discounts,
        shared_minor=sale.shared_minor,
        day_points=sale.day_points,
        is_priced=sale.is_priced,
        **circumstances(sale),
    )
    width = LineResult.width_bytes()
    decoded = tuple(LineResult.decode(results[at : at + width]) for at in range(0, len(results), width))
    return Priced(code, bill, discount, is_forbidden, points, decoded)
