"""The commands as a person runs them: what they do, what they say, and what they say when they cannot."""

import json
import re
import shutil
import signal
import stat
import time
from pathlib import Path

import pytest

from switch.protocol.messages import BalanceRequest, DebitRequest, MessageType, SwitchMode
from terminals.credentials import read_credentials
from tests.support.desk import (
    CARD,
    OPENING_MINOR,
    OTHER_CARD,
    SEGMENT_BYTES,
    TILL_ID,
    TILL_KEY,
    Desk,
    blocks_of,
    entries_of,
    make_directory,
    make_shop,
    scramble,
)
from tests.support.switch_process import SwitchProcess, run_cardswitch
from tests.support.sync_shim import SyncShim
from tests.support.till import HungUpError, Till


@pytest.fixture
def shop(tmp_path):
    return make_shop(tmp_path / "data")


def debit(till, trace_number, amount_minor=100):
    return DebitRequest(
        trace_number=trace_number,
        business_date=till.terms.business_date,
        stamp_ms=0,
        card_number=CARD,
        amount_minor=amount_minor,
    )


def assert_one_line(result, *words):
    """A person's mistake earns status 1 and one line, not a traceback."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("cardswitch: ")
    for word in words:
        assert word in result.stderr


# ------------------------------------------------------------------------ init


def test_init_makes_a_directory_that_serve_takes_and_says_where_the_operator_is(tmp_path):
    data = tmp_path / "data"

    result = run_cardswitch(
        "init", "--data", data, "--timezone", "Europe/Berlin", "--segment-bytes", SEGMENT_BYTES, "--cards-max", 500
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert str(data / "operator.key") in result.stdout
    with SwitchProcess(data) as switch:
        operator = read_credentials(data / "operator.key")
        with Till(switch.address, operator.terminal_id, operator.key) as till:
            assert till.statistics()["terminals"] == 1
        assert switch.stop() == 0


def test_init_writes_its_secrets_for_the_owner_alone(tmp_path):
    run_cardswitch("init", "--data", tmp_path / "data", "--segment-bytes", SEGMENT_BYTES)

    for name in ("operator.key", "keys/keystore", "keys/keyring", "keys/key.log"):
        assert stat.S_IMODE((tmp_path / "data" / name).stat().st_mode) == 0o600
    assert json.loads((tmp_path / "data" / "operator.key").read_text())["terminal_id"] == 1


def test_init_refuses_a_directory_with_files_and_touches_none(shop):
    before = {file: file.stat().st_mtime_ns for file in shop.rglob("*")}

    result = run_cardswitch("init", "--data", shop)

    assert_one_line(result, str(shop), "expected an empty directory, got one with files; choose another")
    assert {file: file.stat().st_mtime_ns for file in shop.rglob("*")} == before


@pytest.mark.parametrize("name", ["Mars/Olympus", "europe/nowhere", ""])
def test_init_refuses_an_unknown_time_zone_and_leaves_nothing_behind(tmp_path, name):
    result = run_cardswitch("init", "--data", tmp_path / "data", "--timezone", name)

    assert_one_line(result, f"expected an IANA name such as Europe/Berlin, got {name!r}")
    assert not (tmp_path / "data").exists()


def test_init_refuses_a_segment_size_that_cannot_be_and_leaves_nothing_behind(tmp_path):
    result = run_cardswitch("init", "--data", tmp_path / "data", "--segment-bytes", 4097)

    assert_one_line(result, "segment_bytes: expected a multiple of 4096, 1048576 or more, got 4097")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--partition", "-1"),
        ("--partition", str(2**32)),
        ("--cards-max", "0"),
    ],
)
def test_init_refuses_an_option_out_of_its_bounds(tmp_path, option, value):
    result = run_cardswitch("init", "--data", tmp_path / "data", "--segment-bytes", SEGMENT_BYTES, option, value)

    assert_one_line(result, option.removeprefix("--").replace("-", "_"), value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["init"], "--data"),
        (["init", "--data", "x", "--mode", "fast"], "--mode"),
        (["init", "--data", "x", "--partition", "one"], "--partition"),
        (["serve"], "--data"),
        (["verify", "--dat", "x"], "--dat"),
        (["journal", "show", "--data", "x", "--count", "many"], "--count"),
        (["surf"], "surf"),
    ],
    ids=" ".join,
)
def test_a_wrong_argument_is_named_and_nothing_is_done(arguments, words):
    result = run_cardswitch(*arguments)

    assert result.returncode != 0
    assert words in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "command", [[], ["init"], ["serve"], ["verify"], ["journal"], ["journal", "show"]], ids=" ".join
)
def test_help_tells_what_a_command_is_for(command):
    result = run_cardswitch(*command, "--help")

    assert result.returncode == 0
    assert "Usage: cardswitch" in result.stdout


# ------------------------------------------------------------------------ serve


@pytest.mark.parametrize("command", [["serve"], ["verify"], ["journal", "show"]], ids=" ".join)
def test_a_directory_without_init_is_refused_with_the_command_that_makes_one(tmp_path, command):
    result = run_cardswitch(*command, "--data", tmp_path / "nothing")

    assert_one_line(result, f"make one with: cardswitch init --data {tmp_path / 'nothing'}")


def test_a_second_switch_on_a_directory_is_refused_and_names_the_first(shop):
    with SwitchProcess(shop) as first:
        result = run_cardswitch("serve", "--data", shop, "--listen", "127.0.0.1:0", timeout_s=20)

        assert_one_line(
            result, f"got one running as process {first.pid}; stop that one first, or use another directory"
        )
        with Till(first.address, TILL_ID, TILL_KEY) as till:
            assert till.balance_minor(CARD) == OPENING_MINOR


def test_a_switch_that_was_killed_does_not_keep_the_next_one_out(shop):
    with SwitchProcess(shop) as first:
        first.kill()

        with SwitchProcess(shop) as second, Till(second.address, TILL_ID, TILL_KEY) as till:
            assert till.balance_minor(CARD) == OPENING_MINOR


@pytest.mark.parametrize("listen", ["127.0.0.1:abc", "127.0.0.1", "127.0.0.1:99999", "no.such.host.invalid:1"])
def test_an_address_that_cannot_be_listened_on_is_named(shop, listen):
    result = run_cardswitch("serve", "--data", shop, "--listen", listen, timeout_s=4)

    assert_one_line(result, "HOST:PORT", listen)


def test_a_port_that_is_taken_is_named(shop, tmp_path):
    with SwitchProcess(make_shop(tmp_path / "other")) as other:
        host, port = other.address

        result = run_cardswitch("serve", "--data", shop, "--listen", f"{host}:{port}", timeout_s=20)

    assert_one_line(result, f"{host}:{port}")


def test_sigterm_answers_what_is_in_flight_checkpoints_and_ends_with_0(shop, tmp_path):
    shim = SyncShim(tmp_path)
    with SwitchProcess(shop, environment=shim.environment, preload=shim.binary) as switch:
        with Till(switch.address, TILL_ID, TILL_KEY) as first, Till(switch.address, TILL_ID, TILL_KEY) as second:
            shim.order("delay_ms", 1_500)
            first.send(MessageType.DEBIT, debit(first, 1))
            time.sleep(0.4)
            sent = [second.send(MessageType.DEBIT, debit(second, n)) for n in range(2, 22)]
            second.send(MessageType.BALANCE, BalanceRequest(stamp_ms=0, card_number=CARD))
            time.sleep(0.4)  # all of it has been read, however busy the machine

            switch.terminate()

            answers = [first.receive(), *(second.receive() for _ in sent)]
            assert second.receive().reply.balance_minor == OPENING_MINOR - 2_100
            assert [answer.reply.code for answer in answers] == [0] * 21
            for till in (first, second):
                with pytest.raises(HungUpError):
                    till.receive()
        assert switch.wait() == 0
        assert "stopped; everything answered is in the journal and in the balance store" in switch.output
        end = blocks_of(shop)[-1].end

        switch.start()

        assert switch.replayed_count == 0
        assert Desk(shop).recovered.store_position == end


def test_sigint_stops_it_as_well(shop):
    with SwitchProcess(shop) as switch:
        assert switch._process is not None
        switch._process.send_signal(signal.SIGINT)

        assert switch.wait() == 0


def test_keys_of_another_switch_stop_the_start_with_one_line_and_the_right_ones_let_the_terminals_in_again(
    shop, tmp_path
):
    run_cardswitch("init", "--data", tmp_path / "other", "--segment-bytes", SEGMENT_BYTES)
    (shop / "keys").rename(tmp_path / "right")
    shutil.copytree(tmp_path / "other" / "keys", shop / "keys")

    result = run_cardswitch("serve", "--data", shop, "--listen", "127.0.0.1:0")

    assert_one_line(result, "expected check value", "put back the keyring that belongs to this journal")
    shutil.rmtree(shop / "keys")
    (tmp_path / "right").rename(shop / "keys")
    with SwitchProcess(shop) as switch, Till(switch.address, TILL_ID, TILL_KEY) as till:
        assert till.balance_minor(CARD) == OPENING_MINOR


@pytest.mark.parametrize("name", ["backend.json", "keystore", "keyring"])
def test_a_missing_file_of_the_keys_stops_the_start_with_one_line(shop, name):
    (shop / "keys" / name).unlink()

    result = run_cardswitch("serve", "--data", shop, "--listen", "127.0.0.1:0")

    assert_one_line(result, str(shop / "keys"), "expected", "check the path" if name != "backend.json" else "restore")


def test_a_running_switch_leaves_no_core_file_and_lets_no_debugger_of_its_user_in(shop):
    with SwitchProcess(shop) as switch:
        limits = (Path("/proc") / str(switch.pid) / "limits").read_text()
        owner = (Path("/proc") / str(switch.pid) / "mem").stat()

    assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
    assert (owner.st_uid, stat.S_IMODE(owner.st_mode)) == (0, 0o600)  # root's, whoever runs the switch


def test_a_wrong_passphrase_stops_the_start_with_one_line(shop, monkeypatch):
    monkeypatch.setenv("CARDSWITCH_PASSPHRASE", "not the passphrase of this shop")

    result = run_cardswitch("serve", "--data", shop, "--listen", "127.0.0.1:0")

    assert_one_line(result, str(shop / "keys" / "keystore"), "passphrase")
    assert "not the passphrase" not in result.stdout + result.stderr


def test_without_a_passphrase_it_says_where_to_put_one(shop, monkeypatch):
    monkeypatch.delenv("CARDSWITCH_PASSPHRASE")

    result = run_cardswitch("serve", "--data", shop, "--listen", "127.0.0.1:0")

    assert_one_line(result, "CARDSWITCH_PASSPHRASE_FILE")


def test_a_wrong_line_in_the_settings_stops_every_command_with_one_line(shop):
    with (shop / "switch.toml").open("a") as file:
        file.write("colour = 3\n")

    results = [run_cardswitch(*command, "--data", shop) for command in (["serve"], ["verify"], ["journal", "show"])]

    for result in results:
        assert_one_line(result, str(shop / "switch.toml"), "colour", "correct the line")


def test_damage_in_the_middle_stops_serve_with_one_line(shop):
    desk = Desk(shop)
    for _ in range(3):
        desk.debit()
        desk.commit()
    middle = blocks_of(shop)[-2]
    scramble(middle.file, middle.offset + 150)

    result = run_cardswitch("serve", "--data", shop, "--listen", "127.0.0.1:0")

    assert_one_line(result, f"{middle.file}: expected block {middle.number} at offset {middle.offset} ", "got: entry")


# ------------------------------------------------------------------------ verify, journal show


def test_verify_after_a_day_of_work_is_clean_and_finds_a_changed_byte(shop):
    with SwitchProcess(shop) as switch:
        with Till(switch.address, TILL_ID, TILL_KEY) as till:
            for n in range(1, 30):
                till.ask(MessageType.DEBIT, debit(till, n))
        switch.stop()

    entry_count = len(entries_of(shop))
    clean = run_cardswitch("verify", "--data", shop)
    middle = blocks_of(shop)[-3]
    scramble(middle.file, middle.offset + 300)
    damaged = run_cardswitch("verify", "--data", shop)

    assert (clean.returncode, clean.stderr) == (0, "")
    assert clean.stdout.splitlines()[-1] == "verify: clean"
    assert re.search(rf"entries +{entry_count} ", clean.stdout)
    assert damaged.returncode == 1
    assert f"damage at position {middle.position}" in damaged.stderr


def test_journal_show_prints_entries_of_a_card_and_never_its_whole_number(shop):
    desk = Desk(shop)
    desk.debit(1_234)
    desk.debit(1, card=OTHER_CARD)
    desk.commit()

    result = run_cardswitch("journal", "show", "--data", shop, "--card", CARD, "--start", 2, "--count", 50)

    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[9] for line in result.stdout.splitlines()] == ["open_card", "credit", "debit"]
    assert "asked 1234 done 1234" in result.stdout
    assert str(CARD) not in result.stdout


def test_journal_show_says_where_the_journal_is_damaged(shop):
    desk = Desk(shop)
    for _ in range(3):
        desk.debit()
        desk.commit()
    middle = blocks_of(shop)[-2]
    scramble(middle.file, middle.offset + 150)

    result = run_cardswitch("journal", "show", "--data", shop, "--count", 1000)

    assert result.returncode != 0
    assert str(middle.position) in result.stderr


def test_a_switch_in_replay_mode_says_so(tmp_path):
    data = make_directory(tmp_path / "data", mode=SwitchMode.REPLAY)

    with SwitchProcess(data) as switch:
        assert "(replay mode, partition 0," in switch.output
