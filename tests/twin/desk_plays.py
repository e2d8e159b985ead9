"""What operators send: cards, PINs, limits, configuration, the close of a day."""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import (
    ActivateRulesRequest,
    CardOperation,
    CutOverRequest,
    DayTotal,
    DayTotalsRequest,
    MessageType,
    OpenCardRequest,
    OperateCardRequest,
    PutAllowedRequest,
    PutCardTypeRequest,
    PutGiftRequest,
    PutOrganisationRequest,
    PutPointsCategoryRequest,
    PutPriceRequest,
    PutRuleRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Right,
    SetCardRequest,
    SetPinRequest,
    SetTypeStateRequest,
)
from switch.protocol.records import RecordKind

from .closing import rows_of, totals_of
from .sender import I64_MAX, I64_MIN, PINS, Sender, Sent
from .world import CARD_TYPES, CATEGORIES, GIFTS, ITEMS, OPERATORS, STORES, card_type_fields, rule_fields

NEW_CARDS_FROM = 5_000_000_000
UNKNOWN_CARDS = (0, 1, 10**7 - 1, 10**19, 2**64 - 1, 77_777_777)


def open_card(till: Sender) -> Sent:
    """An operator opens the next card that is not known yet."""
    cards = till.twin.tables.records[RecordKind.CARD]
    number = next((number for number in till.world.card_numbers if (number,) not in cards), till.card())
    return till.keyed(
        OpenCardRequest,
        till.terminal(Right.CONFIGURE),
        card_number=number,
        account_number=till.rng.choice([0, 0, number, till.card()]),
        card_type=till.rng.choice(CARD_TYPES),
        status=till.rng.choice([1, 1, 1, 2]),
    )


def operate_card(till: Sender) -> Sent:
    """One step in a card's life; ended cards of the busy ones are rare, or nothing would go on."""
    rng, op = till.rng, CardOperation
    operation = rng.choice(
        [
            op.FREEZE,
            op.UNFREEZE,
            op.UNFREEZE,
            op.RETURN,
            op.BLACKLIST,
            op.UNBLACKLIST,
            op.REPORT_LOSS,
            op.RESTORE,
            op.CHARGE_FEE,
        ]
    )
    place = rng.randrange(10, len(till.world.card_numbers)) if rng.random() < 0.9 else rng.randrange(1, 60)
    number, related, operators = till.world.card_numbers[place], 0, (rng.choice(OPERATORS), rng.choice(OPERATORS))
    card_type = 0
    holds = till.twin.tables.all(RecordKind.HOLD)
    if operation == op.RETURN and holds:
        number = rng.choice(holds).card_number
    elif operation in (op.RESTORE, op.REPORT_LOSS):
        number = rng.choice([number, *till.world.card_numbers[7:200:16]])
    elif place >= 60 and rng.random() < 0.5:
        operation = rng.choice(list(CardOperation))
        if operation in (op.REPLACE, op.CORRECT, op.ISSUE):
            related = rng.choice([0, *till.world.card_numbers[-60:]])
        if operation in (op.RESERVE, op.MAKE, op.MAKE_AND_ISSUE):
            card_type, number = (
                rng.choice([till.card_type(), till.card_type(), 900]),
                rng.choice(till.world.card_numbers[-80:]),
            )
    return till.keyed(
        OperateCardRequest,
        till.terminal(Right.CARDS),
        card_number=number,
        related_number=related,
        amount_minor=rng.choice([0, 0, 5_000]) if operation in (op.ISSUE, op.MAKE_AND_ISSUE) and not related else 0,
        operation=operation,
        fee_tender=rng.choice([0, 1, 1, 2]),
        flags=rng.choice([0, 0, 8, 2]),
        reason=rng.randrange(12),
        card_type=card_type,
        count=rng.choice([1, 1, 1, 2]) if operation not in (op.REPLACE, op.CORRECT) else 1,
        operator_id=operators[0],
        approver_id=operators[1],
        store_id=rng.choice(STORES) if operation == op.DRAW else 0,
        member=rng.choice([0, 77]),
        document=rng.choice([0, 5]),
    )


