"""Members: the record, how to reach and find them, what they are grouped by; the switch knows only their numbers."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, String, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base, metadata

NAME_LENGTH_MAX = 80
TEXT_LENGTH_MAX = 200
NOTE_LENGTH_MAX = 2_000
"""A screen of text; what is longer is a document, not a remark."""
TAG_LENGTH_MAX = 20
SEALED_BYTES_MAX = 400
"""Nonce, tag, and a value of at most 200 letters."""
KEY_BYTES_MAX = 26
"""Kind and 25 bytes: eight Chinese characters tell people apart well enough to list them."""


class MemberState(enum.StrEnum):
    """Where a member is in its life with us."""

    PENDING = "pending"
    """Came by itself (web, batch) and was not verified yet."""
    ACTIVE = "active"
    CHURNED = "churned"
    MERGED = "merged"
    """Was the same person as another one, which goes on."""
    CLOSED = "closed"


class ContactKind(enum.StrEnum):
    """A way to reach a member."""

    MOBILE = "mobile"
    PHONE = "phone"
    EMAIL = "email"


class Member(Base):
    """A person or company that holds cards."""

    __tablename__ = "members"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    """Member number; the switch knows it too."""
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Store or dealer that owns the record; 0: the group."""
    state: Mapped[str] = mapped_column(String(10), default=MemberState.ACTIVE)
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    kind: Mapped[str] = mapped_column(String(10), default="person")
    """person or company."""
    code: Mapped[str | None] = mapped_column(String(40), unique=True)
    """Number in another system, such as the one before this."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    sex: Mapped[int] = mapped_column(default=0)
    """GB/T 2261.1: 1 male, 2 female, 0 unknown."""
    birth_date: Mapped[int] = mapped_column(default=0)
    """YYYYMMDD; 0: unknown."""
    birth_day: Mapped[int] = mapped_column(default=0)
    """MMDD of it, for the list of birthdays."""
    id_kind: Mapped[int] = mapped_column(default=0)
    """0 none, 1 resident identity card (GB 11643), 2 passport, 3 another."""
    id_sealed: Mapped[bytes | None] = mapped_column(LargeBinary(SEALED_BYTES_MAX))
    education: Mapped[int] = mapped_column(default=0)
    occupation: Mapped[int] = mapped_column(default=0)
    marital: Mapped[int] = mapped_column(default=0)
    """GB/T 2261.2: 1 single, 2 married, 3 widowed, 4 divorced."""
    anniversary_date: Mapped[int] = mapped_column(default=0)
    """YYYYMMDD of a wedding or another day to remember; 0: none."""
    anniversary_day: Mapped[int] = mapped_column(default=0)
    household_size: Mapped[int] = mapped_column(default=0)
    region: Mapped[int] = mapped_column(default=0)
    address: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    postcode: Mapped[str] = mapped_column(String(10), default="")
    industry: Mapped[int] = mapped_column(default=0)
    company: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    position: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX), default="")
    work_address: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    vehicle_plate: Mapped[str] = mapped_column(String(20), default="")
    vehicle_model: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX), default="")
    interests: Mapped[int] = mapped_column(BigInt, default=0)
    """Sum of 1 << code of the code table of interests."""
    needs: Mapped[str] = mapped_column(Text, default="")
    preferences: Mapped[str] = mapped_column(Text, default="")
    """Habits and what to mind when serving."""
    note: Mapped[str] = mapped_column(Text, default="")
    member_class: Mapped[int] = mapped_column(default=0)
    """Ordinary, important: a code table of its own; not the level."""
    detail_class: Mapped[int] = mapped_column(default=0)
    source: Mapped[int] = mapped_column(default=0)
    """Channel that captured the record, `SOURCES`."""
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    """Who looks after the member."""
    level_id: Mapped[int | None] = mapped_column(ForeignKey("member_levels.id"))
    level_held_until: Mapped[int] = mapped_column(default=0)
    """Business date until which the rules leave a level given by hand alone; 0: they do not."""
    primary_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """The member that this one is secondary to; two levels, no loops."""
    relation: Mapped[int] = mapped_column(default=0)
    """To the primary: a code table."""
    import_id: Mapped[int | None] = mapped_column(ForeignKey("member_imports.id"))
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(BigInt)
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
    """Grows with each change: who saves an older one is told."""

    __table_args__ = (
        Index("ix_members_organisation", "organisation_id", "id"),
        Index("ix_members_import", "import_id", "id"),
        Index("ix_members_state", "state", "id"),
        Index("ix_members_level", "level_id", "id"),
        Index("ix_members_class", "member_class", "id"),
        Index("ix_members_region", "region", "id"),
        Index("ix_members_industry", "industry", "id"),
        Index("ix_members_source", "source", "id"),
        Index("ix_members_birth_day", "birth_day", "id"),
        Index("ix_members_anniversary_day", "anniversary_day", "id"),
        Index("ix_members_primary_id", "primary_id"),
        Index("ix_members_merged_into_id", "merged_into_id"),
        Index("ix_members_created_at", "created_at", "id"),
    )


member_keys = Table(
    "member_keys",
    metadata,
    Column("key", LargeBinary(KEY_BYTES_MAX), primary_key=True),  # kind byte, then what is searched for
    Column("member_id", BigInt, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""What members are found by, as bytes: the order is the same on every database and in every language."""


