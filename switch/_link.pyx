"""Signed-on connections: frames opened on the way in, answers sealed on the way out.

A link owns a session's keys and the start of a frame that has not come whole.
A round takes frames of one or many links together: first all are opened, and
the memory that they will touch is asked for; then each is decided and its
answer sealed into the batch.  Between the two the memory has arrived, which
is most of what a debit of a random card costs.  Cold messages are kept for the
dispatcher.  Invariant: a frame that is forged, replayed or reordered ends its
connection, and nothing behind it is looked at.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from cpython.ref cimport PyObject
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memmove, memset

from switch._aead cimport seal, unseal
from switch._examine cimport CHALLENGE_BYTES, chips_t, find_proof, settle_chips
from switch._fastpath cimport ANSWER_BYTES_MAX, Engine
from switch._layout cimport (
    CODE_LENGTH, ERRORS_MAX, FORMS, FRAME_BYTES_MAX, FRAME_LENGTH_BYTES, MEDIUM_CHIP, PROTOCOL_VERSION, REPLY_BIT,
    TAG_BYTES, TERMINAL_BLOCKED, TYPE_BALANCE, TYPE_CARD_QUERY, TYPE_CHANGE_KEY, TYPE_DEBIT, TYPE_ERROR, TYPE_PUT_KEY,
    TYPE_PUT_MEDIUM, TYPE_PUT_TERMINAL, TYPE_QUOTE, TYPE_REWRAP_KEY, TYPE_SIGN_OFF, debit_request_t, error_reply_t,
    header_t, medium_record_t, terminal_record_t)
from switch.duplicates cimport answer_key
from switch._peer cimport GONE, link_drop, link_new
from switch.group_commit cimport ANSWERS_BYTES_SOFT, GroupCommit

cdef extern from *:
    """
    #define fetch_line(p) __builtin_prefetch((p), 1, 3)
    """
    void fetch_line(const void* p) noexcept nogil

RECEIVE_BYTES = 262144
"""Most bytes taken by one pass: 1,600 debits of three lines, some milliseconds of work, then others have their turn."""
TAIL_BYTES_MAX = RECEIVE_BYTES + FRAME_BYTES_MAX + FRAME_LENGTH_BYTES


ADDRESS_BYTES = 16
"""An IPv6 address; one of IPv4 is mapped into it (RFC 4291, section 2.5.5.2)."""


cdef inline bint decided_here(uint8_t request_type) noexcept nogil:
    # What carries or names a key passes the key desk first.
    if (request_type == TYPE_PUT_TERMINAL or request_type == TYPE_PUT_MEDIUM or request_type == TYPE_PUT_KEY
            or request_type == TYPE_REWRAP_KEY or request_type == TYPE_CHANGE_KEY):
        return False
    return (FORMS[request_type].keyed or request_type == TYPE_BALANCE or request_type == TYPE_QUOTE
            or request_type == TYPE_CARD_QUERY)


cdef inline bint signs_off(const header_t* header) noexcept nogil:
    # A sign-off that is not well formed is answered with an error, and the session goes on.
    return header.type == TYPE_SIGN_OFF and header.version == PROTOCOL_VERSION and header.flags == 0


cdef const uint8_t* key_of(const terminal_record_t* terminal, uint16_t key_version) noexcept nogil:
    """Wrapping of the terminal's key of this version; NULL: it is neither the one in use nor the next."""
    cdef int i
    if key_version == terminal.key_version:
        return terminal.wrapped_key
    if key_version == <uint16_t>(terminal.key_version + 1):
        for i in range(<int>sizeof(terminal.wrapped_next)):
            if terminal.wrapped_next[i] != 0:
                return terminal.wrapped_next
    return NULL


