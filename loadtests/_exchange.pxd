# cython: language_level=3
"""What is in flight: slots, links, the state of a run, and the functions that send and receive on one link."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from ._histogram cimport histogram_t
from ._native cimport EVP_CIPHER_CTX

cdef enum:
    WINDOW_MAX = 4096                 # slots of one link; 12 bits of the sequence
    RECEIVE_BYTES = 1 << 18           # one read: 3,000 replies, and still within the second-level cache
    CARRY_BYTES = (1 << 16) + 2       # longest piece of a frame that can be left over: length and 65,535 bytes
    LENGTH_BYTES = 2
    CODE_MAX = 1024
    LINE_MINOR_STEPS = 512            # amounts of one line: 9 random bits
    EVENTS_MAX = 256                  # one epoll_wait
    ERROR_TYPE = 0x7F | 0x80          # reply to a message that the switch could not read

cdef enum status_t:
    OK = 0
    CLOSED_BY_PEER
    SOCKET_FAILED
    CIPHER_FAILED
    TAG_INVALID
    REPLY_LENGTH
    REPLY_TYPE
    ERROR_REPLY
    REPLY_UNASKED
    TRACE_MISMATCH
    AMOUNT_MISMATCH
    ECHO_MISMATCH
    DRAIN_TIMEOUT
    INTERRUPTED

cdef struct slot_t:                   # one request in flight
    uint32_t sequence                 # as in its header; 0 when the slot is free
    uint32_t trace_number
    int64_t amount_minor
    int64_t from_ns                   # where its latency starts

cdef struct link_t:
    int fd
    int waits_to_write                # the socket was full: EPOLLOUT is asked for
    uint32_t number                   # index in the generator
    uint32_t terminal_id
    EVP_CIPHER_CTX *sealer
    EVP_CIPHER_CTX *opener
    uint64_t send_counter             # Noise nonce of the next frame: frames since sign-on
    uint64_t receive_counter
    uint64_t send_rekey_at            # nonce before which the key is changed next
    uint64_t receive_rekey_at
    uint64_t rekey_frames
    uint32_t next_trace_number
    uint32_t serial                   # upper bits of the next sequence, never 0
    int free_count
    uint16_t *free_slots              # a stack of slot numbers
    slot_t *slots
    uint8_t *out                      # frames sealed and not yet taken by the socket: [out_head, out_tail)
    size_t out_head, out_tail, out_bytes_max
    uint8_t *carry                    # start of a frame whose rest has not come yet
    size_t carry_bytes

cdef struct run_t:
    # the plan
    const uint8_t *message
    size_t message_bytes, frame_bytes
    int sealed, random_cards, line_count
    int sequence_at, card_at, trace_at, amount_at, line_at, line_bytes
    int reply_type, reply_bytes, line_result_bytes, code_at, reply_trace_at, reply_amount_at, balance_at, points_at
    int points_balance_at
    uint64_t first_card, card_count
    int64_t amount_minor
    # the run
    uint64_t message_count, issued, answered
    histogram_t *latencies
    uint8_t *buffer                   # RECEIVE_BYTES, shared by all links
    int epoll_fd, timer_fd
    uint64_t random_state
    double gap_ns                     # between two messages of a fixed rate; 0: closed loop
    int64_t start_ns, last_reply_ns
    int64_t stop_ns, give_up_ns       # no new requests after; no waiting for replies after
    int64_t drain_ns
    int stopping
    int turn                          # fixed rate: link that sent last
    # what came of it
    uint64_t code_counts[CODE_MAX]
    int64_t approved_minor_sum, balance_minor_sum, points_sum, points_balance_sum
    uint32_t bad_terminal, bad_sequence
    int64_t bad_detail                # errno, or the first bytes of the wrong reply


cdef int fill(run_t *run, link_t *link, uint64_t wanted) noexcept nogil
cdef int flush(run_t *run, link_t *link) noexcept nogil
cdef int receive(run_t *run, link_t *link) noexcept nogil
