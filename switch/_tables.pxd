"""The ledger in memory: records of every kind, found by their keys."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from switch._arrays cimport NumberedTable, record_array_t
from switch._card_types cimport CardTypes
from switch._index cimport GrowingIndex
from switch._layout cimport (
    account_record_t, card_record_t, card_type_record_t, gift_record_t, key_record_t, organisation_record_t,
    points_category_record_t, ruleset_record_t, store_record_t, switch_record_t, terminal_record_t, type_state_record_t)
from switch._wide cimport WideTable


cdef class Tables:
    cdef record_array_t accounts
    cdef record_array_t cards
    cdef switch_record_t settings
    cdef GrowingIndex card_index                 # card number -> card's place | account's place << 32, or NO_ACCOUNT
    cdef GrowingIndex unlinked                   # account number -> place, where that card is not there or not linked
    cdef uint64_t newest_unlinked                # the last of them: as a rule its card comes next, and needs no index
    cdef uint32_t newest_unlinked_at

    cdef uint32_t* live_counts                   # by account's place: its live cards, derived, never stored
    cdef uint32_t card_counts_of_type[1024]      # by type: cards, reserved numbers included; derived likewise
    cdef uint32_t unended_counts_of_type[1024]   # by type: those of them that have not ended

    cdef void* tables_by_kind[256]               # NumberedTable or WideTable of a kind, owned below; NULL: another way
    cdef readonly CardTypes card_types
    cdef readonly NumberedTable stores
    cdef readonly NumberedTable terminals
    cdef readonly NumberedTable organisations
    cdef readonly NumberedTable type_states
    cdef readonly NumberedTable points_categories
    cdef readonly NumberedTable gifts
    cdef readonly NumberedTable rulesets

    cdef readonly WideTable card_limits
    cdef readonly WideTable purses
    cdef readonly WideTable holds
    cdef readonly WideTable pending
    cdef readonly WideTable marks
    cdef readonly WideTable rules
    cdef readonly WideTable prices
    cdef readonly WideTable day_closes

    cdef readonly NumberedTable medium_policies
    cdef readonly WideTable media
    cdef readonly WideTable keys
    cdef key_record_t* key_records[9][256]       # of `keys` by purpose and version, once `key` has found them
    cdef readonly WideTable travels
    cdef readonly WideTable alarms
    cdef readonly WideTable card_keys

    cdef card_record_t* card(self, uint64_t card_number, account_record_t** account) noexcept nogil
    cdef account_record_t* account_named(self, uint64_t account_number) noexcept nogil
    cdef card_type_record_t* card_type(self, uint32_t code, uint32_t business_date) noexcept nogil
    cdef bint type_exists(self, uint32_t code) noexcept nogil
    cdef uint64_t made_cards(self, uint32_t code) noexcept nogil
    cdef uint64_t live_cards(self, uint32_t code) noexcept nogil
    cdef uint32_t live_on(self, const account_record_t* account) noexcept nogil
    cdef store_record_t* store(self, uint32_t store_id) noexcept nogil
    cdef terminal_record_t* terminal(self, uint32_t terminal_id) noexcept nogil
    cdef organisation_record_t* organisation(self, uint32_t organisation_id) noexcept nogil
    cdef type_state_record_t* type_state(self, uint32_t code) noexcept nogil
    cdef points_category_record_t* points_category(self, uint32_t category) noexcept nogil
    cdef gift_record_t* gift(self, uint64_t gift_id) noexcept nogil
    cdef key_record_t* key(self, uint32_t purpose, uint32_t key_version) noexcept nogil
    cdef ruleset_record_t* ruleset(self, uint64_t ruleset) noexcept nogil
    cdef int _load_one(self, bytes record) except -1
    cdef NumberedTable numbered(self, uint32_t kind)
    cdef WideTable wide(self, uint32_t kind)
    cdef int put(self, const uint8_t* record) noexcept nogil
    cdef void forget(self, uint8_t* record) noexcept nogil
    cdef bint room(self, uint32_t kind, uint32_t count=*) noexcept nogil
    cdef void fetch(self, uint64_t card_number) noexcept nogil
