"""What a day close may do about differences, and what it tells afterwards."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from switch.protocol.messages import DayRow, DayTotal

from .outcome import Outcome
from .trace import Heard


class Choice(enum.Enum):
    """What to do with an approved request of which the till cannot say that it was."""

    REVERSE = "reverse"
    """Give the money back: the customer was not served."""
    ADOPT = "adopt"
    """Keep it: the goods are sold."""
    LEAVE = "leave"
    """Do nothing: a person decides, the date stays open."""


class Repair(enum.Enum):
    """What was done about a difference."""

    SENT_AGAIN = "sent again"
    REVERSED = "reversed"
    ADOPTED = "the book has now what the switch has"
    LEFT = "left for a person"


@dataclass(frozen=True, slots=True)
class ClosePolicy:
    """How a till settles differences."""

    unheard: Choice = Choice.REVERSE
    """Approved at the switch, while the till heard nothing or a refusal."""
    unrecorded: Choice = Choice.LEAVE
    """Approved at the switch, while the till has no record of it; it cannot be reversed without its card number."""
    rounds_max: int = 4
    """Totals are sent this often; the second time is the rule, more only when sales go on meanwhile."""

    def __post_init__(self) -> None:
        if self.unrecorded is Choice.REVERSE:
            raise ValueError("unrecorded: expected ADOPT or LEAVE, got REVERSE; a reversal needs the request's card")
        if self.rounds_max < 1:
            raise ValueError(f"rounds_max: expected 1 or more, got {self.rounds_max}")


DEFAULT_CLOSE_POLICY = ClosePolicy()
"""For a till that hands over goods only after an approval."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One request on which till and switch differed."""

    trace_number: int
    type: int
    ours: Heard | None
    """What the till's book had; `None` for nothing, or no answer."""
    theirs: DayRow | None
    """What the switch had; `None` for nothing."""
    repair: Repair
    meaning: str
    """One sentence for people, without card numbers."""
    needs_person: bool = False
    """Goods and money may not match: somebody has to look."""


@dataclass(frozen=True, slots=True)
class DayCloseReport:
    """How a close ended."""

    business_date: int
    is_closed: bool
    round_count: int
    """How often totals were sent."""
    message_count: int
    """Messages that the close needed, repairs not counted."""
    differences: tuple[Difference, ...]
    settled: tuple[Outcome, ...]
    """Requests that were still open before, and what became of them."""
    totals: tuple[DayTotal, ...]
    """The switch's totals, as last told."""
    meaning: str
