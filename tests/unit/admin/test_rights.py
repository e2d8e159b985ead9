"""Who may do what: every role against every handler, subtrees, masking, and the rules of giving roles."""

import re
from typing import Any

import pytest
from sqlalchemy import select

from admin.access import mask_number, mask_phone
from admin.app import create_app
from admin.errors import RefusedError
from admin.models.audit import AuditRow
from admin.models.people import RoleAssignment, User
from admin.people.users import add_user, change_user
from admin.rights import ALL_RIGHTS, FUNCTIONS, ROLES, STEP_UP_RIGHTS, Action, right, rights_of
from tests.support.admin_office import (
    HQ,
    NORTH,
    NORTH_CARD,
    NORTH_STORE,
    PASSWORD,
    SOUTH,
    SOUTH_CARD,
    Office,
)

PUBLIC = {
    "/login",
    "/login/passkey",
    "/login/passkey/options",
    "/setup",
    "/language/{code:str}",
    "/health",
    "/api/gateway/callback",
    "/static/{file_path:path}",
    "/schema",
    "/schema/openapi.json",
    "/schema/{path:str}",
}
ANYBODY = {
    "/logout",
    "/account",
    "/account/password",
    "/account/dynamic-password",
    "/account/passkeys",
    "/account/passkeys/options",
    "/account/passkeys/{passkey_id}/remove",
    "/help",
    "/step-up",
    "/step-up/passkey",
    "/step-up/passkey/options",
}
"""Handlers that need a visitor and no right: one's own things."""
FILLED = {
    "{user_id}": "1",
    "{department_id}": "1",
    "{employee_id}": "1",
    "{document_id}": "1",
    "{submission_id}": "1",
    "{act}": "withdraw",
    "{kind_name}": "none",
    "{name}": "none",
    "{token_id}": "999",
    "{webhook_id}": "999",
    "{delivery_id}": "999",
    "{table}": "class",
    **dict.fromkeys(
        ("{member_id}", "{contact_id}", "{churn_id}", "{merge_id}", "{group_id}", "{level_id}", "{import_id}"), "1"
    ),
    "{consumption_id}": "1",
    "{export_id}": "1",
    **dict.fromkeys(("{query_id}", "{timer_id}", "{run_id}"), "1"),
    "{word}": "stop",
    "{suffix}": "csv",
    "{number}": "1",
    "{code}": "1",
    "{authorisation_id}": "1",
    "{ruleset}": "1",
    "{gift_id}": "1",
    "{bill_id}": "1",
    "{promotion_id}": "1",
    "{face_id}": "1",
    "{order_id}": "1",
    "{campaign_id}": "1",
    "{item}": "1",
    "{sequence}": "1",
    **dict.fromkeys(("{date}", "{store_id}"), "1"),
    "{hit_id}": "1",
    "{rule_id}": "1",
    "{purpose}": "4",
    "{terminal_id}": "1",
    **dict.fromkeys(("{message_id}", "{sending_id}", "{incoming_id}", "{template_id}", "{journey_id}"), "1"),
    "{kind}": "birthday",
    **dict.fromkeys(("{task_id}", "{opinion_id}", "{festival_id}", "{day_id}", "{activity_id}", "{call_id}"), "1"),
}
"""What stands for a part of an address: things that are there, or whose absence says nothing about rights."""
TOKENS_PER_OWNER = 40
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def handlers(app):
    """(method, path, right needed) of every handler."""
    for route in app.routes:
        for handler in route.route_handlers:
            needed = {guard.needed for guard in handler.resolve_guards() if hasattr(guard, "needed")}
            for method in getattr(handler, "http_methods", ()):
                if method in ("GET", "POST", "PUT", "DELETE"):
                    yield method, route.path_format, needed, handler


def filled(path, reference):
    """An address of a handler, with something in its gaps."""
    path = path.replace("{reference}", reference)
    for placeholder, text in FILLED.items():
        path = path.replace(placeholder, text)
    return path


