"""What security staff does, honestly and otherwise: media, policies, keys, ways between stores, alarms."""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    CardOperation,
    CardStatus,
    HandleAlarmRequest,
    KeyPurpose,
    KeyState,
    MediumKind,
    OperateCardRequest,
    PutKeyRequest,
    PutMediumPolicyRequest,
    PutMediumRequest,
    PutTerminalRequest,
    PutTravelRequest,
    RewrapKeyRequest,
    Right,
    TerminalStatus,
)
from switch.protocol.records import RecordKind

from .sender import Sender, Sent
from .world import CARD_TYPES, STORES

MEDIA = {MediumKind.CHIP: 2**56, MediumKind.CODE: 10**11, MediumKind.STRIPE: 0, MediumKind.TAG: 2**56}
"""Kinds of media and the bound of their numbers; a stripe has its card's."""
KEYED = (KeyPurpose.CHIP, KeyPurpose.CODE, KeyPurpose.STRIPE, KeyPurpose.TAG)
ENROLLED = 40
"""Cards with media when business opens."""


def check_value(purpose: int, key_version: int) -> bytes:
    """The same for the same key."""
    return bytes([purpose, key_version, 1, 2, 3, 0, 0, 0])


def put_key(till: Sender, terminal_id: int, purpose: int, key_version: int, state: int, **fields: Any) -> Sent:
    """One step in the life of a version."""
    named = {
        "purpose": purpose,
        "key_version": key_version,
        "state": state,
        "check_value": check_value(purpose, key_version),
        "operator_id": 1,
        "approver_id": 2,
    }
    return till.keyed(PutKeyRequest, terminal_id, **(named | fields))


def enrol(till: Sender, terminal_id: int, card_number: int, medium: int, **fields: Any) -> Sent:
    """One medium of one card."""
    rng, bound = till.rng, MEDIA.get(MediumKind(medium), 2**40) if medium in MEDIA else 2**40
    named: dict[str, Any] = {
        "card_number": card_number,
        "medium": medium,
        "medium_id": rng.randrange(1, bound) if bound else card_number,
        "counter": rng.choice([0, 0, 5, 100, 2_000]),
        "chain": rng.randrange(2**32) if medium == MediumKind.CHIP else 0,
    }
    return till.keyed(PutMediumRequest, terminal_id, **(named | fields))


def opening(till: Sender, operator: int) -> list[Sent]:
    """Keys in force, policies for some types, ways between stores, media of the first cards."""
    rng, steps = till.rng, []
    for purpose in KeyPurpose:
        steps += [
            put_key(till, operator, purpose, 1, KeyState.NEW),
            put_key(till, operator, purpose, 1, KeyState.ACTIVE),
        ]
    steps += [put_key(till, operator, purpose, 2, KeyState.NEW) for purpose in KEYED]
    steps += [policy(till, operator, code) for code in rng.sample(list(CARD_TYPES[1:]), 9)]
    steps += [travel(till, operator, first, first % 5 + 1) for first in STORES]
    return steps


def media_opening(till: Sender, operator: int) -> list[Sent]:
    """Media of the first cards, when these are there."""
    rng = till.rng
    numbers = till.world.card_numbers[1:ENROLLED]
    return [
        enrol(till, operator, number, rng.choice(list(MEDIA))) for number in numbers for _ in range(rng.choice([1, 2]))
    ]


def policy(till: Sender, terminal_id: int, code: int) -> Sent:
    """Bounds that are reached now and then."""
    rng = till.rng
    words = ("number", "chip", "contactless", "code", "stripe", "tag")
    amounts = {f"{word}_minor_max": rng.choice([*[NO_COUNT_LIMIT] * 5, 30_000, 1_500, 0]) for word in words}
    pins = {f"{word}_pin_minor": rng.choice([*[NO_COUNT_LIMIT] * 4, 20_000, 1_000, 0]) for word in words}
    return till.keyed(
        PutMediumPolicyRequest,
        terminal_id,
        code=code,
        flags=int(rng.random() < 0.08),
        media=rng.choice([*[31] * 8, 31 & ~(1 << rng.randrange(5))]),
        operator_id=rng.choice([1, 1, 1, 2, 0]),
        approver_id=2,
        travel_minutes=rng.choice([0, 0, 5, 60]),
        velocity_10_minutes_max=rng.choice([0, 0, 2, 3]),
        velocity_60_minutes_max=rng.choice([0, 0, 5, 8]),
        fallback_minor_max=rng.choice([0, 1_000, 1_000, NO_COUNT_LIMIT]),
        **amounts,
        **pins,
    )


