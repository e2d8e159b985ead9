"""Layouts of what is kept: ledger records, journal entries, journal blocks.

An entry says what was asked (the request's body as it came), what was decided
(the reply's body as it leaves) and what every touched record looks like
afterwards (its images).  So a reader needs no rules: the last image of a
record is the record.  A block is one group commit: a header with the hash of
the block before, and the entries that share one sync.

Every record begins with its kind and version and ends with `last_sequence`.
Its key is the u64 at offset 8, or for the kinds of `WIDE_KEY_KINDS` the three
u64 at offset 8.  A record whose third byte is `GONE` has ended: it is removed.
"""

from __future__ import annotations

import enum
from typing import Annotated

from .layout import Packed, i64, octets, u8, u16, u32, u64
from .messages import NO_COUNT_LIMIT, NO_LIMIT

ENTRY_ALIGN_BYTES = 8
BLOCK_MAGIC = int.from_bytes(b"CSWB", "little")
BLOCK_VERSION = 1
ENTRY_VERSION = 2
GONE = 255
"""Third byte (`state`) of the last image of a record with a wide key that has ended."""
RECORD_BYTES_MAX = 256
"""Longest record: a card type."""


class RecordKind(enum.IntEnum):
    """First byte of a record; also the LMDB database that holds it."""

    ACCOUNT = 1
    CARD = 2
    CARD_TYPE = 3
    STORE = 4
    TERMINAL = 5
    SWITCH = 6
    ORGANISATION = 7
    TYPE_STATE = 8
    POINTS_CATEGORY = 9
    GIFT = 10
    RULESET = 11
    # Kinds with a wide key
    CARD_LIMIT = 16
    PURSE = 17
    HOLD = 18
    PENDING_POINTS = 19
    MARK = 20
    RULE = 21
    PRICE = 22
    DAY_CLOSE = 23


FIRST_WIDE_KEY_KIND = 16
"""Kinds from this number on have a key of three u64."""


class MarkKind(enum.IntEnum):
    """What a mark remembers: the upper byte of its third key."""

    REFERENCE = 1
    """An external reference was credited. Keys: the reference's two halves; channel below the kind."""
    RECEIPT = 2
    """A receipt earned its points. Keys: store, receipt number; date of sale below the kind."""
    REFUND = 3
    """What was refunded of an original. Keys: its sequence, the line (2^32-1: the whole bill)."""
    ALLOWED = 4
    """Something that a card type's list allows. Keys: code << 8 | list, the number allowed."""
    GIFT = 5
    """How often an account took a gift. Keys: account, gift."""


# --------------------------------------------------------------------------- value


