"""Members as their clerks meet them: records, search, family, cards, talks, churn, levels, groups, merging."""

import re

import pytest
from sqlalchemy import select

from admin.models.audit import AuditRow
from admin.models.members import Member, MemberContact, member_keys
from tests.support.admin_members import BASICS, ZHANG_ID, add, buy, found, hold, pass_days, send
from tests.support.admin_office import (
    NORTH,
    NORTH_CARD,
    NORTH_STORE,
    SOUTH_CARD,
    SOUTH_STORE,
)

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def clerk(office):
    """A browser of headquarters' supervisor, in an office with two regions."""
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    with office.browser("hana") as browser:
        yield browser


@pytest.mark.feature("HD-004", "HD-005", "HD-006", "HD-153", "K3-014", "K3-015", "K3-016", "K3-017", "K3-018", "K3-019")
@pytest.mark.feature("K3-020", "K3-021", "K3-022", "K3-023", "K3-024", "K3-025", "K3-026", "K3-027", "K3-028", "K3-029")
@pytest.mark.feature("K3-032", "VC-067", "VC-070", "VC-071", "VC-002", "GJ-005", "GJ-119")
def test_a_record_is_made_read_and_changed_with_all_its_sections(office, clerk):
    number = add(
        clerk,
        "张伟",
        sex="1",
        id_number=ZHANG_ID.lower(),
        mobile="+86 138-1234-5678",
        phone="010 6655 4433",
        email="Zhang@Example.com",
        preferred="phone",
        region="110000",
        address="长安街 1 号",
        postcode="100000",
        education="20",
        occupation="2",
        industry="9",
        marital="2",
        household_size="3",
        interests=["1", "4"],
        needs="停车位",
        preferences="喜欢靠窗",
        detail_class="2",
        member_class="2",
    )
    page = clerk.get(f"/members/{number}").text
    for text in ("张伟", "Member 1000001", "76 years old", "110*", "002X", "138****5678", "z***@example.com"):
        assert text in page, text
    for text in (
        "110000 Beijing",
        "9 Information technology",
        "University degree",
        "Food, Travel",
        "Apartment",
        "停车位",
    ):
        assert text in page, text
    assert "1949-12-31" in page and "Reach preferably by" in page and "Telephone" in page and "Professional" in page
    assert ZHANG_ID not in page and "13812345678" not in page
    form = clerk.get(f"/members/{number}/edit").text
    assert "13812345678" not in form and "Now 138****5678" in form
    version = re.findall(r'name="version" value="(\d+)"', form)[0]
    changed = {**BASICS, "name": "张伟", "version": version, "address": "复兴路 2 号", "email": "-", "mobile": ""}
    assert send(clerk, f"/members/{number}/edit", f"/members/{number}/edit", **changed).status_code == 303
    page = clerk.get(f"/members/{number}").text
    assert "复兴路 2 号" in page and "138****5678" in page and "@example.com" not in page
    again = send(clerk, f"/members/{number}/edit", f"/members/{number}/edit", **changed)
    assert again.status_code == 409 and "Somebody else has changed" in again.text
    with office.database.read() as session:
        row = session.scalars(select(AuditRow).where(AuditRow.action == "change")).one()
        whole = " ".join(f"{one.object} {one.detail}" for one in session.scalars(select(AuditRow)))
    assert "复兴路" in row.detail and "138****" not in row.detail and "z***@example.com" in row.detail
    assert ZHANG_ID not in whole and "13812345678" not in whole


@on_sqlite
@pytest.mark.feature("HD-007", "K3-034")
def test_further_contacts_are_kept_sealed_found_and_removed(office, clerk):
    number = add(clerk, "张伟", mobile="13812345678")
    page = f"/members/{number}"
    assert send(clerk, f"{page}/contact-points", page, kind="email", value="No address").status_code == 409
    added = send(clerk, f"{page}/contact-points", page, kind="phone", value="010-6655 4433", note="父母家")
    assert added.status_code == 303 and found(clerk, "01066554433") == [number]
    shown = clerk.get(page).text
    assert "父母家" in shown and "010****4433" in shown and "01066554433" not in shown and "data-print" in shown
    assert send(clerk, f"{page}/contact-points", page, place="4").status_code == 303
    assert found(clerk, "01066554433") == [] and "父母家" not in clerk.get(page).text
    assert send(clerk, f"{page}/contact-points", page, place="1").status_code == 409  # that one is the record's own


