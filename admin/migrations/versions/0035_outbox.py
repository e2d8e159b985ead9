"""The outbox is looked through by cause, and owner by owner.

Revision ID: 0035
Revises: 0034
"""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_short_messages_day_source", "short_messages", ["day", "source", "id"])
    op.create_index("ix_short_messages_organisation", "short_messages", ["organisation_id", "day", "id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_short_messages_organisation", table_name="short_messages")
    op.drop_index("ix_short_messages_day_source", table_name="short_messages")
