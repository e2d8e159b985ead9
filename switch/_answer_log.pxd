"""The answers of one business date in the order of answering, chained by terminal."""

from libc.stdint cimport uint32_t, uint64_t

from switch._index cimport GrowingIndex

cdef struct answered_t:
    uint64_t position                # of the entry with the answer
    uint32_t trace_number
    uint32_t previous_plus_one       # the same terminal's answer before it; 0: none


cdef class AnswerLog:
    cdef answered_t* answers         # address space for `capacity` of them; memory is used as they come
    cdef uint64_t capacity
    cdef readonly uint32_t count
    cdef GrowingIndex newest         # terminal + 1 -> place + 1 of its last answer

    cdef int append(self, uint64_t key, uint64_t position) noexcept nogil
    cdef const answered_t* newest_of(self, uint32_t terminal_id) noexcept nogil
    cdef const answered_t* place(self, uint32_t place_plus_one) noexcept nogil
    cdef void clear(self) noexcept nogil
    cdef int _grow(self) noexcept nogil
