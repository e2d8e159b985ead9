"""Debit and quote: a bill is priced, its tenders are checked, and all of it is taken or nothing.

Sections 5, 6 and 14 of docs/decision.md.  Debit and quote share `plan`, which
is why a debit with the lines of a quote charges exactly what the quote said:
the debit plans on the account itself, the quote on a copy.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from switch._account cimport (
    add_pending, add_points, available, ceiling_of, check_pin, count_card_today, count_today,
    limits_of, may_use, peek, points_settled, settle, store_accepts, visits_of)
from switch._decision cimport ask_t, decision_t, show_account, touch
from switch._evidence cimport card_unknown, check_pin_asked, judge_medium, verdict_t
from switch._layout cimport *
from switch._pricing cimport bill_t, earn_points, price_lines, priced_t, write_line_results
from switch._rules cimport Rules
from switch._shares cimport floor_divide, product
from switch._tables cimport Tables


cdef enum:
    GRAIN_WHOLE = 100                # hundredths of a point


# ------------------------------------------------------------------------ what is asked

cdef inline const bill_line_t* lines_of(const debit_request_t* request) noexcept nogil:
    return <const bill_line_t*>(<const uint8_t*>request + sizeof(debit_request_t))


cdef inline const tender_t* tenders_of(const debit_request_t* request) noexcept nogil:
    return <const tender_t*>(lines_of(request) + request.line_count)


cdef inline const uint8_t* pin_of(const debit_request_t* request) noexcept nogil:
    """The PIN, hashed on its way in, or NULL."""
    return <const uint8_t*>(tenders_of(request) + request.tender_count) if request.flags & DEBIT_PIN else NULL


cdef bint is_bounded(const debit_request_t* request) noexcept nogil:
    """Row 1: amounts that fit the arithmetic."""
    cdef const bill_line_t* lines = lines_of(request)
    cdef int64_t absolute = 0, amount
    cdef uint32_t i
    if request.amount_minor > AMOUNT_MINOR_MAX or request.amount_minor < -AMOUNT_MINOR_MAX:
        return False
    for i in range(request.line_count):
        amount = lines[i].amount_minor
        if amount > AMOUNT_MINOR_MAX or amount < -AMOUNT_MINOR_MAX:
            return False
        absolute += amount if amount > 0 else -amount
    return absolute <= AMOUNT_MINOR_MAX


cdef void fill_bill(Rules rules, const ask_t* ask, const card_type_record_t* card_type,
                    const account_record_t* account, bill_t* bill) noexcept nogil:
    bill.card_type = card_type
    bill.ruleset = rules.in_force(ask.today)
    bill.lines = NULL
    bill.line_count = 0
    bill.amount_minor = 0
    bill.segments = account.segments if account != NULL else 0
    bill.level = account.level if account != NULL and account.level else card_type.level
    bill.store_id, bill.terminal_id = ask.store_id, ask.terminal_id
    bill.date, bill.minute, bill.weekday = ask.today, ask.minute, ask.weekday
    bill.settlement = 0
    bill.is_priced = False


# ------------------------------------------------------------------------ tenders

cdef bint tenders_fit(const ask_t* ask, sale_t* sale) noexcept nogil:
    """Row 8: each tender can be read, and together they pay what is due."""
    cdef const tender_t* tender
    cdef int64_t without_cash = 0, cash = 0, rest
    cdef uint64_t categories = 0
    cdef bint has_card = False, has_cash = False
    cdef uint32_t i, k
    sale.card_minor = sale.points_tender_minor = sale.round_off_minor = sale.change_minor = 0
    if sale.tender_count == 0:
        sale.card_minor = sale.due_minor
        return True
    if sale.due_minor < 0 or sale.tender_count > TENDER_COUNT_MAX:
        return False
    for i in range(sale.tender_count):
        tender = &sale.tenders[i]
        if tender.amount_minor < 0 or tender.amount_minor > AMOUNT_MINOR_MAX:
            return False
        if tender.kind == TENDER_VISITS:
            if not (1 <= tender.purse <= VISIT_SERVICE_MAX and 1 <= tender.count <= VISITS_PER_LOAD_MAX):
                return False
            for k in range(i):
                if sale.tenders[k].kind == TENDER_VISITS and sale.tenders[k].purse == tender.purse:
                    return False
        elif tender.count:
            return False
        elif tender.kind == TENDER_POINTS:
            if tender.purse > POINTS_CATEGORY_MAX or categories >> tender.purse & 1:
                return False
            categories |= <uint64_t>1 << tender.purse
            sale.points_tender_minor += tender.amount_minor
        elif tender.purse:
            return False
        elif tender.kind == TENDER_CARD:
            if has_card:
                return False
            has_card = True
            sale.card_minor = tender.amount_minor
        elif tender.kind == TENDER_CASH:
            if has_cash:
                return False
            has_cash = True
            cash = tender.amount_minor
        elif tender.kind != TENDER_OTHER:
            return False
        if tender.kind != TENDER_CASH:
            without_cash += tender.amount_minor
    rest = sale.due_minor - without_cash
    if not has_cash:
        return rest == 0
    if rest < 0:
        return False
    if ask.round_off_minor:
        sale.round_off_minor = rest % ask.round_off_minor
    sale.change_minor = cash - (rest - sale.round_off_minor)
    return 0 <= sale.change_minor <= <int64_t>0xFFFFFFFF


cdef uint16_t purses_suffice(Tables tables, const ask_t* ask, const account_record_t* account,
                             const sale_t* sale) noexcept nogil:
    """Rows 12 and 13: points and visits that are to pay are there."""
    cdef const tender_t* tender
    cdef const points_category_record_t* category
    cdef const purse_record_t* visits
    cdef int64_t rest
    cdef uint32_t i
    for i in range(sale.tender_count):
        tender = &sale.tenders[i]
        if tender.kind == TENDER_POINTS:
            category = tables.points_category(tender.purse)
            if (category == NULL or not category.flags & CATEGORY_ENABLED or category.tender_rate == 0
                    or tender.amount_minor > floor_divide(product(sale.due_minor, category.tender_cap_bp), 10000,
                                                          &rest)):
                return CODE_POINTS_CAP
            # At most 10^12 minor units at 10^6 hundredths each: 10^18.
            if points_settled(tables, ask, account, tender.purse) < tender.amount_minor * category.tender_rate:
                return CODE_POINTS_FUNDS
    for i in range(sale.tender_count):
        tender = &sale.tenders[i]
        if tender.kind == TENDER_VISITS:
            visits = visits_of(tables, account, tender.purse)
            if (visits == NULL or visits.amount < tender.count
                    or (visits.expiry_date != 0 and ask.today > visits.expiry_date)):
                return CODE_VISITS_FUNDS
    return CODE_APPROVED


# ------------------------------------------------------------------------ limits and automatic recharge

cdef uint16_t within_limits(const ask_t* ask, const card_type_record_t* card_type, const account_record_t* account,
                            const card_limit_record_t* limits, int64_t amount_minor) noexcept nogil:
    cdef int64_t day_minor = 0, card_day_minor = 0
    cdef uint32_t day_count = 0, card_day_count = 0
    if account.business_date == ask.today:
        day_minor, day_count = account.day_debit_minor, account.day_debit_count
    if limits != NULL and limits.business_date == ask.today:
        card_day_minor, card_day_count = limits.day_debit_minor, limits.day_debit_count
    if amount_minor > card_type.single_minor_max or (limits != NULL and amount_minor > limits.single_minor_max):
        return CODE_SINGLE_AMOUNT
    # "No limit" is the largest count there is: it stops a counter from running over, after 4,294,967,295 debits.
    if day_count >= card_type.daily_count_max or (limits != NULL and card_day_count >= limits.daily_count_max):
        return CODE_DAILY_COUNT
    if amount_minor > card_type.daily_minor_max - day_minor or (
            limits != NULL and amount_minor > limits.daily_minor_max - card_day_minor):
        return CODE_DAILY_AMOUNT
    return CODE_APPROVED


cdef bint recharge_automatically(Tables tables, const ask_t* ask, const card_record_t* card,
                                 const card_type_record_t* card_type, account_record_t* account, int64_t amount_minor,
                                 reply_t* reply) noexcept nogil:
    cdef int64_t most
    cdef uint32_t day_auto
    cdef bint is_added = False
    if card_type.auto_mode != AUTO_THRESHOLD and card_type.auto_mode != AUTO_SHORTFALL:
        return False
    most = ceiling_of(tables, card, card_type)
    if most > BALANCE_MINOR_MAX:
        most = BALANCE_MINOR_MAX
    while available(account) < (card_type.auto_below_minor if card_type.auto_mode == AUTO_THRESHOLD else amount_minor):
        day_auto = account.day_auto_count if account.business_date == ask.today else 0
        if day_auto >= card_type.auto_count_max or card_type.auto_add_minor > most - account.balance_minor:
            break
        count_today(account, ask.today)
        account.balance_minor += card_type.auto_add_minor
        account.day_auto_count += 1
        reply.recharged_minor += card_type.auto_add_minor
        is_added = True
        if card_type.auto_mode == AUTO_THRESHOLD:
            break
    return is_added


cdef void use_limits(const ask_t* ask, account_record_t* account, card_limit_record_t* limits, int64_t amount_minor,
                     decision_t* decision) noexcept nogil:
    count_today(account, ask.today)
    account.day_debit_minor += amount_minor
    account.day_debit_count += 1
    touch(decision, account)
    if limits != NULL:
        count_card_today(limits, ask.today)
        limits.day_debit_minor += amount_minor
        limits.day_debit_count += 1
        touch(decision, limits)


# ------------------------------------------------------------------------ points

cdef bint has_room_for_points(Tables tables, const ask_t* ask, const account_record_t* account,
                              priced_t* priced) noexcept nogil:
    """Whether purses and pending records for all lines can be made; a line too many for pending is booked at once."""
    cdef uint64_t purses = 0
    cdef uint32_t dates[64]          # by category: bit n, a new pending record n days from now
    cdef uint32_t i, category, days, purses_needed = 0, pending_needed = 0
    cdef bint any_points = False
    for i in range(priced.line_count):
        if priced.lines[i].points_hundredths and (priced.lines[i].points_category or priced.lines[i].booking_days):
            any_points = True
    if not any_points:
        return True
    for i in range(64):
        dates[i] = 0
    for i in range(priced.line_count):
        category, days = priced.lines[i].points_category, priced.lines[i].booking_days
        if priced.lines[i].points_hundredths == 0:
            continue
        if (days and not dates[category] >> days & 1
                and tables.pending.find(account.account_number, category, ask.today + days) == NULL):
            if account.pending_count + pending_needed >= PENDING_PER_ACCOUNT_MAX:
                priced.lines[i].booking_days = days = 0
            else:
                dates[category] |= <uint32_t>1 << days
                pending_needed += 1
        if days == 0 and category and not purses >> category & 1:
            purses |= <uint64_t>1 << category
            purses_needed += tables.purses.find(account.account_number, <uint64_t>1 << 32 | category, 0) == NULL
    return tables.purses.room(purses_needed) and tables.pending.room(pending_needed)


cdef void book_points(Tables tables, const ask_t* ask, account_record_t* account, const priced_t* priced,
                      decision_t* decision) noexcept nogil:
    cdef uint32_t i
    for i in range(priced.line_count):
        if priced.lines[i].points_hundredths == 0:
            continue
        if priced.lines[i].booking_days:
            add_pending(tables, account, priced.lines[i].points_category, ask.today + priced.lines[i].booking_days,
                        priced.lines[i].points_hundredths, decision)
        else:
            add_points(tables, account, priced.lines[i].points_category, priced.lines[i].points_hundredths, decision)


cdef void scale_points(const card_type_record_t* card_type, sale_t* sale) noexcept nogil:
    """A part of the bill was paid: each line keeps that part of its points, rounded down to the grain."""
    cdef int64_t grain = 1 if card_type.flags & CARD_TYPE_FINE_POINTS else GRAIN_WHOLE
    cdef int64_t scaled, rest
    cdef uint32_t i
    sale.priced.points_hundredths = 0
    for i in range(sale.priced.line_count):
        scaled = floor_divide(product(sale.priced.lines[i].points_hundredths, sale.card_minor),
                              sale.due_minor * grain, &rest)
        sale.priced.lines[i].points_hundredths = scaled * grain
        sale.priced.points_hundredths += scaled * grain
    if sale.priced.points_hundredths < 0:
        for i in range(sale.priced.line_count):
            sale.priced.lines[i].points_hundredths = 0
        sale.priced.points_hundredths = 0


# ------------------------------------------------------------------------ the plan

cdef uint16_t plan(Tables tables, Rules rules, const ask_t* ask, const debit_request_t* request, card_record_t* card,
                   const card_type_record_t* card_type, account_record_t* account, const card_limit_record_t* limits,
                   bint is_quote, sale_t* sale, bint* recharged, decision_t* decision) noexcept nogil:
    """Rows 3 to 14: what would be taken. Changes only by automatic recharges, PIN tries, and the card's medium."""
    cdef reply_t* reply = &decision.reply
    cdef bill_t* bill = &sale.bill
    cdef verdict_t verdict
    cdef uint16_t code
    fill_bill(rules, ask, card_type, account, bill)
    bill.lines, bill.line_count, bill.amount_minor = lines_of(request), request.line_count, request.amount_minor
    bill.settlement = request.settlement
    bill.is_priced = request.flags & DEBIT_PRICED != 0
    if bill.is_priced and request.line_count == 0:
        return CODE_AMOUNT
    code = price_lines(tables, bill, True, &sale.priced)
    if code:
        return code
    sale.due_minor = sale.priced.bill_minor - sale.priced.discount_minor
    if sale.due_minor < 0 and card_type.flags & CARD_TYPE_ZERO_AMOUNT:
        sale.due_minor = 0
    reply.due_minor, reply.discount_minor = sale.due_minor, sale.priced.discount_minor
    if sale.due_minor < 0 or (sale.due_minor == 0 and not card_type.flags & CARD_TYPE_ZERO_AMOUNT):
        return CODE_AMOUNT
    if bill.is_priced and request.amount_minor and request.amount_minor != sale.due_minor:
        return CODE_PRICE_CHANGED
    code = may_use(ask, card, card_type, FUNCTION_PAY, reply)
    if code:
        return code
    if not store_accepts(tables, ask, card_type):
        return CODE_STORE_FORBIDDEN
    code = judge_medium(tables, ask, card, card_type, sale.due_minor, is_quote, &verdict, decision)
    if code:
        return code
    if verdict.reason:
        code = check_pin_asked(tables, ask, card, card_type, pin_of(request), &verdict, decision)
    elif not is_quote and (card_type.flags & CARD_TYPE_PIN_REQUIRED or request.flags & DEBIT_PIN):
        code = check_pin(card, card_type, pin_of(request), decision)
    if code:
        return code
    if sale.priced.is_forbidden:
        reply.detail = sale.priced.forbidden_line
        return CODE_PRODUCT_FORBIDDEN
    sale.tenders, sale.tender_count = tenders_of(request), request.tender_count
    if not tenders_fit(ask, sale):
        return CODE_TENDER_MISMATCH
    code = within_limits(ask, card_type, account, limits, sale.card_minor)
    if code == 0 and sale.tender_count:
        code = purses_suffice(tables, ask, account, sale)
    if code:
        return code
    recharged[0] = recharge_automatically(tables, ask, card, card_type, account, sale.card_minor, reply)
    sale.is_partial = False
    if available(account) < sale.card_minor:
        if not request.flags & DEBIT_PARTIAL or available(account) <= 0 or not only_card(sale):
            return CODE_FUNDS
        sale.is_partial = True
    earn_points(tables, bill, sale.round_off_minor + sale.points_tender_minor,
                account.day_points_hundredths if account.business_date == ask.today else 0, account, &sale.priced)
    if sale.is_partial:
        sale.card_minor = available(account)
        scale_points(card_type, sale)
    return CODE_APPROVED


