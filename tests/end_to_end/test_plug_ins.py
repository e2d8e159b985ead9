"""Custom rules beside a real switch: sales are made, points arrive, once, whoever is killed in between."""

import asyncio

import pytest

from switch.protocol.messages import BalanceRequest, BillLine, DebitRequest, MessageType, Right
from terminals.client import Client
from terminals.credentials import Credentials, read_credentials
from terminals.plug_ins import run_plug_ins
from terminals.trace_file import FileTrace
from tests.support.desk import CARD, TILL_ID, TILL_KEY, make_shop
from tests.support.switch_process import SwitchProcess
from tests.support.till import Till

RUNNER = Credentials(77, b"p" * 32)
RULES = "tests.support.custom_rules"
LINES = (BillLine(item=1, amount_minor=70), BillLine(item=2, amount_minor=30))


@pytest.fixture
def shop(tmp_path):
    return make_shop(tmp_path / "data")


async def furnish(switch, tmp_path):
    """Give the runner a terminal of its own, with the two rights that it needs."""
    operator = read_credentials(switch.data / "operator.key")
    host, port = switch.address
    async with Client(host, port, operator, FileTrace(tmp_path / "operator", operator.terminal_id)) as client:
        rights = Right.FOLLOW | Right.CARDS
        assert (await client.put_terminal(RUNNER.terminal_id, RUNNER.key, rights=rights)).approved


async def run(switch, tmp_path, *rules, state="state"):
    """One run of the plug-ins over the whole journal, or from where the state says: (counts, reports)."""
    reports: list[str] = []
    host, port = switch.address
    trace = FileTrace(tmp_path / "runner", RUNNER.terminal_id)
    try:
        async with Client(host, port, RUNNER, trace) as client:
            targets = {rule: f"{RULES}:{rule}" for rule in rules}
            path = tmp_path / state
            counts = await run_plug_ins(
                client, targets, path, reports.append, time_limit_ms=2_000, from_beginning=True, until_end=True
            )
    finally:
        trace.shut()
    return counts, reports


def sell(till, trace_number, amount_minor=100, lines=LINES):
    reply = till.ask(
        MessageType.DEBIT,
        DebitRequest(
            trace_number=trace_number,
            business_date=till.terms.business_date,
            stamp_ms=0,
            card_number=CARD,
            amount_minor=amount_minor,
            lines=lines,
        ),
    ).reply
    assert reply.code == 0
    return reply.points_balance_hundredths


def points_of(till):
    return till.ask(MessageType.BALANCE, BalanceRequest(stamp_ms=0, card_number=CARD)).reply.points_balance_hundredths


@pytest.mark.feature("HD-131")
def test_each_sale_is_credited_once_through_restarts_of_everything(shop, tmp_path):
    with SwitchProcess(shop) as switch:
        asyncio.run(furnish(switch, tmp_path))
        with Till(switch.address, TILL_ID, TILL_KEY) as till:
            sell(till, 50_001)
            before = sell(till, 50_002)
            counts, reports = asyncio.run(run(switch, tmp_path, "one_more"))
            assert (counts["one_more"].credited, reports) == (2, [])
            assert points_of(till) == before + 400
        switch.kill()

    with SwitchProcess(shop) as switch:
        with Till(switch.address, TILL_ID, TILL_KEY) as till:
            before = sell(till, 50_003)
            counts, _ = asyncio.run(run(switch, tmp_path, "one_more"))
            assert (counts["one_more"].sales, counts["one_more"].credited) == (3, 3)
            counts, _ = asyncio.run(run(switch, tmp_path, "one_more", state="lost"))
            assert (counts["one_more"].credited, counts["one_more"].repeated) == (0, 3)
            assert points_of(till) == before + 200
        assert switch.stop() == 0


def test_a_rule_that_hangs_costs_no_sale_and_no_other_rule_anything(shop, tmp_path):
    with SwitchProcess(shop) as switch:
        asyncio.run(furnish(switch, tmp_path))
        with Till(switch.address, TILL_ID, TILL_KEY) as till:
            sell(till, 50_001, 101, (BillLine(item=1, amount_minor=101),))
            before = sell(till, 50_002, 100)
            counts, reports = asyncio.run(run(switch, tmp_path, "slow", "one_more"))
            assert (counts["slow"].overran, counts["slow"].credited, counts["one_more"].credited) == (1, 1, 2)
            assert len(reports) == 1
            assert points_of(till) == before + 100 + 100 + 200
            sell(till, 50_003)  # and the till goes on
