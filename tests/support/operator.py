"""An operator at the command line: runs `cardswitch` against a running switch, and sells at a till beside it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from switch.protocol.codes import ResponseCode
from terminals.client import Client
from terminals.credentials import read_credentials
from terminals.outcome import Outcome
from terminals.trace import MemoryTrace
from tests.support.nursery import run
from tests.support.switch_process import ROOT, SwitchProcess

FIRST = 6200_0000_0000_0001
TYPE = """
code = 1
name = "Shopping card"
functions = ["identify", "pay", "points", "discount", "visits"]
flags = ["activation-required"]
validity_days = 365
discount_percent = 5
points_percent = 100
[limits]
daily = 1000.00
recharge_count = 3
ceiling = 500.00
[number]
digits = 16
prefix = 62
[fees.issue]
amount = 2.00
[fees.replace]
amount = 5.00
from_balance = true
[fees.report-loss]
amount = 1.00
waivable = true
[fees.restore]
amount = 1.00
[fees.renew]
amount = 3.00
[fees.return]
amount = 4.00
[fees.service]
amount = 60.00
from_balance = true
"""
RULES = """
[[rule]]
number = 10
layer = "points-item"
action = "multiply"
percent = 200
department = 7
card_type = 1
[[rule]]
number = 20
layer = "forbid"
action = "exclude"
category = 71
"""


class Operator:
    """Runs commands against one switch, with a state folder of its own."""

    def __init__(self, switch: SwitchProcess, folder: Path) -> None:
        self.switch, self.folder = switch, folder
        host, port = switch.address
        self.environment = {
            **os.environ,
            "CARDSWITCH_CONNECT": f"{host}:{port}",
            "CARDSWITCH_OPERATOR_KEY": str(switch.data / "operator.key"),
            "CARDSWITCH_OPERATOR": "7",
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *words: Any, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Exit status and both outputs."""
        given = self.environment | environment
        return run(["cardswitch", *map(str, words)], folder=self.folder, environment=given, stdin=stdin)

    def __call__(self, *words: Any, stdin: str = "", **environment: str) -> str:
        """Output of a command that must succeed."""
        ended = self.run(*words, stdin=stdin, **environment)
        assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def json(self, *words: Any, **environment: str) -> Any:
        """What a command that must succeed prints for programs."""
        return json.loads(self(*words, "--json", **environment))

    def lines(self, *words: Any, status: int = 0, **options: str) -> list[dict[str, Any]]:
        """JSON lines of a command: one per card, and the summary behind them."""
        ended = self.run(*words, "--json", **options)
        assert ended.returncode == status, f"{words}: {ended.stdout}{ended.stderr}"
        return [json.loads(line) for line in ended.stdout.splitlines()]

    def refused(self, *words: Any, code: ResponseCode, **environment: str) -> str:
        """A command that must be refused with a code; its words."""
        ended = self.run(*words, **environment)
        assert ended.returncode == 1, f"{words}: {ended.stdout}{ended.stderr}"
        text = ended.stdout + ended.stderr
        assert f"{int(code)} {code.name}" in text, text
        assert "Traceback" not in text
        return text

    def write(self, name: str, text: str) -> str:
        """A file in the folder where commands run; its name."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def show(self, card: int) -> Any:
        """All that the switch has of a card."""
        return self.json("card", "show", card)

    def sell(self, card: int, amount_minor: int, **options: Any) -> Outcome:
        """Sell at the till that the command line has put."""

        async def once() -> Outcome:
            trace = MemoryTrace("a test's till", next_number=self.next_trace)
            credentials = read_credentials(self.folder / "till.key")
            async with Client(*self.switch.address, credentials, trace) as till:
                outcome = await till.debit(card, amount_minor, **options)
            self.next_trace = trace.next_number
            return outcome

        return asyncio.run(once())

    next_trace = 1


def furnish(operator: Operator) -> None:
    """From nothing to a shop with a service desk, a till and an approved card type, by commands alone."""
    operator("terminal", "put", 900, "--rights", "pay,credit,configure,follow,cards", "--key-file", "desk.key")
    operator.environment["CARDSWITCH_OPERATOR_KEY"] = str(operator.folder / "desk.key")
    operator("organisation", "put", 1, "hq", "--name", "Group")
    operator("organisation", "put", 10, "region", "--under", 1)
    operator("store", "put", 12, "--organisation", 10, "--round-off", "0.10")
    operator("terminal", "put", 7, "--store", 12, "--rights", "pay,credit", "--key-file", "till.key")
    operator("type", "put", operator.write("type.toml", TYPE))
    operator("type", "state", 1, "submit")
    operator("type", "state", 1, "approve", CARDSWITCH_OPERATOR="8")