cdef inline bint only_card(const sale_t* sale) noexcept nogil:
    cdef uint32_t i
    for i in range(sale.tender_count):
        if sale.tenders[i].kind != TENDER_CARD:
            return False
    return True


cdef void write_tender_results(Tables tables, const sale_t* sale, decision_t* decision) noexcept nogil:
    """What each POINTS tender takes: a reversal must give back just that, whatever the rate is then."""
    cdef line_result_t* result
    cdef uint32_t i
    for i in range(sale.tender_count):
        if sale.tenders[i].kind == TENDER_POINTS:
            result = <line_result_t*>(decision.more + decision.more_bytes)
            memset(result, 0, sizeof(line_result_t))
            result.points_category = <uint8_t>sale.tenders[i].purse
            result.points_hundredths = -sale.tenders[i].amount_minor * tables.points_category(
                sale.tenders[i].purse).tender_rate
            decision.more_bytes += <uint32_t>sizeof(line_result_t)


cdef void tell(Tables tables, const debit_request_t* request, const sale_t* sale, decision_t* decision) noexcept nogil:
    """What an approved debit and a quote say alike."""
    cdef reply_t* reply = &decision.reply
    reply.code = CODE_PARTIAL if sale.is_partial else CODE_APPROVED
    reply.amount_minor = sale.card_minor
    reply.points_hundredths = sale.priced.points_hundredths
    reply.round_off_minor = <uint32_t>sale.round_off_minor
    reply.change_minor = <uint32_t>sale.change_minor
    decision.more_bytes = write_line_results(&sale.bill, &sale.priced, decision.more)
    write_tender_results(tables, sale, decision)


