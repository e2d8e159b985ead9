"""The command `cardswitch replay shopping-year`: arguments in, files and a table out."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from terminals.credentials import read_credentials
from terminals.errors import TerminalError

from .drive import Driver, Killer, watch_for_stalls
from .lanes import Lanes, ReplayError
from .plan import Day, Plan
from .process import PrivateSwitch, SwitchProcessError, raise_descriptor_limit
from .results import Results
from .rule_sections import RulesError
from .rules import Rules, read_rules
from .setup import KeyRing, Operator, set_up
from .year import DataMissingError, data_folder, load_year

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
MINOR_PER_UNIT = 100
DECLINE_MEANINGS = {
    "13": "amount not above 0",
    "51": "funds",
    "57": "product",
    "61": "daily amount",
    "62": "card blocked",
    "65": "daily count",
}


class UsageError(ValueError):
    """An argument that cannot be; says which, what was expected and what came."""


def replay(
    rules_path: Path,
    out: Path,
    only: str | None,
    clones: int,
    kill_every: int,
    connect: str | None,
    operator_credentials: Path | None,
    as_json: bool,
) -> int:
    """See `loadtests.shopping_year.run`."""
    console = Console(stderr=True)
    try:
        mod, residue = _selection(only)
        address = _address(connect, operator_credentials, kill_every)
        rules = read_rules(rules_path)
        folder = data_folder()
        with console.status("reading the year") if not as_json else _Quiet():
            plan = Plan(load_year(folder, mod, residue), rules, clones)
        raise_descriptor_limit(len({card.terminal_id for card in plan.cards}) * 4)
    except (UsageError, RulesError, DataMissingError, OSError) as error:
        print(f"cardswitch replay: {error}", file=sys.stderr)
        return EXIT_USAGE
    gc.collect()
    gc.freeze()  # a million objects that will not go away need not be looked at again
    try:
        work = _replay(plan, rules, address, operator_credentials, kill_every, None if as_json else console)
        results, figures = _run(work)
        summary = results.write(out)
    except (ReplayError, SwitchProcessError, TerminalError, OSError) as error:
        print(f"cardswitch replay: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("cardswitch replay: interrupted; nothing was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        gc.unfreeze()
    figures |= _conservation(plan, summary)
    if as_json:
        print(json.dumps(summary | {"run": figures}, indent=1))
    else:
        _show(Console(), out, summary, figures)
    if figures["money_difference_c"] != 0:
        print(
            f"cardswitch replay: expected money in = money out + balances, got a difference of"
            f" {figures['money_difference_c']} cents",
            file=sys.stderr,
        )
        return EXIT_FAILED
    return EXIT_DONE


def _run(work: Coroutine[Any, Any, tuple[Results, dict[str, Any]]]) -> tuple[Results, dict[str, Any]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _replay(
    plan: Plan,
    rules: Rules,
    address: tuple[str, int] | None,
    operator_credentials: Path | None,
    kill_every: int,
    console: Console | None,
) -> tuple[Results, dict[str, Any]]:
    async with AsyncExitStack() as stack:
        switch: PrivateSwitch | None = None
        if address is None:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="cardswitch-replay-", ignore_cleanup_errors=True)
            )
            switch = PrivateSwitch(Path(folder) / "data", rules.timezone.key)
            await asyncio.to_thread(switch.initialise)
            stack.push_async_callback(switch.abandon)
            await switch.start()
            operator_credentials = switch.operator_credentials
        assert operator_credentials is not None
        operator_key = read_credentials(operator_credentials)
        keys = KeyRing(operator_key)
        lanes = Lanes(lambda: switch.address if switch else address or ("", 0), keys.key_of, lambda: None)
        stack.push_async_callback(lanes.close)
        killer = Killer(switch, kill_every) if switch else None
        if killer:
            killer.watch(lanes)
        lanes.start(watch_for_stalls(lanes, switch))

        operator = Operator(lanes, operator_key.terminal_id)
        started_at = time.perf_counter()
        await set_up(operator, plan, keys)
        set_up_count, set_up_s = lanes.answered_count, time.perf_counter() - started_at

        results = Results(plan)
        started_at = time.perf_counter()
        with _progress(console, plan) as progress:
            await Driver(plan, lanes, operator, results, progress).run()
        seconds = time.perf_counter() - started_at
        figures: dict[str, Any] = {
            "set_up_messages": set_up_count,
            "set_up_s": round(set_up_s, 3),
            "messages": lanes.answered_count - set_up_count,
            "seconds": round(seconds, 3),
            "messages_per_s": round((lanes.answered_count - set_up_count) / max(seconds, 1e-9)),
            "connections_open": lanes.open_count,
            "connections_made": lanes.connect_count,
            "kills": killer.kill_count if killer else 0,
            "resent": lanes.resent_count,
            "asked_to_retry": lanes.retry_count,
        }
        if killer is not None:
            await killer.finish()
        await lanes.close()
        if switch is not None:
            await switch.stop()
        return results, figures


def _conservation(plan: Plan, summary: dict[str, Any]) -> dict[str, int]:
    card_types = plan.rules.card_types
    opening_c = sum(card_types[card.type_index].opening_balance_minor for card in plan.cards)
    money_in_c = opening_c + summary["recharge_c"]
    money_out_c = summary["approved_c"] - summary["reversed_c"]
    closing_c = summary["closing_balance_c"]
    return {
        "money_in_c": money_in_c,
        "money_out_c": money_out_c,
        "balances_c": closing_c,
        "money_difference_c": money_in_c - money_out_c - closing_c,
    }


def _selection(only: str | None) -> tuple[int, int]:
    if only is None:
        return 1, 0
    mod, colon, residue = only.partition(":")
    if not (colon and mod.isascii() and mod.isdigit() and residue.isascii() and residue.isdigit() and int(mod) > 0):
        raise UsageError(f"--only: expected MOD:RESIDUE such as 10:3, got {only!r}")
    return int(mod), int(residue)


def _address(connect: str | None, operator_credentials: Path | None, kill_every: int) -> tuple[str, int] | None:
    if kill_every < 0:
        raise UsageError(f"--kill-every: expected a number of messages above 0, got {kill_every}")
    if connect is None:
        if operator_credentials is not None:
            raise UsageError(
                "operator credentials: expected --connect with them, got none; a private switch makes its own"
            )
        return None
    host, colon, port = connect.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise UsageError(f"--connect: expected HOST:PORT, got {connect!r}")
    if operator_credentials is None:
        raise UsageError("--connect: expected the operator's key file beside it, got none")
    if kill_every:
        raise UsageError("--kill-every: expected a private switch, got --connect; it is not ours to kill")
    return host.strip("[]"), int(port)


# --------------------------------------------------------------------------- what people see


class _Quiet:
    """Nothing to see: stands in for a progress bar."""

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, day: Day) -> None:
        pass


class _Bar(_Quiet):
    """Progress over the days' messages."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("purchases", total=plan.message_count)

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, day: Day) -> None:
        count = sum(len(chain.steps) for chain in day.chains)
        self._bar.update(self._task, advance=count, description=day.date.isoformat())


