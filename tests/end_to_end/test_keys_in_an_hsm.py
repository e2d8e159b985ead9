"""The KEKs in a PKCS#11 token (SoftHSM stands in): a switch is made, serves, and rotates keys and KEK."""

import json

import pytest

from switch._verify import verify
from tests.support.key_shop import OFFICERS
from tests.support.operator import Operator
from tests.support.softhsm import SoftHsm
from tests.support.switch_process import SwitchProcess, run_cardswitch


@pytest.fixture
def token(tmp_path, monkeypatch):
    hsm = SoftHsm(tmp_path)
    token = hsm.new_token("cardswitch")
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
    monkeypatch.setenv("CARDSWITCH_PASSPHRASE", token.pin.decode())
    monkeypatch.delenv("CARDSWITCH_PASSPHRASE_FILE", raising=False)
    return token


def test_a_switch_whose_keks_are_in_a_token(token, tmp_path):
    data = tmp_path / "data"
    bounds = ("--segment-bytes", 1 << 20, "--cards-max", 1000)
    made = run_cardswitch(
        "init", "--data", data, *bounds, "--hsm-module", token.module_path, "--hsm-token", token.label
    )
    assert made.returncode == 0, made.stderr
    assert json.loads((data / "keys" / "backend.json").read_text())["backend"] == "pkcs11"
    assert not (data / "keys" / "keystore").exists()
    with SwitchProcess(data) as switch:
        operator = Operator(switch, tmp_path)
        operator.environment |= {"CARDSWITCH_DATA": str(data), "CARDSWITCH_OFFICERS": OFFICERS}
        for version in (1, 2):
            while operator.json("keys", "rotate", "chip", "--to", version)["step"] != "none":
                pass
        while not operator.json("keys", "rotate", "kek", "--to", 2, "--per-second", 100)["is_last"]:
            pass
        while operator.json("keys", "rotate", "storage", "--to", 2)["step"] != "none":
            pass
        shown = operator.json("keys", "show")
        assert shown["keys by KEK version"] == {"2": 6}
        states = {(row["purpose"], row["version"]): (row["keyring"], row["switch"]) for row in shown["keys"]}
        assert states["chip", 1] == states["storage", 1] == ("RETIRED", "RETIRED")
        assert states["chip", 2] == states["storage", 2] == ("ACTIVE", "ACTIVE")
        switch.kill()
        switch.start()
        operator.environment["CARDSWITCH_CONNECT"] = ":".join(map(str, switch.address))
        assert operator.json("terminal", "list")  # signed on with a key under storage 2
        assert "token" in operator.run("keys", "reseal").stderr
        assert len(operator("keys", "public").strip()) == 64
        assert switch.stop() == 0
    assert verify(data) == 0