cdef class Link:
    """Binds a socket to a terminal's session.

    `fd` is a duplicate of the socket that the link owns and closes; keys are the session's, 32 bytes each; challenges
    (8 bytes) are what chips are asked in this session, and were in the terminal's session before; `key_version` is
    that of the terminal's key that it signed on with (0: the one that its record has now); `software_version` is what
    its sign-on said, `address` where it connects from (16 bytes, IPv6 or IPv4 mapped; zero: unknown).
    """

    def __cinit__(self, Engine engine not None, int fd, uint32_t terminal_id, bytes receive_key, bytes send_key,
                  bytes challenge=bytes(CHALLENGE_BYTES), bytes previous_challenge=bytes(CHALLENGE_BYTES),
                  uint16_t key_version=0, uint16_t software_version=0, bytes address=bytes(ADDRESS_BYTES)):
        if len(receive_key) != 32 or len(send_key) != 32:
            raise ValueError("link keys: expected 32 bytes each")
        if len(challenge) != CHALLENGE_BYTES or len(previous_challenge) != CHALLENGE_BYTES:
            raise ValueError(f"link challenges: expected {CHALLENGE_BYTES} bytes each")
        if len(address) != ADDRESS_BYTES:
            raise ValueError(f"link address: expected {ADDRESS_BYTES} bytes, got {len(address)}")
        memcpy(self.address, <const uint8_t*>address, ADDRESS_BYTES)
        self.software_version = software_version
        memcpy(self.challenges.current, <const uint8_t*>challenge, CHALLENGE_BYTES)
        memcpy(self.challenges.previous, <const uint8_t*>previous_challenge, CHALLENGE_BYTES)
        self.engine = engine
        self.terminal_id = terminal_id
        self.fault = None
        self.link = link_new(fd, terminal_id, receive_key, send_key)
        if self.link == NULL:
            raise MemoryError("link: no memory for a session")
        cdef terminal_record_t* terminal = engine.tables.terminal(terminal_id)
        if terminal != NULL:
            self.key_version = key_version if key_version else terminal.key_version
            self._mark_key(terminal)

    def __dealloc__(self):
        if self.link != NULL:
            link_drop(self.link)
        free(self.tail)

    @property
    def waiting_bytes(self):
        """Bytes kept from earlier receives."""
        return self.tail_bytes

    @property
    def backlog_bytes(self):
        """Answers released that the socket has not taken yet."""
        return self.link.backlog_bytes

    @property
    def fd(self):
        """The link's duplicate of the socket."""
        return self.link.fd

    def receive(self, uint8_t[::1] buffer not None, uint32_t size, int64_t now_ms):
        """One link alone, for tests and benchmarks: takes the first `size` bytes of a buffer, behind what was kept.

        Returns the cold messages in order, or None. Afterwards `fault` says whether the connection must be closed,
        `paused` whether it must not be read for now.
        """
        cdef uint32_t kept = self.tail_bytes
        if kept + size > <uint64_t>buffer.shape[0]:
            raise ValueError(f"receive buffer: expected room for {kept + size} bytes, got {buffer.shape[0]}")
        if kept:
            memmove(&buffer[kept], &buffer[0], size)
            self.load(&buffer[0])
        cdef Round round = Round(self.engine)
        round.take(self, &buffer[0], kept + size, now_ms)
        round.finish(now_ms)
        return self.take_cold()

    cdef bint _mark_key(self, const terminal_record_t* terminal) noexcept:
        """Remember by which bytes the key of this session can be known; False when it has ended."""
        cdef const uint8_t* key = key_of(terminal, self.key_version)
        if key == NULL:
            return False
        memcpy(self.key_mark, key, KEY_MARK_BYTES)
        self.storage_version = terminal.storage_version
        return True

    cdef bint _is_key_valid(self, const terminal_record_t* terminal) noexcept:
        """Whether the key that the session was made with is still one of its terminal's.

        A version may be given twice: to a next key that is given up, and to the one that comes instead. So the key
        itself is compared, by its wrapping. One wrapped anew since the last frame is known by its version alone.
        """
        cdef const uint8_t* key = key_of(terminal, self.key_version)
        if key == NULL:
            return False
        return memcmp(key, self.key_mark, KEY_MARK_BYTES) == 0 or (
            terminal.storage_version != self.storage_version and self._mark_key(terminal))

    cdef uint32_t load(self, uint8_t* buffer) noexcept:
        """Copy the kept bytes to the start of a buffer; how many they are. The next `Round.take` forgets them."""
        memcpy(buffer, self.tail, self.tail_bytes)
        return self.tail_bytes

    cdef take_cold(self):
        """Cold messages since the last time, in order; None when there are none."""
        cold, self.cold = self.cold, None
        return cold

    def count_error(self):
        """The dispatcher has answered with an error reply."""
        self.error_count += 1
        if self.error_count > ERRORS_MAX:
            self.fault = "too many messages that cannot be read"

    def answer(self, const uint8_t[::1] plaintext not None):
        """Seal one cold reply (header and body) into the batch; it leaves with it.

        False: not now. The batch is full, or this link has its share of it, or its peer has not read the last ones.
        """
        cdef GroupCommit commit = self.engine.commit
        cdef uint32_t size = <uint32_t>plaintext.shape[0]
        cdef bint answered = False
        with nogil:
            commit.lock()
            if self._may_answer(commit, size):
                answered = self._answer(commit, &plaintext[0], size)
            commit.unlock()
        return answered

    def decide(self, const uint8_t[::1] message not None, int64_t now_ms):
        """Decide and answer a message that the dispatcher has prepared. False: not now, and nothing was done."""
        cdef Engine engine = self.engine
        cdef GroupCommit commit = engine.commit
        cdef terminal_record_t* terminal
        cdef uint8_t out[ANSWER_BYTES_MAX]
        cdef uint32_t size
        with nogil:
            commit.lock()
            if not self._may_answer(commit, ANSWER_BYTES_MAX):
                size = 0
            else:
                terminal = engine.tables.terminal(self.terminal_id)
                size = engine.decide_one(self.terminal_id, terminal.rights, &message[0], <uint32_t>message.shape[0],
                                         now_ms, out)
                self._answer(commit, out, size)
            commit.unlock()
        return size != 0

    cdef bint _may_answer(self, GroupCommit commit, uint32_t size) noexcept nogil:
        """Whether the batch has room, this link has not had its share of it, and its peer reads its answers."""
        if self.link.turn != commit.turn:
            self.link.turn, self.link.turn_bytes = commit.turn, 0
        return (self.link.backlog_bytes == 0 and self.link.turn_bytes + size <= LINK_ANSWERS_BYTES_MAX
                and commit.answer_space(FRAME_LENGTH_BYTES + size + TAG_BYTES) != NULL)

    cdef bint _answer(self, GroupCommit commit, const uint8_t* plaintext, uint32_t size) noexcept nogil:
        """Seal a plain reply into the batch where `_may_answer` has found room. False: no memory."""
        cdef uint32_t answers_from = commit.gather.answers_bytes
        cdef uint8_t* out = commit.answer_space(FRAME_LENGTH_BYTES + size + TAG_BYTES)
        memcpy(out + FRAME_LENGTH_BYTES, plaintext, size)
        seal_frame(self, out, size)
        self.link.turn_bytes += size
        return commit.add_chunk(self.link, answers_from) == 0

    cdef int keep(self, const uint8_t* data, uint32_t size) except -1:
        """Keep what is not a whole frame yet, or waits while the link is paused."""
        cdef uint8_t* grown
        if size > self.tail_capacity:
            grown = <uint8_t*>realloc(self.tail, size)
            if grown == NULL:
                raise MemoryError("link: no memory for the rest of a frame")
            self.tail = grown
            self.tail_capacity = size
        memcpy(self.tail, data, size)
        self.tail_bytes = size
        return 0


