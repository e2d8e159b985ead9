"""A key ceremony on pages and at the key house, KEK and signing key by order, agreements that cannot be forged."""

import hashlib
import os
from contextlib import nullcontext

import pytest
from sqlalchemy import delete, update

from admin.keys.facts import LOG, SIGN, desk_state
from admin.models.ceremonies import KeyCeremony, KeyOrderProof
from admin.models.documents import Document, DocumentState, DocumentStep, StepState
from admin.people.passkeys import passkeys_of
from cardswitch.key_ceremony import CLEAR, Attending
from cardswitch.key_enrolment import add_officer
from cardswitch.key_house import KeyHouse, read_passphrase
from cardswitch.key_officers import House
from cardswitch.key_orders import KeyDesk
from cardswitch.output import CommandError
from hsm._cipher import check_value
from hsm.key_states import KEY_BYTES, Purpose
from switch._directory import open_directory
from switch.protocol.messages import KeyPurpose
from tests.support.admin_orders import agree, order, refused
from tests.unit.admin.test_passkeys import Device, add, ask

TAG, CODE, RECEIPT = int(KeyPurpose.TAG), int(KeyPurpose.CODE), int(KeyPurpose.RECEIPT)
OFFICERS = "First Officer:1,Second Officer:2"


def text_of(parts):
    return bytes(a ^ b for a, b in zip(*parts, strict=True))


def check_of(key):
    return check_value(bytearray(key)).hex().upper()


@pytest.fixture
def people(shop):
    """Two officers, two custodians, each signed on."""
    numbers = {name: shop.add_user(name, "security", totp=True) for name in ("maria", "chen")}
    numbers |= {name: shop.add_user(name, "custodian", totp=True) for name in ("li", "bo")}
    with (
        shop.browser("maria") as maria,
        shop.browser("chen") as chen,
        shop.browser("li") as li,
        shop.browser("bo") as bo,
    ):
        yield {"maria": maria, "chen": chen, "li": li, "bo": bo, "numbers": numbers}


class Room:
    """The key house's keyboard and screen: answers by script, and custodians who compare on their pages meanwhile."""

    def __init__(self, shop, people, place, answers, compare):
        self.shop, self.people, self.place = shop, people, place
        self.answers, self.compare = list(answers), compare
        self.shown, self.asked = [], []

    def ask(self, prompt):
        self.asked.append(prompt)
        answer = self.answers.pop(0)
        return answer(self) if callable(answer) else answer

    def pause(self, _seconds):
        self.compare(self)

    def hold(self):
        number = int(self.place.rpartition("/")[2])
        house = House(data=self.shop.switch.data)
        return Attending(
            self.shop.service, house, number, ask=self.ask, show=self.shown.append, pause=self.pause
        ).hold()

    def types(self, name, value):
        page = f"/ceremonies/{self.place.rpartition('/')[2]}"
        return self.people[name].post(f"{page}/compare", {"typed": value}, page=page)


def ordered(people, **fields):
    numbers = people["numbers"]
    chosen = {"custodian_1": numbers["li"], "custodian_2": numbers["bo"], "remark": "from the supplier"} | fields
    place = order(people["maria"], "key-ceremony", **chosen)
    agree(people["chen"], place)
    return place


def key_log(shop):
    return (open_directory(shop.switch.data).keys / "key.log").read_text()


