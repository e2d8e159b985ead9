"""An agent's work: reminders that become tasks once, visits that need a result, special days, the contact log."""

import re

import pytest
from sqlalchemy import func, select, update

from admin.care.engine import Reminders
from admin.care.kinds import COUNT_MAX, TASK_KINDS
from admin.models.audit import AuditRow
from admin.models.care import CareTask, ReminderRun
from admin.models.members import ContactEntry, Member
from admin.models.mirror import switches
from switch.protocol.records import CardRecord, SwitchRecord
from tests.support.admin_members import add, buy, hold, send
from tests.support.admin_office import NORTH, NORTH_CARD, NORTH_STORE, SOUTH_CARD, SOUTH_STORE

DAY = 20_454
"""2026-01-01, a Thursday."""
TASK_LINK = re.compile(r'href="/care/tasks/(\d+)">([^<]+)</a></td><td>(?:<a href="/members/\d+/care">([^<]*)</a>)?')


@pytest.fixture
def desk(office):
    """A headquarters supervisor, an agent, and a store agent in the north; it is 1 January 2026."""
    office.put_two_regions()
    office.put(SwitchRecord(mode=0, partition=0, business_date=DAY, timezone=b"UTC".ljust(32, b"\0")))
    office.hana = office.add_user("hana", "hq-supervisor")
    office.add_user("ada", "service-agent")
    office.add_user("nora", "service-agent", organisation_id=NORTH)
    return office


def run(office):
    """What the watcher's thread does once a day."""
    reminders = Reminders(office.service)
    while reminders.work():
        pass


def go_to(office, day):
    """The switch has begun another business date."""
    office.world.now_ms += 60_000
    with office.database.writer.begin() as connection:
        connection.execute(update(switches).values(business_date=day))


def tasks(browser, address="/care"):
    """(kind, member) of the tasks that a page lists, in order."""
    return [(kind, name) for _number, kind, name in TASK_LINK.findall(browser.get(address).text)]


def number_of(browser, kind, address="/care?whose=all&due=all"):
    """Number of the first task of a kind."""
    return next(int(number) for number, label, _name in TASK_LINK.findall(browser.get(address).text) if label == kind)


def set_rule(browser, kind, **fields):
    """Set a reminder on its page."""
    fields = {"is_on": "on", "count_max": "500", **fields}
    answer = browser.post(f"/care/settings/{kind}", {k: v for k, v in fields.items() if v is not None})
    assert answer.status_code == 303, re.findall(r'class="(?:error|problem)"[^>]*>([^<]*)', answer.text)


def test_every_reminder_has_a_finder():
    from admin.care.reminders import FINDERS, OF_A_SPAN

    assert {kind.name for kind in TASK_KINDS.values() if kind.is_reminder} == FINDERS.keys() >= set(OF_A_SPAN)


@pytest.mark.feature("VC-176", "K3-123", "VC-117")
def test_birthdays_become_tasks_once_and_stay_until_somebody_has_done_them(desk):
    with desk.browser("hana") as browser:
        add(browser, "张伟", birth_date="1990-01-01")
        add(browser, "单明明", birth_date="1985-01-06")
        add(browser, "赵敏", birth_date="1985-01-05", organisation_id=str(SOUTH_STORE))
        set_rule(browser, "birthday-ahead", days="5")
        run(desk)
        run(desk)
        everybody = "/care?whose=all&due=all"
        assert tasks(browser, "/care?kind=birthday") == [("Birthday", "张伟")]
        assert tasks(browser, everybody) == [
            ("Birthday", "张伟"),
            ("Birthday soon", "赵敏"),
            ("Birthday soon", "单明明"),
        ]
        assert "1 task made" in browser.get("/care/settings").text
        go_to(desk, DAY + 1)
        run(desk)
        assert len(tasks(browser, everybody)) == 3  # nothing is made twice, and what is open stays
        assert ("Birthday", "张伟") in tasks(browser)
        browser.get("/care/settings/birthday-ahead")
        set_rule(browser, "birthday-ahead", days="9")  # runs once more today, and makes nothing twice
        run(desk)
        assert len(tasks(browser, everybody)) == 3
        number = number_of(browser, "Birthday")
        done = browser.post(f"/care/tasks/{number}/done", {"channel": "telephone"}, page=f"/care/tasks/{number}")
        assert done.status_code == 303
        assert tasks(browser, "/care?kind=birthday") == []
        again = browser.post(f"/care/tasks/{number}/done", {"channel": "telephone"}, page="/care")
        assert again.status_code == 409 and "closed already" in again.text
    with desk.browser("nora") as nora:  # of the north, and so nothing of the south
        assert tasks(nora, everybody) == [("Birthday soon", "单明明")]
    with desk.database.read() as session:
        noted = session.scalars(select(AuditRow).where(AuditRow.action == "remind")).all()
        assert {row.user_name for row in noted} == {"(reminders)"}


