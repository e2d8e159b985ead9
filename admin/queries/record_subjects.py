"""Queries about what the group has and what happens to it: articles, alarms, terminals, employees, orders, findings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, case, func, select, type_coerce
from sqlalchemy.orm import aliased

from admin.abnormal.patterns import PATTERNS
from admin.abnormal.rules import STATES as FINDING_STATES
from admin.abnormal.rules import hits_seen
from admin.models.employees import Employee
from admin.models.mirror import alarms, terminals
from admin.models.money import Order
from admin.models.people import Department, User
from admin.models.products import Product
from admin.models.sales import baskets, bill_lines, goods_names
from admin.models.security import AbnormalHit, AbnormalRule, TerminalActivity
from admin.money.order_rules import STATES as ORDER_STATES
from admin.people.employees import employees_seen
from admin.reports.report import LINE_SEQUENCE, ColumnKind, Parameters
from admin.words import ALARM_KINDS, ALARM_STATES, TERMINAL_STATUSES

from .fields import QueryContext, QueryField, Source, Subject, by_key
from .people_subjects import YES_NO

_ = str
TEXT, NUMBER, COUNT, MONEY = ColumnKind.TEXT, ColumnKind.NUMBER, ColumnKind.COUNT, ColumnKind.MONEY
DATE, MOMENT, WORD, CARD = ColumnKind.DATE, ColumnKind.MOMENT, ColumnKind.WORD, ColumnKind.CARD


def _articles(context: QueryContext) -> Source:
    names = {
        kind: {
            row.number: f"{row.number} {row.name}".strip()
            for row in context.session.execute(select(goods_names).where(goods_names.c.kind == kind))
        }
        for kind in ("department", "category")
    }
    sold = (
        select(
            bill_lines.c.item,
            func.count().label("lines"),
            func.sum(bill_lines.c.amount_minor).label("amount_minor"),
            func.max(baskets.c.business_date).label("last_date"),
        )
        .join_from(bill_lines, baskets, baskets.c.sequence == LINE_SEQUENCE)
        .where(*context.scope.part(baskets, Parameters()))
        .group_by(bill_lines.c.item)
        .cte("articles_sold")
    )
    fields = by_key(
        QueryField("item", _("Article"), NUMBER, Product.item),
        QueryField("code", _("Product code"), TEXT, Product.code),
        QueryField("name", _("Name"), TEXT, Product.name),
        QueryField("specification", _("Specification"), TEXT, Product.specification),
        QueryField("unit", _("Unit"), TEXT, Product.unit),
        QueryField("department", _("Department"), WORD, Product.department, names=names["department"]),
        QueryField("category", _("Category"), WORD, Product.category, names=names["category"]),
        QueryField("discontinued", _("Discontinued"), WORD, case((Product.is_discontinued, 1), else_=0), names=YES_NO),
        QueryField("lines", _("Lines"), COUNT, sold.c.lines, ("sold",), is_summed=True),
        QueryField("amount", _("Amount paid"), MONEY, sold.c.amount_minor, ("sold",), is_summed=True),
        QueryField("last", _("Last sale"), DATE, sold.c.last_date, ("sold",)),
    )
    joins = {"sold": lambda query: query.outerjoin(sold, sold.c.item == Product.item)}
    return Source(select(Product.item).select_from(Product), fields, (Product.code,), joins)


def _alarms(context: QueryContext) -> Source:
    table, handler = alarms.c, aliased(User)
    when = QueryField("time", _("Second sighting"), MOMENT, table.second_ms)
    fields = by_key(
        QueryField("sequence", _("Sequence"), NUMBER, table.sequence),
        when,
        QueryField("kind", _("Kind"), WORD, table.alarm, names=ALARM_KINDS),
        QueryField("state", _("State"), WORD, table.state, names=ALARM_STATES),
        QueryField("card", _("Card"), CARD, table.card_number),
        QueryField("first", _("First sighting"), MOMENT, table.first_ms),
        QueryField("first_store", _("First store"), NUMBER, table.first_store_id),
        QueryField("first_terminal", _("First terminal"), NUMBER, table.first_terminal_id),
        QueryField("store", _("Second store"), NUMBER, table.second_store_id),
        QueryField("terminal", _("Second terminal"), NUMBER, table.second_terminal_id),
        QueryField("handler", _("Handled by"), TEXT, handler.full_name, ("handler",)),
    )
    joins = {"handler": lambda query: query.outerjoin(handler, handler.id == table.operator_id)}
    base = context.visitor.alarms_seen(select(table.sequence).select_from(alarms))
    return Source(base, fields, (table.sequence.desc(),), joins, when)


def _terminals(context: QueryContext) -> Source:
    table, activity = terminals.c, TerminalActivity
    fields = by_key(
        QueryField("terminal", _("Terminal"), NUMBER, table.terminal_id),
        QueryField("store", _("Store"), NUMBER, table.store_id),
        QueryField("state", _("State"), WORD, table.status, names=TERMINAL_STATUSES),
        QueryField("key", _("Key version"), NUMBER, table.key_version),
        QueryField("storage", _("Storage key version"), NUMBER, table.storage_version),
        QueryField("fails", _("Wrong proofs within an hour"), COUNT, table.fails),
        QueryField("last", _("Last heard of"), MOMENT, activity.last_ms, ("activity",)),
        QueryField("requests", _("Requests"), COUNT, activity.entry_count, ("activity",), is_summed=True),
    )
    joins = {"activity": lambda query: query.outerjoin(activity, activity.terminal_id == table.terminal_id)}
    base = context.visitor.terminals_seen(select(table.terminal_id).select_from(terminals))
    return Source(base, fields, (table.terminal_id,), joins)


def _employees(context: QueryContext) -> Source:
    department, account = aliased(Department), aliased(User)
    fields = by_key(
        QueryField("number", _("Staff number"), TEXT, Employee.number),
        QueryField("name", _("Full name"), TEXT, Employee.full_name),
        QueryField("place", _("Place"), WORD, Employee.organisation_id, names=context.organisation_names()),
        QueryField("department", _("Department of the firm"), TEXT, department.name, ("department",)),
        QueryField("position", _("Position"), TEXT, Employee.position),
        QueryField("hired", _("Hired on"), DATE, Employee.hired_date),
        QueryField("left", _("Left on"), DATE, Employee.left_date),
        QueryField("works", _("Works here"), WORD, case((Employee.left_date == 0, 1), else_=0), names=YES_NO),
        QueryField("account", _("User name"), TEXT, account.name, ("account",)),
    )
    joins = {
        "department": lambda query: query.outerjoin(department, department.id == Employee.department_id),
        "account": lambda query: query.outerjoin(account, account.id == Employee.user_id),
    }
    return Source(
        employees_seen(context.visitor, select(Employee.id).select_from(Employee)), fields, (Employee.number,), joins
    )


def _orders(context: QueryContext) -> Source:
    maker, approver = aliased(User), aliased(User)
    when = QueryField("made", _("Time made"), MOMENT, type_coerce(Order.made_at, BigInteger))
    fields = by_key(
        QueryField("order", _("Order"), NUMBER, Order.id),
        when,
        QueryField("buyer", _("Buyer"), TEXT, Order.buyer),
        QueryField("state", _("State"), WORD, Order.state, names=ORDER_STATES),
        QueryField("place", _("Made at"), WORD, Order.organisation_id, names=context.organisation_names()),
        QueryField("value", _("Value of the cards"), MONEY, Order.value_minor, is_summed=True),
        QueryField("due", _("The buyer pays"), MONEY, Order.due_minor, is_summed=True),
        QueryField("paid", _("Paid at"), MOMENT, type_coerce(Order.paid_at, BigInteger)),
        QueryField("maker", _("Made by"), TEXT, maker.full_name, ("maker",)),
        QueryField("approver", _("Approved by"), TEXT, approver.full_name, ("approver",)),
    )
    joins = {
        "maker": lambda query: query.outerjoin(maker, maker.id == Order.maker_id),
        "approver": lambda query: query.outerjoin(approver, approver.id == Order.approver_id),
    }
    visitor = context.visitor
    base: Any = select(Order.id).select_from(Order)
    if not visitor.sees_everything:
        base = base.where(Order.organisation_id.in_(visitor.organisation_ids))
    return Source(base, fields, (Order.id.desc(),), joins, when)


def _findings(context: QueryContext) -> Source:
    handler = aliased(User)
    date = QueryField("date", _("Business date"), DATE, AbnormalHit.business_date)
    fields = by_key(
        QueryField("finding", _("Number"), NUMBER, AbnormalHit.id),
        date,
        QueryField("time", _("Time"), MOMENT, AbnormalHit.time_ms),
        QueryField("rule", _("Rule"), TEXT, AbnormalRule.name),
        QueryField(
            "pattern",
            _("What it looks for"),
            WORD,
            AbnormalRule.pattern,
            names={name: one.label for name, one in PATTERNS.items()},
        ),
        QueryField("state", _("State"), WORD, AbnormalHit.state, names=FINDING_STATES),
        QueryField("card", _("Card"), CARD, AbnormalHit.card_number),
        QueryField("store", _("Store"), NUMBER, AbnormalHit.store_id),
        QueryField("terminal", _("Terminal"), NUMBER, AbnormalHit.terminal_id),
        QueryField("amount", _("Amount"), MONEY, AbnormalHit.amount_minor, is_summed=True),
        QueryField("handler", _("Handled by"), TEXT, handler.full_name, ("handler",)),
        QueryField("reason", _("Reason"), TEXT, AbnormalHit.reason),
    )
    joins = {"handler": lambda query: query.outerjoin(handler, handler.id == AbnormalHit.handled_by)}
    base = select(AbnormalHit.id).select_from(AbnormalHit).join(AbnormalRule, AbnormalRule.id == AbnormalHit.rule_id)
    return Source(hits_seen(context.visitor, base), fields, (AbnormalHit.id.desc(),), joins, date)


SUBJECTS = (
    Subject(
        "articles", _("Product file"), "products", _articles, ("item", "code", "name", "department", "category", "unit")
    ),
    Subject("orders", _("Orders"), "orders", _orders, ("order", "made", "buyer", "state", "due")),
    Subject("terminals", _("Terminals"), "terminals", _terminals, ("terminal", "store", "state", "last", "requests")),
    Subject("alarms", _("Alarms"), "alarms", _alarms, ("sequence", "time", "kind", "state", "card", "store")),
    Subject(
        "abnormal",
        _("Abnormal transactions"),
        "abnormal",
        _findings,
        ("date", "rule", "state", "card", "store", "amount"),
    ),
    Subject("employees", _("Employees"), "employees", _employees, ("number", "name", "place", "position", "hired")),
)
