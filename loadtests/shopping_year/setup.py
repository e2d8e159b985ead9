"""What must be there before the first purchase: card types, stores, terminals, rules, cards, opening balances.

All of it enters through operator messages, like everything that changes a
switch.  The replay's operator numbers its messages from 1 and forgets them
afterwards: it works on a switch that is as new as itself.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable, Sequence

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    ActivateRulesRequest,
    AutoRecharge,
    CardOperation,
    CardTypeFlag,
    CreditRequest,
    Function,
    MessageType,
    OpenCardRequest,
    OperateCardRequest,
    OrganisationNode,
    PutCardTypeRequest,
    PutOrganisationRequest,
    PutStoreRequest,
    PutTerminalRequest,
    RechargeChannel,
    Right,
    SetCardRequest,
)
from terminals.credentials import Credentials
from terminals.masking import mask

from .lanes import Lanes, read_reply, refused
from .plan import EPOCH_ORDINAL, FIRST_DATE, LAST_DATE, Day, Plan
from .rules import CardTypeRule, Rules

BATCH_COUNT = 4_096
"""Operator messages that are under way at a time: enough to keep the switch busy, little enough to wait for."""
WIRE_KEY_BYTES = NAME_BYTES = 40
RULESET = 1
SETS_SEGMENTS = 8
OPERATOR_ID = 1
"""The person at the operator's terminal; a freeze must name one."""
MONTHLY_FROM_DATE = FIRST_DATE.replace(month=2).toordinal() - EPOCH_ORDINAL
MONTHLY_UNTIL_DATE = LAST_DATE.toordinal() - EPOCH_ORDINAL

HEADQUARTERS_ID, REGION_ID_FIRST, STORE_NODE_ID_FIRST = 1, 2, 1_000_000
"""Numbers of the organisation's nodes: a store's node is its own number above the last of these."""
REGION_NAMES = ("North", "East", "South", "West")
"""The data tells nothing of regions: stores are dealt out among these, in the order of their numbers."""

Order = tuple[MessageType, Packed, str]
"""Message type, request, and what it is for an error message."""


class KeyRing:
    """Keys of all terminals of a replay, derived from the operator's key, so that only its holder knows them."""

    def __init__(self, operator: Credentials) -> None:
        self._operator = operator

    def key_of(self, terminal_id: int) -> bytes:
        """The 32-byte key of a terminal."""
        if terminal_id == self._operator.terminal_id:
            return self._operator.key
        return hmac.digest(self._operator.key, b"cardswitch replay terminal %d" % terminal_id, "sha256")


class Operator:
    """Sends operator messages and insists that they are approved."""

    def __init__(self, lanes: Lanes, terminal_id: int) -> None:
        self._lanes = lanes
        self._terminal_id = terminal_id
        self._trace_number = 0

    def next_trace(self) -> int:
        """Trace number of the next message."""
        self._trace_number += 1
        return self._trace_number

    async def send_all(self, orders: Iterable[Order]) -> None:
        """Send orders that do not depend on each other; returns when all are approved, else `ReplayError`."""
        batch: list[Order] = []
        for order in orders:
            batch.append(order)
            if len(batch) == BATCH_COUNT:
                await self._send_batch(batch)
                batch = []
        if batch:
            await self._send_batch(batch)

    async def _send_batch(self, orders: Sequence[Order]) -> None:
        finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        open_count = len(orders)

        def note(what: str, body: bytes) -> None:
            nonlocal open_count
            reply = read_reply(body)
            if reply.code != ResponseCode.APPROVED:
                self._lanes.fail(refused(what, reply))
            open_count -= 1
            if open_count == 0 and not finished.done():
                finished.set_result(None)

        for type_, request, what in orders:
            self._lanes.send(
                self._terminal_id,
                type_,
                request.encode(),
                lambda body, what=what: note(what, body),  # type: ignore[misc]
            )
        await self._lanes.unless_failed(finished)


