"""The journal port, and local files as its embedded default."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    ROOM_NONE = 0                    # nothing more can be written
    ROOM_RESERVE = 1                 # only what may not be refused: reversals
    ROOM_PLENTY = 2
    ZERO_FILL_BYTES = 1048576        # written at a time
    SEGMENTS_MAX = 1048576           # 64 TiB of journal at the default size; 32 MiB of address space
    MARKS_PER_SEGMENT = 64           # blocks of a segment whose place is remembered once a sequence was looked for

cdef uint64_t NOWHERE


cdef class Journal:
    """Port: what the core needs of a journal. One owner appends blocks; anyone reads them back."""

    cdef readonly uint32_t partition
    cdef readonly uint32_t block_bytes_max
    cdef public bint disk_full                   # why there is no room: set and cleared by whoever prepares room

    cdef uint64_t place(self, uint64_t position, int* room) noexcept nogil
    cdef int append(self, const uint8_t* block, uint32_t block_bytes, uint64_t position) noexcept nogil
    cdef const uint8_t* locate(self, uint64_t position) noexcept nogil
    cdef uint64_t locate_sequence(self, uint64_t sequence) noexcept nogil


cdef struct block_mark_t:
    uint64_t first_sequence          # 0: not set
    uint64_t offset                  # in the segment


cdef struct segment_t:
    int fd_plus_one                  # 0: not open
    uint8_t* map                     # NULL: not mapped
    uint64_t end                     # position behind its last block; 0 while blocks are still added
    block_mark_t* marks              # first block of each of its MARKS_PER_SEGMENT stretches; NULL: none looked at


cdef class LocalJournal(Journal):
    cdef readonly str directory
    cdef bytes _directory                        # owns the characters of _path
    cdef const char* _path
    cdef readonly uint64_t segment_bytes
    cdef segment_t* segments
    cdef volatile uint64_t prepared_count        # segments 0 .. prepared_count - 1 exist, zero-filled
    cdef readonly uint64_t current_segment

    cdef uint64_t _first_sequence(self, uint64_t number) noexcept nogil
    cdef int _open(self, uint64_t number) noexcept nogil
    cdef void _close(self, uint64_t number) noexcept nogil
