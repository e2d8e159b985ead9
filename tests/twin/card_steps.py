"""What each card operation checks and changes, one function per operation: the table of section 15."""

from __future__ import annotations

from collections.abc import Callable

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import CardFlag, CardOperation, CardTypeFlag, FeeKind, OperationFlag, Relation, TypeState
from switch.protocol.records import GONE, RecordKind

from . import card_life as life
from .accounts import available, limits_of, pending_of, release_expired
from .card_job import (
    Job,
    RefusedError,
    charges,
    expiry_from,
    fee_checked,
    fee_of,
    has_other_cards,
    has_passed,
    has_room_for,
    is_supplementary,
    take_fee,
)
from .state import Record

# --------------------------------------------------------------------------- numbers


def reserve(job: Job) -> None:
    """A number that batch making skips."""
    tables = job.state.tables
    job.require(tables.find(RecordKind.TYPE_STATE, job.form.card_type) is not None, ResponseCode.CARD_TYPE_UNKNOWN)
    job.require(has_room_for(job.state, new_card=job.card is None, new_account=False), ResponseCode.TABLE_FULL)
    if job.card is None:
        tables.make(RecordKind.CARD, card_number=job.number, card_type=job.form.card_type, status=life.RESERVED)
    job.known.status, job.known.card_type, job.known.opened_date = life.RESERVED, job.form.card_type, job.ask.today


def unreserve(job: Job) -> None:
    """The number is put back."""
    job.known.status = life.RELEASED


def make_checked(job: Job) -> Record:
    """All that making asks for; the version of the type in force."""
    tables, form, number = job.state.tables, job.form, str(job.number)
    if job.card is not None and job.card.status == life.RESERVED:
        job.require(bool(form.flags & OperationFlag.FROM_RESERVED), ResponseCode.RESERVED_SKIPPED)
    card_type = tables.type_in_force(form.card_type, job.ask.today)
    if card_type is None:
        raise RefusedError(ResponseCode.CARD_TYPE_UNKNOWN)
    state = tables.get(RecordKind.TYPE_STATE, form.card_type).state
    job.require(state == TypeState.APPROVED, ResponseCode.TYPE_STATE, state)
    has_digits = card_type.number_digits in (0, len(number))
    has_prefix = card_type.number_prefix == 0 or number.startswith(str(card_type.number_prefix))
    job.require(has_digits and has_prefix, ResponseCode.NUMBER_RULE)
    job.require(has_room_for(job.state, new_card=job.card is None, new_account=False), ResponseCode.TABLE_FULL)
    return card_type


def make_now(job: Job, card_type: Record) -> None:
    """The card, after all checks."""
    if job.card is None:
        fields = {"card_number": job.number, "card_type": card_type.code, "status": life.MADE}
        job.state.tables.make(RecordKind.CARD, **fields)
    card = job.known
    card.status, card.card_type, card.opened_date = life.MADE, card_type.code, job.ask.today
    card.issue_serial, card.relation = 1, card_type.relation


def make(job: Job) -> None:
    """A card in stock."""
    make_now(job, make_checked(job))


def draw(job: Job) -> None:
    """A store takes custody."""
    job.require(job.state.tables.find(RecordKind.STORE, job.form.store_id) is not None, ResponseCode.STORE_UNKNOWN)
    job.known.status, job.known.custody_store_id = life.DRAWN, job.form.store_id


# --------------------------------------------------------------------------- issue and activation


def custody_checked(job: Job, card: Record) -> None:
    """A drawn card is handed out by the store that holds it, or by somebody without a store."""
    may = card.status != life.DRAWN or job.ask.store_id in (0, card.custody_store_id)
    job.require(may, ResponseCode.CUSTODY)


