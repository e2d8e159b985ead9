"""Checks 1 to 4 of docs/decision.md: version, type, length, reserved fields; and the right that a message needs."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from switch._layout cimport TYPE_CHANGE_KEY, TYPE_DAY_TOTALS, TYPE_REVERSAL, evidence_t, header_t

cdef struct fault_t:
    uint16_t code
    uint32_t offset
    uint32_t expected
    uint32_t got


cdef uint32_t right_needed(const header_t* header, const uint8_t* body) noexcept nogil
cdef bint well_formed(uint32_t terminal_id, const uint8_t* message, uint32_t message_bytes,
                      fault_t* fault) noexcept nogil
cdef const evidence_t* evidence_in(uint8_t request_type, const uint8_t* body, uint32_t body_bytes) noexcept nogil


cdef inline bint passes_quarantine(uint8_t request_type) noexcept nogil:
    """A terminal that was stopped may still undo what it does not know the answer of, close its day, change its key."""
    return request_type == TYPE_REVERSAL or request_type == TYPE_DAY_TOTALS or request_type == TYPE_CHANGE_KEY
