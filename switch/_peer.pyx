"""Links: where answers go. A socket's own duplicate, a session's two keys, and what the socket has not taken yet.

Owned by whoever holds a reference: the connection, and each chunk of answers
on its way.  Never waits for a peer: what its socket does not take is kept up
to a bound, and beyond it the link is broken.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memmove

from switch._aead cimport cipher_close, cipher_open

cdef extern from *:
    """
    #include <sys/socket.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    /* glibc's send is a cancellation point, which costs two atomic operations per call; nobody cancels our threads. */
    #define plain_send(fd, data, size, flags) syscall(SYS_sendto, (fd), (data), (size), (flags), NULL, 0)
    """
    long plain_send(int fd, const void* data, size_t size, int flags) noexcept nogil

cdef extern from "<sys/socket.h>" nogil:
    int c_shutdown "shutdown"(int fd, int how)
    int MSG_NOSIGNAL, MSG_DONTWAIT, SHUT_RDWR

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)

BACKLOG_BYTES_MAX = 1048576
"""Answers that wait for one peer to read them: 12,000, far above in_flight_max; beyond it the link is closed."""
cdef uint32_t backlog_bytes_max = BACKLOG_BYTES_MAX


cdef link_t* link_new(int fd, uint32_t terminal_id, const uint8_t* receive_key, const uint8_t* send_key) noexcept nogil:
    """A link on its own duplicate of a socket, with the session's two keys of 32 bytes; NULL without memory."""
    cdef link_t* link = <link_t*>calloc(1, sizeof(link_t))
    if link == NULL:
        return NULL
    link.fd = fd
    link.terminal_id = terminal_id
    link.references = 1
    if cipher_open(&link.receive, receive_key, False) != 0 or cipher_open(&link.send, send_key, True) != 0:
        link.fd = -1
        link_drop(link)
        return NULL
    return link


cdef void link_drop(link_t* link) noexcept nogil:
    """Give up one reference; the last one closes the socket's duplicate."""
    if drop_reference(&link.references) == 0:
        cipher_close(&link.receive)
        cipher_close(&link.send)
        if link.fd >= 0:
            c_close(link.fd)
        free(link.backlog)
        free(link)


cdef void link_break(link_t* link, int reason) noexcept nogil:
    """The peer is gone or does not read: the event loop will see the end of the connection."""
    link.broken = reason
    c_shutdown(link.fd, SHUT_RDWR)


cdef int link_queue(link_t* link, const uint8_t* data, uint32_t size) noexcept nogil:
    """Keep answers for a socket that takes no more; a link beyond its bound is broken."""
    cdef uint32_t capacity
    cdef uint8_t* grown
    if link.backlog_bytes + size > backlog_bytes_max:
        link_break(link, UNREAD)
        return -1
    if link.backlog_bytes + size > link.backlog_capacity:
        capacity = (link.backlog_bytes + size) * 2
        grown = <uint8_t*>realloc(link.backlog, capacity)
        if grown == NULL:
            link_break(link, GONE)
            return -1
        link.backlog = grown
        link.backlog_capacity = capacity
    memcpy(link.backlog + link.backlog_bytes, data, size)
    link.backlog_bytes += size
    return 0


cdef uint32_t send_some(link_t* link, const uint8_t* data, uint32_t size) noexcept nogil:
    """Send what the socket takes; bytes sent. Breaks the link on an error."""
    cdef uint32_t sent = 0
    cdef long taken
    while sent < size:
        taken = plain_send(link.fd, data + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT)   # network
        if taken < 0:
            if errno == EINTR:
                continue
            if errno != EAGAIN:
                link_break(link, GONE)
            break
        sent += <uint32_t>taken
    return sent


cdef int link_flush(link_t* link) noexcept nogil:
    """Send from the backlog, under the mutex. Returns bytes left, -1 when broken."""
    cdef uint32_t sent
    if link.broken:
        return -1
    sent = send_some(link, link.backlog, link.backlog_bytes)
    link.backlog_bytes -= sent
    memmove(link.backlog, link.backlog + sent, link.backlog_bytes)
    if link.backlog_bytes == 0:
        link.backlog_noticed = 0
    return -1 if link.broken else <int>link.backlog_bytes
