"""Security staff at the command line: media enrolled and revoked, policies, ways between stores, and a copy's alarm."""

import asyncio
import base64
import json
import secrets
import signal
import subprocess
import sys
import time

import pytest

from hsm import bar_code
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import ReferReason
from terminals.client import Client
from terminals.credentials import Credentials, read_credentials
from terminals.evidence import code_evidence, renewed_stripe, stripe_evidence
from terminals.swipe import parse_track_2
from terminals.trace import MemoryTrace
from tests.support.desk import CARD_TYPE, OPENING_MINOR, STORE_ID, TILL_ID, TILL_KEY
from tests.support.media_shop import CARD, CODE_TOKEN, MediaDesk, make_media_shop
from tests.support.operator import Operator
from tests.support.switch_process import SwitchProcess

FIRST_WATCHED, NEXT_WATCHED, TRAVEL_CARD, CODE_CARD, CHIP_CARD = (6221_2600_1234_5600 + n for n in (82, 116, 90, 8, 16))
OTHER_STORE, OTHER_TILL = 4, 8
PAY_MINOR = 12_50
OWN_KEY_TOKEN = CODE_TOKEN + 1
CHIP_UID = "04782E21801D80"


class Counter:
    """Two stores with a till each, and the security officer's command line."""

    def __init__(self, shop, switch, folder):
        self.shop, self.operator = shop, Operator(switch, folder)
        self.folder, self.switch = folder, switch
        self.operator("store", "put", OTHER_STORE)
        self.operator("terminal", "put", OTHER_TILL, "--store", OTHER_STORE, "--rights", "pay", "--key-file", "8.key")
        self.next_trace = 100_000

    def pay(self, card, evidence=None, *, elsewhere=False, amount_minor=PAY_MINOR):
        """A debit at one of the tills."""
        credentials = read_credentials(self.folder / "8.key") if elsewhere else Credentials(TILL_ID, TILL_KEY)

        host, port = self.switch.address

        async def once():
            trace = MemoryTrace("a test", next_number=self.next_trace)
            async with Client(host, port, credentials, trace) as till:
                outcome = await till.debit(card, amount_minor, evidence=evidence)
            self.next_trace = trace.next_number
            return outcome

        return asyncio.run(once())

    def copied_stripe(self, card):
        """A stripe whose first state was copied before the till rewrote it, and that was used since: the copy."""
        self.operator("medium", "enrol", card, "--kind", "stripe", "--counter", 1)
        first = parse_track_2(self.shop.track_2(card, ticket=1))
        paid = self.pay(card, stripe_evidence(first, can_write=True))
        assert paid.approved
        again = stripe_evidence(renewed_stripe(first, paid.reply.issuer_answer), can_write=True)
        assert self.pay(card, again).approved
        return stripe_evidence(first, can_write=True)


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("security")
    shop = make_media_shop(folder / "data")
    desk = MediaDesk(shop.data)
    for card in (CARD, FIRST_WATCHED, NEXT_WATCHED, TRAVEL_CARD, CODE_CARD, CHIP_CARD):
        desk.open_card(card)
        assert desk.credit(OPENING_MINOR, card=card).code == 0
    desk.commit()
    with SwitchProcess(shop.data) as switch:
        yield Counter(shop, switch, folder)


def shown_code(text):
    return code_evidence(bar_code.parse_bar_code(text))


# --------------------------------------------------------------------------- alarms


@pytest.mark.feature("HD-139", "HD-146")
def test_a_copy_is_refused_and_its_alarm_is_listed_shown_acknowledged_and_confirmed(counter):
    operator = counter.operator
    copy = counter.copied_stripe(CARD)

    refused = counter.pay(CARD, copy, elsewhere=True)
    assert refused.code == ResponseCode.CLONE

    (row,) = operator.json("alarm", "list", "--state", "new", "--kind", "clone")
    number = row["alarm"]
    assert (row["kind"], row["state"], row["card"]) == ("CLONE", "NEW", "622126******5674")
    assert number in [row["alarm"] for row in operator.json("alarm", "list", "--store", OTHER_STORE)]
    assert operator.json("alarm", "list", "--store", 99) == []

    alarm = operator.json("alarm", "show", number)
    first, second = alarm["first_sighting"], alarm["second_sighting"]
    assert (first["terminal"], first["store"], first["counter"]) == (TILL_ID, STORE_ID, 2)
    assert (second["terminal"], second["store"], second["counter"]) == (OTHER_TILL, OTHER_STORE, 1)
    assert first["time"] <= second["time"]
    assert alarm["card_status"] == "FROZEN"
    text = operator("alarm", "show", number)
    assert f"cardswitch alarm acknowledge {number}" in text
    assert str(CARD) not in text

    operator("alarm", "acknowledge", number)
    assert operator.json("alarm", "list", "--state", "new", "--kind", "clone") == []
    assert operator.json("alarm", "confirm", number) == {"alarm": number, "state": "CONFIRMED", "by": 7}
    words = operator.refused("alarm", "clear", number, code=ResponseCode.ALARM_STATE)
    assert "It is CONFIRMED." in words
    operator.refused("alarm", "acknowledge", number - 1, code=ResponseCode.ALARM_UNKNOWN)
    assert operator.json("alarm", "show", number)["next"] == []

    held = operator.json("medium", "show", CARD, "--kind", "stripe")
    assert (held["counter"], held["last_terminal"], held["last_store"]) == (2, TILL_ID, STORE_ID)


