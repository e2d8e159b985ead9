"""The card desk: one operation on one card or a range of them (section 15 of docs/decision.md).

From which statuses an operation starts, where it leads and what it costs is a
table (`TRANSITIONS`, made from `switch/protocol/lifecycle.py`).  One function
decides one card; a range only asks it again and again.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from switch._card_handover cimport correct, issue, pay_out, replace, write_off
from switch._card_job cimport (
    charge, expiry_from, has_passed, job_t, keep_card, new_account, other_live_cards, state_of_type)
from switch._decision cimport ask_t, decision_t, invalid, show_account
from switch._layout cimport *
from switch._tables cimport Tables

cdef enum:
    OPERATION_FLAGS_ALL = OP_FLAG_CHECK_DIGIT | OP_FLAG_FROM_RESERVED | OP_FLAG_JOINING | OP_FLAG_WRITE_OFF
    CARD_NUMBER_AT = 16                  # offset in every request of the card desk
    OPERATIONS_WITH_VALUE = 1 << OP_ISSUE | 1 << OP_MAKE_AND_ISSUE
    OPERATIONS_WITH_RELATED = OPERATIONS_WITH_VALUE | 1 << OP_REPLACE | 1 << OP_CORRECT
    OPERATIONS_OF_ONE_CARD = 1 << OP_REPLACE | 1 << OP_CORRECT
    OPERATIONS_WITH_OPERATOR = 1 << OP_FREEZE | 1 << OP_UNFREEZE

cdef uint32_t NO_COUNT_ABOVE = 0xFFFFFFFF        # a reply's change_minor holds no more


# ------------------------------------------------------------------------ numbers

cdef inline uint64_t with_check_digit(uint64_t number) noexcept nogil:
    """The number with its Luhn digit behind it."""
    cdef uint64_t left = number
    cdef uint32_t digit, total = 0
    cdef bint doubled = True
    while left:
        digit = <uint32_t>(left % 10) << doubled
        total += digit - 9 if digit > 9 else digit
        left //= 10
        doubled = not doubled
    return number * 10 + (10 - total % 10) % 10


cdef inline uint32_t digits_of(uint64_t number) noexcept nogil:
    cdef uint32_t digits = 0
    while number:
        digits += 1
        number //= 10
    return digits


cdef inline bint follows_rule(uint64_t number, const card_type_record_t* card_type) noexcept nogil:
    """Whether a card number has the digits and the prefix of its type."""
    cdef uint32_t digits = digits_of(number)
    if card_type.number_digits != 0 and digits != card_type.number_digits:
        return False
    while digits > digits_of(card_type.number_prefix):
        number //= 10
        digits -= 1
    return card_type.number_prefix == 0 or number == card_type.number_prefix


# ------------------------------------------------------------------------ the range

cdef uint16_t operate_card(Tables tables, const ask_t* ask, const operate_card_request_t* request,
                           decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef job_t job
    cdef range_result_t* result
    cdef account_record_t* account = NULL
    cdef int64_t charged_minor = 0
    cdef uint64_t number
    cdef uint16_t code = misfit(request, reply), i
    if code != CODE_APPROVED:
        return code
    for i in range(request.count):
        number = request.card_number + i
        if request.flags & OP_FLAG_CHECK_DIGIT:
            number = with_check_digit(request.card_number // 10 + i)
        memset(&job, 0, sizeof(job))
        job.ask, job.request, job.decision = ask, request, decision
        code = operate_one(tables, &job, number)
        result = <range_result_t*>(decision.more + decision.more_bytes)
        result.code, result.detail = code, job.detail
        decision.more_bytes += sizeof(range_result_t)
        if code == CODE_APPROVED:
            reply.amount_minor += job.paid_out_minor
            charged_minor += job.charged_minor
    reply.change_minor = <uint32_t>charged_minor if charged_minor < NO_COUNT_ABOVE else NO_COUNT_ABOVE
    if request.count > 1:
        return CODE_APPROVED
    reply.detail = job.detail
    if code == CODE_APPROVED:
        tables.card(number, &account)
        if account != NULL:
            show_account(reply, account)
    return code


cdef inline uint16_t misfit(const operate_card_request_t* request, reply_t* reply) noexcept nogil:
    """What is wrong with the request whatever the cards are."""
    cdef uint32_t operation
    if request.operation < OP_RESERVE or request.operation > OP_CHARGE_FEE:
        return invalid(reply, 40)
    operation = <uint32_t>1 << request.operation
    if request.fee_tender > FEE_TENDER_BALANCE:
        return invalid(reply, 41)
    if request.flags > OPERATION_FLAGS_ALL:
        return invalid(reply, 42)
    if request.count < 1 or request.count > RANGE_CARDS_MAX:
        return invalid(reply, 46)
    if request.amount_minor < 0 or request.amount_minor > AMOUNT_MINOR_MAX:
        return invalid(reply, 32)
    if request.amount_minor != 0 and not operation & OPERATIONS_WITH_VALUE:
        return invalid(reply, 32)
    if request.related_number != 0 and not operation & OPERATIONS_WITH_RELATED:
        return invalid(reply, 24)
    if request.count > 1 and operation & OPERATIONS_OF_ONE_CARD:
        return invalid(reply, 46)
    if request.flags & OP_FLAG_CHECK_DIGIT and request.card_number != with_check_digit(request.card_number // 10):
        return invalid(reply, CARD_NUMBER_AT)
    if request.operator_id == 0 and operation & OPERATIONS_WITH_OPERATOR:
        return invalid(reply, 48)
    if request.operation == OP_CHARGE_FEE and request.reason > FEE_OTHER:
        return invalid(reply, 43)
    return CODE_APPROVED


# ------------------------------------------------------------------------ one card

cdef uint16_t operate_one(Tables tables, job_t* job, uint64_t number) noexcept nogil:
    """Decide one card; unless it is approved nothing has changed."""
    cdef const transition_t* step = &TRANSITIONS[job.request.operation]
    cdef uint16_t code
    cdef uint32_t status
    if number < CARD_NUMBER_MIN or number > CARD_NUMBER_MAX:
        job.detail = CARD_NUMBER_AT
        return CODE_FIELD_INVALID
    job.known = tables.card(number, &job.account)
    if job.known != NULL:
        job.card = job.known[0]
        job.card_type = tables.card_type(job.card.card_type, job.ask.today)
    else:
        job.card.kind, job.card.version, job.card.card_number = KIND_CARD, 2, number
    status = job.card.status
    if not step.from_mask >> status & 1:
        if step.done_mask >> status & 1 and (
                job.request.card_type == 0 or job.request.card_type == job.card.card_type):
            return CODE_DONE_BEFORE
        if status == 0:
            return CODE_CARD_UNKNOWN
        if step.from_mask & 1:
            return CODE_CARD_EXISTS
        job.detail = <uint16_t>status
        return CODE_CARD_STATUS
    job.card.document = job.request.document
    if step.to:
        job.card.status = step.to
    code = carry_out(tables, job)
    if code == CODE_APPROVED:
        keep_card(tables, &job.card, job.decision)
    return code


cdef uint16_t carry_out(Tables tables, job_t* job) noexcept nogil:
    """Checks of the operation, then what it changes; the copy of the card has its new status already."""
    cdef const operate_card_request_t* request = job.request
    cdef card_record_t* card = &job.card
    cdef uint8_t operation = request.operation, before = job.known.status if job.known != NULL else 0
    cdef uint32_t today = job.ask.today
    cdef uint16_t code
    if operation == OP_RESERVE:
        return reserve(tables, job)
    if operation == OP_MAKE:
        return make(tables, job)
    if operation == OP_MAKE_AND_ISSUE:
        code = make(tables, job)
        return issue(tables, job) if code == CODE_APPROVED else code
    if operation == OP_ISSUE:
        return issue(tables, job)
    if operation == OP_DRAW:
        if tables.store(request.store_id) == NULL:
            return CODE_STORE_UNKNOWN
        card.custody_store_id = request.store_id
    elif operation == OP_ACTIVATE:
        if job.card_type == NULL:
            return CODE_CARD_TYPE_UNKNOWN
        card.activated_date, card.expiry_date = today, expiry_from(today, job.card_type)
    elif operation == OP_REPORT_LOSS:
        card.kept_status = before
        if charge(job, FEE_REPORT_LOSS) != CODE_APPROVED:
            card.flags |= CARD_FLAG_FEE_DUE      # a loss is never refused
    elif operation == OP_RESTORE:
        if job.card_type != NULL and job.card_type.flags & CARD_TYPE_NO_RESTORE:
            return CODE_RESTORE_FORBIDDEN
        card.status, card.kept_status = usable(card, card.kept_status, today), 0
        return charge(job, FEE_RESTORE)
    elif operation == OP_FREEZE:
        card.frozen_by = request.operator_id
    elif operation == OP_UNFREEZE:
        if request.operator_id == card.frozen_by:
            return CODE_SAME_PERSON
        card.status, card.frozen_by = usable(card, CARD_ACTIVE, today), 0
    elif operation == OP_EXPIRE:
        if not has_passed(card, today):
            return CODE_NOT_DUE
    elif operation == OP_RENEW:
        if job.card_type == NULL:
            return CODE_CARD_TYPE_UNKNOWN
        card.expiry_date = expiry_from(today if card.expiry_date < today else card.expiry_date, job.card_type)
        return charge(job, FEE_RENEW)
    elif operation == OP_MARK_BAD:
        card.kept_status = before
    elif operation == OP_REPLACE:
        return replace(tables, job)
    elif operation == OP_RETURN:
        return pay_out(tables, job)
    elif operation == OP_VOID:
        return write_off(tables, job)
    elif operation == OP_CLEAR:
        if job.account != NULL and job.account.balance_minor != 0 and other_live_cards(tables, job) == 0:
            return CODE_VALUE_LEFT
    elif operation == OP_CORRECT:
        return correct(tables, job)
    elif operation == OP_BLACKLIST:
        if card.flags & CARD_FLAG_BLACKLISTED:
            return CODE_DONE_BEFORE
        card.flags |= CARD_FLAG_BLACKLISTED
    elif operation == OP_UNBLACKLIST:
        if not card.flags & CARD_FLAG_BLACKLISTED:
            return CODE_DONE_BEFORE
        if request.approver_id == 0 or request.approver_id == request.operator_id:
            return CODE_SAME_PERSON
        card.flags &= ~CARD_FLAG_BLACKLISTED
    elif operation == OP_CHARGE_FEE:
        card.flags &= ~CARD_FLAG_FEE_DUE
        if charge(job, request.reason) != CODE_APPROVED:
            card.flags |= CARD_FLAG_FEE_DUE      # asked for and not paid: noted, and the card goes on
    return CODE_APPROVED


cdef inline uint8_t usable(const card_record_t* card, uint8_t status, uint32_t today) noexcept nogil:
    """A status to come back to; ACTIVE only while the card's last date has not passed."""
    return CARD_EXPIRED if status == CARD_ACTIVE and has_passed(card, today) else status