def new_card(till: Sender) -> Sent:
    """A step of a card that is made, drawn and issued: few numbers, so that each goes far."""
    rng, op = till.rng, CardOperation
    steps = [
        op.RESERVE,
        op.MAKE,
        op.MAKE,
        op.MAKE,
        op.DRAW,
        op.DRAW,
        op.DRAW,
        op.ISSUE,
        op.ISSUE,
        op.MAKE_AND_ISSUE,
        op.ACTIVATE,
    ]
    operation = rng.choice(
        [
            *steps,
            op.REPORT_LOSS,
            op.REPORT_LOSS,
            op.RESTORE,
            op.RESTORE,
            op.FREEZE,
            op.UNFREEZE,
            op.RENEW,
            op.CHARGE_FEE,
            op.REPLACE,
            op.RETURN,
            op.VOID,
            op.VOID,
            op.CLEAR,
        ]
    )
    names_type = operation in (op.RESERVE, op.MAKE, op.MAKE_AND_ISSUE)
    issues = operation in (op.ISSUE, op.MAKE_AND_ISSUE)
    return till.keyed(
        OperateCardRequest,
        till.terminal(Right.CARDS),
        card_number=NEW_CARDS_FROM + rng.randrange(50),
        related_number=NEW_CARDS_FROM + rng.randrange(50) if operation == op.REPLACE else 0,
        amount_minor=rng.choice([0, 5_000]) if issues else 0,
        operation=operation,
        fee_tender=rng.choice([0, 1, 1, 2]),
        flags=rng.choice([0, 0, 2, 8]),
        reason=rng.randrange(12),
        card_type=till.card_type() if names_type else 0,
        operator_id=1,
        store_id=rng.choice(STORES) if operation == op.DRAW else 0,
        member=rng.choice([0, 77]),
        document=rng.choice([0, 5]),
    )


def set_pin(till: Sender) -> Sent:
    """A PIN is changed or reset."""
    return till.keyed(
        SetPinRequest,
        till.terminal(Right.CARDS),
        card_number=till.card(),
        mode=till.rng.choice([1, 2, 2, 2]),
        operator_id=1,
        old_pin=till.rng.choice(PINS),
        new_pin=till.rng.choice([PINS[0], PINS[0], PINS[0], PINS[1], PINS[2]]),
    )


def set_card(till: Sender) -> Sent:
    """Limits of a card, and what its account is."""
    rng = till.rng
    limits = {
        "single_minor_max": [20_000, I64_MAX, -1],
        "daily_minor_max": [40_000, I64_MAX],
        "recharge_day_minor_max": [150_000, I64_MAX],
        "ceiling_minor": [400_000, I64_MAX],
        "daily_count_max": [2, 2**32 - 1],
        "recharge_count_max": [1, 2**32 - 1],
    }
    chosen = {name: rng.choice(values) for name, values in limits.items() if rng.random() < 0.3}
    return till.keyed(
        SetCardRequest,
        till.terminal(Right.CARDS),
        card_number=till.card(),
        sets=rng.choice([1, 2, 4, 8, 10, 15, 0, 16]),
        level=rng.choice([0, 1, 2]),
        member=rng.choice([0, 7]),
        segments=rng.choice([0, 1, 2, 4, 7]),
        **chosen,
    )


# --------------------------------------------------------------------------- configuration


def put_category(till: Sender, category: int, **fields: Any) -> Sent:
    """A points category."""
    rng = till.rng
    values = {
        "flags": rng.choice([1, 1, 1, 1, 0]),
        "tender_cap_bp": rng.choice([10_000, 5_000, 500]),
        "tender_rate": rng.choice([100, 50, 1, 0]),
        "convert_rate": rng.choice([100, 10, 0]),
        "convert_lot_minor": rng.choice([1, 5, 10]),
    }
    return till.keyed(PutPointsCategoryRequest, till.terminal(Right.CONFIGURE), category=category, **(values | fields))


def put_gift(till: Sender, gift_id: int) -> Sent:
    """A gift."""
    rng = till.rng
    return till.keyed(
        PutGiftRequest,
        till.terminal(Right.CONFIGURE),
        gift_id=gift_id,
        flags=rng.choice([1, 1, 0]),
        level_min=rng.choice([0, 0, 2]),
        category=rng.choice(CATEGORIES[:2]),
        price_hundredths=rng.choice([100, 5_000]),
        until_date=rng.choice([0, till.today() + 3]),
        account_max=rng.choice([2**32 - 1, 3]),
        stock=rng.choice([2**32 - 1, 2, 20]),
    )