@pytest.mark.feature("VC-117")
def test_a_task_is_skipped_with_a_reason_only_and_is_then_out_of_sight(desk):
    with desk.browser("ada") as browser:
        add(browser, "张伟", birth_date="1990-01-01")
        add(browser, "王五", birth_date="1980-01-01")
        run(desk)
        first, second = (number for number, _, _ in TASK_LINK.findall(browser.get("/care").text))
        refused = browser.post("/care/tasks/skip", {"task": first, "reason": " "}, page="/care")
        assert refused.status_code == 409 and "Say why" in refused.text and len(tasks(browser)) == 2
        assert browser.post("/care/tasks/skip", {"task": [first, second], "reason": "same person"}, page="/care")
        assert tasks(browser) == [] and len(tasks(browser, "/care?stage=skipped")) == 2
        assert "same person" in browser.get(f"/care/tasks/{first}").text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.feature("K3-123")
def test_a_birthday_on_29_february_is_kept_on_the_28th_of_other_years(desk):
    with desk.browser("hana") as browser:
        add(browser, "张伟", birth_date="1992-02-29")
        go_to(desk, DAY + 58)  # 2026-02-28
        run(desk)
        assert tasks(browser) == [("Birthday", "张伟")]
        go_to(desk, DAY + 59)
        run(desk)
        assert len(tasks(browser)) == 1
        go_to(desk, DAY + 788)  # 2028-02-28: that year has a 29th
        run(desk)
        assert len(tasks(browser)) == 1
        go_to(desk, DAY + 789)
        run(desk)
        assert tasks(browser) == [("Birthday", "张伟")] * 2


@pytest.mark.feature("K3-126", "VC-030", "VC-089")
def test_who_bought_is_visited_and_who_stays_away_is_noticed(desk):
    with desk.browser("hana") as browser:
        loyal, rare = add(browser, "张伟"), add(browser, "单明明")
        hold(desk, loyal)
        hold(desk, rare, SOUTH_CARD)
        set_rule(browser, "follow-up", days="0", amount="10.00")
        set_rule(browser, "silent", days="30")
        buy(desk, 1, 900, business_date=DAY, number=SOUTH_CARD)
        buy(desk, 2, 5_000, business_date=DAY)
        run(desk)
        assert tasks(browser) == [("Visit after a purchase", "张伟")]  # on the same day; 9.00 is below the bound
        buy(desk, 3, 1_000, business_date=DAY, number=SOUTH_CARD)
        desk.world.now_ms += 301_000
        run(desk)
        assert tasks(browser) == [("Visit after a purchase", "张伟"), ("Visit after a purchase", "单明明")]
        set_rule(browser, "follow-up", days="3", amount="10.00", is_on=None)
        go_to(desk, DAY + 20)
        buy(desk, 4, 5_000, business_date=DAY + 20)
        go_to(desk, DAY + 30)
        run(desk)
        quiet = "/care?kind=silent"
        assert tasks(browser, quiet) == [("No purchase for long", "单明明")]
        assert "2026-01-01" in browser.get(quiet).text
        go_to(desk, DAY + 50)
        run(desk)
        assert tasks(browser, quiet) == [("No purchase for long", name) for name in ("单明明", "张伟")]


@pytest.mark.feature("K3-127")
def test_cards_that_end_points_that_end_with_them_and_low_balances(desk):
    with desk.browser("hana") as browser:
        ending, poor = add(browser, "张伟"), add(browser, "单明明")
        hold(desk, ending, balance_minor=90_00, points_hundredths=500_00)
        hold(desk, poor, SOUTH_CARD, balance_minor=3_00)
        with desk.database.writer.begin() as connection:
            from admin.models.mirror import cards

            connection.execute(update(cards).where(cards.c.card_number == NORTH_CARD).values(expiry_date=DAY + 20))
        for kind in ("card-expiry", "points-expiry"):
            set_rule(browser, kind, days="30", amount="100" if kind == "points-expiry" else None)
        set_rule(browser, "low-balance", amount="5.00")
        buy(desk, 1, 200, business_date=DAY)
        buy(desk, 2, 200, business_date=DAY, number=SOUTH_CARD)
        go_to(desk, DAY + 1)
        run(desk)
        everything = "/care?whose=all&due=all"
        assert sorted(tasks(browser, everything)) == [
            ("Card ends", "张伟"),
            ("Low balance", "单明明"),
            ("Points end with their card", "张伟"),
        ]
        assert "500.00 points" in browser.get(everything).text and "Balance 3.00" in browser.get(everything).text
        go_to(desk, DAY + 2)
        run(desk)
        assert len(tasks(browser, everything)) == 3


