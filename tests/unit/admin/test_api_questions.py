"""The interface of noted purchases, queries, reports by timer and pay: the same as their pages, through tokens."""

import csv
import io
from typing import Any

import pytest
from sqlalchemy import select

from admin.models.audit import AuditRow
from admin.reports.schedules import Timer
from tests.support.admin_members import buy, hold
from tests.support.admin_office import NORTH, NORTH_CARD, NORTH_STORE, SOUTH_STORE
from tests.unit.admin.test_api_areas import NOTED, PERSON, QUERY, ok

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def hana(office):
    """A program of a supervisor of the whole group."""
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    with office.program(office.token("hana")) as program:
        yield program


def column(table, name):
    """Values of one column of a table."""
    place = [one["name"] for one in table["columns"]].index(name)
    return [row[place] for row in table["rows"]]


def actions_of(office, module):
    with office.database.read() as session:
        return list(session.scalars(select(AuditRow.action).where(AuditRow.module == module).order_by(AuditRow.id)))


@pytest.mark.feature("K3-037", "K3-042")
def test_purchases_are_noted_found_changed_and_deleted_by_programs_as_by_people(office, hana):
    member = int(ok(hana.post("/api/v1/members", json=PERSON), 201)["id"])
    notes = f"/api/v1/members/{member}/consumption"
    fields = {one["name"]: one for one in ok(hana.get("/api/v1/member-consumption/form"))["fields"]}
    assert fields["product"]["is_required"] and str(NORTH_STORE) in str(fields["store_id"]["choices"])
    note = ok(hana.post(notes, json=NOTED | {"service_minor": 15_50, "store_id": NORTH_STORE}), 201)["id"]
    nothing = hana.post(notes, json=NOTED | {"goods_minor": 0})
    assert nothing.status_code == 400 and [one["field"] for one in nothing.json()["faults"]] == ["goods_minor"]
    late = hana.post(notes, json=NOTED | {"business_date": 30_000})
    assert late.status_code == 409 and "its day is at most today" in late.json()["detail"]
    assert hana.post(notes, json=NOTED | {"business_date": 10**9}).status_code == 400
    assert hana.post("/api/v1/members/999/consumption", json=NOTED).status_code == 404

    asked = ok(hana.get("/api/v1/member-consumption"))
    assert {"member", "product_kind", "amount_min"} <= {one["name"] for one in asked["parameters"]}
    found = ok(hana.post("/api/v1/member-consumption/search", json={"member": member}))
    assert (column(found, "record"), column(found, "amount_minor")) == ([int(note)], [95_50])
    assert found["totals"][-1] == 95_50 and column(found, "product") == ["Tea set"]
    assert ok(hana.post("/api/v1/member-consumption/search", json={"amount_min": 100_00}))["row_count"] == 0
    text = hana.post("/api/v1/member-consumption/csv", json={"origin": "hand"}).content.decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(text)))["Product"] == "Tea set"
    assert hana.post("/api/v1/member-consumption/excel", json={}).content[:2] == b"PK"

    one = f"/api/v1/member-consumption/{note}"
    kept = ok(hana.get(one))
    assert (kept["author"], kept["version"], kept["amount_minor"]) == ("Hana", 1, 95_50)
    change = kept["record"] | {"version": kept["version"], "delivery_minor": 4_50}
    changed = ok(hana.put(one, json=change))
    assert (changed["version"], changed["amount_minor"], changed["record"]["service_minor"]) == (2, 100_00, 15_50)
    again = hana.put(one, json=change)
    assert again.status_code == 409 and "meanwhile" in again.json()["detail"]
    assert hana.delete(one).status_code == 204
    assert {hana.get(one).status_code, hana.delete(one).status_code} == {404}
    noted = [action for action in actions_of(office, "members") if "consumption" in action]
    assert noted == ["add consumption", "change consumption", "delete consumption"]
    assert actions_of(office, "reports") == ["export", "export"]


