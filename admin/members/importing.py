"""Members and records about them from a file: columns are found by their headings, every fault is told at once.

The dry run and the taking over (`taking.py`) are the same code: `examine`
reads the file with the form of a member, cell by cell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import FormContext, Kind, bind, choices_of, declared
from admin.i18n import catalog, translate
from admin.models.members import ImportStage, Member, MemberCode, MemberImport, MemberState
from admin.references import References
from admin.rights import Action
from admin.service import Service

from .definitions import CustomField, custom_fields, read_value
from .drafts import Draft, KeptContext, MemberForm, draft_of, labels_of
from .examined import FIRST_LINE, Examined, Fault
from .identity import plain, read_day
from .keys import PHONE, folded
from .record_import import RECORD_KINDS, read_records, settle_records
from .records import NUMBER_MAX, twin_keys, twins_of
from .seals import Vault
from .sheets import read_sheet

_ = str
MODULE = "members"
FAULTS_SHOWN_MAX = 500
MEMBERS = "members"
DUPLICATES: dict[str, str] = {
    "refuse": _("are faults"),
    "skip": _("are left out"),
    "update": _("change the member who is there"),
    "add": _("become members of their own (same mobile phone only)"),
}
RECORD_DUPLICATES: dict[str, str] = {
    "refuse": _("are faults"),
    "skip": _("are left out"),
    "add": _("are taken over all the same"),
}


@dataclass(frozen=True, slots=True)
class FileKind:
    """What the rows of a file are, and the right to members that taking them over asks for."""

    label: str
    action: Action
    duplicates: Mapping[str, str]
    """What may be done with what is there already."""


FILE_KINDS: dict[str, FileKind] = {
    MEMBERS: FileKind(_("Members"), Action.ADD, DUPLICATES),
    "consumption": FileKind(_("Purchases of members"), Action.CHANGE, RECORD_DUPLICATES),
    "churn": FileKind(_("Lost members"), Action.CHANGE, RECORD_DUPLICATES),
    "contacts": FileKind(_("Suggestions and other talks"), Action.CHANGE, RECORD_DUPLICATES),
}
SOURCE_IMPORT = 4
NUMBER_FIELD = "number"
OTHER_HEADINGS: dict[str, tuple[str, ...]] = {
    "name": ("姓名", "会员姓名", "客户名称", "户名"),
    "mobile": ("手机", "手机号", "手机号码", "移动电话", "mobile"),
    "phone": ("电话", "联系电话", "固定电话", "tel"),
    "id_number": ("身份证", "身份证号", "身份证号码", "证件号", "证件号码"),
    "birth_date": ("生日", "出生日期", "birthday"),
    "address": ("地址", "家庭住址", "家庭地址"),
    "region": ("所属地区", "省份", "region"),
    "code": ("原编号", "客户编号", "会员编号"),
    "email": ("邮箱", "电子邮件", "email"),
    "organisation_id": ("门店", "所属门店", "归属", "机构", "store"),
}
"""What such columns are often called, besides the label of the field in either language."""


FIELDS_OF_CODES: dict[str, tuple[str, ...]] = {
    "class": ("member_class",),
    "detail-class": ("detail_class",),
    "region": ("region",),
    "industry": ("industry",),
    "occupation": ("occupation",),
    "education": ("education",),
    "interest": ("interests",),
}
"""Fields that hold codes of a table: their cells are read in both languages, whichever the clerk's is."""


def labels_of_fields(customs: Sequence[CustomField]) -> dict[str, str]:
    """English label, or own name, of every field that a column may hold."""
    labels = {name: label for name, label in labels_of().items() if name != "preferred"}
    return {NUMBER_FIELD: _("Member number")} | labels | {one.key: one.name for one in customs}


def labels_in(session: Session, kind: str) -> dict[str, str]:
    """English label, or own name, of every field that a column of such a file may hold."""
    return labels_of_fields(custom_fields(session)) if kind == MEMBERS else RECORD_KINDS[kind].labels


