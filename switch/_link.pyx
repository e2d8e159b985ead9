"""One signed-on connection: frames opened on the way in, answers sealed on the way out.

Owns the session's keys and the start of a frame that has not come whole.  One
pass takes everything that a receive brought: frames are opened in rounds,
the memory that they will touch is fetched ahead, each is decided and its
answer sealed into the batch.  Cold messages are handed to the caller.
Invariant: a frame that is forged, replayed or reordered ends the connection,
and nothing behind it is looked at.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove, memset

from switch._aead cimport seal, unseal
from switch._fastpath cimport Engine
from switch._layout cimport (
    CODE_LENGTH, ERRORS_MAX, FRAME_BYTES_MAX, FRAME_LENGTH_BYTES, PROTOCOL_VERSION, REPLY_BIT, TAG_BYTES,
    TERMINAL_ACTIVE, TYPE_BALANCE, TYPE_CHANGE_CARD_STATUS, TYPE_CREDIT, TYPE_DEBIT, TYPE_ERROR, TYPE_OPEN_CARD,
    TYPE_PUT_CARD_TYPE, TYPE_PUT_STORE, debit_request_t, error_reply_t, header_t, reply_t, terminal_record_t)
from switch.duplicates cimport answer_key
from switch.group_commit cimport ANSWERS_BYTES_SOFT, GroupCommit, link_drop, link_new

cdef extern from *:
    """
    #define fetch_line(p) __builtin_prefetch((p), 1, 3)
    """
    void fetch_line(const void* p) noexcept nogil

cdef enum:
    SHORT_PASS_BYTES = 16384         # below it, giving up the interpreter lock costs more than it is worth

RECEIVE_BYTES = 262144
"""Most bytes taken by one pass: 1,600 debits of three lines, some milliseconds of work, then others have their turn."""
TAIL_BYTES_MAX = RECEIVE_BYTES + FRAME_BYTES_MAX + FRAME_LENGTH_BYTES
cdef uint32_t answer_bytes_max = sizeof(header_t) + sizeof(reply_t)


cdef inline bint decided_here(uint8_t request_type) noexcept nogil:
    # A put terminal carries a key in clear, so the dispatcher wraps it first.
    return (TYPE_DEBIT <= request_type <= TYPE_CREDIT or request_type == TYPE_PUT_CARD_TYPE
            or request_type == TYPE_PUT_STORE or request_type == TYPE_OPEN_CARD
            or request_type == TYPE_CHANGE_CARD_STATUS)


cdef class Link:
    """Binds a socket to a terminal's session.

    `fd` is a duplicate of the socket that the link owns and closes; keys are the session's, 32 bytes each.
    """

    def __cinit__(self, Engine engine not None, int fd, uint32_t terminal_id, bytes receive_key, bytes send_key):
        if len(receive_key) != 32 or len(send_key) != 32:
            raise ValueError("link keys: expected 32 bytes each")
        self.engine = engine
        self.terminal_id = terminal_id
        self.fault = None
        self.link = link_new(fd, terminal_id, receive_key, send_key)
        if self.link == NULL:
            raise MemoryError("link: no memory for a session")

    def __dealloc__(self):
        if self.link != NULL:
            link_drop(self.link)
        free(self.tail)
        free(self.cold)

    @property
    def waiting_bytes(self):
        """Bytes kept from earlier receives."""
        return self.tail_bytes

    @property
    def fd(self):
        """The link's duplicate of the socket."""
        return self.link.fd

    def receive(self, uint8_t[::1] buffer not None, uint32_t size, int64_t now_ms):
        """`take` for tests and benchmarks: the first `size` bytes of a buffer, behind what was kept before."""
        cdef uint32_t kept = self.tail_bytes
        if kept + size > <uint64_t>buffer.shape[0]:
            raise ValueError(f"receive buffer: expected room for {kept} kept and {size} new bytes, got {buffer.shape[0]}")
        if kept:
            memmove(&buffer[kept], &buffer[0], size)
            self.load(&buffer[0])
        return self.take(&buffer[0], kept + size, now_ms)

    cdef uint32_t load(self, uint8_t* buffer) noexcept:
        """Copy the kept bytes to the start of a receive buffer; how many they are. `take` forgets them."""
        memcpy(buffer, self.tail, self.tail_bytes)
        return self.tail_bytes

    cdef take(self, uint8_t* data, uint32_t size, int64_t now_ms):
        """Take bytes that have come, the kept ones first. Returns the cold messages (plain bytes) in order, or None.

        Afterwards `fault` says whether the connection must be closed, `paused` whether it must not be read for now.
        """
        cdef uint32_t used = 0, i
        cdef const char* fault
        cdef Engine engine = self.engine
        self.cold_count = 0
        self.paused = False
        self.tail_bytes = 0
        if size > SHORT_PASS_BYTES:
            with nogil:
                fault = self._pass(engine, engine.commit, data, size, now_ms, &used)
        else:
            fault = self._pass(engine, engine.commit, data, size, now_ms, &used)
        if fault == NULL and used < size and self._keep(data + used, size - used) != 0:
            fault = b"no memory for the rest of a frame"
        if fault != NULL:
            self.fault = (<bytes>fault).decode()
        if self.cold_count == 0:
            return None
        return [self.cold[i].plaintext[:self.cold[i].bytes] for i in range(self.cold_count)]

    cdef const char* _pass(self, Engine engine, GroupCommit commit, uint8_t* data, uint32_t size, int64_t now_ms,
                           uint32_t* used) noexcept nogil:
        """All whole frames. Returns NULL, or why the connection must end; `used` bytes are done with."""
        cdef message_t round[FRAMES_PER_ROUND]
        cdef const header_t* header
        cdef const debit_request_t* keyed
        cdef terminal_record_t* terminal
        cdef const char* fault = NULL
        cdef uint32_t at = 0, opened, i, frame_bytes, answers_from, out_bytes
        cdef int plain_bytes
        cdef uint8_t* out
        commit.lock()
        answers_from = commit.gather.answers_bytes
        terminal = engine.tables.terminal(self.terminal_id)
        if terminal == NULL or terminal.status != TERMINAL_ACTIVE:
            commit.unlock()
            used[0] = size
            return b"terminal is blocked"
        while fault == NULL:
            # Open a round of frames and ask for the memory of their cards.
            opened = 0
            while opened < FRAMES_PER_ROUND and size - at >= FRAME_LENGTH_BYTES:
                frame_bytes = (<uint32_t>data[at] << 8) | data[at + 1]
                if frame_bytes == 0 or frame_bytes > FRAME_BYTES_MAX:
                    fault = b"frame length out of bounds"
                    break
                if size - at - FRAME_LENGTH_BYTES < frame_bytes:
                    break
                if commit.gather.answers_bytes > ANSWERS_BYTES_SOFT:
                    self.paused = True
                    break
                plain_bytes = unseal(&self.link.receive, data + at + FRAME_LENGTH_BYTES, <int>frame_bytes)
                if plain_bytes < 0:
                    fault = b"frame forged, replayed or out of order"
                    break
                round[opened].plaintext = data + at + FRAME_LENGTH_BYTES
                round[opened].bytes = <uint32_t>plain_bytes
                header = <const header_t*>round[opened].plaintext
                if (TYPE_DEBIT <= header.type <= TYPE_CREDIT and header.type != TYPE_BALANCE
                        and round[opened].bytes >= sizeof(header_t) + sizeof(debit_request_t)):
                    keyed = <const debit_request_t*>(round[opened].plaintext + sizeof(header_t))
                    engine.tables.card_index.prefetch(keyed.card_number)
                    engine.answers.prefetch(keyed.business_date, answer_key(self.terminal_id, keyed.trace_number))
                at += FRAME_LENGTH_BYTES + frame_bytes
                opened += 1
            if opened > 1:
                for i in range(opened):
                    self._fetch(&round[i])
            for i in range(opened):
                header = <const header_t*>round[i].plaintext
                if round[i].bytes < sizeof(header_t):
                    answer_stub(self, commit, &round[i])
                elif decided_here(header.type):
                    out = commit.answer_space(FRAME_LENGTH_BYTES + answer_bytes_max + TAG_BYTES)
                    out_bytes = engine.decide_one(self.terminal_id, terminal.rights, round[i].plaintext,
                                                  round[i].bytes, now_ms, out + FRAME_LENGTH_BYTES)
                    if (<const header_t*>(out + FRAME_LENGTH_BYTES)).type == TYPE_ERROR | REPLY_BIT:
                        self.error_count += 1
                    seal_frame(self, out, out_bytes)
                elif self._cold(&round[i]) != 0:
                    fault = b"no memory for a message"
            self.frame_count += opened
            if self.error_count > ERRORS_MAX:
                fault = b"too many messages that cannot be read"
            if opened < FRAMES_PER_ROUND:
                break
        if commit.add_chunk(self.link, answers_from) != 0:
            fault = b"no memory for an answer"
        commit.unlock()
        used[0] = at
        return fault

    def count_error(self):
        """The dispatcher answers with an error reply."""
        self.error_count += 1
        if self.error_count > ERRORS_MAX:
            self.fault = "too many messages that cannot be read"

    def answer(self, const uint8_t[::1] plaintext not None):
        """Seal one cold reply (header and body) into the batch; it leaves with it. False: the batch is full."""
        cdef const char* fault
        cdef GroupCommit commit = self.engine.commit
        with nogil:
            commit.lock()
            fault = self._answer(commit, &plaintext[0], <uint32_t>plaintext.shape[0])
            commit.unlock()
        return fault == NULL

    def decide(self, const uint8_t[::1] message not None, int64_t now_ms):
        """Decide a message that the dispatcher has prepared, and answer it."""
        cdef Engine engine = self.engine
        cdef terminal_record_t* terminal
        cdef uint8_t out[256]
        cdef uint32_t size
        with nogil:
            engine.commit.lock()
            terminal = engine.tables.terminal(self.terminal_id)
            size = engine.decide_one(self.terminal_id, terminal.rights, &message[0], <uint32_t>message.shape[0],
                                     now_ms, out)
            self._answer(engine.commit, out, size)
            engine.commit.unlock()

    cdef const char* _answer(self, GroupCommit commit, const uint8_t* plaintext, uint32_t size) noexcept nogil:
        cdef uint32_t answers_from = commit.gather.answers_bytes
        cdef uint8_t* out = commit.answer_space(FRAME_LENGTH_BYTES + size + TAG_BYTES)
        if out == NULL:
            return b"batch is full"
        memcpy(out + FRAME_LENGTH_BYTES, plaintext, size)
        seal_frame(self, out, size)
        if commit.add_chunk(self.link, answers_from) != 0:
            return b"no memory for an answer"
        return NULL

    cdef int _keep(self, const uint8_t* data, uint32_t size) noexcept nogil:
        cdef uint8_t* grown
        if size > self.tail_capacity:
            grown = <uint8_t*>realloc(self.tail, size)
            if grown == NULL:
                return -1
            self.tail = grown
            self.tail_capacity = size
        memcpy(self.tail, data, size)
        self.tail_bytes = size
        return 0

    cdef void _fetch(self, message_t* message) noexcept nogil:
        """Second step of fetching ahead: the index lines have come, ask for the records."""
        cdef const header_t* header = <const header_t*>message.plaintext
        cdef const debit_request_t* keyed = <const debit_request_t*>(message.plaintext + sizeof(header_t))
        if header.type == TYPE_DEBIT and message.bytes >= sizeof(header_t) + sizeof(debit_request_t):
            self.engine.tables.fetch(keyed.card_number)

    cdef int _cold(self, const message_t* message) noexcept nogil:
        cdef message_t* grown
        if self.cold_count == self.cold_capacity:
            grown = <message_t*>realloc(self.cold, (self.cold_capacity * 2 + 16) * sizeof(message_t))
            if grown == NULL:
                return -1
            self.cold = grown
            self.cold_capacity = self.cold_capacity * 2 + 16
        self.cold[self.cold_count] = message[0]
        self.cold_count += 1
        return 0


