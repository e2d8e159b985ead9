"""Long work that somebody has ordered.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "export_jobs",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("problem", sa.String(length=400), nullable=False),
        sa.Column("rows_done", columns.BigInt, nullable=False),
        sa.Column("rows_all", columns.BigInt, nullable=False),
        sa.Column("file_name", sa.String(length=80), nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("file_bytes", columns.BigInt, nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("created_by", columns.BigInt, nullable=False),
        sa.Column("ended_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_jobs")),
    )
    op.create_index("ix_export_jobs_owner", "export_jobs", ["created_by", "id"])
    op.create_index("ix_export_jobs_state", "export_jobs", ["state", "id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("export_jobs")
