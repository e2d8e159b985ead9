"""Records about members who are there, from files: purchases, churn, talks (complaints, suggestions, …).

Each row names its member by number, own number, mobile phone or ID number.  What the cells hold is checked by the form
that people fill in; a row is known already when there is a record of the member that says the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.care.contacts import CHANNELS, CONTACT_KINDS
from admin.database import from_ms, to_ms
from admin.forms import FormContext, Kind, bind, choices_of, declared, entry
from admin.i18n import FIRST_DATE, catalog, translate
from admin.models.consumption import Consumption
from admin.models.members import (
    NAME_LENGTH_MAX,
    NOTE_LENGTH_MAX,
    TEXT_LENGTH_MAX,
    ChurnRecord,
    ContactEntry,
    Member,
    MemberState,
)
from admin.service import Service

from .care import CHURN_STAGES, follow_churn
from .consumption import ConsumptionForm
from .definitions import codes_of
from .examined import FIRST_LINE, Examined
from .identity import plain, read_day, read_phone
from .keys import ID_NUMBER, PHONE, folded
from .records import ENDED, KEYS_PER_QUESTION, members_of_keys
from .seals import Vault
from .today import today_of
from .totals import business_date

_ = str
WHO: dict[str, str] = {
    "member": _("Member number"),
    "code": _("Own number"),
    "mobile": _("Mobile phone"),
    "id_number": _("ID number"),
}
"""Columns that say whose record a row is; the first one that is filled in counts."""
QUANTITY = "quantity"
MILLI = 1000
DAY_MS = 86_400_000


def churn_kinds(context: FormContext) -> Mapping[int | str, str]:
    """Types of churn: a code table."""
    names: dict[int | str, str] = {}
    names.update(codes_of(context.session, "churn").items())
    return names


class ChurnRow(msgspec.Struct, kw_only=True, frozen=True):
    """A record of churn as a row of a file."""

    stage: Annotated[str, entry(_("Stage"), "choice", choices=CHURN_STAGES)] = "candidate"
    kind: Annotated[int, entry(_("Type of churn"), "choice", choices=churn_kinds)] = 0
    product: Annotated[str, entry(_("Product"), max_length=NAME_LENGTH_MAX)] = ""
    reason: Annotated[str, entry(_("Reason"), max_length=TEXT_LENGTH_MAX)] = ""
    action: Annotated[str, entry(_("What is done about it"), max_length=NOTE_LENGTH_MAX)] = ""
    result: Annotated[str, entry(_("Result"), max_length=NOTE_LENGTH_MAX)] = ""


class ContactRow(msgspec.Struct, kw_only=True, frozen=True):
    """A talk as a row of a file: suggestions and complaints that were collected elsewhere."""

    content: Annotated[str, entry(_("What it was about"), min_length=1, max_length=NOTE_LENGTH_MAX)]
    day: Annotated[int, entry(_("Day"), "date", ge=1)] = 0
    kind: Annotated[str, entry(_("Kind"), "choice", choices=CONTACT_KINDS)] = "suggestion"
    channel: Annotated[str, entry(_("Channel"), "choice", choices=CHANNELS)] = "store"
    result: Annotated[str, entry(_("Result"), max_length=NOTE_LENGTH_MAX)] = ""
    satisfaction: Annotated[int, entry(_("Satisfaction (1 to 5)"), "integer", ge=0, le=5)] = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A row that is to become a record of a member."""

    member_id: int
    form: Any
    key: tuple[Any, ...]
    """By which the same record is known."""


@dataclass(frozen=True, slots=True)
class RecordKind:
    """Records of one kind: what a row holds, what is known already, and what becomes of it."""

    form: type[msgspec.Struct]
    headings: Mapping[str, tuple[str, ...]]
    """What columns are often called, besides the label in either language."""
    key_of: Callable[[int, Any], tuple[Any, ...]]
    known: Callable[[Session, Sequence[int]], Iterable[tuple[Any, ...]]]
    """Keys of the records of some members."""
    write: Callable[[Service, Session, Visitor, Record], None]
    days: tuple[str, ...] = ()
    """Fields that are days and lie in the past."""

    @property
    def labels(self) -> dict[str, str]:
        """English label of every field that a column may hold."""
        labels = {one.name: one.meta.title or one.name for one in declared(self.form)}
        if self.form is ConsumptionForm:
            labels = {QUANTITY if name == "quantity_milli" else name: text for name, text in labels.items()}
            labels[QUANTITY] = _("Quantity")
        return WHO | labels


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _known_purchases(session: Session, members: Sequence[int]) -> Iterable[tuple[Any, ...]]:
    query = select(Consumption.member_id, Consumption.business_date, Consumption.product, Consumption.amount_minor)
    return (tuple(row) for row in session.execute(query.where(Consumption.member_id.in_(members))))


def _write_purchase(service: Service, session: Session, visitor: Visitor, record: Record) -> None:
    now = service.now()
    values = msgspec.structs.asdict(record.form)
    session.add(
        Consumption(
            member_id=record.member_id,
            amount_minor=record.form.amount_minor,
            created_at=now,
            created_by=visitor.user_id,
            changed_at=now,
            **values,
        )
    )


