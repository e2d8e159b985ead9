"""What rules cost: debits of which one line is hit by a rule, beside flat debits, in turn on one switch.

Both send the same message: a bill of three lines.  Flat cards are of a type
that no rule names.  For the other cards there is a set of rules in force, one
of which hits one line of every bill, so that the switch looks every line up,
finds the rule, multiplies, and shares the points out again.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from switch.protocol.messages import (
    ActivateRulesRequest,
    MessageType,
    PutCardTypeRequest,
    PutRuleRequest,
    RuleAction,
    RuleLayer,
)

from .plan import FIRST_ITEM, CardRange, RunResult, debit_plan
from .report import Figures
from .stage import BenchError, Switch, expect_approved, generator_of, named_codes, now_ms, open_cards

FLAT_TYPE, STANDARD_TYPE = 1, 2
FIRST_CARD = 9_700_000_000_000
RULE_COUNT = 200
RULESET = 1
ROUNDS = 9
"""Of flat and standard in turn; odd, so that there is a middle one."""
LINKS, WINDOW = 64, 64
ITEM_HIT = FIRST_ITEM + 1
"""Article of the second line of every bill."""


def put_rules(switch: Switch, rule_count: int) -> None:
    """A card type of its own, and a set of `rule_count` rules for it, one of which names an article of every bill."""
    with switch.operator() as (link, take_trace_number):
        today = link.terms.business_date

        def put(message_type: MessageType, body: type, **fields: int) -> None:
            request = body(trace_number=take_trace_number(), business_date=today, stamp_ms=now_ms(), **fields)
            expect_approved(link, message_type, request)

        put(MessageType.PUT_CARD_TYPE, PutCardTypeRequest, code=STANDARD_TYPE, points_percent=100)
        for number in range(1, rule_count + 1):
            put(
                MessageType.PUT_RULE,
                PutRuleRequest,
                ruleset=RULESET,
                rule=number,
                layer=RuleLayer.POINTS_ITEM,
                action=RuleAction.MULTIPLY,
                card_type=STANDARD_TYPE,
                item=ITEM_HIT if number == rule_count // 2 else FIRST_ITEM + 1_000 + number,
                rate=200,
            )
        put(MessageType.ACTIVATE_RULES, ActivateRulesRequest, ruleset=RULESET, from_date=today, rule_count=rule_count)


def measure_standard(switch: Switch, card_count: int, seconds: float, seed: int) -> Figures:
    """Durable flat and standard debits per second, and the middle of the rounds' ratios."""
    switch.configure()
    put_rules(switch, RULE_COUNT)
    flat = CardRange(FIRST_CARD, card_count // 2)
    standard = CardRange(FIRST_CARD + card_count, card_count // 2)
    open_cards(switch, flat, FLAT_TYPE)
    open_cards(switch, standard, STANDARD_TYPE)
    with generator_of(switch, switch.add_terminals(LINKS), WINDOW) as (generator, link):

        def rounds() -> Iterator[tuple[RunResult, RunResult]]:
            for number in range(ROUNDS + 1):
                pair = []
                # Whoever goes first finds the disk's cache as the other left it: take turns at that too.
                for cards in (flat, standard) if number % 2 else (standard, flat):
                    plan = debit_plan(cards, link.terms.business_date, now_ms())
                    result = generator.run(plan, duration_s=seconds, seed=seed + number)
                    if result.approved != result.answered:
                        raise BenchError(f"expected approvals only, got {named_codes(result.code_counts)}")
                    pair.append(result)
                first, second = pair
                if number:  # the first pair warms up
                    yield (first, second) if number % 2 else (second, first)

        pairs = list(rounds())
    flat_points, standard_points = (
        sum(pair[side].points_hundredths_sum / pair[side].approved_minor_sum for pair in pairs) for side in (0, 1)
    )
    if standard_points <= flat_points * 1.1:
        raise BenchError("expected the rule to hit a line of every standard bill, got no more points than without it")
    return {
        "flat_64x64_per_s": round(statistics.median(flat_run.per_s for flat_run, _ in pairs)),
        "standard_64x64_per_s": round(statistics.median(standard_run.per_s for _, standard_run in pairs)),
        "ratio_standard": round(statistics.median(s.per_s / f.per_s for f, s in pairs), 3),
    }
