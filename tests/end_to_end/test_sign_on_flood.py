"""A crowd that fails to sign on is turned away cheaply, and nobody else notices."""

import socket
import threading

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.limits import SIGN_ON_FAILURES_MAX
from switch.protocol.messages import MessageType, SignOnAnswer
from tests.fuzz.peer import Peer
from tests.fuzz.running import CARD, EVERY_RIGHT, Watch, running_switch

THIEF = "127.0.0.2"
"""Another address of this machine: the flood's; the neighbour, the desk and the honest terminals use 127.0.0.1."""
ATTEMPTS = 2 * SIGN_ON_FAILURES_MAX


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with running_switch(tmp_path_factory.mktemp("switch"), settings={"connections_max": 400}) as switch:
        yield switch


@pytest.fixture(autouse=True)
def _the_neighbour_keeps_working(switch):
    yield
    switch.neighbour.check()


def connect_from(address, switch):
    sock = socket.socket()
    sock.settimeout(30)
    sock.bind((address, 0))
    sock.connect(switch.address)
    return sock


def wrong_sign_on(switch, credentials):
    """Code of the answer to a sign-on with a wrong key, from the thief's address."""
    with Peer(switch.address, credentials) as peer, connect_from(THIEF, switch) as sock:
        payload = peer.sign_on_frame(key=b"w" * 32)
        sock.sendall(payload)
        answer = b""
        while len(answer) < 10 and (more := sock.recv(64)):
            answer += more
        return SignOnAnswer.decode(answer[2:10]).code


def test_a_flood_is_held_back_before_any_handshake_while_all_others_are_served(switch):
    victim = switch.new_terminal()
    honest = switch.new_terminal()
    session = switch.signed_on(switch.new_terminal())
    watch = Watch(switch)
    codes: list[int] = []

    flood = threading.Thread(target=lambda: codes.extend(wrong_sign_on(switch, victim) for _ in range(ATTEMPTS)))
    flood.start()
    sign_ons = 0
    while flood.is_alive():
        assert session.do(MessageType.DEBIT, card_number=CARD, amount_minor=1).code == ResponseCode.APPROVED
        with switch.signed_on(honest) as peer:
            assert peer.do(MessageType.DEBIT, card_number=CARD, amount_minor=1).code == ResponseCode.APPROVED
        sign_ons += 1
    flood.join()
    with switch.signed_on(victim) as peer:  # from its own address
        assert peer.do(MessageType.DEBIT, card_number=CARD, amount_minor=1).code == ResponseCode.APPROVED
    session.close()
    moved = watch.moved()

    refused, busy = codes.count(ResponseCode.SIGN_ON_REFUSED), codes.count(ResponseCode.BUSY)
    assert refused + busy == ATTEMPTS
    assert busy > 0 and codes[:SIGN_ON_FAILURES_MAX] == [ResponseCode.SIGN_ON_REFUSED] * SIGN_ON_FAILURES_MAX
    assert moved["sign_ons_held_back"] == busy
    assert moved["handshakes"] == refused + sign_ons + 1, "those that were held back cost none"
    assert sign_ons > 0


def test_one_address_that_connects_and_says_nothing_leaves_room_for_the_others(switch):
    share = 100  # a quarter of connections_max
    silent = []
    try:
        for _ in range(share + 50):
            sock = connect_from(THIEF, switch)
            silent.append(sock)
        assert silent[-1].recv(1) == b"", "beyond its share it is closed without a byte"

        with switch.signed_on(switch.new_terminal(EVERY_RIGHT)) as peer:
            assert peer.do(MessageType.DEBIT, card_number=CARD, amount_minor=1).code == ResponseCode.APPROVED
    finally:
        for sock in silent:
            sock.close()

    figures = switch.figures()
    assert figures["connections_turned_away"] >= 50
