"""`cardswitch`: the commands.

Nothing is imported that the command on the line does not need: it starts in a
third of the time. The commands of a data directory stand here and import what
they need when they run; the others are in modules of their own, listed in
`BRANCHES`.
"""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from cyclopts import App, Group, Parameter

OWN = Group("A switch and its data directory", sort_key=1)
WITHIN = Group("Commands", sort_key=1)
DEVICES = Group("At a workstation", sort_key=3)
RUNNING = Group("On a running switch (--connect, --operator-key)", sort_key=2)

app = App(
    name="cardswitch",
    help="A card transaction switch for retail groups.",
    version="0.1.0",
    group_commands=OWN,
    help_format="plaintext",
)
journal_app = App(
    name="journal",
    help="Look into the journal.\n\nFor example:\n    cardswitch journal show --data build/mine --start 10 --count 5",
    help_format="plaintext",
    group_commands=WITHIN,
)
replay_app = App(
    name="replay",
    help="Send recorded business through a switch.\n\nFor example:\n"
    "    cardswitch replay shopping-year --rules rules_public.toml --out build/year",
    help_format="plaintext",
    group_commands=WITHIN,
)
app.command(journal_app)
app.command(replay_app)


class Branch(NamedTuple):
    """A command, or a group of them, that lives in a module of its own."""

    group: Group
    module: str
    name: str = "app"
    """Of the command or group in its module."""
    more: tuple[str, ...] = ()
    """Modules that add commands to the group."""


CARD_MODULES = ("card_points", "card_settings", "card_stops", "card_value", "card_view")
DEVICE_MODULES = ("device_card", "device_chip", "device_faces", "device_pos", "device_serial", "device_virtual")
BRANCHES = {
    "admin": Branch(OWN, "admin"),
    "up": Branch(OWN, "admin", "up"),
    "receipt": Branch(OWN, "receipt"),
    "sms-simulator": Branch(OWN, "sms_simulator", "sms_simulator"),
    "device": Branch(DEVICES, "device", more=DEVICE_MODULES),
    "card": Branch(RUNNING, "card", more=CARD_MODULES),
    "type": Branch(RUNNING, "card_types"),
    "rules": Branch(RUNNING, "rules"),
    "organisation": Branch(RUNNING, "configure", "organisation_app"),
    "store": Branch(RUNNING, "configure", "store_app"),
    "terminal": Branch(RUNNING, "configure", "terminal_app", ("terminal_keys",)),
    "points": Branch(RUNNING, "catalogue", "points_app"),
    "gift": Branch(RUNNING, "catalogue", "gift_app"),
    "price": Branch(RUNNING, "catalogue", "price_app"),
    "day": Branch(RUNNING, "day"),
    "plug-ins": Branch(RUNNING, "plug_ins"),
    "keys": Branch(
        RUNNING, "keys", more=("key_custody", "key_ceremony", "key_enrolment", "key_orders", "key_rotation")
    ),
    "medium": Branch(RUNNING, "media"),
    "policy": Branch(RUNNING, "media_policy", "policy_app"),
    "travel": Branch(RUNNING, "media_policy", "travel_app"),
    "alarm": Branch(RUNNING, "alarms"),
    "migrate": Branch(RUNNING, "migrate"),
}


def add_branches(names: Iterable[str] = BRANCHES) -> App:
    """The command line with these branches, by default all; those that it has already stay as they are."""
    for name in names:
        branch = BRANCHES[name]
        if name in app:
            continue
        for module in branch.more:
            import_module(f"cardswitch.{module}")
        command = getattr(import_module(f"cardswitch.{branch.module}"), branch.name)
        if isinstance(command, App):
            command.group = (branch.group,)
            command.group_commands = WITHIN
        app.command(command)
    return app


def needed_branches(words: list[str]) -> Iterable[str]:
    """What a command line needs: the branch of its first word; all for help, and to say which words there are."""
    first = words[0] if words else ""
    if first in BRANCHES:
        return [first]
    return [] if first == "--version" or (first in app and not first.startswith("-")) else BRANCHES


DataOption = Annotated[Path, Parameter(name="--data", help="Data directory of the switch.")]


@app.command
def init(
    *,
    data: DataOption,
    timezone: str = "UTC",
    mode: Literal["production", "replay"] = "production",
    partition: int = 0,
    segment_bytes: int | None = None,
    cards_max: int | None = None,
    officers: tuple[str, str] = ("first officer", "second officer"),
    hsm_module: str = "",
    hsm_token: str = "",
) -> int:
    """Make a data directory: keys, settings, and the first block of its journal.

    The keys are sealed by a passphrase: it is read from the file that
    CARDSWITCH_PASSPHRASE_FILE names, from CARDSWITCH_PASSPHRASE, or asked for.

    For example:
        cardswitch init --data build/mine --timezone Europe/Berlin

    Next: `cardswitch serve`; then `cardswitch type template`, with the key that
    init has named.

    Parameters
    ----------
    timezone
        IANA name of the zone that business dates are counted in.
    mode
        Production, or replay (stamps of requests are taken as now; for demos and tests).
    partition
        Number of the partition of cards that this switch owns.
    segment_bytes
        Size of a journal segment.
    cards_max
        Most cards (address space of 128 bytes each).
    officers
        The two persons in whose presence the first keys are made; they stand in the key log.
    hsm_module
        PKCS#11 library of an HSM that keeps the key-encrypting keys; without it a sealed file keeps them.
    hsm_token
        Label of the HSM's token.
    """
    from cardswitch.key_house import BackendChoice, KeyHouse, read_passphrase
    from hsm.people import TwoPeople
    from switch.__main__ import initialize
    from switch._clock import now_ms
    from switch._directory import Settings
    from switch.protocol.messages import SwitchMode

    chosen = {"partition": partition, "segment_bytes": segment_bytes, "cards_max": cards_max}
    settings = Settings(**{name: value for name, value in chosen.items() if value is not None})
    choice = BackendChoice("pkcs11" if hsm_module else "software", hsm_module, hsm_token)
    people = TwoPeople(*officers, now_ms())
    directory = initialize(
        data,
        timezone,
        SwitchMode[mode.upper()],
        settings,
        lambda path: KeyHouse.create(path, lambda: read_passphrase("new passphrase of the keys"), people, choice),
    )
    print(f"{directory.path}: ready; the first operator's key is in {directory.path / 'operator.key'}")
    return 0


