"""What campaigns brought: purchases of those whom they address while they ran, against as many days before."""

from __future__ import annotations

from sqlalchemy import CTE, ColumnElement, String, and_, case, cast, func, literal, or_, select, true, union_all

from admin.campaigns import is_campaign_seen
from admin.models.campaigns import STORES_PARTED_BY, Audience, Campaign, campaign_redemptions, campaign_targets
from admin.models.mirror import accounts, cards
from admin.models.sales import baskets

from .report import Chart, Column, ColumnKind, Query, Report, SalesParameters, Scope, count, money, number, text, total

_ = str
LAST_DATE = case(
    (and_(Campaign.stopped_date > 0, Campaign.stopped_date < Campaign.until_date), Campaign.stopped_date),
    else_=Campaign.until_date,
)
"""Last business date on which a campaign ran or will run."""
_SEGMENT = accounts.c.segments.op(">>")(Campaign.segment - 1).op("&")(1) == 1
"""Whether an account is in a campaign's segment."""
_IN_ITS_STORES = or_(
    Campaign.store_ids == "",
    literal(STORES_PARTED_BY)
    .concat(Campaign.store_ids)
    .concat(STORES_PARTED_BY)
    .like(literal(f"%{STORES_PARTED_BY}").concat(cast(baskets.c.store_id, String)).concat(f"{STORES_PARTED_BY}%")),
)
"""Whether a purchase was made where the campaign ran."""


def _bought(scope: Scope, parameters: SalesParameters, name: str, *, is_before: bool) -> CTE:
    """Purchases by campaign; each way of addressing somebody has a question of its own, which its index answers."""
    shift = LAST_DATE - Campaign.from_date + 1 if is_before else literal(0)
    in_its_days = baskets.c.business_date.between(Campaign.from_date - shift, LAST_DATE - shift)
    sums = select(
        Campaign.id.label("campaign_id"),
        func.count(baskets.c.account_number.distinct()).label("active"),
        total(baskets.c.visits).label("visits"),
        total(baskets.c.amount_minor).label("spend_minor"),
    )
    bought = and_(in_its_days, _IN_ITS_STORES)
    listed = sums.join_from(Campaign, campaign_targets, campaign_targets.c.campaign_id == Campaign.id).join(
        baskets, and_(baskets.c.account_number == campaign_targets.c.account_number, bought)
    )
    segment = sums.join_from(Campaign, accounts, _SEGMENT).join(
        baskets, and_(baskets.c.account_number == accounts.c.account_number, bought)
    )
    ways = {
        Audience.LIST: listed,
        Audience.SEGMENT: segment,
        Audience.EVERYBODY: sums.join_from(Campaign, baskets, bought),
    }
    return union_all(
        *(
            query.where(Campaign.audience == way, scope.purchases(parameters)).group_by(Campaign.id)
            for way, query in ways.items()
        )
    ).cte(name)


def _addressed(scope: Scope) -> CTE:
    listed = select(campaign_targets.c.campaign_id, func.count().label("targeted")).join_from(
        campaign_targets, Campaign, Campaign.id == campaign_targets.c.campaign_id
    )
    in_segment = select(Campaign.id, func.count()).join_from(Campaign, accounts, _SEGMENT)
    everybody = scope.visitor.cards_seen(select(func.count(cards.c.account_number.distinct()))).scalar_subquery()
    return union_all(
        listed.where(Campaign.audience == Audience.LIST).group_by(campaign_targets.c.campaign_id),
        in_segment.where(Campaign.audience == Audience.SEGMENT).group_by(Campaign.id),
        select(Campaign.id, everybody).where(Campaign.audience == Audience.EVERYBODY),
    ).cte("targets")


def _effect(scope: Scope, parameters: SalesParameters) -> Query:
    # The period chooses campaigns; what they brought is counted over their own dates.
    open_ended = type(parameters)(
        organisation=parameters.organisation, store=parameters.store, card_type=parameters.card_type
    )
    during = _bought(scope, open_ended, "during", is_before=False)
    before = _bought(scope, open_ended, "before", is_before=True)
    targets = _addressed(scope)
    redeemed = (
        select(
            campaign_redemptions.c.campaign_id,
            func.count().label("redeemers"),
            total(campaign_redemptions.c.redemption_count).label("redemptions"),
        )
        .group_by(campaign_redemptions.c.campaign_id)
        .cte("redeemed")
    )
    spend, earlier = func.coalesce(during.c.spend_minor, 0), func.coalesce(before.c.spend_minor, 0)
    query: Query = select(
        Campaign.id.label("campaign_id"),
        Campaign.code,
        Campaign.name,
        Campaign.type,
        Campaign.from_date.label("start_date"),
        LAST_DATE.label("end_date"),
        Campaign.cost_minor,
        func.coalesce(targets.c.targeted, 0).label("targeted"),
        func.coalesce(during.c.active, 0).label("active"),
        func.coalesce(during.c.visits, 0).label("visits"),
        spend.label("spend_minor"),
        earlier.label("before_minor"),
        (spend - earlier).label("more_minor"),
        (spend - earlier - Campaign.cost_minor).label("result_minor"),
        func.coalesce(redeemed.c.redeemers, 0).label("redeemers"),
        func.coalesce(redeemed.c.redemptions, 0).label("redemptions"),
    )
    for one in (targets, during, before, redeemed):
        query = query.outerjoin(one, one.c.campaign_id == Campaign.id)
    conditions: list[ColumnElement[bool]] = [true(), is_campaign_seen(scope.visitor), Campaign.from_date <= LAST_DATE]
    if parameters.from_date:
        conditions.append(parameters.from_date <= LAST_DATE)
    if parameters.until_date:
        conditions.append(Campaign.from_date <= parameters.until_date)
    return query.where(*conditions).order_by(Campaign.id)


REPORTS = (
    Report(
        "campaigns",
        "customers",
        _("What campaigns brought"),
        _("Purchases of those whom a campaign addressed, in its stores while it ran, against as many days before it."),
        (
            number("campaign_id", _("Campaign")),
            text("code", _("Campaign code")),
            text("name", _("Name")),
            text("type", _("Type")),
            Column("start_date", _("From"), ColumnKind.DATE),
            Column("end_date", _("Until"), ColumnKind.DATE),
            count("targeted", _("Addressed")),
            count("active", _("Of these bought")),
            count("visits", _("Visits")),
            money("spend_minor", _("Spend")),
            money("before_minor", _("Before")),
            money("more_minor", _("More")),
            money("cost_minor", _("Cost")),
            money("result_minor", _("Result")),
            count("redeemers", _("Redeemers")),
            count("redemptions", _("Redemptions")),
        ),
        _effect,
        chart=Chart("bar", "campaign_id", ("before_minor", "spend_minor")),
        links={"campaign_id": "/campaigns/{value}"},
    ),
)
