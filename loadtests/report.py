"""Figures into a table for people and a flat JSON object for machines."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from .plan import RunResult

Figures = dict[str, float | int | bool | None]

RSS_BYTES_MAX = 400_000_000
GENERATOR_BOUND = 0.95
"""Share of one core from which the generator, not its peer, sets the pace."""
LIMITS = """\
What these figures do not show
  One machine: generator, switch, its sync thread and its checkpointer share the cores, over loopback; no network.
  fdatasync is as good as this disk's word: on a virtual disk with a host cache it costs less than on bare metal, and
  survives a power cut only if the host does. SIGKILL keeps the page cache: it tests recovery, not the disk.
  Closed loop: each connection waits for its answers, so latency at full load is the queue it makes itself.
  Cards are chosen evenly (worst for caches, best for hot cards); all debits are approvals; echo does no work at all.
  Seconds, not days: no day close, no growth of the journal, no neighbour on the machine."""


class Goal(msgspec.Struct, frozen=True):
    """One figure and its bound; `at_least` says which side is good."""

    name: str
    bound: float
    why: str
    at_least: bool = False

    def met(self, figures: Mapping[str, float | int | bool | None]) -> bool | None:
        """Whether it is met; None when it was not measured."""
        value = figures.get(self.name)
        if value is None:
            return None
        return value >= self.bound if self.at_least else value <= self.bound


def goals(figures: Figures) -> list[Goal]:
    """First goals of the road of one debit; two of them are measured against the machine itself."""
    echo_256, echo_lone, sync = (
        float(figures[name] or 0) for name in ("echo_256x1_per_s", "echo_1x1_p50_us", "fdatasync_p50_us")
    )
    return [
        Goal("durable_64x64_per_s", 500_000, "on 2 cores shared with the generator", at_least=True),
        Goal("durable_256x1_per_s", echo_256, "at or above the echo's rate", at_least=True),
        Goal("lone_p50_us", echo_lone + sync + 60, "echo p50 + fdatasync p50 + 60 µs"),
        Goal("decision_aead_ns", 1_000, "frame opened, decided, reply sealed, in process"),
        Goal("evidence_chip_ns", 300, "what a chip's cryptogram adds to a debit in process"),
        Goal("rss_1m_cards_bytes", RSS_BYTES_MAX, "1,000,000 cards in 400 MB"),
        Goal("restart_1m_cards_s", 2, "SIGKILL to first answer"),
        Goal("ratio_standard", 0.9, "3 lines, one of 200 rules hits, beside flat debits in turn", at_least=True),
    ]


def run_figures(prefix: str, result: RunResult) -> Figures:
    """Figures of one run, named `PREFIX_per_s`, `PREFIX_p50_us` and so on."""
    return {
        f"{prefix}_per_s": round(result.per_s),
        f"{prefix}_p50_us": result.p50_us,
        f"{prefix}_p99_us": result.p99_us,
        f"{prefix}_p999_us": result.p999_us,
        f"{prefix}_max_us": result.max_us,
        f"{prefix}_generator_busy": result.cpu_s / result.elapsed_s,
    }


def table(figures: Figures, shapes: list[str]) -> str:
    """Rates and latencies per shape, durable beside echo."""
    rows = [
        f"{'connections':>11} {'durable':>10} {'p50':>7} {'p99':>7} {'p99.9':>7} {'echo':>11} {'p50':>7} {'p99':>7}"
        f" {'durable':>8} {'CPU µs per debit':>17} {'debits':>7} {'sync':>7}",
        f"{'x in flight':>11} {'debits/s':>10} {'µs':>7} {'µs':>7} {'µs':>7} {'frames/s':>11} {'µs':>7} {'µs':>7}"
        f" {'/ echo':>8} {'switch  generator':>17} {'/ sync':>7} {'µs':>7}",
    ]
    for shape in shapes:
        durable, echo = f"durable_{shape}", f"echo_{shape}"
        ratio = float(figures[f"ratio_{shape}"] or 0)
        rows.append(
            f"{shape:>11} {figures[f'{durable}_per_s']:>10,} {_us(figures, f'{durable}_p50_us')}"
            f" {_us(figures, f'{durable}_p99_us')} {_us(figures, f'{durable}_p999_us')}"
            f" {figures[f'{echo}_per_s']:>11,} {_us(figures, f'{echo}_p50_us')} {_us(figures, f'{echo}_p99_us')}"
            f" {ratio:>8.2f} {figures[f'switch_cpu_{shape}_us']:>6.2f} {figures[f'generator_cpu_{shape}_us']:>10.2f}"
            f" {figures[f'sync_{shape}_debits']:>7,.0f} {_us(figures, f'sync_{shape}_mean_us')}"
        )
    for peer in ("durable", "echo"):
        bound = [shape for shape in shapes if float(figures[f"{peer}_{shape}_generator_busy"] or 0) > GENERATOR_BOUND]
        if bound:
            rows.append(f"The generator itself was the limit of {peer} at {', '.join(bound)}: the peer could do more.")
    return "\n".join(rows)


def goal_lines(figures: Figures) -> str:
    """Each goal with what was measured; the order is the issue's."""
    words = {True: "met", False: "MISSED", None: "not measured"}
    return "\n".join(
        f"  {words[goal.met(figures)]:<13} {goal.name:<22} {_number(figures.get(goal.name)):>13}"
        f" {'≥' if goal.at_least else '≤'} {_number(goal.bound):<12} {goal.why}"
        for goal in goals(figures)
    )


def other_lines(figures: Figures, names: Mapping[str, str]) -> str:
    """Figures that stand for themselves, with what they mean."""
    return "\n".join(f"  {name:<24} {_number(figures.get(name)):>13}  {words}" for name, words in names.items())


def write_json(figures: Figures) -> bytes:
    """One flat object; goals as `goal_NAME_met`."""
    met = {f"goal_{goal.name}_met": goal.met(figures) for goal in goals(figures)}
    return msgspec.json.format(msgspec.json.encode(figures | met), indent=2) + b"\n"


def _us(figures: Figures, name: str) -> str:
    return f"{figures[name]:>7,.0f}"


def _number(value: float | int | bool | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if isinstance(value, int) or value >= 10_000 else f"{value:,.2f}"