@on_sqlite
@pytest.mark.feature("GJ-010", "GJ-011", "GJ-012", "K3-136", "GJ-142")
def test_stores_and_call_centre_capture_members_and_the_record_says_who_and_how(office, clerk):
    captured = {}
    for name, role, place, source in (("nora", "card-desk", NORTH, "1"), ("cora", "service-agent", 0, "2")):
        user_id = office.add_user(name, role, organisation_id=place)
        with office.browser(name) as browser:
            menu = browser.get("/").text
            assert "<summary>Members</summary>" in menu and 'href="/member-import"' in menu
            captured[add(browser, name, source=source)] = (user_id, int(source))
    office.add_user("finn", "finance")
    with office.browser("finn") as finn:
        assert "<summary>Members</summary>" not in finn.get("/").text and finn.get("/members").status_code == 403
    with office.database.read() as session:
        rows = session.execute(select(Member.id, Member.created_by, Member.source))
        assert {number: (user, source) for number, user, source in rows} == captured
    assert "Call centre" in clerk.get(f"/members/{max(captured)}").text


@on_sqlite
@pytest.mark.feature("HD-005", "K3-022")
def test_faults_stand_at_their_fields_and_nothing_is_saved(office, clerk):
    answer = clerk.post(
        "/members/new",
        {
            **BASICS,
            "name": "",
            "id_number": "110105194912310021",
            "mobile": "12",
            "email": "x",
            "birth_date": "1990-02-30",
        },
    )
    assert answer.status_code == 409
    errors = dict(re.findall(r'class="error" id="(\w+)-error">([^<]*)', answer.text))
    assert errors == {"name": "Fill this in."}  # what spans fields is looked at when each is good by itself
    answer = clerk.post(
        "/members/new",
        {
            **BASICS,
            "name": "x",
            "id_number": "110105194912310021",
            "mobile": "12",
            "email": "x",
            "birth_date": "1990-02-30",
        },
    )
    errors = dict(re.findall(r'class="error" id="(\w+)-error">([^<]*)', answer.text))
    assert set(errors) == {"id_number", "mobile", "email", "birth_date"} and "check character" in errors["id_number"]
    with office.database.read() as session:
        assert session.scalar(select(Member.id)) is None


@pytest.mark.feature("HD-014", "K3-033", "GJ-007", "GJ-008", "GJ-090", "EF-008")
def test_members_are_found_by_all_that_names_them(office, clerk):
    zhang = add(clerk, "张伟", mobile="13812345678", id_number=ZHANG_ID, email="z@example.com", region="110000")
    shan = add(clerk, "单明明", mobile="13912345678", organisation_id=str(SOUTH_STORE), industry="6")
    acme = add(clerk, "Acme Trading", kind="company", code="OLD-7")
    hold(office, zhang)
    for typed, wanted in (
        ("zw", [zhang]),
        ("zhangw", [zhang]),
        ("伟", [zhang]),
        ("138 1234 5678", [zhang]),
        ("5678", [zhang, shan]),
        (ZHANG_ID.lower(), [zhang]),
        ("002x", []),
        ("Z@Example.com", [zhang]),
        (str(zhang), [zhang]),
        (str(NORTH_CARD), [zhang]),
        ("smm", [shan]),
        ("dmm", [shan]),
        ("明", [shan]),
        ("trad", [acme]),
        ("old", [acme]),
        ("", [zhang, shan, acme]),
        ("没有", []),
        ("%", []),
    ):
        assert found(clerk, typed) == wanted, typed
    assert found(clerk, "", region="110000") == [zhang] and found(clerk, "", industry="6") == [shan]
    assert found(clerk, "5678", organisation=str(SOUTH_STORE)) == [shan] and found(clerk, "", state="churned") == []
    for typed in ("张伟", "zw", "13812345678"):
        cards = clerk.client.get("/cards", params={"q": typed}).text
        assert office.app.state.references.make(NORTH_CARD) in cards
        assert office.app.state.references.make(SOUTH_CARD) not in cards
    assert (
        f'<a href="/members/{zhang}">张伟</a>'
        in clerk.get(f"/cards/{office.app.state.references.make(NORTH_CARD)}").text
    )


