"""Rules for abnormal transactions on entries made by hand: what each pattern finds, what it leaves, and once only."""

from itertools import count

import pytest
from sqlalchemy import insert, select

from admin.abnormal.watcher import Watcher
from admin.models.journal import PART_BITS, entries
from admin.models.security import AbnormalHit, AbnormalRule, TerminalActivity
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import CardOperation, CardStatus, MessageType, SwitchMode
from switch.protocol.records import CardRecord, SwitchRecord
from tests.support.admin_office import NOON_MS, NORTH_CARD, NORTH_STORE, SOUTH_CARD, SOUTH_STORE

MINUTE_MS = 60_000
TODAY = 20_454


class Journal:
    """Entries as the follower would have written them, one a minute."""

    def __init__(self, office):
        self.office = office
        self.watcher = Watcher(office.database, 0)
        self._sequences = count(1)

    def add(self, type_=MessageType.DEBIT, *, minute=0, card=NORTH_CARD, part=0, date=TODAY, **fields):
        row = dict.fromkeys((column.name for column in entries.columns), 0)
        sequence = next(self._sequences)
        row |= {"id": sequence << PART_BITS | part, "sequence": sequence, "part": part, "type": int(type_)}
        row |= {"time_ms": NOON_MS + minute * MINUTE_MS, "business_date": date, "card_number": card}
        row |= {"terminal_id": 7, "store_id": NORTH_STORE, "amount_minor": 10_00, **fields}
        with self.office.database.writer.begin() as connection:
            connection.execute(insert(entries).values(row))
        return sequence

    def rule(self, pattern, **fields):
        values = {"name": pattern, "pattern": pattern, "made_by": 1, "made_at": self.office.service.now(), **fields}
        with self.office.database.write() as session:
            rule = AbnormalRule(**values)
            session.add(rule)
            session.flush()
            return rule.id

    def found(self):
        """(pattern, entry) of all findings, after a look."""
        self.watcher.catch_up()
        with self.office.database.read() as session:
            query = select(AbnormalRule.pattern, AbnormalHit.sequence).join(
                AbnormalHit, AbnormalHit.rule_id == AbnormalRule.id
            )
            return [tuple(row) for row in session.execute(query.order_by(AbnormalHit.id))]


@pytest.fixture
def journal(office):
    zone = SwitchRecord(partition=0, mode=SwitchMode.PRODUCTION, timezone=b"Asia/Shanghai".ljust(32, b"\0"))
    office.put(zone)
    return Journal(office)


def test_fast_and_many_count_what_was_approved_of_one_card(journal):
    journal.rule("fast", count_min=3, minutes=5)
    journal.rule("many", count_min=4)
    journal.add(minute=0)
    journal.add(minute=1)
    journal.add(minute=2, card=SOUTH_CARD)
    journal.add(minute=2, code=int(ResponseCode.FUNDS))
    journal.add(minute=2, part=1)
    assert journal.found() == []
    third = journal.add(minute=4)
    fourth = journal.add(minute=30)
    journal.add(minute=31)
    assert journal.found() == [("fast", third), ("many", fourth)]
    journal.add(minute=40, date=TODAY + 1)
    assert journal.found() == [("fast", third), ("many", fourth)]


def test_large_and_night_by_the_clock_of_the_stores(journal):
    journal.rule("large", amount_minor=50_00)
    journal.rule("night", from_minute=20 * 60, until_minute=6 * 60, amount_minor=1)
    journal.add(minute=-1, amount_minor=49_99)  # 19:59 in Shanghai
    late = journal.add(minute=0, amount_minor=50_00)
    early = journal.add(minute=9 * 60 + 59)
    journal.add(minute=10 * 60)
    assert journal.found() == [("large", late), ("night", late), ("night", early)]


def test_two_stores_names_the_other_one(journal):
    journal.rule("two-stores", minutes=30)
    journal.add(minute=0)
    journal.add(minute=29, card=SOUTH_CARD, store_id=SOUTH_STORE)
    moved = journal.add(minute=30, store_id=SOUTH_STORE)
    journal.add(minute=61, store_id=NORTH_STORE)
    assert journal.found() == [("two-stores", moved)]
    with journal.office.database.read() as session:
        hit = session.scalars(select(AbnormalHit)).one()
    assert (hit.store_id, hit.other_store_id) == (SOUTH_STORE, NORTH_STORE)


