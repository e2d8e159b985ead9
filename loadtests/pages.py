"""`python -m loadtests.pages`: how long pages take with a million cards, and what looking at them costs the tills.

One switch, one admin service beside it, on one machine.  Rounds of debits at a
fixed rate alone, and of the same debits while operators go through lists and
searches, in turn: a shared machine's speed changes within seconds.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from loadtests.training_keys import with_training_keys

from .bench import FIRST_CARD
from .machine import heading
from .members import add_members
from .plan import CardRange, RunResult, debit_plan
from .stage import BenchError, Switch, generator_of, now_ms, open_cards

RATE_PER_S = 20_000
ROUNDS = 5
OPERATORS = 4
"""People at a time who go from page to page without a pause: more than a back office of fifty makes."""
LINKS, WINDOW = 32, 64
READY_TIMEOUT_S = 60
P95_MS_MAX, P99_RATIO_MAX = 300, 1.2
PASSWORD = "correct horse battery staple"
HOST = "127.0.0.1"
CSRF = re.compile(r'name="_csrf_token" value="(\w+)"')


class Figures(msgspec.Struct, kw_only=True):
    """What one run has measured."""

    cards: int
    follow_rows_per_s: float
    p95_ms: dict[str, float]
    """By page."""
    requests: dict[str, int]
    alone_p99_us: float
    beside_p99_us: float
    ratio_p99: float
    """Median over rounds of neighbours."""


class Visitor:
    """A browser of an operator: keeps its cookies, counts milliseconds."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=60)
        self._cookies: dict[str, str] = {}

    def get(self, address: str) -> tuple[int, str, float]:
        """Status, text and milliseconds of a page."""
        return self._ask("GET", address)

    def sign_in(self, name: str) -> None:
        """Sign on; `BenchError` when that fails."""
        token = CSRF.search(self.get("/login")[1])
        assert token is not None
        fields = {"_csrf_token": token[1], "name": name, "password": PASSWORD, "code": "", "next": ""}
        status, _, _ = self._ask("POST", "/login", urllib.parse.urlencode(fields))
        if status != 303:
            raise BenchError(f"signing on: expected 303, got {status}")

    def _ask(self, method: str, address: str, body: str = "") -> tuple[int, str, float]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        start_s = time.perf_counter()
        self._connection.request(method, address, body or None, headers)
        answer = self._connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        taken_ms = (time.perf_counter() - start_s) * 1e3
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, rest = cookie.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        return answer.status, text, taken_ms


