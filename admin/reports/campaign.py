"""What campaigns brought: purchases of their targets while they ran, against as many days before."""

from __future__ import annotations

from sqlalchemy import CTE, and_, func, select

from admin.models.sales import baskets, campaign_facts, campaign_redemptions, campaign_targets

from .report import Chart, Column, ColumnKind, Query, Report, SalesParameters, Scope, count, money, number, text, total

_ = str


def _bought(scope: Scope, parameters: SalesParameters, name: str, *, is_before: bool) -> CTE:
    length = campaign_facts.c.end_date - campaign_facts.c.start_date + 1
    shift = length if is_before else 0
    first, last = campaign_facts.c.start_date - shift, campaign_facts.c.end_date - shift
    return (
        select(
            campaign_facts.c.campaign_id,
            func.count(baskets.c.account_number.distinct()).label("active"),
            total(baskets.c.visits).label("visits"),
            total(baskets.c.amount_minor).label("spend_minor"),
        )
        .join_from(campaign_facts, campaign_targets, campaign_targets.c.campaign_id == campaign_facts.c.campaign_id)
        .join(
            baskets,
            and_(
                baskets.c.account_number == campaign_targets.c.account_number,
                baskets.c.business_date.between(first, last),
            ),
        )
        .where(scope.purchases(parameters))
        .group_by(campaign_facts.c.campaign_id)
        .cte(name)
    )


def _effect(scope: Scope, parameters: SalesParameters) -> Query:
    # The period chooses campaigns; what they brought is counted over their own dates.
    open_ended = type(parameters)(
        organisation=parameters.organisation, store=parameters.store, card_type=parameters.card_type
    )
    during = _bought(scope, open_ended, "during", is_before=False)
    before = _bought(scope, open_ended, "before", is_before=True)
    targets = (
        select(campaign_targets.c.campaign_id, func.count().label("targeted"))
        .group_by(campaign_targets.c.campaign_id)
        .cte("targets")
    )
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
    query = select(
        campaign_facts,
        func.coalesce(targets.c.targeted, 0).label("targeted"),
        func.coalesce(during.c.active, 0).label("active"),
        func.coalesce(during.c.visits, 0).label("visits"),
        spend.label("spend_minor"),
        earlier.label("before_minor"),
        (spend - earlier).label("more_minor"),
        (spend - earlier - campaign_facts.c.cost_minor).label("result_minor"),
        func.coalesce(redeemed.c.redeemers, 0).label("redeemers"),
        func.coalesce(redeemed.c.redemptions, 0).label("redemptions"),
    )
    for one in (targets, during, before, redeemed):
        query = query.outerjoin(one, one.c.campaign_id == campaign_facts.c.campaign_id)
    if parameters.from_date:
        query = query.where(campaign_facts.c.end_date >= parameters.from_date)
    if parameters.until_date:
        query = query.where(campaign_facts.c.start_date <= parameters.until_date)
    return query.order_by(campaign_facts.c.campaign_id)


REPORTS = (
    Report(
        "campaigns",
        "customers",
        _("What campaigns brought"),
        _("Purchases of the customers whom a campaign addressed, while it ran, against as many days before it."),
        (
            number("campaign_id", _("Campaign")),
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
    ),
)
