"""Journeys; an incoming message may become an opinion.

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("incoming_messages", sa.Column("opinion_id", columns.BigInt, nullable=True))
    op.create_table(
        "journeys",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("maker_id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("trigger", sa.String(length=10), nullable=False),
        sa.Column("trigger_value", columns.BigInt, nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("started_at", columns.Moment(), nullable=True),
        sa.Column("position", columns.BigInt, nullable=False),
        sa.Column("changed_at", columns.Moment(), nullable=False),
        sa.Column("problem", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journeys")),
    )
    op.create_table(
        "journey_runs",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("journey_id", columns.BigInt, nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("occasion", sa.Integer(), nullable=False),
        sa.Column("entered_at", columns.Moment(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("due_at", columns.Moment(), nullable=False),
        sa.Column("is_running", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["journey_id"], ["journeys.id"], name=op.f("fk_journey_runs_journey_id_journeys")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journey_runs")),
    )
    op.create_index("ix_journey_runs_due", "journey_runs", ["is_running", "due_at"], unique=False)
    op.create_index("ix_journey_runs_member", "journey_runs", ["journey_id", "member_id", "occasion"], unique=True)

    op.create_table(
        "journey_steps",
        sa.Column("journey_id", columns.BigInt, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("template_id", columns.BigInt, nullable=True),
        sa.Column("condition", sa.String(length=10), nullable=False),
        sa.Column("group_id", columns.BigInt, nullable=True),
        sa.Column("then_number", sa.Integer(), nullable=False),
        sa.Column("else_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["journey_id"], ["journeys.id"], name=op.f("fk_journey_steps_journey_id_journeys")),
        sa.ForeignKeyConstraint(
            ["template_id"], ["message_templates.id"], name=op.f("fk_journey_steps_template_id_message_templates")
        ),
        sa.PrimaryKeyConstraint("journey_id", "number", name=op.f("pk_journey_steps")),
    )
    op.create_table(
        "journey_visits",
        sa.Column("run_id", columns.BigInt, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("journey_id", columns.BigInt, nullable=False),
        sa.Column("time", columns.Moment(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("message_key", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["journey_runs.id"], name=op.f("fk_journey_visits_run_id_journey_runs")),
        sa.PrimaryKeyConstraint("run_id", "step", name=op.f("pk_journey_visits")),
    )
    op.create_index("ix_journey_visits_journey", "journey_visits", ["journey_id", "step"], unique=False)

    op.create_index("ix_members_created_at", "members", ["created_at", "id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_column("incoming_messages", "opinion_id")
    op.drop_index("ix_members_created_at", table_name="members")

    op.drop_index("ix_journey_visits_journey", table_name="journey_visits")

    op.drop_table("journey_visits")
    op.drop_table("journey_steps")
    op.drop_index("ix_journey_runs_member", table_name="journey_runs")
    op.drop_index("ix_journey_runs_due", table_name="journey_runs")

    op.drop_table("journey_runs")
    op.drop_table("journeys")