def issue_checked(job: Job, card_type: Record) -> tuple[int, int]:
    """All that issuing asks for beside custody; the fee."""
    form, state = job.form, job.state
    job.require(not card_type.flags & CardTypeFlag.NAMED or form.member > 0, ResponseCode.MEMBER_REQUIRED)
    is_empty = form.amount_minor == 0 and not card_type.flags & CardTypeFlag.ONE_TIME
    in_range = card_type.face_minor_min <= form.amount_minor <= card_type.face_minor_max
    job.require(is_empty or in_range, ResponseCode.AMOUNT)
    if form.related_number:
        job.require(state.tables.account_of(form.related_number) is not None, ResponseCode.ACCOUNT_UNKNOWN)
        job.require(form.amount_minor == 0, ResponseCode.AMOUNT)
    elif card_type.relation == Relation.SUPPLEMENTARY:
        raise RefusedError(ResponseCode.ACCOUNT_UNKNOWN)
    kinds = [FeeKind.ISSUE] + ([FeeKind.JOINING] if form.flags & OperationFlag.JOINING else [])
    fee = charges(card_type, kinds, form.fee_tender, form.amount_minor)
    if fee is None:
        raise RefusedError(ResponseCode.FEE_REFUSED)
    is_new = form.related_number == 0
    job.require(has_room_for(state, new_card=job.card is None, new_account=is_new), ResponseCode.TABLE_FULL)
    return fee


def issue_now(job: Job, card_type: Record, fee: tuple[int, int]) -> None:
    """The card gets its account, after all checks."""
    card, form, tables = job.known, job.form, job.state.tables
    if form.related_number:
        card.account_number = tables.get(RecordKind.CARD, form.related_number).account_number
    else:
        fields = {"account_number": job.number, "balance_minor": form.amount_minor, "member": form.member}
        job.touch(tables.make(RecordKind.ACCOUNT, **fields))
        card.account_number = job.number
    take_fee(job, fee)
    card.issued_date = job.ask.today
    card.issuing_organisation_id = form.organisation_id or job.ask.organisation_id
    card.status = life.ISSUED
    if not card_type.flags & CardTypeFlag.ACTIVATION_REQUIRED:
        activate(job)


def issue(job: Job) -> None:
    """A made card is given out."""
    custody_checked(job, job.known)
    card_type = job.type
    issue_now(job, card_type, issue_checked(job, card_type))


def make_and_issue(job: Job) -> None:
    """Both, or nothing."""
    card_type = make_checked(job)
    fee = issue_checked(job, card_type)
    make_now(job, card_type)
    issue_now(job, card_type, fee)


def activate(job: Job) -> None:
    """Use begins."""
    job.known.status, job.known.activated_date = life.ACTIVE, job.ask.today
    job.known.expiry_date = expiry_from(job.ask.today, job.type)


# --------------------------------------------------------------------------- stops and ways back


def report_loss(job: Job) -> None:
    """Never stopped by a fee: one that cannot be taken is due."""
    fee = charges(job.type, [FeeKind.REPORT_LOSS], job.form.fee_tender, available(job.spent))
    if fee is None:
        job.known.flags |= CardFlag.FEE_DUE
    else:
        take_fee(job, fee)
    job.known.kept_status, job.known.status = job.known.status, life.LOST


def active_or_expired(job: Job) -> int:
    """ACTIVE, or what that is when the last date of use has passed."""
    return life.EXPIRED if has_passed(job.known, job.ask.today) else life.ACTIVE


def restore(job: Job) -> None:
    """Back to the status before the loss."""
    job.require(not job.type.flags & CardTypeFlag.NO_RESTORE, ResponseCode.RESTORE_FORBIDDEN)
    take_fee(job, fee_checked(job, FeeKind.RESTORE))
    kept = job.known.kept_status
    job.known.status = active_or_expired(job) if kept == life.ACTIVE else kept
    job.known.kept_status = 0


def freeze(job: Job) -> None:
    """Stopped, by somebody."""
    job.known.status, job.known.frozen_by = life.FROZEN, job.form.operator_id


def unfreeze(job: Job) -> None:
    """By somebody else."""
    job.require(job.form.operator_id != job.known.frozen_by, ResponseCode.SAME_PERSON)
    job.known.status, job.known.frozen_by = active_or_expired(job), 0


