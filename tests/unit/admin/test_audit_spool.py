"""Looks do not wait for a turn to write, and none is lost, changed unseen, or in the log twice."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from admin import audit as audit_module
from admin import audit_spool
from admin.audit import Actor, Audit, first_fault
from admin.audit_spool import BrokenSpoolError, Place, Spool
from admin.models.audit import AuditRow
from tests.support.admin_office import NORTH_CARD

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
NOBODY = Actor(0, "nobody", "here")
DIES = """
import os, sys
from datetime import UTC, datetime
from admin import audit
from admin.database import Database
database = Database(sys.argv[1])
log = audit.Audit(database, lambda: datetime.now(UTC))
left = int(sys.argv[2])
def put(self, session, act, plain=audit.Audit._put):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
    plain(self, session, act)
audit.Audit._put = put
for n in range(10):
    log.refused(audit.Actor(0, "nobody", ""), "cards", "look", f"row {n}")
"""


@pytest.fixture(autouse=True)
def nobody_settles_by_himself(monkeypatch):
    """The thread that takes over what waits comes when a test says so."""
    monkeypatch.setattr(audit_module, "SETTLE_PAUSE_S", 0)
    monkeypatch.setattr(Audit, "_settle_soon", lambda _: None)


@pytest.fixture
def log(database):
    return Audit(database, lambda: datetime.now(UTC))


@contextmanager
def writing(database):
    """Somebody has the turn to write."""
    with database.write() as session:
        session.execute(text("SELECT 1"))
        yield session


def objects(database):
    with database.read() as session:
        return list(session.scalars(select(AuditRow.object).order_by(AuditRow.id)))


def test_a_look_is_answered_while_somebody_else_writes_and_stands_in_the_log_when_he_has_ended(office, database):
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    office.add_user("gus", "auditor")
    with office.browser("hana") as browser, office.browser("gus") as auditor:
        before = len(objects(database))
        with writing(database):
            answers = []
            look = threading.Thread(target=lambda: answers.append(browser.get(f"/cards?q={NORTH_CARD}")))
            look.start()
            look.join(60)
            assert not look.is_alive() and answers[0].status_code == 200 and str(NORTH_CARD) in answers[0].text
            assert len(objects(database)) == before
            assert b"cards found: 1" in Spool(database.path).path.read_bytes()  # on the disk before the answer
        assert "cards found: 1" in auditor.get("/audit").text
        assert objects(database)[before:].count("cards found: 1") == 1
    assert first_fault(database) is None


def test_a_change_takes_over_what_waited_before_it(database, log):
    with writing(database) as session:
        other = threading.Thread(target=log.refused, args=(NOBODY, "cards", "look", "first"))
        other.start()
        other.join(60)
        log.append(session, NOBODY, "cards", "put", "second")
    log.settle()
    assert objects(database) == ["first", "second"] and first_fault(database) is None


def test_killed_anywhere_on_the_way_each_look_is_in_the_log_once(database, log):
    url = database.url.render_as_string(hide_password=False)
    for left in (1, 2, 7):
        process = subprocess.run([sys.executable, "-c", DIES, url, str(left)], check=False)
        assert process.returncode == -signal.SIGKILL
    waiting = threading.Barrier(3)

    def settle():
        waiting.wait()
        log.settle()

    threads = [threading.Thread(target=settle) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each process has first taken over what the one before had left.
    assert objects(database) == [f"row {n}" for n in (0, 0, 0, 1, 2, 3, 4)]
    assert first_fault(database) is None


def test_a_file_that_has_become_large_is_begun_anew_and_nothing_is_lost(database, log, monkeypatch):
    for module in (audit_spool, audit_module):
        monkeypatch.setattr(module, "RENEW_BYTES", 300)
    for n in range(12):
        log.refused(NOBODY, "cards", "look", f"row {n}")
        if n % 5 == 4:
            log.settle()
            assert not Spool(database.path).path.exists()
    assert objects(database) == [f"row {n}" for n in range(12)]


def test_the_half_of_a_line_is_not_believed_and_a_changed_one_is_told_in_the_log(database, log):
    spool = Spool(database.path)
    with writing(database):
        for n in range(3):
            other = threading.Thread(target=log.refused, args=(NOBODY, "cards", "look", f"row {n}"))
            other.start()
            other.join(60)
    with spool.path.open("ab") as file:
        file.write(b"half of a li")  # the machine went off
    log.refused(NOBODY, "cards", "look", "row 3")
    log.settle()
    assert objects(database) == [f"row {n}" for n in range(4)]

    with writing(database):
        other = threading.Thread(target=log.refused, args=(NOBODY, "cards", "look", "row 4"))
        other.start()
        other.join(60)
        content = spool.path.read_bytes()
        spool.path.write_bytes(content.replace(b'"row 4"', b'"row 9"'))
    with pytest.raises(BrokenSpoolError):
        spool.read(Place())
    log.refused(NOBODY, "cards", "look", "row 5")
    log.settle()
    assert objects(database)[4:] == [audit_module.SPOOL_OBJECT]  # what cannot be believed lies beside, to be looked at
    assert len(list(spool.path.parent.glob(f"*{audit_spool.BROKEN_SUFFIX}*"))) == 1
    log.refused(NOBODY, "cards", "look", "row 6")
    assert objects(database)[5:] == ["row 6"] and first_fault(database) is None
    assert os.stat(spool.path).st_mode & 0o777 == audit_spool.FILE_MODE
