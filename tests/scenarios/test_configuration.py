"""Configuration by message: docs/decision.md, section 16."""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AllowedList,
    CardOperation,
    CardTypeFlag,
    MessageType,
    Relation,
    RuleAction,
    RuleLayer,
    TypeState,
)
from switch.protocol.records import GONE, MarkKind, RecordKind
from tests.support.card_desk import CardDesk

CARD = 70_000_001
INVALID = ResponseCode.FIELD_INVALID


@pytest.fixture
def desk(decider):
    return CardDesk(decider(timezone="UTC", replay=False, stores_max=2, terminals_max=2))


def put_type(desk, code=1, **fields):
    return desk.ask(MessageType.PUT_CARD_TYPE, code=code, operator_id=3, **fields)


# --------------------------------------------------------------------------- card types


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"code": 0}, (INVALID, 16)),
        ({"code": 1024}, (INVALID, 16)),
        ({"functions": 0}, (INVALID, 18)),
        ({"functions": 64}, (INVALID, 18)),
        ({"functions": 33}, (INVALID, 18)),
        ({"flags": 32_768}, (INVALID, 20)),
        ({"state": 0}, (INVALID, 32)),
        ({"state": TypeState.SUBMITTED}, (INVALID, 32)),
        ({"medium": 7}, (INVALID, 33)),
        ({"relation": 4}, (INVALID, 34)),
        ({"discount_bp": 10_001}, (INVALID, 38)),
        ({"organisation_id": 5}, (ResponseCode.ORGANISATION_UNKNOWN, 0)),
        ({"stores_organisation_id": 5}, (ResponseCode.ORGANISATION_UNKNOWN, 0)),
        ({"single_minor_max": -1}, (INVALID, 64)),
        ({"daily_minor_max": -1}, (INVALID, 72)),
        ({"daily_points_max_hundredths": -1}, (INVALID, 80)),
        ({"recharge_day_minor_max": -1}, (INVALID, 88)),
        ({"ceiling_minor": -1}, (INVALID, 96)),
        ({"face_minor_min": -1}, (INVALID, 104)),
        ({"auto_below_minor": -1}, (INVALID, 120)),
        ({"auto_add_minor": -1}, (INVALID, 128)),
        ({"points_percent": 10_001}, (INVALID, 56)),
        ({"points_per_unit": 0}, (INVALID, 60)),
        ({"points_per_unit": 101}, (INVALID, 60)),
        ({"face_minor_min": 5, "face_minor_max": 4}, (INVALID, 112)),
        ({"auto_mode": 4}, (INVALID, 146)),
        ({"auto_mode": 1}, (INVALID, 128)),
        ({"pin_tries_max": 0}, (INVALID, 147)),
        ({"pin_tries_max": 16}, (INVALID, 147)),
        ({"number_digits": 7}, (INVALID, 150)),
        ({"number_digits": 20}, (INVALID, 150)),
        ({"number_digits": 8, "number_prefix": 10_000_000}, (INVALID, 152)),
        ({"number_digits": 8, "number_prefix": 1_000_000}, (ResponseCode.APPROVED, 0)),
        ({"hold_s_max": 2_592_001}, (INVALID, 156)),
        ({"auto_from_date": 9, "auto_until_date": 8}, (INVALID, 140)),
        ({"functions": 32, "flags": 32_767}, (ResponseCode.APPROVED, 0)),
    ],
)
def test_the_fields_of_a_card_type(desk, fields, said):
    assert put_type(desk, **fields).said == said


