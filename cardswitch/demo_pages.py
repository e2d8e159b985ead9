"""The second half of `cardswitch demo`: the year once more, under rules that approve everything, for the pages.

The reports of this year are compared with figures that another program
computed; then the pages are served, or, where nobody sits at a terminal, a
picture is taken of some of them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import uvloop
from rich.console import Console

from loadtests.shopping_year import command, process
from loadtests.shopping_year.facts import write_facts
from loadtests.shopping_year.plan import EPOCH_ORDINAL, LAST_DATE, Plan
from loadtests.shopping_year.rules import Rules, read_rules
from loadtests.shopping_year.year import data_folder, load_year
from loadtests.training_keys import with_training_keys
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType, PutTerminalRequest, Reply

from . import admin

if TYPE_CHECKING:
    from admin.settings import Settings

RULES = Path(command.__file__).parent / "rules" / "rules_open.toml"
HOST = "127.0.0.1"
SWITCH_PORT, WEB_PORT = 7464, 7480
START_TIMEOUT_S = 180
"""Ten processes begin, which takes ten seconds of CPU: a machine that does much besides needs a minute."""
STOP_TIMEOUT_S = 30
LOOK_S = 0.1
PASSWORD_BYTES = 9
DAY_MS = 86_400_000
LAST_TRACE_NUMBER = 2**32 - 1
"""Of the operator's terminal, whose numbers the replay has counted from 1."""
BOSS = "boss"
PICTURES = {"dashboard": "/", "cards": "/cards", "reports": "/reports"}
CHROMIUM = "/usr/bin/chromium"


class Shop(NamedTuple):
    """A store group that has lived its year: its data directory, and who may sign on."""

    data: Path
    name: str
    password: str

    @property
    def address(self) -> str:
        """Where browsers go."""
        from admin.settings import read_settings

        settings = read_settings(admin.settings_path(self.data))
        return f"http://{settings.listen_host}:{settings.listen_port}"


def live_a_year(folder: Path, mod: int, residue: int) -> Shop:
    """Replay the year into `folder`/shop, follow its journal into SQL, and make an administrator."""
    rules = read_rules(RULES)
    data = folder / "shop"
    if data.exists():
        shutil.rmtree(data)
    plan = Plan(load_year(data_folder(), mod, residue), rules, 1)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_replay_and_follow(plan, rules, data))
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    with admin.service_of(data) as service:
        from admin.people.sign_in import make_first_administrator, make_setup_token

        make_first_administrator(service, make_setup_token(service), BOSS, "", password)
    return Shop(data, BOSS, password)


async def _replay_and_follow(plan: Plan, rules: Rules, data: Path) -> None:
    switch = process.PrivateSwitch(data, rules.timezone.key)
    await asyncio.to_thread(switch.initialise)
    try:
        await switch.start()
        await command._replay(plan, rules, switch.address, switch.operator_credentials, 0, Console(stderr=True))
        await asyncio.to_thread(_follow, plan, data, switch.address)
        await switch.stop()
    finally:
        switch.kill()


def _follow(plan: Plan, data: Path, address: tuple[str, int]) -> None:
    """Tables of the pages, from the journal and from what the year's data knows besides."""
    from admin._clock import SYSTEM
    from admin.database import Database, from_ms
    from admin.follower import follower_of
    from admin.reports.facts import load_facts
    from admin.settings import read_settings, write_settings

    path = admin.settings_path(data)
    host, port = address
    admin.init(data=data, listen=f"{HOST}:{_free_port(WEB_PORT)}", connect=f"{host}:{port}")
    settings = read_settings(path)
    _enrol(plan, settings)
    database = Database(settings.url, is_follower=True)
    try:
        started_at = time.perf_counter()
        row_count = follower_of(settings, database).catch_up()
        seconds = time.perf_counter() - started_at
        print(f"Followed into SQL: {row_count:,} rows in {seconds:.1f} s.", flush=True)
        write_facts(plan, data_folder(), data / "facts")
        load_facts(database, data / "facts", from_ms(SYSTEM.now_ms()))
    finally:
        database.close()
    path.unlink()
    write_settings(path, _at_port(settings, _free_port(SWITCH_PORT)))


