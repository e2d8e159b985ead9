"""Tables that the follower fills.

Revision ID: 0001
Revises: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "accounts",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("business_date", columns.BigInt, nullable=False),
        sa.Column("account_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("balance_minor", columns.BigInt, nullable=False),
        sa.Column("held_minor", columns.BigInt, nullable=False),
        sa.Column("points_hundredths", columns.BigInt, nullable=False),
        sa.Column("day_debit_minor", columns.BigInt, nullable=False),
        sa.Column("day_points_hundredths", columns.BigInt, nullable=False),
        sa.Column("day_recharge_minor", columns.BigInt, nullable=False),
        sa.Column("day_debit_count", columns.BigInt, nullable=False),
        sa.Column("day_recharge_count", sa.Integer(), nullable=False),
        sa.Column("day_auto_count", sa.Integer(), nullable=False),
        sa.Column("auto_month", columns.BigInt, nullable=False),
        sa.Column("hold_slots", columns.BigInt, nullable=False),
        sa.Column("pending_categories", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("pending_from_date", columns.BigInt, nullable=False),
        sa.Column("pending_count", columns.BigInt, nullable=False),
        sa.Column("segments", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("member", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("account_number", name=op.f("pk_accounts")),
    )
    op.create_index("ix_accounts_member", "accounts", ["member"], unique=False)
    op.create_table(
        "alarms",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("alarm", sa.Integer(), nullable=False),
        sa.Column("operator_id", columns.BigInt, nullable=False),
        sa.Column("sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_b", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("card_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("medium", sa.Integer(), nullable=False),
        sa.Column("medium_id", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("first_terminal_id", columns.BigInt, nullable=False),
        sa.Column("first_store_id", columns.BigInt, nullable=False),
        sa.Column("first_ms", columns.BigInt, nullable=False),
        sa.Column("first_counter", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("second_terminal_id", columns.BigInt, nullable=False),
        sa.Column("second_store_id", columns.BigInt, nullable=False),
        sa.Column("second_ms", columns.BigInt, nullable=False),
        sa.Column("second_counter", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "key_b", "key_c", name=op.f("pk_alarms")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_alarms_state", "alarms", ["state", "sequence"], unique=False)
    op.create_table(
        "card_limits",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("business_date", columns.BigInt, nullable=False),
        sa.Column("card_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_b", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("single_minor_max", columns.BigInt, nullable=False),
        sa.Column("daily_minor_max", columns.BigInt, nullable=False),
        sa.Column("recharge_day_minor_max", columns.BigInt, nullable=False),
        sa.Column("ceiling_minor", columns.BigInt, nullable=False),
        sa.Column("daily_count_max", columns.BigInt, nullable=False),
        sa.Column("recharge_count_max", columns.BigInt, nullable=False),
        sa.Column("day_debit_minor", columns.BigInt, nullable=False),
        sa.Column("day_recharge_minor", columns.BigInt, nullable=False),
        sa.Column("day_debit_count", columns.BigInt, nullable=False),
        sa.Column("day_recharge_count", columns.BigInt, nullable=False),
        sa.Column("since_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("card_number", "key_b", "key_c", name=op.f("pk_card_limits")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "card_types",
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("from_date", columns.BigInt, nullable=False),
        sa.Column("key", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("flags", columns.BigInt, nullable=False),
        sa.Column("medium", sa.Integer(), nullable=False),
        sa.Column("relation", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("auto_mode", sa.Integer(), nullable=False),
        sa.Column("functions", sa.Integer(), nullable=False),
        sa.Column("validity_days", sa.Integer(), nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("stores_organisation_id", columns.BigInt, nullable=False),
        sa.Column("daily_count_max", columns.BigInt, nullable=False),
        sa.Column("recharge_count_max", columns.BigInt, nullable=False),
        sa.Column("discount_bp", sa.Integer(), nullable=False),
        sa.Column("price_class", sa.Integer(), nullable=False),
        sa.Column("points_percent", columns.BigInt, nullable=False),
        sa.Column("points_per_unit", columns.BigInt, nullable=False),
        sa.Column("single_minor_max", columns.BigInt, nullable=False),
        sa.Column("daily_minor_max", columns.BigInt, nullable=False),
        sa.Column("daily_points_max_hundredths", columns.BigInt, nullable=False),
        sa.Column("recharge_day_minor_max", columns.BigInt, nullable=False),
        sa.Column("ceiling_minor", columns.BigInt, nullable=False),
        sa.Column("face_minor_min", columns.BigInt, nullable=False),
        sa.Column("face_minor_max", columns.BigInt, nullable=False),
        sa.Column("auto_below_minor", columns.BigInt, nullable=False),
        sa.Column("auto_add_minor", columns.BigInt, nullable=False),
        sa.Column("auto_from_date", columns.BigInt, nullable=False),
        sa.Column("auto_until_date", columns.BigInt, nullable=False),
        sa.Column("auto_count_max", sa.Integer(), nullable=False),
        sa.Column("pin_tries_max", sa.Integer(), nullable=False),
        sa.Column("number_digits", sa.Integer(), nullable=False),
        sa.Column("hold_s_max", columns.BigInt, nullable=False),
        sa.Column("number_prefix", columns.BigInt, nullable=False),
        sa.Column("card_cost_minor", columns.BigInt, nullable=False),
        sa.Column("fees_minor", sa.LargeBinary(length=48), nullable=False),
        sa.Column("fees_from_balance", sa.Integer(), nullable=False),
        sa.Column("fees_waivable", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_card_types")),
    )
    op.create_table(
        "cards",
        sa.Column("card_type", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("kept_status", sa.Integer(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("card_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("account_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("successor_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("opened_date", columns.BigInt, nullable=False),
        sa.Column("issued_date", columns.BigInt, nullable=False),
        sa.Column("activated_date", columns.BigInt, nullable=False),
        sa.Column("expiry_date", columns.BigInt, nullable=False),
        sa.Column("issue_serial", sa.Integer(), nullable=False),
        sa.Column("pin_tries", sa.Integer(), nullable=False),
        sa.Column("relation", sa.Integer(), nullable=False),
        sa.Column("issuing_organisation_id", columns.BigInt, nullable=False),
        sa.Column("frozen_by", columns.BigInt, nullable=False),
        sa.Column("custody_store_id", columns.BigInt, nullable=False),
        sa.Column("document", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("media", sa.Integer(), nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("card_number", name=op.f("pk_cards")),
    )
    op.create_index("ix_cards_account", "cards", ["account_number"], unique=False)
    op.create_index("ix_cards_organisation", "cards", ["issuing_organisation_id", "card_number"], unique=False)
    op.create_table(
        "day_closes",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("attempts", columns.BigInt, nullable=False),
        sa.Column("terminal_id", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("closed_date", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("message_count", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("approved_minor", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("terminal_id", "closed_date", "key_c", name=op.f("pk_day_closes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "entries",
        sa.Column("id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("sequence", columns.BigInt, nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("time_ms", columns.BigInt, nullable=False),
        sa.Column("business_date", sa.Integer(), nullable=False),
        sa.Column("terminal_id", columns.BigInt, nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("type", sa.Integer(), nullable=False),
        sa.Column("operation", sa.Integer(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("trace_number", columns.BigInt, nullable=False),
        sa.Column("card_number", columns.UnsignedBig(), nullable=False),
        sa.Column("account_number", columns.UnsignedBig(), nullable=False),
        sa.Column("amount_minor", columns.BigInt, nullable=False),
        sa.Column("due_minor", columns.BigInt, nullable=False),
        sa.Column("discount_minor", columns.BigInt, nullable=False),
        sa.Column("recharged_minor", columns.BigInt, nullable=False),
        sa.Column("value_minor", columns.BigInt, nullable=False),
        sa.Column("balance_minor", columns.BigInt, nullable=False),
        sa.Column("points_hundredths", columns.BigInt, nullable=False),
        sa.Column("issuing_organisation_id", columns.BigInt, nullable=False),
        sa.Column("accepting_organisation_id", columns.BigInt, nullable=False),
        sa.Column("receipt_code", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
    )
    op.create_index("ix_entries_account", "entries", ["account_number", "id"], unique=False)
    op.create_index("ix_entries_card", "entries", ["card_number", "id"], unique=False)
    op.create_index("ix_entries_store", "entries", ["store_id", "id"], unique=False)
    op.create_table(
        "follower_states",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("durable_position", columns.BigInt, nullable=False),
        sa.Column("heard_ms", columns.BigInt, nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name=op.f("pk_follower_states")),
    )
    op.create_table(
        "gifts",
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("level_min", sa.Integer(), nullable=False),
        sa.Column("category", columns.BigInt, nullable=False),
        sa.Column("gift_id", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("price_hundredths", columns.BigInt, nullable=False),
        sa.Column("from_date", columns.BigInt, nullable=False),
        sa.Column("until_date", columns.BigInt, nullable=False),
        sa.Column("account_max", columns.BigInt, nullable=False),
        sa.Column("stock", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("gift_id", name=op.f("pk_gifts")),
    )
    op.create_table(
        "holds",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("business_date", columns.BigInt, nullable=False),
        sa.Column("account_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("slot", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("hold_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("card_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("amount_minor", columns.BigInt, nullable=False),
        sa.Column("captured_minor", columns.BigInt, nullable=False),
        sa.Column("expires_ms", columns.BigInt, nullable=False),
        sa.Column("terminal_id", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("account_number", "slot", "key_c", name=op.f("pk_holds")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "issuer_keys",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("changed_date", columns.BigInt, nullable=False),
        sa.Column("purpose", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_version", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("check_value", sa.LargeBinary(length=8), nullable=False),
        sa.Column("operator_id", columns.BigInt, nullable=False),
        sa.Column("approver_id", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("purpose", "key_version", "key_c", name=op.f("pk_issuer_keys")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "journal_positions",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", columns.BigInt, nullable=False),
        sa.Column("block_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sequence", columns.BigInt, nullable=False),
        sa.Column("time_ms", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("partition", name=op.f("pk_journal_positions")),
    )
    op.create_table(
        "media",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("fail_hour", columns.BigInt, nullable=False),
        sa.Column("medium", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("medium_id", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("card_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("counter", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("last_terminal_id", columns.BigInt, nullable=False),
        sa.Column("last_ms", columns.BigInt, nullable=False),
        sa.Column("last_store_id", columns.BigInt, nullable=False),
        sa.Column("written_date", columns.BigInt, nullable=False),
        sa.Column("count_10_minutes", sa.Integer(), nullable=False),
        sa.Column("count_60_minutes", sa.Integer(), nullable=False),
        sa.Column("fails", sa.Integer(), nullable=False),
        sa.Column("key_version_held", sa.Integer(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("medium", "medium_id", "key_c", name=op.f("pk_media")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_media_card", "media", ["card_number"], unique=False)
    op.create_table(
        "medium_policies",
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("media", sa.Integer(), nullable=False),
        sa.Column("travel_minutes", columns.BigInt, nullable=False),
        sa.Column("code", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("velocity_10_minutes_max", sa.Integer(), nullable=False),
        sa.Column("velocity_60_minutes_max", sa.Integer(), nullable=False),
        sa.Column("number_minor_max", columns.BigInt, nullable=False),
        sa.Column("chip_minor_max", columns.BigInt, nullable=False),
        sa.Column("contactless_minor_max", columns.BigInt, nullable=False),
        sa.Column("code_minor_max", columns.BigInt, nullable=False),
        sa.Column("stripe_minor_max", columns.BigInt, nullable=False),
        sa.Column("tag_minor_max", columns.BigInt, nullable=False),
        sa.Column("fallback_minor_max", columns.BigInt, nullable=False),
        sa.Column("number_pin_minor", columns.BigInt, nullable=False),
        sa.Column("chip_pin_minor", columns.BigInt, nullable=False),
        sa.Column("contactless_pin_minor", columns.BigInt, nullable=False),
        sa.Column("code_pin_minor", columns.BigInt, nullable=False),
        sa.Column("stripe_pin_minor", columns.BigInt, nullable=False),
        sa.Column("tag_pin_minor", columns.BigInt, nullable=False),
        sa.Column("operator_id", columns.BigInt, nullable=False),
        sa.Column("approver_id", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_medium_policies")),
    )
    op.create_table(
        "organisations",
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("parent_id", columns.BigInt, nullable=False),
        sa.Column("organisation_id", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_organisations")),
    )
    op.create_table(
        "pending_points",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("account_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("category", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("booking_date", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("amount_hundredths", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("account_number", "category", "booking_date", name=op.f("pk_pending_points")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "points_categories",
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("tender_rate", columns.BigInt, nullable=False),
        sa.Column("category", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("convert_rate", columns.BigInt, nullable=False),
        sa.Column("tender_cap_bp", sa.Integer(), nullable=False),
        sa.Column("convert_lot_minor", columns.BigInt, nullable=False),
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("category", name=op.f("pk_points_categories")),
    )
    op.create_table(
        "prices",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("next_from_date", columns.BigInt, nullable=False),
        sa.Column("item", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("price_class", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("unit_price_minor", columns.BigInt, nullable=False),
        sa.Column("next_unit_price_minor", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("item", "price_class", "key_c", name=op.f("pk_prices")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "purses",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("expiry_date", columns.BigInt, nullable=False),
        sa.Column("account_number", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("purse", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("amount", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("account_number", "purse", "key_c", name=op.f("pk_purses")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rules",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("layer", sa.Integer(), nullable=False),
        sa.Column("rate", columns.BigInt, nullable=False),
        sa.Column("ruleset", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("rule", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("item", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("card_type", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("weekdays", sa.Integer(), nullable=False),
        sa.Column("department", sa.Integer(), nullable=False),
        sa.Column("category", sa.Integer(), nullable=False),
        sa.Column("brand", sa.Integer(), nullable=False),
        sa.Column("settlements", sa.Integer(), nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("terminal_id", columns.BigInt, nullable=False),
        sa.Column("from_date", columns.BigInt, nullable=False),
        sa.Column("until_date", columns.BigInt, nullable=False),
        sa.Column("from_minute", sa.Integer(), nullable=False),
        sa.Column("until_minute", sa.Integer(), nullable=False),
        sa.Column("segments", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("bill_minor_min", columns.BigInt, nullable=False),
        sa.Column("unit_price_minor", columns.BigInt, nullable=False),
        sa.Column("action", sa.Integer(), nullable=False),
        sa.Column("points_category", sa.Integer(), nullable=False),
        sa.Column("booking_days", sa.Integer(), nullable=False),
        sa.Column("priority", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("ruleset", "rule", "key_c", name=op.f("pk_rules")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rulesets",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("from_date", columns.BigInt, nullable=False),
        sa.Column("ruleset", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("rule_count", columns.BigInt, nullable=False),
        sa.Column("author", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("ruleset", name=op.f("pk_rulesets")),
    )
    op.create_table(
        "stores",
        sa.Column("round_off_minor", sa.Integer(), nullable=False),
        sa.Column("organisation_id", columns.BigInt, nullable=False),
        sa.Column("store_id", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("store_id", name=op.f("pk_stores")),
    )
    op.create_table(
        "switches",
        sa.Column("mode", sa.Integer(), nullable=False),
        sa.Column("cut_over_minutes", sa.Integer(), nullable=False),
        sa.Column("partition", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("timezone", sa.String(length=32), nullable=False),
        sa.Column("business_date", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("partition", name=op.f("pk_switches")),
    )
    op.create_table(
        "terminals",
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("rights", sa.Integer(), nullable=False),
        sa.Column("store_id", columns.BigInt, nullable=False),
        sa.Column("terminal_id", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("storage_version", sa.Integer(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("fails", sa.Integer(), nullable=False),
        sa.Column("fail_hour", columns.BigInt, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("terminal_id", name=op.f("pk_terminals")),
    )
    op.create_table(
        "travel_times",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("minutes", columns.BigInt, nullable=False),
        sa.Column("store_id", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("other_store_id", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("key_c", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("store_id", "other_store_id", "key_c", name=op.f("pk_travel_times")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "type_states",
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("author", columns.BigInt, nullable=False),
        sa.Column("code", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.Column("last_sequence", columns.UnsignedBig(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_type_states")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("type_states")
    op.drop_table("travel_times")
    op.drop_table("terminals")
    op.drop_table("switches")
    op.drop_table("stores")
    op.drop_table("rulesets")
    op.drop_table("rules")
    op.drop_table("purses")
    op.drop_table("prices")
    op.drop_table("points_categories")
    op.drop_table("pending_points")
    op.drop_table("organisations")
    op.drop_table("medium_policies")
    op.drop_table("media")
    op.drop_table("journal_positions")
    op.drop_table("issuer_keys")
    op.drop_table("holds")
    op.drop_table("gifts")
    op.drop_table("follower_states")
    op.drop_table("entries")
    op.drop_table("day_closes")
    op.drop_table("cards")
    op.drop_table("card_types")
    op.drop_table("card_limits")
    op.drop_table("alarms")
    op.drop_table("accounts")
