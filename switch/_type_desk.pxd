"""Card types as operators write them: versions, and the state of all versions together."""

from libc.stdint cimport uint16_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport put_card_type_request_t, set_type_state_request_t
from switch._tables cimport Tables


cdef uint16_t put_card_type(Tables tables, const ask_t* ask, const put_card_type_request_t* request,
                            decision_t* decision) noexcept nogil

cdef uint16_t set_type_state(Tables tables, const ask_t* ask, const set_type_state_request_t* request,
                             decision_t* decision) noexcept nogil
