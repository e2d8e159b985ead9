"""Group commit: while one block is being made durable, the next one gathers.

Owns the sacred order: journal, sync, then answers.  No timer: a lone request
costs one sync, a flood shares it.  Three batches take turns: the event loop
fills one (under the mutex), the commit thread makes one durable, and one may
be on its way out.  A lone batch's answers are sent by the commit thread
itself, which spares a wake-up; when the next batch is waiting already, the
answer thread sends them, so that the disk need not wait for the network.
Invariant: an answer leaves only after every entry that its decision could
have seen is on disk, and answers leave in the order of their batches.  A
write or sync that fails ends the process: nothing may be answered from a
state that the disk may not have.
"""

import threading

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport fprintf, stderr
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset, strerror

from switch._layout cimport BLOCK_MAGIC, BLOCK_VERSION, CHECKED_HEADER_BYTES, block_header_t
from switch._blocks cimport block_digest, digest_close, digest_open, entry_among
from switch._peer cimport GONE, add_reference, link_break, link_drop, link_queue, link_t, send_some
from switch.journal cimport NOWHERE, ROOM_NONE, ROOM_RESERVE, Journal

cdef extern from "<pthread.h>" nogil:
    int pthread_mutex_init(pthread_mutex_t* mutex, void* attributes)
    int pthread_mutex_lock(pthread_mutex_t* mutex)
    int pthread_mutex_unlock(pthread_mutex_t* mutex)
    int pthread_cond_init(pthread_cond_t* cond, void* attributes)
    int pthread_cond_wait(pthread_cond_t* cond, pthread_mutex_t* mutex)
    int pthread_cond_signal(pthread_cond_t* cond)
    int pthread_cond_broadcast(pthread_cond_t* cond)

cdef extern from "<unistd.h>" nogil:
    long c_write "write"(int fd, const void* data, size_t size)
    void c_exit "_exit"(int status)

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec* at)
    int CLOCK_MONOTONIC

cdef extern from "_crc32c.h" nogil:
    uint32_t c_crc32c "crc32c"(const uint8_t* data, size_t size)

EXIT_NOT_DURABLE = 74
"""Exit status (EX_IOERR) of a switch whose journal could not be written or synced."""
cdef int exit_not_durable = EXIT_NOT_DURABLE


cdef uint64_t monotonic_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <uint64_t>at.tv_sec * 1000000000 + <uint64_t>at.tv_nsec


# ------------------------------------------------------------------------ batches

