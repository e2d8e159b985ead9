"""Section 15: operations of the card desk on one card or a range, and open card."""

from __future__ import annotations

from collections.abc import Iterator

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    CardFlag,
    CardOperation,
    CardStatus,
    FeeTender,
    OpenCardRequest,
    OperateCardRequest,
    OperationFlag,
    RangeResult,
)
from switch.protocol.records import RecordKind

from .card_job import Job, RefusedError, expiry_from, has_room_for
from .card_life import DONE_TOO, FROM, MAKING, TARGET
from .card_steps import STEPS
from .state import Ask, Decision, Record, State

CARD_NUMBER_MIN, CARD_NUMBER_MAX = 10**7, 10**19 - 1
RANGE_MAX = 64
CHARGED_MAX = 2**32 - 1
IMAGES_MAX = 600
"""With more images than these the rest of a range is cut off."""
WITH_VALUE = {CardOperation.ISSUE, CardOperation.MAKE_AND_ISSUE}
WITH_RELATED = {CardOperation.REPLACE, CardOperation.CORRECT, *WITH_VALUE}
ONE_BY_ONE = {CardOperation.REPLACE, CardOperation.CORRECT}
BY_SOMEBODY = {CardOperation.FREEZE, CardOperation.UNFREEZE}
FEE_KINDS = 12


