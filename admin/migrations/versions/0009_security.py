"""Rules for abnormal transactions and what they found, key files to hand out, the key desk.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "abnormal_rules",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("pattern", sa.String(length=20), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("count_min", columns.BigInt, nullable=False),
        sa.Column("amount_minor", columns.BigInt, nullable=False),
        sa.Column("minutes", columns.BigInt, nullable=False),
        sa.Column("from_minute", sa.Integer(), nullable=False),
        sa.Column("until_minute", sa.Integer(), nullable=False),
        sa.Column("made_by", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_abnormal_rules")),
    )
    op.create_table(
        "key_desk_states",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("heard_ms", columns.BigInt, nullable=False),
        sa.Column("problem", sa.String(length=400), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name=op.f("pk_key_desk_states")),
    )
    op.create_table(
        "terminal_activities",
        sa.Column("terminal_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("last_sequence", columns.BigInt, nullable=False),
        sa.Column("last_ms", columns.BigInt, nullable=False),
        sa.Column("entry_count", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("terminal_id", name=op.f("pk_terminal_activities")),
    )
    op.create_table(
        "watch_positions",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("partition", name=op.f("pk_watch_positions")),
    )
    op.create_table(
        "abnormal",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("rule_id", columns.BigInt, nullable=False),
        sa.Column("subject", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("sequence", columns.BigInt, nullable=False),
        sa.Column("time_ms", columns.BigInt, nullable=False),
        sa.Column("business_date", sa.Integer(), nullable=False),
        sa.Column("card_number", columns.UnsignedBig(), nullable=False),
        sa.Column("terminal_id", columns.BigInt, nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("other_store_id", columns.BigInt, nullable=False),
        sa.Column("amount_minor", columns.BigInt, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("handled_by", columns.BigInt, nullable=False),
        sa.Column("handled_at", columns.Moment(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["rule_id"], ["abnormal_rules.id"], name=op.f("fk_abnormal_rule_id_abnormal_rules")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_abnormal")),
        sa.UniqueConstraint("rule_id", "subject", name=op.f("uq_abnormal_rule_id")),
    )
    with op.batch_alter_table("abnormal", schema=None) as batch_op:
        batch_op.create_index("ix_abnormal_card", ["card_number", "id"], unique=False)
        batch_op.create_index("ix_abnormal_state", ["state", "id"], unique=False)

    op.create_table(
        "terminal_key_files",
        sa.Column("terminal_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("document_id", columns.BigInt, nullable=False),
        sa.Column("maker_id", columns.BigInt, nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_terminal_key_files_document_id_documents")
        ),
        sa.PrimaryKeyConstraint("terminal_id", name=op.f("pk_terminal_key_files")),
    )
    op.add_column("document_steps", sa.Column("note", sa.String(length=400), nullable=False, server_default=""))
    with op.batch_alter_table("alarms", schema=None) as batch_op:
        batch_op.create_index("ix_alarms_change", ["last_sequence"], unique=False)

    with op.batch_alter_table("cards", schema=None) as batch_op:
        batch_op.create_index(
            "ix_cards_blacklisted",
            ["card_number"],
            unique=False,
            sqlite_where=sa.text("(flags & 1) != 0"),
            postgresql_where=sa.text("(flags & 1) != 0"),
        )

    with op.batch_alter_table("day_closes", schema=None) as batch_op:
        batch_op.create_index("ix_day_closes_date", ["closed_date"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("day_closes", schema=None) as batch_op:
        batch_op.drop_index("ix_day_closes_date")

    with op.batch_alter_table("cards", schema=None) as batch_op:
        batch_op.drop_index("ix_cards_blacklisted")

    with op.batch_alter_table("alarms", schema=None) as batch_op:
        batch_op.drop_index("ix_alarms_change")

    with op.batch_alter_table("document_steps", schema=None) as batch_op:
        batch_op.drop_column("note")
    op.drop_table("terminal_key_files")
    with op.batch_alter_table("abnormal", schema=None) as batch_op:
        batch_op.drop_index("ix_abnormal_state")
        batch_op.drop_index("ix_abnormal_card")

    op.drop_table("abnormal")
    op.drop_table("watch_positions")
    op.drop_table("terminal_activities")
    op.drop_table("key_desk_states")
    op.drop_table("abnormal_rules")
