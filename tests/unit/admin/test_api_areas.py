"""The interface of members, orders, reports: as a program uses it, within one's part, masked, noted."""

import io
from base64 import b64encode
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from admin.members.taking import Taker
from admin.models.audit import AuditRow
from admin.models.members import Member
from tests.support.admin_interface import MEMBER, PHONE, fill
from tests.support.admin_members import ZHANG_ID, buy, hold
from tests.support.admin_office import NORTH, NORTH_CARD, NORTH_STORE, SOUTH, SOUTH_CARD, SOUTH_STORE

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
MASKED_PHONE = "138****5678"
PERSON = {"name": "李雷", "organisation_id": NORTH_STORE, "mobile": PHONE}
NOTED = {"business_date": 20_454, "product": "Tea set", "quantity_milli": 2_000, "goods_minor": 80_00}
QUERY: dict[str, Any] = {"name": "Who", "query": {"subject": "members", "columns": ["member_name", "owner"]}}


@pytest.fixture
def hana(office):
    """A program of a supervisor of the whole group."""
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    with office.program(office.token("hana")) as program:
        yield program


def take_all(office):
    """Let the importer work until nothing is left."""
    taker = Taker(office.service, office.app.state.references)
    while taker.work():
        pass


def ok(answer, status=200):
    """What came, when it is what was asked for."""
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.feature("GJ-013")
def test_who_registers_on_a_web_page_waits_until_somebody_verifies_him(office, hana):
    number = int(ok(hana.post("/api/v1/members", json=PERSON | {"is_pending": True, "source": 3}), 201)["id"])
    assert ok(hana.get(f"/api/v1/members/{number}"))["state"] == "pending"
    waiting = ok(hana.get("/api/v1/members?stage=pending&source=3"))["rows"]
    assert [row["id"] for row in waiting] == [number]
    ok(hana.post(f"/api/v1/members/{number}/state", json={"state": "active", "reason": "called him"}))
    assert ok(hana.get(f"/api/v1/members/{number}"))["state"] == "active"
    assert ok(hana.get("/api/v1/members?stage=pending"))["rows"] == []
    with office.database.read() as session:
        actions = session.scalars(select(AuditRow.action).where(AuditRow.module == "members").order_by(AuditRow.id))
        assert list(actions) == ["add", "set state"]


@pytest.mark.feature("HD-011")
def test_rows_of_a_batch_are_taken_or_refused_each_for_itself_and_the_answer_says_why(office, hana):
    rows = [
        PERSON,
        PERSON | {"name": "twin"},
        {"name": "Wang", "organisation_id": NORTH_STORE, "id_number": "110105194912310021"},
        {"name": "Zhang", "organisation_id": NORTH_STORE, "id_number": ZHANG_ID},
        {"name": 3, "organisation_id": NORTH_STORE},
        {"name": "Nobody", "organisation_id": NORTH_STORE, "colour": "red"},
    ]
    answer = ok(hana.post("/api/v1/members/batch", json={"rows": rows}))
    assert (answer["accepted_count"], answer["rejected_count"]) == (2, 4)
    assert [row["is_accepted"] for row in answer["rows"]] == [True, False, False, True, False, False]
    twin, wang, _zhang, three, red = answer["rows"][1:]
    assert str(answer["rows"][0]["member_id"]) in twin["detail"] and "mobile" in twin["detail"]
    assert wang["faults"][0]["field"] == "id_number" and "18 characters" in wang["faults"][0]["message"]
    assert "Expected `str`, got `int`" in three["detail"] and "colour" in red["detail"]
    with office.database.read() as session:
        assert set(session.scalars(select(Member.name))) == {"李雷", "Zhang"}


