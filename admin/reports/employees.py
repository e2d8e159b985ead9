"""What employees have sold, the commission on it, and their pay of each month.

Sold is what the documents of an employee have put onto cards, as the ledger
has it: recharges and cards issued with value; for an order, its taker's. What
was taken back by a reversal document is left out. Besides, purchases of
members that were noted by hand under his name.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, BigInteger, Select, String, and_, case, cast, func, literal, or_, select, union_all
from sqlalchemy.orm import aliased

from admin.models.consumption import Consumption
from admin.models.documents import Document, DocumentStep, StepState
from admin.models.journal import PART_BITS, entries
from admin.models.members import Member
from admin.models.money import Order
from admin.models.pay import PayTerms
from admin.models.people import User
from switch.protocol.messages import MessageType

from .customers import first_day, months
from .report import (
    BASIS_POINTS,
    Chart,
    Column,
    ColumnKind,
    Parameters,
    Query,
    Report,
    Scope,
    count,
    money,
    number,
    percent,
    text,
    total,
)

_ = str
CARD, NOTED = "card", "noted"
SOURCES: dict[str, str] = {CARD: _("Value sold"), NOTED: _("Purchases noted by hand")}
SELLING = (
    *("recharge-card", "recharge-cards", "issue-cards", "make-and-issue"),
    *("issue-order", "activate-order", "recharge-order", "move-recharge"),
)
"""Kinds of documents that sell value; of `move-recharge` the credit, while its reversal takes the first one out."""


def _sold_by_documents(scope: Scope, parameters: Parameters) -> Select[Any]:
    undone = aliased(DocumentStep)
    taken_back = select(undone.document_id).where(
        undone.type == int(MessageType.REVERSAL),
        undone.state == StepState.DONE,
        undone.subject == cast(DocumentStep.document_id, String) + "/" + cast(DocumentStep.number, String),
    )
    first = DocumentStep.journal_sequence * (1 << PART_BITS)
    seller = func.coalesce(Order.maker_id, Document.maker_id)
    return (
        select(
            literal(CARD, String).label("source"),
            entries.c.business_date.label("business_date"),
            Document.id.label("record"),
            seller.label("user_id"),
            total(entries.c.value_minor).label("amount_minor"),
        )
        .select_from(DocumentStep)
        .join(Document, Document.id == DocumentStep.document_id)
        .join(entries, and_(entries.c.id >= first, entries.c.id < first + (1 << PART_BITS)))
        .outerjoin(Order, Order.issue_document_id == Document.id)
        .where(
            Document.kind.in_(SELLING),
            DocumentStep.journal_sequence > 0,
            DocumentStep.type != int(MessageType.REVERSAL),
            ~taken_back.exists(),
            *scope.part(entries, parameters),
            *scope.period(entries.c.business_date, parameters),
        )
        .group_by(entries.c.business_date, Document.id, seller)
        .having(func.sum(entries.c.value_minor) != 0)
    )


def _sold_by_note(scope: Scope, parameters: Parameters) -> Select[Any]:
    query: Any = (
        select(
            literal(NOTED, String),
            Consumption.business_date,
            Consumption.id,
            Consumption.seller_id,
            Consumption.amount_minor,
        )
        .join(Member, Member.id == Consumption.member_id)
        .where(Consumption.seller_id != 0, *scope.period(Consumption.business_date, parameters))
    )
    if parameters.organisation:
        stores = scope.stores_of(parameters.organisation)
        query = query.where(or_(Consumption.store_id.in_(stores), Member.organisation_id == parameters.organisation))
    found: Select[Any] = scope.visitor.members_seen(query)
    return found


def sales(scope: Scope, parameters: Parameters) -> CTE:
    """(source, business_date, record, user_id, amount_minor) of every sale, of users of the visitor's part."""
    sold = union_all(_sold_by_documents(scope, parameters), _sold_by_note(scope, parameters)).cte("sold")
    seen = scope.visitor.users_seen(select(User.id))
    return select(sold).where(sold.c.user_id.in_(seen)).cte("sales")


def _months(scope: Scope, parameters: Parameters) -> CTE:
    last = max(scope.until(parameters), 1)
    first = parameters.from_date or min(first_day(scope) or last, last)
    return months(min(first, last), last)


def _terms(date: Any, user_id: Any) -> Any:
    """The day from which the terms hold that are in force on a date."""
    newest = aliased(PayTerms)
    return (
        select(func.max(newest.from_date))
        .where(newest.user_id == user_id, newest.from_date <= date)
        .correlate_except(newest)
        .scalar_subquery()
    )


