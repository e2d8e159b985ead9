"""`cardswitch demo`: a real year of shopping against a switch on this machine, told in plain words.

Nothing here decides or computes what the switch should have answered: the
figures come from its replies, the expected ones were computed by another
program from the same data and are kept below.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import uvloop
from rich.console import Console

from loadtests.shopping_year import command, process
from loadtests.shopping_year.lanes import ReplayError
from loadtests.shopping_year.plan import Plan
from loadtests.shopping_year.results import Results
from loadtests.shopping_year.rules import Rules, read_rules
from loadtests.shopping_year.year import DataMissingError, data_folder, load_year
from switch._directory import open_directory
from switch._show import entries, line
from switch._verify import verify
from switch.protocol.codes import MEANINGS, ResponseCode
from switch.protocol.messages import MessageType
from terminals.errors import TerminalError

RULES = Path(command.__file__).parent / "rules" / "rules_first.toml"
EXIT_DONE, EXIT_DIFFERS, EXIT_NO_DATA = 0, 1, 2
MINOR_PER_UNIT = 100
DESCRIPTORS_PER_TERMINAL = 4
"""Open files to ask for: two at the switch, one here, one to spare while a connection is made anew."""

EXPECTED_SHA256 = {
    "cards": "583dbda722f4b992f8c6c25649d5424e32b5f1b09bf63e80a6d49820157a68a2",
    "stores": "496a966cc4624eff6422eb5ce68d27f36649b348644b282d1bc1ee38658fba81",
    "days": "7fe8e30ff8024873ddf39bc08e2a7684620fd4f55cda03f4d728c96fc4e4658e",
    "txns": "7b7276f36a4f4045a5b4e7905ec1ca9556f2d9cc860bccde89f9d6f6026a56d9",
}
"""Of the result tables of the whole year under `RULES`."""


class Selection(NamedTuple):
    """Which households take part, and what must come out."""

    mod: int = 1
    residue: int = 0
    sha256: dict[str, str] = EXPECTED_SHA256


def demo(folder: Path, selection: Selection | None = None) -> int:
    """Replay the year on a fresh data directory in `folder`; 0 when all is as expected, 1 when not, 2 without data."""
    selection = selection or Selection()
    try:
        data = data_folder()
    except DataMissingError as error:
        print(f"cardswitch demo: {error}", file=sys.stderr)
        return EXIT_NO_DATA
    _make_room(folder)
    say(
        "A card switch answers one question for every till: may this card pay this bill?",
        "This demo starts one on this machine and sends it a real year of shopping: every basket is a debit from its",
        "own terminal, over TCP, sealed, with its bill lines. The time stamp of each purchase is taken as now.",
        "",
        f"Data directory: {folder / 'data'}, made anew. Reading the year takes a few seconds.",
    )
    rules = read_rules(RULES)
    plan = Plan(load_year(data, selection.mod, selection.residue), rules, 1)
    try:
        process.raise_descriptor_limit(
            DESCRIPTORS_PER_TERMINAL * len({basket.terminal_id for basket in plan.year.baskets})
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results, figures = runner.run(_replay(plan, rules, folder / "data"))
    except (ReplayError, process.SwitchProcessError, TerminalError, OSError) as error:
        print(f"cardswitch demo: {error}", file=sys.stderr)
        return EXIT_DIFFERS
    summary = results.write(folder / "results")
    faults = [
        *tell_purchases(plan, summary, figures),
        *tell_money(plan, summary),
        *tell_tables(folder / "results", summary["sha256"], selection.sha256),
    ]
    tell_entry(folder / "data")
    say("", "Now everything again from the journal alone (cardswitch verify):")
    if verify(folder / "data") != 0:
        faults.append("cardswitch verify found differences")
    if faults:
        for fault in faults:
            print(f"cardswitch demo: {fault}", file=sys.stderr)
        return EXIT_DIFFERS
    tell_next(folder / "data")
    return EXIT_DONE


def say(*lines: str) -> None:
    """Print lines at once, so that they stand in order with the progress bar on standard error."""
    print("\n".join(lines), flush=True)


def _make_room(folder: Path) -> None:
    """Remove what an earlier demo has left; DirectoryError when its switch still runs."""
    if (folder / "data" / "switch.toml").exists():
        os.close(open_directory(folder / "data").lock())
    for name in ("data", "results"):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
    folder.mkdir(parents=True, exist_ok=True)


async def _replay(plan: Plan, rules: Rules, data: Path) -> tuple[Results, dict[str, Any]]:
    """A switch of our own for the length of the replay; it is stopped in good order, so its store is up to date."""
    switch = process.PrivateSwitch(data, rules.timezone.key)
    await asyncio.to_thread(switch.initialise)
    try:
        await switch.start()
        results, figures = await command._replay(
            plan, rules, switch.address, switch.operator_credentials, 0, Console(stderr=True)
        )
        await switch.stop()
    finally:
        switch.kill()
    return results, figures


# --------------------------------------------------------------------------- what a newcomer should see


def tell_purchases(plan: Plan, summary: dict[str, Any], figures: dict[str, Any]) -> list[str]:
    """Who bought how often, and what the switch answered."""
    terminal_count = len({basket.terminal_id for basket in plan.year.baskets})
    store_count = len({basket.store_id for basket in plan.year.baskets})
    say(
        "",
        f"{summary['cards']:,} cards made {summary['purchases']:,} purchases at {terminal_count:,} terminals in"
        f" {store_count:,} stores:",
        f"  {summary['approved_n']:>9,}  approved; {summary['reversed_n']:,} of them were reversed later",
        f"  {summary['declined_n']:>9,}  declined, because:",
    )
    for code, count in summary["declined"].items():
        if count:
            say(f"             {count:>7,}  {code}  {MEANINGS[ResponseCode(int(code))][1]}")
    say(
        f"{figures['messages']:,} messages in {figures['seconds']:.1f} s: {figures['messages_per_s']:,} durable answers"
        " per second; none left before its entry was on disk.",
        "(The sender shares this machine, and a day waits for the day before. `make bench` measures the switch.)",
    )
    answered = summary["approved_n"] + summary["declined_n"]
    if answered != len(plan.year.baskets):
        return [f"expected {len(plan.year.baskets)} answers to purchases, got {answered}"]
    return []


def tell_money(plan: Plan, summary: dict[str, Any]) -> list[str]:
    """Conservation: what was put on the cards is what was spent, not given back, or is still there."""
    card_types = plan.rules.card_types
    credits_minor = sum(card_types[card.type_index].opening_balance_minor for card in plan.cards)
    credits_minor += summary["recharge_c"]
    debits_minor, reversals_minor = summary["approved_c"], summary["reversed_c"]
    balances_minor = summary["closing_balance_c"]
    difference_minor = credits_minor - (debits_minor - reversals_minor + balances_minor)
    say(
        "",
        "Money adds up to the cent (balances were read back from the switch):",
        f"  {money(credits_minor)} credits {'=' if difference_minor == 0 else '≠'} {money(debits_minor)} debits"
        f" - {money(reversals_minor)} reversals + {money(balances_minor)} balances",
    )
    if difference_minor:
        return [f"expected credits = debits - reversals + balances, got a difference of {money(difference_minor)}"]
    return []


def tell_tables(folder: Path, sha256: dict[str, str], expected: dict[str, str]) -> list[str]:
    """Every purchase, card, store and day, against figures that another program computed."""
    say("", "Every answer, compared with figures that another program computed from the same data (sha256):")
    faults = []
    for name, digest in expected.items():
        is_equal = sha256[name] == digest
        say(f"  {'equal  ' if is_equal else 'DIFFERS'}  {sha256[name]}  {folder / name}.csv")
        if not is_equal:
            faults.append(f"{folder / name}.csv: expected sha256 {digest}, got {sha256[name]}")
    return faults


def tell_entry(data: Path) -> None:
    """The first approved debit that earned points, as the journal has it."""
    for header, request, reply in entries(data):
        if header.request_type == MessageType.DEBIT and reply.points_hundredths > 0:
            say(
                "",
                "One debit, as it stands in the journal (amounts in cents; the card number is masked):",
                f"  {line(header, request, reply).strip()}",
            )
            return


def tell_next(data: Path) -> None:
    """Where to look next."""
    command_name = Path(".venv") / "bin" / "cardswitch"
    say(
        "",
        "All as expected. Where to look next:",
        f"  {command_name} journal show --data {data} --start 10000 --count 5",
        f"  {command_name} verify --data {data}",
        f"  {command_name} serve --data {data}     (the switch again, on this data; stop it with Ctrl-C)",
        "  README.md: the road of one debit, and the files to read",
    )


def money(minor: int) -> str:
    """An amount in main units, with its cents."""
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // MINOR_PER_UNIT:,}.{abs(minor) % MINOR_PER_UNIT:02d}"
