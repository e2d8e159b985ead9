#!/usr/bin/env python3
"""Checks receipts, and whole journals, of a card switch with the notary's public key alone.

    verify_receipt.py proof.json --public-key notary.pem [--code ABCD1234]
    verify_receipt.py --journal DIR --public-key notary.pem [--known-head kept.json] [--every-checksum]

A notary that goes over to another key has the old key sign the new one: such statements (in the proof, or in the file
`heads.keys` beside the heads) are followed from the keys given, and named. `--no-key-chain` trusts the keys given only.

This file stands alone: Python 3.11 or later and the package `cryptography`, nothing of the switch itself.  Read it.
Layouts and what they mean: docs/protocol.md and docs/proofs.md of the switch.  All numbers are little-endian.

A journal is a row of blocks in segment files; each block names the SHA-256 of the one before.  Entries fill blocks.
The file `heads` beside the segments has signed heads: each covers a stretch of entries by the root of their hash tree
(RFC 6962) and by the hash of the stretch's last block, names the head before, and is signed with Ed25519.

Exit status: 0 all that was checked is right; 1 something is wrong, it is named; 2 the check could not be made.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

# Layouts, as the switch writes them. A test of the switch compares them with its own declarations.
BLOCK = struct.Struct("<IHHIIQQIIq32s32sI12s")
BLOCK_MAGIC = int.from_bytes(b"CSWB", "little")
BLOCK_HASHED_BYTES, BLOCK_CHECKED_BYTES = 80, 112
ENTRY = struct.Struct("<IIQqIIBBHHHII")
ENTRY_VERSION = 2
HEAD = struct.Struct("<IHHIIQQQQQQq8s32s32s32s12sI64s")
HEAD_MAGIC = int.from_bytes(b"CSWH", "little")
HEAD_CHECKED_BYTES, HEAD_SIGNED_BYTES = 188, 192
HEAD_DOMAIN = b"cardswitch:journal-head:1\0"
HEAD_ENTRIES_MAX = 1 << 20
CHAIN_DOMAIN = b"cardswitch:journal-key:1\0"
CHAIN = struct.Struct("<IIq32s32s")  # old version, new version, time in ms, old key, new key
PROOF_FORMAT = "cardswitch receipt proof 1"
CARD_AT = 16  # in the body of a request that has a card
REPLY_CODE_AT, REPLY_TRACE_AT, REPLY_AMOUNT_AT, REPLY_SEQUENCE_AT = 0, 4, 16, 48
RECEIPT_CODE_AT = 96  # u64 in the reply
APPROVED, PARTIAL = 0, 10
# Requests by their type: name, whether it has a card, where its amount is.
REQUESTS: dict[int, tuple[str, bool, int | None]] = {
    0x10: ("DEBIT", True, 24),
    0x11: ("REVERSAL", True, 24),
    0x13: ("CREDIT", True, 24),
    0x14: ("HOLD", True, 24),
    0x15: ("CAPTURE", True, 24),
    0x16: ("RELEASE", True, None),
    0x17: ("REFUND", True, 24),
    0x1B: ("TRANSFER", True, 24),
    0x1C: ("REDEEM", True, None),
    0x1D: ("CONVERT", True, 24),
    0x1E: ("ADJUST_POINTS", True, None),
    0x1F: ("TRANSFER_POINTS", True, None),
    0x20: ("DAY_TOTALS", False, None),
    0x23: ("BACKFILL", True, 24),
    0x24: ("LOAD_VISITS", True, None),
    0x26: ("CONFIRM_WRITE", True, None),
    0x40: ("PUT_CARD_TYPE", False, None),
    0x41: ("PUT_STORE", False, None),
    0x42: ("PUT_TERMINAL", False, None),
    0x43: ("OPEN_CARD", True, None),
    0x44: ("OPERATE_CARD", True, 32),
    0x45: ("SET_PIN", True, None),
    0x46: ("SET_CARD", True, None),
    0x47: ("SET_TYPE_STATE", False, None),
    0x48: ("PUT_ORGANISATION", False, None),
    0x49: ("PUT_POINTS_CATEGORY", False, None),
    0x4A: ("PUT_GIFT", False, None),
    0x4B: ("PUT_RULE", False, None),
    0x4C: ("ACTIVATE_RULES", False, None),
    0x4D: ("PUT_PRICE", False, None),
    0x4E: ("PUT_ALLOWED", False, None),
    0x4F: ("PUT_SWITCH", False, None),
    0x50: ("CUT_OVER", False, None),
    0x51: ("PUT_MEDIUM", True, None),
    0x52: ("PUT_MEDIUM_POLICY", False, None),
    0x53: ("PUT_KEY", False, None),
    0x54: ("PUT_TRAVEL", False, None),
    0x55: ("HANDLE_ALARM", False, None),
    0x56: ("REWRAP_KEY", False, None),
    0x57: ("CHANGE_KEY", False, None),
}
INPUT_BYTES_MAX = 16 << 20  # a proof has one entry; a longer file is not one
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class WrongError(Exception):
    """What was checked is not right."""


class InputError(Exception):
    """The check could not be made."""


# ------------------------------------------------------------------------------------------------- hashes and codes


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), as in RFC 3720."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962, section 2.1."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962, section 2.1."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """Hash tree that grows by leaves; keeps the roots of its whole subtrees."""

    def __init__(self) -> None:
        self.count, self._roots = 0, list[bytes]()

    def add(self, leaf: bytes) -> None:
        """One more leaf."""
        carried, ones = leaf_hash(leaf), self.count
        while ones & 1:
            carried, ones = node_hash(self._roots.pop(), carried), ones >> 1
        self._roots.append(carried)
        self.count += 1

    def root(self) -> bytes:
        """Of all leaves so far, at least one."""
        carried = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            carried = node_hash(left, carried)
        return carried


def root_by_path(leaf: bytes, index: int, count: int, path: list[bytes]) -> bytes | None:
    """Root to which an audit path leads from a leaf (RFC 9162, section 2.1.3.2); None for a path of wrong length."""
    carried, last = leaf_hash(leaf), count - 1
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            carried = node_hash(sibling, carried)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            carried = node_hash(carried, sibling)
        index, last = index >> 1, last >> 1
    return carried if last == 0 else None


def code_text(code: int) -> str:
    """A receipt code as it is printed: 40 bits, 8 characters."""
    return "".join(CROCKFORD[code >> shift & 31] for shift in range(35, -1, -5))


def code_of(text: str) -> str:
    """A receipt code as it was typed, in the letters that are printed."""
    typed = text.upper().translate(str.maketrans("OIL", "011", "- "))
    if len(typed) != 8 or any(character not in CROCKFORD for character in typed):
        raise InputError(f"--code: expected 8 digits and letters (no U), got {text!r}; type it again")
    return typed


# ------------------------------------------------------------------------------------------------- keys and heads


def read_key(path: Path) -> tuple[bytes, Ed25519PublicKey]:
    """A public key (PEM, 64 hexadecimal digits, or 32 bytes) and its name: the first 8 bytes of its SHA-256."""
    try:
        content = path.read_bytes()
        if b"-----BEGIN" in content:
            key = load_pem_public_key(content)
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("another kind of key")
        elif len(content) == 32:
            key = Ed25519PublicKey.from_public_bytes(content)
        else:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(content.decode("ascii").strip()))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path}: expected an Ed25519 public key (PEM, or 64 hexadecimal digits): {error}") from error
    return hashlib.sha256(key.public_bytes_raw()).digest()[:8], key


def follow_chain(statements: list[Any], keys: dict[bytes, Ed25519PublicKey]) -> Iterator[str]:
    """Add every key that a key already trusted has handed over to; says of each what was followed."""
    for statement in statements:
        try:
            old, new = bytes.fromhex(statement["old_key"]), bytes.fromhex(statement["new_key"])
            versions = int(statement["old_version"]), int(statement["new_version"])
            time_ms = int(statement["time_ms"])
            message = CHAIN_DOMAIN + CHAIN.pack(*versions, time_ms, old, new)
            signatures = bytes.fromhex(statement["by_old"]), bytes.fromhex(statement["by_new"])
            by_id = {hashlib.sha256(raw).digest()[:8]: Ed25519PublicKey.from_public_bytes(raw) for raw in (old, new)}
        except (KeyError, TypeError, ValueError, struct.error) as error:
            raise WrongError(f"change of keys: a statement is not of the form that it should be: {error!r}") from error
        (old_id, old_key), (new_id, new_key) = next(iter(by_id.items())), list(by_id.items())[-1]
        if old_id not in keys:
            continue  # not from a key that is trusted: it proves nothing here
        try:
            old_key.verify(signatures[0], message)
            new_key.verify(signatures[1], message)
        except InvalidSignature:
            raise WrongError(
                f"change of keys: key {old_id.hex()} has not signed that key {new_id.hex()} follows"
            ) from None
        if new_id not in keys:
            keys[new_id] = new_key
            yield (
                f"key {old_id.hex()} (version {versions[0]}) has handed over to key {new_id.hex()} "
                f"(version {versions[1]}), {clock(time_ms)}"
            )


def chain_of_journal(folder: Path) -> list[Any]:
    """Statements of the file `heads.keys`; none without it."""
    path = folder / "heads.keys"
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    except ValueError as error:
        raise WrongError(f"{path}: expected a line of JSON for each change of keys: {error}") from error


@dataclass(frozen=True)
class Head:
    """A head whose form is right."""

    raw: bytes
    partition: int
    key_version: int
    number: int
    first_sequence: int
    last_sequence: int
    block_number: int
    end_position: int
    time_ms: int
    key_id: bytes
    block_hash: bytes
    root: bytes
    previous_hash: bytes

    @property
    def count(self) -> int:
        """Entries covered."""
        return self.last_sequence - self.first_sequence + 1


def check_head(raw: bytes, keys: dict[bytes, Ed25519PublicKey], name: str) -> Head:
    """A head that is whole and signed by one of the keys."""
    if len(raw) != HEAD.size:
        raise WrongError(f"{name}: expected {HEAD.size} bytes, got {len(raw)}")
    magic, version, size, partition, key_version, number, first, last, block, _, end, time_ms, *rest = HEAD.unpack(raw)
    key_id, block_hash, root, previous, reserved, checksum, signature = rest
    if (magic, version, size) != (HEAD_MAGIC, 1, HEAD.size) or any(reserved):
        raise WrongError(f"{name}: it is not a signed head of version 1")
    if checksum != crc32c(raw[:HEAD_CHECKED_BYTES]):
        raise WrongError(f"{name}: its checksum does not match: it was changed or damaged")
    if not any(signature):
        raise WrongError(f"{name}: it is not signed")
    if key_id not in keys:
        raise WrongError(
            f"{name}: it names key {key_id.hex()} (version {key_version}); the keys given are "
            + ", ".join(known.hex() for known in keys)
        )
    try:
        keys[key_id].verify(signature, HEAD_DOMAIN + raw[:HEAD_SIGNED_BYTES])
    except InvalidSignature:
        raise WrongError(f"{name}: its signature does not match: it was changed, or another key signed it") from None
    head = Head(
        raw, partition, key_version, number, first, last, block, end, time_ms, key_id, block_hash, root, previous
    )
    if not 1 <= head.count <= HEAD_ENTRIES_MAX:
        raise WrongError(f"{name}: it covers {head.count} entries, which no head does")
    return head


# ------------------------------------------------------------------------------------------------- one receipt


def clock(time_ms: int) -> str:
    """Milliseconds since 1970 as text."""
    whole, part = divmod(time_ms, 1000)
    try:
        return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%d %H:%M:%S}.{part:03} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms since 1970"


def masked(card: int) -> str:
    """First six and last four digits; short numbers are hidden whole."""
    digits = str(card)
    return digits[:6] + "*" * (len(digits) - 10) + digits[-4:] if len(digits) > 12 else "*" * len(digits)


@dataclass(frozen=True)
class Entry:
    """What an entry says."""

    sequence: int
    time_ms: int
    terminal: int
    request_type: int
    request: bytes
    reply: bytes

    def number(self, body: bytes, at: int | None, form: str) -> int | None:
        """A number in a body; None where there is none."""
        if at is None or at + struct.calcsize(form) > len(body):
            return None
        return int(struct.unpack_from(form, body, at)[0])

    @property
    def code(self) -> str | None:
        """Its receipt code as text; None when it has none."""
        code = self.number(self.reply, RECEIPT_CODE_AT, "<Q")
        return code_text(code) if code else None

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and values for people."""
        name, has_card, amount_at = REQUESTS.get(self.request_type, (f"type {self.request_type}", False, None))
        amount = self.number(self.request, amount_at, "<q")
        verdict = self.number(self.reply, REPLY_CODE_AT, "<H")
        yield "entry", f"{self.sequence}"
        yield "time", clock(self.time_ms)
        yield "terminal", f"{self.terminal}, trace number {self.number(self.reply, REPLY_TRACE_AT, '<I')}"
        yield "request", name.lower().replace("_", " ")
        if has_card:
            yield "card", masked(self.number(self.request, CARD_AT, "<Q") or 0)
        yield "decision", {APPROVED: "approved", PARTIAL: "approved for a part"}.get(verdict or 0, f"code {verdict}")
        if amount is not None:
            yield "amount asked", f"{amount} minor units"
        yield "amount done", f"{self.number(self.reply, REPLY_AMOUNT_AT, '<q')} minor units"
        yield "receipt code", self.code or "none"