def test_series_round_recharges_refunds_backfills_and_unsold_cards(journal):
    journal.rule("refused", count_min=2, minutes=10)
    journal.rule("round-recharge", amount_minor=100_00, minutes=60)
    journal.rule("refund-alone", minutes=1_000)
    journal.rule("backfills", count_min=2)
    journal.rule("unsold")
    journal.add(minute=0, code=int(ResponseCode.FUNDS))
    series = journal.add(minute=9, code=int(ResponseCode.PIN_WRONG))
    journal.add(MessageType.CREDIT, minute=10, amount_minor=300_00, card=SOUTH_CARD)
    journal.add(MessageType.CREDIT, minute=10, amount_minor=150_00)
    journal.add(minute=20)
    spent = journal.add(minute=20, card=SOUTH_CARD)
    journal.add(minute=21, card=SOUTH_CARD)
    journal.add(MessageType.REFUND, minute=30, amount_minor=10_00)
    alone = journal.add(MessageType.REFUND, minute=31, amount_minor=10_01)
    journal.add(MessageType.BACKFILL, minute=40)
    by_hand = journal.add(MessageType.ADJUST_POINTS, minute=41, card=SOUTH_CARD)
    made = CardRecord(card_number=6222_0201_0009_9999, card_type=1, status=CardStatus.MADE)
    journal.office.put(made)
    tried = journal.add(minute=50, card=made.card_number, code=int(ResponseCode.CARD_STATUS))
    journal.add(minute=51, card=NORTH_CARD, code=int(ResponseCode.CARD_STATUS))
    assert sorted(journal.found()) == sorted(
        [
            ("refused", series),
            ("round-recharge", spent),
            ("refund-alone", alone),
            ("backfills", by_hand),
            ("unsold", tried),
        ]
    )


def test_a_rule_of_a_store_leaves_the_others_and_one_that_is_off_leaves_all(journal):
    journal.rule("large", amount_minor=1, store_id=SOUTH_STORE)
    journal.rule("large", amount_minor=1, is_enabled=False)
    journal.add()
    theirs = journal.add(store_id=SOUTH_STORE)
    assert journal.found() == [("large", theirs)]


def _die(*_):
    raise RuntimeError("killed")


def test_each_entry_is_looked_at_once_whoever_looks(journal, monkeypatch):
    monkeypatch.setattr("admin.abnormal.watcher.SPAN_ENTRIES", 2)
    journal.rule("large", amount_minor=1)
    for minute in range(5):
        journal.add(minute=minute, operation=int(CardOperation.ISSUE))
    other, late = Watcher(journal.office.database, 0), Watcher(journal.office.database, 0)
    monkeypatch.setattr(late, "_position", lambda _: 0)  # has asked for the position before the others moved it
    assert journal.watcher.work() and other.work() and late.work()
    # Dies before the commit: the next look finds the same entries, once.
    with monkeypatch.context() as patch:
        patch.setattr("admin.abnormal.watcher._raise", _die)
        with pytest.raises(RuntimeError):
            journal.watcher.work()
    assert len(journal.found()) == 5 and not other.work()
    with journal.office.database.read() as session:
        seen = session.get(TerminalActivity, 7)
    assert (seen.entry_count, seen.last_sequence, seen.last_ms) == (5, 5, NOON_MS + 4 * MINUTE_MS)


def test_a_store_sees_its_own_findings_and_changes_no_rule_of_the_group(journal):
    office = journal.office
    office.put_two_regions()
    rule = journal.rule("large", amount_minor=1)
    journal.add(store_id=NORTH_STORE)
    journal.add(store_id=SOUTH_STORE, card=SOUTH_CARD)
    journal.found()
    office.add_user("sue", "security", organisation_id=NORTH_STORE, totp=True)
    with office.browser("sue") as sue:
        page = sue.get("/abnormal").text
        reference = office.app.state.references.make
        assert reference(NORTH_CARD) in page and reference(SOUTH_CARD) not in page
        with office.database.read() as session:
            ids = {hit.store_id: hit.id for hit in session.scalars(select(AbnormalHit))}
        theirs = sue.post(f"/abnormal/{ids[SOUTH_STORE]}/handle", {"state": "acknowledged"}, page="/abnormal")
        assert theirs.status_code == 409 and "no such finding" in theirs.text
        fields = {"name": "x", "pattern": "large", "amount_minor": "1", "store_id": str(NORTH_STORE)}
        changed = sue.post(f"/abnormal/rules/{rule}", fields)
        assert changed.status_code == 409 and "whole group" in changed.text
        everywhere = sue.post("/abnormal/rules/new", {**fields, "store_id": "0"})
        assert everywhere.status_code == 409 and "your part" in everywhere.text
        assert sue.post("/abnormal/rules/new", fields).status_code == 303