def expire(job: Job) -> None:
    """The date has passed."""
    job.require(has_passed(job.known, job.ask.today), ResponseCode.NOT_DUE)
    job.known.status = life.EXPIRED


def renew(job: Job) -> None:
    """A new last date of use."""
    take_fee(job, fee_checked(job, FeeKind.RENEW))
    job.known.status = life.ACTIVE
    job.known.expiry_date = expiry_from(max(job.ask.today, job.known.expiry_date), job.type)


def mark_bad(job: Job) -> None:
    """Unreadable."""
    job.known.kept_status, job.known.status = job.known.status, life.BAD


# --------------------------------------------------------------------------- ends


def limits_can_move(job: Job) -> bool:
    """For a moment there are two records: the old one goes with its last image."""
    return limits_of(job.state, job.number) is None or job.state.tables.has_room(RecordKind.CARD_LIMIT)


def move_limits(job: Job, number: int) -> None:
    """The card's own limits, with what was used of them, go to another number."""
    limits = limits_of(job.state, job.number)
    if limits is None:
        return
    fields = {name: getattr(limits, name) for name in limits.__dict__ if name not in ("kind", "card_number")}
    limits.state = GONE
    job.touch(limits, job.state.tables.make(RecordKind.CARD_LIMIT, card_number=number, **fields))


def replace(job: Job) -> None:
    """Another card goes on with the account."""
    old, today, tables = job.known, job.ask.today, job.state.tables
    if old.status == life.LOST:
        job.require(not job.type.flags & CardTypeFlag.NO_RESTORE, ResponseCode.RESTORE_FORBIDDEN)
    new = tables.card(job.form.related_number)
    if new is None:
        raise RefusedError(ResponseCode.CARD_UNKNOWN)
    job.require(new.status in (life.MADE, life.DRAWN), ResponseCode.CARD_STATUS, new.status)
    custody_checked(job, new)
    type_state = tables.get(RecordKind.TYPE_STATE, new.card_type).state
    job.require(type_state not in (TypeState.DRAFT, TypeState.SUBMITTED), ResponseCode.TYPE_STATE, type_state)
    job.require(limits_can_move(job), ResponseCode.TABLE_FULL)
    take_fee(job, fee_checked(job, FeeKind.SWAP if old.status == life.ACTIVE else FeeKind.REPLACE))

    new_type = tables.type_in_force(new.card_type, today)
    assert new_type is not None
    new.status = life.ACTIVE
    if old.kept_status in (life.FROZEN, life.ISSUED) and old.status in (life.LOST, life.BAD):
        new.status = old.kept_status
    ended = old.status == life.EXPIRED or has_passed(old, today)
    new.expiry_date = expiry_from(today, new_type) if ended else old.expiry_date
    new.issued_date = new.activated_date = today
    new.issue_serial = old.issue_serial + 1
    for name in ("account_number", "pin_hash", "pin_key_version", "pin_tries", "flags", "relation", "frozen_by"):
        setattr(new, name, getattr(old, name))
    new.issuing_organisation_id = old.issuing_organisation_id
    new.document = job.form.document
    old.status, old.successor_number = life.REPLACED, new.card_number
    move_limits(job, new.card_number)
    job.touch(new)


def give_back(job: Job) -> None:
    """Value is paid out, points are gone; a supplementary card is only given back."""
    card, account = job.known, job.spent
    if is_supplementary(job):
        card.status = life.RETURNED
        return
    release_expired(job.state, job.ask, account, job.decision)
    job.require(account.hold_slots == 0, ResponseCode.HOLDS_OPEN)
    job.require(not has_other_cards(job), ResponseCode.OTHER_CARDS)
    fee = min(fee_of(job.type, FeeKind.RETURN), max(0, account.balance_minor))
    job.paid_out_minor, job.charged_minor = max(0, account.balance_minor - fee), fee
    account.balance_minor = account.points_hundredths = 0
    account.pending_count = account.pending_categories = account.pending_from_date = 0
    purses = [p for p in job.state.tables.all(RecordKind.PURSE) if p.account_number == account.account_number]
    for record in (*purses, *pending_of(job.state, account)):
        record.state = GONE
        job.touch(record)
    job.touch(account)
    card.status = life.RETURNED