@pytest.mark.feature("K3-108", "K3-109")
def test_queries_are_asked_kept_and_shared_by_programs_as_by_people(office, hana):
    one = int(ok(hana.post("/api/v1/members", json=PERSON), 201)["id"])
    ok(hana.post("/api/v1/members", json=PERSON | {"name": "王芳", "mobile": "", "organisation_id": SOUTH_STORE}), 201)
    hold(office, one, balance_minor=12_34)
    buy(office, 1, 100_00)
    subjects = {row["name"]: row for row in ok(hana.get("/api/v1/queries/subjects"))}
    assert "member_name" in subjects["members"]["columns"]
    fields = {row["key"]: row for row in ok(hana.get("/api/v1/queries/subjects/members"))["fields"]}
    assert "contains" in {row["value"] for row in fields["member_name"]["operators"]} and fields["balance"]["is_summed"]
    assert hana.get("/api/v1/queries/subjects/colours").status_code == 404
    rich: dict[str, Any] = {"subject": "members", "columns": ["member_name", "balance", "spent"]}
    rich["terms"] = [{"field": "balance", "operator": "least", "value": "12"}]
    table = ok(hana.post("/api/v1/queries/ask", json=rich))
    assert table["rows"] == [["李雷", 12_34, 100_00]] and table["totals"] == [None, 12_34, 100_00]
    grouped = ok(hana.post("/api/v1/queries/ask", json={"subject": "members", "by": ["owner"]}))
    assert column(grouped, "rows") == [1, 1]
    text = hana.post("/api/v1/queries/ask/csv", json=rich).content.decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(text)))["Balance"] == "12.34"
    assert hana.post("/api/v1/queries/ask/excel", json=rich).content[:2] == b"PK"
    huge = [{"field": "balance", "operator": "least", "value": "1e999999"}]
    for wrong, words in (
        ({"subject": "colours"}, "kind of records"),
        ({"columns": []}, "Choose 1 to"),
        ({"columns": ["colour"]}, "no field colour"),
        ({"terms": huge}, "An amount such as"),
    ):
        refused = hana.post("/api/v1/queries/ask", json=rich | wrong)
        assert refused.status_code == 409 and words in refused.json()["detail"], refused.text
    assert hana.post("/api/v1/queries/ask", json=rich | {"columns": ["member_name"] * 21}).status_code == 400

    number = ok(hana.post("/api/v1/queries", json=QUERY | {"shared_right": "members.view"}), 201)["id"]
    ok(hana.put(f"/api/v1/queries/{number}", json={"name": "Rich", "query": rich, "shared_right": "members.view"}))
    kept = ok(hana.get(f"/api/v1/queries/{number}"))
    assert kept["item"]["name"] == "Rich" and kept["query"]["terms"] == rich["terms"] and "12" in kept["words"][0]
    assert ok(hana.post("/api/v1/queries/ask", json=kept["query"]))["rows"] == table["rows"]
    # A card's number goes in whole and comes out as a reference.
    by_card: dict[str, Any] = {"subject": "purchases", "columns": ["card"]}
    by_card["terms"] = [{"field": "card", "operator": "is", "value": str(NORTH_CARD)}]
    cards = ok(hana.post("/api/v1/queries", json={"name": "Card", "query": by_card}), 201)["id"]
    shown = ok(hana.get(f"/api/v1/queries/{cards}"))
    assert shown["query"]["terms"][0]["value"] == office.app.state.references.make(NORTH_CARD)
    assert str(NORTH_CARD) in shown["words"][0]  # she may see it, which is noted
    assert actions_of(office, "reports")[-1] == "looked"

    office.add_user("mark", "marketing", organisation_id=NORTH)
    with office.program(office.token("mark")) as mark:
        assert [row["name"] for row in ok(mark.get("/api/v1/queries"))] == ["Rich"]
        everyone = rich | {"terms": []}
        assert column(ok(mark.post("/api/v1/queries/ask", json=everyone)), "member_name") == ["李雷"]
        assert ok(mark.post(f"/api/v1/queries/{number}/ask", json={}))["rows"] == table["rows"]
        for refused in (
            mark.put(f"/api/v1/queries/{number}", json=QUERY),
            mark.delete(f"/api/v1/queries/{number}"),
            mark.post("/api/v1/queries/ask", json=by_card),  # marketing may not look at entries
        ):
            assert refused.status_code == 409, refused.text
        assert mark.get(f"/api/v1/queries/{cards}").status_code == 404
    assert hana.delete(f"/api/v1/queries/{cards}").status_code == 204
    assert [row["name"] for row in ok(hana.get("/api/v1/queries"))] == ["Rich"]


