"""pcscd with two virtual readers, in a network and mount namespace of this test process.

The fixture `chip_world` moves the process (its main thread, and what that starts from then on) into namespaces of its
own, starts pcscd there, and goes back at the end of the module. So no port is open to anybody, nothing collides with
another run or the machine's own pcscd, and a switch that a test starts meanwhile is reached on 127.0.0.1 as always.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminals.chip.card_file import CardFile, CardMemory, leave_faults, read_card_file
from terminals.chip.errors import CardServiceError
from terminals.chip.pcsc import list_readers

ROOT = Path(__file__).parents[2]
DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
RUN = Path("/run/pcscd")
READER = "Retail"
FIRST_PORT = 0x9001
CONTACT, CONTACTLESS = f"{READER} 00 00", f"{READER} 00 01"
"""The two slots of one reader: the driver knows connections by slot only, so a second reader would take the first's."""
PORTS = {CONTACT: FIRST_PORT, CONTACTLESS: FIRST_PORT + 1}
START_TIMEOUT_S = 30
LOOK_S = 0.02
REINSERT_MS = 1_000
"""Longer than pcscd's look into a reader (400 ms), so that it sees the card out."""

CLONE_NEWNS, CLONE_NEWNET, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x40000000, 0x4000, 1 << 18, 2
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str:
    """What this machine lacks for the tests with pcscd; empty where it lacks nothing."""
    if not shutil.which("pcscd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or not DRIVER.exists():
        return "pcscd or its virtual reader is not installed: apt-get install pcscd vsmartcard-vpcd (tools/setup.sh)"
    if os.geteuid() != 0:
        return "only root may have a network namespace for pcscd: run these tests as root, or in a container"
    return ""


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


class Namespaces:
    """Network and mounts of one's own for this thread and what it starts, from `enter` to `leave`."""

    def __init__(self) -> None:
        self._network = -1
        self._has_made_folder = False

    def enter(self) -> None:
        """Go in; the loopback interface is up, and /run/pcscd is empty and nobody else's."""
        self._network = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._has_made_folder = not RUN.exists()
        RUN.mkdir(exist_ok=True)
        _call("unshare", CLONE_NEWNET | CLONE_NEWNS)
        _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        _call("mount", b"none", os.fsencode(RUN), b"tmpfs", 0, None)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            found = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
            flags = struct.unpack("16sH14x", found)[1] | IFF_UP
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags))

    def leave(self) -> None:
        """Go back to the network. The mounts stay apart, as they were: a thread may not go back while others live."""
        if self._network < 0:
            return
        _call("umount2", os.fsencode(RUN), MNT_DETACH)
        _call("setns", self._network, CLONE_NEWNET)
        os.close(self._network)
        self._network = -1
        if self._has_made_folder:
            RUN.rmdir()


class ChipWorld:
    """pcscd with the readers CONTACT and CONTACTLESS, each with an empty slot for a training card."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start pcscd and wait until it takes connections."""
        settings = self.folder / "readers"
        settings.mkdir(exist_ok=True)
        lines = [
            f'FRIENDLYNAME "{READER}"',
            f"DEVICENAME /dev/null:{FIRST_PORT:#x}",
            f"LIBPATH {DRIVER}",
            f"CHANNELID {FIRST_PORT:#x}",
        ]
        (settings / "reader").write_text("\n".join(lines) + "\n")
        program = shutil.which("pcscd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program is not None
        options = subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout
        no_polkit = ["--disable-polkit"] if "disable-polkit" in options else []
        with (self.folder / "pcscd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "--foreground", "--error", "--config", settings, *no_polkit],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.stop()
                raise RuntimeError(f"pcscd did not start: {(self.folder / 'pcscd.log').read_text()}")
            time.sleep(LOOK_S)

    @property
    def pid(self) -> int:
        """Of pcscd."""
        assert self._process is not None
        return self._process.pid

    @staticmethod
    def _is_ready() -> bool:
        try:
            return {*PORTS} <= {*list_readers()}
        except CardServiceError:
            return False

    def stop(self) -> None:
        """End pcscd, however it hangs on a card, and wait until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def card(self, name: str, reader: str = CONTACT, *, uid: str = "04782E21801D80") -> CardProcess:
        """A blank training card, in no reader yet; use it with `with`, which puts it in."""
        path = self.folder / f"{name}.card"
        CardFile.make(path, bytes.fromhex(uid))
        return CardProcess(path, reader)


class CardProcess:
    """`cardswitch device card serve` as a child process."""

    def __init__(self, path: Path, reader: str) -> None:
        self.path, self.reader = path, reader
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> CardProcess:
        return self.insert()

    def __exit__(self, *_: object) -> None:
        self.pull_out()

    @property
    def memory(self) -> CardMemory:
        """What the card keeps at this moment."""
        return read_card_file(self.path)

    def insert(self) -> CardProcess:
        """Put the card in; it is put in again a moment after each fault that takes it out."""
        port, log = PORTS[self.reader], self.path.with_suffix(".log")
        serve = ["serve", str(self.path), "--port", str(port), "--reinsert-ms", str(REINSERT_MS), "--json"]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cardswitch", "device", "card", *serve],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.wait_for("in")
        return self

    def wait_for(self, event: str) -> None:
        """Until the card has said that it is in, or out."""
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            if json.loads(line).get("event") == event:
                return
        raise RuntimeError(f"the card's process ended: {self.path.with_suffix('.log').read_text()}")

    def fault(self, text: str) -> None:
        """Have it do something wrong (`terminals.chip.faults`)."""
        leave_faults(self.path, text)

    def pull_out(self) -> None:
        """Take the card out at once, and leave it out."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(START_TIMEOUT_S)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture(scope="module")
def chip_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChipWorld]:
    """pcscd with two empty virtual readers, for a module's tests; they run in namespaces of their own meanwhile."""
    if reason := why_not():
        pytest.skip(reason)
    world, namespaces = ChipWorld(tmp_path_factory.mktemp("chip_world")), Namespaces()
    try:
        namespaces.enter()
        world.start()
        yield world
    finally:
        world.stop()
        namespaces.leave()
