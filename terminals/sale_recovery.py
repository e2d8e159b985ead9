"""What is to be done about a sale that a crash has left: its own journal and the trace decide, nobody guesses."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from switch.protocol.codes import CodeClass, code_class
from switch.protocol.messages import DebitRequest, MessageType

from .sale_journal import SaleRecord, SaleStep
from .trace import BookedRequest, OpenRequest


class Remedy(enum.Enum):
    """One of them for each sale."""

    NOTHING = "nothing"
    FORGET = "forget"
    """Never sent, or refused, or reversed already: no money moved."""
    SETTLE = "settle"
    """Sent perhaps, and never answered: `Client.settle` undoes it."""
    REVERSE = "reverse"
    """Approved, and the till died before it said so: it is given back."""
    ASK = "ask"
    """The switch cannot settle it: a person compares the journals."""
    PRINT = "print"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Found:
    """What the trace has of a sale's last attempt."""

    open: OpenRequest | None = None
    booked: BookedRequest | None = None


def find(sale: SaleRecord, open_requests: Iterable[OpenRequest], booked: Iterable[BookedRequest]) -> Found:
    """The attempt's request, by its stamp, which no other debit of the till has."""
    stamp_ms = sale.debit.stamp_ms

    def is_it(request: OpenRequest) -> bool:
        return request.type == MessageType.DEBIT and DebitRequest.decode(request.body).stamp_ms == stamp_ms

    return Found(
        next((request for request in open_requests if is_it(request)), None),
        next((entry for entry in booked if entry.request.body and is_it(entry.request)), None),
    )


def remedy(sale: SaleRecord, found: Found) -> Remedy:
    """What a till does that finds a sale at this step."""
    if sale.step is SaleStep.DECIDED:
        return Remedy.COPY if sale.copy_number else Remedy.PRINT
    if sale.step is SaleStep.PRINTING:
        return Remedy.COPY
    if sale.step is not SaleStep.BEGUN:
        return Remedy.NOTHING
    if found.open is not None:
        return Remedy.ASK if found.open.stuck_code else Remedy.SETTLE
    heard = found.booked.heard if found.booked is not None else None
    if heard is not None and code_class(heard.code) is CodeClass.APPROVED:
        return Remedy.REVERSE
    return Remedy.FORGET