def read_entry(raw: bytes, name: str, *, checksum: bool = True) -> Entry:
    """An entry whose form, and checksum unless that is left out, is right."""
    if len(raw) < ENTRY.size:
        raise WrongError(f"{name}: it is shorter than an entry")
    size, crc, sequence, time_ms, terminal, _, type_, version, _, request_bytes, reply_bytes, _, _ = ENTRY.unpack_from(
        raw
    )
    reply_at = ENTRY.size + -(-request_bytes // 8) * 8
    if size != len(raw) or size % 8 or version != ENTRY_VERSION or reply_at + reply_bytes > size:
        raise WrongError(f"{name}: its lengths or its version do not fit")
    if checksum and crc != crc32c(raw[8:]):
        raise WrongError(f"{name}: its checksum does not match: it was changed or damaged")
    request = raw[ENTRY.size : ENTRY.size + request_bytes]
    return Entry(sequence, time_ms, terminal, type_, request, raw[reply_at : reply_at + reply_bytes])


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(INPUT_BYTES_MAX))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a JSON file: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object")
    return content


def check_proof(proof: dict[str, Any], keys: dict[bytes, Ed25519PublicKey], code: str | None) -> list[tuple[str, str]]:
    """What a proof proves, for people; `WrongError` names what does not match."""
    try:
        if proof["format"] != PROOF_FORMAT:
            raise InputError(f"proof: expected format {PROOF_FORMAT!r}, got {proof['format']!r}")
        raw = base64.b64decode(proof["entry"], validate=True)
        path = [bytes.fromhex(step) for step in proof["path"]]
        head_raw, index = bytes.fromhex(proof["head"]), int(proof["leaf_index"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise InputError(
            f"proof: expected format, entry, leaf_index, path and head as proofs have them: {error!r}"
        ) from error
    head = check_head(head_raw, keys, "head")
    entry = read_entry(raw, "entry")
    if entry.sequence != head.first_sequence + index or not 0 <= index < head.count:
        raise WrongError(
            f"entry: its number {entry.sequence} is not that of leaf {index} of head {head.number}, "
            f"which covers entries {head.first_sequence} to {head.last_sequence}"
        )
    if root_by_path(raw, index, head.count, path) != head.root:
        raise WrongError("path: it does not lead from this entry to the root that the head has signed")
    if entry.number(entry.reply, REPLY_SEQUENCE_AT, "<Q") not in (0, entry.sequence, None):
        raise WrongError("entry: its reply names another entry")
    if code is not None and code_of(code) != entry.code:
        raise WrongError(f"receipt code: the paper says {code_of(code)}, the entry says {entry.code or 'none'}")
    facts = list(entry.facts())
    facts.append(("head", f"{head.number} of partition {head.partition}, {clock(head.time_ms)}"))
    facts.append(("covers", f"entries {head.first_sequence} to {head.last_sequence}"))
    facts.append(("key", f"{head.key_id.hex()}, version {head.key_version}"))
    return facts


# ------------------------------------------------------------------------------------------------- a whole journal


@dataclass(frozen=True)
class Block:
    """A block whose header and hash are right, and where it lies."""

    number: int
    hash: bytes
    place: str
    end_position: int
    body: bytes


class JournalCheck:
    """Reads a journal from its first block on; `run` says the first thing that is wrong."""

    def __init__(
        self, folder: Path, keys: dict[bytes, Ed25519PublicKey], known: list[Head], every_checksum: bool
    ) -> None:
        self.folder, self.keys, self.known = folder, keys, {head.number: head for head in known}
        self.every_checksum = every_checksum
        self.segments = sorted(path for path in folder.glob("*.segment") if re.fullmatch(r"\d{12}", path.stem))
        if not self.segments:
            raise InputError(f"{folder}: expected segment files (000000000000.segment ...), got none")
        self.segment_bytes = self.segments[0].stat().st_size
        self.block_count = self.entry_count = self.head_count = 0
        self.signed_sequence, self.signed_place = 0, f"{self.segments[0].name} offset 0"
        self.last_head: Head | None = None
        self.wanted: Head | None = None  # the next one that a block must fit
        self.notes: list[str] = []

    def run(self) -> None:
        """Check everything; afterwards the counts and `notes` say what was seen."""
        heads, tree = self._heads(), Tree()
        self.wanted = wanted = next(heads, None)
        for block in self._blocks():
            self._take_entries(block, tree)
            self.block_count += 1
            if wanted is None or block.number < wanted.block_number:
                continue
            self._compare(wanted, block, tree)
            self.last_head, self.head_count = wanted, self.head_count + 1
            self.signed_sequence, self.signed_place = wanted.last_sequence, f"behind {block.place}"
            self.wanted, tree = next(heads, None), Tree()
            wanted = self.wanted
        if wanted is not None:
            raise WrongError(
                f"the journal ends with entry {self.entry_count}, but head {wanted.number} has signed entries up to "
                f"{wanted.last_sequence}: its end was removed"
            )
        beyond = [number for number in self.known if number >= self.head_count]
        if beyond:
            raise WrongError(
                f"heads: there are {self.head_count}, but you hold head {max(beyond)}: the end was removed"
            )
        if self.last_head is None:
            raise WrongError("heads: there is none, so nothing here is signed")
        if self.entry_count > self.signed_sequence:
            self.notes.append(
                f"{self.entry_count - self.signed_sequence} entries behind the last head are not signed yet"
            )

    def _heads(self) -> Iterator[Head]:
        path, previous = self.folder / "heads", None
        if not path.exists():
            return
        with path.open("rb") as file:
            size = path.stat().st_size
            for number in range(-(-size // HEAD.size)):
                raw = file.read(HEAD.size)
                if (number + 1) * HEAD.size >= size and not any(raw[HEAD_SIGNED_BYTES:]):
                    self.notes.append(f"head {number} is being written and not signed yet")
                    return
                head = check_head(raw, self.keys, f"head {number}")
                if number in self.known and self.known[number].raw[:HEAD_SIGNED_BYTES] != raw[:HEAD_SIGNED_BYTES]:
                    raise WrongError(f"head {number} is another one than the one that you hold: history was rewritten")
                if head.number != number:
                    raise WrongError(f"head {number}: head {head.number} stands in its place")
                expected = bytes(32) if previous is None else hashlib.sha256(previous.raw[:HEAD_SIGNED_BYTES]).digest()
                if head.previous_hash != expected:
                    raise WrongError(f"head {number}: it names another head before it: heads were removed or replaced")
                if previous is not None and (head.time_ms < previous.time_ms or head.partition != previous.partition):
                    raise WrongError(f"head {number}: it is older than the head before, or of another partition")
                if head.first_sequence != (1 if previous is None else previous.last_sequence + 1):
                    raise WrongError(f"head {number}: it does not begin behind the head before")
                previous = head
                yield head

    def _compare(self, head: Head, block: Block, tree: Tree) -> None:
        name = f"head {head.number}"
        if (head.block_number, head.last_sequence) != (block.number, self.entry_count):
            raise WrongError(
                f"{name}: it ends with block {head.block_number} and entry {head.last_sequence}, "
                f"but {block.place} is block {block.number} and ends with entry {self.entry_count}"
            )
        if head.root != tree.root():
            raise WrongError(
                f"{name}: the entries {head.first_sequence} to {head.last_sequence} are not those that it has signed"
            )
        if head.block_hash != block.hash or head.end_position != block.end_position:
            raise WrongError(f"{name}: {block.place} is not the block that it has signed")

    def _take_entries(self, block: Block, tree: Tree) -> None:
        at = 0
        while at < len(block.body):
            name = f"{block.place}, entry {self.entry_count + 1}"
            size = int.from_bytes(block.body[at : at + 4], "little")
            raw = block.body[at : at + max(size, ENTRY.size)]
            if read_entry(raw, name, checksum=self.every_checksum).sequence != self.entry_count + 1:
                raise WrongError(f"{name}: another number stands in its place")
            tree.add(raw)
            self.entry_count += 1
            at += size

    def _blocks(self) -> Iterator[Block]:
        """Every block in order. A fault in a last block that no head covers is a note: a write may have been cut."""
        number, partition, previous_hash = 0, None, bytes(32)
        for segment_number, path in enumerate(self.segments):
            if int(path.stem) != segment_number:
                raise WrongError(f"{segment_number:012d}.segment: it is missing")
            content, at = path.read_bytes(), 0
            if len(content) != self.segment_bytes:
                raise WrongError(f"{path.name}: expected {self.segment_bytes} bytes, got {len(content)}")
            while len(content) - at >= BLOCK.size and content[at : at + 4] != bytes(4):
                place = f"{path.name} offset {at} (block {number})"
                header = BLOCK.unpack_from(content, at)
                partition = header[3] if partition is None else partition
                fault = self._fault(content, at, header, number, partition, previous_hash)
                if fault and self.wanted is None and not block_behind(self.segments, segment_number, content, at + 8):
                    self.notes.append(f"{place}: {fault}; no head covers it: a write was cut short, or is under way")
                    return
                if fault:
                    raise WrongError(f"{place}: {fault}")
                end, previous_hash = at + BLOCK.size + header[7], header[11]
                body = content[at + BLOCK.size : end]
                yield Block(number, header[11], place, segment_number * self.segment_bytes + end, body)
                if self.entry_count != header[6] + header[4] - 1:
                    raise WrongError(f"{place}: its number of entries or its first sequence does not match")
                number, at = number + 1, end
            if at == 0:
                return

    def _fault(
        self, content: bytes, at: int, header: tuple[Any, ...], number: int, partition: int, previous_hash: bytes
    ) -> str | None:
        magic, version, size, its_partition, _, its_number, _, body_bytes, _, _, previous, its_hash, checksum, _ = (
            header
        )
        end = at + BLOCK.size + body_bytes
        if (magic, version, size) != (BLOCK_MAGIC, 1, BLOCK.size):
            return "no block header"
        if checksum != crc32c(content[at : at + BLOCK_CHECKED_BYTES]):
            return "the checksum of the block header does not match"
        if (its_number, its_partition) != (number, partition):
            return f"block {its_number} of partition {its_partition} stands in its place"
        if previous != previous_hash:
            return "it names another block before it"
        if end > len(content):
            return "it is longer than its segment"
        hashed = content[at : at + BLOCK_HASHED_BYTES] + content[at + BLOCK.size : end]
        if hashlib.sha256(hashed).digest() != its_hash:
            return "its content does not match its hash"
        return None


def block_behind(segments: list[Path], number: int, content: bytes, at: int) -> bool:
    """Whether a block header stands behind a place, in this segment or at the start of a later one."""
    places = [found.start() for found in re.finditer(b"CSWB", content) if found.start() >= at]
    candidates = [content[place : place + BLOCK.size] for place in places if place % 8 == 0]
    for path in segments[number + 1 :]:
        with path.open("rb") as file:
            candidates.append(file.read(BLOCK.size))
    return any(
        len(raw) == BLOCK.size
        and raw[:4] == b"CSWB"
        and int.from_bytes(raw[BLOCK_CHECKED_BYTES : BLOCK_CHECKED_BYTES + 4], "little")
        == crc32c(raw[:BLOCK_CHECKED_BYTES])
        for raw in candidates
    )


def check_journal(check: JournalCheck) -> int:
    """Print what a journal's check found; the exit status."""
    try:
        check.run()
    except WrongError as error:
        print(f"WRONG: {error}")
        print(
            f"Entries 1 to {check.signed_sequence} are as signed. From entry {check.signed_sequence + 1} on "
            f"({check.signed_place}) this journal cannot be trusted."
        )
        return 1
    assert check.last_head is not None
    print(f"blocks   {check.block_count:>14,}  chain and hashes")
    print(f"entries  {check.entry_count:>14,}  without gaps, as the heads have signed them")
    print(
        f"heads    {check.head_count:>14,}  signatures, chain and roots; the last of {clock(check.last_head.time_ms)}"
    )
    for note in check.notes:
        print(f"note: {note}")
    print(f"RIGHT: entries 1 to {check.signed_sequence} are as signed")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Check a proof or a journal; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("proof", nargs="?", type=Path, help="proof of one receipt (JSON)")
    what.add_argument("--journal", type=Path, help="folder with segments and the file `heads`")
    parser.add_argument("--public-key", type=Path, action="append", required=True, help="notary's key; more than once")
    parser.add_argument("--code", help="receipt code as it stands on paper")
    parser.add_argument("--known-head", type=Path, action="append", default=[], help="a proof or head that you hold")
    parser.add_argument("--every-checksum", action="store_true", help="with --journal: entries' CRCs too (slow)")
    parser.add_argument("--no-key-chain", action="store_true", help="trust the keys given, and none that they name")
    options = parser.parse_args(arguments)
    try:
        keys = dict(read_key(path) for path in options.public_key)
        proof = {} if options.journal is not None else read_json(options.proof)
        chain = proof.get("key_chain", []) if options.journal is None else chain_of_journal(options.journal)
        if not options.no_key_chain:
            for followed in follow_chain(chain if isinstance(chain, list) else [None], keys):
                print(f"note: {followed}")
        if options.journal is not None:
            known = [
                check_head(bytes.fromhex(read_json(path).get("head", "")), keys, str(path))
                for path in options.known_head
            ]
            return check_journal(JournalCheck(options.journal, keys, known, options.every_checksum))
        for name, value in check_proof(proof, keys, options.code):
            print(f"{name:<13} {value}")
    except WrongError as error:
        print(f"WRONG: {error}")
        return 1
    except (InputError, OSError, ValueError) as error:
        print(f"verify_receipt: {error}", file=sys.stderr)
        return 2
    print("RIGHT: the head is signed, and this entry is among those that it covers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
