"""What employees are paid.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "pay_terms",
        sa.Column("user_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("from_date", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("base_minor", columns.BigInt, nullable=False),
        sa.Column("card_bp", sa.Integer(), nullable=False),
        sa.Column("noted_bp", sa.Integer(), nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("made_by", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "from_date", name=op.f("pk_pay_terms")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("pay_terms")
