"""Points and visits by message: converted, redeemed, adjusted, moved, credited late (docs/decision.md, 11 and 12).

Everything is checked before anything is changed, but for settling, which
stays even when the request is declined.  Fields are checked before the card
is looked up, so a message with a wrong field settles nothing; it still shows
the account of a card that is known.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from switch._account cimport (
    PURSE_POINTS, PURSE_VISITS, add_points, category_enabled, category_exists, ceiling_of, count_today, has_purse,
    may_use, points_in, settle, visits_of)
from switch._bill cimport bill_t, priced_t
from switch._decision cimport ask_t, decision_t, invalid, show_account, touch
from switch._earning cimport earn_points
from switch._evidence cimport card_unknown, judge_without_pin
from switch._layout cimport *
from switch._pricing cimport price_lines, write_line_results
from switch._rules cimport Rules
from switch._tables cimport Tables

cdef enum:
    ADJUST_CHANNEL = 255             # where adjustments keep their references: no recharge channel has this number
    ENDED_STATUSES = (1 << CARD_REPLACED | 1 << CARD_RETURNED | 1 << CARD_VOID | 1 << CARD_CORRECTED
                      | 1 << CARD_CLEARED | 1 << CARD_RELEASED)
    MINUTES_PER_DAY = 1440
    EPOCH_WEEKDAY = 4                # 1970-01-01 was a Thursday


cdef struct holder_t:
    card_record_t* card              # NULL: no card has the number
    account_record_t* account        # NULL: the card has none yet
    const card_type_record_t* card_type      # version in force today; NULL: none


# ------------------------------------------------------------------------ what they share

cdef void find_holder(Tables tables, const ask_t* ask, uint64_t card_number, holder_t* holder) noexcept nogil:
    holder.card = tables.card(card_number, &holder.account)
    holder.card_type = NULL if holder.card == NULL else tables.card_type(holder.card.card_type, ask.today)


cdef uint16_t open_holder(Tables tables, const ask_t* ask, const holder_t* holder, uint32_t function,
                          decision_t* decision) noexcept nogil:
    """Section 4, rows 1 to 5, of the card that the request names; settles its account after row 1."""
    cdef uint16_t code
    if holder.card == NULL or holder.card_type == NULL:
        return CODE_CARD_UNKNOWN
    if holder.account != NULL:
        settle(tables, ask, holder.card_type, holder.account, decision)
    code = may_use(ask, holder.card, holder.card_type, function, &decision.reply)
    if code != CODE_APPROVED:
        return code
    # A card that may be used was issued, and so has an account.
    return CODE_APPROVED if holder.account != NULL else CODE_CARD_UNKNOWN


cdef uint16_t open_proven_holder(Tables tables, const ask_t* ask, uint64_t card_number, const holder_t* holder,
                                 int64_t amount_minor, decision_t* decision) noexcept nogil:
    """The same for who spends points: row 6b is asked too, for an amount of money that comes of it."""
    cdef uint16_t code
    if holder.card == NULL or holder.card_type == NULL:
        return card_unknown(tables, ask, card_number, False, decision)
    code = open_holder(tables, ask, holder, FUNCTION_POINTS, decision)
    if code != CODE_APPROVED:
        return code
    return judge_without_pin(tables, ask, holder.card, holder.card_type, amount_minor, decision)


cdef inline uint16_t shown(const holder_t* holder, decision_t* decision, uint16_t code) noexcept nogil:
    if holder.account != NULL:
        show_account(&decision.reply, holder.account)
    return code


cdef inline uint64_t mark_key(uint64_t kind, uint64_t detail) noexcept nogil:
    return kind << 56 | detail


cdef inline mark_record_t* find_mark(Tables tables, uint64_t a, uint64_t b, uint64_t c) noexcept nogil:
    return <mark_record_t*>tables.marks.find(a, b, c)


cdef void mark_once(Tables tables, uint64_t a, uint64_t b, uint64_t c, uint64_t card_number, int64_t points_hundredths,
                    decision_t* decision) noexcept nogil:
    """A new mark; room for it was checked before."""
    cdef mark_record_t* mark = <mark_record_t*>tables.marks.make(a, b, c)
    mark.count = 1
    mark.points_hundredths = points_hundredths
    mark.subject = card_number
    touch(decision, mark)


# ------------------------------------------------------------------------ convert

cdef uint16_t convert(Tables tables, Rules rules, const ask_t* ask, const convert_request_t* request,
                      decision_t* decision) noexcept nogil:
    """Points of a category become value at its rate."""
    cdef holder_t holder
    find_holder(tables, ask, request.card_number, &holder)
    return shown(&holder, decision, decide_convert(tables, ask, request, &holder, decision))


cdef uint16_t decide_convert(Tables tables, const ask_t* ask, const convert_request_t* request, const holder_t* holder,
                             decision_t* decision) noexcept nogil:
    cdef account_record_t* account = holder.account
    cdef const points_category_record_t* category
    cdef int64_t points, amount = request.amount_minor
    cdef uint16_t code
    if amount < 1 or amount > AMOUNT_MINOR_MAX:
        return CODE_AMOUNT
    code = open_proven_holder(tables, ask, request.card_number, holder, amount, decision)
    if code != CODE_APPROVED:
        return code
    # Category 0 without a record is enabled, but has no rate.
    category = tables.points_category(request.category)
    if category == NULL or not category_enabled(tables, request.category) or category.convert_rate == 0:
        return CODE_CATEGORY_UNKNOWN
    if holder.card_type.flags & CARD_TYPE_ONE_TIME:
        return CODE_NOT_RELOADABLE
    if amount % category.convert_lot_minor != 0:
        return CODE_AMOUNT
    points = amount * <int64_t>category.convert_rate
    if points_in(tables, account, request.category) < points:
        return CODE_POINTS_FUNDS
    if account.balance_minor + amount > ceiling_of(tables, holder.card, holder.card_type):
        return CODE_OVER_CEILING
    if account.balance_minor + amount > BALANCE_MINOR_MAX:
        return CODE_AMOUNT
    add_points(tables, account, request.category, -points, decision)
    account.balance_minor += amount
    touch(decision, account)
    decision.reply.amount_minor = amount
    decision.reply.points_hundredths = -points
    return CODE_APPROVED


# ------------------------------------------------------------------------ redeem

cdef uint16_t redeem(Tables tables, Rules rules, const ask_t* ask, const redeem_request_t* request,
                     decision_t* decision) noexcept nogil:
    """Points of a category are used: for pieces of a gift, or for something that the switch has no price for."""
    cdef holder_t holder
    find_holder(tables, ask, request.card_number, &holder)
    return shown(&holder, decision, decide_redeem(tables, ask, request, &holder, decision))


cdef uint16_t decide_redeem(Tables tables, const ask_t* ask, const redeem_request_t* request, const holder_t* holder,
                            decision_t* decision) noexcept nogil:
    cdef account_record_t* account = holder.account
    cdef gift_record_t* gift = NULL
    cdef mark_record_t* mark = NULL
    cdef uint64_t price
    cdef int64_t points
    cdef uint16_t code
    if request.gift_id == 0:
        if request.pieces != 0:
            return invalid(&decision.reply, 36)
        if request.points_hundredths <= 0:
            return invalid(&decision.reply, 24)
    elif request.pieces < 1 or request.pieces > GIFT_PIECES_MAX:
        return invalid(&decision.reply, 36)
    code = open_proven_holder(tables, ask, request.card_number, holder, 0, decision)
    if code != CODE_APPROVED:
        return code
    if request.gift_id != 0:
        gift = tables.gift(request.gift_id)
        if gift == NULL or ask.today < gift.from_date or (gift.until_date != 0 and ask.today > gift.until_date):
            return CODE_GIFT_UNKNOWN
        if request.category != gift.category:
            return invalid(&decision.reply, 38)
    if not category_enabled(tables, request.category):
        return CODE_CATEGORY_UNKNOWN
    price = <uint64_t>request.points_hundredths
    if gift != NULL:
        price = <uint64_t>gift.price_hundredths * request.pieces     # at most 10^19: 64 bits, but not 63
        if request.points_hundredths != 0 and <uint64_t>request.points_hundredths != price:
            return invalid(&decision.reply, 24)
        if (account.level or holder.card_type.level) < gift.level_min:
            return CODE_GIFT_CONDITION
        if gift.account_max != NO_COUNT_LIMIT:
            mark = find_mark(tables, account.account_number, gift.gift_id, mark_key(MARK_GIFT, 0))
            if (0 if mark == NULL else <uint64_t>mark.count) + request.pieces > gift.account_max:
                return CODE_GIFT_CONDITION
        if gift.stock != NO_COUNT_LIMIT and gift.stock < request.pieces:
            return CODE_GIFT_STOCK
    points = points_in(tables, account, request.category)
    if points < 0 or <uint64_t>points < price:
        return CODE_POINTS_FUNDS
    if gift == NULL:
        add_points(tables, account, request.category, -<int64_t>price, decision)
        decision.reply.points_hundredths = -<int64_t>price
        return CODE_APPROVED
    if gift.account_max != NO_COUNT_LIMIT and mark == NULL and not tables.marks.room(1):
        return CODE_TABLE_FULL
    if gift.flags & 1 and price > 0:
        add_points(tables, account, request.category, -<int64_t>price, decision)
        decision.reply.points_hundredths = -<int64_t>price
    if gift.stock != NO_COUNT_LIMIT:
        gift.stock -= request.pieces
        touch(decision, gift)
    if gift.account_max != NO_COUNT_LIMIT:
        if mark == NULL:
            mark = <mark_record_t*>tables.marks.make(account.account_number, gift.gift_id, mark_key(MARK_GIFT, 0))
        mark.count += request.pieces
        touch(decision, mark)
    return CODE_APPROVED


cdef uint16_t undo_redeem(Tables tables, const ask_t* ask, const redeem_request_t* original, const reply_t* answer,
                          account_record_t* account, decision_t* decision) noexcept nogil:
    """Points, pieces and stock come back, as far as they are counted still; a purse is not lifted above its bound."""
    cdef int64_t points = -answer.points_hundredths, held = points_in(tables, account, original.category)
    cdef gift_record_t* gift
    cdef mark_record_t* mark
    if points > POINTS_HUNDREDTHS_MAX - held:
        points = POINTS_HUNDREDTHS_MAX - held if held < POINTS_HUNDREDTHS_MAX else 0
    if points > 0 and not has_purse(tables, account, original.category):
        return CODE_TABLE_FULL
    if points > 0:
        add_points(tables, account, original.category, points, decision)
        decision.reply.points_hundredths = points
    if original.gift_id == 0:
        return CODE_APPROVED
    gift = tables.gift(original.gift_id)
    if gift != NULL and gift.stock != NO_COUNT_LIMIT:
        # One below "not counted" is the most that can be counted.
        gift.stock = <uint32_t>min(<uint64_t>gift.stock + original.pieces, <uint64_t>NO_COUNT_LIMIT - 1)
        touch(decision, gift)
    mark = find_mark(tables, account.account_number, original.gift_id, mark_key(MARK_GIFT, 0))
    # The gift may have had no limit when the pieces were taken: then they are not among those counted.
    if mark != NULL and mark.count >= original.pieces:
        mark.count -= original.pieces
        touch(decision, mark)
    return CODE_APPROVED


# ------------------------------------------------------------------------ visits

cdef uint16_t load_visits(Tables tables, Rules rules, const ask_t* ask, const load_visits_request_t* request,
                          decision_t* decision) noexcept nogil:
    """Counted visits of a service are put on a card."""
    cdef holder_t holder
    find_holder(tables, ask, request.card_number, &holder)
    return shown(&holder, decision, decide_load_visits(tables, ask, request, &holder, decision))


cdef uint16_t decide_load_visits(Tables tables, const ask_t* ask, const load_visits_request_t* request,
                                 const holder_t* holder, decision_t* decision) noexcept nogil:
    cdef purse_record_t* purse
    cdef uint16_t code
    if request.service < 1 or request.service > VISIT_SERVICE_MAX:
        return invalid(&decision.reply, 32)
    if request.count < 1 or request.count > VISITS_PER_LOAD_MAX:
        return invalid(&decision.reply, 36)
    if request.received_minor < 0:
        return invalid(&decision.reply, 24)
    code = open_holder(tables, ask, holder, FUNCTION_VISITS, decision)
    if code != CODE_APPROVED:
        return code
    purse = visits_of(tables, holder.account, request.service)
    if purse == NULL and not tables.purses.room(1):
        return CODE_TABLE_FULL
    if purse != NULL and purse.amount + request.count > VISITS_MAX:
        return CODE_AMOUNT
    if purse == NULL:
        purse = <purse_record_t*>tables.purses.make(
            holder.account.account_number, <uint64_t>PURSE_VISITS << 32 | request.service, 0)
    purse.amount += request.count
    purse.expiry_date = request.expiry_date
    touch(decision, purse)
    return CODE_APPROVED


cdef uint16_t undo_load_visits(Tables tables, const ask_t* ask, const load_visits_request_t* original,
                               const reply_t* answer, account_record_t* account, decision_t* decision) noexcept nogil:
    """The visits are taken off again, if they are all there still."""
    cdef purse_record_t* purse = visits_of(tables, account, original.service)
    if purse == NULL or purse.amount < original.count:
        return CODE_VISITS_FUNDS
    purse.amount -= original.count
    touch(decision, purse)
    return CODE_APPROVED


# ------------------------------------------------------------------------ points by hand

cdef uint16_t adjust_points(Tables tables, Rules rules, const ask_t* ask, const adjust_points_request_t* request,
                            decision_t* decision) noexcept nogil:
    """An operator, or a custom rule, adds or takes points."""
    cdef holder_t holder
    find_holder(tables, ask, request.card_number, &holder)
    return shown(&holder, decision, decide_adjust(tables, ask, request, &holder, decision))


cdef uint16_t decide_adjust(Tables tables, const ask_t* ask, const adjust_points_request_t* request,
                            const holder_t* holder, decision_t* decision) noexcept nogil:
    cdef account_record_t* account = holder.account
    cdef int64_t points = request.points_hundredths, held
    cdef uint64_t sequence_before
    cdef uint64_t reference[2]
    cdef uint64_t channel = mark_key(MARK_REFERENCE, ADJUST_CHANNEL)
    cdef bint has_reference
    if request.void_all > 1:
        return invalid(&decision.reply, 34)
    if (points == 0) != (request.void_all == 1):
        return invalid(&decision.reply, 24)
    if points > BILL_POINTS_HUNDREDTHS_MAX or points < -BILL_POINTS_HUNDREDTHS_MAX:
        return invalid(&decision.reply, 24)
    if account == NULL or holder.card_type == NULL:
        return CODE_CARD_UNKNOWN
    sequence_before = account.last_sequence
    settle(tables, ask, holder.card_type, account, decision)
    if ENDED_STATUSES >> holder.card.status & 1:
        decision.reply.detail = holder.card.status
        return CODE_CARD_STATUS
    if not category_exists(tables, request.category):
        return CODE_CATEGORY_UNKNOWN
    if request.if_sequence != 0 and request.if_sequence != sequence_before:
        return CODE_CHANGED_SINCE
    memcpy(reference, request.reference, sizeof(reference))
    has_reference = reference[0] != 0 or reference[1] != 0
    if has_reference and find_mark(tables, reference[0], reference[1], channel) != NULL:
        return CODE_CREDITED_BEFORE
    held = points_in(tables, account, request.category)
    if request.void_all:
        points = -held if held > 0 else 0
    if held + points > POINTS_HUNDREDTHS_MAX or held + points < -POINTS_HUNDREDTHS_MAX:
        return CODE_AMOUNT
    if points != 0 and not has_purse(tables, account, request.category):
        return CODE_TABLE_FULL
    if has_reference and not tables.marks.room(1):
        return CODE_TABLE_FULL
    if points != 0:
        add_points(tables, account, request.category, points, decision)
    if has_reference:
        mark_once(tables, reference[0], reference[1], channel, request.card_number, points, decision)
    decision.reply.points_hundredths = points
    return CODE_APPROVED


cdef uint16_t transfer_points(Tables tables, Rules rules, const ask_t* ask, const transfer_points_request_t* request,
                              decision_t* decision) noexcept nogil:
    """Points of a category move from one account to another; the reply shows the giver's."""
    cdef holder_t giver, getter
    find_holder(tables, ask, request.card_number, &giver)
    find_holder(tables, ask, request.to_card_number, &getter)
    return shown(&giver, decision, decide_transfer_points(tables, ask, request, &giver, &getter, decision))


