"""Members as a spreadsheet: exactly what the list shows under its filters, masked like it, with figures of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.i18n import day, translate
from admin.models.members import Member, MemberContact, MemberLevel
from admin.models.mirror import accounts
from admin.service import Service

from .definitions import (
    ID_KINDS,
    KINDS,
    MARITAL,
    SEXES,
    SOURCES,
    STATES,
    codes_of,
    custom_fields,
    values_of,
)
from .drafts import COLUMNS, DAYS, labels_of
from .holdings import owners
from .identity import mask_id_number, show_day
from .records import mask
from .seals import Vault
from .search import list_members
from .totals import Totals, member_sums

_ = str
ROWS_MAX = 200_000
"""Rows of one file; a spreadsheet has room for a million, and a person for fewer."""
PORTION_MEMBERS = 500
FIGURES = (_("Level"), _("State"), _("Spent"), _("Visits"), _("Last purchase"), _("Balance"), _("Points"), _("Cards"))
NAMED: dict[str, Any] = {"kind": KINDS, "sex": SEXES, "marital": MARITAL, "id_kind": ID_KINDS, "source": SOURCES}
CODED = {
    "education": "education",
    "occupation": "occupation",
    "industry": "industry",
    "region": "region",
    "member_class": "class",
    "detail_class": "detail-class",
}


HIDDEN = "***"
"""In the place of what the visitor may not see."""


class Export:
    """Rows of a file, portion by portion."""

    def __init__(
        self,
        service: Service,
        session: Session,
        visitor: Visitor,
        text: str,
        conditions: Sequence[ColumnElement[bool]],
        *,
        is_whole: bool,
        tick: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> None:
        """`is_whole`: numbers and addresses are not masked; the caller has asked for the right."""
        self._session, self._visitor = session, visitor
        self._vault = Vault(service)
        self._text, self._conditions, self._is_whole = text, conditions, is_whole
        self._tick = tick
        self._fields = custom_fields(session)
        self._levels = {row.id: row.name for row in session.scalars(select(MemberLevel))}
        self._codes = {name: codes_of(session, table) for name, table in CODED.items()}
        self._interests = codes_of(session, "interest")

    def heading(self) -> list[str]:
        """Headings in the language of the request; an import knows them again."""
        labels = labels_of()
        names = ["id_number", "mobile", "phone", "email", *COLUMNS]
        own = [field.name for field in self._fields]
        return [
            translate("Member number"),
            *(translate(labels[name]) for name in names),
            *own,
            *(translate(text) for text in FIGURES),
        ]

    def is_longer_than(self, rows_max: int) -> bool:
        """Whether there are more rows than so many, of which none is opened."""
        found = list_members(self._session, self._vault, self._visitor, self._text, self._conditions, "", rows_max)
        self._session.expunge_all()
        return bool(found.cursor)

    def rows(self) -> Iterator[list[str | int | float]]:
        """One row per member."""
        cursor, count = "", 0
        while count < ROWS_MAX:
            found = list_members(
                self._session, self._vault, self._visitor, self._text, self._conditions, cursor, PORTION_MEMBERS
            )
            yield from self._portion(found.members)
            count += len(found.members)
            cursor = found.cursor
            self._session.expunge_all()
            self._tick(count, 0)
            if not cursor:
                return

    def _portion(self, members: Sequence[Member]) -> Iterator[list[str | int | float]]:
        numbers = [member.id for member in members]
        values = values_of(self._session, numbers, self._fields)
        contacts: dict[tuple[int, int], str] = {}
        for row in self._session.scalars(select(MemberContact).where(MemberContact.member_id.in_(numbers))):
            value = self._vault.contact(row.member_id, row.place, row.value_sealed)
            contacts[row.member_id, row.place] = value if self._is_whole else mask(row.kind, value)
        done, held = self._figures(numbers)
        for member in members:
            id_number = self._vault.id_number(member.id, member.id_sealed) if member.id_sealed else ""
            totals, (balance, points, card_count) = done.get(member.id, Totals()), held.get(member.id, (0, 0, 0))
            own = values.get(member.id, {})
            yield [
                member.id,
                id_number if self._is_whole else mask_id_number(id_number),
                *(contacts.get((member.id, place), "") for place in (1, 2, 3)),
                *(self._cell(member, name) for name in COLUMNS),
                *(own.get(field.key, "") for field in self._fields),
                self._levels.get(member.level_id or 0, ""),
                translate(STATES[member.state]),
                _decimal(totals.spent_minor),
                totals.visit_count,
                day(totals.last_date),
                _decimal(balance) if self._visitor.may("balances") else HIDDEN,
                _decimal(points) if self._visitor.may("balances") else HIDDEN,
                card_count,
            ]

    def _cell(self, member: Member, name: str) -> str | int:
        value = getattr(member, name)
        if name in DAYS:
            return show_day(value)
        if name in NAMED:
            return translate(NAMED[name].get(value, ""))
        if name in self._codes:
            return self._codes[name].get(value, "")
        if name == "interests":
            return "、".join(text for code, text in self._interests.items() if value >> code & 1)
        return value if value is not None else ""

    def _figures(self, numbers: Sequence[int]) -> tuple[dict[int, Totals], dict[int, tuple[int, int, int]]]:
        sums = member_sums(members=numbers).c
        done = {
            int(row.member_id): Totals(int(row.spent_minor), int(row.visit_count), 0, 0, int(row.last_date))
            for row in self._session.execute(select(sums.member_id, sums.spent_minor, sums.visit_count, sums.last_date))
        }
        who = owners(numbers)
        held: dict[int, tuple[int, int, int]] = {}
        for number, balance, points in self._session.execute(
            select(who.c.member_id, accounts.c.balance_minor, accounts.c.points_hundredths).join(
                accounts, accounts.c.account_number == who.c.account_number
            )
        ):
            before = held.get(number, (0, 0, 0))
            held[number] = (before[0] + balance, before[1] + points, before[2] + 1)
        return done, held


def _decimal(value: int) -> float:
    return float(Decimal(value).scaleb(-2))