def _sales(scope: Scope, parameters: Parameters) -> Query:
    sold = sales(scope, parameters)

    def of(source: str) -> Any:
        return total(case((sold.c.source == source, sold.c.amount_minor), else_=0))

    return (
        select(
            User.name.label("login"),
            User.full_name.label("employee"),
            func.count().label("sales"),
            of(CARD).label("card_minor"),
            of(NOTED).label("noted_minor"),
            total(sold.c.amount_minor).label("amount_minor"),
            (total(sold.c.amount_minor) // func.count()).label("mean_minor"),
        )
        .join_from(sold, User, User.id == sold.c.user_id)
        .group_by(User.id, User.name, User.full_name)
        .order_by(total(sold.c.amount_minor).desc(), User.name)
    )


def _commission(scope: Scope, parameters: Parameters) -> Query:
    sold, month = sales(scope, parameters), _months(scope, parameters)
    rate = case((sold.c.source == CARD, PayTerms.card_bp), else_=PayTerms.noted_bp)
    on = and_(PayTerms.user_id == sold.c.user_id, PayTerms.from_date == _terms(month.c.last_date, sold.c.user_id))
    bp = func.coalesce(rate, 0)
    return (
        select(
            sold.c.business_date,
            sold.c.source,
            sold.c.record,
            User.full_name.label("employee"),
            sold.c.amount_minor,
            bp.label("rate_bp"),
            cast(sold.c.amount_minor * bp // BASIS_POINTS, BigInteger).label("commission_minor"),
        )
        .join_from(sold, User, User.id == sold.c.user_id)
        .join(month, sold.c.business_date.between(month.c.first_date, month.c.last_date))
        .outerjoin(PayTerms, on)
        .order_by(sold.c.business_date.desc(), sold.c.source, sold.c.record.desc())
    )


def _pay(scope: Scope, parameters: Parameters) -> Query:
    month = _months(scope, parameters)
    sold = sales(scope, parameters)
    sums = (
        select(
            month.c.place,
            sold.c.user_id,
            total(case((sold.c.source == CARD, sold.c.amount_minor), else_=0)).label("card_minor"),
            total(case((sold.c.source == NOTED, sold.c.amount_minor), else_=0)).label("noted_minor"),
        )
        .join_from(sold, month, sold.c.business_date.between(month.c.first_date, month.c.last_date))
        .group_by(month.c.place, sold.c.user_id)
        .cte("sums")
    )
    card, noted = func.coalesce(sums.c.card_minor, 0), func.coalesce(sums.c.noted_minor, 0)
    card_pay, noted_pay = card * PayTerms.card_bp // BASIS_POINTS, noted * PayTerms.noted_bp // BASIS_POINTS
    query: Any = (
        select(
            month.c.label.label("month"),
            User.name.label("login"),
            User.full_name.label("employee"),
            PayTerms.base_minor,
            card.label("card_minor"),
            cast(card_pay, BigInteger).label("card_pay_minor"),
            noted.label("noted_minor"),
            cast(noted_pay, BigInteger).label("noted_pay_minor"),
            cast(PayTerms.base_minor + card_pay + noted_pay, BigInteger).label("pay_minor"),
        )
        .select_from(month)
        .join(PayTerms, PayTerms.from_date == _terms(month.c.last_date, PayTerms.user_id))
        .join(User, User.id == PayTerms.user_id)
        .outerjoin(sums, and_(sums.c.place == month.c.place, sums.c.user_id == PayTerms.user_id))
    )
    found: Query = scope.visitor.users_seen(query).order_by(month.c.place.desc(), User.name)
    return found


LOGIN, EMPLOYEE = text("login", _("Sign-on name")), text("employee", _("Employee"))
REPORTS = (
    Report(
        "employee-sales",
        "sales",
        _("Sales of employees"),
        _("What each employee has sold: value put onto cards by documents, as the ledger has it, and noted purchases."),
        (
            LOGIN,
            EMPLOYEE,
            count("sales", _("Sales")),
            money("card_minor", _("Value sold")),
            money("noted_minor", _("Purchases noted by hand")),
            money("amount_minor", _("Amount")),
            money("mean_minor", _("Each sale"), is_summed=False),
        ),
        _sales,
        Parameters,
        Chart("rank", "employee", ("amount_minor",)),
    ),
    Report(
        "commission",
        "sales",
        _("Commission on sales"),
        _("Each sales document and noted purchase with the commission of its salesperson, at the terms of its month."),
        (
            Column("business_date", _("Business date"), ColumnKind.DATE),
            Column("source", _("Kind"), ColumnKind.WORD, words=SOURCES),
            number("record", _("Document")),
            EMPLOYEE,
            money("amount_minor", _("Amount")),
            percent("rate_bp", _("Rate")),
            money("commission_minor", _("Commission")),
        ),
        _commission,
        Parameters,
        function="pay",
    ),
    Report(
        "pay",
        "money",
        _("Pay of employees"),
        _("Base pay and commission of each month; of those for whom pay was agreed."),
        (
            text("month", _("Month")),
            LOGIN,
            EMPLOYEE,
            money("base_minor", _("Base pay")),
            money("card_minor", _("Value sold")),
            money("card_pay_minor", _("Commission on it")),
            money("noted_minor", _("Purchases noted by hand")),
            money("noted_pay_minor", _("Commission on them")),
            money("pay_minor", _("Wages")),
        ),
        _pay,
        Parameters,
        function="pay",
    ),
)
