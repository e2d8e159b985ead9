"""Card operations on ranges, and with fields that no desk would send: every operation, on cards in every state."""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import CardOperation, OperateCardRequest, Right

from .cards import luhn_digit
from .desk_plays import NEW_CARDS_FROM, UNKNOWN_CARDS
from .sender import I64_MAX, I64_MIN, Sender, Sent
from .world import OPERATORS, STORES

NEW_CARDS = 50
"""Numbers in a row from NEW_CARDS_FROM on: a range of them finds cards in all states."""
CHECKED_PAYLOAD = 600_000_000
"""Numbers whose last digit is a check digit begin with this."""
OP = CardOperation
MAKING = (OP.RESERVE, OP.MAKE, OP.MAKE_AND_ISSUE)
WITH_RELATED = (OP.REPLACE, OP.CORRECT, OP.ISSUE, OP.MAKE_AND_ISSUE)


def _fields(till: Sender, operation: CardOperation) -> dict[str, Any]:
    """What goes with an operation, right as a rule."""
    rng = till.rng
    issues = operation in (OP.ISSUE, OP.MAKE_AND_ISSUE)
    return {
        "operation": operation,
        "card_type": till.card_type() if operation in MAKING else 0,
        "amount_minor": rng.choice([0, 0, 1, 5_000, 20_000]) if issues else 0,
        "fee_tender": rng.choice([0, 1, 1, 2, 2]),
        "flags": rng.choice([0, 0, 2, 4, 8, 14]),
        "operator_id": rng.choice(OPERATORS),
        "approver_id": rng.choice([0, *OPERATORS]),
        "store_id": rng.choice(STORES) if operation == OP.DRAW else 0,
        "organisation_id": rng.choice([0, 0, 3]),
        "member": rng.choice([0, 77]),
        "document": rng.choice([0, 5]),
        "reason": rng.randrange(12),
    }


def operate_range(till: Sender) -> Sent:
    """One operation on numbers in a row, whatever has become of each of them."""
    rng = till.rng
    operation = rng.choice([*(op for op in OP if op not in (OP.REPLACE, OP.CORRECT)), OP.CHARGE_FEE, OP.CHARGE_FEE])
    if operation in (OP.VOID, OP.RETURN, OP.CLEAR) and rng.random() < 0.7:
        operation = OP.ACTIVATE
    first = NEW_CARDS_FROM + rng.randrange(NEW_CARDS)
    count = min(rng.choice([1, 2, 3, 5, 8, 20, 64]), NEW_CARDS + 14)
    return till.keyed(
        OperateCardRequest,
        till.terminal(Right.CARDS),
        card_number=first,
        count=count,
        **_fields(till, operation),
    )


def checked_range(till: Sender) -> Sent:
    """Numbers with check digits, sometimes beginning with a wrong one."""
    rng = till.rng
    payload = CHECKED_PAYLOAD + rng.randrange(20)
    first = payload * 10 + (luhn_digit(payload) + rng.choice([0, 0, 0, 1])) % 10
    fields = _fields(till, rng.choice([OP.MAKE, OP.MAKE, OP.RESERVE, OP.ISSUE, OP.ACTIVATE, OP.FREEZE, OP.UNFREEZE]))
    fields["flags"] |= 1
    terminal_id = till.terminal(Right.CARDS)
    return till.keyed(OperateCardRequest, terminal_id, card_number=first, count=rng.choice([1, 2, 4]), **fields)


def one_step(till: Sender) -> Sent:
    """Any operation on one of the new numbers, with another of them beside it where it needs one."""
    rng = till.rng
    operation = rng.choice(list(OP))
    fields = _fields(till, operation)
    if operation in WITH_RELATED and rng.random() < 0.8:
        fields["related_number"] = NEW_CARDS_FROM + rng.randrange(NEW_CARDS + 20)
        fields["amount_minor"] = rng.choice([0, 0, 0, 7])
    if operation not in (OP.ISSUE, OP.MAKE_AND_ISSUE):
        fields["amount_minor"] = 0
    number = NEW_CARDS_FROM + rng.randrange(NEW_CARDS)
    return till.keyed(OperateCardRequest, till.terminal(Right.CARDS), card_number=number, **fields)


def odd_operation(till: Sender) -> Sent:
    """A form that is wrong, or just not: one field or two at the edge of what is allowed."""
    rng = till.rng
    fields = _fields(till, rng.choice(list(OP)))
    fields |= {"card_number": NEW_CARDS_FROM + rng.randrange(NEW_CARDS), "count": rng.choice([1, 1, 3])}
    odd: dict[str, list[int]] = {
        "operation": [0, 23, 255],
        "fee_tender": [3, 255],
        "flags": [15, 16, 255, 1],
        "count": [0, 64, 65, 65_535],
        "amount_minor": [1, -1, 10**12, 10**12 + 1, I64_MAX, I64_MIN],
        "related_number": [5, NEW_CARDS_FROM, 10**19, 2**64 - 1],
        "card_number": [*UNKNOWN_CARDS, 10**19 - 2, 2**64 - 30],
        "operator_id": [0],
        "approver_id": [0, fields["operator_id"]],
        "card_type": [0, 900, 1024, 65_535],
        "store_id": [0, 9_999],
        "reason": [11, 12, 255],
    }
    for name in rng.sample(list(odd), rng.choice([1, 1, 2])):
        fields[name] = rng.choice(odd[name])
    return till.keyed(OperateCardRequest, till.terminal(Right.CARDS), **fields)
