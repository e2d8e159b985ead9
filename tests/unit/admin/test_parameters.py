"""Parameters, roles of one's own, business control, dealers, the checklist: what administrators keep."""

from typing import Any

import pytest
from sqlalchemy import select

from admin.errors import RefusedError
from admin.models.audit import AuditRow
from admin.parameters import set_parameter
from admin.people.roles import delete_role, save_role
from admin.people.users import change_user
from admin.rights import FUNCTIONS, ROLES
from switch.protocol.messages import OrganisationNode
from switch.protocol.records import OrganisationRecord, StoreRecord
from tests.support.admin_office import HQ, NORTH, NORTH_CARD, PASSWORD, SOUTH, card

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOUR_MS = 3_600_000


@pytest.mark.feature("K3-013", "K3-135", "VC-180")
def test_parameters_are_shown_with_bounds_changed_and_kept(office):
    office.add_user("boss", "administrator", totp=True)
    with office.browser("boss") as browser:
        assert "Rows of a page of a list" in browser.get("/parameters").text
        page = browser.get("/parameters/session_minutes").text
        assert 'min="5"' in page and 'max="480"' in page and "never changed" in page
        refused = browser.post("/parameters/session_minutes", {"value": "4"})
        assert refused.status_code == 409 and "from 5 to 480, got 4" in refused.text
        for wrong in ("", "many", "-5", "5.5", "٣٣", "9" * 30):
            assert browser.post("/parameters/session_minutes", {"value": wrong}).status_code == 409
        done = browser.post("/parameters/session_minutes", {"value": "10", "reason": "stricter"})
        assert done.headers["location"] == "/parameters/session_minutes"
        assert "stricter" in browser.get("/parameters/session_minutes").text
        assert browser.get("/parameters/nothing").status_code == 404
        office.world.now_ms += 9 * 60_000
        assert browser.get("/account").status_code == 200
        office.world.now_ms += 10 * 60_000
        assert browser.get("/account").status_code == 303  # idled longer than it says now
    with office.database.read() as session:
        row = session.scalars(select(AuditRow).where(AuditRow.module == "parameters")).one()
    assert row.object == "parameter session_minutes"
    assert '"before":"60"' in row.detail and '"after":"10"' in row.detail and "stricter" in row.detail


@on_sqlite
def test_a_value_may_begin_later_and_each_list_takes_the_rows_it_says(office):
    office.put(*(card(6222_0201_0004_0000 + n, HQ) for n in range(15)))
    office.add_user("boss", "administrator", totp=True)
    boss, later_ms = office.visitor("boss"), office.world.now_ms + 60_000
    set_parameter(office.service, boss, "page_rows", "10", from_ms_utc=later_ms)
    with office.browser("boss") as browser:
        assert browser.get("/cards").text.count("<tr><td") == 15
        office.world.now_ms = later_ms
        assert browser.get("/cards").text.count("<tr><td") == 10
        assert "to come" not in browser.get("/parameters/page_rows").text
    for moment in (later_ms - 1, later_ms + 400 * 24 * HOUR_MS):
        with pytest.raises(RefusedError, match="within the next year"):
            set_parameter(office.service, boss, "page_rows", "20", from_ms_utc=moment)


@on_sqlite
@pytest.mark.feature("GJ-062")
def test_a_module_may_be_told_to_ask_for_a_dynamic_password_and_never_to_ask_for_less(office):
    office.add_user("boss", "administrator", totp=True)
    with office.browser("boss") as browser:
        assert browser.post("/parameters/step-up.audit", {"value": "everything"}).status_code == 303
        assert browser.post("/parameters/step-up.users", {"value": "none"}).status_code == 409
        assert browser.get("/audit").status_code == 200
        office.world.now_ms += 5 * 60_000
        assert browser.get("/audit").headers["location"].startswith("/step-up")
        assert browser.get("/users").status_code == 200
        assert browser.get("/users/new").headers["location"].startswith("/step-up")


