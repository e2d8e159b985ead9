"""Webhooks: each event is enqueued once, signed, delivered again until it is received, and goes nowhere it must not."""

import hashlib
import hmac
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import insert, select, update

from admin.errors import RefusedError
from admin.models.documents import Document, DocumentState
from admin.models.interfaces import WebhookDelivery, WebhookSubscription
from admin.models.journal import entries
from admin.models.people import User
from admin.settings import Settings
from admin.webhooks import feeding
from admin.webhooks.addresses import addresses_of, read_address
from admin.webhooks.delivering import Answer, backoff_s, deliver_due, due_subscriptions
from admin.webhooks.events import Event, Found
from admin.webhooks.feeding import feed, purge
from admin.webhooks.sender import Sender
from admin.webhooks.subscriptions import make_subscription
from switch.protocol.messages import AlarmKind, AlarmState, CardOperation, MessageType
from switch.protocol.records import AlarmRecord
from tests.support.admin_office import NORTH, NORTH_CARD, NORTH_STORE, PASSWORD, SOUTH_CARD, SOUTH_STORE
from tests.unit.admin.test_pages import put_entries

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ALL = ["entry.approved", "entry.refused", "card.status-changed", "alarm.raised", "document.finished"]
HERE = "http://127.0.0.1:9/hook"


def subscribe(office, *events, name="boss", address=HERE):
    office_events = events or ALL
    return make_subscription(office.service, office.visitor(name), name="books", address=address, events=office_events)


def deliveries(office):
    with office.database.read() as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))


def look(office):
    return feed(office.service, office.app.state.references)


def put_operation(office, sequence, operation):
    row = dict.fromkeys(entries.columns.keys(), 0) | {
        "id": sequence << 10, "sequence": sequence, "type": int(MessageType.OPERATE_CARD), "operation": operation,
        "card_number": NORTH_CARD, "issuing_organisation_id": NORTH_STORE,
    }  # fmt: skip
    with office.database.writer.begin() as connection:
        connection.execute(insert(entries).values(row))


def test_each_event_is_enqueued_once_from_the_subscription_on(office):
    office.put_two_regions()
    office.add_user("boss", "administrator")
    put_entries(office, 2, organisation_id=NORTH_STORE, card_number=NORTH_CARD)  # before anybody subscribed
    subscribe(office)
    assert look(office) == 0
    put_entries(office, 3, organisation_id=SOUTH_STORE, card_number=SOUTH_CARD)
    put_entries(office, 1, organisation_id=SOUTH_STORE + 1, card_number=SOUTH_CARD, code=51)
    put_operation(office, 90_001, CardOperation.FREEZE)
    put_operation(office, 90_002, CardOperation.BLACKLIST)  # a mark beside the state, which stays
    alarm = AlarmRecord(
        sequence=90_003, state=AlarmState.NEW, alarm=AlarmKind.CLONE, card_number=NORTH_CARD,
        first_store_id=NORTH_STORE, second_store_id=SOUTH_STORE,
    )  # fmt: skip
    office.put(alarm)
    done = Document(kind="freeze-cards", state=DocumentState.DONE, form="{}", organisation_id=0, maker_id=1, digest=b"")
    done.made_at = done.ended_at = office.service.now()
    with office.database.write() as session:
        session.add(done)
    assert look(office) == 9
    assert look(office) == 0
    office.world.now_ms += 20_000
    assert look(office) == 0
    kinds = [one.kind for one in deliveries(office)]
    assert kinds == [
        *["entry.approved"] * 3, "entry.refused", "entry.approved", "card.status-changed", "entry.approved",
        "alarm.raised", "document.finished",
    ]  # fmt: skip
    bodies = "".join(one.body for one in deliveries(office))
    assert str(NORTH_CARD) not in bodies and str(SOUTH_CARD) not in bodies
    changed = json.loads(deliveries(office)[5].body)["data"]
    assert (changed["operation"], changed["status_now"], changed["card"]) == ("freeze", "active", "622202******4533")


