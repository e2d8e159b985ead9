"""Telephone calls with customers, as the call centre tells of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base
from .members import SEALED_BYTES_MAX, TEXT_LENGTH_MAX


class Call(Base):
    """One call."""

    __tablename__ = "calls"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    time: Mapped[datetime]
    is_incoming: Mapped[bool]
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Owner of the member; of a stranger the agent's own."""
    number_sealed: Mapped[bytes] = mapped_column(LargeBinary(SEALED_BYTES_MAX))
    member_id: Mapped[int] = mapped_column(BigInt, default=0)
    """0: nobody is known under the number."""
    agent_id: Mapped[int] = mapped_column(BigInt, default=0)
    """User whose telephone it is; 0: nobody's."""
    recording: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    """File below the folder of recordings."""
    note: Mapped[str] = mapped_column(Text, default="")
    """What a supervisor found in the recording."""

    __table_args__ = (
        Index("ix_calls_organisation", "organisation_id", "id"),
        Index("ix_calls_agent", "agent_id", "id"),
        Index("ix_calls_member", "member_id", "id"),
    )
