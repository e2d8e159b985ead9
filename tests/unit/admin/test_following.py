"""What the follower writes, against the switch: each record, each sum, once, whatever happens in between."""

import os
import random
import signal
import subprocess
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, func, select, text

from admin import follower
from admin._clock import SYSTEM
from admin.errors import JournalError
from admin.follower import follower_of
from admin.journal_feed import JournalFeed
from admin.models.journal import (
    JournalPosition,
    card_counts,
    daily_totals,
    entries,
    held_sums,
    medium_counts,
)
from admin.models.mirror import MARKS_KEPT, MIRRORS, SECRET_FIELDS, accounts, pending_points, purses
from admin.models.sales import LINE_BITS, baskets, bill_lines, fees
from admin.projection.held import count_held, read_held
from admin.projection.projector import Projector, forget
from admin.pulse import Pulse
from admin.settings import SETTINGS_FILE_VARIABLE, Settings, write_settings
from admin.switch_link import SwitchLink, link_of, read_key_file
from switch.protocol.messages import BillLine, DebitFlag, FeeKind, FeeTender, FollowReply, MessageType
from switch.protocol.records import FIRST_WIDE_KEY_KIND, GONE, RecordKind, record_bytes
from tests.support.nursery import PAGES, run
from tests.support.whole_business import CARD, FEES, OTHER_CARD, RANGE_COUNT, SPECIAL_ITEM, Business

KILLS = 10
PATIENCE_S = 4
"""Of a follower that has begun; each look for more entries comes sooner."""
OWN_TABLES = (entries, daily_totals, baskets, bill_lines, fees)


@pytest.fixture(scope="module")
def business(tmp_path_factory):
    """A switch that had a message of every type."""
    business = Business(tmp_path_factory.mktemp("switch") / "data")
    business.open()
    business.plan_tomorrow()
    business.trade()
    business.work_at_the_desk()
    business.do(MessageType.CUT_OVER, next_date=business.today + 1)
    yield business
    business.kill()


@pytest.fixture
def settings(business, database, tmp_path):
    host, port = business.switch.address
    return Settings(
        data=str(tmp_path),
        database_url=database.url.render_as_string(hide_password=False),
        switch_host=host,
        switch_port=port,
        switch_key=str(business.path / "operator.key"),
    )


def sums(database):
    """(value of entries, of daily totals, of accounts; likewise points)."""

    def one(query):
        with database.read() as session:
            return int(session.scalar(query) or 0)

    points = one(select(func.sum(accounts.c.points_hundredths))) + one(
        select(func.sum(pending_points.c.amount_hundredths))
    )
    points += one(select(func.sum(purses.c.amount)).where(purses.c.purse >= 1 << 32, purses.c.purse < 2 << 32))
    return (
        one(select(func.sum(entries.c.value_minor))),
        one(select(func.sum(daily_totals.c.value_minor))),
        one(select(func.sum(accounts.c.balance_minor))),
        one(select(func.sum(entries.c.points_hundredths))),
        one(select(func.sum(daily_totals.c.points_hundredths))),
        points,
    )


def kept(database):
    """What the follower says that all cards and accounts hold, and how many are alike."""
    with database.read() as session:
        return read_held(session) | alike(session)


def alike(connection):
    return {
        table.name: sorted(tuple(row) for row in connection.execute(select(table)) if row[-1])
        for table in (card_counts, medium_counts)
    }


def counted(database):
    """The same, counted anew from the tables; what was kept stays as it was."""
    with database.writer.connect() as connection:
        count_held(connection)
        return {name: int(value) for name, value in connection.execute(select(held_sums))} | alike(connection)


def by_key(rows, columns):
    return sorted(rows, key=lambda row: [row[n] for n in columns])


def test_each_record_of_the_switch_is_a_row_and_nothing_else_is(business, database, settings):
    follower_of(settings, database).catch_up()
    for kind, mirror in MIRRORS.items():
        width = record_bytes(kind)
        records = business.records()[RecordKind(kind).name]
        images = [records[at : at + width] for at in range(0, len(records), width)]
        if kind == RecordKind.MARK:  # of these only the lists of card types are kept
            images = [image for image in images if image[31] in MARKS_KEPT]
        wanted = [mirror.row_of(image) for image in images if kind < FIRST_WIDE_KEY_KIND or image[2] != GONE]
        with database.read() as session:
            names = ", ".join(mirror.table.columns.keys())
            rows = session.execute(text(f"SELECT {names} FROM {mirror.table.name}")).all()
        key = [mirror.table.columns.keys().index(name) for name in mirror.key_columns]
        plain = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in rows]
        assert by_key(plain, key) == by_key(wanted, key), mirror.table.name