@pytest.mark.feature("K3-012", "GJ-074")
def test_a_role_of_ones_own_gives_what_it_holds_from_the_next_request_on(office):
    office.add_user("boss", "administrator", totp=True)
    chief = office.add_user("finn", "auditor")
    with office.browser("boss") as browser:
        fields = {"name": "Night-Desk", "label": "夜班", "rights": ["dashboard.view", "alarms.view"]}
        assert browser.post("/roles/new", fields).headers["location"] == "/roles"
        assert "夜班" in browser.get("/roles").text
        assert browser.post("/roles/new", fields).status_code == 409
        assert "夜班" in browser.get(f"/users/{chief}").text
        user = {"full_name": "Finn", "organisation_id": 0, "roles": "night-desk", "is_enabled": "on"}
        assert browser.post(f"/users/{chief}", user).status_code == 303
    with office.browser("finn") as finn:
        assert finn.get("/alarms").status_code == 200 and finn.get("/audit").status_code == 403
        with office.browser("boss") as browser:
            browser.post("/roles/night-desk", {"label": "夜班", "rights": ["dashboard.view"]})
            assert finn.get("/alarms").status_code == 403
            assert "Somebody holds this role" in browser.post("/roles/night-desk/delete", page="/roles/night-desk").text
            browser.post(f"/users/{chief}", user | {"roles": "auditor"})
            assert browser.post("/roles/night-desk/delete", page="/roles/night-desk").status_code == 303
            assert browser.get("/roles/night-desk").status_code == 404
    with office.database.read() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.module == "roles", AuditRow.outcome == "done")).all()
    assert [row.action for row in rows] == ["add", "change", "delete"]


@on_sqlite
def test_nobody_makes_a_role_with_what_he_lacks_nor_changes_his_own_nor_from_below(office):
    office.put_two_regions()
    office.add_user("boss", "administrator")
    office.add_user("nora", "administrator", organisation_id=NORTH)
    boss, nora = office.visitor("boss"), office.visitor("nora")
    made: dict[str, Any] = {"label": "Few", "rights": ["users.change", "users.view", "roles.change", "roles.view"]}
    save_role(office.service, boss, "few", is_new=True, **made)
    office.add_user("few", "few")
    visitor = office.visitor("few")
    changes: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("few", {**made, "rights": ["users.view"]}, "holds himself"),
        ("few", {**made, "rights": [*made["rights"], "keys.view"]}, "lacks himself"),
        ("new", {"label": "New", "rights": ["keys.view"]}, "lacks himself"),
        ("auditor", {"label": "A", "rights": []}, "name already"),
        ("x", {"label": "X", "rights": []}, "2 to 40"),
        ("new", {"label": "New", "rights": ["keys.fly"]}, "no right"),
    )
    for name, change, words in changes:
        with pytest.raises(RefusedError, match=words):
            save_role(office.service, visitor, name, is_new=name != "few", **change)
    with pytest.raises(RefusedError, match="comes with the service"):
        save_role(office.service, boss, "auditor", is_new=False, label="A", rights=[])
    with pytest.raises(RefusedError, match="whole group"):
        save_role(office.service, nora, "new", is_new=True, **made)
    with pytest.raises(RefusedError, match="whole group"):
        delete_role(office.service, nora, "few")
    fields: dict[str, Any] = {"full_name": "N", "organisation_id": NORTH, "is_enabled": True}
    with pytest.raises(RefusedError, match="lacks himself"):
        change_user(office.service, visitor, 2, roles=["few", "administrator", "auditor"], **fields)


@pytest.mark.feature("VC-082")
def test_dealers_are_listed_found_and_seen_within_ones_part(office):
    office.put_two_regions()
    office.put(
        OrganisationRecord(
            organisation_id=50, node=OrganisationNode.DEALER, parent_id=NORTH, name="晨光".encode().ljust(40, b"\0")
        ),
        OrganisationRecord(organisation_id=51, node=OrganisationNode.STORE, parent_id=50),
        OrganisationRecord(
            organisation_id=60, node=OrganisationNode.DEALER, parent_id=SOUTH, name=b"Sunset".ljust(40, b"\0")
        ),
        StoreRecord(store_id=51, organisation_id=51),
        card(6222_0201_0004_0001, 51),
    )
    office.add_user("boss", "administrator")
    office.add_user("dan", "administrator", organisation_id=50)
    with office.browser("boss") as browser:
        everything = browser.get("/dealers").text
        assert "晨光" in everything and "Sunset" in everything and "2 dealers" in everything
        assert "Sunset" not in browser.get("/dealers?q=晨").text and "Sunset" in browser.get("/dealers?q=60").text
    with office.browser("dan") as browser:
        page = browser.get("/dealers").text
        assert "晨光" in page and "Sunset" not in page
    with office.program(office.token("dan")) as program:
        (dealer,) = program.get("/api/v1/dealers").json()["rows"]
        assert (dealer["store_count"], dealer["card_count"]) == (1, 1)
        assert [one["number"][-4:] for one in program.get("/api/v1/cards").json()["rows"]] == ["0001"]