async def set_up(operator: Operator, plan: Plan, keys: KeyRing) -> None:
    """Everything, in an order in which each thing finds what it needs."""
    baskets = plan.year.baskets
    business_date = plan.first_date
    stamp_ms = plan.midnight_ms(business_date)
    terminals = sorted({(basket.terminal_id, basket.store_id) for basket in baskets})

    def put_card_types() -> Iterable[Order]:
        for index, card_type in enumerate(plan.rules.card_types):
            request = card_type_request(plan.rules, index, operator.next_trace(), business_date, stamp_ms)
            yield MessageType.PUT_CARD_TYPE, request, f"card type {card_type.code}"

    def node(organisation_id: int, kind: OrganisationNode, parent_id: int, name: str) -> Order:
        request = PutOrganisationRequest(
            trace_number=operator.next_trace(),
            business_date=business_date,
            stamp_ms=stamp_ms,
            organisation_id=organisation_id,
            node=kind,
            parent_id=parent_id,
            name=name.encode().ljust(NAME_BYTES, b"\0"),
        )
        return MessageType.PUT_ORGANISATION, request, f"organisation {name}"

    def put_headquarters() -> Iterable[Order]:
        yield node(HEADQUARTERS_ID, OrganisationNode.HQ, 0, "Headquarters")

    def put_regions() -> Iterable[Order]:
        for index, name in enumerate(REGION_NAMES):
            yield node(REGION_ID_FIRST + index, OrganisationNode.REGION, HEADQUARTERS_ID, name)

    def put_store_nodes() -> Iterable[Order]:
        for index, store_id in enumerate(plan.store_ids):
            region_id = REGION_ID_FIRST + index * len(REGION_NAMES) // len(plan.store_ids)
            yield node(STORE_NODE_ID_FIRST + store_id, OrganisationNode.STORE, region_id, f"Store {store_id}")

    def put_stores() -> Iterable[Order]:
        for store_id in plan.store_ids:
            request = PutStoreRequest(
                trace_number=operator.next_trace(),
                business_date=business_date,
                stamp_ms=stamp_ms,
                store_id=store_id,
                organisation_id=STORE_NODE_ID_FIRST + store_id,
            )
            yield MessageType.PUT_STORE, request, f"store {store_id}"

    def put_terminals() -> Iterable[Order]:
        for terminal_id, store_id in terminals:
            request = PutTerminalRequest(
                trace_number=operator.next_trace(),
                business_date=business_date,
                stamp_ms=stamp_ms,
                terminal_id=terminal_id,
                store_id=store_id,
                rights=Right.PAY,
                key=keys.key_of(terminal_id).ljust(WIRE_KEY_BYTES, b"\0"),
            )
            yield MessageType.PUT_TERMINAL, request, f"terminal {terminal_id}"

    def open_cards() -> Iterable[Order]:
        for card in plan.cards:
            request = OpenCardRequest(
                trace_number=operator.next_trace(),
                business_date=business_date,
                stamp_ms=stamp_ms,
                card_number=card.number,
                card_type=card.type_index + 1,
            )
            yield MessageType.OPEN_CARD, request, f"card {mask(card.number)}"

    def credit_cards() -> Iterable[Order]:
        for card in plan.cards:
            left_minor = plan.rules.card_types[card.type_index].opening_balance_minor
            while left_minor:  # one message carries at most AMOUNT_MINOR_MAX
                amount_minor = min(left_minor, AMOUNT_MINOR_MAX)
                left_minor -= amount_minor
                request = CreditRequest(
                    trace_number=operator.next_trace(),
                    business_date=business_date,
                    stamp_ms=stamp_ms,
                    card_number=card.number,
                    amount_minor=amount_minor,
                    channel=RechargeChannel.OPENING,
                )
                yield MessageType.CREDIT, request, f"opening balance of card {mask(card.number)}"

    def put_rules() -> Iterable[Order]:
        for number, rule in enumerate(plan.rule_set.rules, 1):
            request = rule.request(operator.next_trace(), business_date, stamp_ms, RULESET, number)
            yield MessageType.PUT_RULE, request, f"rule {number} ({rule.layer.name})"

    def activate_rules() -> Iterable[Order]:
        if plan.rule_set.rules:
            request = ActivateRulesRequest(
                trace_number=operator.next_trace(),
                business_date=business_date,
                stamp_ms=stamp_ms,
                ruleset=RULESET,
                from_date=business_date,
                rule_count=len(plan.rule_set.rules),
                operator_id=OPERATOR_ID,
            )
            yield MessageType.ACTIVATE_RULES, request, "activating the rules"

    def set_segments() -> Iterable[Order]:
        for card in plan.cards:
            if segments := plan.rule_set.segments.get(card.household_id, 0):
                request = SetCardRequest(
                    trace_number=operator.next_trace(),
                    business_date=business_date,
                    stamp_ms=stamp_ms,
                    card_number=card.number,
                    sets=SETS_SEGMENTS,
                    segments=segments,
                )
                yield MessageType.SET_CARD, request, f"segments of card {mask(card.number)}"

    steps = (
        put_card_types,
        put_headquarters,
        put_regions,
        put_store_nodes,
        put_stores,
        put_terminals,
        put_rules,
        activate_rules,
        open_cards,
        credit_cards,
        set_segments,
    )
    for orders in steps:
        await operator.send_all(orders())


