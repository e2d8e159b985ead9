"""The journal port, and local files as its embedded default."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    ROOM_NONE = 0                    # nothing more can be written
    ROOM_RESERVE = 1                 # only what may not be refused: reversals
    ROOM_PLENTY = 2
    ZERO_FILL_BYTES = 1048576        # written at a time
    SEGMENTS_MAX = 1048576           # 64 TiB of journal at the default size; 24 MiB of address space

cdef uint64_t NOWHERE


cdef class Journal:
    """Port: what the core needs of a journal. One owner appends blocks; anyone reads them back."""

    cdef readonly uint32_t partition
    cdef readonly uint32_t block_bytes_max
    cdef public bint disk_full                   # why there is no room: set and cleared by whoever prepares room

    cdef uint64_t place(self, uint64_t position, int* room) noexcept nogil
    cdef int append(self, const uint8_t* block, uint32_t block_bytes, uint64_t position) noexcept nogil
    cdef const uint8_t* locate(self, uint64_t position) noexcept nogil


cdef struct segment_t:
    int fd_plus_one                  # 0: not open
    uint8_t* map                     # NULL: not mapped
    uint64_t end                     # position behind its last block; 0 while blocks are still added


cdef class LocalJournal(Journal):
    cdef readonly str directory
    cdef bytes _directory                        # owns the characters of _path
    cdef const char* _path
    cdef readonly uint64_t segment_bytes
    cdef segment_t* segments
    cdef volatile uint64_t prepared_count        # segments 0 .. prepared_count - 1 exist, zero-filled
    cdef readonly uint64_t current_segment

    cdef int _open(self, uint64_t number) noexcept nogil
    cdef void _close(self, uint64_t number) noexcept nogil


cdef struct digest_t:
    void* context
    const void* algorithm

cdef int digest_open(digest_t* digest) noexcept nogil
cdef void digest_close(digest_t* digest) noexcept nogil
cdef int block_digest(digest_t* digest, const uint8_t* block, uint32_t body_bytes, uint8_t* out) noexcept nogil
cdef const char* block_fault(digest_t* digest, const uint8_t* block, uint64_t room_bytes, uint32_t partition,
                             uint64_t block_number, const uint8_t* previous_hash) noexcept nogil
cdef const char* entry_fault(const uint8_t* entry, uint64_t room_bytes, uint64_t sequence) noexcept nogil


cdef class BlockReader:
    cdef readonly str directory
    cdef readonly uint64_t segment_bytes
    cdef readonly uint32_t partition
    cdef readonly bint trusting
    cdef readonly uint64_t position              # of the next block
    cdef readonly uint64_t last_block_position   # of the block read last
    cdef readonly int64_t last_time_ms           # clock of its last entry
    cdef readonly uint64_t block_number          # of the next block
    cdef readonly uint64_t next_sequence
    cdef readonly str fault                      # why reading ended before the end of the file, or None
    cdef readonly uint64_t fault_position
    cdef uint8_t previous_hash[32]
    cdef uint8_t* map
    cdef uint64_t mapped_segment
    cdef digest_t digest

    cdef int _map(self, uint64_t number) except -2
    cdef bint _another_follows(self, uint64_t block_bytes, uint64_t room_bytes, const uint8_t* block) noexcept
    cdef const uint8_t* next_block(self) except? NULL
