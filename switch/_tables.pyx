"""The ledger in memory: records of every kind, found by their keys.

Records are the same bytes here, in LMDB and as images in the journal, so
`put` serves all three: a decision that creates a record, an entry that is
replayed, a record that is loaded.  Putting the same record twice is as once.
Records never move; only those with a wide key are ever removed.
"""

from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memmove, memset

from switch._arrays cimport NumberedTable, append, record_array_t, release, release_bytes, reserve, reserve_bytes
from switch._card_types cimport CardTypes
from switch._index cimport GrowingIndex, slot_t
from switch._layout cimport (
    CARD_RELEASED, CARD_TYPE_CODE_MAX, FIRST_WIDE_KEY_KIND, KIND_ACCOUNT, KIND_ALARM, KIND_CARD, KIND_CARD_KEY,
    KIND_CARD_LIMIT, KIND_KEY, KIND_MEDIUM, KIND_MEDIUM_POLICY, KIND_CARD_TYPE, KIND_DAY_CLOSE, KIND_GIFT,
    KIND_HOLD, KIND_MARK, KIND_ORGANISATION, KIND_PENDING_POINTS, KIND_POINTS_CATEGORY, KIND_PRICE, KIND_PURSE,
    KIND_RULE, KIND_RULESET, KIND_STORE, KIND_SWITCH, KIND_TERMINAL, KIND_TRAVEL, KIND_TYPE_STATE, RECORD_BYTES_OF,
    STATUSES_ENDED, STATUSES_LIVE, account_record_t, card_record_t, card_type_record_t, gift_record_t,
    key_record_t, organisation_record_t, points_category_record_t, ruleset_record_t, store_record_t, switch_record_t,
    terminal_record_t, type_state_record_t)
from switch._wide cimport WideTable
from switch._wide import HASH_KEY_BYTES

cdef extern from *:
    """
    #define fetch_line(p) __builtin_prefetch((p), 1, 3)
    """
    void fetch_line(const void* p) noexcept nogil

POINTS_CATEGORY_MAX = 63
"""An account keeps one bit for each category."""
GIFTS_MAX = 65_536
"""As many as there may be stores: address space, memory as they come."""
RULESETS_MAX = 65_536
"""Likewise."""
KEYS_MAX = 2_048
"""255 versions of each of 8 purposes."""
TRAVELS_MAX = 65_536
"""Pairs of stores that are near enough to be entered one by one; all others have the policy's minutes."""

cdef enum:
    LINE_BYTES = 64
    PURPOSES = 9                     # of keys: 1 to 8
    MEDIUM_OWNER_WORD = 4            # the card number of a medium's record: a card finds its media
    KEY_VERSIONS = 256

cdef uint64_t NO_ACCOUNT = 0xFFFFFFFF            # in place of an account's place