def luhn_digit(payload: int) -> int:
    """The digit that makes `payload · 10 + digit` pass the Luhn check (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(str(payload))):
        doubled = int(digit) * (2 - place % 2)
        total += doubled // 10 + doubled % 10
    return -total % 10


def range_numbers(first: int, count: int, *, with_check_digit: bool) -> Iterator[int]:
    """The numbers of a range, from the first on."""
    for step in range(count):
        if with_check_digit:
            payload = first // 10 + step
            yield payload * 10 + luhn_digit(payload)
        else:
            yield first + step


def decide_operate_card(state: State, ask: Ask, form: OperateCardRequest, decision: Decision) -> ResponseCode:
    """One operation on `count` cards, each with a result of its own."""
    invalid = decision.first_invalid(form, _form_checks(form))
    if invalid is not None:
        return invalid
    results: list[RangeResult] = []
    charged = 0
    for number in range_numbers(form.card_number, form.count, with_check_digit=bool(form.flags & 1)):
        job = Job(state, ask, form, decision, number)
        if len(decision.touched) > IMAGES_MAX:
            results.append(RangeResult(code=ResponseCode.RANGE_CUT, detail=0))
            continue
        try:
            operate(job)
        except RefusedError as refusal:
            results.append(RangeResult(code=refusal.code, detail=refusal.detail))
            continue
        results.append(RangeResult(code=ResponseCode.APPROVED, detail=0))
        decision.amount_minor += job.paid_out_minor
        charged += job.charged_minor
    decision.change_minor = min(charged, CHARGED_MAX)
    decision.more = b"".join(result.encode() for result in results)
    if form.count > 1:
        return ResponseCode.APPROVED
    decision.detail = results[0].detail
    if results[0].code == ResponseCode.APPROVED:
        decision.show(state.tables.account_of(form.card_number))
    return ResponseCode(results[0].code)


def _form_checks(form: OperateCardRequest) -> dict[str, bool]:
    """Field: whether it holds; in the order of the checks. A field named twice has the later checks after others."""
    operation = form.operation
    checks = [
        ("operation", CardOperation.RESERVE <= operation <= CardOperation.CHARGE_FEE),
        ("fee_tender", form.fee_tender <= FeeTender.BALANCE),
        ("flags", form.flags <= 15),
        ("count", 1 <= form.count <= RANGE_MAX),
        ("amount_minor", 0 <= form.amount_minor <= AMOUNT_MINOR_MAX),
        ("amount_minor", form.amount_minor == 0 or operation in WITH_VALUE),
        ("related_number", form.related_number == 0 or operation in WITH_RELATED),
        ("count", form.count == 1 or operation not in ONE_BY_ONE),
        ("card_number", not form.flags & OperationFlag.CHECK_DIGIT or has_check_digit(form.card_number)),
        ("operator_id", form.operator_id > 0 or operation not in BY_SOMEBODY),
        ("reason", form.reason < FEE_KINDS or operation != CardOperation.CHARGE_FEE),
    ]
    first_wrong = next((name for name, holds in checks if not holds), None)
    return {first_wrong: False} if first_wrong else {}


def has_check_digit(number: int) -> bool:
    """Whether the last digit is the Luhn digit of the others."""
    return number % 10 == luhn_digit(number // 10)


def operate(job: Job) -> None:
    """One operation on one card; `RefusedError` when a check fails, and then nothing of the card has changed."""
    operation, card = CardOperation(job.form.operation), job.card
    if not CARD_NUMBER_MIN <= job.number <= CARD_NUMBER_MAX:
        raise RefusedError(ResponseCode.FIELD_INVALID, 16)
    status = CardStatus(card.status) if card else None
    if status not in FROM[operation]:
        raise RefusedError(*_out_of_place(job, operation, card))
    if operation in (CardOperation.BLACKLIST, CardOperation.UNBLACKLIST):
        assert card is not None
        is_listed = bool(card.flags & CardFlag.BLACKLISTED)
        if is_listed == (operation == CardOperation.BLACKLIST):
            raise RefusedError(ResponseCode.DONE_BEFORE)
    STEPS[operation](job)
    assert job.card is not None
    job.card.document = job.form.document
    job.decision.touch(job.card)


def _out_of_place(job: Job, operation: CardOperation, card: Record | None) -> tuple[ResponseCode, int]:
    """Why an operation does not start from where the card is."""
    if card is None:
        return ResponseCode.CARD_UNKNOWN, 0
    done = {TARGET[operation], *DONE_TOO.get(operation, ())}
    if card.status in done and job.form.card_type in (0, card.card_type):
        return ResponseCode.DONE_BEFORE, 0
    if operation in MAKING:
        return ResponseCode.CARD_EXISTS, 0
    return ResponseCode.CARD_STATUS, card.status


# --------------------------------------------------------------------------- open card


def decide_open_card(state: State, ask: Ask, form: OpenCardRequest, decision: Decision) -> ResponseCode:
    """Make, issue and activate a card at once, on a new account or an existing one."""
    tables, number = state.tables, form.card_number
    invalid = decision.first_invalid(
        form,
        {
            "card_number": CARD_NUMBER_MIN <= number <= CARD_NUMBER_MAX,
            "status": form.status in (CardStatus.ACTIVE, CardStatus.FROZEN),
        },
    )
    if invalid is not None:
        return invalid
    card = tables.card(number)
    if card is not None and card.status != CardStatus.RELEASED:
        return ResponseCode.CARD_EXISTS
    card_type = tables.type_in_force(form.card_type, ask.today)
    if card_type is None:
        return ResponseCode.CARD_TYPE_UNKNOWN
    type_state = tables.get(RecordKind.TYPE_STATE, form.card_type)
    if type_state.state != 3:
        decision.detail = type_state.state
        return ResponseCode.TYPE_STATE
    account = tables.find(RecordKind.ACCOUNT, form.account_number or number)
    if account is None and form.account_number not in (0, number):
        return ResponseCode.ACCOUNT_UNKNOWN
    if not has_room_for(state, new_card=card is None, new_account=account is None):
        return ResponseCode.TABLE_FULL

    if account is None:
        account = tables.make(RecordKind.ACCOUNT, account_number=number)
        decision.touch(account)
    if card is None:
        card = tables.make(RecordKind.CARD, card_number=number, card_type=form.card_type, status=form.status)
    card.card_type, card.status, card.account_number = form.card_type, form.status, account.account_number
    card.opened_date = card.issued_date = card.activated_date = ask.today
    card.expiry_date = expiry_from(ask.today, card_type)
    card.issue_serial, card.frozen_by, card.relation = 1, 0, card_type.relation
    card.issuing_organisation_id = ask.organisation_id
    decision.touch(card)
    decision.show(account)
    return ResponseCode.APPROVED
