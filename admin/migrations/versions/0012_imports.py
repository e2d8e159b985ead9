"""How far each file of members was taken over, and rows of it that could not be.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for name in ("row_count", "taken_count", "fault_count"):
        op.add_column("member_imports", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.add_column("member_imports", sa.Column("problem", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "member_import_faults",
        sa.Column("import_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["member_imports.id"], name=op.f("fk_member_import_faults_import_id_member_imports")
        ),
        sa.PrimaryKeyConstraint("import_id", "row", name=op.f("pk_member_import_faults")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("member_import_faults")
    for name in ("problem", "fault_count", "taken_count", "row_count"):
        op.drop_column("member_imports", name)
