"""The mix: mostly debits of a few lines, now and then a balance, sometimes a customer who gives up.

locust -f loadtests/locustfile.py --headless -u 50 -r 10 -t 30s --host 127.0.0.1:7700 --operator-key DIR/operator.key
"""

from __future__ import annotations

import json
import random
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from locust import between, events, task
from locust.env import Environment

from loadtests.stage import Terminal, now_ms
from loadtests.switch_user import Operator, SwitchUser
from switch.protocol.messages import BalanceRequest, BillLine, DebitRequest, MessageType, ReversalRequest

FIRST_CARD = 9_700_000_000_000


def add_options(parser: ArgumentParser) -> None:
    """What locust does not know by itself."""
    parser.add_argument("--operator-key", required=True, help="operator.key of the switch's data directory")
    parser.add_argument("--cards", type=int, default=500, help="cards to open; they are shared by all users")


def set_up(environment: Environment, **_: Any) -> None:
    """Cards and money, before the first user."""
    options = environment.parsed_options
    assert options is not None and environment.host, "say --host HOST:PORT"
    host, _colon, port = environment.host.rpartition("/")[2].rpartition(":")
    key = json.loads(Path(options.operator_key).read_text())
    operator = Operator((host, int(port)), Terminal(key["terminal_id"], bytes.fromhex(key["key"])))
    operator.set_up(FIRST_CARD, options.cards)
    SwitchUser.operator = operator


def clean_up(environment: Environment, **_: Any) -> None:
    """Hang up the operator."""
    SwitchUser.operator.close()


events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]  # locust leaves it untyped
events.test_start.add_listener(set_up)  # type: ignore[no-untyped-call]  # locust leaves it untyped
events.test_stop.add_listener(clean_up)  # type: ignore[no-untyped-call]  # locust leaves it untyped


class Till(SwitchUser):
    """A till in a shop that is not in a hurry."""

    wait_time = between(0.2, 1.0)

    @task(8)
    def sell(self) -> None:
        """A bill of one to eight lines."""
        self._debit()

    @task(1)
    def sell_and_give_up(self) -> None:
        """The customer changes their mind: the debit is taken back."""
        debit = self._debit()
        reversal = ReversalRequest(
            **self.key(),
            card_number=debit.card_number,
            amount_minor=debit.amount_minor,
            original_trace_number=debit.trace_number,
            original_business_date=debit.business_date,
            reason=1,
        )
        self.ask(MessageType.REVERSAL, reversal)

    @task(1)
    def balance(self) -> None:
        """How much is on it?"""
        self.ask(MessageType.BALANCE, BalanceRequest(stamp_ms=now_ms(), card_number=self._any_card()))

    def _debit(self) -> DebitRequest:
        amounts = [random.randint(1, 5_000) for _ in range(random.randint(1, 8))]
        debit = DebitRequest(
            **self.key(),
            card_number=self._any_card(),
            amount_minor=sum(amounts),
            lines=tuple(BillLine(amount_minor=amount, quantity_milli=1000) for amount in amounts),
        )
        self.ask(MessageType.DEBIT, debit)
        return debit

    def _any_card(self) -> int:
        options = self.environment.parsed_options
        assert options is not None
        return FIRST_CARD + random.randrange(options.cards)
