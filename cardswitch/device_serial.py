"""`cardswitch device`: the workstation's file, tests of its devices, what ports there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .device import app
from .output import CommandError, Output

if TYPE_CHECKING:
    from terminals.workstation import Device, Workstation

MILLISECONDS = 1000
WAIT_SECONDS_MAX = 600


@app.command
def ports(*, json: bool = False) -> int:
    """List the serial ports and the chip readers of this machine.

    For example:
        cardswitch device ports

    Next: `cardswitch device setup` with the port's name.
    """
    from terminals.device_errors import DeviceError
    from terminals.device_test import chip_readers, serial_ports

    out = Output(as_json=json)
    found = serial_ports()
    try:
        found += chip_readers()
    except DeviceError as error:
        out.note(str(error))
    out.rows([{"kind": one.kind, "port": one.port, "description": one.description} for one in found])
    return 0


@app.command
def models(*, json: bool = False) -> int:
    """List the kinds and models that can be set up.

    For example:
        cardswitch device models
    """
    from terminals.workstation import MODELS

    Output(as_json=json).rows(
        [
            {"kind": kind, "model": model, "what": what}
            for kind, of_kind in MODELS.items()
            for model, what in of_kind.items()
        ]
    )
    return 0


@app.command
def setup(
    file: Path,
    name: str,
    /,
    *,
    kind: Literal["swipe", "scanner", "printer", "encoder", "visual", "chip"],
    model: str,
    port: str = "",
    speed: int | None = None,
    columns: int | None = None,
    flow: Literal["none", "xon-xoff", "rts-cts"] | None = None,
    lrc_tracks: str | None = None,
    prefix: str | None = None,
    card_digits: str | None = None,
    contactless: bool | None = None,
    dpi: int | None = None,
    workstation: str | None = None,
    store: str | None = None,
    currency: int | None = None,
    json: bool = False,
) -> int:
    """Put a device into a workstation's file, or change the one of its name.

    For example:
        cardswitch device setup till-12.toml stripe --kind swipe --model line --port /dev/ttyUSB0 --speed 9600

    Next: `cardswitch device test till-12.toml stripe`.

    Parameters
    ----------
    file
        The workstation's file (TOML); made when it is not there.
    name
        What the device is called at this workstation.
    model
        `cardswitch device models` lists them.
    port
        `cardswitch device ports` lists them; a reader's name for kind chip, HOST:PORT for a printer with an address.
    speed
        In baud, as the device is set; 9600 when not given.
    columns
        Of a printer: 48 or 32.
    flow
        How a printer says that its buffer is full; without it a receipt longer than the buffer loses lines.
    lrc_tracks
        Of a swipe reader: tracks after which it sends the check character, such as 1,2; `none` for none.
    prefix
        Of a scanner: what it sends before each code.
    card_digits
        Of a scanner: lengths of printed card numbers, such as 16,19.
    contactless
        Of a chip reader: it reads without contact, so that the limits of that hold.
    dpi
        Of a writer of visual cards: dots per inch.
    workstation
        Name of the workstation; of a new file that of the file when not given.
    store
        Name of the store, for receipts.
    currency
        ISO 4217 number of the till's currency, which chips are told; 156 when never given.
    """
    from terminals.workstation import Device, Workstation, read_workstation, write_workstation

    station = read_workstation(file) if file.exists() else Workstation(workstation or file.stem)
    device = Device(name, kind, model, port)
    chosen: dict[str, Any] = {
        "speed_baud": speed,
        "columns": columns,
        "flow": flow,
        "lrc_tracks": _numbers("lrc-tracks", lrc_tracks),
        "prefix": prefix,
        "card_digits": _numbers("card-digits", card_digits),
        "contactless": contactless,
        "dpi": dpi,
    }
    device = replace(device, **{key: value for key, value in chosen.items() if value is not None})
    facts: dict[str, Any] = {"name": workstation, "store": store, "currency": currency}
    station = replace(station, **{key: value for key, value in facts.items() if value is not None}).with_device(device)
    write_workstation(file, station)
    Output(as_json=json).rows(_rows(station))
    return 0


def _numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    words = [] if text == "none" else text.split(",")
    if not all(word.isdecimal() for word in words):
        raise CommandError(f"--{option}: expected numbers such as 1,2 or none, got {text}")
    return tuple(int(word) for word in words)


def _rows(station: Workstation) -> list[dict[str, Any]]:
    from terminals.workstation import WITHOUT_SPEED

    return [
        {
            "workstation": station.name,
            "device": device.name,
            "kind": device.kind,
            "model": device.model,
            "port": device.port,
            "speed_baud": "" if device.model in WITHOUT_SPEED else str(device.speed_baud),
        }
        for device in station.devices
    ]


@app.command
def show(file: Path, /, *, json: bool = False) -> int:
    """Show the devices of a workstation's file.

    For example:
        cardswitch device show till-12.toml
    """
    from terminals.workstation import read_workstation

    Output(as_json=json).rows(_rows(read_workstation(file)))
    return 0


@app.command
def remove(file: Path, name: str, /) -> int:
    """Take a device out of a workstation's file.

    For example:
        cardswitch device remove till-12.toml stripe
    """
    from terminals.workstation import read_workstation, write_workstation

    write_workstation(file, read_workstation(file).without_device(name))
    return 0


@app.command(name="test")
def try_devices(file: Path, /, *names: str, wait_seconds: int = 10, json: bool = False) -> int:
    """Try the devices of a workstation; readers wait for a swipe or a scan, a printer prints a test page.

    For example:
        cardswitch device test till-12.toml stripe --wait-seconds 30

    Ends with 1 when a device failed.

    Parameters
    ----------
    names
        Devices to try; all when none is named.
    wait_seconds
        How long to wait for a swipe or scan; 0 only opens ports and asks for states, and prints nothing.
    """
    from terminals.device_test import test_device
    from terminals.workstation import read_workstation

    if not 0 <= wait_seconds <= WAIT_SECONDS_MAX:
        raise CommandError(f"--wait-seconds: expected 0 to {WAIT_SECONDS_MAX}, got {wait_seconds}")
    station = read_workstation(file)
    chosen: list[Device] = [station.device(name) for name in names] if names else [*station.devices]
    out = Output(as_json=json)
    results = []
    for device in chosen:
        if wait_seconds and device.kind in ("swipe", "scanner"):
            out.note(f"{device.name}: {'swipe a card' if device.kind == 'swipe' else 'scan a code'} now")
        results.append(test_device(device, wait_seconds * MILLISECONDS))
    out.rows(
        [
            {"device": result.device.name, "result": "good" if result.is_good else "FAILED", "finding": result.finding}
            for result in results
        ]
    )
    return 0 if all(result.is_good for result in results) else 1
