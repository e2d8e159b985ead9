"""Purchases with their lines; facts about customers, goods and campaigns, for reports.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "baskets",
        sa.Column("sequence", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("original_sequence", columns.BigInt, nullable=False),
        sa.Column("business_date", sa.Integer(), nullable=False),
        sa.Column("time_ms", columns.BigInt, nullable=False),
        sa.Column("terminal_id", columns.BigInt, nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("trace_number", columns.BigInt, nullable=False),
        sa.Column("type", sa.Integer(), nullable=False),
        sa.Column("card_number", columns.UnsignedBig(), nullable=False),
        sa.Column("account_number", columns.UnsignedBig(), nullable=False),
        sa.Column("visits", sa.Integer(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("amount_minor", columns.BigInt, nullable=False),
        sa.Column("discount_minor", columns.BigInt, nullable=False),
        sa.Column("issuing_organisation_id", columns.BigInt, nullable=False),
        sa.Column("accepting_organisation_id", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_baskets")),
    )
    op.create_table(
        "bill_lines",
        sa.Column("id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("item", columns.UnsignedBig(), nullable=False),
        sa.Column("amount_minor", columns.BigInt, nullable=False),
        sa.Column("quantity_milli", columns.BigInt, nullable=False),
        sa.Column("department", sa.Integer(), nullable=False),
        sa.Column("category", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill_lines")),
    )
    op.create_table(
        "fees",
        sa.Column("sequence", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("business_date", sa.Integer(), nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("operation", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("tender", sa.Integer(), nullable=False),
        sa.Column("card_count", sa.Integer(), nullable=False),
        sa.Column("fee_minor", columns.BigInt, nullable=False),
        sa.Column("issuing_organisation_id", columns.BigInt, nullable=False),
        sa.Column("accepting_organisation_id", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_fees")),
    )
    op.create_table(
        "goods_names",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("number", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("kind", "number", name=op.f("pk_goods_names")),
    )
    op.create_table(
        "member_facts",
        sa.Column("account_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("member", columns.BigInt, nullable=False),
        sa.Column("age", sa.String(length=80), nullable=False),
        sa.Column("income", sa.String(length=80), nullable=False),
        sa.Column("home_ownership", sa.String(length=80), nullable=False),
        sa.Column("marital_status", sa.String(length=80), nullable=False),
        sa.Column("household_size", sa.String(length=80), nullable=False),
        sa.Column("household_comp", sa.String(length=80), nullable=False),
        sa.Column("kids_count", sa.String(length=80), nullable=False),
        sa.Column("has_profile", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_number", name=op.f("pk_member_facts")),
    )
    op.create_table(
        "campaign_facts",
        sa.Column("campaign_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("start_date", sa.Integer(), nullable=False),
        sa.Column("end_date", sa.Integer(), nullable=False),
        sa.Column("cost_minor", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_campaign_facts")),
    )
    op.create_table(
        "campaign_targets",
        sa.Column("campaign_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("account_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "account_number", name=op.f("pk_campaign_targets")),
    )
    op.create_table(
        "campaign_redemptions",
        sa.Column("campaign_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("account_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("redemption_count", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "account_number", name=op.f("pk_campaign_redemptions")),
    )
    op.create_table(
        "report_submissions",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("report", sa.String(length=40), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("submitted_by", columns.BigInt, nullable=False),
        sa.Column("submitted_at", columns.Moment(), nullable=False),
        sa.Column("reviewed_by", columns.BigInt, nullable=False),
        sa.Column("reviewed_at", columns.Moment(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_submissions")),
    )
    op.create_index("ix_report_submissions_organisation", "report_submissions", ["organisation_id", "id"], unique=False)
    op.create_index("ix_baskets_date", "baskets", ["business_date"], unique=False)
    op.create_index("ix_baskets_account", "baskets", ["account_number", "sequence"], unique=False)


def downgrade() -> None:
    """Take back."""
    for table in (
        "baskets",
        "bill_lines",
        "fees",
        "goods_names",
        "member_facts",
        "campaign_facts",
        "campaign_targets",
        "campaign_redemptions",
        "report_submissions",
    ):
        op.drop_table(table)
