"""Queries under a name, reports by timer and what they came to.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "saved_queries",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("shared_right", sa.String(length=60), nullable=False),
        sa.Column("owner_id", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("changed_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_queries")),
    )
    op.create_index("ix_saved_queries_owner", "saved_queries", ["owner_id"])
    op.create_table(
        "report_schedules",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("report", sa.String(length=40), nullable=False),
        sa.Column("query_id", columns.BigInt, nullable=True),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("is_whole_past", sa.Boolean(), nullable=False),
        sa.Column("shared_right", sa.String(length=60), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("owner_id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("from_date", sa.Integer(), nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["query_id"], ["saved_queries.id"], name=op.f("fk_report_schedules_query_id_saved_queries")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_schedules")),
    )
    op.create_table(
        "report_runs",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("schedule_id", columns.BigInt, nullable=False),
        sa.Column("first_date", sa.Integer(), nullable=False),
        sa.Column("last_date", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("problem", sa.String(length=400), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("row_count", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("made_for", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["report_schedules.id"], name=op.f("fk_report_runs_schedule_id_report_schedules")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_runs")),
        sa.UniqueConstraint("schedule_id", "last_date", name=op.f("uq_report_runs_schedule_id")),
    )
    op.create_index("ix_report_runs_made", "report_runs", ["made_at"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("report_runs")
    op.drop_table("report_schedules")
    op.drop_table("saved_queries")
