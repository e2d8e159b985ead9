"""Value that comes, waits and moves: credit, hold, capture, release, transfer."""

from switch._decision cimport ask_t, decision_t
from switch._layout cimport *
from switch._pricing cimport priced_t
from switch._rules cimport Rules
from switch._sale cimport sale_t
from switch._tables cimport Tables

cdef void credit(Tables tables, Rules rules, const ask_t* ask, const credit_request_t* request,
                 decision_t* decision) noexcept nogil
cdef void hold(Tables tables, const ask_t* ask, const hold_request_t* request, decision_t* decision) noexcept nogil
cdef void capture(Tables tables, Rules rules, const ask_t* ask, const capture_request_t* request, sale_t* sale,
                  decision_t* decision) noexcept nogil
cdef void release(Tables tables, const ask_t* ask, const release_request_t* request,
                  decision_t* decision) noexcept nogil
cdef void transfer(Tables tables, const ask_t* ask, const transfer_request_t* request,
                   decision_t* decision) noexcept nogil
