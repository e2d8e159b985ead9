"""Queries about members, their talks and purchases, and about documents."""

from __future__ import annotations

from sqlalchemy import BigInteger, case, func, select, type_coerce
from sqlalchemy.orm import aliased

from admin.care.contacts import CHANNELS, CONTACT_KINDS
from admin.documents.registry import KINDS
from admin.members.care import CHURN_STAGES
from admin.members.definitions import KINDS as PERSON_KINDS
from admin.members.definitions import MARITAL, SOURCES, STATES, codes_of
from admin.members.holdings import owners
from admin.members.totals import member_sums
from admin.models.consumption import Consumption
from admin.models.documents import Document
from admin.models.members import ChurnRecord, ContactEntry, Member
from admin.models.mirror import accounts
from admin.models.people import User
from admin.reports.local_time import local_day
from admin.reports.report import ColumnKind

from .fields import QueryContext, QueryField, Source, Subject, by_key
from .parts import member_traits, time_fields

_ = str
TEXT, NUMBER, COUNT, MONEY = ColumnKind.TEXT, ColumnKind.NUMBER, ColumnKind.COUNT, ColumnKind.MONEY
DATE, MOMENT, WORD = ColumnKind.DATE, ColumnKind.MOMENT, ColumnKind.WORD
YES_NO: dict[int, str] = {1: _("Yes"), 0: _("No")}
STATE_NAMES: dict[str, str] = {
    "draft": _("Draft"),
    "submitted": _("Waits for a second person"),
    "rejected": _("Rejected"),
    "withdrawn": _("Withdrawn"),
    "running": _("Being done"),
    "done": _("Done"),
    "partly": _("Partly done"),
}


