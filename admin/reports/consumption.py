"""What members bought: the tills' sales, as the ledger has them, and those that were noted by hand, in one table."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    String,
    and_,
    case,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from admin.access import subtree
from admin.forms import FormContext, entry
from admin.i18n import locale_now
from admin.members.consumption import product_choices
from admin.members.definitions import codes_of
from admin.members.holdings import owners
from admin.models.consumption import Consumption
from admin.models.holdings import MemberCard
from admin.models.members import Member, MemberCode
from admin.models.mirror import accounts
from admin.models.sales import LINE_BITS, baskets, bill_lines, goods_names

from .report import Column, ColumnKind, Parameters, Query, Report, Scope, count, money, number, text

_ = str
SWITCH, HAND = "switch", "hand"
ORIGINS: dict[int | str, str] = {SWITCH: _("Sold by a till"), HAND: _("Noted by hand")}


LOOKED_THROUGH_MAX = 5_000
"""Sales, and notes, that a page looks through for its rows: some hundredths of a second. More are summed if asked."""
BILL_LINES = "/reports/bill-lines?bill={value}"


def class_choices(context: FormContext) -> dict[int | str, str]:
    """Classes of members."""
    return dict(codes_of(context.session, "class").items())


class ConsumptionParameters(Parameters, kw_only=True, frozen=True):
    """By what purchases of members are looked for; `organisation` is the owner of the member's record."""

    member: Annotated[int, entry(_("Member number"), "integer", ge=0, le=10**15)] = 0
    member_class: Annotated[int, entry(_("Class of member"), "choice", choices=class_choices)] = 0
    product_kind: Annotated[int, entry(_("Type of product"), "choice", choices=product_choices)] = 0
    amount_min: Annotated[int, entry(_("Amount from"), "money")] = 0
    amount_max: Annotated[int, entry(_("Amount until"), "money")] = 0
    origin: Annotated[str, entry(_("Noted by"), "choice", choices=ORIGINS)] = ""


def _named_kind(column: Any) -> ColumnElement[str]:
    """Name of a type of product: the shop's, or the code table's."""
    shop = select(goods_names.c.name).where(goods_names.c.kind == "department", goods_names.c.number == column)
    return func.coalesce(shop.scalar_subquery(), code_name("product", column), "")


def code_name(table: str, column: Any) -> ColumnElement[str]:
    """Name of a code of a code table in the language of the request; NULL for none."""
    name: Any = MemberCode.name_zh
    if locale_now.get() == "en":
        name = case((MemberCode.name_en != "", MemberCode.name_en), else_=MemberCode.name_zh)
    return select(name).where(MemberCode.table_name == table, MemberCode.code == column).scalar_subquery()


def _by_hand(scope: Scope, parameters: ConsumptionParameters, newest: int = 0) -> Select[Any]:
    one: Any = Consumption
    if newest:
        some = select(Consumption).where(*_of(scope, parameters, Consumption)).order_by(*_newest_of(Consumption))
        one = aliased(Consumption, some.limit(newest).subquery())
    query: Any = select(
        literal(HAND, String).label("origin"),
        one.id.label("record"),
        literal(0, Integer).label("sequence"),
        one.business_date.label("business_date"),
        one.member_id.label("member"),
        Member.name.label("name"),
        Member.member_class.label("class"),
        one.store_id.label("store_id"),
        one.product_kind.label("product_kind"),
        one.product.label("product"),
        literal(1, Integer).label("lines"),
        one.goods_minor.label("goods_minor"),
        one.service_minor.label("service_minor"),
        one.delivery_minor.label("delivery_minor"),
        one.other_minor.label("other_minor"),
        one.amount_minor.label("amount_minor"),
    ).join(Member, Member.id == one.member_id)
    if parameters.product_kind:
        query = query.where(one.product_kind == parameters.product_kind)
    return _within(scope, query, parameters, one.business_date, one.amount_minor)


def _by_tills(scope: Scope, parameters: ConsumptionParameters, newest: int = 0) -> Select[Any]:
    sold: Any = baskets
    if newest:
        some = select(baskets).where(*_of(scope, parameters, baskets.c)).order_by(*_newest_of(baskets.c))
        sold = some.limit(newest).subquery()
    first = bill_lines.alias()
    nothing = literal(0, Integer)
    # By the rows of a sale's own account: a question that first lists who holds which account reads all accounts.
    holder = func.coalesce(MemberCard.member_id, accounts.c.member)
    query: Any = (
        select(
            literal(SWITCH, String),
            nothing,
            sold.c.sequence,
            sold.c.business_date,
            Member.id,
            Member.name,
            Member.member_class,
            sold.c.store_id,
            func.coalesce(first.c.department, 0),
            literal("", String),
            sold.c.line_count,
            sold.c.amount_minor,
            nothing,
            nothing,
            nothing,
            sold.c.amount_minor,
        )
        .join_from(sold, accounts, accounts.c.account_number == sold.c.account_number)
        .outerjoin(
            MemberCard,
            and_(MemberCard.account_number == accounts.c.account_number, MemberCard.switch_member == accounts.c.member),
        )
        .join(Member, Member.id == holder)
        .outerjoin(first, first.c.id == sold.c.sequence * (1 << LINE_BITS))
    )
    if parameters.member and not newest:  # by his accounts, of which there is an index
        query = query.where(sold.c.account_number.in_(_accounts_of(parameters)))
    if parameters.product_kind:
        start = sold.c.sequence * (1 << LINE_BITS)
        bought = select(bill_lines.c.id).where(
            and_(bill_lines.c.id >= start, bill_lines.c.id < start + (1 << LINE_BITS)),
            bill_lines.c.department == parameters.product_kind,
        )
        query = query.where(bought.exists())
    return _within(scope, query, parameters, sold.c.business_date, sold.c.amount_minor)


