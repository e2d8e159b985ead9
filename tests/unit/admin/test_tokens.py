"""Tokens of programs: shown once, kept as a hash, no more than their owner, ended at once."""

import re
from typing import Any

import pytest
from sqlalchemy import select

from admin.errors import RefusedError
from admin.models.audit import AuditRow
from admin.models.interfaces import ApiToken
from admin.models.people import RoleAssignment, User
from admin.people.tokens import make_token
from admin.people.users import change_user, reset_password
from tests.support.admin_office import PASSWORD

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
USERS = "/api/v1/users"


def test_a_token_is_made_on_its_page_shown_once_used_and_revoked(office):
    office.add_user("boss", "administrator", totp=True)
    with office.browser("boss") as browser:
        fields = {"name": "till reports", "days": "30", "rights": ["users.view", "cards.view"]}
        made = browser.post("/tokens/new", fields)
        (token,) = re.findall(r"<code>(cst_[0-9a-f]{64})</code>", made.text)
        listed = browser.get("/tokens").text
        assert "till reports" in listed and token not in listed and "Good" in listed
        with office.program(token) as program:
            assert program.get(USERS).status_code == 200
            assert program.get("/api/v1/audit").status_code == 403
        assert "Never" not in browser.get("/tokens").text
        assert browser.post("/tokens/1/revoke", page="/tokens").headers["location"] == "/tokens"
        assert "Revoked" in browser.get("/tokens").text
        with office.program(token) as program:
            refused = program.get(USERS)
            assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Bearer")
        none = browser.post("/tokens/new", fields | {"rights": []})
        assert none.status_code == 409 and "at least one right" in none.text
        assert "ends after 1 to 365 days" in browser.post("/tokens/new", fields | {"days": "366"}).text
    with office.database.read() as session:
        row = session.scalars(select(ApiToken)).one()
        audit = " ".join(one.detail for one in session.scalars(select(AuditRow)))
    assert token.encode() not in row.token_hash and token not in audit
    assert "users.view" in audit


def test_a_token_ends_on_its_day_and_with_its_owner(office):
    office.add_user("boss", "administrator")
    office.add_user("chief", "administrator")
    token = office.token("boss")
    with office.program(token) as program:
        assert program.get(USERS).status_code == 200
        office.world.now_ms += 30 * 86_400_000
        assert program.get(USERS).status_code == 401
    for end in ("reset", "disable", "lose role"):
        token = office.token("boss")
        chief = office.visitor("chief")
        with office.program(token) as program:
            assert program.get(USERS).status_code == 200
            if end == "reset":
                reset_password(office.service, chief, 1, PASSWORD)
                assert program.get(USERS).status_code == 401
                with office.database.write() as session:
                    session.get(User, 1).must_change_password = False
            elif end == "disable":
                fields: dict[str, Any] = {"full_name": "B", "organisation_id": 0, "roles": ["administrator"]}
                change_user(office.service, chief, 1, is_enabled=False, **fields)
                assert program.get(USERS).status_code == 401
                change_user(office.service, chief, 1, is_enabled=True, **fields)
                assert program.get(USERS).status_code == 401
            else:
                with office.database.write() as session:
                    session.delete(session.get(RoleAssignment, (1, "administrator")))
                assert program.get(USERS).status_code == 403


@on_sqlite
def test_a_token_has_no_more_than_its_owner_and_makes_no_tokens(office):
    office.add_user("finn", "finance")
    office.add_user("boss", "administrator")
    finn = office.visitor("finn")
    for scopes, words in (
        (["users.view"], "lacks himself"),
        (["nothing.view"], "no right"),
        ([], "at least one"),
        (["tokens.add"], "cannot make tokens"),
    ):
        with pytest.raises(RefusedError, match=words):
            make_token(office.service, finn, name="x", scopes=scopes, days=1)
    with pytest.raises(RefusedError, match="cannot make tokens"):
        make_token(office.service, office.visitor("boss"), name="x", scopes=["tokens.add"], days=1)


@on_sqlite
def test_what_demands_a_dynamic_password_is_open_only_to_tokens_that_were_made_with_one(office):
    office.add_user("boss", "administrator")
    plain = office.visitor("boss", is_stepped_up=False)
    with pytest.raises(RefusedError, match="fresh dynamic password first"):
        make_token(office.service, plain, name="x", scopes=["users.add"], days=1)
    _, token = make_token(office.service, plain, name="x", scopes=["users.view"], days=1)
    with office.database.write() as session:  # as if the table of rights had asked for nothing then
        session.scalars(select(ApiToken)).one().scopes = "users.view users.add"
    body = {"name": "new", "password": PASSWORD}
    with office.program(token) as program:
        refused = program.post(USERS, json=body)
        assert refused.status_code == 403 and refused.json()["type"].endswith("step-up-needed")
    with office.program(office.token("boss", "users.add")) as program:
        assert program.post(USERS, json=body).status_code == 201


@on_sqlite
def test_many_requests_of_a_token_and_many_wrong_tokens_are_turned_away(office):
    office.add_user("boss", "administrator", totp=True)
    with office.browser("boss") as browser:
        browser.post("/parameters/api_requests_per_minute", {"value": "10"})
    token = office.token("boss")
    with office.program(token) as program:
        answers = [program.get(USERS) for _ in range(11)]
        assert [one.status_code for one in answers] == [200] * 10 + [429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 61
        office.world.now_ms += 60_000
        assert program.get(USERS).status_code == 200
        office.world.now_ms += 60_000
        program.headers["authorization"] = "Bearer cst_" + "0" * 64
        answers = [program.get(USERS) for _ in range(61)]
        assert [one.status_code for one in answers] == [401] * 60 + [429]


@on_sqlite
def test_others_tokens_are_seen_by_those_who_keep_users_only(office):
    office.add_user("boss", "administrator")
    office.add_user("hq", "hq-supervisor")
    office.token("boss")
    hq_token = office.token("hq")
    with office.program(hq_token) as program:
        assert {one["owner"] for one in program.get("/api/v1/tokens").json()["rows"]} == {"hq"}
        assert program.delete("/api/v1/tokens/1").status_code == 409
    with office.program(office.token("boss")) as program:
        assert {one["owner"] for one in program.get("/api/v1/tokens").json()["rows"]} == {"hq", "boss"}
        assert program.delete("/api/v1/tokens/2").status_code == 204
        assert program.get(USERS, headers={"authorization": f"Bearer {hq_token}"}).status_code == 401