def void(job: Job) -> None:
    """Without value: there was none, or a document writes it off."""
    account = job.account
    if account is not None and not has_other_cards(job):
        release_expired(job.state, job.ask, account, job.decision)
        job.require(account.hold_slots == 0, ResponseCode.HOLDS_OPEN)
        may_write_off = bool(job.form.flags & OperationFlag.WRITE_OFF) and job.form.document > 0
        job.require(account.balance_minor == 0 or may_write_off, ResponseCode.VALUE_LEFT)
        if account.balance_minor:
            account.balance_minor = 0
            job.touch(account)
    job.known.status = life.VOID


def clear(job: Job) -> None:
    """The medium goes back to blank stock; its number is not used again."""
    has_value = job.account is not None and job.account.balance_minor != 0
    job.require(not has_value or has_other_cards(job), ResponseCode.VALUE_LEFT)
    job.known.status = life.CLEARED


def second_person_checked(job: Job) -> None:
    """Somebody else approves."""
    job.require(job.form.approver_id not in (0, job.form.operator_id), ResponseCode.SAME_PERSON)


def correct(job: Job) -> None:
    """The right number goes on with everything of the wrong one."""
    second_person_checked(job)
    number, tables = job.form.related_number, job.state.tables
    job.require(10**7 <= number <= 10**19 - 1, ResponseCode.FIELD_INVALID, 24)
    job.require(tables.card(number) is None, ResponseCode.CARD_EXISTS)
    job.require(tables.has_room(RecordKind.CARD) and limits_can_move(job), ResponseCode.TABLE_FULL)
    old = job.known
    fields = {name: getattr(old, name) for name in old.__dict__ if name not in ("kind", "card_number")}
    new = tables.make(RecordKind.CARD, card_number=number, **fields)
    new.issue_serial = old.issue_serial + 1
    new.document = job.form.document
    old.status, old.successor_number = life.CORRECTED, number
    move_limits(job, number)
    job.touch(new)


def blacklist(job: Job) -> None:
    """The flag on."""
    job.known.flags |= CardFlag.BLACKLISTED


def unblacklist(job: Job) -> None:
    """The flag off, by two people."""
    second_person_checked(job)
    job.known.flags &= ~int(CardFlag.BLACKLISTED)


def charge_fee(job: Job) -> None:
    """A fee by itself, at any time: paid or let off, nothing is due; else it is."""
    fee = charges(job.type, [FeeKind(job.form.reason)], job.form.fee_tender, available(job.spent))
    if fee is None:
        job.known.flags |= CardFlag.FEE_DUE
        return
    take_fee(job, fee)
    job.known.flags &= ~int(CardFlag.FEE_DUE)


STEPS: dict[CardOperation, Callable[[Job], None]] = {
    CardOperation.RESERVE: reserve,
    CardOperation.UNRESERVE: unreserve,
    CardOperation.MAKE: make,
    CardOperation.DRAW: draw,
    CardOperation.ISSUE: issue,
    CardOperation.MAKE_AND_ISSUE: make_and_issue,
    CardOperation.ACTIVATE: activate,
    CardOperation.REPORT_LOSS: report_loss,
    CardOperation.RESTORE: restore,
    CardOperation.FREEZE: freeze,
    CardOperation.UNFREEZE: unfreeze,
    CardOperation.EXPIRE: expire,
    CardOperation.RENEW: renew,
    CardOperation.MARK_BAD: mark_bad,
    CardOperation.REPLACE: replace,
    CardOperation.RETURN: give_back,
    CardOperation.VOID: void,
    CardOperation.CLEAR: clear,
    CardOperation.CORRECT: correct,
    CardOperation.BLACKLIST: blacklist,
    CardOperation.UNBLACKLIST: unblacklist,
    CardOperation.CHARGE_FEE: charge_fee,
}
"""One function per operation."""