def travel(till: Sender, terminal_id: int, store_id: int, other_store_id: int) -> Sent:
    """A way between two stores."""
    minutes = till.rng.choice([0, 1, 30, 65_535])
    return till.keyed(
        PutTravelRequest, terminal_id, store_id=store_id, other_store_id=other_store_id, minutes=minutes, operator_id=1
    )


# --------------------------------------------------------------------------- plays


def _staff(till: Sender, right: Right = Right.SECURITY) -> int:
    return till.terminal(right)


def put_medium(till: Sender) -> Sent:
    """A medium is enrolled, changed, revoked; some fields wrong."""
    rng = till.rng
    card = till.world.card_numbers[rng.randrange(80)]
    known = till.twin.tables.all(RecordKind.MEDIUM)
    kind = rng.choice(list(MEDIA))
    fields: dict[str, Any] = {"state": 1, "operator_id": 1}
    if known and rng.random() < 0.5:
        medium = rng.choice(known)
        kind, card = medium.medium, rng.choice([medium.card_number] * 9 + [card])
        fields |= {"medium_id": medium.medium_id, "state": rng.choice([1, 1, 1, 1, 2]), "counter": medium.counter}
    key_version = rng.choice([1, 1, 1, 2, 2, 3])
    held = key_version if kind != MediumKind.CHIP else max(key_version, rng.choice([1, 2]))
    fields |= {"key_version": key_version, "key_version_held": held}
    if kind in (MediumKind.CHIP, MediumKind.CODE) and rng.random() < 0.25:
        fields |= {"flags": 1, "key": rng.choice([rng.randbytes(24), bytes(24)]), "storage_version": 1}
    if rng.random() < 0.15:
        name, values = rng.choice(ODD_MEDIA)
        fields[name] = rng.choice(values)
        kind, card = fields.pop("medium", kind), fields.pop("card_number", card)
    return enrol(till, _staff(till, Right.CARDS), card, kind, **fields)


ODD_MEDIA: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("medium", (0, 5, 255)),
    ("state", (0, 3)),
    ("key_version", (0, 255, 9)),
    ("key_version_held", (0, 1, 2, 255)),
    ("flags", (1, 2, 255)),
    ("medium_id", (0, 1, 10**11, 2**56, 2**64 - 1)),
    ("card_number", (0, 1, 77_777_777)),
)


def put_policy(till: Sender) -> Sent:
    """What media may do is changed; or should be, for a type that is not there."""
    code = till.rng.choice([*CARD_TYPES[1:], 0, 900, 65_535])
    return policy(till, _staff(till), code)


def step_key(till: Sender) -> Sent:
    """A key goes on in its life, not always as it should."""
    rng = till.rng
    purpose, key_version = (
        rng.choice([*KEYED, *KeyPurpose, *[KeyPurpose.STORAGE] * 3, 0, 9]),
        rng.choice([1, 1, 2, 2, 3, 3, 4, 255, 0]),
    )
    state = rng.choice([*[1, 2] * 3, 3, 4, 4, 5, 0, 6])
    fields: dict[str, Any] = {}
    if rng.random() < 0.1:
        fields = rng.choice([{"operator_id": 0}, {"approver_id": 1}, {"approver_id": 0}, {"check_value": bytes(8)}])
    record = till.twin.tables.find(RecordKind.KEY, purpose, key_version)
    if record is not None and record.state != KeyState.NEW and key_version == 1 and purpose in KEYED:
        state = rng.choice([*[KeyState.ACTIVE, KeyState.VERIFY_ONLY] * 5, state])  # most media have the first version
    if rng.random() < 0.3:
        return _step_storage(till)
    return put_key(till, _staff(till), purpose, key_version, state, **fields)


