"""What a till must not forget of its sales: a small log in a file, synced at each step of a sale.

The trace file (`trace_file.py`) knows what was sent; this one knows what the customer was told. A sale counts as
done from the moment its answer is in here: before that it is undone after a crash, afterwards its receipt is printed.

| last step found | what is known                                | what `Pos.recover` does                   |
|-----------------|----------------------------------------------|-------------------------------------------|
| BEGUN           | perhaps sent; nobody was told                | undoes it, with the help of the trace     |
| DECIDED         | approved; nothing of the receipt is on paper | prints the receipt                        |
| PRINTING        | approved; part of it may be on paper         | prints it again, marked as a copy         |
| DONE, UNDONE    | it has its end                               | nothing                                   |
| STUCK           | the switch cannot say any more               | nothing: a person compares the journals   |

Lines `<crc32> <json>`, each a whole sale; the last one of a sale holds. The file holds card numbers, so it has mode
0600. A last line that is torn was never acted on and is cut; any other wrong line refuses the file.
"""

from __future__ import annotations

import enum
import os
import zlib
from pathlib import Path

import msgspec

from hsm._files import sync_folder
from switch.protocol.messages import DebitRequest, Reply

from ._files import take_lock
from .errors import TerminalError

ENDED_KEPT = 200
"""Sales with an end that are kept for voids and copies: more than a till makes between two looks at its roll."""
COMPACT_BYTES = 1 << 20
"""The log is rewritten when it has grown by this much: some thousand steps."""


class SaleJournalError(TerminalError):
    """A sale journal that cannot be trusted or written; nothing may be sold before it is repaired."""


class SaleStep(enum.StrEnum):
    """How far a sale is."""

    BEGUN = "begun"
    DECIDED = "decided"
    PRINTING = "printing"
    DONE = "done"
    UNDONE = "undone"
    STUCK = "stuck"


NEXT_STEPS: dict[SaleStep, frozenset[SaleStep]] = {
    SaleStep.BEGUN: frozenset({SaleStep.DECIDED, SaleStep.UNDONE, SaleStep.STUCK}),
    SaleStep.DECIDED: frozenset({SaleStep.PRINTING, SaleStep.DONE, SaleStep.UNDONE}),
    SaleStep.PRINTING: frozenset({SaleStep.DECIDED, SaleStep.DONE, SaleStep.UNDONE}),
    SaleStep.DONE: frozenset({SaleStep.PRINTING, SaleStep.UNDONE}),
    SaleStep.UNDONE: frozenset(),
    SaleStep.STUCK: frozenset({SaleStep.UNDONE}),
}
"""What may follow; from DONE a copy or a void. A refused attempt has its end; the next one is a sale of its own."""
ENDED = frozenset({SaleStep.DONE, SaleStep.UNDONE, SaleStep.STUCK})


class SaleRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One sale, as far as it is."""

    number: int
    """Of this till's sales, from 1."""
    step: SaleStep
    request: bytes
    """`DebitRequest`, with neither PIN nor evidence; its stamp finds the request in the trace."""
    names: tuple[str, ...] = ()
    medium: int = 0
    """MediumKind of what was read."""
    trace_number: int = 0
    business_date: int = 0
    reply: bytes = b""
    """`Reply` of an approved debit."""
    copy_number: int = 0
    """Of the next print; 0 is the receipt itself."""

    def __repr__(self) -> str:
        return f"SaleRecord(number={self.number}, step={self.step}, trace_number={self.trace_number})"

    @property
    def debit(self) -> DebitRequest:
        """What was asked."""
        return DebitRequest.decode(self.request)

    @property
    def answer(self) -> Reply:
        """What was answered, of a sale that was approved."""
        return Reply.decode(self.reply)

    def to(self, step: SaleStep, **changes: object) -> SaleRecord:
        """The sale one step on; `ValueError` for a step that cannot follow."""
        if step not in NEXT_STEPS[self.step]:
            names = ", ".join(sorted(NEXT_STEPS[self.step]))
            raise ValueError(f"sale {self.number}: expected {names} after {self.step}, got {step}")
        return msgspec.structs.replace(self, step=step, **changes)


