"""Reads every signed-on socket: one wait, one receive per ready socket, one pass over what it brought."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from switch._fastpath cimport Engine
from switch._link cimport Link

cdef enum:
    EVENTS_MAX = 256                 # sockets per wait; more wait for the next turn of the event loop


cdef class Intake:
    cdef readonly Engine engine
    cdef readonly int fd                         # an epoll instance; readable when any of its sockets is
    cdef readonly uint64_t receive_count
    cdef dict links                              # fd -> Link: keeps them alive while the kernel holds their addresses
    cdef object buffer
    cdef uint8_t* bytes

    cdef int _watch(self, int operation, Link link, uint32_t events) except -1
    cdef _read(self, Link link, int64_t now_ms, int64_t monotonic_ms, list outcomes)
    cdef _take(self, Link link, uint32_t size, int64_t now_ms, int64_t monotonic_ms, list outcomes)
