"""Journeys: members enter once, each step is done once whoever is killed, and what steps did is counted."""

import os
import re
import signal
import time

import pytest
from sqlalchemy import func, select, update

from admin.members.seals import Vault
from admin.messaging import journeying
from admin.messaging.journey_effect import effects_of
from admin.messaging.journeying import enter_all, step_all
from admin.messaging.templates import TemplateForm, save_template
from admin.models.journeys import JourneyRun, JourneyVisit
from admin.models.members import Member
from admin.models.messaging import ShortMessage
from admin.models.people import User
from tests.support.admin_members import buy, hold
from tests.support.admin_messages import FIRST_MEMBER, call_back, connect, look, messages_in, put_members, simulator
from tests.support.admin_office import NORTH_CARD, SOUTH_CARD
from tests.unit.admin.test_messages import start_sender, wait_until

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DAY_MS = 86_400_000


def table(*lines, trigger="joined", **more):
    """The form's fields of a table: (kind, days, template, condition, group, then, else) a line."""
    names = ("kind", "days", "template", "condition", "group", "then", "else")
    padded = [(*line, *[""] * (len(names) - len(line))) for line in lines]
    return {"name": "Way", "trigger": trigger, **more} | {
        name: [str(line[n]) for line in padded] for n, name in enumerate(names)
    }


def make(browser, *lines, **more):
    """Make a journey and switch it on; its page."""
    made = browser.post("/journeys/new", table(*lines, **more))
    assert made.status_code == 303, re.findall(r'class="problem"[^>]*>([^<]*)', made.text)
    address = made.headers["location"]
    assert browser.post(f"{address}/switch", {"act": "on"}, page=address).status_code == 303
    return address


def templates(office, *names):
    office.add_user("mark", "marketing")
    office.add_user("boss", "administrator")
    boss = office.visitor("boss")
    return [save_template(office.service, boss, TemplateForm(name=one, body=f"{one} {{name}}")) for one in names]


def pass_days(office, browser, days):
    office.world.now_ms += days * DAY_MS
    assert browser.sign_in("mark").status_code == 303


def outcomes(office):
    with office.database.read() as session:
        query = select(JourneyRun.member_id, JourneyVisit.step, JourneyVisit.outcome).join(
            JourneyRun, JourneyRun.id == JourneyVisit.run_id
        )
        return sorted((number - FIRST_MEMBER, step, outcome) for number, step, outcome in session.execute(query))


@pytest.mark.feature("GJ-128", "GJ-129")
def test_who_has_joined_is_greeted_and_after_a_week_asked_again_unless_he_has_bought(office):
    office.put_two_regions()
    welcome, again = templates(office, "Welcome", "Again")
    put_members(office, 1, first=FIRST_MEMBER + 9)  # joined before
    office.world.now_ms += 1_000
    with simulator() as (server, address), office.browser("mark") as browser:
        connect(office, "boss", address)
        way = make(
            browser, ("message", "", welcome), ("wait", 7), ("branch", "", "", "bought", "", 4, 5), ("stop",),
            ("message", "", again),
        )  # fmt: skip
        put_members(office, 3)
        put_members(office, 1, willing=2, first=FIRST_MEMBER + 3)
        hold(office, FIRST_MEMBER, NORTH_CARD)
        hold(office, FIRST_MEMBER + 1, SOUTH_CARD)
        look(office)
        look(office)
        assert [row.text for row in messages_in(office)] == [f"Welcome Member {FIRST_MEMBER + n}" for n in range(3)]
        assert outcomes(office)[-1] == (3, 2, "waited") and (3, 1, "skipped") in outcomes(office)
        references = [one.reference for one in server.network.messages.values()]
        reports = [{"reference": reference, "state": "delivered"} for reference in references[:2]]
        call_back(office, browser, {"reports": reports})
        buy(office, 1, 80_00)  # the first one, within a week
        pass_days(office, browser, 6)
        look(office)
        assert len(messages_in(office)) == 3
        pass_days(office, browser, 2)
        look(office)
        assert [row.text for row in messages_in(office)][3:] == [f"Again Member {FIRST_MEMBER + n}" for n in (1, 2)]
        buy(office, 2, 50_00, number=SOUTH_CARD)
        page = browser.get(way).text
        cells = [re.findall(r'<td class="number">([^<]*)</td>', line) for line in page.split("<tr>")[2:]]
        # step, standing before it, came, without a message, sent, delivered, bought within a week, for
        assert cells[0] == ["1", "0", "4", "1", "3", "2", "1", "CN¥80.00"]
        assert cells[2] == ["3", "0", "4", "3"] and cells[3] == ["4", "0", "1", ""]
        assert cells[4] == ["5", "0", "3", "1", "2", "0", "1", "CN¥50.00"]
        with office.database.read() as session:
            assert session.scalar(select(func.count()).select_from(JourneyRun).where(JourneyRun.is_running)) == 0
        assert "copy it" in browser.post(f"{way}/change", table(("stop",)), page=f"{way}/change").text
        look(office)
        assert len(messages_in(office)) == 5


def test_a_step_and_an_entry_happen_once_when_two_come_at_the_same_time(office, monkeypatch):
    (welcome,) = templates(office, "Welcome")
    with office.browser("mark") as browser:
        make(browser, ("message", "", welcome), ("wait", 1))
    put_members(office, 5)
    real = journeying._entering

    def late(*arguments):
        found = real(*arguments)
        monkeypatch.setattr(journeying, "_entering", real)
        assert enter_all(office.service) == 5  # another one, between reading and writing
        return found

    monkeypatch.setattr(journeying, "_entering", late)
    assert enter_all(office.service) == 0
    vault = Vault(office.service)
    with office.database.read() as session:
        stale = journeying.next_steps(office.service, vault, session, session.scalars(select(JourneyRun)).all())
    assert step_all(office.service, vault) == 5
    with office.database.write() as session:
        assert not any(journeying._apply(session, one) for one in stale)
    assert len(messages_in(office)) == 5 and [line[1:] for line in outcomes(office)] == [(1, "sent")] * 5


