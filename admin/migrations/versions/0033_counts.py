"""How many cards and media are alike.

Revision ID: 0033
Revises: 0032
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

COUNTED = (
    (
        "card_counts",
        ("card_type", "status", "custody_store_id", "issuing_organisation_id", "pin_key_version"),
        "card_count",
        "cards",
    ),
    ("medium_counts", ("medium", "state", "key_version", "flags"), "medium_count", "media"),
)


def upgrade() -> None:
    """Apply; what there is is counted once."""
    for name, alike, count, of in COUNTED:
        op.create_table(
            name,
            *(sa.Column(column, columns.BigInt, autoincrement=False, nullable=False) for column in alike),
            sa.Column(count, columns.BigInt, nullable=False),
            sa.PrimaryKeyConstraint(*alike, name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
        together = ", ".join(alike)
        op.execute(f"INSERT INTO {name} SELECT {together}, COUNT(*) FROM {of} GROUP BY {together}")


def downgrade() -> None:
    """Take back."""
    for name, *_rest in COUNTED:
        op.drop_table(name)
