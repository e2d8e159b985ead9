"""What sends messages by itself or begins them: purchases, birthdays, campaigns, the page of a member."""

import re

import pytest
from sqlalchemy import update

from admin.members.merging import merge
from admin.members.seals import Vault
from admin.messaging import purchases
from admin.messaging.connecting import GatewayForm, save_gateway
from admin.messaging.purchases import follow_purchases
from admin.messaging.templates import TemplateForm, save_template
from admin.models.members import Member, MemberContact
from admin.models.messaging import MemberWish, MessagePosition, ShortMessage, Willing
from switch.protocol.messages import MessageType
from tests.support.admin_members import buy, hold
from tests.support.admin_messages import FIRST_MEMBER, look, messages_in, phone_of, put_members
from tests.support.admin_office import NORTH_CARD, SOUTH_CARD
from tests.unit.admin.test_messages import figure, write

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def shop(office):
    """Two members with a card each; the first wants a message after purchases. Their template is chosen."""
    office.put_two_regions()
    office.add_user("boss", "administrator")
    put_members(office, 1, wants_purchases=True)
    put_members(office, 1, first=FIRST_MEMBER + 1)
    hold(office, FIRST_MEMBER, NORTH_CARD, balance_minor=90_00)
    hold(office, FIRST_MEMBER + 1, SOUTH_CARD, balance_minor=90_00)
    form = TemplateForm(name="Bought", body="{name} {amount} {balance} {shop}")
    number = save_template(office.service, office.visitor("boss"), form)
    save_gateway(office.service, office.visitor("boss"), GatewayForm(purchase_template=number))
    buy(office, 1, 5_00)
    assert follow(office) == 0  # the first look: what was before is nobody's news


def follow(office):
    return follow_purchases(office.service, Vault(office.service))


@pytest.mark.feature("GJ-032")
def test_after_a_purchase_who_wants_it_hears_of_it_once(office):
    shop(office)
    buy(office, 2, 10_00)
    buy(office, 3, 20_00, number=SOUTH_CARD)  # wants none
    buy(office, 4, 30_00, type_=MessageType.CREDIT)  # no purchase
    look(office)
    look(office)
    (row,) = messages_in(office)
    assert (row.source, row.member_id, row.source_key) == ("purchase", FIRST_MEMBER, "entry 2")
    assert row.text.startswith("Member 5000001 CN¥10.00 ")
    with office.browser("boss") as browser:
        assert "After a purchase" in browser.get("/messages/1").text
        stop = {"willing": "1", "channel": "message"}
        assert browser.post(f"/members/{FIRST_MEMBER}/wish", stop, page=f"/members/{FIRST_MEMBER}").status_code == 303
    buy(office, 5, 10_00)
    look(office)
    assert len(messages_in(office)) == 1


def test_two_followers_or_a_rebuilt_table_make_no_message_twice(office, monkeypatch):
    shop(office)
    for sequence in range(2, 9):
        buy(office, sequence, 10_00)
    monkeypatch.setattr(purchases, "ROWS_MAX", 3)
    real = purchases._messages

    def slow(*arguments):
        found = real(*arguments)
        monkeypatch.setattr(purchases, "_messages", real)
        assert (follow(office), follow(office)) == (3, 3)  # another one, between reading and writing
        return found

    monkeypatch.setattr(purchases, "_messages", slow)
    assert follow(office) == 0
    assert [follow(office), follow(office)] == [1, 0]  # the place has not gone back
    with office.database.write() as session:
        session.execute(update(MessagePosition).values(position=0))
    monkeypatch.setattr(purchases, "ROWS_MAX", 500)
    assert follow(office) == 1  # the purchase before the first look, and no other
    keys = [row.source_key for row in messages_in(office)]
    assert sorted(keys) == sorted({f"entry {n}" for n in range(1, 9)})


@on_sqlite
def test_nobody_hears_of_a_purchase_of_the_day_before_yesterday(office):
    shop(office)
    buy(office, 2, 10_00)
    office.world.now_ms += 25 * 3_600_000
    assert follow(office) == 0 and follow(office) == 0 and messages_in(office) == []


@pytest.mark.feature("VC-115", "K3-125")
def test_greetings_go_to_all_who_have_their_birthday_at_once(office):
    office.add_user("sue", "service-agent")
    put_members(office, 4)  # all born on 1 January, which is today
    with office.database.write() as session:
        session.execute(update(Member).where(Member.id == FIRST_MEMBER).values(birth_day=630, birth_date=19800630))
    with office.browser("sue") as browser:
        (address,) = re.findall(r'href="(/messages/new\?birthdays=\d+)"', browser.get("/member-days?days=1").text)
        page = browser.get(address).text
        (body,) = re.findall(r'<textarea class="form-control" id="body"[^>]*>([^<]*)</textarea>', page)
        assert re.search(r'value="birthdays" checked', page) and "{姓名}" in body
        seen = write(browser, "preview", body=body, audience="birthdays", days="1").text
        assert figure(seen, "Get a message") == "3" and "Member 5000002，祝您生日快乐！" in seen
        assert write(browser, body=body, audience="birthdays", days="1").status_code == 303
        look(office)
        assert [row.member_id - FIRST_MEMBER for row in messages_in(office)] == [1, 2, 3]


