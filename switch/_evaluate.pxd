"""Which module decides a request of which type."""

from libc.stdint cimport uint8_t

from switch._decision cimport ask_t, decision_t
from switch._rules cimport Rules
from switch._sale cimport sale_t
from switch._tables cimport Tables
from switch.duplicates cimport AnswerWindow
from switch.group_commit cimport GroupCommit


cdef void evaluate(Tables tables, Rules rules, AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                   uint8_t request_type, const uint8_t* body, sale_t* sale, decision_t* decision) noexcept nogil
