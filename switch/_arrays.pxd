"""Arrays of records in reserved address space, and tables of records with a number as their key."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from switch._index cimport GrowingIndex

cdef struct record_array_t:
    uint8_t* records                 # address space reserved for `max` records; memory is used as they come
    uint32_t count
    uint32_t max
    uint32_t width_bytes


cdef int reserve(record_array_t* array, uint32_t records_max, uint32_t width_bytes) except -1
cdef void release(record_array_t* array) noexcept
cdef void* reserve_bytes(uint64_t size_bytes) except NULL
cdef void release_bytes(void* at, uint64_t size_bytes) noexcept
cdef uint8_t* append(record_array_t* array, const uint8_t* record) noexcept nogil


cdef class NumberedTable:
    cdef readonly int kind
    cdef record_array_t array
    cdef uint64_t number_min
    cdef uint64_t number_max
    cdef GrowingIndex index                      # number + 1 -> place: a number may be 0, a key of the index may not

    cdef uint8_t* find(self, uint64_t number) noexcept nogil
    cdef int put(self, const uint8_t* record) noexcept nogil
    cdef bint room(self, uint32_t count) noexcept nogil
