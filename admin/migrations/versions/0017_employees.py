"""Employees.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "employees",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("full_name", sa.String(length=80), nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("department_id", columns.BigInt, nullable=True),
        sa.Column("position", sa.String(length=60), nullable=False),
        sa.Column("phone_sealed", sa.LargeBinary(length=200), nullable=True),
        sa.Column("hired_date", sa.Integer(), nullable=False),
        sa.Column("left_date", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=True),
        sa.Column("changed_at", columns.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name=op.f("fk_employees_department_id_departments")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_employees_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_employees")),
        sa.UniqueConstraint("number", name=op.f("uq_employees_number")),
        sa.UniqueConstraint("user_id", name=op.f("uq_employees_user_id")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("employees")
