"""Checks 1 to 4 of docs/decision.md: version, type, length, reserved fields; and the right that a message needs."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from switch._layout cimport *


cdef inline int fixed_bytes(uint8_t request_type) noexcept nogil:
    """Length of a request's body (a debit: without lines); -1 when the type is not decided here."""
    if request_type == TYPE_DEBIT:
        return sizeof(debit_request_t)
    if request_type == TYPE_REVERSAL:
        return sizeof(reversal_request_t)
    if request_type == TYPE_BALANCE:
        return sizeof(balance_request_t)
    if request_type == TYPE_CREDIT:
        return sizeof(credit_request_t)
    if request_type == TYPE_PUT_CARD_TYPE:
        return sizeof(put_card_type_request_t)
    if request_type == TYPE_PUT_STORE:
        return sizeof(put_store_request_t)
    if request_type == TYPE_PUT_TERMINAL:
        return sizeof(put_terminal_request_t)
    if request_type == TYPE_OPEN_CARD:
        return sizeof(open_card_request_t)
    if request_type == TYPE_CHANGE_CARD_STATUS:
        return sizeof(change_card_status_request_t)
    if request_type == TYPE_PUT_SWITCH:
        return sizeof(put_switch_request_t)
    return -1


cdef uint32_t right_needed(uint8_t request_type) noexcept nogil:
    if request_type == TYPE_CREDIT:
        return RIGHT_CREDIT
    if request_type >= TYPE_PUT_CARD_TYPE:
        return RIGHT_CONFIGURE
    return RIGHT_PAY


cdef inline bint reserved_is_zero(const uint8_t* field, int width_bytes, uint32_t offset,
                                  fault_t* fault) noexcept nogil:
    cdef int i
    for i in range(width_bytes):
        if field[i]:
            fault.code = CODE_RESERVED_NOT_ZERO
            fault.offset = offset
            fault.expected = 0
            fault.got = 0
            memcpy(&fault.got, field, 4 if width_bytes > 4 else width_bytes)
            return False
    return True


cdef bint well_formed(uint32_t terminal_id, const uint8_t* message, uint32_t message_bytes,
                      fault_t* fault) noexcept nogil:
    """Checks 1 to 4: version, type, length, reserved fields."""
    cdef const header_t* header = <const header_t*>message
    cdef const uint8_t* body = message + sizeof(header_t)
    cdef uint32_t body_bytes = message_bytes - <uint32_t>sizeof(header_t), expected, i
    cdef const bill_line_t* lines
    cdef int fixed
    fault.offset = 0
    if header.version != PROTOCOL_VERSION:
        fault.code, fault.expected, fault.got = CODE_VERSION, PROTOCOL_VERSION, header.version
        return False
    if header.flags != 0:
        fault.code, fault.expected, fault.got = CODE_RESERVED_NOT_ZERO, 0, header.flags
        return False
    fixed = fixed_bytes(header.type)
    if fixed < 0 or (header.type == TYPE_PUT_SWITCH and terminal_id != 0):
        fault.code, fault.expected, fault.got = CODE_TYPE_UNKNOWN, 0, header.type
        return False
    expected = <uint32_t>fixed
    if header.type == TYPE_DEBIT and body_bytes >= expected:
        expected += (<const debit_request_t*>body).line_count * <uint32_t>sizeof(bill_line_t)
    if body_bytes != expected:
        fault.code, fault.expected, fault.got = CODE_LENGTH, expected, body_bytes
        return False
    if header.type == TYPE_DEBIT:
        if not reserved_is_zero((<const debit_request_t*>body).reserved, 6, 34, fault):
            return False
        lines = <const bill_line_t*>(body + sizeof(debit_request_t))
        for i in range((<const debit_request_t*>body).line_count):
            if lines[i].flags:
                fault.code, fault.expected, fault.got = CODE_RESERVED_NOT_ZERO, 0, lines[i].flags
                fault.offset = <uint32_t>(sizeof(debit_request_t) + i * sizeof(bill_line_t) + 26)
                return False
        return True
    if header.type == TYPE_REVERSAL:
        return reserved_is_zero((<const reversal_request_t*>body).reserved, 7, 41, fault)
    if header.type == TYPE_CREDIT:
        return reserved_is_zero((<const credit_request_t*>body).reserved, 7, 33, fault)
    if header.type == TYPE_PUT_TERMINAL:
        return reserved_is_zero((<const put_terminal_request_t*>body).reserved, 3, 29, fault)
    if header.type == TYPE_OPEN_CARD:
        return reserved_is_zero((<const open_card_request_t*>body).reserved, 5, 35, fault)
    if header.type == TYPE_CHANGE_CARD_STATUS:
        return reserved_is_zero((<const change_card_status_request_t*>body).reserved, 6, 26, fault)
    if header.type == TYPE_PUT_SWITCH:
        return reserved_is_zero((<const put_switch_request_t*>body).reserved, 3, 21, fault)
    return True
