"""Members sorted: own fields and codes, groups, levels, and two records that become one."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from admin.members import totals
from tests.support.admin_members import BASICS, ZHANG_ID, add, buy, found, hold, pass_days, save_group, send
from tests.support.admin_office import NORTH_CARD, SOUTH_CARD

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def clerk(office):
    """A browser of headquarters' supervisor, in an office with two regions."""
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    with office.browser("hana") as browser:
        yield browser


@pytest.mark.feature("HD-016", "K3-035")
def test_own_fields_and_codes_appear_on_the_form_in_conditions_and_in_the_export(office, clerk):
    for name, kind, choices in (("鞋码", "number", ""), ("入会礼", "choice", "杯子\n伞"), ("签约日", "date", "")):
        defined = {"name": name, "kind": kind, "choices": choices, "rank": "1", "is_offered": "on"}
        assert send(clerk, "/member-fields", "/member-fields", **defined).status_code == 303
    code = {"code": "3", "name_zh": "贵宾", "name_en": "Guest of honour", "is_offered": "on"}
    assert send(clerk, "/member-codes/class", "/member-codes/class", **code).status_code == 303
    form = clerk.get("/members/new").text
    assert "鞋码" in form and "杯子" in form and "Guest of honour" in form
    wrong = clerk.post("/members/new", {**BASICS, "name": "x", "custom_1": "gross", "custom_2": "杯子"})
    assert wrong.status_code == 409 and "two decimals" in wrong.text
    number = add(clerk, "张伟", custom_1="42.5", custom_2="伞", custom_3="2025-05-01", member_class="3")
    other = add(clerk, "单明明", custom_1="38")
    page = clerk.get(f"/members/{number}").text
    assert "42.50" in page and "2025-05-01" in page and "Guest of honour" in page
    for line, wanted in (
        (("custom_1", "least", "40"), [number]),
        (("custom_2", "not", "伞"), [other]),
        (("custom_3", "most", "2025-05-01"), [number]),
        (("class", "is", "3"), [number]),
    ):
        group = save_group(clerk, "g" + line[0], [line])
        assert found(clerk, "", group=group) == wanted, line
    exported = clerk.get("/member-export?form=csv").content.decode("utf-8-sig")
    assert "鞋码" in exported.splitlines()[0] and "伞" in exported.splitlines()[1]
    refused = send(clerk, "/member-fields", "/member-fields", field="1", name="鞋码", kind="text", rank="1")
    assert "The kind of a field stays" in refused.text


@pytest.mark.feature("HD-002", "VC-087")
def test_groups_by_condition_follow_their_members_and_snapshots_do_not(office, clerk):
    big, small, none = (add(clerk, name, birth_date="1990-06-15") for name in ("大客", "小客", "无客"))
    hold(office, big, balance_minor=500_00)
    hold(office, small, SOUTH_CARD, balance_minor=1_00)
    buy(office, 1, 900_00)
    buy(office, 2, 10_00, number=SOUTH_CARD)
    group = save_group(clerk, "大客户", [("spent_365", "least", "100"), ("age", "least", "30")])
    page = clerk.get(f"/member-groups/{group}").text
    assert "1 member now" in page and found(clerk, "", group=group) == [big]
    few = save_group(clerk, "小", [("spent_365", "most", "100"), ("balance", "least", "400")], mode="any")
    assert found(clerk, "", group=few) == [big, small, none]
    buy(office, 3, 200_00, number=SOUTH_CARD)
    frozen = send(clerk, f"/member-groups/{group}/freeze", f"/member-groups/{group}", name="快照")
    snapshot = frozen.headers["location"].rpartition("/")[2]
    buy(office, 4, 300_00, number=NORTH_CARD, type_=0x11)
    buy(office, 5, 900_00, number=NORTH_CARD, type_=0x11)
    assert "1 member now" in clerk.get(f"/member-groups/{group}").text and found(clerk, "", group=group) == [small]
    assert found(clerk, "", group=snapshot) == [big, small]
    part = clerk.client.get("/member-groups/count", params={"field": "spent", "operator": "least", "value": "1"})
    assert "1 member now" in part.text and "<html" not in part.text
    for field, operator, value in (
        ("age", "least", "x"),
        ("nothing", "is", "1"),
        ("class", "is", "9"),
        ("age", "is;", "1"),
    ):
        bad = clerk.post("/member-groups/new", {"name": "x", "field": field, "operator": operator, "value": value})
        assert bad.status_code == 409, field
    made = clerk.post("/member-groups/new", {"name": "名单", "kind": "list"}, page="/member-groups/new?kind=list")
    members = made.headers["location"] + "/members"
    send(clerk, members, made.headers["location"], numbers=f"{big}, {none}", act="add")
    send(clerk, members, made.headers["location"], numbers=f"{big}", act="remove")
    assert found(clerk, "", group=made.headers["location"].rpartition("/")[2]) == [none]
    assert "this group" in clerk.get(f"/member-groups/{snapshot}").text
    assert "Snapshots were made" in send(clerk, f"/member-groups/{group}/delete", f"/member-groups/{group}").text
    assert (
        "大客户" in clerk.get("/member-groups").text
        and "Spent in 365 days is at least 100" in clerk.get("/member-groups").text
    )