cdef uint16_t reserve(Tables tables, job_t* job) noexcept nogil:
    if not tables.type_exists(job.request.card_type):
        return CODE_CARD_TYPE_UNKNOWN
    if job.known == NULL and not tables.room(KIND_CARD):
        return CODE_TABLE_FULL
    job.card.card_type, job.card.opened_date = job.request.card_type, job.ask.today
    return CODE_APPROVED


cdef uint16_t make(Tables tables, job_t* job) noexcept nogil:
    if job.known != NULL and job.known.status == CARD_RESERVED and not job.request.flags & OP_FLAG_FROM_RESERVED:
        return CODE_RESERVED_SKIPPED
    job.card_type = tables.card_type(job.request.card_type, job.ask.today)
    if job.card_type == NULL:
        return CODE_CARD_TYPE_UNKNOWN
    if state_of_type(tables, job.request.card_type) != TYPE_STATE_APPROVED:
        job.detail = state_of_type(tables, job.request.card_type)
        return CODE_TYPE_STATE
    if not follows_rule(job.card.card_number, job.card_type):
        return CODE_NUMBER_RULE
    if job.known == NULL and not tables.room(KIND_CARD):
        return CODE_TABLE_FULL
    job.card.card_type, job.card.opened_date = job.request.card_type, job.ask.today
    job.card.issue_serial, job.card.relation = 1, job.card_type.relation
    return CODE_APPROVED


