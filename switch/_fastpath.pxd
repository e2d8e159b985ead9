"""The hot decision: bytes of a request in, entry and reply out, no Python object in between."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._tables cimport Tables
from switch.duplicates cimport AnswerWindow
from switch.group_commit cimport GroupCommit

cdef class Engine:
    cdef readonly Tables tables
    cdef readonly AnswerWindow answers
    cdef readonly GroupCommit commit
    cdef readonly bint replay_mode
    cdef int64_t* zone_starts_ms                 # moments at which the zone's offset changes, ascending
    cdef int32_t* zone_offsets_s                 # offset from then on
    cdef int zone_count
    cdef int zone_at                             # the last one used: dates seldom move far
    cdef int64_t last_now_ms
    cdef uint64_t entry_position                 # where the last decision was journaled; 0: it was not
    cdef uint64_t code_counts[256]
    cdef uint64_t type_counts[256]
    cdef uint64_t repeat_count

    cdef uint32_t local_date(self, int64_t now_ms) noexcept nogil
    cdef uint32_t decide_one(self, uint32_t terminal_id, uint32_t rights, const uint8_t* message,
                             uint32_t message_bytes, int64_t now_ms, uint8_t* out) noexcept nogil
