"""Writers of SQLite come one after the other, in the order of their asking: who writes all the time waits as well."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from admin.database import Database
from admin.errors import WaitedTooLongError
from admin.turnstile import GATE_SUFFIX, TURN_SUFFIX, Turnstile

WAITERS = 3
ROUNDS = 20
LOOKS_MAX = 20_000
"""A millisecond each: only a writer that takes no turn is looked for so often."""

HOLDS = """
import sys
from pathlib import Path
from admin.turnstile import Turnstile
turn = Turnstile(Path(sys.argv[1])).enter()
print("entered", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "admin.sqlite"


@pytest.fixture
def two(path):
    """The follower's way to the database, and that of a page."""
    databases = Database(f"sqlite:///{path}", is_follower=True), Database(f"sqlite:///{path}")
    with databases[0].write() as session:
        session.execute(text("CREATE TABLE notes (writer TEXT)"))
    yield databases
    for database in databases:
        database.close()


def waiting_count(path):
    """Writers of this database that the kernel lets wait."""
    files = [path.with_name(path.name + suffix) for suffix in (GATE_SUFFIX, TURN_SUFFIX)]
    inodes = {str(file.stat().st_ino) for file in files if file.exists()}
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("->" in line and line.split()[-3].split(":")[2] in inodes for line in lines)


def wait_for(condition):
    for _ in range(LOOKS_MAX):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError("nobody waits for a turn")


def note(database, writer):
    with database.write() as session:
        session.execute(text("INSERT INTO notes VALUES (:writer)"), {"writer": writer})


def test_who_waits_comes_before_one_that_writes_again_at_once(two, path):
    follower, pages = two
    for _ in range(ROUNDS):
        with follower.write() as session:
            session.execute(text("DELETE FROM notes"))
            assert not follower.is_waited_for()
            page = threading.Thread(target=note, args=(pages, "page"))
            page.start()
            wait_for(follower.is_waited_for)
            wait_for(lambda: waiting_count(path) == 1)
        for _ in range(3):
            note(follower, "follower")
        page.join()
        with pages.read() as session:
            assert session.scalars(text("SELECT writer FROM notes ORDER BY rowid")).first() == "page"


def test_several_who_wait_all_come_within_as_many_turns_of_the_one_that_never_pauses(two, path):
    follower, pages = two
    others = [Database(f"sqlite:///{path}") for _ in range(WAITERS)]  # as if each were a process of its own
    with follower.write() as session:
        session.execute(text("DELETE FROM notes"))
        threads = [threading.Thread(target=note, args=(other, "page")) for other in others]
        for number, thread in enumerate(threads, 1):
            thread.start()
            wait_for(lambda number=number: waiting_count(path) == number)
    for _ in range(3 * WAITERS):
        note(follower, "follower")
    for thread in threads:
        thread.join()
    with pages.read() as session:
        writers = session.scalars(text("SELECT writer FROM notes ORDER BY rowid")).all()
    last = max(number for number, writer in enumerate(writers) if writer == "page")
    assert writers[: last + 1].count("follower") <= WAITERS
    for other in others:
        other.close()


def test_a_turn_ends_with_the_transaction_also_when_it_is_rolled_back(two, path):
    follower, pages = two
    with pages.writer.connect() as connection:
        connection.execute(text("INSERT INTO notes VALUES ('lost')"))
    with pages.writer.connect() as connection:
        connection.execute(text("INSERT INTO notes VALUES ('kept')"))
        connection.commit()
        connection.execute(text("INSERT INTO notes VALUES ('not kept')"))
    note(follower, "follower")
    with pages.read() as session:
        assert session.scalars(text("SELECT writer FROM notes ORDER BY rowid")).all() == ["kept", "follower"]


def test_a_transaction_within_another_one_is_an_error_at_once(two):
    follower, pages = two
    with pages.write() as session:
        session.execute(text("INSERT INTO notes VALUES ('without')"))
        for database in (pages, follower):
            with pytest.raises(RuntimeError, match="of this thread"), database.write() as within:
                within.execute(text("SELECT 1"))
    note(pages, "page")


def test_readers_wait_for_nobody(two):
    follower, pages = two
    with follower.write() as session, pages.read() as reader:
        session.execute(text("INSERT INTO notes VALUES ('not yet')"))
        assert reader.scalars(text("SELECT writer FROM notes")).all() == []


def test_the_turn_of_a_killed_process_is_free(path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "entered\n"
        waiter = threading.Thread(target=lambda: Turnstile(path).enter().end())
        waiter.start()
        wait_for(lambda: waiting_count(path) == 1)
        os.kill(process.pid, signal.SIGKILL)
        waiter.join()


def holding(path):
    """A process that has the turn until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "entered\n"
    return process


def held(turnstile):
    """Who has the turn; somebody must."""
    holder = turnstile.holder()
    assert holder is not None
    return holder


def test_nobody_waits_longer_than_he_may_and_he_hears_for_whom(path):
    turnstile = Turnstile(path, wait_max_s=0.2)
    with holding(path) as process:
        threads = threading.active_count()
        for _ in range(3):
            with pytest.raises(WaitedTooLongError, match=rf"process {process.pid} \(.+\) has the turn"):
                turnstile.enter()
        assert threading.active_count() <= threads + 1  # those who gave up have left one place in the row, not three
        assert held(turnstile).is_stopped is False
        os.kill(process.pid, signal.SIGSTOP)
        wait_for(lambda: held(turnstile).is_stopped)
        with pytest.raises(WaitedTooLongError, match=f"was stopped.*kill -CONT {process.pid}"):
            turnstile.enter()
        assert turnstile.enter_at_once() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        turn = turnstile.enter()  # the place that was left is taken over
        assert held(turnstile).pid == os.getpid()
        turn.end()
        assert turnstile.holder() is None
        quick = turnstile.enter_at_once()
        assert quick is not None
        quick.end()


def test_who_gave_up_keeps_no_turn_that_comes_later(path):
    patient, impatient = Turnstile(path), Turnstile(path, wait_max_s=0.05)
    mine = patient.enter()
    refusals: list[str] = []

    def give_up():
        with pytest.raises(WaitedTooLongError) as refusal:
            impatient.enter()
        refusals.append(str(refusal.value))

    other = threading.Thread(target=give_up)
    other.start()
    other.join()
    assert refusals, "it gave up"
    mine.end()  # the turn now goes to the place of the one who gave up, and nobody of his comes for it

    turn = patient.enter()
    turn.end()
    wait_for(lambda: patient.holder() is None)
    again = impatient.enter()  # its old place came to nothing; it gets a new one
    again.end()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_page_and_a_program_hear_who_keeps_them_from_writing(office, database, monkeypatch):
    office.put_two_regions()
    office.add_user("hana", "hq-supervisor")
    token = office.token("hana")
    with office.browser("hana") as browser, office.program(token) as program:
        group = {"name": "Wise", "kind": "list"}
        body = {"name": "Wise", "note": "", "condition": None}
        with holding(Path(str(database.url.database))) as process:
            monkeypatch.setattr(database._turnstile, "_wait_max_s", 0.1)
            answer = browser.post("/member-groups/new", group)
            assert answer.status_code == 503 and str(process.pid) in answer.text and "Others are writing" in answer.text
            told = program.post("/api/v1/member-groups", json=body)
            assert told.status_code == 503 and str(process.pid) in told.json()["detail"]
            assert browser.get("/cards").status_code == 200  # who only reads is not kept
            process.kill()
            process.wait()
        assert browser.post("/member-groups/new", group).status_code == 303