cdef void debit(Tables tables, Rules rules, const ask_t* ask, const debit_request_t* request, sale_t* sale,
                decision_t* decision) noexcept nogil:
    """Section 6."""
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef card_record_t* card = tables.card(request.card_number, &account)
    cdef const card_type_record_t* card_type = NULL
    cdef card_limit_record_t* limits = NULL
    cdef bint recharged = False
    if card != NULL:
        card_type = tables.card_type(card.card_type, ask.today)
        decision.issuing_organisation_id = card.issuing_organisation_id
    if not is_bounded(request):
        reply.code = CODE_AMOUNT
    elif card == NULL or card_type == NULL:
        reply.code = card_unknown(tables, ask, request.card_number, False, decision)
    if reply.code:
        if account != NULL:
            show_account(reply, account)
        return
    if account != NULL:
        settle(tables, ask, card_type, account, decision)
    limits = limits_of(tables, card.card_number)
    reply.code = plan(tables, rules, ask, request, card, card_type, account, limits, False, sale, &recharged, decision)
    if reply.code == 0 and not has_room_for_points(tables, ask, account, &sale.priced):
        reply.code = CODE_TABLE_FULL
    if recharged:
        touch(decision, account)
    if reply.code:
        if account != NULL:
            show_account(reply, account)
        return
    # From here on it must succeed.
    account.balance_minor -= sale.card_minor
    use_limits(ask, account, limits, sale.card_minor, decision)
    account.day_points_hundredths += sale.priced.points_hundredths
    take_tenders(tables, account, sale, decision)
    book_points(tables, ask, account, &sale.priced, decision)
    tell(tables, request, sale, decision)
    show_account(reply, account)


