"""The devices of a workstation, as a TOML file of its own: kind, model, port and speed of each.

    workstation = "till 12"

    [[devices]]
    name = "stripe"
    kind = "swipe"
    model = "line"
    port = "/dev/serial/by-id/usb-reader"
    speed_baud = 9600

A file is checked as a whole: `WorkstationError` names every wrong field.
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import TerminalError
from .printing import COLUMNS_58_MM, COLUMNS_80_MM, NETWORK_PORT
from .scanner import ScannerRules
from .serial_port import SPEEDS_BAUD, Flow, PortSettings

DEVICES_MAX = 16
"""More than fit on a counter."""
NAME_CHARS_MAX = 40
FILE_BYTES_MAX = 65_536
DEFAULT_SPEED_BAUD = 9600

MODELS: dict[str, dict[str, str]] = {
    "swipe": {"line": "stripe reader that sends each swipe as a line (serial or USB serial)"},
    "scanner": {"line": "bar-code scanner that sends each code as a line (serial or USB serial)"},
    "printer": {
        "escpos-serial": "ESC/POS receipt printer on a serial port",
        "escpos-network": "ESC/POS receipt printer with an address; port is HOST or HOST:PORT",
        "escpos-file": "ESC/POS receipt printer behind a device file that cannot answer",
    },
    "encoder": {"msr605": "stripe encoder of the MSR605 command set"},
    "visual": {"vc1": "writer of rewritable visual cards of the VC1 command set"},
    "chip": {"pcsc": "IC reader of the PC/SC service; port is its name, empty for the first"},
}
"""What can be chosen, with what it is."""
WITHOUT_SPEED = ("escpos-network", "escpos-file", "pcsc")
"""Models whose speed is not ours to set: over PC/SC the reader settles it with each card."""
_OPTIONS = {
    "swipe": ("lrc_tracks",),
    "scanner": ("prefix", "card_digits"),
    "printer": ("columns", "flow"),
    "chip": ("contactless",),
    "visual": ("dpi",),
}
DEFAULT_DPI, DPI_MIN, DPI_MAX = 300, 100, 600
DEFAULT_CURRENCY = 156
"""ISO 4217 number of the renminbi."""
CURRENCY_MAX = 999


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong field of a file, such as `devices[2].speed_baud`, and why."""

    field: str
    why: str