def card_type_request(
    rules: Rules, index: int, trace_number: int, business_date: int, stamp_ms: int
) -> PutCardTypeRequest:
    """One card type of the rule file, with all that the switch knows about it."""
    card_type = rules.card_types[index]
    recharge = card_type.recharge
    is_monthly = recharge.mode is AutoRecharge.MONTHLY
    return PutCardTypeRequest(
        trace_number=trace_number,
        business_date=business_date,
        stamp_ms=stamp_ms,
        code=index + 1,
        functions=_functions(card_type),
        flags=_flags(rules),
        discount_bp=card_type.discount_bp,
        daily_count_max=card_type.daily_count_max,
        daily_minor_max=card_type.daily_limit_minor,
        daily_points_max_hundredths=rules.daily_points_max_hundredths,
        points_percent=card_type.points_percent,
        points_per_unit=card_type.points_per_unit,
        auto_mode=recharge.mode,
        auto_below_minor=recharge.below_minor,
        auto_add_minor=recharge.add_minor,
        auto_count_max=recharge.count_max,
        auto_from_date=MONTHLY_FROM_DATE if is_monthly else 0,
        auto_until_date=MONTHLY_UNTIL_DATE if is_monthly else 0,
    )


def _functions(card_type: CardTypeRule) -> Function:
    functions = Function.IDENTIFY | Function.PAY | Function.POINTS
    return functions | Function.DISCOUNT if card_type.discount_bp else functions


def _flags(rules: Rules) -> CardTypeFlag:
    choices = (
        (rules.zero_is_approved, CardTypeFlag.ZERO_AMOUNT),
        (rules.nets_lines, CardTypeFlag.NET_LINES),
        (rules.rounds_per_line, CardTypeFlag.ROUND_LINES),
        (rules.counts_after_discount, CardTypeFlag.AFTER_DISCOUNT),
        (rules.takes_highest, CardTypeFlag.STACK_MAX),
        (rules.discounts_per_line, CardTypeFlag.ROUND_DISCOUNT_LINES),
    )
    flags = CardTypeFlag(0)
    for is_chosen, flag in choices:
        flags |= flag if is_chosen else CardTypeFlag(0)
    return flags


async def block_cards(operator: Operator, day: Day) -> None:
    """Freeze the cards that a day blocks, at its first moment."""
    await operator.send_all(
        (
            MessageType.OPERATE_CARD,
            OperateCardRequest(
                trace_number=operator.next_trace(),
                business_date=day.business_date,
                stamp_ms=day.midnight_ms,
                card_number=number,
                operation=CardOperation.FREEZE,
                operator_id=OPERATOR_ID,
            ),
            f"freezing card {mask(number)}",
        )
        for number in day.blocked
    )
