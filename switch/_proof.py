"""Proofs that an entry is in the journal, for people who have only the notary's public key; read from files."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec

from switch._directory import DataDirectory, DirectoryError, open_directory
from switch._entries import cut, entries_in
from switch._heads import Heads
from switch._key_chain import KeyChain
from switch._merkle import MerkleTree
from switch.notary import reader_behind
from switch.protocol.heads import SignedHead
from switch.protocol.messages import Reply
from switch.protocol.receipt_code import format_receipt_code, parse_receipt_code

PROOF_FORMAT = "cardswitch receipt proof 1"
HEAD_FORMAT = "cardswitch signed head 1"


def receipt_code_of(entry: bytes) -> int:
    """The code of an entry's reply; 0 when it has none."""
    return Reply.decode(cut(entry).reply).receipt_code


def prove(path: Path, sequence: int, code: str | None = None) -> dict[str, Any]:
    """Proof of one entry, ready for JSON; of a running switch's directory too.

    `code` is the receipt code as typed; DirectoryError when the entry has another, when no head covers the entry yet,
    or when the journal is no longer what the head has signed. ValueError for a code that cannot be one.
    """
    wanted_code = None if code is None else parse_receipt_code(code)
    directory = open_directory(path)
    if sequence < 1:
        raise DirectoryError(f"entry: expected 1 or more, got {sequence}; it stands on the receipt")
    heads = Heads(directory.journal)
    head = heads.covering(sequence)
    if head is None:
        raise DirectoryError(_not_covered(directory, heads, sequence))
    entry, siblings = _entry_and_path(directory, heads, head, sequence)
    its_code = receipt_code_of(entry)
    if wanted_code is not None and wanted_code != its_code:
        raise DirectoryError(
            f"entry {sequence}: expected receipt code {format_receipt_code(wanted_code)}, got "
            f"{'another one' if its_code else 'an entry without a code'}; compare sequence and code with the receipt"
        )
    return {
        "format": PROOF_FORMAT,
        "sequence": sequence,
        "entry": base64.b64encode(entry).decode(),
        "leaf_index": sequence - head.first_sequence,
        "path": [sibling.hex() for sibling in siblings],
        **_head_facts(head),
        **_key_facts(directory.journal),
    }


def _key_facts(journal: Path) -> dict[str, Any]:
    """Statements by which who holds an older public key follows to the head's."""
    statements = KeyChain(journal).statements()
    return {"key_chain": [msgspec.to_builtins(statement) for statement in statements]} if statements else {}


def show_head(path: Path) -> dict[str, Any]:
    """The newest signed head, ready for JSON: who keeps it can tell later if history was rewritten or cut."""
    journal = open_directory(path).journal
    heads = Heads(journal)
    count = heads.signed_count()
    if count == 0:
        raise DirectoryError(f"{heads.path}: expected a signed head, got none; run the switch with a signing key")
    head = heads.signed(count - 1)
    facts = {"format": HEAD_FORMAT, **_head_facts(head), "last_sequence": head.last_sequence, "time_ms": head.time_ms}
    return facts | _key_facts(journal)


def _head_facts(head: SignedHead) -> dict[str, Any]:
    return {
        "partition": head.partition,
        "head_number": head.head_number,
        "head": head.encode().hex(),
        "key_id": head.key_id.hex(),
        "key_version": head.key_version,
    }


def _not_covered(directory: DataDirectory, heads: Heads, sequence: int) -> str:
    """Why an entry cannot be proved yet, and what to wait for."""
    count = heads.signed_count()
    last = heads.signed(count - 1) if count else None
    signed = "no head is signed" if last is None else f"head {count - 1} covers entries up to {last.last_sequence}"
    settings = directory.settings
    reader = reader_behind(directory.journal, settings.partition, settings.segment_bytes, last)
    is_there = False
    for _ in reader.blocks():
        is_there = reader.next_sequence > sequence
        if is_there:
            break
    if not is_there:
        return (
            f"entry {sequence}: expected it in the journal, got {reader.next_sequence - 1} entries; "
            "compare the sequence with the receipt"
        )
    return (
        f"entry {sequence}: expected a head that covers it, but {signed}; head {count} or a later one will: "
        "a switch with a signing key signs once a second, try again then"
    )


def _entry_and_path(
    directory: DataDirectory, heads: Heads, head: SignedHead, sequence: int
) -> tuple[bytes, list[bytes]]:
    """The entry and its audit path, from everything that the head covers."""
    settings = directory.settings
    before = heads.signed(head.head_number - 1) if head.head_number else None
    reader = reader_behind(directory.journal, settings.partition, settings.segment_bytes, before)
    tree = MerkleTree(sequence - head.first_sequence)
    found = None
    for _, _, body in reader.blocks():
        tree.add_entries(body)
        if found is None and reader.next_sequence > sequence:
            first = reader.next_sequence - sum(1 for _ in entries_in(body))
            found = next(entry for n, (_, entry) in enumerate(entries_in(body), first) if n == sequence)
        if reader.position >= head.end_position:
            break
    if found is None or tree.leaf_count != head.entry_count or tree.root() != head.root:
        raise DirectoryError(
            f"{directory.journal}: expected entries {head.first_sequence} to {head.last_sequence} as head "
            f"{head.head_number} has signed them, got: {reader.fault or 'others'}; restore the segments from a copy"
        )
    return found, tree.path()
