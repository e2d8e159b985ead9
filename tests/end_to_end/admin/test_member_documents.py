"""Members and the switch: a card is linked to its member, and the switch's rules hear of the level."""

import pytest
from sqlalchemy import select

from admin.members.levels import set_level
from admin.models.members import MemberLevel
from admin.models.mirror import accounts
from admin.people.sign_in import find_visitor
from cardswitch.admin import levels
from tests.end_to_end.admin.test_documents import order
from tests.support.admin_members import add, found, send


def account_of(shop, number):
    with shop.database.read() as session:
        return session.execute(select(accounts).where(accounts.c.account_number == number)).one()


@pytest.mark.feature("HD-012")
def test_a_card_is_linked_to_its_member_and_taken_from_it_again(shop, card_numbers):
    card = next(card_numbers)
    shop.add_user("maria", "hq-supervisor")
    with shop.browser("maria") as maria:
        zhang = add(maria, "张伟", organisation_id="0")
        ended = add(maria, "旧人", organisation_id="0")
        assert "Link a card" in maria.get(f"/members/{zhang}").text
        assert "Done" in maria.get(order(maria, "link-cards", cards=str(card), member=str(zhang))).text
        assert account_of(shop, card).member == zhang and found(maria, str(card)) == [zhang]
        assert "CN¥100.00" in maria.get(f"/members/{zhang}").text
        again = maria.post("/documents/new/link-cards", {"what": "preview", "cards": str(card), "member": str(zhang)})
        assert "It is so already." in again.text
        send(maria, f"/members/{ended}/state", f"/members/{ended}", state="closed", reason="x")
        refused = maria.post("/documents/new/link-cards", {"what": "preview", "cards": str(card), "member": str(ended)})
        assert "has ended" in refused.text
        order(maria, "link-cards", cards=str(card), member="0")
        assert account_of(shop, card).member == 0 and found(maria, str(card)) == []


@pytest.mark.feature("K3-088", "VC-105")
def test_the_switch_hears_of_levels_where_they_differ(shop, card_numbers):
    card = next(card_numbers)
    shop.add_user("maria", "hq-supervisor")
    with shop.browser("maria") as maria:
        member = add(maria, "张伟", organisation_id="0")
        order(maria, "link-cards", cards=str(card), member=str(member))
        gold = {"name": "Gold", "rank": "2", "switch_level": "3", "spent_minor_min": "500"}
        assert send(maria, "/member-levels/new", "/member-levels/new", **gold).status_code == 303
        visitor = find_visitor(shop.service, maria.client.cookies["session"], "test")
        assert visitor is not None
        with shop.database.read() as session:
            level_id = session.scalar(select(MemberLevel.id))
        set_level(shop.service, visitor, member, level_id, reason="friend", held_until=0)
        assert "Done" in maria.get(order(maria, "member-levels", member="0")).text
        assert account_of(shop, card).level == 3
        preview = maria.post("/documents/new/member-levels", {"what": "preview", "member": "0"})
        assert "There is nothing to do" in preview.text


def test_the_timers_command_says_what_it_would_move_and_what_it_moved(shop, capsys):
    assert levels(data=shop.switch.data, preview=True) == 0 and "0 members would move" in capsys.readouterr().out
    assert levels(data=shop.switch.data) == 0 and "0 members moved" in capsys.readouterr().out
