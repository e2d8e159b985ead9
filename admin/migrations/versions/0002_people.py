"""Daily totals; users, roles, sessions, and the audit log, which nobody may change.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "daily_totals",
        sa.Column("business_date", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("store_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("issuing_organisation_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("accepting_organisation_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("type", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Integer(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, columns.BigInt, nullable=False)
            for name in (
                "entry_count",
                "amount_minor",
                "due_minor",
                "discount_minor",
                "recharged_minor",
                "value_minor",
                "points_hundredths",
            )
        ),
        sa.PrimaryKeyConstraint(
            "business_date",
            "store_id",
            "issuing_organisation_id",
            "accepting_organisation_id",
            "type",
            "code",
            name=op.f("pk_daily_totals"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("time", columns.Moment(), nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.Column("user_name", sa.String(length=40), nullable=False),
        sa.Column("address", sa.String(length=60), nullable=False),
        sa.Column("module", sa.String(length=40), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("object", sa.String(length=80), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("row_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_module", "audit", ["module", "id"], unique=False)
    op.create_index("ix_audit_object", "audit", ["object", "id"], unique=False)
    op.create_index("ix_audit_user", "audit", ["user_id", "id"], unique=False)
    op.create_table(
        "departments",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_departments")),
        sa.UniqueConstraint("organisation_id", "name", name=op.f("uq_departments_organisation_id")),
    )
    op.create_table(
        "setup_tokens",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("ends_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_setup_tokens")),
    )
    op.create_table(
        "users",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("full_name", sa.String(length=80), nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("department_id", columns.BigInt, nullable=True),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", columns.Moment(), nullable=True),
        sa.Column("totp_sealed", sa.LargeBinary(length=200), nullable=True),
        sa.Column("totp_step", columns.BigInt, nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("last_login_at", columns.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name=op.f("fk_users_department_id_departments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "role_assignments",
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("given_by", columns.BigInt, nullable=False),
        sa.Column("given_at", columns.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["given_by"], ["users.id"], name=op.f("fk_role_assignments_given_by_users")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_role_assignments_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", "role", name=op.f("pk_role_assignments")),
    )
    op.create_index("ix_role_assignments_role", "role_assignments", ["role"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", columns.BigInt, nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("seen_at", columns.Moment(), nullable=False),
        sa.Column("ends_at", columns.Moment(), nullable=False),
        sa.Column("stepped_up_until", columns.Moment(), nullable=True),
        sa.Column("address", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_refuses_{act.lower()} BEFORE {act} ON audit"
                f" BEGIN SELECT RAISE(ABORT, 'audit rows are never changed or removed'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS $$"
            " BEGIN RAISE EXCEPTION 'audit rows are never changed or removed'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_refuses BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION audit_refuses()"
        )


def downgrade() -> None:
    """Take back."""
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP TRIGGER audit_refuses ON audit")
        op.execute("DROP FUNCTION audit_refuses()")
    op.drop_table("sessions")
    op.drop_table("role_assignments")
    op.drop_table("users")
    op.drop_table("setup_tokens")
    op.drop_table("departments")
    op.drop_table("audit")
    op.drop_table("daily_totals")
