"""What can go wrong on the terminal's side of the line.

An answer of the switch is never an exception: it is a code in an `Outcome`.
These are the cases in which there is no answer, or in which the terminal may
not even ask.
"""

from __future__ import annotations


class TerminalError(Exception):
    """Base of the terminal kit's errors; every message says what was expected, what came and what to do."""


class LinkLostError(TerminalError):
    """The connection ended, or could not be made; `sent` says whether the request may have reached the switch."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class RequestTimeoutError(LinkLostError):
    """No answer in time; the switch may or may not have acted on the request."""


class SignOnRefusedError(LinkLostError):
    """The switch answered the sign-on with a refusal; `code` is its response code."""

    def __init__(self, message: str, code: int, retry_after_ms: int) -> None:
        super().__init__(message, sent=False)
        self.code, self.retry_after_ms = code, retry_after_ms


class WindowExceededError(TerminalError):
    """More requests at a time than the link may hold; nothing was sent."""


class SwitchUnreachableError(TerminalError):
    """The switch stayed away beyond the deadline; nothing was asked that could have changed anything."""


class RefusedBySwitchError(TerminalError):
    """The switch refused a message that has no key (follow, statistics, echo); `code` is its response code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class CredentialsError(TerminalError):
    """A key file that cannot be used: missing, malformed, or readable by others."""


class TraceFileError(TerminalError):
    """A trace file that cannot be trusted or written; nothing may be sent before it is repaired."""


class TooManyOpenRequestsError(TerminalError):
    """The bound of unsettled requests is reached; settle them before asking for more."""
