"""Campaigns: those of operators and those that were loaded are the same records, and the report counts both."""

import csv
import io

import pytest
from sqlalchemy import delete

from admin.errors import RefusedError
from admin.models.campaigns import Campaign
from admin.reports.facts import load_facts
from switch.protocol.records import AccountRecord
from tests.support.admin_members import add, hold, save_group
from tests.support.admin_office import NORTH, NORTH_CARD, NORTH_STORE, SOUTH_CARD
from tests.support.admin_trade import put_trade


@pytest.fixture
def shop(office):
    """Two regions that have traded."""
    put_trade(office)
    return office


CAMPAIGNS_HEAD = "campaign_id,name,type,start_date,end_date,cost_minor\n"


def test_loaded_campaigns_and_those_of_operators_are_the_same_records(shop, tmp_path):
    (tmp_path / "campaigns.csv").write_text(
        f"{CAMPAIGNS_HEAD}5,May again,coupons,2026-01-01,2026-01-10,300\n9,June,mail,2026-06-01,2026-06-30,0\n"
    )
    (tmp_path / "campaign_targets.csv").write_text(f"campaign_id,account_number\n9,{NORTH_CARD}\n9,{SOUTH_CARD}\n")
    loaded = load_facts(shop.database, tmp_path, shop.service.now())
    assert loaded == {"campaigns.csv": 2, "campaign_targets.csv": 2}
    with shop.browser("hugo") as browser:
        listed = browser.get("/campaigns").text
        assert "May again" in listed and "June" in listed
        assert "2 accounts" in browser.get("/campaigns/2").text
        june = {
            "code": "9",
            "name": "Summer",
            "from_date": "2026-03-01",
            "until_date": "2026-03-31",
            "audience": "list",
        }
        assert browser.post("/campaigns/2/change", june | {"cost_minor": "2.50"}).status_code == 303
        assert "There is a campaign with this code already." in browser.post("/campaigns/new", june).text
        table = browser.get("/reports/campaigns/csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))[:-1]
    # The list of the first was not in the files and stays; the second has its list and what the operator changed.
    assert [(row["Campaign code"], row["Name"], row["Addressed"], row["Cost"]) for row in rows] == [
        ("5", "May again", "1", "3.00"),
        ("9", "Summer", "2", "2.50"),
    ]
    (tmp_path / "campaign_targets.csv").write_text("campaign_id,account_number\n77,1\n")
    with pytest.raises(RefusedError, match="there is no campaign 77"):
        load_facts(shop.database, tmp_path, shop.service.now())


@pytest.mark.feature("GJ-108")
def test_the_report_counts_what_those_bought_whom_an_operators_campaign_addressed(shop):
    with shop.database.writer.begin() as connection:
        connection.execute(delete(Campaign))
    shop.put(AccountRecord(account_number=SOUTH_CARD, segments=1 << 63))
    common = {"from_date": "2026-03-01", "until_date": "2026-03-31"}  # from day 59 on: the southern card's purchases
    with shop.browser("hugo") as browser:

        def make(**sent):
            place = browser.post("/campaigns/new", common | sent).headers["location"]
            return int(place.rpartition("/")[2])

        hold(shop, add(browser, "Li Na"), NORTH_CARD)
        group = save_group(browser, "Those in the north", [("balance", "most", "400")])
        everybody = make(name="All")
        north = make(name="In the north", store_ids=str(NORTH_STORE))
        segment = make(name="Segment", audience="segment", segment="64", from_date="2026-03-13", cost_minor="1")
        listed = make(name="Group", audience="list", group=group, from_date="2026-01-01")
        wrong = browser.post("/campaigns/new", common | {"name": "No segment", "audience": "segment"}).text
        assert "Name the segment that it addresses." in wrong

        def report():
            text = browser.get("/reports/campaigns/csv").content.decode("utf-8-sig")
            return {int(row["Campaign"] or 0): row for row in csv.DictReader(io.StringIO(text))}

        figures, found = ("Addressed", "Of these bought", "Spend", "Before"), report()
        assert {id_: tuple(found[id_][name] for name in figures) for id_ in (everybody, north, segment, listed)} == {
            everybody: ("2", "1", "7.55", "0.00"),
            north: ("2", "1", "0.55", "0.00"),
            segment: ("1", "1", "0.55", "7.00"),
            listed: ("1", "1", "100.00", "0.00"),
        }
        # What was stopped counts until that day; what was called off before it began does not count at all.
        planned = make(name="Planned", from_date="2026-03-20")
        for id_ in (everybody, planned):
            assert browser.post(f"/campaigns/{id_}/stop", page=f"/campaigns/{id_}").status_code == 303
        assert "called off before it began" in browser.get(f"/campaigns/{planned}").text
        found = report()
        assert planned not in found and (found[everybody]["Until"], found[north]["Until"]) == (
            "2026-03-13",
            "2026-03-31",
        )
    shop.add_user("hans", "hq-supervisor", organisation_id=NORTH)
    with shop.browser("hans") as browser:
        assert "In the north" in browser.get("/campaigns").text
        assert browser.get(f"/campaigns/{north}/change").status_code == 404
