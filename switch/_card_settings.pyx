"""What the desk sets on one card and its account: PIN, limits, level, member, segments.

Section 15 of docs/decision.md.
"""

from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy

from switch._account cimport check_pin, limits_of, may_use
from switch._decision cimport ask_t, decision_t, invalid, show_account, touch
from switch._layout cimport *
from switch._pin cimport active_version
from switch._tables cimport Tables

cdef enum:
    SETS_LIMITS = 1
    SETS_LEVEL = 2
    SETS_MEMBER = 4
    SETS_SEGMENTS = 8
    SETS_ALL = 15


cdef uint16_t set_pin(Tables tables, const ask_t* ask, const set_pin_request_t* request,
                      decision_t* decision) noexcept nogil:
    """CHANGE by the holder, who knows the old PIN, or RESET by the desk."""
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef card_record_t* card
    cdef uint16_t code
    if request.mode != PIN_MODE_CHANGE and request.mode != PIN_MODE_RESET:
        return invalid(reply, 24)
    card = tables.card(request.card_number, &account)
    code = may_set(card, account, reply)
    if code == CODE_APPROVED and request.mode == PIN_MODE_CHANGE:
        code = holder_may_change(tables, ask, request, card, decision)
    if code != CODE_APPROVED:
        return code
    memcpy(card.pin_hash, request.new_pin, sizeof(card.pin_hash))
    card.pin_key_version = 0 if is_zero(request.new_pin) else active_version(tables, PURPOSE_PIN)
    card.pin_tries = 0
    card.flags &= ~CARD_FLAG_PIN_LOCKED
    touch(decision, card)
    show_account(reply, account)
    return CODE_APPROVED


cdef inline uint16_t may_set(const card_record_t* card, const account_record_t* account,
                             reply_t* reply) noexcept nogil:
    if card == NULL or account == NULL:
        return CODE_CARD_UNKNOWN
    if STATUSES_ENDED >> card.status & 1:
        reply.detail = card.status
        return CODE_CARD_STATUS
    return CODE_APPROVED


cdef inline uint16_t holder_may_change(Tables tables, const ask_t* ask, const set_pin_request_t* request,
                                       card_record_t* card, decision_t* decision) noexcept nogil:
    cdef const card_type_record_t* card_type = tables.card_type(card.card_type, ask.today)
    cdef uint16_t code
    if card_type == NULL:
        return CODE_CARD_UNKNOWN
    code = may_use(ask, card, card_type, 0, &decision.reply)
    if code != CODE_APPROVED:
        return code
    if card.flags & CARD_FLAG_PIN_LOCKED:
        return CODE_PIN_LOCKED
    if is_zero(card.pin_hash) or is_zero(request.old_pin):
        return CODE_PIN_REQUIRED
    code = check_pin(card, card_type, request.old_pin, decision)
    if code == CODE_APPROVED and is_zero(request.new_pin):
        return invalid(&decision.reply, 48)
    return code


cdef inline bint is_zero(const uint8_t* pin) noexcept nogil:
    return (<const uint64_t*>pin)[0] == 0 and (<const uint64_t*>pin)[1] == 0


cdef uint16_t set_card(Tables tables, const ask_t* ask, const set_card_request_t* request,
                       decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef card_record_t* card
    cdef card_limit_record_t* limits
    cdef uint16_t code
    if request.sets < 1 or request.sets > SETS_ALL:
        return invalid(reply, 24)
    if request.single_minor_max < 0:
        return invalid(reply, 48)
    if request.daily_minor_max < 0:
        return invalid(reply, 56)
    if request.recharge_day_minor_max < 0:
        return invalid(reply, 64)
    if request.ceiling_minor < 0:
        return invalid(reply, 72)
    card = tables.card(request.card_number, &account)
    code = may_set(card, account, reply)
    if code != CODE_APPROVED:
        return code
    if request.sets & SETS_LIMITS:
        limits = limits_of(tables, request.card_number)
        if limits == NULL:
            limits = <card_limit_record_t*>tables.card_limits.make(request.card_number, 0, 0)
        if limits == NULL:
            return CODE_TABLE_FULL
        if limits.since_sequence == 0:
            limits.since_sequence = decision.reply.journal_sequence
        limits.single_minor_max = request.single_minor_max
        limits.daily_minor_max = request.daily_minor_max
        limits.recharge_day_minor_max = request.recharge_day_minor_max
        limits.ceiling_minor = request.ceiling_minor
        limits.daily_count_max = request.daily_count_max
        limits.recharge_count_max = request.recharge_count_max
        touch(decision, limits)
    if request.sets & SETS_LEVEL:
        account.level = request.level
    if request.sets & SETS_MEMBER:
        account.member = request.member
    if request.sets & SETS_SEGMENTS:
        account.segments = request.segments
    if request.sets & ~SETS_LIMITS:
        touch(decision, account)
    show_account(reply, account)
    return CODE_APPROVED