def test_a_type_has_versions_and_one_state(desk):
    first = put_type(desk, state=TypeState.DRAFT, points_percent=100)
    second = put_type(desk, from_date=desk.today + 5, state=0, points_percent=200)

    assert first.image(RecordKind.CARD_TYPE, 1 << 32).points_percent == 100
    state = first.image(RecordKind.TYPE_STATE, 1)
    assert (state.state, state.author) == (TypeState.DRAFT, 3)
    assert list(second.images) == [(RecordKind.CARD_TYPE, 1 << 32 | desk.today + 5)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"medium": 2}, (ResponseCode.TYPE_FROZEN, 33)),
        ({"functions": 15}, (ResponseCode.TYPE_FROZEN, 18)),
        ({"relation": Relation.GROUP}, (ResponseCode.TYPE_FROZEN, 34)),
        ({"flags": CardTypeFlag.NAMED}, (ResponseCode.TYPE_FROZEN, 20)),
        ({"flags": CardTypeFlag.ONE_TIME}, (ResponseCode.TYPE_FROZEN, 20)),
        ({"number_digits": 9}, (ResponseCode.TYPE_FROZEN, 150)),
        ({"number_digits": 8, "number_prefix": 7}, (ResponseCode.TYPE_FROZEN, 152)),
        ({"flags": CardTypeFlag.FINE_POINTS}, (ResponseCode.APPROVED, 0)),
    ],
)
def test_a_type_with_cards_changes_rates_only_and_from_a_date_to_come(desk, fields, said):
    put_type(desk)
    assert put_type(desk, points_percent=3).code == ResponseCode.APPROVED
    desk.done(CardOperation.MAKE, CARD, card_type=1)

    assert put_type(desk, from_date=desk.today + 1, **fields).said == said
    assert put_type(desk, from_date=desk.today).said == (ResponseCode.TYPE_FROZEN, 24)


def test_the_states_of_a_type(desk):
    put_type(desk, state=TypeState.DRAFT)

    def go(state, operator_id=9):
        return desk.ask(MessageType.SET_TYPE_STATE, code=1, state=state, operator_id=operator_id).said

    draft, submitted, approved, suspended, retired = TypeState
    assert go(approved) == (ResponseCode.TYPE_STATE, draft)
    assert go(submitted) == (ResponseCode.APPROVED, 0)
    assert go(approved, operator_id=3) == (ResponseCode.SAME_PERSON, 0)
    assert go(approved, operator_id=0) == (ResponseCode.SAME_PERSON, 0)
    assert go(draft) == (ResponseCode.APPROVED, 0)
    assert go(submitted) == (ResponseCode.APPROVED, 0)
    assert go(approved) == (ResponseCode.APPROVED, 0)
    assert go(approved) == (ResponseCode.TYPE_STATE, approved)
    assert go(suspended) == (ResponseCode.APPROVED, 0)
    assert go(approved) == (ResponseCode.APPROVED, 0)
    desk.make_card(CARD)
    assert go(retired) == (ResponseCode.OTHER_CARDS, 0)
    desk.done(CardOperation.VOID, CARD)
    assert go(retired) == (ResponseCode.APPROVED, 0)
    assert go(retired) == (ResponseCode.TYPE_STATE, retired)
    assert go(9) == (ResponseCode.TYPE_STATE, retired)
    assert desk.ask(MessageType.SET_TYPE_STATE, code=2, state=3).code == ResponseCode.CARD_TYPE_UNKNOWN


# --------------------------------------------------------------------------- organisation, stores, terminals


def test_the_organisation_is_a_tree(desk):
    def put(organisation_id, parent_id=0, node=2):
        fields = {"organisation_id": organisation_id, "parent_id": parent_id, "node": node}
        return desk.ask(MessageType.PUT_ORGANISATION, **fields).said

    assert put(1) == (ResponseCode.APPROVED, 0)
    assert put(2, 1) == (ResponseCode.APPROVED, 0)
    assert put(3, 2) == (ResponseCode.APPROVED, 0)
    assert put(0) == (INVALID, 16)
    assert put(4, 4) == (INVALID, 20)
    assert put(4, 9) == (ResponseCode.ORGANISATION_UNKNOWN, 0)
    assert put(1, 3) == (ResponseCode.ORGANISATION_UNKNOWN, 0)
    assert put(4, 1, 5) == (INVALID, 24)
    assert put(4, 1, 0) == (INVALID, 24)
    assert put(3, 1) == (ResponseCode.APPROVED, 0)


