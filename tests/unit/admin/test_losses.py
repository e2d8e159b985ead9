"""Losses by fraud and credit: what was stopped, what passed before an alarm, what rules found, what is owed."""

import csv
import io
import re

import pytest
from sqlalchemy import insert

from admin.models.journal import PART_BITS, entries
from admin.models.security import AbnormalHit, AbnormalRule, AbnormalState
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import AlarmKind, AlarmState, CardOperation, MessageType
from switch.protocol.records import AccountRecord, AlarmRecord
from tests.support.admin_office import NOON_MS, NORTH, NORTH_CARD, NORTH_STORE, SOUTH_CARD, SOUTH_STORE

MINUTE_MS, DATE = 60_000, 20_454


def add(office, sequence, card, store, **fields):
    row = dict.fromkeys((column.name for column in entries.columns), 0)
    row |= {"id": sequence << PART_BITS, "sequence": sequence, "type": int(MessageType.DEBIT), "business_date": DATE}
    row |= {"time_ms": NOON_MS + sequence * MINUTE_MS, "card_number": card, "account_number": card, "store_id": store}
    row |= {"accepting_organisation_id": store, "issuing_organisation_id": store, "terminal_id": 7, **fields}
    with office.database.writer.begin() as connection:
        connection.execute(insert(entries).values(row))


def alarm(sequence, kind, state):
    return AlarmRecord(
        sequence=sequence,
        alarm=kind,
        state=state,
        card_number=NORTH_CARD,
        first_store_id=NORTH_STORE,
        second_store_id=NORTH_STORE,
        first_ms=NOON_MS + 2 * MINUTE_MS,
        second_ms=NOON_MS + 4 * MINUTE_MS,
    )


@pytest.fixture
def shop(office):
    """A copied card in the north: two payments, a refusal, an alarm, a finding; a debt, a write-off in the south."""
    office.put_two_regions()
    add(office, 1, NORTH_CARD, NORTH_STORE, amount_minor=99_00)  # before the first sighting: the holder's own
    for sequence, amount in ((2, 20_00), (3, 5_00)):
        add(office, sequence, NORTH_CARD, NORTH_STORE, amount_minor=amount)
    for sequence, due in ((4, 70_00), (5, 10_00)):
        add(office, sequence, NORTH_CARD, NORTH_STORE, code=int(ResponseCode.CLONE), due_minor=due)
    add(office, 6, SOUTH_CARD, SOUTH_STORE, code=int(ResponseCode.FUNDS), due_minor=33_00)  # no fraud: no money
    add(office, 7, SOUTH_CARD, SOUTH_STORE, type=int(MessageType.OPERATE_CARD), operation=int(CardOperation.VOID),
        value_minor=-4_00)  # fmt: skip
    office.put(
        alarm(4, AlarmKind.CLONE, AlarmState.CONFIRMED),
        alarm(5, AlarmKind.TRAVEL, AlarmState.CLEARED),
        AccountRecord(account_number=SOUTH_CARD, balance_minor=-8_00),
    )
    with office.database.write() as session:
        rule = AbnormalRule(name="Night", pattern="night", made_by=1, made_at=office.service.now())
        session.add(rule)
        session.flush()
        for number, state in enumerate((AbnormalState.CONFIRMED, AbnormalState.CLEARED)):
            hit = {"rule_id": rule.id, "subject": str(number), "state": state, "sequence": 3, "time_ms": NOON_MS}
            hit |= {"business_date": DATE, "card_number": NORTH_CARD, "store_id": NORTH_STORE, "amount_minor": 12_00}
            session.add(AbnormalHit(**hit))
    return office


def table(page):
    """Rows of a page's table, as texts."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2].partition("</tbody>")[0], re.S)
    return [[re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.S)] for row in rows]


ALL = [
    ["Stopped by the switch", "Clone", "2", "1", "80.00"],
    ["Fraud that passed before its alarm", "Copied card", "1", "1", "25.00"],
    ["Fraud that a rule found afterwards", "Payment at night", "1", "1", "12.00"],
    ["Credit and value written off", "Balances below zero, now", "1", "1", "8.00"],
    ["Credit and value written off", "Value of cards that were voided", "1", "1", "4.00"],
]


@pytest.mark.feature("GJ-073")
def test_security_staff_see_losses_beside_the_rules_that_stopped_or_missed_them(shop):
    shop.add_user("sec", "security")
    shop.add_user("finn", "finance")
    shop.add_user("nora", "security", organisation_id=NORTH)
    shop.add_user("desk", "card-desk")
    with shop.browser("sec") as sec:
        page = sec.get("/losses")
        assert page.status_code == 200 and table(page.text) == ALL
        assert "/abnormal/rules" in page.text and "/alarms" in page.text
        later = table(sec.get("/losses?from_date=2026-02-01").text)
        assert [row[1:] for row in later if row[2] != "0"] == [ALL[3][1:]]  # what is owed now is owed now
        assert "A date such as" in sec.get("/losses?from_date=x").text
    with shop.browser("finn") as finn:
        rows = list(csv.reader(io.StringIO(finn.get("/reports/losses/csv").content.decode("utf-8-sig"))))
        assert [row[-1] for row in rows[1 : len(ALL) + 1]] == [row[-1] for row in ALL]
    with shop.browser("nora") as nora:
        assert [row for row in table(nora.get("/losses").text) if row[2] != "0"] == ALL[:3]
    with shop.browser("desk") as desk:
        assert desk.get("/losses").status_code == 403
