"""Files of records about members; good rows without the others; withdrawing members that a file has added.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for column in (
        sa.Column("kind", sa.String(12), nullable=False, server_default="members"),
        sa.Column("heading_digest", sa.LargeBinary(32), nullable=True),
        sa.Column("is_good_only", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("withdrawn_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("withdrawn_behind", columns.BigInt, nullable=False, server_default="0"),
    ):
        op.add_column("member_imports", column)
    op.create_index(op.f("ix_member_imports_heading_digest"), "member_imports", ["heading_digest"])
    op.create_index("ix_members_import", "members", ["import_id", "id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_members_import", table_name="members")
    op.drop_index(op.f("ix_member_imports_heading_digest"), table_name="member_imports")
    for name in ("withdrawn_behind", "withdrawn_count", "is_good_only", "heading_digest", "kind"):
        op.drop_column("member_imports", name)
