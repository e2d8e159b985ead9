"""The verifier for outsiders and one receipt: a flipped bit anywhere in its proof is found and named."""

import base64
import json

import pytest

from cardswitch.receipt import verifier
from switch import _proof
from switch._blocks import crc32c
from switch._directory import DirectoryError
from switch.protocol import heads as head_layout
from switch.protocol.codes import MEANINGS, CodeClass
from switch.protocol.entries import (
    BLOCK_MAGIC,
    BLOCK_VERSION,
    CHECKED_HEADER_BYTES,
    ENTRY_VERSION,
    HASHED_HEADER_BYTES,
    BlockHeader,
    EntryHeader,
)
from switch.protocol.heads import HEAD_BYTES, HEAD_SIGNED_BYTES, SIGNATURE_BYTES, SignedHead
from switch.protocol.layout import layout_of
from switch.protocol.messages import KEYED_TYPES, REQUESTS, MessageType, Reply
from switch.protocol.receipt_code import format_receipt_code
from tests.support.desk import CARD, OTHER_CARD, entries_of
from tests.support.notarized import Keys, verify_apart, write_public_key

tool = verifier()
NOTARY = Keys()

SEQUENCE = 20
"""A debit: behind the settings, six entries of keys, and what furnishes the shop."""


# --------------------------------------------------------------------------- the verifier knows the layouts


def test_its_layouts_are_those_of_the_project():
    assert tool.BLOCK.format == layout_of(BlockHeader).codec.format
    assert tool.ENTRY.format == layout_of(EntryHeader).codec.format
    assert tool.HEAD.format == layout_of(SignedHead).codec.format
    assert (tool.BLOCK_MAGIC, BLOCK_VERSION, tool.ENTRY_VERSION) == (BLOCK_MAGIC, 1, ENTRY_VERSION)
    assert (tool.BLOCK_HASHED_BYTES, tool.BLOCK_CHECKED_BYTES) == (HASHED_HEADER_BYTES, CHECKED_HEADER_BYTES)
    for name in ("HEAD_MAGIC", "HEAD_CHECKED_BYTES", "HEAD_SIGNED_BYTES", "HEAD_DOMAIN", "HEAD_ENTRIES_MAX"):
        assert getattr(tool, name) == getattr(head_layout, name)
    assert head_layout.HEAD_VERSION == 1
    assert tool.PROOF_FORMAT == _proof.PROOF_FORMAT


def test_it_finds_what_it_shows_where_requests_and_replies_have_it():
    def place(cls, name):
        return next(((field.offset, field.wire.format) for field in layout_of(cls).fields if field.name == name), None)

    assert tool.REQUESTS.keys() == KEYED_TYPES | {MessageType.PUT_SWITCH}
    for type_, (name, has_card, amount_at) in tool.REQUESTS.items():
        request = REQUESTS[MessageType(type_)]
        assert name == MessageType(type_).name
        assert place(request, "card_number") == ((tool.CARD_AT, "Q") if has_card else None)
        assert place(Reply, "receipt_code") == (tool.RECEIPT_CODE_AT, "Q")
        assert place(request, "amount_minor") == (None if amount_at is None else (amount_at, "q"))
    assert place(Reply, "code") == (tool.REPLY_CODE_AT, "H")
    assert place(Reply, "trace_number") == (tool.REPLY_TRACE_AT, "I")
    assert place(Reply, "amount_minor") == (tool.REPLY_AMOUNT_AT, "q")
    assert place(Reply, "journal_sequence") == (tool.REPLY_SEQUENCE_AT, "Q")
    assert place(Reply, "receipt_code") == (None if tool.RECEIPT_CODE_AT is None else (tool.RECEIPT_CODE_AT, "Q"))
    approved = {int(code) for code, (class_, _) in MEANINGS.items() if class_ is CodeClass.APPROVED}
    assert approved == {tool.APPROVED, tool.PARTIAL}


@pytest.mark.parametrize("code", [0, 1, 0x0123456789, (1 << 40) - 1])
def test_its_receipt_codes_are_those_of_the_project(code):
    text = format_receipt_code(code)

    assert tool.code_text(code) == text
    assert tool.code_of(f"{text[:4].lower()} - {text[4:].replace('0', 'o').replace('1', 'l')}") == text


# --------------------------------------------------------------------------- one receipt


def test_a_proof_is_right_where_there_is_only_the_verifier_and_the_key(signed, public_key, tmp_path, write_proof):
    proof = write_proof(_proof.prove(signed, SEQUENCE))

    done = verify_apart(tmp_path / "auditor", proof, "--public-key", public_key)

    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        f"entry         {SEQUENCE}\n",
        "debit",
        "amount done   7 minor units",
        "approved",
        "622202******3228",
    ):
        assert words in done.stdout
    assert str(OTHER_CARD) not in done.stdout
    assert done.stdout.endswith("RIGHT: the head is signed, and this entry is among those that it covers\n")


def test_every_signed_entry_can_be_proved(signed, run, write_proof):
    last = entries_of(signed)[-1].header.sequence
    for sequence in range(1, last - 4):
        status, printed = run(write_proof(_proof.prove(signed, sequence)))
        assert status == 0, printed
        assert f"entry         {sequence}\n" in printed


