"""The hot half of a connection: what happens at every receive of a signed-on terminal.

The event loop asks for a buffer, receives into it and reports, without a
pause in between, so one buffer serves all connections.  Time is read once per
turn of the loop, not once per receive: all that arrived together is decided
at one moment, and is handed to the commit thread together.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from switch._layout cimport FRAME_TIMEOUT_MS, IDLE_TIMEOUT_MS
from switch._link cimport Link
from switch._link import RECEIVE_BYTES, TAIL_BYTES_MAX


cdef class Turn:
    """One turn of the event loop and the buffer that its receives share.

    `begin` is called at the first receive of a turn; it sets both times and sees to it that `end` is called when the
    turn is over.
    """

    cdef public int64_t now_ms                   # wall clock, ms since 1970-01-01 UTC
    cdef public int64_t monotonic_ms
    cdef bint begun
    cdef object begin
    cdef readonly object buffer
    cdef readonly object receive_view            # where a receive without kept bytes goes
    cdef object whole_view
    cdef uint8_t[::1] bytes

    def __cinit__(self, begin):
        self.begin = begin
        self.begun = False
        self.buffer = bytearray(RECEIVE_BYTES + TAIL_BYTES_MAX)
        self.bytes = self.buffer
        self.whole_view = memoryview(self.buffer)
        self.receive_view = self.whole_view[:RECEIVE_BYTES]

    def ensure(self):
        """Begin the turn unless it has begun."""
        if not self.begun:
            self.begun = True
            self.begin()

    def end(self):
        """The turn is over: the next receive begins another."""
        self.begun = False


cdef class Intake:
    """Base of a connection; a subclass has `take_sign_on(size)`, `take_cold(messages)`, `take_fault(reason)`, `hold_back()`."""

    cdef public Link link                        # None until sign-on is through
    cdef public int64_t deadline_ms              # by the monotonic clock: when to close it unless something whole arrives
    cdef readonly Turn turn

    def __init__(self, Turn turn not None):
        self.turn = turn
        self.link = None

    def get_buffer(self, sizehint):
        """asyncio.BufferedProtocol: where the next bytes go, behind those that were kept."""
        cdef Link link = self.link
        if link is None or link.tail_bytes == 0:
            return self.turn.receive_view
        kept = link.load(self.turn.bytes)
        return self.turn.whole_view[kept:kept + RECEIVE_BYTES]

    def buffer_updated(self, nbytes):
        """asyncio.BufferedProtocol: bytes have come."""
        if self.link is None:
            self.take_sign_on(nbytes)
        else:
            self.take(nbytes + self.link.tail_bytes)

    def resume_kept(self):
        """Go on with what was kept while the link was paused."""
        if self.link.load(self.turn.bytes):
            self.take(self.link.tail_bytes)

    cpdef take(self, uint64_t size):
        """One pass over `size` bytes at the start of the shared buffer."""
        cdef Link link = self.link
        cdef Turn turn = self.turn
        cdef uint64_t frames_before = link.frame_count
        turn.ensure()
        cold = link.receive(turn.bytes, size, turn.now_ms)
        if cold is not None and not self.take_cold(cold):
            return
        if link.fault is not None:
            self.take_fault(link.fault)
        elif link.frame_count != frames_before:
            self.deadline_ms = turn.monotonic_ms + (FRAME_TIMEOUT_MS if link.tail_bytes else IDLE_TIMEOUT_MS)
        elif self.deadline_ms > turn.monotonic_ms + FRAME_TIMEOUT_MS:
            self.deadline_ms = turn.monotonic_ms + FRAME_TIMEOUT_MS      # a frame has begun
        if link.paused:
            self.hold_back()
