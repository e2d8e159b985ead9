"""Passkeys with an authenticator in software: challenges are good once and for one thing, copies are noticed."""

import hashlib
import json
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from admin.models.audit import AuditRow
from admin.models.interfaces import Passkey, PasskeyChallenge
from admin.people.users import reset_password
from tests.support.admin_office import PASSWORD

ORIGIN, HOST = "http://localhost:7480", "localhost"
PRESENT, VERIFIED, HAS_KEY = 1, 4, 64


class Device:
    """Signs what it is asked for with a P-256 key (WebAuthn level 2, sections 6.1 and 6.5)."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = hashlib.sha256(b"device").digest()
        self.count = 0

    def register(self, options, *, origin=ORIGIN):
        point = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        key = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(cose)
        client = self._client("webauthn.create", options, origin)
        data = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": self._data(HAS_KEY) + key})
        return self._credential(clientDataJSON=client, attestationObject=data)

    def sign(self, options, *, origin=ORIGIN, flags=PRESENT | VERIFIED):
        self.count += 1
        client, data = self._client("webauthn.get", options, origin), self._data(0, flags)
        mac = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(clientDataJSON=client, authenticatorData=data, signature=mac)

    def _client(self, kind, options, origin):
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": origin}).encode()

    def _data(self, more, flags=PRESENT | VERIFIED):
        return hashlib.sha256(HOST.encode()).digest() + bytes([flags | more]) + struct.pack(">I", self.count)

    def _credential(self, **response):
        parts = {name: encoded(value) for name, value in response.items()}
        return json.dumps({"id": encoded(self.id), "rawId": encoded(self.id), "type": "public-key", "response": parts})


def encoded(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def ask(browser, address, page="/account"):
    answer = browser.client.post(f"{address}/options", headers={"x-csrftoken": browser.token(page)})
    return answer.json() if answer.status_code == 200 else answer.text


def add(browser, device, name="phone"):
    credential = device.register(ask(browser, "/account/passkeys"))
    return browser.post("/account/passkeys", {"credential": credential, "name": name}, page="/account")


def sign_in(browser, credential):
    return browser.post("/login/passkey", {"credential": credential}, page="/login")


def test_a_passkey_signs_on_steps_up_and_each_challenge_is_good_once(office):
    office.add_user("boss", "administrator")
    device = Device()
    with office.browser("boss") as browser:
        assert add(browser, device).headers["location"] == "/account"
        assert browser.get("/users/new").headers["location"].startswith("/step-up")
        credential = device.sign(ask(browser, "/step-up/passkey"))
        fields = {"credential": credential, "next": "/users/new"}
        assert browser.post("/step-up/passkey", fields, page="/step-up").headers["location"] == "/users/new"
        assert browser.get("/users/new").status_code == 200
        assert browser.post("/step-up/passkey", fields, page="/step-up").status_code == 403
    with office.browser() as browser:
        credential = device.sign(ask(browser, "/login/passkey", "/login"))
        first = sign_in(browser, credential)
        assert first.status_code == 303 and first.cookies["session"]
        assert browser.get("/users/new").status_code == 200
        browser.client.cookies.delete("session")
        assert sign_in(browser, credential).status_code == 403
    with office.database.read() as session:
        assert session.scalars(select(Passkey.sign_count)).one() == 2
        assert session.scalars(select(PasskeyChallenge)).all() == []
        refused = session.scalars(select(AuditRow).where(AuditRow.outcome == "refused")).all()
    assert [row.action for row in refused] == ["step-up", "sign-in"]


def test_what_a_passkey_signed_for_something_else_opens_nothing(office):
    office.add_user("boss", "administrator")
    office.add_user("finn", "finance")
    device = Device()
    with office.browser("boss") as browser:
        for_registering = ask(browser, "/account/passkeys")
        assert add(browser, device).status_code == 303
        for_stepping_up = ask(browser, "/step-up/passkey")
        assert "before you add another" in ask(browser, "/account/passkeys")
        fields = {"credential": device.sign(for_registering)}
        assert browser.post("/step-up/passkey", fields, page="/step-up").status_code == 403
    with office.browser() as browser:
        for_signing_on = ask(browser, "/login/passkey", "/login")
        for challenge, faults in (
            (for_registering, {}),
            (for_stepping_up, {}),
            (for_signing_on | {"challenge": encoded(bytes(32))}, {}),
            (ask(browser, "/login/passkey", "/login"), {"origin": "https://evil.example"}),
            (ask(browser, "/login/passkey", "/login"), {"flags": PRESENT}),
        ):
            assert sign_in(browser, device.sign(challenge, **faults)).status_code == 403, (challenge, faults)
        other = Device()
        assert sign_in(browser, other.sign(for_signing_on)).status_code == 403  # the same name, another key
        for text in ("", "{}", "[]", "null", '{"response": 3}', "x" * 30_000, '{"response":{"clientDataJSON":"AAAA"}}'):
            assert sign_in(browser, text).status_code == 403, text
        old = ask(browser, "/login/passkey", "/login")
        office.world.now_ms += 5 * 60_000
        assert sign_in(browser, device.sign(old)).status_code == 403
    with office.browser("finn") as finn:
        assert "no passkey yet" in ask(finn, "/step-up/passkey")
        fields = {"credential": device.sign(for_stepping_up), "next": "/"}
        assert finn.post("/step-up/passkey", fields, page="/account").status_code == 403


def test_a_copy_a_reset_and_a_disabled_user_end_a_passkey(office):
    office.add_user("boss", "administrator")
    office.add_user("chief", "administrator")
    device = Device()
    with office.browser("boss") as browser:
        add(browser, device)
    with office.browser() as browser:
        device.count = 9
        assert sign_in(browser, device.sign(ask(browser, "/login/passkey", "/login"))).status_code == 303
        browser.client.cookies.delete("session")
        device.count = 4  # a copy that was made earlier
        assert sign_in(browser, device.sign(ask(browser, "/login/passkey", "/login"))).status_code == 403
        device.count = 20
        reset_password(office.service, office.visitor("chief"), 1, PASSWORD)
        assert sign_in(browser, device.sign(ask(browser, "/login/passkey", "/login"))).status_code == 403
    assert urlsafe_b64decode(encoded(device.id) + "=") == device.id


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_one_removes_ones_own_passkey_and_nobody_elses(office):
    office.add_user("boss", "administrator")
    office.add_user("finn", "finance")
    with office.browser("boss") as browser:
        add(browser, Device())
    with office.browser("finn") as browser:
        assert browser.post("/account/passkeys/1/remove", page="/account").status_code == 409
    with office.browser("boss") as browser:
        assert "<td>phone</td>" in browser.get("/account").text
        assert browser.post("/account/passkeys/1/remove", page="/account").status_code == 303
        assert "<td>phone</td>" not in browser.get("/account").text
