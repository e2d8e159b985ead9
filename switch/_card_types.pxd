"""Card types: the versions of each, and which one is in force on a date."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from switch._arrays cimport record_array_t
from switch._layout cimport card_type_record_t

cdef struct type_versions_t:
    uint16_t first_plus_one          # place of the type's first version, ascending by from_date; 0: no such type
    uint32_t since_date              # the answer below holds from this date on
    uint64_t until_date              # and before this one
    card_type_record_t* in_force     # NULL: none yet


cdef class CardTypes:
    cdef record_array_t versions
    cdef uint16_t* next_plus_one                 # by place: the same type's next version
    cdef type_versions_t* types                  # by code

    cdef card_type_record_t* in_force(self, uint32_t code, uint32_t business_date) noexcept nogil
    cdef card_type_record_t* version(self, uint32_t code, uint32_t from_date) noexcept nogil
    cdef bint exists(self, uint32_t code) noexcept nogil
    cdef bint room(self, uint32_t count) noexcept nogil
    cdef int put(self, const uint8_t* record) noexcept nogil