class WorkstationError(TerminalError):
    """A workstation file that cannot be used; `problems` has every wrong field."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.why}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Device:
    """One device; what does not concern its kind has its default."""

    name: str
    kind: str
    model: str
    port: str
    speed_baud: int = DEFAULT_SPEED_BAUD
    columns: int = COLUMNS_80_MM
    """Of a printer."""
    flow: str = Flow.NONE.value
    """How a printer on a serial port says that its buffer is full."""
    lrc_tracks: tuple[int, ...] = (2,)
    """Tracks after which a swipe reader sends the check character."""
    prefix: str = ""
    """What a scanner sends before each code."""
    card_digits: tuple[int, ...] = (16,)
    """Lengths of our printed card numbers."""
    dpi: int = DEFAULT_DPI
    """Dots per inch of a writer of visual cards."""
    contactless: bool = False
    """Whether a chip reader reads without contact, and so under the limits of that."""

    def settings(self) -> PortSettings:
        """The serial port of a device that has one."""
        return PortSettings(self.port, self.speed_baud, flow=Flow(self.flow))

    def scanner_rules(self) -> ScannerRules:
        """How a scanner is set."""
        return ScannerRules(self.prefix, frozenset(self.card_digits))

    def host_port(self) -> tuple[str, int]:
        """Address of a printer that has one."""
        host, _, port = self.port.partition(":")
        return host, int(port) if port else NETWORK_PORT


@dataclass(frozen=True, slots=True)
class Workstation:
    """A workstation and its devices, in the file's order; their names are unique."""

    name: str
    devices: tuple[Device, ...] = field(default=())
    currency: int = DEFAULT_CURRENCY
    """ISO 4217 number; in chips' cryptograms."""
    store: str = ""
    """Name on receipts; empty: the workstation's."""

    def device(self, name: str) -> Device:
        """The device of that name; `WorkstationError` when there is none."""
        for device in self.devices:
            if device.name == name:
                return device
        names = ", ".join(device.name for device in self.devices) or "none"
        raise WorkstationError([Problem("name", f"expected one of the workstation's devices ({names}), got {name}")])

    def of_kind(self, kind: str) -> Device | None:
        """The first device of a kind."""
        return next((device for device in self.devices if device.kind == kind), None)

    def with_device(self, device: Device) -> Workstation:
        """This workstation with a device added, or in the place of the one of its name."""
        others = [other for other in self.devices if other.name != device.name]
        place = next((i for i, other in enumerate(self.devices) if other.name == device.name), len(others))
        return replace(self, devices=(*others[:place], device, *others[place:]))

    def without_device(self, name: str) -> Workstation:
        """This workstation without a device; `WorkstationError` when it is not there."""
        gone = self.device(name)
        return replace(self, devices=tuple(device for device in self.devices if device is not gone))

    def to_toml(self) -> str:
        """The file's text."""
        parts = [f"workstation = {_quote(self.name)}\n"]
        if self.currency != DEFAULT_CURRENCY:
            parts.append(f"currency = {self.currency}\n")
        if self.store:
            parts.append(f"store = {_quote(self.store)}\n")
        for device in self.devices:
            rows = [("name", device.name), ("kind", device.kind), ("model", device.model), ("port", device.port)]
            lines = [f"{key} = {_quote(value)}" for key, value in rows]
            if device.model not in WITHOUT_SPEED:
                lines.append(f"speed_baud = {device.speed_baud}")
            for option in _OPTIONS.get(device.kind, ()):
                value = getattr(device, option)
                lines.append(f"{option} = {_value(value)}")
            parts.append("\n[[devices]]\n" + "".join(f"{line}\n" for line in lines))
        return "".join(parts)


def _quote(text: str) -> str:
    """A basic string of TOML: JSON's escapes are among TOML's, but DEL must be escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: str | bool | int | tuple[int, ...]) -> str:
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else str([*value])


def parse_workstation(text: str) -> Workstation:
    """The workstation of a file's text; `WorkstationError` with everything that is wrong."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WorkstationError([Problem("file", f"expected TOML, got a fault: {error}")]) from error
    problems = [
        Problem(key, "expected workstation, currency, store and devices only; is it misspelt?")
        for key in table
        if key not in ("workstation", "currency", "store", "devices")
    ]
    name = table.get("workstation")
    if not _is_name(name):
        problems.append(Problem("workstation", f"expected a name of 1 to {NAME_CHARS_MAX} characters, got {name!r}"))
    currency, store = table.get("currency", DEFAULT_CURRENCY), table.get("store", "")
    if type(currency) is not int or not 0 < currency <= CURRENCY_MAX:
        problems.append(Problem("currency", f"expected an ISO 4217 number such as 156, got {currency!r}"))
    if store != "" and not _is_name(store):
        problems.append(Problem("store", f"expected a name of at most {NAME_CHARS_MAX} characters, got {store!r}"))
    rows = table.get("devices", [])
    if not isinstance(rows, list) or len(rows) > DEVICES_MAX or not all(isinstance(row, dict) for row in rows):
        problems.append(Problem("devices", f"expected at most {DEVICES_MAX} tables [[devices]]"))
        rows = []
    for place, row in enumerate(rows):
        problems += [Problem(f"devices[{place}].{key}", why) for key, why in _wrong(row)]
    for key in ("name", "port"):
        values = [row.get(key) for row in rows if key == "name" or row.get("kind") != "chip"]
        for value in {str(value) for value in values if value is not None and values.count(value) > 1}:
            problems.append(Problem("devices", f"expected each {key} once, got {value} more than once"))
    if problems:
        raise WorkstationError(problems)
    return Workstation(str(name), tuple(_device(row) for row in rows), int(currency), str(store))


def _device(row: dict[str, Any]) -> Device:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Device(**fields)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= NAME_CHARS_MAX and value.isprintable()


