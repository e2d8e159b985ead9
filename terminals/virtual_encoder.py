"""A virtual stripe encoder of the MSR605 command set, holding a stripe in a file.

The card lies in the slot: every command that needs a swipe has it at once,
unless the encoder holds no card. The file has one line for each of the three
tracks, empty for an empty track.
"""

from __future__ import annotations

import re
from pathlib import Path

from .stripe_encoder import ESC, FS
from .virtual_serial import Fault, VirtualAnswerer

MODEL = b"3"
"""What an MSR605 calls itself."""
TRACK_COUNT = 3
COMMAND_BYTES_MAX = 512
"""Three tracks and their separators are under 240 bytes; a longer command is garbage and is dropped."""

_READ_FAULTS = (Fault.SILENT, Fault.PARTIAL, Fault.GARBAGE)
_WRITE_FAULTS = (Fault.SILENT, Fault.WRITE_CUT, Fault.WRITE_LOST, Fault.UNPLUGGED)

_COMMAND = re.compile(
    rb"\x1b(?:(?P<simple>[aetxyr])|c(?P<erase>.)|w\x1bs\x1b\x01(?P<one>.*?)\x1b\x02(?P<two>.*?)"
    rb"\x1b\x03(?P<three>.*?)\?\x1c|(?P<unknown>[^aetxyrcw\x01-\x03s]))",
    re.DOTALL,
)


def read_stripe(path: Path) -> list[str]:
    """Three tracks of a stripe file, without sentinels; a missing file is an empty stripe."""
    lines = path.read_text("ascii").splitlines() if path.exists() else []
    return (lines + [""] * TRACK_COUNT)[:TRACK_COUNT]


def write_stripe(path: Path, tracks: list[str]) -> None:
    """Keep three tracks, without sentinels."""
    path.write_text("".join(f"{track}\n" for track in tracks), "ascii")


class VirtualEncoder(VirtualAnswerer):
    """Reads, writes and erases the stripe in `stripe`; `fault` is what the next write or read does wrong."""

    def __init__(self, stripe: Path, link: Path | None = None) -> None:
        super().__init__(link)
        self._stripe = stripe
        self.fault: Fault | None = None
        self.has_card = True
        self._begun = b""

    def take(self, data: bytes) -> bytes:
        """Carry out what the host sent so far."""
        self._begun += data
        answers = b""
        while found := _COMMAND.search(self._begun):
            self._begun = self._begun[found.end() :]
            answers += self._carry_out(found)
        if len(self._begun) > COMMAND_BYTES_MAX:
            self._begun = b""
        return answers

    def _carry_out(self, command: re.Match[bytes]) -> bytes:
        simple = command["simple"]
        if simple == b"a":
            return b""
        if simple == b"e":
            return ESC + b"y"
        if simple == b"t":
            return ESC + MODEL + b"S"
        if simple in (b"x", b"y"):
            return ESC + b"0"
        if command["unknown"] is not None:
            return ESC + b"4"
        if not self.has_card:
            return b""
        fault = self._fault_of(_READ_FAULTS if simple == b"r" else _WRITE_FAULTS)
        if fault is Fault.SILENT:
            return b""
        if simple == b"r":
            return self._read(fault)
        tracks = read_stripe(self._stripe)
        if command["erase"] is not None:
            bits = command["erase"][0] or 1
            write_stripe(self._stripe, ["" if bits >> place & 1 else track for place, track in enumerate(tracks)])
            return ESC + b"0"
        if command["one"] is None:
            return ESC + b"2"
        return self._write(tracks, [command[name].decode("ascii") for name in ("one", "two", "three")], fault)

    def _fault_of(self, kinds: tuple[Fault, ...]) -> Fault | None:
        if self.fault not in kinds:
            return None  # it waits for a command that can fail in this way
        fault, self.fault = self.fault, None
        return fault

    def _read(self, fault: Fault | None) -> bytes:
        tracks = read_stripe(self._stripe)
        if fault is Fault.GARBAGE or not any(tracks):
            unread = b"".join(ESC + bytes([number]) + ESC + b"*" for number in range(1, TRACK_COUNT + 1))
            return ESC + b"s" + unread + b"?" + FS + ESC + b"1"
        block = ESC + b"s"
        for number, (track, start) in enumerate(zip(tracks, "%;;", strict=True), 1):
            block += ESC + bytes([number]) + (f"{start}{track}?".encode("ascii") if track else ESC + b"+")
        answer = block + b"?" + FS + ESC + b"0"
        return answer[: len(answer) // 2] if fault is Fault.PARTIAL else answer

    def _write(self, tracks: list[str], wanted: list[str], fault: Fault | None) -> bytes:
        if fault is Fault.WRITE_LOST:
            return ESC + b"0"
        if fault is Fault.WRITE_CUT:
            wanted = [track[: len(track) // 2] for track in wanted]
        write_stripe(self._stripe, [new or old for new, old in zip(wanted, tracks, strict=True)])
        if fault is Fault.WRITE_CUT:
            return ESC + b"9"
        if fault is Fault.UNPLUGGED:
            self.port.unplug()
        return ESC + b"0"