cdef void take_tenders(Tables tables, account_record_t* account, const sale_t* sale,
                       decision_t* decision) noexcept nogil:
    cdef const tender_t* tender
    cdef purse_record_t* visits
    cdef uint32_t i
    for i in range(sale.tender_count):
        tender = &sale.tenders[i]
        if tender.kind == TENDER_POINTS and tender.amount_minor:
            add_points(tables, account, tender.purse,
                       -tender.amount_minor * tables.points_category(tender.purse).tender_rate, decision)
        elif tender.kind == TENDER_VISITS:
            visits = visits_of(tables, account, tender.purse)
            visits.amount -= tender.count
            touch(decision, visits)


cdef void quote(Tables tables, Rules rules, const ask_t* ask, const debit_request_t* request, sale_t* sale,
                decision_t* decision) noexcept nogil:
    """Section 14: what the debit would say, on copies of what it would change."""
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef account_record_t account_copy
    cdef card_record_t* card = tables.card(request.card_number, &account)
    cdef card_record_t card_copy
    cdef const card_type_record_t* card_type = NULL
    cdef const card_limit_record_t* limits = NULL
    cdef card_limit_record_t limits_copy
    cdef bint recharged = False
    if card != NULL:
        card_type = tables.card_type(card.card_type, ask.today)
        limits = limits_of(tables, card.card_number)
    if not is_bounded(request):
        reply.code = CODE_AMOUNT
    elif card == NULL or card_type == NULL:
        reply.code = card_unknown(tables, ask, request.card_number, True, decision)
    if account != NULL:
        account_copy = account[0]
        reply.journal_sequence = account.last_sequence
    if reply.code == 0:
        card_copy = card[0]
        if limits != NULL:
            limits_copy = limits[0]
        if account != NULL:
            reply.recharged_minor += peek(tables, ask, card_type, &account_copy,
                                          &limits_copy if limits != NULL else NULL)
        reply.code = plan(tables, rules, ask, request, &card_copy, card_type,
                          &account_copy if account != NULL else NULL, &limits_copy if limits != NULL else NULL,
                          True, sale, &recharged, decision)
        if reply.code == 0:
            tell(tables, request, sale, decision)
    if account != NULL:
        show_account(reply, &account_copy)
        reply.points_balance_hundredths = points_settled(tables, ask, account, 0)
