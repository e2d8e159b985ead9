"""Tokens of programs, webhooks and their deliveries, passkeys, roles of one's own, and values of parameters."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base


class ApiToken(Base):
    """What a program signs on with, in its owner's name and with some of his rights.  The row knows the hash only."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    """What it is for."""
    scopes: Mapped[str] = mapped_column(Text)
    """Rights, with spaces between; what the owner has lost since does not count."""
    is_stepped_up: Mapped[bool]
    """Whether a fresh dynamic password was given when it was made: only then it opens what demands one."""
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    """Last request, kept to the minute."""
    used_from: Mapped[str] = mapped_column(String(60), default="")
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[int] = mapped_column(BigInt, default=0)


class WebhookSubscription(Base):
    """An address that is told of events, with a place of its own in what has happened."""

    __tablename__ = "webhook_subscriptions"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    """Only what this user may see is sent."""
    name: Mapped[str] = mapped_column(String(80))
    address: Mapped[str] = mapped_column(String(400))
    secret_sealed: Mapped[bytes] = mapped_column(LargeBinary(200))
    events: Mapped[str] = mapped_column(Text)
    """Kinds of events, with spaces between."""
    is_enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    entry_position: Mapped[int] = mapped_column(BigInt)
    """Number of the last entry that was looked at."""
    alarm_position: Mapped[int] = mapped_column(BigInt)
    """Sequence of the last alarm that was looked at."""
    document_position: Mapped[int] = mapped_column(BigInt)
    """When the last document that was looked at had ended, in milliseconds."""
    quiet_until: Mapped[datetime | None]
    """The receiver does not answer: nothing is tried before."""


class WebhookDelivery(Base):
    """One event for one subscription: waiting, delivered, or given up."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("webhook_subscriptions.id"))
    event_id: Mapped[str] = mapped_column(String(60))
    """Names the event, the same for all subscriptions; a receiver that knows it has seen it."""
    kind: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text)
    """JSON as it is signed and sent."""
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    """waiting, delivered or dead."""
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    next_at: Mapped[datetime]
    """When it is tried next."""
    tried_at: Mapped[datetime | None]
    status: Mapped[int] = mapped_column(default=0)
    """HTTP status of the last attempt; 0: no answer."""
    problem: Mapped[str] = mapped_column(String(200), default="")

    __table_args__ = (
        UniqueConstraint("subscription_id", "event_id"),
        Index("ix_webhook_deliveries_due", "state", "subscription_id", "next_at"),
    )


class Passkey(Base):
    """A key in a user's device or security key (WebAuthn); we have its public half."""

    __tablename__ = "passkeys"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    """At most 1,023 bytes (WebAuthn level 2, section 4)."""
    public_key: Mapped[bytes] = mapped_column(LargeBinary(2000))
    sign_count: Mapped[int] = mapped_column(BigInt)
    """Last one seen; one that goes back tells of a copy.  Some devices always say 0."""
    name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class PasskeyChallenge(Base):
    """What a passkey must sign: asked for a moment ago, good once."""

    __tablename__ = "passkey_challenges"

    challenge: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    """register, sign-in or step-up."""
    user_id: Mapped[int] = mapped_column(BigInt)
    """0: nobody has signed on yet."""
    ends_at: Mapped[datetime]


class CustomRole(Base):
    """A role that operators have made out of rights."""

    __tablename__ = "custom_roles"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    label: Mapped[str] = mapped_column(String(80))
    rights: Mapped[str] = mapped_column(Text)
    """Rights, with spaces between."""
    made_by: Mapped[int] = mapped_column(BigInt)
    changed_at: Mapped[datetime]


class ParameterValue(Base):
    """A value of a system parameter from a moment on; rows are added, never changed: they are the history."""

    __tablename__ = "parameter_values"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    value: Mapped[str] = mapped_column(String(200))
    from_time: Mapped[datetime]
    set_by: Mapped[int] = mapped_column(BigInt)
    set_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(200), default="")

    __table_args__ = (Index("ix_parameter_values_name", "name", "from_time"),)
