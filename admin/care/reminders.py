"""What each kind of reminder looks for: one question each, bounded, along an index where the table is large."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from admin.database import BigInt
from admin.documents.kind import subject
from admin.errors import RefusedError
from admin.i18n import FIRST_DATE
from admin.members.groups import members_of_group
from admin.members.today import month_days
from admin.members.totals import business_date
from admin.models.care import CareTask, Festival, MemberDay, ReminderRule, TaskState
from admin.models.consumption import Consumption
from admin.models.holdings import MemberCard, account_days
from admin.models.members import Member, MemberGroup, MemberRelative, MemberState
from admin.models.mirror import accounts, cards, stores
from switch.protocol.card_terms import CardStatus

_ = str
GOES_ON = (MemberState.ACTIVE, MemberState.PENDING)
IN_STOCK = (CardStatus.MADE, CardStatus.DRAWN)
USABLE = (CardStatus.ISSUED, CardStatus.ACTIVE)
STORE_BITS, TYPE_BITS = 32, 16
"""Of the reference of a task about stock: a date, then the store and the card type."""
ACCOUNT_DIGITS, DATE_DIGITS = 10**12, 10**5
"""Of the reference of a task about a card: 12 digits tell the accounts of one member apart, a date has 5."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing to be reminded of."""

    member_id: int
    reference: int
    due_date: int
    subject: str
    organisation_id: int = 0
    """Of what is about no member; a member's own counts otherwise."""
    store_id: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What a question needs: which due dates, what is set, how many are wanted."""

    session: Session
    today: date
    first_date: int
    last_date: int
    rule: ReminderRule
    limit: int

    @property
    def day(self) -> date:
        """The due date of kinds that are asked day by day."""
        return FIRST_DATE + timedelta(days=self.first_date)


def is_new(kind: str, member_id: Any, reference: Any) -> ColumnElement[bool]:
    """Whether there is no such task yet."""
    task = aliased(CareTask)
    return ~exists().where(task.kind == kind, task.member_id == member_id, task.reference == reference)


# ------------------------------------------------------------------------- days of the calendar


def _yearly(look: Look, query: Any, whose: Any, month_day: Any, text: str) -> list[Found]:
    """(member, date of birth, name) of those who have it on the day; `whose` tells several of one member apart."""
    day, due = look.day, business_date(look.day)
    reference = whose * 10_000 + day.year
    wanted = query.where(
        month_day.in_(month_days(day)), Member.state.in_(GOES_ON), is_new(look.rule.kind, Member.id, reference)
    ).add_columns(reference)
    return [
        Found(number, key, due, subject(text, years=day.year - since // 10_000, name=name[:40]) if since else "")
        for number, since, name, key in look.session.execute(wanted.limit(look.limit))
    ]


def _birthdays(look: Look) -> list[Found]:
    query = select(Member.id, Member.birth_date, Member.name).order_by(Member.id)
    return _yearly(look, query, literal(0, Integer), Member.birth_day, _("{years} years old"))


def _anniversaries(look: Look) -> list[Found]:
    query = select(Member.id, Member.anniversary_date, Member.name).order_by(Member.id)
    return _yearly(look, query, literal(0, Integer), Member.anniversary_day, _("{years} years"))


def _family(look: Look) -> list[Found]:
    query: Any = select(Member.id, MemberRelative.birth_date, MemberRelative.name)
    query = query.join(MemberRelative, MemberRelative.member_id == Member.id).order_by(MemberRelative.id)
    return _yearly(look, query, MemberRelative.id, MemberRelative.birth_day, _("{name}: {years} years old"))


def _stamp(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _special_days(look: Look) -> list[Found]:
    day = look.day
    kept = or_(
        and_(MemberDay.is_yearly, MemberDay.month_day.in_(month_days(day)), MemberDay.date <= _stamp(day)),
        and_(MemberDay.is_yearly.is_(False), MemberDay.date == _stamp(day)),
    )
    reference = MemberDay.id * 10_000 + day.year
    query: Any = select(MemberDay.member_id, reference, MemberDay.name).join(Member, Member.id == MemberDay.member_id)
    query = query.where(kept, Member.state.in_(GOES_ON), is_new("special-day", MemberDay.member_id, reference))
    rows = look.session.execute(query.order_by(MemberDay.id).limit(look.limit))
    return [Found(number, key, look.first_date, name) for number, key, name in rows]


def _festivals(look: Look) -> list[Found]:
    found: list[Found] = []
    for row in look.session.scalars(select(Festival).order_by(Festival.id)):
        if row.date != _stamp(look.day) and not (row.is_yearly and row.date % 10_000 in month_days(look.day)):
            continue
        reference = row.id * 10_000 + look.day.year
        group = look.session.get(MemberGroup, row.group_id) if row.group_id else None
        if group is None:
            found.append(Found(0, reference, look.first_date, row.name, organisation_id=row.organisation_id))
            continue
        try:
            inside = members_of_group(look.session, group, look.today)
        except RefusedError:  # a code of its condition was withdrawn
            continue
        query = select(Member.id).where(inside, Member.state.in_(GOES_ON), is_new("festival", Member.id, reference))
        numbers = look.session.scalars(query.order_by(Member.id).limit(max(0, look.limit - len(found))))
        found += [Found(number, reference, look.first_date, row.name) for number in numbers]
    return found[: look.limit]


# ------------------------------------------------------------------------- purchases


def holder() -> Any:
    """Who holds the account of a question about `accounts` that `linked` has joined."""
    return func.coalesce(MemberCard.member_id, accounts.c.member)


def linked(query: Any) -> Any:
    """A question about `accounts`, with the links that merges have made."""
    on = and_(MemberCard.account_number == accounts.c.account_number, MemberCard.switch_member == accounts.c.member)
    return query.outerjoin(MemberCard, on).where(accounts.c.member != 0)


def _buyers(day: int) -> Subquery:
    """(member_id, spent_minor) of those who bought on a day, at a till or as somebody has noted."""
    at_tills = linked(
        select(holder().label("member_id"), account_days.c.spent_minor.label("spent_minor"))
        .select_from(account_days)
        .join(accounts, accounts.c.account_number == account_days.c.account_number)
    ).where(account_days.c.business_date == day, account_days.c.visit_count > 0)
    noted = select(Consumption.member_id, Consumption.amount_minor).where(Consumption.business_date == day)
    all_ = union_all(at_tills, noted).subquery("all_bought")
    return (
        select(all_.c.member_id, func.sum(all_.c.spent_minor).label("spent_minor"))
        .group_by(all_.c.member_id)
        .subquery("bought")
    )


def _bought_after(member_id: Any, day: int) -> ColumnElement[bool]:
    later, held, link = account_days.alias("later"), accounts.alias("held"), aliased(MemberCard)
    is_later = and_(later.c.business_date > day, later.c.visit_count > 0)
    return or_(
        exists()
        .select_from(held.join(later, later.c.account_number == held.c.account_number))
        .where(held.c.member == member_id, is_later),
        exists().where(link.member_id == member_id, later.c.account_number == link.account_number, is_later),
        exists().where(Consumption.member_id == member_id, Consumption.business_date > day),
    )


def _who_bought(look: Look, *conditions: Callable[[Any, int], ColumnElement[bool]], least_minor: int) -> list[int]:
    day = look.first_date - look.rule.days
    bought = _buyers(day)
    query = (
        select(bought.c.member_id)
        .join(Member, Member.id == bought.c.member_id)
        .where(
            Member.state.in_(GOES_ON),
            bought.c.spent_minor >= least_minor,
            is_new(look.rule.kind, bought.c.member_id, day),
            *(condition(bought.c.member_id, day) for condition in conditions),
        )
        .order_by(bought.c.member_id)
        .limit(look.limit)
    )
    return [int(number) for number in look.session.scalars(query)]


def _follow_ups(look: Look) -> list[Found]:
    day = look.first_date - look.rule.days
    words = subject(_("Bought on {day}"), day=_iso(day))
    return [
        Found(number, day, look.first_date, words) for number in _who_bought(look, least_minor=max(1, look.rule.amount))
    ]


def _silent(look: Look) -> list[Found]:
    day = look.first_date - look.rule.days
    words = subject(_("Last purchase on {day}"), day=_iso(day))
    found = _who_bought(look, lambda member, day: ~_bought_after(member, day), least_minor=-(2**62))
    return [Found(number, day, look.first_date, words) for number in found]


# ------------------------------------------------------------------------- cards


def _ending_cards(look: Look, *conditions: ColumnElement[bool]) -> Any:
    query: Any = (
        select(holder(), _card_reference(), cards.c.expiry_date, accounts.c.points_hundredths)
        .select_from(cards)
        .join(accounts, accounts.c.account_number == cards.c.account_number)
    )
    return look.session.execute(
        linked(query)
        .join(Member, Member.id == holder())
        .where(
            cards.c.expiry_date.between(look.first_date, look.last_date),
            cards.c.status.in_(USABLE),
            Member.state.in_(GOES_ON),
            is_new(look.rule.kind, holder(), _card_reference()),
            *conditions,
        )
        .order_by(cards.c.expiry_date, cards.c.card_number)
        .limit(look.limit)
    )


def _card_reference() -> Any:
    """A card's account and last date; below 0 for numbers that SQL keeps below 0."""
    account = type_coerce(cards.c.account_number, BigInt)
    return account % ACCOUNT_DIGITS * DATE_DIGITS + cards.c.expiry_date % DATE_DIGITS


