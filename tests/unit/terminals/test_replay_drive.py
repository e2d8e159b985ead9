"""The replay's driver against a switch that loses, cuts, is busy, or answers wrongly."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from loadtests.shopping_year.drive import Driver
from loadtests.shopping_year.lanes import Lanes, ReplayError
from loadtests.shopping_year.plan import Plan
from loadtests.shopping_year.results import Results
from loadtests.shopping_year.setup import KeyRing, Operator, set_up
from switch.protocol.messages import REPLY_BIT, ErrorReply, MessageType
from terminals.credentials import Credentials
from tests.unit.terminals.peer import OPERATOR_ID, OPERATOR_KEY, Fault, Peer
from tests.unit.terminals.test_replay_year import rules, small_year

DEBIT, REVERSAL, FREEZE = MessageType.DEBIT, MessageType.REVERSAL, MessageType.OPERATE_CARD
OPERATOR = Credentials(OPERATOR_ID, OPERATOR_KEY)


def plan(clones: int = 1) -> Plan:
    """Basket 11 is reversed, 94 sent twice, household 7 blocked in July; 13 comes to nothing."""
    return Plan(
        small_year(
            (11, 1, "2017-05-01T15:00:00", 7_00),
            (94, 1, "2017-05-01T15:05:00", 5_00),
            (13, 2, "2017-05-02T15:00:00", 0),
            (14, 7, "2017-06-30T15:00:00", 3_00),
            (15, 7, "2017-07-02T15:00:00", 3_00),
            (16, 1, "2017-07-02T16:00:00", 999_99),
        ),
        rules(),
        clones,
    )


async def replayed(peer: Peer, plan: Plan) -> Results:
    keys = KeyRing(OPERATOR)
    lanes = Lanes(lambda: peer.address, keys.key_of, lambda: None)
    try:
        operator = Operator(lanes, OPERATOR_ID)
        await set_up(operator, plan, keys)
        results = Results(plan)
        await Driver(plan, lanes, operator, results, lambda day: None).run()
        return results
    finally:
        await lanes.close()


def run(scenario: Callable[[Peer], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with Peer(timezone="America/New_York") as peer:
            await scenario(peer)

    asyncio.run(whole())


def test_everything_is_sent_in_its_order(tmp_path):
    async def scenario(peer):
        summary = (await replayed(peer, plan())).write(tmp_path)

        sent = [type_ for type_ in peer.types() if type_ in (DEBIT, REVERSAL, FREEZE)]
        assert sent == [DEBIT, DEBIT, DEBIT, REVERSAL, DEBIT, DEBIT, FREEZE, DEBIT, DEBIT]
        assert (summary["approved_n"], summary["reversed_n"]) == (3, 1)
        assert summary["declined"] == {"13": 1, "51": 0, "57": 0, "61": 1, "62": 1, "65": 0}

    run(scenario)


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.BUSY])
def test_cut_lines_and_a_busy_switch_change_nothing(tmp_path, fault):
    async def scenario(peer):
        undisturbed = (await replayed(peer, plan(clones=2))).write(tmp_path)
        async with Peer(timezone="America/New_York") as other:
            other.judge = lambda message: fault if len(other.messages) % 5 == 3 else Fault.NONE
            disturbed = (await replayed(other, plan(clones=2))).write(tmp_path)

            assert len(other.messages) > len(peer.messages)
        assert disturbed == undisturbed

    run(scenario)


def test_a_duplicate_with_another_answer_fails_the_replay():
    async def scenario(peer):
        honest, seen = peer.decide, set()

        def forgetful(terminal_id, message):
            type_, body = honest(terminal_id, message)
            if message.body in seen:
                body = body[:-1] + bytes([body[-1] ^ 1])
            seen.add(message.body)
            return type_, body

        peer.decide = forgetful
        with pytest.raises(ReplayError, match="duplicate at terminal 367003: expected the first answer"):
            await replayed(peer, plan())

    run(scenario)


def test_a_message_that_the_switch_cannot_read_fails_the_replay():
    async def scenario(peer):
        honest = peer.decide

        def strict(terminal_id, message):
            if message.header.type != DEBIT:
                return honest(terminal_id, message)
            error = ErrorReply(code=221, type=DEBIT, offset=0, expected=72, got=71)
            return MessageType.ERROR | REPLY_BIT, error.encode()

        peer.decide = strict
        with pytest.raises(
            ReplayError, match=r"expected a reply to DEBIT, got 221 LENGTH \(offset 0: expected 72, got 71\)"
        ):
            await replayed(peer, plan())

    run(scenario)


def test_a_set_up_that_is_refused_names_what_was_refused():
    async def scenario(peer):
        await replayed(peer, plan())

        with pytest.raises(ReplayError, match="card type GOLD: expected approval, got 202 BUSINESS_DATE"):
            await replayed(peer, plan())

    run(scenario)


def test_a_terminal_that_may_not_sign_on_fails_the_replay():
    async def scenario(peer):
        peer.keys[OPERATOR_ID] = b"another key of thirty-two bytes."

        with pytest.raises(ReplayError, match="231 SIGN_ON_REFUSED"):
            await replayed(peer, plan())

    run(scenario)


def test_a_production_switch_is_left_alone():
    async def scenario(peer):
        peer.replay = False

        with pytest.raises(ReplayError, match="expected a switch in replay mode, got a production switch"):
            await replayed(peer, plan())
        assert peer.messages == []

    run(scenario)
