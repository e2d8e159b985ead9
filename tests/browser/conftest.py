"""A real browser, Debian's chromium, before a real service: web server and follower beside a real switch."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

from cardswitch.admin import settings_path
from switch.protocol.messages import MessageType
from tests.support.whole_business import Business

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
COMMAND = [sys.executable, "-m", "cardswitch", "admin"]
START_TIMEOUT_S = 180


@pytest.fixture(scope="module")
def chromium():
    """The browser; tests are skipped where it is not installed.

    Playwright keeps an event loop running in this thread for as long as it is open, and no other test of the same
    process could call `asyncio.run` then: so it ends with the module, before the process takes another file.
    """
    if shutil.which(CHROMIUM) is None:
        pytest.skip("chromium is not installed: apt-get install chromium fonts-noto-cjk")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
    with suppress(RuntimeError):
        asyncio.get_event_loop().close()


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[tuple[str, str]]:
    """(address, set-up token) of a service beside a switch that has done some business.

    It ends with the module: idle, it would take time from the tests that follow.
    """
    business = Business(tmp_path_factory.mktemp("switch") / "data")
    business.open()
    business.trade()
    business.work_at_the_desk()
    business.do(MessageType.CUT_OVER, next_date=business.today + 1)
    host, port = business.switch.address
    with served(business.path, f"{host}:{port}", lambda data: [*COMMAND, "serve", "--data", str(data)]) as site:
        yield site
    business.kill()


@pytest.fixture(scope="module")
def pages_alone(tmp_path_factory) -> Iterator[tuple[str, str]]:
    """(address, set-up token) of a web server without a switch and the processes beside it, for who only signs on."""
    data = tmp_path_factory.mktemp("pages") / "data"
    with served(
        data, "127.0.0.1:1", lambda data: [sys.executable, "-m", "admin.serving", str(settings_path(data))]
    ) as site:
        yield site


@contextmanager
def served(data: Path, switch: str, command_on: Callable[[Path], list[str]]) -> Iterator[tuple[str, str]]:
    """(address, set-up token) of a service that a command runs until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        web_port = free.getsockname()[1]
    run([*COMMAND, "init", "--data", str(data), "--connect", switch, "--listen", f"127.0.0.1:{web_port}"])
    token = run([*COMMAND, "setup-token", "--data", str(data)]).rpartition("token: ")[2].strip()
    log = data / "web.log"
    with log.open("wb") as file:
        service = subprocess.Popen(command_on(data), stdout=file, stderr=file)
    address = f"http://127.0.0.1:{web_port}"
    try:
        wait_for(f"{address}/health", log)
        yield address, token
    finally:
        service.terminate()
        service.wait(30)


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_for(address: str, log: Path) -> None:
    deadline = monotonic() + START_TIMEOUT_S
    while monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        sleep(0.1)
    raise AssertionError(log.read_text())