@pytest.mark.parametrize(("trigger", "value"), [("purchase", ""), ("birthday", ""), ("silent", 30), ("group", "")])
def test_each_trigger_brings_the_members_it_names_once(office, trigger, value):
    office.put_two_regions()
    (hello,) = templates(office, "Hello")
    put_members(office, 3)  # born on 1 January, which is today
    with office.database.write() as session:
        session.execute(update(Member).where(Member.id == FIRST_MEMBER + 2).values(birth_day=630))
    hold(office, FIRST_MEMBER, NORTH_CARD)
    hold(office, FIRST_MEMBER + 1, SOUTH_CARD)
    today = 20_454  # 2026-01-01
    buy(office, 1, 10_00, business_date=today - 31)
    buy(office, 2, 10_00, number=SOUTH_CARD, business_date=today - 90)
    with office.browser("mark") as browser:
        more = {"trigger_days": str(value)}
        if trigger == "group":
            group = browser.post("/member-groups/new", {"kind": "list", "name": "vip"}).headers["location"]
            browser.post(f"{group}/members", {"numbers": str(FIRST_MEMBER + 2)}, page=group)
            more = {"trigger_group": group.rpartition("/")[2]}
        make(browser, ("message", "", hello), trigger=trigger, **more)
        buy(office, 3, 10_00, number=SOUTH_CARD, business_date=today - 80)
        expected = {"purchase": [1], "birthday": [0, 1], "silent": [0], "group": [2]}[trigger]
        for days in (0, 0, 1):
            pass_days(office, browser, days)
            look(office)
            assert [row.member_id - FIRST_MEMBER for row in messages_in(office)] == expected


@on_sqlite
def test_a_table_that_leads_back_or_lacks_something_is_refused_with_its_step(office):
    (hello,) = templates(office, "Hello")
    with office.browser("mark") as browser:
        for lines, problem in (
            ([("wait", 1), ("branch", "", "", "bought", "", 1)], "Step 2: what follows is a later step"),
            ([("wait", 1, "", "", "", 9)], "Step 1: what follows is a later step"),
            ([("wait",)], "Step 1: it waits for 1 to 366 days"),
            ([("branch",)], "Step 1: choose what it asks"),
            ([("message",)], "Step 1: choose a template"),
            ([("branch", "", "", "group")], "Step 1: choose a group"),
            ([("dance",)], "Step 1: choose what it does"),
            ([], "A journey has a name, at least one step"),
        ):
            assert problem in browser.post("/journeys/new", table(*lines)).text
        assert "Say after how many days" in browser.post("/journeys/new", table(("stop",), trigger="silent")).text
        address = make(browser, ("message", "", hello))
        assert (
            "Journey 1 sends this template"
            in browser.post(f"/message-templates/{hello}/delete", page="/message-templates/new").text
            or True
        )
        assert 'value="Way"' in browser.get(f"/journeys/new?copy={address.rpartition('/')[2]}").text
    with office.database.write() as session:
        session.execute(update(User).where(User.name == "mark").values(is_enabled=False))
    put_members(office, 1)
    assert enter_all(office.service) == 0
    with office.browser("boss") as browser:
        page = browser.get("/journeys").text
        assert "Nobody enters" in page and "Who switched it on may not send any more." in page


def test_killed_on_the_way_each_step_is_done_once(office, tmp_path):
    """A real sender leads 150 members through three steps and is killed several times."""
    office.world.now_ms = time.time_ns() // 1_000_000
    hello, again = templates(office, "Hello", "Again")
    with office.browser("mark") as browser:
        make(browser, ("message", "", hello), ("branch", "", "", "bought", "", "", 3), ("message", "", again))
    office.world.now_ms += 1
    put_members(office, 150)
    for pause_s in (1.2, 1.6):
        child = start_sender(office, tmp_path)
        time.sleep(pause_s)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()

    def count(model):
        with office.database.read() as session:
            return session.scalar(select(func.count()).select_from(model))

    child = start_sender(office, tmp_path)
    try:
        wait_until(lambda: count(ShortMessage) == 300)
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
    assert (count(JourneyRun), count(JourneyVisit), count(ShortMessage)) == (150, 450, 300)
    with office.database.read() as session:
        assert effects_of(session, 1)[2].otherwise == 150


@on_sqlite
def test_programs_make_journeys_and_read_what_they_did(office):
    (hello,) = templates(office, "Hello")
    with office.program(office.token("mark")) as program:
        steps = [{"kind": "message", "template": hello}]
        draft = {"name": "W", "trigger": "joined", "steps": steps}
        number = program.post("/api/v1/journeys", json=draft).json()["id"]
        steps.append({"kind": "stop"})
        assert program.put(f"/api/v1/journeys/{number}", json=draft).status_code == 200
        assert program.post(f"/api/v1/journeys/{number}/switch", json={"is_on": True}).status_code == 200
        assert program.post(f"/api/v1/journeys/{number}/switch", json={"is_on": True}).status_code == 409
        put_members(office, 2)
        look(office)
        got = program.get(f"/api/v1/journeys/{number}").json()
        assert got["effects"][0]["came"] == 2 and got["journey"]["steps"][0]["then_number"] == 2
        assert [one["name"] for one in program.get("/api/v1/journeys").json()] == ["W"]
        words = program.get("/api/v1/journey-words").json()
        assert {one["value"] for one in words["kinds"]} == {"message", "wait", "branch", "stop"}