def _known_churn(session: Session, members: Sequence[int]) -> Iterable[tuple[Any, ...]]:
    query = select(ChurnRecord.member_id, ChurnRecord.stage, ChurnRecord.kind, ChurnRecord.product)
    return (tuple(row) for row in session.execute(query.where(ChurnRecord.member_id.in_(members))))


def _write_churn(service: Service, session: Session, visitor: Visitor, record: Record) -> None:
    values = msgspec.structs.asdict(record.form)
    row = ChurnRecord(member_id=record.member_id, created_at=service.now(), created_by=visitor.user_id, **values)
    session.add(row)
    follow_churn(session.get_one(Member, record.member_id), row.stage)


def _known_contacts(session: Session, members: Sequence[int]) -> Iterable[tuple[Any, ...]]:
    query = select(ContactEntry.member_id, ContactEntry.time, ContactEntry.kind, ContactEntry.content)
    for row in session.execute(query.where(ContactEntry.member_id.in_(members))):
        yield row.member_id, to_ms(row.time) // DAY_MS, row.kind, _digest(row.content)


def _write_contact(service: Service, session: Session, visitor: Visitor, record: Record) -> None:
    values = msgspec.structs.asdict(record.form)
    day = values.pop("day")
    time = from_ms(day * DAY_MS) if day else service.now()
    session.add(
        ContactEntry(member_id=record.member_id, time=time, user_id=visitor.user_id, is_incoming=True, **values)
    )


RECORD_KINDS: dict[str, RecordKind] = {
    "consumption": RecordKind(
        ConsumptionForm,
        {
            "member": ("会员编号", "会员号"),
            "mobile": ("手机", "手机号", "手机号码"),
            "id_number": ("身份证", "身份证号", "证件号码"),
            "business_date": ("日期", "消费日期", "购买日期", "date"),
            "product": ("商品", "商品名称", "产品", "产品名称", "服务项目"),
            QUANTITY: ("数量", "qty"),
            "goods_minor": ("金额", "消费金额", "amount"),
            "store_id": ("门店", "门店编号"),
            "note": ("备注",),
        },
        lambda member, form: (member, form.business_date, form.product, form.amount_minor),
        _known_purchases,
        _write_purchase,
        ("business_date",),
    ),
    "churn": RecordKind(
        ChurnRow,
        {
            "member": ("会员编号", "会员号"),
            "mobile": ("手机", "手机号", "手机号码"),
            "stage": ("阶段", "状态"),
            "kind": ("流失类型",),
            "reason": ("原因", "流失原因"),
            "product": ("产品", "商品"),
            "action": ("措施", "挽回措施"),
            "result": ("结果",),
        },
        lambda member, form: (member, form.stage, form.kind, form.product),
        _known_churn,
        _write_churn,
    ),
    "contacts": RecordKind(
        ContactRow,
        {
            "member": ("会员编号", "会员号"),
            "mobile": ("手机", "手机号", "手机号码"),
            "content": ("内容", "建议", "建议内容", "suggestion"),
            "day": ("日期", "date"),
            "kind": ("类型", "类别"),
            "channel": ("渠道",),
            "result": ("结果", "处理结果"),
        },
        lambda member, form: (member, form.day, form.kind, _digest(form.content)),
        _known_contacts,
        _write_contact,
        ("day",),
    ),
}


def read_records(
    service: Service, session: Session, context: FormContext, kind: RecordKind, found: Examined, taken_count: int
) -> None:
    """Rows of a file as records of members; what is wrong is added to the faults."""
    texts = _texts_of_choices(kind, context)
    latest = max(business_date(today_of(session, service)), business_date(service.now().date()))
    named = [name for name in WHO if name in found.mapping]
    if not named:
        found.fault(1, "", "", translate("No column says whose record it is: choose one."))
        return
    forms: list[tuple[int, tuple[str, str], Any]] = []
    for line, cells in enumerate(found.rows[taken_count:], taken_count + FIRST_LINE):
        row = {name: (column, cell) for column, name, cell in zip(found.heading, found.mapping, cells, strict=True)}
        who = next(((name, row[name][1]) for name in named if row[name][1]), None)
        form = _read_row(kind, context, texts, line, row, latest, found)
        if who is None:
            found.fault(line, row[named[0]][0], "", translate("Fill this in."))
        elif form is not None:
            forms.append((line, who, form))
    members = _members(session, Vault(service), [who for _line, who, _form in forms])
    for line, who, form in forms:
        member_id = members.get(who, 0)
        if member_id:
            found.drafts.append((line, Record(member_id, form, kind.key_of(member_id, form)), 0))
        else:
            column = found.heading[found.mapping.index(who[0])]
            found.fault(line, column, who[1], translate("There is no such member."))