def put_price(till: Sender, item: int) -> Sent:
    """The price of an article, now or from a date on."""
    rng = till.rng
    return till.keyed(
        PutPriceRequest,
        till.terminal(Right.CONFIGURE),
        item=item,
        unit_price_minor=rng.choice([0, 99, 250, 333, 1_995, 2**32 - 1 if rng.random() < 0.01 else 45]),
        price_class=rng.choice([0, 0, 1]),
        from_date=rng.choice([0, 0, till.today(), till.today() + 1, till.today() + 2]),
    )


def put_rule(till: Sender, ruleset: int, rule: int) -> Sent:
    """A rule of a set."""
    fields = rule_fields(till.rng, till.today())
    if ruleset > 1 and till.rng.random() < 0.05:
        fields["card_type"] = 900
    return till.keyed(PutRuleRequest, till.terminal(Right.CONFIGURE), ruleset=ruleset, rule=rule, **fields)


def _draft(till: Sender) -> int:
    """The set that is being written."""
    active = [record.ruleset for record in till.twin.tables.all(RecordKind.RULESET) if record.state == 2]
    return max(active, default=0) + 1


def activate_rules(till: Sender, from_date: int | None = None) -> Sent:
    """The draft is put in force."""
    ruleset = max(1, _draft(till) - till.rng.choice([0, 0, 0, 1]))
    count = sum(rule.ruleset == ruleset for rule in till.twin.tables.all(RecordKind.RULE))
    return till.keyed(
        ActivateRulesRequest,
        till.terminal(Right.CONFIGURE),
        ruleset=ruleset,
        from_date=till.today() + till.rng.choice([0, 1, 1, 2]) if from_date is None else from_date,
        rule_count=count + (till.rng.random() < 0.1),
        operator_id=1,
    )


def configure(till: Sender) -> Sent:
    """Something about the business changes."""
    rng, terminal_id = till.rng, till.terminal(Right.CONFIGURE)
    play = rng.randrange(12)
    if play == 0:
        return put_category(till, rng.choice(CATEGORIES))
    if play == 1:
        return put_gift(till, rng.choice(GIFTS))
    if play in (2, 3):
        return put_price(till, rng.choice(ITEMS))
    if play in (4, 5, 6):
        return put_rule(till, _draft(till), rng.randrange(1, 40))
    if play == 7 and rng.random() < 0.4:
        return activate_rules(till)
    if play == 8:
        fields = {"code": till.card_type(), "list": rng.choice([1, 2, 3, 4]), "allowed": rng.choice([0, 1, 1, 2])}
        return till.keyed(PutAllowedRequest, terminal_id, number=rng.choice([0, *STORES]), **fields)
    if play == 9 and rng.random() < 0.2:
        next_date = till.today() + rng.choice([1, 1, 0, 2])
        return till.keyed(CutOverRequest, terminal_id, next_date=next_date, operator_id=1)
    if play == 10:
        state = rng.choice([3, 4, 4, 3, 2, 1]) if rng.random() < 0.95 else 5
        fields = {"code": till.card_type(), "state": state, "operator_id": rng.choice([0, 1, 2])}
        return till.keyed(SetTypeStateRequest, terminal_id, **fields)
    if play == 11:
        number, parent = rng.randrange(1, 18), rng.choice([0, 1, 2, 3])
        return till.keyed(
            PutOrganisationRequest, terminal_id, organisation_id=number, parent_id=parent, node=rng.choice([1, 2, 3, 5])
        )
    return put_card_type(till)


def put_card_type(till: Sender) -> Sent:
    """A version of a card type that holds from tomorrow on, as a rule."""
    code = till.rng.choice(CARD_TYPES[1:])
    fields = card_type_fields(till.rng, code)
    fields["from_date"] = till.today() + till.rng.choice([0, 1, 1, 1, 5])
    old = till.twin.tables.type_in_force(code, till.today())
    if old is not None and till.rng.random() < 0.9:
        keeps = 128 | 256
        fields |= {"functions": old.functions, "flags": fields["flags"] & ~keeps | old.flags & keeps, "state": 0}
    return till.keyed(PutCardTypeRequest, till.terminal(Right.CONFIGURE), **fields)


