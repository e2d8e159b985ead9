"""The operators' calls: every field of a message can be said, and what is sent is what was said."""

import asyncio
from typing import Any

import pytest

from switch.protocol.layout import layout_of
from switch.protocol.messages import (
    CardOperation,
    MessageType,
    OperateCardRequest,
    PinMode,
    PutCardTypeRequest,
    PutGiftRequest,
    PutPointsCategoryRequest,
    PutRuleRequest,
    SetCardRequest,
)
from terminals import operator_fields
from terminals.operators import OperatorCalls

KEY = {"trace_number", "business_date", "stamp_ms"}


class Recorder(OperatorCalls):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[MessageType, Any]] = []

    async def _keyed(self, type_, build):
        form = build(7, 17_000, 5)
        assert type(form).decode(form.encode()) is not None
        self.sent.append((type_, form))


def sent(call) -> tuple[MessageType, Any]:
    recorder = Recorder()
    asyncio.run(call(recorder))
    ((type_, form),) = recorder.sent
    assert (form.trace_number, form.business_date, form.stamp_ms) == (7, 17_000, 5)
    return type_, form


@pytest.mark.parametrize(
    ("fields", "form", "named_apart"),
    [
        (operator_fields.CardTypeFields, PutCardTypeRequest, {"code"}),
        (operator_fields.RuleFields, PutRuleRequest, {"ruleset", "rule", "layer", "action", "remove"}),
        (operator_fields.CardOperationFields, OperateCardRequest, {"card_number", "operation"}),
        (operator_fields.CardFields, SetCardRequest, {"card_number", "sets"}),
        (operator_fields.GiftFields, PutGiftRequest, {"gift_id", "price_hundredths"}),
        (operator_fields.PointsCategoryFields, PutPointsCategoryRequest, {"category"}),
    ],
)
def test_every_field_of_a_message_is_a_keyword(fields, form, named_apart):
    names = {field.name for field in layout_of(form).fields if not field.name.startswith("reserved")}

    assert set(fields.__annotations__) == names - KEY - named_apart


def test_a_card_is_frozen_and_let_go_by_named_people():
    type_, form = sent(lambda calls: calls.freeze_card(99990001, 3, reason=9))
    assert (type_, form.operation, form.operator_id, form.reason, form.count) == (
        MessageType.OPERATE_CARD,
        CardOperation.FREEZE,
        3,
        9,
        1,
    )
    assert sent(lambda calls: calls.unfreeze_card(99990001, 4))[1].operation == CardOperation.UNFREEZE


@pytest.mark.parametrize(
    ("fields", "sets"),
    [
        ({"level": 0}, 2),
        ({"member": 5, "segments": 6}, 12),
        ({"daily_minor_max": 100}, 1),
        ({"sets_limits": True}, 1),
        ({"level": 2, "ceiling_minor": 9}, 3),
    ],
)
def test_only_what_is_named_is_set(fields, sets):
    type_, form = sent(lambda calls: calls.set_card(99990001, **fields))

    assert (type_, form.sets) == (MessageType.SET_CARD, sets)


def test_pins_are_padded_and_the_mode_follows_from_the_call():
    _, change = sent(lambda calls: calls.change_pin(99990001, b"1234", b"98765"))
    _, reset = sent(lambda calls: calls.reset_pin(99990001, b"", 3))

    assert (change.mode, change.old_pin, change.new_pin) == (
        PinMode.CHANGE,
        b"1234" + bytes(12),
        b"98765" + bytes(11),
    )
    assert (reset.mode, reset.operator_id, reset.new_pin) == (PinMode.RESET, 3, bytes(16))


@pytest.mark.parametrize(
    ("call", "type_", "said"),
    [
        (lambda c: c.put_card_type(3, discount_bp=250), MessageType.PUT_CARD_TYPE, {"code": 3, "discount_bp": 250}),
        (lambda c: c.set_type_state(3, 2, 8), MessageType.SET_TYPE_STATE, {"state": 2, "operator_id": 8}),
        (lambda c: c.put_organisation(4, 2, parent_id=1), MessageType.PUT_ORGANISATION, {"node": 2, "parent_id": 1}),
        (lambda c: c.put_store(9, 4, round_off_minor=10), MessageType.PUT_STORE, {"round_off_minor": 10}),
        (lambda c: c.put_points_category(2, tender_rate=5), MessageType.PUT_POINTS_CATEGORY, {"tender_rate": 5}),
        (lambda c: c.put_gift(2, 100, stock=5), MessageType.PUT_GIFT, {"price_hundredths": 100, "stock": 5}),
        (lambda c: c.put_rule(1, 2, 3, 1, rate=5), MessageType.PUT_RULE, {"rule": 2, "layer": 3, "rate": 5}),
        (lambda c: c.remove_rule(1, 2), MessageType.PUT_RULE, {"ruleset": 1, "rule": 2, "remove": 1}),
        (lambda c: c.activate_rules(1, 17_001, 2), MessageType.ACTIVATE_RULES, {"from_date": 17_001, "rule_count": 2}),
        (lambda c: c.put_price(5, 199, from_date=9), MessageType.PUT_PRICE, {"unit_price_minor": 199, "from_date": 9}),
        (lambda c: c.put_allowed(3, 1, 9, allowed=False), MessageType.PUT_ALLOWED, {"list": 1, "allowed": 0}),
        (lambda c: c.cut_over(17_001, 8), MessageType.CUT_OVER, {"next_date": 17_001, "operator_id": 8}),
    ],
)
def test_what_is_said_is_sent(call, type_, said):
    sent_type, form = sent(call)

    assert sent_type == type_
    assert {name: getattr(form, name) for name in said} == said
