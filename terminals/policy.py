"""How patient a terminal is: every wait and every repeat has a name, a unit and a reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of one client."""

    request_timeout_ms: int = 2_000
    """Wait for one answer; the switch needs milliseconds, the line a second at worst, and a customer is waiting."""
    resend_count_max: int = 2
    """The same bytes are sent this many times more before a debit is undone instead."""
    settle_deadline_ms: int = 30_000
    """From the call to its outcome, reconnecting, resending and reversing included; after it a call ends in UNKNOWN."""
    connect_timeout_ms: int = 5_000
    """TCP connection and sign-on together."""
    backoff_first_ms: int = 50
    """Pause before the second attempt to connect; the first one is made at once."""
    backoff_max_ms: int = 5_000
    """Longest pause between attempts, so that a till is back within seconds after a long outage."""
    retry_after_ms_max: int = 5_000
    """Longest wait that the switch may ask for with BUSY, DISK_FULL or WINDOW_FULL."""
    renumber_count_max: int = 2
    """A request refused for its business date is sent again under the date learnt, this many times."""
    renew_quiet_ms: int = 2_000
    """A key that the switch wants changed is changed when nothing was asked for this long: between two customers."""
    renew_latest_ms: int = 600_000
    """Or after this long without such a moment: the change disturbs nobody, it is only not begun in the middle."""
    renew_retry_ms: int = 60_000
    """Pause before a change of key that did not come to its end goes on."""

    def __post_init__(self) -> None:
        if self.request_timeout_ms <= 0 or self.connect_timeout_ms <= 0 or self.settle_deadline_ms <= 0:
            raise ValueError(f"time-outs: expected milliseconds above 0, got {self}")
        if self.resend_count_max < 0 or self.renumber_count_max < 0:
            raise ValueError(f"counts: expected 0 or more, got {self}")
        if self.renew_quiet_ms <= 0 or self.renew_latest_ms <= 0 or self.renew_retry_ms <= 0:
            raise ValueError(f"change of key: expected milliseconds above 0, got {self}")
        if not 0 < self.backoff_first_ms <= self.backoff_max_ms:
            raise ValueError(f"back-off: expected 0 < backoff_first_ms <= backoff_max_ms, got {self}")

    def backoff_ms(self, failure_count: int, unit_random: float) -> float:
        """Pause after so many failures in a row: doubled each time up to the maximum, then half of it to all of it.

        The jitter keeps a thousand tills that lost the same switch from all
        coming back in the same instant.
        """
        if failure_count <= 0:
            return 0.0
        whole_ms: int = min(self.backoff_max_ms, self.backoff_first_ms << min(failure_count - 1, 30))
        return whole_ms * (0.5 + unit_random / 2)


DEFAULT_POLICY = Policy()
"""For a till with a customer in front of it."""
