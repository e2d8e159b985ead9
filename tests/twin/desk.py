"""Section 15, the rest: PINs, limits of one card, and what the desk knows of its holder."""

from __future__ import annotations

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import CardFlag, KeyPurpose, KeyState, PinMode, SetCardRequest, SetPinRequest
from switch.protocol.records import RecordKind

from .accounts import NO_PIN, limits_of, refuse_use, try_pin
from .card_life import ENDED
from .state import Ask, Decision, Record, State

LIMITS, LEVEL, MEMBER, SEGMENTS = 1, 2, 4, 8
AMOUNT_LIMITS = ("single_minor_max", "daily_minor_max", "recharge_day_minor_max", "ceiling_minor")
COUNT_LIMITS = ("daily_count_max", "recharge_count_max")


def _card_in_use(state: State, card_number: int, decision: Decision) -> Record | ResponseCode:
    """A card with an account that has not ended, or why there is none."""
    card = state.tables.card(card_number)
    if card is None or card.account_number == 0:
        return ResponseCode.CARD_UNKNOWN
    if card.status in ENDED:
        decision.detail = card.status
        return ResponseCode.CARD_STATUS
    return card


def _seals_pins(key: Record) -> bool:
    return bool(key.purpose == KeyPurpose.PIN and key.state == KeyState.ACTIVE)


def decide_set_pin(state: State, ask: Ask, form: SetPinRequest, decision: Decision) -> ResponseCode:
    """Change a PIN, or set it anew."""
    if form.mode not in (PinMode.CHANGE, PinMode.RESET):
        return decision.invalid(form, "mode")
    card = _card_in_use(state, form.card_number, decision)
    if isinstance(card, ResponseCode):
        return card
    if form.mode == PinMode.CHANGE:
        card_type = state.tables.type_in_force(card.card_type, ask.today)
        if card_type is None:
            return ResponseCode.CARD_UNKNOWN
        refusal = refuse_use(ask, card, card_type, 0, decision) or try_pin(card, card_type, form.old_pin, decision)
        if refusal:
            return refusal
        if form.new_pin == NO_PIN:
            return decision.invalid(form, "new_pin")
    card.pin_hash, card.pin_tries = form.new_pin, 0
    sealing = [key.key_version for key in state.tables.all(RecordKind.KEY) if _seals_pins(key)]
    card.pin_key_version = sealing[0] if sealing and form.new_pin != NO_PIN else 0
    card.flags &= ~int(CardFlag.PIN_LOCKED)
    decision.touch(card)
    decision.show(state.tables.account_of(form.card_number))
    return ResponseCode.APPROVED


def decide_set_card(state: State, ask: Ask, form: SetCardRequest, decision: Decision) -> ResponseCode:
    """Set limits of a card, level, member and segments of its account."""
    checks = {"sets": 1 <= form.sets <= 15} | {name: getattr(form, name) >= 0 for name in AMOUNT_LIMITS}
    invalid = decision.first_invalid(form, checks)
    if invalid is not None:
        return invalid
    card = _card_in_use(state, form.card_number, decision)
    if isinstance(card, ResponseCode):
        return card
    limits = limits_of(state, form.card_number)
    if form.sets & LIMITS and limits is None:
        if not state.tables.has_room(RecordKind.CARD_LIMIT):
            return ResponseCode.TABLE_FULL
        limits = state.tables.make(RecordKind.CARD_LIMIT, card_number=form.card_number, since_sequence=ask.sequence)
    if form.sets & LIMITS and limits is not None:
        for name in (*AMOUNT_LIMITS, *COUNT_LIMITS):
            setattr(limits, name, getattr(form, name))
        decision.touch(limits)
    account = state.tables.get(RecordKind.ACCOUNT, card.account_number)
    for bit, name in ((LEVEL, "level"), (MEMBER, "member"), (SEGMENTS, "segments")):
        if form.sets & bit:
            setattr(account, name, getattr(form, name))
            decision.touch(account)
    decision.show(account)
    return ResponseCode.APPROVED
