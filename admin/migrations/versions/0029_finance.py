"""Documents for the books, the runs of their job, and what a finance user has chosen.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "finance_setups",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("first_date", sa.Integer(), nullable=False),
        sa.Column("accounts", sa.Text(), nullable=False),
        sa.Column("changed_at", columns.Moment(), nullable=False),
        sa.Column("changed_by", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finance_setups")),
    )
    op.create_table(
        "finance_documents",
        sa.Column("business_date", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("store_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_red", sa.Boolean(), nullable=False),
        sa.Column("until_sequence", columns.BigInt, nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.Column("value_minor", columns.BigInt, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("answer_mark", sa.String(80), nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("sent_at", columns.Moment(), nullable=True),
        sa.Column("answered_at", columns.Moment(), nullable=True),
        sa.Column("next_try_ms", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("business_date", "store_id", "number", name=op.f("pk_finance_documents")),
    )
    op.create_index("ix_finance_documents_state", "finance_documents", ["state", "next_try_ms"])
    op.create_table(
        "finance_runs",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("time", columns.Moment(), nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.Column("made_count", sa.Integer(), nullable=False),
        sa.Column("sent_count", sa.Integer(), nullable=False),
        sa.Column("acknowledged_count", sa.Integer(), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finance_runs")),
    )


def downgrade() -> None:
    """Take back."""
    for name in ("finance_runs", "finance_documents", "finance_setups"):
        op.drop_table(name)
