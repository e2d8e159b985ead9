"""What a bill comes to, what the switch takes off, what it earns: section 5 of docs/decision.md."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from switch._bill cimport bill_t, priced_line_t, priced_t
from switch._earning cimport earn_points, earn_recharge
from switch._tables cimport Tables

# Amounts, forbidden lines, discount. CODE_APPROVED, CODE_AMOUNT (bounds, or priced lines with amounts) or
# CODE_PRICE_UNKNOWN. `discounts`: 0 for a backfill. When the code is not CODE_APPROVED nothing in `priced` may be used.
cdef uint16_t price_lines(Tables tables, const bill_t* bill, bint discounts, priced_t* priced) noexcept nogil

# Line results behind a reply, if any line has something to say. Returns their bytes.
cdef uint32_t write_line_results(const bill_t* bill, const priced_t* priced, uint8_t* out) noexcept nogil