def _card_expiry(look: Look) -> list[Found]:
    return [
        Found(member, key, day, subject(_("Last date of use {day}"), day=_iso(day)))
        for member, key, day, _points in _ending_cards(look)
    ]


def _points_expiry(look: Look) -> list[Found]:
    enough = accounts.c.points_hundredths >= max(1, look.rule.amount)
    text = _("{points} points end on {day}")
    return [
        Found(member, key, day, subject(text, points=_decimal(points), day=_iso(day)))
        for member, key, day, points in _ending_cards(look, enough)
    ]


def _low_balance(look: Look) -> list[Found]:
    """Of the accounts that were used the day before; once a month for each member."""
    used, days = look.first_date - 1, account_days.alias("loaded")
    loaded = exists().where(days.c.account_number == accounts.c.account_number, days.c.recharged_minor > 0)
    month = look.day.year * 100 + look.day.month
    query: Any = (
        select(holder(), func.min(accounts.c.balance_minor))
        .select_from(account_days)
        .join(accounts, accounts.c.account_number == account_days.c.account_number)
    )
    query = (
        linked(query)
        .join(Member, Member.id == holder())
        .where(
            account_days.c.business_date == used,
            accounts.c.balance_minor < look.rule.amount,
            or_(accounts.c.balance_minor > 0, loaded),  # a card that never held money is not short of it
            Member.state.in_(GOES_ON),
            is_new("low-balance", holder(), month),
        )
        .group_by(holder())
        .order_by(holder())
        .limit(look.limit)
    )
    text = _("Balance {amount}")
    return [
        Found(number, month, look.first_date, subject(text, amount=_decimal(balance)))
        for number, balance in look.session.execute(query)
    ]


