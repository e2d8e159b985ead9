"""What one person may do alone counts per day, too.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

DAILY = {"money_minor_day_max": "money_minor_max", "points_hundredths_day_max": "points_hundredths_max"}


def upgrade() -> None:
    """Apply; limits that there are count four times in a day, as those that are set without one."""
    op.create_table(
        "alone_uses",
        sa.Column("document_id", columns.BigInt, nullable=False),
        sa.Column("measure", sa.String(length=8), nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("amount", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_alone_uses_document_id_documents")),
        sa.PrimaryKeyConstraint("document_id", "measure", name=op.f("pk_alone_uses")),
    )
    op.create_index("ix_alone_uses_user", "alone_uses", ["user_id", "day"])
    for daily, single in DAILY.items():
        op.add_column("operator_limits", sa.Column(daily, columns.BigInt, nullable=False, server_default="0"))
        op.execute(f"UPDATE operator_limits SET {daily} = 4 * {single}")


def downgrade() -> None:
    """Take back."""
    for daily in DAILY:
        op.drop_column("operator_limits", daily)
    op.drop_index("ix_alone_uses_user", "alone_uses")
    op.drop_table("alone_uses")