def _step_storage(till: Sender) -> Sent:
    """From one storage key to the next; the old one cannot be retired while something is wrapped under it."""
    keys = {key.key_version: key.state for key in till.twin.tables.all(RecordKind.KEY) if key.purpose == 1}
    verified = [version for version, state in keys.items() if state == KeyState.VERIFY_ONLY]
    new = [version for version, state in keys.items() if state == KeyState.NEW]
    if verified:
        step = (verified[0], KeyState.RETIRED)
    elif new:
        step = (new[0], KeyState.ACTIVE)
    else:
        step = (max(keys) + 1, KeyState.NEW)
    return put_key(till, _staff(till), KeyPurpose.STORAGE, *step)


def put_travel(till: Sender) -> Sent:
    """A way is measured anew."""
    stores = (*STORES, *STORES, 0, 99)
    return travel(till, _staff(till), till.rng.choice(stores), till.rng.choice(stores))


def handle_alarm(till: Sender) -> Sent:
    """Somebody looks at an alarm."""
    rng, alarms = till.rng, till.twin.tables.all(RecordKind.ALARM)
    alarm = rng.choice(alarms).sequence if alarms and rng.random() < 0.9 else rng.randrange(1000)
    state, operator_id = rng.choice([0, 1, 2, 2, 2, 3, 4, 5]), rng.choice([1, 2, 3, 0])
    return till.keyed(HandleAlarmRequest, _staff(till), alarm=alarm, state=state, operator_id=operator_id)


def rewrap(till: Sender) -> Sent:
    """A key gets another wrapping."""
    rng, tables = till.rng, till.twin.tables
    kind = rng.choice([RecordKind.TERMINAL, RecordKind.CARD_KEY, RecordKind.CARD_KEY, RecordKind.CARD, 0, 24])
    card_keys = tables.all(RecordKind.CARD_KEY)
    place = {"key_a": rng.choice([*range(1, 21), 99])}
    if kind == RecordKind.CARD_KEY and card_keys:
        record = rng.choice(card_keys)
        place = {"key_a": record.medium, "key_b": record.medium_id, "key_c": record.key_version}
    if kind == RecordKind.CARD:
        sealed = [card.card_number for card in tables.all(RecordKind.CARD) if card.pin_key_version]
        place = {"key_a": rng.choice([*sealed, 77])}
    version = rng.choice([1, 1, 2, 3, 9])
    wrapped = rng.randbytes(80)
    return till.keyed(RewrapKeyRequest, _staff(till), kind=kind, storage_version=version, wrapped=wrapped, **place)


def let_in(till: Sender) -> Sent:
    """A terminal that was stopped is let in again, with its key or with a new one."""
    rng, tables = till.rng, till.twin.tables
    stopped = [one for one in tables.all(RecordKind.TERMINAL) if one.status == TerminalStatus.QUARANTINED]
    free = [
        terminal_id for terminal_id in _configurers(till) if terminal_id not in {one.terminal_id for one in stopped}
    ]
    sender = rng.choice(free or _configurers(till))
    terminal_id = rng.choice(stopped).terminal_id if stopped else rng.choice([*range(1, 20), 77])
    record = tables.find(RecordKind.TERMINAL, terminal_id)
    fields = {"store_id": record.store_id if record else 0, "rights": till.world.rights.get(terminal_id, 1)}
    key = rng.choice([bytes(40), bytes(40), rng.randbytes(40)])
    flags, version = rng.choice([0, 0, 1, 2]), rng.choice([0, 1, 2])
    return till.keyed(
        PutTerminalRequest, sender, terminal_id=terminal_id, key=key, flags=flags, storage_version=version, **fields
    )


def _configurers(till: Sender) -> list[int]:
    return [terminal_id for terminal_id, rights in till.world.rights.items() if rights & Right.CONFIGURE]


def unfreeze(till: Sender) -> Sent:
    """A card that an alarm has stopped goes on."""
    frozen = [card for card in till.twin.tables.all(RecordKind.CARD) if card.status == CardStatus.FROZEN]
    number = till.rng.choice(frozen).card_number if frozen else till.card()
    return till.keyed(
        OperateCardRequest,
        _staff(till, Right.CARDS),
        card_number=number,
        operation=CardOperation.UNFREEZE,
        operator_id=till.rng.choice([3, 4]),
    )
