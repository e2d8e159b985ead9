"""Sets of rules, compiled to flat tables: a line finds its rules by a few look-ups, however many there are."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._layout cimport *
from switch._tables cimport Tables

cdef struct ruleset_t:
    uint32_t ruleset                 # its number
    uint32_t from_date
    uint32_t rule_count
    # (the compiled form: the author of _rules.pyx adds what it needs)


cdef class Rules:
    """All active sets of one switch, compiled when they are activated or loaded."""
    cdef Tables tables

    # The set in force on a business date, or NULL.
    cdef const ruleset_t* in_force(self, uint32_t date) noexcept nogil

    # Check a draft set as a whole (section 16, activate rules): 0, or the first rule at fault; and compile it.
    cdef uint32_t first_fault(self, uint32_t ruleset) noexcept nogil
    cdef int activate(self, uint32_t ruleset, uint32_t from_date) noexcept nogil
