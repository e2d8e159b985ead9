"""Documents and their requests, and what their sender must not forget.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "documents",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("remark", sa.String(length=200), nullable=False),
        sa.Column("answer", sa.String(length=200), nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("maker_id", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("checker_id", columns.BigInt, nullable=False),
        sa.Column("checked_at", columns.Moment(), nullable=True),
        sa.Column("ended_at", columns.Moment(), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("done_count", sa.Integer(), nullable=False),
        sa.Column("skipped_count", sa.Integer(), nullable=False),
        sa.Column("refused_count", sa.Integer(), nullable=False),
        sa.Column("amount_minor", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.BigInt, nullable=False),
        sa.Column("undoes_id", columns.BigInt, nullable=True),
        sa.Column("request_key", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["undoes_id"], ["documents.id"], name=op.f("fk_documents_undoes_id_documents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("request_key", name=op.f("uq_documents_request_key")),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index("ix_documents_kind", ["kind", "id"], unique=False)
        batch_op.create_index("ix_documents_organisation", ["organisation_id", "id"], unique=False)
        batch_op.create_index("ix_documents_state", ["state", "id"], unique=False)

    op.create_table(
        "sender_states",
        sa.Column("terminal_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("next_trace_number", columns.BigInt, nullable=False),
        sa.Column("problem", sa.String(length=400), nullable=False),
        sa.Column("heard_ms", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("terminal_id", name=op.f("pk_sender_states")),
    )
    op.create_table(
        "document_steps",
        sa.Column("document_id", columns.BigInt, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("type", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("is_sealed", sa.Boolean(), nullable=False),
        sa.Column("by_checker", sa.Boolean(), nullable=False),
        sa.Column("card_number", columns.UnsignedBig(), nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("done_count", sa.Integer(), nullable=False),
        sa.Column("skipped_count", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("terminal_id", columns.BigInt, nullable=False),
        sa.Column("trace_number", columns.BigInt, nullable=False),
        sa.Column("business_date", sa.Integer(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Integer(), nullable=False),
        sa.Column("journal_sequence", columns.BigInt, nullable=False),
        sa.Column("amount_minor", columns.BigInt, nullable=False),
        sa.Column("balance_minor", columns.BigInt, nullable=False),
        sa.Column("points_hundredths", columns.BigInt, nullable=False),
        sa.Column("receipt_code", columns.BigInt, nullable=False),
        sa.Column("results", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_document_steps_document_id_documents")
        ),
        sa.PrimaryKeyConstraint("document_id", "number", name=op.f("pk_document_steps")),
    )
    with op.batch_alter_table("document_steps", schema=None) as batch_op:
        batch_op.create_index("ix_document_steps_card", ["card_number", "document_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("document_steps", schema=None) as batch_op:
        batch_op.drop_index("ix_document_steps_card")

    op.drop_table("document_steps")
    op.drop_table("sender_states")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index("ix_documents_state")
        batch_op.drop_index("ix_documents_organisation")
        batch_op.drop_index("ix_documents_kind")

    op.drop_table("documents")
