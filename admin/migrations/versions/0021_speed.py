"""Sums of what cards and accounts hold, and indices for what is rare among entries.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SUMS = {
    "cards": "SELECT COUNT(*) FROM cards",
    "balance_minor": "SELECT SUM(balance_minor) FROM accounts",
    "account_points": "SELECT SUM(points_hundredths) FROM accounts",
    "purse_points": "SELECT SUM(amount) FROM purses WHERE purse >= 4294967296 AND purse < 8589934592",
    "pending_points": "SELECT SUM(amount_hundredths) FROM pending_points",
}


def upgrade() -> None:
    """Apply; what is held is counted once, for all that was followed before."""
    op.create_table(
        "held_sums",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("value", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_held_sums")),
        sqlite_with_rowid=False,
    )
    for name, question in SUMS.items():
        op.execute(f"INSERT INTO held_sums (name, value) SELECT '{name}', COALESCE(({question}), 0)")
    for name, table, of, where in (
        ("ix_entries_type", "entries", ["type", "id", "business_date", "code", "points_hundredths"], "type != 16"),
        ("ix_entries_refused", "entries", ["code", "id", "business_date"], "code != 0"),
        ("ix_accounts_owing", "accounts", ["account_number"], "balance_minor < 0"),
    ):
        op.create_index(name, table, of, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_accounts_owing", "accounts")
    op.drop_index("ix_entries_refused", "entries")
    op.drop_index("ix_entries_type", "entries")
    op.drop_table("held_sums")
