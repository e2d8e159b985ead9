"""Campaigns that were loaded for reports become campaigns like those that operators make.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin import database as columns

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WHO = ("campaign_targets", "campaign_redemptions")
_facts = sa.table(
    "campaign_facts", *(sa.column(n) for n in ["campaign_id", "name", "type", "start_date", "end_date", "cost_minor"])
)
_campaigns = sa.table(
    "campaigns",
    *(sa.column(name) for name in ("id", "code", "name", "type", "from_date", "until_date", "store_ids", "audience")),
    *(sa.column(name) for name in ("target", "segment", "ruleset", "message", "cost_minor", "stopped_date")),
    *(sa.column(name) for name in ("organisation_id", "maker_id", "made_at")),
)


def upgrade() -> None:
    """Apply."""
    for name, length in (("code", 20), ("type", 80), ("audience", 12)):
        op.add_column("campaigns", sa.Column(name, sa.String(length=length), nullable=False, server_default=""))
    op.add_column("campaigns", sa.Column("cost_minor", columns.BigInt, nullable=False, server_default="0"))
    op.add_column("campaigns", sa.Column("stopped_date", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE campaigns SET stopped_date = until_date WHERE is_stopped")
    op.execute("UPDATE campaigns SET audience = CASE WHEN segment > 0 THEN 'segment' ELSE 'everybody' END")
    op.drop_column("campaigns", "is_stopped")
    condition = sa.text("code != ''")
    op.create_index(
        "ix_campaigns_code", "campaigns", ["code"], unique=True, sqlite_where=condition, postgresql_where=condition
    )

    connection = op.get_bind()
    now_ms = "CAST(strftime('%s', 'now') AS INTEGER) * 1000"
    if connection.dialect.name == "postgresql":
        now_ms = "CAST(extract(epoch from now()) * 1000 AS BIGINT)"
    # Numbers of the rows that are carried over are others: first out of the way, below 0, then to the new ones.
    for table in WHO:
        op.execute(f"UPDATE {table} SET campaign_id = -campaign_id")
    for fact in connection.execute(sa.select(_facts).order_by(_facts.c.campaign_id)).all():
        number = connection.execute(
            sa.insert(_campaigns)
            .values(
                code=str(fact.campaign_id),
                name=fact.name,
                type=fact.type,
                from_date=fact.start_date,
                until_date=fact.end_date,
                cost_minor=fact.cost_minor,
                audience="list",
                **dict.fromkeys(("store_ids", "target", "message"), ""),
                **dict.fromkeys(("segment", "ruleset", "stopped_date", "organisation_id", "maker_id"), 0),
                made_at=sa.text(now_ms),
            )
            .returning(_campaigns.c.id)
        ).scalar_one()
        for table in WHO:
            of_it = sa.table(table, sa.column("campaign_id"))
            moved = sa.update(of_it).where(of_it.c.campaign_id == -fact.campaign_id).values(campaign_id=number)
            connection.execute(moved)
    for table in WHO:
        op.execute(f"DELETE FROM {table} WHERE campaign_id < 0")
    op.drop_table("campaign_facts")


def downgrade() -> None:
    """Take back; campaigns with a number for a code go back to where they were loaded."""
    op.create_table(
        "campaign_facts",
        sa.Column("campaign_id", columns.BigInt, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("start_date", sa.Integer(), nullable=False),
        sa.Column("end_date", sa.Integer(), nullable=False),
        sa.Column("cost_minor", columns.BigInt, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_campaign_facts")),
    )
    connection = op.get_bind()
    for table in WHO:
        op.execute(f"UPDATE {table} SET campaign_id = -campaign_id")
    query = sa.select(_campaigns).where(_campaigns.c.audience == "list", _campaigns.c.maker_id == 0)
    for row in connection.execute(query).all():
        if not row.code.isdecimal():
            continue
        kept = {"name": row.name, "type": row.type, "start_date": row.from_date, "end_date": row.until_date}
        connection.execute(sa.insert(_facts).values(campaign_id=int(row.code), cost_minor=row.cost_minor, **kept))
        connection.execute(sa.delete(_campaigns).where(_campaigns.c.id == row.id))
        for table in WHO:
            of_it = sa.table(table, sa.column("campaign_id"))
            connection.execute(sa.update(of_it).where(of_it.c.campaign_id == -row.id).values(campaign_id=int(row.code)))
    for table in WHO:
        op.execute(f"DELETE FROM {table} WHERE campaign_id < 0")
    op.drop_index("ix_campaigns_code", "campaigns")
    op.add_column("campaigns", sa.Column("is_stopped", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(
        sa.update(sa.table("campaigns", sa.column("is_stopped"), sa.column("stopped_date")))
        .where(sa.column("stopped_date") != 0)
        .values(is_stopped=True)
    )
    for name in ("code", "type", "audience", "cost_minor", "stopped_date"):
        op.drop_column("campaigns", name)