cdef class GroupCommit:
    """Gathers entries and answers, makes them durable in turns, releases the answers.

    Continues a chain: next position, block number, hash of the last block (empty at the start), next sequence.
    Without `start()` nothing runs by itself; `commit_now()` commits in the caller's thread (tests, tools, init).
    """

    def __cinit__(self, Journal journal, uint64_t position=0, uint64_t block_number=0, bytes chain_hash=b"",
                  uint64_t next_sequence=1):
        cdef int i
        self.journal = journal
        self.block_number = block_number
        self.next_sequence = next_sequence
        self.durable_position = position
        self.durable_sequence = next_sequence - 1
        self.event_fd = -1
        memset(self.chain_hash, 0, 32)
        if chain_hash:
            memcpy(self.chain_hash, <const uint8_t*>chain_hash, 32)
        for i in range(3):
            self.batches[i].block = <uint8_t*>malloc(journal.block_bytes_max)
            self.batches[i].answers = <uint8_t*>malloc(ANSWERS_BYTES_MAX)
            if self.batches[i].block == NULL or self.batches[i].answers == NULL:
                raise MemoryError("group commit: no memory for its three batches")
            self.batches[i].position = NOWHERE
        self.gather = &self.batches[0]
        self.flight = &self.batches[1]
        self.sending = &self.batches[2]
        pthread_mutex_init(&self.mutex, NULL)
        pthread_cond_init(&self.work, NULL)
        pthread_cond_init(&self.rest, NULL)
        pthread_cond_init(&self.handover, NULL)
        pthread_cond_init(&self.sent, NULL)
        if digest_open(&self.digest) != 0:
            raise MemoryError("group commit: no memory for a digest")
        self._open_gather(position)

    def __dealloc__(self):
        cdef int i
        for i in range(3):
            free(self.batches[i].block)
            free(self.batches[i].answers)
            free(self.batches[i].chunks)
        free(self.needy)
        digest_close(&self.digest)

    def _open_gather(self, uint64_t position):
        with nogil:
            open_batch(self, position)

    # -- filling, by the event loop, under the mutex

    cdef void lock(self) noexcept nogil:
        # May be waited for with the interpreter lock held: the commit thread never takes that one.
        pthread_mutex_lock(&self.mutex)

    cdef void unlock(self) noexcept nogil:
        pthread_mutex_unlock(&self.mutex)

    cdef uint8_t* entry_space(self, uint32_t entry_bytes, bint reserve) noexcept nogil:
        """Room for one more entry in this batch, or NULL. The last quarter is for what may not be refused."""
        cdef batch_t* batch = self.gather
        cdef uint32_t limit = self.journal.block_bytes_max
        if batch.position == NOWHERE:            # there was no room when the batch was opened; there may be now
            batch.position = self.journal.place(self.flight_end(), &batch.room)
        if batch.room == ROOM_NONE or (batch.room == ROOM_RESERVE and not reserve):
            return NULL
        if not reserve:
            limit -= limit // 4
        if batch.used_bytes + entry_bytes > limit:
            return NULL
        return batch.block + batch.used_bytes

    cdef uint64_t flight_end(self) noexcept nogil:
        cdef batch_t* flight = self.flight
        if self.working and flight.entry_count:
            return flight.position + flight.used_bytes
        return self.durable_position

    cdef uint64_t add_entry(self, uint32_t entry_bytes, int64_t time_ms) noexcept nogil:
        """The entry in `entry_space` is complete. Returns its position."""
        cdef batch_t* batch = self.gather
        cdef uint64_t position = batch.position + batch.used_bytes
        if batch.entry_count == 0:
            batch.first_sequence = self.next_sequence
        batch.entry_count += 1
        batch.used_bytes += entry_bytes
        batch.time_ms = time_ms
        self.next_sequence += 1
        return position

    cdef uint8_t* answer_space(self, uint32_t answer_bytes) noexcept nogil:
        """Room for one more answer of this batch, or NULL."""
        cdef batch_t* batch = self.gather
        if batch.answers_bytes + answer_bytes > ANSWERS_BYTES_MAX:
            return NULL
        return batch.answers + batch.answers_bytes

    cdef int add_chunk(self, link_t* link, uint32_t offset) noexcept nogil:
        """All answers from `offset` on go to this link. Returns -1 without memory."""
        cdef batch_t* batch = self.gather
        cdef chunk_t* grown
        cdef uint32_t capacity
        if batch.answers_bytes == offset:
            return 0
        if batch.chunk_count and batch.chunks[batch.chunk_count - 1].link == link:
            batch.chunks[batch.chunk_count - 1].bytes += batch.answers_bytes - offset
            return 0
        if batch.chunk_count == batch.chunk_capacity:
            capacity = batch.chunk_capacity * 2 + 256
            grown = <chunk_t*>realloc(batch.chunks, capacity * sizeof(chunk_t))
            if grown == NULL:
                return -1
            batch.chunks = grown
            batch.chunk_capacity = capacity
        add_reference(&link.references)
        batch.chunks[batch.chunk_count].link = link
        batch.chunks[batch.chunk_count].offset = offset
        batch.chunks[batch.chunk_count].bytes = batch.answers_bytes - offset
        batch.chunk_count += 1
        return 0

    cdef const uint8_t* entry_at(self, uint64_t position) noexcept nogil:
        """Bytes of an entry, wherever it is now: gathering, in flight, or in the journal."""
        cdef batch_t* batch = self.gather
        if batch.position != NOWHERE and position >= batch.position:
            return batch.block + (position - batch.position)
        batch = self.flight
        if batch.position != NOWHERE and position >= batch.position and position < batch.position + batch.used_bytes:
            return batch.block + (position - batch.position)
        return self.journal.locate(position)

    cdef uint64_t position_of_sequence(self, uint64_t sequence) noexcept nogil:
        """Position of an entry by its sequence, wherever it is now; NOWHERE when there is none. For `entry_at`."""
        cdef batch_t* batch = self.gather
        cdef const uint8_t* entry
        if sequence == 0 or sequence >= self.next_sequence:
            return NOWHERE
        if batch.entry_count == 0 or sequence < batch.first_sequence:
            batch = self.flight                  # its entries are found there even when they are durable by now
        if batch.entry_count and 0 <= <int64_t>(sequence - batch.first_sequence) < <int64_t>batch.entry_count:
            entry = entry_among(batch.block + sizeof(block_header_t), batch.used_bytes - sizeof(block_header_t),
                                sequence)
            return NOWHERE if entry == NULL else batch.position + <uint64_t>(entry - batch.block)
        return self.journal.locate_sequence(sequence)

    cdef void publish(self) noexcept nogil:
        """Hand the gathered batch over; the commit thread takes it as soon as it is free."""
        self.lock()
        if self.gather.entry_count or self.gather.chunk_count:
            self.ready = True
            if not self.working:
                pthread_cond_signal(&self.work)
        self.unlock()

    # -- committing

    cdef void _take(self) noexcept nogil:
        """Under the mutex: what was gathered goes into flight; the next block's place follows it."""
        cdef batch_t* taken = self.gather
        self.gather = self.flight
        self.flight = taken
        self.turn += 1
        self.ready = False
        open_batch(self, taken.position + taken.used_bytes if taken.entry_count else self.durable_position)

    cdef void _make_durable(self) noexcept nogil:
        """Without the mutex: the first half of the sacred order. When it returns, the answers in flight may leave."""
        cdef batch_t* batch = self.flight
        cdef block_header_t* header = <block_header_t*>batch.block
        cdef uint64_t started_ns
        cdef int failed
        if batch.entry_count:
            memset(header, 0, sizeof(block_header_t))
            header.magic = BLOCK_MAGIC
            header.version = BLOCK_VERSION
            header.header_bytes = sizeof(block_header_t)
            header.partition = self.journal.partition
            header.entry_count = batch.entry_count
            header.block_number = self.block_number
            header.first_sequence = batch.first_sequence
            header.body_bytes = batch.used_bytes - <uint32_t>sizeof(block_header_t)
            header.time_ms = batch.time_ms
            memcpy(header.previous_hash, self.chain_hash, 32)
            failed = block_digest(&self.digest, batch.block, header.body_bytes, header.block_hash)
            header.header_crc32c = c_crc32c(batch.block, CHECKED_HEADER_BYTES)
            # 1. The block must be durable before anyone hears of it.
            started_ns = monotonic_ns()
            if failed == 0:
                failed = self.journal.append(batch.block, batch.used_bytes, batch.position)      # disk
            if failed != 0:
                # The page cache may differ from the disk now, so a second try could lie. Stop before any answer.
                fprintf(stderr, "cardswitch: journal block %llu at position %llu: expected a durable write, got %s; "
                        "nothing of it was answered; check the disk, then start again\n",
                        <unsigned long long>self.block_number, <unsigned long long>batch.position, strerror(failed))
                c_exit(exit_not_durable)
            started_ns = monotonic_ns() - started_ns
            self.sync_ns_sum += started_ns
            if started_ns > self.sync_ns_max:
                self.sync_ns_max = started_ns
            # 2. The chain and the durable end move only with the disk.
            memcpy(self.chain_hash, header.block_hash, 32)
            self.block_number += 1
            self.block_count += 1
            self.entry_count += batch.entry_count
            self.durable_sequence = batch.first_sequence + batch.entry_count - 1
            self.durable_position = batch.position + batch.used_bytes

    cdef void _release(self, batch_t* batch) noexcept nogil:
        """Without the mutex, the second half: only now may the answers go, inquiries too, for all that they have seen
        is durable."""
        cdef chunk_t* chunk
        cdef link_t* link
        cdef uint32_t i, sent
        for i in range(batch.chunk_count):
            chunk = &batch.chunks[i]
            link = chunk.link
            if not link.broken:
                sent = 0
                if link.backlog_bytes == 0:      # else older answers wait: keep the order
                    sent = send_some(link, batch.answers + chunk.offset, chunk.bytes)
                if sent < chunk.bytes and not link.broken:
                    self.lock()
                    link_queue(link, batch.answers + chunk.offset + sent, chunk.bytes - sent)
                    if not link.broken and not link.backlog_noticed:
                        link.backlog_noticed = 1
                        self._tell(link)
                    self.unlock()
            link_drop(link)
        batch.chunk_count = 0

    cdef void _tell(self, link_t* link) noexcept nogil:
        """Ask the event loop to wait for this link's socket."""
        cdef link_t** grown
        cdef uint32_t capacity
        if self.needy_count == self.needy_capacity:
            capacity = self.needy_capacity * 2 + 16
            grown = <link_t**>realloc(self.needy, capacity * sizeof(link_t*))
            if grown == NULL:
                link_break(link, GONE)
                return
            self.needy = grown
            self.needy_capacity = capacity
        add_reference(&link.references)
        self.needy[self.needy_count] = link
        self.needy_count += 1
        self.wanted = True

    def start(self, int event_fd):
        """Start both threads; they write to `event_fd` (an eventfd) when the event loop asked to be told."""
        self.event_fd = event_fd
        self.stopping = self.ended = False
        for name, target in (("commit", self._run), ("answers", self._run_answers)):
            threading.Thread(target=target, name=name, daemon=True).start()

    def _run(self):
        cdef batch_t* handed
        with nogil:
            self.lock()
            while True:
                while not self.ready and not self.stopping:
                    pthread_cond_wait(&self.work, &self.mutex)
                if not self.ready:
                    break
                self._take()
                self.working = True
                self.unlock()
                self._make_durable()
                self.lock()
                while self.handed_over:          # the batch before must be out first
                    pthread_cond_wait(&self.sent, &self.mutex)
                if self.ready:
                    handed = self.flight
                    self.flight = self.sending
                    self.sending = handed
                    self.handed_over = True
                    pthread_cond_signal(&self.handover)
                else:
                    self.unlock()
                    self._release(self.flight)
                    self.lock()
                    self._notify()
                self.working = False
                pthread_cond_broadcast(&self.rest)
            self.unlock()

    def _run_answers(self):
        with nogil:
            self.lock()
            while True:
                while not self.handed_over and not self.ended:
                    pthread_cond_wait(&self.handover, &self.mutex)
                if not self.handed_over:
                    break
                self.unlock()
                self._release(self.sending)
                self.lock()
                self.handed_over = False
                self._notify()
                pthread_cond_signal(&self.sent)
                pthread_cond_broadcast(&self.rest)
            self.unlock()

    cdef void _notify(self) noexcept nogil:
        """Under the mutex: a batch is through; tell the event loop if it asked."""
        cdef uint64_t one = 1
        if self.wanted:
            self.wanted = False
            c_write(self.event_fd, &one, sizeof(one))

    def publish_now(self):
        """`publish` for Python callers."""
        with nogil:
            self.publish()

    def tell_when_through(self):
        """The event loop wants a word on the eventfd when the next batch is through."""
        with nogil:
            self.lock()
            self.wanted = True
            self.unlock()

    def drain(self):
        """Wait until all that was gathered is durable and released, then end both threads."""
        with nogil:
            self.lock()
            self.stopping = True
            if self.gather.entry_count or self.gather.chunk_count:
                self.ready = True
            pthread_cond_signal(&self.work)
            while self.ready or self.working or self.handed_over:
                pthread_cond_wait(&self.rest, &self.mutex)
            self.ended = True
            pthread_cond_signal(&self.handover)
            self.unlock()

    def commit_now(self):
        """Commit in the caller's thread; only where no commit thread runs."""
        with nogil:
            self.lock()
            self._take()
            self.working = True
            self.unlock()
            self._make_durable()
            self._release(self.flight)
            self.lock()
            self.working = False
            self.unlock()

    def find_sequence(self, uint64_t sequence):
        """Position of an entry by its sequence, or None."""
        cdef uint64_t position
        with nogil:
            self.lock()
            position = self.position_of_sequence(sequence)
            self.unlock()
        return None if position == NOWHERE else position

    def gathered_bytes(self):
        """Bytes gathered for the next block."""
        return self.gather.used_bytes

    def chain(self):
        """(durable position, next block number, last block's hash, next sequence); exact when nothing is in flight."""
        return self.durable_position, self.block_number, self.chain_hash[:32], self.next_sequence

    def figures(self):
        """Counters since the start."""
        return {"blocks": self.block_count, "entries": self.entry_count, "sync_ns_sum": self.sync_ns_sum,
                "sync_ns_max": self.sync_ns_max, "durable_sequence": self.durable_sequence,
                "durable_position": self.durable_position}


cdef void open_batch(GroupCommit commit, uint64_t position) noexcept nogil:
    """Make the gathering batch an empty block that starts at or behind `position`."""
    cdef batch_t* batch = commit.gather
    batch.used_bytes = sizeof(block_header_t)
    batch.entry_count = 0
    batch.answers_bytes = 0
    batch.chunk_count = 0
    batch.room = ROOM_NONE
    batch.position = commit.journal.place(position, &batch.room)
