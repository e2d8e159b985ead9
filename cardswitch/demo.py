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
from loadtests.training_keys import TRAINING_PASSPHRASE
from switch._directory import open_directory
from switch._show import entries, line
from switch._verify import verify
from switch.protocol.codes import MEANINGS, ResponseCode
from switch.protocol.messages import MessageType
from terminals.errors import TerminalError

from . import demo_pages

RULES = Path(command.__file__).parent / "rules" / "rules_public.toml"
EXIT_DONE, EXIT_DIFFERS, EXIT_NO_DATA = 0, 1, 2
MINOR_PER_UNIT = 100
DESCRIPTORS_PER_TERMINAL = 4
"""Open files to ask for: two at the switch, one here, one to spare while a connection is made anew."""

EXPECTED_SHA256 = {
    "cards": "8502e6f77f39c7d721aeaec73819ca8eabae53d91595a2389d99436c79c79309",
    "stores": "3452644f4fa5d78880bc87c99e5b3194409e1e23134e9c26dc28277dc536088b",
    "days": "06aa96177aa52a177faa76f7735bab080bd128596b88d986e5656b21cb7e1fc9",
    "txns": "774749ad18b888507586771580b50cd63357f57069f02c0b12595ca7e75e21b0",
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
        *tell_rules(plan, summary),
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
    say("", "The same year once more, under rules that approve every bill, for the people's side of the switch:")
    try:
        shop = demo_pages.live_a_year(folder, selection.mod, selection.residue)
        faults = demo_pages.tell_reports(shop) if selection.mod == 1 else []
    except (ReplayError, process.SwitchProcessError, TerminalError, OSError) as error:
        faults = [str(error)]
    if faults:
        for fault in faults:
            print(f"cardswitch demo: {fault}", file=sys.stderr)
        return EXIT_DIFFERS
    tell_next(folder / "data")
    demo_pages.show(shop, has_person=sys.stdin.isatty() and sys.stdout.isatty())
    return EXIT_DONE


def say(*lines: str) -> None:
    """Print lines at once, so that they stand in order with the progress bar on standard error."""
    print("\n".join(lines), flush=True)


def _make_room(folder: Path) -> None:
    """Remove what an earlier demo has left; DirectoryError when its switch still runs."""
    if (folder / "data" / "switch.toml").exists():
        os.close(open_directory(folder / "data").lock())
    for name in ("data", "results", "shop"):
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
            meaning = MEANINGS[ResponseCode(int(code))][1].partition("; `detail`")[0].rstrip(".")
            say(f"             {count:>7,}  {code}  {meaning}.")
    say(
        f"{figures['messages']:,} messages in {figures['seconds']:.1f} s: {figures['messages_per_s']:,} durable answers"
        " per second; none left before its entry was on disk.",
        "(The sender shares this machine, and a day waits for the day before. `make bench` measures the switch.)",
    )
    answered = summary["approved_n"] + summary["declined_n"]
    if answered != len(plan.year.baskets):
        return [f"expected {len(plan.year.baskets)} answers to purchases, got {answered}"]
    return []


def tell_rules(plan: Plan, summary: dict[str, Any]) -> list[str]:
    """What card types and rules made of the purchases."""
    say("", "Four card types, with rules for what is bought, by whom and when:")
    for card_type in plan.rules.card_types:
        totals = summary["by_type"].get(card_type.code)
        if totals:
            say(
                f"  {card_type.code:<8} {totals['cards']:>6,} cards spent {money(totals['approved_c']):>14}"
                f" and hold {totals['points']:>10,} points"
            )
    say(
        f"The switch took {money(summary['discount_c'])} off the bills, and recharged cards"
        f" {summary['recharge_n']:,} times by {money(summary['recharge_c'])} in all.",
    )
    return [] if summary["discount_c"] and summary["recharge_n"] else ["expected discounts and recharges, got none"]


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
        f"  export CARDSWITCH_PASSPHRASE='{TRAINING_PASSPHRASE}'     (of this demo's keys; then:)",
        f"  {command_name} serve --data {data}     (the switch again, on this data; stop it with Ctrl-C)",
        "  README.md: the road of one debit, and the files to read",
    )


def money(minor: int) -> str:
    """An amount in main units, with its cents."""
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // MINOR_PER_UNIT:,}.{abs(minor) % MINOR_PER_UNIT:02d}"
