# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Native load generator: one thread, one epoll loop, no Python object per message, the GIL released.

Latency runs from just before the `send` of a request to just after the `recv`
that brought its reply.  With a fixed rate it runs from the moment at which the
request *should* have left: a slow peer cannot hide by slowing the generator
down.  What happens on one link is in `_exchange.pyx`.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from ._exchange cimport (
    AMOUNT_MISMATCH, CARRY_BYTES, CIPHER_FAILED, CLOSED_BY_PEER, CODE_MAX, DRAIN_TIMEOUT, ECHO_MISMATCH, ERROR_REPLY,
    EVENTS_MAX, INTERRUPTED, LINE_MINOR_STEPS, OK, RECEIVE_BYTES, REPLY_LENGTH, REPLY_TYPE, REPLY_UNASKED,
    SOCKET_FAILED, TAG_INVALID, TRACE_MISMATCH, WINDOW_MAX, fill, flush, link_t, receive, run_t, slot_t,
)
from ._histogram cimport Histogram
from ._native cimport (
    CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID, EPOLLIN, EPOLLOUT, EPOLL_CTL_ADD, EVP_CIPHER_CTX_free,
    EVP_CIPHER_CTX_new, EVP_CipherInit_ex, EVP_aes_256_gcm, OPENSSL_VERSION, OpenSSL_version, TFD_NONBLOCK,
    TFD_TIMER_ABSTIME, close, epoll_create1, epoll_ctl, epoll_event, epoll_wait, itimerspec, now_ns, start_counter,
    timerfd_create, timerfd_settime,
)

from .plan import LINE_MINOR_MAX, REPLY_OFFSETS, RunResult

_MEANINGS = {
    CLOSED_BY_PEER: "the peer closed the connection",
    SOCKET_FAILED: "the socket failed",
    CIPHER_FAILED: "OpenSSL refused to seal",
    TAG_INVALID: "a reply's tag is invalid",
    REPLY_LENGTH: "a reply's length is none that the request can have",
    REPLY_TYPE: "a reply's type does not belong to the request",
    ERROR_REPLY: "the switch could not read a request",
    REPLY_UNASKED: "a reply came twice or for nothing that was asked",
    TRACE_MISMATCH: "a reply carries another trace number than its request",
    AMOUNT_MISMATCH: "a reply carries another amount than its request",
    ECHO_MISMATCH: "the echo differs from what was sent",
    DRAIN_TIMEOUT: "requests stayed unanswered",
}


class GeneratorError(RuntimeError):
    """A run that proves nothing: an answer was wrong, missing or doubled, or a connection ended."""