def test_sums_of_entries_daily_totals_and_balances_are_one(business, database, settings):
    follower_of(settings, database).catch_up()
    value, daily, balances, points, daily_points, held_points = sums(database)
    assert value == daily == balances != 0
    assert points == daily_points == held_points != 0
    assert kept(database) == counted(database)
    assert [name for name, value in kept(database).items() if not value] == ["medium_counts"]  # the others were tried
    with database.read() as session:
        sequence = session.get(JournalPosition, 0).sequence
        assert session.scalar(select(func.count()).where(entries.c.part == 0)) == sequence
        assert session.scalar(select(func.sum(daily_totals.c.entry_count))) == sequence
        last = session.execute(
            select(entries.c.account_number, entries.c.balance_minor)
            .where(entries.c.account_number != 0)
            .order_by(entries.c.id)
        ).all()
        held = {row[0]: row[1] for row in session.execute(select(accounts.c.account_number, accounts.c.balance_minor))}
    assert {row[0]: row[1] for row in last} == held


def test_both_cards_of_a_transfer_have_it_in_their_history(business, database, settings):
    follower_of(settings, database).catch_up()
    with database.read() as session:
        rows = session.execute(
            select(entries.c.part, entries.c.card_number, entries.c.value_minor)
            .where(entries.c.type == MessageType.TRANSFER)
            .order_by(entries.c.id)
        ).all()
    assert [(row.part, row.card_number) for row in rows] == [(0, CARD), (1, OTHER_CARD)]
    assert rows[0].value_minor == -rows[1].value_minor < 0


def test_each_purchase_is_a_basket_with_its_lines_and_what_takes_it_back_has_a_minus(business, database, settings):
    follower_of(settings, database).catch_up()
    with database.read() as session:
        found = {row.sequence: row for row in session.execute(select(baskets))}
        lines: dict[int, list[Any]] = {}
        for line in session.execute(select(bill_lines).order_by(bill_lines.c.id)):
            lines.setdefault(line.id >> LINE_BITS, []).append(line)
        approved = session.execute(select(entries).where(entries.c.code == 0, entries.c.part == 0)).all()
    moved = {MessageType.DEBIT: 1, MessageType.CAPTURE: 1, MessageType.REFUND: -1, MessageType.REVERSAL: -1}
    wanted = {
        row.sequence: (row.amount_minor * moved[row.type], row.card_number, row.account_number, row.business_date)
        for row in approved
        if row.type in moved
    }
    told = {
        key: (row.amount_minor, row.card_number, row.account_number, row.business_date) for key, row in found.items()
    }
    assert told == wanted
    by_type: dict[int, list[Any]] = {}
    for row in found.values():
        by_type.setdefault(row.type, []).append(row)
    dues = {row.sequence: row.due_minor + row.discount_minor for row in approved}
    for row in by_type[MessageType.DEBIT]:
        assert row.visits == 1 and sum(line.amount_minor for line in lines[row.sequence]) == dues[row.sequence]
    (refund,), (reversal,) = by_type[MessageType.REFUND], by_type[MessageType.REVERSAL]
    assert refund.original_sequence in found and refund.visits == 0
    assert [(line.item, line.amount_minor) for line in lines[refund.sequence]] == [(SPECIAL_ITEM, -400)]
    assert reversal.visits == -1 and found[reversal.original_sequence].amount_minor == -reversal.amount_minor
    assert [(line.item, -line.amount_minor) for line in lines[reversal.sequence]] == [
        (line.item, line.amount_minor) for line in lines[reversal.original_sequence]
    ]
    assert found.keys() == lines.keys()


