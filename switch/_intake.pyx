"""Reads every signed-on socket: one wait, one receive per ready socket, one pass over what it brought.

Sockets come here when sign-on is through; the event loop only watches the
epoll instance that holds them all and calls `run` when one has something.  A
turn that finds 256 ready sockets so costs one wait, 256 receives and no
Python object, where a protocol per socket costs two Python calls each.  All
that arrived in one turn is decided at one moment and committed together;
sockets are received in groups, whose frames share their rounds (`_link.pyx`).
"""

import os

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from switch._fastpath cimport Engine
from switch._layout cimport FRAME_TIMEOUT_MS, IDLE_TIMEOUT_MS, PROTOCOL_VERSION, signed_on_row_t
from switch._link cimport Link, Round
from switch._link import RECEIVE_BYTES, TAIL_BYTES_MAX
from switch._peer cimport UNREAD, link_drop, link_flush
from switch.group_commit cimport GroupCommit

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

cdef extern from *:
    """
    #include <sys/socket.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    /* As for plain_send in group_commit.pyx: no cancellation point. */
    #define plain_recv(fd, data, size, flags) syscall(SYS_recvfrom, (fd), (data), (size), (flags), NULL, NULL)
    """
    long plain_recv(int fd, void* data, size_t size, int flags)

cdef extern from "<sys/socket.h>":
    int MSG_DONTWAIT

cdef uint32_t receive_bytes = RECEIVE_BYTES
cdef uint64_t slice_bytes = RECEIVE_BYTES + TAIL_BYTES_MAX

ENDED = "peer has closed the connection"
"""Reason of a link that ended without a fault."""
NOT_READ = "peer does not read its answers"


