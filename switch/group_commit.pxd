"""Batches: entries that share one sync, and the answers that wait for it."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from switch._blocks cimport digest_t
from switch._peer cimport link_t
from switch.journal cimport Journal

cdef struct chunk_t:
    link_t* link
    uint32_t offset                  # in the batch's answers
    uint32_t bytes

cdef struct batch_t:
    uint8_t* block                   # header and entries, as they will lie in the journal
    uint32_t used_bytes
    uint32_t entry_count
    uint64_t position                # of the block in the journal, known from the start
    uint64_t first_sequence
    int64_t time_ms
    int room                         # ROOM_… of the journal for this block
    uint8_t* answers                 # sealed frames
    uint32_t answers_bytes
    chunk_t* chunks
    uint32_t chunk_count
    uint32_t chunk_capacity

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass

cdef enum:
    ANSWERS_BYTES_MAX = 8388608      # of one batch
    ANSWERS_BYTES_SOFT = 4194304     # from here on, links are paused instead of read


cdef class GroupCommit:
    cdef Journal journal
    cdef batch_t batches[3]
    cdef batch_t* gather             # being filled by the event loop
    cdef batch_t* flight             # being made durable
    cdef batch_t* sending            # durable, its answers are being sent by the answer thread while `handed_over`
    cdef pthread_mutex_t mutex
    cdef pthread_cond_t work
    cdef pthread_cond_t rest
    cdef pthread_cond_t handover
    cdef pthread_cond_t sent
    cdef bint ready                  # gather may be taken
    cdef bint stopping
    cdef bint working
    cdef bint handed_over
    cdef bint ended                  # nothing will be handed over any more
    cdef bint wanted                 # the event loop asked to be told when this batch is through
    cdef int event_fd
    cdef digest_t digest
    cdef uint8_t chain_hash[32]
    cdef uint64_t block_number
    cdef uint64_t next_sequence
    cdef readonly uint64_t durable_position
    cdef readonly uint64_t durable_sequence
    cdef uint64_t turn                           # number of the batch that is being gathered
    cdef uint64_t block_count
    cdef uint64_t entry_count
    cdef uint64_t sync_ns_sum
    cdef uint64_t sync_ns_max
    cdef link_t** needy              # links with a backlog or broken, for the event loop
    cdef uint32_t needy_count
    cdef uint32_t needy_capacity

    cdef void lock(self) noexcept nogil
    cdef void unlock(self) noexcept nogil
    cdef uint8_t* entry_space(self, uint32_t entry_bytes, bint reserve) noexcept nogil
    cdef uint64_t add_entry(self, uint32_t entry_bytes, int64_t time_ms) noexcept nogil
    cdef uint8_t* answer_space(self, uint32_t answer_bytes) noexcept nogil
    cdef int add_chunk(self, link_t* link, uint32_t offset) noexcept nogil
    cdef const uint8_t* entry_at(self, uint64_t position) noexcept nogil
    cdef uint64_t position_of_sequence(self, uint64_t sequence) noexcept nogil
    cdef uint64_t flight_end(self) noexcept nogil
    cdef void publish(self) noexcept nogil
    cdef void _take(self) noexcept nogil
    cdef void _make_durable(self) noexcept nogil
    cdef void _release(self, batch_t* batch) noexcept nogil
    cdef void _notify(self) noexcept nogil
    cdef void _tell(self, link_t* link) noexcept nogil
