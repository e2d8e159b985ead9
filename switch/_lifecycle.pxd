"""The card desk: one operation on one card or a range of them (section 15 of docs/decision.md)."""

from libc.stdint cimport uint16_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport open_card_request_t, operate_card_request_t
from switch._tables cimport Tables


# Code of the reply; results of the range stand in `decision.more`.
cdef uint16_t operate_card(Tables tables, const ask_t* ask, const operate_card_request_t* request,
                           decision_t* decision) noexcept nogil

cdef uint16_t open_card(Tables tables, const ask_t* ask, const open_card_request_t* request,
                        decision_t* decision) noexcept nogil
