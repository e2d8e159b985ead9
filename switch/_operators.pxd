"""Configuration by message: stores, terminals, organisations, points categories, gifts, prices, lists, the switch."""

from libc.stdint cimport uint16_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport (
    put_allowed_request_t, put_gift_request_t, put_organisation_request_t, put_points_category_request_t,
    put_price_request_t, put_store_request_t, put_switch_request_t, put_terminal_request_t)
from switch._tables cimport Tables


cdef uint16_t put_store(Tables tables, const ask_t* ask, const put_store_request_t* request,
                        decision_t* decision) noexcept nogil

# The key of the request is wrapped already.
cdef uint16_t put_terminal(Tables tables, const ask_t* ask, const put_terminal_request_t* request,
                           decision_t* decision) noexcept nogil

cdef uint16_t put_organisation(Tables tables, const ask_t* ask, const put_organisation_request_t* request,
                               decision_t* decision) noexcept nogil

cdef uint16_t put_points_category(Tables tables, const ask_t* ask, const put_points_category_request_t* request,
                                  decision_t* decision) noexcept nogil

cdef uint16_t put_gift(Tables tables, const ask_t* ask, const put_gift_request_t* request,
                       decision_t* decision) noexcept nogil

cdef uint16_t put_price(Tables tables, const ask_t* ask, const put_price_request_t* request,
                        decision_t* decision) noexcept nogil

cdef uint16_t put_allowed(Tables tables, const ask_t* ask, const put_allowed_request_t* request,
                          decision_t* decision) noexcept nogil

cdef uint16_t put_switch(Tables tables, const ask_t* ask, const put_switch_request_t* request,
                         decision_t* decision) noexcept nogil
