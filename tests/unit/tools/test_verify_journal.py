"""The verifier for outsiders and a whole journal: what was changed is found, also when all hashes were made anew."""

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
from switch.protocol.heads import HEAD_BYTES, HEAD_SIGNED_BYTES, SIGNATURE_BYTES, SignedHead
from tests.support.desk import SEGMENT_BYTES, Desk, blocks_of, entries_of, make_shop
from tests.support.desk import reader_of as blocks_from
from tests.support.notarized import Keys, notary_of, sign_to_end

tool = verifier()
NOTARY = Keys()

SEQUENCE = 14


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
