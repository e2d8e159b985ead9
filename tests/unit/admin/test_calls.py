"""The call centre's software, activities with points, and what customer care comes to in figures."""

import csv
import io
import re

import pytest
from sqlalchemy import select, update

from admin.models.activities import Attendee
from admin.models.audit import AuditRow
from admin.models.calls import Call
from admin.models.documents import Document, DocumentStep
from admin.models.members import Member
from admin.models.mirror import switches
from switch.protocol.messages import AdjustPointsRequest, MessageType
from switch.protocol.records import SwitchRecord
from tests.support.admin_members import add, hold
from tests.support.admin_office import NORTH, SOUTH_CARD, SOUTH_STORE

DAY = 20_454
"""2026-01-01, a Thursday."""
EVENTS = "text/event-stream"


@pytest.fixture
def desk(office):
    """A supervisor, an agent, one of the north; it is 1 January 2026."""
    office.put_two_regions()
    office.put(SwitchRecord(mode=0, partition=0, business_date=DAY, timezone=b"UTC".ljust(32, b"\0")))
    office.hana = office.add_user("hana", "hq-supervisor")
    office.add_user("ada", "service-agent")
    office.add_user("nora", "service-agent", organisation_id=NORTH)
    return office


def go_to(office, day):
    """The switch has begun another business date."""
    with office.database.writer.begin() as connection:
        connection.execute(update(switches).values(business_date=day))


def set_parameter(office, name, value):
    """A parameter, as an administrator sets it on its page."""
    if "boss" not in office.secrets:
        office.add_user("boss", "administrator", totp=True)
    with office.browser("boss") as boss:
        return boss.post(f"/parameters/{name}", {"value": value, "reason": "call centre"})


@pytest.mark.feature("VC-043", "VC-045", "VC-046", "VC-149", "VC-044")
def test_a_call_opens_the_callers_page_or_a_new_contact_on_the_agents_screen(desk):
    monitor = desk.app.state.monitor
    kept, monitor.looks_max, monitor.look_s = (monitor.looks_max, monitor.look_s), 2, 0.0
    try:
        with desk.browser("ada") as ada:
            member = add(ada, "张伟", mobile="13800138000")
            assert ada.get("/calls/live").status_code == 406
            before = ada.get("/calls/live", accept=EVENTS).text
            assert "event: call" not in before
            with desk.program(desk.token("hana")) as program:
                taken = program.post("/api/v1/calls", json={"number": "+86 138 0013 8000", "agent": "ada"}).json()
                assert (taken["member_id"], taken["member"]) == (member, "张伟")
                assert taken["page"] == f"/members/{member}/care"
                stranger = program.post("/api/v1/calls", json={"number": "13911112222", "agent": "ada"}).json()
                assert stranger["member_id"] == 0 and stranger["page"] == f"/calls/{stranger['id']}"
                assert program.post("/api/v1/calls", json={"number": "hello"}).status_code == 409
                assert program.post("/api/v1/calls", json={"number": "110", "agent": "ada"}).status_code == 409
                assert program.post("/api/v1/calls", json={"number": "13911112222", "agent": "x"}).status_code == 409
            pop = ada.client.get("/calls/live", headers={"accept": EVENTS, "last-event-id": "0"}).text
            assert "event: call" in pop and f'href="/calls/{stranger["id"]}"' in pop and "new contact" in pop
            assert "139****2222" in pop and "13911112222" not in pop
            with desk.browser("hana") as hana:  # who has another telephone sees no call of hers
                live = hana.client.get("/calls/live", headers={"accept": EVENTS, "last-event-id": "0"}).text
                assert "event: call" not in live
            page = ada.get(stranger["page"]).text
            assert "New contact" in page and "13911112222" not in page
            made = ada.post(f"{stranger['page']}/member", {"name": "钱七"}, page=stranger["page"])
            new = int(made.headers["location"].split("/")[2])
            again = ada.post(f"{stranger['page']}/member", {"name": "钱七"}, page="/calls")
            assert again.status_code == 409 and "known already" in again.text
            own = ada.get(f"/members/{member}/care").text
            assert "Incoming" in own and f"/calls/dial/{member}" in own
            dialled = ada.get(f"/calls/dial/{member}")
            assert 'href="tel:13800138000"' in dialled.text and dialled.headers["refresh"] == "0; url=tel:13800138000"
            assert ada.get("/calls?whose=mine").text.count("Incoming</td>") == 2
            typed = ada.post("/calls", {"number": "13800138000"})
            assert "张伟" in ada.get(typed.headers["location"]).text
    finally:
        monitor.looks_max, monitor.look_s = kept
    with desk.database.read() as session:
        assert session.get(Member, new).state == "pending"
        looked = session.scalars(select(AuditRow).where(AuditRow.module == "calls", AuditRow.action == "looked")).all()
        assert [row.object for row in looked] == [f"member {member}"]
        assert all(b"138" not in row.number_sealed for row in session.scalars(select(Call)))


