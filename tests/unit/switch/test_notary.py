"""The notary: what it signs, how it goes on after a crash between any two steps, and what it refuses to sign."""

import os
import signal

import pytest

from switch._directory import DirectoryError
from switch._heads import HEADS_NAME, Heads, head_hash, key_id, sealed_by_checksum
from switch._merkle import MerkleTree
from switch._notary_process import PACE_BYTES, READ_BYTES_PER_S, Pace
from switch.notary import BLOCK_ENTRIES_MAX, HeadSigner, NotaryError, last_head, sign_directory, signature_fits
from switch.protocol.heads import (
    HEAD_BYTES,
    HEAD_CHECKED_BYTES,
    HEAD_DOMAIN,
    HEAD_SIGNED_BYTES,
    SIGNATURE_BYTES,
    SignedHead,
)
from switch.protocol.layout import layout_of
from tests.support.desk import Desk, blocks_of, entries_of, make_shop, overwrite, reader_of, scramble
from tests.support.notarized import KEY_VERSION, Keys, notary_of, sign_to_end


@pytest.fixture
def shop(tmp_path):
    return make_shop(tmp_path / "data")


def sell(shop, count=3, blocks=2):
    desk = Desk(shop)
    for _ in range(blocks):
        for _ in range(count):
            assert desk.debit(1).code == 0
        desk.commit()


def heads_of(shop):
    heads = Heads(shop / "journal")
    return [heads.signed(number) for number in range(heads.count())]


def bytes_of(shop):
    return (shop / "journal" / HEADS_NAME).read_bytes()


def test_the_parts_of_a_head_are_where_its_checks_expect_them():
    offsets = {field.name: field.offset for field in layout_of(SignedHead).fields}

    assert layout_of(SignedHead).width_bytes == HEAD_BYTES
    assert (offsets["crc32c"], offsets["signature"]) == (HEAD_CHECKED_BYTES, HEAD_SIGNED_BYTES)
    assert HEAD_BYTES - HEAD_SIGNED_BYTES == SIGNATURE_BYTES


def test_heads_cover_everything_once_and_name_block_tree_and_the_head_before(shop):
    keys = Keys()
    assert sign_to_end(shop, keys, 5_000) == 1
    sell(shop)
    assert sign_to_end(shop, keys, 4_000) == 1
    assert sign_to_end(shop, keys, 9_000) == 0, "nothing new, no head"
    heads = heads_of(shop)
    blocks, headers = blocks_of(shop), [header for _, header, _ in reader_of(shop).blocks()]
    raw = [body for _, _, body in reader_of(shop).blocks()]
    before = None
    for number, head in enumerate(heads):
        assert (head.head_number, head.partition, head.key_version) == (number, 0, KEY_VERSION)
        assert head.first_sequence == (before.last_sequence if before else 0) + 1
        assert head.previous_head_hash == head_hash(before)
        block = blocks[head.block_number]
        assert (head.block_position, head.end_position) == (block.position, block.end)
        assert head.block_hash == headers[head.block_number][80:112]
        tree = MerkleTree()
        for body in raw[before.block_number + 1 if before else 0 : head.block_number + 1]:
            tree.add_entries(body)
        assert (head.root, head.entry_count) == (tree.root(), tree.leaf_count)
        assert signature_fits(head, keys.public_key())
        before = head
    assert before is not None
    assert before.last_sequence == entries_of(shop)[-1].header.sequence
    assert [head.time_ms for head in heads] == [5_000, 5_000], "the time of heads never goes back"
    assert before == last_head(shop / "journal")
    assert all(message.startswith(HEAD_DOMAIN) for message in keys.signed)


def test_only_what_is_said_to_be_durable_is_signed(shop):
    sell(shop)
    blocks = blocks_of(shop)
    notary = notary_of(shop)

    notary.follow(blocks[-2].end, 1)

    assert notary.last is not None
    assert notary.last.end_position == blocks[-2].end
    notary.close()


