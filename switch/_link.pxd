"""One signed-on connection: frames opened on the way in, answers sealed on the way out."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from switch._fastpath cimport Engine
from switch.group_commit cimport GroupCommit, link_t

cdef enum:
    FRAMES_PER_ROUND = 16            # opened together, so that the memory of one arrives while the next is opened

cdef struct message_t:
    uint8_t* plaintext
    uint32_t bytes


cdef class Link:
    cdef link_t* link
    cdef readonly Engine engine
    cdef readonly uint32_t terminal_id
    cdef readonly uint32_t error_count           # error replies so far
    cdef readonly str fault                      # why the connection must be closed, or None
    cdef readonly bint paused                    # too many answers wait: do not read on
    cdef readonly uint64_t frame_count
    cdef public int64_t deadline_ms              # by the monotonic clock: when to close it unless a whole frame comes
    cdef uint8_t* tail                           # start of a frame whose rest has not come, or all that waits if paused
    cdef uint32_t tail_bytes
    cdef uint32_t tail_capacity
    cdef message_t* cold                         # messages for the dispatcher, of this pass
    cdef uint32_t cold_count
    cdef uint32_t cold_capacity

    cdef uint32_t load(self, uint8_t* buffer) noexcept
    cdef take(self, uint8_t* data, uint32_t size, int64_t now_ms)
    cdef const char* _pass(self, Engine engine, GroupCommit commit, uint8_t* data, uint32_t size, int64_t now_ms,
                           uint32_t* used) noexcept nogil
    cdef const char* _answer(self, GroupCommit commit, const uint8_t* plaintext, uint32_t size) noexcept nogil
    cdef int _keep(self, const uint8_t* data, uint32_t size) noexcept nogil
    cdef void _fetch(self, message_t* message) noexcept nogil
    cdef int _cold(self, const message_t* message) noexcept nogil