@pytest.mark.feature("HD-011", "K3-030", "K3-130", "K3-131", "VC-068", "GJ-014")
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_is_looked_at_row_by_row_mended_and_taken_over_once(office, hana, kind, tmp_path):
    from admin.members.sheets import csv_bytes, write_xlsx

    heading = ["Kunde", "手机号", "兴趣爱好"]
    rows = [["李雷", PHONE, "美食"], ["", "123", ""], ["韩梅梅", "13900000001", ""]]
    path = tmp_path / "members.xlsx"
    write_xlsx(path, heading, rows)
    content = path.read_bytes() if kind == "xlsx" else csv_bytes([heading, *rows])
    sent = {"name": f"members.{kind}", "content": b64encode(content).decode()}
    number = int(ok(hana.post("/api/v1/member-import", json=sent), 201)["id"])
    address = f"/api/v1/member-import/{number}"
    assert "No column holds the name" in ok(hana.get(address))["faults"][0]["message"]
    choices = {"mapping": ["name", "mobile", "interests"], "duplicates": "refuse", "organisation_id": NORTH_STORE}
    ok(hana.post(f"{address}/choices", json=choices))
    shown = ok(hana.get(address))
    assert (shown["row_count"], shown["added_count"], shown["fault_count"]) == (3, 2, 1)
    report = ok(hana.get(f"{address}/rows"))["rows"]
    assert [(row["row"], row["outcome"]) for row in report] == [(2, "added"), (3, "rejected"), (4, "added")]
    assert [fault["column"] for fault in report[1]["faults"]] == ["Full name"]
    ok(hana.post(f"{address}/take"))
    take_all(office)
    refused = ok(hana.get(address))["item"]
    assert refused["stage"] == "open" and "1 faults" in refused["problem"]
    assert "123" in hana.get(f"{address}/faults").content.decode("utf-8-sig")
    ok(hana.post(f"{address}/drop"))
    rows[1] = ["Wang", "13900000002", ""]
    write_xlsx(path, heading, rows)
    content = path.read_bytes() if kind == "xlsx" else csv_bytes([heading, *rows])
    again = {"name": "mended", "content": b64encode(content).decode()}
    number = int(ok(hana.post("/api/v1/member-import", json=again), 201)["id"])
    ok(hana.post(f"/api/v1/member-import/{number}/choices", json=choices))
    ok(hana.post(f"/api/v1/member-import/{number}/take"))
    take_all(office)
    done = ok(hana.get(f"/api/v1/member-import/{number}"))["item"]
    assert (done["stage"], done["taken_count"], done["added_count"], done["fault_count"]) == ("done", 3, 3, 0)
    third = hana.post("/api/v1/member-import", json=again)
    assert third.status_code == 409 and "taken over already" in third.json()["detail"]
    assert len(ok(hana.get("/api/v1/members"))["rows"]) == 3


@pytest.mark.feature("GJ-009", "VC-069", "K3-128", "K3-129")
def test_what_a_query_finds_goes_out_as_a_file_masked_and_without_formulas(office, hana):
    body = PERSON | {"name": "=1+1", "id_number": ZHANG_ID}
    ok(hana.post("/api/v1/members", json=body), 201)
    ok(hana.post("/api/v1/members", json={"name": "other", "organisation_id": SOUTH_STORE}), 201)
    asked = {"filters": {"organisation": str(NORTH_STORE)}}
    book = hana.post("/api/v1/member-export/excel", json=asked)
    assert book.headers["content-type"].endswith("spreadsheetml.sheet")
    table = CalamineWorkbook.from_filelike(io.BytesIO(book.content)).get_sheet_by_index(0).to_python()
    cells = dict(zip(table[0], table[1], strict=True))
    assert len(table) == 2 and cells["Full name"] == "=1+1" and cells["Mobile phone"] == MASKED_PHONE
    text = hana.post("/api/v1/member-export/csv", json=asked | {"is_whole": True}).content.decode("utf-8-sig")
    assert "'=1+1" in text and ",=1+1" not in text and ZHANG_ID in text
    office.add_user("mara", "marketing")
    with office.program(office.token("mara")) as mara:
        masked = mara.post("/api/v1/member-export/csv", json=asked | {"is_whole": True}).content.decode("utf-8-sig")
        assert ZHANG_ID not in masked and PHONE not in masked
    office.add_user("dora", "card-desk")
    with office.program(office.token("dora")) as dora:
        assert dora.post("/api/v1/member-export/csv", json=asked).status_code == 403
    with office.database.read() as session:
        exports = session.scalars(select(AuditRow).where(AuditRow.action == "export", AuditRow.outcome == "done")).all()
    assert [row.user_name for row in exports] == ["hana", "hana", "mara"]


