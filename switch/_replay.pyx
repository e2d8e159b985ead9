"""Takes over what the journal says: records from the entries' images, answers from their keys.

Needs no rules: an entry carries its records as they are afterwards.  Taking
an entry over a second time changes nothing.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from switch._layout cimport (
    CODE_APPROVED, RECORD_BYTES_OF, TYPE_CUT_OVER, TYPE_REVERSAL, block_header_t, cut_over_request_t, debit_request_t,
    entry_header_t, reply_t,
    reversal_request_t)
from switch._tables cimport Tables
from switch.duplicates cimport AnswerWindow, answer_key
from switch._blocks cimport BlockReader


cdef enum:
    FETCH_AHEAD_BYTES = 4096         # some twelve debits


cdef inline void fetch(Tables tables, AnswerWindow window, const entry_header_t* entry) noexcept nogil:
    """Ask for the memory that taking an entry over will touch."""
    cdef const debit_request_t* keyed = <const debit_request_t*>(<const uint8_t*>entry + sizeof(entry_header_t))
    tables.card_index.prefetch(keyed.card_number)
    window.prefetch(keyed.business_date, answer_key(entry.terminal_id, keyed.trace_number))


cdef int take_over(Tables tables, AnswerWindow window, const entry_header_t* entry, uint64_t position) noexcept nogil:
    """One entry; -1 when a record does not fit its table."""
    cdef const uint8_t* body = <const uint8_t*>entry + sizeof(entry_header_t)
    cdef const debit_request_t* keyed = <const debit_request_t*>body      # all keyed requests begin alike
    cdef const reversal_request_t* reversal = <const reversal_request_t*>body
    cdef const reply_t* reply = <const reply_t*>(body + ((entry.request_bytes + 7) & ~7))
    cdef const uint8_t* image = <const uint8_t*>reply + ((entry.reply_bytes + 7) & ~7)
    cdef int _i
    window.advance(entry.business_date)
    for _i in range(entry.image_count):
        if tables.put(image) != 0:
            return -1
        image += RECORD_BYTES_OF[image[0]]
    window.remember(keyed.business_date, answer_key(entry.terminal_id, keyed.trace_number), position)
    if entry.request_type == TYPE_REVERSAL and reply.code == CODE_APPROVED:
        window.note_reversal(reversal.original_business_date,
                             answer_key(entry.terminal_id, reversal.original_trace_number), position)
    if entry.request_type == TYPE_CUT_OVER and reply.code == CODE_APPROVED:
        window.advance((<const cut_over_request_t*>body).next_date)
    return 0


def replay(Tables tables not None, AnswerWindow window not None, BlockReader reader not None):
    """Take over every block that the reader still has: (entries taken over, time of the last one in ms, 0 for none)."""
    cdef const uint8_t* block
    cdef const block_header_t* header
    cdef const entry_header_t* entry
    cdef uint64_t at, ahead, position, end, count = 0
    cdef int64_t last_now_ms = 0
    cdef int failed
    while True:
        block = reader.next_block()
        if block == NULL:
            return count, last_now_ms
        header = <const block_header_t*>block
        position = reader.position - header.body_bytes - sizeof(block_header_t)
        at = ahead = sizeof(block_header_t)
        end = sizeof(block_header_t) + header.body_bytes
        failed = 0
        with nogil:
            while at < end and not failed:
                # Some entries ahead, so that the memory is there when its entry's turn comes.
                while ahead < end and ahead < at + FETCH_AHEAD_BYTES:
                    fetch(tables, window, <const entry_header_t*>(block + ahead))
                    ahead += (<const entry_header_t*>(block + ahead)).entry_bytes
                entry = <const entry_header_t*>(block + at)
                failed = take_over(tables, window, entry, position + at)
                last_now_ms = entry.time_ms
                at += entry.entry_bytes
                count += 1
        if failed:
            raise ValueError(f"journal entry before position {position + at}: expected records that fit their tables, "
                             "got one that does not; raise the configured maximum and start again")
