"""Takes files of members, and of records about them, over: some rows at a time, in order, each row once.

Rows and the place behind them (`MemberImport.taken_count`) change in one
transaction.  Killed at any moment, it goes on behind the last row that was
taken; others who write wait for a few rows and never for a file.  What takes
time (reading, checking, sealing) is done before the transaction, and who is
there already is asked again within it.

Before the first row the whole file is checked, and refused when it has
faults.  What only turns out later, because somebody changes members at the
same time, is a fault of its row: that is left out and noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor, visitor_of
from admin.errors import RefusedError
from admin.i18n import LOCALES, locale_now, translate
from admin.models.members import ImportStage, Member, MemberImport, MemberImportFault, MemberState
from admin.models.people import User
from admin.references import References
from admin.service import Service

from .drafts import COLUMNS, Draft, NewRows, new_rows
from .examined import FIRST_LINE, Examined
from .importing import MEMBERS, MODULE, examine, import_in, may_take, refuse_taken, settle_twins
from .record_import import RECORD_KINDS, settle_records
from .records import claim_number, insert_members, lock_members, take_numbers, update_member
from .seals import Vault
from .withdrawing import withdraw_some

_ = str
ROWS_AT_ONCE, CHANGES_AT_ONCE = 200, 20
"""Of one transaction, new ones and such as change members: some 30 ms, for which others who write wait."""
NO_LONGER_ALLOWED = _("Whoever began this may no longer take such files over.")
HAS_FAULTS = _("The file has {count} faults: mend them and send it again.")


def begin(service: Service, visitor: Visitor, import_id: int) -> None:
    """Let a file be taken over, from where it stands; `RefusedError` when that is not the moment."""
    with service.database.write() as session:
        row = import_in(session, visitor, import_id, ImportStage.OPEN, ImportStage.STOPPED)
        refuse_taken(session, row.digest)
        row.stage, row.problem = ImportStage.RUNNING, ""
        service.audit.append(session, visitor, MODULE, "begin import", f"import {import_id}", behind=row.taken_count)


def stop(service: Service, visitor: Visitor, import_id: int) -> None:
    """Take over no further rows; those that were taken over stay."""
    with service.database.write() as session:
        row = import_in(session, visitor, import_id, ImportStage.RUNNING)
        row.stage = ImportStage.STOPPED if row.taken_count else ImportStage.OPEN
        service.audit.append(session, visitor, MODULE, "stop import", f"import {import_id}", taken=row.taken_count)


def drop(service: Service, visitor: Visitor, import_id: int) -> None:
    """Throw a file away, or what is left of one that was stopped."""
    with service.database.write() as session:
        row = import_in(session, visitor, import_id, ImportStage.OPEN, ImportStage.STOPPED)
        row.stage, row.content_sealed = ImportStage.DROPPED, None


class _Job:
    """One file in memory: what is still to be taken over."""

    def __init__(self, import_id: int, kind: str, visitor: Visitor, examined: Examined, duplicates: str) -> None:
        self.import_id = import_id
        self.kind = kind
        self.visitor = visitor
        self.examined = examined
        self.duplicates = duplicates
        self.drafts = {draft[0]: draft for draft in examined.drafts}
        self.faults = {fault.row: fault for fault in examined.faults if fault.row not in self.drafts}
        self.rows_at_once = CHANGES_AT_ONCE if duplicates == "update" else ROWS_AT_ONCE

    def piece(self, taken_count: int) -> tuple[range, Examined]:
        """The next rows, as the spreadsheet numbers them, and their drafts."""
        whole = self.examined
        end = min(taken_count + self.rows_at_once, len(whole.rows))
        lines = range(taken_count + FIRST_LINE, end + FIRST_LINE)
        piece = Examined(whole.heading, whole.rows, whole.mapping)
        piece.drafts = [self.drafts[line] for line in lines if line in self.drafts]
        return lines, piece


class Taker:
    """Takes over whatever was begun, oldest first; one per installation is enough, and two do no harm."""

    def __init__(self, service: Service, references: References) -> None:
        self._service = service
        self._references = references
        self._vault = Vault(service)
        self._job: _Job | None = None

    def work(self) -> bool:
        """Take some rows over, or find out that a file cannot be; False when nothing is to be done."""
        with self._service.database.read() as session:
            query = select(MemberImport.id).where(MemberImport.stage == ImportStage.RUNNING)
            import_id = session.scalar(query.order_by(MemberImport.id).limit(1))
        if import_id is None:
            self._job = None
            return withdraw_some(self._service)
        if self._job is None or self._job.import_id != import_id:
            self._job = self._look_at(import_id)
        if self._job is not None:
            token = locale_now.set(_locale(self._service, self._job.visitor))
            try:
                if self._job.kind == MEMBERS:
                    self._take_members(self._job)
                else:
                    self._take_records(self._job)
            except RefusedError as error:
                self._halt(import_id, error.message, **error.values)
            finally:
                locale_now.reset(token)
        return True

    def _look_at(self, import_id: int) -> _Job | None:
        """Read a file and check it; None when it cannot be taken over, which its row then says."""
        with self._service.database.read() as session:
            row = session.get_one(MemberImport, import_id)
            user = session.get(User, row.created_by)
            visitor = visitor_of(session, user, "", b"", None) if user is not None else None
            if visitor is None or user is None or not (user.is_enabled and may_take(visitor, row.kind)):
                self._halt(import_id, NO_LONGER_ALLOWED)
                return None
            token = locale_now.set(_locale(self._service, visitor))
            try:
                try:
                    examined = examine(self._service, session, visitor, self._references, row)
                except RefusedError as error:
                    self._halt(import_id, error.message, **error.values)
                    return None
                is_enough = examined.is_good_in_part if row.is_good_only else examined.is_good
                if not row.taken_count and not is_enough:
                    self._halt(import_id, HAS_FAULTS, count=len(examined.faults))
                    return None
            finally:
                locale_now.reset(token)
            return _Job(import_id, row.kind, visitor, examined, row.duplicates)

    def _halt(self, import_id: int, problem: str, **values: object) -> None:
        with self._service.database.write() as session:
            row = session.get_one(MemberImport, import_id)
            if row.stage == ImportStage.RUNNING:
                row.stage = ImportStage.STOPPED if row.taken_count else ImportStage.OPEN
                row.problem = translate(problem).format(**values)

    def _take_records(self, job: _Job) -> None:
        """The next rows of a file of records, and the place behind them, in one transaction."""
        kind = RECORD_KINDS[job.kind]
        with self._service.database.write() as session:
            row = session.scalars(select(MemberImport).where(MemberImport.id == job.import_id).with_for_update()).one()
            if row.stage != ImportStage.RUNNING:
                return  # stopped
            lines, piece = job.piece(row.taken_count)
            settle_records(session, job.visitor, kind, job.duplicates, piece)
            for _line, record, _number in piece.added:
                kind.write(self._service, session, job.visitor, record)
            self._move(session, job, row, lines, piece)

    def _take_members(self, job: _Job) -> None:
        """The next rows of a file of members, and the place behind them, in one transaction."""
        with self._service.database.read() as session:
            taken_count = session.get_one(MemberImport, job.import_id).taken_count
            lines, piece = job.piece(taken_count)
            settle_twins(session, self._vault, job.visitor, job.duplicates, piece)
        rows = self._new_rows(job, piece)
        added = [line for line, _draft, _number in piece.added]
        with self._service.database.write() as session:
            lock_members(self._service, session)
            row = session.scalars(select(MemberImport).where(MemberImport.id == job.import_id).with_for_update()).one()
            if (row.stage, row.taken_count) != (ImportStage.RUNNING, taken_count):
                return  # stopped, or taken by another one
            settle_twins(session, self._vault, job.visitor, job.duplicates, piece)
            if [line for line, _draft, _number in piece.added] != added:
                return  # somebody has come or gone since: the same rows once more
            for _line, _draft, number in piece.added:
                if number:
                    claim_number(session, number)
            insert_members(session, rows)
            for _line, draft, member_id in piece.changed:
                self._merge(session, session.get_one(Member, member_id), draft, piece.mapping)
            self._move(session, job, row, lines, piece)

    def _new_rows(self, job: _Job, piece: Examined) -> list[NewRows]:
        """Sealed rows of members to come, each with its number; a number that is not used after all is lost."""
        if count := sum(1 for _line, _draft, number in piece.added if not number):
            with self._service.database.write() as session:
                lock_members(self._service, session)
                fresh = iter(range(first := take_numbers(session, count), first + count))
        return [
            new_rows(
                self._vault,
                number or next(fresh),
                draft,
                state=MemberState.ACTIVE,
                now=self._service.now(),
                user_id=job.visitor.user_id,
                import_id=job.import_id,
            )
            for _line, draft, number in piece.added
        ]

    def _merge(self, session: Session, member: Member, draft: Draft, mapping: Sequence[str]) -> None:
        """Change only what the file has columns for, and cells that are not empty."""
        kept = {name: getattr(member, name) for name in COLUMNS}
        for name, value in draft.columns.items():
            is_named = name in mapping or (name in ("birth_day", "anniversary_day", "id_kind") and value)
            kept[name] = value if is_named and value not in (0, "", None) else getattr(member, name)
        update_member(self._service, session, self._vault, member, replace(draft, columns=kept))

    def _move(self, session: Session, job: _Job, row: MemberImport, lines: range, piece: Examined) -> None:
        """Note what became of some rows, and the end after the last."""
        faults = {fault.row: fault for fault in piece.faults}
        faults |= {line: job.faults[line] for line in lines if line in job.faults}
        session.add_all(
            MemberImportFault(import_id=row.id, row=line, column=fault.column, message=fault.message)
            for line, fault in faults.items()
        )
        row.row_count = len(job.examined.rows)
        row.taken_count += len(lines)
        row.added_count += len(piece.added)
        row.changed_count += len(piece.changed)
        row.skipped_count += len(piece.skipped)
        row.fault_count += len(faults)
        if row.taken_count < row.row_count:
            return
        row.stage, row.done_at, row.content_sealed = ImportStage.DONE, self._service.now(), None
        self._service.audit.append(
            session,
            job.visitor,
            MODULE,
            "import",
            f"import {row.id}",
            digest=row.digest.hex(),
            file=row.file_name,
            rows=row.kind,
            added=row.added_count,
            changed=row.changed_count,
            skipped=row.skipped_count,
            faults=row.fault_count,
        )


def _locale(service: Service, visitor: Visitor) -> str:
    return visitor.locale if visitor.locale in LOCALES else service.settings.locale
