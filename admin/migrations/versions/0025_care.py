"""Reminders and tasks of customer care, suggestions and complaints, the next contact of a talk.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

AREAS = (
    (1, "企业形象及文化", "Company image and culture"),
    (2, "价格标准", "Price standard"),
    (3, "其他", "Other"),
    (4, "服务态度", "Service"),
    (5, "商品质量", "Quality of goods"),
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "care_opinions",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("area", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("occurred_at", columns.Moment(), nullable=False),
        sa.Column("occurred_date", sa.Integer(), nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("phone_sealed", sa.LargeBinary(length=400), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("department_id", columns.BigInt, nullable=False),
        sa.Column("handler_id", columns.BigInt, nullable=False),
        sa.Column("deadline", sa.Integer(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("feedback", sa.Text(), nullable=False),
        sa.Column("recording", sa.String(length=200), nullable=False),
        sa.Column("recording_note", sa.Text(), nullable=False),
        sa.Column("task_id", columns.BigInt, nullable=True),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("created_by", columns.BigInt, nullable=False),
        sa.Column("answered_at", columns.Moment(), nullable=True),
        sa.Column("closed_at", columns.Moment(), nullable=True),
        sa.Column("closed_date", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_opinions")),
    )
    op.create_index("ix_care_opinions_area", "care_opinions", ["area", "id"])
    op.create_index("ix_care_opinions_date", "care_opinions", ["occurred_date"])
    op.create_index("ix_care_opinions_handler", "care_opinions", ["handler_id", "state", "id"])
    op.create_index("ix_care_opinions_kind", "care_opinions", ["kind", "id"])
    op.create_index("ix_care_opinions_member", "care_opinions", ["member_id", "id"])
    op.create_index("ix_care_opinions_organisation", "care_opinions", ["organisation_id", "id"])
    op.create_index("ix_care_opinions_state", "care_opinions", ["state", "id"])

    op.create_table(
        "care_rules",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("amount", columns.BigInt, nullable=False),
        sa.Column("count_max", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_care_rules")),
    )
    op.create_table(
        "care_runs",
        sa.Column("business_date", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("until_date", sa.Integer(), nullable=False),
        sa.Column("made_count", sa.Integer(), nullable=False),
        sa.Column("is_full", sa.Boolean(), nullable=False),
        sa.Column("is_asked", sa.Boolean(), nullable=False),
        sa.Column("ran_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("business_date", "kind", name=op.f("pk_care_runs")),
    )
    op.create_table(
        "care_tasks",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("reference", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("due_date", sa.Integer(), nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("made_by", columns.BigInt, nullable=False),
        sa.Column("assigned_to", columns.BigInt, nullable=False),
        sa.Column("ended_at", columns.Moment(), nullable=True),
        sa.Column("ended_by", columns.BigInt, nullable=False),
        sa.Column("ended_date", sa.Integer(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("satisfaction", sa.Integer(), nullable=False),
        sa.Column("opinion_id", columns.BigInt, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_tasks")),
        sa.UniqueConstraint("kind", "member_id", "reference", name="uq_care_tasks_kind"),
    )
    op.create_index("ix_care_tasks_assigned", "care_tasks", ["assigned_to", "state", "due_date", "id"])
    op.create_index("ix_care_tasks_ended", "care_tasks", ["ended_date"])
    op.create_index("ix_care_tasks_kind_state", "care_tasks", ["kind", "state", "due_date", "id"])
    op.create_index("ix_care_tasks_member", "care_tasks", ["member_id", "id"])
    op.create_index("ix_care_tasks_organisation", "care_tasks", ["organisation_id", "state", "due_date", "id"])
    op.create_index("ix_care_tasks_state", "care_tasks", ["state", "due_date", "id"])

    op.create_table(
        "care_festivals",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("date", sa.Integer(), nullable=False),
        sa.Column("is_yearly", sa.Boolean(), nullable=False),
        sa.Column("group_id", columns.BigInt, nullable=True),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["member_groups.id"],
            name=op.f("fk_care_festivals_group_id_member_groups"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_festivals")),
    )
    op.create_table(
        "care_opinion_steps",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("opinion_id", columns.BigInt, nullable=False),
        sa.Column("time", columns.Moment(), nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["opinion_id"],
            ["care_opinions.id"],
            name=op.f("fk_care_opinion_steps_opinion_id_care_opinions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_opinion_steps")),
    )
    op.create_index("ix_care_opinion_steps_opinion_id", "care_opinion_steps", ["opinion_id"])

    op.create_table(
        "care_department_heads",
        sa.Column("department_id", columns.BigInt, nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(
            ["department_id"],
            ["departments.id"],
            name=op.f("fk_care_department_heads_department_id_departments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_care_department_heads_user_id_users")),
        sa.PrimaryKeyConstraint("department_id", name=op.f("pk_care_department_heads")),
    )
    op.create_table(
        "care_member_days",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("date", sa.Integer(), nullable=False),
        sa.Column("month_day", sa.Integer(), nullable=False),
        sa.Column("is_yearly", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("created_by", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_care_member_days_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_member_days")),
    )
    op.create_index("ix_care_member_days_member_id", "care_member_days", ["member_id"])
    op.create_index("ix_care_member_days_month_day", "care_member_days", ["month_day"])

    op.add_column("member_contact_entries", sa.Column("next_date", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_member_contact_entries_channel", "member_contact_entries", ["channel", "id"])
    op.create_index("ix_member_contact_entries_time", "member_contact_entries", ["time"])

    codes = sa.table(
        "member_codes",
        sa.column("table_name", sa.String),
        sa.column("code", sa.Integer),
        sa.column("name_zh", sa.String),
        sa.column("name_en", sa.String),
        sa.column("is_offered", sa.Boolean),
    )
    rows = [
        {"table_name": "opinion", "code": code, "name_zh": zh, "name_en": en, "is_offered": True}
        for code, zh, en in AREAS
    ]
    op.bulk_insert(codes, rows)


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM member_codes WHERE table_name = 'opinion'")
    op.drop_index("ix_member_contact_entries_time", "member_contact_entries")
    op.drop_index("ix_member_contact_entries_channel", "member_contact_entries")
    op.drop_column("member_contact_entries", "next_date")

    op.drop_table("care_member_days")
    op.drop_table("care_department_heads")
    op.drop_table("care_opinion_steps")
    op.drop_table("care_festivals")
    op.drop_table("care_tasks")
    op.drop_table("care_runs")
    op.drop_table("care_rules")
    op.drop_table("care_opinions")
