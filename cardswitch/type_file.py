"""A card type as a TOML file: read and checked as a whole, and printed back as one."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

from switch.protocol.limits import (
    BALANCE_MINOR_MAX,
    CARD_TYPE_CODE_MAX,
    HOLD_S_MAX,
    POINTS_PER_UNIT_MAX,
    POINTS_PERCENT_MAX,
)
from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    NO_LIMIT,
    AllowedList,
    AutoRecharge,
    CardTypeFlag,
    FeeKind,
    Function,
    Medium,
    Relation,
    TypeState,
)
from terminals.operator_fields import CardTypeFields

from .form import Form, Problems, names_of, read_toml

U8_MAX, U16_MAX, U32_MAX = 2**8 - 1, 2**16 - 1, 2**32 - 1
NAME_BYTES = 32
PERCENT_HUNDREDTHS_MAX = 10_000
STATES = {"draft": TypeState.DRAFT, "approved": TypeState.APPROVED}
LISTS = {"stores": AllowedList.STORES, "outlets": AllowedList.OUTLETS, "operators": AllowedList.OPERATORS}

TEMPLATE = """\
# A card type. What is left out has the value that stands here behind "default".
code = 1                        # 1 to 1023
name = "Shopping card"          # at most 32 bytes
state = "draft"                 # of a new type: draft (another person approves it) or approved; default draft
#from_date = 2026-03-01         # first date of this version; of a type with cards: a date to come
functions = ["identify", "pay", "points", "discount"]   # also visits; voucher stands alone
flags = ["activation-required"] # zero-amount, net-lines, round-lines, after-discount, stack-max, round-discount-lines,
                                # fine-points, named, one-time, pin-required, activation-required, no-restore,
                                # stores-listed, outlets-listed, operators-listed; default none
medium = "bar-code"             # unknown, bar-code, stripe, contact-chip, contactless-chip, electronic, visual
relation = "personal"           # personal, linked, group, supplementary
level = 0                       # level of its holders, higher is better
validity_days = 1095            # dates of use after activation; default 0: no end
discount_percent = 2.5          # taken off every bill; read if discount is among the functions
points_percent = 100            # points per main unit in percent: 100 is one point
points_per_unit = 1             # multiplies points_percent
price_class = 0                 # price list of its holders; 0: retail
organisation = 0                # owner of the type; 0: the group
stores_under = 0                # node of the organisation whose stores accept it; 0: everywhere
hold_days_max = 7               # longest hold
card_cost = 0.80                # what a card costs the group; recorded

[limits]                        # amounts with two places, or "unlimited" (the default)
single = 500.00                 # one debit
daily = 1000.00                 # debits of an account per date
daily_count = 20                # their number
daily_points = "unlimited"      # points that an account earns per date
recharge_day = 1000.00          # recharges of an account per date
recharge_count = 5              # their number
ceiling = 2000.00               # highest balance that a recharge may lead to

[value]
face_min = 0.00                 # value a card is issued with, at least
face_max = 1000.00              # and at most; default unlimited

[number]
digits = 16                     # digits of the card number; default 0: any
prefix = 62                     # its first digits; default 0: any

[pin]
tries_max = 3                   # wrong PINs in a row that lock it

[auto_recharge]
mode = "none"                   # none, threshold (below, add, count_per_day), shortfall (add, count_per_day),
                                # monthly (add, from_date, until_date)

[fees.issue]                    # also joining, replace, report-loss, restore, return, renew, annual,
amount = 5.00                   # supplementary-annual, service, swap, other; default 0.00
from_balance = true             # may be taken from the balance
waivable = false                # may be waived

