"""What became of each request of the current and the previous business date."""

from libc.stdint cimport uint32_t, uint64_t

from switch._answer_log cimport AnswerLog, answered_t
from switch._index cimport GrowingIndex, slot_t

# A slot's value is the journal position of the entry with the answer (a multiple of 8) and, in its low bits:
cdef enum:
    NOTED = 1                        # a reversal came before its original
    REVERSED = 2                     # the answered request has been reversed
    ANSWERED_AFTER_NOTE = 4          # NOTED, and the late original has been refused: the position is that refusal's
    POSITION_MASK_LOW = 7


cdef inline uint64_t answer_key(uint32_t terminal_id, uint32_t trace_number) noexcept nogil:
    return (<uint64_t>terminal_id << 32) | trace_number


cdef class AnswerWindow:
    cdef readonly uint32_t today                 # business date, days since 1970-01-01
    cdef readonly uint64_t answers_per_date_max
    cdef GrowingIndex current
    cdef GrowingIndex previous
    cdef AnswerLog current_log
    cdef AnswerLog previous_log

    cdef void advance(self, uint32_t today) noexcept nogil
    cdef bint covers(self, uint32_t business_date) noexcept nogil
    cdef GrowingIndex of_date(self, uint32_t business_date)
    cdef slot_t* find(self, uint32_t business_date, uint64_t key) noexcept nogil
    cdef uint64_t count_of(self, uint32_t business_date) noexcept nogil
    cdef bint full(self, uint32_t business_date) noexcept nogil
    cdef int remember(self, uint32_t business_date, uint64_t key, uint64_t position) noexcept nogil
    cdef int note_reversal(self, uint32_t business_date, uint64_t key, uint64_t position) noexcept nogil
    cdef void prefetch(self, uint32_t business_date, uint64_t key) noexcept nogil
    cdef const answered_t* newest_of(self, uint32_t business_date, uint32_t terminal_id) noexcept nogil
    cdef const answered_t* before(self, uint32_t business_date, const answered_t* answer) noexcept nogil
    cdef int _list(self, uint32_t business_date, uint64_t key, uint64_t position) noexcept nogil
