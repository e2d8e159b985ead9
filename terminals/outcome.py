"""How a call ends: approved, declined or unknown, and nothing else."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from switch.protocol.codes import MEANINGS, ResponseCode
from switch.protocol.messages import Reply


class Verdict(enum.Enum):
    """The three ends of a request that changes something."""

    APPROVED = "approved"
    """Done, and durable at the switch."""
    DECLINED = "declined"
    """Not done, and it never will be: refused, reversed, or never sent."""
    UNKNOWN = "unknown"
    """Not known yet: the request stays in the trace store until `Client.settle` has settled it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request."""

    verdict: Verdict
    code: int | None
    """Response code of the switch; `None` when no answer was heard or none was needed."""
    trace_number: int
    """Trace number of the request; 0 when it was never numbered, and for a balance inquiry."""
    business_date: int
    """Business date that the request carried, days since 1970-01-01."""
    meaning: str
    """One sentence for people, without card numbers."""
    reply: Reply | None = None
    """The switch's answer to this request (not to its reversal), when one was heard."""
    is_reversed: bool = False
    """The request was undone by a reversal, because its own answer never came."""

    @property
    def approved(self) -> bool:
        """Whether goods may be handed over."""
        return self.verdict is Verdict.APPROVED

    @property
    def amount_minor(self) -> int:
        """Amount debited, credited or given back, minor units; 0 without a reply."""
        return self.reply.amount_minor if self.reply else 0

    @property
    def balance_minor(self) -> int | None:
        """Balance afterwards, minor units; `None` without a reply."""
        return self.reply.balance_minor if self.reply else None

    @property
    def points_hundredths(self) -> int:
        """Points earned (below 0: taken back), hundredths; 0 without a reply."""
        return self.reply.points_hundredths if self.reply else 0

    @property
    def points_balance_hundredths(self) -> int | None:
        """Points afterwards, hundredths; `None` without a reply."""
        return self.reply.points_balance_hundredths if self.reply else None


def name_code(code: int) -> str:
    """`51` → `51 FUNDS`; the bare number when it is not known here."""
    try:
        return f"{code} {ResponseCode(code).name}"
    except ValueError:
        return str(code)


def meaning_of(code: int) -> str:
    """Sentence for a response code; a newer switch may know codes that we do not."""
    try:
        return MEANINGS[ResponseCode(code)][1]
    except ValueError:
        return f"The switch answered {code}, which this version does not know; it counts as a refusal."