def test_the_message_of_a_campaign_goes_to_its_list(office):
    office.put_two_regions()
    office.add_user("boss", "administrator")
    put_members(office, 2)
    hold(office, FIRST_MEMBER + 1, NORTH_CARD)
    with office.browser("boss") as browser:
        put = {"kind": "list", "name": "vip"}
        group = browser.post("/member-groups/new", put).headers["location"].rpartition("/")[2]
        browser.post(f"/member-groups/{group}/members", {"numbers": str(FIRST_MEMBER + 1)}, page="/member-groups/new")
        form = {"name": "Spring", "from_date": "2026-01-01", "until_date": "2026-01-31", "audience": "list",
                "group": group, "message": "Spring for {name}"}  # fmt: skip
        campaign = browser.post("/campaigns/new", form).headers["location"]
        assert "Not sent yet" in browser.get(campaign).text
        number = campaign.rpartition("/")[2]
        page = browser.get(f"/messages/new?campaign={number}").text
        assert "Spring for {name}</textarea>" in page and re.search(r'value="campaign" checked', page)
        fields = {"body": "Spring for {name}", "audience": "campaign", "campaign": number}
        assert write(browser, **fields).status_code == 303
        look(office)
        assert [row.text for row in messages_in(office)] == ["Spring for Member 5000002"]
        assert "Sent 1 time" in browser.get(campaign).text
        assert "Spring for {name}" in browser.get(f"/message-sendings?campaign={number}").text


@pytest.mark.feature("GJ-003", "VC-029")
def test_a_member_is_reached_from_its_page_by_message_telephone_and_e_mail(office):
    office.add_user("hana", "hq-supervisor")
    office.add_user("sue", "service-agent")
    (number,) = put_members(office, 1)
    with office.database.write() as session:
        sealed = Vault(office.service).seal_contact(number, 3, "zhang@example.com")
        session.add(MemberContact(member_id=number, place=3, kind="email", value_sealed=sealed))
    with office.browser("hana") as browser:
        page = browser.get(f"/members/{number}").text
        assert f'href="/messages/new?member={number}"' in page and phone_of(number) not in page
        whole = browser.get(f"/members/{number}/whole").text
        assert f'href="tel:{phone_of(number)}"' in whole and 'href="mailto:zhang@example.com"' in whole
        assert str(number) in browser.get(f"/messages/new?member={number}").text
    with office.browser("sue") as browser:
        page = browser.get(f"/members/{number}").text
        assert f'href="/messages/new?member={number}"' in page and "tel:" not in page
        assert write(browser, body="call us", members=str(number)).status_code == 303


@on_sqlite
def test_who_was_not_asked_is_written_to_only_where_the_parameter_says_so(office):
    office.add_user("boss", "administrator", totp=True)
    put_members(office, 2, willing=Willing.UNASKED)
    with office.database.write() as session:
        session.add(MemberWish(member_id=FIRST_MEMBER, willing=Willing.NO, changed_at=office.service.now()))
    numbers = f"{FIRST_MEMBER} {FIRST_MEMBER + 1}"
    with office.browser("boss") as browser:
        assert figure(write(browser, "preview", body="x", members=numbers).text, "Get a message") == "0"
        value = {"value": "unless-refused", "reason": "they agreed on paper"}
        assert browser.post("/parameters/message_consent", value).status_code == 303
        assert figure(write(browser, "preview", body="x", members=numbers).text, "Get a message") == "1"


@on_sqlite
def test_a_deleted_member_leaves_no_wish_and_no_telephone_in_clear(office):
    office.add_user("boss", "administrator")
    (number,) = put_members(office, 1)
    with office.browser("boss") as browser:
        write(browser, body="bye", members=str(number))
        look(office)
        assert browser.post(f"/members/{number}/delete", page=f"/members/{number}").status_code == 303
        assert "bye" in browser.get("/messages").text
    with office.database.read() as session:
        assert session.get(MemberWish, number) is None
        assert phone_of(number).encode() not in session.get_one(ShortMessage, 1).phone_sealed


@on_sqlite
def test_a_refusal_survives_a_merge(office):
    office.add_user("boss", "administrator")
    survivor, other = put_members(office, 2)
    with office.database.write() as session:
        session.get_one(MemberWish, other).willing = Willing.NO
    merge(office.service, office.visitor("boss"), survivor, other, "the same person")
    with office.database.read() as session:
        assert session.get_one(MemberWish, survivor).willing == Willing.NO
