"""`cardswitch device card`: making, reading and clearing chip cards, and programs that play one."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cyclopts import App

from terminals._clock import SYSTEM
from terminals.chip.applet import KEY_BYTES, CardState
from terminals.chip.card_file import CardFile, fault_collector, leave_faults, read_card_file
from terminals.chip.errors import NoCardError
from terminals.chip.faults import FaultPlan
from terminals.chip.pcsc import list_readers
from terminals.chip.personalise import Proof, clear_card, make_card
from terminals.chip.reader import ChipReader
from terminals.chip.training_key import read_training_key, write_training_key
from terminals.chip.virtual_card import VirtualCard
from terminals.chip.vpcd import FIRST_PORT, VpcdSlot

from .device import app
from .device_chip import DEFAULT, Printing, read_card
from .output import CommandError, Output

WAIT_MS = 30_000
"""For a person to present a card."""
REINSERT_MS = 1_500
"""Until a training card that was pulled out is put in again: pcscd looks every 400 ms whether it is out."""
UNPREDICTABLE_BYTES = 8
CHAIN_BYTES = 4
UID_MAKER = 0x04
"""First byte of a UID says who made the chip (ISO 7816-6): NXP, as of our own cards."""

card_app = App(
    name="card",
    help="""Chip cards: make, read and clear them; and training cards, programs that play one.

