"""How far looks that waited in a file are in the audit log; an index of what moved points.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_spools",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("end_bytes", columns.BigInt, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_spools")),
    )
    op.drop_index("ix_entries_type", "entries")
    _index("ix_entries_type", ["type", "id", "business_date", "code"], "type != 16")
    _index("ix_entries_points", ["type", "id", "business_date", "code"], "type != 16 AND points_hundredths != 0")


def _index(name: str, columns_: list[str], where: str) -> None:
    op.create_index(name, "entries", columns_, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_entries_points", "entries")
    op.drop_index("ix_entries_type", "entries")
    _index("ix_entries_type", ["type", "id", "business_date", "code", "points_hundredths"], "type != 16")
    op.drop_table("audit_spools")
