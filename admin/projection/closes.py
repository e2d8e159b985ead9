"""Closes of business dates: what till and switch had counted, type by type, out of the request and its answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete

from admin.models.sales import close_totals
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import DayTotal, DayTotalsRequest, Reply

from .bulk import insert_rows

Close = tuple[int, int]
"""Terminal and business date."""
CLOSED = frozenset({int(ResponseCode.APPROVED), int(ResponseCode.TOTALS_DIFFER)})
"""Answers that carry the switch's own figures."""


def read_close(terminal_id: int, request: bytes, reply: bytes) -> tuple[Close, list[tuple[Any, ...]]]:
    """Which close it is, and a row of `close_totals` for each type that either side has."""
    asked = DayTotalsRequest.decode(request)
    till = {total.type: total for total in asked.totals}
    switch = {total.type: total for total in Reply.decode(reply).totals}
    rows = []
    for type_ in sorted({*till, *switch}):
        rows.append((terminal_id, asked.closed_date, type_, *_figures(till.get(type_)), *_figures(switch.get(type_))))
    return (terminal_id, asked.closed_date), rows


def _figures(total: DayTotal | None) -> tuple[int, int]:
    return (total.count, total.amount_minor) if total is not None else (0, 0)


def put_closes(connection: Connection, closes: dict[Close, list[tuple[Any, ...]]]) -> None:
    """The last attempt at each close takes the place of those before."""
    for terminal_id, date in closes:
        connection.execute(
            delete(close_totals).where(close_totals.c.terminal_id == terminal_id, close_totals.c.closed_date == date)
        )
    rows: Iterable[tuple[Any, ...]] = (row for found in closes.values() for row in found)
    insert_rows(connection, close_totals, list(rows))
