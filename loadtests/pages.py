"""`python -m loadtests.pages`: how long pages take with a million cards and members, and what they cost the tills.

One switch, one admin service beside it, on one machine.  Rounds of debits at a
fixed rate alone, and of the same debits while operators go through pages, in
turn: a shared machine's speed changes within seconds.  Pages are all of the
service that have an address of their own (new ones join by themselves), and
searches; then, in rounds of their own, all reports.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
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
from typing import NamedTuple

import msgspec
import pyotp

from loadtests.training_keys import with_training_keys

from .bench import FIRST_CARD
from .machine import heading
from .members import add_members
from .plan import CardRange, RunResult, debit_plan
from .stage import BenchError, Switch, generator_of, now_ms, open_cards

RATE_PER_S = 20_000
SETUP_RATE_PER_S = 60_000
"""Cards and credits of the set-up: half of what an idle machine manages."""
ROUNDS = 5
REPORT_ROUNDS_MIN, REPORT_ROUNDS_MAX = 2, 12
"""Rounds go on until every report had its turn."""
REPORT_ROUND_TIMES = 3
"""So many times as long as one of pages: a report of all sales takes some seconds."""
REPORT_READERS = 2
"""As many as the service answers at a time; further ones would wait for these."""
OPERATORS = 4
"""People at a time who go from page to page without a pause: more than a back office of fifty makes."""
LINKS, WINDOW = 32, 64
READY_TIMEOUT_S = 60
P95_MS_MAX, P99_RATIO_MAX = 300, 1.2
PASSWORD = "correct horse battery staple"
STEP_S = 30
"""A dynamic password is good once, and there is another one after so long."""
STEP_UP_AGAIN_S = 240
"""Before what a dynamic password has opened for five minutes is closed again."""
HOST = "127.0.0.1"
LEFT_OUT = ("/language/", "/logout", "/login", "/setup", "/health", "/static/", "/schema", "/api/", "/step-up")
"""Beginnings of addresses that are no page of an operator's work."""
NO_LISTS = ("/alarms/live", "/audit/check")
"""A stream that does not end, and what works through all rows of a table because somebody asks it to."""
CSRF = re.compile(r'name="_csrf_token" value="(\w+)"')


class Figures(msgspec.Struct, kw_only=True):
    """What one run has measured."""

    cards: int
    follow_rows_per_s: float
    p95_ms: dict[str, float]
    """By page."""
    reports_p50_ms: dict[str, float]
    """By report; there is no goal for one."""
    reports_max_ms: dict[str, float]
    requests: dict[str, int]
    left_out: dict[str, str]
    """Pages that did not answer with 200 when they were tried, and what came: such as ask for a dynamic password."""
    alone_p99_us: float
    beside_p99_us: float
    ratio_p99: float
    """Median over rounds of neighbours."""
    reports_ratio_p99: float
    """Likewise, while operators ask for reports."""


class Person(NamedTuple):
    """An operator with every right."""

    name: str
    secret: str
    """Of the dynamic password."""


def _code(person: Person, shift_s: int = 0) -> str:
    return str(pyotp.TOTP(person.secret).at(for_time=int(time.time()) + shift_s))


