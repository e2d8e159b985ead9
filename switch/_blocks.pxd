"""The journal's blocks: how they are hashed and checked, and a reader that walks over them."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef struct digest_t:
    void* context
    const void* algorithm

cdef int digest_open(digest_t* digest) noexcept nogil
cdef void digest_close(digest_t* digest) noexcept nogil
cdef int block_digest(digest_t* digest, const uint8_t* block, uint32_t body_bytes, uint8_t* out) noexcept nogil
cdef const char* block_fault(digest_t* digest, const uint8_t* block, uint64_t room_bytes, uint32_t partition,
                             uint64_t block_number, const uint8_t* previous_hash) noexcept nogil
cdef const char* entry_fault(const uint8_t* entry, uint64_t room_bytes, uint64_t sequence) noexcept nogil
cdef const uint8_t* entry_among(const uint8_t* entries, uint64_t size_bytes, uint64_t sequence) noexcept nogil


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
