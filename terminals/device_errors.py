"""What can go wrong with a device at the counter: its line, its answers, the card in it."""

from __future__ import annotations

from .errors import TerminalError


class DeviceError(TerminalError):
    """Base of the errors of devices."""


class PortUnavailableError(DeviceError):
    """The port is not there, may not be opened, or another program has it."""


class DeviceLostError(DeviceError):
    """The device went away in the middle of something: unplugged, or switched off."""


class DeviceTimeoutError(DeviceError):
    """The device, or the person before it, did not answer in time."""


class DeviceAnswerError(DeviceError):
    """The device answered something that its command set does not know, or refused a command."""


class VerifyError(DeviceError):
    """What was read back is not what was written; the medium must not be handed out."""
