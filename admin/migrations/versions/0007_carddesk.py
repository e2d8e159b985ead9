"""The card desk: card-type authorisations, lists of card types, fees that requests charged, an index to count stock.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "marks",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("count", columns.BigInt, nullable=False),
        sa.Column("key_a", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_b", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("amount_minor", columns.BigInt, nullable=False),
        sa.Column("points_hundredths", columns.BigInt, nullable=False),
        sa.Column("subject", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key_a", "key_b", "key_c", name=op.f("pk_marks")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "type_authorisations",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("card_type", sa.Integer(), nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("from_at", columns.Moment(), nullable=False),
        sa.Column("until_at", columns.Moment(), nullable=False),
        sa.Column("cards_max", sa.Integer(), nullable=True),
        sa.Column("remark", sa.String(length=200), nullable=False),
        sa.Column("granted_by", columns.BigInt, nullable=False),
        sa.Column("granted_at", columns.Moment(), nullable=False),
        sa.Column("revoked_by", columns.BigInt, nullable=False),
        sa.Column("revoked_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_type_authorisations")),
    )
    with op.batch_alter_table("type_authorisations", schema=None) as batch_op:
        batch_op.create_index("ix_type_authorisations_user", ["user_id", "card_type"], unique=False)

    op.create_table(
        "authorisation_uses",
        sa.Column("document_id", columns.BigInt, nullable=False),
        sa.Column("authorisation_id", columns.BigInt, nullable=False),
        sa.Column("card_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["authorisation_id"],
            ["type_authorisations.id"],
            name=op.f("fk_authorisation_uses_authorisation_id_type_authorisations"),
        ),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_authorisation_uses_document_id_documents")
        ),
        sa.PrimaryKeyConstraint("document_id", "authorisation_id", name=op.f("pk_authorisation_uses")),
    )
    with op.batch_alter_table("authorisation_uses", schema=None) as batch_op:
        batch_op.create_index("ix_authorisation_uses_authorisation", ["authorisation_id"], unique=False)

    with op.batch_alter_table("cards", schema=None) as batch_op:
        batch_op.create_index(
            "ix_cards_stock", ["card_type", "status", "custody_store_id", "issuing_organisation_id"], unique=False
        )

    with op.batch_alter_table("document_steps", schema=None) as batch_op:
        batch_op.add_column(sa.Column("fee_minor", columns.BigInt, nullable=False, server_default="0"))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("document_steps", schema=None) as batch_op:
        batch_op.drop_column("fee_minor")

    with op.batch_alter_table("cards", schema=None) as batch_op:
        batch_op.drop_index("ix_cards_stock")

    with op.batch_alter_table("authorisation_uses", schema=None) as batch_op:
        batch_op.drop_index("ix_authorisation_uses_authorisation")

    op.drop_table("authorisation_uses")
    with op.batch_alter_table("type_authorisations", schema=None) as batch_op:
        batch_op.drop_index("ix_type_authorisations_user")

    op.drop_table("type_authorisations")
    op.drop_table("marks")