BODIES = ("POST", "PUT")
FAMILIES = ("/api/v1/documents/", "/api/v1/reports/")
"""Operations that one piece of code makes for each kind of document and each report: for each right one of them."""


def one_of_each_family(app):
    """Operations of the interface; of those that are made alike, one for each right."""
    seen, found = set(), []
    for one in handlers(app):
        method, path, needed, _ = one
        family = next((family for family in FAMILIES if path.startswith(family) and "{" not in path), None)
        key = (family, path.endswith("/preview"), method, frozenset(needed)) if family else (method, path)
        if path.startswith("/api/") and (family is None or key not in seen):
            seen.add(key)
            found.append(one)
    return found


def one_of_each_right(found, place):
    """Of operations that need the same, one; another one for each place."""
    alike: dict[frozenset[str], list[Any]] = {}
    for one in found:
        alike.setdefault(frozenset(one[2]), []).append(one)
    return [several[place % len(several)] for several in alike.values()]


EVERYTHING = ("administrator", "nothing")
"""Who asks each handler: who may all, and who may nothing.  Roles between ask one handler for each right."""


@on_sqlite
def test_every_handler_is_public_or_ones_own_or_names_a_right(office):
    without = {route for _, route, needed, _ in handlers(office.app) if not needed}
    named = {path.replace("{code}", "{code:str}").replace("{path}", "{path:str}") for path in without}
    assert {path for path in named if "static" not in path} == {
        path for path in PUBLIC | ANYBODY if "static" not in path
    }
    assert all(needed <= ALL_RIGHTS for _, _, needed, _ in handlers(office.app))


@on_sqlite
@pytest.mark.feature("K3-010", "K3-012")
def test_each_role_reaches_exactly_what_its_rights_say(office):
    office.put_two_regions()
    for role in ROLES:
        office.add_user(role, role, totp=True)
    office.add_user("nothing")
    reference = office.app.state.references.make(NORTH_CARD)
    pages = [one for one in handlers(office.app) if one[2] and not one[1].startswith("/api/")]
    checked = 0
    for place, role in enumerate([*ROLES, "nothing"]):
        with office.browser(role) as browser:
            for method, path, needed, _ in pages if role in EVERYTHING else one_of_each_right(pages, place):
                address = filled(path, reference)
                answer = (
                    browser.get(address)
                    if method == "GET"
                    else browser.client.post(
                        address, data={}, headers={"x-csrftoken": browser.client.cookies["csrftoken"]}
                    )
                )
                is_allowed = role in ROLES and needed <= ROLES[role].rights
                assert (answer.status_code != 403) == is_allowed, (role, method, path, answer.status_code)
                checked += 1
    assert checked > 50


@on_sqlite
@pytest.mark.feature("K3-012")
def test_each_role_reaches_exactly_the_same_by_its_tokens(office):
    office.put_two_regions()
    reference = office.app.state.references.make(NORTH_CARD)
    interface = one_of_each_family(office.app)
    checked = 0
    for place, role in enumerate(ROLES):
        office.add_user(role, role)
        with office.program(office.token(role)) as program:
            for method, path, needed, _ in interface if role in EVERYTHING else one_of_each_right(interface, place):
                answer = program.request(method, filled(path, reference), json={} if method in BODIES else None)
                is_allowed = needed <= ROLES[role].rights
                assert (answer.status_code != 403) == is_allowed, (role, method, path, answer.text)
                assert answer.status_code < 500
                checked += 1
    assert checked > 200