class Visitor:
    """A browser of an operator: keeps its cookies, counts milliseconds."""

    def __init__(self, port: int, person: Person = Person("", "")) -> None:  # noqa: B008  it cannot be changed
        self._connection = http.client.HTTPConnection(HOST, port, timeout=60)
        self._cookies: dict[str, str] = {}
        self._person = person
        self._stepped_up_s = 0.0

    def get(self, address: str) -> tuple[int, str, float]:
        """Status, text and milliseconds of a page."""
        return self._ask("GET", address)

    def sign_in(self) -> None:
        """Sign on, and give a dynamic password; `BenchError` when that fails."""
        # The code of the step before is good as well, so that of this step is left for what demands a fresh one.
        code = _code(self._person, -STEP_S)
        self._send("/login", name=self._person.name, password=PASSWORD, code=code, next="")
        self.step_up()

    def step_up(self) -> None:
        """Give a fresh dynamic password, unless the last one still opens what demands one."""
        if self._stepped_up_s and time.monotonic() - self._stepped_up_s < STEP_UP_AGAIN_S:
            return
        self._send("/step-up", code=_code(self._person), next="/")
        self._stepped_up_s = time.monotonic()

    def _send(self, address: str, **fields: str) -> None:
        token = CSRF.search(self.get(address)[1])
        assert token is not None, address
        status, _, _ = self._ask("POST", address, urllib.parse.urlencode({"_csrf_token": token[1], **fields}))
        if status != 303:
            raise BenchError(f"{address}: expected 303, got {status}")

    def _ask(self, method: str, address: str, body: str = "") -> tuple[int, str, float]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        start_s = time.perf_counter()
        try:
            self._connection.request(method, address, body or None, headers)
            answer = self._connection.getresponse()
        except http.client.RemoteDisconnected:  # it had been idle for long, as a browser's may
            self._connection.close()
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

    def __init__(self, port: int, addresses: dict[str, str], people: list[Person]) -> None:
        self.taken_ms: dict[str, list[float]] = {}
        self.faults: list[str] = []
        self.left_out: dict[str, str] = {}
        self._visitors = [Visitor(port, person) for person in people]
        for visitor in self._visitors:
            visitor.sign_in()
        self._addresses: dict[str, str] = {}
        self._visits = itertools.count()
        """Of all of them together, over all rounds: no page is asked for much more often than another."""
        for name, address in addresses.items():
            status, text, _ = self._visitors[0].get(address)
            if status == 200 and "<html" in text:
                self._addresses[name], self.taken_ms[name] = address, []
            else:
                self.left_out[name] = f"status {status}" if status != 200 else "no page"

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """For as long as the block lasts."""
        is_over = threading.Event()
        for visitor in self._visitors:
            visitor.step_up()
        threads = [threading.Thread(target=self._work, args=(visitor, is_over)) for visitor in self._visitors]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            for thread in threads:
                thread.join()

    @property
    def is_round(self) -> bool:
        """Whether every address had its turn."""
        return all(self.taken_ms.values())

    def _work(self, visitor: Visitor, is_over: threading.Event) -> None:
        pages = list(self._addresses.items())
        while not is_over.is_set() and pages:
            name, address = pages[next(self._visits) % len(pages)]
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
        taken_s = open_cards(switch, cards, rate_per_s=arguments.setup_rate)
        say(f"  set up    {cards.count:,} cards in {taken_s:.1f} s over the protocol")
        rows_per_s = _follow(switch, arguments, say)
        people = _people(switch, OPERATORS + REPORT_READERS)
        with _served(switch, directory) as port:
            lists = Operators(port, pages_of(switch.data) | searches(cards), people[:OPERATORS])
            reports = Operators(port, reports_by_name(), people[OPERATORS:])
            say(f"  pages     {len(lists.taken_ms)} pages and searches, {len(reports.taken_ms)} reports")
            alone, beside = _rounds(switch, cards, arguments, lists, lambda number: number < ROUNDS)
            reports_alone, reports_beside = _rounds(
                switch,
                cards,
                arguments,
                reports,
                lambda number: number < REPORT_ROUNDS_MIN or (number < REPORT_ROUNDS_MAX and not reports.is_round),
                REPORT_ROUND_TIMES,
            )
            for operators in (lists, reports):
                if operators.faults:
                    raise BenchError(operators.faults[0])
        switch.child.stop()
    return Figures(
        cards=cards.count,
        follow_rows_per_s=rows_per_s,
        p95_ms={name: _percentile(taken, 0.95) for name, taken in lists.taken_ms.items()},
        reports_p50_ms={name: _percentile(taken, 0.5) for name, taken in reports.taken_ms.items()},
        reports_max_ms={name: max(taken, default=float("nan")) for name, taken in reports.taken_ms.items()},
        requests={name: len(taken) for name, taken in (lists.taken_ms | reports.taken_ms).items()},
        left_out=lists.left_out | reports.left_out,
        alone_p99_us=statistics.median(result.p99_us for result in alone),
        beside_p99_us=statistics.median(result.p99_us for result in beside),
        ratio_p99=_ratio(alone, beside),
        reports_ratio_p99=_ratio(reports_alone, reports_beside),
    )


def _ratio(alone: list[RunResult], beside: list[RunResult]) -> float:
    return statistics.median(b.p99_us / a.p99_us for a, b in zip(alone, beside, strict=True))


def pages_of(data: Path) -> dict[str, str]:
    """Every page of the service that has an address of its own: no number of a card or document in it, and no file."""
    from admin.app import create_app
    from admin.rights import Action
    from admin.settings import read_settings
    from cardswitch.admin import settings_path

    routes = create_app(read_settings(settings_path(data))).routes
    found: dict[str, str] = {}
    for route in routes:
        for handler in getattr(route, "route_handlers", ()):
            needed = next((guard.needed for guard in handler.guards or () if hasattr(guard, "needed")), "")
            is_page = "GET" in handler.http_methods and "{" not in route.path and needed
            if (
                is_page
                and not needed.endswith(f".{Action.EXPORT.value}")
                and not route.path.startswith((*LEFT_OUT, *NO_LISTS))
            ):
                found[route.path] = route.path
    return dict(sorted(found.items()))


