"""Tables that mirror the switch's records: one table per kind, one column per field, one row per record.

They are made from the layouts of `switch.protocol`, so that a field that is
added there appears here (with a migration, which a test asks for).  Keys in
any form, and what only the switch itself needs, are left out.  Nothing but
the follower writes here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, literal_column, text

from admin.database import BigInt, UnsignedBig
from switch.protocol.card_terms import CardFlag, CardStatus
from switch.protocol.layout import Packed, PlacedField, layout_of
from switch.protocol.records import (
    FIRST_WIDE_KEY_KIND,
    AccountRecord,
    AlarmRecord,
    CardLimitRecord,
    CardRecord,
    CardTypeRecord,
    DayCloseRecord,
    GiftRecord,
    HoldRecord,
    KeyRecord,
    MarkKind,
    MarkRecord,
    MediumPolicyRecord,
    MediumRecord,
    OrganisationRecord,
    PendingPointsRecord,
    PointsCategoryRecord,
    PriceRecord,
    PurseRecord,
    RecordKind,
    RuleRecord,
    RulesetRecord,
    StoreRecord,
    SwitchRecord,
    TerminalRecord,
    TravelRecord,
    TypeStateRecord,
)

from .base import metadata

SECRET_FIELDS = frozenset({"pin_hash", "wrapped_key", "wrapped_next"})
"""Keys and what could be tried against: never leaves the switch's own files."""
UNUSED_FIELDS = frozenset({"kind", "version", "chain", "chain_previous", "window", "pending_counter"})
"""Same in every row, or of use to the switch alone (what the next proof of a medium must look like)."""
TEXT_FIELDS = frozenset({"name", "timezone"})
KEY_FIELDS_WIDE = 3
KEY_OFFSET = 8


def _is_kept(field: PlacedField) -> bool:
    return not (field.name in SECRET_FIELDS | UNUSED_FIELDS or field.name.startswith("reserved"))


@dataclass(frozen=True)
class Mirror:
    """One kind of record and its table."""

    kind: RecordKind
    record: type[Packed]
    table: Table

    @cached_property
    def row(self) -> struct.Struct:
        """Reads a record straight into a row: u64 as i64, what is left out as padding."""
        formats = []
        for field in layout_of(self.record).fields:
            kept, width_bytes = _is_kept(field), field.wire.width_bytes
            formats.append(field.wire.format.replace("Q", "q") if kept else f"{width_bytes}x")
        return struct.Struct("<" + "".join(formats))

    @cached_property
    def text_columns(self) -> tuple[int, ...]:
        """Places in a row of zero-padded UTF-8."""
        return tuple(n for n, column in enumerate(self.table.columns) if column.name in TEXT_FIELDS)

    def row_of(self, image: bytes | memoryview, offset: int = 0) -> tuple[Any, ...]:
        """Row of a record."""
        row = self.row.unpack_from(image, offset)
        if not self.text_columns:
            return row
        values = list(row)
        for n in self.text_columns:
            values[n] = values[n].rstrip(b"\0").decode("utf-8", "replace")
        return tuple(values)

    @cached_property
    def key_columns(self) -> tuple[str, ...]:
        """Names of the columns that are the record's key."""
        return tuple(column.name for column in self.table.primary_key.columns)


def _column(field: PlacedField, is_key: bool) -> Column[Any]:
    format_ = field.wire.format
    if field.name in TEXT_FIELDS:
        return Column(field.name, String(field.wire.width_bytes), nullable=False)
    if format_.endswith("s"):
        return Column(field.name, LargeBinary(field.wire.width_bytes), nullable=False)
    if format_ == "Q":
        return Column(field.name, UnsignedBig, primary_key=is_key, nullable=False, autoincrement=False)
    return Column(field.name, Integer if format_ in ("B", "H") else BigInt, nullable=False)


def _mirror(name: str, kind: RecordKind, record: type[Packed]) -> Mirror:
    key_words = KEY_FIELDS_WIDE if kind >= FIRST_WIDE_KEY_KIND else 1
    key_offsets = {KEY_OFFSET + 8 * n for n in range(key_words)}
    columns = [
        _column(field, field.offset in key_offsets and field.wire.format == "Q")
        for field in layout_of(record).fields
        if _is_kept(field)
    ]
    return Mirror(kind, record, Table(name, metadata, *columns, sqlite_with_rowid=key_words == 1))