cdef class Tables:
    """All records of one partition, bounded by the given maxima.

    `hash_key`: see `WideTable`; whatever it is, the same records come out.
    """

    def __cinit__(self, uint32_t cards_max, uint32_t terminals_max, uint32_t stores_max, accounts_max=None, *,
                  uint32_t organisations_max=65_536, uint32_t purses_max=10_000, uint32_t holds_max=10_000,
                  uint32_t pending_points_max=10_000, uint32_t marks_max=100_000, uint32_t card_limits_max=10_000,
                  uint32_t rules_max=10_000, uint32_t prices_max=10_000, uint32_t day_closes_max=10_000,
                  uint32_t media_max=10_000, uint32_t card_keys_max=10_000, uint32_t alarms_max=10_000,
                  bytes hash_key=bytes(HASH_KEY_BYTES)):
        # An account has at least one card, so there are never more of them.
        reserve(&self.accounts, cards_max if accounts_max is None else accounts_max, sizeof(account_record_t))
        reserve(&self.cards, cards_max, sizeof(card_record_t))
        memset(&self.settings, 0, sizeof(switch_record_t))
        self.live_counts = <uint32_t*>reserve_bytes(<uint64_t>max(self.accounts.max, 1) * sizeof(uint32_t))
        memset(self.card_counts_of_type, 0, sizeof(self.card_counts_of_type))
        memset(self.unended_counts_of_type, 0, sizeof(self.unended_counts_of_type))
        self.card_index = GrowingIndex()
        self.unlinked = GrowingIndex()

        self.card_types = CardTypes()
        self.stores = NumberedTable(KIND_STORE, stores_max)
        self.terminals = NumberedTable(KIND_TERMINAL, terminals_max)
        self.organisations = NumberedTable(KIND_ORGANISATION, organisations_max)
        self.type_states = NumberedTable(KIND_TYPE_STATE, CARD_TYPE_CODE_MAX + 1, 0, CARD_TYPE_CODE_MAX)
        self.points_categories = NumberedTable(KIND_POINTS_CATEGORY, POINTS_CATEGORY_MAX + 1, 0, POINTS_CATEGORY_MAX)
        self.gifts = NumberedTable(KIND_GIFT, GIFTS_MAX)
        self.rulesets = NumberedTable(KIND_RULESET, RULESETS_MAX)
        self.card_limits = WideTable(KIND_CARD_LIMIT, card_limits_max, hash_key)
        self.purses = WideTable(KIND_PURSE, purses_max, hash_key, True)
        self.holds = WideTable(KIND_HOLD, holds_max, hash_key)
        self.pending = WideTable(KIND_PENDING_POINTS, pending_points_max, hash_key)
        self.marks = WideTable(KIND_MARK, marks_max, hash_key)
        self.rules = WideTable(KIND_RULE, rules_max, hash_key)
        self.prices = WideTable(KIND_PRICE, prices_max, hash_key)
        self.day_closes = WideTable(KIND_DAY_CLOSE, day_closes_max, hash_key)
        self.medium_policies = NumberedTable(KIND_MEDIUM_POLICY, CARD_TYPE_CODE_MAX + 1, 0, CARD_TYPE_CODE_MAX)
        self.media = WideTable(KIND_MEDIUM, media_max, hash_key, True, MEDIUM_OWNER_WORD)
        self.keys = WideTable(KIND_KEY, KEYS_MAX, hash_key)
        self.travels = WideTable(KIND_TRAVEL, TRAVELS_MAX, hash_key)
        self.alarms = WideTable(KIND_ALARM, alarms_max, hash_key)
        self.card_keys = WideTable(KIND_CARD_KEY, card_keys_max, hash_key)
        for table in (self.stores, self.terminals, self.organisations, self.type_states, self.points_categories,
                      self.gifts, self.rulesets, self.card_limits, self.purses, self.holds, self.pending, self.marks,
                      self.rules, self.prices, self.day_closes, self.medium_policies, self.media, self.keys,
                      self.travels, self.alarms, self.card_keys):
            self.tables_by_kind[<int>table.kind] = <void*>table

    def __dealloc__(self):
        release_bytes(self.live_counts, <uint64_t>max(self.accounts.max, 1) * sizeof(uint32_t))
        release(&self.accounts)
        release(&self.cards)

    # -- for recovery, tools and tests

    def counts(self):
        """Number of records per table."""
        return {"accounts": self.accounts.count, "cards": self.cards.count, "stores": len(self.stores),
                "terminals": len(self.terminals), "organisations": len(self.organisations),
                "card_type_versions": len(self.card_types), "points_categories": len(self.points_categories),
                "gifts": len(self.gifts), "rulesets": len(self.rulesets), "card_limits": len(self.card_limits),
                "purses": len(self.purses), "holds": len(self.holds), "pending_points": len(self.pending),
                "marks": len(self.marks), "rules": len(self.rules), "prices": len(self.prices),
                "day_closes": len(self.day_closes), "medium_policies": len(self.medium_policies),
                "media": len(self.media), "keys": len(self.keys), "travels": len(self.travels),
                "alarms": len(self.alarms), "card_keys": len(self.card_keys)}

    cdef NumberedTable numbered(self, uint32_t kind):
        """Table of a kind that has a number as its key."""
        return <NumberedTable?><object>self.tables_by_kind[kind]

    cdef WideTable wide(self, uint32_t kind):
        """Table of a kind with a wide key."""
        return <WideTable?><object>self.tables_by_kind[kind]

    def records(self, uint8_t kind):
        """Every record of a kind as bytes, in no particular order."""
        cdef record_array_t* array
        cdef uint32_t i
        if self.tables_by_kind[kind] != NULL:
            yield from (<object>self.tables_by_kind[kind]).records()
        elif kind == KIND_SWITCH:
            if self.settings.kind:
                yield (<uint8_t*>&self.settings)[:sizeof(switch_record_t)]
        elif kind == KIND_CARD_TYPE:
            yield from self.card_types.records()
        elif kind in (KIND_ACCOUNT, KIND_CARD):
            array = &self.accounts if kind == KIND_ACCOUNT else &self.cards
            for i in range(array.count):
                yield (array.records + <uint64_t>i * array.width_bytes)[:array.width_bytes]

    def get(self, uint8_t kind, key):
        """One record as bytes, or None; the key is a number, or three for kinds with a wide key."""
        cdef const uint8_t* at = NULL
        cdef account_record_t* account
        cdef uint64_t number
        if self.tables_by_kind[kind] != NULL:
            return (<object>self.tables_by_kind[kind]).get(key)
        if kind == KIND_CARD_TYPE:
            return self.card_types.get(key)
        number = key
        if kind == KIND_ACCOUNT:
            at = <const uint8_t*>self.account_named(number)
        elif kind == KIND_CARD:
            at = <const uint8_t*>self.card(number, &account)
        elif kind == KIND_SWITCH and self.settings.kind and self.settings.partition == number:
            at = <const uint8_t*>&self.settings
        return None if at == NULL else at[:RECORD_BYTES_OF[kind]]

    def cards_of_type(self, uint32_t code):
        """(cards ever made of a type, those of them that have not ended)."""
        return self.made_cards(code), self.live_cards(code)

    def live_cards_of(self, uint64_t account_number):
        """Live cards of an account; 0 when there is no such account."""
        cdef const account_record_t* account = self.account_named(account_number)
        return 0 if account == NULL else self.live_on(account)

    def load(self, records):
        """Put every record of an iterable of bytes; ValueError names the record that does not fit."""
        for record in records:
            self._load_one(record)

    cdef int _load_one(self, bytes record) except -1:
        cdef const uint8_t* at = record
        if PyBytes_GET_SIZE(record) != RECORD_BYTES_OF[at[0]] or self.put(at) != 0:
            raise ValueError(
                f"ledger record: expected the bytes of a known kind with room in its table, "
                f"got kind {record[:1].hex()} and {len(record)} bytes; "
                "raise the configured maximum, or rebuild the balance store")
        return 0

    def load_accounts_and_cards(self, accounts, cards):
        """Put accounts and cards, both in the order of their numbers, side by side.

        Nearly every card has the number of its account, which then is the one put just before: no search.
        """
        cdef uint64_t card_number, account_number = 0
        cdef bytes card, account
        cdef const uint8_t* at
        accounts = iter(accounts)
        for card in cards:
            at = card
            if PyBytes_GET_SIZE(card) != sizeof(card_record_t):
                self._load_one(card)
                continue
            card_number = (<const card_record_t*>at).card_number
            while account_number < card_number:
                account = next(accounts, None)
                if account is None:
                    break
                self._load_one(account)
                at = account
                account_number = (<const account_record_t*>at).account_number
            at = card
            if self.put(at) != 0:
                self.load(accounts)              # its account has a higher number than the card: take all that are left
                self._load_one(card)
        self.load(accounts)

    def loaded(self):
        """All records are there: the index needs only the accounts that the card of their number does not lead to."""
        cdef GrowingIndex left = GrowingIndex()
        cdef const account_record_t* account
        cdef uint64_t part, i, place
        if remember_newest(self) != 0:
            raise MemoryError("tables: no memory for an index")
        for part in range(1024):
            if self.unlinked.parts[part].slots == NULL:
                continue
            for i in range(self.unlinked.parts[part].mask + 1):
                if self.unlinked.parts[part].slots[i].key == 0:
                    continue
                place = self.unlinked.parts[part].slots[i].value
                account = &(<const account_record_t*>self.accounts.records)[place]
                if linked_place(self, account.account_number) < 0:
                    left.put(account.account_number, place)
        self.unlinked = left
        self.newest_unlinked = 0

    # -- finding

    cdef card_record_t* card(self, uint64_t card_number, account_record_t** account) noexcept nogil:
        """The card and its account (NULL before it is issued); NULL when unknown."""
        cdef slot_t* slot = self.card_index.find(card_number) if card_number != 0 else NULL
        account[0] = NULL
        if slot == NULL:
            return NULL
        if slot.value >> 32 != NO_ACCOUNT:
            account[0] = &(<account_record_t*>self.accounts.records)[slot.value >> 32]
        return &(<card_record_t*>self.cards.records)[<uint32_t>slot.value]

    cdef void fetch(self, uint64_t card_number) noexcept nogil:
        """Ask for the memory of a card and its account ahead of a decision."""
        cdef slot_t* slot = self.card_index.find(card_number) if card_number != 0 else NULL
        cdef const uint8_t* account
        if slot != NULL:
            fetch_line(self.cards.records + <uint64_t>(<uint32_t>slot.value) * sizeof(card_record_t))
            if slot.value >> 32 != NO_ACCOUNT:
                account = self.accounts.records + (slot.value >> 32) * sizeof(account_record_t)
                fetch_line(account)
                fetch_line(account + LINE_BYTES)

    cdef account_record_t* account_named(self, uint64_t account_number) noexcept nogil:
        """The account with a number; NULL when there is none."""
        cdef int64_t place = account_place(self, account_number)
        return NULL if place < 0 else &(<account_record_t*>self.accounts.records)[place]

    cdef card_type_record_t* card_type(self, uint32_t code, uint32_t business_date) noexcept nogil:
        """The version of a type that is in force on a date; NULL when there is none."""
        return self.card_types.in_force(code, business_date)

    cdef bint type_exists(self, uint32_t code) noexcept nogil:
        """Whether a type has any version, in force or not."""
        return self.card_types.exists(code)

    cdef uint64_t made_cards(self, uint32_t code) noexcept nogil:
        """Cards ever made of a type, reserved numbers included."""
        return self.card_counts_of_type[code] if code <= CARD_TYPE_CODE_MAX else 0

    cdef uint64_t live_cards(self, uint32_t code) noexcept nogil:
        """Cards of a type that have not ended, those in stock included."""
        return self.unended_counts_of_type[code] if code <= CARD_TYPE_CODE_MAX else 0

    cdef uint32_t live_on(self, const account_record_t* account) noexcept nogil:
        """Live cards of an account."""
        return self.live_counts[account - <const account_record_t*>self.accounts.records]

    cdef store_record_t* store(self, uint32_t store_id) noexcept nogil:
        return <store_record_t*>self.stores.find(store_id)

    cdef terminal_record_t* terminal(self, uint32_t terminal_id) noexcept nogil:
        return <terminal_record_t*>self.terminals.find(terminal_id)

    cdef organisation_record_t* organisation(self, uint32_t organisation_id) noexcept nogil:
        return <organisation_record_t*>self.organisations.find(organisation_id)

    cdef type_state_record_t* type_state(self, uint32_t code) noexcept nogil:
        return <type_state_record_t*>self.type_states.find(code)

    cdef points_category_record_t* points_category(self, uint32_t category) noexcept nogil:
        return <points_category_record_t*>self.points_categories.find(category)

    cdef gift_record_t* gift(self, uint64_t gift_id) noexcept nogil:
        return <gift_record_t*>self.gifts.find(gift_id)

    cdef key_record_t* key(self, uint32_t purpose, uint32_t key_version) noexcept nogil:
        """A key's record, NULL when there is none: records of keys neither move nor go, so each is searched once."""
        if purpose >= PURPOSES or key_version >= KEY_VERSIONS:
            return NULL
        if self.key_records[purpose][key_version] == NULL:
            self.key_records[purpose][key_version] = <key_record_t*>self.keys.find(purpose, key_version, 0)
        return self.key_records[purpose][key_version]

    cdef ruleset_record_t* ruleset(self, uint64_t ruleset) noexcept nogil:
        return <ruleset_record_t*>self.rulesets.find(ruleset)

    # -- changing

    cdef bint room(self, uint32_t kind, uint32_t count=1) noexcept nogil:
        """Whether this many more records of the kind fit."""
        if kind == KIND_ACCOUNT:
            return self.accounts.max - self.accounts.count >= count
        if kind == KIND_CARD:
            return self.cards.max - self.cards.count >= count
        if kind == KIND_CARD_TYPE:
            return self.card_types.room(count)
        if kind > 255 or self.tables_by_kind[kind] == NULL:
            return False
        if kind >= FIRST_WIDE_KEY_KIND:
            return (<WideTable>self.tables_by_kind[kind]).room(count)
        return (<NumberedTable>self.tables_by_kind[kind]).room(count)

    cdef int put(self, const uint8_t* record) noexcept nogil:
        """Store a record under its key, remove one that is gone.

        Returns 0, or -1: unknown kind, no room, no memory, a key that may not be, a card of an unknown account.
        """
        cdef uint8_t kind = record[0]
        if kind == KIND_ACCOUNT:
            return put_account(self, <const account_record_t*>record)
        if kind == KIND_CARD:
            return put_card(self, <const card_record_t*>record)
        if kind == KIND_CARD_TYPE:
            return self.card_types.put(record)
        if kind == KIND_SWITCH:
            memmove(&self.settings, record, sizeof(switch_record_t))
            return 0
        if self.tables_by_kind[kind] == NULL:
            return -1
        if kind >= FIRST_WIDE_KEY_KIND:
            return (<WideTable>self.tables_by_kind[kind]).put(record)
        return (<NumberedTable>self.tables_by_kind[kind]).put(record)

    cdef void forget(self, uint8_t* record) noexcept nogil:
        """Remove a record with a wide key that has ended, after the images of its entry have been copied."""
        (<WideTable>self.tables_by_kind[record[0]]).forget(record)


