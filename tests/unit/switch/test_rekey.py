"""The switch's own AES-GCM against the plain one, across two changes of the key in both directions."""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.limits import REKEY_FRAMES
from switch.protocol.messages import BalanceRequest, Header, MessageType, Reply
from switch.protocol.noise import CipherState
from tests.fuzz.inprocess import CARD, Bench

ASKED_AT_ONCE = 500


@pytest.fixture(scope="module")
def bench():
    return Bench()


def ask(session, first, count):
    """Balance inquiries with these sequences; sequences and codes of the answers."""
    body = BalanceRequest(stamp_ms=0, card_number=CARD).encode()
    header = Header(type=MessageType.BALANCE, sequence=0).encode()[:4]
    session.feed(b"".join(session.seal(header + n.to_bytes(4, "little") + body) for n in range(first, first + count)))
    return [(answer.header.sequence, Reply.decode(answer.body).code) for answer in session.answers()]


def test_a_session_goes_on_across_two_changes_of_its_keys_in_both_directions(bench):
    with bench.session() as session:
        first_keys = session._out.key, session._in.key
        keys = {first_keys}
        for first in range(0, 2 * REKEY_FRAMES + ASKED_AT_ONCE, ASKED_AT_ONCE):
            answers = ask(session, first, ASKED_AT_ONCE)
            assert answers == [(first + n, ResponseCode.APPROVED) for n in range(ASKED_AT_ONCE)]
            keys.add((session._out.key, session._in.key))

        assert session.link.fault is None
        assert session._out.nonce == session._in.nonce > 2 * REKEY_FRAMES
        assert {send for send, _ in keys} >= {first_keys[0], session._out.key} and len(keys) >= 3


def test_a_terminal_that_keeps_its_old_key_beyond_the_boundary_is_cut_off(bench):
    with bench.session() as session:
        session._out = CipherState(session.receive_key, rekey_frames=2 * REKEY_FRAMES)
        for first in range(0, REKEY_FRAMES, 2048):
            ask(session, first, 2048)
        assert session.link.fault is None

        session.feed(session.seal(Header(type=MessageType.ECHO, sequence=1).encode() + bytes(8)))

        assert session.link.fault == "frame forged, replayed or out of order"
