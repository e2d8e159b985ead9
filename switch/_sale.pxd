"""Debit and quote: a bill is priced, its tenders are checked, and all of it is taken or nothing."""

from libc.stdint cimport int64_t, uint16_t, uint32_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport *
from switch._pricing cimport bill_t, priced_t
from switch._rules cimport Rules
from switch._tables cimport Tables

cdef struct sale_t:
    bill_t bill
    priced_t priced
    int64_t due_minor
    int64_t card_minor               # part that the card's value pays
    int64_t points_tender_minor      # part that points pay
    int64_t round_off_minor
    int64_t change_minor
    const tender_t* tenders
    uint32_t tender_count
    bint is_partial


cdef void debit(Tables tables, Rules rules, const ask_t* ask, const debit_request_t* request, sale_t* sale,
                decision_t* decision) noexcept nogil
cdef void quote(Tables tables, Rules rules, const ask_t* ask, const debit_request_t* request, sale_t* sale,
                decision_t* decision) noexcept nogil

# Rows 9 to 11 of a debit, for holds too: single amount, daily count, daily amount, the type's and the card's.
cdef uint16_t within_limits(const ask_t* ask, const card_type_record_t* card_type, const account_record_t* account,
                            const card_limit_record_t* limits, int64_t amount_minor) noexcept nogil

# Automatic recharge before an amount is taken; whether anything was added.
cdef bint recharge_automatically(Tables tables, const ask_t* ask, const card_record_t* card,
                                 const card_type_record_t* card_type, account_record_t* account, int64_t amount_minor,
                                 reply_t* reply) noexcept nogil

# What a debit or hold uses of the day's limits, the account's and the card's own.
cdef void use_limits(const ask_t* ask, account_record_t* account, card_limit_record_t* limits, int64_t amount_minor,
                     decision_t* decision) noexcept nogil

# Points of each line into their purses or pending records. `has_room`: whether they all can be made.
cdef bint has_room_for_points(Tables tables, const ask_t* ask, const account_record_t* account,
                              priced_t* priced) noexcept nogil
cdef void book_points(Tables tables, const ask_t* ask, account_record_t* account, const priced_t* priced,
                      decision_t* decision) noexcept nogil

# Who buys, where and when: fills what does not depend on the request.
cdef void fill_bill(Rules rules, const ask_t* ask, const card_type_record_t* card_type,
                    const account_record_t* account, bill_t* bill) noexcept nogil