class MemberContact(Base):
    """A telephone number or e-mail address, sealed."""

    __tablename__ = "member_contacts"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1 mobile, 2 telephone, 3 e-mail of the record itself; further ones from 4 on."""
    kind: Mapped[str] = mapped_column(String(10))
    value_sealed: Mapped[bytes] = mapped_column(LargeBinary(SEALED_BYTES_MAX))
    is_preferred: Mapped[bool] = mapped_column(default=False)
    note: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")


class MemberRelative(Base):
    """A person of the member's household who is no member."""

    __tablename__ = "member_relatives"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    relation: Mapped[int] = mapped_column(default=0)
    birth_date: Mapped[int] = mapped_column(default=0)
    birth_day: Mapped[int] = mapped_column(default=0, index=True)


class MemberCode(Base):
    """An entry of a code table: what may be chosen, with its names in both languages."""

    __tablename__ = "member_codes"

    table_name: Mapped[str] = mapped_column(String(20), primary_key=True)
    """One of `definitions.CODE_TABLES`."""
    code: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name_zh: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    name_en: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX), default="")
    is_offered: Mapped[bool] = mapped_column(default=True)
    """Whether it may be chosen anew; records that have it keep it."""


class MemberField(Base):
    """An optional field that this installation has defined."""

    __tablename__ = "member_fields"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    """text, number, date or choice."""
    choices: Mapped[str] = mapped_column(Text, default="")
    """Of a choice: one per line."""
    rank: Mapped[int] = mapped_column(default=0)
    is_offered: Mapped[bool] = mapped_column(default=True)


class MemberValue(Base):
    """What a member has in a field of the installation's own."""

    __tablename__ = "member_values"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    field_id: Mapped[int] = mapped_column(ForeignKey("member_fields.id"), primary_key=True)
    text: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    number: Mapped[int] = mapped_column(BigInt, default=0)
    """Hundredths of a number; YYYYMMDD of a date."""

    __table_args__ = (
        Index("ix_member_values_text", "field_id", "text"),
        Index("ix_member_values_number", "field_id", "number"),
    )


class MemberLevel(Base):
    """A level such as gold, and what it takes."""

    __tablename__ = "member_levels"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    rank: Mapped[int] = mapped_column(unique=True)
    """Higher is better."""
    switch_level: Mapped[int] = mapped_column(default=0)
    """Level of accounts in the switch's rules; 0: no account is changed."""
    period_days: Mapped[int] = mapped_column(default=365)
    spent_minor_min: Mapped[int] = mapped_column(BigInt, default=0)
    points_hundredths_min: Mapped[int] = mapped_column(BigInt, default=0)
    visits_min: Mapped[int] = mapped_column(default=0)
    """A bound of 0 is not asked for; a level with no bound at all is given by hand only."""
    needs_all: Mapped[bool] = mapped_column(default=True)
    """Whether all bounds must be reached, or one is enough."""
    moves_down: Mapped[bool] = mapped_column(default=False)
    """Whether the job takes the level away again when its bounds are missed."""


class MemberLevelChange(Base):
    """One change of a level, by rule or by hand."""

    __tablename__ = "member_level_changes"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    time: Mapped[datetime]
    old_level_id: Mapped[int | None] = mapped_column(BigInt)
    new_level_id: Mapped[int | None] = mapped_column(BigInt)
    is_automatic: Mapped[bool]
    user_id: Mapped[int] = mapped_column(BigInt)
    """0: the job."""
    reason: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX))
    held_until: Mapped[int] = mapped_column(default=0)

    __table_args__ = (Index("ix_member_level_changes_member", "member_id", "id"),)


class MemberGroup(Base):
    """Members with something in common: a list, or a condition that is asked each time."""

    __tablename__ = "member_groups"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Whose group it is; seen there and above."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    note: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    condition: Mapped[str] = mapped_column(Text, default="")
    """JSON of `conditions.Condition`; empty: a list."""
    frozen_from_id: Mapped[int | None] = mapped_column(ForeignKey("member_groups.id"))
    """Group whose members were written down at `created_at`."""
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(BigInt)