class SaleJournal:
    """The log of one till; `SaleJournalError` when it is damaged or in use by another process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sales: dict[int, SaleRecord] = {}
        self._descriptor = -1
        self._appended_bytes = 0
        self._lock = take_lock(path, SaleJournalError)
        try:
            if path.exists():
                self._load()
            self._rewrite()
        except BaseException:
            self.shut()
            raise

    def shut(self) -> None:
        """Close the file and let another process have it."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1

    @property
    def next_number(self) -> int:
        """Number of the next sale."""
        return max(self._sales, default=0) + 1

    @property
    def last_stamp_ms(self) -> int:
        """Stamp of the latest attempt; the next one is higher, so that a stamp names one attempt."""
        return max((sale.debit.stamp_ms for sale in self._sales.values()), default=0)

    def sale(self, number: int) -> SaleRecord:
        """One sale; `SaleJournalError` when it is not kept."""
        try:
            return self._sales[number]
        except KeyError:
            raise SaleJournalError(
                f"sale {number}: expected one that is kept here, got none; see its receipt"
            ) from None

    def open_sales(self) -> list[SaleRecord]:
        """Sales without an end, oldest first."""
        return [sale for _, sale in sorted(self._sales.items()) if sale.step not in ENDED]

    def put(self, sale: SaleRecord) -> SaleRecord:
        """Remember a sale at its step; durable when this returns."""
        line = _line(sale)
        if self._descriptor < 0:
            raise SaleJournalError(f"{self._path}: expected an open sale journal, got a closed one; open it again")
        if self._appended_bytes > COMPACT_BYTES:
            self._rewrite()
        try:
            if os.write(self._descriptor, line) != len(line):  # disk
                raise OSError(0, "only a part was written")
            os.fsync(self._descriptor)  # disk
        except OSError as error:
            self.shut()  # a half line may be at the end: it is cut at the next start
            raise SaleJournalError(
                f"{self._path}: expected to store a sale, got {error.strerror}; make room and start the till again"
            ) from error
        self._appended_bytes += len(line)
        self._sales[sale.number] = sale
        return sale

    # ------------------------------------------------------------------- inside

    def _load(self) -> None:
        content = self._path.read_bytes()  # disk
        *lines, torn = content.split(b"\n")
        for place, line in enumerate(lines, 1):
            sale = _parse(line)
            if sale is None:
                if place == len(lines) and not torn:
                    return  # cut in the middle of a sector: its sync never returned
                raise SaleJournalError(
                    f"{self._path}, line {place}: expected a sale, got something else; restore the file from a copy,"
                    " or compare the till's day with the switch's and begin a new one"
                )
            self._sales[sale.number] = sale

    def _rewrite(self) -> None:
        ended = [number for number, sale in sorted(self._sales.items()) if sale.step in ENDED]
        for number in ended[:-ENDED_KEPT]:
            del self._sales[number]
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)  # disk
            content = b"".join(_line(sale) for _, sale in sorted(self._sales.items()))
            if os.write(descriptor, content) != len(content):
                raise OSError(0, "only a part was written")
            os.fsync(descriptor)  # disk
            os.replace(temporary, self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise SaleJournalError(f"{self._path}: expected to store, got {error.strerror}; make room") from error
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._appended_bytes = descriptor, 0


def _line(sale: SaleRecord) -> bytes:
    text = msgspec.json.encode(sale)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parse(line: bytes) -> SaleRecord | None:
    checksum, _, text = line.partition(b" ")
    try:
        if len(checksum) != 8 or int(checksum, 16) != zlib.crc32(text):
            return None
        return msgspec.json.decode(text, type=SaleRecord)
    except (ValueError, msgspec.DecodeError):
        return None
