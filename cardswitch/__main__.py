"""`cardswitch`: the commands. Each imports what it needs when it runs, so that `--help` stays quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

app = App(name="cardswitch", help="A card transaction switch for retail groups.", version="0.1.0")
journal_app = App(name="journal", help="Look into the journal.")
replay_app = App(name="replay", help="Send recorded business through a switch.")
app.command(journal_app)
app.command(replay_app)

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
) -> int:
    """Make a data directory: keys, settings, and the first block of its journal.

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
    """
    from switch.__main__ import initialize
    from switch._directory import Settings
    from switch.protocol.messages import SwitchMode

    chosen = {"partition": partition, "segment_bytes": segment_bytes, "cards_max": cards_max}
    settings = Settings(**{name: value for name, value in chosen.items() if value is not None})
    directory = initialize(data, timezone, SwitchMode[mode.upper()], settings)
    print(f"{directory.path}: ready; the first operator's key is in {directory.path / 'operator.key'}")
    return 0


@app.command
def serve(*, data: DataOption, listen: str = "127.0.0.1:7464") -> int:
    """Run the switch until SIGTERM.

    Parameters
    ----------
    listen
        HOST:PORT to listen on; port 0 takes any free one.
    """
    from switch.__main__ import serve as serve_switch

    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"--listen: expected HOST:PORT with a port from 0 to 65535, got {listen}")
    return serve_switch(data, host, int(port))


@app.command
def demo(*, folder: Path = Path("build/demo")) -> int:
    """Show the switch at work: replay a real year of shopping, check it, and say what there is to see.

    Parameters
    ----------
    folder
        Where to put the data directory and the results; an earlier demo there is replaced.
    """
    from cardswitch.demo import demo as run_demo

    return run_demo(folder)


@app.command
def verify(*, data: DataOption) -> int:
    """Rebuild everything from the journal and compare: chain, checksums, every decision, balance store, sums."""
    from switch._verify import verify as verify_directory

    return verify_directory(data)


@journal_app.command
def show(*, data: DataOption, start: int = 1, count: int = 20, card: int | None = None) -> int:
    """Print journal entries for people.

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


def main() -> None:
    """Entry point of the command; errors that a person can mend are one line, without a traceback."""
    from switch._directory import DirectoryError

    try:
        result = app()
    except (DirectoryError, ValueError) as error:
        print(f"cardswitch: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    main()
