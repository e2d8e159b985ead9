"""Every card operation from every status: docs/decision.md, section 15, written down once more as a table.

A cell is the status afterwards, or the code of the refusal.  Each status is
reached by operators' messages alone.
"""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.lifecycle import TRANSITIONS
from switch.protocol.messages import CardFlag, CardOperation, CardStatus, CardTypeFlag, MessageType, TypeState
from tests.support.card_desk import CardDesk

VALIDITY_DAYS = 10
FIRST_CARD = 70_000_000

PAST_ITS_LAST_DATE = """
                none ACTV FROZ RSVD MADE DRWN ISSD LOST EXPD BAD  REPL RETD VOID CORR CLRD RELD
RESERVE         RSVD 111  111  123  111  111  111  111  111  111  111  111  111  111  111  RSVD
UNRESERVE       14   62   62   RELD 62   62   62   62   62   62   62   62   62   62   62   123
MAKE            MADE 123  111  MADE 123  123  123  111  111  111  111  111  111  111  111  MADE
DRAW            14   62   62   62   DRWN 123  62   62   62   62   62   62   62   62   62   62
ISSUE           14   123  62   62   ISSD ISSD 123  62   62   62   62   62   62   62   62   62
MAKE_AND_ISSUE  ISSD 123  111  ISSD 111  111  123  111  111  111  111  111  111  111  111  ISSD
ACTIVATE        14   123  62   62   62   62   ACTV 62   62   62   62   62   62   62   62   62
REPORT_LOSS     14   LOST LOST 62   62   62   LOST 123  62   62   62   62   62   62   62   62
RESTORE         14   62   62   62   62   62   62   EXPD 62   62   62   62   62   62   62   62
FREEZE          14   FROZ 123  62   62   62   62   62   62   62   62   62   62   62   62   62
UNFREEZE        14   123  EXPD 62   62   62   62   62   62   62   62   62   62   62   62   62
EXPIRE          14   EXPD 62   62   62   62   62   62   123  62   62   62   62   62   62   62
RENEW           14   ACTV 62   62   62   62   62   62   ACTV 62   62   62   62   62   62   62
MARK_BAD        14   BAD  BAD  62   62   62   62   62   62   123  62   62   62   62   62   62
REPLACE         14   REPL 62   62   62   62   62   REPL REPL REPL 123  62   62   62   62   62
RETURN          14   RETD 62   62   62   62   62   62   RETD 62   62   123  62   62   62   62
VOID            14   VOID VOID VOID VOID VOID VOID VOID VOID VOID 62   62   123  62   62   62
CLEAR           14   62   62   62   CLRD 62   62   62   62   62   62   CLRD CLRD 62   123  62
CORRECT         14   CORR CORR CORR CORR CORR CORR CORR CORR CORR 62   62   62   123  62   62
BLACKLIST       14   ACTV FROZ RSVD MADE DRWN ISSD LOST EXPD BAD  REPL RETD VOID CORR CLRD RELD
UNBLACKLIST     14   123  123  123  123  123  123  123  123  123  123  123  123  123  123  123
CHARGE_FEE      14   ACTV FROZ 62   62   62   ISSD LOST EXPD BAD  62   62   62   62   62   62
"""
IN_TIME = """
                ACTV FROZ LOST
RESTORE         62   62   ACTV
UNFREEZE        123  ACTV 62
EXPIRE          88   62   62
"""
"""Where the last date matters, before it has passed."""

STATUSES: dict[str, CardStatus | None] = {
    "none": None,
    "ACTV": CardStatus.ACTIVE,
    "FROZ": CardStatus.FROZEN,
    "RSVD": CardStatus.RESERVED,
    "MADE": CardStatus.MADE,
    "DRWN": CardStatus.DRAWN,
    "ISSD": CardStatus.ISSUED,
    "LOST": CardStatus.LOST,
    "EXPD": CardStatus.EXPIRED,
    "BAD": CardStatus.BAD,
    "REPL": CardStatus.REPLACED,
    "RETD": CardStatus.RETURNED,
    "VOID": CardStatus.VOID,
    "CORR": CardStatus.CORRECTED,
    "CLRD": CardStatus.CLEARED,
    "RELD": CardStatus.RELEASED,
}
NAMES = {status: name for name, status in STATUSES.items()}


def cells(table):
    """(operation, status before): what stands in the cell."""
    head, *rows = (line.split() for line in table.strip().splitlines())
    return {
        (CardOperation[row[0]], STATUSES[name]): cell for row in rows for name, cell in zip(head, row[1:], strict=True)
    }