def test_a_watch_prints_an_alarm_as_it_comes_beside_other_commands_of_its_key(counter):
    operator = counter.operator
    assert counter.pay(FIRST_WATCHED, counter.copied_stripe(FIRST_WATCHED), elsewhere=True).code == ResponseCode.CLONE
    copy = counter.copied_stripe(NEXT_WATCHED)
    with subprocess.Popen(
        [sys.executable, "-m", "cardswitch", "alarm", "watch", "--every", "0.1", "--json"],
        env=operator.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watch:
        try:
            assert watch.stdout is not None
            assert watch.stderr is not None
            assert json.loads(watch.stdout.readline())["card"] == "622126******5682", "nobody has looked at it yet"
            operator("alarm", "list")  # the same key, at the same time
            assert counter.pay(NEXT_WATCHED, copy, elsewhere=True).code == ResponseCode.CLONE
            row = json.loads(watch.stdout.readline())
            assert (row["kind"], row["card"], row["terminal"]) == ("CLONE", "622126******5716", OTHER_TILL)
            watch.send_signal(signal.SIGINT)
            assert watch.wait(30) == 0, watch.stderr.read()
        finally:
            watch.kill()


@pytest.mark.feature("HD-146")
def test_a_card_in_two_stores_at_once_is_asked_for_its_pin_and_listed(counter):
    operator = counter.operator
    operator("travel", "put", OTHER_STORE, STORE_ID, 60)
    assert operator.json("travel", "list") == [{"store": STORE_ID, "other_store": OTHER_STORE, "minutes": 60}]
    operator("medium", "enrol", TRAVEL_CARD, "--kind", "stripe", "--counter", 1)
    stripe = stripe_evidence(parse_track_2(counter.shop.track_2(TRAVEL_CARD, ticket=1)), can_write=False)

    assert counter.pay(TRAVEL_CARD, stripe).approved
    far = counter.pay(TRAVEL_CARD, stripe, elsewhere=True)

    assert (far.code, far.reply.detail) == (ResponseCode.REFER, ReferReason.TRAVEL)
    (row,) = operator.json("alarm", "list", "--kind", "travel")
    assert (row["store_before"], row["store"]) == (STORE_ID, OTHER_STORE)
    operator("alarm", "clear", row["alarm"])
    operator("travel", "put", STORE_ID, OTHER_STORE, 0)
    assert counter.pay(TRAVEL_CARD, stripe).approved


def test_handling_an_alarm_takes_a_person_and_the_right(counter):
    operator = counter.operator
    nobody = operator.run("alarm", "acknowledge", 1, CARDSWITCH_OPERATOR="0")
    assert nobody.returncode == 1
    assert "--operator" in nobody.stderr
    operator("terminal", "put", 950, "--rights", "follow,cards", "--key-file", "desk.key")
    desk = {"CARDSWITCH_OPERATOR_KEY": str(counter.folder / "desk.key")}
    assert operator.run("alarm", "list", **desk).returncode == 0
    for words in (
        ("alarm", "acknowledge", 1),
        ("policy", "put", CARD_TYPE, "--required", "--approver", 8),
        ("travel", "put", STORE_ID, OTHER_STORE, 5),
    ):
        operator.refused(*words, code=ResponseCode.NOT_PERMITTED, **desk)


# --------------------------------------------------------------------------- media


def test_a_medium_is_enrolled_used_revoked_and_then_refused(counter):
    operator = counter.operator
    phone = ("--kind", "code", "--id", CODE_TOKEN)
    now_s = int(time.time())
    unknown = counter.pay(CODE_CARD, shown_code(counter.shop.code(CODE_TOKEN, now_s)))
    assert unknown.code == ResponseCode.MEDIUM_UNKNOWN

    operator("medium", "enrol", CODE_CARD, *phone)
    assert counter.pay(CODE_CARD, shown_code(counter.shop.code(CODE_TOKEN, now_s, 1))).approved
    (row,) = operator.json("medium", "list", CODE_CARD)
    assert (row["kind"], row["id"], row["state"]) == ("CODE", "12*****8901", "ACTIVE")
    assert (row["last_terminal"], row["last_store"]) == (TILL_ID, STORE_ID)
    assert operator.json("medium", "list", CODE_CARD, "--unmasked")[0]["id"] == str(CODE_TOKEN)

    again = operator.run("medium", "enrol", CODE_CARD, *phone)
    assert again.returncode == 1
    assert "--again" in again.stderr
    stale = counter.pay(CODE_CARD, shown_code(counter.shop.code(CODE_TOKEN, now_s, 1)))
    assert stale.code == ResponseCode.CODE_USED

    operator("medium", "revoke", CODE_CARD, "--kind", "code")
    gone = counter.pay(CODE_CARD, shown_code(counter.shop.code(CODE_TOKEN, now_s, 2)))
    assert gone.code == ResponseCode.MEDIUM_REVOKED
    assert operator.json("medium", "show", CODE_CARD, *phone)["state"] == "REVOKED"
    assert "REVOKED before" in operator("medium", "revoke", CODE_CARD, *phone)
    operator.refused("medium", "enrol", CODE_CARD, *phone, code=ResponseCode.MEDIUM_EXISTS)


def test_a_device_with_a_key_of_its_own_pays_and_the_key_is_not_shown(counter):
    operator = counter.operator
    key = secrets.token_bytes(16)
    file = counter.folder / operator.write("own.key", key.hex() + "\n")
    words = ("medium", "enrol", CODE_CARD, "--kind", "code", "--id", OWN_KEY_TOKEN, "--stored-key", file)
    file.chmod(0o644)
    assert "chmod 600" in operator.run(*words).stderr
    file.chmod(0o600)
    said = operator(*words)
    traces = [path.read_bytes() for path in (counter.folder / "state").rglob("*") if path.is_file()]
    said += operator("medium", "show", CODE_CARD, "--kind", "code", "--id", OWN_KEY_TOKEN)
    assert key.hex() not in said.lower()
    assert traces
    for form in (key, key.hex().encode(), *(base64.b64encode(bytes(n) + key)[4:20] for n in range(3))):
        assert not any(form in trace for trace in traces)

    token = f"{OWN_KEY_TOKEN:011d}"
    text = bar_code.make_bar_code(key, 1, token, bar_code.sequence_at(int(time.time()), 0))
    assert counter.pay(CODE_CARD, shown_code(text)).approved
    operator("medium", "revoke", CODE_CARD, "--kind", "code", "--id", OWN_KEY_TOKEN)


def test_a_chip_is_enrolled_with_what_it_holds(counter):
    operator = counter.operator
    operator("medium", "enrol", CHIP_CARD, "--kind", "chip", "--id", CHIP_UID, "--counter", 5, "--chain", "DEADBEEF")
    chip = operator.json("medium", "show", CHIP_CARD, "--kind", "chip", "--unmasked")
    assert (chip["id"], chip["counter"], chip["key_version_held"]) == (CHIP_UID, 5, 1)
    assert "0478******1D80" in operator("medium", "list", CHIP_CARD)
    missing = operator.refused(
        *("medium", "enrol", CHIP_CARD, "--kind", "chip", "--id", "04782E21801D81", "--key-version", 9),
        code=ResponseCode.KEY_UNKNOWN,
    )
    assert "cardswitch keys" in missing


# --------------------------------------------------------------------------- policies


@pytest.mark.feature("HD-144")
def test_a_policy_holds_from_the_next_request_on(counter):
    operator = counter.operator
    two = ("--approver", 8)
    assert counter.pay(CHIP_CARD).approved
    assert "pay by number alone" in operator("policy", "show", CARD_TYPE)
    alone = operator.run("policy", "put", CARD_TYPE, "--required")
    assert alone.returncode == 1
    assert "two persons" in alone.stderr
    operator.refused("policy", "put", CARD_TYPE, "--required", "--approver", 7, code=ResponseCode.SAME_PERSON)

    operator("policy", "put", CARD_TYPE, "--limit", "number=10.00", *two)
    assert counter.pay(CHIP_CARD).code == ResponseCode.MEDIUM_AMOUNT
    policy = operator.json("policy", "put", CARD_TYPE, "--required", "--velocity-10", 5, *two)
    assert counter.pay(CHIP_CARD).code == ResponseCode.MEDIUM_REQUIRED
    assert (policy["required"], policy["velocity_10_minutes"], policy["approved_by"]) == (True, 5, 8)
    assert policy["limits"][0] == {"medium": "number", "most": "10.00", "pin_above": "unlimited"}, "what was not named"
    assert operator.json("policy", "show", CARD_TYPE) == policy

    operator("policy", "put", CARD_TYPE, "--no-required", "--limit", "number=unlimited", *two)
    assert counter.pay(CHIP_CARD).approved