@on_sqlite
def test_a_member_is_found_looked_at_changed_and_merged_as_on_his_page(office, hana):
    field = int(ok(hana.post("/api/v1/member-fields", json={"name": "Shoe size", "kind": "number"}))["id"])
    own = {f"custom_{field}": "42"}
    number = int(ok(hana.post("/api/v1/members", json=PERSON | {"own_fields": own}), 201)["id"])
    hold(office, number, balance_minor=12_34)
    buy(office, 1, 100_00)
    found = ok(hana.post("/api/v1/members/search", json={"text": "5678"}))
    assert [(row["id"], row["phone"]) for row in found["rows"]] == [(number, MASKED_PHONE)]
    shown = ok(hana.get(f"/api/v1/members/{number}"))
    assert shown["sealed"]["mobile"] == MASKED_PHONE and PHONE not in str(shown)
    assert shown["own_fields"] == own and shown["figures"]["spent_minor"] == 100_00
    assert shown["cards"][0]["card_reference"] == office.app.state.references.make(NORTH_CARD)
    assert ok(hana.get(f"/api/v1/members/{number}/whole"))["sealed"]["mobile"] == PHONE
    change = shown["record"] | {"version": shown["version"], "needs": "quiet", "own_fields": {}}
    ok(hana.put(f"/api/v1/members/{number}", json=change))
    late = hana.put(f"/api/v1/members/{number}", json=change)
    assert late.status_code == 409 and "meanwhile" in late.json()["detail"]
    assert ok(hana.get(f"/api/v1/members/{number}/whole"))["sealed"]["mobile"] == PHONE
    ok(hana.post(f"/api/v1/members/{number}/tags", json={"tags": ["vip"]}))
    twin = int(ok(hana.post("/api/v1/members", json={"name": "李雷", "organisation_id": NORTH_STORE}), 201)["id"])
    plan = ok(hana.get(f"/api/v1/members/{twin}/merge?other={number}"))
    assert (plan["cards"], plan["tags"]) == (1, ["vip"])
    merge = ok(hana.post(f"/api/v1/members/{twin}/merge", json={"other": number}))["id"]
    assert ok(hana.get(f"/api/v1/members/{number}"))["state"] == "merged"
    assert ok(hana.post(f"/api/v1/member-merges/{merge}/undo"))["id"] == str(number)
    kinds = [event["kind"] for event in ok(hana.get(f"/api/v1/members/{number}/timeline"))["rows"]]
    assert "change" in kinds
    with office.database.read() as session:
        looked = session.scalars(select(AuditRow.object).where(AuditRow.action == "looked")).all()
    assert looked.count(f"member {number}") == 2


@on_sqlite
def test_groups_and_levels_are_kept_by_programs_as_by_people(office, hana):
    one, two = (
        int(ok(hana.post("/api/v1/members", json={"name": name, "organisation_id": NORTH_STORE}), 201)["id"])
        for name in ("a", "b")
    )
    hold(office, one)
    buy(office, 1, 100_00)
    spent = {"field": "spent", "operator": "least", "value": "50"}
    fields = {one["key"]: one for one in ok(hana.get("/api/v1/member-groups/fields"))}
    spent["field"] = next(key for key in fields if "spent" in key)
    assert ok(hana.post("/api/v1/member-groups/count", json={"terms": [spent]})) == {"count": 1}
    wrong = hana.post("/api/v1/member-groups/count", json={"terms": [spent | {"field": "colour"}]})
    assert wrong.status_code == 409 and "no field colour" in wrong.json()["detail"]
    group = {"name": "Buyers", "condition": {"terms": [spent]}}
    number = ok(hana.post("/api/v1/member-groups", json=group), 201)["id"]
    frozen = ok(hana.post(f"/api/v1/member-groups/{number}/freeze", json={"name": "Buyers now"}), 201)["id"]
    assert [row["id"] for row in ok(hana.get(f"/api/v1/members?group={frozen}"))["rows"]] == [one]
    ok(hana.post(f"/api/v1/member-groups/{frozen}/members", json={"members": [two]}))
    assert ok(hana.get(f"/api/v1/member-groups/{frozen}"))["count"] == 2
    level = ok(hana.post("/api/v1/member-levels", json={"name": "Gold", "rank": 1, "spent_minor_min": 50_00}), 201)
    assert ok(hana.get("/api/v1/member-levels/run"))["total"] == 1
    assert ok(hana.post("/api/v1/member-levels/run"))["id"] == "1"
    assert ok(hana.get(f"/api/v1/members/{one}"))["level_id"] == int(level["id"])
    assert hana.delete(f"/api/v1/member-groups/{frozen}").status_code == 204


