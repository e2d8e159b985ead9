"""What members bought: the tills' sales, as the ledger has them, and those that were noted by hand, in one table."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import ColumnElement, Integer, Select, String, and_, case, func, literal, select, union_all

from admin.access import subtree
from admin.forms import FormContext, entry
from admin.i18n import locale_now
from admin.members.consumption import product_choices
from admin.members.definitions import codes_of
from admin.members.holdings import owners
from admin.models.consumption import Consumption
from admin.models.members import Member, MemberCode
from admin.models.sales import LINE_BITS, baskets, bill_lines, goods_names

from .report import Column, ColumnKind, Parameters, Query, Report, Scope, count, money, number, text

_ = str
SWITCH, HAND = "switch", "hand"
ORIGINS: dict[int | str, str] = {SWITCH: _("Sold by a till"), HAND: _("Noted by hand")}


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


def _by_hand(scope: Scope, parameters: ConsumptionParameters) -> Select[Any]:
    one = Consumption
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


def _by_tills(scope: Scope, parameters: ConsumptionParameters) -> Select[Any]:
    held = owners([parameters.member] if parameters.member else None)
    first = bill_lines.alias()
    nothing = literal(0, Integer)
    query: Any = (
        select(
            literal(SWITCH, String),
            nothing,
            baskets.c.sequence,
            baskets.c.business_date,
            held.c.member_id,
            Member.name,
            Member.member_class,
            baskets.c.store_id,
            func.coalesce(first.c.department, 0),
            literal("", String),
            baskets.c.line_count,
            baskets.c.amount_minor,
            nothing,
            nothing,
            nothing,
            baskets.c.amount_minor,
        )
        .join_from(baskets, held, held.c.account_number == baskets.c.account_number)
        .join(Member, Member.id == held.c.member_id)
        .outerjoin(first, first.c.id == baskets.c.sequence * (1 << LINE_BITS))
    )
    if parameters.product_kind:
        start = baskets.c.sequence * (1 << LINE_BITS)
        bought = select(bill_lines.c.id).where(
            and_(bill_lines.c.id >= start, bill_lines.c.id < start + (1 << LINE_BITS)),
            bill_lines.c.department == parameters.product_kind,
        )
        query = query.where(bought.exists())
    return _within(scope, query, parameters, baskets.c.business_date, baskets.c.amount_minor)


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
    parts = {HAND: _by_hand, SWITCH: _by_tills}
    wanted = [parts[parameters.origin]] if parameters.origin in parts else list(parts.values())
    # The columns have their names from the first part, which is there even when nobody asks for its rows.
    first = _by_hand(scope, parameters)
    rest = [part(scope, parameters) for part in wanted if part is not _by_hand]
    head = first if _by_hand in wanted else first.where(literal(0, Integer) == 1)
    found = union_all(head, *rest).cte("found")
    return select(
        *(column for column in found.c if column.name != "product"),
        func.coalesce(code_name("class", found.c["class"]), "").label("class_name"),
        _named_kind(found.c.product_kind).label("kind_name"),
        found.c.product,
    ).order_by(found.c.business_date.desc(), found.c.sequence.desc(), found.c.record.desc())


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
)
