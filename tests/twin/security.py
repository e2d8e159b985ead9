"""Section 19: what security staff puts and moves on, stripes that were written, and a terminal's own new key.

Keys arrive wrapped, as the switch has made them of the clear ones before it decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import layout_of
from switch.protocol.messages import (
    AlarmState,
    ChangeKeyRequest,
    ConfirmWriteRequest,
    HandleAlarmRequest,
    KeyPurpose,
    KeyState,
    MediumFlag,
    MediumKind,
    MediumState,
    MessageType,
    PutKeyRequest,
    PutMediumPolicyRequest,
    PutMediumRequest,
    PutTravelRequest,
    RewrapKeyRequest,
    TerminalFlag,
)
from switch.protocol.records import MediumRecord, RecordKind

from .accounts import known_card, settle_card
from .evidence import PURPOSE_OF, key_passes
from .state import Ask, Decision, Record, State

NO_KEY = bytes(40)
CARD_KEY_BYTES = 24
UID_END, TOKEN_END = 2**56, 10**11

# --------------------------------------------------------------------------- media


def decide_confirm_write(state: State, ask: Ask, form: ConfirmWriteRequest, decision: Decision) -> ResponseCode:
    """From now on the stripe's old counter is a copy's."""
    if known_card(state, ask, form.card_number) is None:
        return ResponseCode.CARD_UNKNOWN
    settle_card(state, ask, form.card_number, decision)
    record = state.tables.find(RecordKind.MEDIUM, MediumKind.STRIPE, form.card_number)
    if record is None:
        return ResponseCode.MEDIUM_UNKNOWN
    if record.state != MediumState.ACTIVE:
        return ResponseCode.MEDIUM_REVOKED
    if form.counter == record.pending_counter != 0:
        record.counter, record.pending_counter = form.counter, 0
        decision.touch(record)
    elif form.counter != record.counter:
        return decision.invalid(form, "counter")
    return ResponseCode.APPROVED


def _medium_checks(form: PutMediumRequest) -> dict[str, bool]:
    """Whether each field holds, in the order of the checks."""
    chip, code, stripe = MediumKind.CHIP, MediumKind.CODE, MediumKind.STRIPE
    is_held = form.key_version_held >= form.key_version
    bound = {chip: UID_END, MediumKind.TAG: UID_END, code: TOKEN_END}.get(MediumKind(form.medium % 5), 2**64)
    may_store = form.medium in (chip, code)
    return {
        "medium": chip <= form.medium <= MediumKind.TAG,
        "state": form.state in (MediumState.ACTIVE, MediumState.REVOKED),
        "key_version": form.key_version >= 1,
        "key_version_held": is_held if form.medium == chip else form.key_version_held == form.key_version,
        "flags": form.flags == 0 or (form.flags == MediumFlag.STORED_KEY and may_store),
        "medium_id": form.medium_id == form.card_number > 0 if form.medium == stripe else 0 < form.medium_id < bound,
    }


def decide_put_medium(state: State, ask: Ask, form: PutMediumRequest, decision: Decision) -> ResponseCode:
    """Enrol a medium, change or revoke it."""
    tables = state.tables
    invalid = decision.first_invalid(form, _medium_checks(form))
    if invalid is not None:
        return invalid
    stores_key = bool(form.flags & MediumFlag.STORED_KEY)
    versions = {form.key_version, form.key_version_held}
    goes_on = form.state == MediumState.ACTIVE
    if (
        goes_on
        and not stores_key
        and not all(key_passes(state, PURPOSE_OF[form.medium], version) for version in versions)
    ):
        return ResponseCode.KEY_UNKNOWN
    if known_card(state, ask, form.card_number) is None:
        return ResponseCode.CARD_UNKNOWN
    card = tables.get(RecordKind.CARD, form.card_number)
    record = tables.find(RecordKind.MEDIUM, form.medium, form.medium_id)
    if record is not None and (record.card_number != form.card_number or record.state == MediumState.REVOKED):
        return ResponseCode.MEDIUM_EXISTS
    has_key = stores_key and any(form.key)
    place = (form.medium, form.medium_id, form.key_version)
    card_key = tables.find(RecordKind.CARD_KEY, *place) if has_key else None
    lacks_room = record is None and not tables.has_room(RecordKind.MEDIUM)
    if lacks_room or (has_key and card_key is None and not tables.has_room(RecordKind.CARD_KEY)):
        return ResponseCode.TABLE_FULL

    if record is None:
        record = tables.make(RecordKind.MEDIUM, medium=form.medium, medium_id=form.medium_id)
    _renew(record, form)
    decision.touch(record)
    bit = 1 << form.medium
    same_kind = [medium for medium in tables.all(RecordKind.MEDIUM) if medium.medium == form.medium]
    is_left = any(medium.card_number == card.card_number and medium.state == MediumState.ACTIVE for medium in same_kind)
    media = card.media | bit if is_left else card.media & ~bit
    if media != card.media:
        card.media = media
        decision.touch(card)
    if has_key:
        if card_key is None:
            card_key = tables.make(
                RecordKind.CARD_KEY, medium=place[0], medium_id=place[1], key_version=place[2], storage_version=0
            )
        card_key.wrapped_key, card_key.storage_version = form.key, form.storage_version
        decision.touch(card_key)
    decision.show(tables.account_of(form.card_number))
    return ResponseCode.APPROVED


def _renew(record: Record, form: PutMediumRequest) -> None:
    """All of the record as in the request, the rest zero."""
    asked = ("state", "key_version", "card_number", "counter", "chain", "key_version_held", "flags")
    kept = ("kind", "version", "medium", "medium_id", "last_sequence")
    for placed in layout_of(MediumRecord).fields:
        if placed.name in asked:
            setattr(record, placed.name, getattr(form, placed.name))
        elif placed.name not in kept and not placed.name.startswith("reserved"):
            setattr(record, placed.name, 0)


def _two_persons(form: PutKeyRequest | PutMediumPolicyRequest) -> bool:
    return 0 not in (form.operator_id, form.approver_id) and form.operator_id != form.approver_id


def decide_put_medium_policy(state: State, ask: Ask, form: PutMediumPolicyRequest, decision: Decision) -> ResponseCode:
    """What the media of a card type may do."""
    tables, kind = state.tables, RecordKind.MEDIUM_POLICY
    if tables.find(RecordKind.TYPE_STATE, form.code) is None:
        return ResponseCode.CARD_TYPE_UNKNOWN
    invalid = decision.first_invalid(form, {"flags": form.flags <= 1, "media": form.media <= 31})
    if invalid is not None:
        return invalid
    if not _two_persons(form):
        return ResponseCode.SAME_PERSON
    record = tables.find(kind, form.code)
    if record is None:
        if not tables.has_room(kind):
            return ResponseCode.TABLE_FULL
        record = tables.make(kind, code=form.code)
    for name in form.__struct_fields__:
        if hasattr(record, name) and not name.startswith("reserved"):
            setattr(record, name, getattr(form, name))
    decision.touch(record)
    return ResponseCode.APPROVED


# --------------------------------------------------------------------------- keys

NEW, ACTIVE, VERIFY_ONLY, RETIRED, DESTROYED = KeyState
NEXT_STATES = {
    NEW: (ACTIVE, RETIRED),
    ACTIVE: (VERIFY_ONLY,),
    VERIFY_ONLY: (ACTIVE, RETIRED),
    RETIRED: (DESTROYED,),
    DESTROYED: (),
}
"""The life of a version of a key; ACTIVE ends when another version becomes it, or when it is withdrawn."""


def decide_put_key(state: State, ask: Ask, form: PutKeyRequest, decision: Decision) -> ResponseCode:
    """Tell of a version of a key, or move it on in its life."""
    tables, kind = state.tables, RecordKind.KEY
    checks = {
        "purpose": KeyPurpose.STORAGE <= form.purpose <= KeyPurpose.TAG,
        "key_version": form.key_version >= 1,
        "state": NEW <= form.state <= DESTROYED,
    }
    invalid = decision.first_invalid(form, checks)
    if invalid is not None:
        return invalid
    if not _two_persons(form):
        return ResponseCode.SAME_PERSON
    key = tables.find(kind, form.purpose, form.key_version)
    if key is None:
        if form.state != NEW:
            return ResponseCode.KEY_UNKNOWN
        if not tables.has_room(kind):
            return ResponseCode.TABLE_FULL
        key = tables.make(kind, purpose=form.purpose, key_version=form.key_version, check_value=form.check_value)
    else:
        refusal = _refuse_key_state(state, key, form, decision)
        if refusal is not None:
            return refusal
    if form.state == ACTIVE:
        for other in tables.all(kind):
            if other.purpose == form.purpose and other.state == ACTIVE:
                _move_key(other, VERIFY_ONLY, ask, form, decision)
    _move_key(key, form.state, ask, form, decision)
    return ResponseCode.APPROVED


def _refuse_key_state(state: State, key: Record, form: PutKeyRequest, decision: Decision) -> ResponseCode | None:
    if form.check_value != key.check_value:
        return decision.invalid(form, "check_value")
    if form.state == key.state:
        return ResponseCode.DONE_BEFORE
    if form.state not in NEXT_STATES[key.state]:
        decision.detail = key.state
        return ResponseCode.KEY_STATE
    wrapped = state.tables.all(RecordKind.TERMINAL) + state.tables.all(RecordKind.CARD_KEY)
    is_used = any(record.storage_version == form.key_version for record in wrapped)
    return ResponseCode.KEY_IN_USE if (form.purpose, form.state) == (KeyPurpose.STORAGE, RETIRED) and is_used else None


def _move_key(key: Record, to: int, ask: Ask, form: PutKeyRequest, decision: Decision) -> None:
    key.state, key.changed_date = to, ask.today
    key.operator_id, key.approver_id = form.operator_id, form.approver_id
    decision.touch(key)


def decide_rewrap_key(state: State, ask: Ask, form: RewrapKeyRequest, decision: Decision) -> ResponseCode:
    """The same keys under another storage key, or the same PIN under another PIN key."""
    is_terminal, is_pin = form.kind == RecordKind.TERMINAL, form.kind == RecordKind.CARD
    kinds = (RecordKind.TERMINAL, RecordKind.CARD_KEY, RecordKind.CARD)
    invalid = decision.first_invalid(form, {"kind": form.kind in kinds})
    if invalid is not None:
        return invalid
    purpose = KeyPurpose.PIN if is_pin else KeyPurpose.STORAGE
    storage = state.tables.find(RecordKind.KEY, purpose, form.storage_version)
    if storage is None:
        return ResponseCode.KEY_UNKNOWN
    if storage.state != ACTIVE:
        decision.detail = storage.state
        return ResponseCode.KEY_STATE
    if is_pin:
        return _reseal_pin(state, form, decision)
    place = (form.key_a,) if is_terminal else (form.key_a, form.key_b, form.key_c)
    record = state.tables.find(RecordKind(form.kind), *place)
    if record is None:
        return ResponseCode.TERMINAL_UNKNOWN if is_terminal else ResponseCode.MEDIUM_UNKNOWN
    if record.storage_version == form.storage_version:
        return ResponseCode.DONE_BEFORE
    if is_terminal:
        record.wrapped_key, record.wrapped_next = form.wrapped[: len(NO_KEY)], form.wrapped[len(NO_KEY) :]
    else:
        record.wrapped_key = form.wrapped[:CARD_KEY_BYTES]
    record.storage_version = form.storage_version
    decision.touch(record)
    return ResponseCode.APPROVED


def _reseal_pin(state: State, form: RewrapKeyRequest, decision: Decision) -> ResponseCode:
    card = state.tables.find(RecordKind.CARD, form.key_a)
    if card is None:
        return ResponseCode.CARD_UNKNOWN
    if card.pin_key_version in (0, form.storage_version):
        return ResponseCode.DONE_BEFORE
    card.pin_hash, card.pin_key_version = form.wrapped[: len(card.pin_hash)], form.storage_version
    decision.touch(card)
    return ResponseCode.APPROVED


def decide_change_key(state: State, ask: Ask, form: ChangeKeyRequest, decision: Decision) -> ResponseCode:
    """A terminal's new key beside its old one; or, by a session with the new one, the end of the old."""
    invalid = decision.first_invalid(form, {"confirm": form.confirm <= 1})
    if invalid is not None:
        return invalid
    terminal = state.tables.find(RecordKind.TERMINAL, ask.terminal_id)
    if terminal is None:
        return ResponseCode.TERMINAL_UNKNOWN
    if form.confirm and form.key != NO_KEY:
        return decision.invalid(form, "key")
    if form.confirm and terminal.wrapped_next == NO_KEY:
        return ResponseCode.CHANGED_KEY
    if form.confirm:
        terminal.wrapped_key, terminal.wrapped_next = terminal.wrapped_next, NO_KEY
        terminal.key_version = (terminal.key_version + 1) % 2**16
        terminal.flags &= ~TerminalFlag.RENEW_KEY
    else:
        terminal.wrapped_next = form.key
    decision.touch(terminal)
    return ResponseCode.APPROVED