cdef uint64_t next_rekey(uint64_t counter, uint64_t frames) noexcept nogil:
    """Nonce before which a key is changed next; a multiple that was reached and not used counts as still to come."""
    return max(frames, (counter + frames - 1) // frames * frames)


# --------------------------------------------------------------------------- the loop


cdef int issue_due(run_t *run, link_t *links, int link_count, int64_t now) noexcept nogil:
    """Fixed rate: send what should have left by now, spread over the links, and set the timer for the next."""
    cdef uint64_t due = <uint64_t>((<double>(now - run.start_ns)) / run.gap_ns) + 1
    cdef uint64_t share, before
    cdef int status, _n
    cdef itimerspec when
    cdef int64_t next_ns
    due = min(due, run.message_count)
    while run.issued < due:
        before = run.issued
        share = (due - run.issued + link_count - 1) // link_count
        for _n in range(link_count):
            if run.issued >= due:
                break
            run.turn = run.turn + 1 if run.turn + 1 < link_count else 0
            status = fill(run, &links[run.turn], min(share, due - run.issued))
            if status != OK:
                return status
        if run.issued == before:
            break                     # every window is closed: replies will open them
    if due < run.message_count:
        next_ns = run.start_ns + <int64_t>(run.gap_ns * <double>due)
        memset(&when, 0, sizeof(when))
        when.it_value.tv_sec = next_ns // 1000000000
        when.it_value.tv_nsec = next_ns % 1000000000
        timerfd_settime(run.timer_fd, TFD_TIMER_ABSTIME, &when, NULL)
    return OK


cdef int serve_events(run_t *run, link_t *links, int link_count, epoll_event *events, int event_count) noexcept nogil:
    """Read what came, refill the windows (closed loop), write what a full socket left behind."""
    cdef int n, status = OK
    cdef link_t *link
    for n in range(event_count):
        if events[n].data.u32 >= <uint32_t>link_count:
            continue                  # the timer: `issue_due` looks at the clock anyway
        link = &links[events[n].data.u32]
        run.bad_terminal = link.terminal_id
        if events[n].events != EPOLLOUT:
            status = receive(run, link)
        if status == OK and not run.stopping and run.gap_ns == 0:
            status = fill(run, link, WINDOW_MAX)
        if status == OK and link.waits_to_write:
            status = flush(run, link)
        if status != OK:
            return status
    return OK


cdef int run_loop(run_t *run, link_t *links, int link_count) noexcept nogil:
    """Until the plan is fulfilled or time is up, and all that left is answered. After INTERRUPTED, call again."""
    cdef epoll_event events[EVENTS_MAX]
    cdef int event_count, status
    cdef int64_t now
    while True:
        now = now_ns(CLOCK_MONOTONIC)
        # A fixed rate stops only when all that was called for has left: what is late belongs into the figures.
        if run.issued >= run.message_count or (run.gap_ns == 0 and now >= run.stop_ns):
            run.stopping = 1
        if run.stopping and run.answered == run.issued:
            return OK
        if now >= run.give_up_ns:
            if run.stopping:
                return DRAIN_TIMEOUT
            run.stopping = 1
            run.give_up_ns += run.drain_ns
        if run.gap_ns > 0 and not run.stopping:
            status = issue_due(run, links, link_count, now)
            if status != OK:
                return status
        event_count = epoll_wait(
            run.epoll_fd, events, EVENTS_MAX,
            <int>max(1, ((run.give_up_ns if run.stopping else run.stop_ns) - now) // 1000000 + 1),
        )
        if event_count < 0:
            run.bad_detail = errno
            return INTERRUPTED if errno == EINTR else SOCKET_FAILED
        status = serve_events(run, links, link_count, events, event_count)
        if status != OK:
            return status


cdef class Generator:
    """Drives signed-on sockets; counters, trace numbers and nonces go on from run to run."""

    cdef link_t *links
    cdef readonly int link_count
    cdef readonly int window
    cdef uint8_t *buffer
    cdef int epoll_fd, timer_fd
    cdef bint broken

    def __cinit__(self, links, int window):
        self.epoll_fd = self.timer_fd = -1
        if not 1 <= window <= WINDOW_MAX or not links:
            raise ValueError(f"window: expected 1 to {WINDOW_MAX} and at least one link, got {window} and {len(links)}")
        self.link_count = len(links)
        self.window = window
        self.links = <link_t *>calloc(self.link_count, sizeof(link_t))
        self.buffer = <uint8_t *>calloc(1, RECEIVE_BYTES)
        self.epoll_fd = epoll_create1(0)
        self.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)
        if self.links == NULL or self.buffer == NULL or self.epoll_fd < 0 or self.timer_fd < 0:
            raise MemoryError
        self.watch(self.timer_fd, self.link_count)
        for number, state in enumerate(links):
            self.open_link(&self.links[number], number, state)

    cdef int watch(self, int fd, uint32_t mark) except -1:
        cdef epoll_event event
        event.events = EPOLLIN
        event.data.u32 = mark
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0:
            raise OSError(errno, "epoll")
        return 0

    cdef int open_link(self, link_t *link, uint32_t number, state) except -1:
        cdef const uint8_t[::1] send_key = state.send_key
        cdef const uint8_t[::1] receive_key = state.receive_key
        cdef int n
        link.fd = state.fd
        link.number = number
        link.terminal_id = state.terminal_id
        link.send_counter, link.receive_counter = state.send_counter, state.receive_counter
        link.rekey_frames = state.rekey_frames
        link.send_rekey_at = next_rekey(link.send_counter, link.rekey_frames)
        link.receive_rekey_at = next_rekey(link.receive_counter, link.rekey_frames)
        link.next_trace_number = state.next_trace_number
        link.sealer = EVP_CIPHER_CTX_new()
        link.opener = EVP_CIPHER_CTX_new()
        link.slots = <slot_t *>calloc(WINDOW_MAX, sizeof(slot_t))
        link.free_slots = <uint16_t *>calloc(self.window, sizeof(uint16_t))
        link.carry = <uint8_t *>calloc(1, CARRY_BYTES)
        if link.sealer == NULL or link.opener == NULL or not link.slots or not link.free_slots or not link.carry:
            raise MemoryError
        if len(send_key) != 32 or len(receive_key) != 32:
            raise ValueError(f"keys: expected 32 bytes, got {len(send_key)} and {len(receive_key)}")
        if EVP_CipherInit_ex(link.sealer, EVP_aes_256_gcm(), NULL, &send_key[0], NULL, 1) != 1:
            raise GeneratorError("OpenSSL refused a key")
        if EVP_CipherInit_ex(link.opener, EVP_aes_256_gcm(), NULL, &receive_key[0], NULL, 0) != 1:
            raise GeneratorError("OpenSSL refused a key")
        if not (start_counter(link.sealer, link.send_counter) and start_counter(link.opener, link.receive_counter)):
            raise GeneratorError("OpenSSL refused a nonce")
        for n in range(self.window):
            link.free_slots[n] = <uint16_t>(self.window - 1 - n)
        link.free_count = self.window
        return self.watch(link.fd, number)

    def __dealloc__(self):
        cdef int n
        if self.epoll_fd >= 0:
            close(self.epoll_fd)
        if self.timer_fd >= 0:
            close(self.timer_fd)
        for n in range(self.link_count if self.links != NULL else 0):
            EVP_CIPHER_CTX_free(self.links[n].sealer)
            EVP_CIPHER_CTX_free(self.links[n].opener)
            free(self.links[n].slots)
            free(self.links[n].free_slots)
            free(self.links[n].carry)
            free(self.links[n].out)
        free(self.links)
        free(self.buffer)

    def run(
        self, plan, *, double duration_s, message_count=None, double rate_per_s=0, uint64_t seed=1, double drain_s=10
    ):
        """Send until `message_count` messages or `duration_s` seconds are reached, then wait for every answer.

        With `rate_per_s`, exactly `rate_per_s * duration_s` messages leave at even intervals whatever the replies do.
        Raises GeneratorError, after which the generator is of no more use, when an answer is wrong, doubled or missing.
        """
        cdef run_t run
        cdef Histogram latencies = Histogram()
        cdef const uint8_t[::1] message = plan.message
        cdef int64_t cpu_ns
        cdef int n, status
        if self.broken:
            raise GeneratorError("an earlier run failed: sign on anew")
        memset(&run, 0, sizeof(run))
        load_plan(&run, plan)
        run.message = &message[0]
        run.random_state = seed
        run.latencies = latencies.counts
        run.buffer = self.buffer
        run.epoll_fd = self.epoll_fd
        run.timer_fd = self.timer_fd
        run.message_count = (1 << 62) if message_count is None else message_count
        if rate_per_s > 0:
            run.gap_ns = 1e9 / rate_per_s
            run.message_count = min(run.message_count, <uint64_t>(rate_per_s * duration_s))
        run.drain_ns = <int64_t>(drain_s * 1e9)
        self.make_room(run.frame_bytes)
        cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID)
        run.start_ns = run.last_reply_ns = now_ns(CLOCK_MONOTONIC)
        run.stop_ns = run.start_ns + <int64_t>(duration_s * 1e9)
        run.give_up_ns = run.stop_ns + run.drain_ns
        status = OK
        with nogil:
            for n in range(self.link_count):
                if status == OK and run.gap_ns == 0:
                    run.bad_terminal = self.links[n].terminal_id
                    status = fill(&run, &self.links[n], WINDOW_MAX)
            if status == OK:
                status = run_loop(&run, self.links, self.link_count)
        while status == INTERRUPTED:
            self.broken = True        # unless the signal's handler lets us go on
            PyErr_CheckSignals()
            self.broken = False
            with nogil:
                status = run_loop(&run, self.links, self.link_count)
        cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns
        if status != OK:
            self.broken = True
            raise GeneratorError(
                f"{_MEANINGS[status]}: terminal {run.bad_terminal}, sequence {run.bad_sequence:#x}, "
                f"detail {run.bad_detail & 0xFFFFFFFFFFFFFFFF:#018x}, {run.answered} answered of {run.issued} sent"
            )
        return result_of(&run, latencies, cpu_ns, rate_per_s)

    cdef int make_room(self, size_t frame_bytes) except -1:
        """Buffers for a whole window of unsent frames; between runs they are empty, so nothing is copied."""
        cdef int n
        for n in range(self.link_count):
            if self.links[n].out_bytes_max < frame_bytes * self.window:
                free(self.links[n].out)
                self.links[n].out_bytes_max = frame_bytes * self.window
                self.links[n].out = <uint8_t *>calloc(1, self.links[n].out_bytes_max)
                if self.links[n].out == NULL:
                    raise MemoryError
        return 0


