"""Corporate orders, campaigns, how much operators may do alone; requests are found by their entry.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "campaigns",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("from_date", sa.Integer(), nullable=False),
        sa.Column("until_date", sa.Integer(), nullable=False),
        sa.Column("store_ids", sa.String(length=400), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("ruleset", columns.BigInt, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("is_stopped", sa.Boolean(), nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("maker_id", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    op.create_index("ix_campaigns_until", "campaigns", ["until_date", "id"])

    op.create_table(
        "operator_limits",
        sa.Column("user_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("money_minor_max", columns.BigInt, nullable=False),
        sa.Column("points_hundredths_max", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_operator_limits")),
    )
    op.create_table(
        "orders",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("buyer", sa.String(length=100), nullable=False),
        sa.Column("invoice_note", sa.String(length=200), nullable=False),
        sa.Column("recharge_rows", sa.Text(), nullable=False),
        sa.Column("value_minor", columns.BigInt, nullable=False),
        sa.Column("discount_bp", sa.Integer(), nullable=False),
        sa.Column("due_minor", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("maker_id", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("approver_id", columns.BigInt, nullable=False),
        sa.Column("approved_at", columns.Moment(), nullable=True),
        sa.Column("payer_id", columns.BigInt, nullable=False),
        sa.Column("paid_at", columns.Moment(), nullable=True),
        sa.Column("payment_channel", sa.Integer(), nullable=False),
        sa.Column("payment_reference", sa.String(length=60), nullable=False),
        sa.Column("issue_document_id", columns.BigInt, nullable=True),
        sa.ForeignKeyConstraint(
            ["issue_document_id"], ["documents.id"], name=op.f("fk_orders_issue_document_id_documents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_index("ix_orders_organisation", "orders", ["organisation_id", "id"])
    op.create_index("ix_orders_state", "orders", ["state", "id"])

    op.create_table(
        "order_lines",
        sa.Column("order_id", columns.BigInt, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("card_type", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("value_minor", columns.BigInt, nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_lines_order_id_orders")),
        sa.PrimaryKeyConstraint("order_id", "number", name=op.f("pk_order_lines")),
    )
    op.create_index("ix_document_steps_sequence", "document_steps", ["journal_sequence"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_document_steps_sequence", "document_steps")

    op.drop_table("order_lines")
    op.drop_index("ix_orders_state", "orders")
    op.drop_index("ix_orders_organisation", "orders")

    op.drop_table("orders")
    op.drop_table("operator_limits")
    op.drop_index("ix_campaigns_until", "campaigns")

    op.drop_table("campaigns")
