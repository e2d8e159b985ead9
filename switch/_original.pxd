"""The entry that a reversal or refund names: whether it can be read now, what it says, what was given back of it."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._entry cimport request_of, result_count_of, results_of
from switch._index cimport slot_t
from switch._layout cimport *
from switch._shares cimport product, thousandth
from switch._tables cimport Tables
from switch.duplicates cimport POSITION_MASK_LOW, AnswerWindow, answer_key
from switch.group_commit cimport GroupCommit
from switch.journal cimport NOWHERE


cdef inline uint16_t reversal_hindrance(AnswerWindow answers, GroupCommit commit, uint32_t terminal_id,
                                        const reversal_request_t* request) noexcept nogil:
    """Why a reversal cannot be decided now: no room for a note, or its original cannot be read. 0: it can."""
    cdef uint32_t date = request.original_business_date
    cdef slot_t* slot
    if not answers.covers(date):
        return 0
    if date == request.business_date and request.original_trace_number == request.trace_number:
        return 0                                 # it names itself, and is refused for that
    slot = answers.find(date, answer_key(terminal_id, request.original_trace_number))
    if slot == NULL:
        # The note needs a place, and on the same date the reversal's own answer needs another.
        if answers.count_of(date) + (date == request.business_date) >= answers.answers_per_date_max:
            return CODE_WINDOW_FULL
        return 0
    return 0 if commit.entry_at(slot.value & ~<uint64_t>POSITION_MASK_LOW) != NULL else CODE_BUSY


cdef inline uint16_t refund_hindrance(GroupCommit commit, const refund_request_t* request) noexcept nogil:
    """BUSY when a refund's original is there and cannot be read just now; else 0."""
    cdef uint64_t position = commit.position_of_sequence(request.original_sequence)
    return CODE_BUSY if position != NOWHERE and commit.entry_at(position) == NULL else 0


cdef inline mark_record_t* refund_mark(Tables tables, uint64_t sequence, uint64_t line) noexcept nogil:
    return <mark_record_t*>tables.marks.find(sequence, line, <uint64_t>MARK_REFUND << 56)


cdef inline mark_record_t* refund_mark_made(Tables tables, uint64_t sequence, uint64_t line) noexcept nogil:
    """The mark, made when it is not there: room was checked before."""
    cdef mark_record_t* mark = refund_mark(tables, sequence, line)
    if mark == NULL:
        mark = <mark_record_t*>tables.marks.make(sequence, line, <uint64_t>MARK_REFUND << 56)
    return mark


cdef inline bint is_reversible(uint8_t request_type) noexcept nogil:
    return (request_type == TYPE_DEBIT or request_type == TYPE_HOLD or request_type == TYPE_CREDIT
            or request_type == TYPE_REDEEM or request_type == TYPE_LOAD_VISITS)


cdef inline uint32_t points_tenders_of(const entry_header_t* entry) noexcept nogil:
    """Number of POINTS tenders of a debit: each has a result behind those of the lines."""
    cdef const debit_request_t* request = <const debit_request_t*>request_of(entry)
    cdef const tender_t* tenders = <const tender_t*>(
        <const uint8_t*>request + sizeof(debit_request_t) + request.line_count * sizeof(bill_line_t))
    cdef uint32_t i, count = 0
    if entry.request_type == TYPE_DEBIT:
        for i in range(request.tender_count):
            count += tenders[i].kind == TENDER_POINTS
    return count


cdef inline uint32_t line_results_of(const entry_header_t* entry) noexcept nogil:
    """Number of line results of a debit or capture: all its lines or none; a bill without lines may have one."""
    return result_count_of(entry) - points_tenders_of(entry)


cdef inline uint32_t refundable_lines_of(const entry_header_t* entry) noexcept nogil:
    """Lines that a refund may name."""
    if entry.request_type != TYPE_DEBIT or line_results_of(entry) == 0:
        return 0
    return (<const debit_request_t*>request_of(entry)).line_count


cdef inline uint32_t booking_date_of(const entry_header_t* entry, const line_result_t* result) noexcept nogil:
    return entry.business_date + result.booking_days if result.booking_days else 0


cdef inline int64_t line_net(const entry_header_t* original, uint32_t line) noexcept nogil:
    """What a line of the original came to after the switch's discount."""
    cdef const bill_line_t* lines = <const bill_line_t*>(request_of(original) + sizeof(debit_request_t))
    cdef const line_result_t* result = &results_of(original)[line]
    cdef int64_t amount = lines[line].amount_minor
    if (<const debit_request_t*>request_of(original)).flags & DEBIT_PRICED:
        amount = <int64_t>thousandth(product(result.unit_price_minor, lines[line].quantity_milli))
    return amount - result.discount_minor
