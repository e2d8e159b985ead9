"""A PostgreSQL server of one's own: a cluster in a temporary folder, on a Unix socket only, ended with the tests."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNPRIVILEGED = "nobody"
"""Whoever runs it when the tests run as root: PostgreSQL refuses to be root."""
START_TIMEOUT_S = 60
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 2 << 30
"""A cluster of some databases fits well; with less, disk space is used instead."""


def programs() -> Path | None:
    """Folder of initdb and pg_ctl, newest version first; None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def unprivileged(folder: Path) -> list[str]:
    """What to put before a command so that it does not run as root.

    In some nested containers only root may write to /dev/null; then the command gets one of its own, in a mount
    namespace that nobody else sees.
    """
    if os.geteuid() != 0:
        return []
    drop = ["setpriv", f"--reuid={UNPRIVILEGED}", "--regid=nogroup", "--clear-groups"]
    if Path("/dev/null").stat().st_mode & 0o002:
        return drop
    null = folder / "null"
    if not null.exists():
        os.mknod(null, stat.S_IFCHR, os.makedev(1, 3))
        null.chmod(0o666)
    return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /dev/null && exec "$@"', str(null), *drop]


@contextmanager
def cluster() -> Iterator[str]:
    """Address (SQLAlchemy) of a fresh server's database `postgres`, which lives until the block ends.

    Its folder is not pytest's, which lets nobody but its owner through, and is too deep for the path of a socket.
    """
    programs_folder = programs()
    assert programs_folder is not None
    has_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN
    folder = Path(tempfile.mkdtemp(prefix="cardswitch-postgresql-", dir=MEMORY if has_memory else None))
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    before = unprivileged(folder)
    data, log = folder / "data", folder / "log"

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*before, str(programs_folder / program), *arguments, f"--pgdata={data}"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr + (log.read_text() if log.exists() else "")

    run("initdb", "--auth=trust", "--encoding=UTF8", "--no-sync", "--username=postgres")
    settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c shared_buffers=64MB"
    # The server must not keep our pipe as its standard output: its log goes to a file.
    run("pg_ctl", "start", "--wait", f"--log={log}", f"--options={settings}")
    try:
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        run("pg_ctl", "stop", "--mode=immediate")
        shutil.rmtree(folder)