@on_sqlite
def test_lists_go_on_behind_the_last_key_and_show_nobody_twice(office, clerk):
    office.add_user("nora", "card-desk", organisation_id=NORTH)
    numbers = [add(clerk, f"王明明{n}", organisation_id=str(NORTH_STORE if n % 2 else NORTH)) for n in range(120)]
    with office.browser("nora") as nora:
        for browser, typed in ((clerk, ""), (clerk, "wmm"), (clerk, "明"), (nora, ""), (nora, "明")):
            seen, address = [], f"/members?q={typed}"
            while address:
                page = browser.get(address).text
                seen += [int(one) for one in re.findall(r'</td><td><a href="/members/(\d+)"', page)]
                more = re.findall(r'<a href="(/members\?[^"]*after=[^"]*)"', page)
                address = more[0].replace("&amp;", "&") if more else ""
            assert sorted(seen) == numbers, (browser, typed, len(seen))


@on_sqlite
@pytest.mark.feature("VC-084")
def test_a_store_changes_its_own_members_and_serves_those_of_others(office, clerk):
    office.add_user("nora", "card-desk", organisation_id=NORTH)
    own = add(clerk, "张伟", mobile="13812345678")
    other = add(clerk, "单明明", mobile="13912345678", organisation_id=str(SOUTH_STORE), preferences="不吃辣")
    with office.browser("nora") as nora:
        assert found(nora, "") == [own] and found(nora, "单") == []
        for page in ("", "/edit", "/merge"):
            assert nora.get(f"/members/{other}{page}").status_code == 404
        for act in ("state", "tags", "primary", "contacts"):
            token = nora.token(f"/members/{own}")
            answer = nora.client.post(f"/members/{other}/{act}", data={"_csrf_token": token, "state": "closed"})
            assert answer.status_code == 409, act
        listed = nora.get("/members?q=13912345678").text
        reference = re.findall(r"/members/served/(\w+)", listed)[0]
        served = nora.get(f"/members/served/{reference}").text
        assert "不吃辣" in served and "139****5678" in served and "13912345678" not in served
        assert nora.get("/members/served/" + "a" * 26).status_code == 404
        assert "/members/served/" not in nora.get("/members?q=5678").text  # what could be tried out leads nowhere
    with office.database.read() as session:
        looked = session.scalars(select(AuditRow).where(AuditRow.action == "looked")).all()
    assert [(row.user_name, row.object) for row in looked] == [("nora", f"member {other}")]


@on_sqlite
def test_sealed_values_are_shown_whole_to_those_who_may_and_the_look_is_noted(office, clerk):
    number = add(clerk, "张伟", mobile="13812345678", id_number=ZHANG_ID)
    whole = clerk.get(f"/members/{number}/whole").text
    assert "13812345678" in whole and ZHANG_ID in whole
    office.add_user("dora", "card-desk")
    with office.browser("dora") as dora:
        assert dora.get(f"/members/{number}/whole").status_code == 403
        assert "Show whole numbers" not in dora.get(f"/members/{number}").text
    with office.database.read() as session:
        rows = session.scalars(
            select(AuditRow).where(AuditRow.object == f"member {number}", AuditRow.action == "looked")
        )
        assert [row.user_name for row in rows] == ["hana"]
        everything = b"".join(
            bytes(value)
            for row in (
                *session.execute(select(Member.id_sealed)),
                *session.execute(select(MemberContact.value_sealed)),
                *session.execute(select(member_keys.c.key)),
            )
            for value in row
            if value
        )
    assert b"13812345678" not in everything and ZHANG_ID.encode() not in everything and b"5678" not in everything


