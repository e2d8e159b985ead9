"""PIN, limits, level, member and segments: docs/decision.md, section 15."""

from typing import Any

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    NO_LIMIT,
    CardFlag,
    CardOperation,
    CardStatus,
    CardTypeFlag,
    MessageType,
    PinMode,
    TypeState,
)
from switch.protocol.records import RecordKind
from tests.support.card_desk import CardDesk

CARD, SPARE = 70_000_001, 70_000_002
# A decider sees PINs as their hashes.
OLD, NEW, WRONG, NONE = b"1" * 16, b"2" * 16, b"3" * 16, bytes(16)


@pytest.fixture
def desk(decider):
    desk = CardDesk(decider(timezone="UTC", replay=False))
    desk.do(MessageType.PUT_CARD_TYPE, code=1, state=TypeState.APPROVED, pin_tries_max=2, validity_days=10)
    desk.do(MessageType.PUT_CARD_TYPE, code=2, state=TypeState.APPROVED, flags=CardTypeFlag.ACTIVATION_REQUIRED)
    desk.make_card(CARD, value_minor=500)
    return desk


def set_pin(desk, mode=PinMode.CHANGE, old=OLD, new=NEW, card_number=CARD):
    return desk.ask(MessageType.SET_PIN, card_number=card_number, mode=mode, old_pin=old, new_pin=new, operator_id=3)


# --------------------------------------------------------------------------- PIN


def test_the_desk_sets_a_pin_and_takes_it_away(desk):
    given = set_pin(desk, PinMode.RESET, NONE, OLD)
    taken = set_pin(desk, PinMode.RESET, NONE, NONE)

    assert [answer.card(CARD).pin_hash for answer in (given, taken)] == [OLD, NONE]
    assert given.reply.balance_minor == 500


def test_the_holder_changes_it_with_the_old_one(desk):
    assert set_pin(desk).code == ResponseCode.PIN_REQUIRED
    set_pin(desk, PinMode.RESET, NONE, OLD)

    assert set_pin(desk, old=NONE).code == ResponseCode.PIN_REQUIRED
    changed = set_pin(desk)

    assert (changed.code, changed.card(CARD).pin_hash) == (ResponseCode.APPROVED, NEW)


def test_wrong_ones_lock_it_and_the_desk_opens_it(desk):
    set_pin(desk, PinMode.RESET, NONE, OLD)

    once, twice, late = (set_pin(desk, old=pin) for pin in (WRONG, WRONG, OLD))
    opened = set_pin(desk, PinMode.RESET, NONE, OLD).card(CARD)

    assert [answer.code for answer in (once, twice, late)] == [
        ResponseCode.PIN_WRONG,
        ResponseCode.PIN_WRONG,
        ResponseCode.PIN_LOCKED,
    ]
    assert (once.card(CARD).pin_tries, once.card(CARD).flags) == (1, 0)
    assert (twice.card(CARD).pin_tries, twice.card(CARD).flags) == (2, CardFlag.PIN_LOCKED)
    assert (late.images, opened.pin_tries, opened.flags) == ({}, 0, 0)


def test_no_new_pin_is_no_change_but_the_right_old_one_ends_the_tries(desk):
    set_pin(desk, PinMode.RESET, NONE, OLD)
    set_pin(desk, old=WRONG)

    answer = set_pin(desk, new=NONE)

    assert answer.said == (ResponseCode.FIELD_INVALID, 48)
    assert (answer.card(CARD).pin_tries, answer.card(CARD).pin_hash) == (0, OLD)


def test_a_card_that_may_not_be_used_changes_no_pin(desk):
    set_pin(desk, PinMode.RESET, NONE, OLD)
    desk.done(CardOperation.BLACKLIST, CARD)
    assert set_pin(desk).code == ResponseCode.BLACKLISTED
    desk.today += 11
    assert set_pin(desk).code == ResponseCode.EXPIRED
    desk.done(CardOperation.FREEZE, CARD)
    assert set_pin(desk).said == (ResponseCode.CARD_STATUS, CardStatus.FROZEN)
    assert set_pin(desk, PinMode.RESET, NONE, NEW).code == ResponseCode.APPROVED


@pytest.mark.parametrize("message", [MessageType.SET_PIN, MessageType.SET_CARD])
@pytest.mark.parametrize("status", CardStatus)
def test_settings_need_a_card_with_an_account_that_has_not_ended(desk, message, status):
    number = 80_000_000
    desk.do(MessageType.PUT_STORE, store_id=7)
    desk.bring_to(
        CardStatus.FROZEN if status == CardStatus.EXPIRED else status, number, spare_number=SPARE, card_type=2
    )
    fields: dict[MessageType, dict[str, Any]] = {
        MessageType.SET_PIN: {"mode": PinMode.RESET, "old_pin": NONE, "new_pin": NEW},
        MessageType.SET_CARD: {"sets": 15},
    }

    answer = desk.ask(message, card_number=number, **fields[message])

    without_account = {CardStatus.RESERVED, CardStatus.MADE, CardStatus.DRAWN, CardStatus.RELEASED, CardStatus.CLEARED}
    ended = {CardStatus.REPLACED, CardStatus.RETURNED, CardStatus.VOID, CardStatus.CORRECTED}
    if status in without_account:
        assert answer.said == (ResponseCode.CARD_UNKNOWN, 0)
    elif status in ended:
        assert answer.said == (ResponseCode.CARD_STATUS, status)
    else:
        assert answer.said == (ResponseCode.APPROVED, 0)


# --------------------------------------------------------------------------- limits, level, member, segments


def set_card(desk, **fields):
    return desk.ask(MessageType.SET_CARD, card_number=CARD, **fields)


def test_limits_are_a_record_of_their_own(desk):
    answer = set_card(desk, sets=1, single_minor_max=60, daily_count_max=3)

    limits = answer.image(RecordKind.CARD_LIMIT, CARD)
    assert list(answer.images) == [(RecordKind.CARD_LIMIT, CARD, 0, 0)]
    assert (limits.single_minor_max, limits.daily_minor_max) == (60, NO_LIMIT)
    assert (limits.daily_count_max, limits.recharge_count_max) == (3, NO_COUNT_LIMIT)

    limits = set_card(desk, sets=1).image(RecordKind.CARD_LIMIT, CARD)
    assert (limits.single_minor_max, limits.state) == (NO_LIMIT, 0)


@pytest.mark.parametrize(("sets", "found"), [(2, (4, 0, 0)), (4, (0, 5, 0)), (8, (0, 0, 6)), (14, (4, 5, 6))])
def test_level_member_and_segments_are_the_accounts(desk, sets, found):
    answer = set_card(desk, sets=sets, level=4, member=5, segments=6)

    account = answer.image(RecordKind.ACCOUNT, CARD)
    assert (account.level, account.member, account.segments) == found
    assert len(answer.images) == 1


@pytest.mark.parametrize(
    ("fields", "offset"),
    [
        ({"sets": 0}, 24),
        ({"sets": 16}, 24),
        ({"sets": 1, "single_minor_max": -1}, 48),
        ({"sets": 1, "daily_minor_max": -1}, 56),
        ({"sets": 1, "recharge_day_minor_max": -1}, 64),
        ({"sets": 1, "ceiling_minor": -1}, 72),
    ],
)
def test_what_cannot_be_set(desk, fields, offset):
    assert set_card(desk, **fields).said == (ResponseCode.FIELD_INVALID, offset)