def test_lines_that_the_switch_priced_have_what_their_unit_prices_came_to(business, database, settings):
    for item, unit_price_minor in ((70_001, 1_299), (70_002, 5)):
        business.do(MessageType.PUT_PRICE, item=item, unit_price_minor=unit_price_minor)
    wanted = [(70_001, 2_500, 3_248), (70_002, 300, 2), (70_001, -1_500, -1_948)]  # 3247.5, 1.5 and -1948.5, half up
    lines = tuple(BillLine(item=item, amount_minor=0, quantity_milli=quantity) for item, quantity, _ in wanted)
    bought = business.do(MessageType.DEBIT, card_number=CARD, amount_minor=0, lines=lines, flags=DebitFlag.PRICED)
    follower_of(settings, database).catch_up()
    first = bought.journal_sequence << LINE_BITS
    with database.read() as session:
        query = select(bill_lines.c.item, bill_lines.c.quantity_milli, bill_lines.c.amount_minor)
        found = session.execute(query.where(bill_lines.c.id.between(first, first + 2)).order_by(bill_lines.c.id)).all()
    assert found == wanted
    assert sum(amount for _, _, amount in wanted) == bought.due_minor + bought.discount_minor


def test_each_fee_is_a_row(business, database, settings):
    follower_of(settings, database).catch_up()
    with database.read() as session:
        found = [(row.kind, row.tender, row.card_count, row.fee_minor) for row in session.execute(select(fees))]
    assert (FeeKind.ISSUE, FeeTender.BALANCE, RANGE_COUNT, RANGE_COUNT * FEES[FeeKind.ISSUE]) in found
    assert (FeeKind.REPORT_LOSS, FeeTender.BALANCE, 1, FEES[FeeKind.REPORT_LOSS]) in found
    assert (FeeKind.RESTORE, FeeTender.WAIVED, 1, 0) in found


def test_entries_that_come_one_by_one_make_the_same_rows_as_all_at_once(business, database, settings, tmp_path):
    """So differences to accounts of earlier batches come out of the tables as they come out of memory."""
    follower_of(settings, database).catch_up()
    whole = everything(database)
    forget(database, 0)
    key = read_key_file(business.path / "operator.key")
    with link_to(business, key) as link:
        feed = JournalFeed(0)
        bodies = list(feed.take(link.follow(0, 0)))
        assert link.follow(0, feed.wanted_position).journal_bytes == b""
    feed_again = JournalFeed(0)
    with link_to(business, key) as link:
        for body in feed_again.take(link.follow(0, 0)):
            projector = Projector(database, 0)  # a new one remembers nothing
            batch = projector.begin()
            batch.read_block(body)
            projector.commit(batch, feed_again.position, feed_again.block_hash)
    assert len(bodies) > 10
    assert everything(database) == whole


def test_one_transaction_in_pieces_makes_the_same_rows_and_ends_early_for_others_who_wait(
    business, database, settings, monkeypatch
):
    follower_of(settings, database).catch_up()
    whole = everything(database)
    monkeypatch.setattr(follower.Follower, "_bytes_max", lambda _: 1)  # each block
    commits: list[Any] = []
    event.listen(database.writer, "commit", commits.append)
    counts = []
    for is_waited_for in (False, True):
        forget(database, 0)
        commits.clear()
        monkeypatch.setattr(database, "is_waited_for", lambda answer=is_waited_for: answer)
        follower_of(settings, database).catch_up()
        assert everything(database) == whole
        counts.append(len(commits))
    assert counts[0] == 1 and counts[1] > 10


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_pieces_become_as_large_as_can_be_written_in_their_time_while_others_wait(business, database, settings):
    one = follower_of(settings, database)
    assert one._bytes_max() == follower.BATCH_BYTES  # nobody has waited
    one._waited_for_ms = SYSTEM.now_ms()
    blocks = [follower.Block(bytes(100_000), 0, b"")]
    for taken_ms, bytes_ in ((follower.PIECE_MS_MAX * 4, 100_000), (follower.PIECE_MS_MAX, 100_000), (1, 200_000)):
        one._learn(blocks, taken_ms)
        assert one._bytes_max() == bytes_
    for _ in range(20):
        one._learn(blocks, 1_000_000)
    assert one._bytes_max() == follower.PIECE_BYTES_MIN
    one._waited_for_ms -= follower.SMALL_FOR_MS + 1
    assert one._bytes_max() == follower.BATCH_BYTES


def link_to(business, key):
    host, port = business.switch.address
    return SwitchLink(host, port, key, os.urandom)  # the switch refuses a copy of a sign-on


