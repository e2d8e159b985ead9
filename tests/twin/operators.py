"""Section 16: card types and their states, stores, terminals, organisation, lists of a type, cut-over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AllowedList,
    CardTypeFlag,
    CutOverRequest,
    Function,
    PutAllowedRequest,
    PutCardTypeRequest,
    PutOrganisationRequest,
    PutStoreRequest,
    PutTerminalRequest,
    SetTypeStateRequest,
    TypeState,
)
from switch.protocol.records import GONE, RECORDS, MarkKind, RecordKind

from .card_life import ENDED
from .state import Ask, Decision, Record, State

CARD_TYPES_MAX = 1023
HOLD_S_MAX = 30 * 86_400
FROZEN_FLAGS = CardTypeFlag.NAMED | CardTypeFlag.ONE_TIME

# --------------------------------------------------------------------------- card types


def decide_put_card_type(state: State, ask: Ask, form: PutCardTypeRequest, decision: Decision) -> ResponseCode:
    """Create a card type, or a version of it from a date on."""
    tables = state.tables
    type_state = tables.find(RecordKind.TYPE_STATE, form.code)
    for name, holds, code in _card_type_checks(state, form, is_new=type_state is None):
        if not holds:
            return decision.invalid(form, name) if code == ResponseCode.FIELD_INVALID else code
    frozen = _frozen_field(state, ask, form)
    if frozen is not None:
        decision.invalid(form, frozen)
        return ResponseCode.TYPE_FROZEN
    key = form.code << 32 | form.from_date
    version = tables.find(RecordKind.CARD_TYPE, key)
    if version is None and not tables.has_room(RecordKind.CARD_TYPE):
        return ResponseCode.TABLE_FULL

    if version is None:
        version = tables.make(RecordKind.CARD_TYPE, code=form.code, from_date=form.from_date, key=key)
    asked = {name for name in form.__struct_fields__ if not name.startswith("reserved")}
    for name in asked & set(RECORDS[RecordKind.CARD_TYPE].__struct_fields__):
        setattr(version, name, getattr(form, name))
    decision.touch(version)
    if type_state is None:
        made = tables.make(RecordKind.TYPE_STATE, state=form.state, author=form.operator_id, code=form.code)
        decision.touch(made)
    return ResponseCode.APPROVED


def _card_type_checks(
    state: State, form: PutCardTypeRequest, *, is_new: bool
) -> Iterator[tuple[str, bool, ResponseCode]]:
    """(field, whether it holds, code when not), in the order of the checks."""
    invalid, unknown = ResponseCode.FIELD_INVALID, ResponseCode.ORGANISATION_UNKNOWN
    yield "code", 1 <= form.code <= CARD_TYPES_MAX, invalid
    is_voucher = bool(form.functions & Function.VOUCHER)
    yield "functions", 1 <= form.functions <= 63 and (not is_voucher or form.functions == Function.VOUCHER), invalid
    yield "flags", form.flags <= 32_767, invalid
    yield "state", form.state in (1, 3) or (form.state == 0 and not is_new), invalid
    yield "medium", form.medium <= 6, invalid
    yield "relation", form.relation <= 3, invalid
    yield "discount_bp", form.discount_bp <= 10_000, invalid
    for name in ("organisation_id", "stores_organisation_id"):
        node = getattr(form, name)
        yield name, node == 0 or state.tables.find(RecordKind.ORGANISATION, node) is not None, unknown
    for name in (
        "single_minor_max",
        "daily_minor_max",
        "daily_points_max_hundredths",
        "recharge_day_minor_max",
        "ceiling_minor",
        "face_minor_min",
        "auto_below_minor",
        "auto_add_minor",
    ):
        yield name, getattr(form, name) >= 0, invalid
    yield "points_percent", form.points_percent <= 10_000, invalid
    yield "points_per_unit", 1 <= form.points_per_unit <= 100, invalid
    yield "face_minor_max", form.face_minor_max >= form.face_minor_min, invalid
    yield "auto_mode", form.auto_mode <= 3, invalid
    yield "auto_add_minor", form.auto_mode == 0 or form.auto_add_minor > 0, invalid
    yield "pin_tries_max", 1 <= form.pin_tries_max <= 15, invalid
    yield "number_digits", form.number_digits == 0 or 8 <= form.number_digits <= 19, invalid
    prefix = form.number_prefix
    yield "number_prefix", prefix == 0 or len(str(prefix)) < form.number_digits, invalid
    yield "hold_s_max", form.hold_s_max <= HOLD_S_MAX, invalid
    yield "auto_until_date", form.auto_until_date == 0 or form.auto_until_date >= form.auto_from_date, invalid


def has_cards(state: State, code: int) -> bool:
    """Whether any card of a type was ever made (reserved numbers count)."""
    return any(card.card_type == code for card in state.tables.all(RecordKind.CARD))


def has_living_cards(state: State, code: int) -> bool:
    """Whether a card of a type has not ended."""
    return any(card.card_type == code and card.status not in ENDED for card in state.tables.all(RecordKind.CARD))


def _frozen_field(state: State, ask: Ask, form: PutCardTypeRequest) -> str | None:
    """The first field of a type in use that cannot be as it is asked for."""
    if not has_cards(state, form.code):
        return None
    before = state.tables.type_in_force(form.code, ask.today) or state.tables.type_in_force(form.code, form.from_date)
    if before is not None:
        for name in ("medium", "functions", "relation", "flags", "number_prefix", "number_digits"):
            mask = FROZEN_FLAGS if name == "flags" else -1
            if getattr(form, name) & mask != getattr(before, name) & mask:
                return name
    return None if form.from_date > ask.today else "from_date"


def decide_set_type_state(state: State, ask: Ask, form: SetTypeStateRequest, decision: Decision) -> ResponseCode:
    """Move a card type on in its life."""
    record = state.tables.find(RecordKind.TYPE_STATE, form.code)
    if record is None:
        return ResponseCode.CARD_TYPE_UNKNOWN
    draft, submitted, approved, suspended, retired = TypeState
    if form.state == retired and record.state != retired:
        if has_living_cards(state, form.code):
            return ResponseCode.OTHER_CARDS
    elif (record.state, form.state) == (submitted, approved):
        if form.operator_id in (0, record.author):
            return ResponseCode.SAME_PERSON
    elif (record.state, form.state) not in {
        (draft, submitted),
        (submitted, draft),
        (approved, suspended),
        (suspended, approved),
    }:
        decision.detail = record.state
        return ResponseCode.TYPE_STATE
    record.state = form.state
    decision.touch(record)
    return ResponseCode.APPROVED


def decide_put_allowed(state: State, ask: Ask, form: PutAllowedRequest, decision: Decision) -> ResponseCode:
    """Put a number on a list of a card type, or take it off."""
    tables, kind = state.tables, RecordKind.MARK
    if tables.find(RecordKind.TYPE_STATE, form.code) is None:
        return ResponseCode.CARD_TYPE_UNKNOWN
    invalid = decision.first_invalid(
        form, {"list": 1 <= form.list <= 3, "allowed": form.allowed <= 1, "number": form.number > 0}
    )
    if invalid is not None:
        return invalid
    names_store = form.list in (AllowedList.STORES, AllowedList.OUTLETS)
    if form.allowed and names_store and tables.find(RecordKind.STORE, form.number) is None:
        return ResponseCode.STORE_UNKNOWN
    key = (form.code << 8 | form.list, form.number, MarkKind.ALLOWED << 56)
    mark = tables.find(kind, *key)
    if form.allowed and mark is None:
        if not tables.has_room(kind):
            return ResponseCode.TABLE_FULL
        mark = tables.make(kind, key_a=key[0], key_b=key[1], key_c=key[2])
    if mark is not None:
        mark.state = 0 if form.allowed else GONE
        decision.touch(mark)
    return ResponseCode.APPROVED


# --------------------------------------------------------------------------- places


def _put(state: State, decision: Decision, kind: RecordKind, key: int, **fields: object) -> ResponseCode:
    """Make or change a record with a single key; `fields` are all that a request sets."""
    record = state.tables.find(kind, key)
    if record is None:
        if not state.tables.has_room(kind):
            return ResponseCode.TABLE_FULL
        record = state.tables.make(kind, **fields)
    for name, value in fields.items():
        setattr(record, name, value)
    decision.touch(record)
    return ResponseCode.APPROVED


def decide_put_store(state: State, ask: Ask, form: PutStoreRequest, decision: Decision) -> ResponseCode:
    """Create or change a store."""
    if form.store_id == 0:
        return decision.invalid(form, "store_id")
    nodes = {record.organisation_id for record in state.tables.all(RecordKind.ORGANISATION)}
    if nodes and form.organisation_id not in {0, *nodes}:
        return ResponseCode.ORGANISATION_UNKNOWN
    return _put(
        state,
        decision,
        RecordKind.STORE,
        form.store_id,
        store_id=form.store_id,
        organisation_id=form.organisation_id,
        round_off_minor=form.round_off_minor,
    )


def decide_put_terminal(state: State, ask: Ask, form: PutTerminalRequest, decision: Decision) -> ResponseCode:
    """Create or change a terminal; the key arrives wrapped."""
    invalid = decision.first_invalid(
        form,
        {
            "terminal_id": form.terminal_id > 0,
            "rights": form.rights <= 63,
            "status": form.status in (1, 2),
            "flags": form.flags <= 1,
        },
    )
    if invalid is not None:
        return invalid
    if form.store_id != 0 and state.tables.find(RecordKind.STORE, form.store_id) is None:
        return ResponseCode.STORE_UNKNOWN
    known = state.tables.find(RecordKind.TERMINAL, form.terminal_id)
    fields: dict[str, Any] = {
        "store_id": form.store_id,
        "rights": form.rights,
        "status": form.status,
        "flags": form.flags,
    }
    if any(form.key):
        key_version = known.key_version + 1 + any(known.wrapped_next) if known else 1
        fields |= {"key_version": key_version % 2**16, "storage_version": form.storage_version}
        fields |= {"wrapped_key": form.key, "wrapped_next": bytes(len(form.key))}
    elif known is None:
        return ResponseCode.TERMINAL_UNKNOWN
    fields |= {"terminal_id": form.terminal_id, "fails": 0, "fail_hour": 0}
    return _put(state, decision, RecordKind.TERMINAL, form.terminal_id, **fields)


def decide_put_organisation(state: State, ask: Ask, form: PutOrganisationRequest, decision: Decision) -> ResponseCode:
    """Create or change a node of the organisation."""
    number = form.organisation_id
    invalid = decision.first_invalid(form, {"organisation_id": number > 0, "parent_id": form.parent_id != number})
    if invalid is not None:
        return invalid
    above = _nodes_from(state, form.parent_id)
    if form.parent_id and (not above or number in {node.organisation_id for node in above}):
        return ResponseCode.ORGANISATION_UNKNOWN
    if not 1 <= form.node <= 4:
        return decision.invalid(form, "node")
    return _put(
        state,
        decision,
        RecordKind.ORGANISATION,
        number,
        organisation_id=number,
        parent_id=form.parent_id,
        node=form.node,
        name=form.name,
    )


def _nodes_from(state: State, organisation_id: int) -> list[Record]:
    """A node and all above it; nothing when it is unknown."""
    nodes: list[Record] = []
    at = state.tables.find(RecordKind.ORGANISATION, organisation_id)
    while at is not None:
        nodes.append(at)
        at = state.tables.find(RecordKind.ORGANISATION, at.parent_id)
    return nodes


def decide_cut_over(state: State, ask: Ask, form: CutOverRequest, decision: Decision) -> ResponseCode:
    """Begin the next business date early; the caller moves on to it when the code is 0."""
    if form.next_date != ask.today + 1 or form.next_date > ask.local_date + 1:
        return decision.invalid(form, "next_date")
    for record in state.tables.all(RecordKind.SWITCH):
        record.business_date = form.next_date
        decision.touch(record)
    return ResponseCode.APPROVED
