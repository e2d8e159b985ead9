"""The verifier for outsiders: a flipped bit anywhere is found and named, and so is a history that was written anew."""

import base64
import hashlib
import json
import shutil

import pytest

from cardswitch.receipt import verifier
from switch import _proof
from switch._blocks import crc32c
from switch._directory import DirectoryError
from switch._heads import HEADS_NAME
from switch.notary import NotaryError, sign_directory
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
from tests.support.desk import CARD, OTHER_CARD, SEGMENT_BYTES, Desk, blocks_of, entries_of, make_shop
from tests.support.desk import reader_of as blocks_from
from tests.support.notarized import Keys, notary_of, sign_to_end, verify_apart, write_public_key

tool = verifier()
NOTARY = Keys()


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A shop with a few heads, and entries behind the last one that are not signed."""
    path = make_shop(tmp_path_factory.mktemp("signed") / "data")
    for round_number in range(4):
        desk = Desk(path)
        for _ in range(5):
            desk.debit(7, card=OTHER_CARD)
            desk.commit()
        if round_number < 3:
            sign_to_end(path, now_ms=1_000 + round_number)
    return path


@pytest.fixture
def shop(signed, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(signed, tmp_path / "data")


@pytest.fixture
def public_key(tmp_path):
    return write_public_key(tmp_path / "notary.pem")


@pytest.fixture
def run(public_key, capsys):
    """Run the verifier in this process: (exit status, what it printed)."""

    def call(*arguments):
        capsys.readouterr()
        status = tool.main([*map(str, arguments), "--public-key", str(public_key)])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


@pytest.fixture
def audit(shop, run):
    """Audit the copy."""
    return lambda *arguments: run("--journal", shop / "journal", *arguments)


@pytest.fixture
def write_proof(tmp_path):
    def write(proof):
        path = tmp_path / "proof.json"
        path.write_text(json.dumps(proof))
        return path

    return write


SEQUENCE = 14


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


def test_the_code_on_paper_is_compared(signed, run, write_proof, monkeypatch):
    """Until replies have a code, their balance stands in for it: any u64 of the reply will do."""
    monkeypatch.setattr(tool, "RECEIPT_CODE_AT", 24)
    proof = write_proof(_proof.prove(signed, SEQUENCE))
    code = format_receipt_code(int.from_bytes(entries_of(signed)[SEQUENCE - 1].reply[24:32], "little"))

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


# --------------------------------------------------------------------------- a whole journal


def last_signed(shop):
    """Head and block behind which nothing is signed."""
    content = (shop / "journal" / HEADS_NAME).read_bytes()
    return SignedHead.decode(content[-HEAD_BYTES:])


def test_a_journal_is_right_and_what_is_not_signed_is_said(audit, shop):
    last = last_signed(shop).last_sequence

    status, printed = audit("--every-checksum")

    assert status == 0
    assert f"RIGHT: entries 1 to {last} are as signed" in printed
    assert "note: 5 entries behind the last head are not signed yet" in printed
    assert "3  signatures, chain and roots" in printed


def test_a_bit_flipped_in_any_signed_block_is_found_and_placed(audit, shop):
    heads = [SignedHead.decode(raw) for raw in split_heads(shop)]
    blocks = blocks_of(shop)
    for block in blocks[: heads[-1].block_number + 1]:
        for at in (
            block.offset + 3,
            block.offset + 90,
            block.offset + 113,
            block.offset + 128 + 40,
            block.offset + block.size - 1,
        ):
            flip(block.file, at)
            status, printed = audit()
            flip(block.file, at)
            assert status == 1
            assert f"offset {block.offset} (block {block.number}): " in printed
            trusted = max((head.last_sequence for head in heads if head.block_number < block.number), default=0)
            assert f"Entries 1 to {trusted} are as signed. From entry {trusted + 1} on" in printed
    assert audit()[0] == 0


def split_heads(shop):
    content = (shop / "journal" / HEADS_NAME).read_bytes()
    return [content[at : at + HEAD_BYTES] for at in range(0, len(content), HEAD_BYTES)]


def flip(file, offset):
    with file.open("r+b") as opened:
        opened.seek(offset)
        byte = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([byte[0] ^ 4]))


def rewrite(shop, sequence):
    """An attacker with the storage: another amount in one entry, and all checksums, hashes and links made anew."""
    previous_hash = bytes(32)
    for position, header, body in list(blocks_from(shop).blocks()):
        changed = bytearray(body)
        at = 0
        while at < len(changed):
            size = int.from_bytes(changed[at : at + 4], "little")
            if int.from_bytes(changed[at + 8 : at + 16], "little") == sequence:
                changed[at + 48 + 24] ^= 0x10
                changed[at + 4 : at + 8] = crc32c(bytes(changed[at + 8 : at + size])).to_bytes(4, "little")
            at += size
        start = bytearray(header)
        start[48:80] = previous_hash
        start[80:112] = previous_hash = hashlib.sha256(bytes(start[:80]) + changed).digest()
        start[112:116] = crc32c(bytes(start[:112])).to_bytes(4, "little")
        number, offset = divmod(position, SEGMENT_BYTES)
        with (shop / "journal" / f"{number:012d}.segment").open("r+b") as file:
            file.seek(offset)
            file.write(start + changed)


def test_a_journal_that_was_written_anew_with_all_its_hashes_is_found_by_its_heads(audit, shop):
    sequence = SignedHead.decode(split_heads(shop)[1]).first_sequence + 1
    rewrite(shop, sequence)
    assert [entry.header.sequence for entry in entries_of(shop)][-1] > sequence, "for itself the journal is sound"

    status, printed = audit("--every-checksum")

    trusted = SignedHead.decode(split_heads(shop)[0]).last_sequence
    assert status == 1
    assert f"WRONG: head 1: the entries {trusted + 1} to " in printed
    assert f"From entry {trusted + 1} on (behind 000000000000.segment offset" in printed
    with pytest.raises(NotaryError, match="as head 2 has signed it"):
        notary_of(shop)


def test_heads_that_were_changed_swapped_removed_or_put_in_are_found(audit, shop):
    path = shop / "journal" / HEADS_NAME
    first, second, third = heads = split_heads(shop)
    for spoiled, words in (
        ([first, third], "head 1: head 2 stands in its place"),
        ([second, third], "head 0: head 1 stands in its place"),
        ([first, third, second], "head 1: head 2 stands in its place"),
        ([first, first, third], "head 1: head 0 stands in its place"),
        (
            [first, second[:200] + bytes([second[200] ^ 1]) + second[201:], third],
            "head 1: its signature does not match",
        ),
        ([first, second[:HEAD_SIGNED_BYTES] + bytes(SIGNATURE_BYTES), third], "head 1: it is not signed"),
        ([], "heads: there is none"),
    ):
        path.write_bytes(b"".join(spoiled))
        status, printed = audit()
        assert status == 1
        assert words in printed
    path.write_bytes(b"".join(heads))
    assert audit()[0] == 0


def test_a_head_signed_twice_is_found_by_the_chain(audit, shop, tmp_path):
    """Whoever has the key, too, cannot replace a head without replacing all behind it."""
    first, second, third = split_heads(shop)
    other = shutil.copytree(shop, tmp_path / "other")
    (other / "journal" / HEADS_NAME).write_bytes(first)
    notary = notary_of(other)
    notary.follow(SignedHead.decode(second).end_position, 99_000)
    notary.close()
    (shop / "journal" / HEADS_NAME).write_bytes((other / "journal" / HEADS_NAME).read_bytes() + third)

    status, printed = audit()

    assert status == 1
    assert "head 2: it names another head before it" in printed


def test_heads_removed_from_the_end_are_found_only_by_who_holds_a_later_one(audit, shop, tmp_path):
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(_proof.show_head(shop)))
    (shop / "journal" / HEADS_NAME).write_bytes(b"".join(split_heads(shop)[:2]))

    assert audit()[0] == 0, "what was never seen by anybody cannot be missed"
    status, printed = audit("--known-head", kept)
    assert status == 1
    assert "there are 2, but you hold head 2: the end was removed" in printed


def test_a_history_signed_anew_is_found_by_who_holds_an_earlier_head(audit, shop, tmp_path):
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(_proof.prove(shop, SEQUENCE)))
    (shop / "journal" / HEADS_NAME).unlink()
    sign_to_end(shop, now_ms=77_000)

    assert audit()[0] == 0
    status, printed = audit("--known-head", kept)
    assert status == 1
    assert "is another one than the one that you hold: history was rewritten" in printed


def test_a_journal_that_was_cut_behind_its_heads_back_is_found(audit, shop):
    blocks = blocks_of(shop)
    cut = blocks[last_signed(shop).block_number]
    with cut.file.open("r+b") as file:
        file.seek(cut.offset)
        file.write(bytes(SEGMENT_BYTES - cut.offset))

    status, printed = audit()

    assert status == 1
    assert "its end was removed" in printed


def test_a_torn_last_write_is_a_note_and_damage_behind_the_heads_is_wrong(audit, shop):
    blocks = blocks_of(shop)
    last, before = blocks[-1], blocks[-2]
    flip(last.file, last.offset + 200)
    status, printed = audit()
    assert status == 0
    assert "no head covers it: a write was cut short, or is under way" in printed
    flip(before.file, before.offset + 200)
    status, printed = audit()
    assert status == 1
    assert f"(block {before.number}): its content does not match its hash" in printed


def test_a_head_that_is_being_written_is_a_note(audit, shop):
    path = shop / "journal" / HEADS_NAME
    third = split_heads(shop)[2]
    path.write_bytes(path.read_bytes()[:-HEAD_BYTES] + third[:HEAD_SIGNED_BYTES] + bytes(SIGNATURE_BYTES))

    status, printed = audit()

    assert status == 0
    assert "note: head 2 is being written and not signed yet" in printed


def test_a_missing_segment_and_no_journal_at_all_are_named(run, tmp_path, shop):
    (shop / "journal" / "000000000000.segment").unlink()
    status, printed = run("--journal", shop / "journal")
    assert status == 1
    assert "000000000000.segment: it is missing" in printed
    (tmp_path / "empty").mkdir()
    status, printed = run("--journal", tmp_path / "empty")
    assert status == 2
    assert "expected segment files" in printed


def test_a_proof_is_refused_when_the_journal_is_no_longer_what_was_signed(shop):
    rewrite(shop, SEQUENCE)

    with pytest.raises(DirectoryError, match=r"expected entries .* has signed them, got"):
        _proof.prove(shop, SEQUENCE)


def test_a_proof_says_which_head_will_cover_an_entry(signed):
    last = entries_of(signed)[-1].header.sequence

    with pytest.raises(DirectoryError, match=f"head 2 covers entries up to {last - 5}; head 3 or a later one will"):
        _proof.prove(signed, last)
    assert str(CARD) not in json.dumps(_proof.show_head(signed))


def test_a_journal_of_several_segments_and_keys_is_right_with_all_its_keys(tmp_path, capsys):
    shop, keys = make_shop(tmp_path / "data"), Keys(1, 2)
    desk = Desk(shop)
    for n in range(1, 361):
        desk.debit(200, line_count=200)
        if n % 20 == 0:
            desk.commit()
        if n % 60 == 0:
            until, version = blocks_of(shop)[-1].end, 1 + n // 200
            sign_directory(shop / "journal", 0, SEGMENT_BYTES, keys.signer(version), until, n)
    assert len({block.file for block in blocks_of(shop)}) > 2
    files = []
    for version in (1, 2):
        files.append(tmp_path / f"{version}.key")
        files[-1].write_text(keys.public_key(version).hex())
    both = [word for file in files for word in ("--public-key", str(file))]

    assert tool.main(["--journal", str(shop / "journal"), *both, "--every-checksum"]) == 0
    assert "6  signatures, chain and roots" in capsys.readouterr().out
    assert tool.main(["--journal", str(shop / "journal"), *both[:2]]) == 1
    assert "head 3: it names key " in capsys.readouterr().out
    for sequence in (1, 100, 250, 360):
        proof = tmp_path / "proof.json"
        proof.write_text(json.dumps(_proof.prove(shop, sequence)))
        assert tool.main([str(proof), *both]) == 0
