"""Accounts and their purses: what may be done with a card, what is due on an account, where value and points lie.

Sections 3 and 4 of docs/decision.md.  An account is settled before anything
else is decided about it: holds that expired, points whose date has come and
monthly recharges need no timer and no night job, and so survive any restart.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._decision cimport ask_t, decision_t, touch
from switch._layout cimport *
from switch._tables cimport Tables

cdef enum:
    TREE_DEPTH_MAX = 64              # no organisation is that deep; a loop cannot be made, but a reader must end


cdef inline uint64_t purse_key(uint32_t purse_kind, uint32_t number) noexcept nogil:
    return <uint64_t>purse_kind << 32 | number


# ------------------------------------------------------------------------ may the card be used

cdef uint16_t may_use(const ask_t* ask, const card_record_t* card, const card_type_record_t* card_type,
                      uint32_t function, reply_t* reply) noexcept nogil:
    """Rows 2 to 5 of section 4."""
    if card.status != CARD_ACTIVE:
        reply.detail = card.status
        return CODE_CARD_STATUS
    if card.expiry_date != 0 and ask.today > card.expiry_date:
        return CODE_EXPIRED
    if card.flags & CARD_FLAG_BLACKLISTED:
        return CODE_BLACKLISTED
    if card_type.functions & function != function:
        return CODE_FUNCTION_OFF
    return CODE_APPROVED


cdef bint store_accepts(Tables tables, const ask_t* ask, const card_type_record_t* card_type) noexcept nogil:
    """Row 6 of section 4."""
    cdef const organisation_record_t* node
    cdef uint32_t at = ask.organisation_id
    cdef int _depth
    if card_type.flags & CARD_TYPE_STORES_LISTED and not is_allowed(
            tables, card_type.code, ALLOWED_LIST_STORES, ask.store_id):
        return False
    if card_type.stores_organisation_id == 0:
        return True
    for _depth in range(TREE_DEPTH_MAX):
        if at == card_type.stores_organisation_id:
            return True
        node = tables.organisation(at)
        if node == NULL:
            return False
        at = node.parent_id
    return False


cdef bint is_allowed(Tables tables, uint32_t type_code, uint32_t allowed_list, uint32_t number) noexcept nogil:
    return tables.marks.find(<uint64_t>type_code << 8 | allowed_list, number, <uint64_t>MARK_ALLOWED << 56) != NULL


cdef uint16_t check_pin(card_record_t* card, const card_type_record_t* card_type, const uint8_t* pin,
                        decision_t* decision) noexcept nogil:
    """Row 7 of section 4; `pin` NULL or zero: none was sent."""
    cdef bint is_sent = pin != NULL and not is_zero(pin)
    cdef bint is_set = not is_zero(card.pin_hash)
    if not card_type.flags & CARD_TYPE_PIN_REQUIRED and not (is_sent and is_set):
        return CODE_APPROVED
    if card.flags & CARD_FLAG_PIN_LOCKED:
        return CODE_PIN_LOCKED
    if not is_sent or not is_set:
        return CODE_PIN_REQUIRED
    if differs(pin, card.pin_hash):
        card.pin_tries += 1
        if card.pin_tries >= card_type.pin_tries_max:
            card.flags |= CARD_FLAG_PIN_LOCKED
        touch(decision, card)
        return CODE_PIN_WRONG
    if card.pin_tries:
        card.pin_tries = 0
        touch(decision, card)
    return CODE_APPROVED


cdef inline bint is_zero(const uint8_t* pin) noexcept nogil:
    return (<const uint64_t*>pin)[0] == 0 and (<const uint64_t*>pin)[1] == 0


cdef inline bint differs(const uint8_t* one, const uint8_t* other) noexcept nogil:
    # All bytes are looked at, whatever they are.
    return ((<const uint64_t*>one)[0] ^ (<const uint64_t*>other)[0]
            | (<const uint64_t*>one)[1] ^ (<const uint64_t*>other)[1]) != 0


# ------------------------------------------------------------------------ counters and limits

cdef void count_today(account_record_t* account, uint32_t today) noexcept nogil:
    if account.business_date != today:
        account.business_date = today
        account.day_debit_minor = account.day_points_hundredths = account.day_recharge_minor = 0
        account.day_debit_count = 0
        account.day_recharge_count = account.day_auto_count = 0


cdef void count_card_today(card_limit_record_t* limits, uint32_t today) noexcept nogil:
    if limits.business_date != today:
        limits.business_date = today
        limits.day_debit_minor = limits.day_recharge_minor = 0
        limits.day_debit_count = limits.day_recharge_count = 0


cdef card_limit_record_t* limits_of(Tables tables, uint64_t card_number) noexcept nogil:
    if tables.card_limits.count == 0:
        return NULL
    return <card_limit_record_t*>tables.card_limits.find(card_number, 0, 0)


cdef card_limit_record_t* limits_following(Tables tables, uint64_t card_number, uint64_t sequence) noexcept nogil:
    cdef card_limit_record_t* limits
    cdef account_record_t* account = NULL
    cdef const card_record_t* card
    cdef int _step
    if tables.card_limits.count == 0:
        return NULL
    for _step in range(SUCCESSOR_STEPS_MAX):
        card = tables.card(card_number, &account)
        if card == NULL or card.successor_number == 0:
            break
        card_number = card.successor_number
    limits = limits_of(tables, card_number)
    return limits if limits != NULL and sequence > limits.since_sequence else NULL


cdef int64_t ceiling_of(Tables tables, const card_record_t* card, const card_type_record_t* card_type) noexcept nogil:
    cdef const card_limit_record_t* limits = limits_of(tables, card.card_number)
    if limits != NULL and limits.ceiling_minor < card_type.ceiling_minor:
        return limits.ceiling_minor
    return card_type.ceiling_minor


# ------------------------------------------------------------------------ settle

cdef void settle(Tables tables, const ask_t* ask, const card_type_record_t* card_type, account_record_t* account,
                 decision_t* decision) noexcept nogil:
    """Section 3. Nearly always there is nothing to do, and this says so in three comparisons."""
    if account.hold_slots:
        release_expired(tables, ask, account, decision)
    if account.pending_from_date and account.pending_from_date <= ask.today:
        book_pending(tables, ask, account, decision)
    if (card_type.auto_mode == AUTO_MONTHLY and account.auto_month != month_of(ask.today)
            and tables.live_on(account)):
        decision.reply.recharged_minor += monthly(ask, card_type, account)
        touch(decision, account)


cdef void release_expired(Tables tables, const ask_t* ask, account_record_t* account,
                          decision_t* decision) noexcept nogil:
    cdef hold_record_t* hold
    cdef uint32_t slot
    for slot in range(HOLDS_PER_ACCOUNT_MAX):
        if account.hold_slots >> slot & 1:
            hold = <hold_record_t*>tables.holds.find(account.account_number, slot, 0)
            if hold.expires_ms <= ask.now_ms:
                free_hold(tables, account, hold, decision)


cdef void free_hold(Tables tables, account_record_t* account, hold_record_t* hold, decision_t* decision) noexcept nogil:
    cdef card_limit_record_t* limits = limits_following(tables, hold.card_number, hold.hold_sequence)
    account.held_minor -= hold.amount_minor
    account.hold_slots &= ~(<uint32_t>1 << hold.slot)
    if account.business_date == hold.business_date:
        account.day_debit_minor -= hold.amount_minor
        account.day_debit_count -= hold.captured_minor == 0
    if limits != NULL and limits.business_date == hold.business_date:
        limits.day_debit_minor -= hold.amount_minor
        limits.day_debit_count -= hold.captured_minor == 0
        touch(decision, limits)
    hold.amount_minor = 0
    hold.state = GONE
    touch(decision, hold)
    touch(decision, account)


cdef hold_record_t* open_hold(Tables tables, const account_record_t* account, uint64_t hold_sequence) noexcept nogil:
    cdef hold_record_t* hold
    cdef uint32_t slot
    for slot in range(HOLDS_PER_ACCOUNT_MAX):
        if account.hold_slots >> slot & 1:
            hold = <hold_record_t*>tables.holds.find(account.account_number, slot, 0)
            if hold.hold_sequence == hold_sequence:
                return hold
    return NULL


cdef void book_pending(Tables tables, const ask_t* ask, account_record_t* account, decision_t* decision) noexcept nogil:
    cdef pending_points_record_t* pending
    cdef uint64_t left = 0
    cdef uint32_t category, date, first_left = 0
    for category in range(POINTS_CATEGORY_MAX + 1):
        if not account.pending_categories >> category & 1:
            continue
        for date in range(account.pending_from_date, ask.today + BOOKING_DAYS_MAX + 1):
            pending = <pending_points_record_t*>tables.pending.find(account.account_number, category, date)
            if pending == NULL or pending.state == GONE:
                continue
            if date <= ask.today and has_purse(tables, account, category):
                add_points(tables, account, category, pending.amount_hundredths, decision)
                pending.state = GONE
                account.pending_count -= 1
                touch(decision, pending)
            else:
                left |= <uint64_t>1 << category
                if first_left == 0 or date < first_left:
                    first_left = date
    account.pending_categories, account.pending_from_date = left, first_left
    touch(decision, account)


cdef int64_t monthly(const ask_t* ask, const card_type_record_t* card_type, account_record_t* account) noexcept nogil:
    """Step 3: give what the months since the last one bring; what that is in all."""
    cdef uint32_t month = account.auto_month + 1, this_month = month_of(ask.today), first_day
    cdef int64_t added = 0
    if account.auto_month == 0:
        month = month_of(card_type.auto_from_date) if card_type.auto_from_date else this_month + 1
    while month <= this_month:
        first_day = first_day_of(month)
        if (first_day >= card_type.auto_from_date
                and (card_type.auto_until_date == 0 or first_day <= card_type.auto_until_date)
                and card_type.auto_add_minor <= most_for(card_type.ceiling_minor) - account.balance_minor):
            account.balance_minor += card_type.auto_add_minor
            added += card_type.auto_add_minor
        month += 1
    account.auto_month = this_month
    return added


cdef inline int64_t most_for(int64_t ceiling_minor) noexcept nogil:
    return ceiling_minor if ceiling_minor < BALANCE_MINOR_MAX else BALANCE_MINOR_MAX


cdef inline uint32_t month_of(uint32_t date) noexcept nogil:
    """year · 12 + month - 1 of a date in days since 1970-01-01 (Howard Hinnant's civil_from_days, public domain)."""
    cdef uint32_t days = date + 719468, era = days // 146097, day_of_era = days % 146097
    cdef uint32_t year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    cdef uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    cdef uint32_t shifted = (5 * day_of_year + 2) // 153          # 0 is March
    cdef uint32_t year = year_of_era + era * 400 + (shifted >= 10)
    return year * 12 + (shifted + 2) % 12


cdef inline uint32_t first_day_of(uint32_t month) noexcept nogil:
    """Date of the first day of a month number (days_from_civil, as above)."""
    cdef uint32_t year = month // 12, month_of_year = month % 12 + 1
    cdef uint32_t shifted = (month_of_year + 9) % 12
    year -= month_of_year <= 2
    cdef uint32_t year_of_era = year % 400
    return (year // 400 * 146097 + 365 * year_of_era + year_of_era // 4 - year_of_era // 100
            + (153 * shifted + 2) // 5 - 719468)


cdef int64_t peek(Tables tables, const ask_t* ask, const card_type_record_t* card_type, account_record_t* account,
                  card_limit_record_t* limits) noexcept nogil:
    cdef const hold_record_t* hold
    cdef uint32_t slot
    for slot in range(HOLDS_PER_ACCOUNT_MAX):
        if account.hold_slots >> slot & 1:
            hold = <const hold_record_t*>tables.holds.find(account.account_number, slot, 0)
            if hold.expires_ms <= ask.now_ms:
                account.held_minor -= hold.amount_minor
                account.hold_slots &= ~(<uint32_t>1 << slot)
                if account.business_date == hold.business_date:
                    account.day_debit_minor -= hold.amount_minor
                    account.day_debit_count -= hold.captured_minor == 0
                if (limits != NULL and limits.card_number == hold.card_number
                        and limits.business_date == hold.business_date
                        and hold.hold_sequence > limits.since_sequence):
                    limits.day_debit_minor -= hold.amount_minor
                    limits.day_debit_count -= hold.captured_minor == 0
    if (card_type != NULL and card_type.auto_mode == AUTO_MONTHLY and account.auto_month != month_of(ask.today)
            and tables.live_on(tables.account_named(account.account_number))):
        return monthly(ask, card_type, account)
    return 0


# ------------------------------------------------------------------------ purses

cdef int64_t points_in(Tables tables, const account_record_t* account, uint32_t category) noexcept nogil:
    cdef const purse_record_t* purse
    if category == 0:
        return account.points_hundredths
    purse = <const purse_record_t*>tables.purses.find(account.account_number, purse_key(PURSE_POINTS, category), 0)
    return 0 if purse == NULL else purse.amount


cdef int64_t pending_between(Tables tables, const account_record_t* account, uint32_t category, uint32_t first,
                             uint32_t last) noexcept nogil:
    cdef const pending_points_record_t* pending
    cdef int64_t total = 0
    cdef uint32_t date
    if not account.pending_categories >> category & 1:
        return 0
    for date in range(first, last + 1):
        pending = <const pending_points_record_t*>tables.pending.find(account.account_number, category, date)
        if pending != NULL and pending.state != GONE:
            total += pending.amount_hundredths
    return total


cdef int64_t points_pending(Tables tables, const account_record_t* account, uint32_t category) noexcept nogil:
    # Nothing is booked later than BOOKING_DAYS_MAX after the last touch, which was before the earliest date.
    return pending_between(tables, account, category, account.pending_from_date,
                           account.pending_from_date + 2 * BOOKING_DAYS_MAX)


cdef int64_t points_settled(Tables tables, const ask_t* ask, const account_record_t* account,
                            uint32_t category) noexcept nogil:
    cdef int64_t points = points_in(tables, account, category)
    if account.pending_from_date == 0 or account.pending_from_date > ask.today:
        return points
    return points + pending_between(tables, account, category, account.pending_from_date, ask.today)


cdef bint has_purse(Tables tables, const account_record_t* account, uint32_t category) noexcept nogil:
    return (category == 0 or tables.purses.room(1)
            or tables.purses.find(account.account_number, purse_key(PURSE_POINTS, category), 0) != NULL)


cdef void add_points(Tables tables, account_record_t* account, uint32_t category, int64_t points_hundredths,
                     decision_t* decision) noexcept nogil:
    cdef purse_record_t* purse
    if category == 0:
        account.points_hundredths += points_hundredths
        touch(decision, account)
        return
    purse = <purse_record_t*>tables.purses.find(account.account_number, purse_key(PURSE_POINTS, category), 0)
    if purse == NULL:
        purse = <purse_record_t*>tables.purses.make(account.account_number, purse_key(PURSE_POINTS, category), 0)
    purse.amount += points_hundredths
    touch(decision, purse)


cdef void add_pending(Tables tables, account_record_t* account, uint32_t category, uint32_t booking_date,
                      int64_t points_hundredths, decision_t* decision) noexcept nogil:
    cdef pending_points_record_t* pending = <pending_points_record_t*>tables.pending.find(
        account.account_number, category, booking_date)
    if pending == NULL:
        pending = <pending_points_record_t*>tables.pending.make(account.account_number, category, booking_date)
        account.pending_count += 1
    pending.amount_hundredths += points_hundredths
    account.pending_categories |= <uint64_t>1 << category
    if account.pending_from_date == 0 or booking_date < account.pending_from_date:
        account.pending_from_date = booking_date
    touch(decision, pending)
    touch(decision, account)


cdef void take_back(Tables tables, const ask_t* ask, account_record_t* account, uint32_t category,
                    uint32_t booking_date, int64_t points_hundredths, decision_t* decision) noexcept nogil:
    cdef pending_points_record_t* pending = NULL
    if booking_date > ask.today:
        pending = <pending_points_record_t*>tables.pending.find(account.account_number, category, booking_date)
    if pending != NULL and pending.amount_hundredths >= points_hundredths:
        pending.amount_hundredths -= points_hundredths
        touch(decision, pending)
    else:
        add_points(tables, account, category, -points_hundredths, decision)


cdef purse_record_t* visits_of(Tables tables, const account_record_t* account, uint32_t service) noexcept nogil:
    return <purse_record_t*>tables.purses.find(account.account_number, purse_key(PURSE_VISITS, service), 0)


cdef bint category_exists(Tables tables, uint32_t category) noexcept nogil:
    return category == 0 or tables.points_category(category) != NULL


cdef bint category_enabled(Tables tables, uint32_t category) noexcept nogil:
    cdef const points_category_record_t* record = tables.points_category(category)
    if record == NULL:
        return category == 0
    return record.flags & CATEGORY_ENABLED != 0