@app.command
def serve(*, data: DataOption, listen: str = "127.0.0.1:7464") -> int:
    """Run the switch until SIGTERM (or Ctrl-C).

    For example:
        cardswitch serve --data build/mine --listen 127.0.0.1:7464

    Next: in another shell, `cardswitch day show --operator-key
    build/mine/operator.key`.

    Parameters
    ----------
    listen
        HOST:PORT to listen on; port 0 takes any free one.
    """
    from cardswitch.key_house import KeyHouse, read_passphrase
    from hsm._memory import harden_process
    from switch.__main__ import serve as serve_switch
    from switch._directory import open_directory

    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"--listen: expected HOST:PORT with a port from 0 to 65535, got {listen}")
    directory = open_directory(data)
    harden_process()  # before the first key: no core file, no debugger of the same user
    keys = KeyHouse.open(directory.keys, read_passphrase)
    try:
        return serve_switch(data, host, int(port), keys, keys.signer(directory.journal))
    finally:
        keys.close()


@app.command
def demo(*, folder: Path = Path("build/demo")) -> int:
    """Show the switch at work: replay a real year of shopping, check it, and say what there is to see.

    For example:
        cardswitch demo --folder build/demo

    Parameters
    ----------
    folder
        Where to put the data directory and the results; an earlier demo there is replaced.
    """
    from cardswitch.demo import demo as run_demo

    return run_demo(folder)


@app.command
def verify(*, data: DataOption) -> int:
    """Rebuild everything from the journal and compare: chain, checksums, every decision, balance store, sums.

    For example:
        cardswitch verify --data build/mine
    """
    from switch._verify import verify as verify_directory

    return verify_directory(data)


@journal_app.command
def show(*, data: DataOption, start: int = 1, count: int = 20, card: int | None = None) -> int:
    """Print journal entries for people; amounts are in minor units (cents).

    For example:
        cardswitch journal show --data build/mine --card 6200000000000001

    Parameters
    ----------
    start
        First sequence to print.
    count
        Most entries to print.
    card
        Only entries about this card number.
    """
    from switch._show import show as show_entries

    return show_entries(data, start, count, card)


@replay_app.command(name="shopping-year")
def shopping_year(
    *,
    rules: Path,
    out: Path,
    only: str | None = None,
    clones: int = 1,
    kill_every: int = 0,
    connect: str | None = None,
    operator_key: Path | None = None,
    json: bool = False,
) -> int:
    """Send a real year of shopping through a switch and write what it answered.

    For example:
        cardswitch replay shopping-year --rules rules_public.toml --out build/year --kill-every 20000

    Parameters
    ----------
    rules
        Rule file (TOML).
    out
        Directory for cards.csv, stores.csv, days.csv, txns.csv and summary.json.
    only
        MOD:RESIDUE, only households whose number leaves this residue.
    clones
        Send every household this many times, under different cards.
    kill_every
        Kill the private switch with SIGKILL after every so many messages and start it again.
    connect
        HOST:PORT of a running switch in replay mode; without it a private one is started.
    operator_key
        Key file of an operator, with --connect.
    json
        Print the summary as JSON and nothing else.
    """
    from loadtests.shopping_year import run

    return run(
        rules=rules,
        out=out,
        only=only,
        clones=clones,
        kill_every=kill_every,
        connect=connect,
        operator_credentials=operator_key,
        as_json=json,
    )


def is_mendable(error: Exception) -> bool:
    """Whether a person can mend it, so that its words are enough."""
    from admin.errors import AdminError
    from hsm.errors import HsmError
    from switch._directory import DirectoryError
    from switch.key_desk import KeyUnavailableError
    from terminals.errors import TerminalError

    return isinstance(error, AdminError | DirectoryError | HsmError | KeyUnavailableError | TerminalError | ValueError)


def main() -> None:
    """Entry point of the command; errors that a person can mend are one line, without a traceback."""
    add_branches(needed_branches(sys.argv[1:]))
    try:
        result = app()
    except Exception as error:
        if not is_mendable(error):
            raise
        if "--json" in sys.argv[1:]:  # a program that reads the output finds there what went wrong
            print(json_text.dumps({"error": str(error)}, ensure_ascii=False))
        print(f"cardswitch: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    main()
