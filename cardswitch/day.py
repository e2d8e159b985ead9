"""`cardswitch day`: the business date: where it stands, its cut-over, its close."""

from __future__ import annotations

import datetime
from typing import Any

from cyclopts import App

from switch.protocol.messages import CutOverRequest, DayCloseState, MessageType, SwitchMode
from switch.protocol.records import DayCloseRecord, RecordKind, SwitchRecord

from .desk import DEFAULT, Desk, Switch, at_desk
from .form import name_of
from .output import insist
from .units import Date, format_date, format_decimal, format_minute

app = App(
    name="day",
    help="""The business date: where it stands, its cut-over, and the close of a terminal's day.

For example:
    cardswitch day show""",
    help_format="plaintext",
)


@app.command
def show(*, switch: Switch = DEFAULT) -> int:
    """Show the business date, the switch's clock, and how the terminals' closes stand.

    For example:
        cardswitch day show
    """

    async def work(desk: Desk) -> int:
        echo = await desk.client.echo()
        switches = await desk.records(RecordKind.SWITCH, SwitchRecord)
        clock = datetime.datetime.fromtimestamp(echo.time_ms / 1000, datetime.UTC)
        facts: dict[str, Any] = {
            "business_date": format_date(echo.business_date),
            "clock": clock.isoformat(timespec="seconds"),
        }
        for row in switches:
            facts |= {
                "partition": row.partition,
                "mode": SwitchMode(row.mode).name.lower(),
                "time_zone": row.timezone.rstrip(b"\0").decode("ascii"),
                "cut_over": format_minute(row.cut_over_minutes),
                "begun": format_date(row.business_date),
            }
        closes = await desk.records(RecordKind.DAY_CLOSE, DayCloseRecord)
        rows = [
            {
                "terminal": row.terminal_id,
                "date": format_date(row.closed_date),
                "state": name_of(DayCloseState, row.state),
                "attempts": row.attempts,
                "requests": row.message_count,
                "approved": format_decimal(row.approved_minor),
            }
            for row in closes
            if row.closed_date + 1 >= echo.business_date
        ]
        desk.out.facts(facts | ({"closes": rows} if rows else {}))
        return 0

    return at_desk(switch, work)


@app.command
def cut_over(*, switch: Switch = DEFAULT) -> int:
    """Begin the next business date now, before the clock does. Needs --operator.

    For example:
        cardswitch day cut-over --operator 7

    Next: requests under the date before are taken for one more date; limits per
    date begin anew; rules, prices and type versions of the new date hold. It
    cannot be taken back.
    """

    async def work(desk: Desk) -> int:
        who = desk.person("day cut-over")
        next_date = await desk.today() + 1
        insist(await desk.client.cut_over(next_date, who), f"cut-over to {format_date(next_date)}", CutOverRequest)
        desk.out.say(f"business date {format_date(next_date)} has begun", business_date=format_date(next_date))
        return 0

    return at_desk(switch, work)


@app.command
def close(*, date: Date | None = None, switch: Switch = DEFAULT) -> int:
    """Close a business date of this command line's own terminal: agree with the switch on each request of it.

    For example:
        cardswitch day close --date 2026-03-01

    Tills close their own dates. Needs a key that may pay.
    Next: `cardswitch day show` has the close; differences are named one by one.

    Parameters
    ----------
    date
        Today or the date before; without it today.
    """

    async def work(desk: Desk) -> int:
        report = await desk.client.close_day(date)
        totals = [
            {
                "type": MessageType(total.type).name,
                "count": total.count,
                "amount": format_decimal(total.amount_minor),
            }
            for total in report.totals
        ]
        differences = [difference.meaning for difference in report.differences]
        desk.out.facts(
            {
                "business_date": format_date(report.business_date),
                "closed": report.is_closed,
                "meaning": report.meaning,
                "differences": differences,
                "totals": totals,
            }
        )
        return 0 if report.is_closed else 1

    return at_desk(switch, work)