cdef class Round:
    """Frames of one or many links that are opened together, then decided together, in the order in which they came."""

    def __cinit__(self, Engine engine not None):
        self.engine = engine
        self.count = 0

    cdef int take(self, Link link, uint8_t* data, uint32_t size, int64_t now_ms) except -1:
        """Open every whole frame of a link; what is left is kept. `data` must stay until `finish`.

        Sets the link's `fault` or `paused` where it must not be read on.
        """
        cdef uint32_t used = 0
        cdef terminal_record_t* terminal = self.engine.tables.terminal(link.terminal_id)
        link.paused = False
        link.tail_bytes = 0
        if link.ending:
            return 0
        if terminal == NULL or terminal.status == TERMINAL_BLOCKED:      # one in quarantine is answered, with refusals
            link.fault = "terminal is blocked"
            return 0
        if not link._is_key_valid(terminal):
            link.fault = "terminal's key was replaced"
            return 0
        while self._open(link, data, size, &used):
            self.finish(now_ms)                  # the round is full: decide it, then go on with this link
        if link.fault is None and used < size:
            link.keep(data + used, size - used)
        return 0

    cdef bint _open(self, Link link, uint8_t* data, uint32_t size, uint32_t* used) except -1:
        """Open frames until the round is full (True) or nothing whole is left."""
        cdef uint32_t at = used[0], frame_bytes
        cdef int plain_bytes
        while self.count < ROUND_FRAMES and size - at >= FRAME_LENGTH_BYTES:
            frame_bytes = (<uint32_t>data[at] << 8) | data[at + 1]
            if frame_bytes == 0 or frame_bytes > FRAME_BYTES_MAX:
                link.fault = "frame length out of bounds"
                break
            if size - at - FRAME_LENGTH_BYTES < frame_bytes:
                break
            if self.engine.commit.gather.answers_bytes > ANSWERS_BYTES_SOFT:
                link.paused = True
                break
            plain_bytes = unseal(&link.link.receive, data + at + FRAME_LENGTH_BYTES, <int>frame_bytes)
            if plain_bytes < 0:
                link.fault = "frame forged, replayed or out of order"
                break
            self.frames[self.count].link = <PyObject*>link
            self.frames[self.count].plaintext = data + at + FRAME_LENGTH_BYTES
            self.frames[self.count].bytes = <uint32_t>plain_bytes
            self._fetch_indexes(&self.frames[self.count])
            self.count += 1
            link.frame_count += 1
            at += FRAME_LENGTH_BYTES + frame_bytes
            if plain_bytes == <int>sizeof(header_t) and signs_off(
                    <const header_t*>self.frames[self.count - 1].plaintext):
                link.ending = True
                at = size
                break
        used[0] = at
        return self.count == ROUND_FRAMES and link.fault is None and not link.paused and not link.ending

    cdef inline void _fetch_indexes(self, opened_t* frame) noexcept:
        """First step of fetching ahead: where the card, the answer and the medium stand."""
        cdef const header_t* header = <const header_t*>frame.plaintext
        cdef const debit_request_t* keyed = <const debit_request_t*>(frame.plaintext + sizeof(header_t))
        find_proof(self.engine.tables, frame.plaintext, frame.bytes, &frame.proof)
        if header.type == TYPE_DEBIT and frame.bytes >= sizeof(header_t) + sizeof(debit_request_t):
            self.engine.tables.card_index.prefetch(keyed.card_number)
            self.engine.answers.prefetch(keyed.business_date,
                                         answer_key((<Link>frame.link).terminal_id, keyed.trace_number))
        if frame.proof.evidence != NULL:
            self.engine.tables.media.fetch_bucket(frame.proof.medium_hashed)

    cdef inline void _fetch_records(self, const opened_t* frame) noexcept:
        """Second step: card, account and medium themselves, and the key that will seal the answer."""
        cdef const header_t* header = <const header_t*>frame.plaintext
        cdef const debit_request_t* keyed = <const debit_request_t*>(frame.plaintext + sizeof(header_t))
        fetch_line((<Link>frame.link).link.send.ctx)
        if header.type == TYPE_DEBIT and frame.bytes >= sizeof(header_t) + sizeof(debit_request_t):
            self.engine.tables.fetch(keyed.card_number)
        if frame.proof.evidence != NULL:
            self.engine.tables.media.fetch_chain(frame.proof.medium_hashed)

    cdef int finish(self, int64_t now_ms) except -1:
        """Decide what was opened, at one moment, under the mutex of the batch."""
        cdef GroupCommit commit = self.engine.commit
        cdef terminal_record_t* terminal = NULL
        cdef Link link
        cdef PyObject* current = NULL
        cdef chips_t chips
        cdef uint32_t answers_from = 0
        cdef int i
        if self.count == 0:
            return 0
        for i in range(self.count):
            self._fetch_records(&self.frames[i])
        for i in range(self.count):
            if self.frames[i].proof.evidence != NULL:
                self.frames[i].proof.medium = <medium_record_t*>self.engine.tables.media.fetch_record(
                    self.frames[i].proof.medium_hashed)
        commit.lock()
        try:
            chips.count = 0
            for i in range(self.count):
                if self.frames[i].proof.evidence != NULL:
                    examine_ahead(self.engine, &self.frames[i], now_ms, &chips)
            settle_chips(self.engine.keys, &chips)
            for i in range(self.count):
                link = <Link>self.frames[i].link
                if self.frames[i].link != current:
                    if current != NULL:
                        hand_over(<Link>current, commit, answers_from)
                    current = self.frames[i].link
                    answers_from = commit.gather.answers_bytes
                    terminal = self.engine.tables.terminal(link.terminal_id)
                decide_frame(self.engine, commit, link, terminal.rights, &self.frames[i], now_ms)
            hand_over(<Link>current, commit, answers_from)
        finally:
            commit.unlock()
            self.count = 0
        return 0


