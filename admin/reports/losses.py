"""Losses by fraud and by credit, beside the rules that stopped them, and those that let something pass."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, literal, select, union_all

from admin.abnormal.patterns import PATTERNS
from admin.access import subtree
from admin.lists.entries import of_type
from admin.models.journal import NOT_APPROVED, entries
from admin.models.mirror import OWING, accounts, alarms, cards, stores
from admin.models.security import AbnormalHit, AbnormalRule, AbnormalState
from admin.words import ALARM_KINDS, code_name
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import AlarmState, CardOperation, MessageType

from .cards import DAY_MS
from .report import Chart, Column, ColumnKind, Parameters, Query, Report, Scope, count, money, total

_ = str
STOPPED, PASSED, FOUND, CREDIT = 1, 2, 3, 4
OUTCOMES = {
    STOPPED: _("Stopped by the switch"),
    PASSED: _("Fraud that passed before its alarm"),
    FOUND: _("Fraud that a rule found afterwards"),
    CREDIT: _("Credit and value written off"),
}
RULES_PER_OUTCOME = 1_000
"""A rule is numbered within its outcome: answer, kind of alarm, pattern."""
BELOW_ZERO, WRITTEN_OFF = 1, 2
CREDIT_RULES = {BELOW_ZERO: _("Balances below zero, now"), WRITTEN_OFF: _("Value of cards that were voided")}
FRAUD_CODES = (
    ResponseCode.BLACKLISTED,
    ResponseCode.CLONE,
    ResponseCode.MEDIUM_REQUIRED,
    ResponseCode.MEDIUM_FORBIDDEN,
    ResponseCode.MEDIUM_UNKNOWN,
    ResponseCode.MEDIUM_REVOKED,
    ResponseCode.KEY_VERSION,
    ResponseCode.COUNTER_JUMP,
    ResponseCode.CODE_STALE,
    ResponseCode.CHALLENGE_STALE,
    ResponseCode.CODE_USED,
    ResponseCode.FALLBACK_FORBIDDEN,
    ResponseCode.MEDIUM_AMOUNT,
    ResponseCode.PIN_WRONG,
    ResponseCode.PIN_LOCKED,
    ResponseCode.SINGLE_AMOUNT,
    ResponseCode.DAILY_AMOUNT,
    ResponseCode.DAILY_COUNT,
    ResponseCode.CARD_STATUS,
    ResponseCode.PROOF_WRONG,
    ResponseCode.QUARANTINED,
)
"""Refusals by which the switch keeps somebody from spending what is not his, or more than he may."""
SPENDING = (MessageType.DEBIT, MessageType.HOLD, MessageType.CAPTURE)
APPROVED = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
_PATTERN_NAMES = list(PATTERNS)


def rule_name(number: int) -> str:
    """English name of a rule."""
    outcome, rule = divmod(number, RULES_PER_OUTCOME)
    if outcome == STOPPED:
        return code_name(rule)
    if outcome == PASSED:
        return ALARM_KINDS.get(rule, str(rule))
    if outcome == FOUND:
        return PATTERNS[_PATTERN_NAMES[rule]].label if rule < len(_PATTERN_NAMES) else str(rule)
    return CREDIT_RULES.get(rule, str(rule))


def _row(outcome: int, rule: Any, times: Any, card_count: Any, amount: Any) -> Select[Any]:
    return select(
        literal(outcome).label("outcome"),
        (literal(outcome * RULES_PER_OUTCOME) + rule).label("rule"),
        cast(times, BigInteger).label("times"),
        cast(card_count, BigInteger).label("cards"),
        amount.label("amount_minor"),
    )


def _stopped(scope: Scope, parameters: Parameters) -> Select[Any]:
    number_of_cards = func.count(entries.c.card_number.distinct())
    query = _row(STOPPED, entries.c.code, func.count(), number_of_cards, total(entries.c.due_minor)).where(
        entries.c.part == 0,
        entries.c.type.in_(SPENDING),
        entries.c.code.in_(FRAUD_CODES),
        NOT_APPROVED,
        *scope.part(entries, parameters),
        *scope.period(entries.c.business_date, parameters),
    )
    return query.group_by(entries.c.code)


def _passed(scope: Scope, parameters: Parameters) -> Select[Any]:
    """What the card of a confirmed alarm had paid from its first sighting until the alarm."""
    spent = (
        select(total(entries.c.amount_minor))
        .where(
            entries.c.card_number == alarms.c.card_number,
            entries.c.sequence < alarms.c.sequence,
            entries.c.time_ms >= alarms.c.first_ms,
            entries.c.type.in_((MessageType.DEBIT, MessageType.CAPTURE)),
            entries.c.code.in_(APPROVED),
            entries.c.part == 0,
            alarms.c.card_number != 0,
        )
        .scalar_subquery()
    )
    found = select(alarms.c.alarm, alarms.c.card_number, spent.label("spent_minor")).where(
        alarms.c.state == AlarmState.CONFIRMED, *scope.period(alarms.c.second_ms // DAY_MS, parameters)
    )
    if parameters.organisation:
        own = scope.stores_of(parameters.organisation)
        found = found.where(alarms.c.second_store_id.in_(own))
    seen = scope.visitor.alarms_seen(found).subquery("confirmed")
    number_of_cards = func.count(seen.c.card_number.distinct())
    return _row(PASSED, seen.c.alarm, func.count(), number_of_cards, total(seen.c.spent_minor)).group_by(seen.c.alarm)


def _found(scope: Scope, parameters: Parameters) -> Select[Any]:
    pattern = case(
        *((AbnormalRule.pattern == name, number) for number, name in enumerate(_PATTERN_NAMES)),
        else_=RULES_PER_OUTCOME - 1,
    )
    number_of_cards = func.count(AbnormalHit.card_number.distinct())
    conditions: list[ColumnElement[bool]] = [
        AbnormalHit.rule_id == AbnormalRule.id,
        AbnormalHit.state == AbnormalState.CONFIRMED,
        *scope.period(AbnormalHit.business_date, parameters),
    ]
    if parameters.organisation:
        conditions.append(AbnormalHit.store_id.in_(scope.stores_of(parameters.organisation)))
    if not scope.visitor.sees_everything:
        own = select(stores.c.store_id).where(stores.c.organisation_id.in_(scope.visitor.organisation_ids))
        conditions.append(AbnormalHit.store_id.in_(own))
    query = _row(FOUND, pattern, func.count(), number_of_cards, total(AbnormalHit.amount_minor))
    return query.where(*conditions).group_by(pattern)


_is_its_card = cards.c.account_number == accounts.c.account_number


def _below_zero(scope: Scope, parameters: Parameters) -> Select[Any]:
    """Accounts that owe something now, whatever the period: a till sold offline, or a reversal came late."""
    own = scope.visitor.cards_seen(select(cards.c.account_number).where(_is_its_card).correlate(accounts))
    if parameters.organisation:
        own = own.where(cards.c.issuing_organisation_id.in_(subtree(scope.session, parameters.organisation)))
    query = _row(CREDIT, literal(BELOW_ZERO), func.count(), func.count(), total(-accounts.c.balance_minor))
    return query.where(OWING, own.exists())


def _written_off(scope: Scope, parameters: Parameters) -> Select[Any]:
    number_of_cards = func.count(entries.c.card_number.distinct())
    query = _row(CREDIT, literal(WRITTEN_OFF), func.count(), number_of_cards, total(-entries.c.value_minor))
    return query.where(
        *of_type(MessageType.OPERATE_CARD),
        entries.c.operation == CardOperation.VOID,
        entries.c.value_minor < 0,
        *scope.part(entries, parameters),
        *scope.period(entries.c.business_date, parameters),
    )


def _losses(scope: Scope, parameters: Parameters) -> Query:
    parts = (_stopped, _passed, _found, _below_zero, _written_off)
    rows = union_all(*(part(scope, parameters) for part in parts)).subquery("losses")
    return select(rows).order_by(rows.c.outcome, rows.c.amount_minor.desc(), rows.c.rule)


REPORTS = (
    Report(
        "losses",
        "cards",
        _("Losses by fraud and credit"),
        _(
            "Refusals that stopped somebody, with what he wanted to spend; what had passed before an alarm that was"
            " confirmed; what rules found afterwards; balances below zero, and value written off."
        ),
        (
            Column("outcome", _("Outcome"), ColumnKind.WORD, words=OUTCOMES),
            Column("rule", _("Rule"), ColumnKind.WORD, words=rule_name),
            count("times", _("Times"), is_summed=False),
            count("cards", _("Cards"), is_summed=False),
            money("amount_minor", _("Amount"), is_summed=False),
        ),
        _losses,
        Parameters,
        Chart("bar", "rule", ("amount_minor",)),
    ),
)
