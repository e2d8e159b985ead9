"""Layouts of what is kept, records and journal: the index of the modules that declare them.

`record_kinds.py` says how records are told apart, `value_records.py` and
`configuration_records.py` declare them, `entries.py` declares entries and
blocks of the journal.
"""

from __future__ import annotations

from .configuration_records import (
    CardTypeRecord,
    GiftRecord,
    OrganisationRecord,
    PointsCategoryRecord,
    PriceRecord,
    RuleRecord,
    RulesetRecord,
    StoreRecord,
    SwitchRecord,
    TerminalRecord,
    TypeStateRecord,
)
from .entries import (
    BLOCK_MAGIC,
    BLOCK_VERSION,
    CHECKED_HEADER_BYTES,
    ENTRY_ALIGN_BYTES,
    ENTRY_VERSION,
    HASHED_HEADER_BYTES,
    BlockHeader,
    EntryHeader,
)
from .layout import Packed
from .record_kinds import (
    FIRST_WIDE_KEY_KIND,
    GONE,
    RECORD_BYTES_MAX,
    MarkKind,
    RecordKind,
)
from .security_records import (
    AlarmRecord,
    CardKeyRecord,
    KeyRecord,
    MediumPolicyRecord,
    MediumRecord,
    TravelRecord,
)
from .value_records import (
    AccountRecord,
    CardLimitRecord,
    CardRecord,
    DayCloseRecord,
    HoldRecord,
    MarkRecord,
    PendingPointsRecord,
    PurseRecord,
)

__all__ = [
    "BLOCK_MAGIC",
    "BLOCK_VERSION",
    "CHECKED_HEADER_BYTES",
    "ENTRY_ALIGN_BYTES",
    "ENTRY_VERSION",
    "FIRST_WIDE_KEY_KIND",
    "GONE",
    "HASHED_HEADER_BYTES",
    "RECORDS",
    "RECORD_BYTES_MAX",
    "AccountRecord",
    "AlarmRecord",
    "BlockHeader",
    "CardKeyRecord",
    "CardLimitRecord",
    "CardRecord",
    "CardTypeRecord",
    "DayCloseRecord",
    "EntryHeader",
    "GiftRecord",
    "HoldRecord",
    "KeyRecord",
    "MarkKind",
    "MarkRecord",
    "MediumPolicyRecord",
    "MediumRecord",
    "OrganisationRecord",
    "PendingPointsRecord",
    "PointsCategoryRecord",
    "PriceRecord",
    "PurseRecord",
    "RecordKind",
    "RuleRecord",
    "RulesetRecord",
    "StoreRecord",
    "SwitchRecord",
    "TerminalRecord",
    "TravelRecord",
    "TypeStateRecord",
    "images_of",
    "record_bytes",
    "record_key",
]

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
    RecordKind.MEDIUM_POLICY: MediumPolicyRecord,
    RecordKind.MEDIUM: MediumRecord,
    RecordKind.KEY: KeyRecord,
    RecordKind.TRAVEL: TravelRecord,
    RecordKind.ALARM: AlarmRecord,
    RecordKind.CARD_KEY: CardKeyRecord,
}


RECORD_WIDTHS_BYTES: dict[int, int] = {kind.value: record.width_bytes() for kind, record in RECORDS.items()}


def record_bytes(kind: int) -> int:
    """Length of a record of a kind; `ValueError` for a kind that does not exist."""
    width_bytes = RECORD_WIDTHS_BYTES.get(kind)
    if width_bytes is None:
        raise ValueError(f"kind of record: expected one of {min(RECORDS)} to {max(RECORDS)}, got {kind}")
    return width_bytes


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