cdef inline void seal_frame(Link link, uint8_t* out, uint32_t plain_bytes) noexcept nogil:
    """Seal the plaintext behind a frame's length field and count it as an answer of the batch."""
    cdef int sealed_bytes = seal(&link.link.send, out + FRAME_LENGTH_BYTES, <int>plain_bytes)
    if sealed_bytes < 0:
        link.link.broken = 1
        return
    out[0] = <uint8_t>(sealed_bytes >> 8)
    out[1] = <uint8_t>(sealed_bytes & 0xFF)
    link.engine.commit.gather.answers_bytes += FRAME_LENGTH_BYTES + <uint32_t>sealed_bytes


cdef void answer_stub(Link link, GroupCommit commit, const message_t* message) noexcept nogil:
    """Answer LENGTH to a message that is shorter than a header; what is missing of the header counts as zero."""
    cdef uint8_t* out = commit.answer_space(FRAME_LENGTH_BYTES + answer_bytes_max + TAG_BYTES)
    cdef header_t asked
    cdef header_t* header = <header_t*>(out + FRAME_LENGTH_BYTES)
    cdef error_reply_t* error = <error_reply_t*>(out + FRAME_LENGTH_BYTES + sizeof(header_t))
    memset(&asked, 0, sizeof(asked))
    memcpy(&asked, message.plaintext, message.bytes)
    memset(header, 0, sizeof(header_t) + sizeof(error_reply_t))
    header.version, header.type, header.sequence = PROTOCOL_VERSION, TYPE_ERROR | REPLY_BIT, asked.sequence
    error.code, error.type, error.expected, error.got = CODE_LENGTH, asked.type, sizeof(header_t), message.bytes
    link.error_count += 1
    seal_frame(link, out, sizeof(header_t) + sizeof(error_reply_t))