For example:
    cardswitch device card new training.card""",
    help_format="plaintext",
)
app.command(card_app)


@card_app.command(name="training-key")
def training_key(file: Path, *, key_version: int = 1, printing: Printing = DEFAULT) -> int:
    """Write a new issuer key for training cards, drawn at random.

    For example:
        cardswitch device card training-key training.key

    Next: `cardswitch device card make`.

    Parameters
    ----------
    file
        File to write.
    key_version
        The key's version, 1 to 255.
    """
    write_training_key(file, SYSTEM.random_bytes(KEY_BYTES), key_version)
    printing.output.say(f"{file}: a training key, version {key_version}", file=str(file), key_version=key_version)
    return 0


@card_app.command
def new(file: Path, *, uid: str = "", printing: Printing = DEFAULT) -> int:
    """Write the file of a new training card, which is blank.

    For example:
        cardswitch device card new training.card --uid 04782E21801D80

    A training card keeps its key in this file, in clear: never make one with a key that real cards have.
    Next: `cardswitch device card serve`.

    Parameters
    ----------
    file
        File to write.
    uid
        The chip's number, 14 hex digits; by default drawn at random.
    """
    try:
        chip = bytes.fromhex(uid) if uid else bytes([UID_MAKER]) + SYSTEM.random_bytes(6)
    except ValueError:
        raise CommandError(f"--uid: expected 14 hex digits, got {uid}") from None
    CardFile.make(file, chip)
    printing.output.say(f"{file}: a blank card with UID {chip.hex().upper()}", file=str(file), uid=chip.hex().upper())
    return 0


@card_app.command
def show(file: Path, *, printing: Printing = DEFAULT) -> int:
    """Show what a training card keeps, without its key.

    For example:
        cardswitch device card show training.card

    Parameters
    ----------
    file
        File of the card.
    """
    memory, out = read_card_file(file), printing.output
    out.facts(
        {
            "uid": memory.uid,
            "state": CardState(memory.state).name,
            "card": out.card(memory.card_number),
            "key_version": memory.key_version,
            "counter": memory.counter,
            "chain": memory.chain.upper(),
            "log": [
                {
                    "counter": entry.counter,
                    "amount_minor": entry.amount_minor,
                    "currency": entry.currency,
                    "type": entry.type,
                    "time_s": entry.time_s,
                    "terminal": entry.terminal.upper(),
                    "answered": entry.answered,
                }
                for entry in memory.log
            ],
        }
    )
    return 0


@card_app.command
def serve(
    file: Path,
    *,
    port: int = FIRST_PORT,
    faults: str = "",
    reinsert_ms: int = REINSERT_MS,
    until_out: bool = False,
    printing: Printing = DEFAULT,
) -> int:
    """Put a training card into pcscd's virtual reader and answer until SIGINT or SIGTERM.

    For example:
        cardswitch device card serve training.card --faults "pull-after:GENERATE_AC"

    pcscd has that reader when the package vsmartcard-vpcd is installed. Its port takes connections from anywhere: keep
    it behind a firewall or in a network namespace of its own.
    Next: `cardswitch device card fault`, while it runs.

    Parameters
    ----------
    file
        File of the card.
    port
        Port of the virtual reader's slot: 35963, or 35964 for the second.
    faults
        What the card is to do wrong; `cardswitch device card fault --help` has the words.
    reinsert_ms
        How long the card stays out after a fault took it out.
    until_out
        End when the card is out, instead of putting it in again.
    """
    out, memory = printing.output, CardFile(file)
    try:
        card = VirtualCard(memory, FaultPlan(faults), pause_ms=_pause_ms, random_bytes=SYSTEM.random_bytes)
        slot, ended = VpcdSlot(card, port), threading.Event()

        def end(*_: object) -> None:
            ended.set()
            raise KeyboardInterrupt  # out of whatever it waits in

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        with suppress(KeyboardInterrupt):
            _serve(slot, fault_collector(file), out, reinsert_ms, is_once=until_out)
        slot.remove()
    finally:
        memory.close()
    return 0


@card_app.command
def fault(file: Path, *faults: str, printing: Printing = DEFAULT) -> int:
    """Have a training card that is being served do something wrong, once.

    For example:
        cardswitch device card fault training.card pull-after:GENERATE_AC slow:READ_STATE,200

    pull-before:COMMAND and pull-after:COMMAND take the card out before the command, or before its answer;
    cut-before:STEP, cut-after:STEP and cut-between:counter,mac take its power away;
    garbage:COMMAND[,BYTES] answers nonsense, slow:COMMAND,MS late, mute:COMMAND[,MS] never;
    pull-now takes the card out at once.
    COMMAND is SELECT, READ_STATE, READ_NUMBER, GENERATE_AC, ISSUER_ANSWER, PERSONALISE, ANY, or 3 for the third;
    STEP is counter, mac, check, chain or person.

    Parameters
    ----------
    file
        File of the card.
    faults
        One or more of the above.
    """
    if not faults:
        raise CommandError("faults: expected one or more such as pull-after:GENERATE_AC, got none")
    text = " ".join(faults)
    FaultPlan(text)
    read_card_file(file)
    leave_faults(file, text)
    printing.output.say(f"{file}: {text}", file=str(file), faults=text)
    return 0


@card_app.command
def read(*, reader: str = "", wait_ms: int = WAIT_MS, printing: Printing = DEFAULT) -> int:
    """Show what the card in a reader says of itself.

    For example:
        cardswitch device card read --reader "Virtual PCD 00 00"

    Parameters
    ----------
    reader
        Name of the reader; by default the first (`cardswitch device readers`).
    wait_ms
        How long to wait for a card.
    """
    with _reader(reader) as device:
        _wait(device, wait_ms, printing.output)
        _show_card(device, printing.output)
    return 0


@card_app.command
def make(
    card: int,
    *,
    key: Path,
    reader: str = "",
    wait_ms: int = WAIT_MS,
    printing: Printing = DEFAULT,
) -> int:
    """Make the blank card in a reader into this card, with a training key; read it back and have it prove its key.

    For example:
        cardswitch device card make 6200000000000001 --key training.key

    The chain value that it begins with is drawn at random, and printed for the switch.

    Parameters
    ----------
    card
        The card number.
    key
        File with the training key (`cardswitch device card training-key`).
    reader
        Name of the reader; by default the first (`cardswitch device readers`).
    wait_ms
        How long to wait for a card.
    """
    issuer_key, chain = read_training_key(key), SYSTEM.random_bytes(CHAIN_BYTES)
    with _reader(reader) as device:
        _wait(device, wait_ms, printing.output)
        make_card(device, issuer_key, card, chain, _proof())
        _show_card(device, printing.output)
    return 0


@card_app.command
def clear(
    *,
    key: Path,
    reader: str = "",
    wait_ms: int = WAIT_MS,
    printing: Printing = DEFAULT,
) -> int:
    """Make the card in a reader blank again; it must have been made with this key.

    For example:
        cardswitch device card clear --key training.key

    Parameters
    ----------
    key
        File with the training key that it was made with.
    reader
        Name of the reader; by default the first (`cardswitch device readers`).
    wait_ms
        How long to wait for a card.
    """
    issuer_key = read_training_key(key)
    with _reader(reader) as device:
        _wait(device, wait_ms, printing.output)
        clear_card(device, issuer_key, _proof())
        _show_card(device, printing.output)
    return 0


def _show_card(device: ChipReader, out: Output) -> None:
    figures, card = read_card(device, out)
    out.facts(
        {
            "reader": device.name,
            "uid": figures.uid.hex().upper(),
            "kind": figures.kind.name,
            "state": figures.state.name,
            "card": card,
            "key_version": figures.key_version,
            "counter": figures.counter,
            "chain": figures.chain.hex().upper(),
        }
    )


def _reader(name: str) -> ChipReader:
    names = list_readers()
    if not names or (name and name not in names):
        raise CommandError(
            f"--reader: expected one that is plugged in ({', '.join(names) or 'none is'}), got {name or 'none'}"
        )
    return ChipReader(name or names[0])


def _wait(device: ChipReader, wait_ms: int, out: Output) -> None:
    try:
        device.wait_for_card(0)
    except NoCardError:
        out.note(f"{device.name}: present the card")
        device.wait_for_card(wait_ms)


def _proof() -> Proof:
    return Proof(SYSTEM.random_bytes(UNPREDICTABLE_BYTES), SYSTEM.now_ms() // 1000)


def _serve(slot: VpcdSlot, collect: Callable[[], str], out: Output, reinsert_ms: int, *, is_once: bool) -> None:
    while True:
        slot.insert(_pause_ms)
        out.say("card in", event="in")
        fault = slot.serve(collect, _pause_ms)
        reason = f"{fault.kind.value} {fault.target}".strip() if fault else "pcscd ended"
        out.say(f"card out: {reason}", event="out", reason=reason)
        if is_once:
            return
        _pause_ms(reinsert_ms)


def _pause_ms(duration_ms: int) -> None:
    time.sleep(duration_ms / 1000)