@pytest.mark.feature("GJ-069")
def test_each_operation_has_a_rule_of_who_may_do_it_and_leaves_its_record(office):
    """The fixture, besides, lets no request of any test here change something without a record."""
    office.put_two_regions()
    office.add_user("ada", "auditor")
    office.add_user("boss", "administrator", totp=True)
    reference = office.app.state.references.make(NORTH_CARD)
    with office.browser("ada") as browser:
        page = browser.get("/controls").text
        assert page.count("<tr><td") == sum(len(function.actions) for function in FUNCTIONS.values())
        assert all(role.label in page for role in ROLES.values())
        refused = [
            ("organisation", "add", browser.client.post, "/departments"),
            ("users", "add", browser.client.get, "/users/new"),
            ("parameters", "change", browser.client.post, "/parameters/page_rows"),
            ("webhooks", "view", browser.client.get, "/webhooks"),
        ]
        headers = {"x-csrftoken": browser.client.cookies["csrftoken"]}
        for _, _, ask, address in refused:
            assert ask(address, headers=headers, follow_redirects=False).status_code == 403
    with office.program(office.token("boss")) as program:
        department = {"name": "Desk", "organisation_id": HQ}
        webhook = {"name": "books", "address": "https://example.com/in", "events": ["entry.refused"]}
        done = [
            ("cards", "looked", "GET", f"/api/v1/cards/{reference}", None),
            ("cards", "send", "POST", "/api/v1/documents/freeze-cards", {"cards": reference}),
            ("organisation", "add", "POST", "/api/v1/departments", department),
            ("organisation", "change", "PUT", "/api/v1/departments/1", {"name": "Front"}),
            ("organisation", "delete", "DELETE", "/api/v1/departments/1", None),
            ("users", "add", "POST", "/api/v1/users", {"name": "new", "password": PASSWORD}),
            ("users", "reset password", "PUT", "/api/v1/users/3/password", {"password": PASSWORD}),
            ("roles", "add", "POST", "/api/v1/roles", {"name": "few", "label": "Few", "rights": []}),
            ("roles", "delete", "DELETE", "/api/v1/roles/few", None),
            ("parameters", "change", "PUT", "/api/v1/parameters/page_rows", {"value": "20"}),
            ("webhooks", "add", "POST", "/api/v1/webhooks", webhook),
            ("webhooks", "change", "PUT", "/api/v1/webhooks/1", webhook),
            ("webhooks", "delete", "DELETE", "/api/v1/webhooks/1", None),
        ]
        for _, _, method, address, body in done:
            answer = program.request(method, address, json=body)
            assert answer.status_code < 300, answer.text
    with office.browser("ada") as browser:
        assert all(f"<td>{module}</td>" in browser.get(f"/audit?module={module}").text for module, *_ in done)
    with office.database.read() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.id)).all()
    left = [(row.user_name, row.module, row.action, row.outcome) for row in rows]
    assert [one for one in left if one[0] == "ada" and one[1] != "sign-in"] == [
        ("ada", module, action, "refused") for module, action, *_ in refused
    ]
    wanted = [("boss", module, action, "done") for module, action, *_ in done]
    assert [one for one in left if one in wanted] == wanted


@on_sqlite
def test_the_checklist_says_what_is_missing_to_those_who_can_mend_it(office):
    office.add_user("boss", "administrator")
    office.add_user("finn", "finance")
    with office.browser("boss") as browser:
        page = browser.get("/").text
        for words in ("Organisation", "Store", "second administrator", "dynamic password", "issuer key"):
            assert words in page, words
    with office.browser("finn") as browser:
        assert "Still to be set up" not in browser.get("/").text
    office.put_two_regions()
    office.add_user("chief", "administrator", totp=True)
    with office.browser("boss") as browser:
        page = browser.get("/").text
        assert '<span class="state good">Done</span> A second administrator' in page and "Still to be set up" in page