def guess_mapping(
    heading: Sequence[str], labels: Mapping[str, str], headings: Mapping[str, Sequence[str]]
) -> list[str]:
    """Field of each column by its heading, in Chinese or English; empty: none fits."""
    names: dict[str, str] = {}
    for name, label in labels.items():
        for text in (label, catalog("zh").gettext(label), name, *headings.get(name, ())):
            names.setdefault(folded(text), name)
    found: list[str] = []
    for text in heading:
        name = names.get(folded(text.strip(" *")), "")
        found.append("" if name in found else name)
    return found


def may_take(visitor: Visitor, kind: str) -> bool:
    """Whether somebody may take over such files."""
    return visitor.may("data-exchange", Action.ADD) and visitor.may(MODULE, FILE_KINDS[kind].action)


def upload(service: Service, visitor: Visitor, content: bytes, file_name: str, kind: str = MEMBERS) -> int:
    """Keep a file, sealed, until it is taken over; its number. A file that was taken over already is refused.

    Columns are mapped as they were the last time that a file had this heading, else by what they are called.
    """
    if kind not in FILE_KINDS or not may_take(visitor, kind):
        raise RefusedError("You lack the right to do this.")
    rows = read_sheet(content)
    digest = hashlib.sha256(content).digest()
    heading_digest = hashlib.sha256("\x1f".join([kind, *rows[0]]).encode()).digest()
    with service.database.write() as session:
        refuse_taken(session, digest)
        labels = labels_in(session, kind)
        before = session.scalar(
            select(MemberImport.mapping)
            .where(MemberImport.heading_digest == heading_digest)
            .order_by(MemberImport.id.desc())
            .limit(1)
        )
        if before is None:
            headings = OTHER_HEADINGS if kind == MEMBERS else RECORD_KINDS[kind].headings
            mapping = guess_mapping(rows[0], labels, headings)
        else:
            mapping = [name if name in labels else "" for name in msgspec.json.decode(before, type=list[str])]
        row = MemberImport(
            digest=digest,
            kind=kind,
            heading_digest=heading_digest,
            file_name=file_name[:200],
            mapping=msgspec.json.encode(mapping).decode(),
            organisation_id=visitor.organisation_id,
            created_at=service.now(),
            created_by=visitor.user_id,
        )
        session.add(row)
        session.flush()
        row.content_sealed = Vault(service).seal("member_imports", "content_sealed", str(row.id), content)
        return row.id


TAKEN = (ImportStage.RUNNING, ImportStage.DONE, ImportStage.WITHDRAWING)


def refuse_taken(session: Session, digest: bytes) -> None:
    """Refuse a file that was taken over, or is being taken over."""
    taken = MemberImport.digest == digest, MemberImport.stage.in_(TAKEN)
    if (found := session.scalar(select(MemberImport.id).where(*taken).limit(1))) is not None:
        raise RefusedError("This very file was taken over already, as import {number}.", number=found)


def import_of(session: Session, visitor: Visitor, import_id: int) -> MemberImport | None:
    """An import of the visitor's own: its cells are as sensitive as records."""
    row = session.get(MemberImport, import_id)
    return row if row is not None and row.created_by == visitor.user_id else None


def set_choices(
    service: Service,
    visitor: Visitor,
    import_id: int,
    mapping: Sequence[str],
    duplicates: str,
    organisation_id: int,
    *,
    is_good_only: bool = False,
) -> None:
    """Say what columns hold, what is done with what is there already, and whose members they become.

    `is_good_only`: rows with faults are left out; without it, a file with a fault is not taken over at all.
    """
    if not visitor.may_place_in(organisation_id):
        raise RefusedError("You may only place members in your own part of the organisation.")
    with service.database.write() as session:
        row = import_in(session, visitor, import_id, ImportStage.OPEN)
        if duplicates not in FILE_KINDS[row.kind].duplicates:
            raise RefusedError("Choose what is done with what is there already.")
        known = labels_in(session, row.kind)
        chosen = [name if name in known else "" for name in mapping]
        named = [name for name in chosen if name]
        if len(named) != len(set(named)):
            raise RefusedError("Two columns hold the same field: leave one of them out.")
        row.mapping = msgspec.json.encode(chosen).decode()
        row.duplicates, row.organisation_id, row.is_good_only = duplicates, organisation_id, is_good_only


