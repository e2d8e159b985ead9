"""Short messages: written, looked at, sent once to whom it may concern, reported, answered; killed in between."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import update

from admin.members.seals import Vault
from admin.messaging import expanding
from admin.messaging.connecting import new_secret
from admin.messaging.gateway import Handed, HttpGateway, Result, SilenceError
from admin.messaging.handing import hand_over, queue_due
from admin.messaging.sender import only_one
from admin.models.members import Member
from admin.models.messaging import MemberWish, MessageSending, ShortMessage
from admin.models.people import User
from admin.settings import SETTINGS_FILE_VARIABLE, Settings, write_settings
from loadtests.sms_gateway import Rules
from switch.protocol.records import AccountRecord
from tests.support.admin_messages import (
    CALLBACK,
    FIRST_MEMBER,
    call_back,
    connect,
    look,
    messages_in,
    phone_of,
    put_members,
    simulator,
)
from tests.support.admin_office import NORTH, NORTH_CARD, NORTH_STORE, SOUTH_STORE

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOUR_MS = 3_600_000


def write(browser, /, what="send", **fields):
    """Write a message as an operator does: look, then confirm."""
    fields = {"audience": "members", **fields}
    seen = browser.post("/messages/new", {**fields, "what": "preview"})
    if what == "preview":
        return seen
    found = re.search(r'name="digest" value="(\w+)"', seen.text)
    assert found is not None, re.findall(r'class="(?:error|problem)"[^>]*>([^<]*)', seen.text)
    return browser.post("/messages/new", {**fields, "what": what, "digest": found[1]})


def figure(page, label):
    (found,) = re.findall(rf"<dt>{label}</dt><dd[^>]*>([^<]*)</dd>", page)
    return found


def states(office):
    return [row.state for row in messages_in(office)]


@pytest.mark.feature("VC-129", "VC-130", "VC-131", "VC-132", "VC-138", "VC-139", "VC-140", "VC-142", "VC-143", "VC-178")
def test_a_message_is_written_looked_at_sent_and_reported(office):
    office.put_two_regions()
    office.add_user("mark", "marketing")
    office.add_user("boss", "administrator", totp=True)
    put_members(office, 3)
    put_members(office, 1, willing=0, first=FIRST_MEMBER + 10)
    with office.database.write() as session:
        session.add(Member(id=77, organisation_id=0, name="No Phone", created_at=office.service.now(), created_by=0,
                           changed_at=office.service.now()))  # fmt: skip
        session.add(MemberWish(member_id=77, willing=1, changed_at=office.service.now()))
    office.put(AccountRecord(account_number=NORTH_CARD, member=FIRST_MEMBER, balance_minor=12_50))
    with simulator(Rules(fail_ending="02", refuse_ending="03")) as (server, address), office.browser("mark") as browser:
        connect(office, "boss", address, signature="永隆")
        template = {"name": "News", "body": "{name}，余额{余额}。", "is_offered": "on"}
        made = browser.post("/message-templates/new", template)
        assert made.status_code == 303, made.text
        page = browser.get("/messages/new").text
        (number,) = re.findall(r'<option value="(\d+)">News', page)
        filled = browser.post("/messages/new", {"what": "template", "template": number}).text
        assert "{name}，余额{余额}。</textarea>" in filled
        numbers = f"{FIRST_MEMBER}, {FIRST_MEMBER + 1} {FIRST_MEMBER + 2}，{FIRST_MEMBER + 10} 77"
        seen = write(browser, "preview", body="{name}，余额{余额}。", members=numbers).text
        assert [figure(seen, label) for label in ("Members chosen", "Get a message", "Want none, or were not asked",
                                                  "Without a mobile phone")] == ["5", "3", "1", "1"]  # fmt: skip
        assert "【永隆】Member 5000001，余额CN¥12.50。" in seen and seen.count('<span class="state bad">Balance') == 2
        assert "There is no member 999" in write(browser, "preview", body="x", members="999").text
        assert "{nome}" in write(browser, "preview", body="{nome}", members=numbers).text
        answer = write(browser, body="{name}，余额{余额}。", members=numbers)
        assert answer.headers["location"] == "/message-sendings/1"
        look(office)
        page = browser.get("/message-sendings/1").text
        assert page.count("A merge field has nothing for this member: Balance") == 2
        assert page.count("No mobile phone is known") == 1 and page.count("Wants no messages, or was not asked") == 1
        assert states(office) == ["sent"]
        assert write(browser, body="您好", members=numbers).status_code == 303
        look(office)
        assert states(office) == ["sent", "sent", "sent", "failed"]
        kept = {one.to: one for one in server.network.messages.values() if one.text == "【永隆】您好"}
        assert set(kept) == {phone_of(FIRST_MEMBER), phone_of(FIRST_MEMBER + 1)}
        reports = [
            {"reference": kept[phone_of(FIRST_MEMBER)].reference, "state": "delivered"},
            {"reference": kept[phone_of(FIRST_MEMBER + 1)].reference, "state": "failed", "problem": "switched off"},
        ]
        assert call_back(office, browser, {"reports": reports}).json() == {"reports": 2, "incoming": 0}
        assert call_back(office, browser, {"reports": reports}).json() == {"reports": 0, "incoming": 0}
        today = browser.get("/messages").text
        assert "Delivered to the telephone</span>" in today and "switched off" in today and "no such number" in today
        assert "139****0001" in today and phone_of(FIRST_MEMBER) not in today
        assert "<summary>Short messages" in today
        office.world.now_ms += 24 * HOUR_MS
        assert browser.sign_in("mark").status_code == 303
        assert "No messages here" in browser.get("/messages").text
        assert browser.get("/messages?day=2026-01-01").text.count('/messages/2"') == 1
        assert browser.get("/messages?day=all&stage=failed").text.count("Not delivered</span>") == 2


@pytest.mark.feature("VC-136", "VC-141")
def test_a_message_for_later_waits_and_can_be_cancelled_before_it_is_sent(office):
    office.add_user("mark", "marketing")
    office.add_user("boss", "administrator")
    numbers = put_members(office, 3)
    with simulator() as (server, address), office.browser("mark") as browser:
        connect(office, "boss", address)
        late = {"body": "later", "members": f"{numbers[0]} {numbers[1]}", "send_at": "2026-01-01T14:30"}
        assert write(browser, **late).status_code == 303
        look(office)
        assert states(office) == ["scheduled"] * 2
        assert browser.get("/messages").text.count("Waits for its time</span>") == 2
        assert browser.post("/messages/1/cancel", page="/messages/1").status_code == 303
        office.world.now_ms += 2 * HOUR_MS
        browser.sign_in("mark")
        look(office)
        assert states(office) == ["cancelled", "scheduled"] and not server.network.messages
        office.world.now_ms += HOUR_MS // 2
        look(office)
        assert states(office) == ["cancelled", "sent"]
        assert "being sent already" in browser.post("/messages/2/cancel", page="/messages/1").text
        assert write(browser, body="x", members=str(numbers[2]), send_at="2026-01-02T09:00").status_code == 303
        assert browser.post("/message-sendings/2/cancel", page="/message-sendings/2").status_code == 303
        look(office)
        assert states(office) == ["cancelled", "sent"]  # before its members were gone through


@pytest.mark.feature("VC-133", "VC-134", "VC-135")
def test_length_and_what_must_not_be_sent_are_shown_before_sending(office):
    office.add_user("boss", "administrator", totp=True)
    (number,) = put_members(office, 1)
    with simulator() as (server, address), office.browser("boss") as browser:
        connect(office, "boss", address)
        assert browser.post("/message-words", {"words": "中奖\nlottery\n"}, page="/message-gateway").status_code == 303
        page = browser.post("/messages/count", {"body": "您已中奖\u202e" + "汉" * 70}, page="/messages/new").text
        assert "UCS-2 · 75 units · 2 parts · 59 left in the last part" in page
        assert "<code>中奖</code> (place 3)" in page and "<code>U+202E</code> (place 5)" in page
        refused = write(browser, "preview", body="Win the LOTTERY", members=str(number)).text
        assert "This must not be sent: lottery." in refused and 'value="send"' not in refused
        assert write(browser, body="汉" * 134 + "😀", members=str(number)).status_code == 303
        look(office)
        ((kept),) = server.network.messages.values()
        assert (kept.parts, kept.alphabet, kept.text) == (3, "UCS-2", "汉" * 134 + "😀")
        parts = re.findall(r'<li class="kept">([^<]*)</li>', browser.get("/messages/1").text)
        assert parts == ["汉" * 67, "汉" * 67, "😀"]
        assert phone_of(number) in browser.get("/messages/1").text  # who sees whole numbers, and it is noted
        assert "looked" in browser.get("/audit?module=messages").text


@pytest.mark.feature("VC-137", "VC-014")
def test_an_answer_comes_to_the_inbox_and_stop_withdraws_the_consent(office):
    office.put_two_regions()
    office.add_user("sue", "service-agent", organisation_id=NORTH)
    office.add_user("boss", "administrator")
    ours, theirs = put_members(office, 1, organisation_id=NORTH_STORE)[0], FIRST_MEMBER + 5
    put_members(office, 1, organisation_id=SOUTH_STORE, first=theirs)
    with office.browser("sue") as browser:
        new_secret(office.service, office.visitor("boss"))
        come = [
            {"id": "in-1", "from": "+86" + phone_of(ours), "text": "<b>The tea was cold</b>"},
            {"id": "in-2", "from": phone_of(theirs), "text": "wrong region"},
            {"id": "in-3", "from": "13999999999", "text": "who are you"},
        ]
        assert call_back(office, browser, {"incoming": come}).json() == {"reports": 0, "incoming": 3}
        assert call_back(office, browser, {"incoming": come}).json() == {"reports": 0, "incoming": 0}
        page = browser.get("/message-inbox").text
        assert "&lt;b&gt;The tea was cold" in page and "Member 5000001" in page and "139****0001" in page
        assert "wrong region" not in page and "who are you" not in page
        done = browser.post("/message-inbox/1/close", {"kind": "complaint"}, page="/message-inbox")
        assert done.status_code == 303
        (opinion,) = re.findall(r'href="(/opinions/\d+)"', browser.get("/message-inbox").text)
        assert "The tea was cold" in browser.get(opinion).text
        assert browser.post("/message-inbox/1/close", {"kind": "talk"}, page="/messages/new").status_code == 409
        assert browser.post("/message-inbox/2/close", {}, page="/messages/new").status_code == 409
        call_back(office, browser, {"incoming": [{"id": "in-5", "from": phone_of(ours), "text": "call me at six"}]})
        assert browser.post("/message-inbox/4/close", {"kind": "talk"}, page="/message-inbox").status_code == 303
        assert "call me at six" in browser.get("/member-contacts?stage=open&kind=talk").text
        stop = [{"id": "in-4", "from": phone_of(ours), "text": " ＴＤ。"}]
        call_back(office, browser, {"incoming": stop})
        assert "Wants no more messages" in browser.get("/message-inbox").text
        seen = write(browser, "preview", body="x", members=str(ours)).text
        assert figure(seen, "Want none, or were not asked") == "1" and 'value="send"' not in seen
        assert call_back(office, browser, {"incoming": come}, age_s=600).status_code == 401
        assert call_back(office, browser, {"incoming": come}, secret="guessed").status_code == 401
        assert browser.client.post(CALLBACK, json={"incoming": come}).status_code == 401
        assert call_back(office, browser, {"incoming": [{"id": ""}]}).status_code == 409


def test_a_stop_between_writing_and_sending_cancels_what_waits(office):
    office.add_user("mark", "marketing")
    office.add_user("boss", "administrator")
    first, second = put_members(office, 2)
    with simulator() as (server, address), office.browser("mark") as browser:
        connect(office, "boss", address)
        write(browser, body="x", members=f"{first} {second}", send_at="2026-01-01T13:00")
        look(office)
        call_back(office, browser, {"incoming": [{"id": "1", "from": phone_of(first), "text": "退订"}]})
        office.world.now_ms += HOUR_MS
        look(office)
        assert states(office) == ["cancelled", "sent"]
        assert [one.to for one in server.network.messages.values()] == [phone_of(second)]


def test_a_group_is_gone_through_once_whoever_is_killed_or_comes_twice(office, monkeypatch):
    office.add_user("mark", "marketing")
    put_members(office, 25)
    with office.browser("mark") as browser:
        made = browser.post(
            "/member-groups/new",
            {"name": "all", "kind": "condition", "mode": "all", "field": "state", "operator": "is", "value": "active"},
        )
        group = made.headers["location"].rpartition("/")[2]
        fields = {"body": "hello {name}", "audience": "group", "group": group}
        (digest,) = re.findall(r'name="digest" value="(\w+)"', write(browser, "preview", **fields).text)
        put_members(office, 1, first=FIRST_MEMBER + 99)
        late = browser.post("/messages/new", {**fields, "what": "send", "digest": digest})
        assert late.status_code == 200 and "Something has changed since" in late.text  # one more than was shown
        other = browser.post("/messages/new", {**fields, "body": "another", "what": "send", "digest": digest})
        assert "Something has changed since" in other.text
        with office.database.write() as session:
            session.execute(update(Member).where(Member.id == FIRST_MEMBER + 99).values(state="closed"))
        assert write(browser, **fields).status_code == 303
    vault = Vault(office.service)
    assert expanding.expand(office.service, vault, 1, 10) == 10
    with office.database.read() as session:
        stale = expanding._next_portion(office.service, vault, session, 1, 10)
    assert expanding.expand(office.service, vault, 1, 10) == 10
    monkeypatch.setattr(expanding, "_next_portion", lambda *_: stale)  # one that had read before, and writes late
    assert expanding.expand(office.service, vault, 1, 10) == 0
    monkeypatch.undo()
    while expanding.expand(office.service, vault, 1, 10):
        pass
    rows = messages_in(office)
    assert sorted(row.member_id for row in rows) == list(range(FIRST_MEMBER, FIRST_MEMBER + 25))
    with office.database.read() as session:
        row = session.get_one(MessageSending, 1)
        assert (row.stage, row.message_count, row.skipped_count) == ("done", 25, 0)


@on_sqlite
def test_who_may_not_send_any_more_sends_nothing_more(office):
    office.add_user("mark", "marketing")
    put_members(office, 3)
    with office.browser("mark") as browser:
        write(browser, body="x", members=str(FIRST_MEMBER))
    with office.database.write() as session:
        session.execute(update(User).where(User.name == "mark").values(is_enabled=False))
    look(office)
    assert messages_in(office) == []
    with office.database.read() as session:
        assert "may not send" in session.get_one(MessageSending, 1).problem


@pytest.mark.feature("GJ-127")
def test_members_are_reached_by_their_channel_and_in_their_hours(office):
    office.add_user("mark", "marketing")
    put_members(office, 1, from_minute=18 * 60, until_minute=20 * 60)
    put_members(office, 1, first=FIRST_MEMBER + 1, channel="telephone")
    put_members(office, 1, first=FIRST_MEMBER + 2, channel="email")
    numbers = ",".join(str(FIRST_MEMBER + n) for n in range(3))
    with office.browser("mark") as browser:
        seen = write(browser, "preview", body="10% off, {name}", members=numbers, by_channel="on").text
        assert (figure(seen, "Get a message"), figure(seen, "Get a talk instead")) == ("1", "2")
        assert write(browser, body="10% off, {name}", members=numbers, by_channel="on").status_code == 303
        look(office)
        (row,) = messages_in(office)
        assert row.send_at.hour == 18 and row.state == "scheduled"
        talks = browser.get("/member-contacts?stage=open").text
        assert "10% off, Member 5000002" in talks and "10% off, Member 5000003" in talks
        page = browser.get("/message-sendings/1").text
        assert "Prefers the telephone" in page and "Prefers e-mail" in page
        wish = {"willing": "1", "wants_purchases": "on", "channel": "message", "from": "20:00", "until": "19:00"}
        assert browser.post(f"/members/{FIRST_MEMBER}/wish", wish, page="/members").status_code == 409
        wish["until"] = "21:00"
        assert browser.post(f"/members/{FIRST_MEMBER}/wish", wish, page="/members").status_code == 303
        assert write(browser, body="y", members=str(FIRST_MEMBER)).status_code == 303
        look(office)
        assert messages_in(office)[-1].send_at.hour == 20


class Deaf:
    """A gateway that answers as told, message by message."""

    def __init__(self, *answers):
        self.answers, self.got = list(answers), []

    def send(self, messages):
        self.got += messages
        answer = self.answers.pop(0)
        if answer == "silence":
            raise SilenceError("HTTP 503")
        return {one.reference: Result(one.reference, answer, "g1") for one in messages}


def queue_one(office):
    office.add_user("mark", "marketing")
    put_members(office, 1)
    with office.browser("mark") as browser:
        write(browser, body="x", members=str(FIRST_MEMBER))
    expanding.expand(office.service, Vault(office.service), 1)
    assert queue_due(office.service) == 1


def test_what_is_not_taken_is_tried_again_under_the_same_reference(office):
    queue_one(office)
    vault, gateway = Vault(office.service), Deaf("silence", "later", "repeated")
    with pytest.raises(SilenceError):
        hand_over(office.service, vault, gateway, 10)
    assert messages_in(office)[0].attempts == 0  # the gateway as a whole: no attempt of the message
    assert hand_over(office.service, vault, gateway, 10) == 1
    assert hand_over(office.service, vault, gateway, 10) == 0  # not before its pause is over
    office.world.now_ms += 10_000
    assert hand_over(office.service, vault, gateway, 10) == 1
    (row,) = messages_in(office)
    assert (row.state, row.attempts, row.gateway_id) == ("sent", 2, "g1")
    assert len({one.reference for one in gateway.got}) == 1 and len(gateway.got) == 3


@on_sqlite
def test_a_message_is_given_up_after_its_attempts_and_after_two_days(office):
    queue_one(office)
    vault, gateway = Vault(office.service), Deaf(*["later"] * 10)
    while gateway.answers:
        hand_over(office.service, vault, gateway, 10)
        office.world.now_ms += HOUR_MS
    (row,) = messages_in(office)
    assert (row.state, row.attempts) == ("failed", 10)
    with office.database.write() as session:
        session.execute(update(ShortMessage).values(state="queued", attempts=0, next_at=office.service.now()))
    office.world.now_ms += 48 * HOUR_MS
    assert hand_over(office.service, vault, Deaf(), 10) == 1
    assert "could not be handed over in time" in messages_in(office)[0].problem


def test_a_report_that_is_faster_than_the_answer_stays(office):
    queue_one(office)
    (row,) = messages_in(office)
    with office.browser("mark") as browser:
        office.add_user("boss", "administrator")
        connect(office, "boss", "http://127.0.0.1:9/messages")

        class Fast(Deaf):
            def send(self, messages):
                report = {"reference": row.reference, "state": "delivered"}
                assert call_back(office, browser, {"reports": [report]}).json()["reports"] == 1
                return super().send(messages)

        assert hand_over(office.service, Vault(office.service), Fast("accepted"), 10) == 1
    assert states(office) == ["delivered"]


@on_sqlite
def test_a_gateway_is_told_nothing_twice_and_silence_is_told_on_the_page(office):
    office.add_user("boss", "administrator")
    put_members(office, 1)
    handed = [Handed("r" * 32, "13900000000", "x", "GSM", 1)]
    with simulator(Rules(busy_every=3)) as (server, address):
        gateway = HttpGateway(office.settings, address, "tok", 5)
        assert gateway.send(handed)["r" * 32].status == "accepted"
        assert gateway.send(handed)["r" * 32].status == "repeated"
        with pytest.raises(SilenceError, match="503"):
            gateway.send(handed)
        with pytest.raises(SilenceError, match="401"):
            HttpGateway(office.settings, address, "other", 5).send(handed)
        assert len(server.network.messages) == 1
        with pytest.raises(SilenceError, match="private network"):
            HttpGateway(office.settings, "https://10.0.0.1/x", "tok", 1).send(handed)
        connect(office, "boss", address.replace("/messages", "/nothing"))
    with office.browser("boss") as browser:
        write(browser, body="x", members=str(FIRST_MEMBER))
        look(office)
        assert "The gateway does not answer; messages wait." in browser.get("/messages").text
        page = browser.get("/message-gateway").text
        assert "Does not answer" in page and "tok" not in re.findall(r'value="([^"]*)"', page)
    assert states(office) == ["queued"]


def start_sender(office, folder):
    path = folder / "admin.toml"
    url = office.database.url.render_as_string(hide_password=False)
    write_settings(path, Settings(data=str(folder), database_url=url, locale="en"))
    return subprocess.Popen(
        [sys.executable, "-m", "admin.messaging.sender"], env={**os.environ, SETTINGS_FILE_VARIABLE: str(path)}
    )


def wait_until(holds, limit_s=30):
    for _ in range(limit_s * 50):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


def test_killed_between_the_answer_and_its_note_nothing_is_lost_or_sent_twice(office, tmp_path):
    """A real sender, killed while the gateway has taken a batch and not yet answered; the next one begins at once."""
    office.world.now_ms = time.time_ns() // 1_000_000
    office.add_user("mark", "marketing")
    office.add_user("boss", "administrator")
    numbers = put_members(office, 120)
    log = tmp_path / "taken.jsonl"
    with simulator(Rules(delay_ms=1_500), log=log) as (_, address), office.browser("mark") as browser:
        connect(office, "boss", address)
        assert write(browser, body="hello {name}", members=",".join(map(str, numbers))).status_code == 303
        child = start_sender(office, tmp_path)
        try:
            wait_until(lambda: log.exists() and log.read_text().count("\n") == 50)
        finally:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        assert states(office).count("queued") == 120
        with simulator(log=log) as (server, again):
            connect(office, "boss", again)
            child, second = start_sender(office, tmp_path), start_sender(office, tmp_path)  # the second waits its turn
            try:
                wait_until(lambda: states(office).count("sent") == 120)
            finally:
                for one in (child, second):
                    one.send_signal(signal.SIGTERM)
                assert [child.wait(20), second.wait(20)] == [0, 0]
            kept = list(server.network.messages.values())
        assert sorted(one.to for one in kept) == [phone_of(number) for number in numbers]
        assert sum(one.repeats for one in kept) == 50


def test_there_is_one_sender_on_a_machine(tmp_path):
    held, stopping = only_one(tmp_path, threading.Event()), threading.Event()
    threading.Timer(0.05, stopping.set).start()
    other = only_one(tmp_path, stopping)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(held)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


def test_the_outbox_of_a_region_has_its_own_messages_page_by_page(office):
    office.put_two_regions()
    office.add_user("boss", "administrator")
    office.add_user("nora", "store-manager", organisation_id=NORTH)
    north = put_members(office, 7, organisation_id=NORTH_STORE)
    south = put_members(office, 5, organisation_id=SOUTH_STORE, first=FIRST_MEMBER + 50)
    with office.browser("boss") as browser:
        write(browser, body="all", members=" ".join(map(str, [*north, *south])))
        look(office)
    with office.program(office.token("nora")) as program:
        for day in ("", "all"):
            first = program.get(f"/api/v1/messages?limit=4&day={day}").json()
            rest = program.get(f"/api/v1/messages?limit=4&day={day}&before={first['next']}").json()
            got = [row["member_id"] for row in [*first["rows"], *rest["rows"]]]
            assert got == north[::-1] and rest["next"] is None
        assert program.get(f"/api/v1/messages/{len(messages_in(office))}").status_code == 404


@on_sqlite
def test_programs_send_and_read_as_pages_do(office):
    office.put_two_regions()
    office.add_user("boss", "administrator", totp=True)
    put_members(office, 2)
    with office.program(office.token("boss")) as program:
        body = {"body": "hi {name}", "members": f"{FIRST_MEMBER} {FIRST_MEMBER + 1}"}
        seen = program.post("/api/v1/messages/preview", json=body).json()
        assert (seen["ready_count"], seen["examples"][0]["text"]) == (2, "hi Member 5000001")
        assert program.post("/api/v1/messages", json={**body, "expected_count": 5}).status_code == 409
        made = program.post("/api/v1/messages", json={**body, "expected_count": 2})
        assert made.status_code == 201, made.text
        look(office)
        rows = program.get("/api/v1/messages").json()["rows"]
        assert [row["state"] for row in rows] == ["queued"] * 2
        assert program.get("/api/v1/message-sendings/1").json()["item"]["message_count"] == 2
        counted = program.post("/api/v1/messages/count", json={"body": "汉\u202e"}).json()
        assert (counted["alphabet"], counted["faults"][0]["text"]) == ("UCS-2", "U+202E")
        secret = program.post("/api/v1/message-gateway/secret").json()["secret"]
        assert secret.startswith("cms_") and secret not in program.get("/api/v1/message-gateway").text
        template = program.post("/api/v1/message-templates", json={"name": "T", "body": "x {points}"}).json()["id"]
        assert program.get(f"/api/v1/message-templates/{template}").json()["body"] == "x {points}"
        assert program.delete(f"/api/v1/message-templates/{template}").status_code == 204
        wish = {"willing": 2, "wants_purchases": True, "channel": "email"}
        assert program.put(f"/api/v1/members/{FIRST_MEMBER}/wish", json=wish).status_code == 200
        assert program.get(f"/api/v1/members/{FIRST_MEMBER}/wish").json()["wants_purchases"] is False
