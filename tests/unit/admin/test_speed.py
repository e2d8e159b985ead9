"""Pages answer from what is kept and from indices: what they ask reads no table of a million rows."""

import re
import threading
from contextlib import contextmanager

import pytest
from alembic import command
from sqlalchemy import event, func, insert, select

from admin.access import Visitor
from admin.cards.stock import stock_of
from admin.cards.types import type_rows
from admin.documents.key_kinds import resting_on
from admin.lists.cards import CardFilter, find_cards
from admin.lists.entries import entries_by, entries_page
from admin.members import totals
from admin.members.totals import catch_up, keep
from admin.migrating import _config
from admin.models.holdings import account_days
from admin.models.journal import PART_BITS, card_counts, entries, medium_counts
from admin.points.ledger import MONEY_TYPES, POINTS_TYPES, Span, ledger_query
from admin.projection.held import count_held, read_held
from admin.projection.projector import forget
from admin.reports import consumption, losses
from admin.reports.report import Parameters
from admin.reports.running import scope_of
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import KeyPurpose, MessageType
from switch.protocol.records import AccountRecord, CardRecord, MediumRecord, PurseRecord
from tests.support.admin_members import add, hold
from tests.support.admin_office import NORTH_CARD, SOUTH_CARD
from tests.unit.admin.test_consumption import DAY, sell

sqlite_only = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
WHOLE_TABLES = re.compile(r"SCAN (entries|accounts|cards|baskets|bill_lines|members)(?! USING (COVERING )?INDEX)")


@contextmanager
def asked(database):
    """Statements that are read meanwhile."""
    statements: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, *_):
        statements.append((statement, parameters))

    event.listen(database.reader, "before_cursor_execute", note)
    yield statements
    event.remove(database.reader, "before_cursor_execute", note)


def scans(database, statements):
    """Those that read a whole table without an index, with what SQLite says."""
    found = []
    with database.reader.connect() as connection:
        for statement, parameters in statements:
            if statement.startswith(("SELECT", "WITH")):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                found += [(line[3], statement) for line in plan if WHOLE_TABLES.search(line[3])]
    return found


def put_entries(office, count, *, first=1, **values):
    row = {column.name: 0 for column in entries.columns} | {"business_date": DAY, "type": int(MessageType.DEBIT)}
    row |= {"card_number": NORTH_CARD, "account_number": NORTH_CARD, **values}
    numbers = range(first, first + count)
    with office.database.writer.begin() as connection:
        connection.execute(insert(entries), [row | {"id": n << PART_BITS, "sequence": n} for n in numbers])


@pytest.fixture
def boss(office):
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    with office.browser("hana") as browser:
        yield browser


@sqlite_only
def test_rare_entries_are_found_by_an_index_however_many_debits_lie_before_them(office, boss):
    put_entries(office, 3)
    put_entries(office, 1, first=4, type=int(MessageType.CREDIT), points_hundredths=5, amount_minor=1)
    put_entries(office, 1, first=5, code=int(ResponseCode.CLONE), due_minor=7)
    visitor = office.visitor("hana")
    assert isinstance(visitor, Visitor)
    references = office.app.state.references
    with asked(office.database) as statements, office.database.read() as session:
        for types, with_points in ((MONEY_TYPES, False), (POINTS_TYPES, True)):
            rare = [type_ for type_ in types if type_ != MessageType.DEBIT]
            query = ledger_query(types, Span(), with_points=with_points)
            rows, _ = entries_page(session, query, visitor, references, None, types=rare)
            assert [row.sequence for row in rows] == [4]
        for query, sequences in (
            (entries_by(type_=int(MessageType.CREDIT)), [4]),
            (entries_by(code=int(ResponseCode.CLONE)), [5]),
        ):
            rows, _ = entries_page(session, query, visitor, references, None)
            assert [row.sequence for row in rows] == sequences
        scope = scope_of(session, visitor)
        statements_before = len(statements)
        for part in (losses._stopped, losses._passed, losses._below_zero, losses._written_off):
            session.execute(part(scope, Parameters())).all()
        assert len(statements) == statements_before + 4
    assert scans(office.database, statements) == []


@sqlite_only
def test_the_dashboard_reads_neither_cards_nor_accounts(office, boss):
    office.put(AccountRecord(account_number=NORTH_CARD, balance_minor=700, points_hundredths=50))
    with asked(office.database) as statements:
        page = boss.get("/").text
    assert "7.00" in page and "0.50" in page
    assert scans(office.database, statements) == []


def test_sums_of_what_is_held_are_counted_once_for_an_installation_that_there_was(office, database):
    office.put_two_regions()
    office.put(
        AccountRecord(account_number=NORTH_CARD, balance_minor=700, points_hundredths=50),
        AccountRecord(account_number=SOUTH_CARD, balance_minor=-100),
        PurseRecord(account_number=NORTH_CARD, purse=1 << 32 | 3, amount=9),
        PurseRecord(account_number=NORTH_CARD, purse=2 << 32 | 3, amount=1_000),  # visits are no points
    )

    def kept():
        with database.read() as session:
            return read_held(session)

    before = kept()
    assert before == {"cards": 2, "balance_minor": 600, "account_points": 50, "purse_points": 9, "pending_points": 0}
    with database.writer.connect() as connection:
        config = _config()
        config.attributes["connection"] = connection
        for step, revision in ((command.downgrade, "0020"), (command.upgrade, "head")):
            step(config, revision)
        connection.commit()
    assert kept() == before
    office.put(AccountRecord(account_number=SOUTH_CARD, balance_minor=-300))
    with database.writer.begin() as connection:
        after = kept()
        count_held(connection)
    assert kept() == after and after["balance_minor"] == 400