def import_in(session: Session, visitor: Visitor, import_id: int, *stages: ImportStage) -> MemberImport:
    """An import of the visitor's own that stands at one of these stages; `RefusedError` for others."""
    row = import_of(session, visitor, import_id)
    if row is None:
        raise RefusedError("There is no such import.")
    if row.stage not in stages or row.content_sealed is None:
        raise RefusedError("This import has ended already.")
    return row


def examine(
    service: Service, session: Session, visitor: Visitor, references: References, row: MemberImport
) -> Examined:
    """What taking a file over would do; nothing is written. All faults, each with its row and column.

    Rows that were taken over already are left out.
    """
    assert row.content_sealed is not None  # `import_in` has looked
    vault = Vault(service)
    content = vault.open_bytes("member_imports", "content_sealed", str(row.id), row.content_sealed)
    heading, *rows = read_sheet(content)
    mapping = msgspec.json.decode(row.mapping, type=list[str])
    found = Examined(heading, rows, (mapping + [""] * len(heading))[: len(heading)])
    if row.kind != MEMBERS:
        kind = RECORD_KINDS[row.kind]
        read_records(service, session, KeptContext(session, visitor, references), kind, found, row.taken_count)
        settle_records(session, visitor, kind, row.duplicates, found)
        return found
    if "name" not in found.mapping:
        found.faults.append(Fault(1, "", "", translate("No column holds the name: choose one.")))
        return found
    customs = {one.key: one for one in custom_fields(session)}
    reader = _RowReader(KeptContext(session, visitor, references), row, customs)
    for line, cells in enumerate(rows[row.taken_count :], row.taken_count + FIRST_LINE):
        before = len(found.faults)
        draft, number = reader.read(line, heading, found.mapping, cells, found.faults)
        if len(found.faults) == before and draft is not None:
            found.drafts.append((line, draft, number))
    settle_twins(session, vault, visitor, row.duplicates, found)
    return found


class _RowReader:
    def __init__(self, context: FormContext, row: MemberImport, customs: Mapping[str, CustomField]) -> None:
        self._context = context
        self._row = row
        self._customs = customs
        self._texts: dict[str, dict[str, list[str]]] = {}
        for one in declared(MemberForm):
            if one.entry.kind in (Kind.CHOICE, Kind.FLAGS):
                self._texts[one.name] = {}
                for key, label in choices_of(one, context).items():
                    for text in (str(key), label, translate(label), catalog("zh").gettext(label)):
                        self._texts[one.name].setdefault(folded(text), [str(key)])
        for code in context.session.scalars(select(MemberCode)):
            for name in FIELDS_OF_CODES.get(code.table_name, ()):
                key = str(1 << code.code if name == "interests" else code.code)
                for text in (code.name_zh, code.name_en):
                    self._texts[name].setdefault(folded(text), [key])
        for text, key in (("男", "1"), ("女", "2"), ("m", "1"), ("f", "2")):
            self._texts["sex"].setdefault(text, [key])

    def read(
        self, line: int, heading: Sequence[str], mapping: Sequence[str], cells: Sequence[str], faults: list[Fault]
    ) -> tuple[Draft | None, int]:
        """A row as a draft, and the number it names; faults are added to the list."""
        sent: dict[str, list[str]] = {
            "organisation_id": [str(self._row.organisation_id)],
            "source": [str(SOURCE_IMPORT)],
        }
        typed: dict[str, tuple[str, str]] = {}
        values: list[Any] = []
        number = 0
        for column, name, cell in zip(heading, mapping, cells, strict=True):
            if not name or not cell:
                continue
            typed[name] = (column, cell)
            if name == NUMBER_FIELD:
                if not (cell.isascii() and cell.isdecimal() and 0 < int(cell[:20]) <= NUMBER_MAX):
                    faults.append(Fault(line, column, cell, translate("A whole number is expected.")))
                else:
                    number = int(cell)
            elif name in self._customs:
                try:
                    values.append(read_value(self._customs[name], cell))
                except RefusedError as error:
                    faults.append(Fault(line, column, cell, translate(error.message).format(**error.values)))
            else:
                sent[name] = self._as_sent(name, cell)
        bound = bind(MemberForm, sent, self._context)
        for name, message in bound.errors.items():
            column, cell = typed.get(name, (translate(labels_of_fields(())[name]), ""))
            faults.append(Fault(line, column, cell, message))
        return (draft_of(bound.value, values) if bound.value is not None else None), number

    def _as_sent(self, name: str, cell: str) -> list[str]:
        if name in ("birth_date", "anniversary_date"):
            return [cell if read_day(cell) else plain(cell)]
        texts = self._texts.get(name)
        if texts is None:
            return [cell]
        if name == "interests":
            parts = [part for part in cell.replace("，", ",").replace("、", ",").replace(";", ",").split(",") if part]
            return [key for part in parts for key in texts.get(folded(part), [part])]
        return texts.get(folded(cell), [cell])