def everything(database):
    with database.read() as session:
        return [
            session.execute(select(table).order_by(*table.primary_key.columns)).all()
            for table in (*OWN_TABLES, *(mirror.table for mirror in MIRRORS.values()))
        ]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_pulse_counts_decisions_a_second_and_survives_a_switch_that_is_gone(business, settings):
    now_ms = [1_000_000]
    pulse = Pulse(lambda: link_of(settings, SYSTEM), lambda: now_ms[0])
    first = pulse.look()
    assert first.is_reachable and first.last is None and first.terminal_count >= 1
    for _ in range(40):
        business.ask(MessageType.DEBIT, card_number=CARD, amount_minor=10)
    assert pulse.look() is first  # within the same second
    now_ms[0] += 2_000
    beat = pulse.look().last
    assert beat is not None and beat.per_second_hundredths == 2_000 and beat.sync_us is not None and beat.sync_us > 0
    now_ms[0] += 400_000
    assert [one.time_ms for one in pulse.look().beats] == [now_ms[0]]
    pulse.close()
    gone = Pulse(lambda: link_of(msgspec.structs.replace(settings, switch_port=1), SYSTEM), lambda: now_ms[0])
    assert not gone.look().is_reachable


def test_two_followers_do_not_both_take_an_entry_over(business, database, settings):
    key = read_key_file(business.path / "operator.key")
    with link_to(business, key) as link:
        reply = link.follow(0, 0)
    feed = JournalFeed(0)
    bodies = feed.take(reply)

    def commit(projector, body):
        batch = projector.begin()
        batch.read_block(body)
        projector.commit(batch, feed.position, feed.block_hash)

    first = Projector(database, 0)
    commit(first, next(bodies))
    second = Projector(database, 0)
    commit(first, next(bodies))
    before = everything(database)
    with pytest.raises(JournalError, match="somebody else follows"):
        commit(second, next(bodies))
    assert everything(database) == before


def test_another_journal_is_refused_with_a_reason(business):
    key = read_key_file(business.path / "operator.key")
    with link_to(business, key) as link:
        reply = link.follow(0, 0)
    with pytest.raises(JournalError, match="another chain"):
        next(JournalFeed(0, block_hash=bytes(31) + b"\1").take(reply))
    damaged = bytearray(reply.journal_bytes)
    damaged[200] ^= 1
    with pytest.raises(JournalError, match="its own hash"):
        next(JournalFeed(0).take(_with_bytes(reply, bytes(damaged))))


def _with_bytes(reply, journal_bytes):
    return FollowReply(
        partition=reply.partition,
        position=reply.position,
        next_position=reply.next_position,
        durable_position=reply.durable_position,
        journal_bytes=journal_bytes,
    )


def test_no_table_has_a_column_for_keys():
    names = {(mirror.table.name, column.name) for mirror in MIRRORS.values() for column in mirror.table.columns}
    assert not [name for name in names if name[1] in SECRET_FIELDS]
    assert RecordKind.CARD_KEY not in MIRRORS


DIES = """
import os, sys
import admin.projection.bulk as bulk
import admin.projection.held as held
from admin import follower
left, driver = int(sys.argv[1]), bulk.driver_of
def dying(connection):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
    return driver(connection)
bulk.driver_of = held.driver_of = dying
sys.exit(follower.main())
"""
"""A follower that is killed at its n-th bulk statement, in the middle of a transaction."""


def test_killed_at_any_statement_it_has_taken_each_entry_over_once(business, database, settings, tmp_path):
    path = tmp_path / "admin.toml"
    write_settings(path, settings)
    environment = {**os.environ, SETTINGS_FILE_VARIABLE: str(path)}
    chance = random.Random(5)
    killed = 0
    for statement in chance.sample(range(1, 34), KILLS):
        for _ in range(20):
            business.ask(MessageType.DEBIT, card_number=CARD, amount_minor=10)
        with suppress(subprocess.TimeoutExpired):  # there were fewer statements: at any moment, then
            arguments = ["follower", str(statement)]
            ended = run(
                arguments, folder=tmp_path, environment=environment, code=DIES, timeout_s=PATIENCE_S, modules=PAGES
            )
            killed += ended.returncode == -signal.SIGKILL
        value, daily, balances, points, daily_points, held_points = sums(database)
        assert value == daily == balances
        assert points == daily_points == held_points
        assert kept(database) == counted(database)
    assert killed >= KILLS // 3
    follower_of(settings, database).catch_up()
    followed = everything(database)
    forget(database, 0)
    follower_of(settings, database).catch_up()
    assert everything(database) == followed
    assert kept(database) == counted(database)
    with database.read() as session:
        sequence = session.get(JournalPosition, 0).sequence
        assert session.scalar(select(func.count()).where(entries.c.part == 0)) == sequence