@on_sqlite
@pytest.mark.feature("HD-008", "HD-009", "HD-001")
def test_secondary_members_hang_on_one_primary_without_loops(office, clerk):
    company, anna, ben = add(clerk, "Acme", kind="company"), add(clerk, "Anna"), add(clerk, "Ben")

    def put_under(member, primary):
        return send(clerk, f"/members/{member}/primary", f"/members/{member}", primary=str(primary), relation="5")

    assert put_under(anna, company).status_code == 303 and put_under(ben, company).status_code == 303
    page = clerk.get(f"/members/{company}").text
    assert "Secondary members" in page and "Anna" in page and "Employee" in page
    assert "its own primary" in put_under(company, company).text
    assert "secondary itself" in put_under(company, ben).text  # else a loop
    other = add(clerk, "Other", kind="company")
    assert "has secondary members" in put_under(company, other).text  # else three levels
    assert "secondary itself" in put_under(other, anna).text
    moved = send(clerk, f"/members/{company}/secondaries", f"/members/{company}", primary=str(other))
    assert moved.status_code == 303 and "Anna" in clerk.get(f"/members/{other}").text
    assert put_under(anna, "").status_code == 303 and "Anna" not in clerk.get(f"/members/{other}").text
    assert "belong to this one" in send(clerk, f"/members/{other}/delete", f"/members/{other}").text


@pytest.mark.feature("HD-010", "HD-012", "HD-015", "VC-073", "VC-074", "VC-075", "GJ-105", "GJ-123", "GJ-118")
def test_one_page_shows_cards_figures_and_all_that_happened(office, clerk):
    number = add(clerk, "张伟", preferences="喜欢靠窗")
    hold(office, number, balance_minor=12_34, points_hundredths=500)
    hold(office, number, SOUTH_CARD, balance_minor=77_00)
    assert "None yet" in clerk.get(f"/members/{number}").text
    buy(office, 1, 100_00, points=100)
    buy(office, 2, 50_00, number=SOUTH_CARD)
    office.world.now_ms += 1_000
    page = clerk.get(f"/members/{number}").text
    assert "CN¥150.00" in page and "CN¥75.00" in page and "CN¥12.34" in page and "CN¥77.00" in page
    assert "2 cards" in page and "喜欢靠窗" in page and "5.00" in page
    buy(office, 3, 40_00, type_=0x11)  # the first purchase is given back in part
    page = clerk.get(f"/members/{number}").text
    assert "CN¥110.00" in page
    talk = {"kind": "complaint", "channel": "telephone", "direction": "in", "content": "太慢了", "satisfaction": "2"}
    assert send(clerk, f"/members/{number}/contacts", f"/members/{number}", **talk, is_open="on").status_code == 303
    timeline = clerk.get(f"/members/{number}").text.partition("Timeline")[2]
    order = [timeline.index(text) for text in ("太慢了", "Reversal", "Debit", "add contact")]
    assert timeline.count("Debit") == 2 and min(order) >= 0


@on_sqlite
@pytest.mark.feature("GJ-120", "VC-016", "VC-003", "VC-086")
def test_talks_are_noted_found_and_closed(office, clerk):
    number = add(clerk, "张伟")
    talk = {"kind": "complaint", "channel": "telephone", "direction": "in", "content": "太慢了", "satisfaction": "2"}
    send(clerk, f"/members/{number}/contacts", f"/members/{number}", **talk, is_open="on")
    send(clerk, f"/members/{number}/contacts", f"/members/{number}", **talk | {"kind": "survey", "content": "好"})
    assert "太慢了" in clerk.get("/member-contacts?stage=open").text
    assert "太慢了" not in clerk.get("/member-contacts?kind=survey").text
    assert "太慢了" in clerk.get("/member-contacts?q=慢").text
    closed = send(clerk, "/member-contacts/1/close", "/member-contacts", result="道歉")
    assert closed.status_code == 303 and "道歉" in clerk.get("/member-contacts?stage=closed").text
    assert "closed already" in send(clerk, "/member-contacts/1/close", "/members/new", result="x").text
    refused = send(clerk, f"/members/{number}/contacts", f"/members/{number}", **talk | {"satisfaction": "9"})
    assert refused.status_code == 409