@pytest.mark.feature("GJ-115")
def test_a_store_with_few_cards_of_a_type_is_reported_once_until_somebody_has_seen_to_it(desk):
    for n in range(3):
        number = 6_222_020_100_100_000 + n
        desk.put(CardRecord(card_number=number, card_type=1, status=17 if n else 1, custody_store_id=NORTH_STORE))
    with desk.browser("hana") as browser:
        set_rule(browser, "stock-low", amount="5")
        run(desk)
        low = "/care?kind=stock-low&whose=all"
        page = browser.get(low).text
        assert f"{NORTH_STORE}" in page and "in stock" in page
        count = len(tasks(browser, low))
        go_to(desk, DAY + 1)
        run(desk)
        assert len(tasks(browser, low)) == count
        number = number_of(browser, "Few cards in stock", low)
        browser.post("/care/tasks/skip", {"task": str(number), "reason": "on its way"}, page="/care")
        go_to(desk, DAY + 2)
        run(desk)
        assert len(tasks(browser, low)) == count  # still few: it comes again, for the one that was seen to


@pytest.mark.feature("K3-124", "VC-116")
def test_festivals_and_special_days_are_kept_by_operators(desk):
    with desk.browser("hana") as browser:
        member = add(browser, "张伟")
        festival = {"name": "春节", "date": "2026-02-17"}
        assert browser.post("/care/festivals/new", festival).status_code == 303
        assert "春节" in browser.get("/care/settings").text
        own = f"/members/{member}/care"
        day = {"name": "店庆嘉宾", "date": "2020-01-05", "is_yearly": "on", "note": "请到前台"}
        assert browser.post(f"{own}/days", day, page=own).status_code == 303
        assert "店庆嘉宾" in browser.get(own).text
        run(desk)
        assert tasks(browser) == []
        go_to(desk, DAY + 4)
        run(desk)
        assert tasks(browser) == [("Special day", "张伟")]
        go_to(desk, DAY + 44)  # 2026-02-14: three days before
        run(desk)
        assert ("Festival", "") in tasks(browser, "/care?due=all")
        wrong = browser.post(f"{own}/days", {"name": "x"}, page=own)
        assert "Fill this in" in wrong.text
        (one,) = re.findall(r"/care/member-days/\d+/delete", browser.get(own).text)
        assert (
            browser.post(one, {}, page=own).status_code == 303
            and "店庆嘉宾" not in browser.get(own).text.partition("Special days")[2].partition("Done and skipped")[0]
        )


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_day_makes_no_more_tasks_than_its_bound_and_says_so(desk):
    with desk.browser("hana") as browser:
        for name in ("张伟", "王五", "赵六"):
            add(browser, name, birth_date="1990-01-01")
        set_rule(browser, "birthday", count_max="2")
        run(desk)
        assert len(tasks(browser)) == 2
        assert "There were more" in browser.get("/care/settings").text
        assert "more than the 2 tasks" in browser.get("/care").text
        set_rule(browser, "birthday", count_max="3")
        run(desk)
        assert len(tasks(browser)) == 3
        go_to(desk, DAY + 1)
        run(desk)
        assert len(tasks(browser)) == 3 and "more than" not in browser.get("/care").text
        one, two = add(browser, "钱七"), add(browser, "孙八")
        hold(desk, one)
        hold(desk, two, SOUTH_CARD)
        buy(desk, 1, 900, business_date=DAY + 1)
        buy(desk, 2, 900, business_date=DAY + 1, number=SOUTH_CARD)
        bought = "/care?kind=follow-up"
        for count_max in (1, 2):  # the second time it goes on behind what there is
            set_rule(browser, "follow-up", days="0", amount="0", count_max=str(count_max))
            run(desk)
            assert len(tasks(browser, bought)) == count_max
    assert COUNT_MAX == 500


class Overtaken(Reminders):
    """Another process has run the same between its question and its answer."""

    def __init__(self, office):
        super().__init__(office.service)
        self.office = office

    def _rows(self, *arguments):
        rows = super()._rows(*arguments)
        run(self.office)
        return rows


