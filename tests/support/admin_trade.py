"""Two regions that have traded, as the follower would have written it: what reports read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, String, Table, insert

from admin.models.campaigns import Campaign, campaign_redemptions, campaign_targets
from admin.models.journal import daily_totals, entries
from admin.models.sales import baskets, bill_lines, fees, goods_names, member_facts
from switch.protocol.messages import AlarmKind, MessageType
from switch.protocol.records import AlarmRecord, CardTypeRecord, OrganisationRecord
from tests.support.admin_office import (
    HQ,
    NORTH,
    NORTH_CARD,
    NORTH_STORE,
    SOUTH,
    SOUTH_CARD,
    SOUTH_STORE,
    Office,
)

POINTS = 300
"""Of each purchase, in hundredths."""
DAY = 20_454
"""2026-01-01."""
NORTH_SPENT, SOUTH_SPENT, GUEST_SPENT = 10_000, 700, 55
"""Of the northern card at home, of the southern one at home, of the southern one in the north."""
EVIL = "=HYPERLINK(1)"


def put(connection: Connection, table: Table, **values: Any) -> None:
    """A row; 0 or nothing where nothing is said."""
    nothing = {column.name: "" if isinstance(column.type, String) else 0 for column in table.columns}
    connection.execute(insert(table).values(nothing | values))


def buy(
    connection: Connection, sequence: int, card: int, store: int, amount: int, *, date: int = DAY, issuer: int = 0
) -> None:
    """A debit as the follower writes it: entry, sums, basket and a line."""
    common = {
        "business_date": date,
        "store_id": store,
        "issuing_organisation_id": issuer or store,
        "accepting_organisation_id": store,
    }
    entry = {"sequence": sequence, "card_number": card, "account_number": card, "amount_minor": amount, **common}
    entry |= {"type": MessageType.DEBIT, "terminal_id": store * 1000, "time_ms": date * 86_400_000}
    put(connection, entries, id=sequence << 10, value_minor=-amount, due_minor=amount, **entry)
    put(connection, baskets, visits=1, line_count=1, **entry)
    line = {"id": sequence << 8, "item": 5, "department": 7, "category": 8}
    put(connection, bill_lines, amount_minor=amount, **line)
    sums = {"type": MessageType.DEBIT, "entry_count": 1, "amount_minor": amount, "value_minor": -amount}
    sums |= {"points_hundredths": POINTS}
    put(connection, daily_totals, **(common | sums))


def put_trade(office: Office) -> None:
    """Two regions that have traded: at home, and one card abroad; people who read of it."""
    office.put_two_regions()
    office.put(
        OrganisationRecord(organisation_id=99, node=2, parent_id=HQ, name=EVIL.encode().ljust(40, b"\0")),
        AlarmRecord(
            state=1,
            alarm=AlarmKind.CLONE,
            sequence=9,
            card_number=NORTH_CARD,
            first_store_id=NORTH_STORE,
            second_store_id=SOUTH_STORE,
            second_ms=DAY * 86_400_000,
        ),
        CardTypeRecord(code=1, key=1),
    )
    with office.database.writer.begin() as connection:
        buy(connection, 1, NORTH_CARD, NORTH_STORE, NORTH_SPENT)
        buy(connection, 2, SOUTH_CARD, SOUTH_STORE, SOUTH_SPENT, date=DAY + 70)
        buy(connection, 3, SOUTH_CARD, NORTH_STORE, GUEST_SPENT, date=DAY + 71, issuer=SOUTH_STORE)
        put(connection, goods_names, kind="department", number=7, name=EVIL)
        put(connection, member_facts, account_number=NORTH_CARD, member=4, age="25-34", has_profile=1)
        may = {"code": "5", "name": "May", "from_date": DAY, "until_date": DAY + 9, "audience": "list"}
        may |= {"cost_minor": 100, "organisation_id": 0, "maker_id": 0, "made_at": office.service.now()}
        connection.execute(insert(Campaign).values(**may))
        put(connection, campaign_targets, campaign_id=1, account_number=NORTH_CARD)
        put(connection, campaign_redemptions, campaign_id=1, account_number=NORTH_CARD, redemption_count=2)
        put(connection, fees, sequence=4, business_date=DAY, kind=3, tender=1, card_count=1, fee_minor=30)
    office.add_user("finn", "finance")
    office.add_user("hugo", "hq-supervisor")
    office.add_user("nora", "store-manager", organisation_id=NORTH)
    office.add_user("sam", "store-manager", organisation_id=SOUTH)