# ------------------------------------------------------------------------ open card

cdef uint16_t open_card(Tables tables, const ask_t* ask, const open_card_request_t* request,
                        decision_t* decision) noexcept nogil:
    """Make, issue and activate at once; without fee and number rule."""
    cdef reply_t* reply = &decision.reply
    cdef const card_type_record_t* card_type
    cdef const card_record_t* known
    cdef account_record_t* account = NULL
    cdef card_record_t card
    cdef bint own_account = request.account_number == 0 or request.account_number == request.card_number
    cdef uint8_t state
    if request.card_number < CARD_NUMBER_MIN or request.card_number > CARD_NUMBER_MAX:
        return invalid(reply, CARD_NUMBER_AT)
    if request.status != CARD_ACTIVE and request.status != CARD_FROZEN:
        return invalid(reply, 34)
    known = tables.card(request.card_number, &account)
    if known != NULL and known.status != CARD_RELEASED:
        return CODE_CARD_EXISTS
    card_type = tables.card_type(request.card_type, ask.today)
    if card_type == NULL:
        return CODE_CARD_TYPE_UNKNOWN
    state = state_of_type(tables, request.card_type)
    if state != TYPE_STATE_APPROVED:
        reply.detail = state
        return CODE_TYPE_STATE
    if not own_account:
        account = tables.account_named(request.account_number)
        if account == NULL:
            return CODE_ACCOUNT_UNKNOWN
    if (known == NULL and not tables.room(KIND_CARD)) or (own_account and not tables.room(KIND_ACCOUNT)):
        return CODE_TABLE_FULL
    if own_account:
        account = new_account(tables, request.card_number, decision)
    memset(&card, 0, sizeof(card))
    if known != NULL:
        card = known[0]                          # a blacklisted number stays blacklisted
    card.kind, card.version, card.card_number, card.card_type = KIND_CARD, 2, request.card_number, request.card_type
    card.status, card.account_number = request.status, account.account_number
    card.opened_date = card.issued_date = card.activated_date = ask.today
    card.expiry_date = expiry_from(ask.today, card_type)
    card.issue_serial, card.relation = 1, card_type.relation
    card.issuing_organisation_id = ask.organisation_id
    keep_card(tables, &card, decision)
    show_account(reply, account)
    return CODE_APPROVED
