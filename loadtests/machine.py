"""Where a measurement was made, and what its disk takes: nothing in a report means much without it."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from ._generator import openssl_version

SYNC_BLOCK_BYTES = 4096
SYNC_FILE_BYTES = 16 << 20
SYNC_COUNT = 2000
SYNC_SECONDS_MAX = 2.0


def heading(data: Path) -> dict[str, str]:
    """Machine and software, by name, for the top of a report."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    memory = next((int(line.split()[1]) // 1024**2 for line in _lines("/proc/meminfo") if "MemTotal" in line), 0)
    return {
        "cpu": f"{cpu}, {len(os.sched_getaffinity(0))} cores, {memory} GiB",
        "system": f"{platform.system()} {platform.release()}, load {os.getloadavg()[0]:.1f} before the start",
        "disk": f"{_file_system(data)}, {shutil.disk_usage(data).free >> 30} GiB free",
        "software": f"Python {platform.python_version()}, uvloop {version('uvloop')}, {openssl_version()}",
    }


def fdatasync_p50_us(directory: Path) -> float:
    """Median of writing 4 KB into a zero-filled file and making it durable: what a lone debit must wait for."""
    taken_ns: list[int] = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        file.write(bytes(SYNC_FILE_BYTES))
        os.fsync(file.fileno())
        block = os.urandom(SYNC_BLOCK_BYTES)
        end_s = time.monotonic() + SYNC_SECONDS_MAX
        for n in range(SYNC_COUNT):
            start_ns = time.perf_counter_ns()
            os.pwrite(file.fileno(), block, n * SYNC_BLOCK_BYTES % SYNC_FILE_BYTES)  # disk
            os.fdatasync(file.fileno())  # disk
            taken_ns.append(time.perf_counter_ns() - start_ns)
            if time.monotonic() > end_s:
                break
    return statistics.median(taken_ns) / 1e3


class Neighbours:
    """How much of the machine others used since this object was made (a virtual machine's host included)."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._others_s = self._others_so_far_s()

    def cores(self) -> float:
        """Cores that were busy with something that is neither this process nor a child that has ended, on average."""
        return max(0.0, (self._others_so_far_s() - self._others_s) / (time.monotonic() - self._start_s))

    @staticmethod
    def _others_so_far_s() -> float:
        ticks = [int(word) for word in _lines("/proc/stat")[0].split()[1:9]]
        idle, io_wait = ticks[3:5]
        own = os.times()
        own_s = own.user + own.system + own.children_user + own.children_system
        return (sum(ticks) - idle - io_wait) / os.sysconf("SC_CLK_TCK") - own_s


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _file_system(path: Path) -> str:
    """Type of the file system that holds `path`: the mount with the longest matching prefix, the last one winning."""
    best, kind = "", "unknown file system"
    for line in _lines("/proc/mounts"):
        _, mount, mount_kind = line.split()[:3]
        if path.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, mount_kind
    return kind
