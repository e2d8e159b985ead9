"""Keys are rotated while tills sell with chips and codes: nothing is refused for it, whatever is killed on the way."""

import json
import subprocess
import sys

import pytest

from hsm.key_states import Purpose
from switch._verify import verify
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import KeyPurpose, KeyState, MessageType, PutKeyRequest
from tests.support.key_load import pay
from tests.support.key_shop import KeyShop
from tests.support.media import Phone
from tests.support.switch_process import ROOT
from tests.support.till import Till

PHONES_PAUSE_S = 0.25
"""Twelve phones have four new codes a second between them."""


@pytest.fixture
def shop(tmp_path):
    shop = KeyShop(tmp_path)
    yield shop
    shop.close()
    assert verify(shop.data) == 0


def pay_once(shop, medium, version=0):
    """The code of one payment, at a till between its own."""
    lane = shop.lanes[0]
    with lane.lock, Till(shop.switch.address, lane.terminal_id, lane.key) as till:
        reply = pay(shop.load, lane, till, medium, version=version or medium.version)
    assert reply is not None
    return ResponseCode(reply.code)


def begin(shop, purpose, name):
    """Version 1 of a purpose, in use."""
    for _ in range(3):
        shop.keys("rotate", name, "--to", 1)
    assert shop.state_of(name, 1) == ("ACTIVE", "ACTIVE")
    return shop.master(purpose, 1)


def test_chip_keys_rotate_under_load(shop):
    """Draw, announce, activate, roll back, forward again, retire, destroy; both sides die between any two steps."""
    first = begin(shop, Purpose.CHIP, "chip")
    olds = shop.chips(4, {1: first})  # will never hear of version 2
    shop.lanes[0].chips = list(olds)
    with shop.load.running():
        shop.load.sell_on()
        death_count, has_both = 0, False
        while shop.state_of("chip", 2) != ("ACTIVE", "ACTIVE"):
            death_count += shop.killed_on_the_way("rotate", "chip", "--to", 2)[1]
            shop.restart()
            shop.load.sell_on()
            if not has_both and shop.state_of("chip", 2)[1]:  # the supplier makes chips with it, which begin with 1
                has_both = True
                both = {1: first, 2: shop.master(Purpose.CHIP, 2)}
                for lane in shop.lanes:
                    chips = shop.chips(6, both)
                    with lane.lock:
                        lane.chips += chips
        assert death_count >= 8
        shop.load.sell_on(20)
        moved = [chip for lane in shop.lanes for chip in lane.chips if chip.version == 2]
        assert moved
        assert pay_once(shop, moved[0], version=1) == ResponseCode.KEY_VERSION  # whoever has read out its old key

        shop.killed_on_the_way("rollback", "chip", 1, restarting=True)
        shop.restart()
        shop.load.sell_on(20)
        assert shop.state_of("chip", 1) == ("ACTIVE", "ACTIVE")
        assert shop.state_of("chip", 2) == ("VERIFY_ONLY", "VERIFY_ONLY")
        shop.killed_on_the_way("rotate", "chip", "--to", 2)
        shop.restart()
        shop.load.sell_on(60)
        assert shop.resting("chip") == {1: len(olds), 2: 18}

        refusal = shop.refused("retire", "chip", 1, "--yes-stop", len(olds) - 1)
        assert f"--yes-stop {len(olds)}" in refusal
        for chip in olds:
            assert f"{str(chip.card_number)[-4:]}" in refusal
            assert str(chip.card_number) not in refusal
        with shop.lanes[0].lock:
            shop.lanes[0].chips = [chip for chip in shop.lanes[0].chips if chip not in olds]
        shop.killed_on_the_way("retire", "chip", 1, "--yes-stop", len(olds), restarting=True)
        assert shop.state_of("chip", 1) == ("RETIRED", "RETIRED")
        shop.restart()
        shop.load.sell_on(20)
        shop.killed_on_the_way("destroy", "chip", 1, restarting=True)
        assert shop.state_of("chip", 1) == ("DESTROYED", "DESTROYED")
        shop.restart()
        shop.load.sell_on(20)
    assert {pay_once(shop, chip) for chip in olds} == {ResponseCode.KEY_VERSION}
    assert {pay_once(shop, chip) for lane in shop.lanes for chip in lane.chips} == {ResponseCode.APPROVED}
    assert shop.keys("rotate", "chip", "--to", 2)["step"] == "none"