@on_sqlite
def test_timers_are_set_stopped_and_read_by_programs_as_by_people(office, hana):
    ok(hana.post("/api/v1/members", json=PERSON), 201)
    query = int(ok(hana.post("/api/v1/queries", json=QUERY), 201)["id"])
    daily = {"name": "Each day", "query_id": query, "period": "day", "is_whole_past": True}
    timer = ok(hana.post("/api/v1/report-timers", json=daily), 201)["id"]
    weekly = {"report": "stores", "period": "week", "parameters": {"organisation": NORTH}}
    stores = ok(hana.post("/api/v1/report-timers", json=weekly | {"shared_right": "reports.view"}), 201)["id"]
    for wrong, status in (
        ({"period": "hour"}, 409),
        ({"query_id": 999}, 409),
        ({"report": "stores"}, 409),
        ({"report": "colours"}, 404),
        ({"report": "stores", "query_id": 0, "parameters": {"colour": 1}}, 400),
    ):
        assert hana.post("/api/v1/report-timers", json=daily | wrong).status_code == status, wrong
    details = ok(hana.get(f"/api/v1/report-timers/{stores}"))
    assert details["timer"]["last_run"] is None and str(NORTH) in details["parameters"][0]["value"]
    assert details["timer"]["name"] == details["timer"]["asked"]  # it has no name of its own
    clock = Timer(office.service)
    while clock.work():
        pass
    office.world.now_ms += 2 * 86_400_000
    while clock.work():
        pass
    listed = {row["id"]: row for row in ok(hana.get("/api/v1/report-timers"))}
    first = ok(hana.get(f"/api/v1/report-timers/{timer}/runs?limit=2"))
    second = ok(hana.get(f"/api/v1/report-timers/{timer}/runs?limit=2&before={first['next']}"))
    runs = first["rows"] + second["rows"]
    assert [one["state"] for one in runs] == ["done"] * 3 and second["next"] is None
    assert listed[int(timer)]["last_run"] == runs[0] and runs[0]["last_date"] == runs[2]["last_date"] + 2
    address = f"/api/v1/report-runs/{runs[0]['id']}"
    run = ok(hana.get(address))
    assert run["is_whole"] and run["made_for"] == "Hana" and column(run["table"], "member_name") == [PERSON["name"]]
    assert PERSON["name"] in hana.get(f"{address}/csv").content.decode("utf-8-sig")
    assert hana.get(f"{address}/excel").content[:2] == b"PK"
    assert hana.delete(f"/api/v1/queries/{query}").status_code == 409  # its timer would lose it
    ok(hana.post(f"/api/v1/report-timers/{timer}/stop", json={}))
    office.world.now_ms += 86_400_000
    while clock.work():
        pass
    assert len(ok(hana.get(f"/api/v1/report-timers/{timer}/runs"))["rows"]) == 3
    ok(hana.post(f"/api/v1/report-timers/{timer}/start", json={}))
    assert ok(hana.get(f"/api/v1/report-timers/{timer}"))["timer"]["is_enabled"] is True
    office.add_user("gus", "auditor")
    with office.program(office.token("gus")) as gus:
        assert [row["id"] for row in ok(gus.get("/api/v1/report-timers"))] == [int(stores)]
        assert gus.get(address).status_code == 404
        assert gus.post(f"/api/v1/report-timers/{stores}/stop", json={}).status_code == 409


@on_sqlite
def test_pay_is_agreed_and_read_by_programs_as_by_people(office):
    office.put_two_regions()
    office.add_user("paula", "finance")
    office.add_user("nora", "finance", organisation_id=NORTH)
    finn, sam = office.add_user("finn", "card-desk", organisation_id=NORTH), office.add_user("sam", "card-desk")
    with office.program(office.token("paula")) as paula:
        fields = ok(paula.get("/api/v1/pay/form"))["fields"]
        assert str(finn) in {one["value"] for one in fields[0]["choices"]}
        for user, day, base_minor in ((finn, 20_454, 5_000_00), (finn, 20_485, 5_500_00), (sam, 20_454, 1_00)):
            terms = {"user_id": user, "from_date": day, "base_minor": base_minor, "card_bp": 150}
            assert ok(paula.post("/api/v1/pay", json=terms)) == {"id": str(user)}
        ok(paula.post("/api/v1/pay", json=terms | {"base_minor": 6_000_00}))  # the same day again corrects it
        seen, after = [], ""
        while after is not None:
            page = ok(paula.get("/api/v1/pay", params={"limit": 1, "after": after}))
            seen += page["rows"]
            after = page["next"]
        assert [(one["name"], one["from_date"], one["base_minor"]) for one in seen] == [
            ("finn", 20_485, 5_500_00),
            ("finn", 20_454, 5_000_00),
            ("sam", 20_454, 6_000_00),
        ]
        own = paula.post("/api/v1/pay", json=terms | {"user_id": office.visitor("paula").user_id})
        assert own.status_code == 409 and "Nobody sets his own pay" in own.json()["detail"]
        for wrong in ({"from_date": 10**9}, {"from_date": 0}, {"card_bp": 5_001}, {"user_id": 999}):
            assert paula.post("/api/v1/pay", json=terms | wrong).status_code == 400, wrong
    with office.browser("paula") as browser:
        shown = browser.get("/pay").text
        assert shown.count("Finn (finn)") >= 2 and "6,000.00" in shown
    with office.program(office.token("nora")) as nora:  # of the north, where sam does not belong
        assert {one["name"] for one in ok(nora.get("/api/v1/pay"))["rows"]} == {"finn"}
        assert nora.post("/api/v1/pay", json=terms).status_code == 400
    assert actions_of(office, "pay") == ["put pay"] * 4
