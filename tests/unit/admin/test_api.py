"""The JSON interface: what is answered, in pages, masked, of one's own part; and problems that say what to do."""

import json
import logging
import re
from urllib.parse import quote

import pytest
from sqlalchemy import select

from admin.api.routes import TAGS
from admin.models.audit import AuditRow
from admin.models.documents import Document, DocumentState
from admin.models.people import User
from admin.rights import ALL_RIGHTS
from tests.support.admin_office import (
    HQ,
    NORTH,
    NORTH_CARD,
    NORTH_STORE,
    PASSWORD,
    SOUTH,
    SOUTH_CARD,
    SOUTH_STORE,
    card,
)
from tests.unit.admin.test_pages import put_entries

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
MASKED = "622202******4533"


def test_the_description_names_every_address_and_asks_nobody_else(office):
    with office.browser() as browser:
        answer = browser.get("/schema/openapi.json")
        described = answer.json()
        assert browser.get("/schema/swagger").status_code == 404
    assert described["openapi"].startswith("3.1")
    registered = {route.path_format for route in office.app.routes if route.path.startswith("/api/v1/")}
    assert set(described["paths"]) == registered
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            ((scheme, rights),) = operation["security"][0].items()
            assert scheme == "token" and rights and set(rights) <= ALL_RIGHTS, (method, path)
            assert operation["summary"] and operation["description"], (method, path)
            assert "application/problem+json" in operation["responses"]["403"]["content"], (method, path)
    assert "http" not in json.dumps(described["servers"])


@pytest.mark.feature("GJ-113")
def test_cards_come_in_pages_masked_and_of_ones_own_part(office):
    office.put_two_regions()
    office.put(*(card(6222_0201_0004_0000 + n, NORTH_STORE) for n in range(7)))
    office.add_user("nora", "card-desk", organisation_id=NORTH)
    references = office.app.state.references
    with office.program(office.token("nora")) as program:
        seen, after = [], ""
        while after is not None:
            page = program.get("/api/v1/cards", params={"limit": 3, "after": after}).json()
            seen += page["rows"]
            after = page["next"]
        assert len(seen) == 8 and len({one["reference"] for one in seen}) == 8
        assert {one["organisation_id"] for one in seen} == {NORTH_STORE}
        assert seen[0]["number"] == MASKED and seen[0]["status"] == "active"
        one = program.get(f"/api/v1/cards/{references.make(NORTH_CARD)}")
        assert one.json()["number"] == MASKED
        for address in ("", "/entries"):
            missing = program.get(f"/api/v1/cards/{references.make(SOUTH_CARD)}{address}")
            assert missing.status_code == 404
        found = program.post("/api/v1/cards/search", json={"number": str(NORTH_CARD)}).json()
        assert [one["reference"] for one in found["rows"]] == [references.make(NORTH_CARD)]
        tried = program.post("/api/v1/cards/search", json={"number": str(NORTH_CARD)[:9]}).json()
        assert tried["rows"] == []  # digits that are hidden cannot be tried out
        assert program.post("/api/v1/cards/search", json={"number": str(SOUTH_CARD)}).json()["rows"] == []
        assert program.get("/api/v1/cards?status=frozen").json()["rows"] == []
        wrong = program.get("/api/v1/cards?status=cold")
        assert wrong.status_code == 400 and "Expected one of active" in wrong.json()["detail"]


