"""The balance store is the journal up to one position: whichever way it was brought there, and however often."""

import shutil
from pathlib import Path
from typing import Any

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switch._blocks import HEADER_BYTES, BlockReader, segment_path
from switch._projection import Projection, load_answers
from switch._replay import replay
from switch._tables import Tables
from switch.duplicates import AnswerWindow
from switch.ledger import DATES_KEPT, Checkpoint, Ledger
from switch.protocol.messages import CreditRequest, MessageType, Reply
from switch.protocol.records import GONE, HASHED_HEADER_BYTES, HoldRecord, MarkRecord, RecordKind, record_key
from tests.support.desk import (
    CARD,
    OTHER_CARD,
    SEGMENT_BYTES,
    Desk,
    blocks_of,
    bring_up_store,
    make_shop,
    reader_of,
)
from tests.vectors.example import DATE, NOW_MS
from tests.vectors.journal import block, entry

DAY_MS = 86_400_000
CREDIT = CreditRequest(trace_number=1, business_date=DATE, stamp_ms=NOW_MS, card_number=CARD, amount_minor=1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Three business dates of debits, reversals before and behind their originals, declines, credits and cards."""
    path = make_shop(tmp_path_factory.mktemp("ledger") / "data")
    desk = Desk(path)
    for day in range(3):
        for n in range(8):
            first = desk.debit(10 + n, card=CARD, line_count=n)
            second = desk.debit(20 + n, card=OTHER_CARD)
            desk.commit()
            if n % 2:
                desk.reverse(first, 10 + n)
            if n % 3 == 0:
                desk.reverse(second, 20 + n, card=OTHER_CARD)
                desk.debit(10**9, card=CARD)
            never_sent = second.__class__(code=0, trace_number=desk.take_trace_number(), business_date=desk.today)
            desk.reverse(never_sent, 5)
            desk.credit(1_000)
            desk.open_card(50_000_000 + 100 * day + n, CARD if n % 2 else 0)
            desk.commit()
        desk.now_ms += DAY_MS
    return path


def copied_store(path: Path, tmp_path: Path, positions: list[int]) -> Ledger:
    """A store of its own for the journal of `path`, advanced to each position in turn."""
    ledger = Ledger(tmp_path / "ledger")
    for position in positions:
        ledger.advance(reader_of(path, ledger.checkpoint()), position)
    return ledger


def content(ledger: Ledger) -> tuple[Checkpoint, dict[str, list[bytes]], dict[int, bytes]]:
    with ledger.snapshot() as snapshot:
        done = snapshot.checkpoint()
        records = {kind.name: list(snapshot.records(kind)) for kind in RecordKind}
    return done, records, {day: ledger.answers(day, size) for day, size in done.answers_bytes.items()}


@pytest.fixture(scope="module")
def in_one_go(shop, tmp_path_factory):
    ledger = copied_store(shop, tmp_path_factory.mktemp("whole"), [blocks_of(shop)[-1].end])
    yield content(ledger)
    ledger.close()


def test_the_store_has_the_records_of_a_full_replay(shop, in_one_go):
    tables, window = Tables(1_000, 100, 100), AnswerWindow(10_000)
    replay(tables, window, reader_of(shop))

    _, records, _ = in_one_go

    assert {name: sorted(found) for name, found in records.items()} == {
        kind.name: sorted(tables.records(kind)) for kind in RecordKind
    }
    assert len(records["CARD"]) == 2 + 24


def test_a_projection_has_the_last_record_of_each_kind_and_key_in_the_order_of_the_keys(shop):
    tables, window = Tables(1_000, 100, 100), AnswerWindow(10_000)
    count, _ = replay(tables, window, reader_of(shop))
    projection = Projection()

    projection.take(reader_of(shop), blocks_of(shop)[-1].end)

    for kind in RecordKind:
        pairs = list(projection.records(kind))
        assert [key for key, _ in pairs] == sorted(key for key, _ in pairs)
        assert {record for _, record in pairs} == set(tables.records(kind))
    assert projection.entry_count == count
    assert projection.today == window.today


def test_the_store_remembers_the_answers_of_a_full_replay(shop, in_one_go):
    tables, window = Tables(1_000, 100, 100), AnswerWindow(10_000)
    replay(tables, window, reader_of(shop))
    done, _, answers = in_one_go
    loaded = AnswerWindow(10_000)
    loaded.start_at(done.today)

    for day, operations in answers.items():
        load_answers(loaded, day, operations)

    assert len(loaded) == len(window) > 0
    assert loaded.today == window.today
    assert len(answers) <= DATES_KEPT


def test_advancing_to_the_same_position_again_changes_nothing(shop, tmp_path):
    end = blocks_of(shop)[-1].end
    ledger = copied_store(shop, tmp_path, [end])
    before = content(ledger)

    again = ledger.advance(reader_of(shop, ledger.checkpoint()), end)

    assert content(ledger) == before
    assert again == before[0]
    ledger.close()


def test_advancing_to_an_earlier_position_changes_nothing(shop, tmp_path):
    blocks = blocks_of(shop)
    ledger = copied_store(shop, tmp_path, [blocks[-1].end])
    before = content(ledger)

    ledger.advance(reader_of(shop, ledger.checkpoint()), blocks[3].end)

    assert content(ledger) == before
    ledger.close()


@given(st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_small_steps_lead_to_the_same_store_as_one_great_step(shop, in_one_go, tmp_path_factory, data):
    ends = [block.end for block in blocks_of(shop)]
    steps = sorted(data.draw(st.sets(st.sampled_from(ends[:-1]), max_size=12)))

    ledger = copied_store(shop, tmp_path_factory.mktemp("steps"), [*steps, ends[-1]])

    done, records, answers = content(ledger)
    ledger.close()
    assert records == in_one_go[1]
    assert answers == in_one_go[2]
    assert done == in_one_go[0]


@pytest.mark.parametrize("behind", range(1, 12))
def test_a_start_from_the_store_is_a_start_from_the_journal(shop, tmp_path, behind):
    path = tmp_path / "data"
    shutil.copytree(shop, path)
    state = Desk(path).state()
    bring_up_store(path, blocks_of(path)[-behind].end)

    desk = Desk(path)

    assert desk.state() == state
    assert desk.recovered.store_position == blocks_of(path)[-behind].end


def test_bytes_behind_the_counted_answers_belong_to_nobody_and_are_written_over(shop, in_one_go, tmp_path):
    ends = [block.end for block in blocks_of(shop)]
    ledger = copied_store(shop, tmp_path, [ends[len(ends) // 2]])
    done = ledger.checkpoint()
    for day in done.answers_bytes:
        with (tmp_path / "ledger" / "answers" / f"{day}.log").open("ab") as log:
            log.write(b"\xff" * 160)  # a checkpoint that did not get to its end

    ledger.advance(reader_of(shop, done), ends[-1])

    assert content(ledger) == in_one_go
    ledger.close()


def test_logs_of_dates_that_are_over_are_removed(shop, tmp_path):
    ends = [block.end for block in blocks_of(shop)]

    ledger = copied_store(shop, tmp_path, ends)

    done = ledger.checkpoint()
    assert {file.name for file in (tmp_path / "ledger" / "answers").iterdir()} == {
        f"{done.today - n}.log" for n in range(DATES_KEPT)
    }
    ledger.close()


def test_a_store_cannot_be_advanced_beyond_the_journal(shop, tmp_path):
    end = blocks_of(shop)[-1].end
    ledger = Ledger(tmp_path / "ledger")

    with pytest.raises(ValueError, match=f"expected blocks up to position {end + 1}, reading ended at {end}"):
        ledger.advance(reader_of(shop), end + 1)

    assert ledger.checkpoint() == Checkpoint()
    ledger.close()


# ------------------------------------------------------------------------ records with a wide key


def mark(a: int, b: int = 0, c: int = 0, **fields: int) -> MarkRecord:
    return MarkRecord(key_a=a, key_b=b, key_c=c, **fields)


def hold(account: int, slot: int, **fields: Any) -> HoldRecord:
    return HoldRecord(
        account_number=account,
        slot=slot,
        hold_sequence=1,
        card_number=1,
        amount_minor=1,
        expires_ms=1,
        terminal_id=1,
        **fields,
    )


WIDE_BLOCKS: list[list[MarkRecord | HoldRecord]] = [
    [hold(5, 0), hold(5, 1), mark(1), mark(2, 3, 4), mark(2**64 - 1, 0, 1)],
    [hold(5, 0, state=GONE), mark(1, count=2), mark(256), mark(0, 0, 9, state=GONE)],
    [hold(5, 0, captured_minor=1), hold(5, 1, state=GONE), mark(1, state=GONE), mark(256, state=GONE), mark(256)],
]


@pytest.fixture
def wide_journal(tmp_path):
    """Three blocks of one entry each, with records that come, change, go and come again."""
    content, previous_hash = b"", bytes(32)
    for number, images in enumerate(WIDE_BLOCKS):
        made = entry(number + 1, 5, MessageType.CREDIT, CREDIT, Reply(code=0).encode(), *images)
        content += block(number, number + 1, [made], previous_hash)
        previous_hash = content[-len(made) - HEADER_BYTES :][HASHED_HEADER_BYTES : HASHED_HEADER_BYTES + 32]
    Path(segment_path(str(tmp_path), 0)).write_bytes(content.ljust(SEGMENT_BYTES, b"\0"))
    return tmp_path


def wide_ends(journal: Path) -> list[int]:
    reader = BlockReader(str(journal), 0, SEGMENT_BYTES)
    return [position + len(header) + len(body) for position, header, body in reader.blocks()]


@pytest.mark.parametrize("stops", [[2], [0, 2], [1, 2], [0, 1, 2], [0], [1]], ids=str)
def test_records_with_wide_keys_come_and_go_in_the_store_as_in_memory(wide_journal, stops):
    ends = wide_ends(wide_journal)
    expected: dict[tuple[int, tuple[int, ...]], bytes] = {}
    for record in [record.encode() for images in WIDE_BLOCKS[: stops[-1] + 1] for record in images]:
        expected[record[0], record_key(record)] = record
    expected = {key: record for key, record in expected.items() if record[2] != GONE}
    assert len(expected) > 3

    ledger = Ledger(wide_journal / "ledger")
    for stop in stops:
        done = ledger.checkpoint()
        reader = BlockReader(
            str(wide_journal),
            0,
            SEGMENT_BYTES,
            done.position,
            done.block_number,
            bytes.fromhex(done.chain_hash),
            done.next_sequence,
        )
        ledger.advance(reader, ends[stop])
    tables, loaded = Tables(10, 10, 10), Tables(10, 10, 10)
    for images in WIDE_BLOCKS[: stops[-1] + 1]:
        tables.load(record.encode() for record in images)
    with ledger.snapshot() as snapshot:
        stored = {kind: list(snapshot.records(kind)) for kind in (RecordKind.HOLD, RecordKind.MARK)}
        for records in stored.values():
            loaded.load(records)
    ledger.close()

    for kind, records in stored.items():
        assert set(records) == {record for (found, _), record in expected.items() if found == kind}
        assert [record_key(record) for record in records] == sorted(record_key(record) for record in records)
        assert set(tables.records(kind)) == set(loaded.records(kind)) == set(records)


def test_a_projection_tells_what_is_left_from_what_is_gone(wide_journal):
    projection = Projection()

    projection.take(BlockReader(str(wide_journal), 0, SEGMENT_BYTES), wide_ends(wide_journal)[-1])

    def key(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(8, "big") for number in numbers)

    assert list(projection.records(RecordKind.HOLD)) == [(key(5, 0, 0), hold(5, 0, captured_minor=1).encode())]
    assert projection.gone(RecordKind.HOLD) == [key(5, 1, 0)]
    assert sorted(projection.gone(RecordKind.MARK)) == [key(0, 0, 9), key(1, 0, 0)]
    assert projection.gone(RecordKind.ACCOUNT) == []
    assert list(projection.records(RecordKind.RULE)) == []


def test_replay_takes_records_with_wide_keys_over(wide_journal):
    tables, window = Tables(10, 10, 10), AnswerWindow(100)

    replay(tables, window, BlockReader(str(wide_journal), 0, SEGMENT_BYTES))

    assert sorted(tables.records(RecordKind.HOLD)) == [hold(5, 0, captured_minor=1).encode()]
    assert sorted(tables.records(RecordKind.MARK)) == sorted(
        record.encode() for record in (mark(2, 3, 4), mark(2**64 - 1, 0, 1), mark(256))
    )


def test_any_lmdb_reader_finds_a_wide_key_by_its_three_numbers(wide_journal):
    ledger = Ledger(wide_journal / "ledger")
    ledger.advance(BlockReader(str(wide_journal), 0, SEGMENT_BYTES), wide_ends(wide_journal)[-1])
    ledger.close()

    with lmdb.open(str(wide_journal / "ledger"), readonly=True, max_dbs=32) as env, env.begin() as txn:
        key = b"".join(number.to_bytes(8, "big") for number in (2, 3, 4))
        record = txn.get(key, db=env.open_db(b"mark", txn=txn, create=False))

    assert record == mark(2, 3, 4).encode()


def test_an_empty_store_stands_at_the_start_of_the_journal(tmp_path):
    Ledger(tmp_path / "ledger").close()

    ledger = Ledger(tmp_path / "ledger", readonly=True)

    assert ledger.checkpoint() == Checkpoint(position=0, next_sequence=1)
    assert content(ledger)[1] == {kind.name: [] for kind in RecordKind}
    ledger.close()


def test_any_lmdb_reader_finds_a_record_by_its_number(shop, tmp_path):
    copied_store(shop, tmp_path, [blocks_of(shop)[-1].end]).close()

    with lmdb.open(str(tmp_path / "ledger"), readonly=True, max_dbs=32) as env, env.begin() as txn:
        record = txn.get(CARD.to_bytes(8, "big"), db=env.open_db(b"account", txn=txn, create=False))

    assert record == Desk(shop).engine.tables.get(RecordKind.ACCOUNT, CARD)
