"""Commands without the wait: each is a process of its own, forked from one that has imported what commands need.

A fresh interpreter spends a fifth of a second on imports, for each of a
thousand commands.  Whatever is run here has its own folder, environment,
arguments and descriptors, and may be killed at any moment.  The switch itself,
and commands whose start is the question, begin afresh (`switch_process`).
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
STDIN_BYTES_MAX = 1 << 20
"""Size of the pipe: written before anybody reads."""
COMMAND = "from cardswitch.__main__ import main; main()"
"""Runs `cardswitch` with the arguments of its process."""
# Takes orders; forks for each a process that forks the command, waits for it, and tells its id and its status.
MATRON = """
import gc, importlib, json, os, signal, socket, sys
import cardswitch.key_house
from cardswitch.__main__ import add_branches

def run(order, descriptors):
    code, arguments, folder, environment = json.loads(order)
    for target, source in enumerate(descriptors):
        os.dup2(source, target)
        os.close(source)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = arguments
    exec(compile(code, "<command>", "exec"), {"__name__": "__main__"})
    sys.exit(0)

add_branches()
for name in sys.argv[2:]:
    importlib.import_module(name)
line = socket.socket(fileno=int(sys.argv[1]))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
gc.freeze()
while True:
    order, descriptors, _, _ = socket.recv_fds(line, 1 << 20, 4)
    if not order:
        break
    status = descriptors.pop()
    if not os.fork():
        line.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        child = os.fork()
        if not child:
            os.close(status)
            run(order, descriptors)
        os.write(status, f"{child}\\n".encode())
        os.write(status, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\\n".encode())
        os._exit(0)
    for descriptor in (status, *descriptors):
        os.close(descriptor)
"""


KEYS = ("hsm._keystore", "hsm.key_log", "hsm.keyring", "terminals.key_calls")
"""What commands about keys need."""
PAGES = ("admin.follower", "admin.migrating", "admin.service")
"""What commands about the web service need."""


@cache
def _line(modules: tuple[str, ...]) -> socket.socket:
    """To the process that forks, which has these modules and lives as long as this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    matron = subprocess.Popen(
        [sys.executable, "-c", MATRON, str(theirs.fileno()), *modules],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()

    def end() -> None:
        ours.close()
        matron.wait()

    atexit.register(end)
    return ours


def run(
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: str = "",
    code: str = COMMAND,
    timeout_s: float = 120,
    modules: tuple[str, ...] = KEYS,
) -> subprocess.CompletedProcess[str]:
    """Run Python code to its end as a program with these arguments (first its name), as `subprocess.run` does.

    `modules`: what it finds imported.
    """
    words = stdin.encode()
    assert len(words) <= STDIN_BYTES_MAX
    order = json.dumps([code, [*arguments], str(folder), dict(environment)]).encode()
    stdin_read, stdin_write = os.pipe()
    status_read, status_write = os.pipe()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
        open(status_read, encoding="ascii") as status,
    ):
        with open(stdin_write, "wb") as pipe:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, STDIN_BYTES_MAX)
            pipe.write(words)
        socket.send_fds(_line(modules), [order], [stdin_read, out.fileno(), err.fileno(), status_write])
        os.close(stdin_read)
        os.close(status_write)
        child = int(status.readline())
        if not select.select([status], [], [], timeout_s)[0]:
            os.kill(child, signal.SIGKILL)
            raise subprocess.TimeoutExpired(arguments, timeout_s)
        returncode = int(status.readline())
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess([*arguments], returncode, out.read(), err.read())
