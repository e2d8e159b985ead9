"""Errors that a person can mend; the command prints them in one line."""

from __future__ import annotations


class AdminError(Exception):
    """Base of the errors that this package raises on purpose."""


class SettingsError(AdminError):
    """Settings that cannot be read or do not fit."""


class SwitchLinkError(AdminError):
    """No connection to the switch, or one that broke; trying again later may help."""


class JournalError(AdminError):
    """What came is not the journal that was followed so far; trying again does not help."""


class RefusedError(AdminError):
    """A change that the rules of the service forbid; `message` is English with `{names}`, and pages translate it."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message.format(**values))
        self.message, self.values = message, values


class WaitedTooLongError(AdminError):
    """Nothing was written, since somebody else did not stop writing; `message` is English with `{names}` likewise."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message.format(**values))
        self.message, self.values = message, values
