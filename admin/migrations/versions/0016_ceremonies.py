"""Key ceremonies, and what officers have signed of orders to the key house.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "key_ceremonies",
        sa.Column("document_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("purpose", sa.Integer(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(length=12), nullable=False),
        sa.Column("phase", sa.String(length=12), nullable=False),
        sa.Column("check_value", sa.String(length=10), nullable=False),
        sa.Column("began_at", columns.Moment(), nullable=True),
        sa.Column("ended_at", columns.Moment(), nullable=True),
        sa.Column("ended_by", columns.BigInt, nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("log_line_before", columns.BigInt, nullable=False),
        sa.Column("log_mac_before", sa.String(length=64), nullable=False),
        sa.Column("log_line_after", columns.BigInt, nullable=False),
        sa.Column("log_mac_after", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_key_ceremonies_document_id_documents")
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_key_ceremonies")),
    )
    op.create_table(
        "key_ceremony_parts",
        sa.Column("document_id", columns.BigInt, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("custodian_id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("check_value", sa.String(length=10), nullable=False),
        sa.Column("entered_at", columns.Moment(), nullable=True),
        sa.Column("confirmed_at", columns.Moment(), nullable=True),
        sa.Column("whole_confirmed_at", columns.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["key_ceremonies.document_id"],
            name=op.f("fk_key_ceremony_parts_document_id_key_ceremonies"),
        ),
        sa.PrimaryKeyConstraint("document_id", "number", name=op.f("pk_key_ceremony_parts")),
    )
    op.create_table(
        "key_order_proofs",
        sa.Column("document_id", columns.BigInt, nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.Column("credential", sa.Text(), nullable=False),
        sa.Column("signed_at", columns.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_key_order_proofs_document_id_documents")
        ),
        sa.PrimaryKeyConstraint("document_id", "role", name=op.f("pk_key_order_proofs")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("key_order_proofs")
    op.drop_table("key_ceremony_parts")
    op.drop_table("key_ceremonies")
