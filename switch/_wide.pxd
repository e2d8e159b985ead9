"""Records with a key of three numbers, that come and go."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef struct chain_t:
    uint32_t next_plus_one           # next record of the same bucket, or next free place; 0: none
    uint32_t hashed


cdef class WideTable:
    cdef readonly int kind
    cdef uint32_t width_bytes
    cdef uint32_t max
    cdef uint32_t used                           # places that have ever had a record
    cdef readonly uint32_t count                 # records that there are
    cdef uint32_t free_plus_one                  # a place whose record is gone; 0: none
    cdef uint8_t* places
    cdef chain_t* chains                         # by place
    cdef uint32_t* heads_plus_one                # by bucket: place of its first record
    cdef uint32_t half                           # buckets of this round's start, a power of two
    cdef uint32_t split                          # buckets of it that have been split in this round
    cdef uint32_t* owner_heads_plus_one          # by bucket of the owner: its newest record; NULL: not kept
    cdef uint32_t* owner_next_plus_one           # by place: the next record of the same bucket
    cdef uint32_t owner_mask
    cdef uint32_t owner_word                     # which eight bytes of a record are its owner; 1: the first key
    cdef uint64_t hash_key_a
    cdef uint64_t hash_key_b

    cdef uint8_t* find(self, uint64_t a, uint64_t b, uint64_t c) noexcept nogil
    cdef uint32_t hashed(self, uint64_t a, uint64_t b, uint64_t c) noexcept nogil
    cdef uint8_t* find_hashed(self, uint32_t hashed, uint64_t a, uint64_t b, uint64_t c) noexcept nogil
    cdef void fetch_bucket(self, uint32_t hashed) noexcept nogil
    cdef void fetch_chain(self, uint32_t hashed) noexcept nogil
    cdef uint8_t* fetch_record(self, uint32_t hashed) noexcept nogil
    cdef uint8_t* find_fetched(self, uint8_t* fetched, uint32_t hashed, uint64_t a, uint64_t b,
                               uint64_t c) noexcept nogil
    cdef uint8_t* make(self, uint64_t a, uint64_t b, uint64_t c) noexcept nogil
    cdef void forget(self, uint8_t* record) noexcept nogil
    cdef bint room(self, uint32_t count) noexcept nogil
    cdef int put(self, const uint8_t* image) noexcept nogil
    cdef void own(self, uint8_t* record) noexcept nogil
    cdef uint8_t* first_of(self, uint64_t owner) noexcept nogil
    cdef uint8_t* next_of(self, const uint8_t* record) noexcept nogil
    cdef uint8_t* _owned(self, uint64_t owner, uint32_t place_plus_one) noexcept nogil
    cdef uint32_t* _owner_head(self, uint64_t owner) noexcept nogil
    cdef uint32_t _bucket(self, uint32_t hashed) noexcept nogil
    cdef void _split_one(self) noexcept nogil
