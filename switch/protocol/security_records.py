"""Records of security: media, policies, keys, stored card keys, ways between stores, alarms."""

from __future__ import annotations

from typing import Annotated

from .layout import Packed, i64, octets, u8, u16, u32, u64
from .record_kinds import RecordKind
from .terms import NO_COUNT_LIMIT


class MediumPolicyRecord(Packed, kw_only=True):
    """What the media of a card type may do."""

    kind: Annotated[int, u8("switch", "12")] = RecordKind.MEDIUM_POLICY
    version: Annotated[int, u8("switch", "1")] = 1
    flags: Annotated[int, u8("switch", "PolicyFlag bits")] = 0
    media: Annotated[int, u8("switch", "bit n: MediumKind n may pay")] = 31
    travel_minutes: Annotated[int, u32("switch", "as in the request")] = 0
    code: Annotated[int, u64("switch", "key: code of the card type")]
    velocity_10_minutes_max: Annotated[int, u16("switch", "as in the request")] = 0
    velocity_60_minutes_max: Annotated[int, u16("switch", "as in the request")] = 0
    number_minor_max: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    chip_minor_max: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    contactless_minor_max: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    code_minor_max: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    stripe_minor_max: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    tag_minor_max: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    fallback_minor_max: Annotated[int, u32("switch", "as in the request")] = 0
    number_pin_minor: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    chip_pin_minor: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    contactless_pin_minor: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    code_pin_minor: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    stripe_pin_minor: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    tag_pin_minor: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    operator_id: Annotated[int, u32("switch", "who put it")] = 0
    approver_id: Annotated[int, u32("switch", "second person")] = 0
    reserved: Annotated[bytes, octets(40, "switch", "zero")] = bytes(40)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class MediumRecord(Packed, kw_only=True):
    """One enrolled medium: whose it is, and what its next proof must look like."""

    kind: Annotated[int, u8("switch", "24")] = RecordKind.MEDIUM
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "MediumState, or 255 when gone")]
    key_version: Annotated[int, u8("switch", "lowest key version accepted: the highest one seen")]
    fail_hour: Annotated[int, u32("switch", "hour since 1970-01-01 that `fails` counts in")] = 0
    medium: Annotated[int, u64("switch", "key: MediumKind")]
    medium_id: Annotated[int, u64("switch", "key: UID, token or card number")]
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    card_number: Annotated[int, u64("switch", "card that it belongs to")]
    counter: Annotated[int, u64("switch", "highest counter accepted; stripe: the counter that the stripe has")] = 0
    window: Annotated[int, u64("switch", "chip: bit n: counter - 1 - n was accepted")] = 0
    chain: Annotated[int, u32("switch", "chip: chain value that was given to it last")] = 0
    chain_previous: Annotated[int, u32("switch", "chip: the one before, in case that the answer was lost")] = 0
    pending_counter: Annotated[int, u32("switch", "stripe: counter that may have been written; 0: none")] = 0
    last_terminal_id: Annotated[int, u32("switch", "terminal of the last accepted proof; 0: none yet")] = 0
    last_ms: Annotated[int, i64("switch", "moment of the last accepted proof")] = 0
    last_store_id: Annotated[int, u32("switch", "store of that terminal")] = 0
    written_date: Annotated[int, u32("switch", "stripe: business date of the last counter given out")] = 0
    count_10_minutes: Annotated[int, u16("switch", "accepted proofs in the ten minutes of `last_ms`")] = 0
    count_60_minutes: Annotated[int, u16("switch", "accepted proofs in the hour of `last_ms`")] = 0
    fails: Annotated[int, u8("switch", "wrong proofs in the hour `fail_hour`")] = 0
    key_version_held: Annotated[int, u8("switch", "chip: highest version whose key it holds")] = 1
    flags: Annotated[int, u8("switch", "MediumFlag bits")] = 0
    reserved: Annotated[bytes, octets(25, "switch", "zero")] = bytes(25)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class KeyRecord(Packed, kw_only=True):
    """One version of a key of the issuer: its state and what identifies it, never the key."""

    kind: Annotated[int, u8("switch", "25")] = RecordKind.KEY
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "KeyState")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    changed_date: Annotated[int, u32("switch", "business date of the last change of state")] = 0
    purpose: Annotated[int, u64("switch", "key: KeyPurpose")]
    key_version: Annotated[int, u64("switch", "key: version, 1 to 255")]
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    check_value: Annotated[bytes, octets(8, "switch", "first 5 bytes of the AES-CMAC of a zero block, zero-padded")]
    operator_id: Annotated[int, u32("switch", "who changed it last")] = 0
    approver_id: Annotated[int, u32("switch", "second person")] = 0
    reserved_more: Annotated[bytes, octets(8, "switch", "zero")] = bytes(8)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class TravelRecord(Packed, kw_only=True):
    """Least minutes between two stores."""

    kind: Annotated[int, u8("switch", "26")] = RecordKind.TRAVEL
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    minutes: Annotated[int, u32("switch", "least minutes; 0: not checked")]
    store_id: Annotated[int, u64("switch", "key: the smaller number of the two stores")]
    other_store_id: Annotated[int, u64("switch", "key: the larger number")]
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    reserved_more: Annotated[bytes, octets(24, "switch", "zero")] = bytes(24)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class AlarmRecord(Packed, kw_only=True):
    """Something that security staff must look at, with both sightings as evidence."""

    kind: Annotated[int, u8("switch", "27")] = RecordKind.ALARM
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "AlarmState")]
    alarm: Annotated[int, u8("switch", "AlarmKind")]
    operator_id: Annotated[int, u32("switch", "who handled it last; 0: nobody yet")] = 0
    sequence: Annotated[int, u64("switch", "key: entry that raised it")]
    key_b: Annotated[int, u64("switch", "key: 0")] = 0
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    card_number: Annotated[int, u64("switch", "card; 0: none is known")] = 0
    medium: Annotated[int, u8("switch", "MediumKind")] = 0
    reserved: Annotated[bytes, octets(7, "switch", "zero")] = bytes(7)
    medium_id: Annotated[int, u64("switch", "medium; 0: none is known")] = 0
    first_terminal_id: Annotated[int, u32("switch", "first sighting: terminal")] = 0
    first_store_id: Annotated[int, u32("switch", "first sighting: its store")] = 0
    first_ms: Annotated[int, i64("switch", "first sighting: moment")] = 0
    first_counter: Annotated[int, u64("switch", "first sighting: counter; ENUMERATION: wrong proofs in the hour")] = 0
    second_terminal_id: Annotated[int, u32("switch", "second sighting: terminal")] = 0
    second_store_id: Annotated[int, u32("switch", "second sighting: its store")] = 0
    second_ms: Annotated[int, i64("switch", "second sighting: moment")] = 0
    second_counter: Annotated[int, u64("switch", "second sighting: counter")] = 0
    reserved_more: Annotated[bytes, octets(16, "switch", "zero")] = bytes(16)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class CardKeyRecord(Packed, kw_only=True):
    """A random key of one medium, wrapped; media with derived keys have none."""

    kind: Annotated[int, u8("switch", "28")] = RecordKind.CARD_KEY
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0")] = 0
    storage_version: Annotated[int, u8("switch", "storage key that wraps it")]
    reserved_u32: Annotated[int, u32("switch", "zero")] = 0
    medium: Annotated[int, u64("switch", "key: MediumKind")]
    medium_id: Annotated[int, u64("switch", "key: as in the medium record")]
    key_version: Annotated[int, u64("switch", "key: key version")]
    wrapped_key: Annotated[bytes, octets(24, "switch", "RFC 3394 wrapping of the 16-byte key")]
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0
