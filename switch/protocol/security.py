"""Proof that a medium is no copy, and the requests of security staff: media, policies, keys, alarms."""

from __future__ import annotations

from typing import Annotated

from .layout import Packed, i64, octets, u8, u16, u32, u64
from .security_terms import AlarmState, KeyState, MediumState
from .terms import NO_COUNT_LIMIT


class Evidence(Packed, kw_only=True):
    """What was read from a medium; follows the body of a debit, quote, hold, redemption or conversion.

    The last 32 bytes are zero on the wire; the switch fills in there what it found, so the journal shows it.
    docs/card-formats.md says how each medium makes its proof.
    """

    medium: Annotated[int, u8("terminal", "MediumKind, not NUMBER")]
    key_version: Annotated[int, u8("terminal", "key version that the medium names; code, stripe: its last digit")] = 0
    flags: Annotated[int, u8("terminal", "EvidenceFlag bits")] = 0
    issue: Annotated[int, u8("terminal", "stripe: issue digit; else 0")] = 0
    counter: Annotated[
        int, u32("terminal", "chip: transaction counter; code: its two digits; stripe: its three digits; tag: 0")
    ] = 0
    medium_id: Annotated[int, u64("terminal", "chip: UID as a number; code: token; stripe, tag: 0")] = 0
    challenge: Annotated[bytes, octets(8, "terminal", "chip: unpredictable number, the session's challenge")] = bytes(8)
    chain: Annotated[int, u32("terminal", "chip: chain value that the chip holds, as a big-endian number")] = 0
    chip_flags: Annotated[int, u16("terminal", "chip: flags of its answer, as a big-endian number")] = 0
    currency: Annotated[int, u16("terminal", "chip: ISO 4217 number, as in the cryptogram")] = 0
    proof: Annotated[
        bytes, octets(16, "terminal", "chip: cryptogram (8); code: otp; stripe: see text; tag: encrypted PICC data")
    ] = bytes(16)
    tag_mac: Annotated[bytes, octets(8, "terminal", "tag: SDM MAC; else zero")] = bytes(8)
    found_counter: Annotated[int, u64("switch", "whole counter behind `counter`")] = 0
    found_medium_id: Annotated[int, u64("switch", "key of the medium record; 0: none")] = 0
    next: Annotated[int, u32("switch", "chip: next chain value; stripe: next counter")] = 0
    outcome: Annotated[int, u8("switch", "EvidenceOutcome")] = 0
    found_key_version: Annotated[int, u8("switch", "whole key version behind `key_version`")] = 0
    command: Annotated[int, u16("switch", "chip: 0x0100 + key version to go over to; 0: none")] = 0
    answer: Annotated[bytes, octets(8, "switch", "chip: MAC of the answer; stripe: digits that prove `next`")] = bytes(
        8
    )


EVIDENCE_BYTES = Evidence.width_bytes()
FOUND_BYTES = 32
"""End of an evidence that the switch fills in."""


class IssuerAnswer(Packed, kw_only=True):
    """What goes back to the medium; ends the reply to a request whose evidence was accepted (chip, stripe)."""

    medium: Annotated[int, u8("switch", "MediumKind")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    command: Annotated[int, u16("switch", "chip: as in the evidence")] = 0
    next: Annotated[int, u32("switch", "chip: new chain value; stripe: new counter")] = 0
    mac: Annotated[bytes, octets(8, "switch", "chip: MAC over it; stripe: the five digits as a number")] = bytes(8)


class ConfirmWriteRequest(Packed, kw_only=True):
    """The stripe was rewritten and read back: its old counter is a copy's from now on."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
    counter: Annotated[int, u32("terminal", "`next` of the issuer answer that was written")]
    reserved: Annotated[int, u32("terminal", "zero")] = 0


class PutMediumRequest(Packed, kw_only=True):
    """Enrol a medium of a card, change what the switch expects of it, or revoke it."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card that it belongs to")]
    medium_id: Annotated[int, u64("operator", "chip, tag: UID as a number; code: token; stripe: the card number")]
    medium: Annotated[int, u8("operator", "MediumKind, not NUMBER")]
    state: Annotated[int, u8("operator", "MediumState")] = MediumState.ACTIVE
    key_version: Annotated[int, u8("operator", "key version that it uses now")] = 1
    key_version_held: Annotated[int, u8("operator", "chip: highest version whose key it holds; else key_version")] = 1
    flags: Annotated[int, u8("operator", "MediumFlag bits")] = 0
    storage_version: Annotated[int, u8("switch", "zero on the wire; storage key that wraps the key")] = 0
    reserved: Annotated[bytes, octets(2, "operator", "zero")] = bytes(2)
    operator_id: Annotated[int, u32("operator", "who does it")] = 0
    counter: Annotated[int, u32("operator", "chip, stripe, tag: counter that it has now; code: 0")] = 0
    chain: Annotated[int, u32("operator", "chip: chain value that it holds now; else 0")] = 0
    reserved_u32: Annotated[int, u32("operator", "zero")] = 0
    key: Annotated[bytes, octets(24, "operator", "STORED_KEY: the 16-byte key, zero-padded; else zero (see text)")] = (
        bytes(24)
    )


