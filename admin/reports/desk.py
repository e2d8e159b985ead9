"""The desk's shift: what each operator sold, swapped, recharged and paid out on a business date, in which store.

Read from the ledger's entries of the desk's documents, so a count of cards sold
is the count of cards that the switch has issued.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from admin.models.documents import Document, DocumentStep
from admin.models.journal import PART_BITS, entries
from admin.models.people import User
from admin.models.sales import fees
from switch.protocol.card_terms import CardOperation, FeeTender
from switch.protocol.messages import MessageType

from .money import StoreParameters
from .report import Chart, Column, ColumnKind, Query, Report, Scope, count, money, store, text, total

_ = str
SALES = (CardOperation.ISSUE, CardOperation.MAKE_AND_ISSUE)
SWAPS = (CardOperation.REPLACE, CardOperation.CORRECT)
TYPES = (MessageType.OPERATE_CARD, MessageType.CREDIT)


def _shifts(scope: Scope, parameters: StoreParameters) -> Query:
    first = DocumentStep.journal_sequence * (1 << PART_BITS)
    # A range has an entry with a row for each account: their values are summed before steps are.
    done = (
        select(
            entries.c.business_date,
            entries.c.store_id,
            Document.maker_id,
            DocumentStep.type,
            func.max(entries.c.operation).label("operation"),
            func.max(DocumentStep.done_count).label("cards"),
            func.max(DocumentStep.journal_sequence).label("sequence"),
            total(entries.c.value_minor).label("value_minor"),
        )
        .select_from(DocumentStep)
        .join(Document, Document.id == DocumentStep.document_id)
        .join(entries, and_(entries.c.id >= first, entries.c.id < first + (1 << PART_BITS)))
        .where(
            DocumentStep.journal_sequence > 0,
            DocumentStep.done_count > 0,
            DocumentStep.type.in_([int(type_) for type_ in TYPES]),
            *scope.part(entries, parameters),
            *scope.period(entries.c.business_date, parameters),
        )
        .group_by(
            DocumentStep.document_id,
            DocumentStep.number,
            entries.c.business_date,
            entries.c.store_id,
            Document.maker_id,
            DocumentStep.type,
        )
    )
    if parameters.store:
        done = done.where(entries.c.store_id == parameters.store)
    step = done.cte("step")
    is_operation = step.c.type == int(MessageType.OPERATE_CARD)

    def of(operations: tuple[CardOperation, ...], value: ColumnElement[int]) -> Any:
        return total(case((and_(is_operation, step.c.operation.in_([int(one) for one in operations])), value), else_=0))

    is_recharge = step.c.type == int(MessageType.CREDIT)
    return (
        select(
            step.c.business_date,
            step.c.store_id,
            User.full_name.label("employee"),
            of(SALES, step.c.cards).label("sold"),
            of(SALES, step.c.value_minor).label("sold_minor"),
            of(SWAPS, step.c.cards).label("swapped"),
            of((CardOperation.RETURN,), step.c.cards).label("returned"),
            (-of((CardOperation.RETURN,), step.c.value_minor)).label("returned_minor"),
            total(case((is_recharge, step.c.cards), else_=0)).label("recharges"),
            total(case((is_recharge, step.c.value_minor), else_=0)).label("recharged_minor"),
            total(case((fees.c.tender == int(FeeTender.CASH), fees.c.fee_minor), else_=0)).label("fee_minor"),
        )
        .select_from(step)
        .join(User, User.id == step.c.maker_id)
        .outerjoin(fees, and_(is_operation, fees.c.sequence == step.c.sequence))
        .where(or_(is_recharge, is_operation))
        .group_by(step.c.business_date, step.c.store_id, step.c.maker_id, User.full_name)
        .order_by(step.c.business_date.desc(), step.c.store_id, User.full_name)
    )


REPORTS = (
    Report(
        "desk-shifts",
        "cards",
        _("Shifts of the desk"),
        _("What each operator sold, swapped, took back and recharged on a business date; cards sold are cards issued."),
        (
            Column("business_date", _("Business date"), ColumnKind.DATE),
            store("store_id"),
            text("employee", _("Employee")),
            count("sold", _("Cards sold")),
            money("sold_minor", _("Value sold")),
            count("swapped", _("Cards swapped")),
            count("returned", _("Cards returned")),
            money("returned_minor", _("Paid out and kept")),
            count("recharges", _("Recharges")),
            money("recharged_minor", _("Recharged")),
            money("fee_minor", _("Fees at the desk")),
        ),
        _shifts,
        StoreParameters,
        chart=Chart("line", "business_date", ("sold_minor",)),
    ),
)
