"""`verify` finds whatever does not follow from the journal, and says nothing when all does."""

import contextlib
from hashlib import sha256

import pytest

from switch._blocks import HEADER_BYTES, crc32c
from switch._directory import open_directory
from switch._entries import cut
from switch._verify import Verifier, verify
from switch.ledger import Ledger
from switch.protocol.layout import layout_of
from switch.protocol.messages import Reply
from switch.protocol.records import AccountRecord, PurseRecord, RecordKind, images_of
from tests.support.desk import CARD, Desk, blocks_of, bring_up_store, make_shop, overwrite, scramble

REPLY_FIELDS = {field.name: field.offset for field in layout_of(Reply).fields}


@pytest.fixture
def shop(tmp_path):
    path = make_shop(tmp_path / "data")
    desk = Desk(path)
    for n in range(4):
        original = desk.debit(100 + n, line_count=n)
        desk.debit(10**9)
        if n % 2:
            desk.reverse(original, 100 + n)
        desk.commit()
    return path


def change_store(path, change):
    """Write another value of CARD's account into the balance store, behind the switch's back."""
    ledger = Ledger(path / "ledger")
    database = ledger._databases["account"]
    with ledger._env.begin(write=True) as txn:
        key = CARD.to_bytes(8, "big")
        txn.put(key, change(txn.get(key, db=database)), db=database)
    ledger.close()


def test_a_clean_directory_is_clean_and_all_is_counted(shop, capsys):
    bring_up_store(shop)

    status = verify(shop)

    output = capsys.readouterr()
    assert status == 0
    assert output.out.splitlines()[-1] == "verify: clean"
    assert output.out.split()[:2] == ["blocks", str(len(blocks_of(shop)))]
    assert f"balance store compared at {blocks_of(shop)[-1].end:,}" in output.out
    assert output.err == ""


def test_a_directory_without_a_balance_store_is_clean(shop, capsys):
    status = verify(shop)

    assert status == 0
    assert "no balance store yet" in capsys.readouterr().out


def test_a_balance_store_that_lags_behind_is_compared_where_it_stands(shop, capsys):
    middle = blocks_of(shop)[3].end
    bring_up_store(shop, middle)

    status = verify(shop)

    assert status == 0
    assert f"balance store compared at {middle:,}" in capsys.readouterr().out


def test_a_balance_that_somebody_changed_in_the_store_is_found_and_its_number_masked(shop, capsys):
    bring_up_store(shop)

    def one_cent_more(record: bytes) -> bytes:
        balance = AccountRecord.decode(record).balance_minor + 1
        return record[:16] + balance.to_bytes(8, "little", signed=True) + record[24:]

    change_store(shop, one_cent_more)

    status = verify(shop)

    output = capsys.readouterr()
    assert status == 1
    assert "DIFFERS  account 622202******4533: only in the balance store" in output.err
    assert "DIFFERS  account 622202******4533: only in the rebuilt state" in output.err
    assert "do not start a switch on this directory" in output.err
    assert str(CARD) not in output.out + output.err


def test_a_changed_byte_in_the_journal_is_found(shop, capsys):
    middle = blocks_of(shop)[3]
    scramble(middle.file, middle.offset + 200)

    status = verify(shop)

    output = capsys.readouterr()
    assert status == 1
    assert f"damage at position {middle.position} (hash does not match the content)" in output.err


def test_a_store_ahead_of_the_journal_is_found(shop, capsys):
    bring_up_store(shop)
    last = blocks_of(shop)[-1]
    overwrite(last.file, last.offset, bytes(last.size))

    status = verify(shop)

    assert status == 1
    assert f"balance store: expected its position {last.end} at the end of a block" in capsys.readouterr().err


def test_a_torn_tail_is_noted_and_is_no_difference(shop, capsys):
    last = blocks_of(shop)[-1]
    scramble(last.file, last.offset + last.size - 1)

    status = verify(shop)

    assert status == 0
    assert f"ends in a write that was cut short at position {last.position}" in capsys.readouterr().out