class AccountRecord(Packed, kw_only=True):
    """Value of one or several cards, named by the number of its first card."""

    kind: Annotated[int, u8("switch", "1")] = RecordKind.ACCOUNT
    version: Annotated[int, u8("switch", "2")] = 2
    level: Annotated[int, u8("switch", "level of the holder; 0: the card type's")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    business_date: Annotated[
        int, u32("switch", "date that the day counters below belong to, days since 1970-01-01")
    ] = 0
    account_number: Annotated[int, u64("switch", "key: number of the account's first card")]
    balance_minor: Annotated[int, i64("switch", "stored value (book), held amounts included, minor units")] = 0
    held_minor: Annotated[int, i64("switch", "sum of open holds; balance minus held is available")] = 0
    points_hundredths: Annotated[int, i64("switch", "points of category 0, hundredths; may be below 0")] = 0
    day_debit_minor: Annotated[int, i64("switch", "sum of approved debits and holds of the business date")] = 0
    day_points_hundredths: Annotated[int, i64("switch", "points earned on the business date, all categories")] = 0
    day_recharge_minor: Annotated[int, i64("switch", "sum of recharges of the business date")] = 0
    day_debit_count: Annotated[int, u32("switch", "number of approved debits and holds of the business date")] = 0
    day_recharge_count: Annotated[int, u16("switch", "number of recharges of the business date")] = 0
    day_auto_count: Annotated[int, u16("switch", "number of automatic recharges of the business date")] = 0
    auto_month: Annotated[
        int, u32("switch", "last month (year · 12 + month - 1) that a monthly recharge was given for; 0: none yet")
    ] = 0
    hold_slots: Annotated[int, u32("switch", "bit n: hold n of the account is open")] = 0
    pending_categories: Annotated[int, u64("switch", "bit n: points of category n wait for their booking date")] = 0
    pending_from_date: Annotated[int, u32("switch", "earliest such date; 0: none")] = 0
    pending_count: Annotated[int, u32("switch", "pending records of the account, at most 64")] = 0
    segments: Annotated[int, u64("switch", "bits that rules may ask for: groups and campaigns the holder is in")] = 0
    member: Annotated[int, u64("switch", "number of the member who holds the account; 0: anonymous")] = 0
    reserved_u64: Annotated[int, u64("switch", "zero")] = 0
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class CardRecord(Packed, kw_only=True):
    """One plastic or token."""

    kind: Annotated[int, u8("switch", "2")] = RecordKind.CARD
    version: Annotated[int, u8("switch", "2")] = 2
    card_type: Annotated[int, u16("switch", "code of the card type")]
    status: Annotated[int, u8("switch", "CardStatus")]
    kept_status: Annotated[int, u8("switch", "status to go back to from LOST or BAD; else 0")] = 0
    flags: Annotated[int, u16("switch", "CardFlag bits")] = 0
    card_number: Annotated[int, u64("switch", "key: card number")]
    account_number: Annotated[int, u64("switch", "account that the card spends from; 0 before it is issued")] = 0
    successor_number: Annotated[int, u64("switch", "of a REPLACED or CORRECTED card: the card that goes on")] = 0
    opened_date: Annotated[int, u32("switch", "business date of making, days since 1970-01-01")] = 0
    issued_date: Annotated[int, u32("switch", "business date of issue; 0: not issued")] = 0
    activated_date: Annotated[int, u32("switch", "business date of activation; 0: not active yet")] = 0
    expiry_date: Annotated[int, u32("switch", "last business date on which the card may be used; 0: never ends")] = 0
    issue_serial: Annotated[int, u16("switch", "raised by replacement and correction")] = 0
    pin_tries: Annotated[int, u8("switch", "wrong PINs in a row")] = 0
    relation: Annotated[int, u8("switch", "Relation of this card to its account; 0: the type's")] = 0
    issuing_organisation_id: Annotated[int, u32("switch", "organisation that issued the card")] = 0
    pin_hash: Annotated[bytes, octets(16, "switch", "keyed hash of the PIN; zero: none set")] = bytes(16)
    frozen_by: Annotated[int, u32("switch", "operator who froze the card; somebody else must unfreeze it")] = 0
    custody_store_id: Annotated[int, u32("switch", "store that holds a drawn card; 0: headquarters")] = 0
    document: Annotated[int, u64("switch", "document of the last operation")] = 0
    reserved_more: Annotated[bytes, octets(32, "switch", "zero (room: key version, counters, chain)")] = bytes(32)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class CardLimitRecord(Packed, kw_only=True):
    """Limits of one card that are tighter than its type's, and what the card has used of them."""

    kind: Annotated[int, u8("switch", "16")] = RecordKind.CARD_LIMIT
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0, or 255 when gone")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    business_date: Annotated[int, u32("switch", "date of the counters below")] = 0
    card_number: Annotated[int, u64("switch", "key: card number")]
    key_b: Annotated[int, u64("switch", "key: 0")] = 0
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    single_minor_max: Annotated[int, i64("switch", "largest amount of one debit")] = NO_LIMIT
    daily_minor_max: Annotated[int, i64("switch", "sum of the card's debits per business date")] = NO_LIMIT
    recharge_day_minor_max: Annotated[int, i64("switch", "sum of the card's recharges per business date")] = NO_LIMIT
    ceiling_minor: Annotated[int, i64("switch", "highest balance that a recharge by this card may lead to")] = NO_LIMIT
    daily_count_max: Annotated[int, u32("switch", "debits of the card per business date")] = NO_COUNT_LIMIT
    recharge_count_max: Annotated[int, u32("switch", "recharges of the card per business date")] = NO_COUNT_LIMIT
    day_debit_minor: Annotated[int, i64("switch", "sum of the card's approved debits and holds of the date")] = 0
    day_recharge_minor: Annotated[int, i64("switch", "sum of the card's recharges of the date")] = 0
    day_debit_count: Annotated[int, u32("switch", "number of the card's approved debits and holds of the date")] = 0
    day_recharge_count: Annotated[int, u32("switch", "number of the card's recharges of the date")] = 0
    reserved_more: Annotated[bytes, octets(24, "switch", "zero")] = bytes(24)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class PurseRecord(Packed, kw_only=True):
    """Points of a category above 0, or counted visits of a service, of one account."""

    kind: Annotated[int, u8("switch", "17")] = RecordKind.PURSE
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0, or 255 when gone")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    expiry_date: Annotated[int, u32("switch", "visits: last business date of use; 0: never ends")] = 0
    account_number: Annotated[int, u64("switch", "key: account")]
    purse: Annotated[int, u64("switch", "key: 1 << 32 | points category, or 2 << 32 | visit service")]
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    amount: Annotated[int, i64("switch", "points in hundredths, or number of visits")] = 0
    reserved_more: Annotated[bytes, octets(16, "switch", "zero")] = bytes(16)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class HoldRecord(Packed, kw_only=True):
    """An amount reserved on an account until it is captured, released or expires."""

    kind: Annotated[int, u8("switch", "18")] = RecordKind.HOLD
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0 open, 255 gone")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    business_date: Annotated[int, u32("switch", "business date of the hold")] = 0
    account_number: Annotated[int, u64("switch", "key: account")]
    slot: Annotated[int, u64("switch", "key: number of the hold in its account, 0 to 15")]
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    hold_sequence: Annotated[int, u64("switch", "journal sequence of the hold: its name")]
    card_number: Annotated[int, u64("switch", "card that the hold was asked for")]
    amount_minor: Annotated[int, i64("switch", "what is still held")]
    captured_minor: Annotated[int, i64("switch", "what was captured of it")] = 0
    expires_ms: Annotated[int, i64("switch", "from this moment on the rest is free")]
    terminal_id: Annotated[int, u32("switch", "terminal that asked for it")]
    reserved_u32: Annotated[int, u32("switch", "zero")] = 0
    reserved_more: Annotated[bytes, octets(40, "switch", "zero")] = bytes(40)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class PendingPointsRecord(Packed, kw_only=True):
    """Points of one account and category that are booked on a date to come."""

    kind: Annotated[int, u8("switch", "19")] = RecordKind.PENDING_POINTS
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0 waiting, 255 gone")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    reserved_u32: Annotated[int, u32("switch", "zero")] = 0
    account_number: Annotated[int, u64("switch", "key: account")]
    category: Annotated[int, u64("switch", "key: points category")]
    booking_date: Annotated[int, u64("switch", "key: business date on which they are booked")]
    amount_hundredths: Annotated[int, i64("switch", "points, hundredths; may be below 0")] = 0
    reserved_more: Annotated[bytes, octets(16, "switch", "zero")] = bytes(16)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class MarkRecord(Packed, kw_only=True):
    """That something happened, so that it happens once or not beyond a bound."""

    kind: Annotated[int, u8("switch", "20")] = RecordKind.MARK
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0, or 255 when gone")] = 0
    flags: Annotated[int, u8("switch", "refund: 1 when by lines")] = 0
    count: Annotated[int, u32("switch", "how often; refund: number of refunds; gift: pieces taken")] = 0
    key_a: Annotated[int, u64("switch", "key: see MarkKind")]
    key_b: Annotated[int, u64("switch", "key: see MarkKind")]
    key_c: Annotated[int, u64("switch", "key: MarkKind << 56 | what it says there")]
    amount_minor: Annotated[int, i64("switch", "refund: sum refunded; reference: amount credited")] = 0
    points_hundredths: Annotated[int, i64("switch", "refund: points taken back")] = 0
    subject: Annotated[int, u64("switch", "card number concerned")] = 0
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


# --------------------------------------------------------------------------- configuration


class CardTypeRecord(Packed, kw_only=True):
    """What the cards of one type may do, from one business date on."""

    kind: Annotated[int, u8("switch", "3")] = RecordKind.CARD_TYPE
    version: Annotated[int, u8("switch", "2")] = 2
    code: Annotated[int, u16("switch", "code of the type")]
    from_date: Annotated[int, u32("switch", "first business date of this version; 0: from the beginning")] = 0
    key: Annotated[int, u64("switch", "key: code << 32 | from_date")]
    flags: Annotated[int, u32("switch", "CardTypeFlag bits")] = 0
    medium: Annotated[int, u8("switch", "Medium")] = 0
    relation: Annotated[int, u8("switch", "Relation")] = 0
    level: Annotated[int, u8("switch", "level of its holders, 0 to 255, higher is better")] = 0
    auto_mode: Annotated[int, u8("switch", "AutoRecharge")] = 0
    functions: Annotated[int, u16("switch", "Function bits")] = 0
    validity_days: Annotated[int, u16("switch", "business dates of use from activation on; 0: no end")] = 0
    organisation_id: Annotated[int, u32("switch", "owner of the type")] = 0
    stores_organisation_id: Annotated[int, u32("switch", "node under which stores accept it; 0: everywhere")] = 0
    daily_count_max: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    recharge_count_max: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    discount_bp: Annotated[int, u16("switch", "as in the request")] = 0
    price_class: Annotated[int, u16("switch", "as in the request")] = 0
    points_percent: Annotated[int, u32("switch", "as in the request")] = 0
    points_per_unit: Annotated[int, u32("switch", "as in the request")] = 1
    single_minor_max: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    daily_minor_max: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    daily_points_max_hundredths: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    recharge_day_minor_max: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    ceiling_minor: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    face_minor_min: Annotated[int, i64("switch", "as in the request")] = 0
    face_minor_max: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    auto_below_minor: Annotated[int, i64("switch", "as in the request")] = 0
    auto_add_minor: Annotated[int, i64("switch", "as in the request")] = 0
    auto_from_date: Annotated[int, u32("switch", "as in the request")] = 0
    auto_until_date: Annotated[int, u32("switch", "as in the request")] = 0
    auto_count_max: Annotated[int, u16("switch", "as in the request")] = 0
    pin_tries_max: Annotated[int, u8("switch", "as in the request")] = 3
    number_digits: Annotated[int, u8("switch", "as in the request")] = 0
    hold_s_max: Annotated[int, u32("switch", "as in the request")] = 0
    number_prefix: Annotated[int, u32("switch", "as in the request")] = 0
    card_cost_minor: Annotated[int, u32("switch", "as in the request")] = 0
    fees_minor: Annotated[bytes, octets(48, "switch", "twelve u32: amount of each FeeKind")] = bytes(48)
    fees_from_balance: Annotated[int, u16("switch", "bit n: fee n may be taken from the balance")] = 0
    fees_waivable: Annotated[int, u16("switch", "bit n: fee n may be waived")] = 0
    reserved: Annotated[bytes, octets(12, "switch", "zero")] = bytes(12)
    name: Annotated[bytes, octets(32, "switch", "name, UTF-8, zero-padded")] = bytes(32)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class TypeStateRecord(Packed, kw_only=True):
    """State of a card type, all its versions together."""

    kind: Annotated[int, u8("switch", "8")] = RecordKind.TYPE_STATE
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "TypeState")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    author: Annotated[int, u32("switch", "operator who wrote the type; somebody else approves it")] = 0
    code: Annotated[int, u64("switch", "key: code of the type")]
    reserved_more: Annotated[bytes, octets(40, "switch", "zero")] = bytes(40)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class StoreRecord(Packed, kw_only=True):
    """A store."""

    kind: Annotated[int, u8("switch", "4")] = RecordKind.STORE
    version: Annotated[int, u8("switch", "2")] = 2
    round_off_minor: Annotated[int, u16("switch", "unit that cash is rounded down to; 0: exact")] = 0
    organisation_id: Annotated[int, u32("switch", "node of the organisation")] = 0
    store_id: Annotated[int, u64("switch", "key: number of the store")]
    reserved_more: Annotated[bytes, octets(40, "switch", "zero")] = bytes(40)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class TerminalRecord(Packed, kw_only=True):
    """A terminal or an operator's workplace."""

    kind: Annotated[int, u8("switch", "5")] = RecordKind.TERMINAL
    version: Annotated[int, u8("switch", "1")] = 1
    status: Annotated[int, u8("switch", "1 active, 2 blocked")]
    rights: Annotated[int, u8("switch", "bits: 1 pay, 2 credit, 4 configure, 8 follow")]
    store_id: Annotated[int, u32("switch", "the terminal's store; 0 for an operator")]
    terminal_id: Annotated[int, u64("switch", "key: number of the terminal")]
    wrapped_key: Annotated[bytes, octets(40, "switch", "RFC 3394 wrapping of the terminal's 32-byte key")]
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class SwitchRecord(Packed, kw_only=True):
    """What holds for the whole journal."""

    kind: Annotated[int, u8("switch", "6")] = RecordKind.SWITCH
    version: Annotated[int, u8("switch", "2")] = 2
    mode: Annotated[int, u8("switch", "0 production, 1 replay")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    cut_over_minutes: Annotated[int, u16("switch", "minutes after local midnight at which a business date begins")] = 0
    reserved_u16: Annotated[int, u16("switch", "zero")] = 0
    partition: Annotated[int, u64("switch", "key: partition of cards")]
    timezone: Annotated[bytes, octets(32, "switch", "IANA name, zero-padded")]
    business_date: Annotated[int, u32("switch", "business date begun by the last cut-over entry")] = 0
    reserved_u32: Annotated[int, u32("switch", "zero")] = 0
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class OrganisationRecord(Packed, kw_only=True):
    """A node of the organisation: headquarters, region, store or dealer."""

    kind: Annotated[int, u8("switch", "7")] = RecordKind.ORGANISATION
    version: Annotated[int, u8("switch", "1")] = 1
    node: Annotated[int, u8("switch", "OrganisationNode")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    parent_id: Annotated[int, u32("switch", "node above; 0: none")] = 0
    organisation_id: Annotated[int, u64("switch", "key: number of the node, above 0")]
    name: Annotated[bytes, octets(40, "switch", "name, UTF-8, zero-padded")] = bytes(40)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class PointsCategoryRecord(Packed, kw_only=True):
    """A currency of points."""

    kind: Annotated[int, u8("switch", "9")] = RecordKind.POINTS_CATEGORY
    version: Annotated[int, u8("switch", "1")] = 1
    flags: Annotated[int, u8("switch", "PointsCategoryFlag bits")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    tender_rate: Annotated[int, u32("switch", "hundredths of points that pay one minor unit; 0: cannot pay")] = 0
    category: Annotated[int, u64("switch", "key: number of the category, 0 to 63")]
    convert_rate: Annotated[int, u32("switch", "hundredths of points that become one minor unit; 0: cannot")] = 0
    tender_cap_bp: Annotated[int, u16("switch", "largest part of a bill that points may pay, basis points")] = 10_000
    reserved_u16: Annotated[int, u16("switch", "zero")] = 0
    convert_lot_minor: Annotated[int, i64("switch", "conversions give multiples of this many minor units")] = 1
    name: Annotated[bytes, octets(24, "switch", "name, UTF-8, zero-padded")] = bytes(24)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class GiftRecord(Packed, kw_only=True):
    """What points may be redeemed for."""

    kind: Annotated[int, u8("switch", "10")] = RecordKind.GIFT
    version: Annotated[int, u8("switch", "1")] = 1
    flags: Annotated[int, u8("switch", "1: deducts its price; else it only requires the points")] = 1
    level_min: Annotated[int, u8("switch", "lowest level that may take it")] = 0
    category: Annotated[int, u32("switch", "points category of the price")] = 0
    gift_id: Annotated[int, u64("switch", "key: number of the gift, above 0")]
    price_hundredths: Annotated[int, i64("switch", "points for one piece")]
    from_date: Annotated[int, u32("switch", "first business date")] = 0
    until_date: Annotated[int, u32("switch", "last business date; 0: no end")] = 0
    account_max: Annotated[int, u32("switch", "pieces that one account may take; 2^32-1: no limit")] = NO_COUNT_LIMIT
    stock: Annotated[int, u32("switch", "pieces left; 2^32-1: not counted")] = NO_COUNT_LIMIT
    name: Annotated[bytes, octets(32, "switch", "name, UTF-8, zero-padded")] = bytes(32)
    reserved_more: Annotated[bytes, octets(48, "switch", "zero")] = bytes(48)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class RulesetRecord(Packed, kw_only=True):
    """A numbered set of rules; one is in force on each business date."""

    kind: Annotated[int, u8("switch", "11")] = RecordKind.RULESET
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "1 draft, 2 active")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    from_date: Annotated[int, u32("switch", "first business date on which it is in force")] = 0
    ruleset: Annotated[int, u64("switch", "key: number of the set, above 0")]
    rule_count: Annotated[int, u32("switch", "rules in it")] = 0
    author: Annotated[int, u32("switch", "operator who activated it")] = 0
    reserved_more: Annotated[bytes, octets(32, "switch", "zero")] = bytes(32)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class RuleRecord(Packed, kw_only=True):
    """One rule of a set: which lines it is for, and what it does to them."""

    kind: Annotated[int, u8("switch", "21")] = RecordKind.RULE
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0, or 255 when gone")] = 0
    layer: Annotated[int, u8("switch", "RuleLayer")]
    rate: Annotated[int, u32("switch", "as in the request")] = 0
    ruleset: Annotated[int, u64("switch", "key: number of the set")]
    rule: Annotated[int, u64("switch", "key: number of the rule in its set")]
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    item: Annotated[int, u64("switch", "as in the request")] = 0
    card_type: Annotated[int, u16("switch", "as in the request")] = 0
    level: Annotated[int, u8("switch", "as in the request")] = 0
    weekdays: Annotated[int, u8("switch", "as in the request")] = 0
    department: Annotated[int, u16("switch", "as in the request")] = 0
    category: Annotated[int, u16("switch", "as in the request")] = 0
    brand: Annotated[int, u16("switch", "as in the request")] = 0
    settlements: Annotated[int, u16("switch", "as in the request")] = 0
    store_id: Annotated[int, u32("switch", "as in the request")] = 0
    terminal_id: Annotated[int, u32("switch", "as in the request")] = 0
    from_date: Annotated[int, u32("switch", "as in the request")] = 0
    until_date: Annotated[int, u32("switch", "as in the request")] = 0
    from_minute: Annotated[int, u16("switch", "as in the request")] = 0
    until_minute: Annotated[int, u16("switch", "as in the request")] = 0
    segments: Annotated[int, u64("switch", "as in the request")] = 0
    bill_minor_min: Annotated[int, i64("switch", "as in the request")] = 0
    unit_price_minor: Annotated[int, i64("switch", "as in the request")] = 0
    action: Annotated[int, u8("switch", "RuleAction")] = 0
    points_category: Annotated[int, u8("switch", "as in the request")] = 0
    booking_days: Annotated[int, u16("switch", "as in the request")] = 0
    priority: Annotated[int, u32("switch", "as in the request")] = 0
    reserved_more: Annotated[bytes, octets(16, "switch", "zero")] = bytes(16)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class PriceRecord(Packed, kw_only=True):
    """Unit price of an article in one price class, now and from a date on."""

    kind: Annotated[int, u8("switch", "22")] = RecordKind.PRICE
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0, or 255 when gone")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    next_from_date: Annotated[int, u32("switch", "business date from which the next price holds; 0: none")] = 0
    item: Annotated[int, u64("switch", "key: article number")]
    price_class: Annotated[int, u64("switch", "key: price class, 0 is retail")]
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    unit_price_minor: Annotated[int, i64("switch", "price of one unit (1,000 thousandths); -1: none yet")]
    next_unit_price_minor: Annotated[int, i64("switch", "price from next_from_date on")] = 0
    reserved_more: Annotated[int, u64("switch", "zero")] = 0
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class DayCloseRecord(Packed, kw_only=True):
    """How the close of one terminal's business date stands."""

    kind: Annotated[int, u8("switch", "23")] = RecordKind.DAY_CLOSE
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "1 totals differ, 2 closed")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    attempts: Annotated[int, u32("switch", "how often totals were sent")] = 0
    terminal_id: Annotated[int, u64("switch", "key: terminal")]
    closed_date: Annotated[int, u64("switch", "key: business date that is closed")]
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    message_count: Annotated[int, u64("switch", "keyed requests of the terminal on that date, as the switch has them")]
    approved_minor: Annotated[int, i64("switch", "sum of amounts of its approved answers, sign as in the reply")]
    reserved_more: Annotated[int, u64("switch", "zero")] = 0
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


RECORDS: dict[RecordKind, type[Packed]] = {
    RecordKind.ACCOUNT: AccountRecord,
    RecordKind.CARD: CardRecord,
    RecordKind.CARD_TYPE: CardTypeRecord,
    RecordKind.STORE: StoreRecord,
    RecordKind.TERMINAL: TerminalRecord,
    RecordKind.SWITCH: SwitchRecord,
    RecordKind.ORGANISATION: OrganisationRecord,
    RecordKind.TYPE_STATE: TypeStateRecord,
    RecordKind.POINTS_CATEGORY: PointsCategoryRecord,
    RecordKind.GIFT: GiftRecord,
    RecordKind.RULESET: RulesetRecord,
    RecordKind.CARD_LIMIT: CardLimitRecord,
    RecordKind.PURSE: PurseRecord,
    RecordKind.HOLD: HoldRecord,
    RecordKind.PENDING_POINTS: PendingPointsRecord,
    RecordKind.MARK: MarkRecord,
    RecordKind.RULE: RuleRecord,
    RecordKind.PRICE: PriceRecord,
    RecordKind.DAY_CLOSE: DayCloseRecord,
}


def record_bytes(kind: int) -> int:
    """Length of a record of a kind; `ValueError` for a kind that does not exist."""
    return RECORDS[RecordKind(kind)].width_bytes()


def record_key(record: bytes) -> tuple[int, ...]:
    """Key of a record: one number, or three."""
    words = 3 if record[0] >= FIRST_WIDE_KEY_KIND else 1
    return tuple(int.from_bytes(record[8 + 8 * n : 16 + 8 * n], "little") for n in range(words))


def images_of(image_bytes: bytes) -> list[bytes]:
    """The images behind an entry's reply, one by one."""
    images, at = [], 0
    while at < len(image_bytes):
        end = at + record_bytes(image_bytes[at])
        images.append(image_bytes[at:end])
        at = end
    return images


# --------------------------------------------------------------------------- journal


class EntryHeader(Packed, kw_only=True):
    """Start of an entry; request body and reply body (both zero-padded to 8) and the images follow it.

    Images stand in ascending order of kind, then of key.
    """

    entry_bytes: Annotated[int, u32("switch", "length of the whole entry, a multiple of 8")]
    crc32c: Annotated[int, u32("switch", "CRC-32C (Castagnoli) of the entry from offset 8 to its end")] = 0
    sequence: Annotated[int, u64("switch", "number of the entry, from 1, without gaps")]
    time_ms: Annotated[int, i64("switch", "clock of the decision, milliseconds since 1970-01-01 UTC")]
    terminal_id: Annotated[int, u32("switch", "who asked; 0 for init and for the switch itself")]
    business_date: Annotated[int, u32("switch", "business date of the decision, days since 1970-01-01")]
    request_type: Annotated[int, u8("switch", "type byte of the request")]
    version: Annotated[int, u8("switch", "2")] = ENTRY_VERSION
    image_count: Annotated[int, u16("switch", "number of images")] = 0
    request_bytes: Annotated[int, u16("switch", "length of the request's body, without padding")]
    reply_bytes: Annotated[int, u16("switch", "length of the reply's body, without padding")]
    issuing_organisation_id: Annotated[int, u32("switch", "organisation that issued the card concerned; 0: none")] = 0
    accepting_organisation_id: Annotated[int, u32("switch", "organisation of the terminal's store; 0: none")] = 0


class BlockHeader(Packed, kw_only=True):
    """Start of a block; `body_bytes` of entries follow."""

    magic: Annotated[int, u32("switch", "the letters CSWB")] = BLOCK_MAGIC
    version: Annotated[int, u16("switch", "1")] = BLOCK_VERSION
    header_bytes: Annotated[int, u16("switch", "128")] = 128
    partition: Annotated[int, u32("switch", "partition of the journal")]
    entry_count: Annotated[int, u32("switch", "number of entries")]
    block_number: Annotated[int, u64("switch", "number of the block, from 0, without gaps")]
    first_sequence: Annotated[int, u64("switch", "sequence of the first entry")]
    body_bytes: Annotated[int, u32("switch", "length of all entries")]
    reserved: Annotated[int, u32("switch", "zero")] = 0
    time_ms: Annotated[int, i64("switch", "clock of the last entry")]
    previous_hash: Annotated[bytes, octets(32, "switch", "hash of the block before; zero for block 0")]
    block_hash: Annotated[bytes, octets(32, "switch", "SHA-256 of this header's first 80 bytes followed by the body")]
    header_crc32c: Annotated[int, u32("switch", "CRC-32C of this header's first 112 bytes")] = 0
    reserved_more: Annotated[bytes, octets(12, "switch", "zero")] = bytes(12)


HASHED_HEADER_BYTES = 80
"""Part of the block header that `block_hash` covers: everything before `block_hash` itself."""
CHECKED_HEADER_BYTES = 112
"""Part of the block header that `header_crc32c` covers: everything before it. Starts rely on it, audits on the hash."""
