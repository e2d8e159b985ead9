"""`python -m loadtests.bench`: every figure of the switch from one run, with the machine's own limits beside them.

Disk, echo and switch are measured in the same minutes on the same machine, so
that a ratio means something even where another run would give other numbers.
Afterwards an audit: all the money that the generator was told it took must be
missing on the cards, after the switch was killed and started again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from switch.protocol.errors import PeerError

from . import report
from ._generator import Generator, GeneratorError
from .child import Child, ChildError
from .machine import Neighbours, fdatasync_p50_us, heading
from .plan import CardRange, LinkState, RunResult, balance_plan, debit_plan, raw_echo_plan
from .report import Figures
from .stage import OPENING_MINOR, BenchError, Switch, generator_of, named_codes, now_ms, open_cards
from .standard import measure_standard

FIRST_CARD = 9_800_000_000_000
FREE_BYTES_MIN = 8 << 30
"""A run of 5 s per shape writes up to 3 GB of journal."""
WARM_UP_SHARE = 0.2
ROUNDS = 5
ROUND_SHARE = 1.0
"""Rounds of echo and switch in turn, each this many times its share of --seconds."""
AUDIT_WINDOW = 256
AUDIT_LINKS = 16
AUDIT_SECONDS_MAX = 60
DECISION_BENCHMARK = "tests/benchmarks/test_decision.py"
"""Run by pytest-benchmark in a process of its own."""
EVIDENCE_BENCHMARK = "tests/benchmarks/test_evidence.py"
"""Likewise."""
EVIDENCE_CARDS = 20_000
"""Whose records fit into a large cache; proofs are measured with all cards, too."""
EVIDENCE_SECONDS_MAX = 600


class Shape(msgspec.Struct, frozen=True):
    """Connections, and requests in flight on each."""

    links: int
    window: int

    def __str__(self) -> str:
        """As in the names of the figures."""
        return f"{self.links}x{self.window}"


LONE = Shape(1, 1)
SHAPES = (LONE, Shape(256, 1), Shape(64, 64))
"""The heaviest comes last: the kill that follows finds as much as possible that is not in a checkpoint yet."""


class Load(msgspec.Struct):
    """All debits of the bench together, for the audit."""

    approved: int = 0
    approved_minor: int = 0
    points_hundredths: int = 0
    answered: int = 0

    def add(self, result: RunResult) -> None:
        """One more run."""
        self.answered += result.answered
        self.approved += result.approved
        self.approved_minor += result.approved_minor_sum
        self.points_hundredths += result.points_hundredths_sum


def measure_echo(echo: Child, shape: Shape, frame_bytes: int, seconds: float) -> RunResult:
    """Equal frames, equal shape, no work."""
    sockets = [socket.create_connection(echo.address) for _ in range(shape.links)]
    try:
        for connection in sockets:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
        states = [LinkState(fd=connection.fileno(), terminal_id=n) for n, connection in enumerate(sockets)]
        generator = Generator(states, shape.window)
        plan = raw_echo_plan(frame_bytes)
        generator.run(plan, duration_s=seconds * WARM_UP_SHARE)
        return generator.run(plan, duration_s=seconds)
    finally:
        for connection in sockets:
            connection.close()


def measure_durable(switch: Switch, shape: Shape, cards: CardRange, seconds: float, seed: int, load: Load) -> Figures:
    """Durable debits in one shape; figures named after it."""
    terminals = switch.add_terminals(shape.links)
    with generator_of(switch, terminals, shape.window) as (generator, link):
        if generator.window != shape.window:
            raise BenchError(f"{shape}: the switch allows only {generator.window} in flight")
        plan = debit_plan(cards, link.terms.business_date, now_ms())
        load.add(generator.run(plan, duration_s=seconds * WARM_UP_SHARE, seed=seed))
        before, cpu_s = switch.statistics(), switch.child.cpu_s()
        result = generator.run(plan, duration_s=seconds, seed=seed + 1)
        after, cpu_s = switch.statistics(), switch.child.cpu_s() - cpu_s
    load.add(result)
    if result.approved != result.answered:
        print(f"  {shape}: not only approvals, and only these count: {named_codes(result.code_counts)}")
    return report.run_figures(f"durable_{shape}", result) | {
        f"durable_{shape}_per_s": round(result.approved / result.elapsed_s),
        f"switch_cpu_{shape}_us": cpu_s / result.answered * 1e6,
        f"generator_cpu_{shape}_us": result.cpu_s / result.answered * 1e6,
        f"sync_{shape}_debits": result.answered / max(1, after.get("blocks", 0) - before.get("blocks", 0)),
        f"sync_{shape}_mean_us": (after.get("sync_ns_sum", 0) - before.get("sync_ns_sum", 0))
        / max(1, after.get("blocks", 0) - before.get("blocks", 0))
        / 1e3,
    }


def measure_shape(
    switch: Switch,
    echo: Child,
    shape: Shape,
    cards: CardRange,
    frame_bytes: int,
    arguments: argparse.Namespace,
    load: Load,
) -> Figures:
    """Echo and durable debits in turn; the middle round of each, and the middle ratio of neighbouring rounds.

    In turn, because a shared machine's speed changes within seconds: one long run of each would compare its moods.
    """
    seconds = arguments.seconds / ROUNDS * ROUND_SHARE
    echoes, durables = [], []
    for number in range(ROUNDS):
        echoes.append(measure_echo(echo, shape, frame_bytes, seconds))
        durables.append(measure_durable(switch, shape, cards, seconds, arguments.seed + 2 * number, load))
    rate = f"durable_{shape}_per_s"
    ratios = [float(d[rate] or 0) / e.per_s for e, d in zip(echoes, durables, strict=True)]
    middle_echo = sorted(echoes, key=lambda result: result.per_s)[ROUNDS // 2]
    middle = sorted(durables, key=lambda figures: float(figures[rate] or 0))[ROUNDS // 2]
    return {
        **report.run_figures(f"echo_{shape}", middle_echo),
        **middle,
        f"ratio_{shape}": round(statistics.median(ratios), 2),
    }


def measure_restart(switch: Switch, cards: CardRange, load: Load) -> float:
    """Seconds from starting the killed switch again to its first approved debit."""
    terminal = switch.add_terminals(1)
    start_s = time.monotonic()
    switch.restart_killed()
    with generator_of(switch, terminal, 1) as (generator, link):
        plan = debit_plan(cards, link.terms.business_date, now_ms())
        result = generator.run(plan, duration_s=30, message_count=1)
    taken_s = time.monotonic() - start_s
    load.add(result)
    if result.approved != 1:
        raise BenchError(f"first debit after the restart: {named_codes(result.code_counts)}")
    return taken_s


def audit(switch: Switch, cards: CardRange, load: Load) -> str:
    """What the cards hold must be what was put on them less what the generator was told it took."""
    with generator_of(switch, switch.add_terminals(AUDIT_LINKS), AUDIT_WINDOW) as (generator, _):
        found = generator.run(balance_plan(cards, now_ms()), duration_s=AUDIT_SECONDS_MAX, message_count=cards.count)
    if found.approved != cards.count:
        raise BenchError(f"audit: expected {cards.count} balances, got {named_codes(found.code_counts)}")
    expected = cards.count * OPENING_MINOR - load.approved_minor
    if found.balance_minor_sum != expected:
        raise BenchError(f"audit: expected {expected} on all cards, got {found.balance_minor_sum}: money was lost")
    if found.points_balance_hundredths_sum != load.points_hundredths:
        raise BenchError(f"audit: expected {load.points_hundredths} points, got {found.points_balance_hundredths_sum}")
    return (
        f"{load.approved:,} approvals took {load.approved_minor:,} minor units; after SIGKILL and restart"
        f" {cards.count:,} cards hold exactly that much less, and exactly the points that were answered"
    )


def compare_counts(switch: Switch, load: Load) -> None:
    """The switch must have counted as many debits as the generator has answers for."""
    counted = switch.statistics().get("type_debit", load.answered)
    if counted != load.answered:
        raise BenchError(f"audit: expected {load.answered} debits in the switch's statistics, got {counted}")


def decision_aead_ns(directory: Path) -> float:
    """Nanoseconds of one debit in process, its frame opened and its reply sealed: median over rounds of 1,024."""
    results = directory / "decision.json"
    subprocess.run(
        [sys.executable, "-m", "pytest", DECISION_BENCHMARK, "-q", "--benchmark-only", f"--benchmark-json={results}"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (benchmark,) = json.loads(results.read_text())["benchmarks"]
    return float(benchmark["stats"]["median"] / benchmark["extra_info"]["debits_per_round"] * 1e9)


def evidence_ns(directory: Path, cards: int, media: str, name: str) -> Figures:
    """What the proof of a medium adds to one debit in process: the middle of neighbouring rounds with and without.

    `evidence_MEDIUM` and `name` begin the figures: `_ns`, `_q1_ns` and `_q3_ns`, between which half of the rounds lie,
    and `_plain_ns`, a debit without a proof.
    """
    results = directory / "evidence.json"
    words = [sys.executable, "-m", "pytest", EVIDENCE_BENCHMARK, "-q", "--benchmark-only", "-k", media]
    subprocess.run(
        [*words, f"--benchmark-json={results}"],
        check=True,
        capture_output=True,
        timeout=EVIDENCE_SECONDS_MAX,
        env=os.environ | {"BENCH_CARDS": str(cards)},
    )
    figures: Figures = {}
    for benchmark in json.loads(results.read_text())["benchmarks"]:
        rounds, figure = benchmark["extra_info"], f"evidence_{benchmark['params']['medium']}{name}"
        low, middle, high = (round(quartile) for quartile in statistics.quantiles(rounds["added_ns"], n=4))
        figures |= {f"{figure}_ns": middle, f"{figure}_q1_ns": low, f"{figure}_q3_ns": high}
        figures[f"{figure}_plain_ns"] = round(statistics.median(rounds["plain_ns"]))
    return figures


def evidence_words(figures: Figures) -> str:
    """The same for people."""
    figure = [name.removesuffix("_q1_ns") for name in figures if name.endswith("_q1_ns")]
    return ", ".join(
        f"{name.split('_')[1]} +{figures[f'{name}_ns']} ns (half of the rounds: {figures[f'{name}_q1_ns']} to"
        f" {figures[f'{name}_q3_ns']}) on {figures[f'{name}_plain_ns']}"
        for name in figure
    )


def bench(arguments: argparse.Namespace, directory: Path, say: Callable[[str], None]) -> Figures:
    """All measurements in their order; the figures by name."""
    cards = CardRange(FIRST_CARD, arguments.cards)
    load, neighbours = Load(), Neighbours()
    frame_bytes = debit_plan(cards, 0, 0).frame_bytes
    figures: Figures = {"cards": cards.count, "seconds": arguments.seconds, "seed": arguments.seed}
    for name, value in heading(directory).items():
        say(f"  {name:<9} {value}")
    say("  sync      one fdatasync per group commit, before any of its replies")
    say(
        f"  messages  debits of {cards.count:,} cards at random, 3 bill lines, {frame_bytes} bytes sealed, one message"
        f" per frame; {arguments.seconds:g} s per shape; seed {arguments.seed}"
    )
    sync_us = fdatasync_p50_us(directory)
    figures["decision_aead_ns"] = decision_aead_ns(directory)
    for evidence_cards, media, name in ((EVIDENCE_CARDS, "chip or code", ""), (cards.count, "chip", "_1m")):
        proofs = evidence_ns(directory, evidence_cards, media, name)
        figures |= proofs
        say(f"  proofs    of {evidence_cards:,} cards: {evidence_words(proofs)}")
    with (
        Switch(directory / "data", directory / "switch.log") as switch,
        Child(["-m", "loadtests.echo"], directory / "echo.log") as echo,
    ):
        switch.configure()
        figures["setup_1m_cards_s"] = open_cards(switch, cards)
        say(f"  set up    {cards.count:,} cards in {figures['setup_1m_cards_s']:.1f} s over the protocol")
        figures["rss_1m_cards_bytes"] = switch.child.rss_bytes()
        figures["rss_checkpointer_bytes"] = switch.child.rss_children_bytes()
        for shape in SHAPES:
            figures |= measure_shape(switch, echo, shape, cards, frame_bytes, arguments, load)
            if shape == LONE:
                # The goal for a lone debit adds up echo and disk: take the disk at its best, before or after, lest a
                # neighbour's burst make the goal easy.
                figures["fdatasync_p50_us"] = min(sync_us, fdatasync_p50_us(directory))
        figures |= {"lone_p50_us": figures["durable_1x1_p50_us"], "lone_p99_us": figures["durable_1x1_p99_us"]}
        figures["rss_after_load_bytes"] = switch.child.rss_bytes()
        compare_counts(switch, load)
        figures["restart_1m_cards_s"] = measure_restart(switch, cards, load)
        words = audit(switch, cards, load)
        switch.child.stop()
    say(f"  audit     {words}")
    with Switch(directory / "rules", directory / "rules.log") as switch_with_rules:
        figures |= measure_standard(switch_with_rules, cards.count // 2, arguments.seconds / ROUNDS, arguments.seed)
        switch_with_rules.child.stop()
    say(f"  rules     standard debits at {figures['ratio_standard']:.3f} of the rate of flat ones")
    figures["verify_s"] = switch.command("verify", "--data", str(switch.data), timeout_s=300)
    say(f"  verify    clean, in {figures['verify_s']:.1f} s")
    figures["neighbours_cores"] = neighbours.cores()
    say(f"  others    used {figures['neighbours_cores']:.2f} cores meanwhile: whatever is above 0.1 spoils the figures")
    return figures


def main(words: list[str] | None = None) -> int:
    """Exit status 0 when everything was measured and the audit holds, whether or not the goals are met."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description="Measure the switch here.")
    parser.add_argument("--cards", type=int, default=1_000_000, help="cards to open (the goals are for 1,000,000)")
    parser.add_argument("--seconds", type=float, default=5, help="measured time per shape and peer")
    parser.add_argument("--seed", type=int, default=1, help="of cards and amounts")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"), help="where the figures go")
    parser.add_argument("--quick", action="store_true", help="20,000 cards and 1 s: a trial, not a measurement")
    arguments = parser.parse_args(words)
    if arguments.quick:
        arguments.cards, arguments.seconds = 20_000, 1.0
    out: Path = arguments.out
    out.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(out.parent).free < FREE_BYTES_MIN:
        print(f"{out.parent}: expected {FREE_BYTES_MIN >> 30} GiB free for the journal", file=sys.stderr)
        return 1
    # On the disk of the output file: /tmp may be memory, and then there would be nothing to wait for.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=out.parent) as directory:
        print("cardswitch bench")
        try:
            figures = bench(arguments, Path(directory), lambda line: print(line, flush=True))
        except (BenchError, ChildError, GeneratorError, PeerError, OSError, subprocess.TimeoutExpired) as error:
            print(f"bench failed: {error}", file=sys.stderr)
            for log in Path(directory).glob("*.log"):
                print(f"{log.name}:\n{log.read_text(errors='replace')[-2000:]}", file=sys.stderr)
            return 1
    out.write_bytes(report.write_json(figures))
    print(f"\n{report.table(figures, [str(shape) for shape in reversed(SHAPES)])}\n")
    print(report.other_lines(figures, OTHER_FIGURES))
    print(f"\nGoals\n{report.goal_lines(figures)}\n\n{report.LIMITS}\n\nfigures: {out}")
    return 0


OTHER_FIGURES = {
    "flat_64x64_per_s": "debits/s of a card type that no rule names; in turn with the next",
    "standard_64x64_per_s": "debits/s of 3 lines of which one of 200 rules hits one",
    "fdatasync_p50_us": "µs, 4 KB written and made durable, same file system as the journal",
    "rss_1m_cards_bytes": "bytes, the switch after set-up",
    "rss_checkpointer_bytes": "bytes, its checkpointer (pages shared with the switch count in both)",
    "rss_after_load_bytes": "bytes, the switch after all loads, answers of today remembered",
    "restart_1m_cards_s": "s, from start after SIGKILL to the first approved debit",
    "verify_s": "s, `cardswitch verify`: everything rebuilt from the journal and compared",
}


if __name__ == "__main__":
    sys.exit(main())