# ------------------------------------------------------------------------ accounts and cards

cdef inline int64_t linked_place(Tables tables, uint64_t account_number) noexcept nogil:
    """Place of an account by the card of its number; -1 when there is no such card or it spends from another one."""
    cdef slot_t* slot = tables.card_index.find(account_number) if account_number != 0 else NULL
    if slot == NULL or slot.value >> 32 == NO_ACCOUNT:
        return -1
    if (<const account_record_t*>tables.accounts.records)[slot.value >> 32].account_number != account_number:
        return -1
    return <int64_t>(slot.value >> 32)


cdef inline int64_t unlinked_place(Tables tables, uint64_t account_number) noexcept nogil:
    """Place of an account that the card of its number does not lead to, or -1."""
    cdef slot_t* slot
    if account_number == 0:
        return -1
    if tables.newest_unlinked == account_number:
        return tables.newest_unlinked_at
    slot = tables.unlinked.find(account_number)
    return -1 if slot == NULL else <int64_t>slot.value


cdef inline int64_t account_place(Tables tables, uint64_t account_number) noexcept nogil:
    cdef int64_t place = linked_place(tables, account_number)
    return place if place >= 0 else unlinked_place(tables, account_number)


cdef int remember_newest(Tables tables) noexcept nogil:
    """The newest account without card is not the newest any more: find it by the index from now on."""
    if tables.newest_unlinked == 0:
        return 0
    return remember_unlinked(tables, tables.newest_unlinked, tables.newest_unlinked_at)


