"""`cardswitch device` as its user types it, with virtual devices in processes of their own behind the ports."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.counter import CARD, DYNAMIC_CODE, TRACK_2

PATIENCE_S = 30
COMMAND = (sys.executable, "-m", "cardswitch", "device")


def device(*words, **how):
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=PATIENCE_S, **how)


@contextlib.contextmanager
def virtual(*words, link, **how):
    """A virtual device that is plugged in, until the end."""
    process = subprocess.Popen(
        [*COMMAND, *words, "--link", str(link)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **how
    )
    try:
        deadline_s = time.monotonic() + PATIENCE_S
        while not os.path.islink(link):
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)


def set_up(file, name, kind, model, port, *more):
    done = device("setup", str(file), name, "--kind", kind, "--model", model, "--port", str(port), *more)
    assert done.returncode == 0, done.stderr
    return done


def findings(done):
    return {row["device"]: (row["result"], row["finding"]) for row in json.loads(done.stdout)}


@pytest.mark.feature("HD-046")
def test_an_operator_chooses_model_port_and_speed_of_a_reader_and_tests_it(tmp_path):
    file, link = tmp_path / "till.toml", tmp_path / "swipe"
    listed = json.loads(device("models", "--json").stdout)
    assert {"swipe", "chip"} <= {row["kind"] for row in listed}
    shown = set_up(file, "reader", "swipe", "line", link, "--speed", "19200", "--json")
    (row,) = json.loads(shown.stdout)
    assert (row["model"], row["port"], row["speed_baud"]) == ("line", str(link), "19200")

    missing = device("test", str(file), "reader", "--wait-seconds", "1", "--json")
    assert missing.returncode == 1
    assert findings(missing)["reader"][0] == "FAILED"
    assert str(link) in findings(missing)["reader"][1]

    with virtual("swipe", TRACK_2, "--speed", "9600", link=link):
        wrong_speed = device("test", str(file), "reader", "--wait-seconds", str(PATIENCE_S), "--json")
    assert wrong_speed.returncode == 1
    assert "speed" in findings(wrong_speed)["reader"][1]

    set_up(file, "reader", "swipe", "line", link, "--speed", "9600")
    with virtual("swipe", TRACK_2, "--speed", "9600", link=link):
        good = device("test", str(file), "reader", "--wait-seconds", str(PATIENCE_S), "--json")
    assert good.returncode == 0
    assert findings(good)["reader"][0] == "good"
    assert "622126******5674" in findings(good)["reader"][1]
    assert CARD not in good.stdout

    with virtual("swipe", TRACK_2, "--fault", "garbage", link=link):
        bad = device("test", str(file), "reader", "--wait-seconds", str(PATIENCE_S), "--json")
    assert bad.returncode == 1
    assert "speed" in findings(bad)["reader"][1]


def test_every_device_of_a_workstation_is_tried(tmp_path):
    file = tmp_path / "till.toml"
    set_up(file, "codes", "scanner", "line", tmp_path / "scanner", "--prefix", "]C1")
    set_up(file, "paper", "printer", "escpos-serial", tmp_path / "printer")
    set_up(file, "maker", "encoder", "msr605", tmp_path / "encoder")
    set_up(file, "faces", "visual", "vc1", tmp_path / "visual")
    with (
        virtual("scanner", DYNAMIC_CODE, "--prefix", "]C1", link=tmp_path / "scanner"),
        virtual("printer", "--save", str(tmp_path / "paper.txt"), link=tmp_path / "printer"),
        virtual("encoder", "--stripe", str(tmp_path / "stripe.txt"), link=tmp_path / "encoder"),
        virtual("visual", "--face", str(tmp_path / "face.txt"), link=tmp_path / "visual"),
    ):
        done = device("test", str(file), "--wait-seconds", str(PATIENCE_S), "--json")

    assert done.returncode == 0, done.stdout
    found = findings(done)
    assert [*found] == ["codes", "paper", "maker", "faces"]
    assert "971123**************3218" in found["codes"][1]
    assert "model 3" in found["maker"][1]
    assert "打印测试" in (tmp_path / "paper.txt").read_text("utf-8")


def test_a_printer_without_paper_fails_its_test(tmp_path):
    file = tmp_path / "till.toml"
    set_up(file, "paper", "printer", "escpos-serial", tmp_path / "printer")
    with virtual("printer", "--paper-lines", "0", link=tmp_path / "printer"):
        done = device("test", str(file), "--wait-seconds", "0", "--json")

    assert done.returncode == 1
    assert "paper out" in findings(done)["paper"][1]


def test_lines_that_are_typed_are_swiped(tmp_path):
    file, link = tmp_path / "till.toml", tmp_path / "swipe"
    set_up(file, "reader", "swipe", "line", link)
    with virtual("swipe", link=link) as keyboard:
        keyboard.stdin.write(TRACK_2 + "\n")
        keyboard.stdin.flush()
        done = device("test", str(file), "--wait-seconds", str(PATIENCE_S), "--json")

    assert findings(done)["reader"][0] == "good"


def test_what_is_wrong_with_a_set_up_is_one_line_and_changes_nothing(tmp_path):
    file = tmp_path / "till.toml"
    set_up(file, "reader", "swipe", "line", "/dev/ttyUSB0")
    before = file.read_bytes()
    done = device("setup", str(file), "maker", "--kind", "encoder", "--model", "msr606", "--port", "/dev/ttyUSB0")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "devices[1].model: expected one of msr605" in done.stderr
    assert "expected each port once" in done.stderr
    assert file.read_bytes() == before

    set_up(file, "ic", "chip", "pcsc", "Retail Contact 00 00")
    environment = os.environ | {"PCSCLITE_CSOCK_NAME": str(tmp_path / "none")}
    tried = device("test", str(file), "ic", "--json", env=environment)
    assert tried.returncode == 1
    assert "PC/SC" in findings(tried)["ic"][1]

    assert device("remove", str(file), "reader").returncode == 0
    assert "reader" not in device("show", str(file)).stdout


def test_ports_are_listed_without_a_chip_service(tmp_path):
    environment = os.environ | {"PCSCLITE_CSOCK_NAME": str(tmp_path / "none")}
    done = device("ports", "--json", env=environment)

    assert done.returncode == 0
    assert isinstance(json.loads(done.stdout), list)
    assert "PC/SC" in done.stderr
