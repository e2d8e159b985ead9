"""Checks 1 to 4 of docs/decision.md: version, type, length, reserved fields; and the right that a message needs.

What a form looks like comes from the declarations (`FORMS` in `_layout.pxd`);
only a bill has more kinds of rows than one, and flags of which some bits are
known, and is checked by hand.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from switch._layout cimport *


cdef enum:
    DEBIT_FLAGS_AT = 35
    DEBIT_FLAGS_KNOWN = 7
    LINE_FLAGS_AT = 26
    LINE_FLAGS_KNOWN = 3
    EVIDENCE_FLAGS_AT = 2
    EVIDENCE_FLAGS_KNOWN = 15


cdef inline bint decided(uint8_t request_type) noexcept nogil:
    """Whether the engine decides messages of this type; the dispatcher answers the others."""
    return FORMS[request_type].keyed or (
        request_type == TYPE_BALANCE or request_type == TYPE_QUOTE or request_type == TYPE_CARD_QUERY
        or request_type == TYPE_PUT_SWITCH)


cdef inline bint reserved_is_zero(const uint8_t* body, const place_t* places, int place_count, uint32_t row_at,
                                  fault_t* fault) noexcept nogil:
    cdef const uint8_t* field
    cdef int i, k
    for i in range(place_count):
        field = body + row_at + places[i].at
        for k in range(places[i].bytes):
            if field[k]:
                fault.code, fault.offset, fault.expected = CODE_RESERVED_NOT_ZERO, row_at + places[i].at, 0
                fault.got = 0
                memcpy(&fault.got, field, 4 if places[i].bytes > 4 else places[i].bytes)
                return False
    return True


cdef inline bint flags_are_known(uint32_t flags, uint32_t known, uint32_t offset, fault_t* fault) noexcept nogil:
    if not flags & ~known:
        return True
    fault.code, fault.offset, fault.expected, fault.got = CODE_RESERVED_NOT_ZERO, offset, 0, flags
    return False


cdef inline bint lines_are_clean(const uint8_t* body, uint32_t at, uint32_t line_count, fault_t* fault) noexcept nogil:
    cdef uint32_t _i
    for _i in range(line_count):
        if not flags_are_known((<const bill_line_t*>(body + at)).flags, LINE_FLAGS_KNOWN, at + LINE_FLAGS_AT, fault):
            return False
        at += <uint32_t>sizeof(bill_line_t)
    return True


cdef inline bint debit_is_clean(const uint8_t* body, fault_t* fault) noexcept nogil:
    """Flags and reserved fields of a debit or quote whose length fits."""
    cdef const debit_request_t* request = <const debit_request_t*>body
    cdef uint32_t at = <uint32_t>sizeof(debit_request_t), _i
    cdef place_t tender_reserved
    if not flags_are_known(request.flags, DEBIT_FLAGS_KNOWN, DEBIT_FLAGS_AT, fault):
        return False
    if not reserved_is_zero(body, FORMS[TYPE_DEBIT].reserved, 1, 0, fault):
        return False
    if not lines_are_clean(body, at, request.line_count, fault):
        return False
    at += request.line_count * <uint32_t>sizeof(bill_line_t)
    tender_reserved.at = tender_reserved.bytes = 1
    for _i in range(request.tender_count):
        if not reserved_is_zero(body, &tender_reserved, 1, at, fault):
            return False
        at += <uint32_t>sizeof(tender_t)
    return True


cdef inline uint32_t expected_bytes(uint8_t request_type, const uint8_t* body, uint32_t body_bytes) noexcept nogil:
    """Length that the body should have: its fixed part while it is shorter, else with the rows that it announces."""
    cdef const form_t* form = &FORMS[request_type]
    cdef const debit_request_t* debit = <const debit_request_t*>body
    cdef uint32_t expected = form.fixed_bytes
    if body_bytes < expected:
        return expected
    if request_type == TYPE_DEBIT or request_type == TYPE_QUOTE:
        expected += debit.line_count * <uint32_t>sizeof(bill_line_t) + debit.tender_count * <uint32_t>sizeof(tender_t)
        return expected + (PIN_BYTES if debit.flags & DEBIT_PIN else 0)
    return expected + form.row_bytes * (body[form.row_count_at] if form.row_bytes else 0)


cdef const evidence_t* evidence_in(uint8_t request_type, const uint8_t* body, uint32_t body_bytes) noexcept nogil:
    """Evidence behind a body, or NULL; whether the rest is well formed is not asked."""
    if (not FORMS[request_type].evidence or body_bytes < FORMS[request_type].fixed_bytes
            or body_bytes != expected_bytes(request_type, body, body_bytes) + EVIDENCE_BYTES):
        return NULL
    return <const evidence_t*>(body + body_bytes - EVIDENCE_BYTES)


cdef inline bint evidence_is_clean(const uint8_t* body, uint32_t at, uint32_t body_bytes,
                                   fault_t* fault) noexcept nogil:
    """Flags of the evidence behind a body, if there is some. (What was found is zero on the wire: `_examine` asks.)"""
    return at == body_bytes or flags_are_known(
        (<const evidence_t*>(body + at)).flags, EVIDENCE_FLAGS_KNOWN, at + EVIDENCE_FLAGS_AT, fault)


cdef bint well_formed(uint32_t terminal_id, const uint8_t* message, uint32_t message_bytes,
                      fault_t* fault) noexcept nogil:
    """Checks 1 to 4: version, type, length, reserved fields."""
    cdef const header_t* header = <const header_t*>message
    cdef const uint8_t* body = message + sizeof(header_t)
    cdef uint32_t body_bytes = message_bytes - <uint32_t>sizeof(header_t), expected, i
    cdef const form_t* form = &FORMS[header.type]
    fault.offset = 0
    if header.version != PROTOCOL_VERSION:
        fault.code, fault.expected, fault.got = CODE_VERSION, PROTOCOL_VERSION, header.version
        return False
    if header.flags != 0:
        fault.code, fault.expected, fault.got = CODE_RESERVED_NOT_ZERO, 0, header.flags
        return False
    if not decided(header.type) or (header.type == TYPE_PUT_SWITCH and terminal_id != 0):
        fault.code, fault.expected, fault.got = CODE_TYPE_UNKNOWN, 0, header.type
        return False
    expected = expected_bytes(header.type, body, body_bytes)
    if body_bytes != expected and not (form.evidence and body_bytes == expected + EVIDENCE_BYTES):
        fault.code, fault.expected, fault.got = CODE_LENGTH, expected, body_bytes
        return False
    if header.type == TYPE_DEBIT or header.type == TYPE_QUOTE:
        return debit_is_clean(body, fault) and evidence_is_clean(body, expected, body_bytes, fault)
    if not reserved_is_zero(body, form.reserved, 4, 0, fault):
        return False
    if form.evidence:
        return evidence_is_clean(body, expected, body_bytes, fault)
    if header.type == TYPE_BACKFILL:
        return lines_are_clean(body, form.fixed_bytes, body[form.row_count_at], fault)
    if form.row_bytes:
        for i in range(body[form.row_count_at]):
            if not reserved_is_zero(body, form.row_reserved, 2, form.fixed_bytes + i * form.row_bytes, fault):
                return False
    return True


cdef uint32_t right_needed(const header_t* header, const uint8_t* body) noexcept nogil:
    """Bits of the rights that a well-formed message needs, all of them."""
    if header.type == TYPE_CREDIT and (<const credit_request_t*>body).channel == CHANNEL_OPENING:
        return RIGHT_CREDIT | RIGHT_CONFIGURE
    return FORMS[header.type].right