def _members(context: QueryContext) -> Source:
    session, today = context.session, context.today
    sums, held = member_sums(), owners()
    holdings = (
        select(
            held.c.member_id,
            func.count().label("cards"),
            func.sum(accounts.c.balance_minor).label("balance_minor"),
            func.sum(accounts.c.points_hundredths).label("points_hundredths"),
        )
        .join(accounts, accounts.c.account_number == held.c.account_number)
        .group_by(held.c.member_id)
        .subquery()
    )
    now = today.year * 10_000 + today.month * 100 + today.day
    age = case((Member.birth_date > 0, (now - Member.birth_date) // 10_000), else_=None)
    created = type_coerce(Member.created_at, BigInteger)
    times, month = time_fields(context, local_day(context.scope, 0, created))
    since = QueryField("since", _("Member since"), MOMENT, created)
    fields = by_key(
        *member_traits(context),
        QueryField("company", _("Employer"), TEXT, Member.company),
        QueryField("state", _("State"), WORD, Member.state, names=STATES),
        QueryField("kind", _("Person or company"), WORD, Member.kind, names=PERSON_KINDS),
        QueryField("detail", _("Detailed class"), WORD, Member.detail_class, names=codes_of(session, "detail-class")),
        QueryField("education", _("Education"), WORD, Member.education, names=codes_of(session, "education")),
        QueryField("marital", _("Marital status"), WORD, Member.marital, names=MARITAL),
        QueryField("source", _("Captured by"), WORD, Member.source, names=SOURCES),
        QueryField("owner", _("Owner"), WORD, Member.organisation_id, names=context.organisation_names()),
        QueryField("age", _("Age"), COUNT, age),
        QueryField("household", _("Persons in the household"), COUNT, Member.household_size),
        QueryField("needs", _("Needs"), TEXT, Member.needs),
        since,
        *times[:1],
        QueryField("spent", _("Spent"), MONEY, sums.c.spent_minor, ("sums",), is_summed=True),
        QueryField("visits", _("Visits"), COUNT, sums.c.visit_count, ("sums",), is_summed=True),
        QueryField("last", _("Last purchase"), DATE, sums.c.last_date, ("sums",)),
        QueryField("cards", _("Number of cards"), COUNT, holdings.c.cards, ("held",), is_summed=True),
        QueryField(
            "balance", _("Balance"), MONEY, holdings.c.balance_minor, ("held",), is_summed=True, function="balances"
        ),
        QueryField(
            "points",
            _("Points"),
            ColumnKind.POINTS,
            holdings.c.points_hundredths,
            ("held",),
            is_summed=True,
            function="balances",
        ),
    )
    joins = month | {
        "sums": lambda query: query.outerjoin(sums, sums.c.member_id == Member.id),
        "held": lambda query: query.outerjoin(holdings, holdings.c.member_id == Member.id),
    }
    return Source(
        context.visitor.members_seen(select(Member.id).select_from(Member)), fields, (Member.id,), joins, since
    )


def _contacts(context: QueryContext) -> Source:
    user = aliased(User)
    time = type_coerce(ContactEntry.time, BigInteger)
    times, month = time_fields(context, local_day(context.scope, 0, time))
    when = QueryField("time", _("Time"), MOMENT, time)
    fields = by_key(
        when,
        *times,
        QueryField("kind", _("Kind"), WORD, ContactEntry.kind, names=CONTACT_KINDS),
        QueryField("channel", _("Channel"), WORD, ContactEntry.channel, names=CHANNELS),
        QueryField("open", _("Open"), WORD, case((ContactEntry.is_open, 1), else_=0), names=YES_NO),
        QueryField("satisfaction", _("Satisfaction"), COUNT, ContactEntry.satisfaction),
        QueryField("content", _("What was said"), TEXT, ContactEntry.content),
        QueryField("result", _("What came of it"), TEXT, ContactEntry.result),
        QueryField("user", _("Noted by"), TEXT, user.full_name, ("user",)),
        *member_traits(context),
    )
    joins = month | {"user": lambda query: query.outerjoin(user, user.id == ContactEntry.user_id)}
    base = select(ContactEntry.id).select_from(ContactEntry).join(Member, Member.id == ContactEntry.member_id)
    return Source(context.visitor.members_seen(base), fields, (ContactEntry.id.desc(),), joins, when)


def _churn(context: QueryContext) -> Source:
    when = QueryField("time", _("Noted"), MOMENT, type_coerce(ChurnRecord.created_at, BigInteger))
    kinds = codes_of(context.session, "churn")
    fields = by_key(
        when,
        QueryField("stage", _("Stage"), WORD, ChurnRecord.stage, names=CHURN_STAGES),
        QueryField("kind", _("Type of churn"), WORD, ChurnRecord.kind, names=kinds),
        QueryField("product", _("Used to buy"), TEXT, ChurnRecord.product),
        QueryField("reason", _("Reason"), TEXT, ChurnRecord.reason),
        *member_traits(context),
    )
    base = select(ChurnRecord.id).select_from(ChurnRecord).join(Member, Member.id == ChurnRecord.member_id)
    return Source(context.visitor.members_seen(base), fields, (ChurnRecord.id.desc(),), date=when)


def _consumption(context: QueryContext) -> Source:
    seller = aliased(User)
    times, month = time_fields(context, Consumption.business_date)
    date = QueryField("date", _("Day of the purchase"), DATE, Consumption.business_date)
    charges = (
        ("goods", _("Goods"), Consumption.goods_minor),
        ("service", _("Service"), Consumption.service_minor),
        ("delivery", _("Delivery"), Consumption.delivery_minor),
        ("other", _("Other charges"), Consumption.other_minor),
        ("amount", _("Amount"), Consumption.amount_minor),
    )
    fields = by_key(
        QueryField("record", _("Note"), NUMBER, Consumption.id),
        date,
        *times,
        QueryField(
            "product_kind",
            _("Type of product"),
            WORD,
            Consumption.product_kind,
            names=codes_of(context.session, "product"),
        ),
        QueryField("product", _("Product"), TEXT, Consumption.product),
        QueryField("store", _("Store"), NUMBER, Consumption.store_id),
        QueryField("seller", _("Salesperson"), TEXT, seller.full_name, ("seller",)),
        *member_traits(context),
        *(QueryField(key, label, MONEY, value, is_summed=True) for key, label, value in charges),
    )
    joins = month | {"seller": lambda query: query.outerjoin(seller, seller.id == Consumption.seller_id)}
    base = select(Consumption.id).select_from(Consumption).join(Member, Member.id == Consumption.member_id)
    return Source(context.visitor.members_seen(base), fields, (Consumption.id.desc(),), joins, date)


def _documents(context: QueryContext) -> Source:
    maker, checker = aliased(User), aliased(User)
    when = QueryField("made", _("Time made"), MOMENT, type_coerce(Document.made_at, BigInteger))
    fields = by_key(
        QueryField("number", _("Document"), NUMBER, Document.id),
        when,
        QueryField("kind", _("Kind"), WORD, Document.kind, names={name: kind.label for name, kind in KINDS.items()}),
        QueryField("state", _("State"), WORD, Document.state, names=STATE_NAMES),
        QueryField("place", _("Made at"), WORD, Document.organisation_id, names=context.organisation_names()),
        QueryField("store", _("Store"), NUMBER, Document.store_id),
        QueryField("maker", _("Made by"), TEXT, maker.full_name, ("maker",)),
        QueryField("checker", _("Checked by"), TEXT, checker.full_name, ("checker",)),
        QueryField("ended", _("Ended at"), MOMENT, type_coerce(Document.ended_at, BigInteger)),
        QueryField("remark", _("Remark"), TEXT, Document.remark),
        QueryField("items", _("Cards"), COUNT, Document.item_count, is_summed=True),
        QueryField("done", _("Done"), COUNT, Document.done_count, is_summed=True),
        QueryField("refused", _("Refused"), COUNT, Document.refused_count, is_summed=True),
        QueryField("amount", _("Amount"), MONEY, Document.amount_minor, is_summed=True),
    )
    joins = {
        "maker": lambda query: query.outerjoin(maker, maker.id == Document.maker_id),
        "checker": lambda query: query.outerjoin(checker, checker.id == Document.checker_id),
    }
    base = context.visitor.documents_seen(select(Document.id).select_from(Document))
    return Source(base, fields, (Document.id.desc(),), joins, when)


SUBJECTS = (
    Subject(
        "members",
        _("Members"),
        "members",
        _members,
        ("member", "member_name", "class", "level", "since", "spent", "visits"),
        needs_sums=True,
    ),
    Subject(
        "consumption",
        _("Purchases noted by hand"),
        "members",
        _consumption,
        ("date", "member", "member_name", "product_kind", "product", "amount"),
    ),
    Subject(
        "contacts",
        _("Contact log"),
        "members",
        _contacts,
        ("time", "member", "member_name", "kind", "channel", "satisfaction", "open"),
    ),
    Subject(
        "churn", _("Lost members"), "members", _churn, ("time", "member", "member_name", "stage", "kind", "reason")
    ),
    Subject("documents", _("Documents"), "documents", _documents, ("number", "made", "kind", "state", "amount")),
)
