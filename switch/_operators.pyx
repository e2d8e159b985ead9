"""Operators' messages: card types, stores, terminals, cards. Cold, but decided and journaled like everything else.

Each writes the new record into the tables; the entry's image is taken from there.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from switch._layout cimport *
from switch._tables cimport Tables


cdef inline void show_account(reply_t* reply, const account_record_t* account) noexcept nogil:
    reply.balance_minor = account.balance_minor
    reply.points_balance_hundredths = account.points_hundredths


cdef void evaluate_operator(Tables tables, uint8_t request_type, const uint8_t* body, uint32_t today,
                            decision_t* decision) noexcept nogil:
    """Configuration: writes the new record into the tables, its image follows from there."""
    cdef uint16_t code
    if request_type == TYPE_PUT_CARD_TYPE:
        code = put_card_type(tables, <const put_card_type_request_t*>body, decision)
    elif request_type == TYPE_PUT_STORE:
        code = put_store(tables, <const put_store_request_t*>body, decision)
    elif request_type == TYPE_PUT_TERMINAL:
        code = put_terminal(tables, <const put_terminal_request_t*>body, decision)
    elif request_type == TYPE_OPEN_CARD:
        code = open_card(tables, <const open_card_request_t*>body, today, decision)
    elif request_type == TYPE_CHANGE_CARD_STATUS:
        code = change_card_status(tables, <const change_card_status_request_t*>body, decision)
    else:
        code = put_switch(tables, <const put_switch_request_t*>body, decision)
    decision.reply.code = code


cdef inline uint16_t invalid(reply_t* reply, uint16_t offset) noexcept nogil:
    reply.detail = offset
    return CODE_FIELD_INVALID


cdef uint16_t put_card_type(Tables tables, const put_card_type_request_t* request, decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef card_type_record_t record
    if request.code < 1 or request.code > CARD_TYPE_CODE_MAX:
        return invalid(reply, 16)
    if request.flags > 7:
        return invalid(reply, 18)
    if request.single_minor_max < 0:
        return invalid(reply, 24)
    if request.daily_minor_max < 0:
        return invalid(reply, 32)
    if request.daily_points_max_hundredths < 0:
        return invalid(reply, 40)
    if request.points_percent > POINTS_PERCENT_MAX:
        return invalid(reply, 48)
    if request.points_per_unit < 1 or request.points_per_unit > POINTS_PER_UNIT_MAX:
        return invalid(reply, 52)
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.flags, record.code = KIND_CARD_TYPE, 2, request.flags, request.code
    record.key = <uint64_t>request.code << 32
    record.daily_count_max = request.daily_count_max
    record.single_minor_max = request.single_minor_max
    record.daily_minor_max = request.daily_minor_max
    record.daily_points_max_hundredths = request.daily_points_max_hundredths
    record.points_percent = request.points_percent
    record.points_per_unit = request.points_per_unit
    record.last_sequence = reply.journal_sequence
    tables.put(<const uint8_t*>&record)
    decision.images[0] = <const uint8_t*>tables.card_type(request.code, 0)
    decision.image_count = 1
    return CODE_APPROVED


cdef uint16_t put_store(Tables tables, const put_store_request_t* request, decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef store_record_t record
    if request.store_id == 0:
        return invalid(reply, 16)
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.store_id = KIND_STORE, 2, request.store_id
    record.organisation_id = request.organisation_id
    record.last_sequence = reply.journal_sequence
    if tables.put(<const uint8_t*>&record) != 0:
        return CODE_TABLE_FULL
    decision.images[0] = <const uint8_t*>tables.store(request.store_id)
    decision.image_count = 1
    return CODE_APPROVED


cdef uint16_t put_terminal(Tables tables, const put_terminal_request_t* request, decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef terminal_record_t record
    if request.terminal_id == 0:
        return invalid(reply, 16)
    if request.rights > 15:
        return invalid(reply, 24)
    if request.status != TERMINAL_ACTIVE and request.status != TERMINAL_BLOCKED:
        return invalid(reply, 28)
    if request.store_id != 0 and tables.store(request.store_id) == NULL:
        return CODE_STORE_UNKNOWN
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.status = KIND_TERMINAL, 1, request.status
    record.rights, record.store_id, record.terminal_id = <uint8_t>request.rights, request.store_id, request.terminal_id
    memcpy(record.wrapped_key, request.key, 40)
    record.last_sequence = reply.journal_sequence
    if tables.put(<const uint8_t*>&record) != 0:
        return CODE_TABLE_FULL
    decision.images[0] = <const uint8_t*>tables.terminal(request.terminal_id)
    decision.image_count = 1
    return CODE_APPROVED


cdef uint16_t open_card(Tables tables, const open_card_request_t* request, uint32_t today,
                        decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef account_record_t new_account
    cdef account_record_t* account = NULL
    cdef card_record_t record
    cdef bint own_account = request.account_number == 0 or request.account_number == request.card_number
    if request.card_number < CARD_NUMBER_MIN or request.card_number > CARD_NUMBER_MAX:
        return invalid(reply, 16)
    if request.status != CARD_ACTIVE and request.status != CARD_BLOCKED:
        return invalid(reply, 34)
    if tables.card(request.card_number, &account) != NULL:
        return CODE_CARD_EXISTS
    if not tables.type_exists(request.card_type):
        return CODE_CARD_TYPE_UNKNOWN
    if not own_account and tables.account_named(request.account_number) == NULL:
        return CODE_ACCOUNT_UNKNOWN
    if not tables.room(KIND_CARD) or (own_account and not tables.room(KIND_ACCOUNT)):
        return CODE_TABLE_FULL
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.card_type, record.status = KIND_CARD, 2, request.card_type, request.status
    record.card_number = request.card_number
    record.account_number = request.card_number if own_account else request.account_number
    record.opened_date = today
    record.last_sequence = reply.journal_sequence
    if own_account:
        memset(&new_account, 0, sizeof(new_account))
        new_account.kind, new_account.version, new_account.account_number = KIND_ACCOUNT, 2, request.card_number
        new_account.last_sequence = reply.journal_sequence
        tables.put(<const uint8_t*>&new_account)
    tables.put(<const uint8_t*>&record)
    decision.images[own_account] = <const uint8_t*>tables.card(request.card_number, &account)
    if own_account:
        decision.images[0] = <const uint8_t*>account
    decision.image_count = 1 + own_account
    show_account(reply, account)
    return CODE_APPROVED


cdef uint16_t change_card_status(Tables tables, const change_card_status_request_t* request,
                                 decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef card_record_t* card
    if request.status != CARD_ACTIVE and request.status != CARD_BLOCKED:
        return invalid(reply, 24)
    card = tables.card(request.card_number, &account)
    if card == NULL:
        return CODE_CARD_UNKNOWN
    card.status = request.status
    card.last_sequence = reply.journal_sequence
    show_account(reply, account)
    decision.images[0] = <const uint8_t*>card
    decision.image_count = 1
    return CODE_APPROVED


cdef uint16_t put_switch(Tables tables, const put_switch_request_t* request, decision_t* decision) noexcept nogil:
    cdef switch_record_t* record = &tables.settings
    memset(record, 0, sizeof(switch_record_t))
    record.kind, record.version, record.mode, record.partition = KIND_SWITCH, 2, request.mode, request.partition
    memcpy(record.timezone, request.timezone, 32)
    record.last_sequence = decision.reply.journal_sequence
    decision.images[0] = <const uint8_t*>record
    decision.image_count = 1
    return CODE_APPROVED