def test_stores_belong_to_nodes_as_soon_as_there_are_any(desk):
    def put(store_id, organisation_id=0):
        return desk.ask(MessageType.PUT_STORE, store_id=store_id, organisation_id=organisation_id, round_off_minor=10)

    assert put(0).said == (INVALID, 16)
    first = put(1, 77)
    desk.do(MessageType.PUT_ORGANISATION, organisation_id=5, node=3)
    assert put(1, 77).code == ResponseCode.ORGANISATION_UNKNOWN
    assert put(2, 5).code == ResponseCode.APPROVED
    assert put(3).code == ResponseCode.TABLE_FULL
    store = first.image(RecordKind.STORE, 1)
    assert (store.organisation_id, store.round_off_minor) == (77, 10)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"terminal_id": 0}, (INVALID, 16)),
        ({"rights": 64}, (INVALID, 24)),
        ({"status": 3}, (INVALID, 28)),
        ({"flags": 2}, (INVALID, 30)),
        ({"store_id": 9}, (ResponseCode.STORE_UNKNOWN, 0)),
        ({"key": bytes(40)}, (ResponseCode.TERMINAL_UNKNOWN, 0)),
        ({"rights": 63, "flags": 1}, (ResponseCode.APPROVED, 0)),
    ],
)
def test_the_fields_of_a_terminal(desk, fields, said):
    fields = {"terminal_id": 5, "store_id": 0, "rights": 1, "key": bytes(range(40)), **fields}

    assert desk.ask(MessageType.PUT_TERMINAL, **fields).said == said


# --------------------------------------------------------------------------- points categories, gifts


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"category": 64}, (INVALID, 16)),
        ({"flags": 2}, (INVALID, 17)),
        ({"tender_cap_bp": 10_001}, (INVALID, 18)),
        ({"tender_rate": 1_000_001}, (INVALID, 20)),
        ({"convert_rate": 1_000_001}, (INVALID, 24)),
        ({"convert_lot_minor": 0}, (INVALID, 32)),
        ({"category": 0, "tender_rate": 1_000_000}, (ResponseCode.APPROVED, 0)),
        ({"category": 63}, (ResponseCode.APPROVED, 0)),
    ],
)
def test_the_fields_of_a_points_category(desk, fields, said):
    assert desk.ask(MessageType.PUT_POINTS_CATEGORY, **{"category": 1, **fields}).said == said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gift_id": 0}, (INVALID, 16)),
        ({"flags": 2}, (INVALID, 20)),
        ({"category": 7}, (ResponseCode.CATEGORY_UNKNOWN, 0)),
        ({"price_hundredths": -1}, (INVALID, 24)),
        ({"price_hundredths": 10**15 + 1}, (INVALID, 24)),
        ({"from_date": 5, "until_date": 4}, (INVALID, 36)),
        ({}, (ResponseCode.APPROVED, 0)),
    ],
)
def test_the_fields_of_a_gift(desk, fields, said):
    assert desk.ask(MessageType.PUT_GIFT, **{"gift_id": 1, "price_hundredths": 100, **fields}).said == said


# --------------------------------------------------------------------------- prices, lists


def test_a_price_to_come_is_taken_over_before_another_is_put(desk):
    def put(unit_price_minor, days=None):
        from_date = 0 if days is None else desk.today + days
        answer = desk.do(MessageType.PUT_PRICE, item=4, unit_price_minor=unit_price_minor, from_date=from_date)
        price = answer.image(RecordKind.PRICE, 4)
        return price.unit_price_minor, price.next_unit_price_minor, price.next_from_date

    assert put(100) == (100, 0, 0)
    assert put(200, 3) == (100, 200, desk.today + 3)
    assert put(110, 0) == (110, 200, desk.today + 3)
    assert put(210, 4) == (110, 210, desk.today + 4)
    desk.today += 4
    assert put(300, 1) == (210, 300, desk.today + 1)
    desk.today += 1
    assert put(120) == (120, 0, 0)


def test_an_article_whose_first_price_is_to_come_has_none_yet(desk):
    answer = desk.do(MessageType.PUT_PRICE, item=4, unit_price_minor=100, from_date=desk.today + 1)

    assert answer.image(RecordKind.PRICE, 4).unit_price_minor == -1


@pytest.mark.parametrize(
    ("fields", "offset"), [({"item": 0}, 16), ({"unit_price_minor": -1}, 24), ({"unit_price_minor": 2**32}, 24)]
)
def test_the_fields_of_a_price(desk, fields, offset):
    answer = desk.ask(MessageType.PUT_PRICE, **{"item": 1, "unit_price_minor": 1, **fields})

    assert answer.said == (INVALID, offset)