class Operators:
    """Threads that go through pages, one after the other, until they are told to stop."""

    def __init__(self, port: int, addresses: dict[str, str]) -> None:
        self._addresses = addresses
        self.taken_ms: dict[str, list[float]] = {name: [] for name in addresses}
        self.faults: list[str] = []
        self._visitors = [Visitor(port) for _ in range(OPERATORS)]
        for visitor in self._visitors:
            visitor.sign_in("boss")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """For as long as the block lasts."""
        is_over = threading.Event()
        threads = [
            threading.Thread(target=self._work, args=(visitor, number, is_over))
            for number, visitor in enumerate(self._visitors)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            for thread in threads:
                thread.join()

    def _work(self, visitor: Visitor, number: int, is_over: threading.Event) -> None:
        pages = list(self._addresses.items())
        while not is_over.is_set():
            name, address = pages[number % len(pages)]
            number += 1
            status, _, taken_ms = visitor.get(address)
            self.taken_ms[name].append(taken_ms)
            if status != 200:
                self.faults.append(f"{address}: expected 200, got {status}")


def measure(arguments: argparse.Namespace, directory: Path, say: Callable[[str], None]) -> Figures:
    """Everything, in its order."""
    cards = CardRange(FIRST_CARD, arguments.cards)
    for name, value in heading(directory).items():
        say(f"  {name:<9} {value}")
    with Switch(directory / "data", directory / "switch.log") as switch:
        switch.configure()
        say(f"  set up    {cards.count:,} cards in {open_cards(switch, cards):.1f} s over the protocol")
        rows_per_s = _follow(switch, arguments, say)
        with _served(switch, directory) as port:
            operators = Operators(port, addresses(cards))
            alone, beside = _rounds(switch, cards, arguments, operators)
            if operators.faults:
                raise BenchError(operators.faults[0])
        switch.child.stop()
    return Figures(
        cards=cards.count,
        follow_rows_per_s=rows_per_s,
        p95_ms={name: _percentile(taken, 0.95) for name, taken in operators.taken_ms.items()},
        requests={name: len(taken) for name, taken in operators.taken_ms.items()},
        alone_p99_us=statistics.median(result.p99_us for result in alone),
        beside_p99_us=statistics.median(result.p99_us for result in beside),
        ratio_p99=statistics.median(b.p99_us / a.p99_us for a, b in zip(alone, beside, strict=True)),
    )


def addresses(cards: CardRange) -> dict[str, str]:
    """Lists and searches, by a name for the report."""
    middle = str(cards.first + cards.count // 2)
    return {
        "dashboard": "/",
        "cards": "/cards",
        "cards by prefix": f"/cards?q={middle[:6]}",
        "card by number": f"/cards?q={middle}",
        "cards by state": "/cards?status=2",
        "entries": "/entries",
        "members": "/members",
        "members by name": "/members?q=" + urllib.parse.quote("张伟"),
        "members by initials": "/members?q=zw",
        "members by phone": "/members?q=13800000042",
        "cards by member": "/cards?q=" + urllib.parse.quote("张伟"),
        "documents": "/documents",
        "alarms": "/alarms",
        "audit": "/audit",
    }


def _rounds(
    switch: Switch, cards: CardRange, arguments: argparse.Namespace, operators: Operators
) -> tuple[list[RunResult], list[RunResult]]:
    alone: list[RunResult] = []
    beside: list[RunResult] = []
    with generator_of(switch, switch.add_terminals(LINKS), WINDOW) as (generator, link):
        plan = debit_plan(cards, link.terms.business_date, now_ms())
        generator.run(plan, duration_s=1, rate_per_s=RATE_PER_S)
        for number in range(ROUNDS):
            options = {"duration_s": arguments.seconds, "rate_per_s": RATE_PER_S, "seed": number + 2}
            alone.append(generator.run(plan, **options))
            with operators.at_work():
                beside.append(generator.run(plan, **options))
    return alone, beside


def _follow(switch: Switch, arguments: argparse.Namespace, say: Callable[[str], None]) -> float:
    """Tables with a first administrator, caught up; entries per second of the catching up."""
    from admin.database import Database
    from admin.follower import follower_of
    from admin.people.sign_in import make_first_administrator, make_setup_token
    from admin.settings import read_settings
    from cardswitch.admin import init, service_of, settings_path

    host, port = switch.child.address
    init(data=switch.data, listen=f"{HOST}:{_free_port()}", connect=f"{host}:{port}")
    settings = read_settings(settings_path(switch.data))
    with service_of(switch.data) as service:
        make_first_administrator(service, make_setup_token(service), "boss", "", PASSWORD)
    database = Database(settings.url, is_follower=True)
    try:
        start_s = time.perf_counter()
        count = follower_of(settings, database).catch_up()
        taken_s = time.perf_counter() - start_s
    finally:
        database.close()
    say(f"  follow    {count:,} rows in {taken_s:.1f} s: {count / taken_s:,.0f} a second")
    with service_of(switch.data) as service:
        say(f"  members   {arguments.members:,} in {add_members(service, arguments.members, 1):.1f} s")
    return count / taken_s


@contextmanager
def _served(switch: Switch, directory: Path) -> Iterator[int]:
    """The service as `cardswitch admin serve` runs it; its port."""
    from admin.settings import read_settings
    from cardswitch.admin import settings_path

    port = read_settings(settings_path(switch.data)).listen_port
    with (directory / "admin.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "cardswitch", "admin", "serve", "--data", str(switch.data)],
            stdout=log,
            stderr=log,
            env=with_training_keys(os.environ),
        )
    try:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                if Visitor(port).get("/health")[0] == 200:
                    break
            except OSError:
                if time.monotonic() > deadline_s:
                    raise BenchError("the pages did not come up; see admin.log") from None
                time.sleep(0.1)
        yield port
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def _percentile(taken: list[float], share: float) -> float:
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))] if taken else float("nan")


def main(words: list[str] | None = None) -> int:
    """Exit status 0 when everything was measured, whether or not the goals are met."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.pages", description="Measure the pages beside tills.")
    parser.add_argument("--cards", type=int, default=1_000_000, help="cards")
    parser.add_argument("--members", type=int, default=1_000_000, help="members")
    parser.add_argument("--seconds", type=float, default=6, help="length of a round")
    parser.add_argument("--out", type=Path, default=Path("build/pages.json"), help="where the figures go")
    arguments = parser.parse_args(words)
    out: Path = arguments.out
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pages-", dir=out.parent) as name:
        directory = Path(name)
        print("cardswitch pages")
        try:
            figures = measure(arguments, directory, lambda line: print(line, flush=True))
        except (BenchError, OSError) as error:
            print(f"pages failed: {error}", file=sys.stderr)
            for log in directory.glob("*.log"):
                shutil.copy(log, out.parent / f"pages-{log.name}")
            return 1
    out.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    print(f"\n  page                    p95 ms   requests   (goal: at most {P95_MS_MAX} ms)")
    for page, p95_ms in figures.p95_ms.items():
        print(f"  {page:<22} {p95_ms:>7,.1f} {figures.requests[page]:>10,}   {_met(p95_ms <= P95_MS_MAX)}")
    print(
        f"\n  debits at {RATE_PER_S:,} a second: p99 {figures.alone_p99_us:,.0f} µs alone,"
        f" {figures.beside_p99_us:,.0f} µs beside {OPERATORS} operators: {figures.ratio_p99:.2f}"
        f"   (goal: at most {P99_RATIO_MAX}) {_met(figures.ratio_p99 <= P99_RATIO_MAX)}\n\n  figures: {out}"
    )
    return 0


def _met(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