def odd_operator(till: Sender) -> Sent:
    """An operator message with a value at or beyond what is allowed."""
    rng, terminal_id = till.rng, till.terminal(Right.CONFIGURE)
    play = rng.randrange(4)
    if play == 0:
        return till.keyed(PutCardTypeRequest, terminal_id, **_odd_card_type(till))
    if play == 1:
        store_id, node = rng.choice([0, *range(1, 13)]), rng.choice([0, 1, 2, 3, 99])
        round_off = rng.choice([0, 5, 10])
        return till.keyed(
            PutStoreRequest, terminal_id, store_id=store_id, organisation_id=node, round_off_minor=round_off
        )
    if play == 2:
        return till.keyed(
            PutTerminalRequest,
            terminal_id,
            terminal_id=rng.choice([0, *range(1, 31), 2**32 - 1]),
            store_id=rng.choice([0, 0, 1, 2, 3, 11, 2**32 - 1]),
            rights=rng.choice([0, 1, 3, 15, 31, 63, 64, 2**32 - 1]),
            status=rng.choice([0, 1, 1, 2, 3, 255]),
            key=rng.choice([rng.randbytes(40), bytes(40)]),
            flags=rng.choice([0, 0, 1, 2]),
            storage_version=rng.choice([0, 1]),
        )
    return till.keyed(
        OpenCardRequest,
        terminal_id,
        card_number=rng.choice([*UNKNOWN_CARDS[:-1], till.card(), rng.randrange(10**7, 10**8)]),
        account_number=rng.choice([0, till.card(), 5]),
        card_type=rng.choice([*CARD_TYPES, 0, 19, 1023, 1024, 65535]),
        status=rng.choice([1, 1, 2, 0, 3]),
    )


def _odd_card_type(till: Sender) -> dict[str, Any]:
    rng = till.rng
    fields = card_type_fields(rng, rng.choice(CARD_TYPES))
    odd = {
        "code": [0, 1023, 1024, 65535],
        "flags": [32_768, 2**32 - 1, rng.randrange(8)],
        "functions": [0, 64, 32, 33],
        "single_minor_max": [-1, I64_MIN, I64_MAX, 40_000],
        "daily_minor_max": [-1, I64_MIN, I64_MAX, 90_000],
        "daily_points_max_hundredths": [-1, I64_MIN, 700],
        "points_percent": [10_000, 10_001, 2**32 - 1],
        "points_per_unit": [0, 100, 101, 2**32 - 1],
        "discount_bp": [10_000, 10_001],
        "auto_mode": [4, 255],
        "pin_tries_max": [0, 16],
        "ceiling_minor": [-1],
        "medium": [7],
    }
    for name in rng.sample(list(odd), rng.choice([0, 1, 1, 2])):
        fields[name] = rng.choice(odd[name])
    return fields


# --------------------------------------------------------------------------- day close


def day_totals(till: Sender) -> Sent:
    """A till closes its day, mostly with the right totals."""
    rng, terminal_id = till.rng, till.terminal()
    date = max(0, till.today() - rng.choice([0, 1, 1]))
    totals = totals_of(rows_of(till.twin.state, terminal_id, date))
    rows = [DayTotal(type=one, count=count, amount_minor=amount) for one, count, amount in totals][:32]
    if rows and rng.random() < 0.3:
        rows = rows[1:]
    return till.keyed(DayTotalsRequest, terminal_id, closed_date=date, totals=tuple(rows))


def day_digests(till: Sender) -> Sent:
    """A till looks for what it has lost."""
    rng, terminal_id = till.rng, till.terminal()
    last = till.traces[terminal_id]
    return till.asked(
        MessageType.DAY_DIGESTS,
        terminal_id,
        closed_date=max(0, till.today() - rng.choice([0, 1, 2])),
        first_trace=rng.choice([0, 1, last // 2]),
        last_trace=rng.choice([last, last, 2**32 - 1]),
        part_count=rng.choice([1, 8, 256, 0]),
    )


def day_list(till: Sender) -> Sent:
    """A till reads what the switch has."""
    rng, terminal_id = till.rng, till.terminal()
    date = max(0, till.today() - rng.choice([0, 1, 2]))
    first, last = rng.choice([0, till.traces[terminal_id] // 2]), till.traces[terminal_id]
    return till.asked(MessageType.DAY_LIST, terminal_id, closed_date=date, first_trace=first, last_trace=last)
