"""Value that comes, waits and moves: credit, hold, capture, release, transfer.

Sections 8, 9 and 11 of docs/decision.md.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from switch._account cimport (
    add_points, available, ceiling_of, check_pin, count_card_today, count_today, free_hold, has_purse, is_allowed,
    limits_of, may_use, open_hold, settle, store_accepts)
from switch._decision cimport ask_t, decision_t, invalid, show_account, touch
from switch._evidence cimport card_unknown, check_pin_asked, judge_medium, verdict_t
from switch._layout cimport *
from switch._pricing cimport bill_t, earn_points, earn_recharge, price_lines, write_line_results
from switch._rules cimport Rules
from switch._sale cimport (
    book_points, fill_bill, has_room_for_points, recharge_automatically, sale_t, use_limits, within_limits)
from switch._tables cimport Tables

cdef enum:
    RECHARGE_COUNT_FULL = 65535      # the counter's two bytes
    HOLD_EXPIRES_AT = 32
    CAPTURE_KEEP_REST_AT = 40
    CREDIT_CHANNEL_AT = 32
    MS_PER_S = 1000


cdef inline bint is_amount(int64_t amount_minor) noexcept nogil:
    return 0 < amount_minor <= AMOUNT_MINOR_MAX


cdef inline const card_type_record_t* type_of(
        Tables tables, const ask_t* ask, const card_record_t* card) noexcept nogil:
    return NULL if card == NULL else tables.card_type(card.card_type, ask.today)


# ------------------------------------------------------------------------ credit

cdef void credit(Tables tables, Rules rules, const ask_t* ask, const credit_request_t* request,
                 decision_t* decision) noexcept nogil:
    cdef account_record_t* account = NULL
    cdef card_record_t* card = tables.card(request.card_number, &account)
    cdef const card_type_record_t* card_type = type_of(tables, ask, card)
    decision.reply.code = decide_credit(tables, rules, ask, request, card, card_type, account, decision)
    if account != NULL:
        show_account(&decision.reply, account)


cdef uint16_t decide_credit(Tables tables, Rules rules, const ask_t* ask, const credit_request_t* request,
                            card_record_t* card, const card_type_record_t* card_type, account_record_t* account,
                            decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef const uint64_t* reference = <const uint64_t*>request.reference
    cdef uint64_t mark_key = <uint64_t>MARK_REFERENCE << 56 | request.channel
    cdef bint is_opening = request.channel == CHANNEL_OPENING
    cdef bint has_reference = reference[0] != 0 or reference[1] != 0
    cdef card_limit_record_t* limits
    cdef mark_record_t* mark
    cdef line_result_t* result
    cdef bill_t bill
    cdef int64_t points = 0
    cdef uint8_t category = 0
    cdef uint16_t code
    if not is_amount(request.amount_minor):
        return CODE_AMOUNT
    if request.channel > CHANNEL_VOUCHER:
        return invalid(reply, CREDIT_CHANNEL_AT)
    if card == NULL or card_type == NULL:
        return CODE_CARD_UNKNOWN
    if account != NULL:
        settle(tables, ask, card_type, account, decision)
    if not (is_opening and card.status == CARD_ISSUED):
        code = may_use(ask, card, card_type, 0, reply)
        if code:
            return code
    if card_type.flags & CARD_TYPE_ONE_TIME and not is_opening:
        return CODE_NOT_RELOADABLE
    if not is_opening:
        if card_type.flags & CARD_TYPE_OUTLETS_LISTED and not is_allowed(
                tables, card_type.code, ALLOWED_LIST_OUTLETS, ask.store_id):
            return CODE_OUTLET_FORBIDDEN
        if card_type.flags & CARD_TYPE_OPERATORS_LISTED and not is_allowed(
                tables, card_type.code, ALLOWED_LIST_OPERATORS, request.operator_id):
            return CODE_OPERATOR_FORBIDDEN
    if has_reference and tables.marks.find(reference[0], reference[1], mark_key) != NULL:
        return CODE_CREDITED_BEFORE
    limits = limits_of(tables, card.card_number)
    if not is_opening:
        code = recharge_limits(ask, card_type, account, limits, request.amount_minor)
        if code:
            return code
    if request.amount_minor > ceiling_of(tables, card, card_type) - account.balance_minor:
        return CODE_OVER_CEILING
    if request.amount_minor > BALANCE_MINOR_MAX - account.balance_minor:
        return CODE_AMOUNT
    if has_reference and not tables.marks.room(1):
        return CODE_TABLE_FULL
    if not is_opening and card_type.functions & FUNCTION_POINTS:
        fill_bill(rules, ask, card_type, account, &bill)
        bill.amount_minor = request.amount_minor
        points = earn_recharge(tables, &bill,
                               account.day_points_hundredths if account.business_date == ask.today else 0,
                               account, &category)
        if points and not has_purse(tables, account, category):
            return CODE_TABLE_FULL
    # From here on it must succeed.
    account.balance_minor += request.amount_minor
    if not is_opening:
        count_today(account, ask.today)
        account.day_recharge_minor += request.amount_minor
        account.day_recharge_count += 1
        if limits != NULL:
            count_card_today(limits, ask.today)
            limits.day_recharge_minor += request.amount_minor
            limits.day_recharge_count += 1
            touch(decision, limits)
    touch(decision, account)
    if points:
        add_points(tables, account, category, points, decision)
        account.day_points_hundredths += points
        result = <line_result_t*>decision.more
        memset(result, 0, sizeof(line_result_t))
        result.points_hundredths, result.points_category = points, category
        decision.more_bytes = sizeof(line_result_t)
    if has_reference:
        mark = <mark_record_t*>tables.marks.make(reference[0], reference[1], mark_key)
        mark.count = 1
        mark.amount_minor, mark.points_hundredths, mark.subject = request.amount_minor, points, card.card_number
        touch(decision, mark)
    reply.amount_minor = request.amount_minor
    reply.points_hundredths = points
    return CODE_APPROVED


cdef uint16_t recharge_limits(const ask_t* ask, const card_type_record_t* card_type, const account_record_t* account,
                              const card_limit_record_t* limits, int64_t amount_minor) noexcept nogil:
    """Rows 7 and 8: recharges of the day, the account's and the card's own."""
    cdef int64_t day_minor = 0, card_day_minor = 0
    cdef uint32_t day_count = 0, card_day_count = 0
    if account.business_date == ask.today:
        day_minor, day_count = account.day_recharge_minor, account.day_recharge_count
    if limits != NULL and limits.business_date == ask.today:
        card_day_minor, card_day_count = limits.day_recharge_minor, limits.day_recharge_count
    if (day_count >= card_type.recharge_count_max or day_count >= RECHARGE_COUNT_FULL
            or (limits != NULL and card_day_count >= limits.recharge_count_max)):
        return CODE_RECHARGE_COUNT
    if amount_minor > card_type.recharge_day_minor_max - day_minor or (
            limits != NULL and amount_minor > limits.recharge_day_minor_max - card_day_minor):
        return CODE_RECHARGE_AMOUNT
    return CODE_APPROVED


# ------------------------------------------------------------------------ hold, capture, release

cdef void hold(Tables tables, const ask_t* ask, const hold_request_t* request, decision_t* decision) noexcept nogil:
    cdef account_record_t* account = NULL
    cdef card_record_t* card = tables.card(request.card_number, &account)
    cdef const card_type_record_t* card_type = type_of(tables, ask, card)
    cdef bint recharged = False
    decision.reply.code = decide_hold(tables, ask, request, card, card_type, account, &recharged, decision)
    if recharged:
        touch(decision, account)
    if account != NULL:
        show_account(&decision.reply, account)


cdef uint16_t decide_hold(Tables tables, const ask_t* ask, const hold_request_t* request, card_record_t* card,
                          const card_type_record_t* card_type, account_record_t* account, bint* recharged,
                          decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef uint32_t longest_s, slot = 0
    cdef card_limit_record_t* limits
    cdef hold_record_t* record
    cdef verdict_t verdict
    cdef uint16_t code
    # The rows of a debit: what is beyond all bounds first, what is too little only of a known card.
    if request.amount_minor > AMOUNT_MINOR_MAX or request.amount_minor < -AMOUNT_MINOR_MAX:
        return CODE_AMOUNT
    if card == NULL or card_type == NULL:
        return card_unknown(tables, ask, request.card_number, False, decision)
    if account != NULL:
        settle(tables, ask, card_type, account, decision)
    if request.amount_minor < 1:
        return CODE_AMOUNT
    code = may_use(ask, card, card_type, FUNCTION_PAY, reply)
    if code:
        return code
    if not store_accepts(tables, ask, card_type):
        return CODE_STORE_FORBIDDEN
    code = judge_medium(tables, ask, card, card_type, request.amount_minor, False, &verdict, decision)
    if code:
        return code
    if verdict.reason:
        code = check_pin_asked(tables, ask, card, card_type, request.pin, &verdict, decision)
    else:
        code = check_pin(card, card_type, request.pin, decision)
    if code:
        return code
    limits = limits_of(tables, card.card_number)
    code = within_limits(ask, card_type, account, limits, request.amount_minor)
    if code:
        return code
    longest_s = card_type.hold_s_max if card_type.hold_s_max else HOLD_S_DEFAULT
    if request.expires_in_s > longest_s:
        return invalid(reply, HOLD_EXPIRES_AT)
    recharged[0] = recharge_automatically(tables, ask, card, card_type, account, request.amount_minor, reply)
    if available(account) < request.amount_minor:
        return CODE_FUNDS
    while slot < HOLDS_PER_ACCOUNT_MAX and account.hold_slots >> slot & 1:
        slot += 1
    if slot == HOLDS_PER_ACCOUNT_MAX:
        return CODE_HOLDS_FULL
    # A hold that expired just now still lies in its slot until this entry is written: it is written over.
    record = <hold_record_t*>tables.holds.find(account.account_number, slot, 0)
    if record == NULL:
        if not tables.holds.room(1):
            return CODE_TABLE_FULL
        record = <hold_record_t*>tables.holds.make(account.account_number, slot, 0)
    # From here on it must succeed.
    record.state = 0
    record.business_date = ask.today
    record.hold_sequence = reply.journal_sequence
    record.card_number = card.card_number
    record.amount_minor, record.captured_minor = request.amount_minor, 0
    record.expires_ms = ask.now_ms + <int64_t>(request.expires_in_s if request.expires_in_s else longest_s) * MS_PER_S
    record.terminal_id = ask.terminal_id
    account.held_minor += request.amount_minor
    account.hold_slots |= <uint32_t>1 << slot
    use_limits(ask, account, limits, request.amount_minor, decision)
    touch(decision, record)
    reply.amount_minor = request.amount_minor
    return CODE_APPROVED


cdef void capture(Tables tables, Rules rules, const ask_t* ask, const capture_request_t* request, sale_t* sale,
                  decision_t* decision) noexcept nogil:
    cdef account_record_t* account = NULL
    cdef card_record_t* card = tables.card(request.card_number, &account)
    cdef const card_type_record_t* card_type = type_of(tables, ask, card)
    decision.reply.code = decide_capture(tables, rules, ask, request, card, card_type, account, sale, decision)
    if account != NULL:
        show_account(&decision.reply, account)


cdef uint16_t decide_capture(Tables tables, Rules rules, const ask_t* ask, const capture_request_t* request,
                             card_record_t* card, const card_type_record_t* card_type, account_record_t* account,
                             sale_t* sale, decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef hold_record_t* record
    if not is_amount(request.amount_minor):
        return CODE_AMOUNT
    if request.keep_rest > 1:
        return invalid(reply, CAPTURE_KEEP_REST_AT)
    if card == NULL or card_type == NULL:
        return CODE_CARD_UNKNOWN
    if account == NULL:
        return CODE_HOLD_UNKNOWN
    settle(tables, ask, card_type, account, decision)
    record = open_hold(tables, account, request.hold_sequence)
    if record == NULL:
        return CODE_HOLD_UNKNOWN
    if record.card_number != card.card_number:
        return CODE_ORIGINAL_MISMATCH
    if request.amount_minor > record.amount_minor:
        return CODE_AMOUNT
    fill_bill(rules, ask, card_type, account, &sale.bill)
    sale.bill.amount_minor = request.amount_minor
    if price_lines(tables, &sale.bill, False, &sale.priced):
        return CODE_AMOUNT
    earn_points(tables, &sale.bill, 0, account.day_points_hundredths if account.business_date == ask.today else 0,
                account, &sale.priced)
    if not has_room_for_points(tables, ask, account, &sale.priced):
        return CODE_TABLE_FULL
    # From here on it must succeed.
    account.balance_minor -= request.amount_minor
    account.held_minor -= request.amount_minor
    record.amount_minor -= request.amount_minor
    record.captured_minor += request.amount_minor
    if request.keep_rest and record.amount_minor:
        touch(decision, record)
    else:
        free_hold(tables, account, record, decision)
    touch(decision, account)
    if sale.priced.points_hundredths:
        count_today(account, ask.today)
        account.day_points_hundredths += sale.priced.points_hundredths
        book_points(tables, ask, account, &sale.priced, decision)
    reply.amount_minor = request.amount_minor
    reply.points_hundredths = sale.priced.points_hundredths
    decision.more_bytes = write_line_results(&sale.bill, &sale.priced, decision.more)
    return CODE_APPROVED


cdef void release(Tables tables, const ask_t* ask, const release_request_t* request,
                  decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef card_record_t* card = tables.card(request.card_number, &account)
    cdef const card_type_record_t* card_type = type_of(tables, ask, card)
    cdef hold_record_t* record
    if card == NULL or card_type == NULL:
        reply.code = CODE_CARD_UNKNOWN
    elif account == NULL:
        reply.code = CODE_HOLD_UNKNOWN
    else:
        settle(tables, ask, card_type, account, decision)
        record = open_hold(tables, account, request.hold_sequence)
        if record == NULL:
            reply.code = CODE_HOLD_UNKNOWN
        elif record.card_number != card.card_number:
            reply.code = CODE_ORIGINAL_MISMATCH
        else:
            reply.amount_minor = record.amount_minor
            free_hold(tables, account, record, decision)
    if account != NULL:
        show_account(reply, account)


# ------------------------------------------------------------------------ transfer

cdef void transfer(Tables tables, const ask_t* ask, const transfer_request_t* request,
                   decision_t* decision) noexcept nogil:
    cdef account_record_t* account = NULL
    cdef card_record_t* card = tables.card(request.card_number, &account)
    decision.reply.code = decide_transfer(tables, ask, request, card, account, decision)
    if account != NULL:
        show_account(&decision.reply, account)


cdef uint16_t decide_transfer(Tables tables, const ask_t* ask, const transfer_request_t* request, card_record_t* card,
                              account_record_t* account, decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* to_account = NULL
    cdef card_record_t* to_card = tables.card(request.to_card_number, &to_account)
    cdef const card_type_record_t* card_type = type_of(tables, ask, card)
    cdef const card_type_record_t* to_type = type_of(tables, ask, to_card)
    cdef uint16_t code
    if not is_amount(request.amount_minor):
        return CODE_AMOUNT
    if card == NULL or card_type == NULL:
        return CODE_CARD_UNKNOWN
    if account != NULL:
        settle(tables, ask, card_type, account, decision)
    code = may_use(ask, card, card_type, FUNCTION_PAY, reply)
    if code:
        return code
    if to_card == NULL or to_type == NULL:
        return CODE_CARD_UNKNOWN
    code = may_use(ask, to_card, to_type, FUNCTION_PAY, reply)
    if code:
        return code
    if to_account == account:
        return CODE_ORIGINAL_MISMATCH
    if to_type.flags & CARD_TYPE_ONE_TIME:
        return CODE_NOT_RELOADABLE
    if available(account) < request.amount_minor:
        return CODE_FUNDS
    if request.amount_minor > ceiling_of(tables, to_card, to_type) - to_account.balance_minor:
        return CODE_OVER_CEILING
    if request.amount_minor > BALANCE_MINOR_MAX - to_account.balance_minor:
        return CODE_AMOUNT
    account.balance_minor -= request.amount_minor
    to_account.balance_minor += request.amount_minor
    touch(decision, account)
    touch(decision, to_account)
    reply.amount_minor = request.amount_minor
    return CODE_APPROVED