def _enrol(plan: Plan, settings: Settings) -> None:
    """Make the service's terminal on the last day of the year: `cardswitch admin enrol` would do it today.

    In replay mode the switch takes a request's stamp for the time, so the year would be over by years.
    """
    from admin._clock import SYSTEM
    from admin.documents.terminals import HEADQUARTERS, fields_of_terminal, key_path, make_key, terminal_id_of
    from admin.switch_link import SwitchLink, read_key_file

    key = make_key(key_path(settings, HEADQUARTERS), terminal_id_of(HEADQUARTERS), SYSTEM.random_bytes)
    last_date = LAST_DATE.toordinal() - EPOCH_ORDINAL
    request = PutTerminalRequest(
        trace_number=LAST_TRACE_NUMBER,
        business_date=last_date,
        stamp_ms=plan.midnight_ms(last_date) + DAY_MS - 1,
        **fields_of_terminal(HEADQUARTERS, key),  # type: ignore[arg-type]  # each is of its field's type
    )
    operator = read_key_file(Path(settings.switch_key))
    with SwitchLink(settings.switch_host, settings.switch_port, operator, SYSTEM.random_bytes) as link:
        reply = link.ask(MessageType.PUT_TERMINAL, request)
    if not isinstance(reply, Reply) or reply.code != ResponseCode.APPROVED:
        raise OSError(f"terminal {key.terminal_id}: expected to be taken in, got {reply}")


def tell_reports(shop: Shop) -> list[str]:
    """Compare reports of the whole year with what another program computed; what differs."""
    from admin.database import Database
    from admin.settings import read_settings

    from .demo_reports import compare

    print("Reports of this year, compared with figures that another program computed from the same purchases:")
    database = Database(read_settings(admin.settings_path(shop.data)).url)
    try:
        return compare(database, lambda line: print(line, flush=True))
    finally:
        database.close()


def show(shop: Shop, *, has_person: bool) -> None:
    """Serve the pages until somebody ends it; where there is nobody, take pictures of them and end."""
    from admin.settings import read_settings

    settings = read_settings(admin.settings_path(shop.data))
    listen = f"{settings.switch_host}:{settings.switch_port}"
    if has_person:
        print(
            f"\nOpen {shop.address}/ in a browser. User {shop.name}, password {shop.password}"
            "\nCtrl-C ends switch and pages.",
            flush=True,
        )
        os.environ.update(with_training_keys(os.environ))
        admin.up(data=shop.data, listen=listen)
        return
    with _served(shop, listen):
        pictures = _take_pictures(shop)
    print("\nThe pages of this group were served and looked at:")
    for picture in pictures:
        print(f"  {picture}")
    print(
        f"To look at them yourself: CARDSWITCH_PASSPHRASE='{with_training_keys({})['CARDSWITCH_PASSPHRASE']}' \\\n"
        f"  {Path(sys.executable).parent / 'cardswitch'} up --data {shop.data} --listen {listen}\n"
        f"  then {shop.address}/ with user {shop.name}, password {shop.password}",
        flush=True,
    )


@contextmanager
def _served(shop: Shop, listen: str) -> Iterator[None]:
    """Switch and pages as `cardswitch up` starts them, for as long as the block lasts."""
    log = shop.data / "up.log"
    with log.open("wb") as file:
        up = subprocess.Popen(
            [sys.executable, "-m", "cardswitch", "up", "--data", str(shop.data), "--listen", listen],
            stdout=file,
            stderr=file,
            env=with_training_keys(os.environ),
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(f"{shop.address}/health"):
            if up.poll() is not None or time.monotonic() > deadline:
                raise OSError(f"{shop.address}: expected pages, got none; see {log}")
            time.sleep(LOOK_S)
        yield
    finally:
        up.terminate()
        with suppress(subprocess.TimeoutExpired):
            up.wait(STOP_TIMEOUT_S)
        if up.poll() is None:
            up.kill()
            up.wait()


def _take_pictures(shop: Shop) -> list[str]:
    """Pictures by a browser; without one, the titles of the pages."""
    if shutil.which(CHROMIUM) is None:
        return [f"{shop.address}/login: answers {_status(f'{shop.address}/login')} (no chromium here for pictures)"]
    from playwright.sync_api import sync_playwright

    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900}, base_url=shop.address, locale="en-GB")
        page.goto("/login")
        page.locator("#name").fill(shop.name)
        page.locator("#password").fill(shop.password)
        page.locator("main form button.btn-dark").click()
        page.wait_for_url(f"{shop.address}/")
        for name, path in PICTURES.items():
            page.goto(path)
            page.wait_for_load_state("networkidle")
            picture = shop.data.parent / f"{name}.png"
            page.screenshot(path=picture)
            taken.append(f"{shop.address}{path}  {picture}")
        browser.close()
    return taken


def _at_port(settings: Any, port: int) -> Any:
    import msgspec

    return msgspec.structs.replace(settings, switch_port=port)


def _free_port(wanted: int) -> int:
    """The usual port, or another one when something listens there already."""
    for port in (wanted, 0):
        with socket.socket() as found, suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((HOST, port))
            return int(found.getsockname()[1])
    raise OSError(f"{HOST}: expected a free port, got none")


def _answers(address: str) -> bool:
    with suppress(OSError):
        return _status(address) == 200
    return False


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
