"""A virtual writer of visual cards (command set VC1): rows of a face in a text file, its dots in one beside it."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from binascii import Error as Base64Error
from pathlib import Path

from .card_face import FACE_ROWS_MAX, FacePicture
from .columns import ENCODING
from .device_errors import DeviceAnswerError
from .face_drawing import as_pbm, from_pbm
from .face_writer import ETX, FRAME_BYTES_MAX, STX, frame, open_frame
from .virtual_serial import Fault, VirtualAnswerer

SIZE_DIGITS = 5
DOTS_MAX = 4096
"""Of either side: an ID-1 card at 600 dpi has 2,022 by 1,276."""


class VirtualFaceWriter(VirtualAnswerer):
    """Erases, prints and shows the face in `face`; `fault` is what the next print does wrong."""

    def __init__(self, face: Path, link: Path | None = None) -> None:
        super().__init__(link)
        self._face = face
        self._kept: dict[int, bytes] = {}
        self._lines: dict[int, bytes] = {}
        self._size = (0, 0)
        """Dots of the picture that was begun."""
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
        if command not in b"SERPVIDH":
            return frame(command, b"3")
        if not self.has_card:
            return frame(command, b"1")
        number = int(data[:2]) if data[:2].isdigit() else -1
        if command in b"RV" and not 0 <= number < FACE_ROWS_MAX:
            return frame(command, b"3")
        if command in b"ID":
            return frame(command, b"0" if self._keep_dots(command, data) else b"3")
        if command == b"H":
            shown = from_pbm(self._picture.read_bytes()).data if self._picture.exists() else b""
            return frame(command, b"0" + hashlib.sha256(shown).hexdigest().encode("ascii"))
        if command == b"E":
            self._face.write_text("", "utf-8")
            self._picture.unlink(missing_ok=True)
        elif command == b"R":
            self._kept[number] = data[2:]
        elif command == b"P":
            return self._print()
        elif command == b"V":
            rows = self._face.read_text("utf-8").splitlines() if self._face.exists() else []
            return frame(command, b"0" + (rows[number].encode(ENCODING) if number < len(rows) else b""))
        return frame(command, b"0")

    @property
    def _picture(self) -> Path:
        """Where the dots are: a portable bitmap beside the rows."""
        return self._face.with_suffix(".pbm")

    def _keep_dots(self, command: bytes, data: bytes) -> bool:
        """Begin a picture, or keep one of its lines; whether the frame was understood."""
        if command == b"I":
            if len(data) != SIZE_DIGITS * 2 or not data.isdigit():
                return False
            self._size, self._lines = (int(data[:SIZE_DIGITS]), int(data[SIZE_DIGITS:])), {}
            return all(0 < side <= DOTS_MAX for side in self._size)
        number = int(data[:SIZE_DIGITS]) if data[:SIZE_DIGITS].isdigit() else -1
        try:
            line = b64decode(data[SIZE_DIGITS:], validate=True)
        except Base64Error:
            return False
        width, height = self._size
        if not 0 <= number < height or len(line) != -(-width // 8):
            return False
        self._lines[number] = line
        return True

    def _print_dots(self, fault: Fault | None) -> bytes:
        (width, height), lines = self._size, self._lines
        self._size, self._lines = (0, 0), {}
        blank = bytes(-(-width // 8))
        last = height // 2 if fault is Fault.WRITE_CUT else height
        data = b"".join(lines.get(number, blank) if number < last else blank for number in range(height))
        self._picture.write_bytes(as_pbm(FacePicture(width, height, data)))
        return frame(b"P", b"2" if fault is Fault.WRITE_CUT else b"0")

    def _print(self) -> bytes:
        fault, self.fault = self.fault, None
        if self._size != (0, 0) and fault not in (Fault.SILENT, Fault.WRITE_LOST):
            return self._print_dots(fault)
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
