"""Two people rotate a key of the issuer from the pages, the key desk does it, and cards of either version pay."""

import pytest

from cardswitch.key_house import KeyHouse, read_passphrase
from cardswitch.key_officers import House
from cardswitch.key_orders import KeyDesk
from switch._directory import open_directory
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import KeyPurpose
from tests.support.admin_media import Chips
from tests.support.admin_orders import agree, order, refused
from tests.support.desk import TILL_ID, TILL_KEY
from tests.support.till import Till

CHIP = int(KeyPurpose.CHIP)


class Officers:
    """Two signed-on security officers and the key desk."""

    def __init__(self, shop, maria, chen):
        self.shop, self.maria, self.chen = shop, maria, chen
        self.desk = KeyDesk(shop.service, House(data=shop.switch.data))
        self.chips = Chips(shop)

    def do(self, kind, **fields):
        """Order, agree, have the key desk do it, follow; the page of the document."""
        place = order(self.maria, kind, **fields)
        assert "Waits for a second person" in self.maria.get(place).text
        agree(self.chen, place)
        self.desk.do_all()
        self.shop.settle()
        return self.maria.get(place).text


@pytest.fixture
def officers(shop):
    for name in ("maria", "chen"):
        shop.add_user(name, "security", totp=True)
    with shop.browser("maria") as maria, shop.browser("chen") as chen:
        yield Officers(shop, maria, chen)


@pytest.mark.feature("HD-152")
def test_a_card_key_is_made_rotated_and_retired_by_two_while_cards_pay(officers, card_numbers):
    maria, shop = officers.maria, officers.shop
    assert "has not been heard of yet" in maria.get("/keys").text
    made = officers.do("rotate-key", purpose=CHIP)
    assert "is loaded, check value" in made and "chip 1 is ACTIVE" in made
    pay = officers.chips.pay
    old = officers.chips.make(next(card_numbers), 1)
    assert pay(old) == ResponseCode.APPROVED

    # Agreed to, and nothing is done before the key desk does it.
    place = order(maria, "rotate-key", purpose=CHIP)
    assert "Version 2" not in maria.get(f"/keys/{CHIP}").text.partition("Rotation")[0]
    own = maria.post(f"{place}/approve", page=place)
    assert own.status_code == 409
    agree(officers.chen, place)
    while shop.sender.work():  # the sender has no part in it
        pass
    assert "Running" in maria.get(place).text
    officers.desk.do_all()
    shop.settle()
    page = maria.get(f"/keys/{CHIP}").text
    assert "chip 2 is ACTIVE" in page and "The key desk is there" in page and "Verifies only" in page

    new = officers.chips.make(next(card_numbers), 2)
    assert [pay(old), pay(new)] == [ResponseCode.APPROVED] * 2
    shop.settle()
    page = maria.get(f"/keys/{CHIP}").text
    assert "1 / 2" in page and "1 medium would stop" in page

    # Its media stop: how many must be said, and it is looked at again when it is done.
    assert "1 media would stop, and the form says 0" in refused(maria, "retire-key", purpose=CHIP, version=1)
    retired = officers.do("retire-key", purpose=CHIP, version=1, stops=1)
    assert "1 media have stopped" in retired
    assert pay(old) == ResponseCode.KEY_VERSION and pay(new) == ResponseCode.APPROVED
    assert "chip 1 is DESTROYED" in officers.do("destroy-key", purpose=CHIP, version=1)
    assert "The state of this version does not allow this." in refused(maria, "activate-key", purpose=CHIP, version=1)

    # Both sides name the two who did it.
    page = maria.get(f"/keys/{CHIP}").text
    assert "Maria · Chen" in page and page.count("Destroyed") >= 2
    house = KeyHouse.open(open_directory(shop.switch.data).keys, read_passphrase)
    try:
        log = (house.path / "key.log").read_text()
    finally:
        house.close()
    assert "Maria (maria)" in log and "Chen (chen)" in log


def test_storage_is_rotated_and_terminals_keys_go_over(officers):
    page = officers.do("rotate-key", purpose=int(KeyPurpose.STORAGE))
    assert "were wrapped anew under storage 2" in page and "Done" in page
    page = officers.maria.get(f"/keys/{int(KeyPurpose.STORAGE)}").text
    assert "Verifies only" in page
    with Till(officers.shop.switch.address, TILL_ID, TILL_KEY):
        pass  # its key opens under the new version
    assert "storage 1 is RETIRED" in officers.do("retire-key", purpose=int(KeyPurpose.STORAGE), version=1)


def test_a_key_desk_that_dies_goes_on_where_it_was(officers, monkeypatch):
    receipt = int(KeyPurpose.RECEIPT)
    place = order(officers.maria, "rotate-key", purpose=receipt)
    agree(officers.chen, place)

    def die(*_, **__):
        raise KeyboardInterrupt

    # Dies after a step was taken and before it was noted.
    monkeypatch.setattr("admin.keys.order.note_order", die)
    with pytest.raises(KeyboardInterrupt):
        officers.desk.do_all()
    monkeypatch.undo()
    KeyDesk(officers.shop.service, officers.desk._house).do_all()
    officers.shop.settle()
    page = officers.maria.get(place).text
    assert "receipt 2 is loaded" in page and "receipt 2 is ACTIVE" in page
    versions = officers.maria.get(f"/keys/{receipt}").text
    assert "3 versions" not in versions and "2 versions" in versions


def test_what_the_key_house_refuses_is_told_and_ends_the_order(officers, monkeypatch):
    """Somebody has retired at the command line, meanwhile, what the order would make active."""
    code = int(KeyPurpose.CODE)
    officers.do("rotate-key", purpose=code)
    officers.do("rotate-key", purpose=code)
    place = order(officers.maria, "activate-key", purpose=code, version=1)
    officers.do("retire-key", purpose=code, version=1)
    agree(officers.chen, place)
    officers.desk.do_all()
    page = officers.maria.get(place).text
    assert "Refused in part" in page and "there is no way back" in page


def test_an_obstacle_is_told_and_the_order_waits(officers, monkeypatch):
    place = order(officers.maria, "rotate-key", purpose=int(KeyPurpose.TAG))
    agree(officers.chen, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CARDSWITCH_PASSPHRASE_FILE", raising=False)
        patch.setenv("CARDSWITCH_PASSPHRASE", "wrong")
        officers.desk.look()
    page = officers.maria.get("/keys").text
    assert "The key desk waits:" in page and "wrong" not in page.partition("The key desk waits:")[2][:20]
    assert "Running" in officers.maria.get(place).text
    officers.desk.look()
    officers.desk.look()
    officers.desk.look()
    officers.shop.settle()
    assert "tag 1 is ACTIVE" in officers.maria.get(place).text
    assert "The key desk waits" not in officers.maria.get("/keys").text