cdef load_plan(run_t *run, plan):
    run.message_bytes = len(plan.message)
    run.frame_bytes = plan.frame_bytes
    run.sealed = plan.sealed
    run.random_cards = plan.random_cards
    run.first_card = plan.cards.first
    run.card_count = plan.cards.count
    run.amount_minor = plan.amount_minor
    run.sequence_at = plan.sequence_offset
    run.card_at = plan.card_offset
    run.trace_at = plan.trace_offset
    run.amount_at = plan.amount_offset
    run.line_count = plan.line_count
    run.line_at = plan.line_amount_offset
    run.line_bytes = plan.line_bytes
    run.reply_type = plan.reply_type
    run.reply_bytes = REPLY_OFFSETS.bytes
    run.line_result_bytes = REPLY_OFFSETS.line_result_bytes
    run.code_at = REPLY_OFFSETS.code
    run.reply_trace_at = REPLY_OFFSETS.trace_number
    run.reply_amount_at = REPLY_OFFSETS.amount_minor
    run.balance_at = REPLY_OFFSETS.balance_minor
    run.points_at = REPLY_OFFSETS.points_hundredths
    run.points_balance_at = REPLY_OFFSETS.points_balance_hundredths


cdef result_of(run_t *run, Histogram latencies, int64_t cpu_ns, double rate_per_s):
    elapsed_s = (run.last_reply_ns - run.start_ns) / 1e9
    return RunResult(
        answered=run.answered,
        unsent=run.message_count - run.issued if rate_per_s > 0 else 0,
        elapsed_s=elapsed_s,
        per_s=run.answered / elapsed_s if elapsed_s > 0 else 0.0,
        cpu_s=cpu_ns / 1e9,
        code_counts={code: run.code_counts[code] for code in range(CODE_MAX) if run.code_counts[code]},
        approved_minor_sum=run.approved_minor_sum,
        balance_minor_sum=run.balance_minor_sum,
        points_hundredths_sum=run.points_sum,
        points_balance_hundredths_sum=run.points_balance_sum,
        p50_us=latencies.percentile_ns(500) / 1e3,
        p99_us=latencies.percentile_ns(990) / 1e3,
        p999_us=latencies.percentile_ns(999) / 1e3,
        max_us=latencies.max_ns / 1e3,
    )


def openssl_version():
    """Version of the libcrypto that seals the frames."""
    return OpenSSL_version(OPENSSL_VERSION).decode()


assert LINE_MINOR_MAX == LINE_MINOR_STEPS
