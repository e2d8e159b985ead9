"""What a bill or a recharge earns: section 5 of docs/decision.md, points and caps."""

from libc.stdint cimport int64_t, uint8_t

from switch._bill cimport bill_t, priced_t
from switch._layout cimport account_record_t
from switch._tables cimport Tables

# Points of each line, caps included. `shared_minor`: round-off and points tenders; `day_points`: earned on the
# account's date so far.
cdef void earn_points(Tables tables, const bill_t* bill, int64_t shared_minor, int64_t day_points,
                      const account_record_t* account, priced_t* priced) noexcept nogil

# Points for a recharge: hundredths, and their category.
cdef int64_t earn_recharge(Tables tables, const bill_t* bill, int64_t day_points, const account_record_t* account,
                           uint8_t* category) noexcept nogil