# --------------------------------------------------------------------------- ways and alarms


def decide_put_travel(state: State, ask: Ask, form: PutTravelRequest, decision: Decision) -> ResponseCode:
    """Least minutes between two stores, in both directions."""
    tables, kind = state.tables, RecordKind.TRAVEL
    stores = sorted((form.store_id, form.other_store_id))
    if any(tables.find(RecordKind.STORE, store_id) is None for store_id in stores):
        return ResponseCode.STORE_UNKNOWN
    if form.store_id == form.other_store_id:
        return decision.invalid(form, "other_store_id")
    record = tables.find(kind, *stores)
    if record is None:
        if not tables.has_room(kind):
            return ResponseCode.TABLE_FULL
        record = tables.make(kind, store_id=stores[0], other_store_id=stores[1])
    record.minutes = form.minutes
    decision.touch(record)
    return ResponseCode.APPROVED


def decide_handle_alarm(state: State, ask: Ask, form: HandleAlarmRequest, decision: Decision) -> ResponseCode:
    """Move an alarm on in its life."""
    alarm = state.tables.find(RecordKind.ALARM, form.alarm)
    if alarm is None:
        return ResponseCode.ALARM_UNKNOWN
    new, acknowledged, cleared, confirmed = AlarmState
    checks = {"state": acknowledged <= form.state <= confirmed, "operator_id": form.operator_id > 0}
    invalid = decision.first_invalid(form, checks)
    if invalid is not None:
        return invalid
    if alarm.state != new and (alarm.state, form.state) not in ((acknowledged, cleared), (acknowledged, confirmed)):
        decision.detail = alarm.state
        return ResponseCode.ALARM_STATE
    alarm.state, alarm.operator_id = form.state, form.operator_id
    decision.touch(alarm)
    return ResponseCode.APPROVED


DECIDERS: dict[MessageType, Callable[[State, Ask, Any, Decision], ResponseCode]] = {
    MessageType.CONFIRM_WRITE: decide_confirm_write,
    MessageType.PUT_MEDIUM: decide_put_medium,
    MessageType.PUT_MEDIUM_POLICY: decide_put_medium_policy,
    MessageType.PUT_KEY: decide_put_key,
    MessageType.PUT_TRAVEL: decide_put_travel,
    MessageType.HANDLE_ALARM: decide_handle_alarm,
    MessageType.REWRAP_KEY: decide_rewrap_key,
    MessageType.CHANGE_KEY: decide_change_key,
}
