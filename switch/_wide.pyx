"""Records with a key of three numbers, that come and go: purses, holds, marks, rules, prices and others.

Linear hashing with chains: each new record splits one bucket, so growing has
no pauses, and nothing ever moves but 4 bytes per bucket.  Everything lies in
reserved address space, so making a record cannot fail for want of memory
before `records_max` is reached.

External references are keys too, and whoever sends them could choose them to
fall into one bucket; so the hash is SipHash-1-3 under a key that a switch
draws at its start.  No result depends on that key: records are found by their
whole key, and places are given in the order of making.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from switch._arrays cimport release_bytes, reserve_bytes
from switch._layout cimport FIRST_WIDE_KEY_KIND, GONE, RECORD_BYTES_OF

cdef extern from "<sys/mman.h>" nogil:
    int madvise(void* address, size_t size, int advice)
    int MADV_NOHUGEPAGE

cdef enum:
    BUCKETS_AT_FIRST = 64
    STATE_AT = 2                     # offset of `state`, GONE when a record has ended
    OWNER_BUCKETS_MAX = 4194304
    FIRST_KEY_WORD = 1

HASH_KEY_BYTES = 16


cdef inline uint64_t turned(uint64_t word, int bits) noexcept nogil:
    return word << bits | word >> (64 - bits)


cdef inline void sip_round(uint64_t* v) noexcept nogil:
    v[0] += v[1]
    v[1] = turned(v[1], 13) ^ v[0]
    v[0] = turned(v[0], 32)
    v[2] += v[3]
    v[3] = turned(v[3], 16) ^ v[2]
    v[0] += v[3]
    v[3] = turned(v[3], 21) ^ v[0]
    v[2] += v[1]
    v[1] = turned(v[1], 17) ^ v[2]
    v[2] = turned(v[2], 32)


cdef extern from *:
    """
    #define fetch_line(p) __builtin_prefetch((p), 1, 3)
    """
    void fetch_line(const void* p) noexcept nogil

cdef enum:
    LINE_BYTES = 64


cdef inline uint32_t hash_of(uint64_t key_a, uint64_t key_b, uint64_t a, uint64_t b, uint64_t c) noexcept nogil:
    """SipHash-1-3 (Aumasson and Bernstein) of the 24 bytes of a key."""
    cdef uint64_t v[4]
    cdef uint64_t words[4]
    cdef int i, _round
    v[0], v[1] = key_a ^ <uint64_t>0x736F6D6570736575, key_b ^ <uint64_t>0x646F72616E646F6D
    v[2], v[3] = key_a ^ <uint64_t>0x6C7967656E657261, key_b ^ <uint64_t>0x7465646279746573
    words[0], words[1], words[2], words[3] = a, b, c, <uint64_t>24 << 56
    for i in range(4):
        v[3] ^= words[i]
        sip_round(v)
        v[0] ^= words[i]
    v[2] ^= 0xFF
    for _round in range(3):
        sip_round(v)
    return <uint32_t>(v[0] ^ v[1] ^ v[2] ^ v[3])


cdef class WideTable:
    """Records of one kind with a wide key, bounded by `records_max`; `len()` gives how many there are.

    `hash_key`: 16 bytes that nobody can guess, where keys come from strangers.  `by_owner`: `first_of` and `next_of`
    find all records of an owner, for 8 bytes a record more.  The owner is the first key; or another number of the
    record, the `owner_word`th of eight bytes, that stays what it is when `own` has been told of it.
    """

    def __cinit__(self, int kind, uint32_t records_max, bytes hash_key=bytes(HASH_KEY_BYTES), bint by_owner=False,
                  uint32_t owner_word=FIRST_KEY_WORD):
        if not FIRST_WIDE_KEY_KIND <= kind <= 255 or RECORD_BYTES_OF[kind] == 0:
            raise ValueError(f"table: expected a kind of record with a wide key, got {kind}")
        if len(hash_key) != HASH_KEY_BYTES:
            raise ValueError(f"hash key: expected {HASH_KEY_BYTES} bytes, got {len(hash_key)}")
        memcpy(&self.hash_key_a, <const uint8_t*>hash_key, 8)
        memcpy(&self.hash_key_b, <const uint8_t*>hash_key + 8, 8)
        self.kind = kind
        self.width_bytes = RECORD_BYTES_OF[kind]
        self.max = records_max
        self.half = BUCKETS_AT_FIRST
        self.owner_word = owner_word
        self.places = <uint8_t*>reserve_bytes(self._places_bytes())
        self.chains = <chain_t*>reserve_bytes(self._chains_bytes())
        self.heads_plus_one = <uint32_t*>reserve_bytes(self._heads_bytes())
        if by_owner:
            self.owner_mask = BUCKETS_AT_FIRST - 1
            while self.owner_mask < records_max and self.owner_mask < OWNER_BUCKETS_MAX - 1:
                self.owner_mask = 2 * self.owner_mask + 1
            self.owner_heads_plus_one = <uint32_t*>reserve_bytes(self._owner_heads_bytes())
            # A few owners are strewn over all of it.
            madvise(self.owner_heads_plus_one, self._owner_heads_bytes(), MADV_NOHUGEPAGE)
            self.owner_next_plus_one = <uint32_t*>reserve_bytes(self._owner_next_bytes())

    def __dealloc__(self):
        release_bytes(self.places, self._places_bytes())
        release_bytes(self.chains, self._chains_bytes())
        release_bytes(self.heads_plus_one, self._heads_bytes())
        release_bytes(self.owner_heads_plus_one, self._owner_heads_bytes())
        release_bytes(self.owner_next_plus_one, self._owner_next_bytes())

    def _places_bytes(self):
        return <uint64_t>max(self.max, 1) * self.width_bytes

    def _chains_bytes(self):
        return <uint64_t>max(self.max, 1) * sizeof(chain_t)

    def _heads_bytes(self):
        # A bucket comes only with a record, so beyond the first ones there are never more than records.
        return (<uint64_t>self.max + 2 * BUCKETS_AT_FIRST) * sizeof(uint32_t)

    def _owner_heads_bytes(self):
        return (<uint64_t>self.owner_mask + 1) * sizeof(uint32_t)

    def _owner_next_bytes(self):
        return <uint64_t>max(self.max, 1) * sizeof(uint32_t)

    def __len__(self):
        return self.count

    def records(self):
        """Every record as bytes, in no particular order."""
        cdef uint32_t i
        cdef const uint8_t* at
        for i in range(self.used):
            at = self.places + <uint64_t>i * self.width_bytes
            if at[STATE_AT] != GONE:
                yield at[:self.width_bytes]

    def get(self, key):
        """The record with a key of three numbers as bytes, or None."""
        cdef uint64_t a, b, c
        cdef const uint8_t* at
        a, b, c = key
        at = self.find(a, b, c)
        return None if at == NULL else at[:self.width_bytes]

    cdef inline uint32_t _bucket(self, uint32_t hashed) noexcept nogil:
        cdef uint32_t bucket = hashed & (self.half - 1)
        return bucket if bucket >= self.split else hashed & (2 * self.half - 1)

    cdef uint8_t* find(self, uint64_t a, uint64_t b, uint64_t c) noexcept nogil:
        """NULL when there is none. One that has ended in this very decision is still found, until it is forgotten."""
        return self.find_hashed(hash_of(self.hash_key_a, self.hash_key_b, a, b, c), a, b, c)

    cdef uint32_t hashed(self, uint64_t a, uint64_t b, uint64_t c) noexcept nogil:
        """What `find_hashed` and the two that fetch ahead take: it stays the same as long as the table lives."""
        return hash_of(self.hash_key_a, self.hash_key_b, a, b, c)

    cdef uint8_t* find_hashed(self, uint32_t hashed, uint64_t a, uint64_t b, uint64_t c) noexcept nogil:
        """`find`, where the key was hashed before."""
        cdef uint32_t at = self.heads_plus_one[self._bucket(hashed)]
        cdef uint8_t* record
        cdef const uint64_t* words
        while at:
            if self.chains[at - 1].hashed == hashed:
                record = self.places + <uint64_t>(at - 1) * self.width_bytes
                words = <const uint64_t*>record
                if words[1] == a and words[2] == b and words[3] == c:
                    return record
            at = self.chains[at - 1].next_plus_one
        return NULL

    cdef void fetch_bucket(self, uint32_t hashed) noexcept nogil:
        """Ask for the memory where a search begins."""
        fetch_line(&self.heads_plus_one[self._bucket(hashed)])

    cdef void fetch_chain(self, uint32_t hashed) noexcept nogil:
        """Once the bucket is here: ask for the first link of its chain."""
        cdef uint32_t at = self.heads_plus_one[self._bucket(hashed)]
        if at:
            fetch_line(&self.chains[at - 1])

    cdef uint8_t* fetch_record(self, uint32_t hashed) noexcept nogil:
        """Once the chain is here: ask for the record, and say where it is, for `find_fetched`.

        Further links of the chain are waited for: that costs little where several searches are made one after the
        other, and most of what a search takes where one is made alone.
        """
        cdef uint32_t at = self.heads_plus_one[self._bucket(hashed)]
        while at and self.chains[at - 1].hashed != hashed:
            at = self.chains[at - 1].next_plus_one
        if at:
            fetch_line(self.places + <uint64_t>(at - 1) * self.width_bytes)
            fetch_line(self.places + <uint64_t>(at - 1) * self.width_bytes + LINE_BYTES)
        return self.places + <uint64_t>(at - 1) * self.width_bytes if at else NULL

    cdef uint8_t* find_fetched(self, uint8_t* fetched, uint32_t hashed, uint64_t a, uint64_t b,
                               uint64_t c) noexcept nogil:
        """`find`, where what was fetched is the record as a rule, unless its place has another one by now."""
        cdef const uint64_t* words = <const uint64_t*>fetched
        if fetched != NULL and fetched[STATE_AT] != GONE and words[1] == a and words[2] == b and words[3] == c:
            return fetched
        return self.find_hashed(hashed, a, b, c)

    cdef uint8_t* make(self, uint64_t a, uint64_t b, uint64_t c) noexcept nogil:
        """A new record, zero but for kind, version 1 and key; NULL when the table is full. The key must be absent."""
        cdef uint32_t hashed = hash_of(self.hash_key_a, self.hash_key_b, a, b, c), place, bucket
        cdef uint8_t* record
        cdef uint64_t* words
        if self.free_plus_one:
            place = self.free_plus_one - 1
            self.free_plus_one = self.chains[place].next_plus_one
        elif self.used < self.max:
            place = self.used
            self.used += 1
        else:
            return NULL
        self.count += 1
        if self.count > self.half + self.split:
            self._split_one()
        record = self.places + <uint64_t>place * self.width_bytes
        words = <uint64_t*>record
        memset(record, 0, self.width_bytes)
        record[0], record[1] = <uint8_t>self.kind, 1
        words[1], words[2], words[3] = a, b, c
        bucket = self._bucket(hashed)
        self.chains[place].hashed = hashed
        self.chains[place].next_plus_one = self.heads_plus_one[bucket]
        self.heads_plus_one[bucket] = place + 1
        if self.owner_word == FIRST_KEY_WORD:
            self.own(record)
        return record

    cdef void own(self, uint8_t* record) noexcept nogil:
        """A new record has its owner: once for each, where the owner is not the first key."""
        cdef uint32_t place = <uint32_t>(<uint64_t>(record - self.places) // self.width_bytes)
        cdef uint32_t* head
        if self.owner_heads_plus_one == NULL:
            return
        head = self._owner_head((<const uint64_t*>record)[self.owner_word])
        self.owner_next_plus_one[place] = head[0]
        head[0] = place + 1

    cdef void forget(self, uint8_t* record) noexcept nogil:
        """Remove a record that has ended: nobody finds it any more, and the next `make` may take its place.

        Until then its bytes stay, but for `state`, which becomes GONE. So a decision sets `state` itself, and calls
        this when the images of its entry have been copied.
        """
        cdef uint32_t place = <uint32_t>(<uint64_t>(record - self.places) // self.width_bytes)
        cdef uint32_t* link = &self.heads_plus_one[self._bucket(self.chains[place].hashed)]
        while link[0] != place + 1:
            if link[0] == 0:
                return                           # forgotten already
            link = &self.chains[link[0] - 1].next_plus_one
        link[0] = self.chains[place].next_plus_one
        if self.owner_heads_plus_one != NULL:
            link = self._owner_head((<const uint64_t*>record)[self.owner_word])
            while link[0] != place + 1:
                link = &self.owner_next_plus_one[link[0] - 1]
            link[0] = self.owner_next_plus_one[place]
        record[STATE_AT] = GONE
        self.chains[place].next_plus_one = self.free_plus_one
        self.free_plus_one = place + 1
        self.count -= 1

    cdef uint8_t* first_of(self, uint64_t owner) noexcept nogil:
        """The newest record of an owner, NULL when there is none; only of a table that is kept `by_owner`."""
        return self._owned(owner, self._owner_head(owner)[0])

    cdef uint8_t* next_of(self, const uint8_t* record) noexcept nogil:
        """The next older record of the same owner, or NULL."""
        cdef uint32_t place = <uint32_t>(<uint64_t>(record - self.places) // self.width_bytes)
        return self._owned((<const uint64_t*>record)[self.owner_word], self.owner_next_plus_one[place])

    cdef uint8_t* _owned(self, uint64_t owner, uint32_t place_plus_one) noexcept nogil:
        cdef uint8_t* record
        while place_plus_one:
            record = self.places + <uint64_t>(place_plus_one - 1) * self.width_bytes
            if (<const uint64_t*>record)[self.owner_word] == owner:
                return record
            place_plus_one = self.owner_next_plus_one[place_plus_one - 1]
        return NULL

    cdef uint32_t* _owner_head(self, uint64_t owner) noexcept nogil:
        return &self.owner_heads_plus_one[hash_of(self.hash_key_a, self.hash_key_b, owner, 0, 0) & self.owner_mask]

    def owned_by(self, uint64_t owner):
        """Every record of an owner as bytes, the newest first."""
        cdef const uint8_t* at
        if self.owner_heads_plus_one == NULL:
            raise ValueError(f"table of kind {self.kind}: expected one that is kept by owner")
        at = self.first_of(owner)
        while at != NULL:
            yield at[:self.width_bytes]
            at = self.next_of(at)

    cdef bint room(self, uint32_t count) noexcept nogil:
        """Whether this many more records fit."""
        return self.max - self.count >= count

    cdef int put(self, const uint8_t* image) noexcept nogil:
        """Take over an image: a record that is gone is removed, another is stored under its key. -1: no room."""
        cdef const uint64_t* words = <const uint64_t*>image
        cdef uint8_t* record = self.find(words[1], words[2], words[3])
        if image[STATE_AT] == GONE:
            if record != NULL:
                self.forget(record)
            return 0
        if record != NULL:
            memmove(record, image, self.width_bytes)
            return 0
        record = self.make(words[1], words[2], words[3])
        if record == NULL:
            return -1
        memmove(record, image, self.width_bytes)
        if self.owner_word != FIRST_KEY_WORD:
            self.own(record)
        return 0

    cdef void _split_one(self) noexcept nogil:
        """One more bucket: the next one's records are shared out between itself and its new partner."""
        cdef uint32_t* stay = &self.heads_plus_one[self.split]
        cdef uint32_t* go = &self.heads_plus_one[self.split + self.half]
        cdef uint32_t at = stay[0]
        stay[0] = go[0] = 0
        while at:
            if self.chains[at - 1].hashed & self.half:
                go[0] = at
                go = &self.chains[at - 1].next_plus_one
            else:
                stay[0] = at
                stay = &self.chains[at - 1].next_plus_one
            at = self.chains[at - 1].next_plus_one
        stay[0] = go[0] = 0
        self.split += 1
        if self.split == self.half:
            self.half *= 2
            self.split = 0