cdef uint16_t decide_transfer_points(Tables tables, const ask_t* ask, const transfer_points_request_t* request,
                                     const holder_t* giver, const holder_t* getter,
                                     decision_t* decision) noexcept nogil:
    cdef int64_t points = request.points_hundredths
    cdef uint16_t code
    if points < 1 or points > BILL_POINTS_HUNDREDTHS_MAX:
        return CODE_AMOUNT
    code = open_holder(tables, ask, giver, FUNCTION_POINTS, decision)
    if code != CODE_APPROVED:
        return code
    # The getter's account is not settled: a message settles the account of the card at its offset 16 only.
    if getter.card == NULL or getter.card_type == NULL:
        return CODE_CARD_UNKNOWN
    code = may_use(ask, getter.card, getter.card_type, FUNCTION_POINTS, &decision.reply)
    if code != CODE_APPROVED:
        return code
    if getter.account == NULL:
        return CODE_CARD_UNKNOWN
    if getter.account == giver.account:
        return CODE_ORIGINAL_MISMATCH
    if not category_enabled(tables, request.category):
        return CODE_CATEGORY_UNKNOWN
    if points_in(tables, giver.account, request.category) < points:
        return CODE_POINTS_FUNDS
    if points_in(tables, getter.account, request.category) > POINTS_HUNDREDTHS_MAX - points:
        return CODE_AMOUNT
    if not has_purse(tables, getter.account, request.category):
        return CODE_TABLE_FULL
    add_points(tables, giver.account, request.category, -points, decision)
    add_points(tables, getter.account, request.category, points, decision)
    decision.reply.points_hundredths = -points
    return CODE_APPROVED