def test_code_keys_rotate_under_load(shop):
    """Phones are enrolled anew for version 2; those that never come are listed, and are all that stops."""
    first = begin(shop, Purpose.CODE, "code")
    for lane in shop.lanes[:2]:
        lane.phones, lane.pause_s = shop.phones(12, first, 1), PHONES_PAUSE_S
    with shop.load.running():
        shop.load.sell_on()
        while shop.state_of("code", 2) != ("ACTIVE", "ACTIVE"):
            shop.killed_on_the_way("rotate", "code", "--to", 2, stride=3)
            shop.restart()
            shop.load.sell_on()
        second = shop.master(Purpose.CODE, 2)
        lane, others = shop.lanes[0], list(shop.lanes[1].phones)
        with lane.lock:
            for phone in lane.phones:
                renewed = Phone.enrolled(phone.token, phone.card_number, second, 2)
                phone.key, phone.version = renewed.key, 2
                shop.enrol(phone)
        shop.load.sell_on()
        copy = Phone.enrolled(lane.phones[0].token, lane.phones[0].card_number, first, 1)  # the code of yesterday
        assert pay_once(shop, copy) == ResponseCode.KEY_VERSION

        shop.killed_on_the_way("rollback", "code", 1, stride=2)
        shop.restart()
        shop.load.sell_on()
        shop.killed_on_the_way("rotate", "code", "--to", 2, stride=2)
        assert shop.resting("code") == {1: 12, 2: 12}
        assert shop.keys("rotate", "code", "--to", 2)["next"] == "wait"
        with shop.lanes[1].lock:
            shop.lanes[1].phones = []
        shop.killed_on_the_way("retire", "code", 1, "--yes-stop", 12)
        shop.restart()
        shop.load.sell_on()
    for phone in others:
        phone.used = 0  # one of this minute, shown or not
    codes = {pay_once(shop, phone) for phone in others}
    assert codes == {ResponseCode.KEY_VERSION}


def test_storage_kek_and_terminal_keys_rotate_under_load(shop):
    """What wraps keys is changed below running tills: every key is wrapped anew, the old KEK and storage key go."""
    first = begin(shop, Purpose.CHIP, "chip")
    for lane in shop.lanes:
        lane.chips = shop.chips(3, {1: first}) + shop.chips_with_own_keys(5)
    with shop.load.running():
        shop.load.sell_on()
        steps = set()
        while shop.state_of("storage", 1) != ("RETIRED", "RETIRED"):
            said, _ = shop.killed_on_the_way("rotate", "storage", "--to", 2, "--per-second", 500, stride=4)
            steps.add(said["step"])
            shop.restart()
            shop.load.sell_on()
        assert "retire" in steps
        assert shop.resting("storage") == {1: 0, 2: 5 + 15}
        shop.keys("destroy", "storage", 1)
        assert "KEY_IN_USE" not in shop.switch.output

        is_last = has_gone_back = False
        while not is_last:
            is_last = shop.killed_on_the_way("rotate", "kek", "--to", 2, "--per-second", 50, stride=5)[0]["is_last"]
            shop.restart()
            shop.load.sell_on()
            wrapped = shop.keys("show")["keys by KEK version"]
            if not has_gone_back and wrapped.get("1") == 0:
                has_gone_back = True
                shop.killed_on_the_way("rollback", "kek", 1, stride=5)
                assert shop.keys("show")["keys by KEK version"] == {"1": wrapped["2"], "2": 0}
                shop.restart()
                shop.load.sell_on()
        assert has_gone_back
        assert set(shop.keys("show")["keys by KEK version"]) == {"2"}
        for _ in range(3):
            shop.killed_on_the_way("rotate", "receipt", "--to", 2)  # drawn and loaded under the new KEK
        assert shop.state_of("receipt", 2) == ("ACTIVE", "ACTIVE")
        shop.load.sell_on()

        said, death_count = shop.killed_on_the_way("rotate", "terminals", "--to", 2)
        assert death_count
        assert said["waiting"] == said["terminals"] == 5
        shop.restart()
        shop.load.sell_on()
        assert shop.keys("rotate", "terminals", "--to", 2)["asked"] == 0


