"""A virtual writer of visual cards (command set VC1), holding a card's face in a text file."""

from __future__ import annotations

from pathlib import Path

from .card_face import FACE_ROWS_MAX
from .columns import ENCODING
from .device_errors import DeviceAnswerError
from .face_writer import ETX, FRAME_BYTES_MAX, STX, frame, open_frame
from .virtual_serial import Fault, VirtualAnswerer


class VirtualFaceWriter(VirtualAnswerer):
    """Erases, prints and shows the face in `face`; `fault` is what the next print does wrong."""

    def __init__(self, face: Path, link: Path | None = None) -> None:
        super().__init__(link)
        self._face = face
        self._kept: dict[int, bytes] = {}
        self._begun = b""
        self.fault: Fault | None = None
        self.has_card = True

    def take(self, data: bytes) -> bytes:
        """Carry out the frames that are whole."""
        self._begun = (self._begun + data)[-FRAME_BYTES_MAX:]
        answers = b""
        while True:
            try:
                found = open_frame(self._begun)
            except DeviceAnswerError:
                found = (b"?", b"")
            if found is None:
                return answers
            self._begun = self._begun[self._begun.find(ETX, self._begun.find(STX)) + 2 :]
            answers += self._carry_out(*found)

    def _carry_out(self, command: bytes, data: bytes) -> bytes:
        if command not in b"SERPV":
            return frame(command, b"3")
        if not self.has_card:
            return frame(command, b"1")
        number = int(data[:2]) if data[:2].isdigit() else -1
        if command in b"RV" and not 0 <= number < FACE_ROWS_MAX:
            return frame(command, b"3")
        if command == b"E":
            self._face.write_text("", "utf-8")
        elif command == b"R":
            self._kept[number] = data[2:]
        elif command == b"P":
            return self._print()
        elif command == b"V":
            rows = self._face.read_text("utf-8").splitlines() if self._face.exists() else []
            return frame(command, b"0" + (rows[number].encode(ENCODING) if number < len(rows) else b""))
        return frame(command, b"0")

    def _print(self) -> bytes:
        fault, self.fault = self.fault, None
        kept, self._kept = self._kept, {}
        rows = [kept.get(number, b"").decode(ENCODING, "replace") for number in range(max(kept, default=-1) + 1)]
        if fault is Fault.SILENT:
            return b""
        if fault is Fault.WRITE_LOST:
            return frame(b"P", b"0")
        if fault is Fault.WRITE_CUT:
            rows = rows[: len(rows) // 2]
        self._face.write_text("".join(f"{row}\n" for row in rows), "utf-8")
        return frame(b"P", b"2" if fault is Fault.WRITE_CUT else b"0")
