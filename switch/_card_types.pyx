"""Card types: the versions of each, and which one is in force on a date.

A version never moves and is never removed; putting one with the same first
date takes its place.  Nearly every question is about today, so the last
answer of each type is kept together with the dates for which it holds.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memmove

from switch._arrays cimport append, release, reserve
from switch._layout cimport CARD_TYPE_CODE_MAX, card_type_record_t

TYPE_VERSIONS_MAX = 4096
"""Versions of all card types together: 1 MiB, four for each possible type."""

cdef uint64_t NO_DATE = <uint64_t>1 << 32        # later than every date


cdef class CardTypes:
    """Versions of all card types; `len()` gives how many there are."""

    def __cinit__(self):
        reserve(&self.versions, TYPE_VERSIONS_MAX, sizeof(card_type_record_t))
        self.next_plus_one = <uint16_t*>calloc(TYPE_VERSIONS_MAX, sizeof(uint16_t))
        self.types = <type_versions_t*>calloc(CARD_TYPE_CODE_MAX + 1, sizeof(type_versions_t))
        if self.next_plus_one == NULL or self.types == NULL:
            raise MemoryError("card types: no memory")

    def __dealloc__(self):
        release(&self.versions)
        free(self.next_plus_one)
        free(self.types)

    def __len__(self):
        return self.versions.count

    def records(self):
        """Every version as bytes, in the order in which they first came."""
        cdef uint32_t i
        for i in range(self.versions.count):
            yield (self.versions.records + <uint64_t>i * sizeof(card_type_record_t))[:sizeof(card_type_record_t)]

    def get(self, uint64_t key):
        """The version with a key (code << 32 | from_date) as bytes, or None."""
        cdef const uint8_t* at = NULL
        if key >> 32 <= CARD_TYPE_CODE_MAX:
            at = <const uint8_t*>self.version(<uint32_t>(key >> 32), <uint32_t>key)
        return None if at == NULL else at[:sizeof(card_type_record_t)]

    def on(self, uint32_t code, uint32_t business_date):
        """The version that is in force on a date as bytes, or None."""
        cdef const uint8_t* at = <const uint8_t*>self.in_force(code, business_date)
        return None if at == NULL else at[:sizeof(card_type_record_t)]

    cdef card_type_record_t* in_force(self, uint32_t code, uint32_t business_date) noexcept nogil:
        """The version that is in force on a date; NULL when there is no such type, or no version of it yet."""
        cdef type_versions_t* type_
        cdef card_type_record_t* version
        cdef uint32_t place_plus_one
        if code > CARD_TYPE_CODE_MAX:
            return NULL
        type_ = &self.types[code]
        if not type_.since_date <= business_date < type_.until_date:
            # Not a date of the last answer, or there is a new version: find it, and how long it holds.
            type_.in_force, type_.since_date, type_.until_date = NULL, 0, NO_DATE
            place_plus_one = type_.first_plus_one
            while place_plus_one:
                version = &(<card_type_record_t*>self.versions.records)[place_plus_one - 1]
                if version.from_date > business_date:
                    type_.until_date = version.from_date
                    break
                type_.in_force, type_.since_date = version, version.from_date
                place_plus_one = self.next_plus_one[place_plus_one - 1]
        return type_.in_force

    cdef card_type_record_t* version(self, uint32_t code, uint32_t from_date) noexcept nogil:
        """The version that begins on a date; NULL when there is none."""
        cdef uint32_t place_plus_one = self.types[code].first_plus_one if code <= CARD_TYPE_CODE_MAX else 0
        cdef card_type_record_t* version
        while place_plus_one:
            version = &(<card_type_record_t*>self.versions.records)[place_plus_one - 1]
            if version.from_date == from_date:
                return version
            place_plus_one = self.next_plus_one[place_plus_one - 1]
        return NULL

    cdef bint exists(self, uint32_t code) noexcept nogil:
        """Whether a type has any version, in force or not."""
        return code <= CARD_TYPE_CODE_MAX and self.types[code].first_plus_one != 0

    cdef bint room(self, uint32_t count) noexcept nogil:
        """Whether this many more versions fit."""
        return self.versions.max - self.versions.count >= count

    cdef int put(self, const uint8_t* record) noexcept nogil:
        """Store a version. Returns 0, or -1: no room, no such code may be, a key that says something else."""
        cdef const card_type_record_t* asked = <const card_type_record_t*>record
        cdef card_type_record_t* known
        cdef uint16_t* link
        if asked.code > CARD_TYPE_CODE_MAX or asked.key != (<uint64_t>asked.code << 32 | asked.from_date):
            return -1
        known = self.version(asked.code, asked.from_date)
        if known != NULL:
            memmove(known, record, sizeof(card_type_record_t))
            return 0
        if append(&self.versions, record) == NULL:
            return -1
        link = &self.types[asked.code].first_plus_one
        while link[0] and (<card_type_record_t*>self.versions.records)[link[0] - 1].from_date < asked.from_date:
            link = &self.next_plus_one[link[0] - 1]
        self.next_plus_one[self.versions.count - 1] = link[0]
        link[0] = <uint16_t>self.versions.count
        self.types[asked.code].until_date = 0    # the last answer may be over: look again
        return 0
