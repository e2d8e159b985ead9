"""The product file; a category of goods belongs to a department.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "products",
        sa.Column("item", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("specification", sa.String(length=80), nullable=False),
        sa.Column("unit", sa.String(length=20), nullable=False),
        sa.Column("department", sa.Integer(), nullable=False),
        sa.Column("category", sa.Integer(), nullable=False),
        sa.Column("is_discontinued", sa.Boolean(), nullable=False),
        sa.Column("made_by", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("item", name=op.f("pk_products")),
    )
    op.create_index("ix_products_code", "products", ["code"], unique=True)
    op.create_index("ix_products_class", "products", ["department", "category", "code"])
    op.add_column("goods_names", sa.Column("parent", columns.BigInt, nullable=False, server_default="0"))


def downgrade() -> None:
    """Take back."""
    op.drop_column("goods_names", "parent")
    op.drop_index("ix_products_class", "products")
    op.drop_index("ix_products_code", "products")
    op.drop_table("products")
