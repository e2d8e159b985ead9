"""Day close: what one terminal was answered on one business date, as totals and as rows.

Totals and rows are made from the journal's entries each time they are asked
for, so they cannot differ from what was decided.  An entry in memory costs
less than 100 ns, so the totals of a till's day take a millisecond at most.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memset

from switch._answer_log cimport answered_t
from switch._decision cimport ask_t, decision_t, invalid, touch
from switch._layout cimport *
from switch._tables cimport Tables
from switch.duplicates cimport AnswerWindow
from switch.group_commit cimport GroupCommit

cdef enum:
    TYPES = 256
    CLOSED_DATE_AT = 16              # offsets in the totals request's body
    TOTAL_COUNT_AT = 20
    ENTRIES_PER_LOCK = 1024          # rows read before the commit thread may have the mutex again

ctypedef struct total_t:
    uint64_t count
    int64_t amount_minor


cdef inline const reply_t* reply_in(const entry_header_t* entry) noexcept nogil:
    """The reply inside an entry: behind the request and its padding."""
    return <const reply_t*>(<const uint8_t*>entry + sizeof(entry_header_t) + ((entry.request_bytes + 7) & ~7))


cdef inline bint is_approved(uint16_t code) noexcept nogil:
    return code == CODE_APPROVED or code == CODE_PARTIAL


cdef int add_up(AnswerWindow answers, GroupCommit commit, uint32_t terminal_id, uint32_t business_date,
                total_t* totals, uint64_t* message_count) noexcept nogil:
    """Approved requests by type, and how many were answered at all. -1: the journal cannot be read just now."""
    cdef const answered_t* answer = answers.newest_of(business_date, terminal_id)
    cdef const entry_header_t* entry
    cdef const reply_t* reply
    message_count[0] = 0
    while answer != NULL:
        entry = <const entry_header_t*>commit.entry_at(answer.position)
        if entry == NULL:
            return -1
        if entry.request_type != TYPE_DAY_TOTALS:
            message_count[0] += 1
            reply = reply_in(entry)
            if is_approved(reply.code):
                totals[entry.request_type].count += 1
                totals[entry.request_type].amount_minor += reply.amount_minor
        answer = answers.before(business_date, answer)
    return 0


cdef bint same_totals(const day_totals_request_t* request, const total_t* totals) noexcept nogil:
    """Whether the terminal's rows are the switch's. Types with count 0 are left out on both sides."""
    cdef const day_total_t* rows = <const day_total_t*>(<const uint8_t*>request + sizeof(day_totals_request_t))
    cdef int matched = 0, wanted = 0, i
    for i in range(TYPES):
        wanted += totals[i].count != 0
    for i in range(request.total_count):
        if rows[i].count == 0:
            continue
        if rows[i].count != totals[rows[i].type].count or rows[i].amount_minor != totals[rows[i].type].amount_minor:
            return False
        matched += 1
    return matched == wanted


cdef uint16_t day_totals(Tables tables, AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                         const day_totals_request_t* request, decision_t* decision) noexcept nogil:
    """Compare a terminal's totals with the switch's and note how its close stands; docs/decision.md, section 13.

    CODE_BUSY when the journal cannot be read just now: then nothing was changed, and the caller must turn the request
    away without an entry.
    """
    cdef const day_total_t* rows = <const day_total_t*>(<const uint8_t*>request + sizeof(day_totals_request_t))
    cdef total_t totals[TYPES]
    cdef day_close_record_t* close
    cdef day_total_t* row
    cdef uint64_t message_count
    cdef int64_t approved_minor = 0
    cdef uint16_t code
    cdef int i
    if not answers.covers(request.closed_date):
        return invalid(&decision.reply, CLOSED_DATE_AT)
    if request.total_count > DAY_TOTALS_MAX:
        return invalid(&decision.reply, TOTAL_COUNT_AT)
    for i in range(1, request.total_count):
        if rows[i].type <= rows[i - 1].type:
            return invalid(&decision.reply, TOTAL_COUNT_AT)
    memset(totals, 0, sizeof(totals))
    if add_up(answers, commit, ask.terminal_id, request.closed_date, totals, &message_count) != 0:
        return CODE_BUSY
    close = <day_close_record_t*>tables.day_closes.find(ask.terminal_id, request.closed_date, 0)
    if close == NULL:
        close = <day_close_record_t*>tables.day_closes.make(ask.terminal_id, request.closed_date, 0)
    if close == NULL:
        return CODE_TABLE_FULL
    for i in range(TYPES):
        if totals[i].count:
            row = <day_total_t*>(decision.more + decision.more_bytes)
            memset(row, 0, sizeof(day_total_t))
            row.type, row.count, row.amount_minor = <uint8_t>i, <uint32_t>totals[i].count, totals[i].amount_minor
            decision.more_bytes += <uint32_t>sizeof(day_total_t)
            approved_minor += totals[i].amount_minor
    code = CODE_APPROVED if same_totals(request, totals) else CODE_TOTALS_DIFFER
    close.state = DAY_CLOSE_CLOSED if code == CODE_APPROVED else DAY_CLOSE_DIFFERS
    close.attempts += 1
    close.message_count, close.approved_minor = message_count, approved_minor
    touch(decision, close)
    return code


# ------------------------------------------------------------------------ rows, for digests and lists

ctypedef struct wanted_t:
    uint32_t trace_number
    uint64_t position


cdef int by_trace(const void* left, const void* right) noexcept nogil:
    cdef uint32_t a = (<const wanted_t*>left).trace_number, b = (<const wanted_t*>right).trace_number
    return (a > b) - (a < b)


cdef uint64_t gather(AnswerWindow answers, uint32_t terminal_id, uint32_t business_date, uint32_t first_trace,
                     uint32_t last_trace, wanted_t* wanted) noexcept nogil:
    """How many answers lie in a range of trace numbers; where `wanted` is given, which ones, by trace number."""
    cdef const answered_t* answer = answers.newest_of(business_date, terminal_id)
    cdef uint64_t count = 0
    while answer != NULL:
        if first_trace <= answer.trace_number <= last_trace:
            if wanted != NULL:
                wanted[count].trace_number, wanted[count].position = answer.trace_number, answer.position
            count += 1
        answer = answers.before(business_date, answer)
    if wanted != NULL:
        qsort(wanted, count, sizeof(wanted_t), by_trace)
    return count


cdef int64_t fill_rows(GroupCommit commit, const wanted_t* wanted, uint64_t count, day_row_t* rows,
                       uint64_t rows_max, uint32_t* next_trace) noexcept nogil:
    """Rows of answers until there are `rows_max`; how many they are. -1: the journal cannot be read just now."""
    cdef const entry_header_t* entry
    cdef const reply_t* reply
    cdef int64_t filled = 0
    cdef uint64_t i
    next_trace[0] = 0
    commit.lock()
    for i in range(count):
        if i % ENTRIES_PER_LOCK == ENTRIES_PER_LOCK - 1:
            commit.unlock()
            commit.lock()
        entry = <const entry_header_t*>commit.entry_at(wanted[i].position)
        if entry == NULL:
            filled = -1
            break
        if entry.request_type == TYPE_DAY_TOTALS:
            continue
        if <uint64_t>filled == rows_max:
            next_trace[0] = wanted[i].trace_number
            break
        reply = reply_in(entry)
        memset(&rows[filled], 0, sizeof(day_row_t))
        rows[filled].trace_number, rows[filled].type = wanted[i].trace_number, entry.request_type
        rows[filled].code, rows[filled].amount_minor = reply.code, reply.amount_minor
        rows[filled].journal_sequence = reply.journal_sequence
        filled += 1
    commit.unlock()
    return filled


def day_rows(AnswerWindow answers not None, GroupCommit commit not None, uint32_t terminal_id, uint32_t business_date,
             uint32_t first_trace, uint32_t last_trace, rows_max=None):
    """What a terminal was answered on a date, for a range of trace numbers: (`DayRow`s as bytes, next trace number).

    In order of trace number, at most `rows_max` rows; the next trace number is that of the first row that did not fit,
    0 when all did. None when the journal cannot be read just now. For the event loop, between two rounds.
    """
    cdef uint64_t count = gather(answers, terminal_id, business_date, first_trace, last_trace, NULL)
    cdef uint64_t most = count if rows_max is None else min(count, <uint64_t>rows_max)
    cdef wanted_t* wanted = NULL
    cdef uint32_t next_trace = 0
    cdef int64_t filled
    cdef bytes rows
    cdef day_row_t* first_row
    if count == 0:
        return b"", 0
    rows = PyBytes_FromStringAndSize(NULL, most * sizeof(day_row_t))
    first_row = <day_row_t*><uint8_t*>rows
    wanted = <wanted_t*>malloc(count * sizeof(wanted_t))
    if wanted == NULL:
        raise MemoryError(f"day close: no memory for the places of {count} answers")
    try:
        with nogil:
            gather(answers, terminal_id, business_date, first_trace, last_trace, wanted)
            filled = fill_rows(commit, wanted, count, first_row, most, &next_trace)
    finally:
        free(wanted)
    if filled < 0:
        return None
    return rows[:filled * sizeof(day_row_t)], next_trace