cdef int hand_over(Link link, GroupCommit commit, uint32_t answers_from) except -1:
    """The answers from `answers_from` on go to this link."""
    if commit.add_chunk(link.link, answers_from) != 0:
        raise MemoryError("batch: no memory for the list of its answers")
    if link.error_count > ERRORS_MAX and link.fault is None:
        link.fault = "too many messages that cannot be read"
    return 0


cdef inline void examine_ahead(Engine engine, opened_t* frame, int64_t now_ms, chips_t* chips) noexcept:
    """A chip's proof is examined before the first decision of the round: side by side they cost half.

    What it rests on is changed by no message that is decided in a round: the challenges, and of the tables what
    PUT_MEDIUM and PUT_KEY write. A code's and a stripe's rest on counters, which a decision before may have moved.
    """
    cdef const header_t* header = <const header_t*>frame.plaintext
    if frame.proof.evidence.medium == MEDIUM_CHIP and decided_here(header.type):
        engine.examine_proof((<Link>frame.link).terminal_id, &(<Link>frame.link).challenges, frame.plaintext,
                             frame.bytes, &frame.proof, now_ms, chips)


cdef int decide_frame(Engine engine, GroupCommit commit, Link link, uint32_t rights, opened_t* frame,
                      int64_t now_ms) except -1:
    """Decide one frame and seal its answer, or keep it for the dispatcher."""
    cdef const header_t* header = <const header_t*>frame.plaintext
    cdef uint8_t* out
    cdef uint32_t out_bytes
    if frame.bytes < sizeof(header_t):
        answer_stub(link, commit, frame)
    elif decided_here(header.type):
        out = commit.answer_space(FRAME_LENGTH_BYTES + ANSWER_BYTES_MAX + TAG_BYTES)
        out_bytes = engine.answer(link.terminal_id, rights, &link.challenges, frame.plaintext, frame.bytes,
                                  &frame.proof, now_ms, out + FRAME_LENGTH_BYTES)
        if (<const header_t*>(out + FRAME_LENGTH_BYTES)).type == TYPE_ERROR | REPLY_BIT:
            link.error_count += 1
        seal_frame(link, out, out_bytes)
    else:
        if link.cold is None:
            link.cold = []
        link.cold.append(frame.plaintext[:frame.bytes])
    return 0