def _are_numbers(value: object, low: int, high: int) -> bool:
    return isinstance(value, list) and all(type(number) is int and low <= number <= high for number in value)


def _wrong(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Wrong fields of one device, and why."""
    wrong: list[tuple[str, str]] = []
    kind, model = row.get("kind"), row.get("model")
    if not _is_name(row.get("name")):
        wrong.append(("name", f"expected 1 to {NAME_CHARS_MAX} characters, got {row.get('name')!r}"))
    models = MODELS.get(kind, {}) if isinstance(kind, str) else {}
    if not models:
        wrong.append(("kind", f"expected one of {', '.join(MODELS)}, got {kind!r}"))
    elif model not in models:
        wrong.append(("model", f"expected one of {', '.join(models)} for a {kind}, got {model!r}"))
    port = row.get("port")
    if not isinstance(port, str) or (not port and kind != "chip") or not port.isprintable():
        wrong.append(("port", f"expected the name of a port (`cardswitch device ports`), got {port!r}"))
    elif model == "escpos-network" and not _is_address(port):
        wrong.append(("port", f"expected HOST or HOST:PORT, got {port!r}"))
    speed = row.get("speed_baud", DEFAULT_SPEED_BAUD)
    if type(speed) is not int or speed not in SPEEDS_BAUD:
        wrong.append(("speed_baud", f"expected one of {', '.join(map(str, SPEEDS_BAUD))}, got {speed!r}"))
    if "speed_baud" in row and model in WITHOUT_SPEED:
        wrong.append(("speed_baud", f"expected none for {model}, whose speed is not set here"))
    allowed = ("name", "kind", "model", "port", "speed_baud", *_OPTIONS.get(str(kind), ()))
    wrong += [(key, f"expected one of {', '.join(allowed)}; is it misspelt?") for key in row if key not in allowed]
    if row.get("columns", COLUMNS_80_MM) not in (COLUMNS_58_MM, COLUMNS_80_MM):
        wrong.append(("columns", f"expected {COLUMNS_58_MM} or {COLUMNS_80_MM}, got {row['columns']!r}"))
    flows = [flow.value for flow in Flow]
    if row.get("flow", flows[0]) not in flows:
        wrong.append(("flow", f"expected one of {', '.join(flows)}, got {row['flow']!r}"))
    if not _are_numbers(row.get("lrc_tracks", [2]), 1, 3):
        wrong.append(("lrc_tracks", f"expected track numbers such as [1, 2], got {row['lrc_tracks']!r}"))
    if not _are_numbers(row.get("card_digits", [16]), 8, 19):
        wrong.append(("card_digits", f"expected numbers of digits from 8 to 19, got {row['card_digits']!r}"))
    dpi = row.get("dpi", DEFAULT_DPI)
    if type(dpi) is not int or not DPI_MIN <= dpi <= DPI_MAX:
        wrong.append(("dpi", f"expected {DPI_MIN} to {DPI_MAX} dots per inch, got {dpi!r}"))
    if not isinstance(row.get("contactless", False), bool):
        wrong.append(("contactless", f"expected true or false, got {row['contactless']!r}"))
    if not isinstance(row.get("prefix", ""), str):
        wrong.append(("prefix", f"expected the characters before each code, got {row['prefix']!r}"))
    return wrong


def _is_address(text: str) -> bool:
    host, colon, port = text.partition(":")
    return bool(host) and (not colon or (port.isdecimal() and 0 < int(port) < 65_536))


def read_workstation(path: Path) -> Workstation:
    """The workstation of a file; `WorkstationError` when it cannot be read or used."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise WorkstationError([Problem("file", f"{path}: expected at most {FILE_BYTES_MAX} bytes, got more")])
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkstationError([Problem("file", f"{path}: expected a readable text file, got: {error}")]) from error
    return parse_workstation(text)


def write_workstation(path: Path, workstation: Workstation) -> None:
    """Check and keep a workstation: the file is the old one or the new one whole, never a part."""
    text = workstation.to_toml()
    parse_workstation(text)
    beside = path.with_name(path.name + ".new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