@on_sqlite
@pytest.mark.feature("GJ-048")
def test_a_report_is_answered_as_a_table_with_sums_exported_and_handed_in(office, hana):
    buy(office, 1, 100_00)
    listed = {report["name"] for report in ok(hana.get("/api/v1/reports"))}
    described = hana.get("/schema/openapi.json").json()["paths"]
    assert len(listed) >= 28 and all(f"/api/v1/reports/{name}" in described for name in listed)
    for name in sorted(listed):
        about = ok(hana.get(f"/api/v1/reports/{name}"))
        table = ok(hana.post(f"/api/v1/reports/{name}", json={}))
        assert [column["name"] for column in table["columns"]] == [column["name"] for column in about["columns"]]
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
    log = ok(hana.post("/api/v1/reports/card-log", json={"from_date": 20_000, "until_date": 21_000}))
    wrong = hana.post("/api/v1/reports/card-log", json={"from_date": "today"})
    assert wrong.status_code == 400 and "from_date" in wrong.json()["detail"]
    sent = {"parameters": {"from_date": 20_000, "until_date": 21_000}}
    rows = hana.post("/api/v1/reports/card-log/csv", json=sent).content.decode("utf-8-sig").splitlines()
    assert len(rows) >= 1 + log["row_count"]
    assert hana.post("/api/v1/reports/card-log/excel", json=sent).content.startswith(b"PK")
    unknown = hana.post("/api/v1/reports/card-log/csv", json={"parameters": {"colour": 1}})
    assert unknown.status_code == 400 and "colour" in unknown.json()["detail"]
    handed = ok(hana.post("/api/v1/reports/card-log/submit", json=sent | {"remark": "look"}), 201)["id"]
    kept = ok(hana.get(f"/api/v1/report-submissions/{handed}"))
    assert kept["table"]["rows"] == log["rows"] and kept["submission"]["remark"] == "look"
    own = hana.post(f"/api/v1/report-submissions/{handed}", json={"decision": "fine"})
    assert own.status_code == 409 and "himself" in own.json()["detail"]


@on_sqlite
def test_an_order_is_taken_agreed_to_by_another_and_paid(office, hana):
    office.add_user("chen", "administrator")
    fill(office, "chen")
    body = {"buyer": "Example Ltd", "lines": "1 3 50", "discount_bp": 1_000}
    assert ok(hana.get("/api/v1/orders/form"))["fields"][0]["name"] == "buyer"
    number = ok(hana.post("/api/v1/orders", json=body), 201)["id"]
    shown = ok(hana.get(f"/api/v1/orders/{number}"))
    assert (shown["state"], shown["due_minor"], shown["lines"][0]["quantity"]) == ("submitted", 135_00, 3)
    own = hana.post(f"/api/v1/orders/{number}/approve", json={})
    assert own.status_code == 409 and "second person" in own.json()["detail"]
    with office.program(office.token("chen")) as chen:
        assert ok(chen.post(f"/api/v1/orders/{number}/approve", json={}))["state"] == "approved"
        short = chen.post(f"/api/v1/orders/{number}/pay", json={"received_minor": 1, "channel": 1})
        assert short.status_code in (400, 409)
        assert chen.post(f"/api/v1/orders/{number}/dance", json={}).status_code == 404