def test_the_pin_key_rotates_under_load(shop):
    """Nobody types a PIN for it: sealed hashes go over below the tills, repeats stay repeats, and none ends."""
    first = begin(shop, Purpose.CHIP, "chip")
    for lane in shop.lanes:
        lane.chips = shop.chips(3, {1: first})
        for chip in lane.chips:
            chip.pin = b"%06d" % (chip.card_number % 1_000_000)
            shop.set_pin(chip.card_number, chip.pin)
    lane = shop.lanes[2]
    quiet = lane.chips.pop().card_number
    shop.set_pin(quiet, b"2718")
    request, reply = shop.pay_with_pin(quiet, b"2718")
    assert reply.code == ResponseCode.APPROVED
    assert shop.resting("pin") == {1: 9}
    with shop.load.running():
        shop.load.sell_on()
        steps = set()
        while shop.state_of("pin", 1) != ("RETIRED", "RETIRED"):
            assert shop.repeated(request).journal_sequence == reply.journal_sequence  # whatever its key is by now
            said, _ = shop.killed_on_the_way("rotate", "pin", "--to", 2, "--per-second", 500, stride=7)
            steps.add(said["step"])
            shop.restart()
            shop.load.sell_on()
            if said["step"] == "wait" and "back" not in steps:
                steps.add("back")
                assert shop.resting("pin") == {1: 0, 2: 9}
                shop.keys("rollback", "pin", 1)
                shop.load.sell_on()
                shop.set_pin(quiet, b"2718")
                refusal = shop.refused("retire", "pin", 2)
                assert "--yes-stop 8, as many PINs" in refusal
                assert all(f"{chip.card_number}"[-4:] in refusal for chip in lane.chips)
        assert steps >= {"draw", "activate", "wait", "back", "retire"}
        assert shop.resting("pin") == {1: 0, 2: 9}
        shop.keys("destroy", "pin", 1)
        shop.load.sell_on()
    assert shop.pay_with_pin(quiet, b"2719")[1].code == ResponseCode.PIN_WRONG
    assert shop.pay_with_pin(quiet, b"2718")[1].code == ResponseCode.APPROVED
    assert shop.repeated(request).code == ResponseCode.TRACE_REUSED  # the key that could tell is gone


def test_log_and_signing_keys_rotate_under_load(shop):
    """The chain of the log goes on under the next key; who has the first public key follows to the next."""
    for lane in shop.lanes[:1]:
        lane.chips = shop.chips(3, {1: begin(shop, Purpose.CHIP, "chip")})
    first = shop.keys("public")["public_key"]
    (shop.folder / "first.key").write_text(first)
    with shop.load.running():
        shop.load.sell_on()
        for what in ("log", "sign"):
            said = {"is_last": False}
            while not said["is_last"]:
                said, _ = shop.killed_on_the_way("rotate", what, "--to", 2)
                shop.load.sell_on()
            assert said["in_use"] == 2
            assert "expected a version that makes nothing" in shop.refused("retire", what, 2)
            shop.killed_on_the_way("rollback", what, 1)
            assert shop.keys("show", "receipt")[f"{what.upper()} key in use"] == 1
            shop.keys("rotate", what, "--to", 2)
            shop.load.sell_on()
        for _ in range(2):
            shop.keys("rotate", "receipt", "--to", 2)  # the switch that runs reads what the new LOG key has sealed
        signed = shop.wait_for_head(2)  # and signs with the new SIGN key
        for what in ("log", "sign"):
            shop.killed_on_the_way("retire", what, 1)
        shop.restart()
        shop.load.sell_on()
    facts = shop.keys("show", "receipt")
    assert (facts["LOG keys"], facts["SIGN keys"]) == ([2], [2])
    lines = shop.operator.json("keys", "log")["lines"]
    assert {"ACTIVATE_LOG", "LINK_LOG", "DESTROY_LOG", "ACTIVATE_SIGN", "DESTROY_SIGN"} <= {
        line["act"] for line in lines
    }
    proof = shop.folder / "proof.json"
    shop.operator("receipt", "prove", signed, "--data", shop.data, "--out", proof)
    known = ["--public-key", shop.folder / "first.key"]
    assert "has handed over to key" in verify_receipt(0, proof, *known)
    assert "RIGHT" in verify_receipt(0, "--journal", shop.data / "journal", *known)
    assert "it names key" in verify_receipt(1, proof, *known, "--no-key-chain")
    forged = json.loads(proof.read_text())
    forged["key_chain"][0]["new_key"] = "00" * 31 + "01"
    proof.write_text(json.dumps(forged))
    assert "WRONG: change of keys" in verify_receipt(1, proof, *known)