cdef int remember_unlinked(Tables tables, uint64_t account_number, uint64_t place) noexcept nogil:
    if tables.unlinked.find(account_number) != NULL:
        return 0
    return 0 if tables.unlinked.insert(account_number, place) != NULL else -1


cdef int put_account(Tables tables, const account_record_t* record) noexcept nogil:
    cdef int64_t place = account_place(tables, record.account_number)
    if place >= 0:
        memmove(&(<account_record_t*>tables.accounts.records)[place], record, sizeof(account_record_t))
        return 0
    # A new account comes before its first card; until then it is found by its own number.
    if record.account_number == 0:
        return -1
    if append(&tables.accounts, <const uint8_t*>record) == NULL or remember_newest(tables) != 0:
        return -1
    tables.newest_unlinked = record.account_number
    tables.newest_unlinked_at = tables.accounts.count - 1
    return 0


cdef int put_card(Tables tables, const card_record_t* record) noexcept nogil:
    cdef slot_t* slot
    cdef card_record_t* known
    cdef int64_t account_at
    cdef uint64_t linked_at = NO_ACCOUNT, left_at
    if record.card_number == 0:
        return -1
    slot = tables.card_index.find(record.card_number)
    # What the card is linked to says the index: a decision may have written the new number into the record already.
    if slot != NULL and slot.value >> 32 != NO_ACCOUNT and record.account_number == (
            <const account_record_t*>tables.accounts.records)[slot.value >> 32].account_number:
        linked_at = slot.value >> 32
    elif record.account_number != 0:
        # By its own number it does not lead to the account yet: spare the search.
        account_at = (unlinked_place(tables, record.account_number) if record.card_number == record.account_number
                      else account_place(tables, record.account_number))
        if account_at < 0:
            return -1
        linked_at = <uint64_t>account_at
        if tables.newest_unlinked == record.account_number:
            if record.card_number != record.account_number and remember_newest(tables) != 0:
                return -1                        # its first card is still to come
            tables.newest_unlinked = 0
    if slot == NULL:
        if append(&tables.cards, <const uint8_t*>record) == NULL:
            return -1
        count_card(tables, record, linked_at, 1)
        linked_at = <uint64_t>(tables.cards.count - 1) | linked_at << 32
        return 0 if tables.card_index.insert(record.card_number, linked_at) != NULL else -1
    left_at = slot.value >> 32
    if left_at != linked_at:
        # Issued, or moved to another account: the one that it leaves may have been found by it until now.
        if left_at != NO_ACCOUNT and record.card_number == (
                <const account_record_t*>tables.accounts.records)[left_at].account_number:
            if remember_unlinked(tables, record.card_number, left_at) != 0:
                return -1
        slot.value = <uint64_t>(<uint32_t>slot.value) | linked_at << 32
    known = &(<card_record_t*>tables.cards.records)[<uint32_t>slot.value]
    count_card(tables, known, left_at, -1)
    memmove(known, record, sizeof(card_record_t))
    count_card(tables, known, linked_at, 1)
    return 0


cdef inline void count_card(Tables tables, const card_record_t* card, uint64_t account_at, int change) noexcept nogil:
    """A card comes into what is counted over all cards, or leaves it. So its status changes by `put` only."""
    cdef uint32_t status = <uint32_t>1 << card.status if card.status <= CARD_RELEASED else 0
    if card.card_type <= CARD_TYPE_CODE_MAX:
        tables.card_counts_of_type[card.card_type] += change
        if not STATUSES_ENDED & status:
            tables.unended_counts_of_type[card.card_type] += change
    if account_at != NO_ACCOUNT and STATUSES_LIVE & status:
        tables.live_counts[account_at] += change
