"""Faces of visual cards and their promotions.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "card_faces",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("card_type", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("author_id", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("checker_id", columns.BigInt, nullable=False),
        sa.Column("approved_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_faces")),
    )
    op.create_index("ix_card_faces_type", "card_faces", ["card_type", "version"], unique=True)
    op.create_table(
        "card_promotions",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("text", sa.String(length=60), nullable=False),
        sa.Column("group_id", columns.BigInt, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("card_type", sa.Integer(), nullable=False),
        sa.Column("from_date", sa.Integer(), nullable=False),
        sa.Column("until_date", sa.Integer(), nullable=False),
        sa.Column("maker_id", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_promotions")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("card_promotions")
    op.drop_index("ix_card_faces_type", "card_faces")
    op.drop_table("card_faces")