@pytest.mark.feature("VC-144", "VC-145", "VC-146", "VC-147")
def test_the_call_centre_is_set_before_it_is_used(desk, tmp_path):
    with desk.browser("ada") as ada:
        member = add(ada, "张伟", phone="02161234567")
        first = ada.post("/calls", {"number": "61234567"})
        assert "Not known" in ada.get(first.headers["location"]).text
        wrong = set_parameter(desk, "call_area_code", "21")
        assert wrong.status_code == 409 and "021" in wrong.text
        assert set_parameter(desk, "call_area_code", "021").status_code == 303
        assert set_parameter(desk, "call_own_number", "4008001234").status_code == 303
        assert set_parameter(desk, "call_recordings", "recordings").status_code == 409
        assert set_parameter(desk, "call_recordings", str(tmp_path)).status_code == 303
        ada.sign_in("ada")
        second = ada.post("/calls", {"number": "61234567"})
        assert f"/members/{member}/care" in ada.get(second.headers["location"]).text
        assert set_parameter(desk, "call_area_code", "").status_code == 303


@pytest.mark.feature("VC-048", "VC-049")
def test_a_recording_is_evidence_and_nothing_else_of_the_machine_is_played(desk, tmp_path):
    folder = tmp_path / "recordings"
    (folder / "january").mkdir(parents=True)
    (folder / "january" / "1.wav").write_bytes(b"RIFF sound")
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (folder / "leak.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "notes.txt").write_text("notes")
    with desk.browser("hana") as browser:
        address = browser.post("/calls", {"number": "13911112222"}).headers["location"]

        def attach(name, **fields):
            return browser.post(
                f"{address}/recording", {"recording": name, "note": "too short", **fields}, page=address
            )

        assert attach("january/1.wav").status_code == 303
        unset = browser.get(f"{address}/recording")
        assert unset.status_code == 409 and "not set" in unset.text
        assert set_parameter(desk, "call_recordings", str(folder)).status_code == 303
        browser.sign_in("hana")
        played = browser.get(f"{address}/recording")
        assert (played.content, played.headers["content-type"]) == (b"RIFF sound", "audio/wav")
        for bad in ("../secret.wav", str(tmp_path / "secret.wav"), "january/../../secret.wav", "notes.txt", "a\\b.wav"):
            assert attach(bad).status_code == 409, bad
        for missing in ("leak.wav", "none.wav", "january"):
            answer = attach(missing)
            assert answer.status_code == 409 or browser.get(f"{address}/recording").status_code == 409, missing
        fields = {"kind": "complaint", "area": "4", "content": "态度不好"}
        opinion = browser.post("/opinions/new", fields).headers["location"]
        assert attach("january/1.wav", opinion="999").status_code == 409
        assert attach("january/1.wav", opinion=opinion.rpartition("/")[2]).status_code == 303
        page = browser.get(opinion).text
        assert "january/1.wav" in page and "too short" in page
        assert browser.get(f"{opinion}/recording").content == b"RIFF sound"
        with desk.browser("ada") as ada:  # an agent does not listen to others
            assert ada.get(f"{address}/recording").status_code == 403
    with desk.database.read() as session:
        looked = session.scalars(select(AuditRow).where(AuditRow.action == "looked", AuditRow.module == "calls")).all()
        assert [row.object for row in looked] == ["call 1", "opinion 1"]


def credit(browser, activity):
    """Preview the points of an activity; (page, fields to send it with)."""
    fields = {"activity": str(activity), "remark": "took part"}
    page = browser.post("/documents/new/credit-activity", {"what": "preview", **fields}).text
    return page, fields


@pytest.mark.feature("VC-093", "VC-094")
def test_an_activity_keeps_its_course_and_credits_each_attendee_once(desk):
    desk.add_user("mia", "hq-supervisor", totp=True)
    with desk.browser("mia") as browser:
        one, two = add(browser, "张伟"), add(browser, "单明明")
        south = add(browser, "赵敏", organisation_id=str(SOUTH_STORE))
        hold(desk, one)
        hold(desk, two, SOUTH_CARD)
        fields = {"name": "新春茶会", "date": "2026-01-20", "place": "二楼", "points_hundredths": "50"}
        address = browser.post("/activities/new", fields).headers["location"]
        number = int(address.rpartition("/")[2])
        attendees = f"{address}/attendees"
        lines = f"{one}\n{SOUTH_CARD}\n{one}\n{south}"
        assert browser.post(attendees, {"members": lines}, page=address).status_code == 303
        assert browser.post(attendees, {"members": str(one)}, page=address).status_code == 303
        wrong = browser.post(attendees, {"members": "77"}, page=address)
        assert wrong.status_code == 409 and "no member" in wrong.text
        course = fields | {"course": "来了三位", "content": "品茶"}
        assert browser.post(f"{address}/change", course).status_code == 303
        page = browser.get(address).text
        assert all(text in page for text in ("来了三位", "品茶", "张伟", "单明明", "3 attendees"))
        assert "新春茶会" in browser.get(f"/members/{one}/care").text

        preview, sent = credit(browser, number)
        assert "100.00" in preview and "Holds no active card" in preview and "赵敏" in preview
        digest = re.findall(r'name="digest" value="(\w+)"', preview)
        made = browser.post("/documents/new/credit-activity", {"what": "send", "digest": digest[0], **sent})
        assert made.status_code == 303, re.findall(r'class="problem"[^>]*>([^<]*)', made.text)
        with desk.database.read() as session:
            steps = session.scalars(select(DocumentStep).order_by(DocumentStep.number)).all()
            bodies = [AdjustPointsRequest.decode(step.body) for step in steps]
            assert {step.type for step in steps} == {MessageType.ADJUST_POINTS}
            assert [body.points_hundredths for body in bodies] == [50_00, 50_00]
            credited = session.scalars(select(Attendee.member_id).where(Attendee.document_id > 0)).all()
            assert sorted(credited) == [one, two]
        nothing, _ = credit(browser, number)
        assert "nothing to do" in nothing or "Holds no active card" in nothing
        assert 'name="digest"' not in nothing
        refused = browser.post(f"{address}/change", course | {"points_hundredths": "80"})
        assert refused.status_code == 409 and "credited already" in refused.text
        stays = browser.post(f"{attendees}/remove", {"member": str(one)}, page=address)
        assert stays.status_code == 409
        assert browser.post(f"{attendees}/remove", {"member": str(south)}, page=address).status_code == 303
        with desk.database.write() as session:  # a document that was rejected has credited nobody
            session.execute(update(Document).values(state="rejected"))
        again, _ = credit(browser, number)
        assert "100.00" in again


def table(browser, address):
    """Rows of a file, by heading."""
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text[:200]
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


@pytest.mark.feature("VC-058", "VC-060", "VC-053", "VC-172")
def test_visits_complaints_and_quality_of_service_in_figures(desk):
    with desk.browser("hana") as browser:
        north, south = add(browser, "张伟"), add(browser, "赵敏", organisation_id=str(SOUTH_STORE))

        def visit(member, day, score, *, due="2026-01-01", **fields):
            go_to(desk, day)
            made = browser.post("/care/tasks/new", {"member_id": str(member), "due_date": due, "subject": "x"})
            address = made.headers["location"]
            values = {"channel": "telephone", "result": "done", "satisfaction": str(score), **fields}
            assert browser.post(f"{address}/done", values, page=address).status_code == 303

        visit(north, DAY, 5)
        visit(north, DAY + 1, 2)
        visit(south, DAY + 5, 4, due="2026-01-06")
        go_to(desk, DAY + 35)
        made = browser.post("/care/tasks/new", {"member_id": str(north), "due_date": "2026-01-01", "subject": "x"})
        number = made.headers["location"].rpartition("/")[2]
        browser.post("/care/tasks/skip", {"task": number, "reason": "gone"}, page="/care")
        weeks = {row["Period"]: row for row in table(browser, "/reports/visits/csv?step=week")}
        heads = ("Done", "Skipped", "Done in time", "Share in time", "Satisfied (4, 5)", "Dissatisfied (1, 2)")
        assert [weeks["2026-W01"][head] for head in heads] == ["2", "0", "1", "50.00", "1", "1"]
        assert weeks["2026-W01"]["Mean satisfaction (1 to 5)"] == "3.50"
        assert [weeks["2026-W02"][head] for head in heads] == ["1", "0", "1", "100.00", "1", "0"]
        assert weeks["2026-W06"]["Skipped"] == "1" and weeks["2026-W03"]["Done"] == "0"
        sums = weeks.popitem()[1]
        assert sums["Done"] == "3" == str(sum(int(row["Done"]) for row in weeks.values()))
        months = {row["Period"]: row for row in table(browser, "/reports/visits/csv?step=month")}
        assert (months["2026-01"]["Done"], months["2026-02"]["Skipped"]) == ("3", "1")
        *stores, sums = table(browser, "/reports/care-satisfaction/csv")
        assert [row["Scores"] for row in stores] == ["2", "1"] and sums["Scores"] == "3"
        staff = table(browser, "/reports/care-satisfaction/csv?by=staff")
        assert (staff[0]["Store, employee or month"], staff[0]["Scores"], staff[0]["5"]) == ("Hana", "3", "1")
        assert table(browser, "/reports/care-satisfaction/csv?by=month")[0]["Scores"] == "3"

        go_to(desk, DAY)
        browser.post("/departments", {"name": "生鲜部", "organisation_id": "0"}, page="/organisation")
        browser.post("/care/heads", {"department_id": "1", "user_id": str(desk.hana)})
        for area in ("2", "2", "4"):
            fields = {"kind": "complaint", "area": area, "content": "x", "department_id": "1"}
            assert browser.post("/opinions/new", fields).status_code == 303
        desk.world.now_ms += 2 * 3_600_000
        browser.sign_in("hana")
        for act in ("handle", "effect", "feed-back", "close"):
            assert browser.post("/opinions/1/steps", {"act": act, "text": "x"}, page="/opinions/1").status_code == 303
        areas = {row["Name"]: row for row in table(browser, "/reports/complaints/csv")}
        assert [areas["Price standard"][head] for head in ("Records", "Share", "Open", "Closed")] == [
            "2",
            "66.66",
            "1",
            "1",
        ]
        assert areas["Service"]["Records"] == "1"
        quality = table(browser, "/reports/service-quality/csv")[0]
        figures = ("Records", "Mean hours to the first step", "Closed", "Mean hours to the closing", "Closed in time")
        assert [quality[head] for head in figures] == ["3", "2", "1", "2", "1"]
        go_to(desk, DAY + 9)
        late = {row["Name"]: row for row in table(browser, "/reports/complaints/csv")}
        assert late["Service"]["Past their deadline"] == "1"
        for name in ("visits", "complaints", "service-quality", "care-satisfaction"):
            assert browser.get(f"/reports/{name}").status_code == 200
    desk.add_user("sam", "hq-supervisor", organisation_id=NORTH)
    with desk.browser("sam") as sam:  # of the north: the store's own visits
        assert table(sam, "/reports/visits/csv?step=month")[0]["Done"] == "2"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_stores_see_calls_of_their_own(desk):
    with desk.browser("hana") as browser, desk.browser("nora") as nora:
        add(browser, "赵敏", organisation_id=str(SOUTH_STORE), mobile="13800138000")
        address = browser.post("/calls", {"number": "13800138000"}).headers["location"]
        assert nora.get(address).status_code == 404
        mine = nora.post("/calls", {"number": "13800138000"}).headers["location"]
        assert "赵敏" not in nora.get(mine).text  # another store's member is not told by his number
