"""A map from 64-bit keys to 64-bit values that grows without long pauses.

Open addressing with linear probing, cut into 1,024 parts that double one at
a time: with 10 million keys a doubling moves about 10,000 slots (some 100
microseconds) instead of all.  Four neighbouring keys share a cache line, so
trace numbers that rise by one cost one memory access in four.  Keys are never
removed one by one; key 0 marks an empty slot and may not be used.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef extern from *:
    """
    #include <stdlib.h>
    #include <string.h>
    static void *aligned_zeroed(size_t size) {
        void *p = NULL;
        if (posix_memalign(&p, 64, size)) return NULL;
        memset(p, 0, size);
        return p;
    }
    #define prefetch_line(p) __builtin_prefetch((p), 1, 3)
    """
    void* aligned_zeroed(size_t size) noexcept nogil
    void prefetch_line(const void* p) noexcept nogil

cdef enum:
    PART_BITS = 10
    PARTS = 1024
    FIRST_CAPACITY = 16


cdef inline uint64_t mixed(uint64_t key) noexcept nogil:
    # Finalizer of MurmurHash3 (public domain), over the key without the two bits that choose the slot in a line.
    key >>= 2
    key ^= key >> 33
    key *= <uint64_t>0xFF51AFD7ED558CCD
    key ^= key >> 33
    key *= <uint64_t>0xC4CEB9FE1A85EC53
    key ^= key >> 33
    return key


cdef class GrowingIndex:
    """Map from u64 (not 0) to u64; `len()` gives the number of keys."""

    def __cinit__(self):
        self.parts = <part_t*>calloc(PARTS, sizeof(part_t))
        if self.parts == NULL:
            raise MemoryError("index: expected 24 KiB for its parts; free some memory")

    def __dealloc__(self):
        if self.parts != NULL:
            self.clear()
            free(self.parts)

    def __len__(self):
        return self.count

    def get(self, uint64_t key, default=None):
        """Value of a key, or the default."""
        cdef slot_t* slot = self.find(key)
        return default if slot == NULL else slot.value

    def put(self, uint64_t key, uint64_t value):
        """Set the value of a key, present or not; ValueError for key 0."""
        if key == 0:
            raise ValueError("index key: expected 1 or more, got 0; key 0 marks an empty slot")
        cdef slot_t* slot = self.find(key)
        if slot != NULL:
            slot.value = value
        elif self.insert(key, value) == NULL:
            raise MemoryError("index: no memory to grow")

    cdef slot_t* find(self, uint64_t key) noexcept nogil:
        cdef uint64_t hashed = mixed(key)
        cdef part_t* part = &self.parts[hashed >> (64 - PART_BITS)]
        cdef uint64_t at
        if part.slots == NULL:
            return NULL
        at = ((hashed << 2) | (key & 3)) & part.mask
        while part.slots[at].key != 0:
            if part.slots[at].key == key:
                return &part.slots[at]
            at = (at + 1) & part.mask
        return NULL

    cdef void prefetch(self, uint64_t key) noexcept nogil:
        cdef uint64_t hashed = mixed(key)
        cdef part_t* part = &self.parts[hashed >> (64 - PART_BITS)]
        if part.slots != NULL:
            prefetch_line(&part.slots[((hashed << 2) | (key & 3)) & part.mask])

    cdef slot_t* insert(self, uint64_t key, uint64_t value) noexcept nogil:
        cdef uint64_t hashed = mixed(key)
        cdef part_t* part = &self.parts[hashed >> (64 - PART_BITS)]
        cdef uint64_t at
        # Three quarters full at most: linear probing stays near one line.
        if part.slots == NULL or part.count * 4 >= (part.mask + 1) * 3:
            if self._grow(part) != 0:
                return NULL
        at = ((hashed << 2) | (key & 3)) & part.mask
        while part.slots[at].key != 0:
            at = (at + 1) & part.mask
        part.slots[at].key = key
        part.slots[at].value = value
        part.count += 1
        self.count += 1
        return &part.slots[at]

    cdef int _grow(self, part_t* part) noexcept nogil:
        cdef uint64_t capacity = FIRST_CAPACITY if part.slots == NULL else (part.mask + 1) * 2
        cdef slot_t* grown = <slot_t*>aligned_zeroed(capacity * sizeof(slot_t))
        cdef uint64_t i, at, hashed
        if grown == NULL:
            return -1
        if part.slots != NULL:
            for i in range(part.mask + 1):
                if part.slots[i].key != 0:
                    hashed = mixed(part.slots[i].key)
                    at = ((hashed << 2) | (part.slots[i].key & 3)) & (capacity - 1)
                    while grown[at].key != 0:
                        at = (at + 1) & (capacity - 1)
                    grown[at] = part.slots[i]
            free(part.slots)
        part.slots = grown
        part.mask = capacity - 1
        return 0

    cdef void clear(self) noexcept nogil:
        cdef int i
        for i in range(PARTS):
            free(self.parts[i].slots)
        memset(self.parts, 0, PARTS * sizeof(part_t))
        self.count = 0