[lists]                         # read with the flags stores-listed, outlets-listed, operators-listed
stores = []                     # stores that accept its cards
outlets = []                    # stores that recharge them
operators = []                  # operators who recharge them
"""


class CardTypeFile(NamedTuple):
    """What a file says."""

    code: int
    fields: CardTypeFields
    allowed: dict[int, list[int]]
    """Numbers by `AllowedList`."""
    remarks: list[str]
    """What is strange and not wrong."""


def read_card_type(path: Path) -> CardTypeFile:
    """The card type of a file; `CommandError` with every field that is wrong."""
    top, problems = read_toml(path)
    found = parse_card_type(top, problems)
    problems.raise_if_any()
    return found


def parse_card_type(top: Form, problems: Problems) -> CardTypeFile:
    """The card type of a table; what is wrong is noted."""
    code = top.number("code", 1, CARD_TYPE_CODE_MAX)
    functions = top.choices("functions", names_of(Function), 0)
    fields = CardTypeFields(
        name=top.text("name", NAME_BYTES, "").encode().ljust(NAME_BYTES, b"\0"),
        state=top.choice("state", STATES, TypeState.DRAFT),
        from_date=top.date("from_date", 0),
        functions=functions,
        flags=top.choices("flags", names_of(CardTypeFlag), 0),
        medium=top.choice("medium", names_of(Medium), 0),
        relation=top.choice("relation", names_of(Relation), 0),
        level=top.number("level", 0, U8_MAX, 0),
        validity_days=top.number("validity_days", 0, U16_MAX, 0),
        discount_bp=top.decimal("discount_percent", 0, PERCENT_HUNDREDTHS_MAX, 0),
        points_percent=top.number("points_percent", 0, POINTS_PERCENT_MAX, 0),
        points_per_unit=top.number("points_per_unit", 1, POINTS_PER_UNIT_MAX, 1),
        price_class=top.number("price_class", 0, U16_MAX, 0),
        organisation_id=top.number("organisation", 0, U32_MAX, 0),
        stores_organisation_id=top.number("stores_under", 0, U32_MAX, 0),
        hold_s_max=86_400 * top.number("hold_days_max", 0, HOLD_S_MAX // 86_400, 0),
        card_cost_minor=top.decimal("card_cost", 0, U32_MAX, 0),
    )
    _limits(top.form("limits"), fields)
    _value(top.form("value"), fields)
    _number(top.form("number"), fields)
    pin = top.form("pin")
    fields["pin_tries_max"] = pin.number("tries_max", 1, 15, 3)
    pin.finish("tries_max")
    _auto_recharge(top.form("auto_recharge"), fields)
    _fees(top.form("fees"), fields)
    lists = top.form("lists")
    allowed = {int(kind): lists.numbers(name, 1, U32_MAX) for name, kind in LISTS.items()}
    lists.finish(", ".join(LISTS))
    top.finish("see `cardswitch type template`")
    if not functions and not problems.names("functions"):
        problems.add("functions", f"expected one or more of {', '.join(names_of(Function))}, got none")
    if functions & Function.VOUCHER and functions != Function.VOUCHER:
        problems.add("functions", "expected voucher alone, got others beside it; a recharge card is spent nowhere")
    return CardTypeFile(code, fields, allowed, _remarks(fields, allowed))


def _limits(form: Form, fields: CardTypeFields) -> None:
    fields["single_minor_max"] = form.limit("single", NO_LIMIT)
    fields["daily_minor_max"] = form.limit("daily", NO_LIMIT)
    fields["daily_count_max"] = form.count_limit("daily_count", U32_MAX - 1, NO_COUNT_LIMIT)
    fields["daily_points_max_hundredths"] = form.limit("daily_points", NO_LIMIT)
    fields["recharge_day_minor_max"] = form.limit("recharge_day", NO_LIMIT)
    fields["recharge_count_max"] = form.count_limit("recharge_count", U16_MAX, NO_COUNT_LIMIT)
    fields["ceiling_minor"] = form.limit("ceiling", NO_LIMIT)
    form.finish("single, daily, daily_count, daily_points, recharge_day, recharge_count, ceiling")


def _value(form: Form, fields: CardTypeFields) -> None:
    low = fields["face_minor_min"] = form.decimal("face_min", 0, BALANCE_MINOR_MAX, 0)
    high = fields["face_minor_max"] = form.limit("face_max", NO_LIMIT)
    if high < low:
        form.problem("face_max", "expected face_min or more, got less")
    form.finish("face_min, face_max")


def _number(form: Form, fields: CardTypeFields) -> None:
    def digits_of(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or (value and not 8 <= value <= 19):
            raise ValueError(f"expected 0 (any) or 8 to 19, got {value!r}")
        return value

    digits = fields["number_digits"] = form.take("digits", digits_of, 0)
    prefix = fields["number_prefix"] = form.number("prefix", 0, U32_MAX, 0)
    if prefix and len(str(prefix)) >= digits:
        form.problem("prefix", f"expected fewer digits than number.digits ({digits}), got {len(str(prefix))}")
    form.finish("digits, prefix")


def _auto_recharge(form: Form, fields: CardTypeFields) -> None:
    mode = fields["auto_mode"] = form.choice("mode", names_of(AutoRecharge), AutoRecharge.NONE)
    fields["auto_below_minor"] = form.decimal("below", 0, BALANCE_MINOR_MAX, 0)
    fields["auto_add_minor"] = form.decimal("add", 0, BALANCE_MINOR_MAX, 0)
    fields["auto_count_max"] = form.number("count_per_day", 0, U16_MAX, 0)
    first = fields["auto_from_date"] = form.date("from_date", 0)
    last = fields["auto_until_date"] = form.date("until_date", 0)
    if mode and not fields["auto_add_minor"]:
        form.problem("add", "expected what is added, above 0.00, got nothing")
    if mode in (AutoRecharge.THRESHOLD, AutoRecharge.SHORTFALL) and not fields["auto_count_max"]:
        form.problem("count_per_day", "expected how often a day, above 0, got nothing")
    if last and last < first:
        form.problem("until_date", "expected from_date or later, got an earlier date")
    form.finish("mode, below, add, count_per_day, from_date, until_date")


def _fees(form: Form, fields: CardTypeFields) -> None:
    amounts, from_balance, waivable = [0] * len(FeeKind), 0, 0
    for name, kind in names_of(FeeKind).items():
        key = name if form.has(name) else name.replace("-", "_")
        if not form.has(key):
            continue
        fee = form.form(key)
        amounts[kind] = fee.decimal("amount", 0, U32_MAX, 0)
        from_balance |= fee.flag("from_balance") << kind
        waivable |= fee.flag("waivable") << kind
        fee.finish("amount, from_balance, waivable")
    form.finish(", ".join(names_of(FeeKind)))
    fields["fees_minor"] = struct.pack(f"<{len(amounts)}I", *amounts)
    fields["fees_from_balance"], fields["fees_waivable"] = from_balance, waivable


def fees_of(fees_minor: bytes) -> list[int]:
    """Amounts of a fee table, by `FeeKind`."""
    return list(struct.unpack(f"<{len(fees_minor) // 4}I", fees_minor))


def _remarks(fields: CardTypeFields, allowed: dict[int, list[int]]) -> list[str]:
    remarks = []
    functions, flags = fields["functions"] or 0, fields["flags"] or 0
    if fields["discount_bp"] and not functions & Function.DISCOUNT:
        remarks.append("discount_percent is not read: discount is not among the functions")
    if fields["points_percent"] and not functions & Function.POINTS:
        remarks.append("points_percent is not read: points is not among the functions")
    for name, kind in LISTS.items():
        is_read = flags & CardTypeFlag[f"{name.upper()}_LISTED"]
        if allowed[kind] and not is_read:
            remarks.append(f"lists.{name} is not read: {name}-listed is not among the flags")
        if is_read and not allowed[kind]:
            remarks.append(f"lists.{name} is empty: with {name}-listed nobody is allowed")
    return remarks
