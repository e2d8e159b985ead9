"""Accounts and their purses: what may be done with a card, what is due on an account, where value and points lie."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport *
from switch._tables cimport Tables

cdef enum:
    PURSE_POINTS = 1                 # upper half of a purse's key
    PURSE_VISITS = 2


cdef inline int64_t available(const account_record_t* account) noexcept nogil:
    return account.balance_minor - account.held_minor


# Section 4 of docs/decision.md, rows 2 to 5: code, with detail in the reply. `function`: FUNCTION_* bit, 0: none asked.
cdef uint16_t may_use(const ask_t* ask, const card_record_t* card, const card_type_record_t* card_type,
                      uint32_t function, reply_t* reply) noexcept nogil

# Row 6: whether the terminal's store accepts cards of the type.
cdef bint store_accepts(Tables tables, const ask_t* ask, const card_type_record_t* card_type) noexcept nogil

# Whether a list of a card type has a number.
cdef bint is_allowed(Tables tables, uint32_t type_code, uint32_t allowed_list, uint32_t number) noexcept nogil

# Row 7: the PIN as the request has it (hashed; 16 zero bytes: none). Changes the card's tries.
cdef uint16_t check_pin(card_record_t* card, const card_type_record_t* card_type, const uint8_t* pin,
                        decision_t* decision) noexcept nogil

# Section 3, settle: holds that expired, points that are due, monthly recharges. Touches what it changes.
cdef void settle(Tables tables, const ask_t* ask, const card_type_record_t* card_type, account_record_t* account,
                 decision_t* decision) noexcept nogil

# Its first step alone: holds that have expired become free.
cdef void release_expired(Tables tables, const ask_t* ask, account_record_t* account,
                          decision_t* decision) noexcept nogil

# Settle a copy of an account, and of the card's own limits (or NULL): all but its points, which `points_settled` tells.
# Returns what monthly recharges would add.
cdef int64_t peek(Tables tables, const ask_t* ask, const card_type_record_t* card_type, account_record_t* account,
                  card_limit_record_t* limits) noexcept nogil

# What a category's purse will hold once what is due is booked.
cdef int64_t points_settled(Tables tables, const ask_t* ask, const account_record_t* account,
                            uint32_t category) noexcept nogil

# The rest of a hold becomes free, the day's limits with it; the record is gone.
cdef void free_hold(Tables tables, account_record_t* account, hold_record_t* hold, decision_t* decision) noexcept nogil

# Open hold of an account by its sequence, or NULL.
cdef hold_record_t* open_hold(Tables tables, const account_record_t* account, uint64_t hold_sequence) noexcept nogil

# What a category's purse holds; 0 when there is none.
cdef int64_t points_in(Tables tables, const account_record_t* account, uint32_t category) noexcept nogil

# Points of a category that wait for their booking date, all dates.
cdef int64_t points_pending(Tables tables, const account_record_t* account, uint32_t category) noexcept nogil

# Whether `add_points` to this purse will find or make it. Several purses: `purses_needed` of them must still fit.
cdef bint has_purse(Tables tables, const account_record_t* account, uint32_t category) noexcept nogil

# Add to a category's purse (made when it is not there: room was checked before). Touches account or purse.
cdef void add_points(Tables tables, account_record_t* account, uint32_t category, int64_t points_hundredths,
                     decision_t* decision) noexcept nogil

# Add to the points that are booked on a date. Touches the record and the account.
cdef void add_pending(Tables tables, account_record_t* account, uint32_t category, uint32_t booking_date,
                      int64_t points_hundredths, decision_t* decision) noexcept nogil

# Take back what was to be booked on a date (0: at once): from the pending record if it is to come and has enough, else
# from the purse.
cdef void take_back(Tables tables, const ask_t* ask, account_record_t* account, uint32_t category,
                    uint32_t booking_date, int64_t points_hundredths, decision_t* decision) noexcept nogil

# Purse of visits of a service, or NULL.
cdef purse_record_t* visits_of(Tables tables, const account_record_t* account, uint32_t service) noexcept nogil

# Whether a category exists and is enabled; category 0 exists without a record.
cdef bint category_enabled(Tables tables, uint32_t category) noexcept nogil
cdef bint category_exists(Tables tables, uint32_t category) noexcept nogil

# Highest balance that a credit by this card may lead to: the lower one of the type's ceiling and the card's own.
cdef int64_t ceiling_of(Tables tables, const card_record_t* card, const card_type_record_t* card_type) noexcept nogil

# Move the account's counters to today: those of an earlier date become zero.
cdef void count_today(account_record_t* account, uint32_t today) noexcept nogil
cdef void count_card_today(card_limit_record_t* limits, uint32_t today) noexcept nogil

# The card's own limits, or NULL.
cdef card_limit_record_t* limits_of(Tables tables, uint64_t card_number) noexcept nogil

# The same, of the card that goes on when this one was replaced or corrected; NULL also if they did not count the entry
# that is to be given back, because the card had none when it was decided.
cdef card_limit_record_t* limits_following(Tables tables, uint64_t card_number, uint64_t sequence) noexcept nogil
