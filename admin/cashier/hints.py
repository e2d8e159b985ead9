"""What the cashier is told about a bill: promotions about its goods, and what the customer may want besides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from admin.campaigns import CampaignState, state_on, store_numbers
from admin.figures import newest_date
from admin.i18n import money, translate
from admin.models.campaigns import Campaign
from admin.models.cashier import CashierBill
from admin.models.mirror import cards
from admin.models.products import Product
from admin.models.sales import LINE_BITS, baskets, bill_lines
from admin.pricing.rules import Bill, best_first, matches, rules_of, set_in_force
from admin.pricing.trial import bill_at
from admin.pricing.wording import names_of, rule_in_words
from switch.protocol.messages import RuleAction, RuleLayer

from .bills import lines_of

PROMOTING = (
    RuleLayer.DISCOUNT,
    RuleLayer.POINTS_ITEM,
    RuleLayer.POINTS_BRAND,
    RuleLayer.POINTS_PERIOD,
    RuleLayer.POINTS_CAMPAIGN,
)
ORDINARY_RATE = 100
BASKETS_MAX = 200
"""Purchases of a customer that are looked through for what he usually buys."""
USUAL_MIN = 2
"""Bought so often, something is usual."""
CAMPAIGNS_MAX = 3


class Hint(msgspec.Struct, frozen=True):
    """One thing that the cashier may say."""

    kind: str
    """promotion, campaign, threshold (so much more brings a rule), usual (he buys it and it is not on the bill)."""
    text: str
    item: int = 0
    missing_minor: int = 0


def hints_of(session: Session, bill: CashierBill, now_ms: int) -> list[Hint]:
    """Promotions about the goods of a bill, then at most one of each hint to sell more."""
    card = session.execute(select(cards).where(cards.c.card_number == bill.card_number)).first()
    if card is None:
        return []
    today = newest_date(session)
    known = bill_at(
        session,
        now_ms,
        account_number=card.account_number,
        card_type=card.card_type,
        store_id=bill.store_id,
        settlement=bill.settlement,
        business_date=today,
        bill_minor=bill.bill_minor,
    )
    found = rules_of(session, set_in_force(session, today))
    return [
        *_promotions(session, bill, found, known),
        *_campaigns(session, bill, today),
        *_threshold(session, bill, found, known),
        *_usual(session, bill, card.account_number),
    ]


def _is_promotion(rule: Row[Any]) -> bool:
    if rule.layer not in PROMOTING or rule.action == RuleAction.EXCLUDE:
        return False
    return bool(rule.layer == RuleLayer.DISCOUNT or rule.rate > ORDINARY_RATE or rule.action == RuleAction.REPLACE)


def _promotions(session: Session, bill: CashierBill, found: Sequence[Row[Any]], known: Bill) -> Iterator[Hint]:
    names, told = names_of(session), set()
    for line in lines_of(bill):
        sent = line.to_send(is_priced=bill.is_priced)
        for layer in PROMOTING:
            fitting = [
                rule for rule in found if rule.layer == layer and _is_promotion(rule) and matches(rule, sent, known)
            ]
            for rule in best_first(fitting)[:1]:
                if rule.rule not in told:
                    told.add(rule.rule)
                    yield Hint("promotion", f"{line.name}: {rule_in_words(rule, names)}", line.item)


def _campaigns(session: Session, bill: CashierBill, today: int) -> Iterator[Hint]:
    query = select(Campaign).where(Campaign.from_date <= today, Campaign.until_date >= today)
    running = [
        campaign
        for campaign in session.scalars(query.order_by(Campaign.until_date, Campaign.id))
        if state_on(campaign, today) is CampaignState.RUNNING
        and (not campaign.store_ids or bill.store_id in store_numbers(campaign.store_ids))
    ]
    for campaign in running[:CAMPAIGNS_MAX]:
        yield Hint("campaign", f"{campaign.name}: {campaign.message}" if campaign.message else campaign.name)


def _threshold(session: Session, bill: CashierBill, found: Sequence[Row[Any]], known: Bill) -> Iterator[Hint]:
    """The rule that the least money more on the bill would bring."""
    lines = [line.to_send(is_priced=bill.is_priced) for line in lines_of(bill)]
    near = []
    for rule in found:
        missing_minor = rule.bill_minor_min - known.bill_minor
        if missing_minor > 0 and _is_promotion(rule):
            larger = replace(known, bill_minor=rule.bill_minor_min)
            if any(matches(rule, line, larger) for line in lines):
                near.append((missing_minor, rule.rule, rule))
    if near:
        missing_minor, _number, rule = min(near, key=lambda one: one[:2])
        text = translate("{amount} more on the bill: {rule}")
        shown = text.format(amount=money(missing_minor), rule=rule_in_words(rule, names_of(session)))
        yield Hint("threshold", shown, missing_minor=missing_minor)


def _usual(session: Session, bill: CashierBill, account_number: int) -> Iterator[Hint]:
    """What the customer buys most often, of goods on sale that are not on the bill."""
    mine = (
        select(baskets.c.sequence)
        .where(baskets.c.account_number == account_number, baskets.c.visits == 1)
        .order_by(baskets.c.sequence.desc())
        .limit(BASKETS_MAX)
    )
    sequences = session.scalars(mine).all()
    if not sequences:
        return
    on_bill = {line.item for line in lines_of(bill)}
    bounds = [bill_lines.c.id.between(one << LINE_BITS, (one + 1 << LINE_BITS) - 1) for one in sequences]
    counts: dict[int, int] = {}
    for condition in bounds:
        for item in set(session.scalars(select(bill_lines.c.item).where(condition, bill_lines.c.item != 0))):
            counts[item] = counts.get(item, 0) + 1
    ranked = sorted(((-count, item) for item, count in counts.items() if item not in on_bill and count >= USUAL_MIN))
    for count, item in ranked:
        product = session.get(Product, item)
        if product is not None and not product.is_discontinued:
            text = translate("Usually buys {name} ({count} times): it is not on this bill.")
            yield Hint("usual", text.format(name=product.name, count=-count), item)
            return