def _progress(console: Console | None, plan: Plan) -> _Quiet:
    return _Quiet() if console is None else _Bar(console, plan)


def _show(console: Console, out: Path, summary: dict[str, Any], figures: dict[str, Any]) -> None:
    def money(minor: int) -> str:
        sign = "-" if minor < 0 else ""
        return f"{sign}{abs(minor) // MINOR_PER_UNIT:,}.{abs(minor) % MINOR_PER_UNIT:02d}"

    table = Table(show_header=False, title=f"{summary['rules']}: {summary['cards']:,} cards")
    table.add_column()
    table.add_column(justify="right")
    table.add_row("purchases", f"{summary['purchases']:,}")
    table.add_row("approved", f"{summary['approved_n']:,}")
    table.add_row("declined", f"{summary['declined_n']:,}")
    for code, count in summary["declined"].items():
        if count:
            table.add_row(f"  {code} {DECLINE_MEANINGS[code]}", f"{count:,}")
    table.add_row("reversed", f"{summary['reversed_n']:,}")
    if summary["discount_c"]:
        table.add_row("discount", money(summary["discount_c"]))
    if summary["recharge_n"]:
        table.add_row("recharged", f"{summary['recharge_n']:,} times, {money(summary['recharge_c'])}")
    table.add_row("points", f"{summary['points']:,}")
    sign = "=" if figures["money_difference_c"] == 0 else "≠"
    table.add_row("money in", money(figures["money_in_c"]))
    table.add_row(f"{sign} money out + balances", f"{money(figures['money_out_c'])} + {money(figures['balances_c'])}")
    table.add_row("messages", f"{figures['messages']:,} in {figures['seconds']:.1f} s")
    table.add_row(
        "rate", f"{figures['messages_per_s']:,} durable messages/s over {figures['connections_open']:,} connections"
    )
    if figures["kills"]:
        table.add_row("kills", f"{figures['kills']:,} (resent {figures['resent']:,})")
    console.print(table)
    for name, digest in summary["sha256"].items():
        console.print(f"sha256 {digest}  {out / name}.csv", soft_wrap=True, highlight=False)
