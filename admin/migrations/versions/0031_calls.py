"""Activities and who took part; calls of the call centre.

Revision ID: 0031
Revises: 0030
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "activities",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("date", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=80), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("course", sa.Text(), nullable=False),
        sa.Column("points_hundredths", columns.BigInt, nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("created_by", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activities")),
    )
    op.create_index("ix_activities_organisation", "activities", ["organisation_id", "id"])

    op.create_table(
        "calls",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("time", columns.Moment(), nullable=False),
        sa.Column("is_incoming", sa.Boolean(), nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("number_sealed", sa.LargeBinary(length=400), nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("agent_id", columns.BigInt, nullable=False),
        sa.Column("recording", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index("ix_calls_agent", "calls", ["agent_id", "id"])
    op.create_index("ix_calls_member", "calls", ["member_id", "id"])
    op.create_index("ix_calls_organisation", "calls", ["organisation_id", "id"])

    op.create_table(
        "activity_attendees",
        sa.Column("activity_id", columns.BigInt, nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("added_at", columns.Moment(), nullable=False),
        sa.Column("added_by", columns.BigInt, nullable=False),
        sa.Column("document_id", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["activities.id"],
            name=op.f("fk_activity_attendees_activity_id_activities"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_activity_attendees_member_id_members")),
        sa.PrimaryKeyConstraint("activity_id", "member_id", name=op.f("pk_activity_attendees")),
    )
    op.create_index("ix_activity_attendees_member", "activity_attendees", ["member_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("activity_attendees")
    op.drop_table("calls")
    op.drop_table("activities")