def verify_receipt(status, *words):
    """What the stand-alone verifier says, which ends with this status."""
    command = [sys.executable, str(ROOT / "tools" / "verify_receipt.py"), *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout


def test_a_running_switch_takes_keys_under_a_kek_that_is_younger(shop):
    """The KEK changes while the switch runs, and is not started again: the next key is loaded all the same."""
    begin(shop, Purpose.CHIP, "chip")
    is_last = False
    while not is_last:
        is_last = shop.keys("rotate", "kek", "--to", 2, "--per-second", 100)["is_last"]
    for _ in range(3):
        shop.keys("rotate", "chip", "--to", 2)
    assert shop.state_of("chip", 2) == ("ACTIVE", "ACTIVE")
    shop.operator.environment["CARDSWITCH_NEW_PASSPHRASE"] = "another passphrase than before"
    shop.keys("reseal")
    assert "passphrase" in shop.refused("show") or "secret" in shop.refused("show")
    shop.operator.environment["CARDSWITCH_PASSPHRASE"] = "another passphrase than before"
    shop.operator.environment.pop("CARDSWITCH_PASSPHRASE_FILE", None)
    for _ in range(3):
        shop.keys("rotate", "receipt", "--to", 2)  # needs no new KEK: the switch goes on with what it has
    lines = shop.operator.json("keys", "log")["lines"]
    acts = [line["act"] for line in lines]
    assert {"GENERATE_KEK", "REWRAP", "DESTROY_KEK", "RESEAL"} <= set(acts)
    assert {(line["author"], line["approver"]) for line in lines[6:]} == {("Li Wei", "Chen Jie")}
    shop.switch.use_environment(CARDSWITCH_PASSPHRASE="another passphrase than before")
    shop.restart()


def test_a_purpose_pauses_and_what_is_retired_never_comes_back(shop):
    """Withdrawn: what was made works, nothing new is; RETIRED is the end on both sides, as the keyring has it."""
    chips = shop.chips(1, {1: begin(shop, Purpose.CHIP, "chip")})
    shop.killed_on_the_way("withdraw", "chip", 1, restarting=True)
    assert shop.state_of("chip", 1) == ("VERIFY_ONLY", "VERIFY_ONLY")
    assert pay_once(shop, chips[0]) == ResponseCode.APPROVED
    shop.keys("activate", "chip", 1)
    assert "ACTIVE one" in shop.refused("retire", "chip", 1, "--yes-stop", 1)
    shop.keys("withdraw", "chip", 1)
    shop.keys("retire", "chip", 1, "--yes-stop", 1)
    assert "no way back" in shop.refused("activate", "chip", 1)
    with shop.officer() as till:
        for state, code in ((KeyState.VERIFY_ONLY, ResponseCode.KEY_STATE), (KeyState.ACTIVE, ResponseCode.KEY_STATE)):
            request = PutKeyRequest(
                trace_number=shop.load.number(),
                business_date=till.terms.business_date,
                stamp_ms=0,
                purpose=KeyPurpose.CHIP,
                key_version=1,
                state=state,
                check_value=bytes.fromhex(shop.keys("show", "chip")["keys"][0]["check_value"]).ljust(8, b"\0"),
                operator_id=11,
                approver_id=12,
            )
            assert till.ask(MessageType.PUT_KEY, request).reply.code == code
    for purpose in ("storage", "pin"):
        assert "always needs" in shop.refused("withdraw", purpose, 1)
