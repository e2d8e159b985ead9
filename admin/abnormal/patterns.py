"""Patterns of abnormal transactions: each is one question to the followed entries about those that are new.

A pattern names the entry that made it true, and a subject: a rule raises a
subject once, so a series of refusals is one finding and not a hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, and_, exists, func, select
from sqlalchemy.orm import Session

from admin.models.journal import PART_BITS, entries
from admin.models.mirror import cards
from admin.models.security import AbnormalRule
from switch.protocol.card_terms import CardStatus
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType

_ = str
APPROVED = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
LIMIT_CODES = (
    ResponseCode.AMOUNT,
    ResponseCode.FUNDS,
    ResponseCode.SINGLE_AMOUNT,
    ResponseCode.DAILY_AMOUNT,
    ResponseCode.DAILY_COUNT,
    ResponseCode.RECHARGE_COUNT,
    ResponseCode.RECHARGE_AMOUNT,
    ResponseCode.OVER_CEILING,
    ResponseCode.PIN_WRONG,
    ResponseCode.PIN_LOCKED,
)
UNSOLD = (CardStatus.RESERVED, CardStatus.MADE, CardStatus.DRAWN)
MS_PER_MINUTE = 60_000
LOOK_BACK_ENTRIES = 200_000
"""Of a terminal's entries: a question by terminal has no index, and must not read a year."""


@dataclass(frozen=True, slots=True)
class Span:
    """New entries: above one sequence, up to another."""

    after: int
    until: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found."""

    subject: str
    sequence: int
    time_ms: int
    business_date: int
    card_number: int
    terminal_id: int
    store_id: int
    amount_minor: int
    count: int = 0
    other_store_id: int = 0


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of rule."""

    label: str
    hint: str
    uses: tuple[str, ...]
    """Columns of the rule that must be above 0."""
    find: Callable[[Session, AbnormalRule, Span, ZoneInfo], Iterator[Finding]]


new, old = entries.alias("new"), entries.alias("old")


def _of_type(*types: MessageType) -> Any:
    return new.c.type.in_(types)


def _new(rule: AbnormalRule, span: Span, *conditions: Any) -> Select[Any]:
    """New entries, one row each."""
    query = select(new).where(
        new.c.id >= (span.after + 1) << PART_BITS, new.c.id < (span.until + 1) << PART_BITS, new.c.part == 0
    )
    if rule.store_id:
        query = query.where(new.c.store_id == rule.store_id)
    return query.where(*conditions).order_by(new.c.id)


def _before(*conditions: Any) -> Any:
    """Entries of the same card up to this one."""
    return and_(old.c.card_number == new.c.card_number, old.c.id <= new.c.id, old.c.part == 0, *conditions)


def _lately(rule: AbnormalRule) -> Any:
    return old.c.time_ms >= new.c.time_ms - rule.minutes * MS_PER_MINUTE


def _counted(condition: Any) -> Any:
    return select(func.count()).select_from(old).where(condition).correlate(new).scalar_subquery().label("found_count")


def _debits() -> tuple[Any, ...]:
    return (_of_type(MessageType.DEBIT, MessageType.CAPTURE), new.c.code.in_(APPROVED), new.c.card_number != 0)


def _old_debits() -> Any:
    return and_(old.c.type.in_((MessageType.DEBIT, MessageType.CAPTURE)), old.c.code.in_(APPROVED))


def _finding(row: Any, subject: str, **more: Any) -> Finding:
    return Finding(
        subject=subject,
        sequence=row.sequence,
        time_ms=row.time_ms,
        business_date=row.business_date,
        card_number=row.card_number,
        terminal_id=row.terminal_id,
        store_id=row.store_id,
        amount_minor=more.pop("amount_minor", row.amount_minor),
        **more,
    )


def _large(session: Session, rule: AbnormalRule, span: Span, _zone: ZoneInfo) -> Iterator[Finding]:
    for row in session.execute(_new(rule, span, *_debits(), new.c.amount_minor >= rule.amount_minor)):
        yield _finding(row, str(row.sequence))


def _night(session: Session, rule: AbnormalRule, span: Span, zone: ZoneInfo) -> Iterator[Finding]:
    for row in session.execute(_new(rule, span, *_debits(), new.c.amount_minor >= rule.amount_minor)):
        local = datetime.fromtimestamp(row.time_ms / 1000, UTC).astimezone(zone)
        if _is_between(local.hour * 60 + local.minute, rule.from_minute, rule.until_minute):
            yield _finding(row, str(row.sequence))


def _is_between(minute: int, first: int, end: int) -> bool:
    """Also over midnight: 22:00 to 06:00."""
    return first <= minute < end if first <= end else minute >= first or minute < end


def _counted_by_card(rule: AbnormalRule, span: Span, conditions: tuple[Any, ...], past: Any) -> Select[Any]:
    query = _new(rule, span, *conditions).add_columns(_counted(_before(past)))
    rows = query.order_by(None).subquery("counted")
    return select(rows).where(rows.c.found_count >= rule.count_min).order_by(rows.c.id)


def _each_card_and_date(session: Session, query: Select[Any]) -> Iterator[Finding]:
    for row in session.execute(query):
        yield _finding(row, f"{row.card_number}/{row.business_date}", count=row.found_count)


def _many(session: Session, rule: AbnormalRule, span: Span, _zone: ZoneInfo) -> Iterator[Finding]:
    past = and_(_old_debits(), old.c.business_date == new.c.business_date)
    yield from _each_card_and_date(session, _counted_by_card(rule, span, _debits(), past))


def _fast(session: Session, rule: AbnormalRule, span: Span, _zone: ZoneInfo) -> Iterator[Finding]:
    past = and_(_old_debits(), _lately(rule))
    yield from _each_card_and_date(session, _counted_by_card(rule, span, _debits(), past))


