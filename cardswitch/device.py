"""`cardswitch device`: what hangs on a workstation, and devices that are none, for trying out and training."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="device",
    help="""Set up and test the devices of a workstation; run virtual ones.

For example:
    cardswitch device setup till-12.toml stripe --kind swipe --model line --port /dev/ttyUSB0 --speed 9600""",
    help_format="plaintext",
)