cdef inline void seal_frame(Link link, uint8_t* out, uint32_t plain_bytes) noexcept nogil:
    """Seal the plaintext behind a frame's length field and count it as an answer of the batch."""
    cdef int sealed_bytes = seal(&link.link.send, out + FRAME_LENGTH_BYTES, <int>plain_bytes)
    if sealed_bytes < 0:
        link.link.broken = GONE
        return
    out[0] = <uint8_t>(sealed_bytes >> 8)
    out[1] = <uint8_t>(sealed_bytes & 0xFF)
    link.engine.commit.gather.answers_bytes += FRAME_LENGTH_BYTES + <uint32_t>sealed_bytes


cdef void answer_stub(Link link, GroupCommit commit, const opened_t* message) noexcept:
    """Answer LENGTH to a message that is shorter than a header; what is missing of the header counts as zero."""
    cdef uint8_t* out = commit.answer_space(FRAME_LENGTH_BYTES + ANSWER_BYTES_MAX + TAG_BYTES)
    cdef header_t asked
    cdef header_t* header = <header_t*>(out + FRAME_LENGTH_BYTES)
    cdef error_reply_t* error = <error_reply_t*>(out + FRAME_LENGTH_BYTES + sizeof(header_t))
    memset(&asked, 0, sizeof(asked))
    memcpy(&asked, message.plaintext, message.bytes)
    memset(header, 0, sizeof(header_t) + sizeof(error_reply_t))
    header.version, header.type, header.sequence = PROTOCOL_VERSION, TYPE_ERROR | REPLY_BIT, asked.sequence
    error.code, error.type, error.expected, error.got = CODE_LENGTH, asked.type, sizeof(header_t), message.bytes
    link.error_count += 1
    link.engine.code_counts[CODE_LENGTH] += 1
    seal_frame(link, out, sizeof(header_t) + sizeof(error_reply_t))
