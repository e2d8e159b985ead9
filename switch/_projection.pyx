"""From journal to balance store: the last image of each record, and what became of each request.

An entry carries its records as they are afterwards, so the store needs no
rules: the last image wins, and one that says GONE removes the record.  Answers become a log of 16-byte operations per
business date, in the order of the journal.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memcpy

from switch._index cimport GrowingIndex, slot_t
from switch._layout cimport (
    CODE_APPROVED, FIRST_WIDE_KEY_KIND, GONE, RECORD_BYTES_OF, TYPE_CUT_OVER, TYPE_REVERSAL, block_header_t,
    cut_over_request_t, debit_request_t,
    entry_header_t, reply_t, reversal_request_t)
from switch.duplicates cimport AnswerWindow, answer_key
from switch._blocks cimport BlockReader

OPERATION_BYTES = 16
"""One operation on the answers of a date: key u64, then position u64 with REVERSES in its lowest bit, little-endian."""

cdef enum:
    REVERSES = 1

cdef struct operation_t:
    uint64_t key
    uint64_t value

cdef struct images_t:
    uint8_t* images
    uint64_t count
    uint64_t capacity

cdef struct keyed_t:
    uint64_t key
    uint64_t at


cdef int by_key(const void* left, const void* right) noexcept nogil:
    cdef uint64_t a = (<const keyed_t*>left).key, b = (<const keyed_t*>right).key
    return -1 if a < b else 1 if a > b else 0


cdef inline void write_big_endian(uint8_t* out, uint64_t number) noexcept nogil:
    cdef int byte
    for byte in range(8):
        out[7 - byte] = <uint8_t>number
        number >>= 8


cdef int grow(images_t* kept, uint64_t width_bytes) except -1:
    cdef uint64_t capacity = kept.capacity * 2 + 1024
    cdef uint8_t* grown = <uint8_t*>realloc(kept.images, capacity * width_bytes)
    if grown == NULL:
        raise MemoryError("projection: no memory for images")
    kept.images = grown
    kept.capacity = capacity
    return 0


cdef class Projection:
    """What a stretch of the journal changes: records by kind, answer operations by date."""

    cdef images_t narrow[FIRST_WIDE_KEY_KIND]    # last images by kind, for keys of one number
    cdef list indexes                            # by kind: number + 1 -> place among them
    cdef dict wide                               # by kind: key as LMDB has it -> last image, for keys of three numbers
    cdef dict operations
    cdef readonly uint64_t entry_count
    cdef readonly uint32_t today                 # latest business date seen

    def __cinit__(self):
        self.indexes = [GrowingIndex() for _ in range(FIRST_WIDE_KEY_KIND)]
        self.wide = {}
        self.operations = {}

    def __dealloc__(self):
        cdef int kind
        for kind in range(FIRST_WIDE_KEY_KIND):
            free(self.narrow[kind].images)

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
        cdef const uint8_t* image = <const uint8_t*>reply + ((entry.reply_bytes + 7) & ~7)
        cdef uint32_t _i
        self.entry_count += 1
        if entry.business_date > self.today:
            self.today = entry.business_date
        for _i in range(entry.image_count):
            if image[0] < FIRST_WIDE_KEY_KIND:
                self._take_narrow(image)
            else:
                self._take_wide(image)
            image += RECORD_BYTES_OF[image[0]]
        self._operation(keyed.business_date, answer_key(entry.terminal_id, keyed.trace_number), position)
        if entry.request_type == TYPE_REVERSAL and reply.code == CODE_APPROVED:
            self._operation(reversal.original_business_date,
                            answer_key(entry.terminal_id, reversal.original_trace_number), position | REVERSES)
        if entry.request_type == TYPE_CUT_OVER and reply.code == CODE_APPROVED:
            self.today = max(self.today, (<const cut_over_request_t*>body).next_date)
        return 0

    cdef int _take_narrow(self, const uint8_t* image) except -1:
        cdef images_t* kept = &self.narrow[image[0]]
        cdef GrowingIndex index = <GrowingIndex>self.indexes[image[0]]
        cdef uint64_t key = (<const uint64_t*>image)[1], width_bytes = RECORD_BYTES_OF[image[0]]
        cdef slot_t* slot = index.find(key + 1)  # keys may be 0 (partition 0); index keys may not
        if slot == NULL:
            if kept.count == kept.capacity:
                grow(kept, width_bytes)
            if index.insert(key + 1, kept.count) == NULL:
                raise MemoryError("projection: no memory for its index")
            memcpy(kept.images + kept.count * width_bytes, image, width_bytes)
            kept.count += 1
        else:
            memcpy(kept.images + slot.value * width_bytes, image, width_bytes)
        return 0

    cdef int _take_wide(self, const uint8_t* image) except -1:
        cdef uint8_t key[24]
        cdef int word
        cdef dict kept = <dict>self.wide.get(image[0])
        if kept is None:
            kept = self.wide[image[0]] = {}
        for word in range(3):
            write_big_endian(key + 8 * word, (<const uint64_t*>image)[1 + word])
        kept[key[:24]] = image[:RECORD_BYTES_OF[image[0]]]
        return 0

    cdef int _operation(self, uint32_t business_date, uint64_t key, uint64_t value) except -1:
        cdef operation_t operation
        cdef bytearray log = <bytearray>self.operations.get(business_date)
        operation.key, operation.value = key, value
        if log is None:
            log = self.operations[business_date] = bytearray()
        log += (<uint8_t*>&operation)[:sizeof(operation_t)]
        return 0

    def answers(self):
        """Operation logs by business date."""
        return self.operations

    def records(self, int kind):
        """(big-endian key, record) of every changed record of a kind that is not gone, in the order of the keys."""
        if kind < FIRST_WIDE_KEY_KIND:
            yield from self._narrow_records(kind)
            return
        for key, record in sorted(self.wide.get(kind, {}).items()):
            if record[2] != GONE:
                yield key, record

    def gone(self, int kind):
        """Big-endian keys of the records of a kind that are gone."""
        return [key for key, record in self.wide.get(kind, {}).items() if record[2] == GONE]

    def _narrow_records(self, int kind):
        cdef const uint8_t* images = self.narrow[kind].images
        cdef uint64_t width_bytes = RECORD_BYTES_OF[kind]
        cdef GrowingIndex index = self.indexes[kind]
        cdef uint64_t count = index.count, part, i, n = 0
        cdef keyed_t* sorted_keys
        cdef uint8_t big_endian[8]
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
                write_big_endian(big_endian, sorted_keys[i].key)
                yield big_endian[:8], (images + sorted_keys[i].at * width_bytes)[:width_bytes]
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