@on_sqlite
def test_a_token_opens_what_its_scopes_say_and_nothing_else_its_owner_may(office):
    office.put_two_regions()
    reference = office.app.state.references.make(NORTH_CARD)
    interface = one_of_each_family(office.app)
    for place, scope in enumerate(sorted(set().union(*(needed for _, _, needed, _ in interface)))):
        if place % TOKENS_PER_OWNER == 0:
            owner = f"boss{place}"
            office.add_user(owner, "administrator")
        # All that the scope opens, and of the others every fortieth, other ones for each scope: they are many.
        asked = [one for n, one in enumerate(interface) if one[2] <= {scope} or n % 40 == place % 40]
        with office.program(office.token(owner, scope)) as program:
            for method, path, needed, _ in asked:
                answer = program.request(method, filled(path, reference), json={} if method in BODIES else None)
                assert (answer.status_code != 403) == (needed <= {scope}), (scope, method, path, answer.text)


@on_sqlite
@pytest.mark.feature("K3-010", "VC-162")
def test_a_right_that_is_taken_away_is_gone_at_the_next_request(office):
    office.add_user("finn", "auditor")
    with office.browser("finn") as browser:
        assert browser.get("/audit").status_code == 200
        with office.database.write() as session:
            session.delete(session.scalars(select(RoleAssignment)).one())
        assert browser.get("/audit").status_code == 403
        with office.database.write() as session:
            session.scalars(select(User)).one().is_enabled = False
        assert browser.get("/").headers["location"].startswith("/login")
    with office.database.read() as session:
        refused = session.scalars(select(AuditRow).where(AuditRow.outcome == "refused")).all()
    assert [(row.user_name, row.module, row.action) for row in refused] == [("finn", "audit", "view")]


@on_sqlite
def test_rights_that_ask_for_a_dynamic_password_ask_again_after_five_minutes(office):
    office.add_user("boss", "administrator", totp=True)
    with office.browser("boss") as browser:
        assert browser.get("/users/new").status_code == 200
        office.world.now_ms += 5 * 60_000
        assert browser.get("/users/new").headers["location"] == "/step-up?next=%2Fusers%2Fnew"
        code = office.code("boss")
        assert browser.post("/step-up", {"code": code, "next": "/users/new"}).headers["location"] == "/users/new"
        assert browser.get("/users/new").status_code == 200
        office.world.now_ms += 5 * 60_000
        again = browser.post("/step-up", {"code": code})
        assert again.status_code == 403 and "used already" in again.text
    assert "users.add" in STEP_UP_RIGHTS


@on_sqlite
@pytest.mark.feature("GJ-061")
def test_a_store_sees_its_own_cards_and_no_others_however_it_asks(office):
    office.put_two_regions()
    office.add_user("nora", "card-desk", organisation_id=NORTH)
    office.add_user("hanna", "card-desk")
    references = office.app.state.references
    with office.browser("nora") as browser:
        listed = browser.get("/cards").text
        assert references.make(NORTH_CARD) in listed and references.make(SOUTH_CARD) not in listed
        assert browser.get(f"/cards/{references.make(NORTH_CARD)}").status_code == 200
        assert browser.get(f"/cards/{references.make(SOUTH_CARD)}").status_code == 404
        assert references.make(SOUTH_CARD) not in browser.get(f"/cards?q={SOUTH_CARD}").text
        assert references.make(NORTH_CARD) in browser.get(f"/cards?q={NORTH_CARD}").text
        assert browser.get("/cards/" + "a" * 26).status_code == 404
    with office.browser("hanna") as browser:
        assert references.make(SOUTH_CARD) in browser.get("/cards").text


@on_sqlite
def test_a_number_is_masked_for_those_who_may_not_see_it_in_every_byte_of_the_page(office):
    office.put_two_regions()
    office.add_user("hanna", "card-desk")
    office.add_user("sue", "security")
    reference = office.app.state.references.make(NORTH_CARD)
    masked = mask_number(str(NORTH_CARD))
    with office.browser("hanna") as browser:
        for address in ("/cards", f"/cards/{reference}", "/entries", "/cards?q=622202"):
            assert str(NORTH_CARD) not in browser.get(address).text
        assert masked in browser.get("/cards").text
        assert reference not in browser.get(f"/cards?q={str(NORTH_CARD)[:8]}").text  # trying digits out leads nowhere
    with office.browser("sue") as browser:
        assert str(NORTH_CARD) in browser.get(f"/cards/{reference}").text
        assert reference in browser.get(f"/cards?q={str(NORTH_CARD)[:8]}").text
    with office.database.read() as session:
        looked = session.scalars(select(AuditRow).where(AuditRow.action == "looked")).all()
        everything = " ".join(f"{row.object} {row.detail}" for row in session.scalars(select(AuditRow)))
    assert {row.user_name for row in looked} == {"sue"}
    assert f"card {reference}" in {row.object for row in looked}
    assert str(NORTH_CARD) not in everything


