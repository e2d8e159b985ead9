"""Child process that signs heads: at the lowest priority, at a bounded rate, with an interpreter lock of its own.

Speaks lines over pipes, one question at a time, and has no key:

| from the switch       | from the child              | meaning                                                |
|-----------------------|-----------------------------|--------------------------------------------------------|
| `durable POSITION MS VERSION` |                     | sign up to this durable position, with this key        |
|                       | `key VERSION`               | which public key is that                               |
|                       | `sign VERSION HEX`          | sign these bytes                                       |
| `answer HEX`          |                             | the key or the signature                               |
| `failed`              |                             | there is none; why has been said by the switch         |
|                       | `reached POSITION SEQUENCE` | signed up to there; now there may be another `durable` |

It ends when the switch does. A head that it leaves unsigned is signed by the next one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from switch._clock import monotonic_ms
from switch._directory import DirectoryError
from switch.notary import HeadSigner, Notary

NICENESS = 19
"""Heads may come late; answers may not."""
PR_SET_PDEATHSIG = 1
READ_BYTES_PER_S = 256 << 20
"""Most journal bytes read and hashed in a second: six tenths of what one core can. What is behind catches up later."""
PACE_BYTES = 4 << 20
"""Bytes after which the rate is looked at: one longest block."""
EXIT_REFUSED = 3
"""Exit status when journal and heads contradict each other: starting again would not help."""
EXIT_DISK = 1
"""Exit status when a file could not be read or written: it may be later."""
EXIT_NOT_SIGNED = 4
"""Exit status when the switch could not sign: it may later."""


class Pace:
    """Keeps reading below a rate: after every few bytes it pauses for the time by which they came too early."""

    def __init__(self, clock_ms: Callable[[], int], pause_s: Callable[[float], None]) -> None:
        self._clock_ms, self._pause_s = clock_ms, pause_s
        self._read_bytes = 0
        self._since_ms = clock_ms()

    def take(self, count: int) -> None:
        """Some bytes were read."""
        self._read_bytes += count
        if self._read_bytes < PACE_BYTES:
            return
        due_ms = self._read_bytes * 1000 // READ_BYTES_PER_S
        early_ms = due_ms - (self._clock_ms() - self._since_ms)
        if early_ms > 0:
            self._pause_s(early_ms / 1000)
        self._read_bytes, self._since_ms = 0, self._clock_ms()


class NotSignedError(Exception):
    """The switch could not sign, or has no such key."""


class RemoteSigner:
    """Asks the switch, over the pipes."""

    def __init__(self, from_switch: TextIO, to_switch: TextIO) -> None:
        self._from_switch, self._to_switch = from_switch, to_switch
        self._keys: dict[int, bytes] = {}

    def sign(self, version: int, message: bytes) -> bytes:
        """Signature of a message."""
        return self._ask(f"sign {version} {message.hex()}")

    def public_key(self, version: int) -> bytes:
        """Public key of a version; asked once."""
        if version not in self._keys:
            self._keys[version] = self._ask(f"key {version}")
        return self._keys[version]

    def _ask(self, question: str) -> bytes:
        print(question, file=self._to_switch, flush=True)
        words = self._from_switch.readline().split()
        if len(words) != 2 or words[0] != "answer":
            raise NotSignedError
        return bytes.fromhex(words[1])


def report(notary: Notary) -> None:
    """Say up to where everything is signed: now there may be another question."""
    last = notary.last
    print("reached 0 0" if last is None else f"reached {last.end_position} {last.last_sequence}", flush=True)


def main(arguments: list[str]) -> int:
    """Arguments: journal directory, partition, segment_bytes, key version."""
    journal_directory, partition, segment_bytes, key_version = arguments
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(NICENESS)
    remote = RemoteSigner(sys.stdin, sys.stdout)
    versions = [int(key_version)]
    signer = HeadSigner(remote.sign, remote.public_key, versions[0], lambda: versions[0])
    pace = Pace(monotonic_ms, time.sleep)
    try:
        notary = Notary(Path(journal_directory), int(partition), int(segment_bytes), signer, pace.take)
        report(notary)
        for line in iter(sys.stdin.readline, ""):
            _, position, now_ms, key_version = line.split()
            versions[0] = int(key_version)
            notary.follow(int(position), int(now_ms))
            report(notary)
    except NotSignedError:
        return EXIT_NOT_SIGNED
    except (DirectoryError, OSError) as error:
        print(f"cardswitch: journal heads: {error}", file=sys.stderr, flush=True)
        return EXIT_REFUSED if isinstance(error, DirectoryError) else EXIT_DISK
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
