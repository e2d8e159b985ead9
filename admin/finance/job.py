"""The job of the books: makes the documents of closed business dates, hands them over, reads what was answered.

A document is made in the transaction that says up to which entry it stands for, so each entry is in exactly one,
however often the job is killed or run twice; days that were missed are made up for, since what counts is the difference
between the ledger's sums and those of the documents.  Handing over comes after, and again after a kill: the same key
has the same content, and the books take a key once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.audit import Actor
from admin.database import to_ms
from admin.errors import RefusedError
from admin.i18n import FIRST_DATE
from admin.members.today import today_of
from admin.models.finance import FinanceDocument, FinanceRun, FinanceSetup, FinanceState
from admin.models.journal import daily_totals
from admin.processes import work_until
from admin.service import Service

from .adapter import Books, Folder, Outgoing, key_of
from .contents import ACCOUNTS, Content, last_sequence, parts_of

_ = str
MODULE = "data-exchange"
SETUP = 1
DAYS_BACK_MAX = 400
"""What is older has no more entries: requests of a date are taken for one more date."""
DAYS_BACK_USUAL = 3
MADE_AT_ONCE, SENT_AT_ONCE, ANSWERS_AT_ONCE = 50, 100, 5_000
"""Of one round; looking for 5,000 answers in a folder takes some hundredths of a second."""
WAIT_FIRST_MS, WAIT_MOST_MS = 60_000, 3_600_000
"""Before a refused document is sent again; doubled each time."""
IDLE_PAUSE_S = 20.0
ACCOUNT_LENGTH_MAX = 40
CLOCK = Actor(0, "(finance job)", "")

log = structlog.get_logger("finance job")


@dataclass(frozen=True, slots=True)
class Day:
    """A business date in the ledger and in the documents."""

    date: int
    ledger_minor: int
    """By what balances changed."""
    documents_minor: int
    ledger_count: int
    documents_count: int
    states: Mapping[str, int]
    """Documents by state."""

    @property
    def is_equal(self) -> bool:
        """Whether the documents say what the ledger says."""
        return (self.ledger_minor, self.ledger_count) == (self.documents_minor, self.documents_count)


class FinanceJob:
    """Does what is due; safe to run beside another one."""

    def __init__(self, service: Service, books: Books | None = None) -> None:
        self._service = service
        settings = service.settings
        self._looked_back_on = -1
        """Business date on which all dates were looked at; until the next one, only the last ones are."""
        self._books = books or Folder(Path(settings.finance_folder or Path(settings.data) / "finance"))

    def work(self, user_id: int = 0) -> bool:
        """One round; False when there was nothing to do."""
        run = FinanceRun(
            time=self._service.now(),
            user_id=user_id,
            made_count=0,
            sent_count=0,
            acknowledged_count=0,
            failed_count=0,
            problem="",
        )
        try:
            run.made_count = self._make()
            self._send(run)
        except OSError as error:
            run.problem = f"{type(error).__name__}: {error.strerror or error}"
            log.warning("the books cannot be reached", reason=run.problem)
        except IntegrityError:
            return True  # another job has made these documents
        is_done = bool(run.made_count or run.sent_count or run.acknowledged_count or run.failed_count)
        if is_done or (run.problem and user_id):
            with self._service.database.write() as session:
                session.add(run)
                counts: dict[str, Any] = {"made": run.made_count, "sent": run.sent_count, "problem": run.problem}
                self._service.audit.append(session, CLOCK, MODULE, "finance job", "books", **counts)
        return is_done

    def _make(self) -> int:
        """Documents of dates that are over, as far as the ledger has what they have not; how many."""
        service = self._service
        with service.database.write() as session:
            setup = session.get(FinanceSetup, SETUP, with_for_update=True)
            if setup is None or not setup.is_on:
                return 0
            today = (today_of(session, service) - FIRST_DATE).days
            made = 0
            is_whole = self._looked_back_on != today
            first = max(setup.first_date, today - (DAYS_BACK_MAX if is_whole else DAYS_BACK_USUAL))
            due = _due(session, first, today)
            if len(due) <= MADE_AT_ONCE:
                self._looked_back_on = today
            for (date, store_id), (after, number) in due[:MADE_AT_ONCE]:
                until = last_sequence(session, date, store_id, after)
                for part in parts_of(session, date, store_id, after, until) if until else ():
                    number += 1
                    made += 1
                    session.add(
                        FinanceDocument(
                            business_date=date,
                            store_id=store_id,
                            number=number,
                            is_red=part.is_red,
                            until_sequence=until,
                            entry_count=part.entry_count,
                            value_minor=part.content.value_minor,
                            content=msgspec.json.encode(part.content).decode(),
                            state=FinanceState.WAITING
                            if part.content.voucher or part.content.goods
                            else FinanceState.EMPTY,
                            made_at=service.now(),
                        )
                    )
            if made:
                service.audit.append(session, CLOCK, MODULE, "make finance documents", "books", documents=made)
            return made

    def _send(self, run: FinanceRun) -> None:
        """Read answers, then hand over what waits: an answer to what was sent before a kill is not missed."""
        now_ms = to_ms(self._service.now())
        with self._service.database.read() as session:
            setup = session.get(FinanceSetup, SETUP)
            if setup is None:
                return
            accounts = msgspec.json.decode(setup.accounts, type=dict[str, str])
            query = select(FinanceDocument).order_by(
                FinanceDocument.next_try_ms,
                FinanceDocument.business_date,
                FinanceDocument.store_id,
                FinanceDocument.number,
            )
            due = FinanceDocument.state.in_((FinanceState.WAITING, FinanceState.FAILED))
            waiting = session.scalars(query.where(due).limit(SENT_AT_ONCE)).all()
            unanswered = query.where(FinanceDocument.state == FinanceState.SENT)
            sent = session.scalars(unanswered.limit(ANSWERS_AT_ONCE)).all()
            session.expunge_all()
            documents = [*sent, *waiting]
        for document in documents:
            if self._take_answer(document, run):
                continue
            is_due = document.state == FinanceState.WAITING or (
                document.state == FinanceState.FAILED and document.next_try_ms <= now_ms
            )
            if is_due:
                self._books.send(
                    Outgoing(
                        document.business_date,
                        document.store_id,
                        document.number,
                        document.is_red,
                        msgspec.json.decode(document.content, type=Content),
                        accounts,
                        self._service.settings.currency,
                    )
                )
                self._move(document, FinanceState.SENT)
                run.sent_count += 1

    def _take_answer(self, document: FinanceDocument, run: FinanceRun) -> bool:
        key = key_of(document.business_date, document.store_id, document.number)
        answer = self._books.answer(key)
        if answer is None or answer.mark == document.answer_mark:
            return False
        state = FinanceState.ACKNOWLEDGED if answer.is_taken else FinanceState.FAILED
        self._move(document, state, reason=answer.reason, mark=answer.mark)
        run.acknowledged_count += answer.is_taken
        run.failed_count += not answer.is_taken
        return True

    def _move(self, seen: FinanceDocument, state: FinanceState, *, reason: str = "", mark: str = "") -> None:
        """Bring a document to another state, unless somebody has meanwhile."""
        now = self._service.now()
        with self._service.database.write() as session:
            key = seen.business_date, seen.store_id, seen.number
            row = session.get_one(FinanceDocument, key, with_for_update=True)
            if row.state != seen.state:
                return
            row.state = state
            service = self._service
            if state == FinanceState.SENT:
                row.sent_at, row.attempts = now, row.attempts + 1
                service.audit.append(session, CLOCK, MODULE, "send document", f"books {key_of(*key)}")
                return
            row.answered_at, row.answer_mark, row.problem = now, mark, reason
            if state == FinanceState.FAILED:
                wait_ms = min(WAIT_FIRST_MS << min(row.attempts, 10), WAIT_MOST_MS)
                row.next_try_ms = to_ms(now) + wait_ms
            detail = {"reason": reason} if reason else {}
            action = _("document refused") if reason or state == FinanceState.FAILED else _("document taken")
            service.audit.append(session, CLOCK, MODULE, action, f"books {key_of(*key)}", **detail)


def _due(session: Session, first: int, today: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """((date, store), (last entry, last number) of its documents) where the ledger has entries that they lack."""
    totals = (
        select(daily_totals.c.business_date, daily_totals.c.store_id, func.sum(daily_totals.c.entry_count))
        .where(daily_totals.c.business_date >= first, daily_totals.c.business_date < today)
        .group_by(daily_totals.c.business_date, daily_totals.c.store_id)
        .order_by(daily_totals.c.business_date, daily_totals.c.store_id)
    )
    made = (
        select(
            FinanceDocument.business_date,
            FinanceDocument.store_id,
            func.sum(FinanceDocument.entry_count),
            func.max(FinanceDocument.until_sequence),
            func.max(FinanceDocument.number),
        )
        .where(FinanceDocument.business_date >= first)
        .group_by(FinanceDocument.business_date, FinanceDocument.store_id)
    )
    done = {(date, store): (count, until, number) for date, store, count, until, number in session.execute(made)}
    found = []
    for date, store, count in session.execute(totals):
        have, until, number = done.get((date, store), (0, 0, 0))
        if count != have:
            found.append(((date, store), (until, number)))
    return found


def days_of(session: Session, setup: FinanceSetup, today: int, limit: int) -> list[Day]:
    """The last business dates in ledger and documents, newest first."""
    totals = (
        select(daily_totals.c.business_date, func.sum(daily_totals.c.value_minor), func.sum(daily_totals.c.entry_count))
        .where(daily_totals.c.business_date >= setup.first_date, daily_totals.c.business_date < today)
        .group_by(daily_totals.c.business_date)
        .order_by(daily_totals.c.business_date.desc())
        .limit(limit)
    )
    rows = session.execute(totals).all()
    made: dict[int, list[int]] = {}
    states: dict[int, dict[str, int]] = {}
    if rows:
        query = select(
            FinanceDocument.business_date,
            FinanceDocument.state,
            func.count(),
            func.sum(FinanceDocument.value_minor),
            func.sum(FinanceDocument.entry_count),
        ).where(FinanceDocument.business_date >= rows[-1][0])
        for date, state, count, value, entries in session.execute(
            query.group_by(FinanceDocument.business_date, FinanceDocument.state)
        ):
            sums = made.setdefault(date, [0, 0])
            sums[0] += int(value)
            sums[1] += int(entries)
            states.setdefault(date, {})[state] = count
    return [
        Day(date, int(value), made.get(date, [0, 0])[0], int(count), made.get(date, [0, 0])[1], states.get(date, {}))
        for date, value, count in rows
    ]


def set_up(service: Service, visitor: Visitor, *, is_on: bool, first_date: int, accounts: Mapping[str, str]) -> None:
    """Switch the interface on or off, and say where what is booked."""
    kept = {name: accounts.get(name, "").strip() for name in ACCOUNTS}
    for number in kept.values():
        if not number or len(number) > ACCOUNT_LENGTH_MAX or not number.replace(".", "").isalnum():
            raise RefusedError("Expected the number of an account such as 2203 or 1002.01, got {got}.", got=number[:20])
    with service.database.write() as session:
        row = session.get(FinanceSetup, SETUP, with_for_update=True)
        before = {"is_on": row.is_on, "first_date": row.first_date, "accounts": row.accounts} if row else None
        made = session.scalar(select(func.min(FinanceDocument.business_date)))
        if row is not None and made is not None and first_date != row.first_date:
            raise RefusedError("Documents were made already: the first date stays.")
        if row is None:
            row = FinanceSetup(id=SETUP)
            session.add(row)
        row.is_on, row.first_date = is_on, first_date
        row.accounts = msgspec.json.encode(kept).decode()
        row.changed_at, row.changed_by = service.now(), visitor.user_id
        after = {"is_on": is_on, "first_date": (FIRST_DATE + timedelta(days=first_date)).isoformat(), **kept}
        service.audit.append(session, visitor, MODULE, "set up books", "books", before=before, after=after)


def try_again(service: Service, visitor: Visitor, key: tuple[int, int, int]) -> None:
    """Send a document that the books have refused at the next round, without waiting."""
    with service.database.write() as session:
        row = session.get(FinanceDocument, key, with_for_update=True)
        if row is None or row.state != FinanceState.FAILED:
            raise RefusedError("Only a document that was refused is sent again.")
        row.next_try_ms = 0
        service.audit.append(session, visitor, MODULE, "send again", f"books {key_of(*key)}")


def run_now(service: Service, visitor: Visitor) -> None:
    """A round of the job without waiting for the clock."""
    with service.database.write() as session:
        service.audit.append(session, visitor, MODULE, "run finance job", "books")
    job = FinanceJob(service)
    while job.work(visitor.user_id):
        pass


def open_documents(session: Session, date: int | None, state: str, limit: int) -> list[FinanceDocument]:
    """Documents, newest date first, of a date or a state where one is named."""
    query = select(FinanceDocument).order_by(
        FinanceDocument.business_date.desc(), FinanceDocument.store_id, FinanceDocument.number
    )
    if date is not None:
        query = query.where(FinanceDocument.business_date == date)
    if state:
        query = query.where(FinanceDocument.state == state[:12])
    return list(session.scalars(query.limit(limit)))


def run_until(job: FinanceJob, is_stopping: Event) -> None:
    """Work until the process ends; a date that is over is looked for every `IDLE_PAUSE_S`."""
    work_until(is_stopping, job.work, "the books wait", idle_pause_s=IDLE_PAUSE_S)