def test_a_long_stretch_becomes_several_heads_of_bounded_size(shop):
    sell(shop, count=2, blocks=20)
    notary = notary_of(shop, entries_max=BLOCK_ENTRIES_MAX + 7)

    assert notary.follow(blocks_of(shop)[-1].end, 1) > 3

    notary.close()
    heads = heads_of(shop)
    assert {head.entry_count for head in heads[:-1]} <= set(range(8, 12))
    assert [head.first_sequence for head in heads[1:]] == [head.last_sequence + 1 for head in heads[:-1]]
    for sequence in range(1, heads[-1].last_sequence + 1):
        head = Heads(shop / "journal").covering(sequence)
        assert head is not None
        assert head.first_sequence <= sequence <= head.last_sequence
    assert Heads(shop / "journal").covering(heads[-1].last_sequence + 1) is None


def test_a_change_of_keys_goes_on_with_the_same_chain(shop):
    keys = Keys(1, 2)
    directory = (shop / "journal", 0, 1 << 20)
    sign_directory(*directory, keys.signer(1), blocks_of(shop)[-1].end, 1)
    sell(shop)
    sign_directory(*directory, keys.signer(2), blocks_of(shop)[-1].end, 2)

    first, second = heads_of(shop)
    assert (first.key_version, second.key_version) == (1, 2)
    assert (first.key_id, second.key_id) == (key_id(keys.public_key(1)), key_id(keys.public_key(2)))
    assert second.previous_head_hash == head_hash(first)


# --------------------------------------------------------------------------- crashes

STEPS = ("pwrite", "fdatasync", "sign", "pwrite", "fdatasync")
"""What happens for each head, in this order; a crash may come before or after any of it."""


class KilledAt:
    """Kills this process with SIGKILL before or after a step."""

    def __init__(self, step, is_after, monkeypatch, keys):
        self._left = step
        self._is_after = is_after
        monkeypatch.setattr(os, "pwrite", self._around(os.pwrite))
        monkeypatch.setattr(os, "fdatasync", self._around(os.fdatasync))
        self.signer = HeadSigner(self._around(keys.sign), keys.public_key, KEY_VERSION)

    def _around(self, call):
        def called(*arguments):
            is_last, self._left = self._left == 0, self._left - 1
            if is_last and not self._is_after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*arguments)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return called


def sign_and_be_killed(shop, step, is_after, monkeypatch, now_ms):
    """In a child: sign to the end of the journal, but be killed at a step."""
    child = os.fork()
    if child == 0:
        try:
            with monkeypatch.context() as patch:
                killed = KilledAt(step, is_after, patch, Keys())
                sign_directory(shop / "journal", 0, 1 << 20, killed.signer, blocks_of(shop)[-1].end, now_ms)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"step {step} never came"


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("step", range(len(STEPS)))
def test_a_notary_killed_between_any_two_steps_never_signs_another_head_of_that_number(
    shop, step, is_after, monkeypatch
):
    sign_to_end(shop)
    sell(shop)
    sign_and_be_killed(shop, step, is_after, monkeypatch, 2_000)
    left = bytes_of(shop)
    sell(shop)  # the journal has grown, and time has passed

    sign_to_end(shop, now_ms=7_000)

    content = bytes_of(shop)
    if any(left[HEAD_BYTES + HEAD_SIGNED_BYTES :]):
        assert content.startswith(left), "what was signed stays"
    elif len(left) > HEAD_BYTES:
        assert content.startswith(left[: HEAD_BYTES + HEAD_SIGNED_BYTES]), "what was decided stays"
    heads = heads_of(shop)
    assert heads[-1].last_sequence == entries_of(shop)[-1].header.sequence
    assert all(signature_fits(head, Keys().public_key()) for head in heads)
    assert [head.previous_head_hash for head in heads] == [head_hash(head) for head in (None, *heads[:-1])]


def test_a_signature_that_a_power_cut_took_away_again_is_made_again_bit_for_bit(shop):
    """Somebody may have read it in between."""
    sign_to_end(shop)
    read_by_somebody = bytes_of(shop)
    overwrite(shop / "journal" / HEADS_NAME, HEAD_SIGNED_BYTES, bytes(SIGNATURE_BYTES))
    sell(shop)

    sign_to_end(shop, now_ms=99_000)

    assert bytes_of(shop)[:HEAD_BYTES] == read_by_somebody


@pytest.mark.parametrize("left_bytes", [1, 100, HEAD_SIGNED_BYTES, HEAD_BYTES - 1])
def test_a_record_that_was_cut_short_is_removed(shop, left_bytes):
    sign_to_end(shop)
    whole = bytes_of(shop)
    path = shop / "journal" / HEADS_NAME
    path.write_bytes(whole + sealed_by_checksum(heads_of(shop)[0])[:left_bytes])
    sell(shop)

    assert sign_to_end(shop) == 1

    assert bytes_of(shop)[:HEAD_BYTES] == whole
    assert len(heads_of(shop)) == 2


