"""A bill as rules and prices see it, and what becomes of it."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._layout cimport *
from switch._matching cimport found_t, sale_t
from switch._rules cimport holder_of, ruleset_t

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
    found_t found                    # what its rules come to; set only when the bill `is_matched`


cdef struct priced_t:
    uint32_t line_count              # at least 1
    int64_t bill_minor
    int64_t discount_minor
    bint is_forbidden
    uint16_t forbidden_line          # the first one, from 0; set only when the bill `is_forbidden`
    bint is_matched                  # there are rules in force that may concern it
    int64_t points_hundredths        # sum over the lines
    priced_line_t lines[256]


cdef inline sale_t sale_of(const bill_t* bill, int64_t bill_minor) noexcept nogil:
    """What rules ask of the bill as a whole."""
    cdef sale_t sale
    sale.segments = bill.segments
    sale.bill_minor = bill_minor
    sale.holder = holder_of(bill.card_type.code, bill.level)
    sale.store_id, sale.terminal_id = bill.store_id, bill.terminal_id
    sale.date, sale.minute = bill.date, bill.minute
    # A number that no settlement has: only rules that do not ask for one match.
    sale.settlement_bit = <uint16_t>(<uint32_t>1 << (bill.settlement if bill.settlement < 15 else 15))
    sale.weekday_bit = <uint8_t>(1 << (bill.weekday - 1))
    return sale
