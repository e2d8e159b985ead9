"""The ledger in memory: one array of 64-byte records per kind, found by number.

Records are the same bytes here, in LMDB and as images in the journal, so
`put` serves all three: a decision that creates a record, an entry that is
replayed, a record that is loaded.  Putting the same record twice is as once.
Records never move and are never removed.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from switch._index cimport GrowingIndex, slot_t
from switch._layout cimport (
    KIND_ACCOUNT, KIND_CARD, KIND_CARD_TYPE, KIND_STORE, KIND_SWITCH, KIND_TERMINAL, RECORD_BYTES, CARD_TYPE_CODE_MAX,
    account_record_t, card_record_t, card_type_record_t, store_record_t, switch_record_t, terminal_record_t)

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void* address, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* address, size_t size)
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
    void* MAP_FAILED


cdef extern from *:
    """
    #define fetch_line(p) __builtin_prefetch((p), 1, 3)
    """
    void fetch_line(const void* p) noexcept nogil


cdef int reserve(record_array_t* array, uint32_t records_max) except -1:
    cdef void* at = mmap(NULL, <size_t>records_max * RECORD_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    if at == MAP_FAILED:
        raise MemoryError(f"tables: expected address space for {records_max} records; lower the configured maximum")
    array.records = <uint8_t*>at
    array.count = 0
    array.max = records_max
    return 0


cdef void release(record_array_t* array) noexcept:
    if array.records != NULL:
        munmap(array.records, <size_t>array.max * RECORD_BYTES)


cdef class Tables:
    """All records of one partition, bounded by the given maxima."""

    def __cinit__(self, uint32_t cards_max, uint32_t terminals_max, uint32_t stores_max, accounts_max=None):
        # An account has at least one card, so there are never more of them.
        reserve(&self.accounts, cards_max if accounts_max is None else accounts_max)
        reserve(&self.cards, cards_max)
        reserve(&self.terminals, terminals_max)
        reserve(&self.stores, stores_max)
        self.card_types = <card_type_record_t*>calloc(CARD_TYPE_CODE_MAX + 1, RECORD_BYTES)
        if self.card_types == NULL:
            raise MemoryError("tables: no memory for card types")
        memset(&self.settings, 0, sizeof(switch_record_t))
        self.card_index = GrowingIndex()
        self.store_index = GrowingIndex()
        self.terminal_index = GrowingIndex()
        self.unlinked = GrowingIndex()

    def __dealloc__(self):
        release(&self.accounts)
        release(&self.cards)
        release(&self.terminals)
        release(&self.stores)
        free(self.card_types)

    def counts(self):
        """Number of records per table."""
        return {"accounts": self.accounts.count, "cards": self.cards.count,
                "stores": self.stores.count, "terminals": self.terminals.count}

    def records(self, int kind):
        """Every record of a kind as bytes, in no particular order."""
        cdef record_array_t* array
        cdef uint32_t i
        if kind == KIND_CARD_TYPE:
            for i in range(CARD_TYPE_CODE_MAX + 1):
                if self.card_types[i].kind:
                    yield (<uint8_t*>&self.card_types[i])[:RECORD_BYTES]
            return
        if kind == KIND_SWITCH:
            if self.settings.kind:
                yield (<uint8_t*>&self.settings)[:RECORD_BYTES]
            return
        array = (&self.accounts if kind == KIND_ACCOUNT else &self.cards if kind == KIND_CARD
                 else &self.stores if kind == KIND_STORE else &self.terminals)
        for i in range(array.count):
            yield (array.records + <size_t>i * RECORD_BYTES)[:RECORD_BYTES]

    def load(self, records):
        """Put every record of an iterable of bytes; ValueError names the record that does not fit."""
        cdef const uint8_t* at
        for record in records:
            at = record
            if len(record) != RECORD_BYTES or self.put(at) != 0:
                raise self._misfit(record)

    def load_accounts_and_cards(self, accounts, cards):
        """Put accounts and cards, both in the order of their numbers, side by side.

        Nearly every card has the number of its account, which then is the one put just before: no search.
        """
        cdef const uint8_t* at
        cdef uint64_t card_number, account_number = 0
        accounts = iter(accounts)
        for card in cards:
            at = card
            card_number = (<const card_record_t*>at).card_number
            while account_number < card_number:
                account = next(accounts, None)
                if account is None:
                    break
                at = account
                account_number = (<const account_record_t*>at).account_number
                if self.put(at) != 0:
                    raise self._misfit(account)
            at = card
            if self.put(at) != 0:
                self.load(accounts)              # its account has a higher number than the card: take all that are left
                if self.put(at) != 0:
                    raise self._misfit(card)
        self.load(accounts)

    def _misfit(self, record):
        return ValueError(f"ledger record: expected {RECORD_BYTES} bytes of a known kind with room in its table, "
                          f"got kind {record[:1].hex()} and {len(record)} bytes; "
                          "raise the configured maximum, or rebuild the balance store")

    def loaded(self):
        """All records are there: every account has its card, so the index of those without can go."""
        self.unlinked.clear()
        self.newest_unlinked = 0

    def get(self, int kind, uint64_t key):
        """One record as bytes, or None."""
        cdef const uint8_t* at = NULL
        cdef account_record_t* account
        if kind == KIND_ACCOUNT:
            at = <const uint8_t*>self.account_named(key)
        elif kind == KIND_CARD:
            at = <const uint8_t*>self.card(key, &account)
        elif kind == KIND_CARD_TYPE:
            at = <const uint8_t*>self.card_type(<uint32_t>key)
        elif kind == KIND_STORE:
            at = <const uint8_t*>self.store(<uint32_t>key)
        elif kind == KIND_TERMINAL:
            at = <const uint8_t*>self.terminal(<uint32_t>key)
        elif kind == KIND_SWITCH and self.settings.kind:
            at = <const uint8_t*>&self.settings
        return None if at == NULL else at[:RECORD_BYTES]

    cdef card_record_t* card(self, uint64_t card_number, account_record_t** account) noexcept nogil:
        """The card and its account; NULL when unknown."""
        cdef slot_t* slot = self.card_index.find(card_number) if card_number != 0 else NULL
        if slot == NULL:
            return NULL
        account[0] = &(<account_record_t*>self.accounts.records)[slot.value >> 32]
        return &(<card_record_t*>self.cards.records)[<uint32_t>slot.value]

    cdef void fetch(self, uint64_t card_number) noexcept nogil:
        """Ask for the memory of a card and its account ahead of a decision."""
        cdef slot_t* slot = self.card_index.find(card_number) if card_number != 0 else NULL
        if slot != NULL:
            fetch_line(self.cards.records + <uint64_t>(<uint32_t>slot.value) * RECORD_BYTES)
            fetch_line(self.accounts.records + (slot.value >> 32) * RECORD_BYTES)

    cdef card_type_record_t* card_type(self, uint32_t code) noexcept nogil:
        if code > CARD_TYPE_CODE_MAX or self.card_types[code].kind == 0:
            return NULL
        return &self.card_types[code]

    cdef terminal_record_t* terminal(self, uint32_t terminal_id) noexcept nogil:
        cdef slot_t* slot = self.terminal_index.find(terminal_id) if terminal_id != 0 else NULL
        return NULL if slot == NULL else &(<terminal_record_t*>self.terminals.records)[slot.value]

    cdef store_record_t* store(self, uint32_t store_id) noexcept nogil:
        cdef slot_t* slot = self.store_index.find(store_id) if store_id != 0 else NULL
        return NULL if slot == NULL else &(<store_record_t*>self.stores.records)[slot.value]

    cdef account_record_t* account_named(self, uint64_t account_number) noexcept nogil:
        """The account named by its first card; NULL when no card has the number or it spends from another account."""
        cdef account_record_t* account = NULL
        if self.card(account_number, &account) == NULL or account.account_number != account_number:
            return NULL
        return account

    cdef bint room(self, uint32_t kind) noexcept nogil:
        """Whether one more record of the kind fits."""
        if kind == KIND_CARD:
            return self.cards.count < self.cards.max
        if kind == KIND_ACCOUNT:
            return self.accounts.count < self.accounts.max
        if kind == KIND_STORE:
            return self.stores.count < self.stores.max
        return self.terminals.count < self.terminals.max

    cdef int put(self, const uint8_t* record) noexcept nogil:
        """Store a record under its key. Returns 0, or -1: unknown kind, no room, no memory, a card without account."""
        cdef uint8_t kind = record[0]
        if kind == KIND_ACCOUNT:
            return put_account(self, <const account_record_t*>record)
        if kind == KIND_CARD:
            return put_card(self, <const card_record_t*>record)
        if kind == KIND_CARD_TYPE:
            if (<const card_type_record_t*>record).code > CARD_TYPE_CODE_MAX:
                return -1
            memcpy(&self.card_types[(<const card_type_record_t*>record).code], record, RECORD_BYTES)
            return 0
        if kind == KIND_STORE:
            return put_numbered(&self.stores, self.store_index, (<const store_record_t*>record).store_id, record)
        if kind == KIND_TERMINAL:
            return put_numbered(&self.terminals, self.terminal_index, (<const terminal_record_t*>record).terminal_id,
                                record)
        if kind == KIND_SWITCH:
            memcpy(&self.settings, record, RECORD_BYTES)
            return 0
        return -1


cdef int append(record_array_t* array, const uint8_t* record) noexcept nogil:
    if array.count >= array.max:
        return -1
    memcpy(array.records + <size_t>array.count * RECORD_BYTES, record, RECORD_BYTES)
    array.count += 1
    return 0


cdef int put_numbered(record_array_t* array, GrowingIndex index, uint64_t key, const uint8_t* record) noexcept nogil:
    cdef slot_t* slot
    if key == 0:
        return -1
    slot = index.find(key)
    if slot != NULL:
        memcpy(array.records + slot.value * RECORD_BYTES, record, RECORD_BYTES)
        return 0
    if append(array, record) != 0:
        return -1
    return 0 if index.insert(key, array.count - 1) != NULL else -1


cdef int put_account(Tables tables, const account_record_t* record) noexcept nogil:
    cdef account_record_t* known = tables.account_named(record.account_number)
    if known != NULL:
        memcpy(known, record, RECORD_BYTES)
        return 0
    # A new account comes before its first card; until then it is found by its own number.
    if record.account_number == 0:
        return -1
    at = unlinked_place(tables, record.account_number)
    if at >= 0:
        memcpy(tables.accounts.records + <uint64_t>at * RECORD_BYTES, record, RECORD_BYTES)
        return 0
    if append(&tables.accounts, <const uint8_t*>record) != 0 or remember_newest(tables) != 0:
        return -1
    tables.newest_unlinked = record.account_number
    tables.newest_unlinked_at = tables.accounts.count - 1
    return 0


cdef int remember_newest(Tables tables) noexcept nogil:
    """The newest account without card is not the newest any more: find it by the index from now on."""
    if tables.newest_unlinked == 0 or tables.unlinked.find(tables.newest_unlinked) != NULL:
        return 0
    return 0 if tables.unlinked.insert(tables.newest_unlinked, tables.newest_unlinked_at) != NULL else -1


cdef int64_t unlinked_place(Tables tables, uint64_t account_number) noexcept nogil:
    """Place of an account whose first card has not come yet, or -1."""
    cdef slot_t* slot
    if tables.newest_unlinked == account_number:
        return tables.newest_unlinked_at
    slot = tables.unlinked.find(account_number)
    return -1 if slot == NULL else <int64_t>slot.value


cdef int put_card(Tables tables, const card_record_t* record) noexcept nogil:
    cdef slot_t* slot
    cdef account_record_t* account
    cdef int64_t account_at
    cdef uint64_t place
    if record.card_number == 0:
        return -1
    slot = tables.card_index.find(record.card_number)
    if slot != NULL:
        memcpy(tables.cards.records + <uint64_t>(<uint32_t>slot.value) * RECORD_BYTES, record, RECORD_BYTES)
        return 0
    account = tables.account_named(record.account_number)
    if account != NULL:
        account_at = account - <account_record_t*>tables.accounts.records
    else:
        account_at = unlinked_place(tables, record.account_number)
        if account_at < 0:
            return -1
        if record.card_number != record.account_number and remember_newest(tables) != 0:
            return -1                            # its first card is still to come
        if tables.newest_unlinked == record.account_number:
            tables.newest_unlinked = 0
    if append(&tables.cards, <const uint8_t*>record) != 0:
        return -1
    place = <uint64_t>(tables.cards.count - 1) | (<uint64_t>account_at << 32)
    return 0 if tables.card_index.insert(record.card_number, place) != NULL else -1
