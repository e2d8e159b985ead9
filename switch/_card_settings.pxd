"""What the desk sets on one card and its account: PIN, limits, level, member, segments."""

from libc.stdint cimport uint16_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport set_card_request_t, set_pin_request_t
from switch._tables cimport Tables


# The PINs of the request are hashed already.
cdef uint16_t set_pin(Tables tables, const ask_t* ask, const set_pin_request_t* request,
                      decision_t* decision) noexcept nogil

cdef uint16_t set_card(Tables tables, const ask_t* ask, const set_card_request_t* request,
                       decision_t* decision) noexcept nogil
