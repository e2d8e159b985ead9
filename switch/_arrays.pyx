"""Arrays of records in reserved address space, and tables of records with a number as their key.

An array's records never move: what points to one stays valid.  Reserving
costs address space only; memory is used as records come.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from switch._index cimport GrowingIndex, slot_t
from switch._layout cimport RECORD_BYTES_OF

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void* address, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* address, size_t size)
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
    void* MAP_FAILED
    int madvise(void* address, size_t size, int advice)
    int MADV_HUGEPAGE

cdef enum:
    HUGE_BYTES = 2097152             # of a huge page on x86-64


cdef void* reserve_bytes(uint64_t size_bytes) except NULL:
    """Zeroed address space, on huge pages where the system has them.

    A card at random lies on a page of its own, and finding out where takes longer than fetching it; of huge pages the
    processor knows some thousand by heart.  The first of them is left out: an array of few records takes little memory.
    """
    cdef void* at = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    if at == MAP_FAILED:
        raise MemoryError(f"tables: expected address space for {size_bytes} bytes; lower the configured maxima")
    if size_bytes > 2 * HUGE_BYTES:              # advice only: whether it is taken matters to speed alone
        madvise(<void*>((<uint64_t>at + 2 * HUGE_BYTES - 1) & ~<uint64_t>(HUGE_BYTES - 1)),
                size_bytes - 2 * HUGE_BYTES, MADV_HUGEPAGE)
    return at


cdef void release_bytes(void* at, uint64_t size_bytes) noexcept:
    if at != NULL:
        munmap(at, size_bytes)


cdef int reserve(record_array_t* array, uint32_t records_max, uint32_t width_bytes) except -1:
    array.records = <uint8_t*>reserve_bytes(<uint64_t>max(records_max, 1) * width_bytes)
    array.count = 0
    array.max = records_max
    array.width_bytes = width_bytes
    return 0


cdef void release(record_array_t* array) noexcept:
    release_bytes(array.records, <uint64_t>max(array.max, 1) * array.width_bytes)


cdef uint8_t* append(record_array_t* array, const uint8_t* record) noexcept nogil:
    """The record's new place, or NULL when the array is full."""
    cdef uint8_t* at = array.records + <uint64_t>array.count * array.width_bytes
    if array.count >= array.max:
        return NULL
    memcpy(at, record, array.width_bytes)
    array.count += 1
    return at


cdef class NumberedTable:
    """Records of one kind, found by the u64 at offset 8; numbers from `number_min` to `number_max`, never removed."""

    def __cinit__(self, int kind, uint32_t records_max, uint64_t number_min=1, uint64_t number_max=2**64 - 2):
        self.kind = kind
        self.number_min, self.number_max = number_min, number_max
        reserve(&self.array, records_max, RECORD_BYTES_OF[kind])
        self.index = GrowingIndex()

    def __dealloc__(self):
        release(&self.array)

    def __len__(self):
        return self.array.count

    def records(self):
        """Every record as bytes, in the order in which their numbers first came."""
        cdef uint32_t i
        for i in range(self.array.count):
            yield (self.array.records + <uint64_t>i * self.array.width_bytes)[:self.array.width_bytes]

    def get(self, uint64_t number):
        """One record as bytes, or None."""
        cdef const uint8_t* at = self.find(number)
        return None if at == NULL else at[:self.array.width_bytes]

    cdef uint8_t* find(self, uint64_t number) noexcept nogil:
        """NULL when there is none."""
        cdef slot_t* slot
        if number > self.number_max:
            return NULL
        slot = self.index.find(number + 1)
        return NULL if slot == NULL else self.array.records + slot.value * self.array.width_bytes

    cdef int put(self, const uint8_t* record) noexcept nogil:
        """Store a record under its number. Returns 0, or -1: no such number may be, no room, no memory."""
        cdef uint64_t number = (<const uint64_t*>record)[1]
        cdef uint8_t* at
        if number < self.number_min or number > self.number_max:
            return -1
        at = self.find(number)
        if at != NULL:
            memmove(at, record, self.array.width_bytes)
            return 0
        if append(&self.array, record) == NULL:
            return -1
        return 0 if self.index.insert(number + 1, self.array.count - 1) != NULL else -1

    cdef bint room(self, uint32_t count) noexcept nogil:
        """Whether this many more records fit."""
        return self.array.max - self.array.count >= count