def test_custodians_bring_a_key_together_and_compare_it_on_their_pages(shop, people):
    parts = [os.urandom(KEY_BYTES[Purpose.TAG]) for _ in range(2)]
    whole = check_of(text_of(parts))
    maria = people["maria"]
    place = ordered(people, purpose=TAG, method="enter", check=whole)
    page = place.replace("documents", "ceremonies")
    assert "cardswitch keys attend" in people["li"].get(page).text
    said = []

    def compare(room):
        text = people["li"].get(page).text
        if "Components are entered" in text and "read off your form" in text:
            wrong = room.types("li", "0000000000")
            assert wrong.status_code == 409 and "not the check value" in wrong.text
            assert room.types("li", check_of(parts[0])).status_code == 303
        elif "Components are entered" in text:
            assert room.types("bo", check_of(parts[1])).status_code == 303
        else:
            said.append(text)
            assert room.types("maria", whole).status_code == 403  # an officer is no custodian
            for name in ("li", "bo"):
                assert room.types(name, whole).status_code == 303

    answers = [line for part in parts for line in (part.hex(), check_of(part))]
    mistyped = [parts[0].hex()[:-1] + "x", check_of(parts[0])]
    room = Room(shop, people, place, [*mistyped, *answers], compare)
    sentence = room.hold()

    assert said and whole in sentence and "loaded by the switch" in sentence
    shop.settle()
    assert "Done" in maria.get(place).text
    minutes = people["bo"].get(f"{page}/minutes").text
    for what in (
        "Li",
        "Bo",
        "Maria",
        "Chen",
        whole,
        check_of(parts[0]),
        check_of(parts[1]),
        "Signature",
        "Key log after",
    ):
        assert what in minutes, what
    keys = maria.get(f"/keys/{TAG}").text
    assert whole in keys and "New" in keys
    everything = "".join(room.shown) + minutes + key_log(shop) + shop.switch.output
    for secret in (*parts, text_of(parts)):
        assert secret.hex() not in everything.lower()
    with pytest.raises(CommandError, match="nobody have held or stopped it"):
        room.hold()
    with shop.database.read() as session:
        version = session.get_one(KeyCeremony, int(place.rpartition("/")[2])).key_version
    place = order(maria, "activate-key", purpose=TAG, version=version)
    agree(people["chen"], place)
    KeyDesk(shop.service, House(data=shop.switch.data)).do_all()
    shop.settle()
    assert f"tag {version} is ACTIVE" in maria.get(place).text


def test_a_key_is_drawn_and_each_custodian_gets_one_component(shop, people):
    place = ordered(people, purpose=CODE, method="draw")
    forms = []

    def copied(room):
        """What the custodian has written down: the digits of the form, in one line."""
        form = next(text for text in reversed(room.shown) if "KEY COMPONENT" in text)
        digits = form.split("\n\n")[1]
        forms.append((digits.replace("\n", " "), form.split("this component:")[1].split("\n")[0].strip()))
        return forms[-1][0]

    def checked(_room):
        return forms[-1][1]

    def compare(room):
        with shop.database.read() as session:
            whole = session.get_one(KeyCeremony, int(place.rpartition("/")[2])).check_value
        if whole:
            assert [room.types(name, whole).status_code for name in ("li", "bo")] == [303, 303]
        else:
            assert room.types(("li", "bo")[len(forms) - 1], forms[-1][1]).status_code == 303

    room = Room(shop, people, place, ["", "", copied, checked] * 2, compare)
    sentence = room.hold()
    parts = [bytes.fromhex("".join(form.split())) for form, _check in forms]
    assert check_of(text_of(parts)) in sentence
    assert room.shown.count(CLEAR) == 2  # each component leaves the screen


def test_a_ceremony_that_is_stopped_makes_nothing(shop, people):
    parts = [os.urandom(KEY_BYTES[Purpose.TAG]) for _ in range(2)]
    numbers = people["numbers"]
    same = refused(
        people["maria"], "key-ceremony", purpose=TAG, custodian_1=numbers["li"], custodian_2=numbers["li"],
        check="0" * 10, remark="x",
    )  # fmt: skip
    assert "a custodian of its own" in same
    place = ordered(people, purpose=TAG, method="enter", check=check_of(text_of(parts)))
    page = place.replace("documents", "ceremonies")
    before = key_log(shop).count("ADD")

    def compare(room):
        done = people["bo"].post(f"{page}/stop", {"reason": "the seal was broken"}, page=page)
        assert done.status_code == 303

    room = Room(shop, people, place, [parts[0].hex(), check_of(parts[0])], compare)
    with pytest.raises(CommandError, match="has ended"):
        room.hold()
    shown = people["maria"].get(page).text
    assert "the seal was broken" in shown and "Nothing was made" in shown
    assert "Refused in part" in people["maria"].get(place).text
    assert key_log(shop).count("ADD") == before
    retried = people["maria"].post(f"{place}/retry", page=place)
    assert retried.status_code == 409 and "Order a new one" in retried.text
    # Another one that is interrupted at the keyboard.
    place = ordered(people, purpose=TAG, method="enter", check=check_of(text_of(parts)))

    def walks_away(_room):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Room(shop, people, place, [walks_away], compare).hold()
    assert "interrupted" in people["maria"].get(place.replace("documents", "ceremonies")).text