@on_sqlite
@pytest.mark.feature("K3-051", "K3-053", "K3-055", "K3-056", "K3-057", "K3-058")
def test_churn_is_suspected_confirmed_and_won_back(office, clerk):
    number, quiet = add(clerk, "张伟", region="110000"), add(clerk, "单明明")
    hold(office, quiet)
    buy(office, 1, 100, business_date=20_000)
    page = f"/members/{number}"
    answer = send(clerk, f"{page}/churn", page, stage="confirmed", kind="1", product="茶", reason="太贵")
    assert answer.status_code == 303 and "Lost to us" in clerk.get(page).text
    for query in ("?stage=confirmed", "?kind=1", "?region=110000", "?product=茶"):
        assert "太贵" in clerk.get(f"/member-churn{query}").text, query
    for query in ("?stage=lost", "?kind=2", "?region=120000", "?product=咖啡"):
        assert "太贵" not in clerk.get(f"/member-churn{query}").text, query
    send(
        clerk,
        f"{page}/churn",
        page,
        churn="1",
        stage="recovered",
        kind="1",
        product="茶",
        action="打电话",
        result="回来了",
    )
    assert "回来了" in clerk.get("/member-churn").text and found(clerk, "", state="active") == [number, quiet]
    assert send(clerk, "/member-churn/find", "/member-churn", days="90").status_code == 303
    assert "单明明" in clerk.get("/member-churn?stage=candidate").text
    send(clerk, "/member-churn/find", "/member-churn", days="90")
    assert clerk.get("/member-churn?stage=candidate").text.count("单明明</a>") == 1
    assert "data-print" in clerk.get("/member-churn").text
    assert send(clerk, "/member-churn/1/delete", "/member-churn").status_code == 303
    assert "回来了" not in clerk.get("/member-churn").text


@on_sqlite
def test_birthdays_are_listed_also_those_of_leap_days_and_of_the_family(office, clerk):
    pass_days(office, clerk, 31 + 25)  # 2026-02-26
    number = add(clerk, "闰生", birth_date="2000-02-29", anniversary_date="2020-03-01", mobile="13812345678")
    add(clerk, "早生", birth_date="2000-01-05")
    relative = {"name": "小宝", "relation": "2", "birth_date": "2020-02-27"}
    assert send(clerk, f"/members/{number}/relatives", f"/members/{number}", **relative).status_code == 303
    page = clerk.get("/member-days?days=5").text
    rows = re.findall(
        r'<tr><td class="moment">([\d-]+)</td><td>([^<]+)</td><td>([^<]+)</td><td class="number">(\d+)', page
    )
    assert rows == [
        ("2026-02-27", "Birthday in the family", "小宝", "6"),
        ("2026-02-28", "Birthday", "闰生", "26"),
        ("2026-03-01", "Anniversary", "闰生", "6"),
    ]
    assert "138****5678" in page and "小宝" in clerk.get(f"/members/{number}").text
    assert "早生" not in clerk.get("/member-days?days=62").text


@on_sqlite
@pytest.mark.feature("K3-031", "VC-072")
def test_states_follow_each_other_and_only_a_record_without_cards_is_deleted(office, clerk):
    number = add(clerk, "张伟", source="3", is_pending="on")
    page = f"/members/{number}"
    assert "To be verified" in clerk.get(page).text
    assert "cannot go" in send(clerk, f"{page}/state", page, state="churned", reason="").text
    assert send(clerk, f"{page}/state", page, state="active", reason="verified by phone").status_code == 303
    hold(office, number)
    assert "still holds cards" in send(clerk, f"{page}/state", page, state="closed", reason="").text
    assert "has cards" in send(clerk, f"{page}/delete", page).text
    other = add(clerk, "单明明", mobile="13812345678")
    send(clerk, f"/members/{other}/tags", f"/members/{other}", tags="VIP, 团购")
    assert found(clerk, "", tag="团购") == [other]
    assert send(clerk, f"/members/{other}/delete", f"/members/{other}").status_code == 303
    assert clerk.get(f"/members/{other}").status_code == 404 and found(clerk, "13812345678") == []
    with office.database.read() as session:
        assert session.scalars(select(member_keys.c.member_id).where(member_keys.c.member_id == other)).all() == []


@on_sqlite
def test_the_same_person_is_not_taken_twice_unless_a_telephone_is_shared(office, clerk):
    first = add(clerk, "张伟", mobile="13812345678", id_number=ZHANG_ID)
    twin = clerk.post("/members/new", {**BASICS, "name": "张卫", "id_number": ZHANG_ID})
    assert twin.status_code == 409 and f"/members/{first}" in twin.text
    shared = {**BASICS, "name": "张太太", "mobile": "138 1234 5678"}
    answer = clerk.post("/members/new", shared)
    assert answer.status_code == 409 and "accepts_phone" in answer.text
    assert clerk.post("/members/new", {**shared, "accepts_phone": "on"}).status_code == 303
    assert len(found(clerk, "13812345678")) == 2
