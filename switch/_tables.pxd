"""The ledger in memory: one array of 64-byte records per kind, found by number."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from switch._index cimport GrowingIndex
from switch._layout cimport (
    account_record_t, card_record_t, card_type_record_t, store_record_t, switch_record_t, terminal_record_t)

cdef struct record_array_t:
    uint8_t* records                 # address space reserved for `max` records; memory is used as they come
    uint32_t count
    uint32_t max


cdef class Tables:
    cdef record_array_t accounts
    cdef record_array_t cards
    cdef record_array_t stores
    cdef record_array_t terminals
    cdef card_type_record_t* card_types          # by code
    cdef switch_record_t settings
    cdef GrowingIndex card_index                 # card number -> card's place | account's place << 32
    cdef GrowingIndex store_index
    cdef GrowingIndex terminal_index
    cdef GrowingIndex unlinked                   # account number -> place, for accounts whose card has not come yet
    cdef uint64_t newest_unlinked                # the last of them: as a rule its card comes next, and needs no index
    cdef uint32_t newest_unlinked_at

    cdef card_record_t* card(self, uint64_t card_number, account_record_t** account) noexcept nogil
    cdef card_type_record_t* card_type(self, uint32_t code) noexcept nogil
    cdef terminal_record_t* terminal(self, uint32_t terminal_id) noexcept nogil
    cdef store_record_t* store(self, uint32_t store_id) noexcept nogil
    cdef account_record_t* account_named(self, uint64_t account_number) noexcept nogil
    cdef int put(self, const uint8_t* record) noexcept nogil
    cdef bint room(self, uint32_t kind) noexcept nogil
    cdef void fetch(self, uint64_t card_number) noexcept nogil
