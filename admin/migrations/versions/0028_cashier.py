"""Bills of the cashier's page.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "cashier_bills",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("cashier_id", columns.BigInt, nullable=False),
        sa.Column("card_number", columns.UnsignedBig(), nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("settlement", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("is_priced", sa.Boolean(), nullable=False),
        sa.Column("remark", sa.String(length=80), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("bill_minor", columns.BigInt, nullable=False),
        sa.Column("discount_minor", columns.BigInt, nullable=False),
        sa.Column("due_minor", columns.BigInt, nullable=False),
        sa.Column("points_hundredths", columns.BigInt, nullable=False),
        sa.Column("cash_minor", columns.BigInt, nullable=False),
        sa.Column("card_minor", columns.BigInt, nullable=False),
        sa.Column("document_id", columns.BigInt, nullable=False),
        sa.Column("journal_sequence", columns.BigInt, nullable=False),
        sa.Column("receipt_code", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("paid_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cashier_bills")),
    )
    op.create_index("ix_cashier_bills_state", "cashier_bills", ["state", "id"])
    op.create_index("ix_cashier_bills_organisation", "cashier_bills", ["organisation_id", "id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_cashier_bills_organisation", "cashier_bills")
    op.drop_index("ix_cashier_bills_state", "cashier_bills")
    op.drop_table("cashier_bills")
