"""A real browser, Debian's chromium, before a real service: web server and follower beside a real switch."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

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
START_TIMEOUT_S = 60


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


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Iterator[tuple[str, str]]:
    """(address, set-up token) of a service beside a switch that has done some business."""
    business = Business(tmp_path_factory.mktemp("switch") / "data")
    business.open()
    business.trade()
    business.work_at_the_desk()
    business.do(MessageType.CUT_OVER, next_date=business.today + 1)
    host, port = business.switch.address
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        web_port = free.getsockname()[1]
    command = [sys.executable, "-m", "cardswitch", "admin"]
    data = ["--data", str(business.path)]
    run([*command, "init", *data, "--connect", f"{host}:{port}", "--listen", f"127.0.0.1:{web_port}"])
    token = run([*command, "setup-token", *data]).rpartition("token: ")[2].strip()
    log = business.path / "web.log"
    with log.open("wb") as file:
        service = subprocess.Popen([*command, "serve", *data], stdout=file, stderr=file)
    address = f"http://127.0.0.1:{web_port}"
    try:
        wait_for(f"{address}/health", log)
        yield address, token
    finally:
        service.terminate()
        service.wait(30)
        business.kill()


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
