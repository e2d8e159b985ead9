"""Card types as operators write them: versions, and the state of all versions together.

Section 16 of docs/decision.md.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from switch._decision cimport ask_t, decision_t, invalid, touch
from switch._layout cimport *
from switch._tables cimport Tables

cdef enum:
    FUNCTIONS_ALL = 63
    CARD_TYPE_FLAGS_ALL = 32767
    MEDIUM_MAX = 6
    PIN_TRIES_MAX = 15
    NUMBER_DIGITS_MIN = 8
    NUMBER_DIGITS_MAX = 19
    FROZEN_FLAGS = CARD_TYPE_NAMED | CARD_TYPE_ONE_TIME          # of a type that has cards


# ------------------------------------------------------------------------ put card type

cdef uint16_t put_card_type(Tables tables, const ask_t* ask, const put_card_type_request_t* request,
                            decision_t* decision) noexcept nogil:
    """Create a type, or a version of it."""
    cdef reply_t* reply = &decision.reply
    cdef card_type_record_t record
    cdef type_state_record_t state
    cdef bint is_new = not tables.type_exists(request.code)
    cdef uint16_t code = misfit(tables, request, is_new, reply)
    if code == CODE_APPROVED:
        code = misfit_of_values(request, reply)
    if code == CODE_APPROVED and tables.made_cards(request.code) > 0:
        code = frozen(tables, ask, request, reply)
    if code != CODE_APPROVED:
        return code
    if tables.card_types.version(request.code, request.from_date) == NULL and not tables.room(KIND_CARD_TYPE):
        return CODE_TABLE_FULL
    write_version(request, &record)
    tables.put(<const uint8_t*>&record)
    touch(decision, tables.card_types.version(request.code, request.from_date))
    if is_new:
        memset(&state, 0, sizeof(state))
        state.kind, state.version, state.state = KIND_TYPE_STATE, 1, request.state
        state.author, state.code = request.operator_id, request.code
        tables.put(<const uint8_t*>&state)
        touch(decision, tables.type_state(request.code))
    return CODE_APPROVED


cdef uint16_t misfit(Tables tables, const put_card_type_request_t* request, bint is_new,
                     reply_t* reply) noexcept nogil:
    """The first check of what a type is that does not hold."""
    if request.code < 1 or request.code > CARD_TYPE_CODE_MAX:
        return invalid(reply, 16)
    if request.functions < 1 or request.functions > FUNCTIONS_ALL:
        return invalid(reply, 18)
    if request.functions & FUNCTION_VOUCHER and request.functions != FUNCTION_VOUCHER:
        return invalid(reply, 18)
    if request.flags > CARD_TYPE_FLAGS_ALL:
        return invalid(reply, 20)
    if request.state != TYPE_STATE_DRAFT and request.state != TYPE_STATE_APPROVED and (is_new or request.state != 0):
        return invalid(reply, 32)
    if request.medium > MEDIUM_MAX:
        return invalid(reply, 33)
    if request.relation > RELATION_SUPPLEMENTARY:
        return invalid(reply, 34)
    if request.discount_bp > DISCOUNT_BP_MAX:
        return invalid(reply, 38)
    if request.organisation_id != 0 and tables.organisation(request.organisation_id) == NULL:
        return CODE_ORGANISATION_UNKNOWN
    if request.stores_organisation_id != 0 and tables.organisation(request.stores_organisation_id) == NULL:
        return CODE_ORGANISATION_UNKNOWN
    return CODE_APPROVED


cdef uint16_t misfit_of_values(const put_card_type_request_t* request, reply_t* reply) noexcept nogil:
    """The first bound of its amounts, rates and numbers that does not hold."""
    if request.single_minor_max < 0:
        return invalid(reply, 64)
    if request.daily_minor_max < 0:
        return invalid(reply, 72)
    if request.daily_points_max_hundredths < 0:
        return invalid(reply, 80)
    if request.recharge_day_minor_max < 0:
        return invalid(reply, 88)
    if request.ceiling_minor < 0:
        return invalid(reply, 96)
    if request.face_minor_min < 0:
        return invalid(reply, 104)
    if request.auto_below_minor < 0:
        return invalid(reply, 120)
    if request.auto_add_minor < 0:
        return invalid(reply, 128)
    if request.points_percent > POINTS_PERCENT_MAX:
        return invalid(reply, 56)
    if request.points_per_unit < 1 or request.points_per_unit > POINTS_PER_UNIT_MAX:
        return invalid(reply, 60)
    if request.face_minor_max < request.face_minor_min:
        return invalid(reply, 112)
    if request.auto_mode > AUTO_MONTHLY:
        return invalid(reply, 146)
    if request.auto_mode != AUTO_NONE and request.auto_add_minor == 0:
        return invalid(reply, 128)
    if request.pin_tries_max < 1 or request.pin_tries_max > PIN_TRIES_MAX:
        return invalid(reply, 147)
    if request.number_digits != 0 and not NUMBER_DIGITS_MIN <= request.number_digits <= NUMBER_DIGITS_MAX:
        return invalid(reply, 150)
    if request.number_prefix != 0 and digits_of(request.number_prefix) >= request.number_digits:
        return invalid(reply, 152)
    if request.hold_s_max > HOLD_S_MAX:
        return invalid(reply, 156)
    if request.auto_until_date != 0 and request.auto_until_date < request.auto_from_date:
        return invalid(reply, 140)
    return CODE_APPROVED


cdef inline uint32_t digits_of(uint32_t number) noexcept nogil:
    cdef uint32_t digits = 0
    while number:
        digits += 1
        number //= 10
    return digits


cdef uint16_t frozen(Tables tables, const ask_t* ask, const put_card_type_request_t* request,
                     reply_t* reply) noexcept nogil:
    """What a type that has cards may not change any more; a new version of it is for dates to come."""
    cdef const card_type_record_t* now = tables.card_type(request.code, ask.today)
    if now == NULL:                              # numbers were reserved for a type that is to come
        now = tables.card_type(request.code, request.from_date)
    if now != NULL:
        if request.medium != now.medium:
            return frozen_at(reply, 33)
        if request.functions != now.functions:
            return frozen_at(reply, 18)
        if request.relation != now.relation:
            return frozen_at(reply, 34)
        if (request.flags ^ now.flags) & FROZEN_FLAGS:
            return frozen_at(reply, 20)
        if request.number_prefix != now.number_prefix:
            return frozen_at(reply, 152)
        if request.number_digits != now.number_digits:
            return frozen_at(reply, 150)
    if request.from_date <= ask.today:
        return frozen_at(reply, 24)
    return CODE_APPROVED


cdef inline uint16_t frozen_at(reply_t* reply, uint16_t offset) noexcept nogil:
    reply.detail = offset
    return CODE_TYPE_FROZEN


cdef void write_version(const put_card_type_request_t* request, card_type_record_t* record) noexcept nogil:
    memset(record, 0, sizeof(card_type_record_t))
    record.kind, record.version, record.code, record.from_date = KIND_CARD_TYPE, 2, request.code, request.from_date
    record.key = <uint64_t>request.code << 32 | request.from_date
    record.functions, record.flags, record.medium = request.functions, request.flags, request.medium
    record.relation, record.level = request.relation, request.level
    record.validity_days, record.organisation_id = request.validity_days, request.organisation_id
    record.stores_organisation_id = request.stores_organisation_id
    record.daily_count_max, record.recharge_count_max = request.daily_count_max, request.recharge_count_max
    record.discount_bp, record.price_class = request.discount_bp, request.price_class
    record.points_percent, record.points_per_unit = request.points_percent, request.points_per_unit
    record.single_minor_max, record.daily_minor_max = request.single_minor_max, request.daily_minor_max
    record.daily_points_max_hundredths = request.daily_points_max_hundredths
    record.recharge_day_minor_max, record.ceiling_minor = request.recharge_day_minor_max, request.ceiling_minor
    record.face_minor_min, record.face_minor_max = request.face_minor_min, request.face_minor_max
    record.auto_mode, record.auto_count_max = request.auto_mode, request.auto_count_max
    record.auto_below_minor, record.auto_add_minor = request.auto_below_minor, request.auto_add_minor
    record.auto_from_date, record.auto_until_date = request.auto_from_date, request.auto_until_date
    record.pin_tries_max, record.hold_s_max = request.pin_tries_max, request.hold_s_max
    record.number_digits, record.number_prefix = request.number_digits, request.number_prefix
    record.card_cost_minor = request.card_cost_minor
    record.fees_from_balance, record.fees_waivable = request.fees_from_balance, request.fees_waivable
    memcpy(record.fees_minor, request.fees_minor, sizeof(record.fees_minor))
    memcpy(record.name, request.name, sizeof(record.name))


# ------------------------------------------------------------------------ set type state

cdef uint16_t set_type_state(Tables tables, const ask_t* ask, const set_type_state_request_t* request,
                             decision_t* decision) noexcept nogil:
    cdef type_state_record_t* record = tables.type_state(request.code)
    if record == NULL:
        return CODE_CARD_TYPE_UNKNOWN
    if not leads_to(record.state, request.state):
        decision.reply.detail = record.state
        return CODE_TYPE_STATE
    if record.state == TYPE_STATE_SUBMITTED and request.state == TYPE_STATE_APPROVED:
        if request.operator_id == 0 or request.operator_id == record.author:
            return CODE_SAME_PERSON
    if request.state == TYPE_STATE_RETIRED and tables.live_cards(request.code) > 0:
        return CODE_OTHER_CARDS
    record.state = request.state
    touch(decision, record)
    return CODE_APPROVED


cdef bint leads_to(uint8_t state, uint8_t next_state) noexcept nogil:
    """Whether a type may go from one state to another."""
    if next_state == TYPE_STATE_RETIRED:
        return state != TYPE_STATE_RETIRED
    if state == TYPE_STATE_DRAFT:
        return next_state == TYPE_STATE_SUBMITTED
    if state == TYPE_STATE_SUBMITTED:
        return next_state == TYPE_STATE_APPROVED or next_state == TYPE_STATE_DRAFT
    if state == TYPE_STATE_APPROVED:
        return next_state == TYPE_STATE_SUSPENDED
    return state == TYPE_STATE_SUSPENDED and next_state == TYPE_STATE_APPROVED
