"""Short messages.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "incoming_messages",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("gateway_id", sa.String(length=80), nullable=False),
        sa.Column("phone_sealed", sa.LargeBinary(length=400), nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=True),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("came_at", columns.Moment(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("is_stop", sa.Boolean(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("handled_at", columns.Moment(), nullable=True),
        sa.Column("handled_by", columns.BigInt, nullable=False),
        sa.Column("contact_id", columns.BigInt, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incoming_messages")),
        sa.UniqueConstraint("gateway_id", name=op.f("uq_incoming_messages_gateway_id")),
    )
    op.create_index("ix_incoming_messages_member", "incoming_messages", ["member_id", "id"], unique=False)
    op.create_index("ix_incoming_messages_open", "incoming_messages", ["is_open", "id"], unique=False)

    op.create_table(
        "member_wishes",
        sa.Column("member_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("willing", sa.Integer(), nullable=False),
        sa.Column("wants_purchases", sa.Boolean(), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("from_minute", sa.Integer(), nullable=False),
        sa.Column("until_minute", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("changed_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_member_wishes")),
    )
    op.create_index(op.f("ix_member_wishes_wants_purchases"), "member_wishes", ["wants_purchases"], unique=False)

    op.create_table(
        "message_positions",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("position", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_message_positions")),
    )
    op.create_table(
        "message_sendings",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("maker_id", columns.BigInt, nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("audience", sa.String(length=12), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("campaign_id", columns.BigInt, nullable=True),
        sa.Column("send_at", columns.Moment(), nullable=False),
        sa.Column("by_channel", sa.Boolean(), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("position", columns.BigInt, nullable=False),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("skipped_count", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=200), nullable=False),
        sa.Column("ended_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_sendings")),
    )
    op.create_index(op.f("ix_message_sendings_campaign_id"), "message_sendings", ["campaign_id"], unique=False)
    op.create_index("ix_message_sendings_organisation", "message_sendings", ["organisation_id", "id"], unique=False)
    op.create_index("ix_message_sendings_stage", "message_sendings", ["stage", "id"], unique=False)

    op.create_table(
        "message_templates",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("is_offered", sa.Boolean(), nullable=False),
        sa.Column("changed_at", columns.Moment(), nullable=False),
        sa.Column("changed_by", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_templates")),
    )
    op.create_table(
        "message_words",
        sa.Column("word", sa.String(length=40), nullable=False),
        sa.Column("added_at", columns.Moment(), nullable=False),
        sa.Column("added_by", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("word", name=op.f("pk_message_words")),
    )
    op.create_table(
        "message_gateways",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("address", sa.String(length=400), nullable=False),
        sa.Column("token_sealed", sa.LargeBinary(length=400), nullable=True),
        sa.Column("secret_sealed", sa.LargeBinary(length=400), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("signature", sa.String(length=20), nullable=False),
        sa.Column("per_second", sa.Integer(), nullable=False),
        sa.Column("purchase_template_id", columns.BigInt, nullable=True),
        sa.Column("problem", sa.String(length=200), nullable=False),
        sa.Column("heard_at", columns.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["purchase_template_id"],
            ["message_templates.id"],
            name=op.f("fk_message_gateways_purchase_template_id_message_templates"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_gateways")),
    )
    op.create_table(
        "message_skips",
        sa.Column("sending_id", columns.BigInt, nullable=False),
        sa.Column("member_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(length=12), nullable=False),
        sa.Column("detail", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["sending_id"], ["message_sendings.id"], name=op.f("fk_message_skips_sending_id_message_sendings")
        ),
        sa.PrimaryKeyConstraint("sending_id", "member_id", name=op.f("pk_message_skips")),
    )
    op.create_table(
        "short_messages",
        sa.Column("id", columns.BigInt, nullable=False),
        sa.Column("reference", sa.String(length=32), nullable=False),
        sa.Column("source_key", sa.String(length=60), nullable=False),
        sa.Column("sending_id", columns.BigInt, nullable=True),
        sa.Column("source", sa.String(length=12), nullable=False),
        sa.Column("member_id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("phone_sealed", sa.LargeBinary(length=400), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("part_count", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("send_at", columns.Moment(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("next_at", columns.Moment(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=200), nullable=False),
        sa.Column("gateway_id", sa.String(length=80), nullable=False),
        sa.Column("made_at", columns.Moment(), nullable=False),
        sa.Column("sent_at", columns.Moment(), nullable=True),
        sa.Column("ended_at", columns.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["sending_id"], ["message_sendings.id"], name=op.f("fk_short_messages_sending_id_message_sendings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_short_messages")),
        sa.UniqueConstraint("reference", name=op.f("uq_short_messages_reference")),
        sa.UniqueConstraint("source_key", name=op.f("uq_short_messages_source_key")),
    )
    op.create_index("ix_short_messages_day", "short_messages", ["day", "id"], unique=False)
    op.create_index("ix_short_messages_day_state", "short_messages", ["day", "state", "id"], unique=False)
    op.create_index("ix_short_messages_due", "short_messages", ["state", "next_at"], unique=False)
    op.create_index("ix_short_messages_member", "short_messages", ["member_id", "id"], unique=False)
    op.create_index("ix_short_messages_sending", "short_messages", ["sending_id", "id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_short_messages_sending", table_name="short_messages")
    op.drop_index("ix_short_messages_member", table_name="short_messages")
    op.drop_index("ix_short_messages_due", table_name="short_messages")
    op.drop_index("ix_short_messages_day_state", table_name="short_messages")
    op.drop_index("ix_short_messages_day", table_name="short_messages")

    op.drop_table("short_messages")
    op.drop_table("message_skips")
    op.drop_table("message_gateways")
    op.drop_table("message_words")
    op.drop_table("message_templates")
    op.drop_index("ix_message_sendings_stage", table_name="message_sendings")
    op.drop_index("ix_message_sendings_organisation", table_name="message_sendings")
    op.drop_index(op.f("ix_message_sendings_campaign_id"), table_name="message_sendings")

    op.drop_table("message_sendings")
    op.drop_table("message_positions")
    op.drop_index(op.f("ix_member_wishes_wants_purchases"), table_name="member_wishes")

    op.drop_table("member_wishes")
    op.drop_index("ix_incoming_messages_open", table_name="incoming_messages")
    op.drop_index("ix_incoming_messages_member", table_name="incoming_messages")

    op.drop_table("incoming_messages")