# ------------------------------------------------------------------------ points of a sale that missed them

cdef uint16_t backfill(Tables tables, Rules rules, const ask_t* ask, const backfill_request_t* request,
                       decision_t* decision) noexcept nogil:
    """Points for a sale of the last quarter that missed them: once per receipt, by the rules of its date."""
    cdef holder_t holder
    find_holder(tables, ask, request.card_number, &holder)
    return shown(&holder, decision, decide_backfill(tables, rules, ask, request, &holder, decision))


cdef uint16_t check_sale(const ask_t* ask, const backfill_request_t* request, reply_t* reply) noexcept nogil:
    """What a sale must be, whoever it is credited to."""
    cdef const bill_line_t* lines = <const bill_line_t*>(request + 1)
    cdef int64_t left = AMOUNT_MINOR_MAX, amount
    cdef uint32_t i
    if request.sale_date > ask.today or ask.today - request.sale_date > BACKFILL_DAYS_MAX:
        return CODE_RECEIPT_TOO_OLD
    if request.sale_minute >= MINUTES_PER_DAY:
        return invalid(reply, 48)
    if request.settlement > SETTLEMENT_MIXED:
        return invalid(reply, 50)
    if request.amount_minor < 1 or request.amount_minor > AMOUNT_MINOR_MAX:
        return CODE_AMOUNT
    for i in range(request.line_count):
        amount = lines[i].amount_minor
        if amount > left or amount < -left:
            return CODE_AMOUNT
        left -= amount if amount > 0 else -amount
    return CODE_APPROVED


