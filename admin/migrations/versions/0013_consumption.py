"""Purchases of members that are typed in by hand, and types of products.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

PRODUCTS = (
    (1, "食品", "Food"),
    (2, "日用品", "Household goods"),
    (3, "服装鞋帽", "Clothing and shoes"),
    (4, "家电数码", "Electronics"),
    (5, "餐饮", "Meals"),
    (6, "服务", "Services"),
    (9, "其他", "Other"),
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "consumptions",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("business_date", sa.Integer(), nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("product_kind", sa.Integer(), nullable=False),
        sa.Column("product", sa.String(length=80), nullable=False),
        sa.Column("quantity_milli", columns.BigInt, nullable=False),
        sa.Column("goods_minor", columns.BigInt, nullable=False),
        sa.Column("service_minor", columns.BigInt, nullable=False),
        sa.Column("delivery_minor", columns.BigInt, nullable=False),
        sa.Column("other_minor", columns.BigInt, nullable=False),
        sa.Column("amount_minor", columns.BigInt, nullable=False),
        sa.Column("seller_id", columns.BigInt, nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("created_by", columns.BigInt, nullable=False),
        sa.Column("changed_at", columns.Moment(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_consumptions_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consumptions")),
    )
    op.create_index("ix_consumptions_member", "consumptions", ["member_id", "business_date"])
    op.create_index("ix_consumptions_date", "consumptions", ["business_date"])
    op.create_index("ix_consumptions_seller", "consumptions", ["seller_id", "business_date"])
    codes = sa.table(
        "member_codes",
        sa.column("table_name", sa.String),
        sa.column("code", sa.Integer),
        sa.column("name_zh", sa.String),
        sa.column("name_en", sa.String),
        sa.column("is_offered", sa.Boolean),
    )
    rows = [
        {"table_name": "product", "code": code, "name_zh": zh, "name_en": en, "is_offered": True}
        for code, zh, en in PRODUCTS
    ]
    op.bulk_insert(codes, rows)


def downgrade() -> None:
    """Take back."""
    op.drop_table("consumptions")
    op.execute("DELETE FROM member_codes WHERE table_name = 'product'")