def _refused(session: Session, rule: AbnormalRule, span: Span, _zone: ZoneInfo) -> Iterator[Finding]:
    conditions = (new.c.code.in_(LIMIT_CODES), new.c.card_number != 0)
    past = and_(old.c.code.in_(LIMIT_CODES), _lately(rule))
    yield from _each_card_and_date(session, _counted_by_card(rule, span, conditions, past))


def _two_stores(session: Session, rule: AbnormalRule, span: Span, _zone: ZoneInfo) -> Iterator[Finding]:
    elsewhere = _before(_old_debits(), _lately(rule), old.c.store_id != new.c.store_id)
    other = (
        select(old.c.store_id)
        .where(elsewhere)
        .order_by(old.c.id.desc())
        .limit(1)
        .correlate(new)
        .scalar_subquery()
        .label("elsewhere_id")
    )
    rows = _new(rule, span, *_debits()).add_columns(other).order_by(None).subquery("moved")
    for row in session.execute(select(rows).where(rows.c.elsewhere_id.is_not(None)).order_by(rows.c.id)):
        yield _finding(row, str(row.sequence), other_store_id=row.elsewhere_id)


def _round_recharge(session: Session, rule: AbnormalRule, span: Span, _zone: ZoneInfo) -> Iterator[Finding]:
    recharge = _before(
        old.c.type == MessageType.CREDIT,
        old.c.code.in_(APPROVED),
        old.c.amount_minor >= rule.amount_minor,
        old.c.amount_minor % rule.amount_minor == 0,
        _lately(rule),
    )
    found = select(func.max(old.c.id)).where(recharge).correlate(new).scalar_subquery().label("recharge_id")
    rows = _new(rule, span, *_debits()).add_columns(found).order_by(None).subquery("spent")
    for row in session.execute(select(rows).where(rows.c.recharge_id.is_not(None)).order_by(rows.c.id)):
        yield _finding(row, f"recharge {row.recharge_id >> PART_BITS}")


def _refund_alone(session: Session, rule: AbnormalRule, span: Span, _zone: ZoneInfo) -> Iterator[Finding]:
    sale = exists().where(_before(_old_debits(), _lately(rule), old.c.amount_minor >= new.c.amount_minor))
    query = _new(rule, span, _of_type(MessageType.REFUND), new.c.code.in_(APPROVED), new.c.card_number != 0, ~sale)
    for row in session.execute(query):
        yield _finding(row, str(row.sequence))


def _backfills(session: Session, rule: AbnormalRule, span: Span, _zone: ZoneInfo) -> Iterator[Finding]:
    types = (MessageType.BACKFILL, MessageType.ADJUST_POINTS)
    past = and_(
        old.c.store_id == new.c.store_id,
        old.c.terminal_id == new.c.terminal_id,
        old.c.business_date == new.c.business_date,
        old.c.type.in_(types),
        old.c.code.in_(APPROVED),
        old.c.part == 0,
        old.c.id <= new.c.id,
        old.c.id > new.c.id - (LOOK_BACK_ENTRIES << PART_BITS),
    )
    rows = (
        _new(rule, span, _of_type(*types), new.c.code.in_(APPROVED))
        .add_columns(_counted(past))
        .order_by(None)
        .subquery("counted")
    )
    for row in session.execute(select(rows).where(rows.c.found_count >= rule.count_min).order_by(rows.c.id)):
        yield _finding(row, f"terminal {row.terminal_id}/{row.business_date}", count=row.found_count)


def _unsold(session: Session, rule: AbnormalRule, span: Span, _zone: ZoneInfo) -> Iterator[Finding]:
    unsold = exists().where(cards.c.card_number == new.c.card_number, cards.c.status.in_(UNSOLD))
    for row in session.execute(_new(rule, span, new.c.code == ResponseCode.CARD_STATUS, unsold)):
        yield _finding(row, f"{row.card_number}/{row.business_date}")


PATTERNS: Mapping[str, Pattern] = {
    "many": Pattern(
        _("Many payments in a day"), _("A card pays so many times on one business date."), ("count_min",), _many
    ),
    "fast": Pattern(
        _("Many payments in a short time"),
        _("A card pays so many times within so many minutes."),
        ("count_min", "minutes"),
        _fast,
    ),
    "large": Pattern(_("Large payment"), _("One payment of so much or more."), ("amount_minor",), _large),
    "night": Pattern(
        _("Payment at night"),
        _("A payment between two times of day, in the switch's time zone, also over midnight."),
        (),
        _night,
    ),
    "two-stores": Pattern(
        _("Two stores in a short time"),
        _("A card pays in two stores within so many minutes."),
        ("minutes",),
        _two_stores,
    ),
    "refused": Pattern(
        _("Refusals in series"),
        _("A card meets limits or wrong PINs so many times within so many minutes."),
        ("count_min", "minutes"),
        _refused,
    ),
    "round-recharge": Pattern(
        _("Round recharge, then spent"),
        _("A recharge of a multiple of the amount, and a payment within so many minutes."),
        ("amount_minor", "minutes"),
        _round_recharge,
    ),
    "refund-alone": Pattern(
        _("Refund without a sale"),
        _("A refund to a card that has paid nothing of that size within so many minutes (43200: 30 days)."),
        ("minutes",),
        _refund_alone,
    ),
    "backfills": Pattern(
        _("Many points by hand"),
        _("So many backfills and adjustments of points at one terminal on one business date."),
        ("count_min",),
        _backfills,
    ),
    "unsold": Pattern(_("Unsold card tried"), _("A card that was never sold is shown at a till."), (), _unsold),
}
"""By name, as rules keep it."""