cdef uint16_t decide_backfill(Tables tables, Rules rules, const ask_t* ask, const backfill_request_t* request,
                              const holder_t* holder, decision_t* decision) noexcept nogil:
    cdef account_record_t* account = holder.account
    cdef const card_type_record_t* type_then
    cdef card_type_record_t card_type
    cdef bill_t bill
    cdef priced_t priced
    cdef int64_t points[POINTS_CATEGORY_MAX + 1]
    cdef uint64_t receipt_key = mark_key(MARK_RECEIPT, request.sale_date)
    cdef uint32_t i, purses_needed = 0
    cdef uint16_t code = check_sale(ask, request, &decision.reply)
    if code == CODE_APPROVED:
        code = open_holder(tables, ask, holder, FUNCTION_POINTS, decision)
    if code != CODE_APPROVED:
        return code
    type_then = tables.card_type(holder.card.card_type, request.sale_date)
    if type_then == NULL:
        return CODE_CARD_UNKNOWN                 # nobody had such a card then
    if tables.store(request.store_id) == NULL:
        return CODE_STORE_UNKNOWN
    if find_mark(tables, request.store_id, request.receipt, receipt_key) != NULL:
        return CODE_RECEIPT_CREDITED

    memcpy(&card_type, type_then, sizeof(card_type_record_t))
    card_type.daily_points_max_hundredths = holder.card_type.daily_points_max_hundredths     # the cap is today's
    bill.card_type = &card_type
    bill.ruleset = rules.in_force(request.sale_date)
    bill.lines = <const bill_line_t*>(request + 1)
    bill.line_count = request.line_count
    bill.amount_minor = request.amount_minor
    bill.segments = account.segments
    bill.store_id = request.store_id
    bill.terminal_id = 0
    bill.date = request.sale_date
    bill.minute = request.sale_minute
    bill.weekday = weekday_of(request.sale_date)
    bill.level = account.level or card_type.level
    bill.settlement = request.settlement
    bill.is_priced = False
    code = price_lines(tables, &bill, False, &priced)
    if code != CODE_APPROVED:
        return code
    earn_points(tables, &bill, 0, account.day_points_hundredths if account.business_date == ask.today else 0, account,
                &priced)

    for i in range(POINTS_CATEGORY_MAX + 1):
        points[i] = 0
    for i in range(priced.line_count):
        points[priced.lines[i].points_category] += priced.lines[i].points_hundredths
        priced.lines[i].booking_days = 0         # booked at once, and the line results say so
    for i in range(POINTS_CATEGORY_MAX + 1):
        if points[i] != 0 and i != 0:
            purses_needed += tables.purses.find(account.account_number, <uint64_t>PURSE_POINTS << 32 | i, 0) == NULL
    if not tables.purses.room(purses_needed) or not tables.marks.room(1):
        return CODE_TABLE_FULL

    for i in range(POINTS_CATEGORY_MAX + 1):
        if points[i] != 0:
            add_points(tables, account, i, points[i], decision)
    count_today(account, ask.today)
    account.day_points_hundredths += priced.points_hundredths
    touch(decision, account)
    mark_once(tables, request.store_id, request.receipt, receipt_key, request.card_number, priced.points_hundredths,
              decision)
    decision.reply.points_hundredths = priced.points_hundredths
    decision.more_bytes = write_line_results(&bill, &priced, decision.more)
    return CODE_APPROVED


cdef inline uint8_t weekday_of(uint32_t date) noexcept nogil:
    """ISO weekday, 1 Monday to 7 Sunday, of a date in days since 1970-01-01."""
    return <uint8_t>((date + EPOCH_WEEKDAY - 1) % 7 + 1)