def test_a_position_moves_only_from_where_the_look_began(office, monkeypatch):
    """Two senders, or one that was killed between reading and writing: the second finds that the place has moved."""
    office.add_user("boss", "administrator")
    subscribe(office, "entry.approved")
    put_entries(office, 5, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
    real = feeding._enqueue

    def twice(*arguments):
        assert real(*arguments) == 5
        return real(*arguments)

    monkeypatch.setattr(feeding, "_enqueue", twice)
    assert look(office) == 0
    assert len(deliveries(office)) == 5
    assert real(office.service, 1, {"entry_position": (0, Found([Event("late", "entry.approved", "{}")], 1))}) == 0
    assert len(deliveries(office)) == 5


def test_a_subscriber_hears_of_what_he_may_see_and_only_as_long_as_he_may(office):
    office.put_two_regions()
    office.add_user("nora", "administrator", organisation_id=NORTH)
    subscribe(office, "entry.approved", name="nora")
    put_entries(office, 2, organisation_id=SOUTH_STORE, card_number=SOUTH_CARD)
    put_entries(office, 1, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
    office.add_user("finn", "finance")
    with pytest.raises(RefusedError, match="may not see himself"):
        subscribe(office, "alarm.raised", name="finn")
    assert look(office) == 1
    with office.database.write() as session:
        session.execute(update(User).where(User.name == "nora").values(is_enabled=False))
    put_operation(office, 90_000, CardOperation.FREEZE)
    assert look(office) == 0


@on_sqlite
def test_a_full_queue_waits_and_loses_nothing(office, monkeypatch):
    monkeypatch.setattr(feeding, "QUEUE_MAX", 5)
    office.add_user("boss", "administrator")
    subscribe(office, "entry.approved")
    put_entries(office, 5, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
    assert look(office) == 5
    put_entries(office, 3, organisation_id=SOUTH_STORE, card_number=SOUTH_CARD)
    assert look(office) == 0
    assert deliver_due(office.service, 1, lambda *_: Answer(200)) == 5
    assert look(office) == 3


class Books(HTTPServer):
    """Keeps what came, and answers as told."""

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.answers = list(answers)
        self.got: list[tuple[str, dict[str, str], bytes]] = []


class Receiver(BaseHTTPRequestHandler):
    server: Books

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, dict(self.headers.items()), body))
        status = self.server.answers.pop(0) if self.server.answers else 204
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def receiver(*answers):
    with Books(answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server, f"http://127.0.0.1:{server.server_port}/hook?for=books"
        finally:
            server.shutdown()
            thread.join()


def test_an_event_arrives_signed_and_again_after_growing_pauses(office):
    office.add_user("boss", "administrator")
    with receiver(500, 302, 204) as (server, address):
        _, secret = subscribe(office, "entry.approved", address=address)
        put_entries(office, 1, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
        look(office)
        assert deliver_due(office.service, 1) == 1
        assert due_subscriptions(office.service) == []
        office.world.now_ms += 9_000
        assert due_subscriptions(office.service) == []
        office.world.now_ms += 1_000
        assert due_subscriptions(office.service) == [1]
        assert deliver_due(office.service, 1) == 1  # a redirect: not followed, not delivered
        office.world.now_ms += 20_000
        assert deliver_due(office.service, 1) == 1
        assert deliver_due(office.service, 1) == 0
    assert [path for path, _, _ in server.got] == ["/hook?for=books"] * 3
    _, headers, body = server.got[-1]
    ((seconds, mac),) = re.findall(r"^t=(\d+),v1=([0-9a-f]{64})$", headers["X-Cardswitch-Signature"])
    assert int(seconds) == office.world.now_ms // 1000
    assert mac == hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-Cardswitch-Attempt"] == "3" and headers["X-Cardswitch-Event"] == "entry.approved"
    assert len({body for _, _, body in server.got}) == 1 and json.loads(body)["id"].startswith("entry-")
    (row,) = deliveries(office)
    assert (row.state, row.attempts, row.status) == ("delivered", 3, 204)
    assert [backoff_s(n) for n in (1, 2, 3, 12, 30)] == [10, 20, 40, 20_480, 21_600]


def test_what_is_never_received_is_given_up_and_can_be_sent_again(office):
    office.add_user("boss", "administrator", totp=True)
    subscribe(office, "entry.approved")
    put_entries(office, 2, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
    look(office)
    tried = 0
    while due_subscriptions(office.service) or tried < 24:
        tried += deliver_due(office.service, 1, lambda *_: Answer(404))
        office.world.now_ms += 6 * 3_600_000
    assert [(one.state, one.attempts, one.status) for one in deliveries(office)] == [("dead", 12, 404)] * 2
    with office.browser("boss") as browser:
        page = browser.get("/webhooks/deliveries?stage=dead").text
        assert page.count("Given up</span>") == 2
        assert browser.post("/webhooks/deliveries/1/again", page="/webhooks/deliveries").status_code == 303
        assert browser.get("/webhooks/deliveries?stage=dead").text.count("Given up</span>") == 1
    assert deliver_due(office.service, 1, lambda *_: Answer(200)) == 1
    assert [one.state for one in deliveries(office)] == ["delivered", "dead"]
    assert purge(office.service) == 0
    office.world.now_ms += 40 * 86_400_000
    assert purge(office.service) == 2


@on_sqlite
def test_one_refused_event_does_not_hold_the_next_up_and_silence_holds_all(office):
    office.add_user("boss", "administrator")
    subscribe(office, "entry.approved")
    put_entries(office, 3, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
    look(office)
    answers = [Answer(400), Answer(200), Answer(0, "no answer")]
    assert deliver_due(office.service, 1, lambda *_: answers.pop(0)) == 3
    assert [one.state for one in deliveries(office)] == ["waiting", "delivered", "waiting"]
    office.world.now_ms += 10_000
    assert deliver_due(office.service, 1, lambda *_: Answer(503)) == 1  # the other is not even tried


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ftp://example.com/", "no address"),
        ("http://example.com/", "begins with https"),
        ("https://user:secret@example.com/", "no address"),
        ("https:///path", "no address"),
        ("https://example.com:99999/", "no address"),
        ("https://example.com/#part", "no address"),
        ("https://exa mple.com/", "plain characters"),
        ("https://例.com/", "plain characters"),
        ("https://10.0.0.1/", "private network"),
        ("https://192.168.1.1/", "private network"),
        ("https://169.254.169.254/latest", "private network"),
        ("https://[fd00::1]/", "private network"),
        ("https://[::ffff:10.0.0.1]/", "private network"),
        ("https://[64:ff9b::a00:1]/", "private network"),
        ("https://[2002:a00:1::]/", "private network"),
        ("https://0.0.0.0/", "private network"),
        ("https://127.0.0.2/", "private network"),
        ("http://127.0.0.1:7480/", "service itself"),
        ("http://localhost:7464/", "service itself"),
    ],
)
def test_addresses_that_lead_inside_are_refused(address, words):
    with pytest.raises(RefusedError, match=words):
        read_address(address, Settings(data="."))


@pytest.mark.parametrize(
    ("address", "found", "is_allowed"),
    [
        ("https://example.com/", ["93.184.215.14"], True),
        ("https://example.com/", ["93.184.215.14", "10.0.0.1"], False),
        ("https://example.com/", ["127.0.0.1"], False),
        ("https://example.com/", ["::1"], False),
        ("https://example.com/", ["fe80::1%eth0"], False),
        ("https://example.com/", ["224.0.0.1"], False),
        ("http://localhost:8000/", ["127.0.0.1", "::1"], True),
        ("http://localhost:8000/", ["10.0.0.1"], False),
    ],
)
def test_a_name_is_looked_up_and_every_address_of_it_checked(address, found, is_allowed):
    settings = Settings(data=".")
    target = read_address(address, settings)
    if is_allowed:
        assert addresses_of(target, settings, lambda *_: found) == found
    else:
        with pytest.raises(RefusedError, match="private network"):
            addresses_of(target, settings, lambda *_: found)


def test_a_setting_opens_private_networks_and_never_what_is_no_host():
    settings = Settings(data=".", is_private_webhook_allowed=True)
    for address in ("http://10.0.0.1/", "https://192.168.1.1/x", "http://shop.lan/"):
        target = read_address(address, settings)
        assert addresses_of(target, settings, lambda *_: ["10.0.0.1"]) == ["10.0.0.1"]
    for address in ("http://169.254.169.254/", "http://0.0.0.0/", "http://224.0.0.1/"):
        with pytest.raises(RefusedError, match="private network"):
            read_address(address, settings)


@on_sqlite
def test_a_name_that_leads_inside_by_now_is_not_connected_to(office):
    office.add_user("boss", "administrator")
    subscribe(office, "entry.approved", address="https://example.com/hook")
    put_entries(office, 1, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
    look(office)

    def never(*_):
        raise AssertionError("connected")

    assert deliver_due(office.service, 1, never, lambda *_: ["10.0.0.1"]) == 1
    (row,) = deliveries(office)
    assert row.state == "waiting" and "private network" in row.problem


@on_sqlite
def test_the_sender_feeds_and_delivers_by_itself(office):
    office.add_user("boss", "administrator")
    with receiver() as (server, address):
        subscribe(office, "entry.approved", address=address)
        put_entries(office, 3, organisation_id=NORTH_STORE, card_number=NORTH_CARD)
        sender = Sender(office.service)
        thread = threading.Thread(target=sender.run)
        thread.start()
        for _ in range(1000):
            if len(server.got) == 3:
                break
            threading.Event().wait(0.01)
        sender.is_stopping.set()
        thread.join()
    sequences = [json.loads(body)["data"]["sequence"] for _, _, body in server.got]
    assert sequences == sorted(sequences) and len(sequences) == 3


def test_webhooks_are_kept_on_their_pages(office):
    office.add_user("boss", "administrator", totp=True)
    with office.browser("boss") as browser:
        fields = {"name": "books", "address": "https://example.com/in", "events": ["alarm.raised", "entry.refused"]}
        made = browser.post("/webhooks/new", fields)
        (secret,) = re.findall(r"<code>(cwh_[0-9a-f]{64})</code>", made.text)
        assert "books" in browser.get("/webhooks").text and secret not in browser.get("/webhooks/1").text
        wrong = browser.post("/webhooks/new", fields | {"address": "https://10.1.1.1/"})
        assert wrong.status_code == 409 and "private network" in wrong.text
        assert browser.post("/webhooks/1", fields | {"name": "ledger"}).headers["location"] == "/webhooks"
        assert "Switched off" in browser.get("/webhooks").text
        assert browser.post("/webhooks/1/delete", page="/webhooks/1").status_code == 303
        assert "No webhooks yet" in browser.get("/webhooks").text
    with office.database.read() as session:
        assert session.scalars(select(WebhookSubscription)).all() == []
    assert PASSWORD