class MemberGroupEntry(Base):
    """A member of a list."""

    __tablename__ = "member_group_entries"

    group_id: Mapped[int] = mapped_column(ForeignKey("member_groups.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)

    __table_args__ = (Index("ix_member_group_entries_member", "member_id"),)


class MemberTag(Base):
    """A word stuck to a member."""

    __tablename__ = "member_tags"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(TAG_LENGTH_MAX), primary_key=True)

    __table_args__ = (Index("ix_member_tags_tag", "tag", "member_id"),)


class ContactEntry(Base):
    """One talk with a member: a call, a visit, a complaint, an answer to a survey."""

    __tablename__ = "member_contact_entries"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    time: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(20))
    channel: Mapped[str] = mapped_column(String(20))
    is_incoming: Mapped[bool]
    content: Mapped[str] = mapped_column(Text)
    result: Mapped[str] = mapped_column(Text, default="")
    satisfaction: Mapped[int] = mapped_column(default=0)
    """1 to 5; 0: not asked."""
    is_open: Mapped[bool] = mapped_column(default=False)
    """Whether something is still to be done."""
    next_date: Mapped[int] = mapped_column(default=0)
    """Business date of the next contact that was agreed; 0: none."""
    user_id: Mapped[int] = mapped_column(BigInt)

    __table_args__ = (
        Index("ix_member_contact_entries_member", "member_id", "id"),
        Index("ix_member_contact_entries_time", "time"),
        Index("ix_member_contact_entries_channel", "channel", "id"),
        Index("ix_member_contact_entries_open", "is_open", "id"),
    )


class ChurnRecord(Base):
    """A member who stays away: suspected, confirmed, and what was done about it."""

    __tablename__ = "member_churns"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    stage: Mapped[str] = mapped_column(String(12))
    kind: Mapped[int] = mapped_column(default=0)
    """Type of churn: a code table."""
    product: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX), default="")
    """What the member used to buy."""
    reason: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    action: Mapped[str] = mapped_column(Text, default="")
    result: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(BigInt)

    __table_args__ = (
        Index("ix_member_churns_member", "member_id"),
        Index("ix_member_churns_stage", "stage", "id"),
    )


class ImportStage(enum.StrEnum):
    """How far a file has come."""

    OPEN = "open"
    """It is looked at, and nothing of it is taken over."""
    RUNNING = "running"
    """It is being taken over, some rows at a time; rows before `taken_count` are."""
    STOPPED = "stopped"
    """Somebody or something has stopped it: rows before `taken_count` were taken over, and no others."""
    DONE = "done"
    DROPPED = "dropped"
    """Thrown away; what had been taken over before stays."""
    WITHDRAWING = "undoing"
    """Members whom it added are being withdrawn."""
    WITHDRAWN = "undone"
    """Whom it added and nobody had used since is gone again."""


class MemberImport(Base):
    """A file of members or of records about them: kept sealed until it is taken over, which happens once."""

    __tablename__ = "member_imports"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    """SHA-256 of the file."""
    file_name: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX))
    content_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """None once it is taken over or thrown away."""
    mapping: Mapped[str] = mapped_column(Text, default="")
    """JSON: name of a field for each column, empty for one that is left out."""
    kind: Mapped[str] = mapped_column(String(12), default="members")
    """What its rows are: `importing.FILE_KINDS`."""
    heading_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), index=True)
    """SHA-256 of kind and heading: the next file with this heading is read as this one was."""
    duplicates: Mapped[str] = mapped_column(String(10), default="refuse")
    is_good_only: Mapped[bool] = mapped_column(default=False)
    """Whether rows with faults are left out; else a file with a fault is not taken over at all."""
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Owner of members whose row names none."""
    stage: Mapped[str] = mapped_column(String(10), default=ImportStage.OPEN)
    """`ImportStage`."""
    row_count: Mapped[int] = mapped_column(default=0)
    """Rows below the heading; 0 until it is begun."""
    taken_count: Mapped[int] = mapped_column(default=0)
    """Rows from the first on that are dealt with; changes in the same transaction as their members."""
    fault_count: Mapped[int] = mapped_column(default=0)
    """Of these, how many could not be taken over: somebody had changed members since the file was looked at."""
    problem: Mapped[str] = mapped_column(Text, default="")
    """Why it was stopped, in the clerk's language; empty: nothing is wrong."""
    added_count: Mapped[int] = mapped_column(default=0)
    changed_count: Mapped[int] = mapped_column(default=0)
    skipped_count: Mapped[int] = mapped_column(default=0)
    withdrawn_count: Mapped[int] = mapped_column(default=0)
    """Members whom it had added and who were withdrawn since."""
    withdrawn_behind: Mapped[int] = mapped_column(BigInt, default=0)
    """While it is withdrawn: members up to this number were looked at."""
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(BigInt)
    done_at: Mapped[datetime | None]


class MemberImportFault(Base):
    """A row of a file that could not be taken over when its turn came; without its cells, which are sensitive."""

    __tablename__ = "member_import_faults"

    import_id: Mapped[int] = mapped_column(ForeignKey("member_imports.id"), primary_key=True, autoincrement=False)
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """As the spreadsheet numbers it: the heading is row 1."""
    column: Mapped[str] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text)
    """In the clerk's language."""


class MemberMerge(Base):
    """Two records that were one person: what moved, so that it can be moved back."""

    __tablename__ = "member_merges"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    survivor_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    merged_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    moved: Mapped[str] = mapped_column(Text)
    """JSON of `merging.Moved`."""
    reason: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX))
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(BigInt)
    undone_at: Mapped[datetime | None]


class MemberNumber(Base):
    """The next number to give; one row."""

    __tablename__ = "member_numbers"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    next_number: Mapped[int] = mapped_column(BigInt)