@pytest.mark.feature("K3-036", "K3-081", "K3-088", "VC-105", "VC-106", "VC-107")
def test_levels_rise_by_what_is_spent_fall_if_the_rule_says_so_and_are_held_by_hand(office, clerk):
    for name, rank, spent, falls in (("Silver", "1", "100", ""), ("Gold", "2", "500", "on")):
        fields = {"name": name, "rank": rank, "spent_minor_min": spent, "period_days": "30", "moves_down": falls}
        assert send(clerk, "/member-levels/new", "/member-levels/new", **fields).status_code == 303
    rich, poor = add(clerk, "富"), add(clerk, "贫")
    hold(office, rich)
    hold(office, poor, SOUTH_CARD)
    buy(office, 1, 600_00)
    buy(office, 2, 150_00, number=SOUTH_CARD)
    preview = clerk.get("/member-levels/run").text
    assert "Move 2 members" in preview and "Gold: reached" in preview
    assert "No level" in clerk.get(f"/members/{rich}").text  # a preview changes nothing
    assert send(clerk, "/member-levels/run", "/member-levels/run").status_code == 303
    assert found(clerk, "", level="2") == [rich] and found(clerk, "", level="1") == [poor]
    by_hand = {"level": "2", "reason": "朋友", "held_until": "2026-03-01"}
    assert send(clerk, f"/members/{poor}/level", f"/members/{poor}", **by_hand).status_code == 303
    pass_days(office, clerk, 40)  # nobody buys
    preview = clerk.get("/member-levels/run").text
    assert "Move 1 member" in preview and "Gold: missed" in preview
    send(clerk, "/member-levels/run", "/member-levels/run")
    assert found(clerk, "", level="2") == [poor]
    pass_days(office, clerk, 30)  # the hold ends
    send(clerk, "/member-levels/run", "/member-levels/run")
    assert found(clerk, "", level="2") == []
    history = clerk.get(f"/members/{poor}").text
    assert "朋友" in history and "Gold: missed" in history and "Silver: reached" in history


def test_two_records_of_one_person_become_one_and_can_be_parted_again(office, clerk):
    keeps = add(clerk, "张伟", mobile="13812345678")
    ends = add(clerk, "张炜", mobile="13912345678", id_number=ZHANG_ID, address="长安街")
    hold(office, ends)
    send(clerk, f"/members/{ends}/tags", f"/members/{ends}", tags="VIP")
    preview = clerk.get(f"/members/{keeps}/merge?other={ends}").text
    assert "Home address" in preview and "ID number" in preview and "VIP" in preview
    page = f"/members/{keeps}/merge?other={ends}"
    assert send(clerk, f"/members/{keeps}/merge", page, other=str(ends), reason="同一人").status_code == 303
    assert found(clerk, "13912345678") == [keeps] == found(clerk, ZHANG_ID) == found(clerk, str(NORTH_CARD))
    merged = clerk.get(f"/members/{keeps}").text
    assert "长安街" in merged and "139****5678" in merged and "VIP" in merged and "1 card" in merged
    assert f"/members/{keeps}" in clerk.get(f"/members/{ends}").text
    assert clerk.post(f"/members/{ends}/tags", {"tags": "x"}, page="/members/new").status_code == 409
    undone = send(clerk, "/member-merges/1/undo", f"/members/{keeps}")
    assert undone.headers["location"] == f"/members/{ends}"
    assert found(clerk, "13912345678") == [ends] == found(clerk, ZHANG_ID) == found(clerk, str(NORTH_CARD))
    apart = clerk.get(f"/members/{keeps}").text
    assert "长安街" not in apart and "139****" not in apart and "VIP" not in apart
    assert "taken back already" in send(clerk, "/member-merges/1/undo", f"/members/{keeps}").text


@on_sqlite
def test_a_later_word_of_the_switch_ends_what_a_merge_has_moved(office, clerk):
    keeps, ends, third = add(clerk, "甲"), add(clerk, "乙"), add(clerk, "丙")
    hold(office, ends)
    send(clerk, f"/members/{keeps}/merge", f"/members/{keeps}/merge?other={ends}", other=str(ends), reason="同一人")
    assert found(clerk, str(NORTH_CARD)) == [keeps]
    with office.database.writer.begin() as connection:
        connection.exec_driver_sql(f"UPDATE accounts SET member = {third}")
    assert found(clerk, str(NORTH_CARD)) == [third]
    assert "1 card<" in clerk.get(f"/members/{third}").text and "No cards yet" in clerk.get(f"/members/{keeps}").text


def test_many_who_count_at_the_same_time_count_each_entry_once(office, clerk, monkeypatch):
    monkeypatch.setattr(totals, "PORTION_ENTRIES", 3)
    for n in range(1, 21):
        buy(office, n, 1_00)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: totals.catch_up(office.database), range(12)))
    totals.catch_up(office.database)
    with office.database.read() as session:
        assert totals.totals_of(session, [NORTH_CARD]) == totals.Totals(20_00, 20, 0, 0, 20_454)