def settle_twins(
    session: Session,
    vault: Vault,
    visitor: Visitor,
    duplicates: str,
    found: Examined,
) -> None:
    """Sort rows into new members, changed ones and ones to leave out; people who are twice in the file are faults."""
    drafts = found.drafts
    found.added, found.changed, found.skipped = [], [], []
    known = twins_of(session, vault, [draft for _line, draft, _number in drafts])
    numbers = _known_numbers(session, [number for _line, _draft, number in drafts if number])
    codes = _known_codes(session, [draft.columns["code"] for _line, draft, _number in drafts if draft.columns["code"]])
    mine = _own(session, visitor, sorted({*known.values(), *codes.values(), *numbers}))
    first_lines: dict[Any, int] = {}

    def fault(line: int, name: str, message: str, **values: object) -> None:
        place = found.mapping.index(name) if name in found.mapping else 0
        cell = found.rows[line - FIRST_LINE][place]
        found.faults.append(Fault(line, found.heading[place], cell, translate(message).format(**values)))

    for line, draft, number in drafts:
        keys: list[Any] = twin_keys(vault, draft)
        own = [*keys, ("code", draft.columns["code"]), ("number", number)]
        own = [key for key in own if key not in (("code", None), ("number", 0))]
        if duplicates == "add":
            own = [key for key in own if isinstance(key, tuple) or not key.startswith(PHONE)]
        twice = next((first_lines[key] for key in own if key in first_lines), None)
        if twice is not None:
            name = "id_number" if draft.id_number else "mobile"
            fault(line, name, _("The same person stands in row {row}."), row=twice)
            continue
        first_lines.update(dict.fromkeys(own, line))
        by_id = keys[0] in known if keys and draft.id_number else False
        twin = next((known[key] for key in keys if key in known), None) or codes.get(draft.columns["code"] or "")
        twin = number if number in numbers else twin
        if twin is None or (duplicates == "add" and not by_id and twin not in numbers):
            found.added.append((line, draft, number))
        elif duplicates == "skip":
            found.skipped.append(line)
        elif duplicates == "update":
            if twin not in mine:
                fault(line, "name", _("Member {number} belongs to another part of the organisation."), number=twin)
            else:
                found.changed.append((line, draft, twin))
        else:
            fault(line, "id_number" if by_id else "mobile", _("Member {number} is there already."), number=twin)


def _own(session: Session, visitor: Visitor, numbers: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(numbers), 500):
        query = select(Member.id).where(Member.id.in_(numbers[start : start + 500]), Member.state != MemberState.MERGED)
        found.update(session.scalars(visitor.members_seen(query)))
    return found


def _known_numbers(session: Session, numbers: Sequence[int]) -> set[int]:
    return {
        number
        for start in range(0, len(numbers), 500)
        for number in session.scalars(select(Member.id).where(Member.id.in_(numbers[start : start + 500])))
    }


def _known_codes(session: Session, codes: Sequence[str]) -> dict[str, int]:
    return {
        code or "": number
        for start in range(0, len(codes), 500)
        for code, number in session.execute(
            select(Member.code, Member.id).where(Member.code.in_(codes[start : start + 500]))
        )
    }
