"""`cardswitch plug-ins`: custom rules for points, run beside the switch."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from cyclopts import App

from terminals.plug_in_process import TIME_LIMIT_MS
from terminals.plug_ins import run_plug_ins

from .desk import DEFAULT, Desk, Switch, at_desk
from .output import CommandError

app = App(
    name="plug-ins",
    help="""Custom rules for points: programs of your own that see each sale after it is durable (docs/plug-ins.md).

For example:
    cardswitch plug-ins run fruit=rules.fruit:points --state fruit.state""",
    help_format="plaintext",
)


@app.command
def run(
    *plug_ins: str,
    state: Path,
    time_limit_ms: int = TIME_LIMIT_MS,
    partition: int = 0,
    from_beginning: bool = False,
    until_end: bool = False,
    switch: Switch = DEFAULT,
) -> int:
    """Follow the journal and credit what the plug-ins grant, until SIGINT or SIGTERM.

    For example:
        cardswitch plug-ins run fruit=rules.fruit:points --state fruit.state --operator-key plug-ins.key

    Give the runner a terminal of its own: `cardswitch terminal put 77 --rights
    follow,cards --key-file plug-ins.key`.
    Next: points arrive within a second of a sale; a sale that a plug-in fails
    on is named on standard error.

    Parameters
    ----------
    plug_ins
        NAME=MODULE:FUNCTION, or NAME=ENTRY of an installed package; the switch knows credits by the name.
    state
        File that keeps how far it has got; a first start begins at the journal's end.
    time_limit_ms
        A plug-in that takes longer for a sale is stopped, and skipped for that sale.
    partition
        Partition of the switch.
    from_beginning
        A first start begins at the journal's beginning.
    until_end
        Stop at the journal's end instead of waiting for more.
    """
    targets: dict[str, str] = {}
    for word in plug_ins:
        name, equals, target = word.partition("=")
        if not (name and equals and target):
            raise CommandError(f"plug-ins: expected NAME=MODULE:FUNCTION, got {word}")
        targets[name] = target
    if not targets:
        raise CommandError("plug-ins: expected one or more as NAME=MODULE:FUNCTION, got none")

    async def work(desk: Desk) -> int:
        running = asyncio.ensure_future(
            run_plug_ins(
                desk.client,
                targets,
                state,
                desk.out.note,
                time_limit_ms=time_limit_ms,
                partition=partition,
                operator_id=desk.operator_id,
                from_beginning=from_beginning,
                until_end=until_end,
            )
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, running.cancel)
        try:
            counts = await running
        except asyncio.CancelledError:
            return 0
        rows: list[dict[str, Any]] = [
            {
                "plug_in": name,
                "sales": count.sales,
                "credited": count.credited,
                "credited_before": count.repeated,
                "refused": count.refused,
                "failed": count.failed,
                "too_slow": count.overran,
            }
            for name, count in counts.items()
        ]
        desk.out.rows(rows)
        return 0

    return at_desk(switch, work)
