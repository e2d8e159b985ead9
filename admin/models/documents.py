"""Documents: what somebody wants the switch to do, who agreed, and what became of each request."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt, UnsignedBig

from .base import Base


class DocumentState(enum.StrEnum):
    """Where a document stands; texts of the database, so that questions to it can be read."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    """Waits for a second person."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    RUNNING = "running"
    """Its requests are being sent; also while the switch cannot be reached."""
    DONE = "done"
    PARTLY = "partly"
    """Sent, and something was refused: may be tried again."""


ENDED = (DocumentState.REJECTED, DocumentState.WITHDRAWN, DocumentState.DONE, DocumentState.PARTLY)


class StepState(enum.StrEnum):
    """Where one request of a document stands."""

    PLANNED = "planned"
    NUMBERED = "numbered"
    """It has its trace number and its final bytes, and may have been sent."""
    DONE = "done"
    REFUSED = "refused"
    """Nothing of it was done."""
    PARTLY = "partly"
    """A range of which some cards were refused."""
    CANCELLED = "cancelled"
    """Never sent, because one before it was refused."""


class Document(Base):
    """One order to the switch, of one or of many requests."""

    __tablename__ = "documents"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    """Name in `admin.documents.kinds.KINDS`."""
    state: Mapped[str] = mapped_column(String(12))
    form: Mapped[str] = mapped_column(Text)
    """What was filled in, as JSON; secrets are taken out."""
    remark: Mapped[str] = mapped_column(String(200), default="")
    """Why: the maker's words."""
    answer: Mapped[str] = mapped_column(String(200), default="")
    """The checker's words."""
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Where the maker belongs: those above see it."""
    store_id: Mapped[int] = mapped_column(BigInt, default=0)
    """Store at whose desk it is made: its requests go through that store's terminal; 0: headquarters."""
    maker_id: Mapped[int] = mapped_column(BigInt)
    made_at: Mapped[datetime]
    checker_id: Mapped[int] = mapped_column(BigInt, default=0)
    """Who approved or rejected; 0: nobody, or none was needed."""
    checked_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 of its requests as they were shown: what was agreed to is what is sent."""
    item_count: Mapped[int] = mapped_column(default=0)
    """Cards, or requests that are about no card."""
    done_count: Mapped[int] = mapped_column(default=0)
    skipped_count: Mapped[int] = mapped_column(default=0)
    """Done before: a range that is run again passes over them."""
    refused_count: Mapped[int] = mapped_column(default=0)
    amount_minor: Mapped[int] = mapped_column(BigInt, default=0)
    """Value that it moves, as planned."""
    last_sequence: Mapped[int] = mapped_column(BigInt, default=0)
    """Last journal entry of its requests: pages are up to date once the follower is there."""
    undoes_id: Mapped[int | None] = mapped_column(ForeignKey("documents.id"))
    request_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Given by who made it (a page's form, an API client): the same again is the same document."""

    __table_args__ = (
        Index("ix_documents_state", "state", "id"),
        Index("ix_documents_kind", "kind", "id"),
        Index("ix_documents_organisation", "organisation_id", "id"),
    )


class AloneUse(Base):
    """What a document took of its maker's bounds per day: it went without a second person."""

    __tablename__ = "alone_uses"

    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    measure: Mapped[str] = mapped_column(String(8), primary_key=True)
    """money (minor units) or points (hundredths)."""
    user_id: Mapped[int] = mapped_column(BigInt)
    day: Mapped[int]
    """Days since 1970-01-01, at the stores."""
    amount: Mapped[int] = mapped_column(BigInt)

    __table_args__ = (Index("ix_alone_uses_user", "user_id", "day"),)


class DocumentStep(Base):
    """One request of a document."""

    __tablename__ = "document_steps"

    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1, 2, ...: the order in which they are sent."""
    state: Mapped[str] = mapped_column(String(12))
    type: Mapped[int]
    """MessageType"""
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """The request; key, stamp and persons are filled in when it gets its number, and from then on nothing changes.

    Sealed where it holds a secret, and emptied once it is answered.
    """
    is_sealed: Mapped[bool] = mapped_column(default=False)
    by_checker: Mapped[bool] = mapped_column(default=False)
    """Whether the second person is who does it."""
    card_number: Mapped[int] = mapped_column(UnsignedBig, default=0)
    item_count: Mapped[int] = mapped_column(default=1)
    done_count: Mapped[int] = mapped_column(default=0)
    skipped_count: Mapped[int] = mapped_column(default=0)
    subject: Mapped[str] = mapped_column(String(120), default="")
    """What it is about, for people, where it is not a card: `admin.documents.kind.subject`."""
    note: Mapped[str] = mapped_column(String(400), default="")
    """What a worker other than the sender says of it, in words."""
    terminal_id: Mapped[int] = mapped_column(BigInt, default=0)
    """Who sent it; with date and trace number the switch's name for the request."""
    trace_number: Mapped[int] = mapped_column(BigInt, default=0)
    business_date: Mapped[int] = mapped_column(default=0)
    code: Mapped[int] = mapped_column(default=0)
    """ResponseCode of the answer; 0: none yet."""
    detail: Mapped[int] = mapped_column(default=0)
    journal_sequence: Mapped[int] = mapped_column(BigInt, default=0)
    amount_minor: Mapped[int] = mapped_column(BigInt, default=0)
    fee_minor: Mapped[int] = mapped_column(BigInt, default=0)
    """Of a card operation: what was charged, at the desk or from the balance."""
    balance_minor: Mapped[int] = mapped_column(BigInt, default=0)
    points_hundredths: Mapped[int] = mapped_column(BigInt, default=0)
    receipt_code: Mapped[int] = mapped_column(BigInt, default=0)
    results: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    """Of a range: the answer's `RangeResult` per card."""

    __table_args__ = (
        Index("ix_document_steps_card", "card_number", "document_id"),
        Index("ix_document_steps_sequence", "journal_sequence"),
    )


class SenderState(Base):
    """What the sender must not forget of one of its terminals."""

    __tablename__ = "sender_states"

    terminal_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    next_trace_number: Mapped[int] = mapped_column(BigInt)
    problem: Mapped[str] = mapped_column(String(400), default="")
    """Why sending stands still; empty: it does not."""
    heard_ms: Mapped[int] = mapped_column(BigInt, default=0)
    """When the switch last answered."""