def test_stores_come_on_a_list_and_go_off_it(desk):
    put_type(desk, 5)

    def put(allowed, number=9, **fields):
        fields = {"code": 5, "list": AllowedList.OUTLETS, **fields}
        return desk.ask(MessageType.PUT_ALLOWED, allowed=allowed, number=number, **fields)

    key = (5 << 8 | AllowedList.OUTLETS, 9, MarkKind.ALLOWED << 56)
    assert put(1).code == ResponseCode.STORE_UNKNOWN
    desk.ask(MessageType.PUT_STORE, store_id=9)
    assert put(1).image(RecordKind.MARK, *key).state == 0
    assert put(0).image(RecordKind.MARK, *key).state == GONE
    assert (put(0).code, put(0).images) == (ResponseCode.APPROVED, {})
    assert put(1, code=6).code == ResponseCode.CARD_TYPE_UNKNOWN
    assert put(1, list=0).said == put(1, list=4).said == (INVALID, 18)
    assert put(2).said == (INVALID, 19)
    assert put(1, 0).said == (INVALID, 20)


# --------------------------------------------------------------------------- rules

RULE = {"ruleset": 1, "rule": 1, "layer": RuleLayer.POINTS_ITEM, "action": RuleAction.MULTIPLY, "rate": 200}


@pytest.mark.parametrize(
    ("fields", "offset"),
    [
        ({"ruleset": 0}, 16),
        ({"rule": 0}, 20),
        ({"rule": 65_536}, 20),
        ({"layer": 7}, 24),
        ({"action": 3}, 25),
        ({"weekdays": 128}, 27),
        ({"from_minute": 1440}, 64),
        ({"from_minute": 600, "until_minute": 600}, 66),
        ({"until_minute": 1441}, 66),
        ({"settlements": 128}, 68),
        ({"booking_days": 32}, 70),
        ({"bill_minor_min": -1}, 80),
        ({"unit_price_minor": -1}, 88),
        ({"rate": 10_001}, 96),
        ({"priority": 65_536}, 100),
        ({"points_category": 64}, 104),
        ({"remove": 2}, 105),
        ({"layer": RuleLayer.FORBID}, 25),
        ({"from_date": 9, "until_date": 8}, 60),
        ({"layer": RuleLayer.POINTS_RECHARGE, "item": 1}, 40),
        ({"layer": RuleLayer.POINTS_RECHARGE, "department": 1}, 30),
        ({"layer": RuleLayer.POINTS_RECHARGE, "category": 1}, 32),
        ({"layer": RuleLayer.POINTS_RECHARGE, "brand": 1}, 34),
        ({"card_type": 1024}, 28),
    ],
)
def test_the_fields_of_a_rule(desk, fields, offset):
    assert desk.ask(MessageType.PUT_RULE, **{**RULE, **fields}).said == (INVALID, offset)


def test_a_set_counts_its_rules(desk):
    def put(rule, **fields):
        answer = desk.do(MessageType.PUT_RULE, **{**RULE, "rule": rule, **fields})
        return answer.image(RecordKind.RULE, 1, rule, 0).state, answer.image(RecordKind.RULESET, 1).rule_count

    assert desk.ask(MessageType.PUT_RULE, **RULE, remove=1).code == ResponseCode.ORIGINAL_UNKNOWN
    assert [put(1), put(2), put(2, rate=5), put(1, remove=1)] == [(0, 1), (0, 2), (0, 2), (GONE, 1)]


def test_a_set_is_activated_as_a_whole_and_once(desk):
    def activate(ruleset, days, rule_count=0):
        fields = {"ruleset": ruleset, "from_date": desk.today + days, "rule_count": rule_count}
        return desk.ask(MessageType.ACTIVATE_RULES, **fields, operator_id=8)

    desk.do(MessageType.PUT_RULE, **RULE)
    desk.do(MessageType.PUT_RULE, **{**RULE, "rule": 2, "card_type": 9})
    assert activate(0, 0).said == (INVALID, 16)
    assert activate(1, 0, 1).said == (ResponseCode.RULES_INVALID, 0)
    assert activate(1, 0, 2).said == (ResponseCode.RULES_INVALID, 2)
    put_type(desk, 9)
    ruleset = activate(1, 0, 2).image(RecordKind.RULESET, 1)
    assert (ruleset.state, ruleset.author) == (2, 8)
    assert activate(1, 1, 2).code == ResponseCode.RULESET_STATE
    assert desk.ask(MessageType.PUT_RULE, **RULE).code == ResponseCode.RULESET_STATE
    assert activate(2, 0).said == (INVALID, 20)
    assert activate(2, 1).code == ResponseCode.APPROVED
    assert activate(3, 1).code == ResponseCode.RULESET_STATE