def test_a_torn_record_without_a_signature_is_removed_and_one_with_a_signature_is_damage(shop):
    sign_to_end(shop)
    whole = bytes_of(shop)
    path = shop / "journal" / HEADS_NAME
    path.write_bytes(whole + bytes(HEAD_BYTES))
    notary_of(shop).close()
    assert bytes_of(shop) == whole

    path.write_bytes(whole + bytes(HEAD_BYTES - 1) + b"x")
    with pytest.raises(DirectoryError, match="expected head 1 to fit its checksum, got damage in a signed head"):
        notary_of(shop)
    assert len(bytes_of(shop)) == 2 * HEAD_BYTES, "a refusal changes nothing"


# --------------------------------------------------------------------------- what is not signed


def test_a_head_that_somebody_else_put_there_is_not_signed(shop):
    """Who can write to the disk must not get a signature for what the journal does not hold."""
    sign_to_end(shop)
    sell(shop)
    keys = Keys()
    notary = notary_of(shop, keys)
    notary.follow(blocks_of(shop)[-1].end, 2_000)
    notary.close()
    signed_count = len(keys.signed)
    true = heads_of(shop)[1]
    for field in ("root", "block_hash", "previous_head_hash"):
        planted = {name: getattr(true, name) for name in true.__struct_fields__} | {field: bytes(32)}
        overwrite(shop / "journal" / HEADS_NAME, HEAD_BYTES, sealed_by_checksum(SignedHead(**planted)))
        with pytest.raises(NotaryError, match="expected head 1, which was to be signed, to be what the journal holds"):
            notary_of(shop, keys)
    assert len(keys.signed) == signed_count


@pytest.mark.parametrize("field", ["root", "signature", "time_ms"])
def test_a_last_head_that_was_changed_is_refused(shop, field):
    sign_to_end(shop)
    offset = next(place.offset for place in layout_of(SignedHead).fields if place.name == field)
    scramble(shop / "journal" / HEADS_NAME, offset)

    with pytest.raises(DirectoryError, match="head 0"):
        notary_of(shop)


def test_a_journal_that_lost_or_changed_what_was_signed_is_refused(shop):
    sell(shop)
    sign_to_end(shop)
    last = blocks_of(shop)[-1]
    scramble(last.file, last.offset + 200)

    with pytest.raises(
        NotaryError, match=rf"expected block {last.number} at offset {last.offset} as head 0 has signed"
    ):
        notary_of(shop)


def test_a_block_that_is_not_whole_is_not_signed(shop):
    sign_to_end(shop)
    sell(shop)
    last = blocks_of(shop)[-1]
    keys = Keys()
    scramble(last.file, last.offset + 200)
    notary = notary_of(shop, keys)

    with pytest.raises(NotaryError, match="hash does not match the content"):
        notary.follow(last.end, 1)

    notary.close()
    assert keys.signed == []


def test_a_signature_of_another_key_is_not_written(shop):
    keys, others = Keys(), Keys(seed=b"other")
    wrong = HeadSigner(others.sign, keys.public_key, KEY_VERSION)
    with pytest.raises(NotaryError, match=r"head 0: expected a signature that fits version 3"):
        sign_directory(shop / "journal", 0, 1 << 20, wrong, blocks_of(shop)[-1].end, 1)
    assert not any(bytes_of(shop)[HEAD_SIGNED_BYTES:])


def test_reading_pauses_when_it_is_faster_than_its_bound():
    now_ms, pauses_s = 0, []

    def pause(duration_s):
        nonlocal now_ms
        pauses_s.append(duration_s)
        now_ms += round(duration_s * 1000)

    pace = Pace(lambda: now_ms, pause)
    for _ in range(64):
        now_ms += 1
        pace.take(PACE_BYTES)
    assert now_ms >= 64 * PACE_BYTES * 1000 // READ_BYTES_PER_S - 64
    assert pauses_s
    now_ms += 1_000_000
    pauses_s.clear()
    pace.take(PACE_BYTES)
    assert pauses_s == []
