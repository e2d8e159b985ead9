"""Passwords, locks, dynamic passwords, sessions, set-up, and forged requests."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError

from admin.audit import first_fault
from admin.database import from_ms
from admin.models.audit import AuditRow
from admin.models.people import SetupToken, User, UserSession
from admin.people.sign_in import make_setup_token
from tests.support.admin_office import NOON_MS, PASSWORD


def session_count(office):
    with office.database.read() as session:
        return session.scalar(select(func.count()).select_from(UserSession))


@pytest.mark.feature("VC-161")
def test_a_token_of_the_command_line_makes_the_first_administrator_once(office):
    token = make_setup_token(office.service)
    fields = {"token": token, "name": "Boss", "full_name": "The Boss", "password": PASSWORD}
    with office.browser() as browser:
        assert browser.get("/login").headers["location"] == "/setup"
        wrong = browser.post("/setup", fields | {"token": "0" * 64})
        assert wrong.status_code == 409 and "wrong or too old" in wrong.text
        assert browser.post("/setup", fields | {"password": "short"}).status_code == 409
        assert browser.post("/setup", fields).headers["location"] == "/login"
        assert browser.get("/setup").headers["location"] == "/login"
        assert browser.sign_in("boss").headers["location"] == "/"
        assert "Dashboard" in browser.get("/").text
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(SetupToken)) == 0


def test_a_set_up_token_ends_after_a_day(office):
    token = make_setup_token(office.service)
    office.world.now_ms += 24 * 3_600_000
    with office.browser() as browser:
        answer = browser.post("/setup", {"token": token, "name": "boss", "password": PASSWORD})
    assert answer.status_code == 409


def test_five_wrong_passwords_lock_for_a_quarter_of_an_hour_and_the_right_one_does_not_help(office):
    office.add_user("finn", "finance")
    with office.browser() as browser:
        for _ in range(5):
            answer = browser.sign_in("finn", "wrong password")
            assert answer.status_code == 403 and "name or the password is wrong" in answer.text
        assert "15 minutes" in browser.sign_in("finn").text
        office.world.now_ms += 15 * 60_000
        assert browser.sign_in("finn").status_code == 303
        nobody = browser.sign_in("nobody", "wrong password")
        assert "name or the password is wrong" in nobody.text


def test_many_guesses_from_one_address_are_turned_away(office):
    office.add_user("finn", "finance")
    with office.browser() as browser:
        answers = [browser.sign_in(f"user{n}", "wrong password").status_code for n in range(32)]
    assert answers[:30] == [403] * 30 and 429 in answers[30:]


def test_a_dynamic_password_is_good_once(office):
    office.add_user("sue", "security", totp=True)
    code = office.code("sue")
    with office.browser() as browser:
        assert "dynamic password as well" in browser.sign_in("sue").text
        assert browser.sign_in("sue", code="000000").status_code == 403
        assert browser.sign_in("sue", code=code).status_code == 303
        assert browser.sign_in("sue", code=code).status_code == 403
        assert browser.sign_in("sue", code=office.code("sue")).status_code == 303


def test_one_sets_up_a_dynamic_password_with_its_first_code(office):
    office.add_user("sue", "security")
    with office.browser("sue") as browser:
        import re

        from admin.people.passwords import totp_code

        page = browser.get("/account/dynamic-password").text
        (secret,) = re.findall(r"<code>([A-Z2-7]+)</code>", page)
        (sealed,) = re.findall(r'name="sealed" value="(\w+)"', page)
        wrong = browser.post("/account/dynamic-password", {"code": "000000", "sealed": sealed})
        assert wrong.status_code == 409
        code = totp_code(secret, office.world.now_ms // 1000)
        fields = {"code": code, "sealed": sealed, "next": "/account"}
        assert browser.post("/account/dynamic-password", fields).headers["location"] == "/account"
    with office.database.read() as session:
        user = session.scalars(select(User)).one()
        assert secret.encode() not in user.totp_sealed


def test_a_planted_session_never_becomes_a_live_one(office):
    office.add_user("finn", "finance")
    with office.browser() as browser:
        browser.client.cookies.set("session", "planted")
        answer = browser.sign_in("finn")
        assert answer.cookies["session"] not in ("planted", "")
    with office.browser() as thief:
        thief.client.cookies.set("session", "planted")
        assert thief.get("/").headers["location"].startswith("/login")


def test_nobody_costs_a_row_and_a_page_does_not_cost_a_commit(office):
    office.add_user("finn", "finance")
    with office.browser() as browser:
        for _ in range(3):
            browser.get("/login")
    assert session_count(office) == 0
    with office.browser("finn") as browser:
        seen = [browser.get("/account").status_code for _ in range(3)]
        with office.database.read() as session:
            assert session.scalars(select(UserSession.seen_at)).one() == from_ms(NOON_MS)
        office.world.now_ms += 61_000
        browser.get("/account")
        with office.database.read() as session:
            assert session.scalars(select(UserSession.seen_at)).one() == from_ms(NOON_MS + 61_000)
    assert seen == [200] * 3


def test_a_session_ends_by_sign_off_by_idling_and_after_a_day_of_work(office):
    office.add_user("finn", "finance")
    with office.browser("finn") as browser:
        token = browser.client.cookies["session"]
        assert browser.post("/logout", {}, page="/account").headers["location"] == "/login"
        browser.client.cookies.set("session", token)
        assert browser.get("/").status_code == 303
    with office.browser("finn") as browser:
        office.world.now_ms += 60 * 60_000
        assert browser.get("/").status_code == 303
    with office.browser("finn") as browser:
        for _ in range(24):
            assert browser.get("/").status_code == 200
            office.world.now_ms += 30 * 60_000
        assert browser.get("/").status_code == 303
    assert session_count(office) >= 1


@pytest.mark.feature("VC-165", "VC-166", "K3-011")
def test_an_initial_password_must_be_changed_first_and_ends_other_sessions(office):
    office.add_user("finn", "finance")
    with office.database.write() as session:
        session.scalars(select(User)).one().must_change_password = True
    with office.browser("finn") as browser:
        other = browser.client.cookies["session"]
        browser.client.cookies.delete("session")
        assert browser.sign_in("finn").status_code == 303
        assert browser.get("/").headers["location"] == "/account"
        fields = {"old": PASSWORD, "new": "another good sentence", "again": "another good sentence"}
        page = "/account"
        assert browser.post("/account/password", fields | {"again": "x"}, page=page).status_code == 409
        assert browser.post("/account/password", fields | {"old": "x"}, page=page).status_code == 409
        assert browser.post("/account/password", fields, page=page).headers["location"] == "/"
        assert browser.get("/").status_code == 200
        browser.client.cookies.set("session", other)
        assert browser.get("/").headers["location"].startswith("/login")


def test_a_form_without_its_token_changes_nothing(office):
    office.add_user("finn", "finance")
    with office.browser("finn") as browser:
        for headers in ({}, {"x-csrftoken": "f" * 128}):
            answer = browser.client.post("/logout", data={}, headers=headers, follow_redirects=False)
            assert answer.status_code == 403
        assert browser.get("/").status_code == 200


def test_after_signing_on_one_goes_on_here_and_nowhere_else(office):
    office.add_user("finn", "finance")
    with office.browser() as browser:
        assert browser.get("/entries?store=3").headers["location"] == "/login?next=%2Fentries%3Fstore%3D3"
        for there in ("//evil.example", "https://evil.example", "/\\evil.example"):
            answer = browser.post("/login", {"name": "finn", "password": PASSWORD, "next": there})
            assert answer.headers["location"] == "/"


def test_cookies_and_headers_give_nothing_away(office):
    office.add_user("finn", "finance")
    with office.browser() as browser:
        answer = browser.sign_in("finn")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie
        page = browser.get("/")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert browser.get("/nowhere").status_code == 404


@pytest.mark.feature("VC-163", "VC-164")
def test_the_log_is_chained_and_the_database_refuses_to_change_it(office):
    office.add_user("finn", "auditor")
    with office.browser("finn") as browser:
        browser.sign_in("finn", "wrong password")
        assert "finn" in browser.get("/audit").text
        assert "Every row is there" in browser.get("/audit/check").text
    for statement in ("UPDATE audit SET user_name = 'else'", "DELETE FROM audit WHERE id = 1"):
        with pytest.raises(DatabaseError, match="never changed"), office.database.write() as session:
            session.execute(text(statement))
    with office.database.read() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.id)).all()
    assert [row.id for row in rows] == list(range(1, len(rows) + 1))
    assert first_fault(office.database) is None


def test_a_changed_row_is_found_also_when_the_database_was_forced(office):
    for n in range(4):
        office.service.audit.refused(_nobody(), "sign-in", "sign-in", f"try {n}")
    with office.database.write() as session:
        if office.database.is_sqlite:
            session.execute(text("DROP TRIGGER audit_refuses_update"))
        else:
            session.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        session.execute(text("UPDATE audit SET object = 'try 9' WHERE id = 3"))
    assert first_fault(office.database) == 3


def _nobody():
    from admin.audit import Actor

    return Actor(0, "nobody", "")


def test_moments_come_back_as_they_were(office):
    moment = from_ms(NOON_MS) + timedelta(milliseconds=1)
    with office.database.write() as session:
        session.add(SetupToken(token_hash=bytes(32), ends_at=moment))
    with office.database.read() as session:
        assert session.scalars(select(SetupToken.ends_at)).one() == moment
