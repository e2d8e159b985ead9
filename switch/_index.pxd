"""A map from 64-bit keys to 64-bit values that grows without long pauses."""

from libc.stdint cimport uint64_t, uint32_t

cdef struct slot_t:
    uint64_t key                     # 0: empty
    uint64_t value

cdef struct part_t:
    slot_t* slots
    uint64_t mask                    # capacity - 1; capacity is a power of two, at least 4
    uint64_t count


cdef class GrowingIndex:
    cdef part_t* parts
    cdef readonly uint64_t count

    cdef slot_t* find(self, uint64_t key) noexcept nogil            # NULL when absent
    cdef slot_t* insert(self, uint64_t key, uint64_t value) noexcept nogil   # key must be absent; NULL: out of memory
    cdef void prefetch(self, uint64_t key) noexcept nogil
    cdef void clear(self) noexcept nogil
    cdef int _grow(self, part_t* part) noexcept nogil
