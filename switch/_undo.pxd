"""Reversal and refund: what an earlier entry took is given back, never more than that."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport *
from switch._tables cimport Tables
from switch.duplicates cimport AnswerWindow
from switch.group_commit cimport GroupCommit

cdef void reverse(Tables tables, AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                  const reversal_request_t* request, decision_t* decision) noexcept nogil
cdef void refund(Tables tables, AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                 const refund_request_t* request, decision_t* decision) noexcept nogil
