"""Signed-on connections: frames opened on the way in, answers sealed on the way out."""

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._examine cimport challenges_t, proof_t
from switch._fastpath cimport Engine
from switch._layout cimport terminal_record_t
from switch._peer cimport link_t
from switch.group_commit cimport GroupCommit

cdef enum:
    LINK_ANSWERS_BYTES_MAX = 524288  # of the dispatcher's answers to a link in one batch: half of what may wait for it
    KEY_MARK_BYTES = 8               # of a terminal's wrapped key: enough to see that it is another one
    ROUND_FRAMES = 32                # opened together: enough that memory has arrived when its frame's turn comes

cdef struct opened_t:
    PyObject* link                   # borrowed: the caller of the round keeps its links
    uint8_t* plaintext
    uint32_t bytes
    proof_t proof                    # of the medium that the message's card was read from


cdef class Link:
    cdef link_t* link
    cdef readonly Engine engine
    cdef readonly uint32_t terminal_id
    cdef readonly uint32_t error_count           # error replies so far
    cdef readonly str fault                      # why the connection must be closed, or None
    cdef public bint paused                      # too many answers wait: do not read on
    cdef readonly bint ending                    # it has signed off: nothing behind that is looked at
    cdef bint writing                            # its socket takes no more answers for now
    cdef readonly uint64_t frame_count
    cdef uint64_t frames_before                  # frame_count before this turn
    cdef public int64_t deadline_ms              # by the monotonic clock: when to close it unless a whole frame comes
    cdef int64_t last_frame_ms                   # by the monotonic clock: when the last whole frame came
    cdef readonly uint16_t key_version           # of the terminal's key that the session was made with
    cdef uint8_t storage_version                 # under which that key was wrapped when it was looked at last
    cdef uint8_t key_mark[KEY_MARK_BYTES]        # start of that wrapping
    cdef uint16_t software_version               # as its sign-on said; 0: nothing
    cdef uint8_t address[16]                     # where it connects from: IPv6, or IPv4 mapped; 0: unknown
    cdef int64_t signed_on_ms                    # by the monotonic clock
    cdef uint64_t session                        # its number since the switch started; 0: it is not read yet
    cdef challenges_t challenges
    cdef list cold                               # messages for the dispatcher, or None
    cdef uint8_t* tail                           # start of a frame whose rest has not come, or what waits while paused
    cdef uint32_t tail_bytes
    cdef uint32_t tail_capacity

    cdef bint _mark_key(self, const terminal_record_t* terminal) noexcept
    cdef bint _is_key_valid(self, const terminal_record_t* terminal) noexcept
    cdef uint32_t load(self, uint8_t* buffer) noexcept
    cdef int keep(self, const uint8_t* data, uint32_t size) except -1
    cdef take_cold(self)
    cdef bint _may_answer(self, GroupCommit commit, uint32_t size) noexcept nogil
    cdef bint _answer(self, GroupCommit commit, const uint8_t* plaintext, uint32_t size) noexcept nogil


cdef class Round:
    cdef Engine engine
    cdef opened_t frames[ROUND_FRAMES]
    cdef int count

    cdef int take(self, Link link, uint8_t* data, uint32_t size, int64_t now_ms) except -1
    cdef int finish(self, int64_t now_ms) except -1
    cdef bint _open(self, Link link, uint8_t* data, uint32_t size, uint32_t* used) except -1
    cdef void _fetch_indexes(self, opened_t* frame) noexcept
    cdef void _fetch_records(self, const opened_t* frame) noexcept
