"""Replay of a real year of shopping against a switch, over the wire, terminal by terminal.

Reading order: `rules` (what the rule file asks for), `year` (the purchases),
`plan` (who sends what when), `setup`, `lanes`, `drive` (sending it), `results`
(checking and writing the answers), `process` (a switch of one's own).
"""

from __future__ import annotations

from pathlib import Path


def run(
    rules: Path,
    out: Path,
    only: str | None = None,
    clones: int = 1,
    kill_every: int = 0,
    connect: str | None = None,
    operator_credentials: Path | None = None,
    as_json: bool = False,
) -> int:
    """Replay the year and write cards.csv, stores.csv, days.csv, txns.csv and summary.json into `out`.

    rules                 rule file (TOML)
    only                  "MOD:RESIDUE": only households with household_id % MOD == RESIDUE
    clones                copies of each household, 1 to 999; every total is multiplied by it
    kill_every            SIGKILL the private switch after every so many answers; 0: never
    connect               "HOST:PORT" of a fresh switch in replay mode, instead of a private one
    operator_credentials  key file of its operator; needed with `connect`
    as_json               print the summary (and how the run went under "run") as JSON, no progress bar

    Returns 0; 1 when the switch did not answer as a correct one may; 2 for a
    wrong argument, rule file or missing data.  Errors go to standard error.
    """
    # Imported late, so that the command line can show its help without the packages that a replay needs.
    from .command import replay

    return replay(rules, out, only, clones, kill_every, connect, operator_credentials, as_json)