def _stock(look: Look) -> list[Found]:
    """Stores whose stock of a type is beyond the bound, and of which no task waits already."""
    in_stock = func.sum(case((cards.c.status.in_(IN_STOCK), 1), else_=0))
    is_beyond = in_stock < look.rule.amount if look.rule.kind == "stock-low" else in_stock > look.rule.amount
    counted = (
        select(cards.c.custody_store_id, cards.c.card_type, in_stock.label("n"))
        .group_by(cards.c.custody_store_id, cards.c.card_type)
        .having(is_beyond)
        .subquery("stock")
    )
    query = (
        select(counted, func.coalesce(stores.c.organisation_id, 0))
        .outerjoin(stores, stores.c.store_id == counted.c.custody_store_id)
        .order_by(counted.c.custody_store_id, counted.c.card_type)
    )
    place_bits = STORE_BITS + TYPE_BITS
    waiting = select(CareTask.reference).where(CareTask.kind == look.rule.kind, CareTask.state == TaskState.OPEN)
    open_places = {reference & (1 << place_bits) - 1 for reference in look.session.scalars(waiting)}
    found: list[Found] = []
    for store_id, card_type, count, organisation in look.session.execute(query):
        place = (store_id & (1 << STORE_BITS) - 1) << TYPE_BITS | card_type
        if place not in open_places and len(found) < look.limit:
            words = subject(_("Card type {type}: {count} in stock"), type=card_type, count=int(count))
            reference = look.first_date << place_bits | place
            found.append(Found(0, reference, look.first_date, words, int(organisation), store_id))
    return found


def _iso(day: int) -> str:
    return (FIRST_DATE + timedelta(days=day)).isoformat()


def _decimal(hundredths: int) -> str:
    return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


FINDERS: Mapping[str, Callable[[Look], list[Found]]] = {
    "birthday": _birthdays,
    "birthday-ahead": _birthdays,
    "family-birthday": _family,
    "anniversary": _anniversaries,
    "special-day": _special_days,
    "festival": _festivals,
    "silent": _silent,
    "follow-up": _follow_ups,
    "card-expiry": _card_expiry,
    "points-expiry": _points_expiry,
    "low-balance": _low_balance,
    "stock-low": _stock,
    "stock-high": _stock,
}
OF_A_SPAN = ("card-expiry", "points-expiry", "stock-low", "stock-high")
"""Asked once for all their days; they read a whole table, and the others an index, day by day."""