class PutMediumPolicyRequest(Packed, kw_only=True):
    """What the media of a card type may do. Without a policy nothing is asked, and what is sent is checked."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    code: Annotated[int, u16("operator", "code of a card type that exists")]
    flags: Annotated[int, u8("operator", "PolicyFlag bits")] = 0
    media: Annotated[int, u8("operator", "bit n: MediumKind n may pay")] = 31
    operator_id: Annotated[int, u32("operator", "who does it")] = 0
    approver_id: Annotated[int, u32("operator", "second person")] = 0
    travel_minutes: Annotated[int, u32("operator", "least minutes between two stores without an entry; 0: any")] = 0
    velocity_10_minutes_max: Annotated[int, u16("operator", "payments in 10 minutes without PIN; 0: any")] = 0
    velocity_60_minutes_max: Annotated[int, u16("operator", "payments in 60 minutes without PIN; 0: any")] = 0
    number_minor_max: Annotated[int, u32("operator", "largest amount, number alone; 2^32-1: no limit")] = NO_COUNT_LIMIT
    chip_minor_max: Annotated[int, u32("operator", "chip with contact; 2^32-1: no limit")] = NO_COUNT_LIMIT
    contactless_minor_max: Annotated[int, u32("operator", "chip without contact; 2^32-1: no limit")] = NO_COUNT_LIMIT
    code_minor_max: Annotated[int, u32("operator", "dynamic code; 2^32-1: no limit")] = NO_COUNT_LIMIT
    stripe_minor_max: Annotated[int, u32("operator", "stripe; 2^32-1: no limit")] = NO_COUNT_LIMIT
    tag_minor_max: Annotated[int, u32("operator", "tag; 2^32-1: no limit")] = NO_COUNT_LIMIT
    fallback_minor_max: Annotated[int, u32("operator", "stripe of a card with a chip that failed; 0: never")] = 0
    number_pin_minor: Annotated[int, u32("operator", "above it a PIN is asked for; 2^32-1: never")] = NO_COUNT_LIMIT
    chip_pin_minor: Annotated[int, u32("operator", "chip with contact: likewise")] = NO_COUNT_LIMIT
    contactless_pin_minor: Annotated[int, u32("operator", "chip without contact: likewise")] = NO_COUNT_LIMIT
    code_pin_minor: Annotated[int, u32("operator", "dynamic code: likewise")] = NO_COUNT_LIMIT
    stripe_pin_minor: Annotated[int, u32("operator", "stripe: likewise")] = NO_COUNT_LIMIT
    tag_pin_minor: Annotated[int, u32("operator", "tag: likewise")] = NO_COUNT_LIMIT
    reserved: Annotated[int, u32("operator", "zero")] = 0


class PutKeyRequest(Packed, kw_only=True):
    """Tell the switch of a key version, or move it on in its life; the key itself never travels."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    purpose: Annotated[int, u8("operator", "KeyPurpose")]
    key_version: Annotated[int, u8("operator", "1 to 255")]
    state: Annotated[int, u8("operator", "KeyState to go to")] = KeyState.NEW
    reserved: Annotated[bytes, octets(5, "operator", "zero")] = bytes(5)
    check_value: Annotated[bytes, octets(8, "operator", "first 5 bytes of the AES-CMAC of a zero block, zero-padded")]
    operator_id: Annotated[int, u32("operator", "who does it")] = 0
    approver_id: Annotated[int, u32("operator", "second person, another than the first")] = 0


class PutTravelRequest(Packed, kw_only=True):
    """Least minutes from one store to another."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    store_id: Annotated[int, u32("operator", "one store")]
    other_store_id: Annotated[int, u32("operator", "another store; the way back takes as long")]
    minutes: Annotated[int, u16("operator", "least minutes; 0: not checked between these two")]
    reserved: Annotated[bytes, octets(2, "operator", "zero")] = bytes(2)
    operator_id: Annotated[int, u32("operator", "who does it")] = 0


class HandleAlarmRequest(Packed, kw_only=True):
    """Move an alarm on in its life."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    alarm: Annotated[int, u64("operator", "journal sequence of the entry that raised it")]
    state: Annotated[int, u8("operator", "AlarmState to go to")] = AlarmState.ACKNOWLEDGED
    reserved: Annotated[bytes, octets(3, "operator", "zero")] = bytes(3)
    operator_id: Annotated[int, u32("operator", "who does it; somebody must be named")] = 0


class RewrapKeyRequest(Packed, kw_only=True):
    """Wrap the keys of one record, or a card's sealed PIN, under the active key; what it holds stays the same."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    kind: Annotated[int, u8("operator", "RecordKind: TERMINAL or CARD_KEY; CARD: its PIN")]
    storage_version: Annotated[int, u8("operator", "version to wrap with: the active storage key; CARD: PIN key")]
    reserved: Annotated[bytes, octets(6, "operator", "zero")] = bytes(6)
    key_a: Annotated[int, u64("operator", "terminal, card number, or first key of the record")]
    key_b: Annotated[int, u64("operator", "second key of the record; else 0")] = 0
    key_c: Annotated[int, u64("operator", "third key of the record; else 0")] = 0
    wrapped: Annotated[bytes, octets(80, "switch", "zero on the wire; the switch fills in the new wrappings")] = bytes(
        80
    )


class ChangeKeyRequest(Packed, kw_only=True):
    """A terminal gives itself a new key, then, signed on with it, ends the old one. Needs no right."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    confirm: Annotated[int, u8("terminal", "0: the key follows; 1: end the old key, `key` is zero")] = 0
    storage_version: Annotated[int, u8("switch", "zero on the wire; storage key that wraps the key")] = 0
    reserved: Annotated[bytes, octets(6, "terminal", "zero")] = bytes(6)
    key: Annotated[bytes, octets(40, "terminal", "the new 32-byte key, zero-padded; in the journal its wrapping")]
