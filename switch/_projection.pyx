"""From journal to balance store: the last image of each record, and what became of each request.

An entry carries its records as they are afterwards, so the store needs no
rules: the last image wins.  Answers become a log of 16-byte operations per
business date, in the order of the journal.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memcpy

from switch._index cimport GrowingIndex, slot_t
from switch._layout cimport (
    CODE_APPROVED, RECORD_BYTES, TYPE_REVERSAL, block_header_t, debit_request_t, entry_header_t, reply_t,
    reversal_request_t)
from switch.duplicates cimport AnswerWindow, answer_key
from switch._blocks cimport BlockReader

cdef enum:
    KINDS = 7

OPERATION_BYTES = 16
"""One operation on the answers of a date: key u64, then position u64 with REVERSES in its lowest bit, little-endian."""

cdef enum:
    REVERSES = 1

cdef struct operation_t:
    uint64_t key
    uint64_t value

cdef struct keyed_t:
    uint64_t key
    uint64_t at


cdef int by_key(const void* left, const void* right) noexcept nogil:
    cdef uint64_t a = (<const keyed_t*>left).key, b = (<const keyed_t*>right).key
    return -1 if a < b else 1 if a > b else 0


cdef class Projection:
    """What a stretch of the journal changes: records by kind, answer operations by date."""

    cdef uint8_t* images
    cdef uint64_t image_count
    cdef uint64_t image_capacity
    cdef list indexes
    cdef dict operations
    cdef readonly uint64_t entry_count
    cdef readonly uint32_t today                 # latest business date seen

    def __cinit__(self):
        self.indexes = [GrowingIndex() for _ in range(KINDS)]
        self.operations = {}

    def __dealloc__(self):
        free(self.images)

    def take(self, BlockReader reader not None, uint64_t until_position):
        """Read blocks up to a position; ValueError on a fault in the journal."""
        cdef const uint8_t* block
        cdef const block_header_t* header
        cdef uint64_t at, position
        while reader.position < until_position:
            block = reader.next_block()
            if block == NULL:
                raise ValueError(f"journal: expected blocks up to position {until_position}, "
                                 f"reading ended at {reader.position} "
                                 f"({reader.fault or 'no more blocks'}); run cardswitch verify")
            header = <const block_header_t*>block
            position = reader.position - header.body_bytes - sizeof(block_header_t)
            at = sizeof(block_header_t)
            while at < sizeof(block_header_t) + header.body_bytes:
                self._take_entry(<const entry_header_t*>(block + at), position + at)
                at += (<const entry_header_t*>(block + at)).entry_bytes

    cdef int _take_entry(self, const entry_header_t* entry, uint64_t position) except -1:
        cdef const uint8_t* body = <const uint8_t*>entry + sizeof(entry_header_t)
        cdef const debit_request_t* keyed = <const debit_request_t*>body
        cdef const reversal_request_t* reversal = <const reversal_request_t*>body
        cdef const reply_t* reply = <const reply_t*>(body + ((entry.request_bytes + 7) & ~7))
        cdef const uint8_t* image = <const uint8_t*>reply + entry.reply_bytes
        cdef GrowingIndex index
        cdef slot_t* slot
        cdef uint64_t key
        cdef int _i
        self.entry_count += 1
        if entry.business_date > self.today:
            self.today = entry.business_date
        for _i in range(entry.image_count):
            key = (<const uint64_t*>image)[1]    # every record has its key at offset 8
            index = <GrowingIndex>self.indexes[image[0]]
            slot = index.find(key + 1)           # keys may be 0 (partition 0); index keys may not
            if slot == NULL:
                if self.image_count == self.image_capacity:
                    self._grow()
                if index.insert(key + 1, self.image_count) == NULL:
                    raise MemoryError("projection: no memory for its index")
                memcpy(self.images + self.image_count * RECORD_BYTES, image, RECORD_BYTES)
                self.image_count += 1
            else:
                memcpy(self.images + slot.value * RECORD_BYTES, image, RECORD_BYTES)
            image += RECORD_BYTES
        self._operation(keyed.business_date, answer_key(entry.terminal_id, keyed.trace_number), position)
        if entry.request_type == TYPE_REVERSAL and reply.code == CODE_APPROVED:
            self._operation(reversal.original_business_date,
                            answer_key(entry.terminal_id, reversal.original_trace_number), position | REVERSES)
        return 0

    cdef int _operation(self, uint32_t business_date, uint64_t key, uint64_t value) except -1:
        cdef operation_t operation
        cdef bytearray log = <bytearray>self.operations.get(business_date)
        operation.key, operation.value = key, value
        if log is None:
            log = self.operations[business_date] = bytearray()
        log += (<uint8_t*>&operation)[:sizeof(operation_t)]
        return 0

    cdef int _grow(self) except -1:
        cdef uint64_t capacity = self.image_capacity * 2 + 1024
        cdef uint8_t* grown = <uint8_t*>realloc(self.images, capacity * RECORD_BYTES)
        if grown == NULL:
            raise MemoryError("projection: no memory for images")
        self.images = grown
        self.image_capacity = capacity
        return 0

    def answers(self):
        """Operation logs by business date."""
        return self.operations

    def records(self, int kind):
        """(8-byte big-endian key, record) of every changed record of a kind, in the order of the keys."""
        cdef GrowingIndex index = self.indexes[kind]
        cdef uint64_t count = index.count, part, i, n = 0, key
        cdef keyed_t* sorted_keys
        cdef uint8_t big_endian[8]
        cdef int byte
        if count == 0:
            return
        sorted_keys = <keyed_t*>realloc(NULL, count * sizeof(keyed_t))
        if sorted_keys == NULL:
            raise MemoryError("projection: no memory for sorting")
        try:
            for part in range(1024):
                if index.parts[part].slots != NULL:
                    for i in range(index.parts[part].mask + 1):
                        if index.parts[part].slots[i].key != 0:
                            sorted_keys[n].key = index.parts[part].slots[i].key - 1
                            sorted_keys[n].at = index.parts[part].slots[i].value
                            n += 1
            qsort(sorted_keys, n, sizeof(keyed_t), by_key)
            for i in range(n):
                key = sorted_keys[i].key
                for byte in range(8):
                    big_endian[7 - byte] = <uint8_t>(key & 255)
                    key >>= 8
                yield big_endian[:8], (self.images + sorted_keys[i].at * RECORD_BYTES)[:RECORD_BYTES]
        finally:
            free(sorted_keys)


def load_answers(AnswerWindow window not None, uint32_t business_date, const uint8_t[::1] operations not None):
    """Carry out a date's operations on the window."""
    cdef const operation_t* operation
    cdef uint64_t i, count = <uint64_t>operations.shape[0] // sizeof(operation_t)
    if count == 0:
        return
    operation = <const operation_t*>&operations[0]
    with nogil:
        for i in range(count):
            if i + 8 < count:
                window.prefetch(business_date, operation[8].key)
            if operation.value & REVERSES:
                window.note_reversal(business_date, operation.key, operation.value & ~<uint64_t>REVERSES)
            else:
                window.remember(business_date, operation.key, operation.value)
            operation += 1