def test_masks():
    assert mask_number("6222020100034533") == "622202******4533"
    assert mask_number("123456789012") == "*" * 12 and mask_number("1234567890123") == "123456***0123"
    assert mask_phone("13812345678") == "138****5678"
    assert mask_phone("12345") == "*****"


def visitor(office, name):
    with office.browser(name) as browser:
        from admin.people.sign_in import find_visitor

        return find_visitor(office.service, browser.client.cookies["session"], "test")


@on_sqlite
@pytest.mark.feature("K3-002", "K3-003", "K3-004", "VC-161")
def test_nobody_gives_what_he_lacks_nor_changes_himself_nor_reaches_out_of_his_part(office):
    office.put_two_regions()
    office.add_user("boss", "administrator")
    north = office.add_user("nora", "hq-supervisor", organisation_id=NORTH)
    south = office.add_user("sam", "store-manager", organisation_id=SOUTH)
    boss, nora = visitor(office, "boss"), visitor(office, "nora")
    fields: dict[str, Any] = {"full_name": "New", "organisation_id": NORTH_STORE, "password": PASSWORD}
    with pytest.raises(RefusedError, match="lacks himself"):
        add_user(office.service, nora, name="new", roles=["administrator"], **fields)
    with pytest.raises(RefusedError, match="own part"):
        add_user(office.service, nora, name="new", roles=["store-manager"], **(fields | {"organisation_id": HQ}))
    with pytest.raises(RefusedError, match="no such user"):
        change_user(office.service, nora, south, full_name="S", organisation_id=NORTH, roles=[], is_enabled=False)
    with pytest.raises(RefusedError, match="his own roles"):
        change_user(
            office.service, nora, north, full_name="N", organisation_id=NORTH, roles=["auditor"], is_enabled=True
        )
    new = add_user(office.service, nora, name="New", roles=["store-manager"], **fields)
    change_user(office.service, boss, new, full_name="N", organisation_id=SOUTH, roles=["finance"], is_enabled=False)
    with office.database.read() as session:
        row = session.scalars(select(AuditRow).where(AuditRow.action == "change")).one()
        user = session.get(User, new)
        assert (user.name, user.is_enabled, [one.role for one in user.assignments]) == ("new", False, ["finance"])
    assert '"roles":["store-manager"]' in row.detail and '"roles":["finance"]' in row.detail


def test_the_table_of_rights_holds_together():
    assert all(role.rights <= ALL_RIGHTS for role in ROLES.values())
    assert ROLES["administrator"].rights == ALL_RIGHTS
    assert rights_of(["finance", "of yesterday"]) == ROLES["finance"].rights
    with pytest.raises(ValueError, match="expected one of its actions"):
        right("dashboard", Action.DELETE)
    assert all(set(function.steps_up) <= set(function.actions) for function in FUNCTIONS.values())
    assert re.fullmatch(r"[a-z-]+\.[a-z-]+", right("cards", Action.VIEW))


@on_sqlite
def test_two_services_in_one_process_do_not_share_handlers(office, tmp_path):
    other = Office(office.database, tmp_path)
    assert create_app is not None and other.app is not office.app
    with other.browser() as browser:
        assert browser.get("/login").status_code == 303  # nobody yet: to the set-up page
    with office.browser() as browser:
        assert browser.get("/setup").status_code == 200