@sqlite_only
def test_the_few_cards_that_are_not_active_or_in_custody_are_found_by_an_index(office, boss):
    visitor, references = office.visitor("hana"), office.app.state.references
    office.put(CardRecord(card_number=SOUTH_CARD, account_number=SOUTH_CARD, card_type=1, status=5, custody_store_id=9))
    with asked(office.database) as statements, office.database.read() as session:
        for wanted in (CardFilter(status=5), CardFilter(store_id=9), CardFilter(status=5, type_code=1, store_id=9)):
            rows, _next = find_cards(session, visitor, references, office.service, wanted, "", 50)
            assert [row.status for row in rows] == [5]
    plans = [one for one in statements if "FROM cards" in one[0]]
    assert len(plans) == 3
    with office.database.reader.connect() as connection:
        for statement, parameters in plans:
            plan = " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
            assert "USING INDEX ix_cards_" in plan and "ORDER BY" not in plan, plan


def medium(number, key_version):
    return MediumRecord(medium=2, medium_id=number, state=1, key_version=key_version, card_number=NORTH_CARD)


def test_cards_and_media_are_counted_by_what_they_are_alike_in(office, database):
    def counts():
        with database.read() as session:
            return [
                sorted(tuple(row) for row in session.execute(select(table)) if row[-1])
                for table in (card_counts, medium_counts)
            ]

    office.put_two_regions()
    office.put(medium(1, 3), medium(2, 0))
    before = counts()
    assert [row[-1] for row in before[0]] == [1, 1] and [row[-1] for row in before[1]] == [1, 1]
    office.put(CardRecord(card_number=SOUTH_CARD, account_number=SOUTH_CARD, card_type=1, status=4, pin_key_version=7))
    office.put(medium(2, 3))
    after = counts()
    assert [row[-1] for row in after[1]] == [2] and {(row[1], row[4]) for row in after[0]} == {(1, 0), (4, 7)}
    with database.writer.begin() as connection:
        count_held(connection)
    assert counts() == after
    visitor = office.visitor("hana") if office.add_user("hana", "hq-supervisor") else None
    assert visitor is not None
    with asked(database) as statements, database.read() as session:
        stock = stock_of(session, visitor, DAY)
        assert stock.types[1].counts == {1: 1, 4: 1}
        assert {row.card_count for row in type_rows(session, DAY)} == {2}
        assert resting_on(session, KeyPurpose.PIN) == {7: 1}
    if database.is_sqlite:
        assert scans(database, statements) == []


def test_figures_of_members_are_counted_beside_and_a_rebuild_counts_them_anew(office, database, monkeypatch):
    monkeypatch.setattr(totals, "PORTION_ENTRIES", 3)
    monkeypatch.setattr(totals, "KEEP_PAUSE_S", 0.01)
    put_entries(office, 10, amount_minor=100)

    def spent():
        with database.read() as session:
            return session.scalar(select(func.sum(account_days.c.spent_minor))) or 0

    assert catch_up(database, entries_max=9) == 0 and spent() == 0  # nobody waits for so many
    ending = threading.Event()
    thread = threading.Thread(target=keep, args=(database, ending))
    thread.start()
    for _ in range(1_000):
        if spent() == 1_000:
            break
        ending.wait(0.01)
    ending.set()
    thread.join()
    assert spent() == 1_000
    put_entries(office, 2, first=11, amount_minor=50)
    assert catch_up(database, entries_max=2) == 1 and spent() == 1_100
    forget(database, 0)
    assert spent() == 0
    put_entries(office, 2, amount_minor=30)
    catch_up(database)
    assert spent() == 60


def test_purchases_of_a_busy_time_are_shown_and_summed_when_somebody_asks(office, boss, monkeypatch):
    buyer = add(boss, "张伟")
    hold(office, buyer)
    for sequence in range(1, 6):
        sell(office, sequence, sequence * 100, NORTH_CARD, department=1)
    sell(office, 6, 4_000, SOUTH_CARD, department=1)  # nobody's
    address = "/member-consumption"
    whole = boss.get(f"{address}?from_date=").text
    assert "5 rows" in whole and "<tfoot>" in whole and "15.00" in whole
    monkeypatch.setattr(consumption, "LOOKED_THROUGH_MAX", 3)
    page = boss.get(f"{address}?from_date=").text
    assert "The newest 2 rows." in page and "<tfoot>" not in page and "sums=1" in page
    shown = re.findall(r'<td class="number">(\d\.00)</td>', page)
    assert "5.00" in shown and "4.00" in shown and "3.00" not in shown
    again = boss.get(f"{address}?from_date=&sums=1").text
    assert "5 rows" in again and "15.00" in again
    for sequence in range(7, 11):
        sell(office, sequence, 100, SOUTH_CARD, department=1)
    assert "None of the newest" in boss.get(f"{address}?from_date=").text
    assert "5 rows" in boss.get(f"{address}?member={buyer}&sums=1").text  # one member's own are found by his accounts


@sqlite_only
def test_of_a_busy_time_only_the_newest_sales_are_read(office, boss, monkeypatch):
    monkeypatch.setattr(consumption, "LOOKED_THROUGH_MAX", 3)
    for sequence in range(1, 8):
        sell(office, sequence, 100, NORTH_CARD, department=1)
    with asked(office.database) as statements:
        boss.get("/member-consumption?from_date=")
    about = [one for one in statements if "baskets" in one[0]]
    assert about and all("LIMIT" in statement for statement, _ in about)
