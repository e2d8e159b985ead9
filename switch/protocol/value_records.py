"""Records of value: accounts, cards, purses, holds, points that wait, marks, the state of day closes."""

from __future__ import annotations

from typing import Annotated

from .layout import Packed, i64, octets, u8, u16, u32, u64
from .record_kinds import RecordKind
from .terms import NO_COUNT_LIMIT, NO_LIMIT


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
    pin_hash: Annotated[bytes, octets(16, "switch", "hash of the PIN, sealed; zero: none set")] = bytes(16)
    frozen_by: Annotated[int, u32("switch", "operator who froze the card; somebody else must unfreeze it")] = 0
    custody_store_id: Annotated[int, u32("switch", "store that holds a drawn card; 0: headquarters")] = 0
    document: Annotated[int, u64("switch", "document of the last operation")] = 0
    media: Annotated[int, u8("switch", "bit n: an active medium of MediumKind n is enrolled")] = 0
    pin_key_version: Annotated[int, u8("switch", "PIN key that seals the hash; 0: no PIN, or no such key")] = 0
    reserved_more: Annotated[bytes, octets(30, "switch", "zero")] = bytes(30)
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
    since_sequence: Annotated[
        int, u64("switch", "entry that gave the card limits of its own: they count what came after it")
    ] = 0
    reserved_more: Annotated[bytes, octets(16, "switch", "zero")] = bytes(16)
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
