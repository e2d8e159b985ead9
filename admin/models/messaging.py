"""Short messages: templates, what was asked to be sent, the outbox, the inbox, what members want, the gateway."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base

NAME_LENGTH_MAX = 80
PROBLEM_LENGTH_MAX = 200
SEALED_BYTES_MAX = 400
BLIND_BYTES = 12
REFERENCE_CHARACTERS = 32
GATEWAY_ID_LENGTH_MAX = 80


class MessageState(enum.StrEnum):
    """Where a message of the outbox is."""

    SCHEDULED = "scheduled"
    """Its time has not come, or the sender has not looked since."""
    QUEUED = "queued"
    """It is being handed to the gateway, again and again until the gateway answers."""
    SENT = "sent"
    """The gateway has it."""
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SendingStage(enum.StrEnum):
    """How far the members of a sending were gone through."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class Willing(enum.IntEnum):
    """Whether a member wants to be written to."""

    UNASKED = 0
    YES = 1
    NO = 2


class MessageTemplate(Base):
    """A text that is used again."""

    __tablename__ = "message_templates"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Whose it is; used there and below, and everywhere when it is the group's (0)."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    body: Mapped[str] = mapped_column(Text)
    is_offered: Mapped[bool] = mapped_column(default=True)
    changed_at: Mapped[datetime]
    changed_by: Mapped[int] = mapped_column(BigInt)


class MessageWord(Base):
    """A word that must not be sent."""

    __tablename__ = "message_words"

    word: Mapped[str] = mapped_column(String(40), primary_key=True)
    added_at: Mapped[datetime]
    added_by: Mapped[int] = mapped_column(BigInt)


class MessageGateway(Base):
    """The one gateway of the installation, and what the service sends by itself."""

    __tablename__ = "message_gateways"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    """Always 1."""
    address: Mapped[str] = mapped_column(String(400), default="")
    token_sealed: Mapped[bytes | None] = mapped_column(LargeBinary(SEALED_BYTES_MAX))
    """What it knows us by."""
    secret_sealed: Mapped[bytes | None] = mapped_column(LargeBinary(SEALED_BYTES_MAX))
    """What it signs its callbacks with."""
    is_enabled: Mapped[bool] = mapped_column(default=False)
    signature: Mapped[str] = mapped_column(String(20), default="")
    """Name that stands before each text, as operators of networks demand it."""
    per_second: Mapped[int] = mapped_column(default=50)
    purchase_template_id: Mapped[int | None] = mapped_column(ForeignKey("message_templates.id"))
    """What a member gets after each purchase; None: nothing."""
    problem: Mapped[str] = mapped_column(String(PROBLEM_LENGTH_MAX), default="")
    """Why nothing could be handed over at the last attempt; empty: all is well."""
    heard_at: Mapped[datetime | None]
    """Last answer or callback."""


class MessageSending(Base):
    """A text and whom it goes to, before it is a message for each."""

    __tablename__ = "message_sendings"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(BigInt)
    maker_id: Mapped[int] = mapped_column(BigInt)
    made_at: Mapped[datetime]
    body: Mapped[str] = mapped_column(Text)
    audience: Mapped[str] = mapped_column(String(12))
    """members, group, birthdays or campaign."""
    target: Mapped[str] = mapped_column(Text, default="")
    """Numbers of members, of a group, of a campaign; first and last day of birthdays (MMDD each)."""
    campaign_id: Mapped[int | None] = mapped_column(BigInt, index=True)
    send_at: Mapped[datetime]
    by_channel: Mapped[bool] = mapped_column(default=False)
    """Whether who prefers to be called or written to by e-mail gets an open talk instead."""
    stage: Mapped[str] = mapped_column(String(10), default=SendingStage.RUNNING)
    position: Mapped[int] = mapped_column(BigInt, default=0)
    """Number of the last member that was gone through."""
    message_count: Mapped[int] = mapped_column(default=0)
    skipped_count: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str] = mapped_column(String(PROBLEM_LENGTH_MAX), default="")
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_message_sendings_stage", "stage", "id"),
        Index("ix_message_sendings_organisation", "organisation_id", "id"),
    )


class MessageSkip(Base):
    """A member whom a sending has passed over, and why."""

    __tablename__ = "message_skips"

    sending_id: Mapped[int] = mapped_column(ForeignKey("message_sendings.id"), primary_key=True)
    member_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(String(12))
    detail: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX), default="")


