"""A disk on command: syncs of journal segments that take their time or fail, and writes that stop in the middle."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


@dataclass(frozen=True, slots=True)
class Sync:
    """One fdatasync of a segment; the end is None when it failed or has not come."""

    thread: int
    began_ns: int
    ended_ns: int | None


class SyncShim:
    """The shim, compiled, and the folder with its orders; hand `binary` and `environment` to a SwitchProcess."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "orders"
        self.folder.mkdir()
        self.binary = folder / "sync_shim.so"
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", str(self.binary), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    @property
    def environment(self) -> dict[str, str]:
        return {"SYNC_SHIM": str(self.folder)}

    def order(self, name: str, value: int | None = None) -> None:
        """From now on: delay_ms, fail_sync, fail_write, tear_bytes."""
        temporary = self.folder / f"{name}.new"
        temporary.write_text("" if value is None else str(value))
        temporary.rename(self.folder / name)

    def cancel(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def syncs(self) -> list[Sync]:
        """What was synced since the last `forget`."""
        log = self.folder / "log"
        found: list[Sync] = []
        for line in log.read_text().splitlines() if log.exists() else []:
            letter, thread, at_ns = line.split()
            if letter == "b":
                found.append(Sync(int(thread), int(at_ns), None))
            else:
                found[-1] = Sync(found[-1].thread, found[-1].began_ns, int(at_ns))
        return found

    def forget(self) -> None:
        (self.folder / "log").unlink(missing_ok=True)