def test_two_that_run_at_once_make_nothing_twice(desk):
    with desk.browser("hana") as browser:
        add(browser, "张伟", birth_date="1990-01-01")
    assert Overtaken(desk).work()
    run(desk)
    with desk.database.read() as session:
        assert session.scalar(select(func.count()).select_from(CareTask)) == 1
        birthday = session.get(ReminderRun, (DAY, "birthday"))
        assert birthday is not None and birthday.made_count == 1
    with desk.database.write() as session:  # killed before its row was kept, it would find what is there already
        for row in session.scalars(select(ReminderRun)):
            session.delete(row)
    run(desk)
    with desk.database.read() as session:
        assert session.scalar(select(func.count()).select_from(CareTask)) == 1


@pytest.mark.feature("VC-059", "VC-090", "VC-091", "VC-092", "VC-055", "VC-056", "VC-057", "K3-050", "VC-150")
def test_a_visit_is_closed_with_result_and_score_and_a_comment_goes_to_the_head_of_the_department(desk):
    with desk.browser("hana") as browser:
        member = add(browser, "张伟", mobile="13800138000")
        browser.post("/departments", {"name": "生鲜部", "organisation_id": "0"}, page="/organisation")
        assert browser.post("/care/heads", {"department_id": "1", "user_id": str(desk.hana)}).status_code == 303
        assert "Hana" in browser.get("/care/settings").text
        visit = {"member_id": str(member), "due_date": "2026-01-01", "subject": "问问新卡"}
        made = browser.post("/care/tasks/new", visit)
        address = made.headers["location"]
        assert f'href="/calls/dial/{member}"' in browser.get(address).text
        fields = {"channel": "telephone", "result": "", "satisfaction": ""}
        wrong = browser.post(f"{address}/done", fields, page=address)
        assert "closed with its result" in wrong.text and "closed with a score" in wrong.text
        fields |= {"result": "满意新卡", "satisfaction": "4", "has_opinion": "on"}
        wrong = browser.post(f"{address}/done", fields, page=address)
        assert "write it into the comment form" in wrong.text and "Choose the department" in wrong.text
        fields |= {"opinion_kind": "complaint", "opinion_area": "2", "opinion_department": "1"}
        fields |= {"opinion_text": "鱼太贵", "next_date": "2026-01-20"}
        assert browser.post(f"{address}/done", fields, page=address).status_code == 303
        slip = browser.get(f"{address}/slip").text
        for text in ("满意新卡", "鱼太贵", "生鲜部", "Hana", "138****8000", "data-print"):
            assert text in slip, text
        own = browser.get(f"/members/{member}/care").text
        assert "满意新卡" in own and "Agreed next contact" in own and "20 Jan 2026" in own
        assert "鱼太贵" in browser.get("/opinions?whose=mine").text  # the head's
        log = browser.get("/member-contacts?kind=visit").text
        assert "满意新卡" in log
    with desk.database.read() as session:
        task = session.scalars(select(CareTask).where(CareTask.kind == "visit")).one()
        assert (task.satisfaction, task.opinion_id) == (4, 1)


@pytest.mark.feature("HD-013", "HD-017", "HD-018", "HD-154", "K3-048", "K3-049", "GJ-028", "GJ-029")
def test_the_contact_log_is_searched_by_member_day_channel_and_text(desk):
    with desk.browser("ada") as browser:
        one, two = add(browser, "张伟"), add(browser, "单明明")
        talks = (
            (one, "talk", "telephone", "问营业时间", ""),
            (one, "gift", "store", "生日蛋糕一份", "2026-01-03"),
            (two, "talk", "store", "要发票", ""),
        )
        for member, kind, channel, content, next_date in talks:
            fields = {"kind": kind, "channel": channel, "direction": "in", "content": content, "next_date": next_date}
            answer = send(browser, f"/members/{member}/contacts", f"/members/{member}", satisfaction="0", **fields)
            assert answer.status_code == 303
            desk.world.now_ms += 86_400_000
            browser.sign_in("ada")

        def found(query):
            return re.findall(r'class="kept">([^<]+)</td>', browser.get(f"/member-contacts?{query}").text)

        assert found("") == ["要发票", "生日蛋糕一份", "问营业时间"]
        assert found(f"member={one}") == ["生日蛋糕一份", "问营业时间"]
        assert found("channel=store") == ["要发票", "生日蛋糕一份"]
        assert found("since=2026-01-02&until=2026-01-02") == ["生日蛋糕一份"]
        assert found("q=发票") == ["要发票"] and found("kind=gift") == ["生日蛋糕一份"]
        assert "Ada" in browser.get("/member-contacts").text
        care = browser.get(f"/members/{one}/care").text
        for text in ("问营业时间", "Birthday gift", "Agreed next contact", "3 Jan 2026"):
            assert text in care, text
        past = {"kind": "talk", "channel": "store", "direction": "in", "content": "x", "next_date": "2025-12-01"}
        refused = send(browser, f"/members/{one}/contacts", f"/members/{one}", satisfaction="0", **past)
        assert refused.status_code == 409 and "today or later" in refused.text
    assert 'href="/member-contacts"' in desk_menu(desk)


