"""Card-type authorisation on both databases: windows, quantities, what is given back, who may grant."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from admin.cards.authorisations import find_open, grant, grants_page, revoke, take
from admin.errors import RefusedError
from admin.models.authorisations import AuthorisationUse, Task
from admin.models.documents import Document, DocumentState
from tests.support.admin_office import NORTH, SOUTH
from tests.unit.admin.test_rights import visitor


@pytest.fixture
def desk(office):
    """A supervisor and two employees in two regions."""
    office.put_two_regions()
    office.add_user("boss", "hq-supervisor")
    return office, office.add_user("nora", "card-desk", organisation_id=NORTH), visitor(office, "boss")


def granted(office, by, user_id, **fields):
    now = office.service.now()
    wanted = {"card_type": 1, "tasks": 3, "from_at": now, "until_at": now + timedelta(hours=1), "cards_max": 10}
    return grant(office.service, by, user_id=user_id, remark="", **(wanted | fields))


def taken(office, user_id, count, *tasks):
    """A document that takes so many cards; its number."""
    with office.database.write() as session:
        document = Document(
            kind="make-cards", state=DocumentState.SUBMITTED, form="{}", organisation_id=0, maker_id=user_id,
            made_at=office.service.now(), digest=b"",
        )  # fmt: skip
        session.add(document)
        session.flush()
        needs = Counter({(1, task): count for task in tasks or (Task.MAKE,)})
        take(session, document, needs, office.service.now())
        return document.id


def test_a_quantity_is_used_up_by_documents_and_given_back_by_those_that_are_rejected(desk):
    office, nora, boss = desk
    granted(office, boss, nora)
    first = taken(office, nora, 7)
    with pytest.raises(RefusedError, match="covers"):
        taken(office, nora, 4)
    taken(office, nora, 3, Task.MAKE, Task.ISSUE)
    with office.database.write() as session:
        session.get_one(Document, first).state = DocumentState.REJECTED
    taken(office, nora, 7)
    with office.database.read() as session:
        assert sum(session.scalars(select(AuthorisationUse.card_count))) == 17
        rows = grants_page(session, boss, office.service.now(), card_type=1, before=None, limit=10)
    assert [(one.state, one.used) for one in rows] == [("open", 10)]


def test_a_window_opens_and_closes_and_a_task_is_not_another(desk):
    office, nora, boss = desk
    now = office.service.now()
    granted(
        office, boss, nora, tasks=Task.ISSUE, from_at=now + timedelta(minutes=1), until_at=now + timedelta(minutes=2)
    )
    needs = Counter({(1, Task.ISSUE): 1})
    for minutes, is_open in ((0, False), (1, True), (2, False)):
        with office.database.read() as session:
            if is_open:
                assert list(find_open(session, nora, needs, now + timedelta(minutes=minutes)).values()) == [1]
            else:
                with pytest.raises(RefusedError, match="not authorised"):
                    find_open(session, nora, needs, now + timedelta(minutes=minutes))
    with office.database.read() as session, pytest.raises(RefusedError):
        find_open(session, nora, Counter({(1, Task.MAKE): 1}), now + timedelta(minutes=1))
    with office.database.read() as session, pytest.raises(RefusedError):
        find_open(session, nora, Counter({(2, Task.ISSUE): 1}), now + timedelta(minutes=1))


def test_what_waits_under_a_revoked_authorisation_is_over(desk):
    office, nora, boss = desk
    number = granted(office, boss, nora)
    document_id = taken(office, nora, 5)
    revoke(office.service, boss, number)
    with office.database.write() as session, pytest.raises(RefusedError, match="is over"):
        take(session, session.get_one(Document, document_id), Counter(), office.service.now())
    with pytest.raises(RefusedError, match="revoked already"):
        revoke(office.service, boss, number)


def test_nobody_authorises_himself_or_somebody_out_of_his_part(desk):
    office, nora, boss = desk
    with pytest.raises(RefusedError, match="himself"):
        granted(office, boss, boss.user_id)
    office.add_user("sam", "hq-supervisor", organisation_id=SOUTH)
    with pytest.raises(RefusedError, match="no such user"):
        granted(office, visitor(office, "sam"), nora)
    with pytest.raises(RefusedError, match="after it begins"):
        granted(office, boss, nora, until_at=office.service.now())