@on_sqlite
@pytest.mark.feature("GJ-061")
def test_nothing_of_another_store_is_seen_or_changed_by_naming_it(office):
    office.put_two_regions()
    office.add_user("boss", "administrator", organisation_id=NORTH)
    office.add_user("nora", "administrator", organisation_id=SOUTH)
    made = fill(office)
    north, south = (office.app.state.references.make(card) for card in (NORTH_CARD, SOUTH_CARD))
    record = {**PERSON, "version": 1}
    asked: tuple[tuple[str, str, Any], ...] = (
        ("GET", f"members/{MEMBER}", None), ("GET", f"members/{MEMBER}/whole", None),
        ("GET", f"members/{MEMBER}/timeline", None), ("PUT", f"members/{MEMBER}", record),
        ("DELETE", f"members/{MEMBER}", None), ("POST", f"members/{MEMBER}/state", {"state": "closed"}),
        ("POST", f"members/{MEMBER}/tags", {"tags": ["x"]}), ("POST", f"members/{MEMBER}/primary", {"primary": 0}),
        ("POST", f"members/{MEMBER}/secondaries", {"primary": 1}),
        ("POST", f"members/{MEMBER}/relatives", {"name": "x"}),
        ("POST", f"members/{MEMBER}/contact-points", {"kind": "mobile", "value": "13900000000"}),
        ("POST", f"members/{MEMBER}/level", {"reason": "x"}),
        ("POST", f"members/{MEMBER}/contacts", {"kind": "talk", "channel": "store", "content": "x"}),
        ("POST", f"members/{MEMBER}/churn", {"stage": "candidate"}), ("GET", f"members/{MEMBER}/merge?other=2", None),
        ("POST", f"members/{MEMBER}/merge", {"other": 2}),
        ("POST", f"member-contacts/{made['contacts']}/close", {"result": "x"}),
        ("DELETE", f"member-churn/{made['churn']}", None),
        ("GET", f"member-groups/{made['member-groups']}", None),
        ("PUT", f"member-groups/{made['member-groups']}", {"name": "x"}),
        ("POST", f"member-groups/{made['member-groups']}/members", {"members": [1]}),
        ("POST", f"member-groups/{made['member-groups']}/freeze", {"name": "x"}),
        ("DELETE", f"member-groups/{made['member-groups']}", None),
        ("GET", f"member-import/{made['member-import']}", None),
        ("GET", f"member-import/{made['member-import']}/rows", None),
        ("GET", f"member-import/{made['member-import']}/faults", None),
        ("POST", f"member-import/{made['member-import']}/take", None),
        ("POST", f"member-import/{made['member-import']}/drop", None),
        ("GET", f"orders/{made['orders']}", None), ("POST", f"orders/{made['orders']}/approve", {}),
        ("POST", f"orders/{made['orders']}/pay", {"received_minor": 200_00, "channel": 1}),
        ("GET", f"campaigns/{made['campaigns']}", None),
        ("POST", f"campaigns/{made['campaigns']}/stop", {}),
        ("GET", f"report-submissions/{made['submit']}", None),
        ("POST", f"report-submissions/{made['submit']}", {"decision": "x"}),
        ("POST", f"members/{MEMBER}/consumption", NOTED),
        ("GET", f"member-consumption/{made['consumption']}", None),
        ("PUT", f"member-consumption/{made['consumption']}", NOTED | {"version": 1}),
        ("DELETE", f"member-consumption/{made['consumption']}", None),
        ("GET", f"queries/{made['queries']}", None), ("POST", f"queries/{made['queries']}/ask", {}),
        ("PUT", f"queries/{made['queries']}", QUERY), ("DELETE", f"queries/{made['queries']}", None),
        ("GET", f"report-timers/{made['report-timers']}", None),
        ("GET", f"report-timers/{made['report-timers']}/runs", None),
        ("GET", f"cards/{north}", None), ("GET", f"cards/{north}/balance", None), ("GET", f"cards/{north}/media", None),
    )  # fmt: skip
    with office.program(office.token("nora")) as program:
        for method, address, body in asked:
            answer = program.request(method, f"/api/v1/{address}", json=body)
            assert answer.status_code in (400, 404, 409), (method, address, answer.text)
            detail = answer.json()["detail"]
            assert "no such" in detail.lower() or "There is nothing" in answer.text, (method, address, answer.text)
        for address in ("members", "orders", "campaigns", "report-submissions", "member-import", "member-contacts"):
            assert ok(program.get(f"/api/v1/{address}"))["rows"] == [], address
        assert ok(program.post("/api/v1/members/search", json={"text": "=1+1"}))["rows"] == []
        for address in ("member-groups", "queries", "report-timers"):
            assert ok(program.get(f"/api/v1/{address}")) == [], address
        assert program.post(f"/api/v1/report-timers/{made['report-timers']}/stop", json={}).status_code == 409
        assert ok(program.post("/api/v1/member-consumption/search", json={}))["row_count"] == 0
        assert ok(program.post("/api/v1/queries/ask", json=QUERY["query"]))["rows"] == []
        for card, is_mine in ((south, True), (north, False)):
            actions = {one["kind"] for one in ok(program.get(f"/api/v1/cards/{card}/actions"))}
            assert ("freeze-cards" in actions) == is_mine
        read = ok(program.post("/api/v1/cards/read", json={"cards": f"{north}\n{south}"}))
        assert read["statuses"] == [{"status": "active", "count": 1}] and read["skipped_count"] == 1
    with office.program(office.token("boss")) as program:
        assert ok(program.get(f"/api/v1/members/{MEMBER}"))["state"] == "active"
        assert ok(program.get(f"/api/v1/orders/{made['orders']}"))["state"] == "submitted"
        assert ok(program.get(f"/api/v1/campaigns/{made['campaigns']}"))["item"]["stage"] != "stopped"
