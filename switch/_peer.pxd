"""Links: where answers go."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from switch._aead cimport cipher_t

cdef extern from *:
    """
    #define add_reference(p) __atomic_add_fetch((p), 1, __ATOMIC_ACQ_REL)
    #define drop_reference(p) __atomic_sub_fetch((p), 1, __ATOMIC_ACQ_REL)
    """
    int add_reference(int* count) noexcept nogil
    int drop_reference(int* count) noexcept nogil

cdef enum:
    GONE = 1                         # the peer has closed its side, or the connection was lost
    UNREAD = 2                       # the peer does not read its answers

cdef struct link_t:
    int fd                           # own duplicate of the socket: valid until the last answer has been sent
    int references                   # one for the connection, one per chunk; freed at 0 (atomic)
    int broken                       # must be closed: GONE or UNREAD
    uint32_t terminal_id
    cipher_t receive
    cipher_t send
    uint8_t* backlog                 # answers released but not yet taken by the socket
    uint32_t backlog_bytes
    uint32_t backlog_capacity
    int backlog_noticed              # the event loop knows that it has to wait for the socket
    uint64_t turn                    # batch that `turn_bytes` belongs to
    uint32_t turn_bytes              # of the dispatcher's answers in that batch


cdef link_t* link_new(int fd, uint32_t terminal_id, const uint8_t* receive_key, const uint8_t* send_key) noexcept nogil
cdef void link_drop(link_t* link) noexcept nogil
cdef int link_flush(link_t* link) noexcept nogil
cdef void link_break(link_t* link, int reason) noexcept nogil
cdef int link_queue(link_t* link, const uint8_t* data, uint32_t size) noexcept nogil
cdef uint32_t send_some(link_t* link, const uint8_t* data, uint32_t size) noexcept nogil