@on_sqlite
def test_numbers_stay_masked_in_every_answer_and_in_the_log(office, caplog):
    caplog.set_level(logging.DEBUG)
    office.put_two_regions()
    put_entries(office, 2, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
    office.add_user("hanna", "card-desk")
    office.add_user("sue", "security")
    reference = office.app.state.references.make(NORTH_CARD)
    questions = ("/api/v1/cards", f"/api/v1/cards/{reference}", f"/api/v1/cards/{reference}/entries", "/api/v1/entries")
    with office.program(office.token("hanna")) as program:
        answers = [program.get(address).text for address in questions]
        answers.append(program.post("/api/v1/cards/search", json={"number": str(NORTH_CARD)}).text)
        answers.append(program.post("/api/v1/entries/search", json={"card": str(NORTH_CARD)}).text)
    assert all(MASKED in one and str(NORTH_CARD) not in one for one in answers)
    with office.program(office.token("sue")) as program:
        assert str(NORTH_CARD) in program.get("/api/v1/cards").text
    assert str(NORTH_CARD) not in caplog.text
    with office.database.read() as session:
        rows = session.scalars(select(AuditRow)).all()
    assert str(NORTH_CARD) not in "".join(f"{row.object}{row.detail}" for row in rows)
    assert [row.user_name for row in rows if row.action == "looked"] == ["sue"]


def test_entries_go_on_behind_a_key_and_stay_in_ones_part(office):
    office.put_two_regions()
    office.add_user("nora", "store-manager", organisation_id=NORTH)
    put_entries(office, 5, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
    put_entries(office, 5, organisation_id=SOUTH_STORE, card_number=SOUTH_CARD)
    with office.program(office.token("nora")) as program:
        first = program.get("/api/v1/entries?limit=3").json()
        second = program.get(f"/api/v1/entries?limit=3&before={first['next']}").json()
        assert [row["sequence"] % 1000 for row in first["rows"] + second["rows"]] == [5, 4, 3, 2, 1]
        assert second["next"] is None
        assert first["rows"][0]["type"] == "debit" and first["rows"][0]["code_name"] == "approved"
        assert program.get(f"/api/v1/entries?store={SOUTH_STORE}").json()["rows"] == []
        assert program.post("/api/v1/entries/search", json={"card": str(SOUTH_CARD)}).json()["rows"] == []
        figures = program.get("/api/v1/dashboard").json()
        assert figures["holdings"] is None and figures["following"]["is_following"] is False


@on_sqlite
def test_what_belongs_to_another_store_cannot_be_named(office):
    office.put_two_regions()
    office.add_user("boss", "administrator")
    office.add_user("nora", "administrator", organisation_id=NORTH, totp=True)
    sam = office.add_user("sam", "store-manager", organisation_id=SOUTH)
    with office.database.write() as session:
        document = Document(
            kind="freeze-cards", state=DocumentState.PARTLY, form="{}", organisation_id=SOUTH, maker_id=sam,
            made_at=office.service.now(), digest=b"",
        )  # fmt: skip
        session.add(document)
        session.flush()
        number = document.id
    boss_token = office.token("boss")
    with office.program(boss_token) as program:
        webhook = {"name": "ours", "address": "https://example.com/hook", "events": ["entry.approved"]}
        webhook_id = program.post("/api/v1/webhooks", json=webhook).json()["id"]
        south = program.post("/api/v1/departments", json={"name": "Desk", "organisation_id": SOUTH}).json()["id"]
        assert program.get("/api/v1/tokens").json()["rows"][0]["owner"] == "boss"
    change = {"full_name": "x", "organisation_id": NORTH, "roles": [], "is_enabled": False}
    with office.program(office.token("nora")) as program:
        assert program.get(f"/api/v1/users/{sam}").status_code == 404
        assert program.put(f"/api/v1/users/{sam}", json=change).status_code == 404
        assert program.put(f"/api/v1/users/{sam}/password", json={"password": PASSWORD}).status_code == 404
        assert program.put(f"/api/v1/departments/{south}", json={"name": "Mine"}).status_code == 409
        assert program.delete(f"/api/v1/departments/{south}").status_code == 409
        assert program.delete("/api/v1/tokens/1").status_code == 409
        assert program.delete(f"/api/v1/webhooks/{webhook_id}").status_code == 409
        assert program.put(f"/api/v1/webhooks/{webhook_id}", json=webhook).status_code == 409
        assert program.get("/api/v1/webhooks").json() == []
        assert program.get(f"/api/v1/documents/{number}").status_code == 404
        assert program.get(f"/api/v1/documents/{number}/steps").status_code == 404
        assert program.post(f"/api/v1/documents/{number}/retry", json={}).status_code == 404
        assert {one["name"] for one in program.get("/api/v1/users").json()["rows"]} == {"nora"}
        assert {one["user"] for one in program.get("/api/v1/audit").json()["rows"]} == {"nora"}
        role = {"name": "mine", "label": "Mine", "rights": ["cards.view"]}
        assert "whole group" in program.post("/api/v1/roles", json=role).json()["detail"]
    with office.browser("nora") as browser:  # the same by pages
        headers = {"x-csrftoken": browser.token("/account")}
        for method, address, status in (
            ("GET", f"/users/{sam}", 404),
            ("GET", f"/webhooks/{webhook_id}", 404),
            ("POST", f"/webhooks/{webhook_id}", 409),
            ("POST", f"/webhooks/{webhook_id}/delete", 409),
            ("POST", "/tokens/1/revoke", 409),
            ("GET", f"/documents/{number}", 404),
            ("POST", f"/documents/{number}/retry", 404),
            ("POST", f"/departments/{south}/delete", 409),
        ):
            answer = browser.client.request(method, address, headers=headers, follow_redirects=False)
            assert answer.status_code == status, (method, address, answer.text)
        assert "ours" not in browser.get("/webhooks").text and "boss" not in browser.get("/tokens").text
    with office.program(boss_token) as program:
        assert program.get(f"/api/v1/users/{sam}").json()["is_enabled"] is True
        assert program.get(f"/api/v1/documents/{number}").json()["state"] == "partly"


def test_users_and_departments_are_kept_by_programs_as_by_people(office):
    office.put_two_regions()
    office.add_user("boss", "administrator")
    with office.program(office.token("boss")) as program:
        made = program.post("/api/v1/departments", json={"name": "Desk", "organisation_id": NORTH})
        assert made.status_code == 201
        department = int(made.json()["id"])
        fields = {"name": "New", "password": PASSWORD, "organisation_id": NORTH, "department_id": department}
        user = program.post("/api/v1/users", json=fields | {"roles": ["store-manager"]}).json()
        assert (user["name"], user["department_id"], user["roles"]) == ("new", department, ["store-manager"])
        assert "2 to 40" in program.post("/api/v1/users", json=fields | {"name": "a b"}).json()["detail"]
        again = program.post("/api/v1/users", json=fields)
        assert again.status_code == 409 and again.headers["content-type"].startswith("application/problem+json")
        change = {"full_name": "Changed", "organisation_id": HQ, "roles": ["auditor"], "is_enabled": False}
        changed = program.put(f"/api/v1/users/{user['id']}", json=change).json()
        assert (changed["full_name"], changed["is_enabled"], changed["department_id"]) == ("Changed", False, None)
        assert program.put(f"/api/v1/users/{user['id']}/password", json={"password": "x" * 12}).status_code == 200
        assert program.put(f"/api/v1/departments/{department}", json={"name": "Front"}).status_code == 200
        assert program.get("/api/v1/organisation").json()["departments"][0]["name"] == "Front"
        assert program.delete(f"/api/v1/departments/{department}").status_code == 204
        assert program.get("/api/v1/audit/chain").json() == {"is_whole": True, "first_fault": None}
    with office.database.read() as session:
        actions = [(row.module, row.action) for row in session.scalars(select(AuditRow).order_by(AuditRow.id))]
        assert session.get(User, user["id"]).must_change_password
    assert actions[-6:] == [
        ("organisation", "add"), ("users", "add"), ("users", "change"), ("users", "reset password"),
        ("organisation", "change"), ("organisation", "delete"),
    ]  # fmt: skip


@on_sqlite
def test_a_problem_says_what_was_expected_what_came_and_what_to_do(office):
    office.add_user("boss", "administrator")
    with office.program(office.token("boss")) as program:
        for method, address, body, status, words in (
            ("GET", "/api/v1/cards?limit=900", None, 400, ("limit", "<= 200", "openapi.json")),
            ("POST", "/api/v1/departments", {"name": 3}, 400, ("name", "Expected `str`, got `int`")),
            ("POST", "/api/v1/departments", {"name": "x", "colour": 1}, 400, ("unknown field", "colour")),
            ("GET", "/api/v1/nothing", None, 404, ("not yours to see",)),
            ("PATCH", "/api/v1/cards", None, 405, ("methods of this address",)),
            ("GET", f"/api/v1/users/{10**30}", None, 400, ("64 bits",)),
        ):
            answer = program.request(method, address, json=body)
            problem = answer.json()
            assert answer.headers["content-type"] == "application/problem+json", address
            assert (answer.status_code, problem["status"]) == (status, status), problem
            assert problem["type"].startswith("urn:cardswitch:problem:")
            assert problem["instance"] == address.partition("?")[0]
            assert all(word in problem["detail"] for word in words), problem
        program.headers["accept-language"] = "zh"
        said = program.post("/api/v1/departments", json={"name": " "}).json()["detail"]
        assert "字" in said


@on_sqlite
def test_a_page_of_somebody_elses_cannot_use_the_interface_with_a_visitors_cookie(office):
    office.add_user("boss", "administrator")
    with office.browser("boss") as browser:
        for method in ("GET", "POST"):
            answer = browser.client.request(method, "/api/v1/departments", json={"name": "x"})
            assert answer.status_code in (401, 405), answer.text
        assert browser.get("/api/v1/users").status_code == 401
        browser.client.headers["authorization"] = f"Bearer {office.token('boss')}"
        assert browser.get("/api/v1/users").status_code == 200
        browser.client.cookies.clear()
        assert browser.get("/users").status_code == 303  # and a token opens no page


@on_sqlite
def test_every_operation_is_described_with_fields_errors_and_examples_for_programs_and_for_people(office):
    office.add_user("boss", "administrator")
    with office.browser("boss") as browser:
        document = browser.get("/schema/openapi.json").json()
        schemas = document["components"]["schemas"]
        assert all(schema["examples"] for schema in schemas.values())
        card = schemas[next(name for name in schemas if schemas[name]["title"] == "Card")]
        assert card["properties"]["balance_minor"]["description"] == "null: it has no account yet."
        assert card["examples"][0]["number"] == MASKED
        operations = [
            (method, path, one) for path, methods in document["paths"].items() for method, one in methods.items()
        ]
        for method, path, one in operations:
            assert {"400", "401", "403", "404", "429"} <= one["responses"].keys(), (method, path)
            assert one["tags"][0] in TAGS, (method, path)
        shown = 0
        for part in TAGS:
            page = browser.get(f"/interface?tag={quote(part)}").text
            shown += page.count('<code class="method">') or page.count("/interface?tag=Documents&amp;path=")
            shown += page.count("/interface?tag=Reports&amp;path=")
        assert shown == len(operations)
        one = browser.get("/interface?tag=Documents&path=/api/v1/documents/recharge-card").text
        assert "money.add" in one and "amount_minor" in one and "Idempotency-Key" in one
        assert "//" not in re.sub(r"https?://(localhost:7480|example\.com)", "", one).replace("</", "")


@on_sqlite
def test_what_each_operation_does_is_said_in_the_readers_language(office):
    office.add_user("boss", "administrator")
    with office.browser("boss") as browser:
        browser.client.headers["accept-language"] = "zh"
        said = []
        for part in TAGS:
            page = browser.get(f"/interface?tag={quote(part)}").text
            about = re.findall(r"</nav>\s*<h2>[^<]*</h2>\s*<p>([^<]*)</p>", page)
            said += [*about, *re.findall(r"</code> <span>([^<]*)</span></summary>", page)]
            said += re.findall(r"</code></a></td><td>([^<]*)</td>", page)
        recharge = browser.get("/interface?tag=Documents&path=/api/v1/documents/recharge-card").text
    english = [text for text in said if not re.search("[\u4e00-\u9fff]", text)]
    assert english == [] and len(said) > len(TAGS)
    assert "卡片充值：制单并提交：直接执行，或等待第二人复核" in recharge
