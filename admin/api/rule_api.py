"""Rules of price and points: the sets, one set, what a bill would cost and earn; and the price list."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from admin.access import Visitor, needs
from admin.documents.terminals import link_of
from admin.figures import newest_date
from admin.lists.prices import key_of, prices_page
from admin.pricing.rule_kinds import rule_form
from admin.pricing.rules import next_set, rules_of, sets, specificity
from admin.pricing.trial import TrialForm, try_bill
from admin.pricing.wording import names_of, rule_in_words
from switch.protocol.messages import RulesetState

from .bodies import body_of, checked, form_handler, takes
from .handlers import Key, Limit, Number, Page, SmallNumber, api_get, api_post, filled, page_of
from .records import RuleRecord
from .words import code_word

TAG = "Rules and prices"
SET_MAX = 2**32 - 1


class RuleSetItem(msgspec.Struct):
    """A set of rules."""

    ruleset: int
    is_active: bool
    """Whether it was activated; else it is a draft."""
    from_date: int
    rule_count: int
    is_in_force: bool


class RuleSets(msgspec.Struct):
    """All sets, the newest first."""

    sets: list[RuleSetItem]
    next_number: int
    """A number that no set has: put-rule with it makes a set."""


class RuleItem(msgspec.Struct):
    """One rule, as the document kind put-rule takes it, and in words."""

    rule: RuleRecord
    words: str
    specificity: int
    """Of several rules of a layer the more specific one counts first."""


class RuleSet(msgspec.Struct):
    """A set and its rules."""

    set: RuleSetItem
    rules: list[RuleItem]


class NamedRules(msgspec.Struct):
    """The rules of one layer that are for a line, in words; the one that counts first above."""

    layer: str
    rules: list[str]


class TriedLine(msgspec.Struct):
    """A line of the bill, and what the switch made of it."""

    item: int
    amount_minor: int
    unit_price_minor: int
    discount_minor: int
    points_hundredths: int
    points_category: int
    layers: list[NamedRules]


class Trial(msgspec.Struct):
    """What a bill would cost and earn by the switch's own decision; nothing was taken."""

    code: int
    code_name: str
    due_minor: int
    discount_minor: int
    amount_minor: int
    """What the card would pay."""
    round_off_minor: int
    change_minor: int
    points_hundredths: int
    ruleset: int
    """Set by which the rules are named."""
    is_set_in_force: bool
    is_as_headquarters: bool
    """Whether it was asked as headquarters, since the service has no terminal in the store."""
    lines: list[TriedLine]


class PriceItem(msgspec.Struct):
    """The price of an article in a class, and the one that follows it."""

    item: int
    price_class: int
    unit_price_minor: int
    next_unit_price_minor: int
    next_from_date: int
    """0: no other price is known."""


TrialBody = body_of(TrialForm, "BillToTry")


@api_get("/api/v1/rules", guards=[needs("rules")], tag=TAG)
def list_sets(request: Request[Visitor, Any, Any]) -> RuleSets:
    """Sets of rules, and which one holds today."""
    with request.app.state.service.database.read() as session:
        rows = sets(session, newest_date(session))
        return RuleSets([_set_item(row) for row in rows], next_set(session))


@api_get("/api/v1/rules/{ruleset:int}", guards=[needs("rules")], tag=TAG)
def get_set(request: Request[Visitor, Any, Any], ruleset: FromPath[int]) -> RuleSet:
    """One set with its rules, those that count first above."""
    with request.app.state.service.database.read() as session:
        row = next((row for row in sets(session, newest_date(session)) if row.ruleset == ruleset), None)
        if row is None:
            raise NotFoundException(detail="There is no such set of rules.")
        names = names_of(session)
        found = rules_of(session, ruleset)
    ordered = sorted(found, key=lambda rule: (rule.layer, -specificity(rule), -rule.priority, rule.rule))
    return RuleSet(
        _set_item(row),
        [
            RuleItem(filled(RuleRecord, rule_form(rule)), rule_in_words(rule, names), specificity(rule))
            for rule in ordered
        ],
    )


def _try(request: Request[Visitor, Any, Any], data: Any) -> Trial:
    """Ask the switch what a bill would cost and earn."""
    service = request.app.state.service
    outcome = try_bill(
        service,
        request.user,
        lambda store_id: link_of(service.settings, store_id, service.surroundings.random_bytes),
        checked(request, TrialForm, data),
    )
    return filled(
        Trial,
        outcome.reply,
        code_name=code_word(outcome.reply.code),
        ruleset=outcome.ruleset,
        is_set_in_force=outcome.is_set_in_force,
        is_as_headquarters=outcome.is_as_headquarters,
        lines=[
            TriedLine(
                item=line.item,
                amount_minor=line.amount_minor,
                unit_price_minor=result.unit_price_minor if result else 0,
                discount_minor=result.discount_minor if result else 0,
                points_hundredths=result.points_hundredths if result else 0,
                points_category=result.points_category if result else 0,
                layers=[NamedRules(layer, list(words)) for layer, words in rules],
            )
            for line, result, rules in outcome.lines
        ],
    )


try_rules = takes(api_post("/api/v1/rules/try", guards=[needs("rules")], tag=TAG, status=200), _try, TrialBody)
get_trial_form = form_handler(
    "/api/v1/rules/try/form", TrialForm, guards=[needs("rules")], tag=TAG, pages=("GET /rules/try",)
)


@api_get("/api/v1/prices", guards=[needs("rules")], tag=TAG)
def list_prices(
    request: Request[Visitor, Any, Any],
    item: Number = None,
    price_class: SmallNumber = None,
    after: Key = "",
    limit: Limit = 50,
) -> Page[PriceItem]:
    """Prices by article, then class."""
    with request.app.state.service.database.read() as session:
        rows = prices_page(session, item=item, price_class=price_class, after=key_of(after), limit=limit)
    return page_of(rows, limit, lambda row: filled(PriceItem, row), lambda row: f"{row.item}-{row.price_class}")


def _set_item(row: Any) -> RuleSetItem:
    return filled(RuleSetItem, row, is_active=row.state == RulesetState.ACTIVE)


HANDLERS = [list_sets, get_set, try_rules, get_trial_form, list_prices]