def _accounts_of(parameters: ConsumptionParameters) -> Select[Any]:
    return select(owners([parameters.member]).c.account_number)


def _of(scope: Scope, parameters: ConsumptionParameters, columns: Any) -> list[ColumnElement[bool]]:
    """What an index finds of sales or notes: the period, and a member's own."""
    found = scope.period(columns.business_date, parameters)
    if not parameters.member:
        return found
    if columns is Consumption:
        return [*found, Consumption.member_id == parameters.member]
    return [*found, columns.account_number.in_(_accounts_of(parameters))]


def _newest_of(columns: Any) -> list[Any]:
    return [columns.business_date.desc(), (columns.id if columns is Consumption else columns.sequence).desc()]


def _within(scope: Scope, query: Any, parameters: ConsumptionParameters, date: Any, amount: Any) -> Select[Any]:
    """Conditions that are the same for both; amounts of what was taken back are compared without their minus."""
    query = scope.visitor.members_seen(query).where(*scope.period(date, parameters))
    if parameters.member:
        query = query.where(Member.id == parameters.member)
    if parameters.member_class:
        query = query.where(Member.member_class == parameters.member_class)
    if parameters.organisation:
        query = query.where(Member.organisation_id.in_(subtree(scope.session, parameters.organisation)))
    if parameters.amount_min:
        query = query.where(func.abs(amount) >= parameters.amount_min)
    if parameters.amount_max:
        query = query.where(func.abs(amount) <= parameters.amount_max)
    found: Select[Any] = query
    return found


def _consumption(scope: Scope, parameters: ConsumptionParameters) -> Query:
    return _named(_found(scope, parameters).cte("found"))


def _newest(scope: Scope, parameters: ConsumptionParameters, rows_max: int) -> Query | None:
    """Those of the newest `LOOKED_THROUGH_MAX` sales and notes; None when there are no more than these."""
    for columns, part in ((baskets.c, SWITCH), (Consumption, HAND)):
        if parameters.origin not in ("", part):
            continue
        key: Any = getattr(columns, "id" if columns is Consumption else "sequence")
        some = select(key).where(*_of(scope, parameters, columns)).limit(LOOKED_THROUGH_MAX + 1).subquery()
        if (scope.session.scalar(select(func.count()).select_from(some)) or 0) > LOOKED_THROUGH_MAX:
            break
    else:
        return None
    found = _found(scope, parameters, LOOKED_THROUGH_MAX).subquery()
    first = select(found).order_by(*_order(found.c)).limit(rows_max)
    return _named(first.cte("found"))


def _found(scope: Scope, parameters: ConsumptionParameters, newest: int = 0) -> CompoundSelect[Any]:
    parts = {HAND: _by_hand, SWITCH: _by_tills}
    wanted = [parts[parameters.origin]] if parameters.origin in parts else list(parts.values())
    # The columns have their names from the first part, which is there even when nobody asks for its rows.
    first = _by_hand(scope, parameters, newest)
    rest = [part(scope, parameters, newest) for part in wanted if part is not _by_hand]
    head = first if _by_hand in wanted else first.where(literal(0, Integer) == 1)
    return union_all(head, *rest)


def _order(columns: Any) -> list[Any]:
    return [columns.business_date.desc(), columns.sequence.desc(), columns.record.desc()]


def _named(found: Any) -> Query:
    return select(
        *(column for column in found.c if column.name != "product"),
        func.coalesce(code_name("class", found.c["class"]), "").label("class_name"),
        _named_kind(found.c.product_kind).label("kind_name"),
        found.c.product,
    ).order_by(*_order(found.c))


CONSUMPTION = Report(
    "consumption",
    "customers",
    _("Consumption of members"),
    _(
        "Purchases of members, newest first: those that tills have sold, as the ledger has them, and those noted by "
        "hand. The sum of the tills' is that of the ledger."
    ),
    (
        Column("origin", _("Noted by"), ColumnKind.WORD, words=ORIGINS),
        number("record", _("Note")),
        number("sequence", _("Bill")),
        Column("business_date", _("Day of the purchase"), ColumnKind.DATE),
        number("member", _("Member number")),
        text("name", _("Name")),
        text("class_name", _("Class of member")),
        number("store_id", _("Store")),
        text("kind_name", _("Type of product")),
        text("product", _("Product")),
        count("lines", _("Lines"), is_summed=False),
        money("goods_minor", _("Goods")),
        money("service_minor", _("Service")),
        money("delivery_minor", _("Delivery")),
        money("other_minor", _("Other charges")),
        money("amount_minor", _("Amount")),
    ),
    _consumption,
    ConsumptionParameters,
    links={
        "record": "/member-consumption/{value}",
        "sequence": BILL_LINES,
        "member": "/members/{value}",
    },
    preview=_newest,
)