def test_kek_and_signing_key_are_rotated_by_order(shop, people):
    desk = KeyDesk(shop.service, House(data=shop.switch.data))
    assert "has not told" in refused(people["maria"], "rotate-house-key", key=251, remark="yearly")
    desk.do_all()
    for key, done in ((251, "was destroyed"), (252, "the switch signs with it from now on")):
        place = order(people["maria"], "rotate-house-key", key=key, remark="yearly")
        agree(people["chen"], place)
        desk.do_all()
        page = people["maria"].get(place).text
        assert "Done" in page and done in page, page
    shown = people["maria"].get("/keys").text
    assert "Under KEK 2" in shown and "Under KEK 1" not in shown
    log = key_log(shop)
    assert "GENERATE_KEK" in log and "DESTROY_KEK" in log and "GENERATE_SIGN" in log and "Maria (maria)" in log


def test_the_ways_back_and_the_ends_of_house_keys_are_ordered_by_two_persons_too(shop, people):
    """The run-book of docs/security.md for LOG and SIGN, on pages: forward, back, forward again, the end of the old."""
    maria, chen = people["maria"], people["chen"]
    desk = KeyDesk(shop.service, House(data=shop.switch.data))
    desk.do_all()

    def ordered_and_done(kind, **form):
        place = order(maria, kind, remark="after a scare", **form)
        agree(chen, place)
        desk.do_all()
        page = maria.get(place).text
        assert "Done" in page, page
        return page

    before = key_log(shop)
    for key, name in ((SIGN, "SIGN"), (LOG, "LOG")):
        with shop.database.read() as session:
            _state, facts = desk_state(session, 0)
        old, new = facts.in_use[str(key)], max(facts.house_versions(key)) + 1
        assert "is in use: rotate first" in refused(maria, "end-house-key", key=key, version=old, remark="x")
        assert "is no older version" in refused(maria, "return-house-key", key=key, version=old, remark="x")
        ordered_and_done("rotate-house-key", key=key)
        assert f"in use: {new}" in refused(maria, "return-house-key", key=key, version=new, remark="x")
        ordered_and_done("return-house-key", key=key, version=old)
        ordered_and_done("rotate-house-key", key=key)  # forward again, to the version that is there
        assert f"{name} {old} is DESTROYED" in ordered_and_done("end-house-key", key=key, version=old)
        assert f"There is no version {old}" in refused(maria, "end-house-key", key=key, version=old, remark="x")
        assert f'Version {new} <span class="state good">In force' in maria.get("/keys").text
    acts = ("GENERATE_LOG", "DESTROY_LOG", "ACTIVATE_LOG", "GENERATE_SIGN", "DESTROY_SIGN", "ACTIVATE_SIGN")
    assert [key_log(shop).count(act) - before.count(act) for act in acts] == [1, 1, 3, 1, 1, 3]
    shop.settle()


def enrolled(shop, name, browser, monkeypatch):
    """A passkey of an officer, on the key house's list."""
    device = Device()
    device.id = hashlib.sha256(name.encode()).digest()
    add(browser, device, name)
    page = browser.get("/account").text
    mark = page.partition("<td><code>")[2].partition("</code>")[0]
    house = House(data=shop.switch.data, officers=OFFICERS)
    monkeypatch.setattr("cardswitch.key_enrolment.opened_service", lambda _data: nullcontext(shop.service))
    with pytest.raises(CommandError, match="expected a passkey with fingerprint"):
        add_officer(name, check="0" * 20, house=house)
    add_officer(name, check=mark, house=house)
    return device


