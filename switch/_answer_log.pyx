"""The answers of one business date in the order of answering, chained by terminal.

A day close asks for all answers of one terminal; the index of `AnswerWindow`
finds single ones.  Each place names the place before it of the same terminal,
so a terminal's answers are found without looking at anybody else's, and an
answer costs one write at the end of an array and one look into an index with
one key per terminal.
"""

from libc.stdint cimport uint32_t, uint64_t

from switch._arrays cimport release_bytes, reserve_bytes
from switch._index cimport GrowingIndex, slot_t

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sys/mman.h>
    /* More address space for the same memory; NULL when there is none. Nothing is copied. */
    static void *widen(void *at, size_t size_bytes, size_t wanted_bytes) {
        void *p = mremap(at, size_bytes, wanted_bytes, MREMAP_MAYMOVE);
        return p == MAP_FAILED ? NULL : p;
    }
    """
    void* widen(void* at, uint64_t size_bytes, uint64_t wanted_bytes) nogil

cdef extern from "<sys/mman.h>" nogil:
    int madvise(void* address, size_t size, int advice)
    int MADV_DONTNEED

cdef enum:
    PLACES_AT_LEAST = 4096           # 64 KiB of address space

cdef uint32_t PLACES_MAX = 0xFFFFFFFE
cdef uint64_t RESERVED_MAX = 1 << 26             # 1 GiB of address space; more is taken when it is needed


cdef class AnswerLog:
    """Positions of answers, 16 bytes each; `len()` gives how many there are.

    Address space is reserved for `answers_max`.  A journal that was written under a larger maximum may have more: then
    the log grows.
    """

    def __cinit__(self, uint64_t answers_max):
        self.capacity = min(max(answers_max, <uint64_t>PLACES_AT_LEAST), RESERVED_MAX)
        self.answers = <answered_t*>reserve_bytes(self.capacity * sizeof(answered_t))
        self.newest = GrowingIndex()

    def __dealloc__(self):
        release_bytes(self.answers, self.capacity * sizeof(answered_t))

    def __len__(self):
        return self.count

    cdef int append(self, uint64_t key, uint64_t position) noexcept nogil:
        """One more answer; the key has the terminal in its upper half, the trace number in its lower. -1: no memory."""
        cdef uint64_t terminal_plus_one = (key >> 32) + 1
        cdef slot_t* slot = self.newest.find(terminal_plus_one)
        cdef answered_t* answer
        if self.count >= self.capacity and self._grow() != 0:
            return -1
        if slot == NULL:
            slot = self.newest.insert(terminal_plus_one, 0)
            if slot == NULL:
                return -1
        answer = &self.answers[self.count]
        answer.position = position
        answer.trace_number = <uint32_t>key
        answer.previous_plus_one = <uint32_t>slot.value
        self.count += 1
        slot.value = self.count
        return 0

    cdef const answered_t* newest_of(self, uint32_t terminal_id) noexcept nogil:
        """A terminal's last answer; NULL when it has none."""
        cdef slot_t* slot = self.newest.find(<uint64_t>terminal_id + 1)
        if slot == NULL:
            return NULL
        return self.place(<uint32_t>slot.value)

    cdef const answered_t* place(self, uint32_t place_plus_one) noexcept nogil:
        """An answer by its place plus one; NULL for 0."""
        return NULL if place_plus_one == 0 else &self.answers[place_plus_one - 1]

    cdef int _grow(self) noexcept nogil:
        cdef void* grown
        if self.count >= PLACES_MAX:
            return -1
        grown = widen(self.answers, self.capacity * sizeof(answered_t), 2 * self.capacity * sizeof(answered_t))
        if grown == NULL:
            return -1
        self.answers = <answered_t*>grown
        self.capacity *= 2
        return 0

    cdef void clear(self) noexcept nogil:
        """Forget all answers; their memory is given back, the address space stays."""
        madvise(self.answers, self.count * sizeof(answered_t), MADV_DONTNEED)
        self.newest.clear()
        self.count = 0
