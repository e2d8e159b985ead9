"""Operators' messages: card types, stores, terminals, cards."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from switch._layout cimport reply_t
from switch._tables cimport Tables

cdef struct decision_t:
    reply_t reply
    const uint8_t* images[2]         # records that the decision changed, in the order of their kinds
    int image_count
    int marks_original               # a reversal: its original's key is to be marked
    uint32_t original_date
    uint64_t original_key


cdef void evaluate_operator(Tables tables, uint8_t request_type, const uint8_t* body, uint32_t today,
                            decision_t* decision) noexcept nogil
