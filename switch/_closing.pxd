"""Day close: what one terminal was answered on one business date."""

from libc.stdint cimport uint16_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport day_totals_request_t
from switch._tables cimport Tables
from switch.duplicates cimport AnswerWindow
from switch.group_commit cimport GroupCommit


cdef uint16_t day_totals(Tables tables, AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                         const day_totals_request_t* request, decision_t* decision) noexcept nogil