def signs(browser, device, place):
    address = f"/keys/orders/{place.rpartition('/')[2]}/sign"
    credential = device.sign(ask(browser, address, address))
    return browser.post(address, {"credential": credential}, page=address)


def test_an_agreement_that_was_written_into_the_database_moves_nothing(shop, people, monkeypatch):
    maria, chen = people["maria"], people["chen"]
    desk = KeyDesk(shop.service, House(data=shop.switch.data))
    devices = {name: enrolled(shop, name, people[name], monkeypatch) for name in ("maria", "chen")}
    place = order(maria, "rotate-key", purpose=RECEIPT)
    number = int(place.rpartition("/")[2])
    before = key_log(shop).count('"ADD"')

    # Whoever writes the database agrees in Chen's name.
    with shop.database.write() as session:
        forged = {
            "state": DocumentState.RUNNING,
            "checker_id": people["numbers"]["chen"],
            "checked_at": shop.service.now(),
        }
        session.execute(update(Document).where(Document.id == number).values(**forged))
    desk.do_all()
    shop.settle()
    assert "Running" in maria.get(place).text and key_log(shop).count('"ADD"') == before
    assert "passkeys of both officers" in maria.get("/keys").text

    # Both sign: it is followed, and the key log names them as the key house knows them.
    assert signs(maria, devices["maria"], place).status_code == 303
    assert people["li"].get(f"/keys/orders/{number}/sign").status_code == 403
    desk.do_all()
    assert "Running" in maria.get(place).text
    assert signs(chen, devices["chen"], place).status_code == 303
    desk.do_all()
    shop.settle()
    assert "Done" in maria.get(place).text

    # What was signed is not good for another step, nor a second time.
    with shop.database.write() as session:
        session.execute(update(Document).where(Document.id == number).values(state=DocumentState.RUNNING))
        again = {"state": StepState.PLANNED}
        session.execute(update(DocumentStep).where(DocumentStep.document_id == number).values(**again))
    desk.do_all()
    assert "not followed before" in maria.get(place).text
    other = order(maria, "rotate-key", purpose=CODE)
    agree(chen, other)
    other_number = int(other.rpartition("/")[2])
    for name, browser in (("maria", maria), ("chen", chen)):
        assert signs(browser, devices[name], other).status_code == 303
    with shop.database.write() as session:
        step = session.get_one(DocumentStep, (other_number, 1))
        step.body = step.body.replace(bytes([CODE]), bytes([TAG]), 1)
    desk.do_all()
    assert "expected a signature of this very order" in maria.get(other).text

    # A passkey that was put into the database in place of an officer's opens nothing either.
    thief = Device()
    thief.id = hashlib.sha256(b"thief").digest()
    third = order(maria, "rotate-key", purpose=CODE)
    agree(chen, third)
    assert signs(maria, devices["maria"], third).status_code == 303
    with shop.database.write() as session:
        session.execute(delete(KeyOrderProof).where(KeyOrderProof.document_id == other_number))
        [row] = passkeys_of(session, people["numbers"]["chen"])
        session.delete(row)
    add(chen, thief)
    assert signs(chen, thief, third).status_code == 303
    desk.do_all()
    assert "expected the passkey on the list" in maria.get(third).text
    house = KeyHouse.open(open_directory(shop.switch.data).keys, read_passphrase)
    try:
        assert "ENROL_OFFICER" in (house.path / "key.log").read_text()
        book = (house.path / "officers").read_bytes()
        (house.path / "officers").write_bytes(book.replace(b"maria", b"mario"))
    finally:
        house.close()
    fourth = order(maria, "rotate-key", purpose=CODE)
    agree(chen, fourth)
    with pytest.raises(CommandError, match="that this key house has sealed"):
        desk.do_all()
    assert "Running" in maria.get(fourth).text
    (open_directory(shop.switch.data).keys / "officers").unlink()  # the switch is the module's