def _texts_of_choices(kind: RecordKind, context: FormContext) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for one in declared(kind.form):
        if one.entry.kind is Kind.CHOICE:
            texts[one.name] = {}
            for key, label in choices_of(one, context).items():
                for text in (str(key), label, translate(label), catalog("zh").gettext(label)):
                    texts[one.name].setdefault(folded(text), str(key))
    return texts


def _read_row(
    kind: RecordKind,
    context: FormContext,
    texts: Mapping[str, Mapping[str, str]],
    line: int,
    row: Mapping[str, tuple[str, str]],
    latest: int,
    found: Examined,
) -> Any:
    sent: dict[str, list[str]] = {}
    typed: dict[str, tuple[str, str]] = {}
    faults = len(found.faults)
    kinds = {one.name: one.entry.kind for one in declared(kind.form)}
    for name, (column, cell) in row.items():
        if not name or not cell or name in WHO:
            continue
        typed[name] = (column, cell)
        if name == QUANTITY:
            typed["quantity_milli"] = (column, cell)
            if (milli := _milli(cell)) is None:
                found.fault(line, column, cell, translate("A quantity such as 1.5 is expected."))
            else:
                sent["quantity_milli"] = [str(milli)]
        elif kinds[name] is Kind.DATE:
            day = read_day(cell)
            sent[name] = [f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}" if day else cell]
        else:
            sent[name] = [texts[name].get(folded(cell), cell) if name in texts else plain(cell)]
    bound = bind(kind.form, sent, context)
    for name, message in bound.errors.items():
        column, cell = typed.get(name, (translate(kind.labels.get(name, name)), ""))
        found.fault(line, column, cell, message)
    for name in kind.days if bound.value is not None else ():
        if getattr(bound.value, name) > latest:
            last = FIRST_DATE + timedelta(days=latest)
            found.fault(line, *typed[name], translate("At most {bound}.").format(bound=last.isoformat()))
    return bound.value if len(found.faults) == faults else None


def _milli(cell: str) -> int | None:
    try:
        value = Decimal(cell) * MILLI
    except InvalidOperation:
        return None
    return int(value) if value.is_finite() and value == value.to_integral_value() and 0 <= value <= 10**12 else None


def _members(session: Session, vault: Vault, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Members by (kind of column, cell), those who go on."""
    found: dict[tuple[str, str], int] = {}
    keys: dict[bytes, list[tuple[str, str]]] = {}
    numbers: dict[int, tuple[str, str]] = {}
    codes: dict[str, tuple[str, str]] = {}
    for who in dict.fromkeys(wanted):
        name, cell = who
        if name == "member" and cell.isascii() and cell.isdecimal() and len(cell) <= 16:
            numbers[int(cell)] = who
        elif name == "code":
            codes[cell] = who
        elif name == "mobile" and (phone := read_phone(cell)):
            keys.setdefault(PHONE + vault.blind(PHONE, phone), []).append(who)
        elif name == "id_number":
            keys.setdefault(ID_NUMBER + vault.blind(ID_NUMBER, plain(cell).upper()), []).append(who)
    for key, member_id in members_of_keys(session, sorted(keys)).items():
        found |= dict.fromkeys(keys[key], member_id)
    by_column: tuple[tuple[Any, dict[Any, tuple[str, str]]], ...] = ((Member.id, numbers), (Member.code, codes))
    for column, asked in by_column:
        cells = list(asked)
        for start in range(0, len(cells), KEYS_PER_QUESTION):
            part = cells[start : start + KEYS_PER_QUESTION]
            query = select(column, Member.id).where(column.in_(part), Member.state.not_in(ENDED))
            found |= {asked[value]: number for value, number in session.execute(query)}
    return found


def settle_records(session: Session, visitor: Visitor, kind: RecordKind, duplicates: str, found: Examined) -> None:
    """Sort rows into new records, ones to leave out, and faults."""
    found.added, found.changed, found.skipped = [], [], []
    if not found.drafts:
        return
    members = sorted({record.member_id for _line, record, _ in found.drafts})
    mine: set[int] = set()
    known: dict[tuple[Any, ...], int] = {}
    for start in range(0, len(members), KEYS_PER_QUESTION):
        part = members[start : start + KEYS_PER_QUESTION]
        query = select(Member.id).where(Member.id.in_(part), Member.state.not_in((MemberState.MERGED,)))
        mine.update(session.scalars(visitor.members_seen(query)))
        known |= dict.fromkeys(kind.known(session, part), 0)
    place = next(n for n, name in enumerate(found.mapping) if name in WHO)

    def fault(line: int, message: str) -> None:
        found.fault(line, found.heading[place], found.rows[line - FIRST_LINE][place], message)

    for line, record, _number in found.drafts:
        if record.member_id not in mine:
            text = translate("Member {number} belongs to another part of the organisation.")
            fault(line, text.format(number=record.member_id))
        elif duplicates == "add" or record.key not in known:
            known.setdefault(record.key, line)
            found.added.append((line, record, 0))
        elif duplicates == "skip":
            found.skipped.append(line)
        elif known[record.key]:
            fault(line, translate("The same record stands in row {row}.").format(row=known[record.key]))
        else:
            fault(line, translate("There is such a record already."))
