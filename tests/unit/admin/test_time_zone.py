"""The wall clock of the stores: pages, files and questions tell and read the time of the switch's zone."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from admin import i18n
from admin.models.authorisations import TypeAuthorisation
from admin.models.interfaces import ParameterValue
from admin.models.people import WHOLE_GROUP
from admin.queries.definition import Definition, address_of
from switch.protocol.records import CardTypeRecord, SwitchRecord
from tests.support.admin_members import add
from tests.support.admin_office import NOON_MS

NOON_AT_STORES = "2026-01-01 20:00:00"
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def shanghai(office):
    """A switch in Shanghai, eight hours before UTC; it is noon in Greenwich."""
    office.put(SwitchRecord(mode=0, partition=0, business_date=20_454, timezone=b"Asia/Shanghai".ljust(32, b"\0")))
    office.add_user("gus", "auditor")
    office.add_user("maria", "administrator", totp=True)
    office.kim = office.add_user("kim", "card-desk")
    office.add_user("hugo", "hq-supervisor")
    return office


def test_a_page_tells_the_time_of_the_stores_and_says_which_zone_it_is(shanghai):
    with shanghai.browser("gus") as gus:
        page = gus.get("/audit").text
    assert NOON_AT_STORES in page and "2026-01-01 12:00:00" not in page
    assert "Times: Asia/Shanghai" in page


@on_sqlite
def test_a_moment_that_is_typed_is_one_of_the_stores(shanghai):
    shanghai.put(CardTypeRecord(code=1, key=1))
    with shanghai.browser("maria") as maria:
        begins = "2026-01-02T08:00"
        maria.post("/parameters/session_minutes", {"value": "30", "begins": begins, "reason": "stocktaking"})
        page = maria.get("/parameters/session_minutes").text
        wanted = {"card_type": "1", "user_id": str(shanghai.kim), "tasks": "1", "remark": "stocktaking"}
        wanted |= {"from_date": "2026-01-02", "from_minute": "09:00"}
        wanted |= {"until_date": "2026-01-03", "until_minute": "00:00"}
        assert maria.post("/authorisations/new", wanted).status_code == 303
        assert "2026-01-02 09:00:00" in maria.get("/authorisations").text
    assert "2026-01-02 08:00:00" in page
    with shanghai.database.read() as session:
        kept = session.scalars(select(ParameterValue.from_time)).one()
        granted = session.scalars(select(TypeAuthorisation)).one()
    assert kept == datetime(2026, 1, 2, tzinfo=UTC)
    assert granted.from_at == datetime(2026, 1, 2, 1, tzinfo=UTC)
    assert granted.until_at == datetime(2026, 1, 2, 16, tzinfo=UTC)


@on_sqlite
def test_a_query_bounds_moments_by_the_days_of_the_stores(shanghai):
    """A document that is made at four in the afternoon in Greenwich belongs to the next day's work."""
    shanghai.world.now_ms += int(timedelta(hours=4).total_seconds()) * 1000
    with shanghai.browser("hugo") as hugo:
        add(hugo, "张伟", organisation_id=str(WHOLE_GROUP))
        for day, count in (("2026-01-01", 0), ("2026-01-02", 1)):
            asked = Definition(subject="members", columns=["member", "since", "month"])
            address = (
                f"{address_of(asked)}&field=since&operator=least&value={day}&field=since&operator=most&value={day}"
            )
            rows = list(
                csv.DictReader(io.StringIO(hugo.get(f"/queries/ask/csv?{address}").content.decode("utf-8-sig")))
            )
            assert len([row for row in rows if row["Member since"]]) == count
            assert not count or rows[0]["Member since"] == "2026-01-02 00:00:00"


def test_a_day_begins_at_the_stores_and_the_last_day_of_all_has_no_next_one():
    assert i18n.midnight_ms(20_454) == NOON_MS - 12 * 3_600_000
    assert i18n.midnight_ms(i18n.LAST_DAY + 1) == (i18n.LAST_DAY + 1) * 86_400_000
