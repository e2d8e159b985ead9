"""Indices of cards that are not active, and of those in the custody of a store.

Revision ID: 0034
Revises: 0033
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for name, column, where in (
        ("ix_cards_status", "status", "status != 1"),
        ("ix_cards_custody", "custody_store_id", "custody_store_id != 0"),
    ):
        op.create_index(
            name, "cards", [column, "card_number"], sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_cards_custody", "cards")
    op.drop_index("ix_cards_status", "cards")
