"""Questions that change nothing: balance and card query."""

from switch._decision cimport ask_t, decision_t
from switch._layout cimport *
from switch._tables cimport Tables

cdef void balance(Tables tables, const ask_t* ask, const balance_request_t* request,
                  decision_t* decision) noexcept nogil
cdef void card_query(Tables tables, const ask_t* ask, const card_query_request_t* request,
                     decision_t* decision) noexcept nogil
