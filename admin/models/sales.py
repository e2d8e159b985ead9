"""What was bought: purchases and what they were taken back by, their bill lines; facts about goods and customers.

`baskets` and `bill_lines` are filled by the follower, in the same transaction
as the entries that they come from.  The other tables are filled by
`cardswitch admin load-facts`.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from admin.database import BigInt, UnsignedBig

from .base import metadata

LINE_BITS = 8
"""A bill has at most 255 lines."""
NAME_CHARACTERS_MAX = 80

baskets = Table(
    "baskets",
    metadata,
    Column("sequence", BigInt, primary_key=True, autoincrement=False),  # of the entry
    Column("original_sequence", BigInt, nullable=False),  # of the purchase that is taken back; 0: this is a purchase
    Column("business_date", Integer, nullable=False),
    Column("time_ms", BigInt, nullable=False),
    Column("terminal_id", BigInt, nullable=False),
    Column("store_id", BigInt, nullable=False),
    Column("trace_number", BigInt, nullable=False),
    Column("type", Integer, nullable=False),  # MessageType: debit, capture, reversal, refund
    Column("card_number", UnsignedBig, nullable=False),
    Column("account_number", UnsignedBig, nullable=False),  # the customer: cards that share an account are one
    Column("visits", Integer, nullable=False),  # 1: a purchase; -1: it is undone; 0: a part is given back
    Column("line_count", Integer, nullable=False),
    Column("amount_minor", BigInt, nullable=False),  # the entry's; below 0 when taken back
    Column("discount_minor", BigInt, nullable=False),
    Column("issuing_organisation_id", BigInt, nullable=False),
    Column("accepting_organisation_id", BigInt, nullable=False),
    Index("ix_baskets_date", "business_date"),
    Index("ix_baskets_account", "account_number", "sequence"),
)
"""Approved purchases, and with a minus what reversals and refunds took back, on the date when they did: all sums are
those of the ledger."""

bill_lines = Table(
    "bill_lines",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False),  # sequence << LINE_BITS | line
    Column("item", UnsignedBig, nullable=False),  # 0: the bill came without lines
    Column("amount_minor", BigInt, nullable=False),  # before the switch's discount
    Column("quantity_milli", BigInt, nullable=False),
    Column("department", Integer, nullable=False),
    Column("category", Integer, nullable=False),
)
"""Lines of the baskets.  A bill without lines has one about nothing, so that sums over lines are sums over bills."""

fees = Table(
    "fees",
    metadata,
    Column("sequence", BigInt, primary_key=True, autoincrement=False),  # of the entry
    Column("business_date", Integer, nullable=False),
    Column("store_id", BigInt, nullable=False),
    Column("operation", Integer, nullable=False),  # CardOperation
    Column("kind", Integer, nullable=False),  # FeeKind
    Column("tender", Integer, nullable=False),  # FeeTender
    Column("card_count", Integer, nullable=False),
    Column("fee_minor", BigInt, nullable=False),  # taken; 0 when waived
    Column("issuing_organisation_id", BigInt, nullable=False),
    Column("accepting_organisation_id", BigInt, nullable=False),
)
"""Card operations for which a fee was taken or waived."""

close_totals = Table(
    "close_totals",
    metadata,
    Column("terminal_id", BigInt, primary_key=True, autoincrement=False),
    Column("closed_date", Integer, primary_key=True, autoincrement=False),
    Column("type", Integer, primary_key=True, autoincrement=False),  # MessageType
    Column("till_count", BigInt, nullable=False),  # approved requests, as the till counted them
    Column("till_minor", BigInt, nullable=False),
    Column("switch_count", BigInt, nullable=False),
    Column("switch_minor", BigInt, nullable=False),
)
"""What a till and the switch had counted at the last close of a business date, by type of request."""

goods_names = Table(
    "goods_names",
    metadata,
    Column("kind", String(20), primary_key=True),  # department, category
    Column("number", BigInt, primary_key=True, autoincrement=False),
    Column("name", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("parent", BigInt, nullable=False, default=0),  # department of a category; 0: none
)
"""What the shop's numbers of goods mean: the tree of product classes."""

member_facts = Table(
    "member_facts",
    metadata,
    Column("account_number", UnsignedBig, primary_key=True, autoincrement=False),
    Column("member", BigInt, nullable=False),  # member or household number; orders customers that are otherwise equal
    *(
        Column(name, String(NAME_CHARACTERS_MAX), nullable=False)  # empty: not known
        for name in (
            "age",
            "income",
            "home_ownership",
            "marital_status",
            "household_size",
            "household_comp",
            "kids_count",
        )
    ),
    Column("has_profile", Integer, nullable=False),  # 0: nothing at all is known
)
"""What is known of customers, as far as reports need it."""
