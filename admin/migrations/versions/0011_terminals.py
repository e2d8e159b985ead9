"""What till and switch had counted at closes of business dates.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "close_totals",
        sa.Column("terminal_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("closed_date", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("till_count", columns.BigInt, nullable=False),
        sa.Column("till_minor", columns.BigInt, nullable=False),
        sa.Column("switch_count", columns.BigInt, nullable=False),
        sa.Column("switch_minor", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("terminal_id", "closed_date", "type", name=op.f("pk_close_totals")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("close_totals")
