"""Reads every signed-on socket: one wait, one receive per ready socket, one pass over what it brought.

Sockets come here when sign-on is through; the event loop only watches the
epoll instance that holds them all and calls `run` when one has something.  A
turn that finds 256 ready sockets so costs one wait, 256 receives and no
Python object, where a protocol per socket costs two Python calls each.  All
that arrived in one turn is decided at one moment and committed together.

One buffer serves all sockets: a receive is taken before the next one begins.
"""

import os

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from switch._fastpath cimport Engine
from switch._layout cimport FRAME_TIMEOUT_MS, IDLE_TIMEOUT_MS
from switch._link cimport Link
from switch._link import RECEIVE_BYTES, TAIL_BYTES_MAX
from switch.group_commit cimport GroupCommit, link_drop, link_flush

cdef extern from "<sys/epoll.h>":
    ctypedef union epoll_data_t:
        void* ptr
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event)
    int epoll_wait(int epoll_fd, epoll_event* events, int events_max, int timeout_ms)
    int EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL
    uint32_t EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR
    int EPOLL_CLOEXEC

cdef extern from "<sys/socket.h>":
    long c_recv "recv"(int fd, void* data, size_t size, int flags)
    int MSG_DONTWAIT

cdef uint32_t receive_bytes = RECEIVE_BYTES

ENDED = "peer has closed the connection"
"""Reason of a link that ended without a fault."""


cdef class Intake:
    """The sockets of all links of one engine."""

    def __cinit__(self, Engine engine not None):
        cdef uint8_t[::1] view
        self.engine = engine
        self.links = {}
        self.buffer = bytearray(RECEIVE_BYTES + TAIL_BYTES_MAX)
        view = self.buffer
        self.bytes = &view[0]                    # the bytearray is never resized, so its address stays
        self.fd = epoll_create1(EPOLL_CLOEXEC)
        if self.fd < 0:
            raise OSError(errno, os.strerror(errno) + ": epoll_create1; raise the limit of open files")

    def __dealloc__(self):
        if self.fd >= 0:
            os.close(self.fd)

    def __len__(self):
        return len(self.links)

    def add(self, Link link not None, int64_t monotonic_ms):
        """Read this link from now on."""
        link.deadline_ms = monotonic_ms + IDLE_TIMEOUT_MS
        self._watch(EPOLL_CTL_ADD, link, EPOLLIN)
        self.links[link.fd] = link

    def remove(self, Link link not None):
        """Read it no more; answers on their way still leave, then the socket closes. Twice is as once."""
        if self.links.pop(link.fd, None) is not None:
            self._watch(EPOLL_CTL_DEL, link, 0)

    def all(self):
        """Every link that is read."""
        return list(self.links.values())

    def silent(self, int64_t monotonic_ms):
        """Links whose deadline has passed."""
        return [link for link in self.links.values() if (<Link>link).deadline_ms < monotonic_ms]

    def run(self, int64_t now_ms, int64_t monotonic_ms):
        """Receive from every ready socket and decide what came.

        Returns what is left to do in Python, in order: (link, cold messages or None, reason to close it or None).
        A link in it that is `paused` is not read until `resume`.
        """
        cdef epoll_event events[EVENTS_MAX]
        cdef int count = epoll_wait(self.fd, events, EVENTS_MAX, 0), i
        cdef list outcomes = []
        cdef Link link
        for i in range(count):
            link = <Link>events[i].data.ptr
            if events[i].events & EPOLLOUT:
                self._flush(link, outcomes)
            if events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR):
                self._read(link, now_ms, monotonic_ms, outcomes)
        return outcomes

    def resume(self, Link link not None, int64_t now_ms, int64_t monotonic_ms):
        """Go on with a paused link: first with what was kept. Returns as `run`."""
        cdef list outcomes = []
        if link.fd in self.links:
            link.load(self.bytes)
            self._take(link, link.tail_bytes, now_ms, monotonic_ms, outcomes)
            if not link.paused:
                self._watch(EPOLL_CTL_MOD, link, EPOLLIN)
        return outcomes

    def wait_for_sockets(self):
        """Watch the sockets that took no more of their answers."""
        cdef GroupCommit commit = self.engine.commit
        cdef uint32_t i
        cdef list waiting = []
        with nogil:
            commit.lock()
        for i in range(commit.needy_count):
            waiting.append(commit.needy[i].fd)
            link_drop(commit.needy[i])
        commit.needy_count = 0
        commit.unlock()
        for fd in waiting:
            link = self.links.get(fd)
            if link is not None:
                self._watch(EPOLL_CTL_MOD, link, EPOLLIN | EPOLLOUT)

    cdef int _watch(self, int operation, Link link, uint32_t events) except -1:
        cdef epoll_event event
        event.events = events
        event.data.ptr = <void*>link
        if epoll_ctl(self.fd, operation, link.link.fd, &event) != 0:
            raise OSError(errno, os.strerror(errno) + ": epoll_ctl")
        return 0

    def _flush(self, Link link, list outcomes):
        cdef int left
        with nogil:
            link.engine.commit.lock()
            left = link_flush(link.link)                         # network
            link.engine.commit.unlock()
        if left < 0:
            outcomes.append((link, None, "peer does not read its answers"))
        elif left == 0:
            self._watch(EPOLL_CTL_MOD, link, EPOLLIN)

    cdef _read(self, Link link, int64_t now_ms, int64_t monotonic_ms, list outcomes):
        cdef uint32_t kept = link.load(self.bytes) if link.tail_bytes else 0
        cdef long got = c_recv(link.link.fd, self.bytes + kept, receive_bytes, MSG_DONTWAIT)   # network
        if got < 0:
            if errno != EAGAIN and errno != EINTR:
                outcomes.append((link, None, ENDED))
            return
        if got == 0:
            outcomes.append((link, None, ENDED))
            return
        self.receive_count += 1
        self._take(link, kept + <uint32_t>got, now_ms, monotonic_ms, outcomes)

    cdef _take(self, Link link, uint32_t size, int64_t now_ms, int64_t monotonic_ms, list outcomes):
        """One pass over the first bytes of the shared buffer."""
        cdef uint64_t frames_before = link.frame_count
        cold = link.take(self.bytes, size, now_ms)
        if link.frame_count != frames_before:
            link.deadline_ms = monotonic_ms + (FRAME_TIMEOUT_MS if link.tail_bytes else IDLE_TIMEOUT_MS)
        elif link.deadline_ms > monotonic_ms + FRAME_TIMEOUT_MS:
            link.deadline_ms = monotonic_ms + FRAME_TIMEOUT_MS   # a frame has begun
        if link.paused:
            self._watch(EPOLL_CTL_MOD, link, 0)
        if cold is not None or link.fault is not None or link.paused:
            outcomes.append((link, cold, link.fault))
