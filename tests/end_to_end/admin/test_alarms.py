"""A copied card's alarm on the pages: live, acknowledged, cleared by two, the card let go; blacklist, media, rules."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from admin.abnormal.watcher import Watcher
from admin.models.mirror import alarms, cards
from admin.models.people import RoleAssignment
from admin.models.security import AbnormalHit, TerminalActivity, WatchPosition
from cardswitch.key_officers import House
from cardswitch.key_orders import KeyDesk
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import AlarmState, CardFlag, CardStatus, KeyPurpose, Right
from tests.support.admin_media import Chips
from tests.support.admin_orders import agree, order, refused
from tests.support.desk import TILL_ID

CHIP = int(KeyPurpose.CHIP)


@pytest.fixture
def officers(shop):
    for name in ("maria", "chen"):
        shop.add_user(name, "security", totp=True)
    shop.add_user("hanna", "card-desk")
    with shop.browser("maria") as maria, shop.browser("chen") as chen:
        if (
            "none yet" in maria.get(f"/keys/{CHIP}").text
            or "There is no such key yet" in maria.get(f"/keys/{CHIP}").text
        ):
            agree(chen, order(maria, "rotate-key", purpose=CHIP))
            KeyDesk(shop.service, House(data=shop.switch.data)).do_all()
            shop.settle()
        yield maria, chen


def card_of(shop, number):
    with shop.database.read() as session:
        return session.execute(select(cards).where(cards.c.card_number == number)).one()


def newest(shop):
    shop.settle()
    with shop.database.read() as session:
        return session.execute(select(alarms).order_by(alarms.c.sequence.desc()).limit(1)).one()


@pytest.mark.feature("HD-139")
def test_a_copy_raises_an_alarm_that_two_persons_clear_and_the_card_goes_on(shop, officers, card_numbers):
    maria, chen = officers
    chips, card = Chips(shop), next(card_numbers)
    assert "No alarms" in maria.get("/alarms").text
    assert chips.show_a_copy(chips.make(card)) == ResponseCode.CLONE
    alarm = newest(shop)
    assert card_of(shop, card).status == CardStatus.FROZEN

    page = maria.get("/").text
    assert '<span class="badge-count" title="open">1</span>' in page
    place = f"/alarms/{alarm.sequence}"
    assert place in maria.get("/alarms").text
    page = maria.get(place).text
    assert "First sighting" in page and "Second sighting" in page and f'<a href="/terminals/{TILL_ID}">' in page
    assert "Copied card" in page and "Frozen" in page and "What to do" in page

    order(maria, "acknowledge-alarm", alarm=alarm.sequence)
    assert "Acknowledged" in maria.get(place).text and "Maria" in maria.get(place).text
    assert "Somebody else has handled this alarm" in refused(chen, "acknowledge-alarm", alarm=alarm.sequence)

    clearing = order(maria, "clear-alarm", alarm=alarm.sequence, unfreeze="on", remark="his own two phones")
    assert newest(shop).state == AlarmState.ACKNOWLEDGED
    assert maria.post(f"{clearing}/approve", page=clearing).status_code == 409
    assert "Done" in agree(chen, clearing)
    assert newest(shop).state == AlarmState.CLEARED
    assert card_of(shop, card).status == CardStatus.ACTIVE
    assert "badge-count" not in maria.get("/").text
    assert "No fraud" in maria.get(place).text and "What to do" not in maria.get(place).text


def test_a_confirmed_alarm_puts_the_card_on_the_blacklist_and_its_media_are_ended(shop, officers, card_numbers):
    maria, chen = officers
    chips, card = Chips(shop), next(card_numbers)
    chip = chips.make(card)
    assert chips.show_a_copy(chip) == ResponseCode.CLONE
    alarm = newest(shop)
    order(maria, "confirm-alarm", alarm=alarm.sequence, blacklist="on")
    assert newest(shop).state == AlarmState.CONFIRMED
    assert card_of(shop, card).flags & CardFlag.BLACKLISTED
    assert "Somebody else has handled" in refused(maria, "clear-alarm", alarm=alarm.sequence)

    shown = maria.get("/blacklist").text
    reference = shop.app.state.references.make(card)
    assert f'cards={reference}"' in shown
    assert reference in maria.get(f"/blacklist?q={str(card)[:12]}").text
    assert reference not in maria.get("/blacklist?q=9999").text
    listed = f"/cards/{reference}/media"
    assert f"revoke-media?card={reference}&amp;kinds=2" in maria.get(listed).text
    order(maria, "revoke-media", card=reference, kinds="2", remark="copied")
    assert "Ended" in maria.get(listed).text
    assert "no such medium" in refused(maria, "revoke-media", card=reference, kinds="2", remark="copied")

    place = order(maria, "unblacklist-cards", cards=reference)
    assert maria.post(f"{place}/approve", page=place).status_code == 409
    agree(chen, place)
    assert not card_of(shop, card).flags & CardFlag.BLACKLISTED
    with shop.browser("hanna") as hanna:
        assert hanna.get("/blacklist").status_code == 200
        assert hanna.get("/documents/new/blacklist-cards").status_code == 403
        assert hanna.get("/keys").status_code == 403 and hanna.get("/alarms").status_code == 403


def test_the_monitor_tells_of_an_alarm_and_comes_back_where_it_was(shop, officers, card_numbers):
    maria, _chen = officers
    chips = Chips(shop)
    monitor = shop.app.state.monitor
    monitor.look_s, monitor.looks_max, monitor.beat_looks = 0.0, 4, 2

    def listen(**headers):
        return maria.get("/alarms/live", accept="text/event-stream", **headers).text

    before = listen()
    assert before.count("event: ") == 0 and before.count(": still here") == 2 and "data: " in before
    last = before.partition("id: ")[2].partition("\n")[0]
    assert listen(**{"last-event-id": last}).strip() == ": still here\n\n: still here"
    card = next(card_numbers)
    assert chips.show_a_copy(chips.make(card)) == ResponseCode.CLONE
    alarm = newest(shop)
    told = listen(**{"last-event-id": last})
    assert f"id: {alarm.last_sequence}\n" in told and f"/alarms/{alarm.sequence}" in told
    assert "event: alarm\ndata: 1\n" in told
    assert monitor.stream_count == 0
    assert maria.get("/alarms/live").status_code == 406
    monitor.streams_max = 0
    assert maria.get("/alarms/live", accept="text/event-stream").status_code == 503

    # Whoever signs off, or loses the right, hears no more.
    monitor.streams_max, monitor.looks_max = 1, 1_000
    with shop.database.write() as session:
        session.query(RoleAssignment).filter_by(role="security").delete()
    assert maria.get("/alarms/live", accept="text/event-stream").status_code == 403


@pytest.mark.feature("HD-079", "HD-144")
def test_the_blacklist_holds_from_the_next_payment_and_is_asked_by_number_reason_date_and_store(
    shop, officers, card_numbers
):
    maria, chen = officers
    chips, first, second = Chips(shop), next(card_numbers), next(card_numbers)
    references = shop.app.state.references
    order(maria, "blacklist-cards", cards=f"{first}\n{second}", remark="stolen from the van")
    assert [chips.sell(first), chips.sell(second)] == [ResponseCode.BLACKLISTED] * 2

    def listed(query):
        page = maria.get(f"/blacklist?{query}").text
        return [card for card in (first, second) if references.make(card) in page]

    today = shop.service.now().date()
    assert listed("") == [first, second]
    assert listed(f"q={first}") == [first]
    assert listed("reason=the+VAN") == [first, second] and listed("reason=100%25") == []
    assert listed(f"since={today - timedelta(days=400)}") == [first, second]
    assert listed(f"since={today + timedelta(days=400)}") == []
    assert listed("store=0") == [first, second] and listed("store=3") == [] and listed("store=x") == []
    place = order(maria, "unblacklist-cards", cards=f"{first}\n{second}")
    assert chips.sell(first) == ResponseCode.BLACKLISTED
    agree(chen, place)
    assert [chips.sell(first), chips.sell(second)] == [ResponseCode.APPROVED] * 2
    assert listed("") == []


@pytest.mark.feature("HD-146")
def test_rules_find_abnormal_transactions_once_and_people_handle_them(shop, officers, card_numbers):
    maria, chen = officers
    chips = Chips(shop)
    watcher = Watcher(shop.database, shop.settings.partition)
    watcher.catch_up()

    def rule(name, pattern, **fields):
        address = "/abnormal/rules/new"
        made = maria.post(address, {"name": name, "pattern": pattern, "is_enabled": "on", **fields})
        assert made.status_code == 303, made.text

    missing = maria.post("/abnormal/rules/new", {"name": "no count", "pattern": "many"})
    assert missing.status_code == 200 and "This pattern needs it." in missing.text
    rule("Three a day", "many", count_min="3")
    rule("Large", "large", amount_minor="50.00")
    rule("Series", "refused", count_min="2", minutes="10")
    rule("Two places", "two-stores", minutes="60")
    rule("All night", "night", from_minute="00:00", until_minute="24:00")
    rule("Off", "large", amount_minor="0.01")
    assert "In use" in maria.get("/abnormal/rules").text
    off = maria.get("/abnormal/rules").text.rpartition("/abnormal/rules/")[2].partition('"')[0]
    change = f"/abnormal/rules/{off}"
    assert 'value="Off"' in maria.get(change).text
    assert maria.post(change, {"name": "Off", "pattern": "large", "amount_minor": "0.01"}).status_code == 303

    shop.add_user("sue", "hq-supervisor", totp=True)
    with shop.browser("sue") as sue:
        order(sue, "add-store", store=4)
    order(maria, "add-terminal", terminal=5004, store=4, rights=int(Right.PAY))
    other = bytes.fromhex(json.loads(maria.post("/terminals/5004/key", page="/documents/new").content)["key"])
    many, large, poor = next(card_numbers), next(card_numbers), next(card_numbers)
    assert [chips.sell(many) for _ in range(4)] == [0] * 4
    assert chips.sell(many, terminal_id=5004, key=other) == 0
    assert chips.sell(large, 60_00) == 0
    assert {chips.sell(poor, 5_000_00) for _ in range(3)} == {ResponseCode.FUNDS}
    shop.settle()
    watcher.catch_up()
    Watcher(shop.database, shop.settings.partition).catch_up()  # another one finds nothing more

    def hits():
        with shop.database.read() as session:
            rows = session.scalars(select(AbnormalHit).order_by(AbnormalHit.id)).all()
            return [(row.rule_id, row.card_number, row.count) for row in rows]

    ids = {row[0] for row in hits()}
    found = {rule_id: [row[1:] for row in hits() if row[0] == rule_id] for rule_id in ids}
    assert found[1] == [(many, 3)] and found[2] == [(large, 0)] and found[3] == [(poor, 2)]
    assert [card for card, _ in found[4]] == [many] and len(found[5]) == 6 and 6 not in found

    # Killed between looking and noting how far, it looks again and raises nothing twice.
    with shop.database.write() as session:
        session.get(WatchPosition, shop.settings.partition).sequence = 0
    before = hits()
    watcher.catch_up()
    assert [row for row in hits() if row[0] != 5 and row[1] in (many, large, poor)] == [
        row for row in before if row[0] != 5
    ]

    page = maria.get("/abnormal?rule=2").text
    assert "Large payment" in page and "CN¥60.00" in page.replace("\xa0", "")
    hit = page.partition('action="/abnormal/')[2].partition("/")[0]
    silent = maria.post(f"/abnormal/{hit}/handle", {"state": "confirmed"}, page="/abnormal")
    assert silent.status_code == 409 and "Say why." in silent.text
    assert maria.post(f"/abnormal/{hit}/handle", {"state": "acknowledged"}, page="/abnormal").status_code == 303
    fields = {"state": "cleared", "reason": "a wedding"}
    assert chen.post(f"/abnormal/{hit}/handle", fields, page="/abnormal").status_code == 303
    assert chen.post(f"/abnormal/{hit}/handle", fields, page="/abnormal").status_code == 409
    page = maria.get("/abnormal?stage=cleared").text
    assert "a wedding" in page and "Chen" in page
    with shop.database.read() as session:
        assert session.get(TerminalActivity, 5004).last_ms > 0


def test_media_policies_and_ways_are_put_by_two(shop, officers):
    maria, chen = officers
    assert "No card type has a policy yet" in maria.get("/media").text
    fields = {"card_type": 1, "media": ["1", "2"], "chip_most": "500", "chip_pin": "100", "in_10_minutes": "3"}
    place = order(maria, "put-medium-policy", **fields)
    assert "No card type has a policy yet" in maria.get("/media").text
    agree(chen, place)
    page = maria.get("/media").text
    assert "CN¥500.00" in page.replace("\xa0", "") and "Maria · Chen" in page
    link = page.partition('href="/documents/new/put-medium-policy?')[2].partition('"')[0].replace("&amp;", "&")
    prefilled = maria.get(f"/documents/new/put-medium-policy?{link}").text
    assert 'value="500.00"' in prefilled
    assert "It is so already" in refused(maria, "put-medium-policy", **fields)
    assert "Choose at least one" in refused(maria, "put-medium-policy", card_type=1)
