"""Reads every signed-on socket: one wait, one receive per ready socket, one pass over what it brought."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from switch._fastpath cimport Engine
from switch._link cimport Link, Round

cdef enum:
    EVENTS_MAX = 256                 # sockets per wait; more wait for the next turn of the event loop
    GROUP_LINKS = 16                 # sockets received before their frames are decided


cdef class Intake:
    cdef readonly Engine engine
    cdef readonly int fd                         # an epoll instance; readable when any of its sockets is
    cdef readonly uint64_t receive_count
    cdef uint64_t session_count                  # sessions read so far: each gets the next number
    cdef dict links                              # fd -> Link: keeps them alive while the kernel holds their addresses
    cdef Round round
    cdef uint8_t* slices                         # a receive buffer for each link of a group

    cdef int _watch(self, int operation, Link link, uint32_t events) except -1
    cdef int _update(self, Link link) except -1
    cdef bint _receive(self, Link link, uint8_t* slice, int64_t now_ms, list outcomes) except -1
    cdef int _finish(self, list group, int64_t now_ms, int64_t monotonic_ms, list outcomes) except -1
