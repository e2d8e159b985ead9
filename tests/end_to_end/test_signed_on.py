"""Who is signed on right now: the switch says it of every session, and of nobody else."""

import json
import time

import pytest

from cardswitch.configure import address_text, version_text
from switch.protocol.messages import SOFTWARE_VERSION, MessageType, Right, SignedOnReply, SignedOnRequest
from tests.fuzz.running import CARD, STORE, running_switch
from tests.support.switch_process import run_cardswitch
from tests.support.till import Till

PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with running_switch(tmp_path_factory.mktemp("switch")) as switch:
        yield switch


def ask(switch, **fields):
    return SignedOnReply.decode(switch.ask_desk(MessageType.SIGNED_ON, SignedOnRequest(**fields).encode()).body)


def of(switch, credentials):
    return ask(switch, terminal_id=credentials.terminal_id).sessions


def until(check):
    end_s = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.01)


def test_a_session_is_told_with_what_it_has_done(switch):
    credentials = switch.new_terminal()
    before_ms = int(time.time() * 1000)
    with switch.signed_on(credentials) as peer:
        peer.do(MessageType.BALANCE, card_number=CARD)
        peer.do(MessageType.BALANCE, card_number=CARD)
        first = of(switch, credentials)
        after_ms = int(time.time() * 1000)

    [row] = first
    assert (row.terminal_id, row.frame_count, row.error_count) == (credentials.terminal_id, 2, 0)
    assert (row.key_version, row.protocol_version, row.software_version) == (1, 1, 0)
    assert address_text(row.address) == "127.0.0.1"
    assert before_ms - 5 <= row.signed_on_ms <= row.last_message_ms <= after_ms + 5
    until(lambda: of(switch, credentials) == ())  # it has hung up: nobody is there any more


def test_the_last_message_moves_and_the_sign_on_does_not(switch):
    credentials = switch.new_terminal()
    with switch.signed_on(credentials) as peer:
        [silent] = of(switch, credentials)
        assert silent.frame_count == 0 and silent.last_message_ms == silent.signed_on_ms
        time.sleep(0.05)
        peer.do(MessageType.BALANCE, card_number=CARD)
        [spoken] = of(switch, credentials)

    assert spoken.last_message_ms - silent.last_message_ms >= 40
    assert abs(spoken.signed_on_ms - silent.signed_on_ms) <= 5 and spoken.session == silent.session


def test_many_sessions_come_in_replies_that_go_on_where_the_one_before_ended(switch):
    credentials = switch.new_terminal()
    peers = [switch.signed_on(credentials) for _ in range(5)]
    try:
        everybody = ask(switch)
        seen, reply = [], ask(switch, count_max=2)
        while True:
            assert reply.row_count == len(reply.sessions) <= 2
            seen += reply.sessions
            if reply.is_last:
                break
            reply = ask(switch, after_session=seen[-1].session, count_max=2)
    finally:
        for peer in peers:
            peer.close()

    assert everybody.is_last == 1
    assert [row.session for row in seen] == sorted(row.session for row in everybody.sessions)
    assert sum(row.terminal_id == credentials.terminal_id for row in seen) == 5
    assert {switch.operator.terminal_id, switch.neighbour.terminal_id} <= {row.terminal_id for row in seen}


def test_a_key_that_was_changed_and_the_software_are_told(switch):
    credentials = switch.new_terminal(Right.FOLLOW)
    with Till(switch.address, credentials.terminal_id, credentials.key) as till:
        [row] = SignedOnReply.decode(
            till.ask(MessageType.SIGNED_ON, SignedOnRequest(terminal_id=credentials.terminal_id)).body
        ).sessions
        assert row.key_version == 1
    switch.put_terminal(credentials, Right.FOLLOW)  # a key is given anew: its version is the next one

    with switch.signed_on(credentials):
        [row] = of(switch, credentials)
        assert row.key_version == 2

    shown = run_cardswitch(
        *("terminal", "online", str(switch.operator.terminal_id), "--json"),
        *("--connect", f"{switch.address[0]}:{switch.address[1]}"),
        *("--operator-key", str(switch.process.data / "operator.key")),
    )
    rows = json.loads(shown.stdout)
    assert {row["terminal"] for row in rows} == {switch.operator.terminal_id}
    assert version_text(SOFTWARE_VERSION) in {row["software"] for row in rows}


def test_a_terminal_that_is_blocked_is_told_of_until_it_is_cut_off(switch):
    credentials = switch.new_terminal()
    with switch.signed_on(credentials) as peer:
        fields = {"terminal_id": credentials.terminal_id, "store_id": STORE, "rights": 1, "status": 2}
        assert switch.desk.do(MessageType.PUT_TERMINAL, **fields, key=bytes(40)).code == 0
        assert len(of(switch, credentials)) == 1  # it is cut off at its next frame
        peer.send_message(MessageType.ECHO, bytes(8))
        until(lambda: of(switch, credentials) == ())