def request(operation, spare_number):
    """What the operation needs to be approved, if the status lets it."""
    fields = {"operator_id": 3, "approver_id": 4}
    if operation in (CardOperation.RESERVE, CardOperation.MAKE, CardOperation.MAKE_AND_ISSUE):
        fields |= {"card_type": 1, "flags": 2}
    if operation == CardOperation.DRAW:
        fields["store_id"] = 7
    if operation in (CardOperation.REPLACE, CardOperation.CORRECT):
        fields["related_number"] = spare_number
    return fields


def outcome(desk, operation, card_number, spare_number):
    """Status afterwards, or the code."""
    answer = desk.operate(operation, card_number, **request(operation, spare_number))
    if answer.code == ResponseCode.APPROVED:
        return NAMES[CardStatus(answer.card(card_number).status)]
    if answer.code == ResponseCode.CARD_STATUS:
        return "62", answer.reply.detail
    return str(answer.reply.code)


def walk(desk, wanted, days_later):
    """Play every cell of a table: a card of its own for each."""
    numbers = {cell: (FIRST_CARD + 2 * n, FIRST_CARD + 2 * n + 1) for n, cell in enumerate(wanted)}
    for (operation, status), (card_number, spare_number) in numbers.items():
        is_expired = status == CardStatus.EXPIRED
        desk.bring_to(CardStatus.ACTIVE if is_expired else status, card_number, spare_number=spare_number + 10_000)
        if operation == CardOperation.REPLACE:
            desk.bring_to(CardStatus.MADE, spare_number)
    desk.today += days_later
    found = {}
    for (operation, status), (card_number, spare_number) in numbers.items():
        if status == CardStatus.EXPIRED:
            desk.bring_to(CardStatus.EXPIRED, card_number)
        found[operation, status] = outcome(desk, operation, card_number, spare_number)
    return found


@pytest.fixture
def desk(decider):
    """A decider with a type that asks for activation, and a store."""
    desk = CardDesk(decider(timezone="UTC", replay=False, cards_max=5_000))
    desk.do(
        MessageType.PUT_CARD_TYPE,
        code=1,
        flags=CardTypeFlag.ACTIVATION_REQUIRED,
        state=TypeState.APPROVED,
        validity_days=VALIDITY_DAYS,
    )
    desk.do(MessageType.PUT_STORE, store_id=7)
    return desk


@pytest.mark.parametrize(("table", "days_later"), [(PAST_ITS_LAST_DATE, VALIDITY_DAYS + 1), (IN_TIME, VALIDITY_DAYS)])
def test_every_operation_from_every_status(desk, table, days_later):
    wanted = {
        (operation, status): ("62", status) if cell == "62" else cell
        for (operation, status), cell in cells(table).items()
    }

    assert walk(desk, wanted, days_later) == wanted


def test_a_blacklisted_card_is_taken_off_by_two_people_in_every_status(desk):
    desk.today += 0
    for n, status in enumerate(s for s in STATUSES.values() if s not in (None, CardStatus.EXPIRED)):
        number = FIRST_CARD + 2 * n
        desk.bring_to(status, number, spare_number=number + 1)

        listed = desk.done(CardOperation.BLACKLIST, number)
        again = desk.operate(CardOperation.BLACKLIST, number)
        alone = desk.operate(CardOperation.UNBLACKLIST, number)
        same = desk.operate(CardOperation.UNBLACKLIST, number, approver_id=1)
        off = desk.done(CardOperation.UNBLACKLIST, number, approver_id=2)

        assert (listed.card(number).flags, off.card(number).flags) == (CardFlag.BLACKLISTED, 0)
        assert (listed.card(number).status, off.card(number).status) == (status, status)
        assert [answer.code for answer in (again, alone, same)] == [
            ResponseCode.DONE_BEFORE,
            ResponseCode.SAME_PERSON,
            ResponseCode.SAME_PERSON,
        ]


def test_the_product_starts_its_operations_from_the_statuses_of_the_table():
    approved = {
        (operation, status)
        for (operation, status), cell in cells(PAST_ITS_LAST_DATE).items()
        if cell in STATUSES or (operation == CardOperation.UNBLACKLIST and cell == "123")
    }

    assert approved == {(operation, status) for operation, step in TRANSITIONS.items() for status in step.froms}
    assert len(cells(PAST_ITS_LAST_DATE)) == len(CardOperation) * (len(CardStatus) + 1)