cdef class Intake:
    """The sockets of all links of one engine."""

    def __cinit__(self, Engine engine not None):
        self.engine = engine
        self.links = {}
        self.round = Round(engine)
        # Zeroed memory that is only touched as far as a receive fills it: as a rule a page per slice.
        self.slices = <uint8_t*>calloc(GROUP_LINKS, slice_bytes)
        if self.slices == NULL:
            raise MemoryError("intake: no address space for its receive buffers")
        self.fd = epoll_create1(EPOLL_CLOEXEC)
        if self.fd < 0:
            raise OSError(errno, os.strerror(errno) + ": epoll_create1; raise the limit of open files")

    def __dealloc__(self):
        free(self.slices)
        if self.fd >= 0:
            os.close(self.fd)

    def __len__(self):
        return len(self.links)

    def add(self, Link link not None, int64_t monotonic_ms):
        """Read this link from now on."""
        link.deadline_ms = monotonic_ms + IDLE_TIMEOUT_MS
        link.signed_on_ms = link.last_frame_ms = monotonic_ms
        self.session_count += 1
        link.session = self.session_count
        self._watch(EPOLL_CTL_ADD, link, EPOLLIN)
        self.links[link.fd] = link

    def remove(self, Link link not None):
        """Read it no more; answers on their way still leave, then the socket closes. Twice is as once."""
        if self.links.pop(link.fd, None) is not None:
            self._watch(EPOLL_CTL_DEL, link, 0)

    def all(self):
        """Every link that is read."""
        return list(self.links.values())

    def rows(self, uint64_t after_session, uint32_t terminal_id, uint32_t count_max, int64_t now_ms,
             int64_t monotonic_ms):
        """Who is signed on: (rows of at most `count_max` sessions behind one, whether there are more).

        Links stand in the order in which they came, so the order is that of their numbers. A walk over all of them
        takes some 10 ns each, and only when somebody asks.
        """
        cdef Link link
        cdef signed_on_row_t row
        cdef list found = []
        cdef int64_t offset_ms = now_ms - monotonic_ms
        for link in self.links.values():
            if link.session <= after_session or (terminal_id != 0 and link.terminal_id != terminal_id):
                continue
            if len(found) == count_max:
                return b"".join(found), True
            memset(&row, 0, sizeof(row))
            row.session, row.terminal_id, row.frame_count = link.session, link.terminal_id, link.frame_count
            row.signed_on_ms, row.last_message_ms = link.signed_on_ms + offset_ms, link.last_frame_ms + offset_ms
            row.error_count, row.key_version = link.error_count, link.key_version
            row.software_version, row.protocol_version = link.software_version, PROTOCOL_VERSION
            memcpy(row.address, link.address, sizeof(row.address))
            found.append((<const uint8_t*>&row)[:sizeof(row)])
        return b"".join(found), False

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
        cdef list outcomes = [], group = []
        cdef Link link
        for i in range(count):
            link = <Link>events[i].data.ptr
            if link.link.broken or (link.paused and events[i].events & (EPOLLHUP | EPOLLERR)):
                outcomes.append((link, None, NOT_READ if link.link.broken == UNREAD else ENDED))
                continue
            if events[i].events & EPOLLOUT:
                self._flush(link, outcomes)
            if events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) and not link.paused and self._receive(
                    link, self.slices + len(group) * slice_bytes, now_ms, outcomes):
                group.append(link)
                if len(group) == GROUP_LINKS:
                    self._finish(group, now_ms, monotonic_ms, outcomes)
                    group = []
        self._finish(group, now_ms, monotonic_ms, outcomes)
        return outcomes

    def resume(self, Link link not None, int64_t now_ms, int64_t monotonic_ms):
        """Go on with a paused link: first with what was kept. Returns as `run`."""
        cdef list outcomes = []
        if link.fd in self.links:
            self.round.take(link, self.slices, link.load(self.slices), now_ms)
            self._finish([link], now_ms, monotonic_ms, outcomes)
            self._update(link)
        return outcomes

    def hold(self, Link link not None):
        """Read this link no more until `resume`: the dispatcher could not answer all of its messages."""
        link.paused = True
        if link.fd in self.links:
            self._update(link)

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
                (<Link>link).writing = True
                self._update(link)

    cdef int _watch(self, int operation, Link link, uint32_t events) except -1:
        cdef epoll_event event
        event.events = events
        event.data.ptr = <void*>link
        if epoll_ctl(self.fd, operation, link.link.fd, &event) != 0:
            raise OSError(errno, os.strerror(errno) + ": epoll_ctl")
        return 0

    cdef int _update(self, Link link) except -1:
        """Watch a link for what it waits for: more to read, or room for its answers, or both, or neither."""
        return self._watch(EPOLL_CTL_MOD, link, (0 if link.paused or link.ending else EPOLLIN)
                           | (EPOLLOUT if link.writing else 0))

    def _flush(self, Link link, list outcomes):
        cdef int left
        with nogil:
            link.engine.commit.lock()
            left = link_flush(link.link)                         # network
            link.engine.commit.unlock()
        if left < 0:
            outcomes.append((link, None, NOT_READ if link.link.broken == UNREAD else ENDED))
        elif left == 0:
            link.writing = False
            self._update(link)
            if link.paused:
                outcomes.append((link, None, None))      # it may have been waiting for this

    cdef bint _receive(self, Link link, uint8_t* slice, int64_t now_ms, list outcomes) except -1:
        """One receive behind what was kept, and its frames opened into the round; False when nothing came."""
        cdef uint32_t kept = link.load(slice) if link.tail_bytes else 0
        # A link that is read keeps less than a frame, so there is always room for a whole receive.
        cdef long got = plain_recv(link.link.fd, slice + kept, min(<uint64_t>receive_bytes, slice_bytes - kept),
                                   MSG_DONTWAIT)     # network
        if got <= 0:
            if got == 0 or (errno != EAGAIN and errno != EINTR):
                outcomes.append((link, None, ENDED))
            return False
        self.receive_count += 1
        link.frames_before = link.frame_count
        self.round.take(link, slice, kept + <uint32_t>got, now_ms)
        return True

    cdef int _finish(self, list group, int64_t now_ms, int64_t monotonic_ms, list outcomes) except -1:
        """Decide what the group has brought, then see to each of its links."""
        cdef Link link
        self.round.finish(now_ms)
        for link in group:
            if link.frame_count != link.frames_before:
                link.last_frame_ms = monotonic_ms
                link.deadline_ms = monotonic_ms + (FRAME_TIMEOUT_MS if link.tail_bytes else IDLE_TIMEOUT_MS)
            elif link.deadline_ms > monotonic_ms + FRAME_TIMEOUT_MS:
                link.deadline_ms = monotonic_ms + FRAME_TIMEOUT_MS       # a frame has begun
            if link.paused or link.ending:
                self._update(link)
            if link.cold is not None or link.fault is not None or link.paused:
                outcomes.append((link, link.take_cold(), link.fault))
        return 0