def forge(path, change):
    """What a forger does who knows the format: changes the last block's first entry and makes every checksum right.

    `change` gets the entry and the offset of its images in it.
    """
    last = blocks_of(path)[-1]
    content = bytearray(last.file.read_bytes()[last.offset : last.offset + last.size])
    entry_bytes = int.from_bytes(content[HEADER_BYTES : HEADER_BYTES + 4], "little")
    entry = content[HEADER_BYTES : HEADER_BYTES + entry_bytes]
    change(entry, entry_bytes - len(cut(bytes(entry)).image_bytes))
    entry[4:8] = crc32c(bytes(entry[8:])).to_bytes(4, "little")
    content[HEADER_BYTES : HEADER_BYTES + entry_bytes] = entry
    content[80:112] = sha256(content[:80] + content[128:]).digest()
    content[112:116] = crc32c(bytes(content[:112])).to_bytes(4, "little")
    overwrite(last.file, last.offset, bytes(content))


def test_a_decision_that_the_rules_do_not_give_is_found(shop, capsys):
    def one_cent_more(entry, images_at):
        assert entry[images_at] == RecordKind.ACCOUNT
        entry[images_at + 16] ^= 1

    forge(shop, one_cent_more)

    status = verify(shop)

    output = capsys.readouterr().err
    assert status == 1
    assert "deciding it again gives another entry" in output
    assert "expected its reply to say what its images moved" in output
    assert "sum of balances: expected" in output


def test_points_in_a_reply_that_the_images_do_not_have_are_found(shop, capsys):
    def points(entry, images_at):
        at = images_at - Reply.width_bytes() + REPLY_FIELDS["points_hundredths"]
        entry[at] ^= 1

    forge(shop, points)

    status = verify(shop)

    assert status == 1
    assert "what its images moved, -103 minor units and" in capsys.readouterr().err


def test_images_in_another_order_are_found(shop, capsys):
    desk = Desk(shop)
    desk.open_card(CARD + 1)
    desk.commit()

    def swapped(entry, images_at):
        account, card = images_of(bytes(entry[images_at:]))
        assert (account[0], card[0]) == (RecordKind.ACCOUNT, RecordKind.CARD)
        entry[images_at:] = card + account

    forge(shop, swapped)
    verifier = Verifier(open_directory(shop))
    with contextlib.suppress(AssertionError):
        verifier.run()

    assert any("expected images in ascending order of kind and key" in text for text in verifier.differences)


def test_a_record_with_a_wide_key_that_nobody_made_is_found_in_the_store(shop, capsys):
    bring_up_store(shop)
    purse = PurseRecord(account_number=CARD, purse=1 << 32 | 5, amount=1).encode()
    ledger = Ledger(shop / "ledger")
    with ledger._env.begin(write=True) as txn:
        txn.put(bytes(24), purse, db=ledger._databases["purse"])
    ledger.close()

    status = verify(shop)

    output = capsys.readouterr()
    assert status == 1
    assert f"DIFFERS  purse 622202******4533/{1 << 32 | 5}/0: only in the balance store" in output.err


def test_verify_changes_nothing(shop):
    bring_up_store(shop)
    files = [file for file in shop.rglob("*") if file.is_file() and file.name != "lock.mdb"]
    before = {file: file.read_bytes() for file in files}

    verify(shop)

    assert [file for file, content in before.items() if file.read_bytes() != content] == []


def test_verify_leaves_a_segment_that_is_being_prepared_alone(shop):
    partial = shop / "journal" / "000000000009.preparing"
    partial.write_bytes(b"half a segment")

    verify(shop)

    assert partial.exists()


def test_a_journal_is_clean_although_the_clock_went_back_over_a_restart(shop, capsys):
    bring_up_store(shop)
    desk = Desk(shop)
    desk.now_ms -= 10_000
    desk.debit(1)
    desk.commit()

    status = verify(shop)

    assert status == 0
