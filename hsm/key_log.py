"""The record of who did what to which key: one JSON line per act, each sealed by a MAC over itself and the one before.

A line is durable before the act it tells of happens; the keyring then keeps the line's number and MAC as the head.
A line whose act a crash prevented is followed by one with the same keyring revision.

`verify` finds every altered, removed, inserted or moved line, and a log that was cut before the head. It cannot find:
that keyring and log were both put back to an earlier day (keep the head of `Keyring.log_head` elsewhere too, and
compare); that a keyring alone was put back by just one act, which looks like a crash; that lines behind the head were
cut (their acts did not happen); anything that the holder of the backend's LOG key forges. Lines hold check values,
never keys.

The LOG key changes in the middle of a log: a line ACTIVATE_LOG, sealed by the old key, names the new one; the first
line under the new key holds the SHA-256 of everything before it. So each key vouches for the other's lines, and the
old key may be destroyed: its lines then rest on the new one's.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hsm._cipher import equal
from hsm._files import FILE_MODE, append_file, cut_file, sync_folder
from hsm.backend import MAC_BYTES, Backend
from hsm.errors import KeyNotFoundError, WrongKeyNameError
from hsm.key_states import KeyAct
from hsm.keyring_errors import LogBrokenError, LogExistsError, LogMissingError, LogTornError, LogTruncatedError
from hsm.people import TwoPeople

LINE_BYTES_MAX = 4096  # two names of 64 characters, escaped, need less than 1 KiB
_DOMAIN = b"key log line\0"
_MAC_FIELD = b',"mac":"'
_MAC_TAIL_BYTES = len(_MAC_FIELD) + 2 * MAC_BYTES + len(b'"}')


class LogLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One act. `revision` is the keyring's after the act.

    `purpose` is empty for acts on a key of the backend (`version` is its version), and on no one key (0).
    """

    sequence: int
    time_ms: int
    author: str
    approver: str
    act: KeyAct
    purpose: str
    version: int
    check_value: str
    kek_version: int
    revision: int
    log_key_version: int
    before_sha256: str = ""
    """In the first line under another LOG key: of the file up to this line."""


class _SealedLine(LogLine, frozen=True, forbid_unknown_fields=True, kw_only=True):
    mac: str


class LogHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which line is the last: its number, 0 for an empty log, and its MAC."""

    sequence: int = 0
    mac: bytes = bytes(MAC_BYTES)


EMPTY = LogHead()


class KeyLog:
    """A log file and the backend whose LOG key seals it. Whoever appends holds the keyring's lock."""

    def __init__(self, path: Path, backend: Backend, log_key_version: int) -> None:
        """`log_key_version`: of the LOG key for new lines; older lines name their own."""
        self.path = path
        self._backend = backend
        self._log_key_version = log_key_version
        self._forget()

    def _forget(self) -> None:
        self._end = EMPTY  # of what was verified so far,
        self._end_offset = 0  # and where that ends in the file
        self._last: LogLine | None = None
        self._unproven = 0  # first line whose key is gone and that no link has vouched for yet; 0: none

    def seal_with(self, log_key_version: int) -> None:
        """New lines are sealed by this LOG key, which an ACTIVATE_LOG has named."""
        self._log_key_version = log_key_version

    @staticmethod
    def create(path: Path) -> None:
        """An empty log. `LogExistsError` rather than write over one."""
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
        except FileExistsError as error:
            raise LogExistsError(
                f"expected no file {path}, got one: a log is never begun anew; delete it only if it is empty, which a "
                f"crash while the keyring was made leaves"
            ) from error
        sync_folder(path.parent)

    def append(self, people: TwoPeople, act: KeyAct, revision: int, **facts: str | int) -> LogHead:
        """Add a line; durable when it returns. Its number and MAC. Errors as `catch_up`."""
        self.catch_up()
        line = LogLine(
            sequence=self._end.sequence + 1,
            time_ms=people.time_ms,
            author=people.author,
            approver=people.approver,
            act=act,
            purpose=str(facts.get("purpose", "")),
            version=int(facts.get("version", 0)),
            check_value=str(facts.get("check_value", "")),
            kek_version=int(facts.get("kek_version", 0)),
            revision=revision,
            log_key_version=self._log_key_version,
            before_sha256=self._sha256() if self._changes_key(self._log_key_version) else "",
        )
        body = msgspec.json.encode(line)
        mac = self._mac(self._log_key_version, self._end.mac, body)
        text = body[:-1] + _MAC_FIELD + mac.hex().encode() + b'"}\n'
        append_file(self.path, text)
        self._end, self._last = LogHead(line.sequence, mac), line
        self._end_offset += len(text)
        return self._end

    def _changes_key(self, version: int) -> bool:
        return self._last is not None and self._last.log_key_version != version

    def _sha256(self) -> str:
        """Of the file up to the end of what was verified."""
        with self.path.open("rb") as file:
            return hashlib.sha256(file.read(self._end_offset)).hexdigest()

    def catch_up(self) -> LogHead:
        """Verify what was added since the last look, by whomever; the last line. Errors as `verify`."""
        for _ in self._lines():
            pass
        return self._end

    def verify(self, head: LogHead) -> list[LogLine]:
        """All lines, if each follows from the one before and the line of `head` is among them.

        `LogBrokenError` names the first line that does not fit, `LogTruncatedError` what is missing at the end,
        `LogTornError` a last line that a crash cut.
        """
        self._forget()
        lines: list[LogLine] = []
        torn: LogTornError | None = None
        try:
            for line in self._lines():
                lines.append(line)
                if line.sequence == head.sequence and not equal(self._end.mac, head.mac):
                    raise broken(head.sequence, self.path)
        except LogTornError as error:
            torn = error
        if len(lines) < head.sequence:
            raise LogTruncatedError(
                f"expected {head.sequence} lines in {self.path}, got {len(lines)}: lines {len(lines) + 1} to "
                f"{head.sequence} were removed; restore the log from a backup"
            )
        if torn:
            raise torn
        return lines

    def cut_torn_line(self) -> int:
        """Remove what a crash left of a last line; how many bytes. 0 if there is none. The caller logs that it did."""
        try:
            self.catch_up()
        except LogTornError:
            size = self.path.stat().st_size
            cut_file(self.path, self._end_offset)
            return size - self._end_offset
        return 0

    def _lines(self) -> Iterator[LogLine]:
        """Lines behind `_end`, each verified and then made the new end."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError as error:
            raise LogMissingError(f"expected a key log {self.path}, got no file: restore it from a backup") from error
        with file:
            if os.fstat(file.fileno()).st_size < self._end_offset:
                raise LogTruncatedError(
                    f"expected {self._end_offset} bytes or more in {self.path}: it was cut just now"
                )
            file.seek(self._end_offset)
            while text := file.readline(LINE_BYTES_MAX + 1):
                sequence = self._end.sequence + 1
                if not text.endswith(b"\n"):
                    if len(text) > LINE_BYTES_MAX:
                        raise broken(sequence, self.path)
                    raise LogTornError(
                        f"expected line {sequence} of {self.path} whole, got {len(text)} bytes of it: "
                        f"a crash cut it, and its act did not happen; repair the log"
                    )
                line, mac = self._open(text[:-1], sequence)
                self._end, self._last = LogHead(sequence, mac), line
                self._end_offset += len(text)
                yield line
        if self._unproven:
            raise broken(self._unproven, self.path)

    def _open(self, text: bytes, sequence: int) -> tuple[LogLine, bytes]:
        try:
            sealed = msgspec.json.decode(text, type=_SealedLine)
            mac = bytes.fromhex(sealed.mac)
        except (msgspec.DecodeError, ValueError) as error:
            raise broken(sequence, self.path) from error
        body = text[:-_MAC_TAIL_BYTES] + b"}"
        genuine = self._genuine(sealed, sequence, mac, body)
        # The bytes, not what they say: two texts may decode to one line.
        if sealed.sequence != sequence or text[-_MAC_TAIL_BYTES:] != _MAC_FIELD + genuine.hex().encode() + b'"}':
            raise broken(sequence, self.path)
        if not self._follows(sealed):
            raise broken(sequence, self.path)
        fields = {name: getattr(sealed, name) for name in LogLine.__struct_fields__}
        return LogLine(**fields), mac

    def _genuine(self, line: LogLine, sequence: int, mac: bytes, body: bytes) -> bytes:
        """The MAC that a line must have; its own, until a link vouches for it, when its LOG key was destroyed."""
        try:
            genuine = self._mac(line.log_key_version, self._end.mac, body)
        except WrongKeyNameError as error:
            raise broken(sequence, self.path) from error
        except KeyNotFoundError:
            self._unproven = self._unproven or sequence
            return mac
        if line.before_sha256 and equal(genuine, mac) and line.before_sha256 == self._sha256():
            self._unproven = 0
        return genuine

    def _follows(self, line: LogLine) -> bool:
        """Whether a line may be sealed by its key: that of the line before, or the one that this has named."""
        if not self._changes_key(line.log_key_version):
            return line.before_sha256 == ""
        before = self._last
        is_named = before is not None and (before.act, before.version) == (KeyAct.ACTIVATE_LOG, line.log_key_version)
        return is_named and line.before_sha256 == self._sha256()

    def _mac(self, log_key_version: int, before: bytes, body: bytes) -> bytes:
        return self._backend.mac(log_key_version, _DOMAIN + before + body)


def broken(sequence: int, path: Path) -> LogBrokenError:
    """The first line that does not follow from the one before it."""
    return LogBrokenError(
        f"expected line {sequence} of {path} to follow from the one before, got another: it or a neighbour was "
        f"altered, removed or inserted; compare with a backup"
    )


def sealing_key(lines: list[LogLine], until_sequence: int) -> int:
    """The LOG key that acts up to a line say is in use; 0 for a log without lines."""
    named = [line for line in lines if line.act is KeyAct.ACTIVATE_LOG and line.sequence <= until_sequence]
    return named[-1].version if named else lines[0].log_key_version if lines else 0
