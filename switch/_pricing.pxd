"""What a bill comes to, what the switch takes off, what it earns: section 5 of docs/decision.md. One function for all."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._layout cimport *
from switch._rules cimport Rules, ruleset_t
from switch._tables cimport Tables

cdef extern from *:
    """
    typedef __int128 int128_t;
    """
    ctypedef long long int128_t      # wide enough for base x percent^5; only C knows its true width


cdef struct bill_t:
    const card_type_record_t* card_type
    const ruleset_t* ruleset         # in force on `date`; NULL: no rules
    const bill_line_t* lines         # as the request has them
    uint32_t line_count              # 0: the bill is one line of amount_minor
    int64_t amount_minor             # the request's
    uint64_t segments
    uint32_t store_id
    uint32_t terminal_id
    uint32_t date                    # business date of the sale
    uint16_t minute                  # local minute of the day
    uint8_t weekday                  # ISO weekday of `date`
    uint8_t level
    uint8_t settlement
    bint is_priced


cdef struct priced_line_t:
    int64_t amount_minor
    int64_t discount_minor
    int64_t points_hundredths
    uint32_t unit_price_minor
    uint16_t booking_days
    uint8_t points_category
    int128_t exact                   # discount in ten-thousandths, then points in 10^-12, before rounding


cdef struct priced_t:
    uint32_t line_count              # at least 1
    int64_t bill_minor
    int64_t discount_minor
    bint is_forbidden
    int64_t points_hundredths        # sum over the lines
    priced_line_t lines[256]


# Amounts, forbidden lines, discount. CODE_APPROVED, CODE_AMOUNT (bounds, or priced lines with amounts) or CODE_PRICE_UNKNOWN.
# `discounts`: 0 for a backfill. When the code is not CODE_APPROVED nothing in `priced` may be used.
cdef uint16_t price_lines(Tables tables, const bill_t* bill, bint discounts, priced_t* priced) noexcept nogil

# Points of each line, caps included. `shared_minor`: round-off and points tenders; `day_points`: earned on the account's date so far.
cdef void earn_points(Tables tables, const bill_t* bill, int64_t shared_minor, int64_t day_points,
                      const account_record_t* account, priced_t* priced) noexcept nogil

# Points for a recharge: hundredths, and their category.
cdef int64_t earn_recharge(Tables tables, const bill_t* bill, int64_t day_points, const account_record_t* account,
                           uint8_t* category) noexcept nogil

# Line results behind a reply, if any line has something to say. Returns their bytes.
cdef uint32_t write_line_results(const bill_t* bill, const priced_t* priced, uint8_t* out) noexcept nogil