def reports_by_name() -> dict[str, str]:
    """Every report, as it is before somebody narrows it."""
    from admin.reports.registry import REPORTS

    return {f"report {name}": f"/reports/{name}" for name in REPORTS}


def searches(cards: CardRange) -> dict[str, str]:
    """What people look for in the large lists, by a name for the table."""
    middle = str(cards.first + cards.count // 2)
    return {
        "cards by prefix": f"/cards?q={middle[:6]}",
        "card by number": f"/cards?q={middle}",
        "cards by state": "/cards?status=2",
        "cards by member": "/cards?q=" + urllib.parse.quote("张伟"),
        "members by name": "/members?q=" + urllib.parse.quote("张伟"),
        "members by initials": "/members?q=zw",
        "members by phone": "/members?q=13800000042",
        "members by region": "/members?region=110000",
    }


def _rounds(
    switch: Switch,
    cards: CardRange,
    arguments: argparse.Namespace,
    operators: Operators,
    goes_on: Callable[[int], bool],
    times: int = 1,
) -> tuple[list[RunResult], list[RunResult]]:
    alone: list[RunResult] = []
    beside: list[RunResult] = []
    with generator_of(switch, switch.add_terminals(LINKS), WINDOW) as (generator, link):
        plan = debit_plan(cards, link.terms.business_date, now_ms())
        generator.run(plan, duration_s=1, rate_per_s=RATE_PER_S)
        for number in itertools.takewhile(goes_on, itertools.count()):
            options = {"rate_per_s": RATE_PER_S, "seed": number + 2}
            alone.append(generator.run(plan, duration_s=arguments.seconds, **options))
            with operators.at_work():
                beside.append(generator.run(plan, duration_s=arguments.seconds * times, **options))
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


def _people(switch: Switch, count: int) -> list[Person]:
    """So many more people with every right, each with a dynamic password."""
    from admin.models.people import WHOLE_GROUP, RoleAssignment, User
    from admin.people.passwords import TOTP_PURPOSE, hash_password, new_totp_secret, seal_totp
    from cardswitch.admin import service_of

    people = [Person(f"operator{number}", new_totp_secret(os.urandom(20))) for number in range(1, count + 1)]
    with service_of(switch.data) as service, service.database.write() as session:
        for person in people:
            user = User(
                name=person.name,
                full_name=person.name,
                organisation_id=WHOLE_GROUP,
                password_hash=hash_password(PASSWORD),
                must_change_password=False,
                created_at=service.now(),
            )
            session.add(user)
            session.flush()
            user.totp_sealed = seal_totp(service, TOTP_PURPOSE, person.secret, user.id)
            session.add(RoleAssignment(user_id=user.id, role="administrator", given_by=user.id, given_at=service.now()))
    return people


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
    parser.add_argument("--setup-rate", type=float, default=SETUP_RATE_PER_S, help="cards a second of the set-up")
    parser.add_argument("--seconds", type=float, default=10, help="length of a round")
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
    print(f"\n  {'page':<30} p95 ms   requests   (goal: at most {P95_MS_MAX} ms)")
    for page, p95_ms in sorted(figures.p95_ms.items(), key=lambda one: -one[1]):
        print(f"  {page:<30} {p95_ms:>6,.0f} {figures.requests[page]:>10,}   {_met(p95_ms <= P95_MS_MAX)}")
    print(f"\n  not measured: {', '.join(NO_LISTS)} (no lists)")
    print(f"\n  {'report':<30} p50 ms   max ms   requests   (no goal: a report may take longer)")
    for page, max_ms in sorted(figures.reports_max_ms.items(), key=lambda one: -one[1]):
        print(f"  {page:<30} {figures.reports_p50_ms[page]:>6,.0f} {max_ms:>8,.0f} {figures.requests[page]:>10,}")
    for page, reason in figures.left_out.items():
        print(f"  not measured: {page} ({reason})")
    missed = sum(not p95_ms <= P95_MS_MAX for p95_ms in figures.p95_ms.values())  # not asked for at all: missed
    print(
        f"\n  pages: {len(figures.p95_ms) - missed} of {len(figures.p95_ms)} have a p95 of at most {P95_MS_MAX} ms:"
        f" {_met(not missed)}"
        f"\n  debits at {RATE_PER_S:,} a second: p99 {figures.alone_p99_us:,.0f} µs alone,"
        f" {figures.beside_p99_us:,.0f} µs beside {OPERATORS} operators: {figures.ratio_p99:.2f}"
        f"   (goal: at most {P99_RATIO_MAX}) {_met(figures.ratio_p99 <= P99_RATIO_MAX)}"
        f"\n  and beside reports: {figures.reports_ratio_p99:.2f} {_met(figures.reports_ratio_p99 <= P99_RATIO_MAX)}"
        f"\n\n  figures: {out}"
    )
    return 0


def _met(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