class ShortMessage(Base):
    """A message of the outbox, to one member; whoever wants something sent puts it here."""

    __tablename__ = "short_messages"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    reference: Mapped[str] = mapped_column(String(REFERENCE_CHARACTERS), unique=True)
    """By chance, the same at each attempt: the gateway knows a repeat by it."""
    source_key: Mapped[str] = mapped_column(String(60), unique=True)
    """What it was made for, such as a member of a sending or an entry: there is one message for each."""
    sending_id: Mapped[int | None] = mapped_column(ForeignKey("message_sendings.id"))
    source: Mapped[str] = mapped_column(String(12))
    """sending, purchase or journey."""
    member_id: Mapped[int] = mapped_column(BigInt)
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Owner of the member's record when it was made: who may see the message."""
    phone_sealed: Mapped[bytes] = mapped_column(LargeBinary(SEALED_BYTES_MAX))
    text: Mapped[str] = mapped_column(Text)
    part_count: Mapped[int]
    state: Mapped[str] = mapped_column(String(10), default=MessageState.SCHEDULED)
    send_at: Mapped[datetime]
    day: Mapped[int]
    """Date of `send_at` at the stores, days since 1970-01-01."""
    next_at: Mapped[datetime]
    """When it is tried next."""
    attempts: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str] = mapped_column(String(PROBLEM_LENGTH_MAX), default="")
    gateway_id: Mapped[str] = mapped_column(String(GATEWAY_ID_LENGTH_MAX), default="")
    """What the gateway calls it."""
    made_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    """When it was delivered, had failed or was cancelled."""

    __table_args__ = (
        Index("ix_short_messages_due", "state", "next_at"),
        Index("ix_short_messages_day", "day", "id"),
        Index("ix_short_messages_day_state", "day", "state", "id"),
        Index("ix_short_messages_day_source", "day", "source", "id"),
        Index("ix_short_messages_organisation", "organisation_id", "day", "id"),
        Index("ix_short_messages_sending", "sending_id", "id"),
        Index("ix_short_messages_member", "member_id", "id"),
    )


class IncomingMessage(Base):
    """A message of the inbox."""

    __tablename__ = "incoming_messages"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    gateway_id: Mapped[str] = mapped_column(String(GATEWAY_ID_LENGTH_MAX), unique=True)
    """What the gateway calls it: one that comes again is the same."""
    phone_sealed: Mapped[bytes] = mapped_column(LargeBinary(SEALED_BYTES_MAX))
    member_id: Mapped[int | None] = mapped_column(BigInt)
    """Whose number it is; None: nobody's, or several members'."""
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Owner of the member's record; 0: the group, also when nobody is known."""
    text: Mapped[str] = mapped_column(Text)
    came_at: Mapped[datetime]
    day: Mapped[int]
    is_stop: Mapped[bool] = mapped_column(default=False)
    """Whether it withdrew the consent to be written to."""
    is_open: Mapped[bool] = mapped_column(default=True)
    handled_at: Mapped[datetime | None]
    handled_by: Mapped[int] = mapped_column(BigInt, default=0)
    contact_id: Mapped[int | None] = mapped_column(BigInt)
    """Talk of the contact log that was made of it."""
    opinion_id: Mapped[int | None] = mapped_column(BigInt)
    """Suggestion or complaint that was made of it."""

    __table_args__ = (
        Index("ix_incoming_messages_open", "is_open", "id"),
        Index("ix_incoming_messages_member", "member_id", "id"),
    )


class MemberWish(Base):
    """Whether, how and when a member wants to be reached; without a row nobody has asked."""

    __tablename__ = "member_wishes"

    member_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    willing: Mapped[int] = mapped_column(default=Willing.UNASKED)
    wants_purchases: Mapped[bool] = mapped_column(default=False, index=True)
    """Whether after each purchase, too."""
    channel: Mapped[str] = mapped_column(String(10), default="message")
    """message, telephone or email."""
    from_minute: Mapped[int] = mapped_column(default=0)
    until_minute: Mapped[int] = mapped_column(default=1440)
    """Hours in which to be reached, minutes since midnight at the stores."""
    source: Mapped[str] = mapped_column(String(10), default="page")
    """page, interface, answer or merge: how it became known."""
    changed_at: Mapped[datetime]


class MessagePosition(Base):
    """How far something was gone through for which messages are made."""

    __tablename__ = "message_positions"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    position: Mapped[int] = mapped_column(BigInt)