@pytest.mark.parametrize("form", ["hex", "raw"])
def test_a_key_may_also_be_hexadecimal_digits_or_bytes(signed, tmp_path, write_proof, form, capsys):
    path = tmp_path / "key"
    path.write_bytes(NOTARY.public_key() if form == "raw" else NOTARY.public_key().hex().encode() + b"\n")

    assert tool.main([str(write_proof(_proof.prove(signed, 3))), "--public-key", str(path)]) == 0


def test_a_bit_flipped_anywhere_in_the_entry_is_found_and_named(signed, run, write_proof):
    proof = _proof.prove(signed, SEQUENCE)
    entry = base64.b64decode(proof["entry"])
    for at in range(0, len(entry), 3):
        spoiled = bytearray(entry)
        spoiled[at] ^= 1 << at % 8
        status, printed = run(write_proof(proof | {"entry": base64.b64encode(spoiled).decode()}))
        assert status == 1
        assert printed.startswith("WRONG: entry: ")


def test_an_entry_that_was_changed_and_given_a_new_checksum_does_not_lead_to_the_root(signed, run, write_proof):
    proof = _proof.prove(signed, SEQUENCE)
    entry = bytearray(base64.b64decode(proof["entry"]))
    entry[48 + 24] ^= 1  # the amount
    entry[4:8] = crc32c(bytes(entry[8:])).to_bytes(4, "little")

    status, printed = run(write_proof(proof | {"entry": base64.b64encode(entry).decode()}))

    assert (status, printed) == (
        1,
        "WRONG: path: it does not lead from this entry to the root that the head has signed\n",
    )


def test_a_bit_flipped_in_the_path_or_a_path_of_another_length_is_found_and_named(signed, run, write_proof):
    proof = _proof.prove(signed, SEQUENCE)
    path = [bytes.fromhex(step) for step in proof["path"]]
    assert len(path) > 1
    spoiled = [[*path[:n], bytes([path[n][0] ^ 1]) + path[n][1:], *path[n + 1 :]] for n in range(len(path))]
    for steps in (*spoiled, path[:-1], [*path, bytes(32)], path[::-1], []):
        status, printed = run(write_proof(proof | {"path": [step.hex() for step in steps]}))
        assert status == 1
        assert printed.startswith("WRONG: path: ")


def test_a_bit_flipped_anywhere_in_the_head_is_found_and_named(signed, run, write_proof):
    proof = _proof.prove(signed, SEQUENCE)
    head = bytes.fromhex(proof["head"])
    for at in range(0, HEAD_BYTES, 5):
        spoiled = bytearray(head)
        spoiled[at] ^= 1 << at % 8
        status, printed = run(write_proof(proof | {"head": spoiled.hex()}))
        assert status == 1
        assert printed.startswith("WRONG: head: ")
        if at >= HEAD_SIGNED_BYTES:
            assert "its signature does not match" in printed
        if head_layout.HEAD_CHECKED_BYTES <= at < HEAD_SIGNED_BYTES:
            continue
        checked = bytes(spoiled[: head_layout.HEAD_CHECKED_BYTES])
        spoiled[len(checked) : len(checked) + 4] = crc32c(checked).to_bytes(4, "little")
        assert run(write_proof(proof | {"head": spoiled.hex()}))[0] == 1, "a new checksum does not help"


def test_another_key_another_leaf_and_an_unsigned_head_are_named(signed, run, write_proof, tmp_path, capsys):
    proof = _proof.prove(signed, SEQUENCE)
    other = write_public_key(tmp_path / "other.pem", Keys(seed=b"other"))
    assert tool.main([str(write_proof(proof)), "--public-key", str(other)]) == 1
    assert f"it names key {proof['key_id']} (version 3); the keys given are" in capsys.readouterr().out
    for index in (proof["leaf_index"] + 1, -1, 1 << 70):
        status, printed = run(write_proof(proof | {"leaf_index": index}))
        assert status == 1
        assert f"its number {SEQUENCE} is not that of leaf {index}" in printed
    unsigned = bytes.fromhex(proof["head"])[:HEAD_SIGNED_BYTES] + bytes(SIGNATURE_BYTES)
    assert run(write_proof(proof | {"head": unsigned.hex()})) == (1, "WRONG: head: it is not signed\n")


def test_the_code_on_paper_is_compared(signed, run, write_proof):
    proof = write_proof(_proof.prove(signed, SEQUENCE))
    code = format_receipt_code(int.from_bytes(entries_of(signed)[SEQUENCE - 1].reply[96:104], "little"))

    status, printed = run(proof, "--code", f"{code[:4]}-{code[4:]}".lower())
    assert status == 0
    assert f"receipt code  {code}\n" in printed
    status, printed = run(proof, "--code", "ABCDEFGH")
    assert (status, printed) == (1, f"WRONG: receipt code: the paper says ABCDEFGH, the entry says {code}\n")
    assert run(proof, "--code", "ABCDEFGU")[0] == 2


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "another"}', '{"format": 1, "head": 2}'])
def test_what_is_no_proof_is_an_error_of_input(run, tmp_path, content):
    path = tmp_path / "proof.json"
    path.write_text(content)

    status, printed = run(path)

    assert status == 2
    assert printed.startswith("verify_receipt: ")


def test_a_proof_says_which_head_will_cover_an_entry(signed):
    last = entries_of(signed)[-1].header.sequence

    with pytest.raises(DirectoryError, match=f"head 2 covers entries up to {last - 5}; head 3 or a later one will"):
        _proof.prove(signed, last)
    assert str(CARD) not in json.dumps(_proof.show_head(signed))