MIRRORS: dict[int, Mirror] = {
    kind: _mirror(name, kind, record)
    for name, kind, record in (
        ("accounts", RecordKind.ACCOUNT, AccountRecord),
        ("cards", RecordKind.CARD, CardRecord),
        ("card_types", RecordKind.CARD_TYPE, CardTypeRecord),
        ("stores", RecordKind.STORE, StoreRecord),
        ("terminals", RecordKind.TERMINAL, TerminalRecord),
        ("switches", RecordKind.SWITCH, SwitchRecord),
        ("organisations", RecordKind.ORGANISATION, OrganisationRecord),
        ("type_states", RecordKind.TYPE_STATE, TypeStateRecord),
        ("points_categories", RecordKind.POINTS_CATEGORY, PointsCategoryRecord),
        ("gifts", RecordKind.GIFT, GiftRecord),
        ("rulesets", RecordKind.RULESET, RulesetRecord),
        ("medium_policies", RecordKind.MEDIUM_POLICY, MediumPolicyRecord),
        ("card_limits", RecordKind.CARD_LIMIT, CardLimitRecord),
        ("purses", RecordKind.PURSE, PurseRecord),
        ("holds", RecordKind.HOLD, HoldRecord),
        ("pending_points", RecordKind.PENDING_POINTS, PendingPointsRecord),
        ("rules", RecordKind.RULE, RuleRecord),
        ("marks", RecordKind.MARK, MarkRecord),
        ("prices", RecordKind.PRICE, PriceRecord),
        ("day_closes", RecordKind.DAY_CLOSE, DayCloseRecord),
        ("media", RecordKind.MEDIUM, MediumRecord),
        ("issuer_keys", RecordKind.KEY, KeyRecord),
        ("travel_times", RecordKind.TRAVEL, TravelRecord),
        ("alarms", RecordKind.ALARM, AlarmRecord),
    )
}
"""By kind.  Wrapped card keys are the switch's own business, and so are marks, but for the lists of card types."""
MARKS_KEPT = frozenset({MarkKind.ALLOWED})
"""What happened once is of use to the switch alone, and there is one for each receipt and credit."""

accounts = MIRRORS[RecordKind.ACCOUNT].table
alarms = MIRRORS[RecordKind.ALARM].table
card_limits = MIRRORS[RecordKind.CARD_LIMIT].table
card_types = MIRRORS[RecordKind.CARD_TYPE].table
cards = MIRRORS[RecordKind.CARD].table
day_closes = MIRRORS[RecordKind.DAY_CLOSE].table
gifts = MIRRORS[RecordKind.GIFT].table
holds = MIRRORS[RecordKind.HOLD].table
issuer_keys = MIRRORS[RecordKind.KEY].table
marks = MIRRORS[RecordKind.MARK].table
media = MIRRORS[RecordKind.MEDIUM].table
medium_policies = MIRRORS[RecordKind.MEDIUM_POLICY].table
organisations = MIRRORS[RecordKind.ORGANISATION].table
pending_points = MIRRORS[RecordKind.PENDING_POINTS].table
points_categories = MIRRORS[RecordKind.POINTS_CATEGORY].table
prices = MIRRORS[RecordKind.PRICE].table
purses = MIRRORS[RecordKind.PURSE].table
rules = MIRRORS[RecordKind.RULE].table
rulesets = MIRRORS[RecordKind.RULESET].table
stores = MIRRORS[RecordKind.STORE].table
switches = MIRRORS[RecordKind.SWITCH].table
terminals = MIRRORS[RecordKind.TERMINAL].table
travel_times = MIRRORS[RecordKind.TRAVEL].table
type_states = MIRRORS[RecordKind.TYPE_STATE].table

Index("ix_cards_stock", cards.c.card_type, cards.c.status, cards.c.custody_store_id, cards.c.issuing_organisation_id)
Index("ix_cards_account", cards.c.account_number)
Index("ix_cards_organisation", cards.c.issuing_organisation_id, cards.c.card_number)
Index("ix_media_card", media.c.card_number)
Index("ix_alarms_state", alarms.c.state, alarms.c.sequence)
Index("ix_alarms_change", alarms.c.last_sequence)
BLACKLISTED = text(f"(flags & {int(CardFlag.BLACKLISTED)}) != 0")
"""Cards on the blacklist; written out, for only so do databases see that the index below fits."""
Index("ix_cards_blacklisted", cards.c.card_number, sqlite_where=BLACKLISTED, postgresql_where=BLACKLISTED)
Index("ix_day_closes_date", day_closes.c.closed_date)
Index("ix_accounts_member", accounts.c.member)
NOT_ACTIVE = cards.c.status != literal_column(str(int(CardStatus.ACTIVE)))
IN_CUSTODY = cards.c.custody_store_id != literal_column("0")
"""Most cards are active, and with their holders: the others have indices of their own, in the order of numbers."""
Index("ix_cards_status", cards.c.status, cards.c.card_number, sqlite_where=NOT_ACTIVE, postgresql_where=NOT_ACTIVE)
Index(
    "ix_cards_custody",
    cards.c.custody_store_id,
    cards.c.card_number,
    sqlite_where=IN_CUSTODY,
    postgresql_where=IN_CUSTODY,
)
OWING = accounts.c.balance_minor < literal_column("0")
"""Accounts below zero, which are few; written out for the index, like those on the blacklist."""
Index("ix_accounts_owing", accounts.c.account_number, sqlite_where=OWING, postgresql_where=OWING)