def desk_menu(office):
    with office.browser("ada") as browser:
        return browser.get("/care").text.partition("<nav")[2].partition("</nav>")[0]


@pytest.mark.feature("GJ-136", "VC-176")
def test_a_member_has_an_account_manager_whose_tasks_they_are(desk):
    with desk.browser("hana") as hana:
        member = add(hana, "张伟", birth_date="1990-01-01", manager_id=str(desk.hana))
        run(desk)
        assert "Account manager: Hana" in re.sub(r"<[^>]+>", "", hana.get(f"/members/{member}/care").text)
        assert tasks(hana) == [("Birthday", "张伟")]
        with desk.browser("ada") as ada:
            assert tasks(ada) == [] and tasks(ada, "/care?whose=all") == [("Birthday", "张伟")]
            number = number_of(hana, "Birthday")
            to = {"assigned_to": str(desk.visitor("ada").user_id)}
            assert ada.post(f"/care/tasks/{number}/assign", to, page=f"/care/tasks/{number}").status_code == 303
            assert tasks(ada) == [("Birthday", "张伟")] and tasks(hana) == []
    assert "Customer care" in desk_menu(desk)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_tasks_go_with_their_member(desk):
    with desk.browser("hana") as browser:
        one, two = add(browser, "张伟", birth_date="1990-01-01"), add(browser, "张伟", birth_date="1990-01-01")
        talk = {"kind": "talk", "channel": "store", "direction": "in", "content": "x", "next_date": "2026-01-09"}
        send(browser, f"/members/{two}/contacts", f"/members/{two}", satisfaction="0", **talk)
        run(desk)
        assert browser.post(f"/members/{one}/merge", {"other": str(two), "reason": "twice"}).status_code == 303
        with desk.database.read() as session:  # its own birthday stays with the record that ended: one greeting
            owners = dict(session.execute(select(CareTask.kind, CareTask.member_id).order_by(CareTask.id)).all())
            kinds = session.scalars(select(CareTask.kind).where(CareTask.member_id == one)).all()
        assert owners["callback"] == one and sorted(kinds) == ["birthday", "callback"]
    with desk.database.write() as session:
        session.execute(update(ContactEntry).values(member_id=two))
        assert session.get(Member, two).state == "merged"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_programs_do_what_agents_do(desk):
    with desk.browser("hana") as browser:
        member = add(browser, "张伟", birth_date="1990-01-01")
    run(desk)
    with desk.program(desk.token("hana")) as program:
        day = program.get("/api/v1/care").json()
        assert day["counts"] == {"birthday": 1} and day["tasks"]["rows"][0]["member"] == "张伟"
        visit = {"member_id": member, "due_date": DAY, "subject": "x"}
        number = program.post("/api/v1/care/tasks", json=visit).json()["id"]
        refused = program.post(f"/api/v1/care/tasks/{number}/done", json={"result": "fine"})
        assert refused.status_code == 409 and "score" in refused.json()["detail"]
        done = program.post(f"/api/v1/care/tasks/{number}/done", json={"result": "fine", "satisfaction": 5})
        assert done.json()["state"] == "done"
        first = day["tasks"]["rows"][0]["id"]
        assert program.post("/api/v1/care/tasks/skip", json={"tasks": [first], "reason": ""}).status_code == 409
        assert program.post("/api/v1/care/tasks/skip", json={"tasks": [first], "reason": "no"}).json() == {"id": "1"}
        rule = {"is_on": True, "days": 4, "count_max": 9}
        assert program.post("/api/v1/care/settings/anniversary", json=rule).status_code == 200
        rules = {one["kind"]: one for one in program.get("/api/v1/care/settings").json()["reminders"]}
        assert (rules["anniversary"]["days"], rules["anniversary"]["count_max"]) == (4, 9)
        assert len(program.get(f"/api/v1/members/{member}/care").json()["tasks"]) == 2
