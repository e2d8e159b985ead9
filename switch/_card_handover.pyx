"""Where cards get an account, lose it or hand it on: issue, return, voiding, replacement, correction.

Steps of the card desk (section 15 of docs/decision.md) that move more than
the card itself.  Each makes all its checks before its first change, but that
holds which have expired are released whatever becomes of it.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from switch._account cimport limits_of, release_expired
from switch._card_job cimport (
    can_pay, charge, expiry_from, fee_minor, has_passed, in_custody, job_t, keep_card, new_account, other_live_cards,
    state_of_type)
from switch._decision cimport IMAGES_MAX, decision_t, touch
from switch._layout cimport *
from switch._tables cimport Tables


# ------------------------------------------------------------------------ issue

cdef uint16_t issue(Tables tables, job_t* job) noexcept nogil:
    cdef const operate_card_request_t* request = job.request
    cdef const card_type_record_t* card_type = job.card_type
    cdef card_record_t* card = &job.card
    cdef account_record_t* account = NULL
    cdef int64_t charged_minor = 0, from_value_minor = 0
    if job.known != NULL and not in_custody(job.ask, job.known):
        return CODE_CUSTODY
    if card_type == NULL:
        return CODE_CARD_TYPE_UNKNOWN
    if card_type.flags & CARD_TYPE_NAMED and request.member == 0:
        return CODE_MEMBER_REQUIRED
    if not may_be_worth(card_type, request.amount_minor):
        return CODE_AMOUNT
    if request.related_number != 0:
        if tables.card(request.related_number, &account) == NULL or account == NULL:
            return CODE_ACCOUNT_UNKNOWN
        if request.amount_minor != 0:
            return CODE_AMOUNT
    elif card.relation == RELATION_SUPPLEMENTARY:
        return CODE_ACCOUNT_UNKNOWN
    if not can_pay(job, FEE_ISSUE, request.amount_minor, &charged_minor, &from_value_minor):
        return CODE_FEE_REFUSED
    if request.flags & OP_FLAG_JOINING and not can_pay(
            job, FEE_JOINING, request.amount_minor, &charged_minor, &from_value_minor):
        return CODE_FEE_REFUSED
    if account == NULL and not tables.room(KIND_ACCOUNT):
        return CODE_TABLE_FULL

    if account == NULL:
        account = new_account(tables, card.card_number, job.decision)
        account.balance_minor, account.member = request.amount_minor - from_value_minor, request.member
    job.charged_minor = charged_minor
    card.account_number = account.account_number
    card.issued_date = job.ask.today
    card.issuing_organisation_id = request.organisation_id if request.organisation_id else job.ask.organisation_id
    if not card_type.flags & CARD_TYPE_ACTIVATION_REQUIRED:
        card.status = CARD_ACTIVE
        card.activated_date, card.expiry_date = job.ask.today, expiry_from(job.ask.today, card_type)
    return CODE_APPROVED


cdef inline bint may_be_worth(const card_type_record_t* card_type, int64_t value_minor) noexcept nogil:
    """Whether cards of the type may be issued with this value."""
    if value_minor == 0 and not card_type.flags & CARD_TYPE_ONE_TIME:
        return True
    return card_type.face_minor_min <= value_minor <= card_type.face_minor_max


# ------------------------------------------------------------------------ return and void

cdef uint16_t pay_out(Tables tables, job_t* job) noexcept nogil:
    """RETURN: what the account holds is paid out, less the fee; its points and visits end.

    A supplementary card is only given back, and pays nothing.
    """
    cdef account_record_t* account = job.account
    cdef int64_t fee
    if job.card.relation == RELATION_SUPPLEMENTARY:
        return CODE_APPROVED
    release_expired(tables, job.ask, account, job.decision)
    if account.hold_slots:
        return CODE_HOLDS_OPEN
    if other_live_cards(tables, job):
        return CODE_OTHER_CARDS
    if records_of_points(tables, account) + 2 > IMAGES_MAX - job.decision.image_count:
        return CODE_TABLE_FULL                   # they would not fit the entry
    fee = fee_minor(job.card_type, FEE_RETURN)
    if fee > account.balance_minor:
        fee = account.balance_minor if account.balance_minor > 0 else 0
    job.charged_minor = fee
    job.paid_out_minor = account.balance_minor - fee if account.balance_minor > fee else 0
    account.balance_minor = 0
    end_points(tables, account, job.decision)
    touch(job.decision, account)
    return CODE_APPROVED


cdef uint32_t records_of_points(Tables tables, const account_record_t* account) noexcept nogil:
    """Purses and pending points of an account, none of which is gone."""
    cdef const uint8_t* purse = tables.purses.first_of(account.account_number)
    cdef uint32_t records = 0, category, date
    while purse != NULL:
        records += 1
        purse = tables.purses.next_of(purse)
    for category in range(POINTS_CATEGORY_MAX + 1):
        if account.pending_categories >> category & 1:
            for date in range(account.pending_from_date, pending_until(account)):
                records += tables.pending.find(account.account_number, category, date) != NULL
    return records


cdef inline uint32_t pending_until(const account_record_t* account) noexcept nogil:
    # Nothing is booked later than BOOKING_DAYS_MAX after the last touch, which was before the earliest date.
    return account.pending_from_date + 2 * BOOKING_DAYS_MAX + 1


cdef void end_points(Tables tables, account_record_t* account, decision_t* decision) noexcept nogil:
    cdef purse_record_t* purse = <purse_record_t*>tables.purses.first_of(account.account_number)
    cdef pending_points_record_t* pending
    cdef uint32_t category, date
    while purse != NULL:
        purse.state = GONE
        touch(decision, purse)
        purse = <purse_record_t*>tables.purses.next_of(<const uint8_t*>purse)
    for category in range(POINTS_CATEGORY_MAX + 1):
        if not account.pending_categories >> category & 1:
            continue
        for date in range(account.pending_from_date, pending_until(account)):
            pending = <pending_points_record_t*>tables.pending.find(account.account_number, category, date)
            if pending != NULL:
                pending.state = GONE
                touch(decision, pending)
    account.points_hundredths = 0
    account.pending_categories, account.pending_from_date, account.pending_count = 0, 0, 0


cdef uint16_t write_off(Tables tables, job_t* job) noexcept nogil:
    """VOID: the value of an account whose last card ends must be gone, or is written off by a document."""
    cdef account_record_t* account = job.account
    if account == NULL or other_live_cards(tables, job):
        return CODE_APPROVED
    release_expired(tables, job.ask, account, job.decision)
    if account.hold_slots:
        return CODE_HOLDS_OPEN
    if account.balance_minor != 0:
        if not job.request.flags & OP_FLAG_WRITE_OFF or job.request.document == 0:
            return CODE_VALUE_LEFT
        account.balance_minor = 0
        touch(job.decision, account)
    return CODE_APPROVED


# ------------------------------------------------------------------------ replacement and correction

cdef uint16_t replace(Tables tables, job_t* job) noexcept nogil:
    """REPLACE: another card, made before, goes on with the account."""
    cdef const card_record_t* old = job.known
    cdef const card_record_t* made
    cdef const card_type_record_t* new_type
    cdef account_record_t* _account = NULL
    cdef card_record_t card
    cdef uint32_t today = job.ask.today
    cdef uint16_t code
    cdef uint8_t state
    if old.status == CARD_LOST and job.card_type != NULL and job.card_type.flags & CARD_TYPE_NO_RESTORE:
        return CODE_RESTORE_FORBIDDEN
    made = tables.card(job.request.related_number, &_account)
    if made == NULL:
        return CODE_CARD_UNKNOWN
    if made.status != CARD_MADE and made.status != CARD_DRAWN:
        job.detail = made.status
        return CODE_CARD_STATUS
    if not in_custody(job.ask, made):
        return CODE_CUSTODY
    state = state_of_type(tables, made.card_type)
    new_type = tables.card_type(made.card_type, today)
    if new_type == NULL:
        return CODE_CARD_TYPE_UNKNOWN
    if state == TYPE_STATE_DRAFT or state == TYPE_STATE_SUBMITTED:
        job.detail = state
        return CODE_TYPE_STATE
    if not limits_can_move(tables, old.card_number):
        return CODE_TABLE_FULL
    code = charge(job, FEE_SWAP if old.status == CARD_ACTIVE else FEE_REPLACE)
    if code != CODE_APPROVED:
        return code

    card = made[0]
    card.account_number, card.flags, card.relation = old.account_number, old.flags, old.relation
    card.issued_date = card.activated_date = today
    card.issue_serial = old.issue_serial + 1
    card.pin_tries, card.frozen_by = old.pin_tries, old.frozen_by
    memcpy(card.pin_hash, old.pin_hash, sizeof(card.pin_hash))
    card.pin_key_version = old.pin_key_version
    card.issuing_organisation_id = old.issuing_organisation_id
    card.status = CARD_ACTIVE
    if old.kept_status == CARD_FROZEN or old.kept_status == CARD_ISSUED:
        card.status = old.kept_status
    card.expiry_date = old.expiry_date
    if old.status == CARD_EXPIRED or has_passed(old, today):
        card.expiry_date = expiry_from(today, new_type)
    card.document = job.request.document
    keep_card(tables, &card, job.decision)
    job.card.successor_number = card.card_number
    move_limits(tables, old.card_number, card.card_number, job.decision)
    return CODE_APPROVED


cdef uint16_t correct(Tables tables, job_t* job) noexcept nogil:
    """CORRECT: the same card under its right number."""
    cdef uint64_t right_number = job.request.related_number
    cdef account_record_t* _account = NULL
    cdef card_record_t card
    if job.request.approver_id == 0 or job.request.approver_id == job.request.operator_id:
        return CODE_SAME_PERSON
    if right_number < CARD_NUMBER_MIN or right_number > CARD_NUMBER_MAX:
        job.detail = 24
        return CODE_FIELD_INVALID
    if tables.card(right_number, &_account) != NULL:
        return CODE_CARD_EXISTS
    if not tables.room(KIND_CARD) or not limits_can_move(tables, job.known.card_number):
        return CODE_TABLE_FULL

    card = job.card
    card.status, card.card_number = job.known.status, right_number
    card.issue_serial += 1
    keep_card(tables, &card, job.decision)
    job.card.successor_number = right_number
    move_limits(tables, job.known.card_number, right_number, job.decision)
    return CODE_APPROVED


cdef inline bint limits_can_move(Tables tables, uint64_t card_number) noexcept nogil:
    # For a moment there are two records: the old one goes when its last image is written.
    return limits_of(tables, card_number) == NULL or tables.card_limits.room(1)


cdef void move_limits(Tables tables, uint64_t from_number, uint64_t to_number, decision_t* decision) noexcept nogil:
    cdef card_limit_record_t* old = limits_of(tables, from_number)
    cdef card_limit_record_t* moved
    if old == NULL:
        return
    moved = <card_limit_record_t*>tables.card_limits.make(to_number, 0, 0)
    moved[0] = old[0]
    moved.card_number = to_number
    old.state = GONE
    touch(decision, old)
    touch(decision, moved)
