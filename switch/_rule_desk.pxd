"""Sets of rules as operators write them: put rule, activate rules."""

from libc.stdint cimport uint16_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport activate_rules_request_t, put_rule_request_t
from switch._rules cimport Rules
from switch._tables cimport Tables


cdef uint16_t put_rule(Tables tables, const ask_t* ask, const put_rule_request_t* request,
                       decision_t* decision) noexcept nogil

cdef uint16_t activate_rules(Tables tables, Rules rules, const ask_t* ask, const activate_rules_request_t* request,
                             decision_t* decision) noexcept nogil
